/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervisor - the process that libxl starts and that outlives the device model.
 *
 * It holds what must survive (descriptors), starts the workers (device model and PV worker; for a
 * guest without emulated hardware the PV worker only), starts them again when they die, replaces
 * them by another build on request, and ends them. It knows nothing of the guest and parses nothing
 * that comes from it; what a worker says is bounded and checked. The contract with the workers is
 * toolstack/supervised.h.
 *
 * Uses libc, ioreq/loop.h, hw/core/log.h, toolstack/xenstore.h and the two messages functions of
 * supervised.h; no Xen library.
 */
#ifndef TOOLSTACK_SUPERVISOR_SUPERVISOR_H
#define TOOLSTACK_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

#define SUPERVISOR_DIRECTORY "/run/hvmdm" /* of control sockets: DOMID.supervisor */

/* The few things that are asked of Xen. Each returns 0 or -errno. */
struct supervisor_xen {
    int (*destroy_server)(unsigned domid, unsigned id);
    int (*crash)(unsigned domid);
    int (*sleep_state)(unsigned domid, unsigned state);
    int (*look)(unsigned domid); /* -ESRCH: there is no such domain any more */
};
extern const struct supervisor_xen supervisor_xen; /* hypercall.c */

enum supervisor_job {
    SUPERVISOR_RUN,
    SUPERVISOR_PASS_ON,     /* help, version, probe, nonsense: the device model answers */
    SUPERVISOR_CHECK_STATE, /* could we go on from this state? */
};

struct supervisor_options {
    char **argv; /* passed to the device model as it is */
    enum supervisor_job job;
    unsigned domid;
    const char *name;      /* of the domain, or "" */
    const char *model;     /* path, or NULL: beside us */
    int state;             /* descriptor, for SUPERVISOR_CHECK_STATE */
    const char *directory; /* of control sockets; NULL: SUPERVISOR_DIRECTORY */
    const char *records;   /* directory of crash records; NULL: none are written */
    bool no_sandbox;
    bool pv_only;         /* a PV or PVH guest (-machine xenpv): back ends, no device model */
    bool asked_by_qmp;    /* whether we are ready (dm_restrict); not told in xenstore */
    int (*confine)(void); /* give up what we do not need, 0 or -errno; NULL: nothing */
    const struct supervisor_xen *xen;
    unsigned patience_ms; /* for each step of an upgrade; 0: 10 s */
};

/* Picks what we need from the arguments; all other members are the caller's. */
void supervisor_scan(struct supervisor_options *o, int argc, char *argv[]);

/* Does the job; returns the exit status. SUPERVISOR_PASS_ON does not come back if it succeeds. */
int supervisor_main(const struct supervisor_options *o);

#endif
