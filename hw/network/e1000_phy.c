/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_phy - what the 82540EM reaches by serial lines: its EEPROM and its PHY.
 *
 * Datasheet: Intel 317453 (8254x manual), chapter 5 "EEPROM Interface", 8 "PHY Functionality";
 *            93C46 for the lines of the EEPROM, which is one of 64 words.
 * Present:   reading by EECD (any number of words after one address) and by EERD; the PHY's IDs,
 *            registers that keep what is written, reset, loopback, a link that is negotiated at
 * once (1000 Mb/s, full duplex) as soon as there is a cable. Absent:    writing the EEPROM (it is
 * protected); PHY interrupts, pages, cable tests.
 */
#include "hw/network/e1000.h"

/* --- EEPROM --- */

enum { WORD_CHECKSUM = 0x3f, CHECKSUM = 0xbaba };
enum { MICROWIRE_START = 1, MICROWIRE_READ = 2, MICROWIRE_HEAD = 9 /* start, opcode, address */ };

void e1000_eeprom_fill(struct e1000 *e)
{
    static const uint16_t words[E1000_EEPROM] = {
        [0x03] = 0x0d10, /* compatibility: server, client; no LOM */
        [0x04] = 0xffff, [0x05] = 0xffff, [0x06] = 0xffff, [0x07] = 0xffff, /* image, OEM */
        [0x08] = 0xffff, [0x09] = 0xffff,                                   /* PBA number */
        [0x0a] = 0x640b,                  /* initialization control 1: IDs are loaded */
        [0x0b] = 0x1100, [0x0c] = 0x1af4, /* subsystem and its vendor, as in PCI space */
        [0x0d] = 0x100e, [0x0e] = 0x8086, [0x0f] = 0x3044,
    };
    uint16_t sum = 0;

    memcpy(e->eeprom, words, sizeof words);
    for (unsigned i = 0; i < 3; i++)
        e->eeprom[i] = le16(e->dev.host.mac + 2 * i);
    for (unsigned i = 0; i < WORD_CHECKSUM; i++)
        sum = (uint16_t)(sum + e->eeprom[i]);
    e->eeprom[WORD_CHECKSUM] = (uint16_t)(CHECKSUM - sum);
}

static uint16_t eeprom_word(const struct device *d, unsigned at)
{
    return ((const struct e1000 *)d)->eeprom[at % E1000_EEPROM];
}

/* A bit comes in, and one goes out: after the head a zero, then words from the address on, the
 * highest bit first. */
static void microwire_clock(struct device *d)
{
    struct e1000_state *s = d->state;
    bool in = HAS(s, EECD, DI);
    unsigned at;

    if (s->ee_in < MICROWIRE_HEAD) {
        if (s->ee_in == 0 && !in)
            return; /* waits for the start bit */
        s->ee_shift = (uint16_t)((s->ee_shift << 1 | in) & 0x1ff);
        if (++s->ee_in == MICROWIRE_HEAD)
            CLR(s, EECD, DO);
        return;
    }
    if (s->ee_shift >> 6 != (MICROWIRE_START << 2 | MICROWIRE_READ))
        return;
    at = (s->ee_shift & 0x3fu) + s->ee_out / 16;
    if (eeprom_word(d, at) >> (15 - s->ee_out % 16) & 1)
        SET(s, EECD, DO);
    else
        CLR(s, EECD, DO);
    s->ee_out = (uint16_t)((s->ee_out + 1) % (E1000_EEPROM * 16));
}

void e1000_eecd_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;

    s->EECD = (s->EECD & ~(uint32_t)EECD_GNT) | (HAS(s, EECD, REQ) ? EECD_GNT : 0u);
    if (!HAS(s, EECD, CS)) { /* idle: the output floats, and reads as ready */
        SET(s, EECD, DO);
        s->ee_in = 0;
        s->ee_shift = s->ee_out = 0;
    } else if (HAS(s, EECD, SK) && !(old & EECD_SK)) {
        microwire_clock(d);
    }
}

void e1000_eerd_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;
    unsigned at = s->EERD >> 8 & 0xff;

    (void)old;
    if (HAS(s, EERD, START))
        s->EERD = (uint32_t)eeprom_word(d, at) << 16 | at << 8 | EERD_DONE;
}

/* --- PHY --- */

enum { PHY_ADDRESS = 1 };
enum {
    BMCR = 0,
    BMSR = 1,
    PHYID1 = 2,
    PHYID2 = 3,
    ANAR = 4,
    ANLPAR = 5,
    ANER = 6,
    ANNPT = 7,
    GCON = 9, /* 1000BASE-T control */
    GSTATUS = 10,
    ESTATUS = 15,
    PSCON = 16, /* Marvell: PHY specific control, status */
    PSSTAT = 17,
    PINTEN = 18,
    PECON = 20, /* extended control */
    LEDCON = 24,
    MDIX = 29,
    VENDOR = 30,
};
enum { BMSR_LINK = 0x0004, BMSR_COMPLETE = 0x0020 };
enum { PSSTAT_LINK = 0x0400 };

/* What a reset leaves, and what a guest may change. */
static const struct {
    uint16_t reset, rw;
} phy_rows[E1000_PHY_REGS] = {
    [BMCR] = { 0x1140, 0x7dff },   [BMSR] = { 0x7949, 0 },       [PHYID1] = { 0x0141, 0 },
    [PHYID2] = { 0x0c20, 0 },      [ANAR] = { 0x0de1, 0xffff },  [ANLPAR] = { 0x45e1, 0 },
    [ANER] = { 0x0001, 0 },        [ANNPT] = { 0x2001, 0xffff }, [GCON] = { 0x0f00, 0xffff },
    [GSTATUS] = { 0x7c00, 0 },     [ESTATUS] = { 0x3000, 0 },    [PSCON] = { 0x0360, 0xffff },
    [PSSTAT] = { 0xa800, 0 },      [PINTEN] = { 0, 0xffff },     [PECON] = { 0x0d60, 0xffff },
    [LEDCON] = { 0x4100, 0xffff }, [MDIX] = { 0, 0xffff },       [VENDOR] = { 0, 0xffff },
};

void e1000_phy_reset(struct e1000_state *s)
{
    for (unsigned i = 0; i < E1000_PHY_REGS; i++)
        s->phy[i] = phy_rows[i].reset;
}

static uint16_t phy_read(struct device *d, unsigned reg)
{
    struct e1000_state *s = d->state;
    uint16_t v = s->phy[reg % E1000_PHY_REGS];
    bool up = e1000_link(d);

    switch (reg) {
    case BMSR: /* that the link has failed is shown once (IEEE 802.3, 22.2.4.2.13) */
        if (up)
            v |= BMSR_COMPLETE;
        if (up && !s->link_fell)
            v |= BMSR_LINK;
        s->link_fell = 0;
        return v;
    case ANLPAR:
    case GSTATUS:
        return up ? v : 0;
    case PSSTAT:
        return up ? v | PSSTAT_LINK : v;
    default:
        return v;
    }
}

static void phy_write(struct device *d, unsigned reg, uint16_t value)
{
    struct e1000_state *s = d->state;
    uint16_t rw = phy_rows[reg % E1000_PHY_REGS].rw;
    uint16_t *v = &s->phy[reg % E1000_PHY_REGS];

    if (reg == BMCR && (value & BMCR_RESET))
        e1000_phy_reset(s);
    else
        *v = (uint16_t)((*v & ~rw) | (value & rw));
    if (reg != BMCR)
        return;
    if (value & (BMCR_RESET | BMCR_RESTART) && e1000_link(d))
        e1000_cause(d, ICR_LSC); /* negotiated again, at once */
    *v &= (uint16_t)~BMCR_RESTART;
}

void e1000_mdic_written(struct device *d, uint32_t old)
{
    struct e1000_state *s = d->state;
    unsigned reg = s->MDIC >> 16 & 0x1f, address = s->MDIC >> 21 & 0x1f;
    uint32_t op = s->MDIC & MDIC_OP;

    (void)old;
    if (HAS(s, MDIC, R)) /* ready: not a command */
        return;
    CLR(s, MDIC, E);
    if (address != PHY_ADDRESS)
        SET(s, MDIC, E); /* nobody drives the line: it reads as ones */
    if (op == MDIC_READ)
        s->MDIC = (s->MDIC & ~0xffffu) | (address == PHY_ADDRESS ? phy_read(d, reg) : 0xffffu);
    else if (op == MDIC_WRITE && address == PHY_ADDRESS)
        phy_write(d, reg, (uint16_t)s->MDIC);
    SET(s, MDIC, R);
    if (HAS(s, MDIC, I))
        e1000_cause(d, ICR_MDAC);
}
