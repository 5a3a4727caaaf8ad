/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the serial port: what drivers probe, FIFOs, interrupts, a host that does not keep up. */
#include <stdlib.h>

#include "tests/bench.h"

extern const struct device_ops uart16550_ops;

enum {
    BASE = 0x3f8,
    THR = BASE,
    RBR = BASE,
    DLL = BASE,
    IER = BASE + 1,
    DLM = BASE + 1,
    IIR = BASE + 2,
    FCR = BASE + 2,
    LCR = BASE + 3,
    MCR = BASE + 4,
    LSR = BASE + 5,
    MSR = BASE + 6,
    SCR = BASE + 7,
    IRQ = 4
};
enum { ERBFI = 1, ETBEI = 2, ELSI = 4, EDSSI = 8 };
enum { DR = 1, OE = 2, BI = 0x10, THRE = 0x20, TEMT = 0x40 };
enum { RTS = 2, OUT2 = 8, LOOP = 0x10 };
enum { ACCEPTS = 40 };

BENCH_SETUP
{
    struct device_row row[2] = {
        { .ops = &uart16550_ops, .base = { BASE }, .isa_irq = { IRQ } },
        { .ops = &uart16550_ops, .instance = 1, .base = { 0x2f8 }, .isa_irq = { 3 } }, /* no host */
    };

    row[0].host.chr = bench_chardev_new(ACCEPTS);
    return bench_new(row, 2);
}

static struct chardev *host(struct bench *b)
{
    return b->rows[0].host.chr;
}

static void give(struct bench *b, const char *text)
{
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)text, strlen(text)), strlen(text));
}

static void expect_written(struct bench *b, const char *text)
{
    uint8_t bytes[128] = { 0 };

    EXPECT_EQ(bench_chardev_take(host(b), bytes, sizeof bytes), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

/* As a driver that waits for interrupts leaves it: FIFOs, trigger 8, OUT2. */
static void open_port(struct bench *b, unsigned ier)
{
    bench_outb(b, FCR, 0x87);
    bench_outb(b, MCR, OUT2 | RTS | 1);
    bench_outb(b, IER, ier);
    (void)bench_inb(b, MSR);
}

/* The host's side, for the generic checks and the fuzzer: it types, and reads or does not. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    uint8_t bytes[20];
    uint32_t r = *seed = *seed * 1664525u + 1013904223u;

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(r >> (i & 15));
    if (r >> 31)
        bench_chardev_give(host(b), bytes, r >> 16 & 15);
    else
        bench_chardev_take(host(b), bytes, r >> 16 & 15);
    bench_step(b, r >> 8 & 0xfffff);
}
BENCH_GUEST(guest_step)

TEST(uart16550, reset_values)
{
    EXPECT_EQ(bench_inb(b, IER), 0);
    EXPECT_EQ(bench_inb(b, IIR), 0x01);
    EXPECT_EQ(bench_inb(b, LCR), 0);
    EXPECT_EQ(bench_inb(b, MCR), 0);
    EXPECT_EQ(bench_inb(b, LSR), THRE | TEMT);
    EXPECT_EQ(bench_inb(b, MSR), 0xb0);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
}

TEST(uart16550, read_back_masks)
{
    bench_outb(b, IER, 0xff);
    EXPECT_EQ(bench_inb(b, IER), 0x0f);
    bench_outb(b, LCR, 0x7f);
    EXPECT_EQ(bench_inb(b, LCR), 0x7f);
    bench_outb(b, MCR, 0xff);
    EXPECT_EQ(bench_inb(b, MCR), 0x1f);
    bench_outb(b, SCR, 0x5a);
    EXPECT_EQ(bench_inb(b, SCR), 0x5a);
    bench_outb(b, LSR, 0xff); /* read only */
    EXPECT_EQ(bench_inb(b, LSR) & OE, 0);
}

TEST(uart16550, divisor_latch_hides_data_and_ier)
{
    bench_outb(b, IER, ERBFI);
    bench_outb(b, LCR, 0x83);
    bench_outb(b, DLL, 0x34);
    bench_outb(b, DLM, 0x12);
    EXPECT_EQ(bench_inb(b, DLL), 0x34);
    EXPECT_EQ(bench_inb(b, DLM), 0x12);
    bench_outb(b, LCR, 0x03);
    EXPECT_EQ(bench_inb(b, IER), ERBFI);
    expect_written(b, "");
}

/* hvmloader and SeaBIOS look for a port by reading back two values of IER. */
TEST(uart16550, firmware_finds_the_port)
{
    bench_outb(b, IER, 0x00);
    EXPECT_EQ(bench_inb(b, IER), 0x00);
    bench_outb(b, IER, 0x0f);
    EXPECT_EQ(bench_inb(b, IER), 0x0f);
    bench_outb(b, IER, 0x02); /* SeaBIOS: IER 02h, then IIR 02h */
    EXPECT_EQ(bench_inb(b, IER), 0x02);
    EXPECT_EQ(bench_inb(b, IIR), 0x02);
}

/* The questions of Linux's 8250 autoconfiguration, with the answers of a 16550A. */
TEST(uart16550, linux_says_16550a)
{
    bench_outb(b, MCR, LOOP | 0x0a);
    EXPECT_EQ(bench_inb(b, MSR) & 0xf0, 0x90);
    bench_outb(b, MCR, 0);
    bench_outb(b, LCR, 0xbf);
    bench_outb(b, FCR, 0); /* EFR of later chips */
    bench_outb(b, LCR, 0);
    bench_outb(b, FCR, 0x01);
    EXPECT_EQ(bench_inb(b, IIR) >> 6, 3); /* 16550A */
    bench_outb(b, LCR, 0x80);
    EXPECT_TRUE(bench_inb(b, FCR) != 0); /* no 16650: there EFR reads 0 */
    bench_outb(b, LCR, 0);
    bench_outb(b, FCR, 0x21); /* 16750: 64-byte FIFO bit */
    EXPECT_EQ(bench_inb(b, IIR) >> 5, 6);
    bench_outb(b, LCR, 0x80);
    bench_outb(b, FCR, 0x21);
    EXPECT_EQ(bench_inb(b, IIR) >> 5, 6);
    bench_outb(b, LCR, 0);
    bench_outb(b, IER, 0x40); /* XScale UART enable */
    EXPECT_EQ(bench_inb(b, IER), 0);
}

/* Linux raises the transmitter interrupt twice to see whether it is there again. */
TEST(uart16550, enabling_thre_raises_it_again)
{
    open_port(b, 0);
    for (unsigned i = 0; i < 2; i++) {
        bench_outb(b, IER, ETBEI);
        EXPECT_TRUE(bench_isa_level(b, IRQ));
        EXPECT_EQ(bench_inb(b, IIR), 0xc2);
        EXPECT_TRUE(!bench_isa_level(b, IRQ)); /* reading IIR took it away */
        EXPECT_EQ(bench_inb(b, IIR), 0xc1);
        bench_outb(b, IER, 0);
    }
}

TEST(uart16550, bytes_go_out_at_once_and_thre_comes)
{
    open_port(b, ETBEI);
    (void)bench_inb(b, IIR);
    bench_outb(b, THR, 'a');
    EXPECT_EQ(bench_inb(b, LSR), THRE | TEMT);
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    bench_outb(b, THR, 'b');
    expect_written(b, "ab");
}

TEST(uart16550, nothing_is_lost_while_the_host_is_full)
{
    char text[ACCEPTS + 1];
    uint8_t bytes[64];

    open_port(b, ETBEI);
    memset(text, 'x', ACCEPTS);
    text[ACCEPTS] = 0;
    for (unsigned i = 0; i < ACCEPTS; i++)
        bench_outb(b, THR, 'x');
    EXPECT_EQ(bench_inb(b, LSR) & THRE, THRE);
    for (unsigned i = 0; i < 16; i++)
        bench_outb(b, THR, 'A' + i);
    EXPECT_EQ(bench_inb(b, LSR) & (THRE | TEMT), 0);
    EXPECT_EQ(bench_inb(b, IIR), 0xc1);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
    EXPECT_EQ(bench_chardev_take(host(b), bytes, ACCEPTS), ACCEPTS); /* the host reads */
    assert_memory_equal(bytes, text, ACCEPTS);
    EXPECT_EQ(bench_inb(b, LSR) & (THRE | TEMT), THRE | TEMT);
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    expect_written(b, "ABCDEFGHIJKLMNOP");
    bench_outb(b, THR, '+'); /* and from now on at once again */
    expect_written(b, "+");
}

TEST(uart16550, bytes_that_wait_survive_save_and_load)
{
    uint8_t bytes[64];

    open_port(b, ETBEI);
    for (unsigned i = 0; i < ACCEPTS; i++)
        bench_outb(b, THR, '.');
    bench_outb(b, THR, '1');
    bench_outb(b, THR, '2');
    bench_save_and_load(b);
    EXPECT_EQ(bench_inb(b, LSR) & THRE, 0);
    EXPECT_EQ(bench_chardev_take(host(b), bytes, ACCEPTS), ACCEPTS);
    expect_written(b, "12");
    EXPECT_EQ(bench_inb(b, LSR) & THRE, THRE);
}

/* A guest that does not wait for THRE loses its newest bytes, not our memory. */
TEST(uart16550, overfull_transmitter_keeps_the_oldest)
{
    uint8_t bytes[64];

    open_port(b, 0);
    for (unsigned i = 0; i < ACCEPTS; i++)
        bench_outb(b, THR, '.');
    for (unsigned i = 0; i < 20; i++)
        bench_outb(b, THR, 'a' + i);
    EXPECT_EQ(bench_chardev_take(host(b), bytes, ACCEPTS), ACCEPTS);
    expect_written(b, "abcdefghijklmnot");
}

TEST(uart16550, string_output_goes_out_in_order)
{
    static const char text[] = "the quick brown fox";

    bench_ram_put(b, 0x5000, text, sizeof text - 1);
    bench_rep(b, THR, false, 1, 0x5000, sizeof text - 1, false);
    expect_written(b, text);
}

TEST(uart16550, string_output_to_a_full_host_behaves_as_single_bytes)
{
    uint8_t text[ACCEPTS + 16], bytes[64];

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)('0' + i);
    open_port(b, 0);
    bench_ram_put(b, 0x5000, text, sizeof text);
    bench_rep(b, THR, false, 1, 0x5000, sizeof text, false);
    EXPECT_EQ(bench_inb(b, LSR) & THRE, 0);
    EXPECT_EQ(bench_chardev_take(host(b), bytes, ACCEPTS), ACCEPTS);
    assert_memory_equal(bytes, text, ACCEPTS);
    EXPECT_EQ(bench_chardev_take(host(b), bytes, sizeof bytes), 16);
    assert_memory_equal(bytes, text + ACCEPTS, 16);
}

TEST(uart16550, string_output_respects_dlab)
{
    bench_outb(b, LCR, 0x80);
    bench_ram_put(b, 0x5000, "\x01\x02\x03", 3);
    bench_rep(b, DLL, false, 1, 0x5000, 3, false);
    EXPECT_EQ(bench_inb(b, DLL), 3);
    expect_written(b, "");
}

TEST(uart16550, receives_without_fifo)
{
    bench_outb(b, MCR, OUT2);
    bench_outb(b, IER, ERBFI);
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"hello", 5), 1); /* room for one */
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    EXPECT_EQ(bench_inb(b, IIR), 0x04);
    EXPECT_EQ(bench_inb(b, LSR) & DR, DR);
    EXPECT_EQ(bench_inb(b, RBR), 'h');
    EXPECT_EQ(bench_inb(b, LSR) & DR, 0);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
}

TEST(uart16550, receive_trigger_and_order)
{
    open_port(b, ERBFI);
    give(b, "1234567");
    EXPECT_TRUE(!bench_isa_level(b, IRQ)); /* trigger is 8 */
    give(b, "8");
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    EXPECT_EQ(bench_inb(b, IIR), 0xc4);
    EXPECT_EQ(bench_inb(b, RBR), '1');
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
    for (unsigned i = 2; i <= 8; i++)
        EXPECT_EQ(bench_inb(b, RBR), '0' + i);
    EXPECT_EQ(bench_inb(b, LSR) & DR, 0);
}

TEST(uart16550, fifo_takes_16_and_then_the_host_waits)
{
    open_port(b, 0);
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"0123456789abcdefgh", 18), 16);
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"gh", 2), 0);
    EXPECT_EQ(bench_inb(b, RBR), '0');
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"gh", 2), 1);
    EXPECT_EQ(bench_inb(b, LSR) & OE, 0);
}

static unsigned kicks;

static void count_kick(struct chardev *c)
{
    (void)c;
    kicks++;
}

/* A host that was told to wait hears of the first free place, once. */
TEST(uart16550, waiting_host_is_kicked)
{
    static struct chardev_ops ops; /* outlives a failure of this test */

    ops = *host(b)->ops;
    ops.kick = count_kick;
    host(b)->ops = &ops;
    kicks = 0;
    give(b, "a"); /* no FIFO: full */
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"b", 1), 0);
    (void)bench_inb(b, LSR);
    EXPECT_EQ(kicks, 0);
    EXPECT_EQ(bench_inb(b, RBR), 'a');
    EXPECT_EQ(kicks, 1);
    (void)bench_inb(b, LSR);
    EXPECT_EQ(kicks, 1);
    bench_outb(b, MCR, LOOP); /* no room in loopback; there is when it ends */
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"c", 1), 0);
    (void)bench_inb(b, LSR);
    EXPECT_EQ(kicks, 1);
    bench_outb(b, MCR, 0);
    EXPECT_EQ(kicks, 2);
}

/* 8N1 at 115200: ten bits take 86.8 us; four characters later the interrupt comes. */
TEST(uart16550, receive_timeout_after_four_characters)
{
    bench_outb(b, LCR, 0x83);
    bench_outb(b, DLL, 1);
    bench_outb(b, DLM, 0);
    bench_outb(b, LCR, 0x03);
    open_port(b, ERBFI);
    give(b, "ab");
    bench_step(b, 340000);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
    bench_step(b, 10000);
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    EXPECT_EQ(bench_inb(b, IIR), 0xcc);
    EXPECT_EQ(bench_inb(b, RBR), 'a');
    EXPECT_TRUE(!bench_isa_level(b, IRQ)); /* and a new wait for the other byte */
    bench_step(b, 350000);
    EXPECT_EQ(bench_inb(b, IIR), 0xcc);
    EXPECT_EQ(bench_inb(b, RBR), 'b');
    EXPECT_EQ(bench_inb(b, IIR), 0xc1);
}

TEST(uart16550, receive_timeout_survives_save_and_load)
{
    open_port(b, ERBFI);
    give(b, "a");
    bench_step(b, 1000000);
    bench_save_and_load(b);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
    bench_step(b, 4000000); /* 9600 baud: 4.2 ms in all */
    EXPECT_TRUE(bench_isa_level(b, IRQ));
}

TEST(uart16550, an_idle_port_needs_no_timer)
{
    open_port(b, 0x0f);
    (void)bench_inb(b, IIR);
    EXPECT_TRUE(machine_deadline(b->m) == UINT64_MAX);
    give(b, "x");
    EXPECT_TRUE(machine_deadline(b->m) != UINT64_MAX);
    (void)bench_inb(b, RBR);
    EXPECT_TRUE(machine_deadline(b->m) == UINT64_MAX);
}

TEST(uart16550, interrupt_priorities)
{
    open_port(b, ERBFI | ETBEI | ELSI | EDSSI);
    bench_outb(b, FCR, 0x07); /* trigger 1 */
    bench_outb(b, MCR, OUT2 | LOOP | RTS | 1);
    bench_outb(b, LCR, 0x40); /* break */
    EXPECT_EQ(bench_inb(b, IIR), 0xc6);
    EXPECT_EQ(bench_inb(b, LSR) & (DR | BI), DR | BI);
    EXPECT_EQ(bench_inb(b, IIR), 0xc4);
    EXPECT_EQ(bench_inb(b, RBR), 0);
    EXPECT_EQ(bench_inb(b, IIR), 0xc2);
    bench_outb(b, MCR, OUT2 | LOOP | RTS); /* DTR falls: DSR changes */
    EXPECT_EQ(bench_inb(b, IIR), 0xc0);
    EXPECT_EQ(bench_inb(b, MSR) & 0x0f, 0x02);
    EXPECT_EQ(bench_inb(b, IIR), 0xc1);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
}

TEST(uart16550, out2_gates_the_line)
{
    bench_outb(b, IER, ETBEI);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
    bench_outb(b, MCR, OUT2);
    EXPECT_TRUE(bench_isa_level(b, IRQ));
    bench_outb(b, MCR, 0);
    EXPECT_TRUE(!bench_isa_level(b, IRQ));
}

TEST(uart16550, loopback_sends_to_itself_only)
{
    bench_outb(b, FCR, 0x01);
    bench_outb(b, MCR, LOOP);
    EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"z", 1), 0);
    for (unsigned i = 0; i < 16; i++)
        bench_outb(b, THR, 0x60 + i);
    EXPECT_EQ(bench_inb(b, LSR), DR | THRE | TEMT);
    bench_outb(b, THR, 0xee); /* the 17th overruns: the FIFO keeps what it has */
    EXPECT_EQ(bench_inb(b, LSR) & OE, OE);
    EXPECT_EQ(bench_inb(b, LSR) & OE, 0); /* reading clears */
    for (unsigned i = 0; i < 16; i++)
        EXPECT_EQ(bench_inb(b, RBR), 0x60 + i);
    expect_written(b, "");
}

TEST(uart16550, loopback_without_fifo_overwrites)
{
    bench_outb(b, MCR, LOOP);
    bench_outb(b, THR, 1);
    bench_outb(b, THR, 2);
    EXPECT_EQ(bench_inb(b, LSR) & (DR | OE), DR | OE);
    EXPECT_EQ(bench_inb(b, RBR), 2);
}

/* Guards rx_put(): the FIFO has 16 places. */
TEST(uart16550, loopback_fifo_is_bounded)
{
    bench_outb(b, FCR, 1);
    bench_outb(b, MCR, LOOP);
    for (unsigned i = 0; i < 40; i++)
        bench_outb(b, THR, i);
    EXPECT_EQ(bench_inb(b, LSR) & (DR | OE), DR | OE);
    for (unsigned i = 0; i < 16; i++)
        EXPECT_EQ(bench_inb(b, RBR), i);
    EXPECT_EQ(bench_inb(b, LSR) & DR, 0);
}

TEST(uart16550, modem_lines_follow_mcr_in_loopback)
{
    static const uint8_t msr[16] = { 0x00, 0x20, 0x10, 0x30, 0x40, 0x60, 0x50, 0x70,
                                     0x80, 0xa0, 0x90, 0xb0, 0xc0, 0xe0, 0xd0, 0xf0 };

    for (unsigned i = 0; i < 16; i++) {
        bench_outb(b, MCR, LOOP | i);
        EXPECT_EQ(bench_inb(b, MSR) & 0xf0, msr[i]);
    }
    bench_outb(b, MCR, LOOP | 4); /* RI */
    (void)bench_inb(b, MSR);
    bench_outb(b, MCR, LOOP);
    EXPECT_EQ(bench_inb(b, MSR), 0x04); /* its trailing edge */
    bench_outb(b, MCR, LOOP | 4);
    EXPECT_EQ(bench_inb(b, MSR), 0x40); /* not the leading one */
}

TEST(uart16550, switching_fifos_clears_them)
{
    bench_outb(b, FCR, 0x01);
    give(b, "abc");
    bench_outb(b, FCR, 0x00);
    EXPECT_EQ(bench_inb(b, LSR) & DR, 0);
    EXPECT_EQ(bench_inb(b, IIR), 0x01);
    bench_outb(b, FCR, 0x01);
    give(b, "abc");
    bench_outb(b, FCR, 0x03); /* clear the receiver's */
    EXPECT_EQ(bench_inb(b, LSR) & DR, 0);
    bench_outb(b, FCR, 0xc0); /* without the enable bit nothing else is taken */
    EXPECT_EQ(bench_inb(b, IIR), 0x01);
}

TEST(uart16550, without_a_host_bytes_vanish)
{
    for (unsigned i = 0; i < 100; i++)
        bench_outb(b, 0x2f8, i);
    EXPECT_EQ(bench_inb(b, 0x2fd), THRE | TEMT);
}

/* Divisors without sense, with and without FIFO: nothing divides by them. */
TEST(uart16550, cve_2016_8669_divisor)
{
    static const uint16_t divisors[] = { 0, 1, 2, 0xffff };

    for (unsigned i = 0; i < ARRAY_SIZE(divisors) * 2; i++) {
        uint16_t v = divisors[i / 2];

        bench_outb(b, LCR, 0xff);
        bench_outb(b, DLL, v & 0xff);
        bench_outb(b, DLM, v >> 8);
        bench_outb(b, LCR, i & 4 ? 0x1f : 0x00);
        bench_outb(b, FCR, i & 1 ? 0xc7 : 0);
        bench_outb(b, IER, 0x0f);
        EXPECT_EQ(bench_chardev_give(host(b), (const uint8_t *)"q", 1), 1);
        bench_step(b, UINT64_C(60000000000)); /* the longest character takes 6.8 s */
        EXPECT_EQ(bench_inb(b, IIR) & 0x0f, i & 1 ? 0x0c : 0x04);
        EXPECT_EQ(bench_inb(b, RBR), 'q');
        bench_outb(b, THR, 'w');
    }
}

/* Loopback, triggers and a host that never reads: ten million bytes cost no memory and no loop. */
TEST(uart16550, host_that_never_reads)
{
    uint8_t page[4096];
    uint8_t bytes[64];

    memset(page, 'n', sizeof page);
    bench_ram_put(b, 0x10000, page, sizeof page);
    for (unsigned i = 0; i < 10000000 / sizeof page; i++) {
        if (i % 64 == 0) {
            bench_outb(b, MCR, i % 128 ? LOOP : OUT2);
            bench_outb(b, FCR, (i / 64 * 0x40 & 0xc0) | 1);
        }
        bench_rep(b, THR, false, 1, 0x10000, sizeof page, false);
    }
    bench_outb(b, MCR, 0);
    EXPECT_EQ(bench_chardev_take(host(b), bytes, sizeof bytes), ACCEPTS);
}

TEST(uart16550, fifos_that_cannot_be_are_refused)
{
    struct device *d = machine_find(b->m, "uart16550", 0);
    const struct state_desc *s = uart16550_ops.state;
    struct error e = { "" };

    for (uint32_t i = 0; i < s->nfields; i++)
        if (strcmp(s->fields[i].name, "rx_n") == 0)
            state_set(d->state, &s->fields[i], 0, 5); /* FIFOs are off: one byte at most */
    assert_true(machine_loaded(b->m, &e) < 0);
    assert_non_null(strstr(e.text, "FIFO"));
}
