/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_qtest - the lines of the test port, each with its exact answer, and the board behind them.
 *
 * A small board on the simulator: host bridge, ISA bridge, CMOS, keyboard controller, serial port,
 * IDE with a disk in memory.
 */
#include "tests/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/sim/ioapic.h"
#include "toolstack/qtest/port.h"

extern const struct device_ops i440fx_ops, pciconf_ops, piix3_ops, cmos_ops, uart16550_ops,
    i8042_ops, piix3_ide_ops, legacy_ops;

struct world {
    struct hv *hv;
    struct arena arena;
    struct machine *m;
    struct block *disk;
    struct board *b;
    struct protocol *p;
    uint8_t nvram[128];
    unsigned asked[3];
    bool refuse_reset;
    char *said;
    size_t n;
};

static void say(void *opaque, const char *bytes, size_t n)
{
    struct world *w = opaque;

    w->said = realloc(w->said, w->n + n + 1);
    assert_non_null(w->said);
    memcpy(w->said + w->n, bytes, n);
    w->n += n;
    w->said[w->n] = '\0';
}

static void line(void *opaque, enum board_tap tap, unsigned n, bool level)
{
    struct world *w = opaque;

    protocol_irq(w->p, tap, n, level);
}

static bool asked(void *opaque, enum machine_request what)
{
    struct world *w = opaque;

    w->asked[what]++;
    return !w->refuse_reset;
}

static void add_devices(struct world *w)
{
    const struct device_row rows[] = {
        { .ops = &i440fx_ops, .devfn = 0 },
        { .ops = &pciconf_ops, .base = { 0xcf8 } },
        { .ops = &piix3_ops, .devfn = 8 },
        { .ops = &cmos_ops, .base = { 0x70 }, .host = { .nvram = w->nvram } },
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
        { .ops = &i8042_ops, .base = { 0x60, 0x64 }, .isa_irq = { 1, 12 } },
        { .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 } },
        { .ops = &piix3_ide_ops,
          .devfn = 9,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .host = { .disk = { w->disk } } },
    };
    struct error e = { "" };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (machine_add(w->m, &rows[i], &e) < 0)
            fail_msg("%s", e.text);
}

static int setup(void **state)
{
    static const uint8_t items[] = { 3, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
    const struct board_options o = { .fw_cfg = items, .fw_cfg_size = sizeof items };
    struct world *w = calloc(1, sizeof *w);
    struct error e = { "" };

    w->hv = hv_sim_new(NULL);
    assert_non_null(w->hv);
    assert_int_equal(arena_create(&w->arena, 1 << 20, &e), 0);
    assert_int_equal(machine_new(w->hv, &w->arena, &w->m, &e), 0);
    w->disk = bench_disk_new(1 << 20, false);
    w->nvram[0x15] = 0x80;
    add_devices(w);
    machine_set_running(w->m, true);
    assert_int_equal(board_new(w->hv, w->m, &o, &w->b, &e), 0);
    w->p = protocol_new(w->b, say, w);
    board_call(w->b, &(struct board_calls){ .line = line, .asked = asked, .opaque = w });
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    protocol_free(w->p);
    board_free(w->b);
    machine_free(w->m);
    w->hv->ops->destroy(w->hv);
    arena_destroy(&w->arena);
    bench_disk_free(w->disk);
    free(w->said);
    free(w);
    return 0;
}

static const char *ask_bytes(struct world *w, const char *request, size_t n)
{
    char *copy = malloc(n + 1); /* of exactly that size, for the sanitizer */

    memcpy(copy, request, n);
    copy[n] = '\0';
    w->n = 0;
    protocol_line(w->p, copy, n);
    free(copy);
    return w->said;
}

static const char *ask(struct world *w, const char *request)
{
    return ask_bytes(w, request, strlen(request));
}

#define EXPECT(request, answer) assert_string_equal(ask(w, request), answer "\n")

static void memory(void **state)
{
    struct world *w = *state;

    EXPECT("endianness", "OK little");
    EXPECT("write 0x1000 5 0x0102030405", "OK");
    EXPECT("read 4096 5", "OK 0x0102030405");
    EXPECT("read 010000 1", "OK 0x01");
    EXPECT("readb 0x1000", "OK 0x0000000000000001");
    EXPECT("readw 0x1000", "OK 0x0000000000000201");
    EXPECT("readl 0x1000", "OK 0x0000000004030201");
    EXPECT("readq 0x1000", "OK 0x0000000504030201");
    EXPECT("writeb 0x1001 0x1ff", "OK");
    EXPECT("writew 0x1002 0xabcd", "OK");
    EXPECT("writel 0x1004 0x11223344", "OK");
    EXPECT("writeq 0x1008 0x8877665544332211", "OK");
    EXPECT("read 0x1000 16", "OK 0x01ffcdab443322111122334455667788");
    EXPECT("write 0x1000 4 0xFf", "OK"); /* what is missing is zero */
    EXPECT("write 0x1004 1 0x112233", "OK");
    EXPECT("read 0x1000 6", "OK 0xff0000001133");
    EXPECT("memset 0x0ffe 4 0xa5", "OK");
    EXPECT("memset 0x1000 0 0x11", "OK");
    EXPECT("read 0xffc 7", "OK 0x0000a5a5a5a500");
}

static void base64(void **state)
{
    struct world *w = *state;

    EXPECT("b64write 0x2000 4 AQIDBA==", "OK");
    EXPECT("read 0x2000 5", "OK 0x0102030400");
    EXPECT("b64read 0x2000 1", "OK AQ==");
    EXPECT("b64read 0x2000 2", "OK AQI=");
    EXPECT("b64read 0x2000 3", "OK AQID");
    EXPECT("b64write 0x2000 2 /////w==", "OK");
    EXPECT("read 0x2000 4", "OK 0xffff0304");
    EXPECT("b64write 0x2000 8 AAA=", "OK");
    EXPECT("read 0x2000 4", "OK 0x00000304");
    EXPECT("b64write 0x2000 2 AAA", "ERR data is not in base 64");
    EXPECT("b64write 0x2000 2 A*A=", "ERR data is not in base 64");
    EXPECT("b64write 0x2000 2 ====", "ERR data is not in base 64");
}

static void mistakes(void **state)
{
    struct world *w = *state;
    static const char *const wrong[] = {
        "inb",
        "inb x",
        "inb 0x10000",
        "inb -1",
        "inb 1x",
        "inb ",
        "outb 1",
        "outb 1 ",
        "outb 1 2x",
        "readb",
        "readq 0xffffffffffffffff",
        "readl 0x1ffffffffffffffff",
        "writeb 0",
        "writel 0 zz",
        "read 0",
        "read 0 0",
        "read 0 0x7fffffff",
        "read 0xffffffffffffffff 2",
        "write 0 1",
        "write 0 1 ",
        "write 0 1 0x",
        "write 0 1 12345",
        "write 0 1 0xgg",
        "write 0 0 0x00",
        "write 0 0xffffffffffffffff 0x00",
        "memset 0 1",
        "memset 0 0x7fffffffffffffff 0",
        "memset 0xffffffffffffffff 2 0",
        "b64read 0 0",
        "b64write 0 1",
        "clock_step x",
        "clock_step 99999999999999999999",
        "clock_set",
        "clock_set 1x",
        "set_irq_in ioapic unnamed-gpio-in 24 1",
        "set_irq_in i8259 unnamed-gpio-in 16 1",
        "set_irq_in ioapic other 1 1",
        "set_irq_in ioapic unnamed-gpio-in 1",
        "irq_intercept_in",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *answer = ask(w, wrong[i]);

        if (strncmp(answer, "ERR ", 4) != 0 || strchr(answer, '\n') != answer + w->n - 1)
            fail_msg("\"%s\" is answered by %s", wrong[i], answer);
    }
    EXPECT("write 0 1 0x", "ERR invalid argument size");
    EXPECT("", "FAIL Unknown command ''");
    EXPECT("frob 1 2", "FAIL Unknown command 'frob'");
    EXPECT("inb\t0x70", "FAIL Unknown command 'inb?0x70'");
    EXPECT("irq_intercept_in nobody", "FAIL Unknown device");
    EXPECT("irq_intercept_out ioapic", "FAIL Unknown device");
    EXPECT("set_irq_in nobody unnamed-gpio-in 1 1", "FAIL Unknown device");
    assert_string_equal(ask_bytes(w, "inb\0x", 5), "ERR a zero byte in the line\n");
    EXPECT("endianness and more words than it needs to have", "OK little");
}

static void long_words(void **state)
{
    struct world *w = *state;
    char request[2000];

    memset(request, 'a', sizeof request);
    request[sizeof request - 1] = '\0';
    assert_int_equal(strncmp(ask(w, request), "FAIL Unknown command 'aaaa", 26), 0);
    assert_true(w->n < 200);
    memcpy(request, "inb ", 4);
    assert_int_equal(strncmp(ask(w, request), "ERR \"aaaa", 9), 0);
    assert_true(w->n < 200);
}

static void ports(void **state)
{
    struct world *w = *state;

    EXPECT("inb 0x123", "OK 0x00ff");
    EXPECT("inw 0x123", "OK 0xffff");
    EXPECT("inl 0xffff", "OK 0xffffffff");
    EXPECT("outl 0xffff 1", "OK");
    EXPECT("outb 0x80 0x1aa", "OK");
    EXPECT("inb 128", "OK 0x00aa");
    EXPECT("outw 0x82 0x1234", "OK");
    EXPECT("inb 0x83", "OK 0x0012");
    EXPECT("inb 0", "OK 0x0000");
}

static void configuration_by_all_bits_of_the_address(void **state)
{
    struct world *w = *state;

    EXPECT("inl 0xcfc", "OK 0xffffffff"); /* not enabled */
    EXPECT("outl 0xcf8 0x80000000", "OK");
    EXPECT("inl 0xcfc", "OK 0x12378086");
    EXPECT("inw 0xcfe", "OK 0x1237");
    EXPECT("outl 0xcf8 0x80000002", "OK");
    EXPECT("inw 0xcfc", "OK 0x1237");
    EXPECT("inb 0xcfd", "OK 0x0012");
    EXPECT("inl 0xcf8", "OK 0x80000002");
    EXPECT("outl 0xcf8 0x80000059", "OK"); /* PAM0 to PAM6 */
    EXPECT("outw 0xcfc 0xffff", "OK");
    EXPECT("inl 0xcfc", "OK 0x3330");
    EXPECT("outl 0xcf8 0x800000ff", "OK");
    EXPECT("inl 0xcfc", "OK 0xffffffff");
    EXPECT("outl 0xcf8 0x80010000", "OK"); /* bus 1 */
    EXPECT("inl 0xcfc", "OK 0xffffffff");
    EXPECT("outl 0xcf8 0x8000f800", "OK");
    EXPECT("inl 0xcfc", "OK 0xffffffff");
}

static void clock_and_memory_share_two_ports(void **state)
{
    struct world *w = *state;

    EXPECT("outb 0x70 0x15", "OK");
    EXPECT("inb 0x71", "OK 0x0080");
    EXPECT("outw 0x70 0x770f", "OK");
    EXPECT("inw 0x70", "OK 0x77ff");
    EXPECT("outb 0x70 0x0d", "OK");
    EXPECT("inb 0x71", "OK 0x0080"); /* VRT, of the clock */
    EXPECT("outb 0x71 0", "OK");
    EXPECT("outb 0x70 0x0f", "OK");
    EXPECT("inb 0x71", "OK 0x0077");
}

static void firmware_reads_the_size_of_memory(void **state)
{
    struct world *w = *state;

    EXPECT("outw 0x510 3", "OK");
    EXPECT("inb 0x511", "OK 0x0000");
    EXPECT("inb 0x511", "OK 0x0000");
    EXPECT("inb 0x511", "OK 0x0000");
    EXPECT("inb 0x511", "OK 0x0001");
}

static void registers_in_memory(void **state)
{
    struct world *w = *state;
    uint64_t before = sim_msi_count(w->hv);

    EXPECT("writel 0xfec00000 1", "OK");
    EXPECT("readl 0xfec00010", "OK 0x0000000000170011");
    EXPECT("read 0xfec00010 4", "OK 0x11001700");
    EXPECT("read 0xfec00000 8", "OK 0x0100000000000000");
    EXPECT("write 0xfec00000 4 0x00000000", "OK");
    EXPECT("write 0xfec00010 4 0x00000005", "OK");
    EXPECT("readl 0xfec00010", "OK 0x0000000005000000");
    EXPECT("read 0xfed00000 4", "OK 0x00000000"); /* nobody */
    EXPECT("writel 0xfee01000 0x41", "OK");
    assert_int_equal(sim_msi_count(w->hv), before + 1);
    assert_int_equal(sim_msi(w->hv, before)->data, 0x41);
    EXPECT("writew 0xfee01000 0x41", "OK");
    assert_int_equal(sim_msi_count(w->hv), before + 1);
    EXPECT("read 0x9fffe 4", "OK 0x00000000"); /* half of it is in the hole of the VGA */
}

static void read_only_memory(void **state)
{
    struct world *w = *state;

    EXPECT("write 0xf0000 1 0x55", "OK");
    assert_int_equal(w->hv->ops->set_mem_type(w->hv, 0xf0, 1, HV_RAM_RO), 0);
    EXPECT("write 0xf0000 1 0xaa", "OK");
    EXPECT("memset 0xf0000 4096 0xaa", "OK");
    EXPECT("readb 0xf0000", "OK 0x0000000000000055");
}

static void time_stands_still(void **state)
{
    struct world *w = *state;

    EXPECT("clock_step", "OK 0");
    EXPECT("clock_step 100", "OK 100");
    EXPECT("clock_step -5", "OK 100");
    EXPECT("clock_step 0x10", "OK 116");
    EXPECT("clock_set 1000", "OK 1000");
    EXPECT("clock_set 10", "OK 1000");
    EXPECT("clock_set -10", "OK 1000");
    EXPECT("clock_set 9223372036854775807", "OK 9223372036854775807");
    EXPECT("clock_step 9223372036854775807", "OK 9223372036854775807");
}

static void steps_run_one_deadline_after_the_other(void **state)
{
    struct world *w = *state;

    EXPECT("irq_intercept_in ioapic", "OK");
    assert_string_equal(ask(w, "outb 0x43 0x34"), "IRQ raise 0\nOK\n"); /* counter 0, mode 2 */
    EXPECT("outb 0x40 100", "OK");
    assert_string_equal(ask(w, "outb 0x40 0"), "OK\n");
    assert_string_equal(ask(w, "clock_step"), "IRQ lower 0\nOK 82972\n");
    assert_string_equal(ask(w, "clock_step"), "IRQ raise 0\nOK 83810\n");
    assert_string_equal(ask(w, "clock_step 83809"), "IRQ lower 0\nOK 167619\n");
    assert_string_equal(ask(w, "clock_step 83810"),
                        "IRQ raise 0\nIRQ lower 0\nIRQ raise 0\nOK 251429\n");
}

/* A hundred years with a timer of a microsecond: the budget, not the client, says when it ends. */
static void a_step_of_any_length_ends(void **state)
{
    struct world *w = *state;

    EXPECT("outb 0x43 0x34", "OK");
    EXPECT("outb 0x40 2", "OK");
    EXPECT("outb 0x40 0", "OK");
    EXPECT("outb 0x70 11", "OK");
    EXPECT("outb 0x71 0x72", "OK");
    EXPECT("clock_step 3153600000000000000", "OK 3153600000000000000");
}

static void lines_are_told_before_the_answer(void **state)
{
    struct world *w = *state;

    EXPECT("outb 0x1f7 0xe7", "OK"); /* nobody listens yet */
    EXPECT("irq_intercept_in ioapic", "OK");
    EXPECT("irq_intercept_in ioapic", "OK");
    EXPECT("irq_intercept_in i8259", "FAIL IRQ intercept already enabled");
    EXPECT("irq_intercept_out i8259", "FAIL IRQ intercept already enabled");
    assert_string_equal(ask(w, "inb 0x1f7"), "IRQ lower 14\nOK 0x0050\n");
    assert_string_equal(ask(w, "outb 0x1f7 0xec"), "IRQ raise 14\nOK\n");
    assert_string_equal(ask(w, "outb 0x3f9 2"), "OK\n");
    assert_string_equal(ask(w, "outb 0x3fc 8"), "IRQ raise 4\nOK\n"); /* OUT2 lets it out */
    assert_string_equal(ask(w, "inb 0x3fa"), "IRQ lower 4\nOK 0x0002\n");
}

static void the_controllers_see_the_lines(void **state)
{
    struct world *w = *state;
    struct device *apic = board_chip(w->b, "ioapic");

    EXPECT("irq_intercept_out i8259", "OK");
    for (unsigned chip = 0; chip < 2; chip++)
        for (unsigned i = 0; i < 4; i++) {
            static const uint8_t icw[4] = { 0x11, 0x08, 0x04, 0x01 };

            board_out(w->b, (uint16_t)((chip ? 0xa0 : 0x20) + !!i), 1,
                      i == 1 && chip   ? 0x70
                      : i == 2 && chip ? 2
                                       : icw[i]);
        }
    EXPECT("writel 0xfec00000 0x2c", "OK"); /* pin 14 */
    EXPECT("writel 0xfec00010 0x51", "OK");
    assert_string_equal(ask(w, "outb 0x1f7 0xec"), "IRQ raise 0\nOK\n");
    assert_int_equal(ioapic_sent(apic, 14), 1);
    EXPECT("inb 0x20", "OK 0x0004");
    EXPECT("inb 0xa0", "OK 0x0040");
    assert_string_equal(ask(w, "inb 0x1f7"), "IRQ lower 0\nOK 0x0058\n");
    EXPECT("inb 0xa0", "OK 0x0000");
}

static void lines_from_outside(void **state)
{
    struct world *w = *state;

    EXPECT("irq_intercept_in i8259", "OK");
    assert_string_equal(ask(w, "set_irq_in ioapic unnamed-gpio-in 5 1"), "IRQ raise 5\nOK\n");
    EXPECT("set_irq_in ioapic unnamed-gpio-in 5 1", "OK");
    EXPECT("set_irq_in ioapic unnamed-gpio-in 20 1", "OK"); /* the 8259 has no such line */
    EXPECT("inb 0x20", "OK 0x0020");
    assert_string_equal(ask(w, "set_irq_in i8259 unnamed-gpio-in 5 0"), "IRQ lower 5\nOK\n");
}

/* PCI pins have no number before their link is routed, and then they share it. */
static void pci_pins_go_where_their_link_is_routed(void **state)
{
    struct world *w = *state;

    EXPECT("irq_intercept_in ioapic", "OK");
    w->hv->ops->intx(w->hv, 5, 1, true); /* link 2 */
    board_settle(w->b);
    EXPECT("inb 0", "OK 0x0000");
    EXPECT("outl 0xcf8 0x80000860", "OK");
    assert_string_equal(ask(w, "outb 0xcfe 11"), "IRQ raise 11\nOK\n");
    w->n = 0;
    w->hv->ops->isa_irq(w->hv, 11, true);
    w->hv->ops->intx(w->hv, 5, 1, false);
    assert_int_equal(w->n, 0);
    w->hv->ops->isa_irq(w->hv, 11, false);
    assert_string_equal(w->said, "IRQ lower 11\n");
}

/* More changes than are kept in order: the controllers see the last levels. */
static void too_many_changes_at_once(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 1001; i++)
        w->hv->ops->isa_irq(w->hv, 6, !(i & 1));
    board_settle(w->b);
    EXPECT("inb 0x20", "OK 0x0040");
}

static void a_reset_is_done_before_the_answer(void **state)
{
    struct world *w = *state;

    EXPECT("outb 0x3f8 1", "OK");
    EXPECT("outb 0x3ff 0x5a", "OK");
    EXPECT("outb 0x21 0x5a", "OK");
    EXPECT("write 0x1000 1 0x77", "OK");
    EXPECT("clock_step 1000", "OK 1000");
    EXPECT("outb 0xcf9 6", "OK");
    assert_int_equal(w->asked[MACHINE_RESET], 1);
    EXPECT("inb 0x3ff", "OK 0x0000");
    EXPECT("inb 0x21", "OK 0x0000");
    EXPECT("readb 0x1000", "OK 0x0000000000000077");
    EXPECT("clock_step 0", "OK 1000");
    w->refuse_reset = true;
    EXPECT("outb 0x3ff 0x5a", "OK");
    EXPECT("outb 0xcf9 6", "OK");
    assert_int_equal(w->asked[MACHINE_RESET], 2);
    EXPECT("inb 0x3ff", "OK 0x005a");
}

static void without_a_machine(void **state)
{
    struct world *w = *state;
    const struct board_options o = { 0 };
    struct hv *hv = hv_sim_new(NULL);
    struct error e = { "" };
    struct protocol *p = w->p;
    struct board *b;

    assert_int_equal(board_new(hv, NULL, &o, &b, &e), 0);
    w->p = protocol_new(b, say, w);
    EXPECT("write 0 4 0x01020304", "OK");
    EXPECT("read 0 4", "OK 0x00000000");
    EXPECT("inl 0xcfc", "OK 0xffffffff");
    EXPECT("outl 0xcf8 0x80000000", "OK");
    EXPECT("inb 0x64", "OK 0x00ff");
    EXPECT("outb 0x70 20", "OK");
    EXPECT("inb 0x71", "OK 0x00ff");
    EXPECT("clock_step 5", "OK 5");
    protocol_free(w->p);
    w->p = p;
    board_free(b);
    hv->ops->destroy(hv);
}

static void stop(void *loop)
{
    loop_stop(loop);
}

/* The port reads 64 KiB at once: it gives the line up exactly where `rest` begins. */
static void the_rest_of_a_long_line_is_no_request(void **state)
{
    static const char rest[] = "clock_set 5\nendianness\n";
    static const char answers[] = "ERR line too long\nOK little\n";
    struct world *w = *state;
    struct port_options o = { .in = memfd_create("in", 0), .out = memfd_create("out", 0) };
    struct loop *loop = loop_new();
    int out = dup(o.out);
    char said[128] = "";
    struct error e = { "" };
    struct port *p;

    o.closed = stop;
    o.opaque = loop;
    assert_non_null(loop);
    assert_int_equal(pwrite(o.in, rest, sizeof rest - 1, PROTOCOL_LINE_MAX + (64 << 10)),
                     sizeof rest - 1);
    assert_int_equal(port_new(loop, &o, &p, &e), 0);
    assert_int_equal(port_serve(p, w->b, &e), 0);
    loop_run(loop);
    port_free(p);
    loop_free(loop);
    assert_int_equal(pread(out, said, sizeof said - 1, 0), sizeof answers - 1);
    assert_string_equal(said, answers);
    close(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(memory),
        T(base64),
        T(mistakes),
        T(long_words),
        T(ports),
        T(configuration_by_all_bits_of_the_address),
        T(clock_and_memory_share_two_ports),
        T(firmware_reads_the_size_of_memory),
        T(registers_in_memory),
        T(read_only_memory),
        T(time_stands_still),
        T(steps_run_one_deadline_after_the_other),
        T(a_step_of_any_length_ends),
        T(lines_are_told_before_the_answer),
        T(the_controllers_see_the_lines),
        T(lines_from_outside),
        T(pci_pins_go_where_their_link_is_routed),
        T(too_many_changes_at_once),
        T(a_reset_is_done_before_the_answer),
        T(without_a_machine),
        T(the_rest_of_a_long_line_is_no_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
