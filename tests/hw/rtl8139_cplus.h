/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtl8139_cplus - frames by descriptors, C+ mode. Included by rtl8139.c. */
#ifndef TESTS_HW_RTL8139_CPLUS_H
#define TESTS_HW_RTL8139_CPLUS_H

/* --- C+ mode: transmit --- */

TEST(rtl8139, cplus_sends)
{
    uint8_t frame[1514], got[2048];

    fill(frame, sizeof frame);
    cp_open(b, 0, 4);
    for (unsigned i = 0; i < 9; i++) {
        cp_queue(b, i % 4, frame, 60 + i, i % 4 == 3 ? EOR : 0, 0);
        cp_poll(b);
        EXPECT_EQ(opts1(b, TX_RING, i % 4), (i % 4 == 3 ? EOR : 0) | FS | LS | (60 + i));
        EXPECT_EQ(events(b), TOK | TDU);
        EXPECT_EQ(in8(b, TPPOLL), 0);
        EXPECT_EQ(in16(b, 0x82), (TX_RING & 0xffff) + i % 4 * 16);
        EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 60 + i);
        assert_memory_equal(got, frame, 60 + i);
    }
}

TEST(rtl8139, cplus_sends_pieces_and_both_rings)
{
    uint8_t frame[1514], got[2048];

    fill(frame, sizeof frame);
    bench_ram_put(b, BUFFER, frame, sizeof frame);
    cp_open(b, 0, 8);
    desc_put(b, TX_RING, 1, OWN | 1000, 0, BUFFER + 14);
    desc_put(b, TX_RING, 2, OWN | LS | 500, 0, BUFFER + 1014);
    cp_poll(b); /* the first piece is not ours yet */
    EXPECT_EQ(events(b), TDU);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    desc_put(b, TX_RING, 0, OWN | FS | 14, 0, BUFFER);
    desc_put(b, HIGH_RING, 0, OWN | FS | LS | 99, 0, BUFFER);
    out8(b, TPPOLL, NPQ | HPQ);
    run(b);
    EXPECT_EQ(events(b), TOK | TDU);
    EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 99);
    EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 1514);
    assert_memory_equal(got, frame, sizeof frame);
    EXPECT_EQ(opts1(b, TX_RING, 0), FS | 14);
    EXPECT_EQ(opts1(b, TX_RING, 1), 1000);
    EXPECT_EQ(opts1(b, TX_RING, 2), LS | 500);
}

TEST(rtl8139, cplus_inserts_tags)
{
    uint8_t frame[100], got[200];

    fill(frame, sizeof frame);
    cp_open(b, 0, 4);
    cp_queue(b, 0, frame, sizeof frame, 0, TAG | 0x6412); /* tag 1264h, as it is on the wire */
    cp_poll(b);
    EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 104);
    assert_memory_equal(got, frame, 12);
    EXPECT_EQ(be16(got + 12), 0x8100);
    EXPECT_EQ(be16(got + 14), 0x1264);
    assert_memory_equal(got + 16, frame + 12, 88);
}

TEST(rtl8139, cplus_makes_checksums)
{
    static const unsigned protos[] = { 6, 17 };
    uint8_t frame[120], got[200];
    struct net_offload o;

    for (unsigned i = 0; i < 2; i++)
        for (unsigned tag = 0; tag < 2; tag++) {
            uint8_t *ip = got + 14 + 4 * tag;
            unsigned field = protos[i] == 6 ? 16 : 6;

            cp_open(b, 0, 4);
            packet(frame, sizeof frame, protos[i]);
            put_be16(frame + 24, 0xdead); /* whatever the driver left there */
            put_be16(frame + 34 + field, 0xbeef);
            cp_queue(b, 0, frame, sizeof frame, IPCS | (protos[i] == 6 ? TCPCS : UDPCS),
                     tag ? TAG : 0);
            cp_poll(b);
            EXPECT_EQ(wire_take(wire(b), &o, got, sizeof got), 120 + 4 * tag);
            EXPECT_EQ(sum(ip, 20, 0), 0xffff);
            EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
            EXPECT_EQ(o.gso, NET_GSO_NONE);
            EXPECT_EQ(o.csum_start, 34 + 4 * tag);
            EXPECT_EQ(o.csum_offset, field);
            EXPECT_EQ(be16(ip + 20 + field), pseudo(ip, 120 - 34));
        }
}

TEST(rtl8139, cplus_padding_is_in_no_checksum)
{
    static const uint8_t zeros[10];
    uint8_t frame[60], got[60];
    struct net_offload o;

    cp_open(b, 0, 4);
    packet(frame, sizeof frame, 17);
    put_be16(frame + 16, 36);
    cp_queue(b, 0, frame, sizeof frame, UDPCS, 0);
    cp_poll(b);
    EXPECT_EQ(wire_take(wire(b), &o, got, sizeof got), 60);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    EXPECT_EQ(be16(got + 40), pseudo(got + 14, 16));
    assert_memory_equal(got + 50, zeros, 10);
}

TEST(rtl8139, cplus_large_send)
{
    static uint8_t frame[30000], got[40000];
    struct net_offload o;

    cp_open(b, 0, 64);
    packet(frame, sizeof frame, 6);
    put_be16(frame + 16, 0); /* some drivers leave the length out */
    bench_ram_put(b, BUFFER, frame, sizeof frame);
    desc_put(b, TX_RING, 0, OWN | FS | LGSEN | 1448u << 16 | 54, 0, BUFFER);
    desc_put(b, TX_RING, 1, OWN | LS | LGSEN | 1448u << 16 | (30000 - 54), 0, BUFFER + 54);
    cp_poll(b);
    EXPECT_EQ(events(b), TOK | TDU);
    EXPECT_EQ(wire_take(wire(b), &o, got, sizeof got), 30000);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    EXPECT_EQ(o.gso, NET_GSO_TCP4);
    EXPECT_EQ(o.gso_size, 1448);
    EXPECT_EQ(o.hdr_len, 54);
    EXPECT_EQ(o.csum_start, 34);
    EXPECT_EQ(o.csum_offset, 16);
    EXPECT_EQ(be16(got + 16), 30000 - 14);
    EXPECT_EQ(sum(got + 14, 20, 0), 0xffff);
    EXPECT_EQ(be16(got + 50), pseudo(got + 14, 30000 - 34));
    assert_memory_equal(got + 54, frame + 54, 30000 - 54);

    cp_queue(b, 2, frame, 1000, LGSEN | 1448u << 16, 0); /* one segment: nothing to cut */
    cp_poll(b);
    EXPECT_EQ(wire_take(wire(b), &o, got, sizeof got), 1000);
    EXPECT_EQ(o.gso, NET_GSO_NONE);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    cp_queue(b, 3, frame, 1000, LGSEN | 5u << 16, 0); /* no IPv4 link has segments so small */
    events(b);
    cp_poll(b);
    EXPECT_EQ(events(b), TER | TDU);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_TRUE(opts1(b, TX_RING, 3) & TES);
}

TEST(rtl8139, host_that_is_full)
{
    uint8_t frame[100], got[100];

    fill(frame, sizeof frame);
    cp_open(b, 0, 4);
    wire_accept(wire(b), 1);
    for (unsigned i = 0; i < 3; i++)
        cp_queue(b, i, frame, 60 + i, 0, 0);
    cp_poll(b);
    bench_step(b, 1000000);
    EXPECT_EQ(events(b), TOK);
    EXPECT_EQ(wire_sent(wire(b)), 1);
    EXPECT_EQ(opts1(b, TX_RING, 0) & OWN, 0);
    EXPECT_TRUE(opts1(b, TX_RING, 1) & OWN);            /* stays where it is */
    EXPECT_EQ(machine_host_deadline(b->m), UINT64_MAX); /* and nobody spins */
    bench_save_and_load(b);
    run(b);
    EXPECT_EQ(wire_sent(wire(b)), 1);
    wire_accept(wire(b), 64);
    run(b);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 60 + i);
    EXPECT_EQ(events(b), TOK | TDU);

    c_open(b, APM);
    wire_accept(wire(b), 0);
    c_send(b, 0, frame, 70);
    c_send(b, 1, frame, 71);
    run(b);
    EXPECT_EQ(events(b), 0);
    wire_accept(wire(b), 64);
    run(b);
    EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 70);
    EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 71);
}

/* --- C+ mode: receive --- */

TEST(rtl8139, cplus_receives)
{
    uint8_t frame[1514], got[1514];

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    cp_open(b, 0, 4);
    for (unsigned i = 0; i < 6; i++) {
        EXPECT_TRUE(give(b, frame, sizeof frame));
        EXPECT_EQ(events(b), ROK);
        EXPECT_EQ(opts1(b, RX_RING, i % 4), (i % 4 == 3 ? EOR : 0) | FS | LS | 0x02000000 | 1518);
        EXPECT_EQ(opts2(b, RX_RING, i % 4), 0);
        bench_ram_get(b, rx_buffer(i % 4), got, sizeof got);
        assert_memory_equal(got, frame, sizeof frame);
        desc_put(b, RX_RING, i % 4, OWN | (i % 4 == 3 ? EOR : 0) | 1536, 0, rx_buffer(i % 4));
    }
}

TEST(rtl8139, cplus_frame_in_pieces)
{
    uint8_t frame[1000], got[1000];

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    cp_open(b, 0, 4);
    for (unsigned i = 0; i < 4; i++)
        desc_put(b, RX_RING, i, OWN | (i == 3 ? EOR : 0) | 400, 0xffffffff, BUFFER + 400 * i);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), ROK);
    EXPECT_EQ(opts1(b, RX_RING, 0), FS | 400);
    EXPECT_EQ(opts1(b, RX_RING, 1), 400);
    EXPECT_EQ(opts1(b, RX_RING, 2), LS | 0x02000000 | 1004);
    bench_ram_get(b, BUFFER, got, sizeof got);
    assert_memory_equal(got, frame, sizeof frame);
    EXPECT_TRUE(give(b, frame, sizeof frame)); /* one buffer is not enough */
    EXPECT_EQ(events(b), RDU);
    EXPECT_TRUE(opts1(b, RX_RING, 3) & OWN);
}

TEST(rtl8139, cplus_without_descriptors)
{
    uint8_t frame[60] = { 0 };

    ethernet(frame, mac, 0x88b5);
    cp_open(b, 0, 2);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), ROK);
    EXPECT_TRUE(give(b, frame, sizeof frame)); /* dropped, as by the chip */
    EXPECT_EQ(events(b), RDU);
    EXPECT_EQ(in32(b, MPC), 1);
    desc_put(b, RX_RING, 0, OWN | 1536, 0, rx_buffer(0)); /* no register is written */
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), ROK);
}

TEST(rtl8139, cplus_verifies_checksums)
{
    static const unsigned protos[] = { 6, 17 }, fails[] = { 0x2000, 0x4000 };
    const struct net_offload valid = { .flags = NET_DATA_VALID };
    uint8_t frame[101], got[101];
    struct net_offload o = { .flags = NET_NEEDS_CSUM, .csum_start = 34 };

    for (unsigned i = 0; i < 2; i++) {
        uint32_t pid = (i + 1u) << 16, good = FS | LS | 0x02000000 | 105;
        unsigned field = 34 + (i ? 6 : 16);

        cp_open(b, RXCHKSUM, 64);
        packet(frame, sizeof frame, protos[i]);
        make_sums(frame, sizeof frame);
        EXPECT_TRUE(give(b, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 0), good | pid);
        frame[80] ^= 1;
        EXPECT_TRUE(give(b, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 1), good | pid | fails[i]);
        EXPECT_TRUE(wire_give(wire(b), &valid, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 2), good | pid);
        frame[20] ^= 0x20; /* a fragment, with a wrong sum of its header */
        EXPECT_TRUE(give(b, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 3), good | 0x30000 | 0x8000);
        frame[20] ^= 0x20;
        frame[12] ^= 1;
        EXPECT_TRUE(give(b, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 4), good);
        frame[12] ^= 1;
        put_be16(frame + field, pseudo(frame + 14, 67)); /* from another guest of the host */
        o.csum_offset = (uint16_t)(field - 34);
        EXPECT_TRUE(wire_give(wire(b), &o, frame, sizeof frame));
        EXPECT_EQ(opts1(b, RX_RING, 5), good | pid);
        bench_ram_get(b, rx_buffer(5), got, sizeof got);
        EXPECT_EQ(sum(got + 34, 67, pseudo(got + 14, 67)), 0xffff);
    }
}

TEST(rtl8139, cplus_takes_tags_off)
{
    uint8_t frame[104], got[100];

    packet(frame, 100, 17);
    make_sums(frame, 100);
    memmove(frame + 16, frame + 12, 88);
    put_be16(frame + 12, 0x8100);
    put_be16(frame + 14, 0x1264);
    cp_open(b, RXVLAN | RXCHKSUM, 4);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(opts1(b, RX_RING, 0), FS | LS | 0x02020000 | 104);
    EXPECT_EQ(opts2(b, RX_RING, 0), 0x16412);
    bench_ram_get(b, rx_buffer(0), got, sizeof got);
    assert_memory_equal(got, frame, 12);
    assert_memory_equal(got + 12, frame + 16, 88);
    cp_open(b, 0, 4);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(opts1(b, RX_RING, 0), FS | LS | 0x02000000 | 108);
}

#endif
