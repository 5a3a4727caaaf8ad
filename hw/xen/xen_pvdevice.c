/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_pvdevice - XenServer's PV device: a PCI function 5853:c000 that does nothing. Windows Update
 * offers the PV drivers that are registered for its id (vendor_device="xenserver" in xl.cfg).
 *
 * Source:  Xen docs/misc/pci-device-reservations.txt, docs/man/xl.cfg(5).
 * Present: identity, the memory BAR of 4 MiB, which reads as ones.
 * Absent:  other ids than XenServer's c000, which is the only one that libxl asks for; the INTA
 * pin, of which no driver makes use.
 */
#include "hw/core/device.h"
#include "hw/core/pci.h"

enum { BAR_BYTES = 4u << 20 };

static uint64_t bar1_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d;
    (void)offset;
    return ones(width);
}

static void bar1_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)d;
    (void)offset;
    (void)width;
    (void)value;
}

static const struct region xen_pvdevice_regions[] = {
    { .name = "bar1",
      .space = BUS_MMIO,
      .size = BAR_BYTES,
      .widths = 1 | 2 | 4 | 8,
      .read = bar1_read,
      .write = bar1_write,
      .constant = true },
};

static const struct pci_desc xen_pvdevice_pci = {
    .vendor = 0x5853,
    .device = 0xc000,
    .subsystem_vendor = 0x5853,
    .subsystem = 0xc000,
    .revision = 1,
    .class_code = 0x0880,
    .int_pin = 1,
    .bar[1] = { .kind = PCI_BAR_MEM_PREFETCH, .size = BAR_BYTES, .region = 0 },
};

const struct device_ops xen_pvdevice_ops = {
    .name = "xen_pvdevice",
    .size = sizeof(struct device),
    .regions = xen_pvdevice_regions,
    .nregions = ARRAY_SIZE(xen_pvdevice_regions),
    .pci = &xen_pvdevice_pci,
};
