/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control - the supervisor's own socket, /run/hvmdm/DOMID.supervisor, for hvmdm-ctl(8).
 *
 * One JSON object with string members per line in, one line out, {"return": ...} or
 * {"error": SENTENCE}, as on DOMID.ctl:
 *
 *     status            {"domid", "name", "version", "pid", "model", "upgrading", "workers": [...]}
 *     upgrade [path]    answered when it is over: {"model", "generation", "pid", "supervisor"}
 *
 * Clients are root, or whoever we run as. Two at a time; one more drops the one that was silent
 * longest, unless it waits for an upgrade. An answer that a client does not take is lost, with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/private.h"
#include "toolstack/version.h"

enum { ANSWER = 8192 };

/* ---- answers -------------------------------------------------------------------------------- */

static void client_close(struct control_client *c)
{
    if (c->source.fd < 0)
        return;
    loop_remove(c->s->loop, &c->source);
    close(c->source.fd);
    c->source.fd = -1;
    c->waits = false;
    c->len = 0;
}

static void client_send(struct control_client *c, struct text *t)
{
    text_add(t, "\n");
    if (t->cut ||
        send(c->source.fd, t->bytes, t->len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)t->len)
        client_close(c);
}

static void client_refuse(struct control_client *c, const char *sentence)
{
    char bytes[1280];
    struct text t = TEXT(bytes);

    text_add(&t, "{\"error\":");
    text_add_quoted(&t, sentence);
    text_add(&t, "}");
    client_send(c, &t);
}

static void add_worker(struct text *t, const struct worker *w, const char *role)
{
    struct supervised_vitals v;

    worker_vitals(w, &v);
    text_add(t,
             "{\"role\":\"%s\",\"pid\":%d,\"generation\":%u,\"ready\":%s,\"given-up\":%s,"
             "\"events\":%" PRIu64 ",\"held\":%u,\"deaths\":%u,\"last-death\":%u,\"doing\":",
             role, (int)w->pid, w->generation, w->ready ? "true" : "false",
             w->given_up ? "true" : "false", v.events > INT64_MAX ? 0 : v.events, w->held.n,
             w->deaths, w->last_death);
    text_add_quoted(t, v.doing);
    text_add(t, ",\"said\":");
    text_add_quoted(t, w->said);
    text_add(t, "}");
}

static void status(struct control_client *c)
{
    struct supervisor *s = c->s;
    char bytes[ANSWER];
    struct text t = TEXT(bytes);

    text_add(&t, "{\"return\":{\"domid\":%u,\"name\":", s->o->domid);
    text_add_quoted(&t, s->o->name);
    text_add(&t, ",\"version\":\"%s\",\"pid\":%d,\"model\":", HVMDM_VERSION, (int)getpid());
    text_add_quoted(&t, s->program.path);
    text_add(&t, ",\"upgrading\":%s,\"workers\":[",
             s->upgrade.state == UPGRADE_NONE ? "false" : "true");
    add_worker(&t, s->model, s->o->pv_only ? "pv" : "model");
    if (s->started[SUPERVISED_PV] && !s->o->pv_only) {
        text_add(&t, ",");
        add_worker(&t, s->pv, "pv");
    }
    text_add(&t, "]}}");
    client_send(c, &t);
}

static void upgrade(struct control_client *c)
{
    char path[PROGRAM_PATH];
    struct error e = { "" };
    int found = text_member(c->line, "path", path, sizeof path);

    if (found < 0)
        error_set(&e, found, "that path makes no sense");
    else if (upgrade_begin(c->s, found ? path : NULL, &e) == 0)
        c->waits = true;
    if (!c->waits)
        client_refuse(c, e.text);
}

void control_upgraded(struct supervisor *s, const char *wrong, const char *self)
{
    char bytes[PROGRAM_PATH + 1024];

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *c = &s->control.clients[i];
        struct text t = TEXT(bytes);

        if (!c->waits)
            continue;
        c->waits = false;
        if (wrong) {
            client_refuse(c, wrong);
            continue;
        }
        text_add(&t, "{\"return\":{\"model\":");
        text_add_quoted(&t, s->program.path);
        text_add(&t, ",\"generation\":%u,\"pid\":%d,\"supervisor\":", s->model->generation,
                 (int)s->model->pid);
        text_add_quoted(&t, self);
        text_add(&t, "}}");
        client_send(c, &t);
    }
}

/* ---- requests ------------------------------------------------------------------------------- */

static void run_line(struct control_client *c)
{
    char command[32];

    if (text_member(c->line, "command", command, sizeof command) != 1)
        client_refuse(c, "that is no request");
    else if (!strcmp(command, "status"))
        status(c);
    else if (!strcmp(command, "upgrade"))
        upgrade(c);
    else
        client_refuse(c, "do not know that command");
}

static void client_ready(void *opaque, uint32_t events)
{
    struct control_client *c = opaque;
    ssize_t n = recv(c->source.fd, c->line + c->len, sizeof c->line - 1 - c->len, MSG_DONTWAIT);
    char *end;

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->waits) { /* gone, too long, or asks on without waiting */
        client_close(c);
        return;
    }
    c->heard = ++c->s->control.clock;
    c->len += (size_t)n;
    c->line[c->len] = '\0';
    while (c->source.fd >= 0 && !c->waits && (end = memchr(c->line, '\n', c->len))) {
        *end++ = '\0';
        run_line(c);
        c->len -= c->len ? (size_t)(end - c->line) : 0;
        memmove(c->line, end, c->len + 1);
    }
}

/* ---- connections ---------------------------------------------------------------------------- */

static struct control_client *place(struct control *c)
{
    struct control_client *best = NULL;

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++) {
        struct control_client *one = &c->clients[i];

        if (one->source.fd < 0)
            return one;
        if (!one->waits && (!best || one->heard < best->heard))
            best = one;
    }
    if (best)
        client_close(best);
    return best;
}

static bool welcome(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static int add_client(struct supervisor *s, struct control_client *c, int fd)
{
    c->s = s;
    c->len = 0;
    c->waits = false;
    c->heard = ++s->control.clock;
    c->source = (struct loop_source){ .fd = fd, .ready = client_ready, .opaque = c };
    return loop_add(s->loop, &c->source, EPOLLIN);
}

static void listener_ready(void *opaque, uint32_t events)
{
    struct supervisor *s = opaque;
    int fd = accept4(s->control.source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct control_client *c = fd >= 0 && welcome(fd) ? place(&s->control) : NULL;

    (void)events;
    if (c && add_client(s, c, fd) < 0)
        c->source.fd = -1, c = NULL;
    if (!c && fd >= 0)
        close(fd);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static int make_directory(const char *directory, struct error *e)
{
    struct stat st;

    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make %s: %s", directory, strerror(errno));
    if (lstat(directory, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022))
        return error_set(e, -EPERM, "%s must be a directory of our own that nobody else can write",
                         directory);
    return 0;
}

static const char *set_path(struct supervisor *s)
{
    const char *directory = s->o->directory ? s->o->directory : SUPERVISOR_DIRECTORY;

    snprintf(s->control.own.path, sizeof s->control.own.path, "%s/%u.supervisor", directory,
             s->o->domid);
    snprintf(s->control.model.path, sizeof s->control.model.path, "%s/%u.ctl", directory,
             s->o->domid);
    return directory;
}

/* Remember the socket's file, to remove it at the end and no other one. */
static void note_file(struct control_file *f)
{
    struct stat st;
    bool there = lstat(f->path, &st) == 0 && S_ISSOCK(st.st_mode);

    f->dev = there ? st.st_dev : 0;
    f->ino = there ? st.st_ino : 0;
}

static void remove_file(const struct control_file *f)
{
    struct stat st;

    if (f->ino && lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino)
        unlink(f->path);
}

void control_note_model(struct supervisor *s)
{
    note_file(&s->control.model);
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

    if (fd < 0)
        return -errno;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path); /* whoever listened there is gone */
    if (fchmod(fd, 0600) == 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
        chmod(path, 0600) == 0 && listen(fd, CONTROL_CLIENTS) == 0)
        return fd;
    ret = -errno;
    close(fd);
    return ret;
}

int control_open(struct supervisor *s, struct error *e)
{
    int ret = make_directory(set_path(s), e);

    if (ret < 0)
        return ret;
    ret = listen_at(s->control.own.path);
    if (ret >= 0)
        ret = control_adopt(s, ret, -1);
    return ret < 0
               ? error_set(e, ret, "cannot listen on %s: %s", s->control.own.path, strerror(-ret))
               : 0;
}

int control_adopt(struct supervisor *s, int fd, int waiting_client)
{
    struct control *c = &s->control;
    int ret;

    set_path(s);
    note_file(&c->own);
    if (held_find(&s->model->held, "ctl") >= 0)
        note_file(&c->model);
    c->source = (struct loop_source){ .fd = fd, .ready = listener_ready, .opaque = s };
    ret = loop_add(s->loop, &c->source, EPOLLIN);
    if (ret == 0 && waiting_client >= 0) {
        ret = add_client(s, &c->clients[0], waiting_client);
        c->clients[0].waits = true;
    }
    return ret;
}

void control_close(struct supervisor *s)
{
    struct control *c = &s->control;

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        client_close(&c->clients[i]);
    if (c->source.fd < 0)
        return;
    /* While the sockets are open nobody else's file can have the same inode. */
    remove_file(&c->own);
    remove_file(&c->model);
    loop_remove(s->loop, &c->source);
    close(c->source.fd);
    c->source.fd = -1;
}
