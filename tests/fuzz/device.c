/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device - the fuzz driver that every device gets by being in the table.
 *
 * Linked with tests/hw/<device>.c, whose board it uses. The input is a list of operations of a
 * guest (port, memory and configuration accesses, string transfers, time, characters are left to
 * the device's own tests), and also what guest memory holds, so that descriptors need no generator.
 * Reset between inputs is one copy of the arena.
 */
#include <stdlib.h>

#include "hw/core/core.h"
#include "tests/bench.h"

#define RAM_FILL 4096u /* bytes of guest memory that the input fills, at 0x1000 */

static struct bench *b;
static struct arena_header *fresh; /* the arena as it was after reset */

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

static void start(void)
{
    struct bench *(*make)(void) = bench_maker();

    if (!make)
        abort();
    log_set_level(LOG_ERROR);
    b = make();
    fresh = malloc(b->arena.h->used);
    memcpy(fresh, b->arena.h, b->arena.h->used);
}

static void back_to_fresh(void)
{
    struct error e = { "" };

    bench_lose_io(b);
    memcpy(b->arena.h, fresh, fresh->used);
    if (machine_loaded(b->m, &e) < 0)
        abort(); /* a state that reset made cannot be loaded: a bug of ours */
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

static void access_once(struct input *in, unsigned op)
{
    bool memory = false;
    struct request r = { .count = 1, .size = 1u << ((op >> 2) & 3), .read = op & 0x10 };

    r.addr = address(in, &memory);
    r.type = memory ? REQ_COPY : REQ_PIO;
    if (op & 0x20) { /* a string */
        r.data_is_ptr = true;
        r.count = (uint32_t)take(in, 1) + 1;
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

/* Completion of disk requests, in the order of the disks. */
static void release(void)
{
    for (unsigned i = 0; i < b->nrows; i++)
        for (unsigned k = 0; k < ARRAY_SIZE(b->rows[i].host.disk); k++)
            if (b->rows[i].host.disk[k])
                bench_disk_release(b->rows[i].host.disk[k], 1);
}

static void hold(bool on)
{
    for (unsigned i = 0; i < b->nrows; i++)
        for (unsigned k = 0; k < ARRAY_SIZE(b->rows[i].host.disk); k++)
            if (b->rows[i].host.disk[k])
                bench_disk(b->rows[i].host.disk[k])->hold = on;
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
        if (op & 0x10)
            release();
        else if (op & 0x20)
            hold(op & 0x40);
        else if (op & 0x80)
            machine_reset(b->m);
        else
            bench_step(b, take(in, 3) << 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    size_t fill = size < RAM_FILL ? size : RAM_FILL;

    if (!b)
        start();
    sim_ram_write(b->hv, 0x1000, data, fill);
    for (unsigned n = 0; n < 256 && in.left; n++)
        step(&in, (unsigned)take(&in, 1));
    back_to_fresh();
    return 0;
}
