/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges - see ranges.h.
 *
 * Source: Xen hvm/ioreq.c. Absent: buses other than 0.
 */
#include "ioreq/ranges.h"

#include <errno.h>
#include <string.h>

static bool bounds(uint64_t base, uint64_t len, uint64_t *last)
{
    *last = base + (len - 1);
    return len && *last >= base;
}

/* Index of the first range that ends at or after `at`. */
static unsigned lower(const struct range_set *s, uint64_t at)
{
    unsigned lo = 0, hi = s->nr;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (s->r[mid].last < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void insert_at(struct range_set *s, unsigned i, uint64_t first, uint64_t last)
{
    memmove(&s->r[i + 1], &s->r[i], (s->nr - i) * sizeof s->r[0]);
    s->r[i].first = first;
    s->r[i].last = last;
    s->nr++;
}

static void remove_at(struct range_set *s, unsigned i)
{
    s->nr--;
    memmove(&s->r[i], &s->r[i + 1], (s->nr - i) * sizeof s->r[0]);
}

int ranges_add(struct range_set *s, uint64_t base, uint64_t len)
{
    uint64_t last;
    unsigned i;
    bool left, right;

    if (!bounds(base, len, &last))
        return -EINVAL;
    i = lower(s, base);
    if (i < s->nr && s->r[i].first <= last)
        return -EEXIST;
    left = i > 0 && s->r[i - 1].last + 1 == base;
    right = i < s->nr && last + 1 == s->r[i].first;
    if (left && right) {
        s->r[i - 1].last = s->r[i].last;
        remove_at(s, i);
    } else if (left) {
        s->r[i - 1].last = last;
    } else if (right) {
        s->r[i].first = base;
    } else {
        if (s->nr == RANGES_MAX)
            return -ENOSPC;
        insert_at(s, i, base, last);
    }
    return 0;
}

int ranges_remove(struct range_set *s, uint64_t base, uint64_t len)
{
    uint64_t last;
    unsigned i;
    struct range old;

    if (!bounds(base, len, &last))
        return -EINVAL;
    if (!ranges_hold(s, base, last))
        return -ENOENT;
    i = lower(s, base);
    old = s->r[i];
    if (old.first < base && old.last > last) {
        if (s->nr == RANGES_MAX)
            return -ENOSPC;
        insert_at(s, i + 1, last + 1, old.last);
        s->r[i].last = base - 1;
    } else if (old.first < base) {
        s->r[i].last = base - 1;
    } else if (old.last > last) {
        s->r[i].first = last + 1;
    } else {
        remove_at(s, i);
    }
    return 0;
}

bool ranges_hold(const struct range_set *s, uint64_t first, uint64_t last)
{
    unsigned i = lower(s, first);

    return first <= last && i < s->nr && s->r[i].first <= first && s->r[i].last >= last;
}

bool ranges_hold_pci(const struct ranges *s, unsigned devfn)
{
    return devfn < 256 && (s->pci[devfn / 8] >> (devfn % 8) & 1);
}

int ranges_add_pci(struct ranges *s, unsigned devfn)
{
    if (devfn >= 256)
        return -EINVAL;
    if (ranges_hold_pci(s, devfn))
        return -EEXIST;
    s->pci[devfn / 8] = (uint8_t)(s->pci[devfn / 8] | 1u << (devfn % 8));
    return 0;
}

int ranges_remove_pci(struct ranges *s, unsigned devfn)
{
    if (devfn >= 256)
        return -EINVAL;
    if (!ranges_hold_pci(s, devfn))
        return -ENOENT;
    s->pci[devfn / 8] = (uint8_t)(s->pci[devfn / 8] & ~(1u << (devfn % 8)));
    return 0;
}

/* --- Whole tables. */

int ranges_change(struct ranges *s, const struct range_change *c)
{
    if (c->space > HV_MMIO)
        return -EINVAL;
    switch (c->op) {
    case RANGE_MAP:
        return ranges_add(&s->space[c->space], c->base, c->len);
    case RANGE_UNMAP:
        return ranges_remove(&s->space[c->space], c->base, c->len);
    case RANGE_MAP_PCI:
        return c->base < 256 ? ranges_add_pci(s, (unsigned)c->base) : -EINVAL;
    case RANGE_UNMAP_PCI:
        return c->base < 256 ? ranges_remove_pci(s, (unsigned)c->base) : -EINVAL;
    default:
        return -EINVAL;
    }
}

bool ranges_have(const struct ranges *s, const struct range_change *c)
{
    if (c->op == RANGE_MAP_PCI || c->op == RANGE_UNMAP_PCI)
        return c->base < 256 && ranges_hold_pci(s, (unsigned)c->base);
    return c->space <= HV_MMIO && c->len &&
           ranges_hold(&s->space[c->space], c->base, c->base + (c->len - 1));
}

/* Leaves the first piece of *r that is not in `b`; false: all of it is. */
static bool cut(const struct range_set *b, struct range *r)
{
    for (unsigned i = lower(b, r->first); i < b->nr && b->r[i].first <= r->last; i++) {
        if (b->r[i].first > r->first) {
            r->last = b->r[i].first - 1;
            return true;
        }
        if (b->r[i].last >= r->last)
            return false;
        r->first = b->r[i].last + 1;
    }
    return true;
}

static bool difference(const struct range_set *a, const struct range_set *b, struct range *out)
{
    for (unsigned i = 0; i < a->nr; i++) {
        *out = a->r[i];
        if (cut(b, out))
            return true;
    }
    return false;
}

static bool differ_one_way(const struct ranges *a, const struct ranges *b, enum range_op op,
                           enum range_op op_pci, struct range_change *out)
{
    struct range piece;

    for (unsigned space = HV_PIO; space <= HV_MMIO; space++)
        if (difference(&a->space[space], &b->space[space], &piece)) {
            *out = (struct range_change){ op, space, piece.first, piece.last - piece.first + 1 };
            return true;
        }
    for (unsigned devfn = 0; devfn < 256; devfn++)
        if (ranges_hold_pci(a, devfn) && !ranges_hold_pci(b, devfn)) {
            *out = (struct range_change){ op_pci, 0, devfn, 1 };
            return true;
        }
    return false;
}

bool ranges_differ(const struct ranges *from, const struct ranges *to, struct range_change *out)
{
    return differ_one_way(from, to, RANGE_UNMAP, RANGE_UNMAP_PCI, out) ||
           differ_one_way(to, from, RANGE_MAP, RANGE_MAP_PCI, out);
}

bool ranges_sane(const struct ranges *s)
{
    for (unsigned space = HV_PIO; space <= HV_MMIO; space++) {
        const struct range_set *set = &s->space[space];

        if (set->nr > RANGES_MAX)
            return false;
        for (unsigned i = 0; i < set->nr; i++)
            if (set->r[i].first > set->r[i].last || set->r[i].last == UINT64_MAX ||
                (i && set->r[i].first <= set->r[i - 1].last + 1))
                return false;
    }
    return true;
}
