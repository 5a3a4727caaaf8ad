/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload chatter: numbered lines of 16 bytes on the serial port, so that each byte that was lost
 * or came twice can be told (tools/stream-diff.c); then powers off. The number of lines, in
 * thousands, is patched in by the scenario.
 */
#include "payload.h"

static const volatile char work[] = "@LAB_WORK@c004"; /* as in draw.c */
enum { DIGITS = 11, DIGITS_END = 14 };

void payload_main(void)
{
    char line[] = "00000000 abcde\r\n";
    uint32_t n = 0;

    for (uint32_t i = DIGITS; i < DIGITS_END; i++) {
        n = n * 10 + (uint32_t)(work[i] - '0');
    }
    for (uint32_t i = 0; i < n * 1000; i++) {
        uint32_t value = i;

        for (int digit = 7; digit >= 0; digit--) {
            line[digit] = (char)('0' + value % 10);
            value /= 10;
        }
        serial_text(line);
    }
}
