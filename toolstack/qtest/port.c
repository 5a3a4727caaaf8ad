/* SPDX-License-Identifier: GPL-2.0-or-later */
/* port - see port.h. */
#include "toolstack/qtest/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "toolstack/stream.h"

enum {
    READ_AT_ONCE = 64 << 10,
    UNREAD_MAX = 1 << 20, /* bytes that the client has not taken; more, and it is not served */
};

struct port {
    struct loop *loop;
    struct port_options o;
    struct protocol *protocol;
    struct loop_source in, out, listener;
    struct loop_work more; /* the next line, or (a file) the next piece of it */
    bool file;             /* `in` is no stream: always readable */
    bool ended;            /* nothing more comes */
    bool broken;           /* the client takes no more */
    bool waiting;          /* for the client to read */
    bool full;             /* and it has not read so much that we serve it no more */
    bool skipping;         /* what comes up to the next newline is the rest of a line too long */
    uint64_t begin;        /* of the log's time */
    char *line;            /* what was read: [0, have), lines end before `scanned` never */
    size_t have, room, scanned;
    char *answer; /* what waits for the client */
    size_t length, answer_room;
};

/* --- The log. */

static void log_text(struct port *p, char direction, const char *text, size_t n)
{
    uint64_t us = (loop_now() - p->begin) / 1000;

    if (!p->o.log)
        return;
    fprintf(p->o.log, "[%c +%llu.%06llu] ", direction, (unsigned long long)(us / 1000000),
            (unsigned long long)(us % 1000000));
    fwrite(text, 1, n, p->o.log);
    if (!n || text[n - 1] != '\n')
        fputc('\n', p->o.log);
    fflush(p->o.log);
}

/* --- Output. */

static void flush(struct port *p)
{
    size_t done = 0;

    while (done < p->length && !p->broken) {
        ssize_t n = write(p->o.out, p->answer + done, p->length - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (n == 0 || errno != EINTR)
            p->broken = true;
    }
    p->length = p->broken ? 0 : p->length - done;
    memmove(p->answer, p->answer + done, p->length);
}

static bool grow(char **at, size_t *room, size_t need)
{
    size_t size = *room ? *room : 4096;
    char *grown;

    while (size < need)
        size *= 2;
    if (size == *room)
        return true;
    grown = realloc(*at, size);
    if (!grown)
        return false;
    *at = grown;
    *room = size;
    return true;
}

static bool full(const struct port *p)
{
    return p->length > UNREAD_MAX;
}

/* A client may send many requests before it reads: while it does not read we go on until we are
 * full, or it and we would wait for each other. */
static void interest(struct port *p)
{
    uint32_t in = p->ended || p->full ? 0 : EPOLLIN;

    if (p->o.in == p->o.out) {
        if (p->in.active)
            loop_modify(p->loop, &p->in, in | (p->waiting ? EPOLLOUT : 0));
        return;
    }
    if (p->in.active)
        loop_modify(p->loop, &p->in, in);
    if (!p->waiting)
        loop_remove(p->loop, &p->out);
    else if (!p->out.active && loop_add(p->loop, &p->out, EPOLLOUT) < 0)
        p->broken = true;
}

/* After answers came or went. */
static void note_unread(struct port *p)
{
    bool waiting = p->length > 0;

    if (waiting == p->waiting && full(p) == p->full)
        return;
    p->waiting = waiting;
    p->full = full(p);
    interest(p);
}

static void say(void *opaque, const char *bytes, size_t n)
{
    struct port *p = opaque;

    log_text(p, 'S', bytes, n);
    if (p->broken)
        return;
    if (!grow(&p->answer, &p->answer_room, p->length + n)) {
        p->broken = true;
        return;
    }
    memcpy(p->answer + p->length, bytes, n);
    p->length += n;
    flush(p);
    note_unread(p);
}

/* --- Input. */

static void finish(struct port *p)
{
    loop_remove(p->loop, &p->in);
    loop_remove(p->loop, &p->out);
    loop_cancel(p->loop, &p->more);
    p->o.closed(p->o.opaque);
}

/* Executes the first line, if it is not a rest; false if there is no whole one. */
static bool one_line(struct port *p)
{
    char *end = memchr(p->line + p->scanned, '\n', p->have - p->scanned);
    size_t n;

    if (!end) {
        p->scanned = p->have;
        return false;
    }
    n = (size_t)(end - p->line);
    *end = '\0';
    if (!p->skipping) {
        log_text(p, 'R', p->line, n);
        protocol_line(p->protocol, p->line, n);
    }
    p->skipping = false;
    p->have -= n + 1;
    memmove(p->line, end + 1, p->have);
    p->scanned = 0;
    return true;
}

/* One piece of input; false if there is none now. */
static bool take_input(struct port *p)
{
    ssize_t n;

    if (p->ended || !grow(&p->line, &p->room, p->have + READ_AT_ONCE))
        return false;
    n = read(p->o.in, p->line + p->have, READ_AT_ONCE);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (n <= 0) {
        p->ended = true;
        interest(p);
        return false;
    }
    p->have += (size_t)n;
    return true;
}

/* What cannot be a line any more is thrown away as it comes. */
static void drop_long_line(struct port *p)
{
    if (p->scanned != p->have || (!p->skipping && p->have <= PROTOCOL_LINE_MAX))
        return;
    if (!p->skipping)
        say(p, "ERR line too long\n", 18);
    p->skipping = true;
    p->have = p->scanned = 0;
}

static void serve(void *opaque)
{
    struct port *p = opaque;

    if (p->broken) {
        finish(p);
        return;
    }
    if (p->full)
        return;
    if (p->have && one_line(p)) {
        loop_defer(p->loop, &p->more);
        return;
    }
    drop_long_line(p);
    if (p->file && take_input(p))
        loop_defer(p->loop, &p->more);
    else if (p->ended)
        finish(p);
}

static void in_ready(void *opaque, uint32_t events)
{
    struct port *p = opaque;

    if (p->length) {
        flush(p);
        note_unread(p);
    }
    if ((events & (EPOLLHUP | EPOLLERR)) && p->waiting)
        p->broken = true;
    if (events & (EPOLLIN | EPOLLHUP))
        take_input(p);
    if (!p->more.queued)
        serve(p);
}

static void out_ready(void *opaque, uint32_t events)
{
    struct port *p = opaque;

    if (events & (EPOLLERR | EPOLLHUP))
        p->broken = true;
    flush(p);
    note_unread(p);
    loop_defer(p->loop, &p->more);
}

/* --- Life. */

static int watch_input(struct port *p, struct error *e)
{
    int err = loop_add(p->loop, &p->in, EPOLLIN);

    if (err == -EPERM) { /* a file: epoll does not take it, and it is always ready */
        p->file = true;
        loop_defer(p->loop, &p->more);
        err = 0;
    }
    return err < 0 ? error_set(e, err, "cannot wait for the test port: %s", strerror(-err)) : 0;
}

static void client_came(void *opaque, uint32_t events)
{
    struct port *p = opaque;
    struct error e = { "" };
    int fd = accept4(p->listener.fd, NULL, NULL, SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    loop_remove(p->loop, &p->listener);
    close(p->listener.fd);
    p->listener.fd = -1;
    p->o.in = p->o.out = p->in.fd = p->out.fd = fd;
    if (watch_input(p, &e) < 0)
        p->o.closed(p->o.opaque);
}

int port_new(struct loop *loop, const struct port_options *o, struct port **out, struct error *e)
{
    struct port *p = calloc(1, sizeof *p);

    if (!p)
        return error_set(e, -ENOMEM, "out of memory");
    p->loop = loop;
    p->o = *o;
    p->begin = loop_now();
    p->in = (struct loop_source){ .fd = o->in, .ready = in_ready, .opaque = p };
    p->out = (struct loop_source){ .fd = o->out, .ready = out_ready, .opaque = p };
    p->listener = (struct loop_source){ .fd = -1, .ready = client_came, .opaque = p };
    p->more = (struct loop_work){ .run = serve, .opaque = p };
    if (o->listener) {
        p->listener.fd = o->in;
        p->o.in = p->o.out = -1;
    }
    *out = p;
    return 0;
}

int port_serve(struct port *p, struct board *b, struct error *e)
{
    int err;

    p->protocol = protocol_new(b, say, p);
    if (!p->protocol)
        return error_set(e, -ENOMEM, "out of memory");
    if (p->listener.fd < 0)
        return watch_input(p, e);
    err = loop_add(p->loop, &p->listener, EPOLLIN);
    return err < 0 ? error_set(e, err, "cannot wait for the test port: %s", strerror(-err)) : 0;
}

static void close_fd(int fd)
{
    if (fd > STDERR_FILENO)
        close(fd);
}

void port_free(struct port *p)
{
    if (!p)
        return;
    loop_remove(p->loop, &p->in);
    loop_remove(p->loop, &p->out);
    loop_remove(p->loop, &p->listener);
    loop_cancel(p->loop, &p->more);
    protocol_free(p->protocol);
    close_fd(p->o.in);
    if (p->o.out != p->o.in)
        close_fd(p->o.out);
    close_fd(p->listener.fd);
    free(p->line);
    free(p->answer);
    free(p);
}

struct protocol *port_protocol(struct port *p)
{
    return p->protocol;
}

int port_connect(const char *path, struct error *e)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, err;

    if (!*path || strlen(path) >= sizeof a.sun_path)
        return error_set(e, -ENAMETOOLONG, "\"%s\" cannot be the path of a socket", path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(e, -errno, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        err = -errno;
        close(fd);
        return error_set(e, err, "cannot connect to %s: %s", path, strerror(-err));
    }
    return fd;
}

int port_open_socket(char *value, bool *listener, struct error *e)
{
    const char *path = value + 5;
    char *rest = strchr(value, ',');

    *listener = false;
    if (strncmp(value, "unix:", 5) != 0)
        return error_set(e, -EINVAL, "argument -qtest: \"%s\" is not unix:PATH, stdio or null",
                         value);
    if (!strncmp(path, "path=", 5))
        path += 5;
    while (rest) {
        char *option = rest + 1;

        *rest = '\0';
        rest = strchr(option, ',');
        if (rest)
            *rest = '\0';
        if (!strcmp(option, "server=on") || !strcmp(option, "server"))
            *listener = true;
        else if (strcmp(option, "wait=off") && strcmp(option, "nowait") &&
                 strcmp(option, "wait=on") && strcmp(option, "server=off"))
            return error_set(e, -EINVAL, "argument -qtest: do not know \"%s\"", option);
    }
    return *listener ? stream_listen(path, 0600, e) : port_connect(path, e);
}
