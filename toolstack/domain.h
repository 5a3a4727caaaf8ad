/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain - the life of one guest's device model: open what the configuration names, build the
 * machine, tell the toolstack, serve until told to end, give everything back.
 */
#ifndef TOOLSTACK_DOMAIN_H
#define TOOLSTACK_DOMAIN_H

#include "toolstack/config.h"

/* Returns 0 after a clean end (signal or quit), or -errno with a sentence if it could not start. */
MUST_CHECK int domain_run(const struct config *c, struct error *e);

/* The same for the probe of newer toolstacks (-machine none): QMP only. */
MUST_CHECK int domain_probe(const struct config *c, struct error *e);

#endif
