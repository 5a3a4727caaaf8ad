/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback - back end of PV disks (qdisk). The toolstack gives each disk of a guest one, whether it
 * has an emulated twin or not.
 */
#ifndef HW_XEN_BLKBACK_H
#define HW_XEN_BLKBACK_H

#include "block/block.h"

struct blkback;
struct loop;
struct pv;
struct xenstore;

enum { BLKBACK_DISKS = 32 }; /* more than that are left alone */

/* What the process does for its disks. */
struct blkback_host {
    /* The image of backend/qdisk/N/DEVID as its `params` and `mode` say now, locked; read-only as
     * asked. *out NULL and 0: an empty CD drive. -EINPROGRESS: not yet, blkback_granted() will
     * come. Called again after a change of the medium. Whoever called closes it. */
    int (*open)(void *opaque, uint32_t devid, bool read_only, struct block **out, struct error *e);
    /* May this disk be read and written by its PV side now? 0: yes, the emulated side has let go.
     * -EINPROGRESS: asked for, blkback_granted() will come. May be asked again. */
    int (*claim)(void *opaque, uint32_t devid);
    /* The PV side has drained and flushed, and touches the image no more until its next claim.
     * Also before another medium is opened. */
    void (*release)(void *opaque, uint32_t devid);
    /* Memory that a successor finds as we leave it: at least `bytes`, zeroed when new. Asked once,
     * for slot 0, when the first disk appears; some MiB, of which few pages are touched. NULL:
     * there is none, and a connection ends with this process. */
    void *(*journal)(void *opaque, unsigned slot, size_t bytes);
    void *opaque;
    bool no_persistent; /* offer no persistent grants: everything is copied (to compare) */
};

/* Serve all qdisks that the toolstack gives to this domain, now or later. All that is passed is
 * borrowed and must outlive it. 0 or -errno with a sentence. */
MUST_CHECK int blkback_open(struct xenstore *x, unsigned domid, struct loop *l, struct pv *pv,
                            const struct blkback_host *host, struct blkback **out, struct error *e);
/* Where completed work is counted: each answer, and each step of a hand-shake. Optional. */
void blkback_count(struct blkback *b, volatile uint64_t *events);
/* Look at all devices now. A connection that xenstore shows and we do not have is a predecessor's:
 * it goes on with what the journal says, unseen by the guest. */
void blkback_resume(struct blkback *b);
/* Wait for what the images have in flight, give pages, channels and images back, leave xenstore and
 * the journal as they are, and do nothing more until blkback_resume(). */
void blkback_pause(struct blkback *b);
void blkback_close(struct blkback *b); /* the same for good; NULL is nothing */
/* What claim() or open() was waiting for has come. */
void blkback_granted(struct blkback *b, uint32_t devid);
/* An image may have another size now: tell the front ends of those that have. */
void blkback_resized(struct blkback *b);

#endif
