/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_test - what a confined worker can do, tried from inside:
 *
 *     hvmdm-model --sandbox-test model|pv TRIAL|all
 *
 * Each trial is a process of its own that opens what a worker has open, enters the sandbox as a
 * worker does, and makes one call. What has to come of it is in the table below, for both profiles.
 * tests/unit/test_sandbox_calls.c runs them all; run in dom0 they show that its kernel keeps the
 * promise, and there are more of them: with Xen handles that are restricted to a domain.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
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
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#ifdef CONFIG_XEN
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>
#endif

#include <config.h> /* made by configure: HVMDM_UID_BASE */

#include "toolstack/sandbox.h"

enum { TRIALS = 96, TRIAL_SECONDS = 10, TRIAL_BYTES = 1 << 16, TRIAL_FAILED = 255 };

/* What a worker has open. All of it is opened in the trial's process, by root. */
struct things {
    pid_t parent;
    int image, image_read_only; /* one file; the second cannot be written to */
    int listener, client;       /* a unix socket with a connection that waits */
    int pair[2];                /* a unix socket; pair[1] has a message with a descriptor */
    int pty;
    void *page;
    int privcmd, evtchn; /* restricted to OWN_DOMAIN; -1: this is not dom0 */
};

/* Outcomes: 0 it worked, an errno that it got as answer, or death by a signal. */
enum { WORKS = 0, DIES = 0x1000, SIGSYS_ = DIES + SIGSYS };

enum { OWN_DOMAIN = 1, OTHER_DOMAIN = 2, DOMAIN_TRIALS = 6 };

struct trial {
    const char *name;
    int model, pv;                 /* outcome that it should have */
    int (*work)(struct things *t); /* 0 or -errno; NULL: the one call that follows */
    long call[7];                  /* number and arguments */
};

static int answer(long ret)
{
    return ret < 0 ? -errno : 0;
}

static int call(const long c[7])
{
    return answer(syscall(c[0], c[1], c[2], c[3], c[4], c[5], c[6]));
}

/* ---- What must go on working ---------------------------------------------------------------- */

static void *thread(void *opaque)
{
    struct things *t = opaque;
    char *p = malloc(100000), *q = malloc(200000);
    struct iovec part = { (char[]){ "thread" }, 6 };
    bool ok = p && q && pwritev(t->image, &part, 1, 100) == 6;

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
    char bytes[8], text[8] = "sandbox";
    struct iovec in = { bytes, 8 }, out = { text, 8 };

    if (pwritev2(t->image, &out, 1, 512, 0) != 8 ||
        preadv2(t->image_read_only, &in, 1, 512, 0) != 8 || pread(t->image, bytes, 8, 512) != 8 ||
        memcmp(bytes, text, 8) != 0)
        return -EIO;
    if (fdatasync(t->image) < 0 ||
        fallocate(t->image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0)
        return -errno;
    return eventfd(0, EFD_NONBLOCK) < 0 ? -errno : 0;
}

static int work_lock(struct things *t)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };

    return fcntl(t->image, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Of an image that is a block device; this one is none. */
static int work_size(struct things *t)
{
    uint64_t size;

    return ioctl(t->image, BLKGETSIZE64, &size) < 0 && errno == ENOTTY ? 0 : -EIO;
}

/* What outlives a PV worker. */
static int work_journal(struct things *t)
{
    int fd = memfd_create("journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)t;
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return -errno;
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0 ? -errno : 0;
}

static int work_accept(struct things *t)
{
    int fd = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return -errno;
    return send(fd, "hello", 5, MSG_NOSIGNAL) == 5 ? 0 : -EIO;
}

/* Who is at the other end of a socket. */
static int work_peer(struct things *t)
{
    struct ucred who;
    socklen_t size = sizeof who;

    return getsockopt(t->listener, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ? -errno : 0;
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

#ifndef __SANITIZE_ADDRESS__ /* which looks for leaks then, by a process of its own */
static int work_exit(struct things *t)
{
    (void)t;
    exit(0);
}
#endif

/* ---- The tables ----------------------------------------------------------------------------- */

static const struct trial works[] = {
    { "threads", WORKS, WORKS, work_threads, { 0 } },
    { "memory", WORKS, WORKS, work_memory, { 0 } },
    { "timers", WORKS, WORKS, work_timers, { 0 } },
    { "image", WORKS, WORKS, work_image, { 0 } },
    { "lock", WORKS, SIGSYS_, work_lock, { 0 } },
    { "size", WORKS, WORKS, work_size, { 0 } },
    { "journal", SIGSYS_, WORKS, work_journal, { 0 } },
    { "accept", WORKS, WORKS, work_accept, { 0 } },
    { "peer", WORKS, SIGSYS_, work_peer, { 0 } },
    { "descriptors", WORKS, WORKS, work_descriptors, { 0 } },
    { "pty", WORKS, WORKS, work_pty, { 0 } },
    { "signals", WORKS, WORKS, work_signals, { 0 } },
    { "shared-memory", WORKS, WORKS, work_shared_memory, { 0 } },
#ifndef __SANITIZE_ADDRESS__
    { "exit", WORKS, WORKS, work_exit, { 0 } },
#endif
    { "abort", DIES + SIGABRT, DIES + SIGABRT, work_abort, { 0 } },
};

/* clang-format off */
#define BOTH(name, outcome, ...)   { name, outcome, outcome, NULL, { __VA_ARGS__ } }
#define EACH(name, model, pv, ...) { name, model, pv, NULL, { __VA_ARGS__ } }
#define PTR(p)                     (long)(uintptr_t)(p)

/* The calls that must not work, in the order of docs/confinement.md; returns how many. The
 * arguments are such that little would come of them if they did. */
static unsigned list_calls(const struct things *t, struct trial out[TRIALS])
{
    static const char *const passwd = "/etc/passwd";
    static const struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    static const uint64_t limit[2] = { 4096, 4096 };
    static char scratch[512];
    static char *none[] = { NULL };
    enum { RWX = PROT_READ | PROT_WRITE | PROT_EXEC, RX = PROT_READ | PROT_EXEC,
           ANON = MAP_PRIVATE | MAP_ANONYMOUS };
    const struct trial calls[] = {
        /* Files. The second stat is let through, as the filter cannot see that the path is not
         * empty; there is only the empty root to be found. */
        BOTH("open", ENOENT, SYS_open, PTR(passwd), O_RDONLY),
        BOTH("openat", ENOENT, SYS_openat, AT_FDCWD, PTR(passwd), O_RDONLY),
        BOTH("openat2", SIGSYS_, SYS_openat2, AT_FDCWD, PTR(passwd), 0, 0),
        BOTH("stat", ENOENT, SYS_newfstatat, AT_FDCWD, PTR(passwd), PTR(scratch), 0),
        BOTH("stat-past-filter", ENOENT, SYS_newfstatat, AT_FDCWD, PTR("/etc"), PTR(scratch),
             AT_EMPTY_PATH),
        BOTH("mkdir", SIGSYS_, SYS_mkdir, PTR("/x"), 0755),
        BOTH("write-read-only", EBADF, SYS_write, t->image_read_only, PTR(scratch), 1),
        EACH("pwrite-read-only", EBADF, SIGSYS_, SYS_pwrite64, t->image_read_only, PTR(scratch), 1),
        EACH("io_uring", ENOSYS, SIGSYS_, SYS_io_uring_setup, 4, PTR(scratch)),
        /* Sockets. */
        BOTH("socket", SIGSYS_, SYS_socket, AF_INET, SOCK_STREAM, 0),
        BOTH("socketpair", SIGSYS_, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, PTR(scratch)),
        BOTH("connect", SIGSYS_, SYS_connect, t->pair[0], PTR(&name), sizeof name),
        BOTH("bind", SIGSYS_, SYS_bind, t->pair[0], PTR(&name), sizeof name),
        BOTH("listen", SIGSYS_, SYS_listen, t->listener, 4),
        BOTH("sendto-address", SIGSYS_, SYS_sendto, t->pair[0], PTR("x"), 1, 0, PTR(&name),
             sizeof name),
        /* Other programs and processes. */
        BOTH("execve", SIGSYS_, SYS_execve, PTR("/proc/self/exe"), PTR(none), PTR(none)),
        BOTH("execveat", SIGSYS_, SYS_execveat, t->image, PTR(""), PTR(none), PTR(none),
             AT_EMPTY_PATH),
        BOTH("fork", SIGSYS_, SYS_fork),
        BOTH("clone-process", SIGSYS_, SYS_clone, SIGCHLD),
        BOTH("clone-namespace", SIGSYS_, SYS_clone, CLONE_NEWUSER | SIGCHLD),
        BOTH("clone3", ENOSYS, SYS_clone3, 0, 0),
        BOTH("kill-parent", SIGSYS_, SYS_kill, t->parent, SIGCONT),
        BOTH("tgkill-parent", SIGSYS_, SYS_tgkill, t->parent, t->parent, SIGCONT),
        BOTH("ptrace-parent", SIGSYS_, SYS_ptrace, 16 /* attach */, t->parent, 0, 0),
        BOTH("read-parent", SIGSYS_, SYS_process_vm_readv, t->parent, 0, 0, 0, 0, 0),
        /* Memory. */
        BOTH("mmap-wx", SIGSYS_, SYS_mmap, 0, 4096, RWX, ANON, -1),
        BOTH("mmap-exec-file", SIGSYS_, SYS_mmap, 0, 4096, RX, MAP_PRIVATE, t->image),
        BOTH("mprotect-exec", SIGSYS_, SYS_mprotect, PTR(t->page), 4096, RX),
        BOTH("pkey-mprotect-exec", SIGSYS_, SYS_pkey_mprotect, PTR(t->page), 4096, RX, -1),
        BOTH("shmat-exec", SIGSYS_, SYS_shmat, 0, 0, 0100000 /* SHM_EXEC */),
        BOTH("personality", SIGSYS_, SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */),
        BOTH("userfaultfd", SIGSYS_, SYS_userfaultfd, 0),
        /* Identity and confinement. */
        BOTH("setuid", SIGSYS_, SYS_setuid, 0),
        BOTH("setgroups", SIGSYS_, SYS_setgroups, 0, 0),
        BOTH("capset", SIGSYS_, SYS_capset, 0, 0),
        BOTH("setrlimit", SIGSYS_, SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, PTR(limit), 0),
        BOTH("dumpable", SIGSYS_, SYS_prctl, PR_SET_DUMPABLE, 1),
        BOTH("seccomp", SIGSYS_, SYS_seccomp, 1, 0, 0),
        BOTH("mount", SIGSYS_, SYS_mount, PTR("none"), PTR("/"), PTR("tmpfs"), 0, 0),
        BOTH("umount", SIGSYS_, SYS_umount2, PTR("/"), MNT_DETACH),
        BOTH("chroot", SIGSYS_, SYS_chroot, PTR(".")),
        BOTH("chdir", SIGSYS_, SYS_chdir, PTR("../..")),
        BOTH("fchdir", SIGSYS_, SYS_fchdir, t->image),
        BOTH("unshare", SIGSYS_, SYS_unshare, CLONE_NEWUSER),
        BOTH("setns", SIGSYS_, SYS_setns, t->image, 0),
        /* The kernel. The magic numbers of reboot are wrong on purpose. */
        BOTH("bpf", SIGSYS_, SYS_bpf, 0, 0, 0),
        BOTH("perf", SIGSYS_, SYS_perf_event_open, 0, 0, -1, -1, 0),
        BOTH("keyctl", SIGSYS_, SYS_keyctl, 0, -3, 0),
        BOTH("reboot", SIGSYS_, SYS_reboot, 1, 2, 3, 0),
        BOTH("module", SIGSYS_, SYS_finit_module, t->image, PTR(""), 0),
        /* Devices. For what the filter lets through, a file that is no Xen device has ENOTTY. */
        BOTH("tiocsti", SIGSYS_, SYS_ioctl, t->pty, TIOCSTI, PTR("x")),
        BOTH("interfaces", SIGSYS_, SYS_ioctl, t->pair[0], 0x8912 /* SIOCGIFCONF */, PTR(scratch)),
        BOTH("scsi-command", SIGSYS_, SYS_ioctl, t->image, 0x2285 /* SG_IO */, 0),
#ifdef CONFIG_XEN
        EACH("hypercall", EPERM, SIGSYS_, SYS_ioctl, t->image, IOCTL_PRIVCMD_HYPERCALL, 0),
        BOTH("unrestrict", SIGSYS_, SYS_ioctl, t->image, IOCTL_PRIVCMD_RESTRICT, PTR(scratch)),
        EACH("dm-op", ENOTTY, SIGSYS_, SYS_ioctl, t->image, IOCTL_PRIVCMD_DM_OP, 0),
        EACH("map-grant", SIGSYS_, ENOTTY, SYS_ioctl, t->image, IOCTL_GNTDEV_MAP_GRANT_REF, 0),
        EACH("copy-grant", SIGSYS_, ENOTTY, SYS_ioctl, t->image, IOCTL_GNTDEV_GRANT_COPY, 0),
#endif
    };

    static_assert(ARRAY_SIZE(calls) + DOMAIN_TRIALS + ARRAY_SIZE(works) <= TRIALS, "room for all");
    memcpy(out, calls, sizeof calls);
    return ARRAY_SIZE(calls);
}

#ifdef CONFIG_XEN
/* Another domain's memory, device model operations, event channels. Linux compares the domain
 * before it looks at anything else; so neither domain has to exist, and what is empty does nothing
 * where it is let through. */
static unsigned list_domains(const struct things *t, struct trial out[DOMAIN_TRIALS])
{
    static const struct privcmd_dm_op own = { .dom = OWN_DOMAIN }, op = { .dom = OTHER_DOMAIN };
    static const struct privcmd_mmapbatch old = { .dom = OTHER_DOMAIN };
    static const struct privcmd_mmapbatch_v2 batch = { .dom = OTHER_DOMAIN };
    static const struct privcmd_mmap_resource resource = { .dom = OTHER_DOMAIN };
    static const struct ioctl_evtchn_bind_interdomain bind = { .remote_domain = OTHER_DOMAIN };
    const struct trial calls[] = {
        EACH("own-dm-op", WORKS, SIGSYS_, SYS_ioctl, t->privcmd, IOCTL_PRIVCMD_DM_OP, PTR(&own)),
        EACH("other-dm-op", EPERM, SIGSYS_, SYS_ioctl, t->privcmd, IOCTL_PRIVCMD_DM_OP, PTR(&op)),
        EACH("other-memory", EPERM, SIGSYS_, SYS_ioctl, t->privcmd, IOCTL_PRIVCMD_MMAPBATCH_V2,
             PTR(&batch)),
        EACH("other-memory-old", EPERM, SIGSYS_, SYS_ioctl, t->privcmd, IOCTL_PRIVCMD_MMAPBATCH,
             PTR(&old)),
        EACH("other-resource", EPERM, SIGSYS_, SYS_ioctl, t->privcmd, IOCTL_PRIVCMD_MMAP_RESOURCE,
             PTR(&resource)),
        BOTH("other-event-channel", EACCES, SYS_ioctl, t->evtchn, IOCTL_EVTCHN_BIND_INTERDOMAIN,
             PTR(&bind)),
    };

    static_assert(ARRAY_SIZE(calls) == DOMAIN_TRIALS, "as many as there is room for");
    if (t->privcmd < 0)
        return 0;
    memcpy(out, calls, sizeof calls);
    return ARRAY_SIZE(calls);
}
#else
static unsigned list_domains(const struct things *t, struct trial out[DOMAIN_TRIALS])
{
    (void)t;
    (void)out;
    return 0;
}
#endif
/* clang-format on */

static unsigned list_trials(const struct things *t, struct trial out[TRIALS])
{
    unsigned n = list_calls(t, out);

    n += list_domains(t, out + n);
    memcpy(out + n, works, sizeof works);
    return n + (unsigned)ARRAY_SIZE(works);
}

/* ---- Running one ---------------------------------------------------------------------------- */

static int listen_somewhere(int fd)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX }; /* a name that the kernel makes up */

    if (bind(fd, (struct sockaddr *)&a, sizeof a.sun_family) < 0)
        return -1;
    return listen(fd, 1);
}

#ifdef CONFIG_XEN
#define PRIVCMD "/dev/xen/privcmd"

/* As the libraries restrict them (xentoolcore_restrict_all(), xenevtchn_restrict()). Not dom0: 0,
 * and there are none. */
static int open_restricted(struct things *t)
{
    const struct ioctl_evtchn_restrict_domid evtchn = { .domid = OWN_DOMAIN };
    const domid_t domid = OWN_DOMAIN;

    t->privcmd = open(PRIVCMD, O_RDWR | O_CLOEXEC);
    if (t->privcmd < 0)
        return 0;
    t->evtchn = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
    return t->evtchn < 0 || ioctl(t->privcmd, IOCTL_PRIVCMD_RESTRICT, &domid) < 0 ||
                   ioctl(t->evtchn, IOCTL_EVTCHN_RESTRICT_DOMID, &evtchn) < 0
               ? -errno
               : 0;
}

static bool is_dom0(void)
{
    int fd = open(PRIVCMD, O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
#else
static int open_restricted(struct things *t)
{
    (void)t;
    return 0;
}

static bool is_dom0(void)
{
    return false;
}
#endif

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
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->pair) < 0 || open_restricted(t) < 0)
        return -errno;
    return pass_fd(t->pair[0], t->image);
}

static volatile int *refused; /* shared with the trial's process: the call that was refused */

static void on_refused(int sig, siginfo_t *info, void *context)
{
    (void)context;
    *refused = info->si_syscall;
    signal(sig, SIG_DFL);
    raise(sig);
}

/* In the trial's process. Its result is an errno, which an exit status can hold. */
static void run_inside(unsigned number, enum sandbox_profile profile, pid_t parent)
{
    const struct sandbox s = {
        true, HVMDM_UID_BASE + 1, HVMDM_UID_BASE + 1, profile, false, false
    };
    const struct sigaction act = { .sa_sigaction = on_refused,
                                   .sa_flags = SA_SIGINFO | SA_NODEFER };
    struct things t = { .parent = parent, .privcmd = -1, .evtchn = -1 };
    struct trial list[TRIALS], *trial = &list[number];
    struct error e = { "" };

    sigaction(SIGSYS, &act, NULL);
    alarm(TRIAL_SECONDS);
    if (open_things(&t) < 0 || sandbox_enter(&s, &e) < 0) {
        fprintf(stderr, "%s\n", e.text[0] ? e.text : "cannot prepare the trial");
        _exit(TRIAL_FAILED);
    }
    list_trials(&t, list);
    _exit(trial->work ? -trial->work(&t) : -call(trial->call));
}

static void describe(int outcome, char text[64])
{
    if (outcome == WORKS)
        snprintf(text, 64, "works");
    else if (outcome == SIGSYS_ && *refused >= 0)
        snprintf(text, 64, "SIGSYS (system call %d)", *refused);
    else if (outcome >= DIES)
        snprintf(text, 64, "SIG%s", sigabbrev_np(outcome - DIES));
    else
        snprintf(text, 64, "%s", outcome < TRIAL_FAILED ? strerrorname_np(outcome) : "failed");
}

static bool run_trial(const struct trial *trial, unsigned number, enum sandbox_profile profile)
{
    int want = profile == SANDBOX_MODEL ? trial->model : trial->pv, got, status;
    char is[64], should[64];
    pid_t pid;

    fflush(stdout);
    *refused = -1;
    pid = fork();
    if (pid == 0)
        run_inside(number, profile, getppid());
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return false;
    got = WIFSIGNALED(status) ? DIES + WTERMSIG(status) : WEXITSTATUS(status);
    describe(got, is);
    printf("%s %s: %s", got == want ? "ok  " : "BAD ", trial->name, is);
    *refused = -1;
    describe(want, should);
    if (got != want)
        printf(", should be: %s", should);
    printf("\n");
    return got == want;
}

static int usage(const struct trial *list, unsigned n)
{
    fprintf(stderr, "usage: hvmdm-model --sandbox-test model|pv TRIAL|all\ntrials:");
    for (unsigned i = 0; i < n; i++)
        fprintf(stderr, " %s", list[i].name);
    fprintf(stderr, "\n");
    return 2;
}

int sandbox_test_main(int argc, char **argv)
{
    const struct things nothing = { .privcmd = is_dom0() ? 0 : -1 }; /* what names need */
    enum sandbox_profile profile = SANDBOX_MODEL;
    struct trial list[TRIALS];
    unsigned n, ran = 0, bad = 0;

    if (argc < 2 || strcmp(argv[1], "--sandbox-test") != 0)
        return -1;
    n = list_trials(&nothing, list);
    if (argc != 4 || (strcmp(argv[2], "model") != 0 && strcmp(argv[2], "pv") != 0))
        return usage(list, n);
    if (strcmp(argv[2], "pv") == 0)
        profile = SANDBOX_PV;
    refused = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (refused == MAP_FAILED)
        return 1;
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(argv[3], "all") != 0 && strcmp(argv[3], list[i].name) != 0)
            continue;
        ran++;
        bad += !run_trial(&list[i], i, profile);
    }
    munmap((void *)(uintptr_t)refused, 4096);
    return ran ? bad != 0 : usage(list, n);
}
