/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_render - what is on the screen of a VGA: its geometry, and a picture of it.
 *
 * Datasheet: as in vga.c.
 * Present:   text of 8 and 9 dots with two fonts, cursor and underline; 16 colours planar;
 *            4 colours interleaved and CGA row addressing; 256 colours; VBE depths 4, 8, 15, 16,
 *            24 and 32; start address, pitch, split screen, double scan, preset row scan, dot
 *            panning. A picture has the dots and scan lines of the monitor: mode 13h is 640 by 400.
 * Absent:    blinking (text and cursor are drawn in the visible phase), cursor and display skew,
 *            overscan border, interlace, big-endian frame buffer, panning by less than 8 dots in
 *            the VBE 4-bit modes.
 */
#include "hw/video/vga.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE_DOTS = 257 * 9 + 18 };

/* ---- geometry ---- */

static uint32_t vertical_bits(const struct vga_state *s, unsigned low, unsigned bit8, unsigned bit9,
                              unsigned bit9_reg)
{
    return s->CR[low] | (uint32_t)(s->CR[7] >> bit8 & 1) << 8 |
           (uint32_t)(s->CR[bit9_reg] >> bit9 & 1) << 9;
}

static bool is_blanked(const struct vga_state *s)
{
    return !(s->ARX & ARX_SCREEN) || (s->SR[1] & SR1_SCREEN_OFF);
}

static void vbe_geometry(const struct vga_state *s, uint32_t vram_bytes, struct vga_geometry *g)
{
    uint32_t width = s->VBE[VBE_XRES], height = s->VBE[VBE_YRES], depth = s->VBE[VBE_BPP];
    uint32_t virt = s->VBE[VBE_VIRT_WIDTH] > width ? s->VBE[VBE_VIRT_WIDTH] : width;
    uint32_t bytes = (depth + 7) / 8; /* of a dot, 8 bits and more */
    uint64_t start;

    if (width < 1 || width > VGA_SIDE_MAX || height < 1 || height > VGA_SIDE_MAX)
        return;
    if (depth != 4 && depth != 8 && depth != 15 && depth != 16 && depth != 24 && depth != 32)
        return;
    g->width = width;
    g->height = height;
    g->depth = depth;
    g->picture = VGA_VBE;
    if (depth == 4) {
        g->pitch = virt / 8 * 4;
        g->row_bytes = (width + 7) / 8 * 4;
        start = (uint64_t)s->VBE[VBE_Y_OFFSET] * g->pitch + s->VBE[VBE_X_OFFSET] / 8u * 4u;
    } else {
        g->pitch = virt * bytes;
        g->row_bytes = width * bytes;
        start = (uint64_t)s->VBE[VBE_Y_OFFSET] * g->pitch + s->VBE[VBE_X_OFFSET] * bytes;
    }
    if (g->row_bytes > vram_bytes || start > vram_bytes - g->row_bytes)
        return; /* no row lies in memory: black */
    g->start = (uint32_t)start;
    g->rows = height;
    if (g->pitch && (vram_bytes - g->row_bytes - g->start) / g->pitch < height - 1)
        g->rows = (vram_bytes - g->row_bytes - g->start) / g->pitch + 1;
}

static void vga_shape(const struct vga_state *s, struct vga_geometry *g)
{
    bool graphics = s->GR[6] & GR6_GRAPHICS;
    unsigned pan = s->AR[0x13];

    g->cell = graphics || (s->SR[1] & SR1_8DOTS) ? 8 : 9;
    g->repeat = s->SR[1] & SR1_HALF_CLOCK ? 2 : 1;
    g->columns = s->CR[1] + 1u;
    g->vertical = s->CR[0x17] & 0x04 ? 2 : 1;
    g->width = g->columns * g->cell * g->repeat;
    g->height = (vertical_bits(s, 0x12, 1, 6, 7) + 1) * g->vertical;
    g->compare = vertical_bits(s, 0x18, 4, 6, 9);
    g->line_shift = s->CR[9] >> 7;
    g->lines = ((s->CR[9] & 0x1fu) + 1) << g->line_shift;
    g->preset = s->CR[8] & 0x1fu;
    g->pitch = s->CR[0x13] * 2u;
    g->start = (s->CR[0xc] * 256u + s->CR[0xd] + (s->CR[8] >> 5 & 3u)) % VGA_PLANE_ADDRESSES;
    if (g->cell == 9)
        g->pan = pan < 8 ? pan + 1 : 0;
    else
        g->pan = s->GR[5] & GR5_256 ? pan & 6 : pan & 7;
    if (!graphics)
        g->picture = VGA_TEXT;
    else if (s->GR[5] & GR5_256)
        g->picture = VGA_256;
    else
        g->picture = s->GR[5] & GR5_INTERLEAVE ? VGA_CGA : VGA_PLANAR;
}

void vga_geometry(const struct vga_state *s, uint32_t vram_bytes, struct vga_geometry *g)
{
    *g = (struct vga_geometry){ .picture = VGA_BLANK, .width = 640, .height = 400 };
    if (s->VBE[VBE_ENABLE] & VBE_ENABLE_ON)
        vbe_geometry(s, vram_bytes, g);
    else
        vga_shape(s, g);
    if (is_blanked(s))
        g->picture = VGA_BLANK;
}

/* ---- colours ---- */

/* An entry of the DAC as 0x00RRGGBB. */
static uint32_t dac_colour(const struct vga_state *s, unsigned index)
{
    const uint8_t *p = &s->PEL[(index & s->PEL_MASK & 0xffu) * 3];
    uint32_t c = 0;

    for (unsigned i = 0; i < 3; i++) {
        unsigned v = p[i];

        if (!(s->VBE[VBE_ENABLE] & VBE_ENABLE_8BIT_DAC))
            v = (v & 0x3f) << 2 | (v & 0x3f) >> 4;
        c = c << 8 | v;
    }
    return c;
}

/* Four bits of a dot through the attribute controller: its DAC index. */
static unsigned attribute_index(const struct vga_state *s, unsigned dot)
{
    unsigned index = s->AR[dot & s->AR[0x12] & 0xfu] & 0x3fu;

    if (s->AR[0x10] & AR10_P54)
        index = (index & 0x0f) | (s->AR[0x14] & 3u) << 4;
    return index | (s->AR[0x14] >> 2 & 3u) << 6;
}

static void make_colours(const struct vga_state *s, bool sixteen, uint32_t lut[256])
{
    for (unsigned i = 0; i < 256; i++)
        lut[i] = sixteen ? (i < 16 ? dac_colour(s, attribute_index(s, i)) : lut[i & 15])
                         : dac_colour(s, i);
}

/* ---- VGA pictures ---- */

/* What a frame is drawn from: a copy of the 256 KiB, so that nothing changes under the drawing. */
struct frame {
    const struct vga_state *s;
    struct vga_geometry g;
    uint32_t *memory; /* VGA_PLANE_ADDRESSES plane addresses */
    uint32_t lut[256];
    uint8_t dots[LINE_DOTS]; /* one line, before panning and doubling */
};

static uint32_t plane_at(const struct frame *f, uint32_t address)
{
    return f->memory[address % VGA_PLANE_ADDRESSES];
}

static void dots_planar(uint8_t *to, uint32_t planes)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned shift = 7 - i;

        to[i] = (uint8_t)((planes >> shift & 1) | (planes >> (shift + 8) & 1) << 1 |
                          (planes >> (shift + 16) & 1) << 2 | (planes >> (shift + 24) & 1) << 3);
    }
}

/* Even planes supply the first four dots, odd ones the next: two bits from 0/1, two from 2/3. */
static void dots_interleaved(uint8_t *to, uint32_t planes)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned shift = 6 - i % 4 * 2 + i / 4 * 8;

        to[i] = (uint8_t)((planes >> shift & 3) | (planes >> (shift + 16) & 3) << 2);
    }
}

static void dots_256(uint8_t *to, uint32_t planes)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(planes >> (i / 2 * 8));
}

static uint32_t font_base(const struct vga_state *s, bool set_a)
{
    unsigned sr3 = s->SR[3];

    return set_a ? (sr3 >> 2 & 3u) * 0x4000 + (sr3 >> 5 & 1u) * 0x2000
                 : (sr3 & 3u) * 0x4000 + (sr3 >> 4 & 1u) * 0x2000;
}

static void dots_text(const struct frame *f, uint8_t *to, uint32_t address, unsigned line)
{
    const struct vga_state *s = f->s;
    uint32_t cell = plane_at(f, address);
    unsigned code = cell & 0xff, attribute = cell >> 8 & 0xff;
    uint32_t font = font_base(s, attribute & 8);
    unsigned bits = plane_at(f, font + code * 32 + line) >> 16 & 0xff;
    uint8_t fore = attribute & 0xf, back = (uint8_t)(attribute >> 4);
    uint32_t cursor = s->CR[0xe] * 256u + s->CR[0xf];
    bool ninth = (s->AR[0x10] & AR10_LINE_GRAPHICS) && (code & 0xe0) == 0xc0 && (bits & 1);

    if (s->AR[0x10] & AR10_BLINK)
        back &= 7;
    if ((s->AR[0x10] & AR10_MONO) && (attribute & 7) == 1 && line == (s->CR[0x14] & 0x1fu)) {
        bits = 0xff;
        ninth = true;
    }
    if (!(s->CR[0xa] & 0x20) && address % VGA_PLANE_ADDRESSES == cursor &&
        line >= (s->CR[0xa] & 0x1fu) && line <= (s->CR[0xb] & 0x1fu)) {
        bits = 0xff;
        ninth = true;
    }
    for (unsigned i = 0; i < 8; i++)
        to[i] = bits & 0x80u >> i ? fore : back;
    if (f->g.cell == 9)
        to[8] = ninth ? fore : back;
}

/* CGA-like row addressing: low bits of the line replace bits of the address. */
static uint32_t row_address(const struct vga_state *s, uint32_t address, unsigned line)
{
    unsigned low = s->CR[0x17] & 0x40 ? 13 : 12; /* byte or word mode, compressed addresses */

    if (!(s->CR[0x17] & 1))
        address = (address & ~(1u << low)) | (line & 1u) << low;
    if (!(s->CR[0x17] & 2))
        address = (address & ~(2u << low)) | (line >> 1 & 1u) << (low + 1);
    return address;
}

static void draw_dots(struct frame *f, uint32_t address, unsigned line)
{
    uint8_t *to = f->dots;

    for (uint32_t c = 0; c <= f->g.columns; c++, to += f->g.cell) {
        uint32_t at = row_address(f->s, address + c, line);

        switch (f->g.picture) {
        case VGA_TEXT:
            dots_text(f, to, at, line);
            break;
        case VGA_CGA:
            dots_interleaved(to, plane_at(f, at));
            break;
        case VGA_256:
            dots_256(to, plane_at(f, at));
            break;
        default:
            dots_planar(to, plane_at(f, at));
            break;
        }
    }
}

static void put_line(const struct frame *f, uint32_t pan, uint32_t *out)
{
    const uint8_t *dot = f->dots + pan;

    if (f->g.repeat == 1)
        for (uint32_t x = 0; x < f->g.width; x++)
            out[x] = f->lut[dot[x]];
    else
        for (uint32_t x = 0; x < f->g.width; x++)
            out[x] = f->lut[dot[x / 2]];
}

static void draw_vga(struct frame *f, struct surface *out)
{
    const struct vga_geometry *g = &f->g;
    bool unpanned = f->s->AR[0x10] & AR10_SPLIT_UNPANNED;
    uint32_t old_address = UINT32_MAX, old_line = 0, old_pan = 0;

    for (uint32_t y = 0; y < g->height; y++) {
        uint32_t *row = out->pixels + (size_t)y * g->width, scan = y / g->vertical;
        bool split = scan > g->compare;
        uint32_t n = split ? scan - g->compare - 1 : scan + (g->preset << g->line_shift);
        uint32_t address = (split ? 0 : g->start) + n / g->lines * g->pitch;
        uint32_t line = n % g->lines >> g->line_shift, pan = split && unpanned ? 0 : g->pan;

        address %= VGA_PLANE_ADDRESSES;
        if (address == old_address && line == old_line && pan == old_pan) {
            memcpy(row, row - g->width, g->width * sizeof *row);
            continue;
        }
        draw_dots(f, address, line);
        put_line(f, pan, row);
        old_address = address;
        old_line = line;
        old_pan = pan;
    }
}

static int vga_picture(struct vga *v, struct frame *f, struct surface *out)
{
    int err = -ENOMEM;

    f->memory = malloc(VGA_BYTES);
    if (!f->memory)
        return err;
    err = vga_vram_read(v, 0, f->memory, VGA_BYTES);
    if (err == 0) {
        make_colours(v->s, f->g.picture != VGA_256, f->lut);
        draw_vga(f, out);
    }
    free(f->memory);
    return err;
}

/* ---- VBE pictures ---- */

static uint32_t widen(unsigned v, unsigned bits)
{
    return bits == 5 ? v << 3 | v >> 2 : v << 2 | v >> 4;
}

static void put_vbe_row(const struct vga_geometry *g, const uint32_t *lut, const uint8_t *from,
                        uint32_t *to)
{
    uint8_t dots[8];

    for (uint32_t x = 0; x < g->width; x++) {
        unsigned v;

        switch (g->depth) {
        case 4:
            if (x % 8 == 0)
                dots_planar(dots, le32(from + x / 8 * 4));
            to[x] = lut[dots[x % 8]];
            break;
        case 8:
            to[x] = lut[from[x]];
            break;
        case 15:
            v = le16(from + x * 2);
            to[x] = widen(v >> 10 & 31, 5) << 16 | widen(v >> 5 & 31, 5) << 8 | widen(v & 31, 5);
            break;
        case 16:
            v = le16(from + x * 2);
            to[x] = widen(v >> 11 & 31, 5) << 16 | widen(v >> 5 & 63, 6) << 8 | widen(v & 31, 5);
            break;
        case 24:
            to[x] = le16(from + x * 3) | (uint32_t)from[x * 3 + 2] << 16;
            break;
        default:
            to[x] = le32(from + x * 4) & 0xffffff;
            break;
        }
    }
}

static int vbe_picture(struct vga *v, const struct frame *f, struct surface *out)
{
    const struct vga_geometry *g = &f->g;
    uint32_t lut[256];
    uint8_t *row;
    int err = 0;

    if (g->rows == 0)
        return 0;
    row = malloc(g->row_bytes);
    if (!row)
        return -ENOMEM;
    make_colours(v->s, g->depth == 4, lut);
    for (uint32_t y = 0; y < g->rows && err == 0; y++) {
        err = vga_vram_read(v, g->start + y * g->pitch, row, g->row_bytes);
        put_vbe_row(g, lut, row, out->pixels + (size_t)y * g->width);
    }
    free(row);
    return err;
}

int vga_draw(struct vga *v, struct surface *out, struct error *e)
{
    struct frame f = { .s = v->s };
    int err;

    if (v->s->VRAM_LOST)
        return error_set(e, -EIO, "%s: the video memory was lost when its BAR moved", v->dev.id);
    vga_geometry(v->s, v->vram_bytes, &f.g);
    err = surface_init(out, f.g.width, f.g.height, e);
    if (err < 0)
        return err;
    if (f.g.picture == VGA_VBE)
        err = vbe_picture(v, &f, out);
    else if (f.g.picture != VGA_BLANK)
        err = vga_picture(v, &f, out);
    if (err < 0) {
        surface_free(out);
        return error_set(e, err, "%s: the video memory cannot be read", v->dev.id);
    }
    return 0;
}
