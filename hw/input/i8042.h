/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042 (private) - the state of the keyboard controller and of the two PS/2 devices behind it, and
 * what the controller asks of them.
 */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/core/device.h"

#define PS2_QUEUE 16u /* scan codes or packet bytes, as in the real devices */
#define PS2_REPLY 8u  /* bytes of an answer to a command; the longest has 5 */

/* A device's output: the answer to the last command goes first, then the queue. */
#define PS2_PORT_STATE(F, A, S, p)                                                                 \
    A(S, uint8_t, p##_reply, PS2_REPLY, ANY, 1)                                                    \
    F(S, uint8_t, p##_reply_at, PS2_REPLY, 1)                                                      \
    F(S, uint8_t, p##_reply_n, PS2_REPLY, 1)                                                       \
    A(S, uint8_t, p##_queue, PS2_QUEUE, ANY, 1)                                                    \
    F(S, uint8_t, p##_queue_at, PS2_QUEUE - 1, 1)                                                  \
    F(S, uint8_t, p##_queue_n, PS2_QUEUE, 1)                                                       \
    F(S, uint8_t, p##_last, ANY, 1)    /* for the resend command */                                \
    F(S, uint8_t, p##_command, ANY, 1) /* waits for its argument; 0: none */

#define I8042_STATE(F, A, S)                                                                       \
    F(S, uint8_t, STS, ANY, 1)                                                                     \
    F(S, uint8_t, OBR, ANY, 1)                                                                     \
    F(S, uint8_t, P2, ANY, 1)                                                                      \
    A(S, uint8_t, RAM, 32, ANY, 1)  /* byte 0 is the controller command byte */                    \
    F(S, uint8_t, command, ANY, 1)  /* waits for its data byte; 0: none */                         \
    F(S, uint8_t, reply, ANY, 1)    /* of the controller, until the output buffer is free */       \
    F(S, uint8_t, reply_kind, 3, 1) /* enum i8042_reply */                                         \
    F(S, uint8_t, release, 1, 1)    /* translation: an f0 went by */                               \
    PS2_PORT_STATE(F, A, S, kbd)                                                                   \
    F(S, uint8_t, kbd_enabled, 1, 1)                                                               \
    F(S, uint8_t, kbd_set, 3, 1) /* scan code set, 1 to 3 */                                       \
    F(S, uint8_t, kbd_leds, ANY, 1)                                                                \
    F(S, uint8_t, kbd_rate, ANY, 1)                                                                \
    PS2_PORT_STATE(F, A, S, aux)                                                                   \
    F(S, uint8_t, aux_enabled, 1, 1)                                                               \
    F(S, uint8_t, aux_mode, 2, 1)      /* enum aux_mode */                                         \
    F(S, uint8_t, aux_wrap_from, 1, 1) /* mode to return to from wrap */                           \
    F(S, uint8_t, aux_scale, 1, 1)     /* 1: 2:1 */                                                \
    F(S, uint8_t, aux_resolution, 3, 1)                                                            \
    F(S, uint8_t, aux_rate, ANY, 1)                                                                \
    F(S, uint8_t, aux_id, 4, 1)         /* 0 plain, 3 wheel, 4 wheel and five buttons */           \
    A(S, uint8_t, aux_knock, 2, ANY, 1) /* the last two sample rates set */                        \
    F(S, uint8_t, aux_error, 1, 1)      /* the last byte was refused */                            \
    F(S, uint8_t, aux_buttons, 0x1f, 1)                                                            \
    F(S, uint8_t, aux_reported, 0x1f, 1) /* buttons in the last packet */                          \
    F(S, uint32_t, aux_dx, ANY, 1)       /* two's complement; bounded where it is used */          \
    F(S, uint32_t, aux_dy, ANY, 1)                                                                 \
    F(S, uint32_t, aux_dz, ANY, 1)
STATE_DEFINE(i8042, I8042_STATE);

enum i8042_reply { REPLY_NONE, REPLY_CONTROLLER, REPLY_KBD, REPLY_AUX };
enum aux_mode { AUX_STREAM, AUX_REMOTE, AUX_WRAP };

/* A byte for the device. */
void ps2_kbd_write(struct i8042_state *s, uint8_t byte);
void ps2_aux_write(struct i8042_state *s, uint8_t byte);

/* The next byte from the device; false if it has none. */
bool ps2_kbd_read(struct i8042_state *s, uint8_t *byte);
bool ps2_aux_read(struct i8042_state *s, uint8_t *byte);

void ps2_reset(struct i8042_state *s); /* both, as at power-on */

/* Input, within an event of the i8042. */
void ps2_kbd_key(struct i8042_state *s, unsigned key, bool down);
void ps2_aux_move(struct i8042_state *s, int dx, int dy, int dz, unsigned buttons);

/* 8042 translation, scan code set 2 to set 1, of a byte other than f0. */
uint8_t ps2_translate(uint8_t byte);

#endif
