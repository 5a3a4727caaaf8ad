/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * generic_rules - the rules about hostile guests (docs/advisories.md) as checks that every device
 * gets by being in the table. As in generic.c: NULL, or a sentence about what is wrong.
 * tests/unit/test_generic_rules.c holds a broken device for each.
 */
#include "tests/generic.h"
#include "tests/oracle.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/core.h"

static char message[256];

#define FAIL(...) (snprintf(message, sizeof message, __VA_ARGS__), message)

/* Guest memory in which descriptors are found, good and bad ones: little-endian words that look
 * like addresses and lengths. */
static void fill_memory(struct bench *b, uint32_t seed)
{
    uint8_t page[4096];

    for (uint64_t at = 0; at < 0x40000; at += sizeof page) {
        for (unsigned i = 0; i < sizeof page; i += 8) {
            uint32_t r = generic_random(&seed);

            put_le32(page + i, r % 16 ? r & 0x3ffffe : r);
            put_le32(page + i + 4, (generic_random(&seed) & 0x9e) | (r & 1 ? 0x80000000 : 0));
        }
        bench_ram_put(b, at, page, sizeof page);
    }
}

/* A request of any kind, inside what is claimed. */
static bool random_request(struct bench *b, uint32_t *seed, struct request *r)
{
    struct op op = { 0 };
    uint32_t dice = generic_random(seed);

    if (!generic_pick(b, seed, &op))
        return false;
    *r = (struct request){
        .type = op.addr >> 63 ? REQ_COPY : REQ_PIO,
        .addr = op.addr & INT64_MAX,
        .size = 1u << dice % 3,
        .count = 1,
        .read = dice >> 8 & 1,
        .data = generic_random(seed),
    };
    if (dice >> 9 & 1)
        r->data &= 0xff;
    if (dice >> 12 & 7)
        return true;
    r->data_is_ptr = true;
    r->data = generic_random(seed) % 0x80000;
    r->count = 1 + (dice >> 16) % 600;
    r->df = dice >> 15 & 1;
    return true;
}

/* One step of a guest: a driver's, or anything. */
static void guest(struct bench *b, uint32_t *seed)
{
    struct request r;
    struct op op;

    if (bench_guest && generic_random(seed) & 1) {
        bench_guest(b, seed);
        return;
    }
    if (generic_random(seed) % 8 == 0) {
        op = generic_op(b, seed);
        generic_apply(b, &op);
    } else if (random_request(b, seed, &r)) {
        bench_request(b, &r);
    }
}

/* S3, S4, S14, and what else the oracle knows: nothing is read twice, work has a bound, nothing is
 * allocated. */
static const char *requests(struct bench *(*make)(void))
{
    struct bench *b = make();
    struct oracle o = { .flip = true };
    const char *what = NULL;
    uint32_t seed = 0x5eed;

    fill_memory(b, 3);
    oracle_watch(&o, b);
    for (unsigned i = 0; i < 6000 && !what; i++) {
        guest(b, &seed);
        if (o.what[0])
            what = FAIL("step %u: %.200s", i, o.what);
        else if (i % 64 == 0)
            what = oracle_states(b);
    }
    b->watch = NULL;
    bench_free(b);
    return what;
}

/* S4: a timer that asks for the same moment for ever. */
static const char *timers(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;
    uint32_t seed = 0x71e;
    unsigned again = 0;

    fill_memory(b, 4);
    for (unsigned i = 0; i < 1500 && !what; i++) {
        uint64_t due;

        guest(b, &seed);
        due = machine_host_deadline(b->m);
        if (due == UINT64_MAX)
            continue;
        sim_clock_set(b->hv, due);
        for (again = 0; again <= ORACLE_EVENTS && machine_host_deadline(b->m) <= due; again++)
            machine_expired(b->m);
        if (again > ORACLE_EVENTS)
            what = FAIL("step %u: %u timer events at one moment, and another is due", i, again);
    }
    bench_free(b);
    return what;
}

/* --- S5: nothing that a device does reaches a device's registers. */

static uint64_t accesses(struct bench *b)
{
    uint64_t n = 0;

    for (const struct device *d = machine_devices(b->m); d; d = d->next)
        n += d->stats.reads + d->stats.writes;
    return n;
}

static const struct bus_range *range_of(const struct bus *bus, uint64_t addr)
{
    for (unsigned i = 0; i < bus->n; i++)
        if (bus->range[i].base <= addr && addr <= bus->range[i].last)
            return &bus->range[i];
    return NULL;
}

/* Where a device's own window is, as an address for DMA. */
static uint64_t some_window(struct bench *b, uint32_t seed)
{
    const struct bus *bus = &b->m->mmio;

    return bus->n ? bus->range[seed % bus->n].base : 0xa0000 + seed % 0x20000;
}

static const char *no_re_entry(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;
    uint32_t seed = 0x5e1f;

    for (unsigned i = 0; i < 3000 && !what; i++) {
        const struct bus_range *at;
        struct request r;
        uint64_t before, n;

        if (!random_request(b, &seed, &r))
            break;
        at = range_of(r.type == REQ_PIO ? &b->m->pio : &b->m->mmio, r.addr);
        if (!at || at->last - r.addr < (uint64_t)r.size * (r.type == REQ_PIO ? 1 : r.count) ||
            (r.df && r.addr - at->base < (uint64_t)r.size * r.count))
            continue; /* at a border it is two accesses */
        if (r.data_is_ptr)
            r.data = some_window(b, seed);
        before = accesses(b);
        bench_request(b, &r);
        n = accesses(b) - before;
        if (n != 1)
            what = FAIL("request %u at %llx was %llu accesses to devices", i,
                        (unsigned long long)r.addr, (unsigned long long)n);
    }
    bench_free(b);
    return what;
}

/* --- S7, S12: what is no request changes nothing and reads as ones. */

static const char *refused_at(struct bench *b, const struct bus_range *at, bool memory)
{
    static const uint32_t sizes[] = { 0, 3, 5, 6, 7, 9, 16, 0x80000001, UINT32_MAX };
    static const uint32_t counts[] = { 1, 0, 4097, UINT32_MAX };
    uint64_t before = accesses(b);

    for (unsigned s = 0; s < ARRAY_SIZE(sizes) + 3; s++)
        for (unsigned c = 0; c < ARRAY_SIZE(counts); c++)
            for (unsigned read = 0; read < 2; read++) {
                bool odd_size = s < ARRAY_SIZE(sizes);
                struct request r = { .type = memory ? REQ_COPY : REQ_PIO,
                                     .addr = at->base,
                                     .size = odd_size ? sizes[s] : 1u << (s - ARRAY_SIZE(sizes)),
                                     .count = counts[c],
                                     .read = read,
                                     .data = 0x2000,
                                     .data_is_ptr = c != 0 };

                if (!odd_size && c == 0)
                    continue;
                bench_request(b, &r);
                if (accesses(b) != before)
                    return FAIL("a request of size %x, count %x reached %s", r.size, r.count,
                                at->dev->id);
                if (read && c == 0 && r.data != ones(r.size))
                    return FAIL("a refused read of size %x gave %llx", r.size,
                                (unsigned long long)r.data);
            }
    return NULL;
}

static const char *refused_requests(struct bench *(*make)(void))
{
    struct bench *b = make();
    const char *what = NULL;

    for (unsigned i = 0; i < b->m->pio.n && !what; i++)
        what = refused_at(b, &b->m->pio.range[i], false);
    for (unsigned i = 0; i < b->m->mmio.n && !what; i++)
        what = refused_at(b, &b->m->mmio.range[i], true);
    bench_free(b);
    return what;
}

/* --- S9: two guests do the same on stacks that held different things; nobody sees a difference. */

__attribute__((noinline)) static void scribble(uint8_t v)
{
    volatile uint8_t junk[12288];

    for (unsigned i = 0; i < sizeof junk; i++)
        junk[i] = v;
}

static const char *compare(struct bench *a, struct bench *b)
{
    for (uint32_t k = 0; k < a->arena.h->nrecords; k++) {
        const struct arena_record *r = &a->arena.h->record[k];

        if (generic_is_state(r) &&
            memcmp(arena_at(&a->arena, r->state), arena_at(&b->arena, r->state), r->size) != 0)
            return FAIL("what lay on the stack got into the state of %s %u", r->name, r->instance);
    }
    for (uint64_t gpa = 0; gpa < 0x1000000; gpa += 0x10000) {
        const void *p = sim_ram_ptr(a->hv, gpa, 0x10000), *q = sim_ram_ptr(b->hv, gpa, 0x10000);

        if (p && q && memcmp(p, q, 0x10000) != 0)
            return FAIL("what lay on the stack got into guest memory at %llx",
                        (unsigned long long)gpa);
    }
    return NULL;
}

static const char *whole_answers(struct bench *(*make)(void))
{
    struct bench *a = make(), *b = make();
    const char *what = NULL;
    uint32_t seed = 0xa5a5;

    fill_memory(a, 9);
    fill_memory(b, 9);
    for (unsigned i = 0; i < 1500 && !what; i++) {
        struct request r, s;

        if (bench_guest && generic_random(&seed) & 1) {
            uint32_t twin = seed;

            scribble(0xa5);
            bench_guest(a, &seed);
            scribble(0x3c);
            bench_guest(b, &twin);
            continue;
        }
        if (!random_request(a, &seed, &r))
            break;
        s = r;
        scribble(0xa5);
        bench_request(a, &r);
        scribble(0x3c);
        bench_request(b, &s);
        if (r.read && !r.data_is_ptr && r.data != s.data)
            what = FAIL("request %u: a read of %u bytes at %llx gave %llx or %llx", i, r.size,
                        (unsigned long long)r.addr, (unsigned long long)r.data,
                        (unsigned long long)s.data);
    }
    if (!what)
        what = compare(a, b);
    bench_free(a);
    bench_free(b);
    return what;
}

/* --- S10: the n-th copy, or the n-th mapping, fails, for each n. */

static const char *failing_memory(struct bench *(*make)(void))
{
    const char *what = NULL;
    struct bench *b = make();

    fill_memory(b, 10);
    for (unsigned n = 1; n <= 150 && !what; n++)
        for (unsigned way = 0; way < 2 && !what; way++) {
            uint32_t seed = 0xfa11 + n;

            if (way)
                sim_fail_map(b->hv, n % 13 + 1);
            else
                sim_fail_copy(b->hv, n);
            for (unsigned i = 0; i < 60; i++)
                guest(b, &seed);
            if (way) { /* nothing is cached: everything is mapped again */
                struct request r = { .type = REQ_INVALIDATE, .size = 4 };

                bench_request(b, &r);
            }
            what = oracle_states(b);
        }
    bench_free(b);
    return what;
}

/* --- S11: unplugged at any moment, twice, then reset, then saved. */

static void unplug(struct bench *b, unsigned mask)
{
    for (struct device *d = machine_devices(b->m); d; d = d->next)
        if (d->ops->unplug && event_begin(d)) {
            d->ops->unplug(d, mask);
            event_end(d);
        }
}

static const char *unplugged(struct bench *(*make)(void))
{
    const char *what = NULL;
    struct bench *b = make();
    uint32_t seed = 0x0ff;

    fill_memory(b, 11);
    for (unsigned i = 0; i < 120 && !what; i++) {
        for (unsigned k = 0; k < 30; k++)
            guest(b, &seed);
        for (unsigned k = 0; k < 3 && !what; k++) {
            unplug(b, 1u << (k == 0 ? 0 : generic_random(&seed) % 4));
            what = oracle_states(b);
            for (unsigned g = 0; g < 10 && !what; g++)
                guest(b, &seed);
        }
        if (i % 16 == 0 && !what)
            bench_save_and_load(b);
        machine_drain(b->m);
        machine_reset(b->m);
    }
    bench_free(b);
    return what;
}

/* --- S15: whatever a guest does, the log stays small. */

static const char *bounded_log(struct bench *(*make)(void))
{
    int log = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);
    struct bench *b = make();
    uint32_t seed = 0x106;
    off_t size;

    if (log < 0 || before < 0)
        return "no descriptor";
    fflush(stderr);
    dup2(log, STDERR_FILENO);
    for (unsigned i = 0; i < 24000; i++) {
        struct request r;

        if (i % 16 == 0)
            guest(b, &seed);
        if (!random_request(b, &seed, &r))
            break;
        if (i & 1)
            r.count = 1, r.data_is_ptr = false;
        bench_request(b, &r);
    }
    size = lseek(log, 0, SEEK_END);
    dup2(before, STDERR_FILENO);
    close(before);
    close(log);
    bench_free(b);
    return size < 65536 ? NULL : FAIL("the guest made us write %lld bytes of log", (long long)size);
}

const struct generic_check generic_rules[] = {
    { "generic.requests", requests },           { "generic.timers", timers },
    { "generic.no_re_entry", no_re_entry },     { "generic.refused_requests", refused_requests },
    { "generic.whole_answers", whole_answers }, { "generic.failing_memory", failing_memory },
    { "generic.unplugged", unplugged },         { "generic.bounded_log", bounded_log },
};
const unsigned generic_nrules = ARRAY_SIZE(generic_rules);
