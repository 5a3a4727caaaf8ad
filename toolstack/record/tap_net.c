/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_net - networks of cards, seen through the tap; see tap.h. */
#include <stdlib.h>

#include "toolstack/record/tap_private.h"

/* What is left to do on a frame, as two numbers of a record. */
static void put_offload(const struct net_offload *o, uint64_t in[2])
{
    in[0] = o->flags | (uint64_t)o->gso << 8 | (uint64_t)o->hdr_len << 16 |
            (uint64_t)o->gso_size << 32 | (uint64_t)o->csum_start << 48;
    in[1] = o->csum_offset;
}

struct net_offload tap_offload(const uint64_t in[2])
{
    return (struct net_offload){ .flags = (uint8_t)in[0],
                                 .gso = (uint8_t)(in[0] >> 8),
                                 .hdr_len = (uint16_t)(in[0] >> 16),
                                 .gso_size = (uint16_t)(in[0] >> 32),
                                 .csum_start = (uint16_t)(in[0] >> 48),
                                 .csum_offset = (uint16_t)in[1] };
}

/* --- The host calls. */

void tap_net_ready(struct tap_net *s, bool *ready)
{
    const struct net_user *u = s->net.user;

    *ready = u && u->ready(u->opaque);
    tap_leave(s->t, *ready);
}

static bool net_is_ready(void *opaque)
{
    struct tap_net *s = opaque;
    struct tap_record r = { .type = TAP_NET_READY, .in = { s->place } };
    bool ready = false;

    if (!s->net.user)
        return false;
    tap_enter(s->t, &r, false);
    tap_net_ready(s, &ready);
    return ready;
}

void tap_net_receive(struct tap_net *s, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    const struct net_user *u = s->net.user;

    s->net.stats.rx_frames++;
    s->net.stats.rx_bytes += n;
    if (s->inner)
        s->net.stats.rx_dropped = s->inner->stats.rx_dropped;
    if (u)
        u->receive(u->opaque, o, frame, n);
    tap_leave(s->t, 0);
}

static void net_receives(void *opaque, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    struct tap_net *s = opaque;
    struct tap_record r = {
        .type = TAP_NET_RECEIVE, .in = { s->place }, .bytes = frame, .len = (uint32_t)n
    };

    put_offload(o, &r.in[1]);
    tap_enter(s->t, &r, false);
    tap_net_receive(s, o, frame, n);
}

void tap_net_writable(struct tap_net *s)
{
    const struct net_user *u = s->net.user;

    s->blocked = false;
    if (u && u->writable)
        u->writable(u->opaque);
    tap_leave(s->t, 0);
}

static void net_is_writable(void *opaque)
{
    struct tap_net *s = opaque;
    struct tap_record r = { .type = TAP_NET_WRITABLE, .in = { s->place } };

    tap_enter(s->t, &r, false);
    tap_net_writable(s);
}

void tap_net_link(struct tap_net *s, bool up)
{
    net_set_link(&s->net, up);
    tap_leave(s->t, 0);
}

static void net_link(void *opaque, bool up)
{
    struct tap_net *s = opaque;
    struct tap_record r = { .type = TAP_NET_LINK, .in = { s->place, up } };

    tap_enter(s->t, &r, false);
    tap_net_link(s, up);
}

/* --- The card calls. The host may call back meanwhile. */

static struct tap_net *tap_net_of(struct net *n)
{
    return (struct tap_net *)(void *)n;
}

static uint64_t call_over(struct tap *t, uint64_t result)
{
    struct tap_record back = { .type = TAP_BACK, .in = { result } };

    if (!t->side->live)
        t->side->nested(t);
    t->side->note(t, &back);
    return back.in[0];
}

static uint64_t hash_of(const struct net_offload *o, const struct iovec *iov, int niov)
{
    uint64_t h = tap_hash(TAP_HASH_START, o, sizeof *o);

    for (int i = 0; i < niov; i++)
        h = tap_hash(h, iov[i].iov_base, iov[i].iov_len);
    return h;
}

static bool net_sends(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    struct tap_net *s = tap_net_of(n);
    struct tap_record r = { .type = TAP_NET_SEND,
                            .out = { s->place, bytes, hash_of(o, iov, niov) } };
    bool noting = tap_noting(s->t), taken = !s->blocked;
    uint64_t dropped = s->inner ? s->inner->stats.tx_dropped : 0;

    if (noting)
        s->t->side->note(s->t, &r);
    if (s->inner) {
        taken = net_send(s->inner, o, iov, niov);
        n->stats.tx_dropped += s->inner->stats.tx_dropped - dropped;
    }
    if (noting)
        taken = call_over(s->t, taken) != 0;
    s->blocked = !taken;
    return taken;
}

static void net_kicks(struct net *n)
{
    struct tap_net *s = tap_net_of(n);
    struct tap_record r = { .type = TAP_NET_KICK, .out = { s->place } };
    bool noting = tap_noting(s->t);

    if (noting)
        s->t->side->note(s->t, &r);
    if (s->inner)
        net_kick(s->inner);
    if (noting)
        call_over(s->t, 0);
}

static void net_can(struct net *n, unsigned what)
{
    struct tap_net *s = tap_net_of(n);
    struct tap_record r = { .type = TAP_NET_ATTACH, .out = { s->place, n->user != NULL, what } };
    bool noting = tap_noting(s->t);

    if (noting)
        s->t->side->note(s->t, &r);
    if (s->inner)
        net_attach(s->inner, n->user ? &s->user : NULL, what);
    if (noting)
        call_over(s->t, 0);
}

static void net_rests(struct net *n, bool on)
{
    struct tap_net *s = tap_net_of(n);

    if (s->inner)
        net_rest(s->inner, on);
}

static void net_closes(struct net *n)
{
    struct tap_net *s = tap_net_of(n);

    net_close(s->inner);
    s->t->net[s->place] = NULL;
    free(s);
}

static const struct net_ops tap_net_ops = {
    .send = net_sends, .kick = net_kicks, .can = net_can, .close = net_closes, .rest = net_rests
};

struct tap_net *tap_new_net(struct tap *t, unsigned place, bool up)
{
    struct tap_net *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->net = (struct net){ .ops = &tap_net_ops, .keep = -1, .up = up };
    s->user = (struct net_user){ net_is_ready, net_receives, net_is_writable, net_link, s };
    s->t = t;
    s->place = place;
    t->net[place] = s;
    return s;
}

struct net *tap_net(struct tap *t, unsigned place, struct net *inner)
{
    struct tap_net *s;

    if (!t || !inner || place >= PC_NICS)
        return inner;
    s = tap_new_net(t, place, inner->up);
    if (!s) {
        net_close(inner);
        return NULL;
    }
    s->inner = inner;
    s->net.keep = inner->keep;
    memcpy(s->net.label, inner->label, sizeof s->net.label);
    memcpy(s->net.what, inner->what, sizeof s->net.what);
    return &s->net;
}
