/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option ROM images (firmware/rom.c): what is accepted, what is refused and in which words.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/rom.h"

enum { SIZE = 2048, PCIR = 0x40 };

static void make_image(uint8_t *p)
{
    memset(p, 0, SIZE);
    p[0] = 0x55;
    p[1] = 0xaa;
    p[2] = SIZE / 512;
    put_le16(p + 0x18, PCIR);
    memcpy(p + PCIR, "PCIR", 4);
    put_le16(p + PCIR + 4, 0x1234);
    put_le16(p + PCIR + 6, 0x1111);
}

static int check(const uint8_t *p, uint32_t size, const char *says)
{
    struct error e = { "" };
    int err = rom_check("x.bin", p, size, 0x1234, 0x1111, &e);

    if (says)
        assert_non_null(strstr(e.text, says));
    return err;
}

static void headers(void **state)
{
    uint8_t p[SIZE];

    (void)state;
    make_image(p);
    assert_int_equal(check(p, SIZE, NULL), 0);
    assert_int_equal(check(p, SIZE - 1, "cut off"), -EINVAL);
    assert_int_equal(check(p, 100, "size"), -EINVAL);
    p[1] = 0;
    assert_int_equal(check(p, SIZE, "55 aa"), -EINVAL);
    make_image(p);
    p[PCIR] = 'X';
    assert_int_equal(check(p, SIZE, "PCI data"), -EINVAL);
    make_image(p);
    for (unsigned at = SIZE - 23; at <= 0xffff; at += 997) { /* the pointer leads outside */
        put_le16(p + 0x18, (uint16_t)at);
        assert_int_equal(check(p, SIZE, "PCI data"), -EINVAL);
    }
    make_image(p);
    p[PCIR + 6] = 0xb8;
    assert_int_equal(check(p, SIZE, "1234:11b8"), -EINVAL);
}

static void files(void **state)
{
    char dir[] = "/tmp/rom-test-XXXXXX", path[64];
    struct error e = { "" };
    struct rom rom;
    uint8_t p[SIZE];
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(rom_load("v.bin", dir, 0x1234, 0x1111, &rom, &e), -ENOENT);
    assert_null(rom.bytes);
    assert_non_null(strstr(e.text, dir));
    make_image(p);
    p[SIZE - 1] = 0x99;
    snprintf(path, sizeof path, "%s/v.bin", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, SIZE, f), SIZE);
    fclose(f);
    e.text[0] = 0;
    assert_int_equal(rom_load("v.bin", dir, 0x1234, 0x1111, &rom, &e), 0);
    assert_int_equal(rom.size, SIZE);
    assert_string_equal(rom.path, path);
    assert_memory_equal(rom.bytes, p, SIZE);
    rom_unload(&rom);
    rom_unload(&rom);
    assert_null(rom.bytes);
    assert_int_equal(rom_load(path, NULL, 0x1234, 0x1111, &rom, &e), 0);
    rom_unload(&rom);
    assert_int_equal(rom_load(path, NULL, 0x1013, 0x00b8, &rom, &e), -EINVAL);
    assert_non_null(strstr(e.text, "1013:00b8"));
    e.text[0] = 0;
    assert_int_equal(rom_load("no-such-rom.bin", NULL, 1, 1, &rom, &e), -ENOENT);
    assert_non_null(strstr(e.text, "no-such-rom.bin"));
    e.text[0] = 0;
    assert_int_equal(rom_load(dir, NULL, 1, 1, &rom, &e), -EINVAL); /* a directory */
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests_name("rom", tests, NULL, NULL);
}
