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
    uint64_t since, began;                /* ns */
    bool inside;                          /* an outermost event */
    struct meter_row *now;                /* where it counts, once that is known */
    struct device *device;                /* the first that it reached */
    unsigned n;                           /* rows in use */
    struct meter_row row[METER_ROWS + 1]; /* the first: what found no place, or no device */
    uint16_t at[PLACES];                  /* by hash: number of the row, 0: free */
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
        m->meter->row[0] = (struct meter_row){ .device = "-", .region = "other" };
        m->meter->n = 1;
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

    if (!t || i >= t->n)
        return false;
    *out = t->row[i];
    return true;
}

/* Names are constants of the devices' tables: their addresses tell them apart. */
static struct meter_row *row_of(struct meter *t, const char *device, const char *region,
                                const char *reg)
{
    uintptr_t key = (uintptr_t)device * 3 + (uintptr_t)region * 5 + (uintptr_t)reg;
    unsigned at = (unsigned)((key ^ key >> 9) % PLACES);

    for (; t->at[at]; at = (at + 1) % PLACES) {
        struct meter_row *r = &t->row[t->at[at]];

        if (r->device == device && r->region == region && r->reg == reg)
            return r;
    }
    if (t->n == ARRAY_SIZE(t->row))
        return &t->row[0];
    t->at[at] = (uint16_t)t->n;
    t->row[t->n] = (struct meter_row){ .device = device, .region = region, .reg = reg };
    return &t->row[t->n++];
}

void meter_begin(struct meter *t)
{
    t->inside = true;
    t->now = NULL;
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

    if (!t || !t->inside || t->now)
        return;
    t->now = row_of(t, d->id, region, reg);
    t->now->reads += read;
    t->now->writes += !read;
}

/* An event that reached no register: not one of the guest, or one that nobody answered. */
static void end_elsewhere(struct machine *m, struct meter *t)
{
    static const char *const kind[] = { [EVENT_NONE] = "other",
                                        [EVENT_REQUEST] = "other",
                                        [EVENT_TIMER] = "timer",
                                        [EVENT_HOST] = "host" };

    t->now = t->device ? row_of(t, t->device->id, kind[m->j->kind % ARRAY_SIZE(kind)], NULL)
                       : &t->row[0];
    t->now->reads++;
}

void meter_end(struct machine *m)
{
    struct meter *t = m->meter;

    if (!t->inside) /* switched on inside this event */
        return;
    if (!t->now)
        end_elsewhere(m, t);
    t->now->ns += host_now() - t->began;
    t->inside = false;
}
