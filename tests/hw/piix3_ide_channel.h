/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: what a channel does whatever the drive, and how it is probed. */

/* Boards with other drives than the common one. */
static struct bench *board_with(uint64_t hd0, uint64_t hd1)
{
    struct device_row row = board_row();

    if (hd0)
        row.host.disk[0] = bench_disk_new(hd0, false);
    if (hd1)
        row.host.disk[1] = bench_disk_new(hd1, false);
    return board_make(&row);
}

/* --- interrupts --- */

TEST(piix3_ide, status_read_takes_the_interrupt_and_alternate_does_not)
{
    simple(b, 0, DEV0, 0xe7);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    EXPECT_TRUE(!bench_isa_level(b, 14));
}

TEST(piix3_ide, channels_have_their_own_line)
{
    simple(b, 1, 0xa0, 0xe5);
    EXPECT_TRUE(bench_isa_level(b, 15));
    EXPECT_TRUE(!bench_isa_level(b, 14));
}

TEST(piix3_ide, nien_keeps_the_line_down_and_the_interrupt_pending)
{
    unsigned seen = bench_isa_edges(b, 14);

    bench_outb(b, 0x3f6, 0x0a);
    simple(b, 0, DEV0, 0xe7);
    EXPECT_EQ(edges(b, 0, &seen), 0);
    EXPECT_EQ(dma_status(b, 0) & 4, 0); /* the bus master sees the line, not the drive */
    bench_outb(b, 0x3f6, 0x08);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(edges(b, 0, &seen), 1);
    EXPECT_EQ(dma_status(b, 0) & 4, 4);
}

TEST(piix3_ide, a_new_command_takes_the_old_interrupt)
{
    unsigned seen = bench_isa_edges(b, 14);

    simple(b, 0, DEV0, 0xe7);
    simple(b, 0, DEV0, 0xe7);
    EXPECT_EQ(edges(b, 0, &seen), 1 + 2); /* up; down and up again, for an edge-triggered input */
    EXPECT_TRUE(bench_isa_level(b, 14));
}

TEST(piix3_ide, pio_write_interrupts_after_each_block_but_not_before_the_first)
{
    unsigned seen = bench_isa_edges(b, 14);
    uint8_t data[512];

    fill_pattern(data, sizeof data, 1);
    command28(b, 0, DEV0, 0, 2, 10, 0x30);
    EXPECT_EQ(edges(b, 0, &seen), 0);
    EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
    pio_write(b, 0, data, 512);
    EXPECT_EQ(edges(b, 0, &seen), 1);
    EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
    pio_write(b, 0, data, 512);
    EXPECT_EQ(edges(b, 0, &seen), 2); /* the read of status lowered it */
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    assert_memory_equal(disk(b, 0)->bytes + 11 * 512, data, 512);
}

TEST(piix3_ide, pio_read_interrupts_for_each_block_and_not_at_the_end)
{
    unsigned seen = bench_isa_edges(b, 14);
    uint8_t data[512];

    command28(b, 0, DEV0, 0, 2, 10, 0x20);
    EXPECT_EQ(edges(b, 0, &seen), 1);
    status(b, 0);
    pio_read(b, 0, data, 512);
    EXPECT_EQ(edges(b, 0, &seen), 2);
    status(b, 0);
    pio_read(b, 0, data, 512);
    EXPECT_EQ(edges(b, 0, &seen), 1);
    EXPECT_TRUE(!bench_isa_level(b, 14));
}

/* --- registers --- */

TEST(piix3_ide, both_drives_hear_every_write)
{
    select_drive(b, 0, DEV0);
    for (unsigned r = 2; r <= 5; r++)
        put_reg(b, 0, r, 0x10 + r);
    select_drive(b, 0, DEV1);
    for (unsigned r = 2; r <= 5; r++)
        EXPECT_EQ(reg(b, 0, r), 0x10 + r);
}

TEST(piix3_ide, high_order_bytes_read_back_with_hob)
{
    select_drive(b, 0, DEV0);
    for (unsigned r = 2; r <= 5; r++) {
        put_reg(b, 0, r, 0x20 + r);
        put_reg(b, 0, r, 0x40 + r);
    }
    bench_outb(b, 0x3f6, 0x88);
    for (unsigned r = 2; r <= 5; r++)
        EXPECT_EQ(reg(b, 0, r), 0x20 + r);
    put_reg(b, 0, 2, 0x77); /* any write to the command block ends it */
    EXPECT_EQ(reg(b, 0, 2), 0x77);
    EXPECT_EQ(reg(b, 0, 3), 0x43);
}

TEST(piix3_ide, device_register_reads_its_fixed_bits)
{
    select_drive(b, 0, 0x10);
    EXPECT_EQ(reg(b, 0, 6), 0xb0);
    select_drive(b, 0, 0x4f);
    EXPECT_EQ(reg(b, 0, 6), 0xef);
}

TEST(piix3_ide, registers_do_not_listen_while_data_are_due)
{
    uint8_t page[512];

    command28(b, 0, DEV0, 0, 1, 5, 0x20);
    put_reg(b, 0, 3, 0x99);
    put_reg(b, 0, 6, DEV1);
    put_reg(b, 0, 7, 0xec);
    EXPECT_EQ(reg(b, 0, 3), 5);
    EXPECT_EQ(reg(b, 0, 6), DEV0);
    pio_read(b, 0, page, 512);
    EXPECT_EQ(le32(page), 5);
    put_reg(b, 0, 3, 0x99);
    EXPECT_EQ(reg(b, 0, 3), 0x99);
}

TEST(piix3_ide, wide_access_to_the_task_file_is_byte_by_byte)
{
    select_drive(b, 0, DEV0);
    bench_outw(b, 0x1f2, 0x3412);
    EXPECT_EQ(reg(b, 0, 2), 0x12);
    EXPECT_EQ(reg(b, 0, 3), 0x34);
    EXPECT_EQ(bench_inl(b, 0x1f2),
              0x00003412u | (uint32_t)reg(b, 0, 4) << 16 | (uint32_t)reg(b, 0, 5) << 24);
}

/* --- data port --- */

TEST(piix3_ide, data_port_takes_16_and_32_bits)
{
    uint8_t page[512];

    command28(b, 0, DEV0, 0, 1, 0x123, 0x20);
    for (unsigned i = 0; i < 64; i++) {
        put_le32(page + 8 * i, bench_inl(b, 0x1f0));
        put_le16(page + 8 * i + 4, bench_inw(b, 0x1f0));
        put_le16(page + 8 * i + 6, bench_inw(b, 0x1f0));
    }
    assert_memory_equal(page, disk(b, 0)->bytes + 0x123 * 512, 512);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    EXPECT_EQ(bench_inw(b, 0x1f0), 0); /* nothing more */
    EXPECT_EQ(bench_inb(b, 0x1f0), 0xff);
}

TEST(piix3_ide, one_string_may_span_sectors)
{
    uint8_t data[4 * 512];

    command28(b, 0, DEV0, 0, 4, 300, 0x20);
    pio_read(b, 0, data, sizeof data);
    for (unsigned i = 0; i < 4; i++)
        EXPECT_EQ(le32(data + 512 * i), 300 + i);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);

    fill_pattern(data, sizeof data, 3);
    command28(b, 0, DEV0, 0, 4, 400, 0x30);
    bench_ram_put(b, BUFFER, data, sizeof data);
    bench_rep(b, 0x1f0, false, 4, BUFFER, sizeof data / 4, false);
    assert_memory_equal(disk(b, 0)->bytes + 400 * 512, data, sizeof data);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, string_beyond_the_data_reads_zeros)
{
    uint8_t data[1024];

    memset(data, 0xaa, sizeof data);
    bench_ram_put(b, BUFFER, data, sizeof data);
    command28(b, 0, DEV0, 0, 1, 300, 0x20);
    pio_read(b, 0, data, sizeof data);
    EXPECT_EQ(le32(data), 300);
    for (unsigned i = 512; i < 1024; i++)
        EXPECT_EQ(data[i], 0);
}

/* --- resets --- */

TEST(piix3_ide, software_reset)
{
    uint8_t page[512];

    command28(b, 0, DEV1, 0, 1, 5, 0x20);
    bench_outb(b, 0x3f6, 0x0c);
    EXPECT_EQ(alt_status(b, 0), BSY);
    EXPECT_TRUE(!bench_isa_level(b, 14));
    simple(b, 0, DEV0, 0xec); /* not heard */
    bench_outb(b, 0x3f6, 0x08);
    EXPECT_EQ(reg(b, 0, 6), 0xa0);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    EXPECT_EQ(reg(b, 0, 1), 1);
    EXPECT_EQ(reg(b, 0, 2), 1);
    EXPECT_EQ(reg(b, 0, 4), 0);
    EXPECT_TRUE(!bench_isa_level(b, 14)); /* a reset does not interrupt */
    pio_read(b, 0, page, 2);
    EXPECT_EQ(page[0], 0);
    select_drive(b, 0, 0xb0);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    identify(b, 0, DEV1, 0xec, page);
}

TEST(piix3_ide, diagnostic_reports_for_both_drives)
{
    simple(b, 0, DEV1, 0x90);
    EXPECT_EQ(reg(b, 0, 6), 0xa0);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC);
    EXPECT_EQ(reg(b, 0, 1), 1);
    simple(b, 1, 0xa0, 0x90);
    EXPECT_EQ(status(b, 1), 0);
    EXPECT_EQ(reg(b, 1, 4), 0x14);
    EXPECT_EQ(reg(b, 1, 5), 0xeb);
}

TEST(piix3_ide, device_reset_is_for_packet_drives)
{
    unsigned seen = bench_isa_edges(b, 15);

    select_drive(b, 1, 0xb0);
    put_reg(b, 1, 7, 0xa0); /* waits for a packet: this command interrupts it */
    EXPECT_TRUE(alt_status(b, 1) & DRQ);
    put_reg(b, 1, 7, 0x08);
    EXPECT_EQ(alt_status(b, 1), 0);
    EXPECT_EQ(reg(b, 1, 6), 0xb0);
    EXPECT_EQ(reg(b, 1, 5), 0xeb);
    EXPECT_EQ(edges(b, 1, &seen), 0);
    simple(b, 0, DEV0, 0x08);
    EXPECT_EQ(status(b, 0), DRDY | DSC | ERR);
    EXPECT_EQ(reg(b, 0, 1), ABRT);
}

/* --- probing --- */

/* SeaBIOS, ata_detect(): is anything at this place, as far as registers say? */
static bool seabios_registers(struct bench *b, unsigned c, unsigned slave)
{
    unsigned dh = slave ? 0xb0 : 0xa0;

    select_drive(b, c, dh);
    if (status(b, c) & BSY) /* a floating bus would cost 32 seconds here */
        fail_msg("busy");
    if (reg(b, c, 6) != dh)
        return false;
    put_reg(b, c, 2, 0x55);
    put_reg(b, c, 3, 0xaa);
    return reg(b, c, 2) == 0x55 && reg(b, c, 3) == 0xaa;
}

static void seabios_reset(struct bench *b, unsigned c, unsigned slave)
{
    bench_outb(b, ctl_base[c], 0x0e);
    bench_outb(b, ctl_base[c], 0x0a);
    EXPECT_EQ(status(b, c) & BSY, 0);
    if (slave) {
        select_drive(b, c, 0xb0);
        EXPECT_EQ(reg(b, c, 6), 0xb0);
    }
}

enum found { NOTHING, DISK, CDROM };

static enum found seabios_probe(struct bench *b, unsigned c, unsigned slave)
{
    unsigned dh = slave ? 0xb0 : 0xa0;
    uint8_t page[512];

    if (!seabios_registers(b, c, slave))
        return NOTHING;
    seabios_reset(b, c, slave);
    for (unsigned packet_first = 1; packet_first < 2; packet_first--) {
        command28(b, c, dh, 0, 0, 0, packet_first ? 0xa1 : 0xec);
        EXPECT_EQ(alt_status(b, c) & BSY, 0);
        if ((alt_status(b, c) & (ERR | DRQ)) == DRQ) {
            pio_read(b, c, page, 512);
            EXPECT_EQ(status(b, c) & (BSY | DRQ | ERR), 0);
            return packet_first ? CDROM : DISK;
        }
        if (!status(b, c))
            return NOTHING;
        EXPECT_TRUE(status(b, c) & DRDY);
    }
    return NOTHING;
}

TEST(piix3_ide, seabios_finds_all_drives)
{
    EXPECT_EQ(seabios_probe(b, 0, 0), DISK);
    EXPECT_EQ(seabios_probe(b, 0, 1), DISK);
    EXPECT_EQ(seabios_probe(b, 1, 0), CDROM);
    EXPECT_EQ(seabios_probe(b, 1, 1), CDROM);
}

TEST(piix3_ide, seabios_finds_a_single_drive_and_an_empty_channel)
{
    struct bench *one = board_with(1 << 20, 0);

    EXPECT_EQ(seabios_probe(one, 0, 0), DISK);
    EXPECT_EQ(seabios_probe(one, 0, 1), NOTHING);
    EXPECT_EQ(seabios_probe(one, 1, 0), NOTHING);
    EXPECT_EQ(seabios_probe(one, 1, 1), NOTHING);
    bench_free(one);
    (void)b;
}

TEST(piix3_ide, a_lone_slave_is_found)
{
    struct bench *one = board_with(0, 1 << 20);

    EXPECT_EQ(seabios_probe(one, 0, 0), NOTHING);
    EXPECT_EQ(seabios_probe(one, 0, 1), DISK);
    bench_free(one);
    (void)b;
}

/* ATA/ATAPI-6, 9.16.1: what a single drive answers while the other one is selected. */
TEST(piix3_ide, device_0_answers_for_an_absent_device_1)
{
    struct bench *one = board_with(1 << 20, 0);

    bench_outb(one, 0x3f6, 0x0c);
    bench_outb(one, 0x3f6, 0x08);
    select_drive(one, 0, 0xb0);
    EXPECT_EQ(reg(one, 0, 6), 0xb0);
    EXPECT_EQ(reg(one, 0, 2), 1);
    EXPECT_EQ(reg(one, 0, 1), 1);
    EXPECT_EQ(status(one, 0), 0);
    EXPECT_EQ(alt_status(one, 0), 0);
    simple(one, 0, 0xb0, 0xec);
    EXPECT_EQ(status(one, 0), 0);
    EXPECT_TRUE(!bench_isa_level(one, 14));
    select_drive(one, 1, 0xa0); /* nobody at all */
    for (unsigned r = 1; r < 8; r++)
        EXPECT_EQ(reg(one, 1, r), 0);
    bench_free(one);
    (void)b;
}

/* libata: ata_devchk(), ata_sff_softreset(), ata_sff_dev_classify(). */
static bool libata_devchk(struct bench *b, unsigned c, unsigned u)
{
    select_drive(b, c, u ? 0xb0 : 0xa0);
    put_reg(b, c, 2, 0x55);
    put_reg(b, c, 3, 0xaa);
    put_reg(b, c, 2, 0xaa);
    put_reg(b, c, 3, 0x55);
    put_reg(b, c, 2, 0x55);
    put_reg(b, c, 3, 0xaa);
    return reg(b, c, 2) == 0x55 && reg(b, c, 3) == 0xaa;
}

static enum found libata_classify(struct bench *b, unsigned c, unsigned u)
{
    unsigned err, mid, high;

    select_drive(b, c, u ? 0xb0 : 0xa0);
    err = reg(b, c, 1);
    mid = reg(b, c, 4);
    high = reg(b, c, 5);
    EXPECT_TRUE(err == 1 || err == 0x81);
    if (mid == 0x14 && high == 0xeb)
        return CDROM;
    return mid == 0 && high == 0 && status(b, c) != 0 ? DISK : NOTHING;
}

static void libata_reset(struct bench *b, unsigned c, enum found *u0, enum found *u1)
{
    bool dev0 = libata_devchk(b, c, 0), dev1 = libata_devchk(b, c, 1);

    select_drive(b, c, 0xa0);
    bench_outb(b, ctl_base[c], 0x08);
    bench_outb(b, ctl_base[c], 0x0c);
    bench_outb(b, ctl_base[c], 0x08);
    EXPECT_EQ(status(b, c) & BSY, 0);
    if (dev1) { /* else it would wait for these up to 100 ms */
        select_drive(b, c, 0xb0);
        EXPECT_EQ(reg(b, c, 2), 1);
        EXPECT_EQ(reg(b, c, 3), 1);
        EXPECT_EQ(status(b, c) & BSY, 0);
    }
    *u0 = dev0 ? libata_classify(b, c, 0) : NOTHING;
    *u1 = dev1 ? libata_classify(b, c, 1) : NOTHING;
}

TEST(piix3_ide, libata_classifies_all_drives)
{
    struct bench *one = board_with(1 << 20, 0);
    enum found u0, u1;

    libata_reset(b, 0, &u0, &u1);
    EXPECT_TRUE(u0 == DISK && u1 == DISK);
    libata_reset(b, 1, &u0, &u1);
    EXPECT_TRUE(u0 == CDROM && u1 == CDROM);
    libata_reset(one, 0, &u0, &u1);
    EXPECT_TRUE(u0 == DISK && u1 == NOTHING);
    libata_reset(one, 1, &u0, &u1);
    EXPECT_TRUE(u0 == NOTHING && u1 == NOTHING);
    bench_free(one);
}

/* --- unplug, drain --- */

static void unplug(struct bench *b, unsigned mask)
{
    struct device *d = ide(b);

    /* As the platform device does it: an event of the IDE function inside another event. */
    assert_true(event_begin(d));
    d->ops->unplug(d, mask);
    event_end(d);
}

TEST(piix3_ide, unplug_takes_disks_and_leaves_cd_drives)
{
    unplug(b, 1);
    EXPECT_EQ(seabios_probe(b, 0, 0), NOTHING);
    EXPECT_EQ(seabios_probe(b, 0, 1), NOTHING);
    EXPECT_EQ(seabios_probe(b, 1, 0), CDROM);
    EXPECT_EQ(reg(b, 0, 7), 0);
    bench_save_and_load(b);
    EXPECT_EQ(seabios_probe(b, 0, 0), NOTHING);
    machine_reset(b->m); /* a new boot has everything plugged */
    EXPECT_EQ(seabios_probe(b, 0, 0), DISK);
}

TEST(piix3_ide, unplug_of_all_but_the_first)
{
    unplug(b, 4);
    EXPECT_EQ(seabios_probe(b, 0, 0), DISK);
    EXPECT_EQ(seabios_probe(b, 0, 1), NOTHING);
    unplug(b, 2); /* network cards: not ours */
    EXPECT_EQ(seabios_probe(b, 0, 0), DISK);
    unplug(b, 5);
    EXPECT_EQ(seabios_probe(b, 0, 0), NOTHING);
}

TEST(piix3_ide, unplug_flushes_and_finishes_what_is_in_flight)
{
    uint8_t data[512];

    fill_pattern(data, sizeof data, 9);
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 20, 0x30);
    pio_write(b, 0, data, 512);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    unplug(b, 1);
    assert_memory_equal(disk(b, 0)->bytes + 20 * 512, data, 512);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    EXPECT_EQ(alt_status(b, 0), 0);
    EXPECT_TRUE(!bench_isa_level(b, 14));
}

TEST(piix3_ide, unplug_flushes_even_if_the_other_drive_is_busy)
{
    uint64_t flushes = disk(b, 1)->block.stats.flush_operations;
    uint8_t page[512];

    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 20, 0x20);
    unplug(b, 4);
    EXPECT_EQ(disk(b, 1)->block.stats.flush_operations, flushes + 1);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ); /* and its command goes on */
    pio_read(b, 0, page, 512);
    EXPECT_EQ(le32(page), 20);
}

/* A host whose drain brings in completions of the other channel, too. */
static struct block *drained_too;

static void drain_both(struct block *block)
{
    bench_disk_release(block, UINT32_MAX);
    bench_disk_release(drained_too, UINT32_MAX);
}

TEST(piix3_ide, a_drain_may_complete_the_other_channel)
{
    struct block *hd = &disk(b, 0)->block;
    struct block_ops ops = *hd->ops;
    const struct block_ops *old = hd->ops;
    uint8_t page[2048];

    ops.drain = drain_both;
    hd->ops = &ops;
    drained_too = &disk(b, 2)->block;
    disk(b, 0)->hold = disk(b, 2)->hold = true;
    packet(b, 1, 0xa0, false, 2048, PACKET(0x28, 0, 0, 0, 0, 9, 0, 0, 1));
    command28(b, 0, DEV0, 0, 1, 20, 0x20);
    bench_outb(b, 0x3f6, 0x0c); /* waits for the disk */
    hd->ops = old;
    EXPECT_TRUE(bench_isa_level(b, 15));
    EXPECT_EQ(packet_data(b, 1, page, sizeof page), 2048);
    EXPECT_EQ(le32(page), 36);
    disk(b, 2)->hold = false;
    EXPECT_EQ(sense(b, 1, 0xa0), 0);
    bench_outb(b, 0x3f6, 0x08);
}

TEST(piix3_ide, drain_finishes_the_command)
{
    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 20, 0x20);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    machine_drain(b->m);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
}

/* --- save and load --- */

TEST(piix3_ide, save_and_load_in_the_middle_of_a_sector)
{
    uint8_t data[1536];

    command28(b, 0, DEV0, 0, 3, 500, 0x20);
    pio_read(b, 0, data, 700); /* into the second sector */
    bench_save_and_load(b);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
    pio_read(b, 0, data + 700, sizeof data - 700);
    assert_memory_equal(data, disk(b, 0)->bytes + 500 * 512, sizeof data);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);

    fill_pattern(data, 512, 5);
    command28(b, 0, DEV1, 0, 1, 7, 0x30);
    pio_write(b, 0, data, 100);
    bench_save_and_load(b);
    pio_write(b, 0, data + 100, 412);
    assert_memory_equal(disk(b, 1)->bytes + 7 * 512, data, 512);
}

TEST(piix3_ide, requests_in_flight_are_issued_again_after_load)
{
    uint8_t data[512];

    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 33, 0x20);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 1);
    bench_save_and_load(b);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    bench_step(b, 10);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 1);
    EXPECT_EQ(alt_status(b, 0) & BSY, BSY);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
    pio_read(b, 0, data, 512);
    EXPECT_EQ(le32(data), 33);

    fill_pattern(data, sizeof data, 6);
    command28(b, 0, DEV0, 0, 1, 34, 0x30);
    pio_write(b, 0, data, 512);
    EXPECT_TRUE(memcmp(disk(b, 0)->bytes + 34 * 512, data, 512) != 0);
    bench_save_and_load(b);
    bench_step(b, 10);
    bench_disk_release(&disk(b, 0)->block, 1);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    assert_memory_equal(disk(b, 0)->bytes + 34 * 512, data, 512);
    EXPECT_TRUE(bench_isa_level(b, 14));
}

TEST(piix3_ide, reset_waits_for_the_request_in_flight)
{
    uint8_t page[512];

    disk(b, 0)->hold = true;
    command28(b, 0, DEV0, 0, 1, 33, 0x20);
    bench_outb(b, 0x3f6, 0x0c);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    bench_outb(b, 0x3f6, 0x08);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC);
    command28(b, 0, DEV0, 0, 1, 33, 0x20);
    machine_reset(b->m);
    EXPECT_EQ(disk(b, 0)->block.in_flight, 0);
    disk(b, 0)->hold = false;
    identify(b, 0, DEV0, 0xec, page);
}
