/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crash_private - what crash.c and crash_trace.c share: text made in a signal handler. */
#ifndef TOOLSTACK_CRASH_PRIVATE_H
#define TOOLSTACK_CRASH_PRIVATE_H

#include <stdint.h>

/* Appends to the last words; what does not fit is left out. Safe in a signal handler. */
void crash_put(const char *text);
void crash_put_number(uint64_t v);
void crash_put_hex(uint64_t v);
/* What was put so far goes to standard error and to the supervisor: it may be the last of it. */
void crash_flush(void);

/* Note where this thread's stack ends, and where programs and libraries lie. Not in a handler. */
void crash_trace_prepare(void);
/* Program and build id, then who called whom, each as an offset into its file for addr2line.
 * `fault` is the address that could not be accessed, or 0. */
void crash_put_trace(uintptr_t pc, uintptr_t sp, uintptr_t fp, uintptr_t fault);

#endif
