/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_bench - the board and the driver's side of an RTL8139C+, for its tests: registers,
 * frames, opening the card in both modes. A file that includes it has the board for its TESTs.
 */
#ifndef TESTS_HW_RTL8139_BENCH_H
#define TESTS_HW_RTL8139_BENCH_H

#include "hw/core/core.h"
#include "tests/bench.h"
#include "tests/oracle.h"
#include "tests/wire.h"

extern const struct device_ops rtl8139_ops;

enum { SLOT = 4, DEVFN = SLOT << 3, IO = 0xc100, MEMORY = 0xf2000000, ROM_BYTES = 0x900 };
enum {
    IDR0 = 0x00,
    MAR0 = 0x08,
    TSD0 = 0x10,
    DTCCR = 0x10,
    TSAD0 = 0x20,
    TNPDS = 0x20,
    THPDS = 0x28,
    RBSTART = 0x30,
    CR = 0x37,
    CAPR = 0x38,
    CBR = 0x3a,
    IMR = 0x3c,
    ISR = 0x3e,
    TCR = 0x40,
    RCR = 0x44,
    TCTR = 0x48,
    MPC = 0x4c,
    EECR = 0x50,
    CONFIG1 = 0x52,
    TIMERINT = 0x54,
    MSR = 0x58,
    CONFIG5 = 0xd8,
    TPPOLL = 0xd9,
    TSAD = 0x60,
    BMCR = 0x62,
    BMSR = 0x64,
    ANLPAR = 0x68,
    CPCR = 0xe0,
    RDSAR = 0xe4
};
enum { BUFE = 1, TE = 4, RE = 8, RST = 0x10 };
enum { ROK = 1, TOK = 4, TER = 8, RDU = 0x10, LINKCHG = 0x20, TDU = 0x80, SWINT = 0x100 };
enum { TIMEOUT = 0x4000, SERR = 0x8000 };
enum { AAP = 1, APM = 2, AM = 4, AB = 8, WRAP = 0x80, LOOPBACK = 0x60000 };
enum { CPTX = 1, CPRX = 2, RXCHKSUM = 0x20, RXVLAN = 0x40 };
enum { NPQ = 0x40, HPQ = 0x80 };
enum { LOCK = 0, PROGRAM = 0x80, UNLOCK = 0xc0 };
enum { TSD_OWN = 0x2000, TSD_TOK = 0x8000, TSD_TABT = 0x40000000 };

#define OWN   0x80000000u
#define EOR   0x40000000u
#define FS    0x20000000u
#define LS    0x10000000u
#define LGSEN 0x08000000u
#define IPCS  0x00040000u
#define UDPCS 0x00020000u
#define TCPCS 0x00010000u
#define TAG   0x00020000u /* of opts2, transmit */
#define TES   0x00800000u

enum {
    RX_RING = 0x10000,
    TX_RING = 0x11000,
    HIGH_RING = 0x12000,
    BUFFER = 0x20000,
    TALLY = 0x13000
};
enum { RX_BYTES = 0x60000 }; /* buffer of C mode */

static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 };
static uint8_t rom_image[ROM_BYTES];

static struct net *wire(struct bench *b)
{
    return b->rows[0].host.net;
}

/* The card answers where the tests look for it, and the other end takes everything. */
static void plug_in(struct bench *b)
{
    while (wire_sent(wire(b)))
        (void)wire_take(wire(b), NULL, NULL, 0);
    wire_accept(wire(b), WIRE_FRAMES);
    net_set_link(wire(b), true);
    bench_cfg_write(b, DEVFN, 0x10, 4, IO);
    bench_cfg_write(b, DEVFN, 0x14, 4, MEMORY);
    bench_cfg_write(b, DEVFN, 0x04, 2, 7);
}

BENCH_SETUP
{
    struct device_row row = { .ops = &rtl8139_ops, .devfn = DEVFN };
    struct bench *b;

    for (unsigned i = 0; i < ROM_BYTES; i++)
        rom_image[i] = (uint8_t)(i * 7 + (i >> 8));
    memcpy(row.host.mac, mac, sizeof mac);
    row.host.rom = rom_image;
    row.host.rom_size = ROM_BYTES;
    row.host.net = wire_new();
    b = bench_new(&row, 1);
    plug_in(b);
    return b;
}

/* --- registers --- */

static void out8(struct bench *b, unsigned reg, unsigned v)
{
    bench_outb(b, IO + reg, v);
}

static void out16(struct bench *b, unsigned reg, unsigned v)
{
    bench_outw(b, IO + reg, v);
}

static void out32(struct bench *b, unsigned reg, uint32_t v)
{
    bench_outl(b, IO + reg, v);
}

static unsigned in8(struct bench *b, unsigned reg)
{
    return bench_inb(b, IO + reg);
}

static unsigned in16(struct bench *b, unsigned reg)
{
    return bench_inw(b, IO + reg);
}

static uint32_t in32(struct bench *b, unsigned reg)
{
    return bench_inl(b, IO + reg);
}

/* Read and acknowledge. */
static unsigned events(struct bench *b)
{
    unsigned v = in16(b, ISR);

    out16(b, ISR, v);
    return v;
}

static bool line(struct bench *b)
{
    return bench_intx_level(b, SLOT, 0);
}

static void unplug(struct device *d)
{
    EXPECT_TRUE(event_begin(d));
    d->ops->unplug(d, 2);
    event_end(d);
}

/* Time enough for everything that is due. */
static void run(struct bench *b)
{
    bench_step(b, 1000);
}

/* --- frames --- */

/* Bytes that tell where they are. */
static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 31 + (i >> 8) + 1);
}

static void ethernet(uint8_t *frame, const uint8_t *to, unsigned type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, "\x02\x00\x00\x00\x00\x01", 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
}

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static unsigned be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* RFC 1071, as slowly as it stands there. */
static unsigned sum(const uint8_t *p, size_t n, unsigned start)
{
    uint32_t v = start;

    for (size_t i = 0; i < n; i++)
        v += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    while (v >> 16)
        v = (v & 0xffff) + (v >> 16);
    return v;
}

static unsigned pseudo(const uint8_t *ip, size_t n)
{
    uint8_t b[12];

    memcpy(b, ip + 12, 8);
    b[8] = 0;
    b[9] = ip[9];
    put_be16(b + 10, (unsigned)n);
    return sum(b, sizeof b, 0);
}

/* An IPv4 packet of TCP (6) or UDP (17) with n bytes in all, without sums. */
static void packet(uint8_t *frame, size_t n, unsigned proto)
{
    uint8_t *ip = frame + 14;

    fill(frame, n);
    ethernet(frame, mac, 0x0800);
    ip[0] = 0x45;
    put_be16(ip + 2, (unsigned)n - 14);
    put_be16(ip + 6, 0);
    ip[9] = (uint8_t)proto;
    put_be16(ip + 10, 0);
    if (proto == 6)
        ip[20 + 12] = 0x50;
    put_be16(ip + 20 + (proto == 6 ? 16 : 6), 0);
}

static void make_sums(uint8_t *frame, size_t n)
{
    uint8_t *ip = frame + 14, *field = ip + 20 + (ip[9] == 6 ? 16 : 6);

    put_be16(ip + 10, ~sum(ip, 20, 0));
    put_be16(field, ~sum(ip + 20, n - 34, pseudo(ip, n - 34)));
}

static bool give(struct bench *b, const void *frame, size_t n)
{
    return wire_give(wire(b), NULL, frame, n);
}

/* --- a driver of C mode --- */

static void c_open(struct bench *b, uint32_t rcr)
{
    out8(b, CR, RST);
    out32(b, RBSTART, RX_BYTES);
    out8(b, CR, TE | RE);
    out32(b, RCR, rcr);
    out32(b, TCR, 0x03000600);
    out32(b, MAR0, 0xffffffff);
    out32(b, MAR0 + 4, 0xffffffff);
    out16(b, IMR, 0xffff);
}

static void c_send(struct bench *b, unsigned n, const uint8_t *frame, uint32_t size)
{
    uint64_t at = BUFFER + n * 0x2000u;

    bench_ram_put(b, at, frame, size);
    out32(b, TSAD0 + 4 * n, (uint32_t)at);
    out32(b, TSD0 + 4 * n, size | 0x30000);
}

/* --- a driver of C+ mode --- */

struct desc {
    uint8_t opts1[4], opts2[4], address[8];
};

static void desc_put(struct bench *b, uint64_t ring, unsigned i, uint32_t opts1, uint32_t opts2,
                     uint64_t address)
{
    struct desc d;

    put_le32(d.opts1, opts1);
    put_le32(d.opts2, opts2);
    store_le(d.address, 8, address);
    bench_ram_put(b, ring + i * sizeof d, &d, sizeof d);
}

static uint32_t opts1(struct bench *b, uint64_t ring, unsigned i)
{
    struct desc d;

    bench_ram_get(b, ring + i * sizeof d, &d, sizeof d);
    return le32(d.opts1);
}

static uint32_t opts2(struct bench *b, uint64_t ring, unsigned i)
{
    struct desc d;

    bench_ram_get(b, ring + i * sizeof d, &d, sizeof d);
    return le32(d.opts2);
}

static uint64_t rx_buffer(unsigned i)
{
    return 0x300000 + i * 0x2000u;
}

/* As 8139cp does it, with rings of `n` entries. */
static void cp_open(struct bench *b, unsigned cpcr, unsigned n)
{
    out8(b, CR, RST);
    out16(b, CPCR, cpcr | CPTX | CPRX);
    for (unsigned i = 0; i < n; i++) {
        desc_put(b, RX_RING, i, OWN | (i + 1 == n ? EOR : 0) | 1536, 0, rx_buffer(i));
        desc_put(b, TX_RING, i, i + 1 == n ? EOR : 0, 0, 0);
        desc_put(b, HIGH_RING, i, i + 1 == n ? EOR : 0, 0, 0);
    }
    out32(b, THPDS, HIGH_RING);
    out32(b, THPDS + 4, 0);
    out32(b, RDSAR, RX_RING);
    out32(b, RDSAR + 4, 0);
    out32(b, TNPDS, TX_RING);
    out32(b, TNPDS + 4, 0);
    out8(b, CR, RE | TE);
    out32(b, RCR, AB | APM);
    out16(b, IMR, 0xffff);
}

/* One frame in one descriptor. */
static void cp_queue(struct bench *b, unsigned i, const uint8_t *frame, uint32_t n, uint32_t flags,
                     uint32_t tag)
{
    uint64_t at = BUFFER + i * 0x2000u;

    bench_ram_put(b, at, frame, n);
    desc_put(b, TX_RING, i, OWN | FS | LS | flags | n, tag, at);
}

static void cp_poll(struct bench *b)
{
    out8(b, TPPOLL, NPQ);
    run(b);
}

#endif
