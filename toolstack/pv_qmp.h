/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_qmp - what libxl asks by QMP of a PV or PVH guest's device model, which is the PV worker:
 * status, disks for xentop, sizes, the end.
 */
#ifndef TOOLSTACK_PV_QMP_H
#define TOOLSTACK_PV_QMP_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct config;
struct loop;
struct pv_disks;
struct pv_qmp;
struct supervised;

/* Listen on the sockets of the command line, or on a predecessor's, and give them to the
 * supervisor. Before the process is confined. All are borrowed and outlive it. 0 or -errno with a
 * sentence. */
MUST_CHECK int pv_qmp_open(struct loop *l, const struct config *c, struct supervised *s,
                           struct pv_disks *disks, struct pv_qmp **out, struct error *e);
/* A successor listens from now on; or not (false). NULL is nothing. */
void pv_qmp_rest(struct pv_qmp *q, bool on);
void pv_qmp_close(struct pv_qmp *q); /* NULL is nothing */

#endif
