/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the 82540EM: what drivers probe, both rings, offload, filters, interrupts. */
#include "hw/core/core.h"
#include "tests/hw/e1000_bench.h"

extern const struct device_ops e1000_ops;

BENCH_SETUP
{
    static uint8_t rom[ROM_BYTES];
    struct device_row row[1] = { { .ops = &e1000_ops, .devfn = DEVFN } };
    struct bench *b;

    for (unsigned i = 0; i < sizeof rom; i++)
        rom[i] = (uint8_t)(i ^ i >> 8);
    memcpy(row[0].host.mac, mac, sizeof mac);
    row[0].host.net = wire_new();
    row[0].host.rom = rom;
    row[0].host.rom_size = sizeof rom;
    b = bench_new(row, 1);
    decode(b);
    return b;
}

static uint32_t next(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

/* A descriptor as a driver, or an attacker, would write it. */
static void some_desc(struct bench *b, uint32_t *seed, unsigned i)
{
    static const uint16_t lengths[] = { 0, 1, 14, 54, 60, 1514, 4096, 16288, 65535 };
    static const uint32_t segments[] = { 1460, 0, 1, 40000 };
    uint32_t r = next(seed) >> 8, flags = (r & 1 ? EOP : 0) | (r & 2 ? RS : 0) | (r & 4 ? 0 : VLE);
    uint32_t length = lengths[(r >> 4) % ARRAY_SIZE(lengths)];
    uint64_t at = TX_BUFFERS + (r & 0xff) * 16;

    switch (r >> 12 & 3) {
    case 0:
        put_desc(b, TX_RING, i, at, length | flags | (r & 8 ? IC : 0) | 24u << 16, 14u << 8);
        break;
    case 1: /* context: offsets of TCP over IPv4, or whatever */
        put_desc(b, TX_RING, i,
                 r & 8 ? UINT64_C(0x0000322200211814) ^ (UINT64_C(1) << (r >> 14 & 63))
                       : UINT64_C(0x000032220021180e),
                 DEXT | (flags & RS) | (r & 0x100000 ? TSE : 0) | 3u << 24 | 1460,
                 segments[r >> 21 & 3] << 16 | 54u << 8);
        break;
    default:
        put_desc(b, TX_RING, i, at,
                 DATA | length | flags | (r & 0x100000 ? TSE : 0) | (r & 0x400000 ? IDE : 0),
                 (r & 3) << 8 | r << 16);
    }
}

/* Driver and network, well or badly. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    uint8_t frame[2000];
    uint32_t r = next(seed) >> 8;
    unsigned at;

    decode(b);
    switch (r & 7) {
    case 0:
        open_card(b, BAM | UPE | (r & 0x6373c0 & ((r >> 4 & 1) - 1u)));
        break;
    case 1:
    case 2:
    case 3:
        at = rd(b, TDT);
        for (unsigned i = 0; i < (r >> 4 & 7); i++)
            some_desc(b, seed, at++ % RING);
        wr(b, TDT, at % RING);
        break;
    case 4:
        at = tcp_frame(frame, r >> 8 & 0x3ff, true) & 0x7ff;
        (void)wire_give(wire(b),
                        &(struct net_offload){ .flags = r >> 4 & 3,
                                               .csum_start = 34,
                                               .csum_offset = (uint16_t)(r & 8 ? r : 16) },
                        frame, at);
        break;
    case 5:
        while (wire_take(wire(b), NULL, frame, sizeof frame))
            ;
        wire_accept(wire(b), r >> 4 & 31);
        break;
    case 6:
        wr(b, RDT, rd(b, RDH) + (r >> 4) % RING);
        (void)rd(b, ICR);
        break;
    default:
        net_set_link(wire(b), r >> 4 & 3);
        wr(b, r & 0x100 ? TIDV : ITR, r >> 9 & 0xff);
        wr(b, RDTR, r >> 10 & 0x1f);
    }
    bench_step(b, r >> 8 & 0xffff);
}
BENCH_GUEST(guest_step)

/* --- what drivers look for --- */

TEST(e1000, pci_identity)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 4), 0x100e8086);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 8, 4), 0x02000003);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3d, 1), 1);
    bench_cfg_write(b, DEVFN, 0x10, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x10, 4), 0xfffe0000);
    bench_cfg_write(b, DEVFN, 0x14, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x14, 4), 0xffffffc1);
    bench_cfg_write(b, DEVFN, 0x30, 4, 0xfffffffe);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x30, 4), 0xfffff000); /* ROM_BYTES need 4 KiB */
}

TEST(e1000, option_rom)
{
    bench_cfg_write(b, DEVFN, 0x30, 4, 0xfea00001);
    EXPECT_EQ(bench_read(b, 0xfea00100, 2), 0x0001);
    EXPECT_EQ(bench_read(b, 0xfea00002, 1), 2);
    EXPECT_EQ(bench_read(b, 0xfea00000 + ROM_BYTES, 4), 0xffffffff);
    bench_write(b, 0xfea00002, 1, 0x55);
    EXPECT_EQ(bench_read(b, 0xfea00002, 1), 2);
}

TEST(e1000, reset_values)
{
    EXPECT_EQ(rd(b, RA), 0x013e1600);
    EXPECT_EQ(rd(b, RA + 4), 0x80000302);
    EXPECT_EQ(rd(b, RA + 8), 0);
    EXPECT_EQ(rd(b, PBA), 0x00100030);
    EXPECT_EQ(rd(b, VET), 0x8100);
    EXPECT_EQ(rd(b, STATUS) & 0xc3, 0x83); /* 1000 Mb/s, full duplex, link */
    EXPECT_EQ(rd(b, ICR), 0);
    EXPECT_EQ(rd(b, 0x1fffc), 0); /* nothing there */
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
}

TEST(e1000, tables_keep_what_is_written)
{
    for (unsigned i = 0; i < 128; i++) {
        wr(b, MTA + 4 * i, i * 0x01010101);
        wr(b, VFTA + 4 * i, ~i);
    }
    for (unsigned i = 0; i < 128; i++) {
        EXPECT_EQ(rd(b, MTA + 4 * i), i * 0x01010101);
        EXPECT_EQ(rd(b, VFTA + 4 * i), ~i);
    }
    EXPECT_EQ(rd(b, RA), 0x013e1600);
}

/* Linux' e1000_shift_out_ee_bits() and e1000_shift_in_ee_bits(), as lines. */
static void clock_out(struct bench *b, unsigned value, unsigned bits)
{
    while (bits--) {
        uint32_t v = 0x42 | (value >> bits & 1 ? 4 : 0);

        wr(b, EECD, v);
        wr(b, EECD, v | 1);
        wr(b, EECD, v);
    }
}

static uint16_t clock_in(struct bench *b)
{
    unsigned v = 0;

    for (unsigned i = 0; i < 16; i++) {
        wr(b, EECD, 0x43);
        v = v << 1 | (rd(b, EECD) >> 3 & 1);
        wr(b, EECD, 0x42);
    }
    return (uint16_t)v;
}

static uint16_t eeprom_word(struct bench *b, unsigned at)
{
    wr(b, EECD, 0x40); /* chip select falls */
    wr(b, EECD, 0x42);
    clock_out(b, 6, 3); /* start bit, READ */
    clock_out(b, at, 6);
    EXPECT_EQ(rd(b, EECD) & 8, 0); /* the bit before the word */
    return clock_in(b);
}

TEST(e1000, eeprom_by_its_lines)
{
    unsigned sum = 0;

    wr(b, EECD, 0x40);
    EXPECT_EQ(rd(b, EECD) & 0x3c0, 0x1c0); /* granted, present, 64 words */
    for (unsigned i = 0; i < 64; i++)
        sum += eeprom_word(b, i);
    EXPECT_EQ(sum & 0xffff, 0xbaba);
    EXPECT_EQ(eeprom_word(b, 0), 0x1600);
    EXPECT_EQ(clock_in(b), 0x013e); /* and goes on with the next word */
    EXPECT_EQ(clock_in(b), 0x0302);
}

TEST(e1000, eeprom_address_survives_save_and_load)
{
    wr(b, EECD, 0x42);
    clock_out(b, 6, 3);
    clock_out(b, 1, 4);
    bench_save_and_load(b);
    decode(b);
    clock_out(b, 0, 2); /* word 4 */
    EXPECT_EQ(clock_in(b), 0xffff);
}

TEST(e1000, eeprom_by_eerd)
{
    static const uint16_t words[] = { 0x1600, 0x013e, 0x0302 };

    for (unsigned i = 0; i < 3; i++) {
        wr(b, EERD, i << 8 | 1);
        EXPECT_EQ(rd(b, EERD), (uint32_t)words[i] << 16 | i << 8 | 0x10);
    }
}

static uint32_t phy(struct bench *b, unsigned reg)
{
    wr(b, MDIC, 2u << 26 | 1 << 21 | reg << 16);
    EXPECT_EQ(rd(b, MDIC) >> 28 & 5, 1); /* ready, no error */
    return rd(b, MDIC) & 0xffff;
}

static void phy_set(struct bench *b, unsigned reg, unsigned v)
{
    wr(b, MDIC, 1u << 26 | 1 << 21 | reg << 16 | v);
}

TEST(e1000, phy_as_drivers_know_it)
{
    EXPECT_EQ(phy(b, 2), 0x0141);
    EXPECT_EQ(phy(b, 3) & ~15u, 0x0c20);
    EXPECT_EQ(phy(b, 1) & 0x24, 0x24); /* link, negotiation complete */
    EXPECT_EQ(phy(b, 17) & 0xac00, 0xac00);
    phy_set(b, 0, 0x9140);
    EXPECT_EQ(phy(b, 0), 0x1140); /* the reset is over */
    wr(b, IMS, LSC);
    phy_set(b, 0, 0x1340); /* negotiate again */
    EXPECT_EQ(rd(b, ICR), LSC);
    EXPECT_EQ(phy(b, 0), 0x1140);
    wr(b, MDIC, 2u << 26 | 2 << 21 | 2 << 16); /* another address: nobody */
    EXPECT_EQ(rd(b, MDIC) >> 30, 1);
    wr(b, MDIC, 1u << 29 | 2u << 26 | 1 << 21 | 2 << 16);
    EXPECT_EQ(rd(b, ICR), MDAC);
}

TEST(e1000, link_goes_and_comes)
{
    open_card(b, BAM);
    net_set_link(wire(b), false);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0));
    EXPECT_EQ(rd(b, ICR), LSC);
    EXPECT_EQ(rd(b, STATUS) & STATUS_LU, 0);
    EXPECT_EQ(phy(b, 1) & 0x24, 0);
    net_set_link(wire(b), false);
    net_set_link(wire(b), true);
    EXPECT_EQ(rd(b, ICR), LSC);
    EXPECT_EQ(rd(b, STATUS) & STATUS_LU, STATUS_LU);
    net_set_link(wire(b), false);
    net_set_link(wire(b), true);
    EXPECT_EQ(phy(b, 1) & 4, 0); /* it was down: shown once */
    EXPECT_EQ(phy(b, 1) & 4, 4);
}

TEST(e1000, registers_by_ports)
{
    bench_outl(b, BAR1, STATUS);
    EXPECT_EQ(bench_inl(b, BAR1), STATUS);
    EXPECT_EQ(bench_inl(b, BAR1 + 4), rd(b, STATUS));
    bench_outl(b, BAR1, VFTA + 8);
    bench_outl(b, BAR1 + 4, 0x12345678);
    EXPECT_EQ(rd(b, VFTA + 8), 0x12345678);
    bench_outl(b, BAR1, 0xfffffffc);
    EXPECT_EQ(bench_inl(b, BAR1 + 4), 0);
    bench_outl(b, BAR1, 0x20000);
    bench_outl(b, BAR1 + 4, 1);
    EXPECT_EQ(bench_inl(b, BAR1 + 4), 0);
}

/* --- interrupts --- */

TEST(e1000, causes_and_mask)
{
    wr(b, ICS, LSC | RXT0);
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    wr(b, IMS, RXT0);
    wr(b, IMS, TXDW);
    EXPECT_EQ(rd(b, IMS), RXT0 | TXDW);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0));
    wr(b, IMC, RXT0);
    EXPECT_EQ(rd(b, IMS), TXDW);
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    wr(b, ICR, LSC); /* writing one clears */
    EXPECT_EQ(rd(b, ICR), RXT0);
    EXPECT_EQ(rd(b, ICR), 0); /* and so does reading */
}

TEST(e1000, itr_spaces_interrupts)
{
    wr(b, ITR, 100); /* 25.6 us */
    wr(b, IMS, RXT0);
    wr(b, ICS, RXT0);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0)); /* the first one at once */
    EXPECT_EQ(machine_host_deadline(b->m), UINT64_MAX); /* nobody waits: no timer */
    EXPECT_EQ(rd(b, ICR), RXT0);
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    bench_step(b, 20000);
    wr(b, ICS, RXT0);
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    bench_save_and_load(b);
    decode(b);
    bench_step(b, 5000);
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    bench_step(b, 1000);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0));
}

/* --- transmitter --- */

/* One legacy descriptor at `i`. */
static void legacy(struct bench *b, unsigned i, size_t n, uint32_t cmd)
{
    uint8_t frame[65536];

    fill(frame, n, (const uint8_t *)"\x00\x16\x3e\xaa\xbb\xcc");
    bench_ram_put(b, TX_BUFFERS, frame, n);
    put_desc(b, TX_RING, i, TX_BUFFERS, (uint32_t)n | cmd, 0);
}

TEST(e1000, legacy_frame)
{
    uint8_t sent[2000];

    open_card(b, BAM);
    legacy(b, 0, 100, EOP | RS);
    wr(b, TDT, 1);
    EXPECT_EQ(wire_sent(wire(b)), 0); /* not within the access */
    bench_step(b, 1000);
    EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), 100);
    EXPECT_EQ(sent[99], (uint8_t)(99 * 7 + 1));
    EXPECT_EQ(rd(b, TDH), 1);
    EXPECT_EQ(tx_status(b, 0), DD);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0));
    EXPECT_EQ(rd(b, ICR), TXDW | TXQE);
    EXPECT_EQ(rd(b, GPTC), 1);
    EXPECT_EQ(rd(b, GPTC), 0);
}

TEST(e1000, no_status_is_no_write)
{
    open_card(b, BAM);
    legacy(b, 0, 100, EOP);
    tail(b, 1);
    EXPECT_EQ(tx_status(b, 0), 0);
    EXPECT_EQ(rd(b, ICR), TXQE);
}

TEST(e1000, short_frames_are_padded)
{
    uint8_t sent[100];

    open_card(b, BAM);
    legacy(b, 0, 100, EOP); /* leaves bytes behind */
    legacy(b, 1, 20, EOP);
    tail(b, 2);
    EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), 100);
    EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), 60);
    for (unsigned i = 20; i < 60; i++)
        EXPECT_EQ(sent[i], 0);
}

TEST(e1000, frame_of_several_descriptors_waits_for_its_end)
{
    uint8_t sent[2000];

    open_card(b, BAM);
    legacy(b, 0, 64, RS);
    put_desc(b, TX_RING, 1, TX_BUFFERS + 64, DATA | 36 | EOP | RS, 0);
    tail(b, 1);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_EQ(rd(b, TDH), 0);
    tail(b, 2);
    EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), 100);
    EXPECT_EQ(tx_status(b, 0), DD);
    EXPECT_EQ(tx_status(b, 1), DD);
}

TEST(e1000, full_host_keeps_the_frame)
{
    uint8_t sent[200];

    open_card(b, BAM);
    wire_accept(wire(b), 1);
    for (unsigned i = 0; i < 3; i++)
        legacy(b, i, 100, EOP | RS);
    tail(b, 3);
    EXPECT_EQ(rd(b, TDH), 1);
    bench_save_and_load(b);
    decode(b);
    bench_step(b, 1000000);
    EXPECT_EQ(rd(b, TDH), 1);
    EXPECT_EQ(tx_status(b, 1), 0);
    wire_accept(wire(b), 10);
    bench_step(b, 1000);
    EXPECT_EQ(rd(b, TDH), 3);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), 100);
    EXPECT_EQ(wire_sent(wire(b)), 0);
}

/* The frame is there once, wherever between its events it is saved. */
TEST(e1000, rings_survive_save_and_load)
{
    open_card(b, BAM);
    for (unsigned i = 0; i < 20; i++)
        legacy(b, i, 100, EOP | RS);
    wr(b, TDT, 20);
    for (unsigned i = 0; i < 4; i++) {
        bench_save_and_load(b);
        bench_step(b, 1);
    }
    bench_step(b, 1000);
    EXPECT_EQ(wire_sent(wire(b)), 20);
    decode(b);
    EXPECT_TRUE(give(b, mac, 100));
    bench_save_and_load(b);
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_EQ(rx_at(b, 1).length, 104);
    EXPECT_EQ(rd(b, RDH), 2);
}

TEST(e1000, ring_wraps)
{
    open_card(b, BAM);
    for (unsigned round = 0, at = 0; round < 8; round++) {
        for (unsigned i = 0; i < 40; i++, at = (at + 1) % RING)
            legacy(b, at, 100, EOP | RS);
        tail(b, at);
        EXPECT_EQ(wire_sent(wire(b)), 40);
        EXPECT_EQ(rd(b, TDH), at);
        while (wire_take(wire(b), NULL, NULL, 0))
            ;
        wire_accept(wire(b), WIRE_FRAMES);
    }
}

TEST(e1000, legacy_checksum)
{
    uint8_t frame[200], sent[200];
    size_t n = tcp_frame(frame, 101, true);

    open_card(b, BAM);
    bench_ram_put(b, TX_BUFFERS, frame, n);
    put_desc(b, TX_RING, 0, TX_BUFFERS, (uint32_t)n | EOP | RS | IC | 50 << 16, 34 << 8);
    tail(b, 1);
    EXPECT_EQ(wire_take(wire(b), NULL, sent, sizeof sent), n);
    EXPECT_TRUE(tcp_good(sent, n));
}

/* As Linux: IP at 14, TCP at 34. */
static void context(struct bench *b, unsigned i, uint32_t cmd, unsigned hdrlen, unsigned mss)
{
    put_desc(b, TX_RING, i, 14 | 24 << 8 | 33 << 16 | UINT64_C(34) << 32 | UINT64_C(50) << 40,
             DEXT | cmd, hdrlen << 8 | mss << 16);
}
enum { TCP = 1 << 24, IP4 = 2 << 24 };

TEST(e1000, tcp_checksum_is_left_to_the_host)
{
    uint8_t frame[200], sent[200];
    size_t n = tcp_frame(frame, 100, true);
    struct net_offload o;

    open_card(b, BAM);
    put_be16(frame + 24, 0); /* the card makes that of the header */
    bench_ram_put(b, TX_BUFFERS, frame, n);
    context(b, 0, TCP | IP4, 0, 0);
    put_desc(b, TX_RING, 1, TX_BUFFERS, (uint32_t)n | DATA | EOP | RS, IXSM | TXSM);
    tail(b, 2);
    EXPECT_EQ(wire_take(wire(b), &o, sent, sizeof sent), n);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    EXPECT_EQ(o.csum_start, 34);
    EXPECT_EQ(o.csum_offset, 16);
    EXPECT_EQ(o.gso, NET_GSO_NONE);
    EXPECT_EQ(csum_of(sent + 14, 20), 0xffff);
    assert_memory_equal(sent + 26, frame + 26, n - 26);
    /* a sum that ends before the frame does is made here */
    put_desc(b, TX_RING, 2, 14 | 24 << 8 | (uint64_t)(34 | 50 << 8 | 103 << 16) << 32,
             DEXT | TCP | IP4, 0);
    put_desc(b, TX_RING, 3, TX_BUFFERS, (uint32_t)n | DATA | EOP | RS, TXSM);
    tail(b, 4);
    EXPECT_EQ(wire_take(wire(b), &o, sent, sizeof sent), n);
    EXPECT_EQ(o.flags, 0);
    EXPECT_EQ(csum_fold((uint64_t)csum_of(sent + 34, 70) + be16(frame + 50)), 0xffff);
}

TEST(e1000, segmentation_is_one_large_frame)
{
    static uint8_t frame[40000], sent[40000];
    size_t n = tcp_frame(frame, 30000, false);
    struct net_offload o;

    open_card(b, BAM);
    bench_ram_put(b, TX_BUFFERS, frame, n);
    context(b, 0, TCP | IP4 | TSE | 30000, 54, 1448);
    put_desc(b, TX_RING, 1, TX_BUFFERS, 54 | DATA | TSE, IXSM | TXSM);
    for (unsigned i = 0; i < 8; i++)
        put_desc(b, TX_RING, 2 + i, TX_BUFFERS + 54 + i * 3750,
                 3750 | DATA | TSE | (i == 7 ? EOP | RS : 0), IXSM | TXSM);
    tail(b, 10);
    EXPECT_EQ(wire_take(wire(b), &o, sent, sizeof sent), n);
    EXPECT_EQ(o.gso, NET_GSO_TCP4);
    EXPECT_EQ(o.gso_size, 1448);
    EXPECT_EQ(o.hdr_len, 54);
    EXPECT_EQ(o.csum_start, 34);
    EXPECT_EQ(o.csum_offset, 16);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    EXPECT_EQ(be16(sent + 16), n - 14);
    EXPECT_EQ(csum_of(sent + 14, 20), 0xffff);
    /* with the sum that is left to be made it is right: the length is in the pseudo header's now */
    put_be16(sent + 50, (uint16_t)~csum_of(sent + 34, n - 34));
    EXPECT_TRUE(tcp_good(sent, n));
    EXPECT_EQ(rd(b, TSCTC), 1);
    EXPECT_EQ(rd(b, GPTC), 21); /* 30000 / 1448 */
    EXPECT_EQ(tx_status(b, 9), DD);
}

TEST(e1000, segmentation_of_one_segment)
{
    uint8_t frame[200], sent[200];
    size_t n = tcp_frame(frame, 100, false);
    struct net_offload o;

    open_card(b, BAM);
    bench_ram_put(b, TX_BUFFERS, frame, n);
    context(b, 0, TCP | IP4 | TSE | 100, 54, 1448);
    put_desc(b, TX_RING, 1, TX_BUFFERS, (uint32_t)n | DATA | TSE | EOP | RS, IXSM | TXSM);
    tail(b, 2);
    EXPECT_EQ(wire_take(wire(b), &o, sent, sizeof sent), n);
    EXPECT_EQ(o.gso, NET_GSO_NONE);
    EXPECT_EQ(o.flags, NET_NEEDS_CSUM);
    EXPECT_EQ(be16(sent + 16), n - 14);
}

TEST(e1000, vlan_tag_is_inserted)
{
    uint8_t sent[200];
    struct net_offload o;

    open_card(b, BAM);
    wr(b, CTRL, rd(b, CTRL) | (uint32_t)CTRL_VME);
    legacy(b, 0, 100, 0);
    context(b, 0, TCP | IP4, 0, 0);
    put_desc(b, TX_RING, 1, TX_BUFFERS, 100 | DATA | EOP | RS | VLE, TXSM | 0x2123u << 16);
    tail(b, 2);
    EXPECT_EQ(wire_take(wire(b), &o, sent, sizeof sent), 104);
    EXPECT_EQ(be16(sent + 12), 0x8100);
    EXPECT_EQ(be16(sent + 14), 0x2123);
    EXPECT_EQ(be16(sent + 16), 0x88b5);
    EXPECT_EQ(sent[103], (uint8_t)(99 * 7 + 1));
    EXPECT_EQ(o.csum_start, 38);
}

TEST(e1000, delayed_transmit_interrupt)
{
    open_card(b, BAM);
    wr(b, TIDV, 100);
    wr(b, TADV, 150);
    for (unsigned i = 0; i < 8; i++)
        legacy(b, i, 100, (uint32_t)(EOP | RS) | IDE);
    for (unsigned i = 0; i < 4; i++) { /* each 60 us starts TIDV anew */
        wr(b, TDT, i + 1);
        bench_step(b, 60000);
        EXPECT_EQ(rd(b, ICR) & TXDW, i == 2 ? TXDW : 0); /* TADV: 153.6 us after the first */
    }
    bench_step(b, 100000);
    EXPECT_EQ(rd(b, ICR), TXDW);
}

/* --- receiver --- */

TEST(e1000, received_frame)
{
    uint8_t got[200];
    struct rx_desc d;

    open_card(b, BAM);
    EXPECT_TRUE(give(b, mac, 100));
    d = rx_at(b, 0);
    EXPECT_EQ(d.length, 104); /* with FCS */
    EXPECT_EQ(d.status, DD | RX_EOP | RX_IXSM);
    EXPECT_EQ(d.errors, 0);
    bench_ram_get(b, RX_BUFFERS, got, 100);
    EXPECT_EQ(got[99], (uint8_t)(99 * 7 + 1));
    EXPECT_EQ(rd(b, RDH), 1);
    EXPECT_TRUE(bench_intx_level(b, SLOT, 0));
    EXPECT_EQ(rd(b, ICR), RXT0);
    EXPECT_EQ(rd(b, GPRC), 1);
    EXPECT_EQ(rd(b, GORCL), 104);
    EXPECT_EQ(rd(b, GORCH), 0);
    EXPECT_EQ(rd(b, GORCL), 0);
}

TEST(e1000, short_frames_arrive_padded)
{
    uint8_t got[64], ones[64];

    open_card(b, BAM | SECRC);
    memset(ones, 0xff, sizeof ones);
    bench_ram_put(b, RX_BUFFERS, ones, sizeof ones);
    EXPECT_TRUE(give(b, mac, 42));
    EXPECT_EQ(rx_at(b, 0).length, 60);
    bench_ram_get(b, RX_BUFFERS, got, sizeof got);
    for (unsigned i = 42; i < 60; i++)
        EXPECT_EQ(got[i], 0);
    EXPECT_EQ(got[60], 0xff); /* not written */
}

TEST(e1000, filters)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    static const uint8_t other[6] = { 0x00, 0x16, 0x3e, 9, 9, 9 };
    static const uint8_t group[6] = { 0x01, 0x00, 0x5e, 0x00, 0x12, 0x34 };
    unsigned hash = 0x3412 >> 4 & 0xfff;

    open_card(b, 0);
    EXPECT_TRUE(give(b, broadcast, 100) && give(b, other, 100) && give(b, group, 100));
    EXPECT_EQ(rd(b, RDH), 0);
    wr(b, RCTL, EN | BAM);
    EXPECT_TRUE(give(b, broadcast, 100));
    EXPECT_EQ(rd(b, RDH), 1);
    wr(b, RCTL, EN | UPE);
    EXPECT_TRUE(give(b, other, 100) && give(b, group, 100));
    EXPECT_EQ(rd(b, RDH), 2);
    wr(b, RCTL, EN | MPE);
    EXPECT_TRUE(give(b, other, 100) && give(b, group, 100));
    EXPECT_EQ(rd(b, RDH), 3);
    wr(b, RCTL, EN);
    wr(b, MTA + (hash >> 5) * 4, 1u << (hash & 31));
    EXPECT_TRUE(give(b, group, 100));
    EXPECT_EQ(rd(b, RDH), 4);
    EXPECT_EQ(rx_at(b, 3).status & RX_PIF, RX_PIF);
    wr(b, RCTL, EN | 3 << 12); /* another part of the address */
    EXPECT_TRUE(give(b, group, 100));
    EXPECT_EQ(rd(b, RDH), 4);
    wr(b, RA + 8, le32(other));
    wr(b, RA + 12, le16(other + 4));
    EXPECT_TRUE(give(b, other, 100));
    EXPECT_EQ(rd(b, RDH), 4);
    wr(b, RA + 12, 0x80000000 | le16(other + 4));
    EXPECT_TRUE(give(b, other, 100));
    EXPECT_EQ(rd(b, RDH), 5);
}

static void give_tagged(struct bench *b, unsigned tci)
{
    uint8_t frame[104];

    fill(frame, sizeof frame, mac);
    put_be16(frame + 12, 0x8100);
    put_be16(frame + 14, (uint16_t)tci);
    put_be16(frame + 16, 0x0800);
    EXPECT_TRUE(wire_give(wire(b), NULL, frame, sizeof frame));
}

TEST(e1000, vlan_filter_and_stripping)
{
    uint8_t got[16];

    open_card(b, SECRC);
    give_tagged(b, 0x2123);
    EXPECT_EQ(rx_at(b, 0).length, 104);
    EXPECT_EQ(rx_at(b, 0).status & RX_VP, 0);
    wr(b, CTRL, rd(b, CTRL) | (uint32_t)CTRL_VME);
    give_tagged(b, 0x2123);
    EXPECT_EQ(rx_at(b, 1).length, 100);
    EXPECT_EQ(rx_at(b, 1).status & RX_VP, RX_VP);
    EXPECT_EQ(rx_at(b, 1).special, 0x2123);
    bench_ram_get(b, RX_BUFFERS + BUFFER, got, sizeof got);
    EXPECT_EQ(be16(got + 12), 0x0800);
    wr(b, RCTL, EN | SECRC | VFE);
    give_tagged(b, 0x2123);
    EXPECT_EQ(rd(b, RDH), 2);
    wr(b, VFTA + 4 * (0x123 >> 5), 1 << (0x123 & 31));
    give_tagged(b, 0x2123);
    give_tagged(b, 0x2124);
    EXPECT_EQ(rd(b, RDH), 3);
    EXPECT_TRUE(give(b, mac, 100)); /* without a tag: not filtered */
    EXPECT_EQ(rd(b, RDH), 4);
}

TEST(e1000, jumbo_over_several_descriptors)
{
    uint8_t got[9000];

    open_card(b, LPE | SECRC);
    EXPECT_TRUE(give(b, mac, 9000));
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_EQ(rx_at(b, i).length, i < 4 ? 2048 : 9000 - 4 * 2048);
        EXPECT_EQ(rx_at(b, i).status & (DD | RX_EOP), i < 4 ? DD : DD | RX_EOP);
    }
    EXPECT_EQ(rd(b, RDH), 5);
    bench_ram_get(b, RX_BUFFERS, got, sizeof got); /* buffers lie side by side */
    for (unsigned i = 14; i < sizeof got; i++)
        EXPECT_EQ(got[i], (uint8_t)(i * 7 + 1));
}

TEST(e1000, null_descriptors_are_skipped)
{
    open_card(b, 0);
    put_desc(b, RX_RING, 0, 0, 0x1234, 0);
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_EQ(rx_at(b, 0).status, DD);
    EXPECT_EQ(rx_at(b, 0).length, 0x1234); /* otherwise as it was */
    EXPECT_EQ(rx_at(b, 1).length, 104);
    EXPECT_EQ(rd(b, RDH), 2);
}

TEST(e1000, checksum_status)
{
    uint8_t frame[200], got[200];
    size_t n = tcp_frame(frame, 100, true);
    struct net_offload valid = { .flags = NET_DATA_VALID };
    struct net_offload partial = { .flags = NET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 };

    open_card(b, SECRC);
    EXPECT_TRUE(wire_give(wire(b), &valid, frame, n));
    EXPECT_EQ(rx_at(b, 0).status, DD | RX_EOP | RX_IXSM); /* not asked for */
    wr(b, RXCSUM, 0x300);
    EXPECT_TRUE(wire_give(wire(b), NULL, frame, n));
    EXPECT_EQ(rx_at(b, 1).status, DD | RX_EOP | RX_IXSM); /* not known */
    EXPECT_TRUE(wire_give(wire(b), &valid, frame, n));
    EXPECT_EQ(rx_at(b, 2).status, DD | RX_EOP | RX_IPCS | RX_TCPCS);
    EXPECT_EQ(rx_at(b, 2).errors, 0);
    EXPECT_TRUE(wire_give(wire(b), &partial, frame, n)); /* made here */
    EXPECT_EQ(rx_at(b, 3).status, DD | RX_EOP | RX_IPCS | RX_TCPCS);
    bench_ram_get(b, RX_BUFFERS + 3 * BUFFER, got, n);
    EXPECT_TRUE(tcp_good(got, n));
    frame[24] ^= 1;
    EXPECT_TRUE(wire_give(wire(b), &valid, frame, n));
    EXPECT_EQ(rx_at(b, 4).errors, 0x40); /* IPE */
}

TEST(e1000, packet_checksum)
{
    uint8_t frame[200];
    size_t n = tcp_frame(frame, 100, true);

    open_card(b, SECRC);
    wr(b, RXCSUM, 14);
    EXPECT_TRUE(wire_give(wire(b), NULL, frame, n));
    EXPECT_EQ(rx_at(b, 0).csum, csum_of(frame + 14, n - 14));
}

TEST(e1000, an_empty_ring_stops_the_host_and_is_filled_again)
{
    open_card(b, 0);
    wr(b, RDT, 2);
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_TRUE(give(b, mac, 100));
    EXPECT_TRUE(!give(b, mac, 100));
    EXPECT_EQ(rd(b, MPC), 0);
    wr(b, RDT, 3);
    EXPECT_TRUE(give(b, mac, 100));
    wr(b, RCTL, 0);
    wr(b, RDT, 10);
    EXPECT_TRUE(!give(b, mac, 100));
}

/* Buffers so small that the whole ring does not hold a frame: ready() must say yes at some time. */
TEST(e1000, what_no_ring_can_hold_is_dropped)
{
    open_card(b, LPE | 3 << 16); /* 256 bytes */
    wr(b, RDLEN, 8 * 16);
    wr(b, RDT, 7);
    EXPECT_TRUE(give(b, mac, 2000));
    EXPECT_EQ(rd(b, RDH), 0);
    EXPECT_EQ(rd(b, MPC), 1);
    EXPECT_EQ(rd(b, ICR), RXO);
    EXPECT_TRUE(give(b, mac, 1700));
    EXPECT_EQ(rd(b, RDH), 7);
}

TEST(e1000, low_threshold)
{
    open_card(b, 2 << 8); /* an eighth: 8 descriptors */
    wr(b, RDT, 10);
    (void)give(b, mac, 100);
    EXPECT_EQ(rd(b, ICR), RXT0); /* 9 */
    (void)give(b, mac, 100);
    EXPECT_EQ(rd(b, ICR), RXT0 | RXDMT0);
    (void)give(b, mac, 100);
    EXPECT_EQ(rd(b, ICR), RXT0);
}

TEST(e1000, delayed_receive_interrupt)
{
    open_card(b, 0);
    wr(b, RDTR, 100);
    wr(b, RADV, 150);
    wr(b, RSRPD, 80);
    for (unsigned i = 0; i < 3; i++) {
        (void)give(b, mac, 100);
        bench_step(b, 60000);
        EXPECT_EQ(rd(b, ICR), i == 2 ? RXT0 : 0);
    }
    (void)give(b, mac, 100);
    wr(b, RDTR, 0x80000000 | 100); /* flush */
    EXPECT_EQ(rd(b, ICR), RXT0);
    EXPECT_EQ(rd(b, RDTR), 100);
    (void)give(b, mac, 60); /* small packet detect */
    EXPECT_EQ(rd(b, ICR), SRPD);
}

/* --- reset, unplug --- */

TEST(e1000, software_reset_in_any_state)
{
    open_card(b, BAM);
    wr(b, RDTR, 100);
    wr(b, ITR, 100);
    wr(b, PBA, 0x20);
    for (unsigned i = 0; i < 10; i++)
        legacy(b, i, 100, EOP | RS);
    (void)give(b, mac, 100);
    wr(b, TDT, 10);
    wr(b, CTRL, CTRL_RST);
    bench_step(b, 1000000);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_EQ(rd(b, CTRL) & CTRL_RST, 0);
    EXPECT_EQ(rd(b, ICR), 0);
    EXPECT_EQ(rd(b, TDT), 0);
    EXPECT_EQ(rd(b, RCTL), 0);
    EXPECT_EQ(rd(b, IMS), 0);
    EXPECT_EQ(rd(b, RA), 0x013e1600);
    EXPECT_EQ(rd(b, PBA), 0x00200020); /* not by a reset of this kind */
    EXPECT_TRUE(!bench_intx_level(b, SLOT, 0));
    EXPECT_TRUE(!give(b, mac, 100));
}

static void unplug(struct bench *b, unsigned mask)
{
    struct device *d = machine_find(b->m, "e1000", 0);

    EXPECT_TRUE(event_begin(d));
    d->ops->unplug(d, mask);
    event_end(d);
}

TEST(e1000, unplugged_by_xen)
{
    open_card(b, BAM);
    legacy(b, 0, 100, EOP | RS);
    wr(b, TDT, 1);
    unplug(b, 1); /* disks: not ours */
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 2), 0x8086);
    unplug(b, 2);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 2), 0xffff);
    bench_step(b, 1000000);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_TRUE(!give(b, mac, 100));
    machine_reset(b->m);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 2), 0x8086);
}

#include "tests/hw/e1000_advisories.h"
