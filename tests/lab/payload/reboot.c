/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload reboot: resets the machine in each of the ways that a PC has, one per boot, then powers
 * off. The first sector of the second disk, which must be empty at first, counts the boots, so it
 * also shows that what one domain wrote is there for the next.
 *
 * Absent: the triple fault, which Xen handles without a device model.
 */
#include "ide.h"

#define ERRORS      (STATUS_FAULT | STATUS_ERROR)
#define KEYBOARD    0x64
#define PULSE_RESET 0xfe
#define HARD_RESET  0x02
#define RESET_CPU   0x04
#define MAGIC       0x746f6f62 /* "boot" */

static uint32_t sector[128];

static void fail(const char *text)
{
    serial_text("payload: FAILED: ");
    serial_text(text);
    serial_text("\r\n");
    idle();
}

static void wait_for(uint8_t bits)
{
    uint8_t status;

    do {
        status = ide_wait();
    } while (!(status & ERRORS) && (status & bits) != bits);
    if (status & ERRORS) {
        fail("the disk reports an error");
    }
}

static void command(uint8_t code)
{
    ide_issue(SLAVE_LBA, code, 0, 1);
}

static uint32_t count_boot(void)
{
    command(READ_SECTORS);
    wait_for(STATUS_DRQ);
    rep_insw(IDE_DATA, sector, SECTOR_WORDS);
    if (sector[0] != MAGIC && (sector[0] || sector[1])) {
        fail("the second disk is not empty");
    }
    sector[0] = MAGIC;
    sector[1]++;
    command(WRITE_SECTORS);
    wait_for(STATUS_DRQ);
    rep_outsw(IDE_DATA, sector, SECTOR_WORDS);
    wait_for(0);
    command(FLUSH_CACHE);
    wait_for(0);
    return sector[1];
}

void payload_main(void)
{
    uint32_t boot = count_boot();

    serial_text("payload: boot ");
    serial_decimal(boot);
    serial_text("\r\n");
    if (boot == 1) {
        outb(KEYBOARD, PULSE_RESET);
        idle();
    }
    if (boot == 2) {
        outb(RESET_CONTROL, HARD_RESET);
        outb(RESET_CONTROL, HARD_RESET | RESET_CPU);
        idle();
    }
}
