/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core - what the files of hw/core share among themselves. Devices do not include this.
 */
#ifndef HW_CORE_CORE_H
#define HW_CORE_CORE_H

#include "hw/core/journal.h"
#include "hw/core/machine.h"

#define BUS_RANGES 96 /* ranges of one space: 256 is Xen's limit, a full board has about 50 */
#define IRQ_PENDING                                                                                \
    32 /* line changes of one event kept in order; more keep only the last level                   \
        */
#define PCI_BARS        7
#define PCI_SLOTS       32
#define MACHINE_DEVICES 64

struct bus_range {
    uint64_t base, last; /* inclusive */
    struct device *dev;
    const struct region *region;
};

/* One address space: disjoint ranges sorted by base. */
struct bus {
    enum bus_space space;
    unsigned n;
    unsigned recent; /* place of the range that answered last; checked before it is believed */
    struct bus_range range[BUS_RANGES];
};

struct pci_function {
    struct device *dev;
    uint8_t devfn;
    uint8_t *config; /* 256 bytes, in the arena */
    struct arena_record *record;
    const struct pci_desc *desc;
    uint64_t decoded[PCI_BARS]; /* where the BAR answers now; UINT64_MAX nowhere */
    uint8_t writable[256];
    uint8_t w1c[256];
};

#define MACHINE_STATE(F, A, S)                                                                     \
    F(S, uint64_t, clock_base, ANY, 1) /* guest ns when the clock last started or stopped */       \
    F(S, uint64_t, host_base, ANY, 1)  /* host ns at that moment */                                \
    F(S, uint8_t, running, 1, 1)                                                                   \
    F(S, uint8_t, unplugged, 0xff, 1)            /* mask of Xen unplug requests so far */          \
    A(S, uint8_t, fenced, MACHINE_DEVICES, 1, 1) /* by place on the board */                       \
    A(S, uint8_t, hidden, MACHINE_DEVICES, 1, 2) /* PCI functions that are off the bus, likewise   \
                                                  */
STATE_DEFINE(machine, MACHINE_STATE);

struct irq_change {
    struct irq_line *line;
    bool level;
};

struct machine {
    struct hv *hv;
    struct arena *arena;
    struct machine_state *s;
    struct arena_record *record;
    struct journal_state *j;
    struct publish_state *p;
    uint64_t *progress;    /* counts completed events for whoever watches; never NULL */
    struct device *inside; /* the innermost device in a handler */
    struct gmem *mem;
    struct device *first, **last;
    struct bus pio, mmio;
    struct pci_function *function[256];
    unsigned depth; /* nested events: a device that asks another one to act */
    struct irq_change pending[IRQ_PENDING];
    unsigned npending;
    uint64_t next_deadline;
    bool deadline_stale;
    void (*on_request)(void *opaque, enum machine_request what);
    void *on_request_opaque;
    void (*on_unplug)(void *opaque);
    void *on_unplug_opaque;
    struct machine_stats stats;
    struct guest_log_limit log_limit; /* of what no device is responsible for */
    uint32_t noted[256 / 32];
    struct meter *meter; /* NULL: nobody counts (meter.h) */
    uint16_t ndevices;
    bool dropped;       /* after adoption: the request that was running is not to be run again */
    bool unplugged;     /* by the running event: on_unplug() is due when it has committed */
    uint64_t unwatched; /* where `progress` points when nobody watches */
};

/* publish.c: do what the event that has committed announced; a predecessor's, as far as it has not
 * done it itself; or forget it. */
void publish_all(struct machine *m);
void publish_late(struct machine *m);
void publish_forget(struct machine *m);

/* gmem.c */
bool dma_allowed(struct device *d);

/* event.c. An event of the machine, around those of its devices. */
void event_open(struct machine *m, enum event_kind kind);
void event_close(struct machine *m);
/* begin is false if the device is inside one of its handlers already (S5). */
MUST_CHECK bool event_begin(struct device *d);
void event_end(struct device *d);

/* bus.c */
int bus_map(struct machine *m, enum bus_space space, uint64_t base, uint64_t len, struct device *d,
            const struct region *region);
void bus_unmap(struct machine *m, enum bus_space space, uint64_t base);
void bus_run(struct machine *m, struct request *r);
uint64_t bus_access(struct machine *m, struct bus *bus, uint64_t addr, unsigned width, bool read,
                    uint64_t value);

/* regs.c; see device.h, too */
void regs_reset(struct device *d);
/* The register at an offset of a region, by table row or list of names; NULL if it has no name. */
const char *region_register(const struct region *g, uint32_t offset);

/* recover.c: what a successor does with the state that it finds. */
MUST_CHECK int recover_state(struct machine *m, bool own_fault, struct error *e);
void recover_lines(struct machine *m);
enum request_recovery machine_recover_request(struct machine *m, struct request *r);

/* pci.c */
int pci_add(struct machine *m, struct device *d, int devfn, struct error *e);
void pci_remove(struct device *d);
void pci_reset(struct device *d);
void pci_run(struct machine *m, struct request *r);
uint32_t pci_access(struct machine *m, unsigned devfn, unsigned reg, unsigned width, bool read,
                    uint32_t value);
const char *pci_register(unsigned reg); /* its name in every function, or NULL */
void pci_loaded(struct device *d);
void pci_hide(struct device *d); /* the function vanishes from the bus (unplug) */

#endif
