/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crash - see crash.h. What runs in a signal handler is marked so, and calls nothing else. */
#include "toolstack/crash.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "hw/core/journal.h"
#include "hw/core/machine.h"
#include "toolstack/crash_private.h"

enum {
    CRASH_STACK = 64 * 1024, /* bytes; memory is used as far as it is written */
    CRASH_TEXT = sizeof((struct supervised_vitals *)NULL)->last_words,
    CRASH_DEVICES = 64,
    CRASH_NAME = sizeof((struct device *)NULL)->id,
};

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static const struct {
    int sig;
    const char *name;
} fatal_signals[] = {
    { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" },   { SIGILL, "SIGILL" },
    { SIGFPE, "SIGFPE" },   { SIGABRT, "SIGABRT" }, { SIGSYS, "SIGSYS" },
};

static struct {
    pid_t pid; /* and id of its main thread */
    volatile struct supervised_vitals *vitals;
    bool dying;
    /* the watchdog's */
    volatile uint64_t alive;
    uint64_t seen_alive, seen_events;
    /* what is running */
    const struct arena_header *arena;
    const struct journal_state *journal;
    const struct machine *machine;
    char device[CRASH_DEVICES][CRASH_NAME];
    /* last: pages that are used when it happens */
    size_t n, flushed;
    char text[CRASH_TEXT];
    _Alignas(16) char stack[CRASH_STACK];
} crash;

/* ---- text, in the handler ------------------------------------------------------------------- */

void crash_put(const char *text)
{
    while (*text && crash.n < sizeof crash.text - 1)
        crash.text[crash.n++] = *text++;
}

static void put_based(uint64_t v, unsigned base)
{
    char digits[24];
    unsigned at = sizeof digits - 1;

    digits[at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[v % base];
    while (v /= base);
    crash_put(digits + at);
}

void crash_put_number(uint64_t v)
{
    put_based(v, 10);
}

void crash_put_hex(uint64_t v)
{
    put_based(v, 16);
}

void crash_flush(void)
{
    size_t from = crash.flushed;

    for (size_t i = from; i < crash.n; i++)
        crash.vitals->last_words[i] = crash.text[i];
    crash.vitals->last_words[crash.n] = '\0';
    crash.flushed = crash.n;
    if (crash.vitals->quiet)
        return;
    if (write(STDERR_FILENO, crash.text + from, crash.n - from) < 0)
        return; /* nowhere to say so */
}

/* ---- what was running, in the handler ------------------------------------------------------- */

static void put_hex_word(const char *what, uint64_t v)
{
    crash_put(what);
    crash_put_hex(v);
}

static void put_request(const struct journal_state *j)
{
    unsigned at = (unsigned)((j->log_next - 1) % JOURNAL_LOG);
    uint64_t how = j->log_how[at];
    unsigned type = how >> 36 & 0xf;
    bool read = how >> 40 & 1;

    crash_put(type == REQ_PIO ? "port " : type == REQ_COPY ? "memory " : "configuration ");
    crash_put(read ? "read" : "write");
    put_hex_word(" 0x", j->log_addr[at]);
    crash_put(" size ");
    crash_put_number(how >> 32 & 0xf);
    if ((uint32_t)how != 1) {
        crash_put(" times ");
        crash_put_number((uint32_t)how);
    }
    if (!read)
        put_hex_word(" value 0x", j->log_data[at]);
}

static void put_doing(void)
{
    const struct journal_state *j = crash.journal;

    if (!j) {
        crash_put("no machine");
        return;
    }
    if (!crash.arena->in_transaction) {
        crash_put("between two events");
        return;
    }
    if (j->device < CRASH_DEVICES && crash.device[j->device][0]) {
        crash_put(crash.device[j->device]);
        crash_put(": ");
    }
    if (j->kind == EVENT_REQUEST) {
        put_request(j);
    } else if (j->kind == EVENT_TIMER) {
        crash_put("timer ");
        crash_put_number(j->timer);
    } else {
        crash_put("event of the host side");
    }
}

static void say_doing(void)
{
    size_t from, i = 0;

    crash_put("doing: ");
    from = crash.n;
    put_doing();
    for (; from + i < crash.n && i < sizeof crash.vitals->doing - 1; i++)
        crash.vitals->doing[i] = crash.text[from + i];
    crash.vitals->doing[i] = '\0';
    crash_put("\n");
    crash_flush();
}

/* ---- the cause, in the handler -------------------------------------------------------------- */

static void put_origin(int sig, const siginfo_t *info)
{
    if (info->si_code == SI_USER || info->si_code == SI_TKILL) {
        if (info->si_pid != crash.pid) {
            crash_put(", sent by process ");
            crash_put_number((uint64_t)info->si_pid);
        }
        return;
    }
    if (info->si_code == SI_TIMER) {
        crash_put(": no event, and no turn of the event loop, in ");
        crash_put_number(CRASH_WATCHDOG_MS);
        crash_put(" ms of CPU time");
        return;
    }
    crash_put(", code ");
    crash_put_number((uint64_t)info->si_code & 0xffffffff);
    if (sig == SIGSYS) {
        crash_put(", system call ");
        crash_put_number((uint64_t)info->si_syscall);
    } else {
        put_hex_word(", address 0x", (uintptr_t)info->si_addr);
    }
}

static void say_cause(int sig, const siginfo_t *info)
{
    const char *name = sig == CRASH_WATCHDOG_SIGNAL ? "SIGXCPU" : "signal";

    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++)
        if (fatal_signals[i].sig == sig)
            name = fatal_signals[i].name;
    crash_put("hvmdm: killed by ");
    crash_put(name);
    put_origin(sig, info);
    crash_put("\n");
    crash_flush();
}

/* ---- registers, in the handler -------------------------------------------------------------- */

static size_t append(size_t at, const char *text)
{
    while (*text && at < sizeof crash.vitals->registers - 1)
        crash.vitals->registers[at++] = *text++;
    return at;
}

static size_t append_register(size_t at, const struct request *r)
{
    struct register_name n;

    if (machine_register(crash.machine, r, &n)) {
        at = append(at, n.device);
        at = append(at, " ");
        at = append(at, n.region);
        if (n.reg) {
            at = append(at, ".");
            at = append(at, n.reg);
        }
    }
    return append(at, "\n");
}

/* Only whole lines count. To be called last: it goes through more of the process's memory than
 * the rest, and a fault in it is the end. */
static void say_registers(void)
{
    const struct journal_state *j = crash.journal;
    size_t at = 0;

    for (uint64_t i = 0; j && crash.machine && i < JOURNAL_LOG && i < j->log_next; i++) {
        unsigned n = (unsigned)((j->log_next - 1 - i) % JOURNAL_LOG);
        const struct request r = { .addr = j->log_addr[n],
                                   .type = (uint8_t)(j->log_how[n] >> 36 & 0xf) };
        size_t end = append_register(at, &r);

        if (end == sizeof crash.vitals->registers - 1)
            break;
        at = end;
    }
    crash.vitals->registers[at] = '\0';
}

static void say_all(int sig, const siginfo_t *info, const ucontext_t *context)
{
    const greg_t *reg = context->uc_mcontext.gregs;
    uintptr_t fault = sig == SIGSEGV || sig == SIGBUS ? (uintptr_t)info->si_addr : 0;

    say_cause(sig, info);
    put_hex_word("rip 0x", (uint64_t)reg[REG_RIP]);
    put_hex_word(" rsp 0x", (uint64_t)reg[REG_RSP]);
    put_hex_word(" rbp 0x", (uint64_t)reg[REG_RBP]);
    crash_put("\n");
    crash_flush();
    say_doing();
    crash_put_trace((uintptr_t)reg[REG_RIP], (uintptr_t)reg[REG_RSP], (uintptr_t)reg[REG_RBP],
                    fault);
    say_registers();
}

/* The signal is blocked while its handler runs: it strikes when the handler returns, before the
 * instruction that caused it. */
static void die(int sig)
{
    const struct sigaction act = { .sa_handler = SIG_DFL };

    if (sigaction(sig, &act, NULL) < 0 || syscall(SYS_tgkill, crash.pid, crash.pid, sig) < 0)
        _exit(128 + sig);
}

static void fatal(int sig, siginfo_t *info, void *context)
{
    if (!__atomic_exchange_n(&crash.dying, true, __ATOMIC_SEQ_CST))
        say_all(sig, info, context);
    die(sig);
}

static void watchdog(int sig, siginfo_t *info, void *context)
{
    uint64_t alive = crash.alive, events = crash.vitals->events;

    if (info->si_code == SI_TIMER && (alive != crash.seen_alive || events != crash.seen_events)) {
        crash.seen_alive = alive;
        crash.seen_events = events;
        return;
    }
    fatal(sig, info, context);
}

/* ---- installing ----------------------------------------------------------------------------- */

static int catch_signals(void)
{
    struct sigaction act = { .sa_sigaction = fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    const stack_t stack = { .ss_sp = crash.stack, .ss_size = sizeof crash.stack };

    sigfillset(&act.sa_mask);
    if (sigaltstack(&stack, NULL) < 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(fatal_signals); i++)
        if (sigaction(fatal_signals[i].sig, &act, NULL) < 0)
            return -errno;
    act.sa_sigaction = watchdog;
    act.sa_flags |= SA_RESTART;
    return sigaction(CRASH_WATCHDOG_SIGNAL, &act, NULL) < 0 ? -errno : 0;
}

/* A timer on the CPU time of this thread: the kernel looks at it in the scheduler's tick, which
 * does not come while the thread sleeps. */
static int start_watchdog(void)
{
    const struct timespec period = { CRASH_WATCHDOG_MS / 1000,
                                     CRASH_WATCHDOG_MS % 1000 * 1000000L };
    const struct itimerspec both = { period, period };
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
                              .sigev_signo = CRASH_WATCHDOG_SIGNAL };
    timer_t timer;

    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) < 0)
        return -errno;
    return timer_settime(timer, 0, &both, NULL) < 0 ? -errno : 0;
}

/* A fork has no watchdog, but dies as itself. */
static void forked(void)
{
    crash.pid = getpid();
}

int crash_install(volatile struct supervised_vitals *v, struct error *e)
{
    int err;

    crash.pid = getpid();
    crash.vitals = v;
    crash.n = crash.flushed = 0;
    crash.seen_events = v->events;
    v->doing[0] = v->last_words[0] = v->registers[0] = '\0';
    crash_trace_prepare();
    err = -pthread_atfork(NULL, NULL, forked);
    if (err == 0)
        err = catch_signals();
    if (err == 0)
        err = start_watchdog();
    if (err < 0)
        return error_set(e, err, "cannot watch over this process: %s", strerror(-err));
    return 0;
}

void crash_alive(void)
{
    crash.alive++;
}

void crash_watch_machine(struct machine *m)
{
    const struct arena_record *r = m ? arena_find(machine_arena(m), "journal", 0) : NULL;

    crash.journal = NULL;
    crash.machine = NULL;
    memset(crash.device, 0, sizeof crash.device);
    if (!r)
        return;
    for (const struct device *d = machine_devices(m); d; d = d->next)
        if (d->place < CRASH_DEVICES)
            memcpy(crash.device[d->place], d->id, sizeof d->id);
    crash.arena = machine_arena(m)->h;
    crash.journal = arena_at(machine_arena(m), r->state);
    crash.machine = m;
}
