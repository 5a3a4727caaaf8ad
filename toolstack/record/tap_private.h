/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_private - what tap.c (entries) and tap_host.c (what a machine is built on) share. */
#ifndef TOOLSTACK_RECORD_TAP_PRIVATE_H
#define TOOLSTACK_RECORD_TAP_PRIVATE_H

#include "toolstack/record/tap.h"

/* Is this crossing to be noted? What happens outside of entries is not the guest's. */
static inline bool tap_noting(const struct tap *t)
{
    return t->on && t->depth > 0;
}

/* The host calls the machine: `r`, what the second half does, and tap_leave(). */
void tap_enter(struct tap *t, struct tap_record *r, bool safe);
void tap_leave(struct tap *t, uint64_t answer);

#endif
