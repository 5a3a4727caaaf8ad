/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slots - the protocol of the two shared pages of an ioreq server.
 *
 * Pure memory code, the same for xen and sim. The synchronous page holds one 32-byte slot per vCPU
 * (state, address, data), the buffered page a ring of 511 writes; layouts and state
 * numbers are Xen's public/hvm/ioreq.h. Rules kept here, so that nobody else has to know them:
 *
 * - a slot is copied once, and only the copy is used;
 * - its state goes READY, INPROCESS, RESP_READY, each once; only the state and `data` are written;
 * - buffered writes that came before a synchronous request are executed before it;
 * - one function publishes an answer.
 *
 * Single-threaded. Absent: more than 128 vCPUs (one page of slots is all that can be mapped).
 */
#ifndef IOREQ_SLOTS_H
#define IOREQ_SLOTS_H

#include "ioreq/request.h"

#define SLOTS_MAX_VCPUS 128u
#define SLOTS_RING      511u /* entries of the buffered page */

enum slots_state { SLOT_NONE = 0, SLOT_READY = 1, SLOT_INPROCESS = 2, SLOT_RESP_READY = 3 };

struct slots_counters {
    uint64_t requests; /* synchronous requests executed, INVALIDATE included */
    uint64_t buffered; /* buffered entries executed */
    uint64_t invalidates;
    uint64_t held;   /* answers that came later */
    uint64_t insane; /* requests that did not get past the checks */
    uint64_t misuse; /* answers with no request to go to: our own fault */
};

struct slots {
    /* Filled in by the owner before the first call. */
    void *page; /* synchronous slots */
    void *ring; /* buffered page, NULL if the server has none */
    unsigned nr_vcpus;
    struct request_sink sink;
    void (*notify)(void *opaque, unsigned vcpu); /* tell Xen that the slot's answer is there */
    void *opaque;                                /* for notify */

    struct slots_counters counters;

    /* Private. */
    bool draining;
    bool early; /* the running request was completed from inside `run` */
    uint16_t running;
    uint64_t early_data;
    struct {
        uint8_t waiting; /* nonzero: held */
        uint8_t size;
        bool answer; /* `data` is to be written */
    } held[SLOTS_MAX_VCPUS];
};

/* Zeroes the private part and the counters; call after filling in the rest. */
void slots_init(struct slots *s);

/* Executes the request of this vCPU, if one is waiting; true if so. Buffered entries that were
 * there before it are executed first. Publishes and notifies, unless the sink held the request. */
bool slots_run_vcpu(struct slots *s, unsigned vcpu);

/* Executes at most 511 buffered entries: those present when it starts. True if there are more. */
bool slots_drain_buffered(struct slots *s);

/* True if the ring holds entries. */
bool slots_buffered_waiting(const struct slots *s);

/* Runs slots_run_vcpu() for all; the number of requests executed. */
unsigned slots_run_all(struct slots *s);

/* True if any vCPU has a request that nobody has taken; a handful of loads, for polling. */
bool slots_ready(const struct slots *s);

/* The answer of a held request; `data` is ignored unless it is a plain read. */
void slots_complete(struct slots *s, unsigned vcpu, uint64_t data);

/* Takes over the pages of a predecessor that died: finishes what it began, executes what waits,
 * notifies again for answers whose notification may be lost. `ring_next` is the index behind the
 * last buffered entry that is known to be executed, or anything else if that is not known: an entry
 * that was executed but is still in the ring is not executed again. */
void slots_scan(struct slots *s, uint16_t ring_next);

/* Answers every request that is waiting, held or begun with all ones, without executing it: for the
 * moment before the server is destroyed, when an unanswered vCPU would stand still for ever. */
void slots_abandon(struct slots *s);

#endif
