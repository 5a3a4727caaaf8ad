/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bits - small helpers every file uses: register fields, little-endian bytes, alignment.
 */
#ifndef HW_CORE_BITS_H
#define HW_CORE_BITS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK    __attribute__((warn_unused_result))

/* HAS(s, BMISX, DMAERR) tests bit BMISX_DMAERR of s->BMISX: pasting the two names makes a field of
 * the wrong register a compile error. */
#define HAS(s, reg, field) (((s)->reg & (reg##_##field)) != 0)
#define SET(s, reg, field) ((s)->reg = (__typeof__((s)->reg))((s)->reg | (reg##_##field)))
#define CLR(s, reg, field)                                                                         \
    ((s)->reg = (__typeof__((s)->reg))((s)->reg & ~(unsigned)(reg##_##field)))

static inline uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64(const uint8_t *p)
{
    return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
    put_le16(p, (uint16_t)v);
    put_le16(p + 2, (uint16_t)(v >> 16));
}

/* `width` low bytes of little-endian data, width 1 to 8. */
static inline uint64_t load_le(const void *p, unsigned width)
{
    uint64_t v = 0;

    memcpy(&v, p, width <= 8 ? width : 8); /* x86 hosts only: little endian */
    return v;
}

static inline void store_le(void *p, unsigned width, uint64_t v)
{
    memcpy(p, &v, width <= 8 ? width : 8);
}

/* All ones in `width` bytes (1, 2, 4, 8): what an access that nobody claims reads. */
static inline uint64_t ones(unsigned width)
{
    return width >= 8 ? UINT64_MAX : (UINT64_C(1) << (width * 8)) - 1;
}

#endif
