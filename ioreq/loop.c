/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - the one event loop of a process, around epoll.
 *
 * One epoll call per wake-up, no allocation after loop_new(), no clock read while no deadline is
 * set: an idle process sleeps without a timeout. Deadlines sleep in epoll_pwait2() (Linux 5.11),
 * whose nanoseconds make a timerfd unnecessary.
 *
 * With loop_use_quick() the sleep is a read on one source, when the last look at all of them has
 * found nothing else, none of them can become ready without a signal, and no deadline is set.
 *
 * Order of one turn: deferred work, the poll hook, timers that are due, then descriptors.
 * Absent: priorities between sources, signals (use a signalfd), edge triggering (EPOLLET may be
 *         asked for, but then a source that was not drained is not called again).
 */
#define _GNU_SOURCE 1
#include "ioreq/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ioreq/quick.h"

enum {
    LOOP_BATCH = 16,    /* events fetched by one epoll call */
    LOOP_BUSY_RUN = 16, /* turns in a row that may skip epoll because there was other work */
};
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* What one epoll call returned. Lives on the stack of loop_turn(); turns can nest, so these form a
 * chain in which loop_remove() finds every event not yet delivered. */
struct loop_batch {
    struct epoll_event events[LOOP_BATCH];
    int count;
    int next; /* first event not yet delivered */
    struct loop_batch *outer;
};

struct loop {
    int epoll_fd;
    bool stop;
    bool no_pwait2; /* the kernel is older than 5.11 or a filter refuses the call */
    unsigned busy_run;
    struct loop_work *first, *last;
    const struct loop_hooks *hooks;
    struct loop_batch *batch;
    bool quick;    /* sources are announced */
    bool silent;   /* at the last look only `reader` had something, or nobody */
    unsigned mute; /* sources that can become ready without a signal */
    int expected;  /* events under way on promised sources */
    struct loop_source *reader;
    bool (*read)(void *opaque);
};

uint64_t loop_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        int err = errno;

        free(l);
        errno = err;
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    close(l->epoll_fd);
    free(l);
}

/* Signals tell of data to read, not of room to write. */
static void note_mute(struct loop *l, struct loop_source *s, bool mute)
{
    if (mute != s->mute)
        l->mute += mute ? 1 : UINT_MAX;
    s->mute = mute;
    l->silent = false; /* what it has now, it has not announced */
}

int loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = s };

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0)
        return -errno;
    s->active = true;
    s->mute = false;
    if (l->quick && s != l->reader && !s->promised)
        note_mute(l, s, events != EPOLLIN || !quick_announce(s->fd));
    return 0;
}

int loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = s };

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) < 0)
        return -errno;
    if (l->quick && s != l->reader && !s->promised)
        note_mute(l, s, events != EPOLLIN || !quick_announce(s->fd));
    return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
    if (!s->active)
        return;
    s->active = false;
    note_mute(l, s, false);
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL); /* EBADF: the caller closed it already */
    for (struct loop_batch *b = l->batch; b; b = b->outer)
        for (int i = b->next; i < b->count; i++)
            if (b->events[i].data.ptr == s)
                b->events[i].data.ptr = NULL;
}

bool loop_use_quick(struct loop *l)
{
    l->quick = quick_available();
    return l->quick;
}

void loop_set_quick(struct loop *l, struct loop_source *s, bool (*read)(void *opaque))
{
    l->reader = s;
    l->read = read;
}

void loop_give_up_quick(struct loop *l)
{
    l->quick = false;
}

void loop_expect(struct loop *l, int more)
{
    l->expected += more;
}

void loop_defer(struct loop *l, struct loop_work *w)
{
    if (w->queued)
        return;
    w->queued = true;
    w->next = NULL;
    if (l->last)
        l->last->next = w;
    else
        l->first = w;
    l->last = w;
}

void loop_cancel(struct loop *l, struct loop_work *w)
{
    struct loop_work *before = NULL;

    if (!w->queued)
        return;
    for (struct loop_work *i = l->first; i != w; i = i->next)
        before = i;
    if (before)
        before->next = w->next;
    else
        l->first = w->next;
    if (l->last == w)
        l->last = before;
    w->queued = false;
}

void loop_set_hooks(struct loop *l, const struct loop_hooks *hooks)
{
    l->hooks = hooks;
}

/* Runs as many pieces of work as are queued now; what is deferred meanwhile waits for the next
 * turn, so that work which always defers itself cannot keep descriptors from being served. */
static bool loop_run_deferred(struct loop *l)
{
    unsigned left = 0;

    if (!l->first)
        return false;
    for (const struct loop_work *w = l->first; w; w = w->next)
        left++;
    for (; left && l->first; left--) {
        struct loop_work *w = l->first;

        l->first = w->next;
        if (!l->first)
            l->last = NULL;
        w->queued = false;
        w->run(w->opaque);
    }
    return true;
}

/* Runs timers that are due. *timeout: ns until the next one, UINT64_MAX for none. */
static bool loop_run_timers(struct loop *l, uint64_t *timeout)
{
    const struct loop_hooks *h = l->hooks;
    bool ran = false;

    *timeout = UINT64_MAX;
    if (!h || !h->deadline)
        return false;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t deadline = h->deadline(h->opaque), now;

        if (deadline == UINT64_MAX) {
            *timeout = UINT64_MAX;
            break;
        }
        now = loop_now();
        *timeout = deadline > now ? deadline - now : 0;
        /* Second pass: what became due while timers ran waits until descriptors were served. */
        if (*timeout || pass)
            break;
        h->expired(h->opaque);
        ran = true;
    }
    return ran;
}

static int loop_wait(struct loop *l, struct epoll_event *events, uint64_t timeout)
{
    struct timespec t;
    int n, ms;

    if (!l->no_pwait2) {
        t.tv_sec = (time_t)(timeout / NS_PER_S);
        t.tv_nsec = (long)(timeout % NS_PER_S);
        n = epoll_pwait2(l->epoll_fd, events, LOOP_BATCH, timeout == UINT64_MAX ? NULL : &t, NULL);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n;
        l->no_pwait2 = true;
    }
    if (timeout == UINT64_MAX)
        ms = -1;
    else if (timeout > 3600 * NS_PER_S)
        ms = 3600 * 1000; /* waking once more in an hour is harmless */
    else
        ms = (int)((timeout + NS_PER_MS - 1) / NS_PER_MS); /* up: never spin before a deadline */
    return epoll_wait(l->epoll_fd, events, LOOP_BATCH, ms);
}

static bool loop_dispatch(struct loop *l, uint64_t timeout)
{
    struct loop_batch b;
    bool ran = false;

    if (l->quick)
        quick_forget();
    b.count = loop_wait(l, b.events, timeout);
    l->silent = b.count <= 0 || (b.count == 1 && b.events[0].data.ptr == l->reader);
    if (b.count <= 0)
        return false; /* timeout, or a signal */
    b.outer = l->batch;
    l->batch = &b;
    for (int i = 0; i < b.count; i++) {
        struct loop_source *s = b.events[i].data.ptr;

        b.next = i + 1;
        if (!s)
            continue;
        s->ready(s->opaque, b.events[i].events);
        ran = true;
    }
    l->batch = b.outer;
    return ran;
}

/* What has become ready since `silent` was found has poked us. */
static bool may_read(const struct loop *l)
{
    return l->quick && l->silent && l->reader && l->reader->active && !l->mute && !l->expected &&
           !quick_poked();
}

bool loop_turn(struct loop *l, bool may_sleep)
{
    bool ran = loop_run_deferred(l);
    uint64_t timeout;

    if (l->hooks && l->hooks->poll)
        ran |= l->hooks->poll(l->hooks->opaque);
    ran |= loop_run_timers(l, &timeout);
    /* After work the next turn looks again before it sleeps. This one needs no system call for
     * that, but descriptors are never kept waiting for more than LOOP_BUSY_RUN turns. */
    if (ran && may_sleep && ++l->busy_run < LOOP_BUSY_RUN)
        return true;
    l->busy_run = 0;
    if (ran || !may_sleep || l->first || l->stop)
        timeout = 0;
    if (timeout == UINT64_MAX && may_read(l) && l->read(l->reader->opaque))
        return true;
    return loop_dispatch(l, timeout) || ran;
}

void loop_run(struct loop *l)
{
    while (!l->stop)
        loop_turn(l, true);
    l->stop = false; /* a loop_stop() before loop_run() counts for that run */
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}
