/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000_bench - a driver's view of the card, for its tests. */
#ifndef TESTS_HW_E1000_BENCH_H
#define TESTS_HW_E1000_BENCH_H

#include "net/csum.h"
#include "tests/bench.h"
#include "tests/wire.h"

enum { SLOT = 3, DEVFN = SLOT << 3, ROM_BYTES = 3000 };
enum { BAR0 = 0xfebc0000, BAR1 = 0xc000 };
enum { TX_RING = 0x10000, RX_RING = 0x20000, RX_BUFFERS = 0x30000, TX_BUFFERS = 0x80000 };
enum { RING = 64, BUFFER = 2048 }; /* descriptors; bytes of a receive buffer */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EECD = 0x0010,
    EERD = 0x0014,
    MDIC = 0x0020,
    VET = 0x0038,
    ICR = 0x00c0,
    ITR = 0x00c4,
    ICS = 0x00c8,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    PBA = 0x1000,
    RDBAL = 0x2800,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    RDTR = 0x2820,
    RADV = 0x282c,
    RSRPD = 0x2c00,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    TIDV = 0x3820,
    TADV = 0x382c,
    MPC = 0x4010,
    GPRC = 0x4074,
    GPTC = 0x4080,
    GORCL = 0x4088,
    GORCH = 0x408c,
    ROC = 0x40ac,
    TSCTC = 0x40f8,
    RXCSUM = 0x5000,
    MTA = 0x5200,
    RA = 0x5400,
    VFTA = 0x5600,
};
enum { CTRL_RST = 1 << 26, CTRL_VME = 1 << 30, STATUS_LU = 2 };
enum {
    TXDW = 0x01,
    TXQE = 0x02,
    LSC = 0x04,
    RXDMT0 = 0x10,
    RXO = 0x40,
    RXT0 = 0x80,
    MDAC = 0x200,
    SRPD = 0x10000
};
enum { EN = 2, SBP = 4, UPE = 8, MPE = 0x10, LPE = 0x20, LBM = 0xc0, BAM = 0x8000 };
enum { VFE = 1 << 18, BSEX = 1 << 25, SECRC = 1 << 26, PSP = 8 };
/* CMD of transmit descriptors, as bits of their third word */
enum { EOP = 1 << 24, IC = 1 << 26, TSE = 1 << 26, RS = 1 << 27, DEXT = 1 << 29, VLE = 1 << 30 };
#define IDE (1u << 31)
enum { DATA = DEXT | 1 << 20, IXSM = 1 << 8, TXSM = 2 << 8 }; /* the latter in the fourth word */
enum { DD = 1, RX_EOP = 2, RX_IXSM = 4, RX_VP = 8, RX_TCPCS = 0x20, RX_IPCS = 0x40, RX_PIF = 0x80 };

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 };

static struct net *wire(struct bench *b)
{
    return b->rows[0].host.net;
}

static uint32_t rd(struct bench *b, unsigned reg)
{
    return (uint32_t)bench_read(b, BAR0 + reg, 4);
}

static void wr(struct bench *b, unsigned reg, uint32_t v)
{
    bench_write(b, BAR0 + reg, 4, v);
}

static void decode(struct bench *b)
{
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0);
    bench_cfg_write(b, DEVFN, 0x14, 4, BAR1);
    bench_cfg_write(b, DEVFN, 0x04, 2, 7);
}

static void put_desc(struct bench *b, uint64_t ring, unsigned i, uint64_t low, uint32_t third,
                     uint32_t fourth)
{
    uint8_t d[16];

    store_le(d, 8, low);
    put_le32(d + 8, third);
    put_le32(d + 12, fourth);
    bench_ram_put(b, ring + (uint64_t)i * 16, d, sizeof d);
}

struct rx_desc {
    uint16_t length, csum;
    uint8_t status, errors;
    uint16_t special;
};

static struct rx_desc rx_at(struct bench *b, unsigned i)
{
    uint8_t d[16];

    bench_ram_get(b, RX_RING + i * 16, d, sizeof d);
    return (struct rx_desc){ le16(d + 8), le16(d + 10), d[12], d[13], le16(d + 14) };
}

static uint8_t tx_status(struct bench *b, unsigned i)
{
    uint8_t v;

    bench_ram_get(b, TX_RING + i * 16 + 12, &v, 1);
    return v;
}

/* As a driver leaves the card: rings of RING descriptors, RING - 1 receive buffers. */
static void open_card(struct bench *b, uint32_t rctl)
{
    for (unsigned i = 0; i < RING; i++)
        put_desc(b, RX_RING, i, RX_BUFFERS + i * BUFFER, 0, 0);
    wr(b, RDBAL, RX_RING);
    wr(b, RDLEN, RING * 16);
    wr(b, RDT, RING - 1);
    wr(b, RCTL, EN | rctl);
    wr(b, TDBAL, TX_RING);
    wr(b, TDLEN, RING * 16);
    wr(b, TCTL, EN | PSP);
    wr(b, IMS, 0x1ffff);
    (void)rd(b, ICR);
}

/* Give the card what stands before tail, and the time for it. */
static void tail(struct bench *b, unsigned to)
{
    wr(b, TDT, to);
    bench_step(b, 1000);
}

/* Ethernet header and `n` bytes in all, which count up. */
static void fill(uint8_t *frame, size_t n, const uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        frame[i] = (uint8_t)(i * 7 + 1);
    if (n < 14)
        return;
    memcpy(frame, to, 6);
    memcpy(frame + 6, "\x00\x16\x3e\xaa\xbb\xcc", 6);
    put_be16(frame + 12, 0x88b5);
}

static bool give(struct bench *b, const uint8_t *to, size_t n)
{
    uint8_t frame[20000];

    fill(frame, n, to);
    return wire_give(wire(b), NULL, frame, n);
}

/* An IPv4 frame with TCP (20 byte headers) and `payload` bytes; the sums of IP and of the pseudo
 * header, which counts the length if `whole`. */
static size_t tcp_frame(uint8_t *f, size_t payload, bool whole)
{
    uint8_t pseudo[12] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 6 };
    size_t n = 54 + payload;

    fill(f, n, mac);
    put_be16(f + 12, 0x0800);
    memcpy(f + 14,
           "\x45\x00\x00\x00\x12\x34\x40\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02", 20);
    if (whole) {
        put_be16(f + 16, (uint16_t)(n - 14));
        put_be16(f + 24, (uint16_t)~csum_of(f + 14, 20));
        put_be16(pseudo + 10, (uint16_t)(n - 34));
    }
    f[46] = 0x50;
    put_be16(f + 50, csum_of(pseudo, sizeof pseudo));
    return n;
}

/* TCP of a frame as tcp_frame() makes it: is its sum right? */
static bool tcp_good(const uint8_t *f, size_t n)
{
    uint8_t pseudo[12] = { 0 };

    memcpy(pseudo, f + 26, 8);
    pseudo[9] = f[23];
    put_be16(pseudo + 10, (uint16_t)(n - 34));
    return csum_fold((uint64_t)csum_of(pseudo, 12) + csum_of(f + 34, n - 34)) == 0xffff;
}

#endif
