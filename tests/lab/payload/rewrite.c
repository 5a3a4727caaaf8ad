/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload rewrite: writes each of a row of sectors of the primary slave twice, one sector in each
 * page of 4 KiB, the second time as soon as the first is reported done. Whoever reads the disk
 * afterwards must find what the second write held: the sector's number and the word "newer".
 *
 * Prints "rewrite: N" when the first write of sector N has been handed to the disk, then
 * "rewrite: done" or "rewrite: FAILED".
 */
#include "ide.h"

#define PAGE_SECTORS 8u

static const volatile char work[] = "@LAB_WORK@r010"; /* as in draw.c */
enum { DIGITS = 11, DIGITS_END = 14 };

static uint16_t sector[SECTOR_WORDS];

static uint8_t wait_ready(void)
{
    uint8_t status = ide_wait();

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
    ide_issue(SLAVE_LBA, WRITE_SECTORS, lba, 1);
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
