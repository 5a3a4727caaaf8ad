/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the simulator's PM1a event registers and PM timer. */
#include "tests/bench.h"

extern const struct device_ops acpi_pm_ops;

static const struct device_row board[] = {
    { .ops = &acpi_pm_ops, .base = { 0xb000, 0xb008 }, .isa_irq = { 9 } }
};
BENCH(board)

#define SECOND UINT64_C(1000000000)
/* 2^31 ticks of 3579545 Hz. */
#define HALF UINT64_C(599932015941)

TEST(acpi_pm, the_timer_runs_by_guest_time)
{
    EXPECT_EQ(bench_inl(b, 0xb008), 0);
    bench_step(b, SECOND);
    EXPECT_EQ(bench_inl(b, 0xb008), 3579545);
    EXPECT_EQ(bench_inw(b, 0xb00a), 3579545 >> 16);
    bench_outl(b, 0xb008, 0);
    EXPECT_EQ(bench_inl(b, 0xb008), 3579545);
}

TEST(acpi_pm, overflow_raises_sci_if_enabled)
{
    bench_outw(b, 0xb002, 1);
    bench_step(b, HALF - 1000);
    EXPECT_TRUE(!bench_isa_level(b, 9));
    bench_step(b, 2000);
    EXPECT_TRUE(bench_isa_level(b, 9));
    EXPECT_EQ(bench_inw(b, 0xb000), 1);
    bench_outw(b, 0xb000, 1);
    EXPECT_TRUE(!bench_isa_level(b, 9));
    EXPECT_EQ(bench_inw(b, 0xb000), 0);
    bench_step(b, HALF);
    EXPECT_TRUE(bench_isa_level(b, 9));
}

TEST(acpi_pm, overflow_is_noted_without_a_timer)
{
    EXPECT_EQ(machine_deadline(b->m), UINT64_MAX);
    bench_step(b, HALF + 1000);
    EXPECT_TRUE(!bench_isa_level(b, 9));
    EXPECT_EQ(bench_inw(b, 0xb000), 1);
    bench_outw(b, 0xb002, 1);
    EXPECT_TRUE(bench_isa_level(b, 9));
}

TEST(acpi_pm, reserved_bits_read_zero)
{
    bench_outl(b, 0xb000, 0xffffffff);
    EXPECT_EQ(bench_inl(b, 0xb000), 0x07210000);
}

TEST(acpi_pm, goes_on_after_save_and_load)
{
    bench_outw(b, 0xb002, 1);
    bench_step(b, HALF / 2);
    bench_save_and_load(b);
    bench_step(b, HALF / 2 + 1000);
    EXPECT_TRUE(bench_isa_level(b, 9));
}

/* Found by the fuzzer: a bit that came with a state stayed, beside those that the guest sets. */
TEST(acpi_pm, goes_on_from_any_state)
{
    struct device *d = machine_devices(b->m);
    struct error e = { "" };

    while (d->ops != &acpi_pm_ops)
        d = d->next;
    for (unsigned bit = 0; bit < 16; bit++) {
        state_set(d->state, &acpi_pm_ops.state->fields[1], 0, 1u << bit);
        if (machine_loaded(b->m, &e) < 0)
            continue;
        bench_outw(b, 0xb002, 0xffff);
        EXPECT_EQ(machine_loaded(b->m, &e), 0);
    }
}
