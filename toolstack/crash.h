/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash - how a worker dies: with last words for the supervisor's crash record, by the signal that
 * was the cause; and the watchdog that ends one that turns in circles.
 *
 * The handlers run on a stack of their own and use nothing but write, rt_sigaction, tgkill of
 * themselves, rt_sigreturn and exit_group, so that they work in the sandbox. They cannot recurse:
 * all signals are blocked in them, and the kernel ends a process that faults with its signal
 * blocked. What was said until then has been said.
 *
 * The watchdog counts CPU time of the thread that called crash_install() (which is the event
 * loop's), never wall-clock time: waiting is no hang, an idle guest is never woken for it, and the
 * disk threads' work does not count. It lets live whoever has completed an event or made a turn of
 * the loop in the last CRASH_WATCHDOG_MS.
 *
 * One per process, as signal handlers are. x86-64 only.
 * Absent: last words of other threads (those of block/ have all signals blocked: they die by the
 * true signal, without a word); a watchdog for them; help against a standard error that blocks
 * (libxl's is a file).
 */
#ifndef TOOLSTACK_CRASH_H
#define TOOLSTACK_CRASH_H

#include "toolstack/supervised.h"

struct machine;

enum { CRASH_WATCHDOG_MS = 2000 }; /* of CPU time: a hang ends after one to two of them */

/* Death by watchdog: a signal that nothing else raises here. */
#define CRASH_WATCHDOG_SIGNAL SIGXCPU

/* To be called once, by the thread of the event loop, before privileges are dropped. The last words
 * go to standard error and into `v` (never NULL; it must stay mapped). v->events is watched. */
MUST_CHECK int crash_install(volatile struct supervised_vitals *v, struct error *e);

/* A sign of life: one store. For the turn of the event loop (its `deadline` hook), and for loops
 * whose legal work may take seconds of CPU time without an event (drain, screenshot, save). */
void crash_alive(void);

/* What last words name: the devices of this machine and what its journal says. Again after another
 * one was built; NULL before the machine or its arena goes. */
void crash_watch_machine(struct machine *m);

#endif
