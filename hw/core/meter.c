/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meter - see meter.h. A table of fixed size, hashed by the addresses of names. */
#include "hw/core/meter.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "hw/core/core.h"
#include "hw/core/trace.h"

#define PLACES                                                                                     \
    512u /* of the hash; METER_ROWS of them are used at most, so that searching is short */

struct meter {
    uint64_t since, began; /* ns */
    bool inside;           /* an outermost event */
    struct meter_row *row; /* where it counts, once that is known */
    struct device *device; /* the first that it reached */
    unsigned n;
    struct meter_row place[PLACES]; /* region NULL: free */
    struct meter_row rest;          /* what found no place */
};

static uint64_t host_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int machine_meter(struct machine *m, bool on)
{
    if (on && !m->meter) {
        m->meter = calloc(1, sizeof *m->meter);
        if (!m->meter)
            return -ENOMEM;
        m->meter->since = host_now();
        m->meter->rest = (struct meter_row){ .device = "-", .region = "other" };
    } else if (!on) {
        free(m->meter);
        m->meter = NULL;
    }
    for (struct device *d = m->first; d; d = d->next)
        d->look = (uint8_t)((d->look & ~LOOK_METER) | (on ? LOOK_METER : 0));
    return 0;
}

uint64_t machine_meter_elapsed(const struct machine *m)
{
    return m->meter ? host_now() - m->meter->since : 0;
}

bool machine_meter_row(const struct machine *m, unsigned i, struct meter_row *out)
{
    const struct meter *t = m->meter;

    for (unsigned k = 0; t && k < PLACES; k++)
        if (t->place[k].region && i-- == 0) {
            *out = t->place[k];
            return true;
        }
    if (!t || i != 0 || (!t->rest.reads && !t->rest.writes))
        return false;
    *out = t->rest;
    return true;
}

/* Names are constants of the devices' tables: their addresses tell them apart. */
static struct meter_row *row_of(struct meter *t, const char *device, const char *region,
                                const char *reg)
{
    uintptr_t key = (uintptr_t)device * 3 + (uintptr_t)region * 5 + (uintptr_t)reg;
    unsigned at = (unsigned)((key ^ key >> 9) % PLACES);

    for (; t->place[at].region; at = (at + 1) % PLACES)
        if (t->place[at].device == device && t->place[at].region == region &&
            t->place[at].reg == reg)
            return &t->place[at];
    if (t->n == METER_ROWS)
        return &t->rest;
    t->n++;
    t->place[at] = (struct meter_row){ .device = device, .region = region, .reg = reg };
    return &t->place[at];
}

void meter_begin(struct meter *t)
{
    t->inside = true;
    t->row = NULL;
    t->device = NULL;
    t->began = host_now();
}

void meter_device(struct device *d)
{
    struct meter *t = d->m->meter;

    if (t && !t->device)
        t->device = d;
}

void meter_access(struct device *d, const char *region, const char *reg, bool read)
{
    struct meter *t = d->m->meter;

    if (!t || !t->inside || t->row)
        return;
    t->row = row_of(t, d->id, region, reg);
    t->row->reads += read;
    t->row->writes += !read;
}

/* An event that reached no register: not one of the guest, or one that nobody answered. */
static void end_elsewhere(struct machine *m, struct meter *t)
{
    static const char *const kind[] = { [EVENT_NONE] = "other",
                                        [EVENT_REQUEST] = "other",
                                        [EVENT_TIMER] = "timer",
                                        [EVENT_HOST] = "host" };

    t->row =
        t->device ? row_of(t, t->device->id, kind[m->j->kind % ARRAY_SIZE(kind)], NULL) : &t->rest;
    t->row->reads++;
}

void meter_end(struct machine *m)
{
    struct meter *t = m->meter;

    if (!t->inside) /* switched on inside this event */
        return;
    if (!t->row)
        end_elsewhere(m, t);
    t->row->ns += host_now() - t->began;
    t->inside = false;
}
