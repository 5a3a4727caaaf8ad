/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quick - sleeping in read(2) on one descriptor, and waking for all others by SIGIO.
 *
 * epoll before a read costs some 1,900 instructions, a twentieth of a guest's port access. While a
 * guest does nothing but drive a device, its event channels are all that a device model waits for;
 * everything else is rare and can afford a signal.
 *
 * x86-64 Linux; elsewhere quick_available() is false. One user per process: a signal handler.
 */
#ifndef IOREQ_QUICK_H
#define IOREQ_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Takes SIGIO for us. False: not possible here, nothing was changed. */
bool quick_available(void);

/* From now on this descriptor's readiness for reading pokes us; again after somebody else had it.
 * False: it is of a kind that sends no signals. */
bool quick_announce(int fd);

/* Catches another signal in such a process: 0 or -errno. SIGIO waits for the end of the handler, as
 * it would strike inside it otherwise, away from the call that it is to lead us around; calls that
 * were interrupted go on. */
int quick_catch(int sig, void (*handler)(int));

void quick_forget(void); /* pokes so far count as seen: call before looking at everything */
bool quick_poked(void);  /* since then */

/* read(2), or -EINTR at once or in the middle if poked since quick_forget(): never asleep with a
 * poke unseen. Other errors are -errno too. */
ssize_t quick_read(int fd, void *buf, size_t n);

#endif
