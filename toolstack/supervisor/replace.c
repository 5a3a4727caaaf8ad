/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replace - the supervisor becomes another build of itself, by execve(): same pid, same children,
 * same descriptors.
 *
 * What the new one must know is a text in a memfd, whose number is in the environment: lines of
 * words `key=value`. A newer build must go on reading what this one writes. The other direction is
 * tried before anything happens (hvmdm --check-state).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/private.h"

#define FIRST_LINE "hvmdm supervisor state 1"
#define LAST_LINE  "end"

enum { STATE_BYTES = 512 + PROGRAM_PATH + 2 * (256 + SUPERVISED_HELD * (SUPERVISED_NAME + 12)) };

/* ---- writing -------------------------------------------------------------------------------- */

static int waiting_client(const struct supervisor *s)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        if (s->control.clients[i].source.fd >= 0 && s->control.clients[i].waits)
            return s->control.clients[i].source.fd;
    return -1;
}

static void add_worker(struct text *t, const struct worker *w)
{
    text_add(t,
             "worker pid=%d gen=%u ready=%d lost=%d again=%d sock=%d vitals=%d deaths=%u row=%u "
             "events=%" PRIu64 " last=%u",
             (int)w->pid, w->generation, w->ready, w->given_up, w->start_at != NEVER, w->socket.fd,
             w->vitals, w->deaths, w->row, w->events, w->last_death);
    text_add(t, " fds=");
    for (unsigned i = 0; i < w->held.n; i++)
        text_add(t, "%s:%d,", w->held.fd[i].name, w->held.fd[i].fd);
    text_add(t, "\n");
}

int replace_write(struct supervisor *s, int memfd)
{
    char *bytes = malloc(STATE_BYTES);
    struct text t = { .bytes = bytes, .size = STATE_BYTES };
    int ret = 0;

    if (!bytes)
        return -ENOMEM;
    text_add(&t, FIRST_LINE "\n");
    text_add(&t,
             "supervisor models=%u pvs=%u attempt=%u control=%d client=%d program=%d "
             "uid=%u gid=%u path=%s\n",
             s->started[SUPERVISED_MODEL], s->started[SUPERVISED_PV], s->upgrade.attempt,
             s->control.source.fd, waiting_client(s), s->program.fd, s->uid, s->gid,
             s->program.path);
    add_worker(&t, s->model);
    add_worker(&t, s->pv);
    text_add(&t, LAST_LINE "\n");
    if (t.cut)
        ret = -E2BIG;
    else if (ftruncate(memfd, 0) < 0 || pwrite(memfd, bytes, t.len, 0) != (ssize_t)t.len)
        ret = -EIO;
    free(bytes);
    return ret;
}

/* All that has to stay open goes through here. */
static void set_close_on_exec(struct supervisor *s, int memfd, int flag)
{
    const struct worker *const workers[] = { s->model, s->pv };

    fcntl(memfd, F_SETFD, flag);
    fcntl(s->control.source.fd, F_SETFD, flag);
    fcntl(waiting_client(s), F_SETFD, flag);
    fcntl(s->program.fd, F_SETFD, flag);
    for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
        fcntl(workers[i]->socket.fd, F_SETFD, flag);
        fcntl(workers[i]->vitals, F_SETFD, flag);
        for (unsigned k = 0; k < workers[i]->held.n; k++)
            fcntl(workers[i]->held.fd[k].fd, F_SETFD, flag);
    }
}

int replace_self(struct supervisor *s)
{
    struct upgrade *u = &s->upgrade;
    int ret = replace_write(s, u->memfd);
    char number[16];

    if (ret < 0)
        return ret;
    snprintf(number, sizeof number, "%d", u->memfd);
    setenv(REPLACE_ENV, number, 1);
    set_close_on_exec(s, u->memfd, 0);
    ret = program_exec(&u->self, s->o->argv);
    set_close_on_exec(s, u->memfd, FD_CLOEXEC);
    unsetenv(REPLACE_ENV);
    return ret;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The value of a word in a line, or NULL. */
static const char *find_word(const char *line, const char *key)
{
    size_t n = strlen(key);

    for (const char *p = line; (p = strchr(p, ' ')); p++)
        if (!strncmp(p + 1, key, n) && p[1 + n] == '=')
            return p + n + 2;
    return NULL;
}

static int64_t number(const char *line, const char *key, bool *good)
{
    const char *value = find_word(line, key);
    char *end;
    int64_t n;

    if (!value) {
        *good = false;
        return 0;
    }
    n = strtoll(value, &end, 10);
    *good = *good && end != value && (*end == ' ' || !*end);
    return n;
}

static bool read_held(struct held *h, const char *list)
{
    while (*list && *list != ' ') {
        size_t n = strcspn(list, ":");
        char *end;

        if (list[n] != ':' || n >= SUPERVISED_NAME || h->n == SUPERVISED_HELD)
            return false;
        memcpy(h->fd[h->n].name, list, n);
        h->fd[h->n].name[n] = '\0';
        h->fd[h->n].fd = (int)strtol(list + n + 1, &end, 10);
        if (!supervised_name_ok(h->fd[h->n].name) || *end != ',')
            return false;
        h->n++;
        list = end + 1;
    }
    return true;
}

static bool read_worker(struct worker *w, const char *line)
{
    const char *fds = find_word(line, "fds");
    bool good = !strncmp(line, "worker ", 7) && fds;

    w->pid = (pid_t)number(line, "pid", &good);
    w->generation = (uint32_t)number(line, "gen", &good);
    w->ready = number(line, "ready", &good) != 0;
    w->given_up = number(line, "lost", &good) != 0;
    w->start_at = number(line, "again", &good) ? 0 : NEVER;
    w->socket.fd = (int)number(line, "sock", &good);
    w->vitals = (int)number(line, "vitals", &good);
    w->deaths = (uint32_t)number(line, "deaths", &good);
    w->row = (uint32_t)number(line, "row", &good);
    w->events = (uint64_t)number(line, "events", &good);
    w->last_death = (uint32_t)number(line, "last", &good);
    return good && read_held(&w->held, fds);
}

/* *client is the connection that waits for the end of the upgrade, or -1. */
static bool read_supervisor(struct supervisor *s, const char *line, int *client)
{
    const char *path = find_word(line, "path");
    bool good = !strncmp(line, "supervisor ", 11) && path && strlen(path) < PROGRAM_PATH;

    s->started[SUPERVISED_MODEL] = (uint32_t)number(line, "models", &good);
    s->started[SUPERVISED_PV] = (uint32_t)number(line, "pvs", &good);
    s->upgrade.attempt = (uint32_t)number(line, "attempt", &good);
    s->control.source.fd = (int)number(line, "control", &good);
    *client = (int)number(line, "client", &good);
    s->program.fd = (int)number(line, "program", &good);
    s->uid = s->gid = 0;
    if (find_word(line, "uid")) { /* older builds have none */
        s->uid = (uint32_t)number(line, "uid", &good);
        s->gid = (uint32_t)number(line, "gid", &good);
    }
    if (good)
        memcpy(s->program.path, path, strlen(path) + 1);
    return good;
}

/* Fills in numbers only: nothing is opened, closed or listened to. */
static int read_state(struct supervisor *s, int memfd, int *client, struct error *e)
{
    enum { LINES = 5 };
    char *bytes = malloc(STATE_BYTES + 1), *line[LINES], *place;
    ssize_t n = bytes ? pread(memfd, bytes, STATE_BYTES, 0) : -1;
    unsigned lines = 0;
    bool good = false;

    if (n >= 0) {
        bytes[n] = '\0';
        for (char *p = strtok_r(bytes, "\n", &place); p && lines < LINES;
             p = strtok_r(NULL, "\n", &place))
            line[lines++] = p;
        good = lines == LINES && !strcmp(line[0], FIRST_LINE) &&
               read_supervisor(s, line[1], client) && read_worker(s->model, line[2]) &&
               read_worker(s->pv, line[3]) && !strcmp(line[4], LAST_LINE);
    }
    free(bytes);
    return good ? 0 : error_set(e, -EPROTO, "cannot go on from the state of another supervisor");
}

int replace_read(struct supervisor *s, int memfd, struct error *e)
{
    struct worker *const workers[] = { s->model, s->pv };
    int client = -1, ret = read_state(s, memfd, &client, e);

    if (ret < 0)
        return ret;
    s->served = s->noted = true;
    ret = control_adopt(s, s->control.source.fd, client);
    for (unsigned i = 0; i < ARRAY_SIZE(workers) && ret == 0; i++)
        if (workers[i]->socket.fd >= 0)
            ret = worker_adopt(workers[i], workers[i]->socket.fd);
    set_close_on_exec(s, memfd, FD_CLOEXEC);
    close(memfd);
    return ret < 0 ? error_set(e, ret, "cannot go on as the supervisor: %s", strerror(-ret)) : 0;
}

int replace_check(int memfd, struct error *e)
{
    struct supervisor *s = calloc(1, sizeof *s);
    int client, ret;

    if (!s)
        return error_set(e, -ENOMEM, "out of memory");
    s->model = &s->seats[0];
    s->pv = &s->seats[1];
    ret = read_state(s, memfd, &client, e);
    free(s);
    return ret;
}
