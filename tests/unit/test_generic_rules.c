/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generic checks of the rules can fail: a broken device for each, which its check must catch.
 * What generic.refused_requests guards is in front of all devices, so that no device can break it;
 * tests/planted/list has the mutations for that.
 */
#include <stdlib.h>

#include "hw/core/core.h"
#include "tests/bench.h"
#include "tests/generic.h"

#define SICK_STATE(F, A, S)                                                                        \
    F(S, uint8_t, A0, 3, 1)                                                                        \
    F(S, uint8_t, A1, ANY, 1)                                                                      \
    F(S, uint64_t, deadline, ANY, 1)
STATE_DEFINE(sick, SICK_STATE);

static struct sick_state *st(struct device *d)
{
    return d->state;
}

static uint64_t zero(struct device *d, uint32_t offset, unsigned width)
{
    (void)d, (void)offset, (void)width;
    return 0;
}

/* S3: looks at a length, then reads it again to use it. */
static void fetch_twice(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    uint16_t length = 0;

    (void)offset, (void)width, (void)value;
    if (dma_fetch(d, GPA(0x1000), &length) == 0 && length < 512 &&
        dma_fetch(d, GPA(0x1000), &length) == 0)
        st(d)->A1 = (uint8_t)length;
}

/* S4: follows descriptors for as long as there are some. */
static void walk_for_ever(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    uint32_t next = 0x1000;

    (void)offset, (void)width, (void)value;
    for (unsigned i = 0; i < 30000; i++)
        if (dma_write(d, GPA(next), &next, sizeof next) < 0)
            return;
}

/* S4: a timer that is due again at once. */
static void again(struct device *d)
{
    timer_arm(d, &st(d)->deadline, clock_now(d));
}

static void arm(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset, (void)width, (void)value;
    again(d);
}

static int realize_timer(struct device *d, struct error *e)
{
    (void)e;
    timer_register(d, &st(d)->deadline, again);
    return 0;
}

/* S5: an access of its own to another device. */
static void poke_neighbour(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset, (void)width;
    machine_access(d->m, BUS_PIO, 0x200, 1, false, value);
}

/* S9: part of the answer was never written. */
__attribute__((noinline)) static void part_of_it(volatile uint8_t *answer)
{
    __asm__ volatile("" : : "r"(answer) : "memory"); /* the compiler must not see that either */
}

static uint64_t hole_in_it(struct device *d, uint32_t offset, unsigned width)
{
    uint8_t answer[2048];

    (void)d, (void)offset, (void)width;
    part_of_it(answer);
    answer[0] = 0;
    return answer[1500];
}

/* S10: goes on with what a failed transfer has left. */
static void believes_dma(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    uint8_t index = 0;

    (void)offset, (void)width, (void)value;
    (void)!dma_read(d, GPA(0x50000), &index, 1);
    st(d)->A0 = index;
}

/* S11: what unplug leaves behind. */
static void bad_unplug(struct device *d, unsigned mask)
{
    (void)mask;
    st(d)->A0 = (uint8_t)(st(d)->A0 + 2);
}

/* S14 */
static void allocates(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    void *volatile p = malloc(16 + value % 16);

    (void)d, (void)offset, (void)width;
    free(p);
}

/* S15 */
static void talks(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset, (void)width;
    log_warn("%s: the guest has written %llx, which is nothing to write", d->id,
             (unsigned long long)value);
}

static const struct region victim_regions[] = { { "none", BUS_PIO, 4, .read = zero } };
static const struct device_ops victim_ops = { .name = "victim",
                                              .size = sizeof(struct device),
                                              .state = &sick_desc,
                                              .regions = victim_regions,
                                              .nregions = 1 };

#define SICK(part, realize_, unplug_, ...)                                                         \
    static const struct region part##_regions[] = { { "bytes", BUS_PIO, 4, __VA_ARGS__ } };        \
    static const struct device_ops part##_ops = { .name = #part,                                   \
                                                  .size = sizeof(struct device),                   \
                                                  .state = &sick_desc,                             \
                                                  .regions = part##_regions,                       \
                                                  .nregions = 1,                                   \
                                                  .realize = realize_,                             \
                                                  .unplug = unplug_ };                             \
    static struct bench *make_##part(void)                                                         \
    {                                                                                              \
        static const struct device_row rows[] = { { .ops = &part##_ops, .base = { 0x100 } },       \
                                                  { .ops = &victim_ops, .base = { 0x200 } } };     \
        return bench_new(rows, 2);                                                                 \
    }

SICK(fetching, NULL, NULL, .read = zero, .write = fetch_twice)
SICK(walking, NULL, NULL, .read = zero, .write = walk_for_ever)
SICK(ticking, realize_timer, NULL, .read = zero, .write = arm)
SICK(poking, NULL, NULL, .read = zero, .write = poke_neighbour)
SICK(leaking, NULL, NULL, .read = hole_in_it)
SICK(believing, NULL, NULL, .read = zero, .write = believes_dma)
SICK(unplugging, NULL, bad_unplug, .read = zero)
SICK(allocating, NULL, NULL, .read = zero, .write = allocates)
SICK(talking, NULL, NULL, .read = zero, .write = talks)

static void expect(const char *name, struct bench *(*make)(void), const char *sentence)
{
    const char *what = NULL;

    for (unsigned i = 0; i < generic_nrules; i++)
        if (strcmp(generic_rules[i].name, name) == 0)
            what = generic_rules[i].check(make);
    if (!what || !strstr(what, sentence))
        fail_msg("%s says '%s', not '%s'", name, what ? what : "nothing", sentence);
}

static void requests_finds_a_second_fetch(void **state)
{
    (void)state;
    expect("generic.requests", make_fetching, "twice");
}

static void requests_finds_work_without_a_bound(void **state)
{
    (void)state;
    expect("generic.requests", make_walking, "DMA transfers");
}

static void requests_finds_an_allocation(void **state)
{
    (void)state;
    expect("generic.requests", make_allocating, "allocated");
}

static void timers_finds_one_that_spins(void **state)
{
    (void)state;
    expect("generic.timers", make_ticking, "another is due");
}

static void no_re_entry_finds_a_device_that_pokes(void **state)
{
    (void)state;
    expect("generic.no_re_entry", make_poking, "2 accesses");
}

static void whole_answers_finds_a_hole(void **state)
{
    (void)state;
    expect("generic.whole_answers", make_leaking, "gave");
}

static void failing_memory_finds_a_believer(void **state)
{
    (void)state;
    expect("generic.failing_memory", make_believing, "cannot be loaded");
}

static void unplugged_finds_what_is_left_behind(void **state)
{
    (void)state;
    expect("generic.unplugged", make_unplugging, "cannot be loaded");
}

static void bounded_log_finds_a_talker(void **state)
{
    (void)state;
    expect("generic.bounded_log", make_talking, "bytes of log");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_finds_a_second_fetch),
        cmocka_unit_test(requests_finds_work_without_a_bound),
        cmocka_unit_test(requests_finds_an_allocation),
        cmocka_unit_test(timers_finds_one_that_spins),
        cmocka_unit_test(no_re_entry_finds_a_device_that_pokes),
        cmocka_unit_test(whole_answers_finds_a_hole),
        cmocka_unit_test(failing_memory_finds_a_believer),
        cmocka_unit_test(unplugged_finds_what_is_left_behind),
        cmocka_unit_test(bounded_log_finds_a_talker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
