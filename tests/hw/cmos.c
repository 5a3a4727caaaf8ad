/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the CMOS memory. */
#include "tests/bench.h"

extern const struct device_ops cmos_ops;

static uint8_t preset[128];

BENCH_SETUP
{
    static const struct device_row row = { .ops = &cmos_ops,
                                           .base = { 0x70 },
                                           .host = { .nvram = preset } };

    for (unsigned i = 0; i < sizeof preset; i++)
        preset[i] = (uint8_t)(i ^ 0x5a);
    return bench_new(&row, 1);
}

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

TEST(cmos, shows_what_the_machine_preset)
{
    for (unsigned i = 14; i < 128; i++)
        EXPECT_EQ(get(b, i), i ^ 0x5a);
}

TEST(cmos, every_byte_from_14_up_is_storage)
{
    for (unsigned i = 14; i < 128; i++)
        put(b, i, 255 - i);
    for (unsigned i = 14; i < 128; i++)
        EXPECT_EQ(get(b, i), 255 - i);
}

TEST(cmos, clock_registers_are_not_ours)
{
    for (unsigned i = 0; i < 14; i++) {
        put(b, i, 0x12);
        EXPECT_EQ(get(b, i), 0xff);
    }
}

TEST(cmos, bit_7_of_the_index_is_the_nmi_mask)
{
    EXPECT_EQ(get(b, 0x80 | 0x3d), 0x3d ^ 0x5a);
    EXPECT_EQ(get(b, 0xff), 0x7f ^ 0x5a);
}

TEST(cmos, index_is_write_only)
{
    bench_outb(b, 0x70, 0x20);
    EXPECT_EQ(bench_inb(b, 0x70), 0xff);
    EXPECT_EQ(bench_inw(b, 0x70), ((0x20 ^ 0x5a) << 8) | 0xff);
}

TEST(cmos, a_word_write_is_index_then_data)
{
    bench_outw(b, 0x70, 0x7734);
    EXPECT_EQ(get(b, 0x34), 0x77);
}

TEST(cmos, index_and_bytes_survive_save_and_load)
{
    put(b, 0x15, 0x80);
    bench_outb(b, 0x70, 0x15);
    bench_save_and_load(b);
    EXPECT_EQ(bench_inb(b, 0x71), 0x80);
}

static uint64_t vcpu_port(struct bench *b, uint16_t vcpu, unsigned port, bool read, uint8_t value)
{
    struct request r = { .type = REQ_PIO,
                         .addr = port,
                         .size = 1,
                         .count = 1,
                         .read = read,
                         .data = value,
                         .vcpu = vcpu };

    return bench_request(b, &r);
}

/* Two vCPUs drive the pair between each other: each access counts alone, by the latest index. */
TEST(cmos, xsa503_index_and_data_interleaved)
{
    static const uint8_t orders[][4] = { { 0, 0, 1, 1 }, { 0, 1, 0, 1 }, { 0, 1, 1, 0 },
                                         { 1, 0, 0, 1 }, { 1, 0, 1, 0 }, { 1, 1, 0, 0 } };
    static const uint8_t index[2] = { 0x0f, 0x7f };

    for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
        unsigned step[2] = { 0, 0 }, latest = 0;

        for (unsigned k = 0; k < 4; k++) {
            uint8_t cpu = orders[i][k];

            if (step[cpu]++ == 0) {
                vcpu_port(b, cpu, 0x70, false, index[cpu]);
                latest = index[cpu];
            } else {
                EXPECT_EQ(vcpu_port(b, cpu, 0x71, true, 0), latest ^ 0x5a);
            }
        }
    }
}
