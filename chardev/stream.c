/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - character streams over a descriptor that can be polled: the part that pty, stdio, host
 * devices and sockets have in common.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/internal.h"

static void stream_ready(void *opaque, uint32_t events);

void stream_init(struct stream *s, struct loop *l, int fd)
{
    s->loop = l;
    s->fd = fd;
    s->source.ready = stream_ready;
    s->source.opaque = s;
}

void stream_update(struct stream *s)
{
    uint32_t wanted = s->blocked ? EPOLLOUT : 0;
    int err;

    if (s->base.user && !s->paused && !s->output_only)
        wanted |= EPOLLIN;
    if (s->fd < 0 || !wanted) {
        loop_remove(s->loop, &s->source);
        return;
    }
    if (s->source.active && s->source.fd == s->fd) {
        loop_modify(s->loop, &s->source, wanted);
        return;
    }
    loop_remove(s->loop, &s->source);
    s->source.fd = s->fd;
    err = loop_add(s->loop, &s->source, wanted);
    if (err < 0 && err != -EPERM) /* EPERM: not a kind that can be polled, so it never blocks */
        log_warn("%s: %s: no more input: %s", s->base.label, s->base.filename, strerror(-err));
}

void stream_kick(struct chardev *c)
{
    struct stream *s = (struct stream *)c;

    s->paused = false;
    stream_update(s);
}

void stream_unblock(struct stream *s)
{
    if (!s->blocked)
        return;
    s->blocked = false;
    stream_update(s);
    if (s->base.user)
        s->base.user->writable(s->base.user->opaque);
}

void stream_hang_up(struct stream *s)
{
    loop_remove(s->loop, &s->source);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    stream_unblock(s);
}

static ssize_t write_some(struct stream *s, const uint8_t *bytes, size_t n)
{
    uint64_t *filed = s->base.user && s->base.user->filed ? s->base.user->filed : &s->filed;
    ssize_t k;

    if (s->is_socket)
        return send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (!s->positional)
        return write(s->fd, bytes, n);
    k = pwrite(s->fd, bytes, n, (off_t)*filed);
    *filed += k > 0 ? (uint64_t)k : 0;
    return k;
}

size_t stream_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct stream *s = (struct stream *)c;
    size_t taken = 0;

    while (taken < n) {
        ssize_t k;

        if (s->fd < 0)
            return n;
        k = write_some(s, bytes + taken, n - taken);
        if (k > 0) {
            taken += (size_t)k;
            s->failing = false;
            continue;
        }
        if (k < 0 && errno == EINTR)
            continue;
        if (k == 0 || errno == EAGAIN) {
            if (s->full)
                taken += s->full(s, n - taken);
            s->blocked = taken < n;
            if (s->blocked)
                stream_update(s);
            return taken;
        }
        /* Nobody there, or the host's trouble: the device must not wait for what cannot come. The
         * loop finds out about a connection that is gone. */
        if (errno != EPIPE && errno != ECONNRESET)
            chardev_write_failed(c, &s->log_limit, &s->failing, -errno);
        return n;
    }
    return n;
}

static void stream_ready(void *opaque, uint32_t events)
{
    struct stream *s = opaque;
    ssize_t n = -EAGAIN;

    if (events & EPOLLIN) {
        n = chardev_receive(&s->base, s->fd);
        if (n == 0)
            s->paused = true; /* until kick */
    }
    /* Input comes before the hang-up that follows it; without room it has to be given up. */
    if ((n < 0 && n != -EAGAIN) || (n <= 0 && (events & (EPOLLHUP | EPOLLERR)))) {
        s->lost(s);
        return;
    }
    if (n == 0)
        stream_update(s);
    if (events & EPOLLOUT)
        stream_unblock(s);
}
