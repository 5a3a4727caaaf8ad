/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pciconf - PCI configuration mechanism 1 and the reset control register, ports cf8h-cffh.
 *
 * Datasheet: Intel 290549-001 (82441FX: CONFADD, CONFDATA); Intel 290550-002 (PIIX3: RC).
 * Present:   CONFADD, CONFDATA, RC. Under Xen an access to CONFDATA with the enable bit set arrives
 *            as a PCI configuration request and never as a port access.
 * Absent:    type 1 cycles: there is one bus; buses above 0 read as ones. Soft reset (RC bit 1
 *            clear) resets the whole machine, as hard reset does.
 */
#include <errno.h>

#include "hw/core/device.h"
#include "hw/core/machine.h"

enum { CONFADD = 0, RC = 1, CONFDATA = 4, PORTS = 8 };
enum { CONFADD_MASK = 0x80fffffc, CONFADD_ENABLE = 0x80000000 };
enum {
    RC_SRST = 1u << 1, /* 1: hard reset */
    RC_RCPU = 1u << 2
}; /* rising edge resets */

/* Only to try upgrades: what a later version might add (configure --test-layout). */
#if defined(HVMDM_TEST_LAYOUT) && HVMDM_TEST_LAYOUT >= 2
#define PCICONF_TEST(F, S) F(S, uint32_t, test_layout, ANY, 2)
#else
#define PCICONF_TEST(F, S)
#endif

#define PCICONF_STATE(F, A, S)                                                                     \
    F(S, uint32_t, CONFADD, CONFADD_MASK, 1)                                                       \
    F(S, uint8_t, RC, RC_SRST | RC_RCPU, 1)                                                        \
    PCICONF_TEST(F, S)
STATE_DEFINE(pciconf, PCICONF_STATE);

/* The function and register that CONFADD names; false if the cycle goes nowhere. */
static bool target(const struct pciconf_state *s, uint32_t offset, unsigned width, unsigned *devfn,
                   unsigned *reg)
{
    uint32_t byte = offset - CONFDATA;

    if (!(s->CONFADD & CONFADD_ENABLE) || (s->CONFADD >> 16 & 0xff) != 0 || byte + width > 4)
        return false;
    *devfn = s->CONFADD >> 8 & 0xff;
    *reg = (s->CONFADD & 0xfc) + byte;
    return true;
}

static uint64_t pciconf_read(struct device *d, uint32_t offset, unsigned width)
{
    struct pciconf_state *s = d->state;
    unsigned devfn, reg;

    if (offset == CONFADD && width == 4)
        return s->CONFADD;
    if (offset == RC && width == 1)
        return s->RC;
    if (offset < CONFDATA || !target(s, offset, width, &devfn, &reg))
        return ones(width);
    return machine_config(d->m, devfn, reg, width, true, 0);
}

/* Only the byte register at cf9h resets; a dword there is an access to CONFADD's neighbours. */
static void rc_write(struct device *d, uint8_t value)
{
    struct pciconf_state *s = d->state;
    bool rising = !(s->RC & RC_RCPU) && (value & RC_RCPU);

    s->RC = value & (RC_SRST | RC_RCPU);
    if (rising)
        machine_request(d, MACHINE_RESET);
}

static void pciconf_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct pciconf_state *s = d->state;
    unsigned devfn, reg;

    if (offset == CONFADD && width == 4)
        s->CONFADD = (uint32_t)value & CONFADD_MASK;
    else if (offset == RC && width == 1)
        rc_write(d, (uint8_t)value);
    else if (offset >= CONFDATA && target(s, offset, width, &devfn, &reg))
        (void)machine_config(d->m, devfn, reg, width, false, (uint32_t)value);
}

static const char *const pciconf_names[] = { "CONFADD",  "RC",       "CONFADD",  "CONFADD",
                                             "CONFDATA", "CONFDATA", "CONFDATA", "CONFDATA" };

static const struct region pciconf_regions[] = {
    { .name = "pciconf",
      .space = BUS_PIO,
      .size = PORTS,
      NAMED(pciconf_names),
      .widths = 1 | 2 | 4,
      .read = pciconf_read,
      .write = pciconf_write },
};

/* CONFADD comes from elsewhere after a load: bits that no write can set are refused, as the limit
 * of the field alone cannot (it is a highest value, not a mask). */
static int pciconf_loaded(struct device *d, struct error *e)
{
    const struct pciconf_state *s = d->state;

    if (s->CONFADD & ~(uint32_t)CONFADD_MASK)
        return error_set(e, -EINVAL, "%s: CONFADD 0x%x has reserved bits set", d->id, s->CONFADD);
    if (s->RC & ~(RC_SRST | RC_RCPU))
        return error_set(e, -EINVAL, "%s: RC 0x%x has reserved bits set", d->id, s->RC);
    return 0;
}

const struct device_ops pciconf_ops = {
    .name = "pciconf",
    .size = sizeof(struct device),
    .state = &pciconf_desc,
    .regions = pciconf_regions,
    .nregions = ARRAY_SIZE(pciconf_regions),
    .loaded = pciconf_loaded,
};
