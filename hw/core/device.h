/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device - what a device is, and everything it may know.
 *
 * A device file defines one `const struct device_ops NAME_ops`, listed in hw/devices.def, and a row
 * in hw/pc.c puts an instance on the board. A device knows its bus (regions, PCI configuration),
 * guest memory (gmem.h), interrupt lines (device_irq), the clock with its timers, and the host side
 * it drives (struct wiring). Nothing else, and no globals.
 *
 * Life: realize (may fail) - reset - accesses, timers, completions - unrealize. Every entry into a
 * device is an *event*: its state is shadowed, the handler runs, update() recomputes outputs, the
 * new state is committed, and only then interrupt lines change and an answer becomes visible.
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "hw/core/gmem.h"
#include "hw/core/log.h"
#include "hw/core/state.h"

struct device;
struct machine;
struct block;
struct chardev;
struct display;
struct net;
struct pci_desc;
struct pci_function;

enum bus_space { BUS_PIO, BUS_MMIO };

/* A register as a table row. `at` is the offset of its (1, 2 or 4 byte) field in the state record:
 * the member has the same width. Bits in no mask are read-only. */
struct reg {
    const char *name;
    uint32_t offset; /* in the region */
    uint8_t width;   /* 1, 2, 4 */
    uint32_t at;
    uint32_t reset;
    uint32_t rw;                                     /* guest writes these bits */
    uint32_t w1c;                                    /* writing one clears */
    uint32_t rc;                                     /* reading clears */
    uint32_t (*read)(struct device *d);              /* instead of the field's value, if not NULL */
    void (*written)(struct device *d, uint32_t old); /* after the field took the new value */
    uint16_t count; /* registers of a table, one after the other, whose fields are an array of the
                       state (then without functions); 0 means 1 */
};

/* A window of ports or memory. Handlers see an offset below `size` and only widths they declared;
 * the bus splits wider accesses (low first) and widens nothing: a narrower access than any declared
 * width reads part of a wider register and writes nothing. Table rows are looked up first, exact
 * offset and width, or any access that lies inside one row (byte of a wider register, merged). */
struct region {
    const char *name;
    enum bus_space space;
    uint32_t size;
    uint8_t widths; /* sum of the widths the handlers take, e.g. 1, 1|2, 1|2|4; 0 means 1 */
    const struct reg *regs;
    unsigned nregs;
    uint64_t (*read)(struct device *d, uint32_t offset, unsigned width);
    void (*write)(struct device *d, uint32_t offset, unsigned width, uint64_t value);
    /* Optional: what the registers behind the handlers are called, by offset (trace, meter, crash
     * records); NULL where there is none. A wide register has its name at each of its offsets. */
    const char *const *names;
    unsigned nnames;
    /* Optional: string transfer (rep ins/outs) at one offset, `count` elements of `width` bytes in
     * ascending order at buf. Returns how many it handled; the bus does the rest one by one. */
    uint32_t (*read_string)(struct device *d, uint32_t offset, unsigned width, void *buf,
                            uint32_t count);
    uint32_t (*write_string)(struct device *d, uint32_t offset, unsigned width, const void *buf,
                             uint32_t count);
    /* Optional for memory windows: `len` consecutive bytes from `offset` on (rep movs between RAM
     * and a window that behaves as plain memory now). Returns bytes handled, may be 0. */
    uint32_t (*read_block)(struct device *d, uint32_t offset, void *buf, uint32_t len);
    uint32_t (*write_block)(struct device *d, uint32_t offset, const void *buf, uint32_t len);
    bool constant; /* reading has no side effects: no shadow is taken for reads */
    /* Optional: true if a read of one byte there would change nothing now, as a status register
     * that is polled: that read is then treated like one of a constant region. */
    bool (*settled)(const struct device *d, uint32_t offset);
    /* Optional: true if what passes there now is contents of a medium, which whoever records may
     * want to leave out. */
    bool (*payload)(const struct device *d, uint32_t offset);
};

/* For struct region: the registers behind its handlers. */
#define NAMED(list) .names = (list), .nnames = ARRAY_SIZE(list)

/* One access inside a region, as the bus does it, in an event of its device: for a device that has
 * a window through which a guest names its registers. */
uint64_t region_read(struct device *d, const struct region *g, uint32_t offset, unsigned width);
void region_write(struct device *d, const struct region *g, uint32_t offset, unsigned width,
                  uint64_t value);

#define DEVICE_REGIONS 8
#define DEVICE_IRQS    2
#define DEVICE_TIMERS  4

struct device_ops {
    const char *name; /* part name, lower case, at most 23 characters */
    size_t size;      /* of the run-time struct, whose first member is struct device */
    const struct state_desc *state; /* record(s) in the arena; NULL: none */
    unsigned state_count;           /* 0 means 1; n: `state` points to an array of n structs, named
                                       as instances of one record (channels, ports) */
    uint32_t bulk_size;             /* payload bytes in the arena, per device */
    const struct region *regions;
    unsigned nregions;
    const struct pci_desc *pci; /* a PCI function's identity and BARs; NULL on ISA */

    int (*realize)(struct device *d, struct error *e); /* 0 or -errno; undone by unrealize */
    void (*unrealize)(struct device *d);               /* undoes whatever was done; never fails */
    void (*reset)(struct device *d);  /* sets state only; the core zeroed it and set reg.reset */
    void (*update)(struct device *d); /* recompute outputs (irq levels, deadlines) from state */
    int (*loaded)(struct device *d,
                  struct error *e); /* check and rebuild caches; state is hostile */
    /* PCI configuration register(s) [reg, reg+width) took a new value. */
    void (*config_written)(struct device *d, unsigned reg, unsigned width);
    /* A machine-wide announcement: Xen unplug. `mask` as in docs/misc/hvm-emulated-unplug of Xen.
     */
    void (*unplug)(struct device *d, unsigned mask);
    /* Stop starting host I/O and wait for what is in flight (save, exit). */
    void (*drain)(struct device *d);
    /* Optional: true if what comes from guest memory to this byte of the device's bulk is contents
     * of a medium. */
    bool (*payload)(const struct device *d, uint32_t offset);
};

/* The host side that a row of the board connects. Borrowed; each device takes what it knows. */
struct wiring {
    struct block *disk[4]; /* IDE: channel * 2 + unit; NULL is an empty place */
    bool cdrom[4];         /* this unit is an ATAPI CD-ROM (disk NULL = no medium) */
    struct chardev *chr;
    struct net *net; /* NULL: none, or, once unplugged, not any more: to be looked at each time */
    uint8_t mac[6];  /* of the network card, as it stands in its EEPROM */
    struct display *display;
    const uint8_t *rom; /* option ROM image, rom_size bytes */
    uint32_t rom_size;
    uint64_t vram_gfn; /* where VRAM is parked when its BAR is off */
    uint32_t vram_bytes;
    const uint8_t *nvram; /* 128 bytes of CMOS preset, or NULL */
    uint32_t vcpus;       /* present CPUs (CPU hotplug bitmap) */
    uint64_t rtc_base;    /* simulator only: the clock at guest time 0, seconds since 2000 */
};

struct irq_line {
    struct device *dev;
    uint8_t kind;   /* enum irq_kind */
    uint8_t number; /* ISA irq, or pin 0-3 of the device's own slot */
    uint8_t level;  /* as last wanted by the device */
};

struct device_timer {
    uint64_t *deadline; /* in the arena; guest ns, 0 = off */
    void (*expired)(struct device *d);
};

/* What a guest may ask for in vain; each with a number of 0 to 255. */
enum note { NOTE_COMMAND, NOTE_PACKET, NOTE_FEATURE, NOTE_REGISTER, NOTE_KINDS };

struct device_stats {
    uint64_t reads, writes;      /* requests from the guest, by direction */
    uint64_t rd_bytes, wr_bytes; /* as accessed, repeat counts included */
    uint64_t dma_reads, dma_writes, dma_bytes;
    uint64_t irqs;    /* line changes */
    uint64_t events;  /* timers, completions, received characters */
    uint64_t refused; /* guest mistakes that we ignored */
};

struct device {
    const struct device_ops *ops;
    struct machine *m;
    char id[24]; /* unique in the machine: name, or name and instance */
    unsigned instance;
    void *state;      /* the record, or the array of state_count records; in the arena */
    void *bulk;       /* payload or NULL; in the arena */
    struct gmem *mem; /* guest memory, for VRAM; DMA goes through dma_*() */
    struct arena_record *record[4];
    struct pci_function *pci; /* NULL on ISA */
    struct wiring host;
    struct irq_line irq[DEVICE_IRQS];
    struct device_timer timer[DEVICE_TIMERS];
    unsigned ntimers;
    struct device_stats stats;
    struct guest_log_limit log_limit;
    uint32_t noted[NOTE_KINDS * 256 / 32]; /* guest_note() has said it */
    struct device *caller; /* while busy: the device that asked this one to act, or NULL */
    uint16_t place;        /* on the board, from 0 */
    bool busy;             /* inside one of its handlers */
    bool fenced;           /* killed a predecessor twice: answers no more */
    bool unplugged;
    bool realized; /* or tried to: unrealize() has something to undo */
    uint8_t look;  /* enum look (trace.h): who wants to know what it does; mostly nobody */
    struct device *next;
};

/* A line for the log about something that the guest asked for and that is not there: once for each
 * kind and number, and within the limit of guest_log(). */
#define guest_note(d, kind, number, ...)                                                           \
    do {                                                                                           \
        uint32_t note_ = (kind)*256u + ((number)&0xffu);                                           \
        if (!((d)->noted[note_ / 32] >> note_ % 32 & 1) && guest_log(d, __VA_ARGS__))              \
            (d)->noted[note_ / 32] |= 1u << note_ % 32;                                            \
    } while (0)

/* Change line `n`. Absolute, forwarded only when it differs, and only after the event committed. */
void device_irq(struct device *d, unsigned n, bool level);

/* Guest time in ns: stops between stop and cont, survives migration. */
uint64_t clock_now(struct device *d);

/* At realize: `expired` runs as an event when clock_now() reaches *deadline (a field of the state;
 * 0 is off; cleared before the call). Arm by timer_arm(), which also tells the loop. */
void timer_register(struct device *d, uint64_t *deadline, void (*expired)(struct device *d));
void timer_arm(struct device *d, uint64_t *deadline, uint64_t when);
void timer_cancel(struct device *d, uint64_t *deadline);

/* Run `handler(d, arg)` as an event: for completions and characters from the host side. */
void device_event(struct device *d, void (*handler)(struct device *d, void *arg), void *arg);

/* Call before writing to the state of another device inside an event. */
void device_touch(struct device *d);

/* The first device of that part name in the same machine, or NULL. */
struct device *device_find(struct device *d, const char *name, unsigned instance);

/* Take a PCI function off the bus until reset: configuration reads give ones, BARs answer no more.
 * For use inside unplug(). */
void device_hide(struct device *d);

/* What a chipset may ask of the machine. */
enum machine_request { MACHINE_RESET, MACHINE_POWEROFF, MACHINE_SLEEP };
void machine_request(struct device *d, enum machine_request what);
void machine_link_route(struct device *d, unsigned link, unsigned irq); /* PIIX3 60h-63h */
void machine_unplug(struct device *d, unsigned mask); /* every device's unplug(), at once */
/* Make guest RAM pages [gfn, gfn+nr) read-only or writable (Xen platform device, ROM lock). */
void machine_protect(struct device *d, uint64_t gfn, uint64_t nr, bool read_only);
/* Move VRAM pages in the guest's physical map; 0 or -errno. */
MUST_CHECK int machine_move_pages(struct device *d, uint64_t from, uint64_t to, uint64_t nr);

#endif
