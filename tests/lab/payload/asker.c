/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload asker: gives its serial port an odd line format, the keyboard controller a command that
 * nobody knows, then asks the serial port for its status for ever.
 */
#include "payload.h"

enum { LCR = 3, LSR = 5, ODD_FORMAT = 0x1b, I8042_COMMAND = 0x64, UNKNOWN = 0xb7 };

void payload_main(void)
{
    serial_text("payload: asks\r\n");
    outb(COM1 + LCR, ODD_FORMAT);
    for (int i = 0; i < 100; i++) {
        outb(I8042_COMMAND, UNKNOWN);
    }
    for (;;) {
        (void)inb(COM1 + LSR);
    }
}
