/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_poll - waiting briefly for the next request instead of sleeping.
 *
 * A guest that drives a device by registers sends its next request some microseconds after the last
 * answer; sleeping and waking costs several times that. So after an answer the loop's hook watches
 * the slots for up to twice the usual distance between answer and request, if that is short.
 *
 * It must cost nothing where it cannot work (one physical CPU: the guest runs only while we sleep).
 * `credit` counts how far the last waits paid: one up for each request caught, two down for each
 * wait in vain. At 0 polling is off for `skip` answers; each trial that fails doubles that, up to
 * 65536, and a success resets it. A wait in vain is followed by no measurement of the distance,
 * because its own length would be in it.
 *
 * While polling is on, event channels that fired stay masked: Xen then only sets a pending bit,
 * without an interrupt. They are unmasked before the loop sleeps, and the kernel repeats what came
 * meanwhile, so no event is lost.
 *
 * Units: TSC cycles, because a clock call is too dear here. The longest wait is 2^21 cycles, 0.5 to
 * 1 ms on hosts of 2 to 4 GHz.
 */
#include "ioreq/xen_private.h"

#define WAIT_MAX    (UINT64_C(1) << 21)
#define WAIT_MIN    UINT64_C(20000)
#define CREDIT_MAX  32
#define TRIAL       2 /* credit of a trial: one wait */
#define BACKOFF_MIN 512u
#define BACKOFF_MAX 65536u

static bool worthwhile(const struct xen_poll *p)
{
    return p->gap <= WAIT_MAX / 2;
}

bool xen_poll_active(const struct xen *x)
{
    return x->poll.credit && x->poll.wired && worthwhile(&x->poll);
}

void xen_poll_init(struct xen *x)
{
    x->poll.skip = BACKOFF_MIN; /* learn the distance first */
}

void xen_poll_request(struct xen *x, uint64_t seen)
{
    struct xen_poll *p = &x->poll;
    uint64_t gap = seen - p->answered;

    if (p->failed) {
        p->failed = false;
        return;
    }
    if (gap > 4 * WAIT_MAX)
        gap = 4 * WAIT_MAX;
    p->gap += gap / 8 - p->gap / 8;
}

void xen_poll_answered(struct xen *x)
{
    struct xen_poll *p = &x->poll;

    p->answered = __rdtsc();
    p->armed = true;
    if (p->credit)
        return;
    if (p->skip) {
        p->skip--;
    } else if (worthwhile(p)) {
        p->credit = TRIAL;
        p->backoff = p->backoff < BACKOFF_MAX / 2 ? 2 * p->backoff : BACKOFF_MAX;
        if (p->backoff < BACKOFF_MIN)
            p->backoff = BACKOFF_MIN;
    }
}

static void caught(struct xen *x, uint64_t seen)
{
    struct xen_poll *p = &x->poll;

    xen_poll_request(x, seen);
    x->counters.polled += slots_run_all(&x->slots);
    if (p->credit < CREDIT_MAX)
        p->credit++;
    p->backoff = BACKOFF_MIN / 2;
    xen_poll_answered(x);
}

static void in_vain(struct xen *x)
{
    struct xen_poll *p = &x->poll;

    x->counters.polls++;
    p->failed = true;
    p->credit = p->credit > 2 ? (uint8_t)(p->credit - 2) : 0;
    if (!p->credit)
        p->skip = p->backoff;
}

bool xen_poll(struct hv *hv)
{
    struct xen *x = xen_of(hv);
    struct xen_poll *p = &x->poll;
    uint64_t wait, now;

    p->wired = true;
    if (!x->serving)
        return false;
    if (p->armed && p->credit && worthwhile(p)) {
        p->armed = false;
        wait = 2 * p->gap > WAIT_MIN ? 2 * p->gap : WAIT_MIN;
        do {
            now = __rdtsc();
            if (slots_ready(&x->slots)) {
                caught(x, now);
                return true;
            }
            _mm_pause();
        } while (now - p->answered < wait);
        in_vain(x);
    }
    if (x->nr_masked)
        xen_unmask(x);
    return false;
}
