/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide_media - the control side of the IDE function's CD-ROM drives: what `eject` and `change` do.
 *
 * `d` is the piix3_ide device, `disk` the drive's place (channel * 2 + unit). Each call is an event
 * of its own: not to be made from inside a handler of the device.
 */
#ifndef HW_STORAGE_IDE_MEDIA_H
#define HW_STORAGE_IDE_MEDIA_H

#include "hw/core/device.h"

struct ide_tray {
    bool open;
    bool locked;          /* by the guest (PREVENT MEDIUM REMOVAL) */
    struct block *medium; /* what lies in the tray; NULL nothing */
};

/* Open the tray and take the medium out; on success the device no longer uses it and the caller
 * may close it. -ENODEV: no CD-ROM drive there. -EBUSY: the guest holds the door locked and `force`
 * is false; the guest is told that somebody wants the medium, so a later try may succeed. An empty
 * drive is 0. */
MUST_CHECK int ide_eject(struct device *d, unsigned disk, bool force, struct error *e);

/* Put a medium in (borrowed until ejected) and close the tray; the guest sees a medium change.
 * -ENODEV as above; -EBUSY: there is a medium already; -EINVAL: no block. */
MUST_CHECK int ide_insert(struct device *d, unsigned disk, struct block *medium, struct error *e);

/* A hard disk: true if it has been unplugged. The device does not use its image any more then, and
 * the caller may close it. */
bool ide_let_go(struct device *d, unsigned disk);

/* The state of the tray. -ENODEV as above. */
MUST_CHECK int ide_tray(struct device *d, unsigned disk, struct ide_tray *out, struct error *e);

#endif
