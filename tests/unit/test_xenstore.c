/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_xenstore - our xenstore client against a small xenstored in another process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "ioreq/loop.h"
#include "tests/xenstored.h"
#include "toolstack/xenstore_wire.h"

static void reads_and_writes(void **state)
{
    struct xenstored x;
    char text[16];

    (void)state;
    xenstored_start(&x);
    xenstored_put(&x, "/a/b", "hello");
    assert_int_equal(xenstore_read(x.ours, "/a/b", text, sizeof text), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(xenstore_read(x.ours, "/a/b", text, 5), -E2BIG);
    assert_string_equal(text, "");
    assert_int_equal(xenstore_read(x.ours, "/a/b", text, 6), 5);
    assert_int_equal(xenstore_read(x.ours, "/a/c", text, sizeof text), -ENOENT);
    xenstored_put(&x, "/a/empty", "");
    assert_int_equal(xenstore_read(x.ours, "/a/empty", text, sizeof text), 0);
    xenstored_put(&x, "relative", "x");
    assert_int_equal(xenstore_read(x.ours, "/local/domain/0/relative", text, sizeof text), 1);
    assert_int_equal(xenstore_remove(x.ours, "/a"), 0);
    assert_int_equal(xenstore_read(x.ours, "/a/b", text, sizeof text), -ENOENT);
    xenstored_stop(&x);
}

static void writes_if(void **state)
{
    struct xenstored x;
    char text[16];

    (void)state;
    xenstored_start(&x);
    assert_int_equal(xenstore_write_if(x.ours, "/a/w", "/a/b", "1"), -ENOENT);
    assert_int_equal(xenstored_get(&x, "/a/b"), UINT32_MAX);
    xenstored_put(&x, "/a/w", "here");
    assert_int_equal(xenstore_write_if(x.ours, "/a/w", "/a/b", "1"), 0);
    assert_int_equal(xenstored_get(&x, "/a/b"), 1);
    xenstored_put(&x, "/other", "1");
    xenstored_put(&x, "/at-commit", "/other");
    assert_int_equal(xenstore_write_if(x.ours, "/a/w", "/a/b", "2"), 0); /* at the second try */
    assert_int_equal(xenstored_get(&x, "/a/b"), 2);
    xenstored_put(&x, "/at-commit", "/a");
    assert_int_equal(xenstore_write_if(x.ours, "/a/w", "/a/b", "3"), -ENOENT);
    assert_int_equal(xenstore_read(x.them, "/a/b", text, sizeof text), -ENOENT);
    xenstored_stop(&x);
}

/* S21: what a guest may have written. */
static void wild_values(void **state)
{
    static const char *const bad[] = { "",    " 1",         "1 ",
                                       "-1",  "+1",         "0x10",
                                       "1e3", "4294967296", "99999999999999999999999999",
                                       "one", "1\n",        "\xff" };
    char huge[XENSTORE_VALUE + 1];
    uint32_t value = 77;
    struct xenstored x;

    (void)state;
    xenstored_start(&x);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        xenstored_put(&x, "/v", bad[i]);
        assert_int_equal(xenstore_read_u32(x.ours, "/v", &value), -EINVAL);
    }
    assert_int_equal(value, 77);
    xenstored_put(&x, "/v", "4294967295");
    assert_int_equal(xenstore_read_u32(x.ours, "/v", &value), 0);
    assert_true(value == UINT32_MAX);
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(xenstore_write(x.ours, "/v", huge), -E2BIG);
    assert_int_equal(xenstore_write(x.ours, huge, "1"), -E2BIG);
    xenstored_stop(&x);
}

static void lists(void **state)
{
    struct xenstored x;
    char names[64];

    (void)state;
    xenstored_start(&x);
    xenstored_put(&x, "/d/one", "1");
    xenstored_put(&x, "/d/two/deep", "2");
    assert_int_equal(xenstore_list(x.ours, "/d", names, sizeof names), 8);
    assert_memory_equal(names, "one\0two", 8);
    assert_int_equal(xenstore_list(x.ours, "/d", names, 7), -E2BIG);
    assert_int_equal(xenstore_list(x.ours, "/e", names, sizeof names), -ENOENT);
    xenstored_stop(&x);
}

static void says_running(void **state)
{
    struct error e = { "" };
    struct xenstored x;
    char text[16];

    (void)state;
    xenstored_start(&x);
    assert_int_equal(xenstore_say_running(x.ours, 7, &e), 0);
    assert_int_equal(
        xenstore_read(x.them, "/local/domain/0/device-model/7/state", text, sizeof text), 7);
    assert_string_equal(text, "running");
    xenstored_stop(&x);
}

struct heard {
    unsigned calls;
    char path[160];
    struct xenstore *x;
    struct xenstore_watch watch;
    bool unwatch;
};

static void hear(void *opaque, const char *path)
{
    struct heard *h = opaque;

    h->calls++;
    snprintf(h->path, sizeof h->path, "%s", path);
    if (h->unwatch)
        xenstore_unwatch(h->x, &h->watch);
}

static void watch(struct xenstored *x, struct heard *h, const char *path)
{
    *h = (struct heard){ .x = x->ours };
    h->watch = (struct xenstore_watch){ .path = path, .changed = hear, .opaque = h };
    assert_int_equal(xenstore_watch(x->ours, &h->watch), 0);
}

static void watches(void **state)
{
    struct heard near, far, once;
    struct xenstored x;

    (void)state;
    xenstored_start(&x);
    watch(&x, &near, "/a");
    watch(&x, &far, "backend/x");
    assert_int_equal(near.calls, 0); /* never inside a request */
    xenstored_settle(&x);
    assert_int_equal(near.calls, 1);
    assert_string_equal(near.path, "/a");
    xenstored_put(&x, "/a/b/c", "1");
    xenstored_settle(&x);
    assert_int_equal(near.calls, 2);
    assert_string_equal(near.path, "/a/b/c");
    xenstored_put(&x, "backend/x/0/state", "1");
    xenstored_settle(&x);
    assert_int_equal(far.calls, 2);
    assert_string_equal(far.path, "backend/x/0/state");
    watch(&x, &once, "/a");
    once.unwatch = true;
    xenstored_settle(&x);
    xenstored_put(&x, "/a/z", "1");
    xenstored_settle(&x);
    assert_int_equal(once.calls, 1);
    assert_int_equal(near.calls, 3);
    xenstore_unwatch(x.ours, &near.watch);
    xenstore_unwatch(x.ours, &near.watch); /* twice is once */
    xenstored_put(&x, "/a/b/c", "2");
    xenstored_settle(&x);
    assert_int_equal(near.calls, 3);
    xenstored_stop(&x);
}

/* S14, S15: events come faster than they are looked at. */
static void flood_is_bounded(void **state)
{
    struct heard h;
    struct xenstored x;
    char text[8];

    (void)state;
    xenstored_start(&x);
    watch(&x, &h, "/w");
    xenstored_settle(&x);
    h.calls = 0;
    assert_int_equal(xenstore_read(x.ours, "/flood", text, sizeof text), -ENOENT);
    xenstored_settle(&x);
    /* As many as the queue holds, and one that says "anything may have changed". */
    assert_in_range(h.calls, 2, 40);
    assert_string_equal(h.path, "/w");
    xenstored_stop(&x);
}

static void daemon_goes_away(void **state)
{
    static const char *const how[] = { "/die", "/long" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct xenstored x;
        char text[16];

        xenstored_start(&x);
        assert_int_equal(xenstore_read(x.ours, how[i], text, sizeof text), -ENOTCONN);
        assert_int_equal(xenstore_read(x.ours, "/a", text, sizeof text), -ENOTCONN);
        assert_int_equal(xenstore_write(x.ours, "/a", "1"), -ENOTCONN);
        while (loop_turn(x.loop, false))
            ;
        xenstored_stop(&x);
    }
}

static void count_call(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* Watches go on with another connection; what they missed they are told of by their first call. */
static void reconnects(void **state)
{
    unsigned lost[2] = { 0 }; /* times it was lost, and that it was back */
    const struct xenstore_calls calls = { .lost = count_call, .opaque = lost };
    const struct xenstore_calls again = { .back = count_call, .opaque = lost + 1 };
    struct error e = { "" };
    struct heard near, far;
    struct xenstored x;
    char text[8];

    (void)state;
    xenstored_start(&x);
    xenstore_tell(x.ours, &calls);
    watch(&x, &near, "/a");
    watch(&x, &far, "backend/x");
    xenstored_settle(&x);
    assert_null(xenstore_why_lost(x.ours));
    assert_int_equal(xenstore_read(x.ours, "/a/long", text, sizeof text), -ENOTCONN);
    assert_int_equal(lost[0], 0); /* never inside a request */
    xenstore_give_up(x.ours, "twice is once");
    while (loop_turn(x.loop, false))
        ;
    assert_int_equal(lost[0], 1);
    assert_string_equal(xenstore_why_lost(x.ours), "a message is too long");
    xenstored_put(&x, "/a/b", "1");
    xenstore_tell(x.ours, &again);
    assert_int_equal(xenstore_reconnect(x.ours, xs_connect(x.path, &e)), 0);
    assert_int_equal(lost[1], 0);
    xenstored_settle(&x);
    assert_int_equal(lost[1], 1);
    assert_int_equal(near.calls, 2);
    assert_int_equal(far.calls, 2);
    xenstored_put(&x, "/a/b", "2");
    xenstored_settle(&x);
    assert_int_equal(near.calls, 3);
    assert_string_equal(near.path, "/a/b");
    xenstore_unwatch(x.ours, &near.watch);
    xenstored_put(&x, "/a/b", "3");
    xenstored_settle(&x);
    assert_int_equal(near.calls, 3);
    assert_int_equal(lost[1], 1);
    xenstored_stop(&x);
}

static void nobody_there(void **state)
{
    struct loop *loop = loop_new();
    struct xenstore *x = NULL;
    struct error e = { "" };

    (void)state;
    assert_int_equal(xenstore_open(loop, "/no/such/socket", &x, &e), -ENOENT);
    assert_non_null(strstr(e.text, "/no/such/socket"));
    assert_null(x);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes), cmocka_unit_test(writes_if),
        cmocka_unit_test(wild_values),      cmocka_unit_test(lists),
        cmocka_unit_test(says_running),     cmocka_unit_test(watches),
        cmocka_unit_test(flood_is_bounded), cmocka_unit_test(nobody_there),
        cmocka_unit_test(reconnects),       cmocka_unit_test(daemon_goes_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
