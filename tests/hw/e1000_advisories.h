/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000_advisories - flaws of other models of this card; part of e1000.c. See docs/advisories.md.
 */

/* Timer events so far: each sends a frame, so their number is that of passes through the ring. */
static uint64_t events(struct bench *b)
{
    return machine_find(b->m, "e1000", 0)->stats.events;
}

static void drain(struct bench *b)
{
    while (wire_take(wire(b), NULL, NULL, 0))
        ;
    wire_accept(wire(b), WIRE_FRAMES);
}

/* The sum of a frame's descriptors is checked, not each of them. */
TEST(e1000, cve_2012_0029_sum_of_descriptors)
{
    static const uint32_t sizes[] = { 1, 4096, 16288, 65535 };

    open_card(b, BAM);
    for (unsigned i = 0, at = 0; i < 4 * 4 * 4 * 8; i++, at = (at + 3) % RING) {
        uint32_t sum = 0;

        for (unsigned k = 0; k < 3; k++) {
            uint32_t n = sizes[i >> 2 * k & 3];

            sum += n;
            put_desc(b, TX_RING, (at + k) % RING, TX_BUFFERS,
                     n | (i >> (6 + k) & 1 ? DATA : 0) | (k == 2 ? EOP | RS : 0), 0);
        }
        tail(b, (at + 3) % RING);
        EXPECT_EQ(rd(b, TDH), (at + 3) % RING);
        EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), sum > 16288 ? 0 : sum < 60 ? 60 : sum);
        wire_accept(wire(b), WIRE_FRAMES);
    }
    /* at the border, and what one descriptor alone can say */
    for (uint32_t n = 16287; n <= 16289; n++) {
        wr(b, TDH, 0);
        put_desc(b, TX_RING, 0, TX_BUFFERS, 10000, 0);
        put_desc(b, TX_RING, 1, TX_BUFFERS, (n - 10000) | EOP, 0);
        tail(b, 2);
        EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), n > 16288 ? 0 : n);
    }
    wr(b, TDH, 0);
    for (unsigned i = 0; i < 20; i++)
        put_desc(b, TX_RING, i, TX_BUFFERS, 0xfffff | DATA | (i == 19 ? EOP : 0), 0);
    tail(b, 20);
    EXPECT_EQ(rd(b, TDH), 20);
    EXPECT_EQ(wire_sent(wire(b)), 0);
}

/* The same for a frame that is to be segmented: 65554 bytes are the most that the host's side
 * takes.
 */
TEST(e1000, cve_2012_0029_segmented)
{
    open_card(b, BAM);
    context(b, 0, TCP | IP4 | TSE, 54, 1448);
    for (uint32_t n = 65540; n <= 65560; n += 4) {
        uint32_t sum = n - 14 > 0xffff ? 0 : n;

        wr(b, TDH, 0);
        put_desc(b, TX_RING, 1, TX_BUFFERS, 54 | DATA | TSE, 0);
        put_desc(b, TX_RING, 2, TX_BUFFERS, 60000 | DATA | TSE, 0);
        put_desc(b, TX_RING, 3, TX_BUFFERS, (n - 60054) | DATA | TSE | EOP, 0);
        tail(b, 4);
        EXPECT_EQ(rd(b, TDH), 4);
        EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), sum);
    }
}

/* A guest that asked for no long frames gets none; nothing is written behind a buffer. */
TEST(e1000, xsa_41_long_frames)
{
    static const uint32_t limits[] = { 1522, 16384 };
    static const uint32_t sizes[] = {
        0, 1 << 16, 2 << 16, 3 << 16, BSEX | 1 << 16, BSEX | 3 << 16
    };
    static const uint32_t bytes[] = { 2048, 1024, 512, 256, 16384, 4096 };
    uint8_t mark[16], got[16];

    memset(mark, 0x5c, sizeof mark);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes) * 4 * 2; i++) {
        unsigned size = i % ARRAY_SIZE(sizes), how = i / ARRAY_SIZE(sizes) & 3;
        uint32_t limit = limits[i / ARRAY_SIZE(sizes) / 4];

        for (uint32_t n = limit - 2; n <= limit + 2; n++) {
            bool taken = n <= 1522 || (n <= 16384 && how);

            open_card(b, (how & 1 ? LPE : 0) | (how & 2 ? SBP : 0) | sizes[size] | SECRC);
            for (unsigned k = 0; k < RING; k++) {
                put_desc(b, RX_RING, k, 0x100000 + (uint64_t)k * 0x8000, 0, 0);
                bench_ram_put(b, 0x100000 + (uint64_t)k * 0x8000 + bytes[size], mark, sizeof mark);
            }
            wr(b, RDH, 0);
            wr(b, RDT, RING - 1);
            (void)give(b, mac, n - 4);
            EXPECT_EQ(rd(b, RDH) != 0, taken && (n - 4 + bytes[size] - 1) / bytes[size] < RING);
            for (unsigned k = 0; k < RING; k++) {
                bench_ram_get(b, 0x100000 + (uint64_t)k * 0x8000 + bytes[size], got, sizeof got);
                assert_memory_equal(got, mark, sizeof mark);
            }
        }
    }
}

/* Segments of no bytes, headers longer than the packet. */
TEST(e1000, cve_2015_6815_segments_of_nothing)
{
    static const unsigned lengths[] = { 0, 1, 53, 54, 55, 99, 100, 101, 255 },
                          mss[] = { 0, 1, 46, 47 };
    uint8_t frame[100];

    open_card(b, BAM);
    (void)tcp_frame(frame, 46, false);
    bench_ram_put(b, TX_BUFFERS, frame, sizeof frame);
    for (unsigned i = 0; i < ARRAY_SIZE(lengths) * ARRAY_SIZE(mss); i++) {
        unsigned h = lengths[i / ARRAY_SIZE(mss)], m = mss[i % ARRAY_SIZE(mss)];
        struct net_offload o = { 0 };
        uint64_t before = events(b);
        size_t n;

        wr(b, TDH, 0);
        context(b, 0, TCP | IP4 | TSE | 46, h, m);
        put_desc(b, TX_RING, 1, TX_BUFFERS, 100 | DATA | TSE | EOP | RS, IXSM | TXSM);
        tail(b, 2);
        wr(b, TDT, 0);
        EXPECT_TRUE(events(b) - before <= 2);
        n = wire_take(wire(b), &o, NULL, 0);
        EXPECT_EQ(n, m && h >= 54 && h < 100 ? 100 : 0);
        if (n) {
            EXPECT_EQ(o.gso_size, m < 100 - h ? m : 0);
        }
    }
}

/* Head or tail outside of the ring: nothing is looked at, and nothing goes on for ever. */
TEST(e1000, cve_2016_1981_head_outside_the_ring)
{
    static const uint32_t rings[] = { 0, 8, 65528 };

    open_card(b, BAM);
    put_desc(b, TX_RING, 0, TX_BUFFERS, 100 | EOP, 0);
    for (unsigned i = 0; i < 3 * 4 * 4; i++) {
        uint32_t n = rings[i / 16];
        const uint32_t places[] = { 0, n - 1, n, 0xffff };
        uint32_t head = places[i & 3] & 0xffff, to = places[i >> 2 & 3] & 0xffff;
        uint64_t before = events(b);

        wr(b, TCTL, 0);
        wr(b, RCTL, 0);
        wr(b, TDLEN, n * 16);
        wr(b, RDLEN, n * 16);
        wr(b, TDH, head);
        wr(b, RDH, head);
        wr(b, RDT, to);
        wr(b, TCTL, EN);
        wr(b, TDT, to);
        bench_step(b, 10000000);
        EXPECT_TRUE(events(b) - before <= n / 8 + 2);
        if (head >= n || to >= n) {
            EXPECT_EQ(events(b), before);
            EXPECT_EQ(rd(b, TDH), head);
        }
        wr(b, RCTL, EN);
        EXPECT_EQ(give(b, mac, 100), head < n && to < n && head != to);
        drain(b);
    }
}

/* All sequences of four descriptors. */
TEST(e1000, cve_2021_20257_mixed_descriptors)
{
    static const uint32_t kinds[] = { 0, DEXT, DEXT | TSE, DATA, DATA | TSE, DEXT | 4 << 20 };
    enum { N = 2 * ARRAY_SIZE(kinds) };

    open_card(b, BAM);
    for (unsigned i = 0, at = 0; i < N * N * N * N; i++) {
        uint64_t before = events(b);
        unsigned k = i, open = 0;

        for (unsigned j = 0; j < 4; j++, k /= N, at = (at + 1) % RING) {
            uint32_t kind = kinds[k % N / 2];
            bool data = kind == 0 || kind & 1 << 20;

            put_desc(b, TX_RING, at, TX_BUFFERS, kind | 100 | RS | (k % N & 1 ? EOP : 0), 0);
            open = data ? !(k % N & 1) : open;
        }
        tail(b, at);
        EXPECT_TRUE(events(b) - before <= 5);
        EXPECT_EQ(rd(b, TDH) == at, !open);
        if (open)
            wr(b, TDH, at);
        drain(b);
    }
}

/* A frame that never ends, in a ring of any size: it goes, and the next one is a frame again. */
TEST(e1000, frame_without_end)
{
    open_card(b, BAM);
    for (unsigned n = 8; n <= 256; n += 8) {
        wr(b, TDH, 0);
        wr(b, TDT, 0);
        wr(b, TDLEN, n * 16);
        for (unsigned i = 0; i < n; i++)
            put_desc(b, TX_RING, i, TX_BUFFERS, 10 | RS, 0);
        tail(b, n - 1);
        EXPECT_EQ(rd(b, TDH), n - 1);
        EXPECT_EQ(tx_status(b, 0), DD);
        put_desc(b, TX_RING, n - 1, TX_BUFFERS, 10 | EOP, 0);
        put_desc(b, TX_RING, 0, TX_BUFFERS, 100 | EOP, 0);
        tail(b, 1);
        EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), 100);
        EXPECT_EQ(wire_sent(wire(b)), 0);
    }
}

/* Loopback: what is received causes no sending, and nothing is entered twice. */
TEST(e1000, cve_2021_3416_loopback_to_itself)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    uint8_t frame[100], got[100];

    open_card(b, BAM | LBM);
    fill(frame, sizeof frame, broadcast);
    bench_ram_put(b, TX_BUFFERS, frame, sizeof frame);
    for (unsigned i = 0; i < 40; i++)
        put_desc(b, TX_RING, i, TX_BUFFERS, 100 | EOP | RS, 0);
    EXPECT_TRUE(!give(b, mac, 100)); /* the cable is not connected */
    tail(b, 40);
    EXPECT_EQ(rd(b, TDH), 40);
    EXPECT_EQ(rd(b, RDH), 40);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_EQ(b->m->depth, 0);
    bench_ram_get(b, RX_BUFFERS + 39 * BUFFER, got, sizeof got);
    assert_memory_equal(got, frame, sizeof got);
    EXPECT_EQ(rx_at(b, 39).length, 104);
    /* into the ring of what is sent: the next descriptors are what was received */
    for (unsigned i = 0; i < RING; i++)
        put_desc(b, RX_RING, i, TX_RING + 16, 0, 0);
    wr(b, TDH, 0);
    tail(b, 40);
    EXPECT_EQ(b->m->depth, 0);
}

TEST(e1000, loopback_of_the_phy)
{
    uint8_t got[200];
    size_t n;

    open_card(b, BAM);
    net_set_link(wire(b), false);
    phy_set(b, 0, 0x4140);
    EXPECT_EQ(rd(b, STATUS) & STATUS_LU, STATUS_LU);
    n = tcp_frame(got, 100, true);
    bench_ram_put(b, TX_BUFFERS, got, n);
    context(b, 0, TCP | IP4, 0, 0);
    put_desc(b, TX_RING, 1, TX_BUFFERS, (uint32_t)n | DATA | EOP | RS, TXSM);
    tail(b, 2);
    EXPECT_EQ(rx_at(b, 0).length, n + 4);
    bench_ram_get(b, RX_BUFFERS, got, n);
    EXPECT_TRUE(tcp_good(got, n)); /* nobody else was there to make it */
}

/* What the receiver adds counts: loopback of frames around the limits. */
TEST(e1000, xsa_162_loopback_at_the_limits)
{
    static const uint32_t limits[] = { 60, 1518, 2048, 4096, 16288 };
    uint8_t mark[8], got[8];

    memset(mark, 0x5c, sizeof mark);
    for (unsigned i = 0; i < ARRAY_SIZE(limits) * 2; i++)
        for (uint32_t n = limits[i / 2] - 8; n <= limits[i / 2] + 4; n++) {
            uint32_t wire = n < 60 ? 64 : n + 4, last = (wire - 1) / BUFFER;
            bool taken = n <= 16288 && (i & 1 || wire <= 1522);
            struct rx_desc d;

            open_card(b, UPE | LBM | (i & 1 ? LPE : 0));
            wr(b, RDH, 0);
            wr(b, TDH, 0);
            for (unsigned k = 0; k < RING; k++)
                bench_ram_put(b, RX_BUFFERS + k * BUFFER, mark, sizeof mark);
            bench_ram_put(b, RX_BUFFERS + wire, mark, sizeof mark);
            legacy(b, 0, n, EOP);
            tail(b, 1);
            wr(b, TDT, 0);
            EXPECT_EQ(rd(b, RDH), taken ? last + 1 : 0);
            d = rx_at(b, last);
            EXPECT_EQ(d.length, taken ? wire - last * BUFFER : 0);
            bench_ram_get(b, RX_BUFFERS + wire, got, sizeof got);
            assert_memory_equal(got, mark, sizeof mark);
        }
}

/* Lengths in headers and offsets in contexts are wild: nothing but the packet's own bytes leaves.
 */
TEST(e1000, cve_2016_2857_checksums_stay_within_the_packet)
{
    static const uint16_t values[] = { 0, 1, 13, 14, 33, 34, 53, 98, 99, 100, 101, 255 };
    static uint8_t sent[70000], poison[16288];

    open_card(b, BAM | UPE);
    memset(poison, 0xa5, sizeof poison);
    for (size_t n = 14; n <= 100; n += 43)
        for (unsigned i = 0; i < ARRAY_SIZE(values) * 8; i++) {
            uint16_t v = values[i / 8];
            uint8_t frame[100], c[8] = { 14, 24, 33, 0, 34, 50 };
            size_t got;

            wr(b, TDH, 0);
            bench_ram_put(b, TX_BUFFERS, poison, sizeof poison);
            put_desc(b, TX_RING, 0, TX_BUFFERS, sizeof poison | EOP, 0); /* fills our buffer */
            (void)tcp_frame(frame, 46, true);
            put_be16(frame + 16, v); /* total length */
            bench_ram_put(b, 0x90000, frame, n);
            c[i & 7] = (uint8_t)v;
            put_desc(b, TX_RING, 1, le64(c), DEXT | TCP | IP4 | (n & 1 ? TSE : 0),
                     20 << 16 | 54 << 8);
            put_desc(b, TX_RING, 2, 0x90000, (uint32_t)n | DATA | EOP | (n & 1 ? TSE : 0),
                     IXSM | TXSM);
            put_desc(b, TX_RING, 3, 0x90000, (uint32_t)n | EOP | IC | (uint32_t)v << 16,
                     (uint32_t)v << 8);
            tail(b, 4);
            wr(b, TDT, 0);
            EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), sizeof poison);
            while ((got = wire_take(wire(b), NULL, sent, sizeof sent)) != 0) {
                EXPECT_EQ(got, n < 60 ? 60 : n);
                for (size_t at = 0; at + 4 <= got; at++)
                    EXPECT_TRUE(memcmp(sent + at, poison, 4) != 0);
            }
            drain(b);
        }
}

/* What the sender of a received frame says of its sums is not believed either. */
TEST(e1000, cve_2016_2857_received_offsets)
{
    static const uint16_t values[] = { 0, 14, 34, 98, 99, 100, 101, 1000, 0xffff };
    uint8_t frame[100];

    open_card(b, SECRC);
    wr(b, RXCSUM, 0x3ff);
    (void)tcp_frame(frame, 46, true);
    for (unsigned i = 0; i < 81 * 16; i++) {
        struct net_offload o = { .flags = NET_NEEDS_CSUM,
                                 .csum_start = values[i % 9],
                                 .csum_offset = values[i / 9 % 9] };

        frame[14] = (uint8_t)(0x40 | i / 81);
        (void)wire_give(wire(b), &o, frame, i & 1 ? 35 : 100);
        wr(b, RDT, rd(b, RDH) + RING - 1 < RING ? rd(b, RDH) + RING - 1 : rd(b, RDH) - 1);
    }
    EXPECT_TRUE(rd(b, GPRC) >= 81 * 16);
}

/* S3: a descriptor is read once for each event. */
TEST(e1000, descriptors_are_read_once)
{
    uint64_t before;

    open_card(b, BAM);
    EXPECT_EQ(sim_flip_enable(b->hv, true), 0);
    for (unsigned i = 0; i < 3; i++)
        legacy(b, i, 100, RS | (i == 2 ? EOP : 0));
    wr(b, TDT, 3);
    sim_flip_reset(b->hv);
    before = sim_flip_hits(b->hv);
    legacy(b, 0, 100, RS);
    put_desc(b, TX_RING, 1, TX_BUFFERS + 100, 100 | RS, 0);
    put_desc(b, TX_RING, 2, TX_BUFFERS + 200, 100 | RS | EOP, 0);
    bench_step(b, 1000);
    EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), 300);
    EXPECT_EQ(sim_flip_hits(b->hv), before);
    sim_flip_reset(b->hv);
    before = sim_flip_hits(b->hv);
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_EQ(sim_flip_hits(b->hv), before);
}

/* S10: memory that is not there. The frame is lost, the card is not. */
TEST(e1000, rings_and_buffers_that_are_not_there)
{
    open_card(b, BAM);
    put_desc(b, TX_RING, 0, UINT64_C(0xffffffffffffff00), 1000 | EOP | RS, 0);
    put_desc(b, RX_RING, 0, UINT64_C(0xffffffffffffffff), 0, 0);
    tail(b, 1);
    EXPECT_EQ(rd(b, TDH), 1);
    EXPECT_EQ(tx_status(b, 0), DD);
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_EQ(rd(b, RDH), 0);
    EXPECT_EQ(rd(b, MPC), 1);
    wr(b, TDBAH, 0xffffffff);
    tail(b, 10);
    EXPECT_EQ(rd(b, TDH), 1);
    wr(b, TDBAH, 0);
    bench_cfg_write(b, DEVFN, 4, 2, 3); /* no bus master */
    tail(b, 2);
    EXPECT_EQ(rd(b, TDH), 1);
    bench_cfg_write(b, DEVFN, 4, 2, 7);
    for (unsigned i = 1; i < 4; i++)
        legacy(b, i, 100, EOP);
    tail(b, 4);
    EXPECT_EQ(wire_sent(wire(b)), 3);
}
