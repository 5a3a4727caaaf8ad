/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the standard VGA: registers, window against a plain model of the four planes, pictures,
 * VBE, BARs, ROM, and the advisories that name VGA or VBE.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/hw/stdvga_bench.h"

extern const struct device_ops stdvga_ops;

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

/* ---- registers ---- */

TEST(stdvga, identity_and_bars)
{
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 4), 0x11111234);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 8, 4), 0x03000002);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x2c, 4), 0x11001af4);
    for (unsigned reg = 0x10; reg < 0x34; reg += 4)
        if (reg < 0x28 || reg == 0x30)
            bench_cfg_write(b, DEVFN, reg, 4, 0xffffffff);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x10, 4), 0u - VRAM_BYTES + 8);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x14, 4), 0);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x18, 4), 0xfffff000);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0x30, 4), 0xffff0001);
}

TEST(stdvga, reset_values)
{
    EXPECT_EQ(bench_inb(b, 0x3cc), 0);
    EXPECT_EQ(bench_inb(b, 0x3c6), 0xff);
    EXPECT_EQ(vbe_get(b, VBE_ID), 0xb0c5);
    EXPECT_EQ(vbe_get(b, VBE_ENABLE), 0);
    EXPECT_EQ(vbe_get(b, VBE_MEMORY_64K), VRAM_BYTES / 65536);
    EXPECT_EQ(bench_read(b, WINDOW, 1), 0xff); /* memory is off until MISC turns it on */
}

TEST(stdvga, index_and_data_masks)
{
    static const struct {
        unsigned port, index, mask;
    } t[] = {
        { 0x3c4, 0, 0x03 }, { 0x3c4, 1, 0x3d }, { 0x3c4, 2, 0x0f },    { 0x3c4, 3, 0x3f },
        { 0x3c4, 4, 0x0e }, { 0x3c4, 5, 0 },    { 0x3ce, 0, 0x0f },    { 0x3ce, 3, 0x1f },
        { 0x3ce, 4, 0x03 }, { 0x3ce, 5, 0x7b }, { 0x3ce, 6, 0x0f },    { 0x3ce, 8, 0xff },
        { 0x3ce, 9, 0 },    { 0x3d4, 0, 0xff }, { 0x3d4, 0x18, 0xff }, { 0x3d4, 0x19, 0 },
        { 0x3d4, 0xff, 0 },
    };

    bench_outb(b, 0x3c2, 0x67);
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
        bench_outw(b, t[i].port, 0xff00 | t[i].index);
        EXPECT_EQ(bench_inw(b, t[i].port), t[i].mask << 8 | t[i].index);
        bench_outw(b, t[i].port, t[i].index);
        EXPECT_EQ(bench_inb(b, t[i].port + 1), 0);
    }
}

TEST(stdvga, index_registers_have_as_many_bits_as_the_chip)
{
    gfx(b, 8, 0x5a);
    bench_outb(b, 0x3ce, 0x18); /* GRUB saves registers past the last one and puts them back */
    EXPECT_EQ(bench_inb(b, 0x3cf), 0x5a);
    EXPECT_EQ(bench_inb(b, 0x3ce), 8);
    bench_outb(b, 0x3c4, 0x0c);
    EXPECT_EQ(bench_inb(b, 0x3c4), 4);
}

TEST(stdvga, crtc_protection_leaves_line_compare_bit)
{
    bench_outb(b, 0x3c2, 0x67);
    crt(b, 1, 0x4f);
    crt(b, 0x11, 0x80);
    crt(b, 1, 0);
    crt(b, 7, 0xff);
    bench_outb(b, 0x3d4, 1);
    EXPECT_EQ(bench_inb(b, 0x3d5), 0x4f);
    bench_outb(b, 0x3d4, 7);
    EXPECT_EQ(bench_inb(b, 0x3d5), 0x10);
}

TEST(stdvga, misc_selects_mono_or_colour_ports)
{
    bench_outb(b, 0x3c2, 0x67);
    bench_outb(b, 0x3d4, 0x0e);
    EXPECT_EQ(bench_inb(b, 0x3b4), 0xff);
    EXPECT_EQ(bench_inb(b, 0x3ba), 0xff);
    bench_outb(b, 0x3c2, 0x66);
    EXPECT_EQ(bench_inb(b, 0x3d4), 0xff);
    EXPECT_EQ(bench_inb(b, 0x3b4), 0x0e);
    EXPECT_TRUE(bench_inb(b, 0x3ba) != 0xff);
}

TEST(stdvga, attribute_flip_flop)
{
    bench_outb(b, 0x3c2, 0x67);
    bench_inb(b, 0x3da);
    bench_outb(b, 0x3c0, 0x11);
    bench_outb(b, 0x3c0, 0x2a);
    bench_outb(b, 0x3c0, 0x13); /* index again */
    EXPECT_EQ(bench_inb(b, 0x3c1), 0);
    bench_inb(b, 0x3da); /* and again, without data in between */
    bench_outb(b, 0x3c0, 0x11);
    EXPECT_EQ(bench_inb(b, 0x3c1), 0x2a);
    bench_save_and_load(b); /* data comes next */
    bench_outb(b, 0x3c0, 0x55);
    EXPECT_EQ(bench_inb(b, 0x3c1), 0x55);
}

TEST(stdvga, dac_sequence_and_save_in_the_middle)
{
    bench_outb(b, 0x3c8, 255);
    EXPECT_EQ(bench_inb(b, 0x3c7), 0);
    bench_outb(b, 0x3c9, 0xff); /* six bits */
    bench_outb(b, 0x3c9, 2);
    bench_save_and_load(b);
    bench_outb(b, 0x3c9, 3);
    EXPECT_EQ(bench_inb(b, 0x3c8), 0); /* wraps */
    for (unsigned i = 4; i < 7; i++)
        bench_outb(b, 0x3c9, i);
    bench_outb(b, 0x3c7, 255);
    EXPECT_EQ(bench_inb(b, 0x3c7), 3);
    for (unsigned i = 0; i < 6; i++)
        EXPECT_EQ(bench_inb(b, 0x3c9), i == 0 ? 0x3f : i + 1);
}

TEST(stdvga, dac_of_8_bits)
{
    struct surface s;

    vbe_mode(b, 16, 16, 8, VBE_ENABLE_8BIT_DAC);
    bench_outb(b, 0x3c2, 0x67);
    att(b, 0x10, 0x41);
    bench_outb(b, 0x3c8, 0);
    bench_outb(b, 0x3c9, 0xab);
    bench_outb(b, 0x3c9, 0xcd);
    bench_outb(b, 0x3c9, 0xef);
    bench_outb(b, 0x3c7, 0);
    EXPECT_EQ(bench_inb(b, 0x3c9), 0xab);
    shot(&s);
    EXPECT_EQ(pixel(&s, 3, 3), 0xabcdef);
    surface_free(&s);
}

TEST(stdvga, retrace_comes_and_goes_with_guest_time)
{
    unsigned seen = 0;

    bench_outb(b, 0x3c2, 0x67);
    for (unsigned i = 0; i < 1500; i++) {
        uint8_t v = bench_inb(b, 0x3da);

        EXPECT_TRUE(!(v & 8) || (v & 1)); /* vertical retrace lies in the blanking */
        seen |= 1u << (v & 9);
        bench_step(b, 10000);
    }
    EXPECT_EQ(seen, 1u << 0 | 1u << 1 | 1u << 9);
}

/* ---- text ---- */

static const uint8_t glyph_h[16] = { 0, 0, 0xc3, 0xc3, 0xc3, 0xff, 0xff, 0xc3, 0xc3, 0xc3, 0xc3 };
static const uint8_t glyph_i[16] = { 0, 0, 0x18, 0x18, 0, 0x78, 0x18, 0x18, 0x18, 0x7e, 0, 0 };
static const uint8_t glyph_bar[16] = { 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static const uint8_t glyph_block[16] = { 255, 255, 255, 255, 255, 255, 255, 255,
                                         255, 255, 255, 255, 255, 255, 255, 255 };

/* As the VGA BIOS loads a font: plane 2 at a0000, sequential, then back. */
static void load_glyph(struct bench *b, unsigned font_offset, unsigned code, const uint8_t *rows)
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

static void text_screen(struct bench *b)
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

static void put(struct bench *b, unsigned column, unsigned row, unsigned code, unsigned attribute)
{
    bench_write(b, TEXT_WINDOW + (row * 80 + column) * 2, 2, attribute << 8 | code);
}

/* DAC entries of the sixteen text colours. */
static uint32_t text_colour(unsigned i)
{
    return rgb(mode_03.ar[i]);
}

static void expect_glyph(const struct surface *s, unsigned column, unsigned row,
                         const uint8_t *glyph, unsigned fore, unsigned back)
{
    for (unsigned y = 0; y < 16; y++)
        for (unsigned x = 0; x < 8; x++)
            EXPECT_EQ(pixel(s, column * 9 + x, row * 16 + y),
                      text_colour(glyph[y] & 0x80 >> x ? fore : back));
}

TEST(stdvga, text_hi)
{
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 'H', 0x1e);
    put(b, 1, 0, 'i', 0x4f);
    put(b, 79, 24, 'H', 0x07);
    put(b, 2, 0, 'H', 0x9e); /* blinking, not bright blue */
    EXPECT_EQ(bench_read(b, TEXT_WINDOW, 4), 0x4f691e48);
    shot(&s);
    EXPECT_EQ(s.width, 720);
    EXPECT_EQ(s.height, 400);
    expect_glyph(&s, 0, 0, glyph_h, 0xe, 1);
    expect_glyph(&s, 1, 0, glyph_i, 0xf, 4);
    expect_glyph(&s, 79, 24, glyph_h, 7, 0);
    expect_glyph(&s, 2, 0, glyph_h, 0xe, 1);
    EXPECT_EQ(pixel(&s, 8, 2), text_colour(1)); /* the ninth dot is background */
    EXPECT_EQ(pixel(&s, 300, 200), text_colour(0));
    surface_free(&s);
    bench_save_and_load(b);
    shot(&s);
    expect_glyph(&s, 1, 0, glyph_i, 0xf, 4);
    surface_free(&s);
}

TEST(stdvga, text_of_40_columns_is_doubled)
{
    struct surface s;

    set_mode(b, &mode_01);
    load_glyph(b, 0, 'H', glyph_h);
    crt(b, 0x0a, 0x20);
    bench_write(b, TEXT_WINDOW + 2, 2, 0x0f48);
    shot(&s);
    EXPECT_EQ(s.width, 720);
    for (unsigned x = 0; x < 16; x++)
        EXPECT_EQ(pixel(&s, 18 + x, 2), text_colour(glyph_h[2] & 0x80 >> x / 2 ? 15 : 0));
    surface_free(&s);
}

TEST(stdvga, text_ninth_dot_of_line_graphics)
{
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 0xc4, 0x07); /* a line character joins its neighbour, others do not */
    put(b, 1, 0, 0xb0, 0x07);
    shot(&s);
    EXPECT_EQ(pixel(&s, 8, 7), text_colour(7));
    EXPECT_EQ(pixel(&s, 17, 7), text_colour(0));
    surface_free(&s);
    att(b, 0x10, 0x08);
    shot(&s);
    EXPECT_EQ(pixel(&s, 8, 7), text_colour(0));
    surface_free(&s);
}

TEST(stdvga, text_cursor)
{
    struct surface s;
    unsigned at = 3 * 80 + 5;

    text_screen(b);
    crt(b, 0x0a, 0x0d);
    crt(b, 0x0b, 0x0e);
    crt(b, 0x0e, at >> 8);
    crt(b, 0x0f, at & 0xff);
    shot(&s);
    EXPECT_EQ(pixel(&s, 45, 60), text_colour(0));
    for (unsigned x = 0; x < 9; x++) {
        EXPECT_EQ(pixel(&s, 45 + x, 61), text_colour(7));
        EXPECT_EQ(pixel(&s, 45 + x, 62), text_colour(7));
    }
    EXPECT_EQ(pixel(&s, 45, 63), text_colour(0));
    EXPECT_EQ(pixel(&s, 54, 61), text_colour(0));
    surface_free(&s);
    crt(b, 0x0a, 0x2d); /* off */
    shot(&s);
    EXPECT_EQ(pixel(&s, 45, 61), text_colour(0));
    surface_free(&s);
}

TEST(stdvga, text_second_font_by_attribute)
{
    struct surface s;

    text_screen(b);
    load_glyph(b, 0x4000, 'H', glyph_bar); /* block 1 */
    seq(b, 3, 0x04);                       /* A (attribute bit 3): block 1, B: block 0 */
    put(b, 0, 0, 'H', 0x0f);
    put(b, 1, 0, 'H', 0x07);
    shot(&s);
    expect_glyph(&s, 0, 0, glyph_bar, 15, 0);
    expect_glyph(&s, 1, 0, glyph_h, 7, 0);
    surface_free(&s);
    seq(b, 3, 0x10 | 0x20); /* both to the block at 8 KiB, which is empty */
    shot(&s);
    EXPECT_EQ(pixel(&s, 0, 7), text_colour(0));
    surface_free(&s);
}

TEST(stdvga, text_underline_in_monochrome)
{
    struct surface s;

    set_mode(b, &mode_07);
    for (unsigned i = 0; i < 8; i++)
        bench_write(b, 0xb0000 + i * 2, 2, i << 8 | ' ');
    bench_outw(b, 0x3b4, 0x200a);
    shot(&s);
    for (unsigned i = 1; i < 8; i++)
        EXPECT_EQ(pixel(&s, i * 9 + 4, 13) != rgb(0), i == 1);
    surface_free(&s);
}

TEST(stdvga, start_address_split_screen_and_panning)
{
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 'H', 0x07);
    put(b, 0, 2, 'i', 0x07);
    crt(b, 0x0d, 160); /* start at row 2 */
    crt(b, 0x18, 99);  /* split after line 99 */
    crt(b, 7, 0x0f);
    crt(b, 9, 0x0f);
    load_glyph(b, 0, 0xdb, glyph_block);
    put(b, 0, 8, 0xdb, 0x07); /* lines 96 to 111, if they were not split */
    shot(&s);
    EXPECT_EQ(pixel(&s, 0, 99), text_colour(7));
    EXPECT_EQ(pixel(&s, 0, 100), text_colour(0));
    expect_glyph(&s, 0, 0, glyph_i, 7, 0);
    for (unsigned y = 0; y < 16; y++)
        EXPECT_EQ(pixel(&s, 0, 100 + y), text_colour(glyph_h[y] & 0x80 ? 7 : 0));
    surface_free(&s);
    att(b, 0x13, 0); /* nine-dot text: 0 shifts by one dot */
    shot(&s);
    EXPECT_EQ(pixel(&s, 2, 2), text_colour(glyph_i[2] & 0x10 ? 7 : 0));
    EXPECT_EQ(pixel(&s, 0, 102), text_colour(7)); /* H = 11000011, shifted */
    EXPECT_EQ(pixel(&s, 1, 102), text_colour(0));
    EXPECT_EQ(pixel(&s, 5, 102), text_colour(7));
    surface_free(&s);
    att(b, 0x10, 0x2c); /* the lower part stands still */
    shot(&s);
    EXPECT_EQ(pixel(&s, 5, 102), text_colour(0));
    EXPECT_EQ(pixel(&s, 6, 102), text_colour(7));
    surface_free(&s);
}

TEST(stdvga, blanked_screen_is_black)
{
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 'H', 0x1e);
    seq(b, 1, 0x20);
    shot(&s);
    EXPECT_EQ(s.width, 720);
    EXPECT_EQ(pixel(&s, 0, 2), 0);
    surface_free(&s);
    seq(b, 1, 0);
    bench_inb(b, 0x3da);
    bench_outb(b, 0x3c0, 0);
    shot(&s);
    EXPECT_EQ(pixel(&s, 0, 2), 0);
    surface_free(&s);
}

/* ---- planes, against a model written from the book, bit by bit ---- */

struct model {
    uint8_t plane[4][65536], latch[4];
    uint8_t set, enable, rotate, function, mode, mask, planes, map, compare, care, read_mode;
};

static void model_write(struct model *m, unsigned at, uint8_t byte)
{
    for (unsigned p = 0; p < 4; p++) {
        uint8_t out = 0, rotated = (uint8_t)(byte >> m->rotate | byte << (8 - m->rotate));

        if (!(m->planes >> p & 1))
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            unsigned latch = m->latch[p] >> bit & 1, data = rotated >> bit & 1, x;
            bool through = m->mask >> bit & 1;

            if (m->mode == 0)
                data = m->enable >> p & 1 ? (unsigned)m->set >> p & 1u : data;
            else if (m->mode == 2)
                data = byte >> p & 1;
            else if (m->mode == 3) {
                through = through && data;
                data = m->set >> p & 1;
            }
            x = m->function == 1   ? data & latch
                : m->function == 2 ? data | latch
                : m->function == 3 ? data ^ latch
                                   : data;
            if (m->mode == 1 || !through)
                x = latch;
            out = (uint8_t)(out | x << bit);
        }
        m->plane[p][at] = out;
    }
}

static uint8_t model_read(struct model *m, unsigned at)
{
    uint8_t same = 0;

    for (unsigned p = 0; p < 4; p++)
        m->latch[p] = m->plane[p][at];
    if (!m->read_mode)
        return m->latch[m->map];
    for (unsigned bit = 0; bit < 8; bit++) {
        bool match = true;

        for (unsigned p = 0; p < 4; p++)
            if ((m->care >> p & 1) && (m->latch[p] >> bit & 1) != (m->compare >> p & 1))
                match = false;
        same = (uint8_t)(same | (match ? 1u : 0u) << bit);
    }
    return same;
}

static void random_registers(struct bench *b, struct model *m, uint32_t *seed)
{
    gfx(b, 0, m->set = next_random(seed) & 15);
    gfx(b, 1, m->enable = next_random(seed) & 1 ? next_random(seed) & 15 : 0);
    gfx(b, 2, m->compare = next_random(seed) & 15);
    m->rotate = next_random(seed) & 7;
    m->function = next_random(seed) & 3;
    if (next_random(seed) & 1)
        m->rotate = m->function = 0;
    gfx(b, 3, (unsigned)(m->function << 3 | m->rotate));
    gfx(b, 4, m->map = next_random(seed) & 3);
    m->mode = next_random(seed) & 3;
    m->read_mode = next_random(seed) & 1;
    gfx(b, 5, (unsigned)(m->read_mode << 3 | m->mode));
    gfx(b, 7, m->care = next_random(seed) & 15);
    gfx(b, 8, m->mask = next_random(seed) & 1 ? 0xff : next_random(seed) & 0xff);
    seq(b, 2, m->planes = next_random(seed) & 3 ? next_random(seed) & 15 : 15);
}

static void random_access(struct bench *b, struct model *m, uint32_t *seed)
{
    unsigned width = 1u << next_random(seed) % 4, at = next_random(seed) % (65536 - 4096);
    unsigned n = next_random(seed) % 4 ? 0 : 1 + next_random(seed) % 700;
    uint8_t bytes[4096] = { 0 };

    if (next_random(seed) & 1)
        at &= 0xff; /* often in the same place */
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next_random(seed);
    if (next_random(seed) & 1) {
        if (n) {
            bench_ram_put(b, 0x1000, bytes, n);
            movs(b, WINDOW + at, 0x1000, 1, n, false);
        } else {
            bench_write(b, WINDOW + at, width, load_le(bytes, width));
        }
        for (unsigned i = 0; i < (n ? n : width); i++)
            model_write(m, at + i, bytes[i]);
    } else {
        if (n) {
            movs(b, WINDOW + at, 0x1000, 1, n, true);
            bench_ram_get(b, 0x1000, bytes, n);
        } else {
            store_le(bytes, width, bench_read(b, WINDOW + at, width));
        }
        for (unsigned i = 0; i < (n ? n : width); i++)
            EXPECT_EQ(bytes[i], model_read(m, at + i));
    }
}

TEST(stdvga, planes_match_the_model)
{
    struct model *m = calloc(1, sizeof *m);
    uint32_t seed = 12;
    struct surface s;
    uint32_t *dwords = calloc(65536, 4);

    set_mode(b, &mode_12);
    for (unsigned i = 0; i < 400; i++) {
        random_registers(b, m, &seed);
        for (unsigned k = 0; k < 12; k++)
            random_access(b, m, &seed);
    }
    vram_get(b, 0, dwords, 65536 * 4);
    for (unsigned i = 0; i < 65536; i++)
        for (unsigned p = 0; p < 4; p++)
            if ((dwords[i] >> p * 8 & 0xff) != m->plane[p][i])
                fail_msg("plane %u address %x", p, i);
    shot(&s);
    EXPECT_EQ(s.width, 640);
    EXPECT_EQ(s.height, 480);
    for (unsigned y = 0; y < 480; y++)
        for (unsigned x = 0; x < 640; x++) {
            unsigned at = y * 80 + x / 8, dot = 0;

            for (unsigned p = 0; p < 4; p++)
                dot |= ((unsigned)m->plane[p][at] >> (7 - x % 8) & 1u) << p;
            if (pixel(&s, x, y) != text_colour(dot))
                fail_msg("dot %u,%u", x, y);
        }
    surface_free(&s);
    free(dwords);
    free(m);
}

TEST(stdvga, latch_survives_save_and_load)
{
    set_mode(b, &mode_12);
    bench_write(b, WINDOW, 1, 0xa5);
    bench_read(b, WINDOW, 1);
    bench_save_and_load(b);
    gfx(b, 5, 1); /* write mode 1: the latches */
    bench_write(b, WINDOW + 5, 1, 0);
    EXPECT_EQ(bench_read(b, WINDOW + 5, 1), 0xa5);
}

TEST(stdvga, memory_maps_decode_their_part_only)
{
    static const struct {
        uint32_t first, size;
    } map[4] = { { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 } };

    set_mode(b, &mode_12);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t end = map[i].first + map[i].size;

        gfx(b, 6, i << 2 | 1);
        for (uint32_t at = 0; at < 0x20000; at += 0x4000) {
            bool in = at >= map[i].first && at < end;

            bench_write(b, WINDOW + at, 1, 0x12);
            EXPECT_EQ(bench_read(b, WINDOW + at, 1), in ? 0x12 : 0xff);
        }
        if (end < 0x20000) { /* across the end: half of it */
            bench_write(b, WINDOW + end - 2, 4, 0x04030201);
            EXPECT_EQ(bench_read(b, WINDOW + end - 2, 4), 0xffff0201);
        }
        if (map[i].first) {
            bench_write(b, WINDOW + map[i].first - 2, 4, 0x04030201);
            EXPECT_EQ(bench_read(b, WINDOW + map[i].first - 2, 4), 0x0403ffff);
        }
    }
    bench_outb(b, 0x3c2, 0xe1); /* MISC bit 1 off */
    EXPECT_EQ(bench_read(b, WINDOW + 0x18000, 1), 0xff);
}

/* ---- other graphics modes ---- */

TEST(stdvga, mode_13h_is_linear_and_doubled)
{
    uint8_t row[320];
    struct surface s;

    set_mode(b, &mode_13);
    for (unsigned i = 0; i < 320; i++)
        row[i] = (uint8_t)(i * 3 + 1);
    bench_ram_put(b, 0x1000, row, sizeof row);
    movs(b, WINDOW + 199 * 320, 0x1000, 4, 80, false);
    bench_write(b, WINDOW + 7, 1, 99);
    EXPECT_EQ(bench_read(b, WINDOW + 199 * 320 + 5, 2), row[5] | row[6] << 8);
    shot(&s);
    EXPECT_EQ(s.width, 640);
    EXPECT_EQ(s.height, 400);
    for (unsigned x = 0; x < 640; x++) {
        EXPECT_EQ(pixel(&s, x, 398), rgb(row[x / 2]));
        EXPECT_EQ(pixel(&s, x, 399), rgb(row[x / 2]));
    }
    EXPECT_EQ(pixel(&s, 14, 0), rgb(99));
    EXPECT_EQ(pixel(&s, 16, 0), rgb(0));
    surface_free(&s);
}

TEST(stdvga, mode_x_planes_are_neighbouring_dots)
{
    struct surface s;

    set_mode(b, &mode_13);
    seq(b, 4, 6);
    crt(b, 0x14, 0);
    crt(b, 0x17, 0xe3);
    seq(b, 2, 1u << 2);
    bench_write(b, WINDOW + 80, 1, 77); /* x = 2, y = 1 */
    shot(&s);
    EXPECT_EQ(pixel(&s, 4, 2), rgb(77));
    EXPECT_EQ(pixel(&s, 5, 3), rgb(77));
    EXPECT_EQ(pixel(&s, 6, 2), rgb(0));
    EXPECT_EQ(pixel(&s, 2, 2), rgb(0));
    surface_free(&s);
}

TEST(stdvga, cga_modes_interleave_lines)
{
    struct surface s;

    set_mode(b, &mode_04);
    bench_write(b, TEXT_WINDOW, 1, 0x1b);               /* line 0: colours 0 1 2 3 */
    bench_write(b, TEXT_WINDOW + 1, 1, 0xe4);           /* 3 2 1 0 */
    bench_write(b, TEXT_WINDOW + 0x2000 + 80, 1, 0xc0); /* line 3 */
    shot(&s);
    EXPECT_EQ(s.width, 640);
    EXPECT_EQ(s.height, 400);
    for (unsigned x = 0; x < 16; x++)
        EXPECT_EQ(pixel(&s, x, x & 1), rgb(x < 8 ? x / 2 : 7 - x / 2));
    EXPECT_EQ(pixel(&s, 0, 6), rgb(3));
    EXPECT_EQ(pixel(&s, 1, 7), rgb(3));
    EXPECT_EQ(pixel(&s, 0, 2), rgb(0));
    surface_free(&s);

    set_mode(b, &mode_06);
    bench_write(b, TEXT_WINDOW, 4, 0);
    bench_write(b, TEXT_WINDOW + 0x2000, 1, 0x80);
    shot(&s);
    EXPECT_EQ(pixel(&s, 0, 0), rgb(0));
    EXPECT_EQ(pixel(&s, 0, 2), rgb(1));
    EXPECT_EQ(pixel(&s, 1, 2), rgb(0));
    surface_free(&s);
}

TEST(stdvga, mode_0dh_doubles_both_ways)
{
    struct surface s;

    set_mode(b, &mode_0d);
    bench_write(b, WINDOW + 41, 1, 0x80); /* x = 8, y = 1, all planes */
    shot(&s);
    EXPECT_EQ(s.width, 640);
    EXPECT_EQ(pixel(&s, 16, 2), rgb(15));
    EXPECT_EQ(pixel(&s, 17, 3), rgb(15));
    EXPECT_EQ(pixel(&s, 18, 2), rgb(0));
    EXPECT_EQ(pixel(&s, 16, 1), rgb(0));
    surface_free(&s);
}

/* ---- VBE ---- */

TEST(stdvga, vbe_registers)
{
    vbe(b, VBE_ID, 0xb0c0);
    EXPECT_EQ(vbe_get(b, VBE_ID), 0xb0c0);
    vbe(b, VBE_ID, 0x1234);
    EXPECT_EQ(vbe_get(b, VBE_ID), 0xb0c0);
    vbe(b, VBE_XRES, 100);
    vbe(b, VBE_XRES, 9000); /* refused */
    EXPECT_EQ(vbe_get(b, VBE_XRES), 100);
    vbe(b, VBE_BPP, 7);
    EXPECT_EQ(vbe_get(b, VBE_BPP), 8);
    vbe(b, VBE_ENABLE, VBE_ENABLE_GETCAPS);
    EXPECT_EQ(vbe_get(b, VBE_XRES), VGA_SIDE_MAX);
    EXPECT_EQ(vbe_get(b, VBE_YRES), VGA_SIDE_MAX);
    EXPECT_EQ(vbe_get(b, VBE_BPP), 32);
    vbe_mode(b, 320, 200, 32, 0);
    EXPECT_EQ(vbe_get(b, VBE_VIRT_WIDTH), 320);
    EXPECT_EQ(vbe_get(b, VBE_VIRT_HEIGHT), VRAM_BYTES / 1280);
    vbe(b, VBE_VIRT_WIDTH, 100); /* never narrower than the screen */
    EXPECT_EQ(vbe_get(b, VBE_VIRT_WIDTH), 320);
    vbe(b, VBE_VIRT_WIDTH, 640);
    EXPECT_EQ(vbe_get(b, VBE_VIRT_HEIGHT), VRAM_BYTES / 2560);
    EXPECT_EQ(vbe_get(b, 11), 0);
    EXPECT_EQ(vbe_get(b, 0xffff), 0);
    bench_outl(b, 0x1ce, 640u << 16 | VBE_XRES); /* index and aligned data port in one access */
    EXPECT_EQ(bench_inw(b, 0x1d0), 640);
    EXPECT_EQ(bench_inw(b, 0x1ce), VBE_XRES);
}

TEST(stdvga, vbe_clears_what_it_shows_unless_told_not_to)
{
    uint8_t byte = 0x77, got;

    vram_put(b, 0, &byte, 1);
    vram_put(b, 320 * 200 * 4 - 1, &byte, 1);
    vram_put(b, 320 * 200 * 4, &byte, 1);
    vbe_mode(b, 320, 200, 32, VBE_ENABLE_NOCLEAR);
    vram_get(b, 0, &got, 1);
    EXPECT_EQ(got, 0x77);
    vbe_mode(b, 320, 200, 32, 0);
    vram_get(b, 0, &got, 1);
    EXPECT_EQ(got, 0);
    vram_get(b, 320 * 200 * 4 - 1, &got, 1);
    EXPECT_EQ(got, 0);
    vram_get(b, 320 * 200 * 4, &got, 1);
    EXPECT_EQ(got, 0x77);
}

static void vbe_shown(struct bench *b, unsigned depth, const void *bytes, size_t n, unsigned x,
                      uint32_t want)
{
    struct surface s;

    vbe_mode(b, 200, 100, depth, VBE_ENABLE_LFB);
    vram_put(b, (uint32_t)(200 * ((depth + 7) / 8) * 3 + x * n), bytes, n);
    shot(&s);
    EXPECT_EQ(s.width, 200);
    EXPECT_EQ(s.height, 100);
    EXPECT_EQ(pixel(&s, x, 3), want);
    EXPECT_EQ(pixel(&s, x + 1, 3), depth == 8 ? rgb(0) : 0);
    surface_free(&s);
}

TEST(stdvga, vbe_pictures)
{
    static const uint8_t p32[] = { 0x33, 0x22, 0x11, 0xff }, p16[] = { 0x1f, 0xf8 },
                         p15[] = { 0xe0, 0x03 }, p8[] = { 200 };

    set_mode(b, &mode_03);
    vbe_shown(b, 32, p32, 4, 17, 0x112233);
    vbe_shown(b, 24, p32, 3, 199 - 1, 0x112233);
    vbe_shown(b, 16, p16, 2, 5, 0xff00ff);
    vbe_shown(b, 15, p15, 2, 5, 0x00ff00);
    vbe_shown(b, 8, p8, 1, 5, rgb(200));
}

TEST(stdvga, vbe_16_colours_are_planar_and_banked)
{
    struct surface s;

    set_mode(b, &mode_12);
    vbe_mode(b, 800, 600, 4, 0);
    seq(b, 2, 0x0a);
    bench_write(b, WINDOW + 100 * 599 + 99, 1, 0x01);
    seq(b, 2, 0x0f);
    vbe(b, VBE_BANK, 1); /* plane addresses from 64 KiB on: beyond a plain VGA's memory */
    bench_write(b, WINDOW, 1, 0xff);
    shot(&s);
    EXPECT_EQ(s.width, 800);
    EXPECT_EQ(pixel(&s, 799, 599), text_colour(10));
    EXPECT_EQ(pixel(&s, 798, 599), text_colour(0));
    EXPECT_EQ(pixel(&s, 0, 0), text_colour(0));
    surface_free(&s);
    vbe(b, VBE_Y_OFFSET, 656);
    EXPECT_EQ(bench_read(b, WINDOW, 1), 0xff);
    vbe(b, VBE_BANK, 4); /* behind the end of video memory */
    bench_write(b, WINDOW, 1, 0);
    EXPECT_EQ(bench_read(b, WINDOW, 1), 0xff);
}

TEST(stdvga, vbe_virtual_screen_and_banks)
{
    struct surface s;
    uint8_t got[4];

    set_mode(b, &mode_03);
    vbe_mode(b, 320, 200, 32, 0);
    gfx(b, 6, 5);
    vbe(b, VBE_VIRT_WIDTH, 400);
    vbe(b, VBE_BANK, 3);
    bench_write(b, WINDOW + 0x10, 4, 0x00abcdef);
    vram_get(b, 0x30010, got, 4);
    EXPECT_EQ(le32(got), 0x00abcdef);
    vbe(b, VBE_X_OFFSET, 10);
    vbe(b, VBE_Y_OFFSET, 100);
    shot(&s); /* it is in row 122, column 356 of the virtual screen: outside of this part of it */
    for (unsigned x = 0; x < 320; x++)
        EXPECT_EQ(pixel(&s, x, 22), 0);
    surface_free(&s);
    vbe(b, VBE_X_OFFSET, 80);
    vbe(b, VBE_ENABLE,
        VBE_ENABLE_ON | VBE_ENABLE_LFB); /* on already: nothing is cleared or reset */
    shot(&s);
    EXPECT_EQ(pixel(&s, 356 - 80, 122 - 100), 0xabcdef);
    surface_free(&s);
}

/* The accesses of Linux's bochs-drm at probe and mode set. */
TEST(stdvga, bar2_as_bochs_drm_uses_it)
{
    struct surface s;

    bench_cfg_write(b, DEVFN, 0x18, 4, BAR2);
    bench_cfg_write(b, DEVFN, 4, 2, 3);
    EXPECT_EQ(bench_read(b, BAR2 + 0x500, 2) & 0xfff0, 0xb0c0);
    EXPECT_EQ(bench_read(b, BAR2 + 0x514, 2) * 65536, VRAM_BYTES);
    EXPECT_TRUE(bench_read(b, BAR2 + 0x600, 4) >= 8);
    bench_write(b, BAR2 + 0x604, 4, 0x1e1e1e1e);
    EXPECT_EQ(bench_read(b, BAR2 + 0x604, 4), 0x1e1e1e1e);
    EXPECT_EQ(bench_read(b, BAR2, 1), 0); /* no EDID header */
    bench_write(b, BAR2 + 0x402, 1, 0x01);
    bench_read(b, BAR2 + 0x41a, 1);
    bench_write(b, BAR2 + 0x400, 1, 0x20); /* unblank */
    bench_write(b, BAR2 + 0x508, 2, 0);
    bench_write(b, BAR2 + 0x506, 2, 32);
    bench_write(b, BAR2 + 0x502, 2, 400);
    bench_write(b, BAR2 + 0x504, 2, 300);
    bench_write(b, BAR2 + 0x50a, 2, 0);
    bench_write(b, BAR2 + 0x50c, 2, 400);
    bench_write(b, BAR2 + 0x50e, 2, 300);
    bench_write(b, BAR2 + 0x510, 2, 0);
    bench_write(b, BAR2 + 0x512, 2, 0);
    bench_write(b, BAR2 + 0x508, 2, 0x41);
    vram_put(b, 4, "\x01\x02\x03", 3);
    shot(&s);
    EXPECT_EQ(s.width, 400);
    EXPECT_EQ(pixel(&s, 1, 0), 0x030201);
    surface_free(&s);
    EXPECT_EQ(bench_read(b, BAR2 + 0x502, 4), 300u << 16 | 400);
    EXPECT_EQ(bench_read(b, BAR2 + 0x503, 1), 400 >> 8);
    EXPECT_EQ(bench_read(b, BAR2 + 0x516, 2), 0);
    EXPECT_EQ(bench_read(b, BAR2 + 0x41f, 4), 0); /* reaches past the ports: nobody there */
}

/* ---- ROM and VRAM BARs ---- */

TEST(stdvga, rom_bar)
{
    uint8_t got[64];

    bench_cfg_write(b, DEVFN, 0x30, 4, ROM_BASE | 1);
    bench_cfg_write(b, DEVFN, 4, 2, 2);
    for (unsigned at = 0; at < 64; at++)
        EXPECT_EQ(bench_read(b, ROM_BASE + at, 1), rom_image[at]);
    EXPECT_EQ(bench_read(b, ROM_BASE + 0x1235, 4), le32(rom_image + 0x1235));
    movs(b, ROM_BASE + ROM_BYTES - 32, 0x1000, 4, 16, true); /* rep movsl across the image's end */
    bench_ram_get(b, 0x1000, got, 64);
    assert_memory_equal(got, rom_image + ROM_BYTES - 32, 32);
    for (unsigned i = 32; i < 64; i++)
        EXPECT_EQ(got[i], 0xff);
    bench_write(b, ROM_BASE, 4, 0);
    EXPECT_EQ(bench_read(b, ROM_BASE, 4), le32(rom_image));
    EXPECT_EQ(bench_read(b, ROM_BASE + 0xfffe, 2), 0xffff);
    bench_cfg_write(b, DEVFN, 0x30, 4, ROM_BASE);
    EXPECT_EQ(bench_read(b, ROM_BASE, 4), 0xffffffff);
}

static void expect_vram_at(struct bench *b, uint64_t gpa)
{
    uint8_t got[4];

    bench_ram_get(b, gpa + 4, got, 4);
    EXPECT_EQ(le32(got), 0x11223344);
}

TEST(stdvga, vram_follows_its_bar)
{
    struct surface s;

    set_mode(b, &mode_03);
    vbe_mode(b, 320, 200, 32, 0);
    gfx(b, 6, 5);
    bench_write(b, WINDOW + 4, 4, 0x11223344);
    expect_vram_at(b, (uint64_t)VRAM_GFN << 12);
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0);
    EXPECT_TRUE(!sim_frame_present(b->hv, BAR0 >> 12)); /* decode is still off */
    bench_cfg_write(b, DEVFN, 4, 2, 2);
    expect_vram_at(b, BAR0);
    EXPECT_TRUE(!sim_frame_present(b->hv, VRAM_GFN));
    EXPECT_TRUE(sim_frame_present(b->hv, (BAR0 >> 12) + VRAM_PAGES - 1));
    EXPECT_EQ(bench_read(b, WINDOW + 4, 4), 0x11223344);
    shot(&s);
    EXPECT_EQ(pixel(&s, 1, 0), 0x223344);
    surface_free(&s);
    bench_save_and_load(b);
    expect_vram_at(b, BAR0);
    EXPECT_EQ(bench_read(b, WINDOW + 4, 4), 0x11223344);
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0 + 0x2000000);
    expect_vram_at(b, BAR0 + 0x2000000);
    bench_cfg_write(b, DEVFN, 4, 2, 0);
    expect_vram_at(b, (uint64_t)VRAM_GFN << 12);
    EXPECT_EQ(bench_read(b, WINDOW + 4, 4), 0x11223344);
    bench_cfg_write(b, DEVFN, 4, 2, 2);
    machine_reset(b->m);
    expect_vram_at(b, (uint64_t)VRAM_GFN << 12);
}

TEST(stdvga, vram_bar_over_its_own_parking_place_stays)
{
    set_mode(b, &mode_13);
    bench_write(b, WINDOW + 4, 4, 0x11223344);
    bench_cfg_write(b, DEVFN, 4, 2, 2);
    bench_cfg_write(b, DEVFN, 0x10, 4, VRAM_GFN << 12);
    expect_vram_at(b, (uint64_t)VRAM_GFN << 12);
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0);
    expect_vram_at(b, BAR0);
    EXPECT_EQ(bench_read(b, WINDOW + 4, 4), 0x11223344);
}

TEST(stdvga, vram_bar_that_overlaps_an_unaligned_parking_place)
{
    struct device_row row = b->rows[0];
    struct bench *o;

    row.host.vram_gfn = 0x2080;
    o = bench_new(&row, 1);
    set_mode(o, &mode_13);
    bench_write(o, WINDOW + 4, 4, 0x11223344);
    bench_cfg_write(o, DEVFN, 4, 2, 2);
    bench_cfg_write(o, DEVFN, 0x10, 4, 0x2100 << 12);
    expect_vram_at(o, UINT64_C(0x2080) << 12);
    EXPECT_EQ(bench_read(o, WINDOW + 4, 4), 0x11223344);
    bench_save_and_load(o);
    bench_cfg_write(o, DEVFN, 0x10, 4, BAR0);
    expect_vram_at(o, BAR0);
    bench_free(o);
}

TEST(stdvga, failed_move_costs_the_screen_only)
{
    struct error e = { "" };
    struct surface s;

    set_mode(b, &mode_13);
    bench_write(b, WINDOW, 4, 0x11223344);
    EXPECT_TRUE(sim_balloon_out(b->hv, VRAM_GFN + 100));
    bench_cfg_write(b, DEVFN, 0x10, 4, BAR0);
    bench_cfg_write(b, DEVFN, 4, 2, 2);
    EXPECT_EQ(bench_read(b, WINDOW, 4), 0xffffffff);
    bench_write(b, WINDOW, 4, 0);
    EXPECT_EQ(screen.draw(screen.opaque, &s, &e), -EIO);
    EXPECT_TRUE(e.text[0]);
    bench_cfg_write(b, DEVFN, 4, 2, 0);
    machine_reset(b->m); /* does not bring it back */
    EXPECT_TRUE(screen.draw(screen.opaque, &s, &e) < 0);
    EXPECT_EQ(bench_cfg_read(b, DEVFN, 0, 4), 0x11111234);
    set_mode(b, &mode_12);
    EXPECT_EQ(bench_inb(b, 0x3cc), 0xe3);
}

TEST(stdvga, absent_video_memory_reads_ones)
{
    struct error e = { "" };
    struct surface s;

    set_mode(b, &mode_13);
    EXPECT_TRUE(sim_balloon_out(b->hv, VRAM_GFN + 2));
    sim_invalidate(b->hv);
    bench_write(b, WINDOW + 0x2010, 4, 0x12345678);
    EXPECT_EQ(bench_read(b, WINDOW + 0x2010, 4), 0xffffffff);
    EXPECT_TRUE(screen.draw(screen.opaque, &s, &e) < 0);
    seq(b, 4, 6);
    EXPECT_EQ(bench_read(b, WINDOW + 0x810, 1), 0xff);
    bench_write(b, WINDOW + 0x810, 1, 1);
    EXPECT_EQ(bench_read(b, WINDOW + 0x1010, 1), 0);
}

/* ---- advisories ---- */

enum { GUARD = 0x5a };

/* Frames around video memory that nobody may read or write through the VGA. */
static void guard_set(struct bench *b)
{
    uint8_t page[4096];

    memset(page, GUARD, sizeof page);
    EXPECT_EQ(b->hv->ops->populate(b->hv, VRAM_GFN - 64, 64), 0);
    EXPECT_EQ(b->hv->ops->populate(b->hv, VRAM_GFN + VRAM_PAGES, 64), 0);
    for (unsigned i = 0; i < 64; i++) {
        bench_ram_put(b, ((uint64_t)VRAM_GFN - 64 + i) << 12, page, sizeof page);
        bench_ram_put(b, ((uint64_t)VRAM_GFN + VRAM_PAGES + i) << 12, page, sizeof page);
    }
}

static void guard_check(struct bench *b)
{
    uint8_t page[4096], want[4096];

    memset(want, GUARD, sizeof want);
    for (unsigned i = 0; i < 64; i++) {
        bench_ram_get(b, ((uint64_t)VRAM_GFN - 64 + i) << 12, page, sizeof page);
        assert_memory_equal(page, want, sizeof page);
        bench_ram_get(b, ((uint64_t)VRAM_GFN + VRAM_PAGES + i) << 12, page, sizeof page);
        assert_memory_equal(page, want, sizeof page);
    }
}

/* CVE-2016-3710: bank x depth x memory map x the whole window, from and to its last bytes. */
TEST(stdvga, xsa179_bank_checked_at_access)
{
    static const unsigned banks[] = { 0, 1, 3, 4, 14, 15, 16, 17, 0xfff, 0x1000, 0xfff0, 0xffff };
    static const unsigned depths[] = { 4, 8, 15, 16, 24, 32 };
    uint8_t poison[64];

    guard_set(b);
    set_mode(b, &mode_12);
    memset(poison, 0xc3, sizeof poison);
    bench_ram_put(b, 0x1000, poison, sizeof poison);
    for (unsigned d = 0; d < ARRAY_SIZE(depths); d++)
        for (unsigned k = 0; k < ARRAY_SIZE(banks); k++)
            for (unsigned map = 0; map < 8; map++) {
                vbe_mode(b, 64, 64, depths[d], 0);
                vbe(b, VBE_BANK, banks[k]);
                gfx(b, 6, (map & 3) << 2 | 1);
                seq(b, 4, map & 4 ? 0x0e : 0x06);
                for (uint32_t at = 0; at < 0x20000; at += 0x3ffd) {
                    EXPECT_TRUE(bench_read(b, WINDOW + at, 1) != GUARD);
                    bench_write(b, WINDOW + at, 8, UINT64_MAX);
                    movs(b, WINDOW + at, 0x1000, 1, 64, false);
                    movs(b, WINDOW + at, 0x2000, 8, 8, true);
                }
                bench_write(b, WINDOW + 0x1fff8, 8, 0);
                bench_write(b, WINDOW + 0xffff, 2, 0);
            }
    guard_check(b);
}

/* A sum of bank and offset that wraps round is not address 0. */
TEST(stdvga, xsa179_bank_does_not_wrap)
{
    uint8_t byte = 0x11;

    set_mode(b, &mode_12);
    vbe_mode(b, 64, 64, 8, 0);
    vram_put(b, 0, &byte, 1);
    gfx(b, 6, 1);
    vbe(b, VBE_BANK, 0xffff);
    EXPECT_EQ(bench_read(b, WINDOW + 0x10000, 1), 0xff);
    bench_write(b, WINDOW + 0x10000, 1, 0x22);
    vram_get(b, 0, &byte, 1);
    EXPECT_EQ(byte, 0x11);
}

/* CVE-2016-3712: a VBE mode, then the plain VGA's registers; and one bank past what was checked. */
TEST(stdvga, xsa179_registers_behind_an_enabled_mode)
{
    struct surface s;

    guard_set(b);
    set_mode(b, &mode_03);
    vbe_mode(b, 320, 200, 32, 0);
    vram_put(b, 40, "\x10\x20\x30", 3);
    for (unsigned i = 0; i < 25; i++) {
        crt(b, 0x11, 0);
        crt(b, i, 0xff);
        shot(&s);
        EXPECT_EQ(s.width, 320);
        EXPECT_EQ(pixel(&s, 10, 0), 0x302010);
        surface_free(&s);
    }
    gfx(b, 5, 0x40);
    gfx(b, 6, 0);
    seq(b, 4, 0);
    shot(&s);
    EXPECT_EQ(pixel(&s, 10, 0), 0x302010);
    surface_free(&s);
    guard_check(b);
}

TEST(stdvga, cve_2014_3615_geometry_in_odd_order)
{
    static const unsigned values[] = { 0, 1, 7, 511, 512, 513, 1024, 8191, 8192, 0xffff };
    static const unsigned depths[] = { 4, 8, 15, 16, 24, 32 };
    uint32_t seed = 3615;
    struct surface s;

    guard_set(b);
    set_mode(b, &mode_03);
    for (unsigned i = 0; i < 120; i++) {
        for (unsigned k = 0; k < 8; k++) {
            unsigned index = 1 + next_random(&seed) % 9;
            unsigned v = values[next_random(&seed) % ARRAY_SIZE(values)];

            if (index == VBE_BPP)
                v = depths[next_random(&seed) % ARRAY_SIZE(depths)];
            if (index == VBE_ENABLE)
                v = (v & 1) | (next_random(&seed) & 1 ? VBE_ENABLE_NOCLEAR : 0);
            if ((index == VBE_XRES || index == VBE_YRES) && v > 1024)
                v = index == VBE_XRES ? v : 3; /* keeps the pictures of this test small */
            vbe(b, index, v);
        }
        shot(&s);
        for (size_t p = 0; p < (size_t)s.width * s.height; p++)
            if (s.pixels[p] == 0x5a5a5a)
                fail_msg("memory outside of the screen's is shown");
        surface_free(&s);
    }
    guard_check(b);
}

TEST(stdvga, cve_2018_5683_random_registers)
{
    uint32_t seed = 5683, *noise = malloc(VRAM_BYTES);
    unsigned pictures[8] = { 0 };
    struct vga_geometry g;
    struct surface s;

    guard_set(b);
    for (unsigned i = 0; i < VRAM_BYTES / 4; i++)
        noise[i] = next_random(&seed) | 0x01010101;
    vram_put(b, 0, noise, VRAM_BYTES);
    free(noise);
    for (unsigned i = 0; i < 1000000; i++) {
        uint32_t r = next_random(&seed), v = next_random(&seed) & 0xff;

        if (r % 8 == 0)
            vbe(b, r >> 3 & 15, next_random(&seed) & (r >> 7 & 1 ? 0xffff : 0x3ff));
        else
            bench_outb(b, 0x3c0 + (r >> 3) % 0x20, r >> 8 & 1 ? v & 0x1f : v);
        if (i % 100 == 99) {
            vbe(b, VBE_YRES, next_random(&seed) % 64); /* heights that a test can afford */
            if (next_random(&seed) % 4)
                vbe(b, VBE_ENABLE, 0);
            crt(b, 0x11, 0);
            crt(b, 7, next_random(&seed) & 0xb5);
            bench_inb(b, 0x3da);
            bench_inb(b, 0x3ba);
            if (next_random(&seed) % 4)
                bench_outb(b, 0x3c0, 0x20);
            vga_geometry(machine_devices(b->m)->state, VRAM_BYTES, &g);
            pictures[g.picture]++;
            shot(&s);
            surface_free(&s);
        }
    }
    guard_check(b);
    for (unsigned i = VGA_BLANK; i <= VGA_VBE; i++)
        EXPECT_TRUE(pictures[i] > 100); /* the loop did reach each kind of picture */
}

TEST(stdvga, cve_2018_7550_start_near_the_end)
{
    struct surface s;

    guard_set(b);
    text_screen(b);
    for (unsigned start = 0xff00; start <= 0xffff; start += 17) {
        crt(b, 0x0c, start >> 8);
        crt(b, 0x0d, start & 0xff);
        shot(&s);
        surface_free(&s);
    }
    set_mode(b, &mode_13);
    crt(b, 0x0c, 0xff);
    crt(b, 0x0d, 0xff);
    bench_write(b, WINDOW, 1, 123); /* plane address 0 follows ffff */
    shot(&s);
    EXPECT_EQ(pixel(&s, 8, 0), rgb(123));
    surface_free(&s);
    guard_check(b);
}

TEST(stdvga, cve_2017_13672_line_compare)
{
    static const unsigned compare[] = { 0, 1, 398, 399, 400, 401, 1023 };
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 0xc4, 0x07);
    for (unsigned i = 0; i < ARRAY_SIZE(compare); i++) {
        unsigned c = compare[i];

        crt(b, 0x11, 0);
        crt(b, 0x18, c & 0xff);
        crt(b, 7, 0x0f | (c >> 8 & 1) << 4);
        crt(b, 9, 0x0f | (c >> 9 & 1) << 6);
        shot(&s);
        EXPECT_EQ(s.height, 400);
        EXPECT_EQ(pixel(&s, 0, 8), text_colour(c == 0 || c >= 8 ? 7 : c + 1 + 7 <= 8 ? 7 : 0));
        if (c + 9 < 400)
            EXPECT_EQ(pixel(&s, 0, c + 9), text_colour(7));
        surface_free(&s);
    }
}

TEST(stdvga, cve_2017_13673_pitch_of_zero)
{
    struct surface s;

    text_screen(b);
    put(b, 0, 0, 'H', 0x07);
    crt(b, 0x13, 0);
    shot(&s);
    for (unsigned row = 0; row < 25; row++)
        expect_glyph(&s, 0, row, glyph_h, 7, 0);
    surface_free(&s);
    vbe_mode(b, 4, 4, 4, 0); /* less than one plane address wide */
    shot(&s);
    EXPECT_EQ(s.width, 4);
    surface_free(&s);
}

/* XSA-463: rep movs inside the window arrives as a read and a write for each element. */
TEST(stdvga, xsa463_moves_inside_the_window)
{
    uint8_t want[256], got[256];

    set_mode(b, &mode_13);
    for (unsigned i = 0; i < 256; i++) {
        want[i] = (uint8_t)(i ^ 0x3c);
        bench_write(b, WINDOW + i, 1, want[i]);
    }
    for (unsigned i = 0; i < 200; i += 4) /* up, overlapping */
        bench_write(b, WINDOW + i, 4, bench_read(b, WINDOW + 16 + i, 4));
    memmove(want, want + 16, 200);
    for (unsigned i = 100; i-- > 0;) /* down, overlapping */
        bench_write(b, WINDOW + 37 + i, 1, bench_read(b, WINDOW + i, 1));
    memmove(want + 37, want, 100);
    movs(b, WINDOW, 0x1000, 4, 64, true);
    bench_ram_get(b, 0x1000, got, sizeof got);
    assert_memory_equal(got, want, sizeof got);
}

TEST(stdvga, buffered_writes_arrive_in_order)
{
    set_mode(b, &mode_12);
    for (unsigned i = 0; i < 64; i++) {
        struct request r = { .type = REQ_COPY,
                             .addr = WINDOW + i,
                             .size = i % 2 ? 1 : 8,
                             .count = 1,
                             .data = i,
                             .vcpu = REQUEST_BUFFERED };

        EXPECT_EQ(sim_buffered(b->hv, &r), 0);
    }
    b->hv->ops->drain(b->hv);
    EXPECT_EQ(bench_read(b, WINDOW + 61, 1), 61);
    EXPECT_EQ(bench_read(b, WINDOW + 62, 2), 63u << 8 | 62);
}

/* A stream that says video memory is somewhere else is refused, not believed. */
TEST(stdvga, loaded_vram_place_is_checked)
{
    struct vga_state *s = machine_devices(b->m)->state;
    struct error e = { "" };

    s->VRAM_GFN = 1;
    EXPECT_EQ(machine_loaded(b->m, &e), -EINVAL);
    EXPECT_TRUE(strstr(e.text, "VRAM_GFN") != NULL);
    s->VRAM_GFN = VRAM_GFN;
    e.text[0] = 0;
    EXPECT_EQ(machine_loaded(b->m, &e), 0);
    s->PEL_PART = 3;
    EXPECT_EQ(machine_loaded(b->m, &e), -EINVAL);
    s->PEL_PART = 0;
}
