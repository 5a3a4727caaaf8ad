/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confined - children that enter the sandbox, for its tests.
 *
 * A child never uses cmocka's assertions, which would return into the runner: it CHECKs.
 */
#ifndef TESTS_CONFINED_H
#define TESTS_CONFINED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <config.h>
#include <sys/types.h>

#include "toolstack/sandbox.h"

#define CONFINED_USER (HVMDM_UID_BASE + 7)

extern const struct sandbox confined_model, confined_pv;

/* Skips the test, with the reason, where the sandbox cannot be had. */
void confined_possible(void);

/* fork(), without the runner's signal handlers in the child. */
pid_t confined_fork(void);

/* Run f in a child; its status as of waitpid(), 0 when f returned. */
int confined_run(void (*f)(void *opaque), void *opaque);

/* In a child: enter, or end. */
void confined_enter(const struct sandbox *s);

/* In a child: end with a line on what went wrong. */
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            confined_give_up(#x, __FILE__, __LINE__);                                              \
    } while (0)
__attribute__((noreturn)) void confined_give_up(const char *what, const char *file, int line);

#endif
