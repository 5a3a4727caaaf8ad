/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2 - how keyboard and mouse input reaches the guest.
 *
 * `d` is the i8042 device. To be called outside its handlers. Input that the guest does not fetch
 * is bounded: keys are dropped when the keyboard's buffer is full, movements add up.
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include <stdbool.h>

struct device;

/* Keys are named by their code in scan code set 1, without the release bit; keys that have an e0
 * prefix there carry this flag. Print Screen is e0 37, Pause is e0 46 (what Ctrl turns it into). */
#define I8042_E0 0x80u

/* A key went down or up; a repeated `down` is typematic repeat, which is the caller's business. */
void i8042_key(struct device *d, unsigned key, bool down);

enum { I8042_LEFT = 1, I8042_RIGHT = 2, I8042_MIDDLE = 4, I8042_SIDE = 8, I8042_EXTRA = 16 };

/* The mouse moved by (dx, dy), y growing downwards as on a screen, the wheel by dz (positive:
 * towards the user); `buttons` are those held now. */
void i8042_mouse(struct device *d, int dx, int dy, int dz, unsigned buttons);

#endif
