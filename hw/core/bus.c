/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bus - who answers at a port or address, and how one request becomes accesses.
 *
 * Wide accesses are split at the borders of ranges, repeats and directions are expanded here, and
 * string transfers go to the device in runs of up to a page. Where nobody claims, reads give ones
 * and writes vanish. One request is one event of the device that it starts in; an access that
 * reaches a second device is an event of its own.
 */
#include "hw/core/core.h"

#include <errno.h>

#include "hw/core/trace.h"

#define RUN 4096u /* bytes of a string moved at a time */

/* Index of the first range that ends at or after addr. */
static unsigned find(const struct bus *b, uint64_t addr)
{
    unsigned lo = 0, hi = b->n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (b->range[mid].last < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Drivers stay with a device for a while, so its range is looked at first. */
static const struct bus_range *range_at(struct bus *b, uint64_t addr)
{
    unsigned i = b->recent;

    if (i < b->n && b->range[i].base <= addr && addr <= b->range[i].last)
        return &b->range[i];
    i = find(b, addr);
    if (i == b->n || b->range[i].base > addr)
        return NULL;
    b->recent = i;
    return &b->range[i];
}

int bus_map(struct machine *m, enum bus_space space, uint64_t base, uint64_t len, struct device *d,
            const struct region *region)
{
    struct bus *b = space == BUS_PIO ? &m->pio : &m->mmio;
    uint64_t last = base + len - 1;
    unsigned i;
    int err;

    if (len == 0 || last < base || (space == BUS_PIO && last > 0xffff))
        return -EINVAL;
    i = find(b, base);
    if (i < b->n && b->range[i].base <= last)
        return -EEXIST;
    if (b->n == BUS_RANGES)
        return -ENOSPC;
    err = m->hv->ops->map_range(m->hv, space == BUS_PIO ? HV_PIO : HV_MMIO, base, len);
    if (err < 0)
        return err;
    memmove(&b->range[i + 1], &b->range[i], (b->n - i) * sizeof b->range[0]);
    b->range[i] = (struct bus_range){ base, last, d, region };
    b->n++;
    return 0;
}

void bus_unmap(struct machine *m, enum bus_space space, uint64_t base)
{
    struct bus *b = space == BUS_PIO ? &m->pio : &m->mmio;
    unsigned i = find(b, base);

    if (i == b->n || b->range[i].base != base)
        return;
    m->hv->ops->unmap_range(m->hv, space == BUS_PIO ? HV_PIO : HV_MMIO, base,
                            b->range[i].last - base + 1);
    b->n--;
    memmove(&b->range[i], &b->range[i + 1], (b->n - i) * sizeof b->range[0]);
}

static void count(struct device *d, bool read, uint64_t bytes)
{
    if (read) {
        d->stats.reads++;
        d->stats.rd_bytes += bytes;
    } else {
        d->stats.writes++;
        d->stats.wr_bytes += bytes;
    }
}

/* Nothing is shadowed, but if it dies of this, it is the device's fault. */
static uint64_t read_constant(struct device *d, const struct region *g, uint32_t offset,
                              unsigned width)
{
    struct journal_state *j = d->m->j;
    uint16_t outer = j->device;
    uint64_t value;

    j->device = d->place;
    value = region_read(d, g, offset, width);
    j->device = outer;
    return value;
}

/* One access that lies inside one range. */
static uint64_t access_range(const struct bus_range *at, uint32_t offset, unsigned width, bool read,
                             uint64_t value)
{
    const struct region *g = at->region;
    struct device *d = at->dev;

    if (read && !d->busy && !d->fenced &&
        (g->constant || (g->settled && width == 1 && g->settled(d, offset))))
        return read_constant(d, g, offset, width);
    if (!event_begin(d))
        return ones(width);
    if (read)
        value = region_read(d, g, offset, width);
    else
        region_write(d, g, offset, width, value);
    event_end(d);
    return value;
}

/* Xen answers what nobody has claimed itself: here arrives what reaches past the end of a range. */
static void unclaimed(struct machine *m, const struct bus *b, uint64_t addr, bool read)
{
    unsigned at = (unsigned)(addr ^ addr >> 8) & 0xff;

    m->stats.unclaimed++;
    if (!(m->noted[at / 32] >> at % 32 & 1) &&
        guest_log_line(&m->log_limit, "machine", "the guest %s %s 0x%llx, which nobody has",
                       read ? "read" : "wrote", b == &m->pio ? "port" : "memory at",
                       (unsigned long long)addr))
        m->noted[at / 32] |= 1u << at % 32;
}

/* Any access; split at range borders, byte by byte where nobody claims. */
uint64_t bus_access(struct machine *m, struct bus *b, uint64_t addr, unsigned width, bool read,
                    uint64_t value)
{
    const struct bus_range *at = range_at(b, addr);
    uint64_t result = 0;

    if (at && addr + width - 1 <= at->last) {
        count(at->dev, read, width);
        return access_range(at, (uint32_t)(addr - at->base), width, read, value);
    }
    for (unsigned done = 0; done < width;) {
        unsigned n = 1;
        uint64_t part = 0xff;

        at = range_at(b, addr + done);
        if (at) {
            uint64_t left = at->last - (addr + done) + 1;

            n = left < width - done ? (unsigned)left : width - done;
            count(at->dev, read, n);
            part =
                access_range(at, (uint32_t)(addr + done - at->base), n, read, value >> (done * 8));
        } else if (done == 0) {
            unclaimed(m, b, addr, read);
        }
        result |= (part & ones(n)) << (done * 8);
        done += n;
    }
    return read ? result : value;
}

/* Turn around the order of n elements. */
static void reverse(uint8_t *buf, unsigned size, uint32_t n)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        uint64_t a = load_le(buf + (size_t)i * size, size);
        uint64_t z = load_le(buf + (size_t)(n - 1 - i) * size, size);

        store_le(buf + (size_t)i * size, size, z);
        store_le(buf + (size_t)(n - 1 - i) * size, size, a);
    }
}

/* A run of a string request in transfer order: n elements at buf, device address as given. */
struct run {
    struct machine *m;
    struct bus *bus;
    const struct bus_range *at; /* where the first element lies, or NULL */
    uint64_t addr;              /* of the first element on the bus */
    int64_t step;               /* bus address step: 0 for ports, +-size for memory */
    unsigned size;
    bool read;
    uint8_t *buf;
    uint32_t n;
};

/* Elements that the device's own string functions take; the rest is done one by one. */
static uint32_t run_fast(const struct run *r)
{
    const struct region *g = r->at->region;
    struct device *d = r->at->dev;
    uint32_t offset = (uint32_t)(r->addr - r->at->base), done = 0;

    if (r->step == 0) {
        if (r->read && g->read_string)
            done = g->read_string(d, offset, r->size, r->buf, r->n);
        else if (!r->read && g->write_string)
            done = g->write_string(d, offset, r->size, r->buf, r->n);
    } else if (r->step > 0) {
        uint32_t len = r->n * r->size;

        if (r->at->last - r->addr + 1 < len)
            len = (uint32_t)(r->at->last - r->addr + 1) / r->size * r->size;
        if (len && r->read && g->read_block)
            done = g->read_block(d, offset, r->buf, len) / r->size;
        else if (len && !r->read && g->write_block)
            done = g->write_block(d, offset, r->buf, len) / r->size;
    }
    return done <= r->n ? done : r->n;
}

static void run_one(const struct run *r, uint32_t i)
{
    uint64_t addr = r->addr + (uint64_t)(r->step * (int64_t)i);
    const struct bus_range *at = r->at;
    uint8_t *e = r->buf + (size_t)i * r->size;
    uint64_t v = r->read ? 0 : load_le(e, r->size);

    if (at && addr >= at->base && addr + r->size - 1 <= at->last) {
        if (r->read)
            v = region_read(at->dev, at->region, (uint32_t)(addr - at->base), r->size);
        else
            region_write(at->dev, at->region, (uint32_t)(addr - at->base), r->size, v);
    } else {
        v = bus_access(r->m, r->bus, addr, r->size, r->read, v); /* refused if it re-enters */
    }
    if (r->read)
        store_le(e, r->size, v);
}

static void run_elements(const struct run *r)
{
    uint32_t i = 0;

    if (r->at) {
        i = run_fast(r);
        trace_access(r->at->dev, r->at->region->name,
                     region_register(r->at->region, (uint32_t)(r->addr - r->at->base)),
                     (uint32_t)(r->addr - r->at->base), r->size, r->read, 0, r->n);
    }
    for (; i < r->n; i++)
        run_one(r, i);
}

/* Guest memory of elements [i, i+n) of the request: lowest address of the span. */
static gpa_t span(const struct request *q, uint32_t i, uint32_t n)
{
    return GPA(q->df ? q->data - (uint64_t)(i + n - 1) * q->size : q->data + (uint64_t)i * q->size);
}

static void fill(const struct request *q, uint8_t *buf, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        store_le(buf + (size_t)i * q->size, q->size, q->data);
}

/* A whole string request, in runs of up to a page, as one event of the device it starts in. */
static void bus_string(struct machine *m, struct bus *b, struct request *q)
{
    _Alignas(16) uint8_t buf[RUN];
    struct run r = {
        .m = m, .bus = b, .at = range_at(b, q->addr), .size = q->size, .read = q->read, .buf = buf
    };
    uint32_t most = RUN / q->size;

    if (q->type == REQ_COPY)
        r.step = q->df ? -(int64_t)q->size : (int64_t)q->size;
    if (r.at) {
        count(r.at->dev, q->read, (uint64_t)q->count * q->size);
        if (!event_begin(r.at->dev))
            return;
    }
    for (uint32_t i = 0; i < q->count; i += r.n) {
        size_t bytes;
        int err = 0;

        r.n = q->count - i < most ? q->count - i : most;
        r.addr = q->addr + (uint64_t)(r.step * (int64_t)i);
        bytes = (size_t)r.n * q->size;
        if (!q->read && !q->data_is_ptr) {
            fill(q, buf, r.n);
        } else if (!q->read) {
            err = gmem_read(m->mem, span(q, i, r.n), buf, bytes); /* absent pages read as ones */
            if (q->df)
                reverse(buf, q->size, r.n);
        }
        run_elements(&r);
        if (q->read && q->data_is_ptr) {
            if (q->df)
                reverse(buf, q->size, r.n);
            err = gmem_write(m->mem, span(q, i, r.n), buf, bytes); /* absent pages are dropped */
        } else if (q->read) {
            q->data = load_le(buf + bytes - q->size, q->size);
        }
        if (err < 0 && r.at)
            r.at->dev->stats.refused++;
    }
    if (r.at)
        event_end(r.at->dev);
}

struct device *machine_target(const struct machine *m, const struct request *r,
                              const struct region **region, uint32_t *offset)
{
    const struct bus *b = r->type == REQ_PIO ? &m->pio : &m->mmio;
    unsigned i;

    *region = NULL;
    *offset = request_pci_reg(r);
    if (r->type == REQ_PCI_CONFIG) {
        const struct pci_function *f = m->function[request_pci_devfn(r)];

        return f && request_pci_bus(r) == 0 ? f->dev : NULL;
    }
    i = find(b, r->addr);
    if (i >= BUS_RANGES || i >= b->n || b->range[i].base > r->addr)
        return NULL;
    *region = b->range[i].region;
    *offset = (uint32_t)(r->addr - b->range[i].base);
    return b->range[i].dev;
}

bool machine_register(const struct machine *m, const struct request *r, struct register_name *out)
{
    const struct region *g;
    const struct device *d = machine_target(m, r, &g, &out->offset);

    if (!d)
        return false;
    out->device = d->id;
    out->region = g ? g->name : "config";
    out->reg = g ? region_register(g, out->offset) : pci_register(out->offset);
    return true;
}

void machine_name_target(const struct machine *m, const struct request *r, char *name, size_t size)
{
    struct register_name n;

    if (!machine_register(m, r, &n))
        snprintf(name, size, "%s", "");
    else if (n.reg)
        snprintf(name, size, "%s %s.%s", n.device, n.region, n.reg);
    else
        snprintf(name, size, "%s %s+%x", n.device, n.region, (unsigned)n.offset);
}

void bus_run(struct machine *m, struct request *q)
{
    struct bus *b = q->type == REQ_PIO ? &m->pio : &m->mmio;

    if (q->count != 1 || q->data_is_ptr)
        bus_string(m, b, q);
    else
        q->data = bus_access(m, b, q->addr, q->size, q->read, q->data) & ones(q->size);
}
