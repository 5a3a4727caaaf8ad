/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_supervised - the worker's side of the contract, with the test as its supervisor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "toolstack/supervised.h"

struct bench {
    struct supervised *s;
    struct loop *loop;
    int theirs; /* the supervisor's end */
    unsigned quit, hand_over, resume, gone;
};

static void on_quit(void *opaque)
{
    ((struct bench *)opaque)->quit++;
}

static void on_hand_over(void *opaque)
{
    ((struct bench *)opaque)->hand_over++;
}

static void on_resume(void *opaque)
{
    ((struct bench *)opaque)->resume++;
}

static void on_gone(void *opaque)
{
    ((struct bench *)opaque)->gone++;
}

/* A worker of generation 3 that gets a page and a file with the text "held". */
static void start(struct bench *b)
{
    const struct supervised_calls calls = { on_quit, on_hand_over, on_resume, on_gone, b };
    int pair[2], page = memfd_create("vitals", 0), file = memfd_create("file", 0);
    struct error e = { "" };
    uint32_t uid, gid;
    char env[128];

    *b = (struct bench){ .loop = loop_new() };
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(ftruncate(page, SUPERVISED_VITALS_BYTES), 0);
    assert_int_equal(write(file, "held", 4), 4);
    snprintf(env, sizeof env,
             "role=pv gen=3 death=11 sock=%d user=4294967294:5 fds=vitals:%d,disk0:%d", pair[1],
             page, file);
    setenv(SUPERVISED_ENV, env, 1);
    assert_int_equal(supervised_open(&b->s, &e), 0);
    assert_non_null(b->s);
    assert_null(getenv(SUPERVISED_ENV));
    assert_true(supervised_user(b->s, &uid, &gid));
    assert_true(uid == 4294967294 && gid == 5);
    assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(pair[1], F_GETFD), FD_CLOEXEC);
    b->theirs = pair[0];
    assert_int_equal(supervised_listen(b->s, b->loop, &calls), 0);
}

static void end(struct bench *b)
{
    supervised_close(b->s);
    loop_free(b->loop);
    if (b->theirs >= 0)
        close(b->theirs);
}

static void settle(struct bench *b)
{
    for (int quiet = 0; quiet < 2;)
        quiet = loop_turn(b->loop, false) ? 0 : quiet + 1;
}

static void tell(struct bench *b, enum supervised_type type, uint32_t value, const char *name,
                 int fd)
{
    struct supervised_message m = { .type = type, .value = value };

    if (name)
        snprintf(m.name, sizeof m.name, "%s", name);
    assert_int_equal(supervised_send(b->theirs, &m, fd, 0), 0);
}

static void expect(struct bench *b, enum supervised_type type, uint32_t value, const char *name,
                   bool with_fd)
{
    struct supervised_message m;
    int fd;

    assert_int_equal(supervised_receive(b->theirs, &m, &fd, NULL, MSG_DONTWAIT), 1);
    assert_int_equal(m.type, type);
    assert_int_equal(m.value, value);
    assert_string_equal(m.name, name);
    assert_true((fd >= 0) == with_fd);
    if (fd >= 0)
        close(fd);
}

static void not_supervised(void **state)
{
    struct supervised *s = (struct supervised *)state;
    struct supervised_disk disk;
    char name[SUPERVISED_NAME];
    struct error e = { "" };
    volatile struct supervised_vitals *v;
    uint32_t uid, gid;

    unsetenv(SUPERVISED_ENV);
    assert_int_equal(supervised_open(&s, &e), 0);
    assert_null(s);
    assert_int_equal(supervised_role(s), SUPERVISED_MODEL);
    assert_int_equal(supervised_generation(s), 0);
    assert_int_equal(supervised_death(s), 0);
    assert_false(supervised_user(s, &uid, &gid));
    assert_int_equal(supervised_take(s, "arena"), -1);
    assert_int_equal(supervised_hold(s, "arena", 0), 0);
    assert_int_equal(supervised_drop(s, "arena"), 0);
    assert_int_equal(supervised_ready(s), 0);
    assert_int_equal(supervised_handed_over(s), 0);
    assert_int_equal(supervised_bind_life(s), 0);
    assert_true(supervised_xenstore(s) < 0);
    assert_true(supervised_open_disk(s, 768, 0, &disk) < 0);
    assert_false(supervised_next(s, "", name));
    v = supervised_vitals(s);
    v->events++;
    supervised_say(s, "nobody hears it");
    supervised_close(s);
}

static void refuses_nonsense(void **state)
{
    static const char *const bad[] = {
        "",
        "role=model",
        "role=king gen=0 death=0 sock=0",
        "role=model gen=x death=0 sock=0",
        "role=model gen=-1 death=0 sock=0",
        "role=model gen=0 death=999 sock=0",
        "role=model gen=0 death=0 sock=999",
        "role=model gen=0 death=0 sock=",
        "role=model gen=0 death=0 sock=0 fds=arena",
        "role=model gen=0 death=0 sock=0 fds=arena:999",
        "role=model gen=0 death=0 sock=0 fds=Arena:0",
        "role=model gen=0 death=0 sock=0 fds=a/b:0",
        "role=model gen=0 death=0 sock=0 fds=0123456789012345678901234567890a:0",
        "role=model gen=0 death=0 sock=0 magic=1",
        "role=model gen=0 death=0 sock=0 user=0:5",
        "role=model gen=0 death=0 sock=0 user=5:0",
        "role=model gen=0 death=0 sock=0 user=5",
        "role=model gen=0 death=0 sock=0 user=5:",
        "role=model gen=0 death=0 sock=0 user=4294967295:5",
        "role=model gen=0 death=0 sock=0 user=5:99999999999",
        "role=model gen=0 death=0 sock=0 word",
        "gen=99999999999 role=model death=0 sock=0",
    };
    char many[4096];
    size_t n;

    (void)state;
    for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
        struct supervised *s = NULL;
        struct error e = { "" };

        n = (size_t)snprintf(many, sizeof many, "role=model gen=0 death=0 sock=0 fds=");
        for (int k = 0; k < SUPERVISED_HELD + 2; k++)
            n += (size_t)snprintf(many + n, sizeof many - n, "a%d:0,", k);
        setenv(SUPERVISED_ENV, i < ARRAY_SIZE(bad) ? bad[i] : many, 1);
        assert_int_equal(supervised_open(&s, &e), -EINVAL);
        assert_null(s);
        assert_non_null(strstr(e.text, "is not what a supervisor writes"));
    }
    unsetenv(SUPERVISED_ENV);
    fcntl(0, F_SETFD, 0);
}

static void takes_and_holds(void **state)
{
    struct bench b;
    char text[8] = "";
    int fd;

    (void)state;
    start(&b);
    assert_int_equal(supervised_role(b.s), SUPERVISED_PV);
    assert_int_equal(supervised_generation(b.s), 3);
    assert_int_equal(supervised_death(b.s), 11);
    fd = supervised_take(b.s, "disk0");
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, text, 4, 0), 4);
    assert_string_equal(text, "held");
    assert_int_equal(supervised_take(b.s, "disk0"), -1);
    assert_int_equal(supervised_take(b.s, "vitals"), -1); /* mapped and closed */
    assert_int_equal(supervised_hold(b.s, "disk1", fd), 0);
    expect(&b, SUPERVISED_HOLD, 0, "disk1", true);
    assert_int_equal(supervised_hold(b.s, "no spaces", fd), -EINVAL);
    close(fd);
    assert_int_equal(supervised_ready(b.s), 0);
    expect(&b, SUPERVISED_READY, 0, "", false);
    assert_int_equal(supervised_sleep_state(b.s, 3), 0);
    expect(&b, SUPERVISED_SLEEP_STATE, 3, "", false);
    assert_int_equal(supervised_want_pv(b.s), 0);
    expect(&b, SUPERVISED_WANT_PV, 0, "", false);
    end(&b);
}

static void drop_waits(void **state)
{
    struct bench b;
    uint64_t begin;

    (void)state;
    start(&b);
    /* What comes before the answer is kept for the loop. */
    tell(&b, SUPERVISED_QUIT, 0, NULL, -1);
    tell(&b, SUPERVISED_ACK, 0, "other", -1);
    tell(&b, SUPERVISED_ACK, 0, "tap", -1);
    assert_int_equal(supervised_drop(b.s, "tap"), 0);
    assert_int_equal(b.quit, 0);
    settle(&b);
    assert_int_equal(b.quit, 1);
    tell(&b, SUPERVISED_ACK, ENOENT, "tap", -1);
    assert_int_equal(supervised_drop(b.s, "tap"), -ENOENT);
    begin = loop_now();
    assert_int_equal(supervised_drop(b.s, "tap"), -ETIMEDOUT);
    assert_true(loop_now() - begin > UINT64_C(900000000));
    end(&b);
}

static void xenstore_comes(void **state)
{
    struct bench b;
    int fd;

    (void)state;
    start(&b);
    tell(&b, SUPERVISED_XENSTORE_FD, 0, NULL, 0);
    fd = supervised_xenstore(b.s);
    assert_true(fd > 0);
    close(fd);
    tell(&b, SUPERVISED_XENSTORE_FD, EACCES, NULL, -1);
    assert_int_equal(supervised_xenstore(b.s), -EACCES);
    tell(&b, SUPERVISED_XENSTORE_FD, 0, NULL, -1); /* neither nor */
    assert_int_equal(supervised_xenstore(b.s), -EIO);
    end(&b);
}

static void answer_disk(struct bench *b, uint32_t error, uint32_t more, int fd)
{
    struct supervised_message m = {
        .type = SUPERVISED_ACK, .value = error, .more = more, .name = "qdisk768", .text = "/image"
    };

    assert_int_equal(supervised_send(b->theirs, &m, fd, 0), 0);
}

static void disk_comes(void **state)
{
    struct supervised_message m;
    struct supervised_disk d;
    char name[SUPERVISED_NAME];
    struct bench b;
    int fd;

    (void)state;
    start(&b);
    tell(&b, SUPERVISED_ACK, 0, "qdisk7680", 0); /* of another one: closed */
    answer_disk(&b, 0, SUPERVISED_DISK_DIRECT | 3, 0);
    assert_int_equal(supervised_open_disk(b.s, 768, SUPERVISED_DISK_LAST, &d), 0);
    assert_true(d.fd > 0 && d.direct && d.twin == 2);
    assert_string_equal(d.path, "/image");
    close(d.fd);
    assert_int_equal(supervised_receive(b.theirs, &m, &fd, NULL, MSG_DONTWAIT), 1);
    assert_int_equal(m.type, SUPERVISED_OPEN_DISK);
    assert_true(m.value == 768 && m.more == SUPERVISED_DISK_LAST);
    answer_disk(&b, 0, 0, -1);
    assert_int_equal(supervised_open_disk(b.s, 768, 0, &d), 0);
    assert_true(d.fd == -1 && !d.direct && d.twin == -1);
    answer_disk(&b, ENOENT, 1, 0); /* an error and a descriptor */
    assert_int_equal(supervised_open_disk(b.s, 768, 0, &d), -ENOENT);
    assert_true(d.fd == -1 && d.twin == -1);
    assert_string_equal(d.path, "/image"); /* here it would be a sentence */
    assert_true(supervised_next(b.s, "dis", name));
    assert_string_equal(name, "disk0");
    assert_false(supervised_next(b.s, "qdisk", name));
    close(supervised_take(b.s, "disk0"));
    assert_false(supervised_next(b.s, "", name));
    end(&b);
}

/* The last word counts, and the answer carries the number of the attempt it belongs to. */
static void hands_over(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    tell(&b, SUPERVISED_HAND_OVER, 5, NULL, -1);
    settle(&b);
    assert_int_equal(b.hand_over, 1);
    assert_int_equal(supervised_handed_over(b.s), 0);
    expect(&b, SUPERVISED_HANDED_OVER, 5, "", false);
    tell(&b, SUPERVISED_RESUME, 5, NULL, -1);
    settle(&b);
    assert_int_equal(b.resume, 1);
    tell(&b, SUPERVISED_HAND_OVER, 6, NULL, -1);
    tell(&b, SUPERVISED_RESUME, 6, NULL, -1);
    settle(&b);
    assert_int_equal(b.hand_over, 1); /* over before it was heard of */
    assert_int_equal(b.resume, 2);
    tell(&b, SUPERVISED_HAND_OVER, 7, NULL, -1);
    tell(&b, SUPERVISED_RESUME, 7, NULL, -1);
    tell(&b, SUPERVISED_HAND_OVER, 8, NULL, -1);
    settle(&b);
    assert_int_equal(b.hand_over, 2);
    assert_int_equal(b.resume, 2);
    assert_int_equal(supervised_handed_over(b.s), 0);
    expect(&b, SUPERVISED_HANDED_OVER, 8, "", false);
    end(&b);
}

static void sees_the_end(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    assert_int_equal(send(b.theirs, "short", 5, 0), 5); /* no message: passed over */
    tell(&b, SUPERVISED_ACK, 0, "stray", 0);            /* its descriptor is closed */
    settle(&b);
    assert_int_equal(b.gone, 0);
    close(b.theirs);
    b.theirs = -1;
    settle(&b);
    assert_int_equal(b.gone, 1);
    assert_int_equal(supervised_ready(b.s), -ENOTCONN);
    assert_int_equal(supervised_drop(b.s, "tap"), -ENOTCONN);
    assert_int_equal(supervised_xenstore(b.s), -ENOTCONN);
    settle(&b);
    assert_int_equal(b.gone, 1);
    end(&b);
}

/* More than one descriptor in a message: the first counts, none stays open. */
static void closes_what_it_does_not_want(void **state)
{
    struct supervised_message m = { .type = SUPERVISED_HOLD };
    struct iovec part = { &m, sizeof m };
    int fds[3] = { 0, 1, 2 }, pair[2], fd, probe, before = dup(0);
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control;
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };

    (void)state;
    close(before); /* the lowest free number */
    memset(&control, 0, sizeof control);
    control.head = (struct cmsghdr){ CMSG_LEN(sizeof fds), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(sendmsg(pair[0], &h, 0), sizeof m);
    assert_int_equal(supervised_receive(pair[1], &m, &fd, NULL, 0), 1);
    assert_true(fd >= 0);
    close(fd);
    part.iov_len = 10; /* too short: closed as well */
    assert_int_equal(sendmsg(pair[0], &h, 0), 10);
    assert_int_equal(supervised_receive(pair[1], &m, &fd, NULL, 0), -EBADMSG);
    assert_int_equal(fd, -1);
    close(pair[0]);
    close(pair[1]);
    probe = dup(0);
    assert_int_equal(probe, before);
    close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_supervised),
        cmocka_unit_test(refuses_nonsense),
        cmocka_unit_test(takes_and_holds),
        cmocka_unit_test(drop_waits),
        cmocka_unit_test(xenstore_comes),
        cmocka_unit_test(hands_over),
        cmocka_unit_test(disk_comes),
        cmocka_unit_test(sees_the_end),
        cmocka_unit_test(closes_what_it_does_not_want),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
