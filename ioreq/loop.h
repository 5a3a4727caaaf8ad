/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop - the one event loop of a process: descriptors by epoll, deadlines, work for later.
 *
 * Single-threaded. Callbacks run one at a time from loop_run(). A callback may add and remove
 * any source, its own included; a removed source is never called again.
 */
#ifndef IOREQ_LOOP_H
#define IOREQ_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* Embed one per descriptor; owned by the caller, alive until loop_remove(). */
struct loop_source {
    int fd;
    bool promised;     /* ready only while its owner has something loop_expect()ed */
    bool active, mute; /* private */
    void (*ready)(void *opaque, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
    void *opaque;
};

/* One-shot work, run before the loop sleeps again; loop_defer() twice before it ran is one run. */
struct loop_work {
    void (*run)(void *opaque);
    void *opaque;
    struct loop_work *next; /* private */
    bool queued;            /* private */
};

/* Asked before each sleep. `deadline` gives the monotonic ns of the next timer (UINT64_MAX: none);
 * `expired` runs what is due. `poll`, if not NULL, is called before sleeping and returns true if it
 * did work (it may spin briefly on shared memory): then it is asked again before any sleep, with no
 * system call in between for up to 16 turns. */
struct loop_hooks {
    uint64_t (*deadline)(void *opaque);
    void (*expired)(void *opaque);
    bool (*poll)(void *opaque);
    void *opaque;
};

struct loop *loop_new(void); /* NULL with errno */
void loop_free(struct loop *l);
int loop_add(struct loop *l, struct loop_source *s, uint32_t events); /* 0 or -errno */
int loop_modify(struct loop *l, struct loop_source *s, uint32_t events);

/* Let the loop sleep in a read instead of in epoll (see quick.h) as long as nothing but one source
 * has anything to do. Before any source is added; only one loop of a process. False: it cannot. */
bool loop_use_quick(struct loop *l);
/* `read` waits for this source by quick_read() and serves it; false: it was poked, or failed. */
void loop_set_quick(struct loop *l, struct loop_source *s, bool (*read)(void *opaque));
/* Somebody else has been the owner of our descriptors' signals: never sleep in a read again. */
void loop_give_up_quick(struct loop *l);
/* So many more (or fewer) events are under way on sources that are `promised`. */
void loop_expect(struct loop *l, int more);
void loop_remove(struct loop *l, struct loop_source *s); /* twice is once; does not close the fd */
void loop_defer(struct loop *l, struct loop_work *w);
void loop_cancel(struct loop *l, struct loop_work *w);
void loop_set_hooks(struct loop *l, const struct loop_hooks *hooks); /* borrowed, one set */
void loop_run(struct loop *l);                                       /* until loop_stop() */
bool loop_turn(struct loop *l, bool may_sleep); /* one pass; true if anything ran */
void loop_stop(struct loop *l);
uint64_t loop_now(void); /* CLOCK_MONOTONIC, ns */

#endif
