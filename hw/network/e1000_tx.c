/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000_tx - the transmitter of the 82540EM.
 *
 * Datasheet: Intel 317453 (8254x manual), 3.3 "Packet Transmission", 3.4 "Transmit Descriptor Ring
 *            Structure", 3.5 "TCP Segmentation", 3.6 "IP/TCP/UDP Transmit Checksum Offloading".
 * Present:   legacy, context and data descriptors; checksums; segmentation of TCP, which is left to
 *            the host's side as one large frame; 802.1Q tags; loopback.
 * Absent:    segmentation of UDP, and of what does not fit into an IP packet of 64 KiB: dropped.
 *            A frame without IFCS goes out as it is, its last bytes are not taken for an FCS.
 * Choice:    a frame is looked at when all of its descriptors are there, up to EOP, and from its
 *            first one each time; until it is sent nothing but TDH says how far we are. Descriptors
 *            that the ring cannot hold up to an EOP, or more than E1000_TX_DESCS, are dropped.
 *
 * Each event of the timer tx_due sends one frame (S4); after a death it may be sent twice.
 */
#include "hw/core/publish.h"
#include "net/csum.h"
#include "hw/network/e1000.h"

/* Second half of a descriptor. Bits 0 to 31: length, CSO or DTYP, CMD; legacy names. */
enum {
    CMD_EOP = 1u << 24,
    CMD_IC = 1u << 26, /* legacy */
    CMD_TSE = 1u << 26,
    CMD_RS = 1u << 27,
    CMD_DEXT = 1u << 29,
    CMD_VLE = 1u << 30,
    CMD_IDE = 1u << 31,
};
#define STA_DD (UINT64_C(1) << 32)
enum { POPTS_IXSM = 1, POPTS_TXSM = 2 };
enum { TUCMD_TCP = 1, TUCMD_IP = 2 };
enum { IP4_HEADER = 20, IP6_HEADER = 40, TCP_HEADER = 20, ADDRESSES = 12 };

enum tx_kind { TX_LEGACY, TX_CONTEXT, TX_DATA, TX_RESERVED };

struct tx_context {
    uint8_t ipcss, ipcso, tucss, tucso, tucmd, hdrlen;
    uint16_t ipcse, tucse, mss;
};

/* The frame at TDH. */
struct tx_frame {
    uint32_t descs, bytes;
    uint32_t next;       /* the head behind it */
    enum tx_kind kind;   /* of the first descriptor with data; TX_CONTEXT: there is none yet */
    uint32_t cmd, first; /* bits 0 to 31 of the last and of the first one */
    uint8_t css, popts;  /* of the first one */
    uint16_t tag;        /* of the last one */
    bool bad;            /* too long, or memory that is not there: dropped */
    bool status, delay;  /* RS, and RS with IDE */
    bool loaded[CONTEXTS];
    struct tx_context context[CONTEXTS]; /* those loaded before it */
};

static struct e1000 *e1000_of(struct device *d)
{
    return (struct e1000 *)d;
}

/* --- contexts --- */

static struct tx_context context_get(const struct e1000_state *s, unsigned i)
{
    return (struct tx_context){ .ipcss = s->IPCSS[i],
                                .ipcso = s->IPCSO[i],
                                .ipcse = s->IPCSE[i],
                                .tucss = s->TUCSS[i],
                                .tucso = s->TUCSO[i],
                                .tucse = s->TUCSE[i],
                                .tucmd = s->TUCMD[i],
                                .hdrlen = s->HDRLEN[i],
                                .mss = s->MSS[i] };
}

static void context_put(struct e1000_state *s, unsigned i, const struct tx_context *c)
{
    s->IPCSS[i] = c->ipcss;
    s->IPCSO[i] = c->ipcso;
    s->IPCSE[i] = c->ipcse;
    s->TUCSS[i] = c->tucss;
    s->TUCSO[i] = c->tucso;
    s->TUCSE[i] = c->tucse;
    s->TUCMD[i] = c->tucmd;
    s->HDRLEN[i] = c->hdrlen;
    s->MSS[i] = c->mss;
}

static void context_load(struct tx_frame *f, const uint8_t *d)
{
    uint32_t cmd = le32(d + 8);
    unsigned i = cmd & CMD_TSE ? CONTEXT_TSE : CONTEXT_CSUM;

    f->context[i] = (struct tx_context){ .ipcss = d[0],
                                         .ipcso = d[1],
                                         .ipcse = le16(d + 2),
                                         .tucss = d[4],
                                         .tucso = d[5],
                                         .tucse = le16(d + 6),
                                         .tucmd = (uint8_t)(cmd >> 24),
                                         .hdrlen = d[13],
                                         .mss = le16(d + 14) };
    f->loaded[i] = true;
}

/* --- the ring --- */

static enum tx_kind kind_of(uint32_t cmd)
{
    if (!(cmd & CMD_DEXT))
        return TX_LEGACY;
    switch (cmd >> 20 & 0xf) {
    case 0:
        return TX_CONTEXT;
    case 1:
        return TX_DATA;
    default:
        return TX_RESERVED;
    }
}

static void tx_data(struct device *d, struct tx_frame *f, const uint8_t *desc)
{
    uint8_t *to = e1000_of(d)->tx + E1000_TAG;
    uint32_t cmd = le32(desc + 8);
    uint32_t len = cmd & (cmd & CMD_DEXT ? 0xfffff : 0xffff);

    if (f->kind == TX_CONTEXT) {
        f->kind = kind_of(cmd);
        f->first = cmd;
        f->css = f->popts = desc[13];
    }
    f->cmd = cmd;
    f->tag = le16(desc + 14);
    if (f->bad)
        return;
    if (len > NET_FRAME_MAX - f->bytes ||
        (len && dma_read(d, GPA(le64(desc)), to + f->bytes, len) < 0))
        f->bad = true;
    else
        f->bytes += len;
}

enum tx_walk { TX_STOP, TX_PART, TX_MANY, TX_END };

/* Read descriptors from TDH on, up to the end of a frame. TX_STOP: one cannot be read. */
static enum tx_walk tx_walk(struct device *d, struct tx_frame *f, const struct e1000_ring *r)
{
    uint32_t left = e1000_ring_filled(r), at = r->head;

    for (; left; left--, at = f->next) {
        uint8_t desc[E1000_DESC];
        gpa_t gpa;
        enum tx_kind kind;

        if (f->descs == E1000_TX_DESCS)
            return TX_MANY;
        if (!gpa_add(GPA(r->base), (uint64_t)at * E1000_DESC, &gpa) || dma_fetch(d, gpa, &desc) < 0)
            return TX_STOP;
        e1000_of(d)->tx_desc[f->descs++] = (struct e1000_desc){ gpa.v, le64(desc + 8) };
        f->next = at + 1 < r->n ? at + 1 : 0;
        kind = kind_of(le32(desc + 8));
        if (kind == TX_CONTEXT && f->kind == TX_CONTEXT)
            context_load(f, desc); /* inside of a frame it is not looked at */
        if (kind != TX_LEGACY && kind != TX_DATA)
            continue;
        tx_data(d, f, desc);
        if (f->cmd & CMD_EOP)
            return TX_END;
    }
    return TX_PART;
}

/* The descriptors of the frame are the guest's again. */
static void tx_done(struct device *d, struct tx_frame *f)
{
    struct e1000_state *s = d->state;
    const struct e1000_desc *desc = e1000_of(d)->tx_desc;

    for (unsigned i = 0; i < CONTEXTS; i++)
        if (f->loaded[i])
            context_put(s, i, &f->context[i]);
    for (uint32_t i = 0; i < f->descs && i < E1000_TX_DESCS; i++) {
        uint64_t done = desc[i].old | STA_DD;

        if (!(desc[i].old & CMD_RS))
            continue;
        f->delay = desc[i].old & CMD_IDE && (f->delay || !f->status);
        f->status = true;
        if (!device_publish(d, GPA(desc[i].at + 8), &desc[i].old, &done, sizeof done))
            d->stats.refused++; /* there is room: the bus was taken from us meanwhile */
    }
    s->TDH = f->next;
}

static void tx_interrupts(struct device *d, const struct tx_frame *f)
{
    struct e1000_state *s = d->state;

    if (f->status && f->delay && s->TIDV)
        e1000_delay(d, &s->tx_irq, &s->tx_latest, s->TIDV, s->TADV);
    else if (f->status)
        e1000_cause(d, ICR_TXDW);
    if (s->TDH == s->TDT)
        e1000_cause(d, ICR_TXQE);
}

/* --- offload --- */

/* Insert the sum of bytes css to cse (0: to the end) at cso. The field counts as it stands: there
 * is the pseudo header's sum. False: they do not lie within the frame. */
static bool insert_sum(uint8_t *p, uint32_t n, uint32_t css, uint32_t cso, uint32_t cse, bool udp)
{
    uint32_t end = cse && cse < n ? cse + 1 : n;
    uint16_t sum;

    if (css >= end || cso + 2 > n)
        return false;
    sum = (uint16_t)~csum_of(p + css, end - css);
    put_be16(p + cso, udp && sum == 0 ? 0xffff : sum);
    return true;
}

/* The sum of TCP or UDP: the host's side makes it where it can, that is, where it goes to the end.
 */
static void sum_later(uint8_t *p, uint32_t n, const struct tx_context *c, struct net_offload *o)
{
    if (c->tucse && c->tucse < n - 1u) {
        (void)insert_sum(p, n, c->tucss, c->tucso, c->tucse, !(c->tucmd & TUCMD_TCP));
    } else if (c->tucss < n && c->tucso >= c->tucss && c->tucso + 2u <= n) {
        o->flags = NET_NEEDS_CSUM;
        o->csum_start = c->tucss;
        o->csum_offset = (uint16_t)(c->tucso - c->tucss);
    }
}

/* One large frame for the host's side to cut. The driver leaves lengths out, which the chip puts
 * into each segment: they become those of the whole. False: that cannot be. */
static bool segment(struct device *d, const struct tx_frame *f, uint8_t *p, struct net_offload *o)
{
    const struct tx_context *c = &f->context[CONTEXT_TSE];
    bool ip4 = c->tucmd & TUCMD_IP;
    uint32_t n = f->bytes, ip = n - c->ipcss, header = ip4 ? IP4_HEADER : IP6_HEADER;

    if (!(c->tucmd & TUCMD_TCP)) {
        guest_note(d, NOTE_FEATURE, 0, "the guest wants UDP segmented, which is not implemented");
        return false;
    }
    if (c->mss == 0 || c->hdrlen >= n || c->tucss + (uint32_t)TCP_HEADER > c->hdrlen ||
        c->ipcss + header > c->tucss || c->tucso < c->tucss || c->tucso + 2u > c->hdrlen)
        return false;
    if (ip - (ip4 ? 0 : IP6_HEADER) > 0xffff)
        return false;
    if (ip4) {
        put_be16(p + c->ipcss + 2, (uint16_t)ip);
        if (f->popts & POPTS_IXSM && !insert_sum(p, n, c->ipcss, c->ipcso, c->ipcse, false))
            return false;
    } else {
        put_be16(p + c->ipcss + 4, (uint16_t)(ip - IP6_HEADER));
    }
    put_be16(p + c->tucso, csum_fold(be16(p + c->tucso) + (uint64_t)(n - c->tucss)));
    *o = (struct net_offload){ .flags = NET_NEEDS_CSUM,
                               .csum_start = c->tucss,
                               .csum_offset = (uint16_t)(c->tucso - c->tucss) };
    if (n - c->hdrlen > c->mss) {
        o->gso = ip4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
        o->gso_size = c->mss;
        o->hdr_len = c->hdrlen;
    }
    return true;
}

/* What the descriptors ask for. False: the frame is dropped. */
static bool tx_offload(struct device *d, const struct tx_frame *f, uint8_t *p,
                       struct net_offload *o)
{
    const struct tx_context *c = &f->context[CONTEXT_CSUM];

    *o = (struct net_offload){ 0 };
    if (f->bad || f->bytes == 0)
        return false;
    if (f->kind == TX_DATA && f->first & CMD_TSE)
        return segment(d, f, p, o);
    if (f->bytes > E1000_TX_MAX)
        return false;
    if (f->kind == TX_LEGACY && f->first & CMD_IC)
        (void)insert_sum(p, f->bytes, f->css, f->first >> 16 & 0xff, 0, false);
    if (f->kind == TX_DATA && f->popts & POPTS_IXSM)
        (void)insert_sum(p, f->bytes, c->ipcss, c->ipcso, c->ipcse, false);
    if (f->kind == TX_DATA && f->popts & POPTS_TXSM)
        sum_later(p, f->bytes, c, o);
    return true;
}

/* In front of the type; the place before the frame is there for it. */
static void insert_tag(const struct e1000_state *s, const struct tx_frame *f, struct iovec *io,
                       struct net_offload *o)
{
    uint8_t *p = (uint8_t *)io->iov_base - E1000_TAG;

    memmove(p, io->iov_base, ADDRESSES);
    put_be16(p + ADDRESSES, (uint16_t)s->VET);
    put_be16(p + ADDRESSES + 2, f->tag);
    *io = (struct iovec){ p, io->iov_len + E1000_TAG };
    if (o->flags & NET_NEEDS_CSUM)
        o->csum_start = (uint16_t)(o->csum_start + E1000_TAG);
    if (o->gso)
        o->hdr_len = (uint16_t)(o->hdr_len + E1000_TAG);
}

/* --- one frame --- */

static void tx_count(struct e1000_state *s, const struct iovec *io, const struct net_offload *o)
{
    const uint8_t *p = io->iov_base;
    uint32_t n = (uint32_t)io->iov_len, frames = 1;

    if (o->gso) {
        uint32_t payload = n - o->hdr_len;

        frames = (payload + o->gso_size - 1) / o->gso_size; /* gso_size is MSS, which is not 0 */
        n += (frames - 1) * o->hdr_len;
        e1000_count(s, STAT_TSCTC, 1);
    } else {
        e1000_count_length(s, STAT_PTC64, n);
    }
    e1000_count(s, STAT_GPTC, frames);
    e1000_count(s, STAT_TPT, frames);
    e1000_count_octets(s, STAT_GOTC, (uint64_t)n + frames * (uint64_t)E1000_FCS);
    e1000_count_octets(s, STAT_TOT, (uint64_t)n + frames * (uint64_t)E1000_FCS);
    if (e1000_is_broadcast(p))
        e1000_count(s, STAT_BPTC, 1);
    else if (e1000_is_multicast(p))
        e1000_count(s, STAT_MPTC, 1);
}

/* What goes to the wire, in *io. False: nothing does. */
static bool tx_prepare(struct device *d, const struct tx_frame *f, struct iovec *io,
                       struct net_offload *o)
{
    const struct e1000_state *s = d->state;
    uint8_t *p = e1000_of(d)->tx + E1000_TAG;

    if (!tx_offload(d, f, p, o))
        return false;
    *io = (struct iovec){ p, f->bytes };
    if (HAS(s, CTRL, VME) && f->cmd & CMD_VLE && f->bytes >= ADDRESSES)
        insert_tag(s, f, io, o);
    if (HAS(s, TCTL, PSP) && io->iov_len < E1000_MIN) {
        memset((uint8_t *)io->iov_base + io->iov_len, 0, E1000_MIN - io->iov_len);
        io->iov_len = E1000_MIN;
    }
    return io->iov_len >= ADDRESSES + 2;
}

/* False: the host takes none now, and the frame stays where it is. */
static bool tx_send(struct device *d, struct tx_frame *f)
{
    struct e1000_state *s = d->state;
    struct net_offload o;
    struct iovec io = { NULL, 0 };
    bool send = tx_prepare(d, f, &io, &o), loop = e1000_loopback(s);

    if (send && !loop && d->host.net && !net_send(d->host.net, &o, &io, 1)) {
        e1000_of(d)->host_full = true;
        return false;
    }
    tx_done(d, f);
    if (!send) {
        d->stats.refused++;
        return true;
    }
    tx_count(s, &io, &o);
    if (loop && !o.gso) /* the receiver sends nothing: it ends there (CVE-2021-3416) */
        e1000_rx(d, &(struct e1000_frame){ &o, io.iov_base, io.iov_len });
    return true;
}

/* The ring begins with what cannot become a frame: it goes, up to its EOP. */
static void tx_drop(struct device *d, struct tx_frame *f)
{
    struct e1000_state *s = d->state;

    s->tx_skip = 1;
    d->stats.refused++;
    tx_done(d, f);
}

static void tx_frame(struct device *d, const struct e1000_ring *r)
{
    struct e1000_state *s = d->state;
    struct tx_frame f = { .kind = TX_CONTEXT, .bad = s->tx_skip, .next = r->head };

    for (unsigned i = 0; i < CONTEXTS; i++)
        f.context[i] = context_get(s, i);
    switch (tx_walk(d, &f, r)) {
    case TX_STOP:
        s->tx_wait = 1;
        d->stats.refused++;
        return;
    case TX_PART:
        if (f.kind == TX_CONTEXT && !s->tx_skip) {
            tx_done(d, &f); /* contexts, no more */
        } else if (s->tx_skip || e1000_ring_filled(r) == r->n - 1) {
            tx_drop(d, &f);
        } else {
            s->tx_wait = 1;
            return;
        }
        break;
    case TX_MANY:
        tx_drop(d, &f);
        break;
    case TX_END:
        if (!tx_send(d, &f))
            return;
        s->tx_skip = 0;
        break;
    }
    tx_interrupts(d, &f);
}

/* --- when --- */

static bool tx_ring(const struct device *d, struct e1000_ring *r)
{
    const struct e1000_state *s = d->state;

    return HAS(s, TCTL, EN) && e1000_ring(r, s->TDBAL, s->TDBAH, s->TDLEN, s->TDH, s->TDT) &&
           r->head != r->tail;
}

void e1000_tx_schedule(struct device *d)
{
    struct e1000_state *s = d->state;
    struct e1000_ring r;

    if (s->tx_wait || e1000_of(d)->host_full || d->unplugged || !tx_ring(d, &r)) {
        timer_cancel(d, &s->tx_due);
        s->tx_burst = 0;
        return;
    }
    if (s->tx_due)
        return;
    /* A burst has one moment, so that its frames go out in one turn of the loop; then others. */
    if (s->tx_burst == 0)
        s->tx_moment = clock_now(d);
    else if (s->tx_burst == E1000_BURST)
        s->tx_moment = clock_now(d) + 1;
    if (s->tx_burst == E1000_BURST)
        s->tx_burst = 0;
    timer_arm(d, &s->tx_due, s->tx_moment);
}

void e1000_tx_expired(struct device *d)
{
    struct e1000_state *s = d->state;
    struct e1000_ring r;

    if (s->tx_burst < E1000_BURST)
        s->tx_burst++;
    if (tx_ring(d, &r))
        tx_frame(d, &r);
}
