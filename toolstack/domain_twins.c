/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_twins - an emulated hard disk lets its PV twin, in the PV worker, have the image, and
 * takes it back: the device model's side of hw/xen/handover.h.
 *
 * While PV wants a disk its gate is closed: the emulated disk aborts what would touch the image.
 * What runs is brought to its end by a flush, which comes after all writes before it and does not
 * hold up the loop; then PV has the disk. A successor that finds a disk yielded comes up with the
 * gate closed; but what its predecessor had begun goes on, and ends before PV has the disk. CD-ROMs
 * are only read and have no gate: to PV they are not there.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/block.h"
#include "hw/storage/ide_media.h"
#include "toolstack/domain_private.h"

static_assert(HANDOVER_SLOTS == PC_DISKS, "a slot for each");

static void wake_pv(struct domain *d)
{
    if (d->wake_pv >= 0 && eventfd_write(d->wake_pv, 1) < 0)
        return; /* it has not looked since 2^64 - 1 times: it will */
}

static void look(struct domain_twin *t);

static void flushed(struct block_req *r, int result)
{
    struct domain_twin *t = r->opaque;

    if (result < 0)
        log_error("flushing %s for its PV twin failed: %s", t->block->path, strerror(-result));
    if (handover_drained(&t->side))
        wake_pv(t->d);
    else
        look(t);
}

/* What does PV want? */
static void look(struct domain_twin *t)
{
    if (t->block && handover_drain_due(&t->side)) {
        t->flush = (struct block_req){ .op = BLOCK_FLUSH, .done = flushed, .opaque = t };
        if (block_submit(t->block, &t->flush))
            flushed(&t->flush, t->flush.result);
    } else if (handover_granted(t->side.slot)) {
        wake_pv(t->d); /* it may have come back before we knew that it was away */
    }
}

/* The drain waits for writes only: a read or a flush may have been on its way when the disk was
 * yielded, and harms nobody. */
static bool may_go_on(struct domain_twin *t, const struct block_req *r)
{
    return handover_may_go_on(&t->side) || r->op == BLOCK_READ || r->op == BLOCK_FLUSH;
}

static bool gate(void *opaque, const struct block_req *r)
{
    struct domain_twin *t = opaque;

    if (r == &t->flush || (t->d->twins_served ? handover_may_use(&t->side) : may_go_on(t, r)))
        return true;
    guest_log_line(&t->block->log_limit, "disk",
                   "a PV driver of the guest has '%s': its emulated disk is not ready",
                   t->block->path);
    return false;
}

static void woken(void *opaque, uint32_t events)
{
    struct domain *d = opaque;
    char wakeups[64];

    (void)events;
    if (read(d->wake.fd, wakeups, sizeof wakeups) < 0)
        return;
    for (unsigned i = 0; i < PC_DISKS; i++)
        look(&d->twins[i]);
}

int domain_open_twins(struct domain *d, struct error *e)
{
    int page = supervised_take(d->s, SUPERVISED_HANDOVER), err;
    void *at;

    if (page < 0)
        return 0; /* not supervised, or by a version without it */
    at = mmap(NULL, sizeof *d->handover, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    err = -errno;
    close(page);
    if (at == MAP_FAILED)
        return error_set(e, err, "cannot map the page shared with the PV worker: %s",
                         strerror(-err));
    d->handover = at;
    d->wake = (struct loop_source){ .fd = supervised_take(d->s, SUPERVISED_WAKE_MODEL),
                                    .ready = woken,
                                    .opaque = d };
    d->wake_pv = supervised_take(d->s, SUPERVISED_WAKE_PV);
    for (unsigned i = 0; i < PC_DISKS; i++) {
        struct domain_twin *t = &d->twins[i];

        t->d = d;
        t->side.slot = &d->handover->slot[i];
        t->block = d->pc.cdrom[i] ? NULL : d->pc.disk[i];
        if (!t->block)
            continue;
        t->block->gate = gate;
        t->block->gate_opaque = t;
    }
    return 0;
}

int domain_serve_twins(struct domain *d, struct error *e)
{
    int err;

    if (!d->handover)
        return 0;
    machine_expired(d->m); /* devices issue again what was in flight */
    d->twins_served = true;
    err = loop_add(d->loop, &d->wake, EPOLLIN);
    if (err < 0)
        return error_set(e, err, "cannot listen to the PV worker: %s", strerror(-err));
    for (unsigned i = 0; i < PC_DISKS; i++) {
        if (!d->twins[i].block)
            handover_gone(&d->twins[i].side);
        look(&d->twins[i]);
    }
    wake_pv(d); /* a predecessor may not have come to that */
    return 0;
}

void domain_rest_twins(struct domain *d)
{
    if (!d->handover)
        return;
    loop_remove(d->loop, &d->wake);
    d->twins_served = false;
    for (unsigned i = 0; i < PC_DISKS; i++)
        while (d->twins[i].side.draining)
            block_drain(d->twins[i].block);
}

void domain_tell_unplugged(struct domain *d, unsigned place)
{
    struct domain_twin *t = &d->twins[place];

    t->block = NULL;
    if (!d->handover)
        return;
    handover_gone(&t->side);
    wake_pv(d);
}

int domain_tell_resized(struct domain *d)
{
    if (!d->handover)
        return -ENOTSUP;
    __atomic_add_fetch(&d->handover->resized, 1, __ATOMIC_RELEASE);
    wake_pv(d);
    return 0;
}

void domain_close_twins(struct domain *d)
{
    if (!d->handover)
        return;
    loop_remove(d->loop, &d->wake);
    close(d->wake.fd);
    close(d->wake_pv);
    munmap(d->handover, sizeof *d->handover);
    d->handover = NULL;
}
