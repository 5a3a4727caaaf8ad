/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif - see blkif.h.
 *
 * Protocol: xen/io/blkif.h, xen/io/ring.h. A ring begins with req_prod, req_event, rsp_prod and
 * rsp_event; slots begin at byte 64, as many as the largest power of two that fits. A slot holds a
 * request or the response to any one.
 * Present:  both layouts, 1 to 16 pages, indirect segments.
 * Absent:   the operation 4, which was never defined.
 */
#include "hw/xen/blkif.h"

enum { RING_HEADER = 64 };

/* Where things are in a slot. Operation, number of segments (one byte) and handle come first. */
struct layout {
    uint8_t bytes;
    uint8_t id, sector, segment; /* a request; discard has its count at `segment` */
    uint8_t indirect_sector, indirect_ref;
    uint8_t response; /* bytes of a response */
};

static const struct layout layouts[] = {
    [BLKIF_ABI_64] = { 112, 8, 16, 24, 16, 28, 16 },
    [BLKIF_ABI_32] = { 108, 4, 12, 20, 12, 24, 12 },
};

struct blkif_ring blkif_ring(void *shared, unsigned order, enum blkif_abi abi)
{
    struct blkif_ring r = { .shared = shared, .slot_bytes = layouts[abi].bytes, .abi = abi };
    uint32_t fit = (((uint32_t)BLKIF_PAGE << order) - RING_HEADER) / r.slot_bytes;

    r.slots = 1;
    while (r.slots * 2 <= fit)
        r.slots *= 2;
    return r;
}

static uint32_t *index_of(const struct blkif_ring *r, enum blkif_index which)
{
    return (uint32_t *)(void *)r->shared + which;
}

uint32_t blkif_index(const struct blkif_ring *r, enum blkif_index which)
{
    return __atomic_load_n(index_of(r, which), __ATOMIC_ACQUIRE);
}

void blkif_set_index(const struct blkif_ring *r, enum blkif_index which, uint32_t value)
{
    __atomic_store_n(index_of(r, which), value, __ATOMIC_RELEASE);
}

static uint8_t *slot_of(const struct blkif_ring *r, uint32_t index)
{
    return r->shared + RING_HEADER + (size_t)(index & (r->slots - 1)) * r->slot_bytes;
}

void blkif_copy(const struct blkif_ring *r, uint32_t index, uint8_t raw[BLKIF_SLOT_BYTES])
{
    memcpy(raw, slot_of(r, index), r->slot_bytes);
    /* From here on the compiler has to use the copy. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void blkif_respond(const struct blkif_ring *r, uint32_t index, uint64_t id, uint8_t op,
                   enum blkif_status status)
{
    uint8_t response[16] = { 0 };

    memcpy(response, &id, sizeof id);
    response[8] = op;
    put_le16(response + 10, (uint16_t)status);
    memcpy(slot_of(r, index), response, layouts[r->abi].response);
}

struct blkif_request blkif_decode(enum blkif_abi abi, const uint8_t raw[BLKIF_SLOT_BYTES])
{
    const struct layout *at = &layouts[abi];
    struct blkif_request q = { .op = raw[0], .segments = raw[1] };

    q.id = le64(raw + at->id);
    q.sector = le64(raw + at->sector);
    if (q.op == BLKIF_INDIRECT) {
        q.indirect = true;
        q.op = raw[1];
        q.segments = le16(raw + 2);
        q.sector = le64(raw + at->indirect_sector);
        q.indirect_ref = le32(raw + at->indirect_ref);
    } else if (q.op == BLKIF_DISCARD) {
        q.flags = raw[1];
        q.segments = 0;
        q.sectors = le64(raw + at->segment);
    }
    return q;
}

enum blkif_status blkif_check(const struct blkif_request *q)
{
    bool transfer = q->op == BLKIF_READ || q->op == BLKIF_WRITE;
    unsigned most = q->indirect ? BLKIF_INDIRECT_MAX : BLKIF_DIRECT_MAX;

    if (q->indirect && !transfer)
        return BLKIF_ERROR;
    if (q->op == BLKIF_DISCARD)
        return q->flags & BLKIF_DISCARD_SECURE ? BLKIF_EOPNOTSUPP : BLKIF_OKAY;
    if (!transfer && q->op != BLKIF_FLUSH && q->op != BLKIF_BARRIER)
        return BLKIF_EOPNOTSUPP;
    if (q->segments > most || (transfer && !q->segments))
        return BLKIF_ERROR;
    return BLKIF_OKAY;
}

struct blkif_segment blkif_segment(const uint8_t raw[BLKIF_SEGMENT_BYTES])
{
    return (struct blkif_segment){ .ref = le32(raw), .first = raw[4], .last = raw[5] };
}

struct blkif_segment blkif_direct(enum blkif_abi abi, const uint8_t raw[BLKIF_SLOT_BYTES],
                                  unsigned i)
{
    return blkif_segment(raw + layouts[abi].segment + (size_t)i * BLKIF_SEGMENT_BYTES);
}

bool blkif_segment_sane(const struct blkif_segment *s)
{
    return s->first <= s->last && s->last < BLKIF_PAGE / BLKIF_SECTOR;
}
