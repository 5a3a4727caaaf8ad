/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstored - a small xenstored in a process of its own, a client of it to be tested, and a second
 * one by which the test plays toolstack and guest.
 *
 * Reading a path that contains /die ends the daemon; /long brings an answer longer than the
 * protocol allows, /wrong one to another request; /flood brings 500 events for each watch of
 * whoever reads. The path that is the value of /broken cannot be read: EIO. Whatever path is
 * written as the value of /at-commit is removed, once, before the next transaction ends that has
 * written. Functions check with cmocka's assertions. Absent: transactions with more than one write,
 * or that see what they have written; permissions, directories without content.
 */
#ifndef TESTS_XENSTORED_H
#define TESTS_XENSTORED_H

#include <sys/types.h>

#include "toolstack/xenstore.h"

struct xenstored {
    char path[40]; /* of its socket */
    pid_t pid;
    struct loop *loop;
    struct xenstore *ours; /* what is tested */
    struct xenstore *them; /* toolstack and guest */
};

void xenstored_start(struct xenstored *x);
void xenstored_stop(struct xenstored *x);
void xenstored_restart(struct xenstored *x); /* it has forgotten all; `them` has connected anew */

void xenstored_put(struct xenstored *x, const char *path, const char *value); /* by them */
void xenstored_erase(struct xenstored *x, const char *path);                  /* and all below */
uint32_t xenstored_get(struct xenstored *x, const char *path); /* UINT32_MAX: none, no number */

/* Turn the loop until no event is on its way to `ours` and nothing is left to do. */
void xenstored_settle(struct xenstored *x);

#endif
