/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire - a network peer in memory, for tests of cards: what they sent, and frames for them. */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "net/net.h"

enum { WIRE_FRAMES = 64 }; /* kept; what comes beyond is refused, as by a tap that is full */

struct wire_frame {
    struct net_offload offload;
    size_t n;
    uint8_t *bytes;
};

struct net *wire_new(void);
void wire_free(struct net *n);
/* Takes only so many frames more (wire_new: WIRE_FRAMES), then refuses; more: says writable. */
void wire_accept(struct net *n, unsigned frames);
/* The oldest frame that was sent and not taken yet: its length, the first `size` bytes of it in
 * `to`, how it is to be completed in *o (may be NULL). 0: there is none. */
size_t wire_take(struct net *n, struct net_offload *o, void *to, size_t size);
unsigned wire_sent(const struct net *n); /* frames not taken yet */
/* A frame for the card. False: the card is not ready, and got nothing. */
bool wire_give(struct net *n, const struct net_offload *o, const void *frame, size_t bytes);

#endif
