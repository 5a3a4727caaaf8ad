/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the RTL8139C+: what drivers see of registers, EEPROM and link, and frames both ways in
 * both modes. */
#include "tests/hw/rtl8139_bench.h"

/* --- identity --- */

TEST(rtl8139, pci_identity)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 4), 0x813910ec);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 8, 4), 0x02000020);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3d, 1), 1);
    bench_cfg_write(b, DEVFN, 0x10, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x10, 4), 0xffffff01);
    bench_cfg_write(b, DEVFN, 0x14, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x14, 4), 0xffffff00);
    bench_cfg_write(b, DEVFN, 0x30, 4, 0xfffffffe);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x30, 4), 0xfffff000);
}

TEST(rtl8139, rom_bar_shows_the_image)
{
    bench_cfg_write(b, DEVFN, 0x30, 4, 0xf3000001);
    EXPECT_EQ(bench_read(b, 0xf3000000 + 0x123, 1), rom_image[0x123]);
    EXPECT_EQ(bench_read(b, 0xf3000000 + ROM_BYTES, 4), 0xffffffff);
}

TEST(rtl8139, both_windows_show_the_registers)
{
    EXPECT_EQ(in32(b, IDR0), 0x013e1600);
    EXPECT_EQ(in16(b, IDR0 + 4), 0x0302);
    EXPECT_EQ(bench_read(b, MEMORY + IDR0, 4), 0x013e1600);
    EXPECT_EQ(in32(b, TCR) & 0x7cc00000, 0x74800000); /* HWVERID of the C+ */
    EXPECT_EQ(in8(b, CR), BUFE);
    EXPECT_EQ(in16(b, CAPR), 0xfff0);
    for (unsigned i = 0; i < 4; i++)
        EXPECT_EQ(in32(b, TSD0 + 4 * i), TSD_OWN);
    EXPECT_EQ(in16(b, TSAD), 0x000f);
}

TEST(rtl8139, configuration_is_locked)
{
    out32(b, IDR0, 0x11223344);
    out8(b, CONFIG1, 0x20);
    EXPECT_EQ(in32(b, IDR0), 0x013e1600);
    EXPECT_EQ(in8(b, CONFIG1), 0x0c);
    out8(b, EECR, UNLOCK);
    out32(b, IDR0, 0x11223344);
    out32(b, IDR0 + 4, 0xffff5566);
    out8(b, CONFIG1, 0x21);
    out16(b, BMCR, 0x0100);
    out8(b, EECR, LOCK);
    EXPECT_EQ(in32(b, IDR0), 0x11223344);
    EXPECT_EQ(in32(b, IDR0 + 4), 0x5566);
    EXPECT_EQ(in8(b, CONFIG1), 0x2d); /* both BARs cannot be turned off */
    EXPECT_EQ(in16(b, BMCR), 0x0100);
    out16(b, BMCR, 0x1000);
    EXPECT_EQ(in16(b, BMCR), 0x0100);
    out8(b, CONFIG5, 0x02); /* the one that needs no key */
    EXPECT_EQ(in8(b, CONFIG5), 0x02);
    out8(b, EECR, 0x40); /* auto-load */
    EXPECT_EQ(in32(b, IDR0), 0x013e1600);
    EXPECT_EQ(in8(b, EECR), 0);
}

/* --- EEPROM --- */

static void ee_bits(struct bench *b, unsigned bits, unsigned n)
{
    while (n-- > 0) {
        unsigned di = bits >> n & 1 ? 2 : 0;

        out8(b, EECR, PROGRAM | 8 | di);
        out8(b, EECR, PROGRAM | 8 | di | 4);
    }
    out8(b, EECR, PROGRAM | 8);
}

static unsigned ee_read(struct bench *b, unsigned at, unsigned address_bits)
{
    unsigned v = 0;

    out8(b, EECR, PROGRAM);
    out8(b, EECR, PROGRAM | 8);
    ee_bits(b, 6u << address_bits | at, 3 + address_bits);
    for (unsigned i = 0; i < 16; i++) {
        out8(b, EECR, PROGRAM | 8 | 4);
        v = v << 1 | (in8(b, EECR) & 1);
        out8(b, EECR, PROGRAM | 8);
    }
    out8(b, EECR, 0);
    return v;
}

static void ee_command(struct bench *b, unsigned bits, unsigned n)
{
    out8(b, EECR, PROGRAM | 8);
    ee_bits(b, bits, n);
    out8(b, EECR, PROGRAM);
    out8(b, EECR, 0);
}

TEST(rtl8139, eeprom_tells_signature_and_address)
{
    EXPECT_TRUE(ee_read(b, 0, 8) != 0x8129); /* how a driver finds out that it has 6 address bits */
    EXPECT_EQ(ee_read(b, 0, 6), 0x8129);
    EXPECT_EQ(ee_read(b, 1, 6), 0x10ec);
    EXPECT_EQ(ee_read(b, 7, 6), 0x1600);
    EXPECT_EQ(ee_read(b, 8, 6), 0x013e);
    EXPECT_EQ(ee_read(b, 9, 6), 0x0302);
}

TEST(rtl8139, eeprom_is_written_when_enabled)
{
    ee_command(b, 5u << 22 | 20u << 16 | 0x1234, 25);
    EXPECT_EQ(ee_read(b, 20, 6), 0);
    ee_command(b, 4u << 6 | 0x30, 9); /* EWEN */
    ee_command(b, 5u << 22 | 20u << 16 | 0x1234, 25);
    EXPECT_EQ(ee_read(b, 20, 6), 0x1234);
    ee_command(b, 7u << 6 | 20u, 9); /* ERASE */
    EXPECT_EQ(ee_read(b, 20, 6), 0xffff);
    ee_command(b, 4u << 22 | 0x10u << 16 | 0xa55a, 25); /* WRAL */
    EXPECT_EQ(ee_read(b, 63, 6), 0xa55a);
    ee_command(b, 4u << 6, 9);        /* EWDS */
    ee_command(b, 4u << 6 | 0x20, 9); /* ERAL */
    EXPECT_EQ(ee_read(b, 0, 6), 0xa55a);
}

/* --- link, timer, counters --- */

TEST(rtl8139, link_goes_down_and_up)
{
    out16(b, IMR, LINKCHG);
    EXPECT_EQ(in16(b, BMSR), 0x782d);
    EXPECT_EQ(in8(b, MSR) & 4, 0);
    EXPECT_EQ(in16(b, ANLPAR), 0x45e1);
    net_set_link(wire(b), false);
    EXPECT_TRUE(line(b));
    EXPECT_EQ(events(b), LINKCHG);
    EXPECT_TRUE(!line(b));
    EXPECT_EQ(in16(b, BMSR), 0x7809);
    EXPECT_EQ(in8(b, MSR) & 4, 4);
    EXPECT_EQ(in16(b, ANLPAR), 0);
    net_set_link(wire(b), true);
    EXPECT_EQ(events(b), LINKCHG);
    EXPECT_EQ(in16(b, BMSR), 0x782d);
}

TEST(rtl8139, auto_negotiation_and_phy_reset_end_at_once)
{
    out8(b, EECR, UNLOCK);
    out16(b, BMCR, 0x1200);
    EXPECT_EQ(in16(b, BMCR), 0x1000);
    out16(b, BMCR, 0x8000);
    EXPECT_EQ(in16(b, BMCR), 0x1000);
}

TEST(rtl8139, timer_counts_pci_clocks)
{
    out32(b, TCTR, 1);
    EXPECT_EQ(in32(b, TCTR), 0);
    bench_step(b, 1000000);
    EXPECT_EQ(in32(b, TCTR), 33000);
    out16(b, IMR, TIMEOUT);
    out32(b, TIMERINT, 66000);
    bench_step(b, 999000);
    EXPECT_EQ(in16(b, ISR), 0);
    bench_step(b, 1001);
    EXPECT_TRUE(line(b));
    EXPECT_EQ(events(b), TIMEOUT);
    bench_step(b, 10000000);
    EXPECT_EQ(in16(b, ISR), 0); /* once in 2^32 clocks */
    out32(b, TCTR, 0);
    bench_step(b, 2000001);
    EXPECT_EQ(events(b), TIMEOUT);
    out32(b, TIMERINT, 0);
    out32(b, TCTR, 0);
    bench_step(b, 2000001);
    EXPECT_EQ(in16(b, ISR), 0);
}

TEST(rtl8139, software_interrupt)
{
    out16(b, IMR, SWINT);
    out8(b, TPPOLL, 1);
    EXPECT_TRUE(line(b));
    EXPECT_EQ(events(b), SWINT);
    EXPECT_EQ(in8(b, TPPOLL), 0);
}

TEST(rtl8139, tally_counters_are_dumped)
{
    uint8_t frame[100], t[64];

    cp_open(b, 0, 4);
    packet(frame, sizeof frame, 17);
    cp_queue(b, 0, frame, sizeof frame, 0, 0);
    cp_poll(b);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    memset(frame, 0xff, 6);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    out32(b, DTCCR + 4, 0);
    out32(b, DTCCR, TALLY | 8);
    EXPECT_EQ(in32(b, DTCCR), TALLY);
    bench_ram_get(b, TALLY, t, sizeof t);
    EXPECT_EQ(le64(t), 1);
    EXPECT_EQ(le64(t + 8), 2);
    EXPECT_EQ(le64(t + 40), 1);
    EXPECT_EQ(le64(t + 48), 1);
}

/* --- C mode --- */

TEST(rtl8139, c_mode_sends_in_turn)
{
    uint8_t frame[600], got[2048];

    fill(frame, sizeof frame);
    c_open(b, AB | APM);
    for (unsigned i = 0; i < 6; i++) {
        unsigned n = i % 4;

        c_send(b, n, frame, 60 + i);
        EXPECT_EQ(in32(b, TSD0 + 4 * n) & (TSD_OWN | TSD_TOK), 0);
        run(b);
        EXPECT_EQ(in32(b, TSD0 + 4 * n), TSD_OWN | TSD_TOK | 0x30000 | (60 + i));
        EXPECT_EQ(events(b), TOK);
        EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 60 + i);
        assert_memory_equal(got, frame, 60 + i);
    }
    EXPECT_EQ(in16(b, TSAD), 0xf00f);
    c_send(b, 3, frame, 60); /* not its turn */
    run(b);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    c_send(b, 2, frame, 60);
    run(b);
    EXPECT_EQ(wire_sent(wire(b)), 2);
}

TEST(rtl8139, c_mode_aborts_what_the_fifo_cannot_hold)
{
    uint8_t frame[2000];

    fill(frame, sizeof frame);
    c_open(b, AB | APM);
    c_send(b, 0, frame, 1793);
    run(b);
    EXPECT_EQ(events(b), TER);
    EXPECT_EQ(in32(b, TSD0) & (TSD_OWN | TSD_TOK | TSD_TABT), (TSD_OWN | TSD_TABT));
    c_send(b, 1, frame, 1792);
    run(b);
    EXPECT_EQ(events(b), TOK);
    EXPECT_EQ(wire_take(wire(b), NULL, NULL, 0), 1792);
}

/* What the ring holds at `at`: status and length. */
static uint32_t rx_header(struct bench *b, uint32_t at)
{
    uint8_t h[4];

    bench_ram_get(b, RX_BYTES + at, h, sizeof h);
    return le32(h);
}

TEST(rtl8139, c_mode_receives)
{
    static const uint8_t zeros[22];
    uint8_t frame[1514], got[1514];

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    EXPECT_TRUE(!give(b, frame, sizeof frame)); /* nobody is there */
    c_open(b, AB | APM | WRAP);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_TRUE(line(b));
    EXPECT_EQ(events(b), ROK);
    EXPECT_EQ(in8(b, CR) & BUFE, 0);
    EXPECT_EQ(rx_header(b, 0), 1518u << 16 | 0x4001);
    bench_ram_get(b, RX_BYTES + 4, got, sizeof got);
    assert_memory_equal(got, frame, sizeof frame);
    EXPECT_EQ(in16(b, CBR), 1524); /* 4 + 1518, rounded up */
    out16(b, CAPR, 1524 - 16);
    EXPECT_EQ(in8(b, CR) & BUFE, BUFE);

    memset(frame, 0xff, 6);
    EXPECT_TRUE(give(b, frame, 42)); /* padded */
    EXPECT_EQ(rx_header(b, 1524), 64u << 16 | 0x2001);
    bench_ram_get(b, RX_BYTES + 1528, got, 64);
    assert_memory_equal(got, frame, 42);
    assert_memory_equal(got + 42, zeros, 22);
}

static bool heard;

static void ask(struct net *n)
{
    heard = n->user->ready(n->user->opaque);
}

/* Peers ask within the kick, which is within the card's handler. */
TEST(rtl8139, receiver_that_is_turned_on_is_heard_of)
{
    static struct net_ops ops;
    uint8_t frame[60];

    ethernet(frame, mac, 0x88b5);
    EXPECT_TRUE(!give(b, frame, sizeof frame));
    ops = *wire(b)->ops;
    ops.kick = ask;
    wire(b)->ops = &ops;
    heard = false;
    c_open(b, APM);
    EXPECT_TRUE(heard);
}

TEST(rtl8139, c_mode_ring_wraps)
{
    uint8_t frame[1500], got[1504];
    uint32_t at = 0;

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    for (unsigned wrap = 0; wrap < 2; wrap++) {
        c_open(b, APM | (wrap ? WRAP : 0));
        at = 0;
        for (unsigned i = 0; i < 6; i++) { /* the sixth crosses the end of 8 KiB */
            EXPECT_TRUE(give(b, frame, sizeof frame));
            EXPECT_EQ(rx_header(b, at), 1504u << 16 | 0x4001);
            if (i == 5)
                break;
            at = (at + 1508) % 8192;
            out16(b, CAPR, at - 16);
        }
        EXPECT_EQ(in16(b, CBR), 6 * 1508 - 8192);
        if (wrap) {
            bench_ram_get(b, RX_BYTES + at + 4, got, 1504);
        } else {
            bench_ram_get(b, RX_BYTES + at + 4, got, 8192 - at - 4);
            bench_ram_get(b, RX_BYTES, got + (8192 - at - 4), 1504 - (8192 - at - 4));
        }
        assert_memory_equal(got, frame, sizeof frame);
    }
}

TEST(rtl8139, c_mode_ring_overflows)
{
    uint8_t frame[1500];
    unsigned n = 0;

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    c_open(b, APM);
    while (EXPECT_TRUE(give(b, frame, sizeof frame)), events(b) == ROK)
        n++;
    EXPECT_EQ(n, 5);
    EXPECT_EQ(in32(b, MPC), 1);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), RDU); /* RXOVW */
    EXPECT_EQ(in32(b, MPC), 2);
    out32(b, MPC, 7);
    EXPECT_EQ(in32(b, MPC), 0);
    out16(b, CAPR, 1508 - 16);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), ROK);
}

TEST(rtl8139, filters)
{
    static const uint8_t other[6] = { 0x00, 0x16, 0x3e, 9, 9, 9 };
    static const uint8_t group[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb };
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const struct {
        const uint8_t *to;
        unsigned needs;
    } rows[] = { { other, AAP }, { mac, APM | AAP }, { group, AM }, { all, AB } };
    uint8_t frame[60] = { 0 };

    for (unsigned accept = 0; accept < 16; accept++)
        for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
            c_open(b, accept);
            ethernet(frame, rows[i].to, 0x88b5);
            EXPECT_TRUE(give(b, frame, sizeof frame));
            EXPECT_EQ(events(b), accept & rows[i].needs ? ROK : 0);
        }
    c_open(b, AM);
    ethernet(frame, group, 0x88b5);
    out32(b, MAR0, 0);
    out32(b, MAR0 + 4, 0);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), 0);
    out32(b, MAR0, 1u << 15); /* mDNS: the CRC is 3f7b3b21h, its upper six bits are 15 */
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(events(b), ROK);
}

/* --- life --- */

TEST(rtl8139, reset_in_any_state)
{
    uint8_t frame[60];

    fill(frame, sizeof frame);
    cp_open(b, RXCHKSUM, 4);
    wire_accept(wire(b), 0);
    cp_queue(b, 0, frame, sizeof frame, 0, 0);
    cp_poll(b);
    out32(b, TIMERINT, 1000);
    out8(b, CR, RST | RE | TE);
    EXPECT_EQ(in8(b, CR), BUFE);
    EXPECT_EQ(in16(b, ISR) | in16(b, IMR) | in16(b, CPCR), 0);
    EXPECT_EQ(in32(b, TSD0), TSD_OWN);
    EXPECT_EQ(machine_host_deadline(b->m), UINT64_MAX);
    wire_accept(wire(b), 64);
    run(b);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_EQ(in32(b, IDR0), 0x013e1600);
}

TEST(rtl8139, saved_with_frames_waiting)
{
    uint8_t frame[100], got[100];

    fill(frame, sizeof frame);
    cp_open(b, 0, 8);
    for (unsigned i = 0; i < 3; i++)
        cp_queue(b, i, frame, 60 + i, 0, 0);
    out8(b, TPPOLL, NPQ);
    bench_save_and_load(b);
    run(b);
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(wire_take(wire(b), NULL, got, sizeof got), 60 + i);
    ethernet(frame, mac, 0x88b5);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    bench_save_and_load(b);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    EXPECT_EQ(opts1(b, RX_RING, 1), FS | LS | 0x02000000 | 104);
    net_set_link(wire(b), false); /* where it is loaded, the cable may be out */
    events(b);
    bench_save_and_load(b);
    EXPECT_EQ(in16(b, BMSR), 0x7809);
}

TEST(rtl8139, unplugged_it_is_silent)
{
    uint8_t frame[100];
    struct device *d = machine_find(b->m, "rtl8139", 0);

    fill(frame, sizeof frame);
    ethernet(frame, mac, 0x88b5);
    cp_open(b, 0, 8);
    cp_queue(b, 0, frame, sizeof frame, 0, 0);
    EXPECT_TRUE(give(b, frame, sizeof frame));
    out8(b, TPPOLL, NPQ);
    EXPECT_TRUE(line(b));
    for (unsigned i = 0; i < 2; i++) {
        unplug(d);
        EXPECT_TRUE(!line(b));
        EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 4), 0xffffffff);
    }
    run(b);
    EXPECT_EQ(wire_sent(wire(b)), 0);
    EXPECT_TRUE(!give(b, frame, sizeof frame));
    machine_reset(b->m);
    plug_in(b);
    cp_open(b, 0, 8);
    EXPECT_TRUE(give(b, frame, sizeof frame));
}

TEST(rtl8139, bus_errors_are_told)
{
    uint8_t frame[60];

    fill(frame, sizeof frame);
    cp_open(b, 0, 4);
    desc_put(b, TX_RING, 0, OWN | FS | LS | 60, 0, 0xfffff000); /* no memory there */
    cp_poll(b);
    EXPECT_EQ(events(b), SERR | TER | TDU);
    EXPECT_TRUE(opts1(b, TX_RING, 0) & TES);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 6, 2) & 0x2000, 0x2000);
    cp_queue(b, 1, frame, 60, 0, 0);
    cp_poll(b);
    EXPECT_EQ(events(b), TOK | TDU);
    bench_cfg_write(b, DEVFN, 4, 2, 3); /* no bus master: nothing moves */
    cp_queue(b, 2, frame, 60, 0, 0);
    cp_poll(b);
    EXPECT_EQ(events(b), TDU);
    EXPECT_TRUE(opts1(b, TX_RING, 2) & OWN);
}

#include "tests/hw/rtl8139_cplus.h"
#include "tests/hw/rtl8139_advisories.h"
