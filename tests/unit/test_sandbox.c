/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sandbox - what is left to a confined process: as the kernel's /proc sees it from outside,
 * and tried from inside: every number of a system call, every trial of --sandbox-test, and our own
 * disk and terminal code at work.
 *
 * Needs root and namespaces; says so and skips where it has not got them. A child never uses
 * cmocka's assertions, which would return into the runner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <config.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

#include "block/raw_internal.h"
#include "chardev/chardev.h"
#include "ioreq/loop.h"
#include "tests/image.h"
#include "toolstack/sandbox.h"

enum { NUMBERS = 512, ENTERING_FAILED = 255, USER = HVMDM_UID_BASE + 7 };

static const struct sandbox model = { true, USER, USER, SANDBOX_MODEL };
static const struct sandbox pv = { true, USER, USER, SANDBOX_PV };

/* In a child: the line of what went wrong, modulo what an exit status can say. */
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            give_up(#x, __LINE__);                                                                 \
    } while (0)

static void give_up(const char *what, int line)
{
    dprintf(STDERR_FILENO, "test_sandbox.c:%d: %s: %s\n", line, what, strerror(errno));
    _exit(1);
}

static void enter(const struct sandbox *s)
{
    struct error e = { "" };

    alarm(60);
    if (sandbox_enter(s, &e) < 0) {
        dprintf(STDERR_FILENO, "%s\n", e.text);
        _exit(ENTERING_FAILED);
    }
}

/* The runner's own handlers would go on with the next test, in the child. */
static pid_t start_child(void)
{
    static const int caught[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    pid_t pid = fork();

    for (unsigned i = 0; i < ARRAY_SIZE(caught) && pid == 0; i++)
        signal(caught[i], SIG_DFL);
    return pid;
}

static int run_child(void (*f)(void *opaque), void *opaque)
{
    int status;
    pid_t pid = start_child();

    if (pid == 0) {
        f(opaque);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void *shared(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

static void try_namespaces(void *opaque)
{
    (void)opaque;
    CHECK(unshare(CLONE_NEWNS) == 0);
}

static void need_root(void)
{
    static int usable = -1;

    if (usable < 0) {
        usable = geteuid() == 0 && run_child(try_namespaces, NULL) == 0;
        if (!usable)
            print_message("skipped: this needs root, and a kernel and container that allow "
                          "namespaces\n");
    }
    if (!usable)
        skip();
}

/* ---- From outside --------------------------------------------------------------------------- */

/* A child that has entered and waits. */
struct confined {
    pid_t pid;
    int wake;
};

static struct confined start_confined(const struct sandbox *s)
{
    int ready[2], wake[2];
    struct confined c;
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(wake, O_CLOEXEC), 0);
    c.pid = start_child();
    if (c.pid == 0) {
        close(wake[1]);
        enter(s);
        CHECK(write(ready[1], "x", 1) == 1);
        CHECK(read(wake[0], &byte, 1) == 0);
        _exit(0);
    }
    close(ready[1]);
    close(wake[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    c.wake = wake[1];
    return c;
}

static void end_confined(struct confined *c)
{
    int status;

    close(c->wake);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_int_equal(status, 0);
}

static const char *proc(const struct confined *c, const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", c->pid, name);
    return path;
}

/* The rest of the line of /proc/PID/status that begins with `key`. */
static void status_is(const struct confined *c, const char *key, const char *want)
{
    FILE *f = fopen(proc(c, "status"), "r");
    char line[256] = "";

    assert_non_null(f);
    while (fgets(line, sizeof line, f) && strncmp(line, key, strlen(key)) != 0)
        ;
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    assert_memory_equal(line, key, strlen(key));
    assert_string_equal(line + strlen(key), want);
}

static void identity(void **state)
{
    struct confined c;
    char ids[64];
    struct stat st;

    (void)state;
    need_root();
    c = start_confined(&model);
    snprintf(ids, sizeof ids, "\t%u\t%u\t%u\t%u", USER, USER, USER, USER);
    status_is(&c, "Uid:", ids);
    status_is(&c, "Gid:", ids);
    status_is(&c, "Groups:", "\t ");
    status_is(&c, "CapInh:", "\t0000000000000000");
    status_is(&c, "CapPrm:", "\t0000000000000000");
    status_is(&c, "CapEff:", "\t0000000000000000");
    status_is(&c, "CapBnd:", "\t0000000000000000");
    status_is(&c, "CapAmb:", "\t0000000000000000");
    status_is(&c, "NoNewPrivs:", "\t1");
    status_is(&c, "Seccomp:", "\t2");
    assert_int_equal(stat(proc(&c, "fd"), &st), 0);
    assert_int_equal(st.st_uid, 0); /* root's, not the process's: it is not dumpable */
    end_confined(&c);
}

static void namespaces(void **state)
{
    static const char *const names[] = { "ns/mnt", "ns/ipc", "ns/net", "ns/uts" };
    struct confined c;
    struct stat ours, theirs;
    char path[64];

    (void)state;
    need_root();
    c = start_confined(&pv);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "/proc/self/%s", names[i]);
        assert_int_equal(stat(path, &ours), 0);
        assert_int_equal(stat(proc(&c, names[i]), &theirs), 0);
        assert_int_not_equal(ours.st_ino, theirs.st_ino);
    }
    end_confined(&c);
}

static void root_is_empty(const struct confined *c, bool alone)
{
    unsigned entries = 0, mounts = 0;
    DIR *dir = opendir(proc(c, "root"));
    char line[512];
    FILE *f;

    assert_non_null(dir);
    while (readdir(dir))
        entries++;
    closedir(dir);
    assert_int_equal(entries, 2); /* . and .. */
    assert_int_equal(mkdir(proc(c, "root/x"), 0700), -1);
    assert_int_equal(errno, EROFS);
    f = fopen(proc(c, "mountinfo"), "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strstr(line, " / ro,nosuid,nodev,noexec"))
            mounts++;
        else
            assert_false(alone); /* we keep nothing of the host busy */
    fclose(f);
    assert_int_equal(mounts, 1);
}

static void empty_root(void **state)
{
    struct confined c;

    (void)state;
    need_root();
    c = start_confined(&model);
    root_is_empty(&c, true);
    end_confined(&c);
}

/* A root that cannot be exchanged: what an initramfs is, here a directory that is no mount. */
static void fixed_root(void **state)
{
    char dir[] = "/tmp/sandbox-XXXXXX", path[64];
    struct confined c;
    int saved = open("/", O_PATH | O_CLOEXEC);

    (void)state;
    need_root();
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/dev", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/proc", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(mount("/proc", path, NULL, MS_BIND, NULL), 0);
    assert_int_equal(chroot(dir), 0);
    c = start_confined(&model);
    assert_int_equal(fchdir(saved), 0);
    assert_int_equal(chroot("."), 0);
    root_is_empty(&c, false);
    end_confined(&c);
    assert_int_equal(umount2(path, MNT_DETACH), 0);
    rmdir(path);
    snprintf(path, sizeof path, "%s/dev", dir);
    rmdir(path);
    rmdir(dir);
    close(saved);
}

/* The hard limit; UINT64_MAX: unlimited. (prlimit() of another user takes CAP_SYS_RESOURCE.) */
static uint64_t hard_limit(const char *path, const char *name)
{
    FILE *f = fopen(path, "r");
    unsigned long long hard = UINT64_MAX;
    char line[256];
    bool found = false;

    assert_non_null(f);
    while (!found && fgets(line, sizeof line, f))
        found = strncmp(line, name, strlen(name)) == 0;
    fclose(f);
    assert_true(found);
    if (sscanf(line + strlen(name), "%*s %llu", &hard) != 1)
        hard = UINT64_MAX;
    return hard;
}

static void limits(void **state)
{
    struct confined c;

    (void)state;
    need_root();
    c = start_confined(&model);
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max core file size"), 0);
    assert_in_range(hard_limit(proc(&c, "limits"), "Max processes"), 17, 200);
    assert_in_range(hard_limit(proc(&c, "limits"), "Max open files"), 100, 400);
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max file size"),
                     hard_limit("/proc/self/limits", "Max file size"));
    end_confined(&c);
}

/* ---- Who may enter -------------------------------------------------------------------------- */

static void not_enabled(void **state)
{
    const struct sandbox off = { false, 0, 0, SANDBOX_MODEL };
    struct error e = { "" };

    (void)state;
    assert_int_equal(sandbox_enter(&off, &e), 0);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void not_as_root(void **state)
{
    const struct sandbox root = { true, 0, USER, SANDBOX_MODEL };
    struct error e = { "" };

    (void)state;
    assert_int_equal(sandbox_enter(&root, &e), -EINVAL);
    assert_non_null(strstr(e.text, "root"));
}

static void *wait_for_ever(void *opaque)
{
    pause();
    return opaque;
}

static void enter_with_two(void *opaque)
{
    struct error e = { "" };
    pthread_t id;

    (void)opaque;
    CHECK(pthread_create(&id, NULL, wait_for_ever, NULL) == 0);
    CHECK(sandbox_enter(&model, &e) == -EBUSY);
    CHECK(strstr(e.text, "2 threads"));
}

static void not_with_threads(void **state)
{
    (void)state;
    assert_int_equal(run_child(enter_with_two, NULL), 0);
}

static void enter_as_nobody(void *opaque)
{
    struct error e = { "" };

    (void)opaque;
    CHECK(setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0);
    CHECK(sandbox_enter(&model, &e) == -EPERM);
    CHECK(strstr(e.text, "--no-sandbox"));
}

static void not_without_rights(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(run_child(enter_as_nobody, NULL), 0);
}

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
    BOTH(read), BOTH(write), BOTH(close), BOTH(fstat), BOTH(poll), BOTH(munmap), BOTH(mremap),
    BOTH(brk), BOTH(madvise), BOTH(rt_sigaction), BOTH(rt_sigprocmask), BOTH(sigaltstack),
    BOTH(epoll_wait), BOTH(epoll_pwait), BOTH(epoll_pwait2), BOTH(epoll_ctl), BOTH(epoll_create1),
    BOTH(timerfd_create), BOTH(timerfd_settime), BOTH(eventfd2), BOTH(recvmsg), BOTH(sendmsg),
    BOTH(recvfrom), BOTH(futex), BOTH(restart_syscall), BOTH(clock_gettime), BOTH(gettimeofday),
    BOTH(clock_nanosleep), BOTH(nanosleep), BOTH(setitimer), BOTH(getpid), BOTH(gettid),
    BOTH(getppid), BOTH(getuid), BOTH(geteuid), BOTH(getrandom),
    MODEL(pread64), MODEL(pwrite64), MODEL(preadv), MODEL(pwritev), MODEL(preadv2),
    MODEL(pwritev2), MODEL(fdatasync), MODEL(ftruncate), MODEL(memfd_create), MODEL(accept4),
    MODEL(set_robust_list), MODEL(rseq), MODEL(sched_getaffinity),
    /* allowed with some arguments */
    SOME_BOTH(sendto), SOME_BOTH(fcntl), SOME_BOTH(ioctl), SOME_BOTH(mmap), SOME_BOTH(mprotect),
    SOME_BOTH(tgkill), SOME_BOTH(prlimit64), SOME_BOTH(prctl), SOME_MODEL(getsockopt),
    SOME_MODEL(setsockopt), SOME_MODEL(fallocate), SOME_MODEL(clone),
    /* answered; newfstatat is let through with AT_EMPTY_PATH, which -1 includes */
    BOTH(open), BOTH(openat), BOTH(stat), BOTH(access), BOTH(readlink), BOTH(unlink),
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
    const struct sandbox *s; /* NULL: not confined, and only one number */
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
    enter(scan->s);
    for (int i = 0; i < NUMBERS; i++) {
        if (is_final(i))
            continue;
        scan->passed[i] = passes(i);
        scan->tried++;
    }
}

static void every_number(const struct sandbox *s)
{
    struct scan *scan = shared(sizeof *scan);
    unsigned wrong = 0;

    scan->s = s;
    assert_int_equal(run_child(scan_numbers, scan), 0);
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
    need_root();
    every_number(&model);
}

static void numbers_of_pv(void **state)
{
    (void)state;
    need_root();
    every_number(&pv);
}

static void call_x32(void *opaque)
{
    (void)opaque;
    enter(&model);
    syscall(0x40000000 | SYS_getpid);
}

static void call_i386(void *opaque)
{
    long ret = 20; /* getpid */

    (void)opaque;
    enter(&model);
    __asm__ volatile("int $0x80" : "+a"(ret) : : "memory");
}

static void other_architectures(void **state)
{
    int status;

    (void)state;
    need_root();
    status = run_child(call_x32, NULL);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = run_child(call_i386, NULL); /* SIGSEGV: a kernel without i386 */
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
        IOCTL_GNTDEV_GRANT_COPY,
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
    static const int fcntls[] = { F_DUPFD,  F_SETLK,     F_SETOWN,     F_SETSIG, F_SETLEASE,
                                  F_NOTIFY, F_ADD_SEALS, F_SETPIPE_SZ, F_GETOWN };
    static const int prctls[] = { PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_SECCOMP,
                                  PR_SET_PTRACER,  PR_SET_MM,       PR_SET_CHILD_SUBREAPER,
                                  PR_CAP_AMBIENT,  PR_SET_TSC };

    CHECK(sigaction(SIGSYS, &act, NULL) == 0);
    enter(opaque);
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
    need_root();
    assert_int_equal(run_child(neighbours, (void *)(uintptr_t)&model), 0);
    assert_int_equal(run_child(neighbours, (void *)(uintptr_t)&pv), 0);
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
    need_root();
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

/* ---- Our own code inside -------------------------------------------------------------------- */

static void nothing(struct block_req *r, int result)
{
    (void)r;
    (void)result;
}

static void disk_op(struct block *b, enum block_op op, void *bytes, size_t n)
{
    struct iovec v = { bytes, n };
    struct block_req r = { .op = op, .iov = &v, .niov = 1, .done = nothing };

    if (op != BLOCK_FLUSH) {
        r.offset = 4096;
        r.length = n;
    }
    if (!block_submit(b, &r))
        block_drain(b);
    CHECK(r.result == 0 || (op == BLOCK_DISCARD && r.result == -EOPNOTSUPP));
}

static void use_disk(struct block *b)
{
    static uint8_t bytes[65536];

    memset(bytes, 0x5a, sizeof bytes);
    disk_op(b, BLOCK_WRITE, bytes, sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    disk_op(b, BLOCK_READ, bytes, sizeof bytes);
    CHECK(bytes[0] == 0x5a && bytes[sizeof bytes - 1] == 0x5a);
    disk_op(b, BLOCK_FLUSH, NULL, 0);
    disk_op(b, BLOCK_DISCARD, NULL, sizeof bytes);
}

/* Each way that a request can take, opened before; then another image that comes as a descriptor,
 * as a CD does that is inserted. */
static void disks_inside(void *opaque)
{
    const struct image *f = opaque;
    struct block *b[IMAGE_WAYS];
    struct loop *l = loop_new();
    struct error e = { "" };
    int later = open(f->path, O_RDWR | O_CLOEXEC);

    for (unsigned i = 0; i < IMAGE_WAYS; i++) {
        const struct block_options o = { .path = f->path,
                                         .fd = -1,
                                         .format = "raw",
                                         .direct = image_ways[i].direct,
                                         .no_lock = true };

        CHECK(raw_open(l, &o, &image_ways[i].tuning, &b[i], &e) == 0);
    }
    enter(&model);
    for (unsigned i = 0; i < IMAGE_WAYS; i++) {
        struct raw_activity a;

        use_disk(b[i]);
        raw_activity(b[i], &a);
        CHECK(!a.ring);
        block_close(b[i]);
    }
    for (unsigned direct = 0; direct < 2; direct++) {
        struct block_options o = { .fd = fcntl(later, F_DUPFD_CLOEXEC, 3),
                                   .format = "raw",
                                   .direct = direct };

        CHECK(block_open(l, &o, &b[0], &e) == 0);
        use_disk(b[0]);
        block_close(b[0]);
    }
    loop_free(l);
}

static void disks(void **state)
{
    need_root();
    assert_int_equal(run_child(disks_inside, *state), 0);
}

static size_t no_room(void *opaque)
{
    (void)opaque;
    return 0;
}

static void no_matter(void *opaque)
{
    (void)opaque;
}

static void no_bytes(void *opaque, const uint8_t *bytes, size_t n)
{
    (void)opaque;
    (void)bytes;
    (void)n;
}

/* Nobody reads: the terminal fills up, is found deserted, and its other end is opened again. */
static void pty_inside(void *opaque)
{
    static const uint8_t bytes[1024];
    const struct chardev_user user = { no_room, no_bytes, no_matter, NULL };
    struct loop *l = loop_new();
    struct error e = { "" };
    struct chardev *c;

    (void)opaque;
    CHECK(chardev_open(l, "serial0", "pty", &c, &e) == 0);
    chardev_attach(c, &user);
    enter(&model);
    for (unsigned i = 0; i < 256; i++)
        CHECK(chardev_write(c, bytes, sizeof bytes) == sizeof bytes);
    chardev_close(c);
    loop_free(l);
}

static void pty(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(run_child(pty_inside, NULL), 0);
}

/* ---- The supervisor ------------------------------------------------------------------------- */

static uint64_t capabilities(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long long v = UINT64_MAX;
    char line[256];

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            v = strtoull(line + strlen(key), NULL, 16);
    if (f)
        fclose(f);
    return v;
}

static void supervisor_inside(void *opaque)
{
    static const int gone[] = { CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT,  CAP_SYS_TIME,
                                CAP_NET_ADMIN,  CAP_NET_RAW,   CAP_MKNOD,     CAP_SETFCAP,
                                CAP_BPF,        CAP_PERFMON,   CAP_MAC_ADMIN, CAP_AUDIT_CONTROL };
    static const int kept[] = { CAP_KILL, CAP_SETUID, CAP_DAC_OVERRIDE, CAP_SYS_ADMIN };
    const struct sandbox s = { true, 0, 0, SANDBOX_SUPERVISOR };
    struct error e = { "" };

    (void)opaque;
    CHECK(sandbox_enter(&s, &e) == 0);
    for (unsigned i = 0; i < ARRAY_SIZE(gone); i++) {
        CHECK(!(capabilities("CapBnd:") >> gone[i] & 1));
        CHECK(!(capabilities("CapPrm:") >> gone[i] & 1));
        CHECK(!(capabilities("CapEff:") >> gone[i] & 1));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        CHECK(capabilities("CapEff:") >> kept[i] & 1);
    CHECK(capabilities("CapInh:") == 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    CHECK(sandbox_supervisor() == 0); /* after execve() it comes again */
    enter(&model);                    /* what is left is enough for a worker to confine itself */
}

static void supervisor(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(run_child(supervisor_inside, NULL), 0);
}

/* Root gets its capabilities back when it executes something, as far as the bounding set goes. */
static void exec_inside(void *opaque)
{
    char want[32];

    (void)opaque;
    CHECK(sandbox_supervisor() == 0);
    snprintf(want, sizeof want, "^CapEff:.%016llx$", (unsigned long long)capabilities("CapEff:"));
    execl("/bin/grep", "grep", "-q", want, "/proc/self/status", NULL);
}

static void supervisor_executes(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(run_child(exec_inside, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),
        cmocka_unit_test(namespaces),
        cmocka_unit_test(empty_root),
        cmocka_unit_test(fixed_root),
        cmocka_unit_test(limits),
        cmocka_unit_test(not_enabled),
        cmocka_unit_test(not_as_root),
        cmocka_unit_test(not_with_threads),
        cmocka_unit_test(not_without_rights),
        cmocka_unit_test(numbers_of_model),
        cmocka_unit_test(numbers_of_pv),
        cmocka_unit_test(other_architectures),
        cmocka_unit_test(arguments),
        cmocka_unit_test(trials),
        cmocka_unit_test(trials_that_do_not_exist),
        cmocka_unit_test_setup_teardown(disks, image_setup, image_teardown),
        cmocka_unit_test(pty),
        cmocka_unit_test(supervisor),
        cmocka_unit_test(supervisor_executes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
