/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * preset - what firmware finds on the test board: CMOS memory and fw_cfg items.
 */
#ifndef TOOLSTACK_QTEST_PRESET_H
#define TOOLSTACK_QTEST_PRESET_H

#include "hw/pc.h"
#include "toolstack/qtest/arguments.h"

enum { PRESET_FW_CFG = 4096 };

/* Fill the 128 bytes of CMOS from index 14 on. `pc` has the disks open. `again`: after a reset,
 * when boot orders for once count no more. */
void preset_cmos(const struct arguments *a, struct pc_host *pc, bool again);

/* The items as hw/sim/fw_cfg.c takes them; the bytes used. */
uint32_t preset_fw_cfg(const struct arguments *a, uint8_t items[PRESET_FW_CFG]);

#endif
