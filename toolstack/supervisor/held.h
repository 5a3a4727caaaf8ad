/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * held - descriptors that are kept for a worker and its successors, by name.
 *
 * At most SUPERVISED_HELD; nothing is allocated. All are close-on-exec here.
 */
#ifndef TOOLSTACK_SUPERVISOR_HELD_H
#define TOOLSTACK_SUPERVISOR_HELD_H

#include "toolstack/supervised.h"

struct held_fd {
    char name[SUPERVISED_NAME];
    int fd;
};

struct held {
    unsigned n;
    struct held_fd fd[SUPERVISED_HELD];
};

/* Keep `fd`, which is taken over in every case; one of the same name is closed. -ENOSPC: full;
 * -EINVAL: no name. */
MUST_CHECK int held_put(struct held *h, const char *name, int fd);
MUST_CHECK int held_drop(struct held *h, const char *name); /* 0 or -ENOENT */
int held_find(const struct held *h, const char *name);      /* the descriptor, or -1 */
/* Duplicates of all; `to` is empty before, and after a failure. 0 or -errno. */
MUST_CHECK int held_copy(struct held *to, const struct held *from);
void held_clear(struct held *h);

#endif
