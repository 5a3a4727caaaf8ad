/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_chips - the chips that Xen has inside, as a client meets them on the board. */
#include "tests/qtest/guest.h"

#include <stdlib.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

enum { IRQ_TIMER = 0, IRQ_RTC = 8, IRQ_SCI = 9 };

static uint8_t cmos(struct guest *g, unsigned index)
{
    guest_outb(g, 0x70, index);
    return guest_inb(g, 0x71);
}

static void set_cmos(struct guest *g, unsigned index, unsigned v)
{
    guest_outb(g, 0x70, index);
    guest_outb(g, 0x71, v);
}

static int bcd(uint8_t v)
{
    return (v >> 4) * 10 + (v & 15);
}

/* Guest time begins at the host's. */
GUEST_TEST(clock_shows_the_date, "")
{
    struct tm tm = { 0 };
    long apart;

    tm.tm_sec = bcd(cmos(g, 0));
    tm.tm_min = bcd(cmos(g, 2));
    tm.tm_hour = bcd(cmos(g, 4));
    tm.tm_mday = bcd(cmos(g, 7));
    tm.tm_mon = bcd(cmos(g, 8)) - 1;
    tm.tm_year = bcd(cmos(g, 9)) + 100;
    apart = labs((long)(timegm(&tm) - time(NULL)));
    EXPECT_TRUE(apart < 60);
}

GUEST_TEST(clock_can_be_set_and_runs_by_guest_time, "")
{
    set_cmos(g, 11, 0x86); /* set, binary, 24 hours */
    set_cmos(g, 0, 58);
    set_cmos(g, 2, 59);
    set_cmos(g, 4, 23);
    set_cmos(g, 7, 31);
    set_cmos(g, 8, 12);
    set_cmos(g, 9, 30);
    set_cmos(g, 11, 0x06);
    guest_step(g, SECOND);
    EXPECT_EQ(cmos(g, 0), 59);
    guest_step(g, SECOND);
    EXPECT_EQ(cmos(g, 0), 0);
    EXPECT_EQ(cmos(g, 4), 0);
    EXPECT_EQ(cmos(g, 7), 1);
    EXPECT_EQ(cmos(g, 8), 1);
    EXPECT_EQ(cmos(g, 9), 31);
}

GUEST_TEST(clock_interrupts, "")
{
    guest_intercept(g);
    cmos(g, 12);
    set_cmos(g, 11, 0x12);
    EXPECT_TRUE(!g->level[IRQ_RTC]);
    guest_step(g, SECOND);
    EXPECT_TRUE(g->level[IRQ_RTC]);
    EXPECT_EQ(cmos(g, 12) & 0x90, 0x90);
    EXPECT_TRUE(!g->level[IRQ_RTC]);
    set_cmos(g, 11, 0x42);
    for (unsigned i = 0; i < 10; i++) { /* 1024 Hz */
        guest_step(g, 976563);
        EXPECT_TRUE(g->level[IRQ_RTC]);
        EXPECT_EQ(cmos(g, 12) & 0xc0, 0xc0);
    }
    EXPECT_EQ(g->edges[IRQ_RTC], 22);
}

GUEST_TEST(alarm_goes_off, "")
{
    guest_intercept(g);
    set_cmos(g, 11, 0x86);
    set_cmos(g, 0, 0);
    set_cmos(g, 2, 30);
    set_cmos(g, 4, 6);
    set_cmos(g, 1, 5);
    set_cmos(g, 3, 30);
    set_cmos(g, 5, 6);
    set_cmos(g, 11, 0x26);
    guest_step(g, 4 * SECOND);
    EXPECT_TRUE(!g->level[IRQ_RTC]);
    guest_step(g, SECOND);
    EXPECT_TRUE(g->level[IRQ_RTC]);
    EXPECT_EQ(cmos(g, 12) & 0xa0, 0xa0);
}

GUEST_TEST(timer_ticks, "")
{
    unsigned count;

    guest_intercept(g);
    guest_outb(g, 0x43, 0x34); /* rate generator, 1000 Hz */
    guest_outb(g, 0x40, 1193 & 0xff);
    guest_outb(g, 0x40, 1193 >> 8);
    guest_step(g, SECOND);
    EXPECT_EQ(g->edges[IRQ_TIMER], 1 + 2 * 1000);
    guest_outb(g, 0x43, 0x00);
    count = guest_inb(g, 0x40);
    EXPECT_EQ(count | (unsigned)guest_inb(g, 0x40) << 8, 1193 - 1193182 % 1193);
}

/* As operating systems measure a delay: counter 2, whose gate and output are in port 61h. */
GUEST_TEST(timer_measures_a_delay, "")
{
    unsigned us = 0;

    guest_outb(g, 0x61, 1);
    guest_outb(g, 0x43, 0xb0);
    guest_outb(g, 0x42, 11932 & 0xff);
    guest_outb(g, 0x42, 11932 >> 8);
    while (!(guest_inb(g, 0x61) & 0x20)) {
        guest_step(g, 100000);
        us += 100;
        EXPECT_TRUE(us < 20000);
    }
    EXPECT_EQ(us, 10100);
}

GUEST_TEST(power_management_timer_counts, "")
{
    uint32_t before = guest_inl(g, 0xb008);

    guest_step(g, SECOND);
    EXPECT_EQ(guest_inl(g, 0xb008) - before, 3579545);
}

GUEST_TEST(power_management_timer_overflows, "")
{
    guest_intercept(g);
    guest_outw(g, 0xb002, 1);
    guest_step(g, 600 * SECOND);
    EXPECT_TRUE(g->level[IRQ_SCI]);
    guest_outw(g, 0xb000, 1);
    EXPECT_TRUE(!g->level[IRQ_SCI]);
}

GUEST_TEST(interrupt_controllers_take_what_is_unmasked, "")
{
    static const uint8_t words[2][4] = { { 0x11, 0x08, 4, 1 }, { 0x11, 0x70, 2, 1 } };

    EXPECT_TRUE(guest_ask(g, "irq_intercept_out i8259")[0] == 'O');
    for (unsigned i = 0; i < 8; i++)
        guest_outb(g, (i < 4 ? 0x20u : 0xa0u) + (i % 4 > 0), words[i / 4][i % 4]);
    guest_outb(g, 0x21, 0xff);
    guest_ask(g, "set_irq_in i8259 unnamed-gpio-in 10 1");
    EXPECT_TRUE(!g->level[0]);
    EXPECT_EQ(guest_inb(g, 0xa0), 0x04);
    guest_outb(g, 0x21, 0xfb);
    EXPECT_TRUE(g->level[0]); /* the output, as line 0 */
    guest_outb(g, 0xa0, 0x0c);
    EXPECT_EQ(guest_inb(g, 0xa0), 0x82); /* poll: line 2 of the slave */
    EXPECT_TRUE(!g->level[0]);
}

GUEST_TEST(io_apic_is_in_memory, "")
{
    guest_ask(g, "writel 0xfec00000 1");
    assert_string_equal(guest_ask(g, "readl 0xfec00010"), "OK 0x0000000000170011");
    guest_ask(g, "writel 0xfec00000 0x20");
    assert_string_equal(guest_ask(g, "readl 0xfec00010"), "OK 0x0000000000010000");
}

GUEST_TEST(firmware_configuration, "-m 256M -smp 2 -uuid 00112233-4455-6677-8899-aabbccddeeff")
{
    uint64_t ram = 0;

    guest_outw(g, 0x510, 3);
    for (unsigned i = 0; i < 8; i++)
        ram |= (uint64_t)guest_inb(g, 0x511) << (8 * i);
    EXPECT_EQ(ram, 256 << 20);
    guest_outw(g, 0x510, 5);
    EXPECT_EQ(guest_inb(g, 0x511), 2);
    guest_outw(g, 0x510, 0);
    EXPECT_EQ(guest_inb(g, 0x511), 'Q');
    guest_outw(g, 0x510, 2);
    for (unsigned i = 0; i < 16; i++)
        EXPECT_EQ(guest_inb(g, 0x511), i * 0x11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(clock_shows_the_date),
        T(clock_can_be_set_and_runs_by_guest_time),
        T(clock_interrupts),
        T(alarm_goes_off),
        T(timer_ticks),
        T(timer_measures_a_delay),
        T(power_management_timer_counts),
        T(power_management_timer_overflows),
        T(interrupt_controllers_take_what_is_unmasked),
        T(io_apic_is_in_memory),
        T(firmware_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
