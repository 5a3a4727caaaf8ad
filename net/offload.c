/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offload - see offload.h.
 *
 * Sources: RFC 1071 (checksum), RFC 791 and 8200 (IP), RFC 9293 (TCP), RFC 768 (a UDP sum of zero
 *          is sent as ones), RFC 3168 section 6.1.2 (CWR); VIRTIO 1.2, 5.1.6.2, for what the two
 *          sides of struct net_offload promise each other.
 * Present: IPv4 with options, IPv6 with extension headers, up to two VLAN tags.
 * Absent:  UDP segmentation: no card of ours offers it. An IPv6 routing header: the sum would have
 *          to use its last address.
 */
#include "net/offload.h"
#include "net/csum.h"

#include <string.h>

enum {
    ETHERNET_ADDRESSES = 12,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_QINQ = 0x88a8,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    VLAN_TAGS = 2,
};
enum {
    IP4_LENGTH = 2,
    IP4_ID = 4,
    IP4_PROTOCOL = 9,
    IP4_SUM = 10,
    IP4_ADDRESSES = 12,
    IP4_MIN = 20
};
enum { IP6_LENGTH = 4, IP6_ADDRESSES = 8, IP6_MIN = 40 };
enum { TCP_SEQUENCE = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_SUM = 16, TCP_MIN = 20 };
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 128 };
enum { PROTOCOL_TCP = 6 };

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, (uint16_t)(v >> 16));
    put_be16(p + 2, (uint16_t)v);
}

uint32_t net_sum(uint32_t sum, const uint8_t *p, size_t bytes)
{
    return csum_fold((uint64_t)sum + csum_of(p, bytes));
}

uint16_t net_sum_end(uint32_t sum)
{
    return (uint16_t)~csum_fold(sum);
}

size_t net_tcp_header(const struct net_offload *o, const uint8_t *frame, size_t bytes)
{
    size_t l4 = o->csum_start, header;

    if (l4 + TCP_MIN > bytes || o->csum_offset != TCP_SUM)
        return 0;
    header = (size_t)(frame[l4 + TCP_OFFSET] >> 4) * 4;
    return header >= TCP_MIN && l4 + header <= bytes ? l4 + header : 0;
}

/* Offset of the network header and its type; 0: the frame is too short. */
static size_t network_header(const uint8_t *frame, size_t bytes, uint16_t *type)
{
    size_t at = ETHERNET_ADDRESSES;

    for (int tags = 0; at + 2 <= bytes; tags++, at += 4) {
        *type = be16(frame + at);
        if (tags == VLAN_TAGS || (*type != ETHERTYPE_VLAN && *type != ETHERTYPE_QINQ))
            return at + 2;
    }
    return 0;
}

/* Finds the headers of a frame to be segmented: false if they are not what `o` says. */
static bool find_headers(struct net_finish *f, const struct net_offload *o)
{
    const uint8_t *ip;
    uint16_t type = 0;
    size_t room;

    f->header = net_tcp_header(o, f->frame, f->bytes);
    f->l3 = network_header(f->frame, f->bytes, &type);
    f->l4 = o->csum_start;
    if (!f->header || !f->l3 || f->l4 < f->l3)
        return false;
    f->v6 = o->gso == NET_GSO_TCP6;
    ip = f->frame + f->l3;
    room = f->l4 - f->l3; /* for the network header, which so lies within the frame as well */
    if (f->v6)
        return type == ETHERTYPE_IP6 && room >= IP6_MIN && ip[0] >> 4 == 6;
    return type == ETHERTYPE_IP4 && room >= IP4_MIN && ip[0] >> 4 == 4 &&
           (size_t)(ip[0] & 15) * 4 == room && ip[IP4_PROTOCOL] == PROTOCOL_TCP;
}

/* Segments must have a payload, a length that IP can say, and be a number that is bearable. */
static bool segments_fit(const struct net_finish *f)
{
    size_t payload = f->bytes - f->header;
    size_t largest = payload < f->size ? payload : f->size;

    return payload > 0 && f->size > 0 && f->header - f->l3 + largest <= UINT16_MAX &&
           (payload + f->size - 1) / f->size <= NET_SEGMENTS_MAX;
}

bool net_finish_begin(struct net_finish *f, const struct net_offload *o, uint8_t *frame,
                      size_t bytes, uint8_t *out)
{
    *f = (struct net_finish){ .frame = frame, .bytes = bytes, .out = out };
    if (o->gso == NET_GSO_NONE)
        return bytes > 0 && (!(o->flags & NET_NEEDS_CSUM) ||
                             csum_complete(frame, bytes, o->csum_start, o->csum_offset));
    f->size = o->gso_size;
    if ((o->gso != NET_GSO_TCP4 && o->gso != NET_GSO_TCP6) || bytes > NET_FRAME_MAX ||
        !find_headers(f, o) || !segments_fit(f))
        return false;
    f->id = be16(frame + f->l3 + IP4_ID);
    f->sequence = be32(frame + f->l4 + TCP_SEQUENCE);
    return true;
}

/* The network header says how long a segment is. */
static void fix_ip(const struct net_finish *f, size_t bytes)
{
    uint8_t *ip = f->out + f->l3;
    size_t header = f->l4 - f->l3;

    if (f->v6) {
        put_be16(ip + IP6_LENGTH, (uint16_t)(bytes - f->l3 - IP6_MIN));
        return;
    }
    put_be16(ip + IP4_LENGTH, (uint16_t)(bytes - f->l3));
    put_be16(ip + IP4_ID, f->id);
    put_be16(ip + IP4_SUM, 0);
    put_be16(ip + IP4_SUM, net_sum_end(net_sum(0, ip, header)));
}

/* What is in the sum's field differs between cards; addresses, protocol and length do not. */
static void fix_tcp(const struct net_finish *f, size_t bytes, bool last)
{
    const uint8_t *addresses = f->out + f->l3 + (f->v6 ? IP6_ADDRESSES : IP4_ADDRESSES);
    uint8_t *tcp = f->out + f->l4;
    size_t length = bytes - f->l4;
    uint32_t sum = net_sum((uint32_t)length + PROTOCOL_TCP, addresses, f->v6 ? 32 : 8);

    put_be32(tcp + TCP_SEQUENCE, f->sequence + (uint32_t)f->at);
    if (!last)
        tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    if (f->at > 0)
        tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    put_be16(tcp + TCP_SUM, 0);
    put_be16(tcp + TCP_SUM, net_sum_end(net_sum(sum, tcp, length)));
}

const uint8_t *net_finish_next(struct net_finish *f, size_t *bytes)
{
    size_t left, piece;

    if (f->done)
        return NULL;
    if (!f->size) {
        f->done = true;
        *bytes = f->bytes;
        return f->frame;
    }
    left = f->bytes - f->header - f->at;
    piece = left < f->size ? left : f->size;
    *bytes = f->header + piece;
    memcpy(f->out, f->frame, f->header);
    memcpy(f->out + f->header, f->frame + f->header + f->at, piece);
    fix_ip(f, *bytes);
    fix_tcp(f, *bytes, piece == left);
    f->at += piece;
    f->id++;
    f->done = piece == left;
    return f->out;
}
