/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8259 - two interrupt controllers, cascaded; for the simulator, as Xen has its own.
 *
 * Datasheet: Intel 8259A; Intel 290550-002 (PIIX3: ELCR at 4d0h).
 * Present:   ICW1-ICW4, masks, specific and other EOI, rotation, automatic EOI, special mask mode,
 *            special fully nested mode, poll command, spurious interrupts, edge or level for each
 *            line. An edge is forgotten when the line falls before it was acknowledged.
 * Absent:    MCS-80 call instructions, buffered mode (stored only), other wirings of the cascade
 *            than the PC's: ICW3 is stored, the slave is at line 2.
 */
#include "hw/sim/i8259.h"

#include "hw/core/device.h"

enum { MASTER, SLAVE, CHIPS };
enum { CASCADE = 2, SPURIOUS = 7 };
enum { ICW1_IC4 = 1u << 0, ICW1_SNGL = 1u << 1, ICW1_LTIM = 1u << 3, ICW1_SELECT = 1u << 4 };
enum { ICW4_AEOI = 1u << 1, ICW4_SFNM = 1u << 4 };
enum { OCW3_SELECT = 1u << 3, OCW3_RIS = 1u << 0, OCW3_RR = 1u << 1, OCW3_P = 1u << 2 };
enum { OCW3_SMM = 1u << 5, OCW3_ESMM = 1u << 6 };
/* OCW2, bits 7-5. */
enum {
    EOI_ROTATE_OFF = 0,
    EOI_ANY = 1,
    EOI_ONE = 3,
    EOI_ROTATE_ON = 4,
    EOI_ANY_ROTATE = 5,
    EOI_PRIORITY = 6,
    EOI_ONE_ROTATE = 7
};

#define I8259_STATE(F, A, S)                                                                       \
    A(S, uint8_t, LINES, CHIPS, ANY, 1) /* levels of the inputs */                                 \
    A(S, uint8_t, IRR, CHIPS, ANY, 1)                                                              \
    A(S, uint8_t, ISR, CHIPS, ANY, 1)                                                              \
    A(S, uint8_t, IMR, CHIPS, ANY, 1)                                                              \
    A(S, uint8_t, ELCR, CHIPS, ANY, 1)                                                             \
    A(S, uint8_t, ICW1, CHIPS, ANY, 1)                                                             \
    A(S, uint8_t, ICW2, CHIPS, ANY, 1)                                                             \
    A(S, uint8_t, ICW3, CHIPS, ANY, 1)                                                             \
    A(S, uint8_t, ICW4, CHIPS, ANY, 1)                                                             \
    A(S, uint8_t, EXPECT, CHIPS, 4, 1) /* the ICW that comes next, or 0 */                         \
    A(S, uint8_t, LOWEST, CHIPS, 7, 1) /* the line of the lowest priority */                       \
    A(S, uint8_t, ROTATE, CHIPS, 1, 1) /* with automatic EOI */                                    \
    A(S, uint8_t, RIS, CHIPS, 1, 1)    /* the even port reads ISR */                               \
    A(S, uint8_t, POLL, CHIPS, 1, 1)   /* the next read is an acknowledge */                       \
    A(S, uint8_t, SMM, CHIPS, 1, 1)
STATE_DEFINE(i8259, I8259_STATE);

static const uint8_t elcr_mask[CHIPS] = { 0xf8, 0xde };

static bool is_level(const struct i8259_state *s, unsigned n, uint8_t bit)
{
    return (s->ICW1[n] & ICW1_LTIM) || (s->ELCR[n] & bit);
}

/* The line of highest priority among `bits`, or -1. */
static int highest(const struct i8259_state *s, unsigned n, unsigned bits)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned line = (s->LOWEST[n] + i) & 7;

        if (bits >> line & 1)
            return (int)line;
    }
    return -1;
}

/* 0 is the highest priority; 8 is that of no line at all. */
static unsigned rank(const struct i8259_state *s, unsigned n, int line)
{
    return line < 0 ? 8 : ((unsigned)line - s->LOWEST[n] - 1) & 7;
}

/* The line whose request goes out now, or -1. */
static int request(const struct i8259_state *s, unsigned n)
{
    uint8_t in_service = s->SMM[n] ? s->ISR[n] & (uint8_t)~s->IMR[n] : s->ISR[n];
    int line = highest(s, n, s->IRR[n] & ~s->IMR[n]);

    /* The slave's own priorities count among its lines. */
    if (n == MASTER && line == CASCADE && (s->ICW4[n] & ICW4_SFNM))
        in_service &= (uint8_t) ~(1u << CASCADE);
    return rank(s, n, line) < rank(s, n, highest(s, n, in_service)) ? line : -1;
}

static void input(struct i8259_state *s, unsigned n, unsigned line, bool level)
{
    uint8_t bit = (uint8_t)(1u << line);
    bool rising = level && !(s->LINES[n] & bit);

    s->LINES[n] = (uint8_t)(level ? s->LINES[n] | bit : s->LINES[n] & ~bit);
    if (!level)
        s->IRR[n] &= (uint8_t)~bit;
    else if (rising || is_level(s, n, bit))
        s->IRR[n] |= bit;
}

static void cascade(struct i8259_state *s)
{
    input(s, MASTER, CASCADE, request(s, SLAVE) >= 0);
}

/* The line that is in service from now on, or -1: it was spurious. */
static int accept(struct i8259_state *s, unsigned n)
{
    int line = request(s, n);
    uint8_t bit = (uint8_t)(1u << (line & 7));

    if (line < 0)
        return line;
    if (!is_level(s, n, bit))
        s->IRR[n] &= (uint8_t)~bit;
    if (!(s->ICW4[n] & ICW4_AEOI))
        s->ISR[n] |= bit;
    else if (s->ROTATE[n])
        s->LOWEST[n] = (uint8_t)line;
    if (n == SLAVE) { /* INT falls; what else waits there is a new edge */
        input(s, MASTER, CASCADE, false);
        cascade(s);
    }
    return line;
}

/* --- commands --- */

static void initialize(struct i8259_state *s, unsigned n, uint8_t value)
{
    s->ICW1[n] = value;
    s->IMR[n] = s->ISR[n] = 0;
    s->LOWEST[n] = 7;
    s->ROTATE[n] = s->RIS[n] = s->POLL[n] = s->SMM[n] = 0;
    if (!(value & ICW1_IC4))
        s->ICW4[n] = 0;
    s->EXPECT[n] = 2;
    s->IRR[n] = 0; /* the edge detectors start anew */
    for (unsigned bit = 1; bit < 0x100; bit <<= 1)
        if (is_level(s, n, (uint8_t)bit) && (s->LINES[n] & bit))
            s->IRR[n] = (uint8_t)(s->IRR[n] | bit);
}

static void end_of_interrupt(struct i8259_state *s, unsigned n, int line, bool rotate)
{
    if (line < 0)
        return;
    s->ISR[n] &= (uint8_t) ~(1u << line);
    if (rotate)
        s->LOWEST[n] = (uint8_t)line;
}

static void ocw2(struct i8259_state *s, unsigned n, uint8_t value)
{
    int line = value & 7;
    int any = highest(s, n, s->SMM[n] ? s->ISR[n] & ~s->IMR[n] : s->ISR[n]);

    switch (value >> 5) {
    case EOI_ROTATE_OFF:
    case EOI_ROTATE_ON:
        s->ROTATE[n] = value >> 5 == EOI_ROTATE_ON;
        break;
    case EOI_ANY:
    case EOI_ANY_ROTATE:
        end_of_interrupt(s, n, any, value >> 5 == EOI_ANY_ROTATE);
        break;
    case EOI_ONE:
    case EOI_ONE_ROTATE:
        end_of_interrupt(s, n, line, value >> 5 == EOI_ONE_ROTATE);
        break;
    case EOI_PRIORITY:
        s->LOWEST[n] = (uint8_t)line;
        break;
    default: /* no operation */
        break;
    }
}

static void ocw3(struct i8259_state *s, unsigned n, uint8_t value)
{
    if (value & OCW3_P)
        s->POLL[n] = 1;
    else if (value & OCW3_RR)
        s->RIS[n] = value & OCW3_RIS;
    if (value & OCW3_ESMM)
        s->SMM[n] = (value & OCW3_SMM) != 0;
}

static void odd_write(struct i8259_state *s, unsigned n, uint8_t value)
{
    uint8_t last = s->ICW1[n] & ICW1_IC4 ? 4 : 0;

    switch (s->EXPECT[n]) {
    case 2:
        s->ICW2[n] = value & 0xf8;
        s->EXPECT[n] = s->ICW1[n] & ICW1_SNGL ? last : 3;
        break;
    case 3:
        s->ICW3[n] = value;
        s->EXPECT[n] = last;
        break;
    case 4:
        s->ICW4[n] = value & 0x1f;
        s->EXPECT[n] = 0;
        break;
    default:
        s->IMR[n] = value;
        break;
    }
}

static void chip_write(struct i8259_state *s, unsigned n, uint32_t offset, uint8_t value)
{
    if (offset & 1)
        odd_write(s, n, value);
    else if (value & ICW1_SELECT)
        initialize(s, n, value);
    else if (value & OCW3_SELECT)
        ocw3(s, n, value);
    else
        ocw2(s, n, value);
    cascade(s);
}

static uint8_t chip_read(struct i8259_state *s, unsigned n, uint32_t offset)
{
    if (s->POLL[n]) {
        int line = accept(s, n);

        s->POLL[n] = 0;
        return line < 0 ? 0 : (uint8_t)(0x80 | line);
    }
    if (offset & 1)
        return s->IMR[n];
    return s->RIS[n] ? s->ISR[n] : s->IRR[n];
}

/* --- ports --- */

static uint64_t master_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width; /* bytes only, here and below */
    return chip_read(d->state, MASTER, offset);
}

static void master_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    chip_write(d->state, MASTER, offset, (uint8_t)value);
}

static uint64_t slave_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width;
    return chip_read(d->state, SLAVE, offset);
}

static void slave_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    chip_write(d->state, SLAVE, offset, (uint8_t)value);
}

static uint64_t elcr_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct i8259_state *s = d->state;

    (void)width;
    return s->ELCR[offset & 1];
}

static void elcr_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct i8259_state *s = d->state;
    unsigned n = offset & 1;

    (void)width;
    s->ELCR[n] = (uint8_t)value & elcr_mask[n];
    s->IRR[n] = (uint8_t)(s->IRR[n] | (s->ELCR[n] & s->LINES[n]));
    cascade(s);
}

/* --- the board --- */

struct change {
    unsigned irq;
    bool level;
};

static void changed(struct device *d, void *arg)
{
    const struct change *c = arg;

    input(d->state, c->irq < 8 ? MASTER : SLAVE, c->irq & 7, c->level);
    cascade(d->state);
}

void i8259_input(struct device *d, unsigned irq, bool level)
{
    struct change c = { irq, level };

    if (irq < 16 && irq != CASCADE)
        device_event(d, changed, &c);
}

bool i8259_output(const struct device *d)
{
    return request(d->state, MASTER) >= 0;
}

static void acknowledge(struct device *d, void *arg)
{
    struct i8259_state *s = d->state;
    uint8_t *vector = arg;
    int line = accept(s, MASTER);
    unsigned n = MASTER;

    if (line == CASCADE) {
        n = SLAVE;
        line = accept(s, SLAVE);
    }
    *vector = (uint8_t)(s->ICW2[n] | (line < 0 ? SPURIOUS : line));
}

uint8_t i8259_acknowledge(struct device *d)
{
    uint8_t vector = 0xff;

    device_event(d, acknowledge, &vector);
    return vector;
}

static void i8259_reset(struct device *d)
{
    struct i8259_state *s = d->state;

    s->LOWEST[MASTER] = s->LOWEST[SLAVE] = 7;
}

static const struct region i8259_regions[] = {
    { .name = "master", .space = BUS_PIO, .size = 2, .read = master_read, .write = master_write },
    { .name = "slave", .space = BUS_PIO, .size = 2, .read = slave_read, .write = slave_write },
    { .name = "elcr", .space = BUS_PIO, .size = 2, .read = elcr_read, .write = elcr_write },
};

const struct device_ops i8259_ops = {
    .name = "i8259",
    .size = sizeof(struct device),
    .state = &i8259_desc,
    .regions = i8259_regions,
    .nregions = ARRAY_SIZE(i8259_regions),
    .reset = i8259_reset,
};
