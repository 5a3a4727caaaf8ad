/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga - what the files of a VGA share: registers, state, geometry. Internal to hw/video/.
 *
 * Video memory is guest RAM that the machine moves about, so nobody here holds a pointer to it:
 * vga_vram_read() and vga_vram_write() copy, at the frame where it is now.
 *
 * Layout of video memory: plane p of the plane address a is byte 4 * a + p. Chained addressing
 * (odd/even, chain-4) is compressed: host address a reaches plane address a / 2 or a / 4, and the
 * CRTC counts plane addresses whatever its word or doubleword mode. So text cell i is at bytes 4i
 * (character) and 4i + 1 (attribute), and a chain-4 picture is linear, as in the VBE modes.
 */
#ifndef HW_VIDEO_VGA_H
#define HW_VIDEO_VGA_H

#include "display/surface.h"
#include "hw/core/device.h"

enum {
    VGA_SR_COUNT = 8,
    VGA_GR_COUNT = 9,
    VGA_CR_COUNT = 25,
    VGA_AR_COUNT = 21,
    VGA_PLANE_ADDRESSES = 0x10000, /* of the VGA proper: 4 planes of 64 KiB */
    VGA_BYTES = 4 * VGA_PLANE_ADDRESSES,
    VGA_WINDOW_SIZE = 0x20000, /* a0000-bffff */
    VGA_SIDE_MAX = 8192,       /* of a picture, in dots: as a surface allows */
};

/* Bits that more than one function looks at. */
enum { MISC_COLOUR = 0x01, MISC_RAM = 0x02 };
enum { SR1_8DOTS = 0x01, SR1_HALF_CLOCK = 0x08, SR1_SCREEN_OFF = 0x20 };
enum { SR4_SEQUENTIAL = 0x04, SR4_CHAIN4 = 0x08 };
enum { GR5_READ_COMPARE = 0x08, GR5_ODD_EVEN = 0x10, GR5_INTERLEAVE = 0x20, GR5_256 = 0x40 };
enum { GR6_GRAPHICS = 0x01 };
enum {
    AR10_MONO = 0x02,
    AR10_LINE_GRAPHICS = 0x04,
    AR10_BLINK = 0x08,
    AR10_SPLIT_UNPANNED = 0x20,
    AR10_P54 = 0x80
};
enum { ARX_SCREEN = 0x20 }; /* palette address source: 0 blanks the screen */

/* Bochs VBE ("DISPI") registers. */
enum {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY_64K,
    VBE_COUNT
};
enum {
    VBE_ENABLE_ON = 0x01,
    VBE_ENABLE_GETCAPS = 0x02,
    VBE_ENABLE_8BIT_DAC = 0x20,
    VBE_ENABLE_LFB = 0x40,
    VBE_ENABLE_NOCLEAR = 0x80
};

#define VGA_STATE(F, A, S)                                                                         \
    F(S, uint8_t, MISC, ANY, 1) /* miscellaneous output */                                         \
    F(S, uint8_t, FCR, ANY, 1)  /* feature control */                                              \
    F(S, uint8_t, SRX, 0x07, 1) /* index registers */                                              \
    F(S, uint8_t, GRX, 0x0f, 1)                                                                    \
    F(S, uint8_t, CRX, ANY, 1)                                                                     \
    F(S, uint8_t, ARX, 0x3f, 1)                                                                    \
    F(S, uint8_t, AR_FLIP, 1, 1) /* next write to 3c0 is 0: index, 1: data */                      \
    A(S, uint8_t, SR, VGA_SR_COUNT, ANY, 1)                                                        \
    A(S, uint8_t, GR, VGA_GR_COUNT, ANY, 1)                                                        \
    A(S, uint8_t, CR, VGA_CR_COUNT, ANY, 1)                                                        \
    A(S, uint8_t, AR, VGA_AR_COUNT, 0xff, 1)                                                       \
    F(S, uint8_t, PEL_MASK, ANY, 1)                                                                \
    F(S, uint8_t, PEL_WRITE, ANY, 1) /* palette entries next written and read */                   \
    F(S, uint8_t, PEL_READ, ANY, 1)                                                                \
    F(S, uint8_t, PEL_PART, 2, 1)      /* 0 red, 1 green, 2 blue comes next */                     \
    F(S, uint8_t, PEL_STATE, 3, 1)     /* what 3c7 reads: 0 writing, 3 reading */                  \
    A(S, uint8_t, PEL_HELD, 3, ANY, 1) /* parts of an entry not complete yet */                    \
    A(S, uint8_t, PEL, 768, ANY, 1)                                                                \
    F(S, uint32_t, LATCH, ANY, 1) /* plane p in bits 8p to 8p+7 */                                 \
    F(S, uint16_t, VBE_INDEX, ANY, 1)                                                              \
    A(S, uint16_t, VBE, VBE_COUNT, ANY, 1)                                                         \
    F(S, uint32_t, QEXT_ORDER, ANY, 1) /* byte order that a driver asked for */                    \
    F(S, uint8_t, VRAM_LOST, 1, 1)     /* a move failed half-way: no video memory any more */      \
    F(S, uint64_t, VRAM_GFN, UINT64_C(0xfffffffffffff), 1)

struct vga_state {
    VGA_STATE(STATE_MEMBER, STATE_ARRAY, _)
};

struct vga {
    struct device dev;
    struct vga_state *s;
    uint32_t vram_bytes; /* power of two, at least VGA_BYTES */
};

enum vga_picture {
    VGA_BLANK, /* black */
    VGA_TEXT,
    VGA_PLANAR, /* 8 dots of 4 planes from each plane address */
    VGA_CGA,    /* 8 dots of 2 bits (interleaved shift) */
    VGA_256,    /* 4 bytes, two dots each */
    VGA_VBE,    /* rows of bytes, `depth` bits a dot */
};

/* What is on the screen: derived from all registers at once, checked, and never stored. */
struct vga_geometry {
    enum vga_picture picture;
    uint32_t width, height; /* dots and scan lines, 1 to VGA_SIDE_MAX */
    /* VBE: bytes. The first `rows` rows lie within video memory entirely. */
    uint32_t depth; /* 4, 8, 15, 16, 24, 32 */
    uint32_t start, pitch, row_bytes, rows;
    /* VGA: plane addresses, always taken modulo VGA_PLANE_ADDRESSES. */
    uint32_t columns;    /* character clocks in a line, 1 to 256 */
    uint32_t cell;       /* dots of a character clock: 8 or 9 */
    uint32_t repeat;     /* 2: each dot is shown twice */
    uint32_t lines;      /* scan lines of a row, 1 to 64 */
    uint32_t line_shift; /* 1: each line of a row is scanned twice */
    uint32_t preset;     /* first line of the first row */
    uint32_t pan;        /* dots shifted to the left, below 2 * cell */
    uint32_t compare;    /* the last scan line above the split */
    uint32_t vertical;   /* 2: two scan lines for each count of the CRTC */
};

/* Fills *g from the registers. Pure; every reader of the screen's shape calls this. */
void vga_geometry(const struct vga_state *s, uint32_t vram_bytes, struct vga_geometry *g);

/* Draw the screen as it is now into *out (allocated here). 0 or -errno with a sentence. Host side
 * only: it allocates, and changes no state. */
MUST_CHECK int vga_draw(struct vga *v, struct surface *out, struct error *e);

/* Power-on values. VRAM_GFN is the caller's. */
void vga_reset(struct vga *v);

/* Ports 3b4-3da, one byte each. Unassigned ones read ff. */
uint8_t vga_port_read(struct vga *v, unsigned port);
void vga_port_write(struct vga *v, unsigned port, uint8_t value);

/* VBE registers by index. */
uint16_t vga_vbe_read(struct vga *v, unsigned index);
void vga_vbe_write(struct vga *v, unsigned index, uint16_t value);

/* `len` consecutive bytes of the window, offset + len <= VGA_WINDOW_SIZE. What is not decoded reads
 * ff. Reading loads the latches; writing changes video memory only. */
void vga_window_read(struct vga *v, uint32_t offset, uint8_t *to, uint32_t len);
void vga_window_write(struct vga *v, uint32_t offset, const uint8_t *from, uint32_t len);

/* Copy out of and into video memory. -EFAULT when [at, at+len) is not all within it or cannot be
 * reached; a failed read leaves ones. */
MUST_CHECK int vga_vram_read(struct vga *v, uint32_t at, void *to, uint32_t len);
MUST_CHECK int vga_vram_write(struct vga *v, uint32_t at, const void *from, uint32_t len);
void vga_vram_clear(struct vga *v, uint32_t at, uint32_t len);

#endif
