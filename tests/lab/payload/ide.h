/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The primary IDE channel as payloads use it: registers, commands, waiting.
 *
 * Absent: the secondary channel, bus mastering (bench-port.c has what it measures).
 */
#ifndef PAYLOAD_IDE_H
#define PAYLOAD_IDE_H

#include "payload.h"

#define IDE_DATA      0x1f0
#define IDE_COUNT     0x1f2
#define IDE_LBA0      0x1f3
#define IDE_LBA1      0x1f4
#define IDE_LBA2      0x1f5
#define IDE_DEVICE    0x1f6
#define IDE_COMMAND   0x1f7 /* and status */
#define IDE_CONTROL   0x3f6
#define STATUS_BUSY   0x80
#define STATUS_FAULT  0x20
#define STATUS_DRQ    0x08
#define STATUS_ERROR  0x01
#define READ_SECTORS  0x20
#define WRITE_SECTORS 0x30
#define READ_MULTIPLE 0xc4
#define SET_MULTIPLE  0xc6
#define READ_DMA      0xc8
#define FLUSH_CACHE   0xe7
#define MASTER_LBA    0xe0
#define SLAVE_LBA     0xf0
#define SECTOR_WORDS  256u

/* The status, once it says that the disk is not busy. */
static inline uint8_t ide_wait(void)
{
    uint8_t status;

    do {
        status = inb(IDE_COMMAND);
    } while (status & STATUS_BUSY);
    return status;
}

/* One command for `count` sectors from `lba` on; the disk is not busy, or not the selected one. */
static inline void ide_issue(uint8_t device, uint8_t command, uint32_t lba, uint8_t count)
{
    outb(IDE_DEVICE, device);
    ide_wait();
    outb(IDE_COUNT, count);
    outb(IDE_LBA0, (uint8_t)lba);
    outb(IDE_LBA1, (uint8_t)(lba >> 8));
    outb(IDE_LBA2, (uint8_t)(lba >> 16));
    outb(IDE_COMMAND, command);
}

#endif
