/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vkbd_successor - the part of test_vkbd.c where a process dies and another one goes on. */
#ifndef TESTS_UNIT_VKBD_SUCCESSOR_H
#define TESTS_UNIT_VKBD_SUCCESSOR_H

static void count_writes(void *opaque, const char *path)
{
    (void)path;
    ++*(unsigned *)opaque;
}

/* The guest must not see anything: any write to our state would be news to it. */
static void successor_adopts(void **state)
{
    struct xenstored *x = connected(state);
    uint32_t *page = pv_sim_page(guest, GREF, false);
    unsigned writes = 0;
    struct xenstore_watch w = { .path = "backend/vkbd/5",
                                .changed = count_writes,
                                .opaque = &writes };

    xenstored_put(x, FRONT "/state", "4");
    xenstored_settle(x);
    assert_int_equal(xenstore_watch(x->them, &w), 0);
    xenstored_settle(x);
    for (unsigned i = 0; i < 1000; i++) {
        page[0] = i;
        page[1] = i + 1;
        page[2] = i + 2;
        page[3] = i + 3;
        process_dies(x);
        page[3]++; /* nobody hears of this one */
        assert_false(pv_sim_signal(guest, PORT));
        successor_starts(x);
        assert_int_equal(mapped(), 1); /* before it says that it is ready */
        assert_int_equal(bound(), 1);
        expect_state(x, 4);
        assert_int_equal(page[0], i);
        assert_int_equal(page[1], i + 1);
        assert_int_equal(page[2], i + 4); /* taken off the ring, by what bind() left pending */
        assert_int_equal(page[3], i + 4);
    }
    assert_int_equal(writes, 1); /* the watch's own first call */
    xenstore_unwatch(x->them, &w);
    xenstored_put(x, FRONT "/state", "5");
    expect_state(x, 5);
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
}

/* The guest has not seen yet that the dead one had connected. */
static void successor_adopts_before_the_guest_has_noticed(void **state)
{
    struct xenstored *x = connected(state);

    process_dies(x);
    successor_starts(x);
    expect_state(x, 4);
    assert_int_equal(mapped() + bound(), 2);
}

/* Where adoption is not possible the guest is told to connect anew, and then it works. */
static void what_cannot_be_adopted(void **state)
{
    struct xenstored *x = connected(state);

    for (int i = 0; i < 3; i++) {
        process_dies(x);
        if (i == 0)
            pv_sim_revoke(guest, GREF, false);
        else if (i == 1)
            pv_sim_withdraw(guest, PORT);
        else
            xenstored_erase(x, FRONT "/event-channel");
        successor_starts(x);
        expect_state(x, 5);
        assert_int_equal(mapped() + bound(), 0);
        xenstored_put(x, FRONT "/state", "6");
        expect_state(x, 6);
        offer_all();
        xenstored_put(x, FRONT "/state", "1");
        expect_state(x, 2);
        guest_connects(x);
        expect_state(x, 4);
        assert_int_equal(mapped() + bound(), 2);
    }
}

/* What the guest did while nobody was there. */
static void successor_finds_other_states(void **state)
{
    static const struct {
        const char *front;
        uint32_t back;
        unsigned held; /* a front end that closes may still be in use */
    } seen[] = { { "5", 5, 2 }, { "6", 6, 0 }, { "1", 2, 0 }, { "2", 6, 0 }, { "x", 6, 0 } };
    struct xenstored *x = connected(state);

    for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
        process_dies(x);
        xenstored_put(x, FRONT "/state", seen[i].front);
        successor_starts(x);
        expect_state(x, seen[i].back);
        assert_int_equal(mapped() + bound(), seen[i].held);
        xenstored_put(x, FRONT "/state", "6");
        xenstored_settle(x);
        assert_int_equal(mapped() + bound(), 0);
        xenstored_put(x, FRONT "/state", "1");
        expect_state(x, 2);
        guest_connects(x);
        expect_state(x, 4);
    }
    process_dies(x);
    xenstored_erase(x, BACK); /* the toolstack has removed the device */
    successor_starts(x);
    expect_state(x, UINT32_MAX);
    assert_int_equal(mapped() + bound(), 0);
}

/* A death after each turn of the loop, in each part of the hand-shake: the successor ends up where
 * the dead one was going. */
static void death_at_any_moment(void **state)
{
    static const struct {
        const char *front; /* NULL: the guest connects */
        uint32_t back;
        unsigned held;
    } parts[] = { { NULL, 4, 2 }, { "4", 4, 2 }, { "5", 5, 2 }, { "6", 6, 0 }, { "1", 2, 0 } };
    struct xenstored *x = *state;

    create(x);
    for (unsigned turns = 0; turns < 12; turns++)
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
            if (parts[i].front)
                xenstored_put(x, FRONT "/state", parts[i].front);
            else
                guest_connects(x);
            for (unsigned n = 0; n < turns; n++)
                loop_turn(x->loop, false);
            process_dies(x);
            successor_starts(x);
            expect_state(x, parts[i].back);
            assert_int_equal(mapped() + bound(), parts[i].held);
        }
}

static void paused_and_resumed(void **state)
{
    struct xenstored *x = connected(state);
    uint32_t *page = pv_sim_page(guest, GREF, false);

    for (int i = 0; i < 3; i++) {
        vkbd_pause(vkbd);
        vkbd_pause(vkbd);
        expect_state(x, 4);
        assert_int_equal(mapped() + bound(), 0);
        vkbd_resume(vkbd);
        vkbd_resume(vkbd);
        expect_state(x, 4);
        assert_int_equal(mapped() + bound(), 2);
        page[3]++;
        assert_true(pv_sim_signal(guest, PORT));
        xenstored_settle(x);
        assert_int_equal(page[2], page[3]);
    }
    vkbd_pause(vkbd);
    xenstored_put(x, FRONT "/state", "5"); /* is not answered by one that has let go */
    expect_state(x, 4);
    vkbd_resume(vkbd);
    expect_state(x, 5);
    vkbd_pause(vkbd);
    xenstored_erase(x, BACK);
    expect_state(x, UINT32_MAX);
    vkbd_resume(vkbd);
    create(x);
    expect_state(x, 2);
}

/* Only what a guest brought forward counts: a start that dies again has counted nothing. */
static void counts_events(void **state)
{
    struct xenstored *x = connected(state);
    uint32_t *page = pv_sim_page(guest, GREF, false);
    uint64_t before;

    assert_true(events > 0);
    before = events;
    for (int i = 0; i < 5; i++) {
        process_dies(x);
        successor_starts(x);
        expect_state(x, 4);
        assert_true(pv_sim_signal(guest, PORT)); /* nothing is on the ring */
        xenstored_settle(x);
    }
    assert_true(events == before);
    page[3]++;
    assert_true(pv_sim_signal(guest, PORT));
    xenstored_settle(x);
    assert_true(events == before + 1);
}

/* A confined process has no foreign memory: such a guest is refused, and not left waiting. */
static void frame_without_the_right_to(void **state)
{
    struct xenstored *x = attached(state);

    xenstored_put(x, FRONT "/page-ref", "777");
    xenstored_put(x, FRONT "/event-channel", "33");
    xenstored_put(x, FRONT "/state", "3");
    expect_state(x, 5);
    assert_int_equal(mapped() + bound(), 0);
    xenstored_put(x, FRONT "/state", "6");
    expect_state(x, 6);
    xenstored_put(x, FRONT "/state", "1");
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
}

#endif
