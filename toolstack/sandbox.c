/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox - see sandbox.h. Here all but the system call filter, in the order in which each step
 * still has the rights that it needs.
 *
 * The empty root: where the root directory can be exchanged (pivot_root) the whole old tree of
 * mounts is gone from our namespace, so that we keep no file system of the host busy. It cannot
 * where dom0 runs from its initramfs: there the empty directory is moved on top of the old root,
 * which stays beneath, out of reach for whoever may not mount or chroot.
 */
#include "toolstack/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/core/log.h"

enum {
    /* Threads of all processes with this user id: two device models during an upgrade with four
     * disks each and four threads for a disk, the PV worker with 32 disks, and some. */
    SANDBOX_THREADS = 256,
    SANDBOX_SPARE_FDS = 288, /* connections, media and PV disks that come later */
};

/* Any directory that surely exists; only our own namespace sees the mount. */
#define SANDBOX_HOOK "/dev"

static int failed(struct error *e, const char *what)
{
    int err = -errno;

    return error_set(e, err,
                     "cannot confine this process: %s: %s (--no-sandbox, for debugging only, "
                     "goes on without)",
                     what, strerror(-err));
}

/* ---- Limits --------------------------------------------------------------------------------- */

/* All below are in use. Those above that are in use, too, take from what is to spare. */
static int lowest_free_fd(void)
{
    int fd = open("/", O_PATH | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd;
}

/* The hard limit too; never more than before. RLIMIT_FSIZE is none of these: images are big. */
static int limit(int resource, rlim_t n)
{
    struct rlimit r;

    if (getrlimit((__rlimit_resource_t)resource, &r) < 0)
        return -1;
    r.rlim_max = r.rlim_max < n ? r.rlim_max : n;
    r.rlim_cur = r.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &r);
}

static int set_limits(const struct sandbox *s, struct error *e)
{
    int lowest = lowest_free_fd();

    if (lowest < 0)
        return failed(e, "a descriptor, to see how many we have");
    if (limit(RLIMIT_CORE, 0) < 0 ||
        (!s->shared_user && limit(RLIMIT_NPROC, SANDBOX_THREADS) < 0) ||
        limit(RLIMIT_NOFILE, (rlim_t)lowest + SANDBOX_SPARE_FDS) < 0)
        return failed(e, "resource limits");
    return 0;
}

/* ---- Namespaces, the empty root ------------------------------------------------------------- */

/* Sockets that are open already stay in the network that they were made in. */
static int leave_namespaces(const struct sandbox *s, struct error *e)
{
    static const struct {
        int flag;
        const char *name;
    } others[] = {
        { CLONE_NEWIPC, "IPC" },
        { CLONE_NEWNET, "network" },
        { CLONE_NEWUTS, "UTS" },
    };

    if (unshare(CLONE_NEWNS) < 0)
        return failed(e, "a mount namespace");
    for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
        if ((others[i].flag == CLONE_NEWNET && s->off_network) || unshare(others[i].flag) == 0)
            continue;
        if (errno != EINVAL)
            return failed(e, others[i].name);
        log_warn("the kernel has no %s namespaces; the system call filter has to do without",
                 others[i].name);
    }
    return 0;
}

/* With "." twice the old root lands on top of the new one, from where it is taken off. */
static int exchange_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return -1;
    return umount2(".", MNT_DETACH);
}

static int cover_root(void)
{
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
        return -1;
    return chroot(".");
}

static int empty_root(struct error *e)
{
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
        return failed(e, "mounts of our own"); /* EINVAL: our root is no mount */
    if (mount("none", SANDBOX_HOOK, "tmpfs", flags, "mode=0555,size=4k,nr_inodes=1") < 0 ||
        chdir(SANDBOX_HOOK) < 0)
        return failed(e, "an empty file system");
    if (exchange_root() < 0 && (errno != EINVAL || cover_root() < 0))
        return failed(e, "an empty root directory");
    return chdir("/") < 0 ? failed(e, "an empty root directory") : 0;
}

/* ---- Identity ------------------------------------------------------------------------------- */

/* Up to the first one that the kernel does not know. The supervisor has dropped most already, and
 * to ask is cheaper: a successor's guest waits. */
static int drop_bounding(void)
{
    int cap = 0, has;

    while ((has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) == 0 ||
           (has == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0))
        cap++;
    return has < 0 && errno == EINVAL && cap ? 0 : -1;
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 } };

    return (int)syscall(SYS_capset, &head, none);
}

static int drop_identity(const struct sandbox *s, struct error *e)
{
    if (drop_bounding() < 0)
        return failed(e, "the capability bounding set");
    if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
        setresuid(s->uid, s->uid, s->uid) < 0)
        return failed(e, "a user id of our own");
    if (drop_capabilities() < 0)
        return failed(e, "capabilities");
    /* Readable must not mean executable, whoever started us. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        personality(PER_LINUX) < 0)
        return failed(e, "process attributes");
    return 0;
}

/* ---- All of it ------------------------------------------------------------------------------ */

/* Capabilities, ids and filter would only be those of the calling thread. */
static int one_thread(struct error *e)
{
    struct stat st;

    if (stat("/proc/self/task", &st) < 0)
        return failed(e, "/proc/self/task, to count our threads");
    if (st.st_nlink != 3)
        return error_set(e, -EBUSY, "cannot confine this process: it has %lu threads",
                         (unsigned long)st.st_nlink - 2);
    return 0;
}

static int enter_supervisor(struct error *e)
{
    int err = sandbox_supervisor();

    errno = -err;
    return err < 0 ? failed(e, "the supervisor's capabilities") : 0;
}

int sandbox_enter(const struct sandbox *s, struct error *e)
{
    int err;

    if (!s->enabled) {
        log_warn("RUNNING WITHOUT CONFINEMENT (--no-sandbox): whoever captures this process has "
                 "all rights of its user on this host");
        return 0;
    }
    if (s->profile == SANDBOX_SUPERVISOR)
        return enter_supervisor(e);
    if (!s->uid || !s->gid)
        return error_set(e, -EINVAL, "cannot confine this process as root");
    err = one_thread(e);
    if (!err)
        err = set_limits(s, e);
    if (!err)
        err = leave_namespaces(s, e);
    if (!err)
        err = empty_root(e);
    if (!err)
        err = drop_identity(s, e);
    return err ? err : sandbox_filter(s->profile, e);
}
