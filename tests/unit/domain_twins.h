/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_twins - tests of test_domain.c: device models whose disks a PV worker wants to have; the
 * test is the PV worker too. The protocol itself is tested in test_handover.c.
 */
#ifndef TESTS_UNIT_DOMAIN_TWINS_H
#define TESTS_UNIT_DOMAIN_TWINS_H

#include "hw/storage/ide.h"
#include "tests/unit/domain_media.h"

enum {
    ABRT = 0x04,
    ERR = 0x01,
    DRQ = 0x08,
    BSY = 0x80,
    READ = 0x20,
    WRITE = 0x30,
    IDENTIFY = 0xec
};
enum { GONE = 2 }; /* of the emulated side's word */

static struct handover_page *page;
static int wake_model, wake_pv;

static int eventfd_held(struct fixture *f, const char *name)
{
    int fd = eventfd(0, EFD_NONBLOCK);

    hold(f, name, dup(fd));
    return fd;
}

static int setup_twins(void **state)
{
    struct fixture *f;
    int fd = memfd_create("handover", 0), ret = setup(state);

    f = *state;
    f->config.machine = CONFIG_MACHINE_XENFV;
    assert_int_equal(ftruncate(fd, 4096), 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    hold(f, SUPERVISED_HANDOVER, fd);
    wake_model = eventfd_held(f, SUPERVISED_WAKE_MODEL);
    wake_pv = eventfd_held(f, SUPERVISED_WAKE_PV);
    return ret;
}

static int teardown_twins(void **state)
{
    munmap(page, 4096);
    close(wake_model);
    close(wake_pv);
    return teardown(state);
}

/* --- The PV worker. */

static struct handover_slot *slot_of(unsigned place)
{
    return &page->slot[place];
}

static void wake(void)
{
    assert_int_equal(eventfd_write(wake_model, 1), 0);
}

static bool claim(unsigned place)
{
    bool ours = handover_claim(slot_of(place));

    wake();
    return ours;
}

static void release(unsigned place)
{
    handover_release(slot_of(place));
    wake();
}

/* Woken for each look, as it would be. */
static void await_grant(unsigned place)
{
    struct pollfd p = { .fd = wake_pv, .events = POLLIN };
    eventfd_t n;

    while (!handover_granted(slot_of(place))) {
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        assert_int_equal(eventfd_read(wake_pv, &n), 0);
    }
}

/* --- The guest. */

static uint8_t command(struct fixture *f, struct worker *w, uint8_t code)
{
    uint8_t status;

    out(f, w, 0x1f6, 0xe0);
    out(f, w, 0x1f2, 1);
    for (unsigned reg = 0x1f3; reg <= 0x1f5; reg++)
        out(f, w, reg, 0);
    out(f, w, 0x1f7, code);
    do
        status = in(f, w, 0x1f7);
    while (status & BSY);
    return status;
}

static uint16_t read_word(struct fixture *f, struct worker *w)
{
    ask_wide(0x1f0, 2, true, 0);
    answer(f, w);
    return (uint16_t)(slot()[8] | slot()[9] << 8);
}

static void expect_refused(struct fixture *f, struct worker *w)
{
    uint8_t status = command(f, w, READ);

    assert_int_equal(status & (ERR | DRQ), ERR);
    assert_int_equal(in(f, w, 0x1f1), ABRT);
}

/* Sector 0, which begins with this. */
static void expect_read(struct fixture *f, struct worker *w, uint16_t word)
{
    assert_int_equal(command(f, w, READ) & (ERR | DRQ), DRQ);
    assert_int_equal(read_word(f, w), word);
    for (unsigned i = 1; i < 256; i++)
        read_word(f, w);
}

static void pv_writes(const struct fixture *f, uint16_t word)
{
    int fd = open(f->image->path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, &word, sizeof word, 0), sizeof word);
    close(fd);
}

/* --- */

static void goes_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    pv_writes(f, 0x1111);
    expect_read(f, &w, 0x1111);
    for (uint16_t n = 0; n < 3; n++) {
        assert_false(claim(0));
        await_grant(0);
        release(0);
        (void)claim(0); /* before it knows that we were away */
        await_grant(0);
        expect_refused(f, &w);
        assert_int_equal(command(f, &w, 0xe7) & ERR, ERR); /* FLUSH CACHE too */
        assert_int_equal(command(f, &w, IDENTIFY) & (ERR | DRQ), DRQ);
        for (unsigned i = 0; i < 256; i++)
            read_word(f, &w);
        pv_writes(f, n);
        release(0);
        expect_read(f, &w, n); /* at once: the guest knows already that it is closed */
    }
    quit(f, &w);
}

/* Nobody has to be asked for those that are not there, and for what is only read. */
static void no_disk_no_question(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    for (unsigned place = 1; place < HANDOVER_SLOTS; place++)
        assert_true(claim(place));
    assert_false(handover_granted(slot_of(0)));
    quit(f, &w);
}

static void successor_keeps_its_hands_off(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    claim(0);
    await_grant(0);
    for (unsigned n = 0; n < 3; n++) {
        murder(f, &w);
        w = up(f, SIGKILL);
        assert_true(handover_granted(slot_of(0)));
        expect_refused(f, &w);
    }
    pv_writes(f, 0x2222);
    murder(f, &w);
    release(0);
    w = up(f, SIGKILL);
    expect_read(f, &w, 0x2222);
    murder(f, &w);
    claim(0);
    w = up(f, SIGKILL);
    await_grant(0);
    expect_refused(f, &w);
    quit(f, &w);
}

/* It died before it could say so. */
static void successor_wakes(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    struct pollfd p = { .fd = wake_pv, .events = POLLIN };
    eventfd_t n;

    murder(f, &w);
    if (eventfd_read(wake_pv, &n) < 0)
        assert_int_equal(errno, EAGAIN);
    w = up(f, SIGKILL);
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    quit(f, &w);
}

/* In the middle of a write that the guest makes word by word. */
static void write_is_cut_off(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    uint16_t first;

    pv_writes(f, 0x3333);
    assert_int_equal(command(f, &w, WRITE) & (ERR | DRQ), DRQ);
    for (unsigned i = 0; i < 255; i++) {
        ask_wide(0x1f0, 2, false, 0x4444);
        answer(f, &w);
    }
    claim(0);
    await_grant(0);
    ask_wide(0x1f0, 2, false, 0x4444);
    answer(f, &w);
    assert_int_equal(in(f, &w, 0x1f7) & (ERR | BSY | DRQ), ERR);
    assert_int_equal(pread(find_held(f, "disk0")->fd, &first, sizeof first, 0), sizeof first);
    assert_int_equal(first, 0x3333);
    quit(f, &w);
}

/* What was in flight at a death is not refused because PV wants the disk by then, and ends before
 * PV has it. */
static void what_had_begun_goes_on(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    uint16_t first;

    assert_int_equal(command(f, &w, WRITE) & (ERR | DRQ), DRQ);
    for (unsigned i = 0; i < 255; i++) {
        ask_wide(0x1f0, 2, false, 0x4444);
        answer(f, &w);
    }
    murder(f, &w);
    set_ide(find_held(f, "arena")->fd, "phase", PHASE_STORE);
    claim(0);
    w = up(f, SIGKILL);
    await_grant(0);
    assert_int_equal(pread(find_held(f, "disk0")->fd, &first, sizeof first, 0), sizeof first);
    assert_int_equal(first, 0x4444);
    assert_int_equal(in(f, &w, 0x1f7) & (ERR | BSY | DRQ), 0);
    murder(f, &w); /* PV has it now: a flush may still have been on its way, but no write */
    set_ide(find_held(f, "arena")->fd, "phase", PHASE_FLUSH);
    w = up(f, SIGKILL);
    while (in(f, &w, 0x1f7) & BSY)
        ;
    assert_int_equal(in(f, &w, 0x1f7) & ERR, 0);
    expect_refused(f, &w);
    quit(f, &w);
}

static void unplug(struct fixture *f, struct worker *w)
{
    ask_wide(0x10, 2, false, 1);
    answer(f, w);
    assert_int_equal(slot_of(0)->emulated, GONE); /* before the guest's next instruction */
    assert_null(find_held(f, "disk0"));
    assert_false(image_is_locked(f)); /* nobody else holds it here */
}

static void unplug_is_for_good(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    unplug(f, &w);
    for (unsigned n = 0; n < 2; n++) {
        assert_true(claim(0));
        release(0);
        murder(f, &w);
        w = up(f, SIGKILL);
        assert_int_equal(slot_of(0)->emulated, GONE);
    }
    assert_int_equal(in(f, &w, 0x1f7), 0);
    quit(f, &w);
}

static void unplug_while_pv_has_it(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    claim(0);
    await_grant(0);
    unplug(f, &w);
    assert_true(handover_granted(slot_of(0)));
    murder(f, &w);
    w = up(f, SIGKILL);
    assert_true(handover_granted(slot_of(0)));
    assert_int_equal(in(f, &w, 0x1f7), 0);
    quit(f, &w);
}

/* Unplugged, and dead before it was said. */
static void successor_says_that_it_is_unplugged(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    murder(f, &w);
    mark_unplugged(find_held(f, "arena")->fd);
    claim(0);
    w = up(f, SIGKILL);
    await_grant(0);
    assert_int_equal(in(f, &w, 0x1f7), 0);
    assert_int_equal(slot_of(0)->emulated, GONE);
    quit(f, &w);
}

/* Whoever has handed over says nothing. */
static void handed_over(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0), new;
    eventfd_t n;

    tell(&w, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    if (eventfd_read(wake_pv, &n) < 0)
        assert_int_equal(errno, EAGAIN);
    claim(0);
    usleep(50000);
    assert_int_equal(slot_of(0)->emulated, 0);
    tell(&w, SUPERVISED_RESUME, 1);
    await_grant(0);
    expect_refused(f, &w);
    tell(&w, SUPERVISED_HAND_OVER, 2);
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    new = up(f, SUPERVISED_UPGRADE);
    tell(&w, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, &w), 0);
    expect_refused(f, &new);
    pv_writes(f, 0x5555);
    release(0);
    expect_read(f, &new, 0x5555);
    quit(f, &new);
}

/* The PV worker is to look at the sizes of its images again. */
static void size_is_passed_on(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    int qmp = qmp_open(f, &w);
    eventfd_t n;

    assert_int_equal(eventfd_read(wake_pv, &n), 0);
    say(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"device\":\"xvda\",\"size\":1}}");
    heard(f, &w, qmp);
    assert_int_equal(page->resized, 1);
    assert_int_equal(eventfd_read(wake_pv, &n), 0);
    close(qmp);
    quit(f, &w);
}

#endif
