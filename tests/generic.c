/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generic - checks that every device gets by being in the table.
 *
 * Each takes a board and returns NULL, or a sentence about what is wrong. They look at all devices
 * of the board through their tables only. tests/unit/test_generic.c holds a broken device for each
 * check, which the check must catch.
 */
#include <stdlib.h>

#include "hw/core/core.h"
#include "tests/generic.h"
#include "tests/oracle.h"

static char message[256];

#define FAIL(...) (snprintf(message, sizeof message, __VA_ARGS__), message)

/* xorshift: the same sequence on every run. */
uint32_t generic_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void reset(struct bench *b)
{
    machine_reset(b->m);
}

/* --- Register tables: reset values and masks of plain registers. */

static bool plain(const struct reg *r)
{
    return !r->read && !r->written && !r->rc;
}

static uint32_t get(struct device *d, const struct region *g, const struct reg *r)
{
    uint32_t v;

    if (!event_begin(d))
        return 0;
    v = (uint32_t)region_read(d, g, r->offset, r->width);
    event_end(d);
    return v;
}

static void put(struct device *d, const struct region *g, const struct reg *r, uint32_t v)
{
    if (!event_begin(d))
        return;
    region_write(d, g, r->offset, r->width, v);
    event_end(d);
}

static const char *check_masks(struct bench *b, struct device *d, const struct region *g,
                               const struct reg *r)
{
    static const uint32_t values[] = { 0xffffffff, 0x55555555, 0xaaaaaaaa, 0x00000000 };
    uint32_t full = (uint32_t)ones(r->width), v;

    reset(b);
    v = get(d, g, r);
    if (r->reset && v != (r->reset & full))
        return FAIL("%s.%s is %x after reset, the table says %x", d->id, r->name, v, r->reset);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        uint32_t want = ((v & ~r->rw) | (values[i] & r->rw)) & ~(values[i] & r->w1c) & full;

        put(d, g, r, values[i] & full);
        v = get(d, g, r);
        if (v != want)
            return FAIL("%s.%s reads %x after writing %x, its masks say %x", d->id, r->name, v,
                        values[i] & full, want);
    }
    return NULL;
}

static const char *registers(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;

    for (struct device *d = machine_devices(b->m); d && !what; d = d->next)
        for (unsigned i = 0; i < d->ops->nregions && !what; i++)
            for (unsigned k = 0; k < d->ops->regions[i].nregs && !what; k++)
                if (plain(&d->ops->regions[i].regs[k]))
                    what = check_masks(b, d, &d->ops->regions[i], &d->ops->regions[i].regs[k]);
    bench_free(b);
    return what;
}

/* --- Any access at all: widths, alignments, borders. */

static uint64_t sweep_access(struct device *d, const struct region *g, uint32_t offset,
                             unsigned width, bool read, uint64_t value)
{
    uint64_t v = 0;

    if (!event_begin(d))
        return 0;
    if (read)
        v = region_read(d, g, offset, width);
    else
        region_write(d, g, offset, width, value);
    event_end(d);
    return v;
}

static const char *sweep_region(struct bench *b, struct device *d, const struct region *g)
{
    unsigned widest = g->space == BUS_PIO ? 4 : 8;
    uint32_t size = g->size < 0x800 ? g->size : 0x800, seed = 0x1234567;

    for (unsigned width = 1; width <= widest; width *= 2)
        for (uint32_t offset = 0; offset + width <= size; offset++) {
            uint64_t v = sweep_access(d, g, offset, width, true, 0);

            if (v & ~ones(width))
                return FAIL("%s %s+%x: a read of %u bytes gave %llx", d->id, g->name, offset, width,
                            (unsigned long long)v);
            sweep_access(d, g, offset, width, false, generic_random(&seed));
            sweep_access(d, g, offset, width, false, ~UINT64_C(0) & ones(width));
            if (b->nrequested > 10000)
                b->nrequested = 0;
        }
    return oracle_states(b);
}

static const char *widths(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;

    for (struct device *d = machine_devices(b->m); d && !what; d = d->next)
        for (unsigned i = 0; i < d->ops->nregions && !what; i++)
            what = sweep_region(b, d, &d->ops->regions[i]);
    bench_free(b);
    return what;
}

/* --- Random guests. */

/* An address that some device claims: sizes and bases come from the bus as it is now. */
bool generic_pick(struct bench *b, uint32_t *seed, struct op *op)
{
    struct machine *m = b->m;
    unsigned n = m->pio.n + m->mmio.n, i;
    const struct bus_range *r;

    if (n == 0)
        return false;
    i = generic_random(seed) % n;
    r = i < m->pio.n ? &m->pio.range[i] : &m->mmio.range[i - m->pio.n];
    op->addr = r->base + generic_random(seed) % (r->last - r->base + 1);
    if (i >= m->pio.n)
        op->addr |= UINT64_C(1) << 63; /* memory */
    return true;
}

struct op generic_op(struct bench *b, uint32_t *seed)
{
    struct op op = { .width = (uint8_t)(1u << generic_random(seed) % 3),
                     .value = generic_random(seed) };
    uint32_t dice = generic_random(seed) % 16;

    if (generic_random(seed) & 1)
        op.value &= 0xff;
    op.kind = dice == 0 ? 2 : (uint8_t)(dice & 1);
    if (dice == 1 || dice == 2) { /* configuration space of a function that exists */
        unsigned devfn = generic_random(seed) & 0xff;

        for (unsigned i = 0; i < 256 && !b->m->function[devfn]; i++)
            devfn = (devfn + 1) & 0xff;
        op.kind = (uint8_t)(2 + dice);
        op.addr = devfn << 8 | (generic_random(seed) & (0xffu & ~(op.width - 1u)));
    } else if (op.kind != 2 && !generic_pick(b, seed, &op)) {
        op.kind = 2;
    }
    return op;
}

uint64_t generic_apply(struct bench *b, const struct op *op)
{
    enum bus_space space = op->addr >> 63 ? BUS_MMIO : BUS_PIO;
    uint64_t addr = op->addr & INT64_MAX;

    switch (op->kind) {
    case 0:
    case 1:
        return machine_access(b->m, space, addr, op->width, op->kind == 0, op->value);
    case 2:
        bench_step(b, op->value % 10000000);
        return 0;
    default:
        return machine_config(b->m, (unsigned)addr >> 8, addr & 0xff, op->width, op->kind == 3,
                              (uint32_t)op->value);
    }
}

/* Two guests do the same; one of them is saved and loaded between every two accesses. */
static const char *save_and_load(struct bench *(*make)(void))
{
    for (uint32_t round = 1; round <= 6; round++) {
        struct bench *a = make(), *b = make();
        uint32_t seed = round * 2654435761u;
        const char *what = NULL;

        for (unsigned i = 0; i < 120 && !what; i++) {
            struct op op = generic_op(a, &seed);
            uint64_t va = generic_apply(a, &op), vb;

            bench_lose_io(a); /* a loaded machine starts its I/O again, so both must */
            bench_save_and_load(b);
            vb = generic_apply(b, &op);
            if (va != vb)
                what = FAIL("after save and load, access %u of round %u (kind %u, %llx, %u bytes) "
                            "gave %llx instead of %llx",
                            i, round, op.kind, (unsigned long long)op.addr, op.width,
                            (unsigned long long)vb, (unsigned long long)va);
            for (unsigned irq = 0; irq < 16 && !what; irq++)
                if (bench_isa_level(a, irq) != bench_isa_level(b, irq))
                    what = FAIL("after save and load, access %u of round %u (kind %u, %llx): IRQ "
                                "%u differs",
                                i, round, op.kind, (unsigned long long)op.addr, irq);
        }
        bench_free(a);
        bench_free(b);
        if (what)
            return what;
    }
    return NULL;
}

bool generic_is_state(const struct arena_record *r)
{
    return strcmp(r->name, "journal") != 0 && strcmp(r->name, "publish") != 0;
}

/* Nothing changes that the transaction did not keep: what was not touched is as it was. */
static const char *shadow(struct bench *(*make)(void))
{
    struct bench *b = make();
    size_t used = b->arena.h->used;
    char *before = malloc(used);
    uint32_t seed = 0xc0ffee;
    const char *what = NULL;

    for (unsigned i = 0; i < 2000 && !what; i++) {
        struct op op;
        uint64_t t;

        memcpy(before, b->arena.h, used);
        t = b->arena.h->transactions;
        op = generic_op(b, &seed);
        generic_apply(b, &op);
        for (uint32_t k = 0; k < b->arena.h->nrecords && !what; k++) {
            const struct arena_record *r = &b->arena.h->record[k];

            if (r->touched_in <= t && generic_is_state(r) &&
                memcmp(before + r->state, arena_at(&b->arena, r->state), r->size) != 0)
                what = FAIL("access %u (kind %u, %llx) changed the state of %s %u outside its "
                            "transaction",
                            i, op.kind, (unsigned long long)op.addr, r->name, r->instance);
        }
    }
    free(before);
    bench_free(b);
    return what;
}

/* A process that dies inside an event: rolled back, the state is what it was before the event. */
static const char *rollback(struct bench *(*make)(void))
{
    struct bench *b = make();
    size_t used = b->arena.h->used;
    char *before = malloc(used);
    uint32_t seed = 0xdecaf;
    const char *what = NULL;

    for (unsigned i = 0; i < 500 && !what; i++) {
        struct op op;

        do
            op = generic_op(b, &seed);
        while (op.kind == 2); /* several events: one transaction is what we undo */
        memcpy(before, b->arena.h, used);
        generic_apply(b, &op);
        if (b->arena.h->transactions != ((struct arena_header *)(void *)before)->transactions + 1)
            continue;
        b->arena.h->in_transaction = 1; /* as if it had never committed */
        arena_rollback(&b->arena);
        for (uint32_t k = 0; k < b->arena.h->nrecords && !what; k++) {
            const struct arena_record *r = &b->arena.h->record[k];

            if (generic_is_state(r) &&
                memcmp(before + r->state, arena_at(&b->arena, r->state), r->size) != 0)
                what = FAIL("access %u (kind %u, %llx): %s %u is not rolled back", i, op.kind,
                            (unsigned long long)op.addr, r->name, r->instance);
        }
    }
    free(before);
    bench_free(b);
    return what;
}

/* --- Damaged state: refused, or harmless. */

static void wild_guest(struct bench *b, uint32_t seed, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct op op = generic_op(b, &seed);

        generic_apply(b, &op);
    }
}

static const char *damage_field(struct bench *b, struct arena_record *r,
                                const struct state_field *f)
{
    const uint64_t values[] = { 0, 1, f->max == ANY ? ones(f->size) : f->max + 1, ones(f->size),
                                ones(f->size) >> 1 };

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        uint64_t v = values[i] & ones(f->size);
        struct error e = { "" };
        bool loaded;

        reset(b);
        bench_lose_io(b);
        state_set(arena_at(&b->arena, r->state), f, f->count - 1, v);
        loaded = machine_loaded(b->m, &e) == 0;
        if (loaded && v > f->max)
            return FAIL("%s: %s = %llx was loaded, its highest value is %llx", r->name, f->name,
                        (unsigned long long)v, (unsigned long long)f->max);
        if (loaded)
            wild_guest(b, 77 + i, 40);
        else if (!e.text[0])
            return FAIL("%s: %s = %llx was refused without a sentence", r->name, f->name,
                        (unsigned long long)v);
    }
    return NULL;
}

static const char *damaged_state(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;

    for (struct device *d = machine_devices(b->m); d && !what; d = d->next)
        for (unsigned i = 0; i < ARRAY_SIZE(d->record) && d->record[i] && !what; i++)
            for (uint32_t k = 0; k < d->ops->state->nfields && !what; k++)
                what = damage_field(b, d->record[i], &d->ops->state->fields[k]);
    reset(b);
    bench_free(b);
    return what;
}

/* --- DMA and odd requests. */

static const char *odd_requests(struct bench *(*make)(void))
{
    static const uint32_t sizes[] = { 1, 2, 4, 8 }, counts[] = { 1, 2, 7, 4096 };
    struct bench *b = make();
    uint32_t seed = 99;

    for (unsigned i = 0; i < 3000; i++) {
        struct op op = { 0 };
        struct request r;

        if (!generic_pick(b, &seed, &op))
            break;
        r = (struct request){
            .type = op.addr >> 63 ? REQ_COPY : REQ_PIO,
            .addr = op.addr & INT64_MAX,
            .data =
                generic_random(&seed) % 4 ? generic_random(&seed) % 0x2000000 : op.addr & INT64_MAX,
            .size = sizes[generic_random(&seed) % 4],
            .count = counts[generic_random(&seed) % 4],
            .read = generic_random(&seed) & 1,
            .df = generic_random(&seed) & 1,
            .data_is_ptr = generic_random(&seed) & 1,
        };
        bench_request(b, &r);
    }
    bench_free(b);
    return NULL; /* the sanitizers and the time limit speak here */
}

const struct generic_check generic_checks[] = {
    { "generic.registers", registers },         { "generic.widths", widths },
    { "generic.save_and_load", save_and_load }, { "generic.shadow", shadow },
    { "generic.rollback", rollback },           { "generic.damaged_state", damaged_state },
    { "generic.odd_requests", odd_requests },
};
const unsigned generic_nchecks = ARRAY_SIZE(generic_checks);
