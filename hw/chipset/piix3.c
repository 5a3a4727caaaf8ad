/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3 - PCI-to-ISA bridge, PCI function 00:01.0.
 *
 * Datasheet: Intel 290550-002, "82371FB (PIIX) and 82371SB (PIIX3)", function 0.
 * Present:   PIRQRC[A:D] route the PCI links; the other registers are storage with their reset
 *            values and masks.
 * Absent:    what the others control: X-bus decode, ISA timing, motherboard DMA and IRQ routing,
 *            SMI, clock throttling. The chips on the ISA side are Xen's or have files of their own.
 */
#include "hw/core/device.h"
#include "hw/core/pci.h"

enum {
    IORT = 0x4c,
    XBCS = 0x4e,
    PIRQRC = 0x60,
    SERIRQC = 0x64,
    TOM = 0x69,
    MSTAT = 0x6a,
    MBIRQ0 = 0x70,
    MBDMA0 = 0x76,
    MBDMA1 = 0x77,
    PCSC = 0x78,
    APICBASE = 0x80,
    DLC = 0x82,
    SMICNTL = 0xa0,
    SMIEN = 0xa2,
    SEE = 0xa4,
    FTMR = 0xa8,
    SMIREQ = 0xaa,
    CTLTMR = 0xac,
    CTHTMR = 0xae
};
enum { PIRQRC_DISABLE = 0x80 }; /* bit 7: not routed; bits 3-0: the ISA interrupt */

#define LINKS   4u
#define UNKNOWN 0xff /* no interrupt: the next update() tells */

struct piix3 {
    struct device dev;
    uint8_t routed[LINKS]; /* as the machine was told last; 0: not routed, as at its start; or
                              UNKNOWN */
};

/* A route is an output: derived from PIRQRC, told when it differs. */
static void piix3_update(struct device *d)
{
    struct piix3 *p = (struct piix3 *)d;

    for (unsigned i = 0; i < LINKS; i++) {
        uint8_t v = pci_config(d)[PIRQRC + i];
        uint8_t irq = v & PIRQRC_DISABLE ? 0 : v & 0x0f;

        if (irq == p->routed[i])
            continue;
        p->routed[i] = irq;
        machine_link_route(d, i, irq);
    }
}

/* Whatever the machine was told before. */
static int piix3_loaded(struct device *d, struct error *e)
{
    struct piix3 *p = (struct piix3 *)d;

    (void)e;
    memset(p->routed, UNKNOWN, sizeof p->routed);
    return 0;
}

#define PIRQ(n)                                                                                    \
    {                                                                                              \
        .reg = PIRQRC + (n), .width = 1, .reset = PIRQRC_DISABLE, .rw = 0x8f                       \
    }
static const struct pci_config_reg piix3_config[] = {
    { .reg = IORT, .width = 1, .reset = 0x4d, .rw = 0x7f },
    { .reg = XBCS, .width = 2, .reset = 0x0003, .rw = 0x01ff },
    PIRQ(0),
    PIRQ(1),
    PIRQ(2),
    PIRQ(3),
    { .reg = SERIRQC, .width = 1, .reset = 0x10, .rw = 0xff },
    { .reg = TOM, .width = 1, .reset = 0x02, .rw = 0xff },
    { .reg = MSTAT, .width = 2, .rw = 0x8085 },
    { .reg = MBIRQ0, .width = 1, .reset = 0x80, .rw = 0xef },
    { .reg = MBDMA0, .width = 1, .reset = 0x0c, .rw = 0x8f },
    { .reg = MBDMA1, .width = 1, .reset = 0x0c, .rw = 0x8f },
    { .reg = PCSC, .width = 2, .reset = 0x0002, .rw = 0xffff },
    { .reg = APICBASE, .width = 1, .rw = 0x7f },
    { .reg = DLC, .width = 1, .rw = 0x0f },
    { .reg = SMICNTL, .width = 1, .reset = 0x08, .rw = 0x1f },
    { .reg = SMIEN, .width = 2, .rw = 0x01ff },
    { .reg = SEE, .width = 4, .rw = 0xe000ffff },
    { .reg = FTMR, .width = 1, .reset = 0x0f, .rw = 0xff },
    { .reg = SMIREQ, .width = 2, .rw = 0x00ff },
    { .reg = CTLTMR, .width = 1, .rw = 0xff },
    { .reg = CTHTMR, .width = 1, .rw = 0xff },
};

static const struct pci_desc piix3_pci = {
    .vendor = 0x8086,
    .device = 0x7000,
    .subsystem_vendor = 0x1af4, /* as guests that come from QEMU know it */
    .subsystem = 0x1100,
    .class_code = 0x0601,
    .multifunction = true,
    .command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
    .status = 0x0200, /* medium DEVSEL */
    .config = piix3_config,
    .nconfig = ARRAY_SIZE(piix3_config),
};

const struct device_ops piix3_ops = {
    .name = "piix3",
    .size = sizeof(struct piix3),
    .pci = &piix3_pci,
    .update = piix3_update,
    .loaded = piix3_loaded,
};
