/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga - the register and memory side of a VGA with the Bochs VBE interface; bus-neutral.
 *
 * Datasheet: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" (1992); Bochs VBE
 *            interface ("DISPI") revision b0c5.
 * Present:   sequencer, CRTC with write protection, graphics controller (write modes 0-3, read
 *            modes 0-1), attribute controller, DAC of 6 and 8 bits, input status, the 128 KiB
 *            window in all its memory maps, VBE registers with bank, virtual screen and panning.
 * Absent:    write modes, bit mask and latches in the VBE modes of 8 and more bits (plain memory);
 *            setting a VBE mode leaves the VGA's registers alone (Bochs and QEMU adjust some);
 *            reading in chain-4 does not load the latches and knows no read mode 1; odd/even
 *            page bit (MISC bit 5); CRTC index 19h and above; light pen; vertical retrace
 *            interrupt; DAC comparators (input status 0 always senses a colour monitor).
 * Retrace:   input status 1 shows frames of 70 Hz, 400 of 449 lines, in every mode, and vertical
 *            retrace for the whole of the blanking, so that a guest whose port reads take long
 *            cannot miss it.
 */
#include "hw/video/vga.h"

#include <errno.h>

enum { LINE_NS = 31778, LINE_SHOWN_NS = 25422, FRAME_LINES = 449, FRAME_SHOWN = 400 };
enum { ST00_SENSE = 0x10, ST01_BLANKED = 0x01, ST01_RETRACE = 0x08 };
enum { CR11_PROTECT = 0x80, CR07_UNPROTECTED = 0x10 };
enum { GMEM_CHUNK = 256, CLEAR_CHUNK = 1 << 20 };
enum { BANK_MAX = 0x1000 }; /* of 64 KiB; more than any video memory has */

/* ---- video memory ---- */

static bool vram_at(const struct vga *v, uint32_t at, uint32_t len, gpa_t *gpa)
{
    if (len > v->vram_bytes || at > v->vram_bytes - len || v->s->VRAM_LOST)
        return false;
    return gpa_add(GPA(v->s->VRAM_GFN << 12), at, gpa);
}

int vga_vram_read(struct vga *v, uint32_t at, void *to, uint32_t len)
{
    gpa_t gpa;

    if (!vram_at(v, at, len, &gpa)) {
        memset(to, 0xff, len);
        return -EFAULT;
    }
    return gmem_read(v->dev.mem, gpa, to, len);
}

int vga_vram_write(struct vga *v, uint32_t at, const void *from, uint32_t len)
{
    gpa_t gpa;

    if (!vram_at(v, at, len, &gpa))
        return -EFAULT;
    return gmem_write(v->dev.mem, gpa, from, len);
}

void vga_vram_clear(struct vga *v, uint32_t at, uint32_t len)
{
    while (len) {
        uint32_t n = len < CLEAR_CHUNK ? len : CLEAR_CHUNK;
        struct gmem_map map;
        gpa_t gpa;

        if (!vram_at(v, at, n, &gpa) || gmem_map(v->dev.mem, gpa, n, GMEM_TO_GUEST, &map) < 0) {
            v->dev.stats.refused++;
            return;
        }
        for (int i = 0; i < map.n; i++)
            memset(map.iov[i].iov_base, 0, map.iov[i].iov_len);
        gmem_unmap(&map);
        at += n;
        len -= n;
    }
}

/* ---- the window ---- */

enum window_kind { WINDOW_NONE, WINDOW_LINEAR, WINDOW_CHAIN4, WINDOW_ODD_EVEN, WINDOW_PLANAR };

/* How a stretch of the window reaches video memory now. */
struct window {
    enum window_kind kind;
    uint32_t at;    /* linear: byte of video memory; else host address within the map */
    uint32_t len;   /* bytes that are decoded */
    uint32_t skip;  /* bytes before it that are not decoded */
    uint32_t shift; /* host addresses per plane address, as a power of two */
    uint32_t base;  /* plane address of the bank */
    bool wraps;     /* plane addresses wrap as on a VGA of 256 KiB */
};

/* Host data reaches all planes as it is. */
static bool plain_writes(const struct vga_state *s)
{
    return (s->GR[5] & 3) == 0 && s->GR[3] == 0 && (s->GR[1] & 0xf) == 0 && s->GR[8] == 0xff &&
           (s->SR[2] & 0xf) == 0xf;
}

/* Pure function of registers: what [offset, offset+len) of the window is. */
static struct window window_of(const struct vga_state *s, uint32_t offset, uint32_t len, bool read)
{
    static const struct {
        uint32_t first, size;
    } maps[4] = {
        { 0, 0x20000 },
        { 0, 0x10000 },
        { 0x10000, 0x8000 },
        { 0x18000, 0x8000 },
    };
    unsigned map = s->GR[6] >> 2 & 3;
    bool vbe = s->VBE[VBE_ENABLE] & VBE_ENABLE_ON;
    uint32_t bank = vbe && map < 2 ? s->VBE[VBE_BANK] : 0;
    struct window w = { .kind = WINDOW_NONE };
    uint32_t end = maps[map].first + maps[map].size;

    if (!(s->MISC & MISC_RAM) || offset >= end || offset + len <= maps[map].first)
        return w;
    if (bank >= BANK_MAX)
        return w;
    bank *= 0x10000;
    if (offset < maps[map].first) {
        w.skip = maps[map].first - offset;
        offset += w.skip;
        len -= w.skip;
    }
    w.len = len < end - offset ? len : end - offset;
    w.at = offset - maps[map].first;
    w.wraps = !vbe;
    if (vbe && s->VBE[VBE_BPP] >= 8) {
        w.kind = WINDOW_LINEAR;
        w.at += bank;
    } else if ((s->SR[4] & SR4_CHAIN4) && (read || plain_writes(s))) {
        w.kind = WINDOW_LINEAR; /* compressed addresses: byte a is plane a % 4 of a / 4 */
        w.at += bank;
    } else if (s->SR[4] & SR4_CHAIN4) {
        w.kind = WINDOW_CHAIN4;
        w.shift = 2;
    } else if (read ? s->GR[5] & GR5_ODD_EVEN : !(s->SR[4] & SR4_SEQUENTIAL)) {
        w.kind = WINDOW_ODD_EVEN;
        w.shift = 1;
    } else {
        w.kind = WINDOW_PLANAR;
    }
    w.base = bank >> w.shift;
    return w;
}

/* The longest run of host bytes from `done` on whose plane addresses are consecutive and fit into
 * one chunk; *first is its first plane address. */
static uint32_t window_run(const struct window *w, uint32_t done, uint32_t *first)
{
    uint32_t host = w->at + done, left = w->len - done, n;
    uint32_t plane = w->base + (host >> w->shift), room = GMEM_CHUNK;

    if (w->wraps) {
        plane %= VGA_PLANE_ADDRESSES;
        if (room > VGA_PLANE_ADDRESSES - plane)
            room = VGA_PLANE_ADDRESSES - plane;
    }
    n = (room << w->shift) - (host & ((1u << w->shift) - 1));
    *first = plane;
    return n < left ? n : left;
}

/* Plane addresses that n host bytes from `done` on touch: at most GMEM_CHUNK. */
static uint32_t run_planes(const struct window *w, uint32_t done, uint32_t n)
{
    uint32_t host = w->at + done;

    return ((host + n - 1) >> w->shift) - (host >> w->shift) + 1;
}

static int planes_read(struct vga *v, uint32_t plane, uint32_t *to, uint32_t n)
{
    if (plane >= v->vram_bytes / 4) { /* before it is multiplied */
        memset(to, 0xff, n * sizeof *to);
        return -EFAULT;
    }
    return vga_vram_read(v, plane * 4, to, n * 4);
}

static int planes_write(struct vga *v, uint32_t plane, const uint32_t *from, uint32_t n)
{
    if (plane >= v->vram_bytes / 4)
        return -EFAULT;
    return vga_vram_write(v, plane * 4, from, n * 4);
}

/* Four bits to four bytes of ones and zeros: bit p to byte p. */
static uint32_t spread(unsigned bits)
{
    static const uint32_t spreads[16] = {
        0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
        0x00ffff00, 0x00ffffff, 0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff,
        0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
    };

    return spreads[bits & 15];
}

/* Read mode 1: a one for each dot whose colour matches in the planes that count. */
static uint8_t colour_compare(const struct vga_state *s, uint32_t planes)
{
    uint32_t differ = (planes ^ spread(s->GR[2])) & spread(s->GR[7]);

    differ |= differ >> 16;
    return (uint8_t) ~(differ | differ >> 8);
}

static uint8_t read_byte(const struct vga_state *s, const struct window *w, uint32_t host,
                         uint32_t planes)
{
    unsigned plane = s->GR[4] & 3u;

    if (w->kind == WINDOW_ODD_EVEN)
        plane = (plane & 2) | (host & 1);
    if (s->GR[5] & GR5_READ_COMPARE)
        return colour_compare(s, planes);
    return (uint8_t)(planes >> (plane * 8));
}

void vga_window_read(struct vga *v, uint32_t offset, uint8_t *to, uint32_t len)
{
    struct window w = window_of(v->s, offset, len, true);
    uint32_t chunk[GMEM_CHUNK], first, n;

    memset(to, 0xff, len);
    if (w.kind == WINDOW_NONE)
        return;
    to += w.skip;
    if (w.kind == WINDOW_LINEAR) {
        if (w.at < v->vram_bytes) {
            n = w.len < v->vram_bytes - w.at ? w.len : v->vram_bytes - w.at;
            if (vga_vram_read(v, w.at, to, n) < 0)
                v->dev.stats.refused++;
        }
        return;
    }
    for (uint32_t done = 0; done < w.len; done += n) {
        uint32_t planes, host = w.at + done;

        n = window_run(&w, done, &first);
        planes = run_planes(&w, done, n);
        if (planes_read(v, first, chunk, planes) < 0)
            v->dev.stats.refused++;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t at = ((host + i) >> w.shift) - (host >> w.shift);

            to[done + i] = at < GMEM_CHUNK ? read_byte(v->s, &w, host + i, chunk[at]) : 0xff;
        }
        v->s->LATCH = chunk[planes - 1 < GMEM_CHUNK ? planes - 1 : 0];
    }
}

/* The registers that shape a write, unpacked once for a run of bytes. */
struct writer {
    unsigned mode, rotate, function;
    uint32_t enable; /* planes that take the set/reset value (write mode 0) */
    uint32_t set;    /* set/reset value */
    uint32_t mask;   /* bit mask in all planes */
    uint32_t latch;
    bool plain; /* host data reaches the planes as it is */
};

static void writer_init(struct writer *w, const struct vga_state *s)
{
    w->mode = s->GR[5] & 3u;
    w->rotate = s->GR[3] & 7u;
    w->function = s->GR[3] >> 3 & 3u;
    w->enable = spread(s->GR[1]);
    w->set = spread(s->GR[0]);
    w->mask = s->GR[8] * UINT32_C(0x01010101);
    w->latch = s->LATCH;
    w->plain = w->mode == 0 && s->GR[3] == 0 && w->enable == 0 && s->GR[8] == 0xff;
}

/* What a host byte becomes in the four planes. */
static uint32_t write_planes(const struct writer *w, uint8_t byte)
{
    uint32_t rotated =
        (uint32_t)((byte >> w->rotate | byte << (8 - w->rotate)) & 0xff) * 0x01010101u;
    uint32_t mask = w->mask, x;

    switch (w->mode) {
    case 0:
        x = (rotated & ~w->enable) | (w->set & w->enable);
        break;
    case 1:
        return w->latch;
    case 2:
        x = spread(byte);
        break;
    default:
        mask &= rotated;
        x = w->set;
        break;
    }
    switch (w->function) {
    case 1:
        x &= w->latch;
        break;
    case 2:
        x |= w->latch;
        break;
    case 3:
        x ^= w->latch;
        break;
    }
    return (x & mask) | (w->latch & ~mask);
}

/* Planes that a write to this host address may change, as a mask of bytes. */
static uint32_t writable_planes(const struct vga_state *s, const struct window *w, uint32_t host)
{
    unsigned planes = s->SR[2] & 0xfu;

    if (w->kind == WINDOW_CHAIN4)
        planes &= 1u << (host & 3);
    else if (w->kind == WINDOW_ODD_EVEN)
        planes &= host & 1 ? 0xau : 0x5u;
    return spread(planes);
}

static void write_run(struct vga *v, const struct window *w, const struct writer *how,
                      uint32_t host, uint32_t first, uint32_t planes, const uint8_t *from,
                      uint32_t n)
{
    uint32_t chunk[GMEM_CHUNK];
    bool whole = w->kind == WINDOW_PLANAR && (v->s->SR[2] & 0xf) == 0xf;
    uint32_t masks[4]; /* by the low bits of the host address */

    for (unsigned i = 0; i < 4; i++)
        masks[i] = writable_planes(v->s, w, i);
    /* What is not written keeps its value; absent memory takes nothing. */
    if (!whole && planes_read(v, first, chunk, planes) < 0) {
        v->dev.stats.refused++;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = ((host + i) >> w->shift) - (host >> w->shift);
        uint32_t mask = masks[(host + i) & 3];
        uint32_t x = how->plain ? from[i] * UINT32_C(0x01010101) : write_planes(how, from[i]);

        if (at < GMEM_CHUNK)
            chunk[at] = whole ? x : (chunk[at] & ~mask) | (x & mask);
    }
    if (planes_write(v, first, chunk, planes) < 0)
        v->dev.stats.refused++;
}

void vga_window_write(struct vga *v, uint32_t offset, const uint8_t *from, uint32_t len)
{
    struct window w = window_of(v->s, offset, len, false);
    struct writer how;
    uint32_t first, n;

    if (w.kind == WINDOW_NONE)
        return;
    from += w.skip;
    if (w.kind == WINDOW_LINEAR) {
        if (w.at >= v->vram_bytes)
            return;
        n = w.len < v->vram_bytes - w.at ? w.len : v->vram_bytes - w.at;
        if (vga_vram_write(v, w.at, from, n) < 0)
            v->dev.stats.refused++;
        return;
    }
    if (!(v->s->SR[2] & 0xf))
        return;
    writer_init(&how, v->s);
    for (uint32_t done = 0; done < w.len; done += n) {
        n = window_run(&w, done, &first);
        write_run(v, &w, &how, w.at + done, first, run_planes(&w, done, n), from + done, n);
    }
}

/* ---- VBE ---- */

static void vbe_enable(struct vga *v, uint16_t value)
{
    struct vga_state *s = v->s;
    bool was_on = s->VBE[VBE_ENABLE] & VBE_ENABLE_ON;
    struct vga_geometry g;

    s->VBE[VBE_ENABLE] = value & (VBE_ENABLE_ON | VBE_ENABLE_GETCAPS | VBE_ENABLE_8BIT_DAC |
                                  VBE_ENABLE_LFB | VBE_ENABLE_NOCLEAR);
    if (!(value & VBE_ENABLE_ON)) {
        s->VBE[VBE_BANK] = 0;
        return;
    }
    if (was_on)
        return;
    s->VBE[VBE_VIRT_WIDTH] = s->VBE[VBE_XRES];
    s->VBE[VBE_X_OFFSET] = 0;
    s->VBE[VBE_Y_OFFSET] = 0;
    if (value & VBE_ENABLE_NOCLEAR)
        return;
    vga_geometry(s, v->vram_bytes, &g);
    if (g.rows) /* set for VBE modes even while the screen is blanked */
        vga_vram_clear(v, g.start, (g.rows - 1) * g.pitch + g.row_bytes);
}

static bool depth_known(unsigned bits)
{
    return bits == 4 || bits == 8 || bits == 15 || bits == 16 || bits == 24 || bits == 32;
}

void vga_vbe_write(struct vga *v, unsigned index, uint16_t value)
{
    struct vga_state *s = v->s;

    switch (index) {
    case VBE_ID: /* a driver names the revision that it knows */
        if (value >= 0xb0c0 && value <= 0xb0c5)
            s->VBE[VBE_ID] = value;
        break;
    case VBE_XRES:
    case VBE_YRES:
        if (value <= VGA_SIDE_MAX)
            s->VBE[index] = value;
        break;
    case VBE_BPP:
        if (value == 0)
            value = 8;
        if (depth_known(value))
            s->VBE[VBE_BPP] = value;
        break;
    case VBE_ENABLE:
        vbe_enable(v, value);
        break;
    case VBE_BANK: /* checked where it is used (XSA-179) */
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        s->VBE[index] = value;
        break;
    default: /* VIRT_HEIGHT follows from the width; MEMORY_64K is fixed; others do not exist */
        if (index >= VBE_COUNT)
            guest_note(&v->dev, NOTE_REGISTER, index,
                       "the guest wrote VBE register %u, which is not implemented", index);
        break;
    }
}

uint16_t vga_vbe_read(struct vga *v, unsigned index)
{
    const struct vga_state *s = v->s;
    bool caps = s->VBE[VBE_ENABLE] & VBE_ENABLE_GETCAPS;
    struct vga_geometry g;
    uint32_t rows;

    switch (index) {
    case VBE_XRES:
    case VBE_YRES:
        return caps ? VGA_SIDE_MAX : s->VBE[index];
    case VBE_BPP:
        return caps ? 32 : s->VBE[index];
    case VBE_VIRT_WIDTH:
        return s->VBE[VBE_VIRT_WIDTH] > s->VBE[VBE_XRES] ? s->VBE[VBE_VIRT_WIDTH]
                                                         : s->VBE[VBE_XRES];
    case VBE_VIRT_HEIGHT:
        vga_geometry(s, v->vram_bytes, &g);
        rows = g.pitch && g.depth ? v->vram_bytes / g.pitch : 0;
        return rows > UINT16_MAX ? UINT16_MAX : (uint16_t)rows;
    case VBE_MEMORY_64K:
        return (uint16_t)(v->vram_bytes / 0x10000);
    default:
        return index < VBE_COUNT ? s->VBE[index] : 0;
    }
}

/* ---- ports ---- */

static uint8_t status1_read(struct vga *v)
{
    uint64_t t = clock_now(&v->dev) % ((uint64_t)LINE_NS * FRAME_LINES);

    v->s->AR_FLIP = 0;
    if (t >= (uint64_t)LINE_NS * FRAME_SHOWN)
        return ST01_BLANKED | ST01_RETRACE;
    return t % LINE_NS >= LINE_SHOWN_NS ? ST01_BLANKED : 0;
}

static void attribute_write(struct vga_state *s, uint8_t value)
{
    static const uint8_t used[VGA_AR_COUNT] = {
        0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
        0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f,
    };
    unsigned index = s->ARX & 0x1fu;

    s->AR_FLIP ^= 1;
    if (s->AR_FLIP)
        s->ARX = value & 0x3f;
    else if (index < VGA_AR_COUNT)
        s->AR[index] = value & used[index];
}

static void crtc_write(struct vga_state *s, uint8_t value)
{
    if (s->CRX >= VGA_CR_COUNT)
        return;
    if (s->CRX < 8 && (s->CR[0x11] & CR11_PROTECT)) {
        if (s->CRX == 7)
            s->CR[7] = (uint8_t)((s->CR[7] & ~CR07_UNPROTECTED) | (value & CR07_UNPROTECTED));
        return;
    }
    s->CR[s->CRX] = value;
}

static void sequencer_write(struct vga_state *s, uint8_t value)
{
    static const uint8_t used[VGA_SR_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };

    if (s->SRX < VGA_SR_COUNT)
        s->SR[s->SRX] = value & used[s->SRX];
}

static void graphics_write(struct vga_state *s, uint8_t value)
{
    static const uint8_t used[VGA_GR_COUNT] = {
        0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff
    };

    if (s->GRX < VGA_GR_COUNT)
        s->GR[s->GRX] = value & used[s->GRX];
}

static unsigned pel_next(struct vga_state *s)
{
    unsigned part = s->PEL_PART < 3 ? s->PEL_PART : 0;

    s->PEL_PART = (uint8_t)((part + 1) % 3);
    return part;
}

static void pel_write(struct vga_state *s, uint8_t value)
{
    unsigned part = pel_next(s);

    if (!(s->VBE[VBE_ENABLE] & VBE_ENABLE_8BIT_DAC))
        value &= 0x3f;
    s->PEL_HELD[part] = value;
    if (part == 2) /* an entry changes as a whole */
        memcpy(&s->PEL[s->PEL_WRITE++ * 3], s->PEL_HELD, 3);
}

static uint8_t pel_read(struct vga_state *s)
{
    unsigned part = pel_next(s);
    uint8_t value = s->PEL[s->PEL_READ * 3u + part];

    if (part == 2)
        s->PEL_READ++;
    return value;
}

static void pel_index(struct vga_state *s, uint8_t *index, uint8_t value, uint8_t state)
{
    *index = value;
    s->PEL_PART = 0;
    s->PEL_STATE = state;
}

/* 3bX with monochrome, 3dX with colour emulation; the other set does not answer. */
static bool is_crtc_port(const struct vga_state *s, unsigned port, unsigned low)
{
    return port == ((s->MISC & MISC_COLOUR ? 0x3d0u : 0x3b0u) | low);
}

uint8_t vga_port_read(struct vga *v, unsigned port)
{
    struct vga_state *s = v->s;
    unsigned index = s->ARX & 0x1fu;

    if (is_crtc_port(s, port, 4))
        return s->CRX;
    if (is_crtc_port(s, port, 5))
        return s->CRX < VGA_CR_COUNT ? s->CR[s->CRX] : 0;
    if (is_crtc_port(s, port, 0xa))
        return status1_read(v);
    switch (port) {
    case 0x3c0:
        return s->AR_FLIP ? 0 : s->ARX;
    case 0x3c1:
        return index < VGA_AR_COUNT ? s->AR[index] : 0;
    case 0x3c2:
        return ST00_SENSE;
    case 0x3c3:
        return 1; /* video subsystem enabled */
    case 0x3c4:
        return s->SRX;
    case 0x3c5:
        return s->SRX < VGA_SR_COUNT ? s->SR[s->SRX] : 0;
    case 0x3c6:
        return s->PEL_MASK;
    case 0x3c7:
        return s->PEL_STATE;
    case 0x3c8:
        return s->PEL_WRITE;
    case 0x3c9:
        return pel_read(s);
    case 0x3ca:
        return s->FCR;
    case 0x3cc:
        return s->MISC;
    case 0x3ce:
        return s->GRX;
    case 0x3cf:
        return s->GRX < VGA_GR_COUNT ? s->GR[s->GRX] : 0;
    default:
        return 0xff;
    }
}

void vga_port_write(struct vga *v, unsigned port, uint8_t value)
{
    struct vga_state *s = v->s;

    if (is_crtc_port(s, port, 4))
        s->CRX = value;
    else if (is_crtc_port(s, port, 5))
        crtc_write(s, value);
    else if (is_crtc_port(s, port, 0xa))
        s->FCR = value & 0x10;
    switch (port) {
    case 0x3c0:
        attribute_write(s, value);
        break;
    case 0x3c2:
        s->MISC = value & 0xef;
        break;
    case 0x3c4:
        s->SRX = value & 0x07; /* three bits in the chip, and four below */
        break;
    case 0x3c5:
        sequencer_write(s, value);
        break;
    case 0x3c6:
        s->PEL_MASK = value;
        break;
    case 0x3c7:
        pel_index(s, &s->PEL_READ, value, 3);
        break;
    case 0x3c8:
        pel_index(s, &s->PEL_WRITE, value, 0);
        break;
    case 0x3c9:
        pel_write(s, value);
        break;
    case 0x3ce:
        s->GRX = value & 0x0f;
        break;
    case 0x3cf:
        graphics_write(s, value);
        break;
    default:
        break;
    }
}

void vga_reset(struct vga *v)
{
    struct vga_state *s = v->s;

    s->PEL_MASK = 0xff;
    s->GR[8] = 0xff;
    s->VBE[VBE_ID] = 0xb0c5;
    s->VBE[VBE_BPP] = 8;
    s->QEXT_ORDER = 0x1e1e1e1e;
}
