/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench - see bench.h. */
#include "tests/bench.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "hw/core/core.h"
#include "net/net.h"
#include "tests/generic.h"

#define ARENA_BYTES (2u << 20)

static void on_request(void *opaque, enum machine_request what)
{
    struct bench *b = opaque;

    b->requested = what;
    b->nrequested++;
}

/* A failure here is a bug of the test's board: say it and stop. */
static void check(int err, const struct error *e)
{
    if (err < 0) {
        fprintf(stderr, "bench: %s\n", e->text);
        abort();
    }
}

static void build(struct bench *b)
{
    struct error e = { "" };
    struct request_sink sink;

    check(arena_create(&b->arena, ARENA_BYTES, &e), &e);
    check(machine_new(b->hv, &b->arena, &b->m, &e), &e);
    for (unsigned i = 0; i < b->nrows; i++)
        check(machine_add(b->m, &b->rows[i], &e), &e);
    machine_on_request(b->m, on_request, b);
    machine_set_running(b->m, true);
    machine_sink(b->m, &sink);
    sim_set_sink(b->hv, &sink);
}

struct bench *bench_new(const struct device_row *rows, unsigned n)
{
    struct bench *b = calloc(1, sizeof *b);
    struct sim_options options = { .promiscuous = true };

    if (!b || n > ARRAY_SIZE(b->rows))
        abort();
    memcpy(b->rows, rows, n * sizeof *rows);
    b->nrows = n;
    b->hv = hv_sim_new(&options);
    if (!b->hv)
        abort();
    /* VRAM is guest memory that whoever builds the board adds (see hw/pc.c). */
    for (unsigned i = 0; i < n; i++)
        if (rows[i].host.vram_bytes)
            b->hv->ops->populate(b->hv, rows[i].host.vram_gfn,
                                 rows[i].host.vram_bytes / HV_PAGE_SIZE);
    build(b);
    return b;
}

static void free_backends(struct bench *b)
{
    for (unsigned i = 0; i < b->nrows; i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(b->rows[i].host.disk); k++)
            if (b->rows[i].host.disk[k])
                bench_disk_free(b->rows[i].host.disk[k]);
        if (b->rows[i].host.chr)
            bench_chardev_free(b->rows[i].host.chr);
        net_close(b->rows[i].host.net);
    }
}

void bench_free(struct bench *b)
{
    bench_lose_io(b);
    machine_free(b->m);
    b->hv->ops->destroy(b->hv);
    arena_destroy(&b->arena);
    free_backends(b);
    free(b);
}

void bench_save_and_load(struct bench *b)
{
    struct error e = { "" };
    struct arena old = b->arena;

    bench_lose_io(b);
    machine_set_running(b->m, false); /* guest time goes on where it stopped */
    machine_free(b->m);
    build(b);
    check(arena_load(&b->arena, old.h, &e), &e);
    check(machine_loaded(b->m, &e), &e);
    machine_set_running(b->m, true);
    arena_destroy(&old);
}

void bench_take_over(struct bench *b, bool own_fault)
{
    struct request_sink sink;
    struct error e = { "" };

    bench_lose_io(b);
    sim_new_process(b->hv);
    b->arena.adopted = true;
    check(machine_new(b->hv, &b->arena, &b->m, &e), &e);
    for (unsigned i = 0; i < b->nrows; i++)
        check(machine_add(b->m, &b->rows[i], &e), &e);
    machine_on_request(b->m, on_request, b);
    check(machine_adopted(b->m, own_fault, &e), &e);
    machine_sink(b->m, &sink);
    sim_set_sink(b->hv, &sink);
}

uint64_t bench_request(struct bench *b, struct request *r)
{
    if (b->watch)
        b->watch->before(b->watch, b, r);
    sim_request_direct(b->hv, r);
    if (b->watch)
        b->watch->after(b->watch, b, r);
    return r->data;
}

static uint32_t port(struct bench *b, unsigned port, unsigned size, bool read, uint32_t value)
{
    struct request r = {
        .type = REQ_PIO, .addr = port, .size = size, .count = 1, .read = read, .data = value
    };

    return (uint32_t)(bench_request(b, &r) & ones(size));
}

uint8_t bench_inb(struct bench *b, unsigned p)
{
    return (uint8_t)port(b, p, 1, true, 0);
}

uint16_t bench_inw(struct bench *b, unsigned p)
{
    return (uint16_t)port(b, p, 2, true, 0);
}

uint32_t bench_inl(struct bench *b, unsigned p)
{
    return port(b, p, 4, true, 0);
}

void bench_outb(struct bench *b, unsigned p, unsigned v)
{
    port(b, p, 1, false, v);
}

void bench_outw(struct bench *b, unsigned p, unsigned v)
{
    port(b, p, 2, false, v);
}

void bench_outl(struct bench *b, unsigned p, uint32_t v)
{
    port(b, p, 4, false, v);
}

uint64_t bench_read(struct bench *b, uint64_t gpa, unsigned width)
{
    struct request r = { .type = REQ_COPY, .addr = gpa, .size = width, .count = 1, .read = true };

    return bench_request(b, &r) & ones(width);
}

void bench_write(struct bench *b, uint64_t gpa, unsigned width, uint64_t v)
{
    struct request r = { .type = REQ_COPY, .addr = gpa, .size = width, .count = 1, .data = v };

    bench_request(b, &r);
}

uint32_t bench_cfg_read(struct bench *b, unsigned devfn, unsigned reg, unsigned width)
{
    return machine_config(b->m, devfn, reg, width, true, 0);
}

void bench_cfg_write(struct bench *b, unsigned devfn, unsigned reg, unsigned width, uint32_t v)
{
    machine_config(b->m, devfn, reg, width, false, v);
}

void bench_rep(struct bench *b, unsigned p, bool in, unsigned width, uint64_t gpa, uint32_t count,
               bool df)
{
    struct request r = { .type = REQ_PIO,
                         .addr = p,
                         .size = width,
                         .count = count,
                         .read = in,
                         .df = df,
                         .data_is_ptr = true,
                         .data = gpa };

    bench_request(b, &r);
}

void bench_ram_put(struct bench *b, uint64_t gpa, const void *bytes, size_t n)
{
    if (!sim_ram_write(b->hv, gpa, bytes, n))
        abort();
}

void bench_ram_get(struct bench *b, uint64_t gpa, void *bytes, size_t n)
{
    if (!sim_ram_read(b->hv, gpa, bytes, n))
        abort();
}

void bench_step(struct bench *b, uint64_t ns)
{
    uint64_t now = b->hv->ops->now(b->hv), target = now + ns;

    for (;;) {
        uint64_t next = machine_host_deadline(b->m); /* a load moves the guest's clock */

        if (next > target)
            break;
        sim_clock_set(b->hv, next);
        machine_expired(b->m);
        if (machine_host_deadline(b->m) <= b->hv->ops->now(b->hv))
            sim_clock_step(b->hv, 1); /* a timer armed for now or earlier runs once per moment */
    }
    sim_clock_set(b->hv, target);
}

bool bench_isa_level(struct bench *b, unsigned irq)
{
    return sim_isa(b->hv, irq)->level;
}

unsigned bench_isa_edges(struct bench *b, unsigned irq)
{
    return sim_isa(b->hv, irq)->edges;
}

bool bench_intx_level(struct bench *b, unsigned slot, unsigned pin)
{
    return sim_intx(b->hv, slot, pin)->level;
}

/* Tests register themselves before main(). */
struct test {
    const char *name;
    void (*fn)(struct bench *b);
    struct bench *(*make)(void);
};

static struct test tests[512];
static unsigned ntests;

void bench_register(const char *name, void (*fn)(struct bench *), struct bench *(*make)(void))
{
    if (ntests == ARRAY_SIZE(tests))
        abort();
    tests[ntests++] = (struct test){ name, fn, make };
}

struct bench *(*bench_maker(void))(void)
{
    return ntests ? tests[0].make : NULL;
}

void (*bench_guest)(struct bench *b, uint32_t *seed);

static struct bench *current;

static void run(void **state)
{
    const struct test *t = *state;

    current = t->make();
    t->fn(current);
}

/* Also after a failure, which leaves the test by longjmp(). */
static int tear_down(void **state)
{
    (void)state;
    bench_free(current);
    current = NULL;
    return 0;
}

static void run_generic(void **state)
{
    const struct generic_check *g = *state;
    const char *what = g->check(tests[0].make);

    if (what)
        fail_msg("%s", what);
}

int bench_main(int argc, char **argv)
{
    static struct CMUnitTest group[ARRAY_SIZE(tests) + 32];
    const char *pattern = argc > 1 ? argv[1] : "*";
    size_t n = 0;

    for (unsigned i = 0; i < ntests; i++)
        if (fnmatch(pattern, tests[i].name, 0) == 0)
            group[n++] = (struct CMUnitTest){ tests[i].name, run, NULL, tear_down, &tests[i] };
    for (unsigned i = 0; ntests && i < generic_nchecks; i++)
        if (fnmatch(pattern, generic_checks[i].name, 0) == 0)
            group[n++] = (struct CMUnitTest){ generic_checks[i].name, run_generic, NULL, NULL,
                                              (void *)&generic_checks[i] };
    for (unsigned i = 0; ntests && i < generic_nrules; i++)
        if (fnmatch(pattern, generic_rules[i].name, 0) == 0)
            group[n++] = (struct CMUnitTest){ generic_rules[i].name, run_generic, NULL, NULL,
                                              (void *)&generic_rules[i] };
    if (n == 0) {
        fprintf(stderr, "no test matches '%s'\n", pattern);
        return 1;
    }
    return _cmocka_run_group_tests(argv[0], group, n, NULL, NULL) != 0;
}
