/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * png - writes a surface as a PNG file: filter "Up", then deflate with runs only.
 *
 * Format: W3C PNG specification, chunks IHDR, IDAT, IEND; RFC 1951 section 3.2.6 (fixed codes).
 * Absent: see png.h.
 */
#include "display/png.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    PNG_CHUNK_MAX = 8192, /* bytes of one IDAT */
    PNG_FILTER_UP = 2,    /* filter type: difference to the row above */
    PNG_RGB = 2,          /* colour type */
    DEFLATE_RUN_MIN = 3,  /* shortest and longest match */
    DEFLATE_RUN_MAX = 258,
    DEFLATE_END = 256, /* end-of-block symbol */
    ADLER_BASE = 65521,
};

struct png {
    int fd;
    int err; /* first failure of write() */
    uint32_t adler_a, adler_b;
    uint32_t bits; /* not yet in the chunk, low first */
    unsigned nbits;
    int last;     /* previous byte of the stream, -1 before the first */
    unsigned run; /* how often it followed itself and was not written yet */
    size_t n;     /* bytes in the chunk */
    uint8_t chunk[PNG_CHUNK_MAX];
};

/* CRC-32 as PNG and Ethernet use it, by nibbles: 64 bytes of table. */
static uint32_t png_crc(uint32_t crc, const void *bytes, size_t n)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };

    for (const uint8_t *p = bytes; n; p++, n--) {
        crc ^= *p;
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return crc;
}

static void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void png_write(struct png *p, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n && !p->err) {
        ssize_t done = write(p->fd, at, n);

        if (done < 0 && errno != EINTR)
            p->err = -errno;
        if (done > 0) {
            at += done;
            n -= (size_t)done;
        }
    }
}

static void png_chunk(struct png *p, const char type[4], const void *bytes, size_t n)
{
    uint8_t head[8], tail[4];
    uint32_t crc;

    put_be32(head, (uint32_t)n);
    memcpy(head + 4, type, 4);
    crc = png_crc(UINT32_MAX, type, 4);
    crc = png_crc(crc, bytes, n);
    put_be32(tail, ~crc);
    png_write(p, head, sizeof head);
    png_write(p, bytes, n);
    png_write(p, tail, sizeof tail);
}

static void png_byte(struct png *p, uint8_t byte)
{
    p->chunk[p->n++] = byte;
    if (p->n == sizeof p->chunk) {
        png_chunk(p, "IDAT", p->chunk, p->n);
        p->n = 0;
    }
}

/* Appends `count` bits, low bit first. */
static void png_bits(struct png *p, uint32_t value, unsigned count)
{
    p->bits |= value << p->nbits;
    p->nbits += count;
    while (p->nbits >= 8) {
        png_byte(p, (uint8_t)p->bits);
        p->bits >>= 8;
        p->nbits -= 8;
    }
}

/* Huffman codes enter the stream high bit first. */
static void png_code(struct png *p, uint32_t code, unsigned count)
{
    uint32_t turned = 0;

    for (unsigned i = 0; i < count; i++)
        turned |= (code >> i & 1) << (count - 1 - i);
    png_bits(p, turned, count);
}

/* A literal or length symbol, 0 to 285, in the fixed code. */
static void png_symbol(struct png *p, uint32_t symbol)
{
    if (symbol < 144)
        png_code(p, 0x30 + symbol, 8);
    else if (symbol < 256)
        png_code(p, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        png_code(p, symbol - 256, 7);
    else
        png_code(p, 0xc0 + symbol - 280, 8);
}

/* A match of `len` bytes (3 to 258) at distance 1. */
static void png_match(struct png *p, unsigned len)
{
    unsigned value = len - DEFLATE_RUN_MIN, extra = 0;

    if (len == DEFLATE_RUN_MAX) {
        png_symbol(p, 285);
    } else {
        /* Symbols come in groups of four with the same number of extra bits (RFC 1951, 3.2.5). */
        while (value >> extra >= 8)
            extra++;
        png_symbol(p, 257 + 4 * extra + (value >> extra));
        png_bits(p, value & ((1u << extra) - 1), extra);
    }
    png_code(p, 0, 5); /* distance 1 */
}

static void png_end_run(struct png *p)
{
    while (p->run >= DEFLATE_RUN_MIN) {
        unsigned len = p->run < DEFLATE_RUN_MAX ? p->run : DEFLATE_RUN_MAX;

        png_match(p, len);
        p->run -= len;
    }
    for (; p->run; p->run--)
        png_symbol(p, (uint32_t)p->last);
}

static void png_data(struct png *p, uint8_t byte)
{
    p->adler_a = (p->adler_a + byte) % ADLER_BASE;
    p->adler_b = (p->adler_b + p->adler_a) % ADLER_BASE;
    if (byte == p->last) {
        p->run++;
        return;
    }
    png_end_run(p);
    png_symbol(p, byte);
    p->last = byte;
}

static void png_row(struct png *p, const uint32_t *row, const uint32_t *above, uint32_t width)
{
    png_data(p, PNG_FILTER_UP);
    for (uint32_t x = 0; x < width; x++) {
        uint32_t now = row[x], up = above ? above[x] : 0;

        png_data(p, (uint8_t)((now >> 16) - (up >> 16)));
        png_data(p, (uint8_t)((now >> 8) - (up >> 8)));
        png_data(p, (uint8_t)(now - up));
    }
}

int png_encode(const struct surface *s, int fd, struct error *e)
{
    static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    struct png p = { .fd = fd, .adler_a = 1, .last = -1 };
    uint8_t header[13] = { 0 };

    if (!s->pixels || s->width > SURFACE_MAX || s->height > SURFACE_MAX)
        return error_set(e, -EINVAL, "there is no picture to write");
    put_be32(header, s->width);
    put_be32(header + 4, s->height);
    header[8] = 8; /* bits per sample */
    header[9] = PNG_RGB;
    png_write(&p, signature, sizeof signature);
    png_chunk(&p, "IHDR", header, sizeof header);
    png_byte(&p, 0x78); /* RFC 1950: deflate, 32 KiB window; FLEVEL 0 with its check bits */
    png_byte(&p, 0x01);
    png_bits(&p, 1, 1); /* last block */
    png_bits(&p, 1, 2); /* fixed codes */
    for (uint32_t y = 0; y < s->height && !p.err; y++) {
        const uint32_t *row = s->pixels + (size_t)y * s->width;

        png_row(&p, row, y ? row - s->width : NULL, s->width);
    }
    png_end_run(&p);
    png_symbol(&p, DEFLATE_END);
    png_bits(&p, 0, (8 - p.nbits) & 7);
    for (int shift = 24; shift >= 0; shift -= 8)
        png_byte(&p, (uint8_t)((p.adler_b << 16 | p.adler_a) >> shift));
    if (p.n)
        png_chunk(&p, "IDAT", p.chunk, p.n);
    png_chunk(&p, "IEND", "", 0);
    if (p.err)
        return error_set(e, p.err, "cannot write the picture: %s", strerror(-p.err));
    return 0;
}
