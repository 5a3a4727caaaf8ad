/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of tests/hw/piix3_ide.c: what a channel does whatever the drive. */

TEST(piix3_ide, pio_read_of_a_sector)
{
    uint8_t page[512];

    command28(b, 0, DEV0, 0, 1, 77, 0x20);
    EXPECT_EQ(alt_status(b, 0), DRDY | DSC | DRQ);
    EXPECT_TRUE(bench_isa_level(b, 14));
    EXPECT_EQ(status(b, 0), DRDY | DSC | DRQ);
    EXPECT_TRUE(!bench_isa_level(b, 14));
    pio_read(b, 0, page, 512);
    EXPECT_EQ(le32(page), 77);
    EXPECT_EQ(status(b, 0), DRDY | DSC);
}

TEST(piix3_ide, dma_read_smoke)
{
    uint8_t page[1024];

    put_table(b, (struct prd_entry[]){ { 0x20000, 1024, 0x8000 } }, 1);
    command28(b, 0, DEV0, 0, 2, 100, 0xc8);
    dma_start(b, 0, true);
    EXPECT_EQ(dma_status(b, 0), 4);
    bench_ram_get(b, 0x20000, page, sizeof page);
    EXPECT_EQ(le32(page), 100);
    EXPECT_EQ(le32(page + 512), 101);
    dma_stop(b, 0);
}

TEST(piix3_ide, packet_read_smoke)
{
    uint8_t page[4096];

    packet(b, 1, 0xa0, false, 2048, PACKET(0x28, 0, 0, 0, 0, 10, 0, 0, 2));
    EXPECT_EQ(packet_data(b, 1, page, sizeof page), 4096);
    EXPECT_EQ(le32(page), 40);
    EXPECT_EQ(le32(page + 2048), 44);
}
