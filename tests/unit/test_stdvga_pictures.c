/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures of the standard VGA: text, the window against a plain model of the four planes, and the
 * other graphics modes.
 */
#include <stdlib.h>

#include "tests/hw/stdvga_bench.h"

/* ---- text ---- */

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

int main(int argc, char **argv)
{
    return stdvga_bench_main(argc, argv);
}
