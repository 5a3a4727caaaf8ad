/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking inside: trace lines, the meter, notes about what is not there. */
#include "tests/bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "hw/core/core.h"
#include "hw/core/meter.h"
#include "hw/core/trace.h"

extern const struct device_ops uart16550_ops, piix3_ide_ops, piix4_pm_ops, i8042_ops, legacy_ops;

enum { COM1 = 0x3f8, COM2 = 0x2f8, PM = 0xb000, IDE_DEVFN = 1 << 3 | 1 };

BENCH_SETUP
{
    static const struct device_row rows[] = {
        { .ops = &uart16550_ops, .base = { COM1 }, .isa_irq = { 4 } },
        { .ops = &uart16550_ops, .instance = 1, .base = { COM2 }, .isa_irq = { 3 } },
        { .ops = &piix3_ide_ops,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .devfn = IDE_DEVFN },
        { .ops = &piix4_pm_ops, .base = { PM, 0xb2, 0xafe0, 0xaf00, 0xae00 }, .devfn = ANY_PCI },
        { .ops = &i8042_ops, .base = { 0x60, 0x64 }, .isa_irq = { 1, 12 } },
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
    };

    return bench_new(rows, ARRAY_SIZE(rows));
}

/* ---- trace ---- */

static char lines[4096];
static unsigned nlines;

static void keep(const char *line)
{
    size_t n = strlen(lines);

    nlines++;
    if (n < sizeof lines - 256)
        snprintf(lines + n, sizeof lines - n, "%s\n", line);
}

static void listen_to_trace(const char *patterns)
{
    lines[0] = '\0';
    nlines = 0;
    trace_enable(patterns, keep);
}

TEST(looking, trace_names_registers_and_can_be_switched)
{
    listen_to_trace(NULL);
    bench_inb(b, COM1 + 5);
    assert_string_equal(lines, "");
    EXPECT_EQ(machine_trace(b->m, "uart16550-*,piix4*", true), 2);
    EXPECT_EQ(machine_trace(b->m, "nothing", true), 0);
    bench_inb(b, COM1 + 5); /* not this one */
    bench_inb(b, COM2 + 5);
    bench_outb(b, COM2 + 3, 0x83);
    bench_inb(b, PM + 1);
    bench_cfg_read(b, IDE_DEVFN, 4, 2); /* nor this one */
    EXPECT_EQ(machine_trace(b->m, "piix*", true), 2);
    bench_cfg_read(b, IDE_DEVFN, 0, 4);
    bench_inb(b, 0x1f7);
    EXPECT_EQ(machine_trace(b->m, "*", false), 6);
    bench_inb(b, COM2 + 5);
    assert_string_equal(lines, "uart16550-1 uart.LSR r 1 60\n"
                               "uart16550-1 uart.LCR w 1 83\n"
                               "piix4_pm pm.PMSTS r 1 0\n"
                               "piix3_ide config.VENDOR_ID r 4 70108086\n"
                               "piix3_ide cmd0.STATUS_COMMAND r 1 0\n");
}

TEST(looking, trace_by_part_name_and_of_strings)
{
    listen_to_trace(NULL);
    EXPECT_EQ(machine_trace(b->m, "uart16550", true), 2); /* both of this part */
    bench_rep(b, COM2, false, 1, 0x1000, 20, false);
    EXPECT_EQ(nlines, 1);
    assert_string_equal(lines, "uart16550-1 uart.RBR_THR_DLL w 1 0 x20\n");
}

/* What is asked for while the guest runs must not fill the disk; the command line is obeyed. */
TEST(looking, trace_is_limited)
{
    struct bench *all;

    listen_to_trace(NULL);
    machine_trace(b->m, "uart16550", true);
    for (unsigned i = 0; i < 100000; i++)
        bench_inb(b, COM1 + 5);
    EXPECT_TRUE(nlines <= TRACE_BURST + 10 * TRACE_RATE); /* that took less than ten seconds */
    usleep(1100000 / TRACE_RATE * 3);
    lines[0] = '\0';
    bench_inb(b, COM1 + 5);
    EXPECT_TRUE(strstr(lines, "trace: ") == lines && strstr(lines, " lines were left out\n"));

    listen_to_trace("uart16550");
    all = bench_new(b->rows, b->nrows);
    for (unsigned i = 0; i < 5000; i++) {
        bench_inb(all, COM1 + 5);
        bench_inb(all, COM2 + 5); /* another id */
    }
    EXPECT_EQ(nlines, 5000);
    EXPECT_EQ(machine_trace(all->m, "*", false), 6);
    bench_inb(all, COM1 + 5);
    EXPECT_EQ(nlines, 5000);
    bench_free(all);
    listen_to_trace(NULL);
}

/* ---- meter ---- */

static struct meter_row row(struct bench *b, const char *device, const char *region,
                            const char *reg)
{
    struct meter_row r;

    for (unsigned i = 0; machine_meter_row(b->m, i, &r); i++)
        if (!strcmp(r.device, device) && !strcmp(r.region, region) &&
            (reg ? r.reg && !strcmp(r.reg, reg) : !r.reg))
            return r;
    return (struct meter_row){ 0 };
}

TEST(looking, meter_counts_requests_by_register)
{
    struct meter_row r;

    bench_inb(b, COM1 + 5);
    EXPECT_TRUE(!machine_meter_row(b->m, 0, &r) && !machine_meter_elapsed(b->m));
    EXPECT_EQ(machine_meter(b->m, true), 0);
    EXPECT_TRUE(!machine_meter_row(b->m, 1, &r));
    for (unsigned i = 0; i < 1000; i++)
        bench_inb(b, COM1 + 5);
    bench_outb(b, COM1 + 3, 3);
    bench_inb(b, COM2 + 5);
    bench_rep(b, COM2, false, 1, 0x1000, 3000, false); /* one request */
    bench_inl(b, PM);                                  /* two registers, one request */
    bench_inw(b, 0xaf00);                              /* no names */
    bench_inb(b, 0x1f7);                               /* a status that is settled */
    bench_cfg_write(b, IDE_DEVFN, 4, 2, 1);
    r = row(b, "uart16550", "uart", "LSR");
    EXPECT_EQ(r.reads, 1000);
    EXPECT_EQ(r.writes, 0);
    EXPECT_TRUE(r.ns > 1000 && r.ns <= machine_meter_elapsed(b->m));
    EXPECT_EQ(row(b, "uart16550", "uart", "LCR").writes, 1);
    EXPECT_EQ(row(b, "uart16550-1", "uart", "LSR").reads, 1);
    EXPECT_EQ(row(b, "uart16550-1", "uart", "RBR_THR_DLL").writes, 1);
    EXPECT_EQ(row(b, "piix4_pm", "pm", "PMSTS").reads, 1);
    EXPECT_EQ(row(b, "piix4_pm", "pm", "PMEN").reads, 0);
    EXPECT_EQ(row(b, "piix4_pm", "cpuhp", NULL).reads, 1);
    EXPECT_EQ(row(b, "piix3_ide", "cmd0", "STATUS_COMMAND").reads, 1);
    EXPECT_EQ(row(b, "piix3_ide", "config", "COMMAND").writes, 1);
    EXPECT_EQ(machine_meter(b->m, true), 0); /* again: nothing is lost */
    EXPECT_EQ(row(b, "uart16550", "uart", "LSR").reads, 1000);
    EXPECT_EQ(machine_meter(b->m, false), 0);
    EXPECT_TRUE(b->m->meter == NULL);
    for (struct device *d = machine_devices(b->m); d; d = d->next)
        EXPECT_EQ(d->look, 0);
    bench_inb(b, COM1 + 5);
    EXPECT_EQ(machine_meter(b->m, true), 0);
    EXPECT_TRUE(!machine_meter_row(b->m, 1, &r)); /* from zero */
}

TEST(looking, meter_counts_timers_and_what_nobody_answers)
{
    EXPECT_EQ(machine_meter(b->m, true), 0);
    bench_outb(b, COM1 + 2, 0xc1);
    bench_outb(b, COM1 + 1, 1);
    bench_outb(b, COM1 + 4, 0x10);
    bench_outb(b, COM1, 'x'); /* looped back: the receive timeout follows */
    bench_step(b, 1000000000);
    EXPECT_EQ(row(b, "uart16550", "timer", NULL).reads, 1);
    machine_devices(b->m)->fenced = true;
    bench_inb(b, COM1 + 5);
    EXPECT_EQ(row(b, "-", "other", NULL).reads, 1);
    machine_devices(b->m)->fenced = false;
}

/* A trace that is on goes on when the meter goes, and the other way round. */
TEST(looking, meter_and_trace_do_not_disturb_each_other)
{
    listen_to_trace(NULL);
    EXPECT_EQ(machine_meter(b->m, true), 0);
    machine_trace(b->m, "uart16550", true);
    EXPECT_EQ(machine_meter(b->m, false), 0);
    EXPECT_EQ(machine_devices(b->m)->look, LOOK_TRACE);
    EXPECT_EQ(machine_meter(b->m, true), 0);
    machine_trace(b->m, "uart16550", false);
    EXPECT_EQ(machine_devices(b->m)->look, LOOK_METER);
}

/* ---- notes ---- */

static int err_before, err_file;

static void catch_log(void)
{
    char name[] = "/tmp/hvmdm-looking-XXXXXX";

    err_before = dup(STDERR_FILENO);
    err_file = mkstemp(name);
    assert_true(err_before >= 0 && err_file >= 0);
    unlink(name);
    dup2(err_file, STDERR_FILENO);
}

static unsigned caught(const char *what)
{
    static char text[1 << 16];
    unsigned n = 0;
    ssize_t got;

    dup2(err_before, STDERR_FILENO);
    close(err_before);
    got = pread(err_file, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(err_file);
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void assert_noted_once(struct bench *b, void (*ask)(struct bench *b), const char *what)
{
    unsigned n;

    for (struct device *d = machine_devices(b->m); d; d = d->next)
        d->log_limit = (struct guest_log_limit){ 0 };
    catch_log();
    for (unsigned i = 0; i < 100; i++)
        ask(b);
    n = caught(what);
    if (n != 1)
        fail_msg("%u times \"%s\"", n, what);
}

static void unknown_ata(struct bench *b)
{
    bench_outb(b, 0x1f6, 0);
    bench_outb(b, 0x1f7, 0x5d);
}

static void unknown_feature(struct bench *b)
{
    bench_outb(b, 0x1f6, 0);
    bench_outb(b, 0x1f1, 0x77);
    bench_outb(b, 0x1f7, 0xef);
}

static void unknown_controller_command(struct bench *b)
{
    bench_outb(b, 0x64, 0xb7);
}

static void reserved_register(struct bench *b)
{
    bench_inb(b, PM + 0x15);
}

static void read_only_ports(struct bench *b)
{
    bench_outb(b, 0xe9, 0x41);
}

static void past_the_end(struct bench *b)
{
    bench_inl(b, 0x3f5); /* 3f6 is ours, 3f5 is nobody's */
}

TEST(looking, notes_come_once)
{
    struct block *disk = bench_disk_new(1 << 20, false);
    struct device_row rows[8];
    struct bench *c;

    memcpy(rows, b->rows, b->nrows * sizeof *rows);
    rows[2].host.disk[0] = disk;
    c = bench_new(rows, b->nrows);
    assert_noted_once(c, unknown_ata, "piix3_ide: the guest gave ATA command 5dh");
    assert_noted_once(c, unknown_feature, "SET FEATURES with subcommand 77h");
    assert_noted_once(c, unknown_controller_command,
                      "i8042: the guest gave the controller command b7h");
    assert_noted_once(c, reserved_register, "piix4_pm: the guest read pm+15h");
    assert_noted_once(c, read_only_ports, "legacy: the guest wrote e9+0h");
    assert_noted_once(c, past_the_end, "machine: the guest read port 0x3f5, which nobody has");
    bench_free(c);
}

/* Each of very many different ones: no more lines than the limit of all of a guest's lines. */
TEST(looking, notes_are_bounded)
{
    struct device_row rows[8];
    struct bench *c;
    unsigned n;

    memcpy(rows, b->rows, b->nrows * sizeof *rows);
    rows[2].host.disk[0] = bench_disk_new(1 << 20, false);
    c = bench_new(rows, b->nrows);
    catch_log();
    for (unsigned i = 0; i < 256 * 8; i++) {
        bench_outb(c, 0x1f6, 0);
        bench_outb(c, 0x1f1, i & 0xff);
        bench_outb(c, 0x1f7, i & 0x800 ? i >> 3 : 0xef);
    }
    n = caught("the guest gave");
    EXPECT_TRUE(n > 0 && n <= 10);
    bench_free(c);
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv);
}
