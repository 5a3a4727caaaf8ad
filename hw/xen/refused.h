/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refused - PV devices that the toolstack gives to a guest and we have no back end for.
 */
#ifndef HW_XEN_REFUSED_H
#define HW_XEN_REFUSED_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct refused;
struct xenstore;

/* Say of each such device, now or later, in the log which line of xl.cfg it comes from, and close
 * it, so that its front end does not wait. The xenstore connection is borrowed and must outlive it.
 * 0 or -errno with a sentence. */
MUST_CHECK int refused_open(struct xenstore *x, unsigned domid, struct refused **out,
                            struct error *e);
void refused_resume(struct refused *r);
void refused_pause(struct refused *r);
void refused_close(struct refused *r); /* NULL is nothing */

#endif
