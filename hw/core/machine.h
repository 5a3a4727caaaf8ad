/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine - the devices of one guest, their buses, memory, clock and state, put together.
 *
 * Made from a hypervisor port and an arena; host resources arrive through `struct wiring` of each
 * row, so that whoever opened them (this process, later a supervisor) makes no difference. Several
 * machines can live in one process.
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/arena.h"
#include "hw/core/device.h"
#include "hw/core/pci.h"
#include "ioreq/hv.h"
#include "ioreq/request.h"

#define NO_PORT 0u
#define NO_IRQ  (-1)
#define NO_PCI  (-1)
#define ANY_PCI (-2) /* first free slot from 2 on, in the order of rows */

enum irq_kind { IRQ_NONE, IRQ_ISA, IRQ_INTX };

/* One row of the board. */
struct device_row {
    const struct device_ops *ops;
    unsigned instance;
    uint64_t base[DEVICE_REGIONS]; /* fixed base of each region; NO_PORT = not fixed (a BAR's, or
                                      nowhere). Region 0 at port 0 is written as PORT_ZERO */
    int isa_irq[DEVICE_IRQS]; /* ISA line numbers; 0 = none. Line 0, which on Xen is never ours,
                                 is written as ISA_ZERO */
    int devfn;                /* slot << 3 | function, ANY_PCI; ignored on ISA */
    struct wiring host;
};
#define PORT_ZERO UINT64_MAX
#define ISA_ZERO  0x100

struct machine;

MUST_CHECK int machine_new(struct hv *hv, struct arena *arena, struct machine **out,
                           struct error *e);
void machine_free(struct machine *m); /* unrealizes all devices; hv and arena stay the caller's */

/* Realize a device and claim its ranges. */
MUST_CHECK int machine_add(struct machine *m, const struct device_row *row, struct error *e);
void machine_reset(struct machine *m); /* all devices, as at power-on; guest RAM keeps its bytes */

/* The sink for ioreq/: requests and invalidations end up here. */
void machine_sink(struct machine *m, struct request_sink *sink);
void machine_run(struct machine *m, struct request *r);

/* Timers, for the loop or the simulator's clock. */
uint64_t machine_deadline(struct machine *m);      /* guest ns of the next timer; UINT64_MAX none */
uint64_t machine_host_deadline(struct machine *m); /* the same by the port's clock */
void machine_expired(struct machine *m);           /* run what is due, in order of deadlines */
void machine_set_running(struct machine *m, bool running); /* the guest's clock stops and goes */
bool machine_running(const struct machine *m);

/* What the guest asked for; the caller decides what it means. Called inside the event, before its
 * answer is visible. Default (NULL): tell the hypervisor port. */
void machine_on_request(struct machine *m, void (*fn)(void *opaque, enum machine_request what),
                        void *opaque);

/* Called after an event in which devices were unplugged has committed, before it is answered: host
 * resources that they do not need any more can be given up. NULL: nobody wants to know. */
void machine_on_unplug(struct machine *m, void (*fn)(void *opaque), void *opaque);

/* Wait until no device has host I/O in flight. */
void machine_drain(struct machine *m);

/* Check the arena against the board and let devices rebuild what they derive from it. */
MUST_CHECK int machine_loaded(struct machine *m, struct error *e);

/* Instead of machine_loaded(), in an arena that a predecessor on this host has left: what it was
 * doing is rolled back, guest time has gone on meanwhile. `own_fault`: it died of what it did (a
 * signal that a fault raises, or the watchdog): an event that does so twice is given up, and its
 * device fenced off. A machine that handed over and is asked back calls it for itself: its
 * successor may have got some way. Then slots_scan() with machine_ring_next(). */
MUST_CHECK int machine_adopted(struct machine *m, bool own_fault, struct error *e);
/* Behind machine_adopted(), by a build that may know better: nothing is fenced off any more. */
void machine_trust_again(struct machine *m);
uint16_t machine_ring_next(const struct machine *m);
/* Add one to *counter (shared memory) for each completed event; NULL: no more. Not before
 * machine_adopted(), whose own events are no progress of the guest. */
void machine_watch(struct machine *m, uint64_t *counter);

/* Looking inside. */
struct device *machine_devices(struct machine *m); /* first; follow ->next */
struct device *machine_find(struct machine *m, const char *name, unsigned instance); /* or NULL */
struct gmem *machine_gmem(struct machine *m);
struct hv *machine_hv(struct machine *m);
struct arena *machine_arena(struct machine *m);

/* Who answers at the address of a request now; NULL: nobody. *region is NULL for PCI configuration
 * space. Reads only, allocates nothing: for a signal handler, too. */
struct device *machine_target(const struct machine *m, const struct request *r,
                              const struct region **region, uint32_t *offset);
/* The same by name; false: nobody. For a signal handler, too. */
struct register_name {
    const char *device, *region;
    const char *reg; /* NULL: it has no name */
    uint32_t offset; /* in the region */
};
bool machine_register(const struct machine *m, const struct request *r, struct register_name *out);
/* The same in words: "uart16550 uart.LSR", "stdvga window+1f00", or "" for nobody. */
void machine_name_target(const struct machine *m, const struct request *r, char *name, size_t size);
/* Whose handler runs, or ran last; NULL: nobody's. */
struct device *machine_inside(struct machine *m);

struct machine_stats {
    uint64_t requests, buffered, unclaimed, invalidations;
};
const struct machine_stats *machine_stats(const struct machine *m);

/* Guest accesses without an ioreq (tests, fuzzing, qtest port). Ones where nobody claims. */
uint64_t machine_access(struct machine *m, enum bus_space space, uint64_t addr, unsigned width,
                        bool read, uint64_t value);
uint32_t machine_config(struct machine *m, unsigned devfn, unsigned reg, unsigned width, bool read,
                        uint32_t value);

#endif
