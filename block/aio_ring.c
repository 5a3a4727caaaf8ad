/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio_ring - requests by io_uring (io_uring(7)): one small ring per image, whose descriptor is
 * readable in the loop while completions wait. Nothing is registered with it.
 *
 * Absent: SQPOLL (a thread that never sleeps), linked requests, fixed buffers.
 */
#include "block/aio.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <time.h>

#include "ioreq/loop.h"

struct aio_ring {
    struct loop *loop;
    const struct aio_client *client;
    int fd;
    struct io_uring ring;
    struct loop_source source;
    struct loop_work resubmit; /* the kernel could not take an entry: once more soon */
    bool *freed;               /* set by aio_ring_free() while reap() is at work */
};

static void ring_ready(void *opaque, uint32_t events)
{
    (void)events;
    aio_ring_reap(opaque); /* a ring freed in there is not touched again */
}

/* Entries that the kernel does not take now (short of memory) stay in the queue. */
static void ring_submit(struct aio_ring *ring)
{
    if (io_uring_submit(&ring->ring) < 0)
        loop_defer(ring->loop, &ring->resubmit);
}

static void ring_resubmit(void *opaque)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    nanosleep(&pause, NULL); /* out of memory: give the host a moment, not a busy loop */
    ring_submit(opaque);
}

/* Queues the next step of r. -errno: r failed before that. */
static int ring_queue(struct aio_ring *ring, struct block_req *r)
{
    struct io_uring_sqe *sqe;
    struct aio_step s;
    int err = ring->client->next(r, &s);

    if (err)
        return err;
    sqe = io_uring_get_sqe(&ring->ring);
    if (!sqe)
        return -EIO; /* cannot be: there is an entry for each request in flight */
    switch (s.op) {
    case AIO_READ:
        io_uring_prep_readv(sqe, ring->fd, s.iov, s.niov, s.offset);
        break;
    case AIO_WRITE:
        io_uring_prep_writev(sqe, ring->fd, s.iov, s.niov, s.offset);
        break;
    case AIO_SYNC:
        io_uring_prep_fsync(sqe, ring->fd, IORING_FSYNC_DATASYNC);
        break;
    case AIO_PUNCH:
        io_uring_prep_fallocate(sqe, ring->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)s.offset, (off_t)s.length);
        break;
    }
    if (r->retried)
        sqe->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data(sqe, r);
    return 0;
}

/* A step ended: the next one, or true when r is finished. */
static bool ring_advance(struct aio_ring *ring, struct block_req *r, int result)
{
    bool again = result == -EINTR || (result == -EAGAIN && !r->retried);
    int err;

    /* -EAGAIN means that the kernel tried without blocking only: insist, once. */
    if (result == -EAGAIN)
        r->retried = true;
    if (!again && ring->client->advance(r, result))
        return true;
    err = ring_queue(ring, r);
    if (err)
        return ring->client->advance(r, err);
    ring_submit(ring);
    return false;
}

int aio_ring_start(struct aio_ring *ring, struct block_req *r)
{
    int err = ring_queue(ring, r);

    if (!err)
        ring_submit(ring);
    return err;
}

bool aio_ring_reap(struct aio_ring *ring)
{
    bool freed = false, *outer = ring->freed;
    struct io_uring_cqe *cqe;

    if (io_uring_sq_ready(&ring->ring))
        ring_submit(ring);
    ring->freed = &freed;
    while (io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
        struct block_req *r = io_uring_cqe_get_data(cqe);
        int result = cqe->res;

        io_uring_cqe_seen(&ring->ring, cqe); /* before callbacks, which may reap themselves */
        if (!ring_advance(ring, r, result))
            continue;
        ring->client->completed(r);
        if (freed) {
            if (outer)
                *outer = true;
            return false;
        }
    }
    ring->freed = outer;
    return true;
}

/* A filter may allow the set-up and forbid the rest: one no-op tells. */
static bool ring_works(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;

    io_uring_prep_nop(sqe);
    if (io_uring_submit(ring) != 1 || io_uring_wait_cqe(ring, &cqe) < 0)
        return false;
    io_uring_cqe_seen(ring, cqe);
    return true;
}

struct aio_ring *aio_ring_new(struct loop *l, int fd, const struct aio_client *client,
                              unsigned depth)
{
    struct aio_ring *ring = calloc(1, sizeof *ring);

    if (!ring)
        return NULL;
    ring->loop = l;
    ring->fd = fd;
    ring->client = client;
    ring->resubmit.run = ring_resubmit;
    ring->resubmit.opaque = ring;
    if (io_uring_queue_init(depth, &ring->ring, 0) < 0)
        goto no_ring;
    ring->source.fd = ring->ring.ring_fd;
    ring->source.promised = true;
    ring->source.ready = ring_ready;
    ring->source.opaque = ring;
    if (!ring_works(&ring->ring) || loop_add(l, &ring->source, EPOLLIN) < 0)
        goto no_loop;
    return ring;

no_loop:
    io_uring_queue_exit(&ring->ring);
no_ring:
    free(ring);
    return NULL;
}

int aio_ring_fd(const struct aio_ring *ring)
{
    return ring->source.fd;
}

void aio_ring_free(struct aio_ring *ring)
{
    if (!ring)
        return;
    if (ring->freed)
        *ring->freed = true;
    loop_remove(ring->loop, &ring->source);
    loop_cancel(ring->loop, &ring->resubmit);
    io_uring_queue_exit(&ring->ring);
    free(ring);
}
