/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire - a network peer in memory; see wire.h. */
#include "tests/wire.h"

#include <stdlib.h>
#include <string.h>

struct wire {
    struct net net; /* first member */
    unsigned accepts, first, n;
    struct wire_frame frames[WIRE_FRAMES];
};

static struct wire *wire_of(const struct net *n)
{
    return (struct wire *)(uintptr_t)n;
}

static bool wire_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    struct wire *w = wire_of(n);
    struct wire_frame *f = &w->frames[(w->first + w->n) % WIRE_FRAMES];
    size_t at = 0;

    if (w->accepts == 0 || w->n == WIRE_FRAMES)
        return false;
    w->accepts--;
    w->n++;
    *f = (struct wire_frame){ .offload = *o, .n = bytes, .bytes = malloc(bytes) };
    for (int i = 0; f->bytes && i < niov; i++) {
        memcpy(f->bytes + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    return true;
}

static void wire_close(struct net *n)
{
    struct wire *w = wire_of(n);

    while (w->n > 0)
        (void)wire_take(n, NULL, NULL, 0);
    free(w);
}

static const struct net_ops wire_ops = { .send = wire_send, .close = wire_close };

struct net *wire_new(void)
{
    struct wire *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->net =
        (struct net){ .ops = &wire_ops, .label = "wire", .what = "wire", .keep = -1, .up = true };
    w->accepts = WIRE_FRAMES;
    return &w->net;
}

void wire_free(struct net *n)
{
    net_close(n);
}

void wire_accept(struct net *n, unsigned frames)
{
    struct wire *w = wire_of(n);
    bool full = w->accepts == 0 || w->n == WIRE_FRAMES;

    w->accepts = frames;
    if (full && frames > 0 && w->n < WIRE_FRAMES && n->user && n->user->writable)
        n->user->writable(n->user->opaque);
}

size_t wire_take(struct net *n, struct net_offload *o, void *to, size_t size)
{
    struct wire *w = wire_of(n);
    struct wire_frame *f = &w->frames[w->first];
    size_t bytes = f->n;

    if (w->n == 0)
        return 0;
    if (o)
        *o = f->offload;
    if (f->bytes && to)
        memcpy(to, f->bytes, bytes < size ? bytes : size);
    free(f->bytes);
    *f = (struct wire_frame){ 0 };
    w->first = (w->first + 1) % WIRE_FRAMES;
    w->n--;
    return bytes;
}

unsigned wire_sent(const struct net *n)
{
    return wire_of(n)->n;
}

bool wire_give(struct net *n, const struct net_offload *o, const void *frame, size_t bytes)
{
    static const struct net_offload plain;

    if (!n->up || !n->user || !n->user->ready(n->user->opaque))
        return false;
    n->stats.rx_frames++;
    n->stats.rx_bytes += bytes;
    n->user->receive(n->user->opaque, o ? o : &plain, frame, bytes);
    return true;
}
