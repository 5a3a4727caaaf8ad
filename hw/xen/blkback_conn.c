/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback_conn - the life of a connection: what it maps and binds, and that it gives all of it back
 * however it ends (S22).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hw/xen/blkback_private.h"

/* ---- grant copies --------------------------------------------------------------------------- */

void blk_copies_run(struct blk_conn *c)
{
    struct blk_copies *k = &c->copies;

    if (!k->nr)
        return;
    c->pv->ops->copy_grants(c->pv, k->piece, k->nr);
    for (unsigned i = 0; i < k->nr; i++)
        if (k->piece[i].failed)
            k->whose[i]->status = BLKIF_ERROR;
    k->nr = 0;
}

void blk_copies_add(struct blk_conn *c, struct blk_request *r, struct pv_copy piece)
{
    struct blk_copies *k = &c->copies;

    if (k->nr == ARRAY_SIZE(k->piece))
        blk_copies_run(c);
    k->piece[k->nr] = piece;
    k->whose[k->nr++] = r;
}

/* ---- quiet ---------------------------------------------------------------------------------- */

bool blk_conn_quiet(const struct blk_conn *c)
{
    for (unsigned i = 0; i < c->queues; i++)
        if (c->queue[i].busy)
            return false;
    return c->stop != BLK_FLUSHES;
}

void blk_conn_settle(struct blk_conn *c)
{
    if ((c->broken || c->stop != BLK_RUNS) && blk_conn_quiet(c))
        loop_defer(c->loop, &c->settle);
}

static void answer_all(struct blk_conn *c)
{
    for (unsigned i = 0; i < c->queues && !c->broken; i++)
        blk_queue_answer(&c->queue[i]);
}

static void flushed(struct block_req *r, int result)
{
    struct blk_conn *c = r->opaque;

    (void)result; /* the block layer has said it */
    c->stop = BLK_STOPPED;
    blk_conn_settle(c);
}

/* Nothing is in flight: on to the next stage. true: there is none. */
static bool stopped(struct blk_conn *c)
{
    if (c->stop != BLK_DRAINS)
        return c->stop == BLK_STOPPED;
    answer_all(c);
    c->stop = BLK_STOPPED;
    if (!c->block || c->block->read_only)
        return true;
    c->stop = BLK_FLUSHES;
    c->flush = (struct block_req){ .op = BLOCK_FLUSH, .done = flushed, .opaque = c };
    if (!block_submit(c->block, &c->flush))
        return false;
    c->stop = BLK_STOPPED;
    return true;
}

bool blk_conn_stop(struct blk_conn *c)
{
    if (c->stop == BLK_RUNS)
        c->stop = BLK_DRAINS;
    return blk_conn_quiet(c) && stopped(c);
}

static void settled(void *opaque)
{
    struct blk_conn *c = opaque;

    if (!blk_conn_quiet(c) || (c->stop != BLK_RUNS && !stopped(c)))
        return;
    if (c->broken || c->stop != BLK_RUNS)
        c->quiet(c->opaque);
}

void blk_conn_start(struct blk_conn *c)
{
    c->stop = BLK_RUNS;
    for (unsigned i = 0; i < c->queues; i++)
        loop_defer(c->loop, &c->queue[i].again);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static int open_queue(struct blk_conn *c, struct blk_queue *q, const struct blk_conn_options *o,
                      const struct blk_setup *s)
{
    unsigned i = (unsigned)(q - c->queue);
    int err;

    q->conn = c;
    q->again = (struct loop_work){ .run = blk_queue_run, .opaque = q };
    q->channel = (struct pv_channel){ .event = blk_queue_run, .opaque = q };
    q->journal = &c->journal->queue[i];
    err = c->pv->ops->map_grants(c->pv, s->queue[i].ref, 1u << s->order, &q->shared);
    if (err < 0) {
        q->shared = NULL;
        return err;
    }
    q->ring = blkif_ring(q->shared, s->order, s->abi);
    /* Pages that are never touched cost nothing. */
    q->request = mmap(NULL, q->ring.slots * sizeof *q->request, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (q->request == MAP_FAILED) {
        q->request = NULL;
        return -errno;
    }
    err = blk_memory_open(&q->memory, c->pv, s->persistent, o->grants_left);
    if (!err)
        err = blk_queue_begin(q, o->adopting);
    return err ? err : c->pv->ops->bind(c->pv, s->queue[i].port, &q->channel);
}

static void close_queue(struct blk_conn *c, struct blk_queue *q, unsigned pages)
{
    c->pv->ops->unbind(c->pv, &q->channel);
    loop_cancel(c->loop, &q->again);
    blk_memory_close(&q->memory);
    if (q->request)
        munmap(q->request, q->ring.slots * sizeof *q->request);
    if (q->shared)
        c->pv->ops->unmap_grants(c->pv, q->shared, pages);
}

static bool journal_fits(const struct blk_journal *j, const struct blk_setup *s)
{
    return j->valid == BLK_JOURNAL && j->abi == s->abi && j->order == s->order &&
           j->queues == s->queues;
}

static void journal_write(struct blk_journal *j, const struct blk_setup *s)
{
    j->abi = s->abi;
    j->order = s->order;
    j->queues = s->queues;
    __atomic_store_n(&j->valid, BLK_JOURNAL, __ATOMIC_RELEASE);
}

int blk_conn_open(const struct blk_conn_options *o, const struct blk_setup *s,
                  struct blk_conn **out)
{
    struct blk_conn *c;
    int err = 0;

    if (o->adopting && !journal_fits(o->journal, s))
        return -EBADMSG;
    c = calloc(1, sizeof *c + s->queues * sizeof c->queue[0]);
    if (!c)
        return -ENOMEM;
    c->pv = o->pv;
    c->loop = o->loop;
    c->block = o->block;
    c->discard = o->discard;
    c->journal = o->journal;
    c->events = o->events;
    c->quiet = o->quiet;
    c->opaque = o->opaque;
    c->settle = (struct loop_work){ .run = settled, .opaque = c };
    c->order = s->order;
    if (!o->adopting)
        __atomic_store_n(&c->journal->valid, 0, __ATOMIC_RELEASE);
    for (; c->queues < s->queues && !err; c->queues++)
        err = open_queue(c, &c->queue[c->queues], o, s);
    if (err) {
        blk_conn_close(c, true); /* nothing was answered */
        return err;
    }
    if (!o->adopting)
        journal_write(c->journal, s);
    for (unsigned i = 0; i < c->queues; i++) {
        /* A predecessor may have died between the last response and its notification. */
        if (o->adopting)
            c->pv->ops->notify(c->pv, &c->queue[i].channel);
        loop_defer(c->loop, &c->queue[i].again);
    }
    *out = c;
    return 0;
}

/* What was answered is on the disk when another one may write there. */
static void flush_now(struct blk_conn *c)
{
    if (c->stop == BLK_STOPPED || !c->block)
        return;
    c->flush = (struct block_req){ .op = BLOCK_FLUSH, .done = flushed, .opaque = c };
    if (!block_submit(c->block, &c->flush))
        block_drain(c->block);
}

void blk_conn_close(struct blk_conn *c, bool leave)
{
    /* Pages must not go while the image is read or written there. Where there is time for it,
     * blk_conn_stop() came before, and nothing is in flight. */
    if (c->stop == BLK_RUNS)
        c->stop = BLK_DRAINS;
    block_drain(c->block);
    answer_all(c);
    if (!leave) {
        flush_now(c);
        __atomic_store_n(&c->journal->valid, 0, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < c->queues; i++)
        close_queue(c, &c->queue[i], 1u << c->order);
    loop_cancel(c->loop, &c->settle);
    free(c);
}
