/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_test - what a confined worker can do, tried from inside:
 *
 *     hvmdm-model --sandbox-test model|pv TRIAL|all
 *
 * Each trial is a process of its own that opens what a worker has open, enters the sandbox as a
 * worker does, and makes one call. What has to come of it is in the table below, for both profiles.
 * tests/unit/test_sandbox.c runs them all; run in dom0 they show that its kernel keeps the promise.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#ifdef CONFIG_XEN
#include <xen/xen.h>
#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>
#endif

#include <config.h> /* made by configure: HVMDM_UID_BASE */

#include "toolstack/sandbox.h"

enum { TRIAL_SECONDS = 10, TRIAL_BYTES = 1 << 16, TRIAL_LIMIT = 256 };

/* What a worker has open. All of it is opened in the trial's process, by root. */
struct things {
    pid_t parent;
    int image, image_read_only; /* one file; the second cannot be written to */
    int listener, client;       /* a unix socket with a connection that waits */
    int pair[2];                /* a unix socket; pair[1] has a message with a descriptor */
    int pty;
    void *page;
};

/* Outcomes: 0 it worked, an errno that it got as answer, or death by a signal. */
enum { WORKS = 0, DIES = 0x1000, SIGSYS_ = DIES + SIGSYS };

struct trial {
    const char *name;
    int model, pv;
    int (*run)(struct things *t); /* 0 or -errno */
};

static int answer(long ret)
{
    return ret < 0 ? -errno : 0;
}

/* ---- What must not work --------------------------------------------------------------------- */

static int try_open(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_open, "/etc/passwd", O_RDONLY));
}

static int try_openat(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int try_openat2(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0));
}

static int try_stat(struct things *t)
{
    char st[512];

    (void)t;
    return answer(syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", st, 0));
}

/* The one call with a path that the filter lets through, because it cannot see that the path is not
 * empty: only the empty root is there to be found. */
static int try_stat_past_filter(struct things *t)
{
    char st[512];

    (void)t;
    return answer(syscall(SYS_newfstatat, AT_FDCWD, "/etc", st, AT_EMPTY_PATH));
}

static int try_mkdir(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_mkdir, "/x", 0755));
}

static int try_socket(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static int try_socketpair(struct things *t)
{
    int pair[2];

    (void)t;
    return answer(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
}

static int try_connect(struct things *t)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/run/xenstored/socket" };

    return answer(syscall(SYS_connect, t->pair[0], &a, sizeof a));
}

static int try_bind(struct things *t)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/x" };

    return answer(syscall(SYS_bind, t->pair[0], &a, sizeof a));
}

static int try_listen(struct things *t)
{
    return answer(syscall(SYS_listen, t->listener, 4));
}

static int try_sendto_address(struct things *t)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

    return answer(syscall(SYS_sendto, t->pair[0], "x", 1, 0, &a, sizeof a));
}

static int try_execve(struct things *t)
{
    char *none[] = { NULL };

    (void)t;
    return answer(syscall(SYS_execve, "/proc/self/exe", none, none));
}

static int try_execveat(struct things *t)
{
    char *none[] = { NULL };

    return answer(syscall(SYS_execveat, t->image, "", none, none, AT_EMPTY_PATH));
}

static int try_fork(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_fork));
}

static int try_clone_process(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int try_clone_namespace(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int try_clone3(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_clone3, NULL, 0));
}

static int try_kill_parent(struct things *t)
{
    return answer(syscall(SYS_kill, t->parent, SIGCONT));
}

static int try_tgkill_parent(struct things *t)
{
    return answer(syscall(SYS_tgkill, t->parent, t->parent, SIGCONT));
}

static int try_ptrace_parent(struct things *t)
{
    return answer(syscall(SYS_ptrace, 16 /* attach */, t->parent, 0, 0));
}

static int try_read_parent(struct things *t)
{
    return answer(syscall(SYS_process_vm_readv, t->parent, NULL, 0, NULL, 0, 0));
}

static int try_mmap_writable_executable(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int try_mmap_executable_file(struct things *t)
{
    return answer(syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, t->image, 0));
}

static int try_mprotect_executable(struct things *t)
{
    return answer(syscall(SYS_mprotect, t->page, 4096, PROT_READ | PROT_EXEC));
}

static int try_pkey_mprotect(struct things *t)
{
    return answer(syscall(SYS_pkey_mprotect, t->page, 4096, PROT_READ | PROT_EXEC, -1));
}

static int try_shmat(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_shmat, 0, 0, 0100000 /* SHM_EXEC */));
}

static int try_personality(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
}

static int try_setuid(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_setuid, 0));
}

static int try_setgroups(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_setgroups, 0, NULL));
}

static int try_capset(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_capset, NULL, NULL));
}

static int try_setrlimit(struct things *t)
{
    static const uint64_t two[2] = { 4096, 4096 };

    (void)t;
    return answer(syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, two, NULL));
}

static int try_mount(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_mount, "none", "/", "tmpfs", 0, ""));
}

static int try_umount(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_umount2, "/", MNT_DETACH));
}

static int try_chroot(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_chroot, "."));
}

static int try_chdir(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_chdir, "../.."));
}

static int try_fchdir(struct things *t)
{
    return answer(syscall(SYS_fchdir, t->image));
}

static int try_unshare(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_unshare, CLONE_NEWUSER));
}

static int try_setns(struct things *t)
{
    return answer(syscall(SYS_setns, t->image, 0));
}

static int try_io_uring(struct things *t)
{
    char params[256] = "";

    (void)t;
    return answer(syscall(SYS_io_uring_setup, 4, params));
}

static int try_tiocsti(struct things *t)
{
    return answer(syscall(SYS_ioctl, t->pty, TIOCSTI, "x"));
}

static int try_interfaces(struct things *t)
{
    char ifconf[64] = "";

    return answer(syscall(SYS_ioctl, t->pair[0], 0x8912 /* SIOCGIFCONF */, ifconf));
}

static int try_scsi_command(struct things *t)
{
    return answer(syscall(SYS_ioctl, t->image, 0x2285 /* SG_IO */, NULL));
}

static int try_bpf(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_perf(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int try_userfaultfd(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_userfaultfd, 0));
}

static int try_keyctl(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_keyctl, 0, -3, 0));
}

/* The magic numbers are wrong on purpose. */
static int try_reboot(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_reboot, 1, 2, 3, NULL));
}

static int try_module(struct things *t)
{
    return answer(syscall(SYS_finit_module, t->image, "", 0));
}

static int try_dumpable(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_seccomp(struct things *t)
{
    (void)t;
    return answer(syscall(SYS_seccomp, 1, 0, NULL));
}

static int try_write_read_only(struct things *t)
{
    return answer(write(t->image_read_only, "x", 1));
}

static int try_pwrite_read_only(struct things *t)
{
    return answer(pwrite(t->image_read_only, "x", 1, 0));
}

#ifdef CONFIG_XEN
/* On a descriptor that is no Xen device the kernel has ENOTTY for what the filter lets through. */
static int try_hypercall(struct things *t)
{
    return answer(syscall(SYS_ioctl, t->image, IOCTL_PRIVCMD_HYPERCALL, NULL));
}

static int try_unrestrict(struct things *t)
{
    domid_t everybody = DOMID_INVALID;

    return answer(syscall(SYS_ioctl, t->image, IOCTL_PRIVCMD_RESTRICT, &everybody));
}

static int try_dm_op(struct things *t)
{
    return answer(syscall(SYS_ioctl, t->image, IOCTL_PRIVCMD_DM_OP, NULL));
}

static int try_grant(struct things *t)
{
    return answer(syscall(SYS_ioctl, t->image, IOCTL_GNTDEV_MAP_GRANT_REF, NULL));
}
#endif

/* ---- What must go on working ---------------------------------------------------------------- */

static void *thread(void *opaque)
{
    struct things *t = opaque;
    char *p = malloc(100000), *q = malloc(200000);
    bool ok = p && q && pwrite(t->image, "thread", 6, 100) == 6;

    free(q);
    free(p);
    return ok ? t : NULL;
}

static int work_threads(struct things *t)
{
    pthread_t ids[4];
    void *result;
    int err = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        if (!err)
            err = -pthread_create(&ids[i], NULL, thread, t);
    for (unsigned i = 0; i < ARRAY_SIZE(ids) && !err; i++)
        err = pthread_join(ids[i], &result) || !result ? -EIO : 0;
    return err;
}

static int work_memory(struct things *t)
{
    char *p = NULL;

    (void)t;
    for (size_t n = 16; n <= 64u << 20; n *= 4) {
        char *grown = realloc(p, n);

        if (!grown) {
            free(p);
            return -ENOMEM;
        }
        p = grown;
        memset(p + n / 2, 1, n / 2);
    }
    free(p);
    return 0;
}

static int work_timers(struct things *t)
{
    const struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
    const struct itimerval later = { .it_value.tv_sec = 5 };
    struct timespec limit = { .tv_sec = 5 };
    int fd = timerfd_create(CLOCK_MONOTONIC, 0), loop = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN };

    (void)t;
    if (fd < 0 || loop < 0 || timerfd_settime(fd, 0, &soon, NULL) < 0 ||
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e) < 0 || setitimer(ITIMER_REAL, &later, NULL) < 0)
        return -errno;
    usleep(100);
    return epoll_pwait2(loop, &e, 1, &limit, NULL) == 1 ? 0 : -ETIME;
}

static int work_image(struct things *t)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
    char bytes[8];

    if (pwrite(t->image, "sandbox", 8, 512) != 8 || pread(t->image_read_only, bytes, 8, 512) != 8 ||
        memcmp(bytes, "sandbox", 8) != 0)
        return -EIO;
    if (fdatasync(t->image) < 0 || fcntl(t->image, F_OFD_SETLK, &lock) < 0 ||
        fallocate(t->image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0)
        return -errno;
    return eventfd(0, EFD_NONBLOCK) < 0 ? -errno : 0;
}

static int work_accept(struct things *t)
{
    struct ucred who;
    socklen_t size = sizeof who;
    int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return -errno;
    return send(fd, "hello", 5, MSG_NOSIGNAL) == 5 ? 0 : -EIO;
}

static int pass_fd(int sock, int fd)
{
    char byte = 0;
    struct iovec part = { &byte, 1 };
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { { 0 } };
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };

    control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                                     .cmsg_level = SOL_SOCKET,
                                     .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return answer(sendmsg(sock, &h, MSG_NOSIGNAL));
}

/* One descriptor in, one out. */
static int work_descriptors(struct things *t)
{
    char byte;
    struct iovec part = { &byte, 1 };
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    int fd;

    if (recvmsg(t->pair[1], &h, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&h))
        return -EIO;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof fd);
    return fcntl(fd, F_GETFD) < 0 ? -errno : pass_fd(t->pair[1], fd);
}

/* The pty device opens its other end again through the one that it has. */
static int work_pty(struct things *t)
{
    struct termios settings;
    int fd = ioctl(t->pty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

    return fd < 0 || tcgetattr(fd, &settings) < 0 ? -errno : 0;
}

static volatile sig_atomic_t signalled;

static void on_signal(int sig)
{
    signalled = sig;
}

static int work_signals(struct things *t)
{
    const struct sigaction act = { .sa_handler = on_signal };

    (void)t;
    if (sigaction(SIGUSR1, &act, NULL) < 0 || raise(SIGUSR1) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGUSR2) < 0 || prctl(PR_SET_NAME, "sandboxed") < 0)
        return -errno;
    return signalled == SIGUSR1 ? 0 : -EIO;
}

static int work_shared_memory(struct things *t)
{
    int fd = memfd_create("trial", MFD_CLOEXEC);
    void *at;

    (void)t;
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return -errno;
    at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED || mprotect(at, 4096, PROT_READ) < 0 ? -errno : 0;
}

static int work_abort(struct things *t)
{
    (void)t;
    abort();
}

/* ---- The table ------------------------------------------------------------------------------ */

static const struct trial trials[] = {
    { "open", ENOENT, ENOENT, try_open },
    { "openat", ENOENT, ENOENT, try_openat },
    { "openat2", SIGSYS_, SIGSYS_, try_openat2 },
    { "stat", ENOENT, ENOENT, try_stat },
    { "stat-past-filter", ENOENT, ENOENT, try_stat_past_filter },
    { "mkdir", SIGSYS_, SIGSYS_, try_mkdir },
    { "socket", SIGSYS_, SIGSYS_, try_socket },
    { "socketpair", SIGSYS_, SIGSYS_, try_socketpair },
    { "connect", SIGSYS_, SIGSYS_, try_connect },
    { "bind", SIGSYS_, SIGSYS_, try_bind },
    { "listen", SIGSYS_, SIGSYS_, try_listen },
    { "sendto-address", SIGSYS_, SIGSYS_, try_sendto_address },
    { "execve", SIGSYS_, SIGSYS_, try_execve },
    { "execveat", SIGSYS_, SIGSYS_, try_execveat },
    { "fork", SIGSYS_, SIGSYS_, try_fork },
    { "clone-process", SIGSYS_, SIGSYS_, try_clone_process },
    { "clone-namespace", SIGSYS_, SIGSYS_, try_clone_namespace },
    { "clone3", ENOSYS, ENOSYS, try_clone3 },
    { "kill-parent", SIGSYS_, SIGSYS_, try_kill_parent },
    { "tgkill-parent", SIGSYS_, SIGSYS_, try_tgkill_parent },
    { "ptrace-parent", SIGSYS_, SIGSYS_, try_ptrace_parent },
    { "read-parent", SIGSYS_, SIGSYS_, try_read_parent },
    { "mmap-wx", SIGSYS_, SIGSYS_, try_mmap_writable_executable },
    { "mmap-exec-file", SIGSYS_, SIGSYS_, try_mmap_executable_file },
    { "mprotect-exec", SIGSYS_, SIGSYS_, try_mprotect_executable },
    { "pkey-mprotect-exec", SIGSYS_, SIGSYS_, try_pkey_mprotect },
    { "shmat-exec", SIGSYS_, SIGSYS_, try_shmat },
    { "personality", SIGSYS_, SIGSYS_, try_personality },
    { "setuid", SIGSYS_, SIGSYS_, try_setuid },
    { "setgroups", SIGSYS_, SIGSYS_, try_setgroups },
    { "capset", SIGSYS_, SIGSYS_, try_capset },
    { "setrlimit", SIGSYS_, SIGSYS_, try_setrlimit },
    { "mount", SIGSYS_, SIGSYS_, try_mount },
    { "umount", SIGSYS_, SIGSYS_, try_umount },
    { "chroot", SIGSYS_, SIGSYS_, try_chroot },
    { "chdir", SIGSYS_, SIGSYS_, try_chdir },
    { "fchdir", SIGSYS_, SIGSYS_, try_fchdir },
    { "unshare", SIGSYS_, SIGSYS_, try_unshare },
    { "setns", SIGSYS_, SIGSYS_, try_setns },
    { "io_uring", ENOSYS, SIGSYS_, try_io_uring },
    { "tiocsti", SIGSYS_, SIGSYS_, try_tiocsti },
    { "interfaces", SIGSYS_, SIGSYS_, try_interfaces },
    { "scsi-command", SIGSYS_, SIGSYS_, try_scsi_command },
    { "bpf", SIGSYS_, SIGSYS_, try_bpf },
    { "perf", SIGSYS_, SIGSYS_, try_perf },
    { "userfaultfd", SIGSYS_, SIGSYS_, try_userfaultfd },
    { "keyctl", SIGSYS_, SIGSYS_, try_keyctl },
    { "reboot", SIGSYS_, SIGSYS_, try_reboot },
    { "module", SIGSYS_, SIGSYS_, try_module },
    { "dumpable", SIGSYS_, SIGSYS_, try_dumpable },
    { "seccomp", SIGSYS_, SIGSYS_, try_seccomp },
    { "write-read-only", EBADF, EBADF, try_write_read_only },
    { "pwrite-read-only", EBADF, SIGSYS_, try_pwrite_read_only },
#ifdef CONFIG_XEN
    { "hypercall", EPERM, SIGSYS_, try_hypercall },
    { "unrestrict", SIGSYS_, SIGSYS_, try_unrestrict },
    { "dm-op", ENOTTY, SIGSYS_, try_dm_op },
    { "map-grant", SIGSYS_, ENOTTY, try_grant },
#endif
    { "threads", WORKS, SIGSYS_, work_threads },
    { "memory", WORKS, WORKS, work_memory },
    { "timers", WORKS, WORKS, work_timers },
    { "image", WORKS, SIGSYS_, work_image },
    { "accept", WORKS, SIGSYS_, work_accept },
    { "descriptors", WORKS, WORKS, work_descriptors },
    { "pty", WORKS, SIGSYS_, work_pty },
    { "signals", WORKS, WORKS, work_signals },
    { "shared-memory", WORKS, SIGSYS_, work_shared_memory },
    { "abort", DIES + SIGABRT, DIES + SIGABRT, work_abort },
};

/* ---- Running one ---------------------------------------------------------------------------- */

static int listen_somewhere(int fd)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX }; /* a name that the kernel makes up */

    if (bind(fd, (struct sockaddr *)&a, sizeof a.sun_family) < 0)
        return -1;
    return listen(fd, 1);
}

static int open_things(struct things *t)
{
    struct sockaddr_un a;
    socklen_t size = sizeof a;
    char name[32];

    t->image = memfd_create("image", MFD_CLOEXEC);
    snprintf(name, sizeof name, "/proc/self/fd/%d", t->image);
    t->image_read_only = open(name, O_RDONLY | O_CLOEXEC);
    t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    t->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    t->pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    t->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->image_read_only < 0 || ftruncate(t->image, TRIAL_BYTES) < 0 || t->page == MAP_FAILED ||
        t->pty < 0 || grantpt(t->pty) < 0 || unlockpt(t->pty) < 0 ||
        listen_somewhere(t->listener) < 0 ||
        getsockname(t->listener, (struct sockaddr *)&a, &size) < 0 ||
        connect(t->client, (struct sockaddr *)&a, size) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->pair) < 0)
        return -errno;
    return pass_fd(t->pair[0], t->image);
}

/* In the trial's process. Its result is an errno, which an exit status can hold. */
static void run_inside(const struct trial *trial, enum sandbox_profile profile, pid_t parent)
{
    const struct sandbox s = { true, HVMDM_UID_BASE + 1, HVMDM_UID_BASE + 1, profile };
    struct things t = { .parent = parent };
    struct error e = { "" };

    alarm(TRIAL_SECONDS);
    if (open_things(&t) < 0 || sandbox_enter(&s, &e) < 0) {
        fprintf(stderr, "%s\n", e.text[0] ? e.text : "cannot prepare the trial");
        _exit(TRIAL_LIMIT - 1);
    }
    _exit(-trial->run(&t));
}

static const char *describe(int outcome, char text[64])
{
    if (outcome == WORKS)
        snprintf(text, 64, "works");
    else if (outcome >= DIES)
        snprintf(text, 64, "SIG%s", sigabbrev_np(outcome - DIES));
    else
        snprintf(text, 64, "%s", outcome < TRIAL_LIMIT - 1 ? strerrorname_np(outcome) : "failed");
    return text;
}

static bool run_trial(const struct trial *trial, enum sandbox_profile profile)
{
    int want = profile == SANDBOX_MODEL ? trial->model : trial->pv, got, status;
    char is[64], should[64];
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        run_inside(trial, profile, getppid());
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return false;
    got = WIFSIGNALED(status) ? DIES + WTERMSIG(status) : WEXITSTATUS(status);
    printf("%s %s: %s", got == want ? "ok  " : "BAD ", trial->name, describe(got, is));
    if (got != want)
        printf(", should be: %s", describe(want, should));
    printf("\n");
    return got == want;
}

static int usage(void)
{
    fprintf(stderr, "usage: hvmdm-model --sandbox-test model|pv TRIAL|all\ntrials:");
    for (unsigned i = 0; i < ARRAY_SIZE(trials); i++)
        fprintf(stderr, " %s", trials[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int sandbox_test_main(int argc, char **argv)
{
    enum sandbox_profile profile = SANDBOX_MODEL;
    unsigned ran = 0, bad = 0;

    if (argc < 2 || strcmp(argv[1], "--sandbox-test") != 0)
        return -1;
    if (argc != 4 || (strcmp(argv[2], "model") != 0 && strcmp(argv[2], "pv") != 0))
        return usage();
    if (strcmp(argv[2], "pv") == 0)
        profile = SANDBOX_PV;
    for (unsigned i = 0; i < ARRAY_SIZE(trials); i++) {
        if (strcmp(argv[3], "all") != 0 && strcmp(argv[3], trials[i].name) != 0)
            continue;
        ran++;
        bad += !run_trial(&trials[i], profile);
    }
    return ran ? bad != 0 : usage();
}
