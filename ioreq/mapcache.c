/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mapcache - see mapcache.h.
 *
 * Entries live in one array; idle and unused ones of the cache proper are found by a chained hash
 * of the bucket number, replaced by a clock hand. Numbers, not pointers, name entries; 0 is none.
 * A doomed or spare entry is in no hash chain and returns to its free list at the last put.
 *
 * Absent: nothing.
 */
#include "ioreq/mapcache.h"

#include <stdlib.h>

#include "hw/core/bits.h"

#define BUCKET_SHIFT (HV_PAGE_SHIFT + 4)
static_assert(MAPCACHE_BUCKET_SIZE == UINT64_C(1) << BUCKET_SHIFT, "bucket size and shift");

struct entry {
    uint64_t bucket; /* guest address >> BUCKET_SHIFT */
    uint64_t refs;   /* 64 bits: cannot be counted round */
    uint8_t *host;   /* NULL: not mapped */
    uint32_t present;
    uint16_t next; /* in its hash chain or free list */
    bool hashed;
    bool used; /* since the clock hand passed */
};

struct mapcache {
    struct hv *hv;
    uint32_t buckets;   /* entries 1..buckets are the cache, the rest is spare */
    uint32_t hash_mask; /* size of heads - 1 */
    uint32_t hand;
    uint32_t mapped;
    uint16_t free_cache, free_spare;
    uint16_t transient; /* spare entry of the last peek, unmapped at the next call */
    struct mapcache_counters counters;
    uint16_t *heads;
    struct entry entry[]; /* [0] is not used */
};

static uint16_t *head_of(struct mapcache *c, uint64_t bucket)
{
    return &c->heads[(bucket ^ bucket >> 15) & c->hash_mask];
}

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t n = 1;

    while (n < at_least)
        n *= 2;
    return n;
}

static void free_list_push(struct mapcache *c, uint32_t i)
{
    uint16_t *list = i <= c->buckets ? &c->free_cache : &c->free_spare;

    c->entry[i].next = *list;
    *list = (uint16_t)i;
}

struct mapcache *mapcache_new(struct hv *hv, unsigned buckets)
{
    uint32_t total;
    struct mapcache *c;

    if (buckets < 1)
        buckets = 1;
    if (buckets > 32768)
        buckets = 32768;
    total = buckets + MAPCACHE_SPARE;
    c = calloc(1, sizeof *c + (total + 1) * sizeof c->entry[0]);
    if (!c)
        return NULL;
    c->hv = hv;
    c->buckets = buckets;
    c->hash_mask = power_of_two(2 * buckets) - 1;
    c->hand = 1;
    c->heads = calloc(c->hash_mask + 1u, sizeof c->heads[0]);
    if (!c->heads) {
        free(c);
        return NULL;
    }
    for (uint32_t i = total; i >= 1; i--)
        free_list_push(c, i);
    return c;
}

static void unmap(struct mapcache *c, struct entry *e)
{
    if (!e->host)
        return;
    c->hv->ops->unmap_frames(c->hv, e->host, MAPCACHE_BUCKET_FRAMES);
    e->host = NULL;
    c->mapped--;
    c->counters.unmaps++;
}

static void unhash(struct mapcache *c, uint32_t i)
{
    uint16_t *at = head_of(c, c->entry[i].bucket);

    while (*at != i)
        at = &c->entry[*at].next;
    *at = c->entry[i].next;
    c->entry[i].hashed = false;
}

/* Unmaps an entry that nobody uses and that no chain holds. */
static void release(struct mapcache *c, uint32_t i)
{
    unmap(c, &c->entry[i]);
    free_list_push(c, i);
}

static void drop_transient(struct mapcache *c)
{
    if (c->transient) {
        release(c, c->transient);
        c->transient = 0;
    }
}

/* Out of the cache; unmapped now or by the last user. */
static void discard(struct mapcache *c, uint32_t i)
{
    unhash(c, i);
    if (!c->entry[i].refs)
        release(c, i);
}

/* Two rounds of the hand meet every idle entry with its used mark cleared. */
static bool evict(struct mapcache *c)
{
    for (uint32_t n = 2 * c->buckets; n; n--) {
        uint32_t i = c->hand;
        struct entry *e = &c->entry[i];

        c->hand = i < c->buckets ? i + 1 : 1;
        if (!e->hashed || e->refs)
            continue;
        if (e->used) {
            e->used = false;
            continue;
        }
        discard(c, i);
        c->counters.evictions++;
        return true;
    }
    return false;
}

static uint32_t take_entry(struct mapcache *c)
{
    uint16_t *list = &c->free_cache;
    uint32_t i;

    if (!*list && !evict(c))
        list = &c->free_spare;
    i = *list;
    if (i)
        *list = c->entry[i].next;
    return i;
}

static uint32_t map_bucket(struct mapcache *c, uint64_t bucket)
{
    uint32_t i = take_entry(c);
    struct entry *e = &c->entry[i];
    uint16_t *head;

    if (!i) {
        c->counters.full++;
        return 0;
    }
    e->present = 0;
    e->host = c->hv->ops->map_frames(c->hv, bucket * MAPCACHE_BUCKET_FRAMES, MAPCACHE_BUCKET_FRAMES,
                                     &e->present);
    if (!e->host) {
        free_list_push(c, i);
        c->counters.absent++;
        return 0;
    }
    c->counters.maps++;
    c->mapped++;
    e->bucket = bucket;
    e->refs = 0;
    e->used = true;
    if (i <= c->buckets) {
        head = head_of(c, bucket);
        e->next = *head;
        e->hashed = true;
        *head = (uint16_t)i;
    }
    return i;
}

/* The entry that maps all of [gpa, gpa+len), or 0. */
static uint32_t lookup(struct mapcache *c, uint64_t gpa, size_t len)
{
    uint64_t bucket = gpa >> BUCKET_SHIFT, offset = gpa & (MAPCACHE_BUCKET_SIZE - 1);
    uint32_t first, last, want, i;

    drop_transient(c);
    if (!len || len > MAPCACHE_BUCKET_SIZE - offset)
        return 0;
    first = (uint32_t)(offset >> HV_PAGE_SHIFT);
    last = (uint32_t)((offset + len - 1) >> HV_PAGE_SHIFT);
    want = (2u << last) - (1u << first);
    for (i = *head_of(c, bucket); i; i = c->entry[i].next) {
        if (c->entry[i].bucket == bucket) {
            if ((c->entry[i].present & want) == want)
                return i;
            discard(c, i); /* the frame may have come since: ask again */
            break;
        }
    }
    i = map_bucket(c, bucket);
    if (i && (c->entry[i].present & want) != want) {
        c->counters.absent++;
        if (i > c->buckets) /* an uncached mapping is of no further use */
            release(c, i);
        return 0;
    }
    return i;
}

void *mapcache_get(struct mapcache *c, uint64_t gpa, size_t len, struct mapcache_ref *ref)
{
    uint32_t i = lookup(c, gpa, len);

    ref->entry = i;
    if (!i)
        return NULL;
    c->entry[i].refs++;
    c->entry[i].used = true;
    return c->entry[i].host + (gpa & (MAPCACHE_BUCKET_SIZE - 1));
}

void mapcache_put(struct mapcache *c, struct mapcache_ref *ref)
{
    uint32_t i = ref->entry;

    ref->entry = 0;
    drop_transient(c);
    if (i && --c->entry[i].refs == 0 && !c->entry[i].hashed)
        release(c, i);
}

void *mapcache_peek(struct mapcache *c, uint64_t gpa, size_t len)
{
    uint32_t i = lookup(c, gpa, len);

    if (!i)
        return NULL;
    if (i > c->buckets)
        c->transient = (uint16_t)i;
    c->entry[i].used = true;
    return c->entry[i].host + (gpa & (MAPCACHE_BUCKET_SIZE - 1));
}

void mapcache_invalidate(struct mapcache *c)
{
    drop_transient(c);
    for (uint32_t i = 1; i <= c->buckets; i++) {
        if (c->entry[i].hashed)
            discard(c, i);
    }
}

void mapcache_free(struct mapcache *c)
{
    if (!c)
        return;
    mapcache_invalidate(c);
    free(c->heads);
    free(c);
}

unsigned mapcache_mapped(const struct mapcache *c)
{
    return c->mapped;
}

const struct mapcache_counters *mapcache_counters(const struct mapcache *c)
{
    return &c->counters;
}
