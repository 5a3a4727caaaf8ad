/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_rx - the receiver of the 82540EM.
 *
 * Datasheet: Intel 317453 (8254x manual), 3.2 "Packet Reception".
 * Present:   address filters (exact, multicast table, broadcast, promiscuous), 802.1Q filter and
 *            stripping, all buffer sizes, frames over several descriptors, checksum status, packet
 *            checksum, RDTR, RADV, RSRPD, low threshold, null descriptors.
 * Absent:    the bytes of the FCS (zero, where SECRC does not strip it), flow control, bad frames:
 *            there are none here, so SBP is for those that are too long only.
 * Choice:    TCP and UDP are called good when the host's side has said so, or the sum was made
 * here; otherwise IXSM is set and the guest looks for itself, as it would have to in any case. A
 * frame for which there is no memory is dropped (RNBC, MPC, RXO): ready() says no before that
 * happens, where the ring is large enough.
 */
#include "hw/core/publish.h"
#include "net/csum.h"
#include "hw/network/e1000.h"

enum {
    RX_DD = 0x01,
    RX_EOP = 0x02,
    RX_IXSM = 0x04,
    RX_VP = 0x08,
    RX_TCPCS = 0x20,
    RX_IPCS = 0x40,
    RX_PIF = 0x80
};
enum { RX_IPE = 0x40 }; /* in the byte of errors */
enum { TYPE = 12, HEADER = 14, TYPE_IP4 = 0x0800, IP4_HEADER = 20, IP4_TCP = 6, IP4_UDP = 17 };
enum { LONG_FRAME = 1522 }; /* with FCS: more needs LPE */
enum { TCI_VID = 0xfff, TCI_CFI = 0x1000 };

/* A frame on its way to memory. */
struct rx_frame {
    uint8_t *bytes;
    uint32_t n;
    uint8_t status, errors;
    uint16_t csum, tag;
};

static bool rx_ring(const struct e1000_state *s, struct e1000_ring *r)
{
    return HAS(s, RCTL, EN) && e1000_ring(r, s->RDBAL, s->RDBAH, s->RDLEN, s->RDH, s->RDT);
}

static uint32_t buffer_size(const struct e1000_state *s)
{
    static const uint16_t sizes[2][4] = { { 2048, 1024, 512, 256 }, { 2048, 16384, 8192, 4096 } };

    return sizes[HAS(s, RCTL, BSEX)][RCTL_BSIZE_OF(s->RCTL)];
}

bool e1000_rx_ready(const struct device *d)
{
    const struct e1000_state *s = d->state;
    uint32_t longest = HAS(s, RCTL, LPE) ? E1000_RX_MAX : LONG_FRAME, need;
    struct e1000_ring r;

    if (d->unplugged || e1000_loopback(s) || !rx_ring(s, &r) || r.n < 2)
        return false;
    need = (longest + buffer_size(s) - 1) / buffer_size(s);
    if (need > r.n - 1)
        need = r.n - 1;
    return e1000_ring_filled(&r) >= need;
}

/* --- filters --- */

static bool exact_match(const struct e1000_state *s, const uint8_t *address)
{
    for (unsigned i = 0; i < ARRAY_SIZE(s->RA); i += 2)
        if (s->RA[i + 1] & RAH_AV && s->RA[i] == le32(address) &&
            (s->RA[i + 1] & 0xffff) == le16(address + 4))
            return true;
    return false;
}

static bool table_match(const struct e1000_state *s, const uint8_t *address)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned hash = le16(address + 4) >> shifts[RCTL_MO_OF(s->RCTL)] & 0xfff;

    return s->MTA[hash >> 5] >> (hash & 31) & 1;
}

static bool address_passes(const struct e1000_state *s, const uint8_t *address, uint8_t *status)
{
    if (e1000_is_broadcast(address) && HAS(s, RCTL, BAM))
        return true;
    if (exact_match(s, address))
        return true;
    if (!e1000_is_multicast(address))
        return HAS(s, RCTL, UPE);
    if (table_match(s, address)) {
        *status |= RX_PIF; /* not for sure ours: software has to look */
        return true;
    }
    return HAS(s, RCTL, MPE);
}

static bool vlan_passes(const struct e1000_state *s, uint16_t tci)
{
    unsigned vid = tci & TCI_VID;

    if (!HAS(s, RCTL, VFE))
        return true;
    if (HAS(s, RCTL, CFIEN) && !!(tci & TCI_CFI) != HAS(s, RCTL, CFI))
        return false;
    return s->VFTA[vid >> 5] >> (vid & 31) & 1;
}

/* --- checksums --- */

/* Status and errors of a frame whose TCP or UDP sum is known to be right (`valid`), or not known.
 */
static void checksums(const struct e1000_state *s, struct rx_frame *f, bool valid)
{
    const uint8_t *ip = f->bytes + HEADER;
    uint32_t left = f->n - HEADER, length;
    bool fragment;

    f->status |= RX_IXSM;
    if (!(s->RXCSUM & (RXCSUM_IPOFL | RXCSUM_TUOFL)) || !valid || f->n < HEADER + IP4_HEADER ||
        be16(f->bytes + TYPE) != TYPE_IP4 || ip[0] >> 4 != 4)
        return;
    length = (ip[0] & 0xfu) * 4;
    if (length < IP4_HEADER || length > left)
        return;
    fragment = be16(ip + 6) & 0x3fff;
    f->status &= (uint8_t)~RX_IXSM;
    if (HAS(s, RXCSUM, IPOFL)) {
        f->status |= RX_IPCS;
        if (csum_of(ip, length) != 0xffff)
            f->errors |= RX_IPE;
    }
    if (HAS(s, RXCSUM, TUOFL) && !fragment && (ip[9] == IP4_TCP || ip[9] == IP4_UDP))
        f->status |= RX_TCPCS;
}

/* --- to memory --- */

/* Where the pieces of a frame go. */
struct rx_place {
    uint32_t descs, done; /* descriptors; bytes */
    uint32_t next;        /* the head behind it */
    struct e1000_desc desc[E1000_RX_DESCS];
    uint16_t length[E1000_RX_DESCS]; /* bytes in each; 0: a null descriptor */
};

/* Nothing is handed back before all of it is there. */
static bool rx_store(struct device *d, const struct rx_frame *f, const struct e1000_ring *r,
                     struct rx_place *p)
{
    uint32_t size = buffer_size(d->state), left = e1000_ring_filled(r), at = r->head;

    for (; f->n > p->done; left--, at = at + 1 < r->n ? at + 1 : 0) {
        uint32_t n = f->n - p->done < size ? f->n - p->done : size;
        uint8_t desc[E1000_DESC];
        gpa_t gpa;

        if (!left || p->descs == E1000_RX_DESCS ||
            !gpa_add(GPA(r->base), (uint64_t)at * E1000_DESC, &gpa) || dma_fetch(d, gpa, &desc) < 0)
            return false;
        if (le64(desc) == 0)
            n = 0;
        else if (dma_write(d, GPA(le64(desc)), f->bytes + p->done, n) < 0)
            return false;
        p->desc[p->descs] = (struct e1000_desc){ gpa.v, le64(desc + 8) };
        p->length[p->descs++] = (uint16_t)n;
        p->done += n;
    }
    p->next = at;
    return p->descs <= device_publish_room(d);
}

static void rx_publish(struct device *d, const struct rx_frame *f, const struct rx_place *p)
{
    for (uint32_t i = 0; i < p->descs && i < E1000_RX_DESCS; i++) {
        uint64_t done = RX_DD, old = p->desc[i].old;

        if (i + 1 == p->descs)
            done = (uint64_t)f->tag << 48 | (uint64_t)f->errors << 40 |
                   (uint64_t)(f->status | RX_EOP | RX_DD) << 32 | (uint64_t)f->csum << 16;
        else
            done = (uint64_t)(f->status | RX_DD) << 32 | (uint64_t)f->csum << 16;
        done |= p->length[i];
        if (p->length[i] == 0)
            done = old | (uint64_t)RX_DD << 32;
        if (!device_publish(d, GPA(p->desc[i].at + 8), &old, &done, sizeof done))
            d->stats.refused++;
    }
}

static void rx_missed(struct device *d)
{
    struct e1000_state *s = d->state;

    e1000_count(s, STAT_RNBC, 1);
    e1000_count(s, STAT_MPC, 1);
    e1000_cause(d, ICR_RXO);
}

/* Free descriptors fell to the share of the ring that RDMTS names. */
static bool falls_low(const struct e1000_state *s, const struct e1000_ring *before)
{
    uint32_t low = before->n >> (1 + (RCTL_RDMTS_OF(s->RCTL) < 2 ? RCTL_RDMTS_OF(s->RCTL) : 2));
    struct e1000_ring now = *before;

    now.head = s->RDH;
    return e1000_ring_filled(before) > low && e1000_ring_filled(&now) <= low;
}

static void rx_interrupts(struct device *d, const struct e1000_ring *before, uint32_t bytes)
{
    struct e1000_state *s = d->state;

    if (falls_low(s, before))
        e1000_cause(d, ICR_RXDMT0);
    if (bytes <= s->RSRPD)
        e1000_cause(d, ICR_SRPD);
    if (s->RDTR)
        e1000_delay(d, &s->rx_irq, &s->rx_latest, s->RDTR, s->RADV);
    else
        e1000_cause(d, ICR_RXT0);
}

static void rx_deliver(struct device *d, struct rx_frame *f)
{
    struct e1000_state *s = d->state;
    struct e1000_ring r;
    struct rx_place place;

    place.descs = place.done = place.next = 0;
    if (!rx_ring(s, &r))
        return;
    if (!rx_store(d, f, &r, &place)) {
        rx_missed(d);
        return;
    }
    rx_publish(d, f, &place);
    s->RDH = place.next;
    rx_interrupts(d, &r, f->n);
}

static void rx_count(struct e1000_state *s, const uint8_t *p, uint32_t n)
{
    e1000_count(s, STAT_GPRC, 1);
    e1000_count_octets(s, STAT_GORC, n + E1000_FCS);
    e1000_count_length(s, STAT_PRC64, n);
    if (e1000_is_broadcast(p))
        e1000_count(s, STAT_BPRC, 1);
    else if (e1000_is_multicast(p))
        e1000_count(s, STAT_MPRC, 1);
}

/* A copy of the frame as it goes to memory: as long as the wire would have made it, without a tag
 * that CTRL.VME takes out. False: a filter drops it. */
static bool rx_prepare(struct device *d, const struct e1000_frame *in, struct rx_frame *f)
{
    const struct e1000_state *s = d->state;
    bool valid = in->o->flags & NET_DATA_VALID;

    memcpy(f->bytes, in->bytes, in->n);
    f->n = (uint32_t)in->n;
    if (!address_passes(s, f->bytes, &f->status))
        return false;
    if (in->o->flags & NET_NEEDS_CSUM) /* made here: the guest may pass the frame on */
        valid = csum_complete(f->bytes, f->n, in->o->csum_start, in->o->csum_offset) || valid;
    if (f->n < E1000_MIN) {
        memset(f->bytes + f->n, 0, E1000_MIN - f->n);
        f->n = E1000_MIN;
    }
    if (be16(f->bytes + TYPE) == (s->VET & 0xffff)) {
        uint16_t tci = be16(f->bytes + TYPE + 2);

        if (!vlan_passes(s, tci))
            return false;
        if (HAS(s, CTRL, VME)) {
            f->tag = tci;
            f->status |= RX_VP;
            memmove(f->bytes + TYPE, f->bytes + TYPE + E1000_TAG, f->n - TYPE - E1000_TAG);
            f->n -= E1000_TAG;
        }
    }
    checksums(s, f, valid);
    return true;
}

void e1000_rx(struct device *d, void *frame)
{
    struct e1000_state *s = d->state;
    const struct e1000_frame *in = frame;
    struct rx_frame f = { .bytes = ((struct e1000 *)d)->rx };
    uint32_t wire = in->n < E1000_MIN ? (uint32_t)E1000_MIN : (uint32_t)in->n;
    unsigned skip = s->RXCSUM & 0xff;

    e1000_count(s, STAT_TPR, 1);
    e1000_count_octets(s, STAT_TOR, wire + E1000_FCS);
    if (in->n < HEADER || in->o->gso)
        return;
    if (wire + E1000_FCS > E1000_RX_MAX ||
        (wire + E1000_FCS > LONG_FRAME && !HAS(s, RCTL, LPE) && !HAS(s, RCTL, SBP))) {
        e1000_count(s, STAT_ROC, 1);
        return;
    }
    if (!HAS(s, RCTL, EN) || !rx_prepare(d, in, &f))
        return;
    rx_count(s, in->bytes, wire);
    if (!HAS(s, RCTL, SECRC)) {
        memset(f.bytes + f.n, 0, E1000_FCS);
        f.n += E1000_FCS;
    }
    if (skip < f.n)
        f.csum = csum_of(f.bytes + skip, f.n - skip);
    rx_deliver(d, &f);
}
