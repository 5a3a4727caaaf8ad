/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: what other device models got wrong. Each test says which check in
 * the device it guards; under ASan and UBSan, as always. */

static void soft_reset(struct bench *b, unsigned c)
{
    bench_outb(b, ctl_base[c], 0x0c);
    bench_outb(b, ctl_base[c], 0x08);
}

/* BSY and DRQ never together; DRQ only with something behind it; no phase without a drive. */
static void invariants(struct bench *b, unsigned c)
{
    uint8_t s = alt_status(b, c);

    EXPECT_TRUE((s & (BSY | DRQ)) != (BSY | DRQ));
    EXPECT_TRUE(!(s & ERR) || !(s & (BSY | DRQ)));
}

/* The data port until the command has nothing more to say, and then far beyond. */
static void hammer_data_port(struct bench *b, unsigned c, unsigned words)
{
    unsigned port = cmd_base[c];

    for (unsigned done = 0; done < words; done += 2048 + 1024) {
        bench_rep(b, port, true, 2, BUFFER, 2048, false);
        bench_rep(b, port, false, 4, BUFFER, 512, false);
        bench_inw(b, port);
        bench_outl(b, port, 0x28282828);
        invariants(b, c);
    }
    for (unsigned i = 0; i < 20; i++)
        (i & 1) ? (void)bench_inl(b, port) : bench_outw(b, port, 0xffff);
    invariants(b, c);
}

/* XSA-138, CVE-2015-5154: guards ide_end(), ide_data_in(), ide_data_sink(). */
TEST(piix3_ide, xsa138_atapi_drq)
{
    for (unsigned drive = 0; drive < 2; drive++)
        for (unsigned op = 0; op < 256; op++) {
            uint8_t cdb[12] = { (uint8_t)op, 0, 0, 0, 0, 0, 0, 0, 8, 0x10 };

            packet(b, 1, drive ? 0xb0 : 0xa0, false, 0xfffe, cdb);
            hammer_data_port(b, 1, op % 16 ? 20000 : 200000);
            EXPECT_EQ(alt_status(b, 1) & (BSY | DRQ), 0);
        }
}

static void poke(struct bench *b, const char *field, uint64_t value)
{
    struct arena_record *r = arena_find(&b->arena, "piix3_ide", 0);
    const struct state_desc *desc = piix3_ide_ops.state;

    for (uint32_t k = 0; k < desc->nfields; k++)
        if (!strcmp(desc->fields[k].name, field)) {
            state_set(arena_at(&b->arena, r->state), &desc->fields[k], 0, value);
            return;
        }
    fail_msg("no field %s", field);
}

/* S1: the data port looks at its indexes itself, whatever the rest believes. */
TEST(piix3_ide, data_port_bounds_itself)
{
    uint8_t page[512];

    memset(page, 0xff, sizeof page);
    command28(b, 0, DEV0, 0, 1, 100, 0x30);
    pio_write(b, 0, page, 512); /* the buffer holds something */
    poke(b, "phase", 1);
    poke(b, "drq_end", 8194);
    EXPECT_EQ(bench_inw(b, 0x1f0), 0);
    poke(b, "drq_end", 16);
    poke(b, "buf_pos", 16);
    EXPECT_EQ(bench_inl(b, 0x1f0), 0);
    poke(b, "phase", 2);
    poke(b, "buf_pos", 0);
    poke(b, "drq_end", 8194);
    EXPECT_EQ(ide(b)->stats.refused, 2);
    bench_outw(b, 0x1f0, 0);
    EXPECT_EQ(ide(b)->stats.refused, 3);
    poke(b, "phase", 3);
    poke(b, "buf_pos", 12);
    bench_outw(b, 0x1f0, 0);
    EXPECT_EQ(ide(b)->stats.refused, 4);
}

/* CVE-2015-6855 and S23: guards the command table. */
TEST(piix3_ide, cve_2015_6855_all_opcodes_on_all_drives)
{
    static const uint8_t on_cd[] = { 0x08, 0x90, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0xa0,
                                     0xa1, 0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe6, 0xef };

    for (unsigned place = 0; place < 4; place++)
        for (unsigned op = 0; op < 256; op++) {
            unsigned c = place / 2, device = place & 1 ? DEV1 : DEV0;
            bool known = false;

            for (unsigned i = 0; i < ARRAY_SIZE(on_cd); i++)
                known |= on_cd[i] == op;
            command28(b, c, device, 3, 1, 1, op);
            invariants(b, c);
            if (c == 1 && !known) {
                EXPECT_EQ(alt_status(b, c), CHK);
                EXPECT_EQ(reg(b, c, 1), ABRT);
            }
            if (c == 0 && (op == 0xa0 || op == 0xa1 || op == 0x08 || op == 0xb0 || op == 0x00)) {
                EXPECT_EQ(alt_status(b, c), DRDY | DSC | ERR);
                EXPECT_EQ(reg(b, c, 1), ABRT);
            }
            hammer_data_port(b, c, 5000);
            dma_start(b, c, op & 1);
            invariants(b, c);
            dma_stop(b, c);
            soft_reset(b, c);
            EXPECT_EQ(alt_status(b, c), c ? 0 : DRDY | DSC);
        }
}

/* QEMU 9ef2e93f9b: guards the limit check in atapi_packet(). */
TEST(piix3_ide, atapi_byte_count_limit_zero)
{
    static const unsigned limits[] = { 0, 1 };
    uint8_t p[2048];

    for (unsigned i = 0; i < 2; i++) {
        packet(b, 1, 0xa0, false, limits[i], PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1));
        EXPECT_EQ(status(b, 1), CHK);
        EXPECT_EQ(reg(b, 1, 1), ABRT);
        packet(b, 1, 0xa0, false, limits[i], PACKET(0)); /* no data, no limit needed */
        EXPECT_EQ(status(b, 1), DRDY);
    }
    packet(b, 1, 0xa0, false, 0xffff, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 1));
    EXPECT_EQ(packet_data(b, 1, p, sizeof p), 2048);
}

/* CVE-2020-29443: guards the range check of reads and the buffer's indexes. */
TEST(piix3_ide, cve_2020_29443_last_sector)
{
    static const uint8_t reads[][12] = { { 0x28, 0, 0, 0, 2, 0xbb, 0, 0, 1 },
                                         { 0xa8, 0, 0, 0, 2, 0xbb, 0, 0, 0, 1 },
                                         { 0xbe, 0, 0, 0, 2, 0xbb, 0, 0, 1, 0x10 },
                                         { 0xbe, 0, 0, 0, 2, 0xbb, 0, 0, 1, 0xf8 },
                                         { 0x28, 0, 0, 0, 2, 0xbb, 0, 0, 2 },
                                         { 0xa8, 0, 0, 0, 2, 0xbc, 0, 0, 0, 1 },
                                         { 0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1 },
                                         { 0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff },
                                         { 0xbe, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                           0x10 } };
    uint8_t p[2352];

    for (unsigned i = 0; i < ARRAY_SIZE(reads); i++) {
        packet(b, 1, 0xa0, false, 1000, reads[i]); /* bursts that end inside the sector */
        if (i >= 4) {
            EXPECT_EQ(status(b, 1), CHK);
            EXPECT_EQ(sense(b, 1, 0xa0), 0x052100);
            continue;
        }
        pio_read(b, 1, p, 1000);
        pio_read(b, 1, p, 600);
        put_reg(b, 1, 7, 0xa0); /* another command on top: not heard */
        EXPECT_EQ(alt_status(b, 1) & DRQ, DRQ);
        put_reg(b, 1, 7, 0x08); /* this one is */
        EXPECT_EQ(alt_status(b, 1), 0);
        hammer_data_port(b, 1, 5000);
        packet(b, 1, 0xa0, false, 2352, reads[i]);
        EXPECT_EQ(packet_data(b, 1, p, sizeof p), i == 3 ? 2352 : 2048);
    }
}

/* "bmdma cancel": guards ide_submit() and ide_cancel() without a backend. */
TEST(piix3_ide, bus_master_without_a_drive)
{
    struct bench *empty = board_with(0, 0);
    static const uint8_t values[] = { 0, 1, 8, 9, 0xff };

    for (unsigned which = 0; which < 2; which++) {
        struct bench *t = which ? empty : b;
        unsigned c = which ? 0 : 1; /* no drive at all; the empty CD drive */

        for (unsigned command = 0; command < 256; command++)
            for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
                command28(t, c, 0xb0, 1, 1, 0, command);
                for (unsigned r = 0; r < 8; r++)
                    bench_outb(t, BM + 8 * c + r, values[i]);
                soft_reset(t, c);
                bench_outb(t, BM + 8 * c, 0);
                EXPECT_EQ(dma_status(t, c) & ACTIVE, 0);
            }
    }
    EXPECT_EQ(alt_status(empty, 0), 0);
    EXPECT_TRUE(!bench_isa_level(empty, 14));
    bench_free(empty);
}

/* "PRD tables": guards the budget of walk_region(). 2-byte regions and no end: the table is over
 * after 64 KiB. */
TEST(piix3_ide, prd_table_without_end)
{
    static struct prd_entry table[8192];
    uint64_t before;

    for (unsigned i = 0; i < 8192; i++)
        table[i] = (struct prd_entry){ 0x200000, 2, 0 };
    bench_ram_put(b, 0x10000, table, sizeof table);
    command28(b, 0, DEV0, 0, 0, 0, 0xc8); /* 128 KiB from a table of 16 KiB */
    bench_outl(b, BM + 4, 0x10000);
    before = ide(b)->stats.dma_reads;
    bench_outb(b, BM, 9);
    bench_step(b, 1000);
    EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_TRUE(ide(b)->stats.dma_reads - before <= 8192);
    dma_stop(b, 0);

    /* It wraps inside its 64 KiB and never leaves them: from the last entry on. */
    table[8191] = (struct prd_entry){ 0x300000, 512, 0 };
    table[0] = (struct prd_entry){ 0x301000, 512, 0x8000 };
    bench_ram_put(b, 0x10000, table, sizeof table);
    command28(b, 0, DEV0, 0, 2, 9, 0xc8);
    bench_outl(b, BM + 4, 0x1fff8);
    bench_outb(b, BM + 2, 6);
    bench_outb(b, BM, 9);
    EXPECT_EQ(dma_status(b, 0), INTS);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

/* The sum of the regions at the borders of the command's length: guards pieces_collect(). */
TEST(piix3_ide, prd_sums)
{
    static const unsigned sums[] = { 4092, 4094, 4096, 4098, 4100, 4608, 8192, 0x8000 };

    for (unsigned k = 0; k < ARRAY_SIZE(sums); k++) {
        unsigned sum = sums[k];
        uint8_t after[8] = { 0 };

        memset(after, 0x5a, sizeof after);
        bench_ram_put(b, 0x31000 - 0x200, after, 8);
        put_table(
            b,
            (struct prd_entry[]){ { 0x20000, 512, 0 }, { 0x30000, (uint16_t)(sum - 512), 0x8000 } },
            2);
        command28(b, 0, DEV0, 0, 8, 100, 0xc8);
        dma_start(b, 0, true);
        EXPECT_EQ(dma_status(b, 0), sum < 4096 ? 0 : sum == 4096 ? INTS : INTS | ACTIVE);
        bench_ram_get(b, 0x31000 - 0x200, after, 8);
        for (unsigned i = 0; i < 8; i++)
            EXPECT_EQ(after[i], 0x5a); /* never more than the command */
        dma_stop(b, 0);
        soft_reset(b, 0);
    }
}

/* CVE-2017-11334: a region that runs over the end of RAM, or of 32 bits. */
TEST(piix3_ide, cve_2017_11334_prd_across_the_end_of_memory)
{
    static const uint32_t at[] = { 0x1000000 - 512, 0xfffffe00, 0xfffffffe, 0x9fe00 };

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        for (unsigned out = 0; out < 2; out++) {
            put_table(b, (struct prd_entry[]){ { at[i], 0, 0x8000 } }, 1);
            command28(b, 0, DEV0, 0, 128, 100, out ? 0xca : 0xc8);
            dma_start(b, 0, !out);
            EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
            EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
            dma_stop(b, 0);
        }
}

/* DMA re-entrancy (CVE-2021-3929, CVE-2023-0330): a region of the table, and the table itself, in
 * whatever is not RAM: our own registers as memory has them, a hole, the VGA's window, a ROM that
 * is not there, local APIC, the end of everything. Nothing of it reaches a device: by construction,
 * DMA goes to frames. */
TEST(piix3_ide, cve_2021_3929_dma_into_devices)
{
    static const uint32_t at[] = { 0xa0000,    0xb8000,    0xf0000000, 0xf1000000,
                                   0xfec00000, 0xfee00000, 0xfffff000, 0x2000000 };

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        for (unsigned way = 0; way < 3; way++) {
            uint64_t before;

            put_table(b, (struct prd_entry[]){ { at[i], 512, 0x8000 } }, 1);
            command28(b, 0, DEV0, 0, 1, 100, way == 1 ? 0xca : 0xc8);
            bench_outl(b, BM + 4, way == 2 ? at[i] : TABLE);
            bench_outb(b, BM + 2, 6);
            before = ide(b)->stats.reads + ide(b)->stats.writes;
            bench_outb(b, BM, way == 1 ? 1 : 9);
            EXPECT_EQ(ide(b)->stats.reads + ide(b)->stats.writes, before + 1);
            EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
            EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
            dma_stop(b, 0);
        }
}

/* DMA to ballooned pages, and qubes-issues#3651: frames go while a transfer is in flight, and the
 * guest's map is said to have changed in the middle. The transfer ends on the old pages; the next
 * one is a failed DMA. Guards the references of gmem_map(). */
TEST(piix3_ide, qubes3651_balloon_during_dma)
{
    for (unsigned i = 0; i < 50; i++) {
        uint32_t at = 0x200000 + i * 0x10000;
        struct request r = { .type = REQ_INVALIDATE, .size = 4 };

        put_table(b, (struct prd_entry[]){ { at, 4096, 0 }, { at + 0x5000, 4096, 0x8000 } }, 2);
        disk(b, 0)->hold = true;
        command28(b, 0, DEV0, 0, 16, 100, i & 1 ? 0xca : 0xc8);
        dma_start(b, 0, !(i & 1));
        EXPECT_TRUE(sim_balloon_out(b->hv, (at + 0x5000) >> 12));
        bench_request(b, &r);
        bench_disk_release(&disk(b, 0)->block, 1);
        EXPECT_EQ(dma_status(b, 0), INTS);
        EXPECT_EQ(status(b, 0), DRDY | DSC);
        dma_stop(b, 0);
        disk(b, 0)->hold = false;
        command28(b, 0, DEV0, 0, 16, 100, i & 1 ? 0xca : 0xc8);
        dma_start(b, 0, !(i & 1));
        EXPECT_EQ(dma_status(b, 0), INTS | DMAERR);
        dma_stop(b, 0);
    }
}

/* XSA-139: guards the idempotence of drive_unplug(). */
TEST(piix3_ide, xsa139_unplug_twice)
{
    struct error e = { "" };

    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 100, 0xc8);
    dma_start(b, 0, true);
    unplug(b, 1);
    unplug(b, 1);
    EXPECT_EQ(ide_eject(ide(b), 0, true, &e), -ENODEV);
    EXPECT_EQ(ide_eject(ide(b), 2, true, &e), 0);
    bench_save_and_load(b);
    unplug(b, 5);
    machine_drain(b->m);
    machine_reset(b->m);
    unplug(b, 1);
    EXPECT_EQ(alt_status(b, 0), 0);
}

/* An unplugged drive is out of reach for whatever was started before or comes later. */
TEST(piix3_ide, an_unplugged_disk_is_never_written)
{
    uint8_t data[512], before[512];

    memset(data, 0xee, sizeof data);
    bench_ram_put(b, 0x20000, data, sizeof data);
    memcpy(before, disk(b, 0)->bytes, 512);
    command28(b, 0, DEV0, 0, 1, 0, 0x30);
    pio_write(b, 0, data, 256);
    unplug(b, 1);
    pio_write(b, 0, data, 256);
    command28(b, 0, DEV0, 0, 1, 0, 0x30);
    pio_write(b, 0, data, 512);
    assert_memory_equal(disk(b, 0)->bytes, before, 512);
    put_table(b, (struct prd_entry[]){ { 0x20000, 512, 0x8000 } }, 1);
    command28(b, 0, DEV0, 0, 1, 0, 0xca);
    dma_start(b, 0, false);
    bench_step(b, 1000);
    assert_memory_equal(disk(b, 0)->bytes, before, 512);
}

/* S15: offences without end are a few lines. */
TEST(piix3_ide, log_is_bounded)
{
    put_table(b, (struct prd_entry[]){ { 0xa0000, 512, 0x8000 } }, 1);
    for (unsigned i = 0; i < 1000; i++) {
        command28(b, 0, DEV0, 0, 1, 100, 0xc8);
        dma_start(b, 0, true);
        dma_stop(b, 0);
    }
    EXPECT_TRUE(ide(b)->log_limit.dropped > 900);
}

/* S16: fields that contradict each other are refused. */
TEST(piix3_ide, contradictory_states_are_refused)
{
    static const struct {
        const char *field;
        uint64_t value;
    } bad[] = { { "phase", 1 },          { "phase", 2 },      { "phase", 3 }, { "phase", 5 },
                { "phase", 6 },          { "heads", 0 },      { "raw", 1 },   { "multiple", 7 },
                { "buf_pos", 100 },      { "phase", 255 },    { "BMICX", 2 }, { "BMIDTPX", 3 },
                { "prd_left", 0x10001 }, { "buf_len", 8193 }, { "sense", 16 } };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error e = { "" };

        machine_reset(b->m);
        EXPECT_EQ(machine_loaded(b->m, &e), 0);
        poke(b, bad[i].field, bad[i].value);
        EXPECT_TRUE(machine_loaded(b->m, &e) < 0);
        EXPECT_TRUE(e.text[0]);
        machine_reset(b->m);
    }
}

/* --- a wild guest and a slow host --- */

static uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void random_table(struct bench *b, uint32_t *seed)
{
    struct prd_entry table[8];

    for (unsigned i = 0; i < 8; i++) {
        uint32_t r = random_next(seed);

        table[i] = (struct prd_entry){ 0x20000 + (r & 0x1ffffe), (uint16_t)(r >> 16 & 0x1ffe),
                                       r >> 30 ? 0 : 0x8000 };
        if (r % 29 == 0)
            table[i].base = 0xa0000;
    }
    put_table(b, table, 8);
}

static void random_command(struct bench *b, unsigned c, uint32_t *seed)
{
    static const uint8_t commands[] = { 0x20, 0x24, 0x25, 0xc8, 0xc4, 0x29, 0x30, 0x34,
                                        0x35, 0xca, 0xc5, 0x39, 0xe7, 0xec, 0xa1, 0x06,
                                        0xef, 0x90, 0x08, 0x40, 0xc6, 0x91 };
    static const uint8_t packets[] = { 0x28, 0x28, 0xa8, 0xbe, 0x43, 0x12, 0x4a, 0x1b, 0x1e, 0x00 };
    uint32_t r = random_next(seed);
    unsigned device = r & 1 ? DEV1 : DEV0;

    if (c == 1 && r & 6) {
        uint8_t cdb[12] = { packets[(r >> 8) % sizeof packets],
                            0,
                            0,
                            0,
                            r >> 30 & 1,
                            (uint8_t)(r >> 16),
                            0,
                            0,
                            (uint8_t)(r >> 24 & 31),
                            r & 8 ? 0x10 : 0xf8 };

        bool no_limit = (r >> 12 & 15) == 0; /* byte count limits of zero, sometimes */

        select_drive(b, c, device);
        put_reg(b, c, 1, r >> 4 & 1);
        put_reg(b, c, 4, no_limit ? 0 : r >> 12 & 0xff);
        put_reg(b, c, 5, no_limit ? 0 : r >> 20 & 0x1f);
        put_reg(b, c, 7, 0xa0);
        bench_ram_put(b, BUFFER, cdb, 12);
        bench_rep(b, cmd_base[c], false, 2, BUFFER, 6, false);
        return;
    }
    uint8_t command = commands[(r >> 3) % sizeof commands];

    command28(b, c, device, 1, r >> 8 & (command == 0xc6 ? 0xff : 0x1f), r >> 16 & 0xfff, command);
}

static void random_step(struct bench *b, uint32_t *seed)
{
    uint32_t r = random_next(seed);
    unsigned c = r >> 31, place = r >> 28 & 3;
    struct error e = { "" };
    struct block *d = b->rows[0].host.disk[place];

    switch (r % 23) {
    case 0:
        if (d)
            bench_disk(d)->hold = r >> 8 & 1;
        break;
    case 1:
    case 2:
    case 3:
    case 4:
        if (d)
            bench_disk_release(d, 1 + (r >> 8 & 1));
        break;
    case 5:
        bench_step(b, 1000);
        break;
    case 6:
        if ((r >> 8) % 8 == 0)
            bench_save_and_load(b);
        break;
    case 7:
        if ((r >> 8) % 4 == 0)
            soft_reset(b, c);
        break;
    case 8:
        if (ide_eject(ide(b), 2, r >> 8 & 1, &e) == 0 && (r & 512))
            (void)!ide_insert(ide(b), 2, b->rows[0].host.disk[2], &e);
        break;
    case 9:
        machine_drain(b->m);
        break;
    case 10:
        if (d)
            bench_disk(d)->fail = (r >> 8) % 4 ? 0 : -EIO;
        break;
    case 11:
    case 12:
    case 13:
        random_table(b, seed);
        dma_start(b, c, r >> 8 & 1);
        break;
    case 14:
        dma_stop(b, c);
        break;
    case 15:
    case 16:
    case 17:
        bench_rep(b, cmd_base[c], r >> 8 & 1, 2u << (r >> 9 & 1), BUFFER, 1 + (r >> 10) % 1024,
                  false);
        break;
    case 18:
        status(b, c);
        break;
    default:
        random_command(b, c, seed);
        break;
    }
}

/* For the generic checks: the same without saving, which they do themselves. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    uint32_t ahead = *seed;

    if (random_next(&ahead) % 23 == 6)
        *seed = ahead;
    else
        random_step(b, seed);
}
BENCH_GUEST(guest_step)

TEST(piix3_ide, wild_guest_and_slow_host)
{
    for (uint32_t round = 1; round <= 40; round++) {
        uint32_t seed = round * 2654435761u;
        struct error e = { "" };
        uint8_t page[512];

        for (unsigned i = 0; i < 1500; i++) {
            random_step(b, &seed);
            invariants(b, 0);
            invariants(b, 1);
        }
        bench_save_and_load(b); /* whatever state that was, it can be loaded */
        for (unsigned place = 0; place < 3; place++) {
            disk(b, place)->hold = false;
            disk(b, place)->fail = 0;
            bench_disk_release(&disk(b, place)->block, 1000);
        }
        bench_step(b, 1000000);
        for (unsigned c = 0; c < 2; c++) { /* and the drives still work */
            dma_stop(b, c);
            soft_reset(b, c);
            identify(b, c, DEV0, c ? 0xa1 : 0xec, page);
            EXPECT_EQ(disk(b, c)->block.in_flight, 0);
        }
        (void)!ide_eject(ide(b), 2, true, &e);
        EXPECT_EQ(ide_insert(ide(b), 2, b->rows[0].host.disk[2], &e), 0);
    }
}
