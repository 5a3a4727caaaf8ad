/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generic checks can fail: a broken device for each, which its check must catch. */
#include "tests/bench.h"

#include "hw/core/core.h"

#define SICK_STATE(F, A, S)                                                                        \
    F(S, uint8_t, A0, 3, 1)                                                                        \
    F(S, uint8_t, A1, ANY, 1)                                                                      \
    F(S, uint8_t, index, 3, 1)                                                                     \
    A(S, uint8_t, table, 4, ANY, 1)
STATE_DEFINE(sick, SICK_STATE);

struct sick {
    struct device dev;
    uint8_t forgotten; /* guest-visible, but outside the state */
};

static struct sick_state *st(struct device *d)
{
    return d->state;
}

#define AT(r) offsetof(struct sick_state, r)

/* A register whose handler ignores what the table says. */
static void bad_reset(struct device *d)
{
    st(d)->A1 = 0x55;
}

static const struct reg bad_reset_regs[] = { { "A1", 0, 1, AT(A1), .reset = 0x12, .rw = 0xff } };
static const struct region bad_reset_regions[] = {
    { "regs", BUS_PIO, 4, .regs = bad_reset_regs, .nregs = 1 },
};

/* Writes a value beyond the limit it declared. */
static void too_high(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    st(d)->A0 = (uint8_t)value;
}

static uint64_t zero(struct device *d, uint32_t offset, unsigned width)
{
    (void)d;
    (void)offset;
    (void)width;
    return 0;
}

static const struct region too_high_regions[] = {
    { "bytes", BUS_PIO, 4, .read = zero, .write = too_high },
};

/* Keeps a register outside the state: lost by save and load, and by a rollback. */
static void forget_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    ((struct sick *)d)->forgotten = (uint8_t)value;
}

static uint64_t forget_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ((struct sick *)d)->forgotten;
}

static const struct region forget_regions[] = {
    { "bytes", BUS_PIO, 4, .read = forget_read, .write = forget_write },
};

/* Writes to another device without saying so. */
static void stray_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct device *other = device_find(d, "victim", 0);

    (void)offset;
    (void)width;
    if (other)
        st(other)->A1 = (uint8_t)value;
}

static const struct region stray_regions[] = {
    { "bytes", BUS_PIO, 4, .read = zero, .write = stray_write },
};

/* Changes state in a read that it declared free of side effects: no transaction keeps it. */
static uint64_t constant_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return st(d)->A1++;
}

static const struct region constant_regions[] = {
    { "bytes", BUS_PIO, 4, .read = constant_read, .constant = true },
};

static bool always_settled(const struct device *d, uint32_t offset)
{
    (void)d;
    (void)offset;
    return true;
}

static const struct region settled_regions[] = {
    { "bytes", BUS_PIO, 4, .read = constant_read, .settled = always_settled },
};

#define LOOSE_STATE(F, A, S)                                                                       \
    F(S, uint8_t, limited, 3, 1)                                                                   \
    A(S, uint8_t, table, 4, ANY, 1)
STATE_DEFINE(loose, LOOSE_STATE);

#define SICK(part, regs_, ...)                                                                     \
    static const struct device_ops part##_ops = { .name = #part,                                   \
                                                  .size = sizeof(struct sick),                     \
                                                  .state = &sick_desc,                             \
                                                  .regions = regs_,                                \
                                                  .nregions = 1,                                   \
                                                  __VA_ARGS__ };                                   \
    static struct bench *make_##part(void)                                                         \
    {                                                                                              \
        static const struct device_row rows[] = { { .ops = &part##_ops, .base = { 0x100 } },       \
                                                  { .ops = &victim_ops, .base = { 0x200 } } };     \
        return bench_new(rows, 2);                                                                 \
    }

static const struct region victim_regions[] = { { "none", BUS_PIO, 4, .read = zero } };
static const struct device_ops victim_ops = { .name = "victim",
                                              .size = sizeof(struct sick),
                                              .state = &sick_desc,
                                              .regions = victim_regions,
                                              .nregions = 1 };
SICK(reset, bad_reset_regions, .reset = bad_reset)
SICK(high, too_high_regions, .loaded = NULL)
SICK(forget, forget_regions, .loaded = NULL)
SICK(stray, stray_regions, .loaded = NULL)
SICK(constant, constant_regions, .loaded = NULL)
SICK(settled, settled_regions, .loaded = NULL)

static const char *check(const char *name, struct bench *(*make)(void))
{
    for (unsigned i = 0; i < generic_nchecks; i++)
        if (strcmp(generic_checks[i].name, name) == 0)
            return generic_checks[i].check(make);
    fail_msg("no check %s", name);
    return NULL;
}

static void registers_finds_a_wrong_reset_value(void **state)
{
    (void)state;
    assert_non_null(strstr(check("generic.registers", make_reset), "after reset"));
}

static void widths_finds_a_value_over_its_limit(void **state)
{
    (void)state;
    assert_non_null(strstr(check("generic.widths", make_high), "cannot be loaded"));
}

static void save_and_load_finds_what_is_not_in_the_state(void **state)
{
    (void)state;
    assert_non_null(strstr(check("generic.save_and_load", make_forget), "after save and load"));
}

static void shadow_finds_a_stray_write(void **state)
{
    (void)state;
    assert_non_null(strstr(check("generic.shadow", make_stray), "outside its transaction"));
    assert_non_null(strstr(check("generic.shadow", make_constant), "outside its transaction"));
    assert_non_null(strstr(check("generic.shadow", make_settled), "outside its transaction"));
}

static void rollback_finds_what_no_transaction_keeps(void **state)
{
    (void)state;
    assert_non_null(strstr(check("generic.rollback", make_stray), "not rolled back"));
}

/* The limits are what refuses a damaged state: with a table that has none, it would be loaded. */
static void limits_refuse_a_damaged_state(void **state)
{
    struct loose_state s = { .limited = 4 };
    struct error e = { "" };

    (void)state;
    assert_true(state_check("loose", &loose_desc, &s, &e) < 0);
    assert_non_null(strstr(e.text, "limited"));
    s.limited = 3;
    assert_int_equal(state_check("loose", &loose_desc, &s, &e), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_finds_a_wrong_reset_value),
        cmocka_unit_test(widths_finds_a_value_over_its_limit),
        cmocka_unit_test(save_and_load_finds_what_is_not_in_the_state),
        cmocka_unit_test(shadow_finds_a_stray_write),
        cmocka_unit_test(rollback_finds_what_no_transaction_keeps),
        cmocka_unit_test(limits_refuse_a_damaged_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
