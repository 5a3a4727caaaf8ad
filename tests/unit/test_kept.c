/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_kept - what is registered with the hypervisor is what the machine claims, whoever dies when.
 *
 * The hypervisor here has a table of its own with Xen's rules, and kills its caller before or after
 * a call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ioreq/kept.h"

struct xen {
    struct ranges registered;
    unsigned calls, die_before, die_after; /* number of the call, from 1; 0: never */
    jmp_buf death;
};

static int apply(void *opaque, const struct range_change *c)
{
    struct xen *x = opaque;
    int err;

    x->calls++;
    if (x->calls == x->die_before)
        longjmp(x->death, 1);
    err = ranges_change(&x->registered, c);
    if (x->calls == x->die_after)
        longjmp(x->death, 1);
    return err;
}

static struct range_change change(enum range_op op, enum hv_space space, uint64_t base,
                                  uint64_t len)
{
    return (struct range_change){ op, space, base, len };
}

static bool same(const struct ranges *a, const struct ranges *b)
{
    struct range_change c;

    return !ranges_differ(a, b, &c);
}

static void one_table_follows_the_other(void **state)
{
    struct kept *k = calloc(1, sizeof *k);
    struct xen *x = calloc(1, sizeof *x);
    struct range_change c = change(RANGE_MAP, HV_PIO, 0x1f0, 8);
    struct error e = { "" };

    (void)state;
    assert_int_equal(kept_check(k, &e), -EINVAL);
    kept_init(k, 7);
    e.text[0] = '\0';
    assert_int_equal(kept_check(k, &e), 0);
    assert_int_equal(k->server, 8);
    assert_int_equal(kept_change(k, &c, apply, x), 0);
    assert_int_equal(kept_change(k, &c, apply, x), -EEXIST);
    assert_int_equal(x->calls, 1); /* the table knew */
    c = change(RANGE_MAP_PCI, 0, 9, 1);
    assert_int_equal(kept_change(k, &c, apply, x), 0);
    c = change(RANGE_UNMAP, HV_PIO, 0x1f2, 1);
    assert_int_equal(kept_change(k, &c, apply, x), 0);
    assert_true(same(&x->registered, kept_table(k)));
    assert_true(ranges_hold(&x->registered.space[HV_PIO], 0x1f0, 0x1f1));
    assert_false(ranges_hold(&x->registered.space[HV_PIO], 0x1f2, 0x1f2));
    c = change(RANGE_UNMAP_PCI, 0, 300, 1);
    assert_int_equal(kept_change(k, &c, apply, x), -EINVAL);
    assert_int_equal(k->doing.op, RANGE_NONE);
    assert_int_equal(kept_check(k, &e), 0);
    free(k);
    free(x);
}

/* What the hypervisor refuses has not taken place. */
static void refusals_change_nothing(void **state)
{
    struct kept *k = calloc(1, sizeof *k);
    struct xen *x = calloc(1, sizeof *x);
    struct range_change c = change(RANGE_MAP, HV_MMIO, 0xf0000000, 0x1000);

    (void)state;
    kept_init(k, 0);
    assert_int_equal(ranges_change(&x->registered, &c), 0);
    assert_int_equal(kept_change(k, &c, apply, x), -EEXIST);
    assert_false(ranges_have(kept_table(k), &c));
    assert_int_equal(k->doing.op, RANGE_NONE);
    free(k);
    free(x);
}

/* A BAR that moves in small steps, a function that vanishes, one that comes back. */
static const struct range_change steps[] = {
    { RANGE_MAP, HV_PIO, 0x1f0, 8 },
    { RANGE_MAP, HV_PIO, 0x1f8, 8 },
    { RANGE_MAP_PCI, 0, 0x10, 1 },
    { RANGE_MAP, HV_MMIO, 0xf0000000, 0x1000 },
    { RANGE_UNMAP, HV_MMIO, 0xf0000000, 0x1000 },
    { RANGE_MAP, HV_MMIO, 0xf0000800, 0x1000 },
    { RANGE_UNMAP, HV_PIO, 0x1f8, 8 },
    { RANGE_UNMAP_PCI, 0, 0x10, 1 },
    { RANGE_MAP, HV_PIO, 0x1fc, 8 },
    { RANGE_MAP_PCI, 0, 0x10, 1 },
};

/* The successor's machine stands before or after the step in which the predecessor died. */
static void claims_after(struct ranges *claimed, size_t n)
{
    memset(claimed, 0, sizeof *claimed);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ranges_change(claimed, &steps[i]), 0);
}

static void run(struct kept *k, struct xen *x)
{
    kept_init(k, 3);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (kept_change(k, &steps[i], apply, x) < 0)
            fail();
}

static void settle(struct kept *k, const struct ranges *claimed, struct xen *x)
{
    if (kept_settle(k, claimed, apply, x) < 0)
        fail();
}

static void run_to_death(struct kept *k, struct xen *x)
{
    if (!setjmp(x->death))
        run(k, x);
}

static void settle_to_death(struct kept *k, const struct ranges *claimed, struct xen *x)
{
    if (!setjmp(x->death))
        settle(k, claimed, x);
}

static void dies_anywhere(void **state)
{
    struct kept *k = calloc(1, sizeof *k);
    struct xen *x = calloc(1, sizeof *x);
    struct ranges *claimed = calloc(1, sizeof *claimed);
    struct error e = { "" };

    (void)state;
    for (unsigned death = 0; death < 2 * ARRAY_SIZE(steps); death++)
        for (unsigned undone = 0; undone < 2; undone++)
            for (unsigned again = 0; again < 8; again++) { /* and the successor as well */
                size_t step = death / 2;

                memset(x, 0, sizeof *x);
                x->die_before = death % 2 ? 0 : (unsigned)step + 1;
                x->die_after = death % 2 ? (unsigned)step + 1 : 0;
                run_to_death(k, x);
                assert_int_equal(kept_check(k, &e), 0);
                assert_int_equal(k->server, 4);
                claims_after(claimed, step + !undone);
                x->calls = 0;
                x->die_before = again % 2 ? 0 : again / 2;
                x->die_after = again % 2 ? again / 2 : 0;
                settle_to_death(k, claimed, x);
                x->die_before = x->die_after = 0;
                settle(k, claimed, x);
                assert_true(same(&x->registered, claimed));
                assert_true(same(kept_table(k), claimed));
                assert_int_equal(k->doing.op, RANGE_NONE);
            }
    free(k);
    free(x);
    free(claimed);
}

static void differences_are_piecewise(void **state)
{
    struct ranges *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    struct range_change c;
    unsigned n = 0;

    (void)state;
    assert_int_equal(ranges_add(&a->space[HV_PIO], 0x100, 0x100), 0);
    assert_int_equal(ranges_add(&b->space[HV_PIO], 0x110, 0x10), 0);
    assert_int_equal(ranges_add(&b->space[HV_PIO], 0x1f0, 0x20), 0);
    assert_int_equal(ranges_add_pci(b, 255), 0);
    while (ranges_differ(a, b, &c)) {
        assert_int_equal(ranges_change(a, &c), 0);
        assert_true(++n < 10);
    }
    assert_int_equal(n, 4); /* two pieces away, one added, one function */
    assert_memory_equal(&a->space[HV_PIO].r, &b->space[HV_PIO].r, 2 * sizeof(struct range));
    free(a);
    free(b);
}

static void nonsense_is_refused(void **state)
{
    struct kept *k = calloc(1, sizeof *k), *good = calloc(1, sizeof *good);
    struct xen *x = calloc(1, sizeof *x);

    (void)state;
    run(good, x);
    for (unsigned i = 0; i < 10; i++) {
        struct range_set *pio = &k->table[good->current].space[HV_PIO];
        struct error e = { "" };

        *k = *good;
        switch (i) {
        case 0:
            k->layout++;
            break;
        case 1:
            k->server = 0;
            break;
        case 2:
            k->server = 0x10001;
            break;
        case 3:
            k->current = 2;
            break;
        case 4:
            k->doing.op = RANGE_UNMAP_PCI + 1;
            break;
        case 5:
            k->doing.space = 2;
            break;
        case 6:
            pio->nr = RANGES_MAX + 1;
            break;
        case 7:
            pio->r[0].last = 0;
            break;
        case 8:
            pio->r[0].last = UINT64_MAX;
            break;
        default:
            pio->nr = 2;
            pio->r[1].first = pio->r[0].last + 1;
            pio->r[1].last = 0xffff;
            break;
        }
        assert_int_equal(kept_check(k, &e), -EINVAL);
        assert_non_null(strstr(e.text, "ioreq server"));
    }
    free(k);
    free(good);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_table_follows_the_other),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(dies_anywhere),
        cmocka_unit_test(differences_are_piecewise),
        cmocka_unit_test(nonsense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
