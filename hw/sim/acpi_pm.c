/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi_pm - PM1a event registers and PM timer at b000h and b008h; for the simulator, as Xen has its
 * own.
 *
 * Source:  ACPI 2.0, sections 4.7.3.1 and 4.7.3.3; Xen arch/x86/hvm/pmtimer.c (which registers of
 *          the block are Xen's, and that the timer has 32 bits).
 * Present: status (write one to clear) and enable register, timer overflow, SCI (IRQ 9), timer.
 * Absent:  buttons and alarm: nothing here presses them; their bits can be enabled. The control
 *          register, GPE and hotplug are those of our own power management function.
 */
#include "hw/core/device.h"

enum { LINE_SCI = 0 };
enum { TMROF = 1u << 0, STS_BITS = 0x8731, EN_BITS = 0x0721 };
#define HZ  UINT64_C(3579545)
#define NS  UINT64_C(1000000000)
#define MSB 31 /* its changes set TMROF */

#define ACPI_PM_STATE(F, A, S)                                                                     \
    F(S, uint16_t, PM1a_STS, 0xffff, 1) /* bits that a state has and we have not do nothing */     \
    F(S, uint16_t, PM1a_EN, 0xffff, 1)                                                             \
    F(S, uint32_t, TMR, ANY, 1)  /* holds nothing: the clock is asked */                           \
    F(S, uint64_t, SEEN, ANY, 1) /* changes of the timer's highest bit that were noted */          \
    F(S, uint64_t, deadline, ANY, 1)
STATE_DEFINE(acpi_pm, ACPI_PM_STATE);

static uint64_t ticks_now(struct device *d)
{
    uint64_t now = clock_now(d);

    return now / NS * HZ + now % NS * HZ / NS;
}

static void note_overflow(struct device *d)
{
    struct acpi_pm_state *s = d->state;
    uint64_t changes = ticks_now(d) >> MSB;

    if (changes != s->SEEN)
        s->PM1a_STS |= TMROF;
    s->SEEN = changes;
}

static uint32_t status_read(struct device *d)
{
    const struct acpi_pm_state *s = d->state;

    note_overflow(d);
    return s->PM1a_STS;
}

static uint32_t timer_read(struct device *d)
{
    return (uint32_t)ticks_now(d);
}

#define AT(r) offsetof(struct acpi_pm_state, r)
static const struct reg event_regs[] = {
    { "PM1a_STS", 0, 2, AT(PM1a_STS), .w1c = STS_BITS, .read = status_read },
    { "PM1a_EN", 2, 2, AT(PM1a_EN), .rw = EN_BITS },
};

static const struct reg timer_regs[] = {
    { "PM_TMR", 0, 4, AT(TMR), .read = timer_read },
};

/* Awake for an overflow only if somebody wants to hear of it. */
static void acpi_pm_update(struct device *d)
{
    struct acpi_pm_state *s = d->state;
    uint64_t tick = (s->SEEN + 1) << MSB;

    device_irq(d, LINE_SCI, (s->PM1a_STS & s->PM1a_EN & EN_BITS) != 0);
    if ((s->PM1a_EN & TMROF) && !(s->PM1a_STS & TMROF))
        timer_arm(d, &s->deadline, tick / HZ * NS + (tick % HZ * NS + HZ - 1) / HZ);
    else
        timer_cancel(d, &s->deadline);
}

static int acpi_pm_realize(struct device *d, struct error *e)
{
    struct acpi_pm_state *s = d->state;

    (void)e;
    timer_register(d, &s->deadline, note_overflow);
    return 0;
}

static void acpi_pm_reset(struct device *d)
{
    struct acpi_pm_state *s = d->state;

    s->SEEN = ticks_now(d) >> MSB;
}

static const struct region acpi_pm_regions[] = {
    { .name = "event",
      .space = BUS_PIO,
      .size = 4,
      .widths = 1 | 2,
      .regs = event_regs,
      .nregs = ARRAY_SIZE(event_regs) },
    { .name = "timer",
      .space = BUS_PIO,
      .size = 4,
      .widths = 1 | 2 | 4,
      .regs = timer_regs,
      .nregs = ARRAY_SIZE(timer_regs) },
};

const struct device_ops acpi_pm_ops = {
    .name = "acpi_pm",
    .size = sizeof(struct device),
    .state = &acpi_pm_desc,
    .regions = acpi_pm_regions,
    .nregions = ARRAY_SIZE(acpi_pm_regions),
    .realize = acpi_pm_realize,
    .reset = acpi_pm_reset,
    .update = acpi_pm_update,
};
