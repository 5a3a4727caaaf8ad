/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen - the hypervisor port on real Xen: one ioreq server of one HVM domain.
 *
 * Order of use, for a server of our own: hv_xen_open(), or attach and create; then the machine
 * registers ranges and PCI functions and populates memory through hv->ops; then hv_xen_start(),
 * then the loop runs. For one that a predecessor has left: hv_xen_attach(), hv_xen_adopt(), the
 * machine is built and adopted (nothing is registered meanwhile), hv_xen_settle(), hv_xen_start(),
 * hv_xen_scan(). hv->ops->poll belongs into the loop's hook of that name, else requests are served
 * by events only. hv->ops->destroy() gives back everything: the server included, unless it is
 * somebody else's (before hv_xen_settle(), after hv_xen_release()).
 */
#ifndef IOREQ_XEN_H
#define IOREQ_XEN_H

#include "hw/core/error.h"
#include "ioreq/hv.h"
#include "ioreq/kept.h"
#include "ioreq/loop.h"
#include "ioreq/request.h"
#include "ioreq/slots.h"

/* Opens the Xen handles: all that needs privileges. 0 or -errno with *e, as all here. */
int hv_xen_attach(struct loop *l, unsigned domid, struct hv **out, struct error *e);
/* Creates the server and maps its pages; nothing is served yet. `kept` is where a successor will
 * look for it, zeroed memory that outlives *hv; NULL: there is none. */
int hv_xen_create(struct hv *hv, struct kept *kept, struct error *e);
/* Both. `sink` is copied and may be NULL until hv_xen_set_sink(). */
int hv_xen_open(struct loop *l, unsigned domid, const struct request_sink *sink, struct hv **out,
                struct error *e);
void hv_xen_set_sink(struct hv *hv, const struct request_sink *sink);

/* Maps the pages of the server that `kept` tells of, whose event channels nobody has bound. The
 * machine's claims are only noted from then on. */
int hv_xen_adopt(struct hv *hv, struct kept *kept, struct error *e);
/* Makes what is registered equal to the claims, and the server ours; also after hv_xen_release().
 */
int hv_xen_settle(struct hv *hv, struct error *e);
/* Go on in another place; what is known is copied there. */
void hv_xen_keep(struct hv *hv, struct kept *kept);
unsigned hv_xen_server(struct hv *hv); /* its id */

/* Enables the server and binds its event channels: requests arrive from the next loop turn on. */
int hv_xen_start(struct hv *hv, struct error *e);
/* Looks after every slot and the ring: what a predecessor began, what came meanwhile. */
void hv_xen_scan(struct hv *hv, uint16_t ring_next);
/* Lets another process adopt the server: no request is looked at any more, event channels are not
 * bound, everything else stays. To take it back: settle, start, scan. */
void hv_xen_release(struct hv *hv);
/* The server is ours to destroy, whoever had it last: all who could have it are ending. */
void hv_xen_forsake(struct hv *hv);

/* Restricts every Xen handle of the process to the domain. populate() and set_sleep_state() fail
 * from then on, and handles of other libraries (xenstore, grants) are dead. */
int hv_xen_restrict(struct hv *hv, struct error *e);

/* The protocol engine: counters, slots_complete() for held requests. */
struct slots *hv_xen_slots(struct hv *hv);

struct xen_counters {
    uint64_t events;   /* event channel wake-ups that carried a request */
    uint64_t spurious; /* those that did not */
    uint64_t polled;   /* requests seen by polling, before their event */
    uint64_t polls;    /* waits on the shared page that ended in vain */
};

const struct xen_counters *hv_xen_counters(struct hv *hv);

#endif
