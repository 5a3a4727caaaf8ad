/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * surface - a picture in memory, 32 bits per pixel.
 *
 * Absent: other pixel formats, strides wider than the picture, dirty regions.
 */
#ifndef DISPLAY_SURFACE_H
#define DISPLAY_SURFACE_H

#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

#define SURFACE_MAX 8192u /* pixels in either direction */

struct surface {
    uint32_t width, height; /* 1 to SURFACE_MAX, or 0 and no pixels */
    uint32_t *pixels;       /* 0x00RRGGBB, rows from the top, no padding */
};

/* Makes a black picture. -EINVAL outside 1..SURFACE_MAX, -ENOMEM; *s is then empty. */
MUST_CHECK int surface_init(struct surface *s, uint32_t width, uint32_t height, struct error *e);

/* Gives the pixels back and leaves *s empty. An empty surface is nothing. */
void surface_free(struct surface *s);

static inline size_t surface_bytes(const struct surface *s)
{
    return (size_t)s->width * s->height * sizeof *s->pixels;
}

#endif
