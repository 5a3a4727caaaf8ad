/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_rx - frames for the guest: a ring of bytes (C mode) or of descriptors (C+ mode).
 *
 * A frame for which there is no room is dropped, counted and reported, as by the chip. The four
 * bytes of the FCS are there and zero: the host's frames have none, and no driver looks at it.
 */
#include "hw/network/rtl8139.h"

enum { HEADER = 4 }; /* of a frame in the ring of C mode: status, length */
enum {
    STATUS_ROK = 1 << 0,
    STATUS_BAR = 1 << 13,
    STATUS_PAM = 1 << 14,
    STATUS_MAR = 1 << 15,
};
enum {
    DESC_SIZE = 0x1fff, /* of a buffer */
    DESC_TCPF = 1 << 13,
    DESC_UDPF = 1 << 14,
    DESC_IPF = 1 << 15,
    DESC_PID_TCP = 1 << 16,
    DESC_PID_UDP = 2 << 16,
    DESC_PID_IP = 3 << 16,
    DESC_TAVA = 1 << 16,    /* of opts2 */
    DESC_STATUS_SHIFT = 11, /* MAR, PAM, BAR of C mode's status become bits 26 to 24 */
};

/* --- which frames --- */

/* Bit of MAR for a multicast address: the upper six bits of its CRC, as Ethernet computes it. */
static unsigned hash(const uint8_t *address)
{
    uint32_t crc = UINT32_MAX;

    for (unsigned i = 0; i < 48; i++) {
        uint32_t bit = crc >> 31 ^ ((uint32_t)address[i / 8] >> i % 8 & 1);

        crc = crc << 1 ^ (bit ? UINT32_C(0x04c11db7) : 0);
    }
    return crc >> 26;
}

/* STATUS_BAR, _MAR, _PAM for a frame that is accepted, 0 with *accepted for another's. */
static unsigned classify(const struct rtl8139_state *s, const uint8_t *frame, bool *accepted)
{
    static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint8_t own[8];
    unsigned bit;

    if (memcmp(frame, broadcast, sizeof broadcast) == 0) {
        *accepted = HAS(s, RCR, AB);
        return STATUS_BAR;
    }
    if (frame[0] & 1) {
        bit = hash(frame);
        *accepted = HAS(s, RCR, AM) && ((bit < 32 ? s->MAR0 : s->MAR4) >> (bit & 31) & 1);
        return STATUS_MAR;
    }
    put_le32(own, s->IDR0);
    put_le32(own + 4, s->IDR4);
    if (memcmp(frame, own, 6) == 0) {
        *accepted = HAS(s, RCR, APM) || HAS(s, RCR, AAP);
        return STATUS_PAM;
    }
    *accepted = HAS(s, RCR, AAP);
    return 0;
}

static void missed(struct rtl8139_state *s)
{
    SET(s, ISR, RXOVW);
    s->MPC = (s->MPC + 1) & 0xffffff;
    s->tally_missed++;
}

static void received(struct rtl8139_state *s, unsigned status)
{
    SET(s, ISR, ROK);
    s->tally_rx_ok++;
    if (status & STATUS_BAR)
        s->tally_rx_brd++;
    else if (status & STATUS_MAR)
        s->tally_rx_mul++;
    else
        s->tally_rx_phy++;
}

/* --- C mode --- */

/* n bytes at rx + HEADER, FCS included. */
static void ring_put(struct device *d, unsigned status, uint32_t n)
{
    struct rtl8139_state *s = d->state;
    struct rtl8139 *c = (struct rtl8139 *)d;
    uint32_t size = rtl8139_rx_size(s), at = s->CBR % size, to_end = size - at;
    uint32_t used = (at + size - rtl8139_rx_read_at(s)) % size;
    uint32_t total = HEADER + n, taken = (total + 3) & ~3u, first = total;
    int err;

    if (taken >= size - used) { /* a full ring would look like an empty one */
        missed(s);
        return;
    }
    put_le16(c->rx, (uint16_t)(STATUS_ROK | status));
    put_le16(c->rx + 2, (uint16_t)n);
    if (total > to_end && (!HAS(s, RCR, WRAP) || size == 0x10000))
        first = to_end;
    err = dma_write(d, GPA((uint64_t)s->RBSTART + at), c->rx, first);
    if (err == 0 && first < total)
        err = dma_write(d, GPA(s->RBSTART), c->rx + first, total - first);
    if (err < 0) {
        rtl8139_bus_error(d);
        return;
    }
    s->CBR = (uint16_t)((at + taken) % size);
    received(s, status);
}

/* --- C+ mode --- */

/* Descriptors with room for n bytes. False: the guest has not given enough. */
static bool find_room(struct device *d, uint32_t n)
{
    const struct rtl8139_state *s = d->state;
    struct rtl8139_chain *chain = &((struct rtl8139 *)d)->rx_chain;
    unsigned first = s->ring_at[RING_RX] % DESC_RING;
    uint32_t room = 0;

    chain->n = 0;
    chain->next = first;
    do {
        struct rtl8139_desc desc;
        uint32_t opts1;

        if (rtl8139_fetch(d, RING_RX, chain->next, &chain->at[chain->n], &desc) < 0)
            return false;
        opts1 = le32(desc.opts1);
        if (!(opts1 & DESC_OWN))
            return false;
        room += opts1 & DESC_SIZE;
        chain->opts1[chain->n] = opts1;
        chain->address[chain->n++] = le64(desc.address);
        chain->next = rtl8139_next(chain->next, opts1);
    } while (room < n && chain->n < DESC_RING && chain->next != first);
    return room >= n && chain->n <= device_publish_room(d);
}

/* PID1-0, IPF, UDPF, TCPF. `verified`: by the host, or by us. */
static uint32_t checked(const uint8_t *frame, size_t n, bool verified)
{
    struct ipv4 ip;
    uint32_t v;

    if (!ipv4_parse(frame, n, false, &ip))
        return 0;
    v = ipv4_header_good(frame, &ip) ? 0 : DESC_IPF;
    if (ip.fragment || (ip.proto != PROTO_TCP && ip.proto != PROTO_UDP))
        return v | DESC_PID_IP;
    if (!verified && !ipv4_payload_good(frame, &ip))
        v |= ip.proto == PROTO_TCP ? DESC_TCPF : DESC_UDPF;
    return v | (ip.proto == PROTO_TCP ? DESC_PID_TCP : DESC_PID_UDP);
}

/* Write n bytes over the descriptors that find_room() found. */
static int scatter(struct device *d, const uint8_t *bytes, uint32_t n, const uint8_t opts2[4])
{
    const struct rtl8139_chain *chain = &((struct rtl8139 *)d)->rx_chain;

    for (unsigned i = 0; i < chain->n; i++) {
        uint32_t size = chain->opts1[i] & DESC_SIZE, piece = n < size ? n : size;
        gpa_t at;

        if (piece && dma_write(d, GPA(chain->address[i]), bytes, piece) < 0)
            return -1;
        if (!gpa_add(chain->at[i], offsetof(struct rtl8139_desc, opts2), &at) ||
            dma_write(d, at, opts2, 4) < 0)
            return -1;
        bytes += piece;
        n -= piece;
    }
    return 0;
}

/* Each descriptor says how much is in it, the last one how long the frame is and what it is. */
static void publish(struct device *d, uint32_t n, uint32_t status)
{
    const struct rtl8139_chain *chain = &((struct rtl8139 *)d)->rx_chain;

    for (unsigned i = 0; i < chain->n; i++) {
        uint32_t value = chain->opts1[i] & DESC_EOR;
        uint8_t old[4], new[4];

        value |= i == 0 ? DESC_FS : 0;
        value |= i + 1 == chain->n ? DESC_LS | status | n : chain->opts1[i] & DESC_SIZE;
        put_le32(old, chain->opts1[i]);
        put_le32(new, value);
        if (!device_publish(d, chain->at[i], old, new, sizeof new))
            rtl8139_bus_error(d);
    }
}

/* n bytes at rx + HEADER, FCS included. */
static void desc_put(struct device *d, unsigned status, uint32_t n, bool verified)
{
    struct rtl8139_state *s = d->state;
    struct rtl8139 *c = (struct rtl8139 *)d;
    uint8_t *frame = c->rx + HEADER, opts2[4] = { 0 };
    uint32_t value = (uint32_t)status << DESC_STATUS_SHIFT;

    if (HAS(s, CPCR, RXVLAN) && frame[12] == ETHERTYPE_VLAN >> 8 &&
        frame[13] == (ETHERTYPE_VLAN & 0xff)) {
        put_le32(opts2, (uint32_t)DESC_TAVA | le16(frame + ETHER_HEADER));
        memmove(frame + VLAN_TAG, frame, 12);
        frame += VLAN_TAG;
        n -= VLAN_TAG;
    }
    if (!find_room(d, n)) {
        missed(s);
        return;
    }
    if (HAS(s, CPCR, RXCHKSUM))
        value |= checked(frame, n - FCS, verified);
    if (scatter(d, frame, n, opts2) < 0) {
        rtl8139_bus_error(d);
        return;
    }
    publish(d, n, value);
    s->ring_at[RING_RX] = (uint8_t)(c->rx_chain.next % DESC_RING);
    received(s, status);
}

void rtl8139_rx_frame(struct device *d, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    struct rtl8139_state *s = d->state;
    struct rtl8139 *c = (struct rtl8139 *)d;
    uint32_t bytes;
    unsigned status;
    bool accepted;

    if (!HAS(s, CR, RE) || n < ETHER_HEADER)
        return;
    status = classify(s, frame, &accepted);
    if (!accepted)
        return;
    if (n > RX_FRAME_MAX) {
        s->tally_rx_err++;
        return;
    }
    bytes = n < ETHER_MIN ? ETHER_MIN : (uint32_t)n;
    memcpy(c->rx + HEADER, frame, n);
    memset(c->rx + HEADER + n, 0, bytes + FCS - n); /* padding and FCS */
    frame_complete(c->rx + HEADER, n, o);
    if (HAS(s, CPCR, CPRX))
        desc_put(d, status, bytes + FCS, o->flags);
    else
        ring_put(d, status, bytes + FCS);
}
