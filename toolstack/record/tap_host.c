/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap_host - see tap.h. Here: the machine calls the host, by hypervisor port, images and streams.
 *
 * Not noted, because no machine can tell the difference: marking frames dirty, and what only the
 * domain around a machine asks for.
 */
#include <errno.h>
#include <stdlib.h>

#include "block/raw_internal.h"
#include "toolstack/record/tap_private.h"

/* --- The hypervisor port. */

static struct tap *tap_of(struct hv *hv)
{
    return ((struct tap_hv *)(void *)hv)->t;
}

static struct hv *inner_of(struct hv *hv)
{
    return ((struct tap_hv *)(void *)hv)->inner;
}

/* A call with up to three arguments and a result, which is the one that counts. */
static int noted(struct hv *hv, enum tap_type type, uint64_t a, uint64_t b, uint64_t c, int result)
{
    struct tap_record r = { .type = (uint8_t)type,
                            .out = { a, b, c },
                            .in = { tap_result(result) } };
    struct tap *t = tap_of(hv);

    if (!tap_noting(t))
        return result;
    t->side->note(t, &r);
    return tap_errno(r.in[0]);
}

static int hv_map_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_MAP_RANGE, space, base, len, i->ops->map_range(i, space, base, len));
}

static int hv_unmap_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_UNMAP_RANGE, space, base, len, i->ops->unmap_range(i, space, base, len));
}

static int hv_map_pci(struct hv *hv, unsigned devfn)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_MAP_PCI, devfn, 0, 0, i->ops->map_pci(i, devfn));
}

static int hv_unmap_pci(struct hv *hv, unsigned devfn)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_UNMAP_PCI, devfn, 0, 0, i->ops->unmap_pci(i, devfn));
}

static int hv_isa_irq(struct hv *hv, unsigned irq, bool level)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_ISA_IRQ, irq, level, 0, i->ops->isa_irq(i, irq, level));
}

static int hv_intx(struct hv *hv, unsigned slot, unsigned pin, bool level)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_INTX, slot, pin, level, i->ops->intx(i, slot, pin, level));
}

static int hv_link_route(struct hv *hv, unsigned link, unsigned irq)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_LINK_ROUTE, link, irq, 0, i->ops->link_route(i, link, irq));
}

static int hv_inject_msi(struct hv *hv, uint64_t address, uint32_t data)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_MSI, address, data, 0, i->ops->inject_msi(i, address, data));
}

static int hv_relocate(struct hv *hv, uint64_t from, uint64_t to, uint64_t nr)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_RELOCATE, from, to, nr, i->ops->relocate(i, from, to, nr));
}

static int hv_set_mem_type(struct hv *hv, uint64_t gfn, uint64_t nr, enum hv_mem_type type)
{
    struct hv *i = inner_of(hv);

    return noted(hv, TAP_MEM_TYPE, gfn, nr, type, i->ops->set_mem_type(i, gfn, nr, type));
}

static uint64_t hv_now(struct hv *hv)
{
    struct tap *t = tap_of(hv);
    struct hv *i = inner_of(hv);
    struct tap_record r = { .type = TAP_NOW, .in = { i->ops->now(i) - t->last_now } };

    if (!tap_noting(t))
        return t->last_now + r.in[0];
    t->side->note(t, &r);
    t->last_now += r.in[0];
    return t->last_now;
}

/* Without a guest every frame is there, and what is in it does not matter. */
static void *hv_map_frames(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present)
{
    struct hv *i = inner_of(hv);

    if (!tap_of(hv)->scratch)
        return i->ops->map_frames(i, gfn, nr, present);
    *present = (uint32_t)((UINT64_C(1) << nr) - 1);
    return tap_of(hv)->scratch;
}

static void hv_unmap_frames(struct hv *hv, void *host, unsigned nr)
{
    struct hv *i = inner_of(hv);

    if (!tap_of(hv)->scratch)
        i->ops->unmap_frames(i, host, nr);
}

static int hv_mark_dirty(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    struct hv *i = inner_of(hv);

    return i->ops->mark_dirty(i, gfn, nr);
}

static int hv_populate(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    struct hv *i = inner_of(hv);

    return i->ops->populate(i, gfn, nr);
}

static int hv_pin_cacheattr(struct hv *hv, uint64_t first, uint64_t last, bool write_back)
{
    struct hv *i = inner_of(hv);

    return i->ops->pin_cacheattr(i, first, last, write_back);
}

static int hv_shutdown(struct hv *hv, enum hv_shutdown reason)
{
    struct hv *i = inner_of(hv);

    return i->ops->shutdown(i, reason);
}

static int hv_set_sleep_state(struct hv *hv, unsigned state)
{
    struct hv *i = inner_of(hv);

    return i->ops->set_sleep_state(i, state);
}

static bool hv_poll(struct hv *hv)
{
    struct hv *i = inner_of(hv);

    return i->ops->poll && i->ops->poll(i);
}

static void hv_drain(struct hv *hv)
{
    struct hv *i = inner_of(hv);

    if (i->ops->drain)
        i->ops->drain(i);
}

static int hv_read_filter(struct hv *hv, uint64_t gpa, void *buf, size_t len)
{
    struct hv *i = inner_of(hv);

    return i->ops->read_filter && !tap_of(hv)->scratch ? i->ops->read_filter(i, gpa, buf, len) : 0;
}

static int hv_write_filter(struct hv *hv, uint64_t gpa, size_t len)
{
    struct hv *i = inner_of(hv);

    return i->ops->write_filter && !tap_of(hv)->scratch ? i->ops->write_filter(i, gpa, len) : 0;
}

static void hv_destroy(struct hv *hv)
{
    (void)hv; /* it is part of the tap; the inner one is its owner's */
}

/* --- Guest memory. */

/* Is `p` in the bulk of a device that says it is a medium's? */
static bool is_payload(const struct tap *t, const void *p)
{
    for (const struct device *d = machine_devices(t->m); d; d = d->next) {
        uintptr_t from = (uintptr_t)d->bulk, at = (uintptr_t)p;

        if (d->bulk && at >= from && at - from < d->ops->bulk_size)
            return d->ops->payload && d->ops->payload(d, (uint32_t)(at - from));
    }
    return false;
}

static int note_read(struct tap *t, uint64_t gpa, void *bytes, size_t len, int err)
{
    struct tap_record r = { .type = TAP_READ,
                            .left_out = t->nodata && (t->private || is_payload(t, bytes)),
                            .out = { gpa, len },
                            .in = { tap_result(err) },
                            .bytes = err < 0 ? NULL : bytes,
                            .len = (uint32_t)len };

    t->side->note(t, &r);
    err = tap_errno(r.in[0]);
    if (t->side->live)
        return err;
    memset(bytes, err < 0 ? 0xff : 0, len);
    if (err == 0 && r.bytes)
        memcpy(bytes, r.bytes, r.len < len ? r.len : len);
    return err;
}

static int hv_accessed(struct hv *hv, enum hv_access what, uint64_t gpa, void *bytes, size_t len,
                       int err)
{
    struct tap *t = tap_of(hv);
    struct tap_record r = { .out = { gpa, len }, .in = { tap_result(err) } };

    if (!tap_noting(t))
        return err;
    if (what == HV_ACCESS_READ)
        return note_read(t, gpa, bytes, len, err);
    if (what == HV_ACCESS_WRITE) {
        r.type = TAP_WRITE;
        r.left_out = t->nodata && (t->private || is_payload(t, bytes));
        if (!r.left_out)
            r.out[2] =
                len <= 8 ? load_le(bytes, (unsigned)len) : tap_hash(TAP_HASH_START, bytes, len);
    } else {
        r.type = TAP_MAP;
        r.out[2] = what == HV_ACCESS_MAP_OUT;
    }
    t->side->note(t, &r);
    return tap_errno(r.in[0]);
}

static const struct hv_ops tap_hv_ops = {
    .name = "tap",
    .map_range = hv_map_range,
    .unmap_range = hv_unmap_range,
    .map_pci = hv_map_pci,
    .unmap_pci = hv_unmap_pci,
    .isa_irq = hv_isa_irq,
    .intx = hv_intx,
    .link_route = hv_link_route,
    .inject_msi = hv_inject_msi,
    .map_frames = hv_map_frames,
    .unmap_frames = hv_unmap_frames,
    .mark_dirty = hv_mark_dirty,
    .populate = hv_populate,
    .relocate = hv_relocate,
    .pin_cacheattr = hv_pin_cacheattr,
    .set_mem_type = hv_set_mem_type,
    .shutdown = hv_shutdown,
    .set_sleep_state = hv_set_sleep_state,
    .now = hv_now,
    .poll = hv_poll,
    .drain = hv_drain,
    .read_filter = hv_read_filter,
    .write_filter = hv_write_filter,
    .accessed = hv_accessed,
    .destroy = hv_destroy,
};

struct hv *tap_hv(struct tap *t, struct hv *inner)
{
    if (!t)
        return inner;
    t->hv = (struct tap_hv){ { &tap_hv_ops }, t, inner };
    return &t->hv.hv;
}

/* --- Images. */

bool tap_own_memory(const struct tap *t, const struct block_req *r)
{
    const struct arena_header *h = machine_arena(t->m)->h;

    return r->niov && (uintptr_t)r->iov[0].iov_base - (uintptr_t)h < h->size;
}

static uint64_t hash_of(const struct block_req *r)
{
    uint64_t h = TAP_HASH_START;

    for (int i = 0; i < r->niov; i++)
        h = tap_hash(h, r->iov[i].iov_base, r->iov[i].iov_len);
    return h;
}

/* What a read that has ended brought: always its hash, and the bytes if the device looks at them.
 */
static void note_result(const struct tap *t, struct tap_record *r, const struct block_req *q,
                        int result)
{
    r->in[1] = tap_result(result);
    if (!t->side->live || result < 0 || q->op != BLOCK_READ)
        return;
    r->in[2] = hash_of(q);
    r->left_out |= t->nodata;
    if (tap_own_memory(t, q) && q->niov == 1) {
        r->bytes = q->iov[0].iov_base;
        r->len = (uint32_t)q->iov[0].iov_len;
    }
}

/* The other way round: what a read brings that nobody executes. */
static void put_result(const struct tap *t, const struct tap_record *r, const struct block_req *q)
{
    if (q->op != BLOCK_READ || !tap_own_memory(t, q) || q->niov != 1)
        return;
    memset(q->iov[0].iov_base, 0, q->iov[0].iov_len);
    if (r->bytes)
        memcpy(q->iov[0].iov_base, r->bytes,
               r->len < q->iov[0].iov_len ? r->len : q->iov[0].iov_len);
}

void tap_complete(struct tap_slot *s, const struct tap_record *r, int result)
{
    struct tap *t = s->disk->t;
    struct block_req *outer = s->outer;

    s->outer = NULL;
    if (!t->side->live)
        put_result(t, r, outer);
    outer->result = result;
    outer->pending = false;
    block_account(&s->disk->block, outer);
    outer->done(outer, result); /* may close the image */
    tap_leave(t, 0);
}

static void slot_done(struct block_req *q, int result)
{
    struct tap_slot *s = q->opaque;
    struct tap *t = s->disk->t;
    struct tap_record r = { .type = TAP_COMPLETE,
                            .in = { s->disk->place << 8 | (unsigned)(s - s->disk->slot) } };

    if (t->on)
        note_result(t, &r, q, result);
    tap_enter(t, &r, false);
    tap_complete(s, &r, result);
}

static struct tap_slot *free_slot(struct tap_disk *d)
{
    for (unsigned i = 0; i < TAP_SLOTS; i++)
        if (!d->slot[i].outer)
            return &d->slot[i];
    return NULL;
}

/* Starts `q` on the host: true if it is over. */
static bool start(struct tap_disk *d, struct tap_slot *s, struct block_req *q)
{
    s->disk = d;
    s->outer = q;
    if (!d->inner)
        return false;
    s->req = (struct block_req){ .op = q->op,
                                 .offset = q->offset,
                                 .length = q->length,
                                 .iov = q->iov,
                                 .niov = q->niov,
                                 .done = slot_done,
                                 .opaque = s };
    return block_submit(d->inner, &s->req);
}

static bool disk_submit(struct block *b, struct block_req *q)
{
    struct tap_disk *d = (struct tap_disk *)(void *)b;
    struct tap *t = d->t;
    struct tap_slot *s = free_slot(d);
    struct tap_record r = { .type = TAP_SUBMIT, .out = { d->place, q->op, q->offset, q->length } };
    bool finished;

    if (!s || !tap_noting(t)) {
        t->on &= s != NULL;
        if (d->inner)
            return block_submit(d->inner, q);
        q->result = -EIO;
        return true;
    }
    if (q->op == BLOCK_WRITE && tap_own_memory(t, q)) {
        r.left_out = t->nodata;
        r.out[4] = r.left_out ? 0 : hash_of(q);
    }
    finished = start(d, s, q);
    if (finished)
        note_result(t, &r, q, s->req.result);
    else
        r.in[0] = 1 + (uint64_t)(s - d->slot);
    t->side->note(t, &r);
    if (!t->side->live && r.in[0] == 0) {
        finished = true;
        put_result(t, &r, q);
    }
    if (!finished)
        return false;
    s->outer = NULL;
    q->result = tap_errno(r.in[1]);
    return true;
}

/* Nobody will: whoever waits for it would wait for ever. */
static void cancel(struct tap_disk *d)
{
    for (unsigned i = 0; i < TAP_SLOTS; i++) {
        struct block_req *q = d->slot[i].outer;

        d->slot[i].outer = NULL;
        if (q)
            q->done(q, q->result = -EIO);
    }
}

static void disk_drain(struct block *b)
{
    struct tap_disk *d = (struct tap_disk *)(void *)b;
    struct tap_record r = { .type = TAP_DRAIN, .out = { d->place } };
    struct tap_record back = { .type = TAP_BACK };
    struct tap *t = d->t;
    bool noting = tap_noting(t);

    if (noting)
        t->side->note(t, &r);
    block_drain(d->inner);
    if (noting && !t->side->live)
        t->side->nested(t);
    if (noting)
        t->side->note(t, &back);
    if (!t->side->live)
        cancel(d);
}

static void forget(struct tap_disk *d)
{
    if (d->t->disk[d->place] == d)
        d->t->disk[d->place] = NULL;
    free(d);
}

static void disk_close(struct block *b)
{
    struct tap_disk *d = (struct tap_disk *)(void *)b;

    block_close(d->inner);
    forget(d);
}

static void disk_leave(struct block *b)
{
    struct tap_disk *d = (struct tap_disk *)(void *)b;

    block_leave(d->inner);
    forget(d);
}

static bool disk_resized(struct block *b)
{
    return block_resized(((struct tap_disk *)(void *)b)->inner);
}

static const struct block_ops tap_disk_ops = { .submit = disk_submit,
                                               .drain = disk_drain,
                                               .close = disk_close,
                                               .leave = disk_leave,
                                               .resized = disk_resized };

struct tap_disk *tap_new_disk(struct tap *t, unsigned place, uint64_t size, bool read_only)
{
    struct tap_disk *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->block = (struct block){ .ops = &tap_disk_ops, .size = size, .read_only = read_only };
    d->t = t;
    d->place = place;
    return d;
}

struct block *tap_disk(struct tap *t, unsigned place, struct block *inner)
{
    struct tap_disk *d;

    if (!t || !inner || place >= PC_DISKS)
        return inner;
    d = tap_new_disk(t, place, inner->size, inner->read_only);
    if (!d) {
        block_close(inner);
        return NULL;
    }
    d->block.fd = inner->fd;
    memcpy(d->block.path, inner->path, sizeof d->block.path);
    d->inner = inner;
    t->disk[place] = d;
    return &d->block;
}

/* --- Streams. */

static const struct chardev_user *user_of(struct tap_serial *s)
{
    const struct chardev_user *u = s->chr.user;

    s->user.filed = u ? u->filed : NULL;
    return u;
}

void tap_room(struct tap_serial *s, size_t *room)
{
    const struct chardev_user *u = user_of(s);

    *room = u ? u->room(u->opaque) : 0;
    s->starved = *room == 0;
    tap_leave(s->t, *room);
}

static size_t serial_room(void *opaque)
{
    struct tap_serial *s = opaque;
    struct tap_record r = { .type = TAP_ROOM, .in = { s->port } };
    size_t room = 0;

    if (!user_of(s))
        return 0;
    tap_enter(s->t, &r, false);
    tap_room(s, &room);
    return room;
}

void tap_receive(struct tap_serial *s, const uint8_t *bytes, size_t n)
{
    const struct chardev_user *u = user_of(s);

    if (u)
        u->receive(u->opaque, bytes, n);
    tap_leave(s->t, 0);
}

static void serial_receive(void *opaque, const uint8_t *bytes, size_t n)
{
    struct tap_serial *s = opaque;
    struct tap_record r = {
        .type = TAP_RECEIVE, .in = { s->port }, .bytes = bytes, .len = (uint32_t)n
    };

    tap_enter(s->t, &r, false);
    tap_receive(s, bytes, n);
}

void tap_writable(struct tap_serial *s)
{
    const struct chardev_user *u = user_of(s);

    s->blocked = false;
    if (u && u->writable)
        u->writable(u->opaque);
    tap_leave(s->t, 0);
}

static void serial_writable(void *opaque)
{
    struct tap_serial *s = opaque;
    struct tap_record r = { .type = TAP_WRITABLE, .in = { s->port } };

    tap_enter(s->t, &r, false);
    tap_writable(s);
}

/* What the host made of n bytes: how many it took, and how far its file has grown. */
static size_t put_back(struct tap_serial *s, size_t n, uint64_t filed, size_t taken)
{
    const struct chardev_user *u = user_of(s);
    struct tap_record back = { .type = TAP_BACK };
    struct tap *t = s->t;

    if (!t->side->live)
        t->side->nested(t);
    back.in[0] = taken;
    back.in[1] = u && u->filed ? *u->filed - filed : 0;
    t->side->note(t, &back);
    if (t->side->live)
        return taken;
    if (u && u->filed)
        *u->filed = filed + back.in[1];
    return back.in[0] < n ? (size_t)back.in[0] : n;
}

static size_t serial_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct tap_serial *s = (struct tap_serial *)(void *)c;
    const struct chardev_user *u = user_of(s);
    struct tap_record r = { .type = TAP_PUT,
                            .out = { s->port, n, tap_hash(TAP_HASH_START, bytes, n) } };
    uint64_t filed = u && u->filed ? *u->filed : 0;
    bool noting = tap_noting(s->t);
    size_t taken;

    if (noting)
        s->t->side->note(s->t, &r);
    taken = s->inner ? chardev_write(s->inner, bytes, n) : s->blocked ? 0 : n;
    if (noting)
        taken = put_back(s, n, filed, taken);
    s->blocked = taken < n;
    return taken;
}

static void serial_kick(struct chardev *c)
{
    struct tap_serial *s = (struct tap_serial *)(void *)c;
    struct tap_record r = { .type = TAP_KICK, .out = { s->port } };
    struct tap_record back = { .type = TAP_BACK };
    struct tap *t = s->t;
    bool noting = tap_noting(t);

    (void)user_of(s);
    s->starved = false;
    if (noting)
        t->side->note(t, &r);
    if (s->inner)
        chardev_kick(s->inner);
    if (!noting)
        return;
    if (!t->side->live)
        t->side->nested(t);
    t->side->note(t, &back);
}

static void serial_rest(struct chardev *c, bool on)
{
    struct tap_serial *s = (struct tap_serial *)(void *)c;

    if (s->inner)
        chardev_rest(s->inner, on);
}

static void serial_close(struct chardev *c)
{
    struct tap_serial *s = (struct tap_serial *)(void *)c;

    chardev_close(s->inner);
    s->t->serial[s->port] = NULL;
    free(s);
}

static const struct chardev_ops tap_serial_ops = {
    .write = serial_write, .kick = serial_kick, .close = serial_close, .rest = serial_rest
};

struct tap_serial *tap_new_serial(struct tap *t, unsigned port)
{
    struct tap_serial *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->chr.ops = &tap_serial_ops;
    s->chr.keep = -1;
    s->t = t;
    s->port = port;
    s->user = (struct chardev_user){ serial_room, serial_receive, serial_writable, s, NULL };
    t->serial[port] = s;
    return s;
}

struct chardev *tap_serial(struct tap *t, unsigned port, struct chardev *inner)
{
    struct tap_serial *s;

    if (!t || !inner || port >= PC_SERIALS)
        return inner;
    s = tap_new_serial(t, port);
    if (!s) {
        chardev_close(inner);
        return NULL;
    }
    s->inner = inner;
    s->chr.keep = inner->keep;
    memcpy(s->chr.label, inner->label, sizeof s->chr.label);
    memcpy(s->chr.filename, inner->filename, sizeof s->chr.filename);
    chardev_attach(inner, &s->user);
    return &s->chr;
}
