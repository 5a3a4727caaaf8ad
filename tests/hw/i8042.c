/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the keyboard controller, the keyboard and the mouse, mostly as drivers talk to them. */
#include "hw/input/i8042.h"
#include "hw/input/ps2.h"
#include "tests/bench.h"

extern const struct device_ops i8042_ops;

enum { DATA = 0x60, STATUS = 0x64, KBD_IRQ = 1, AUX_IRQ = 12 };
enum { OBF = 0x01, AUX = 0x20 };
enum { NOTHING = 0x100, FROM_AUX = 0x200 }; /* results of fetch() */

static const struct device_row board[] = {
    { .ops = &i8042_ops, .base = { DATA, STATUS }, .isa_irq = { KBD_IRQ, AUX_IRQ } },
};
BENCH(board)

static struct device *dev(struct bench *b)
{
    return machine_find(b->m, "i8042", 0);
}

static unsigned fetch(struct bench *b)
{
    unsigned status = bench_inb(b, STATUS);

    if (!(status & OBF))
        return NOTHING;
    return bench_inb(b, DATA) | (status & AUX ? (unsigned)FROM_AUX : 0);
}

static void command(struct bench *b, unsigned c)
{
    bench_outb(b, STATUS, c);
}

static void command_data(struct bench *b, unsigned c, unsigned v)
{
    bench_outb(b, STATUS, c);
    bench_outb(b, DATA, v);
}

static void kbd(struct bench *b, unsigned v)
{
    bench_outb(b, DATA, v);
}

static void aux(struct bench *b, unsigned v)
{
    command_data(b, 0xd4, v);
}

#define EXPECT_BYTES(b, from, ...)                                                                 \
    do {                                                                                           \
        static const uint8_t want[] = { __VA_ARGS__ };                                             \
        for (size_t i_ = 0; i_ < sizeof want; i_++)                                                \
            EXPECT_EQ(fetch(b), want[i_] | (from));                                                \
        EXPECT_EQ(fetch(b), NOTHING);                                                              \
    } while (0)
#define EXPECT_KBD(b, ...) EXPECT_BYTES(b, 0u, __VA_ARGS__)
#define EXPECT_AUX(b, ...) EXPECT_BYTES(b, (unsigned)FROM_AUX, __VA_ARGS__)

static void type(struct bench *b, unsigned key)
{
    i8042_key(dev(b), key, true);
    i8042_key(dev(b), key, false);
}

/* Both interfaces on, translation as a BIOS sets it. */
static void bios(struct bench *b)
{
    command_data(b, 0x60, 0x47);
}

static void wheel_mouse(struct bench *b)
{
    static const uint8_t rates[] = { 200, 100, 80 };

    for (unsigned i = 0; i < 3; i++) {
        aux(b, 0xf3);
        aux(b, rates[i]);
    }
    while (fetch(b) != NOTHING)
        continue; /* acknowledges */
}

static void enable_mouse(struct bench *b)
{
    aux(b, 0xf4);
    EXPECT_AUX(b, 0xfa);
}

/* --- controller --- */

/* The host's side, for the generic checks and the fuzzer: somebody types and moves the mouse. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    uint32_t r = *seed = *seed * 1664525u + 1013904223u;

    if (r >> 31)
        i8042_key(dev(b), (r >> 8 & 0x7f) | (r >> 30 & 1 ? I8042_E0 : 0), r >> 29 & 1);
    else
        i8042_mouse(dev(b), (int)(r >> 8 & 0x3ff) - 512, (int)(r >> 18 & 0xff) - 128,
                    (int)(r >> 26 & 3) - 1, r & 7);
}
BENCH_GUEST(guest_step)

TEST(i8042, reset_values)
{
    EXPECT_EQ(bench_inb(b, STATUS), 0x10);
    EXPECT_EQ(fetch(b), NOTHING);
    command(b, 0x20);
    EXPECT_KBD(b, 0x00);
}

TEST(i8042, self_tests)
{
    command(b, 0xaa);
    EXPECT_KBD(b, 0x55);
    EXPECT_EQ(bench_inb(b, STATUS) & 0x04, 0x04);
    command(b, 0xab);
    EXPECT_KBD(b, 0x00);
    command(b, 0xa9);
    EXPECT_KBD(b, 0x00);
    command(b, 0xa4); /* no password */
    EXPECT_KBD(b, 0xf1);
}

TEST(i8042, command_byte_and_ram)
{
    command_data(b, 0x60, 0x65);
    command(b, 0x20);
    EXPECT_KBD(b, 0x65);
    for (unsigned i = 1; i < 32; i++)
        command_data(b, 0x60 + i, i * 3);
    for (unsigned i = 1; i < 32; i++) {
        command(b, 0x20 + i);
        EXPECT_EQ(fetch(b), i * 3);
    }
}

TEST(i8042, status_tells_command_from_data)
{
    command(b, 0xa8);
    EXPECT_EQ(bench_inb(b, STATUS) & 0x08, 0x08);
    kbd(b, 0xee);
    EXPECT_EQ(bench_inb(b, STATUS) & 0x08, 0);
}

/* The checks of Linux's i8042 driver for the AUX port. */
TEST(i8042, linux_aux_loop_and_toggle)
{
    command_data(b, 0xd3, 0x5a);
    EXPECT_AUX(b, 0x5a);
    command(b, 0xa7);
    command(b, 0x20);
    EXPECT_EQ(fetch(b) & 0x20, 0x20);
    command(b, 0xa8);
    command(b, 0x20);
    EXPECT_EQ(fetch(b) & 0x20, 0);
}

TEST(i8042, linux_multiplexer_probe_finds_none)
{
    static const uint8_t knock[] = { 0xf0, 0x56, 0xa4 };

    for (unsigned i = 0; i < 3; i++) {
        command_data(b, 0xd3, knock[i]);
        EXPECT_EQ(fetch(b), knock[i] | FROM_AUX); /* a multiplexer answers with its version */
    }
}

/* Linux sends a loop byte and waits for IRQ 12 to deliver it. */
TEST(i8042, linux_aux_interrupt_test)
{
    command_data(b, 0x60, 0x02);
    command_data(b, 0xd3, 0xa5);
    EXPECT_TRUE(bench_isa_level(b, AUX_IRQ));
    EXPECT_TRUE(!bench_isa_level(b, KBD_IRQ));
    EXPECT_EQ(fetch(b), 0xa5 | FROM_AUX);
    EXPECT_TRUE(!bench_isa_level(b, AUX_IRQ));
    EXPECT_EQ(bench_isa_edges(b, AUX_IRQ), 2);
}

TEST(i8042, kbd_loop)
{
    command_data(b, 0xd2, 0x1c);
    EXPECT_KBD(b, 0x1c);
}

TEST(i8042, output_port)
{
    command(b, 0xd0);
    EXPECT_EQ(fetch(b), 0x03);
    command_data(b, 0xd1, 0x01); /* A20 off */
    command(b, 0xd0);
    EXPECT_EQ(fetch(b), 0x01);
    command(b, 0xdf);
    command(b, 0xd0);
    EXPECT_EQ(fetch(b), 0x03);
    command(b, 0xdd);
    command(b, 0xd0);
    EXPECT_EQ(fetch(b), 0x01);
    EXPECT_EQ(b->nrequested, 0);
    command_data(b, 0xd1, 0x02);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_RESET);
}

TEST(i8042, pulses_of_the_reset_line)
{
    command(b, 0xff);
    command(b, 0xf1);
    EXPECT_EQ(b->nrequested, 0);
    command(b, 0xfe);
    EXPECT_EQ(b->nrequested, 1);
    EXPECT_EQ(b->requested, MACHINE_RESET);
}

TEST(i8042, input_port)
{
    command(b, 0xc0);
    EXPECT_KBD(b, 0x80);
}

TEST(i8042, one_edge_for_each_byte)
{
    bios(b);
    type(b, 0x1e);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ), 1);
    EXPECT_EQ(fetch(b), 0x1e);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ), 3); /* down and up again */
    EXPECT_TRUE(bench_isa_level(b, KBD_IRQ));
    EXPECT_EQ(fetch(b), 0x9e);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ), 4);
    EXPECT_TRUE(!bench_isa_level(b, KBD_IRQ));
}

TEST(i8042, a_disabled_interface_keeps_its_bytes)
{
    command_data(b, 0x60, 0x75);
    type(b, 0x1e);
    EXPECT_EQ(fetch(b), NOTHING);
    command(b, 0xae);
    EXPECT_KBD(b, 0x1e, 0x9e);
    command(b, 0xad);
    kbd(b, 0xee); /* a byte for the keyboard turns its interface on */
    EXPECT_KBD(b, 0xee);
}

TEST(i8042, the_controllers_answer_waits_for_the_byte_before_it)
{
    bios(b);
    type(b, 0x1e);
    command(b, 0x20);
    EXPECT_KBD(b, 0x1e, 0x47, 0x9e);
}

TEST(i8042, reading_again_gives_the_last_byte)
{
    kbd(b, 0xee);
    EXPECT_EQ(fetch(b), 0xee);
    EXPECT_EQ(bench_inb(b, DATA), 0xee);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ), 0);
}

/* --- keyboard --- */

/* SeaBIOS: reset, scan code set, enable, with the interface's interrupts off. */
TEST(i8042, seabios_sets_the_keyboard_up)
{
    command(b, 0xaa);
    EXPECT_KBD(b, 0x55);
    command(b, 0xab);
    EXPECT_KBD(b, 0x00);
    command_data(b, 0x60, 0x30);
    kbd(b, 0xff);
    EXPECT_KBD(b, 0xfa, 0xaa);
    kbd(b, 0xf5);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0xf0);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0x02);
    EXPECT_KBD(b, 0xfa);
    command_data(b, 0x60, 0x61);
    kbd(b, 0xf4);
    EXPECT_KBD(b, 0xfa);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ) & 1, 0);
    EXPECT_TRUE(bench_isa_edges(b, KBD_IRQ) > 0);
}

/* Linux atkbd: identify, LEDs, rate, enable. */
TEST(i8042, linux_atkbd_probe)
{
    kbd(b, 0xf2);
    EXPECT_KBD(b, 0xfa, 0xab, 0x83);
    kbd(b, 0xf5);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0xed);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0x00);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0xf3);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0x00);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0xf4);
    EXPECT_KBD(b, 0xfa);
}

TEST(i8042, identity_under_translation)
{
    bios(b);
    kbd(b, 0xf2);
    EXPECT_KBD(b, 0xfa, 0xab, 0x41);
}

TEST(i8042, unknown_commands_ask_for_resend)
{
    static const uint8_t bad[] = { 0x00, 0x55, 0xec, 0xef, 0xf1 };

    for (unsigned i = 0; i < sizeof bad; i++) {
        kbd(b, bad[i]);
        EXPECT_KBD(b, 0xfe);
    }
}

TEST(i8042, a_command_ends_the_wait_for_an_argument)
{
    kbd(b, 0xed);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0xf4);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 0x02); /* no argument any more */
    EXPECT_KBD(b, 0xfe);
}

TEST(i8042, resend_repeats_the_last_byte)
{
    kbd(b, 0xf2);
    EXPECT_KBD(b, 0xfa, 0xab, 0x83);
    kbd(b, 0xfe);
    EXPECT_KBD(b, 0x83);
}

TEST(i8042, scan_code_sets)
{
    static const struct {
        uint8_t set;
        uint8_t n, bytes[8];
    } sets[] = { { 1, 4, { 0xe0, 0x48, 0xe0, 0xc8 } },
                 { 2, 5, { 0xe0, 0x75, 0xe0, 0xf0, 0x75 } },
                 { 3, 3, { 0x63, 0xf0, 0x63 } } };

    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
        kbd(b, 0xf0);
        EXPECT_EQ(fetch(b), 0xfa);
        kbd(b, sets[i].set);
        EXPECT_EQ(fetch(b), 0xfa);
        kbd(b, 0xf0);
        EXPECT_EQ(fetch(b), 0xfa);
        kbd(b, 0);
        EXPECT_EQ(fetch(b), 0xfa);
        EXPECT_EQ(fetch(b), sets[i].set);
    }
    kbd(b, 0xf0);
    EXPECT_KBD(b, 0xfa);
    kbd(b, 4);
    EXPECT_KBD(b, 0xfe);
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
        kbd(b, 0xf0);
        (void)fetch(b);
        kbd(b, sets[i].set);
        (void)fetch(b);
        type(b, 0x48 | I8042_E0); /* cursor up */
        for (unsigned k = 0; k < sets[i].n; k++)
            EXPECT_EQ(fetch(b), sets[i].bytes[k]);
        EXPECT_EQ(fetch(b), NOTHING);
    }
}

/* What comes out with translation is the set 1 code that went in, for every key. */
TEST(i8042, translation_round_trip)
{
    bios(b);
    for (unsigned key = 1; key < 0x100; key++) {
        unsigned code = key & 0x7f;

        if (code == 0 || code == 0x7f || key == (0x37 | I8042_E0) || key == (0x46 | I8042_E0))
            continue;
        type(b, key);
        if (bench_inb(b, STATUS) & OBF) {
            if (key & I8042_E0)
                EXPECT_EQ(fetch(b), 0xe0);
            EXPECT_EQ(fetch(b), code);
            if (key & I8042_E0)
                EXPECT_EQ(fetch(b), 0xe0);
            EXPECT_EQ(fetch(b), code | 0x80);
        } else {
            EXPECT_TRUE(code > 0x58); /* every key of a PC keyboard has a code */
        }
        EXPECT_EQ(fetch(b), NOTHING);
    }
}

TEST(i8042, print_screen_and_pause)
{
    bios(b);
    i8042_key(dev(b), 0x37 | I8042_E0, true);
    EXPECT_KBD(b, 0xe0, 0x2a, 0xe0, 0x37);
    i8042_key(dev(b), 0x37 | I8042_E0, false);
    EXPECT_KBD(b, 0xe0, 0xb7, 0xe0, 0xaa);
    i8042_key(dev(b), 0x46 | I8042_E0, true);
    EXPECT_KBD(b, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
    i8042_key(dev(b), 0x46 | I8042_E0, false);
    EXPECT_EQ(fetch(b), NOTHING);
}

TEST(i8042, a_disabled_keyboard_is_silent)
{
    kbd(b, 0xf5);
    EXPECT_KBD(b, 0xfa);
    type(b, 0x1e);
    EXPECT_EQ(fetch(b), NOTHING);
    kbd(b, 0xf4);
    EXPECT_KBD(b, 0xfa);
    type(b, 0x1e);
    EXPECT_KBD(b, 0x1c, 0xf0, 0x1c);
}

/* The buffer has an end; whole keys are lost, and releases last of all. */
TEST(i8042, keys_nobody_reads_are_bounded)
{
    unsigned n = 0, makes = 0, breaks = 0, byte;

    bios(b);
    for (unsigned i = 0; i < 5; i++)
        i8042_key(dev(b), 0x10 + i, true);
    for (unsigned i = 0; i < 1000; i++)
        i8042_key(dev(b), 0x20, true);
    for (unsigned i = 0; i < 3; i++)
        i8042_key(dev(b), 0x10 + i, false);
    while ((byte = fetch(b)) != NOTHING && n++ < 100) {
        makes += byte < 0x80;
        breaks += byte >= 0x80;
    }
    EXPECT_TRUE(makes >= 10 && makes <= PS2_QUEUE);
    EXPECT_EQ(breaks, 3);
}

/* XSA-19: no key is for us. Each of them, with Ctrl and Alt held, is a code for the guest and
 * nothing else; there is no monitor that it could open (a proof by construction: what this guards
 * is that nobody builds one). */
TEST(i8042, xsa19_no_key_reaches_a_monitor)
{
    bios(b);
    for (unsigned key = 1; key < 0x80; key++) {
        unsigned codes = 0;

        if (key == 0x1d || key == 0x38)
            continue;
        i8042_key(dev(b), 0x1d, true);
        i8042_key(dev(b), 0x38, true);
        i8042_key(dev(b), key, true);
        i8042_key(dev(b), key, false);
        i8042_key(dev(b), 0x38, false);
        i8042_key(dev(b), 0x1d, false);
        EXPECT_EQ(fetch(b), 0x1d);
        EXPECT_EQ(fetch(b), 0x38);
        while (codes < 8 && fetch(b) != (0x38 | 0x80))
            codes++;
        EXPECT_TRUE(codes < 8);
        if (key < 0x40)
            EXPECT_EQ(codes, 2);
        EXPECT_EQ(fetch(b), 0x1d | 0x80);
        EXPECT_EQ(fetch(b), NOTHING);
        EXPECT_EQ(b->nrequested, 0);
    }
}

TEST(i8042, odd_keys_do_nothing)
{
    i8042_key(dev(b), 0, true);
    i8042_key(dev(b), I8042_E0, true);
    i8042_key(dev(b), 0x1000, true);
    i8042_key(dev(b), ~0u, false);
    kbd(b, 0xf0);
    (void)fetch(b);
    kbd(b, 3);
    (void)fetch(b);
    i8042_key(dev(b), 0x7f, true);
    i8042_key(dev(b), 0xff, true);
    EXPECT_EQ(fetch(b), NOTHING);
}

TEST(i8042, an_answer_overtakes_keys)
{
    bios(b);
    command(b, 0xad);
    type(b, 0x1e);
    kbd(b, 0xee); /* enables the interface */
    EXPECT_KBD(b, 0xee, 0x1e, 0x9e);
}

TEST(i8042, release_survives_save_and_load)
{
    bios(b);
    i8042_key(dev(b), 0x48 | I8042_E0, true);
    i8042_key(dev(b), 0x48 | I8042_E0, false);
    EXPECT_EQ(fetch(b), 0xe0);
    bench_save_and_load(b);
    EXPECT_TRUE(bench_isa_level(b, KBD_IRQ));
    EXPECT_EQ(fetch(b), 0x48);
    bench_save_and_load(b);
    EXPECT_EQ(fetch(b), 0xe0);
    bench_save_and_load(b);
    EXPECT_KBD(b, 0xc8);
}

TEST(i8042, command_survives_save_and_load)
{
    command(b, 0xd4);
    bench_save_and_load(b);
    kbd(b, 0xf3);
    EXPECT_AUX(b, 0xfa);
    bench_save_and_load(b);
    aux(b, 40);
    EXPECT_AUX(b, 0xfa);
    aux(b, 0xe9);
    EXPECT_AUX(b, 0xfa, 0x00, 0x02, 40);
}

/* --- mouse --- */

TEST(i8042, mouse_reset_and_identity)
{
    aux(b, 0xff);
    EXPECT_AUX(b, 0xfa, 0xaa, 0x00);
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 0x00);
    aux(b, 0xe9);
    EXPECT_AUX(b, 0xfa, 0x00, 0x02, 100);
}

/* psmouse: the knocks of the two Microsoft extensions. */
TEST(i8042, wheel_and_five_buttons)
{
    static const uint8_t explorer[] = { 200, 200, 80 };

    wheel_mouse(b);
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 3);
    for (unsigned i = 0; i < 3; i++) {
        aux(b, 0xf3);
        aux(b, explorer[i]);
    }
    while (fetch(b) != NOTHING)
        continue;
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 4);
    enable_mouse(b);
    i8042_mouse(dev(b), 1, -2, -1, I8042_SIDE | I8042_LEFT);
    EXPECT_AUX(b, 0x09, 0x01, 0x02, 0x1f);
    aux(b, 0xff); /* reset makes it a plain mouse again */
    EXPECT_AUX(b, 0xfa, 0xaa, 0x00);
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 0x00);
}

TEST(i8042, mouse_unknown_commands)
{
    aux(b, 0xe1); /* TrackPoint's question */
    EXPECT_AUX(b, 0xfe);
    aux(b, 0xe1);
    EXPECT_AUX(b, 0xfc); /* the second mistake in a row */
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 0x00);
    aux(b, 0xe8);
    EXPECT_AUX(b, 0xfa);
    aux(b, 4); /* resolutions are 0 to 3 */
    EXPECT_AUX(b, 0xfe);
}

TEST(i8042, packets_have_signs_and_buttons)
{
    command_data(b, 0x60, 0x02);
    enable_mouse(b);
    i8042_mouse(dev(b), 5, 3, 0, I8042_RIGHT);
    EXPECT_TRUE(bench_isa_level(b, AUX_IRQ));
    EXPECT_AUX(b, 0x2a, 0x05, 0xfd); /* down on the screen is negative */
    EXPECT_TRUE(!bench_isa_level(b, AUX_IRQ));
    i8042_mouse(dev(b), -1, -1, 0, 0);
    EXPECT_AUX(b, 0x18, 0xff, 0x01);
    i8042_mouse(dev(b), 0, 0, 0, 0); /* nothing happened */
    EXPECT_EQ(fetch(b), NOTHING);
    i8042_mouse(dev(b), 0, 0, 0, I8042_MIDDLE);
    EXPECT_AUX(b, 0x0c, 0x00, 0x00);
}

TEST(i8042, far_movements_go_out_in_steps)
{
    enable_mouse(b);
    i8042_mouse(dev(b), 600, -255, 0, 0);
    EXPECT_AUX(b, 0x08, 255, 255, 0x08, 255, 0, 0x08, 90, 0);
}

TEST(i8042, movements_add_up_while_nobody_reads)
{
    enable_mouse(b);
    for (unsigned i = 0; i < 100; i++)
        i8042_mouse(dev(b), 2, 0, 0, 0);
    EXPECT_EQ(fetch(b), 0x08 | FROM_AUX);
    EXPECT_EQ(fetch(b), 2 | FROM_AUX);
    EXPECT_EQ(fetch(b), 0 | FROM_AUX);
    EXPECT_AUX(b, 0x08, 198, 0);
}

TEST(i8042, movements_are_bounded)
{
    unsigned n = 0;

    enable_mouse(b);
    for (unsigned i = 0; i < 1000; i++)
        i8042_mouse(dev(b), INT32_MAX, INT32_MIN, INT32_MAX, 0xffffffff);
    while (fetch(b) != NOTHING && n < 1000)
        n++;
    EXPECT_TRUE(n > 0 && n < 1000);
}

TEST(i8042, remote_mode_answers_on_request)
{
    aux(b, 0xf0);
    EXPECT_AUX(b, 0xfa);
    i8042_mouse(dev(b), 7, 0, 0, 0);
    EXPECT_EQ(fetch(b), NOTHING);
    aux(b, 0xe9);
    EXPECT_AUX(b, 0xfa, 0x40, 0x02, 100);
    aux(b, 0xeb);
    EXPECT_AUX(b, 0xfa, 0x08, 7, 0);
    aux(b, 0xeb);
    EXPECT_AUX(b, 0xfa, 0x08, 0, 0);
    aux(b, 0xea);
    EXPECT_AUX(b, 0xfa);
    enable_mouse(b);
    i8042_mouse(dev(b), 7, 0, 0, 0);
    EXPECT_AUX(b, 0x08, 7, 0);
}

TEST(i8042, wrap_mode_echoes)
{
    aux(b, 0xee);
    EXPECT_AUX(b, 0xfa);
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xf2);
    aux(b, 0x12);
    EXPECT_AUX(b, 0x12);
    aux(b, 0xec);
    EXPECT_AUX(b, 0xfa);
    aux(b, 0xf2);
    EXPECT_AUX(b, 0xfa, 0x00);
}

TEST(i8042, scaling_of_small_steps)
{
    static const uint8_t steps[] = { 0, 1, 1, 3, 6, 9, 12 };

    aux(b, 0xe7);
    EXPECT_AUX(b, 0xfa);
    enable_mouse(b);
    for (int i = 1; i <= 6; i++) {
        i8042_mouse(dev(b), i, 0, 0, 0);
        EXPECT_EQ(fetch(b), 0x08 | FROM_AUX);
        EXPECT_EQ(fetch(b), steps[i] | FROM_AUX);
        EXPECT_EQ(fetch(b), 0 | FROM_AUX);
    }
    aux(b, 0xe9);
    EXPECT_AUX(b, 0xfa, 0x30, 0x02, 100);
}

TEST(i8042, a_disabled_mouse_is_silent)
{
    i8042_mouse(dev(b), 10, 10, 0, I8042_LEFT);
    EXPECT_EQ(fetch(b), NOTHING);
    enable_mouse(b);
    EXPECT_EQ(fetch(b), NOTHING);
    i8042_mouse(dev(b), 1, 0, 0, I8042_LEFT);
    EXPECT_AUX(b, 0x09, 1, 0);
}

TEST(i8042, keyboard_and_mouse_do_not_mix)
{
    command_data(b, 0x60, 0x47);
    enable_mouse(b);
    i8042_mouse(dev(b), 1, 0, 0, 0);
    type(b, 0x1e);
    EXPECT_EQ(fetch(b), 0x08 | FROM_AUX);
    EXPECT_EQ(fetch(b), 0x1e);
    EXPECT_EQ(fetch(b), 0x9e);
    EXPECT_AUX(b, 1, 0);
    EXPECT_EQ(bench_isa_edges(b, KBD_IRQ), 4);
}

/* --- hostile state --- */

static void set(struct bench *b, const char *name, uint32_t i, uint64_t v)
{
    for (uint32_t k = 0; k < i8042_ops.state->nfields; k++)
        if (strcmp(i8042_ops.state->fields[k].name, name) == 0) {
            state_set(dev(b)->state, &i8042_ops.state->fields[k], i, v);
            return;
        }
    fail_msg("no field %s", name);
}

static void expect_refused(struct bench *b, const char *name, uint64_t v)
{
    struct error e = { "" };

    machine_reset(b->m);
    set(b, name, 0, v);
    if (machine_loaded(b->m, &e) == 0)
        fail_msg("%s = %u was loaded", name, (unsigned)v);
    EXPECT_TRUE(e.text[0] != 0);
}

/* Queue indexes of a saved state that point outside. */
TEST(i8042, cve_2017_16845_queue_indexes)
{
    expect_refused(b, "kbd_queue_at", PS2_QUEUE);
    expect_refused(b, "kbd_queue_n", PS2_QUEUE + 1);
    expect_refused(b, "kbd_reply_n", PS2_REPLY + 1);
    expect_refused(b, "aux_queue_at", 255);
    expect_refused(b, "aux_queue_n", 255);
    expect_refused(b, "aux_reply_at", 255);
    expect_refused(b, "kbd_set", 0);
    expect_refused(b, "kbd_set", 4);
    machine_reset(b->m);
    set(b, "aux_reply_at", 0, PS2_REPLY);
    expect_refused(b, "aux_reply_n", 255);
}

TEST(i8042, answer_past_its_end_is_refused)
{
    struct error e = { "" };

    set(b, "kbd_reply_at", 0, PS2_REPLY - 1);
    set(b, "kbd_reply_n", 0, 2);
    assert_true(machine_loaded(b->m, &e) < 0);
    assert_non_null(strstr(e.text, "answer"));
}

/* Even if the check failed: the indexes are bounded where they are used. */
TEST(i8042, cve_2017_16845_indexes_are_bounded_at_use)
{
    static const char *const names[] = { "kbd_queue_at", "kbd_queue_n",  "kbd_reply_at",
                                         "kbd_reply_n",  "aux_queue_at", "aux_queue_n",
                                         "aux_reply_at", "aux_reply_n" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        machine_reset(b->m);
        set(b, names[i], 0, 255);
        for (unsigned k = 0; k < 300; k++)
            (void)fetch(b);
        type(b, 0x48 | I8042_E0);
        i8042_mouse(dev(b), 1, 1, 1, i);
        kbd(b, 0xf2);
        aux(b, 0xe9);
        for (unsigned k = 0; k < 300; k++)
            (void)fetch(b);
    }
    for (unsigned at = 0; at < 256; at += 51) { /* what is read is a byte of the queue */
        uint8_t byte = 0;

        machine_reset(b->m);
        for (unsigned i = 0; i < PS2_QUEUE; i++)
            set(b, "kbd_queue", i, 0x77);
        set(b, "kbd_queue_n", 0, 1);
        set(b, "kbd_queue_at", 0, at);
        assert_true(ps2_kbd_read(machine_devices(b->m)->state, &byte));
        EXPECT_EQ(byte, 0x77);
    }
}
