/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_loop - the event loop: removal while events are pending, order of timers, deferred work,
 * sleeping without waking up.
 */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "ioreq/quick.h"

#define MS UINT64_C(1000000)

struct fixture {
    struct loop *l;
    struct loop_source a, b;
    unsigned a_calls, b_calls;
    char order[64]; /* one letter per callback */
};

static void note(struct fixture *f, char c)
{
    size_t n = strlen(f->order);

    if (n + 1 < sizeof f->order)
        f->order[n] = c;
}

static void event_drain(int fd)
{
    uint64_t v;

    assert_int_equal(read(fd, &v, sizeof v), sizeof v);
}

static void event_set(int fd)
{
    uint64_t v = 1;

    assert_int_equal(write(fd, &v, sizeof v), sizeof v);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->l = loop_new();
    assert_non_null(f->l);
    f->a.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    f->b.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    f->a.opaque = f->b.opaque = f;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    loop_remove(f->l, &f->a);
    loop_remove(f->l, &f->b);
    close(f->a.fd);
    close(f->b.fd);
    loop_free(f->l);
    free(f);
    return 0;
}

static void a_ready(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    assert_int_equal(events, EPOLLIN);
    f->a_calls++;
    note(f, 'a');
    event_drain(f->a.fd);
}

static void b_ready(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    assert_int_equal(events, EPOLLIN);
    f->b_calls++;
    note(f, 'b');
    event_drain(f->b.fd);
}

static void add_both(struct fixture *f)
{
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    assert_int_equal(loop_add(f->l, &f->b, EPOLLIN), 0);
}

static void test_ready_sources_are_called_once(void **state)
{
    struct fixture *f = *state;

    f->a.ready = a_ready;
    f->b.ready = b_ready;
    add_both(f);
    assert_false(loop_turn(f->l, false));
    event_set(f->a.fd);
    event_set(f->b.fd);
    assert_true(loop_turn(f->l, true));
    assert_int_equal(f->a_calls, 1);
    assert_int_equal(f->b_calls, 1);
    assert_false(loop_turn(f->l, false));
    assert_int_equal(f->a_calls + f->b_calls, 2);
}

/* Whichever runs first removes the other one, which is ready in the same batch. */
static void a_removes_b(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    a_ready(opaque, events);
    loop_remove(f->l, &f->b);
}

static void b_removes_a(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    b_ready(opaque, events);
    loop_remove(f->l, &f->a);
}

static void test_removed_in_same_batch_is_not_called(void **state)
{
    struct fixture *f = *state;

    f->a.ready = a_removes_b;
    f->b.ready = b_removes_a;
    add_both(f);
    event_set(f->a.fd);
    event_set(f->b.fd);
    assert_true(loop_turn(f->l, true));
    assert_int_equal(f->a_calls + f->b_calls, 1);
    assert_false(loop_turn(f->l, false));
    assert_int_equal(f->a_calls + f->b_calls, 1);
    /* Twice is once, and a source may come back. */
    loop_remove(f->l, &f->a);
    loop_remove(f->l, &f->a);
    loop_remove(f->l, &f->b);
    f->a.ready = a_ready;
    f->b.ready = b_ready;
    add_both(f);
    assert_true(loop_turn(f->l, true)); /* the one not served yet */
    assert_int_equal(f->a_calls, 1);
    assert_int_equal(f->b_calls, 1);
}

static void a_removes_itself(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    (void)events;
    f->a_calls++;
    loop_remove(f->l, &f->a); /* still readable: it must not be called again */
}

static void test_source_removes_itself(void **state)
{
    struct fixture *f = *state;

    f->a.ready = a_removes_itself;
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    event_set(f->a.fd);
    assert_true(loop_turn(f->l, true));
    assert_false(loop_turn(f->l, false));
    assert_int_equal(f->a_calls, 1);
}

/* A callback may run the loop itself; a source removed in there stays removed outside. */
static void a_nests(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    a_ready(opaque, events);
    loop_turn(f->l, false);
    loop_remove(f->l, &f->b);
}

static void test_nested_turn(void **state)
{
    struct fixture *f = *state;

    f->a.ready = a_nests;
    f->b.ready = b_ready;
    add_both(f);
    event_set(f->a.fd);
    event_set(f->b.fd);
    loop_turn(f->l, true);
    assert_int_equal(f->a_calls, 1);
    assert_int_equal(f->b_calls, 1); /* inside or before, but never twice */
}

static void test_modify(void **state)
{
    struct fixture *f = *state;

    f->a.ready = a_ready;
    assert_int_equal(loop_add(f->l, &f->a, 0), 0);
    event_set(f->a.fd);
    assert_false(loop_turn(f->l, false));
    assert_int_equal(loop_modify(f->l, &f->a, EPOLLIN), 0);
    assert_true(loop_turn(f->l, false));
    assert_int_equal(f->a_calls, 1);
}

static void test_add_reports_errors(void **state)
{
    struct fixture *f = *state;
    struct loop_source bad = { .fd = -1, .ready = a_ready };
    int null = open("/dev/zero", O_RDONLY), file = open("/proc/self/exe", O_RDONLY);

    assert_int_equal(loop_add(f->l, &bad, EPOLLIN), -EBADF);
    assert_false(bad.active);
    bad.fd = file; /* regular files cannot be polled */
    assert_int_equal(loop_add(f->l, &bad, EPOLLIN), -EPERM);
    close(null);
    close(file);
}

/* However busy everything else is, a descriptor waits for a bounded number of turns. */
static unsigned turns_until_a(struct fixture *f)
{
    unsigned turns = 0;

    for (; !f->a_calls && turns < 100; turns++)
        assert_true(loop_turn(f->l, true));
    assert_int_equal(f->a_calls, 1);
    assert_in_range(turns, 1, 16);
    return turns;
}

/* ---- deferred work ---- */

struct work {
    struct loop_work w;
    struct fixture *f;
    char name;
    struct work *defer, *cancel; /* done when it runs */
};

static void work_run(void *opaque)
{
    struct work *w = opaque;

    note(w->f, w->name);
    if (w->cancel)
        loop_cancel(w->f->l, &w->cancel->w);
    if (w->defer)
        loop_defer(w->f->l, &w->defer->w);
}

static struct work work(struct fixture *f, char name)
{
    return (struct work){ .w.run = work_run, .f = f, .name = name };
}

static void test_deferred_work_runs_once_in_order(void **state)
{
    struct fixture *f = *state;
    struct work x = work(f, 'x'), y = work(f, 'y'), z = work(f, 'z');

    x.w.opaque = &x;
    y.w.opaque = &y;
    z.w.opaque = &z;
    loop_defer(f->l, &x.w);
    loop_defer(f->l, &y.w);
    loop_defer(f->l, &x.w); /* queued already */
    loop_defer(f->l, &z.w);
    loop_cancel(f->l, &y.w);
    loop_cancel(f->l, &y.w);
    assert_true(loop_turn(f->l, true)); /* must not sleep for ever either */
    assert_string_equal(f->order, "xz");
    assert_false(loop_turn(f->l, false));
    assert_string_equal(f->order, "xz");
    /* Cancelling the last leaves a queue that still works. */
    loop_defer(f->l, &x.w);
    loop_defer(f->l, &z.w);
    loop_cancel(f->l, &z.w);
    loop_defer(f->l, &y.w);
    loop_turn(f->l, false);
    assert_string_equal(f->order, "xzxy");
}

static void test_deferred_work_cancels_and_defers(void **state)
{
    struct fixture *f = *state;
    struct work x = work(f, 'x'), y = work(f, 'y'), z = work(f, 'z');

    x.w.opaque = &x;
    y.w.opaque = &y;
    z.w.opaque = &z;
    x.cancel = &z; /* the last of the queue */
    x.defer = &x;  /* always comes back: once per turn, no endless loop */
    f->a.ready = a_ready;
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    event_set(f->a.fd);
    loop_defer(f->l, &x.w);
    loop_defer(f->l, &y.w);
    loop_defer(f->l, &z.w);
    turns_until_a(f); /* descriptors are served all the same */
    x.defer = NULL;
    assert_true(loop_turn(f->l, true));
    assert_null(strchr(f->order, 'z'));
    assert_false(loop_turn(f->l, false));
}

/* ---- hooks ---- */

struct timers {
    struct fixture *f;
    uint64_t at[4]; /* UINT64_MAX: unset */
    unsigned deadline_calls, poll_calls, poll_hits;
    bool rearm; /* due again at once */
};

static uint64_t timers_deadline(void *opaque)
{
    struct timers *t = opaque;
    uint64_t first = UINT64_MAX;

    t->deadline_calls++;
    for (unsigned i = 0; i < 4; i++)
        if (t->at[i] < first)
            first = t->at[i];
    return first;
}

/* Runs the earliest only, so that the order can be seen. */
static void timers_expired(void *opaque)
{
    struct timers *t = opaque;
    uint64_t first = timers_deadline(t);

    assert_true(first <= loop_now());
    for (unsigned i = 0; i < 4; i++) {
        if (t->at[i] == first) {
            t->at[i] = t->rearm ? 0 : UINT64_MAX;
            note(t->f, (char)('0' + i));
            return;
        }
    }
}

static bool timers_poll(void *opaque)
{
    struct timers *t = opaque;

    t->poll_calls++;
    if (!t->poll_hits)
        return false;
    t->poll_hits--;
    return true;
}

static void test_timers_run_in_order_and_not_early(void **state)
{
    struct fixture *f = *state;
    uint64_t start = loop_now();
    struct timers t = { .f = f, .at = { start + 9 * MS, start + 3 * MS, start, start + 6 * MS } };
    struct loop_hooks h = { .deadline = timers_deadline, .expired = timers_expired, .opaque = &t };
    unsigned turns = 0;

    loop_set_hooks(f->l, &h);
    while (strlen(f->order) < 4 && turns < 100) {
        loop_turn(f->l, true);
        turns++;
    }
    assert_string_equal(f->order, "2130");
    assert_true(loop_now() >= start + 9 * MS);
    assert_in_range(turns, 1, 12); /* it slept, it did not spin */
    loop_set_hooks(f->l, NULL);
}

static void test_timers_do_not_starve_descriptors(void **state)
{
    struct fixture *f = *state;
    struct timers t = { .f = f, .at = { 0, 0, 0, 0 }, .rearm = true };
    struct loop_hooks h = { .deadline = timers_deadline, .expired = timers_expired, .opaque = &t };

    f->a.ready = a_ready;
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    event_set(f->a.fd);
    loop_set_hooks(f->l, &h);
    turns_until_a(f);
    loop_set_hooks(f->l, NULL);
}

static void test_poll_hook(void **state)
{
    struct fixture *f = *state;
    struct timers t = { .f = f,
                        .poll_hits = 1000,
                        .at = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
    struct loop_hooks h = {
        .deadline = timers_deadline, .expired = timers_expired, .poll = timers_poll, .opaque = &t
    };
    unsigned turns;

    f->a.ready = a_ready;
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    loop_set_hooks(f->l, &h);
    event_set(f->a.fd);
    turns = turns_until_a(f);
    t.poll_hits = 0;
    assert_false(loop_turn(f->l, false));
    assert_int_equal(t.poll_calls, turns + 1);
    loop_set_hooks(f->l, NULL);
}

/* ---- sleeping ---- */

static void stop_run(void *opaque)
{
    struct fixture *f = opaque;

    note(f, 's');
    loop_stop(f->l);
}

static void a_stops(void *opaque, uint32_t events)
{
    struct fixture *f = opaque;

    a_ready(opaque, events);
    loop_stop(f->l);
}

static void test_run_until_stop(void **state)
{
    struct fixture *f = *state;
    struct loop_work w = { .run = stop_run, .opaque = f };

    loop_defer(f->l, &w);
    loop_run(f->l);
    assert_string_equal(f->order, "s");
    loop_stop(f->l); /* before the run: it counts */
    loop_run(f->l);
    f->a.ready = a_stops;
    assert_int_equal(loop_add(f->l, &f->a, EPOLLIN), 0);
    event_set(f->a.fd);
    loop_run(f->l);
    assert_string_equal(f->order, "sa");
}

static int alarm_pipe[2];

static void on_alarm(int sig)
{
    ssize_t n = write(alarm_pipe[1], "x", 1);

    (void)sig;
    (void)n;
}

static void pipe_stops(void *opaque, uint32_t events)
{
    (void)events;
    loop_stop(opaque);
}

/* An idle loop sleeps through: with no deadline, one wake-up for the one event, and a signal in
 * between is survived. */
static void test_idle_does_not_wake_up(void **state)
{
    struct fixture *f = *state;
    struct timers t = { .f = f, .at = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
    struct loop_hooks h = { .deadline = timers_deadline, .expired = timers_expired, .opaque = &t };
    struct itimerval in_60ms = { .it_value.tv_usec = 60000 };
    struct sigaction act = { .sa_handler = on_alarm }, old;
    struct loop_source s = { .ready = pipe_stops, .opaque = f->l };
    uint64_t start = loop_now();

    assert_int_equal(pipe2(alarm_pipe, O_CLOEXEC | O_NONBLOCK), 0);
    s.fd = alarm_pipe[0];
    assert_int_equal(loop_add(f->l, &s, EPOLLIN), 0);
    loop_set_hooks(f->l, &h);
    sigaction(SIGALRM, &act, &old);
    setitimer(ITIMER_REAL, &in_60ms, NULL);
    loop_run(f->l);
    sigaction(SIGALRM, &old, NULL);
    assert_true(loop_now() - start >= 50 * MS);
    assert_in_range(t.deadline_calls, 1, 3); /* asked once per turn */
    loop_set_hooks(f->l, NULL);
    loop_remove(f->l, &s);
    close(alarm_pipe[0]);
    close(alarm_pipe[1]);
}

static void test_many_sources(void **state)
{
    enum { N = 40 }; /* more than one batch */
    struct fixture *f = *state;
    struct loop_source s[N];
    struct fixture each[N];

    memset(each, 0, sizeof each);
    for (int i = 0; i < N; i++) {
        each[i].a.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
        s[i] = (struct loop_source){ .fd = each[i].a.fd, .ready = a_ready, .opaque = &each[i] };
        assert_int_equal(loop_add(f->l, &s[i], EPOLLIN), 0);
    }
    for (int turn = 0; turn < N; turn++)
        loop_turn(f->l, false);
    for (int i = 0; i < N; i++) {
        assert_int_equal(each[i].a_calls, 1);
        loop_remove(f->l, &s[i]);
        close(each[i].a.fd);
    }
}

/* --- Sleeping in a read. A pipe stands for the event channels, a socket for everything else. */

enum { QUICK_ROUNDS = 100000 };

struct quick {
    struct loop *l;
    struct loop_source requests, other;
    int guest, peer; /* the far ends */
    unsigned tries, reads, served, others;
};

static bool quick_wait(void *opaque)
{
    struct quick *q = opaque;
    uint8_t byte;

    q->tries++;
    if (quick_read(q->requests.fd, &byte, 1) != 1)
        return false;
    q->reads++;
    q->served++;
    return true;
}

static void quick_request(void *opaque, uint32_t events)
{
    struct quick *q = opaque;
    uint8_t byte;

    (void)events;
    assert_int_equal(read(q->requests.fd, &byte, 1), 1);
    q->served++;
}

static void quick_other(void *opaque, uint32_t events)
{
    struct quick *q = opaque;
    uint8_t byte;

    (void)events;
    assert_int_equal(read(q->other.fd, &byte, 1), 1);
    q->others++;
}

static void quick_setup(struct quick *q)
{
    int requests[2], other[2];

    *q = (struct quick){ .l = loop_new() };
    assert_non_null(q->l);
    assert_true(loop_use_quick(q->l));
    assert_int_equal(pipe(requests), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    q->requests = (struct loop_source){ .fd = requests[0], .ready = quick_request, .opaque = q };
    q->other = (struct loop_source){ .fd = other[0], .ready = quick_other, .opaque = q };
    q->guest = requests[1];
    q->peer = other[1];
    loop_set_quick(q->l, &q->requests, quick_wait);
    assert_int_equal(loop_add(q->l, &q->requests, EPOLLIN), 0);
    assert_int_equal(loop_add(q->l, &q->other, EPOLLIN), 0);
}

static void quick_teardown(struct quick *q)
{
    loop_remove(q->l, &q->requests);
    loop_remove(q->l, &q->other);
    close(q->requests.fd);
    close(q->other.fd);
    close(q->guest);
    close(q->peer);
    loop_free(q->l);
}

static void put(int fd)
{
    assert_int_equal(write(fd, "", 1), 1);
}

/* So many turns, each with a request there, so that none of them sleeps. */
static void quick_turns(struct quick *q, unsigned turns)
{
    while (turns--) {
        put(q->guest);
        while (!loop_turn(q->l, true))
            ;
    }
}

static void test_quick_reads_when_nothing_else_can_come(void **state)
{
    struct quick q;

    (void)state;
    quick_setup(&q);
    quick_turns(&q, 100);
    assert_int_equal(q.served, 100);
    assert_in_range(q.reads, 90, 100); /* all but the first looks around */
    put(q.peer);
    quick_turns(&q, 20);
    assert_int_equal(q.others, 1);
    assert_int_equal(q.served, 120);
    quick_teardown(&q);
}

static void test_quick_waits_for_what_is_expected_in_epoll(void **state)
{
    struct quick q;

    (void)state;
    quick_setup(&q);
    loop_expect(q.l, 1);
    quick_turns(&q, 20);
    assert_int_equal(q.reads, 0);
    loop_expect(q.l, -1);
    quick_turns(&q, 20);
    assert_true(q.reads > 10);
    quick_teardown(&q);
}

/* An eventfd sends no signals, and nobody promises when it is ready. */
static void test_quick_not_with_a_source_that_is_mute(void **state)
{
    struct fixture *f = *state;
    struct quick q;

    quick_setup(&q);
    f->a.ready = a_ready;
    assert_int_equal(loop_add(q.l, &f->a, EPOLLIN), 0);
    quick_turns(&q, 20);
    assert_int_equal(q.reads, 0);
    event_set(f->a.fd);
    quick_turns(&q, 2);
    assert_int_equal(f->a_calls, 1);
    loop_remove(q.l, &f->a);
    quick_turns(&q, 20);
    assert_true(q.reads > 10);
    f->a.promised = true;
    assert_int_equal(loop_add(q.l, &f->a, EPOLLIN), 0);
    q.reads = 0;
    quick_turns(&q, 20);
    assert_true(q.reads > 10);
    loop_remove(q.l, &f->a);
    /* Room to write is not announced. */
    assert_int_equal(loop_modify(q.l, &q.other, EPOLLIN | EPOLLPRI), 0);
    q.reads = 0;
    quick_turns(&q, 20);
    assert_int_equal(q.reads, 0);
    assert_int_equal(loop_modify(q.l, &q.other, EPOLLIN), 0);
    quick_turns(&q, 20);
    assert_true(q.reads > 10);
    loop_give_up_quick(q.l);
    q.reads = 0;
    quick_turns(&q, 20);
    assert_int_equal(q.reads, 0);
    quick_teardown(&q);
}

#ifdef __x86_64__
extern const char quick_begin[], quick_end[]; /* ioreq/quick.c: the look at the flag and the call */

/* A process that goes to sleep in quick_read() is stopped before the instruction at `where`, and
 * gets its signal there. True: it returned. False: it slept on, over the signal. */
static bool woken_at(uintptr_t where)
{
    struct user_regs_struct regs = { 0 };
    int fd[2], status = 0;
    pid_t child;

    assert_int_equal(pipe(fd), 0);
    child = fork();
    if (child == 0) {
        uint8_t byte;

        quick_forget();
        alarm(5);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
            _exit(2);
        _exit(quick_read(fd[0], &byte, 1) == -EINTR ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    for (unsigned step = 0; regs.rip != where; step++) {
        assert_true(step < 1000000);
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(ptrace(PTRACE_GETREGS, child, NULL, &regs), 0);
    }
    assert_int_equal(ptrace(PTRACE_CONT, child, NULL, (void *)(uintptr_t)SIGIO), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSTOPPED(status)) { /* SIGALRM */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    close(fd[0]);
    close(fd[1]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_quick_signal_just_before_the_call(void **state)
{
    uintptr_t begin = (uintptr_t)quick_begin, end = (uintptr_t)quick_end;

    (void)state;
    assert_true(quick_available());
    assert_true(woken_at(begin));
    assert_true(woken_at(begin + 3)); /* the jump */
    assert_true(woken_at(end - 2));   /* the call */
}

static int said_by_handler = -1;

static void say(int sig)
{
    (void)sig;
    if (write(said_by_handler, "", 1) < 0)
        _exit(3);
}

static void note_only(int sig)
{
    (void)sig;
}

static bool sleeps(pid_t pid)
{
    char path[64], text[256] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    return strstr(text, ") S ") != NULL;
}

/* A process that sleeps in quick_read() gets the signals. True: it woke up. */
static bool woken_by(void (*handler)(int), bool both)
{
    int fd[2], word[2], status = 0;
    pid_t child;

    assert_int_equal(pipe(fd), 0);
    assert_int_equal(pipe(word), 0);
    child = fork();
    if (child == 0) {
        uint8_t byte;

        said_by_handler = word[1];
        alarm(5);
        quick_forget();
        if (quick_catch(SIGUSR2, handler) < 0 || !quick_announce(word[0]))
            _exit(2);
        _exit(quick_read(fd[0], &byte, 1) == -EINTR ? 0 : 1);
    }
    while (!sleeps(child))
        usleep(1000);
    if (both) { /* both are there when it looks: the supervisor has died, and its socket is closed
                 */
        kill(child, SIGSTOP);
        assert_int_equal(waitpid(child, &status, WUNTRACED), child);
        kill(child, SIGIO);
    }
    kill(child, SIGUSR2);
    kill(child, SIGCONT);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(fd[0]);
    close(fd[1]);
    close(word[0]);
    close(word[1]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* SIGIO that strikes while another handler runs must still end the read that this one restarts. */
static void test_quick_signal_inside_another_handler(void **state)
{
    (void)state;
    assert_true(quick_available());
    assert_true(woken_by(say, false));
    assert_true(woken_by(note_only, true));
}
#endif

/* Another process says something at any moment, and again when it has been heard: a word that does
 * not wake the loop out of its read hangs the test. After each request the loop goes to sleep. */
static void test_quick_never_sleeps_over_a_word(void **state)
{
    struct quick q;
    pid_t child;
    int status;

    (void)state;
    quick_setup(&q);
    child = fork();
    if (child == 0) {
        uint8_t heard;

        for (unsigned i = 0; i < QUICK_ROUNDS; i++) {
            if (write(q.guest, "", 1) != 1)
                _exit(1);
            for (volatile unsigned spin = (i * 7919u) % 20000u; spin; spin--)
                ;
            if (write(q.peer, "", 1) != 1 || read(q.peer, &heard, 1) != 1)
                _exit(2);
        }
        _exit(0);
    }
    alarm(120);
    while (q.others < QUICK_ROUNDS) {
        unsigned before = q.others;

        loop_turn(q.l, true);
        if (q.others != before)
            put(q.other.fd);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    alarm(0);
    assert_true(q.tries > QUICK_ROUNDS / 10); /* it did go to sleep there */
    quick_teardown(&q);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_ready_sources_are_called_once),
        T(test_removed_in_same_batch_is_not_called),
        T(test_source_removes_itself),
        T(test_nested_turn),
        T(test_modify),
        T(test_add_reports_errors),
        T(test_deferred_work_runs_once_in_order),
        T(test_deferred_work_cancels_and_defers),
        T(test_timers_run_in_order_and_not_early),
        T(test_timers_do_not_starve_descriptors),
        T(test_poll_hook),
        T(test_run_until_stop),
        T(test_idle_does_not_wake_up),
        T(test_many_sources),
        T(test_quick_reads_when_nothing_else_can_come),
        T(test_quick_waits_for_what_is_expected_in_epoll),
        T(test_quick_not_with_a_source_that_is_mute),
#ifdef __x86_64__
        T(test_quick_signal_just_before_the_call),
        T(test_quick_signal_inside_another_handler),
#endif
        T(test_quick_never_sleeps_over_a_word),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
