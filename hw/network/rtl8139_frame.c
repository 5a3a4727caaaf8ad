/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_frame - checksums and headers of IPv4 packets in a frame.
 *
 * Every function is given the frame's own bytes and touches nothing else: a length in a header is
 * compared with what is there before it is used (XSA-140).
 *
 * Source: RFC 791, RFC 768, RFC 793, RFC 1071.
 */
#include "hw/network/rtl8139.h"
#include "net/csum.h"

enum { IP_MIN = 20, TCP_MIN = 20, UDP_MIN = 8, TCP_SUM = 16, UDP_SUM = 6, IP_SUM = 10 };
enum { ETHERTYPE_IPV4 = 0x0800 };
enum { MSS_MIN = 28 }; /* of the smallest MTU, 68 bytes */

bool ipv4_parse(const uint8_t *frame, size_t n, bool whole, struct ipv4 *ip)
{
    const uint8_t *h;
    size_t header, total;

    ip->l3 = n >= ETHER_HEADER + VLAN_TAG && be16(frame + 12) == ETHERTYPE_VLAN
                 ? ETHER_HEADER + VLAN_TAG
                 : ETHER_HEADER;
    if (n < ip->l3 + IP_MIN || be16(frame + ip->l3 - 2) != ETHERTYPE_IPV4)
        return false;
    h = frame + ip->l3;
    header = (h[0] & 0xfu) * 4;
    total = whole ? n - ip->l3 : be16(h + 2);
    if (h[0] >> 4 != 4 || header < IP_MIN || header > total || total > n - ip->l3)
        return false;
    ip->l4 = ip->l3 + header;
    ip->end = ip->l3 + total;
    ip->proto = h[9];
    ip->fragment = be16(h + 6) & 0x3fff;
    return true;
}

bool ipv4_header_good(const uint8_t *frame, const struct ipv4 *ip)
{
    return csum_of(frame + ip->l3, ip->l4 - ip->l3) == 0xffff;
}

/* The pseudo header: addresses, protocol, length. */
static uint16_t pseudo(const uint8_t *frame, const struct ipv4 *ip)
{
    uint8_t tail[4] = { 0, ip->proto };

    put_be16(tail + 2, (uint16_t)(ip->end - ip->l4));
    return csum_fold((uint64_t)csum_of(frame + ip->l3 + 12, 8) + csum_of(tail, sizeof tail));
}

bool ipv4_payload_good(const uint8_t *frame, const struct ipv4 *ip)
{
    size_t n = ip->end - ip->l4, least = ip->proto == PROTO_TCP ? TCP_MIN : UDP_MIN;

    if (n < least)
        return false;
    if (ip->proto == PROTO_UDP && be16(frame + ip->l4 + UDP_SUM) == 0)
        return true;
    return csum_fold((uint64_t)pseudo(frame, ip) + csum_of(frame + ip->l4, n)) == 0xffff;
}

static void make_header_sum(uint8_t *frame, const struct ipv4 *ip)
{
    uint8_t *h = frame + ip->l3;

    put_be16(h + IP_SUM, 0);
    put_be16(h + IP_SUM, (uint16_t)~csum_of(h, ip->l4 - ip->l3));
}

void frame_complete(uint8_t *frame, size_t n, const struct net_offload *o)
{
    if (o->flags & NET_NEEDS_CSUM)
        (void)csum_complete(frame, n, o->csum_start, o->csum_offset);
}

/* Leave the sum at `offset` of the transport header to the host. */
static void leave_sum(uint8_t *frame, const struct ipv4 *ip, unsigned offset, struct net_offload *o)
{
    put_be16(frame + ip->l4 + offset, pseudo(frame, ip));
    o->flags |= NET_NEEDS_CSUM;
    o->csum_start = (uint16_t)ip->l4;
    o->csum_offset = (uint16_t)offset;
}

void frame_checksums(uint8_t *frame, size_t n, uint32_t opts1, struct net_offload *o)
{
    struct ipv4 ip;
    size_t length;

    if (!(opts1 & (DESC_IPCS | DESC_UDPCS | DESC_TCPCS)) || !ipv4_parse(frame, n, false, &ip))
        return;
    if (opts1 & DESC_IPCS)
        make_header_sum(frame, &ip);
    length = ip.end - ip.l4;
    if (ip.fragment)
        return;
    if ((opts1 & DESC_TCPCS) && ip.proto == PROTO_TCP && length >= TCP_MIN)
        leave_sum(frame, &ip, TCP_SUM, o);
    else if ((opts1 & DESC_UDPCS) && ip.proto == PROTO_UDP && length >= UDP_MIN)
        leave_sum(frame, &ip, UDP_SUM, o);
    if (o->flags & NET_NEEDS_CSUM) /* the host sums to the end of the frame */
        memset(frame + ip.end, 0, n - ip.end);
}

bool frame_large_send(uint8_t *frame, size_t n, unsigned mss, struct net_offload *o)
{
    struct ipv4 ip;
    size_t headers;

    if (mss < MSS_MIN || !ipv4_parse(frame, n, true, &ip) || ip.proto != PROTO_TCP || ip.fragment ||
        n - ip.l4 < TCP_MIN || n - ip.l3 > UINT16_MAX)
        return false;
    headers = ip.l4 + (size_t)(frame[ip.l4 + 12] >> 4) * 4;
    if (headers < ip.l4 + TCP_MIN || headers > n)
        return false;
    put_be16(frame + ip.l3 + 2, (uint16_t)(n - ip.l3));
    make_header_sum(frame, &ip);
    leave_sum(frame, &ip, TCP_SUM, o);
    if (n - headers > mss) {
        o->gso = NET_GSO_TCP4;
        o->gso_size = (uint16_t)mss;
        o->hdr_len = (uint16_t)headers;
    }
    return true;
}
