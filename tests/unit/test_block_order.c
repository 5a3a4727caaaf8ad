/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_block_order - raw images: asynchronous engines that exist only while needed, order, bounds,
 * draining and closing with requests in flight.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/image.h"

/* ---- Threads and the ring exist only while they are needed ---- */

static void test_nothing_runs_when_idle(void **state)
{
    struct image *f = *state;
    struct raw_tuning t = raw_default_tuning;
    struct block *b;
    struct raw_activity a;
    uint8_t sector[SECTOR];
    uint64_t limit;

    t.idle_ms = 20;
    t.no_ring = true;
    b = image_open_tuned(f, false, false, &t);
    raw_activity(b, &a);
    assert_false(a.ring);
    assert_int_equal(a.threads, 0);
    assert_int_equal(image_run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    limit = loop_now() + UINT64_C(10000000000);
    do {
        raw_activity(b, &a);
        usleep(1000);
    } while (a.threads && loop_now() < limit);
    assert_int_equal(a.threads, 0);
    /* And they come back. */
    assert_int_equal(image_run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(image_run(f, b, BLOCK_READ, 0, sector, SECTOR), 0);
    block_close(b);
}

static void test_cold_read_uses_the_ring(void **state)
{
    struct image *f = *state;
    struct raw_tuning t = raw_default_tuning;
    struct raw_activity a;
    uint8_t sector[SECTOR], expected[SIZE];
    struct block *b;

    t.no_inline = true;
    b = image_open_tuned(f, true, false, &t);
    assert_int_equal(image_run(f, b, BLOCK_READ, 3 * SECTOR, sector, SECTOR), 0);
    raw_activity(b, &a);
    if (!a.ring) {
        block_close(b);
        skip(); /* no io_uring on this host */
    }
    assert_int_equal(a.threads, 0);
    image_fill(expected, sizeof expected, 1);
    assert_memory_equal(sector, expected + 3 * SECTOR, SECTOR);
    block_close(b);
}

/* ---- Order, bounds, drain ---- */

/* Stops threads before they execute. */
struct gate {
    sem_t entered, pass;
    int started[64]; /* operations in the order of execution */
    unsigned n;
    enum block_op holds;
};

static void gate_executing(void *opaque, const struct block_req *r)
{
    struct gate *g = opaque;

    if (r->op != g->holds)
        return;
    sem_post(&g->entered);
    while (sem_wait(&g->pass) < 0 && errno == EINTR)
        ;
}

static struct block *open_gated(struct image *f, struct gate *g, unsigned depth)
{
    struct raw_tuning t = { .depth = depth,
                            .threads = 4,
                            .idle_ms = 50,
                            .no_inline = true,
                            .no_ring = true,
                            .executing = gate_executing,
                            .opaque = g };

    memset(g, 0, sizeof *g);
    sem_init(&g->entered, 0, 0);
    sem_init(&g->pass, 0, 0);
    g->holds = BLOCK_WRITE;
    return image_open_tuned(f, false, false, &t);
}

static void test_flush_waits_for_earlier_writes(void **state)
{
    struct image *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 8);
    static uint8_t bytes[3][SECTOR];
    struct iovec iov[3] = { { bytes[0], SECTOR }, { bytes[1], SECTOR }, { bytes[2], SECTOR } };
    struct image_op *w1 = image_op_new(BLOCK_WRITE, 0, SECTOR, &iov[0], 1);
    struct image_op *w2 = image_op_new(BLOCK_WRITE, SECTOR, SECTOR, &iov[1], 1);
    struct image_op *flush = image_op_new(BLOCK_FLUSH, 0, 0, NULL, 0);
    struct image_op *w3 = image_op_new(BLOCK_WRITE, 4 * SECTOR, SECTOR, &iov[2], 1);
    struct raw_activity a;

    assert_false(block_submit(b, &w1->r));
    assert_false(block_submit(b, &w2->r));
    assert_false(block_submit(b, &flush->r));
    assert_false(block_submit(b, &w3->r));
    sem_wait(&g.entered);
    sem_wait(&g.entered); /* both writes are with threads now, and stand still */
    raw_activity(b, &a);
    assert_int_equal(a.issued, 2);
    assert_int_equal(b->in_flight, 4);
    sem_post(&g.pass);
    while (!w1->done && !w2->done)
        loop_turn(f->l, true);
    raw_activity(b, &a);
    assert_int_equal(a.issued, 1); /* one write done: still no flush */
    assert_int_equal(flush->done, 0);
    sem_post(&g.pass);
    image_wait(f, flush);
    assert_int_equal(w1->done + w2->done, 2);
    assert_true(flush->order > w1->order && flush->order > w2->order);
    sem_post(&g.pass);
    image_wait(f, w3);
    assert_int_equal(b->in_flight, 0);
    block_close(b);
    free(w1);
    free(w2);
    free(w3);
    free(flush);
}

static void test_excess_is_queued(void **state)
{
    enum { N = 64 };
    struct image *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 3);
    static uint8_t bytes[N][SECTOR], in[N * SECTOR];
    struct iovec iov[N];
    struct image_op *o[N];
    struct raw_activity a;

    for (int i = 0; i < N; i++) {
        image_fill(bytes[i], SECTOR, (unsigned)i);
        iov[i] = (struct iovec){ bytes[i], SECTOR };
        o[i] = image_op_new(BLOCK_WRITE, (uint64_t)i * SECTOR, SECTOR, &iov[i], 1);
        assert_false(block_submit(b, &o[i]->r));
    }
    raw_activity(b, &a);
    assert_int_equal(a.issued, 3);
    assert_in_range(a.threads, 1, 3);
    assert_int_equal(b->in_flight, N);
    for (int i = 0; i < N; i++)
        sem_post(&g.pass);
    block_drain(b);
    assert_int_equal(b->in_flight, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(o[i]->done, 1);
        assert_int_equal(o[i]->r.result, 0);
        free(o[i]);
    }
    assert_int_equal(image_run(f, b, BLOCK_READ, 0, in, sizeof in), 0);
    assert_memory_equal(in, bytes, sizeof in);
    block_close(b);
}

static void *open_gate_later(void *opaque)
{
    struct gate *g = opaque;

    usleep(30000);
    sem_post(&g->pass);
    sem_post(&g->pass);
    return NULL;
}

/* Draining waits for the image's own requests, and leaves another image's completions alone. */
static void test_drain(void **state)
{
    struct image *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 8), *other;
    struct block_options options = { .path = f->path, .fd = -1, .format = "raw", .no_lock = true };
    static uint8_t bytes[2][SECTOR];
    struct iovec iov[2] = { { bytes[0], SECTOR }, { bytes[1], SECTOR } };
    struct image_op *w1 = image_op_new(BLOCK_WRITE, 0, SECTOR, &iov[0], 1);
    struct image_op *w2 = image_op_new(BLOCK_WRITE, SECTOR, SECTOR, &iov[1], 1);
    struct image_op *flush = image_op_new(BLOCK_FLUSH, 0, 0, NULL, 0);
    pthread_t thread;

    assert_int_equal(block_open(f->l, &options, &other, &f->e), 0);
    assert_false(block_submit(other, &flush->r));
    assert_false(block_submit(b, &w1->r));
    assert_false(block_submit(b, &w2->r));
    assert_int_equal(pthread_create(&thread, NULL, open_gate_later, &g), 0);
    block_drain(b);
    assert_int_equal(w1->done, 1);
    assert_int_equal(w2->done, 1);
    assert_int_equal(b->in_flight, 0);
    assert_int_equal(flush->done, 0);
    assert_int_equal(other->in_flight, 1);
    image_wait(f, flush);
    pthread_join(thread, NULL);
    block_drain(b); /* nothing to wait for */
    block_close(b);
    block_close(other);
    free(w1);
    free(w2);
    free(flush);
}

static void resubmit_done(struct block_req *r, int result)
{
    struct image_op *o = r->opaque;

    assert_int_equal(result, 0);
    if (++o->done < 5)
        assert_false(block_submit(r->block, r));
}

static void test_drain_covers_what_done_submits(void **state)
{
    struct image *f = *state;

    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);
        struct image_op *o = image_op_new(BLOCK_FLUSH, 0, 0, NULL, 0);

        o->r.done = resubmit_done;
        assert_false(block_submit(b, &o->r));
        block_drain(b);
        assert_int_equal(o->done, 5);
        block_close(b);
        free(o);
    }
}

static void drain_done(struct block_req *r, int result)
{
    struct image_op *o = r->opaque;

    assert_int_equal(result, 0);
    o->done++;
    block_drain(r->block); /* what else is in flight ends in here */
}

static void test_drain_inside_done(void **state)
{
    enum { N = 8 };
    struct image *f = *state;
    static uint8_t bytes[N][SECTOR];
    struct iovec iov[N];
    struct image_op *o[N];

    for (size_t w = IMAGE_WAY_RING; w <= IMAGE_WAY_THREADS; w++) {
        struct block *b = image_open_tuned(f, false, false, &image_ways[w].tuning);

        for (int i = 0; i < N; i++) {
            iov[i] = (struct iovec){ bytes[i], SECTOR };
            o[i] = image_op_new(BLOCK_READ, (uint64_t)i * SECTOR, SECTOR, &iov[i], 1);
            o[i]->r.done = drain_done;
            assert_false(block_submit(b, &o[i]->r));
        }
        while (b->in_flight)
            loop_turn(f->l, true);
        for (int i = 0; i < N; i++) {
            assert_int_equal(o[i]->done, 1);
            free(o[i]);
        }
        block_close(b);
    }
}

static void close_done(struct block_req *r, int result)
{
    struct image_op *o = r->opaque;

    assert_int_equal(result, 0);
    o->done++;
    block_close(r->block);
}

static void test_close_inside_done(void **state)
{
    struct image *f = *state;
    static uint8_t bytes[2][SECTOR];
    struct iovec iov[2] = { { bytes[0], SECTOR }, { bytes[1], SECTOR } };

    for (unsigned round = 0; round < 6; round++) {
        struct block *b =
            image_open_tuned(f, false, false, &image_ways[IMAGE_WAY_RING + round % 2].tuning);
        struct image_op *first = image_op_new(BLOCK_READ, 0, SECTOR, &iov[0], 1);
        struct image_op *second = image_op_new(BLOCK_READ, SECTOR, SECTOR, &iov[1], 1);

        /* Whichever ends first closes, and the other one ends inside that. */
        first->r.done = close_done;
        assert_false(block_submit(b, &first->r));
        if (round >= 2)
            assert_false(block_submit(b, &second->r));
        if (round >= 4)
            block_drain(b);
        else
            image_wait(f, first);
        assert_int_equal(first->done, 1);
        assert_int_equal(second->done, round >= 2);
        assert_int_equal(image_flags(f->path), -1);
        free(first);
        free(second);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, image_setup, image_teardown)
    const struct CMUnitTest tests[] = {
        T(test_nothing_runs_when_idle),
        T(test_cold_read_uses_the_ring),
        T(test_flush_waits_for_earlier_writes),
        T(test_excess_is_queued),
        T(test_drain),
        T(test_drain_covers_what_done_submits),
        T(test_drain_inside_done),
        T(test_close_inside_done),
    };

    return cmocka_run_group_tests_name("block_order", tests, NULL, NULL);
}
