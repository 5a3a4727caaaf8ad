/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish - stores that a guest sees without asking: a descriptor's "done".
 *
 * A card hands a descriptor back by a store to guest memory, which the guest polls. If its process
 * died between that store and the commit of its state, the successor would work on a descriptor
 * that the guest has used again meanwhile. So such stores are announced within the event and done
 * by event_close(), after the commit and before interrupt lines change; a successor does late what
 * is missing, but only where the descriptor still is what it was. Frames and buffers, which the
 * guest does not look at before, are written by dma_write() as ever.
 *
 * Source: docs/architecture.md, "Events are transactions".
 */
#ifndef HW_CORE_PUBLISH_H
#define HW_CORE_PUBLISH_H

#include "hw/core/device.h"

enum {
    PUBLISH_STORES = 128, /* in one event, of all devices */
    PUBLISH_BYTES = 16,
};

/* Store `value` over what is `old` now, both len bytes (4, 8 or 16; `at` aligned to 8 if it is 8 or
 * 16, else to 4), when the running event has committed. It becomes visible from low to high, 16
 * bytes as two stores of 8, so what says "done" is in the last one. False: the event has announced
 * PUBLISH_STORES already, or the device may not master the bus; nothing is announced then. */
MUST_CHECK bool device_publish(struct device *d, gpa_t at, const void *old, const void *value,
                               size_t len);

/* How many more this event may announce. */
unsigned device_publish_room(const struct device *d);

#endif
