/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_supervisor - see sandbox.h. The supervisor stays root: it opens images, signals its
 * workers and starts them, and they need root to confine themselves. So this is a fence against
 * what it has no business with, not a wall.
 */
#include "toolstack/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the supervisor and its workers, until these have confined themselves, make use of. */
static const uint8_t kept[] = {
    CAP_DAC_OVERRIDE,     /* images and devices of any owner */
    CAP_FOWNER,           /* a socket that somebody left where we are to listen */
    CAP_KILL,             /* workers have another user id */
    CAP_SETUID,           /* a worker drops to its own */
    CAP_SETGID,           /* likewise, and setgroups() */
    CAP_SETPCAP,          /* a worker empties its bounding set */
    CAP_NET_BIND_SERVICE, /* serial port on a TCP port below 1024 */
    CAP_NET_ADMIN,        /* the first device model makes the taps */
    CAP_IPC_LOCK,         /* hypercall buffers are locked memory */
    CAP_SYS_CHROOT,       /* a worker's empty root */
    CAP_SYS_PTRACE,       /* whose lock is on an image; what a worker did when it died */
    CAP_SYS_ADMIN,        /* a worker's namespaces and mount */
    CAP_SYS_RESOURCE,     /* whatever limits we were started with */
};

static uint64_t kept_mask(void)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        mask |= UINT64_C(1) << kept[i];
    return mask;
}

/* The bounding set goes first: it takes CAP_SETPCAP to shrink it. */
static int drop_bounding(uint64_t keep)
{
    for (unsigned cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return -errno;
    return 0;
}

static int drop_own(uint64_t keep)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[2];

    if (syscall(SYS_capget, &head, caps) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        caps[i].permitted &= (uint32_t)(keep >> 32 * i);
        caps[i].effective = caps[i].permitted;
        caps[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}

int sandbox_supervisor(void)
{
    uint64_t keep = kept_mask();
    int err = drop_bounding(keep);

    if (!err)
        err = drop_own(keep);
    if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0))
        err = -errno;
    return err;
}

int sandbox_raise_limits(void)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
    struct rlimit r;
    int err;

    if (setrlimit(RLIMIT_FSIZE, &none) == 0)
        return 0;
    err = -errno;
    if (getrlimit(RLIMIT_FSIZE, &r) < 0)
        return -errno;
    if (r.rlim_cur == RLIM_INFINITY)
        return 0;
    r.rlim_cur = r.rlim_max;
    return setrlimit(RLIMIT_FSIZE, &r) < 0 ? -errno : r.rlim_max == RLIM_INFINITY ? 0 : err;
}
