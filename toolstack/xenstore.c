/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore - a client of xenstored, without threads.
 *
 * Protocol: xenstore.txt and xs_wire.h of Xen 4.17: a 16-byte header (type, request, transaction,
 * length; host byte order), then at most 4096 bytes.
 * Memory is constant: a guest that writes watched nodes without end fills a small queue, and then
 * the watch just fires for its whole tree.
 * Absent: transactions (the toolstack makes and removes device nodes in one; each of our own steps
 *         is a single write), permissions, directories of more than 4096 bytes, reconnecting after
 * xenstored died (nothing can; the watches fall silent and requests fail with -ENOTCONN).
 */
#include "toolstack/xenstore.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"

enum xs_type {
    XS_DIRECTORY = 1,
    XS_READ = 2,
    XS_WATCH = 4,
    XS_UNWATCH = 5,
    XS_WRITE = 11,
    XS_RM = 13,
    XS_WATCH_EVENT = 15,
    XS_ERROR = 16,
};

struct xs_header {
    uint32_t type, request, transaction, length;
};
static_assert(sizeof(struct xs_header) == 16, "as on the wire");

enum {
    XS_TIMEOUT_MS = 5000,
    XS_QUEUE = 32,      /* watch events that wait for the loop */
    XS_EVENT_PATH = 256 /* longer paths fire the whole watch */
};

struct xs_event {
    uint32_t token;
    char path[XS_EVENT_PATH];
};

struct xenstore {
    struct loop *loop;
    struct loop_source source; /* fd -1: connection lost */
    struct loop_work deliver;
    struct xenstore_watch *watches;
    uint32_t tokens;  /* handed out so far */
    uint32_t request; /* number of the last request */
    unsigned head, queued;
    struct xs_event queue[XS_QUEUE];
    struct xs_header header; /* of the message being received */
    uint32_t got;            /* bytes of header and body received */
    char body[XENSTORE_VALUE + 1];
};

static void xs_lost(struct xenstore *x, const char *why)
{
    if (x->source.fd < 0)
        return;
    log_error("the connection to xenstore is lost: %s", why);
    loop_remove(x->loop, &x->source);
    close(x->source.fd);
    x->source.fd = -1;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Reads what is there. 1: a message is complete; 0: not yet; -errno: connection lost. */
static int xs_receive(struct xenstore *x)
{
    const uint32_t head = sizeof x->header;

    while (x->source.fd >= 0) {
        uint32_t want = x->got < head ? head : head + x->header.length;
        char *to = x->got < head ? (char *)&x->header + x->got : x->body + (x->got - head);
        ssize_t n;

        if (x->got >= head && x->got == want) {
            x->body[x->header.length] = '\0';
            x->got = 0;
            return 1;
        }
        n = read(x->source.fd, to, want - x->got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n <= 0) {
            xs_lost(x, n ? strerror(errno) : "closed by xenstored");
            break;
        }
        x->got += (uint32_t)n;
        if (x->got == head && x->header.length > XENSTORE_VALUE)
            xs_lost(x, "a message is too long");
    }
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
    const char *path = x->body, *token;
    size_t len = strlen(path);
    struct xenstore_watch *w;
    struct xs_event *e;

    if (len + 1 >= x->header.length)
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
    for (unsigned i = 0; i < XS_QUEUE && xs_receive(x) == 1; i++)
        if (x->header.type == XS_WATCH_EVENT)
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

static int xs_send(struct xenstore *x, const char *bytes, size_t n)
{
    while (n) {
        ssize_t k = send(x->source.fd, bytes, n, MSG_NOSIGNAL);

        if (k < 0 && errno == ENOTSOCK)
            k = write(x->source.fd, bytes, n); /* /dev/xen/xenbus */
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            xs_lost(x, strerror(errno));
            return -ENOTCONN;
        }
        if (k < 0) {
            int ret = xs_wait(x, POLLOUT);

            if (ret < 0)
                return ret;
            continue;
        }
        bytes += k;
        n -= (size_t)k;
    }
    return 0;
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

/* Sends path NUL value (`nvalue` bytes, may be 0) and waits. The answer is in x->body then. */
static int xs_call(struct xenstore *x, enum xs_type type, const char *path, const char *value,
                   size_t nvalue)
{
    struct xs_header h = { .type = type, .request = ++x->request };
    char message[sizeof h + XENSTORE_VALUE];
    size_t npath = strlen(path) + 1;
    int ret;

    if (x->source.fd < 0)
        return -ENOTCONN;
    if (npath + nvalue > XENSTORE_VALUE)
        return -E2BIG;
    h.length = (uint32_t)(npath + nvalue);
    memcpy(message, &h, sizeof h);
    memcpy(message + sizeof h, path, npath);
    if (nvalue)
        memcpy(message + sizeof h + npath, value, nvalue);
    ret = xs_send(x, message, sizeof h + h.length);
    while (ret == 0) {
        ret = xs_receive(x);
        if (ret == 0) {
            ret = xs_wait(x, POLLIN);
        } else if (ret == 1 && x->header.type == XS_WATCH_EVENT) {
            xs_queue(x);
            ret = 0;
        } else if (ret == 1 && x->header.request != h.request) {
            ret = 0; /* nothing we know of */
        }
    }
    if (ret < 0)
        return ret;
    if (x->header.type == XS_ERROR)
        return xs_error(x->body);
    return x->header.type == type ? 0 : -EPROTO;
}

int xenstore_read(struct xenstore *x, const char *path, char *buf, size_t size)
{
    uint32_t n;
    int ret = xs_call(x, XS_READ, path, NULL, 0);

    buf[0] = '\0';
    if (ret < 0)
        return ret;
    n = x->header.length;
    if (n >= size)
        return -E2BIG;
    if (memchr(x->body, 0, n))
        return -EINVAL;
    memcpy(buf, x->body, n);
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
    n = x->header.length;
    if (n && x->body[n - 1])
        return -EPROTO;
    if (n > size)
        return -E2BIG;
    memcpy(buf, x->body, n);
    return (int)n;
}

int xenstore_watch(struct xenstore *x, struct xenstore_watch *w)
{
    char token[16];
    int n, ret;

    w->token = ++x->tokens;
    w->overflow = false;
    n = snprintf(token, sizeof token, "%u", w->token);
    w->next = x->watches; /* listed first: the first event may come before the answer */
    x->watches = w;
    ret = xs_call(x, XS_WATCH, w->path, token, (size_t)n + 1);
    if (ret < 0)
        x->watches = w->next;
    return ret;
}

void xenstore_unwatch(struct xenstore *x, struct xenstore_watch *w)
{
    char token[16];
    int n = snprintf(token, sizeof token, "%u", w->token);

    for (struct xenstore_watch **i = &x->watches; *i; i = &(*i)->next)
        if (*i == w) {
            *i = w->next;
            /* Events that are on their way find no watch of that token any more. */
            if (xs_call(x, XS_UNWATCH, w->path, token, (size_t)n + 1) < 0)
                log_warn("xenstore: cannot end the watch on %s", w->path);
            return;
        }
}

int xenstore_say_running(struct xenstore *x, unsigned domid, struct error *e)
{
    char path[64];
    int ret;

    snprintf(path, sizeof path, "/local/domain/0/device-model/%u/state", domid);
    ret = xenstore_write(x, path, "running");
    return ret < 0 ? error_set(e, ret, "cannot write %s to xenstore: %s", path, strerror(-ret)) : 0;
}

/* ---- connection ----------------------------------------------------------------------------- */

static int xs_connect(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, ret;

    if (!strncmp(path, "/dev/", 5)) {
        fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
    }
    if (strlen(path) >= sizeof a.sun_path)
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        ret = -errno;
        close(fd);
        return ret;
    }
    return fd;
}

int xenstore_open(struct loop *loop, const char *socket, struct xenstore **out, struct error *e)
{
    const char *const usual[] = { "/run/xenstored/socket", "/var/run/xenstored/socket",
                                  "/dev/xen/xenbus", NULL };
    struct xenstore *x;
    int fd = -ENOENT, ret;

    if (!socket)
        socket = getenv("XENSTORED_PATH");
    if (socket)
        fd = xs_connect(socket);
    for (unsigned i = 0; !socket && fd < 0 && usual[i]; i++)
        fd = xs_connect(usual[i]);
    if (fd < 0)
        return error_set(e, fd, "cannot reach xenstore (%s): %s; is this a running Xen dom0?",
                         socket ? socket : usual[0], strerror(-fd));
    x = calloc(1, sizeof *x);
    ret = x ? 0 : -ENOMEM;
    if (x) {
        x->loop = loop;
        x->source = (struct loop_source){ .fd = fd, .ready = xs_ready, .opaque = x };
        x->deliver = (struct loop_work){ .run = xs_deliver, .opaque = x };
        ret = loop_add(loop, &x->source, EPOLLIN);
    }
    if (ret < 0) {
        close(fd);
        free(x);
        return error_set(e, ret, "cannot talk to xenstore: %s", strerror(-ret));
    }
    *out = x;
    return 0;
}

void xenstore_close(struct xenstore *x)
{
    if (!x)
        return;
    loop_cancel(x->loop, &x->deliver);
    if (x->source.fd >= 0) {
        loop_remove(x->loop, &x->source);
        close(x->source.fd);
    }
    free(x);
}
