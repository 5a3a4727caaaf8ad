/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2 - keyboard and mouse behind the i8042.
 *
 * Datasheet: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-key)" and
 *            "Mouse" (1988); Microsoft "Keyboard Scan Code Specification" (2000) and IntelliMouse
 *            wheel and five-button extensions.
 * Present:   keyboard: scan code sets 1 to 3, commands, LEDs; mouse: stream, remote and wrap modes,
 *            scaling, wheel (id 3) and five buttons (id 4), both entered by the sample rate knock.
 * Absent:    keyboard: typematic repeat (the host repeats), key types of set 3 (every key makes and
 *            breaks), fake shifts around the grey keys. Mouse: sample rate and resolution are
 *            storage; what moves faster than the guest reads adds up.
 */
#include "hw/input/i8042.h"
#include "hw/input/ps2.h"

enum { REPLY_ACK = 0xfa, REPLY_RESEND = 0xfe, REPLY_ERROR = 0xfc, REPLY_BAT_OK = 0xaa };
enum { PREFIX_E0 = 0xe0, PREFIX_E1 = 0xe1, PREFIX_RELEASE = 0xf0, SET1_RELEASE = 0x80 };

/* --- what a device has to say --- */

struct port {
    uint8_t *reply, *reply_at, *reply_n, *queue, *queue_at, *queue_n, *last;
};

#define PORT(s, p)                                                                                 \
    (struct port)                                                                                  \
    {                                                                                              \
        (s)->p##_reply, &(s)->p##_reply_at, &(s)->p##_reply_n, (s)->p##_queue, &(s)->p##_queue_at, \
            &(s)->p##_queue_n, &(s)->p##_last                                                      \
    }

/* A new command ends the answer to the last one. */
static void reply_begin(const struct port *p)
{
    *p->reply_at = 0;
    *p->reply_n = 0;
}

static void reply_put(const struct port *p, uint8_t byte)
{
    unsigned i = (unsigned)*p->reply_at + *p->reply_n;

    if (i >= PS2_REPLY)
        return;
    p->reply[i] = byte;
    ++*p->reply_n;
}

static unsigned queue_room(const struct port *p)
{
    return *p->queue_n < PS2_QUEUE ? PS2_QUEUE - *p->queue_n : 0;
}

static void queue_put(const struct port *p, uint8_t byte)
{
    if (*p->queue_n >= PS2_QUEUE)
        return;
    p->queue[(*p->queue_at + *p->queue_n) % PS2_QUEUE] = byte;
    ++*p->queue_n;
}

static void queue_clear(const struct port *p)
{
    *p->queue_n = 0;
}

static bool port_get(const struct port *p, uint8_t *byte)
{
    if (*p->reply_n && *p->reply_at < PS2_REPLY) {
        *byte = p->reply[*p->reply_at];
        ++*p->reply_at;
        --*p->reply_n;
    } else if (*p->queue_n) {
        *byte = p->queue[*p->queue_at % PS2_QUEUE];
        *p->queue_at = (uint8_t)((*p->queue_at + 1) % PS2_QUEUE);
        --*p->queue_n;
    } else {
        return false;
    }
    *p->last = *byte;
    return true;
}

/* --- scan codes --- */

/* Set 2 to set 1, for codes below 80h; two keys have codes above. */
static const uint8_t set1_of_set2[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
enum { SET1_F7 = 0x41, SET2_F7 = 0x83, SET1_SYSRQ = 0x54, SET2_SYSRQ = 0x84 };

/* Set 1 (with I8042_E0 for the grey keys) to set 3; 0: there is no such key. */
static const uint8_t set3_of_set1[256] = {
    /* Esc 1-0 - = Backspace Tab */
    [0x01] = 0x08,
    0x16,
    0x1e,
    0x26,
    0x25,
    0x2e,
    0x36,
    0x3d,
    0x3e,
    0x46,
    0x45,
    0x4e,
    0x55,
    0x66,
    0x0d,
    /* q-p [ ] Enter LCtrl */
    [0x10] = 0x15,
    0x1d,
    0x24,
    0x2d,
    0x2c,
    0x35,
    0x3c,
    0x43,
    0x44,
    0x4d,
    0x54,
    0x5b,
    0x5a,
    0x11,
    /* a-l ; ' ` LShift backslash */
    [0x1e] = 0x1c,
    0x1b,
    0x23,
    0x2b,
    0x34,
    0x33,
    0x3b,
    0x42,
    0x4b,
    0x4c,
    0x52,
    0x0e,
    0x12,
    0x5c,
    /* z-m , . / RShift KP* LAlt space Caps */
    [0x2c] = 0x1a,
    0x22,
    0x21,
    0x2a,
    0x32,
    0x31,
    0x3a,
    0x41,
    0x49,
    0x4a,
    0x59,
    0x7e,
    0x19,
    0x29,
    0x14,
    /* F1-F10 Num Scroll */
    [0x3b] = 0x07,
    0x0f,
    0x17,
    0x1f,
    0x27,
    0x2f,
    0x37,
    0x3f,
    0x47,
    0x4f,
    0x76,
    0x5f,
    /* keypad 789-456+1230. */
    [0x47] = 0x6c,
    0x75,
    0x7d,
    0x84,
    0x6b,
    0x73,
    0x74,
    0x7c,
    0x69,
    0x72,
    0x7a,
    0x70,
    0x71,
    [0x54] = 0x57,
    [0x56] = 0x13,
    0x56,
    0x5e, /* SysRq, 102nd, F11, F12 */
    [0x9c] = 0x79,
    0x58, /* KP Enter, RCtrl */
    [0xb5] = 0x77,
    [0xb7] = 0x57,
    0x39, /* KP /, Print Screen, RAlt */
    [0xc6] = 0x62,
    0x6e,
    0x63,
    0x6f, /* Pause, Home, Up, PgUp */
    [0xcb] = 0x61,
    [0xcd] = 0x6a, /* Left, Right */
    [0xcf] = 0x65,
    0x60,
    0x6d,
    0x67,
    0x64, /* End, Down, PgDn, Insert, Delete */
    [0xdb] = 0x8b,
    0x8c,
    0x8d, /* LWin, RWin, Menu */
};

uint8_t ps2_translate(uint8_t byte)
{
    if (byte < sizeof set1_of_set2)
        return set1_of_set2[byte];
    return byte == SET2_F7 ? SET1_F7 : byte == SET2_SYSRQ ? SET1_SYSRQ : byte;
}

/* The set 2 code of a set 1 code below 80h, 0 if there is none. */
static uint8_t set2_of_set1(uint8_t code)
{
    if (code == SET1_F7)
        return SET2_F7;
    if (code == SET1_SYSRQ)
        return SET2_SYSRQ;
    for (unsigned i = 1; i < sizeof set1_of_set2; i++)
        if (set1_of_set2[i] == code)
            return (uint8_t)i;
    return 0;
}

/* --- keyboard --- */

enum {
    KBD_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SET = 0xf0,
    KBD_ID = 0xf2,
    KBD_RATE = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_ALL_FIRST = 0xf7,
    KBD_ALL_LAST = 0xfa,
    KBD_KEY_LAST = 0xfd,
    KBD_RESEND = 0xfe,
    KBD_RESET = 0xff
};
enum { KBD_RATE_DEFAULT = 0x2b }; /* 10.9 per second after 500 ms */
/* Presses leave this much of the queue to releases: a key must not hang. */
enum { KBD_RESERVE = 6 };

#define SEQUENCE 8 /* bytes of the longest key, Pause */

struct sequence {
    uint8_t byte[SEQUENCE];
    unsigned n;
};

static void add(struct sequence *q, uint8_t byte)
{
    if (q->n < SEQUENCE)
        q->byte[q->n++] = byte;
}

static void add_set1(struct sequence *q, unsigned key, bool down)
{
    if (key & I8042_E0)
        add(q, PREFIX_E0);
    add(q, (uint8_t)((key & ~I8042_E0) | (down ? 0 : SET1_RELEASE)));
}

static void add_set2(struct sequence *q, unsigned key, bool down)
{
    uint8_t code = set2_of_set1((uint8_t)(key & ~I8042_E0));

    if (!code)
        return;
    if (key & I8042_E0)
        add(q, PREFIX_E0);
    if (!down)
        add(q, PREFIX_RELEASE);
    add(q, code);
}

static void add_set3(struct sequence *q, unsigned key, bool down)
{
    uint8_t code = set3_of_set1[key & 0xff];

    if (!code)
        return;
    if (!down)
        add(q, PREFIX_RELEASE);
    add(q, code);
}

enum { KEY_PRINT = 0x37 | I8042_E0, KEY_PAUSE = 0x46 | I8042_E0, KEY_LSHIFT_E0 = 0x2a | I8042_E0 };

/* Pause makes and breaks at once: Ctrl and Num Lock with prefix e1. */
static void add_pause(struct sequence *q, unsigned set)
{
    static const uint8_t set1[] = { PREFIX_E1, 0x1d, 0x45, PREFIX_E1, 0x9d, 0xc5 };
    static const uint8_t set2[] = { PREFIX_E1,      0x14, 0x77,           PREFIX_E1,
                                    PREFIX_RELEASE, 0x14, PREFIX_RELEASE, 0x77 };
    const uint8_t *bytes = set == 1 ? set1 : set2;
    size_t n = set == 1 ? sizeof set1 : sizeof set2;

    for (size_t i = 0; i < n; i++)
        add(q, bytes[i]);
}

static void add_key(struct sequence *q, unsigned set, unsigned key, bool down)
{
    if (set == 1)
        add_set1(q, key, down);
    else if (set == 2)
        add_set2(q, key, down);
    else
        add_set3(q, key, down);
}

static void make_sequence(struct sequence *q, unsigned set, unsigned key, bool down)
{
    if (key == KEY_PAUSE && set != 3) {
        if (down)
            add_pause(q, set);
        return;
    }
    if (key == KEY_PRINT && set != 3 && down)
        add_key(q, set, KEY_LSHIFT_E0, true);
    add_key(q, set, key, down);
    if (key == KEY_PRINT && set != 3 && !down)
        add_key(q, set, KEY_LSHIFT_E0, false);
}

void ps2_kbd_key(struct i8042_state *s, unsigned key, bool down)
{
    struct port p = PORT(s, kbd);
    struct sequence q = { { 0 }, 0 };

    if (!s->kbd_enabled || (key & ~I8042_E0) == 0 || key > 0xff)
        return;
    make_sequence(&q, s->kbd_set, key, down);
    if (q.n + (down ? KBD_RESERVE : 0u) > queue_room(&p))
        return; /* whole keys or nothing */
    for (unsigned i = 0; i < q.n; i++)
        queue_put(&p, q.byte[i]);
}

static void kbd_defaults(struct i8042_state *s)
{
    struct port p = PORT(s, kbd);

    queue_clear(&p);
    s->kbd_set = 2;
    s->kbd_rate = KBD_RATE_DEFAULT;
}

static void kbd_set(struct i8042_state *s, const struct port *p, uint8_t set)
{
    if (set > 3) {
        reply_put(p, REPLY_RESEND);
        return;
    }
    reply_put(p, REPLY_ACK);
    if (set == 0) {
        reply_put(p, s->kbd_set);
        return;
    }
    s->kbd_set = set;
    queue_clear(p);
}

/* The byte that a command waited for; false if it is a command itself, which ends the wait. */
static bool kbd_argument(struct i8042_state *s, const struct port *p, uint8_t byte)
{
    uint8_t command = s->kbd_command;

    if (!command || byte >= KBD_LEDS) {
        s->kbd_command = 0;
        return false;
    }
    if (command > KBD_ALL_LAST && command <= KBD_KEY_LAST) {
        reply_put(p, REPLY_ACK); /* a list of keys: ends with the next command */
        return true;
    }
    s->kbd_command = 0;
    if (command == KBD_SET) {
        kbd_set(s, p, byte);
        return true;
    }
    if (command == KBD_LEDS)
        s->kbd_leds = byte & 7;
    else
        s->kbd_rate = byte & 0x7f;
    reply_put(p, REPLY_ACK);
    return true;
}

static void kbd_reset(struct i8042_state *s)
{
    kbd_defaults(s);
    s->kbd_leds = 0;
    s->kbd_enabled = 1;
    s->kbd_command = 0;
    s->release = 0;
}

/* Commands that are acknowledged; those with more to do come here after it. */
static void kbd_acknowledged(struct i8042_state *s, const struct port *p, uint8_t byte)
{
    switch (byte) {
    case KBD_ID:
        reply_put(p, 0xab);
        reply_put(p, 0x83);
        break;
    case KBD_ENABLE:
        queue_clear(p);
        s->kbd_enabled = 1;
        break;
    case KBD_DISABLE:
        kbd_defaults(s);
        s->kbd_enabled = 0;
        break;
    case KBD_DEFAULTS:
        kbd_defaults(s);
        break;
    case KBD_RESET:
        kbd_reset(s);
        reply_put(p, REPLY_BAT_OK);
        break;
    default:
        if (byte < KBD_ALL_FIRST || byte > KBD_ALL_LAST)
            s->kbd_command = byte;
        break;
    }
}

void ps2_kbd_write(struct i8042_state *s, uint8_t byte)
{
    struct port p = PORT(s, kbd);
    uint8_t last = s->kbd_last;

    reply_begin(&p);
    if (kbd_argument(s, &p, byte))
        return;
    if (byte == KBD_ECHO) {
        reply_put(&p, KBD_ECHO);
    } else if (byte == KBD_RESEND) {
        reply_put(&p, last);
    } else if (byte < KBD_LEDS || byte == 0xef || byte == 0xf1) {
        reply_put(&p, REPLY_RESEND); /* no such command */
    } else {
        reply_put(&p, REPLY_ACK);
        kbd_acknowledged(s, &p, byte);
    }
}

bool ps2_kbd_read(struct i8042_state *s, uint8_t *byte)
{
    struct port p = PORT(s, kbd);

    return port_get(&p, byte);
}

/* --- mouse --- */

enum {
    AUX_SCALE_1 = 0xe6,
    AUX_SCALE_2 = 0xe7,
    AUX_RESOLUTION = 0xe8,
    AUX_STATUS = 0xe9,
    AUX_SET_STREAM = 0xea,
    AUX_READ = 0xeb,
    AUX_UNWRAP = 0xec,
    AUX_SET_WRAP = 0xee,
    AUX_SET_REMOTE = 0xf0,
    AUX_ID = 0xf2,
    AUX_RATE = 0xf3,
    AUX_ENABLE = 0xf4,
    AUX_DISABLE = 0xf5,
    AUX_DEFAULTS = 0xf6,
    AUX_RESEND = 0xfe,
    AUX_RESET = 0xff
};
enum { STATUS_REMOTE = 0x40, STATUS_ENABLED = 0x20, STATUS_SCALED = 0x10 };
enum { PACKET_ONE = 0x08, PACKET_XSIGN = 0x10, PACKET_YSIGN = 0x20 };
enum { ID_WHEEL = 3, ID_BUTTONS = 4 };
enum { FAR = 0x4000 }; /* bound of a sum of movements */

static int32_t clamp(int32_t v, int32_t least, int32_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* Take at most what one packet can carry from a sum of movements. */
static int32_t take(uint32_t *sum, int32_t least, int32_t most)
{
    int32_t v = clamp((int32_t)*sum, -FAR, FAR), part = clamp(v, least, most);

    *sum = (uint32_t)(v - part);
    return part;
}

static void accumulate(uint32_t *sum, int v)
{
    *sum = (uint32_t)clamp(clamp((int32_t)*sum, -FAR, FAR) + clamp(v, -FAR, FAR), -FAR, FAR);
}

/* 2:1 scaling of the IBM mouse: small steps by table, others doubled. */
static int32_t scaled(const struct i8042_state *s, int32_t v)
{
    static const uint8_t small[] = { 0, 1, 1, 3, 6, 9 };
    int32_t a = v < 0 ? -v : v;

    if (!s->aux_scale || s->aux_mode != AUX_STREAM)
        return v;
    a = a < (int32_t)sizeof small ? small[a] : a * 2;
    a = clamp(a, 0, 255);
    return v < 0 ? -a : a;
}

static unsigned packet_size(const struct i8042_state *s)
{
    return s->aux_id ? 4 : 3;
}

static void packet(struct i8042_state *s, const struct port *p,
                   void (*put)(const struct port *, uint8_t))
{
    int32_t dx = scaled(s, take(&s->aux_dx, -255, 255));
    int32_t dy = scaled(s, take(&s->aux_dy, -255, 255));
    int32_t dz = take(&s->aux_dz, -8, 7);

    put(p, (uint8_t)(PACKET_ONE | (s->aux_buttons & 7) | (dx < 0 ? PACKET_XSIGN : 0) |
                     (dy < 0 ? PACKET_YSIGN : 0)));
    put(p, (uint8_t)dx);
    put(p, (uint8_t)dy);
    if (s->aux_id == ID_WHEEL)
        put(p, (uint8_t)dz);
    else if (s->aux_id == ID_BUTTONS)
        put(p, (uint8_t)((dz & 0xf) | (s->aux_buttons >> 3 & 3) << 4));
    s->aux_reported = s->aux_buttons;
}

static bool moved(const struct i8042_state *s)
{
    return s->aux_dx || s->aux_dy || s->aux_dz;
}

/* Movements wait until the last packet is read, so that a slow guest sees no stale ones; a button
 * that changed goes out as long as there is room. */
static void stream(struct i8042_state *s, const struct port *p)
{
    bool clicked = s->aux_buttons != s->aux_reported;

    if (!s->aux_enabled || s->aux_mode != AUX_STREAM || queue_room(p) < packet_size(s))
        return;
    if (clicked || (moved(s) && *p->queue_n == 0))
        packet(s, p, queue_put);
}

void ps2_aux_move(struct i8042_state *s, int dx, int dy, int dz, unsigned buttons)
{
    struct port p = PORT(s, aux);

    s->aux_buttons = buttons & 0x1f;
    if (s->aux_mode == AUX_STREAM && !s->aux_enabled)
        return;
    accumulate(&s->aux_dx, dx);
    accumulate(&s->aux_dy, dy > -FAR ? -dy : FAR); /* the mouse's y grows upwards */
    if (s->aux_id)
        accumulate(&s->aux_dz, dz);
    stream(s, &p);
}

static void aux_forget(struct i8042_state *s)
{
    struct port p = PORT(s, aux);

    queue_clear(&p);
    s->aux_dx = 0;
    s->aux_dy = 0;
    s->aux_dz = 0;
    s->aux_reported = s->aux_buttons;
}

static void aux_defaults(struct i8042_state *s)
{
    aux_forget(s);
    s->aux_enabled = 0;
    s->aux_mode = AUX_STREAM;
    s->aux_scale = 0;
    s->aux_resolution = 2;
    s->aux_rate = 100;
}

static void aux_reset(struct i8042_state *s)
{
    aux_defaults(s);
    s->aux_id = 0;
    s->aux_command = 0;
    s->aux_error = 0;
    memset(s->aux_knock, 0, sizeof s->aux_knock);
}

static void aux_refuse(struct i8042_state *s, const struct port *p)
{
    reply_put(p, s->aux_error ? REPLY_ERROR : REPLY_RESEND);
    s->aux_error = 1;
}

/* Sample rates 200, 100, 80 in a row turn the wheel on; 200, 200, 80 the fourth and fifth button.
 */
static void knock(struct i8042_state *s, uint8_t rate)
{
    if (s->aux_knock[0] == 200 && s->aux_knock[1] == 100 && rate == 80)
        s->aux_id = ID_WHEEL;
    else if (s->aux_knock[0] == 200 && s->aux_knock[1] == 200 && rate == 80)
        s->aux_id = ID_BUTTONS;
    s->aux_knock[0] = s->aux_knock[1];
    s->aux_knock[1] = rate;
}

static void aux_argument(struct i8042_state *s, const struct port *p, uint8_t byte)
{
    uint8_t command = s->aux_command;

    s->aux_command = 0;
    if (command == AUX_RATE) {
        s->aux_rate = byte;
        knock(s, byte);
    } else if (byte <= 3) {
        s->aux_resolution = byte;
    } else {
        aux_refuse(s, p);
        return;
    }
    reply_put(p, REPLY_ACK);
}

static void aux_status(struct i8042_state *s, const struct port *p)
{
    reply_put(p, (uint8_t)((s->aux_mode == AUX_REMOTE ? STATUS_REMOTE : 0) |
                           (s->aux_enabled ? STATUS_ENABLED : 0) |
                           (s->aux_scale ? STATUS_SCALED : 0) | (s->aux_buttons & 1) << 2 |
                           (s->aux_buttons & 4) >> 1 | (s->aux_buttons & 2) >> 1));
    reply_put(p, s->aux_resolution);
    reply_put(p, s->aux_rate);
}

/* Commands that only change the mode; false: not one of them. */
static bool aux_mode_command(struct i8042_state *s, uint8_t byte)
{
    switch (byte) {
    case AUX_SCALE_1:
    case AUX_SCALE_2:
        s->aux_scale = byte == AUX_SCALE_2;
        return true;
    case AUX_SET_STREAM:
    case AUX_SET_REMOTE:
        aux_forget(s);
        s->aux_mode = byte == AUX_SET_REMOTE ? AUX_REMOTE : AUX_STREAM;
        return true;
    case AUX_SET_WRAP:
        aux_forget(s);
        s->aux_wrap_from = s->aux_mode == AUX_REMOTE;
        s->aux_mode = AUX_WRAP;
        return true;
    case AUX_UNWRAP:
        return true; /* not in wrap mode: nothing to leave */
    case AUX_ENABLE:
    case AUX_DISABLE:
        aux_forget(s);
        s->aux_enabled = byte == AUX_ENABLE;
        return true;
    case AUX_DEFAULTS:
        aux_defaults(s);
        return true;
    default:
        return false;
    }
}

static void aux_command(struct i8042_state *s, const struct port *p, uint8_t byte, uint8_t last)
{
    if (byte == AUX_RESEND) {
        reply_put(p, last);
        return;
    }
    if (!aux_mode_command(s, byte) && byte != AUX_STATUS && byte != AUX_READ && byte != AUX_ID &&
        byte != AUX_RATE && byte != AUX_RESOLUTION && byte != AUX_RESET) {
        aux_refuse(s, p);
        return;
    }
    s->aux_error = 0;
    reply_put(p, REPLY_ACK);
    switch (byte) {
    case AUX_STATUS:
        aux_status(s, p);
        break;
    case AUX_READ:
        queue_clear(p);
        packet(s, p, reply_put);
        break;
    case AUX_ID:
        reply_put(p, s->aux_id);
        break;
    case AUX_RATE:
    case AUX_RESOLUTION:
        s->aux_command = byte;
        break;
    case AUX_RESET:
        aux_reset(s);
        reply_put(p, REPLY_BAT_OK);
        reply_put(p, 0); /* id */
        break;
    default:
        break;
    }
}

void ps2_aux_write(struct i8042_state *s, uint8_t byte)
{
    struct port p = PORT(s, aux);
    uint8_t last = s->aux_last;

    reply_begin(&p);
    if (s->aux_mode == AUX_WRAP && byte != AUX_UNWRAP && byte != AUX_RESET) {
        reply_put(&p, byte);
    } else if (s->aux_mode == AUX_WRAP && byte == AUX_UNWRAP) {
        s->aux_mode = s->aux_wrap_from ? AUX_REMOTE : AUX_STREAM;
        reply_put(&p, REPLY_ACK);
    } else if (s->aux_command && byte != AUX_RESET) {
        aux_argument(s, &p, byte);
    } else {
        s->aux_command = 0;
        aux_command(s, &p, byte, last);
    }
}

bool ps2_aux_read(struct i8042_state *s, uint8_t *byte)
{
    struct port p = PORT(s, aux);
    bool got = port_get(&p, byte);

    if (*p.queue_n == 0 && *p.reply_n == 0)
        stream(s, &p);
    return got;
}

void ps2_reset(struct i8042_state *s)
{
    kbd_reset(s);
    aux_reset(s);
}
