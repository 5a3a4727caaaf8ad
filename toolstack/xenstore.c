/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore - a client of xenstored, without threads.
 *
 * Protocol: xenstore_wire.h.
 * Memory is constant: a guest that writes watched nodes without end fills a small queue, and then
 * the watch just fires for its whole tree.
 * Absent: transactions of more than one write, permissions, directories of more than 4096 bytes.
 */
#include "toolstack/xenstore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/xenstore_wire.h"

enum {
    XS_TIMEOUT_MS = 5000,
    XS_QUEUE = 32,       /* watch events that wait for the loop */
    XS_EVENT_PATH = 256, /* longer paths fire the whole watch */
    XS_TRIES = 100,      /* of a transaction that meets others */
};

struct xs_event {
    uint32_t token;
    char path[XS_EVENT_PATH];
};

struct xenstore {
    struct loop *loop;
    struct loop_source source; /* fd -1: connection lost */
    struct loop_work deliver, tell;
    struct xenstore_calls calls;
    char why[160]; /* it is lost */
    bool away;     /* the daemon has said nothing on this connection yet */
    struct xenstore_watch *watches;
    uint32_t tokens;  /* handed out so far */
    uint32_t request; /* number of the last request */
    unsigned head, queued;
    struct xs_event queue[XS_QUEUE];
    struct xs_message in; /* being received, or the last answer */
};
static_assert(XENSTORE_VALUE == (int)XS_BODY, "a value may fill a message");

static void xs_drop(struct xenstore *x, const char *how, const char *why)
{
    if (x->source.fd < 0)
        return;
    log_error("the connection to xenstore is %s: %s", how, why);
    snprintf(x->why, sizeof x->why, "%s", why);
    loop_remove(x->loop, &x->source);
    close(x->source.fd);
    x->source.fd = -1;
    loop_defer(x->loop, &x->tell);
}

static void xs_lost(struct xenstore *x, const char *why)
{
    xs_drop(x, "lost", why);
}

static void xs_tell(void *opaque)
{
    struct xenstore *x = opaque;
    void (*call)(void *) = x->source.fd < 0 ? x->calls.lost : x->calls.back;

    if (call)
        call(x->calls.opaque);
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Reads what is there. 1: a message is complete; 0: not yet; -errno: connection lost. */
static int xs_take(struct xenstore *x)
{
    int ret = x->source.fd < 0 ? -ENOTCONN : xs_receive(x->source.fd, &x->in);

    if (ret == 1 && x->away) {
        x->away = false;
        loop_defer(x->loop, &x->tell);
    }
    if (ret >= 0)
        return ret;
    xs_lost(x, ret == -ECONNRESET ? "closed by xenstored"
               : ret == -EMSGSIZE ? "a message is too long"
                                  : strerror(-ret));
    return -ENOTCONN;
}

static struct xenstore_watch *xs_find(struct xenstore *x, uint32_t token)
{
    struct xenstore_watch *w = x->watches;

    while (w && w->token != token)
        w = w->next;
    return w;
}

/* The body of a watch event is path NUL token NUL. */
static void xs_queue(struct xenstore *x)
{
    const char *path = x->in.body, *token;
    size_t len = strlen(path);
    struct xenstore_watch *w;
    struct xs_event *e;

    if (len + 1 >= x->in.header.length)
        return;
    token = path + len + 1;
    w = xs_find(x, (uint32_t)strtoul(token, NULL, 10));
    if (!w)
        return; /* unwatched meanwhile */
    loop_defer(x->loop, &x->deliver);
    for (unsigned i = 0; i < x->queued; i++) {
        e = &x->queue[(x->head + i) % XS_QUEUE];
        if (e->token == w->token && !strcmp(e->path, path))
            return; /* waits to be told already */
    }
    if (x->queued == XS_QUEUE || len >= XS_EVENT_PATH) {
        w->overflow = true;
        return;
    }
    if (!x->queued)
        x->head = 0; /* the far end of the queue is memory that is rarely touched */
    e = &x->queue[(x->head + x->queued++) % XS_QUEUE];
    e->token = w->token;
    memcpy(e->path, path, len + 1);
}

static void xs_deliver(void *opaque)
{
    struct xenstore *x = opaque;
    struct xenstore_watch *w;
    unsigned n = x->queued;

    while (n--) {
        struct xs_event e = x->queue[x->head];

        x->head = (x->head + 1) % XS_QUEUE;
        x->queued--;
        w = xs_find(x, e.token);
        if (w)
            w->changed(w->opaque, e.path);
    }
    for (w = x->watches; w; w = w->next)
        if (w->overflow) {
            w->overflow = false;
            w->changed(w->opaque, w->path);
            loop_defer(x->loop, &x->deliver); /* the list may have changed: look again */
            return;
        }
    if (x->queued)
        loop_defer(x->loop, &x->deliver);
}

static void xs_ready(void *opaque, uint32_t events)
{
    struct xenstore *x = opaque;

    (void)events;
    for (unsigned i = 0; i < XS_QUEUE && xs_take(x) == 1; i++)
        if (x->in.header.type == XS_WATCH_EVENT)
            xs_queue(x);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int xs_wait(struct xenstore *x, short events)
{
    struct pollfd p = { .fd = x->source.fd, .events = events };
    int n;

    do
        n = poll(&p, 1, XS_TIMEOUT_MS);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return 0;
    xs_lost(x, n ? strerror(errno) : "no answer within 5 s");
    return -ENOTCONN;
}

static int xs_put(struct xenstore *x, struct xs_message *m)
{
    for (;;) {
        int ret = xs_send(x->source.fd, m);

        if (ret == 1)
            return 0;
        if (ret < 0) {
            xs_lost(x, strerror(-ret));
            return -ENOTCONN;
        }
        ret = xs_wait(x, POLLOUT);
        if (ret < 0)
            return ret;
    }
}

static int xs_error(const char *name)
{
    static const struct {
        char name[8];
        int err;
    } errors[] = {
        { "ENOENT", ENOENT }, { "EACCES", EACCES }, { "EINVAL", EINVAL }, { "EEXIST", EEXIST },
        { "ENOSPC", ENOSPC }, { "EQUOTA", ENOSPC }, { "EROFS", EROFS },   { "EBUSY", EBUSY },
        { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM }, { "E2BIG", E2BIG },   { "EPERM", EPERM },
    };

    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        if (!strcmp(errors[i].name, name))
            return -errors[i].err;
    return -EIO;
}

/* 0 or -errno. Their body is path NUL value (`nvalue` bytes, may be 0). */
static int xs_ask(struct xenstore *x, uint32_t transaction, enum xs_type type, const char *path,
                  const char *value, size_t nvalue)
{
    struct xs_message m; /* filled as far as it is sent */
    size_t npath = strlen(path) + 1;

    if (x->source.fd < 0)
        return -ENOTCONN;
    if (npath + nvalue > XS_BODY)
        return -E2BIG;
    m.done = 0;
    m.header = (struct xs_header){ .type = type,
                                   .request = ++x->request,
                                   .transaction = transaction,
                                   .length = (uint32_t)(npath + nvalue) };
    memcpy(m.body, path, npath);
    if (nvalue)
        memcpy(m.body + npath, value, nvalue);
    return xs_put(x, &m);
}

/* The same, and waits. The answer is in x->in then. */
static int xs_call_in(struct xenstore *x, uint32_t transaction, enum xs_type type, const char *path,
                      const char *value, size_t nvalue)
{
    int ret = xs_ask(x, transaction, type, path, value, nvalue);

    while (ret == 0) {
        ret = xs_take(x);
        if (ret == 0) {
            ret = xs_wait(x, POLLIN);
        } else if (ret == 1 && x->in.header.type == XS_WATCH_EVENT) {
            xs_queue(x);
            ret = 0;
        } else if (ret == 1 && x->in.header.request != x->request) {
            ret = 0; /* nothing we know of */
        }
    }
    if (ret < 0)
        return ret;
    if (x->in.header.type == XS_ERROR)
        return xs_error(x->in.body);
    return x->in.header.type == type ? 0 : -EPROTO;
}

static int xs_call(struct xenstore *x, enum xs_type type, const char *path, const char *value,
                   size_t nvalue)
{
    return xs_call_in(x, 0, type, path, value, nvalue);
}

int xenstore_read(struct xenstore *x, const char *path, char *buf, size_t size)
{
    uint32_t n;
    int ret = xs_call(x, XS_READ, path, NULL, 0);

    buf[0] = '\0';
    if (ret < 0)
        return ret;
    n = x->in.header.length;
    if (n >= size)
        return -E2BIG;
    if (memchr(x->in.body, 0, n))
        return -EINVAL;
    memcpy(buf, x->in.body, n);
    buf[n] = '\0';
    return (int)n;
}

int xenstore_read_u32(struct xenstore *x, const char *path, uint32_t *out)
{
    char text[16];
    unsigned long long v;
    int n = xenstore_read(x, path, text, sizeof text);

    if (n == -E2BIG)
        return -EINVAL;
    if (n < 0)
        return n;
    if (!n || text[strspn(text, "0123456789")])
        return -EINVAL;
    v = strtoull(text, NULL, 10);
    if (v > UINT32_MAX)
        return -EINVAL;
    *out = (uint32_t)v;
    return 0;
}

int xenstore_write(struct xenstore *x, const char *path, const char *value)
{
    return xs_call(x, XS_WRITE, path, value, strlen(value));
}

/* -EAGAIN: somebody else has changed one of the two meanwhile. */
static int xs_try_write_if(struct xenstore *x, const char *witness, const char *path,
                           const char *value)
{
    int ret = xs_call(x, XS_TRANSACTION_START, "", NULL, 0), end;
    uint32_t id;

    if (ret < 0)
        return ret;
    id = (uint32_t)strtoul(x->in.body, NULL, 10);
    if (!id)
        return -EPROTO; /* that is none */
    ret = xs_call_in(x, id, XS_READ, witness, NULL, 0);
    if (ret == 0)
        ret = xs_call_in(x, id, XS_WRITE, path, value, strlen(value));
    end = xs_call_in(x, id, XS_TRANSACTION_END, ret == 0 ? "T" : "F", NULL, 0);
    return ret < 0 ? ret : end;
}

int xenstore_write_if(struct xenstore *x, const char *witness, const char *path, const char *value)
{
    int ret = -EAGAIN;

    for (unsigned i = 0; i < XS_TRIES && ret == -EAGAIN; i++)
        ret = xs_try_write_if(x, witness, path, value);
    return ret;
}

int xenstore_write_u32(struct xenstore *x, const char *path, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    return xenstore_write(x, path, text);
}

int xenstore_remove(struct xenstore *x, const char *path)
{
    return xs_call(x, XS_RM, path, NULL, 0);
}

int xenstore_list(struct xenstore *x, const char *path, char *buf, size_t size)
{
    uint32_t n;
    int ret = xs_call(x, XS_DIRECTORY, path, NULL, 0);

    if (ret < 0)
        return ret;
    n = x->in.header.length;
    if (n && x->in.body[n - 1])
        return -EPROTO;
    if (n > size)
        return -E2BIG;
    memcpy(buf, x->in.body, n);
    return (int)n;
}

static void xs_token(const struct xenstore_watch *w, char token[16])
{
    snprintf(token, 16, "%u", w->token);
}

int xenstore_watch(struct xenstore *x, struct xenstore_watch *w)
{
    char token[16];
    int ret;

    w->token = ++x->tokens;
    w->overflow = false;
    xs_token(w, token);
    w->next = x->watches; /* listed first: the first event may come before the answer */
    x->watches = w;
    ret = xs_call(x, XS_WATCH, w->path, token, strlen(token) + 1);
    if (ret < 0)
        x->watches = w->next;
    return ret;
}

void xenstore_unwatch(struct xenstore *x, struct xenstore_watch *w)
{
    char token[16];

    xs_token(w, token);
    for (struct xenstore_watch **i = &x->watches; *i; i = &(*i)->next)
        if (*i == w) {
            *i = w->next;
            /* Events that are on their way find no watch of that token any more. */
            if (x->source.fd >= 0 && xs_call(x, XS_UNWATCH, w->path, token, strlen(token) + 1) < 0)
                log_warn("xenstore: cannot end the watch on %s", w->path);
            return;
        }
}

int xenstore_say_running(struct xenstore *x, unsigned domid, struct error *e)
{
    char path[64];
    int ret;

    snprintf(path, sizeof path, "device-model/%u/state", domid);
    ret = xenstore_write(x, path, "running");
    return ret < 0 ? error_set(e, ret, "cannot write %s to xenstore: %s", path, strerror(-ret)) : 0;
}

/* ---- connection ----------------------------------------------------------------------------- */

/* Takes the descriptor. */
static int xs_use(struct xenstore *x, int fd)
{
    int ret;

    x->source.fd = fd;
    ret = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : loop_add(x->loop, &x->source, EPOLLIN);
    if (ret < 0) {
        close(fd);
        x->source.fd = -1;
    }
    return ret;
}

int xenstore_open_fd(struct loop *loop, int fd, struct xenstore **out, struct error *e)
{
    struct xenstore *x = calloc(1, sizeof *x);
    int ret;

    if (!x) {
        close(fd);
        return error_set(e, -ENOMEM, "no memory for a connection to xenstore");
    }
    x->loop = loop;
    x->source = (struct loop_source){ .fd = -1, .ready = xs_ready, .opaque = x };
    x->deliver = (struct loop_work){ .run = xs_deliver, .opaque = x };
    x->tell = (struct loop_work){ .run = xs_tell, .opaque = x };
    ret = xs_use(x, fd);
    if (ret < 0) {
        free(x);
        return error_set(e, ret, "cannot talk to xenstore: %s", strerror(-ret));
    }
    *out = x;
    return 0;
}

int xenstore_open(struct loop *loop, const char *socket, struct xenstore **out, struct error *e)
{
    int fd = xs_connect(socket, e);

    return fd < 0 ? fd : xenstore_open_fd(loop, fd, out, e);
}

void xenstore_tell(struct xenstore *x, const struct xenstore_calls *calls)
{
    x->calls = *calls;
}

const char *xenstore_why_lost(const struct xenstore *x)
{
    return x->source.fd < 0 ? x->why : NULL;
}

void xenstore_give_up(struct xenstore *x, const char *why)
{
    xs_drop(x, "given up", why);
}

int xenstore_reconnect(struct xenstore *x, int fd)
{
    char token[16];
    int ret = xs_use(x, fd);

    if (ret < 0)
        return ret;
    x->in.done = 0; /* half a message was the old one's */
    x->away = true;
    for (struct xenstore_watch *w = x->watches; w && ret == 0; w = w->next) {
        xs_token(w, token);
        ret = xs_ask(x, 0, XS_WATCH, w->path, token, strlen(token) + 1);
    }
    return ret;
}

void xenstore_close(struct xenstore *x)
{
    if (!x)
        return;
    loop_cancel(x->loop, &x->deliver);
    loop_cancel(x->loop, &x->tell);
    if (x->source.fd >= 0) {
        loop_remove(x->loop, &x->source);
        close(x->source.fd);
    }
    free(x);
}
