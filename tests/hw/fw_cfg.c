/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the test board's firmware configuration ports. */
#include "tests/bench.h"

extern const struct device_ops fw_cfg_ops;

static const uint8_t items[] = {
    0x00, 0x00, 4, 0, 0, 0, 'Q', 'E', 'M', 'U',             /* 0000h */
    0x03, 0x00, 8, 0, 0, 0, 0,   0,   0,   8,   0, 0, 0, 0, /* 0003h: 128 MiB */
    0x19, 0x00, 9, 0, 0, 0, 1,                              /* 0019h says more than there is */
};

static const struct device_row board[] = {
    { .ops = &fw_cfg_ops, .base = { 0x510 }, .host = { .rom = items, .rom_size = sizeof items } }
};
BENCH(board)

TEST(fw_cfg, items_are_read_byte_by_byte)
{
    bench_outw(b, 0x510, 0);
    EXPECT_EQ(bench_inb(b, 0x511), 'Q');
    EXPECT_EQ(bench_inb(b, 0x511), 'E');
    bench_outw(b, 0x510, 3);
    for (unsigned i = 0; i < 8; i++)
        EXPECT_EQ(bench_inb(b, 0x511), i == 3 ? 8 : 0);
    EXPECT_EQ(bench_inb(b, 0x511), 0);
    bench_outw(b, 0x510, 0);
    EXPECT_EQ(bench_inb(b, 0x511), 'Q'); /* from the beginning again */
}

TEST(fw_cfg, what_is_not_there_reads_zeroes)
{
    bench_outw(b, 0x510, 0x19);
    EXPECT_EQ(bench_inb(b, 0x511), 0);
    bench_outw(b, 0x510, 0xffff);
    EXPECT_EQ(bench_inb(b, 0x511), 0);
}

TEST(fw_cfg, only_a_word_selects)
{
    bench_outw(b, 0x510, 3);
    bench_outb(b, 0x510, 0);
    bench_outb(b, 0x511, 0);
    EXPECT_EQ(bench_inb(b, 0x511), 0);
    EXPECT_EQ(bench_inb(b, 0x510), 0);
}

TEST(fw_cfg, goes_on_after_save_and_load)
{
    bench_outw(b, 0x510, 0);
    bench_inb(b, 0x511);
    bench_save_and_load(b);
    EXPECT_EQ(bench_inb(b, 0x511), 'E');
}
