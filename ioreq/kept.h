/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept - what a successor must know of our ioreq server, in memory that outlives the process.
 *
 * Xen keeps the server, its pages and its ranges, but can list none of them. So the server's id is
 * here, and the table of what is registered with it. A change is noted before the hypercall, and
 * the table, of which there are two copies, is switched by one store after it: whoever finds a note
 * knows which range is uncertain, and that it is the only one.
 *
 * Pointer free; the bytes come from a process that may have been taken over by its guest.
 */
#ifndef IOREQ_KEPT_H
#define IOREQ_KEPT_H

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "ioreq/ranges.h"

#define KEPT_LAYOUT  1u
#define KEPT_SERVERS 0x10000u /* ids are 16 bits */

struct kept {
    uint32_t layout;           /* KEPT_LAYOUT; zeroed memory is none yet */
    uint32_t server;           /* id + 1; 0: none */
    uint32_t current;          /* which table counts */
    uint32_t pad;              /* 0 */
    struct range_change doing; /* op not RANGE_NONE: under way, its effect is not known */
    struct ranges table[2];
};

/* Performs a change at the hypervisor: 0 or -errno. */
typedef int kept_apply_fn(void *opaque, const struct range_change *c);

void kept_init(struct kept *k, uint32_t server);
/* 0, or -EINVAL with a sentence if these bytes cannot be right. */
MUST_CHECK int kept_check(const struct kept *k, struct error *e);

static inline const struct ranges *kept_table(const struct kept *k)
{
    return &k->table[k->current & 1];
}

/* One change: table and hypervisor. 0, or -errno as ranges.h or `apply` have it; then it has not
 * taken place. */
MUST_CHECK int kept_change(struct kept *k, const struct range_change *c, kept_apply_fn *apply,
                           void *opaque);

/* After a predecessor: make what is registered equal to `claimed`, whatever it was doing. What the
 * hypervisor knows better (-EEXIST, -ENOENT) is no error. */
MUST_CHECK int kept_settle(struct kept *k, const struct ranges *claimed, kept_apply_fn *apply,
                           void *opaque);

#endif
