/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw_internal - what block/ shares among its own files and with its unit tests; not for devices.
 */
#ifndef BLOCK_RAW_INTERNAL_H
#define BLOCK_RAW_INTERNAL_H

#include "block/block.h"

/* Choices that are fixed in production; tests use others to reach every path. */
struct raw_tuning {
    unsigned lock_wait_ms; /* how long a lock held by another process is retried */
    unsigned depth;        /* requests handed to the host at a time, 1 to 64; the rest queue here */
    unsigned threads;      /* of the pool at most; 0: as on a host that allows none */
    unsigned idle_ms;      /* a thread with nothing to do ends after this */
    bool no_inline;        /* never try to finish a request at once */
    bool no_ring;          /* as on a host where io_uring is forbidden */
    /* Called by a pool thread before it executes r. */
    void (*executing)(void *opaque, const struct block_req *r);
    void *opaque;
};

extern const struct raw_tuning raw_default_tuning;

/* block_open() for raw images. `tuning` is copied. */
MUST_CHECK int raw_open(struct loop *l, const struct block_options *o,
                        const struct raw_tuning *tuning, struct block **out, struct error *e);

/* What an image has running right now. */
struct raw_activity {
    bool ring;        /* an io_uring exists */
    unsigned threads; /* pool threads alive */
    unsigned issued;  /* requests with the host */
};
void raw_activity(const struct block *b, struct raw_activity *a);

/* Counts a finished request in b->stats. block_submit() does it for those that finish at once. */
void block_account(struct block *b, const struct block_req *r);

#endif
