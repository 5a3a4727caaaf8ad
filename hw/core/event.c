/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event - every entry into a device is a transaction.
 *
 * Outermost event: begin, shadow the device's records, handler, update(), commit, then what was
 * announced is stored into guest memory (publish.h), then interrupt lines change. The journal
 * (journal.h) says what runs. A device that asks another one to act (unplug, routing) opens a
 * nested event on it, which belongs to the same transaction. A device inside its own handler cannot
 * be entered again (S5).
 */
#include "hw/core/core.h"

#include "hw/core/meter.h"
#include "hw/core/trace.h"

static void touch_all(struct device *d)
{
    for (unsigned i = 0; i < ARRAY_SIZE(d->record) && d->record[i]; i++)
        arena_touch(d->m->arena, d->record[i]);
}

static void outermost(struct machine *m, enum event_kind kind)
{
    m->j->device = JOURNAL_NONE;
    m->j->kind = (uint8_t)kind;
    arena_begin(m->arena);
    if (m->meter)
        meter_begin(m->meter);
}

void event_open(struct machine *m, enum event_kind kind)
{
    if (m->depth++ == 0)
        outermost(m, kind);
}

bool event_begin(struct device *d)
{
    struct machine *m = d->m;

    if (d->busy || d->fenced) {
        d->stats.refused++;
        return false;
    }
    if (m->depth++ == 0)
        outermost(m, EVENT_HOST);
    m->j->device = d->place;
    d->caller = m->inside;
    m->inside = d;
    d->busy = true;
    if (d->look)
        meter_device(d);
    touch_all(d);
    return true;
}

static void put_line(struct machine *m, const struct irq_line *l, bool level)
{
    l->dev->stats.irqs++;
    trace_irq(l->dev, (unsigned)(l - l->dev->irq), level);
    if (l->kind == IRQ_ISA)
        m->hv->ops->isa_irq(m->hv, l->number, level);
    else if (l->kind == IRQ_INTX && l->dev->pci)
        m->hv->ops->intx(m->hv, l->dev->pci->devfn >> 3, l->number, level);
}

static void put_lines(struct machine *m)
{
    for (unsigned i = 0; i < m->npending; i++)
        put_line(m, m->pending[i].line, m->pending[i].level);
    m->npending = 0;
}

void event_close(struct machine *m)
{
    if (--m->depth > 0)
        return;
    arena_commit(m->arena);
    if (m->p->count)
        publish_all(m);
    m->j->move_nr = 0;
    m->j->events++;
    ++*m->progress;
    if (m->npending)
        put_lines(m);
    if (m->unplugged && m->on_unplug) {
        m->unplugged = false;
        m->on_unplug(m->on_unplug_opaque);
    }
    if (m->meter)
        meter_end(m);
}

void event_end(struct device *d)
{
    struct machine *m = d->m;

    if (d->ops->update)
        d->ops->update(d);
    d->busy = false;
    m->inside = d->caller;
    m->j->device = d->caller ? d->caller->place : JOURNAL_NONE;
    event_close(m);
}

void device_event(struct device *d, void (*handler)(struct device *d, void *arg), void *arg)
{
    if (!event_begin(d))
        return;
    d->stats.events++;
    handler(d, arg);
    event_end(d);
}

void device_touch(struct device *d)
{
    touch_all(d);
}

/* Levels are kept in order within an event, so that an edge-triggered controller sees each edge;
 * if there are too many, the oldest changes go out early: an edge is worth more than the order. */
void device_irq(struct device *d, unsigned n, bool level)
{
    struct machine *m = d->m;
    struct irq_line *l;

    if (n >= DEVICE_IRQS)
        return;
    l = &d->irq[n];
    if (l->level == level)
        return;
    l->level = level;
    if (m->depth == 0) {
        put_line(m, l, level);
        return;
    }
    if (m->npending == IRQ_PENDING)
        put_lines(m);
    m->pending[m->npending++] = (struct irq_change){ l, level };
}
