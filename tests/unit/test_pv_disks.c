/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pv_disks - PV disks from xenstore to the image: the PV worker as a process, with the
 * supervisor's own message handling, broker and images in the test, a small xenstored, and a
 * simulated guest. The test is the device model, too.
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
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/lock.h"
#include "hw/xen/handover.h"
#include "ioreq/loop.h"
#include "tests/blkfront.h"
#include "tests/xenstored.h"
#include "toolstack/pv_worker.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/supervisor/private.h"

#define BACK  "backend/qdisk/5/51712"
#define FRONT "/local/domain/5/device/vbd/51712"
#define CD    "backend/qdisk/5/5632"
#define CDF   "/local/domain/5/device/vbd/5632"

enum { WAIT_US = 200, WAITS = 50000, IMAGE = 4 << 20, DEATHS = 25 };

static struct xenstored x;
static struct blkfront f;
static struct supervisor_options options = { .domid = 5 };
static struct supervisor s;
static struct handover_page *page;
static struct handover_side model;
static int kick; /* eventfd: the guest signals its channel */
static char dir[] = "/tmp/test_pv_disks.XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][96];
    static unsigned n;
    char *p = path[n++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

/* --- In the worker. */

static struct loop_source kicked;

static void deliver(void *opaque, uint32_t events)
{
    eventfd_t n;

    (void)opaque, (void)events;
    if (eventfd_read(kick, &n) == 0)
        pv_sim_signal(f.sim, FRONT_PORT);
}

static int attach(struct loop *loop, unsigned domid, struct pv **out, struct error *e)
{
    (void)domid;
    *out = pv_sim_attach(f.sim, loop, false);
    if (!*out)
        return error_set(e, -ENOMEM, "out of memory");
    kicked = (struct loop_source){ .fd = kick, .ready = deliver };
    return loop_add(loop, &kicked, EPOLLIN);
}

static int work(const char *env)
{
    struct config *c = calloc(1, sizeof *c);
    struct supervised *me;
    struct error e = { "" };
    int ret;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv(SUPERVISED_ENV, env, 1);
    if (!c || supervised_open(&me, &e) < 0)
        return 20;
    c->domid = 5;
    c->machine = options.pv_only ? CONFIG_MACHINE_XENPV : CONFIG_MACHINE_XENFV;
    c->nqmp = 1;
    c->qmp[0] = (struct config_qmp){ .path = in_dir("qmp"), .fd = -1 };
    c->no_sandbox = !getenv("HVMDM_TEST_CONFINED"); /* as root, without sanitizers */
    ret = pv_worker_serve(me, c, attach, &e);
    free(c);
    if (ret < 0)
        fprintf(stderr, "worker: %s\n", e.text);
    if (pv_sim_mapped(f.sim) || pv_sim_bound(f.sim))
        return 21;
    return ret < 0 ? -ret : 0;
}

/* --- The supervisor. */

static void turn(void)
{
    if (!loop_turn(x.loop, false))
        usleep(WAIT_US);
}

/* What is meant for the supervisor's own life; it has none here. */
static void await_ready(void)
{
    for (int i = 0; i < WAITS && !s.pv->ready; i++)
        turn();
    assert_true(s.pv->ready);
}

static void launch(uint32_t death)
{
    char env[4096];
    int pair[2], on = 1, n;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    n = snprintf(env, sizeof env, "role=pv gen=%u death=%u sock=%d fds=vitals:%d",
                 s.pv->generation++, death, pair[1], s.pv->vitals);
    for (unsigned i = 0; i < s.pv->held.n; i++)
        n += snprintf(env + n, sizeof env - (size_t)n, ",%s:%d", s.pv->held.fd[i].name,
                      s.pv->held.fd[i].fd);
    s.pv->ready = false;
    s.pv->pid = fork();
    assert_true(s.pv->pid >= 0);
    if (!s.pv->pid)
        _exit(work(env));
    close(pair[1]);
    assert_int_equal(worker_adopt(s.pv, pair[0]), 0);
}

static void start(uint32_t death)
{
    launch(death);
    await_ready();
}

/* As at the end, when the supervisor does nothing more about it. */
static void await_hand_over(uint32_t attempt)
{
    s.ending = true;
    s.upgrade.attempt = attempt;
    s.pv->handed_over = false;
    worker_tell(s.pv, SUPERVISED_HAND_OVER, attempt, NULL, -1);
    for (int i = 0; i < WAITS && !s.pv->handed_over; i++)
        turn();
    assert_true(s.pv->handed_over);
    s.ending = false;
}

/* The worker's process has ended, this way. */
static int reap(void)
{
    int status;

    for (int i = 0; i < WAITS; i++) {
        if (waitpid(s.pv->pid, &status, WNOHANG) == s.pv->pid) {
            while (message_receive(s.pv))
                ;
            broker_free(s.pv->broker);
            s.pv->broker = NULL;
            loop_remove(x.loop, &s.pv->socket);
            close(s.pv->socket.fd);
            s.pv->socket.fd = -1;
            s.pv->pid = 0;
            return status;
        }
        turn();
    }
    fail_msg("the worker does not end");
    return -1;
}

static void murder(void)
{
    kill(s.pv->pid, SIGKILL);
    assert_true(WIFSIGNALED(reap()));
}

static void quit(void)
{
    worker_tell(s.pv, SUPERVISED_QUIT, 0, NULL, -1);
    assert_int_equal(reap(), 0);
}

static bool is_held(const char *name)
{
    return held_find(&s.pv->held, name) >= 0;
}

/* --- Toolstack. */

static void make_image(const char *name, uint8_t fill)
{
    int fd = open(in_dir(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint8_t bytes[512];

    memset(bytes, fill, sizeof bytes);
    assert_int_equal(ftruncate(fd, IMAGE), 0);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, 0), sizeof bytes);
    close(fd);
}

static bool is_locked(const char *name)
{
    int fd = open(in_dir(name), O_RDWR | O_CLOEXEC), ret = image_try_lock(fd, false, name);

    close(fd);
    return ret == -EAGAIN;
}

static void put(const char *where, const char *key, const char *value)
{
    char path[96];

    snprintf(path, sizeof path, "%s/%s", where, key);
    xenstored_put(&x, path, value);
}

static void attach_disk(const char *back, const char *front, const char *name, const char *mode)
{
    char params[128];

    snprintf(params, sizeof params, "aio:%s", name ? in_dir(name) : "");
    put(front, "state", "1");
    put(back, "frontend", front);
    put(back, "params", params);
    put(back, "mode", mode);
    put(back, "device-type", strcmp(back, CD) ? "disk" : "cdrom");
    put(back, "online", "1");
    put(back, "state", "1");
}

static void expect(const char *path, uint32_t value)
{
    for (int i = 0; i < WAITS && xenstored_get(&x, path) != value; i++)
        turn();
    assert_int_equal(xenstored_get(&x, path), value);
}

static void stays(const char *path, uint32_t value)
{
    for (int i = 0; i < 200; i++)
        turn();
    assert_int_equal(xenstored_get(&x, path), value);
}

/* --- The guest. */

static void ask_for_connection(const char *front)
{
    char number[16];

    memset(front_slot(&f, 0, 0) - 64, 0, 4096);
    *front_index(&f, 0, BLKIF_REQ_EVENT) = *front_index(&f, 0, BLKIF_RSP_EVENT) = 1;
    f.queue[0].req_prod = f.queue[0].rsp_cons = 0;
    snprintf(number, sizeof number, "%d", FRONT_RING);
    put(front, "ring-ref", number);
    snprintf(number, sizeof number, "%d", FRONT_PORT);
    put(front, "event-channel", number);
    put(front, "protocol", "x86_64-abi");
    put(front, "state", "3");
}

static void connect_guest(void)
{
    expect(BACK "/state", 2);
    ask_for_connection(FRONT);
    expect(BACK "/state", 4);
    put(FRONT, "state", "4");
}

static void disconnect_guest(void)
{
    put(FRONT, "state", "5");
    expect(BACK "/state", 5);
    put(FRONT, "state", "6");
    expect(BACK "/state", 6);
}

static void push(const struct front_request *r)
{
    front_put(&f, 0, r);
    front_push(&f, 0);
    assert_int_equal(eventfd_write(kick, 1), 0);
}

static int await_answer(uint64_t id)
{
    struct front_response a;

    for (int i = 0; i < WAITS; i++) {
        if (front_take(&f, 0, &a)) {
            assert_int_equal(a.id, id);
            return a.status;
        }
        turn();
    }
    fail_msg("no answer");
    return -1;
}

static int run(uint8_t op, uint64_t sector, uint16_t pages)
{
    static uint64_t id;
    struct front_request r = front_transfer(op, ++id, sector, 0, pages);

    push(&r);
    return await_answer(id);
}

static void write_pattern(uint64_t sector, uint8_t value)
{
    memset(front_page(&f, 0), value, 4096);
    assert_int_equal(run(BLKIF_WRITE, sector, 1), BLKIF_OKAY);
}

static void expect_pattern(uint64_t sector, uint8_t value)
{
    memset(front_page(&f, 0), 0xee, 4096);
    assert_int_equal(run(BLKIF_READ, sector, 1), BLKIF_OKAY);
    assert_int_equal(front_page(&f, 0)[0], value);
    assert_int_equal(front_page(&f, 0)[511], value);
}

static uint8_t byte_of(const char *name, uint64_t sector)
{
    int fd = open(in_dir(name), O_RDONLY | O_CLOEXEC);
    uint8_t byte = 0;

    assert_int_equal(pread(fd, &byte, 1, (off_t)sector * 512), 1);
    close(fd);
    return byte;
}

/* --- The device model, which has "a" as its first disk. */

static void emulate(void)
{
    int fd = open(in_dir("a"), O_RDWR | O_CLOEXEC);

    assert_int_equal(image_try_lock(fd, false, "a"), 0);
    assert_int_equal(held_put(&s.model->held, "disk0", fd), 0);
    model = (struct handover_side){ .slot = &page->slot[0] };
}

static void wake_pv(void)
{
    assert_int_equal(eventfd_write(held_find(&s.model->held, SUPERVISED_WAKE_PV), 1), 0);
}

static void await_drain(void)
{
    for (int i = 0; i < WAITS; i++) {
        if (handover_drain_due(&model))
            return;
        turn();
    }
    fail_msg("the PV side does not want the disk");
}

static void let_go(void)
{
    await_drain();
    assert_true(handover_drained(&model));
    wake_pv();
}

static void expect_taken_back(void)
{
    for (int i = 0; i < WAITS && !handover_may_use(&model); i++)
        turn();
    assert_true(handover_may_use(&model));
}

/* --- Fixture. */

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    make_image("a", 0x11);
    make_image("b", 0x22);
    front_new(&f, BLKIF_ABI_64, 1, 0, false);
    kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    xenstored_start(&x);
    setenv("XENSTORED_PATH", x.path, 1);
    memset(&s, 0, sizeof s);
    s.o = &options;
    s.xs = x.ours;
    s.loop = x.loop;
    s.model = &s.seats[0];
    s.pv = &s.seats[1];
    s.successor = &s.seats[2];
    worker_init(s.model, &s, SUPERVISED_MODEL);
    worker_init(s.pv, &s, SUPERVISED_PV);
    worker_init(s.successor, &s, SUPERVISED_MODEL);
    s.pv->vitals = memfd_create("vitals", MFD_CLOEXEC);
    assert_int_equal(ftruncate(s.pv->vitals, SUPERVISED_VITALS_BYTES), 0);
    assert_int_equal(disks_prepare(&s), 0);
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED,
                held_find(&s.pv->held, SUPERVISED_HANDOVER), 0);
    assert_true(page != MAP_FAILED);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    if (s.pv->pid)
        murder();
    held_clear(&s.pv->held);
    held_clear(&s.model->held);
    close(s.pv->vitals);
    munmap(page, sizeof *page);
    xenstored_stop(&x);
    close(kick);
    front_free(&f);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* --- The tests. */

static void serves_and_lets_go(void **state)
{
    struct supervised_vitals v;

    (void)state;
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    connect_guest();
    expect(BACK "/sectors", IMAGE / 512);
    expect_pattern(0, 0x11);
    write_pattern(8, 0x33);
    expect_pattern(8, 0x33);
    assert_int_equal(run(BLKIF_FLUSH, 0, 0), BLKIF_OKAY);
    assert_int_equal(byte_of("a", 8), 0x33);
    worker_vitals(s.pv, &v);
    assert_true(v.events > 4);
    assert_true(is_held("qdisk51712") && is_held("journal0") && is_locked("a"));
    put(BACK, "online", "0");
    put(BACK, "state", "5");
    put(FRONT, "state", "6");
    expect(BACK "/state", 6);
    xenstored_erase(&x, BACK);
    xenstored_erase(&x, FRONT);
    for (int i = 0; i < WAITS && is_held("qdisk51712"); i++)
        turn();
    assert_false(is_held("qdisk51712") || is_locked("a"));
    for (int i = 0; i < 3; i++) { /* and again */
        attach_disk(BACK, FRONT, i & 1 ? "a" : "b", "w");
        connect_guest();
        expect_pattern(0, i & 1 ? 0x11 : 0x22);
        disconnect_guest();
        xenstored_erase(&x, BACK);
        xenstored_erase(&x, FRONT);
        for (int k = 0; k < WAITS && is_held("qdisk51712"); k++)
            turn();
        assert_false(is_locked("a") || is_locked("b"));
    }
    quit();
}

static void count(void *opaque, const char *path)
{
    (void)path;
    ++*(unsigned *)opaque;
}

/* Each request is answered once, and xenstore does not show that anything happened. */
static void successors_go_on(void **state)
{
    unsigned writes = 0;
    struct xenstore_watch watch = { .path = BACK, .changed = count, .opaque = &writes };

    (void)state;
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    connect_guest();
    assert_int_equal(xenstore_watch(x.them, &watch), 0);
    for (unsigned n = 0; n < DEATHS; n++) {
        struct front_request r[4];

        memset(front_page(&f, 0), (int)n + 1, 4096);
        for (unsigned i = 0; i < 4; i++) {
            r[i] = front_transfer(BLKIF_WRITE, 100 + 4 * n + i, 8 * i, 0, 1);
            push(&r[i]);
        }
        usleep(n * 40); /* somewhere */
        murder();
        start(SIGKILL);
        for (unsigned i = 0; i < 4; i++) {
            struct front_response a;

            while (!front_take(&f, 0, &a))
                turn();
            assert_true(a.id >= 100 + 4 * n && a.id < 104 + 4 * n && a.status == BLKIF_OKAY);
        }
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(byte_of("a", 8 * i), n + 1);
    }
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    assert_int_equal(writes, 1); /* the first call of any watch */
    xenstore_unwatch(x.them, &watch);
    disconnect_guest();
    quit();
}

static void hands_over_and_back(void **state)
{
    (void)state;
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    connect_guest();
    for (uint32_t attempt = 1; attempt < 4; attempt++) {
        struct front_request r = front_transfer(BLKIF_WRITE, attempt, 8, 0, 1);

        memset(front_page(&f, 0), (int)attempt, 4096);
        await_hand_over(attempt);
        push(&r);
        for (int i = 0; i < 100; i++)
            turn();
        assert_int_not_equal(byte_of("a", 8), attempt);
        worker_tell(s.pv, SUPERVISED_RESUME, attempt, NULL, -1);
        assert_int_equal(await_answer(attempt), BLKIF_OKAY);
        assert_int_equal(byte_of("a", 8), attempt);
        assert_true(is_held("qdisk51712"));
    }
    await_hand_over(9);
    quit();
    start(SUPERVISED_UPGRADE);
    write_pattern(8, 0x77);
    assert_int_equal(xenstored_get(&x, BACK "/state"), 4);
    quit();
}

static void waits_for_the_lock(void **state)
{
    int other;

    (void)state;
    start(0);
    other = open(in_dir("a"), O_RDWR | O_CLOEXEC); /* the worker does not have that one */
    assert_int_equal(image_try_lock(other, false, "a"), 0);
    attach_disk(BACK, FRONT, "a", "w");
    attach_disk(CD, CDF, "b", "r");
    expect(CD "/state", 2); /* others do not wait */
    stays(BACK "/state", 1);
    close(other);
    connect_guest();
    expect_pattern(0, 0x11);
    quit();
}

/* The front end is told, and everybody else goes on. */
static void what_cannot_be_opened_is_closed(void **state)
{
    (void)state;
    attach_disk(BACK, FRONT, "nothing", "w");
    attach_disk(CD, CDF, "b", "r");
    start(0);
    for (int i = 0; i < WAITS && xenstored_get(&x, BACK "/state") < 5; i++)
        turn();
    assert_true(xenstored_get(&x, BACK "/state") >= 5);
    expect(CD "/state", 2);
    quit();
}

/* ---- with an emulated twin */

static void twin_lets_go_first(void **state)
{
    (void)state;
    emulate();
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    for (unsigned n = 0; n < 3; n++) {
        assert_true(handover_may_use(&model));
        if (n)
            put(FRONT, "state", "1");
        expect(BACK "/state", 2);
        ask_for_connection(FRONT);
        stays(BACK "/state", 2);
        assert_false(handover_may_use(&model));
        let_go();
        expect(BACK "/state", 4);
        put(FRONT, "state", "4");
        write_pattern(8, (uint8_t)n);
        assert_false(handover_may_use(&model));
        disconnect_guest();
        assert_true(handover_may_use(&model)); /* before the guest has seen state 6 */
    }
    quit();
}

static void deaths_on_the_way(void **state)
{
    (void)state;
    emulate();
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    expect(BACK "/state", 2);
    ask_for_connection(FRONT);
    await_drain();
    murder(); /* while it waits */
    start(SIGKILL);
    stays(BACK "/state", 2);
    assert_true(handover_drained(&model));
    murder(); /* before it hears of it */
    start(SIGKILL);
    expect(BACK "/state", 4);
    put(FRONT, "state", "4");
    write_pattern(8, 1);
    murder(); /* while it has the disk */
    assert_false(handover_may_use(&model));
    start(SIGKILL);
    write_pattern(8, 2);
    murder();
    put(FRONT, "state", "6"); /* while nobody is there */
    start(SIGKILL);
    expect(BACK "/state", 6);
    expect_taken_back();
    put(FRONT, "state", "1");
    expect(BACK "/state", 2);
    ask_for_connection(FRONT);
    await_drain();
    put(FRONT, "state", "6"); /* it has thought better of it */
    expect_taken_back();
    murder();
    xenstored_erase(&x, BACK);
    handover_claim(&page->slot[0]); /* as if it had died with it, and the disk is gone */
    start(SIGKILL);
    expect_taken_back();
    assert_false(is_held("qdisk51712"));
    quit();
}

static void twin_is_unplugged(void **state)
{
    (void)state;
    emulate();
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    expect(BACK "/state", 2);
    handover_gone(&model);
    assert_int_equal(held_drop(&s.model->held, "disk0"), 0);
    assert_true(is_locked("a"));
    connect_guest();
    write_pattern(8, 1);
    murder();
    start(SIGKILL);
    write_pattern(8, 2);
    disconnect_guest();
    assert_false(handover_may_use(&model));
    put(FRONT, "state", "1");
    connect_guest();
    write_pattern(8, 3);
    quit();
}

/* ---- changes */

static void image_grows(void **state)
{
    int fd = open(in_dir("a"), O_RDWR | O_CLOEXEC);

    (void)state;
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    connect_guest();
    assert_int_equal(ftruncate(fd, 2 * IMAGE), 0);
    stays(BACK "/sectors", IMAGE / 512);
    __atomic_add_fetch(&page->resized, 1, __ATOMIC_SEQ_CST);
    wake_pv();
    expect(BACK "/sectors", 2 * IMAGE / 512);
    write_pattern(2 * IMAGE / 512 - 8, 0x44);
    close(fd);
    quit();
}

static void medium_changes(void **state)
{
    char params[128];

    (void)state;
    attach_disk(CD, CDF, "a", "r");
    start(0);
    expect(CD "/state", 2);
    ask_for_connection(CDF);
    expect(CD "/state", 4);
    put(CDF, "state", "4");
    expect_pattern(0, 0x11);
    snprintf(params, sizeof params, "aio:%s", in_dir("b"));
    put(CD, "params", params);
    for (int i = 0; i < WAITS && is_locked("a"); i++)
        turn();
    assert_false(is_locked("a"));
    for (int i = 0; i < WAITS && !is_locked("b"); i++)
        turn();
    expect_pattern(0, 0x22);
    murder();
    start(SIGKILL);
    expect_pattern(0, 0x22);
    put(CD, "params", "aio:");
    expect(CD "/sectors", 0);
    for (int i = 0; i < WAITS && is_locked("b"); i++)
        turn();
    assert_false(is_locked("b"));
    assert_int_not_equal(run(BLKIF_READ, 0, 1), BLKIF_OKAY);
    quit();
}

/* From an image without an emulated twin to one that has one, and back. */
static void medium_is_a_twin(void **state)
{
    struct front_request r = front_transfer(BLKIF_WRITE, 1000, 8, 0, 1);
    char a[128], b[128];

    (void)state;
    snprintf(a, sizeof a, "aio:%s", in_dir("a"));
    snprintf(b, sizeof b, "aio:%s", in_dir("b"));
    emulate();
    attach_disk(BACK, FRONT, "b", "w");
    start(0);
    connect_guest();
    for (uint8_t n = 1; n < 3; n++) {
        assert_true(handover_may_use(&model));
        put(BACK, "params", a);
        await_drain();
        memset(front_page(&f, 0), n, 4096);
        push(&r);
        stays(BACK "/state", 4);
        assert_int_not_equal(byte_of("a", 8), n); /* not yet ours */
        assert_true(handover_drained(&model));
        wake_pv();
        assert_int_equal(await_answer(1000), BLKIF_OKAY);
        assert_int_equal(byte_of("a", 8), n);
        put(BACK, "params", b);
        expect_taken_back();
        expect_pattern(0, 0x22);
    }
    disconnect_guest();
    quit();
}

/* ---- a PV guest */

static int setup_pv(void **state)
{
    int ret = setup(state);

    options.pv_only = true;
    held_clear(&s.pv->held); /* nobody to agree with */
    return ret;
}

static int teardown_pv(void **state)
{
    options.pv_only = false;
    return teardown(state);
}

static int connect_qmp(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", in_dir("qmp"));
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Until the answer has this. */
static void converse(int fd, const char *command, const char *want)
{
    char got[4096] = "";
    size_t n = 0;

    assert_int_equal(send(fd, command, strlen(command), 0), strlen(command));
    for (int i = 0; i < WAITS && !strstr(got, want); i++) {
        ssize_t more = recv(fd, got + n, sizeof got - 1 - n, MSG_DONTWAIT);

        n += more > 0 ? (size_t)more : 0;
        turn();
    }
    if (!strstr(got, want))
        fail_msg("\"%s\" did not come: %s", want, got);
}

static void pv_guest(void **state)
{
    char file[128];
    int fd = open(in_dir("a"), O_RDWR | O_CLOEXEC), qmp;

    (void)state;
    attach_disk(BACK, FRONT, "a", "w");
    start(0);
    connect_guest();
    expect_pattern(0, 0x11);
    for (int n = 0; n < 2; n++) {
        qmp = connect_qmp();
        converse(qmp, "{\"execute\":\"qmp_capabilities\"}", "return");
        converse(qmp, "{\"execute\":\"query-chardev\"}", "{\"return\":[]}");
        converse(qmp, "{\"execute\":\"query-status\"}", "\"running\"");
        snprintf(file, sizeof file, "\"file\":\"%s\"", in_dir("a")); /* as in params */
        converse(qmp, "{\"execute\":\"query-block\"}", file);
        converse(qmp, "{\"execute\":\"query-blockstats\"}",
                 n ? "\"rd_bytes\":0" : "\"rd_bytes\":4096");
        converse(qmp, "{\"execute\":\"query-pci\"}", "error");
        close(qmp);
        murder();
        start(SIGKILL);
    }
    assert_int_equal(ftruncate(fd, 2 * IMAGE), 0);
    qmp = connect_qmp();
    converse(qmp, "{\"execute\":\"qmp_capabilities\"}", "return");
    converse(qmp, "{\"execute\":\"block_resize\",\"arguments\":{\"size\":1}}", "return");
    expect(BACK "/sectors", 2 * IMAGE / 512);
    write_pattern(8, 0x55);
    converse(qmp, "{\"execute\":\"quit\"}", "return");
    assert_int_equal(reap(), 0);
    close(qmp);
    close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(serves_and_lets_go),
        T(successors_go_on),
        T(hands_over_and_back),
        T(waits_for_the_lock),
        T(what_cannot_be_opened_is_closed),
        T(twin_lets_go_first),
        T(deaths_on_the_way),
        T(twin_is_unplugged),
        T(image_grows),
        T(medium_changes),
        T(medium_is_a_twin),
        cmocka_unit_test_setup_teardown(pv_guest, setup_pv, teardown_pv),
    };

    return cmocka_run_group_tests_name("pv_disks", tests, NULL, NULL);
}
