/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the PCI-to-ISA bridge. */
#include "tests/bench.h"

extern const struct device_ops piix3_ops;

enum { DEVFN = 1 << 3, PIRQRC = 0x60 };

static const struct device_row board[] = { { .ops = &piix3_ops, .devfn = DEVFN } };
BENCH(board)

TEST(piix3, is_what_hvmloader_insists_on)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x70008086);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x08, 4), 0x06010000);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x0e, 1), 0x80); /* multifunction */
}

TEST(piix3, links_are_not_routed_after_reset)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PIRQRC, 4), 0x80808080);
    for (unsigned i = 0; i < 4; i++)
        EXPECT_EQ(sim_link(b->hv, i), 0);
}

TEST(piix3, hvmloader_routes_the_links)
{
    static const uint8_t irq[4] = { 5, 10, 11, 5 };

    for (unsigned i = 0; i < 4; i++)
        bench_cfg_write(b, DEVFN, PIRQRC + i, 1, irq[i]);
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQ(sim_link(b->hv, i), irq[i]);
        EXPECT_EQ(bench_cfg_read(b, DEVFN, PIRQRC + i, 1), irq[i]);
    }
}

TEST(piix3, wide_writes_route_all_links_they_cover)
{
    bench_cfg_write(b, DEVFN, PIRQRC, 4, 0x0b0a0509);
    EXPECT_EQ(sim_link(b->hv, 0), 9);
    EXPECT_EQ(sim_link(b->hv, 1), 5);
    EXPECT_EQ(sim_link(b->hv, 2), 10);
    EXPECT_EQ(sim_link(b->hv, 3), 11);
    bench_cfg_write(b, DEVFN, PIRQRC + 2, 2, 0x0680);
    EXPECT_EQ(sim_link(b->hv, 2), 0);
    EXPECT_EQ(sim_link(b->hv, 3), 6);
}

TEST(piix3, bit_7_takes_the_route_away)
{
    bench_cfg_write(b, DEVFN, PIRQRC, 1, 0x0b);
    EXPECT_EQ(sim_link(b->hv, 0), 11);
    bench_cfg_write(b, DEVFN, PIRQRC, 1, 0x8b);
    EXPECT_EQ(sim_link(b->hv, 0), 0);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PIRQRC, 1), 0x8b);
    bench_cfg_write(b, DEVFN, PIRQRC, 1, 0x7f); /* reserved bits */
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PIRQRC, 1), 0x0f);
}

TEST(piix3, routes_come_back_after_load_and_go_at_reset)
{
    bench_cfg_write(b, DEVFN, PIRQRC, 4, 0x050b0a05);
    b->hv->ops->link_route(b->hv, 1, 0); /* another host: nothing is routed yet */
    bench_save_and_load(b);
    EXPECT_EQ(sim_link(b->hv, 1), 10);
    machine_reset(b->m);
    for (unsigned i = 0; i < 4; i++)
        EXPECT_EQ(sim_link(b->hv, i), 0);
}

TEST(piix3, other_registers_have_their_reset_values_and_masks)
{
    static const struct {
        uint8_t reg, width;
        uint32_t reset, all;
    } regs[] = {
        { 0x4c, 1, 0x4d, 0x7f }, { 0x4e, 2, 0x0003, 0x01ff }, { 0x69, 1, 0x02, 0xff },
        { 0x70, 1, 0x80, 0xef }, { 0x76, 1, 0x0c, 0x8f },     { 0x78, 2, 0x0002, 0xffff },
        { 0xa0, 1, 0x08, 0x1f }, { 0xa8, 1, 0x0f, 0xff },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        EXPECT_EQ(bench_cfg_read(b, DEVFN, regs[i].reg, regs[i].width), regs[i].reset);
        bench_cfg_write(b, DEVFN, regs[i].reg, regs[i].width, 0xffffffff);
        EXPECT_EQ(bench_cfg_read(b, DEVFN, regs[i].reg, regs[i].width), regs[i].all);
    }
}
