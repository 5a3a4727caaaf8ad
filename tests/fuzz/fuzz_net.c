/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_net - a peer that sends any bytes, and a guest that says anything about its frames.
 *
 * The first byte says in which portions the rest comes out of a stream. Each frame of it is what a
 * card could send: a struct net_offload, the number of bytes that follow the frame's own, the
 * frame. What must hold: frames do not depend on the portions; segments are no more than is
 * bearable, lie within their buffer, carry the payload once, and have sums that are right.
 */
#include <stdlib.h>

#include "net/frames.h"
#include "net/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = sizeof(struct net_offload) + 2 };

static void must(bool what)
{
    if (!what)
        abort();
}

static void check_segment(const struct net_finish *f, const uint8_t *p, size_t bytes)
{
    const uint8_t *ip = p + f->l3;
    size_t length = bytes - f->l4;
    uint32_t sum;

    must(p == f->out && bytes > f->header && bytes <= f->bytes);
    sum = net_sum((uint32_t)length + 6, ip + (f->v6 ? 8 : 12), f->v6 ? 32 : 8);
    must(net_sum_end(net_sum(sum, p + f->l4, length)) == 0);
    if (!f->v6)
        must(net_sum_end(net_sum(0, ip, f->l4 - f->l3)) == 0 &&
             (size_t)(ip[2] << 8 | ip[3]) == bytes - f->l3);
}

static void finish(const struct net_offload *o, uint8_t *frame, size_t bytes)
{
    static uint8_t out[NET_FRAME_MAX];
    struct net_finish f;
    const uint8_t *p;
    size_t n, pieces = 0, payload = 0;

    if (!net_finish_begin(&f, o, frame, bytes, out))
        return;
    while ((p = net_finish_next(&f, &n))) {
        must(++pieces <= NET_SEGMENTS_MAX);
        if (o->gso)
            check_segment(&f, p, n);
        else
            must(p == frame && n == bytes && pieces == 1);
        payload += n - f.header;
    }
    must(pieces > 0 && (!o->gso || payload == bytes - f.header));
}

/* The frame is in memory of exactly its size. */
static void one_frame(const uint8_t *in, size_t n)
{
    struct net_offload o;
    size_t bytes, own = n - HEAD;
    uint8_t *frame;

    if (n <= HEAD)
        return;
    memcpy(&o, in, sizeof o);
    bytes = own + le16(in + sizeof o);
    if (bytes > NET_FRAME_MAX)
        return;
    frame = calloc(1, bytes);
    must(frame != NULL);
    memcpy(frame, in + HEAD, own);
    finish(&o, frame, bytes);
    free(frame);
}

/* Returns a number that stands for all frames, and whether the stream was damaged. */
static uint64_t stream(const uint8_t *data, size_t size, size_t portion, bool look)
{
    static struct net_frames f;
    const uint8_t *frame;
    uint64_t hash = 1;
    size_t bytes, room;
    int got = 0;

    f.at = f.have = 0;
    while (size > 0 && got >= 0) {
        uint8_t *to = net_frames_room(&f, &room);
        size_t n = size < portion ? size : portion;

        must(room > 0);
        n = n < room ? n : room;
        memcpy(to, data, n);
        f.have += n;
        data += n;
        size -= n;
        while ((got = net_frames_next(&f, &frame, &bytes)) > 0) {
            must(bytes <= NET_FRAME_MAX && frame >= f.bytes &&
                 frame + bytes <= f.bytes + sizeof f.bytes);
            hash = (hash ^ bytes) * UINT64_C(0x100000001b3);
            for (size_t i = 0; i < bytes; i++)
                hash = (hash ^ frame[i]) * UINT64_C(0x100000001b3);
            if (look)
                one_frame(frame, bytes);
        }
        must((got < 0) == net_frames_ready(&f));
    }
    return hash ^ (uint64_t)(got < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    must(stream(data + 1, size - 1, 1 + data[0], true) == stream(data + 1, size - 1, size, false));
    return 0;
}
