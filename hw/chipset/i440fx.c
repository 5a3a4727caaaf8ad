/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i440fx - host bridge, PCI function 00:00.0.
 *
 * Datasheet: Intel 290549-001, "82440FX PCI and memory controller (PMC)".
 * Present:   identity, PAM0-PAM6 and SMRAM as storage. The subsystem ids are those by which SeaBIOS
 *            recognises a virtual PC.
 * Absent:    what PAM and SMRAM do: 0xc0000-0xfffff is ordinary RAM under Xen and there is no SMM.
 *            DRAM, timing and error registers read 0: no firmware sizes memory here. Bus master and
 *            memory bits of PCICMD can be cleared (hard-wired to 1 in the chip).
 */
#include "hw/core/device.h"
#include "hw/core/pci.h"

enum { PAM0 = 0x59, SMRAM = 0x72 };
enum { SMRAM_BASE = 0x02 }; /* C_BASE_SEG: reads 010b, segment A0000 */

#define PAM(n, mask)                                                                               \
    {                                                                                              \
        .reg = PAM0 + (n), .width = 1, .rw = (mask)                                                \
    }
static const struct pci_config_reg i440fx_config[] = {
    PAM(0, 0x30), PAM(1, 0x33),
    PAM(2, 0x33), PAM(3, 0x33),
    PAM(4, 0x33), PAM(5, 0x33),
    PAM(6, 0x33), { .reg = SMRAM, .width = 1, .reset = SMRAM_BASE, .rw = 0x78 },
};

static const struct pci_desc i440fx_pci = {
    .vendor = 0x8086,
    .device = 0x1237,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .revision = 2,
    .class_code = 0x0600,
    .command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
    .status = 0x0280, /* medium DEVSEL, fast back-to-back */
    .config = i440fx_config,
    .nconfig = ARRAY_SIZE(i440fx_config),
};

const struct device_ops i440fx_ops = {
    .name = "i440fx",
    .size = sizeof(struct device),
    .pci = &i440fx_pci,
};
