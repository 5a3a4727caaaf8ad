/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw - a raw disk image: a regular file or a host block device.
 *
 * Buffered (the default): a read or write is first tried without blocking (RWF_NOWAIT), which ends
 * most of them inside submit. What is left of a read goes to io_uring, everything else to threads
 * (see aio.h for the reason). Direct: all data passes through bounce buffers, because the memory
 * that a request points to may be a guest's, mapped from the hypervisor, and the kernel cannot
 * pin that. Such memory can also vanish at any time, so it is only touched by system calls, which
 * report EFAULT, never by us: the bounce buffers are a memfd that pread() and pwrite() fill.
 *
 * Size: whole sectors of 512 bytes; an incomplete one at the end is left out with a warning.
 * Absent: growing with the file by itself, write-zeroes, sizes of direct transfers below 512 bytes,
 * direct I/O on storage with larger sectors than that (buffered instead, with a warning).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/aio.h"
#include "block/lock.h"
#include "block/raw_internal.h"
#include "ioreq/loop.h"
#include "hw/core/log.h"

enum {
    RAW_SECTOR = 512,
    RAW_SLOTS = 4,           /* bounce buffers of a direct image */
    RAW_SLOT_SIZE = 1 << 16, /* bytes; four of them stay below the 256 KiB that libxl's
                              * RLIMIT_FSIZE leaves to a memfd under dm_restrict */
    RAW_PIECES = 16,         /* iov elements copied to or from a bounce buffer in one call */
};

struct raw {
    struct block base; /* first member */
    struct loop *loop;
    struct raw_tuning tuning;
    struct aio_client client;
    struct aio_ring *ring; /* NULL until needed */
    struct aio_pool *pool;
    int fd;
    bool locked;
    bool dirty; /* something was written since the last flush */
    bool direct;
    bool no_ring; /* tried in vain, or told not to */
    bool no_inline;
    bool no_read_now, no_write_now; /* the file system knows no RWF_NOWAIT */
    unsigned issued, writes_issued; /* requests with the host; of them writes and discards */
    struct block_req *waiting, *waiting_last;
    int bounce_fd;
    uint8_t *bounce;
    uint32_t slots_used; /* one bit each */
};

const struct raw_tuning raw_default_tuning = {
    .lock_wait_ms = 10000,
    .depth = 32,
    .threads = 4,
    .idle_ms = 1000,
};

static struct raw *raw_of(const struct block *b)
{
    return (struct raw *)(uintptr_t)b;
}

static bool is_transfer(const struct block_req *r)
{
    return r->op == BLOCK_READ || r->op == BLOCK_WRITE;
}

/* ---- Steps of a request: run in any thread, touch the request and its own slot only ---- */

/* Finds the byte `skip` of r's data. Returns the element, with *offset into it. */
static int iov_find(const struct block_req *r, uint64_t skip, size_t *offset)
{
    int i = 0;

    while (skip >= r->iov[i].iov_len) /* ends: skip < length, which is the sum of all */
        skip -= r->iov[i++].iov_len;
    *offset = (size_t)skip;
    return i;
}

/* What is left of r as an iov: from the caller's array, or the rest of one element. */
static const struct iovec *iov_left(struct block_req *r, unsigned *count)
{
    size_t offset;
    int i = iov_find(r, r->transferred, &offset), left = r->niov - i;

    if (offset == 0) {
        *count = (unsigned)(left < IOV_MAX ? left : IOV_MAX);
        return r->iov + i;
    }
    r->rest[0].iov_base = (uint8_t *)r->iov[i].iov_base + offset;
    r->rest[0].iov_len = r->iov[i].iov_len - offset;
    *count = 1;
    return r->rest;
}

static uint64_t chunk_left(const struct block_req *r)
{
    uint64_t left = r->length - r->transferred;

    return left < RAW_SLOT_SIZE ? left : RAW_SLOT_SIZE;
}

/* Copies n bytes between r's memory, from r->transferred on, and its bounce buffer. 0 or -errno;
 * -EFAULT when the memory is gone. */
static int bounce_copy(const struct raw *raw, struct block_req *r, uint64_t n)
{
    off_t at = (off_t)r->slot * RAW_SLOT_SIZE;
    size_t offset;
    int i = iov_find(r, r->transferred, &offset);

    while (n) {
        struct iovec piece[RAW_PIECES];
        int count = 0;
        size_t sum = 0;
        ssize_t done;

        for (; n && count < RAW_PIECES; i++, offset = 0) {
            size_t len = r->iov[i].iov_len - offset;

            len = len < n ? len : (size_t)n;
            piece[count].iov_base = (uint8_t *)r->iov[i].iov_base + offset;
            piece[count++].iov_len = len;
            sum += len;
            n -= len;
        }
        done = r->op == BLOCK_WRITE ? pwritev(raw->bounce_fd, piece, count, at)
                                    : preadv(raw->bounce_fd, piece, count, at);
        if (done != (ssize_t)sum)
            return done < 0 ? -errno : -EFAULT;
        at += done;
    }
    return 0;
}

static int raw_next(struct block_req *r, struct aio_step *step)
{
    struct raw *raw = raw_of(r->block);

    step->offset = r->offset + r->transferred;
    step->length = r->length;
    switch (r->op) {
    case BLOCK_FLUSH:
        step->op = AIO_SYNC;
        return 0;
    case BLOCK_DISCARD:
        step->op = AIO_PUNCH;
        return 0;
    case BLOCK_READ:
    case BLOCK_WRITE:
        step->op = r->op == BLOCK_READ ? AIO_READ : AIO_WRITE;
        break;
    }
    if (!raw->direct) {
        step->iov = iov_left(r, &step->niov);
        return 0;
    }
    r->rest[0].iov_base = raw->bounce + (size_t)r->slot * RAW_SLOT_SIZE;
    r->rest[0].iov_len = (size_t)chunk_left(r);
    step->iov = r->rest;
    step->niov = 1;
    return r->op == BLOCK_WRITE ? bounce_copy(raw, r, chunk_left(r)) : 0;
}

static bool raw_advance(struct block_req *r, int64_t result)
{
    struct raw *raw = raw_of(r->block);
    int err = 0;

    if (result < 0 || !is_transfer(r)) {
        r->result = (int)result;
        return true;
    }
    if (result == 0 || (uint64_t)result > r->length - r->transferred)
        err = -EIO; /* the file has become shorter than it was */
    else if (raw->direct && result % RAW_SECTOR)
        err = -EIO; /* the rest would not be aligned any more */
    else if (raw->direct && r->op == BLOCK_READ)
        err = bounce_copy(raw, r, (uint64_t)result);
    if (!err)
        r->transferred += (uint64_t)result;
    r->result = err;
    return err || r->transferred == r->length;
}

/* ---- Issue, queue, complete: loop thread only ---- */

/* The ring, created on first need, if r is for it; else NULL. Files that know no RWF_NOWAIT would
 * make io_uring use a kernel thread. */
static struct aio_ring *ring_for(struct raw *raw, const struct block_req *r)
{
    if (r->op != BLOCK_READ || raw->no_ring || raw->no_read_now)
        return NULL;
    if (!raw->ring)
        raw->ring = aio_ring_new(raw->loop, raw->fd, &raw->client, raw->tuning.depth);
    raw->no_ring = !raw->ring;
    return raw->ring;
}

static bool may_issue(const struct raw *raw, const struct block_req *r)
{
    return raw->issued < raw->tuning.depth && !(r->op == BLOCK_FLUSH && raw->writes_issued);
}

static void raw_count(struct raw *raw, struct block_req *r, int by)
{
    raw->issued += (unsigned)by;
    loop_expect(raw->loop, by);
    if (r->op == BLOCK_WRITE || r->op == BLOCK_DISCARD)
        raw->writes_issued += (unsigned)by;
    if (!raw->direct || !is_transfer(r))
        return;
    if (by > 0)
        r->slot = (uint8_t)__builtin_ctz(~raw->slots_used); /* free: depth is RAW_SLOTS at most */
    raw->slots_used ^= 1u << r->slot;
}

/* A flush covers what ended before it began; what begins meanwhile makes the image dirty again. */
static void raw_mark(struct raw *raw, const struct block_req *r)
{
    if (r->op != BLOCK_READ)
        raw->dirty = r->op != BLOCK_FLUSH;
}

static void raw_issue(struct raw *raw, struct block_req *r)
{
    struct aio_ring *ring = ring_for(raw, r);

    raw_mark(raw, r);
    raw_count(raw, r, 1);
    /* If the ring does not take it, a thread will find the same error, and report it. */
    if (!ring || aio_ring_start(ring, r) < 0)
        aio_pool_start(raw->pool, r);
}

/* Lets the queue advance, in order: a flush at its head holds back what came later until the
 * earlier writes are done. */
static void raw_pump(struct raw *raw)
{
    while (raw->waiting && may_issue(raw, raw->waiting)) {
        struct block_req *r = raw->waiting, *next = r->next;

        raw->waiting = next;
        if (!next)
            raw->waiting_last = NULL;
        raw_issue(raw, r);
    }
}

static void raw_completed(struct block_req *r)
{
    struct raw *raw = raw_of(r->block);

    raw_count(raw, r, -1);
    raw->dirty |= r->op == BLOCK_FLUSH && r->result < 0;
    raw_pump(raw);
    raw->base.in_flight--;
    r->pending = false;
    block_account(&raw->base, r);
    r->done(r, r->result); /* may close the image: nothing after this */
}

/* Tries a buffered transfer without blocking. true: r is finished. */
static bool raw_try_now(struct raw *raw, struct block_req *r)
{
    bool read = r->op == BLOCK_READ;
    int count = r->niov < IOV_MAX ? r->niov : IOV_MAX;
    ssize_t n;

    if (!is_transfer(r) || raw->direct || raw->no_inline ||
        (read ? raw->no_read_now : raw->no_write_now))
        return false;
    n = read ? preadv2(raw->fd, r->iov, count, (off_t)r->offset, RWF_NOWAIT)
             : pwritev2(raw->fd, r->iov, count, (off_t)r->offset, RWF_NOWAIT);
    if (n > 0) {
        raw_mark(raw, r);
        return raw_advance(r, n);
    }
    if (n == 0 || errno == EAGAIN || errno == EINTR)
        return false;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
        if (read)
            raw->no_read_now = true;
        else
            raw->no_write_now = true;
        return false;
    }
    r->result = -errno;
    return true;
}

static bool raw_submit(struct block *b, struct block_req *r)
{
    struct raw *raw = raw_of(b);

    if (raw->direct && is_transfer(r) && (r->offset | r->length) % RAW_SECTOR) {
        r->result = -EINVAL;
        return true;
    }
    if (r->op == BLOCK_FLUSH && b->read_only) {
        r->result = 0;
        return true;
    }
    if (raw_try_now(raw, r))
        return true;
    if (raw->waiting || !may_issue(raw, r)) {
        r->next = NULL;
        if (raw->waiting_last)
            raw->waiting_last->next = r;
        else
            raw->waiting = r;
        raw->waiting_last = r;
    } else {
        raw_issue(raw, r);
    }
    b->in_flight++;
    return false;
}

/* Blocks until one of the engines has something to deliver. The time limit is for the ring, which
 * hands entries that the kernel refused for lack of memory over again at each reap. */
static void raw_wait(const struct raw *raw)
{
    struct pollfd p[2] = {
        { .fd = raw->ring ? aio_ring_fd(raw->ring) : -1, .events = POLLIN },
        { .fd = aio_pool_fd(raw->pool), .events = POLLIN },
    };

    poll(p, ARRAY_SIZE(p), 100);
}

static void raw_drain(struct block *b)
{
    struct raw *raw = raw_of(b);

    for (;;) {
        /* A callback may close the image: then there is nothing left to look at. */
        if (raw->ring && !aio_ring_reap(raw->ring))
            return;
        if (!aio_pool_reap(raw->pool))
            return;
        if (!b->in_flight)
            return;
        raw_wait(raw);
    }
}

static void raw_free(struct raw *raw)
{
    aio_ring_free(raw->ring);
    aio_pool_free(raw->pool);
    if (raw->bounce)
        munmap(raw->bounce, (size_t)RAW_SLOTS * RAW_SLOT_SIZE);
    if (raw->bounce_fd >= 0)
        close(raw->bounce_fd);
    if (raw->locked)
        image_unlock(raw->fd); /* the open file may have been shared with the toolstack */
    if (raw->fd >= 0)
        close(raw->fd);
    free(raw);
}

static void raw_close(struct block *b)
{
    struct raw *raw = raw_of(b);

    raw_drain(b);
    if (raw->dirty && fdatasync(raw->fd) < 0)
        log_warn("disk image '%s': the last flush failed: %s", b->path, strerror(errno));
    raw_free(raw);
}

static void raw_leave(struct block *b)
{
    struct raw *raw = raw_of(b);

    raw->locked = false;
    raw_free(raw);
}

/* Bytes, or -errno; -EINVAL: it is nothing that has a size. */
static int raw_measure(const struct raw *raw, uint64_t *size)
{
    struct stat st;

    if (fstat(raw->fd, &st) < 0)
        return -errno;
    *size = (uint64_t)st.st_size;
    if (S_ISREG(st.st_mode))
        return 0;
    if (!S_ISBLK(st.st_mode))
        return -EINVAL;
    return ioctl(raw->fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
}

static bool raw_resized(struct block *b)
{
    uint64_t size = 0, before = b->size;

    if (raw_measure(raw_of(b), &size) < 0)
        return false;
    b->size = size - size % RAW_SECTOR;
    return b->size != before;
}

static const struct block_ops raw_ops = {
    .submit = raw_submit,
    .drain = raw_drain,
    .close = raw_close,
    .leave = raw_leave,
    .resized = raw_resized,
};

void raw_activity(const struct block *b, struct raw_activity *a)
{
    const struct raw *raw = raw_of(b);

    a->ring = raw->ring != NULL;
    a->threads = aio_pool_threads(raw->pool);
    a->issued = raw->issued;
}

/* ---- Opening ---- */

static int raw_open_path(struct raw *raw, const char *path, struct error *e)
{
    if (!path)
        return error_set(e, -EINVAL, "disk image: neither a path nor a descriptor was given");
    raw->fd = image_open_file(path, raw->base.read_only, e);
    return raw->fd < 0 ? raw->fd : 0;
}

/* Takes a descriptor that somebody else opened; how it was opened counts, not what we are told. */
static int raw_adopt(struct raw *raw, struct error *e)
{
    const char *path = raw->base.path;
    int flags = fcntl(raw->fd, F_GETFL), reopened;
    char name[40];

    if (flags < 0)
        return error_set(e, -errno, "disk image '%s': descriptor %d: %s", path, raw->fd,
                         strerror(errno));
    if (!raw->base.read_only && (flags & O_ACCMODE) != O_RDWR)
        return error_set(e, -EACCES,
                         "disk image '%s' is to be written, but its descriptor was not "
                         "opened for reading and writing",
                         path);
    if (raw->base.read_only && (flags & O_ACCMODE) != O_RDONLY) {
        snprintf(name, sizeof name, "/proc/self/fd/%d", raw->fd);
        reopened = open(name, O_RDONLY | O_CLOEXEC);
        if (reopened < 0)
            return error_set(e, -errno,
                             "disk image '%s' is read-only, but its descriptor is not, "
                             "and it cannot be opened again: %s",
                             path, strerror(errno));
        close(raw->fd);
        raw->fd = reopened;
        return 0;
    }
    if (flags & O_NONBLOCK) /* would make the kernel refuse what it cannot do at once */
        fcntl(raw->fd, F_SETFL, flags & ~O_NONBLOCK);
    fcntl(raw->fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

static int raw_find_size(struct raw *raw, struct error *e)
{
    const char *path = raw->base.path;
    uint64_t size = 0;
    int err = raw_measure(raw, &size);

    if (err == -EINVAL)
        return error_set(e, err, "disk image '%s' is neither a file nor a block device", path);
    if (err < 0)
        return error_set(e, err, "disk image '%s': cannot find its size: %s", path, strerror(-err));
    raw->base.size = size - size % RAW_SECTOR;
    if (!raw->base.size)
        return error_set(e, -EINVAL, "disk image '%s' is empty (%llu bytes)", path,
                         (unsigned long long)size);
    if (size != raw->base.size)
        log_warn("disk image '%s': its last %llu bytes are no whole sector and stay out of reach",
                 path, (unsigned long long)(size % RAW_SECTOR));
    return 0;
}

/* Bounce buffers, and one read to find out whether direct I/O in sectors of 512 bytes is possible.
 * If not, the image stays buffered: direct I/O is an optimisation that the administrator allowed.
 */
static int raw_set_direct(struct raw *raw, struct error *e)
{
    const size_t bytes = (size_t)RAW_SLOTS * RAW_SLOT_SIZE;
    int flags = fcntl(raw->fd, F_GETFL);
    void *map;

    raw->bounce_fd = memfd_create("hvmdm-bounce", MFD_CLOEXEC);
    if (raw->bounce_fd < 0 || ftruncate(raw->bounce_fd, (off_t)bytes) < 0)
        goto no_memory;
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, raw->bounce_fd, 0);
    if (map == MAP_FAILED)
        goto no_memory;
    raw->bounce = map;
    if (fcntl(raw->fd, F_SETFL, flags | O_DIRECT) == 0) {
        if (pread(raw->fd, raw->bounce, RAW_SECTOR, (off_t)(raw->base.size - RAW_SECTOR)) ==
            RAW_SECTOR) {
            raw->direct = true;
            if (raw->tuning.depth > RAW_SLOTS)
                raw->tuning.depth = RAW_SLOTS;
            return 0;
        }
        fcntl(raw->fd, F_SETFL, flags);
    }
    log_warn("disk image '%s': the host has no direct I/O in 512-byte sectors here, so it goes "
             "through the host's cache",
             raw->base.path);
    return 0;

no_memory:
    return error_set(e, -errno, "disk image '%s': no memory for direct I/O: %s", raw->base.path,
                     strerror(errno));
}

int raw_open(struct loop *l, const struct block_options *o, const struct raw_tuning *tuning,
             struct block **out, struct error *e)
{
    struct raw *raw = calloc(1, sizeof *raw);
    int err;

    *out = NULL;
    if (!raw) {
        if (o->fd >= 0)
            close(o->fd);
        return error_set(e, -ENOMEM, "disk image '%s': out of memory", o->path ? o->path : "");
    }
    raw->base.ops = &raw_ops;
    raw->base.read_only = o->read_only;
    snprintf(raw->base.path, sizeof raw->base.path, "%s", o->path ? o->path : "(descriptor)");
    raw->loop = l;
    raw->tuning = *tuning;
    raw->no_ring = tuning->no_ring || o->no_ring;
    raw->no_inline = tuning->no_inline;
    raw->client = (struct aio_client){ .next = raw_next,
                                       .advance = raw_advance,
                                       .completed = raw_completed,
                                       .executing = tuning->executing,
                                       .opaque = tuning->opaque };
    raw->fd = o->fd;
    raw->bounce_fd = -1;
    err = raw->fd >= 0 ? raw_adopt(raw, e) : raw_open_path(raw, o->path, e);
    if (!err)
        err = raw_find_size(raw, e);
    raw->locked = !err && o->locked;
    if (!err && !o->no_lock && !o->locked) {
        err = image_lock(raw->fd, o->read_only, raw->base.path, raw->tuning.lock_wait_ms, e);
        raw->locked = !err;
    }
    raw->locked &= !o->shared;
    if (!err && o->direct)
        err = raw_set_direct(raw, e);
    if (!err) {
        raw->pool =
            aio_pool_new(l, raw->fd, &raw->client, raw->tuning.threads, raw->tuning.idle_ms);
        if (!raw->pool)
            err = error_set(e, -errno, "disk image '%s': cannot prepare asynchronous I/O: %s",
                            raw->base.path, strerror(errno));
    }
    if (err) {
        raw_free(raw);
        return err;
    }
    /* A write beyond RLIMIT_FSIZE is to be EFBIG, an I/O error for the guest, not our death. */
    if (!o->read_only)
        signal(SIGXFSZ, SIG_IGN);
    raw->base.fd = raw->fd;
    *out = &raw->base;
    return 0;
}
