/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vkbd - back end of the Xen PV keyboard and pointer. libxl gives one to every HVM guest.
 */
#ifndef HW_XEN_VKBD_H
#define HW_XEN_VKBD_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct pv;
struct vkbd;
struct xenstore;

/* What the front end of the first device takes for a position. */
enum vkbd_pointer {
    VKBD_NONE,     /* nobody is connected */
    VKBD_RELATIVE, /* steps */
    VKBD_ABSOLUTE, /* pixels of the screen */
    VKBD_RAW,      /* 0 to 7fffh in both directions, whatever the screen */
};

/* Serve all vkbd devices that the toolstack gives to this domain, now or later. The xenstore
 * connection is borrowed and must outlive it. 0 or -errno with a sentence. */
MUST_CHECK int vkbd_open(struct xenstore *x, unsigned domid, struct vkbd **out, struct error *e);
/* Where pages are mapped and channels bound from; right after vkbd_open(), outlives it. Without
 * one only the hand-shake is done. */
void vkbd_set_pv(struct vkbd *v, struct pv *pv);
/* Where completed work is counted: what the guest sent and each step of a hand-shake, but not what
 * every start does anyway. Optional, outlives it. */
void vkbd_count(struct vkbd *v, volatile uint64_t *events);
enum vkbd_pointer vkbd_pointer(struct vkbd *v);
/* Look at all devices now. A connection that xenstore shows and we do not have is a predecessor's:
 * it goes on, unseen by the guest. */
void vkbd_resume(struct vkbd *v);
/* Give pages and channels back, leave xenstore as it is and do nothing more until vkbd_resume(). */
void vkbd_pause(struct vkbd *v);
void vkbd_close(struct vkbd *v); /* NULL is nothing; xenstore keeps its last states */

#endif
