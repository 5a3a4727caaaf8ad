/* SPDX-License-Identifier: GPL-2.0-or-later */
/* csum - the Internet checksum (RFC 1071), and the byte order of what it is about. */
#ifndef NET_CSUM_H
#define NET_CSUM_H

#include "hw/core/bits.h"

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* A sum of big-endian words, as 16 bits. */
static inline uint16_t csum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The ones' complement sum (not inverted) of n bytes, the last one padded with zero. */
static inline uint16_t csum_of(const uint8_t *p, size_t n)
{
    uint64_t sum = 0; /* of words in host order: the sum's bytes are swapped at the end */
    size_t at = 0;

    for (; n - at >= 4; at += 4)
        sum += le32(p + at);
    if (n - at >= 2) {
        sum += le16(p + at);
        at += 2;
    }
    if (n - at)
        sum += p[at];
    sum = csum_fold(sum);
    return (uint16_t)(sum << 8 | sum >> 8);
}

/* Put the sum of bytes `start` to the end at start + offset, where that of the pseudo header stands
 * (NET_NEEDS_CSUM). Sent as ones if it is zero, which means "none" to UDP and the same to TCP.
 * False: the field does not lie within the frame. */
static inline bool csum_complete(uint8_t *frame, size_t n, size_t start, size_t offset)
{
    uint16_t sum;

    if (start + offset + 2 > n)
        return false;
    sum = (uint16_t)~csum_of(frame + start, n - start);
    put_be16(frame + start + offset, sum ? sum : 0xffff);
    return true;
}

#endif
