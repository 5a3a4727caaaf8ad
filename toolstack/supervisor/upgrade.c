/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upgrade - another build of the device model takes over while the guest runs.
 *
 *     CHECK      hvmdm-model --check-arena: does the new build understand what the old one has? The
 *                guest is served meanwhile; if not, nothing has happened.
 *     HAND_OVER  the old one finishes what is in flight, lets go of the guest and stays alive.
 *     START      the new one starts. The guest waits.
 *     SWAP       it is ready: it is the device model now, the old one ends.
 *     BACK       it is not: it is ended, and when it is gone for certain the old one goes on.
 *     SELF       the supervisor that lies beside the new device model is tried,
 *     PV         the PV worker lets go and is ended, and then we become that supervisor, and start
 * a new one. One that does not let go is killed: its successors can live with that.
 *
 * Where the PV worker is all there is (a PV guest), what is said of the device model holds for it;
 * it has no arena, and its successor is not tried before.
 * A successor works on duplicates of what is held; they become the real ones with its READY.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/private.h"

static void set_deadline(struct supervisor *s)
{
    const unsigned ms = s->o->patience_ms;

    s->upgrade.deadline = loop_now() + MS(ms ? ms : PATIENCE_MS);
}

__attribute__((format(printf, 2, 3))) static void say_why(struct upgrade *u, const char *format,
                                                          ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(u->why, sizeof u->why, format, args);
    va_end(args);
}

static void stop_checker(struct upgrade *u)
{
    if (u->checker)
        kill(u->checker, SIGKILL); /* whoever reaps it does not know it any more */
    u->checker = 0;
    if (u->words >= 0)
        close(u->words);
    u->words = -1;
}

void upgrade_abort(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;

    stop_checker(u);
    program_close(&u->model);
    program_close(&u->self);
    if (u->memfd >= 0)
        close(u->memfd);
    u->memfd = -1;
    u->state = UPGRADE_NONE;
    u->deadline = NEVER;
}

static void failed(struct supervisor *s)
{
    upgrade_abort(s);
    log_error("no upgrade: %s", s->upgrade.why);
    control_upgraded(s, s->upgrade.why, NULL);
}

/* ---- trial runs ----------------------------------------------------------------------------- */

/* Run `program` with one option and the descriptor that it is about. */
static int start_checker(struct supervisor *s, const struct program *program, const char *name,
                         const char *option, int fd)
{
    struct upgrade *u = &s->upgrade;
    char number[16];
    char *const argv[] = { (char *)(uintptr_t)name, (char *)(uintptr_t)option, number,
                           s->o->no_sandbox ? (char[]){ "--no-sandbox" } : NULL, NULL };
    struct spawn p = { .program = program, .argv = argv, .keep = &fd, .nkeep = 1 };
    int pipes[2];
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    snprintf(number, sizeof number, "%d", fd);
    p.words = pipes[1];
    pid = spawn(&p);
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return pid;
    }
    u->words = pipes[0];
    u->checker = pid;
    set_deadline(s);
    return 0;
}

/* The last thing it said, without what a log line begins with; or how it ended. */
static void read_verdict(struct supervisor *s, const struct program *program, int wait_status)
{
    struct upgrade *u = &s->upgrade;
    char said[384], how[96], *line, *mark;
    ssize_t n = read(u->words, said, sizeof said - 1);

    said[n > 0 ? n : 0] = '\0';
    while (n > 0 && said[n - 1] == '\n')
        said[--n] = '\0';
    line = strrchr(said, '\n') ? strrchr(said, '\n') + 1 : said;
    mark = strstr(line, "error: ");
    line = mark ? mark + strlen("error: ") : line;
    text_clean(line, (size_t)(said + sizeof said - line));
    worker_tell_death(worker_death(wait_status), wait_status, how, sizeof how);
    say_why(u, "%s %s%s%s", program->path, how, *line ? ": " : "", line);
}

/* ---- the device model ----------------------------------------------------------------------- */

static void hand_over(struct supervisor *s);

int upgrade_begin(struct supervisor *s, const char *path, struct error *e)
{
    struct upgrade *u = &s->upgrade;
    int arena = held_find(&s->model->held, "arena"), ret;

    if (u->state != UPGRADE_NONE)
        return error_set(e, -EBUSY, "an upgrade is under way already");
    if (s->ending)
        return error_set(e, -ESHUTDOWN, "the device model is about to end");
    if (!s->served || !s->model->pid || !s->model->ready)
        return error_set(e, -EAGAIN, "%s is only just coming up; try again", worker_name(s->model));
    if (arena < 0 && !s->o->pv_only)
        return error_set(e, -ENODATA, "the device model has nothing that another could take over");
    ret = program_open(&u->model, path ? path : s->program.path, e);
    if (ret < 0)
        return ret;
    u->why[0] = '\0';
    if (s->o->pv_only) {
        hand_over(s);
        return 0;
    }
    ret = start_checker(s, &u->model, "hvmdm-model", "--check-arena", arena);
    if (ret < 0) {
        error_set(e, ret, "cannot run %s: %s", u->model.path, strerror(-ret));
        program_close(&u->model);
        return ret;
    }
    u->state = UPGRADE_CHECK;
    return 0;
}

static void hand_over(struct supervisor *s)
{
    s->upgrade.state = UPGRADE_HAND_OVER;
    s->upgrade.attempt++;
    set_deadline(s);
    worker_tell(s->model, SUPERVISED_HAND_OVER, s->upgrade.attempt, NULL, -1);
}

/* The new one is gone for certain: whoever is there takes the guest. */
static void go_back(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;

    failed(s);
    if (s->model->pid) {
        s->model->handed_over = false;
        worker_tell(s->model, SUPERVISED_RESUME, u->attempt, NULL, -1);
    } else {
        worker_restart(s->model, u->death);
    }
    worker_free(s->successor);
}

static void give_up_successor(struct supervisor *s)
{
    s->upgrade.state = UPGRADE_BACK;
    s->upgrade.deadline = NEVER;
    if (s->successor->pid)
        worker_kill(s->successor);
    else
        go_back(s);
}

void upgrade_handed_over(struct worker *w, uint32_t attempt)
{
    struct supervisor *s = w->s;
    struct upgrade *u = &s->upgrade;
    int ret;

    if (s->ending && attempt == u->attempt)
        w->handed_over = true; /* our end came first: it does not destroy its server */
    if (w == s->pv && u->state == UPGRADE_PV && attempt == u->attempt)
        worker_kill(w);
    if (w != s->model || u->state != UPGRADE_HAND_OVER || attempt != u->attempt)
        return;
    w->handed_over = true;
    u->state = UPGRADE_START;
    u->death = SUPERVISED_UPGRADE;
    set_deadline(s);
    ret = worker_copy(s->successor, w);
    if (ret == 0)
        ret = worker_start(s->successor, &u->model, SUPERVISED_UPGRADE);
    if (ret < 0) {
        say_why(u, "cannot start %s: %s", u->model.path, strerror(-ret));
        give_up_successor(s);
    }
}

static void next_step(struct supervisor *s);

void upgrade_ready(struct worker *w)
{
    struct supervisor *s = w->s;
    struct upgrade *u = &s->upgrade;
    struct worker *old = s->model;

    if (w != s->successor || u->state != UPGRADE_START)
        return;
    worker_move_counts(w, old);
    s->model = w;
    s->successor = old;
    program_close(&s->program);
    s->program = u->model;
    u->model.fd = -1;
    u->state = UPGRADE_SWAP;
    u->deadline = NEVER;
    log_info("%s (generation %u) has taken over", s->program.path, w->generation);
    if (old->pid)
        worker_quit(old);
    else
        next_step(s);
}

/* ---- the supervisor and the PV worker ------------------------------------------------------- */

static void finish(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;

    if (u->self.fd >= 0) {
        int ret = replace_self(s);

        say_why(u, "cannot become %s: %s", u->self.path, strerror(-ret));
    }
    upgrade_abort(s);
    if (u->why[0])
        log_error("the supervisor was not replaced: %s", u->why);
    control_upgraded(s, NULL, u->why[0] ? u->why : "unchanged");
}

static void end_pv(struct supervisor *s)
{
    struct worker *pv = s->pv;

    s->upgrade.state = UPGRADE_PV;
    if (pv->given_up) { /* another build, another chance */
        pv->given_up = false;
        pv->row = 0;
        pv->last_death = SUPERVISED_UPGRADE;
        pv->start_at = loop_now();
    }
    if (pv->pid && pv->ready) {
        set_deadline(s);
        worker_tell(pv, SUPERVISED_HAND_OVER, s->upgrade.attempt, NULL, -1);
    } else if (pv->pid) {
        worker_kill(pv);
    } else {
        finish(s);
    }
}

/* The old device model is gone. */
static void next_step(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;
    struct error e = { "" };
    int ret;

    worker_free(s->successor);
    u->state = UPGRADE_SELF;
    ret = program_find_supervisor(&u->self, &s->program, &e);
    if (ret == 0) {
        u->memfd = memfd_create("hvmdm-state", MFD_CLOEXEC);
        ret = u->memfd < 0 ? -errno : replace_write(s, u->memfd);
        if (ret == 0)
            ret = start_checker(s, &u->self, "hvmdm", "--check-state", u->memfd);
        if (ret == 0)
            return;
        error_set(&e, ret, "cannot run %s: %s", u->self.path, strerror(-ret));
    }
    if (ret != -EALREADY && ret != -ENOENT)
        say_why(u, "%s", e.text);
    program_close(&u->self);
    end_pv(s);
}

/* ---- what happens meanwhile ----------------------------------------------------------------- */

bool upgrade_checker_ended(struct supervisor *s, pid_t pid, int wait_status)
{
    struct upgrade *u = &s->upgrade;
    bool good = worker_death(wait_status) == 0;

    if (!u->checker || pid != u->checker)
        return false;
    if (!good)
        read_verdict(s, u->state == UPGRADE_SELF ? &u->self : &u->model, wait_status);
    u->checker = 0;
    stop_checker(u);
    u->deadline = NEVER;
    if (u->state == UPGRADE_SELF) {
        if (!good)
            program_close(&u->self);
        end_pv(s);
    } else if (good) {
        hand_over(s);
    } else {
        failed(s);
    }
    return true;
}

static bool model_ended(struct supervisor *s, int wait_status)
{
    struct upgrade *u = &s->upgrade;

    if (u->state == UPGRADE_START || u->state == UPGRADE_BACK) {
        log_error("%s that lets go has ended while it waited", worker_name(s->model));
        return true; /* the new one, or else a newer one, goes on from what is held */
    }
    if (u->state == UPGRADE_CHECK || u->state == UPGRADE_HAND_OVER) {
        char how[96];

        worker_tell_death(worker_death(wait_status), wait_status, how, sizeof how);
        say_why(u, "%s %s meanwhile", worker_name(s->model), how);
        failed(s);
    }
    return false;
}

static void successor_ended(struct supervisor *s, int wait_status)
{
    struct upgrade *u = &s->upgrade;
    char how[96];

    if (u->state == UPGRADE_SWAP) {
        next_step(s);
        return;
    }
    if (u->state == UPGRADE_START) {
        worker_tell_death(worker_death(wait_status), wait_status, how, sizeof how);
        say_why(u, "%s %s before it was ready%s%s", u->model.path, how,
                s->successor->said[0] ? ": " : "", s->successor->said);
    }
    worker_record(s->successor, wait_status);
    if (worker_death(wait_status))
        u->death = worker_death(wait_status);
    go_back(s);
}

bool upgrade_worker_ended(struct worker *w, int wait_status)
{
    struct supervisor *s = w->s;

    if (s->upgrade.state == UPGRADE_NONE)
        return false;
    if (w == s->model)
        return model_ended(s, wait_status);
    if (w == s->successor) {
        successor_ended(s, wait_status);
        return true;
    }
    if (s->upgrade.state != UPGRADE_PV)
        return false;
    w->last_death = SUPERVISED_UPGRADE;
    w->start_at = loop_now(); /* by whoever the supervisor is then */
    finish(s);
    return true;
}

void upgrade_expired(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;
    const unsigned ms = s->o->patience_ms ? s->o->patience_ms : PATIENCE_MS;

    u->deadline = NEVER;
    switch (u->state) {
    case UPGRADE_CHECK:
        say_why(u, "%s looked at the arena for %u ms without a result", u->model.path, ms);
        failed(s);
        break;
    case UPGRADE_HAND_OVER:
        say_why(u, "%s did not let go of the guest within %u ms", worker_name(s->model), ms);
        worker_tell(s->model, SUPERVISED_RESUME, u->attempt, NULL, -1);
        failed(s);
        break;
    case UPGRADE_START:
        say_why(u, "%s was not ready within %u ms", u->model.path, ms);
        give_up_successor(s);
        break;
    case UPGRADE_SELF:
        say_why(u, "%s looked at our state for %u ms without a result", u->self.path, ms);
        stop_checker(u);
        program_close(&u->self);
        end_pv(s);
        break;
    case UPGRADE_PV:
        worker_kill(s->pv);
        break;
    default:
        break;
    }
}
