/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8259 - what the simulator's board does with the pair of interrupt controllers.
 *
 * `d` is the i8259 device, outside any of its handlers.
 */
#ifndef HW_SIM_I8259_H
#define HW_SIM_I8259_H

#include <stdbool.h>
#include <stdint.h>

struct device;

/* The interrupt request line 0-15 has this level now. Line 2 is the cascade's: ignored. */
void i8259_input(struct device *d, unsigned irq, bool level);
/* The master's INT output: an interrupt waits for the processor. */
bool i8259_output(const struct device *d);
/* What a processor does when it accepts it: the vector. A spurious one if there is nothing. */
uint8_t i8259_acknowledge(struct device *d);

#endif
