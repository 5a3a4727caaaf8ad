/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_private - shared by xen.c (server, events), xen_ops.c (hypercalls) and xen_poll.c (polling).
 */
#ifndef IOREQ_XEN_PRIVATE_H
#define IOREQ_XEN_PRIVATE_H

#include <stdint.h>
#include <x86intrin.h>

#define __XEN_TOOLS__ 1 /* Xen's headers show the toolstack part only then */
#include <xen/hvm/dm_op.h>
#include <xen/hvm/ioreq.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include "ioreq/hv.h"
#include "ioreq/loop.h"
#include "ioreq/kept.h"
#include "ioreq/slots.h"
#include "ioreq/xen.h"

/* See xen_poll.c. */
struct xen_poll {
    uint64_t answered; /* TSC when the latest answer had been given */
    uint64_t gap;      /* smoothed time from an answer to the next request, in TSC cycles */
    uint32_t skip;     /* answers to let pass before polling is tried again */
    uint32_t backoff;  /* the next value of skip */
    uint8_t credit;    /* polling is on while this is not 0 */
    bool wired;        /* the loop does call the hook */
    bool armed;        /* an answer was given since the last wait */
    bool failed;       /* the latest wait ended in vain: its gap says nothing */
};

struct xen {
    struct hv hv; /* first member */
    domid_t domid;
    ioservid_t id;
    bool have_id, enabled, log_dirty;
    bool timer_armed;   /* the loop expects its end */
    bool buffered_busy; /* its port stays masked, the timer looks after the ring */
    bool forsaken;      /* nobody else will end the server: hv_xen_forsake() */
    bool claiming; /* the server is not ours to change, now: ranges are only noted in `claimed` */
    bool serving;  /* event channels are bound */
    struct loop *loop;
    struct loop_source events, timer;
    xendevicemodel_handle *dmod;
    xenforeignmemory_handle *fmem;
    xenforeignmemory_resource_handle *pages;
    xenevtchn_handle *evtchn;
    xencall_handle *call;
    evtchn_port_t buffered_remote, buffered_port;
    evtchn_port_t port[SLOTS_MAX_VCPUS];   /* local ends, by vCPU */
    evtchn_port_t masked[SLOTS_MAX_VCPUS]; /* read from the device, not yet written back */
    unsigned nr_masked;
    uint64_t buffered_seen; /* counter at the last tick of the timer */
    struct xen_poll poll;
    struct xen_counters counters;
    struct slots slots;
    struct kept *kept; /* `own`, or memory that a successor will see */
    struct kept own;
    struct ranges claimed;
};

extern const struct hv_ops xen_ops;

static inline struct xen *xen_of(struct hv *hv)
{
    return (struct xen *)(void *)hv;
}

int xen_apply(void *opaque, const struct range_change *c); /* the hypercall of kept.h */
void xen_close(struct xen *x);                             /* the whole of destroy */
void xen_unmask(struct xen *x);                            /* writes back all of x->masked */
void xen_poll_init(struct xen *x);
bool xen_poll(struct hv *hv);                        /* hv_ops.poll */
void xen_poll_request(struct xen *x, uint64_t seen); /* a request was met at this TSC value */
void xen_poll_answered(struct xen *x);               /* and has been answered now */
bool xen_poll_active(const struct xen *x);           /* ports may stay masked until the hook runs */

#endif
