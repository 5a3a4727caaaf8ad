/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_vm - a machine that answers the control side (toolstack/vm.h) with constants and records
 * what is asked of it.
 */
#ifndef TESTS_FAKE_VM_H
#define TESTS_FAKE_VM_H

#include "toolstack/vm.h"

struct loop;

/* All zero is a good start. */
struct fake_vm {
    struct loop *loop; /* stopped by quit, if not NULL */
    enum vm_status status;
    unsigned conts, stops, quits, wakeups, resized;
    uint32_t plugged;       /* mask of the vCPUs, of 4 at most */
    uint32_t width, height; /* of the picture */
    const char *cd;         /* medium of drive ide-5632, or NULL */
    bool dirty_log, tray_locked, forced;
    char ejected[32], medium[64], format[16];
    char medium_bytes[16]; /* first bytes of the descriptor that came */
    bool saved_live;
    bool metered, traced;
    uint64_t seconds; /* by the meter */
    unsigned meters;  /* how often it was switched on anew */
};

/* Every entry is there. Disks ide0-hd0 (its name is no UTF-8) and ide-5632; devices uart16550
 * (twice, with a state) and piix3_ide. */
extern const struct vm_ops fake_vm_ops;

uint32_t fake_vm_pixel(uint32_t x, uint32_t y); /* of every picture */

#endif
