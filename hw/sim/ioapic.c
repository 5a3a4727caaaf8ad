/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic - I/O APIC at fec00000h; for the simulator, as Xen has its own.
 *
 * Datasheet: Intel 290566-001 (82093AA).
 * Present:   IOREGSEL and IOWIN; ID, version, arbitration id, 24 redirection entries; edge and
 * level, mask, remote IRR. Messages are counted for each pin: there is no local APIC to take them.
 * Absent:    arbitration, delivery status (nothing waits). An edge under the mask is lost, as in
 * the chip. The polarity bit is stored: a pin is asserted or not, whatever its voltage.
 */
#include "hw/sim/ioapic.h"

#include "hw/core/device.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10, WINDOW = 0x20 };
enum { IOAPICID = 0, IOAPICVER = 1, IOAPICARB = 2, IOREDTBL = 0x10 };
enum { VERSION = 0x00170011 }; /* 24 entries, version 11h */
enum { ID_MASK = 0x0f000000 };
enum {
    ENTRY_VECTOR = 0xff,
    ENTRY_IRR = 1u << 14,
    ENTRY_LEVEL = 1u << 15,
    ENTRY_MASKED = 1u << 16,
    ENTRY_RW = 0x0001afff, /* all but delivery status and remote IRR */
    ENTRY_BITS = ENTRY_RW | ENTRY_IRR,
};
#define DESTINATION 0xff000000u

#define IOAPIC_STATE(F, A, S)                                                                      \
    F(S, uint8_t, SELECT, ANY, 1)                                                                  \
    F(S, uint32_t, ID, ID_MASK, 1)                                                                 \
    F(S, uint32_t, LINES, 0xffffff, 1)                                                             \
    A(S, uint32_t, LOW, IOAPIC_PINS, ENTRY_BITS, 1)                                                \
    A(S, uint32_t, HIGH, IOAPIC_PINS, DESTINATION, 1)                                              \
    A(S, uint32_t, SENT, IOAPIC_PINS, ANY, 1)
STATE_DEFINE(ioapic, IOAPIC_STATE);

/* A level interrupt goes out once until it was handled. */
static void serve_levels(struct ioapic_state *s)
{
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        if ((s->LINES >> i & 1) && (s->LOW[i] & (ENTRY_LEVEL | ENTRY_MASKED)) == ENTRY_LEVEL &&
            !(s->LOW[i] & ENTRY_IRR)) {
            s->LOW[i] |= ENTRY_IRR;
            s->SENT[i]++;
        }
}

static uint32_t register_read(const struct ioapic_state *s)
{
    unsigned pin = (s->SELECT - IOREDTBL) / 2u;

    switch (s->SELECT) {
    case IOAPICID:
    case IOAPICARB:
        return s->ID;
    case IOAPICVER:
        return VERSION;
    default:
        if (s->SELECT < IOREDTBL || pin >= IOAPIC_PINS)
            return 0;
        return s->SELECT & 1 ? s->HIGH[pin] : s->LOW[pin];
    }
}

static void register_write(struct ioapic_state *s, uint32_t value)
{
    unsigned pin = (s->SELECT - IOREDTBL) / 2u;

    if (s->SELECT == IOAPICID)
        s->ID = value & ID_MASK;
    if (s->SELECT < IOREDTBL || pin >= IOAPIC_PINS)
        return;
    if (s->SELECT & 1) {
        s->HIGH[pin] = value & DESTINATION;
        return;
    }
    s->LOW[pin] = (s->LOW[pin] & ENTRY_IRR) | (value & ENTRY_RW);
    if (!(value & ENTRY_LEVEL))
        s->LOW[pin] &= ~(uint32_t)ENTRY_IRR;
    serve_levels(s);
}

static uint64_t ioapic_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct ioapic_state *s = d->state;

    (void)width; /* four bytes only, here and below */
    if (offset == IOREGSEL)
        return s->SELECT;
    return offset == IOWIN ? register_read(s) : 0;
}

static void ioapic_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct ioapic_state *s = d->state;

    (void)width;
    if (offset == IOREGSEL)
        s->SELECT = (uint8_t)value;
    else if (offset == IOWIN)
        register_write(s, (uint32_t)value);
}

struct change {
    unsigned pin;
    bool level;
};

static void changed(struct device *d, void *arg)
{
    struct ioapic_state *s = d->state;
    const struct change *c = arg;
    uint32_t bit = 1u << c->pin, entry = s->LOW[c->pin];
    bool rising = c->level && !(s->LINES & bit);

    s->LINES = c->level ? s->LINES | bit : s->LINES & ~bit;
    if (rising && !(entry & (ENTRY_LEVEL | ENTRY_MASKED)))
        s->SENT[c->pin]++;
    serve_levels(s);
}

void ioapic_input(struct device *d, unsigned pin, bool level)
{
    struct change c = { pin, level };

    if (pin < IOAPIC_PINS)
        device_event(d, changed, &c);
}

static void handled(struct device *d, void *arg)
{
    struct ioapic_state *s = d->state;
    const uint8_t *vector = arg;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        if ((s->LOW[i] & ENTRY_VECTOR) == *vector)
            s->LOW[i] &= ~(uint32_t)ENTRY_IRR;
    serve_levels(s);
}

void ioapic_eoi(struct device *d, uint8_t vector)
{
    device_event(d, handled, &vector);
}

uint32_t ioapic_sent(const struct device *d, unsigned pin)
{
    const struct ioapic_state *s = d->state;

    return pin < IOAPIC_PINS ? s->SENT[pin] : 0;
}

static void ioapic_reset(struct device *d)
{
    struct ioapic_state *s = d->state;

    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        s->LOW[i] = ENTRY_MASKED;
}

static const struct region ioapic_regions[] = {
    { .name = "ioapic",
      .space = BUS_MMIO,
      .size = WINDOW,
      .widths = 4,
      .read = ioapic_read,
      .write = ioapic_write },
};

const struct device_ops ioapic_ops = {
    .name = "ioapic",
    .size = sizeof(struct device),
    .state = &ioapic_desc,
    .regions = ioapic_regions,
    .nregions = ARRAY_SIZE(ioapic_regions),
    .reset = ioapic_reset,
};
