/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of configuration mechanism 1 and the reset control register. */
#include "tests/bench.h"

extern const struct device_ops pciconf_ops, i440fx_ops, piix3_ops;

static const struct device_row board[] = {
    { .ops = &pciconf_ops, .base = { 0xcf8 } },
    { .ops = &i440fx_ops, .devfn = 0 },
    { .ops = &piix3_ops, .devfn = 1 << 3 },
};
BENCH(board)

enum { CONFADD = 0xcf8, RC = 0xcf9, CONFDATA = 0xcfc };

TEST(pciconf, confadd_keeps_its_defined_bits)
{
    EXPECT_EQ(bench_inl(b, CONFADD), 0);
    bench_outl(b, CONFADD, 0xffffffff);
    EXPECT_EQ(bench_inl(b, CONFADD), 0x80fffffc);
}

/* Linux tells mechanism 1 by this. */
TEST(pciconf, linux_probe_of_type_1)
{
    bench_outb(b, 0xcfb, 1);
    bench_outl(b, CONFADD, 0x80000000);
    EXPECT_EQ(bench_inl(b, CONFADD), 0x80000000);
    EXPECT_EQ(bench_inl(b, CONFDATA), 0x12378086);
    EXPECT_EQ(bench_inw(b, CONFDATA + 2), 0x1237);
    EXPECT_EQ(bench_inb(b, CONFDATA + 1), 0x80);
}

TEST(pciconf, only_a_dword_changes_the_latch)
{
    bench_outl(b, CONFADD, 0x80000800);
    bench_outb(b, CONFADD, 0xff);
    bench_outw(b, CONFADD, 0xffff);
    bench_outb(b, 0xcfa, 0xff);
    bench_outb(b, 0xcfb, 0);
    EXPECT_EQ(bench_inl(b, CONFADD), 0x80000800);
    EXPECT_EQ(bench_inb(b, CONFADD), 0xff);
    EXPECT_EQ(bench_inw(b, 0xcfa), 0xffff);
}

TEST(pciconf, data_goes_to_the_function_and_byte)
{
    bench_outl(b, CONFADD, 0x80000860); /* 01.0, PIRQRC */
    bench_outb(b, CONFDATA + 1, 0x0b);
    EXPECT_EQ(bench_cfg_read(b, 1 << 3, 0x60, 4), 0x80800b80);
    bench_outl(b, CONFDATA, 0x05800a05);
    EXPECT_EQ(bench_inl(b, CONFDATA), 0x05800a05);
    EXPECT_EQ(sim_link(b->hv, 0), 5);
    EXPECT_EQ(sim_link(b->hv, 1), 10);
    EXPECT_EQ(sim_link(b->hv, 2), 0);
    EXPECT_EQ(sim_link(b->hv, 3), 5);
}

TEST(pciconf, nothing_answers_without_enable_or_on_other_buses)
{
    bench_outl(b, CONFADD, 0x00000000);
    EXPECT_EQ(bench_inl(b, CONFDATA), 0xffffffff);
    bench_outl(b, CONFADD, 0x80010000);
    EXPECT_EQ(bench_inl(b, CONFDATA), 0xffffffff);
    bench_outl(b, CONFADD, 0x80003000); /* 06.0: empty */
    EXPECT_EQ(bench_inl(b, CONFDATA), 0xffffffff);
    bench_outl(b, CONFADD, 0x00000860);
    bench_outl(b, CONFDATA, 0);
    EXPECT_EQ(bench_cfg_read(b, 1 << 3, 0x60, 4), 0x80808080);
}

TEST(pciconf, rising_edge_of_rcpu_resets)
{
    bench_outb(b, RC, 0x02);
    EXPECT_EQ(bench_inb(b, RC), 0x02);
    EXPECT_EQ(b->nrequested, 0);
    bench_outb(b, RC, 0x06); /* the value of the ACPI reset register */
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_RESET);
    bench_outb(b, RC, 0x06);
    EXPECT_EQ(b->nrequested, 1); /* no edge */
    bench_outb(b, RC, 0x00);
    bench_outb(b, RC, 0x04);
    EXPECT_EQ(b->nrequested, 2);
}

TEST(pciconf, reset_control_is_a_byte)
{
    bench_outl(b, CONFADD, 0x80000600); /* has the bits of 06h at cf9h */
    bench_outw(b, RC, 0x0606);
    bench_outl(b, RC, 0x06060606);
    EXPECT_EQ(b->nrequested, 0);
    EXPECT_EQ(bench_inb(b, RC), 0);
}

TEST(pciconf, edge_is_kept_over_save_and_load)
{
    bench_outb(b, RC, 0x06);
    bench_outl(b, CONFADD, 0x80000860);
    bench_save_and_load(b);
    bench_outb(b, RC, 0x06);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(bench_inl(b, CONFDATA), 0x80808080);
}

static uint64_t vcpu_port(struct bench *b, uint16_t vcpu, unsigned port, bool read, uint32_t value)
{
    struct request r = { .type = REQ_PIO,
                         .addr = port,
                         .size = 4,
                         .count = 1,
                         .read = read,
                         .data = value,
                         .vcpu = vcpu };

    return bench_request(b, &r);
}

/* Two vCPUs use the pair without a lock, in every order: each access is valid by itself. */
TEST(pciconf, xsa503_index_and_data_interleaved)
{
    static const uint8_t orders[][4] = { { 0, 0, 1, 1 }, { 0, 1, 0, 1 }, { 0, 1, 1, 0 },
                                         { 1, 0, 0, 1 }, { 1, 0, 1, 0 }, { 1, 1, 0, 0 } };
    static const uint32_t address[2] = { 0x80000000, 0x80000800 };
    static const uint32_t ids[2] = { 0x12378086, 0x70008086 };

    for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
        unsigned step[2] = { 0, 0 }, latest = 0;

        for (unsigned k = 0; k < 4; k++) {
            uint8_t cpu = orders[i][k];

            if (step[cpu]++ == 0) {
                vcpu_port(b, cpu, CONFADD, false, address[cpu]);
                latest = cpu;
            } else {
                EXPECT_EQ(vcpu_port(b, cpu, CONFDATA, true, 0), ids[latest]);
            }
        }
    }
}

TEST(pciconf, wide_access_stays_inside_the_window)
{
    bench_outl(b, CONFADD, 0x800008fc);
    EXPECT_EQ(bench_inl(b, CONFDATA + 1) & 0xff000000, 0xff000000); /* runs past cffh */
    EXPECT_EQ(bench_inl(b, CONFDATA), 0);
}

TEST(pciconf, reserved_bits_in_a_loaded_state_are_refused)
{
    struct device *d = machine_find(b->m, "pciconf", 0);
    struct error e = { "" };

    state_set(d->state, &pciconf_ops.state->fields[0], 0, 0x80000001);
    assert_true(machine_loaded(b->m, &e) < 0);
    assert_non_null(strstr(e.text, "CONFADD"));
}
