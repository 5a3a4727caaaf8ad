/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_rules - which system calls a confined worker may make: one row each.
 *
 * A program that only the build runs. It writes the filters that sandbox_filter.c loads, so that
 * the start of a worker, for which a guest may be waiting, does not have to compile them.
 *
 * A row is here because our code, the C library or a Xen library makes the call after set-up. Two
 * rows of one call are alternatives; two arguments of a row must both fit. Whatever is in no row is
 * SIGSYS. Numbers of another architecture (i386, x32) end the process.
 *
 * Memory: nothing becomes executable after start, so nothing is ever writable and executable. That
 * rules out loading libraries later: the programs are linked with -z now.
 * Absent: looking at what pointers point to (names, domain ids inside of ioctl structures).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <sys/ioctl.h>
#include <unistd.h>
#ifdef CONFIG_XEN
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>
#endif

#include "toolstack/sandbox.h"
#include "toolstack/sandbox_pid.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* What pthread_create() asks for: a thread and nothing but a thread. */
#define THREAD                                                                                     \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

enum { M = 1 << SANDBOX_MODEL, P = 1 << SANDBOX_PV, BOTH = M | P };

struct rule {
    int call;
    unsigned profiles;
    int error;                  /* 0: allowed; else the answer */
    struct scmp_arg_cmp arg[2]; /* op 0: not looked at */
};

/* clang-format off */
#define EQ(n, v)               { n, SCMP_CMP_EQ, (scmp_datum_t)(v), 0 }
#define BITS(n, mask, v)       { n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(v) }
#define ALLOW(who, call)       { SCMP_SYS(call), who, 0, { { 0 } } }
#define IF(who, call, ...)     { SCMP_SYS(call), who, 0, { __VA_ARGS__ } }
#define ANSWER(who, call, err) { SCMP_SYS(call), who, err, { { 0 } } }
#define ANSWER_IF(who, call, err, ...) { SCMP_SYS(call), who, err, { __VA_ARGS__ } }
/* clang-format on */

static const struct rule rules[] = {
    /* The event loop. */
    ALLOW(BOTH, epoll_pwait2),
    ALLOW(BOTH, epoll_pwait),
    ALLOW(BOTH, epoll_wait),
    ALLOW(BOTH, epoll_ctl),
    ALLOW(BOTH, epoll_create1),
    ALLOW(BOTH, poll),
    ALLOW(BOTH, read),
    ALLOW(BOTH, write),
    ALLOW(BOTH, writev), /* the C library's last words, of a corrupt heap or a smashed stack */
    ALLOW(BOTH, close),
    ALLOW(BOTH, timerfd_create),
    ALLOW(BOTH, timerfd_settime),
    ALLOW(BOTH, eventfd2),

    /* Sockets that are there already: supervisor, broker, monitor, control, serial, PV channels. A
     * peer's address cannot be named. */
    ALLOW(BOTH, recvmsg),
    ALLOW(BOTH, sendmsg),
    ALLOW(BOTH, recvfrom),
    IF(BOTH, sendto, EQ(4, 0)),
    ALLOW(BOTH, accept4),
    IF(M, getsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_PEERCRED)),
    IF(M, getsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_ACCEPTCONN)),
    IF(M, getsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_ERROR)), /* -netdev socket */
    IF(M, setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_NODELAY)),

    /* Images, emulated or PV, with bounce memory where they go past the host's cache; journals of
     * PV disks; character streams. */
    ALLOW(BOTH, pread64),
    ALLOW(M, pwrite64),
    ALLOW(BOTH, preadv),
    ALLOW(BOTH, pwritev),
    ALLOW(BOTH, preadv2),
    ALLOW(BOTH, pwritev2),
    ALLOW(BOTH, fdatasync),
    ALLOW(BOTH, ftruncate),
    IF(BOTH, fallocate, EQ(1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)),
    ALLOW(BOTH, memfd_create),
    IF(P, fcntl, EQ(1, F_ADD_SEALS)),
    ALLOW(BOTH, fstat),
    IF(BOTH, newfstatat, BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),
    IF(BOTH, fcntl, EQ(1, F_GETFL)),
    IF(BOTH, fcntl, EQ(1, F_SETFL)),
    IF(BOTH, fcntl, EQ(1, F_GETFD)),
    IF(BOTH, fcntl, EQ(1, F_SETFD)),
    IF(M, fcntl, EQ(1, F_SETOWN)), /* wake us by SIGIO; others of this user ignore it */
    IF(M, fcntl, EQ(1, F_DUPFD_CLOEXEC)),
    IF(M, fcntl, EQ(1, F_OFD_SETLK)),
    IF(M, fcntl, EQ(1, F_OFD_GETLK)),
    IF(BOTH, ioctl, EQ(1, BLKGETSIZE64)),
    IF(BOTH, ioctl, EQ(1, TIOCGPTPEER)),
    IF(M, ioctl, EQ(1, TCSETSW)),
    IF(BOTH, ioctl, EQ(1, TCGETS)), /* isatty(), which stdio asks */

    /* Taps: a card says, when it attaches itself, which sums and segments it can do without. A
     * capture that meets a full disk is cut after its last whole frame. */
    IF(M, ioctl, EQ(1, TUNSETOFFLOAD)),
    ALLOW(M, lseek),

#ifdef CONFIG_XEN
    /* The device model: operations on its domain and its memory. MMAPBATCH is what the library
     * falls back to. The kernel holds all of them to the domain that the handles are restricted
     * to, and refuses hypercalls as we do. */
    IF(M, ioctl, EQ(1, IOCTL_PRIVCMD_DM_OP)),
    IF(M, ioctl, EQ(1, IOCTL_PRIVCMD_MMAPBATCH_V2)),
    IF(M, ioctl, EQ(1, IOCTL_PRIVCMD_MMAPBATCH)),
    IF(M, ioctl, EQ(1, IOCTL_PRIVCMD_MMAP_RESOURCE)),
    ANSWER_IF(M, ioctl, EPERM, EQ(1, IOCTL_PRIVCMD_HYPERCALL)),

    IF(BOTH, ioctl, EQ(1, IOCTL_EVTCHN_NOTIFY)),
    IF(BOTH, ioctl, EQ(1, IOCTL_EVTCHN_BIND_INTERDOMAIN)),
    IF(BOTH, ioctl, EQ(1, IOCTL_EVTCHN_UNBIND)),

    IF(P, ioctl, EQ(1, IOCTL_GNTDEV_MAP_GRANT_REF)),
    IF(P, ioctl, EQ(1, IOCTL_GNTDEV_UNMAP_GRANT_REF)),
    IF(P, ioctl, EQ(1, IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR)),
    IF(P, ioctl, EQ(1, IOCTL_GNTDEV_GRANT_COPY)), /* of disks: pages that are not kept mapped */
#endif

    /* Memory. Advice gives no rights. */
    IF(BOTH, mmap, BITS(2, PROT_EXEC, 0)),
    IF(BOTH, mprotect, BITS(2, PROT_EXEC, 0)),
    ALLOW(BOTH, munmap),
    ALLOW(BOTH, mremap),
    ALLOW(BOTH, brk),
    ALLOW(BOTH, madvise),

    /* Threads of the disks. Without clone3, whose flags are out of our sight, the C library uses
     * clone. */
    ANSWER(BOTH, clone3, ENOSYS),
    IF(BOTH, clone, EQ(0, THREAD)),
    ALLOW(BOTH, set_robust_list),
    ALLOW(BOTH, rseq),
    ALLOW(BOTH, sched_getaffinity),
    ALLOW(BOTH, sched_yield), /* exit(), while a thread holds the lock of a stream */
    ALLOW(BOTH, exit),
    ALLOW(BOTH, futex),
    ALLOW(BOTH, restart_syscall),

    /* Time, and the time limit for an end after the supervisor's. */
    ALLOW(BOTH, clock_gettime),
    ALLOW(BOTH, gettimeofday),
    ALLOW(BOTH, clock_nanosleep),
    ALLOW(BOTH, nanosleep),
    ALLOW(BOTH, setitimer),

    /* Signals and death. tgkill to ourselves is added below. */
    ALLOW(BOTH, rt_sigaction),
    ALLOW(BOTH, rt_sigprocmask),
    ALLOW(BOTH, rt_sigreturn),
    ALLOW(BOTH, sigaltstack),
    ALLOW(BOTH, exit_group),

    /* Questions about ourselves. */
    ALLOW(BOTH, getpid),
    ALLOW(BOTH, gettid),
    ALLOW(BOTH, getppid),
    ALLOW(BOTH, getuid),
    ALLOW(BOTH, geteuid),
    ALLOW(BOTH, getrandom),
    IF(BOTH, prlimit64, EQ(0, 0), EQ(2, 0)),
    IF(BOTH, prctl, EQ(0, PR_SET_NAME)),
    IF(BOTH, prctl, EQ(0, PR_SET_PDEATHSIG)),
    IF(BOTH, prctl, EQ(0, PR_SET_VMA)),

    /* Made in passing by code that lives with the answer: the allocator asks for a setting in
     * /proc when a thread's memory shrinks, our own code removes a socket's name at the end, looks
     * for the holder of a lock, tries io_uring. */
    ANSWER(BOTH, open, ENOENT),
    ANSWER(BOTH, openat, ENOENT),
    ANSWER(BOTH, stat, ENOENT),
    ANSWER(BOTH, lstat, ENOENT),
    ANSWER_IF(BOTH, newfstatat, ENOENT, BITS(3, AT_EMPTY_PATH, 0)),
    ANSWER(BOTH, access, ENOENT),
    ANSWER(BOTH, readlink, ENOENT),
    ANSWER(BOTH, unlink, ENOENT),
    ANSWER(M, io_uring_setup, ENOSYS),
};

static int add(scmp_filter_ctx c, const struct rule *r)
{
    unsigned n = 0;

    while (n < ARRAY_SIZE(r->arg) && r->arg[n].op)
        n++;
    return seccomp_rule_add_exact_array(
        c, r->error ? SCMP_ACT_ERRNO((unsigned)r->error) : SCMP_ACT_ALLOW, r->call, n, r->arg);
}

static int fill(scmp_filter_ctx c, enum sandbox_profile profile)
{
    const struct rule to_self = { SCMP_SYS(tgkill), BOTH, 0, { EQ(0, SANDBOX_ANY_PID) } };
    int err = seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    /* A binary tree, not a list: when the filter is loaded, and the guest of a process that died
     * waits, the kernel finds out by trying every number there is which calls are allowed whatever
     * their arguments. */
    if (!err)
        err = seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!err)
        err = add(c, &to_self);
    for (unsigned i = 0; i < ARRAY_SIZE(rules) && !err; i++)
        if (rules[i].profiles & 1u << profile)
            err = add(c, &rules[i]);
    return err;
}

/* How many instructions, or -errno. */
static int compile(enum sandbox_profile profile, struct sock_filter code[BPF_MAXINSNS])
{
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_TRAP);
    FILE *f = tmpfile();
    int err = !c ? -ENOMEM : !f ? -errno : fill(c, profile);
    size_t n = 0;

    if (!err)
        err = seccomp_export_bpf(c, fileno(f));
    if (!err) {
        rewind(f);
        n = fread(code, sizeof *code, BPF_MAXINSNS, f);
        err = n && n < BPF_MAXINSNS ? 0 : -E2BIG;
    }
    if (f)
        fclose(f);
    seccomp_release(c);
    return err ? err : (int)n;
}

/* The one instruction that compares tgkill's first argument, or -1. */
static int find_pid(const struct sock_filter *code, int n)
{
    int at = -1;

    for (int i = 0; i < n; i++) {
        if (code[i].k != SANDBOX_ANY_PID)
            continue;
        if (at >= 0 || i == 0 || code[i].code != (BPF_JMP | BPF_JEQ | BPF_K) ||
            code[i - 1].code != (BPF_LD | BPF_W | BPF_ABS) ||
            code[i - 1].k != offsetof(struct seccomp_data, args[0]))
            return -1;
        at = i;
    }
    return at;
}

static int print(const char *name, enum sandbox_profile profile)
{
    static struct sock_filter code[BPF_MAXINSNS];
    int n = compile(profile, code), at;

    if (n < 0) {
        fprintf(stderr, "sandbox_rules: %s: %s\n", name, strerror(-n));
        return -1;
    }
    at = find_pid(code, n);
    if (at < 0) {
        fprintf(stderr, "sandbox_rules: %s: the process id is not where it should be\n", name);
        return -1;
    }
    printf("\nenum { %s_pid_at = %d };\nstatic const struct sock_filter %s_filter[] = {\n", name,
           at, name);
    for (int i = 0; i < n; i++)
        printf("    { 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
               code[i].k);
    printf("};\n");
    return 0;
}

int main(void)
{
    /* What the kernel has to know: that of the machine that builds does not matter. */
    if (seccomp_api_set(3) != 0) {
        fprintf(stderr, "sandbox_rules: this libseccomp is too old\n");
        return EXIT_FAILURE;
    }
    printf("/* Made by sandbox_rules.c. */\n");
    if (print("model", SANDBOX_MODEL) < 0 || print("pv", SANDBOX_PV) < 0 || fflush(stdout) != 0)
        return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
