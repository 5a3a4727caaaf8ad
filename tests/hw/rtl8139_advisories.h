/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_advisories - flaws of other RTL8139s, PCnets and e1000s (docs/advisories.md), and a
 * driver for the generic checks and the fuzzer. Included by rtl8139.c.
 */
#ifndef TESTS_HW_RTL8139_ADVISORIES_H
#define TESTS_HW_RTL8139_ADVISORIES_H

enum { POISON = 0xa7 };

/* What lies in the card's buffer from before: a frame that was nothing but poison. */
static void poison(struct bench *b, unsigned n)
{
    static uint8_t frame[0xffff];

    memset(frame, POISON, sizeof frame);
    cp_open(b, 0, 64);
    cp_queue(b, 0, frame, n, 0, 0);
    cp_poll(b);
    EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), n);
    events(b);
}

/* What was sent is no longer than what was given, has none of the poison, and asks the host for
 * nothing beyond its end. */
static void expect_clean(struct bench *b, size_t given)
{
    static uint8_t got[0x11000];
    struct net_offload o;
    size_t n = wire_take(wire(b), &o, got, sizeof got);

    EXPECT_TRUE(n <= given);
    for (size_t i = 0; i < n; i++)
        if (got[i] == POISON)
            fail_msg("byte %zu of %zu is what the card held from before", i, n);
    if (o.flags & NET_NEEDS_CSUM)
        EXPECT_TRUE(o.csum_start + o.csum_offset + 2u <= n);
    if (o.gso)
        EXPECT_TRUE(o.hdr_len <= n && o.gso_size >= 28);
}

/* XSA-140 (CVE-2015-5165): lengths in headers that the packet does not have. */
TEST(rtl8139, xsa_140_lengths_in_headers)
{
    static const unsigned spans[] = { 14, 33, 34, 35, 53, 54, 55, 60, 100 };
    static const uint32_t asks[] = { IPCS,          IPCS | TCPCS,        IPCS | UDPCS,
                                     TCPCS | UDPCS, LGSEN | 1448u << 16, LGSEN | 28u << 16 };
    uint8_t frame[128];

    poison(b, 0xffff);
    for (unsigned i = 0; i < ARRAY_SIZE(spans); i++)
        for (unsigned ask = 0; ask < ARRAY_SIZE(asks); ask++)
            for (unsigned what = 0; what < 64; what++) {
                unsigned n = spans[i], span = n - 14;
                const unsigned totals[] = { 0, 19, 20, span, span + 1, 0xffff, span - 1, 40 };

                memset(frame, 0, sizeof frame);
                packet(frame, sizeof frame, what & 1 ? 6 : 17);
                for (unsigned k = 0; k < n; k++)
                    frame[k] = frame[k] == POISON ? 0 : frame[k];
                frame[14] = (uint8_t)(0x40 | (what & 2 ? 15 : what & 4 ? 4 : 5));
                frame[34 + 12] = (uint8_t)(what & 2 ? 0xf0 : what & 4 ? 0x40 : 0x50);
                put_be16(frame + 16, totals[what >> 3]);
                cp_queue(b, 1, frame, n, asks[ask], 0);
                out32(b, TNPDS, TX_RING);                     /* begin anew, */
                desc_put(b, TX_RING, 0, OWN | FS | LS, 0, 0); /* behind an empty one */
                wire_accept(wire(b), WIRE_FRAMES);
                cp_poll(b);
                if (wire_sent(wire(b)))
                    expect_clean(b, n);
                EXPECT_EQ(wire_sent(wire(b)), 0);
                EXPECT_TRUE(!(opts1(b, TX_RING, 1) & OWN));
            }
}

/* XSA-135 (CVE-2015-3209, PCnet): pieces that fit, and whose sum does not. */
TEST(rtl8139, xsa_135_sum_of_pieces)
{
    static const unsigned piece = 4096;
    const unsigned room = NET_FRAME_MAX, whole = room / piece;

    for (unsigned last = room % piece - 2; last <= room % piece + 2; last++) {
        cp_open(b, 0, 64);
        for (unsigned i = 0; i <= whole; i++)
            desc_put(b, TX_RING, i,
                     OWN |
                         (i == 0       ? FS
                          : i == whole ? LS
                                       : 0) |
                         (i == whole ? last : piece),
                     TAG, BUFFER);
        cp_poll(b);
        EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), 0); /* none of this is a frame */
        for (unsigned i = 0; i <= whole; i++)
            EXPECT_EQ(opts1(b, TX_RING, i) & OWN, 0);
    }
    cp_open(b, 0, 64);
    for (unsigned i = 0; i < 64; i++) /* a sum of 4 MiB */
        desc_put(b, TX_RING, i, OWN | 0xffff | (i == 63 ? LS | EOR : 0), 0, BUFFER);
    cp_poll(b);
    EXPECT_EQ(events(b), TER | TDU);
    c_open(b, APM);
    out32(b, TSAD0, BUFFER);
    out32(b, TSD0, 0x1fff); /* C mode: the longest that can be asked for */
    run(b);
    EXPECT_EQ(events(b), TER);
    EXPECT_EQ(wire_sent(wire(b)), 0);
}

/* XSA-162 (CVE-2015-7504, -7512, PCnet): what is appended counts. */
TEST(rtl8139, xsa_162_appended_bytes_count)
{
    static uint8_t frame[0x10100], after[64], page[64];
    const unsigned max = 4096 - 4;

    memset(page, 0x5a, sizeof page);
    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    for (unsigned cplus = 0; cplus < 2; cplus++)
        for (unsigned loop = 0; loop < 2; loop++)
            for (unsigned n = max - 8; n <= max + 8; n++) {
                if (cplus)
                    cp_open(b, 0, 64);
                else
                    c_open(b, APM);
                desc_put(b, RX_RING, 0, OWN | FS | LS | (n + 4), 0, rx_buffer(0));
                bench_ram_put(b, rx_buffer(0) + n + 4, page, sizeof page);
                bench_ram_put(b, RX_BYTES + n + 8, page, sizeof page);
                if (loop && cplus) {
                    out32(b, TCR, LOOPBACK);
                    cp_queue(b, 0, frame, n, 0, 0);
                    cp_poll(b);
                } else if (!loop) {
                    EXPECT_TRUE(give(b, frame, n));
                }
                if (!loop || cplus)
                    EXPECT_EQ(events(b) & (ROK | RDU), n <= max ? ROK : 0);
                bench_ram_get(b, cplus ? rx_buffer(0) + n + 4 : RX_BYTES + n + 8u, after, 64);
                assert_memory_equal(after, page, sizeof page);
            }
    cp_open(b, 0, 64);
    desc_put(b, RX_RING, 0, OWN | EOR | 60, 0, rx_buffer(0)); /* four bytes short of 64 */
    EXPECT_TRUE(give(b, frame, 60));
    EXPECT_EQ(events(b), RDU);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), 0);
}

/* CVE-2016-8910: a ring without an end of ring, with or without an end of frame. */
TEST(rtl8139, cve_2016_8910_ring_without_end)
{
    uint8_t frame[60];
    struct device *d = machine_find(b->m, "rtl8139", 0);
    uint64_t dma;

    fill(frame, sizeof frame);
    bench_ram_put(b, BUFFER, frame, sizeof frame);
    for (unsigned end = 0; end < 2; end++) {
        cp_open(b, 0, 64);
        for (unsigned i = 0; i < 4096; i++)
            desc_put(b, 0x200000, i, OWN | FS | (end ? LS : 0) | 60, 0, BUFFER);
        out32(b, TNPDS, 0x200000);
        dma = d->stats.dma_reads;
        wire_accept(wire(b), WIRE_FRAMES);
        cp_poll(b);
        bench_step(b, 1000000000);
        EXPECT_TRUE(d->stats.dma_reads - dma <= 3 * 64 + 1);
        EXPECT_EQ(wire_sent(wire(b)), end ? 64 : 0);
        EXPECT_EQ(machine_host_deadline(b->m), UINT64_MAX);
        EXPECT_EQ(opts1(b, 0x200000, 63) & OWN, 0);
        EXPECT_TRUE(opts1(b, 0x200000, 64) & OWN);
        while (wire_sent(wire(b)))
            (void)wire_take(wire(b), NULL, NULL, 0);
    }
    cp_open(b, 0, 64);
    desc_put(b, TX_RING, 0, OWN | EOR | FS | 60, 0, BUFFER); /* a ring of one, without an end */
    cp_poll(b);
    EXPECT_EQ(opts1(b, TX_RING, 0) & OWN, 0);
    EXPECT_EQ(events(b), TER | TDU);
    for (unsigned i = 0; i < 4096; i++)
        desc_put(b, 0x200000, i, OWN, 0, BUFFER); /* and buffers of no bytes */
    out32(b, RDSAR, 0x200000);
    dma = d->stats.dma_reads;
    ethernet(frame, mac, 0x88b5);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_TRUE(d->stats.dma_reads - dma <= 64);
    EXPECT_EQ(events(b), RDU);
}

/* S4: another vCPU gives the same descriptor again and again. A TPPoll is worth 64 frames. */
TEST(rtl8139, ring_that_is_always_full)
{
    unsigned n = 0;

    cp_open(b, 0, 2);
    wire_accept(wire(b), 0);
    for (unsigned i = 0; i < 2; i++)
        desc_put(b, TX_RING, i, OWN | (i ? EOR : 0) | FS | LS | 60, 0, BUFFER);
    cp_poll(b);
    for (; n < 1000; n++) {
        wire_accept(wire(b), 1);
        run(b);
        if (wire_take(wire(b), NULL, NULL, 0) == 0)
            break;
        desc_put(b, TX_RING, n % 2, OWN | (n % 2 ? EOR : 0) | FS | LS | 60, 0, BUFFER);
    }
    EXPECT_EQ(n, 64);
    EXPECT_EQ(in8(b, TPPOLL), 0);
}

/* CVE-2018-17958, and virtfuzz: sizes of frames from the network, of all kinds. */
TEST(rtl8139, cve_2018_17958_sizes_from_the_network)
{
    static const size_t sizes[] = { 0, 13, 14, 59, 60, 1514, 4092, 4093, 65535, 65536, 0x10010 };
    static uint8_t frame[0x10100];
    uint8_t got[64];

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    for (unsigned cplus = 0; cplus < 2; cplus++) {
        for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
            size_t n = sizes[i];

            if (cplus)
                cp_open(b, 0, 64);
            else
                c_open(b, APM);
            desc_put(b, RX_RING, 0, OWN | 0x1fff, 0, rx_buffer(0));
            EXPECT_TRUE(give(b, frame, n));
            EXPECT_EQ(events(b), n >= 14 && n <= 4092 ? ROK : 0);
            if (n < 14 || n > 60)
                continue;
            bench_ram_get(b, cplus ? rx_buffer(0) : RX_BYTES + 4, got, sizeof got);
            assert_memory_equal(got, frame, n);
            for (size_t k = n; k < 64; k++)
                EXPECT_EQ(got[k], 0);
        }
        EXPECT_TRUE(give(b, frame, (size_t)1 << 31)); /* nobody looks at so many */
        EXPECT_TRUE(give(b, frame, ((size_t)1 << 32) + 60));
        EXPECT_EQ(events(b), 0);
    }
}

TEST(rtl8139, packets_of_length_zero)
{
    cp_open(b, RXCHKSUM, 64);
    for (unsigned n = 0; n < 14; n++)
        for (unsigned loop = 0; loop < 2; loop++) {
            out32(b, TCR, loop ? LOOPBACK : 0);
            out32(b, TNPDS, TX_RING);
            desc_put(b, TX_RING, 0, OWN | FS | LS | IPCS | TCPCS | n, TAG, BUFFER);
            desc_put(b, TX_RING, 1, OWN | FS | LS | LGSEN | n, TAG, BUFFER);
            cp_poll(b);
            EXPECT_EQ(opts1(b, TX_RING, 0) & (OWN | TES), 0);
            EXPECT_EQ(opts1(b, TX_RING, 1) & (OWN | TES), TES);
            EXPECT_EQ(events(b), TOK | TER | TDU);
        }
    c_open(b, AAP);
    for (unsigned n = 0; n < 4; n++)
        out32(b, TSD0 + 4 * n, 0);
    run(b);
    EXPECT_EQ(events(b), TOK);
    EXPECT_EQ(in16(b, TSAD), 0xf00f);
    EXPECT_EQ(wire_sent(wire(b)), 0);
}

/* CVE-2021-3416: what is looped back is received within the event that sends it, and sends
 * nothing. */
TEST(rtl8139, cve_2021_3416_loopback)
{
    uint8_t frame[100], got[100];

    fill(frame, sizeof frame);
    memset(frame, 0xff, 6);
    for (unsigned cplus = 0; cplus < 2; cplus++) {
        if (cplus)
            cp_open(b, 0, 4);
        else
            c_open(b, AB);
        out32(b, TCR, LOOPBACK);
        if (cplus) { /* both rings are the same memory */
            out32(b, RDSAR, TX_RING);
            for (unsigned i = 0; i < 4; i++)
                desc_put(b, TX_RING, i, OWN | FS | LS | (i == 3 ? EOR : 0) | 100, 0, BUFFER);
            bench_ram_put(b, BUFFER, frame, sizeof frame);
            cp_poll(b);
            bench_step(b, 1000000);
            EXPECT_TRUE(events(b) & TOK);
            cp_open(b, 0, 4);
            out32(b, TCR, LOOPBACK);
            cp_queue(b, 0, frame, sizeof frame, 0, 0);
            cp_poll(b);
            EXPECT_EQ(opts1(b, RX_RING, 0), FS | LS | 0x01000000 | 104);
            bench_ram_get(b, rx_buffer(0), got, sizeof got);
        } else {
            c_send(b, 0, frame, sizeof frame);
            run(b);
            bench_ram_get(b, RX_BYTES + 4, got, sizeof got);
        }
        EXPECT_EQ(events(b) & (ROK | TOK), ROK | TOK);
        assert_memory_equal(got, frame, sizeof frame);
        EXPECT_EQ(wire_sent(wire(b)), 0);
        EXPECT_TRUE(give(b, frame, sizeof frame)); /* the receiver is not at the wire */
        EXPECT_EQ(events(b), 0);
    }
}

/* S10: each copy of a frame's way may fail. */
TEST(rtl8139, each_memory_access_may_fail)
{
    uint8_t frame[200];

    packet(frame, sizeof frame, 6);
    for (unsigned n = 1; n < 16; n++) {
        cp_open(b, RXCHKSUM, 4);
        cp_queue(b, 0, frame, 200, IPCS | TCPCS, 0);
        sim_fail_copy(b->hv, n);
        cp_poll(b);
        EXPECT_TRUE(give(b, frame, sizeof frame));
        sim_fail_copy(b->hv, 0);
        EXPECT_EQ(oracle_states(b), NULL);
        while (wire_sent(wire(b)))
            (void)wire_take(wire(b), NULL, NULL, 0);
    }
}

/* --- a driver, well or badly --- */

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 4;
}

/* An IPv4 packet of which a field or two may be wrong. */
static unsigned random_frame(uint8_t *frame, uint32_t *seed)
{
    static const unsigned sizes[] = { 0, 13, 14, 42, 60, 64, 100, 590, 1514 };
    uint32_t r = random_next(seed);
    unsigned n = sizes[r % ARRAY_SIZE(sizes)];

    packet(frame, 1514, r & 0x100 ? 6 : 17);
    put_be16(frame + 16, n < 14 ? n : n - 14);
    if (r & 0x200)
        memset(frame, 0xff, 6);
    if ((r & 0x7000) == 0)
        put_be16(frame + 16, r & 0x8000 ? 0xffff : n - 13 + (r >> 16 & 3));
    if (!(r & 0xc00))
        frame[14 + random_next(seed) % 60] = (uint8_t)random_next(seed);
    return n;
}

static void random_descriptors(struct bench *b, uint32_t *seed)
{
    static const uint64_t rings[] = { RX_RING, TX_RING, HIGH_RING, TX_RING };
    static const uint32_t asks[] = { 0, 0, IPCS | TCPCS, IPCS | UDPCS, LGSEN | 100u << 16 };
    static const uint32_t sizes[] = { 0, 14, 60, 1536, 8191, 65535 };
    uint64_t ring = rings[random_next(seed) % 4];
    unsigned n = 1 + random_next(seed) % 6, at = random_next(seed) % 256;
    uint8_t frame[1514];

    at = at < 64 ? at : 0; /* mostly where the card is */
    for (unsigned i = 0; i < n; i++) {
        uint32_t r = random_next(seed), v = OWN | asks[r % 5];
        uint64_t buffer = BUFFER + (r >> 4 & 0x3f) * 0x1000;
        unsigned bytes = random_frame(frame, seed);

        if (r & 0x1000)
            bytes = sizes[(r >> 13) % 6];
        else
            bench_ram_put(b, buffer, frame, bytes);
        if (i == 0)
            v |= FS;
        if (i + 1 == n || (r & 0x7010000) == 0)
            v |= LS;
        if ((r & 0x860000) == 0)
            v |= EOR;
        if ((r & 0x780000) == 0)
            buffer = 0xfffffff0;
        desc_put(b, ring, (at + i) % 64, v | bytes, r & 0x800000 ? TAG | (r & 0xffff) : 0, buffer);
    }
}

static void random_wire(struct bench *b, uint32_t *seed)
{
    uint32_t r = random_next(seed);
    struct net_offload o = { .flags = r & 3, .csum_start = 34, .csum_offset = r & 4 ? 16 : 6 };
    uint8_t frame[1514];
    unsigned n = random_frame(frame, seed);

    if (r >> 8 & 1)
        wire_give(wire(b), &o, frame, n);
    else if (r >> 9 & 1)
        wire_accept(wire(b), r >> 12 & 7);
    else
        for (unsigned i = r >> 12 & 15; i > 0; i--)
            (void)wire_take(wire(b), NULL, frame, sizeof frame);
}

static void random_open(struct bench *b, uint32_t *seed)
{
    uint32_t r = random_next(seed);

    plug_in(b);
    if (r & 1)
        c_open(b, (r >> 4 & 0x18ff) | AB | APM);
    else
        cp_open(b, r >> 4 & 0x7b, 1 + (r >> 12) % 64);
    if ((r & 0xe) == 0)
        out32(b, TCR, LOOPBACK);
}

static void guest_step(struct bench *b, uint32_t *seed)
{
    uint32_t r = random_next(seed);

    switch (r % 16) {
    case 0:
        random_open(b, seed);
        break;
    case 1:
    case 2:
    case 3:
        random_descriptors(b, seed);
        break;
    case 4:
        if (r & 0x1000)
            out32(b, TNPDS, TX_RING); /* from its start */
        out8(b, TPPOLL, NPQ);
        break;
    case 5:
        out8(b, TPPOLL, r >> 4 & 0xc1);
        break;
    case 6:
    case 7:
        out32(b, TSAD0 + 4 * (r >> 8 & 3), BUFFER + (r >> 10 & 0xfff));
        out32(b, TSD0 + 4 * (r >> 8 & 3), r >> 12 & 0x7ff);
        break;
    case 8:
        out16(b, CAPR, in16(b, CBR) - 16u + (r & 0x100 ? 4 : 0));
        break;
    case 9:
        (void)events(b);
        break;
    case 10:
        net_set_link(wire(b), r >> 8 & 3);
        break;
    case 11:
        out32(b, r & 0x100 ? DTCCR : TIMERINT, r >> 4 & 0xfffff);
        break;
    default:
        random_wire(b, seed);
        break;
    }
    if (r >> 20 & 1)
        bench_step(b, r >> 8 & 0xfff);
}
BENCH_GUEST(guest_step)

#endif
