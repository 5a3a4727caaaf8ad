/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: hard disk commands. */

TEST(piix3_ide, identify_device)
{
    uint8_t page[512], model[41] = { 0 };

    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 0), 0x0040);
    EXPECT_EQ(word(page, 1), 8); /* 8192 / 16 / 63 */
    EXPECT_EQ(word(page, 3), 16);
    EXPECT_EQ(word(page, 6), 63);
    for (unsigned i = 0; i < 40; i++)
        model[i] = page[(54 + i) ^ 1];
    EXPECT_EQ(strncmp((char *)model, "HVMDM HARDDISK ", 15), 0);
    EXPECT_EQ(page[(20 + 6) ^ 1], '1');
    EXPECT_EQ(word(page, 47), 0x8010);
    EXPECT_EQ(word(page, 49) & 0x0300, 0x0300); /* LBA, DMA */
    EXPECT_EQ(word(page, 53) & 7, 7);
    EXPECT_EQ(le32(page + 120), HD0_SECTORS);
    EXPECT_EQ(le64(page + 200), HD0_SECTORS);
    EXPECT_EQ(word(page, 83) & 0xc400, 0x4400);
    EXPECT_EQ(word(page, 82) & 1, 0); /* no SMART */
    identify(b, 0, DEV1, 0xec, page);
    EXPECT_EQ(le32(page + 120), HD1_SECTORS);
    EXPECT_EQ(page[(20 + 6) ^ 1], '2');
}

TEST(piix3_ide, wrong_identify_aborts_with_the_signature)
{
    simple(b, 1, 0xa0, 0xec);
    EXPECT_EQ(status(b, 1), DRDY | ERR);
    EXPECT_EQ(reg(b, 1, 1), ABRT);
    EXPECT_EQ(reg(b, 1, 4), 0x14);
    EXPECT_EQ(reg(b, 1, 5), 0xeb);
    simple(b, 0, DEV0, 0xa1);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), ABRT);
}

TEST(piix3_ide, every_way_to_write_and_read_back)
{
    static const struct {
        uint8_t write, read;
        bool ext, multiple;
    } ways[] = { { 0x30, 0x20, false, false },
                 { 0x31, 0x21, false, false },
                 { 0x34, 0x24, true, false },
                 { 0xc5, 0xc4, false, true },
                 { 0x39, 0x29, true, true } };
    enum { N = 21 };
    uint8_t out[N * 512], in[N * 512];

    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        unsigned lba = 1000 + 50 * i, block = ways[i].multiple ? 8 : 1;

        command28(b, 0, DEV0, 0, 8, 0, 0xc6);
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        fill_pattern(out, sizeof out, i);
        if (ways[i].ext)
            command48(b, 0, DEV0, N, lba, ways[i].write);
        else
            command28(b, 0, DEV0, 0, N, lba, ways[i].write);
        for (unsigned done = 0; done < N; done += block) {
            unsigned n = N - done < block ? N - done : block;

            EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
            pio_write(b, 0, out + done * 512, n * 512);
        }
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        assert_memory_equal(disk(b, 0)->bytes + lba * 512, out, sizeof out);
        EXPECT_EQ(le32(disk(b, 0)->bytes + (lba + N) * 512), lba + N);
        if (ways[i].ext)
            command48(b, 0, DEV0, N, lba, ways[i].read);
        else
            command28(b, 0, DEV0, 0, N, lba, ways[i].read);
        for (unsigned done = 0; done < N; done += block) {
            unsigned n = N - done < block ? N - done : block;

            EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
            pio_read(b, 0, in + done * 512, n * 512);
        }
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        assert_memory_equal(in, out, sizeof out);
    }
}

TEST(piix3_ide, chs_addresses)
{
    uint8_t page[512];

    put_reg(b, 0, 2, 1); /* cylinder 2, head 3, sector 4 of 16 heads, 63 sectors */
    put_reg(b, 0, 3, 4);
    put_reg(b, 0, 4, 2);
    put_reg(b, 0, 5, 0);
    put_reg(b, 0, 6, 0xa3);
    put_reg(b, 0, 7, 0x20);
    pio_read(b, 0, page, 512);
    EXPECT_EQ(le32(page), (2 * 16 + 3) * 63 + 3);

    put_reg(b, 0, 6, 0xa3); /* 4 heads of 17 sectors */
    put_reg(b, 0, 2, 17);
    put_reg(b, 0, 7, 0x91);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    put_reg(b, 0, 2, 1);
    put_reg(b, 0, 7, 0x20);
    pio_read(b, 0, page, 512);
    EXPECT_EQ(le32(page), (2 * 4 + 3) * 17 + 3);
    identify(b, 0, 0xa0, 0xec, page);
    EXPECT_EQ(word(page, 55), 4);
    EXPECT_EQ(word(page, 56), 17);
    EXPECT_EQ(le32(page + 114), (uint32_t)word(page, 54) * 4 * 17);
}

TEST(piix3_ide, chs_addresses_that_do_not_exist)
{
    static const struct {
        uint8_t sector, cylinder, head;
    } bad[] = { { 0, 0, 0 }, { 64, 0, 0 }, { 1, 9, 0 } };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        put_reg(b, 0, 6, 0xa0 | bad[i].head);
        put_reg(b, 0, 2, 1);
        put_reg(b, 0, 3, bad[i].sector);
        put_reg(b, 0, 4, bad[i].cylinder);
        put_reg(b, 0, 5, 0);
        put_reg(b, 0, 7, 0x20);
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
        EXPECT_EQ(reg(b, 0, 1), IDNF);
    }
}

/* Guards ata_init_parameters(): nothing is ever divided by a geometry without sectors. */
TEST(piix3_ide, chs_geometry_of_zero_is_refused)
{
    uint8_t page[512];

    command28(b, 0, DEV0, 0, 0, 0, 0x91);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), ABRT);
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_TRUE(word(page, 56) != 0);
}

TEST(piix3_ide, lba_has_28_and_48_bits)
{
    uint8_t page[512];
    struct bench *big;
    struct device_row row = board_row();

    row.host.disk[0] = bench_disk_new(40960 * 512, false); /* more than 16 bits of sectors */
    big = board_make(&row);
    command28(big, 0, DEV0, 0, 1, 0x9abc, 0x20);
    pio_read(big, 0, page, 512);
    EXPECT_EQ(le32(page), 0x9abc);
    command48(big, 0, DEV0, 1, 0x9abd, 0x24);
    pio_read(big, 0, page, 512);
    EXPECT_EQ(le32(page), 0x9abd);
    /* Each higher byte counts: far beyond the end. */
    for (unsigned shift = 16; shift < 48; shift += 8) {
        command48(big, 0, DEV0, 1, UINT64_C(1) << shift, 0x24);
        EXPECT_EQ(status(big, 0) & ERR, ERR);
        EXPECT_EQ(reg(big, 0, 1), IDNF);
    }
    command28(big, 0, DEV0, 0, 1, 0x0f000000, 0x20);
    EXPECT_EQ(reg(big, 0, 1), IDNF);
    bench_free(big);
    (void)b;
}

TEST(piix3_ide, verify)
{
    command28(b, 0, DEV0, 0, 0, 0, 0x40);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    command48(b, 0, DEV0, 0, 0, 0x42); /* 65536 sectors: too many */
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    command48(b, 0, DEV0, HD0_SECTORS, 0, 0x42);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, set_multiple)
{
    uint8_t page[512];

    for (unsigned n = 0; n < 256; n++) {
        command28(b, 0, DEV0, 0, n, 0, 0xc6);
        EXPECT_EQ(status(b, 0) & ERR, n <= 16 && (n & (n - 1)) == 0 ? 0 : ERR);
    }
    command28(b, 0, DEV0, 0, 4, 0, 0xc6);
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 59), 0x104);
    command28(b, 0, DEV0, 0, 0, 0, 0xc6); /* off */
    command28(b, 0, DEV0, 0, 1, 0, 0xc4);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), ABRT);
}

TEST(piix3_ide, transfer_modes)
{
    uint8_t page[512];

    for (unsigned mode = 0; mode < 256; mode++) {
        bool known = mode <= 1 || (mode >= 0x08 && mode <= 0x0c) ||
                     (mode >= 0x20 && mode <= 0x22) || (mode >= 0x40 && mode <= 0x45);

        command28(b, 0, DEV0, 3, mode, 0, 0xef);
        EXPECT_EQ(status(b, 0) & ERR, known ? 0 : ERR);
    }
    command28(b, 0, DEV0, 3, 0x22, 0, 0xef); /* what ata_piix sets on this chip */
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 63), 0x0407);
    EXPECT_EQ(word(page, 88), 0x003f);
    command28(b, 0, DEV0, 3, 0x44, 0, 0xef);
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 63), 0x0007);
    EXPECT_EQ(word(page, 88), 0x103f);
}

TEST(piix3_ide, write_cache_off_flushes_each_write)
{
    uint8_t page[512] = { 1 };

    command28(b, 0, DEV0, 0x82, 0, 0, 0xef);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 85) & 0x20, 0);
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 3, 0x30);
    pio_write(b, 0, page, 512);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    EXPECT_EQ(disk(b, 0)->held->op, BLOCK_FLUSH);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, flush_waits_for_the_host)
{
    static const uint8_t commands[] = { 0xe7, 0xea };

    for (unsigned i = 0; i < 2; i++) {
        disk(b, 1)->hold = true;
        simple(b, 0, DEV1, commands[i]);
        EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
        EXPECT_TRUE(!bench_isa_level(b, 14));
        EXPECT_EQ(disk(b, 1)->held->op, BLOCK_FLUSH);
        bench_disk_release(&disk(b, 1)->block, 1);
        EXPECT_TRUE(bench_isa_level(b, 14));
        EXPECT_EQ(status(b, 0), DRDY | DSC);
    }
    disk(b, 1)->hold = false;
    disk(b, 1)->fail = -EIO;
    simple(b, 0, DEV1, 0xe7);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
}

TEST(piix3_ide, native_max_address)
{
    simple(b, 0, DEV0, 0xf8);
    EXPECT_EQ(reg(b, 0, 3) | (unsigned)reg(b, 0, 4) << 8, HD0_SECTORS - 1);
    simple(b, 0, DEV0, 0x27);
    EXPECT_EQ(reg(b, 0, 3) | (unsigned)reg(b, 0, 4) << 8, HD0_SECTORS - 1);
    bench_outb(b, 0x3f6, 0x88);
    EXPECT_EQ(reg(b, 0, 3), 0);
}

TEST(piix3_ide, power_modes)
{
    static const uint8_t commands[][2] = { { 0xe0, 0x00 }, { 0xe1, 0x80 }, { 0x94, 0x00 },
                                           { 0xe2, 0x00 }, { 0xe3, 0x80 }, { 0xe6, 0x00 } };
    uint8_t page[512];

    simple(b, 0, DEV0, 0xe5);
    EXPECT_EQ(reg(b, 0, 2), 0xff);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        simple(b, 0, DEV0, commands[i][0]);
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        simple(b, 0, DEV0, 0xe5);
        EXPECT_EQ(reg(b, 0, 2), commands[i][1]);
    }
    command28(b, 0, DEV0, 0, 1, 0, 0x20);
    pio_read(b, 0, page, 512);
    simple(b, 0, DEV0, 0xe5);
    EXPECT_EQ(reg(b, 0, 2), 0xff);
}

/* --- errors --- */

TEST(piix3_ide, read_error_names_the_sector)
{
    uint8_t page[512];

    disk(b, 0)->fail = -EIO;
    disk(b, 0)->fail_at = 105 * 512;
    command28(b, 0, DEV0, 0, 16, 100, 0x20);
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
        pio_read(b, 0, page, 512);
        EXPECT_EQ(le32(page), 100 + i);
    }
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), UNC);
    EXPECT_EQ(reg(b, 0, 3), 105);
    disk(b, 0)->fail_at = INT64_C(300) * 512;
    command48(b, 0, DEV0, 1, 300, 0x24);
    EXPECT_EQ(reg(b, 0, 1), UNC);
    EXPECT_EQ(reg(b, 0, 3) | (unsigned)reg(b, 0, 4) << 8, 300);
}

TEST(piix3_ide, write_errors_abort)
{
    static const int errors[] = { -EIO, -ENOSPC };
    uint8_t page[512] = { 0 };

    for (unsigned i = 0; i < 2; i++) {
        disk(b, 0)->fail = errors[i];
        command28(b, 0, DEV0, 0, 4, 100, 0x30);
        pio_write(b, 0, page, 512);
        EXPECT_TRUE(bench_isa_level(b, 14));
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
        EXPECT_EQ(reg(b, 0, 1), ABRT);
        EXPECT_EQ(reg(b, 0, 3), 100);
        pio_write(b, 0, page, 512); /* nobody listens */
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    }
    disk(b, 0)->fail = 0;
    command28(b, 0, DEV0, 0, 1, 100, 0x30);
    pio_write(b, 0, page, 512);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

/* CVE-2008-0928: addresses at the border of the image and of the arithmetic. */
TEST(piix3_ide, cve_2008_0928_sectors_beyond_the_end)
{
    static const struct {
        uint64_t lba;
        uint32_t count; /* as written */
        bool ok;
    } t[] = { { HD0_SECTORS - 1, 1, true },
              { HD0_SECTORS - 1, 2, false },
              { HD0_SECTORS, 1, false },
              { HD0_SECTORS - 256, 256, true },
              { HD0_SECTORS - 255, 256, false },
              { (1u << 28) - 1, 1, false },
              { (UINT64_C(1) << 48) - 1, 1, false },
              { (UINT64_C(1) << 48) - 1, 0, false },
              { 0, 0, false },
              /* 65536 */ { 0, HD0_SECTORS, true } };

    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
        command48(b, 0, DEV0, t[i].count, t[i].lba, 0x24);
        EXPECT_EQ(alt_status(b, 0), t[i].ok ? DRDY | DSC | DRQ : DRDY | DSC | ERR);
        if (!t[i].ok)
            EXPECT_EQ(reg(b, 0, 1), IDNF);
        bench_outb(b, 0x3f6, 0x0c);
        bench_outb(b, 0x3f6, 0x08);
    }
    command28(b, 0, DEV0, 0, 0, HD0_SECTORS - 256, 0x20); /* 0 means 256 */
    EXPECT_EQ(alt_status(b, 0) & DRQ, DRQ);
    bench_outb(b, 0x3f6, 0x0c);
    bench_outb(b, 0x3f6, 0x08);
    command28(b, 0, DEV0, 0, 0, HD0_SECTORS - 255, 0x20);
    EXPECT_EQ(alt_status(b, 0) & ERR, ERR);
}

/* XSA-142, XSA-266: the image is what is read-only, whichever command tries. */
TEST(piix3_ide, xsa142_read_only_disk)
{
    static const uint8_t writes[] = { 0x30, 0x31, 0x34, 0x35, 0x39, 0xc5, 0xca, 0xcb, 0x06 };
    struct device_row row = board_row();
    struct bench *ro;
    uint8_t page[512] = { 0xff }, *copy = malloc(1 << 20);

    row.host.disk[0] = bench_disk_new(1 << 20, true);
    ro = board_make(&row);
    memcpy(copy, disk(ro, 0)->bytes, 1 << 20);
    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
        command28(ro, 0, DEV0, 1, 1, 8, writes[i]);
        EXPECT_EQ(status(ro, 0), DRDY | DSC | ERR);
        EXPECT_EQ(reg(ro, 0, 1), ABRT);
        pio_write(ro, 0, page, 512);
        put_table(ro, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
        dma_start(ro, 0, false);
        dma_stop(ro, 0);
    }
    assert_memory_equal(disk(ro, 0)->bytes, copy, 1 << 20);
    identify(ro, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 169), 0); /* and no trim offered */
    bench_free(ro);
    free(copy);
    (void)b;
}

/* --- trim --- */

static void trim(struct bench *b, const uint64_t *ranges, unsigned n)
{
    uint8_t list[512] = { 0 };

    memcpy(list, ranges, n * sizeof *ranges);
    bench_ram_put(b, 0x20000, list, sizeof list);
    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    put_reg(b, 0, 1, 1);
    command48(b, 0, DEV0, 1, 0, 0x06);
    dma_start(b, 0, false);
    dma_stop(b, 0);
}

#define RANGE(lba, count) ((uint64_t)(lba) | (uint64_t)(count) << 48)

TEST(piix3_ide, trim_discards_ranges)
{
    uint8_t page[512];

    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 169), 1);
    trim(b, (const uint64_t[]){ RANGE(200, 2), RANGE(0, 0), RANGE(210, 1) }, 3);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 199 * 512), 199);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 200 * 512), 0);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 201 * 512), 0);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 202 * 512), 202);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 210 * 512), 0);
    trim(b, (const uint64_t[]){ RANGE(HD0_SECTORS - 1, 2) }, 1);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), IDNF);
    disk(b, 0)->fail = -EOPNOTSUPP; /* a hint: a host that cannot is no error */
    trim(b, (const uint64_t[]){ RANGE(300, 1) }, 1);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, trim_in_flight_survives_save_and_load)
{
    disk(b, 0)->hold = true;
    trim(b, (const uint64_t[]){ RANGE(200, 1), RANGE(300, 1) }, 2);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    bench_save_and_load(b);
    bench_step(b, 10);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 200 * 512), 0);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 300 * 512), 0);
}
