/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_handover - all that can happen between a device model and a PV worker that share a disk.
 *
 * Two machines, written like their users (toolstack/domain_twins.c, toolstack/pv_disks.c), step by
 * step in every order, and each of them dies between any two steps. A step is at most one load of
 * the other side's word, or one store: a function of handover.h that does both runs on the words as
 * they were loaded, and what it has stored is seen by the other side in a later step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "hw/xen/handover.h"

enum { TURNS = 3, TABLE = 1 << 21, SETTLED = 100 };

/* What either side does next, if it has begun something. */
enum todo { NOTHING, STORE, BEGIN, WAKE };
enum call { MAY_USE, MAY_GO_ON, DRAIN_DUE, DRAINED, GONE };

struct world {
    uint32_t emulated, pv; /* the words */
    uint32_t e_next, p_next;
    uint8_t wake_e, wake_p; /* the eventfds are readable */
    uint8_t unplugged;      /* in the arena */
    uint8_t open;           /* the guest's PV front end is connected, or wants to be */
    struct {
        uint8_t todo, begin, silent, born; /* has looked at the slot since it came to life */
        uint8_t draining, used, flushing;
        uint8_t writes; /* in flight: bit 0 begun before the flush, bit 1 since */
    } e;
    struct {
        uint8_t todo, born, claimed, granted, writing;
    } p;
    uint8_t unused[3]; /* no padding: compared as bytes */
};

/* ---- the device model ----------------------------------------------------------------------- */

/* The function runs on what it loads now; its store is the next step. */
static bool call_e(struct world *w, enum call what)
{
    struct handover_slot s = { .emulated = w->emulated, .pv = w->pv };
    struct handover_side h = { &s, w->e.draining, w->e.used };
    bool ret = false;

    if (what == MAY_USE)
        ret = handover_may_use(&h);
    else if (what == MAY_GO_ON)
        ret = handover_may_go_on(&h);
    else if (what == DRAIN_DUE)
        ret = handover_drain_due(&h);
    else if (what == DRAINED)
        ret = handover_drained(&h);
    else
        handover_gone(&h);
    w->e.draining = h.draining;
    w->e.used = h.used;
    w->e_next = s.emulated;
    /* A register access wakes nobody: whoever wants something has woken us. */
    w->e.silent = what == MAY_USE || what == MAY_GO_ON;
    w->e.todo = s.emulated != w->emulated ? STORE : w->e.silent ? NOTHING : WAKE;
    return ret;
}

/* A register access that wants the disk; or, before it has looked, what its predecessor had begun.
 */
static bool e_is_asked(struct world *w)
{
    if (w->e.todo || w->unplugged || (w->e.writes & (w->e.flushing ? 2 : 1)))
        return false;
    if (call_e(w, w->e.born ? MAY_USE : MAY_GO_ON)) {
        w->e.begin = 1;
        w->e.todo = w->e.todo ? STORE : BEGIN;
    }
    return true;
}

static bool e_goes_on(struct world *w)
{
    const struct handover_slot s = { w->emulated, w->pv, { 0 } };

    if (w->e.todo == STORE) {
        w->emulated = w->e_next;
        w->e.todo = w->e.begin ? BEGIN : w->e.silent ? NOTHING : WAKE;
    } else if (w->e.todo == BEGIN) {
        w->e.writes |= w->e.flushing ? 2 : 1;
        w->e.begin = w->e.todo = 0;
    } else if (w->e.todo == WAKE) {
        w->wake_p |= handover_granted(&s);
        w->e.todo = NOTHING;
    } else {
        return false;
    }
    w->e_next = w->e.todo == STORE ? w->e_next : 0;
    return true;
}

static bool e_old_write_ends(struct world *w)
{
    bool had = w->e.writes & 1;

    w->e.writes &= 2;
    return had;
}

static bool e_new_write_ends(struct world *w)
{
    bool had = w->e.writes & 2;

    w->e.writes &= 1;
    return had;
}

static bool e_looks(struct world *w)
{
    if (w->e.todo || (w->e.born && !w->wake_e))
        return false;
    w->wake_e = 0;
    if (!w->e.born)
        w->wake_p = 1; /* its predecessor may not have come to that */
    w->e.born = 1;
    if (w->unplugged)
        call_e(w, GONE);
    else if (call_e(w, DRAIN_DUE))
        w->e.flushing = 1;
    return true;
}

/* A flush comes after what was there when it began. */
static bool e_flush_ends(struct world *w)
{
    if (w->e.todo || !w->e.flushing || (w->e.writes & 1))
        return false;
    w->e.flushing = 0;
    w->e.writes = (uint8_t)(w->e.writes >> 1);
    if (!call_e(w, DRAINED))
        w->wake_e = 1; /* looks again */
    return true;
}

/* All that is in flight ends, then the event commits; the page hears of it afterwards. */
static bool e_unplugs(struct world *w)
{
    if (w->e.todo || w->unplugged)
        return false;
    w->e.writes = w->e.flushing = 0;
    w->unplugged = 1;
    call_e(w, GONE);
    return true;
}

/* Its requests are over when its successor starts. */
static bool e_dies(struct world *w)
{
    memset(&w->e, 0, sizeof w->e);
    w->e_next = 0;
    return true;
}

/* ---- the PV worker -------------------------------------------------------------------------- */

static bool p_guest_opens(struct world *w)
{
    if (w->open || w->p.todo)
        return false;
    w->open = 1;
    return true;
}

/* handover_claim() stores, then looks; a successor that adopts does the same. */
static bool p_claims(struct world *w)
{
    struct handover_slot s = { w->emulated, w->pv, { 0 } };

    if (!w->open || w->p.claimed || w->p.todo)
        return false;
    (void)handover_claim(&s);
    w->p_next = s.pv;
    w->p.claimed = w->p.born = 1;
    w->p.todo = STORE;
    return true;
}

static bool p_goes_on(struct world *w)
{
    if (w->p.todo == STORE) {
        w->pv = w->p_next;
        w->p_next = 0;
        w->p.todo = WAKE;
    } else if (w->p.todo == WAKE) {
        w->wake_e = w->wake_p = 1; /* and it looks itself */
        w->p.todo = NOTHING;
    } else {
        return false;
    }
    return true;
}

static bool p_looks(struct world *w)
{
    struct handover_slot s = { w->emulated, w->pv, { 0 } };

    if (w->p.todo || !w->wake_p)
        return false;
    w->wake_p = 0;
    w->p.granted |= w->p.claimed && handover_granted(&s);
    return true;
}

static bool p_write_begins(struct world *w)
{
    if (w->p.todo || !w->p.granted || w->p.writing)
        return false;
    w->p.writing = 1;
    return true;
}

static bool p_write_ends(struct world *w)
{
    bool had = w->p.writing;

    w->p.writing = 0;
    return had;
}

static bool release(struct world *w)
{
    struct handover_slot s = { w->emulated, w->pv, { 0 } };

    handover_release(&s);
    w->p_next = s.pv;
    w->p.todo = STORE;
    w->p.claimed = w->p.granted = 0;
    return true;
}

static bool p_guest_closes(struct world *w)
{
    if (w->p.todo || !w->p.claimed || w->p.writing)
        return false;
    w->open = 0;
    return release(w);
}

static bool p_dies(struct world *w)
{
    memset(&w->p, 0, sizeof w->p);
    w->p_next = 0;
    return true;
}

static bool p_guest_closes_while_it_is_dead(struct world *w)
{
    if (w->p.born || !w->open)
        return false;
    w->open = 0;
    return true;
}

/* What nobody has any more when it comes to life. */
static bool p_lets_go(struct world *w)
{
    if (w->p.born || w->open || w->p.todo)
        return false;
    w->p.born = 1;
    return release(w);
}

/* ---- every order ---------------------------------------------------------------------------- */

typedef bool step(struct world *w);

/* What ends by itself, and then what somebody has to want. */
static step *const under_way[] = {
    e_looks,  e_goes_on, e_old_write_ends, e_new_write_ends, e_flush_ends,
    p_claims, p_goes_on, p_looks,          p_write_ends,     p_lets_go,
};
static step *const wishes[] = {
    e_is_asked,     e_unplugs,      e_dies, p_guest_opens,
    p_guest_closes, p_write_begins, p_dies, p_guest_closes_while_it_is_dead,
};

static struct world *table;
static uint8_t *full;
static size_t count, *queue;

static void reach(const struct world *w)
{
    size_t h = 0;

    /* The one thing that matters. */
    if (w->e.writes && w->p.writing)
        fail_msg("both write: emulated %x, pv %x", w->emulated, w->pv);
    if (w->pv / 4 > TURNS)
        return;
    for (size_t i = 0; i < sizeof *w; i++)
        h = (h ^ ((const uint8_t *)w)[i]) * 1099511628211u;
    for (h = (h >> 20) % TABLE; full[h]; h = (h + 1) % TABLE)
        if (!memcmp(&table[h], w, sizeof *w))
            return;
    if (count == TABLE / 2)
        fail_msg("more states than expected");
    full[h] = 1;
    table[h] = *w;
    queue[count++] = h;
}

/* If nobody wants anything more, and nobody dies: does it come to the right end? */
static void settle(struct world w)
{
    bool moved = true;
    struct handover_slot s;
    struct handover_side h = { &s, false, false };

    for (unsigned turns = 0; moved; turns++) {
        moved = false;
        if (turns == SETTLED)
            fail_msg("it never comes to rest");
        for (size_t i = 0; i < ARRAY_SIZE(under_way); i++)
            moved |= under_way[i](&w);
    }
    s = (struct handover_slot){ w.emulated, w.pv, { 0 } };
    if (w.open && !w.p.granted)
        fail_msg("PV waits for ever: emulated %x, pv %x", w.emulated, w.pv);
    if (handover_may_use(&h) != (!w.open && !w.unplugged))
        fail_msg("emulated %x, pv %x, open %d, unplugged %d", w.emulated, w.pv, w.open,
                 w.unplugged);
}

static void every_order(void **state)
{
    struct world first, w;

    (void)state;
    table = calloc(TABLE, sizeof *table);
    full = calloc(TABLE, 1);
    queue = calloc(TABLE / 2, sizeof *queue);
    assert_true(table && full && queue);
    memset(&first, 0, sizeof first);
    reach(&first);
    for (size_t i = 0; i < count; i++) {
        const struct world from = table[queue[i]];

        settle(from);
        for (size_t k = 0; k < ARRAY_SIZE(under_way) + ARRAY_SIZE(wishes); k++) {
            memcpy(&w, &from, sizeof w);
            if (k < ARRAY_SIZE(under_way) ? under_way[k](&w)
                                          : wishes[k - ARRAY_SIZE(under_way)](&w))
                reach(&w);
        }
    }
    print_message("%zu states\n", count);
    assert_true(count > 5000);
    free(table);
    free(full);
    free(queue);
}

/* ---- by hand -------------------------------------------------------------------------------- */

static void goes_there_and_back(void **state)
{
    struct handover_slot s = { 0 };
    struct handover_side h = { .slot = &s };

    (void)state;
    assert_true(handover_may_use(&h));
    assert_false(handover_drain_due(&h));
    assert_false(handover_granted(&s));
    assert_false(handover_claim(&s));
    assert_false(handover_claim(&s));
    assert_false(handover_may_use(&h));
    assert_true(handover_drain_due(&h));
    assert_false(handover_drain_due(&h));
    assert_true(handover_drained(&h));
    assert_true(handover_granted(&s));
    assert_true(handover_claim(&s));
    assert_false(handover_may_use(&h));
    handover_release(&s);
    assert_false(handover_granted(&s));
    assert_true(handover_may_use(&h));
    assert_false(handover_claim(&s));
    assert_true(handover_drain_due(&h));
    handover_release(&s); /* it changes its mind, twice, and is answered once */
    assert_true(handover_may_use(&h));
    assert_false(handover_claim(&s));
    assert_false(handover_drained(&h));
    assert_true(handover_drain_due(&h));
    assert_true(handover_drained(&h));
    assert_true(handover_granted(&s));
}

static void unplugged_is_for_good(void **state)
{
    struct handover_slot s = { 0 };
    struct handover_side h = { .slot = &s };

    (void)state;
    handover_gone(&h);
    assert_false(handover_may_use(&h));
    assert_false(handover_granted(&s));
    assert_true(handover_claim(&s));
    assert_false(handover_drain_due(&h));
    assert_false(handover_drained(&h));
    handover_release(&s);
    assert_false(handover_may_use(&h));
    assert_true(handover_claim(&s));
}

/* A word that no honest side writes. */
static void nonsense_gives_nothing(void **state)
{
    struct handover_slot s = { .emulated = 3 };
    struct handover_side h = { .slot = &s };

    (void)state;
    assert_false(handover_claim(&s));
    assert_false(handover_may_use(&h));
    for (uint32_t what = 0; what < 64; what++) {
        s.emulated = what;
        assert_int_equal(handover_granted(&s), what == 5 || what % 4 == 2);
    }
    s = (struct handover_slot){ .pv = 0xfffffffe };
    assert_true(handover_may_use(&h)); /* wants nothing that we know */
    s.pv = 0xfffffffc;                 /* the last turn */
    assert_false(handover_claim(&s));
    assert_int_equal(s.pv, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order),
        cmocka_unit_test(goes_there_and_back),
        cmocka_unit_test(unplugged_is_for_good),
        cmocka_unit_test(nonsense_gives_nothing),
    };

    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
