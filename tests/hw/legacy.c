/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the DMA controllers, page registers, port 92h and debug ports. */
#include "tests/bench.h"

extern const struct device_ops legacy_ops;

BENCH_SETUP
{
    struct device_row row = { .ops = &legacy_ops,
                              .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9, 0x402 } };

    row.host.chr = bench_chardev_new(1000);
    return bench_new(&row, 1);
}

static struct chardev *debug(struct bench *b)
{
    return b->rows[0].host.chr;
}

TEST(legacy, byte_pointer_alternates)
{
    bench_outb(b, 0x0c, 0);
    bench_outb(b, 0x02, 0x34);
    bench_outb(b, 0x02, 0x12);
    EXPECT_EQ(bench_inb(b, 0x02), 0x34);
    bench_outb(b, 0x0c, 0); /* clear byte pointer: low byte again */
    EXPECT_EQ(bench_inb(b, 0x02), 0x34);
    EXPECT_EQ(bench_inb(b, 0x02), 0x12);
}

TEST(legacy, each_channel_has_address_and_count)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned port = i;

        bench_outb(b, port, 0x10 + i);
        bench_outb(b, port, 0x20 + i);
        bench_outb(b, 0xc0 + 2 * i, 0x30 + i);
        bench_outb(b, 0xc0 + 2 * i, 0x40 + i);
    }
    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(bench_inb(b, i), 0x10 + i);
        EXPECT_EQ(bench_inb(b, i), 0x20 + i);
        EXPECT_EQ(bench_inb(b, 0xc0 + 2 * i), 0x30 + i);
        EXPECT_EQ(bench_inb(b, 0xc0 + 2 * i), 0x40 + i);
    }
}

TEST(legacy, byte_pointer_survives_save_and_load)
{
    bench_outb(b, 0x00, 0xcd);
    bench_save_and_load(b);
    bench_outb(b, 0x00, 0xab);
    EXPECT_EQ(bench_inb(b, 0x00), 0xcd);
    EXPECT_EQ(bench_inb(b, 0x00), 0xab);
}

TEST(legacy, masks_are_set_cleared_and_read)
{
    EXPECT_EQ(bench_inb(b, 0x0f), 0xf); /* all masked after reset */
    bench_outb(b, 0x0a, 0x02);          /* unmask channel 2 */
    EXPECT_EQ(bench_inb(b, 0x0f), 0xb);
    bench_outb(b, 0x0a, 0x06);
    EXPECT_EQ(bench_inb(b, 0x0f), 0xf);
    bench_outb(b, 0x0e, 0);
    EXPECT_EQ(bench_inb(b, 0x0f), 0);
    bench_outb(b, 0x0f, 0xf5);
    EXPECT_EQ(bench_inb(b, 0x0f), 5);
    EXPECT_EQ(bench_inb(b, 0xde), 0xf); /* the other controller's */
}

TEST(legacy, requests_show_in_the_status_until_master_clear)
{
    bench_outb(b, 0xd2, 0x05);
    EXPECT_EQ(bench_inb(b, 0xd0), 0x20);
    EXPECT_EQ(bench_inb(b, 0x08), 0);
    bench_outb(b, 0xde, 0);
    bench_outb(b, 0xda, 0);
    EXPECT_EQ(bench_inb(b, 0xd0), 0);
    EXPECT_EQ(bench_inb(b, 0xde), 0xf);
}

TEST(legacy, odd_ports_of_the_second_controller_are_empty)
{
    bench_outb(b, 0xc1, 0x55);
    EXPECT_EQ(bench_inb(b, 0xc1), 0xff);
    EXPECT_EQ(bench_inb(b, 0xc0), 0);
}

TEST(legacy, page_registers_are_storage)
{
    for (unsigned i = 0; i < 16; i++) {
        bench_outb(b, 0x80 + i, i * 3);
        bench_outb(b, 0x480 + i, i * 5);
    }
    for (unsigned i = 0; i < 16; i++) {
        EXPECT_EQ(bench_inb(b, 0x80 + i), i * 3);
        EXPECT_EQ(bench_inb(b, 0x480 + i), i * 5);
    }
    EXPECT_EQ(bench_inl(b, 0x80), 0x09060300); /* wider accesses are bytes */
}

TEST(legacy, port_92_resets_on_the_rising_edge)
{
    bench_outb(b, 0x92, 0xfe);
    EXPECT_EQ(bench_inb(b, 0x92), 0x02); /* A20 only */
    EXPECT_EQ(b->nrequested, 0);
    bench_outb(b, 0x92, 0x03);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_RESET);
    bench_outb(b, 0x92, 0x01);
    EXPECT_EQ(b->nrequested, 1);
    bench_outb(b, 0x92, 0x00);
    bench_outb(b, 0x92, 0x01);
    EXPECT_EQ(b->nrequested, 2);
}

TEST(legacy, debug_ports_say_that_they_are_there)
{
    EXPECT_EQ(bench_inb(b, 0xe9), 0xe9);
    EXPECT_EQ(bench_inb(b, 0x402), 0xe9);
}

TEST(legacy, debug_port_writes_to_its_stream_and_loses_what_is_too_much)
{
    uint8_t bytes[4] = { 0 };

    bench_outb(b, 0x402, 'h');
    bench_outb(b, 0x402, 'i');
    EXPECT_EQ(bench_chardev_take(debug(b), bytes, sizeof bytes), 2);
    assert_memory_equal(bytes, "hi", 2);
    for (unsigned i = 0; i < 2000; i++)
        bench_outb(b, 0x402, 'x');
    EXPECT_EQ(machine_find(b->m, "legacy", 0)->stats.refused, 1000);
}
