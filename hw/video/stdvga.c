/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdvga - the standard VGA of QEMU and Bochs as a PCI function: 1234:1111.
 *
 * Sources:  as in vga.c; PCI function: QEMU's docs/specs/standard-vga.txt; drivers: SeaVGABIOS,
 *           Linux bochs-drm, vesafb and vgacon.
 * Present:  BAR0 video memory (guest RAM that follows the BAR), BAR2 with the VGA ports, the VBE
 *           registers and the byte order register, the expansion ROM, the ISA ports and window.
 * Absent:   EDID in BAR2 (reads zeros: drivers take their default mode); a byte order other than
 *           little endian changes nothing on the screen; ISA ports and window answer whatever the
 *           command register and VGA arbitration say.
 */
#include <errno.h>

#include "display/display.h"
#include "hw/core/pci.h"
#include "hw/video/vga.h"

enum { REGION_MONO, REGION_PORTS, REGION_VBE, REGION_WINDOW, REGION_BAR2, REGION_ROM };

enum { MONO_BASE = 0x3b4, PORTS_BASE = 0x3c0 };

/* BAR2. */
enum {
    MMIO_PORTS = 0x400,
    MMIO_PORTS_END = 0x420,
    MMIO_VBE = 0x500,
    MMIO_VBE_END = 0x516,
    MMIO_QEXT_SIZE = 0x600,
    MMIO_QEXT_ORDER = 0x604,
    MMIO_QEXT_END = 0x608
};
enum { QEXT_BYTES = 8 };
#define QEXT_LITTLE UINT32_C(0x1e1e1e1e)
#define QEXT_BIG    UINT32_C(0xbebebebe)

enum { VRAM_MAX = 256 << 20, ROM_MAX = 16 << 20 };

static const struct state_field stdvga_fields[] = { VGA_STATE(STATE_FIELD1, STATE_FIELDN,
                                                              vga_state) };
static const struct state_desc stdvga_desc = { stdvga_fields, ARRAY_SIZE(stdvga_fields),
                                               sizeof(struct vga_state), 1 };

struct stdvga {
    struct vga vga; /* first member, with struct device in it */
    /* Where video memory is, for the time that a reset has zeroed the state. */
    uint64_t last_gfn;
    uint8_t lost;
    struct display *shown; /* display that we draw for */
};

static struct vga *vga_of(struct device *d)
{
    return (struct vga *)d;
}

/* ---- ports ---- */

static uint64_t mono_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width;
    return vga_port_read(vga_of(d), MONO_BASE + offset);
}

static void mono_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    vga_port_write(vga_of(d), MONO_BASE + offset, (uint8_t)value);
}

static uint64_t ports_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width;
    return vga_port_read(vga_of(d), PORTS_BASE + offset);
}

static void ports_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    vga_port_write(vga_of(d), PORTS_BASE + offset, (uint8_t)value);
}

/* Index at 1ce, data at 1cf (as PCs do it) and at 1d0 (where alignment matters), 16 bits each. */
static uint64_t vbe_read(struct device *d, uint32_t offset, unsigned width)
{
    struct vga *v = vga_of(d);

    if (width != 2)
        return 0xff;
    return offset == 0 ? v->s->VBE_INDEX : vga_vbe_read(v, v->s->VBE_INDEX);
}

static void vbe_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct vga *v = vga_of(d);

    if (width != 2)
        return;
    if (offset == 0)
        v->s->VBE_INDEX = (uint16_t)value;
    else
        vga_vbe_write(v, v->s->VBE_INDEX, (uint16_t)value);
}

/* ---- the window at a0000 ---- */

static uint64_t window_read(struct device *d, uint32_t offset, unsigned width)
{
    uint8_t bytes[8];

    vga_window_read(vga_of(d), offset, bytes, width);
    return load_le(bytes, width);
}

static void window_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    uint8_t bytes[8];

    store_le(bytes, width, value);
    vga_window_write(vga_of(d), offset, bytes, width);
}

static uint32_t window_read_block(struct device *d, uint32_t offset, void *buf, uint32_t len)
{
    vga_window_read(vga_of(d), offset, buf, len);
    return len;
}

static uint32_t window_write_block(struct device *d, uint32_t offset, const void *buf, uint32_t len)
{
    vga_window_write(vga_of(d), offset, buf, len);
    return len;
}

/* ---- BAR2 ---- */

static uint32_t qext_read(const struct vga *v, uint32_t offset, unsigned width)
{
    uint8_t bytes[8];

    put_le32(bytes, QEXT_BYTES);
    put_le32(bytes + 4, v->s->QEXT_ORDER);
    return offset + width <= sizeof bytes ? (uint32_t)load_le(bytes + offset, width) : 0;
}

static uint64_t mmio_read(struct device *d, uint32_t offset, unsigned width)
{
    struct vga *v = vga_of(d);
    uint64_t result = 0;

    if (offset >= MMIO_PORTS && offset + width <= MMIO_PORTS_END) {
        for (unsigned i = 0; i < width; i++)
            result |= (uint64_t)vga_port_read(v, PORTS_BASE + offset - MMIO_PORTS + i) << (i * 8);
        return result;
    }
    if (offset >= MMIO_VBE && offset + width <= MMIO_VBE_END) {
        unsigned index = (offset - MMIO_VBE) / 2, skip = offset & 1;

        for (unsigned at = 0; at < width + skip; at += 2)
            result |= (uint64_t)vga_vbe_read(v, index + at / 2) << (at * 8);
        return result >> (skip * 8);
    }
    if (offset >= MMIO_QEXT_SIZE && offset < MMIO_QEXT_END)
        return qext_read(v, offset - MMIO_QEXT_SIZE, width);
    return 0;
}

static void mmio_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct vga *v = vga_of(d);

    if (offset >= MMIO_PORTS && offset + width <= MMIO_PORTS_END) {
        for (unsigned i = 0; i < width; i++)
            vga_port_write(v, PORTS_BASE + offset - MMIO_PORTS + i, (uint8_t)(value >> (i * 8)));
    } else if (offset >= MMIO_VBE && offset + width <= MMIO_VBE_END) {
        for (unsigned i = 0; !(offset & 1) && i + 2 <= width; i += 2) /* whole registers only */
            vga_vbe_write(v, (offset - MMIO_VBE + i) / 2, (uint16_t)(value >> (i * 8)));
    } else if (offset == MMIO_QEXT_ORDER && width == 4) {
        if (value == QEXT_LITTLE || value == QEXT_BIG)
            v->s->QEXT_ORDER = (uint32_t)value;
    }
}

/* ---- PCI ---- */

static uint32_t stdvga_bar_size(struct device *d, unsigned n)
{
    return n == 0 ? d->host.vram_bytes : 0;
}

/* Video memory follows BAR0 and rests at its parking place while the BAR is off. A move that fails
 * half-way leaves pages in both places; nothing of it can be trusted then, and the screen is gone,
 * but the guest lives on. */
static void stdvga_bar_moved(struct device *d, unsigned n, uint64_t base)
{
    struct stdvga *g = (struct stdvga *)d;
    struct vga_state *s = d->state;
    uint64_t from = s->VRAM_GFN ? s->VRAM_GFN : g->last_gfn, pages = d->host.vram_bytes >> 12;
    uint64_t to = base == UINT64_MAX ? d->host.vram_gfn : base >> 12;
    int err;

    if (!g->vga.s) /* unrealized: the next owner finds video memory where the state says */
        return;
    if (n != 0 || from == to || g->lost || s->VRAM_LOST)
        return;
    if (from != g->last_gfn && from != d->host.vram_gfn)
        return; /* a loaded state that stdvga_loaded() will refuse */
    if (from < to + pages && to < from + pages) {
        guest_log(d, "video memory stays at frame 0x%llx: its BAR overlaps it",
                  (unsigned long long)from);
        return;
    }
    err = machine_move_pages(d, from, to, pages);
    if (err < 0) {
        guest_log(d, "video memory could not be moved from frame 0x%llx to 0x%llx (%s): no screen",
                  (unsigned long long)from, (unsigned long long)to, strerror(-err));
        s->VRAM_LOST = g->lost = 1;
        return;
    }
    s->VRAM_GFN = to;
    g->last_gfn = to;
}

/* ---- life ---- */

static int stdvga_draw(void *opaque, struct surface *out, struct error *e)
{
    return vga_draw(opaque, out, e);
}

static int stdvga_realize(struct device *d, struct error *e)
{
    struct stdvga *g = (struct stdvga *)d;
    uint32_t bytes = d->host.vram_bytes;

    if (bytes < VGA_BYTES || bytes > VRAM_MAX || (bytes & (bytes - 1)))
        return error_set(e, -EINVAL,
                         "%s: %u bytes of video memory are not a power of two between "
                         "256 KiB and 256 MiB",
                         d->id, bytes);
    if (d->host.vram_gfn == 0)
        return error_set(e, -EINVAL, "%s: no place for its video memory", d->id);
    if (d->host.rom_size > ROM_MAX)
        return error_set(e, -EINVAL, "%s: its ROM image is larger than 16 MiB", d->id);
    g->vga.s = d->state;
    g->vga.vram_bytes = bytes;
    g->last_gfn = d->host.vram_gfn;
    if (d->host.display) {
        g->shown = d->host.display;
        g->shown->draw = stdvga_draw;
        g->shown->opaque = &g->vga;
    }
    return 0;
}

static void stdvga_unrealize(struct device *d)
{
    struct stdvga *g = (struct stdvga *)d;

    if (g->shown && g->shown->opaque == &g->vga)
        g->shown->draw = NULL;
    g->shown = NULL;
    g->vga.s = NULL;
}

static void stdvga_reset(struct device *d)
{
    struct stdvga *g = (struct stdvga *)d;

    vga_reset(&g->vga);
    g->vga.s->VRAM_GFN = g->last_gfn;
    g->vga.s->VRAM_LOST = g->lost;
}

static int stdvga_loaded(struct device *d, struct error *e)
{
    struct stdvga *g = (struct stdvga *)d;
    struct vga_state *s = g->vga.s;
    uint64_t bar = (pci_config32(d, PCI_BAR0) & ~0xfu) >> 12;
    bool decoded = pci_config16(d, PCI_COMMAND) & PCI_COMMAND_MEMORY;

    if (s->VRAM_GFN != d->host.vram_gfn && !(decoded && s->VRAM_GFN == bar) && !s->VRAM_LOST)
        return error_set(e, -EINVAL, "%s: VRAM_GFN 0x%llx is no place for video memory", d->id,
                         (unsigned long long)s->VRAM_GFN);
    g->last_gfn = s->VRAM_GFN;
    g->lost = s->VRAM_LOST;
    return 0;
}

static const char *const mono_names[] = { [0] = "CRTC_INDEX", "CRTC_DATA", [6] = "STATUS1" };
static const char *const vga_names[] = {
    [0x00] = "ATTRIBUTE",
    "ATTRIBUTE_READ",
    "STATUS0_MISC",
    NULL,
    "SEQUENCER_INDEX",
    [0x05] = "SEQUENCER_DATA",
    "DAC_MASK",
    "DAC_STATE_READ_INDEX",
    "DAC_WRITE_INDEX",
    "DAC_DATA",
    [0x0a] = "FEATURE",
    [0x0c] = "MISC",
    [0x0e] = "GRAPHICS_INDEX",
    "GRAPHICS_DATA",
    [0x14] = "CRTC_INDEX",
    "CRTC_DATA",
    [0x1a] = "STATUS1_FEATURE",
};
static const char *const vbe_names[] = { "INDEX", "DATA", "DATA", "DATA" };

static const struct region stdvga_regions[] = {
    [REGION_MONO] = { .name = "mono",
                      .space = BUS_PIO,
                      .size = 7,
                      NAMED(mono_names),
                      .widths = 1,
                      .read = mono_read,
                      .write = mono_write },
    [REGION_PORTS] = { .name = "vga",
                       .space = BUS_PIO,
                       .size = 0x1b,
                       NAMED(vga_names),
                       .widths = 1,
                       .read = ports_read,
                       .write = ports_write },
    [REGION_VBE] = { .name = "vbe",
                     .space = BUS_PIO,
                     .size = 4,
                     NAMED(vbe_names),
                     .widths = 1 | 2,
                     .read = vbe_read,
                     .write = vbe_write },
    [REGION_WINDOW] = { .name = "window",
                        .space = BUS_MMIO,
                        .size = VGA_WINDOW_SIZE,
                        .widths = 1 | 2 | 4 | 8,
                        .read = window_read,
                        .write = window_write,
                        .read_block = window_read_block,
                        .write_block = window_write_block },
    [REGION_BAR2] = { .name = "mmio",
                      .space = BUS_MMIO,
                      .size = 0x1000,
                      .widths = 1 | 2 | 4,
                      .read = mmio_read,
                      .write = mmio_write },
    [REGION_ROM] = PCI_ROM_REGION(ROM_MAX),
};

static const struct pci_desc stdvga_pci = {
    .vendor = 0x1234,
    .device = 0x1111,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .revision = 2,
    .class_code = 0x0300,
    .bar = { [0] = { PCI_BAR_MEM_PREFETCH, 16 << 20, -1 },
             [2] = { PCI_BAR_MEM, 0x1000, REGION_BAR2 },
             [6] = { PCI_BAR_ROM, ROM_MAX, REGION_ROM } },
    .bar_moved = stdvga_bar_moved,
    .bar_size = stdvga_bar_size,
};

const struct device_ops stdvga_ops = {
    .name = "stdvga",
    .size = sizeof(struct stdvga),
    .state = &stdvga_desc,
    .regions = stdvga_regions,
    .nregions = ARRAY_SIZE(stdvga_regions),
    .pci = &stdvga_pci,
    .realize = stdvga_realize,
    .unrealize = stdvga_unrealize,
    .reset = stdvga_reset,
    .loaded = stdvga_loaded,
};
