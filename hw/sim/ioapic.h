/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioapic - what the simulator's board does with the I/O APIC.
 *
 * `d` is the ioapic device, outside any of its handlers.
 */
#ifndef HW_SIM_IOAPIC_H
#define HW_SIM_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

struct device;

#define IOAPIC_PINS 24u

/* The input pin has this level now. */
void ioapic_input(struct device *d, unsigned pin, bool level);
/* A local APIC has finished with this vector. */
void ioapic_eoi(struct device *d, uint8_t vector);
/* Messages that went out for this pin so far. */
uint32_t ioapic_sent(const struct device *d, unsigned pin);

#endif
