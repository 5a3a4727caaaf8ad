/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a vkbd connection (hw/xen/vkbd.c) against a xenstore and a PV port of the test's own:
 * the hand-shake, every wrong order, and that nothing stays mapped or bound (S22).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/xen/vkbd.h"
#include "ioreq/pv.h"
#include "toolstack/xenstore.h"

#define NODES   32u
#define WATCHES 8u
#define BACK    "backend/vkbd/5/0"
#define FRONT   "/local/domain/5/device/vkbd/0"

/* --- xenstore: all that vkbd.c calls of it. */

struct xenstore {
    struct {
        char path[96], value[64];
    } node[NODES];
    struct xenstore_watch *watch[WATCHES];
    bool pending[WATCHES];
};

static struct xenstore store;

static int find(const char *path)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (strcmp(store.node[i].path, path) == 0)
            return (int)i;
    }
    return -1;
}

static void touch(const char *path)
{
    for (unsigned i = 0; i < WATCHES; i++) {
        size_t n = store.watch[i] ? strlen(store.watch[i]->path) : 0;

        if (n && strncmp(path, store.watch[i]->path, n) == 0 && (path[n] == '/' || !path[n]))
            store.pending[i] = true;
    }
}

static void put(const char *path, const char *value)
{
    int i = find(path);

    if (i < 0)
        i = find("");
    assert_true(i >= 0);
    snprintf(store.node[i].path, sizeof store.node[i].path, "%s", path);
    snprintf(store.node[i].value, sizeof store.node[i].value, "%s", value);
    touch(path);
}

static void erase(const char *prefix)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (strncmp(store.node[i].path, prefix, strlen(prefix)) == 0) {
            touch(store.node[i].path);
            store.node[i].path[0] = '\0';
        }
    }
}

/* Delivers until nothing changes any more; bounded, so that two sides cannot play for ever. */
static unsigned settle(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < WATCHES; i++) {
        if (!store.pending[i] || !store.watch[i])
            continue;
        store.pending[i] = false;
        store.watch[i]->changed(store.watch[i]->opaque, store.watch[i]->path);
        assert_true(++n < 100);
        i = UINT32_MAX; /* from the start */
    }
    return n;
}

int xenstore_read(struct xenstore *x, const char *path, char *buf, size_t size)
{
    int i = find(path);

    (void)x;
    return i < 0 ? -ENOENT : snprintf(buf, size, "%s", store.node[i].value);
}

int xenstore_read_u32(struct xenstore *x, const char *path, uint32_t *out)
{
    char text[64], *end;

    if (xenstore_read(x, path, text, sizeof text) < 0)
        return -ENOENT;
    *out = (uint32_t)strtoul(text, &end, 10);
    return *text && !*end ? 0 : -EINVAL;
}

int xenstore_write_u32(struct xenstore *x, const char *path, uint32_t value)
{
    char text[16];

    (void)x;
    snprintf(text, sizeof text, "%u", value);
    put(path, text);
    return 0;
}

int xenstore_list(struct xenstore *x, const char *path, char *buf, size_t size)
{
    (void)x;
    if (find(BACK "/frontend") < 0 || strcmp(path, "backend/vkbd/5") != 0 || size < 2)
        return -ENOENT;
    memcpy(buf, "0", 2);
    return 2;
}

int xenstore_watch(struct xenstore *x, struct xenstore_watch *w)
{
    (void)x;
    for (unsigned i = 0; i < WATCHES; i++) {
        if (!store.watch[i]) {
            store.watch[i] = w;
            store.pending[i] = true;
            return 0;
        }
    }
    return -ENOSPC;
}

void xenstore_unwatch(struct xenstore *x, struct xenstore_watch *w)
{
    (void)x;
    for (unsigned i = 0; i < WATCHES; i++) {
        if (store.watch[i] == w)
            store.watch[i] = NULL;
    }
}

/* --- PV port. */

struct fake_pv {
    struct pv pv;
    int mapped, bound;
    bool refuse_map, refuse_bind;
    uint32_t ref, port;
    uint64_t frame;
    struct pv_channel *channel;
    uint32_t page[1024];
};

static struct fake_pv fake;

static int map_grants(struct pv *p, const uint32_t *refs, unsigned nr, void **host)
{
    (void)p;
    assert_int_equal(nr, 1);
    if (fake.refuse_map)
        return -EINVAL;
    fake.ref = refs[0];
    fake.mapped++;
    *host = fake.page;
    return 0;
}

static void unmap_grants(struct pv *p, void *host, unsigned nr)
{
    (void)p;
    assert_ptr_equal(host, fake.page);
    assert_int_equal(nr, 1);
    fake.mapped--;
}

static int map_frame(struct pv *p, uint64_t gfn, void **host)
{
    (void)p;
    fake.frame = gfn;
    fake.mapped += 100;
    *host = fake.page;
    return 0;
}

static void unmap_frame(struct pv *p, void *host)
{
    (void)p;
    (void)host;
    fake.mapped -= 100;
}

static int bind(struct pv *p, uint32_t port, struct pv_channel *c)
{
    (void)p;
    if (fake.refuse_bind)
        return -ENOENT;
    fake.port = port;
    fake.bound++;
    fake.channel = c;
    c->bound = true;
    return 0;
}

static void unbind(struct pv *p, struct pv_channel *c)
{
    (void)p;
    if (c->bound)
        fake.bound--;
    c->bound = false;
}

static const struct pv_ops fake_ops = {
    .map_grants = map_grants,
    .unmap_grants = unmap_grants,
    .map_frame = map_frame,
    .unmap_frame = unmap_frame,
    .bind = bind,
    .unbind = unbind,
};

/* --- The toolstack and the guest. */

static void create(void)
{
    put(BACK "/frontend", FRONT);
    put(BACK "/online", "1");
    put(BACK "/state", "1");
    put(FRONT "/state", "1");
}

static int setup(void **state)
{
    struct error e = { "" };
    struct vkbd *v;

    memset(&store, 0, sizeof store);
    memset(&fake, 0, sizeof fake);
    fake.pv.ops = &fake_ops;
    if (vkbd_open(&store, 5, &v, &e) < 0)
        return -1;
    vkbd_set_pv(v, &fake.pv);
    *state = v;
    return 0;
}

static int teardown(void **state)
{
    vkbd_close(*state);
    for (unsigned i = 0; i < WATCHES; i++) {
        if (store.watch[i])
            return -1;
    }
    return fake.mapped || fake.bound ? -1 : 0;
}

static void expect_state(const char *state)
{
    int i;

    settle();
    i = find(BACK "/state");
    assert_true(i >= 0);
    assert_string_equal(store.node[i].value, state);
}

static void guest_connects(void)
{
    put(FRONT "/page-ref", "777");
    put(FRONT "/page-gref", "9");
    put(FRONT "/event-channel", "33");
    put(FRONT "/state", "3");
}

static void handshake(void **state)
{
    (void)state;
    create();
    expect_state("2");
    assert_true(find(BACK "/feature-abs-pointer") >= 0);
    assert_int_equal(fake.mapped, 0);
    guest_connects();
    expect_state("4");
    put(FRONT "/state", "4");
    expect_state("4");
    assert_int_equal(fake.mapped, 1);
    assert_int_equal(fake.bound, 1);
    assert_int_equal(fake.ref, 9);
    assert_int_equal(fake.port, 33);
    fake.page[3] = 0x12345;
    fake.channel->event(fake.channel->opaque);
    assert_int_equal(fake.page[2], 0x12345);
}

static void legacy_frame(void **state)
{
    (void)state;
    create();
    settle();
    put(FRONT "/page-ref", "777");
    put(FRONT "/event-channel", "33");
    put(FRONT "/state", "3");
    expect_state("4");
    assert_int_equal(fake.mapped, 100);
    assert_int_equal(fake.frame, 777);
}

static void close_and_reconnect(void **state)
{
    (void)state;
    create();
    settle();
    for (unsigned i = 0; i < 1000; i++) {
        guest_connects();
        expect_state("4");
        put(FRONT "/state", "5");
        expect_state("5");
        put(FRONT "/state", "6");
        expect_state("6");
        assert_int_equal(fake.mapped, 0);
        assert_int_equal(fake.bound, 0);
        put(FRONT "/state", "1"); /* kexec, driver reload */
        expect_state("2");
    }
}

static void front_end_vanishes(void **state)
{
    (void)state;
    create();
    settle();
    guest_connects();
    settle();
    erase(FRONT);
    expect_state("6");
    assert_int_equal(fake.mapped, 0);
}

static void removal_while_connected(void **state)
{
    (void)state;
    create();
    settle();
    guest_connects();
    settle();
    put(BACK "/online", "0");
    put(BACK "/state", "5");
    settle();
    put(FRONT "/state", "6");
    expect_state("6");
    assert_int_equal(fake.mapped, 0);
    erase(BACK);
    settle();
}

static void removal_without_a_front_end(void **state)
{
    (void)state;
    create();
    settle();
    put(BACK "/online", "0");
    put(BACK "/state", "5");
    expect_state("6");
}

static void directory_goes_while_connected(void **state)
{
    (void)state;
    create();
    settle();
    guest_connects();
    settle();
    erase(BACK);
    settle();
    assert_int_equal(fake.mapped, 0);
    assert_int_equal(fake.bound, 0);
}

static void forced_closed_by_the_toolstack(void **state)
{
    (void)state;
    create();
    settle();
    guest_connects();
    settle();
    put(BACK "/online", "0");
    put(BACK "/state", "6");
    settle();
    assert_int_equal(fake.mapped, 0);
}

static void wild_values(void **state)
{
    static const char *const wild[] = { "", "0", "x", "-1", "99999999999", "7", "4294967295" };

    (void)state;
    create();
    settle();
    for (unsigned i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        put(FRONT "/state", wild[i]);
        settle();
        put(FRONT "/event-channel", wild[i]);
        put(FRONT "/state", "3");
        settle();
        put(FRONT "/state", "6");
        settle();
        put(FRONT "/state", "1");
        expect_state("2");
        assert_int_equal(fake.mapped, 0);
    }
}

static void what_cannot_be_had(void **state)
{
    (void)state;
    create();
    settle();
    fake.refuse_map = true;
    guest_connects();
    expect_state("5");
    put(FRONT "/state", "6");
    expect_state("6");
    put(FRONT "/state", "1");
    expect_state("2");
    fake.refuse_map = false;
    fake.refuse_bind = true;
    guest_connects();
    expect_state("5");
    assert_int_equal(fake.mapped, 0);
    assert_int_equal(fake.bound, 0);
}

/* All orders of the guest's states, 4 deep, with the keys there or not. */
static void every_wrong_order(void **state)
{
    static const char *const states[] = { "1", "2", "3", "4", "5", "6" };

    (void)state;
    create();
    settle();
    for (unsigned n = 0; n < 6 * 6 * 6 * 6 * 2; n++) {
        if (n & 1)
            guest_connects();
        for (unsigned m = n / 2, i = 0; i < 4; i++, m /= 6) {
            put(FRONT "/state", states[m % 6]);
            settle();
            assert_true(fake.mapped <= 1 && fake.bound <= 1);
        }
        put(FRONT "/state", "5");
        settle();
        put(FRONT "/state", "6");
        settle();
        assert_int_equal(fake.mapped, 0);
        assert_int_equal(fake.bound, 0);
        erase(FRONT "/event-channel");
        put(FRONT "/state", "1");
        expect_state("2");
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(handshake),
        T(legacy_frame),
        T(close_and_reconnect),
        T(front_end_vanishes),
        T(removal_while_connected),
        T(removal_without_a_front_end),
        T(directory_goes_while_connected),
        T(forced_closed_by_the_toolstack),
        T(wild_values),
        T(what_cannot_be_had),
        T(every_wrong_order),
    };

    return cmocka_run_group_tests_name("vkbd", tests, NULL, NULL);
}
