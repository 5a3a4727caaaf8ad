/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_handover - a successor gets the guest while we stay alive, and we may be asked back.
 *
 * What is handed over: the ioreq server with its ranges, slots and ring; the arena; all
 * descriptors. Nothing of it is touched from then on, not even on the way out. Absent: connections
 * of QMP and control socket end with every handover, also with one that is taken back.
 */
#include "chardev/chardev.h"
#include "ioreq/xen.h"
#include "toolstack/ctl.h"
#include "toolstack/domain_private.h"
#include "toolstack/record/recorder.h"

static void rest(struct domain *d, bool on)
{
    for (unsigned i = 0; i < PC_SERIALS; i++)
        if (d->pc.serial[i])
            chardev_rest(d->pc.serial[i], on);
    domain_rest_nics(d, on);
    qmp_rest(d->qmp, on);
    ctl_rest(d->ctl, on);
}

/* Called from the loop, so no event is running. What the ring holds is executed, what the host was
 * asked for has ended; requests of vCPUs wait in their slots. */
void domain_hand_over(struct domain *d)
{
    if (d->leave)
        return;
    d->hv->ops->drain(d->hv);
    machine_drain(d->m);
    domain_rest_twins(d);
    rest(d, true);
    gmem_invalidate(machine_gmem(d->m));
    hv_xen_release(d->hv);
    d->leave = true;
}

/* The successor may have begun with the same state, and died over it. */
int domain_take_back(struct domain *d, struct error *e)
{
    int err;

    if (!d->leave)
        return 0;
    err = machine_adopted(d->m, false, e);
    if (err == 0)
        err = hv_xen_settle(d->hv, e);
    if (err == 0)
        err = hv_xen_start(d->hv, e);
    if (err < 0)
        return err;
    loop_give_up_quick(d->loop); /* signals went to the successor meanwhile */
    d->leave = false;
    rest(d, false);
    err = domain_serve_twins(d, e);
    if (err < 0)
        return err;
    recorder_start(d->recorder, &d->pc);
    hv_xen_scan(d->hv, machine_ring_next(d->m));
    return 0;
}
