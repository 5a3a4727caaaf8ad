/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdvga_bench - the board and the guest's side of a VGA, for its tests: the register values of the
 * VGA BIOS modes, short names for indexed accesses, text, screenshots.
 *
 * A file that includes it has the board for its TESTs.
 */
#ifndef TESTS_HW_STDVGA_BENCH_H
#define TESTS_HW_STDVGA_BENCH_H

#include "display/display.h"
#include "hw/video/vga.h"
#include "tests/bench.h"

enum { SLOT = 3, DEVFN = SLOT << 3, VRAM_GFN = 0x2000, VRAM_BYTES = 1 << 20, VRAM_PAGES = 256 };
enum { WINDOW = 0xa0000, TEXT_WINDOW = 0xb8000, ROM_BYTES = 0x9800 };

#define BAR0     UINT32_C(0xf1000000)
#define BAR2     UINT32_C(0xf2000000)
#define ROM_BASE UINT32_C(0xf3000000)

extern const struct device_ops stdvga_ops;

static struct display screen;
static uint8_t rom_image[ROM_BYTES];

BENCH_SETUP
{
    struct device_row row = {
        .ops = &stdvga_ops,
        .base = { 0x3b4, 0x3c0, 0x1ce, WINDOW },
        .devfn = DEVFN,
        .host = { .display = &screen,
                  .rom = rom_image,
                  .rom_size = ROM_BYTES,
                  .vram_gfn = VRAM_GFN,
                  .vram_bytes = VRAM_BYTES },
    };

    for (unsigned i = 0; i < ROM_BYTES; i++)
        rom_image[i] = (uint8_t)(i * 7 + (i >> 8));
    return bench_new(&row, 1);
}

/* main() of a program beside hw-stdvga: the checks that every device gets run there only. */
static inline int stdvga_bench_main(int argc, char **argv)
{
    static char own[] = "stdvga.*";
    char *args[] = { argv[0], argc > 1 ? argv[1] : own, NULL };

    return bench_main(2, args);
}

/* ---- what a BIOS does ---- */

struct mode {
    uint8_t misc, sr[5], cr[25], gr[9], ar[21];
};

#define AR_TEXT   0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f
#define AR_DIRECT 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

/* 80x25 text, 720x400 */
static const struct mode mode_03 = {
    0x67,
    { 3, 0, 3, 0, 2 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0,    0x4f, 0x0d, 0x0e, 0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff },
    { AR_TEXT, 0x0c, 0, 0x0f, 8, 0 },
};
/* 40x25 text, 360x400 doubled */
static const struct mode mode_01 = {
    0x67,
    { 3, 8, 3, 0, 2 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0xa0, 0xbf, 0x1f, 0,    0x4f, 0x0d, 0x0e, 0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x14, 0x1f, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff },
    { AR_TEXT, 0x0c, 0, 0x0f, 8, 0 },
};
/* 80x25 monochrome text */
static const struct mode mode_07 = {
    0x66,
    { 3, 0, 3, 0, 2 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0,    0x4f, 0x0d, 0x0e, 0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x0d, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x10, 0x0a, 0, 0xff },
    { AR_DIRECT, 0x0e, 0, 0x0f, 8, 0 },
};
/* 320x200, 4 colours */
static const struct mode mode_04 = {
    0x63,
    { 3, 9, 3, 0, 2 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0,    0xc1, 0,    0,   0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x14, 0,    0x96, 0xb9, 0xa2, 0xff },
    { 0, 0, 0, 0, 0, 0x30, 0x0f, 0, 0xff },
    { AR_DIRECT, 1, 0, 3, 0, 0 },
};
/* 640x200, 2 colours */
static const struct mode mode_06 = {
    0x63,
    { 3, 1, 1, 0, 6 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0,    0xc1, 0,    0,   0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0,    0x96, 0xb9, 0xc2, 0xff },
    { 0, 0, 0, 0, 0, 0, 0x0d, 0, 0xff },
    { AR_DIRECT, 1, 0, 1, 0, 0 },
};
/* 320x200, 16 colours */
static const struct mode mode_0d = {
    0x63,
    { 3, 9, 0xf, 0, 6 },
    { 0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0,    0xc0, 0,    0,   0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x14, 0,    0x96, 0xb9, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0, 5, 0xf, 0xff },
    { AR_DIRECT, 1, 0, 0x0f, 0, 0 },
};
/* 640x480, 16 colours */
static const struct mode mode_12 = {
    0xe3,
    { 3, 1, 0xf, 0, 6 },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0,    0x40, 0,    0,   0,
      0,    0,    0,    0xea, 0x8c, 0xdf, 0x28, 0,    0xe7, 0x04, 0xe3, 0xff },
    { 0, 0, 0, 0, 0, 0, 5, 0xf, 0xff },
    { AR_TEXT, 1, 0, 0x0f, 0, 0 },
};
/* 320x200, 256 colours */
static const struct mode mode_13 = {
    0x63,
    { 3, 1, 0xf, 0, 0xe },
    { 0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0,    0x41, 0,    0,   0,
      0,    0,    0,    0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff },
    { 0, 0, 0, 0, 0, 0x40, 5, 0xf, 0xff },
    { AR_DIRECT, 0x41, 0, 0x0f, 0, 0 },
};

static inline void seq(struct bench *b, unsigned i, unsigned v)
{
    bench_outw(b, 0x3c4, v << 8 | i);
}

static inline void gfx(struct bench *b, unsigned i, unsigned v)
{
    bench_outw(b, 0x3ce, v << 8 | i);
}

static inline void crt(struct bench *b, unsigned i, unsigned v)
{
    bench_outw(b, bench_inb(b, 0x3cc) & 1 ? 0x3d4 : 0x3b4, v << 8 | i);
}

static inline void att(struct bench *b, unsigned i, unsigned v)
{
    bench_inb(b, 0x3da);
    bench_inb(b, 0x3ba);
    bench_outb(b, 0x3c0, i | 0x20);
    bench_outb(b, 0x3c0, v);
}

/* The colour that DAC entry i gets here, as written and as shown. */
static inline unsigned dac_part(unsigned i, unsigned part)
{
    return (i * (part + 1) + part * 11) & 63;
}

static inline uint32_t rgb(unsigned i)
{
    uint32_t c = 0;

    for (unsigned part = 0; part < 3; part++)
        c = c << 8 | (dac_part(i, part) << 2 | dac_part(i, part) >> 4);
    return c;
}

static inline void set_mode(struct bench *b, const struct mode *m)
{
    bench_outb(b, 0x3c2, m->misc);
    for (unsigned i = 0; i < 5; i++)
        seq(b, i, m->sr[i]);
    crt(b, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        crt(b, i, m->cr[i]);
    for (unsigned i = 0; i < 9; i++)
        gfx(b, i, m->gr[i]);
    for (unsigned i = 0; i < 21; i++)
        att(b, i, m->ar[i]);
    bench_outb(b, 0x3c6, 0xff);
    bench_outb(b, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++)
        for (unsigned part = 0; part < 3; part++)
            bench_outb(b, 0x3c9, dac_part(i, part));
}

static inline void vbe(struct bench *b, unsigned i, unsigned v)
{
    bench_outw(b, 0x1ce, i);
    bench_outw(b, 0x1cf, v);
}

static inline unsigned vbe_get(struct bench *b, unsigned i)
{
    bench_outw(b, 0x1ce, i);
    return bench_inw(b, 0x1cf);
}

static inline void vbe_mode(struct bench *b, unsigned x, unsigned y, unsigned bpp, unsigned flags)
{
    vbe(b, VBE_ENABLE, 0);
    vbe(b, VBE_XRES, x);
    vbe(b, VBE_YRES, y);
    vbe(b, VBE_BPP, bpp);
    vbe(b, VBE_ENABLE, VBE_ENABLE_ON | flags);
}

static inline void shot(struct surface *s)
{
    struct error e = { "" };

    EXPECT_EQ(screen.draw(screen.opaque, s, &e), 0);
}

static inline uint32_t pixel(const struct surface *s, unsigned x, unsigned y)
{
    assert_true(x < s->width && y < s->height);
    return s->pixels[(size_t)y * s->width + x];
}

/* rep movs between RAM and the window. */
static inline void movs(struct bench *b, uint64_t window, uint64_t ram, unsigned size, unsigned n,
                        bool to_ram)
{
    struct request r = { .type = REQ_COPY,
                         .addr = window,
                         .size = size,
                         .count = n,
                         .read = to_ram,
                         .data_is_ptr = true,
                         .data = ram };

    bench_request(b, &r);
}

static inline uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static inline void vram_get(struct bench *b, uint32_t at, void *to, size_t n)
{
    bench_ram_get(b, ((uint64_t)VRAM_GFN << 12) + at, to, n);
}

static inline void vram_put(struct bench *b, uint32_t at, const void *from, size_t n)
{
    bench_ram_put(b, ((uint64_t)VRAM_GFN << 12) + at, from, n);
}

/* ---- text ---- */

static const uint8_t glyph_h[16] = { 0, 0, 0xc3, 0xc3, 0xc3, 0xff, 0xff, 0xc3, 0xc3, 0xc3, 0xc3 };
static const uint8_t glyph_i[16] = { 0, 0, 0x18, 0x18, 0, 0x78, 0x18, 0x18, 0x18, 0x7e, 0, 0 };
static const uint8_t glyph_bar[16] = { 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static const uint8_t glyph_block[16] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                         255, 255, 255, 255, 255, 255, 255, 255 };

/* As the VGA BIOS loads a font: plane 2 at a0000, sequential, then back. */
static inline void load_glyph(struct bench *b, unsigned font_offset, unsigned code,
                              const uint8_t *rows)
{
    seq(b, 2, 4);
    seq(b, 4, 7);
    gfx(b, 5, 0);
    gfx(b, 6, 4);
    for (unsigned i = 0; i < 16; i++)
        bench_write(b, WINDOW + font_offset + code * 32 + i, 1, rows[i]);
    seq(b, 2, 3);
    seq(b, 4, 3);
    gfx(b, 5, 0x10);
    gfx(b, 6, 0x0e);
}

static inline void text_screen(struct bench *b)
{
    struct request blank = {
        .type = REQ_COPY, .addr = TEXT_WINDOW, .size = 2, .count = 2048, .data = 0x0720
    };

    set_mode(b, &mode_03);
    load_glyph(b, 0, 'H', glyph_h);
    load_glyph(b, 0, 'i', glyph_i);
    load_glyph(b, 0, 0xc4, glyph_bar);
    load_glyph(b, 0, 0xb0, glyph_bar);
    bench_request(b, &blank); /* rep stosw */
    crt(b, 0x0a, 0x20);
}

static inline void put(struct bench *b, unsigned column, unsigned row, unsigned code,
                       unsigned attribute)
{
    bench_write(b, TEXT_WINDOW + (row * 80 + column) * 2, 2, attribute << 8 | code);
}

/* DAC entries of the sixteen text colours. */
static inline uint32_t text_colour(unsigned i)
{
    return rgb(mode_03.ar[i]);
}

static inline void expect_glyph(const struct surface *s, unsigned column, unsigned row,
                                const uint8_t *glyph, unsigned fore, unsigned back)
{
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 8; x++)
            EXPECT_EQ(pixel(s, column * 9 + x, row * 16 + y),
                      text_colour(glyph[y] & 0x80 >> x ? fore : back));
}

#endif
