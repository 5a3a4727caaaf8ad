/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slots - see slots.h. Layouts: Xen public/hvm/ioreq.h.
 *
 * The pages are shared with the hypervisor, not with the guest, but everything in a slot is guest
 * input all the same. All accesses are single loads and stores of naturally aligned words.
 *
 * Absent: non-atomic handling of the buffered ring (the server is created ATOMIC).
 */
#include "ioreq/slots.h"

#include <string.h>

#include "hw/core/bits.h"

/* The last word of a slot: vp_eport (bits 0-31, never written), pad, one byte of state and flags,
 * one byte of type. */
enum { WORD_FLAGS_SHIFT = 48, WORD_TYPE_SHIFT = 56 };
enum { FLAGS_STATE = 0x0f, FLAGS_DATA_IS_PTR = 0x10, FLAGS_READ = 0x20, FLAGS_DF = 0x40 };
enum { FLAGS_BYTE = 30 };

struct slot {
    uint64_t addr;
    uint64_t data;
    uint64_t count_size; /* count in the low half, size in the high half */
    uint64_t word;
};
static_assert(sizeof(struct slot) == 32, "slot of the synchronous page");

/* The first dword of a buffered entry: type (8 bits), pad (1), direction (1), size code (2),
 * address (20). */
enum { ENTRY_READ = 1u << 9, ENTRY_SIZE_SHIFT = 10, ENTRY_ADDR_SHIFT = 12 };

struct ring {
    uint64_t pointers; /* read pointer in the low half, write pointer in the high half */
    uint64_t entry[SLOTS_RING];
};
static_assert(sizeof(struct ring) == 4096, "buffered page");

static struct slot *slot_of(const struct slots *s, unsigned vcpu)
{
    return (struct slot *)s->page + vcpu;
}

static uint8_t flags_of(const struct slot *slot)
{
    return __atomic_load_n((const uint8_t *)slot + FLAGS_BYTE, __ATOMIC_ACQUIRE);
}

/* The only place where a state is written. Nothing else writes the byte while the slot is ours. */
static void state_set(struct slot *slot, uint8_t flags, enum slots_state state)
{
    __atomic_store_n((uint8_t *)slot + FLAGS_BYTE,
                     (uint8_t)((flags & ~(unsigned)FLAGS_STATE) | state), __ATOMIC_RELEASE);
}

void slots_init(struct slots *s)
{
    if (s->nr_vcpus > SLOTS_MAX_VCPUS)
        s->nr_vcpus = SLOTS_MAX_VCPUS;
    memset(&s->counters, 0, sizeof s->counters);
    memset(s->held, 0, sizeof s->held);
    s->draining = false;
    s->early = false;
    s->running = REQUEST_BUFFERED;
}

/* Payload, then the state that Xen looks at, then the event. A slot that is not ours any more is
 * left alone: going backwards would kill the domain. */
static void publish(struct slots *s, unsigned vcpu, bool answer, uint32_t size, uint64_t data)
{
    struct slot *slot = slot_of(s, vcpu);
    uint8_t flags = flags_of(slot);

    if ((flags & FLAGS_STATE) != SLOT_INPROCESS) {
        s->counters.misuse++;
        return;
    }
    if (answer)
        __atomic_store_n(&slot->data, data & ones(size), __ATOMIC_RELAXED);
    state_set(slot, flags, SLOT_RESP_READY);
    s->notify(s->opaque, vcpu);
}

/* A plain read: its answer is the slot's `data`. */
static bool wants_data(const struct request *r)
{
    return r->read && !r->data_is_ptr;
}

/* True if the sink holds the request. */
static bool execute(struct slots *s, struct request *r)
{
    bool held = false;

    switch (r->type) {
    case REQ_INVALIDATE:
        s->counters.invalidates++;
        s->sink.invalidate(s->sink.opaque);
        break;
    case REQ_TIMEOFFSET: /* the guest set its clock; Xen keeps the offset itself */
        break;
    default:
        if (request_sane(r)) {
            held = s->sink.run(s->sink.opaque, r);
        } else {
            s->counters.insane++;
            r->data = UINT64_MAX;
        }
        break;
    }
    return held;
}

static void run_request(struct slots *s, struct request *r)
{
    uint16_t before = s->running;
    bool held;

    s->counters.requests++;
    s->running = r->vcpu;
    s->early = false;
    held = execute(s, r);
    s->running = before;
    if (held && !s->early) {
        s->counters.held++;
        s->held[r->vcpu].waiting = 1;
        s->held[r->vcpu].size = (uint8_t)r->size;
        s->held[r->vcpu].answer = wants_data(r);
        return;
    }
    publish(s, r->vcpu, wants_data(r), r->size, held ? s->early_data : r->data);
}

static void copy_slot(const struct slot *slot, uint64_t word, unsigned vcpu, struct request *r)
{
    uint64_t count_size = __atomic_load_n(&slot->count_size, __ATOMIC_RELAXED);
    unsigned flags = (unsigned)(word >> WORD_FLAGS_SHIFT);

    r->addr = __atomic_load_n(&slot->addr, __ATOMIC_RELAXED);
    r->data = __atomic_load_n(&slot->data, __ATOMIC_RELAXED);
    r->count = (uint32_t)count_size;
    r->size = (uint32_t)(count_size >> 32);
    r->type = (uint8_t)(word >> WORD_TYPE_SHIFT);
    r->read = (flags & FLAGS_READ) != 0;
    r->df = (flags & FLAGS_DF) != 0;
    r->data_is_ptr = (flags & FLAGS_DATA_IS_PTR) != 0;
    r->vcpu = (uint16_t)vcpu;
}

bool slots_run_vcpu(struct slots *s, unsigned vcpu)
{
    struct slot *slot;
    struct request r;
    uint64_t word;

    if (vcpu >= s->nr_vcpus)
        return false;
    slot = slot_of(s, vcpu);
    word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
    if ((word >> WORD_FLAGS_SHIFT & FLAGS_STATE) != SLOT_READY)
        return false;
    /* Before the state changes, so that INPROCESS implies an emptied ring for a successor. All that
     * this vCPU wrote before is in the ring now, and one drain takes all that is there. */
    slots_drain_buffered(s);
    copy_slot(slot, word, vcpu, &r);
    if (s->sink.taken)
        s->sink.taken(s->sink.opaque, vcpu);
    state_set(slot, (uint8_t)(word >> WORD_FLAGS_SHIFT), SLOT_INPROCESS);
    run_request(s, &r);
    return true;
}

bool slots_ready(const struct slots *s)
{
    for (unsigned i = 0; i < s->nr_vcpus; i++) {
        if ((flags_of(slot_of(s, i)) & FLAGS_STATE) == SLOT_READY)
            return true;
    }
    return false;
}

unsigned slots_run_all(struct slots *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->nr_vcpus; i++)
        n += slots_run_vcpu(s, i);
    return n;
}

void slots_complete(struct slots *s, unsigned vcpu, uint64_t data)
{
    if (vcpu < s->nr_vcpus && s->held[vcpu].waiting) {
        s->held[vcpu].waiting = 0;
        publish(s, vcpu, s->held[vcpu].answer, s->held[vcpu].size, data);
    } else if (vcpu < s->nr_vcpus && vcpu == s->running && !s->early) {
        s->early = true;
        s->early_data = data;
    } else {
        s->counters.misuse++;
    }
}

/* Number of entries present. One load of both pointers: Xen subtracts multiples of 511 from both at
 * once, so they fit together, and the index of the next entry does not depend on it. */
static uint32_t ring_count(const struct ring *ring, uint32_t *index)
{
    uint64_t both = __atomic_load_n(&ring->pointers, __ATOMIC_ACQUIRE);
    uint32_t rptr = (uint32_t)both, n = (uint32_t)(both >> 32) - rptr;

    *index = rptr % SLOTS_RING;
    return n <= SLOTS_RING ? n : SLOTS_RING;
}

bool slots_buffered_waiting(const struct slots *s)
{
    uint32_t index;

    return s->ring && ring_count(s->ring, &index) != 0;
}

/* Xen may rewrite both pointers at any time: only an atomic addition to our half is allowed. */
static void ring_consumed(struct ring *ring, uint32_t n)
{
    __atomic_fetch_add((uint32_t *)(void *)&ring->pointers, n, __ATOMIC_RELEASE);
}

static void run_entry(struct slots *s, uint64_t first, uint64_t second, uint32_t next)
{
    uint32_t head = (uint32_t)first;
    struct request r = {
        .addr = head >> ENTRY_ADDR_SHIFT,
        .data = first >> 32,
        .count = 1,
        .size = 1u << (head >> ENTRY_SIZE_SHIFT & 3),
        .type = (uint8_t)head,
        .vcpu = REQUEST_BUFFERED,
        .ring_next = (uint16_t)next,
    };

    if (r.size == 8)
        r.data |= second & 0xffffffff00000000u;
    else
        r.data &= ones(r.size);
    if ((head & ENTRY_READ) || r.type == REQ_INVALIDATE || execute(s, &r))
        s->counters.insane++; /* a read has nowhere to go, nor has a held answer */
    s->counters.buffered++;
}

bool slots_drain_buffered(struct slots *s)
{
    struct ring *ring = s->ring;
    uint32_t index, n, used;

    if (!ring || s->draining)
        return false;
    n = ring_count(ring, &index);
    if (!n)
        return false;
    s->draining = true;
    for (; n; n -= used) {
        uint64_t first = __atomic_load_n(&ring->entry[index], __ATOMIC_RELAXED), second = 0;

        index = index + 1 < SLOTS_RING ? index + 1 : 0;
        used = (first >> ENTRY_SIZE_SHIFT & 3) == 3 ? 2 : 1;
        if (used > n) { /* half of an 8-byte entry, which Xen never leaves: step over it */
            s->counters.insane++;
            ring_consumed(ring, n);
            break;
        }
        if (used == 2) {
            second = __atomic_load_n(&ring->entry[index], __ATOMIC_RELAXED);
            index = index + 1 < SLOTS_RING ? index + 1 : 0;
        }
        run_entry(s, first, second, index);
        ring_consumed(ring, used);
    }
    s->draining = false;
    return ring_count(ring, &index) != 0;
}

static void recover_slot(struct slots *s, unsigned vcpu)
{
    struct slot *slot = slot_of(s, vcpu);
    uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
    enum request_recovery what = REQUEST_FENCE;
    struct request r;

    copy_slot(slot, word, vcpu, &r);
    if (r.type == REQ_INVALIDATE) /* a new process has no mappings: nothing to redo */
        what = REQUEST_RERUN;
    else if (s->sink.recover)
        what = s->sink.recover(s->sink.opaque, &r);
    if (what == REQUEST_RERUN) {
        run_request(s, &r);
        return;
    }
    if (what == REQUEST_FENCE)
        r.data = UINT64_MAX;
    publish(s, vcpu, wants_data(&r), r.size, r.data);
}

/* The predecessor had executed the first entry and died before it moved the read pointer. */
static void recover_ring(struct slots *s, uint16_t ring_next)
{
    uint32_t index, n, used;
    uint64_t first;

    if (!s->ring || ring_next >= SLOTS_RING)
        return;
    n = ring_count(s->ring, &index);
    if (!n)
        return;
    first = __atomic_load_n(&((struct ring *)s->ring)->entry[index], __ATOMIC_RELAXED);
    used = (first >> ENTRY_SIZE_SHIFT & 3) == 3 ? 2 : 1;
    if (used <= n && (index + used) % SLOTS_RING == ring_next)
        ring_consumed(s->ring, used);
}

void slots_scan(struct slots *s, uint16_t ring_next)
{
    recover_ring(s, ring_next);
    /* Begun requests first: the ring was empty of everything older when they were begun. */
    for (unsigned i = 0; i < s->nr_vcpus; i++) {
        if ((flags_of(slot_of(s, i)) & FLAGS_STATE) == SLOT_INPROCESS && !s->held[i].waiting)
            recover_slot(s, i);
    }
    slots_drain_buffered(s);
    for (unsigned i = 0; i < s->nr_vcpus; i++) {
        if ((flags_of(slot_of(s, i)) & FLAGS_STATE) == SLOT_RESP_READY)
            s->notify(s->opaque, i);
        else
            slots_run_vcpu(s, i);
    }
}

void slots_abandon(struct slots *s)
{
    for (unsigned i = 0; i < s->nr_vcpus; i++) {
        struct slot *slot = slot_of(s, i);
        uint64_t word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
        uint8_t flags = (uint8_t)(word >> WORD_FLAGS_SHIFT);
        struct request r;

        if ((flags & FLAGS_STATE) == SLOT_READY)
            state_set(slot, flags, SLOT_INPROCESS);
        else if ((flags & FLAGS_STATE) != SLOT_INPROCESS)
            continue;
        copy_slot(slot, word, i, &r);
        s->held[i].waiting = 0;
        publish(s, i, wants_data(&r), r.size, UINT64_MAX);
    }
}
