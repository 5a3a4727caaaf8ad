/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif - the ring of a PV disk as it lies in memory: slots, requests, responses.
 *
 * Everything here is the guest's: nothing is read twice, and a request is a copy before anybody
 * looks at it. No function fails on what a guest can write; what is wild is said by blkif_check().
 */
#ifndef HW_XEN_BLKIF_H
#define HW_XEN_BLKIF_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bits.h"

/* Two layouts: 32-bit x86 aligns 64-bit numbers to four bytes. The native one is the 64-bit one. */
enum blkif_abi { BLKIF_ABI_64, BLKIF_ABI_32 };

enum blkif_op {
    BLKIF_READ,
    BLKIF_WRITE,
    BLKIF_BARRIER,
    BLKIF_FLUSH,
    BLKIF_DISCARD = 5,
    BLKIF_INDIRECT,
};

enum blkif_status { BLKIF_OKAY = 0, BLKIF_ERROR = -1, BLKIF_EOPNOTSUPP = -2 };

enum {
    BLKIF_SECTOR = 512,
    BLKIF_PAGE = 4096,
    BLKIF_DIRECT_MAX = 11,    /* segments in the slot itself */
    BLKIF_INDIRECT_MAX = 256, /* segments by way of a page, which has room for 512: our limit */
    BLKIF_ORDER_MAX = 4,      /* ring pages: 2^4 */
    BLKIF_SLOTS_MAX = 512,    /* of a ring of that size */
    BLKIF_SLOT_BYTES = 112,   /* of the larger layout */
    BLKIF_SEGMENT_BYTES = 8,
    BLKIF_DISCARD_SECURE = 1, /* in struct blkif_request, flags */
};

struct blkif_ring {
    uint8_t *shared; /* mapped from the guest: four indices, then slots */
    uint32_t slots;  /* a power of two */
    uint32_t slot_bytes;
    enum blkif_abi abi;
};

/* A request, decoded. Each number may be anything. */
struct blkif_request {
    uint8_t op; /* for indirect ones: what is to be done */
    bool indirect;
    uint8_t flags; /* discard */
    uint16_t segments;
    uint64_t id;
    uint64_t sector;
    uint64_t sectors;      /* discard */
    uint32_t indirect_ref; /* the page with the segments */
};

struct blkif_segment {
    uint32_t ref;
    uint8_t first, last; /* sectors within the page, both included */
};

/* The indices: enum order is the order in memory. */
enum blkif_index { BLKIF_REQ_PROD, BLKIF_REQ_EVENT, BLKIF_RSP_PROD, BLKIF_RSP_EVENT };

/* `shared` has 2^order pages; order is BLKIF_ORDER_MAX at most. */
struct blkif_ring blkif_ring(void *shared, unsigned order, enum blkif_abi abi);
uint32_t blkif_index(const struct blkif_ring *r, enum blkif_index which); /* one acquiring load */
void blkif_set_index(const struct blkif_ring *r, enum blkif_index which, uint32_t value); /* ... */
/* Copies request `index` once. */
void blkif_copy(const struct blkif_ring *r, uint32_t index, uint8_t raw[BLKIF_SLOT_BYTES]);
/* Writes response `index`, whole, padding included. */
void blkif_respond(const struct blkif_ring *r, uint32_t index, uint64_t id, uint8_t op,
                   enum blkif_status status);

struct blkif_request blkif_decode(enum blkif_abi abi, const uint8_t raw[BLKIF_SLOT_BYTES]);
/* Is this a request that can be tried? BLKIF_OKAY, or what to answer. Segments are not in it. */
enum blkif_status blkif_check(const struct blkif_request *q);
/* Segment `i` of a direct request; i below BLKIF_DIRECT_MAX. */
struct blkif_segment blkif_direct(enum blkif_abi abi, const uint8_t raw[BLKIF_SLOT_BYTES],
                                  unsigned i);
struct blkif_segment blkif_segment(const uint8_t raw[BLKIF_SEGMENT_BYTES]);
/* Is it within its page, and not empty? */
bool blkif_segment_sane(const struct blkif_segment *s);

#endif
