/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol of the shared pages (ioreq/slots.c) and the sanity check in front of the machine.
 * The test plays Xen; names of advisories stand where a row of the regression list is guarded.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/core/bits.h"
#include "ioreq/slots.h"

struct wire_slot {
    uint64_t addr, data;
    uint32_t count, size, vp_eport;
    uint16_t pad;
    uint8_t flags, type;
};

struct wire_ring {
    uint32_t read_pointer, write_pointer;
    struct {
        uint32_t head, data;
    } entry[SLOTS_RING];
};

#define SEEN_MAX 2048u

struct bench {
    struct slots s;
    _Alignas(4096) union {
        struct wire_slot slot[SLOTS_MAX_VCPUS];
        uint8_t bytes[4096];
    } page;
    _Alignas(4096) struct wire_ring ring;
    struct request seen[SEEN_MAX];
    unsigned nr_seen, invalidations;
    unsigned notified[SLOTS_MAX_VCPUS];
    uint64_t answer;
    bool hold;
    void (*inside)(struct bench *b, struct request *r); /* while the sink runs */
    enum request_recovery recovery;
    uint8_t state_at_notify;
};

static bool run(void *opaque, struct request *r)
{
    struct bench *b = opaque;

    if (b->nr_seen < SEEN_MAX)
        b->seen[b->nr_seen] = *r;
    b->nr_seen++;
    if (b->inside)
        b->inside(b, r);
    if (r->read && !r->data_is_ptr)
        r->data = b->answer;
    return b->hold && r->vcpu != REQUEST_BUFFERED;
}

static void invalidate(void *opaque)
{
    ((struct bench *)opaque)->invalidations++;
}

static void notify(void *opaque, unsigned vcpu)
{
    struct bench *b = opaque;

    b->notified[vcpu]++;
    b->state_at_notify = b->page.slot[vcpu].flags & 0xf;
}

static enum request_recovery recover(void *opaque, struct request *r)
{
    r->data = 0x1234;
    return ((struct bench *)opaque)->recovery;
}

static int setup(void **state)
{
    struct bench *b = aligned_alloc(4096, (sizeof *b + 4095) & ~(size_t)4095);

    if (!b)
        return -1;
    memset(b, 0, sizeof *b);
    b->s = (struct slots){ .page = &b->page,
                           .ring = &b->ring,
                           .nr_vcpus = 4,
                           .sink = { .run = run, .invalidate = invalidate, .opaque = b },
                           .notify = notify,
                           .opaque = b };
    slots_init(&b->s);
    for (unsigned i = 0; i < SLOTS_MAX_VCPUS; i++)
        b->page.slot[i].vp_eport = 50 + i;
    b->answer = 0x1122334455667788;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

enum { READ = 0x20, PTR = 0x10, DF = 0x40 };

static void send(struct bench *b, unsigned vcpu, uint8_t type, uint64_t addr, uint32_t size,
                 unsigned flags, uint64_t data)
{
    struct wire_slot *w = &b->page.slot[vcpu];

    w->addr = addr;
    w->data = data;
    w->count = 1;
    w->size = size;
    w->type = type;
    w->flags = (uint8_t)(flags | SLOT_READY);
}

static void push(struct bench *b, uint8_t type, uint32_t addr, unsigned code, uint64_t data)
{
    for (unsigned n = 0; n < (code == 3 ? 2u : 1u); n++) {
        uint32_t i = b->ring.write_pointer++ % SLOTS_RING;

        b->ring.entry[i].head = type | code << 10 | addr << 12;
        b->ring.entry[i].data = (uint32_t)(data >> (32 * n));
    }
}

static void read_is_answered(void **state)
{
    struct bench *b = *state;

    send(b, 2, REQ_PIO, 0x3f8, 1, READ, 0);
    assert_true(slots_ready(&b->s));
    assert_true(slots_run_vcpu(&b->s, 2));
    assert_int_equal(b->page.slot[2].flags, READ | SLOT_RESP_READY);
    assert_int_equal(b->notified[2], 1);
    assert_int_equal(b->state_at_notify, SLOT_RESP_READY);
    assert_int_equal(b->seen[0].addr, 0x3f8);
    assert_int_equal(b->seen[0].vcpu, 2);
    assert_true(b->seen[0].read);
    assert_false(slots_ready(&b->s));
    assert_false(slots_run_vcpu(&b->s, 2));
    assert_int_equal(b->nr_seen, 1);
}

/* XSA-239: nothing above the size of the access. */
static void xsa239_zero_above_size(void **state)
{
    struct bench *b = *state;

    for (unsigned size = 1; size <= 8; size *= 2) {
        send(b, 0, REQ_COPY, 0xfebf0000, size, READ, 0xa5a5a5a5a5a5a5a5);
        slots_run_vcpu(&b->s, 0);
        assert_true(b->page.slot[0].data == (0x1122334455667788 & ones(size)));
    }
}

static void write_keeps_slot(void **state)
{
    struct bench *b = *state;
    struct wire_slot before;

    send(b, 1, REQ_PIO, 0x80, 4, 0, 0xdeadbeef);
    before = b->page.slot[1];
    slots_run_vcpu(&b->s, 1);
    before.flags = SLOT_RESP_READY;
    assert_memory_equal(&before, &b->page.slot[1], sizeof before);
    assert_int_equal(b->seen[0].data, 0xdeadbeef);
}

static void pointer_read_keeps_data(void **state)
{
    struct bench *b = *state;

    send(b, 0, REQ_PIO, 0x1f0, 2, READ | PTR | DF, 0x123000);
    b->page.slot[0].count = 256;
    slots_run_vcpu(&b->s, 0);
    assert_int_equal(b->page.slot[0].data, 0x123000);
    assert_int_equal(b->page.slot[0].flags, READ | PTR | DF | SLOT_RESP_READY);
    assert_true(b->seen[0].data_is_ptr && b->seen[0].df && b->seen[0].read);
    assert_int_equal(b->seen[0].count, 256);
}

static void scribble(struct bench *b, struct request *r)
{
    struct wire_slot *w = &b->page.slot[r->vcpu];

    assert_int_equal(w->flags & 0xf, SLOT_INPROCESS);
    w->addr = UINT64_MAX;
    w->count = w->size = 0xffffffff;
    w->type = 99;
}

/* XSA-197: what changes in the page after the copy has no effect. */
static void xsa197_slot_copied_once(void **state)
{
    struct bench *b = *state;

    b->inside = scribble;
    send(b, 0, REQ_PIO, 0x60, 2, READ, 0);
    slots_run_vcpu(&b->s, 0);
    assert_int_equal(b->page.slot[0].data, 0x7788);
    assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_RESP_READY);
}

static void steal(struct bench *b, struct request *r)
{
    b->page.slot[r->vcpu].flags = 0;
}

/* XSA-262: a slot that is not INPROCESS any more is left alone. */
static void xsa262_forward_only(void **state)
{
    struct bench *b = *state;

    b->inside = steal;
    send(b, 0, REQ_PIO, 0x60, 1, READ, 7);
    slots_run_vcpu(&b->s, 0);
    assert_int_equal(b->page.slot[0].flags, 0);
    assert_int_equal(b->page.slot[0].data, 7);
    assert_int_equal(b->notified[0], 0);
    assert_int_equal(b->s.counters.misuse, 1);
}

/* Every other state and every other vCPU number is left alone. */
static void only_ready_runs(void **state)
{
    struct bench *b = *state;

    for (unsigned st = 0; st < 16; st++) {
        if (st == SLOT_READY)
            continue;
        b->page.slot[0].flags = (uint8_t)(READ | st);
        assert_false(slots_run_vcpu(&b->s, 0));
        assert_int_equal(b->page.slot[0].flags, READ | st);
    }
    send(b, 4, REQ_PIO, 0x60, 1, READ, 0);
    assert_false(slots_run_vcpu(&b->s, 4));
    assert_false(slots_run_vcpu(&b->s, UINT32_MAX));
    assert_int_equal(b->nr_seen, 0);
}

static void invalidate_has_count_zero(void **state)
{
    struct bench *b = *state;

    send(b, 3, REQ_INVALIDATE, 0, 4, 0, UINT64_MAX);
    b->page.slot[3].count = 0;
    assert_true(slots_run_vcpu(&b->s, 3));
    assert_int_equal(b->invalidations, 1);
    assert_int_equal(b->nr_seen, 0);
    assert_int_equal(b->notified[3], 1);
    assert_int_equal(b->s.counters.insane, 0);
}

static void odd_requests_never_arrive(void **state)
{
    struct bench *b = *state;
    static const struct {
        uint8_t type;
        uint64_t addr;
        uint32_t size, count;
        unsigned flags;
        uint64_t data;
    } odd[] = {
        { REQ_PIO, 0x60, 0, 1, READ, 0 },
        { REQ_PIO, 0x60, 3, 1, READ, 0 },
        { REQ_PIO, 0x60, 5, 1, READ, 0 },
        { REQ_PIO, 0x60, 8, 1, READ, 0 },
        { REQ_PIO, 0x60, 16, 1, READ, 0 },
        { REQ_PIO, 0x60, 1, 0, READ, 0 },
        { REQ_PIO, 0x60, 1, 4097, READ | PTR, 0x1000 },
        { REQ_PIO, 0x60, 2, 4096, READ | PTR, 0x1000 },
        { REQ_PIO, 0x60, 4, UINT32_MAX, READ | PTR, 0x1000 },
        { REQ_PIO, 0x60, 4, 0x40000001, READ | PTR, 0x1000 }, /* 4 bytes, in 32 bits */
        { REQ_COPY, 0xa0000, 8, 0x20000001, READ | PTR, 0x1000 },
        { REQ_PIO, 0xffff, 2, 1, READ, 0 },
        { REQ_PIO, 0x10000, 1, 1, READ, 0 },
        { REQ_PIO, UINT64_MAX, 1, 1, READ, 0 },
        { REQ_PIO, 0x60, 1, 4096, READ | PTR, UINT64_MAX - 4094 },
        { REQ_PIO, 0x60, 4, 2, READ | PTR | DF, 3 },
        { REQ_COPY, 0x1000, 3, 1, READ, 0 },
        { REQ_COPY, 0x1000, 16, 1, READ, 0 },
        { REQ_COPY, 0x1000, 8, 513, 0, 0 },
        { REQ_COPY, UINT64_MAX, 2, 1, READ, 0 },
        { REQ_COPY, UINT64_MAX - 6, 8, 1, READ, 0 },
        { REQ_COPY, UINT64_MAX - 7, 8, 2, READ, 0 },
        { REQ_COPY, 7, 8, 2, READ | DF, 0 },
        { REQ_COPY, UINT64_MAX - 6, 8, 2, READ | DF, 0 },
        { REQ_COPY, 0x1000, 4, 0, READ, 0 },
        { REQ_COPY, 0xa0000, 4, 2, PTR, UINT64_MAX - 6 },
        { REQ_PCI_CONFIG, 0x1000, 4, 1, READ, 0 },
        { REQ_PCI_CONFIG, 3, 2, 1, READ, 0 },
        { REQ_PCI_CONFIG, 1, 4, 1, READ, 0 },
        { REQ_PCI_CONFIG, 0, 8, 1, READ, 0 },
        { 3, 0, 4, 1, READ, 0 },
        { 6, 0, 4, 1, READ, 0 },
        { 9, 0, 4, 1, READ, 0 },
        { 255, 0, 4, 1, READ, 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
        send(b, 0, odd[i].type, odd[i].addr, odd[i].size, odd[i].flags, odd[i].data);
        b->page.slot[0].count = odd[i].count;
        assert_true(slots_run_vcpu(&b->s, 0));
        if (b->nr_seen)
            fail_msg("row %u reached the sink", i);
        assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_RESP_READY);
        if (!(odd[i].flags & PTR))
            assert_true(b->page.slot[0].data == (odd[i].flags & READ ? ones(odd[i].size) : 0));
        else
            assert_true(b->page.slot[0].data == odd[i].data);
    }
    assert_int_equal(b->s.counters.insane, ARRAY_SIZE(odd));
}

/* XSA-199: the last byte of an access decides, for strings in both directions as well. */
static void xsa199_ports_at_the_end(void **state)
{
    struct bench *b = *state;

    for (uint64_t port = 0xfffc; port <= 0x10003; port++)
        for (uint32_t size = 1; size <= 8; size++)
            for (unsigned way = 0; way < 8; way++) {
                unsigned before = b->nr_seen;
                bool fits = size <= 4 && (size & (size - 1)) == 0 && port + size <= 0x10000;

                send(b, 0, REQ_PIO, port, size,
                     (way & 1 ? READ : 0) | (way & 2   ? PTR | DF
                                             : way & 4 ? PTR
                                                       : 0),
                     0x8000);
                b->page.slot[0].count = way & 6 ? 16 : 1;
                assert_true(slots_run_vcpu(&b->s, 0));
                assert_int_equal(b->nr_seen - before, fits);
                assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_RESP_READY);
                if (way == 1 && !fits)
                    assert_true(b->page.slot[0].data == ones(size));
            }
}

static void even_requests_arrive(void **state)
{
    struct bench *b = *state;
    static const struct request even[] = {
        { .type = REQ_PIO, .addr = 0, .size = 1, .count = 1 },
        { .type = REQ_PIO, .addr = 0xfffc, .size = 4, .count = 1 },
        { .type = REQ_PIO, .addr = 0xffff, .size = 1, .count = 4096, .data_is_ptr = true },
        { .type = REQ_PIO,
          .addr = 0x1f0,
          .size = 4,
          .count = 2,
          .df = true,
          .data = 4,
          .data_is_ptr = true },
        { .type = REQ_COPY, .addr = UINT64_MAX - 7, .size = 8, .count = 1 },
        { .type = REQ_COPY, .addr = UINT64_MAX - 7, .size = 8, .count = 512, .df = true },
        { .type = REQ_COPY, .addr = 8, .size = 8, .count = 2, .df = true },
        { .type = REQ_COPY, .addr = 0xfff, .size = 8, .count = 1 },
        { .type = REQ_PCI_CONFIG, .addr = UINT64_C(0x08) << 32 | 0xfff, .size = 1, .count = 1 },
    };

    (void)b;
    for (unsigned i = 0; i < ARRAY_SIZE(even); i++) {
        if (!request_sane(&even[i]))
            fail_msg("row %u refused", i);
    }
}

static void order_is_ring_first(struct bench *b, struct request *r)
{
    if (r->vcpu != REQUEST_BUFFERED)
        assert_int_equal(b->page.slot[r->vcpu].flags & 0xf, SLOT_INPROCESS);
    else /* a successor must find an emptied ring behind INPROCESS */
        assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_READY);
}

static void buffered_before_synchronous(void **state)
{
    struct bench *b = *state;

    b->inside = order_is_ring_first;
    push(b, REQ_COPY, 0xa0000, 0, 0x11);
    push(b, REQ_COPY, 0xa0002, 1, 0x2233);
    send(b, 0, REQ_COPY, 0xa0000, 1, READ, 0);
    slots_run_vcpu(&b->s, 0);
    assert_int_equal(b->nr_seen, 3);
    assert_int_equal(b->seen[0].vcpu, REQUEST_BUFFERED);
    assert_int_equal(b->seen[0].addr, 0xa0000);
    assert_int_equal(b->seen[0].data, 0x11);
    assert_int_equal(b->seen[1].size, 2);
    assert_int_equal(b->seen[1].data, 0x2233);
    assert_int_equal(b->seen[2].vcpu, 0);
    assert_int_equal(b->ring.read_pointer, 2);
}

static void eight_bytes_take_two_slots(void **state)
{
    struct bench *b = *state;

    b->ring.read_pointer = b->ring.write_pointer = SLOTS_RING - 1; /* straddles the end */
    push(b, REQ_COPY, 0xbfff8, 3, 0x0123456789abcdef);
    push(b, REQ_COPY, 0xa0004, 2, 0x55667788);
    assert_false(slots_drain_buffered(&b->s));
    assert_int_equal(b->nr_seen, 2);
    assert_true(b->seen[0].data == 0x0123456789abcdef);
    assert_int_equal(b->seen[0].size, 8);
    assert_int_equal(b->seen[0].addr, 0xbfff8);
    assert_int_equal(b->seen[1].data, 0x55667788);
    assert_int_equal(b->ring.read_pointer, SLOTS_RING + 2);
}

static void half_of_eight_bytes_is_dropped(void **state)
{
    struct bench *b = *state;

    push(b, REQ_COPY, 0xa0000, 3, 1);
    b->ring.write_pointer--;
    assert_false(slots_drain_buffered(&b->s));
    assert_int_equal(b->nr_seen, 0);
    assert_int_equal(b->s.counters.insane, 1);
    assert_int_equal(b->ring.read_pointer, b->ring.write_pointer);
}

static void timeoffset_and_odd_entries_are_swallowed(void **state)
{
    struct bench *b = *state;

    push(b, REQ_TIMEOFFSET, 0, 3, 3600);
    push(b, REQ_INVALIDATE, 0, 2, 0);
    push(b, 77, 0xa0000, 0, 0);
    push(b, REQ_PIO, 0xfffff, 0, 0); /* no such port */
    b->ring.entry[b->ring.write_pointer % SLOTS_RING].head = REQ_COPY | 1u << 9 | 0xa0000u << 12;
    b->ring.write_pointer++;
    assert_false(slots_drain_buffered(&b->s));
    assert_int_equal(b->nr_seen, 0);
    assert_int_equal(b->invalidations, 0);
    assert_int_equal(b->s.counters.insane, 4);
    assert_int_equal(b->s.counters.buffered, 5);
}

static void refill(struct bench *b, struct request *r)
{
    if (r->vcpu == REQUEST_BUFFERED)
        push(b, REQ_COPY, 0xa0000, 0, 0);
}

/* A guest that writes as fast as we read does not keep us: one turn is what was there. */
static void xcpng_ring_livelock(void **state)
{
    struct bench *b = *state;

    b->inside = refill;
    for (unsigned i = 0; i < SLOTS_RING; i++)
        push(b, REQ_COPY, 0xa0000, 0, i);
    assert_true(slots_drain_buffered(&b->s));
    assert_int_equal(b->nr_seen, SLOTS_RING);
    send(b, 1, REQ_PIO, 0x60, 1, READ, 0);
    assert_true(slots_run_vcpu(&b->s, 1));
    assert_int_equal(b->nr_seen, 2 * SLOTS_RING + 1);
    assert_int_equal(b->page.slot[1].flags & 0xf, SLOT_RESP_READY);
}

static void wild_pointers_are_bounded(void **state)
{
    struct bench *b = *state;

    b->ring.read_pointer = 100;
    b->ring.write_pointer = 50; /* cannot happen: seen as a full ring at most */
    slots_drain_buffered(&b->s);
    assert_true(b->nr_seen <= SLOTS_RING);
}

static void redrain(struct bench *b, struct request *r)
{
    (void)r;
    assert_false(slots_drain_buffered(&b->s));
}

static void drain_inside_drain_is_nothing(void **state)
{
    struct bench *b = *state;

    b->inside = redrain;
    push(b, REQ_COPY, 0xa0000, 0, 1);
    push(b, REQ_COPY, 0xa0001, 0, 2);
    slots_drain_buffered(&b->s);
    assert_int_equal(b->nr_seen, 2);
}

static void held_request_is_answered_later(void **state)
{
    struct bench *b = *state;

    b->hold = true;
    send(b, 0, REQ_PIO, 0x60, 2, READ, 5);
    assert_true(slots_run_vcpu(&b->s, 0));
    assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_INPROCESS);
    assert_int_equal(b->notified[0], 0);
    assert_false(slots_run_vcpu(&b->s, 0));
    b->hold = false;
    send(b, 1, REQ_PIO, 0x61, 1, READ, 0); /* others go on */
    assert_true(slots_run_vcpu(&b->s, 1));
    slots_complete(&b->s, 0, 0xaabbccdd);
    assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_RESP_READY);
    assert_int_equal(b->page.slot[0].data, 0xccdd);
    assert_int_equal(b->notified[0], 1);
    slots_complete(&b->s, 0, 1); /* twice is once */
    slots_complete(&b->s, 99, 1);
    assert_int_equal(b->page.slot[0].data, 0xccdd);
    assert_int_equal(b->s.counters.misuse, 2);
}

static void complete_now(struct bench *b, struct request *r)
{
    slots_complete(&b->s, r->vcpu, 0x99);
}

static void held_but_completed_inside(void **state)
{
    struct bench *b = *state;

    b->hold = true;
    b->inside = complete_now;
    send(b, 0, REQ_PIO, 0x60, 1, READ, 0);
    slots_run_vcpu(&b->s, 0);
    assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_RESP_READY);
    assert_int_equal(b->page.slot[0].data, 0x99);
    assert_int_equal(b->notified[0], 1);
}

static void adopt(struct bench *b, enum request_recovery what)
{
    b->s.sink.recover = recover;
    b->recovery = what;
    for (unsigned i = 0; i < 4; i++) {
        send(b, i, REQ_PIO, 0x60 + i, 1, READ, 0x77);
        b->page.slot[i].flags = (uint8_t)(READ | i);
    }
    push(b, REQ_COPY, 0xa0000, 0, 1);
    slots_scan(&b->s, 0xffff);
    assert_int_equal(b->page.slot[0].flags & 0xf, SLOT_NONE);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(b->page.slot[i].flags & 0xf, SLOT_RESP_READY);
    assert_int_equal(b->page.slot[1].data, 0x88);
    assert_int_equal(b->page.slot[3].data, 0x77); /* not executed again */
    assert_true(b->notified[3] >= 1);
    assert_int_equal(b->notified[0], 0);
}

static void scan_reruns(void **state)
{
    struct bench *b = *state;

    adopt(b, REQUEST_RERUN);
    assert_int_equal(b->nr_seen, 3);
    assert_int_equal(b->seen[0].addr, 0x62); /* what was begun comes before the ring */
    assert_int_equal(b->page.slot[2].data, 0x88);
}

static void scan_publishes(void **state)
{
    struct bench *b = *state;

    adopt(b, REQUEST_PUBLISH);
    assert_int_equal(b->nr_seen, 2);
    assert_int_equal(b->page.slot[2].data, 0x34);
}

static void scan_fences(void **state)
{
    struct bench *b = *state;

    adopt(b, REQUEST_FENCE);
    assert_int_equal(b->nr_seen, 2);
    assert_int_equal(b->page.slot[2].data, 0xff);
}

/* Ring of three entries, the first an 8-byte one (two places). */
static void three_buffered(struct bench *b)
{
    push(b, REQ_COPY, 0xa0000, 3, 1);
    push(b, REQ_COPY, 0xa0008, 0, 2);
    push(b, REQ_COPY, 0xa0009, 0, 3);
}

static void scan_knows_what_was_executed(void **state)
{
    struct bench *b = *state;

    three_buffered(b);
    slots_scan(&b->s, 2); /* the first entry was executed, the read pointer stands before it */
    assert_int_equal(b->nr_seen, 2);
    assert_int_equal(b->seen[0].addr, 0xa0008);
    assert_int_equal(b->ring.read_pointer, 4);
}

static void scan_skips_nothing_else(void **state)
{
    struct bench *b = *state;

    three_buffered(b);
    slots_scan(&b->s, 0); /* the read pointer has moved already, or nothing was executed */
    assert_int_equal(b->nr_seen, 3);
}

static void abandon_answers_everything(void **state)
{
    struct bench *b = *state;

    b->hold = true;
    send(b, 0, REQ_PIO, 0x60, 4, READ, 0);
    slots_run_vcpu(&b->s, 0);
    send(b, 1, REQ_PIO, 0x60, 2, READ, 0);
    send(b, 2, REQ_PIO, 0x60, 2, 0, 9);
    slots_abandon(&b->s);
    assert_int_equal(b->page.slot[0].data, 0xffffffff);
    assert_int_equal(b->page.slot[1].data, 0xffff);
    assert_int_equal(b->page.slot[2].data, 9);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(b->page.slot[i].flags & 0xf, SLOT_RESP_READY);
    assert_int_equal(b->page.slot[3].flags, 0);
    assert_int_equal(b->nr_seen, 1);
    slots_complete(&b->s, 0, 0);
    assert_int_equal(b->page.slot[0].data, 0xffffffff);
}

/* Event channel numbers belong to Xen. */
static void eports_survive(void **state)
{
    struct bench *b = *state;

    for (unsigned i = 0; i < 4; i++)
        send(b, i, REQ_PIO, 0x60, 4, READ, 0);
    assert_int_equal(slots_run_all(&b->s), 4);
    for (unsigned i = 0; i < SLOTS_MAX_VCPUS; i++)
        assert_int_equal(b->page.slot[i].vp_eport, 50 + i);
}

static void canonicalise(struct bench *b, struct request *r)
{
    (void)r;
    if (b->ring.read_pointer >= SLOTS_RING) {
        b->ring.read_pointer -= SLOTS_RING;
        b->ring.write_pointer -= SLOTS_RING;
    }
}

/* The same at a moment of our choice: between reading the pointers and moving one. */
static void pointers_move_inside_an_entry(void **state)
{
    struct bench *b = *state;

    b->inside = canonicalise;
    b->ring.read_pointer = b->ring.write_pointer = SLOTS_RING + 3;
    for (unsigned i = 0; i < 10; i++)
        push(b, REQ_COPY, 0xa0000 + i, 0, i);
    assert_false(slots_drain_buffered(&b->s));
    assert_int_equal(b->nr_seen, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(b->seen[i].data, i);
    assert_int_equal(b->ring.read_pointer, 13);
    assert_int_equal(b->ring.write_pointer, 13);
}

/* Xen moves both pointers while we consume: every entry arrives once and in order. */
#define RACE 100000u

static void *producer(void *opaque)
{
    struct wire_ring *ring = opaque;
    uint64_t *both = (uint64_t *)(void *)ring;

    for (uint32_t n = 0; n < RACE;) {
        uint32_t code = n % 7 == 3 ? 3 : 2, need = code == 3 ? 2 : 1;
        uint32_t w = __atomic_load_n(&ring->write_pointer, __ATOMIC_RELAXED);
        uint32_t r = __atomic_load_n(&ring->read_pointer, __ATOMIC_ACQUIRE);
        uint64_t old;

        if (w - r <= SLOTS_RING - need) {
            for (uint32_t i = 0; i < need; i++) {
                uint64_t v = REQ_COPY | code << 10 | 0xa0000ull << 12 | (uint64_t)n << 32;

                __atomic_store_n(both + 1 + (w + i) % SLOTS_RING, v, __ATOMIC_RELAXED);
            }
            __atomic_fetch_add(&ring->write_pointer, need, __ATOMIC_RELEASE);
            n++;
        }
        while (old = __atomic_load_n(both, __ATOMIC_RELAXED), (uint32_t)old >= SLOTS_RING) {
            uint32_t k = (uint32_t)old - (uint32_t)old % SLOTS_RING;

            __atomic_compare_exchange_n(both, &old, old - ((uint64_t)k << 32 | k), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static bool count_in_order(void *opaque, struct request *r)
{
    uint32_t *next = opaque;
    uint32_t n = (uint32_t)r->data;

    assert_int_equal(n, *next);
    if (r->size == 8)
        assert_int_equal(r->data >> 32, n);
    ++*next;
    return false;
}

static void concurrent_canonicalisation(void **state)
{
    struct bench *b = *state;
    uint32_t next = 0;
    pthread_t t;

    b->s.sink.run = count_in_order;
    b->s.sink.opaque = &next;
    assert_int_equal(pthread_create(&t, NULL, producer, &b->ring), 0);
    while (next < RACE)
        slots_drain_buffered(&b->s);
    pthread_join(t, NULL);
    assert_int_equal(next, RACE);
    assert_false(slots_buffered_waiting(&b->s));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(read_is_answered),
        T(xsa239_zero_above_size),
        T(write_keeps_slot),
        T(pointer_read_keeps_data),
        T(xsa197_slot_copied_once),
        T(xsa262_forward_only),
        T(only_ready_runs),
        T(invalidate_has_count_zero),
        T(odd_requests_never_arrive),
        T(xsa199_ports_at_the_end),
        T(even_requests_arrive),
        T(buffered_before_synchronous),
        T(eight_bytes_take_two_slots),
        T(half_of_eight_bytes_is_dropped),
        T(timeoffset_and_odd_entries_are_swallowed),
        T(xcpng_ring_livelock),
        T(wild_pointers_are_bounded),
        T(drain_inside_drain_is_nothing),
        T(held_request_is_answered_later),
        T(held_but_completed_inside),
        T(scan_reruns),
        T(scan_publishes),
        T(scan_fences),
        T(scan_knows_what_was_executed),
        T(scan_skips_nothing_else),
        T(abandon_answers_everything),
        T(eports_survive),
        T(pointers_move_inside_an_entry),
        T(concurrent_canonicalisation),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
