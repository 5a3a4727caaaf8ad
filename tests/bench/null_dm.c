/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * null_dm - the hypervisor port on real Xen with nearly nothing behind it.
 *
 *   null_dm DOMID
 *
 * Adds a second ioreq server to a running HVM domain, whose payload (tests/lab/payload/port.c)
 * checks what it answers and measures what an access costs. Ends when the payload says so and then
 * prints the port's counters as "name value" lines.
 *
 *   port 560 byte   read: 5a, server is there
 *   port 561 byte   write: end
 *   port 564        read: number of this read, starting at 1
 *   port 568        string port: read gives 0, 1, 2... per element, write adds to the sum
 *   port 56c        read: sum of what was written to 568; write: sum and numbering start anew
 *   port 570 dword  read: buffered entries so far
 *   port 578 byte   read: held, answered 77 from the loop later
 *   memory e0000000 64 KiB of storage
 *   memory a0000    the VGA window as 128 KiB of storage
 *
 * Absent: everything else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/bits.h"
#include "ioreq/mapcache.h"
#include "ioreq/xen.h"

enum {
    PORT_THERE = 0x560,
    PORT_END,
    PORT_COUNT = 0x564,
    PORT_STRING = 0x568,
    PORT_SUM = 0x56c,
    PORT_BUFFERED = 0x570,
    PORT_HELD = 0x578,
    PORT_LAST = 0x57f
};
#define MEMORY_BASE 0xe0000000u
#define MEMORY_SIZE 0x10000u
#define VGA_BASE    0xa0000u
#define VGA_SIZE    0x20000u

struct null_dm {
    struct loop *loop;
    struct hv *hv;
    struct mapcache *cache;
    struct loop_work later;
    uint16_t held_vcpu;
    uint32_t reads, sum, next;
    uint64_t faults; /* guest memory that was not there */
    uint8_t memory[MEMORY_SIZE], vga[VGA_SIZE];
};

/* One element between guest memory and *value; pieces end at bucket borders. */
static void guest_element(struct null_dm *d, uint64_t gpa, uint8_t *value, size_t size, bool write)
{
    for (size_t done = 0, n; done < size; done += n) {
        uint8_t *host;

        n = mapcache_run(gpa + done, size - done);
        host = mapcache_peek(d->cache, gpa + done, n);
        if (!host)
            d->faults++;
        else if (write)
            memcpy(host, value + done, n);
        else
            memcpy(value + done, host, n);
    }
}

static uint32_t port_read(struct null_dm *d, uint64_t port)
{
    switch (port) {
    case PORT_THERE:
        return 0x5a;
    case PORT_COUNT:
        return ++d->reads;
    case PORT_STRING:
        return d->next++;
    case PORT_SUM:
        return d->sum;
    case PORT_BUFFERED:
        return (uint32_t)hv_xen_slots(d->hv)->counters.buffered;
    default:
        return UINT32_MAX;
    }
}

static void port_write(struct null_dm *d, uint64_t port, uint32_t value)
{
    switch (port) {
    case PORT_END:
        loop_stop(d->loop);
        break;
    case PORT_STRING:
        d->sum += value;
        break;
    case PORT_SUM:
        d->sum = d->next = 0;
        break;
    }
}

static uint8_t *memory_at(struct null_dm *d, uint64_t gpa, uint32_t size)
{
    if (gpa >= MEMORY_BASE && gpa - MEMORY_BASE <= MEMORY_SIZE - size)
        return d->memory + (gpa - MEMORY_BASE);
    if (gpa >= VGA_BASE && gpa - VGA_BASE <= VGA_SIZE - size)
        return d->vga + (gpa - VGA_BASE);
    return NULL;
}

static void element(struct null_dm *d, const struct request *r, uint64_t addr, uint8_t *value)
{
    uint64_t v = 0;

    if (r->type == REQ_COPY) {
        uint8_t *at = memory_at(d, addr, r->size);

        if (at && r->read)
            memcpy(value, at, r->size);
        else if (at)
            memcpy(at, value, r->size);
    } else if (r->read) {
        v = port_read(d, addr);
        memcpy(value, &v, r->size);
    } else {
        memcpy(&v, value, r->size);
        port_write(d, addr, (uint32_t)v);
    }
}

static bool run(void *opaque, struct request *r)
{
    struct null_dm *d = opaque;

    if (r->addr == PORT_HELD && r->type == REQ_PIO && r->read) {
        d->held_vcpu = r->vcpu;
        loop_defer(d->loop, &d->later);
        return true;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        uint64_t step = (uint64_t)i * r->size;
        uint64_t addr = r->type == REQ_PIO ? r->addr : r->df ? r->addr - step : r->addr + step;
        uint64_t gpa = r->df ? r->data - step : r->data + step;
        uint8_t value[8] = { 0 };

        if (!r->data_is_ptr)
            memcpy(value, &r->data, 8);
        else if (!r->read)
            guest_element(d, gpa, value, r->size, false);
        element(d, r, addr, value);
        if (r->data_is_ptr && r->read)
            guest_element(d, gpa, value, r->size, true);
        else if (r->read)
            memcpy(&r->data, value, 8);
    }
    return false;
}

static void invalidate(void *opaque)
{
    mapcache_invalidate(((struct null_dm *)opaque)->cache);
}

static void answer_held(void *opaque)
{
    struct null_dm *d = opaque;

    slots_complete(hv_xen_slots(d->hv), d->held_vcpu, 0x77);
}

static bool poll(void *opaque)
{
    struct hv *hv = ((struct null_dm *)opaque)->hv;

    return hv->ops->poll(hv);
}

static int set_up(struct null_dm *d, unsigned domid, struct error *e)
{
    const struct request_sink sink = { .run = run, .invalidate = invalidate, .opaque = d };
    int err = hv_xen_open(d->loop, domid, &sink, &d->hv, e);

    if (err)
        return err;
    d->cache = mapcache_new(d->hv, MAPCACHE_BUCKETS);
    err = d->cache ? 0 : -1;
    if (!err)
        err = d->hv->ops->map_range(d->hv, HV_PIO, PORT_THERE, PORT_LAST - PORT_THERE + 1);
    if (!err)
        err = d->hv->ops->map_range(d->hv, HV_MMIO, MEMORY_BASE, MEMORY_SIZE);
    if (!err)
        err = d->hv->ops->map_range(d->hv, HV_MMIO, VGA_BASE, VGA_SIZE);
    if (err)
        return error_set(e, err, "cannot register ranges");
    return hv_xen_start(d->hv, e);
}

static void print_counters(const struct null_dm *d)
{
    const struct xen_counters *x = hv_xen_counters(d->hv);
    const struct slots_counters *s = &hv_xen_slots(d->hv)->counters;
    const struct mapcache_counters *m = mapcache_counters(d->cache);

    printf("requests %lu\nbuffered %lu\ninvalidates %lu\nheld %lu\ninsane %lu\nmisuse %lu\n",
           s->requests, s->buffered, s->invalidates, s->held, s->insane, s->misuse);
    printf("events %lu\nspurious %lu\npolled %lu\npolls_in_vain %lu\nmaps %lu\nfaults %lu\n",
           x->events, x->spurious, x->polled, x->polls, m->maps, d->faults);
}

int main(int argc, char **argv)
{
    static struct null_dm d;
    struct loop_hooks hooks = { .poll = poll, .opaque = &d };
    struct error e = { "" };
    int err = 1;

    if (argc != 2) {
        fprintf(stderr, "usage: null_dm DOMID\n");
        return 2;
    }
    d.later.run = answer_held;
    d.later.opaque = &d;
    d.loop = loop_new();
    if (!d.loop)
        return 1;
    err = set_up(&d, (unsigned)strtoul(argv[1], NULL, 10), &e);
    if (err) {
        fprintf(stderr, "null_dm: %s\n", e.text);
    } else {
        loop_set_hooks(d.loop, &hooks);
        loop_run(d.loop);
        print_counters(&d);
    }
    mapcache_free(d.cache);
    if (d.hv)
        d.hv->ops->destroy(d.hv);
    loop_free(d.loop);
    return err ? 1 : 0;
}
