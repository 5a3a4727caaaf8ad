/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * meter - how often each register is accessed and how long that takes, while somebody looks.
 *
 * Counted are outermost events. A request counts at the register that it reaches first, with all of
 * its time, from when it was taken until interrupt lines have changed; so a wide access that is
 * taken apart, or a string, is one. Registers without a name count together, as their region;
 * timers and the host side's events count at their device. The time is the host's (wall clock).
 *
 * Off, there is no memory and no cost but a test of a pointer per event; see also trace.h. What is
 * counted is not state: a successor starts from nothing, switched off.
 */
#ifndef HW_CORE_METER_H
#define HW_CORE_METER_H

#include "hw/core/device.h"

#define METER_ROWS 384u /* registers that are told apart */

struct meter_row {
    const char *device; /* id */
    const char *region; /* or "timer", "host", "other" */
    const char *reg;    /* NULL: no name */
    uint64_t reads;     /* requests; for "timer" and "host", events */
    uint64_t writes;
    uint64_t ns;
};

/* Off frees what was counted, on starts from zero (if it is not on). 0 or -ENOMEM. */
MUST_CHECK int machine_meter(struct machine *m, bool on);
/* The i-th row, while it is on; false past the last. Row 0 ("-", "other") is of what found no place
 * in the table, and of requests that nobody answered. The texts live as long as the machine. */
bool machine_meter_row(const struct machine *m, unsigned i, struct meter_row *out);
uint64_t machine_meter_elapsed(const struct machine *m); /* ns since it was switched on; 0: off */

/* For hw/core/: the outermost event begins, reaches a device, a register, ends. */
struct meter;
void meter_begin(struct meter *t);
void meter_device(struct device *d);
void meter_access(struct device *d, const char *region, const char *reg, bool read);
void meter_end(struct machine *m);

#endif
