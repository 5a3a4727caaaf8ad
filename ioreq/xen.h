/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen - the hypervisor port on real Xen: one ioreq server of one HVM domain.
 *
 * Order of use: hv_xen_open(), then the machine registers ranges and PCI functions and populates
 * memory through hv->ops, then hv_xen_start(), then the loop runs. hv->ops->poll belongs into the
 * loop's hook of that name, else requests are served by events only. hv->ops->destroy() gives back
 * everything, the server included.
 */
#ifndef IOREQ_XEN_H
#define IOREQ_XEN_H

#include "hw/core/error.h"
#include "ioreq/hv.h"
#include "ioreq/loop.h"
#include "ioreq/request.h"
#include "ioreq/slots.h"

/* Opens the Xen handles, creates the server and maps its pages; nothing is served yet. `sink` is
 * copied and may be NULL until hv_xen_set_sink(). 0 or -errno with *e. */
int hv_xen_open(struct loop *l, unsigned domid, const struct request_sink *sink, struct hv **out,
                struct error *e);
void hv_xen_set_sink(struct hv *hv, const struct request_sink *sink);

/* Enables the server and binds its event channels: requests arrive from the next loop turn on. */
int hv_xen_start(struct hv *hv, struct error *e);

/* Restricts every Xen handle of the process to the domain. populate() and set_sleep_state() fail
 * from then on, and handles of other libraries (xenstore, grants) are dead. */
int hv_xen_restrict(struct hv *hv, struct error *e);

/* Live migration has begun or ended: whether mark_dirty() tells Xen. */
void hv_xen_set_log_dirty(struct hv *hv, bool on);

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
