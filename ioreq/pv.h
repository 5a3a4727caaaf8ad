/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv - what a PV back end asks of the hypervisor: grants, frames and event channels of one guest.
 *
 * The counterpart of hv.h for hw/xen/. Implementation: pv_xen.c (libxengnttab, libxenevtchn,
 * libxenforeignmemory). Functions return 0 or -errno. References, frames and ports are the guest's
 * word: a wrong one is -errno, never more. Absent: a simulator; grant copy; persistent grants.
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

struct pv_ops {
    /* Maps `nr` (1-16) granted pages, readable and writable, contiguously. */
    int (*map_grants)(struct pv *p, const uint32_t *refs, unsigned nr, void **host);
    void (*unmap_grants)(struct pv *p, void *host, unsigned nr);
    /* Maps one frame of the guest by its number, which needs no grant from it. */
    int (*map_frame)(struct pv *p, uint64_t gfn, void **host);
    void (*unmap_frame)(struct pv *p, void *host);

    /* The channel is pending once after bind. */
    int (*bind)(struct pv *p, uint32_t remote_port, struct pv_channel *c);
    void (*unbind)(struct pv *p, struct pv_channel *c); /* twice is once */
    void (*notify)(struct pv *p, struct pv_channel *c);

    void (*destroy)(struct pv *p); /* everything unmapped and unbound before */
};

struct pv {
    const struct pv_ops *ops; /* first member of each implementation */
};

/* Handles are opened when first needed: a guest whose front ends never come costs nothing. */
int pv_xen_open(struct loop *l, unsigned domid, struct pv **out, struct error *e);

#endif
