/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine - see machine.h. */
#include "hw/core/machine.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/core/core.h"
#include "hw/core/trace.h"

#define GMEM_BUCKETS 128 /* of 64 KiB: 8 MiB of guest memory mapped at most */

int machine_new(struct hv *hv, struct arena *arena, struct machine **out, struct error *e)
{
    struct machine *m = calloc(1, sizeof *m);
    struct arena_record *journal, *publish;
    int err = -ENOMEM;

    if (!m)
        return error_set(e, err, "out of memory");
    m->hv = hv;
    m->arena = arena;
    m->last = &m->first;
    m->mmio.space = BUS_MMIO;
    m->deadline_stale = true;
    m->mem = gmem_new(hv, GMEM_BUCKETS);
    if (!m->mem) {
        error_set(e, err, "out of memory");
        goto free;
    }
    m->record = arena_add(arena, "machine", 0, 1, &machine_desc, e);
    if (!m->record) {
        err = -ENOSPC;
        goto free;
    }
    m->s = arena_at(arena, m->record->state);
    journal = arena_add(arena, "journal", 0, 1, &journal_desc, e);
    publish = journal ? arena_add(arena, "publish", 0, 1, &publish_desc, e) : NULL;
    if (!publish) {
        err = -ENOSPC;
        goto free;
    }
    m->j = arena_at(arena, journal->state);
    m->p = arena_at(arena, publish->state);
    m->progress = &m->unwatched;
    if (!arena->adopted) {
        m->s->host_base = hv->ops->now(hv);
        m->j->ring_next = JOURNAL_NONE;
    }
    *out = m;
    return 0;
free:
    gmem_free(m->mem);
    free(m);
    return err;
}

static void remove_ranges(struct machine *m, struct bus *b, const struct device *d)
{
    for (unsigned i = 0; i < b->n;)
        if (b->range[i].dev == d)
            bus_unmap(m, b->space, b->range[i].base);
        else
            i++;
}

/* Undoes as much of machine_add() as was done. */
static void device_remove(struct device *d)
{
    if (d->ops->unrealize && d->realized)
        d->ops->unrealize(d);
    remove_ranges(d->m, &d->m->pio, d);
    remove_ranges(d->m, &d->m->mmio, d);
    pci_remove(d);
    free(d);
}

void machine_free(struct machine *m)
{
    struct device *d;

    if (!m)
        return;
    while ((d = m->first)) {
        m->first = d->next;
        device_remove(d);
    }
    free(m->meter);
    gmem_free(m->mem);
    free(m);
}

/* One record per channel or port, side by side: "ide" 0 and "ide" 1 for a device of two channels.
 */
static int add_state(struct device *d, struct error *e)
{
    uint32_t n = d->ops->state_count ? d->ops->state_count : 1;
    struct arena *a = d->m->arena;
    struct arena_record *r;

    if (!d->ops->state)
        return 0;
    assert(n <= ARRAY_SIZE(d->record)); /* a constant of the device's source */
    r = arena_add(a, d->ops->name, d->instance * n, n, d->ops->state, e);
    if (!r)
        return -ENOSPC;
    for (uint32_t i = 0; i < n; i++)
        d->record[i] = r + i;
    d->state = arena_at(a, r->state);
    if (d->ops->bulk_size)
        d->bulk = arena_add_bulk(a, r, d->ops->bulk_size, e);
    return d->ops->bulk_size && !d->bulk ? -ENOSPC : 0;
}

static int add_ranges(struct device *d, const struct device_row *row, struct error *e)
{
    for (unsigned i = 0; i < d->ops->nregions; i++) {
        const struct region *g = &d->ops->regions[i];
        uint64_t base = row->base[i] == PORT_ZERO ? 0 : row->base[i];
        int err;

        if (row->base[i] == NO_PORT)
            continue;
        err = bus_map(d->m, g->space, base, g->size, d, g);
        if (err < 0)
            return error_set(e, err, "%s: cannot claim %s %s at 0x%llx: %s", d->id, g->name,
                             g->space == BUS_PIO ? "ports" : "memory", (unsigned long long)base,
                             strerror(-err));
    }
    return 0;
}

static struct device *device_new(struct machine *m, const struct device_row *row)
{
    struct device *d = calloc(1, row->ops->size);

    if (!d)
        return NULL;
    d->ops = row->ops;
    d->m = m;
    d->mem = m->mem;
    d->instance = row->instance;
    d->host = row->host;
    snprintf(d->id, sizeof d->id, row->instance ? "%s-%u" : "%s", row->ops->name, row->instance);
    d->look = trace_wanted(d->id);
    for (unsigned i = 0; i < DEVICE_IRQS; i++)
        d->irq[i] = (struct irq_line){ d, row->isa_irq[i] ? IRQ_ISA : IRQ_NONE,
                                       (uint8_t)row->isa_irq[i], 0 };
    return d;
}

static void device_reset(struct device *d)
{
    if (!event_begin(d))
        return;
    for (unsigned i = 0; i < ARRAY_SIZE(d->record) && d->record[i]; i++)
        memset(arena_at(d->m->arena, d->record[i]->state), 0, d->record[i]->size);
    d->m->deadline_stale = true;
    if (d->pci)
        pci_reset(d);
    regs_reset(d);
    if (d->ops->reset)
        d->ops->reset(d);
    event_end(d);
}

int machine_add(struct machine *m, const struct device_row *row, struct error *e)
{
    struct device *d = device_new(m, row);
    int err;

    if (!d)
        return error_set(e, -ENOMEM, "out of memory");
    if (m->ndevices == MACHINE_DEVICES) {
        free(d);
        return error_set(e, -ENOSPC, "more than %d devices", MACHINE_DEVICES);
    }
    err = add_state(d, e);
    if (err == 0 && d->ops->pci)
        err = pci_add(m, d, row->devfn, e);
    d->realized = err == 0;
    if (err == 0 && d->ops->realize)
        err = d->ops->realize(d, e);
    if (err == 0)
        err = add_ranges(d, row, e);
    if (err < 0) {
        error_set(e, err, "%s: %s", d->id, strerror(-err));
        device_remove(d);
        return err;
    }
    d->place = m->ndevices++;
    *m->last = d;
    m->last = &d->next;
    if (!m->arena->adopted)
        device_reset(d);
    return 0;
}

void machine_reset(struct machine *m)
{
    m->s->unplugged = 0;
    memset(m->s->hidden, 0, sizeof m->s->hidden);
    for (struct device *d = m->first; d; d = d->next) {
        if (d->unplugged) {
            d->unplugged = false;
            m->hv->ops->map_pci(m->hv, d->pci->devfn);
        }
        device_reset(d);
    }
}

void machine_run(struct machine *m, struct request *r)
{
    m->stats.requests++;
    m->stats.buffered += r->vcpu == REQUEST_BUFFERED;
    event_open(m, EVENT_REQUEST);
    journal_log(m->j, r);
    if (r->type == REQ_PCI_CONFIG)
        pci_run(m, r);
    else
        bus_run(m, r);
    journal_finish(m->j, r);
    event_close(m);
}

static bool sink_run(void *opaque, struct request *r)
{
    machine_run(opaque, r);
    return false;
}

static void sink_invalidate(void *opaque)
{
    struct machine *m = opaque;

    m->stats.invalidations++;
    gmem_invalidate(m->mem);
}

static void sink_taken(void *opaque, unsigned vcpu)
{
    struct machine *m = opaque;

    if (vcpu < JOURNAL_VCPUS)
        m->j->done[vcpu] = 0;
    arena_store_barrier();
}

static enum request_recovery sink_recover(void *opaque, struct request *r)
{
    return machine_recover_request(opaque, r);
}

void machine_sink(struct machine *m, struct request_sink *sink)
{
    *sink = (struct request_sink){ .run = sink_run,
                                   .invalidate = sink_invalidate,
                                   .taken = sink_taken,
                                   .recover = sink_recover,
                                   .opaque = m };
}

uint64_t machine_access(struct machine *m, enum bus_space space, uint64_t addr, unsigned width,
                        bool read, uint64_t value)
{
    return bus_access(m, space == BUS_PIO ? &m->pio : &m->mmio, addr, width, read, value) &
           ones(width);
}

uint32_t machine_config(struct machine *m, unsigned devfn, unsigned reg, unsigned width, bool read,
                        uint32_t value)
{
    return pci_access(m, devfn, reg, width, read, value);
}

void machine_on_request(struct machine *m, void (*fn)(void *, enum machine_request), void *opaque)
{
    m->on_request = fn;
    m->on_request_opaque = opaque;
}

void machine_on_unplug(struct machine *m, void (*fn)(void *), void *opaque)
{
    m->on_unplug = fn;
    m->on_unplug_opaque = opaque;
}

void machine_request(struct device *d, enum machine_request what)
{
    struct machine *m = d->m;

    if (m->on_request)
        m->on_request(m->on_request_opaque, what);
    else if (what == MACHINE_SLEEP)
        m->hv->ops->set_sleep_state(m->hv, 3);
    else
        m->hv->ops->shutdown(m->hv, what == MACHINE_RESET ? HV_REBOOT : HV_POWEROFF);
}

void machine_link_route(struct device *d, unsigned link, unsigned irq)
{
    d->m->hv->ops->link_route(d->m->hv, link, irq);
}

void machine_protect(struct device *d, uint64_t gfn, uint64_t nr, bool read_only)
{
    struct hv *hv = d->m->hv;

    hv->ops->set_mem_type(hv, gfn, nr, read_only ? HV_RAM_RO : HV_RAM_RW);
}

int machine_move_pages(struct device *d, uint64_t from, uint64_t to, uint64_t nr)
{
    struct hv *hv = d->m->hv;
    struct journal_state *j = d->m->j;
    int err;

    if (nr > JOURNAL_PAGES)
        return -EINVAL;
    /* Whoever rolls the event back must know where the pages are. */
    j->move_from = from;
    j->move_to = to;
    arena_store_barrier();
    j->move_nr = nr;
    arena_store_barrier();
    err = hv->ops->relocate(hv, from, to, nr);
    gmem_invalidate(d->m->mem);
    return err;
}

/* Each device decides by its role, not by its class code, what of it is unplugged. */
void machine_unplug(struct device *d, unsigned mask)
{
    struct machine *m = d->m;

    arena_touch(m->arena, m->record);
    m->s->unplugged = (uint8_t)(m->s->unplugged | mask);
    m->unplugged = true;
    for (struct device *o = m->first; o; o = o->next)
        if (o != d && o->ops->unplug && event_begin(o)) {
            o->ops->unplug(o, mask);
            event_end(o);
        }
}

void device_hide(struct device *d)
{
    pci_hide(d);
}

struct device *device_find(struct device *d, const char *name, unsigned instance)
{
    return machine_find(d->m, name, instance);
}

struct device *machine_find(struct machine *m, const char *name, unsigned instance)
{
    for (struct device *o = m->first; o; o = o->next)
        if (o->instance == instance && strcmp(o->ops->name, name) == 0)
            return o;
    return NULL;
}

void machine_drain(struct machine *m)
{
    for (struct device *d = m->first; d; d = d->next)
        if (d->ops->drain)
            d->ops->drain(d);
}

static int device_loaded(struct device *d, struct error *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(d->record) && d->record[i]; i++) {
        int err = state_check(d->id, d->ops->state, arena_at(d->m->arena, d->record[i]->state), e);

        if (err < 0)
            return err;
    }
    if (d->pci && d->m->s->hidden[d->place])
        pci_hide(d);
    if (d->pci)
        pci_loaded(d);
    if (d->ops->loaded) {
        int err = d->ops->loaded(d, e);

        if (err < 0)
            return error_set(e, err, "the state of %s is inconsistent", d->id);
    }
    return 0;
}

/* Every output as the devices want it now, whatever the hypervisor thinks it is. */
static void put_all_lines(struct machine *m)
{
    for (struct device *d = m->first; d; d = d->next) {
        for (unsigned i = 0; i < DEVICE_IRQS; i++)
            d->irq[i].level = 0xff; /* unknown: whatever update() says is forwarded */
        if (event_begin(d))
            event_end(d);
    }
}

static int check_all(struct machine *m, struct error *e)
{
    int err = state_check("machine", &machine_desc, m->s, e);

    for (struct device *d = m->first; d && err == 0; d = d->next)
        err = device_loaded(d, e);
    return err;
}

int machine_loaded(struct machine *m, struct error *e)
{
    int err = check_all(m, e);

    if (err < 0)
        return err;
    publish_forget(m); /* a saved machine owes its guest nothing */
    /* Guest time goes on from where it stood, by this host's clock. */
    m->s->host_base = m->hv->ops->now(m->hv);
    m->deadline_stale = true;
    put_all_lines(m);
    return 0;
}

int machine_adopted(struct machine *m, bool own_fault, struct error *e)
{
    int err = recover_state(m, own_fault, e);

    if (err == 0)
        err = check_all(m, e);
    if (err < 0)
        return err;
    m->deadline_stale = true;
    recover_lines(m);
    put_all_lines(m);
    return 0;
}

struct device *machine_devices(struct machine *m)
{
    return m->first;
}

struct gmem *machine_gmem(struct machine *m)
{
    return m->mem;
}

struct hv *machine_hv(struct machine *m)
{
    return m->hv;
}

struct arena *machine_arena(struct machine *m)
{
    return m->arena;
}

struct device *machine_inside(struct machine *m)
{
    struct device *d = m->first;

    while (d && d->place != m->j->device)
        d = d->next;
    return d;
}

const struct machine_stats *machine_stats(const struct machine *m)
{
    return &m->stats;
}
