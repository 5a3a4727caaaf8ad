/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenstored - see xenstored.h. */
#include "tests/xenstored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq/loop.h"

/* ---- the daemon ---- */

enum { READ = 2, DIRECTORY = 1, WATCH = 4, UNWATCH = 5, WRITE = 11, RM = 13, EVENT = 15, ERR = 16 };
enum { BEGIN = 6, END = 7 };
enum { CLIENTS = 4, NODES = 256, WATCHES = 160, TRANSACTIONS = 8 };

struct message {
    uint32_t type, request, transaction, length;
    char body[4096];
};

struct node {
    char path[160];
    char value[64];
    uint32_t length;
    bool used;
};

struct watch {
    int fd; /* 0: free */
    char path[160], token[32];
    bool relative;
};

/* In the place of its number. */
struct transaction {
    uint32_t id;
    unsigned begun; /* changes before it */
    char path[160]; /* what it writes; "": nothing yet */
    struct message write;
};

struct daemon {
    int clients[CLIENTS];
    struct node nodes[NODES];
    struct watch watches[WATCHES];
    struct transaction transactions[TRANSACTIONS];
    unsigned begun, changes; /* transactions and changes so far */
};

static const char home[] = "/local/domain/0/";

static void full_path(char *to, size_t size, const char *path)
{
    snprintf(to, size, "%s%.*s", *path == '/' ? "" : home, (int)(size - sizeof home), path);
}

static bool below(const char *path, const char *root)
{
    size_t n = strlen(root);

    return !strncmp(path, root, n) && (!path[n] || path[n] == '/');
}

static struct node *find_node(struct daemon *d, const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (d->nodes[i].used && !strcmp(d->nodes[i].path, path))
            return &d->nodes[i];
    return NULL;
}

static void send_all(int fd, const void *bytes, size_t n)
{
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

    if (sent != (ssize_t)n && (sent >= 0 || (errno != EPIPE && errno != ECONNRESET)))
        _exit(3); /* a client that has gone is one that is dropped soon */
}

static void reply(int fd, const struct message *m, uint32_t type, const void *body, uint32_t length)
{
    struct message r = { type, m->request, 0, length, "" };

    if (length)
        memcpy(r.body, body, length);
    send_all(fd, &r, 16 + length);
}

static void send_event(const struct watch *w, const char *path)
{
    struct message r = { EVENT, 0, 0, 0, "" };
    size_t skip = w->relative ? sizeof home - 1 : 0;
    int n = snprintf(r.body, sizeof r.body, "%s", path + skip);

    r.length = (uint32_t)(n + 1);
    n = snprintf(r.body + r.length, sizeof r.body - r.length, "%s", w->token);
    r.length += (uint32_t)(n + 1);
    send_all(w->fd, &r, 16 + r.length);
}

static void changed(struct daemon *d, const char *path)
{
    d->changes++;
    for (int i = 0; i < WATCHES; i++)
        if (d->watches[i].fd && below(path, d->watches[i].path))
            send_event(&d->watches[i], path);
}

/* The path that is the value of this node, absolute; "": none. */
static void path_in(struct daemon *d, const char *node, char *to, size_t size)
{
    const struct node *n = find_node(d, node);
    char name[sizeof n->value + 1];

    to[0] = '\0';
    if (!n)
        return;
    snprintf(name, sizeof name, "%.*s", (int)n->length, n->value);
    full_path(to, size, name);
}

static void do_read(struct daemon *d, int fd, const struct message *m, const char *path)
{
    const struct node *n = find_node(d, path);
    char broken[160];

    path_in(d, "/broken", broken, sizeof broken);
    if (!strcmp(path, broken)) {
        reply(fd, m, ERR, "EIO", 4);
        return;
    }
    if (strstr(path, "/die"))
        _exit(0);
    if (strstr(path, "/long")) {
        struct message r = { READ, m->request, 0, 5000, "" };

        send_all(fd, &r, 16);
        return;
    }
    if (strstr(path, "/wrong")) {
        struct message r = { READ, m->request + 1, 0, 0, "" };

        send_all(fd, &r, 16);
        return;
    }
    if (strstr(path, "/flood"))
        for (int i = 0; i < WATCHES; i++)
            for (int k = 0; d->watches[i].fd == fd && k < 500; k++) {
                char one[160];

                snprintf(one, sizeof one, "%s/%d", d->watches[i].path, k);
                send_event(&d->watches[i], one);
            }
    if (n)
        reply(fd, m, READ, n->value, n->length);
    else
        reply(fd, m, ERR, "ENOENT", 7);
}

static bool put_node(struct daemon *d, const struct message *m, const char *path)
{
    struct node *n = find_node(d, path);
    size_t at = strlen(m->body) + 1;

    for (int i = 0; i < NODES && !n; i++)
        if (!d->nodes[i].used)
            n = &d->nodes[i];
    if (!n || m->length - at > sizeof n->value)
        return false;
    n->used = true;
    snprintf(n->path, sizeof n->path, "%s", path);
    n->length = m->length - (uint32_t)at;
    memcpy(n->value, m->body + at, n->length);
    return true;
}

static struct transaction *find_transaction(struct daemon *d, uint32_t id)
{
    struct transaction *t = &d->transactions[id % TRANSACTIONS];

    return t->id == id ? t : NULL;
}

static void do_write(struct daemon *d, int fd, const struct message *m, const char *path)
{
    struct transaction *t = m->transaction ? find_transaction(d, m->transaction) : NULL;

    if (m->transaction && (!t || t->path[0])) {
        reply(fd, m, ERR, "EINVAL", 7);
    } else if (t) {
        t->write = *m;
        snprintf(t->path, sizeof t->path, "%s", path);
        reply(fd, m, WRITE, "OK", 3);
    } else if (put_node(d, m, path)) {
        reply(fd, m, WRITE, "OK", 3);
        changed(d, path);
    } else {
        reply(fd, m, ERR, "ENOSPC", 7);
    }
}

static void erase(struct daemon *d, const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (d->nodes[i].used && below(d->nodes[i].path, path)) {
            d->nodes[i].used = false;
            changed(d, d->nodes[i].path);
        }
}

static void do_rm(struct daemon *d, int fd, const struct message *m, const char *path)
{
    reply(fd, m, RM, "OK", 3);
    erase(d, path);
}

static void do_directory(struct daemon *d, int fd, const struct message *m, const char *path)
{
    char names[4096];
    uint32_t n = 0;
    size_t root = strlen(path);

    for (int i = 0; i < NODES; i++) {
        const char *name = d->nodes[i].path + root + 1;
        size_t len = strcspn(name, "/");
        bool known = false;

        if (!d->nodes[i].used || !below(d->nodes[i].path, path) || !d->nodes[i].path[root])
            continue;
        for (uint32_t at = 0; at < n; at += (uint32_t)strlen(names + at) + 1)
            known |= strlen(names + at) == len && !memcmp(names + at, name, len);
        if (known)
            continue;
        memcpy(names + n, name, len);
        names[n + len] = '\0';
        n += (uint32_t)len + 1;
    }
    if (n)
        reply(fd, m, DIRECTORY, names, n);
    else
        reply(fd, m, ERR, "ENOENT", 7);
}

static void do_watch(struct daemon *d, int fd, const struct message *m, const char *path)
{
    for (int i = 0; i < WATCHES; i++) {
        struct watch *w = &d->watches[i];

        if (w->fd)
            continue;
        w->fd = fd;
        w->relative = m->body[0] != '/';
        snprintf(w->path, sizeof w->path, "%s", path);
        snprintf(w->token, sizeof w->token, "%s", m->body + strlen(m->body) + 1);
        reply(fd, m, WATCH, "OK", 3);
        send_event(w, path);
        return;
    }
    reply(fd, m, ERR, "E2BIG", 6);
}

static void do_begin(struct daemon *d, int fd, const struct message *m)
{
    uint32_t id = ++d->begun;
    struct transaction *t = &d->transactions[id % TRANSACTIONS];
    char text[16];
    int n = snprintf(text, sizeof text, "%u", id);

    t->id = id;
    t->begun = d->changes;
    t->path[0] = '\0';
    reply(fd, m, BEGIN, text, (uint32_t)n + 1);
}

/* As old ones of Xen do it: it fails if anything has changed since it began. */
static void do_end(struct daemon *d, int fd, const struct message *m)
{
    struct transaction *t = find_transaction(d, m->transaction);
    bool commit = t && t->path[0] && m->body[0] == 'T';
    char race[160];

    path_in(d, "/at-commit", race, sizeof race);
    if (commit && race[0]) {
        erase(d, "/at-commit");
        erase(d, race);
    }
    if (!t) {
        reply(fd, m, ERR, "ENOENT", 7);
    } else if (commit && (t->begun != d->changes || !put_node(d, &t->write, t->path))) {
        reply(fd, m, ERR, "EAGAIN", 7);
    } else {
        reply(fd, m, END, "OK", 3);
        if (commit)
            changed(d, t->path);
    }
    if (t)
        t->id = 0;
}

static void do_unwatch(struct daemon *d, int fd, const struct message *m, const char *path)
{
    for (int i = 0; i < WATCHES; i++) {
        struct watch *w = &d->watches[i];

        if (w->fd != fd || strcmp(w->path, path) || strcmp(w->token, m->body + strlen(m->body) + 1))
            continue;
        w->fd = 0;
        reply(fd, m, UNWATCH, "OK", 3);
        return;
    }
    reply(fd, m, ERR, "ENOENT", 7);
}

static bool read_all(int fd, void *to, size_t n)
{
    return !n || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static bool serve_one(struct daemon *d, int fd)
{
    struct message m;
    char path[160];

    if (!read_all(fd, &m, 16) || m.length > sizeof m.body || !read_all(fd, m.body, m.length))
        return false;
    full_path(path, sizeof path, m.body);
    switch (m.type) {
    case READ:
        do_read(d, fd, &m, path);
        return true;
    case WRITE:
        do_write(d, fd, &m, path);
        return true;
    case RM:
        do_rm(d, fd, &m, path);
        return true;
    case DIRECTORY:
        do_directory(d, fd, &m, path);
        return true;
    case WATCH:
        do_watch(d, fd, &m, path);
        return true;
    case UNWATCH:
        do_unwatch(d, fd, &m, path);
        return true;
    case BEGIN:
        do_begin(d, fd, &m);
        return true;
    case END:
        do_end(d, fd, &m);
        return true;
    default:
        reply(fd, &m, ERR, "ENOSYS", 7);
        return true;
    }
}

static void drop_client(struct daemon *d, int fd)
{
    for (int i = 0; i < WATCHES; i++)
        if (d->watches[i].fd == fd)
            d->watches[i].fd = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (d->clients[i] == fd)
            d->clients[i] = -1;
    close(fd);
}

static void daemon_run(int listener)
{
    static struct daemon d;

    for (int i = 0; i < CLIENTS; i++)
        d.clients[i] = -1;
    for (;;) {
        struct pollfd p[CLIENTS + 1] = { { listener, POLLIN, 0 } };

        for (int i = 0; i < CLIENTS; i++)
            p[i + 1] = (struct pollfd){ d.clients[i], POLLIN, 0 };
        if (poll(p, CLIENTS + 1, -1) < 0)
            _exit(4);
        for (int i = 0; i < CLIENTS; i++)
            if (p[i + 1].revents && !serve_one(&d, p[i + 1].fd))
                drop_client(&d, p[i + 1].fd);
        for (int i = 0; (p[0].revents & POLLIN) && i < CLIENTS; i++)
            if (d.clients[i] < 0) {
                d.clients[i] = accept(listener, NULL, NULL);
                break;
            }
    }
}

/* ---- the test's side ---- */

static void start_daemon(struct xenstored *x)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(a.sun_path, x->path, sizeof x->path);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 4), 0);
    x->pid = fork();
    assert_true(x->pid >= 0);
    if (!x->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        daemon_run(listener);
    }
    close(listener);
}

static void stop_daemon(struct xenstored *x)
{
    kill(x->pid, SIGKILL);
    assert_int_equal(waitpid(x->pid, NULL, 0), x->pid);
    unlink(x->path);
}

void xenstored_start(struct xenstored *x)
{
    struct error e = { "" };
    int fd;

    *x = (struct xenstored){ .path = "/tmp/xenstored.XXXXXX" };
    fd = mkstemp(x->path);
    assert_true(fd >= 0);
    close(fd);
    unlink(x->path);
    start_daemon(x);
    x->loop = loop_new();
    assert_int_equal(xenstore_open(x->loop, x->path, &x->ours, &e), 0);
    assert_int_equal(xenstore_open(x->loop, x->path, &x->them, &e), 0);
}

void xenstored_stop(struct xenstored *x)
{
    xenstore_close(x->ours);
    xenstore_close(x->them);
    loop_free(x->loop);
    stop_daemon(x);
}

void xenstored_restart(struct xenstored *x)
{
    struct error e = { "" };

    stop_daemon(x);
    start_daemon(x);
    xenstore_close(x->them);
    assert_int_equal(xenstore_open(x->loop, x->path, &x->them, &e), 0);
}

/* The daemon does one request after the other and sends a write's events before it looks at the
 * next request. So whoever has an answer from it has, before that, every event of whatever was
 * asked earlier, on either connection. */
void xenstored_settle(struct xenstored *x)
{
    char text[8];
    int turns = 0;

    do {
        assert_int_equal(xenstore_read(x->ours, "/nothing", text, sizeof text), -ENOENT);
        assert_true(++turns < 500);
    } while (loop_turn(x->loop, false));
}

void xenstored_put(struct xenstored *x, const char *path, const char *value)
{
    assert_int_equal(xenstore_write(x->them, path, value), 0);
}

void xenstored_erase(struct xenstored *x, const char *path)
{
    assert_int_equal(xenstore_remove(x->them, path), 0);
}

uint32_t xenstored_get(struct xenstored *x, const char *path)
{
    uint32_t value;

    return xenstore_read_u32(x->them, path, &value) < 0 ? UINT32_MAX : value;
}
