/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_platform - Xen platform device: PCI function 5853:0001 and the ports by which PV drivers
 * unplug emulated disks and NICs.
 *
 * Source:  Xen docs/misc/hvm-emulated-unplug and xen-platform-pci.
 * Present: both port protocols, log port, ROM lock, unplug.
 * Absent:  the INTA pin: Xen raises it itself for callbacks. Blacklisting of driver versions.
 *          Behind BAR 1 is nothing: guests map their shared pages there.
 */
#include "hw/core/device.h"
#include "hw/core/pci.h"
#include "hw/core/trace.h"

/* Fixed ports, from 10h; the width of the access chooses among registers at one offset. */
enum { PORT_MAGIC = 0, PORT_PROTOCOL = 2, PORTS = 0x10 };
enum { MAGIC = 0x49d2, PROTOCOL = 1 };
enum { FLAGS_ROM_LOCK = 1u << 0 };
/* BAR 0, older protocols. */
enum { BAR0_FLAGS = 0, BAR0_SUSE = 4, BAR0_VMDP = 8 };
enum { SUSE_DISKS_NICS = 1, VMDP_DISKS = 1, VMDP_NICS = 2 };
enum {
    UNPLUG_DISKS = 1u << 0,
    UNPLUG_NICS = 1u << 1,
    UNPLUG_AUX_IDE = 1u << 2,
    UNPLUG_NVME = 1u << 3,
    UNPLUG_MASK = 0xf
};

/* What the ROM lock covers: 0xc0000 to 0xfffff. */
#define ROM_GFN UINT64_C(0xc0)
#define ROM_NR  UINT64_C(0x40)
#define LINE    200u

#define XEN_PLATFORM_STATE(F, A, S)                                                                \
    F(S, uint8_t, FLAGS, FLAGS_ROM_LOCK, 1)                                                        \
    F(S, uint8_t, unplugged, UNPLUG_MASK, 1) /* everything asked for since the reset */            \
    F(S, uint16_t, product, ANY, 1)                                                                \
    F(S, uint32_t, build, ANY, 1)                                                                  \
    F(S, uint8_t, line_n, LINE, 1)                                                                 \
    A(S, uint8_t, line, LINE, ANY, 1)
STATE_DEFINE(xen_platform, XEN_PLATFORM_STATE);

struct xen_platform {
    struct device dev;
    bool locked;      /* as the machine was told last */
    unsigned applied; /* the same of the unplug mask */
};

/* Memory protection and absent devices are outputs: derived from the state, told when they differ;
 * so a loaded machine gets them as well, and asking twice is the same as once (XSA-139). */
static void xen_platform_update(struct device *d)
{
    struct xen_platform *p = (struct xen_platform *)d;
    const struct xen_platform_state *s = d->state;
    bool lock = HAS(s, FLAGS, ROM_LOCK);
    unsigned news = s->unplugged & ~p->applied;

    if (lock != p->locked) {
        p->locked = lock;
        machine_protect(d, ROM_GFN, ROM_NR, lock);
    }
    if (news) {
        p->applied |= news;
        machine_unplug(d, news);
    }
}

static void unplug(struct device *d, unsigned mask)
{
    struct xen_platform_state *s = d->state;

    if (mask & UNPLUG_DISKS)
        mask &= ~(unsigned)UNPLUG_AUX_IDE; /* part of it */
    s->unplugged = (uint8_t)(s->unplugged | (mask & UNPLUG_MASK));
}

static void flags_write(struct device *d, uint8_t value)
{
    struct xen_platform_state *s = d->state;

    s->FLAGS = value & FLAGS_ROM_LOCK;
}

/* --- log --- */

static void log_flush(struct device *d)
{
    struct xen_platform_state *s = d->state;
    int n = s->line_n <= sizeof s->line ? s->line_n : 0;

    s->line_n = 0;
    if (n)
        guest_log(d, "the guest says: %.*s", n, (const char *)s->line);
}

/* Lines of at most LINE characters; only printable ASCII gets into the host's log. */
static void log_char(struct device *d, uint8_t c)
{
    struct xen_platform_state *s = d->state;

    if (c == '\n') {
        log_flush(d);
        return;
    }
    if (c == '\r' || c == 0)
        return;
    if (s->line_n >= sizeof s->line)
        log_flush(d);
    s->line[s->line_n++] = c >= ' ' && c <= '~' ? c : '?';
}

/* --- fixed ports --- */

static uint64_t ports_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct xen_platform_state *s = d->state;

    if (offset == PORT_MAGIC && width == 2)
        return MAGIC;
    if (offset == PORT_MAGIC && width == 1)
        return s->FLAGS;
    if (offset == PORT_PROTOCOL && width == 1)
        return PROTOCOL;
    return ones(width);
}

static void magic_write(struct device *d, unsigned width, uint32_t value)
{
    struct xen_platform_state *s = d->state;

    if (width == 1) {
        flags_write(d, (uint8_t)value);
    } else if (width == 2) {
        unplug(d, value);
    } else {
        s->build = value;
        trace_text(d, "PV drivers: product %u, build %u", s->product, s->build);
    }
}

static void ports_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct xen_platform_state *s = d->state;

    if (offset == PORT_MAGIC)
        magic_write(d, width, (uint32_t)value);
    else if (offset == PORT_PROTOCOL && width == 1)
        log_char(d, (uint8_t)value);
    else if (offset == PORT_PROTOCOL && width == 2)
        s->product = (uint16_t)value;
}

/* --- BARs --- */

static uint64_t bar0_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct xen_platform_state *s = d->state;

    return offset == BAR0_FLAGS ? s->FLAGS : ones(width);
}

static void bar0_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width; /* bytes only */
    switch (offset) {
    case BAR0_FLAGS:
        flags_write(d, (uint8_t)value);
        break;
    case BAR0_SUSE:
        if (value == SUSE_DISKS_NICS)
            unplug(d, UNPLUG_DISKS | UNPLUG_NICS);
        break;
    case BAR0_VMDP:
        if (value == VMDP_DISKS)
            unplug(d, UNPLUG_DISKS);
        else if (value == VMDP_NICS)
            unplug(d, UNPLUG_NICS);
        else
            log_char(d, (uint8_t)value);
        break;
    default:
        break;
    }
}

static uint64_t bar1_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d;
    (void)offset;
    (void)width;
    return 0;
}

static void bar1_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)d;
    (void)offset;
    (void)width;
    (void)value;
}

/* Whatever the machine was told before. */
static int xen_platform_loaded(struct device *d, struct error *e)
{
    struct xen_platform *p = (struct xen_platform *)d;
    const struct xen_platform_state *s = d->state;

    (void)e;
    p->locked = !HAS(s, FLAGS, ROM_LOCK);
    return 0;
}

static void xen_platform_reset(struct device *d)
{
    struct xen_platform *p = (struct xen_platform *)d;

    p->applied = 0; /* the machine plugs everything in again */
}

enum { REGION_PORTS, REGION_BAR0, REGION_BAR1 };

static const char *const ports_names[] = { "MAGIC", NULL, "PROTOCOL" };
static const char *const bar0_names[] = {
    [BAR0_FLAGS] = "FLAGS", [BAR0_SUSE] = "SUSE_UNPLUG", [BAR0_VMDP] = "VMDP"
};

static const struct region xen_platform_regions[] = {
    [REGION_PORTS] = { .name = "ports",
                       .space = BUS_PIO,
                       .size = PORTS,
                       NAMED(ports_names),
                       .widths = 1 | 2 | 4,
                       .read = ports_read,
                       .write = ports_write },
    [REGION_BAR0] = { .name = "bar0",
                      .space = BUS_PIO,
                      .size = 0x100,
                      NAMED(bar0_names),
                      .read = bar0_read,
                      .write = bar0_write },
    [REGION_BAR1] = { .name = "bar1",
                      .space = BUS_MMIO,
                      .size = 16u << 20,
                      .widths = 1 | 2 | 4 | 8,
                      .read = bar1_read,
                      .write = bar1_write,
                      .constant = true },
};

static const struct pci_desc xen_platform_pci = {
    .vendor = 0x5853,
    .device = 0x0001,
    .subsystem_vendor = 0x5853,
    .subsystem = 0x0001,
    .revision = 1,
    .class_code = 0xff80,
    .int_pin = 1,
    .command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY,
    .bar[0] = { .kind = PCI_BAR_IO, .size = 0x100, .region = REGION_BAR0 },
    .bar[1] = { .kind = PCI_BAR_MEM_PREFETCH, .size = 16u << 20, .region = REGION_BAR1 },
};

const struct device_ops xen_platform_ops = {
    .name = "xen_platform",
    .size = sizeof(struct xen_platform),
    .state = &xen_platform_desc,
    .regions = xen_platform_regions,
    .nregions = ARRAY_SIZE(xen_platform_regions),
    .pci = &xen_platform_pci,
    .reset = xen_platform_reset,
    .update = xen_platform_update,
    .loaded = xen_platform_loaded,
};
