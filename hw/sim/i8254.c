/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8254 - programmable interval timer and port 61h; for the simulator, as Xen has its own.
 *
 * Datasheet: Intel 8254; Intel 290550-002 (PIIX3: NMI status and control register, port 61h).
 * Present:   three counters, modes 0 to 5, binary and BCD, latch and read-back commands, new counts
 *            at the end of the period; the output of counter 0 is IRQ 0, port 61h has gate and
 *            output of counter 2 and the refresh bit. Nothing counts before it was programmed.
 * Absent:    the one clock between the write of a count and its loading. What the speaker sounds.
 *            NMI sources (bits 6 and 7 read 0).
 *
 * Nothing is counted: a counter is the moment it was loaded, and what the clock says now.
 */
#include "hw/core/device.h"

#define HZ       UINT64_C(1193182)
#define NS       UINT64_C(1000000000)
#define CHANNELS 3u
#define NEVER    UINT64_MAX

enum { LINE_OUT0 = 0 };
enum { RW_LATCH = 0, RW_LOW = 1, RW_HIGH = 2, RW_BOTH = 3 };
enum { READBACK_NO_STATUS = 1u << 4, READBACK_NO_COUNT = 1u << 5 };
enum { STATUS_NULL = 1u << 6, STATUS_OUT = 1u << 7 };
enum {
    NMISC_GATE2 = 1u << 0,
    NMISC_RW = 0x0f,
    NMISC_REFRESH = 1u << 4,
    NMISC_OUT2 = 1u << 5,
};
enum { REFRESH_NS = 15085 };

/* clang-format off */
#define I8254_STATE(F, A, S)                                                                       \
    A(S, uint8_t, MODE, CHANNELS, 5, 1)                                                            \
    A(S, uint8_t, RW, CHANNELS, RW_BOTH, 1)                                                        \
    A(S, uint8_t, BCD, CHANNELS, 1, 1)                                                             \
    A(S, uint8_t, GATE, CHANNELS, 1, 1)                                                            \
    A(S, uint8_t, LOADED, CHANNELS, 1, 1)  /* it has a count, and in modes 1 and 5 a trigger */    \
    A(S, uint8_t, HELD, CHANNELS, 1, 1)    /* the gate stops it, at SINCE */                       \
    A(S, uint8_t, PENDING, CHANNELS, 1, 1) /* NEXT takes the place of CR at CHANGE */              \
    A(S, uint8_t, CHANGE_LOW, CHANNELS, 1, 1) /* (mode 3) there begins the low half */             \
    A(S, uint8_t, LATCHED, CHANNELS, 1, 1)                                                         \
    A(S, uint8_t, STATUS_LATCHED, CHANNELS, 1, 1)                                                  \
    A(S, uint8_t, STATUS, CHANNELS, ANY, 1)                                                        \
    A(S, uint8_t, READ_HIGH, CHANNELS, 1, 1)  /* of two bytes, the second comes next */            \
    A(S, uint8_t, WRITE_HIGH, CHANNELS, 1, 1)                                                      \
    A(S, uint8_t, LOW, CHANNELS, ANY, 1)      /* the first of two bytes written */                 \
    A(S, uint16_t, CR, CHANNELS, ANY, 1)                                                           \
    A(S, uint16_t, NEXT, CHANNELS, ANY, 1)                                                         \
    A(S, uint16_t, OL, CHANNELS, ANY, 1)                                                           \
    A(S, uint64_t, START, CHANNELS, ANY, 1)   /* ticks of the clock when it was loaded */          \
    A(S, uint64_t, SINCE, CHANNELS, ANY, 1)   /* (held) how far it had got */                      \
    A(S, uint64_t, CHANGE, CHANNELS, ANY, 1)                                                       \
    F(S, uint8_t, NMISC, NMISC_RW, 1)                                                              \
    F(S, uint64_t, deadline, ANY, 1)
/* clang-format on */
STATE_DEFINE(i8254, I8254_STATE);

/* --- clock --- */

static uint64_t ticks_now(struct device *d)
{
    uint64_t now = clock_now(d);

    return now / NS * HZ + now % NS * HZ / NS;
}

/* The first nanosecond at which the clock has reached this tick. */
static uint64_t tick_ns(uint64_t tick)
{
    return tick / HZ * NS + (tick % HZ * NS + HZ - 1) / HZ;
}

static uint32_t from_bcd(uint16_t v)
{
    return (v >> 12) * 1000u + (v >> 8 & 15) * 100u + (v >> 4 & 15) * 10u + (v & 15);
}

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint32_t modulus(const struct i8254_state *s, unsigned n)
{
    return s->BCD[n] ? 10000 : 65536;
}

/* The count as written, 0 being the highest. */
static uint32_t period(const struct i8254_state *s, unsigned n, uint16_t count)
{
    if (!count)
        return modulus(s, n);
    return s->BCD[n] ? from_bcd(count) : count;
}

static uint64_t elapsed(const struct i8254_state *s, unsigned n, uint64_t now)
{
    return s->HELD[n] ? s->SINCE[n] : now - s->START[n];
}

/* A count that was written meanwhile has taken its place if its time has come. */
static void settle(struct i8254_state *s, unsigned n, uint64_t now)
{
    if (!s->PENDING[n] || (s->MODE[n] != 2 && s->MODE[n] != 3) || now < s->CHANGE[n] || s->HELD[n])
        return;
    s->CR[n] = s->NEXT[n];
    s->START[n] = s->CHANGE[n];
    if (s->CHANGE_LOW[n])
        s->START[n] -= (period(s, n, s->CR[n]) + 1) / 2;
    s->PENDING[n] = 0;
}

static bool output(const struct i8254_state *s, unsigned n, uint64_t now)
{
    uint32_t count = period(s, n, s->CR[n]);
    uint64_t done = elapsed(s, n, now);

    switch (s->MODE[n]) {
    case 0:
        return s->LOADED[n] && done >= count;
    case 1:
        return !s->LOADED[n] || done >= count;
    case 2:
        return !s->LOADED[n] || !s->GATE[n] || done % count != count - 1;
    case 3:
        return !s->LOADED[n] || !s->GATE[n] || done % count < (count + 1) / 2;
    default:
        return !s->LOADED[n] || done != count;
    }
}

/* Square wave: counts by twos, odd counts lose one at each half. */
static uint32_t square_count(uint32_t count, uint32_t at)
{
    uint32_t high = (count + 1) / 2;

    if (at >= high)
        at -= high;
    return (count & ~1u) - 2 * at;
}

static uint16_t counting_element(const struct i8254_state *s, unsigned n, uint64_t now)
{
    uint32_t count = period(s, n, s->CR[n]), m = modulus(s, n), value = count;
    uint64_t done = elapsed(s, n, now);

    if (s->LOADED[n] && s->MODE[n] == 2)
        value = count - (uint32_t)(done % count);
    else if (s->LOADED[n] && s->MODE[n] == 3)
        value = square_count(count, (uint32_t)(done % count));
    else if (s->LOADED[n])
        value = (count + m - (uint32_t)(done % m)) % m;
    return s->BCD[n] ? to_bcd(value % m) : (uint16_t)value;
}

/* The tick after `now` at which the output of a counter changes, or NEVER. */
static uint64_t next_change(const struct i8254_state *s, unsigned n, uint64_t now)
{
    uint32_t count = period(s, n, s->CR[n]), border, at;
    uint64_t done = elapsed(s, n, now), next = NEVER;

    if (!s->LOADED[n] || s->HELD[n])
        return NEVER;
    if (s->MODE[n] == 2 || s->MODE[n] == 3) {
        border = s->MODE[n] == 2 ? count - 1 : (count + 1) / 2;
        at = (uint32_t)(done % count);
        if (count > 1)
            next = now + (at < border ? border - at : count - at);
        return s->PENDING[n] && s->CHANGE[n] < next ? s->CHANGE[n] : next;
    }
    if (done < count)
        return s->START[n] + count;
    return s->MODE[n] >= 4 && done == count ? now + 1 : NEVER;
}

/* --- counts --- */

static void start(struct i8254_state *s, unsigned n, uint64_t now)
{
    s->START[n] = now;
    s->SINCE[n] = 0;
    s->LOADED[n] = 1;
    s->PENDING[n] = 0;
    s->HELD[n] = !s->GATE[n] && s->MODE[n] != 1 && s->MODE[n] != 5;
}

static void load_later(struct i8254_state *s, unsigned n, uint64_t now)
{
    uint32_t count = period(s, n, s->CR[n]), half = (count + 1) / 2;
    uint64_t done = elapsed(s, n, now);
    uint32_t at = (uint32_t)(done % count);

    s->CHANGE_LOW[n] = s->MODE[n] == 3 && at < half && half < count;
    s->CHANGE[n] = now + (s->CHANGE_LOW[n] ? half : count) - at;
    s->PENDING[n] = 1;
}

static void load(struct i8254_state *s, unsigned n, uint16_t count, uint64_t now)
{
    bool periodic = s->MODE[n] == 2 || s->MODE[n] == 3;

    s->NEXT[n] = count;
    if (s->MODE[n] == 1 || s->MODE[n] == 5) {
        s->PENDING[n] = 1; /* until a trigger comes */
    } else if (periodic && s->LOADED[n]) {
        load_later(s, n, now);
    } else {
        s->CR[n] = count;
        start(s, n, now);
    }
}

static void count_write(struct i8254_state *s, unsigned n, uint8_t value, uint64_t now)
{
    switch (s->RW[n]) {
    case RW_LOW:
        load(s, n, value, now);
        break;
    case RW_HIGH:
        load(s, n, (uint16_t)(value << 8), now);
        break;
    default:
        s->WRITE_HIGH[n] ^= 1;
        if (!s->WRITE_HIGH[n]) {
            load(s, n, (uint16_t)(value << 8 | s->LOW[n]), now);
            break;
        }
        s->LOW[n] = value;
        if (s->MODE[n] == 0)
            s->LOADED[n] = 0; /* the first byte stops it */
        break;
    }
}

static uint8_t two_bytes(struct i8254_state *s, unsigned n, uint16_t value, bool *last)
{
    bool high = s->RW[n] == RW_HIGH || (s->RW[n] == RW_BOTH && s->READ_HIGH[n]);

    *last = s->RW[n] != RW_BOTH || s->READ_HIGH[n];
    s->READ_HIGH[n] = s->RW[n] == RW_BOTH && !s->READ_HIGH[n];
    return (uint8_t)(high ? value >> 8 : value);
}

static uint8_t count_read(struct i8254_state *s, unsigned n, uint64_t now)
{
    bool last;
    uint8_t value;

    if (s->STATUS_LATCHED[n]) {
        s->STATUS_LATCHED[n] = 0;
        return s->STATUS[n];
    }
    value = two_bytes(s, n, s->LATCHED[n] ? s->OL[n] : counting_element(s, n, now), &last);
    if (last)
        s->LATCHED[n] = 0;
    return value;
}

/* --- control word --- */

static void latch_count(struct i8254_state *s, unsigned n, uint64_t now)
{
    if (s->LATCHED[n])
        return;
    s->OL[n] = counting_element(s, n, now);
    s->LATCHED[n] = 1;
}

static void latch_status(struct i8254_state *s, unsigned n, uint64_t now)
{
    if (s->STATUS_LATCHED[n])
        return;
    s->STATUS[n] = (uint8_t)(s->RW[n] << 4 | s->MODE[n] << 1 | s->BCD[n]);
    if (output(s, n, now))
        s->STATUS[n] |= STATUS_OUT;
    if (s->PENDING[n] || !s->LOADED[n])
        s->STATUS[n] |= STATUS_NULL;
    s->STATUS_LATCHED[n] = 1;
}

static void read_back(struct i8254_state *s, uint8_t value, uint64_t now)
{
    for (unsigned n = 0; n < CHANNELS; n++) {
        if (!(value >> (n + 1) & 1))
            continue;
        if (!(value & READBACK_NO_COUNT))
            latch_count(s, n, now);
        if (!(value & READBACK_NO_STATUS))
            latch_status(s, n, now);
    }
}

static void control(struct i8254_state *s, uint8_t value, uint64_t now)
{
    unsigned n = value >> 6;

    if (n >= CHANNELS) {
        read_back(s, value, now);
        return;
    }
    if ((value >> 4 & 3) == RW_LATCH) {
        latch_count(s, n, now);
        return;
    }
    s->RW[n] = value >> 4 & 3;
    s->MODE[n] = value >> 1 & 7;
    if (s->MODE[n] > 5)
        s->MODE[n] -= 4; /* 6 and 7 are 2 and 3 */
    s->BCD[n] = value & 1;
    s->LOADED[n] = s->PENDING[n] = s->HELD[n] = 0;
    s->LATCHED[n] = s->STATUS_LATCHED[n] = 0;
    s->READ_HIGH[n] = s->WRITE_HIGH[n] = 0;
}

static uint64_t pit_read(struct device *d, uint32_t offset, unsigned width)
{
    struct i8254_state *s = d->state;
    uint64_t now = ticks_now(d);

    (void)width; /* bytes only, here and below */
    if (offset >= CHANNELS)
        return 0xff; /* the control word is write only */
    settle(s, offset, now);
    return count_read(s, offset, now);
}

static void pit_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct i8254_state *s = d->state;
    uint64_t now = ticks_now(d);

    (void)width;
    for (unsigned n = 0; n < CHANNELS; n++)
        settle(s, n, now);
    if (offset >= CHANNELS)
        control(s, (uint8_t)value, now);
    else
        count_write(s, offset, (uint8_t)value, now);
}

/* --- port 61h: the gate of counter 2 --- */

static void gate_rises(struct i8254_state *s, unsigned n, uint64_t now)
{
    s->GATE[n] = 1;
    switch (s->MODE[n]) {
    case 1:
    case 5:
        if (s->PENDING[n])
            s->CR[n] = s->NEXT[n];
        else if (!s->LOADED[n])
            break; /* no count was written */
        start(s, n, now);
        break;
    case 2:
    case 3:
        if (s->PENDING[n])
            s->CR[n] = s->NEXT[n];
        if (s->LOADED[n])
            start(s, n, now);
        break;
    default:
        s->START[n] = now - s->SINCE[n];
        s->HELD[n] = 0;
        break;
    }
}

static void gate_falls(struct i8254_state *s, unsigned n, uint64_t now)
{
    s->GATE[n] = 0;
    if (!s->LOADED[n] || s->MODE[n] == 1 || s->MODE[n] == 5)
        return;
    s->SINCE[n] = elapsed(s, n, now);
    s->HELD[n] = 1;
}

static uint64_t nmisc_read(struct device *d, uint32_t offset, unsigned width)
{
    struct i8254_state *s = d->state;
    uint64_t now = ticks_now(d);
    uint8_t value = s->NMISC;

    (void)offset;
    (void)width;
    settle(s, 2, now);
    if (output(s, 2, now))
        value |= NMISC_OUT2;
    if (clock_now(d) / REFRESH_NS & 1)
        value |= NMISC_REFRESH;
    return value;
}

static void nmisc_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct i8254_state *s = d->state;
    uint64_t now = ticks_now(d);
    bool gate = value & NMISC_GATE2;

    (void)offset;
    (void)width;
    settle(s, 2, now);
    s->NMISC = (uint8_t)value & NMISC_RW;
    if (gate && !s->GATE[2])
        gate_rises(s, 2, now);
    else if (!gate && s->GATE[2])
        gate_falls(s, 2, now);
}

/* --- outputs --- */

static void i8254_update(struct device *d)
{
    struct i8254_state *s = d->state;
    uint64_t now = ticks_now(d), next;

    settle(s, 0, now);
    device_irq(d, LINE_OUT0, output(s, 0, now));
    next = next_change(s, 0, now);
    if (next == NEVER)
        timer_cancel(d, &s->deadline);
    else
        timer_arm(d, &s->deadline, tick_ns(next));
}

static void expired(struct device *d)
{
    (void)d; /* update() does it */
}

static int i8254_realize(struct device *d, struct error *e)
{
    struct i8254_state *s = d->state;

    (void)e;
    timer_register(d, &s->deadline, expired);
    return 0;
}

static void i8254_reset(struct device *d)
{
    struct i8254_state *s = d->state;

    s->GATE[0] = s->GATE[1] = 1;
    for (unsigned n = 0; n < CHANNELS; n++)
        s->RW[n] = RW_BOTH;
}

static const struct region i8254_regions[] = {
    { .name = "pit", .space = BUS_PIO, .size = 4, .read = pit_read, .write = pit_write },
    { .name = "nmisc", .space = BUS_PIO, .size = 1, .read = nmisc_read, .write = nmisc_write },
};

const struct device_ops i8254_ops = {
    .name = "i8254",
    .size = sizeof(struct device),
    .state = &i8254_desc,
    .regions = i8254_regions,
    .nregions = ARRAY_SIZE(i8254_regions),
    .realize = i8254_realize,
    .reset = i8254_reset,
    .update = i8254_update,
};
