/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_consoles - the channels of the command line, as streams that outlive the process, and their
 * PV consoles (hw/xen/console.h).
 */
#ifndef TOOLSTACK_PV_CONSOLES_H
#define TOOLSTACK_PV_CONSOLES_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct config;
struct loop;
struct pv;
struct pv_consoles;
struct supervised;
struct xenstore;

/* Open all streams, or take them from a predecessor, and give them to the supervisor. Before the
 * process is confined; `s` is NULL without a supervisor. One that cannot be opened is an error in
 * the log, and its console is refused later. 0 or -errno with a sentence. */
MUST_CHECK int pv_consoles_open(struct loop *l, const struct config *c, struct supervised *s,
                                struct pv_consoles **out, struct error *e);
/* Serve the domain's consoles with them, from the first pv_consoles_resume() on. `events` is
 * optional. All are borrowed and outlive it. */
MUST_CHECK int pv_consoles_serve(struct pv_consoles *p, struct xenstore *x, struct pv *pv,
                                 volatile uint64_t *events, struct error *e);
void pv_consoles_resume(struct pv_consoles *p);
/* A successor serves them, and listens on their sockets, from now on. */
void pv_consoles_pause(struct pv_consoles *p);
void pv_consoles_close(struct pv_consoles *p); /* NULL is nothing */

#endif
