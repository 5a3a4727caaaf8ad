/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a vkbd connection (hw/xen/vkbd.c) against a small xenstored and a simulated guest:
 * the hand-shake, every wrong order, that nothing stays mapped or bound (S22), and that a successor
 * takes over what a dead process has left, at any moment, unseen by the guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/xen/vkbd.h"
#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"

#define BACK  "backend/vkbd/5/0"
#define FRONT "/local/domain/5/device/vkbd/0"

/* --- The toolstack and the guest. */

enum { GREF = 9, FRAME = 777, PORT = 33 };

static struct pv_sim *guest;
static struct pv *pv; /* what our process has of it */
static struct vkbd *vkbd;
static uint64_t events;

static void create(struct xenstored *x)
{
    xenstored_put(x, FRONT "/state", "1");
    xenstored_put(x, BACK "/frontend", FRONT);
    xenstored_put(x, BACK "/frontend-id", "5");
    xenstored_put(x, BACK "/online", "1");
    xenstored_put(x, BACK "/state", "1");
}

static void open_vkbd(struct xenstored *x)
{
    struct error e = { "" };

    if (vkbd_open(x->ours, 5, &vkbd, &e) < 0)
        fail_msg("%s", e.text);
}

static void start_process(struct xenstored *x, bool frames)
{
    open_vkbd(x);
    pv = pv_sim_attach(guest, x->loop, frames);
    assert_non_null(pv);
    vkbd_set_pv(vkbd, pv);
    vkbd_count(vkbd, &events);
}

static void offer_all(void)
{
    assert_non_null(pv_sim_page(guest, GREF, false));
    assert_non_null(pv_sim_page(guest, FRAME, true));
    assert_true(pv_sim_offer(guest, PORT));
}

static int setup_with(void **state, bool frames)
{
    struct xenstored *x = malloc(sizeof *x);

    guest = pv_sim_new();
    events = 0;
    offer_all();
    xenstored_start(x);
    start_process(x, frames);
    *state = x;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, true);
}

static int setup_confined(void **state)
{
    return setup_with(state, false);
}

static unsigned mapped(void)
{
    return pv_sim_mapped(guest);
}

static unsigned bound(void)
{
    return pv_sim_bound(guest);
}

static int teardown(void **state)
{
    struct xenstored *x = *state;

    vkbd_close(vkbd);
    /* No watch is left to call what is gone. */
    xenstored_put(x, BACK "/state", "1");
    xenstored_put(x, FRONT "/state", "1");
    xenstored_settle(x);
    pv->ops->destroy(pv);
    xenstored_stop(x);
    free(x);
    bool left = mapped() || bound();

    pv_sim_free(guest);
    return left ? -1 : 0;
}

/* Everything that the process had is gone, without a word of its own. */
static void process_dies(struct xenstored *x)
{
    xenstore_close(x->ours);
    pv_sim_kill(pv);
    free(vkbd);
    assert_int_equal(mapped() + bound(), 0);
}

static void successor_starts(struct xenstored *x)
{
    struct error e = { "" };

    assert_int_equal(xenstore_open(x->loop, x->path, &x->ours, &e), 0);
    start_process(x, false);
    vkbd_resume(vkbd);
}

static void expect_state(struct xenstored *x, uint32_t state)
{
    xenstored_settle(x);
    assert_int_equal(xenstored_get(x, BACK "/state"), state);
}

static void guest_connects(struct xenstored *x)
{
    xenstored_put(x, FRONT "/page-ref", "777");
    xenstored_put(x, FRONT "/page-gref", "9");
    xenstored_put(x, FRONT "/event-channel", "33");
    xenstored_put(x, FRONT "/state", "3");
}

/* Where most tests begin: our back end waits for the guest, or serves it. */
static struct xenstored *attached(void **state)
{
    create(*state);
    expect_state(*state, 2);
    return *state;
}

static struct xenstored *connected(void **state)
{
    struct xenstored *x = attached(state);

    guest_connects(x);
    expect_state(x, 4);
    return x;
}

static void toolstack_removes(struct xenstored *x, const char *state)
{
    xenstored_put(x, BACK "/online", "0");
    xenstored_put(x, BACK "/state", state);
}

static void handshake(void **state)
{
    struct xenstored *x = *state;
    uint32_t *page = pv_sim_page(guest, GREF, false);

    create(x);
    expect_state(x, 2);
    assert_int_equal(xenstored_get(x, BACK "/feature-abs-pointer"), 1);
    assert_int_equal(mapped(), 0);
    guest_connects(x);
    expect_state(x, 4);
    xenstored_put(x, FRONT "/state", "4");
    expect_state(x, 4);
    assert_int_equal(mapped(), 1);
    assert_int_equal(bound(), 1);
    page[3] = 0x12345;
    assert_true(pv_sim_signal(guest, PORT));
    xenstored_settle(x);
    assert_int_equal(page[2], 0x12345);
}

/* The front end asks for a kind of position before it connects. */
static void pointers(void **state)
{
    static const struct {
        const char *absolute, *raw;
        enum vkbd_pointer pointer;
    } rows[] = {
        { "0", "0", VKBD_RELATIVE }, { "1", "0", VKBD_ABSOLUTE }, { "1", "1", VKBD_RAW },
        { "0", "1", VKBD_RELATIVE }, { "x", "1", VKBD_RELATIVE }, { "2", "1", VKBD_RELATIVE },
        { "1", "-", VKBD_ABSOLUTE },
    };
    struct xenstored *x = *state;

    assert_int_equal(vkbd_pointer(vkbd), VKBD_NONE);
    attached(state);
    assert_int_equal(xenstored_get(x, BACK "/feature-raw-pointer"), 1);
    assert_int_equal(vkbd_pointer(vkbd), VKBD_NONE);
    guest_connects(x);
    expect_state(x, 4);
    assert_int_equal(vkbd_pointer(vkbd), VKBD_RELATIVE); /* it says nothing */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        xenstored_put(x, FRONT "/state", "6");
        expect_state(x, 6);
        assert_int_equal(vkbd_pointer(vkbd), VKBD_NONE);
        xenstored_put(x, FRONT "/state", "1");
        expect_state(x, 2);
        xenstored_put(x, FRONT "/request-abs-pointer", rows[i].absolute);
        xenstored_put(x, FRONT "/request-raw-pointer", rows[i].raw);
        guest_connects(x);
        expect_state(x, 4);
        assert_int_equal(vkbd_pointer(vkbd), rows[i].pointer);
    }
}

static void legacy_frame(void **state)
{
    struct xenstored *x = attached(state);

    xenstored_put(x, FRONT "/page-ref", "777");
    xenstored_put(x, FRONT "/event-channel", "33");
    xenstored_put(x, FRONT "/state", "3");
    expect_state(x, 4);
    assert_int_equal(mapped(), 1);
    assert_int_equal(bound(), 1);
}

static void close_and_reconnect(void **state)
{
    struct xenstored *x = attached(state);

    for (unsigned i = 0; i < 1000; i++) {
        guest_connects(x);
        expect_state(x, 4);
        xenstored_put(x, FRONT "/state", "5");
        expect_state(x, 5);
        xenstored_put(x, FRONT "/state", "6");
        expect_state(x, 6);
        assert_int_equal(mapped(), 0);
        assert_int_equal(bound(), 0);
        xenstored_put(x, FRONT "/state", "1"); /* kexec, driver reload */
        expect_state(x, 2);
    }
}

static void front_end_vanishes(void **state)
{
    struct xenstored *x = connected(state);

    xenstored_erase(x, FRONT);
    expect_state(x, 6);
    assert_int_equal(mapped(), 0);
}

static void removal_while_connected(void **state)
{
    struct xenstored *x = connected(state);

    toolstack_removes(x, "5");
    xenstored_settle(x);
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
    assert_int_equal(mapped(), 0);
    xenstored_erase(x, BACK);
    xenstored_settle(x);
}

static void removal_without_a_front_end(void **state)
{
    struct xenstored *x = attached(state);

    toolstack_removes(x, "5");
    expect_state(x, 6);
}

static void directory_goes_while_connected(void **state)
{
    struct xenstored *x = connected(state);

    xenstored_erase(x, BACK);
    xenstored_settle(x);
    assert_int_equal(mapped(), 0);
    assert_int_equal(bound(), 0);
}

static void forced_closed_by_the_toolstack(void **state)
{
    struct xenstored *x = connected(state);

    toolstack_removes(x, "6");
    xenstored_settle(x);
    assert_int_equal(mapped(), 0);
}

static void wild_values(void **state)
{
    static const char *const wild[] = { "", "0", "x", "-1", "99999999999", "7", "4294967295" };
    struct xenstored *x = attached(state);

    for (unsigned i = 0; i < ARRAY_SIZE(wild); i++) {
        xenstored_put(x, FRONT "/state", wild[i]);
        xenstored_settle(x);
        xenstored_put(x, FRONT "/event-channel", wild[i]);
        xenstored_put(x, FRONT "/state", "3");
        xenstored_settle(x);
        xenstored_put(x, FRONT "/state", "6");
        xenstored_settle(x);
        xenstored_put(x, FRONT "/state", "1");
        expect_state(x, 2);
        assert_int_equal(mapped(), 0);
    }
}

static void what_cannot_be_had(void **state)
{
    struct xenstored *x = attached(state);

    pv_sim_revoke(guest, GREF, false);
    guest_connects(x);
    expect_state(x, 5);
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
    xenstored_put(x, FRONT "/state", "1");
    expect_state(x, 2);
    offer_all();
    pv_sim_withdraw(guest, PORT);
    guest_connects(x);
    expect_state(x, 5);
    assert_int_equal(mapped(), 0);
    assert_int_equal(bound(), 0);
}

/* All orders of the guest's states, 4 deep, with the keys there or not. */
static void xsa71_every_wrong_order(void **state)
{
    static const char *const states[] = { "1", "2", "3", "4", "5", "6" };
    struct xenstored *x = attached(state);

    for (unsigned n = 0; n < 6 * 6 * 6 * 6 * 2; n++) {
        if (n & 1)
            guest_connects(x);
        for (unsigned m = n / 2, i = 0; i < 4; i++, m /= 6) {
            xenstored_put(x, FRONT "/state", states[m % 6]);
            xenstored_settle(x);
            assert_true(mapped() <= 1 && bound() <= 1);
        }
        xenstored_put(x, FRONT "/state", "5");
        xenstored_settle(x);
        xenstored_put(x, FRONT "/state", "6");
        xenstored_settle(x);
        assert_int_equal(mapped(), 0);
        assert_int_equal(bound(), 0);
        xenstored_erase(x, FRONT "/event-channel");
        xenstored_put(x, FRONT "/state", "1");
        expect_state(x, 2);
    }
}

/* XSA-155, XSA-184: the producer is copied once and is an index of nothing; whatever it says, one
 * signal is one step. Guards front_event(). */
static void xsa184_wild_producer(void **state)
{
    static const uint32_t wild[] = { 1, 50, 51, 0x7fffffff, 0x80000000, UINT32_MAX, 0 };
    struct xenstored *x = *state;
    uint32_t *page = pv_sim_page(guest, GREF, false);

    attached(state);
    guest_connects(x);
    expect_state(x, 4);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        uint64_t before = events;

        page[2] = wild[ARRAY_SIZE(wild) - 1 - i];
        page[3] = wild[i];
        pv_sim_signal(guest, PORT);
        xenstored_settle(x);
        assert_int_equal(page[2], wild[i]);
        assert_true(events - before <= 1);
        for (unsigned k = 4; k < 1024; k++) /* and nothing else of the page is ours */
            assert_int_equal(page[k], 0);
    }
    xenstored_put(x, FRONT "/state", "5");
    xenstored_put(x, FRONT "/state", "6");
    xenstored_settle(x);
}

/* Wild values in each key of the guest, in each state of the hand-shake. */
static void xsa175_hostile_front_end(void **state)
{
    static const char *const wild[] = {
        "", "-1", "7", "255", "4294967295", "99999999999", "x", "3 ", "/etc/passwd", "%n%s"
    };
    static const char *const keys[] = { FRONT "/page-gref", FRONT "/event-channel",
                                        FRONT "/page-ref" };
    struct xenstored *x = attached(state);

    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        xenstored_put(x, FRONT "/state", wild[i]);
        expect_state(x, 2);
    }
    xenstored_put(x, FRONT "/state", "3"); /* "ready" without saying where */
    expect_state(x, 2);
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
        xenstored_put(x, keys[k], "none");
    xenstored_put(x, FRONT "/state", "3");
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
    xenstored_put(x, FRONT "/state", "-3"); /* nonsense in the middle of a connection ends it */
    expect_state(x, 6);
    xenstored_put(x, FRONT "/state", "1");
    xenstored_settle(x);
    guest_connects(x);
    expect_state(x, 4);
    xenstored_erase(x, FRONT);
    expect_state(x, 6);
}

static void removed_and_attached_again(void **state)
{
    struct xenstored *x = connected(state);

    toolstack_removes(x, "5");
    expect_state(x, 5); /* the front end has its say first */
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
    xenstored_erase(x, BACK);
    xenstored_erase(x, FRONT);
    expect_state(x, UINT32_MAX); /* not written again */
    create(x);
    expect_state(x, 2);
}

static void there_before_us_and_without_a_pv_port(void **state)
{
    struct xenstored *x = *state;

    vkbd_close(vkbd);
    create(x);
    open_vkbd(x);
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
    assert_int_equal(mapped(), 0);
    xenstored_put(x, FRONT "/state", "5");
    expect_state(x, 5);
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
    xenstored_put(x, FRONT "/state", "1");
    expect_state(x, 2);
}

static void odd_back_ends(void **state)
{
    struct xenstored *x = *state;
    char path[96];

    vkbd_close(vkbd);
    xenstored_put(x, "backend/vkbd/5/name", "x");              /* no device number */
    xenstored_put(x, "backend/vkbd/5/99999999999/state", "1"); /* no front end */
    for (int i = 0; i < 8; i++) {                              /* more than we serve */
        snprintf(path, sizeof path, "backend/vkbd/5/%d/frontend", i);
        xenstored_put(x, path, FRONT);
        snprintf(path, sizeof path, "backend/vkbd/5/%d/online", i);
        xenstored_put(x, path, "1");
        snprintf(path, sizeof path, "backend/vkbd/5/%d/state", i);
        xenstored_put(x, path, "1");
    }
    open_vkbd(x);
    expect_state(x, 2);
    assert_int_equal(xenstored_get(x, "backend/vkbd/5/3/state"), 2);
    assert_int_equal(xenstored_get(x, "backend/vkbd/5/7/state"), 1);
}

#include "tests/unit/vkbd_successor.h"

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(handshake),
        T(pointers),
        T(legacy_frame),
        T(close_and_reconnect),
        T(front_end_vanishes),
        T(removal_while_connected),
        T(removal_without_a_front_end),
        T(directory_goes_while_connected),
        T(forced_closed_by_the_toolstack),
        T(wild_values),
        T(what_cannot_be_had),
        T(xsa71_every_wrong_order),
        T(xsa184_wild_producer),
        T(xsa175_hostile_front_end),
        T(removed_and_attached_again),
        T(there_before_us_and_without_a_pv_port),
        T(odd_back_ends),
        T(successor_adopts),
        T(successor_adopts_before_the_guest_has_noticed),
        T(what_cannot_be_adopted),
        T(successor_finds_other_states),
        T(death_at_any_moment),
        T(paused_and_resumed),
        T(counts_events),
        cmocka_unit_test_setup_teardown(frame_without_the_right_to, setup_confined, teardown),
    };

    return cmocka_run_group_tests_name("vkbd", tests, NULL, NULL);
}
