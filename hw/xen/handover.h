/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handover - who may use a disk's image: the emulated disk in the device model, or its PV twin in
 * the PV worker. Never both.
 *
 * The two processes share a page with a slot for each emulated disk. A slot has two words, and each
 * side writes its own only; a store of one word is all that ever happens at once, so that either
 * side may die anywhere, and its successor goes on from the words. Nothing here waits or wakes
 * anybody: whoever has stored something wakes the other side, and looks at all slots when it comes
 * to life or is woken.
 *
 *     pv        rests, wants(turn)             a new turn each time it begins to want
 *     emulated  owns, yielded(turn), gone      gone: unplugged, or never there
 *
 * The PV side may use the image while it wants, and the emulated word says yielded with the same
 * turn, or gone. The emulated side may while its word says owns and pv does not want; it stores
 * yielded once all it had begun has ended, and takes back as soon as it sees pv rest. The turn
 * keeps an old answer from being taken for a new one.
 *
 * The other side's word is not trusted: whatever stands there means one of the above, and the worst
 * that it can do is to lie about this guest's own image. tests/unit/test_handover.c goes through
 * all interleavings.
 */
#ifndef HW_XEN_HANDOVER_H
#define HW_XEN_HANDOVER_H

#include "hw/core/bits.h"

enum { HANDOVER_SLOTS = 4 };

struct handover_slot {
    uint32_t emulated; /* written by the device model */
    uint32_t pv;       /* written by the PV worker */
    uint32_t unused[14];
};

/* All zero: the emulated disks own everything, and nobody wants it. */
struct handover_page {
    struct handover_slot slot[HANDOVER_SLOTS];
    uint32_t resized; /* counted up by the device model: an image has another size now */
};

/* ---- the PV worker's side */

/* Want it. True: it is ours already; else the other side is to be woken, and will wake us. Twice is
 * once, for a successor too. */
bool handover_claim(struct handover_slot *s);
bool handover_granted(const struct handover_slot *s); /* ours to use */
/* Nothing of ours is in flight any more. The other side is to be woken. */
void handover_release(struct handover_slot *s);

/* ---- the device model's side */

/* One emulated disk, rebuilt at start as { .slot = ... }. */
struct handover_side {
    struct handover_slot *slot;
    bool draining;
    bool used; /* since the draining began */
};

/* May a request begin now? Takes the disk back if PV rests. */
bool handover_may_use(struct handover_side *h);
/* May a request go on that a predecessor had begun? Until the drain has ended, whatever PV wants.
 */
bool handover_may_go_on(struct handover_side *h);
/* PV wants the disk, and nobody has begun to drain it yet: true, once, and the caller has to. If
 * not, PV may have it already and not know: then it is to be woken (handover_granted()). */
bool handover_drain_due(struct handover_side *h);
/* All that had begun before handover_drain_due() has ended, and is on the medium. True: PV has it
 * now and is to be woken; else ask handover_drain_due() again. */
bool handover_drained(struct handover_side *h);
/* The disk is unplugged, nothing of it in flight; PV is to be woken. */
void handover_gone(struct handover_side *h);

#endif
