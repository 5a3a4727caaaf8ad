/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap - the card's cable ends in an interface of the host, which a script puts into a bridge.
 *
 * The interface is ours: it goes with the last descriptor, so a successor gets that one and what
 * is in its queue. Frames are read one at a time, at most NET_TURN_FRAMES in a turn of the loop
 * and only while the card has room: what waits longer waits in the kernel (txqueuelen frames),
 * which drops what does not fit. Each carries a struct net_offload, so that a guest's checksums and
 * segmentation are finished by whoever needs them, or by nobody between two guests of one host.
 *
 * Down (EIO) means that frames are dropped until it is up. Deleted (EBADFD) means that the cable is
 * out for as long as this device model's guest lives: only its owner could make it again.
 *
 * Sources: Linux Documentation/networking/tuntap.rst, drivers/net/tun.c (errors, poll, SIGIO).
 * Absent:  several queues, vhost, XDP, a limit of our own on what is under way (TUNSETSNDBUF).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/offload.h"

enum {
    OFFLOAD_BYTES = sizeof(struct net_offload),
    PIECES = 32, /* of a frame that is written without a copy */
};

struct tap {
    struct net net; /* first member */
    int fd;
    struct net_watch watch;
    unsigned can; /* NET_CAN_*: what the kernel may leave undone; at first, what we finish */
    bool blocked; /* after a send that was refused: net_writable() is owed */
    bool gone;
    struct loop_work unplug;
    struct guest_log_limit log_limit;
    uint8_t in[OFFLOAD_BYTES + NET_FRAME_MAX];
    uint8_t segment[NET_FRAME_MAX]; /* of a frame that the card cannot take as a whole */
    uint8_t out[NET_FRAME_MAX];     /* a frame of many pieces */
};

static struct tap *tap_of(struct net *n)
{
    return (struct tap *)(void *)n;
}

static void tap_update(struct tap *t)
{
    uint32_t events = t->blocked ? EPOLLOUT : 0;

    if (net_wants(&t->net))
        events |= EPOLLIN;
    net_watch(&t->watch, t->gone || t->net.resting ? 0 : events);
}

static void tap_unplug(void *opaque)
{
    struct tap *t = opaque;

    net_set_link(&t->net, false);
    if (!t->blocked)
        return;
    t->blocked = false;
    net_writable(&t->net);
}

static void tap_gone(struct tap *t)
{
    if (!t->gone)
        log_warn("network %s: %s was deleted: the guest's cable is out", t->net.label, t->net.what);
    t->gone = true;
    net_watch(&t->watch, 0);
    loop_defer(t->watch.loop, &t->unplug); /* the card may be sending just now */
}

/* ---- Sending ---- */

static void tap_drop(struct tap *t, int err)
{
    t->net.stats.tx_dropped++;
    if (err == EBADFD || err == ENODEV)
        tap_gone(t);
    else
        guest_log_line(&t->log_limit, t->net.label, "%s drops frames: %s", t->net.what,
                       err == EIO || err == ENETDOWN ? "the interface is down" : strerror(err));
}

static bool tap_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                     size_t bytes)
{
    struct tap *t = tap_of(n);
    struct iovec v[1 + PIECES] = { { (void *)(uintptr_t)o, sizeof *o } };
    ssize_t done;

    if (niov <= PIECES) {
        memcpy(v + 1, iov, (size_t)niov * sizeof *iov);
    } else {
        net_gather(t->out, iov, niov);
        v[1] = (struct iovec){ t->out, bytes };
        niov = 1;
    }
    do
        done = writev(t->fd, v, niov + 1);
    while (done < 0 && errno == EINTR);
    if (done >= 0)
        return true;
    if (errno != EAGAIN) {
        tap_drop(t, errno);
        return true;
    }
    t->blocked = true;
    tap_update(t);
    return false;
}

/* ---- Receiving ---- */

/* A frame with more left to do than the card can: it was under way when the card said so. */
static void tap_finish(struct tap *t, const struct net_offload *o, uint8_t *frame, size_t bytes)
{
    struct net_finish f;
    const uint8_t *piece;

    if (!net_finish_begin(&f, o, frame, bytes, t->segment)) {
        t->net.stats.rx_dropped++;
        return;
    }
    while ((piece = net_finish_next(&f, &bytes))) {
        if (net_wants(&t->net))
            net_deliver(&t->net, NULL, piece, bytes);
        else
            t->net.stats.rx_dropped++;
    }
}

static unsigned needed(const struct net_offload *o)
{
    unsigned csum = o->flags & NET_NEEDS_CSUM ? NET_CAN_CSUM : 0;

    switch (o->gso) {
    case NET_GSO_NONE:
        return csum;
    case NET_GSO_TCP4:
        return csum | NET_CAN_TSO4;
    case NET_GSO_TCP6:
        return csum | NET_CAN_TSO6;
    default:
        return ~0u;
    }
}

static void tap_frame(struct tap *t, uint8_t *frame, size_t bytes)
{
    struct net_offload o;

    memcpy(&o, t->in, sizeof o);
    if (needed(&o) & ~t->can) {
        tap_finish(t, &o, frame, bytes);
        return;
    }
    if (o.gso != NET_GSO_NONE) /* the kernel gives an estimate */
        o.hdr_len = (uint16_t)net_tcp_header(&o, frame, bytes);
    if ((o.gso != NET_GSO_NONE && !o.hdr_len) ||
        (o.flags & NET_NEEDS_CSUM && (size_t)o.csum_start + o.csum_offset + 2 > bytes))
        t->net.stats.rx_dropped++;
    else
        net_deliver(&t->net, &o, frame, bytes);
}

static void tap_receive(struct tap *t)
{
    for (int i = 0; i < NET_TURN_FRAMES && net_wants(&t->net); i++) {
        ssize_t n = read(t->fd, t->in, sizeof t->in);

        if (n > OFFLOAD_BYTES)
            tap_frame(t, t->in + OFFLOAD_BYTES, (size_t)n - OFFLOAD_BYTES);
        else if (n < 0 && errno == EBADFD)
            tap_gone(t);
        if (n < 0 && errno != EINTR)
            return;
    }
}

static void tap_event(void *opaque, uint32_t events)
{
    struct tap *t = opaque;

    if (events & (EPOLLERR | EPOLLHUP)) {
        tap_gone(t);
        return;
    }
    if (events & EPOLLIN)
        tap_receive(t);
    if (events & EPOLLOUT && t->blocked) {
        t->blocked = false;
        net_writable(&t->net);
    }
    tap_update(t);
}

static void tap_kick(struct net *n)
{
    tap_update(tap_of(n));
}

static void tap_can(struct net *n, unsigned what)
{
    struct tap *t = tap_of(n);
    unsigned long flags = 0;

    if (!(what & NET_CAN_CSUM))
        what = 0; /* segments have sums */
    if (what & NET_CAN_CSUM)
        flags |= TUN_F_CSUM;
    if (what & NET_CAN_TSO4)
        flags |= TUN_F_TSO4;
    if (what & NET_CAN_TSO6)
        flags |= TUN_F_TSO6;
    t->can = ioctl(t->fd, TUNSETOFFLOAD, flags) == 0 ? what : 0;
}

static void tap_rest(struct net *n, bool on)
{
    (void)on;
    tap_update(tap_of(n));
}

static void tap_close(struct net *n)
{
    struct tap *t = tap_of(n);

    loop_cancel(t->watch.loop, &t->unplug);
    net_watch(&t->watch, 0);
    close(t->fd);
    free(t);
}

static const struct net_ops tap_ops = {
    .send = tap_send, .kick = tap_kick, .can = tap_can, .close = tap_close, .rest = tap_rest
};

/* ---- Opening ---- */

static int create(const struct net_options *o, struct ifreq *r, struct error *e)
{
    int fd, err;

    if (!o->ifname || !*o->ifname)
        return error_set(e, -EINVAL, "network %s: tap needs ifname=, the interface's name",
                         o->label);
    if (strlen(o->ifname) >= IFNAMSIZ)
        return error_set(e, -EINVAL,
                         "network %s: ifname=%s is longer than the %d characters that Linux takes",
                         o->label, o->ifname, IFNAMSIZ - 1);
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(e, -errno, "network %s: cannot open /dev/net/tun: %s%s", o->label,
                         strerror(errno),
                         errno == ENOENT || errno == ENODEV ? " (load the module tun)" : "");
    *r = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    memcpy(r->ifr_name, o->ifname, strlen(o->ifname));
    if (ioctl(fd, TUNSETIFF, r) == 0)
        return fd;
    err = errno;
    close(fd);
    return error_set(e, -err, "network %s: cannot create the tap interface %s: %s%s", o->label,
                     o->ifname, strerror(err),
                     err == EBUSY    ? " (another process has it)"
                     : err == EPERM  ? " (that takes CAP_NET_ADMIN)"
                     : err == EINVAL ? " (an interface of this name exists, or the name is bad)"
                                     : "");
}

/* A predecessor's descriptor. Its interface may be gone already, which is no reason not to start.
 */
static int take_over(const struct net_options *o, struct ifreq *r, bool *gone, struct error *e)
{
    int flags = fcntl(o->fd, F_GETFL);

    *gone = ioctl(o->fd, TUNGETIFF, r) < 0;
    if (*gone && errno != EBADFD)
        return error_set(e, -EINVAL, "network %s: descriptor %d is not a tap interface: %s",
                         o->label, o->fd, strerror(errno));
    if (!*gone && (!(r->ifr_flags & IFF_TAP) || !(r->ifr_flags & IFF_VNET_HDR) ||
                   !(r->ifr_flags & IFF_NO_PI)))
        return error_set(e, -EINVAL,
                         "network %s: %.*s was not opened as IFF_TAP | IFF_NO_PI | IFF_VNET_HDR",
                         o->label, IFNAMSIZ, r->ifr_name);
    if (flags < 0 || fcntl(o->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(o->fd, F_SETFD, FD_CLOEXEC) < 0)
        return error_set(e, -errno, "network %s: descriptor %d: %s", o->label, o->fd,
                         strerror(errno));
    return o->fd;
}

int net_tap_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    static const int header = OFFLOAD_BYTES;
    struct ifreq r = { .ifr_flags = 0 };
    bool gone = false;
    char what[64];
    struct tap *t;
    int fd, err = 0;

    fd = o->fd < 0 ? create(o, &r, e) : take_over(o, &r, &gone, e);
    if (fd < 0)
        return fd;
    if (!gone && ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        err = error_set(e, -errno, "network %s: the kernel's tun does not take our header: %s",
                        o->label, strerror(errno));
    snprintf(what, sizeof what, "tap %.*s", IFNAMSIZ,
             *r.ifr_name ? r.ifr_name
             : o->ifname ? o->ifname
                         : "");
    t = (struct tap *)(void *)net_new(sizeof *t, &tap_ops, o, what);
    if (err || !t) {
        err = err ? err : error_set(e, -ENOMEM, "network %s: out of memory", o->label);
        free(t);
        if (o->fd < 0)
            close(fd);
        return err;
    }
    t->fd = t->net.keep = fd;
    t->unplug = (struct loop_work){ .run = tap_unplug, .opaque = t };
    t->log_limit = (struct guest_log_limit){ .period = UINT64_C(60000000000), .burst = 1 };
    net_watch_init(&t->watch, l, fd, tap_event, t);
    if (gone)
        tap_gone(t);
    *out = &t->net;
    return 0;
}
