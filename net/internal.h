/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal - what the kinds of peers share; not for cards. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "net/net.h"

enum {
    NET_TURN_FRAMES = 64
}; /* frames taken from the host, and sent to it, in one turn of the loop */

/* Opens one kind. The descriptor in the options is net_open()'s until this has returned 0. */
typedef int net_opener(struct loop *l, const struct net_options *o, struct net **out,
                       struct error *e);
net_opener net_tap_open, net_socket_open, net_user_open;

/* Puts a capture in front of `inner`. On failure `inner` is still the caller's. */
MUST_CHECK int net_dump_open(struct net *inner, const struct net_options *o, struct net **out,
                             struct error *e);

/* Zeroed, `size` bytes that begin with struct net; with a cable that is in. NULL: no memory. */
struct net *net_new(size_t size, const struct net_ops *ops, const struct net_options *o,
                    const char *what);

/* True: take the next frame from the host. That is also so while the cable is out: what comes then
 * is dropped, and not old when the cable is in again. */
bool net_wants(const struct net *n);
/* A frame from the host, only after net_wants(). `o` NULL: nothing is left to do. */
void net_deliver(struct net *n, const struct net_offload *o, const uint8_t *frame, size_t bytes);
/* Tells the card, from the event loop alone, that a frame that was refused would be taken now. */
void net_writable(struct net *n);

/* The pieces as one; `to` has room for NET_FRAME_MAX. */
void net_gather(uint8_t *to, const struct iovec *iov, int niov);

/* A descriptor that is in the loop only while something is waited for: EPOLLHUP and EPOLLERR cannot
 * be masked. */
struct net_watch {
    struct loop *loop;
    struct loop_source source;
    uint32_t events;
    bool failing; /* the log knows */
};
void net_watch_init(struct net_watch *w, struct loop *l, int fd,
                    void (*ready)(void *opaque, uint32_t events), void *opaque);
void net_watch(struct net_watch *w, uint32_t events); /* 0: for nothing */

/* Cuts the next "key=value" off *spec; a comma inside a value is written twice. *value is NULL if
 * there is no '='. NULL at the end. Changes the text. */
char *net_next_key(char **spec, char **value);

#endif
