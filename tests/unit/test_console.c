/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PV console (hw/xen/console.c) with a small xenstored, a simulated guest and a stream in memory,
 * and once with each kind of stream that channels have on a real host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/core/log.h"
#include "hw/xen/console.h"
#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"

#define BACK  "backend/console/5/1"
#define FRONT "/local/domain/5/device/console/1"

enum { GREF = 9, PORT = 33, HOST_BYTES = 4 << 20 };

/* --- A stream in memory: what the host has got, and how much more it takes. */

struct host_stream {
    struct chardev c; /* first member */
    uint8_t *got;
    size_t ngot, takes;
};

static size_t host_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct host_stream *h = (struct host_stream *)c;

    n = n < h->takes ? n : h->takes;
    assert_true(h->ngot + n <= HOST_BYTES);
    memcpy(h->got + h->ngot, bytes, n);
    h->ngot += n;
    h->takes -= n;
    return n;
}

static void host_close(struct chardev *c)
{
    (void)c;
}

static const struct chardev_ops host_ops = { .write = host_write, .close = host_close };

/* --- The bench. */

struct ring {
    uint8_t in[1024], out[2048];
    uint32_t in_cons, in_prod, out_cons, out_prod;
};

static struct {
    struct xenstored x;
    struct pv_sim *guest;
    struct pv *pv;
    struct ring *ring;
    struct console *console;
    struct host_stream stream;
    struct chardev *real; /* instead of `stream` */
    struct console_backlog *backlog;
    struct console_host host;
    uint64_t events;
    uint8_t sent; /* the guest's bytes and the host's are counted, modulo 251 */
    uint8_t typed;
} t;

static int open_stream(void *opaque, uint32_t devid, const char *output, struct chardev **out,
                       struct error *e)
{
    assert_ptr_equal(opaque, &t);
    assert_true(devid > 0);
    if (strcmp(output, "chardev:libxl-channel0") != 0 && strcmp(output, "pty") != 0)
        return error_set(e, -ENOENT, "no %s", output);
    *out = t.real ? t.real : &t.stream.c;
    return 0;
}

static struct console_backlog *backlog_of(void *opaque, const struct chardev *stream)
{
    assert_ptr_equal(opaque, &t);
    assert_non_null(stream);
    return t.backlog;
}

static void start_process(void)
{
    struct error e = { "" };

    t.pv = pv_sim_attach(t.guest, t.x.loop, false);
    assert_non_null(t.pv);
    if (console_open(t.x.ours, 5, t.pv, &t.host, &t.console, &e) < 0)
        fail_msg("%s", e.text);
    console_count(t.console, &t.events);
    console_resume(t.console);
}

static void process_dies(void)
{
    xenstore_close(t.x.ours);
    pv_sim_kill(t.pv);
    free(t.console);
    t.stream.c.user = NULL;
}

static void successor_starts(void)
{
    struct error e = { "" };

    assert_int_equal(xenstore_open(t.x.loop, t.x.path, &t.x.ours, &e), 0);
    start_process();
}

static void put(const char *dir, const char *key, const char *value)
{
    char path[80];

    assert_in_range(snprintf(path, sizeof path, "%s/%s", dir, key), 1, sizeof path - 1);
    xenstored_put(&t.x, path, value);
}

static void create(unsigned devid, const char *type, const char *output)
{
    char back[40], front[60];

    snprintf(back, sizeof back, "backend/console/5/%u", devid);
    snprintf(front, sizeof front, "/local/domain/5/device/console/%u", devid);
    put(front, "type", type);
    put(front, "output", output);
    put(front, "tty", "");
    put(front, "state", "1");
    put(back, "frontend", front);
    put(back, "online", "1");
    put(back, "state", "1");
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    t.guest = pv_sim_new();
    t.ring = pv_sim_page(t.guest, GREF, false);
    assert_true(pv_sim_offer(t.guest, PORT));
    t.stream.c = (struct chardev){ .ops = &host_ops, .label = "libxl-channel0", .keep = -1 };
    t.stream.got = malloc(HOST_BYTES);
    t.stream.takes = SIZE_MAX;
    t.backlog = calloc(1, sizeof *t.backlog);
    t.host = (struct console_host){ .open = open_stream, .backlog = backlog_of, .opaque = &t };
    xenstored_start(&t.x);
    start_process();
    return 0;
}

static int teardown(void **state)
{
    unsigned left;

    (void)state;
    console_close(t.console);
    assert_null(t.stream.c.user);
    chardev_close(t.real);
    t.pv->ops->destroy(t.pv);
    xenstored_stop(&t.x);
    left = pv_sim_mapped(t.guest) + pv_sim_bound(t.guest);
    pv_sim_free(t.guest);
    free(t.stream.got);
    free(t.backlog);
    return left ? -1 : 0;
}

static void settle(void)
{
    xenstored_settle(&t.x);
}

static void expect_state(uint32_t state)
{
    settle();
    assert_int_equal(xenstored_get(&t.x, BACK "/state"), state);
}

static void guest_connects(const char *port_key)
{
    put(FRONT, port_key, "33");
    xenstored_put(&t.x, FRONT "/ring-ref", "9");
    xenstored_put(&t.x, FRONT "/state", "4");
}

static void connected(void)
{
    create(1, "ioemu", "chardev:libxl-channel0");
    expect_state(2);
    guest_connects("port");
    expect_state(4);
}

/* --- The guest writes and reads. */

static size_t guest_writes(size_t n)
{
    size_t room = 2048 - (t.ring->out_prod - t.ring->out_cons);

    n = n < room ? n : room;
    for (size_t i = 0; i < n; i++, t.sent = (uint8_t)((t.sent + 1) % 251))
        t.ring->out[(t.ring->out_prod + i) % 2048] = t.sent;
    __atomic_store_n(&t.ring->out_prod, t.ring->out_prod + (uint32_t)n, __ATOMIC_RELEASE);
    pv_sim_signal(t.guest, PORT);
    return n;
}

static void guest_writes_all(size_t n)
{
    for (int turns = 0; n && turns < 5000; turns++) {
        n -= guest_writes(n);
        loop_turn(t.x.loop, false);
    }
    assert_int_equal(n, 0); /* it never has to wait */
    settle();
}

static void host_types(size_t n)
{
    uint8_t bytes[1024];

    assert_true(n <= sizeof bytes);
    for (size_t i = 0; i < n; i++, t.typed = (uint8_t)((t.typed + 1) % 251))
        bytes[i] = t.typed;
    t.stream.c.user->receive(t.stream.c.user->opaque, bytes, n);
}

static size_t host_room(void)
{
    return t.stream.c.user->room(t.stream.c.user->opaque);
}

static void expect_got(size_t n)
{
    assert_int_equal(t.stream.ngot, n);
    for (size_t i = 0; i < n; i++)
        if (t.stream.got[i] != i % 251)
            fail_msg("byte %zu of %zu is another one", i, n);
}

static void expect_guest_reads(uint32_t from, uint32_t n)
{
    assert_int_equal(t.ring->in_prod, from + n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(t.ring->in[(from + i) % 1024], (from + i) % 251);
    __atomic_store_n(&t.ring->in_cons, from + n, __ATOMIC_RELEASE);
    pv_sim_signal(t.guest, PORT);
    settle();
}

/* --- Tests. */

static void both_directions(void **state)
{
    unsigned before;

    (void)state;
    connected();
    before = pv_sim_notified(t.guest, PORT);
    guest_writes_all(100);
    expect_got(100);
    assert_int_equal(t.ring->out_cons, 100);
    assert_int_equal(pv_sim_notified(t.guest, PORT), before + 1);
    guest_writes_all(500000);
    expect_got(500100);
    assert_int_equal(host_room(), 1024);
    host_types(1000);
    assert_int_equal(host_room(), 24);
    expect_guest_reads(0, 1000);
    host_types(700);
    expect_guest_reads(1000, 700);
    assert_true(t.events > 0);
    pv_sim_signal(t.guest, PORT); /* nothing is there */
    before = pv_sim_notified(t.guest, PORT);
    settle();
    assert_int_equal(pv_sim_notified(t.guest, PORT), before);
}

/* Indices run over 32 bits; the port's key has two names. */
static void indices_wrap(void **state)
{
    (void)state;
    t.ring->out_prod = t.ring->out_cons = 0xffffff80;
    t.ring->in_prod = t.ring->in_cons = 0xfffffff0;
    create(1, "ioemu", "chardev:libxl-channel0");
    expect_state(2);
    guest_connects("event-channel");
    expect_state(4);
    guest_writes_all(5000);
    expect_got(5000);
    assert_int_equal(host_room(), 1024);
    host_types(100);
    assert_int_equal(t.ring->in_prod, 84);
    assert_int_equal(t.ring->in[1008], 0);
    assert_int_equal(t.ring->in[83], 99);
    assert_int_equal(host_room(), 924);
}

/* The host takes nothing: the guest goes on, and what it wrote last is what is left. */
static void slow_reader(void **state)
{
    (void)state;
    connected();
    t.stream.takes = 10;
    guest_writes_all(1000000);
    expect_got(10);
    t.stream.takes = 100000;
    t.stream.c.user->writable(t.stream.c.user->opaque);
    expect_got(100010);
    guest_writes_all(300000); /* more than there is room for, by then */
    expect_got(100010);
    t.stream.takes = SIZE_MAX;
    t.stream.c.user->writable(t.stream.c.user->opaque);
    assert_int_equal(t.stream.ngot, 100010 + CONSOLE_BACKLOG);
    for (size_t i = 0; i < CONSOLE_BACKLOG; i++)
        if (t.stream.got[100010 + i] != (1300000 - CONSOLE_BACKLOG + i) % 251)
            fail_msg("byte %zu", i);
}

static void small_limit(void **state)
{
    (void)state;
    console_close(t.console);
    t.pv->ops->destroy(t.pv);
    t.host.limit = 1; /* a ring at least */
    start_process();
    connected();
    t.stream.takes = 0;
    guest_writes_all(10000);
    t.stream.takes = SIZE_MAX;
    t.stream.c.user->writable(t.stream.c.user->opaque);
    assert_int_equal(t.stream.ngot, 2048);
    assert_int_equal(t.stream.got[2047], 9999 % 251);
}

/* The host is held back as long as the guest does not read; nothing is lost. */
static void back_pressure(void **state)
{
    (void)state;
    create(1, "ioemu", "chardev:libxl-channel0");
    expect_state(2);
    assert_int_equal(host_room(), 0); /* nobody is connected */
    guest_connects("port");
    expect_state(4);
    host_types(1024);
    assert_int_equal(host_room(), 0);
    pv_sim_signal(t.guest, PORT);
    settle();
    assert_int_equal(host_room(), 0);
    t.ring->in_cons = 1;
    assert_int_equal(host_room(), 1);
    expect_guest_reads(0, 1024);
    assert_int_equal(host_room(), 1024);
}

/* Each index with each wild value, before the connection and during it. */
static void wild_indices(void **state)
{
    static const uint32_t wild[] = { 1, 1025, 2049, 0x7fffffff, 0x80000000, 0xffffffff };
    uint32_t *const index[] = { &t.ring->in_cons, &t.ring->in_prod, &t.ring->out_cons,
                                &t.ring->out_prod };

    (void)state;
    connected();
    for (size_t i = 0; i < ARRAY_SIZE(index) * ARRAY_SIZE(wild) * 2; i++) {
        bool early = i & 1;

        xenstored_put(&t.x, FRONT "/state", "6");
        expect_state(6);
        assert_int_equal(pv_sim_mapped(t.guest) + pv_sim_bound(t.guest), 0);
        memset(&t.ring->in_cons, 0, 16);
        xenstored_put(&t.x, FRONT "/state", "1");
        expect_state(2);
        if (early)
            *index[i / 2 % 4] = wild[i / 8];
        guest_connects("port");
        settle();
        if (!early)
            *index[i / 2 % 4] = wild[i / 8];
        pv_sim_signal(t.guest, PORT);
        settle();
        if (host_room())
            host_types(1);
        guest_writes(17);
        settle();
        assert_true(host_room() <= 1024);
    }
    memset(&t.ring->in_cons, 0, 16);
    xenstored_put(&t.x, FRONT "/state", "6");
    expect_state(6);
    xenstored_put(&t.x, FRONT "/state", "1");
    expect_state(2);
    guest_connects("port");
    t.ring->out_prod = 2049;
    expect_state(5);
    assert_int_equal(host_room(), 0);
}

/* Console 0 and others of its type are xenconsoled's; unknown streams, and those in use, are
 * refused. */
static void not_ours(void **state)
{
    (void)state;
    create(0, "ioemu", "pty");
    create(2, "xenconsoled", "pty");
    create(3, "ioemu", "chardev:other");
    create(1, "ioemu", "pty");
    expect_state(2);
    create(4, "ioemu", "chardev:libxl-channel0");
    settle();
    assert_int_equal(xenstored_get(&t.x, "backend/console/5/0/state"), 1);
    assert_int_equal(xenstored_get(&t.x, "backend/console/5/2/state"), 1);
    assert_int_equal(xenstored_get(&t.x, "backend/console/5/3/state"), 6);
    assert_int_equal(xenstored_get(&t.x, "backend/console/5/4/state"), 6);
    guest_connects("port");
    expect_state(4);
    guest_writes_all(10);
    expect_got(10);
}

static void closes_and_comes_back(void **state)
{
    size_t sent = 0;

    (void)state;
    connected();
    for (int i = 0; i < 300; i++) {
        sent += guest_writes(50 + (size_t)i); /* and closes before anybody has looked */
        xenstored_put(&t.x, FRONT "/state", i % 2 ? "5" : "6");
        settle();
        xenstored_put(&t.x, FRONT "/state", "6");
        expect_state(6);
        expect_got(sent);
        memset(t.ring, 0, sizeof *t.ring); /* a new driver */
        xenstored_put(&t.x, FRONT "/state", "1");
        expect_state(2);
        guest_connects("port");
        expect_state(4);
    }
    xenstored_put(&t.x, BACK "/online", "0");
    xenstored_put(&t.x, BACK "/state", "5");
    settle();
    xenstored_put(&t.x, FRONT "/state", "6");
    expect_state(6);
    assert_null(t.stream.c.user);
}

/* A death after each turn of the loop, with the host taking nothing, little or all of it. */
static void death_at_any_moment(void **state)
{
    size_t sent = 0;
    uint32_t typed = 0;

    (void)state;
    connected();
    for (unsigned i = 0; i < 400; i++) {
        t.stream.takes = i % 3 == 0 ? 0 : i % 3 == 1 ? 100 : SIZE_MAX;
        sent += guest_writes(700);
        for (unsigned n = 0; n < i % 5; n++)
            loop_turn(t.x.loop, false);
        process_dies();
        sent += guest_writes(300); /* nobody hears of these */
        successor_starts();
        settle();
        assert_int_equal(t.ring->out_cons, t.ring->out_prod);
        assert_int_equal(host_room(), 1024);
        host_types(100);
        assert_int_equal(t.ring->in_prod, typed + 100);
        t.ring->in_cons = typed += 100;
    }
    t.stream.takes = SIZE_MAX;
    t.stream.c.user->writable(t.stream.c.user->opaque);
    expect_got(sent);
    expect_state(4);
}

/* Dead between two stores: the bytes are in the backlog, and the page does not say so yet. */
static void page_is_behind(void **state)
{
    (void)state;
    connected();
    t.stream.takes = 0;
    guest_writes_all(1000);
    process_dies();
    t.ring->out_cons = 400;
    t.stream.takes = SIZE_MAX;
    successor_starts();
    settle();
    assert_int_equal(t.ring->out_cons, 1000);
    expect_got(1000);
    process_dies();
    t.ring->out_cons = 5000; /* the guest's doing: its own loss */
    t.ring->out_prod = 5010;
    successor_starts();
    expect_state(4);
    assert_int_equal(t.ring->out_cons, 5010);
    process_dies();
    memset(t.backlog, 0xff, 64); /* whoever did that */
    successor_starts();
    expect_state(4);
    guest_writes_all(10);
    assert_int_equal(t.ring->out_cons, t.ring->out_prod);
}

static void without_lasting_memory(void **state)
{
    (void)state;
    console_close(t.console);
    t.pv->ops->destroy(t.pv);
    t.host.backlog = NULL;
    start_process();
    connected();
    guest_writes_all(5000);
    expect_got(5000);
    console_pause(t.console);
    assert_null(t.stream.c.user);
    guest_writes(100);
    console_resume(t.console);
    settle();
    expect_got(5100);
}

static void paused_and_resumed(void **state)
{
    (void)state;
    connected();
    for (size_t i = 1; i < 4; i++) {
        guest_writes(100);
        console_pause(t.console);
        assert_null(t.stream.c.user);
        assert_int_equal(pv_sim_mapped(t.guest) + pv_sim_bound(t.guest), 0);
        guest_writes(100);
        console_resume(t.console);
        settle();
        expect_got(i * 200);
    }
    expect_state(4);
}

/* --- Real streams. */

static void read_all(int fd, size_t n)
{
    uint8_t bytes[512];

    for (size_t at = 0; at < n;) {
        ssize_t k = read(fd, bytes, sizeof bytes < n - at ? sizeof bytes : n - at);

        if (k < 0 && errno == EAGAIN) {
            loop_turn(t.x.loop, false);
            continue;
        }
        assert_true(k > 0);
        for (ssize_t i = 0; i < k; i++, at++)
            assert_int_equal(bytes[i], at % 251);
    }
}

static void write_all(int fd, size_t n)
{
    uint32_t read = t.ring->in_cons;
    uint8_t byte;

    for (size_t sent = 0; read < n;) {
        byte = (uint8_t)(sent % 251);
        if (sent < n && write(fd, &byte, 1) == 1)
            sent++;
        loop_turn(t.x.loop, false);
        if (sent < n && sent < read + 1200)
            continue; /* let the ring run full */
        for (; read != t.ring->in_prod; read++)
            assert_int_equal(t.ring->in[read % 1024], read % 251);
        __atomic_store_n(&t.ring->in_cons, read, __ATOMIC_RELEASE);
        pv_sim_signal(t.guest, PORT);
    }
}

static void on_a_pty(void **state)
{
    struct error e = { "" };
    char name[64];
    int fd;

    (void)state;
    assert_int_equal(chardev_open(t.x.loop, "libxl-channel0", "pty", &t.real, &e), 0);
    create(1, "ioemu", "pty");
    expect_state(2);
    assert_true(xenstore_read(t.x.them, FRONT "/tty", name, sizeof name) > 0);
    assert_string_equal(name, chardev_filename(t.real) + 4);
    guest_connects("port");
    expect_state(4);
    fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(fd >= 0);
    guest_writes_all(60000); /* more than a pty takes */
    read_all(fd, 60000);
    write_all(fd, 5000);
    close(fd);
}

static void on_a_socket(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct error e = { "" };
    char spec[160], name[8];
    int fd;

    (void)state;
    snprintf(a.sun_path, sizeof a.sun_path, "%s.c", t.x.path);
    snprintf(spec, sizeof spec, "unix:%s,server=on,wait=off", a.sun_path);
    assert_int_equal(chardev_open(t.x.loop, "libxl-channel0", spec, &t.real, &e), 0);
    connected();
    assert_int_equal(xenstore_read(t.x.them, FRONT "/tty", name, sizeof name), 0);
    guest_writes_all(5000); /* to nobody */
    t.sent = 0;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    settle();
    guest_writes_all(1000000); /* more than a socket takes */
    read_all(fd, 1000000);
    write_all(fd, 5000);
    close(fd);
    settle();
    guest_writes_all(5000);
}

/* Across deaths, the file has each byte once. */
static void on_a_file(void **state)
{
    struct chardev_kept kept = { .successor = true, .client = -1 };
    struct error e = { "" };
    char spec[64];
    int fd;

    (void)state;
    snprintf(spec, sizeof spec, "file:%s.f", t.x.path);
    assert_int_equal(chardev_open(t.x.loop, "libxl-channel0", spec, &t.real, &e), 0);
    connected();
    for (int i = 0; i < 5; i++) {
        guest_writes_all(3000);
        kept.fd = dup(t.real->keep);
        process_dies();
        t.real->user = NULL;
        chardev_close(t.real);
        guest_writes(500);
        assert_int_equal(chardev_open_kept(t.x.loop, "l", spec, &kept, &t.real, &e), 0);
        successor_starts();
        settle();
    }
    fd = open(spec + 5, O_RDONLY);
    assert_true(fd >= 0);
    read_all(fd, 17500);
    assert_int_equal(lseek(fd, 0, SEEK_END), 17500);
    close(fd);
    unlink(spec + 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(both_directions),
        T(indices_wrap),
        T(slow_reader),
        T(small_limit),
        T(back_pressure),
        T(wild_indices),
        T(not_ours),
        T(closes_and_comes_back),
        T(death_at_any_moment),
        T(page_is_behind),
        T(without_lasting_memory),
        T(paused_and_resumed),
        T(on_a_pty),
        T(on_a_socket),
        T(on_a_file),
    };

    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
