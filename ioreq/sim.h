/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim - the hypervisor port in memory: deterministic, no Xen, a clock that the test moves.
 *
 * What a test or a fuzzer sees of it. Everything below takes the `struct hv` of hv_sim_new() and
 * nothing else. Requests take the way of the real protocol, through slot and ring pages.
 */
#ifndef IOREQ_SIM_H
#define IOREQ_SIM_H

#include "ioreq/hv.h"
#include "ioreq/request.h"
#include "ioreq/slots.h"

struct sim_options {
    uint64_t ram_size;   /* bytes of guest RAM, a multiple of 64 KiB; 0: 16 MiB. From 0xf0000000 on
                          * it continues at 4 GiB; frames 0xa0-0xbf are a hole */
    uint32_t spare_size; /* bytes that populate() may add; 0: 64 MiB. Costs nothing until touched */
    unsigned nr_vcpus;   /* 0: 4 */
    bool promiscuous;    /* deliver accesses that no registered range covers, too */
};

/* `options` may be NULL; NULL with errno on failure. Free with hv->ops->destroy(). */
struct hv *hv_sim_new(const struct sim_options *options);
/* Who receives the requests; before the first one. Copied. */
void sim_set_sink(struct hv *hv, const struct request_sink *sink);

/* --- Guest memory. Direct, unfiltered. False or NULL if a frame is absent. */
bool sim_ram_read(struct hv *hv, uint64_t gpa, void *buf, size_t len);
bool sim_ram_write(struct hv *hv, uint64_t gpa, const void *buf, size_t len);
void *sim_ram_ptr(struct hv *hv, uint64_t gpa, size_t len); /* NULL also if not contiguous */
/* The guest gives a frame up; what still maps the old page keeps seeing the old page. Sends no
 * INVALIDATE: that is a request (sim_invalidate). */
bool sim_balloon_out(struct hv *hv, uint64_t gfn);
bool sim_frame_present(struct hv *hv, uint64_t gfn);
enum hv_mem_type sim_mem_type(struct hv *hv, uint64_t gfn);
bool sim_pinned(struct hv *hv, uint64_t gfn); /* pin_cacheattr() write-back covers it */
/* Frame marked by mark_dirty() since the last sim_dirty_clear(). */
bool sim_dirty(struct hv *hv, uint64_t gfn);
void sim_dirty_clear(struct hv *hv);

/* --- Clock, ns. */
void sim_clock_set(struct hv *hv, uint64_t now); /* backward is ignored */
void sim_clock_step(struct hv *hv, uint64_t ns);

/* --- What the machine told the hypervisor. */
struct sim_line {
    bool level;
    uint32_t edges; /* changes of level, both ways */
    uint32_t calls; /* calls, changes or not */
};

const struct sim_line *sim_isa(struct hv *hv, unsigned irq);                 /* 0-15 */
const struct sim_line *sim_intx(struct hv *hv, unsigned slot, unsigned pin); /* 0-31, 0-3 */
unsigned sim_link(struct hv *hv, unsigned link);                             /* routed irq, or 0 */
/* Bit n: interrupt n (0-15) is asserted, by its ISA line or by a PCI pin whose link is routed there
 * (link = slot + pin modulo 4, as in Xen). */
uint32_t sim_irqs(struct hv *hv);
/* Call fn after each change of a line or a route; NULL: nobody wants to know. Not to be used to
 * enter the machine: its event has committed, but other lines of the same event may follow. */
void sim_on_line(struct hv *hv, void (*fn)(void *opaque), void *opaque);
/* What was written to 0xcf8 last, all bits of it: Xen's latch. Only sim_request() sets it. */
uint32_t sim_confadd(struct hv *hv);

struct sim_msi {
    uint64_t address;
    uint32_t data;
};

uint64_t sim_msi_count(struct hv *hv);
/* The i-th MSI since the beginning; only the latest 64 are kept, others give NULL. */
const struct sim_msi *sim_msi(struct hv *hv, uint64_t i);
bool sim_has_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len);
bool sim_has_pci(struct hv *hv, unsigned devfn);
int sim_shutdown_reason(struct hv *hv); /* enum hv_shutdown of the first call, -1: none */
unsigned sim_sleep_state(struct hv *hv);

/* --- Requests, as a guest makes them.
 *
 * sim_request: through the slot of r->vcpu. Xen's part is played as well: an access that no range
 * covers is not delivered, and PIO to 0xcfc-0xcff becomes PCI_CONFIG by the latch of 0xcf8.
 *   0            answered; a plain read has its answer in r->data
 *   -ENOENT      not ours: reads give all ones
 *   -EINPROGRESS the sink holds it: sim_answer() later
 *   -EBUSY       the vCPU has a request outstanding, or r->vcpu is out of range */
int sim_request(struct hv *hv, struct request *r);
/* 0 and *data once a held request of this vCPU has been answered; -EINPROGRESS before that,
 * -ENOENT without one. */
int sim_answer(struct hv *hv, unsigned vcpu, uint64_t *data);
/* Straight to the sink after the sanity check, no pages, no ranges: for speed. True if held. */
bool sim_request_direct(struct hv *hv, struct request *r);
/* Into the buffered ring, executed at the next request or drain; -ENOSPC when full. */
int sim_buffered(struct hv *hv, const struct request *r);
/* INVALIDATE, as the guest's balloon causes it; needs vCPU 0 idle. */
int sim_invalidate(struct hv *hv);

uint32_t sim_in(struct hv *hv, uint16_t port, unsigned size);
void sim_out(struct hv *hv, uint16_t port, unsigned size, uint32_t value);
uint64_t sim_mmio_read(struct hv *hv, uint64_t gpa, unsigned size);
void sim_mmio_write(struct hv *hv, uint64_t gpa, unsigned size, uint64_t value);
/* By 0xcf8 and 0xcfc, if the machine claimed them; reg may be unaligned within its dword. */
uint32_t sim_pci_read(struct hv *hv, unsigned devfn, unsigned reg, unsigned size);
void sim_pci_write(struct hv *hv, unsigned devfn, unsigned reg, unsigned size, uint32_t value);

/* As if another process had opened the port: what only the old one knew is forgotten (ranges, held
 * requests), what Xen keeps stays (pages, lines, memory). */
void sim_new_process(struct hv *hv);
/* The protocol engine, for tests of the protocol: counters, complete(), the pages. */
struct slots *sim_slots(struct hv *hv);
uint64_t sim_notifications(struct hv *hv);

/* --- Failure and malice. */
/* The n-th map_frames() from now (1: the next) gives NULL, once. 0: never. */
void sim_fail_map(struct hv *hv, unsigned n);
/* The n-th copy through the guest-memory door from now fails, once. 0: never. */
void sim_fail_copy(struct hv *hv, unsigned n);
/* Copies through the door, since the beginning: tells a loop over n when to stop. */
uint64_t sim_copies(struct hv *hv);
/* Flip memory: a byte that is read twice in one request gives its complement the second time.
 * Needs the machine's door to call the filters of hv_ops. A request is what sim_request() sends;
 * sim_flip_reset() begins a new one elsewhere (timers, completions). 0 or -ENOMEM. */
int sim_flip_enable(struct hv *hv, bool on);
void sim_flip_reset(struct hv *hv);
uint64_t sim_flip_hits(struct hv *hv); /* bytes that were read again, since enabling */

#endif
