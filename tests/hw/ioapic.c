/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the simulator's I/O APIC. */
#include "hw/sim/ioapic.h"

#include "tests/bench.h"

extern const struct device_ops ioapic_ops;

enum { BASE = 0xfec00000, LEVEL = 0x8000, MASKED = 0x10000, IRR = 0x4000 };

static const struct device_row board[] = { { .ops = &ioapic_ops, .base = { BASE } } };
BENCH(board)

static struct device *apic(struct bench *b)
{
    return machine_find(b->m, "ioapic", 0);
}

static uint32_t get(struct bench *b, unsigned reg)
{
    bench_write(b, BASE, 4, reg);
    return (uint32_t)bench_read(b, BASE + 0x10, 4);
}

static void put(struct bench *b, unsigned reg, uint32_t v)
{
    bench_write(b, BASE, 4, reg);
    bench_write(b, BASE + 0x10, 4, v);
}

TEST(ioapic, identity)
{
    EXPECT_EQ(get(b, 1), 0x00170011);
    put(b, 0, 0xffffffff);
    EXPECT_EQ(get(b, 0), 0x0f000000);
    EXPECT_EQ(get(b, 2), 0x0f000000);
    EXPECT_EQ(bench_read(b, BASE, 4), 2);
}

TEST(ioapic, entries_are_masked_at_first_and_have_read_only_bits)
{
    for (unsigned i = 0; i < 24; i++) {
        EXPECT_EQ(get(b, 0x10 + 2 * i), MASKED);
        put(b, 0x10 + 2 * i, 0xffffffff);
        put(b, 0x11 + 2 * i, 0xffffffff);
        EXPECT_EQ(get(b, 0x10 + 2 * i), 0x0001afff);
        EXPECT_EQ(get(b, 0x11 + 2 * i), 0xff000000);
    }
    EXPECT_EQ(get(b, 0x40), 0);
    EXPECT_EQ(get(b, 0xff), 0);
}

TEST(ioapic, an_edge_is_one_message)
{
    put(b, 0x10 + 2 * 4, 0x34);
    ioapic_input(apic(b), 4, true);
    ioapic_input(apic(b), 4, true);
    EXPECT_EQ(ioapic_sent(apic(b), 4), 1);
    ioapic_input(apic(b), 4, false);
    ioapic_input(apic(b), 4, true);
    EXPECT_EQ(ioapic_sent(apic(b), 4), 2);
}

TEST(ioapic, an_edge_under_the_mask_is_lost)
{
    ioapic_input(apic(b), 4, true);
    put(b, 0x10 + 2 * 4, 0x34);
    EXPECT_EQ(ioapic_sent(apic(b), 4), 0);
}

TEST(ioapic, a_level_asks_until_it_was_handled_and_again_while_it_is_there)
{
    ioapic_input(apic(b), 11, true);
    put(b, 0x10 + 2 * 11, LEVEL | 0x51);
    EXPECT_EQ(ioapic_sent(apic(b), 11), 1);
    EXPECT_EQ(get(b, 0x10 + 2 * 11), LEVEL | IRR | 0x51);
    ioapic_eoi(apic(b), 0x50);
    EXPECT_EQ(ioapic_sent(apic(b), 11), 1);
    ioapic_eoi(apic(b), 0x51);
    EXPECT_EQ(ioapic_sent(apic(b), 11), 2);
    ioapic_input(apic(b), 11, false);
    ioapic_eoi(apic(b), 0x51);
    EXPECT_EQ(ioapic_sent(apic(b), 11), 2);
    EXPECT_EQ(get(b, 0x10 + 2 * 11), LEVEL | 0x51);
}

TEST(ioapic, there_are_24_pins)
{
    ioapic_input(apic(b), 24, true);
    ioapic_input(apic(b), 4000, true);
    EXPECT_EQ(ioapic_sent(apic(b), 24), 0);
}

TEST(ioapic, bytes_of_a_register_can_be_read_and_write_nothing)
{
    bench_write(b, BASE, 4, 1);
    EXPECT_EQ(bench_read(b, BASE + 0x12, 1), 0x17);
    put(b, 0, 0x05000000);
    bench_write(b, BASE + 0x13, 1, 0x0a);
    EXPECT_EQ(get(b, 0), 0x05000000);
}

TEST(ioapic, survives_save_and_load)
{
    put(b, 0x10 + 2 * 9, LEVEL | 0x30);
    ioapic_input(apic(b), 9, true);
    bench_save_and_load(b);
    EXPECT_EQ(get(b, 0x10 + 2 * 9), LEVEL | IRR | 0x30);
    ioapic_eoi(apic(b), 0x30);
    EXPECT_EQ(ioapic_sent(apic(b), 9), 2);
}
