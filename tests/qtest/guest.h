/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest - a client of the test port: starts the program, and is its processor and its user.
 *
 * Everything goes through the sockets, as with any other client. Functions check with cmocka's
 * assertions; a program that does not answer within some seconds fails the test.
 */
#ifndef TESTS_QTEST_GUEST_H
#define TESTS_QTEST_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/types.h>

struct guest {
    pid_t pid;
    int port, monitor; /* connected sockets */
    char dir[64];      /* a directory of its own */
    char *in;          /* what came on the port and was not looked at yet */
    size_t have, room;
    bool level[24]; /* of interrupt lines, once they are intercepted */
    unsigned edges[24];
};

/* Start with these further arguments (split at spaces; %s in it is the guest's directory), and
 * shake hands on both sockets. */
struct guest *guest_start(const char *arguments);
/* Ask it to end, and wait: the exit status must be 0. */
void guest_stop(struct guest *g);
/* It ends by itself: the exit status. */
int guest_wait(struct guest *g);
void guest_free(struct guest *g); /* after guest_wait() */
/* Cleans up after a failed test, too: for teardown. */
void guest_end_all(void);

/* Another way to start: no sockets, whatever arguments; output and errors come through pipes. The
 * program is hvmdm-model, or another one in the same directory. */
pid_t guest_spawn(const char *program, const char *arguments, int *in, int *out, int *err);
int guest_status(pid_t pid); /* wait for its end; exit status, or -signal */

/* One request, one answer without newline; good until the next call. */
const char *guest_ask(struct guest *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void guest_send(struct guest *g, const void *bytes, size_t n);
const char *guest_answer(struct guest *g); /* the next line that is no notification */

uint8_t guest_inb(struct guest *g, unsigned port);
uint16_t guest_inw(struct guest *g, unsigned port);
uint32_t guest_inl(struct guest *g, unsigned port);
void guest_outb(struct guest *g, unsigned port, unsigned v);
void guest_outw(struct guest *g, unsigned port, unsigned v);
void guest_outl(struct guest *g, unsigned port, uint32_t v);
uint32_t guest_config(struct guest *g, unsigned devfn, unsigned reg); /* dword */
void guest_set_config(struct guest *g, unsigned devfn, unsigned reg, uint32_t v);
void guest_read(struct guest *g, uint64_t addr, void *to, size_t n);
void guest_write(struct guest *g, uint64_t addr, const void *from, size_t n);
uint64_t guest_step(struct guest *g, int64_t ns); /* the time then */
void guest_intercept(struct guest *g);            /* inputs of the I/O APIC */

/* One QMP command as JSON text; the text of its answer, events skipped. */
const char *guest_qmp(struct guest *g, const char *command);
/* Wait for an event of that name; its text. Events before an answer are gone. */
const char *guest_event(struct guest *g, const char *name);

#define EXPECT_EQ(got, want) assert_int_equal((got), (want))
#define EXPECT_TRUE(x)       assert_true(x)

/* A test with a guest that was started so. */
#define GUEST_TEST(name, arguments)                                                                \
    static void name##_with(struct guest *g);                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct guest *g = guest_start(arguments);                                                  \
                                                                                                   \
        (void)state;                                                                               \
        name##_with(g);                                                                            \
        guest_stop(g);                                                                             \
    }                                                                                              \
    static void name##_with(struct guest *g)

/* For the table of tests. */
int guest_teardown(void **state);
#define T(name) cmocka_unit_test_teardown(name, guest_teardown)

#endif
