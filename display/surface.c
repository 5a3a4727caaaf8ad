/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * surface - a picture in memory. Absent: see surface.h.
 */
#include "display/surface.h"

#include <errno.h>
#include <stdlib.h>

int surface_init(struct surface *s, uint32_t width, uint32_t height, struct error *e)
{
    *s = (struct surface){ 0 };
    if (width < 1 || width > SURFACE_MAX || height < 1 || height > SURFACE_MAX)
        return error_set(e, -EINVAL, "a picture of %u by %u pixels is outside 1..%u", width, height,
                         SURFACE_MAX);
    s->pixels = calloc((size_t)width * height, sizeof *s->pixels);
    if (!s->pixels)
        return error_set(e, -ENOMEM, "no memory for a picture of %u by %u pixels", width, height);
    s->width = width;
    s->height = height;
    return 0;
}

void surface_free(struct surface *s)
{
    free(s->pixels);
    *s = (struct surface){ 0 };
}
