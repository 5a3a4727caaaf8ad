/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mc146818 - real time clock, index 0 to 13 behind ports 70h and 71h; for the simulator, as Xen has
 * its own. The memory from index 14 on is the cmos device's.
 *
 * Datasheet: Motorola MC146818A.
 * Present:   time and date in binary or BCD, 12 or 24 hours; alarm with "don't care"; update, alarm
 *            and periodic interrupt (IRQ 8); update-in-progress for the 244 us before an update;
 * SET and the divider reset. The clock starts at `rtc_base` and runs by guest time. Absent:
 * daylight saving (the bit is stored), the square wave, time bases other than 32768 Hz (the clock
 * stands). A reset of the machine sets the clock again.
 */
#include "hw/sim/mc146818.h"

#include "hw/core/device.h"

#define NS     UINT64_C(1000000000)
#define BASE   UINT64_C(32768) /* Hz */
#define DAY    86400u
#define UIP_NS 244000u

enum { LINE_IRQ = 0, RTCI = 0 };
enum {
    SEC,
    SEC_ALARM,
    MIN,
    MIN_ALARM,
    HOUR,
    HOUR_ALARM,
    WEEKDAY,
    MDAY,
    MONTH,
    YEAR,
    RA,
    RB,
    RC,
    RD
};
enum { REGISTERS = 14 };
enum { A_RS = 0x0f, A_DV = 0x70, A_DV_RUN = 0x20, A_UIP = 0x80 };
enum { B_24H = 0x02, B_DM = 0x04, B_UIE = 0x10, B_AIE = 0x20, B_PIE = 0x40, B_SET = 0x80 };
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80 };
enum { D_VRT = 0x80 };
enum { PM = 0x80, DONT_CARE = 0xc0 };

#define MC146818_STATE(F, A, S)                                                                    \
    F(S, uint8_t, INDEX, 0x7f, 1)                                                                  \
    A(S, uint8_t, REG, REGISTERS, ANY, 1)                                                          \
    F(S, uint64_t, SINCE, ANY, 1)   /* guest ns when the divider chain was at 0 */                 \
    F(S, uint64_t, SECONDS, ANY, 1) /* updates since then that were done */                        \
    F(S, uint64_t, PERIODS, ANY, 1) /* edges of the periodic interrupt since then */               \
    F(S, uint64_t, deadline, ANY, 1)
STATE_DEFINE(mc146818, MC146818_STATE);

static const uint16_t days_before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };

/* --- registers and numbers --- */

static unsigned decode(const struct mc146818_state *s, uint8_t v)
{
    return s->REG[RB] & B_DM ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode(const struct mc146818_state *s, unsigned v)
{
    return (uint8_t)(s->REG[RB] & B_DM ? v : v / 10 << 4 | v % 10);
}

static unsigned decode_hour(const struct mc146818_state *s, uint8_t v)
{
    if (s->REG[RB] & B_24H)
        return decode(s, v) % 24;
    return decode(s, v & 0x7f) % 12 + (v & PM ? 12 : 0);
}

static uint8_t encode_hour(const struct mc146818_state *s, unsigned hour)
{
    unsigned twelve = hour % 12 ? hour % 12 : 12;

    if (s->REG[RB] & B_24H)
        return encode(s, hour);
    return (uint8_t)(encode(s, twelve) | (hour >= 12 ? PM : 0));
}

static bool leap(unsigned year)
{
    return year % 4 == 0;
}

/* Days from the beginning of year 0, a leap year, as the chip knows only two digits. */
static unsigned day_number(unsigned year, unsigned month, unsigned mday)
{
    unsigned day = year * 365 + (year + 3) / 4 + days_before[month % 12] + mday;

    return day + (month >= 2 && leap(year));
}

static void set_date(struct mc146818_state *s, unsigned day)
{
    unsigned year = day / 1461 * 4, month = 11;

    day %= 1461;
    while (day >= (leap(year) ? 366u : 365u))
        day -= leap(year++) ? 366 : 365;
    while (month && day < day_number(year, month, 0) - day_number(year, 0, 0))
        month--;
    day -= day_number(year, month, 0) - day_number(year, 0, 0);
    s->REG[YEAR] = encode(s, year % 100);
    s->REG[MONTH] = encode(s, month + 1);
    s->REG[MDAY] = encode(s, day + 1);
}

static unsigned time_of_day(const struct mc146818_state *s)
{
    return (decode_hour(s, s->REG[HOUR]) * 3600 + decode(s, s->REG[MIN]) % 60 * 60 +
            decode(s, s->REG[SEC]) % 60) %
           DAY;
}

static void set_time(struct mc146818_state *s, unsigned second)
{
    s->REG[SEC] = encode(s, second % 60);
    s->REG[MIN] = encode(s, second / 60 % 60);
    s->REG[HOUR] = encode_hour(s, second / 3600);
}

/* --- the passing of time --- */

static bool matches(const struct mc146818_state *s, unsigned second)
{
    const uint8_t *r = s->REG;

    return (r[SEC_ALARM] >= DONT_CARE || r[SEC_ALARM] == encode(s, second % 60)) &&
           (r[MIN_ALARM] >= DONT_CARE || r[MIN_ALARM] == encode(s, second / 60 % 60)) &&
           (r[HOUR_ALARM] >= DONT_CARE || r[HOUR_ALARM] == encode_hour(s, second / 3600));
}

static void look_for_alarm(struct mc146818_state *s, unsigned from, uint64_t seconds)
{
    for (uint64_t i = 1; i <= seconds && i <= DAY && !(s->REG[RC] & C_AF); i++)
        if (matches(s, (unsigned)((from + i) % DAY)))
            s->REG[RC] |= C_AF;
}

static void pass_days(struct mc146818_state *s, uint64_t days)
{
    unsigned year = decode(s, s->REG[YEAR]) % 100;
    unsigned month = (decode(s, s->REG[MONTH]) + 11) % 12;
    unsigned mday = (decode(s, s->REG[MDAY]) + 30) % 31;
    unsigned weekday = (decode(s, s->REG[WEEKDAY]) + 6) % 7;

    set_date(s, (unsigned)((day_number(year, month, mday) + days) % 36525));
    s->REG[WEEKDAY] = encode(s, (unsigned)((weekday + days) % 7) + 1);
}

static void pass_seconds(struct mc146818_state *s, uint64_t seconds)
{
    unsigned from = time_of_day(s);
    uint64_t days = (from + seconds % DAY) / DAY + seconds / DAY;

    look_for_alarm(s, from, seconds);
    set_time(s, (unsigned)((from + seconds) % DAY));
    if (days)
        pass_days(s, days);
    s->REG[RC] |= C_UF;
}

static bool running(const struct mc146818_state *s)
{
    return (s->REG[RA] & A_DV) == A_DV_RUN;
}

/* Periods of the base frequency between two edges; 0: none. */
static uint64_t rate(const struct mc146818_state *s)
{
    unsigned rs = s->REG[RA] & A_RS;

    if (!rs)
        return 0;
    return UINT64_C(1) << (rs <= 2 ? rs + 6 : rs - 1);
}

static uint64_t since(const struct mc146818_state *s, uint64_t now)
{
    return now - s->SINCE;
}

static uint64_t edges(const struct mc146818_state *s, uint64_t now)
{
    uint64_t t = since(s, now);

    return (t / NS * BASE + t % NS * BASE / NS) / rate(s);
}

static void catch_up(struct device *d)
{
    struct mc146818_state *s = d->state;
    uint64_t now = clock_now(d), seconds;

    if (!running(s))
        return;
    seconds = since(s, now) / NS;
    if (seconds != s->SECONDS && !(s->REG[RB] & B_SET))
        pass_seconds(s, seconds - s->SECONDS);
    s->SECONDS = seconds;
    if (!rate(s))
        return;
    if (edges(s, now) != s->PERIODS)
        s->REG[RC] |= C_PF;
    s->PERIODS = edges(s, now);
}

/* --- access --- */

static uint8_t flags(const struct mc146818_state *s)
{
    uint8_t c = s->REG[RC];

    return c & s->REG[RB] & (C_UF | C_AF | C_PF) ? c | C_IRQF : c;
}

static uint8_t status_a(struct device *d)
{
    const struct mc146818_state *s = d->state;
    uint64_t left = NS - since(s, clock_now(d)) % NS;
    bool soon = running(s) && !(s->REG[RB] & B_SET) && left <= UIP_NS;

    return (uint8_t)(s->REG[RA] | (soon ? A_UIP : 0));
}

static uint8_t register_read(struct device *d, unsigned index)
{
    struct mc146818_state *s = d->state;
    uint8_t v;

    switch (index) {
    case RA:
        return status_a(d);
    case RC:
        v = flags(s);
        s->REG[RC] = 0;
        return v;
    default:
        return index < REGISTERS ? s->REG[index] : 0xff;
    }
}

static void status_a_write(struct device *d, uint8_t value)
{
    struct mc146818_state *s = d->state;
    bool before = running(s);

    s->REG[RA] = value & (A_RS | A_DV);
    if (!before && running(s)) { /* the first update comes half a second later */
        s->SINCE = clock_now(d) - NS / 2;
        s->SECONDS = 0;
    }
    if (running(s) && rate(s))
        s->PERIODS = edges(s, clock_now(d));
}

static void register_write(struct device *d, unsigned index, uint8_t value)
{
    struct mc146818_state *s = d->state;

    if (index == RA)
        status_a_write(d, value);
    else if (index == RB)
        s->REG[RB] = value & B_SET ? value & (uint8_t)~B_UIE : value;
    else if (index < RA)
        s->REG[index] = value;
}

static uint64_t rtc_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct mc146818_state *s = d->state;

    (void)width; /* bytes only, here and below */
    if (offset == RTCI)
        return 0xff; /* write only */
    catch_up(d);
    return register_read(d, s->INDEX);
}

static void rtc_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct mc146818_state *s = d->state;

    (void)width;
    catch_up(d);
    if (offset == RTCI)
        s->INDEX = (uint8_t)value & 0x7f;
    else
        register_write(d, s->INDEX, (uint8_t)value);
}

bool mc146818_selected(const struct device *d)
{
    return ((const struct mc146818_state *)d->state)->INDEX < REGISTERS;
}

/* --- outputs --- */

static uint64_t next_edge(const struct mc146818_state *s)
{
    uint64_t base = (s->PERIODS + 1) * rate(s);

    return s->SINCE + base / BASE * NS + (base % BASE * NS + BASE - 1) / BASE;
}

/* The next moment at which a flag that somebody waits for may be set. */
static uint64_t next_event(const struct mc146818_state *s)
{
    uint8_t waits = s->REG[RB] & (uint8_t)~s->REG[RC];
    uint64_t next = UINT64_MAX;

    if (!running(s))
        return next;
    if ((waits & (B_UIE | B_AIE)) && !(s->REG[RB] & B_SET))
        next = s->SINCE + (s->SECONDS + 1) * NS;
    if ((waits & B_PIE) && rate(s) && next_edge(s) < next)
        next = next_edge(s);
    return next;
}

static void mc146818_update(struct device *d)
{
    struct mc146818_state *s = d->state;
    uint64_t next = next_event(s);

    device_irq(d, LINE_IRQ, (flags(s) & C_IRQF) != 0);
    if (next == UINT64_MAX)
        timer_cancel(d, &s->deadline);
    else
        timer_arm(d, &s->deadline, next);
}

static int mc146818_realize(struct device *d, struct error *e)
{
    struct mc146818_state *s = d->state;

    (void)e;
    timer_register(d, &s->deadline, catch_up);
    return 0;
}

static void mc146818_reset(struct device *d)
{
    struct mc146818_state *s = d->state;
    uint64_t second = d->host.rtc_base + clock_now(d) / NS, day = second / DAY;

    s->REG[RA] = A_DV_RUN | 6;
    s->REG[RB] = B_24H;
    s->REG[RD] = D_VRT;
    s->SECONDS = clock_now(d) / NS;
    s->PERIODS = edges(s, clock_now(d));
    set_time(s, (unsigned)(second % DAY));
    set_date(s, (unsigned)(day % 36525));
    s->REG[WEEKDAY] = encode(s, (unsigned)((day + 6) % 7) + 1); /* 2000-01-01 was a Saturday */
}

static const struct region mc146818_regions[] = {
    { .name = "rtc", .space = BUS_PIO, .size = 2, .read = rtc_read, .write = rtc_write },
};

const struct device_ops mc146818_ops = {
    .name = "mc146818",
    .size = sizeof(struct device),
    .state = &mc146818_desc,
    .regions = mc146818_regions,
    .nregions = ARRAY_SIZE(mc146818_regions),
    .realize = mc146818_realize,
    .reset = mc146818_reset,
    .update = mc146818_update,
};
