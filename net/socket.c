/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket - the card's cable is a socket: a stream with a length before each frame, or datagrams.
 *
 * For the test port and for machines that are wired to each other. Frames go as they are, without
 * padding or checks; what a card leaves undone is finished here (offload.h). One frame at a time
 * is under way to the peer, in a buffer of ours, and the next is refused; what the card does not
 * take stays in the peer's socket, but for what a buffer of one frame holds.
 *
 * A connection that ends, or breaks the format, leaves a cable that drops everything; who listens
 * takes the next one. A successor opens its own: half a frame may be under way on this one.
 *
 * Absent: names instead of addresses, connecting again, multicast, more than one peer at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "net/frames.h"
#include "net/internal.h"
#include "net/offload.h"

enum { CONNECT_SECONDS = 5 };

struct sock {
    struct net net; /* first member */
    int fd;         /* -1: nobody is there, frames are dropped */
    int listener;   /* -1: none */
    bool stream;
    bool blocked; /* after a send that was refused: net_writable() is owed */
    struct net_watch watch, knock;
    struct loop_work more; /* frames that are in the buffer already */
    struct net_frames in;  /* a datagram uses its bytes alone */
    /* What is under way to the peer. */
    bool sending;
    struct net_finish finish;
    const uint8_t *piece; /* NULL: ask for the next one */
    size_t bytes, sent;   /* of the piece; of prefix and piece */
    uint8_t prefix[NET_PREFIX];
    uint8_t frame[NET_FRAME_MAX], segment[NET_FRAME_MAX];
    struct net_address unlink_me; /* of the listener */
};

static struct sock *sock_of(struct net *n)
{
    return (struct sock *)(void *)n;
}

static void sock_update(struct sock *s)
{
    bool wants = net_wants(&s->net);

    if (s->fd >= 0)
        net_watch(&s->watch,
                  s->net.resting ? 0 : (s->sending ? EPOLLOUT : 0) | (wants ? EPOLLIN : 0));
    if (s->listener >= 0)
        net_watch(&s->knock, s->fd < 0 && !s->net.resting ? EPOLLIN : 0);
    if (s->fd >= 0 && wants && s->stream && net_frames_ready(&s->in))
        loop_defer(s->watch.loop, &s->more);
}

static void sock_unblock(struct sock *s)
{
    if (!s->blocked)
        return;
    s->blocked = false;
    net_writable(&s->net);
}

/* Without the card: it may be sending just now. */
static void sock_lost(struct sock *s, const char *why)
{
    log_info("network %s: %s: the connection has ended: %s", s->net.label, s->net.what, why);
    net_watch(&s->watch, 0);
    close(s->fd);
    s->fd = -1;
    s->in.at = s->in.have = 0;
    s->sending = false;
    sock_update(s);
}

/* ---- Sending ---- */

static ssize_t send_piece(struct sock *s)
{
    size_t prefix = s->stream ? NET_PREFIX : 0;
    struct iovec v[2] = { { s->prefix, prefix }, { (void *)(uintptr_t)s->piece, s->bytes } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

    if (s->sent < prefix) {
        v[0].iov_base = s->prefix + s->sent;
        v[0].iov_len = prefix - s->sent;
    } else {
        v[0].iov_len = 0;
        v[1].iov_base = (void *)(uintptr_t)(s->piece + (s->sent - prefix));
        v[1].iov_len = s->bytes - (s->sent - prefix);
    }
    return sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool next_piece(struct sock *s)
{
    s->piece = net_finish_next(&s->finish, &s->bytes);
    if (!s->piece)
        return false;
    s->sent = 0;
    for (int i = 0; i < NET_PREFIX; i++)
        s->prefix[i] = (uint8_t)(s->bytes >> (8 * (NET_PREFIX - 1 - i)));
    return true;
}

/* Sends what is under way, as far as the peer takes it, and not too much in one turn. */
static void sock_flush(struct sock *s)
{
    size_t prefix = s->stream ? NET_PREFIX : 0;

    for (int i = 0; i < NET_TURN_FRAMES && s->sending; i++) {
        ssize_t n;

        if (!s->piece && !next_piece(s)) {
            s->sending = false;
            break;
        }
        n = send_piece(s);
        if (n >= 0)
            s->sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR && s->stream)
            sock_lost(s, strerror(errno));
        else if (errno != EINTR)
            s->piece = NULL; /* nobody there, too long: a datagram that is lost */
        if (n >= 0 && s->sent == prefix + s->bytes)
            s->piece = NULL;
    }
}

static bool sock_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    struct sock *s = sock_of(n);

    if (s->fd >= 0 && s->sending) {
        s->blocked = true;
        return false;
    }
    if (s->fd >= 0) {
        net_gather(s->frame, iov, niov);
        s->sending = net_finish_begin(&s->finish, o, s->frame, bytes, s->segment);
        s->piece = NULL;
    }
    if (!s->sending) {
        n->stats.tx_dropped++;
        return true;
    }
    sock_flush(s);
    sock_update(s);
    return true;
}

/* ---- Receiving ---- */

static void receive_datagrams(struct sock *s)
{
    for (int i = 0; i < NET_TURN_FRAMES && net_wants(&s->net); i++) {
        ssize_t n = recv(s->fd, s->in.bytes, NET_FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC);

        if (n > 0 && n <= NET_FRAME_MAX)
            net_deliver(&s->net, NULL, s->in.bytes, (size_t)n);
        else if (n >= 0)
            s->net.stats.rx_dropped++;
        else if (errno == EAGAIN)
            break;
    }
}

/* False: nothing more comes now. */
static bool fill(struct sock *s)
{
    size_t room;
    uint8_t *to = net_frames_room(&s->in, &room);
    ssize_t n = recv(s->fd, to, room, MSG_DONTWAIT);

    if (n > 0)
        s->in.have += (size_t)n;
    else if (n == 0)
        sock_lost(s, "closed by the peer");
    else if (errno != EAGAIN && errno != EINTR)
        sock_lost(s, strerror(errno));
    return n > 0;
}

static void receive_stream(struct sock *s)
{
    const uint8_t *frame;
    size_t bytes;

    for (int i = 0; i < NET_TURN_FRAMES && s->fd >= 0 && net_wants(&s->net); i++) {
        int got = net_frames_next(&s->in, &frame, &bytes);

        if (got < 0)
            sock_lost(s, "the peer sent a frame longer than any can be");
        else if (got > 0 && bytes > 0)
            net_deliver(&s->net, NULL, frame, bytes);
        else if (got > 0)
            s->net.stats.rx_dropped++;
        else if (!fill(s))
            break;
    }
}

/* What may have changed has been done: lets the card go on. */
static void sock_settle(struct sock *s)
{
    if (!s->sending)
        sock_unblock(s);
    sock_update(s);
}

static void sock_more(void *opaque)
{
    struct sock *s = opaque;

    if (s->fd >= 0)
        receive_stream(s);
    sock_settle(s);
}

static void sock_event(void *opaque, uint32_t events)
{
    struct sock *s = opaque;
    socklen_t size = sizeof(int);
    int err = 0;

    if (events & EPOLLIN && s->stream)
        receive_stream(s);
    else if (events & EPOLLIN)
        receive_datagrams(s);
    if (s->fd >= 0 && events & EPOLLOUT)
        sock_flush(s);
    if (s->fd >= 0 && events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &size); /* a datagram's is over with that */
        if (s->stream || events & EPOLLHUP)
            sock_lost(s, err ? strerror(err) : "closed by the peer");
    }
    sock_settle(s);
}

static void sock_connected(struct sock *s, int fd)
{
    s->fd = fd;
    net_watch_init(&s->watch, s->knock.loop, fd, sock_event, s);
    sock_update(s);
}

static void sock_knock(void *opaque, uint32_t events)
{
    struct sock *s = opaque;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    if (fd >= 0) {
        sock_connected(s, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_warn("network %s: %s: no connection: %s", s->net.label, s->net.what, strerror(errno));
        net_watch(&s->knock, 0); /* until something else happens here */
    }
}

static void sock_kick(struct net *n)
{
    sock_update(sock_of(n));
}

static void sock_rest(struct net *n, bool on)
{
    struct sock *s = sock_of(n);

    if (on)
        loop_cancel(s->knock.loop, &s->more);
    sock_update(s);
}

static void sock_close(struct net *n)
{
    struct sock *s = sock_of(n);

    loop_cancel(s->knock.loop, &s->more);
    net_watch(&s->watch, 0);
    net_watch(&s->knock, 0);
    if (s->fd >= 0)
        close(s->fd);
    if (s->listener >= 0)
        close(s->listener);
    net_address_unlink(&s->unlink_me);
    free(s);
}

static const struct net_ops sock_ops = {
    .send = sock_send, .kick = sock_kick, .close = sock_close, .rest = sock_rest
};

/* ---- Opening ---- */

struct wish {
    const char *connect, *listen, *udp, *local;
};

static int parse(const char *label, char *spec, int fd, struct wish *w, struct error *e)
{
    char *key, *v;

    while ((key = net_next_key(&spec, &v))) {
        const char **to = strcmp(key, "connect") == 0     ? &w->connect
                          : strcmp(key, "listen") == 0    ? &w->listen
                          : strcmp(key, "udp") == 0       ? &w->udp
                          : strcmp(key, "localaddr") == 0 ? &w->local
                                                          : NULL;

        if (!to || !v)
            return error_set(e, -EINVAL,
                             "network %s: socket does not know '%s'; there are fd=N, "
                             "connect=ADDRESS, listen=ADDRESS, udp=ADDRESS and localaddr=ADDRESS",
                             label, key);
        *to = v;
    }
    if ((fd >= 0) + !!w->connect + !!w->listen + !!w->udp != 1)
        return error_set(e, -EINVAL,
                         "network %s: socket needs one of fd=, connect=, listen= and udp=", label);
    if (!w->udp != !w->local)
        return error_set(e, -EINVAL,
                         "network %s: udp= (where to send) and localaddr= (where to receive) "
                         "need each other",
                         label);
    return 0;
}

static int check_fd(const char *label, int fd, bool *stream, struct error *e)
{
    int type;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return error_set(e, -errno, "network %s: descriptor %d is not a socket: %s", label, fd,
                         strerror(errno));
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return error_set(e, -EINVAL, "network %s: descriptor %d is no stream or datagram socket",
                         label, fd);
    *stream = type == SOCK_STREAM;
    return fd;
}

static int connect_to(const char *label, const char *text, struct error *e)
{
    const struct timeval limit = { .tv_sec = CONNECT_SECONDS };
    struct net_address a;
    int err, fd = net_address_socket(label, text, SOCK_STREAM, &a, e);

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, &a.sa, a.size) == 0)
        return fd;
    err = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    return error_set(e, -err, "network %s: cannot connect to %s: %s%s", label, text, strerror(err),
                     err == ECONNREFUSED ? " (nobody listens there)" : "");
}

/* A socket that is bound to `text`, to listen or for datagrams. */
static int bind_to(const char *label, const char *text, int type, struct net_address *a,
                   struct error *e)
{
    const int yes = 1;
    int err, fd = net_address_socket(label, text, type | SOCK_NONBLOCK, a, e);

    if (fd < 0)
        return fd;
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, &a->sa, a->size) == 0 && (type != SOCK_STREAM || listen(fd, 1) == 0))
        return fd;
    err = errno;
    close(fd);
    return error_set(e, -err, "network %s: cannot %s %s: %s", label,
                     type == SOCK_STREAM ? "listen on" : "receive at", text, strerror(err));
}

static int udp_between(const char *label, const struct wish *w, struct error *e)
{
    struct net_address a;
    int err, fd = bind_to(label, w->local, SOCK_DGRAM, &a, e);

    if (fd < 0)
        return fd;
    err = net_address_parse(label, w->udp, &a, e);
    if (!err && connect(fd, &a.sa, a.size) < 0)
        err = error_set(e, -errno, "network %s: cannot send to %s: %s", label, w->udp,
                        strerror(errno));
    if (!err)
        return fd;
    close(fd);
    return err;
}

/* Makes s->fd or s->listener. */
static int sock_make(struct sock *s, const struct net_options *o, const struct wish *w,
                     struct error *e)
{
    int *to = w->listen ? &s->listener : &s->fd;
    const char *what = w->connect ? w->connect : w->listen ? w->listen : w->udp;

    s->stream = !w->udp;
    if (w->connect)
        *to = connect_to(o->label, w->connect, e);
    else if (w->listen)
        *to = bind_to(o->label, w->listen, SOCK_STREAM, &s->unlink_me, e);
    else if (w->udp)
        *to = udp_between(o->label, w, e);
    else
        *to = check_fd(o->label, o->fd, &s->stream, e);
    if (what)
        snprintf(s->net.what, sizeof s->net.what, "socket %.100s", what);
    else
        snprintf(s->net.what, sizeof s->net.what, "socket fd=%d", o->fd);
    return *to < 0 ? *to : 0;
}

static int set_up(struct sock *s, const struct net_options *o, struct error *e)
{
    char *spec = strdup(o->spec ? o->spec : "");
    struct wish w = { NULL, NULL, NULL, NULL };
    int err;

    if (!spec)
        return error_set(e, -ENOMEM, "network %s: out of memory", o->label);
    err = parse(o->label, spec, o->fd, &w, e);
    if (!err)
        err = sock_make(s, o, &w, e);
    free(spec);
    return err;
}

int net_socket_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    struct sock *s = (struct sock *)(void *)net_new(sizeof *s, &sock_ops, o, "socket");
    int err;

    if (!s)
        return error_set(e, -ENOMEM, "network %s: out of memory", o->label);
    s->fd = s->listener = -1;
    err = set_up(s, o, e);
    if (err) {
        free(s);
        return err;
    }
    s->more = (struct loop_work){ .run = sock_more, .opaque = s };
    net_watch_init(&s->watch, l, s->fd, sock_event, s);
    net_watch_init(&s->knock, l, s->listener, sock_knock, s);
    sock_update(s);
    *out = &s->net;
    return 0;
}
