/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio - the two ways in which an image driver gets work done beside the loop.
 *
 * aio_ring: io_uring, for what the kernel can do without a thread (reads).
 * aio_pool: a few threads of our own, for what always blocks somebody (buffered writes, fsync,
 *           discard), and for everything where io_uring is not allowed. io_uring would use a kernel
 *           thread for these too, and the last one of those never ends (measured, Linux 6.18; same
 *           in 6.1); ours end when idle.
 * The ring and the threads are created on first need: an idle guest has neither thread nor timer.
 * A request is a sequence of steps, each one system call.
 */
#ifndef BLOCK_AIO_H
#define BLOCK_AIO_H

#include "block/block.h"

enum aio_op { AIO_READ, AIO_WRITE, AIO_SYNC, AIO_PUNCH };

struct aio_step {
    enum aio_op op;
    const struct iovec *iov; /* read, write */
    unsigned niov;
    uint64_t offset, length; /* bytes; length for punch only */
};

/* The image driver. next() and advance() run in any thread and may touch the request alone. */
struct aio_client {
    /* The next step of r; 0, or -errno, which ends r as if the step had failed. */
    int (*next)(struct block_req *r, struct aio_step *step);
    /* A step ended with `result` bytes or -errno. true: r is finished, r->result is set. */
    bool (*advance)(struct block_req *r, int64_t result);
    /* r is finished: called from the loop or from reap(); may free the engine that calls it. */
    void (*completed)(struct block_req *r);
    /* Pool threads call this before they execute r, if it is set (tests). */
    void (*executing)(void *opaque, const struct block_req *r);
    void *opaque;
};

struct aio_ring;
struct aio_pool;

/* NULL: io_uring is not available here (old kernel, sysctl, seccomp). depth requests at most are
 * in it at a time. The client is borrowed. */
struct aio_ring *aio_ring_new(struct loop *l, int fd, const struct aio_client *client,
                              unsigned depth);
/* 0: completed() will come. -errno: it will not, r failed before it reached the kernel. */
MUST_CHECK int aio_ring_start(struct aio_ring *ring, struct block_req *r);
/* Delivers what has completed, without waiting. false: a callback freed the ring. */
bool aio_ring_reap(struct aio_ring *ring);
int aio_ring_fd(const struct aio_ring *ring); /* readable when reap() has something to do */
void aio_ring_free(struct aio_ring *ring);    /* nothing may be in flight; NULL is nothing */

/* NULL with errno: no memory, or no descriptor left. Starts no thread yet. */
struct aio_pool *aio_pool_new(struct loop *l, int fd, const struct aio_client *client,
                              unsigned threads, unsigned idle_ms);
void aio_pool_start(struct aio_pool *pool, struct block_req *r);
bool aio_pool_reap(struct aio_pool *pool);
int aio_pool_fd(const struct aio_pool *pool);
unsigned aio_pool_threads(struct aio_pool *pool);
void aio_pool_free(struct aio_pool *pool);

#endif
