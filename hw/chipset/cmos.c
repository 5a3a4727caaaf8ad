/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmos - battery-backed memory behind ports 70h and 71h, from index 14 up.
 *
 * Datasheet: Motorola MC146818A; Intel 290550-002 (PIIX3: RTC index and data registers).
 * Present:   index latch, 114 bytes of NVRAM, preset by the machine (memory size, boot order).
 * Absent:    index 0-13 (clock, alarm, status): Xen's own; reads give ones and writes vanish,
 * should one arrive. The NMI mask (bit 7 of the index). Writes do not survive the machine.
 */
#include "hw/core/device.h"

enum { RTCI = 0, RTCD = 1 };
enum { RTCI_INDEX = 0x7f };
enum { FIRST = 14, BYTES = 128 };

#define CMOS_STATE(F, A, S)                                                                        \
    F(S, uint8_t, RTCI, RTCI_INDEX, 1)                                                             \
    A(S, uint8_t, nvram, BYTES, ANY, 1)
STATE_DEFINE(cmos, CMOS_STATE);

/* The byte that the index selects, or NULL if it is not ours. */
static uint8_t *selected(struct cmos_state *s)
{
    return s->RTCI >= FIRST && s->RTCI < sizeof s->nvram ? &s->nvram[s->RTCI] : NULL;
}

static uint64_t cmos_read(struct device *d, uint32_t offset, unsigned width)
{
    const uint8_t *byte = selected(d->state);

    (void)width;                                  /* bytes only */
    return offset == RTCD && byte ? *byte : 0xff; /* the index is write only */
}

static void cmos_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct cmos_state *s = d->state;
    uint8_t *byte = selected(s);

    (void)width;
    if (offset == RTCI)
        s->RTCI = (uint8_t)value & RTCI_INDEX;
    else if (byte)
        *byte = (uint8_t)value;
}

static void cmos_reset(struct device *d)
{
    struct cmos_state *s = d->state;

    if (d->host.nvram)
        memcpy(s->nvram + FIRST, d->host.nvram + FIRST, BYTES - FIRST);
}

static const char *const cmos_names[] = { "INDEX", "DATA" };

static const struct region cmos_regions[] = {
    { .name = "cmos",
      .space = BUS_PIO,
      .size = 2,
      NAMED(cmos_names),
      .read = cmos_read,
      .write = cmos_write,
      .constant = true },
};

const struct device_ops cmos_ops = {
    .name = "cmos",
    .size = sizeof(struct device),
    .state = &cmos_desc,
    .regions = cmos_regions,
    .nregions = ARRAY_SIZE(cmos_regions),
    .reset = cmos_reset,
};
