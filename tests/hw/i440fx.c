/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the host bridge. */
#include "tests/bench.h"

extern const struct device_ops i440fx_ops;

static const struct device_row board[] = { { .ops = &i440fx_ops, .devfn = 0 } };
BENCH(board)

TEST(i440fx, is_the_bridge_that_firmware_looks_for)
{
    EXPECT_EQ(bench_cfg_read(b, 0, 0x00, 4), 0x12378086);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x08, 4), 0x06000002);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x0e, 1), 0);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x2c, 4), 0x11001af4); /* SeaBIOS: "this is a virtual PC" */
}

TEST(i440fx, identity_is_read_only)
{
    bench_cfg_write(b, 0, 0x00, 4, 0xffffffff);
    bench_cfg_write(b, 0, 0x08, 4, 0xffffffff);
    bench_cfg_write(b, 0, 0x2c, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x00, 4), 0x12378086);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x08, 4), 0x06000002);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x2c, 4), 0x11001af4);
}

TEST(i440fx, pam_is_storage_with_masks)
{
    bench_cfg_write(b, 0, 0x58, 4, 0xffffffff);
    bench_cfg_write(b, 0, 0x5c, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x58, 4),
              0x33333000); /* PAM0 is 59h: its low half is reserved */
    EXPECT_EQ(bench_cfg_read(b, 0, 0x5c, 4), 0x33333333);
    bench_save_and_load(b);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x5a, 2), 0x3333);
}

TEST(i440fx, smram_has_its_reset_value_and_fixed_base)
{
    EXPECT_EQ(bench_cfg_read(b, 0, 0x72, 1), 0x02);
    bench_cfg_write(b, 0, 0x72, 1, 0xff);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x72, 1), 0x7a);
}

TEST(i440fx, has_no_bars)
{
    for (unsigned reg = 0x10; reg < 0x28; reg += 4) {
        bench_cfg_write(b, 0, reg, 4, 0xffffffff);
        EXPECT_EQ(bench_cfg_read(b, 0, reg, 4), 0);
    }
    bench_cfg_write(b, 0, 0x30, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, 0, 0x30, 4), 0);
}
