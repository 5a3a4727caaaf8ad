/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mc146818 - what the simulator's board does with the real time clock.
 */
#ifndef HW_SIM_MC146818_H
#define HW_SIM_MC146818_H

#include <stdbool.h>

struct device;

/* The register that port 70h selects is one of the chip's own (0 to 13), not memory behind it. */
bool mc146818_selected(const struct device *d);

#endif
