/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervisor - start, signals, time and the end. See supervisor.h and private.h.
 *
 * Absent: a limit on xenstored: it is asked when the domain's node changes, and after a SIGKILL,
 * and our own client waits for its answer up to 5 s. After that it is another connection's turn.
 */
#include "toolstack/supervisor/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/sandbox.h"
#include "toolstack/supervisor/private.h"
#include "toolstack/xenstore_wire.h"

/* ---- the domain ----------------------------------------------------------------------------- */

/* The toolstack makes this node before it starts us, and removes it first when it destroys a
 * domain. */
static void look_at_node(struct supervisor *s)
{
    char value[8];
    int ret = xenstore_read(s->xs, s->node, value, sizeof value);

    s->noted |= ret >= 0;
    s->forsaken |= s->noted && ret == -ENOENT;
}

/* Nobody else may tell us: where the toolstack kills by user id (-runas) it kills the workers, and
 * only those that have confined themselves already. */
static void node_changed(void *opaque, const char *path)
{
    struct supervisor *s = opaque;

    (void)path;
    look_at_node(s);
    if (!s->forsaken || s->ending)
        return;
    log_info("the toolstack has given the domain up");
    supervisor_end(s, s->served ? 0 : 1);
}

/* A SIGKILL may be the toolstack's, which has removed the node before; that event may be behind the
 * one of the death. */
bool supervisor_domain_gone(struct supervisor *s, uint32_t death)
{
    if (death == SIGKILL)
        look_at_node(s);
    return s->forsaken || s->o->xen->look(s->o->domid) == -ESRCH;
}

/* An xenstored that knows nothing of the domain may have lost its memory. */
static void xenstore_lost(void *opaque)
{
    struct supervisor *s = opaque;

    s->noted = false;
    s->xenstore_at = loop_now() + MS(START_AGAIN_MS);
}

static void reconnect_xenstore(struct supervisor *s)
{
    struct error e = { "" };
    int fd = xs_connect(NULL, &e);

    s->xenstore_at = NEVER;
    if (fd < 0 || xenstore_reconnect(s->xs, fd) < 0)
        xenstore_lost(s);
}

static int open_xenstore(struct supervisor *s, struct error *e)
{
    const struct xenstore_calls calls = { .lost = xenstore_lost, .opaque = s };
    int ret = xenstore_open(s->loop, NULL, &s->xs, e);

    if (ret < 0)
        return ret;
    xenstore_tell(s->xs, &calls);
    s->watch = (struct xenstore_watch){ .path = s->node, .changed = node_changed, .opaque = s };
    ret = xenstore_watch(s->xs, &s->watch);
    return ret < 0 ? error_set(e, ret, "cannot watch %s in xenstore: %s", s->node, strerror(-ret))
                   : 0;
}

static void forget_inherited(struct supervisor *s)
{
    while (s->ninherited)
        close(s->inherited[--s->ninherited]);
}

void supervisor_served(struct supervisor *s, uint32_t uid, uint32_t gid)
{
    struct error e = { "" };

    if (s->served || s->ending)
        return;
    s->served = true;
    s->uid = gid ? uid : 0;
    s->gid = gid;
    forget_inherited(s);
    node_changed(s, s->node); /* not to make the node again that was removed meanwhile */
    /* With dm_restrict libxl asks by QMP, and loses its way if it is told in xenstore as well. */
    if (!s->ending && !s->o->asked_by_qmp && xenstore_say_running(s->xs, s->o->domid, &e) < 0) {
        log_error("%s", e.text);
        supervisor_end(s, 1); /* the toolstack would wait for nothing */
    }
}

/* ---- the end -------------------------------------------------------------------------------- */

static bool anybody_left(const struct supervisor *s)
{
    for (unsigned i = 0; i < SEATS; i++)
        if (s->seats[i].pid)
            return true;
    return false;
}

void supervisor_end(struct supervisor *s, int status)
{
    if (s->ending)
        return;
    s->ending = true;
    s->status = status;
    s->end_at = loop_now() + MS(END_MS);
    upgrade_abort(s);
    for (unsigned i = 0; i < SEATS; i++) {
        s->seats[i].start_at = NEVER;
        if (s->seats[i].pid)
            worker_quit(&s->seats[i]);
    }
    if (!anybody_left(s))
        loop_stop(s->loop);
}

/* A device model that ended well has destroyed its ioreq server. One that is left behind, enabled,
 * would hang the guest for whoever comes next. */
static void destroy_server(const struct supervisor *s)
{
    struct supervised_vitals v;
    int ret;

    worker_vitals(s->model, &v);
    if (!v.server || s->model->clean)
        return;
    ret = s->o->xen->destroy_server(s->o->domid, v.server - 1);
    if (ret < 0 && ret != -ENOENT && ret != -ESRCH)
        log_error("cannot destroy ioreq server %u: %s", v.server - 1, strerror(-ret));
}

/* ---- signals -------------------------------------------------------------------------------- */

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (upgrade_checker_ended(s, pid, status))
            continue;
        for (unsigned i = 0; i < SEATS; i++)
            if (s->seats[i].pid == pid) {
                worker_ended(&s->seats[i], status);
                break;
            }
    }
    if (s->ending && !anybody_left(s))
        loop_stop(s->loop);
}

static void signal_ready(void *opaque, uint32_t events)
{
    struct supervisor *s = opaque;
    struct signalfd_siginfo info;

    (void)events;
    while (read(s->signals.fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGCHLD)
            supervisor_end(s, 0);
    reap(s);
}

static int catch_signals(struct supervisor *s, struct error *e)
{
    static const int signals[] = { SIGHUP, SIGTERM, SIGINT, SIGCHLD };
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* whoever started us may have ignored it */
    sigemptyset(&set);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = (struct loop_source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                       .ready = signal_ready,
                                       .opaque = s };
    if (s->signals.fd < 0 || loop_add(s->loop, &s->signals, EPOLLIN) < 0)
        return error_set(e, -errno, "cannot receive signals: %s", strerror(errno));
    return 0;
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(void *opaque)
{
    const struct supervisor *s = opaque;
    uint64_t at = earlier(earlier(s->end_at, s->upgrade.deadline), s->xenstore_at);

    for (unsigned i = 0; i < SEATS; i++)
        at = earlier(at, earlier(s->seats[i].kill_at, s->seats[i].start_at));
    return at;
}

static void expired(void *opaque)
{
    struct supervisor *s = opaque;
    uint64_t now = loop_now();

    for (unsigned i = 0; i < SEATS; i++) {
        struct worker *w = &s->seats[i];

        if (w->kill_at <= now)
            worker_kill(w);
        if (w->start_at <= now)
            worker_restart(w, w->last_death);
    }
    if (s->upgrade.deadline <= now)
        upgrade_expired(s);
    if (s->xenstore_at <= now)
        reconnect_xenstore(s);
    if (s->end_at <= now) {
        s->end_at = NEVER;
        loop_stop(s->loop); /* somebody hangs in the kernel: libxl does not wait for that */
    }
}

/* ---- start ---------------------------------------------------------------------------------- */

/* Descriptors that libxl means for the device model (a listening socket, a saved state) are those
 * that it left open; ours are all close-on-exec, and so are these from now on. */
static void note_inherited(struct supervisor *s)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *one;

    while (d && (one = readdir(d))) {
        int fd = atoi(one->d_name); /* "." and "..": 0 */

        if (fd <= STDERR_FILENO || fd == dirfd(d) || (fcntl(fd, F_GETFD) & FD_CLOEXEC))
            continue;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (s->ninherited < INHERITED)
            s->inherited[s->ninherited++] = fd;
    }
    if (d)
        closedir(d);
}

/* Nothing of ours may get a number below 3. */
static void fill_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    for (fd = 0; fd <= STDERR_FILENO; fd++)
        fcntl(fd, F_SETFD, 0);
}

static void init(struct supervisor *s, const struct supervisor_options *o)
{
    const enum supervised_role role = o->pv_only ? SUPERVISED_PV : SUPERVISED_MODEL;

    *s = (struct supervisor){ .o = o, .signals.fd = -1, .end_at = NEVER, .xenstore_at = NEVER };
    snprintf(s->node, sizeof s->node, "device-model/%u",
             o->domid); /* ours, also in a driver domain */
    s->program.fd = s->upgrade.model.fd = s->upgrade.self.fd = -1;
    s->upgrade.words = s->upgrade.memfd = -1;
    s->upgrade.deadline = NEVER;
    s->control.source.fd = -1;
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        s->control.clients[i].source.fd = -1;
    s->model = &s->seats[0];
    s->pv = &s->seats[1];
    s->successor = &s->seats[2];
    worker_init(s->model, s, role);
    worker_init(s->pv, s, SUPERVISED_PV);
    worker_init(s->successor, s, role);
}

static int begin(struct supervisor *s, struct error *e)
{
    int ret;

    note_inherited(s);
    ret = program_find_model(&s->program, s->o->model, e);
    if (ret == 0)
        ret = open_xenstore(s, e);
    if (ret == 0)
        ret = control_open(s, e);
    if (ret == 0 && !s->o->pv_only)
        ret = disks_prepare(s);
    if (ret == 0)
        ret = worker_start(s->model, &s->program, 0);
    return ret < 0 ? error_set(e, ret, "cannot start %s: %s", worker_name(s->model), strerror(-ret))
                   : 0;
}

/* We have just been another build of ourselves, which left its state in `memfd`. */
static int go_on(struct supervisor *s, const char *memfd, struct error *e)
{
    int ret = replace_read(s, atoi(memfd), e);

    unsetenv(REPLACE_ENV);
    prctl(PR_SET_NAME, "hvmdm"); /* executed by descriptor: the kernel knows a number only */
    if (ret == 0)
        ret = open_xenstore(s, e);
    if (ret < 0)
        return ret;
    log_info("the supervisor has been replaced");
    reap(s); /* a signal from before is gone */
    control_upgraded(s, NULL, "replaced");
    return 0;
}

static void tear_down(struct supervisor *s)
{
    control_close(s);
    xenstore_close(s->xs);
    upgrade_abort(s);
    for (unsigned i = 0; i < SEATS; i++)
        worker_free(&s->seats[i]);
    forget_inherited(s);
    program_close(&s->program);
    if (s->signals.fd >= 0)
        close(s->signals.fd);
    loop_free(s->loop);
}

static int confine(const struct supervisor_options *o, struct error *e)
{
    int ret = o->confine && !o->no_sandbox ? o->confine() : 0;

    return ret < 0 ? error_set(e, ret,
                               "cannot give up what a supervisor does not need: %s (it must be "
                               "started by root)",
                               strerror(-ret))
                   : 0;
}

static int run(const struct supervisor_options *o, struct error *e)
{
    const char *state = getenv(REPLACE_ENV);
    struct supervisor *s;
    int ret = sandbox_raise_limits();

    if (ret < 0)
        log_warn("cannot raise the limit on the size of files: %s", strerror(-ret));
    ret = confine(o, e);
    if (ret < 0)
        return ret;
    s = malloc(sizeof *s);
    if (!s)
        return error_set(e, -ENOMEM, "out of memory");
    init(s, o);
    s->loop = loop_new();
    ret = s->loop ? catch_signals(s, e) : error_set(e, -errno, "cannot make an event loop");
    s->hooks = (struct loop_hooks){ .deadline = next_deadline, .expired = expired, .opaque = s };
    if (ret == 0) {
        loop_set_hooks(s->loop, &s->hooks);
        ret = state ? go_on(s, state, e) : begin(s, e);
    }
    if (ret == 0) {
        loop_run(s->loop);
        destroy_server(s);
        ret = s->status;
    }
    tear_down(s);
    free(s);
    return ret;
}

int supervisor_main(const struct supervisor_options *o)
{
    struct program model = { .fd = -1 };
    struct error e = { "" };
    int ret;

    fill_standard();
    log_set_domain(o->domid);
    if (o->job == SUPERVISOR_CHECK_STATE) {
        ret = replace_check(o->state, &e);
    } else if (o->job == SUPERVISOR_PASS_ON) {
        ret = program_find_model(&model, o->model, &e);
        if (ret == 0) {
            ret = program_exec(&model, o->argv);
            error_set(&e, ret, "cannot run %s: %s", model.path, strerror(-ret));
        }
    } else {
        ret = run(o, &e);
    }
    if (ret < 0)
        log_error("%s", e.text);
    return ret < 0 ? 1 : ret;
}
