/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many requests at once on a PV disk's ring: order, merging, notifications, limits; and what other
 * back ends were caught with, a test for each advisory.
 */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blkfront.h"

static struct blkfront f;
static uint32_t seed;

static unsigned random_below(unsigned n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static void begin(enum blkif_abi abi, unsigned queues, unsigned order, bool persistent)
{
    seed = 1;
    front_new(&f, abi, queues, order, persistent);
    assert_int_equal(front_connect(&f, false), 0);
    front_turn(&f);
}

/* Nothing is in use any more, and nothing is left. */
static void end(void)
{
    for (unsigned i = 0; i < f.conn->queues; i++) {
        struct blk_queue *q = &f.conn->queue[i];

        if (!f.conn->broken) /* else requests may wait, which nobody will start */
            assert_int_equal(q->unused, q->ring.slots);
        assert_int_equal(q->memory.spare, BLK_BOUNCE);
        for (unsigned n = 0; n < q->memory.grants; n++)
            assert_int_equal(q->memory.grant[n].users, 0);
    }
    front_disconnect(&f, false);
    assert_int_equal(pv_sim_mapped(f.sim) + pv_sim_bound(f.sim), 0);
    front_free(&f);
}

static void put(struct front_request r)
{
    front_put(&f, 0, &r);
}

static void go(void)
{
    front_push(&f, 0);
    front_turn(&f);
}

/* The next answer: its status; its id must be this. */
static int answer(uint64_t id)
{
    struct front_response a;

    if (!front_take(&f, 0, &a))
        fail_msg("no answer to %u", (unsigned)id);
    assert_int_equal(a.id, id);
    return a.status;
}

static bool answered(void)
{
    struct front_response a;

    return front_take(&f, 0, &a);
}

static void fill(uint8_t *p, size_t n, unsigned with)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / 251 + with * 31);
}

/* ---- order ---------------------------------------------------------------------------------- */

/* A full ring whose requests end in any order, again and again; each is answered once. */
static void any_order(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        unsigned slots, open = 0, sent = 0, got[20000] = { 0 };
        struct front_response a;

        begin(way & 1 ? BLKIF_ABI_32 : BLKIF_ABI_64, 1, way, way & 2);
        slots = front_slots(&f);
        f.disk.hold = true;
        while (sent < ARRAY_SIZE(got) || open) {
            while (open < slots && sent < ARRAY_SIZE(got) && random_below(8)) {
                put(front_transfer((uint8_t)random_below(2), sent++, random_below(900) * 8,
                                   random_below(500), (uint16_t)(1 + random_below(11))));
                open++;
            }
            go();
            assert_true(f.disk.held_now <= slots);
            while (f.disk.held_now && random_below(4))
                test_disk_end(&f.disk, random_below(f.disk.held_now));
            front_turn(&f);
            while (front_take(&f, 0, &a)) {
                assert_int_equal(a.status, BLKIF_OKAY);
                assert_int_equal(got[a.id]++, 0);
                open--;
            }
        }
        assert_int_equal(f.events, ARRAY_SIZE(got));
        end();
    }
}

static void barrier(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    f.disk.hold = true;
    put(front_transfer(BLKIF_WRITE, 0, 0, 0, 1));
    put(front_transfer(BLKIF_WRITE, 1, 100, 1, 1));
    put(front_transfer(BLKIF_BARRIER, 2, 200, 2, 1));
    put(front_transfer(BLKIF_READ, 3, 200, 3, 1));
    go();
    assert_int_equal(f.disk.held_now, 2);
    test_disk_end(&f.disk, 1);
    front_turn(&f);
    assert_int_equal(f.disk.held_now, 1);
    test_disk_end(&f.disk, 0);
    front_turn(&f);
    for (unsigned i = 0; i < 3; i++) { /* flush, write, flush */
        assert_int_equal(f.disk.held_now, 1);
        assert_int_equal(f.disk.held[0]->op, i == 1 ? BLOCK_WRITE : BLOCK_FLUSH);
        test_disk_end(&f.disk, 0);
        front_turn(&f);
    }
    assert_int_equal(f.disk.held_now, 1);
    test_disk_end(&f.disk, 0);
    front_turn(&f);
    assert_int_equal(answer(1), BLKIF_OKAY);
    assert_int_equal(answer(0), BLKIF_OKAY);
    assert_int_equal(answer(2), BLKIF_OKAY);
    assert_int_equal(answer(3), BLKIF_OKAY);
    put(front_transfer(BLKIF_BARRIER, 4, FRONT_SECTORS, 2,
                       1)); /* one that fails holds nothing up */
    put(front_transfer(BLKIF_BARRIER, 5, 0, 2, 12));
    put(front_transfer(BLKIF_READ, 6, 0, 2, 1));
    f.disk.hold = false;
    go();
    for (unsigned i = 4; i < 7; i++)
        assert_int_equal(answer(i), i == 6 ? BLKIF_OKAY : BLKIF_ERROR);
    end();
}

/* ---- economy -------------------------------------------------------------------------------- */

static void what_continues_is_one(void **state)
{
    (void)state;
    for (unsigned mapped = 0; mapped < 2; mapped++) {
        begin(BLKIF_ABI_64, 1, 0, mapped);
        for (unsigned i = 0; i < 20; i++)
            fill(front_page(&f, i), 4096, i);
        for (unsigned i = 0; i < 5; i++)
            put(front_transfer(BLKIF_WRITE, i, 16 * i, 2 * i, 2));
        put(front_transfer(BLKIF_READ, 5, 80, 30, 1));
        go();
        assert_int_equal(f.disk.submitted, 2);
        for (unsigned i = 0; i < 6; i++)
            assert_int_equal(answer(i), BLKIF_OKAY);
        for (unsigned i = 0; i < 10; i++)
            assert_memory_equal(f.disk.bytes + 4096 * i, front_page(&f, i), 4096);
        f.disk.bad_first = 20 * 512; /* in the second of them */
        for (unsigned i = 0; i < 5; i++)
            put(front_transfer(BLKIF_READ, i, 16 * i, 40 + 2 * i, 2));
        go();
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(answer(i), i == 1 ? BLKIF_ERROR : BLKIF_OKAY);
        for (unsigned i = 4; i < 10; i++)
            assert_memory_equal(front_page(&f, 40 + i), front_page(&f, i), 4096);
        /* The same when they end later. */
        f.disk.hold = true;
        for (unsigned i = 0; i < 5; i++)
            put(front_transfer(BLKIF_READ, i, 16 * i, 40 + 2 * i, 2));
        go();
        assert_int_equal(f.disk.held_now, 1);
        test_disk_end(&f.disk, 0);
        assert_int_equal(f.disk.held_now, 5);
        test_disk_end_all(&f.disk);
        front_turn(&f);
        for (unsigned i = 0; i < 5; i++)
            answered();
        assert_false(answered());
        end();
    }
}

/* Not more than one I/O takes, and the last ones count, too. */
static void long_runs(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 4, true);
    for (unsigned i = 0; i < 100; i++)
        put(front_transfer(BLKIF_WRITE, i, 80 * i, i, 10));
    go();
    /* 25 fit into one; 93 are started at once, as each segment could need a bounce page. */
    assert_int_equal(f.disk.submitted, 5);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(answer(i), BLKIF_OKAY);
    end();
}

static void notifications(void **state)
{
    unsigned before;

    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    assert_int_equal(*front_index(&f, 0, BLKIF_REQ_EVENT), 1);
    for (unsigned i = 0; i < 20; i++)
        put(front_transfer(BLKIF_READ, i, 50 * i, i, 1));
    before = pv_sim_notified(f.sim, FRONT_PORT);
    go();
    assert_int_equal(pv_sim_notified(f.sim, FRONT_PORT), before + 1);
    assert_int_equal(*front_index(&f, 0, BLKIF_REQ_EVENT), 21);
    while (answered())
        ;
    *front_index(&f, 0, BLKIF_RSP_EVENT) += 3; /* tell me when there are four */
    f.disk.hold = true;
    for (unsigned i = 0; i < 6; i++)
        put(front_transfer(BLKIF_READ, i, 50 * i, i, 1));
    go();
    for (unsigned i = 0; i < 6; i++) {
        test_disk_end(&f.disk, 0);
        front_turn(&f);
        assert_int_equal(pv_sim_notified(f.sim, FRONT_PORT), before + (i < 3 ? 1 : 2));
    }
    while (answered())
        ;
    end();
}

/* Copies go by batches, mapped pages need none at all. */
static void copies(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, false);
    put(front_transfer(BLKIF_WRITE, 0, 0, 0, 11));
    put(front_transfer(BLKIF_READ, 1, 800, 20, 11));
    put(front_indirect(&f, BLKIF_WRITE, 2, 0, 0, 64, 600));
    go();
    assert_int_equal(pv_sim_copied(f.sim), 11 + 11 + 64 + 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(answer(i), BLKIF_OKAY);
    assert_int_equal(pv_sim_mapped(f.sim), 1);
    end();
    begin(BLKIF_ABI_64, 1, 0, true);
    for (unsigned i = 0; i < 50; i++) {
        put(front_indirect(&f, BLKIF_WRITE, i, 0, 0, 64, 600));
        go();
        assert_int_equal(answer(i), BLKIF_OKAY);
    }
    assert_int_equal(pv_sim_copied(f.sim), 0);
    assert_int_equal(pv_sim_mapped(f.sim), 1 + 64 + 1);
    end();
}

/* ---- limits --------------------------------------------------------------------------------- */

/* More than fits into the bounce pages waits, and is not forgotten. */
static void too_much_at_once(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, false);
    f.disk.hold = true;
    for (unsigned i = 0; i < 32; i++)
        put(front_indirect(&f, BLKIF_WRITE, i, i % 7 * 1000, 0, 256, 600));
    go();
    for (unsigned done = 0; done < 32;) {
        assert_in_range(f.disk.held_now, 1, BLK_BOUNCE / 256);
        test_disk_end(&f.disk, f.disk.held_now - 1);
        front_turn(&f);
        while (answered())
            done++;
    }
    end();
}

/* A front end that says persistent and grants ever new pages: what is mapped stays bounded, and
 * what was not used for long goes. */
static void grants_without_end(void **state)
{
    struct front_request r = front_transfer(BLKIF_WRITE, 0, 0, 0, 1);

    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    for (unsigned i = 0; i < 4 * BLK_GRANTS; i++) {
        uint8_t *page;

        r.segment[0].ref = 100000 + i;
        page = pv_sim_page(f.sim, 100000 + i, false);
        assert_non_null(page);
        fill(page, 4096, i);
        assert_int_equal(front_run(&f, &r), BLKIF_OKAY);
        assert_memory_equal(f.disk.bytes, page, 4096);
        pv_sim_revoke(f.sim, 100000 + i, false);
        assert_true(pv_sim_mapped(f.sim) <= BLK_GRANTS + 1);
    }
    assert_true(pv_sim_copied(f.sim) > 0); /* no place for these */
    for (unsigned i = 0; i < 8 * BLK_GRANTS; i++) {
        r = front_transfer(BLKIF_WRITE, 0, 0, i % 4, 1);
        assert_int_equal(front_run(&f, &r), BLKIF_OKAY);
    }
    assert_int_equal(pv_sim_mapped(f.sim), BLK_GRANTS + 1);
    end();
}

/* All queues together: what one has no place for is copied, and what is given back counts again. */
static void grants_of_all_queues(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 4, 0, true);
    f.grants_left = 10;
    for (unsigned i = 0; i < 64; i++) {
        struct front_request r = front_transfer(BLKIF_WRITE, i, 8, i, 1);
        struct front_response a;

        front_put(&f, i % 4, &r);
        front_push(&f, i % 4);
        front_turn(&f);
        assert_true(front_take(&f, i % 4, &a));
        assert_int_equal(a.status, BLKIF_OKAY);
        assert_int_equal(pv_sim_mapped(f.sim), 4 + (i < 10 ? i + 1 : 10));
    }
    assert_int_equal(f.grants_left, 0);
    front_disconnect(&f, false);
    assert_int_equal(f.grants_left, 10);
    front_free(&f);
}

static void refill(void *opaque)
{
    (void)opaque;
    for (unsigned i = 0; i < 8; i++)
        put(front_transfer(BLKIF_READ, 0, 0, 0, 1));
    *front_index(&f, 0, BLKIF_REQ_PROD) = f.queue[0].req_prod;
    while (answered())
        ;
}

/* S4: a ring that is never empty gets its share, not all of the time. */
static void never_empty(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    f.disk.submitting = refill;
    put(front_transfer(BLKIF_READ, 0, 0, 0, 1));
    front_push(&f, 0);
    for (unsigned i = 0; i < 100 && !f.conn->broken; i++) {
        f.disk.submitted = 0;
        loop_turn(f.loop, false);
        assert_true(f.disk.submitted <= 4 * 32);
    }
    f.disk.submitting = NULL;
    front_turn(&f);
    if (f.conn->broken) { /* it asked for more than a ring can hold */
        front_disconnect(&f, false);
        *front_index(&f, 0, BLKIF_REQ_PROD) = *front_index(&f, 0, BLKIF_RSP_PROD);
        assert_int_equal(front_connect(&f, false), 0);
    }
    end();
}

static void queues(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 4, 1, true);
    for (unsigned i = 0; i < 400; i++) {
        struct front_request r = front_transfer(BLKIF_READ, i, 8 * i, i, 1);
        struct front_response a;

        front_put(&f, i % 4, &r);
        front_push(&f, i % 4);
        front_turn(&f);
        for (unsigned q = 0; q < 4; q++)
            assert_int_equal(front_take(&f, q, &a), q == i % 4);
        assert_int_equal(a.id, i);
    }
    /* One that makes no sense ends all. */
    *front_index(&f, 2, BLKIF_REQ_PROD) += 1000;
    assert_true(pv_sim_signal(f.sim, FRONT_PORT + 2));
    front_turn(&f);
    assert_int_equal(f.quiet, 1);
    end();
}

/* ---- advisories ----------------------------------------------------------------------------- */

/* The guest changes what it has asked for while that is being done. */
static void xsa_155_ring_changed_after_the_check(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        begin(way & 1 ? BLKIF_ABI_32 : BLKIF_ABI_64, 1, 0, way & 2);
        for (unsigned i = 0; i < 40; i++)
            fill(front_page(&f, i), 4096, i);
        pv_sim_flip(f.sim, true); /* whatever is copied may be looked at once */
        f.disk.hold = true;
        put(front_transfer(BLKIF_READ, 7, 8, 0, 4));
        put(front_indirect(&f, BLKIF_READ, 8, 800, 10, 20, 600));
        go();
        assert_int_equal(f.disk.held_now, 2);
        memset(front_slot(&f, 0, 0), 0xff, 200);
        memset(front_page(&f, 600), 0xff, 4096);
        fill(f.disk.bytes, FRONT_SECTORS * 512, 99);
        test_disk_end_all(&f.disk);
        front_turn(&f);
        assert_int_equal(answer(7), BLKIF_OKAY);
        assert_int_equal(answer(8), BLKIF_OKAY);
        assert_memory_equal(front_page(&f, 3), f.disk.bytes + 8 * 512 + 3 * 4096, 4096);
        assert_memory_equal(front_page(&f, 29), f.disk.bytes + 800 * 512 + 19 * 4096, 4096);
        end();
    }
}

/* The same by another vCPU, at any moment: in a process of its own. */
static void xsa_155_ring_changed_at_any_time(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 4; way++) {
        pid_t pid;

        begin(way & 1 ? BLKIF_ABI_32 : BLKIF_ABI_64, 1, 0, way & 2);
        pid = fork();
        if (pid == 0) {
            for (;;) {
                uint8_t *to = random_below(2) ? front_slot(&f, 0, 0) : front_page(&f, 600);

                to[random_below(32 * 112)] ^= (uint8_t)(1 << random_below(8));
            }
        }
        for (unsigned i = 0; i < 3000; i++) {
            for (unsigned k = 0; k < 8; k++)
                if (k & 1)
                    put(front_transfer((uint8_t)random_below(4), i, 0, 0, 11));
                else
                    put(front_indirect(&f, k & 2 ? BLKIF_READ : BLKIF_WRITE, i, 0, 0, 200, 600));
            go();
            if (f.conn->broken) {
                /* A segment has come to name the ring's own page, and was read into. */
                assert_int_not_equal(*front_index(&f, 0, BLKIF_REQ_PROD), f.queue[0].req_prod);
                break;
            }
            f.queue[0].rsp_cons += 8; /* whatever they say */
            assert_int_equal(*front_index(&f, 0, BLKIF_RSP_PROD), f.queue[0].rsp_cons);
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        end();
    }
}

static void xsa_184_more_requests_than_the_ring_has(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    f.disk.hold = true;
    for (unsigned i = 0; i < 32; i++)
        put(front_transfer(BLKIF_READ, i, 100 * i, i, 1));
    go();
    assert_int_equal(f.disk.held_now, 32);
    assert_false(f.conn->broken);
    put(front_transfer(BLKIF_READ, 32, 0, 0, 1)); /* nothing has been answered */
    *front_index(&f, 0, BLKIF_REQ_PROD) = f.queue[0].req_prod;
    assert_true(pv_sim_signal(f.sim, FRONT_PORT));
    front_turn(&f);
    assert_true(f.conn->broken);
    assert_int_equal(f.disk.held_now, 32);
    assert_int_equal(f.quiet, 0);
    test_disk_end_all(&f.disk);
    front_turn(&f);
    assert_true(f.quiet > 0);
    front_disconnect(&f, false);
    assert_int_equal(pv_sim_mapped(f.sim) + pv_sim_bound(f.sim), 0);
    front_free(&f);
}

/* front_take() looks at the padding; before that it is not zero. */
static void xsa_216_padding_of_responses(void **state)
{
    (void)state;
    for (unsigned abi = 0; abi < 2; abi++) {
        begin(abi ? BLKIF_ABI_32 : BLKIF_ABI_64, 1, 0, true);
        for (unsigned op = 0; op < 7; op++) {
            struct front_request r = front_transfer((uint8_t)op, op, 0, 0, 1);
            const uint8_t *slot = front_slot(&f, 0, op);

            memset(r.segment, 0xff, sizeof r.segment);
            put(r);
            memset(front_slot(&f, 0, op) + 9, 0xff, 1);
            memset(front_slot(&f, 0, op) + 12, 0xff, 90);
            go();
            assert_true(answered());
            /* What is not part of a response is the guest's own. */
            for (unsigned i = abi ? 12 : 16; i < 102; i++)
                assert_int_equal(slot[i], 0xff);
        }
        end();
    }
}

static void xsa_142_read_only_disks(void **state)
{
    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    f.disk.base.read_only = true;
    memset(f.disk.bytes, 0x55, 8192);
    put(front_transfer(BLKIF_WRITE, 0, 0, 0, 1));
    put(front_transfer(BLKIF_FLUSH, 1, 0, 0, 1));
    put(front_transfer(BLKIF_BARRIER, 2, 0, 0, 1));
    put(front_indirect(&f, BLKIF_WRITE, 3, 0, 0, 1, 600));
    put((struct front_request){ .op = BLKIF_DISCARD, .id = 4, .sectors = 8 });
    go();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(answer(i), BLKIF_ERROR);
    assert_int_equal(f.disk.bytes[0], 0x55);
    end();
}

static void cve_2008_0928_beyond_the_end(void **state)
{
    static const uint64_t at[] = { FRONT_SECTORS - 7, FRONT_SECTORS,     FRONT_SECTORS + 1,
                                   (1u << 28) - 1,    UINT64_C(1) << 48, UINT64_MAX };

    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    for (unsigned op = 0; op < 4; op++)
        for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
            put(front_transfer((uint8_t)op, i, at[i], 0, 1));
            put(front_indirect(&f, op & 1, i, at[i] - 2040, 0, 256, 600));
            go();
            assert_int_equal(answer(i), BLKIF_ERROR);
            assert_int_equal(answer(i), BLKIF_ERROR);
        }
    end();
}

/* ---- a real image --------------------------------------------------------------------------- */

static void image(void **state)
{
    struct block_options o = { .path = "memfd", .format = "raw", .locked = true, .no_ring = true };
    struct error e = { "" };
    struct block *b;

    (void)state;
    begin(BLKIF_ABI_64, 1, 0, true);
    o.fd = memfd_create("image", MFD_CLOEXEC);
    assert_int_equal(ftruncate(o.fd, 4 << 20), 0);
    if (block_open(f.loop, &o, &b, &e) < 0)
        fail_msg("%s", e.text);
    f.conn->block = b;
    for (unsigned i = 0; i < 200; i++) {
        fill(front_page(&f, i % 8), 4096, i);
        put(front_transfer(BLKIF_WRITE, i, 8 * i, i % 8, 1));
        put(front_transfer(BLKIF_FLUSH, i, 0, 0, 0));
        front_push(&f, 0);
        for (unsigned got = 0; got < 2;)
            if (answered())
                got++;
            else
                loop_turn(f.loop, true);
        put(front_transfer(BLKIF_READ, i, 8 * i, 20, 1));
        front_push(&f, 0);
        while (!answered())
            loop_turn(f.loop, true);
        assert_memory_equal(front_page(&f, 20), front_page(&f, i % 8), 4096);
    }
    for (unsigned i = 0; i < 8; i++)
        put(front_transfer(BLKIF_WRITE, i, 100 * i, i, 11));
    front_push(&f, 0);
    loop_turn(f.loop, false);
    front_disconnect(&f, false); /* with what is in flight */
    assert_int_equal(pv_sim_mapped(f.sim) + pv_sim_bound(f.sim), 0);
    block_close(b);
    front_free(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order),
        cmocka_unit_test(barrier),
        cmocka_unit_test(what_continues_is_one),
        cmocka_unit_test(long_runs),
        cmocka_unit_test(notifications),
        cmocka_unit_test(copies),
        cmocka_unit_test(too_much_at_once),
        cmocka_unit_test(grants_without_end),
        cmocka_unit_test(grants_of_all_queues),
        cmocka_unit_test(never_empty),
        cmocka_unit_test(queues),
        cmocka_unit_test(xsa_155_ring_changed_after_the_check),
        cmocka_unit_test(xsa_155_ring_changed_at_any_time),
        cmocka_unit_test(xsa_184_more_requests_than_the_ring_has),
        cmocka_unit_test(xsa_216_padding_of_responses),
        cmocka_unit_test(xsa_142_read_only_disks),
        cmocka_unit_test(cve_2008_0928_beyond_the_end),
        cmocka_unit_test(image),
    };

    return cmocka_run_group_tests_name("blkback_ring", tests, NULL, NULL);
}
