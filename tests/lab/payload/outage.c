/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload outage: reads a port without a pause and reports each time that the answer took unusually
 * long, in TSC ticks, which are instructions in the lab's deterministic mode. Ends after as many of
 * these as the scenario patches in. What the shell does when it has seen our first line takes long,
 * too: that does not count, and has to be over before the first death.
 */
#include "payload.h"

#define IDE_STATUS 0x1f7
#define LONG       2500000u    /* a few time slices of other domains */
#define WARM_UP    2000000000u /* nothing counts before */

static const volatile char work[] = "@LAB_WORK@o010"; /* as in draw.c */
enum { DIGITS = 11, DIGITS_END = 14, MOST = 999 };

static uint32_t gap[MOST];

void payload_main(void)
{
    uint64_t begun, before, now;
    uint32_t n = 0, found = 0;

    for (uint32_t i = DIGITS; i < DIGITS_END; i++) {
        n = n * 10 + (uint32_t)(work[i] - '0');
    }
    serial_text("outage: begin\r\n");
    begun = before = rdtsc();
    while (found < n) {
        inb(IDE_STATUS);
        now = rdtsc();
        if (now - before > LONG && before - begun > WARM_UP) {
            gap[found++] = now - before > UINT32_MAX ? UINT32_MAX : (uint32_t)(now - before);
        }
        before = now;
    }
    for (uint32_t i = 0; i < n; i++) {
        report("outage", gap[i]);
    }
    serial_text("outage: end\r\n");
}
