/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_worker - the process that serves the PV back ends of one guest: grants and
 * event channels of its domain, and a filtered way to xenstore, and nothing else.
 */
#ifndef TOOLSTACK_PV_WORKER_H
#define TOOLSTACK_PV_WORKER_H

#include "ioreq/pv.h"
#include "toolstack/config.h"
#include "toolstack/supervised.h"

/* Serve until told to end. Connections that a predecessor had go on. 0 after a clean end, which
 * leaves xenstore's states as they are for a successor; so does -errno with a sentence, if it could
 * not start or go on. `s` is closed in every case. */
MUST_CHECK int pv_worker_run(struct supervised *s, const struct config *c, struct error *e);

/* The same with another way to the hypervisor, for tests. */
MUST_CHECK int pv_worker_serve(struct supervised *s, const struct config *c, pv_open_fn *open,
                               struct error *e);

#endif
