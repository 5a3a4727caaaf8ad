/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rom - option ROM images (SeaVGABIOS, iPXE) as files of the host, mapped read-only.
 *
 * Nothing is copied: pages that the firmware reads come from the page cache.
 * Source: PCI Firmware Specification 3.0, chapter 5 (image header and PCI data structure).
 */
#ifndef FIRMWARE_ROM_H
#define FIRMWARE_ROM_H

#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct rom {
    const uint8_t *bytes; /* NULL when there is none */
    uint32_t size;        /* of the file */
    char path[256];       /* where it was found */
};

#define ROM_VGA_STD "vgabios-stdvga.bin"

/* Find the file `name` in `dir`, or, if that is NULL, where Debian, Fedora, SUSE and Xen's own
 * build put such files; map it and check that it is an option ROM for the PCI function
 * vendor:device. A name with a slash is a path. On failure *rom is empty and the sentence says
 * what was looked for and where: -ENOENT, -EINVAL (not such an image) or another -errno. */
MUST_CHECK int rom_load(const char *name, const char *dir, uint16_t vendor, uint16_t device,
                        struct rom *rom, struct error *e);

/* Unmap; an empty one is nothing. */
void rom_unload(struct rom *rom);

/* Checks an image in memory: 0, or -EINVAL with a sentence beginning with `who`. */
MUST_CHECK int rom_check(const char *who, const uint8_t *bytes, uint32_t size, uint16_t vendor,
                         uint16_t device, struct error *e);

#endif
