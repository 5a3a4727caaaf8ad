/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump - a capture of all frames, both directions, in front of any kind of peer.
 *
 * What the card sends is written as it is on the cable: sums filled in, cut into segments. A frame
 * that was refused is written when it is sent. A disk that is full ends the capture, with the file
 * at its last whole frame, and nothing else. A successor, which has its predecessor's descriptor,
 * goes on in the same file.
 *
 * Format: pcap 2.4, microseconds, host order, link type 1 (Ethernet):
 *         https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/internal.h"
#include "net/offload.h"

enum { PCAP_ETHERNET = 1, PCAP_SNAP = 65536 };
#define PCAP_MAGIC UINT32_C(0xa1b2c3d4)

struct pcap_file {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap, link;
};
static_assert(sizeof(struct pcap_file) == 24, "as in the file");

struct pcap_frame {
    uint32_t seconds, microseconds, stored, bytes;
};
static_assert(sizeof(struct pcap_frame) == 16, "as in the file");

struct dump {
    struct net net; /* first member */
    struct net *inner;
    struct net_user user; /* what the inner one knows as its card */
    int fd;               /* -1: the capture has ended */
    uint32_t snap;
    char path[128]; /* for messages */
    uint8_t record[sizeof(struct pcap_frame) + PCAP_SNAP];
    uint8_t frame[NET_FRAME_MAX], segment[NET_FRAME_MAX];
};

static struct dump *dump_of(struct net *n)
{
    return (struct dump *)(void *)n;
}

static void stop(struct dump *d, ssize_t wrote)
{
    int err = wrote < 0 ? errno : ENOSPC;
    off_t end = lseek(d->fd, 0, SEEK_END);

    log_warn("network %s: the capture %s ends here: %s", d->net.label, d->path, strerror(err));
    if (wrote > 0 && end >= wrote && ftruncate(d->fd, end - wrote) < 0)
        log_warn("network %s: %s: %s", d->net.label, d->path, strerror(errno));
    close(d->fd);
    d->fd = -1;
}

static void record(struct dump *d, const uint8_t *frame, size_t bytes)
{
    size_t stored = bytes < d->snap ? bytes : d->snap;
    struct pcap_frame head = { .stored = (uint32_t)stored, .bytes = (uint32_t)bytes };
    struct timespec now;
    ssize_t wrote;

    if (d->fd < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    head.seconds = (uint32_t)now.tv_sec;
    head.microseconds = (uint32_t)(now.tv_nsec / 1000);
    memcpy(d->record, &head, sizeof head);
    memcpy(d->record + sizeof head, frame, stored);
    do
        wrote = write(d->fd, d->record, sizeof head + stored);
    while (wrote < 0 && errno == EINTR);
    if (wrote != (ssize_t)(sizeof head + stored))
        stop(d, wrote);
}

/* The frame in d->frame, finished. */
static void record_finished(struct dump *d, const struct net_offload *o, size_t bytes)
{
    struct net_finish f;
    const uint8_t *piece;

    if (!net_finish_begin(&f, o, d->frame, bytes, d->segment)) {
        record(d, d->frame, bytes);
        return;
    }
    while ((piece = net_finish_next(&f, &bytes)))
        record(d, piece, bytes);
}

/* ---- The peer's side ---- */

static bool dump_ready(void *opaque)
{
    return net_wants(&((struct dump *)opaque)->net);
}

static void dump_receive(void *opaque, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    struct dump *d = opaque;

    if (d->fd >= 0 && n <= NET_FRAME_MAX) {
        memcpy(d->frame, frame, n);
        record_finished(d, o, n);
    }
    net_deliver(&d->net, o, frame, n);
}

static void dump_writable(void *opaque)
{
    net_writable(&((struct dump *)opaque)->net);
}

static void dump_link(void *opaque, bool up)
{
    net_set_link(&((struct dump *)opaque)->net, up);
}

/* ---- The card's side ---- */

static bool dump_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    struct dump *d = dump_of(n);
    uint64_t dropped = d->inner->stats.tx_dropped;

    if (!net_send(d->inner, o, iov, niov))
        return false;
    n->stats.tx_dropped += d->inner->stats.tx_dropped - dropped;
    if (d->fd >= 0) {
        net_gather(d->frame, iov, niov);
        record_finished(d, o, bytes);
    }
    return true;
}

static void dump_can(struct net *n, unsigned what)
{
    struct dump *d = dump_of(n);

    net_attach(d->inner, n->user ? &d->user : NULL, what);
}

static void dump_kick(struct net *n)
{
    net_kick(dump_of(n)->inner);
}

static void dump_rest(struct net *n, bool on)
{
    net_rest(dump_of(n)->inner, on);
}

static void dump_close(struct net *n)
{
    struct dump *d = dump_of(n);

    net_close(d->inner);
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}

static const struct net_ops dump_ops = {
    .send = dump_send, .kick = dump_kick, .can = dump_can, .close = dump_close, .rest = dump_rest
};

/* ---- Opening ---- */

/* Begins the file, or goes on behind what is there. */
static int begin(struct dump *d, const char *path, bool go_on, struct error *e)
{
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct pcap_file head = { PCAP_MAGIC, 2, 4, 0, 0, d->snap, PCAP_ETHERNET };
    struct stat st;

    d->fd = open(path, flags | (go_on ? 0 : O_TRUNC), 0600);
    if (d->fd < 0)
        return error_set(e, -errno, "network %s: cannot open '%s' for a capture: %s", d->net.label,
                         path, strerror(errno));
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes: an error, not our death */
    if (go_on && fstat(d->fd, &st) == 0 && st.st_size >= (off_t)sizeof head)
        return 0;
    if (write(d->fd, &head, sizeof head) == sizeof head)
        return 0;
    return error_set(e, -EIO, "network %s: cannot write to '%s': %s", d->net.label, path,
                     strerror(errno));
}

int net_dump_open(struct net *inner, const struct net_options *o, struct net **out, struct error *e)
{
    struct dump *d = dump_of(net_new(sizeof *d, &dump_ops, o, inner->what));
    int err;

    if (!d)
        return error_set(e, -ENOMEM, "network %s: out of memory", o->label);
    d->snap = o->dump_bytes && o->dump_bytes < PCAP_SNAP ? o->dump_bytes : PCAP_SNAP;
    snprintf(d->path, sizeof d->path, "%s", o->dump);
    err = begin(d, o->dump, o->fd >= 0 && inner->keep >= 0, e);
    if (err < 0) {
        if (d->fd >= 0)
            close(d->fd);
        free(d);
        return err;
    }
    d->user = (struct net_user){ dump_ready, dump_receive, dump_writable, dump_link, d };
    d->net.keep = inner->keep;
    d->net.up = inner->up;
    d->inner = inner;
    *out = &d->net;
    return 0;
}
