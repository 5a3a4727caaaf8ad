/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regs - one access inside a region: register tables first, then the region's handlers.
 */
#include "hw/core/core.h"

#include "hw/core/trace.h"

static uint32_t reg_count(const struct reg *r)
{
    return r->count ? r->count : 1;
}

static const struct reg *reg_at(const struct region *g, uint32_t offset)
{
    for (unsigned i = 0; i < g->nregs; i++)
        if (offset - g->regs[i].offset < g->regs[i].width * reg_count(&g->regs[i]))
            return &g->regs[i];
    return NULL;
}

const char *region_register(const struct region *g, uint32_t offset)
{
    const struct reg *r = reg_at(g, offset);

    if (r)
        return r->name;
    return offset < g->nnames ? g->names[offset] : NULL;
}

/* The field of register `i` of the row. */
static char *field_of(struct device *d, const struct reg *r, uint32_t i)
{
    return (char *)d->state + r->at + (size_t)i * r->width;
}

static uint32_t reg_read(struct device *d, const struct reg *r, uint32_t i)
{
    char *field = field_of(d, r, i);
    uint32_t v = r->read ? r->read(d) : (uint32_t)load_le(field, r->width);

    if (r->rc)
        store_le(field, r->width, (uint32_t)load_le(field, r->width) & ~r->rc);
    return v;
}

/* `mask` has ones where the access carries bytes: a byte of a wider register leaves the rest. */
static void reg_write(struct device *d, const struct reg *r, uint32_t i, uint32_t value,
                      uint32_t mask)
{
    char *field = field_of(d, r, i);
    uint32_t old = (uint32_t)load_le(field, r->width);
    uint32_t v = (old & ~(r->rw & mask)) | (value & r->rw & mask);

    v &= ~(value & r->w1c & mask);
    store_le(field, r->width, v);
    if (r->written)
        r->written(d, old);
}

/* The widest access that the handlers take and that fits into `width` bytes; 0 if all are wider. */
static unsigned handler_width(const struct region *g, unsigned width)
{
    unsigned widths = g->widths ? g->widths : 1;

    for (unsigned w = 8; w; w >>= 1)
        if ((widths & w) && w <= width)
            return w;
    return 0;
}

static unsigned narrowest(const struct region *g)
{
    unsigned widths = g->widths ? g->widths : 1;

    return widths & (0u - widths);
}

/* Neither a row of the table nor, perhaps, a handler. */
static void note_register(struct device *d, const struct region *g, uint32_t offset, bool read)
{
    guest_note(d, NOTE_REGISTER, (uint32_t)(g - d->ops->regions) * 37 + offset,
               "the guest %s %s+%xh, which is not implemented", read ? "read" : "wrote", g->name,
               (unsigned)offset);
}

/* Read `width` bytes or fewer at offset; says in *done how many. */
static uint64_t read_part(struct device *d, const struct region *g, uint32_t offset, unsigned width,
                          unsigned *done)
{
    const struct reg *r = reg_at(g, offset);
    uint64_t v;
    unsigned w;

    if (r) {
        unsigned skip = (offset - r->offset) % r->width, left = r->width - skip;

        v = (uint64_t)reg_read(d, r, (offset - r->offset) / r->width) >> (skip * 8);
        *done = left < width ? left : width;
        trace_access(d, g->name, r->name, offset, *done, true, v & ones(*done), 1);
        return v & ones(*done);
    }
    if (g->nregs || !g->read)
        note_register(d, g, offset, true);
    w = handler_width(g, width);
    if (!g->read) {
        *done = 1;
        trace_access(d, g->name, NULL, offset, 1, true, 0xff, 1);
        return 0xff;
    }
    if (w) {
        v = g->read(d, offset, w) & ones(w);
        *done = w;
        trace_access(d, g->name, region_register(g, offset), offset, w, true, v, 1);
        return v;
    }
    /* Narrower than any register of the chip: read one and pick. */
    w = narrowest(g);
    v = g->read(d, offset & ~(w - 1), w) >> ((offset & (w - 1)) * 8) & ones(width);
    *done = width;
    trace_access(d, g->name, region_register(g, offset), offset, width, true, v, 1);
    return v;
}

uint64_t region_read(struct device *d, const struct region *g, uint32_t offset, unsigned width)
{
    uint64_t v = 0;

    if (width == 1 && !g->nregs && g->read && (!g->widths || (g->widths & 1))) {
        v = g->read(d, offset, 1) & 0xff; /* the most usual access, by the shortest way */
        trace_access(d, g->name, region_register(g, offset), offset, 1, true, v, 1);
        return v;
    }
    for (unsigned at = 0, done = 0; at < width; at += done)
        v |= read_part(d, g, offset + at, width - at, &done) << (at * 8);
    return v;
}

static unsigned write_part(struct device *d, const struct region *g, uint32_t offset,
                           unsigned width, uint64_t value)
{
    const struct reg *r = reg_at(g, offset);
    unsigned w;

    if (r) {
        unsigned skip = (offset - r->offset) % r->width, left = r->width - skip;

        w = left < width ? left : width;
        trace_access(d, g->name, r->name, offset, w, false, value & ones(w), 1);
        reg_write(d, r, (offset - r->offset) / r->width, (uint32_t)(value << (skip * 8)),
                  (uint32_t)(ones(w) << (skip * 8)));
        return w;
    }
    if (g->nregs || !g->write)
        note_register(d, g, offset, false);
    w = handler_width(g, width);
    if (!g->write || !w) {
        trace_access(d, g->name, region_register(g, offset), offset, w ? w : width, false,
                     value & ones(w ? w : width), 1);
        d->stats.refused += !w;
        return width < narrowest(g) ? width : 1;
    }
    trace_access(d, g->name, region_register(g, offset), offset, w, false, value & ones(w), 1);
    g->write(d, offset, w, value & ones(w));
    return w;
}

void region_write(struct device *d, const struct region *g, uint32_t offset, unsigned width,
                  uint64_t value)
{
    for (unsigned at = 0; at < width;)
        at += write_part(d, g, offset + at, width - at, value >> (at * 8));
}

void regs_reset(struct device *d)
{
    for (unsigned i = 0; i < d->ops->nregions; i++)
        for (unsigned k = 0; k < d->ops->regions[i].nregs; k++) {
            const struct reg *r = &d->ops->regions[i].regs[k];

            for (uint32_t n = 0; d->state && r->reset && n < reg_count(r); n++)
                store_le(field_of(d, r, n), r->width, r->reset);
        }
}
