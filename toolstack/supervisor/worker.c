/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker - the process in a seat: its start, messages to it, its death, and the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/supervisor/private.h"
#include "toolstack/supervisor/record.h"
#include "toolstack/version.h"

enum {
    ENV_BYTES = 160 + (SUPERVISED_HELD + 1) * (SUPERVISED_NAME + 12),
    LAST_MESSAGES = 1024, /* read from a dead worker, at most; its socket holds less */
};

void worker_init(struct worker *w, struct supervisor *s, enum supervised_role role)
{
    *w = (struct worker){
        .s = s, .role = role, .socket.fd = -1, .vitals = -1, .kill_at = NEVER, .start_at = NEVER
    };
}

const char *worker_name(const struct worker *w)
{
    return w->role == SUPERVISED_PV ? "the PV worker" : "the device model";
}

bool worker_is_main(const struct worker *w)
{
    return w->role == (w->s->o->pv_only ? SUPERVISED_PV : SUPERVISED_MODEL);
}

/* ---- vitals --------------------------------------------------------------------------------- */

/* The page keeps its size whatever a worker does: reading it cannot fail, growing it cost memory.
 */
static int make_vitals(void)
{
    int fd = memfd_create("hvmdm-vitals", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, SUPERVISED_VITALS_BYTES) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

void worker_vitals(const struct worker *w, struct supervised_vitals *v)
{
    if (w->vitals < 0 || pread(w->vitals, v, sizeof *v, 0) != sizeof *v)
        memset(v, 0, sizeof *v);
    text_clean(v->doing, sizeof v->doing);
    v->last_words[sizeof v->last_words - 1] = '\0';
}

int worker_copy(struct worker *to, const struct worker *from)
{
    char page[SUPERVISED_VITALS_BYTES];
    int ret = held_copy(&to->held, &from->held);

    if (ret < 0)
        return ret;
    ret = to->vitals = make_vitals();
    if (ret < 0)
        return ret;
    return pread(from->vitals, page, sizeof page, 0) == sizeof page &&
                   pwrite(to->vitals, page, sizeof page, 0) == sizeof page
               ? 0
               : -EIO;
}

/* What the last one was doing is not what the next one does. */
static void forget_words(struct worker *w)
{
    static const char
        nothing[sizeof(struct supervised_vitals) - offsetof(struct supervised_vitals, doing)];

    if (pwrite(w->vitals, nothing, sizeof nothing, offsetof(struct supervised_vitals, doing)) < 0)
        log_warn("cannot clear the vitals of %s", worker_name(w));
}

/* It has died so often by its own fault that a guest is behind it, whom that would allow to fill
 * the disk: what each one says in the log while it starts and dies is some KiB. */
static bool dies_often(const struct worker *w)
{
    return w->records >= RECORDS_AT_ONCE && loop_now() - w->recorded_at < MS(RECORD_EVERY_MS);
}

static void set_quiet(struct worker *w)
{
    const uint32_t quiet = dies_often(w);

    if (pwrite(w->vitals, &quiet, sizeof quiet, offsetof(struct supervised_vitals, quiet)) < 0)
        log_warn("cannot write the vitals of %s", worker_name(w));
}

/* ---- start ---------------------------------------------------------------------------------- */

static void socket_ready(void *opaque, uint32_t events)
{
    (void)events;
    message_receive(opaque); /* one at a time: nobody keeps the loop for himself */
}

int worker_adopt(struct worker *w, int socket)
{
    w->socket = (struct loop_source){ .fd = socket, .ready = socket_ready, .opaque = w };
    return loop_add(w->s->loop, &w->socket, EPOLLIN);
}

/* What belongs to the process, not to its seat. */
static void close_doors(struct worker *w)
{
    broker_free(w->broker);
    w->broker = NULL;
    if (w->socket.fd < 0)
        return;
    loop_remove(w->s->loop, &w->socket);
    close(w->socket.fd);
    w->socket.fd = -1;
}

/* Start a process that has `socket` for its end. */
static pid_t spawn_worker(struct worker *w, const struct program *program, uint32_t death,
                          int socket)
{
    const struct supervisor *s = w->s;
    int keep[SUPERVISED_HELD + INHERITED + 2];
    char env[ENV_BYTES];
    struct text t = TEXT(env);
    struct spawn p = { .program = program,
                       .argv = s->o->argv,
                       .env_name = SUPERVISED_ENV,
                       .env_value = env,
                       .keep = keep,
                       .words = -1 };

    keep[p.nkeep++] = socket;
    keep[p.nkeep++] = w->vitals;
    text_add(&t, "role=%s gen=%u death=%u sock=%d", w->role == SUPERVISED_PV ? "pv" : "model",
             s->started[w->role], death, socket);
    if (s->uid)
        text_add(&t, " user=%u:%u", s->uid, s->gid);
    text_add(&t, " fds=vitals:%d", w->vitals);
    for (unsigned i = 0; i < w->held.n; i++) {
        text_add(&t, ",%s:%d", w->held.fd[i].name, w->held.fd[i].fd);
        keep[p.nkeep++] = w->held.fd[i].fd;
    }
    for (unsigned i = 0; i < s->ninherited && worker_is_main(w); i++)
        keep[p.nkeep++] = s->inherited[i]; /* forgotten as soon as the first one serves */
    return t.cut ? -E2BIG : spawn(&p);
}

int worker_start(struct worker *w, const struct program *program, uint32_t death)
{
    int pair[2] = { -1, -1 }, on = 1, ret = 0;

    if (w->vitals < 0)
        ret = w->vitals = make_vitals();
    if (ret >= 0)
        ret = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
    if (ret >= 0)
        ret = setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ? -errno : 0;
    if (ret >= 0)
        set_quiet(w);
    if (ret >= 0)
        ret = spawn_worker(w, program, death, pair[1]);
    if (ret < 0)
        goto fail;
    w->pid = ret;
    w->generation = w->s->started[w->role]++;
    w->ready = w->handed_over = w->clean = false;
    w->kill_at = w->start_at = NEVER;
    w->said[0] = '\0';
    close(pair[1]);
    ret = worker_adopt(w, pair[0]);
    if (ret < 0) {
        worker_kill(w); /* we would not hear it */
        w->socket.fd = -1;
        close(pair[0]);
    }
    return 0;
fail:
    log_error("cannot start %s: %s", worker_name(w), strerror(-ret));
    for (unsigned i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    return ret;
}

void worker_restart(struct worker *w, uint32_t death)
{
    if (worker_start(w, &w->s->program, death) == 0)
        return;
    w->last_death = death;
    w->start_at = loop_now() + MS(START_AGAIN_MS);
}

/* ---- while it runs -------------------------------------------------------------------------- */

void worker_tell(struct worker *w, enum supervised_type type, uint32_t value, const char *name,
                 int fd)
{
    struct supervised_message m = { .type = type, .value = value };

    snprintf(m.name, sizeof m.name, "%s", name ? name : "");
    worker_send(w, &m, fd);
}

void worker_send(struct worker *w, const struct supervised_message *m, int fd)
{
    int ret;

    if (w->socket.fd < 0)
        return;
    ret = supervised_send(w->socket.fd, m, fd, MSG_DONTWAIT);
    if (ret == 0 || ret == -EPIPE || ret == -ECONNRESET)
        return; /* those end by themselves */
    guest_log_line(&w->log, worker_name(w), "pid %d does not listen and is killed: %s", (int)w->pid,
                   strerror(-ret));
    worker_kill(w);
}

void worker_quit(struct worker *w)
{
    worker_tell(w, SUPERVISED_QUIT, 0, NULL, -1);
    if (w->kill_at == NEVER)
        w->kill_at = loop_now() + MS(QUIT_MS);
}

void worker_kill(struct worker *w)
{
    w->kill_at = NEVER;
    if (w->pid)
        kill(w->pid, SIGKILL);
}

/* ---- death ---------------------------------------------------------------------------------- */

uint32_t worker_death(int status)
{
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status) ? SUPERVISED_EXIT : 0;
    switch (WTERMSIG(status)) {
    case SIGXCPU:
    case SIGVTALRM:
    case SIGPROF:
        return SUPERVISED_WATCHDOG;
    default:
        return (uint32_t)WTERMSIG(status);
    }
}

static bool own_fault(uint32_t death)
{
    static const uint8_t faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        if (death == faults[i])
            return true;
    return death == SUPERVISED_WATCHDOG;
}

void worker_tell_death(uint32_t death, int status, char *to, size_t size)
{
    const char *name;

    if (death == SUPERVISED_WATCHDOG) {
        snprintf(to, size, "used up its CPU time without getting anywhere");
    } else if (!WIFSIGNALED(status)) {
        snprintf(to, size, "ended with status %d", WEXITSTATUS(status));
    } else {
        name = sigabbrev_np(WTERMSIG(status));
        snprintf(to, size, "was killed by signal %d (SIG%s)", WTERMSIG(status), name ? name : "?");
    }
}

/* ---- the crash record ----------------------------------------------------------------------- */

static bool may_record(struct worker *w)
{
    if (dies_often(w))
        return false;
    w->records++;
    w->recorded_at = loop_now();
    return true;
}

/* Before the successor changes what there is to see. Which build died is known as the path only:
 * the version is ours, and both are installed together. */
void worker_record(struct worker *w, int status)
{
    const struct supervisor *s = w->s;
    struct supervised_vitals v;
    char how[96];
    const struct record_facts facts = {
        .domid = s->o->domid,
        .role = w->role,
        .generation = w->generation,
        .death = worker_death(status),
        .sentence = how,
        .version = HVMDM_VERSION,
        .program = w == s->successor ? s->upgrade.model.path : s->program.path,
        .vitals = &v,
        .arena = held_find(&w->held, "arena"),
    };

    if (!own_fault(facts.death) || !may_record(w) || !s->o->records)
        return;
    worker_vitals(w, &v);
    worker_tell_death(facts.death, status, how, sizeof how);
    record_drop(w->record);
    w->record = record_take(&facts);
}

/* When the guest does not wait for us. */
static void write_record(struct worker *w)
{
    int ret = record_write(w->record, w->s->o->records); /* says itself what went wrong */

    w->record = NULL;
    (void)ret;
}

void worker_free(struct worker *w)
{
    close_doors(w);
    write_record(w);
    held_clear(&w->held);
    if (w->vitals >= 0)
        close(w->vitals);
    worker_init(w, w->s, w->role);
}

void worker_move_counts(struct worker *to, const struct worker *from)
{
    to->deaths = from->deaths;
    to->events = from->events;
    to->last_death = from->last_death;
    to->log = from->log;
    to->records = from->records;
    to->recorded_at = from->recorded_at;
}

/* An idle guest wants nothing of its device model, maybe for months. */
static bool has_lived(const struct worker *w)
{
    return w->ready && loop_now() - w->ready_at >= MS(LIVED_MS);
}

/* Events are what the worker itself counts. One that ends with an exit status has chosen to,
 * whatever it counted: nobody outside does that to it. */
static void count_death(struct worker *w, uint32_t death, const struct supervised_vitals *v)
{
    bool progress = v->events > w->events && death != SUPERVISED_EXIT;

    w->deaths++;
    w->row = progress || has_lived(w) ? 1 : w->row + 1;
    w->events = v->events;
    w->last_death = death;
}

static void log_death(struct worker *w, const char *how, const struct supervised_vitals *v)
{
    guest_log_line(&w->log, worker_name(w), "generation %u %s%s%s%s%s", w->generation, how,
                   v->doing[0] ? ", doing: " : "", v->doing, w->said[0] ? ", having said: " : "",
                   w->said);
}

static void give_up(struct worker *w)
{
    const struct supervisor_options *o = w->s->o;
    int ret;

    if (!worker_is_main(w)) {
        log_error("the PV worker died %u times in a row without having done anything: it is not "
                  "started again; the guest goes on with its emulated devices",
                  w->row);
        w->given_up = true;
        disks_give_up(w->s);
        return;
    }
    log_error("%s died %u times in a row without having done anything for the guest: the domain is "
              "given up, as crashed",
              worker_name(w), w->row);
    ret = o->xen->crash(o->domid);
    if (ret < 0)
        log_error("cannot declare domain %u crashed: %s", o->domid, strerror(-ret));
    supervisor_end(w->s, 1);
}

/* At once, since the guest waits; but what is amiss on the host may be over in a moment. */
static void start_next(struct worker *w, uint32_t death)
{
    if (w->row > 2)
        w->start_at = loop_now() + (MS(BREATH_MS) << (w->row - 3));
    else if (dies_often(w))
        w->start_at = loop_now() + MS(OFTEN_MS);
    else
        worker_restart(w, death);
}

void worker_died(struct worker *w, int status)
{
    uint32_t death = worker_death(status);
    struct supervised_vitals v;
    char how[96];

    worker_vitals(w, &v);
    count_death(w, death, &v);
    worker_tell_death(death, status, how, sizeof how);
    log_death(w, how, &v);
    worker_record(w, status);
    forget_words(w);
    if (supervisor_domain_gone(w->s, death)) {
        log_info("%s is not started again: the domain is being destroyed", worker_name(w));
        if (worker_is_main(w) || w->s->forsaken)
            supervisor_end(w->s, 0);
    } else if (w->row >= CRASH_LOOP) {
        give_up(w);
    } else {
        start_next(w, death);
    }
}

/* It ended before it had anything to survive: its own words are in the log already. */
static void start_failed(struct worker *w, int status)
{
    char how[96];

    worker_record(w, status);
    if (WIFSIGNALED(status)) {
        worker_tell_death(worker_death(status), status, how, sizeof how);
        log_error("%s %s before it was ready%s%s", worker_name(w), how, w->said[0] ? ": " : "",
                  w->said);
    }
    supervisor_end(w->s, WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

void worker_ready(struct worker *w, uint32_t uid, uint32_t gid)
{
    struct supervisor *s = w->s;

    if (w->ready)
        return;
    w->ready = true;
    w->ready_at = loop_now();
    if (w == s->model)
        supervisor_served(s, uid, gid);
    upgrade_ready(w);
    write_record(w);
}

void worker_ended(struct worker *w, int status)
{
    struct supervisor *s = w->s;

    for (unsigned i = 0; i < LAST_MESSAGES && message_receive(w); i++)
        ;
    close_doors(w);
    w->pid = 0;
    w->kill_at = NEVER;
    w->clean = worker_death(status) == 0 && !w->handed_over;
    if (upgrade_worker_ended(w, status) || s->ending)
        return;
    if (worker_is_main(w) && !s->served) {
        start_failed(w, status);
    } else if (!w->clean) {
        worker_died(w, status);
    } else if (worker_is_main(w)) {
        log_info("%s has ended as it was told", worker_name(w));
        supervisor_end(s, 0);
    }
}
