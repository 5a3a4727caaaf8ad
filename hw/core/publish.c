/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish - see publish.h. The record, and what a successor makes of it, is in journal.h. */
#include "hw/core/publish.h"

#include "hw/core/core.h"
#include "hw/core/trace.h"

unsigned device_publish_room(const struct device *d)
{
    return PUBLISH_STORES - d->m->p->count;
}

bool device_publish(struct device *d, gpa_t at, const void *old, const void *value, size_t len)
{
    struct publish_state *p = d->m->p;
    uint32_t i = p->count;

    assert(len == 4 || len == 8 || len == 16); /* a constant of the device's source */
    if (i >= PUBLISH_STORES || !dma_allowed(d))
        return false;
    if (i == 0)
        p->stored = 0;
    p->at[i] = at.v;
    p->len[i] = (uint8_t)len;
    memcpy(&p->old[2 * (size_t)i], old, len);
    memcpy(&p->value[2 * (size_t)i], value, len);
    arena_store_barrier();
    p->count = i + 1;
    d->stats.dma_writes++;
    d->stats.dma_bytes += len;
    trace_dma(d, at.v, len, true, 0);
    return true;
}

/* From low to high. A page that is not there (ballooned out) is the guest's own loss. */
static void store(struct machine *m, uint32_t i)
{
    const struct publish_state *p = m->p;
    unsigned len = p->len[i], piece = len < 8 ? len : 8;
    gpa_t at = GPA(p->at[i]);

    for (unsigned n = 0; n < len; n += piece)
        if (gmem_store(m->mem, GPA(at.v + n), p->value[2 * i + n / 8], piece) < 0)
            return;
}

static void stored(struct publish_state *p, uint32_t i)
{
    arena_store_barrier();
    p->stored = i + 1;
    arena_store_barrier();
}

void publish_all(struct machine *m)
{
    for (uint32_t i = 0; i < m->p->count; i++) {
        store(m, i);
        stored(m->p, i);
    }
    publish_forget(m);
}

void publish_forget(struct machine *m)
{
    m->p->count = 0;
    arena_store_barrier();
}

/* Is the descriptor what it was when the event looked at it, or has it got half of its value? */
static bool untouched(struct machine *m, uint32_t i)
{
    const struct publish_state *p = m->p;
    const uint64_t *old = &p->old[2 * (size_t)i], *value = &p->value[2 * (size_t)i];
    uint64_t now[2];

    if (gmem_read(m->mem, GPA(p->at[i]), now, p->len[i]) < 0)
        return false;
    if (memcmp(now, old, p->len[i]) == 0)
        return true;
    return p->len[i] == 16 && now[0] == value[0] && now[1] == old[1];
}

void publish_late(struct machine *m)
{
    struct publish_state *p = m->p;

    for (uint32_t i = p->stored; i < p->count; i++) {
        if (p->len[i] <= PUBLISH_BYTES && untouched(m, i))
            store(m, i);
        else
            gmem_dirty(m->mem, GPA(p->at[i]),
                       p->len[i]); /* the predecessor may not have come to it */
        stored(p, i);
    }
    publish_forget(m);
}
