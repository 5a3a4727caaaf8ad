/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames - frames out of a byte stream, in which each has its length before it: 4 bytes, big
 * endian. One buffer of one frame; what does not fit stays with the sender.
 */
#ifndef NET_FRAMES_H
#define NET_FRAMES_H

#include "net/net.h"

enum { NET_PREFIX = 4 };

struct net_frames {
    size_t at, have; /* bytes[at..have) came and were not taken yet */
    uint8_t bytes[NET_PREFIX + NET_FRAME_MAX];
};

/* Where the next bytes go, and how many may come: not 0 if net_frames_next() has said 0. */
uint8_t *net_frames_room(struct net_frames *f, size_t *room);
/* 1: takes a frame, of 0 to NET_FRAME_MAX bytes, valid until net_frames_room(). 0: it is not
 * complete. -EBADMSG: no frame is that long, the stream cannot go on. */
MUST_CHECK int net_frames_next(struct net_frames *f, const uint8_t **frame, size_t *bytes);
/* True: net_frames_next() would not say 0. */
bool net_frames_ready(const struct net_frames *f);

#endif
