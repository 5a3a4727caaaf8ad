/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload break: makes the device test_fault (hw/test/fault.c, builds for the lab only) kill its
 * device model in the way that the scenario patches in, and says what the device answers before and
 * after.
 */
#include "payload.h"

#define FAULT 0xe0

static const volatile char work[] = "@LAB_WORK@b001"; /* as in draw.c; the last digit counts */
enum { LAST_DIGIT = 13 };

void payload_main(void)
{
    report("break: before", inb(FAULT));
    outb(FAULT, (uint8_t)(work[LAST_DIGIT] - '0'));
    report("break: after", inb(FAULT));
    for (uint32_t i = 0; i < 2000; i++) { /* a timer of the device gets time to expire */
        inb(COM1 + 5);
    }
    report("break: in the end", inb(FAULT));
}
