/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the simulator's real time clock. */
#include "hw/sim/mc146818.h"

#include "tests/bench.h"

extern const struct device_ops mc146818_ops;

#define SECOND UINT64_C(1000000000)

/* Wednesday 2024-02-28, 23:59:50: 8824 days after the first of 2000. */
enum { BASE_DAYS = 8824, BASE_TIME = 86390 };

static const struct device_row board[] = { { .ops = &mc146818_ops,
                                             .base = { 0x70 },
                                             .isa_irq = { 8 },
                                             .host = { .rtc_base = BASE_DAYS * UINT64_C(86400) +
                                                                   BASE_TIME } } };
BENCH(board)

static uint8_t get(struct bench *b, unsigned index)
{
    bench_outb(b, 0x70, index);
    return bench_inb(b, 0x71);
}

static void put(struct bench *b, unsigned index, unsigned v)
{
    bench_outb(b, 0x70, index);
    bench_outb(b, 0x71, v);
}

static void expect_time(struct bench *b, unsigned hour, unsigned minute, unsigned second)
{
    EXPECT_EQ(get(b, 4), hour);
    EXPECT_EQ(get(b, 2), minute);
    EXPECT_EQ(get(b, 0), second);
}

static void expect_date(struct bench *b, unsigned weekday, unsigned day, unsigned month,
                        unsigned year)
{
    EXPECT_EQ(get(b, 6), weekday);
    EXPECT_EQ(get(b, 7), day);
    EXPECT_EQ(get(b, 8), month);
    EXPECT_EQ(get(b, 9), year);
}

TEST(mc146818, starts_at_the_time_of_the_board)
{
    expect_time(b, 0x23, 0x59, 0x50);
    expect_date(b, 4, 0x28, 0x02, 0x24);
    EXPECT_EQ(get(b, 10), 0x26);
    EXPECT_EQ(get(b, 11), 0x02);
    EXPECT_EQ(get(b, 13), 0x80);
}

TEST(mc146818, days_follow_the_calendar)
{
    bench_step(b, 10 * SECOND);
    expect_time(b, 0, 0, 0);
    expect_date(b, 5, 0x29, 0x02, 0x24);
    bench_step(b, 86400 * SECOND);
    expect_date(b, 6, 0x01, 0x03, 0x24);
    bench_step(b, (366 - 60) * 86400 * SECOND);
    expect_date(b, 4, 0x01, 0x01, 0x25);
    bench_step(b, UINT64_C(365) * 75 * 86400 * SECOND);
    EXPECT_EQ(get(b, 9), 0x99); /* 18 leap days short of 2100 */
    EXPECT_EQ(get(b, 8), 0x12);
}

TEST(mc146818, two_digits_of_the_year_wrap)
{
    put(b, 11, 0x82);
    put(b, 7, 0x31);
    put(b, 8, 0x12);
    put(b, 9, 0x99);
    put(b, 11, 0x02);
    bench_step(b, 10 * SECOND);
    EXPECT_EQ(get(b, 7), 1);
    EXPECT_EQ(get(b, 8), 1);
    EXPECT_EQ(get(b, 9), 0);
}

TEST(mc146818, binary_and_twelve_hours)
{
    put(b, 11, 0x86);
    put(b, 4, 23);
    put(b, 2, 59);
    put(b, 0, 58);
    put(b, 11, 0x06);
    bench_step(b, SECOND);
    expect_time(b, 23, 59, 59);
    put(b, 11, 0x80);
    put(b, 4, 0x91); /* 11 p.m. */
    put(b, 2, 0x59);
    put(b, 0, 0x59);
    put(b, 11, 0x00);
    bench_step(b, SECOND);
    expect_time(b, 0x12, 0, 0); /* midnight */
    bench_step(b, 12 * 3600 * SECOND);
    expect_time(b, 0x92, 0, 0); /* noon */
    bench_step(b, 3600 * SECOND);
    expect_time(b, 0x81, 0, 0);
}

TEST(mc146818, stands_while_it_is_set)
{
    put(b, 11, 0x92);
    EXPECT_EQ(get(b, 11), 0x82); /* no update interrupts from now on */
    bench_step(b, 5 * SECOND);
    expect_time(b, 0x23, 0x59, 0x50);
    put(b, 11, 0x02);
    expect_time(b, 0x23, 0x59, 0x50);
    bench_step(b, SECOND);
    expect_time(b, 0x23, 0x59, 0x51);
}

TEST(mc146818, first_update_half_a_second_after_the_divider_was_let_go)
{
    put(b, 10, 0x70);
    bench_step(b, 7 * SECOND);
    expect_time(b, 0x23, 0x59, 0x50);
    put(b, 10, 0x20);
    bench_step(b, SECOND / 2 - 1);
    expect_time(b, 0x23, 0x59, 0x50);
    bench_step(b, 1);
    expect_time(b, 0x23, 0x59, 0x51);
}

TEST(mc146818, says_when_an_update_is_near)
{
    bench_step(b, SECOND - 244001);
    EXPECT_EQ(get(b, 10), 0x26);
    bench_step(b, 1);
    EXPECT_EQ(get(b, 10), 0xa6);
    bench_step(b, 244000);
    EXPECT_EQ(get(b, 10), 0x26);
}

TEST(mc146818, update_interrupt)
{
    get(b, 12);
    put(b, 11, 0x12);
    bench_step(b, SECOND - 1);
    EXPECT_TRUE(!bench_isa_level(b, 8));
    bench_step(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
    EXPECT_EQ(get(b, 12) & 0xb0, 0x90);
    EXPECT_TRUE(!bench_isa_level(b, 8));
    EXPECT_EQ(get(b, 12), 0);
    bench_step(b, SECOND);
    EXPECT_EQ(bench_isa_edges(b, 8), 3);
}

TEST(mc146818, flags_are_set_without_interrupts)
{
    get(b, 12);
    bench_step(b, SECOND);
    EXPECT_EQ(get(b, 12), 0x50); /* update and periodic, and no request */
    EXPECT_EQ(machine_deadline(b->m), UINT64_MAX);
}

TEST(mc146818, alarm_at_a_time_of_day)
{
    put(b, 1, 0x02);
    put(b, 3, 0x00);
    put(b, 5, 0x00);
    put(b, 11, 0x22);
    bench_step(b, 12 * SECOND - 1);
    EXPECT_TRUE(!bench_isa_level(b, 8));
    bench_step(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
    EXPECT_EQ(get(b, 12) & 0xa0, 0xa0);
    bench_step(b, 86400 * SECOND - 1);
    EXPECT_TRUE(!bench_isa_level(b, 8));
    bench_step(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
}

TEST(mc146818, alarm_that_does_not_care)
{
    put(b, 1, 0xc0);
    put(b, 3, 0xff);
    put(b, 5, 0xc1);
    put(b, 11, 0x22);
    bench_step(b, SECOND);
    EXPECT_TRUE(bench_isa_level(b, 8));
    get(b, 12);
    bench_step(b, SECOND);
    EXPECT_TRUE(bench_isa_level(b, 8));
}

TEST(mc146818, periodic_interrupt)
{
    put(b, 10, 0x26); /* 1024 Hz */
    get(b, 12);
    put(b, 11, 0x42);
    bench_step(b, SECOND / 1024);
    EXPECT_TRUE(!bench_isa_level(b, 8));
    bench_step(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
    EXPECT_EQ(get(b, 12), 0xc0);
    bench_step(b, SECOND / 1024 + 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
    put(b, 10, 0x21); /* 256 Hz, as with rate 8 */
    get(b, 12);
    bench_step(b, SECOND / 256 + 1);
    EXPECT_TRUE(bench_isa_level(b, 8));
    put(b, 10, 0x20); /* off */
    get(b, 12);
    bench_step(b, SECOND / 2);
    EXPECT_TRUE(!bench_isa_level(b, 8));
}

TEST(mc146818, status_registers_keep_their_read_only_bits)
{
    put(b, 10, 0xff);
    EXPECT_EQ(get(b, 10), 0x7f);
    put(b, 12, 0xff);
    put(b, 13, 0x00);
    EXPECT_EQ(get(b, 12) & 0x0f, 0);
    EXPECT_EQ(get(b, 13), 0x80);
}

TEST(mc146818, memory_behind_it_is_not_its_own)
{
    struct device *rtc = machine_find(b->m, "mc146818", 0);

    EXPECT_TRUE(mc146818_selected(rtc));
    put(b, 14, 0x12);
    EXPECT_TRUE(!mc146818_selected(rtc));
    EXPECT_EQ(get(b, 14), 0xff);
    bench_outb(b, 0x70, 0x8d);
    EXPECT_TRUE(mc146818_selected(rtc));
    EXPECT_EQ(bench_inb(b, 0x70), 0xff);
}

TEST(mc146818, nonsense_in_the_registers_does_no_harm)
{
    for (unsigned i = 0; i < 10; i++)
        put(b, i, 0xff);
    bench_step(b, 100 * 86400 * SECOND);
    EXPECT_TRUE(get(b, 8) >= 1 && get(b, 8) <= 0x12);
}

TEST(mc146818, goes_on_after_save_and_load)
{
    put(b, 11, 0x12);
    bench_step(b, SECOND / 2);
    bench_save_and_load(b);
    bench_step(b, SECOND / 2);
    EXPECT_TRUE(bench_isa_level(b, 8));
    expect_time(b, 0x23, 0x59, 0x51);
}
