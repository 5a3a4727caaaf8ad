/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_tx - frames that the guest sends: four descriptors in registers (C mode) or two rings in
 * memory (C+ mode).
 *
 * A command of the guest only makes rtl8139_tx_pending() true. update() arms a timer for now, and
 * each expiry is one event, which sends one frame. A ring is followed for as many descriptors as a
 * ring can have, and for as many frames per TPPoll. The state moves on only when the host has taken
 * the frame.
 */
#include "hw/network/rtl8139.h"

#include <errno.h>

enum {
    TSD_LONGEST = 1792, /* what the transmit FIFO takes, C mode */
    DESC_LENGTH = 0xffff,
    DESC_LGSEN = 1 << 27,
    DESC_MSS_SHIFT = 16,
    DESC_MSS = 0x7ff,
    DESC_TES = 1 << 23, /* of a descriptor that is given back: error summary, */
    DESC_EXC = 1 << 20, /* aborted */
    DESC_TAGC = 1 << 17 /* of opts2 */
};

bool rtl8139_tx_pending(const struct rtl8139_state *s)
{
    if (!HAS(s, CR, TE))
        return false;
    if (HAS(s, CPCR, CPTX))
        return s->TPPOLL != 0;
    return !(s->TSD[s->tsd_at & 3] & TSD_OWN);
}

/* False: the host takes no frame now. */
static bool transmit(struct device *d, const struct net_offload *o, uint8_t *frame, size_t n)
{
    struct rtl8139 *c = (struct rtl8139 *)d;
    const struct rtl8139_state *s = d->state;
    struct iovec iov = { frame, n };

    if (n < ETHER_HEADER)
        return true; /* no frame at all: it goes nowhere */
    if ((s->TCR & TCR_LBK) == TCR_LBK) {
        if (!o->gso)
            rtl8139_rx_frame(d, o, frame, n);
        return true;
    }
    if (!d->host.net || net_send(d->host.net, o, &iov, 1))
        return true;
    c->host_full = true;
    return false;
}

static void count(struct rtl8139_state *s, bool good)
{
    if (good) {
        SET(s, ISR, TOK);
        s->tally_tx_ok++;
    } else {
        SET(s, ISR, TER);
        s->tally_tx_err++;
        s->tally_tx_abt++;
    }
}

/* --- C mode --- */

static void tsd_send(struct device *d)
{
    static const struct net_offload plain;
    struct rtl8139 *c = (struct rtl8139 *)d;
    struct rtl8139_state *s = d->state;
    unsigned at = s->tsd_at & 3;
    uint32_t n = s->TSD[at] & TSD_SIZE;
    bool good = n <= TSD_LONGEST;

    if (good && n && dma_read(d, GPA(s->TSAD[at]), c->tx, n) < 0) {
        rtl8139_bus_error(d);
        good = false;
    }
    if (good && !transmit(d, &plain, c->tx, n))
        return;
    s->TSD[at] = (s->TSD[at] & (TSD_SIZE | TSD_ERTXTH)) | TSD_OWN | (good ? TSD_TOK : TSD_TABT);
    s->tsd_at = (uint8_t)((at + 1) & 3);
    count(s, good);
}

/* --- C+ mode --- */

/* One frame as its descriptors describe it. */
struct gather {
    uint32_t opts1;   /* of the last descriptor: what is to be done with the frame */
    uint8_t opts2[4]; /* the same */
    size_t bytes;     /* at tx + VLAN_TAG */
    bool bad;         /* too long, or not all could be read */
};

/* The sum is compared with the room that is left (XSA-135). */
static void gather_piece(struct device *d, const struct rtl8139_desc *desc, struct gather *g)
{
    struct rtl8139 *c = (struct rtl8139 *)d;
    uint32_t len = le32(desc->opts1) & DESC_LENGTH;

    if (g->bad || len == 0)
        return;
    if (len > NET_FRAME_MAX - g->bytes) {
        g->bad = true;
    } else if (dma_read(d, GPA(le64(desc->address)), c->tx + VLAN_TAG + g->bytes, len) < 0) {
        rtl8139_bus_error(d);
        g->bad = true;
    } else {
        g->bytes += len;
    }
}

/* Collect a frame. 0; -EAGAIN: not all of it is the card's yet; -EFAULT: the ring cannot be read. A
 * ring in which no frame ends is one bad frame (CVE-2016-8910). */
static int gather(struct device *d, unsigned ring, struct gather *g)
{
    const struct rtl8139_state *s = d->state;
    struct rtl8139_chain *chain = &((struct rtl8139 *)d)->tx_chain;
    unsigned first = s->ring_at[ring] % DESC_RING;

    *g = (struct gather){ 0 };
    chain->n = 0;
    chain->next = first;
    do {
        struct rtl8139_desc desc;
        uint32_t opts1;

        if (rtl8139_fetch(d, ring, chain->next, &chain->at[chain->n], &desc) < 0)
            return -EFAULT;
        opts1 = le32(desc.opts1);
        if (!(opts1 & DESC_OWN))
            return -EAGAIN;
        gather_piece(d, &desc, g);
        g->opts1 = opts1;
        memcpy(g->opts2, desc.opts2, sizeof g->opts2);
        chain->opts1[chain->n++] = opts1;
        chain->next = rtl8139_next(chain->next, opts1);
    } while (!(g->opts1 & DESC_LS) && chain->n < DESC_RING && chain->next != first);
    if (!(g->opts1 & DESC_LS))
        g->bad = true;
    return 0;
}

/* The tag stands in the descriptor as on the wire. */
static uint8_t *insert_tag(uint8_t *tx, struct gather *g)
{
    if (!(le32(g->opts2) & DESC_TAGC) || g->bytes < ETHER_HEADER)
        return tx + VLAN_TAG;
    memmove(tx, tx + VLAN_TAG, 12);
    tx[12] = ETHERTYPE_VLAN >> 8;
    tx[13] = ETHERTYPE_VLAN & 0xff;
    tx[14] = g->opts2[0];
    tx[15] = g->opts2[1];
    g->bytes += VLAN_TAG;
    return tx;
}

/* The host has the frame, or it is dropped: its descriptors are the guest's again. */
static void give_back(struct device *d, unsigned ring, bool good)
{
    struct rtl8139_state *s = d->state;
    const struct rtl8139_chain *chain = &((struct rtl8139 *)d)->tx_chain;

    for (unsigned i = 0; i < chain->n; i++) {
        uint8_t old[4], value[4];

        put_le32(old, chain->opts1[i]);
        put_le32(value, (chain->opts1[i] & (DESC_EOR | DESC_FS | DESC_LS | DESC_LENGTH)) |
                            (good ? 0 : DESC_TES | DESC_EXC));
        if (!device_publish(d, chain->at[i], old, value, sizeof value))
            rtl8139_bus_error(d);
        s->TDOKLADDR = (uint16_t)chain->at[i].v;
    }
    s->ring_at[ring] = (uint8_t)(chain->next % DESC_RING);
    count(s, good);
}

static bool next_is_ours(struct device *d, unsigned ring)
{
    const struct rtl8139_state *s = d->state;
    struct rtl8139_desc desc;
    gpa_t at;

    return rtl8139_fetch(d, ring, s->ring_at[ring], &at, &desc) == 0 &&
           (le32(desc.opts1) & DESC_OWN);
}

/* The ring has nothing to send, as far as we know: the next TPPoll goes on with it. */
static void ring_stop(struct rtl8139_state *s, unsigned ring)
{
    s->TPPOLL &= (uint8_t) ~(ring == RING_TX ? TPPOLL_NPQ : TPPOLL_HPQ);
    s->tx_left[ring] = 0;
    SET(s, ISR, TDU);
}

static void ring_send(struct device *d, unsigned ring)
{
    struct rtl8139_state *s = d->state;
    struct rtl8139 *c = (struct rtl8139 *)d;
    struct net_offload o = { 0 };
    struct gather g;
    uint8_t *frame;

    if (gather(d, ring, &g) < 0) {
        ring_stop(s, ring);
        return;
    }
    frame = insert_tag(c->tx, &g);
    if (g.opts1 & DESC_LGSEN)
        g.bad |= !frame_large_send(frame, g.bytes, g.opts1 >> DESC_MSS_SHIFT & DESC_MSS, &o);
    else
        frame_checksums(frame, g.bytes, g.opts1, &o);
    if (!g.bad && !transmit(d, &o, frame, g.bytes))
        return;
    give_back(d, ring, !g.bad);
    if (s->tx_left[ring])
        s->tx_left[ring]--;
    if (!s->tx_left[ring] || !next_is_ours(d, ring))
        ring_stop(s, ring);
}

void rtl8139_tx_poll(struct device *d)
{
    struct rtl8139_state *s = d->state;

    if (!HAS(s, CR, TE) || !HAS(s, CPCR, CPTX))
        s->TPPOLL = 0;
    if (HAS(s, TPPOLL, NPQ))
        s->tx_left[RING_TX] = DESC_RING;
    if (HAS(s, TPPOLL, HPQ))
        s->tx_left[RING_TX_HIGH] = DESC_RING;
}

void rtl8139_tx_expired(struct device *d)
{
    const struct rtl8139_state *s = d->state;

    if (!rtl8139_tx_pending(s))
        return;
    if (HAS(s, CPCR, CPTX))
        ring_send(d, HAS(s, TPPOLL, HPQ) ? RING_TX_HIGH : RING_TX);
    else
        tsd_send(d);
}
