/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_network - one empty network for a worker and its successors: the supervisor holds it by a
 * descriptor, as it holds what else must outlive a worker.
 *
 * Whatever the predecessor has put there counts as captured. It cannot have a descriptor of another
 * network, and if it is none, or the one that we are in, we make a new one.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toolstack/sandbox.h"
#include "toolstack/supervised.h"

#define NETWORK "/proc/self/ns/net"

/* False: we are where we were. */
static bool go_into(int fd)
{
    struct stat before, after;

    if (stat(NETWORK, &before) < 0 || setns(fd, CLONE_NEWNET) < 0)
        return false;
    return stat(NETWORK, &after) == 0 && after.st_ino != before.st_ino;
}

void sandbox_leave_network(struct sandbox *box, struct supervised *s)
{
    int fd = supervised_take(s, "network");

    if (box->enabled && fd >= 0)
        box->off_network = go_into(fd);
    if (fd >= 0)
        close(fd);
    if (!s || !box->enabled || box->off_network || unshare(CLONE_NEWNET) < 0)
        return;
    box->off_network = true;
    fd = open(NETWORK, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!supervised_hold(s, "network", fd); /* if not, the next one makes its own */
    close(fd);
}
