/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload rewrite: writes each of a row of sectors of the primary slave twice, one sector in each
 * page of 4 KiB, the second time as soon as the first is reported done. Whoever reads the disk
 * afterwards must find what the second write held: the sector's number and the word "newer".
 *
 * Prints "rewrite: N" when the first write of sector N has been handed to the disk, then
 * "rewrite: done" or "rewrite: FAILED".
 */
#include "payload.h"

#define IDE_DATA      0x1f0
#define IDE_COUNT     0x1f2
#define IDE_LBA0      0x1f3
#define IDE_LBA1      0x1f4
#define IDE_LBA2      0x1f5
#define IDE_DEVICE    0x1f6
#define IDE_COMMAND   0x1f7
#define STATUS_BUSY   0x80
#define STATUS_DRQ    0x08
#define STATUS_ERROR  0x01
#define WRITE_SECTORS 0x30
#define FLUSH_CACHE   0xe7
#define SLAVE_LBA     0xf0
#define SECTOR_WORDS  256u
#define PAGE_SECTORS  8u

static const volatile char work[] = "@LAB_WORK@r010"; /* as in draw.c */
enum { DIGITS = 11, DIGITS_END = 14 };

static uint16_t sector[SECTOR_WORDS];

static uint8_t wait_ready(void)
{
    uint8_t status;

    do {
        status = inb(IDE_COMMAND);
    } while (status & STATUS_BUSY);
    if (status & STATUS_ERROR) {
        serial_text("rewrite: FAILED\r\n");
        power_off();
    }
    return status;
}

/* Hands one sector over; the disk is busy with it afterwards. */
static void write_sector(uint32_t number, const char *word)
{
    uint32_t lba = number * PAGE_SECTORS;
    char *bytes = (char *)sector;

    for (uint32_t i = 0; i < sizeof sector; i++) {
        bytes[i] = word[i % 8];
    }
    bytes[0] = (char)('0' + number / 100 % 10);
    bytes[1] = (char)('0' + number / 10 % 10);
    bytes[2] = (char)('0' + number % 10);
    wait_ready();
    outb(IDE_DEVICE, SLAVE_LBA);
    outb(IDE_COUNT, 1);
    outb(IDE_LBA0, (uint8_t)lba);
    outb(IDE_LBA1, (uint8_t)(lba >> 8));
    outb(IDE_LBA2, (uint8_t)(lba >> 16));
    outb(IDE_COMMAND, WRITE_SECTORS);
    while (!(wait_ready() & STATUS_DRQ)) {
    }
    rep_outsw(IDE_DATA, sector, SECTOR_WORDS);
}

void payload_main(void)
{
    char said[] = "rewrite: 000\r\n";
    uint32_t n = 0;

    for (uint32_t i = DIGITS; i < DIGITS_END; i++) {
        n = n * 10 + (uint32_t)(work[i] - '0');
    }
    for (uint32_t i = 0; i < n; i++) {
        write_sector(i, "older...");
        for (uint32_t digit = 0; digit < 3; digit++) {
            said[9 + digit] = ((const char *)sector)[digit];
        }
        serial_text(said);
        write_sector(i, "newer...");
        wait_ready();
    }
    outb(IDE_COMMAND, FLUSH_CACHE);
    wait_ready();
    serial_text("rewrite: done\r\n");
}
