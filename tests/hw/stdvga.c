/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the standard VGA: registers, VBE, BARs, ROM, loaded state. What it shows is tested in
 * tests/unit/test_stdvga_pictures.c, the advisories in tests/unit/test_stdvga_advisories.c.
 */
#include <errno.h>

#include "tests/hw/stdvga_bench.h"

/* ---- registers ---- */

/* For the generic checks and the fuzzer: index and data together, a mode, somebody who looks. */
static void guest_step(struct bench *b, uint32_t *seed)
{
    static const struct mode *const modes[] = { &mode_03, &mode_13, &mode_12, &mode_04,
                                                &mode_06, &mode_07, &mode_0d, &mode_01 };
    uint32_t r = next_random(seed);
    struct error e = { "" };
    struct vga_geometry g;
    struct surface s;

    /* A mode or a picture costs as much as a thousand accesses. */
    if (r % 32 == 0) {
        set_mode(b, modes[r >> 5 & 7]);
    } else if (r % 32 == 1) {
        vga_geometry(machine_devices(b->m)->state, VRAM_BYTES, &g);
        if (g.width * g.height > 65536)
            return;
        if (screen.draw(screen.opaque, &s, &e) == 0) /* memory may fail */
            surface_free(&s);
    } else if (r % 32 < 8) {
        vbe(b, r >> 8 & 15, r >> 16 & (r & 128 ? 0xffff : 0x7f));
    } else if (r % 32 < 10) {
        vbe_mode(b, 1 + (r >> 8 & 63), 1 + (r >> 16 & 63), 8 * (r >> 24 & 3) + 8, r >> 31 << 7);
    } else if (r % 32 < 18) {
        crt(b, r >> 8 & 31, r >> 16);
    } else if (r % 32 < 26) {
        (r & 64 ? gfx : seq)(b, r >> 8 & 15, r >> 16 & 0xff);
    } else {
        att(b, r >> 8 & 31, r >> 16 & 0xff);
    }
}
BENCH_GUEST(guest_step)

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
