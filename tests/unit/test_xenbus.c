/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The skeleton of all PV back ends (hw/xen/xenbus.c), by a back end that does nothing but hold a
 * page, a channel and a "resource", against a small xenstored and a simulated guest. What the tests
 * ask of every step: each thing is got once and given back once, in the order of the header.
 * The keyboard's own tests (test_vkbd.c) walk the same machine through more of the guest's orders.
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

#include "hw/xen/xenbus.h"
#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"

#define ROOT  "backend/toy/5"
#define BACK  ROOT "/0"
#define FRONT "/local/domain/5/device/toy/0"

enum { GREF = 9, PORT = 33, TOYS = 3 };

/* --- The back end under the skeleton. */

struct toy {
    struct xenbus_device dev; /* first member */
    bool open, mapped;
    void *page;
    struct pv_channel channel;
};

static struct {
    struct pv_sim *guest;
    struct pv *pv;
    struct xenbus bus;
    struct toy toys[TOYS];
    uint64_t events;
    int init_result, connect_result; /* what the next calls answer, if not 0 */
    bool kick_in_connect, in_flight;
    unsigned inits, finis, connects, disconnects, changes, nesting;
    bool adopting, left; /* as the last init() or connect(), fini() saw it */
    char key[32];        /* of the last change */
} t;

static void toy_event(void *opaque)
{
    (void)opaque;
}

static int toy_init(struct xenbus_device *d)
{
    struct toy *toy = (struct toy *)d;

    assert_false(toy->open);
    t.inits++;
    t.adopting = d->adopting;
    if (t.init_result < 0)
        return t.init_result;
    toy->open = true;
    xenbus_publish(d, "feature-toy", "yes");
    return 0;
}

static int toy_connect(struct xenbus_device *d)
{
    struct toy *toy = (struct toy *)d;
    uint32_t port = xenbus_front_number(d, "event-channel", 0);
    uint32_t ref = xenbus_front_number(d, "ring-ref", 0);
    int ret;

    assert_true(toy->open);
    assert_false(toy->mapped);
    assert_int_equal(t.nesting++, 0);
    if (t.kick_in_connect)
        xenbus_kick(d);
    t.nesting--;
    t.connects++;
    t.adopting = d->adopting;
    if (t.connect_result < 0)
        return t.connect_result;
    if (!port || !ref)
        return -EAGAIN;
    ret = t.pv->ops->map_grants(t.pv, &ref, 1, &toy->page);
    toy->mapped = ret == 0;
    toy->channel = (struct pv_channel){ .event = toy_event, .opaque = toy };
    if (ret == 0)
        ret = t.pv->ops->bind(t.pv, port, &toy->channel);
    xenbus_publish_number(d, "sectors", 17);
    return ret;
}

static void toy_disconnect(struct xenbus_device *d)
{
    struct toy *toy = (struct toy *)d;

    assert_true(toy->open);
    t.disconnects++;
    if (!toy->mapped)
        return;
    t.pv->ops->unbind(t.pv, &toy->channel);
    t.pv->ops->unmap_grants(t.pv, toy->page, 1);
    toy->mapped = false;
}

static bool toy_idle(struct xenbus_device *d)
{
    (void)d;
    return !t.in_flight;
}

static void toy_changed(struct xenbus_device *d, const char *key)
{
    t.changes++;
    snprintf(t.key, sizeof t.key, "%s", key ? key : "any");
    if (key && !strcmp(key, "params"))
        xenbus_kick(d);
}

static void toy_fini(struct xenbus_device *d)
{
    struct toy *toy = (struct toy *)d;

    assert_false(toy->mapped);
    t.finis++;
    t.left = d->bus->leaving;
    toy->open = false;
}

static const struct xenbus_ops toy_ops = {
    .type = "toy",
    .size = sizeof(struct toy),
    .max = TOYS,
    .init = toy_init,
    .connect = toy_connect,
    .disconnect = toy_disconnect,
    .idle = toy_idle,
    .changed = toy_changed,
    .fini = toy_fini,
};

/* --- Toolstack, guest, and processes that come and go. */

static void create(struct xenstored *x)
{
    xenstored_put(x, FRONT "/state", "1");
    xenstored_put(x, BACK "/frontend", FRONT);
    xenstored_put(x, BACK "/online", "1");
    xenstored_put(x, BACK "/state", "1");
}

static void start_process(struct xenstored *x)
{
    struct error e = { "" };

    if (xenbus_open(&t.bus, &toy_ops, t.toys, x->ours, 5, &e) < 0)
        fail_msg("%s", e.text);
    t.pv = pv_sim_attach(t.guest, x->loop, false);
    assert_non_null(t.pv);
    t.bus.pv = t.pv;
    t.bus.events = &t.events;
}

static void process_dies(struct xenstored *x)
{
    xenstore_close(x->ours);
    pv_sim_kill(t.pv);
}

static void successor_starts(struct xenstored *x)
{
    struct error e = { "" };

    assert_int_equal(xenstore_open(x->loop, x->path, &x->ours, &e), 0);
    start_process(x);
    xenbus_resume(&t.bus);
}

static int setup(void **state)
{
    struct xenstored *x = malloc(sizeof *x);

    memset(&t, 0, sizeof t);
    t.guest = pv_sim_new();
    assert_non_null(pv_sim_page(t.guest, GREF, false));
    assert_true(pv_sim_offer(t.guest, PORT));
    xenstored_start(x);
    start_process(x);
    *state = x;
    return 0;
}

static unsigned held(void)
{
    return pv_sim_mapped(t.guest) + pv_sim_bound(t.guest);
}

static int teardown(void **state)
{
    struct xenstored *x = *state;
    bool left;

    xenbus_close(&t.bus);
    xenstored_put(x, BACK "/state", "1"); /* no watch is left to call what is gone */
    xenstored_put(x, FRONT "/state", "1");
    xenstored_settle(x);
    t.pv->ops->destroy(t.pv);
    xenstored_stop(x);
    free(x);
    left = held() || t.toys[0].open;
    pv_sim_free(t.guest);
    return left ? -1 : 0;
}

static void expect_state(struct xenstored *x, uint32_t state)
{
    xenstored_settle(x);
    assert_int_equal(xenstored_get(x, BACK "/state"), state);
}

static void front_state(struct xenstored *x, const char *state, uint32_t back)
{
    xenstored_put(x, FRONT "/state", state);
    expect_state(x, back);
}

static void guest_connects(struct xenstored *x)
{
    xenstored_put(x, FRONT "/ring-ref", "9");
    xenstored_put(x, FRONT "/event-channel", "33");
    xenstored_put(x, FRONT "/state", "3");
}

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
    assert_int_equal(held(), 2);
    return x;
}

static void count_writes(void *opaque, const char *path)
{
    (void)path;
    ++*(unsigned *)opaque;
}

/* --- Tests. */

static void in_order(void **state)
{
    struct xenstored *x = *state;
    char text[8];

    create(x);
    expect_state(x, 2);
    assert_int_equal(xenbus_read(&t.toys[0].dev, "feature-toy", text, sizeof text), 3);
    assert_int_equal(t.inits, 1);
    assert_int_equal(t.connects, 0);
    guest_connects(x);
    expect_state(x, 4);
    assert_int_equal(xenstored_get(x, BACK "/sectors"), 17);
    front_state(x, "4", 4);
    front_state(x, "5", 5);
    front_state(x, "6", 6);
    assert_int_equal(held(), 0);
    assert_int_equal(t.connects, 1);
    assert_int_equal(t.disconnects, 1);
    front_state(x, "1", 2); /* the resource is still the same one */
    assert_int_equal(t.inits, 1);
    assert_int_equal(t.finis, 0);
    assert_false(t.adopting);
    assert_true(t.events > 0);
}

static void many_rounds(void **state)
{
    struct xenstored *x = attached(state);

    for (unsigned i = 1; i <= 500; i++) {
        guest_connects(x);
        expect_state(x, 4);
        assert_int_equal(held(), 2);
        front_state(x, i % 3 ? "5" : "6", i % 3 ? 5 : 6);
        front_state(x, "6", 6);
        assert_int_equal(held(), 0);
        assert_int_equal(t.connects, i);
        assert_int_equal(t.disconnects, i);
        front_state(x, "1", 2);
    }
    assert_int_equal(t.inits, 1);
}

/* All orders of the guest's states, 4 deep, its keys right, wild or not there. */
static void every_order(void **state)
{
    static const char *const states[] = { "1", "2", "3", "4", "5", "6", "7", "x" };
    static const char *const refs[] = { "9", "77", "4294967296", "" };
    struct xenstored *x = attached(state);

    for (unsigned n = 0; n < 8 * 8 * 8 * 8; n++) {
        guest_connects(x);
        xenstored_put(x, FRONT "/ring-ref", refs[n % ARRAY_SIZE(refs)]);
        for (unsigned m = n, i = 0; i < 4; i++, m /= 8) {
            xenstored_put(x, FRONT "/state", states[m % 8]);
            xenstored_settle(x);
            assert_true(held() == 0 || held() == 2);
        }
        front_state(x, "5", xenstored_get(x, BACK "/state") == 6 ? 6 : 5);
        front_state(x, "6", 6);
        assert_int_equal(held(), 0);
        front_state(x, "1", 2);
    }
    assert_int_equal(t.connects, t.disconnects);
    assert_int_equal(t.inits, 1);
}

/* What the toolstack can write wrongly or half: nothing of it is taken for a step. */
static void odd_directories(void **state)
{
    static const char *const wild[] = { "", "0", "7", "8", "-1", "x", "99999999999" };
    struct xenstored *x = *state;
    char path[64];

    xenstored_put(x, ROOT "/name", "x");
    xenstored_put(x, ROOT "/00/frontend", FRONT);
    xenstored_put(x, ROOT "/4294967296/frontend", FRONT);
    xenstored_put(x, BACK "/state", "1"); /* no front end yet */
    xenstored_put(x, BACK "/online", "1");
    expect_state(x, 1);
    assert_int_equal(t.inits, 0);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++)
        xenstored_put(x, BACK "/state", wild[i]);
    create(x);
    expect_state(x, 2);
    assert_int_equal(t.inits, 1);
    for (unsigned i = 1; i < 6; i++) { /* more than there is room for */
        snprintf(path, sizeof path, ROOT "/%u/frontend", i << 28);
        xenstored_put(x, path, "/local/domain/5/device/toy/1");
        snprintf(path, sizeof path, ROOT "/%u/online", i << 28);
        xenstored_put(x, path, "1");
        snprintf(path, sizeof path, ROOT "/%u/state", i << 28);
        xenstored_put(x, path, "1");
    }
    xenstored_settle(x);
    assert_int_equal(t.inits, TOYS);
    assert_non_null(xenbus_find(&t.bus, 2u << 28));
    assert_int_equal(xenbus_at(&t.bus, 2)->devid, 2u << 28);
    assert_null(xenbus_find(&t.bus, 3u << 28));
    xenstored_erase(x, ROOT "/268435456");
    xenstored_settle(x); /* one goes: there is room for another one */
    assert_int_equal(t.finis, 1);
    assert_int_equal(t.inits, TOYS + 1);
    assert_non_null(xenbus_find(&t.bus, 3u << 28));
    xenstored_erase(x, ROOT);
    xenstored_settle(x);
    assert_int_equal(t.finis, t.inits);
    assert_false(t.left);
}

/* Removal gives the resource back before the toolstack takes the directory away. */
static void removed_while_connected(void **state)
{
    struct xenstored *x = connected(state);

    xenstored_put(x, BACK "/online", "0");
    xenstored_put(x, BACK "/state", "5");
    expect_state(x, 5);
    assert_int_equal(held(), 2);
    front_state(x, "6", 6);
    assert_int_equal(held(), 0);
    assert_int_equal(t.finis, 1);
    assert_false(t.left);
    xenstored_erase(x, BACK);
    xenstored_erase(x, FRONT);
    xenstored_settle(x);
    assert_int_equal(t.finis, 1);
    create(x);
    expect_state(x, 2);
    assert_int_equal(t.inits, 2);
}

static void removed_by_force(void **state)
{
    struct xenstored *x = connected(state);

    xenstored_put(x, BACK "/online", "0");
    xenstored_put(x, BACK "/state", "6");
    expect_state(x, 6);
    assert_int_equal(t.finis, 1);
    xenstored_erase(x, BACK);
    create(x);
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
    xenstored_erase(x, BACK); /* and once without any announcement */
    xenstored_settle(x);
    assert_int_equal(held(), 0);
    assert_int_equal(t.finis, 2);
}

/* The toolstack removes the device between our look and our write. */
static void stays_removed(void **state)
{
    struct xenstored *x = connected(state);
    struct xenbus_device *d = &t.toys[0].dev;

    front_state(x, "4", 4);
    xenstored_put(x, "/at-commit", BACK);
    front_state(x, "5", UINT32_MAX);
    assert_int_equal(xenstored_get(x, BACK "/online"), UINT32_MAX);
    assert_int_equal(t.finis, 1);
    create(x);
    expect_state(x, 2);
    xenstored_put(x, "/at-commit", BACK);
    xenbus_publish(d, "feature-more", "yes");
    expect_state(x, UINT32_MAX);
    assert_int_equal(xenstored_get(x, BACK "/feature-more"), UINT32_MAX);
    create(x);
    expect_state(x, 2);
    xenstored_put(x, "/at-commit", "/another/one"); /* it meets somebody else: once again */
    guest_connects(x);
    expect_state(x, 4);
}

/* Another device of the same number, before anybody has seen that the old one is gone. */
static void removed_and_made_anew(void **state)
{
    struct xenstored *x = connected(state);

    front_state(x, "4", 4);
    xenstored_erase(x, BACK);
    xenstored_put(x, FRONT "/state", "1");
    create(x);
    expect_state(x, 2);
    assert_int_equal(t.inits, 2);
    guest_connects(x);
    expect_state(x, 4);
    assert_int_equal(held(), 2);
}

/* A successor goes on with what it finds, and the guest hears nothing. */
static void adopted(void **state)
{
    struct xenstored *x = connected(state);
    unsigned writes = 0;
    struct xenstore_watch w = { .path = ROOT, .changed = count_writes, .opaque = &writes };

    front_state(x, "4", 4);
    assert_int_equal(xenstore_watch(x->them, &w), 0);
    xenstored_settle(x);
    for (unsigned i = 0; i < 100; i++) {
        process_dies(x);
        successor_starts(x);
        assert_true(t.adopting);
        assert_int_equal(held(), 2);
        expect_state(x, 4);
        assert_false(t.toys[0].dev.adopting);
    }
    assert_int_equal(writes, 1); /* the watch's own first call */
    assert_int_equal(t.inits, 101);
    assert_int_equal(t.connects, 101);
    xenstore_unwatch(x->them, &w);
    front_state(x, "6", 6);
}

static void not_to_be_adopted(void **state)
{
    struct xenstored *x = connected(state);

    process_dies(x);
    t.init_result = -EIO;
    successor_starts(x);
    expect_state(x, 5);
    t.init_result = 0;
    front_state(x, "6", 6);
    front_state(x, "1", 2);
    guest_connects(x);
    expect_state(x, 4);
    process_dies(x);
    t.connect_result = -EPROTO;
    successor_starts(x);
    expect_state(x, 5);
    assert_int_equal(held(), 0);
}

/* xl block-detach of a mounted disk: older Linux says Closing, and goes on until it is unmounted.
 */
static void in_use_while_closing(void **state)
{
    static const char *const fronts[] = { "4", "5" };
    struct xenstored *x = *state;

    create(x);
    for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
        expect_state(x, 2);
        guest_connects(x);
        expect_state(x, 4);
        front_state(x, "4", 4);
        xenstored_put(x, BACK "/state", "5");
        front_state(x, fronts[i], 5);
        for (unsigned n = 0; n < 3; n++) {
            process_dies(x);
            successor_starts(x);
            assert_true(t.adopting);
            expect_state(x, 5);
            assert_int_equal(held(), 2);
        }
        xenbus_pause(&t.bus); /* our own successor */
        xenbus_resume(&t.bus);
        assert_int_equal(held(), 2);
        front_state(x, "6", 6);
        assert_int_equal(held(), 0);
        xenstored_put(x, FRONT "/state", "1");
    }
}

/* What has been refused, or never was, is nobody's to take over, whatever the front end says. */
static void refused_once(void **state)
{
    struct xenstored *x = connected(state);
    unsigned connects = t.connects;

    front_state(x, "4", 4);
    xenbus_refuse(&t.toys[0].dev, -EPROTO);
    expect_state(x, 5);
    for (unsigned i = 0; i < 10; i++)
        front_state(x, i % 2 ? "4" : "5", 5);
    assert_int_equal(t.connects, connects);
    process_dies(x);
    t.connect_result = -EBADMSG;
    successor_starts(x); /* it cannot know, and tries once */
    for (unsigned i = 0; i < 10; i++)
        front_state(x, i % 2 ? "4" : "5", 5);
    assert_int_equal(t.connects, connects + 1);
    t.connect_result = 0;
    front_state(x, "6", 6);
    front_state(x, "1", 2);
    front_state(x, "5", 5); /* before it has connected */
    front_state(x, "4", 5);
    assert_int_equal(t.connects, connects + 1);
    front_state(x, "6", 6);
    front_state(x, "1", 2);
    guest_connects(x);
    expect_state(x, 4);
}

/* A front end that closes and does not wait for us: what has begun is brought to its end. */
static void comes_back_too_early(void **state)
{
    static const char *const early[] = { "1", "3", "4", "5", "6", "x" };
    struct xenstored *x = attached(state);

    for (size_t i = 0; i < 2 * ARRAY_SIZE(early); i++) {
        guest_connects(x);
        expect_state(x, 4);
        t.in_flight = true;
        if (i & 1)
            front_state(x, "5", 5);
        xenstored_put(x, FRONT "/state", "6");
        xenstored_settle(x);
        xenstored_put(x, FRONT "/state", early[i / 2]);
        xenstored_settle(x);
        assert_int_equal(held(), 2);
        t.in_flight = false;
        xenbus_kick(&t.toys[0].dev);
        expect_state(x, i < 2 ? 2 : 6);
        assert_int_equal(held(), 0);
        assert_int_equal(t.disconnects, i + 1);
        assert_int_equal(t.connects, i + 1);
        front_state(x, "1", 2);
    }
}

/* Let events come in, where `ours` is lost: xenstored_settle() would ask by it. */
static void turn(struct xenstored *x)
{
    assert_int_equal(xenstored_get(x, "/nothing"), UINT32_MAX); /* they are here after that */
    while (loop_turn(x->loop, false))
        ;
}

static void expect_given_up(struct xenstored *x, uint32_t state)
{
    turn(x);
    xenstored_erase(x, "/broken");
    assert_non_null(xenstore_why_lost(x->ours));
    assert_int_equal(xenstored_get(x, BACK "/state"), state);
}

/* Whatever cannot be read: no connection is given up for it, and a successor goes on. */
static void no_answer(void **state)
{
    static const char *const nodes[] = { BACK "/state", BACK "/online", FRONT "/state",
                                         BACK "/frontend" };
    struct xenstored *x = connected(state);

    front_state(x, "4", 4);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        xenstored_put(x, "/broken", nodes[i]);
        xenstored_put(x, BACK "/online", "1");
        expect_given_up(x, 4);
        xenbus_kick(&t.toys[0].dev);
        turn(x);
        assert_int_equal(held(), 2); /* it serves on */
        assert_int_equal(t.disconnects, 0);
        xenstored_put(x, FRONT "/state", "5"); /* nobody sees it */
        xenstored_put(x, FRONT "/state", "4");
        xenbus_close(&t.bus);
        assert_true(t.left);
        t.disconnects = 0;
        t.pv->ops->destroy(t.pv);
        xenstore_close(x->ours);
        successor_starts(x);
        expect_state(x, 4);
        assert_int_equal(held(), 2);
    }
}

/* The same while it takes over; and where its own side has no answer. */
static void no_answer_while_adopting(void **state)
{
    static const char *const nodes[] = { FRONT "/ring-ref", FRONT "/event-channel",
                                         BACK "/feature-toy" };
    static const int errors[] = { -ETIMEDOUT, -ENOTCONN, -ENOMEM };
    struct xenstored *x = connected(state);

    front_state(x, "4", 4);
    for (size_t i = 0; i < ARRAY_SIZE(nodes) + ARRAY_SIZE(errors); i++) {
        process_dies(x);
        if (i < ARRAY_SIZE(nodes))
            xenstored_put(x, "/broken", nodes[i]);
        else
            t.connect_result = errors[i - ARRAY_SIZE(nodes)];
        successor_starts(x);
        expect_given_up(x, 4);
        t.connect_result = 0;
    }
    process_dies(x);
    successor_starts(x);
    expect_state(x, 4);
    assert_int_equal(held(), 2);
}

/* One dies after each turn of the loop in each part of the hand-shake. */
static void death_at_any_moment(void **state)
{
    static const struct {
        const char *front; /* NULL: the guest connects */
        uint32_t back;
    } parts[] = { { NULL, 4 }, { "4", 4 }, { "5", 5 }, { "6", 6 }, { "1", 2 } };
    struct xenstored *x = *state;

    create(x);
    for (unsigned turns = 0; turns < 16; turns++)
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
            assert_int_equal(held(), parts[i].back == 4 || parts[i].back == 5 ? 2 : 0);
        }
}

/* Our side has to wait for something: meanwhile every step may come again. */
static void connect_in_progress(void **state)
{
    struct xenstored *x = attached(state);

    for (unsigned i = 0; i < 3; i++) {
        t.connect_result = -EINPROGRESS;
        guest_connects(x);
        expect_state(x, 2);
        xenstored_put(x, FRONT "/state", "3");
        expect_state(x, 2);
        assert_int_equal(t.disconnects, i);
        t.connect_result = 0;
        if (i == 1) { /* the guest gives up */
            front_state(x, "5", 5);
            front_state(x, "6", 6);
        } else {
            xenbus_kick(&t.toys[0].dev);
            expect_state(x, 4);
            assert_int_equal(held(), 2);
            xenbus_kick(&t.toys[0].dev); /* one too many */
            expect_state(x, 4);
            front_state(x, "6", 6);
        }
        assert_int_equal(t.disconnects, i + 1);
        assert_int_equal(held(), 0);
        front_state(x, "1", 2);
    }
    t.connect_result = -EINPROGRESS;
    guest_connects(x);
    expect_state(x, 2);
    t.connect_result = -EIO; /* it comes to nothing */
    xenbus_kick(&t.toys[0].dev);
    expect_state(x, 5);
    assert_int_equal(t.disconnects, 4);
}

static void adoption_in_progress(void **state)
{
    struct xenstored *x = connected(state);

    process_dies(x);
    t.init_result = t.connect_result = -EINPROGRESS;
    successor_starts(x);
    expect_state(x, 4);
    assert_int_equal(held(), 0);
    t.init_result = 0;
    xenbus_kick(&t.toys[0].dev);
    expect_state(x, 4);
    assert_true(t.adopting);
    t.connect_result = 0;
    xenbus_kick(&t.toys[0].dev);
    assert_true(t.adopting);
    expect_state(x, 4);
    assert_int_equal(held(), 2);
    process_dies(x);
    t.connect_result = -EINPROGRESS;
    successor_starts(x);
    front_state(x, "6", 6); /* nobody waits for it any more */
    t.connect_result = 0;
    xenbus_kick(&t.toys[0].dev);
    expect_state(x, 6);
}

static void init_in_progress(void **state)
{
    struct xenstored *x = *state;

    t.init_result = -EINPROGRESS;
    create(x);
    expect_state(x, 1);
    assert_int_equal(t.finis, 0);
    t.init_result = 0;
    xenbus_kick(&t.toys[0].dev);
    expect_state(x, 2);
    xenstored_erase(x, BACK);
    xenstored_settle(x);
    t.init_result = -EINPROGRESS;
    create(x);
    expect_state(x, 1);
    xenstored_erase(x, BACK); /* what it had begun is given back */
    xenstored_settle(x);
    assert_int_equal(t.finis, 2);
}

/* A device that cannot be opened is closed, not tried without end, and has further chances. */
static void init_fails(void **state)
{
    struct xenstored *x = *state;
    unsigned tries;

    t.init_result = -ENOENT;
    create(x);
    expect_state(x, 6);
    assert_int_equal(t.inits, 1);
    assert_int_equal(t.finis, 1);
    xenstored_put(x, BACK "/params", "aio:/elsewhere");
    expect_state(x, 6);
    tries = t.inits;
    assert_true(tries > 1);
    front_state(x, "6", 6);
    assert_int_equal(t.inits, tries);
    front_state(x, "1", 6);
    assert_int_equal(t.inits, tries + 1);
    t.init_result = 0;
    xenstored_put(x, BACK "/params", "aio:/here");
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
}

static void kicked_from_inside(void **state)
{
    struct xenstored *x = attached(state);

    t.kick_in_connect = true;
    guest_connects(x);
    expect_state(x, 4);
    assert_int_equal(t.connects, 1);
    assert_int_equal(held(), 2);
}

static void hears_of_changes(void **state)
{
    struct xenstored *x = connected(state);
    unsigned before = t.changes;

    xenstored_put(x, BACK "/mode", "r");
    xenstored_settle(x);
    assert_int_equal(t.changes, before + 1);
    assert_string_equal(t.key, "mode");
    xenstored_put(x, BACK "/queue-0/x", "1");
    xenstored_settle(x);
    assert_string_equal(t.key, "queue-0/x");
    xenbus_resume(&t.bus);
    assert_string_equal(t.key, "any");
    before = t.changes;
    xenstored_put(x, ROOT "/1/mode", "r"); /* nobody's */
    xenstored_settle(x);
    assert_int_equal(t.changes, before);
}

static void publishes_once(void **state)
{
    struct xenstored *x = connected(state);
    struct xenbus_device *d = &t.toys[0].dev;
    unsigned writes = 0;
    struct xenstore_watch w = { .path = BACK, .changed = count_writes, .opaque = &writes };

    assert_int_equal(xenstore_watch(x->them, &w), 0);
    xenstored_settle(x);
    xenbus_publish_number(d, "sectors", 17);
    xenbus_publish(d, "feature-toy", "yes");
    xenstored_settle(x);
    assert_int_equal(writes, 1);
    xenbus_publish_number(d, "sectors", 18);
    xenbus_announce(d);
    expect_state(x, 4);
    assert_int_equal(writes, 3);
    assert_int_equal(xenbus_number(d, "sectors", 0), 18);
    assert_int_equal(xenbus_number(d, "nothing", 5), 5);
    front_state(x, "6", 6);
    writes = 0;
    xenbus_announce(d);
    expect_state(x, 6);
    assert_int_equal(writes, 0);
    xenstore_unwatch(x->them, &w);
}

static void refuses_in_the_middle(void **state)
{
    struct xenstored *x = connected(state);

    xenbus_refuse(&t.toys[0].dev, -EPROTO);
    expect_state(x, 5);
    assert_int_equal(held(), 0);
    xenbus_refuse(&t.toys[0].dev, -EPROTO);
    front_state(x, "5", 5);
    front_state(x, "6", 6);
    front_state(x, "1", 2);
    xenbus_refuse(&t.toys[0].dev, -EPROTO); /* nothing to refuse */
    expect_state(x, 2);
    guest_connects(x);
    expect_state(x, 4);
}

static void paused_and_resumed(void **state)
{
    struct xenstored *x = connected(state);

    for (unsigned i = 1; i < 4; i++) {
        xenbus_pause(&t.bus);
        xenbus_pause(&t.bus);
        assert_true(t.left);
        assert_int_equal(t.finis, i);
        expect_state(x, 4);
        assert_int_equal(held(), 0);
        xenbus_kick(&t.toys[0].dev); /* from something that was on its way */
        assert_int_equal(held(), 0);
        xenbus_resume(&t.bus);
        assert_int_equal(held(), 2);
        expect_state(x, 4);
    }
    xenbus_pause(&t.bus);
    front_state(x, "5", 4);
    xenbus_resume(&t.bus);
    expect_state(x, 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(in_order),
        T(many_rounds),
        T(every_order),
        T(odd_directories),
        T(removed_while_connected),
        T(removed_by_force),
        T(stays_removed),
        T(removed_and_made_anew),
        T(adopted),
        T(not_to_be_adopted),
        T(in_use_while_closing),
        T(refused_once),
        T(comes_back_too_early),
        T(no_answer),
        T(no_answer_while_adopting),
        T(death_at_any_moment),
        T(connect_in_progress),
        T(adoption_in_progress),
        T(init_in_progress),
        T(init_fails),
        T(kicked_from_inside),
        T(hears_of_changes),
        T(publishes_once),
        T(refuses_in_the_middle),
        T(paused_and_resumed),
    };

    return cmocka_run_group_tests_name("xenbus", tests, NULL, NULL);
}
