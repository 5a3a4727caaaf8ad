/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block - a disk image as devices see it: asynchronous reads, writes, flushes, discards.
 *
 * Nothing here blocks the loop except block_drain() and block_close(). Offsets and lengths are
 * bytes; every request is checked against the size of the image in one place (block_submit), so a
 * device may pass what the guest said. Read-only is a property of the descriptor.
 */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "hw/core/log.h"

struct block;
struct block_req;
struct loop;

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD };

/* One operation; owned by the caller and untouched by it from submit to completion. The memory that
 * iov points to, and the iov array, must stay valid until then too. */
struct block_req {
    enum block_op op;
    uint64_t offset;         /* bytes; 0 for flush */
    uint64_t length;         /* bytes; sum of iov for read and write */
    const struct iovec *iov; /* read, write */
    int niov;
    /* Called from the loop when a pending request ends: 0 or -errno. A short transfer is -EIO. */
    void (*done)(struct block_req *r, int result);
    void *opaque;
    int result;             /* valid after completion */
    struct block_req *next; /* private to the implementation, as is the rest */
    struct block *block;
    uint64_t transferred;
    struct iovec rest[1];
    uint8_t slot;
    bool pending, retried;
};

struct block_ops {
    /* true: finished, r->result is set and done will not be called; false: done will be called. */
    bool (*submit)(struct block *b, struct block_req *r);
    void (*drain)(struct block *b); /* returns when nothing is in flight; done was called for all */
    void (*close)(struct block *b);
    void (*leave)(struct block *b);   /* as block_leave(); NULL: close will do */
    bool (*resized)(struct block *b); /* as block_resized(); NULL: never */
};

struct block {
    const struct block_ops *ops;
    uint64_t size; /* bytes, a multiple of 512: an odd rest of the file is out of reach */
    bool read_only;
    int fd;         /* the open image, for whoever keeps it open for a successor; 0: none */
    char path[256]; /* for messages and QMP; may be cut */
    struct {
        uint64_t rd_bytes, wr_bytes, rd_operations, wr_operations, flush_operations, errors;
    } stats;
    unsigned in_flight;
    /* Asked before each request; false: it is refused, -EBUSY, and counts for nothing. NULL: none.
     */
    bool (*gate)(void *opaque, const struct block_req *r);
    void *gate_opaque;
    struct guest_log_limit log_limit; /* for what the host refuses, which a guest can repeat */
};

/* How an image is to be opened. */
struct block_options {
    const char *path;   /* as in the disk line; used when fd < 0 */
    int fd;             /* already open descriptor (ownership passes), or -1 */
    const char *format; /* "raw"; anything else is refused with the reason */
    bool read_only;     /* the descriptor is opened O_RDONLY */
    bool direct;        /* O_DIRECT (direct-io-safe); otherwise buffered, as libxl asks */
    bool no_lock;       /* the PV twin of a disk that we have locked already */
    bool locked;        /* fd comes from a predecessor: its lock is held, and ours from now on */
    bool shared;        /* others have the open file too: the lock goes with its last close */
    bool no_ring; /* all I/O must be over when the process is: the kernel's io_uring may go on */
};

/* Opens and locks an image. *out is valid until block_close(). A lock held by another process is
 * retried for up to 10 s (the device model of a domain that is just rebooting), then refused with
 * a sentence that names the path and, if it can be found, the holder's pid. */
MUST_CHECK int block_open(struct loop *l, const struct block_options *o, struct block **out,
                          struct error *e);

/* Start r. true: finished already, see r->result; false: r->done will be called from the loop, or
 * from block_drain(). Finish at once: out of range, or an iov that does not add up to length
 * (-EINVAL), write or discard on a read-only image (-EROFS), the gate is closed (-EBUSY), zero
 * length (0).
 * Requests are not ordered among themselves; a flush comes after all writes and discards that were
 * submitted before it. Errors of the host are passed on: -ENOSPC, -EIO, -EFAULT (guest memory that
 * iov points to is gone), -EOPNOTSUPP (discard that the host's file system does not know). */
MUST_CHECK bool block_submit(struct block *b, struct block_req *r);

/* Look at the image's size again: true if it is another one now. */
bool block_resized(struct block *b);

/* Wait until nothing of this image is in flight (unplug, save, exit): calls done() for what ends,
 * also for what done() submits. Other images' completions stay where they are. May block on the
 * host's disk. */
void block_drain(struct block *b);

/* Drain, flush, unlock unless it is shared, close and free; allowed inside done(). NULL is nothing.
 * Waits for the host's disk only if something is in flight, or was written since the last flush. */
void block_close(struct block *b);

/* Close and free without a trace: the image stays locked, for a successor who has it open too.
 * Nothing may be in flight. NULL is nothing. */
void block_leave(struct block *b);

#endif
