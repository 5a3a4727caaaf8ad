/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the simulator's interval timer. */
#include "tests/bench.h"

extern const struct device_ops i8254_ops;

static const struct device_row board[] = {
    { .ops = &i8254_ops, .base = { 0x40, 0x61 }, .isa_irq = { ISA_ZERO } }
};
BENCH(board)

#define HZ UINT64_C(1193182)

/* To the first nanosecond at which so many clocks are over. */
static void clocks(struct bench *b, uint64_t n)
{
    uint64_t now = b->hv->ops->now(b->hv), tick = now / 1000000000 * HZ;

    tick += now % 1000000000 * HZ / 1000000000 + n;
    bench_step(b, tick / HZ * 1000000000 + (tick % HZ * 1000000000 + HZ - 1) / HZ - now);
}

static void program(struct bench *b, unsigned n, unsigned mode, unsigned count)
{
    bench_outb(b, 0x43, n << 6 | 0x30 | mode << 1);
    bench_outb(b, 0x40 + n, count & 0xff);
    bench_outb(b, 0x40 + n, count >> 8);
}

static unsigned latch(struct bench *b, unsigned n)
{
    unsigned low;

    bench_outb(b, 0x43, n << 6);
    low = bench_inb(b, 0x40 + n);
    return low | (unsigned)bench_inb(b, 0x40 + n) << 8;
}

static bool out2(struct bench *b)
{
    return bench_inb(b, 0x61) & 0x20;
}

TEST(i8254, does_nothing_before_it_was_programmed)
{
    EXPECT_EQ(machine_deadline(b->m), UINT64_MAX);
    EXPECT_TRUE(!bench_isa_level(b, 0));
}

TEST(i8254, mode_0_rises_when_the_count_is_over)
{
    program(b, 0, 0, 1000);
    clocks(b, 999);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    EXPECT_EQ(latch(b, 0), 1);
    clocks(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_EQ(latch(b, 0), 0xffff);
    EXPECT_TRUE(bench_isa_level(b, 0));
    bench_outb(b, 0x40, 5); /* the first byte stops it */
    EXPECT_TRUE(!bench_isa_level(b, 0));
    bench_outb(b, 0x40, 0);
    clocks(b, 5);
    EXPECT_TRUE(bench_isa_level(b, 0));
}

TEST(i8254, mode_2_pulses_once_in_each_period)
{
    program(b, 0, 2, 100);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 98);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 0));
    EXPECT_EQ(latch(b, 0), 100);
    clocks(b, 1000);
    EXPECT_EQ(bench_isa_edges(b, 0), 1 + 2 * 11);
}

TEST(i8254, mode_3_is_a_square_wave)
{
    program(b, 0, 3, 0); /* 65536 */
    clocks(b, 32767);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    EXPECT_EQ(latch(b, 0), 0);
    clocks(b, 1);
    EXPECT_EQ(latch(b, 0), 0xfffe);
    clocks(b, 32767);
    EXPECT_TRUE(bench_isa_level(b, 0));
}

TEST(i8254, mode_3_is_high_for_one_clock_more_with_an_odd_count)
{
    program(b, 0, 3, 5);
    clocks(b, 2);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    clocks(b, 2);
    EXPECT_TRUE(bench_isa_level(b, 0));
}

TEST(i8254, a_new_count_begins_with_the_next_period)
{
    program(b, 0, 2, 100);
    clocks(b, 50);
    bench_outb(b, 0x40, 10);
    bench_outb(b, 0x40, 0);
    clocks(b, 50);
    EXPECT_EQ(latch(b, 0), 10);
    clocks(b, 9);
    EXPECT_TRUE(!bench_isa_level(b, 0));
}

TEST(i8254, a_new_count_in_mode_3_begins_with_the_next_half)
{
    program(b, 0, 3, 100);
    clocks(b, 20);
    bench_outb(b, 0x40, 20);
    bench_outb(b, 0x40, 0);
    clocks(b, 30);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    clocks(b, 10); /* the low half has the new length */
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 10);
    EXPECT_TRUE(!bench_isa_level(b, 0));
}

TEST(i8254, mode_4_strobes_once)
{
    program(b, 0, 4, 7);
    clocks(b, 6);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    clocks(b, 1);
    EXPECT_TRUE(bench_isa_level(b, 0));
    clocks(b, 70000);
    EXPECT_EQ(bench_isa_edges(b, 0), 3);
}

TEST(i8254, the_gate_stops_counter_2)
{
    bench_outb(b, 0x61, 1);
    program(b, 2, 0, 100);
    clocks(b, 40);
    bench_outb(b, 0x61, 0);
    clocks(b, 1000);
    EXPECT_EQ(latch(b, 2), 60);
    bench_outb(b, 0x61, 1);
    clocks(b, 59);
    EXPECT_TRUE(!out2(b));
    clocks(b, 1);
    EXPECT_TRUE(out2(b));
}

TEST(i8254, the_gate_triggers_a_one_shot)
{
    program(b, 2, 1, 50);
    clocks(b, 100);
    EXPECT_TRUE(out2(b));
    bench_outb(b, 0x61, 1);
    EXPECT_TRUE(!out2(b));
    clocks(b, 30);
    bench_outb(b, 0x61, 0);
    bench_outb(b, 0x61, 1); /* again, from the beginning */
    clocks(b, 49);
    EXPECT_TRUE(!out2(b));
    clocks(b, 1);
    EXPECT_TRUE(out2(b));
}

TEST(i8254, the_gate_triggers_a_strobe)
{
    program(b, 2, 5, 50);
    bench_outb(b, 0x61, 1);
    clocks(b, 49);
    EXPECT_TRUE(out2(b));
    clocks(b, 1);
    EXPECT_TRUE(!out2(b));
    clocks(b, 1);
    EXPECT_TRUE(out2(b));
}

TEST(i8254, the_gate_restarts_a_periodic_counter)
{
    bench_outb(b, 0x61, 1);
    program(b, 2, 2, 100);
    clocks(b, 30);
    bench_outb(b, 0x61, 0);
    EXPECT_TRUE(out2(b));
    clocks(b, 500);
    EXPECT_TRUE(out2(b));
    bench_outb(b, 0x61, 1);
    EXPECT_EQ(latch(b, 2), 100);
}

TEST(i8254, counts_in_decimal)
{
    bench_outb(b, 0x43, 0x31); /* mode 0, BCD */
    bench_outb(b, 0x40, 0x00);
    bench_outb(b, 0x40, 0x12); /* 1200 */
    clocks(b, 201);
    EXPECT_EQ(latch(b, 0), 0x0999);
    clocks(b, 1000);
    EXPECT_EQ(latch(b, 0), 0x9999);
}

TEST(i8254, one_byte_is_enough_if_it_was_said_so)
{
    bench_outb(b, 0x43, 0x10); /* low byte, mode 0 */
    bench_outb(b, 0x40, 200);
    clocks(b, 100);
    EXPECT_EQ(bench_inb(b, 0x40), 100);
    EXPECT_EQ(bench_inb(b, 0x40), 100);
    bench_outb(b, 0x43, 0x20); /* high byte */
    bench_outb(b, 0x40, 3);
    clocks(b, 0x100);
    EXPECT_EQ(bench_inb(b, 0x40), 2);
}

TEST(i8254, what_is_latched_stays_until_it_is_read)
{
    program(b, 0, 0, 1000);
    clocks(b, 10);
    bench_outb(b, 0x43, 0x00);
    clocks(b, 10);
    bench_outb(b, 0x43, 0x00); /* ignored */
    EXPECT_EQ(bench_inb(b, 0x40), 990 & 0xff);
    clocks(b, 10);
    EXPECT_EQ(bench_inb(b, 0x40), 990 >> 8);
    EXPECT_EQ(bench_inb(b, 0x40), 970 & 0xff);
    EXPECT_EQ(bench_inb(b, 0x40), 970 >> 8);
}

TEST(i8254, read_back_gives_status_and_count)
{
    program(b, 0, 2, 1000);
    bench_outb(b, 0x43, 0x36 + 0x40); /* counter 1, mode 3, no count yet */
    clocks(b, 1);
    bench_outb(b, 0x43, 0xc6); /* status and count of 0 and 1 */
    EXPECT_EQ(bench_inb(b, 0x40), 0xb4);
    EXPECT_EQ(bench_inb(b, 0x40), 999 & 0xff);
    EXPECT_EQ(bench_inb(b, 0x40), 999 >> 8);
    EXPECT_EQ(bench_inb(b, 0x41), 0xf6); /* null count */
    bench_outb(b, 0x43, 0xe2);           /* status only */
    EXPECT_EQ(bench_inb(b, 0x40), 0xb4);
}

TEST(i8254, the_control_word_is_write_only)
{
    EXPECT_EQ(bench_inb(b, 0x43), 0xff);
}

TEST(i8254, refresh_toggles)
{
    unsigned before = bench_inb(b, 0x61) & 0x10;

    bench_step(b, 15085);
    EXPECT_TRUE((bench_inb(b, 0x61) & 0x10) != before);
    bench_outb(b, 0x61, 0xff);
    EXPECT_EQ(bench_inb(b, 0x61) & 0xcf, 0x0f);
}

TEST(i8254, goes_on_after_save_and_load)
{
    program(b, 0, 2, 100);
    clocks(b, 30);
    bench_save_and_load(b);
    clocks(b, 69);
    EXPECT_TRUE(!bench_isa_level(b, 0));
    EXPECT_EQ(latch(b, 0), 1);
}
