/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device - the fuzz driver that every device gets by being in the table.
 *
 * Linked with tests/hw/<device>.c, whose board it uses. The input is a list of operations: port,
 * memory and configuration accesses, string transfers, time, completions of the host, unplug, steps
 * of the device's own driver (BENCH_GUEST), damaged state as a successor may find it. It also is
 * what guest memory holds, so that descriptors need no generator. What oracle.h knows must hold for
 * all of it. Reset between inputs is one copy of the arena; frames that were written become zero
 * again.
 */
#include <stdlib.h>

#include "hw/core/core.h"
#include "tests/bench.h"
#include "tests/oracle.h"
#include "tests/wire.h"

#define RAM_FILL 4096u /* bytes of guest memory that the input fills, at 0x1000 */
#define WRITTEN  1024u /* frames of which we know that they were written */

static struct bench *b;
static struct arena_header *fresh; /* the arena as it was after reset */
static struct oracle oracle = { .flip = true };
static uint64_t inputs, accesses;

struct input {
    const uint8_t *p;
    size_t left;
};

static uint64_t take(struct input *in, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        if (in->left) {
            v |= (uint64_t)*in->p++ << (i * 8);
            in->left--;
        }
    return v;
}

/* --- Reset. */

static struct hv_ops watched;
static int (*mark_below)(struct hv *hv, uint64_t gfn, uint64_t nr);
static uint64_t written[WRITTEN];
static unsigned nwritten;

static int note_written(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    for (uint64_t i = 0; i < nr && nwritten < WRITTEN; i++)
        if (nwritten == 0 || written[nwritten - 1] != gfn + i)
            written[nwritten++] = gfn + i;
    return mark_below(hv, gfn, nr);
}

static void forget_written(void)
{
    static const uint8_t zeros[HV_PAGE_SIZE];

    for (unsigned i = 0; i < nwritten; i++)
        (void)sim_ram_write(b->hv, written[i] << HV_PAGE_SHIFT, zeros, sizeof zeros);
    nwritten = 0;
}

/* For tests/fuzz/figures.sh. */
static void say_figures(void)
{
    fprintf(stderr, "inputs %llu accesses %llu\n", (unsigned long long)inputs,
            (unsigned long long)accesses);
}

static void start(void)
{
    struct bench *(*make)(void) = bench_maker();

    if (!make)
        abort();
    log_set_level(LOG_ERROR);
    b = make();
    fresh = malloc(b->arena.h->used);
    memcpy(fresh, b->arena.h, b->arena.h->used);
    watched = *b->hv->ops;
    mark_below = watched.mark_dirty;
    watched.mark_dirty = note_written;
    b->hv->ops = &watched;
    oracle_watch(&oracle, b);
    if (getenv("FUZZ_FIGURES"))
        atexit(say_figures);
}

/* --- The disks: requests complete at once, or when the input says, or at the reset. */

static void disks(void (*fn)(struct block *disk))
{
    for (unsigned i = 0; i < b->nrows; i++)
        for (unsigned k = 0; k < ARRAY_SIZE(b->rows[i].host.disk); k++)
            if (b->rows[i].host.disk[k])
                fn(b->rows[i].host.disk[k]);
}

static void hold(struct block *disk)
{
    bench_disk(disk)->hold = true;
}

static void let_go(struct block *disk)
{
    bench_disk(disk)->hold = false;
    bench_disk(disk)->fail = 0;
}

static void release(struct block *disk)
{
    bench_disk_release(disk, 1);
}

/* The network is as it was at the start. */
static void settle_net(struct net *n)
{
    while (wire_take(n, NULL, NULL, 0))
        ;
    wire_accept(n, WIRE_FRAMES);
    net_set_link(n, true);
}

/* Nothing is in flight: a state may be put in the place of this one. */
static void settle(void)
{
    disks(let_go);
    for (unsigned i = 0; i < b->nrows; i++)
        if (b->rows[i].host.net)
            settle_net(b->rows[i].host.net);
    machine_drain(b->m);
}

static void back_to_fresh(void)
{
    struct error e = { "" };

    settle();
    memcpy(b->arena.h, fresh, fresh->used);
    if (machine_loaded(b->m, &e) < 0)
        abort(); /* a state that reset made cannot be loaded: a bug of ours */
    forget_written();
}

/* Whatever the guest has done: the rules were kept, and a successor could go on from here. */
static void judge(void)
{
    const char *what = oracle.what[0] ? oracle.what : oracle_states(b);
    struct error e = { "" };

    if (!what) {
        settle();
        if (machine_loaded(b->m, &e) < 0)
            what = e.text;
    }
    if (!what)
        return;
    fprintf(stderr, "oracle: %s\n", what);
    abort();
}

/* An address inside a range that is claimed now. */
static uint64_t address(struct input *in, bool *memory)
{
    unsigned n = b->m->pio.n + b->m->mmio.n, i = (unsigned)take(in, 1);
    const struct bus_range *r;

    if (n == 0)
        return 0;
    i %= n;
    *memory = i >= b->m->pio.n;
    r = *memory ? &b->m->mmio.range[i - b->m->pio.n] : &b->m->pio.range[i];
    return r->base + take(in, r->last - r->base > 0xff ? 3 : 1) % (r->last - r->base + 1);
}

/* Of a string: mostly short, for speed. */
static uint32_t count(struct input *in)
{
    uint32_t n = (uint32_t)take(in, 1);

    return n >= 0xf0 ? (n & 15) * 64 + 1 : (n & 15) + 1;
}

static void access_once(struct input *in, unsigned op)
{
    bool memory = false;
    struct request r = { .count = 1, .size = 1u << ((op >> 2) & 3), .read = op & 0x10 };

    r.addr = address(in, &memory);
    r.type = memory ? REQ_COPY : REQ_PIO;
    if (op & 0x20) { /* a string */
        r.data_is_ptr = true;
        r.count = count(in);
        r.df = op & 0x40;
        r.data = 0x1000 + take(in, 2);
    } else if (!r.read) {
        r.data = take(in, r.size);
    }
    bench_request(b, &r);
}

static void config_once(struct input *in, unsigned op)
{
    unsigned devfn = (unsigned)take(in, 1), reg = (unsigned)take(in, 1),
             width = 1u << (op >> 2) % 3;

    for (unsigned i = 0; i < 256 && !b->m->function[devfn]; i++)
        devfn = (devfn + 1) & 0xff;
    machine_config(b->m, devfn, reg & ~(width - 1), width, op & 0x10, (uint32_t)take(in, width));
}

static void unplug(unsigned mask)
{
    for (struct device *d = machine_devices(b->m); d; d = d->next)
        if (d->ops->unplug && event_begin(d)) {
            d->ops->unplug(d, mask);
            event_end(d);
        }
}

/* State as input (S16): one field of one record has another value. It is refused, or the guest goes
 * on with it. */
static void damage(struct input *in)
{
    unsigned n = (unsigned)take(in, 1);
    uint64_t value;
    struct error e = { "" };
    struct device *d = machine_devices(b->m);
    const struct state_field *f;

    while (d && !d->record[0])
        d = d->next;
    if (!d || !d->ops->state->nfields)
        return;
    f = &d->ops->state->fields[n % d->ops->state->nfields];
    settle();
    value = take(in, 1);
    value = (value & 0x80 ? f->max + 1 : value) & ones(f->size);
    state_set(arena_at(&b->arena, d->record[0]->state), f, (uint32_t)take(in, 1) % f->count, value);
    if (machine_loaded(b->m, &e) < 0)
        back_to_fresh();
    else if (value > f->max)
        abort(); /* beyond its limit, and was taken */
}

static void drive(struct input *in)
{
    uint32_t seed = (uint32_t)take(in, 3) | 1;

    if (bench_guest)
        bench_guest(b, &seed);
}

static void other(struct input *in, unsigned op)
{
    switch (op >> 4 & 7) {
    case 1:
        if (op & 0x80) /* the guest's memory map has changed */
            bench_request(b, &(struct request){ .type = REQ_INVALIDATE, .size = 4 });
        else
            disks(release);
        break;
    case 2:
        disks(op & 0x80 ? hold : let_go);
        break;
    case 3:
        machine_reset(b->m);
        break;
    case 4:
        unplug(op >> 2 & 3 ? 1u << (op >> 2 & 3) : 1);
        break;
    case 5:
        damage(in);
        break;
    case 6:
    case 7:
        drive(in);
        break;
    default:
        bench_step(b, take(in, 3) << 8);
    }
}

static void step(struct input *in, unsigned op)
{
    switch (op & 3) {
    case 0:
    case 1:
        access_once(in, op);
        break;
    case 2:
        config_once(in, op);
        break;
    default:
        other(in, op);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    size_t fill = size < RAM_FILL ? size : RAM_FILL;
    unsigned n;

    if (!b)
        start();
    sim_ram_write(b->hv, 0x1000, data, fill);
    for (n = 0; n < 256 && in.left; n++)
        step(&in, (unsigned)take(&in, 1));
    inputs++;
    accesses += n;
    judge();
    sim_ram_write(b->hv, 0x1000, (const uint8_t[RAM_FILL]){ 0 }, fill);
    back_to_fresh();
    return 0;
}
