/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * block - the checks that every request passes, whatever the image and whichever device.
 *
 * The format comes from the toolstack and is believed: nothing in here looks at an image's content,
 * so a guest cannot turn its raw disk into something else.
 * Absent: formats other than raw.
 */
#include "block/block.h"

#include <errno.h>
#include <string.h>

#include "block/raw_internal.h"

int block_open(struct loop *l, const struct block_options *o, struct block **out, struct error *e)
{
    const char *path = o->path ? o->path : "(descriptor)";

    *out = NULL;
    if (!o->format || !o->format[0])
        return error_set(e, -EINVAL,
                         "disk image '%s': no format was given, and it is never guessed", path);
    if (strcmp(o->format, "raw") != 0)
        return error_set(e, -ENOTSUP,
                         "disk image '%s': format '%s' is not supported, only raw is; "
                         "'qemu-img convert -O raw' makes a raw image of it",
                         path, o->format);
    return raw_open(l, o, &raw_default_tuning, out, e);
}

/* Does the iov describe exactly r->length bytes? Anything else would transfer past the range that
 * was checked. */
static bool iov_fits(const struct block_req *r)
{
    uint64_t left = r->length;

    for (int i = 0; i < r->niov; i++) {
        if (r->iov[i].iov_len > left)
            return false;
        left -= r->iov[i].iov_len;
    }
    return left == 0;
}

/* 0: to be executed; 1: nothing to do; -errno: refused. */
static int block_check(const struct block *b, const struct block_req *r)
{
    if (r->op == BLOCK_FLUSH)
        return 0;
    if (r->op != BLOCK_READ && b->read_only)
        return -EROFS;
    if (r->offset > b->size || r->length > b->size - r->offset)
        return -EINVAL;
    if (r->op != BLOCK_DISCARD && !iov_fits(r))
        return -EINVAL;
    return r->length == 0;
}

/* The guest sees only an I/O error; the reason is for whoever looks after the host. */
static void block_tell(struct block *b, const struct block_req *r)
{
    static const char *const verbs[] = { [BLOCK_READ] = "read",
                                         [BLOCK_WRITE] = "write",
                                         [BLOCK_FLUSH] = "flush",
                                         [BLOCK_DISCARD] = "discard" };

    guest_log_line(&b->log_limit, "disk",
                   "cannot %s image '%s' at byte %llu: %s; the guest gets an I/O error",
                   verbs[r->op], b->path,
                   (unsigned long long)(r->op == BLOCK_FLUSH ? 0 : r->offset + r->transferred),
                   strerror(-r->result));
}

/* Was it the host, and not the request itself? */
static bool hosts_fault(int err)
{
    return err != -EINVAL && err != -EROFS && err != -EFAULT;
}

void block_account(struct block *b, const struct block_req *r)
{
    if (r->result == -EOPNOTSUPP)
        return;
    if (r->result < 0) {
        b->stats.errors++;
        if (hosts_fault(r->result))
            block_tell(b, r);
        return;
    }
    switch (r->op) {
    case BLOCK_READ:
        b->stats.rd_operations++;
        b->stats.rd_bytes += r->length;
        break;
    case BLOCK_WRITE:
        b->stats.wr_operations++;
        b->stats.wr_bytes += r->length;
        break;
    case BLOCK_FLUSH:
        b->stats.flush_operations++;
        break;
    case BLOCK_DISCARD:
        break;
    }
}

bool block_submit(struct block *b, struct block_req *r)
{
    int err = block_check(b, r);

    if (b->gate && !b->gate(b->gate_opaque, r)) {
        r->result = -EBUSY;
        return true;
    }
    r->block = b;
    r->next = NULL;
    r->transferred = 0;
    r->retried = false;
    r->pending = false;
    if (err) {
        r->result = err < 0 ? err : 0;
        if (err < 0)
            block_account(b, r);
        return true;
    }
    r->pending = true;
    if (!b->ops->submit(b, r))
        return false;
    r->pending = false;
    block_account(b, r);
    return true;
}

bool block_resized(struct block *b)
{
    return b && b->ops->resized && b->ops->resized(b);
}

void block_drain(struct block *b)
{
    if (b)
        b->ops->drain(b);
}

void block_close(struct block *b)
{
    if (b)
        b->ops->close(b);
}

void block_leave(struct block *b)
{
    if (b && b->ops->leave)
        b->ops->leave(b);
    else
        block_close(b);
}
