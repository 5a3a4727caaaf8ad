/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload draw: text that scrolls, or planar drawing in which no write may be lost or repeated:
 * most of it goes through the ring of buffered writes, and each pixel is turned over, not set. The
 * picture at the end depends on nothing but what to draw and how often, which the scenario patches
 * in.
 */
#include "payload.h"

#define TEXT     0xb8000u
#define COLUMNS  80u
#define ROWS     25u
#define GRAPHICS 0xa0000u
#define STRIDE   80u /* bytes of a row of 640 pixels in one plane */

/* Behind the marker: t or p, text or planar; then three digits, rounds. See payload() in lib.sh. */
static const volatile char work[] = "@LAB_WORK@t020";
enum { WHAT = 10, DIGITS = 11, DIGITS_END = 14 };

static uint32_t rounds(void)
{
    uint32_t n = 0;

    for (uint32_t i = DIGITS; i < DIGITS_END; i++) {
        n = n * 10 + (uint32_t)(work[i] - '0');
    }
    return n;
}

static void scroll(uint32_t round)
{
    uint32_t to = TEXT, from = TEXT + COLUMNS * 2, count = COLUMNS * (ROWS - 1) / 2;

    __asm__ volatile("cld; rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    for (uint32_t i = 0; i < COLUMNS; i++) {
        volatile uint8_t *cell = (volatile uint8_t *)(TEXT + 2 * ((ROWS - 1) * COLUMNS + i));

        cell[0] = (uint8_t)(' ' + (round * 7 + i) % 95);
        cell[1] = (uint8_t)(1 + (round + i / 8) % 14);
    }
}

static void set(uint16_t port, uint8_t index, uint8_t value)
{
    outw(port, (uint16_t)(index | value << 8));
}

/* 640 by 480 in 16 colours: the register values of the BIOS's mode 12h. */
static void planar_mode(void)
{
    static const uint8_t sequencer[] = { 3, 1, 15, 0, 6 };
    static const uint8_t controller[] = { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0,
                                          0x40, 0,    0,    0,    0,    0,    0,    0xea, 0x0c,
                                          0xdf, 0x28, 0,    0xe7, 0x04, 0xe3, 0xff };
    static const uint8_t graphics[] = { 0, 0, 0, 0, 0, 0, 5, 15, 255 };
    static const uint8_t attributes[] = { 0,    1,    2,    3,    4,    5,    0x14,
                                          7,    0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
                                          0x3e, 0x3f, 1,    0,    15,   0,    0 };

    outb(0x3c2, 0xe3);
    for (uint8_t i = 0; i < sizeof sequencer; i++) {
        set(0x3c4, i, sequencer[i]);
    }
    set(0x3d4, 0x11, 0); /* unlock the first eight */
    for (uint8_t i = 0; i < sizeof controller; i++) {
        set(0x3d4, i, controller[i]);
    }
    for (uint8_t i = 0; i < sizeof graphics; i++) {
        set(0x3ce, i, graphics[i]);
    }
    inb(0x3da);
    for (uint8_t i = 0; i < sizeof attributes; i++) {
        outb(0x3c0, i);
        outb(0x3c0, attributes[i]);
    }
    outb(0x3c0, 0x20);
    set(0x3c4, 2, 15);
    for (uint32_t at = 0; at < STRIDE * 480; at += 4) {
        *(volatile uint32_t *)(GRAPHICS + at) = 0;
    }
    set(0x3ce, 3, 0x18); /* what is written is combined with the latches by XOR */
}

/* A filled square of 64 by 24 pixels, turned over in one plane or several. */
static void square(uint32_t round)
{
    uint32_t left = round * 5 % (STRIDE - 8), top = round * 37 % (480 - 24);

    set(0x3c4, 2, (uint8_t)(1 + round % 15));
    for (uint32_t y = top; y < top + 24; y++) {
        for (uint32_t x = left; x < left + 8; x++) {
            volatile uint8_t *at = (volatile uint8_t *)(GRAPHICS + y * STRIDE + x);

            if (x == left || y % 8 == 0) {
                (void)*at; /* load the latches; elsewhere those of the left edge are used again */
            }
            *at = (uint8_t)(0xff >> (round % 4));
        }
    }
}

void payload_main(void)
{
    uint32_t n = rounds();

    serial_text("draw: begin\r\n");
    if (work[WHAT] == 'p') {
        planar_mode();
        for (uint32_t i = 0; i < n * 4; i++) {
            square(i);
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            scroll(i);
        }
    }
    serial_text("draw: end\r\n");
    idle();
}
