/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapcache - a bounded cache of guest memory mapped through the hypervisor port.
 *
 * Works in buckets of 16 frames (64 KiB of guest addresses). The number of mappings is fixed when
 * the cache is made; nothing is allocated afterwards. A bucket in use (referenced) is never
 * unmapped under its user: mapcache_invalidate() takes it out of the cache and the last put unmaps
 * it. With every bucket in use, a few spare mappings serve what comes, and after that requests
 * fail.
 *
 * Frames that do not exist (ballooned out, holes) are asked for again each time.
 */
#ifndef IOREQ_MAPCACHE_H
#define IOREQ_MAPCACHE_H

#include "ioreq/hv.h"

#define MAPCACHE_BUCKET_FRAMES 16u
#define MAPCACHE_BUCKET_SIZE   ((uint64_t)MAPCACHE_BUCKET_FRAMES * HV_PAGE_SIZE)
#define MAPCACHE_BUCKETS       256u /* usual number: 16 MiB mapped at most */
#define MAPCACHE_SPARE         16u  /* uncached mappings while all buckets are in use */

struct mapcache;

/* What a user holds; plain data, copyable only by moving. */
struct mapcache_ref {
    uint32_t entry; /* 0: nothing held */
};

struct mapcache_counters {
    uint64_t maps, unmaps; /* calls to the port */
    uint64_t evictions;
    uint64_t absent; /* lookups that met a frame which is not there */
    uint64_t full;   /* lookups refused because everything was in use */
};

/* `buckets` from 1 to 32768; the port is borrowed. NULL when out of memory. */
struct mapcache *mapcache_new(struct hv *hv, unsigned buckets);
/* All references must have been put. */
void mapcache_free(struct mapcache *c);

/* Host address of [gpa, gpa+len), which must lie in one bucket, len > 0; NULL if a frame of it is
 * absent or no mapping can be made, and then *ref is empty. Valid until mapcache_put(). */
void *mapcache_get(struct mapcache *c, uint64_t gpa, size_t len, struct mapcache_ref *ref);
/* Gives a reference back and empties it; an empty one is ignored. */
void mapcache_put(struct mapcache *c, struct mapcache_ref *ref);

/* The same without a reference, for a copy on the spot: valid until the next call of any function
 * of this cache. */
void *mapcache_peek(struct mapcache *c, uint64_t gpa, size_t len);

/* Bytes from gpa to the end of its bucket, at most len: the piece to ask for. */
static inline size_t mapcache_run(uint64_t gpa, size_t len)
{
    uint64_t left = MAPCACHE_BUCKET_SIZE - (gpa & (MAPCACHE_BUCKET_SIZE - 1));

    return len < left ? len : (size_t)left;
}

/* The guest's memory map has changed: no later lookup sees a mapping made before. */
void mapcache_invalidate(struct mapcache *c);

/* Mappings that exist now, those in use included. */
unsigned mapcache_mapped(const struct mapcache *c);
const struct mapcache_counters *mapcache_counters(const struct mapcache *c);

#endif
