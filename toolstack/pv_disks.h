/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_disks - what the PV worker does for its disks (struct blkback_host): images that the
 * supervisor opens, memory that outlives the worker, and the agreement with the device model about
 * who has a disk (handover.h).
 */
#ifndef TOOLSTACK_PV_DISKS_H
#define TOOLSTACK_PV_DISKS_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct blkback;
struct blkback_host;
struct loop;
struct pv_disks;
struct supervised;
struct vm_block;

/* Takes what the supervisor holds. `s` and the loop outlive it. 0 or -errno with a sentence. */
MUST_CHECK int pv_disks_open(struct loop *l, struct supervised *s, struct pv_disks **out,
                             struct error *e);
const struct blkback_host *pv_disks_host(const struct pv_disks *p);
/* The back end has taken over what a predecessor had, or begins: let go of disks that nobody has
 * any more, listen to the device model. Also after a pause. */
MUST_CHECK int pv_disks_resume(struct pv_disks *p, struct blkback *b, struct error *e);
/* The back end is paused: from now on a successor speaks with the device model. */
void pv_disks_pause(struct pv_disks *p);
/* When and what is due: images that somebody else had locked are asked for again. */
uint64_t pv_disks_deadline(const struct pv_disks *p);
void pv_disks_expired(struct pv_disks *p);
/* An image has another size now. */
void pv_disks_resized(struct pv_disks *p);
/* Fill in *out with the i-th disk that has a medium; false past the last. For QMP. */
bool pv_disks_list(const struct pv_disks *p, unsigned i, struct vm_block *out);
void pv_disks_close(struct pv_disks *p); /* after the back end; NULL is nothing */

#endif
