/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handover - see handover.h. Each function loads the other side's word at most once, then stores
 * its own at most once; handover_claim() stores first. */
#include "hw/xen/handover.h"

/* A word is turn * 4 + what. */
enum { PV_RESTS, PV_WANTS };
enum { EMULATED_OWNS, EMULATED_YIELDED, EMULATED_GONE };
enum { WHAT = 3, TURN = 4 };

static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static bool wants(uint32_t pv)
{
    return (pv & WHAT) == PV_WANTS;
}

static uint32_t turn(uint32_t word)
{
    return word & ~(uint32_t)WHAT;
}

/* ---- PV */

bool handover_granted(const struct handover_slot *s)
{
    uint32_t pv = load(&s->pv), emulated = load(&s->emulated);

    if (!wants(pv))
        return false;
    return (emulated & WHAT) == EMULATED_GONE || emulated == (turn(pv) | EMULATED_YIELDED);
}

bool handover_claim(struct handover_slot *s)
{
    uint32_t pv = load(&s->pv);

    if (!wants(pv))
        store(&s->pv, (turn(pv) + TURN) | PV_WANTS);
    return handover_granted(s);
}

void handover_release(struct handover_slot *s)
{
    store(&s->pv, turn(load(&s->pv)) | PV_RESTS);
}

/* ---- emulated */

/* What PV asks; what is taken back is stored. */
static uint32_t look(struct handover_slot *s)
{
    uint32_t pv = load(&s->pv), own = load(&s->emulated), next = own;

    if ((own & WHAT) == EMULATED_YIELDED)
        next = wants(pv) ? turn(pv) | EMULATED_YIELDED : EMULATED_OWNS;
    if (next != own)
        store(&s->emulated, next);
    return pv;
}

static bool owns(const struct handover_slot *s)
{
    return (load(&s->emulated) & WHAT) == EMULATED_OWNS;
}

bool handover_may_use(struct handover_side *h)
{
    uint32_t pv = look(h->slot);

    if (wants(pv) || !owns(h->slot))
        return false;
    h->used = true;
    return true;
}

bool handover_may_go_on(struct handover_side *h)
{
    (void)look(h->slot);
    h->used |= owns(h->slot);
    return owns(h->slot);
}

bool handover_drain_due(struct handover_side *h)
{
    uint32_t pv = look(h->slot);

    if (h->draining || !wants(pv) || !owns(h->slot))
        return false;
    h->draining = true;
    h->used = false;
    return true;
}

bool handover_drained(struct handover_side *h)
{
    uint32_t pv = load(&h->slot->pv);

    h->draining = false;
    if (h->used || !wants(pv) || !owns(h->slot))
        return false;
    store(&h->slot->emulated, turn(pv) | EMULATED_YIELDED);
    return true;
}

void handover_gone(struct handover_side *h)
{
    h->draining = false;
    store(&h->slot->emulated, EMULATED_GONE);
}
