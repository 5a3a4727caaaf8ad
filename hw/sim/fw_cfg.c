/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg - the firmware configuration ports 510h and 511h of the test board; there are none under
 * Xen.
 *
 * Source:  the selector and data ports that clients of the test port read RAM size and files from.
 * Present: selection by a 16-bit write, reading byte by byte, zeroes behind an item. The items are
 *          those in the wiring's `rom`: each has its key (2 bytes) and length (4), then its bytes.
 * Absent:  writing, the DMA register.
 */
#include "hw/core/device.h"

enum { SELECTOR = 0, DATA = 1, HEADER = 6 };

#define FW_CFG_STATE(F, A, S)                                                                      \
    F(S, uint16_t, KEY, ANY, 1)                                                                    \
    F(S, uint32_t, OFFSET, ANY, 1)
STATE_DEFINE(fw_cfg, FW_CFG_STATE);

/* The byte of the selected item at OFFSET; 0 if there is none. */
static uint8_t byte_at(const struct wiring *w, const struct fw_cfg_state *s)
{
    for (uint32_t at = 0, size; w->rom && at + HEADER <= w->rom_size; at += HEADER + size) {
        size = le32(w->rom + at + 2);
        if (size > w->rom_size - at - HEADER)
            return 0;
        if (le16(w->rom + at) == s->KEY)
            return s->OFFSET < size ? w->rom[at + HEADER + s->OFFSET] : 0;
    }
    return 0;
}

static uint64_t fw_cfg_read(struct device *d, uint32_t offset, unsigned width)
{
    struct fw_cfg_state *s = d->state;
    uint8_t value;

    if (offset != DATA || width != 1)
        return 0;
    value = byte_at(&d->host, s);
    if (s->OFFSET < UINT32_MAX)
        s->OFFSET++;
    return value;
}

static void fw_cfg_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct fw_cfg_state *s = d->state;

    if (offset != SELECTOR || width != 2)
        return;
    s->KEY = (uint16_t)value;
    s->OFFSET = 0;
}

static const struct region fw_cfg_regions[] = {
    { .name = "fw_cfg",
      .space = BUS_PIO,
      .size = 2,
      .widths = 1 | 2,
      .read = fw_cfg_read,
      .write = fw_cfg_write },
};

const struct device_ops fw_cfg_ops = {
    .name = "fw_cfg",
    .size = sizeof(struct device),
    .state = &fw_cfg_desc,
    .regions = fw_cfg_regions,
    .nregions = ARRAY_SIZE(fw_cfg_regions),
};
