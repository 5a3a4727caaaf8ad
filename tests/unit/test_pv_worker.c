/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pv_worker - the PV worker as a process, with the test as its supervisor: the real broker and
 * a small xenstored, the guest simulated. The guest's pages are shared with the workers; which
 * channels are bound is each worker's own business, as after a death in the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"
#include "toolstack/pv_worker.h"
#include "toolstack/supervisor/broker.h"

#define BACK  "backend/vkbd/5/0"
#define FRONT "/local/domain/5/device/vkbd/0"

enum { GREF = 9, PORT = 33, WAIT_US = 200, WAITS = 50000 };

static struct xenstored x;
static struct pv_sim *guest;
static volatile unsigned *binds; /* by all workers together */

struct worker {
    pid_t pid;
    int sock;
    struct broker *broker;
    volatile struct supervised_vitals *vitals;
};

/* --- In the worker. */

static struct pv_ops ops;
static int (*sim_bind)(struct pv *p, uint32_t port, struct pv_channel *c);

static int counted_bind(struct pv *p, uint32_t port, struct pv_channel *c)
{
    ++*binds;
    return sim_bind(p, port, c);
}

static int attach(struct loop *loop, unsigned domid, struct pv **out, struct error *e)
{
    assert_int_equal(domid, 5);
    *out = pv_sim_attach(guest, loop, false);
    if (!*out)
        return error_set(e, -ENOMEM, "out of memory");
    ops = *(*out)->ops;
    sim_bind = ops.bind;
    ops.bind = counted_bind;
    (*out)->ops = &ops;
    return 0;
}

static int work(int sock, int page)
{
    struct config *c = calloc(1, sizeof *c);
    struct supervised *s;
    struct error e = { "" };
    char env[96];
    int ret;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(env, sizeof env, "role=pv gen=0 death=0 sock=%d fds=vitals:%d", sock, page);
    setenv(SUPERVISED_ENV, env, 1);
    if (!c || supervised_open(&s, &e) < 0)
        return 20;
    c->domid = 5;
    c->no_sandbox = true; /* tests need not be root; the sandbox has its own */
    ret = pv_worker_serve(s, c, attach, &e);
    free(c);
    if (pv_sim_mapped(guest) || pv_sim_bound(guest))
        return 21;
    return ret < 0 ? -ret : 0;
}

/* --- The supervisor. */

static void start(struct worker *w)
{
    int pair[2], page = memfd_create("vitals", 0);

    *w = (struct worker){ 0 };
    assert_int_equal(ftruncate(page, SUPERVISED_VITALS_BYTES), 0);
    w->vitals = mmap(NULL, SUPERVISED_VITALS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    assert_true(w->vitals != MAP_FAILED);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (!w->pid) {
        close(pair[0]);
        _exit(work(pair[1], page));
    }
    close(pair[1]);
    close(page);
    w->sock = pair[0];
}

static void turn(void)
{
    if (!loop_turn(x.loop, false))
        usleep(WAIT_US);
}

static void say(struct worker *w, enum supervised_type type, uint32_t value, int fd)
{
    const struct supervised_message m = { .type = type, .value = value };

    assert_int_equal(supervised_send(w->sock, &m, fd, 0), 0);
}

/* The next message of this type; gives the way to xenstore when asked for it. */
static uint32_t hear(struct worker *w, enum supervised_type type, bool refuse)
{
    struct supervised_message m;
    struct error e = { "" };
    int fd;

    for (int i = 0; i < WAITS; i++) {
        int ret = supervised_receive(w->sock, &m, &fd, NULL, MSG_DONTWAIT);

        turn();
        if (ret == -EAGAIN)
            continue;
        assert_int_equal(ret, 1);
        if (m.type == SUPERVISED_XENSTORE && refuse) {
            say(w, SUPERVISED_XENSTORE_FD, EACCES, -1);
            return 0;
        }
        if (m.type == SUPERVISED_XENSTORE) {
            assert_int_equal(broker_new(x.loop, 5, x.path, &w->broker, &fd, &e), 0);
            say(w, SUPERVISED_XENSTORE_FD, 0, fd);
            close(fd);
        }
        if (m.type == (uint32_t)type)
            return m.value;
    }
    fail_msg("the worker does not say %d", type);
    return 0;
}

static int status_of(struct worker *w)
{
    int status;

    for (int i = 0; i < WAITS; i++) {
        if (waitpid(w->pid, &status, WNOHANG) == w->pid) {
            broker_free(w->broker);
            if (w->sock >= 0)
                close(w->sock);
            munmap((void *)(uintptr_t)w->vitals, SUPERVISED_VITALS_BYTES);
            return status;
        }
        turn();
    }
    fail_msg("the worker does not end");
    return -1;
}

static void quit(struct worker *w)
{
    say(w, SUPERVISED_QUIT, 0, -1);
    assert_int_equal(status_of(w), 0);
}

static void expect_state(uint32_t state)
{
    for (int i = 0; i < WAITS && xenstored_get(&x, BACK "/state") != state; i++)
        turn();
    assert_int_equal(xenstored_get(&x, BACK "/state"), state);
}

/* --- The guest. */

static uint32_t *ring_page(void)
{
    return pv_sim_page(guest, GREF, false);
}

static void expect_served(void)
{
    uint32_t *page = ring_page();

    for (int i = 0; i < WAITS && __atomic_load_n(&page[2], __ATOMIC_ACQUIRE) != page[3]; i++)
        turn();
    assert_int_equal(page[2], page[3]);
}

static int setup(void **state)
{
    (void)state;
    binds = mmap(NULL, sizeof *binds, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(binds != MAP_FAILED);
    guest = pv_sim_new();
    assert_non_null(pv_sim_page(guest, GREF, false));
    assert_true(pv_sim_offer(guest, PORT));
    xenstored_start(&x);
    xenstored_put(&x, FRONT "/state", "1");
    xenstored_put(&x, BACK "/frontend", FRONT);
    xenstored_put(&x, BACK "/online", "1");
    xenstored_put(&x, BACK "/state", "1");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    xenstored_stop(&x);
    pv_sim_free(guest);
    munmap((void *)(uintptr_t)binds, sizeof *binds);
    return 0;
}

static void connect_guest(struct worker *w)
{
    start(w);
    hear(w, SUPERVISED_READY, false);
    expect_state(2);
    xenstored_put(&x, FRONT "/page-gref", "9");
    xenstored_put(&x, FRONT "/event-channel", "33");
    xenstored_put(&x, FRONT "/state", "3");
    expect_state(4);
    xenstored_put(&x, FRONT "/state", "4");
}

static void count(void *opaque, const char *path)
{
    (void)path;
    ++*(unsigned *)opaque;
}

static void serves_and_ends(void **state)
{
    struct worker w;

    (void)state;
    connect_guest(&w);
    assert_true(w.vitals->events > 0);
    quit(&w);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4); /* for a successor */
}

static void successor_goes_on(void **state)
{
    unsigned writes = 0;
    struct xenstore_watch watch = { .path = BACK, .changed = count, .opaque = &writes };
    struct worker w;

    (void)state;
    connect_guest(&w);
    assert_int_equal(xenstore_watch(x.them, &watch), 0);
    for (int i = 0; i < 10; i++) {
        kill(w.pid, SIGKILL);
        assert_true(WIFSIGNALED(status_of(&w)));
        ring_page()[3]++; /* nobody is there to hear of it */
        start(&w);
        hear(&w, SUPERVISED_READY, false);
        assert_int_equal(*binds, i + 2); /* ready is who has adopted */
        expect_served();
    }
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    assert_int_equal(writes, 1); /* the first call of any watch */
    xenstore_unwatch(x.them, &watch);
    xenstored_put(&x, FRONT "/state", "5");
    expect_state(5);
    quit(&w);
}

static void hands_over(void **state)
{
    struct worker old, new;

    (void)state;
    connect_guest(&old);
    for (uint32_t attempt = 1; attempt < 4; attempt++) {
        say(&old, SUPERVISED_HAND_OVER, attempt, -1);
        assert_int_equal(hear(&old, SUPERVISED_HANDED_OVER, false), attempt);
        ring_page()[3]++;
        say(&old, SUPERVISED_RESUME, attempt, -1);
        expect_served();
    }
    say(&old, SUPERVISED_HAND_OVER, 4, -1);
    assert_int_equal(hear(&old, SUPERVISED_HANDED_OVER, false), 4);
    start(&new);
    hear(&new, SUPERVISED_READY, false);
    ring_page()[3]++;
    quit(&old);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    xenstored_put(&x, FRONT "/state", "5");
    expect_state(5);
    quit(&new);
}

/* xenstore does not answer any more. It serves on until it does, and ends then, and says why. */
static void loses_xenstore(void **state)
{
    struct supervised_message m;
    struct worker w;
    int status, fd;

    (void)state;
    connect_guest(&w);
    broker_free(w.broker);
    w.broker = NULL;
    hear(&w, SUPERVISED_XENSTORE, true); /* not yet */
    assert_int_equal(waitpid(w.pid, &status, WNOHANG), 0);
    hear(&w, SUPERVISED_XENSTORE, false);
    for (int i = 0, ret = -EAGAIN; ret == -EAGAIN && i < WAITS; i++) {
        ret = supervised_receive(w.sock, &m, &fd, NULL, MSG_DONTWAIT);
        turn();
    }
    assert_int_equal(m.type, SUPERVISED_SAY);
    assert_non_null(strstr(m.text, "the connection to xenstore was lost: closed"));
    status = status_of(&w);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENOTCONN);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    start(&w);
    hear(&w, SUPERVISED_READY, false);
    assert_int_equal(*binds, 2);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    quit(&w);
}

/* One that cannot take over what there is, is not ready. */
static void cannot_adopt_without_xenstore(void **state)
{
    struct worker w;
    int status;

    (void)state;
    connect_guest(&w);
    kill(w.pid, SIGKILL);
    assert_true(WIFSIGNALED(status_of(&w)));
    xenstored_put(&x, "/broken", FRONT "/page-gref");
    start(&w);
    hear(&w, SUPERVISED_XENSTORE, false);
    status = status_of(&w);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ENOTCONN);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
}

static void ends_with_its_supervisor(void **state)
{
    struct worker w;

    (void)state;
    connect_guest(&w);
    close(w.sock);
    w.sock = -1;
    assert_int_equal(status_of(&w), 0);
}

static void cannot_start_without_xenstore(void **state)
{
    struct worker w;
    int status;

    (void)state;
    start(&w);
    hear(&w, SUPERVISED_READY, true);
    status = status_of(&w);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EACCES);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(serves_and_ends),
        T(successor_goes_on),
        T(hands_over),
        T(loses_xenstore),
        T(cannot_adopt_without_xenstore),
        T(ends_with_its_supervisor),
        T(cannot_start_without_xenstore),
    };

    return cmocka_run_group_tests_name("pv_worker", tests, NULL, NULL);
}
