/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042 - keyboard controller with auxiliary port, ports 60h and 64h, IRQ 1 and IRQ 12.
 *
 * Datasheet: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device
 *            controller" (1988); Intel UPI-41/42 user's manual.
 * Present:   both ports, command byte, scan code translation, loop-back commands, output port,
 *            reset pulse; one interrupt edge for each byte.
 * Absent:    password, diagnostic dump, input port polling; the time that a byte takes on the wire
 *            (parity and time-out bits stay 0); active multiplexing. What A20 does.
 */
#include "hw/input/i8042.h"

#include <errno.h>

#include "hw/input/ps2.h"

enum { LINE_KBD = 0, LINE_AUX = 1 };
enum {
    STS_OBF = 0x01,
    STS_SYS = 0x04,
    STS_CMD = 0x08,
    STS_UNLOCKED = 0x10,
    STS_AUX = 0x20,
    STS_MASK = 0x3d
};
enum { CTR = 0 }; /* index of the command byte in RAM */
enum {
    CTR_KBD_INT = 0x01,
    CTR_AUX_INT = 0x02,
    CTR_SYS = 0x04,
    CTR_KBD_DISABLE = 0x10,
    CTR_AUX_DISABLE = 0x20,
    CTR_TRANSLATE = 0x40
};
enum { P2_RESET = 0x01, P2_A20 = 0x02, P2_KBD_OBF = 0x10, P2_AUX_OBF = 0x20 };
enum { P1_UNLOCKED = 0x80 };

enum {
    CMD_READ_RAM = 0x20,
    CMD_WRITE_RAM = 0x60,
    CMD_RAM_END = 0x80,
    CMD_PASSWORD = 0xa4,
    CMD_AUX_DISABLE = 0xa7,
    CMD_AUX_ENABLE = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_DISABLE = 0xad,
    CMD_KBD_ENABLE = 0xae,
    CMD_READ_P1 = 0xc0,
    CMD_READ_P2 = 0xd0,
    CMD_WRITE_P2 = 0xd1,
    CMD_LOOP_KBD = 0xd2,
    CMD_LOOP_AUX = 0xd3,
    CMD_WRITE_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE = 0xf0
};
enum { NO_PASSWORD = 0xf1, SELF_TEST_OK = 0x55, TEST_OK = 0x00 };

/* --- output buffer --- */

static void lines(struct device *d)
{
    const struct i8042_state *s = d->state;
    bool full = HAS(s, STS, OBF), aux = full && HAS(s, STS, AUX);

    device_irq(d, LINE_KBD, full && !aux && (s->RAM[CTR] & CTR_KBD_INT));
    device_irq(d, LINE_AUX, aux && (s->RAM[CTR] & CTR_AUX_INT));
}

static void fill(struct i8042_state *s, uint8_t byte, bool aux)
{
    s->OBR = byte;
    SET(s, STS, OBF);
    if (aux)
        SET(s, STS, AUX);
    else
        CLR(s, STS, AUX);
}

/* One byte from the keyboard; false if there is none to show (f0 is swallowed by translation). */
static bool fill_from_kbd(struct i8042_state *s)
{
    uint8_t byte;

    while (!(s->RAM[CTR] & CTR_KBD_DISABLE) && ps2_kbd_read(s, &byte)) {
        if (!(s->RAM[CTR] & CTR_TRANSLATE)) {
            fill(s, byte, false);
            return true;
        }
        if (byte == 0xf0) {
            s->release = 1;
            continue; /* bounded: the device's queue gets shorter */
        }
        if (byte >= 0xe0) { /* prefixes and answers: they leave a release that began alone */
            fill(s, byte, false);
            return true;
        }
        fill(s, (uint8_t)(ps2_translate(byte) | (s->release ? 0x80 : 0)), false);
        s->release = 0;
        return true;
    }
    return false;
}

/* Next byte into the free buffer: the controller's own first, then keyboard, then mouse. */
static void refill(struct i8042_state *s)
{
    uint8_t byte;

    if (s->reply_kind != REPLY_NONE) {
        fill(s, s->reply, s->reply_kind == REPLY_AUX);
        s->reply_kind = REPLY_NONE;
    } else if (!fill_from_kbd(s) && !(s->RAM[CTR] & CTR_AUX_DISABLE) && ps2_aux_read(s, &byte)) {
        fill(s, byte, true);
    }
}

/* The lines fall with the byte that was read and rise with the next: an edge for each. */
static void i8042_update(struct device *d)
{
    struct i8042_state *s = d->state;

    lines(d);
    if (HAS(s, STS, OBF))
        return;
    refill(s);
    lines(d);
}

static void answer(struct i8042_state *s, uint8_t byte, enum i8042_reply kind)
{
    s->reply = byte;
    s->reply_kind = (uint8_t)kind;
}

/* --- commands --- */

static void p2_write(struct device *d, uint8_t value)
{
    struct i8042_state *s = d->state;

    s->P2 = value & P2_A20;
    if (!(value & P2_RESET))
        machine_request(d, MACHINE_RESET);
}

static uint8_t p2_read(const struct i8042_state *s)
{
    bool full = HAS(s, STS, OBF), aux = full && HAS(s, STS, AUX);

    return (uint8_t)(P2_RESET | s->P2 | (full && !aux ? P2_KBD_OBF : 0) | (aux ? P2_AUX_OBF : 0));
}

static void ctr_set(struct i8042_state *s, uint8_t clear, uint8_t set)
{
    s->RAM[CTR] = (uint8_t)((s->RAM[CTR] & ~clear) | set);
}

static void self_test(struct i8042_state *s)
{
    SET(s, STS, SYS);
    ctr_set(s, 0, CTR_SYS);
    answer(s, SELF_TEST_OK, REPLY_CONTROLLER);
}

static void command_other(struct device *d, uint8_t command)
{
    struct i8042_state *s = d->state;

    if (command >= CMD_READ_RAM && command < CMD_READ_RAM + sizeof s->RAM)
        answer(s, s->RAM[command - CMD_READ_RAM], REPLY_CONTROLLER);
    else if (command >= CMD_WRITE_RAM && command < CMD_RAM_END)
        s->command = command;
    else if (command >= CMD_PULSE && !(command & P2_RESET)) /* bits that are 0 are pulsed */
        machine_request(d, MACHINE_RESET);
    else if (command < CMD_PULSE)
        guest_note(d, NOTE_COMMAND, command,
                   "the guest gave the controller command %02xh, which is not implemented; it was "
                   "ignored",
                   command);
}

static void command_write(struct device *d, uint8_t command)
{
    struct i8042_state *s = d->state;

    SET(s, STS, CMD);
    s->command = 0;
    switch (command) {
    case CMD_PASSWORD:
        answer(s, NO_PASSWORD, REPLY_CONTROLLER);
        break;
    case CMD_AUX_DISABLE:
        ctr_set(s, 0, CTR_AUX_DISABLE);
        break;
    case CMD_AUX_ENABLE:
        ctr_set(s, CTR_AUX_DISABLE, 0);
        break;
    case CMD_KBD_DISABLE:
        ctr_set(s, 0, CTR_KBD_DISABLE);
        break;
    case CMD_KBD_ENABLE:
        ctr_set(s, CTR_KBD_DISABLE, 0);
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        answer(s, TEST_OK, REPLY_CONTROLLER);
        break;
    case CMD_SELF_TEST:
        self_test(s);
        break;
    case CMD_READ_P1:
        answer(s, P1_UNLOCKED, REPLY_CONTROLLER);
        break;
    case CMD_READ_P2:
        answer(s, p2_read(s), REPLY_CONTROLLER);
        break;
    case CMD_WRITE_P2:
    case CMD_LOOP_KBD:
    case CMD_LOOP_AUX:
    case CMD_WRITE_AUX:
        s->command = command;
        break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        s->P2 = command == CMD_A20_ON ? P2_A20 : 0;
        break;
    default:
        command_other(d, command);
        break;
    }
}

static void ram_write(struct i8042_state *s, uint8_t command, uint8_t value)
{
    unsigned i = command - CMD_WRITE_RAM;

    if (i >= sizeof s->RAM)
        return;
    s->RAM[i] = value;
    if (i != CTR)
        return;
    if (value & CTR_SYS)
        SET(s, STS, SYS);
    else
        CLR(s, STS, SYS);
}

/* A byte for a device enables its interface, as the chip's firmware does. */
static void data_write(struct device *d, uint8_t value)
{
    struct i8042_state *s = d->state;
    uint8_t command = s->command;

    CLR(s, STS, CMD);
    s->command = 0;
    switch (command) {
    case 0:
        ctr_set(s, CTR_KBD_DISABLE, 0);
        ps2_kbd_write(s, value);
        break;
    case CMD_WRITE_P2:
        p2_write(d, value);
        break;
    case CMD_LOOP_KBD:
        answer(s, value, REPLY_KBD);
        break;
    case CMD_LOOP_AUX:
        answer(s, value, REPLY_AUX);
        break;
    case CMD_WRITE_AUX:
        ctr_set(s, CTR_AUX_DISABLE, 0);
        ps2_aux_write(s, value);
        break;
    default:
        ram_write(s, command, value);
        break;
    }
}

/* --- ports --- */

static uint64_t data_read(struct device *d, uint32_t offset, unsigned width)
{
    struct i8042_state *s = d->state;

    (void)offset;
    (void)width;
    CLR(s, STS, OBF);
    CLR(s, STS, AUX);
    return s->OBR;
}

static void data_port_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    data_write(d, (uint8_t)value);
}

static uint64_t status_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct i8042_state *s = d->state;

    (void)offset;
    (void)width;
    return s->STS;
}

static void command_port_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    command_write(d, (uint8_t)value);
}

/* --- input from the host --- */

struct key {
    unsigned key;
    bool down;
};

static void key_event(struct device *d, void *arg)
{
    const struct key *k = arg;

    ps2_kbd_key(d->state, k->key, k->down);
}

void i8042_key(struct device *d, unsigned key, bool down)
{
    struct key k = { key, down };

    device_event(d, key_event, &k);
}

struct move {
    int dx, dy, dz;
    unsigned buttons;
};

static void move_event(struct device *d, void *arg)
{
    const struct move *m = arg;

    ps2_aux_move(d->state, m->dx, m->dy, m->dz, m->buttons);
}

void i8042_mouse(struct device *d, int dx, int dy, int dz, unsigned buttons)
{
    struct move m = { dx, dy, dz, buttons };

    device_event(d, move_event, &m);
}

/* --- the device --- */

static void i8042_reset(struct device *d)
{
    struct i8042_state *s = d->state;

    s->STS = STS_UNLOCKED;
    s->P2 = P2_A20;
    ps2_reset(s);
}

static int i8042_loaded(struct device *d, struct error *e)
{
    const struct i8042_state *s = d->state;

    if (s->STS & ~STS_MASK)
        return error_set(e, -EINVAL, "%s: STS 0x%x has bits that are never set", d->id, s->STS);
    if (s->kbd_reply_at + s->kbd_reply_n > (int)PS2_REPLY ||
        s->aux_reply_at + s->aux_reply_n > (int)PS2_REPLY)
        return error_set(e, -EINVAL, "%s: an answer goes past its end", d->id);
    if (s->kbd_set == 0)
        return error_set(e, -EINVAL, "%s: there is no scan code set 0", d->id);
    return 0;
}

static const char *const data_names[] = { "DATA" };
static const char *const status_names[] = { "STATUS_COMMAND" };

static const struct region i8042_regions[] = {
    { .name = "data",
      .space = BUS_PIO,
      .size = 1,
      NAMED(data_names),
      .read = data_read,
      .write = data_port_write },
    { .name = "status",
      .space = BUS_PIO,
      .size = 1,
      NAMED(status_names),
      .read = status_read,
      .write = command_port_write,
      .constant = true },
};

const struct device_ops i8042_ops = {
    .name = "i8042",
    .size = sizeof(struct device),
    .state = &i8042_desc,
    .regions = i8042_regions,
    .nregions = ARRAY_SIZE(i8042_regions),
    .reset = i8042_reset,
    .update = i8042_update,
    .loaded = i8042_loaded,
};
