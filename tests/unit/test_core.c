/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device core: buses, register tables, configuration space, events, timers, guest memory. */
#include "tests/bench.h"

#include <errno.h>

#include "hw/core/core.h"

/* A device with every kind of register, a string port, a memory window and a timer. */
enum { CTRL_GO = 1u << 0, CTRL_IRQ = 1u << 7 };

#define PROBE_STATE(F, A, S)                                                                       \
    F(S, uint8_t, CTRL, 0x81, 1)                                                                   \
    F(S, uint8_t, STATUS, ANY, 1)                                                                  \
    F(S, uint16_t, WIDE, ANY, 1)                                                                   \
    F(S, uint32_t, LONG, ANY, 1)                                                                   \
    F(S, uint64_t, deadline, ANY, 1)                                                               \
    F(S, uint8_t, expired, ANY, 1)                                                                 \
    F(S, uint8_t, next, 15, 1)                                                                     \
    A(S, uint8_t, ram, 16, ANY, 1)
STATE_DEFINE(probe, PROBE_STATE);

struct probe {
    struct device dev;
    unsigned writes; /* how often the byte handler ran, and with what */
    unsigned last_width;
    uint32_t last_offset;
};

static struct probe_state *st(struct device *d)
{
    return d->state;
}

static void probe_ctrl(struct device *d, uint32_t old)
{
    (void)old;
    if (HAS(st(d), CTRL, GO))
        timer_arm(d, &st(d)->deadline, clock_now(d) + 1000);
}

static void probe_expired(struct device *d)
{
    st(d)->expired++;
    if (st(d)->expired < 3)
        timer_arm(d, &st(d)->deadline, clock_now(d) + 1000);
}

static uint64_t probe_read(struct device *d, uint32_t offset, unsigned width)
{
    ((struct probe *)d)->last_width = width;
    return load_le(&st(d)->ram[offset & 15], width);
}

static void probe_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct probe *p = (struct probe *)d;

    p->writes++;
    p->last_width = width;
    p->last_offset = offset;
    if ((offset & 15) + width <= 16)
        store_le(&st(d)->ram[offset & 15], width, value);
}

static uint64_t fifo_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    st(d)->next = (st(d)->next + 1) & 15;
    return st(d)->next;
}

static void fifo_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    st(d)->ram[st(d)->next] = (uint8_t)value;
    st(d)->next = (st(d)->next + 1) & 15;
}

/* Takes three elements of a string itself: the bus must do the others. */
static uint32_t fifo_read_string(struct device *d, uint32_t offset, unsigned width, void *buf,
                                 uint32_t count)
{
    uint32_t n = count < 3 ? count : 3;

    for (uint32_t i = 0; i < n; i++)
        store_le((uint8_t *)buf + i * width, width, fifo_read(d, offset, width));
    return n;
}

static void probe_update(struct device *d)
{
    device_irq(d, 0, HAS(st(d), CTRL, IRQ));
}

static int probe_realize(struct device *d, struct error *e)
{
    (void)e;
    timer_register(d, &st(d)->deadline, probe_expired);
    return 0;
}

#define AT(r) offsetof(struct probe_state, r)
static const struct reg probe_regs[] = {
    { "CTRL", 0, 1, AT(CTRL), .rw = CTRL_GO | CTRL_IRQ, .written = probe_ctrl },
    { "STATUS", 1, 1, AT(STATUS), .reset = 0xf3, .w1c = 0x0f, .rc = 0x10 },
    { "WIDE", 2, 2, AT(WIDE), .reset = 0x1234, .rw = 0x0ff0 },
    { "LONG", 4, 4, AT(LONG), .rw = 0xfffffff0 },
};
static const struct region probe_regions[] = {
    { "regs", BUS_PIO, 8, .regs = probe_regs, .nregs = ARRAY_SIZE(probe_regs) },
    { "bytes", BUS_PIO, 16, .widths = 1, .read = probe_read, .write = probe_write },
    { "fifo", BUS_PIO, 1, .widths = 1 | 2, .read = fifo_read, .write = fifo_write,
      .read_string = fifo_read_string },
    { "window", BUS_MMIO, 4096, .widths = 4, .read = probe_read, .write = probe_write },
};
static const struct pci_desc probe_pci = {
    .vendor = 0x1af4,
    .device = 0x1234,
    .class_code = 0xff00,
    .int_pin = 2,
    .bar = { { PCI_BAR_MEM, 4096, 3 }, { PCI_BAR_IO, 16, 1 } },
};
static const struct device_ops probe_ops = {
    .name = "probe",
    .size = sizeof(struct probe),
    .state = &probe_desc,
    .regions = probe_regions,
    .nregions = ARRAY_SIZE(probe_regions),
    .realize = probe_realize,
    .update = probe_update,
};
static const struct device_ops probe_pci_ops = {
    .name = "probe-pci",
    .size = sizeof(struct probe),
    .state = &probe_desc,
    .regions = probe_regions,
    .nregions = ARRAY_SIZE(probe_regions),
    .realize = probe_realize,
    .update = probe_update,
    .pci = &probe_pci,
};

#define DEVFN (5 << 3)
static const struct device_row board[] = {
    { .ops = &probe_ops, .base = { 0x100, 0x110, 0x120, 0xfe000000 }, .isa_irq = { 5 } },
    { .ops = &probe_pci_ops, .base = { 0x200 }, .devfn = DEVFN },
};
BENCH(board)

static struct probe *the_probe(struct bench *b)
{
    return (struct probe *)machine_find(b->m, "probe", 0);
}

TEST(core, registers_follow_their_masks)
{
    EXPECT_EQ(bench_inb(b, 0x101), 0xf3);
    EXPECT_EQ(bench_inb(b, 0x101), 0xe3); /* reading cleared bit 4 */
    bench_outb(b, 0x101, 0x01);
    EXPECT_EQ(bench_inb(b, 0x101), 0xe2);
    bench_outw(b, 0x102, 0xffff);
    EXPECT_EQ(bench_inw(b, 0x102), 0x1ff4);
    bench_outb(b, 0x103, 0x00); /* the high byte alone */
    EXPECT_EQ(bench_inw(b, 0x102), 0x10f4);
    EXPECT_EQ(bench_inl(b, 0x100), 0x10f4e200);
    bench_outl(b, 0x104, 0xffffffff);
    EXPECT_EQ(bench_inw(b, 0x106), 0xffff);
    EXPECT_EQ(bench_inb(b, 0x104), 0xf0);
}

TEST(core, wide_accesses_are_split_and_narrow_ones_refused)
{
    bench_outl(b, 0x110, 0x04030201);
    EXPECT_EQ(the_probe(b)->writes, 4);
    EXPECT_EQ(the_probe(b)->last_offset, 3);
    EXPECT_EQ(bench_inl(b, 0x110), 0x04030201);
    bench_write(b, 0xfe000000, 8, 0x1122334455667788);
    EXPECT_EQ(the_probe(b)->writes, 6);
    EXPECT_EQ(bench_read(b, 0xfe000000, 8), 0x1122334455667788);
    EXPECT_EQ(bench_read(b, 0xfe000001, 1), 0x77);
    bench_write(b, 0xfe000000, 1, 0);
    EXPECT_EQ(bench_read(b, 0xfe000000, 4), 0x55667788);
}

TEST(core, nobody_answers_with_ones)
{
    EXPECT_EQ(bench_inl(b, 0x300), 0xffffffff);
    EXPECT_EQ(bench_inl(b, 0x106), 0xffff0000); /* two bytes of ours, two of nobody's */
    EXPECT_EQ(bench_inl(b, 0x11e), 0xff010000); /* ..., one of another device, one of nobody's */
    EXPECT_EQ(bench_read(b, 0xfd000000, 8), UINT64_MAX);
}

TEST(core, strings_repeat_in_both_directions)
{
    uint8_t want[6] = { 1, 2, 3, 4, 5, 6 }, got[6], back[4];

    bench_rep(b, 0x120, true, 1, 0x1000, 6, false);
    bench_ram_get(b, 0x1000, got, sizeof got);
    assert_memory_equal(got, want, sizeof want);
    bench_rep(b, 0x120, true, 1, 0x2003, 4, true); /* 7 at 2003, 8 at 2002 ... */
    bench_ram_get(b, 0x2000, back, sizeof back);
    EXPECT_EQ(back[3], 7);
    EXPECT_EQ(back[0], 10);
    bench_rep(b, 0x120, false, 1, 0x1005, 3, true); /* 6, 5, 4 into cells 10, 11, 12 */
    EXPECT_EQ(bench_inb(b, 0x11a), 6);
    EXPECT_EQ(bench_inb(b, 0x11c), 4);
}

TEST(core, memory_strings_step_and_stores_repeat)
{
    struct request stos = {
        .type = REQ_COPY, .addr = 0xfe000000, .size = 4, .count = 2, .data = 0xa5a5a5a5
    };
    struct request movs = { .type = REQ_COPY,
                            .addr = 0xfe000000,
                            .size = 4,
                            .count = 2,
                            .read = true,
                            .data_is_ptr = true,
                            .data = 0x3000 };
    uint32_t got[2];

    bench_request(b, &stos);
    bench_request(b, &movs);
    bench_ram_get(b, 0x3000, got, sizeof got);
    EXPECT_EQ(got[0], 0xa5a5a5a5);
    EXPECT_EQ(got[1], 0xa5a5a5a5);
}

TEST(core, a_string_to_absent_memory_is_dropped)
{
    sim_balloon_out(b->hv, 4);
    sim_invalidate(b->hv);
    bench_rep(b, 0x120, true, 1, 0x3ffe, 4, false);
    EXPECT_EQ(bench_inb(b, 0x120), 5); /* all four elements were executed */
    bench_rep(b, 0x120, false, 1, 0x4000, 1, false);
    EXPECT_EQ(bench_inb(b, 0x110 + 5), 0xff); /* what an absent page reads as */
}

TEST(core, lines_change_after_the_event_and_only_on_change)
{
    bench_outb(b, 0x100, CTRL_IRQ);
    bench_outb(b, 0x100, CTRL_IRQ);
    EXPECT_TRUE(bench_isa_level(b, 5));
    EXPECT_EQ(bench_isa_edges(b, 5), 1);
    EXPECT_EQ(sim_isa(b->hv, 5)->calls, 1);
    bench_outb(b, 0x200, CTRL_IRQ);
    EXPECT_TRUE(bench_intx_level(b, 5, 1));
}

TEST(core, timers_run_in_order_at_their_moment)
{
    bench_outb(b, 0x100, CTRL_GO);
    bench_step(b, 999);
    EXPECT_EQ(st(&the_probe(b)->dev)->expired, 0);
    bench_step(b, 1);
    EXPECT_EQ(st(&the_probe(b)->dev)->expired, 1);
    bench_save_and_load(b);
    bench_step(b, 100000);
    EXPECT_EQ(st(&the_probe(b)->dev)->expired, 3);
}

TEST(core, guest_time_stops_while_the_machine_is_stopped)
{
    struct device *d = &the_probe(b)->dev;
    uint64_t t = clock_now(d);

    machine_set_running(b->m, false);
    sim_clock_step(b->hv, 5000);
    EXPECT_EQ(clock_now(d), t);
    machine_set_running(b->m, true);
    sim_clock_step(b->hv, 70);
    EXPECT_EQ(clock_now(d), t + 70);
}

TEST(core, bars_size_move_and_follow_their_enable_bits)
{
    bench_cfg_write(b, DEVFN, PCI_BAR0, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_BAR0, 4), 0xfffff000);
    bench_cfg_write(b, DEVFN, PCI_BAR0 + 4, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_BAR0 + 4, 4), 0xfffffff1);
    bench_cfg_write(b, DEVFN, PCI_BAR0, 4, 0xf0000000);
    EXPECT_EQ(bench_read(b, 0xf0000000, 4), 0xffffffff); /* not enabled yet */
    bench_cfg_write(b, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    EXPECT_EQ(bench_read(b, 0xf0000000, 4), 0);
    bench_cfg_write(b, DEVFN, PCI_BAR0, 4, 0xf1000000);
    EXPECT_EQ(bench_read(b, 0xf0000000, 4), 0xffffffff);
    EXPECT_EQ(bench_read(b, 0xf1000000, 4), 0);
    EXPECT_TRUE(sim_has_range(b->hv, HV_MMIO, 0xf1000000, 4096));
    bench_cfg_write(b, DEVFN, PCI_COMMAND, 2, 0);
    EXPECT_EQ(bench_read(b, 0xf1000000, 4), 0xffffffff);
}

TEST(core, two_bars_at_one_place_do_no_harm)
{
    bench_cfg_write(b, DEVFN, PCI_BAR0 + 4, 4, 0x110); /* where another device is */
    bench_cfg_write(b, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    bench_outb(b, 0x110, 0x5a);
    EXPECT_EQ(the_probe(b)->writes, 1);
    bench_cfg_write(b, DEVFN, PCI_BAR0 + 4, 4, 0xc000);
    bench_outb(b, 0xc000, 0x77);
    EXPECT_EQ(bench_inb(b, 0x110), 0x5a);
    EXPECT_EQ(bench_inb(b, 0xc000), 0x77);
}

TEST(core, dma_obeys_the_bus_master_bit)
{
    struct device *d = machine_find(b->m, "probe-pci", 0);
    uint8_t byte = 0;

    EXPECT_EQ(dma_write(d, GPA(0x1000), &byte, 1), -EFAULT);
    bench_cfg_write(b, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
    EXPECT_EQ(dma_write(d, GPA(0x1000), &byte, 1), 0);
    EXPECT_EQ(dma_write(d, GPA(UINT64_MAX), &byte, 2), -EFAULT); /* wraps */
    EXPECT_EQ(dma_write(d, GPA(0x40000000), &byte, 1), -EFAULT);
}

TEST(core, a_failed_read_gives_ones)
{
    uint8_t buf[8] = { 0 };

    sim_balloon_out(b->hv, 2);
    EXPECT_EQ(gmem_read(machine_gmem(b->m), GPA(0x1ffc), buf, 8), -EFAULT);
    EXPECT_EQ(buf[7], 0xff);
}

TEST(core, writes_mark_pages_dirty)
{
    uint8_t buf[8192] = { 1 };

    sim_dirty_clear(b->hv);
    EXPECT_EQ(gmem_write(machine_gmem(b->m), GPA(0x5800), buf, sizeof buf), 0);
    EXPECT_TRUE(sim_dirty(b->hv, 5) && sim_dirty(b->hv, 6) && sim_dirty(b->hv, 7));
    EXPECT_TRUE(!sim_dirty(b->hv, 8) && !sim_dirty(b->hv, 4));
}

TEST(core, a_mapping_outlives_an_invalidation)
{
    struct gmem_map map;

    EXPECT_EQ(gmem_map(machine_gmem(b->m), GPA(0x1f000), 0x3000, GMEM_TO_GUEST, &map), 0);
    EXPECT_EQ(map.n, 2); /* a bucket border lies inside */
    gmem_invalidate(machine_gmem(b->m));
    memset(map.iov[1].iov_base, 0x33, 16);
    gmem_unmap(&map);
    EXPECT_EQ(*(uint8_t *)sim_ram_ptr(b->hv, 0x20000, 1), 0x33);
}

TEST(core, a_dead_event_is_rolled_back)
{
    struct device *d = &the_probe(b)->dev;

    bench_outb(b, 0x110, 7);
    EXPECT_TRUE(event_begin(d));
    st(d)->ram[0] = 99;
    st(d)->CTRL = 1;
    arena_rollback(&b->arena); /* what a successor does */
    EXPECT_EQ(st(d)->ram[0], 7);
    EXPECT_EQ(st(d)->CTRL, 0);
    b->m->depth = 0;
    d->busy = false;
}

TEST(core, a_device_in_its_handler_cannot_be_entered)
{
    struct device *d = &the_probe(b)->dev;

    EXPECT_TRUE(event_begin(d));
    EXPECT_EQ(bench_inb(b, 0x110), 0xff);
    bench_outb(b, 0x110, 1);
    EXPECT_EQ(the_probe(b)->writes, 0);
    event_end(d);
    EXPECT_EQ(d->stats.refused, 2);
}

TEST(core, xsa238_ranges_are_refused_at_any_border)
{
    struct device *d = &the_probe(b)->dev;
    const struct region *g = &probe_regions[1];

    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0x10f, 2, d, g), -EEXIST);
    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0x11f, 1, d, g), -EEXIST);
    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0x0f0, 0x100, d, g), -EEXIST);
    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0xfff8, 9, d, g), -EINVAL);
    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0x400, 0, d, g), -EINVAL);
    EXPECT_EQ(bus_map(b->m, BUS_MMIO, UINT64_MAX - 0xf, 0x11, d, g), -EINVAL);
    EXPECT_EQ(bus_map(b->m, BUS_PIO, 0x108, 8, d, g), 0);
}

TEST(core, state_of_another_layout_is_converted_by_name)
{
    static const struct state_field old[] = {
        { "WIDE", 0, 1, 4, 1, 0, ANY }, /* was wider, came first */
        { "ram", 4, 2, 1, 1, 0, ANY },  /* was shorter */
        { "unknown", 6, 1, 1, 1, 0, ANY },
    };
    struct {
        uint32_t wide;
        uint8_t ram[2], unknown, pad;
    } from = { 0x4321, { 8, 9 }, 1, 0 };
    struct probe_state to = { .LONG = 5 };
    struct error e = { "" };

    EXPECT_EQ(state_convert("probe", &probe_desc, &to, old, 2, &from, sizeof from, &e), 0);
    EXPECT_EQ(to.WIDE, 0x4321);
    EXPECT_EQ(to.ram[1], 9);
    EXPECT_EQ(to.LONG, 5);
    EXPECT_EQ(state_convert("probe", &probe_desc, &to, old, 3, &from, sizeof from, &e), -EINVAL);
    assert_non_null(strstr(e.text, "unknown"));
    from.wide = 0x10000;
    EXPECT_EQ(state_convert("probe", &probe_desc, &to, old, 2, &from, sizeof from, NULL), -EINVAL);
    EXPECT_EQ(state_convert("probe", &probe_desc, &to, old, 2, &from, 5, NULL), -EINVAL);
}

TEST(core, two_machines_in_one_process)
{
    struct bench *c = bench_new(board, ARRAY_SIZE(board));

    bench_outb(b, 0x110, 1);
    bench_outb(c, 0x110, 2);
    EXPECT_EQ(bench_inb(b, 0x110), 1);
    EXPECT_EQ(bench_inb(c, 0x110), 2);
    bench_free(c);
}

TEST(core, xsa180_log_is_limited)
{
    struct guest_log_limit limit = { 0 };

    log_set_level(LOG_ERROR);
    for (unsigned i = 0; i < 1000; i++)
        guest_log_line(&limit, "probe", "offence %u", i);
    EXPECT_EQ(limit.used, 0); /* nothing is counted for lines nobody would see */
    log_set_level(LOG_WARN);
    for (unsigned i = 0; i < 1000000; i++)
        guest_log_line(&limit, "probe", "offence %u", i);
    EXPECT_TRUE(limit.dropped > 999980);
    /* It is over, and a while later the next one is news again. */
    while (limit.dropped % 64 == 0)
        guest_log_line(&limit, "probe", "offence");
    limit.tokens_at -= UINT64_C(20000000000);
    guest_log_line(&limit, "probe", "another offence");
    EXPECT_TRUE(limit.dropped == 0);
    log_set_level(LOG_INFO);
}

static void hide(struct device *d, void *arg)
{
    (void)arg;
    device_hide(d);
}

TEST(core, a_function_off_the_bus_stays_off)
{
    struct error e = { "" };

    bench_cfg_write(b, DEVFN, PCI_BAR0 + 4, 4, 0xc000);
    bench_cfg_write(b, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO);
    device_event(machine_find(b->m, "probe-pci", 0), hide, NULL);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_VENDOR_ID, 4), UINT32_MAX);
    EXPECT_TRUE(!sim_has_pci(b->hv, DEVFN) && !sim_has_range(b->hv, HV_PIO, 0xc000, 16));
    bench_save_and_load(b);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_VENDOR_ID, 4), UINT32_MAX);
    EXPECT_TRUE(!sim_has_pci(b->hv, DEVFN) && !sim_has_range(b->hv, HV_PIO, 0xc000, 16));
    EXPECT_EQ(machine_adopted(b->m, false, &e), 0);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_VENDOR_ID, 4), UINT32_MAX);
    machine_reset(b->m);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_VENDOR_ID, 4), 0x12341af4);
    EXPECT_TRUE(sim_has_pci(b->hv, DEVFN));
    bench_save_and_load(b);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, PCI_VENDOR_ID, 4), 0x12341af4);
}

/* An event that hides one and then dies has not hidden it. */
TEST(core, a_hidden_function_comes_back_with_the_event)
{
    struct device *d = machine_find(b->m, "probe-pci", 0);

    EXPECT_TRUE(event_begin(d));
    device_hide(d);
    arena_rollback(&b->arena);
    EXPECT_EQ(b->m->s->hidden[d->place], 0);
}

/* --- Stores that the guest sees when the event has committed (publish.h). */

static uint64_t ram64(struct bench *b, uint64_t at)
{
    uint64_t v;

    bench_ram_get(b, at, &v, sizeof v);
    return v;
}

TEST(core, announced_stores_come_after_the_commit)
{
    struct device *d = &the_probe(b)->dev;
    const uint64_t old[2] = { 0 }, value[2] = { 0x1111, 0x2222 };

    sim_dirty_clear(b->hv);
    EXPECT_TRUE(event_begin(d));
    EXPECT_TRUE(device_publish(d, GPA(0x5ff8), old, value, 16));
    EXPECT_TRUE(device_publish(d, GPA(0x7004), old, value, 4));
    EXPECT_EQ(device_publish_room(d), PUBLISH_STORES - 2);
    EXPECT_EQ(ram64(b, 0x5ff8), 0);
    event_end(d);
    EXPECT_EQ(ram64(b, 0x5ff8), 0x1111);
    EXPECT_EQ(ram64(b, 0x6000), 0x2222);
    EXPECT_EQ(ram64(b, 0x7000), UINT64_C(0x1111) << 32);
    EXPECT_TRUE(sim_dirty(b->hv, 5) && sim_dirty(b->hv, 6) && sim_dirty(b->hv, 7));
    EXPECT_EQ(device_publish_room(d), PUBLISH_STORES);
}

TEST(core, a_page_that_is_gone_costs_one_announced_store)
{
    struct device *d = &the_probe(b)->dev;
    const uint64_t old = 0, value = 7;

    sim_balloon_out(b->hv, 2);
    EXPECT_TRUE(event_begin(d));
    EXPECT_TRUE(device_publish(d, GPA(0x2000), &old, &value, 8));
    EXPECT_TRUE(device_publish(d, GPA(0x3004), &old, &value, 8)); /* the guest's mistake */
    EXPECT_TRUE(device_publish(d, GPA(0x4000), &old, &value, 8));
    event_end(d);
    EXPECT_EQ(ram64(b, 0x3004), 0);
    EXPECT_EQ(ram64(b, 0x4000), 7);
}

TEST(core, announced_stores_have_a_limit_and_obey_the_bus_master_bit)
{
    struct device *d = &the_probe(b)->dev, *pci = machine_find(b->m, "probe-pci", 0);
    const uint64_t old = 0, value = 7;

    EXPECT_TRUE(event_begin(d));
    for (unsigned i = 0; i < PUBLISH_STORES; i++)
        EXPECT_TRUE(device_publish(d, GPA(0x4000 + 8 * i), &old, &value, 8));
    EXPECT_TRUE(!device_publish(d, GPA(0x5000), &old, &value, 8));
    event_end(d);
    EXPECT_EQ(ram64(b, 0x4000 + 8 * (PUBLISH_STORES - 1)), 7);
    EXPECT_TRUE(event_begin(pci));
    EXPECT_TRUE(!device_publish(pci, GPA(0x5000), &old, &value, 8));
    event_end(pci);
    EXPECT_EQ(ram64(b, 0x5000), 0);
}

/* A descriptor that is known to be done belongs to the guest, even if it looks as it did before. */
TEST(core, a_successor_leaves_alone_what_is_stored)
{
    struct publish_state *p = b->m->p;
    struct error e = { "" };

    for (unsigned i = 0; i < 4; i++) {
        p->at[i] = 0x4000 + 8 * i;
        p->len[i] = 8;
        p->value[2 * (size_t)i] = 7;
    }
    p->stored = 1;
    p->count = 4;
    bench_ram_put(b, 0x4010, "used", 4);
    EXPECT_EQ(machine_adopted(b->m, false, &e), 0);
    EXPECT_EQ(ram64(b, 0x4000), 0);
    EXPECT_EQ(ram64(b, 0x4008), 7);
    EXPECT_TRUE(ram64(b, 0x4010) != 7);
    EXPECT_EQ(ram64(b, 0x4018), 7);
    p->count = PUBLISH_STORES + 1;
    EXPECT_EQ(machine_adopted(b->m, false, &e), -EINVAL);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv);
}
