/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_outside - what an event did outside the arena before its process died: a successor undoes
 * it, says it again, or does it again in the same place.
 *
 * The arena is copied in the middle of the event; that copy is what the successor finds.
 */
#include "tests/bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "display/display.h"
#include "hw/core/core.h"
#include "ioreq/loop.h"
#include "ioreq/sim_private.h"

extern const struct device_ops piix3_ops, stdvga_ops, uart16550_ops, xen_platform_ops;

enum { VGA_DEVFN = 2 << 3, PIIX3_DEVFN = 1 << 3, PARKED = 0x4000, VRAM = 1 << 20 };
enum { PAGES = VRAM >> 12, BAR = 0xf0000000u, BAR_GFN = BAR >> 12 };
enum { PLATFORM_PORT = 0x10, ROM_GFN = 0xc0 };

struct world {
    struct bench *b;
    struct display screen;
    struct hv_ops ops;
    const struct hv_ops *sim;
    uint8_t *found; /* what the successor will find */
    uint64_t move;  /* pages to move before the copy is made; more than all: all */
};
static struct world world;

static void copy_now(void)
{
    memcpy(world.found, world.b->arena.h, world.b->arena.h->size);
}

/* Some pages are moved, then the process might die; then the rest. */
static int relocate(struct hv *hv, uint64_t from, uint64_t to, uint64_t nr)
{
    for (uint64_t i = 0; i < nr; i++) {
        int err;

        if (i == world.move)
            copy_now();
        err = world.sim->relocate(hv, from + i, to + i, 1);
        if (err < 0)
            return err;
    }
    if (world.move >= nr)
        copy_now();
    return 0;
}

static int setup(void **state)
{
    const struct device_row rows[] = {
        { .ops = &piix3_ops, .devfn = PIIX3_DEVFN },
        { .ops = &stdvga_ops,
          .base = { 0x3b4, 0x3c0, 0x1ce, 0xa0000 },
          .devfn = VGA_DEVFN,
          .host = { .display = &world.screen, .vram_gfn = PARKED, .vram_bytes = VRAM } },
        { .ops = &xen_platform_ops, .devfn = ANY_PCI, .base = { PLATFORM_PORT } },
    };

    world.b = bench_new(rows, ARRAY_SIZE(rows));
    world.found = malloc(world.b->arena.h->size);
    world.sim = world.b->hv->ops;
    world.ops = *world.sim;
    world.ops.relocate = relocate;
    world.b->hv->ops = &world.ops;
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world.b->hv->ops = world.sim;
    free(world.found);
    bench_free(world.b);
    return 0;
}

/* The predecessor's process is gone with all that only it knew. */
static void take_over(void)
{
    struct bench *b = world.b;
    struct request_sink sink;
    struct error e = { "" };

    machine_free(b->m);
    memcpy(b->arena.h, world.found, b->arena.h->size);
    sim_new_process(b->hv);
    b->arena.adopted = true;
    assert_int_equal(machine_new(b->hv, &b->arena, &b->m, &e), 0);
    for (unsigned i = 0; i < b->nrows; i++)
        assert_int_equal(machine_add(b->m, &b->rows[i], &e), 0);
    assert_int_equal(machine_adopted(b->m, false, &e), 0);
    machine_sink(b->m, &sink);
    sim_set_sink(b->hv, &sink);
}

/* First and last page, by what was written there. */
static bool vram_is_at(uint64_t gfn)
{
    uint8_t first = 0, last = 0;

    return sim_ram_read(world.b->hv, gfn << 12, &first, 1) && first == 0x11 &&
           sim_ram_read(world.b->hv, (gfn + PAGES - 1) << 12, &last, 1) && last == 0x22;
}

static void video_memory_goes_back(void **state)
{
    static const uint64_t moved[] = { 0, 1, 7, PAGES / 2, PAGES - 1, PAGES };
    struct hv *hv = world.b->hv;
    const uint8_t first = 0x11, last = 0x22;

    (void)state;
    assert_true(sim_ram_write(hv, (uint64_t)PARKED << 12, &first, 1));
    assert_true(sim_ram_write(hv, (uint64_t)(PARKED + PAGES - 1) << 12, &last, 1));
    bench_cfg_write(world.b, VGA_DEVFN, 0x10, 4, BAR);
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        assert_true(vram_is_at(PARKED));
        world.move = moved[i];
        bench_cfg_write(world.b, VGA_DEVFN, 0x04, 2, 2);
        assert_true(vram_is_at(BAR_GFN));
        for (uint64_t n = moved[i]; n < PAGES; n++) /* it had not come to those */
            assert_int_equal(world.sim->relocate(hv, BAR_GFN + n, PARKED + n, 1), 0);
        world.move = UINT64_MAX;
        take_over();
        assert_true(vram_is_at(PARKED));
        assert_int_equal(world.b->m->j->move_nr, 0);
        bench_cfg_write(world.b, VGA_DEVFN, 0x04, 2, 2); /* the request happens again */
        assert_true(vram_is_at(BAR_GFN));
        bench_cfg_write(world.b, VGA_DEVFN, 0x04, 2, 0);
    }
}

/* A move that was committed is not undone. */
static void finished_move_stays(void **state)
{
    const uint8_t first = 0x11, last = 0x22;

    (void)state;
    world.move = UINT64_MAX;
    assert_true(sim_ram_write(world.b->hv, (uint64_t)PARKED << 12, &first, 1));
    assert_true(sim_ram_write(world.b->hv, (uint64_t)(PARKED + PAGES - 1) << 12, &last, 1));
    bench_cfg_write(world.b, VGA_DEVFN, 0x10, 4, BAR);
    bench_cfg_write(world.b, VGA_DEVFN, 0x04, 2, 2);
    copy_now();
    take_over();
    assert_true(vram_is_at(BAR_GFN));
    assert_true(world.screen.draw != NULL);
    bench_cfg_write(world.b, VGA_DEVFN, 0x04, 2, 0);
    assert_true(vram_is_at(PARKED));
}

/* The predecessor told the hypervisor something else, and that was undone. */
static void routes_and_rom_lock_are_said_again(void **state)
{
    struct hv *hv = world.b->hv;

    (void)state;
    world.move = UINT64_MAX;
    copy_now();
    bench_cfg_write(world.b, PIIX3_DEVFN, 0x60, 1, 5);
    bench_outb(world.b, PLATFORM_PORT, 1);
    assert_int_equal(sim_link(hv, 0), 5);
    assert_int_equal(sim_mem_type(hv, ROM_GFN), HV_RAM_RO);
    take_over();
    assert_int_equal(sim_link(hv, 0), 0);
    assert_int_equal(sim_mem_type(hv, ROM_GFN), HV_RAM_RW);
}

/* --- Serial output into a file. */

struct tap {
    struct chardev base; /* first member */
    struct chardev *file;
};

static size_t tap_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct tap *t = (struct tap *)c;
    size_t done;

    t->file->user = c->user;
    done = chardev_write(t->file, bytes, n);
    copy_now();
    t->file->user = NULL;
    return done;
}

static void tap_close(struct chardev *c)
{
    (void)c; /* the test's */
}

static const struct chardev_ops tap_ops = { .write = tap_write, .close = tap_close };

static void write_text(const char *text)
{
    for (; *text; text++)
        bench_outb(world.b, 0x3f8, (uint8_t)*text);
}

static void repeated_bytes_land_on_themselves(void **state)
{
    struct tap tap = { .base.ops = &tap_ops };
    struct device_row row = {
        .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 }, .host = { .chr = &tap.base }
    };
    char path[] = "/tmp/hvmdm-test-outside-XXXXXX", spec[64], text[64] = "";
    int fd = mkstemp(path);
    struct loop *l = loop_new();
    struct chardev *file;
    struct error e = { "" };

    (void)state;
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_int_equal(chardev_open(l, "serial0", spec, &file, &e), 0);
    tap.file = file;
    world.b = bench_new(&row, 1);
    world.found = malloc(world.b->arena.h->size);
    write_text("one");
    write_text("t");
    take_over();       /* died after the write of that t */
    write_text("two"); /* so it is written again */
    machine_reset(world.b->m);
    write_text("three");
    assert_int_equal(pread(fd, text, sizeof text, 0), 11);
    assert_string_equal(text, "onetwothree");
    world.b->rows[0].host.chr = NULL; /* not one of the bench's */
    bench_free(world.b);
    chardev_close(file);
    loop_free(l);
    free(world.found);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(video_memory_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(finished_move_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(routes_and_rom_lock_are_said_again, setup, teardown),
        cmocka_unit_test(repeated_bytes_land_on_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
