/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chardev - character streams: short writes, readers that never read, hosts that go away, and
 * an idle loop that stays asleep.
 */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "ioreq/loop.h"

#define MS UINT64_C(1000000)

enum { MUCH = 1 << 20, BOUND = 4 << 20 }; /* bytes; no kernel buffer here holds BOUND */

struct fixture {
    struct loop *l;
    struct chardev *c;
    struct chardev_user user;
    size_t room;
    uint8_t in[4096];
    size_t nin;
    unsigned writable_calls;
    char dir[64], path[96];
    struct error e;
    uint64_t wake_at; /* for loop_sleep() */
    bool woken;
    unsigned turns;
};

static size_t user_room(void *opaque)
{
    struct fixture *f = opaque;

    return f->room;
}

static void user_receive(void *opaque, const uint8_t *bytes, size_t n)
{
    struct fixture *f = opaque;

    assert_in_range(n, 1, f->room);
    assert_true(f->nin + n <= sizeof f->in);
    memcpy(f->in + f->nin, bytes, n);
    f->nin += n;
    f->room -= n;
}

static void user_writable(void *opaque)
{
    struct fixture *f = opaque;

    f->writable_calls++;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->l = loop_new();
    f->room = sizeof f->in;
    f->user = (struct chardev_user){ user_room, user_receive, user_writable, f, NULL };
    snprintf(f->dir, sizeof f->dir, "/tmp/hvmdm-test-chardev-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/x", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    chardev_close(f->c);
    assert_false(loop_turn(f->l, false)); /* nothing of it is left in the loop */
    unlink(f->path);
    rmdir(f->dir);
    loop_free(f->l);
    free(f);
    return 0;
}

static void open_spec(struct fixture *f, const char *kind, const char *rest)
{
    char spec[160];

    snprintf(spec, sizeof spec, "%s%s", kind, rest);
    if (chardev_open(f->l, "serial0", spec, &f->c, &f->e) < 0)
        fail_msg("%s", f->e.text);
    if (f->c)
        chardev_attach(f->c, &f->user);
}

static uint64_t sleep_deadline(void *opaque)
{
    return ((struct fixture *)opaque)->wake_at;
}

static void sleep_expired(void *opaque)
{
    struct fixture *f = opaque;

    f->woken = true;
    f->wake_at = UINT64_MAX;
}

/* Sleeps in the loop for `ns`. Returns how many turns that took: 2 or 3 when nothing happened. */
static unsigned loop_sleep(struct fixture *f, uint64_t ns)
{
    const struct loop_hooks h = { .deadline = sleep_deadline,
                                  .expired = sleep_expired,
                                  .opaque = f };
    unsigned turns = 0;

    f->wake_at = loop_now() + ns;
    f->woken = false;
    loop_set_hooks(f->l, &h);
    while (!f->woken) {
        loop_turn(f->l, true);
        turns++;
    }
    loop_set_hooks(f->l, NULL);
    return turns;
}

static void assert_idle(struct fixture *f)
{
    assert_in_range(loop_sleep(f, 30 * MS), 1, 4);
}

/* Turns the loop until *value is at least `least`. */
static void run_until(struct fixture *f, const size_t *value, size_t least)
{
    uint64_t limit = loop_now() + 10000 * MS;

    while (*value < least && loop_now() < limit)
        if (!loop_turn(f->l, false))
            usleep(200);
    assert_true(*value >= least);
}

static void run_until_writable(struct fixture *f, unsigned calls)
{
    uint64_t limit = loop_now() + 10000 * MS;

    while (f->writable_calls < calls && loop_now() < limit)
        if (!loop_turn(f->l, false))
            usleep(200);
    assert_int_equal(f->writable_calls, calls);
}

static void read_exactly(int fd, void *to, size_t n)
{
    uint8_t *p = to;

    while (n) {
        ssize_t k = read(fd, p, n);

        assert_true(k > 0);
        p += k;
        n -= (size_t)k;
    }
}

static void write_text(struct fixture *f, const char *text)
{
    assert_int_equal(chardev_write(f->c, (const uint8_t *)text, strlen(text)), strlen(text));
}

static void assert_received(struct fixture *f, const char *text)
{
    run_until(f, &f->nin, strlen(text));
    assert_int_equal(f->nin, strlen(text));
    assert_memory_equal(f->in, text, f->nin);
    f->nin = 0;
    f->room = sizeof f->in;
}

static void assert_reads(int fd, const char *text)
{
    char got[64];

    read_exactly(fd, got, strlen(text));
    assert_memory_equal(got, text, strlen(text));
}

/* Bytes whose order can be checked. */
static uint8_t sequence(size_t i)
{
    return (uint8_t)(i % 251);
}

/* Writes the sequence from *at on until a write is short. */
static void write_until_full(struct fixture *f, size_t *at)
{
    size_t limit = *at + BOUND;

    while (*at < limit) {
        uint8_t bytes[777];
        size_t taken;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = sequence(*at + i);
        taken = chardev_write(f->c, bytes, sizeof bytes);
        *at += taken;
        if (taken < sizeof bytes)
            return;
    }
    fail_msg("a reader that never reads was given %u bytes", BOUND);
}

static void read_sequence(int fd, size_t *at, size_t until)
{
    while (*at < until) {
        uint8_t bytes[4096];
        size_t n = until - *at < sizeof bytes ? until - *at : sizeof bytes;

        read_exactly(fd, bytes, n);
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != sequence(*at + i))
                fail_msg("byte %zu is wrong", *at + i);
        *at += n;
    }
}

/* Everything offered is taken: the device never waits. */
static void assert_takes_all(struct fixture *f, size_t n)
{
    static uint8_t bytes[1000];

    for (size_t at = 0; at < n; at += sizeof bytes)
        assert_int_equal(chardev_write(f->c, bytes, sizeof bytes), sizeof bytes);
}

/* ---- Specifications ---- */

static void test_specifications(void **state)
{
    static const char *const wrong[] = { "",
                                         "vc",
                                         "telnet:x:1",
                                         "udp:x:1",
                                         "ptyx",
                                         "file:",
                                         "file:/nonexistent/x",
                                         "unix:",
                                         "unix:/tmp/x,colour=red",
                                         "tcp:nowhere,server",
                                         "tcp:127.0.0.1:,server",
                                         "unix:/tmp/x,server=maybe",
                                         "/dev/nonexistent" };
    struct fixture *f = *state;

    open_spec(f, "none", "");
    assert_null(f->c);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        f->e.text[0] = '\0';
        assert_true(chardev_open(f->l, "serial3", wrong[i], &f->c, &f->e) < 0);
        assert_null(f->c);
        assert_non_null(strstr(f->e.text, "serial3"));
    }
    open_spec(f, "null", "");
    assert_string_equal(chardev_label(f->c), "serial0");
    assert_string_equal(chardev_filename(f->c), "null");
    assert_takes_all(f, MUCH);
    chardev_kick(f->c);
    chardev_close(f->c);
    open_spec(f, "/dev/null", "");
    assert_takes_all(f, 1000);
}

/* ---- Files ---- */

static void test_file(void **state)
{
    struct fixture *f = *state;
    char bytes[16] = "";
    int fd = open(f->path, O_WRONLY | O_CREAT, 0600);

    assert_int_equal(write(fd, "old contents", 12), 12);
    close(fd);
    open_spec(f, "file:", f->path);
    write_text(f, "new");
    write_text(f, "er");
    fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, bytes, sizeof bytes), 5);
    assert_string_equal(bytes, "newer");
    close(fd);
    assert_idle(f);
}

static void test_file_on_full_disk(void **state)
{
    struct fixture *f = *state;

    open_spec(f, "file:", "/dev/full");
    assert_takes_all(f, MUCH); /* one warning, no wait, no end */
    assert_int_equal(f->writable_calls, 0);
    assert_idle(f);
}

static void test_file_at_size_limit(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, limit;
    struct stat st;

    open_spec(f, "file:", f->path);
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 10500;
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_takes_all(f, 20000);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 10500); /* as much as would fit */
    write_text(f, "again");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 10505);
}

/* ---- Pseudoterminals ---- */

static int pty_open_slave(struct fixture *f)
{
    const char *name = chardev_filename(f->c);
    int fd;

    assert_memory_equal(name, "pty:/dev/", 9);
    fd = open(name + 4, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void test_pty_carries_all_bytes(void **state)
{
    struct fixture *f = *state;
    uint8_t all[256], back[256];
    int fd;

    open_spec(f, "pty", "");
    fd = pty_open_slave(f);
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    assert_int_equal(chardev_write(f->c, all, sizeof all), sizeof all);
    read_exactly(fd, back, sizeof back);
    assert_memory_equal(all, back, sizeof all);
    assert_int_equal(write(fd, all, sizeof all), sizeof all);
    run_until(f, &f->nin, sizeof all);
    assert_memory_equal(f->in, all, sizeof all); /* no echo, no translation */
    assert_int_equal(f->nin, sizeof all);
    assert_idle(f);
    close(fd);
    assert_idle(f);
}

static void test_pty_that_nobody_opens(void **state)
{
    struct fixture *f = *state;
    size_t at = 0;
    int fd;

    open_spec(f, "pty", "");
    assert_idle(f);
    for (uint8_t i = 0; i < 200; i++)
        assert_int_equal(chardev_write(f->c, &i, 1), 1);
    assert_takes_all(f, MUCH);
    assert_int_equal(f->writable_calls, 0);
    assert_idle(f);
    /* The first who comes finds the start of it, and what is written from then on. */
    fd = pty_open_slave(f);
    at = 0;
    read_sequence(fd, &at, 200);
    at = 0;
    tcflush(fd, TCIFLUSH);
    usleep(250000); /* longer than the stream believes that nobody is there */
    write_until_full(f, &at);
    close(fd);
}

static void test_pty_reader_that_never_reads(void **state)
{
    struct fixture *f = *state;
    size_t written = 0, seen = 0;
    int fd;

    open_spec(f, "pty", "");
    fd = pty_open_slave(f);
    write_until_full(f, &written);
    assert_int_equal(chardev_write(f->c, (const uint8_t *)"x", 1), 0);
    assert_idle(f); /* full is no reason to wake up */
    assert_int_equal(f->writable_calls, 0);
    for (unsigned round = 1; round <= 3; round++) { /* it reads after all: nothing is missing */
        read_sequence(fd, &seen, written);
        run_until_writable(f, round);
        write_until_full(f, &written);
    }
    /* It goes away without reading: the device is released, and output is dropped again. */
    close(fd);
    run_until_writable(f, 4);
    assert_takes_all(f, MUCH);
    assert_idle(f);
}

static void test_pty_open_close_cycles(void **state)
{
    struct fixture *f = *state;

    open_spec(f, "pty", "");
    for (int i = 0; i < 50; i++) {
        int fd = pty_open_slave(f);

        tcflush(fd, TCIOFLUSH);
        write_text(f, "login: ");
        assert_reads(fd, "login: ");
        assert_int_equal(write(fd, "root\r", 5), 5);
        assert_received(f, "root\r");
        close(fd);
        assert_false(loop_turn(f->l, false));
        if (i % 10 == 0) {
            assert_takes_all(f, 100000); /* meanwhile nobody is there */
            usleep(210000);
        }
    }
    assert_idle(f);
}

static void test_pty_reader_comes_and_goes_while_full(void **state)
{
    struct fixture *f = *state;
    size_t written = 0;
    unsigned calls = 0;

    open_spec(f, "pty", "");
    for (int i = 0; i < 10; i++) {
        int fd = pty_open_slave(f), second = pty_open_slave(f);

        write_until_full(f, &written);
        close(fd);
        loop_turn(f->l, false);
        assert_int_equal(f->writable_calls, calls); /* the second one is still there */
        close(second);
        run_until_writable(f, ++calls);
        assert_takes_all(f, 5000);
        assert_idle(f);
        usleep(210000);
    }
}

/* ---- Input and room ---- */

static void test_room_stops_input(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_spec(f, "pty", "");
    fd = pty_open_slave(f);
    f->room = 3;
    assert_int_equal(write(fd, "abcdef", 6), 6);
    run_until(f, &f->nin, 3);
    assert_idle(f); /* bytes wait at the host, and wake nobody */
    assert_int_equal(f->nin, 3);
    chardev_kick(f->c); /* still no room */
    assert_idle(f);
    assert_int_equal(f->nin, 3);
    f->room = 100;
    chardev_kick(f->c);
    run_until(f, &f->nin, 6);
    assert_memory_equal(f->in, "abcdef", 6);
    chardev_attach(f->c, NULL);
    assert_int_equal(write(fd, "gh", 2), 2);
    assert_idle(f);
    chardev_attach(f->c, &f->user);
    run_until(f, &f->nin, 8);
    close(fd);
}

/* ---- Sockets ---- */

static int unix_connect(struct fixture *f)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(a.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void open_unix_server(struct fixture *f)
{
    char spec[128];

    snprintf(spec, sizeof spec, "unix:%s,server,nowait", f->path);
    open_spec(f, spec, "");
}

/* Client and stream know each other. */
static int unix_client(struct fixture *f)
{
    int fd = unix_connect(f);

    assert_int_equal(write(fd, "!", 1), 1);
    assert_received(f, "!");
    return fd;
}

static void test_unix_server(void **state)
{
    struct fixture *f = *state;
    char c;

    open_unix_server(f);
    assert_takes_all(f, MUCH); /* without a client */
    for (int i = 0; i < 20; i++) {
        int fd = unix_client(f), second;

        write_text(f, "hello");
        assert_reads(fd, "hello");
        second = unix_connect(f);
        while (loop_turn(f->l, false))
            ;
        assert_int_equal(read(second, &c, 1), 0); /* turned away */
        close(second);
        write_text(f, "still here");
        assert_reads(fd, "still here");
        assert_idle(f);
        if (i % 2)
            write_text(f, "unread");
        close(fd);
        assert_takes_all(f, 3000);
        while (loop_turn(f->l, false))
            ;
        assert_takes_all(f, 3000);
    }
    assert_idle(f);
    chardev_close(f->c);
    f->c = NULL;
    assert_int_equal(access(f->path, F_OK), -1);
}

static void test_unix_client_that_never_reads(void **state)
{
    struct fixture *f = *state;
    size_t written = 0, seen = 0;
    int fd;

    open_unix_server(f);
    fd = unix_client(f);
    write_until_full(f, &written);
    assert_idle(f);
    read_sequence(fd, &seen, written);
    run_until_writable(f, 1);
    write_until_full(f, &written);
    close(fd); /* while the device waits */
    run_until_writable(f, 2);
    assert_takes_all(f, MUCH);
    fd = unix_client(f);
    write_text(f, "next");
    assert_reads(fd, "next");
    close(fd);
}

/* A client that leaves while the device has no room must not block the next one. */
static void test_unix_client_leaves_unheard(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_unix_server(f);
    fd = unix_client(f);
    f->room = 0;
    assert_int_equal(write(fd, "x", 1), 1);
    loop_turn(f->l, true);
    close(fd);
    assert_idle(f);
    fd = unix_connect(f);
    loop_turn(f->l, true);
    write_text(f, "you are the one");
    assert_reads(fd, "you are the one");
    close(fd);
}

static void test_unix_server_replaces_stale_socket(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char spec[128];

    strcpy(a.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd); /* the name stays */
    open_unix_server(f);
    close(unix_client(f));
    chardev_close(f->c);
    /* But never a file. */
    fd = open(f->path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    snprintf(spec, sizeof spec, "unix:%s,server=on,wait=off", f->path);
    assert_int_equal(chardev_open(f->l, "serial0", spec, &f->c, &f->e), -EADDRINUSE);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void test_unix_connecting(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

    strcpy(a.sun_path, f->path);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 1), 0);
    open_spec(f, "unix:", f->path);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    write_text(f, "hello");
    assert_reads(fd, "hello");
    assert_int_equal(write(fd, "welcome", 7), 7);
    assert_received(f, "welcome");
    close(fd);
    close(listener);
    assert_takes_all(f, MUCH);
    while (loop_turn(f->l, false))
        ;
    assert_takes_all(f, MUCH);
    assert_idle(f);
    chardev_close(f->c);
    assert_true(chardev_open(f->l, "serial0", "unix:/nonexistent/x", &f->c, &f->e) < 0);
    assert_non_null(strstr(f->e.text, "/nonexistent/x"));
}

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void test_tcp_both_sides(void **state)
{
    struct fixture *f = *state;
    struct chardev *client = NULL;
    struct fixture other = { .room = sizeof other.in };
    char spec[64];
    int err = -EADDRINUSE;

    for (int i = 0; i < 20 && err == -EADDRINUSE; i++) {
        snprintf(spec, sizeof spec, "tcp:127.0.0.1:%u,server=on,wait=off", free_port());
        f->e.text[0] = '\0';
        err = chardev_open(f->l, "serial0", spec, &f->c, &f->e);
    }
    assert_int_equal(err, 0);
    assert_memory_equal(chardev_filename(f->c), "tcp:127.0.0.1:", 14);
    chardev_attach(f->c, &f->user);
    *strchr(spec, ',') = '\0';
    assert_int_equal(chardev_open(f->l, "serial1", spec, &client, &f->e), 0);
    other.user = f->user;
    other.user.opaque = &other;
    chardev_attach(client, &other.user);
    assert_int_equal(chardev_write(client, (const uint8_t *)"ping", 4), 4);
    assert_received(f, "ping");
    write_text(f, "pong");
    run_until(f, &other.nin, 4);
    assert_memory_equal(other.in, "pong", 4);
    assert_idle(f);
    chardev_close(client);
    while (loop_turn(f->l, false))
        ;
    assert_takes_all(f, 10000);
    assert_idle(f);
}

/* ---- Host devices, standard input and output ---- */

static void test_host_device(void **state)
{
    struct fixture *f = *state;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];

    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, name, sizeof name), 0);
    open_spec(f, name, "");
    assert_string_equal(chardev_filename(f->c), name);
    write_text(f, "AT\r\n");
    assert_reads(master, "AT\r\n");
    assert_int_equal(write(master, "OK\r", 3), 3);
    assert_received(f, "OK\r");
    assert_idle(f);
    close(master); /* unplugged */
    while (loop_turn(f->l, false))
        ;
    assert_takes_all(f, 10000);
    assert_idle(f);
}

/* Echoes until a 'q' comes. */
static void echo_receive(void *opaque, const uint8_t *bytes, size_t n)
{
    struct fixture *f = opaque;

    if (chardev_write(f->c, bytes, n) != n || memchr(bytes, 'q', n))
        loop_stop(f->l);
}

static void test_stdio(void **state)
{
    struct fixture *f = *state;
    int to[2], from[2], status;
    char c;
    pid_t child;

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        f->user.receive = echo_receive;
        if (chardev_open(f->l, "serial0", "stdio", &f->c, &f->e) < 0)
            _exit(1);
        chardev_attach(f->c, &f->user);
        loop_run(f->l);
        chardev_close(f->c);
        _exit(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK ? 2 : 0); /* shared with our parent */
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(write(to[1], "echo", 4), 4);
    assert_reads(from[0], "echo");
    assert_int_equal(write(to[1], "q", 1), 1);
    assert_reads(from[0], "q");
    assert_int_equal(read(from[0], &c, 1), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(to[1]);
    close(from[0]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_specifications),
        T(test_file),
        T(test_file_on_full_disk),
        T(test_file_at_size_limit),
        T(test_pty_carries_all_bytes),
        T(test_pty_that_nobody_opens),
        T(test_pty_reader_that_never_reads),
        T(test_pty_open_close_cycles),
        T(test_pty_reader_comes_and_goes_while_full),
        T(test_room_stops_input),
        T(test_unix_server),
        T(test_unix_client_that_never_reads),
        T(test_unix_client_leaves_unheard),
        T(test_unix_server_replaces_stale_socket),
        T(test_unix_connecting),
        T(test_tcp_both_sides),
        T(test_host_device),
        T(test_stdio),
    };

    return cmocka_run_group_tests_name("chardev", tests, NULL, NULL);
}
