/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator (ioreq/sim.c) and the table of ranges: it must be as strict as Xen is, or tests on
 * it prove nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ioreq/mapcache.h"
#include "ioreq/ranges.h"
#include "ioreq/sim.h"

struct bench {
    struct hv *hv;
    struct request last;
    unsigned runs, invalidations;
    uint64_t answer;
    bool hold;
};

static bool run(void *opaque, struct request *r)
{
    struct bench *b = opaque;

    b->last = *r;
    b->runs++;
    r->data = b->answer;
    return b->hold;
}

static void invalidate(void *opaque)
{
    ((struct bench *)opaque)->invalidations++;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct request_sink sink = { .run = run, .invalidate = invalidate, .opaque = b };

    if (!b)
        return -1;
    b->hv = hv_sim_new(NULL);
    if (!b->hv) {
        free(b);
        return -1;
    }
    sim_set_sink(b->hv, &sink);
    b->answer = 0x8877665544332211;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    b->hv->ops->destroy(b->hv);
    free(b);
    return 0;
}

static void xsa238_range_rules(void **state)
{
    struct range_set *s = calloc(1, sizeof *s);

    (void)state;
    assert_non_null(s);
    assert_int_equal(ranges_add(s, 0x60, 0), -EINVAL); /* XSA-238: no empty, no wrapping range */
    assert_int_equal(ranges_add(s, UINT64_MAX, 2), -EINVAL);
    assert_int_equal(ranges_add(s, 0x60, 1), 0);
    assert_int_equal(ranges_add(s, 0x64, 1), 0);
    assert_int_equal(ranges_add(s, 0x64, 1), -EEXIST);
    assert_int_equal(ranges_add(s, 0x50, 0x11), -EEXIST);
    assert_int_equal(ranges_add(s, 0x50, 0x100), -EEXIST);
    assert_int_equal(s->nr, 2);
    assert_int_equal(ranges_add(s, 0x61, 3), 0); /* closes the gap */
    assert_int_equal(s->nr, 1);
    assert_true(ranges_hold(s, 0x60, 0x64));
    assert_false(ranges_hold(s, 0x5f, 0x60));
    assert_false(ranges_hold(s, 0x64, 0x65));
    assert_int_equal(ranges_remove(s, 0x5f, 2), -ENOENT);
    assert_int_equal(ranges_remove(s, 0x62, 1), 0); /* splits */
    assert_int_equal(s->nr, 2);
    assert_true(ranges_hold(s, 0x60, 0x61) && ranges_hold(s, 0x63, 0x64));
    assert_false(ranges_hold(s, 0x61, 0x63));
    assert_int_equal(ranges_remove(s, 0x60, 2), 0);
    assert_int_equal(ranges_remove(s, 0x63, 1), 0);
    assert_int_equal(ranges_remove(s, 0x64, 1), 0);
    assert_int_equal(s->nr, 0);
    assert_int_equal(ranges_add(s, UINT64_MAX, 1), 0);
    assert_int_equal(ranges_add(s, 0, 1), 0);
    assert_int_equal(ranges_add(s, UINT64_MAX - 1, 1), 0);
    assert_int_equal(s->nr, 2);
    free(s);
}

static void range_limit(void **state)
{
    struct range_set *s = calloc(1, sizeof *s);

    (void)state;
    assert_non_null(s);
    for (unsigned i = 0; i < RANGES_MAX; i++)
        assert_int_equal(ranges_add(s, i * 4, 3), 0);
    assert_int_equal(ranges_add(s, 0x4000, 1), -ENOSPC);
    assert_int_equal(ranges_remove(s, 5, 1), -ENOSPC); /* would split */
    assert_int_equal(ranges_add(s, 3, 1), 0);          /* merges two */
    assert_int_equal(ranges_add(s, 0x4000, 1), 0);
    free(s);
}

/* Random additions and removals against one bit per address. */
static void range_random(void **state)
{
    struct range_set *s = calloc(1, sizeof *s);
    bool bit[256] = { false };
    uint32_t seed = 7;

    (void)state;
    assert_non_null(s);
    for (unsigned n = 0; n < 50000; n++) {
        unsigned base, len, owned = 0;
        bool add;
        int err;

        seed = seed * 1664525u + 1013904223u;
        base = seed >> 24;
        len = 1 + (seed >> 16 & 15);
        add = seed >> 15 & 1;
        if (base + len > 256)
            continue;
        for (unsigned i = 0; i < len; i++)
            owned += bit[base + i];
        err = add ? ranges_add(s, base, len) : ranges_remove(s, base, len);
        if (add)
            assert_int_equal(err, owned ? -EEXIST : 0);
        else
            assert_int_equal(err, owned == len ? 0 : -ENOENT);
        if (!err)
            memset(bit + base, add, len);
        for (unsigned i = 0; i + 1 < s->nr; i++)
            assert_true(s->r[i].last + 1 < s->r[i + 1].first);
    }
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(ranges_hold(s, i, i), bit[i]);
    free(s);
}

static void unclaimed_reads_ones(void **state)
{
    struct bench *b = *state;

    assert_int_equal(sim_in(b->hv, 0x60, 2), 0xffff);
    assert_int_equal(b->hv->ops->map_range(b->hv, HV_PIO, 0x60, 4), 0);
    assert_int_equal(sim_in(b->hv, 0x60, 4), 0x44332211);
    assert_int_equal(sim_in(b->hv, 0x62, 4), 0xffffffff); /* one byte outside: lost */
    assert_int_equal(b->runs, 1);
    assert_int_equal(b->hv->ops->unmap_range(b->hv, HV_PIO, 0x60, 4), 0);
    assert_int_equal(sim_in(b->hv, 0x60, 1), 0xff);
    assert_int_equal(b->runs, 1);
    assert_int_equal(sim_notifications(b->hv), 1);
}

static void repeated_mmio_is_covered_whole(void **state)
{
    struct bench *b = *state;
    struct request r = { .type = REQ_COPY, .addr = 0xa0000, .size = 4, .count = 512 };

    assert_int_equal(b->hv->ops->map_range(b->hv, HV_MMIO, 0xa0000, 0x800), 0);
    assert_int_equal(sim_request(b->hv, &r), 0);
    r.count = 513;
    assert_int_equal(sim_request(b->hv, &r), -ENOENT);
    r.df = true;
    r.count = 2;
    assert_int_equal(sim_request(b->hv, &r), -ENOENT); /* reaches below */
    r.addr = 0xa0004;
    assert_int_equal(sim_request(b->hv, &r), 0);
}

static void config_accesses(void **state)
{
    struct bench *b = *state;

    assert_int_equal(b->hv->ops->map_range(b->hv, HV_PIO, 0xcf8, 8), 0);
    assert_int_equal(b->hv->ops->map_pci(b->hv, 0x0a), 0);
    assert_int_equal(b->hv->ops->map_pci(b->hv, 0x0a), -EEXIST);
    assert_int_equal(b->hv->ops->map_pci(b->hv, 256), -EINVAL);
    assert_int_equal(sim_pci_read(b->hv, 0x0a, 0x42, 2), 0x2211);
    assert_int_equal(b->last.type, REQ_PCI_CONFIG);
    assert_int_equal(request_pci_devfn(&b->last), 0x0a);
    assert_int_equal(request_pci_bus(&b->last), 0);
    assert_int_equal(request_pci_reg(&b->last), 0x42);
    b->runs = 0;
    assert_int_equal(sim_pci_read(b->hv, 0x0b, 0, 4), 0xffffffff);
    assert_int_equal(b->runs, 1); /* the latch write only */
    sim_out(b->hv, 0xcf8, 4, 0);
    sim_in(b->hv, 0xcfc, 4); /* latch not enabled: plain PIO */
    assert_int_equal(b->last.type, REQ_PIO);
}

static void held_request(void **state)
{
    struct bench *b = *state;
    struct request r = { .type = REQ_PIO, .addr = 0x60, .size = 1, .count = 1, .read = true };
    uint64_t data = 0;

    b->hv->ops->map_range(b->hv, HV_PIO, 0x60, 1);
    b->hold = true;
    assert_int_equal(sim_request(b->hv, &r), -EINPROGRESS);
    assert_int_equal(sim_request(b->hv, &r), -EBUSY);
    assert_int_equal(sim_answer(b->hv, 0, &data), -EINPROGRESS);
    slots_complete(sim_slots(b->hv), 0, 0x1ff);
    assert_int_equal(sim_answer(b->hv, 0, &data), 0);
    assert_int_equal(data, 0xff);
    assert_int_equal(sim_answer(b->hv, 0, &data), -ENOENT);
}

static void buffered_ring(void **state)
{
    struct bench *b = *state;
    struct request w = {
        .type = REQ_COPY, .addr = 0xa1234, .size = 8, .count = 1, .data = 0x1122334455667788
    };
    unsigned n = 0;

    for (unsigned round = 0; round < 5; round++) {
        b->runs = 0;
        for (n = 0; sim_buffered(b->hv, &w) == 0; n++)
            ;
        assert_int_equal(n, SLOTS_RING / 2);
        b->hv->ops->drain(b->hv);
        assert_int_equal(b->runs, n);
        assert_true(b->last.data == w.data && b->last.addr == w.addr && b->last.size == 8);
    }
    w.size = 1;
    assert_int_equal(sim_buffered(b->hv, &w), 0);
    assert_int_equal(sim_invalidate(b->hv), 0); /* any synchronous request drains first */
    assert_int_equal(b->invalidations, 1);
    assert_int_equal(b->last.size, 1);
    assert_int_equal(b->last.data, 0x88);
}

static void direct_is_the_same_checks(void **state)
{
    struct bench *b = *state;
    struct request r = { .type = REQ_PIO, .addr = 0x60, .size = 3, .count = 1, .read = true };

    assert_false(sim_request_direct(b->hv, &r));
    assert_int_equal(r.data, 0xffffff);
    assert_int_equal(b->runs, 0);
    r.size = 2;
    assert_false(sim_request_direct(b->hv, &r));
    assert_int_equal(r.data, 0x2211);
}

static void lines_count_edges(void **state)
{
    struct bench *b = *state;
    const struct hv_ops *o = b->hv->ops;

    assert_int_equal(o->isa_irq(b->hv, 14, true), 0);
    assert_int_equal(o->isa_irq(b->hv, 14, true), 0);
    assert_true(sim_isa(b->hv, 14)->level);
    assert_int_equal(sim_isa(b->hv, 14)->edges, 1);
    assert_int_equal(sim_isa(b->hv, 14)->calls, 2);
    assert_int_equal(o->isa_irq(b->hv, 16, true), -EINVAL);
    assert_int_equal(o->intx(b->hv, 3, 1, true), 0);
    assert_int_equal(o->intx(b->hv, 3, 1, false), 0);
    assert_int_equal(sim_intx(b->hv, 3, 1)->edges, 2);
    assert_int_equal(o->intx(b->hv, 32, 0, true), -EINVAL);
    assert_int_equal(o->link_route(b->hv, 2, 11), 0);
    assert_int_equal(sim_link(b->hv, 2), 11);
    assert_int_equal(o->link_route(b->hv, 4, 0), -EINVAL);
    for (unsigned i = 0; i < 100; i++)
        o->inject_msi(b->hv, 0xfee00000, i);
    assert_int_equal(sim_msi_count(b->hv), 100);
    assert_null(sim_msi(b->hv, 35));
    assert_int_equal(sim_msi(b->hv, 36)->data, 36);
    assert_int_equal(sim_msi(b->hv, 99)->data, 99);
    assert_null(sim_msi(b->hv, 100));
    assert_int_equal(sim_shutdown_reason(b->hv), -1);
    o->shutdown(b->hv, HV_REBOOT);
    o->shutdown(b->hv, HV_POWEROFF);
    assert_int_equal(sim_shutdown_reason(b->hv), HV_REBOOT);
}

static void clock_is_ours(void **state)
{
    struct bench *b = *state;

    assert_int_equal(b->hv->ops->now(b->hv), 0);
    sim_clock_step(b->hv, 1000);
    sim_clock_set(b->hv, 500);
    assert_int_equal(b->hv->ops->now(b->hv), 1000);
    sim_clock_set(b->hv, 5000);
    assert_int_equal(b->hv->ops->now(b->hv), 5000);
}

static void frames_move(void **state)
{
    struct bench *b = *state;
    const struct hv_ops *o = b->hv->ops;
    uint32_t v = 0x12345678, got = 0;

    assert_int_equal(o->populate(b->hv, 0x1000, 16), 0); /* right after RAM */
    assert_int_equal(o->populate(b->hv, 0x100f, 1), -EEXIST);
    assert_true(sim_ram_write(b->hv, 0x100fffc, &v, 4));
    assert_int_equal(o->relocate(b->hv, 0x1000, 0xf0000, 16), 0);
    assert_false(sim_frame_present(b->hv, 0x1000));
    assert_true(sim_ram_read(b->hv, 0xf000fffc, &got, 4));
    assert_int_equal(got, v);
    assert_int_equal(o->relocate(b->hv, 0xf0000, 0xf0008, 16), 0); /* overlapping */
    assert_true(sim_ram_read(b->hv, 0xf0017ffc, &got, 4));
    assert_int_equal(got, v);
    assert_int_equal(o->relocate(b->hv, 0xf0000, 0x1000, 16), -EINVAL);
    assert_int_equal(o->set_mem_type(b->hv, 0xc0, 64, HV_RAM_RO), 0);
    assert_int_equal(sim_mem_type(b->hv, 0xff), HV_RAM_RO);
    assert_int_equal(sim_mem_type(b->hv, 0x100), HV_RAM_RW);
    assert_int_equal(o->pin_cacheattr(b->hv, 0xf0008, 0xf0017, true), 0);
    assert_int_equal(o->pin_cacheattr(b->hv, 0xf0000, 0xf0008, true), -EBUSY);
    assert_true(sim_pinned(b->hv, 0xf0017));
    assert_int_equal(o->pin_cacheattr(b->hv, 0xf0008, 0xf0017, false), 0);
    assert_int_equal(o->pin_cacheattr(b->hv, 0xf0008, 0xf0017, false), -ENOENT);
    o->mark_dirty(b->hv, 0x10, 2);
    assert_true(sim_dirty(b->hv, 0x11));
    assert_false(sim_dirty(b->hv, 0x12));
    sim_dirty_clear(b->hv);
    assert_false(sim_dirty(b->hv, 0x11));
}

static void mappings_see_frames(void **state)
{
    struct bench *b = *state;
    const struct hv_ops *o = b->hv->ops;
    uint32_t present;
    uint8_t *p = o->map_frames(b->hv, 0x100, 16, &present), *q;

    assert_int_equal(present, 0xffff);
    p[0x3004] = 9;
    assert_int_equal(*(uint8_t *)sim_ram_ptr(b->hv, 0x103004, 1), 9);
    sim_balloon_out(b->hv, 0x102);
    q = o->map_frames(b->hv, 0x100, 16, &present);
    assert_int_equal(present, 0xfffb);
    assert_int_equal(q[0x3004], 9);
    assert_null(sim_ram_ptr(b->hv, 0x101fff, 2));
    o->unmap_frames(b->hv, q, 16);
    o->unmap_frames(b->hv, p, 16);
    assert_null(o->map_frames(b->hv, 0xa0, 16, &present));
    assert_null(o->map_frames(b->hv, UINT64_MAX >> 12, 16, &present));
    assert_null(o->map_frames(b->hv, 0x100, 17, &present));
}

static void high_memory(void **state)
{
    struct sim_options big = { .ram_size = UINT64_C(0xf0000000) + (32u << 20) };
    struct hv *hv = hv_sim_new(&big);
    uint8_t v = 3;

    (void)state;
    assert_non_null(hv);
    assert_true(sim_frame_present(hv, 0xeffff));
    assert_false(sim_frame_present(hv, 0xf0000));
    assert_true(sim_ram_write(hv, UINT64_C(0x101ffffff), &v, 1));
    assert_false(sim_ram_write(hv, UINT64_C(0x102000000), &v, 1));
    hv->ops->destroy(hv);
}

/* The door of the machine is not part of this test: the filters are called as it would. */
static void flip_memory(void **state)
{
    struct bench *b = *state;
    const struct hv_ops *o = b->hv->ops;
    uint8_t buf[4] = { 1, 2, 3, 4 };

    assert_int_equal(sim_flip_enable(b->hv, true), 0);
    assert_int_equal(o->read_filter(b->hv, 0x1ffe, buf, 4), 0);
    assert_int_equal(buf[0], 1);
    assert_int_equal(o->read_filter(b->hv, 0x2000, buf, 4), 0);
    assert_int_equal(buf[0], 0xfe);
    assert_int_equal(buf[1], 0xfd);
    assert_int_equal(buf[2], 3);
    assert_int_equal(sim_flip_hits(b->hv), 2);
    sim_invalidate(b->hv); /* the next request */
    assert_int_equal(o->read_filter(b->hv, 0x2000, buf, 4), 0);
    assert_int_equal(sim_flip_hits(b->hv), 2);
    assert_int_equal(o->write_filter(b->hv, 0x2000, 4), 0);
    assert_int_equal(o->read_filter(b->hv, 0x2000, buf, 4), 0);
    assert_int_equal(sim_flip_hits(b->hv), 2);
    sim_fail_copy(b->hv, 2);
    assert_int_equal(o->read_filter(b->hv, 0x9000, buf, 4), 0);
    assert_int_equal(o->write_filter(b->hv, 0x9000, 4), -EFAULT);
    assert_int_equal(o->write_filter(b->hv, 0x9000, 4), 0);
}

static void flip_memory_long_request(void **state)
{
    struct bench *b = *state;
    uint8_t v = 0x0f;

    assert_int_equal(sim_flip_enable(b->hv, true), 0);
    for (unsigned i = 0; i < 10000; i++)
        b->hv->ops->read_filter(b->hv, 0x100000 + i, &v, 1);
    assert_int_equal(sim_flip_hits(b->hv), 0);
    sim_flip_reset(b->hv);
    for (unsigned i = 0; i < 10000; i++)
        b->hv->ops->read_filter(b->hv, 0x100000 + i, &v, 1);
    assert_int_equal(sim_flip_hits(b->hv), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(xsa238_range_rules),
        cmocka_unit_test(range_limit),
        cmocka_unit_test(range_random),
        T(unclaimed_reads_ones),
        T(repeated_mmio_is_covered_whole),
        T(config_accesses),
        T(held_request),
        T(buffered_ring),
        T(direct_is_the_same_checks),
        T(lines_count_edges),
        T(clock_is_ours),
        T(frames_move),
        T(mappings_see_frames),
        cmocka_unit_test(high_memory),
        T(flip_memory),
        T(flip_memory_long_request),
    };

    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
