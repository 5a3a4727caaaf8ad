/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of guest mappings (ioreq/mapcache.c) on the simulator: references, invalidation while
 * in use, frames that come and go, a full cache, and a random run against a plain array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ioreq/mapcache.h"
#include "ioreq/sim.h"

#define BUCKET  MAPCACHE_BUCKET_SIZE
#define BUCKETS 8u

struct bench {
    struct hv *hv;
    struct mapcache *c;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    if (!b)
        return -1;
    b->hv = hv_sim_new(NULL);
    b->c = b->hv ? mapcache_new(b->hv, BUCKETS) : NULL;
    *state = b;
    return b->c ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    mapcache_free(b->c);
    b->hv->ops->destroy(b->hv);
    free(b);
    return 0;
}

static const struct mapcache_counters *n(struct bench *b)
{
    return mapcache_counters(b->c);
}

static void hit_maps_once(void **state)
{
    struct bench *b = *state;
    uint8_t v = 0x5a;

    for (unsigned i = 0; i < 1000; i++) {
        uint8_t *p = mapcache_peek(b->c, 0x100000 + i * 7, 4);

        assert_non_null(p);
        memset(p, (int)i, 4);
    }
    assert_int_equal(n(b)->maps, 1);
    assert_true(sim_ram_read(b->hv, 0x100000 + 999 * 7, &v, 1));
    assert_int_equal(v, 999 & 0xff);
}

static void borders(void **state)
{
    struct bench *b = *state;

    assert_null(mapcache_peek(b->c, 0x100000, 0));
    assert_non_null(mapcache_peek(b->c, 0x100000, BUCKET));
    assert_null(mapcache_peek(b->c, 0x100001, BUCKET));
    assert_null(mapcache_peek(b->c, 0x10fffe, 4));
    assert_null(mapcache_peek(b->c, 0x10fffe, SIZE_MAX));
    assert_null(mapcache_peek(b->c, UINT64_MAX, 1));
    assert_null(mapcache_peek(b->c, UINT64_MAX - 3, 4));
    assert_int_equal(mapcache_run(0x10fffe, 100), 2);
    assert_int_equal(mapcache_run(0x100000, 100), 100);
}

/* The "lock overflow" of the regression list: 10^5 pieces on one page. */
static void xcpng_many_references_on_one_page(void **state)
{
    struct bench *b = *state;
    enum { N = 100000 };
    struct mapcache_ref *refs = calloc(N, sizeof *refs);
    uint8_t *first = NULL;

    assert_non_null(refs);
    for (unsigned i = 0; i < N; i++) {
        uint8_t *p = mapcache_get(b->c, 0x200000 + i % 4096, 1, &refs[i]);

        first = i ? first : p;
        assert_ptr_equal(p, first + i % 4096);
    }
    assert_int_equal(n(b)->maps, 1);
    mapcache_invalidate(b->c);
    for (unsigned i = 0; i + 1 < N; i++)
        mapcache_put(b->c, &refs[i]);
    assert_int_equal(mapcache_mapped(b->c), 1);
    mapcache_put(b->c, &refs[N - 1]);
    mapcache_put(b->c, &refs[N - 1]); /* empty now: ignored */
    assert_int_equal(mapcache_mapped(b->c), 0);
    assert_int_equal(n(b)->unmaps, 1);
    free(refs);
}

/* "mapcache and balloon": the user in flight keeps the old page, later lookups see the new one. */
static void qubes3651_invalidation_during_use(void **state)
{
    struct bench *b = *state;
    struct mapcache_ref ref, second;
    uint8_t *p = mapcache_get(b->c, 0x300000, 4096, &ref), *q;

    memset(p, 0x11, 4096);
    assert_true(sim_balloon_out(b->hv, 0x300));
    mapcache_invalidate(b->c);
    memset(p, 0x22, 4096); /* still mapped */
    assert_null(mapcache_get(b->c, 0x300000, 4096, &second));
    assert_int_equal(b->hv->ops->populate(b->hv, 0x300, 1), 0);
    q = mapcache_get(b->c, 0x300000, 4096, &second);
    assert_non_null(q);
    assert_int_equal(q[0], 0);
    assert_int_equal(p[0], 0x22);
    mapcache_put(b->c, &ref);
    q[0] = 0x33;
    mapcache_put(b->c, &second);
    assert_int_equal(mapcache_mapped(b->c), 1);
}

static void absent_is_not_remembered(void **state)
{
    struct bench *b = *state;

    assert_true(sim_balloon_out(b->hv, 0x405));
    assert_non_null(mapcache_peek(b->c, 0x404000, 4096));
    assert_null(mapcache_peek(b->c, 0x405000, 1));
    assert_null(mapcache_peek(b->c, 0x404fff, 2));
    assert_non_null(mapcache_peek(b->c, 0x406000, 1));
    assert_int_equal(b->hv->ops->populate(b->hv, 0x405, 1), 0);
    assert_non_null(mapcache_peek(b->c, 0x405000, 1)); /* no INVALIDATE came */
    assert_null(mapcache_peek(b->c, 0xa0000, 1));      /* hole: a bucket of nothing */
    assert_int_equal(mapcache_mapped(b->c), 1);
}

/* The same while a neighbour in the bucket is in use. */
static void absent_beside_use(void **state)
{
    struct bench *b = *state;
    struct mapcache_ref ref;
    uint8_t *p;

    assert_true(sim_balloon_out(b->hv, 0x405));
    p = mapcache_get(b->c, 0x404000, 1, &ref);
    for (unsigned i = 0; i < 100; i++)
        assert_null(mapcache_peek(b->c, 0x405000, 1));
    assert_true(mapcache_mapped(b->c) <= 2);
    *p = 1;
    mapcache_put(b->c, &ref);
    assert_true(mapcache_mapped(b->c) <= 1);
}

static void full_of_use(void **state)
{
    struct bench *b = *state;
    struct mapcache_ref ref[BUCKETS + MAPCACHE_SPARE], one_more;

    for (unsigned i = 0; i < BUCKETS + MAPCACHE_SPARE; i++)
        assert_non_null(mapcache_get(b->c, 0x100000 + i * BUCKET, 1, &ref[i]));
    assert_null(mapcache_get(b->c, 0x800000, 1, &one_more));
    assert_int_equal(one_more.entry, 0);
    assert_null(mapcache_peek(b->c, 0x800000, 1));
    assert_int_equal(n(b)->full, 2);
    assert_non_null(mapcache_peek(b->c, 0x100000, 1)); /* what is there still works */
    mapcache_put(b->c, &ref[BUCKETS]);                 /* a spare one comes back */
    for (unsigned i = 0; i < 100; i++)
        assert_non_null(mapcache_peek(b->c, 0x800000 + i * BUCKET, 1));
    for (unsigned i = 0; i < BUCKETS + MAPCACHE_SPARE; i++)
        mapcache_put(b->c, &ref[i]);
    assert_int_equal(mapcache_mapped(b->c), BUCKETS);
    mapcache_invalidate(b->c);
    assert_int_equal(mapcache_mapped(b->c), 0);
}

static void failed_mapping_is_a_failed_lookup(void **state)
{
    struct bench *b = *state;

    sim_fail_map(b->hv, 1);
    assert_null(mapcache_peek(b->c, 0x100000, 1));
    assert_non_null(mapcache_peek(b->c, 0x100000, 1));
    assert_int_equal(mapcache_mapped(b->c), 1);
}

static void recently_used_stays(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 1000; i++) {
        assert_non_null(mapcache_peek(b->c, 0x100000, 1));
        assert_non_null(mapcache_peek(b->c, 0x200000 + i % 64 * BUCKET, 1));
    }
    assert_in_range(n(b)->maps, 1001, 1010); /* the busy bucket was hardly ever taken */
    assert_true(mapcache_mapped(b->c) <= BUCKETS);
}

/* --- Random run against a plain array. */

#define MODEL_BASE  0x100000u
#define MODEL_SIZE  0x200000u /* 32 buckets for 8 entries */
#define MODEL_REFS  40u
#define MODEL_STEPS 40000u

struct model {
    uint8_t bytes[MODEL_SIZE];
    bool present[MODEL_SIZE / HV_PAGE_SIZE];
    struct {
        struct mapcache_ref ref;
        uint8_t *host;
        uint64_t at;
        size_t len;
        uint32_t generation;
    } held[MODEL_REFS];
    uint32_t generation[MODEL_SIZE / HV_PAGE_SIZE]; /* times the frame was given up */
    uint32_t seed;
};

static uint32_t rnd(struct model *m, uint32_t below)
{
    m->seed = m->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)m->seed * below >> 32);
}

static bool all_present(const struct model *m, uint64_t at, size_t len)
{
    for (uint64_t f = at / HV_PAGE_SIZE; f <= (at + len - 1) / HV_PAGE_SIZE; f++) {
        if (!m->present[f])
            return false;
    }
    return true;
}

static uint64_t pick(struct model *m, size_t *len)
{
    uint64_t at = rnd(m, MODEL_SIZE);

    *len = mapcache_run(at, 1 + rnd(m, rnd(m, 8) ? 16 : 9000));
    return at;
}

static void model_peek(struct bench *b, struct model *m)
{
    size_t len;
    uint64_t at = pick(m, &len);
    uint8_t *p = mapcache_peek(b->c, MODEL_BASE + at, len);

    if (!p)
        return; /* absent, or full of use: checked at the end */
    assert_true(all_present(m, at, len));
    assert_memory_equal(p, m->bytes + at, len);
    for (size_t i = 0; i < len; i++)
        p[i] = m->bytes[at + i] = (uint8_t)rnd(m, 256);
}

static void model_hold(struct bench *b, struct model *m)
{
    unsigned i = rnd(m, MODEL_REFS);

    if (m->held[i].host) {
        size_t off = rnd(m, (uint32_t)m->held[i].len);
        uint64_t frame = (m->held[i].at + off) / HV_PAGE_SIZE;

        /* Still the live page unless its frame was given up meanwhile. */
        if (m->generation[frame] == m->held[i].generation)
            assert_int_equal(m->held[i].host[off], m->bytes[m->held[i].at + off]);
        mapcache_put(b->c, &m->held[i].ref);
        m->held[i].host = NULL;
        return;
    }
    m->held[i].at = pick(m, &m->held[i].len);
    m->held[i].len = 1; /* one frame, so that one generation tells */
    m->held[i].generation = m->generation[m->held[i].at / HV_PAGE_SIZE];
    m->held[i].host = mapcache_get(b->c, MODEL_BASE + m->held[i].at, 1, &m->held[i].ref);
    if (m->held[i].host)
        assert_true(all_present(m, m->held[i].at, 1));
}

static void model_balloon(struct bench *b, struct model *m)
{
    uint64_t f = rnd(m, MODEL_SIZE / HV_PAGE_SIZE), gfn = MODEL_BASE / HV_PAGE_SIZE + f;

    if (m->present[f]) {
        assert_true(sim_balloon_out(b->hv, gfn));
        m->present[f] = false;
        m->generation[f]++;
        mapcache_invalidate(b->c); /* Xen sends it for removals only */
    } else if (b->hv->ops->populate(b->hv, gfn, 1) == 0) {
        m->present[f] = true;
        memset(m->bytes + f * HV_PAGE_SIZE, 0, HV_PAGE_SIZE);
    }
}

static void random_against_array(void **state)
{
    struct bench *b = *state;
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    memset(m->present, 1, sizeof m->present);
    m->seed = 1;
    for (unsigned i = 0; i < MODEL_STEPS; i++) {
        uint32_t what = rnd(m, 100);

        if (what < 60)
            model_peek(b, m);
        else if (what < 97)
            model_hold(b, m);
        else
            model_balloon(b, m);
        assert_true(mapcache_mapped(b->c) <= BUCKETS + MAPCACHE_SPARE);
    }
    for (unsigned i = 0; i < MODEL_REFS; i++)
        mapcache_put(b->c, &m->held[i].ref);
    for (uint32_t f = 0; f < MODEL_SIZE / HV_PAGE_SIZE; f++) {
        uint8_t *p = mapcache_peek(b->c, MODEL_BASE + (uint64_t)f * HV_PAGE_SIZE, HV_PAGE_SIZE);

        assert_int_equal(p != NULL, m->present[f]);
        if (p)
            assert_memory_equal(p, m->bytes + f * HV_PAGE_SIZE, HV_PAGE_SIZE);
    }
    assert_true(n(b)->full > 0 && n(b)->evictions > 0 && n(b)->absent > 0); /* all was met */
    mapcache_invalidate(b->c);
    assert_int_equal(mapcache_mapped(b->c), 0);
    assert_int_equal(n(b)->maps, n(b)->unmaps);
    free(m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(hit_maps_once),
        T(borders),
        T(xcpng_many_references_on_one_page),
        T(qubes3651_invalidation_during_use),
        T(absent_is_not_remembered),
        T(absent_beside_use),
        T(full_of_use),
        T(failed_mapping_is_a_failed_lookup),
        T(recently_used_stays),
        T(random_against_array),
    };

    return cmocka_run_group_tests_name("mapcache", tests, NULL, NULL);
}
