/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: the packet drive. */

enum { CHK = DRDY | ERR };

/* A packet command by PIO with all its data; bytes, or -1 with CHECK CONDITION. */
static int ask(struct bench *b, unsigned device, const uint8_t *cdb, uint8_t *to, unsigned room)
{
    packet(b, 1, device, false, 0xfffe, cdb);
    if (alt_status(b, 1) & ERR)
        return -1;
    return (int)packet_data(b, 1, to, room);
}

TEST(piix3_ide, identify_packet_device)
{
    uint8_t page[512];

    identify(b, 1, 0xa0, 0xa1, page);
    EXPECT_EQ(word(page, 0), 0x85c0);
    EXPECT_EQ(word(page, 49) & 0x0300, 0x0300);
    EXPECT_EQ(page[(20 + 6) ^ 1], '3');
    identify(b, 1, 0xb0, 0xa1, page);
    EXPECT_EQ(page[(20 + 6) ^ 1], '4');
    EXPECT_EQ(status(b, 1), DRDY);
}

TEST(piix3_ide, packet_interrupts)
{
    unsigned seen = bench_isa_edges(b, 15);
    uint8_t data[36];

    packet(b, 1, 0xa0, false, 36, PACKET(0x12, 0, 0, 0, 36));
    EXPECT_EQ(edges(b, 1, &seen), 1); /* data ready; none for the packet itself */
    EXPECT_EQ(status(b, 1), DRDY | DRQ);
    EXPECT_EQ(reg(b, 1, 4), 36);
    EXPECT_EQ(reg(b, 1, 2), 2);
    pio_read(b, 1, data, 36);
    EXPECT_EQ(edges(b, 1, &seen), 2);
    EXPECT_TRUE(bench_isa_level(b, 15));
    EXPECT_EQ(reg(b, 1, 2), 3);
    EXPECT_EQ(status(b, 1), DRDY);
    EXPECT_EQ(data[0], 5);
    EXPECT_EQ(data[1], 0x80);
    assert_memory_equal(data + 8, "HVMDM   CD-ROM          ", 24);
}

TEST(piix3_ide, capacity_and_reads)
{
    static uint8_t data[20 * 2048];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0x25), data, 8), 8);
    assert_memory_equal(data, ((uint8_t[]){ 0, 0, 0x02, 0xbb, 0, 0, 8, 0 }), 8);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x28, 0, 0, 0, 1, 0, 0, 0, 20), data, sizeof data), 20 * 2048);
    assert_memory_equal(data, disk(b, 2)->bytes + 256 * 2048, sizeof data);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xa8, 0, 0, 0, 2, 0, 0, 0, 0, 5), data, sizeof data), 5 * 2048);
    assert_memory_equal(data, disk(b, 2)->bytes + 512 * 2048, 5 * 2048);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x28, 0, 0, 0, 1, 0), data, 0), 0); /* no sectors: good */
}

TEST(piix3_ide, reads_by_dma)
{
    static uint8_t data[9 * 2048];

    put_table(b, (struct prd_entry[]){ { 0x20000, 9 * 2048, 0x8000 } }, 1);
    packet(b, 1, 0xa0, true, 0, PACKET(0x28, 0, 0, 0, 0, 50, 0, 0, 9));
    EXPECT_EQ(alt_status(b, 1) & (BSY | DRQ), DRQ);
    dma_start(b, 1, true);
    EXPECT_EQ(dma_status(b, 1), INTS);
    EXPECT_EQ(reg(b, 1, 2), 3);
    EXPECT_EQ(status(b, 1), DRDY);
    dma_stop(b, 1);
    bench_ram_get(b, 0x20000, data, sizeof data);
    assert_memory_equal(data, disk(b, 2)->bytes + 50 * 2048, sizeof data);

    /* Small answers by DMA: less than the table offers. */
    put_table(b, (struct prd_entry[]){ { 0x20000, 10, 0 }, { 0x30000, 100, 0x8000 } }, 2);
    packet(b, 1, 0xa0, true, 0, PACKET(0x12, 0, 0, 0, 36));
    dma_start(b, 1, true);
    EXPECT_EQ(dma_status(b, 1), INTS | ACTIVE);
    EXPECT_EQ(status(b, 1), DRDY);
    dma_stop(b, 1);
    bench_ram_get(b, 0x20000, data, 10);
    EXPECT_EQ(data[1], 0x80);
    bench_ram_get(b, 0x30000, data, 26);
    assert_memory_equal(data + 6, "CD-ROM", 6);
}

TEST(piix3_ide, byte_count_limits)
{
    static const unsigned limits[] = { 2, 3, 12, 100, 511, 2048, 2049, 2352, 4096, 0x8000, 0xffff };
    static uint8_t data[3 * 2048];

    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        packet(b, 1, 0xa0, false, limits[i], PACKET(0x28, 0, 0, 0, 0, 60, 0, 0, 3));
        EXPECT_TRUE((unsigned)(reg(b, 1, 4) | reg(b, 1, 5) << 8) <= limits[i]);
        memset(data, 0, sizeof data);
        EXPECT_EQ(packet_data(b, 1, data, sizeof data), sizeof data);
        assert_memory_equal(data, disk(b, 2)->bytes + 60 * 2048, sizeof data);
    }
}

TEST(piix3_ide, an_odd_answer_is_padded)
{
    uint8_t data[8];

    packet(b, 1, 0xa0, false, 100, PACKET(0x12, 0, 0, 0, 5));
    EXPECT_EQ(reg(b, 1, 4), 5);
    memset(data, 0xee, sizeof data);
    bench_ram_put(b, BUFFER, data, sizeof data);
    bench_rep(b, 0x170, true, 2, BUFFER, 3, false);
    bench_ram_get(b, BUFFER, data, sizeof data);
    assert_memory_equal(data, ((uint8_t[]){ 5, 0x80, 0, 0x21, 31, 0, 0xee, 0xee }), 8);
    EXPECT_EQ(status(b, 1), DRDY);
}

TEST(piix3_ide, read_cd)
{
    uint8_t data[2352 * 3];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbe, 0, 0, 0, 0, 80, 0, 0, 2, 0x10), data, sizeof data), 4096);
    assert_memory_equal(data, disk(b, 2)->bytes + 80 * 2048, 4096);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbe, 0, 0, 0, 0, 80, 0, 0, 3, 0xf8), data, sizeof data),
              3 * 2352);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *s = data + 2352 * i;

        EXPECT_EQ(s[0], 0);
        EXPECT_EQ(s[1], 0xff);
        EXPECT_EQ(s[12], 0x00);
        EXPECT_EQ(s[13], 0x03); /* 80 + 150 sectors: 3 s and 5 frames */
        EXPECT_EQ(s[14], 0x05 + i);
        EXPECT_EQ(s[15], 1);
        assert_memory_equal(s + 16, disk(b, 2)->bytes + (80 + i) * 2048, 2048);
        for (unsigned k = 2064; k < 2352; k++)
            EXPECT_EQ(s[k], 0);
    }
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbe, 0, 0, 0, 0, 80, 0, 0, 2, 0), data, sizeof data), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbe, 0, 0, 0, 0, 80, 0, 0, 2, 0x40), data, sizeof data), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x052400);

    put_table(b, (struct prd_entry[]){ { 0x20000, 2 * 2352, 0x8000 } }, 1);
    packet(b, 1, 0xa0, true, 0, PACKET(0xbe, 0, 0, 0, 0, 90, 0, 0, 2, 0xf8));
    dma_start(b, 1, true);
    EXPECT_EQ(dma_status(b, 1), INTS);
    bench_ram_get(b, 0x20000 + 2352, data, 2352);
    assert_memory_equal(data + 16, disk(b, 2)->bytes + 91 * 2048, 2048);
}

TEST(piix3_ide, toc)
{
    uint8_t p[64];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 64), p, sizeof p), 20);
    assert_memory_equal(
        p, ((uint8_t[]){ 0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xaa, 0, 0, 0, 2, 0xbc }),
        20);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 64), p, sizeof p), 12);
    assert_memory_equal(p + 8, ((uint8_t[]){ 0, 0, 11, 25 }), 4); /* 700 + 150 frames */
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 64), p, sizeof p), 12);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0x40), p, sizeof p), 12);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 2, 0, 0, 0, 0, 0, 64), p, sizeof p), 48);
    EXPECT_EQ(p[1], 46);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 4), p, sizeof p), 4); /* cut */
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 0, 0, 0, 0, 2, 0, 64), p, sizeof p), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x052400);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x43, 0, 5, 0, 0, 0, 0, 0, 64), p, sizeof p), -1);
}

TEST(piix3_ide, configuration_and_modes)
{
    uint8_t p[256];
    int n;

    n = ask(b, 0xa0, PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0), p, sizeof p);
    EXPECT_TRUE(n > 8);
    EXPECT_EQ(p[3] + (p[2] << 8) + 4, n);
    EXPECT_EQ(p[7], 0x08); /* CD-ROM in it */
    n = ask(b, 0xb0, PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0), p, sizeof p);
    EXPECT_EQ(p[7], 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x46, 2, 0, 3, 0, 0, 0, 1, 0), p, sizeof p), 16);
    EXPECT_EQ(p[9], 3);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x46, 2, 1, 0x23, 0, 0, 0, 1, 0), p, sizeof p), 8);

    n = ask(b, 0xa0, PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0), p, sizeof p);
    EXPECT_EQ(n, 28);
    EXPECT_EQ(p[1], 26);
    EXPECT_EQ(p[8], 0x2a);
    EXPECT_EQ(p[9], 18);
    n = ask(b, 0xa0, PACKET(0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0), p, sizeof p);
    EXPECT_EQ(n, 8 + 8 + 8 + 20);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x5a, 0, 0xea, 0, 0, 0, 0, 1, 0), p, sizeof p), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x053900);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x5a, 0, 0x08, 0, 0, 0, 0, 1, 0), p, sizeof p), -1);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x51, 0, 0, 0, 0, 0, 0, 1, 0), p, sizeof p), 34);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x52, 1, 0, 0, 0, 1, 0, 1, 0), p, sizeof p), 36);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 64), p, sizeof p), 8);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 8), p, sizeof p), -1); /* no DVD */
    EXPECT_EQ(sense(b, 1, 0xa0), 0x053002);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0xbb, 0, 0xff, 0xff), p, sizeof p), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x2b, 0, 0, 0, 0, 9), p, sizeof p), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x2b, 0, 0, 1), p, sizeof p), -1);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x12, 1, 0x80, 0, 64), p, sizeof p), -1);
}

TEST(piix3_ide, dvd)
{
    struct device_row row = board_row();
    struct bench *dvd;
    static uint8_t p[2052];

    row.host.disk[2] = bench_disk_new(800 << 20, true); /* more than a CD holds */
    row.host.cdrom[2] = true;
    dvd = board_make(&row);
    EXPECT_EQ(ask(dvd, 0xa0, PACKET(0x46, 0, 0, 0, 0, 0, 0, 0, 8), p, 8), 8);
    EXPECT_EQ(p[7], 0x10);
    EXPECT_EQ(ask(dvd, 0xa0, PACKET(0xad, 0, 0, 0, 0, 0, 0, 0, 8, 4), p, sizeof p), 2052);
    EXPECT_EQ(p[0] << 8 | p[1], 2050);
    bench_free(dvd);
    (void)b;
}

/* --- errors --- */

TEST(piix3_ide, unknown_commands_and_sense)
{
    uint8_t p[18];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0x0a), p, 0), -1);
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(reg(b, 1, 1), 0x54); /* sense key, ABRT */
    EXPECT_EQ(reg(b, 1, 2), 3);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x052000);
    EXPECT_EQ(sense(b, 1, 0xa0), 0); /* told once */
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x0a), p, 0), -1);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0), p, 0), 0);
    EXPECT_EQ(sense(b, 1, 0xa0), 0); /* the next command forgot it */
    select_drive(b, 1, 0xa0);
    put_reg(b, 1, 1, 2); /* overlapped: no */
    put_reg(b, 1, 7, 0xa0);
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(reg(b, 1, 1), ABRT);
}

TEST(piix3_ide, empty_drive)
{
    static const uint8_t needs[] = { 0x00, 0x25, 0x28, 0x43, 0x51, 0xa8, 0xbe, 0xad, 0x2b };
    uint8_t p[64];

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++) {
        uint8_t cdb[12] = { needs[i] };

        EXPECT_EQ(ask(b, 0xb0, cdb, p, sizeof p), -1);
        EXPECT_EQ(reg(b, 1, 1), 0x20);
        EXPECT_EQ(sense(b, 1, 0xb0), 0x023a01);
    }
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x12, 0, 0, 0, 36), p, sizeof p), 36);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    assert_memory_equal(p, ((uint8_t[]){ 0, 6, 4, 0x10, 0, 0, 0, 0 }), 8);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x1b, 0, 0, 0, 2), p, 0), 0); /* open */
    EXPECT_EQ(ask(b, 0xb0, PACKET(0), p, 0), -1);
    EXPECT_EQ(sense(b, 1, 0xb0), 0x023a02);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    EXPECT_EQ(p[5], 1);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x1b, 0, 0, 0, 3), p, 0), 0); /* close */
}

TEST(piix3_ide, unreadable_sector)
{
    uint8_t p[8 * 2048];
    unsigned n = 0;

    disk(b, 2)->fail = -EIO;
    disk(b, 2)->fail_at = 102 * 2048;
    packet(b, 1, 0xa0, false, 2048, PACKET(0x28, 0, 0, 0, 0, 100, 0, 0, 8));
    for (; alt_status(b, 1) & DRQ; n++)
        pio_read(b, 1, p, 2048);
    EXPECT_EQ(n, 2);
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x031100);
    put_table(b, (struct prd_entry[]){ { 0x20000, 8 * 2048, 0x8000 } }, 1);
    packet(b, 1, 0xa0, true, 0, PACKET(0x28, 0, 0, 0, 0, 100, 0, 0, 8));
    dma_start(b, 1, true);
    EXPECT_TRUE(bench_isa_level(b, 15));
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x031100);
    dma_stop(b, 1);
}

/* --- media --- */

TEST(piix3_ide, medium_change)
{
    struct block *first = &disk(b, 2)->block, *second = bench_disk_new(2048 * 50, true);
    struct error e = { "" };
    struct ide_tray tray;
    uint8_t p[8];

    EXPECT_EQ(ide_eject(ide(b), 2, false, &e), 0);
    EXPECT_EQ(ide_tray(ide(b), 2, &tray, &e), 0);
    EXPECT_TRUE(tray.open && !tray.locked && !tray.medium);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    EXPECT_EQ(p[4], 3); /* media removal */
    EXPECT_EQ(p[5], 1);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0), p, 0), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x023a02);
    EXPECT_EQ(ide_insert(ide(b), 2, second, &e), 0);
    EXPECT_EQ(ide_insert(ide(b), 2, first, &e), -EBUSY);
    EXPECT_TRUE(e.text[0]);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x12, 0, 0, 0, 8), p, 8), 8); /* not this one */
    EXPECT_EQ(ask(b, 0xa0, PACKET(0), p, 0), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x062800);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    EXPECT_EQ(p[4], 2); /* new medium */
    EXPECT_EQ(p[5], 2);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    EXPECT_EQ(p[4], 0); /* told once */
    EXPECT_EQ(ask(b, 0xa0, PACKET(0), p, 0), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x25), p, 8), 8);
    EXPECT_EQ(p[3], 49);
    EXPECT_EQ(ide_eject(ide(b), 2, false, &e), 0);
    EXPECT_EQ(ide_eject(ide(b), 2, false, &e), 0);
    EXPECT_EQ(ide_insert(ide(b), 2, first, &e), 0);
    bench_disk_free(second);
    EXPECT_EQ(ide_eject(ide(b), 0, false, &e), -ENODEV);
    EXPECT_EQ(ide_eject(ide(b), 9, false, &e), -ENODEV);
    EXPECT_EQ(ide_tray(ide(b), 1, &tray, &e), -ENODEV);
    EXPECT_EQ(ide_insert(ide(b), 3, NULL, &e), -EINVAL);
}

TEST(piix3_ide, the_guest_ejects_and_loads_again)
{
    struct error e = { "" };
    struct ide_tray tray;
    uint8_t p[8];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0x1b, 0, 0, 0, 2), p, 0), 0);
    EXPECT_EQ(ide_tray(ide(b), 2, &tray, &e), 0);
    EXPECT_TRUE(tray.open && tray.medium);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x25), p, 8), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x023a02);
    bench_save_and_load(b);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x1b, 0, 0, 0, 3), p, 0), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x25), p, 8), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x062800);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x25), p, 8), 8);
}

TEST(piix3_ide, locked_tray)
{
    struct error e = { "" };
    struct ide_tray tray;
    uint8_t p[32];

    EXPECT_EQ(ask(b, 0xa0, PACKET(0x1e, 0, 0, 0, 1), p, 0), 0);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 28), p, sizeof p), 28);
    EXPECT_EQ(p[14] & 2, 2);
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x1b, 0, 0, 0, 2), p, 0), -1);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x055302);
    EXPECT_EQ(ide_eject(ide(b), 2, false, &e), -EBUSY);
    EXPECT_TRUE(strstr(e.text, "locked"));
    EXPECT_EQ(ask(b, 0xa0, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), p, sizeof p), 8);
    EXPECT_EQ(p[4], 1); /* somebody pressed the button */
    EXPECT_EQ(ide_tray(ide(b), 2, &tray, &e), 0);
    EXPECT_TRUE(!tray.open && tray.locked && tray.medium);
    EXPECT_EQ(ide_eject(ide(b), 2, true, &e), 0);
    EXPECT_EQ(ide_tray(ide(b), 2, &tray, &e), 0);
    EXPECT_TRUE(tray.open && !tray.medium);
    EXPECT_EQ(ide_insert(ide(b), 2, &disk(b, 2)->block, &e), 0);
}

TEST(piix3_ide, eject_in_flight)
{
    struct error e = { "" };

    disk(b, 2)->hold = true;
    packet(b, 1, 0xa0, false, 2048, PACKET(0x28, 0, 0, 0, 0, 100, 0, 0, 8));
    EXPECT_EQ(alt_status(b, 1) & BSY, BSY);
    EXPECT_EQ(ide_eject(ide(b), 2, true, &e), 0);
    EXPECT_EQ(disk(b, 2)->block.in_flight, 0);
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x023a02);
}

TEST(piix3_ide, eject_between_two_drq_blocks)
{
    struct error e = { "" };
    uint8_t p[2048];
    unsigned n = 0;

    packet(b, 1, 0xa0, false, 2048, PACKET(0x28, 0, 0, 0, 0, 100, 0, 0, 20));
    EXPECT_EQ(ide_eject(ide(b), 2, true, &e), 0);
    for (; alt_status(b, 1) & DRQ; n++)
        pio_read(b, 1, p, 2048);
    EXPECT_TRUE(n <= 4); /* what the drive had read already */
    EXPECT_EQ(status(b, 1), CHK);
    EXPECT_EQ(sense(b, 1, 0xa0), 0x023a00);
}

TEST(piix3_ide, packet_in_the_middle_survives_save_and_load)
{
    uint8_t p[2048];

    select_drive(b, 1, 0xa0);
    put_reg(b, 1, 1, 0);
    put_reg(b, 1, 4, 0);
    put_reg(b, 1, 5, 8);
    put_reg(b, 1, 7, 0xa0);
    bench_outl(b, 0x170, 0x00000028);
    bench_save_and_load(b);
    bench_outw(b, 0x170, 0x3000);
    bench_outw(b, 0x170, 0x0000);
    bench_save_and_load(b);
    bench_outl(b, 0x170, 0x00000001);
    EXPECT_EQ(packet_data(b, 1, p, sizeof p), 2048);
    EXPECT_EQ(le32(p), 48 * 4);
}

TEST(piix3_ide, a_load_with_another_medium_is_a_medium_change)
{
    uint8_t p[8];

    b->rows[0].host.disk[3] = bench_disk_new(2048 * 10, true);
    bench_save_and_load(b);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0), p, 0), -1);
    EXPECT_EQ(sense(b, 1, 0xb0), 0x062800);
    EXPECT_EQ(ask(b, 0xb0, PACKET(0x25), p, 8), 8);
    EXPECT_EQ(p[3], 9);
}
