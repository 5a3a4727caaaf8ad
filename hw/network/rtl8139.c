/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139 - Realtek RTL8139C+, a fast Ethernet card on the PCI bus.
 *
 * Datasheet: Realtek RTL8139C+ (rev. 1.6), RTL8139C(L)+ and the RTL8139(A/B) programming guide.
 * Present:   C mode (ring of 8 to 64 KiB, four transmit descriptors) and C+ mode (descriptor rings,
 *            normal and high priority, checksum and large send offload, VLAN tags), EEPROM,
 * filters, loopback, timer, tally counters, link state, expansion ROM. Absent:    the wire's pace;
 * early receive and transmit (a frame is always there as a whole, ERBCR and ERSR are 0);
 * retransmission by CLRABT; frames beyond 4096 bytes and erroneous frames; power management,
 * wake-up, flow control, CardBus, flash, big-endian mode. Choice:    frames that come from the host
 * are padded to 60 bytes, as they would be on a wire. Files:     rtl8139_tx.c, rtl8139_rx.c,
 * rtl8139_frame.c, rtl8139_eeprom.c.
 */
#include "hw/network/rtl8139.h"

#include <errno.h>

enum { REGION_IO, REGION_MEMORY, REGION_ROM };
enum { REGISTERS = 0x100, ROM_LARGEST = 1 << 20 };
enum { MSR_LINKB = 1 << 2, MSR_TXFCE = 1 << 7 };
enum { BMCR_RESTART = 1 << 9, BMCR_ANE = 1 << 12, BMCR_RESET = 1 << 15, BMCR_RW = 0xb300 };
enum { BMSR_ABILITIES = 0x7809, BMSR_UP = 0x0024 }; /* link, auto-negotiation complete */
enum { ANAR_DEFAULT = 0x05e1, ANLPAR_PARTNER = 0x45e1, ANLPAR_NONE = 0 };
enum { TALLY_BYTES = 64, UNPLUG_NICS = 2, RERID = 0x10, STATUS_MASTER_ABORT = 0x20 };

static const uint64_t tctr_mhz = 33; /* the PCI clock */

static bool unlocked(const struct rtl8139_state *s)
{
    return (s->EECR & EECR_EEM) == EECR_CONFIG;
}

static bool cplus(const struct rtl8139_state *s)
{
    return s->CPCR & (CPCR_CPTX | CPCR_CPRX);
}

/* --- bus --- */

void rtl8139_bus_error(struct device *d)
{
    struct rtl8139_state *s = d->state;

    if (!pci_may_master(d)) /* nobody asked the bus */
        return;
    SET(s, ISR, SERR);
    pci_config(d)[PCI_STATUS + 1] |= STATUS_MASTER_ABORT;
}

int rtl8139_fetch(struct device *d, unsigned ring, unsigned place, gpa_t *at,
                  struct rtl8139_desc *desc)
{
    const struct rtl8139_state *s = d->state;
    const uint32_t *base = ring == RING_RX ? s->RDSAR : &s->TSAD[ring == RING_TX_HIGH ? 2 : 0];
    gpa_t start = GPA(((uint64_t)base[1] << 32 | base[0]) & ~UINT64_C(0xff));

    if (place < DESC_RING && gpa_add(start, place * sizeof *desc, at) &&
        dma_fetch(d, *at, desc) == 0)
        return 0;
    rtl8139_bus_error(d);
    return -EFAULT;
}

/* --- timer --- */

static uint32_t tctr(struct device *d)
{
    const struct rtl8139_state *s = d->state;
    uint64_t ns = clock_now(d) - s->tctr_base;

    return (uint32_t)(ns / 1000 * tctr_mhz + ns % 1000 * tctr_mhz / 1000);
}

/* When TCTR becomes TimerInt next; that it is there now does not count. */
static void timer_plan(struct device *d)
{
    struct rtl8139_state *s = d->state;
    uint64_t ticks = (uint32_t)(s->TIMERINT - tctr(d));

    if (ticks == 0)
        ticks = UINT64_C(1) << 32;
    if (s->TIMERINT)
        timer_arm(d, &s->timer_deadline, clock_now(d) + (ticks * 1000 + tctr_mhz - 1) / tctr_mhz);
    else
        timer_cancel(d, &s->timer_deadline);
}

static void timer_expired(struct device *d)
{
    struct rtl8139_state *s = d->state;

    SET(s, ISR, TIMEOUT);
    timer_plan(d);
}

/* --- reset --- */

static void descriptors_reset(struct rtl8139_state *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(s->TSD); i++)
        s->TSD[i] = TSD_OWN;
    s->tsd_at = 0;
    s->TPPOLL = 0;
    memset(s->tx_left, 0, sizeof s->tx_left);
    s->ring_at[RING_TX] = s->ring_at[RING_TX_HIGH] = 0;
}

static void receiver_reset(struct rtl8139_state *s)
{
    s->CBR = 0;
    s->CAPR = 0xfff0;
    s->ring_at[RING_RX] = 0;
}

/* CR.RST. Addresses, filters, EEPROM, configuration and PHY stay. */
static void soft_reset(struct device *d)
{
    struct rtl8139_state *s = d->state;

    s->CR = 0;
    s->IMR = s->ISR = 0;
    s->TCR = TCR_HWVERID;
    s->RCR = 0;
    s->CPCR = 0;
    s->MPC = 0;
    s->TIMERINT = 0;
    s->tctr_base = clock_now(d);
    timer_plan(d);
    descriptors_reset(s);
    receiver_reset(s);
}

static void link_set(struct device *d)
{
    struct rtl8139_state *s = d->state;

    s->link = d->host.net && d->host.net->up;
    s->ANLPAR = s->link ? ANLPAR_PARTNER : ANLPAR_NONE;
}

static void rtl8139_reset(struct device *d)
{
    struct rtl8139_state *s = d->state;

    rtl8139_eeprom_reset(d);
    rtl8139_eeprom_load(s);
    s->BMCR = BMCR_ANE;
    s->ANAR = ANAR_DEFAULT;
    soft_reset(d);
    link_set(d);
}

/* --- registers --- */

static void cr_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    if (HAS(s, CR, RST)) {
        soft_reset(d);
        return;
    }
    if (HAS(s, CR, RE) && !(old & CR_RE))
        receiver_reset(s);
    if (HAS(s, CR, TE) && !(old & CR_TE)) {
        s->tsd_at = 0;
        s->ring_at[RING_TX] = s->ring_at[RING_TX_HIGH] = 0;
    }
}

static uint32_t cr_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;
    bool empty = s->CBR % rtl8139_rx_size(s) == rtl8139_rx_read_at(s);

    return s->CR | (empty ? CR_BUFE : 0u);
}

static void tally_dump(struct device *d)
{
    struct rtl8139_state *s = d->state;
    uint64_t at = (uint64_t)s->TSD[1] << 32 | (s->TSD[0] & (uint32_t)DTCCR_ADDRESS);
    uint8_t b[TALLY_BYTES] = { 0 };

    store_le(b, 8, s->tally_tx_ok);
    store_le(b + 8, 8, s->tally_rx_ok);
    store_le(b + 16, 8, s->tally_tx_err);
    put_le32(b + 24, s->tally_rx_err);
    put_le16(b + 28, s->tally_missed);
    store_le(b + 40, 8, s->tally_rx_phy);
    store_le(b + 48, 8, s->tally_rx_brd);
    put_le32(b + 56, s->tally_rx_mul);
    put_le16(b + 60, s->tally_tx_abt);
    if (dma_write(d, GPA(at), b, sizeof b) < 0)
        rtl8139_bus_error(d);
}

static void tsd_written(struct device *d, unsigned n)
{
    struct rtl8139_state *s = d->state;

    if (!cplus(s)) {
        s->TSD[n] &= TSD_SIZE | TSD_ERTXTH | TSD_OWN;
    } else if (n == 0 && (s->TSD[0] & DTCCR_CMD)) {
        tally_dump(d);
        s->TSD[0] &= ~(uint32_t)DTCCR_CMD;
    }
}

/* A ring begins at its start when it is told where it is. */
static void tsad_written(struct device *d, unsigned n)
{
    struct rtl8139_state *s = d->state;

    if (cplus(s))
        s->ring_at[n < 2 ? RING_TX : RING_TX_HIGH] = 0;
}

#define FOUR(N)                                                                                    \
    static void tsd##N##_written(struct device *d, uint32_t old)                                   \
    {                                                                                              \
        (void)old;                                                                                 \
        tsd_written(d, N);                                                                         \
    }                                                                                              \
    static void tsad##N##_written(struct device *d, uint32_t old)                                  \
    {                                                                                              \
        (void)old;                                                                                 \
        tsad_written(d, N);                                                                        \
    }
FOUR(0)
FOUR(1)
FOUR(2)
FOUR(3)

static void rdsar_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    (void)old;
    s->ring_at[RING_RX] = 0;
}

static void cpcr_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    if (cplus(s) != !!(old & (CPCR_CPTX | CPCR_CPRX)))
        descriptors_reset(s); /* the same registers mean something else now */
}

static void tppoll_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    if (HAS(s, TPPOLL, FSWINT))
        SET(s, ISR, SWINT);
    s->TPPOLL = (uint8_t)((s->TPPOLL | old) & (TPPOLL_NPQ | TPPOLL_HPQ));
    rtl8139_tx_poll(d);
}

static uint32_t tsads_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;
    uint32_t v = 0;

    for (unsigned i = 0; i < 4 && !cplus(s); i++)
        v |= (s->TSD[i] & TSD_OWN ? 1u << i : 0) | (s->TSD[i] & TSD_TABT ? 0x10u << i : 0) |
             (s->TSD[i] & TSD_TUN ? 0x100u << i : 0) | (s->TSD[i] & TSD_TOK ? 0x1000u << i : 0);
    return v;
}

static uint32_t tctr_read(struct device *d)
{
    return tctr(d);
}

static void tctr_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    (void)old;
    s->tctr_base = clock_now(d);
    timer_plan(d);
}

static void timerint_written(struct device *d, uint32_t old)
{
    (void)old;
    timer_plan(d);
}

static void mpc_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    (void)old;
    s->MPC = 0;
}

static uint32_t eecr_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;

    return s->EECR | ((s->EECR & EECR_EEM) == EECR_PROGRAM && s->ee_do ? EECR_EEDO : 0u);
}

static uint32_t msr_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;

    return s->MSR | (s->link ? 0u : MSR_LINKB);
}

static uint32_t bmsr_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;

    return BMSR_ABILITIES | (s->link ? BMSR_UP : 0u);
}

/* Auto-negotiation takes no time. */
static void bmcr_written(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    if (!unlocked(s))
        s->BMCR = (uint16_t)old;
    if (s->BMCR & BMCR_RESET) {
        s->BMCR = BMCR_ANE;
        s->ANAR = ANAR_DEFAULT;
    }
    s->BMCR &= (uint16_t)~BMCR_RESTART;
}

/* Registers that 9346CR protects. */
#define LOCKED(REG)                                                                                \
    static void REG##_locked(struct device *d, uint32_t old)                                       \
    {                                                                                              \
        struct rtl8139_state *s = d->state;                                                        \
                                                                                                   \
        if (!unlocked(s))                                                                          \
            s->REG = (__typeof__(s->REG))old;                                                      \
    }
LOCKED(IDR0)
LOCKED(IDR4)
LOCKED(CONFIG1)
LOCKED(CONFIG3)
LOCKED(CONFIG4)

static uint32_t aner_read(struct device *d)
{
    const struct rtl8139_state *s = d->state;

    return s->link; /* the partner negotiates, too */
}

static uint32_t zero_read(struct device *d)
{
    (void)d;
    return 0;
}

static uint32_t rerid_read(struct device *d)
{
    (void)d;
    return RERID;
}

/* The busiest first. A register that read() makes up has no field; with rw = 0 any of its width
 * serves, and nothing changes it. */
#define AT(r) offsetof(struct rtl8139_state, r)
static const struct reg rtl8139_regs[] = {
    { "ISR", 0x3e, 2, AT(ISR), .w1c = ISR_MASK },
    { "IMR", 0x3c, 2, AT(IMR), .rw = ISR_MASK },
    { "TPPoll", 0xd9, 1, AT(TPPOLL), .rw = 0xc1, .written = tppoll_written },
    { "CR", 0x37, 1, AT(CR), .rw = CR_RST | CR_RE | CR_TE, .read = cr_read, .written = cr_written },
    { "CAPR", 0x38, 2, AT(CAPR), .rw = 0xffff },
    { "CBR", 0x3a, 2, AT(CBR), .rw = 0 },
    { "TSD0_DTCCR", 0x10, 4, AT(TSD[0]), .rw = UINT32_MAX, .written = tsd0_written },
    { "TSD1_DTCCR", 0x14, 4, AT(TSD[1]), .rw = UINT32_MAX, .written = tsd1_written },
    { "TSD2", 0x18, 4, AT(TSD[2]), .rw = UINT32_MAX, .written = tsd2_written },
    { "TSD3", 0x1c, 4, AT(TSD[3]), .rw = UINT32_MAX, .written = tsd3_written },
    { "TSAD0_TNPDS", 0x20, 4, AT(TSAD[0]), .rw = UINT32_MAX, .written = tsad0_written },
    { "TSAD1_TNPDS", 0x24, 4, AT(TSAD[1]), .rw = UINT32_MAX, .written = tsad1_written },
    { "TSAD2_THPDS", 0x28, 4, AT(TSAD[2]), .rw = UINT32_MAX, .written = tsad2_written },
    { "TSAD3_THPDS", 0x2c, 4, AT(TSAD[3]), .rw = UINT32_MAX, .written = tsad3_written },
    { "TSAD", 0x60, 2, AT(MULINT), .read = tsads_read },
    { "IDR0", 0x00, 4, AT(IDR0), .rw = UINT32_MAX, .written = IDR0_locked },
    { "IDR4", 0x04, 4, AT(IDR4), .rw = 0xffff, .written = IDR4_locked },
    { "MAR0", 0x08, 4, AT(MAR0), .rw = UINT32_MAX },
    { "MAR4", 0x0c, 4, AT(MAR4), .rw = UINT32_MAX },
    { "RBSTART", 0x30, 4, AT(RBSTART), .rw = UINT32_MAX },
    { "ERBCR", 0x34, 2, AT(MULINT), .read = zero_read },
    { "ERSR", 0x36, 1, AT(MSR), .read = zero_read },
    { "TCR", 0x40, 4, AT(TCR), .reset = TCR_HWVERID, .rw = TCR_RW },
    { "RCR", 0x44, 4, AT(RCR), .rw = RCR_RW },
    { "TCTR", 0x48, 4, AT(TIMERINT), .read = tctr_read, .written = tctr_written },
    { "MPC", 0x4c, 4, AT(MPC), .written = mpc_written },
    { "9346CR", 0x50, 1, AT(EECR), .rw = 0xce, .read = eecr_read, .written = rtl8139_eeprom_pins },
    { "CONFIG0", 0x51, 1, AT(MSR), .read = zero_read },
    { "CONFIG1", 0x52, 1, AT(CONFIG1), .rw = 0xf3, .written = CONFIG1_locked },
    { "CONFIG2", 0x53, 1, AT(MSR), .read = zero_read },
    { "TimerInt", 0x54, 4, AT(TIMERINT), .rw = UINT32_MAX, .written = timerint_written },
    { "MSR", 0x58, 1, AT(MSR), .rw = MSR_TXFCE, .read = msr_read },
    { "CONFIG3", 0x59, 1, AT(CONFIG3), .rw = 0xf0, .written = CONFIG3_locked },
    { "CONFIG4", 0x5a, 1, AT(CONFIG4), .rw = 0xf5, .written = CONFIG4_locked },
    { "HLTCLK", 0x5b, 1, AT(HLTCLK), .rw = 0xff },
    { "MULINT", 0x5c, 2, AT(MULINT), .rw = 0xffff },
    { "RERID", 0x5e, 1, AT(MSR), .read = rerid_read },
    { "BMCR", 0x62, 2, AT(BMCR), .reset = BMCR_ANE, .rw = BMCR_RW, .written = bmcr_written },
    { "BMSR", 0x64, 2, AT(MULINT), .read = bmsr_read },
    { "ANAR", 0x66, 2, AT(ANAR), .reset = ANAR_DEFAULT, .rw = 0x2dff },
    { "ANLPAR", 0x68, 2, AT(ANLPAR), .rw = 0 },
    { "ANER", 0x6a, 2, AT(MULINT), .read = aner_read },
    { "TDOKLADDR", 0x82, 2, AT(TDOKLADDR), .rw = 0 },
    { "CONFIG5", 0xd8, 1, AT(CONFIG5), .rw = 0x7f },
    { "CpCR", 0xe0, 2, AT(CPCR), .rw = 0x007b, .written = cpcr_written },
    { "RDSAR0", 0xe4, 4, AT(RDSAR[0]), .rw = UINT32_MAX, .written = rdsar_written },
    { "RDSAR4", 0xe8, 4, AT(RDSAR[1]), .rw = UINT32_MAX, .written = rdsar_written },
    { "ETThR", 0xec, 1, AT(ETTHR), .rw = 0x3f },
};

/* What is not in the table reads as zero. */
static uint64_t reserved_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d, (void)offset, (void)width;
    return 0;
}

/* --- the device --- */

static bool receiving(const struct device *d)
{
    const struct rtl8139_state *s = d->state;

    return HAS(s, CR, RE) && !d->unplugged && !d->fenced;
}

static void rtl8139_update(struct device *d)
{
    struct rtl8139 *c = (struct rtl8139 *)d;
    struct rtl8139_state *s = d->state;

    if (s->link != (d->host.net && d->host.net->up)) {
        link_set(d);
        SET(s, ISR, LINKCHG);
    }
    if (!rtl8139_tx_pending(s) || c->host_full)
        timer_cancel(d, &s->tx_deadline);
    else if (!s->tx_deadline)
        timer_arm(d, &s->tx_deadline, clock_now(d));
    if (c->starved && receiving(d)) {
        c->starved = false;
        net_kick(d->host.net);
    }
    device_irq(d, 0, s->ISR & s->IMR);
}

/* No room is no reason to let the host wait: such a frame is dropped, and the guest told. */
static bool host_ready(void *opaque)
{
    struct rtl8139 *c = opaque;
    bool ready = receiving(&c->dev);

    if (!ready)
        c->starved = true;
    return ready;
}

struct arrival {
    const struct net_offload *o;
    const uint8_t *frame;
    size_t n;
};

static void arrive(struct device *d, void *arg)
{
    const struct rtl8139_state *s = d->state;
    const struct arrival *a = arg;

    if ((s->TCR & TCR_LBK) != TCR_LBK) /* the receiver is not at the wire */
        rtl8139_rx_frame(d, a->o, a->frame, a->n);
}

/* A frame that comes while the card is in a handler is lost: depth is 1 (CVE-2021-3416). */
static void host_receive(void *opaque, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    struct rtl8139 *c = opaque;
    struct arrival a = { o, frame, n };

    device_event(&c->dev, arrive, &a);
}

/* What is to be done stands in the state, and update() does it. */
static void look_again(struct device *d, void *arg)
{
    (void)d, (void)arg;
}

static void host_writable(void *opaque)
{
    struct rtl8139 *c = opaque;

    c->host_full = false;
    if (!c->dev.busy)
        device_event(&c->dev, look_again, NULL);
}

static void host_link(void *opaque, bool up)
{
    struct rtl8139 *c = opaque;

    (void)up;
    if (!c->dev.busy)
        device_event(&c->dev, look_again, NULL);
}

static int rtl8139_realize(struct device *d, struct error *e)
{
    struct rtl8139 *c = (struct rtl8139 *)d;
    struct rtl8139_state *s = d->state;

    if (d->host.rom_size > ROM_LARGEST)
        return error_set(e, -EFBIG, "%s: the option ROM has %u bytes, at most %d fit", d->id,
                         d->host.rom_size, ROM_LARGEST);
    timer_register(d, &s->tx_deadline, rtl8139_tx_expired);
    timer_register(d, &s->timer_deadline, timer_expired);
    c->user = (struct net_user){ host_ready, host_receive, host_writable, host_link, c };
    if (d->host.net)
        net_attach(d->host.net, &c->user, NET_CAN_CSUM);
    return 0;
}

static void rtl8139_unrealize(struct device *d)
{
    if (d->host.net)
        net_attach(d->host.net, NULL, 0);
}

static int rtl8139_loaded(struct device *d, struct error *e)
{
    struct rtl8139 *c = (struct rtl8139 *)d;

    (void)e;
    c->host_full = false; /* whoever loads asks the host anew */
    return 0;
}

static void rtl8139_unplug(struct device *d, unsigned mask)
{
    if (!(mask & UNPLUG_NICS) || d->unplugged)
        return;
    soft_reset(d);
    device_hide(d);
}

static const struct region rtl8139_regions[] = {
    [REGION_IO] = { .name = "io",
                    .space = BUS_PIO,
                    .size = REGISTERS,
                    .widths = 1 | 2 | 4,
                    .regs = rtl8139_regs,
                    .nregs = ARRAY_SIZE(rtl8139_regs),
                    .read = reserved_read },
    [REGION_MEMORY] = { .name = "memory",
                        .space = BUS_MMIO,
                        .size = REGISTERS,
                        .widths = 1 | 2 | 4,
                        .regs = rtl8139_regs,
                        .nregs = ARRAY_SIZE(rtl8139_regs),
                        .read = reserved_read },
    [REGION_ROM] = PCI_ROM_REGION(ROM_LARGEST),
};

static const struct pci_config_reg rtl8139_config[] = {
    { .reg = 0x3e, .width = 1, .reset = 0x20 }, /* MIN_GNT */
    { .reg = 0x3f, .width = 1, .reset = 0x40 }, /* MAX_LAT */
};

static const struct pci_desc rtl8139_pci = {
    .vendor = 0x10ec,
    .device = 0x8139,
    .subsystem_vendor = 0x1af4, /* as guests that come from QEMU know it */
    .subsystem = 0x1100,
    .revision = 0x20,
    .class_code = 0x0200,
    .int_pin = 1,
    .status = 0x0280, /* fast back-to-back, medium DEVSEL */
    .bar[0] = { .kind = PCI_BAR_IO, .size = REGISTERS, .region = REGION_IO },
    .bar[1] = { .kind = PCI_BAR_MEM, .size = REGISTERS, .region = REGION_MEMORY },
    .bar[6] = { .kind = PCI_BAR_ROM, .size = ROM_LARGEST, .region = REGION_ROM },
    .config = rtl8139_config,
    .nconfig = ARRAY_SIZE(rtl8139_config),
};

const struct device_ops rtl8139_ops = {
    .name = "rtl8139",
    .size = sizeof(struct rtl8139),
    .state = &rtl8139_desc,
    .regions = rtl8139_regions,
    .nregions = ARRAY_SIZE(rtl8139_regions),
    .pci = &rtl8139_pci,
    .realize = rtl8139_realize,
    .unrealize = rtl8139_unrealize,
    .reset = rtl8139_reset,
    .update = rtl8139_update,
    .loaded = rtl8139_loaded,
    .unplug = rtl8139_unplug,
};
