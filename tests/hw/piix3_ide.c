/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the IDE function: channel and task file here; hard disk, packet drive, bus master and
 * advisories in the parts included below.
 *
 * The board: two hard disks on the primary channel, a CD-ROM drive with a medium and an empty one
 * on the secondary. Sector i of each image starts with its number.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/core.h"
#include "hw/storage/ide_media.h"
#include "tests/bench.h"

extern const struct device_ops piix3_ide_ops;

enum { DEVFN = 1 << 3 | 1, BM = 0xc000 };
enum { HD0_SECTORS = 8192, HD1_SECTORS = 3000, CD_SECTORS = 700 }; /* CD: of 2048 bytes */
enum { BSY = 0x80, DRDY = 0x40, DF = 0x20, DSC = 0x10, DRQ = 0x08, ERR = 0x01 };
enum { UNC = 0x40, IDNF = 0x10, ABRT = 0x04 };
enum { DEV0 = 0xe0, DEV1 = 0xf0 }; /* with LBA */
enum { BUFFER = 0x100000, TABLE = 0x8000 };

static const unsigned cmd_base[2] = { 0x1f0, 0x170 }, ctl_base[2] = { 0x3f6, 0x376 };
static const unsigned irq_of[2] = { 14, 15 };

static struct device_row board_row(void)
{
    return (struct device_row){ .ops = &piix3_ide_ops,
                                .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
                                .isa_irq = { 14, 15 },
                                .devfn = DEVFN };
}

static struct bench *board_make(const struct device_row *row)
{
    struct bench *b = bench_new(row, 1);

    bench_cfg_write(b, DEVFN, 0x20, 4, BM);
    bench_cfg_write(b, DEVFN, 0x04, 2, 5);
    return b;
}

BENCH_SETUP
{
    struct device_row row = board_row();

    row.host.disk[0] = bench_disk_new(HD0_SECTORS * 512, false);
    row.host.disk[1] = bench_disk_new(HD1_SECTORS * 512, false);
    row.host.disk[2] = bench_disk_new(CD_SECTORS * 2048, true);
    row.host.cdrom[2] = row.host.cdrom[3] = true;
    return board_make(&row);
}

/* --- what a driver does --- */

static struct device *ide(struct bench *b)
{
    return machine_find(b->m, "piix3_ide", 0);
}

static struct bench_disk *disk(struct bench *b, unsigned place)
{
    return bench_disk(b->rows[0].host.disk[place]);
}

static uint8_t reg(struct bench *b, unsigned c, unsigned r)
{
    return bench_inb(b, cmd_base[c] + r);
}

static void put_reg(struct bench *b, unsigned c, unsigned r, unsigned v)
{
    bench_outb(b, cmd_base[c] + r, v);
}

static uint8_t status(struct bench *b, unsigned c)
{
    return reg(b, c, 7);
}

static uint8_t alt_status(struct bench *b, unsigned c)
{
    return bench_inb(b, ctl_base[c]);
}

static void select_drive(struct bench *b, unsigned c, unsigned device)
{
    put_reg(b, c, 6, device);
}

/* A command with a 28 bit address. */
static void command28(struct bench *b, unsigned c, unsigned device, unsigned features,
                      unsigned count, uint32_t lba, unsigned command)
{
    put_reg(b, c, 6, device | (lba >> 24 & 0x0f));
    put_reg(b, c, 1, features);
    put_reg(b, c, 2, count & 0xff);
    put_reg(b, c, 3, lba & 0xff);
    put_reg(b, c, 4, lba >> 8 & 0xff);
    put_reg(b, c, 5, lba >> 16 & 0xff);
    put_reg(b, c, 7, command);
}

static void command48(struct bench *b, unsigned c, unsigned device, unsigned count, uint64_t lba,
                      unsigned command)
{
    put_reg(b, c, 6, device);
    put_reg(b, c, 2, count >> 8 & 0xff);
    put_reg(b, c, 3, lba >> 24 & 0xff);
    put_reg(b, c, 4, lba >> 32 & 0xff);
    put_reg(b, c, 5, lba >> 40 & 0xff);
    put_reg(b, c, 2, count & 0xff);
    put_reg(b, c, 3, lba & 0xff);
    put_reg(b, c, 4, lba >> 8 & 0xff);
    put_reg(b, c, 5, lba >> 16 & 0xff);
    put_reg(b, c, 7, command);
}

static void simple(struct bench *b, unsigned c, unsigned device, unsigned command)
{
    command28(b, c, device, 0, 0, 0, command);
}

/* rep insw: Xen sends one request for each page of memory. */
static void pio_read(struct bench *b, unsigned c, void *to, unsigned bytes)
{
    for (unsigned at = 0; at < bytes; at += 4096) {
        unsigned n = bytes - at < 4096 ? bytes - at : 4096;

        bench_rep(b, cmd_base[c], true, 2, BUFFER + at, (n + 1) / 2, false);
    }
    bench_ram_get(b, BUFFER, to, bytes);
}

static void pio_write(struct bench *b, unsigned c, const void *from, unsigned bytes)
{
    bench_ram_put(b, BUFFER, from, bytes);
    for (unsigned at = 0; at < bytes; at += 4096) {
        unsigned n = bytes - at < 4096 ? bytes - at : 4096;

        bench_rep(b, cmd_base[c], false, 2, BUFFER + at, n / 2, false);
    }
}

static uint16_t word(const uint8_t *page, unsigned n)
{
    return le16(page + 2 * n);
}

static void identify(struct bench *b, unsigned c, unsigned device, unsigned command, uint8_t *page)
{
    simple(b, c, device, command);
    assert_int_equal(alt_status(b, c) & (BSY | DRQ | ERR), DRQ);
    pio_read(b, c, page, 512);
    assert_int_equal(alt_status(b, c) & (BSY | DRQ | ERR), 0);
}

/* Edges of the channel's line since the last look. */
static unsigned edges(struct bench *b, unsigned c, unsigned *seen)
{
    unsigned now = bench_isa_edges(b, irq_of[c]), n = now - *seen;

    *seen = now;
    return n;
}

static void fill_pattern(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + seed);
}

struct prd_entry {
    uint32_t base;
    uint16_t count;
    uint16_t flags; /* 8000h: end */
};

static void put_table(struct bench *b, const struct prd_entry *table, unsigned n)
{
    bench_ram_put(b, TABLE, table, n * sizeof *table);
}

static void dma_start(struct bench *b, unsigned c, bool to_memory)
{
    unsigned bm = BM + 8 * c;

    bench_outl(b, bm + 4, TABLE);
    bench_outb(b, bm + 2, 0x06);
    bench_outb(b, bm, to_memory ? 0x08 : 0x00);
    bench_outb(b, bm, to_memory ? 0x09 : 0x01);
}

static uint8_t dma_status(struct bench *b, unsigned c)
{
    return bench_inb(b, BM + 8 * c + 2);
}

static void dma_stop(struct bench *b, unsigned c)
{
    bench_outb(b, BM + 8 * c, 0);
}

static void packet(struct bench *b, unsigned c, unsigned device, bool dma, unsigned limit,
                   const uint8_t *cdb)
{
    select_drive(b, c, device);
    put_reg(b, c, 1, dma);
    put_reg(b, c, 4, limit & 0xff);
    put_reg(b, c, 5, limit >> 8);
    put_reg(b, c, 7, 0xa0);
    assert_int_equal(alt_status(b, c) & (BSY | DRQ | ERR), DRQ);
    assert_int_equal(reg(b, c, 2) & 3, 1); /* command to device */
    bench_ram_put(b, BUFFER + 0x40000, cdb, 12);
    bench_rep(b, cmd_base[c], false, 2, BUFFER + 0x40000, 6, false);
}

#define PACKET(...) ((const uint8_t[12]){ __VA_ARGS__ })

/* Take all data of a packet command in bursts as the drive offers them; bytes taken. */
static unsigned packet_data(struct bench *b, unsigned c, uint8_t *to, unsigned room)
{
    unsigned done = 0;

    for (unsigned burst = 0; burst < 100000 && (alt_status(b, c) & DRQ); burst++) {
        unsigned n = reg(b, c, 4) | (unsigned)reg(b, c, 5) << 8;

        assert_int_equal(reg(b, c, 2) & 3, 2); /* data to host */
        assert_true(n > 0 && done + n <= room);
        pio_read(b, c, to + done, n);
        done += n;
    }
    assert_int_equal(alt_status(b, c) & (BSY | DRQ), 0);
    assert_int_equal(reg(b, c, 2) & 3, 3);
    return done;
}

/* Sense key << 16 | ASC << 8 | ASCQ of the drive. */
static unsigned sense(struct bench *b, unsigned c, unsigned device)
{
    uint8_t s[18];

    packet(b, c, device, false, 18, PACKET(3, 0, 0, 0, 18));
    assert_int_equal(packet_data(b, c, s, sizeof s), 18);
    return (unsigned)s[2] << 16 | (unsigned)s[12] << 8 | s[13];
}

/* --- reset, identity, task file --- */

TEST(piix3_ide, configuration_space)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x70108086);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x08, 4), 0x01018000);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3d, 1), 0); /* legacy interrupts, no pin */
    bench_cfg_write(b, DEVFN, 0x40, 2, 0x8000);      /* hvmloader */
    bench_cfg_write(b, DEVFN, 0x42, 2, 0x8000);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x40, 4), 0x80008000);
    bench_cfg_write(b, DEVFN, 0x40, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x40, 4), 0xf3fff3ff);
    bench_cfg_write(b, DEVFN, 0x44, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x44, 4), 0xff);
    bench_cfg_write(b, DEVFN, 0x20, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x20, 4), 0xfffffff1); /* 16 I/O ports */
}

TEST(piix3_ide, reset_leaves_signatures)
{
    select_drive(b, 0, 0xa0);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    EXPECT_EQ(reg(b, 0, 1), 1);
    EXPECT_EQ(reg(b, 0, 2), 1);
    EXPECT_EQ(reg(b, 0, 3), 1);
    EXPECT_EQ(reg(b, 0, 4), 0);
    EXPECT_EQ(reg(b, 0, 5), 0);
    select_drive(b, 1, 0xb0);
    EXPECT_EQ(reg(b, 1, 6), 0xb0);
    EXPECT_EQ(status(b, 1), 0);
    EXPECT_EQ(reg(b, 1, 4), 0x14);
    EXPECT_EQ(reg(b, 1, 5), 0xeb);
    EXPECT_TRUE(!bench_isa_level(b, 14) && !bench_isa_level(b, 15));
}

#include "tests/hw/piix3_ide_channel.h"
#include "tests/hw/piix3_ide_ata.h"
#include "tests/hw/piix3_ide_dma.h"
#include "tests/hw/piix3_ide_atapi.h"
#include "tests/hw/piix3_ide_advisories.h"
