/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of XenServer's PV device. */
#include "tests/bench.h"

extern const struct device_ops xen_pvdevice_ops;

enum { DEVFN = 4 << 3 };
#define BAR1 0xf2000000u

BENCH_SETUP
{
    static const struct device_row rows[] = { { .ops = &xen_pvdevice_ops, .devfn = DEVFN } };
    struct bench *b = bench_new(rows, 1);

    bench_cfg_write(b, DEVFN, 0x14, 4, BAR1);
    bench_cfg_write(b, DEVFN, 0x04, 2, 2);
    return b;
}

TEST(xen_pvdevice, is_what_windows_update_knows)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0xc0005853);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x08, 4), 0x08800001);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x2c, 4), 0xc0005853);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3d, 1), 1);
}

TEST(xen_pvdevice, has_one_bar)
{
    for (unsigned reg = 0x10; reg < 0x28; reg += 4)
        bench_cfg_write(b, DEVFN, reg, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x10, 4), 0);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x14, 4), 0xffc00008); /* 4 MiB, prefetchable */
    for (unsigned reg = 0x18; reg < 0x28; reg += 4)
        EXPECT_EQ(bench_cfg_read(b, DEVFN, reg, 4), 0);
    bench_cfg_write(b, DEVFN, 0x30, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x30, 4), 0);
}

TEST(xen_pvdevice, reads_ones_and_keeps_nothing)
{
    static const uint32_t at[] = { 0, 4, 0x1000, (4u << 20) - 8 };

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        bench_write(b, BAR1 + at[i], 8, 0x1234567812345678);
        EXPECT_EQ(bench_read(b, BAR1 + at[i], 8), UINT64_MAX);
        EXPECT_EQ(bench_read(b, BAR1 + at[i], 4), 0xffffffff);
        EXPECT_EQ(bench_read(b, BAR1 + at[i], 2), 0xffff);
        EXPECT_EQ(bench_read(b, BAR1 + at[i], 1), 0xff);
    }
}
