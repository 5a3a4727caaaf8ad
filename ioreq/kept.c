/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kept - see kept.h. */
#include "ioreq/kept.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A death may come between any two stores: they must stay in this order (x86 keeps it). */
static void barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

void kept_init(struct kept *k, uint32_t server)
{
    memset(k, 0, sizeof *k);
    k->server = server + 1;
    barrier();
    k->layout = KEPT_LAYOUT;
}

int kept_check(const struct kept *k, struct error *e)
{
    if (k->layout != KEPT_LAYOUT || !k->server || k->server > KEPT_SERVERS || k->current > 1 ||
        k->doing.op > RANGE_UNMAP_PCI || k->doing.space > HV_MMIO || !ranges_sane(kept_table(k)))
        return error_set(e, -EINVAL,
                         "what the predecessor has left says nothing sensible of its ioreq server");
    return 0;
}

static void begin(struct kept *k, const struct range_change *c)
{
    k->doing.space = c->space;
    k->doing.base = c->base;
    k->doing.len = c->len;
    barrier();
    k->doing.op = c->op;
    barrier();
}

static void end(struct kept *k, bool done)
{
    barrier();
    if (done)
        k->current = !k->current;
    barrier();
    k->doing.op = RANGE_NONE;
    barrier();
}

/* The table as it will be, in the copy that does not count. */
static int prepare(struct kept *k, const struct range_change *c)
{
    struct ranges *next = &k->table[!k->current];

    *next = *kept_table(k);
    return ranges_change(next, c);
}

int kept_change(struct kept *k, const struct range_change *c, kept_apply_fn *apply, void *opaque)
{
    int err = prepare(k, c);

    if (err < 0)
        return err;
    begin(k, c);
    err = apply(opaque, c);
    end(k, err == 0);
    return err;
}

/* --- After a predecessor. */

struct tolerant {
    kept_apply_fn *apply;
    void *opaque;
};

static int apply_tolerant(void *opaque, const struct range_change *c)
{
    const struct tolerant *t = opaque;
    int err = t->apply(t->opaque, c);

    if ((c->op == RANGE_MAP || c->op == RANGE_MAP_PCI) && err == -EEXIST)
        return 0;
    if ((c->op == RANGE_UNMAP || c->op == RANGE_UNMAP_PCI) && err == -ENOENT)
        return 0;
    return err;
}

/* The change that was under way: bring about what the machine wants now, and believe that. It stays
 * noted until that is done, so that our own death here changes nothing. */
static int resolve(struct kept *k, const struct ranges *claimed, struct tolerant *t)
{
    struct range_change c = k->doing;
    bool pci = c.op == RANGE_MAP_PCI || c.op == RANGE_UNMAP_PCI;
    bool wanted = ranges_have(claimed, &c);
    int err = 0;

    if (c.op == RANGE_NONE)
        return 0;
    if (wanted)
        c.op = pci ? RANGE_MAP_PCI : RANGE_MAP;
    else
        c.op = pci ? RANGE_UNMAP_PCI : RANGE_UNMAP;
    if (ranges_have(kept_table(k), &c) != wanted)
        err = prepare(k, &c);
    else
        k->table[!k->current] = *kept_table(k);
    if (err == 0)
        err = apply_tolerant(t, &c);
    if (err == 0)
        end(k, true);
    return err;
}

int kept_settle(struct kept *k, const struct ranges *claimed, kept_apply_fn *apply, void *opaque)
{
    struct tolerant t = { apply, opaque };
    struct range_change c;
    int err = resolve(k, claimed, &t);

    while (err == 0 && ranges_differ(kept_table(k), claimed, &c))
        err = kept_change(k, &c, apply_tolerant, &t);
    return err;
}
