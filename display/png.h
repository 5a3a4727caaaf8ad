/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * png - writes a surface as a PNG file.
 *
 * Format: W3C PNG specification (third edition), RFC 1950 (zlib), RFC 1951 (deflate).
 * Absent: reading; palettes, alpha, interlacing; matches other than repeats of the byte before
 *         (pictures of a screen shrink well enough, and no library has to be loaded).
 */
#ifndef DISPLAY_PNG_H
#define DISPLAY_PNG_H

#include "display/surface.h"

/* Writes 8-bit RGB to a descriptor, which may be a pipe. Constant memory. 0, or -errno with a
 * sentence; what was written until then stays. May block on fd: not for the event loop. */
MUST_CHECK int png_encode(const struct surface *s, int fd, struct error *e);

#endif
