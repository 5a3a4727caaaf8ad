/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv - what a PV back end asks of the hypervisor: grants, frames and event channels of one guest.
 *
 * The counterpart of hv.h for hw/xen/. Implementations: pv_xen.c (libxengnttab, libxenevtchn,
 * libxenforeignmemory), pv_sim.c (in memory). Functions return 0 or -errno. References, frames and
 * ports are the guest's word: a wrong one is -errno, never more. Absent: read-only mappings (who
 * only reads, or only once, copies).
 */
#ifndef IOREQ_PV_H
#define IOREQ_PV_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/error.h"
#include "ioreq/loop.h"

struct pv;

/* One bound event channel; owned by the back end, alive from bind to unbind. */
struct pv_channel {
    void (*event)(void *opaque); /* from the loop; may unbind itself */
    void *opaque;
    uint32_t port; /* private, as is the rest */
    bool bound;
    struct pv_channel *next;
};

/* One piece of a grant copy: within one page of the guest, any memory of ours. */
struct pv_copy {
    void *local;
    uint32_t ref;
    uint16_t offset, length; /* bytes in the guest's page */
    bool to_guest;
    bool failed; /* the answer */
};

struct pv_ops {
    /* Maps `nr` (1-16) granted pages, readable and writable, contiguously. */
    int (*map_grants)(struct pv *p, const uint32_t *refs, unsigned nr, void **host);
    void (*unmap_grants)(struct pv *p, void *host, unsigned nr);
    /* Copies all pieces in one go; each says for itself whether it failed. Pieces may be in any
     * order and any number; none may leave its page. */
    void (*copy_grants)(struct pv *p, struct pv_copy *pieces, unsigned nr);
    /* Maps one frame of the guest by its number, which needs no grant from it. -ENOTSUP where the
     * process may not have that right. */
    int (*map_frame)(struct pv *p, uint64_t gfn, void **host);
    void (*unmap_frame)(struct pv *p, void *host);

    /* The channel is pending once after bind. */
    int (*bind)(struct pv *p, uint32_t remote_port, struct pv_channel *c);
    void (*unbind)(struct pv *p, struct pv_channel *c); /* twice is once */
    void (*notify)(struct pv *p, struct pv_channel *c);

    /* Everything is unmapped and unbound before. */
    void (*destroy)(struct pv *p);
};

struct pv {
    const struct pv_ops *ops; /* first member of each implementation */
};

/* How a process gets one. 0 or -errno with a sentence. */
typedef int pv_open_fn(struct loop *l, unsigned domid, struct pv **out, struct error *e);

/* Handles are opened when first needed: a guest whose front ends never come costs nothing. */
pv_open_fn pv_xen_open;
/* For a process that is about to be confined: fresh handles of the grant and event channel devices
 * are opened at once, the latter for channels of this domain only; frames cannot be mapped. */
pv_open_fn pv_xen_open_confined;

#endif
