/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault - a device that breaks when it is told to: for tests of crash recovery, in test builds only
 * (configure --enable-test-faults).
 *
 * Five ports, of which nobody else's are near on a PC:
 *   +0 read   a counter that each read moves on, so that a read done twice shows
 *      write  does one of enum fault
 *   +1 read   errno of the last forbidden system call, 0: it succeeded
 *   +2 read   how often FAULT_ONCE died; kept outside the state, as a death undoes that
 *   +3 scratch
 *   +4 read   the scratch register, as a read without side effects; dies if it is FAULT_READ
 *
 * Datasheet: none. Absent: faults between two events.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/core/device.h"

extern const struct device_ops test_fault_ops;

enum { COUNTER, RESULT, DEATHS, SCRATCH, PORTS, FAULT_READ = 0xfa };
enum fault {
    FAULT_NULL = 1, /* null dereference */
    FAULT_LOOP = 2, /* for ever */
    FAULT_ABORT = 3,
    FAULT_SYSCALL = 4, /* one that no device model needs */
    FAULT_TIMER = 5,   /* null dereference in a timer, a millisecond later */
    FAULT_ONCE = 6,    /* null dereference, but only the first time */
};

#define FAULT_STATE(F, A, S)                                                                       \
    F(S, uint8_t, counter, ANY, 1)                                                                 \
    F(S, uint8_t, result, ANY, 1)                                                                  \
    F(S, uint8_t, scratch, ANY, 1)                                                                 \
    F(S, uint64_t, deadline, ANY, 1)
STATE_DEFINE(fault, FAULT_STATE);

/* The sanitizers would say what is wrong, instead of letting it happen. */
__attribute__((no_sanitize("address", "undefined"), noinline)) static void fault_null(void)
{
    volatile uint32_t *volatile nowhere = NULL;

    *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): what it is for */
}

static void fault_loop(void)
{
    for (volatile uint32_t turns = 0;; turns++)
        ;
}

/* Harmless where it is allowed: there is no process 0 to look into. */
static void fault_syscall(struct fault_state *s)
{
    errno = 0;
    s->result = syscall(SYS_ptrace, PTRACE_PEEKUSER, 0, NULL, NULL) < 0 ? (uint8_t)errno : 0;
}

static void fault_once(struct device *d)
{
    uint8_t *deaths = d->bulk;

    if (*deaths)
        return;
    ++*(volatile uint8_t *)deaths;
    fault_null();
}

static void fault_do(struct device *d, uint8_t what)
{
    struct fault_state *s = d->state;

    switch (what) {
    case FAULT_NULL:
        fault_null();
        break;
    case FAULT_LOOP:
        fault_loop();
        break;
    case FAULT_ABORT:
        abort();
    case FAULT_SYSCALL:
        fault_syscall(s);
        break;
    case FAULT_TIMER:
        timer_arm(d, &s->deadline, clock_now(d) + 1000000);
        break;
    case FAULT_ONCE:
        fault_once(d);
        break;
    default:
        break;
    }
}

static uint64_t fault_read(struct device *d, uint32_t offset, unsigned width)
{
    struct fault_state *s = d->state;

    (void)width; /* bytes only, here and below */
    switch (offset) {
    case COUNTER:
        return ++s->counter;
    case RESULT:
        return s->result;
    case DEATHS:
        return *(const uint8_t *)d->bulk;
    default:
        return s->scratch;
    }
}

static uint64_t fault_peek(struct device *d, uint32_t offset, unsigned width)
{
    const struct fault_state *s = d->state;

    (void)offset;
    (void)width;
    if (s->scratch == FAULT_READ)
        fault_null();
    return s->scratch;
}

static void fault_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct fault_state *s = d->state;

    (void)width;
    if (offset == COUNTER)
        fault_do(d, (uint8_t)value);
    else if (offset == SCRATCH)
        s->scratch = (uint8_t)value;
}

static void fault_expired(struct device *d)
{
    (void)d;
    fault_null();
}

static int fault_realize(struct device *d, struct error *e)
{
    struct fault_state *s = d->state;

    (void)e;
    timer_register(d, &s->deadline, fault_expired);
    return 0;
}

static const struct region fault_regions[] = {
    { .name = "fault", .space = BUS_PIO, .size = PORTS, .read = fault_read, .write = fault_write },
    { .name = "peek", .space = BUS_PIO, .size = 1, .read = fault_peek, .constant = true },
};

const struct device_ops test_fault_ops = {
    .name = "test_fault",
    .size = sizeof(struct device),
    .state = &fault_desc,
    .bulk_size = 64,
    .regions = fault_regions,
    .nregions = ARRAY_SIZE(fault_regions),
    .realize = fault_realize,
};
