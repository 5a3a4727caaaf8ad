/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net - what all kinds of peers share: attaching, checking frames, counting. See net.h. */
#include "net/net.h"

#include <string.h>

enum { ETHERNET_HEADER = 14, CSUM_BYTES = 2 };

bool net_offload_fits(const struct net_offload *o, size_t bytes)
{
    if (o->flags & NET_NEEDS_CSUM && (size_t)o->csum_start + o->csum_offset + CSUM_BYTES > bytes)
        return false;
    switch (o->gso) {
    case NET_GSO_NONE:
        return true;
    case NET_GSO_TCP4:
    case NET_GSO_TCP6:
        return o->flags & NET_NEEDS_CSUM && o->gso_size > 0 && o->hdr_len >= ETHERNET_HEADER &&
               o->hdr_len < bytes && o->csum_start < o->hdr_len;
    default:
        return false;
    }
}

bool net_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov)
{
    uint64_t dropped;
    size_t bytes = 0;

    for (int i = 0; i < niov; i++) {
        if (iov[i].iov_len > NET_FRAME_MAX - bytes)
            bytes = NET_FRAME_MAX;
        else
            bytes += iov[i].iov_len;
    }
    if (!n->up || bytes == 0 || bytes >= NET_FRAME_MAX || !net_offload_fits(o, bytes)) {
        n->stats.tx_dropped++;
        return true;
    }
    dropped = n->stats.tx_dropped;
    if (!n->ops->send(n, o, iov, niov, bytes))
        return false;
    if (n->stats.tx_dropped != dropped)
        return true;
    n->stats.tx_frames++;
    n->stats.tx_bytes += bytes;
    return true;
}

void net_attach(struct net *n, const struct net_user *user, unsigned can)
{
    n->can = user ? can : 0;
    if (n->resting) {
        n->rested = user;
        return;
    }
    n->user = user;
    if (n->ops->can)
        n->ops->can(n, n->can);
    if (user)
        net_kick(n);
}

void net_kick(struct net *n)
{
    if (n->ops->kick && n->user && !n->resting)
        n->ops->kick(n);
}

void net_rest(struct net *n, bool on)
{
    if (n->resting == on)
        return;
    if (on) {
        n->rested = n->user;
        n->user = NULL;
    } else {
        n->user = n->rested;
        n->rested = NULL;
    }
    n->resting = on;
    if (n->ops->rest)
        n->ops->rest(n, on);
    if (on)
        return;
    if (n->ops->can)
        n->ops->can(n, n->can); /* who had the host's side meanwhile may have set something else */
    net_kick(n);
}

void net_set_link(struct net *n, bool up)
{
    if (n->up == up)
        return;
    n->up = up;
    if (n->user && n->user->link)
        n->user->link(n->user->opaque, up);
    net_kick(n); /* out: what comes is dropped, not kept */
}

void net_close(struct net *n)
{
    if (n)
        n->ops->close(n);
}
