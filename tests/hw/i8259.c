/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the simulator's interrupt controllers. */
#include "hw/sim/i8259.h"

#include "tests/bench.h"

extern const struct device_ops i8259_ops;

static const struct device_row board[] = { { .ops = &i8259_ops, .base = { 0x20, 0xa0, 0x4d0 } } };
BENCH(board)

static struct device *pic(struct bench *b)
{
    return machine_find(b->m, "i8259", 0);
}

/* As a PC's firmware does it: vectors 08h and 70h, fully nested. */
static void initialize(struct bench *b, unsigned icw4)
{
    bench_outb(b, 0x20, 0x11);
    bench_outb(b, 0x21, 0x08);
    bench_outb(b, 0x21, 0x04);
    bench_outb(b, 0x21, icw4);
    bench_outb(b, 0xa0, 0x11);
    bench_outb(b, 0xa1, 0x70);
    bench_outb(b, 0xa1, 0x02);
    bench_outb(b, 0xa1, icw4);
}

TEST(i8259, an_edge_waits_until_it_is_acknowledged)
{
    initialize(b, 1);
    i8259_input(pic(b), 4, true);
    EXPECT_TRUE(i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x20), 0x10);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0c);
    EXPECT_TRUE(!i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x20), 0);
    bench_outb(b, 0x20, 0x0b);
    EXPECT_EQ(bench_inb(b, 0x20), 0x10);
    bench_outb(b, 0x20, 0x20);
    EXPECT_EQ(bench_inb(b, 0x20), 0);
    EXPECT_TRUE(!i8259_output(pic(b))); /* the line is high still: no new edge */
}

TEST(i8259, an_edge_that_goes_away_is_spurious)
{
    initialize(b, 1);
    i8259_input(pic(b), 3, true);
    i8259_input(pic(b), 3, false);
    EXPECT_TRUE(!i8259_output(pic(b)));
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0f);
    bench_outb(b, 0x20, 0x0b);
    EXPECT_EQ(bench_inb(b, 0x20), 0);
}

TEST(i8259, masks_hold_back_and_let_go)
{
    initialize(b, 1);
    bench_outb(b, 0x21, 0xff);
    i8259_input(pic(b), 1, true);
    EXPECT_TRUE(!i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x20), 0x02);
    bench_outb(b, 0x21, 0xfd);
    EXPECT_TRUE(i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x21), 0xfd);
}

TEST(i8259, the_slave_comes_through_the_cascade)
{
    initialize(b, 1);
    i8259_input(pic(b), 14, true);
    i8259_input(pic(b), 8, true);
    EXPECT_EQ(bench_inb(b, 0x20), 0x04);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x70); /* line 8 before 14 */
    EXPECT_TRUE(!i8259_output(pic(b)));
    bench_outb(b, 0xa0, 0x20);
    bench_outb(b, 0x20, 0x20);
    EXPECT_TRUE(i8259_output(pic(b)));
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x76);
}

TEST(i8259, what_is_in_service_blocks_what_comes_after_it)
{
    initialize(b, 1);
    i8259_input(pic(b), 3, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0b);
    i8259_input(pic(b), 4, true);
    EXPECT_TRUE(!i8259_output(pic(b)));
    i8259_input(pic(b), 0, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x08);
    bench_outb(b, 0x20, 0x63); /* specific, line 3: line 0 is still served */
    EXPECT_TRUE(!i8259_output(pic(b)));
    bench_outb(b, 0x20, 0x20);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0c);
}

TEST(i8259, special_mask_mode_lets_lower_ones_through)
{
    initialize(b, 1);
    i8259_input(pic(b), 1, true);
    i8259_acknowledge(pic(b));
    i8259_input(pic(b), 5, true);
    bench_outb(b, 0x21, 0x02);
    EXPECT_TRUE(!i8259_output(pic(b)));
    bench_outb(b, 0x20, 0x68);
    EXPECT_TRUE(i8259_output(pic(b)));
    bench_outb(b, 0x20, 0x48);
    EXPECT_TRUE(!i8259_output(pic(b)));
}

TEST(i8259, special_fully_nested_mode_asks_again_for_the_slave)
{
    initialize(b, 0x11);
    i8259_input(pic(b), 12, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x74);
    i8259_input(pic(b), 9, true);
    EXPECT_TRUE(i8259_output(pic(b)));
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x71);
}

TEST(i8259, automatic_end_of_interrupt_leaves_nothing_in_service)
{
    initialize(b, 3);
    bench_outb(b, 0x20, 0x80); /* rotate */
    i8259_input(pic(b), 5, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0d);
    bench_outb(b, 0x20, 0x0b);
    EXPECT_EQ(bench_inb(b, 0x20), 0);
    i8259_input(pic(b), 5, false);
    i8259_input(pic(b), 5, true);
    i8259_input(pic(b), 7, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0f); /* 5 is the lowest one now */
}

TEST(i8259, priority_can_be_set)
{
    initialize(b, 1);
    bench_outb(b, 0x20, 0xc3); /* 3 is the lowest, 4 the highest */
    i8259_input(pic(b), 0, true);
    i8259_input(pic(b), 4, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x0c);
    bench_outb(b, 0x20, 0xa0); /* done, and 4 becomes the lowest */
    i8259_input(pic(b), 4, false);
    i8259_input(pic(b), 4, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x08);
}

TEST(i8259, a_poll_is_an_acknowledge)
{
    initialize(b, 1);
    bench_outb(b, 0x20, 0x0c);
    EXPECT_EQ(bench_inb(b, 0x20), 0);
    i8259_input(pic(b), 6, true);
    bench_outb(b, 0x20, 0x0c);
    EXPECT_EQ(bench_inb(b, 0x20), 0x86);
    EXPECT_TRUE(!i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x20), 0);
}

TEST(i8259, level_lines_ask_as_long_as_they_are_high)
{
    initialize(b, 1);
    bench_outb(b, 0x4d1, 0x0a); /* 9 and 11 */
    EXPECT_EQ(bench_inb(b, 0x4d1), 0x0a);
    i8259_input(pic(b), 11, true);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x73);
    bench_outb(b, 0xa0, 0x20);
    bench_outb(b, 0x20, 0x20);
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x73);
    i8259_input(pic(b), 11, false);
    bench_outb(b, 0xa0, 0x20);
    bench_outb(b, 0x20, 0x20);
    EXPECT_TRUE(!i8259_output(pic(b)));
}

TEST(i8259, some_lines_can_only_have_edges)
{
    bench_outb(b, 0x4d0, 0xff);
    bench_outb(b, 0x4d1, 0xff);
    EXPECT_EQ(bench_inb(b, 0x4d0), 0xf8);
    EXPECT_EQ(bench_inb(b, 0x4d1), 0xde);
}

TEST(i8259, the_cascade_is_no_input)
{
    initialize(b, 1);
    i8259_input(pic(b), 2, true);
    i8259_input(pic(b), 16, true);
    EXPECT_TRUE(!i8259_output(pic(b)));
    EXPECT_EQ(bench_inb(b, 0x20), 0);
}

TEST(i8259, requests_survive_save_and_load)
{
    initialize(b, 1);
    i8259_input(pic(b), 10, true);
    bench_save_and_load(b);
    EXPECT_TRUE(i8259_output(pic(b)));
    EXPECT_EQ(i8259_acknowledge(pic(b)), 0x72);
}
