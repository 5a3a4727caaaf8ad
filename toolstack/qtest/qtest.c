/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtest - see qtest.h.
 *
 * The same struct domain, board and QMP commands as of a guest on Xen, on the simulator. The event
 * loop has no timers: guest time is the client's.
 */
#include "toolstack/qtest/qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ioreq/sim.h"
#include "toolstack/ctl.h"
#include "toolstack/domain_private.h"
#include "toolstack/qtest/arguments.h"
#include "toolstack/qtest/port.h"
#include "toolstack/qtest/preset.h"

#define Y2000 946684800 /* seconds since 1970 */

struct qtest {
    struct domain d; /* first: what domain_vm_ops get */
    struct arguments a;
    struct vm_ops ops;
    struct port *port;
    struct board *board;
    struct loop_hooks hooks;
    struct loop_work later; /* tells of `event` */
    const char *event;
    int monitor[CONFIG_QMP]; /* connected; -1: none */
    FILE *log;
    uint8_t fw_cfg[PRESET_FW_CFG];
};

/* --- The end: a signal, or the client has gone. */

static int asked_to_end = -1;

static void ask_to_end(int sig)
{
    int before = errno;
    ssize_t n = write(asked_to_end, "", 1);

    (void)sig;
    (void)n;
    errno = before;
}

static void end_ready(void *opaque, uint32_t events)
{
    struct qtest *q = opaque;

    (void)events;
    if (q->d.qmp)
        qmp_event(q->d.qmp, "SHUTDOWN", false, "host-signal");
    loop_stop(q->d.loop);
}

static void client_gone(void *opaque)
{
    loop_stop(((struct qtest *)opaque)->d.loop);
}

static int catch_signals(struct qtest *q, struct error *e)
{
    const struct sigaction act = { .sa_handler = ask_to_end, .sa_flags = SA_RESTART };
    int ends[2];

    signal(SIGPIPE, SIG_IGN);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_set(e, -errno, "cannot receive signals: %s", strerror(errno));
    asked_to_end = ends[1];
    q->d.signals = (struct loop_source){ .fd = ends[0], .ready = end_ready, .opaque = q };
    if (sigaction(SIGTERM, &act, NULL) < 0 || sigaction(SIGINT, &act, NULL) < 0 ||
        sigaction(SIGHUP, &act, NULL) < 0)
        return error_set(e, -errno, "cannot receive signals: %s", strerror(errno));
    return loop_add(q->d.loop, &q->d.signals, EPOLLIN);
}

/* --- What happens beside requests. */

static void tell(struct qtest *q, const char *event, bool guest, const char *reason)
{
    if (q->d.qmp)
        qmp_event(q->d.qmp, event, guest, reason);
}

static void line(void *opaque, enum board_tap tap, unsigned n, bool level)
{
    struct qtest *q = opaque;

    if (q->port)
        protocol_irq(port_protocol(q->port), tap, n, level);
}

/* A reset that is granted is done by the board. */
static bool asked(void *opaque, enum machine_request what)
{
    struct qtest *q = opaque;

    if (what == MACHINE_SLEEP) {
        domain_set_status(&q->d, VM_SUSPENDED);
        return false;
    }
    if (what == MACHINE_POWEROFF || q->a.no_reboot) {
        domain_set_status(&q->d, VM_SHUTDOWN);
        tell(q, "SHUTDOWN", true, what == MACHINE_RESET ? "guest-reset" : "guest-shutdown");
        return false;
    }
    preset_cmos(&q->a, &q->d.pc, true);
    tell(q, "RESET", true, "guest-reset");
    return true;
}

/* --- What the monitor may ask of the machine, beside all that it may ask of a guest on Xen. */

static int reset(void *vm, struct error *e)
{
    struct qtest *q = vm;

    (void)e;
    preset_cmos(&q->a, &q->d.pc, true);
    board_reset(q->board);
    if (q->d.status == VM_SHUTDOWN || q->d.status == VM_SUSPENDED)
        domain_set_status(&q->d, VM_RUNNING);
    q->event = "RESET"; /* after the answer */
    loop_defer(q->d.loop, &q->later);
    return 0;
}

static int cont(void *vm, struct error *e)
{
    struct qtest *q = vm;
    int err = domain_vm_ops.cont(vm, e);

    if (err == 0)
        tell(q, "RESUME", false, NULL);
    return err;
}

static int pause_machine(void *vm, struct error *e)
{
    struct qtest *q = vm;
    int err = domain_vm_ops.stop(vm, e);

    if (err == 0)
        tell(q, "STOP", false, NULL);
    return err;
}

static void tell_later(void *opaque)
{
    struct qtest *q = opaque;

    tell(q, q->event, false, "host-qmp-system-reset");
}

static const char *name(void *vm)
{
    return ((struct qtest *)vm)->a.config.name;
}

static bool machine_type(void *vm, unsigned i, const char **out)
{
    static const char *const types[] = { "pc", "none" };

    (void)vm;
    if (i < ARRAY_SIZE(types))
        *out = types[i];
    return i < ARRAY_SIZE(types);
}

static bool device_type(void *vm, unsigned i, struct vm_device_type *out)
{
    static const struct vm_device_type types[] = {
        { "pci-device", "device", true },    { "isa-device", "device", true },
        { "ide-device", "device", true },    { "ide-hd", "ide-device", false },
        { "ide-cd", "ide-device", false },   { "VGA", "pci-device", false },
        { "PIIX3", "pci-device", false },    { "piix3-ide", "pci-device", false },
        { "PIIX4_PM", "pci-device", false }, { "i440FX", "pci-device", false },
        { "i8042", "isa-device", false },    { "isa-serial", "isa-device", false },
    };

    (void)vm;
    if (i < ARRAY_SIZE(types)) {
        *out = types[i];
        return true;
    }
    *out = (struct vm_device_type){ pc_nic_name(i - (unsigned)ARRAY_SIZE(types)), "pci-device",
                                    false };
    return out->name != NULL;
}

/* Completions and frames come from the loop; what they did to interrupt lines is delivered after
 * each turn. */
static bool after_turn(void *opaque)
{
    struct qtest *q = opaque;

    return board_turn(q->board);
}

/* --- Sockets, before anything that takes time: the client waits. */

static int open_log(struct qtest *q, struct error *e)
{
    if (!q->a.log)
        q->log = stderr;
    else if (*q->a.log)
        q->log = fopen(q->a.log, "we");
    if (q->a.log && *q->a.log && !q->log)
        return error_set(e, -errno, "argument -qtest-log: %s: %s", q->a.log, strerror(errno));
    return 0;
}

static int open_port(struct qtest *q, struct error *e)
{
    struct port_options o = { .log = q->log, .closed = client_gone, .opaque = q };

    if (!q->a.port || !strcmp(q->a.port, "null"))
        return 0;
    if (!strcmp(q->a.port, "stdio")) {
        o.in = STDIN_FILENO;
        o.out = STDOUT_FILENO;
    } else {
        o.in = o.out = port_open_socket(q->a.port, &o.listener, e);
        if (o.in < 0)
            return o.in;
    }
    return port_new(q->d.loop, &o, &q->port, e);
}

static int open_monitors(struct qtest *q, struct error *e)
{
    for (unsigned i = 0; i < q->a.nmonitors; i++) {
        const struct arguments_monitor *m = &q->a.monitor[i];

        if (m->listen)
            continue;
        q->monitor[i] = m->path ? port_connect(m->path, e) : m->fd;
        if (q->monitor[i] < 0)
            return q->monitor[i];
    }
    return 0;
}

static int serve_monitors(struct qtest *q, struct error *e)
{
    int err = 0;

    q->d.qmp = qmp_new(q->d.loop, &q->ops, &q->d);
    if (!q->d.qmp)
        return error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < q->a.nmonitors && err == 0; i++) {
        const struct arguments_monitor *m = &q->a.monitor[i];

        if (m->listen) {
            err =
                m->path ? qmp_listen_path(q->d.qmp, m->path, e) : qmp_listen_fd(q->d.qmp, m->fd, e);
            continue;
        }
        err = qmp_connection(q->d.qmp, q->monitor[i]);
        q->monitor[i] = -1;
        if (err < 0)
            error_set(e, err, "cannot serve QMP: %s", strerror(-err));
    }
    return err;
}

/* Ours: hvmdm-ctl works here, too. */
static int open_control(struct qtest *q, struct error *e)
{
    const struct ctl_info info = { .name = q->a.config.name, .machine = "pc" };

    if (!q->a.control)
        return 0;
    return ctl_open(q->d.loop, q->a.control, &info, &q->ops, &q->d, &q->d.ctl, e);
}

/* --- The machine. */

static int make_machine(struct qtest *q, struct error *e)
{
    struct domain *d = &q->d;
    int err = arena_create(&d->arena, DOMAIN_ARENA_BYTES, e);

    if (err == 0)
        err = domain_add_record(d, e);
    if (err == 0)
        err = domain_open_host(d, e);
    if (err == 0)
        err = domain_build(d, e);
    if (err < 0)
        return err;
    domain_fill_record(d);
    machine_set_running(d->m, true);
    q->ops = domain_vm_ops;
    q->ops.dirty_log = NULL; /* it is about memory that migrates */
    q->ops.cont = cont;
    q->ops.stop = pause_machine;
    q->ops.reset = reset;
    return 0;
}

static int make_board(struct qtest *q, struct error *e)
{
    const struct board_calls calls = { .line = line, .asked = asked, .opaque = q };
    struct sim_options sim = { .ram_size = (uint64_t)q->a.config.ram_mib << 20,
                               .spare_size = 257u << 20 }; /* the largest video memory */
    struct board_options o = { .fw_cfg = q->fw_cfg };
    int err = 0;

    if (q->a.config.machine == CONFIG_MACHINE_NONE)
        sim = (struct sim_options){ .ram_size = 64 << 10, .spare_size = 64 << 10 };
    q->d.hv = hv_sim_new(&sim);
    if (!q->d.hv)
        return error_set(e, -errno, "cannot make the guest's memory: %s", strerror(errno));
    q->ops = domain_probe_ops;
    if (q->a.config.machine != CONFIG_MACHINE_NONE)
        err = make_machine(q, e);
    if (err < 0)
        return err;
    q->ops.name = name;
    q->ops.machine_type = machine_type;
    q->ops.device_type = device_type;
    domain_set_status(&q->d, q->a.config.start_paused ? VM_PRELAUNCH : VM_RUNNING);
    o.rtc_base = (uint64_t)(time(NULL) - Y2000);
    o.fw_cfg_size = preset_fw_cfg(&q->a, q->fw_cfg);
    err = board_new(q->d.hv, q->d.m, &o, &q->board, e);
    if (err < 0)
        return err;
    preset_cmos(&q->a, &q->d.pc, false);
    board_reset(q->board);
    board_call(q->board, &calls);
    q->hooks = (struct loop_hooks){ .poll = after_turn, .opaque = q };
    loop_set_hooks(q->d.loop, &q->hooks);
    return 0;
}

/* --- From start to end. */

static int start(struct qtest *q, struct error *e)
{
    int err = open_log(q, e);

    if (err == 0)
        err = catch_signals(q, e);
    if (err == 0)
        err = open_port(q, e);
    if (err == 0)
        err = open_monitors(q, e);
    if (err == 0)
        err = make_board(q, e);
    if (err == 0)
        err = serve_monitors(q, e);
    if (err == 0)
        err = open_control(q, e);
    if (err == 0 && q->port)
        err = port_serve(q->port, q->board, e);
    return err;
}

static void stop(struct qtest *q)
{
    struct domain *d = &q->d;

    if (d->loop) {
        loop_set_hooks(d->loop, NULL);
        loop_cancel(d->loop, &q->later);
    }
    ctl_close(d->ctl);
    qmp_free(d->qmp);
    if (d->m)
        machine_drain(d->m);
    port_free(q->port);
    q->port = NULL;
    board_free(q->board);
    machine_free(d->m);
    if (d->hv)
        d->hv->ops->destroy(d->hv);
    domain_close_host(d);
    arena_destroy(&d->arena);
    for (unsigned i = 0; i < CONFIG_QMP; i++)
        if (q->monitor[i] >= 0)
            close(q->monitor[i]);
    if (d->signals.active) {
        loop_remove(d->loop, &d->signals);
        close(d->signals.fd);
        close(asked_to_end);
    }
    if (q->log && q->log != stderr)
        fclose(q->log);
    loop_free(d->loop);
}

static int run(struct qtest *q, int argc, char *const argv[], struct error *e)
{
    int err = arguments_parse(&q->a, argc, argv, e);

    if (err < 0)
        return err;
    q->d.config = &q->a.config;
    q->d.loop = loop_new();
    if (!q->d.loop)
        return error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
    err = start(q, e);
    if (err == 0)
        loop_run(q->d.loop);
    return err;
}

bool qtest_wanted(int argc, char *const argv[])
{
    return arguments_ask_for_port(argc, argv);
}

int qtest_main(int argc, char *const argv[])
{
    struct qtest *q = calloc(1, sizeof *q);
    struct error e = { "" };
    int err;

    if (!q)
        return 1;
    q->d.arena.fd = q->d.spare.fd = -1;
    q->later = (struct loop_work){ .run = tell_later, .opaque = q };
    for (unsigned i = 0; i < CONFIG_QMP; i++)
        q->monitor[i] = -1;
    err = run(q, argc, argv, &e);
    if (err < 0)
        log_error("%s", e.text[0] ? e.text : strerror(-err));
    stop(q);
    arguments_free(&q->a);
    free(q);
    return err < 0 ? 1 : 0;
}
