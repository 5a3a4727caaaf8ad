/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - one connection of a control socket. See stream.h.
 *
 * Absent: time-outs. A silent peer costs one descriptor and some hundred bytes; when all places are
 *         taken the owner of the listening socket drops the connection that was silent longest.
 */
#include "toolstack/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    STREAM_READ = 4096, /* bytes per recvmsg() */
    STREAM_READS = 16,  /* recvmsg() calls per wake-up: nobody keeps the loop for himself */
    STREAM_BACKLOG = 16,
};

static void stream_close(struct stream *s)
{
    loop_remove(s->loop, &s->source);
    close(s->source.fd);
    s->source.fd = -1;
    while (s->nfds)
        close(s->fds[--s->nfds]);
    free(s->out);
    free(s->payload);
    s->out = NULL;
    s->payload = NULL;
    s->user->closed(s->opaque); /* *s may be gone now */
}

/* False if the connection was closed (and *s may be gone). */
static bool stream_settle(struct stream *s)
{
    uint32_t want = (s->finish ? 0 : EPOLLIN) | (stream_idle(s) ? 0 : EPOLLOUT);

    if (s->payload)
        want &= ~(uint32_t)EPOLLIN; /* one answer of that size at a time */
    if (s->finish && stream_idle(s))
        s->dead = true;
    if (s->dead) {
        if (!s->busy)
            stream_close(s);
        return false;
    }
    if (want != s->interest && loop_modify(s->loop, &s->source, want) == 0)
        s->interest = want;
    return true;
}

/* Writes from bytes + *done on. False if the connection broke. */
static bool write_some(int fd, const char *bytes, size_t n, size_t *done)
{
    while (*done < n) {
        ssize_t k = send(fd, bytes + *done, n - *done, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        *done += (size_t)k;
    }
    return true;
}

static void stream_flush(struct stream *s)
{
    if (s->out) {
        if (!write_some(s->source.fd, s->out, s->out_len, &s->out_done))
            s->dead = true;
        if (s->out_done == s->out_len) {
            free(s->out);
            s->out = NULL;
            s->out_len = s->out_done = 0;
        }
    }
    if (s->payload && !s->out && !s->dead) {
        if (!write_some(s->source.fd, s->payload, s->payload_len, &s->payload_done))
            s->dead = true;
        if (s->payload_done == s->payload_len) {
            free(s->payload);
            s->payload = NULL;
        }
    }
}

static void stream_keep_fds(struct stream *s, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (s->nfds < STREAM_FDS)
                s->fds[s->nfds++] = fd;
            else
                close(fd);
        }
    }
}

/* One recvmsg(): true if there may be more. */
static bool stream_receive(struct stream *s)
{
    char bytes[STREAM_READ];
    union {
        char space[CMSG_SPACE(STREAM_FDS * sizeof(int))]; /* the kernel closes what does not fit */
        struct cmsghdr align;
    } control;
    struct iovec iov = { bytes, sizeof bytes };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t n = recvmsg(s->source.fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            s->dead = true;
        return false;
    }
    stream_keep_fds(s, &m);
    if (n == 0) {
        s->finish = true; /* it may still read: answers that wait are delivered first */
        return false;
    }
    s->user->input(s->opaque, bytes, (size_t)n);
    return (size_t)n == sizeof bytes && !s->dead && !s->finish && !s->payload;
}

static void stream_ready(void *opaque, uint32_t events)
{
    struct stream *s = opaque;

    if (s->busy)
        return; /* whoever handles our input is waiting in a turn of the loop of his own */
    s->busy = true;
    if (events & EPOLLOUT)
        stream_flush(s);
    if (events & EPOLLERR)
        s->dead = true;
    /* A peer that closed both ways reads no answer; without this a finished stream would spin. */
    if ((events & EPOLLHUP) && (s->finish || s->payload))
        s->dead = true;
    if ((events & (EPOLLIN | EPOLLHUP)) && !s->finish && !s->payload && !s->dead)
        for (int i = 0; i < STREAM_READS && stream_receive(s); i++)
            ;
    s->busy = false;
    stream_settle(s);
}

int stream_open(struct stream *s, struct loop *loop, int fd, const struct stream_user *user,
                void *opaque)
{
    int ret;

    *s = (struct stream){ .loop = loop, .user = user, .opaque = opaque, .interest = EPOLLIN };
    s->source = (struct loop_source){ .fd = fd, .ready = stream_ready, .opaque = s };
    ret = loop_add(loop, &s->source, s->interest);
    if (ret < 0) {
        close(fd);
        s->source.fd = -1;
    }
    return ret;
}

bool stream_send(struct stream *s, const void *bytes, size_t n)
{
    size_t done = 0, waiting = s->out_len - s->out_done;
    char *grown;

    if (s->dead)
        return false;
    if (!s->out && !s->payload && !write_some(s->source.fd, bytes, n, &done))
        s->dead = true;
    if (!s->dead && done < n) {
        n -= done;
        grown = waiting + n <= STREAM_OUT_MAX ? malloc(waiting + n) : NULL;
        if (grown) {
            if (s->out && waiting)
                memcpy(grown, s->out + s->out_done, waiting);
            memcpy(grown + waiting, (const char *)bytes + done, n);
            free(s->out);
            s->out = grown;
            s->out_len = waiting + n;
            s->out_done = 0;
        } else {
            s->dead = true;
        }
    }
    return stream_settle(s);
}

bool stream_give(struct stream *s, void *payload, size_t n)
{
    if (s->dead || s->payload || !n) {
        free(payload);
        return !s->dead;
    }
    s->payload = payload;
    s->payload_len = n;
    s->payload_done = 0;
    stream_flush(s);
    return stream_settle(s);
}

bool stream_idle(const struct stream *s)
{
    return !s->out && !s->payload;
}

int stream_take_fd(struct stream *s)
{
    int fd;

    if (!s->nfds)
        return -1;
    fd = s->fds[0];
    s->nfds--;
    memmove(s->fds, s->fds + 1, s->nfds * sizeof s->fds[0]);
    return fd;
}

void stream_finish(struct stream *s)
{
    s->finish = true;
    stream_settle(s);
}

void stream_kill(struct stream *s)
{
    s->dead = true;
    stream_settle(s);
}

int stream_listen(const char *path, unsigned mode, struct error *e)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct stat st;
    int fd, ret;

    if (!*path || strlen(path) >= sizeof a.sun_path)
        return error_set(e, -ENAMETOOLONG, "\"%s\" cannot be the path of a socket (1 to %zu bytes)",
                         path, sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    /* Whoever listened there is gone or about to go (a probe run of libxl leaves its socket behind,
     * perhaps still alive): the newest one has the name. */
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return error_set(e, -EEXIST, "%s exists and is not a socket", path);
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(e, -errno, "cannot make a socket: %s", strerror(errno));
    /* On Linux the file takes its permissions from the socket: no moment with wider ones. */
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        chmod(path, mode) < 0 || listen(fd, STREAM_BACKLOG) < 0) {
        ret = -errno;
        close(fd);
        return error_set(e, ret, "cannot listen on %s: %s", path, strerror(-ret));
    }
    return fd;
}
