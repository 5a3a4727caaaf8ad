/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of power management: hvmloader's hand-shake, sleep states, GPE0, hotplug ports. */
#include <errno.h>

#include "hw/chipset/piix4_pm.h"
#include "tests/bench.h"

extern const struct device_ops piix4_pm_ops, cmos_ops, piix3_ops;

enum { DEVFN = 1 << 3 | 3, SCI = 9 };
enum {
    PM1_STS = 0xb000,
    PM1_EN = 0xb002,
    PM1_CNT = 0xb004,
    PM_TMR = 0xb008,
    APMC = 0xb2,
    GPE0_STS = 0xafe0,
    GPE0_EN = 0xafe2,
    CPUS = 0xaf00,
    PCI_UP = 0xae00,
    PCI_DOWN = 0xae04,
    PCI_EJECT = 0xae08,
    PCI_RMV = 0xae0c
};

static const struct device_row board[] = {
    { .ops = &piix3_ops, .devfn = 1 << 3 },
    { .ops = &cmos_ops, .base = { 0x70 } },
    { .ops = &piix4_pm_ops,
      .devfn = DEVFN,
      .base = { 0xb000, 0xb2, 0xafe0, 0xaf00, 0xae00 },
      .isa_irq = { SCI },
      .host = { .vcpus = 11 } },
};
BENCH(board)

static struct device *pm(struct bench *b)
{
    return machine_find(b->m, "piix4_pm", 0);
}

TEST(piix4_pm, is_what_hvmloader_knows)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x71138086);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x08, 4), 0x06800003);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3c, 2), 0x0109);
    for (unsigned reg = 0x10; reg < 0x28; reg += 4) {
        bench_cfg_write(b, DEVFN, reg, 4, 0xffffffff);
        EXPECT_EQ(bench_cfg_read(b, DEVFN, reg, 4), 0);
    }
}

TEST(piix4_pm, hvmloader_programs_bases)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x40, 4), 1);
    bench_cfg_write(b, DEVFN, 0x20, 2, 0);
    bench_cfg_write(b, DEVFN, 0xd2, 1, 0);
    bench_cfg_write(b, DEVFN, 0x22, 2, 0);
    bench_cfg_write(b, DEVFN, 0x3c, 1, 9);
    bench_cfg_write(b, DEVFN, 0x3d, 1, 1);
    bench_cfg_write(b, DEVFN, 0x40, 4, 0xb001);
    bench_cfg_write(b, DEVFN, 0x80, 1, 1);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x40, 4), 0xb001);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x80, 1), 1);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3c, 2), 0x0109);
    bench_cfg_write(b, DEVFN, 0x40, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x40, 4), 0xffc1);
}

TEST(piix4_pm, apmc_switches_sci_enable)
{
    EXPECT_EQ(bench_inw(b, PM1_CNT) & 1, 0);
    bench_outb(b, APMC, 0xf1);
    EXPECT_EQ(bench_inw(b, PM1_CNT) & 1, 1);
    bench_outb(b, APMC, 0x55); /* any other value is storage */
    EXPECT_EQ(bench_inw(b, PM1_CNT) & 1, 1);
    bench_outb(b, APMC, 0xf0);
    EXPECT_EQ(bench_inw(b, PM1_CNT) & 1, 0);
    EXPECT_EQ(bench_inb(b, APMC), 0xf0);
    bench_outb(b, APMC + 1, 0xa5);
    EXPECT_EQ(bench_inb(b, APMC + 1), 0xa5);
}

/* ACPICA writes the type first, then type and enable. */
TEST(piix4_pm, type_0_with_enable_is_power_off)
{
    bench_outw(b, PM1_CNT, 0x0001);
    EXPECT_EQ(b->nrequested, 0);
    bench_outw(b, PM1_CNT, 0x2001);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_POWEROFF);
    EXPECT_EQ(bench_inw(b, PM1_CNT), 0x0001); /* SLP_EN reads 0 */
}

TEST(piix4_pm, type_1_with_enable_is_sleep_and_others_are_nothing)
{
    bench_outw(b, PM1_CNT, 0x2401);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_SLEEP);
    for (unsigned type = 2; type < 8; type++)
        bench_outw(b, PM1_CNT, 0x2001 | type << 10);
    EXPECT_EQ(b->nrequested, 1);
}

TEST(piix4_pm, enable_may_come_as_the_high_byte)
{
    bench_outb(b, PM1_CNT, 0x01);
    bench_outb(b, PM1_CNT + 1, 0x20);
    EXPECT_EQ(b->requested, MACHINE_POWEROFF);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(bench_inb(b, PM1_CNT), 0x01);
}

TEST(piix4_pm, timer_runs_at_its_frequency_in_24_bits)
{
    uint32_t t0 = bench_inl(b, PM_TMR);

    bench_step(b, 1000000000);
    EXPECT_EQ((bench_inl(b, PM_TMR) - t0) & 0xffffff, 3579545);
    bench_step(b, UINT64_C(4000000000));
    EXPECT_EQ((bench_inl(b, PM_TMR) - t0) & 0xffffff, 5 * 3579545 - 0x1000000);
    EXPECT_EQ(bench_inl(b, PM_TMR) >> 24, 0);
}

TEST(piix4_pm, reserved_ports_read_zero)
{
    EXPECT_EQ(bench_inl(b, 0xb038), 0);
    EXPECT_EQ(bench_inb(b, 0xb014), 0);
    bench_outl(b, 0xb038, 0xffffffff);
    EXPECT_EQ(bench_inl(b, 0xb038), 0);
}

TEST(piix4_pm, present_vcpus_are_a_read_only_bitmap)
{
    EXPECT_EQ(bench_inb(b, CPUS), 0xff);
    EXPECT_EQ(bench_inb(b, CPUS + 1), 0x07);
    for (unsigned i = 2; i < 32; i++)
        EXPECT_EQ(bench_inb(b, CPUS + i), 0);
    bench_outb(b, CPUS, 0);
    bench_outb(b, CPUS + 2, 0xff);
    EXPECT_EQ(bench_inl(b, CPUS), 0x07ff);
}

TEST(piix4_pm, a_new_vcpu_raises_its_event)
{
    bench_outb(b, APMC, 0xf1);
    bench_outw(b, GPE0_EN, 0x0004);
    EXPECT_EQ(piix4_pm_plug_cpu(pm(b), 12), 0);
    EXPECT_TRUE(piix4_pm_cpu_present(pm(b), 12));
    EXPECT_TRUE(!piix4_pm_cpu_present(pm(b), 11));
    EXPECT_EQ(bench_inb(b, CPUS + 1), 0x17);
    EXPECT_EQ(bench_inw(b, GPE0_STS), 0x0004);
    EXPECT_TRUE(bench_isa_level(b, SCI));
    bench_save_and_load(b);
    EXPECT_TRUE(bench_isa_level(b, SCI));
    bench_outw(b, GPE0_STS, 0x0002); /* another bit */
    EXPECT_TRUE(bench_isa_level(b, SCI));
    bench_outw(b, GPE0_STS, 0x0004);
    EXPECT_TRUE(!bench_isa_level(b, SCI));
    EXPECT_EQ(piix4_pm_plug_cpu(pm(b), 12), 0); /* there already: no event */
    EXPECT_EQ(bench_inw(b, GPE0_STS), 0);
}

TEST(piix4_pm, last_vcpu_fits_and_the_next_is_refused)
{
    EXPECT_EQ(piix4_pm_plug_cpu(pm(b), 255), 0);
    EXPECT_EQ(bench_inb(b, CPUS + 31), 0x80);
    EXPECT_EQ(piix4_pm_plug_cpu(pm(b), 256), -EINVAL);
    EXPECT_TRUE(!piix4_pm_cpu_present(pm(b), 256));
}

TEST(piix4_pm, sci_needs_event_enable_and_sci_enable)
{
    EXPECT_EQ(piix4_pm_plug_cpu(pm(b), 20), 0);
    EXPECT_TRUE(!bench_isa_level(b, SCI));
    bench_outw(b, GPE0_EN, 0x0004);
    EXPECT_TRUE(!bench_isa_level(b, SCI)); /* SMI mode */
    bench_outb(b, APMC, 0xf1);
    EXPECT_TRUE(bench_isa_level(b, SCI));
    bench_outb(b, GPE0_EN, 0); /* low byte of the enable register */
    EXPECT_TRUE(!bench_isa_level(b, SCI));
}

TEST(piix4_pm, pci_hotplug_ports_are_empty)
{
    EXPECT_EQ(bench_inl(b, PCI_UP), 0);
    EXPECT_EQ(bench_inl(b, PCI_DOWN), 0);
    EXPECT_EQ(bench_inl(b, PCI_EJECT), 0);
    EXPECT_EQ(bench_inl(b, PCI_RMV), 0);
    bench_outl(b, PCI_UP, 0xffffffff);
    bench_outl(b, PCI_DOWN, 0xffffffff);
    bench_outl(b, PCI_RMV, 0xffffffff);
    EXPECT_EQ(bench_inl(b, PCI_UP), 0);
    EXPECT_EQ(bench_inl(b, PCI_DOWN), 0);
    EXPECT_EQ(bench_inl(b, PCI_RMV), 0);
}

/* Ejecting every slot leaves the chipset and what hangs on it where it is. */
TEST(piix4_pm, cve_2011_1751_eject_of_what_is_not_removable)
{
    bench_outb(b, 0x70, 0x40);
    bench_outb(b, 0x71, 0x42);
    bench_outl(b, PCI_EJECT, 0xffffffff);
    for (unsigned slot = 0; slot < 32; slot++)
        bench_outl(b, PCI_EJECT, 1u << slot);
    EXPECT_EQ(bench_cfg_read(b, 1 << 3, 0x00, 4), 0x70008086);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x71138086);
    EXPECT_EQ(bench_inb(b, 0x71), 0x42);
    bench_outb(b, APMC, 0xf1);
    EXPECT_EQ(bench_inw(b, PM1_CNT) & 1, 1);
}
