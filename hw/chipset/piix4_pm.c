/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix4_pm - power management function, PCI 00:01.3, with the ports that Xen's ACPI tables name.
 *
 * Datasheet: Intel 290562-001, "82371AB (PIIX4)", function 3; ACPI 2.0 section 4.7. GPE0, CPU and
 *            PCI hotplug ports are not Intel's: they are what the DSDT that hvmloader builds names.
 * Present:   SCI enable by APMC (hvmloader's handshake), sleep states S5 (type 0) and S3 (type 1),
 *            GPE0 with SCI, bitmap of present vCPUs, PM timer (Xen answers it itself).
 * Absent:    the base in PMBASE and the enable bit in PMREGMISC are storage: the ports are where
 *            hvmloader puts them (b000h), as the PM1 block inside Xen is. SMBus. SMI, throttling,
 *            device monitors, GPI/GPO pins: storage. PM1 events: Xen's. PCI slots cannot be
 *            ejected: none is declared removable. Wake-up from S3.
 *            INTA is told in the configuration space but never raised: line 0 is SCI (IRQ 9).
 */
#include "hw/chipset/piix4_pm.h"

#include <errno.h>

#include "hw/core/device.h"
#include "hw/core/pci.h"

enum { LINE_SCI = 0 };
enum { APMC_ACPI_DISABLE = 0xf0, APMC_ACPI_ENABLE = 0xf1 };
enum {
    PMCNTRL_SCI_EN = 1u << 0,
    PMCNTRL_BRLD_EN = 1u << 1,
    PMCNTRL_SUS_TYP = 7u << 10,
    PMCNTRL_SUS_EN = 1u << 13
};
enum { SUS_TYP_S5 = 0u << 10, SUS_TYP_S3 = 1u << 10 };
enum { GPESTS_PCI = 1u << 1, GPESTS_CPU = 1u << 2 };

#define PMTMR_HZ UINT64_C(3579545)

#define PIIX4_PM_STATE(F, A, S)                                                                    \
    F(S, uint16_t, PMSTS, ANY, 1)                                                                  \
    F(S, uint16_t, PMEN, ANY, 1)                                                                   \
    F(S, uint16_t, PMCNTRL, ANY, 1)                                                                \
    F(S, uint16_t, GPSTS, ANY, 1)                                                                  \
    F(S, uint16_t, GPEN, ANY, 1)                                                                   \
    F(S, uint32_t, PCNTRL, ANY, 1)                                                                 \
    F(S, uint16_t, GLBSTS, ANY, 1)                                                                 \
    F(S, uint32_t, DEVSTS, ANY, 1)                                                                 \
    F(S, uint16_t, GLBEN, ANY, 1)                                                                  \
    F(S, uint32_t, GLBCTL, ANY, 1)                                                                 \
    F(S, uint32_t, DEVCTL, ANY, 1)                                                                 \
    F(S, uint32_t, GPOREG, ANY, 1)                                                                 \
    F(S, uint8_t, APMC, ANY, 1)                                                                    \
    F(S, uint8_t, APMS, ANY, 1)                                                                    \
    F(S, uint16_t, GPESTS, ANY, 1)                                                                 \
    F(S, uint16_t, GPEEN, ANY, 1)                                                                  \
    F(S, uint32_t, PCIUP, ANY, 1)                                                                  \
    F(S, uint32_t, PCIDOWN, ANY, 1)                                                                \
    A(S, uint8_t, CPUS, PIIX4_PM_VCPUS / 8, ANY, 1)
STATE_DEFINE(piix4_pm, PIIX4_PM_STATE);

#define AT(r) offsetof(struct piix4_pm_state, r)

/* --- PM registers, b000h --- */

/* 24 bits at 3.579545 MHz, computed from the guest's clock. */
static uint32_t pmtmr_read(struct device *d)
{
    uint64_t now = clock_now(d), s = now / 1000000000, ns = now % 1000000000;

    return (uint32_t)(s * PMTMR_HZ + ns * PMTMR_HZ / 1000000000) & 0xffffff;
}

static void pmcntrl_written(struct device *d, uint32_t old)
{
    struct piix4_pm_state *s = d->state;

    (void)old;
    if (!HAS(s, PMCNTRL, SUS_EN))
        return;
    CLR(s, PMCNTRL, SUS_EN); /* write only: reads as 0 */
    if ((s->PMCNTRL & PMCNTRL_SUS_TYP) == SUS_TYP_S5)
        machine_request(d, MACHINE_POWEROFF);
    else if ((s->PMCNTRL & PMCNTRL_SUS_TYP) == SUS_TYP_S3)
        machine_request(d, MACHINE_SLEEP);
}

static uint32_t zero_read(struct device *d)
{
    (void)d;
    return 0;
}

static const struct reg pm_regs[] = {
    { "PMSTS", 0x00, 2, AT(PMSTS), .w1c = 0x8d31 },
    { "PMEN", 0x02, 2, AT(PMEN), .rw = 0x0521 },
    { "PMCNTRL", 0x04, 2, AT(PMCNTRL),
      .rw = PMCNTRL_SCI_EN | PMCNTRL_BRLD_EN | PMCNTRL_SUS_TYP | PMCNTRL_SUS_EN,
      .written = pmcntrl_written },
    { "PMTMR", 0x08, 4, AT(PCNTRL), .read = pmtmr_read },
    { "GPSTS", 0x0c, 2, AT(GPSTS), .w1c = 0x0f81 },
    { "GPEN", 0x0e, 2, AT(GPEN), .rw = 0x0f01 },
    { "PCNTRL", 0x10, 4, AT(PCNTRL), .rw = 0x00023e1f },
    { "GLBSTS", 0x18, 2, AT(GLBSTS), .w1c = 0x0c4f },
    { "DEVSTS", 0x1c, 4, AT(DEVSTS), .w1c = 0x3fff0fff },
    { "GLBEN", 0x20, 2, AT(GLBEN), .rw = 0x0c4f },
    { "GLBCTL", 0x28, 4, AT(GLBCTL), .rw = 0x0501ff07 },
    { "DEVCTL", 0x2c, 4, AT(DEVCTL), .rw = 0x0fffffff },
    { "GPOREG", 0x34, 4, AT(GPOREG), .reset = 0x7fffbfff, .rw = 0x7fffffff },
};

static uint64_t pm_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d;
    (void)offset;
    (void)width;
    return 0; /* reserved registers, and PLVL2/PLVL3, whose reading stops the clock on the chip */
}

/* --- APM, b2h --- */

static void apmc_written(struct device *d, uint32_t old)
{
    struct piix4_pm_state *s = d->state;

    (void)old;
    if (s->APMC == APMC_ACPI_ENABLE)
        SET(s, PMCNTRL, SCI_EN);
    else if (s->APMC == APMC_ACPI_DISABLE)
        CLR(s, PMCNTRL, SCI_EN);
}

static const struct reg apm_regs[] = {
    { "APMC", 0, 1, AT(APMC), .rw = 0xff, .written = apmc_written },
    { "APMS", 1, 1, AT(APMS), .rw = 0xff },
};

/* --- GPE0 and hotplug --- */

static const struct reg gpe_regs[] = {
    { "GPESTS", 0, 2, AT(GPESTS), .w1c = 0xffff },
    { "GPEEN", 2, 2, AT(GPEEN), .rw = 0xffff },
};

/* Eject and removable have no state: what is not removable ignores eject (CVE-2011-1751). */
static const struct reg pcihp_regs[] = {
    { "PCIUP", 0x0, 4, AT(PCIUP), .rw = 0 },
    { "PCIDOWN", 0x4, 4, AT(PCIDOWN), .rw = 0 },
    { "PCIEJECT", 0x8, 4, AT(PCIUP), .rw = 0, .read = zero_read },
    { "PCIRMV", 0xc, 4, AT(PCIUP), .rw = 0, .read = zero_read },
};

static uint64_t cpuhp_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct piix4_pm_state *s = d->state;

    (void)width; /* bytes only */
    return offset < sizeof s->CPUS ? s->CPUS[offset] : 0xff;
}

static void cpu_plugged(struct device *d, void *arg)
{
    struct piix4_pm_state *s = d->state;
    unsigned vcpu = *(const unsigned *)arg;
    uint8_t bit = (uint8_t)(1u << vcpu % 8);

    if (vcpu / 8 >= sizeof s->CPUS || (s->CPUS[vcpu / 8] & bit))
        return;
    s->CPUS[vcpu / 8] |= bit;
    SET(s, GPESTS, CPU);
}

int piix4_pm_plug_cpu(struct device *d, unsigned vcpu)
{
    if (vcpu >= PIIX4_PM_VCPUS)
        return -EINVAL;
    device_event(d, cpu_plugged, &vcpu);
    return 0;
}

bool piix4_pm_cpu_present(const struct device *d, unsigned vcpu)
{
    const struct piix4_pm_state *s = d->state;

    return vcpu / 8 < sizeof s->CPUS && (s->CPUS[vcpu / 8] >> vcpu % 8 & 1);
}

/* --- the function --- */

/* SCI_EN clear means that events raise SMI instead, which goes nowhere here. */
static void piix4_pm_update(struct device *d)
{
    const struct piix4_pm_state *s = d->state;

    device_irq(d, LINE_SCI, HAS(s, PMCNTRL, SCI_EN) && (s->GPESTS & s->GPEEN));
}

static void piix4_pm_reset(struct device *d)
{
    struct piix4_pm_state *s = d->state;
    unsigned n = d->host.vcpus ? d->host.vcpus : 1;

    for (unsigned i = 0; i < n && i < PIIX4_PM_VCPUS; i++)
        s->CPUS[i / 8] |= (uint8_t)(1u << i % 8);
}

static const struct pci_config_reg piix4_pm_config[] = {
    { .reg = PCI_INT_PIN, .width = 1, .reset = 1 },
    { .reg = 0x40, .width = 4, .reset = 0x00000001, .rw = 0x0000ffc0 }, /* PMBASE */
    { .reg = 0x44, .width = 4, .rw = 0xffffffff },                      /* CNTA */
    { .reg = 0x48, .width = 4, .rw = 0xffffffff },                      /* CNTB */
    { .reg = 0x4c, .width = 4, .rw = 0xffffffff },                      /* GPICTL */
    { .reg = 0x80, .width = 1, .rw = 0x01 },                            /* PMREGMISC */
    { .reg = 0x90, .width = 4, .reset = 0x00000001, .rw = 0x0000fff0 }, /* SMBBA */
    { .reg = 0xd2, .width = 1, .rw = 0x0f },                            /* SMBHSTCFG */
    { .reg = 0xd3, .width = 1, .rw = 0xff },                            /* SMBSLVC */
    { .reg = 0xd4, .width = 1, .rw = 0xff },                            /* SMBSHDW1 */
    { .reg = 0xd5, .width = 1, .rw = 0xff },                            /* SMBSHDW2 */
};

static const struct pci_desc piix4_pm_pci = {
    .vendor = 0x8086,
    .device = 0x7113,
    .subsystem_vendor = 0x1af4, /* as guests that come from QEMU know it */
    .subsystem = 0x1100,
    .revision = 3,
    .class_code = 0x0680,
    .int_line = 9,
    .status = 0x0280, /* medium DEVSEL, fast back-to-back */
    .command = PCI_COMMAND_IO,
    .config = piix4_pm_config,
    .nconfig = ARRAY_SIZE(piix4_pm_config),
};

static const struct region piix4_pm_regions[] = {
    { .name = "pm",
      .space = BUS_PIO,
      .size = 0x40,
      .widths = 1 | 2 | 4,
      .regs = pm_regs,
      .nregs = ARRAY_SIZE(pm_regs),
      .read = pm_read },
    { .name = "apm", .space = BUS_PIO, .size = 2, .regs = apm_regs, .nregs = ARRAY_SIZE(apm_regs) },
    { .name = "gpe0",
      .space = BUS_PIO,
      .size = 4,
      .regs = gpe_regs,
      .nregs = ARRAY_SIZE(gpe_regs) },
    { .name = "cpuhp",
      .space = BUS_PIO,
      .size = PIIX4_PM_VCPUS / 8,
      .read = cpuhp_read,
      .constant = true },
    { .name = "pcihp",
      .space = BUS_PIO,
      .size = 0x10,
      .regs = pcihp_regs,
      .nregs = ARRAY_SIZE(pcihp_regs) },
};

const struct device_ops piix4_pm_ops = {
    .name = "piix4_pm",
    .size = sizeof(struct device),
    .state = &piix4_pm_desc,
    .regions = piix4_pm_regions,
    .nregions = ARRAY_SIZE(piix4_pm_regions),
    .pci = &piix4_pm_pci,
    .reset = piix4_pm_reset,
    .update = piix4_pm_update,
};
