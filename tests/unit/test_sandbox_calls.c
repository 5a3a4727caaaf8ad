/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sandbox_calls - system calls of a confined process: every number, the neighbours of what is
 * allowed with some arguments only, every trial of --sandbox-test.
 */
#include "tests/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef CONFIG_XEN
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>
#include <xen/sys/privcmd.h>
#endif

enum { NUMBERS = 512 };

/* ---- Every number --------------------------------------------------------------------------- */

/* docs/confinement.md in numbers. `p`: in the PV worker too. `checked`: with the arguments -1 of
 * the test it is refused, as only some are allowed; --sandbox-test tries those. */
struct known {
    int number;
    bool pv, checked;
};
/* clang-format off */
#define BOTH(name)       { SYS_##name, true, false }
#define MODEL(name)      { SYS_##name, false, false }
#define SOME_BOTH(name)  { SYS_##name, true, true }
#define SOME_MODEL(name) { SYS_##name, false, true }

static const struct known known[] = {
    /* allowed */
    BOTH(read), BOTH(write), BOTH(writev), BOTH(close), BOTH(fstat), BOTH(poll), BOTH(munmap), BOTH(mremap),
    BOTH(brk), BOTH(madvise), BOTH(rt_sigaction), BOTH(rt_sigprocmask), BOTH(sigaltstack),
    BOTH(epoll_wait), BOTH(epoll_pwait), BOTH(epoll_pwait2), BOTH(epoll_ctl), BOTH(epoll_create1),
    BOTH(timerfd_create), BOTH(timerfd_settime), BOTH(eventfd2), BOTH(recvmsg), BOTH(sendmsg),
    BOTH(recvfrom), BOTH(futex), BOTH(restart_syscall), BOTH(clock_gettime), BOTH(gettimeofday),
    BOTH(clock_nanosleep), BOTH(nanosleep), BOTH(setitimer), BOTH(getpid), BOTH(gettid),
    BOTH(getppid), BOTH(getuid), BOTH(geteuid), BOTH(getrandom),
    BOTH(pread64), MODEL(pwrite64), MODEL(lseek), BOTH(preadv), BOTH(pwritev), BOTH(preadv2),
    BOTH(pwritev2), BOTH(fdatasync), BOTH(ftruncate), BOTH(memfd_create), BOTH(accept4),
    BOTH(set_robust_list), BOTH(rseq), BOTH(sched_getaffinity), BOTH(sched_yield),
    /* allowed with some arguments */
    SOME_BOTH(sendto), SOME_BOTH(fcntl), SOME_BOTH(ioctl), SOME_BOTH(mmap), SOME_BOTH(mprotect),
    SOME_BOTH(tgkill), SOME_BOTH(prlimit64), SOME_BOTH(prctl), SOME_MODEL(getsockopt),
    SOME_MODEL(setsockopt), SOME_BOTH(fallocate), SOME_BOTH(clone),
    /* answered; newfstatat is let through with AT_EMPTY_PATH, which -1 includes */
    BOTH(open), BOTH(openat), BOTH(stat), BOTH(lstat), BOTH(access), BOTH(readlink), BOTH(unlink),
    BOTH(clone3), BOTH(newfstatat), MODEL(io_uring_setup),
};
/* clang-format on */

/* These would end the scan. The last two, of a probe that somebody has set in our code, the kernel
 * never shows to a filter (Linux 6.14); for everybody else the first of them is SIGILL. */
static const int final[] = { SYS_exit, SYS_exit_group, SYS_rt_sigreturn, 335, 336 };

static bool is_final(int number)
{
    for (unsigned i = 0; i < ARRAY_SIZE(final); i++)
        if (final[i] == number)
            return true;
    return false;
}

static bool should_pass(int number, bool in_pv)
{
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].number == number)
            return !known[i].checked && (known[i].pv || !in_pv);
    return false;
}

static volatile sig_atomic_t refused;

/* The kernel has put the number back where the result belongs. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;

    (void)sig;
    (void)info;
    refused = 1;
    c->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
}

struct scan {
    const struct sandbox *s;
    bool passed[NUMBERS];
    unsigned tried;
};

static bool passes(int number)
{
    refused = 0;
    syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
    return !refused;
}

static void scan_numbers(void *opaque)
{
    struct scan *scan = opaque;
    const struct sigaction act = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

    CHECK(sigaction(SIGSYS, &act, NULL) == 0);
    CHECK(passes(SYS_socket)); /* else this test cannot tell */
    confined_enter(scan->s);
    for (int i = 0; i < NUMBERS; i++) {
        if (is_final(i))
            continue;
        scan->passed[i] = passes(i);
        scan->tried++;
    }
}

static void every_number(const struct sandbox *s)
{
    struct scan *scan =
        mmap(NULL, sizeof *scan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned wrong = 0;

    assert_true(scan != MAP_FAILED);
    scan->s = s;
    assert_int_equal(confined_run(scan_numbers, scan), 0);
    assert_int_equal(scan->tried, NUMBERS - ARRAY_SIZE(final));
    for (int i = 0; i < NUMBERS; i++) {
        bool want = should_pass(i, s->profile == SANDBOX_PV);

        if (is_final(i) || scan->passed[i] == want)
            continue;
        print_error("system call %d is %s\n", i, want ? "refused" : "let through");
        wrong++;
    }
    assert_int_equal(wrong, 0);
    munmap(scan, sizeof *scan);
}

static void numbers_of_model(void **state)
{
    (void)state;
    confined_possible();
    every_number(&confined_model);
}

static void numbers_of_pv(void **state)
{
    (void)state;
    confined_possible();
    every_number(&confined_pv);
}

static void call_x32(void *opaque)
{
    (void)opaque;
    confined_enter(&confined_model);
    syscall(0x40000000 | SYS_getpid);
}

static void call_i386(void *opaque)
{
    long ret = 20; /* getpid */

    (void)opaque;
    confined_enter(&confined_model);
    __asm__ volatile("int $0x80" : "+a"(ret) : : "memory");
}

static void other_architectures(void **state)
{
    int status;

    (void)state;
    confined_possible();
    status = confined_run(call_x32, NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = confined_run(call_i386, NULL); /* SIGSEGV: a kernel without i386 */
    assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV));
}

/* ---- Arguments ------------------------------------------------------------------------------ */

/* Of the calls that are allowed with some arguments: a neighbour of each allowed one. */
static void neighbours(void *opaque)
{
    const struct sigaction act = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
    static const unsigned long ioctls[] = {
#ifdef CONFIG_XEN
        IOCTL_PRIVCMD_MMAP,
        IOCTL_PRIVCMD_RESTRICT,
        IOCTL_EVTCHN_BIND_VIRQ,
        IOCTL_EVTCHN_BIND_UNBOUND_PORT,
        IOCTL_EVTCHN_RESET,
        IOCTL_EVTCHN_RESTRICT_DOMID,
        IOCTL_GNTDEV_SET_MAX_GRANTS,
        IOCTL_GNTDEV_SET_UNMAP_NOTIFY,
        IOCTL_GNTDEV_DMABUF_EXP_FROM_REFS,
        IOCTL_GNTDEV_DMABUF_IMP_TO_REFS,
#endif
        TIOCSTI,
        TIOCSCTTY,
        TIOCLINUX,
        TIOCSETD,
        TIOCCONS,
        TCSETS,
        TCSETSF,
        FIOASYNC,
        FIONBIO,
        BLKRRPART,
        BLKDISCARD,
        BLKROSET,
        FICLONE,
        FIFREEZE,
        FS_IOC_SETFLAGS,
        0x2285 /* SG_IO */,
        0x5331 /* CDROM_LOCKDOOR */,
        0x400454ca /* TUNSETIFF */,
    };
    static const int fcntls[] = { F_DUPFD,  F_SETLK,     F_SETOWN_EX,  F_SETSIG, F_SETLEASE,
                                  F_NOTIFY, F_GET_SEALS, F_SETPIPE_SZ, F_GETOWN };
    static const int prctls[] = { PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP,
                                  PR_SET_PTRACER,  PR_SET_MM,       PR_SET_CHILD_SUBREAPER,
                                  PR_CAP_AMBIENT,  PR_SET_TSC };

    CHECK(sigaction(SIGSYS, &act, NULL) == 0);
    confined_enter(opaque);
#define REFUSED(...)                                                                               \
    do {                                                                                           \
        refused = 0;                                                                               \
        syscall(__VA_ARGS__);                                                                      \
        CHECK(refused);                                                                            \
    } while (0)
    for (unsigned i = 0; i < ARRAY_SIZE(ioctls); i++)
        REFUSED(SYS_ioctl, -1, ioctls[i], 0);
    for (unsigned i = 0; i < ARRAY_SIZE(fcntls); i++)
        REFUSED(SYS_fcntl, -1, fcntls[i], 0);
    for (unsigned i = 0; i < ARRAY_SIZE(prctls); i++)
        REFUSED(SYS_prctl, prctls[i], 0, 0, 0, 0);
    /* The same numbers with bits above those that the kernel looks at. */
    REFUSED(SYS_ioctl, -1, TIOCSTI | 1UL << 32, 0);
    REFUSED(SYS_mmap, 0, 4096, PROT_EXEC | 1UL << 32, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED(SYS_mmap, 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED(SYS_mprotect, 0, 0, PROT_READ | PROT_WRITE | PROT_EXEC);
    REFUSED(SYS_fallocate, -1, 0, 0, 4096);
    REFUSED(SYS_setsockopt, -1, SOL_SOCKET, SO_REUSEADDR, NULL, 0);
    REFUSED(SYS_getsockopt, -1, SOL_SOCKET, SO_PEERSEC, NULL, NULL);
    REFUSED(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL);
    REFUSED(SYS_tgkill, getppid(), getppid(), 0);
    REFUSED(SYS_tgkill, 0, 0, 0);
    REFUSED(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, 0, 0, 0, 0);
    REFUSED(SYS_clone, SIGCHLD | CLONE_VFORK | CLONE_VM, 0, 0, 0, 0);
}

static void arguments(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(confined_run(neighbours, (void *)(uintptr_t)&confined_model), 0);
    assert_int_equal(confined_run(neighbours, (void *)(uintptr_t)&confined_pv), 0);
}

static int trial(const char *profile, const char *name)
{
    char *argv[] = { (char[]){ "hvmdm-model" }, (char[]){ "--sandbox-test" },
                     (char *)(uintptr_t)profile, (char *)(uintptr_t)name, NULL };

    return sandbox_test_main(4, argv);
}

static void trials(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(trial("model", "all"), 0);
    assert_int_equal(trial("pv", "all"), 0);
}

static void trials_that_do_not_exist(void **state)
{
    char *other[] = { (char[]){ "hvmdm-model" }, (char[]){ "-version" }, NULL };

    (void)state;
    assert_int_equal(trial("model", "nothing"), 2);
    assert_int_equal(trial("everybody", "all"), 2);
    assert_int_equal(sandbox_test_main(2, other), -1);
    assert_int_equal(sandbox_test_main(1, other), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_model),
        cmocka_unit_test(numbers_of_pv),
        cmocka_unit_test(other_architectures),
        cmocka_unit_test(arguments),
        cmocka_unit_test(trials),
        cmocka_unit_test(trials_that_do_not_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
