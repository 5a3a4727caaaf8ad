/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench - a machine on the simulator, as a guest sees it, for device tests.
 *
 * A test file tests/hw/<device>.c is a program of its own:
 *
 *     static const struct device_row board[] = { { .ops = &foo_ops, .base = { 0x3f8 }, .isa_irq = {
 * 4 } } }; BENCH(board)                          // the rows every test of this file starts with
 *     TEST(foo, one_fact_in_words) { bench_outb(b, 0x3f8, 1); EXPECT_EQ(bench_inb(b, 0x3f9), 2); }
 *
 * `struct bench *b` is in scope. Never host time, sleep, network or root in a test. main() is in
 * tests/bench.c; `build/tests/hw-<device> PATTERN` runs the tests whose names match.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "ioreq/sim.h"

struct bench;

/* Somebody who looks at each request that bench_request() makes. */
struct bench_watch {
    void (*before)(struct bench_watch *w, struct bench *b, const struct request *r);
    void (*after)(struct bench_watch *w, struct bench *b, const struct request *r);
};

struct bench {
    struct hv *hv;
    struct machine *m;
    struct arena arena;
    enum machine_request requested; /* last machine_request() of a device */
    unsigned nrequested;
    struct device_row rows[24]; /* the board, to build it again */
    unsigned nrows;
    struct bench_watch *watch; /* or NULL */
};

struct bench *bench_new(const struct device_row *rows, unsigned n); /* realized and reset */
void bench_free(struct bench *b);

/* Ports, memory, configuration space (devfn = slot << 3 | function). */
uint8_t bench_inb(struct bench *b, unsigned port);
uint16_t bench_inw(struct bench *b, unsigned port);
uint32_t bench_inl(struct bench *b, unsigned port);
void bench_outb(struct bench *b, unsigned port, unsigned v);
void bench_outw(struct bench *b, unsigned port, unsigned v);
void bench_outl(struct bench *b, unsigned port, uint32_t v);
uint64_t bench_read(struct bench *b, uint64_t gpa, unsigned width); /* memory-mapped I/O */
void bench_write(struct bench *b, uint64_t gpa, unsigned width, uint64_t v);
uint32_t bench_cfg_read(struct bench *b, unsigned devfn, unsigned reg, unsigned width);
void bench_cfg_write(struct bench *b, unsigned devfn, unsigned reg, unsigned width, uint32_t v);
/* rep ins / rep outs between a port and guest RAM at gpa, count elements. */
void bench_rep(struct bench *b, unsigned port, bool in, unsigned width, uint64_t gpa,
               uint32_t count, bool df);
/* Any request, as it would come from Xen; returns data. */
uint64_t bench_request(struct bench *b, struct request *r);

/* Guest RAM (16 MiB at 0). */
void bench_ram_put(struct bench *b, uint64_t gpa, const void *bytes, size_t n);
void bench_ram_get(struct bench *b, uint64_t gpa, void *bytes, size_t n);

void bench_step(struct bench *b, uint64_t ns); /* the clock goes on; due timers run in order */

/* Lines: level now and rising+falling edges since the start. */
bool bench_isa_level(struct bench *b, unsigned irq);
unsigned bench_isa_edges(struct bench *b, unsigned irq);
bool bench_intx_level(struct bench *b, unsigned slot, unsigned pin);

/* Save all state, build the same board afresh in a new machine, load it there, go on in it. */
void bench_save_and_load(struct bench *b);

/* A disk in memory: completes at once, or (held) only when the test says; can fail. The block is
 * closed with the bench. Content is bench_disk_bytes(); sector i starts out with its number. */
struct bench_disk {
    struct block block; /* first member */
    uint8_t *bytes;
    bool hold;              /* keep requests pending until bench_disk_release() */
    int fail;               /* -errno for every request, or 0 */
    int64_t fail_at;        /* only those touching this byte offset; -1 = all */
    struct block_req *held; /* list, oldest first */
};
struct block *bench_disk_new(uint64_t size, bool read_only);
static inline struct bench_disk *bench_disk(struct block *b)
{
    return (struct bench_disk *)b;
}
void bench_disk_release(struct block *disk, unsigned n); /* complete the n oldest held requests */
void bench_disk_free(struct block *disk);

/* A character stream in memory: what the device wrote, and bytes for it to receive. */
struct chardev *bench_chardev_new(size_t accepts); /* bytes it takes before it is full */
size_t bench_chardev_take(struct chardev *c, uint8_t *bytes,
                          size_t n); /* remove what was written */
size_t bench_chardev_give(struct chardev *c, const uint8_t *bytes, size_t n); /* taken by device */
void bench_chardev_free(struct chardev *c);

#define EXPECT_EQ(got, want) assert_int_equal((got), (want))
#define EXPECT_TRUE(x)       assert_true(x)

/* The rows are made by a function so that they can have host sides. */
#define BENCH(rows)                                                                                \
    static struct bench *bench_make(void)                                                          \
    {                                                                                              \
        return bench_new(rows, ARRAY_SIZE(rows));                                                  \
    }
/* BENCH_SETUP { static rows...; return bench_new(rows, n); } for boards that need set-up. */
#define BENCH_SETUP static struct bench *bench_make(void)

/* Requests in flight are forgotten, as when a process dies; happens in bench_save_and_load(). */
void bench_lose_io(struct bench *b);

/* In a new process: a machine on what a dead one left in arena and shared pages, as a successor
 * does it. Does not return if that is refused. Then slots_scan() goes on. */
void bench_take_over(struct bench *b, bool own_fault);

/* One step of what a driver of this device does, well or badly: the generic checks mix it with
 * random accesses. Device tests set it by BENCH_GUEST(function) when random accesses alone lead
 * nowhere. */
extern void (*bench_guest)(struct bench *b, uint32_t *seed);
#define BENCH_GUEST(fn)                                                                            \
    __attribute__((constructor)) static void bench_guest_is_##fn(void)                             \
    {                                                                                              \
        bench_guest = fn;                                                                          \
    }

/* How the first registered test makes its board: for generic checks and the fuzz driver. */
struct bench *(*bench_maker(void))(void);
int bench_main(int argc, char **argv);

/* Checks that every device gets by being in the table (tests/generic.c): NULL, or what is wrong. */
struct generic_check {
    const char *name;
    const char *(*check)(struct bench *(*make)(void));
};
extern const struct generic_check generic_checks[];
extern const unsigned generic_nchecks;

void bench_register(const char *name, void (*fn)(struct bench *), struct bench *(*make)(void));

#define TEST(device, name)                                                                         \
    static void test_##device##_##name(struct bench *b);                                           \
    __attribute__((constructor)) static void register_##device##_##name(void)                      \
    {                                                                                              \
        bench_register(#device "." #name, test_##device##_##name, bench_make);                     \
    }                                                                                              \
    static void test_##device##_##name(__attribute__((unused)) struct bench *b)

#endif
