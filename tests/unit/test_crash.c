/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a worker dies: each test makes a child that installs the handlers and then goes wrong; the
 * test is its supervisor and reads what it left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hw/core/core.h"
#include "tests/bench.h"
#include "toolstack/crash.h"

extern const struct device_ops test_fault_ops, uart16550_ops, piix3_ide_ops;

enum { PORT = 0xe0, SECONDS = 60 };

/* What is left of a child. */
struct remains {
    int status;
    struct supervised_vitals *vitals;
    char said[4096]; /* on standard error */
};

#define RAW __attribute__((no_sanitize("address", "undefined"), noinline))

static struct supervised_vitals *page;

static int start(void **state)
{
    (void)state;
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    return munmap(page, sizeof *page);
}

static void child(void (*go_wrong)(void), int to)
{
    const struct rlimit none = { 0, 0 };
    struct error e = { "" };

    setrlimit(RLIMIT_CORE, &none);
    alarm(SECONDS); /* a handler that hangs */
    dup2(to, STDERR_FILENO);
    if (crash_install(page, &e) < 0)
        _exit(3);
    go_wrong();
    _exit(0);
}

static struct remains dies(void (*go_wrong)(void))
{
    struct remains r = { .vitals = page };
    int out[2];
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0)
        child(go_wrong, out[1]);
    close(out[1]);
    while (n < sizeof r.said - 1 && (got = read(out[0], r.said + n, sizeof r.said - 1 - n)) > 0)
        n += (size_t)got;
    close(out[0]);
    waitpid(pid, &r.status, 0);
    return r;
}

static void assert_killed(const struct remains *r, int sig, const char *name)
{
    if (!WIFSIGNALED(r->status) || WTERMSIG(r->status) != sig)
        fail_msg("status %x, not signal %d; it said: %s", r->status, sig, r->said);
    assert_non_null(strstr(r->said, name));
    assert_non_null(strstr(r->vitals->last_words, name));
}

/* Number of lines "  #N PROGRAM+0x..." of our own program. */
static unsigned frames(const struct remains *r)
{
    unsigned n = 0;

    for (const char *at = strstr(r->said, "  #"); at; at = strstr(at + 1, "  #"))
        n += strstr(at, "unit-crash+0x") == at + strcspn(at + 3, " ") + 4;
    return n;
}

/* ---- signals -------------------------------------------------------------------------------- */

RAW static void touch_nothing(void)
{
    volatile uint32_t *volatile nowhere = (void *)(uintptr_t)0x1238;

    *nowhere = 1;
}

static void by_segv(void)
{
    touch_nothing();
}

static void segv(void **state)
{
    struct remains r = dies(by_segv);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_non_null(strstr(r.said, "address 0x1238"));
    assert_non_null(strstr(r.said, "rip 0x"));
    assert_non_null(strstr(r.said, "build id "));
    assert_in_range(frames(&r), 3, 24); /* touch_nothing, dies, segv; more if not inlined */
    assert_string_equal(r.vitals->doing, "no machine");
    assert_string_equal(r.vitals->last_words, r.said);
}

/* The first frame is the function that did it: its offset is that of the symbol, at most a few
 * instructions on. */
static void names_the_function(void **state)
{
    struct remains r = dies(by_segv);
    const char *at = strstr(r.said, "  #0 unit-crash+0x");
    extern const char __ehdr_start;
    uintptr_t offset, symbol = (uintptr_t)touch_nothing - (uintptr_t)&__ehdr_start;

    (void)state;
    assert_non_null(at);
    offset = strtoul(strchr(at, '+') + 1, NULL, 16);
    assert_in_range(offset, symbol, symbol + 128);
}

static void by_abort(void)
{
    abort();
}

/* The library has no frame pointers: our frames are found all the same. */
static void aborted(void **state)
{
    struct remains r = dies(by_abort);

    (void)state;
    assert_killed(&r, SIGABRT, "SIGABRT");
    assert_in_range(frames(&r), 2, 24);
    assert_non_null(strstr(r.said, "libc.so.6+0x"));
}

static void by_bus(void)
{
    char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd_create("short", 0), 0);

    *(volatile char *)at;
}

static void bus(void **state)
{
    struct remains r = dies(by_bus);

    (void)state;
    assert_killed(&r, SIGBUS, "SIGBUS");
}

static void by_ill(void)
{
    __asm__ volatile("ud2");
}

static void ill(void **state)
{
    struct remains r = dies(by_ill);

    (void)state;
    assert_killed(&r, SIGILL, "SIGILL");
}

static void by_fpe(void)
{
    __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx" ::
                         : "eax", "ecx", "edx");
}

static void fpe(void **state)
{
    struct remains r = dies(by_fpe);

    (void)state;
    assert_killed(&r, SIGFPE, "SIGFPE");
}

RAW static unsigned deeper(volatile unsigned *n)
{
    volatile unsigned more[64] = { *n };

    if (!*n)
        return 0;

    more[1] = more[0];
    return deeper(more) + more[1];
}

static void by_overflow(void)
{
    const struct rlimit small = { 256 * 1024, 256 * 1024 };
    volatile unsigned n = 1;

    setrlimit(RLIMIT_STACK, &small);
    deeper(&n);
}

static void stack_runs_over(void **state)
{
    struct remains r = dies(by_overflow);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_in_range(frames(&r), 10, 24);
}

/* Registers that lead nowhere: it says what it can and dies. */
static void by_wild_registers(void)
{
    __asm__ volatile("mov $0x10, %%rsp; mov $0x18, %%rbp; movl $1, 0" ::: "memory");
    __builtin_unreachable();
}

static void wild_registers(void **state)
{
    struct remains r = dies(by_wild_registers);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_non_null(strstr(r.said, "rsp 0x10 rbp 0x18"));
}

/* The handler itself faults: the kernel ends it, what was said stays. */
static void by_fault_in_handler(void)
{
    struct bench *b;
    const struct device_row row = { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } };

    b = bench_new(&row, 1);
    crash_watch_machine(b->m);
    munmap(b->arena.h, b->arena.h->size);
    touch_nothing();
}

static void fault_in_handler(void **state)
{
    struct remains r = dies(by_fault_in_handler);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_non_null(strstr(r.said, "rip 0x"));
}

static void *thread(void *arg)
{
    touch_nothing();
    return arg;
}

static void by_thread(void)
{
    pthread_t t;

    if (!pthread_create(&t, NULL, thread, NULL))
        pthread_join(t, NULL);
}

static void another_thread(void **state)
{
    struct remains r = dies(by_thread);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
}

static void by_fork(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        touch_nothing();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 7 : 8);
}

static void a_fork_dies_alone(void **state)
{
    struct remains r = dies(by_fork);

    (void)state;
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 7);
}

/* ---- in a sandbox --------------------------------------------------------------------------- */

#define ALLOW(nr)                                                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* Nothing but what the handler is promised; all else traps, and kills inside the handler. */
static void confine(void)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_rt_sigreturn),
        ALLOW(SYS_rt_sigaction),
        ALLOW(SYS_tgkill),
        ALLOW(SYS_write),
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    const struct sock_fprog program = { ARRAY_SIZE(rows), rows };

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(4);
}

static void by_forbidden(void)
{
    confine();
    syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void forbidden_system_call(void **state)
{
    struct remains r = dies(by_forbidden);
    char want[64];

    (void)state;
    assert_killed(&r, SIGSYS, "SIGSYS");
    snprintf(want, sizeof want, "system call %d\n", SYS_ptrace);
    assert_non_null(strstr(r.said, want));
}

static void by_confined_segv(void)
{
    confine();
    touch_nothing();
}

static void confined(void **state)
{
    struct remains r = dies(by_confined_segv);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_in_range(frames(&r), 3, 24);
}

/* ---- watchdog ------------------------------------------------------------------------------- */

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not known to be endless: a sanitizer prepares for a call that does not return. */
static void by_loop(void)
{
    for (volatile uint64_t i = 0; i < UINT64_MAX; i++)
        ;
}

static void hangs(void **state)
{
    struct remains r = dies(by_loop);

    (void)state;
    assert_killed(&r, SIGXCPU, "no event, and no turn");
    assert_in_range(frames(&r), 3, 24);
}

static void by_confined_loop(void)
{
    confine();
    by_loop();
}

static void hangs_confined(void **state)
{
    struct remains r = dies(by_confined_loop);

    (void)state;
    assert_killed(&r, SIGXCPU, "SIGXCPU");
}

static void busy_for(double seconds, volatile uint64_t *counter)
{
    double end = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) + seconds;

    while (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) < end)
        if (counter)
            ++*counter;
        else
            crash_alive();
}

static void by_long_work(void)
{
    busy_for(2.2 * CRASH_WATCHDOG_MS / 1000, &page->events);
    busy_for(2.2 * CRASH_WATCHDOG_MS / 1000, NULL);
}

static void lives_while_there_is_progress(void **state)
{
    struct remains r = dies(by_long_work);

    (void)state;
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 0);
    assert_string_equal(r.said, "");
}

static void *busy_thread(void *arg)
{
    volatile uint64_t n = 0;

    busy_for(2.2 * CRASH_WATCHDOG_MS / 1000, &n);
    return arg;
}

static void by_busy_thread(void)
{
    pthread_t t;

    if (!pthread_create(&t, NULL, busy_thread, NULL))
        pthread_join(t, NULL);
}

static void the_time_of_disk_threads_does_not_count(void **state)
{
    struct remains r = dies(by_busy_thread);

    (void)state;
    assert_true(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 0);
}

/* ---- what was running ----------------------------------------------------------------------- */

static struct bench *board(void)
{
    const struct device_row row = { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } };
    struct bench *b = bench_new(&row, 1);

    machine_watch(b->m, &page->events);
    crash_watch_machine(b->m);
    return b;
}

static void by_request(void)
{
    struct bench *b = board();

    for (unsigned i = 0; i < 5; i++)
        bench_inb(b, PORT);
    bench_outb(b, PORT, 1);
}

static void names_device_and_request(void **state)
{
    struct remains r = dies(by_request);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_string_equal(r.vitals->doing, "test_fault: port write 0xe0 size 1 value 0x1");
    assert_int_equal(r.vitals->events, 5);
}

/* Device and register of the latest requests, the latest first, for the crash record. */
static void by_request_after_others(void)
{
    static const struct device_row rows[] = {
        { .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 } },
        { .ops = &piix3_ide_ops,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .devfn = 9 },
        { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } },
    };
    struct bench *b = bench_new(rows, ARRAY_SIZE(rows));
    struct request config = {
        .type = REQ_PCI_CONFIG, .addr = UINT64_C(9) << 32 | 4, .size = 2, .count = 1, .read = true
    };
    struct request nobody = { .type = REQ_PIO, .addr = 0x500, .size = 1, .count = 1, .read = true };

    crash_watch_machine(b->m);
    for (unsigned i = 0; i < 100; i++)
        bench_inb(b, 0x3fd);
    machine_run(b->m, &config);
    machine_run(b->m, &nobody);
    bench_inb(b, 0x1f7);
    bench_outb(b, PORT, 1);
    _exit(0);
}

static void names_registers(void **state)
{
    static const char first[] = "test_fault fault\npiix3_ide cmd0.STATUS_COMMAND\n\n"
                                "piix3_ide config.COMMAND\nuart16550 uart.LSR\n";
    struct remains r = dies(by_request_after_others);
    unsigned lines = 0;

    (void)state;
    assert_true(WIFSIGNALED(r.status));
    r.vitals->registers[sizeof r.vitals->registers - 1] = '\0';
    assert_ptr_equal(strstr(r.vitals->registers, first), r.vitals->registers);
    for (const char *at = r.vitals->registers; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, JOURNAL_LOG);
}

static void by_timer(void)
{
    struct bench *b = board();

    bench_outb(b, PORT, 5);
    bench_step(b, 2000000);
}

static void names_device_and_timer(void **state)
{
    struct remains r = dies(by_timer);

    (void)state;
    assert_killed(&r, SIGSEGV, "SIGSEGV");
    assert_string_equal(r.vitals->doing, "test_fault: timer 0");
}

static void by_idle(void)
{
    struct bench *b = board();

    bench_inb(b, PORT);
    touch_nothing();
}

static void between_events(void **state)
{
    struct remains r = dies(by_idle);

    (void)state;
    assert_string_equal(r.vitals->doing, "between two events");
}

#define UNIT(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(segv),
        UNIT(names_the_function),
        UNIT(aborted),
        UNIT(bus),
        UNIT(ill),
        UNIT(fpe),
        UNIT(stack_runs_over),
        UNIT(wild_registers),
        UNIT(fault_in_handler),
        UNIT(another_thread),
        UNIT(a_fork_dies_alone),
        UNIT(forbidden_system_call),
        UNIT(confined),
        UNIT(hangs),
        UNIT(hangs_confined),
        UNIT(lives_while_there_is_progress),
        UNIT(the_time_of_disk_threads_does_not_count),
        UNIT(names_device_and_request),
        UNIT(names_registers),
        UNIT(names_device_and_timer),
        UNIT(between_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
