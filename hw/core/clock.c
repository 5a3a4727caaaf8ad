/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock - guest time and device timers.
 *
 * Guest time is the port's time minus the spans in which the guest was stopped. A timer is a
 * deadline field in the state: nothing has to be re-armed after a load, the next deadline is the
 * smallest one that is not 0.
 */
#include "hw/core/core.h"

static uint64_t machine_now(struct machine *m)
{
    uint64_t now = m->s->clock_base;

    if (m->s->running)
        now += m->hv->ops->now(m->hv) - m->s->host_base;
    return now;
}

uint64_t clock_now(struct device *d)
{
    return machine_now(d->m);
}

void machine_set_running(struct machine *m, bool running)
{
    if (m->s->running == running)
        return;
    m->s->clock_base = machine_now(m);
    m->s->host_base = m->hv->ops->now(m->hv);
    m->s->running = running;
}

bool machine_running(const struct machine *m)
{
    return m->s->running;
}

void timer_register(struct device *d, uint64_t *deadline, void (*expired)(struct device *d))
{
    assert(d->ntimers < DEVICE_TIMERS); /* a constant of the device's source */
    d->timer[d->ntimers++] = (struct device_timer){ deadline, expired };
}

void timer_arm(struct device *d, uint64_t *deadline, uint64_t when)
{
    *deadline = when ? when : 1;
    d->m->deadline_stale = true;
}

void timer_cancel(struct device *d, uint64_t *deadline)
{
    if (!*deadline)
        return;
    *deadline = 0;
    d->m->deadline_stale = true;
}

/* The earliest timer; NULL when none is armed. */
static struct device_timer *earliest(struct machine *m, struct device **owner)
{
    struct device_timer *best = NULL;

    for (struct device *d = m->first; d; d = d->next)
        for (unsigned i = 0; i < d->ntimers && !d->fenced; i++)
            if (*d->timer[i].deadline && (!best || *d->timer[i].deadline < *best->deadline)) {
                best = &d->timer[i];
                *owner = d;
            }
    return best;
}

uint64_t machine_deadline(struct machine *m)
{
    if (m->deadline_stale) {
        struct device *owner;
        struct device_timer *t = earliest(m, &owner);

        m->next_deadline = t ? *t->deadline : UINT64_MAX;
        m->deadline_stale = false;
    }
    return m->s->running ? m->next_deadline : UINT64_MAX;
}

uint64_t machine_host_deadline(struct machine *m)
{
    uint64_t deadline = machine_deadline(m);

    if (deadline == UINT64_MAX)
        return UINT64_MAX;
    return deadline <= m->s->clock_base ? 0 : deadline - m->s->clock_base + m->s->host_base;
}

/* A timer that re-arms itself at once must not hold the loop: each timer gets a turn, no more. */
void machine_expired(struct machine *m)
{
    uint64_t now = machine_now(m);

    now += now == 0; /* what is due at 0 stands as 1: 0 is off */
    for (unsigned budget = 64; budget && machine_deadline(m) <= now; budget--) {
        struct device *d = NULL;
        struct device_timer *t = earliest(m, &d);

        if (!t)
            return;
        event_open(m, EVENT_TIMER);
        m->j->timer = (uint8_t)(t - d->timer);
        if (event_begin(d)) {
            *t->deadline = 0;
            m->deadline_stale = true;
            d->stats.events++;
            t->expired(d);
            event_end(d);
        }
        event_close(m);
    }
}
