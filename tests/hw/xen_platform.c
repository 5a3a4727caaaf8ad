/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the Xen platform device. A second device on the board records what is unplugged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hw/core/core.h"
#include "tests/bench.h"

extern const struct device_ops xen_platform_ops;

enum { SLOT = 2, DEVFN = SLOT << 3, BAR0 = 0xc200, MAGIC = 0x10, LOG = 0x12 };
#define BAR1 0xf1000000u

static unsigned unplugged, calls;

static void witness_unplug(struct device *d, unsigned mask)
{
    (void)d;
    unplugged |= mask;
    calls++;
}

static const struct device_ops witness_ops = { .name = "witness",
                                               .size = sizeof(struct device),
                                               .unplug = witness_unplug };

BENCH_SETUP
{
    static const struct device_row rows[] = {
        { .ops = &xen_platform_ops, .devfn = DEVFN, .base = { MAGIC } },
        { .ops = &witness_ops },
    };
    struct bench *b;

    unplugged = 0;
    calls = 0;
    b = bench_new(rows, 2);
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0);
    bench_cfg_write(b, DEVFN, 0x14, 4, BAR1);
    return b;
}

/* What a talkative guest writes to its log port: for the generic checks and the fuzzer. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    uint32_t r = *seed = *seed * 1664525u + 1013904223u;

    for (unsigned n = r >> 24 & 31; n; n--)
        bench_outb(b, 0x12, r >> (n & 15) & 0xff);
    if (r >> 30 == 0) /* lines have no end that we could count on */
        bench_outb(b, 0x12, '\n');
}
BENCH_GUEST(guest_step)

TEST(xen_platform, is_the_function_that_pv_drivers_bind_to)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x00015853);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x04, 2), 0x0003);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x08, 4), 0xff800001);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x2c, 4), 0x00015853);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x3d, 1), 1);
}

TEST(xen_platform, bar_sizes)
{
    bench_cfg_write(b, DEVFN, 0x10, 4, 0xffffffff);
    bench_cfg_write(b, DEVFN, 0x14, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x10, 4), 0xffffff01);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x14, 4), 0xff000008);
}

TEST(xen_platform, fixed_ports_by_width)
{
    EXPECT_EQ(bench_inw(b, MAGIC), 0x49d2);
    EXPECT_EQ(bench_inb(b, MAGIC), 0);
    EXPECT_EQ(bench_inb(b, LOG), 1); /* protocol version */
    EXPECT_EQ(bench_inl(b, MAGIC), 0xffffffff);
    EXPECT_EQ(bench_inw(b, LOG), 0xffff);
    EXPECT_EQ(bench_inb(b, 0x11), 0xff);
    EXPECT_EQ(bench_inl(b, 0x1c), 0xffffffff);
}

/* What Linux does before it probes its disks. */
TEST(xen_platform, linux_unplugs)
{
    EXPECT_EQ(bench_inw(b, MAGIC), 0x49d2);
    EXPECT_EQ(bench_inb(b, LOG), 1);
    bench_outw(b, LOG, 3);
    bench_outl(b, MAGIC, 0x00060100);
    EXPECT_EQ(bench_inw(b, MAGIC), 0x49d2);
    EXPECT_EQ(unplugged, 0);
    bench_outw(b, MAGIC, 3);
    EXPECT_EQ(unplugged, 3);
}

TEST(xen_platform, only_a_word_unplugs)
{
    bench_outb(b, MAGIC, 0x02);
    bench_outl(b, MAGIC, 3);
    bench_outw(b, LOG, 3);
    bench_outw(b, 0x14, 3);
    EXPECT_EQ(unplugged, 0);
}

TEST(xen_platform, each_bit_reaches_the_devices)
{
    bench_outw(b, MAGIC, 4);
    EXPECT_EQ(unplugged, 4);
    bench_outw(b, MAGIC, 2);
    EXPECT_EQ(unplugged, 6);
    bench_outw(b, MAGIC, 8);
    EXPECT_EQ(unplugged, 14);
    bench_outw(b, MAGIC, 0xfff0); /* bits that nobody defined */
    EXPECT_EQ(unplugged, 14);
}

TEST(xen_platform, all_disks_include_the_auxiliary_ones)
{
    bench_outw(b, MAGIC, 5);
    EXPECT_EQ(unplugged, 1);
}

TEST(xen_platform, xsa139_unplug_twice_is_once)
{
    bench_outw(b, MAGIC, 3);
    EXPECT_EQ(calls, 1);
    bench_outw(b, MAGIC, 3);
    bench_outw(b, MAGIC, 1);
    bench_outb(b, BAR0 + 4, 1);
    EXPECT_EQ(calls, 1);
    bench_save_and_load(b);
    EXPECT_EQ(calls, 2); /* the new machine's devices are told */
    EXPECT_EQ(unplugged, 3);
    bench_outw(b, MAGIC, 3);
    EXPECT_EQ(calls, 2);
    machine_reset(b->m);
    unplugged = 0;
    bench_outw(b, MAGIC, 1); /* plugged in again by the reset */
    EXPECT_EQ(unplugged, 1);
}

/* XCP-ng: unplugging by class code removed the platform device itself. */
TEST(xen_platform, xcpng_never_unplugs_itself)
{
    bench_outw(b, MAGIC, 0xf);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x00, 4), 0x00015853);
    EXPECT_EQ(bench_inw(b, MAGIC), 0x49d2);
    EXPECT_EQ(bench_inb(b, BAR0), 0);
}

TEST(xen_platform, old_protocols_in_bar_0)
{
    bench_outb(b, BAR0 + 4, 2);
    EXPECT_EQ(unplugged, 0);
    bench_outb(b, BAR0 + 8, 1);
    EXPECT_EQ(unplugged, 1);
    bench_outb(b, BAR0 + 8, 2);
    EXPECT_EQ(unplugged, 3);
    EXPECT_EQ(bench_inb(b, BAR0 + 4), 0xff);
}

/* In whatever width it is written: the registers are bytes. */
TEST(xen_platform, old_suse_protocol_unplugs_disks_and_nics)
{
    bench_outb(b, BAR0 + 4, 1);
    EXPECT_EQ(unplugged, 3);
}

TEST(xen_platform, old_suse_protocol_in_a_wide_write)
{
    bench_outl(b, BAR0 + 4, 1);
    EXPECT_EQ(unplugged, 3);
}

TEST(xen_platform, vmdp_protocol_in_a_wide_write)
{
    bench_outl(b, BAR0 + 8, 2);
    EXPECT_EQ(unplugged, 2);
    bench_outw(b, BAR0 + 8, 1);
    EXPECT_EQ(unplugged, 3);
}

/* One bit after the other: the auxiliary disks first, then what is left. */
TEST(xen_platform, the_rest_of_the_disks_later)
{
    bench_outw(b, MAGIC, 4);
    EXPECT_EQ(unplugged, 4);
    bench_outw(b, MAGIC, 1);
    EXPECT_EQ(unplugged, 5);
    EXPECT_EQ(calls, 2);
}

TEST(xen_platform, rom_lock_protects_the_bios_area)
{
    EXPECT_EQ(sim_mem_type(b->hv, 0xc0), HV_RAM_RW);
    bench_outb(b, MAGIC, 0xff);
    EXPECT_EQ(bench_inb(b, MAGIC), 1);
    EXPECT_EQ(bench_inb(b, BAR0), 1);
    EXPECT_EQ(sim_mem_type(b->hv, 0xc0), HV_RAM_RO);
    EXPECT_EQ(sim_mem_type(b->hv, 0xff), HV_RAM_RO);
    EXPECT_EQ(sim_mem_type(b->hv, 0x100), HV_RAM_RW);
    bench_outb(b, BAR0, 0);
    EXPECT_EQ(sim_mem_type(b->hv, 0xc0), HV_RAM_RW);
}

TEST(xen_platform, rom_lock_is_restored_after_load)
{
    bench_outb(b, MAGIC, 1);
    b->hv->ops->set_mem_type(b->hv, 0xc0, 0x40, HV_RAM_RW); /* another host */
    bench_save_and_load(b);
    EXPECT_EQ(sim_mem_type(b->hv, 0xc0), HV_RAM_RO);
    EXPECT_EQ(bench_inb(b, MAGIC), 1);
}

TEST(xen_platform, bar_1_reads_zero)
{
    EXPECT_EQ(bench_read(b, BAR1, 4), 0);
    bench_write(b, BAR1 + 0x1000, 8, UINT64_MAX);
    EXPECT_EQ(bench_read(b, BAR1 + 0x1000, 8), 0);
    EXPECT_EQ(bench_read(b, BAR1 + 0xfffff8, 8), 0);
    bench_cfg_write(b, DEVFN, 0x04, 2, 1);
    EXPECT_EQ(bench_read(b, BAR1, 4), 0xffffffff); /* decode is off */
}

/* Runs fn with what goes to standard error collected in text. */
static size_t logged(struct bench *b, void (*fn)(struct bench *), char *text, size_t size)
{
    FILE *f = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t n;

    assert_non_null(f);
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    fn(b);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(f);
    n = fread(text, 1, size - 1, f);
    text[n] = 0;
    fclose(f);
    return n;
}

static void say(struct bench *b, const char *s)
{
    for (; *s; s++)
        bench_outb(b, LOG, (uint8_t)*s);
}

static void one_line(struct bench *b)
{
    say(b, "hello \x1b[2J\x07\xff world\r\n");
}

TEST(xen_platform, log_line_is_printable_and_whole)
{
    char text[1024];

    logged(b, one_line, text, sizeof text);
    assert_non_null(strstr(text, "hello ?[2J?? world"));
    assert_null(strchr(text, '\x1b'));
    EXPECT_EQ(strchr(text, '\n') - text, (long)strlen(text) - 1); /* one line */
}

static void half_line(struct bench *b)
{
    say(b, "first ");
    bench_save_and_load(b);
    say(b, "second\n");
}

TEST(xen_platform, log_line_survives_save_and_load)
{
    char text[1024];

    logged(b, half_line, text, sizeof text);
    assert_non_null(strstr(text, "first second"));
}

static void talk_without_end(struct bench *b)
{
    for (unsigned i = 0; i < 1000000; i++)
        bench_outb(b, LOG, i % 50 ? 'x' : '\n');
}

TEST(xen_platform, xsa180_log_has_an_end)
{
    char *text = malloc(1 << 20);
    size_t n;

    assert_non_null(text);
    n = logged(b, talk_without_end, text, 1 << 20);
    free(text);
    EXPECT_TRUE(n > 0);
    EXPECT_TRUE(n < 65536);
}

static void long_line(struct bench *b)
{
    for (unsigned i = 0; i < 100000; i++)
        bench_outb(b, BAR0 + 8, 'y');
}

TEST(xen_platform, xsa180_line_without_newline_is_bounded)
{
    char *text = malloc(1 << 20);
    size_t n;

    assert_non_null(text);
    n = logged(b, long_line, text, 1 << 20);
    free(text);
    EXPECT_TRUE(n > 0);
    EXPECT_TRUE(n < 65536);
}
