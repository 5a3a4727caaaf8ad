/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain - the life of one guest's device model: open what the configuration names, or take it from
 * a predecessor, build the machine, serve until told to end, give everything back or hand it over.
 */
#ifndef TOOLSTACK_DOMAIN_H
#define TOOLSTACK_DOMAIN_H

#include "toolstack/config.h"
#include "toolstack/supervised.h"

/* Returns 0 after a clean end (signal, quit, the supervisor's wish), or -errno with a sentence if
 * it could not start, or could not go on after a handover that came to nothing. `s` (NULL: not
 * supervised) is closed in every case. */
MUST_CHECK int domain_run(const struct config *c, struct supervised *s, struct error *e);

/* The same for the probe of newer toolstacks (-machine none): QMP only. */
MUST_CHECK int domain_probe(const struct config *c, struct error *e);

/* Would this program understand the state arena in `fd` (which stays the caller's and is not
 * written to, though its owner may be running)? 0, or -errno with a sentence why not. Touches no
 * hypervisor.
 */
MUST_CHECK int domain_check_arena(int fd, struct error *e);
/* The same by root, who gives up everything before the first look at what a guest had a hand in;
 * the process is good for nothing else afterwards. */
MUST_CHECK int domain_check_arena_confined(int fd, bool no_sandbox, struct error *e);

#endif
