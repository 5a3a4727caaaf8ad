/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload reboot: resets the machine in each of the ways that a PC has, one per boot, then powers
 * off. The first sector of the second disk, which must be empty at first, counts the boots, so it
 * also shows that what one domain wrote is there for the next.
 *
 * Absent: the triple fault, which Xen handles without a device model.
 */
#include "payload.h"

#define IDE          0x1f0
#define IDE_COUNT    (IDE + 2)
#define IDE_LBA      (IDE + 3) /* three bytes */
#define IDE_DEVICE   (IDE + 6)
#define IDE_COMMAND  (IDE + 7) /* and status */
#define DEVICE_SLAVE 0xf0      /* LBA */
#define READ         0x20
#define WRITE        0x30
#define FLUSH        0xe7
#define BUSY         0x80
#define REQUEST      0x08
#define ERRORS       0x21 /* device fault, error */
#define KEYBOARD     0x64
#define PULSE_RESET  0xfe
#define HARD_RESET   0x02
#define RESET_CPU    0x04
#define MAGIC        0x746f6f62 /* "boot" */

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
        status = inb(IDE_COMMAND);
    } while ((status & BUSY) || (!(status & ERRORS) && (status & bits) != bits));
    if (status & ERRORS) {
        fail("the disk reports an error");
    }
}

static void command(uint8_t code)
{
    outb(IDE_DEVICE, DEVICE_SLAVE);
    wait_for(0);
    outb(IDE_COUNT, 1);
    outb(IDE_LBA, 0);
    outb(IDE_LBA + 1, 0);
    outb(IDE_LBA + 2, 0);
    outb(IDE_COMMAND, code);
}

static uint32_t count_boot(void)
{
    command(READ);
    wait_for(REQUEST);
    rep_insw(IDE, sector, 256);
    if (sector[0] != MAGIC && (sector[0] || sector[1])) {
        fail("the second disk is not empty");
    }
    sector[0] = MAGIC;
    sector[1]++;
    command(WRITE);
    wait_for(REQUEST);
    rep_outsw(IDE, sector, 256);
    wait_for(0);
    command(FLUSH);
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
