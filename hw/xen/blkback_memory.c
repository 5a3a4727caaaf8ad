/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback_memory - how a queue gets at the guest's pages: see struct blk_memory.
 *
 * A front end with persistent grants uses few pages again and again. Each is mapped at its first
 * use, and the image is read and written there without a copy. The table is bounded: when it is
 * full, or all tables together are, the grant that was not used for longest goes, if that was long
 * ago; what has no place, or cannot be mapped, is copied.
 */
#include <errno.h>
#include <sys/mman.h>

#include "hw/xen/blkback_private.h"

/* Uses of others after which a grant may lose its place. Smaller would mean to map and unmap all
 * the time where a guest uses more pages than there are places. */
#define AGE (8u * BLK_GRANTS)

int blk_memory_open(struct blk_memory *m, struct pv *pv, bool persistent, unsigned *left)
{
    m->pv = pv;
    m->persistent = persistent;
    m->left = left;
    m->bounce = mmap(NULL, (size_t)BLK_BOUNCE * BLKIF_PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->bounce == MAP_FAILED) {
        m->bounce = NULL;
        return -errno;
    }
    for (unsigned i = 0; i < BLK_BOUNCE; i++)
        m->free[i] = (uint16_t)(BLK_BOUNCE - 1 - i);
    m->spare = BLK_BOUNCE;
    return 0;
}

void blk_memory_close(struct blk_memory *m)
{
    for (unsigned i = 0; i < m->grants; i++)
        m->pv->ops->unmap_grants(m->pv, m->grant[i].page, 1);
    if (m->left)
        *m->left += m->grants;
    m->grants = 0;
    if (m->bounce)
        munmap(m->bounce, (size_t)BLK_BOUNCE * BLKIF_PAGE);
    m->bounce = NULL;
}

static uint16_t *bucket_of(struct blk_memory *m, uint32_t ref)
{
    return &m->bucket[(ref * 2654435761u) >> 16 & (BLK_GRANTS - 1)];
}

static struct blk_grant *find(struct blk_memory *m, uint32_t ref)
{
    unsigned at = *bucket_of(m, ref);

    while (at && m->grant[at - 1].ref != ref)
        at = m->grant[at - 1].next;
    return at ? &m->grant[at - 1] : NULL;
}

/* A place for one more: an unused one, or that of the grant that was not used for longest; NULL:
 * all are in use, or were recently. */
static struct blk_grant *place(struct blk_memory *m)
{
    struct blk_grant *g = NULL;

    if (m->grants < BLK_GRANTS && *m->left)
        return &m->grant[m->grants];
    for (unsigned i = 0; i < m->grants; i++)
        if (!m->grant[i].users && (!g || m->grant[i].used < g->used))
            g = &m->grant[i];
    return g && m->clock - g->used >= AGE ? g : NULL;
}

static void unmap(struct blk_memory *m, struct blk_grant *g)
{
    uint16_t *at = bucket_of(m, g->ref);

    while (&m->grant[*at - 1] != g)
        at = &m->grant[*at - 1].next;
    *at = g->next;
    m->pv->ops->unmap_grants(m->pv, g->page, 1);
}

static struct blk_grant *map(struct blk_memory *m, uint32_t ref)
{
    struct blk_grant *g = place(m);
    uint16_t *bucket = bucket_of(m, ref);
    void *page;

    if (!g || m->pv->ops->map_grants(m->pv, &ref, 1, &page) < 0)
        return NULL;
    if (g == &m->grant[m->grants]) {
        m->grants++;
        --*m->left;
    } else {
        unmap(m, g);
    }
    *g = (struct blk_grant){ .page = page, .ref = ref, .next = *bucket };
    *bucket = (uint16_t)(g - m->grant + 1);
    return g;
}

uint16_t blk_memory_get(struct blk_memory *m, uint32_t ref)
{
    struct blk_grant *g = m->persistent ? find(m, ref) : NULL;

    if (m->persistent && !g)
        g = map(m, ref);
    if (!g)
        return m->free[--m->spare];
    g->users++;
    g->used = ++m->clock;
    return (uint16_t)(BLK_BOUNCE + (g - m->grant));
}

void blk_memory_put(struct blk_memory *m, uint16_t page)
{
    if (blk_memory_copies(page))
        m->free[m->spare++] = page;
    else
        m->grant[page - BLK_BOUNCE].users--;
}

uint8_t *blk_memory_at(const struct blk_memory *m, uint16_t page)
{
    return blk_memory_copies(page) ? m->bounce + (size_t)page * BLKIF_PAGE
                                   : m->grant[page - BLK_BOUNCE].page;
}
