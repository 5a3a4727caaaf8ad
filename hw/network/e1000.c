/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000 - Intel 82540EM Gigabit Ethernet controller.
 *
 * Datasheet: Intel 317453, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 *            Manual" (8254x); numbers of sections are of revision 4.0.
 * Present:   8086:100e with its registers in memory (BAR 0) and by IOADDR and IODATA (BAR 1),
 *            option ROM; interrupts with ITR and the delay timers; statistics; reset; and what the
 *            headers of the other files say.
 * Absent:    wake-up and power management, flow control, management (MANC keeps what is written),
 *            diagnostic registers of the FIFOs, packet buffer memory, TXD_LOW, 10 and 100 Mb/s (the
 *            link is always 1000 Mb/s, full duplex).
 * Files:     e1000_tx.c transmitter, e1000_rx.c receiver, e1000_phy.c EEPROM and PHY.
 */
#include "hw/network/e1000.h"

#include <errno.h>

#include "hw/core/pci.h"

enum { REGION_MMIO, REGION_IO, REGION_ROM };
enum { ROM_MAX = 512 << 10 };
enum { PBA_ALL = 64, PBA_RX = 48 }; /* KiB of the packet buffer */
enum { UNPLUG_NICS = 2 };           /* hvm-emulated-unplug of Xen */

static struct e1000 *e1000_of(struct device *d)
{
    return (struct e1000 *)d;
}

/* --- link, interrupts, statistics --- */

bool e1000_loopback(const struct e1000_state *s)
{
    return HAS(s, RCTL, LBM) || (s->phy[0] & BMCR_LOOPBACK);
}

bool e1000_link(const struct device *d)
{
    const struct e1000_state *s = d->state;

    return e1000_loopback(s) || (d->host.net && d->host.net->up);
}

void e1000_cause(struct device *d, uint32_t icr)
{
    struct e1000_state *s = d->state;

    s->ICR |= icr & ICR_ALL;
}

void e1000_delay(struct device *d, uint64_t *timer, uint64_t *end, uint32_t delay, uint32_t latest)
{
    uint64_t now = clock_now(d), when = now + delay * UINT64_C(1024);

    if (latest && !*end)
        *end = now + latest * UINT64_C(1024);
    timer_arm(d, timer, latest && *end < when ? *end : when);
}

static void rx_irq_expired(struct device *d)
{
    struct e1000_state *s = d->state;

    s->rx_latest = 0;
    e1000_cause(d, ICR_RXT0);
}

static void tx_irq_expired(struct device *d)
{
    struct e1000_state *s = d->state;

    s->tx_latest = 0;
    e1000_cause(d, ICR_TXDW);
}

/* update() looks at it again. */
static void throttle_expired(struct device *d)
{
    (void)d;
}

/* The line falls when the causes do, and rises again ITR (in 256 ns) after it rose last. No timer
 * runs where nothing waits for it. */
static void irq_update(struct device *d)
{
    struct e1000_state *s = d->state;
    bool wanted = s->ICR & s->IMS;
    uint64_t now = wanted && !s->raised ? clock_now(d) : 0;

    if (!wanted) {
        s->raised = 0;
    } else if (!s->raised && now >= s->irq_after) {
        s->raised = 1;
        s->irq_after = s->ITR ? now + s->ITR * UINT64_C(256) : 0;
    }
    if (!wanted || s->raised)
        timer_cancel(d, &s->throttled);
    else if (!s->throttled)
        timer_arm(d, &s->throttled, s->irq_after);
    device_irq(d, 0, s->raised);
}

void e1000_count_length(struct e1000_state *s, enum e1000_stat first, uint32_t bytes)
{
    static const uint16_t last[] = { 64, 127, 255, 511, 1023 };
    unsigned i = 0;

    while (i < ARRAY_SIZE(last) && bytes + E1000_FCS > last[i])
        i++;
    e1000_count(s, first + i, 1);
}

void e1000_count_octets(struct e1000_state *s, enum e1000_stat low, uint64_t bytes)
{
    uint64_t n = s->STAT[low] | (uint64_t)s->STAT[low + 1] << 32;

    n = n > UINT64_MAX - bytes ? UINT64_MAX : n + bytes;
    s->STAT[low] = (uint32_t)n;
    s->STAT[low + 1] = (uint32_t)(n >> 32);
}

bool e1000_is_broadcast(const uint8_t *address)
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    return memcmp(address, all, sizeof all) == 0;
}

/* --- registers --- */

static void registers_reset(struct device *d);

static uint32_t zero(struct device *d)
{
    (void)d;
    return 0;
}

static uint32_t status_read(struct device *d)
{
    const struct e1000_state *s = d->state;

    return STATUS_SPEED_1000 | STATUS_ASDV_1000 | (HAS(s, CTRL, FD) ? STATUS_FD : 0u) |
           (e1000_link(d) ? STATUS_LU : 0u);
}

/* What is not the receiver's is the transmitter's. */
static uint32_t pba_read(struct device *d)
{
    const struct e1000_state *s = d->state;

    return s->PBA | (s->PBA < PBA_ALL ? PBA_ALL - s->PBA : 0) << 16;
}

static void ctrl_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    if (HAS(s, CTRL, PHY_RST) && !(old & CTRL_PHY_RST))
        e1000_phy_reset(s);
    if (HAS(s, CTRL, RST)) {
        registers_reset(d);
        return;
    }
    s->CTRL &= ~CTRL_PHY_RST;
}

/* The field has taken the bits written: what was set before stays. */
static void ics_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    s->ICR |= old;
}

static void ims_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    s->IMS |= old;
}

/* The transmitter may have something to do again. */
static void tx_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    (void)old;
    s->tx_wait = 0;
}

/* A ring that is another one begins with a frame. */
static void tx_ring_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    s->tx_skip = 0;
    tx_written(d, old);
}

/* FPD, flush partial descriptor block: what waits for the timer comes now. It is not kept. */
static void rdtr_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    (void)old;
    if (HAS(s, RDTR, FPD) && s->rx_irq) {
        timer_cancel(d, &s->rx_irq);
        rx_irq_expired(d);
    }
    s->RDTR &= 0xffff;
}

static void tidv_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    (void)old;
    if (HAS(s, TIDV, FPD) && s->tx_irq) {
        timer_cancel(d, &s->tx_irq);
        tx_irq_expired(d);
    }
    s->TIDV &= 0xffff;
}

/* Octets: reading the high word clears both. */
static uint32_t octets_read(struct device *d, enum e1000_stat low)
{
    struct e1000_state *s = d->state;
    uint32_t v = s->STAT[low + 1];

    s->STAT[low] = s->STAT[low + 1] = 0;
    return v;
}

static uint32_t gorch_read(struct device *d)
{
    return octets_read(d, STAT_GORC);
}

static uint32_t gotch_read(struct device *d)
{
    return octets_read(d, STAT_GOTC);
}

static uint32_t torh_read(struct device *d)
{
    return octets_read(d, STAT_TOR);
}

static uint32_t toth_read(struct device *d)
{
    return octets_read(d, STAT_TOT);
}

#define AT(field)    offsetof(struct e1000_state, field)
#define STAT_AT(low) (AT(STAT) + 4 * (low))
#define KEEPS(name, at, bits)                                                                      \
    {                                                                                              \
#name, at, 4, AT(name), .rw = (bits)                                                       \
    }
#define STAT_ROW(name, at) { #name, 0x4000 + (at), 4, STAT_AT(STAT_##name), .rc = UINT32_MAX },

/* The first rows are found first: those of every packet. */
static const struct reg e1000_regs[] = {
    { "ICR", 0x00c0, 4, AT(ICR), .w1c = ICR_ALL, .rc = ICR_ALL },
    { "TDT", 0x3818, 4, AT(TDT), .rw = 0xffff, .written = tx_written },
    { "RDT", 0x2818, 4, AT(RDT), .rw = 0xffff },
    { "IMS", 0x00d0, 4, AT(IMS), .rw = ICR_ALL, .written = ims_written },
    { "IMC", 0x00d8, 4, AT(IMS), .w1c = ICR_ALL, .read = zero },
    { "ICS", 0x00c8, 4, AT(ICR), .rw = ICR_ALL, .read = zero, .written = ics_written },
    { "ITR", 0x00c4, 4, AT(ITR), .rw = 0xffff },
    { "TDH", 0x3810, 4, AT(TDH), .rw = 0xffff, .written = tx_ring_written },
    { "RDH", 0x2810, 4, AT(RDH), .rw = 0xffff },
    { "STATUS", 0x0008, 4, AT(CTRL), .read = status_read },
    { "CTRL", 0x0000, 4, AT(CTRL), CTRL_FD | CTRL_SLU | CTRL_SPEED_1000, .rw = UINT32_MAX,
      .written = ctrl_written },
    { "CTRL_DUP", 0x0004, 4, AT(CTRL), .rw = UINT32_MAX, .written = ctrl_written },
    { "EECD", 0x0010, 4, AT(EECD), EECD_PRES | EECD_DO | 0x10,
      .rw = EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ, .written = e1000_eecd_written },
    { "EERD", 0x0014, 4, AT(EERD), EERD_DONE, .rw = 0xff00 | EERD_START,
      .written = e1000_eerd_written },
    KEEPS(CTRL_EXT, 0x0018, 0xfffffff0),
    { "MDIC", 0x0020, 4, AT(MDIC), MDIC_R, .rw = 0x7fffffff, .written = e1000_mdic_written },
    KEEPS(FCAL, 0x0028, UINT32_MAX),
    KEEPS(FCAH, 0x002c, 0xffff),
    KEEPS(FCT, 0x0030, 0xffff),
    { "VET", 0x0038, 4, AT(VET), 0x8100, .rw = 0xffff },
    { "RCTL", 0x0100, 4, AT(RCTL), .rw = 0x06dffffe },
    KEEPS(FCTTV, 0x0170, 0xffff),
    KEEPS(TXCW, 0x0178, UINT32_MAX),
    { "TCTL", 0x0400, 4, AT(TCTL), .rw = 0x017ffffa, .written = tx_written },
    KEEPS(TIPG, 0x0410, 0x3fffffff),
    KEEPS(AIT, 0x0458, 0xffff),
    { "LEDCTL", 0x0e00, 4, AT(LEDCTL), 0x07068302, .rw = 0xcfcfcfcf },
    { "PBA", 0x1000, 4, AT(PBA), PBA_RX, .rw = 0x7f, .read = pba_read },
    KEEPS(FCRTL, 0x2160, 0x8000fff8),
    KEEPS(FCRTH, 0x2168, 0xfff8),
    KEEPS(RDBAL, 0x2800, 0xfffffff0),
    KEEPS(RDBAH, 0x2804, UINT32_MAX),
    KEEPS(RDLEN, 0x2808, 0xfff80),
    { "RDTR", 0x2820, 4, AT(RDTR), .rw = RDTR_FPD | 0xffff, .written = rdtr_written },
    KEEPS(RXDCTL, 0x2828, 0x013f3f3f),
    KEEPS(RADV, 0x282c, 0xffff),
    KEEPS(RSRPD, 0x2c00, 0xfff),
    KEEPS(TXDMAC, 0x3000, 1),
    { "TDBAL", 0x3800, 4, AT(TDBAL), .rw = 0xfffffff0, .written = tx_ring_written },
    { "TDBAH", 0x3804, 4, AT(TDBAH), .rw = UINT32_MAX, .written = tx_ring_written },
    { "TDLEN", 0x3808, 4, AT(TDLEN), .rw = 0xfff80, .written = tx_ring_written },
    { "TIDV", 0x3820, 4, AT(TIDV), .rw = TIDV_FPD | 0xffff, .written = tidv_written },
    KEEPS(TXDCTL, 0x3828, 0xff3f3f3f),
    KEEPS(TADV, 0x382c, 0xffff),
    KEEPS(TSPMT, 0x3830, UINT32_MAX),
    E1000_STATS(STAT_ROW){ "GORCL", 0x4088, 4, STAT_AT(STAT_GORC), .rw = 0 },
    { "GORCH", 0x408c, 4, STAT_AT(STAT_GORC + 1), .read = gorch_read },
    { "GOTCL", 0x4090, 4, STAT_AT(STAT_GOTC), .rw = 0 },
    { "GOTCH", 0x4094, 4, STAT_AT(STAT_GOTC + 1), .read = gotch_read },
    { "TORL", 0x40c0, 4, STAT_AT(STAT_TOR), .rw = 0 },
    { "TORH", 0x40c4, 4, STAT_AT(STAT_TOR + 1), .read = torh_read },
    { "TOTL", 0x40c8, 4, STAT_AT(STAT_TOT), .rw = 0 },
    { "TOTH", 0x40cc, 4, STAT_AT(STAT_TOT + 1), .read = toth_read },
    KEEPS(RXCSUM, 0x5000, 0x7ff),
    { "MTA", 0x5200, 4, AT(MTA), .rw = UINT32_MAX, .count = 128 },
    { "RA", 0x5400, 4, AT(RA), .rw = UINT32_MAX, .count = 32 },
    { "VFTA", 0x5600, 4, AT(VFTA), .rw = UINT32_MAX, .count = 128 },
    KEEPS(WUC, 0x5800, 0xf),
    KEEPS(WUFC, 0x5808, 0xff),
    KEEPS(WUS, 0x5810, 0xff),
    KEEPS(MANC, 0x5820, UINT32_MAX),
};

/* What is not in the table reads as zero. */
static uint64_t absent_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d, (void)offset, (void)width;
    return 0;
}

/* --- the window of I/O ports (13.2, "I/O-Mapped Internal Register") --- */

enum { IOADDR = 0, IODATA = 4 };

static uint64_t io_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct e1000_state *s = d->state;

    if (offset == IOADDR)
        return s->IOADDR;
    if (offset != IODATA || s->IOADDR > E1000_MMIO - 4)
        return 0;
    return region_read(d, &d->ops->regions[REGION_MMIO], s->IOADDR & ~3u, width);
}

static void io_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct e1000_state *s = d->state;

    if (offset == IOADDR)
        s->IOADDR = (uint32_t)value;
    else if (offset == IODATA && s->IOADDR <= E1000_MMIO - 4)
        region_write(d, &d->ops->regions[REGION_MMIO], s->IOADDR & ~3u, width, value);
}

static const char *const io_names[] = { "IOADDR", "IOADDR", "IOADDR", "IOADDR",
                                        "IODATA", "IODATA", "IODATA", "IODATA" };

/* --- host side --- */

static bool host_ready(void *opaque)
{
    struct e1000 *e = opaque;
    bool ready = e1000_rx_ready(&e->dev);

    e->starved = !ready;
    return ready;
}

static void host_receive(void *opaque, const struct net_offload *o, const uint8_t *bytes, size_t n)
{
    struct e1000 *e = opaque;
    struct e1000_frame f = { o, bytes, n };

    if (e->dev.busy) /* a peer that answers a kick at once: part of the event that runs */
        e1000_rx(&e->dev, &f);
    else
        device_event(&e->dev, e1000_rx, &f);
}

static void nothing(struct device *d, void *arg)
{
    (void)d, (void)arg;
}

static void host_writable(void *opaque)
{
    struct e1000 *e = opaque;

    e->host_full = false;
    if (!e->dev.busy)
        device_event(&e->dev, nothing, NULL); /* update() goes on */
}

static void link_changed(struct device *d, void *up)
{
    struct e1000_state *s = d->state;

    if (!*(const bool *)up)
        s->link_fell = 1;
    e1000_cause(d, ICR_LSC);
}

static void host_link(void *opaque, bool up)
{
    struct e1000 *e = opaque;

    if (e->dev.busy)
        link_changed(&e->dev, &up);
    else
        device_event(&e->dev, link_changed, &up);
}

/* --- life --- */

/* As CTRL.RST leaves it: all but the PHY, the EEPROM's lines and the port window. */
static void registers_reset(struct device *d)
{
    struct e1000_state *s = d->state, old = *s;

    timer_cancel(d, &s->tx_due);
    timer_cancel(d, &s->tx_irq);
    timer_cancel(d, &s->rx_irq);
    timer_cancel(d, &s->throttled);
    memset(s, 0, sizeof *s);
    memcpy(s->phy, old.phy, sizeof s->phy);
    s->link_fell = old.link_fell;
    s->IOADDR = old.IOADDR;
    s->PBA = old.PBA;
    for (unsigned i = 0; i < ARRAY_SIZE(e1000_regs); i++)
        if (e1000_regs[i].reset && e1000_regs[i].at != AT(PBA))
            store_le((char *)s + e1000_regs[i].at, 4, e1000_regs[i].reset);
    s->RA[0] = le32(d->host.mac); /* from the EEPROM */
    s->RA[1] = le16(d->host.mac + 4) | RAH_AV;
}

static void e1000_reset(struct device *d)
{
    struct e1000_state *s = d->state;

    registers_reset(d);
    e1000_phy_reset(s);
    s->PBA = PBA_RX;
}

static void e1000_update(struct device *d)
{
    struct e1000 *e = e1000_of(d);

    if (e->starved && d->host.net && e1000_rx_ready(d)) {
        e->starved = false;
        net_kick(d->host.net);
    }
    irq_update(d);
    e1000_tx_schedule(d);
}

/* Frames may wait in the ring, and at the host, that nobody asks for any more: look again. */
static int e1000_loaded(struct device *d, struct error *err)
{
    struct e1000 *e = e1000_of(d);

    (void)err;
    e->host_full = false;
    e->starved = true;
    e1000_tx_schedule(d);
    return 0;
}

static void e1000_unplug(struct device *d, unsigned mask)
{
    if (!(mask & UNPLUG_NICS))
        return;
    e1000_reset(d);
    device_hide(d);
}

static int e1000_realize(struct device *d, struct error *err)
{
    struct e1000 *e = e1000_of(d);
    struct e1000_state *s = d->state;

    if (d->host.rom_size > ROM_MAX)
        return error_set(err, -EFBIG, "%s: the option ROM has %u bytes, at most %d fit", d->id,
                         d->host.rom_size, ROM_MAX);
    e1000_eeprom_fill(e);
    timer_register(d, &s->tx_due, e1000_tx_expired);
    timer_register(d, &s->tx_irq, tx_irq_expired);
    timer_register(d, &s->rx_irq, rx_irq_expired);
    timer_register(d, &s->throttled, throttle_expired);
    e->user = (struct net_user){ host_ready, host_receive, host_writable, host_link, e };
    if (d->host.net)
        net_attach(d->host.net, &e->user, NET_CAN_CSUM);
    return 0;
}

static void e1000_unrealize(struct device *d)
{
    if (d->host.net)
        net_attach(d->host.net, NULL, 0);
}

static const struct region e1000_regions[] = {
    [REGION_MMIO] = { .name = "mmio",
                      .space = BUS_MMIO,
                      .size = E1000_MMIO,
                      .widths = 4,
                      .regs = e1000_regs,
                      .nregs = ARRAY_SIZE(e1000_regs),
                      .read = absent_read },
    [REGION_IO] = { .name = "io",
                    .space = BUS_PIO,
                    .size = E1000_IO,
                    .widths = 4,
                    NAMED(io_names),
                    .read = io_read,
                    .write = io_write },
    [REGION_ROM] = PCI_ROM_REGION(ROM_MAX),
};

static const struct pci_desc e1000_pci = {
    .vendor = 0x8086,
    .device = 0x100e,
    .subsystem_vendor = 0x1af4, /* as guests that come from QEMU know it */
    .subsystem = 0x1100,
    .revision = 3,
    .class_code = 0x0200,
    .int_pin = 1,
    .status = 0x0220, /* 66 MHz, medium DEVSEL */
    .bar = { [0] = { PCI_BAR_MEM, E1000_MMIO, REGION_MMIO },
             [1] = { PCI_BAR_IO, E1000_IO, REGION_IO },
             [6] = { PCI_BAR_ROM, ROM_MAX, REGION_ROM } },
};

const struct device_ops e1000_ops = {
    .name = "e1000",
    .size = sizeof(struct e1000),
    .state = &e1000_desc,
    .regions = e1000_regions,
    .nregions = ARRAY_SIZE(e1000_regions),
    .pci = &e1000_pci,
    .realize = e1000_realize,
    .unrealize = e1000_unrealize,
    .reset = e1000_reset,
    .update = e1000_update,
    .loaded = e1000_loaded,
    .unplug = e1000_unplug,
};
