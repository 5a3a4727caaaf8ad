/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frames - see frames.h. */
#include "net/frames.h"

#include <errno.h>
#include <string.h>

static size_t length_of(const struct net_frames *f)
{
    const uint8_t *p = f->bytes + f->at;

    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

bool net_frames_ready(const struct net_frames *f)
{
    size_t have = f->have - f->at;

    return have >= NET_PREFIX &&
           (length_of(f) > NET_FRAME_MAX || have - NET_PREFIX >= length_of(f));
}

int net_frames_next(struct net_frames *f, const uint8_t **frame, size_t *bytes)
{
    if (!net_frames_ready(f))
        return 0;
    *bytes = length_of(f);
    if (*bytes > NET_FRAME_MAX)
        return -EBADMSG;
    *frame = f->bytes + f->at + NET_PREFIX;
    f->at += NET_PREFIX + *bytes;
    return 1;
}

uint8_t *net_frames_room(struct net_frames *f, size_t *room)
{
    memmove(f->bytes, f->bytes + f->at, f->have - f->at);
    f->have -= f->at;
    f->at = 0;
    *room = sizeof f->bytes - f->have;
    return f->bytes + f->have;
}
