/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PV disk's back end that dies between any two stores to shared memory, and the successor that
 * goes on by the journal: each request is answered once, and the data are right.
 *
 * A child serves a ring instruction by instruction; wherever the ring, a page of the guest, the
 * journal or the disk has changed, all of them are kept. For each of these moments a successor
 * starts from what was kept; some successors die in the same way.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blkfront.h"

enum {
    PAGES = 17, /* the ring, and data pages 0 to 15 */
    SECTORS = 112,
    JOURNAL = 16 + 32 * 128, /* bytes of its first slots */
    SLOTS = 32,
    MOMENTS = 2048,
    REQUESTS = 10, /* of which the last comes after the death */
    SECOND = 41,   /* each so manieth successor dies too */
    GRAIN = 512,   /* instructions, after which it is a moment too if only data have changed */
};

struct moment {
    uint8_t pages[PAGES * 4096], disk[SECTORS * 512];
    uint32_t header[4];
    uint8_t journal[JOURNAL];
};

static struct blkfront f;
static struct moment moments[MOMENTS], more_moments[MOMENTS], now;
static bool reverse; /* the disk ends requests in the wrong order */

static_assert(offsetof(struct blk_journal_queue, slot) == 16 &&
                  sizeof(struct blk_journal_slot) == 128,
              "what is kept of the journal");

static void keep(struct moment *m)
{
    memcpy(m->pages, f.queue[0].ring, sizeof m->pages);
    memcpy(m->disk, f.disk.bytes, sizeof m->disk);
    memcpy(m->header, f.journal, sizeof m->header);
    memcpy(m->journal, &f.journal->queue[0], JOURNAL);
}

static void restore(const struct moment *m)
{
    memcpy(f.queue[0].ring, m->pages, sizeof m->pages);
    memcpy(f.disk.bytes, m->disk, sizeof m->disk);
    memcpy(f.journal, m->header, sizeof m->header);
    memcpy(&f.journal->queue[0], m->journal, JOURNAL);
}

/* The numbers that say how far things are. */
static bool same_numbers(const struct moment *m)
{
    const struct blk_journal_queue *a = (const void *)m->journal, *b = &f.journal->queue[0];

    if (memcmp(a, b, 16) || memcmp(m->header, f.journal, sizeof m->header) ||
        memcmp(m->pages, f.queue[0].ring, 16))
        return false;
    for (unsigned i = 0; i < SLOTS; i++)
        if (a->slot[i].state != b->slot[i].state || a->slot[i].seq != b->slot[i].seq ||
            a->slot[i].rsp != b->slot[i].rsp)
            return false;
    return true;
}

static bool same_data(const struct moment *m)
{
    return !memcmp(m->journal, &f.journal->queue[0], JOURNAL) &&
           !memcmp(m->pages, f.queue[0].ring, sizeof m->pages) &&
           !memcmp(m->disk, f.disk.bytes, sizeof m->disk);
}

/* ---- what the guest wants ------------------------------------------------------------------- */

static const int wanted[REQUESTS] = { [6] = BLKIF_ERROR };

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 5 + i / 253 + seed * 17 + 1);
}

/* The first sector of each page: what is copied is stepped through. */
static struct front_request transfer(uint8_t op, uint64_t id, uint64_t sector, unsigned page,
                                     uint16_t segments)
{
    struct front_request r = front_transfer(op, id, sector, page, segments);

    for (unsigned i = 0; i < segments; i++)
        r.segment[i].last = 0;
    return r;
}

static struct front_request indirect(void)
{
    struct front_request r = front_indirect(&f, BLKIF_WRITE, 103, 32, 4, 3, 7);

    for (unsigned i = 0; i < 3; i++)
        front_page(&f, 7)[8 * i + 5] = 0; /* the last sector */
    return r;
}

static struct front_request request(unsigned i)
{
    switch (i) {
    case 0:
        return transfer(BLKIF_WRITE, 100, 0, 0, 2);
    case 1: /* continues it */
        return transfer(BLKIF_WRITE, 101, 2, 2, 1);
    case 2:
        return transfer(BLKIF_READ, 102, 64, 3, 1);
    case 3:
        return indirect();
    case 4:
        return transfer(BLKIF_FLUSH, 104, 0, 0, 0);
    case 5:
        return (struct front_request){ .op = BLKIF_DISCARD, .id = 105, .sector = 80, .sectors = 1 };
    case 6:
        return transfer(BLKIF_READ, 106, FRONT_SECTORS, 8, 1);
    case 7:
        return transfer(BLKIF_BARRIER, 107, 88, 9, 1);
    case 8:
        return transfer(BLKIF_READ, 108, 72, 10, 2);
    default:
        return transfer(BLKIF_WRITE, 109, 100, 12, 1);
    }
}

static void put(unsigned i)
{
    struct front_request r = request(i);

    front_put(&f, 0, &r);
}

static void prepare(void)
{
    for (unsigned n = 0; n < 16; n++)
        fill(front_page(&f, n), 4096, n);
    fill(f.disk.bytes, SECTORS * 512, 99);
    for (unsigned i = 0; i < REQUESTS - 1; i++)
        put(i);
    *front_index(&f, 0, BLKIF_REQ_PROD) = f.queue[0].req_prod;
}

/* Takes answers until there are no more. */
static void take(unsigned answers[REQUESTS])
{
    struct front_response a;

    while (front_take(&f, 0, &a)) {
        if (a.id < 100 || a.id >= 100 + REQUESTS)
            fail_msg("an answer to %llu", (unsigned long long)a.id);
        if (a.status != wanted[a.id - 100])
            fail_msg("%llu has failed: %d", (unsigned long long)a.id, a.status);
        if (a.id == 102 && memcmp(front_page(&f, 3), f.disk.bytes + 64 * 512, 512) != 0)
            fail_msg("102: wrong data");
        if (a.id == 108 && memcmp(front_page(&f, 11), f.disk.bytes + 73 * 512, 512) != 0)
            fail_msg("108: wrong data");
        answers[a.id - 100]++;
    }
}

static void check_disk(void)
{
    static uint8_t expect[SECTORS * 512];

    fill(expect, sizeof expect, 99);
    for (unsigned n = 0; n < 3; n++)
        fill(expect + n * 512, 512, n);
    for (unsigned n = 4; n < 7; n++)
        fill(expect + (32 + n - 4) * 512, 512, n);
    memset(expect + 80 * 512, 0, 512);
    fill(expect + 88 * 512, 512, 9);
    fill(expect + 100 * 512, 512, 12);
    assert_memory_equal(f.disk.bytes, expect, sizeof expect);
}

/* ---- deaths --------------------------------------------------------------------------------- */

static void serve(void)
{
    f.disk.hold = reverse;
    for (;;) {
        front_turn(&f);
        if (!f.disk.held_now)
            return;
        test_disk_end(&f.disk, f.disk.held_now - 1);
    }
}

/* A child connects and serves; what it leaves at each store goes to `to`. Returns how many. */
static unsigned watch(bool adopting, struct moment *to)
{
    pid_t pid = fork();
    unsigned n = 1, steps = 0;
    int status;

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        if (!adopting && front_connect(&f, false) < 0)
            _exit(78);
        raise(SIGSTOP);
        if (adopting && front_connect(&f, true) < 0)
            _exit(79);
        serve();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    keep(&to[0]);
    while (WIFSTOPPED(status)) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        if (same_numbers(&to[n - 1]) && (++steps % GRAIN || same_data(&to[n - 1])))
            continue;
        assert_true(n < MOMENTS);
        keep(&to[n++]);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    return n;
}

static void successor(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (front_connect(&f, true) < 0)
            _exit(79);
        serve();
        _exit(f.conn->queue[0].unused == SLOTS ? 0 : 80);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* From here a successor lives on; the guest has taken what it could see. */
static void end_well(unsigned answers[REQUESTS])
{
    successor();
    take(answers);
    for (unsigned i = 0; i < REQUESTS; i++)
        if (answers[i] != 1)
            fail_msg("request %u has %u answers", i, answers[i]);
    check_disk();
}

static void die_at(const struct moment *m, unsigned n, const struct blkfront *before)
{
    unsigned answers[REQUESTS] = { 0 }, again[REQUESTS], seconds;
    struct blkfront guest;

    f = *before;
    restore(m);
    take(answers);
    put(REQUESTS - 1); /* nobody hears of it */
    front_push(&f, 0);
    if (n % SECOND) {
        end_well(answers);
        return;
    }
    guest = f;
    seconds = watch(true, more_moments);
    for (unsigned k = 0; k < seconds; k++) {
        f = guest;
        restore(&more_moments[k]);
        memcpy(again, answers, sizeof again);
        take(again);
        end_well(again);
    }
}

static void die_everywhere(bool persistent, bool backwards, uint32_t first)
{
    struct blkfront before;
    unsigned n;

    reverse = backwards;
    front_new(&f, BLKIF_ABI_64, 1, 0, persistent);
    f.queue[0].req_prod = f.queue[0].rsp_cons = first;
    for (enum blkif_index i = BLKIF_REQ_PROD; i <= BLKIF_RSP_EVENT; i++)
        *front_index(&f, 0, i) = first + i % 2;
    prepare();
    before = f;
    n = watch(false, moments);
    assert_true(n > 50);
    for (unsigned i = 0; i < n; i++)
        die_at(&moments[i], i, &before);
    f = before;
    front_free(&f);
}

static void mapped_pages(void **state)
{
    (void)state;
    die_everywhere(true, false, 0);
}

static void copied_pages(void **state)
{
    (void)state;
    die_everywhere(false, false, 0);
}

static void in_the_wrong_order(void **state)
{
    (void)state;
    die_everywhere(true, true, 0xfffffffc);
}

/* ---- journals that are none ----------------------------------------------------------------- */

/* A captured predecessor has left nonsense: the connection ends, or goes on; we do. */
static void wild_journals(void **state)
{
    uint32_t seed = 1;
    unsigned refused = 0;

    (void)state;
    reverse = false;
    front_new(&f, BLKIF_ABI_64, 1, 0, true);
    assert_int_equal(front_connect(&f, true), -EBADMSG);
    prepare();
    assert_int_equal(front_connect(&f, false), 0);
    f.disk.hold = true;
    front_turn(&f);
    f.disk.held_now = 0;
    keep(&now);
    for (unsigned i = 0; i < 5000; i++) {
        uint32_t *word = (uint32_t *)(void *)&f.journal->queue[0];
        uint32_t *header = (uint32_t *)(void *)f.journal;

        front_kill(&f);
        restore(&now);
        for (unsigned k = 0; k < 1 + i % 4; k++) {
            seed = seed * 1664525 + 1013904223;
            if (seed >> 28 == 0)
                header[seed >> 20 & 3] ^= 1u << (seed >> 15 & 31);
            else
                word[(seed >> 8) % (JOURNAL / 4)] = i & 8 ? seed : seed >> 29;
        }
        f.disk.hold = false;
        if (front_connect(&f, true) < 0) {
            refused++;
            restore(&now);
            assert_int_equal(front_connect(&f, true), 0);
        }
        front_turn(&f);
    }
    assert_true(refused > 100 && refused < 4900);
    front_free(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapped_pages),
        cmocka_unit_test(copied_pages),
        cmocka_unit_test(in_the_wrong_order),
        cmocka_unit_test(wild_journals),
    };

    return cmocka_run_group_tests_name("blkback_death", tests, NULL, NULL);
}
