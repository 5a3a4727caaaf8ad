/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox - a process gives up for good what it does not need. docs/confinement.md has the table of
 * what is left, and why.
 *
 * A worker (device model, PV worker) starts as root, opens everything, restricts its Xen handles to
 * its domain, then calls sandbox_enter(): limits, namespaces of its own, an empty root directory, a
 * user id of its own, no capabilities, no way to get any back, an allow-list of system calls. A
 * call that is not on the list is SIGSYS, the death that crash.h reports by name; the few that
 * libraries make in passing get an error instead.
 *
 * Absent: a pid namespace (the supervisor signals the pids that it knows, and a worker can signal
 *         nobody anyway), cgroups (the administrator's), a filter for the supervisor.
 */
#ifndef TOOLSTACK_SANDBOX_H
#define TOOLSTACK_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct config;
struct supervised;

enum sandbox_profile { SANDBOX_MODEL, SANDBOX_PV, SANDBOX_SUPERVISOR };

struct sandbox {
    bool enabled;      /* false, by --no-sandbox: one loud warning, and nothing else happens */
    uint32_t uid, gid; /* not 0; sandbox_user.c. Not used for the supervisor */
    enum sandbox_profile profile;
    bool shared_user; /* others may run as this user: no limit on how many threads it has */
    bool off_network; /* sandbox_leave_network() has done that part */
};

/* To be called once, as root, with one thread, when everything is open. Closes nothing. Afterwards:
 * nothing can be opened by name, no Xen handle be opened again, no socket be made; the death of the
 * parent is no longer signalled (supervised_bind_life() again); descriptors beyond the highest one
 * plus 256 cannot be had; backtrace() must have been called before if it is to be called at all, as
 * it loads libgcc_s. 0, or -errno with a sentence: the caller ends, it may be half confined. */
MUST_CHECK int sandbox_enter(const struct sandbox *s, struct error *e);

/* What -runas, -chroot and -xen-domid-restrict come to: fills in all of *box for this worker. NULL
 * for `s`, which has no sandbox, refuses all three. To be called while users and directories can be
 * looked up. 0 or -errno with a sentence. */
MUST_CHECK int sandbox_for_worker(struct sandbox *box, const struct config *c,
                                  const struct supervised *s, struct error *e);

/* To be called right before sandbox_enter(), by a worker that has everything open: it goes into the
 * empty network that its predecessor was in and the supervisor holds, or makes one for its
 * successors. Making one takes longer than all the rest of sandbox_enter(), which does it if this
 * could not. */
void sandbox_leave_network(struct sandbox *box, struct supervised *s);

/* Loads the system call filter of a worker's profile: the last step of sandbox_enter(). */
MUST_CHECK int sandbox_filter(enum sandbox_profile profile, struct error *e);

/* The supervisor's share, in a file of its own that needs libc only: the capabilities that it and
 * its workers have no use for are gone, also for what they execute; no new privileges; not
 * dumpable. To be called early, again after execve(). 0 or -errno. -EPERM: not root. */
MUST_CHECK int sandbox_supervisor(void);

/* There too. Files, memfds among them, may be of any size, whatever we were started with: 256 KiB
 * under dm_restrict=1, and what is beyond is a deadly signal. First thing in main(); workers
 * inherit it. 0 or -errno: as far as the hard limit. */
MUST_CHECK int sandbox_raise_limits(void);

/* hvmdm-model --sandbox-test PROFILE TRIAL: enters a sandbox as in production and tries one thing,
 * or all. The exit status (0: as it should be, 1: not, 2: usage), or -1 if argv asks for something
 * else. */
int sandbox_test_main(int argc, char **argv);

#endif
