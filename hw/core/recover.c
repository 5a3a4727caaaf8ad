/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recover - what a successor does with the state that a dead device model has left.
 *
 * The event that was running is rolled back, and happens again by itself: the request is still in
 * its slot or in the ring, the timer's deadline and the unfinished host request are in the state.
 * An event that kills its process twice by its own fault must not happen a third time: a timer is
 * switched off, and a device that dies of a register access or of what its host side does is fenced
 * off (reads give ones, writes vanish, no interrupts), so that the guest lives on.
 */
#include "hw/core/core.h"

#define FATAL_FORGET                                                                               \
    100000u /* events without another death: an old fault does not count any more */
#define FATAL_LIMIT 2u

/* Xen's own devices drive the SCI too, and a deassertion of ours would take theirs away. */
#define IRQ_SCI 9

static struct device *device_at(struct machine *m, unsigned place)
{
    for (struct device *d = m->first; d; d = d->next)
        if (d->place == place)
            return d;
    return NULL;
}

static bool same_fatal(const struct journal_state *j, unsigned at)
{
    return j->fatal_count[at] && j->fatal_kind[at] == j->kind && j->fatal_device[at] == j->device;
}

/* Counts how often this event killed its process; true if it must not happen again. */
static bool counts_as_fatal(struct journal_state *j)
{
    unsigned at = 0;
    uint8_t count = 1;

    while (at < JOURNAL_FATALS && !same_fatal(j, at))
        at++;
    if (at < JOURNAL_FATALS && j->events - j->fatal_events[at] < FATAL_FORGET)
        count = j->fatal_count[at] < 0xff ? (uint8_t)(j->fatal_count[at] + 1) : 0xff;
    if (at == JOURNAL_FATALS)
        at--;
    for (; at > 0; at--) {
        j->fatal_kind[at] = j->fatal_kind[at - 1];
        j->fatal_count[at] = j->fatal_count[at - 1];
        j->fatal_device[at] = j->fatal_device[at - 1];
        j->fatal_events[at] = j->fatal_events[at - 1];
    }
    j->fatal_kind[0] = j->kind;
    j->fatal_count[0] = count;
    j->fatal_device[0] = j->device;
    j->fatal_events[0] = j->events;
    return count >= FATAL_LIMIT;
}

static void give_up(struct machine *m)
{
    const struct journal_state *j = m->j;
    struct device *d = device_at(m, j->device);

    if (!d)
        return; /* no device was in a handler: the request itself is dropped */
    if (j->kind == EVENT_TIMER && j->timer < d->ntimers) {
        log_error("%s: its timer %u killed the device model twice and is switched off", d->id,
                  j->timer);
        *d->timer[j->timer].deadline = 0;
        return;
    }
    log_error("%s: killed the device model twice and is switched off: the guest reads ones from it "
              "until a new version of hvmdm takes over or it is started afresh",
              d->id);
    m->s->fenced[d->place] = 1;
}

/* Guest pages [from, from + n) that are not there go back to where they were; those that are, the
 * predecessor had not come to. */
static void move_back(struct machine *m, uint64_t from, uint64_t to, unsigned n)
{
    uint32_t present;
    void *host = m->hv->ops->map_frames(m->hv, from, n, &present);

    if (host)
        m->hv->ops->unmap_frames(m->hv, host, n);
    for (unsigned i = 0; i < n; i++)
        if (!(present >> i & 1) && m->hv->ops->relocate(m->hv, to + i, from + i, 1) < 0)
            return; /* neither here nor there: the guest has given it up */
}

/* The event moved video memory; its state says where that was before. */
static void recover_pages(struct machine *m)
{
    const struct journal_state *j = m->j;

    for (uint64_t i = 0; i < j->move_nr; i += 16)
        move_back(m, j->move_from + i, j->move_to + i,
                  j->move_nr - i < 16 ? (unsigned)(j->move_nr - i) : 16);
}

int recover_state(struct machine *m, bool own_fault, struct error *e)
{
    bool inside = m->arena->h->in_transaction;
    int err = state_check("journal", &journal_desc, m->j, e);

    if (err == 0)
        err = state_check("publish", &publish_desc, m->p, e);
    if (err < 0)
        return err;
    /* It ends with the commit, behind all that a later successor would have to do if we die here.
     */
    arena_undo(m->arena);
    m->dropped = false;
    gmem_invalidate(m->mem);
    if (inside) {
        recover_pages(m);
        /* A request or an entry of the ring that was finished, but not committed, is not finished.
         * What came before it was published before it began. Other events say nothing of that: a
         * successor begins some before it has published what its predecessor had committed. */
        if (m->j->kind == EVENT_REQUEST) {
            m->j->ring_next = JOURNAL_NONE;
            memset(m->j->done, 0, sizeof m->j->done);
        }
        if (own_fault && counts_as_fatal(m->j)) {
            give_up(m);
            m->dropped = m->j->kind == EVENT_REQUEST;
        }
        publish_forget(m);
        arena_commit(m->arena);
    } else {
        publish_late(m);
    }
    m->j->move_nr = 0;
    for (struct device *d = m->first; d; d = d->next)
        d->fenced = m->s->fenced[d->place];
    return 0;
}

/* An edge-triggered input may have missed the edge between commit and death: give it another one.
 * The guest then finds nothing to do, as with any spurious interrupt. Fenced devices are quiet. */
void recover_lines(struct machine *m)
{
    for (struct device *d = m->first; d; d = d->next)
        for (unsigned i = 0; i < DEVICE_IRQS; i++) {
            const struct irq_line *l = &d->irq[i];

            if (l->kind == IRQ_ISA && l->number != IRQ_SCI)
                m->hv->ops->isa_irq(m->hv, l->number, false);
            else if (l->kind == IRQ_INTX && d->pci && d->fenced)
                m->hv->ops->intx(m->hv, d->pci->devfn >> 3, l->number, false);
        }
}

void machine_trust_again(struct machine *m)
{
    for (struct device *d = m->first; d; d = d->next) {
        if (!d->fenced)
            continue;
        log_info("%s: gets another chance", d->id);
        d->fenced = false;
        if (event_begin(d)) /* its interrupt lines: nobody has told them since it was adopted */
            event_end(d);
    }
    memset(m->s->fenced, 0, sizeof m->s->fenced);
    memset(m->j->fatal_count, 0, sizeof m->j->fatal_count);
    m->deadline_stale = true;
}

/* The slot of this vCPU says that its request has begun. */
enum request_recovery machine_recover_request(struct machine *m, struct request *r)
{
    if (r->vcpu < JOURNAL_VCPUS && m->j->done[r->vcpu]) {
        r->data = m->j->answer[r->vcpu];
        return REQUEST_PUBLISH;
    }
    if (!m->dropped)
        return REQUEST_RERUN;
    m->dropped = false; /* at most one request was inside a transaction */
    return REQUEST_FENCE;
}

uint16_t machine_ring_next(const struct machine *m)
{
    return m->j->ring_next;
}

void machine_watch(struct machine *m, uint64_t *counter)
{
    m->progress = counter ? counter : &m->unwatched;
}
