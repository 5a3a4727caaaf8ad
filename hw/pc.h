/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc - the board: an i440FX/PIIX3 PC as hvmloader and an unmodified guest expect it.
 */
#ifndef HW_PC_H
#define HW_PC_H

#include "hw/core/machine.h"

#define PC_DISKS   4
#define PC_SERIALS 4
#define PC_NICS    8

/* A network card. */
struct pc_nic {
    const struct device_ops *ops; /* its model; NULL: no card */
    struct net *net;              /* NULL: no cable, or not any more (unplugged) */
    uint8_t mac[6];
    uint8_t slot;       /* of PCI bus 0; 0: the first free one */
    const uint8_t *rom; /* option ROM or NULL */
    uint32_t rom_size;
};

/* Every host resource that reaches the machine, opened by whoever may open it (today the device
 * model itself, later a supervisor). Lives at least as long as the machine. */
struct pc_host {
    struct block *disk[PC_DISKS]; /* channel * 2 + unit; NULL: no disk, or no medium */
    bool cdrom[PC_DISKS];
    struct chardev *serial[PC_SERIALS];
    bool have_serial[PC_SERIALS]; /* the port exists, with or without a stream */
    struct pc_nic nic[PC_NICS];   /* in this order in PCI slots; no gaps */
    struct display *display;
    const uint8_t *vga_rom;
    uint32_t vga_rom_size;
    uint32_t vram_bytes; /* 0: no VGA */
    uint64_t vram_gfn;   /* where VRAM is parked, see pc_vram_gfn() */
    bool no_acpi;        /* no PIIX4 power management */
    bool xen_platform;   /* Xen platform device and unplug */
    bool xen_pvdevice;   /* what Windows Update looks for */
    char boot[5];        /* up to three of a, c, d, n */
    unsigned vcpus;      /* present at start */
    uint8_t nvram[128];  /* filled by pc_build() */
};

/* Put all devices on the board, in the one order that guests and saved states know. */
MUST_CHECK int pc_build(struct machine *m, struct pc_host *host, struct error *e);

/* Models of network cards: by name, and the names of all that there are; NULL: none (more). */
const struct device_ops *pc_nic_model(const char *name);
const char *pc_nic_name(unsigned i);
/* The card in place n of pc_host, on the board; NULL: none. */
struct device *pc_nic_device(struct machine *m, const struct pc_host *host, unsigned n);

/* The models of the cards whose state is in this arena, in their order; nothing behind them. */
void pc_nics_from(struct pc_host *host, const struct arena *a);

/* First guest frame behind RAM, where VRAM waits until its BAR is programmed. */
uint64_t pc_vram_gfn(uint64_t ram_bytes, uint64_t max_ram_below_4g);

#endif
