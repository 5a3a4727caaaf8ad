/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_world - supervisor and guest of the tests of test_domain.c, and the port between.
 *
 * The test is the supervisor and the guest; each device model is a child that runs the whole of
 * domain_live(). Between them lies the simulator, whose memory and pages are shared, in the place
 * of the port on real Xen: an event channel is an eventfd, and what Xen knows of the ioreq server
 * is in shared memory.
 *
 * HVMDM_TEST_CONFINED=1, as root and without sanitizers: each device model is in its sandbox.
 */
#ifndef TESTS_UNIT_DOMAIN_WORLD_H
#define TESTS_UNIT_DOMAIN_WORLD_H

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
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/lock.h"
#include "hw/core/arena.h"
#include "ioreq/pv.h"
#include "ioreq/sim_private.h"
#include "ioreq/xen.h"
#include "tests/image.h"
#include "toolstack/domain.h"
#include "toolstack/domain_private.h"

enum { SERVER = 5, HELD = 16, UART = 0x3f8, SCRATCH = 0x3ff, PATIENCE_MS = 20000 };

/* --- The port, as the children see it. */

/* What Xen keeps. */
struct world {
    struct ranges registered;
    unsigned created, destroyed, populated, enabled, bound, restricted;
    unsigned sleep_state; /* through the port: not in a supervised device model */
};

struct port {
    struct hv *hv;
    struct hv_ops ops;
    const struct hv_ops *sim;
    struct world *world;
    int channel; /* eventfd */
    /* of this process */
    struct loop *loop;
    struct loop_source source;
    struct kept *kept;
    struct ranges claimed;
    bool claiming, serving, forsaken;
};
static struct port port;

static int port_apply(void *opaque, const struct range_change *c)
{
    (void)opaque;
    return ranges_change(&port.world->registered, c);
}

static int port_change(enum range_op op, unsigned space, uint64_t base, uint64_t len)
{
    const struct range_change c = { op, space, base, len };

    return port.claiming ? ranges_change(&port.claimed, &c)
                         : kept_change(port.kept, &c, port_apply, NULL);
}

static int port_map_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    (void)hv;
    return port_change(RANGE_MAP, space, base, len);
}

static int port_unmap_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    (void)hv;
    return port_change(RANGE_UNMAP, space, base, len);
}

static int port_map_pci(struct hv *hv, unsigned devfn)
{
    (void)hv;
    return port_change(RANGE_MAP_PCI, 0, devfn, 1);
}

static int port_unmap_pci(struct hv *hv, unsigned devfn)
{
    (void)hv;
    return port_change(RANGE_UNMAP_PCI, 0, devfn, 1);
}

static int port_populate(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    (void)hv, (void)gfn, (void)nr;
    port.world->populated++;
    return 0;
}

static int port_set_sleep_state(struct hv *hv, unsigned state)
{
    (void)hv;
    port.world->sleep_state = state;
    return 0;
}

static uint64_t port_now(struct hv *hv)
{
    (void)hv;
    return loop_now();
}

static bool port_poll(struct hv *hv)
{
    return port.serving && port.sim->poll(hv);
}

static void port_destroy(struct hv *hv)
{
    port.world->destroyed += !port.claiming || port.forsaken;
    hv_xen_release(hv);
}

static void port_ready(void *opaque, uint32_t events)
{
    eventfd_t n;

    (void)opaque, (void)events;
    if (eventfd_read(port.channel, &n) == 0)
        slots_run_all(sim_slots(port.hv));
}

int hv_xen_attach(struct loop *l, unsigned domid, struct hv **out, struct error *e)
{
    (void)domid, (void)e;
    sim_new_process(port.hv);
    port.loop = l;
    port.claiming = true;
    *out = port.hv;
    return 0;
}

int hv_xen_create(struct hv *hv, struct kept *kept, struct error *e)
{
    (void)hv, (void)e;
    port.world->created++;
    port.kept = kept;
    port.claiming = false;
    kept_init(kept, SERVER);
    return 0;
}

int hv_xen_adopt(struct hv *hv, struct kept *kept, struct error *e)
{
    (void)hv;
    port.kept = kept;
    return kept_check(kept, e);
}

int hv_xen_settle(struct hv *hv, struct error *e)
{
    int err = kept_settle(port.kept, &port.claimed, port_apply, NULL);

    (void)hv, (void)e;
    port.claiming = err < 0;
    return err;
}

void hv_xen_keep(struct hv *hv, struct kept *kept)
{
    (void)hv;
    *kept = *port.kept;
    port.kept = kept;
}

unsigned hv_xen_server(struct hv *hv)
{
    (void)hv;
    return port.kept->server - 1;
}

void hv_xen_set_sink(struct hv *hv, const struct request_sink *sink)
{
    sim_set_sink(hv, sink);
}

/* A channel can be bound by one process only. */
int hv_xen_start(struct hv *hv, struct error *e)
{
    (void)hv;
    port.world->enabled = 1;
    if (port.world->bound++)
        return error_set(e, -EBUSY, "the event channels are bound");
    port.serving = true;
    port.source = (struct loop_source){ .fd = port.channel, .ready = port_ready };
    return loop_add(port.loop, &port.source, EPOLLIN);
}

void hv_xen_scan(struct hv *hv, uint16_t ring_next)
{
    slots_scan(sim_slots(hv), ring_next);
}

void hv_xen_forsake(struct hv *hv)
{
    (void)hv;
    port.forsaken = true;
}

void hv_xen_release(struct hv *hv)
{
    (void)hv;
    if (port.serving) {
        loop_remove(port.loop, &port.source);
        port.world->bound--;
        if (!port.claiming)
            port.claimed = *kept_table(port.kept);
        port.claiming = true;
    }
    port.serving = false;
}

int hv_xen_restrict(struct hv *hv, struct error *e)
{
    (void)hv, (void)e;
    port.world->restricted++;
    return 0;
}

/* Supervised device models have no back ends. */
int pv_xen_open(struct loop *l, unsigned domid, struct pv **out, struct error *e)
{
    (void)l, (void)domid, (void)out;
    return error_set(e, -ENOTSUP, "this test is supervised");
}

/* --- The supervisor. */

struct held {
    char name[SUPERVISED_NAME];
    int fd;
};

struct worker {
    pid_t pid;
    int sock;
};

struct fixture {
    struct image *image;
    char cd[128], serial[128], unix_path[128], qmp[128], unix_spec[160], file_spec[160];
    struct config config;
    struct held held[HELD];
    unsigned nheld;
    uint32_t generation;
    int vitals;
    volatile struct supervised_vitals *page;
    struct supervised_message last;
};

static struct held *find_held(struct fixture *f, const char *name)
{
    for (unsigned i = 0; i < f->nheld; i++)
        if (strcmp(f->held[i].name, name) == 0)
            return &f->held[i];
    return NULL;
}

static bool drop(struct fixture *f, const char *name)
{
    struct held *h = find_held(f, name);

    if (!h)
        return false;
    close(h->fd);
    *h = f->held[--f->nheld];
    return true;
}

static void hold(struct fixture *f, const char *name, int fd)
{
    drop(f, name);
    assert_true(f->nheld < HELD);
    snprintf(f->held[f->nheld].name, SUPERVISED_NAME, "%s", name);
    f->held[f->nheld++].fd = fd;
}

static int child(struct fixture *f)
{
    struct domain d = { .config = &f->config, .directory = f->image->dir };
    struct error e = { "" };
    int err = supervised_open(&d.s, &e);

    err = err < 0 ? err : domain_live(&d, &e);
    if (err < 0)
        fprintf(stderr, "child: %s\n", e.text);
    return err < 0;
}

static struct worker start(struct fixture *f, uint32_t death)
{
    char env[1024];
    int pair[2], n;
    struct worker w;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    n = snprintf(env, sizeof env, "role=model gen=%u death=%u sock=%d fds=vitals:%d", f->generation,
                 death, pair[1], f->vitals);
    for (unsigned i = 0; i < f->nheld; i++)
        n += snprintf(env + n, sizeof env - (size_t)n, ",%s:%d", f->held[i].name, f->held[i].fd);
    f->generation++;
    w = (struct worker){ .sock = pair[0], .pid = fork() };
    if (w.pid == 0) {
        close(pair[0]);
        setenv(SUPERVISED_ENV, env, 1);
        _exit(child(f));
    }
    close(pair[1]);
    return w;
}

/* One message, done as asked. 0: the worker has closed its end. */
static uint32_t serve(struct fixture *f, struct worker *w)
{
    struct pollfd p = { .fd = w->sock, .events = POLLIN };
    int fd, ret;

    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    ret = supervised_receive(w->sock, &f->last, &fd, NULL, 0);
    if (ret == 0 || ret == -ECONNRESET)
        return 0;
    assert_int_equal(ret, 1);
    if (f->last.type == SUPERVISED_HOLD) {
        assert_true(fd >= 0);
        hold(f, f->last.name, fd);
    } else if (f->last.type == SUPERVISED_DROP) {
        struct supervised_message m = f->last;

        m.type = SUPERVISED_ACK;
        m.value = drop(f, f->last.name) ? 0 : ENOENT;
        assert_int_equal(supervised_send(w->sock, &m, -1, 0), 0);
    }
    return f->last.type;
}

static void serve_until(struct fixture *f, struct worker *w, enum supervised_type type)
{
    uint32_t got;

    do {
        got = serve(f, w);
        if (got == 0)
            fail_msg("the device model ended instead of sending message %u", (unsigned)type);
    } while (got != type);
}

static void tell(struct worker *w, enum supervised_type type, uint32_t value)
{
    struct supervised_message m = { .type = type, .value = value };

    assert_int_equal(supervised_send(w->sock, &m, -1, 0), 0);
}

static int reap(struct fixture *f, struct worker *w)
{
    int status;

    while (serve(f, w))
        ;
    close(w->sock);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    return status;
}

/* As real Xen does when a process dies: its event channels are free again. */
static void murder(struct fixture *f, struct worker *w)
{
    kill(w->pid, SIGKILL);
    reap(f, w);
    port.world->bound = 0;
}

static struct worker up(struct fixture *f, uint32_t death)
{
    struct worker w = start(f, death);

    serve_until(f, &w, SUPERVISED_READY);
    serve_until(f, &w, SUPERVISED_WANT_PV);
    return w;
}

static void quit(struct fixture *f, struct worker *w)
{
    unsigned destroyed = port.world->destroyed;

    tell(w, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, w), 0);
    assert_int_equal(port.world->destroyed, destroyed + 1);
}

/* --- The guest. */

static volatile uint8_t *slot(void)
{
    return ((struct sim *)(void *)port.hv)->pages + HV_PAGE_SIZE; /* vCPU 0 */
}

static void ask_wide(unsigned at, unsigned width, bool read, uint16_t value)
{
    volatile uint8_t *s = slot();

    assert_int_equal(s[30] & 0xf, SLOT_NONE);
    for (unsigned i = 0; i < 24; i++)
        s[i] = 0;
    s[0] = (uint8_t)at;
    s[1] = (uint8_t)(at >> 8);
    s[8] = (uint8_t)value;
    s[9] = (uint8_t)(value >> 8);
    s[16] = 1; /* element */
    s[20] = (uint8_t)width;
    s[31] = REQ_PIO;
    s[30] = (uint8_t)(SLOT_READY | (read ? 0x20 : 0));
    assert_int_equal(eventfd_write(port.channel, 1), 0);
}

static void ask(unsigned at, bool read, uint8_t value)
{
    ask_wide(at, 1, read, value);
}

static bool answered(void)
{
    return (slot()[30] & 0xf) == SLOT_RESP_READY;
}

static uint8_t answer(struct fixture *f, struct worker *w)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    for (unsigned ms = 0; !answered(); ms++) {
        struct pollfd p = { .fd = w->sock, .events = POLLIN };

        if (ms == PATIENCE_MS)
            fail_msg("the request was not answered");
        nanosleep(&pause, NULL);
        if (poll(&p, 1, 0) > 0 && !serve(f, w))
            fail_msg("the device model ended");
    }
    slot()[30] = SLOT_NONE;
    return slot()[8];
}

static uint8_t in(struct fixture *f, struct worker *w, unsigned at)
{
    ask(at, true, 0);
    return answer(f, w);
}

static void out(struct fixture *f, struct worker *w, unsigned at, uint8_t value)
{
    ask(at, false, value);
    answer(f, w);
}

/* --- Fixture. */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *image;
    int fd;

    image_setup(&image);
    f->image = image;
    snprintf(f->cd, sizeof f->cd, "%s/cd", f->image->dir);
    snprintf(f->serial, sizeof f->serial, "%s/com1", f->image->dir);
    snprintf(f->unix_path, sizeof f->unix_path, "%s/com3", f->image->dir);
    snprintf(f->qmp, sizeof f->qmp, "%s/qmp", f->image->dir);
    snprintf(f->file_spec, sizeof f->file_spec, "file:%s", f->serial);
    snprintf(f->unix_spec, sizeof f->unix_spec, "unix:%s,server,nowait", f->unix_path);
    fd = open(f->cd, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    close(fd);
    f->config = (struct config){ .domid = 7,
                                 .name = "test",
                                 .no_sandbox = !getenv("HVMDM_TEST_CONFINED"),
                                 .vcpus = 1,
                                 .max_vcpus = 1,
                                 .ram_mib = 16,
                                 .ndisks = 2,
                                 .nserials = 3,
                                 .nqmp = 1 };
    f->config.disks[0] = (struct config_disk){
        .bus = CONFIG_BUS_IDE, .id = "ide-768", .path = f->image->path, .format = "raw"
    };
    f->config.disks[1] = (struct config_disk){ .bus = CONFIG_BUS_IDE,
                                               .channel = 1,
                                               .cdrom = true,
                                               .id = "ide-5632",
                                               .path = f->cd,
                                               .format = "raw" };
    f->config.serials[0] = f->file_spec;
    f->config.serials[1] = "pty";
    f->config.serials[2] = f->unix_spec;
    f->config.qmp[0] = (struct config_qmp){ .path = f->qmp, .fd = -1 };
    f->vitals = memfd_create("vitals", 0);
    assert_int_equal(ftruncate(f->vitals, SUPERVISED_VITALS_BYTES), 0);
    f->page = mmap(NULL, SUPERVISED_VITALS_BYTES, PROT_READ, MAP_SHARED, f->vitals, 0);
    port = (struct port){ .hv = hv_sim_new(NULL), .channel = eventfd(0, EFD_NONBLOCK) };
    port.sim = port.hv->ops;
    port.ops = *port.sim;
    port.ops.map_range = port_map_range;
    port.ops.unmap_range = port_unmap_range;
    port.ops.map_pci = port_map_pci;
    port.ops.unmap_pci = port_unmap_pci;
    port.ops.populate = port_populate;
    port.ops.set_sleep_state = port_set_sleep_state;
    port.ops.now = port_now;
    port.ops.poll = port_poll;
    port.ops.destroy = port_destroy;
    port.hv->ops = &port.ops;
    port.world =
        mmap(NULL, sizeof *port.world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(port.world != MAP_FAILED);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *image = f->image;

    while (f->nheld)
        drop(f, f->held[0].name);
    unlink(f->cd);
    unlink(f->serial);
    unlink(f->unix_path);
    unlink(f->qmp);
    munmap((void *)(uintptr_t)f->page, SUPERVISED_VITALS_BYTES);
    close(f->vitals);
    port.sim->destroy(port.hv);
    munmap(port.world, sizeof *port.world);
    close(port.channel);
    free(f);
    return image_teardown(&image);
}

/* --- Helpers of single tests. */

static size_t file_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, size - 1);

    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return strlen(text);
}

static bool image_is_locked(struct fixture *f)
{
    int fd = open(f->image->path, O_RDWR | O_CLOEXEC), err;
    struct error e = { "" };

    err = image_lock(fd, false, f->image->path, 0, &e);
    close(fd);
    return err == -EBUSY;
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void expect_from(int fd, const char *text)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char got[64] = "";

    for (size_t n = 0; n < strlen(text);) { /* it may come in pieces */
        ssize_t more;

        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        more = read(fd, got + n, sizeof got - 1 - n);
        assert_true(more > 0);
        n += (size_t)more;
    }
    assert_string_equal(got, text);
}

#endif
