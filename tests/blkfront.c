/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blkfront - see blkfront.h. */
#include "tests/blkfront.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- the disk ------------------------------------------------------------------------------- */

static void execute(struct test_disk *d, struct block_req *r)
{
    uint8_t *at = d->bytes + r->offset;

    r->result = 0;
    if (r->op == BLOCK_FLUSH) {
        d->flushed++;
        return;
    }
    if (d->bad_first - r->offset < r->length) {
        r->result = -EIO;
        return;
    }
    if (r->op == BLOCK_DISCARD) {
        d->discarded++;
        r->result = d->no_discard ? -EOPNOTSUPP : 0;
        if (!d->no_discard)
            memset(at, 0, r->length);
        return;
    }
    for (int i = 0; i < r->niov; i++) {
        if (r->op == BLOCK_READ)
            memcpy(r->iov[i].iov_base, at, r->iov[i].iov_len);
        else
            memcpy(at, r->iov[i].iov_base, r->iov[i].iov_len);
        at += r->iov[i].iov_len;
    }
}

static bool disk_submit(struct block *b, struct block_req *r)
{
    struct test_disk *d = (struct test_disk *)(void *)b;

    d->submitted++;
    if (d->submitting)
        d->submitting(d->opaque);
    if (!d->hold) {
        execute(d, r);
        return true;
    }
    if (d->held_now == FRONT_HELD)
        abort(); /* more in flight than a ring has slots */
    d->held[d->held_now++] = r;
    return false;
}

void test_disk_end(struct test_disk *d, unsigned n)
{
    struct block_req *r = d->held[n];

    d->held[n] = d->held[--d->held_now];
    execute(d, r);
    r->pending = false;
    r->done(r, r->result);
}

void test_disk_end_all(struct test_disk *d)
{
    while (d->held_now)
        test_disk_end(d, 0);
}

static void disk_drain(struct block *b)
{
    test_disk_end_all((struct test_disk *)(void *)b);
}

static void disk_close(struct block *b)
{
    disk_drain(b);
}

static bool disk_resized(struct block *b)
{
    struct test_disk *d = (struct test_disk *)(void *)b;
    uint64_t before = b->size;

    b->size = d->size;
    return b->size != before;
}

void test_disk_init(struct test_disk *d, uint8_t *bytes, uint64_t size)
{
    static const struct block_ops ops = {
        .submit = disk_submit, .drain = disk_drain, .close = disk_close, .resized = disk_resized
    };

    *d = (struct test_disk){ .base = { .ops = &ops, .size = size, .path = "test" },
                             .bytes = bytes,
                             .size = size,
                             .bad_first = UINT64_MAX };
}

/* ---- the ring as a guest's compiler sees it ------------------------------------------------- */

struct segment {
    uint32_t gref;
    uint8_t first, last;
};

struct request64 {
    uint8_t op, nr;
    uint16_t handle;
    uint64_t id, sector;
    union {
        struct segment segment[11];
        uint64_t sectors;
    };
};

struct indirect64 {
    uint8_t op, indirect_op;
    uint16_t nr;
    uint64_t id, sector;
    uint16_t handle;
    uint32_t gref[8];
};

/* gcc -m32 aligns uint64_t in a struct to four bytes. */
typedef uint64_t aligned4 __attribute__((aligned(4)));

struct request32 {
    uint8_t op, nr;
    uint16_t handle;
    aligned4 id, sector;
    union {
        struct segment segment[11];
        aligned4 sectors;
    };
};

struct indirect32 {
    uint8_t op, indirect_op;
    uint16_t nr;
    aligned4 id, sector;
    uint16_t handle;
    uint32_t gref[8];
    aligned4 pad;
};

static_assert(sizeof(struct request64) == 112, "native layout");
static_assert(sizeof(struct request32) == 108, "32-bit layout");

#define FILL(type, r)                                                                              \
    do {                                                                                           \
        struct type t = { .op = (r)->op, .nr = (uint8_t)(r)->segments, .id = (r)->id };            \
        t.sector = (r)->sector;                                                                    \
        for (unsigned i = 0; i < BLKIF_DIRECT_MAX; i++)                                            \
            t.segment[i] = (struct segment){ (r)->segment[i].ref, (r)->segment[i].first,           \
                                             (r)->segment[i].last };                               \
        if ((r)->op == BLKIF_DISCARD) {                                                            \
            t.nr = (r)->flag;                                                                      \
            t.sectors = (r)->sectors;                                                              \
        }                                                                                          \
        memcpy(at, &t, sizeof t);                                                                  \
    } while (0)

#define FILL_INDIRECT(type, r)                                                                     \
    do {                                                                                           \
        struct type t = { .op = BLKIF_INDIRECT, .indirect_op = (r)->indirect_op };                 \
        t.nr = (r)->segments;                                                                      \
        t.id = (r)->id;                                                                            \
        t.sector = (r)->sector;                                                                    \
        t.gref[0] = (r)->table;                                                                    \
        memcpy(at, &t, sizeof t);                                                                  \
    } while (0)

uint32_t front_slots(const struct blkfront *f)
{
    uint32_t fit = ((4096u << f->setup.order) - 64) / (f->setup.abi == BLKIF_ABI_64 ? 112 : 108);

    return 1u << (31 - __builtin_clz(fit));
}

uint32_t *front_index(struct blkfront *f, unsigned queue, enum blkif_index which)
{
    return (uint32_t *)(void *)f->queue[queue].ring + which;
}

uint8_t *front_slot(struct blkfront *f, unsigned queue, uint32_t index)
{
    return f->queue[queue].ring + 64 +
           (size_t)(index % front_slots(f)) * (f->setup.abi == BLKIF_ABI_64 ? 112 : 108);
}

void front_put(struct blkfront *f, unsigned queue, const struct front_request *r)
{
    uint8_t *at = front_slot(f, queue, f->queue[queue].req_prod++);

    if (r->op == BLKIF_INDIRECT && f->setup.abi == BLKIF_ABI_64)
        FILL_INDIRECT(indirect64, r);
    else if (r->op == BLKIF_INDIRECT)
        FILL_INDIRECT(indirect32, r);
    else if (f->setup.abi == BLKIF_ABI_64)
        FILL(request64, r);
    else
        FILL(request32, r);
}

void front_push(struct blkfront *f, unsigned queue)
{
    uint32_t old = *front_index(f, queue, BLKIF_REQ_PROD), now = f->queue[queue].req_prod;

    __atomic_store_n(front_index(f, queue, BLKIF_REQ_PROD), now, __ATOMIC_SEQ_CST);
    if (now - *front_index(f, queue, BLKIF_REQ_EVENT) < now - old)
        pv_sim_signal(f->sim, FRONT_PORT + queue);
}

void front_turn(struct blkfront *f)
{
    while (loop_turn(f->loop, false))
        ;
}

bool front_take(struct blkfront *f, unsigned queue, struct front_response *out)
{
    struct front_queue *q = &f->queue[queue];
    const uint8_t *at = front_slot(f, queue, q->rsp_cons);
    uint8_t padding[5] = { 0 };

    if (q->rsp_cons == *front_index(f, queue, BLKIF_RSP_PROD)) {
        *front_index(f, queue, BLKIF_RSP_EVENT) = q->rsp_cons + 1;
        return false;
    }
    q->rsp_cons++;
    out->id = le64(at);
    out->op = at[8];
    out->status = (int16_t)le16(at + 10);
    /* Nothing of our stack in what nobody looks at (XSA-216). */
    if (at[9] || (f->setup.abi == BLKIF_ABI_64 && memcmp(at + 12, padding, 4) != 0))
        abort();
    return true;
}

struct front_request front_transfer(uint8_t op, uint64_t id, uint64_t sector, unsigned page,
                                    uint16_t segments)
{
    struct front_request r = { .op = op, .id = id, .sector = sector, .segments = segments };

    for (unsigned i = 0; i < segments && i < BLKIF_DIRECT_MAX; i++)
        r.segment[i] = (struct blkif_segment){ FRONT_DATA + page + i, 0, 7 };
    return r;
}

struct front_request front_indirect(struct blkfront *f, uint8_t op, uint64_t id, uint64_t sector,
                                    unsigned page, uint16_t segments, unsigned table)
{
    struct segment *s = (struct segment *)(void *)front_page(f, table);

    for (unsigned i = 0; i < segments && i < 512; i++)
        s[i] = (struct segment){ FRONT_DATA + page + i, 0, 7 };
    return (struct front_request){ .op = BLKIF_INDIRECT,
                                   .indirect_op = op,
                                   .id = id,
                                   .sector = sector,
                                   .segments = segments,
                                   .table = FRONT_DATA + table };
}

int front_run(struct blkfront *f, const struct front_request *r)
{
    struct front_response answer = { 0, 0, 0 };

    front_put(f, 0, r);
    front_push(f, 0);
    front_turn(f);
    if (!front_take(f, 0, &answer) || answer.id != r->id ||
        answer.op != (r->op == BLKIF_INDIRECT ? r->indirect_op : r->op))
        abort();
    return answer.status;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void quiet(void *opaque)
{
    ((struct blkfront *)opaque)->quiet++;
}

static void *shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        abort();
    return p;
}

uint8_t *front_page(struct blkfront *f, unsigned n)
{
    return pv_sim_page(f->sim, FRONT_DATA + n, false);
}

static void grant_rings(struct blkfront *f)
{
    unsigned pages = 1u << f->setup.order;

    for (unsigned i = 0; i < f->setup.queues; i++) {
        for (unsigned n = 0; n < pages; n++) {
            uint32_t ref = FRONT_RING + i * 16 + n;
            uint8_t *page = pv_sim_page(f->sim, ref, false);

            if (n == 0)
                f->queue[i].ring = page;
            if (!page || page != f->queue[i].ring + (size_t)n * 4096)
                abort(); /* the simulator gives pages in order */
            f->setup.queue[i].ref[n] = ref;
        }
        f->setup.queue[i].port = FRONT_PORT + i;
        if (!pv_sim_offer(f->sim, FRONT_PORT + i))
            abort();
        *front_index(f, i, BLKIF_REQ_EVENT) = 1;
        *front_index(f, i, BLKIF_RSP_EVENT) = 1;
    }
}

void front_new(struct blkfront *f, enum blkif_abi abi, unsigned queues, unsigned order,
               bool persistent)
{
    front_new_small(f, abi, queues, order, persistent, FRONT_PAGES);
}

void front_new_small(struct blkfront *f, enum blkif_abi abi, unsigned queues, unsigned order,
                     bool persistent, unsigned pages)
{
    memset(f, 0, sizeof *f);
    f->sim = pv_sim_new();
    f->loop = loop_new();
    f->pv = f->sim && f->loop ? pv_sim_attach(f->sim, f->loop, false) : NULL;
    if (!f->pv)
        abort();
    f->setup.abi = abi;
    f->setup.queues = queues;
    f->setup.order = order;
    f->setup.persistent = persistent;
    f->grants_left = BLK_GRANTS_ALL;
    f->discard = true;
    f->journal = shared(sizeof *f->journal);
    test_disk_init(&f->disk, shared((size_t)FRONT_SECTORS * 512), (uint64_t)FRONT_SECTORS * 512);
    grant_rings(f);
    for (unsigned i = 0; i < pages; i++)
        if (!front_page(f, i))
            abort();
}

int front_connect(struct blkfront *f, bool adopting)
{
    const struct blk_conn_options o = { .pv = f->pv,
                                        .loop = f->loop,
                                        .block = &f->disk.base,
                                        .journal = f->journal,
                                        .events = &f->events,
                                        .grants_left = &f->grants_left,
                                        .quiet = quiet,
                                        .opaque = f,
                                        .discard = f->discard,
                                        .adopting = adopting };

    return blk_conn_open(&o, &f->setup, &f->conn);
}

void front_disconnect(struct blkfront *f, bool leave)
{
    if (f->conn)
        blk_conn_close(f->conn, leave);
    f->conn = NULL;
}

/* Its memory is not given back here: the addresses are lost with it. */
void front_kill(struct blkfront *f)
{
    struct loop *dead = f->loop;

    for (unsigned i = 0; i < f->conn->queues; i++) {
        struct blk_queue *q = &f->conn->queue[i];

        munmap(q->request, q->ring.slots * sizeof *q->request);
        munmap(q->memory.bounce, (size_t)BLK_BOUNCE * BLKIF_PAGE);
    }
    pv_sim_kill(f->pv);
    free(f->conn);
    f->conn = NULL;
    f->disk.held_now = 0;
    loop_free(dead);
    f->loop = loop_new();
    f->pv = f->loop ? pv_sim_attach(f->sim, f->loop, false) : NULL;
    if (!f->pv)
        abort();
}

void front_free(struct blkfront *f)
{
    front_disconnect(f, false);
    f->pv->ops->destroy(f->pv);
    pv_sim_free(f->sim);
    loop_free(f->loop);
    munmap(f->disk.bytes, (size_t)FRONT_SECTORS * 512);
    munmap(f->journal, sizeof *f->journal);
}
