/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_broker - the PV worker's filtered way to xenstore, with a small xenstored behind it and a
 * hostile worker in front.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "tests/xenstored.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/xenstore_wire.h"

#define BACK  "backend/vkbd/5/0"
#define FRONT "/local/domain/5/device/vkbd/0"

/* A body of two strings or more, and its length without the NUL that C adds. */
#define BODY(text) text, sizeof(text) - 1

struct bench {
    struct xenstored x;
    struct broker *broker;
    int fd; /* the worker's end */
    struct xs_message in;
};

static struct bench bench;

static void connect_broker(struct bench *b)
{
    struct error e = { "" };

    if (broker_new(b->x.loop, 5, b->x.path, &b->broker, &b->fd, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(fcntl(b->fd, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(b->fd, F_GETFL) & O_NONBLOCK);
    b->in.done = 0;
}

static int setup(void **state)
{
    xenstored_start(&bench.x);
    xenstored_put(&bench.x, BACK "/state", "1");
    xenstored_put(&bench.x, BACK "/frontend", FRONT);
    xenstored_put(&bench.x, "backend/console/5/1/frontend", "x");
    xenstored_put(&bench.x, FRONT "/state", "3");
    xenstored_put(&bench.x, "/vm/secret", "secret");
    connect_broker(&bench);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    broker_free(b->broker);
    if (b->fd >= 0)
        close(b->fd);
    xenstored_stop(&b->x);
    return 0;
}

static void turn(struct bench *b)
{
    loop_turn(b->x.loop, false);
}

/* Until nothing has moved for a while; a broker that spins never gets there. */
static void settle(struct bench *b)
{
    int turns = 0;

    for (int quiet = 0; quiet < 20; turns++) {
        quiet = loop_turn(b->x.loop, false) ? 0 : quiet + 1;
        usleep(quiet > 1 ? 500 : 0);
        assert_true(turns < 100000);
    }
}

static void send_bytes(struct bench *b, const void *bytes, size_t n, size_t piece)
{
    const char *from = bytes;

    while (n) {
        size_t k = n < piece ? n : piece;
        ssize_t sent = send(b->fd, from, k, MSG_NOSIGNAL);

        turn(b);
        if (sent < 0)
            continue;
        from += sent;
        n -= (size_t)sent;
    }
}

static void ask_tx(struct bench *b, uint32_t type, uint32_t request, uint32_t tx, const char *body,
                   size_t n)
{
    struct xs_header h = { type, request, tx, (uint32_t)n };

    send_bytes(b, &h, sizeof h, sizeof h);
    send_bytes(b, body, n, 1000);
}

static void ask(struct bench *b, uint32_t type, const char *body, size_t n)
{
    ask_tx(b, type, 7, 0, body, n);
}

/* The next message to the worker; its type. 0: the broker has hung up. */
static uint32_t take(struct bench *b)
{
    for (int i = 0; i < 20000; i++) {
        int ret = xs_receive(b->fd, &b->in);

        if (ret == 1)
            return b->in.header.type;
        if (ret < 0)
            return 0;
        turn(b);
        if (i > 100)
            usleep(100);
    }
    fail_msg("no answer");
    return 0;
}

static void expect_error(struct bench *b, const char *name)
{
    assert_int_equal(take(b), XS_ERROR);
    assert_string_equal(b->in.body, name);
    assert_int_equal(b->in.header.length, strlen(name) + 1);
    assert_int_equal(b->in.header.request, 7);
}

static void expect_text(struct bench *b, uint32_t type, const char *text)
{
    assert_int_equal(take(b), type);
    assert_string_equal(b->in.body, text);
}

static uint32_t begin(struct bench *b)
{
    ask(b, XS_TRANSACTION_START, BODY("\0"));
    assert_int_equal(take(b), XS_TRANSACTION_START);
    return (uint32_t)strtoul(b->in.body, NULL, 10);
}

static void end(struct bench *b, uint32_t tx, const char *how)
{
    ask_tx(b, XS_TRANSACTION_END, 7, tx, how, strlen(how) + 1);
    expect_text(b, XS_TRANSACTION_END, "OK");
}

static void passes_what_is_allowed(void **state)
{
    struct bench *b = *state;
    uint32_t tx;

    ask_tx(b, XS_READ, 0xfffffff0, 0, BODY(BACK "/state\0"));
    expect_text(b, XS_READ, "1");
    assert_int_equal(b->in.header.request, 0xfffffff0);
    ask(b, XS_READ, BODY(FRONT "/state\0"));
    expect_text(b, XS_READ, "3");
    ask(b, XS_READ, BODY("/local/domain/0/" BACK "/state\0"));
    expect_text(b, XS_READ, "1");
    ask(b, XS_DIRECTORY, BODY("backend/vkbd/5\0"));
    expect_text(b, XS_DIRECTORY, "0");
    tx = begin(b);
    ask_tx(b, XS_READ, 7, tx, BODY(BACK "/frontend\0"));
    expect_text(b, XS_READ, FRONT);
    ask_tx(b, XS_WRITE, 7, tx, BODY(BACK "/state\0002"));
    expect_text(b, XS_WRITE, "OK");
    end(b, tx, "T");
    assert_int_equal(xenstored_get(&b->x, BACK "/state"), 2);
    ask(b, XS_READ, BODY(BACK "/none\0"));
    expect_error(b, "ENOENT"); /* the daemon's answer */
    tx = begin(b);
    ask_tx(b, XS_READ, 7, tx, BODY("/local/domain/0/backend/console/5/1/frontend\0"));
    expect_text(b, XS_READ, "x");
    ask_tx(b, XS_WRITE, 7, tx, BODY("/local/domain/5/device/console/1/tty\0/dev/pts/12"));
    expect_text(b, XS_WRITE, "OK");
    end(b, tx, "T");
}

/* A captured worker writes to devices that are there: it cannot fill xenstore. */
static void creates_no_devices(void **state)
{
    static const struct {
        const char *seen, *written;
        size_t n;
    } tries[] = {
        { BACK "/state", BODY(BACK "/state\0002") },
        { BACK "/none", BODY(BACK "/state\0002") },
        { FRONT "/state", BODY(BACK "/state\0002") },
        { "backend/vkbd/5/9/frontend", BODY("backend/vkbd/5/9/state\0002") },
        { BACK "/frontend", BODY("backend/vkbd/5/1/state\0002") },
        { BACK "/frontend", BODY("backend/vkbd/5/00/state\0002") },
        { BACK "/frontend", BODY("backend/qdisk/5/0/state\0002") },
        { BACK "/frontend", BODY("/local/domain/5/device/console/0/tty\0/dev/pts/1") },
        { BACK "/frontend", BODY("/local/domain/5/device/console/1/tty\0/dev/pts/1") },
        { BACK "/frontend", BODY(BACK "/feature-17\0001") },
    };
    struct bench *b = *state;
    uint32_t tx, other;

    ask(b, XS_READ, BODY(BACK "/frontend\0"));
    expect_text(b, XS_READ, FRONT);
    ask(b, XS_WRITE, BODY(BACK "/state\0002"));
    expect_error(b, "EACCES");
    for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
        tx = begin(b);
        ask_tx(b, XS_READ, 7, tx, tries[i].seen, strlen(tries[i].seen) + 1);
        take(b);
        ask_tx(b, XS_WRITE, 7, tx, tries[i].written, tries[i].n);
        expect_error(b, "EACCES");
        end(b, tx, "F");
    }
    tx = begin(b);
    other = begin(b);
    ask_tx(b, XS_READ, 7, tx, BODY(BACK "/frontend\0"));
    expect_text(b, XS_READ, FRONT);
    ask_tx(b, XS_WRITE, 7, other, BODY(BACK "/state\0002"));
    expect_error(b, "EACCES");
    end(b, tx, "T");
    ask_tx(b, XS_WRITE, 7, tx, BODY(BACK "/state\0002"));
    expect_error(b, "EACCES");
    assert_int_equal(xenstored_get(&b->x, BACK "/state"), 1);
}

/* A watch's token and paths come back as they were given. */
static void watches_pass(void **state)
{
    struct bench *b = *state;

    ask(b, XS_WATCH, BODY(FRONT "/state\0any token, 1\0"));
    expect_text(b, XS_WATCH, "OK");
    expect_text(b, XS_WATCH_EVENT, FRONT "/state");
    assert_string_equal(b->in.body + sizeof FRONT "/state", "any token, 1");
    xenstored_put(&b->x, FRONT "/state", "4");
    expect_text(b, XS_WATCH_EVENT, FRONT "/state");
    ask(b, XS_WATCH, BODY("backend/vkbd/5\0two\0"));
    expect_text(b, XS_WATCH, "OK");
    expect_text(b, XS_WATCH_EVENT, "backend/vkbd/5");
    ask(b, XS_UNWATCH, BODY(FRONT "/state\0any token, 1\0"));
    expect_text(b, XS_UNWATCH, "OK");
    xenstored_put(&b->x, FRONT "/state", "5");
    xenstored_put(&b->x, BACK "/online", "1");
    expect_text(b, XS_WATCH_EVENT, BACK "/online");
}

static const struct {
    uint32_t type;
    bool allowed;
    const char *body;
    size_t n;
} rules[] = {
    { XS_READ, true, BODY("backend/qdisk/5/51712/params\0") },
    { XS_READ, true, BODY("backend/console/5\0") },
    { XS_READ, true, BODY("/local/domain/0/backend/vfb/5/0\0") },
    { XS_READ, true, BODY("/local/domain/5/device/vbd/51712/ring-ref\0") },
    { XS_DIRECTORY, true, BODY("/local/domain/5/device/vfb\0") },
    { XS_WATCH, true, BODY("/local/domain/5/device/console/1/state\0t\0") },
    { XS_WRITE, true, BODY("backend/qdisk/5/51712/sectors\000123456") },
    { XS_WRITE, true, BODY("backend/vkbd/5/0/feature-abs-pointer\0001") },
    { XS_WRITE, true, BODY("/local/domain/0/backend/qdisk/5/768/feature-discard\0000") },
    { XS_READ, true, BODY("backend/9pfs/5/0/frontend\0") },
    { XS_WATCH, true, BODY("/local/domain/5/device/9pfs/0/state\0t\0") },
    { XS_WRITE, true, BODY("backend/console/5/1/state\0004") },
    { XS_WRITE, true, BODY("backend/9pfs/5/0/state\0006") },
    { XS_WRITE, true, BODY("/local/domain/0/backend/vfb/5/0/state\0006") },
    /* other types, other domains, other places */
    { XS_READ, false, BODY("backend/vif/5/0/state\0") },
    { XS_READ, false, BODY("backend/vkbd/55/0/state\0") },
    { XS_READ, false, BODY("backend/vkbd/4/0/state\0") },
    { XS_READ, false, BODY("backend/vkbd/05/0/state\0") },
    { XS_READ, false, BODY("backend/vkbd\0") },
    { XS_READ, false, BODY("backend\0") },
    { XS_READ, false, BODY("/\0") },
    { XS_READ, false, BODY("/local/domain/5/device\0") },
    { XS_READ, false, BODY("/local/domain/5/device/vif/0/state\0") },
    { XS_READ, false, BODY("/local/domain/5/device/vkbd2/0/state\0") },
    { XS_READ, false, BODY("/local/domain/51/device/vkbd/0/state\0") },
    { XS_READ, false, BODY("/local/domain/5/console/tty\0") },
    { XS_READ, false, BODY("device/vkbd/0\0") },
    { XS_READ, false, BODY("/backend/vkbd/5/0/state\0") },
    { XS_READ, false, BODY("/vm/secret\0") },
    { XS_DIRECTORY, false, BODY("/local/domain\0") },
    { XS_WATCH, false, BODY("@releaseDomain\0t\0") },
    { XS_WATCH, false, BODY("/local/domain/5\0t\0") },
    /* ways around */
    { XS_READ, false, BODY("backend/vkbd/5/../../../vm/secret\0") },
    { XS_READ, false, BODY("backend/vkbd/5/./0\0") },
    { XS_READ, false, BODY("backend/vkbd/5//0\0") },
    { XS_READ, false, BODY("backend/vkbd/5/0/\0") },
    { XS_READ, false, BODY("//local/domain/5/device/vkbd\0") },
    { XS_READ, false, BODY("/local/domain/0//backend/vkbd/5\0") },
    { XS_READ, false, BODY("backend/vkbd/5/0\n\0") },
    { XS_READ, false, BODY("backend/vkbd/5/\xff\0") },
    /* shapes */
    { XS_READ, false, BODY("") },
    { XS_READ, false, BODY("\0") },
    { XS_READ, false, BODY("backend/vkbd/5/0/state") },
    { XS_READ, false, BODY("backend/vkbd/5/0/state\0x") },
    { XS_READ, false, BODY("backend/vkbd/5/0/state\0\0") },
    { XS_WATCH, false, BODY("backend/vkbd/5\0") },
    { XS_WATCH, false, BODY("backend/vkbd/5\0\0") },
    { XS_WATCH, false, BODY("backend/vkbd/5\0token") },
    { XS_WATCH, false, BODY("backend/vkbd/5\0token\0001\0") },
    { XS_UNWATCH, false, BODY("backend/vkbd/5\0") },
    { XS_TRANSACTION_START, true, BODY("") },
    { XS_TRANSACTION_START, true, BODY("\0") },
    { XS_TRANSACTION_START, false, BODY("x\0") },
    { XS_TRANSACTION_END, false, BODY("T\0") }, /* of which one? */
    /* what may be written */
    { XS_WRITE, false, BODY("backend/vkbd/5/0/frontend\0/local/domain/0") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/online\0000") },
    { XS_WRITE, false, BODY("backend/qdisk/5/768/params\0aio:/etc/shadow") },
    { XS_WRITE, false, BODY("backend/9pfs/5/0/feature-x\0001") },
    { XS_WRITE, false, BODY("backend/9pfs/5/0/info\0001") },
    { XS_WRITE, false, BODY("/local/domain/0/backend/vfb/5/0/request-update\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/a/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/x/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/00000000000/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/10000000000/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/00/state\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/feature-\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/feature-flush-cache1\0001") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/hotplug-status\0connected") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/state\0a/b") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/state\0001\0002") },
    { XS_WRITE, false, BODY("backend/vkbd/5/0/state") },
    { XS_WRITE, false, BODY("/local/domain/5/device/vkbd/0/state\0001") },
    { XS_WRITE, false, BODY("/local/domain/5/device/vkbd/0/tty\0/dev/pts/1") },
    { XS_WRITE, false, BODY("/local/domain/5/device/console/0/state\0001") },
    { XS_WRITE, false, BODY("/local/domain/5/device/console/0/tty\0/dev/mem") },
    { XS_WRITE, false, BODY("/local/domain/5/device/console/0/tty\0/dev/pts/") },
    { XS_WRITE, false, BODY("/local/domain/5/device/console/0/tty\0/dev/pts/1/../../mem") },
    { XS_WRITE, false, BODY("/local/domain/5/device/console/0/tty\0/dev/pts/1\0") },
    /* requests that no back end needs: DEBUG, GET_PERMS, INTRODUCE, RELEASE, GET_DOMAIN_PATH,
     * MKDIR, RM, SET_PERMS, events and errors, RESUME, SET_TARGET, RESET_WATCHES, DIRECTORY_PART */
    { 0, false, BODY("backend/vkbd/5/0\0") },
    { 3, false, BODY("backend/vkbd/5/0\0") },
    { 8, false, BODY("5\0") },
    { 9, false, BODY("5\0") },
    { 10, false, BODY("5\0") },
    { 12, false, BODY("backend/vkbd/5/0/x\0") },
    { 13, false, BODY("backend/vkbd/5/0\0") },
    { 14, false, BODY("backend/vkbd/5/0\0b0\0") },
    { 15, false, BODY("backend/vkbd/5/0\0t\0") },
    { 16, false, BODY("EACCES\0") },
    { 18, false, BODY("5\0") },
    { 19, false, BODY("5\0") },
    { 21, false, BODY("\0") },
    { 22, false, BODY("backend/vkbd/5\0000\0") },
    { 0xffffffff, false, BODY("backend/vkbd/5/0\0") },
};

static void every_rule(void **state)
{
    char body[XS_BODY + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        struct xs_header h = { rules[i].type, 1, 0, (uint32_t)rules[i].n };

        memset(body, 'x', sizeof body);
        memcpy(body, rules[i].body, rules[i].n);
        body[rules[i].n] = '\0';
        if (broker_allows(5, &h, body) != rules[i].allowed)
            fail_msg("type %u, %s", rules[i].type, rules[i].body);
    }
}

static void too_long_to_be_meant(void **state)
{
    char body[XS_BODY + 1] = BACK "/";
    struct xs_header h = { XS_READ, 1, 0, XS_BODY };

    (void)state;
    memset(body + sizeof BACK, 'a', sizeof body - sizeof BACK);
    body[XS_BODY] = body[XS_BODY - 1] = '\0';
    assert_false(broker_allows(5, &h, body));
    body[200] = '\0';
    h.length = 201;
    assert_true(broker_allows(5, &h, body));
    h = (struct xs_header){ XS_WRITE, 1, 0, sizeof BACK "/state" + 64 };
    memcpy(body, BACK "/state", sizeof BACK "/state");
    memset(body + sizeof BACK "/state", '1', 65);
    body[h.length] = '\0';
    assert_true(broker_allows(5, &h, body));
    body[h.length++] = '1';
    body[h.length] = '\0';
    assert_false(broker_allows(5, &h, body));
}

/* The broker answers itself, and the daemon is not asked. */
static void refuses(void **state)
{
    struct bench *b = *state;

    ask(b, XS_READ, BODY("/vm/secret\0"));
    expect_error(b, "EACCES");
    ask(b, XS_WRITE, BODY("/vm/secret\0mine"));
    expect_error(b, "EACCES");
    ask(b, XS_RM, BODY(BACK "\0"));
    expect_error(b, "EACCES");
    ask(b, XS_READ, BODY("/die\0"));
    expect_error(b, "EACCES");
    ask(b, 0xdeadbeef, BODY(""));
    expect_error(b, "EACCES");
    ask(b, XS_READ, BODY(BACK "/state\0"));
    expect_text(b, XS_READ, "1");
}

/* Many at once and in pieces: each gets its answer, in order. */
static void pieces(void **state)
{
    static const char path[] = BACK "/state", secret[] = "/vm/secret";
    struct bench *b = *state;
    char bytes[4096];
    size_t n = 0;

    for (uint32_t i = 0; i < 40; i++) {
        const char *which = i % 3 ? path : secret;
        struct xs_header h = { XS_READ, i, 0, (uint32_t)strlen(which) + 1 };

        memcpy(bytes + n, &h, sizeof h);
        memcpy(bytes + n + sizeof h, which, h.length);
        n += sizeof h + h.length;
    }
    for (size_t piece = 1; piece <= sizeof bytes; piece *= 4) {
        send_bytes(b, bytes, n, piece);
        for (uint32_t i = 0; i < 40; i++) {
            assert_int_equal(take(b), i % 3 ? XS_READ : XS_ERROR);
            assert_int_equal(b->in.header.request, i);
        }
    }
}

static void watches_are_limited(void **state)
{
    struct bench *b = *state;
    char body[64];
    int n;

    for (int i = 0; i < BROKER_WATCHES + 6; i++) {
        n = snprintf(body, sizeof body, "%s/state%c%d", BACK, 0, i);
        ask(b, XS_WATCH, body, (size_t)n + 1);
        if (i < BROKER_WATCHES) {
            expect_text(b, XS_WATCH, "OK");
            assert_int_equal(take(b), XS_WATCH_EVENT);
        } else {
            expect_error(b, "E2BIG");
        }
    }
    ask(b, XS_UNWATCH, BODY(BACK "/state\0none\0"));
    expect_error(b, "ENOENT"); /* gives nothing back */
    ask(b, XS_WATCH, BODY(BACK "/state\0more\0"));
    expect_error(b, "E2BIG");
    ask(b, XS_UNWATCH, BODY(BACK "/state\00017\0"));
    expect_text(b, XS_UNWATCH, "OK");
    ask(b, XS_WATCH, BODY(BACK "/state\0more\0"));
    expect_text(b, XS_WATCH, "OK");
}

static void transactions_are_limited(void **state)
{
    struct bench *b = *state;
    uint32_t id[BROKER_TRANSACTIONS];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BROKER_TRANSACTIONS; i++) {
            ask(b, XS_TRANSACTION_START, BODY("\0"));
            assert_int_equal(take(b), XS_TRANSACTION_START);
            id[i] = (uint32_t)strtoul(b->in.body, NULL, 10);
        }
        ask(b, XS_TRANSACTION_START, BODY("\0"));
        expect_error(b, "ENOSPC");
        ask_tx(b, XS_READ, 7, id[2], BODY(BACK "/state\0"));
        expect_text(b, XS_READ, "1");
        ask_tx(b, XS_READ, 7, id[3] + 1, BODY(BACK "/state\0"));
        expect_error(b, "ENOENT");
        ask_tx(b, XS_READ, 7, id[0], BODY("/vm/secret\0"));
        expect_error(b, "EACCES");
        for (int i = 0; i < BROKER_TRANSACTIONS; i++) {
            ask_tx(b, XS_TRANSACTION_END, 7, id[i], BODY("T\0"));
            expect_text(b, XS_TRANSACTION_END, "OK");
            ask_tx(b, XS_TRANSACTION_END, 7, id[i], BODY("F\0"));
            expect_error(b, "ENOENT");
        }
    }
}

/* A worker that asks and never reads: the broker stops reading from the daemon, does not spin, and
 * nothing is lost when the worker reads at last. */
static void worker_that_does_not_read(void **state)
{
    struct bench *b = *state;
    unsigned events = 0, others = 0;
    char body[64];
    int n, waiting;

    for (int i = 0; i < 32; i++) {
        n = snprintf(body, sizeof body, "%s/state%c%d", BACK, 0, i);
        ask(b, XS_WATCH, body, (size_t)n + 1);
        expect_text(b, XS_WATCH, "OK");
        assert_int_equal(take(b), XS_WATCH_EVENT);
    }
    ask(b, XS_READ, BODY(BACK "/flood\0"));
    ask(b, XS_READ, BODY(BACK "/state\0")); /* waits with the worker, not with the daemon */
    settle(b);
    assert_int_equal(ioctl(b->fd, FIONREAD, &waiting), 0);
    assert_true(waiting < 400 * 1024);
    while (events < 32 * 500 || others < 2) {
        if (take(b) == XS_WATCH_EVENT)
            events++;
        else
            others++;
    }
    assert_int_equal(events, 32 * 500);
    assert_string_equal(b->in.body, "1");
}

/* What cannot be followed any more ends the connection. */
static void broken_framing(void **state)
{
    static const uint32_t lengths[] = { XS_BODY + 1, 0x7fffffff, 0x80000000, 0xffffffff };
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct xs_header h = { XS_READ, 7, 0, lengths[i] };

        send_bytes(b, &h, sizeof h, sizeof h);
        assert_int_equal(take(b), 0);
        settle(b);
        broker_free(b->broker);
        close(b->fd);
        connect_broker(b);
    }
    ask(b, XS_READ, BODY(BACK "/state\0"));
    expect_text(b, XS_READ, "1");
}

/* A worker may break it, and ask for the next, without end. */
static void limit_outlives_it(void **state)
{
    struct bench *b = *state;
    struct guest_log_limit limit = { 0 };
    const struct xs_header h = { XS_READ, 1, 0, XS_BODY + 1 };

    for (unsigned i = 0; i < 20; i++) {
        broker_share_limit(b->broker, &limit);
        assert_int_equal(write(b->fd, &h, sizeof h), sizeof h);
        turn(b);
        broker_free(b->broker);
        close(b->fd);
        connect_broker(b);
    }
    assert_int_equal(limit.dropped, 12);
}

static void daemon_breaks(void **state)
{
    static const char *const how[] = { BACK "/wrong", BACK "/long", BACK "/die" };
    struct bench *b = *state;
    struct error e = { "" };

    for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
        ask(b, XS_READ, how[i], strlen(how[i]) + 1);
        assert_int_equal(take(b), 0);
        settle(b);
        broker_free(b->broker);
        b->broker = NULL;
        close(b->fd);
        b->fd = -1;
        if (i < 2)
            connect_broker(b);
    }
    assert_true(broker_new(b->x.loop, 5, b->x.path, &b->broker, &b->fd, &e) < 0);
    assert_non_null(strstr(e.text, "cannot reach xenstore"));
    assert_null(b->broker);
}

/* In any phase: nothing is left behind, and a new broker serves a new worker. */
static void worker_dies(void **state)
{
    static const char path[] = BACK "/state";
    const struct xs_header h = { XS_READ, 7, 0, sizeof path };
    struct bench *b = *state;
    char bytes[sizeof h + sizeof path];

    memcpy(bytes, &h, sizeof h);
    memcpy(bytes + sizeof h, path, sizeof path);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        send_bytes(b, bytes, n, sizeof bytes);
        close(b->fd);
        settle(b);
        broker_free(b->broker);
        connect_broker(b);
    }
    ask(b, XS_WATCH, BODY(BACK "/state\0t\0"));
    broker_free(b->broker); /* with a request on its way */
    close(b->fd);
    connect_broker(b);
    ask(b, XS_READ, BODY(BACK "/state\0"));
    expect_text(b, XS_READ, "1");
}

struct heard {
    unsigned calls;
    char path[64];
};

static void hear(void *opaque, const char *path)
{
    struct heard *h = opaque;

    h->calls++;
    snprintf(h->path, sizeof h->path, "%s", path);
}

/* The real client on the worker's end, in another process than the broker. */
static void client_over_broker(struct bench *b)
{
    struct heard h = { 0 };
    struct xenstore_watch w = { .path = "backend/vkbd/5", .changed = hear, .opaque = &h };
    struct loop *loop = loop_new();
    struct error e = { "" };
    struct xenstore *x;
    char text[64];
    int turns = 0;

    if (xenstore_open_fd(loop, b->fd, &x, &e) < 0 || xenstore_watch(x, &w) < 0)
        _exit(10);
    if (xenstore_read(x, BACK "/state", text, sizeof text) != 1 || *text != '1')
        _exit(11);
    if (xenstore_write_if(x, BACK "/frontend", BACK "/state", "2") < 0)
        _exit(12);
    if (xenstore_read(x, "/vm/secret", text, sizeof text) != -EACCES)
        _exit(13);
    while (strcmp(h.path, BACK "/state") && turns++ < 100)
        loop_turn(loop, true);
    if (h.calls != 2)
        _exit(14);
    xenstore_unwatch(x, &w);
    xenstore_close(x);
    loop_free(loop);
    _exit(0);
}

static void serves_the_usual_client(void **state)
{
    struct bench *b = *state;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        client_over_broker(b);
    }
    close(b->fd);
    b->fd = -1;
    while (waitpid(pid, &status, WNOHANG) == 0)
        turn(b);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    settle(b);
    assert_int_equal(xenstored_get(&b->x, BACK "/state"), 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(passes_what_is_allowed),
        T(creates_no_devices),
        T(watches_pass),
        cmocka_unit_test(every_rule),
        cmocka_unit_test(too_long_to_be_meant),
        T(refuses),
        T(pieces),
        T(watches_are_limited),
        T(transactions_are_limited),
        T(worker_that_does_not_read),
        T(broken_framing),
        T(daemon_breaks),
        T(limit_outlives_it),
        T(worker_dies),
        T(serves_the_usual_client),
    };

    return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
