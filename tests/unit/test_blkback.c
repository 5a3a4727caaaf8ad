/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV block back end without xenstore: what each request does, in both layouts, by mapped pages
 * and by copies, and that nothing stays mapped or bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "tests/blkfront.h"

static struct blkfront f;

/* Each test runs for each of these. */
static const struct way {
    const char *name;
    enum blkif_abi abi;
    bool persistent;
    unsigned order;
} ways[] = {
    { "64-bit, copied", BLKIF_ABI_64, false, 0 },
    { "64-bit, mapped", BLKIF_ABI_64, true, 0 },
    { "32-bit, copied", BLKIF_ABI_32, false, 4 },
    { "32-bit, mapped", BLKIF_ABI_32, true, 1 },
    { "64-bit, mapped, 16 pages", BLKIF_ABI_64, true, 4 },
};

static void connect_as(const struct way *w)
{
    front_new(&f, w->abi, 1, w->order, w->persistent);
    assert_int_equal(front_connect(&f, false), 0);
    front_turn(&f);
}

/* And nothing is left. */
static void end(void)
{
    front_disconnect(&f, false);
    assert_int_equal(pv_sim_mapped(f.sim) + pv_sim_bound(f.sim), 0);
    front_free(&f);
}

static void for_each_way(void (*test)(void))
{
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        connect_as(&ways[i]);
        test();
        end();
    }
}

static int run(struct front_request r)
{
    return front_run(&f, &r);
}

static void fill_page(unsigned n, unsigned seed)
{
    for (unsigned i = 0; i < 4096; i++)
        front_page(&f, n)[i] = (uint8_t)(i * 7 + i / 251 + seed * 31);
}

/* ---- what requests do ----------------------------------------------------------------------- */

static void read_and_write(void)
{
    for (unsigned n = 0; n < 11; n++)
        fill_page(n, n + 1);
    for (uint16_t n = 1; n <= 11; n++)
        assert_int_equal(run(front_transfer(BLKIF_WRITE, n, 700u * n, 0, n)), BLKIF_OKAY);
    for (uint16_t n = 1; n <= 11; n++) {
        for (unsigned i = 0; i < 11; i++)
            memset(front_page(&f, 20 + i), 0xee, 4096);
        assert_int_equal(run(front_transfer(BLKIF_READ, ~(uint64_t)n, 700u * n, 20, n)),
                         BLKIF_OKAY);
        for (unsigned i = 0; i < n; i++) {
            assert_memory_equal(front_page(&f, 20 + i), front_page(&f, i), 4096);
            assert_memory_equal(f.disk.bytes + 700u * n * 512 + 4096 * i, front_page(&f, i), 4096);
        }
        for (unsigned i = n; i < 11; i++)
            assert_int_equal(front_page(&f, 20 + i)[4095], 0xee);
    }
}

/* Parts of pages, and several of the same page. */
static void parts_of_pages(void)
{
    struct front_request w = front_transfer(BLKIF_WRITE, 1, 16, 0, 3);
    struct front_request r = front_transfer(BLKIF_READ, 2, 16, 5, 2);

    fill_page(0, 9);
    w.segment[0] = (struct blkif_segment){ FRONT_DATA, 3, 3 };
    w.segment[1] = (struct blkif_segment){ FRONT_DATA, 0, 2 };
    w.segment[2] = (struct blkif_segment){ FRONT_DATA, 7, 7 };
    assert_int_equal(run(w), BLKIF_OKAY);
    assert_memory_equal(f.disk.bytes + 16 * 512, front_page(&f, 0) + 3 * 512, 512);
    assert_memory_equal(f.disk.bytes + 17 * 512, front_page(&f, 0), 3 * 512);
    assert_memory_equal(f.disk.bytes + 20 * 512, front_page(&f, 0) + 7 * 512, 512);
    memset(front_page(&f, 5), 0xee, 8192);
    r.segment[0] = (struct blkif_segment){ FRONT_DATA + 5, 1, 4 };
    r.segment[1] = (struct blkif_segment){ FRONT_DATA + 5, 7, 7 };
    assert_int_equal(run(r), BLKIF_OKAY);
    assert_int_equal(front_page(&f, 5)[511], 0xee);
    assert_memory_equal(front_page(&f, 5) + 512, f.disk.bytes + 16 * 512, 4 * 512);
    assert_int_equal(front_page(&f, 5)[5 * 512], 0xee);
    assert_memory_equal(front_page(&f, 5) + 7 * 512, f.disk.bytes + 20 * 512, 512);
}

static void indirect(void)
{
    for (unsigned n = 0; n < 256; n++)
        fill_page(n, n);
    assert_int_equal(run(front_indirect(&f, BLKIF_WRITE, 7, 0, 0, 256, 600)), BLKIF_OKAY);
    assert_int_equal(run(front_indirect(&f, BLKIF_READ, 8, 0, 300, 256, 600)), BLKIF_OKAY);
    for (unsigned n = 0; n < 256; n++)
        assert_memory_equal(front_page(&f, 300 + n), front_page(&f, n), 4096);
    assert_int_equal(run(front_indirect(&f, BLKIF_READ, 9, 0, 0, 1, 600)), BLKIF_OKAY);
    assert_int_equal(run(front_indirect(&f, BLKIF_READ, 9, 0, 0, 0, 600)), BLKIF_ERROR);
    assert_int_equal(run(front_indirect(&f, BLKIF_READ, 9, 0, 0, 257, 600)), BLKIF_ERROR);
    assert_int_equal(run(front_indirect(&f, BLKIF_READ, 9, 0, 0, 65535, 600)), BLKIF_ERROR);
    for (unsigned op = 2; op < 256; op++)
        assert_int_equal(run(front_indirect(&f, (uint8_t)op, op, 0, 0, 1, 600)), BLKIF_ERROR);
}

static void flush_and_barrier(void)
{
    struct front_request r = front_transfer(BLKIF_FLUSH, 1, UINT64_MAX, 0, 0); /* as Linux does */

    assert_int_equal(run(r), BLKIF_OKAY);
    assert_int_equal(f.disk.flushed, 1);
    fill_page(0, 3);
    assert_int_equal(run(front_transfer(BLKIF_FLUSH, 2, 8, 0, 1)), BLKIF_OKAY);
    assert_int_equal(f.disk.flushed, 2);
    assert_memory_equal(f.disk.bytes + 8 * 512, front_page(&f, 0), 4096);
    assert_int_equal(run(front_transfer(BLKIF_BARRIER, 3, 16, 0, 1)), BLKIF_OKAY);
    assert_int_equal(f.disk.flushed, 4);
    assert_memory_equal(f.disk.bytes + 16 * 512, front_page(&f, 0), 4096);
    r.op = BLKIF_BARRIER;
    assert_int_equal(run(r), BLKIF_OKAY);
    assert_int_equal(f.disk.flushed, 5);
}

static void discard(void)
{
    struct front_request r = { .op = BLKIF_DISCARD, .id = 3, .sector = 8, .sectors = 16 };

    memset(f.disk.bytes, 0xee, 64 * 512);
    assert_int_equal(run(r), BLKIF_OKAY);
    assert_int_equal(f.disk.bytes[8 * 512 - 1], 0xee);
    assert_int_equal(f.disk.bytes[8 * 512], 0);
    assert_int_equal(f.disk.bytes[24 * 512 - 1], 0);
    assert_int_equal(f.disk.bytes[24 * 512], 0xee);
    r.flag = BLKIF_DISCARD_SECURE;
    assert_int_equal(run(r), BLKIF_EOPNOTSUPP);
    r.flag = 0;
    r.sectors = FRONT_SECTORS;
    assert_int_equal(run(r), BLKIF_ERROR);
    r.sectors = UINT64_MAX;
    assert_int_equal(run(r), BLKIF_ERROR);
    r.sectors = 1;
    f.disk.no_discard = true;
    assert_int_equal(run(r), BLKIF_EOPNOTSUPP);
    f.conn->discard = false;
    f.disk.discarded = 0;
    assert_int_equal(run(r), BLKIF_EOPNOTSUPP);
    assert_int_equal(f.disk.discarded, 0);
}

static void read_only_and_no_medium(void)
{
    f.disk.base.read_only = true;
    assert_int_equal(run(front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
    assert_int_equal(run(front_transfer(BLKIF_WRITE, 1, 0, 0, 1)), BLKIF_ERROR);
    assert_int_equal(run((struct front_request){ .op = BLKIF_DISCARD, .sectors = 1 }), BLKIF_ERROR);
    f.conn->block = NULL;
    for (uint8_t op = 0; op < 4; op++)
        assert_int_equal(run(front_transfer(op, 1, 0, 0, 1)), BLKIF_ERROR);
    assert_int_equal(run((struct front_request){ .op = BLKIF_DISCARD, .sectors = 1 }), BLKIF_ERROR);
    f.conn->block = &f.disk.base;
}

/* ---- wild values ---------------------------------------------------------------------------- */

static void wild_fields(void)
{
    static const uint64_t sectors[] = { FRONT_SECTORS,        FRONT_SECTORS - 7,
                                        UINT32_MAX,           UINT64_MAX / 512,
                                        UINT64_MAX / 512 + 1, UINT64_MAX / 512 - 1,
                                        UINT64_MAX,           UINT64_MAX - 7 };
    static const uint32_t refs[] = { 0, 1, FRONT_DATA - 1, FRONT_DATA + FRONT_PAGES, UINT32_MAX };
    struct front_request r;

    for (size_t i = 0; i < ARRAY_SIZE(sectors); i++)
        for (uint8_t op = 0; op < 3; op++)
            assert_int_equal(run(front_transfer(op, i, sectors[i], 0, 1)), BLKIF_ERROR);
    assert_int_equal(run(front_transfer(BLKIF_READ, 5, FRONT_SECTORS - 8, 0, 1)), BLKIF_OKAY);
    for (unsigned op = 0; op < 256; op++)
        if (op == 4 || op > BLKIF_INDIRECT)
            assert_int_equal(run(front_transfer((uint8_t)op, op, 0, 0, 1)), BLKIF_EOPNOTSUPP);
    for (unsigned n = 0; n < 256; n++) {
        int status = run(front_transfer(BLKIF_WRITE, n, 0, 0, (uint16_t)n));

        assert_int_equal(status, n == 0 || n > 11 ? BLKIF_ERROR : BLKIF_OKAY);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refs); i++)
        for (uint8_t op = 0; op < 2; op++) {
            r = front_transfer(op, i, 0, 0, 3);
            r.segment[1].ref = refs[i];
            assert_int_equal(run(r), BLKIF_ERROR);
            r = front_indirect(&f, op, i, 0, 0, 3, 600);
            r.table = refs[i];
            assert_int_equal(run(r), BLKIF_ERROR);
        }
    for (unsigned first = 0; first < 256; first += 1 + first / 16)
        for (unsigned last = 0; last < 256; last += 1 + last / 16) {
            r = front_transfer(BLKIF_READ, first, 0, 0, 2);
            r.segment[1].first = (uint8_t)first;
            r.segment[1].last = (uint8_t)last;
            assert_int_equal(run(r), first <= last && last < 8 ? BLKIF_OKAY : BLKIF_ERROR);
        }
    assert_int_equal(f.conn->queue[0].memory.spare, BLK_BOUNCE);
}

/* A page that is granted for reading only can be written to the disk, but nothing can be read into
 * it. */
static void protected_pages(void)
{
    fill_page(3, 77);
    pv_sim_protect(f.sim, FRONT_DATA + 3);
    assert_int_equal(run(front_transfer(BLKIF_WRITE, 1, 0, 2, 3)), BLKIF_OKAY);
    assert_memory_equal(f.disk.bytes + 4096, front_page(&f, 3), 4096);
    assert_int_equal(run(front_transfer(BLKIF_READ, 1, 0, 2, 3)), BLKIF_ERROR);
    assert_int_equal(run(front_transfer(BLKIF_READ, 1, 0, 4, 3)), BLKIF_OKAY);
}

/* A ring that cannot be: the connection is over, and the front end is not served any more. */
static void impossible_ring(void)
{
    static const uint32_t ahead[] = { 1, 2, 1000, 0x7fffffff, 0x80000000, 0xffff0000 };
    uint32_t slots = front_slots(&f);

    for (size_t i = 0; i < ARRAY_SIZE(ahead); i++) {
        uint32_t wrong = *front_index(&f, 0, BLKIF_RSP_PROD) + slots + ahead[i];

        assert_int_equal(run(front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
        wrong = *front_index(&f, 0, BLKIF_RSP_PROD) + slots + ahead[i];
        f.quiet = 0;
        *front_index(&f, 0, BLKIF_REQ_PROD) = wrong;
        assert_true(pv_sim_signal(f.sim, FRONT_PORT));
        front_turn(&f);
        assert_true(f.conn->broken);
        assert_int_equal(f.quiet, 1);
        assert_true(pv_sim_signal(f.sim, FRONT_PORT));
        front_turn(&f);
        assert_int_equal(*front_index(&f, 0, BLKIF_RSP_PROD), wrong - slots - ahead[i]);
        front_disconnect(&f, false);
        assert_int_equal(pv_sim_mapped(f.sim) + pv_sim_bound(f.sim), 0);
        *front_index(&f, 0, BLKIF_REQ_PROD) = wrong - slots - ahead[i];
        assert_int_equal(front_connect(&f, false), 0);
    }
}

#define EACH(test)                                                                                 \
    static void test##_each(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        for_each_way(test);                                                                        \
    }
EACH(read_and_write)
EACH(parts_of_pages)
EACH(indirect)
EACH(flush_and_barrier)
EACH(discard)
EACH(read_only_and_no_medium)
EACH(wild_fields)
EACH(protected_pages)
EACH(impossible_ring)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_write_each),  cmocka_unit_test(parts_of_pages_each),
        cmocka_unit_test(indirect_each),        cmocka_unit_test(flush_and_barrier_each),
        cmocka_unit_test(discard_each),         cmocka_unit_test(read_only_and_no_medium_each),
        cmocka_unit_test(wild_fields_each),     cmocka_unit_test(protected_pages_each),
        cmocka_unit_test(impossible_ring_each),
    };

    return cmocka_run_group_tests_name("blkback", tests, NULL, NULL);
}
