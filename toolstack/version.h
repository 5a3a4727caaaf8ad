/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * version - our own version, and the one that QMP announces.
 */
#ifndef TOOLSTACK_VERSION_H
#define TOOLSTACK_VERSION_H

#include <config.h> /* made by configure: HVMDM_VERSION */

/* libxl chooses QMP commands by the version in the greeting: from 2.8 on CD commands use `id`, from
 * 2.11 on saving takes `live`. We speak the dialect of this one. */
#define QMP_VERSION_MAJOR 7
#define QMP_VERSION_MINOR 2
#define QMP_VERSION_MICRO 0

#endif
