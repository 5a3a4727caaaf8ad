/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_slots - the two shared pages (ioreq/slots.c): whatever is in them, the protocol is kept.
 *
 * The input is read as steps: bytes put into a slot or the ring, pointers of the ring, a turn of
 * the loop, a scan as a successor does it, an answer that comes later. While a request runs, the
 * page is written over with what the input has. Checked: only sane requests arrive, each once; a
 * slot's state goes forward only; nothing but the answer changes in it, with zeros above its size;
 * one turn executes at most a page of buffered entries.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/core/bits.h"
#include "ioreq/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VCPUS = 4, FLAGS_BYTE = 30, READ = 0x20, PTR = 0x10 };

static _Alignas(4096) uint8_t page[4096], ring[4096], before[4096];
static struct slots s;
static unsigned buffered, notified[VCPUS];
static uint32_t size_of[VCPUS]; /* of the request that runs or ran last */
static bool overwritten[VCPUS]; /* while its request was held: the answer is that of the copy */

static struct {
    const uint8_t *p;
    size_t left;
} in;

static unsigned take(void)
{
    if (!in.left)
        return 0;
    in.left--;
    return *in.p++;
}

/* The same rules as in request_sane(), in other words. */
static void must_be_sane(const struct request *r)
{
    uint64_t bytes = (uint64_t)r->size * r->count;

    if (r->size != 1 && r->size != 2 && r->size != 4 && !(r->size == 8 && r->type == REQ_COPY))
        abort();
    if (r->count == 0 || (r->count > 1 && bytes > 4096))
        abort();
    if (r->type == REQ_PIO && r->addr + r->size > 0x10000)
        abort();
    if (r->type == REQ_PCI_CONFIG && (r->addr & 0xfff & ~3u) + 4 > 0x1000)
        abort();
    if (r->type != REQ_PIO && r->type != REQ_COPY && r->type != REQ_PCI_CONFIG)
        abort();
    if (!r->df && r->type == REQ_COPY && r->addr + bytes - 1 < r->addr)
        abort();
}

/* A guest that produces while we consume. */
static void refill(void)
{
    uint32_t at = le32(ring + 4) % SLOTS_RING;

    store_le(ring + 8 + at * 8, 8, REQ_PIO | 0x80 << 12);
    put_le32(ring + 4, le32(ring + 4) + 1);
}

static bool run(void *opaque, struct request *r)
{
    uint32_t v = r->vcpu;

    (void)opaque;
    must_be_sane(r);
    if (r->vcpu == REQUEST_BUFFERED) {
        buffered++;
        if (r->read || r->count != 1 || r->ring_next >= SLOTS_RING)
            abort();
        if (r->size < 8 && r->data & ~ones(r->size))
            abort();
        if (take() % 4 == 1)
            refill();
        return false;
    }
    if (v >= VCPUS)
        abort();
    size_of[v] = r->size;
    if (take() % 4 == 1) { /* somebody else writes to the slot meanwhile */
        store_le(page + v * 32 + 16, 8, 8 + (UINT64_C(8) << 32));
        store_le(before + v * 32 + 16, 8, 8 + (UINT64_C(8) << 32));
    }
    if (r->read && !r->data_is_ptr)
        r->data = UINT64_C(0xa5a5a5a5a5a5a5a5);
    return take() % 4 == 0;
}

static void invalidate(void *opaque)
{
    (void)opaque;
}

static void notify(void *opaque, unsigned vcpu)
{
    (void)opaque;
    if (vcpu >= VCPUS || (page[vcpu * 32 + FLAGS_BYTE] & 0xf) != SLOT_RESP_READY)
        abort();
    notified[vcpu]++;
}

static enum request_recovery recover(void *opaque, struct request *r)
{
    (void)opaque;
    size_of[r->vcpu] = r->size;
    return (enum request_recovery)(take() % 3);
}

/* One slot: what it was, what it is. */
static void judge_slot(unsigned v)
{
    const uint8_t *was = before + v * 32, *is = page + v * 32;
    unsigned from = was[FLAGS_BYTE] & 0xf, to = is[FLAGS_BYTE] & 0xf;
    uint32_t size;

    if (memcmp(was, is, 8) != 0 || memcmp(was + 16, is + 16, 14) != 0 || was[31] != is[31] ||
        ((was[FLAGS_BYTE] ^ is[FLAGS_BYTE]) & 0xf0))
        abort(); /* not ours to write */
    if (from != to && !(from == SLOT_READY && (to == SLOT_INPROCESS || to == SLOT_RESP_READY)) &&
        !(from == SLOT_INPROCESS && to == SLOT_RESP_READY))
        abort();
    if (memcmp(was + 8, is + 8, 8) == 0 || (from == SLOT_INPROCESS && overwritten[v]))
        return;
    size = size_of[v] ? size_of[v] : le32(is + 20);
    if (to != SLOT_RESP_READY || (is[FLAGS_BYTE] & (READ | PTR)) != READ)
        abort(); /* only a plain read has an answer */
    if (size < 8 && le64(is + 8) & ~ones(size))
        abort();
}

static void judge(unsigned ring_before)
{
    for (unsigned v = 0; v < VCPUS; v++)
        judge_slot(v);
    if (memcmp(before + VCPUS * 32, page + VCPUS * 32, sizeof page - VCPUS * 32) != 0)
        abort();
    if (buffered > ring_before)
        abort();
}

static void fill_slot(void)
{
    static const uint8_t types[] = { REQ_PIO,        REQ_COPY, REQ_PCI_CONFIG, REQ_TIMEOFFSET,
                                     REQ_INVALIDATE, REQ_PIO,  REQ_COPY,       3 };
    unsigned v = take() % VCPUS, what = take();
    uint8_t *slot = page + v * 32;

    overwritten[v] = s.held[v].waiting;
    size_of[v] = 0;

    store_le(slot, 8, take() | (uint64_t)take() << 8 | (uint64_t)(what & 1 ? take() : 0) << 56);
    store_le(slot + 8, 8, take() * UINT64_C(0x0101010101010101));
    put_le32(slot + 16, what & 2 ? take() << 28 | take() : 1);
    put_le32(slot + 20, what & 4 ? take() : 1u << (what >> 3 & 3));
    slot[FLAGS_BYTE] = (uint8_t)(what & 0x80 ? take() : (what & 0x60) | SLOT_READY);
    slot[31] = what & 0x20 ? (uint8_t)take() : types[what >> 5 & 7];
}

static void fill_ring(void)
{
    unsigned n = take() % 16, at = take() * 2;

    for (unsigned i = 0; i < n; i++, at = (at + 1) % SLOTS_RING) {
        put_le32(ring + 8 + at * 8, take() % 9 | take() << 9 | take() << 14);
        put_le32(ring + 12 + at * 8, take() * 0x01010101u);
    }
    put_le32(ring + 4, le32(ring + 4) + n);
    if (take() % 16 == 0)
        put_le32(ring + take() % 2 * 4, take() << 24 | take());
}

static void turn(unsigned what)
{
    uint32_t waiting = le32(ring + 4) - le32(ring);

    memcpy(before, page, sizeof page);
    buffered = 0;
    if (what % 8 != 0 || waiting > SLOTS_RING) /* a ring full for each that drains */
        waiting = SLOTS_RING * (what % 8 ? VCPUS + 1 : 1);
    switch (what % 8) {
    case 0:
        slots_drain_buffered(&s);
        break;
    case 1:
        slots_scan(&s, (uint16_t)(take() * 2));
        break;
    case 2:
        slots_complete(&s, take() % (VCPUS + 1), UINT64_C(0x5a5a5a5a5a5a5a5a));
        break;
    case 3:
        memset(size_of, 0, sizeof size_of); /* each slot as it is now */
        slots_abandon(&s);
        break;
    default:
        slots_run_all(&s);
    }
    judge(waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in.p = data;
    in.left = size;
    memset(page, 0, sizeof page);
    memset(ring, 0, sizeof ring);
    memset(size_of, 0, sizeof size_of);
    memset(overwritten, 0, sizeof overwritten);
    s = (struct slots){ .page = page,
                        .ring = ring,
                        .nr_vcpus = VCPUS,
                        .sink = { .run = run, .invalidate = invalidate, .recover = recover },
                        .notify = notify };
    slots_init(&s);
    for (unsigned n = 0; n < 64 && in.left; n++) {
        unsigned what = take();

        if (what < 96)
            fill_slot();
        else if (what < 160)
            fill_ring();
        else
            turn(what);
    }
    return 0;
}
