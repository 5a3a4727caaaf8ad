/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges - which ports, memory and PCI functions our ioreq server has registered.
 *
 * Xen cannot list them, so both ports of the hypervisor keep this table; its rules are Xen's
 * (Xen hvm/ioreq.c): at most 256 disjoint ranges of a kind, adjacent ones merge, no overlap.
 */
#ifndef IOREQ_RANGES_H
#define IOREQ_RANGES_H

#include "ioreq/hv.h"

#define RANGES_MAX 256u

struct range {
    uint64_t first, last; /* inclusive */
};

struct range_set {
    unsigned nr;
    struct range r[RANGES_MAX]; /* sorted, disjoint, not adjacent */
};

struct ranges {
    struct range_set space[2]; /* by enum hv_space */
    uint8_t pci[256 / 8];      /* bit devfn */
};

/* One of the calls by which accesses are claimed or given up. */
enum range_op { RANGE_NONE, RANGE_MAP, RANGE_UNMAP, RANGE_MAP_PCI, RANGE_UNMAP_PCI };

struct range_change {
    uint32_t op;        /* enum range_op */
    uint32_t space;     /* enum hv_space; 0 for PCI */
    uint64_t base, len; /* bytes; for PCI: devfn, and 1 */
};

/* Does what the change says, as the functions below. */
int ranges_change(struct ranges *s, const struct range_change *c);
/* True if all that the change names is registered. */
bool ranges_have(const struct ranges *s, const struct range_change *c);
/* The first of the changes that lead from `from` to `to`; false: they are equal. Removals come
 * first. */
bool ranges_differ(const struct ranges *from, const struct ranges *to, struct range_change *out);
/* Is this what the functions here leave behind? For a table from elsewhere. */
bool ranges_sane(const struct ranges *s);

/* 0, -EINVAL (empty or wrapping), -EEXIST (overlap), -ENOSPC (257th). */
int ranges_add(struct range_set *s, uint64_t base, uint64_t len);
/* 0, -EINVAL, -ENOENT unless all of it is registered, -ENOSPC if splitting makes too many. */
int ranges_remove(struct range_set *s, uint64_t base, uint64_t len);
/* True if one range holds all of [first, last]. */
bool ranges_hold(const struct range_set *s, uint64_t first, uint64_t last);

/* 0, -EINVAL, -EEXIST; 0, -EINVAL, -ENOENT. devfn 0-255. */
int ranges_add_pci(struct ranges *s, unsigned devfn);
int ranges_remove_pci(struct ranges *s, unsigned devfn);
bool ranges_hold_pci(const struct ranges *s, unsigned devfn);

#endif
