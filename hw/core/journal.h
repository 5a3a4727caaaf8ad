/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal - what a successor must know beyond the state: which event was running, and which
 * requests are finished but not yet answered.
 *
 * A record of the arena that is not shadowed. It is written around each event, in this order (all
 * stores go to shared memory, in program order, so a death may come between any two of them):
 *
 *   taken(vcpu)        done[vcpu] = 0; then the slot becomes INPROCESS
 *   event begins       arena in_transaction = 1; kind, device
 *   handlers           records are shadowed before the first change
 *   event ends         answer[vcpu], done[vcpu] = 1 (or ring_next); then in_transaction = 0
 *   publication        what the record "publish" announces, then interrupt lines, then the slot's
 *                      answer (or the ring's read pointer)
 *
 * So: in_transaction set: roll back and run the event again. Not set, slot INPROCESS, done: only
 * the publication is missing. Not set, not done: the request had not begun.
 *
 * "publish" (publish.h) is a record of the same kind: a queue of stores to guest memory.
 *
 *   announced          at, len, old, value; then count + 1. In the event, for after its commit
 *   committed          the store; then stored + 1; and so on; then count = 0
 *
 * So: in_transaction set: count = 0, the event announces again. Not set, count > stored: the store
 * number `stored` may have happened, and the guest may have seen it and used the descriptor again;
 * those behind it have not. Each is done where the guest's memory still is `old`, or, of 16 bytes,
 * has the low half of `value` only, which says nothing to a guest. (What cannot be told apart is
 * the one store `stored`, of a guest that has put back the very same bytes meanwhile.)
 */
#ifndef HW_CORE_JOURNAL_H
#define HW_CORE_JOURNAL_H

#include "hw/core/arena.h"
#include "hw/core/publish.h"
#include "ioreq/request.h"

#define JOURNAL_VCPUS  128
#define JOURNAL_LOG    64 /* requests kept for the crash record */
#define JOURNAL_FATALS 8  /* events remembered that killed, so that taking turns saves none */
#define JOURNAL_NONE   0xffff
#define JOURNAL_PAGES  0x10000 /* 256 MiB: the largest video memory */

enum event_kind {
    EVENT_NONE,
    EVENT_REQUEST,
    EVENT_TIMER,
    EVENT_HOST, /* completion, characters, commands */
    EVENT_LAST = EVENT_HOST,
};

/* clang-format off */
#define JOURNAL_STATE(F, A, S)                                                                     \
    F(S, uint64_t, events, ANY, 1)        /* completed so far */                                   \
    F(S, uint8_t, kind, EVENT_LAST, 1)    /* what runs, or ran last */                             \
    F(S, uint8_t, timer, 0xff, 1)         /* number of the device's timer */                       \
    F(S, uint16_t, device, ANY, 1)        /* place on the board of the device inside a handler */  \
    F(S, uint16_t, ring_next, ANY, 1)     /* index behind the last buffered entry executed */      \
    A(S, uint8_t, done, JOURNAL_VCPUS, 1, 1)                                                       \
    A(S, uint64_t, answer, JOURNAL_VCPUS, ANY, 1)                                                  \
    /* guest pages that the running event moves; move_nr 0: none */                                \
    F(S, uint64_t, move_from, ANY, 1)                                                              \
    F(S, uint64_t, move_to, ANY, 1)                                                                \
    F(S, uint64_t, move_nr, JOURNAL_PAGES, 1)                                                      \
    /* events that killed a predecessor by their own fault, the latest first, and how often */     \
    A(S, uint8_t, fatal_kind, JOURNAL_FATALS, EVENT_LAST, 1)                                       \
    A(S, uint8_t, fatal_count, JOURNAL_FATALS, 0xff, 1)                                            \
    A(S, uint16_t, fatal_device, JOURNAL_FATALS, ANY, 1)                                           \
    A(S, uint64_t, fatal_events, JOURNAL_FATALS, ANY, 1) /* `events` then */                       \
    /* the latest requests, a ring: number log_next % JOURNAL_LOG is the oldest */                 \
    F(S, uint64_t, log_next, ANY, 1)                                                               \
    A(S, uint64_t, log_addr, JOURNAL_LOG, ANY, 1)                                                  \
    A(S, uint64_t, log_data, JOURNAL_LOG, ANY, 1)                                                  \
    A(S, uint64_t, log_how, JOURNAL_LOG, ANY, 1) /* see journal_log_how() */
/* clang-format on */
STATE_DEFINE(journal, JOURNAL_STATE);

/* clang-format off */
#define PUBLISH_STATE(F, A, S)                                                                     \
    F(S, uint32_t, count, PUBLISH_STORES, 1)                                                       \
    F(S, uint32_t, stored, PUBLISH_STORES, 1) /* of them; means nothing with count 0 */            \
    A(S, uint64_t, at, PUBLISH_STORES, ANY, 1)                                                     \
    A(S, uint8_t, len, PUBLISH_STORES, PUBLISH_BYTES, 1)                                           \
    A(S, uint64_t, old, PUBLISH_STORES * 2, ANY, 1) /* two for each, the second for 16 bytes */    \
    A(S, uint64_t, value, PUBLISH_STORES * 2, ANY, 1)
/* clang-format on */
STATE_DEFINE(publish, PUBLISH_STATE);

/* Everything of a request but address and data: count, size, type, flags, vCPU. */
static inline uint64_t journal_log_how(const struct request *r)
{
    return (uint64_t)r->count | (uint64_t)(r->size & 0xf) << 32 | (uint64_t)(r->type & 0xf) << 36 |
           (uint64_t)r->read << 40 | (uint64_t)r->df << 41 | (uint64_t)r->data_is_ptr << 42 |
           (uint64_t)r->vcpu << 48;
}

static inline void journal_log(struct journal_state *j, const struct request *r)
{
    unsigned at = (unsigned)(j->log_next++ % JOURNAL_LOG);

    j->log_addr[at] = r->addr;
    j->log_data[at] = r->data;
    j->log_how[at] = journal_log_how(r);
}

/* The request is complete; what the guest will see of it. Inside the transaction. */
static inline void journal_finish(struct journal_state *j, const struct request *r)
{
    if (r->vcpu < JOURNAL_VCPUS) {
        j->answer[r->vcpu] = r->data;
        arena_store_barrier();
        j->done[r->vcpu] = 1;
    } else {
        j->ring_next = r->ring_next;
    }
}

#endif
