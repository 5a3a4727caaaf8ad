/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback_queue - the way of a request: off the ring, to the image, back as a response.
 *
 * Order, which is what makes a death harmless. Taking: the request into an unused slot of the
 * journal, the slot is taken, then the journal's req_cons, by which it begins to count. Answering:
 * the response onto the ring, its place into the slot; the journal's rsp_next, the ring's rsp_prod,
 * by which the guest sees it, the journal's rsp_prod; then the slot is free. What was taken and not
 * seen by the guest is executed again by a successor, from the journal's copy: the guest cannot
 * have built anything upon it yet.
 *
 * Per wake-up: all requests are taken, all grant copies made by one call each way, requests that
 * continue each other become one, and all responses are published by one store and at most one
 * notification.
 * Present:  read, write, flush, barrier, discard; direct and indirect segments.
 * Absent:   discard that has to be secure (-2 is the answer); order between queues at a barrier.
 */
#include <errno.h>

#include "hw/xen/blkback_private.h"

enum { STEP_FLUSH = 1, STEP_DATA = 2, STEP_FLUSH_AFTER = 4 };
enum { ROUNDS = 4 }; /* of one wake-up; then others have their turn */

static void put(struct blk_list *l, struct blk_request *r)
{
    r->next = NULL;
    if (l->last)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
}

static struct blk_request *get(struct blk_list *l)
{
    struct blk_request *r = l->first;

    if (r)
        l->first = r->next;
    if (!l->first)
        l->last = NULL;
    return r;
}

static struct blk_journal_slot *slot_of(const struct blk_request *r)
{
    return &r->q->journal->slot[r - r->q->request];
}

/* ---- taking --------------------------------------------------------------------------------- */

static void decode(struct blk_queue *q, struct blk_request *r)
{
    r->q = q;
    r->req = blkif_decode(q->ring.abi, slot_of(r)->raw);
    r->status = blkif_check(&r->req);
    r->members = NULL;
    r->has_table = false;
    r->segments = 0;
    r->niov = 0;
    r->bytes = 0;
}

/* false: the ring cannot be like this. */
static bool take(struct blk_queue *q)
{
    uint32_t prod = blkif_index(&q->ring, BLKIF_REQ_PROD), cons = q->req_cons;

    if (prod - cons > q->unused) /* there are as many slots as the front end may have requests */
        return false;
    for (; cons != prod; cons++) {
        unsigned i = q->slot[--q->unused];
        struct blk_journal_slot *s = &q->journal->slot[i];

        blkif_copy(&q->ring, cons, s->raw);
        s->seq = cons;
        __atomic_store_n(&s->state, BLK_TAKEN, __ATOMIC_RELEASE);
        decode(q, &q->request[i]);
        put(&q->todo, &q->request[i]);
    }
    if (cons != q->req_cons)
        __atomic_store_n(&q->journal->req_cons, cons, __ATOMIC_RELEASE);
    q->req_cons = cons;
    return true;
}

/* Is there more? If not, the guest will notify us of the next one. */
static bool more(struct blk_queue *q)
{
    blkif_set_index(&q->ring, BLKIF_REQ_EVENT, q->req_cons + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return blkif_index(&q->ring, BLKIF_REQ_PROD) != q->req_cons;
}

/* ---- the guest's pages ---------------------------------------------------------------------- */

/* The page with the segments. It need not be kept: they are copied before anything else. */
static void find_table(struct blk_request *r)
{
    struct blk_memory *m = &r->q->memory;

    r->table = blk_memory_get(m, r->req.indirect_ref);
    r->has_table = true;
    if (blk_memory_copies(r->table))
        blk_copies_add(
            r->q->conn, r,
            (struct pv_copy){ .local = blk_memory_at(m, r->table),
                              .ref = r->req.indirect_ref,
                              .length = (uint16_t)(r->req.segments * BLKIF_SEGMENT_BYTES) });
}

/* Copies the segments, once. */
static void read_table(struct blk_request *r, uint8_t raw[BLKIF_INDIRECT_MAX * BLKIF_SEGMENT_BYTES])
{
    memcpy(raw, blk_memory_at(&r->q->memory, r->table),
           (size_t)r->req.segments * BLKIF_SEGMENT_BYTES);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    blk_memory_put(&r->q->memory, r->table);
    r->has_table = false;
}

static bool copied_in(const struct blk_request *r)
{
    return r->req.op != BLKIF_READ;
}

static void add_segment(struct blk_request *r, const struct blkif_segment *s)
{
    struct blk_memory *m = &r->q->memory;
    struct blk_segment *to = &r->segment[r->segments];
    size_t offset = (size_t)s->first * BLKIF_SECTOR;

    *to = (struct blk_segment){ .ref = s->ref,
                                .page = blk_memory_get(m, s->ref),
                                .first = s->first,
                                .sectors = (uint8_t)(s->last - s->first + 1) };
    r->iov[r->segments] = (struct iovec){ .iov_base = blk_memory_at(m, to->page) + offset,
                                          .iov_len = (size_t)to->sectors * BLKIF_SECTOR };
    r->bytes += r->iov[r->segments].iov_len;
    if (blk_memory_copies(to->page) && copied_in(r))
        blk_copies_add(r->q->conn, r,
                       (struct pv_copy){ .local = r->iov[r->segments].iov_base,
                                         .ref = s->ref,
                                         .offset = (uint16_t)offset,
                                         .length = (uint16_t)r->iov[r->segments].iov_len });
    r->niov = (int)++r->segments;
}

static void find_segments(struct blk_request *r)
{
    uint8_t table[BLKIF_INDIRECT_MAX * BLKIF_SEGMENT_BYTES];
    const uint8_t *raw = slot_of(r)->raw;

    if (r->has_table)
        read_table(r, table);
    for (unsigned i = 0; i < r->req.segments && r->status == BLKIF_OKAY; i++) {
        struct blkif_segment s = r->req.indirect
                                     ? blkif_segment(table + (size_t)i * BLKIF_SEGMENT_BYTES)
                                     : blkif_direct(r->q->ring.abi, raw, i);

        if (blkif_segment_sane(&s))
            add_segment(r, &s);
        else
            r->status = BLKIF_ERROR;
    }
}

/* What was read goes to the guest. */
static void copy_out(struct blk_request *r)
{
    if (r->req.op != BLKIF_READ || r->status != BLKIF_OKAY)
        return;
    for (unsigned i = 0; i < r->segments; i++)
        if (blk_memory_copies(r->segment[i].page))
            blk_copies_add(
                r->q->conn, r,
                (struct pv_copy){ .local = r->iov[i].iov_base,
                                  .ref = r->segment[i].ref,
                                  .offset = (uint16_t)(r->segment[i].first * BLKIF_SECTOR),
                                  .length = (uint16_t)r->iov[i].iov_len,
                                  .to_guest = true });
}

static void put_pages(struct blk_request *r)
{
    for (unsigned i = 0; i < r->segments; i++)
        blk_memory_put(&r->q->memory, r->segment[i].page);
    r->segments = 0;
}

/* ---- the image ------------------------------------------------------------------------------ */

static uint8_t steps_of(const struct blkif_request *q)
{
    switch (q->op) {
    case BLKIF_FLUSH:
        return q->segments ? STEP_FLUSH | STEP_DATA : STEP_FLUSH;
    case BLKIF_BARRIER:
        return q->segments ? STEP_FLUSH | STEP_DATA | STEP_FLUSH_AFTER : STEP_FLUSH;
    default:
        return STEP_DATA;
    }
}

/* Does it name sectors? A flush without data has any number there (Linux: all ones). */
static bool has_range(const struct blkif_request *q)
{
    return q->segments || q->op == BLKIF_DISCARD;
}

/* What can be said without the image; the rest it checks itself. */
static void check(struct blk_request *r)
{
    const struct blkif_request *q = &r->req;

    if (r->status != BLKIF_OKAY)
        return;
    if (!r->q->conn->block || (has_range(q) && (q->sector > UINT64_MAX / BLKIF_SECTOR ||
                                                q->sectors > UINT64_MAX / BLKIF_SECTOR)))
        r->status = BLKIF_ERROR;
    else if (q->op == BLKIF_DISCARD && !r->q->conn->discard)
        r->status = BLKIF_EOPNOTSUPP;
}

static void proceed(struct blk_request *r);
static void ended(struct blk_request *r, int result);

static void io_done(struct block_req *io, int result)
{
    struct blk_request *r = io->opaque;

    if (result == 0)
        proceed(r);
    else
        ended(r, result);
    loop_defer(r->q->conn->loop, &r->q->again);
}

static void prepare(struct blk_request *r, uint8_t step)
{
    static const enum block_op ops[] = { [BLKIF_READ] = BLOCK_READ,
                                         [BLKIF_WRITE] = BLOCK_WRITE,
                                         [BLKIF_BARRIER] = BLOCK_WRITE,
                                         [BLKIF_FLUSH] = BLOCK_WRITE,
                                         [BLKIF_DISCARD] = BLOCK_DISCARD };

    r->io.done = io_done;
    r->io.opaque = r;
    if (step != STEP_DATA) {
        r->io.op = BLOCK_FLUSH;
        r->io.offset = r->io.length = 0;
        return;
    }
    r->io.op = ops[r->req.op];
    r->io.offset = r->req.sector * BLKIF_SECTOR;
    r->io.length = r->req.op == BLKIF_DISCARD ? r->req.sectors * BLKIF_SECTOR : r->bytes;
    r->io.iov = r->iov;
    r->io.niov = r->niov;
}

/* Does what is left to do, as far as it ends at once. */
static void proceed(struct blk_request *r)
{
    while (r->steps) {
        uint8_t step = r->steps & (uint8_t)-r->steps;

        r->steps ^= step;
        prepare(r, step);
        if (!block_submit(r->q->conn->block, &r->io))
            return;
        if (r->io.result < 0) {
            ended(r, r->io.result);
            return;
        }
    }
    ended(r, 0);
}

static void start(struct blk_request *r)
{
    r->q->busy++;
    r->steps = steps_of(&r->req);
    proceed(r);
}

/* One of several that were done as one is at fault: each for itself. */
static void separate(struct blk_request *r)
{
    struct blk_request *m = r->members, *next;

    r->members = NULL;
    r->niov = (int)r->segments;
    r->bytes = 0;
    for (unsigned i = 0; i < r->segments; i++)
        r->bytes += r->iov[i].iov_len;
    start(r);
    for (; m; m = next) {
        next = m->next;
        start(m);
    }
}

static void finish(struct blk_request *r, enum blkif_status status)
{
    r->status = status;
    put(&r->q->finished, r);
}

static void ended(struct blk_request *r, int result)
{
    struct blk_queue *q = r->q;
    struct blk_request *m = r->members, *next;
    enum blkif_status status = result == 0             ? BLKIF_OKAY
                               : result == -EOPNOTSUPP ? BLKIF_EOPNOTSUPP
                                                       : BLKIF_ERROR;

    q->busy--;
    if (q->barrier == r)
        q->barrier = NULL;
    if (result < 0 && m) {
        separate(r);
        return;
    }
    finish(r, status);
    for (; m; m = next) {
        next = m->next;
        finish(m, status);
    }
    blk_conn_settle(q->conn);
}

/* ---- starting ------------------------------------------------------------------------------- */

/* Bounce pages that it may need. */
static unsigned pages_of(const struct blk_request *r)
{
    return r->status == BLKIF_OKAY ? r->req.segments + 1u : 0;
}

/* Can the next one be started, behind `batch` and with that many pages? A barrier is alone. */
static bool startable(const struct blk_queue *q, const struct blk_list *batch, unsigned pages)
{
    const struct blk_request *r = q->todo.first;

    return r && !q->barrier && pages >= pages_of(r) &&
           (r->req.op != BLKIF_BARRIER || (!q->busy && !batch->first));
}

/* Takes from the list what can be started now, with enough pages for all of it. */
static struct blk_list next_batch(struct blk_queue *q)
{
    struct blk_list batch = { NULL, NULL };
    unsigned pages = q->memory.spare;

    while (startable(q, &batch, pages)) {
        pages -= pages_of(q->todo.first);
        put(&batch, get(&q->todo));
        if (batch.last->req.op == BLKIF_BARRIER)
            q->barrier = batch.last;
    }
    return batch;
}

/* Does `b` continue what `a` does? */
static bool continues(const struct blk_request *a, const struct blk_request *b)
{
    return b && b->status == BLKIF_OKAY && a->req.op == b->req.op &&
           (a->req.op == BLKIF_READ || a->req.op == BLKIF_WRITE) &&
           b->req.sector == a->req.sector + a->bytes / BLKIF_SECTOR &&
           a->niov + b->niov <= BLKIF_INDIRECT_MAX;
}

static void start_or_refuse(struct blk_request *r, struct blk_list *rest)
{
    struct blk_list members = { NULL, NULL };

    if (r->status != BLKIF_OKAY) {
        if (r->q->barrier == r)
            r->q->barrier = NULL;
        finish(r, r->status);
        return;
    }
    while (continues(r, rest->first)) {
        struct blk_request *m = get(rest);

        memcpy(r->iov + r->niov, m->iov, (size_t)m->niov * sizeof m->iov[0]);
        r->niov += m->niov;
        r->bytes += m->bytes;
        put(&members, m);
    }
    r->members = members.first;
    start(r);
}

static void start_batch(struct blk_queue *q)
{
    struct blk_list batch = next_batch(q);
    struct blk_request *r;

    for (r = batch.first; r; r = r->next) {
        check(r);
        if (r->status == BLKIF_OKAY && r->req.indirect)
            find_table(r);
    }
    blk_copies_run(q->conn);
    for (r = batch.first; r; r = r->next)
        find_segments(r);
    blk_copies_run(q->conn);
    while ((r = get(&batch)))
        start_or_refuse(r, &batch);
}

/* ---- answering ------------------------------------------------------------------------------ */

static void respond(struct blk_queue *q, struct blk_request *r)
{
    struct blk_journal_slot *s = slot_of(r);

    blkif_respond(&q->ring, q->rsp_prod, r->req.id, r->req.op, r->status);
    s->rsp = q->rsp_prod;
    __atomic_store_n(&s->state, BLK_ANSWERING, __ATOMIC_RELEASE);
    q->rsp_prod++;
}

static void publish(struct blk_queue *q)
{
    __atomic_store_n(&q->journal->rsp_next, q->rsp_prod, __ATOMIC_RELEASE);
    blkif_set_index(&q->ring, BLKIF_RSP_PROD, q->rsp_prod);
    __atomic_store_n(&q->journal->rsp_prod, q->rsp_prod, __ATOMIC_RELEASE);
}

void blk_queue_answer(struct blk_queue *q)
{
    uint32_t before = q->rsp_prod, event;
    struct blk_request *r;

    if (!q->finished.first)
        return;
    for (r = q->finished.first; r; r = r->next)
        copy_out(r);
    blk_copies_run(q->conn);
    for (r = q->finished.first; r; r = r->next)
        respond(q, r);
    publish(q);
    while ((r = get(&q->finished))) {
        __atomic_store_n(&slot_of(r)->state, BLK_FREE, __ATOMIC_RELEASE);
        q->slot[q->unused++] = (uint16_t)(r - q->request);
        put_pages(r);
        if (q->conn->events)
            *q->conn->events = *q->conn->events + 1;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    event = blkif_index(&q->ring, BLKIF_RSP_EVENT);
    if (q->rsp_prod - event < q->rsp_prod - before)
        q->conn->pv->ops->notify(q->conn->pv, &q->channel);
}

/* ---- running -------------------------------------------------------------------------------- */

/* What one look brings forward; false: nothing is left for another one. */
static bool run_once(struct blk_queue *q)
{
    static const struct blk_list nothing = { NULL, NULL };
    struct blk_conn *c = q->conn;

    if (!take(q)) {
        c->broken = true;
        return false;
    }
    start_batch(q);
    blk_queue_answer(q);
    return more(q) || startable(q, &nothing, q->memory.spare);
}

void blk_queue_run(void *opaque)
{
    struct blk_queue *q = opaque;
    struct blk_conn *c = q->conn;
    bool again = true;

    for (unsigned i = 0; i < ROUNDS && again && c->stop == BLK_RUNS && !c->broken; i++)
        again = run_once(q);
    if (c->stop == BLK_RUNS && !c->broken && again)
        loop_defer(c->loop, &q->again);
    else
        blk_conn_settle(c);
}

/* ---- beginning ------------------------------------------------------------------------------ */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* Puts it where it belongs in the order of the ring. */
static void insert(struct blk_list *l, struct blk_request *r)
{
    struct blk_request **at = &l->first;

    while (*at && before(slot_of(*at)->seq, slot_of(r)->seq))
        at = &(*at)->next;
    r->next = *at;
    *at = r;
    if (!r->next)
        l->last = r;
}

/* Was it taken, and has the guest no answer to it? */
static bool is_open(const struct blk_queue *q, const struct blk_journal_slot *s)
{
    if (s->state == BLK_ANSWERING)
        return !before(s->rsp, q->rsp_prod);
    return s->state == BLK_TAKEN && before(s->seq, q->req_cons);
}

/* Takes over slot `i`. Stopped anywhere in here, the journal still says the same. */
static void adopt_slot(struct blk_queue *q, unsigned i)
{
    struct blk_journal_slot *s = &q->journal->slot[i];
    bool open = is_open(q, s);

    __atomic_store_n(&s->state, open ? BLK_TAKEN : BLK_FREE, __ATOMIC_RELEASE);
    if (open) {
        decode(q, &q->request[i]);
        insert(&q->todo, &q->request[i]);
    } else {
        q->slot[q->unused++] = (uint16_t)i;
    }
}

/* Everything in flight is in the journal, once. */
static bool is_sound(const struct blk_queue *q)
{
    for (const struct blk_request *r = q->todo.first; r && r->next; r = r->next)
        if (slot_of(r)->seq == slot_of(r->next)->seq)
            return false;
    return q->req_cons - q->rsp_prod == q->ring.slots - q->unused;
}

int blk_queue_begin(struct blk_queue *q, bool adopting)
{
    struct blk_journal_queue *j = q->journal;
    uint32_t seen = blkif_index(&q->ring, BLKIF_RSP_PROD);

    if (adopting) {
        q->req_cons = j->req_cons;
        q->rsp_prod = seen == j->rsp_next ? j->rsp_next : j->rsp_prod;
    } else {
        q->req_cons = q->rsp_prod = j->req_cons = seen;
    }
    for (unsigned i = q->ring.slots; i-- > 0;) {
        if (!adopting)
            j->slot[i].state = BLK_FREE;
        adopt_slot(q, i);
    }
    __atomic_store_n(&j->rsp_prod, q->rsp_prod, __ATOMIC_RELEASE);
    __atomic_store_n(&j->rsp_next, q->rsp_prod, __ATOMIC_RELEASE);
    return is_sound(q) ? 0 : -EBADMSG;
}
