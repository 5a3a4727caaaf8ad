/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket - a character stream on a TCP or Unix socket: listening ("server") or connecting.
 *
 * A server has one client at a time; who comes while there is one is turned away. Without a client
 * output is dropped; after one has left the next may come. A client that does not read makes the
 * device wait, as far as the kernel's buffers do not take it.
 * Absent: reconnecting as a client (nor does a successor), telnet, TLS, passing descriptors, access
 * control.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/internal.h"

struct socket {
    struct stream stream;        /* first member; its descriptor is the client, or the connection */
    struct loop_source listener; /* fd -1 when connecting */
    bool tcp;
    struct sockaddr_un bound; /* what to remove at the end; sun_path empty: nothing */
    void (*connected)(void *opaque, int fd); /* as in struct chardev_kept */
    void *opaque;
};

struct socket_options {
    char address[128];
    bool server, no_wait, no_delay;
};

/* "on", "off" or nothing behind an option's name. */
static int parse_switch(const char *value, bool *on)
{
    if (!value || strcmp(value, "on") == 0)
        *on = true;
    else if (strcmp(value, "off") == 0)
        *on = false;
    else
        return -EINVAL;
    return 0;
}

static int parse_option(struct socket_options *o, char *option)
{
    char *value = strchr(option, '=');
    bool wait = true;
    int err;

    if (value)
        *value++ = '\0';
    if (strcmp(option, "server") == 0)
        return parse_switch(value, &o->server);
    if (strcmp(option, "nodelay") == 0)
        return parse_switch(value, &o->no_delay);
    if (strcmp(option, "nowait") == 0 && !value)
        return parse_switch(NULL, &o->no_wait);
    if (strcmp(option, "wait") == 0) {
        err = parse_switch(value, &wait);
        o->no_wait = !wait;
        return err;
    }
    return -EINVAL;
}

static int parse_options(struct socket_options *o, const char *label, const char *what,
                         struct error *e)
{
    char copy[256], original[64], *rest = copy, *item;

    memset(o, 0, sizeof *o);
    if (strlen(what) >= sizeof copy)
        return error_set(e, -ENAMETOOLONG, "%s: '%.60s...' is too long", label, what);
    strcpy(copy, what);
    item = strsep(&rest, ",");
    if (!item[0] || strlen(item) >= sizeof o->address)
        return error_set(e, -EINVAL, "%s: '%s' has no usable address", label, what);
    strcpy(o->address, item);
    while ((item = strsep(&rest, ","))) {
        snprintf(original, sizeof original, "%s", item);
        if (parse_option(o, item) < 0)
            return error_set(e, -EINVAL, "%s: option '%s' of a socket is not known", label,
                             original);
    }
    return 0;
}

/* ---- Connections ---- */

static void socket_listen_again(struct socket *s)
{
    if (s->listener.fd >= 0 && !s->listener.active && !s->stream.base.resting)
        loop_add(s->stream.loop, &s->listener, EPOLLIN);
}

static void socket_tell(const struct socket *s)
{
    if (s->connected)
        s->connected(s->opaque, s->stream.fd);
}

static void socket_lost(struct stream *stream)
{
    stream_hang_up(stream);
    socket_tell((struct socket *)stream);
    socket_listen_again((struct socket *)stream);
}

/* While the device has no room we do not hear of a client that leaves. */
static bool client_is_there(const struct socket *s)
{
    struct pollfd p = { .fd = s->stream.fd, .events = POLLRDHUP };

    return p.fd >= 0 && (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static void socket_accept(void *opaque, uint32_t events)
{
    struct socket *s = opaque;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int one = 1;

    (void)events;
    if (fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
            return; /* the caller has given up, or the like */
        /* It would come back at once, without end: stop listening until something changes. */
        log_warn("%s: cannot accept a connection: %s", s->stream.base.label, strerror(errno));
        loop_remove(s->stream.loop, &s->listener);
        return;
    }
    if (client_is_there(s)) {
        close(fd);
        return;
    }
    if (s->stream.fd >= 0)
        stream_hang_up(&s->stream);
    if (s->tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->stream.fd = fd;
    socket_tell(s);
    stream_kick(&s->stream.base);
}

static size_t socket_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    socket_listen_again((struct socket *)c);
    return stream_write(c, bytes, n);
}

static void socket_rest(struct chardev *c, bool on)
{
    struct socket *s = (struct socket *)c;

    if (on)
        loop_remove(s->stream.loop, &s->listener);
    else
        socket_listen_again(s);
}

static void socket_close(struct chardev *c)
{
    struct socket *s = (struct socket *)c;

    loop_remove(s->stream.loop, &s->listener);
    if (s->listener.fd >= 0)
        close(s->listener.fd);
    stream_hang_up(&s->stream);
    if (s->bound.sun_path[0] && !c->resting)
        unlink(s->bound.sun_path);
    free(s);
}

static const struct chardev_ops socket_ops = {
    .write = socket_write,
    .kick = stream_kick,
    .close = socket_close,
    .rest = socket_rest,
};

/* ---- Opening ---- */

/* Starts listening, or connects; until here the socket may block. */
static int socket_start(struct socket *s, int fd, const struct sockaddr *a, socklen_t len,
                        bool server)
{
    int one = 1;

    if (!server)
        return connect(fd, a, len) < 0 ? -errno : 0;
    if (s->tcp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a, len) < 0 || listen(fd, 4) < 0)
        return -errno;
    return 0;
}

static int socket_listen(struct socket *s, struct loop *l, int fd, struct error *e)
{
    int err;

    s->listener = (struct loop_source){ .fd = fd, .ready = socket_accept, .opaque = s };
    s->stream.base.keep = fd;
    err = loop_add(l, &s->listener, EPOLLIN);
    if (err)
        error_set(e, err, "%s: cannot listen: %s", s->stream.base.label, strerror(-err));
    return err;
}

static int socket_use(struct socket *s, struct loop *l, int fd, const struct socket_options *o,
                      struct error *e)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int err;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (!o->server) {
        stream_init(&s->stream, l, fd);
        socket_tell(s);
        return 0;
    }
    err = socket_listen(s, l, fd, e);
    if (err || o->no_wait)
        return err;
    log_info("%s: waiting for a connection to %s", s->stream.base.label, s->stream.base.filename);
    while (s->stream.fd < 0 && s->listener.active)
        if (poll(&p, 1, -1) > 0)
            socket_accept(s, EPOLLIN);
    return 0;
}

static struct socket *socket_new(struct loop *l, const char *label, const char *kind,
                                 const struct socket_options *o)
{
    struct socket *s;
    char filename[160];

    snprintf(filename, sizeof filename, "%s:%s%s", kind, o->address, o->server ? ",server=on" : "");
    s = (struct socket *)chardev_new(sizeof *s, &socket_ops, label, filename);
    if (s) {
        s->listener.fd = -1;
        s->tcp = strcmp(kind, "tcp") == 0;
        stream_init(&s->stream, l, -1);
        s->stream.is_socket = true;
        s->stream.lost = socket_lost;
    }
    return s;
}

static int unix_address(const struct socket_options *o, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(o->address) >= sizeof a->sun_path)
        return -ENAMETOOLONG;
    strcpy(a->sun_path, o->address);
    return 0;
}

static int unix_start(struct socket *s, const struct socket_options *o, int *fd, const char **why)
{
    struct sockaddr_un a;
    struct stat st;
    int err = unix_address(o, &a);

    if (err)
        goto out;
    /* One that an earlier process left behind would be in the way; anything else is not ours. */
    if (o->server && lstat(a.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(a.sun_path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    err = *fd < 0 ? -errno : socket_start(s, *fd, (const struct sockaddr *)&a, sizeof a, o->server);
    if (!err && o->server)
        s->bound = a;
out:
    *why = strerror(-err);
    return err;
}

/* Splits HOST:PORT or [HOST]:PORT in place. */
static int tcp_split(char *address, char **host, char **port)
{
    char *colon = strrchr(address, ':');

    if (!colon || !colon[1])
        return -EINVAL;
    *colon = '\0';
    *port = colon + 1;
    *host = address;
    if (address[0] == '[' && colon > address && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = address + 1;
    }
    return 0;
}

/* Tries each address of the host. */
static int tcp_start(struct socket *s, const struct socket_options *o, int *fd, const char **why)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list, *i;
    char address[sizeof o->address], *host, *port;
    int err = -EINVAL, gai;

    strcpy(address, o->address);
    *why = "it has to be HOST:PORT";
    if (tcp_split(address, &host, &port) < 0)
        return -EINVAL;
    hints.ai_flags = AI_NUMERICHOST | (o->server ? AI_PASSIVE : 0);
    gai = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
    if (gai == EAI_NONAME) { /* only a real name needs a resolver */
        hints.ai_flags &= ~AI_NUMERICHOST;
        gai = getaddrinfo(host, port, &hints, &list);
    }
    if (gai) {
        *why = gai_strerror(gai);
        return -EINVAL;
    }
    for (i = list; i && err; i = i->ai_next) {
        *fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
        err = *fd < 0 ? -errno : socket_start(s, *fd, i->ai_addr, i->ai_addrlen, o->server);
        if (err && *fd >= 0) {
            close(*fd);
            *fd = -1;
        }
    }
    freeaddrinfo(list);
    *why = strerror(-err);
    return err;
}

/* The sockets of a predecessor: somebody may be connected, others may be waiting. */
static int socket_take(struct socket *s, struct loop *l, const struct chardev_kept *kept,
                       const struct socket_options *o, struct error *e)
{
    int err = 0;

    s->stream.fd = kept->client;
    if (kept->client >= 0)
        fcntl(kept->client, F_SETFL, O_NONBLOCK);
    if (!o->server)
        return 0;
    if (kept->fd < 0)
        return error_set(e, -EBADF, "%s: its listening socket was lost", s->stream.base.label);
    err = socket_listen(s, l, kept->fd, e);
    if (!s->tcp && unix_address(o, &s->bound) < 0)
        s->bound.sun_path[0] = '\0';
    return err;
}

/* `start` makes a socket and starts it; *fd is that socket, also if it failed, or -1; *why: what
 * went wrong, in words. */
static int socket_open(struct loop *l, const char *label, const char *kind, const char *what,
                       int (*start)(struct socket *s, const struct socket_options *o, int *fd,
                                    const char **why),
                       const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    struct socket_options o;
    struct socket *s;
    const char *why = "";
    int fd = -1, err = parse_options(&o, label, what, e);

    if (err)
        return err;
    s = socket_new(l, label, kind, &o);
    if (!s)
        return error_set(e, -ENOMEM, "%s: out of memory", label);
    s->connected = kept->connected;
    s->opaque = kept->opaque;
    if (kept->successor) {
        err = socket_take(s, l, kept, &o, e);
        if (err)
            socket_close(&s->stream.base);
        else
            *out = &s->stream.base;
        return err;
    }
    err = start(s, &o, &fd, &why);
    if (err)
        error_set(e, err, "%s: cannot %s '%s': %s", label, o.server ? "listen on" : "connect to",
                  o.address, why);
    else
        err = socket_use(s, l, fd, &o, e);
    if (err) {
        if (fd >= 0 && s->listener.fd != fd)
            close(fd);
        socket_close(&s->stream.base);
        return err;
    }
    *out = &s->stream.base;
    return 0;
}

int chardev_unix_open(struct loop *l, const char *label, const char *what,
                      const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    return socket_open(l, label, "unix", what, unix_start, kept, out, e);
}

int chardev_tcp_open(struct loop *l, const char *label, const char *what,
                     const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    return socket_open(l, label, "tcp", what, tcp_start, kept, out, e);
}
