/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * preset - see preset.h.
 *
 * Present: memory sizes, equipment, boot order, types and geometry of the hard disks by size or by
 *          the first entry of a partition table; fw_cfg's identity, memory, CPUs and an empty file
 *          directory.
 * Absent:  floppies, geometry on the command line, files in fw_cfg.
 */
#include "toolstack/qtest/preset.h"

#include <unistd.h>

#include "block/block.h"

enum {
    CMOS_DISKS = 0x12,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE = 0x15,
    CMOS_EXTENDED = 0x17,
    CMOS_TYPE = 0x19,
    CMOS_GEOMETRY = 0x1b,
    CMOS_EXTENDED_AGAIN = 0x30,
    CMOS_ABOVE_16M = 0x34,
    CMOS_BOOT_3 = 0x38,
    CMOS_TRANSLATION = 0x39,
    CMOS_BOOT_12 = 0x3d,
    CMOS_ABOVE_4G = 0x5b,
};
enum { EQUIPMENT_FPU = 0x02, EQUIPMENT_PS2_MOUSE = 0x04 };
enum { GEOMETRY_BYTES = 9, USER_TYPE = 47 };
enum { TRANSLATION_NONE, TRANSLATION_LBA, TRANSLATION_LARGE };
enum { HEADS = 16, SECTORS = 63, CYLINDERS = 16383 };
#define LOW_END UINT64_C(0xf0000000)

struct geometry {
    uint32_t cylinders, heads, sectors, translation;
};

/* --- CMOS: memory and boot order. */

static uint8_t boot_code(char letter)
{
    const char *at = letter ? strchr("acdn", letter == 'b' ? 'a' : letter) : NULL;

    return at ? (uint8_t)(at - "acdn" + 1) : 0;
}

static void boot_order(uint8_t *cmos, const char *letters, bool fast)
{
    uint8_t code[3] = { 0 };

    for (unsigned i = 0; i < 3 && letters[i]; i++)
        code[i] = boot_code(letters[i]);
    cmos[CMOS_BOOT_12] = (uint8_t)(code[1] << 4 | code[0]);
    cmos[CMOS_BOOT_3] = (uint8_t)(code[2] << 4 | fast);
}

static void memory_sizes(uint8_t *cmos, uint64_t ram)
{
    uint64_t low = ram < LOW_END ? ram : LOW_END, high = (ram - low) >> 16;
    uint64_t extended = low > 1 << 20 ? (low >> 10) - 1024 : 0;
    uint64_t above = low > 16 << 20 ? (low >> 16) - 256 : 0;

    put_le16(cmos + CMOS_BASE, 640);
    put_le16(cmos + CMOS_EXTENDED, (uint16_t)(extended < 0xffff ? extended : 0xffff));
    put_le16(cmos + CMOS_EXTENDED_AGAIN, le16(cmos + CMOS_EXTENDED));
    put_le16(cmos + CMOS_ABOVE_16M, (uint16_t)(above < 0xffff ? above : 0xffff));
    put_le16(cmos + CMOS_ABOVE_4G, (uint16_t)high);
    cmos[CMOS_ABOVE_4G + 2] = (uint8_t)(high >> 16);
}

/* --- CMOS: disks. */

/* By the first entry of the partition table that has a size and an end; false if there is none. */
static bool guess(const struct block *b, struct geometry *g)
{
    uint8_t sector[512];

    if (pread(b->fd, sector, sizeof sector, 0) != (ssize_t)sizeof sector || sector[510] != 0x55 ||
        sector[511] != 0xaa)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *entry = sector + 0x1be + 16 * i;
        uint64_t cylinders;

        if (!le32(entry + 12) || !entry[5])
            continue;
        g->heads = entry[5] + 1u;
        g->sectors = entry[6] & 63;
        if (!g->sectors)
            continue;
        cylinders = b->size / 512 / (g->heads * g->sectors);
        g->cylinders = (uint32_t)cylinders;
        return cylinders >= 1 && cylinders <= CYLINDERS;
    }
    return false;
}

static struct geometry geometry(const struct block *b)
{
    struct geometry g = { 0 };
    bool guessed = guess(b, &g);
    uint64_t cylinders = b->size / 512 / (HEADS * SECTORS);

    if (guessed && g.heads <= HEADS)
        return g;
    if (cylinders < 2)
        cylinders = 2;
    g.cylinders = (uint32_t)(cylinders < CYLINDERS ? cylinders : CYLINDERS);
    g.heads = HEADS;
    g.sectors = SECTORS;
    if (guessed)
        g.translation = g.cylinders * g.heads <= 131072 ? TRANSLATION_LARGE : TRANSLATION_LBA;
    else
        g.translation = g.cylinders <= 1024 ? TRANSLATION_NONE : TRANSLATION_LBA;
    return g;
}

static void disk(uint8_t *cmos, unsigned place, const struct geometry *g)
{
    uint8_t *to = cmos + CMOS_GEOMETRY + GEOMETRY_BYTES * place;

    cmos[CMOS_TRANSLATION] |= (uint8_t)(g->translation << (2 * place));
    if (place > 1)
        return;
    cmos[CMOS_DISKS] |= place ? 0x0f : 0xf0;
    cmos[CMOS_TYPE + place] = USER_TYPE;
    put_le16(to, (uint16_t)g->cylinders);
    to[2] = (uint8_t)g->heads;
    put_le16(to + 3, 0xffff);
    to[5] = g->heads > 8 ? 0xc8 : 0xc0;
    put_le16(to + 6, (uint16_t)g->cylinders);
    to[8] = (uint8_t)g->sectors;
}

void preset_cmos(const struct arguments *a, struct pc_host *pc, bool again)
{
    uint8_t *cmos = pc->nvram;

    memset(cmos, 0, sizeof pc->nvram);
    cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_PS2_MOUSE;
    memory_sizes(cmos, (uint64_t)a->config.ram_mib << 20);
    boot_order(cmos, a->once && !again ? a->once : a->config.boot, a->fast_boot);
    for (unsigned i = 0; i < PC_DISKS; i++)
        if (pc->disk[i] && !pc->cdrom[i]) {
            const struct geometry g = geometry(pc->disk[i]);

            disk(cmos, i, &g);
        }
}

/* --- fw_cfg. */

struct items {
    uint8_t *at;
    uint32_t used;
};

static void add(struct items *i, uint16_t key, const void *bytes, uint32_t n)
{
    if (i->used + 6 + n > PRESET_FW_CFG)
        return;
    put_le16(i->at + i->used, key);
    put_le32(i->at + i->used + 2, n);
    memcpy(i->at + i->used + 6, bytes, n);
    i->used += 6 + n;
}

static void add_number(struct items *i, uint16_t key, uint64_t value, uint32_t n)
{
    uint8_t bytes[8];

    store_le(bytes, sizeof bytes, value);
    add(i, key, bytes, n);
}

uint32_t preset_fw_cfg(const struct arguments *a, uint8_t items[PRESET_FW_CFG])
{
    struct items i = { items, 0 };

    add(&i, 0x0000, "QEMU", 4);
    add_number(&i, 0x0001, 1, 4);
    add(&i, 0x0002, a->uuid, sizeof a->uuid);
    add_number(&i, 0x0003, (uint64_t)a->config.ram_mib << 20, 8);
    add_number(&i, 0x0004, a->config.nographic, 2);
    add_number(&i, 0x0005, a->config.vcpus, 2);
    add_number(&i, 0x000d, 0, 8);
    add_number(&i, 0x000e, 0, 2);
    add_number(&i, 0x000f, a->config.max_vcpus, 2);
    add_number(&i, 0x0019, 0, 4);
    return i.used;
}
