/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brood - the real supervisor in a process of its own, with small workers, for tests of it.
 *
 * The test program itself is all of them: started with the environment of a worker it is one, with
 * --check-arena it looks at an arena, with $TEST_SUPERVISOR it is the supervisor (brood_main()).
 * What happens is written, a line each, to $TEST_DIR/log. What a worker does beyond the usual
 * stands as words in the file $TEST_DIR/model.GENERATION, or else $TEST_DIR/model (pv alike):
 *
 *     server            it says that it has an ioreq server (5)
 *     idle              no event completes
 *     arena             a new arena takes the place of the one that is held
 *     ctl               it listens at 7.ctl, and cannot remove that name
 *     hoard, say        more descriptors than can be held; last words
 *     die, fail, silent SIGSEGV, exit status 3, nothing at all before it is ready
 *     sleep, want       a sleep state, the PV worker, when it is ready
 *     store             a connection to xenstore
 *     leave, give up    ends with status 0 then, with status 4
 *     deaf, stuck       does not follow QUIT, HAND_OVER
 *     late              with stuck: lets go when it is told to end
 *     expire            dies after it has handed over
 *     user              it is ready as user 4711, group 4712
 *
 * Other files there: dm-restrict, pv-only (as libxl starts it then), flood (no worker reads its
 * socket), domain-gone, records, check-fails, check-hangs, self-fails. Functions check with
 * cmocka's assertions.
 */
#ifndef TESTS_BROOD_H
#define TESTS_BROOD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tests/xenstored.h"

#define BROOD_NODE "/local/domain/0/device-model/7"

enum {
    BROOD_WAIT_MS = 20000,    /* for what has to happen */
    BROOD_PATIENCE_MS = 1500, /* the supervisor's, for each step of an upgrade */
};

struct brood {
    char dir[40]; /* $TEST_DIR */
    struct xenstored x;
    pid_t pid; /* the supervisor's; 0: it has ended */
    size_t at; /* in the log: what is before was waited for already */
    char log[65536];
};

/* For main(): -1 if this process is the test. */
int brood_main(int argc, char *argv[]);

/* Files in $TEST_DIR. */
void brood_path(char *to, size_t size, const char *name);
bool brood_exists(const char *name);
bool brood_slurp(const char *name, char *to, size_t size);
void brood_put(const char *name, const char *text);
void brood_remove(const char *name);
void brood_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

void brood_prepare(struct brood *b);
void brood_launch(struct brood *b); /* the supervisor; it inherits one descriptor */
/* Both, with these words for the first model, which serves then. Its pid. */
pid_t brood_start(struct brood *b, const char *words);
void brood_end(struct brood *b); /* and nothing is left */
/* The supervisor ends within a second, says its contract (the lab's supervisor-end looks at that);
 * here beside other tests and the lab, which may keep it waiting. */
enum { BROOD_END_MS = 5000 };
/* The supervisor's exit status, within `ms`; -1 if it is not that. */
int brood_status(struct brood *b, unsigned ms);

/* Wait for this text in the log, behind what was waited for before; what follows it. */
const char *brood_await(struct brood *b, const char *text);
/* The same, wherever it stands: for what two processes do at the same time. */
void brood_await_too(struct brood *b, const char *text);
/* "WHO pid N REST", REST at least so long. N. */
pid_t brood_await_worker(struct brood *b, const char *who, const char *rest);
void brood_await_running(struct brood *b); /* in xenstore */
bool brood_happened(struct brood *b, const char *text);
bool brood_alive(pid_t pid);
void brood_nap(unsigned ms);

/* What hvmdm-ctl says, and its exit status. */
int brood_ctl(struct brood *b, const char *command, const char *argument, char *said, size_t size);

#endif
