/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * png - writes a surface as a PNG file, with libpng.
 *
 * Used by hvmdm-ctl; the device model itself sends pixels and does not load the library.
 * Absent: reading.
 */
#ifndef DISPLAY_PNG_H
#define DISPLAY_PNG_H

#include "display/surface.h"

/* Writes 8-bit RGB to a descriptor, which may be a pipe. 0, or -errno with a
 * sentence; what was written until then stays. May block on fd: not for the event loop. */
MUST_CHECK int png_encode(const struct surface *s, int fd, struct error *e);

#endif
