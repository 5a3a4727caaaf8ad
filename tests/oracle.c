/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oracle - see oracle.h. */
#include "tests/oracle.h"

#include "hw/core/core.h"
#include "hw/core/pci.h"

#define OFFENCE(o, ...)                                                                            \
    do {                                                                                           \
        if (!(o)->what[0])                                                                         \
            snprintf((o)->what, sizeof(o)->what, __VA_ARGS__);                                     \
    } while (0)

uint64_t oracle_dma(struct bench *b)
{
    uint64_t n = 0;

    for (const struct device *d = machine_devices(b->m); d; d = d->next)
        n += d->stats.dma_reads + d->stats.dma_writes;
    return n;
}

static void before(struct bench_watch *w, struct bench *b, const struct request *r)
{
    struct oracle *o = (struct oracle *)w;

    (void)r;
    if (o->flip) {
        sim_flip_reset(b->hv);
        o->flips = sim_flip_hits(b->hv);
    }
    o->allocations = allocations();
    o->dma = oracle_dma(b);
}

static void after(struct bench_watch *w, struct bench *b, const struct request *r)
{
    struct oracle *o = (struct oracle *)w;
    uint64_t dma = oracle_dma(b) - o->dma;

    if (allocations() != o->allocations)
        OFFENCE(o, "a request at %llx allocated memory", (unsigned long long)r->addr);
    if (dma > ORACLE_DMA)
        OFFENCE(o, "a request at %llx made %llu DMA transfers", (unsigned long long)r->addr,
                (unsigned long long)dma);
    /* A string may repeat a whole command, which reads its descriptors again. */
    if (o->flip && r->count == 1 && !r->data_is_ptr && sim_flip_hits(b->hv) != o->flips)
        OFFENCE(o, "a request at %llx read %llu bytes of guest memory twice",
                (unsigned long long)r->addr, (unsigned long long)(sim_flip_hits(b->hv) - o->flips));
    if (r->read && !r->data_is_ptr && r->size < 8 && r->data & ~ones(r->size))
        OFFENCE(o, "a read of %u bytes at %llx gave %llx", r->size, (unsigned long long)r->addr,
                (unsigned long long)r->data);
    if (b->m->depth || b->m->inside || b->arena.h->in_transaction)
        OFFENCE(o, "a request at %llx left an event open", (unsigned long long)r->addr);
}

void oracle_watch(struct oracle *o, struct bench *b)
{
    o->watch = (struct bench_watch){ before, after };
    o->what[0] = 0;
    if (o->flip && sim_flip_enable(b->hv, true) < 0)
        fail_msg("no memory");
    b->watch = &o->watch;
}

/* Identity is nobody's to write. */
static bool same_function(const struct device *d)
{
    const struct pci_function *f = d->pci;

    return !f || (le16(f->config) == f->desc->vendor && le16(f->config + 2) == f->desc->device &&
                  le16(f->config + 10) == f->desc->class_code);
}

const char *oracle_states(struct bench *b)
{
    static char text[256];
    struct error e = { "" };

    for (struct device *d = machine_devices(b->m); d; d = d->next) {
        if (!same_function(d)) {
            snprintf(text, sizeof text, "%s has another identity now", d->id);
            return text;
        }
        for (unsigned i = 0; i < ARRAY_SIZE(d->record) && d->record[i]; i++)
            if (state_check(d->id, d->ops->state, arena_at(&b->arena, d->record[i]->state), &e) <
                0) {
                snprintf(text, sizeof text, "an access left a state that cannot be loaded: %.180s",
                         e.text);
                return text;
            }
    }
    return NULL;
}
