/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channels and refused devices in the PV worker as a whole: a process of its own that is killed and
 * succeeded, its supervisor (this program) that holds what it gives, the broker in between.
 *
 * The guest's pages are shared with the workers, its event channels are not: a worker looks at the
 * ring when it binds, as after any death.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/xen/console.h"
#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"
#include "toolstack/pv_worker.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/supervisor/held.h"

#define BACK  "backend/console/5/1"
#define FRONT "/local/domain/5/device/console/1"

enum { GREF = 9, PORT = 33, WAIT_US = 200, WAITS = 25000 };

struct ring {
    uint8_t in[1024], out[2048];
    uint32_t in_cons, in_prod, out_cons, out_prod;
};

static struct {
    struct xenstored x;
    struct pv_sim *guest;
    struct ring *ring;
    struct config config;
    struct held held;
    char path[80];  /* of the channel's socket */
    int said;       /* what workers say on stderr */
    int client;     /* the other end of that, which is none of a worker's business */
    pid_t pid;      /* the worker */
    int sock;       /* to it */
    unsigned count; /* workers so far */
    struct broker *broker;
    uint32_t sent; /* the guest's bytes are numbered modulo 251 */
} t;

/* --- In the worker. */

static int attach(struct loop *loop, unsigned domid, struct pv **out, struct error *e)
{
    assert_int_equal(domid, 5);
    *out = pv_sim_attach(t.guest, loop, false);
    return *out ? 0 : error_set(e, -ENOMEM, "out of memory");
}

static int work(int sock, int page)
{
    char env[512];
    int n = snprintf(env, sizeof env, "role=pv gen=%u death=%d sock=%d fds=vitals:%d", t.count,
                     t.count ? 9 : 0, sock, page);
    struct supervised *s;
    struct error e = { "" };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(t.said, STDERR_FILENO);
    if (t.client >= 0)
        close(t.client);
    for (unsigned i = 0; i < t.held.n; i++)
        n +=
            snprintf(env + n, sizeof env - (size_t)n, ",%s:%d", t.held.fd[i].name, t.held.fd[i].fd);
    setenv(SUPERVISED_ENV, env, 1);
    if (supervised_open(&s, &e) < 0)
        return 20;
    return pv_worker_serve(s, &t.config, attach, &e) < 0 ? 21 : 0;
}

/* --- The supervisor. */

static void start(void)
{
    int pair[2], page = memfd_create("vitals", 0);

    assert_int_equal(ftruncate(page, SUPERVISED_VITALS_BYTES), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    t.pid = fork();
    assert_true(t.pid >= 0);
    if (!t.pid) {
        close(pair[0]);
        _exit(work(pair[1], page));
    }
    close(pair[1]);
    close(page);
    t.sock = pair[0];
    t.count++;
}

static void say(enum supervised_type type, const char *name, int fd)
{
    struct supervised_message m = { .type = type };

    snprintf(m.name, sizeof m.name, "%s", name);
    assert_int_equal(supervised_send(t.sock, &m, fd, 0), 0);
}

/* One look at what the worker says; its type, or 0. */
static uint32_t listen_once(void)
{
    struct supervised_message m;
    struct error e = { "" };
    int fd, ret = supervised_receive(t.sock, &m, &fd, NULL, MSG_DONTWAIT);

    if (!loop_turn(t.x.loop, false))
        usleep(WAIT_US);
    if (ret == -EAGAIN)
        return 0;
    assert_int_equal(ret, 1);
    if (m.type == SUPERVISED_XENSTORE) {
        assert_int_equal(broker_new(t.x.loop, 5, t.x.path, &t.broker, &fd, &e), 0);
        say(SUPERVISED_XENSTORE_FD, "", fd);
        close(fd);
    } else if (m.type == SUPERVISED_HOLD) {
        assert_int_equal(held_put(&t.held, m.name, fd), 0);
    } else if (m.type == SUPERVISED_DROP) {
        (void)!held_drop(&t.held, m.name);
        say(SUPERVISED_ACK, m.name, -1);
    }
    return m.type;
}

static void hear(enum supervised_type type)
{
    for (int i = 0; i < WAITS; i++)
        if (listen_once() == (uint32_t)type)
            return;
    fail_msg("the worker does not say %d", type);
}

#define expect(condition)                                                                          \
    do {                                                                                           \
        for (int i_ = 0; i_ < WAITS && !(condition); i_++)                                         \
            listen_once();                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static void ready(void)
{
    start();
    hear(SUPERVISED_READY);
}

static void reap(void)
{
    broker_free(t.broker);
    t.broker = NULL;
    close(t.sock);
    assert_int_equal(waitpid(t.pid, NULL, 0), t.pid);
    t.pid = 0;
}

static void kill_worker(void)
{
    kill(t.pid, SIGKILL);
    reap();
}

/* --- The toolstack and the guest. */

static void create_on(const char *path)
{
    t.config.nchannels = 1;
    t.config.channels[0] = (struct config_channel){ "libxl-channel0", path };
    xenstored_put(&t.x, FRONT "/type", "ioemu");
    xenstored_put(&t.x, FRONT "/output", path ? "chardev:libxl-channel0" : "pty");
    xenstored_put(&t.x, FRONT "/tty", "");
    xenstored_put(&t.x, FRONT "/state", "1");
    xenstored_put(&t.x, BACK "/frontend", FRONT);
    xenstored_put(&t.x, BACK "/online", "1");
    xenstored_put(&t.x, BACK "/state", "1");
}

static uint32_t state_of(const char *back)
{
    char path[80];

    snprintf(path, sizeof path, "%s/state", back);
    return xenstored_get(&t.x, path);
}

static void connect_guest(void)
{
    ready();
    expect(state_of(BACK) == 2);
    xenstored_put(&t.x, FRONT "/ring-ref", "9");
    xenstored_put(&t.x, FRONT "/port", "33");
    xenstored_put(&t.x, FRONT "/state", "4");
    expect(state_of(BACK) == 4);
}

static void guest_writes(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, t.sent++)
        t.ring->out[(t.ring->out_prod + i) % 2048] = (uint8_t)(t.sent % 251);
    __atomic_store_n(&t.ring->out_prod, t.ring->out_prod + n, __ATOMIC_RELEASE);
}

static bool all_taken(void)
{
    return __atomic_load_n(&t.ring->out_cons, __ATOMIC_ACQUIRE) == t.ring->out_prod;
}

/* What the host's end gets next are bytes `from` to `to` of the guest's. */
static void expect_bytes(int fd, uint32_t from, uint32_t to)
{
    uint8_t bytes[512];

    while (from < to) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t k;

        listen_once();
        if (poll(&p, 1, 0) <= 0)
            continue;
        k = read(fd, bytes, sizeof bytes < to - from ? sizeof bytes : to - from);
        assert_true(k > 0);
        for (ssize_t i = 0; i < k; i++, from++)
            assert_int_equal(bytes[i], from % 251);
    }
}

static void expect_typed(int fd, char c)
{
    uint32_t prod = t.ring->in_prod;

    assert_int_equal(write(fd, &c, 1), 1);
    expect(__atomic_load_n(&t.ring->in_prod, __ATOMIC_ACQUIRE) == prod + 1);
    assert_int_equal(t.ring->in[prod % 1024], c);
    t.ring->in_cons = prod + 1;
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    t.guest = pv_sim_new();
    t.ring = pv_sim_page(t.guest, GREF, false);
    assert_true(pv_sim_offer(t.guest, PORT));
    xenstored_start(&t.x);
    snprintf(t.path, sizeof t.path, "%s.channel", t.x.path);
    t.config.domid = 5;
    t.config.no_sandbox = true; /* tests need not be root; the sandbox has its own */
    t.said = memfd_create("said", 0);
    t.client = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (t.pid)
        kill_worker();
    held_clear(&t.held);
    xenstored_stop(&t.x);
    pv_sim_free(t.guest);
    close(t.said);
    unlink(t.path);
    unsetenv("XEN_QEMU_CONSOLE_LIMIT");
    return 0;
}

static int connect_client(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, t.path, sizeof t.path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static int count_said(const char *text)
{
    char said[8192] = "";
    int n = 0;

    assert_true(pread(t.said, said, sizeof said - 1, 0) >= 0);
    for (const char *at = said; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* --- Tests. */

/* The pty stays the same one, with whoever has it open. */
static void a_pty(void **state)
{
    char tty[64], again[64];
    int fd;

    (void)state;
    create_on(NULL);
    guest_writes(100);
    connect_guest();
    assert_true(xenstore_read(t.x.them, FRONT "/tty", tty, sizeof tty) > 0);
    fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    expect_bytes(fd, 0, 100);
    for (uint32_t i = 0; i < 8; i++) {
        expect_typed(fd, 'a');
        kill_worker();
        guest_writes(50);
        assert_int_equal(write(fd, "b", 1), 1);
        ready();
        expect_bytes(fd, 100 + i * 50, 150 + i * 50);
        expect(__atomic_load_n(&t.ring->in_prod, __ATOMIC_ACQUIRE) == 2 * i + 2);
        t.ring->in_cons++;
        assert_true(xenstore_read(t.x.them, FRONT "/tty", again, sizeof again) > 0);
        assert_string_equal(tty, again);
        assert_int_equal(state_of(BACK), 4);
    }
    close(fd);
}

/* Nobody reads, and the guest does not wait: what the workers had taken from it is all there. */
static void what_waits_for_the_host(void **state)
{
    char tty[64];
    int fd;

    (void)state;
    create_on(NULL);
    connect_guest();
    assert_true(xenstore_read(t.x.them, FRONT "/tty", tty, sizeof tty) > 0);
    fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < 20; i++) {
        say(SUPERVISED_HAND_OVER, "", -1); /* nothing is under way then */
        hear(SUPERVISED_HANDED_OVER);
        kill_worker();
        guest_writes(2048);
        ready();
        expect(all_taken());
    }
    expect_bytes(fd, 0, 20 * 2048);
    close(fd);
}

static void not_more_than_the_limit(void **state)
{
    char tty[64];
    int fd;

    (void)state;
    setenv("XEN_QEMU_CONSOLE_LIMIT", "10000", 1);
    create_on(NULL);
    connect_guest();
    assert_true(xenstore_read(t.x.them, FRONT "/tty", tty, sizeof tty) > 0);
    fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
    for (int i = 0; i < 40; i++) {
        kill_worker();
        guest_writes(2048);
        ready();
        expect(all_taken());
    }
    assert_true(count_said("are dropped") > 0);
    /* The pty's own buffer has the first ones, the backlog the last ones. */
    for (uint32_t n = 0;;) {
        uint8_t bytes[512];
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t k = poll(&p, 1, 500) > 0 ? read(fd, bytes, sizeof bytes) : 0;

        listen_once();
        n += (uint32_t)k;
        if (k > 0)
            assert_in_range(n, 1, 40 * 2048 - 2048);
        else if (n >= 10000)
            break;
    }
    close(fd);
}

/* A client stays connected, the next one finds the socket. */
static void a_socket(void **state)
{
    int fd, next;

    (void)state;
    create_on(t.path);
    connect_guest();
    fd = t.client = connect_client();
    expect(held_find(&t.held, "channel0c") >= 0);
    for (uint32_t i = 0; i < 5; i++) {
        kill_worker();
        guest_writes(70);
        ready();
        expect_bytes(fd, i * 70, i * 70 + 70);
        expect_typed(fd, 'x');
    }
    say(SUPERVISED_HAND_OVER, "", -1);
    hear(SUPERVISED_HANDED_OVER);
    close(fd);
    next = t.client =
        connect_client(); /* waits in the listening socket, as somebody else may serve it */
    for (int i = 0; i < 20; i++)
        listen_once();
    assert_true(held_find(&t.held, "channel0c") >= 0);
    say(SUPERVISED_RESUME, "", -1);
    expect_typed(next, 'y');
    close(next);
    t.client = -1;
    expect(held_find(&t.held, "channel0c") < 0);
    kill_worker();
    ready();
    fd = connect_client();
    expect_typed(fd, 'z');
    close(fd);
}

/* A channel that cannot be had costs nothing else. */
static void a_socket_that_cannot_be(void **state)
{
    (void)state;
    create_on("/nowhere/at/all");
    ready();
    expect(state_of(BACK) == 6);
    assert_int_equal(count_said("/nowhere/at/all"), 1);
    assert_int_equal(count_said("there is no stream for it"), 1);
    xenstored_put(&t.x, "/local/domain/5/device/vkbd/0/state", "1");
    xenstored_put(&t.x, "backend/vkbd/5/0/frontend", "/local/domain/5/device/vkbd/0");
    xenstored_put(&t.x, "backend/vkbd/5/0/online", "1");
    xenstored_put(&t.x, "backend/vkbd/5/0/state", "1");
    expect(state_of("backend/vkbd/5/0") == 2);
}

static void create_refused(const char *back, const char *front)
{
    char path[80];

    snprintf(path, sizeof path, "%s/state", front);
    xenstored_put(&t.x, path, "1");
    snprintf(path, sizeof path, "%s/frontend", back);
    xenstored_put(&t.x, path, front);
    snprintf(path, sizeof path, "%s/online", back);
    xenstored_put(&t.x, path, "1");
    snprintf(path, sizeof path, "%s/state", back);
    xenstored_put(&t.x, path, "1");
}

/* No back end for these: one line that names the cure, and a front end that need not wait. */
static void refused_devices(void **state)
{
    (void)state;
    create_refused("backend/vfb/5/0", "/local/domain/5/device/vfb/0");
    ready();
    create_refused("backend/9pfs/5/0", "/local/domain/5/device/9pfs/0");
    expect(state_of("backend/vfb/5/0") == 6);
    expect(state_of("backend/9pfs/5/0") == 6);
    xenstored_put(&t.x, "/local/domain/5/device/vfb/0/state", "6");
    for (int i = 0; i < 50; i++)
        listen_once();
    assert_int_equal(state_of("backend/vfb/5/0"), 6);
    assert_int_equal(count_said("remove vfb= from xl.cfg"), 1);
    assert_int_equal(count_said("remove p9= from xl.cfg"), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_pty),    T(what_waits_for_the_host), T(not_more_than_the_limit),
        T(a_socket), T(a_socket_that_cannot_be), T(refused_devices),
    };

    return cmocka_run_group_tests_name("pv_channels", tests, NULL, NULL);
}
