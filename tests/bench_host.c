/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench_host - host sides in memory: disks that can hold requests and fail, character streams. */
#include "tests/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHARDEV_BYTES 65536u

struct bench_chardev {
    struct chardev base; /* first member */
    size_t accepts;      /* room for bytes that nobody took */
    size_t n;
    bool was_short;
    uint8_t bytes[CHARDEV_BYTES];
};

static void disk_transfer(struct bench_disk *d, struct block_req *r)
{
    uint64_t at = r->offset;

    for (int i = 0; i < r->niov; i++) {
        if (r->op == BLOCK_READ)
            memcpy(r->iov[i].iov_base, d->bytes + at, r->iov[i].iov_len);
        else
            memcpy(d->bytes + at, r->iov[i].iov_base, r->iov[i].iov_len);
        at += r->iov[i].iov_len;
    }
}

static int disk_execute(struct bench_disk *d, struct block_req *r)
{
    bool hit = d->fail_at < 0 || (r->op != BLOCK_FLUSH && (uint64_t)d->fail_at >= r->offset &&
                                  (uint64_t)d->fail_at < r->offset + r->length);

    if (d->fail && hit)
        return d->fail;
    if (r->op == BLOCK_READ || r->op == BLOCK_WRITE)
        disk_transfer(d, r);
    else if (r->op == BLOCK_DISCARD)
        memset(d->bytes + r->offset, 0, r->length);
    return 0;
}

static bool disk_submit(struct block *b, struct block_req *r)
{
    struct bench_disk *d = bench_disk(b);
    struct block_req **last = &d->held;

    if (!d->hold) {
        r->result = disk_execute(d, r);
        return true;
    }
    while (*last)
        last = &(*last)->next;
    r->next = NULL;
    *last = r;
    b->in_flight++;
    return false;
}

void bench_disk_release(struct block *b, unsigned n)
{
    struct bench_disk *d = bench_disk(b);

    for (; n && d->held; n--) {
        struct block_req *r = d->held;

        d->held = r->next;
        b->in_flight--;
        r->result = disk_execute(d, r);
        r->done(r, r->result);
    }
}

/* What is in flight when a process dies, or when a machine is thrown away. */
static void disk_lose(struct bench_disk *d)
{
    d->held = NULL;
    d->block.in_flight = 0;
}

static void disk_drain(struct block *b)
{
    bench_disk_release(b, UINT32_MAX);
}

static void disk_close(struct block *b)
{
    struct bench_disk *d = bench_disk(b);

    munmap(d->bytes, b->size);
    free(d);
}

static const struct block_ops disk_ops = { .submit = disk_submit,
                                           .drain = disk_drain,
                                           .close = disk_close };

struct block *bench_disk_new(uint64_t size, bool read_only)
{
    struct bench_disk *d = calloc(1, sizeof *d);

    if (!d)
        abort();
    /* Shared with a child: what a killed one has written stays, as on a real disk. */
    d->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (d->bytes == MAP_FAILED)
        abort();
    for (uint64_t at = 0; at + 512 <= size; at += 512)
        put_le32(d->bytes + at, (uint32_t)(at / 512));
    d->block = (struct block){ .ops = &disk_ops, .size = size, .read_only = read_only };
    snprintf(d->block.path, sizeof d->block.path, "bench-disk");
    d->fail_at = -1;
    return &d->block;
}

void bench_disk_free(struct block *b)
{
    disk_close(b);
}

void bench_lose_io(struct bench *b)
{
    for (unsigned i = 0; i < b->nrows; i++)
        for (unsigned k = 0; k < ARRAY_SIZE(b->rows[i].host.disk); k++)
            if (b->rows[i].host.disk[k])
                disk_lose(bench_disk(b->rows[i].host.disk[k]));
}

static size_t stream_write(struct chardev *base, const uint8_t *bytes, size_t n)
{
    struct bench_chardev *c = (struct bench_chardev *)base;
    size_t room = c->accepts - c->n;

    c->was_short = n > room;
    if (n > room)
        n = room;
    memcpy(c->bytes + c->n, bytes, n);
    c->n += n;
    return n;
}

static void stream_close(struct chardev *c)
{
    free(c);
}

static const struct chardev_ops stream_ops = { .write = stream_write, .close = stream_close };

struct chardev *bench_chardev_new(size_t accepts)
{
    struct bench_chardev *c = calloc(1, sizeof *c);

    if (!c || accepts > CHARDEV_BYTES)
        abort();
    c->base = (struct chardev){ .ops = &stream_ops, .label = "bench", .filename = "bench" };
    c->accepts = accepts;
    return &c->base;
}

size_t bench_chardev_take(struct chardev *base, uint8_t *bytes, size_t n)
{
    struct bench_chardev *c = (struct bench_chardev *)base;

    if (n > c->n)
        n = c->n;
    memcpy(bytes, c->bytes, n);
    c->n -= n;
    memmove(c->bytes, c->bytes + n, c->n);
    if (c->was_short && n && base->user) {
        c->was_short = false;
        base->user->writable(base->user->opaque);
    }
    return n;
}

size_t bench_chardev_give(struct chardev *c, const uint8_t *bytes, size_t n)
{
    size_t room = c->user ? c->user->room(c->user->opaque) : 0;

    if (n > room)
        n = room;
    if (n)
        c->user->receive(c->user->opaque, bytes, n);
    return n;
}

void bench_chardev_free(struct chardev *c)
{
    stream_close(c);
}
