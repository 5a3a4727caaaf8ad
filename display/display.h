/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display - where a screen and those who look at it meet.
 *
 * A VGA attaches a function that draws the picture as it is now; a screenshot (later a VNC server)
 * calls it. Nothing is drawn while nobody looks.
 */
#ifndef DISPLAY_DISPLAY_H
#define DISPLAY_DISPLAY_H

#include "display/surface.h"
#include "hw/core/error.h"

struct display {
    /* Allocate and draw *out (surface_init). 0, or -errno with a sentence. */
    int (*draw)(void *opaque, struct surface *out, struct error *e);
    void *opaque;
};

#endif
