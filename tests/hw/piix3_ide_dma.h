/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: bus master. Ends of a transfer: SFF-8038i, "Status Register". */

enum { ACTIVE = 1, DMAERR = 2, INTS = 4 };

TEST(piix3_ide, bus_master_registers)
{
    bench_outl(b, BM + 4, 0x12345677);
    EXPECT_EQ(bench_inl(b, BM + 4), 0x12345674);
    bench_outb(b, BM + 5, 0xab);
    EXPECT_EQ(bench_inl(b, BM + 4), 0x1234ab74);
    EXPECT_EQ(bench_inl(b, BM + 12), 0);
    bench_outb(b, BM + 2, 0xff);
    EXPECT_EQ(dma_status(b, 0), 0x60); /* capability bits are the BIOS's scratch */
    EXPECT_EQ(bench_inb(b, BM + 1), 0);
    EXPECT_EQ(bench_inb(b, BM + 3), 0);
    bench_outb(b, BM, 0xff);
    EXPECT_EQ(bench_inb(b, BM), 0x09);
    EXPECT_EQ(dma_status(b, 0), 0x61);
    bench_outb(b, BM, 0);
    EXPECT_EQ(dma_status(b, 0), 0x60);
    EXPECT_EQ(dma_status(b, 1), 0);
    bench_outb(b, BM + 10, 0x20);
    EXPECT_EQ(bench_inl(b, BM + 8), 0x00200000);
}

TEST(piix3_ide, interrupt_status_is_write_one_to_clear_and_follows_edges)
{
    simple(b, 0, DEV0, 0xe7);
    EXPECT_EQ(dma_status(b, 0), INTS);
    bench_outb(b, BM + 2, 0);
    EXPECT_EQ(dma_status(b, 0), INTS);
    bench_outb(b, BM + 2, INTS);
    EXPECT_EQ(dma_status(b, 0), 0); /* the line is still up: no new edge, no new bit */
    EXPECT_TRUE(bench_isa_level(b, 14));
    status(b, 0);
    simple(b, 0, DEV0, 0xe7);
    EXPECT_EQ(dma_status(b, 0), INTS);
}

/* All DMA commands, both orders of command and start. */
TEST(piix3_ide, dma_writes_and_reads_back)
{
    static const struct {
        uint8_t write, read;
        bool ext, start_first;
    } ways[] = { { 0xca, 0xc8, false, false },
                 { 0xcb, 0xc9, false, true },
                 { 0x35, 0x25, true, false },
                 { 0x35, 0x25, true, true } };
    static const struct prd_entry table[] = { { 0x20000, 4096, 0 }, { 0x30000, 0xa000, 0x8000 } };
    enum { N = 88 }; /* sectors: 4096 + a000h bytes */
    static uint8_t out[N * 512], in[N * 512];

    put_table(b, table, 2);
    for (unsigned i = 0; i < ARRAY_SIZE(ways) * 2; i++) {
        unsigned lba = 2000 + 100 * (i / 2), way = i / 2;
        bool read = i & 1;

        if (read) {
            memset(in, 0, sizeof in);
            bench_ram_put(b, 0x20000, in, 4096);
            bench_ram_put(b, 0x30000, in, sizeof in - 4096);
        } else {
            fill_pattern(out, sizeof out, i);
            bench_ram_put(b, 0x20000, out, 4096);
            bench_ram_put(b, 0x30000, out + 4096, sizeof out - 4096);
        }
        if (ways[way].start_first) {
            dma_start(b, 0, read);
            EXPECT_EQ(dma_status(b, 0), ACTIVE);
        }
        if (ways[way].ext)
            command48(b, 0, DEV0, N, lba, read ? ways[way].read : ways[way].write);
        else
            command28(b, 0, DEV0, 0, N, lba, read ? ways[way].read : ways[way].write);
        if (!ways[way].start_first) {
            EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
            EXPECT_TRUE(!bench_isa_level(b, 14));
            dma_start(b, 0, read);
        }
        EXPECT_EQ(dma_status(b, 0), INTS); /* all used: not active */
        EXPECT_TRUE(bench_isa_level(b, 14));
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        dma_stop(b, 0);
        if (read) {
            bench_ram_get(b, 0x20000, in, 4096);
            bench_ram_get(b, 0x30000, in + 4096, sizeof in - 4096);
            assert_memory_equal(in, out, sizeof in);
        } else {
            assert_memory_equal(disk(b, 0)->bytes + lba * 512, out, sizeof out);
        }
    }
}

/* A command does not inherit the protocol of the one before. */
TEST(piix3_ide, identify_after_dma)
{
    uint8_t page[512];

    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    command28(b, 0, DEV0, 0, 1, 100, 0xc8);
    dma_start(b, 0, true);
    dma_stop(b, 0);
    identify(b, 0, DEV0, 0xec, page);
    EXPECT_EQ(word(page, 0), 0x0040);
}

TEST(piix3_ide, dma_marks_pages_dirty)
{
    put_table(b, (struct prd_entry[]){ { 0x20200, 1024, 0x8000 } }, 1);
    sim_dirty_clear(b->hv);
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_TRUE(sim_dirty(b->hv, 0x20));
    EXPECT_TRUE(!sim_dirty(b->hv, 0x21));
    EXPECT_TRUE(!sim_dirty(b->hv, TABLE >> 12));
}

TEST(piix3_ide, table_longer_than_the_command_stays_active)
{
    put_table(b, (struct prd_entry[]){ { 0x20000, 1024, 0 }, { 0x30000, 512, 0x8000 } }, 2);
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), INTS | ACTIVE);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    dma_stop(b, 0);
    EXPECT_EQ(dma_status(b, 0), INTS);

    put_table(b, (struct prd_entry[]){ { 0x20000, 2048, 0x8000 } }, 1); /* one entry, part of it */
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), INTS | ACTIVE);
    dma_stop(b, 0);
}

TEST(piix3_ide, table_shorter_than_the_command_ends_without_interrupt)
{
    uint8_t data[1024];

    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), 0);
    EXPECT_TRUE(!bench_isa_level(b, 14));
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ); /* the drive still has data */
    dma_stop(b, 0);
    dma_start(b, 0, true); /* a second table takes the rest */
    EXPECT_EQ(dma_status(b, 0), INTS);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    bench_ram_get(b, 0x20000, data, 512);
    EXPECT_EQ(le32(data), 101);
    dma_stop(b, 0);

    /* The same in the middle of a sector, and for a write. */
    put_table(b, (struct prd_entry[]){ { 0x20000, 700, 0x8000 } }, 1);
    fill_pattern(data, sizeof data, 8);
    bench_ram_put(b, 0x20000, data, sizeof data);
    command28(b, 0, DEV0, 0, 2, 110, 0xca);
    dma_start(b, 0, false);
    EXPECT_EQ(dma_status(b, 0), 0);
    assert_memory_equal(disk(b, 0)->bytes + 110 * 512, data, 512);
    EXPECT_EQ(le32(disk(b, 0)->bytes + 111 * 512), 111);
    dma_stop(b, 0);
    bench_outb(b, 0x3f6, 0x0c);
    bench_outb(b, 0x3f6, 0x08);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, count_zero_is_64_kib)
{
    static uint8_t data[0x10000];

    put_table(b, (struct prd_entry[]){ { 0x20000, 0, 0x8000 } }, 1);
    command28(b, 0, DEV0, 0, 128, 1000, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), INTS);
    bench_ram_get(b, 0x20000, data, sizeof data);
    assert_memory_equal(data, disk(b, 0)->bytes + 1000 * 512, sizeof data);
}

/* Regions whose borders are not those of sectors, in every mixture; and tiny ones. */
TEST(piix3_ide, odd_regions)
{
    static const uint16_t sizes[][5] = { { 2, 510, 512, 0x400 - 2, 2 },
                                         { 100, 924, 512, 256, 256 },
                                         { 0x200, 0x200, 0x1fe, 2, 0x400 },
                                         { 0x700, 2, 2, 2, 0xfa } };
    enum { N = 4096 };
    uint8_t out[N], in[N];

    for (unsigned i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
        const uint16_t *size = sizes[i / 2];
        struct prd_entry table[5];
        unsigned at = 0, n = 0;

        fill_pattern(out, N, i);
        for (; n < 5 && at < 2048; n++) {
            table[n] = (struct prd_entry){ 0x20000 + 0x1000 * n + 2 * n, size[n], 0 };
            bench_ram_put(b, table[n].base, out + at, size[n]);
            at += size[n];
        }
        table[n - 1].flags = 0x8000;
        put_table(b, table, n);
        if (i & 1)
            memcpy(disk(b, 0)->bytes + 600 * 512, out, N);
        command28(b, 0, DEV0, 0, at / 512, 600, i & 1 ? 0xc8 : 0xca);
        dma_start(b, 0, i & 1);
        EXPECT_EQ(dma_status(b, 0), at % 512 ? INTS | ACTIVE : INTS);
        dma_stop(b, 0);
        at = 0;
        for (unsigned k = 0; k < n; k++) {
            bench_ram_get(b, table[k].base, in + at, size[k]);
            at += size[k];
        }
        assert_memory_equal(in, out, at / 512 * 512);
        assert_memory_equal(disk(b, 0)->bytes + 600 * 512, out, at / 512 * 512);
    }
}

TEST(piix3_ide, many_tiny_regions)
{
    enum { N = 1024 }; /* regions of 2 bytes: four sectors */
    static struct prd_entry table[N];
    uint8_t data[2 * N], *sectors = disk(b, 0)->bytes + 700 * 512;

    fill_pattern(sectors, 2 * N, 4);
    for (unsigned i = 0; i < N; i++)
        table[i] = (struct prd_entry){ 0x20000 + 4 * i, 2, i == N - 1 ? 0x8000 : 0 };
    put_table(b, table, N);
    command28(b, 0, DEV0, 0, 4, 700, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), INTS);
    for (unsigned i = 0; i < N; i++)
        bench_ram_get(b, 0x20000 + 4 * i, data + 2 * i, 2);
    assert_memory_equal(data, sectors, 2 * N);
    dma_stop(b, 0);

    for (unsigned i = 0; i < N; i++)
        bench_ram_put(b, 0x20000 + 4 * i, data + 2 * (N - 1 - i), 2);
    command28(b, 0, DEV0, 0, 4, 704, 0xca);
    dma_start(b, 0, false);
    EXPECT_EQ(dma_status(b, 0), INTS);
    for (unsigned i = 0; i < N; i++)
        assert_memory_equal(sectors + 2048 + 2 * i, data + 2 * (N - 1 - i), 2);
}

/* A long transfer is done in pieces with other events between them, and stays one transfer. */
TEST(piix3_ide, long_transfer_yields)
{
    enum { N = 4096 }; /* sectors: 2 MiB in regions of 8 and 504 bytes, 16 sectors at a time */
    static struct prd_entry table[8192];
    uint8_t data[512];

    for (unsigned i = 0; i < 8192; i++)
        table[i] = (struct prd_entry){ 0x200000 + (i / 2) * 512 + (i & 1 ? 8 : 0), i & 1 ? 504 : 8,
                                       i == 8191 ? 0x8000 : 0 };
    bench_ram_put(b, 0x10000, table, sizeof table);
    command48(b, 0, DEV0, N, 0, 0x25);
    bench_outl(b, BM + 4, 0x10000);
    bench_outb(b, BM, 9);
    EXPECT_EQ(dma_status(b, 0), ACTIVE); /* not all in one event */
    bench_step(b, 1000000);
    EXPECT_EQ(dma_status(b, 0), INTS);
    for (unsigned i = 0; i < N; i++) {
        bench_ram_get(b, 0x200000 + i * 512, data, 512);
        EXPECT_EQ(le32(data), i);
    }
    dma_stop(b, 0);

    command48(b, 0, DEV0, 3000, 0, 0x35);
    bench_outb(b, BM + 2, 6);
    bench_outb(b, BM, 1);
    EXPECT_EQ(dma_status(b, 0), ACTIVE);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    bench_save_and_load(b);
    bench_step(b, 1000000);
    EXPECT_EQ(dma_status(b, 0), ACTIVE | INTS);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

/* --- errors --- */

TEST(piix3_ide, host_error_ends_a_dma_command)
{
    put_table(b, (struct prd_entry[]){ { 0x20000, 4096, 0x8000 } }, 1);
    disk(b, 0)->fail = -EIO;
    command28(b, 0, DEV0, 0, 8, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), INTS | ACTIVE);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), UNC);
    dma_stop(b, 0);
    disk(b, 0)->fail = -ENOSPC;
    command28(b, 0, DEV0, 0, 8, 100, 0xca);
    dma_start(b, 0, false);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), ABRT);
    dma_stop(b, 0);
}

/* Data that go to or come from where no memory is, a table that is not there, no bus master. */
TEST(piix3_ide, memory_errors_set_dmaerr_and_end_the_command)
{
    static const uint32_t nowhere[] = { 0xa0000, 0xfee00000, 0xf0000000, 0x3000000 };

    for (unsigned i = 0; i < ARRAY_SIZE(nowhere) * 2; i++) {
        put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0 }, { nowhere[i / 2], 512, 0x8000 } },
                  2);
        command28(b, 0, DEV0, 0, 2, 100, i & 1 ? 0xca : 0xc8);
        dma_start(b, 0, !(i & 1));
        EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
        EXPECT_EQ(reg(b, 0, 1), ABRT);
        dma_stop(b, 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        bench_cfg_write(b, DEVFN, 4, 2, i ? 1 : 5);
        put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
        command28(b, 0, DEV0, 0, 1, 100, 0xc8);
        bench_outl(b, BM + 4, i ? TABLE : 0xa0000);
        bench_outb(b, BM + 2, 6);
        bench_outb(b, BM, 9);
        EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
        dma_stop(b, 0);
    }
}

/* S10: whichever access to guest memory fails, the command ends and says so, or does it all. */
TEST(piix3_ide, each_memory_access_may_fail)
{
    static const struct prd_entry table[] = { { 0x20000, 1024, 0 },
                                              { 0x30010, 100, 0 },
                                              { 0x41000, 1436, 0x8000 } };

    put_table(b, table, 3);
    for (unsigned n = 1; n < 40; n++)
        for (unsigned way = 0; way < 4; way++) {
            bool read = way & 1;

            if (way & 2)
                sim_fail_map(b->hv, n);
            else
                sim_fail_copy(b->hv, n);
            command28(b, 0, DEV0, 0, 5, 100, read ? 0xc8 : 0xca);
            dma_start(b, 0, read);
            EXPECT_TRUE(bench_isa_level(b, 14));
            if (dma_status(b, 0) & DMAERR)
                EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
            else
                EXPECT_EQ(status(b, 0), DRDY | DSC);
            EXPECT_EQ(dma_status(b, 0) & (ACTIVE | INTS), INTS);
            dma_stop(b, 0);
            sim_fail_map(b->hv, 0);
            sim_fail_copy(b->hv, 0);
        }
}

/* What the image is asked for is always whole sectors, also where memory ends within one. */
TEST(piix3_ide, requests_are_whole_sectors)
{
    static const struct prd_entry table[] = { { 0x20000, 512 + 100, 0 }, { 0xa0000, 412, 0x8000 } };
    uint8_t data[512];

    for (unsigned out = 0; out < 2; out++) {
        unsigned n = 0;

        put_table(b, table, 2);
        disk(b, 0)->hold = true;
        command28(b, 0, DEV0, 0, 2, 100, out ? 0xca : 0xc8);
        dma_start(b, 0, !out);
        for (; disk(b, 0)->held; n++) {
            EXPECT_EQ(disk(b, 0)->held->length % 512, 0);
            bench_disk_release(&disk(b, 0)->block, 1);
        }
        EXPECT_TRUE(n > 0);
        EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
        EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
        dma_stop(b, 0);
        bench_ram_get(b, 0x20000, data, 512);
        assert_memory_equal(data, disk(b, 0)->bytes + 100 * 512, 512); /* the whole one was done */
    }
}

/* S3: what the guest rewrites between two looks does not matter, there is one look. */
TEST(piix3_ide, table_entries_are_read_once)
{
    static struct prd_entry table[100];
    uint8_t in[512];

    if (sim_flip_enable(b->hv, true) < 0)
        fail();
    for (unsigned i = 0; i < 100; i++) /* more than a direct transfer holds, odd borders */
        table[i] =
            (struct prd_entry){ 0x20000 + 0x1000 * i, i & 1 ? 412 : 100, i == 99 ? 0x8000 : 0 };
    put_table(b, table, 100);
    command28(b, 0, DEV0, 0, 50, 1000, 0xc8);
    bench_outl(b, BM + 4, TABLE);
    sim_flip_reset(b->hv);
    bench_outb(b, BM, 9);
    EXPECT_EQ(sim_flip_hits(b->hv), 0);
    EXPECT_EQ(dma_status(b, 0), INTS);
    for (unsigned i = 0; i < 50; i++) {
        bench_ram_get(b, table[2 * i].base, in, 100);
        bench_ram_get(b, table[2 * i + 1].base, in + 100, 412);
        assert_memory_equal(in, disk(b, 0)->bytes + (1000 + i) * 512, 512);
    }
}

/* --- in flight --- */

TEST(piix3_ide, dma_in_flight_is_busy_until_the_host_is_done)
{
    uint8_t data[1024];

    put_table(b, (struct prd_entry[]){ { 0x20000, 1024, 0x8000 } }, 1);
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    EXPECT_EQ(dma_status(b, 0), ACTIVE);
    EXPECT_TRUE(!bench_isa_level(b, 14));
    EXPECT_EQ(disk(b, 0)->held->length, 1024); /* one request, straight into guest memory */
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(dma_status(b, 0), INTS);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    bench_ram_get(b, 0x20000, data, sizeof data);
    EXPECT_EQ(le32(data + 512), 101);
}

TEST(piix3_ide, dma_in_flight_survives_save_and_load)
{
    uint8_t data[4096];

    disk(b, 0)->hold = true;
    for (unsigned way = 0; way < 2; way++) {
        put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0 }, { 0x30000, 3584, 0x8000 } }, 2);
        fill_pattern(data, sizeof data, way);
        if (way) {
            bench_ram_put(b, 0x20000, data, 512);
            bench_ram_put(b, 0x30000, data + 512, 3584);
        } else {
            memcpy(disk(b, 0)->bytes + 900 * 512, data, sizeof data);
        }
        command28(b, 0, DEV0, 0, 8, 900 + 100 * way, way ? 0xca : 0xc8);
        dma_start(b, 0, !way);
        EXPECT_EQ(disk(b, 0)->block.in_flight, 1);
        bench_save_and_load(b);
        EXPECT_EQ(dma_status(b, 0), ACTIVE);
        bench_step(b, 10);
        EXPECT_EQ(disk(b, 0)->block.in_flight, 1);
        bench_disk_release(&disk(b, 0)->block, 1);
        EXPECT_EQ(dma_status(b, 0), INTS);
        EXPECT_TRUE(bench_isa_level(b, 14));
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        dma_stop(b, 0);
        assert_memory_equal(disk(b, 0)->bytes + (900 + 100 * way) * 512, data, sizeof data);
        bench_ram_get(b, 0x20000, data, 512);
        assert_memory_equal(disk(b, 0)->bytes + (900 + 100 * way) * 512, data, 512);
    }
}

/* Stopped by the guest: nothing reaches its memory after the access that stops. */
TEST(piix3_ide, stop_in_flight)
{
    uint8_t data[512];

    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0 }, { 0xa0000, 512, 0x8000 } }, 2);
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    dma_stop(b, 0);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    EXPECT_EQ(dma_status(b, 0), 0);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
    bench_ram_get(b, 0x20000, data, 512);
    EXPECT_EQ(le32(data), 100);
    bench_outb(b, 0x3f6, 0x0c);
    bench_outb(b, 0x3f6, 0x08);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, resets_and_unplug_in_flight)
{
    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    for (unsigned way = 0; way < 3; way++) {
        disk(b, 0)->hold = true;
        command28(b, 0, DEV0, 0, 1, 100, 0xc8);
        dma_start(b, 0, true);
        EXPECT_EQ(disk(b, 0)->block.in_flight, 1);
        if (way == 0)
            bench_outb(b, 0x3f6, 0x0c);
        else if (way == 1)
            machine_reset(b->m);
        else
            unplug(b, 1);
        EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
        EXPECT_TRUE(!bench_isa_level(b, 14));
        bench_outb(b, 0x3f6, 0x08);
        if (way == 1) {
            bench_cfg_write(b, DEVFN, 0x20, 4, BM);
            bench_cfg_write(b, DEVFN, 0x04, 2, 5);
        }
        EXPECT_EQ(alt_status(b, 0), way == 2 ? 0 : DRDY | DSC);
        dma_stop(b, 0);
    }
}
