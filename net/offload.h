/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offload - finishing a frame in software for a peer that takes plain frames alone.
 *
 * One at a time, so that a peer that takes no more can go on later. Nothing is allocated. The
 * frame is a guest's: every header field is compared with the frame's end before it is used.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include "net/net.h"

/* More segments than this come from nobody but a guest that wants us to work. */
enum { NET_SEGMENTS_MAX = 4096 };

struct net_finish {
    uint8_t *frame; /* borrowed until the last piece */
    size_t bytes;
    uint8_t *out;          /* where segments are built */
    size_t l3, l4, header; /* offsets of IP header, TCP header and payload */
    uint16_t size;         /* payload of a segment; 0: the frame goes as it is */
    size_t at;             /* payload bytes done */
    uint16_t id;           /* IPv4 identification of the next segment */
    uint32_t sequence;     /* of the first segment */
    bool v6, done;
};

/* Begins. `frame` is changed if a checksum is to be filled in; `out` has NET_FRAME_MAX bytes and is
 * used with segmentation alone. False: not a frame that can be finished, drop it. */
MUST_CHECK bool net_finish_begin(struct net_finish *f, const struct net_offload *o, uint8_t *frame,
                                 size_t bytes, uint8_t *out);
/* The next finished frame, valid until the next call, and its length; NULL: there is none. */
const uint8_t *net_finish_next(struct net_finish *f, size_t *bytes);

/* Where a TCP frame's payload begins, 0 if its header does not lie within the frame. */
size_t net_tcp_header(const struct net_offload *o, const uint8_t *frame, size_t bytes);

/* The sum of the Internet checksum (RFC 1071) over `bytes`, added to `sum`, not complemented. */
uint32_t net_sum(uint32_t sum, const uint8_t *p, size_t bytes);
/* Folded to 16 bits and complemented. */
uint16_t net_sum_end(uint32_t sum);

#endif
