/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap - see tap.h. Here: the host calls the machine. */
#include <errno.h>

#include "hw/chipset/piix4_pm.h"
#include "hw/storage/ide_media.h"
#include "toolstack/record/tap_private.h"

void tap_enter(struct tap *t, struct tap_record *r, bool safe)
{
    if (t->depth == 0 && t->on)
        t->side->begin(t, safe);
    t->depth++;
    if (t->on)
        t->side->note(t, r);
}

void tap_leave(struct tap *t, uint64_t answer)
{
    struct tap_record r = { .type = TAP_END, .left_out = t->private, .out = { answer } };

    if (t->private)
        r.out[0] = 0;
    if (t->on)
        t->side->note(t, &r);
    if (--t->depth)
        return;
    t->private = false;
    if (t->on)
        t->side->end(t);
}

/* --- Requests. */

static bool carries_payload(const struct tap *t, const struct request *r)
{
    const struct region *g;
    uint32_t offset;
    const struct device *d = machine_target(t->m, r, &g, &offset);

    return d && g && g->payload && g->payload(d, offset);
}

bool tap_run(struct tap *t, struct request *r)
{
    bool held = t->sink.run(t->sink.opaque, r);

    tap_leave(t, r->read && !r->data_is_ptr ? r->data & ones(r->size) : 0);
    return held;
}

static bool run(void *opaque, struct request *r)
{
    struct tap *t = opaque;
    struct tap_record e = { .type = TAP_REQUEST,
                            .in = { tap_how(r), r->addr, r->read && !r->data_is_ptr ? 0 : r->data,
                                    r->vcpu == REQUEST_BUFFERED ? r->ring_next : r->vcpu } };

    t->private = t->nodata && t->on && carries_payload(t, r);
    e.left_out = t->private;
    if (t->private && !r->data_is_ptr)
        e.in[2] = 0;
    tap_enter(t, &e, true);
    return tap_run(t, r);
}

void tap_invalidate(struct tap *t)
{
    t->sink.invalidate(t->sink.opaque);
    tap_leave(t, 0);
}

static void invalidate(void *opaque)
{
    struct tap_record e = { .type = TAP_INVALIDATE };

    tap_enter(opaque, &e, true);
    tap_invalidate(opaque);
}

static void taken(void *opaque, unsigned vcpu)
{
    struct tap *t = opaque;

    t->sink.taken(t->sink.opaque, vcpu);
}

static enum request_recovery recover(void *opaque, struct request *r)
{
    struct tap *t = opaque;

    return t->sink.recover(t->sink.opaque, r);
}

void tap_sink(struct tap *t, struct request_sink *sink)
{
    if (!t)
        return;
    t->sink = *sink;
    *sink = (struct request_sink){ .run = run,
                                   .invalidate = invalidate,
                                   .taken = sink->taken ? taken : NULL,
                                   .recover = sink->recover ? recover : NULL,
                                   .opaque = t };
}

/* --- Timers. */

void tap_timers(struct tap *t, struct machine *m)
{
    machine_expired(m);
    tap_leave(t, 0);
}

void tap_expired(struct tap *t, struct machine *m)
{
    struct tap_record e = { .type = TAP_TIMERS };

    if (!t) {
        machine_expired(m);
        return;
    }
    tap_enter(t, &e, true);
    tap_timers(t, m);
}

/* --- Control. */

static int perform(struct machine *m, enum tap_control what, uint64_t a, uint64_t b,
                   struct block *medium, struct error *e)
{
    struct device *ide = machine_find(m, "piix3_ide", 0), *pm = machine_find(m, "piix4_pm", 0);

    switch (what) {
    case TAP_RUN:
        machine_set_running(m, a != 0);
        return 0;
    case TAP_EJECT:
        return ide ? ide_eject(ide, (unsigned)a, b != 0, e) : -ENODEV;
    case TAP_INSERT:
        return ide ? ide_insert(ide, (unsigned)a, medium, e) : -ENODEV;
    case TAP_PLUG_CPU:
        return pm ? piix4_pm_plug_cpu(pm, (unsigned)a) : -ENODEV;
    default:
        return -EINVAL;
    }
}

int tap_perform(struct tap *t, struct machine *m, enum tap_control what, uint64_t a, uint64_t b,
                struct block *medium, struct error *e)
{
    int err = perform(m, what, a, b, medium, e);

    if (t)
        tap_leave(t, tap_result(err));
    return err;
}

int tap_control(struct tap *t, struct machine *m, enum tap_control what, uint64_t a, uint64_t b,
                struct block *medium, struct error *e)
{
    struct tap_record r = { .type = TAP_CONTROL, .in = { what, a, b } };

    if (t)
        tap_enter(t, &r, true);
    return tap_perform(t, m, what, a, b, medium, e);
}

/* --- The machine's wishes, and all together. */

static void asked(void *opaque, enum machine_request what)
{
    struct tap *t = opaque;
    struct tap_record r = { .type = TAP_ASKS, .out = { what } };

    if (tap_noting(t))
        t->side->note(t, &r);
    if (t->asked)
        t->asked(t->asked_opaque, what);
}

void tap_machine(struct tap *t, struct machine *m,
                 void (*fn)(void *opaque, enum machine_request what), void *opaque)
{
    if (!t) {
        machine_on_request(m, fn, opaque);
        return;
    }
    t->m = m;
    t->asked = fn;
    t->asked_opaque = opaque;
    machine_on_request(m, asked, t);
}

unsigned tap_in_flight(const struct tap *t)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PC_DISKS; i++)
        for (unsigned k = 0; t->disk[i] && k < TAP_SLOTS; k++)
            n += t->disk[i]->slot[k].outer != NULL;
    return n;
}
