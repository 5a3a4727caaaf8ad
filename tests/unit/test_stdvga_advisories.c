/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The advisories that name VGA or VBE, against the standard VGA.
 */
#include <stdlib.h>

#include "tests/hw/stdvga_bench.h"

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

static uint32_t vcpu_port(struct bench *b, unsigned vcpu, unsigned port, bool read, uint32_t value)
{
    struct request r = { .type = REQ_PIO,
                         .addr = port,
                         .size = 1,
                         .count = 1,
                         .read = read,
                         .data = value,
                         .vcpu = (uint16_t)vcpu };

    EXPECT_EQ(sim_request(b->hv, &r), 0);
    return (uint32_t)r.data;
}

/* XSA-503: two vCPUs on one index and data pair, in all orders: each access is valid alone. The
 * index is a part of the state, masked at use: nothing is remembered between the two ports. */
TEST(stdvga, xsa503_index_and_data_interleaved)
{
    static const uint8_t orders[][4] = { { 0, 0, 1, 1 }, { 0, 1, 0, 1 }, { 0, 1, 1, 0 },
                                         { 1, 0, 0, 1 }, { 1, 0, 1, 0 }, { 1, 1, 0, 0 } };
    static const struct {
        unsigned port;
        uint8_t index[2], value[2];
    } pairs[] = { { 0x3c4, { 2, 0xff }, { 0x0b, 0xff } },
                  { 0x3ce, { 8, 0x80 }, { 0x5a, 0xff } },
                  { 0x3d4, { 0x0e, 0xff }, { 0x5a, 0xff } } };

    set_mode(b, &mode_03);
    seq(b, 2, 0x0b);
    gfx(b, 8, 0x5a);
    crt(b, 0x0e, 0x5a);
    for (unsigned p = 0; p < ARRAY_SIZE(pairs); p++)
        for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
            unsigned step[2] = { 0, 0 }, latest = 0;

            for (unsigned k = 0; k < 4; k++) {
                uint8_t cpu = orders[i][k];

                if (step[cpu]++ == 0) {
                    vcpu_port(b, cpu, pairs[p].port, false, pairs[p].index[cpu]);
                    latest = cpu;
                } else if (latest == 0) {
                    EXPECT_EQ(vcpu_port(b, cpu, pairs[p].port + 1, true, 0), pairs[p].value[0]);
                } else {
                    vcpu_port(b, cpu, pairs[p].port + 1, true, 0); /* any byte: no register there */
                }
            }
        }
    EXPECT_EQ(machine_devices(b->m)->stats.refused, 0);
}

/* XSA-211: a picture is of one geometry, however the guest goes on with the mode. */
TEST(stdvga, xsa211_resolution_changes_between_pictures)
{
    static const unsigned sizes[][3] = {
        { 64, 48, 32 }, { 800, 600, 8 }, { 8, 8, 24 }, { 640, 480, 16 }, { 320, 4, 15 }
    };
    struct surface old = { 0 }, s;

    for (unsigned i = 0; i < 3 * ARRAY_SIZE(sizes); i++) {
        const unsigned *z = sizes[i % ARRAY_SIZE(sizes)];

        vbe_mode(b, z[0], z[1], z[2], 0);
        if (old.width) { /* still whole, with its own size */
            const unsigned *was = sizes[(i - 1) % ARRAY_SIZE(sizes)];

            EXPECT_EQ(old.width, was[0]);
            EXPECT_EQ(old.height, was[1]);
            for (size_t p = 0; p < (size_t)old.width * old.height; p++)
                EXPECT_EQ(old.pixels[p] >> 24, 0);
        }
        surface_free(&old);
        shot(&s);
        EXPECT_EQ(s.width, z[0]);
        EXPECT_EQ(s.height, z[1]);
        old = s;
    }
    surface_free(&old);
}

static const struct hv_ops *below;
static uint64_t dirty_marks;

static int checked_mark_dirty(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    bool ram = gfn < 0x1000 && gfn + nr <= 0x1000;
    bool vram = (gfn >= VRAM_GFN && gfn + nr <= VRAM_GFN + VRAM_PAGES) ||
                (gfn >= BAR0 >> 12 && gfn + nr <= (BAR0 >> 12) + VRAM_PAGES);

    dirty_marks++;
    if (nr == 0 || !(ram || vram))
        fail_msg("frames %llx, %llu of them, are marked dirty", (unsigned long long)gfn,
                 (unsigned long long)nr);
    return below->mark_dirty(hv, gfn, nr);
}

/* XSA-319: what we tell dirty tracking lies in memory that was written, never in what registers
 * claim. Guards mark_dirty(). */
TEST(stdvga, xsa319_dirty_ranges_are_of_memory_that_was_written)
{
    struct hv_ops checked = *b->hv->ops;
    uint32_t seed = 319;

    below = b->hv->ops;
    checked.mark_dirty = checked_mark_dirty;
    b->hv->ops = &checked;
    dirty_marks = 0;
    set_mode(b, &mode_12);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t r = next_random(&seed);

        if (r % 4 == 0)
            vbe(b, r >> 3 & 15, next_random(&seed) & 0xffff);
        else if (r % 4 == 1)
            bench_outb(b, 0x3c0 + (r >> 3) % 0x20, r >> 8 & 0xff);
        else if (r % 4 == 2)
            bench_write(b, WINDOW + (r >> 3) % 0x1fff9, 1u << (r >> 28 & 3), r);
        else
            movs(b, WINDOW + (r >> 3) % 0x1f000, 0x1000, 4, 1 + (r >> 24), r >> 2 & 1);
    }
    EXPECT_TRUE(dirty_marks > 1000);
    b->hv->ops = below;
}

int main(int argc, char **argv)
{
    return stdvga_bench_main(argc, argv);
}
