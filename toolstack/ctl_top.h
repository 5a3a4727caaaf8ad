/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl_top - hvmdm-ctl's table of registers: who is asked most, and what that costs.
 */
#ifndef TOOLSTACK_CTL_TOP_H
#define TOOLSTACK_CTL_TOP_H

#include <jansson.h>
#include <stdio.h>

/* Rates from two answers to `top` (ctl.h), `before` and `now`, in descending order of time, then of
 * requests; what was not asked in between is left out. At most `most` registers; 0: all. */
void ctl_top_show(FILE *out, const json_t *before, const json_t *now, unsigned most);

enum ctl_top_how { CTL_TOP_WATCH, CTL_TOP_ONCE, CTL_TOP_JSON };

/* Ask once a second and show, until asking fails; where `out` is no terminal, and with the other
 * two, a single table, or answer, about one second. 0 or what `ask` has returned; ask() gives a new
 * reference. */
int ctl_top(FILE *out, enum ctl_top_how how, int (*ask)(void *opaque, json_t **answer),
            void *opaque);

#endif
