/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci - configuration space of the functions on bus 0.
 *
 * The core keeps 256 bytes per function in its own arena record ("pci", instance = devfn), with a
 * write mask and a write-one-to-clear mask per byte made from `struct pci_desc`; maps and unmaps
 * BAR regions when decode bits or BARs change; and refuses DMA without the bus master bit.
 * Source: PCI Local Bus Specification 3.0, chapter 6.
 */
#ifndef HW_CORE_PCI_H
#define HW_CORE_PCI_H

#include "hw/core/device.h"

enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_PROG_IF = 0x09,
    PCI_CLASS = 0x0a,
    PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_ROM = 0x30,
    PCI_CAP_PTR = 0x34,
    PCI_INT_LINE = 0x3c,
    PCI_INT_PIN = 0x3d
};
enum { PCI_COMMAND_IO = 1, PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4 };

enum pci_bar_kind {
    PCI_BAR_NONE,
    PCI_BAR_IO,
    PCI_BAR_MEM,          /* 32 bit, not prefetchable */
    PCI_BAR_MEM_PREFETCH, /* 32 bit, prefetchable */
    PCI_BAR_ROM,          /* index 6 only: enable bit 0 */
};

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size; /* power of two; >= 4 for I/O, >= 16 for memory, >= 2048 for ROM */
    int region;    /* index into ops->regions that it decodes, or -1: see bar_moved */
};

/* One extra writable register of the configuration space. */
struct pci_config_reg {
    uint8_t reg;
    uint8_t width; /* 1, 2, 4 */
    uint32_t reset, rw, w1c;
};

struct pci_desc {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint8_t revision, prog_if;
    uint16_t class_code; /* base << 8 | sub */
    uint8_t int_pin;     /* 0 none, 1 INTA ... 4 INTD */
    uint8_t int_line;    /* reset value of 3ch */
    uint16_t command;    /* reset value of the command register */
    uint16_t status;     /* reset value of the status register */
    bool multifunction;
    struct pci_bar bar[7]; /* 6 = expansion ROM */
    const struct pci_config_reg *config;
    unsigned nconfig;
    /* BAR n decodes at `base` now, or, with base UINT64_MAX, nowhere. For BARs with region -1
     * (memory that is guest RAM, such as VRAM). Not called while nothing changes. */
    void (*bar_moved)(struct device *d, unsigned n, uint64_t base);
    /* BAR size may depend on the configuration (VRAM): overrides bar[n].size if not 0. That of an
     * option ROM is what the image needs, up to bar[6].size. */
    uint32_t (*bar_size)(struct device *d, unsigned n);
};

/* The function's configuration bytes, for the device's own read-only use and for read-only bits
 * that it drives itself (within an event). */
uint8_t *pci_config(struct device *d);
static inline uint16_t pci_config16(struct device *d, unsigned reg)
{
    return le16(pci_config(d) + (reg & 0xfe));
}
static inline uint32_t pci_config32(struct device *d, unsigned reg)
{
    return le32(pci_config(d) + (reg & 0xfc));
}
bool pci_may_master(struct device *d);

/* The region of BAR 6 that shows the option ROM of the wiring, with ones behind its end; `max` as
 * the size in bar[6]. */
uint64_t pci_rom_read(struct device *d, uint32_t offset, unsigned width);
void pci_rom_write(struct device *d, uint32_t offset, unsigned width, uint64_t value);
uint32_t pci_rom_read_block(struct device *d, uint32_t offset, void *buf, uint32_t len);
#define PCI_ROM_REGION(max)                                                                        \
    {                                                                                              \
        .name = "rom", .space = BUS_MMIO, .size = (max), .widths = 1 | 2 | 4 | 8,                  \
        .read = pci_rom_read, .write = pci_rom_write, .read_block = pci_rom_read_block,            \
        .constant = true                                                                           \
    }

#endif
