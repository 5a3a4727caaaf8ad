/* SPDX-License-Identifier: GPL-2.0-or-later */
/* board - see board.h. */
#include "toolstack/qtest/board.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/core/bits.h"
#include "hw/sim/i8259.h"
#include "hw/sim/ioapic.h"
#include "hw/sim/mc146818.h"
#include "ioreq/sim.h"

#define DEVICE(name) extern const struct device_ops name##_ops;
#include "hw/sim/devices.def"
#undef DEVICE

enum { CF8 = 0xcf8, CFC = 0xcfc, RTC_INDEX = 0x70, RTC_DATA = 0x71 };
#define CF8_ENABLE  0x80000000u
#define CHIPS_RAM   (64u << 10) /* the least there is; nobody looks at it */
#define CHIPS_ARENA (64u << 10)
#define MSI_FIRST   UINT64_C(0xfee00000)
#define MSI_LAST    UINT64_C(0xfeefffff)
#define MOMENTS     1000000u /* of timers in one step; then the clock jumps */
#define CHANGES     256u

struct change {
    uint8_t irq;
    bool level;
};

struct board {
    struct hv *hv; /* our PC's */
    struct machine *m;
    struct hv *chips_hv;
    struct arena arena; /* the chips' */
    struct machine *chips;
    struct device *pic, *ioapic, *rtc;
    struct board_calls calls;
    uint32_t levels; /* of the interrupt lines, as told last */
    uint32_t driven; /* from outside */
    bool output;     /* the 8259's, as told last */
    struct change change[CHANGES];
    unsigned nchanges;
    bool overrun; /* there were more */
    bool asked[MACHINE_SLEEP + 1];
};

/* --- Lines. A change is told at once, but the controllers hear of it when the event is over. */

static void line_moved(void *opaque)
{
    struct board *b = opaque;
    uint32_t now = sim_irqs(b->hv) | sim_irqs(b->chips_hv) | b->driven;
    uint32_t differ = now ^ b->levels;

    b->levels = now;
    for (unsigned i = 0; i < BOARD_IRQS; i++) {
        bool level = now >> i & 1;

        if (!(differ >> i & 1))
            continue;
        if (b->calls.line)
            b->calls.line(b->calls.opaque, BOARD_INPUTS, i, level);
        if (b->nchanges < CHANGES)
            b->change[b->nchanges++] = (struct change){ (uint8_t)i, level };
        else
            b->overrun = true;
    }
}

static void tell_controllers(struct board *b, unsigned irq, bool level)
{
    if (irq < 16)
        i8259_input(b->pic, irq, level);
    ioapic_input(b->ioapic, irq == 0 ? 2 : irq, level); /* the timer is at pin 2, as in every PC */
}

static void tell_output(struct board *b)
{
    bool level = i8259_output(b->pic);

    if (level == b->output)
        return;
    b->output = level;
    if (b->calls.line)
        b->calls.line(b->calls.opaque, BOARD_INT, 0, level);
}

static void deliver(struct board *b)
{
    for (unsigned i = 0; i < b->nchanges; i++)
        tell_controllers(b, b->change[i].irq, b->change[i].level);
    b->nchanges = 0;
    for (unsigned i = 0; b->overrun && i < BOARD_IRQS; i++)
        tell_controllers(b, i, b->levels >> i & 1);
    b->overrun = false;
    tell_output(b);
}

void board_drive(struct board *b, unsigned irq, bool level)
{
    if (irq >= BOARD_IRQS)
        return;
    b->driven = level ? b->driven | 1u << irq : b->driven & ~(1u << irq);
    line_moved(b);
    board_settle(b);
}

/* --- What the guest asks for. */

static void machine_asks(void *opaque, enum machine_request what)
{
    struct board *b = opaque;

    b->asked[what] = true;
}

void board_settle(struct board *b)
{
    deliver(b);
    for (unsigned what = 0; what < ARRAY_SIZE(b->asked); what++) {
        bool granted;

        if (!b->asked[what])
            continue;
        b->asked[what] = false;
        granted = !b->calls.asked || b->calls.asked(b->calls.opaque, (enum machine_request)what);
        if (what == MACHINE_RESET && granted)
            board_reset(b);
    }
}

void board_reset(struct board *b)
{
    if (b->m)
        machine_reset(b->m);
    machine_reset(b->chips);
    deliver(b);
    for (unsigned i = 0; i < BOARD_IRQS; i++) /* they have forgotten what they were told */
        tell_controllers(b, i, b->levels >> i & 1);
    tell_output(b);
}

/* --- Ports. */

static bool is_config(const struct board *b, unsigned port, unsigned width)
{
    return b->m && port >= CFC && port + width <= CFC + 4 && (sim_confadd(b->hv) & CF8_ENABLE);
}

/* Unlike Xen, which leaves the lowest two bits out: clients of this port rely on them. */
static uint32_t config(struct board *b, unsigned port, unsigned width, bool read, uint32_t value)
{
    uint32_t confadd = sim_confadd(b->hv);

    if (confadd >> 16 & 0xff)
        return (uint32_t)ones(width);
    return machine_config(b->m, confadd >> 8 & 0xff, (confadd & 0xff) + port - CFC, width, read,
                          value);
}

/* All of an access belongs to the chips. The clock's memory is behind its own data port. */
static bool of_chips(struct board *b, unsigned port, unsigned width)
{
    return sim_has_range(b->chips_hv, HV_PIO, port, width) &&
           (port != RTC_DATA || mc146818_selected(b->rtc));
}

/* Must be taken apart, because more than one of them has a part in it. */
static bool is_mixed(struct board *b, unsigned port, unsigned width)
{
    unsigned n = 0;

    if (width == 1)
        return false;
    if (port + width > 0x10000 || (port <= RTC_DATA && port + width > RTC_INDEX))
        return true;
    for (unsigned i = 0; i < width; i++)
        n += sim_has_range(b->chips_hv, HV_PIO, port + i, 1);
    if (n && n < width)
        return true;
    return port < CFC + 4 && port + width > CFC && (port < CFC || port + width > CFC + 4);
}

static uint32_t in(struct board *b, unsigned port, unsigned width)
{
    if (of_chips(b, port, width))
        return (uint32_t)machine_access(b->chips, BUS_PIO, port, width, true, 0);
    if (is_config(b, port, width))
        return config(b, port, width, true, 0);
    if (port == CF8 && width == 4)
        return sim_confadd(b->hv);
    return b->m ? sim_in(b->hv, (uint16_t)port, width) : (uint32_t)ones(width);
}

static void out(struct board *b, unsigned port, unsigned width, uint32_t value)
{
    bool taken = of_chips(b, port, width);

    if (taken)
        machine_access(b->chips, BUS_PIO, port, width, false, value);
    if (taken && port != RTC_INDEX) /* that one is written for both */
        return;
    if (is_config(b, port, width))
        config(b, port, width, false, value);
    else if (b->m)
        sim_out(b->hv, (uint16_t)port, width, value);
}

uint32_t board_in(struct board *b, uint16_t port, unsigned width)
{
    uint32_t value = 0;

    if (!is_mixed(b, port, width)) {
        value = in(b, port, width) & (uint32_t)ones(width);
    } else {
        for (unsigned i = 0; i < width; i++)
            value |= (port + i > 0xffff ? 0xffu : in(b, port + i, 1) & 0xff) << (i * 8);
    }
    board_settle(b);
    return value;
}

void board_out(struct board *b, uint16_t port, unsigned width, uint32_t value)
{
    if (!is_mixed(b, port, width)) {
        out(b, port, width, value & (uint32_t)ones(width));
    } else {
        for (unsigned i = 0; i < width && port + i <= 0xffff; i++)
            out(b, port + i, 1, value >> (i * 8) & 0xff);
    }
    board_settle(b);
}

/* --- Memory. */

static bool is_ram(const struct board *b, uint64_t addr)
{
    return b->m && sim_mem_type(b->hv, addr >> HV_PAGE_SHIFT) != HV_MMIO_DM;
}

/* The widest naturally aligned access at the beginning of a span. */
static unsigned widest(uint64_t addr, uint64_t n)
{
    unsigned width = 8;

    while (width > n || (addr & (width - 1)))
        width /= 2;
    return width;
}

static uint64_t mmio_read(struct board *b, uint64_t addr, unsigned width)
{
    if (sim_has_range(b->chips_hv, HV_MMIO, addr, width))
        return machine_access(b->chips, BUS_MMIO, addr, width, true, 0);
    if (b->m && sim_has_range(b->hv, HV_MMIO, addr, width))
        return sim_mmio_read(b->hv, addr, width);
    return 0;
}

static void mmio_write(struct board *b, uint64_t addr, unsigned width, uint64_t value)
{
    if (sim_has_range(b->chips_hv, HV_MMIO, addr, width))
        machine_access(b->chips, BUS_MMIO, addr, width, false, value);
    else if (b->m && sim_has_range(b->hv, HV_MMIO, addr, width))
        sim_mmio_write(b->hv, addr, width, value);
    else if (addr >= MSI_FIRST && addr <= MSI_LAST && width == 4)
        b->hv->ops->inject_msi(b->hv, addr, (uint32_t)value);
}

/* Bytes up to the end of the page. */
static uint64_t piece(uint64_t addr, uint64_t n)
{
    uint64_t left = HV_PAGE_SIZE - (addr & (HV_PAGE_SIZE - 1));

    return left < n ? left : n;
}

static void read_piece(struct board *b, uint64_t addr, uint8_t *to, uint64_t n)
{
    unsigned width;

    if (is_ram(b, addr) && sim_ram_read(b->hv, addr, to, n))
        return;
    for (; n; addr += width, to += width, n -= width) {
        width = widest(addr, n);
        store_le(to, width, mmio_read(b, addr, width));
    }
}

static void write_piece(struct board *b, uint64_t addr, const uint8_t *from, uint64_t n)
{
    unsigned width;

    if (is_ram(b, addr)) {
        if (sim_mem_type(b->hv, addr >> HV_PAGE_SHIFT) != HV_RAM_RO)
            sim_ram_write(b->hv, addr, from, n);
        return;
    }
    for (; n; addr += width, from += width, n -= width) {
        width = widest(addr, n);
        mmio_write(b, addr, width, load_le(from, width));
    }
}

void board_read(struct board *b, uint64_t addr, uint8_t *to, uint64_t n)
{
    for (uint64_t done; n; addr += done, to += done, n -= done) {
        done = piece(addr, n);
        read_piece(b, addr, to, done);
    }
    board_settle(b);
}

void board_write(struct board *b, uint64_t addr, const uint8_t *from, uint64_t n)
{
    for (uint64_t done; n; addr += done, from += done, n -= done) {
        done = piece(addr, n);
        write_piece(b, addr, from, done);
    }
    board_settle(b);
}

void board_fill(struct board *b, uint64_t addr, uint8_t byte, uint64_t n)
{
    uint8_t page[HV_PAGE_SIZE];

    memset(page, byte, sizeof page);
    for (uint64_t done; n; addr += done, n -= done) {
        done = piece(addr, n);
        write_piece(b, addr, page, done);
    }
    board_settle(b);
}

/* --- Time. */

uint64_t board_now(const struct board *b)
{
    return b->hv->ops->now(b->hv);
}

uint64_t board_deadline(const struct board *b)
{
    uint64_t ours = b->m ? machine_host_deadline(b->m) : UINT64_MAX;
    uint64_t chips = machine_host_deadline(b->chips);

    return ours < chips ? ours : chips;
}

static void at_moment(struct board *b, uint64_t now)
{
    sim_clock_set(b->hv, now);
    sim_clock_set(b->chips_hv, now);
    if (b->m)
        machine_expired(b->m);
    machine_expired(b->chips);
    board_settle(b);
}

/* A timer that is armed for now or earlier runs once for each moment. */
void board_advance(struct board *b, uint64_t target)
{
    uint64_t now = board_now(b), next = board_deadline(b);

    if (target < now)
        return;
    for (unsigned budget = MOMENTS; budget && next <= target; budget--) {
        at_moment(b, next > now ? next : now);
        now = board_now(b);
        next = board_deadline(b);
        if (next <= now)
            next = now + 1;
    }
    sim_clock_set(b->hv, target);
    sim_clock_set(b->chips_hv, target);
    if (board_deadline(b) < target) /* out of budget: what is late runs, and sees that */
        at_moment(b, target);
}

/* Work that a device has put off until its handler is over. */
bool board_turn(struct board *b)
{
    uint64_t now = board_now(b);
    bool due = b->m && machine_host_deadline(b->m) <= now + (now == 0); /* as timer_arm() has it */

    if (due)
        machine_expired(b->m);
    board_settle(b);
    return due;
}

/* --- Life. */

struct device *board_chip(struct board *b, const char *name)
{
    return machine_find(b->chips, name, 0);
}

static int add_chips(struct board *b, const struct board_options *o, struct error *e)
{
    const struct device_row rows[] = {
        { .ops = &i8259_ops, .base = { 0x20, 0xa0, 0x4d0 } },
        { .ops = &i8254_ops, .base = { 0x40, 0x61 }, .isa_irq = { ISA_ZERO } },
        { .ops = &mc146818_ops,
          .base = { RTC_INDEX },
          .isa_irq = { 8 },
          .host = { .rtc_base = o->rtc_base } },
        { .ops = &ioapic_ops, .base = { 0xfec00000 } },
        { .ops = &acpi_pm_ops, .base = { 0xb000, 0xb008 }, .isa_irq = { 9 } },
        { .ops = &fw_cfg_ops,
          .base = { 0x510 },
          .host = { .rom = o->fw_cfg, .rom_size = o->fw_cfg_size } },
    };
    int err = machine_new(b->chips_hv, &b->arena, &b->chips, e);

    for (unsigned i = 0; i < ARRAY_SIZE(rows) && err == 0; i++)
        err = machine_add(b->chips, &rows[i], e);
    return err;
}

static int make_chips(struct board *b, const struct board_options *o, struct error *e)
{
    const struct sim_options sim = { .ram_size = CHIPS_RAM, .spare_size = CHIPS_RAM };
    int err;

    b->chips_hv = hv_sim_new(&sim);
    if (!b->chips_hv)
        return error_set(e, -ENOMEM, "out of memory");
    sim_clock_set(b->chips_hv, board_now(b));
    err = arena_create(&b->arena, CHIPS_ARENA, e);
    if (err == 0)
        err = add_chips(b, o, e);
    if (err < 0)
        return err;
    machine_set_running(b->chips, true);
    b->pic = board_chip(b, "i8259");
    b->ioapic = board_chip(b, "ioapic");
    b->rtc = board_chip(b, "mc146818");
    return 0;
}

int board_new(struct hv *hv, struct machine *m, const struct board_options *o, struct board **out,
              struct error *e)
{
    struct board *b = calloc(1, sizeof *b);
    int err;

    if (!b)
        return error_set(e, -ENOMEM, "out of memory");
    b->hv = hv;
    b->m = m;
    b->arena.fd = -1;
    err = make_chips(b, o, e);
    if (err < 0) {
        board_free(b);
        return err;
    }
    if (m) {
        struct request_sink sink;

        machine_on_request(m, machine_asks, b);
        machine_sink(m, &sink);
        sim_set_sink(hv, &sink);
    }
    sim_on_line(b->hv, line_moved, b);
    sim_on_line(b->chips_hv, line_moved, b);
    line_moved(b);
    deliver(b);
    *out = b;
    return 0;
}

void board_free(struct board *b)
{
    if (!b)
        return;
    if (b->chips_hv)
        sim_on_line(b->chips_hv, NULL, NULL);
    sim_on_line(b->hv, NULL, NULL);
    machine_free(b->chips);
    if (b->chips_hv)
        b->chips_hv->ops->destroy(b->chips_hv);
    arena_destroy(&b->arena);
    free(b);
}

void board_call(struct board *b, const struct board_calls *calls)
{
    b->calls = *calls;
}
