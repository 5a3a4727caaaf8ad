/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_start - how a device model gets its guest: alone, as the first one, or as a successor.
 *
 * The first one makes everything, gives the supervisor what must outlive it, and only then gives up
 * its privileges: no guest has run yet. A successor gives them up before it looks at what its
 * predecessor has left, because the guest may have had a hand in that.
 */
#include <errno.h>
#include <signal.h>

#include "hw/xen/refused.h"
#include "hw/xen/vkbd.h"
#include "ioreq/pv.h"
#include "ioreq/xen.h"
#include "toolstack/crash.h"
#include "toolstack/domain_private.h"
#include "toolstack/pv_consoles.h"
#include "toolstack/record/recorder.h"
#include "toolstack/xenstore.h"

/* --- The loop's questions. */

static uint64_t next_deadline(void *opaque)
{
    struct domain *d = opaque;

    crash_alive(); /* once each turn of the loop */
    return d->leave ? UINT64_MAX : machine_host_deadline(d->m);
}

static void deadline_expired(void *opaque)
{
    struct domain *d = opaque;

    if (!d->leave)
        tap_expired(recorder_tap(d->recorder), d->m);
}

static bool poll_guest(void *opaque)
{
    struct domain *d = opaque;

    return !d->leave && d->hv->ops->poll && d->hv->ops->poll(d->hv);
}

/* --- The guest's own wishes. */

static int sleep_state(struct domain *d, unsigned state)
{
    return d->s ? supervised_sleep_state(d->s, state) : d->hv->ops->set_sleep_state(d->hv, state);
}

static void guest_request(void *opaque, enum machine_request what)
{
    struct domain *d = opaque;
    int err;

    switch (what) {
    case MACHINE_RESET:
        log_info("the guest resets itself");
        err = d->hv->ops->shutdown(d->hv, HV_REBOOT);
        break;
    case MACHINE_POWEROFF:
        log_info("the guest powers off");
        err = d->hv->ops->shutdown(d->hv, HV_POWEROFF);
        break;
    default:
        err = sleep_state(d, 3);
        if (err == 0)
            domain_set_status(d, VM_SUSPENDED);
        break;
    }
    if (what != MACHINE_SLEEP && err == 0)
        domain_set_status(d, VM_SHUTDOWN);
    if (err < 0)
        log_error("the hypervisor refused what the guest asked for: %s", strerror(-err));
}

static void unplugged(void *opaque)
{
    domain_drop_unplugged(opaque);
}

/* --- Parts of all three. */

static void connect_machine(struct domain *d)
{
    struct request_sink sink;

    tap_machine(recorder_tap(d->recorder), d->m, guest_request, d);
    machine_on_unplug(d->m, unplugged, d);
    machine_sink(d->m, &sink);
    tap_sink(recorder_tap(d->recorder), &sink);
    hv_xen_set_sink(d->hv, &sink);
    /* The page is shared with the supervisor, who only reads it. */
    machine_watch(d->m, (uint64_t *)(uintptr_t)&supervised_vitals(d->s)->events);
    crash_watch_machine(d->m);
    d->hooks = (struct loop_hooks){ next_deadline, deadline_expired, poll_guest, d };
    loop_set_hooks(d->loop, &d->hooks);
}

/* From here on we can open nothing by name, and act on no other domain. The Xen libraries' handles
 * for xenstore and grants would be dead: there are none in a supervised device model. */
static int confine(struct domain *d, struct error *e)
{
    int err = 0;

    if (!d->s)
        return 0;
    if (d->box.enabled || d->config->domid_restrict)
        err = hv_xen_restrict(d->hv, e);
    if (err == 0) {
        sandbox_leave_network(&d->box, d->s);
        err = sandbox_enter(&d->box, e);
    }
    if (err == 0) {
        err = supervised_bind_life(d->s); /* the change of ids has undone it */
        if (err < 0)
            error_set(e, err, "the supervisor is gone");
    }
    return err;
}

static int tell_ready(struct domain *d, struct error *e)
{
    int err = supervised_ready(d->s);

    if (err < 0)
        return error_set(e, err, "the supervisor is gone: %s", strerror(-err));
    return 0;
}

/* --- Alone, or the first one. */

static int make_server(struct domain *d, struct error *e)
{
    int err = arena_create(&d->arena, DOMAIN_ARENA_BYTES, e);

    if (err == 0)
        err = domain_add_record(d, e);
    if (err == 0)
        err = hv_xen_attach(d->loop, d->config->domid, &d->hv, e);
    if (err == 0)
        err = hv_xen_create(d->hv, d->kept, e);
    if (err == 0)
        supervised_vitals(d->s)->server = hv_xen_server(d->hv) + 1;
    return err;
}

/* Without a supervisor the back ends are in this process, and xenstore is ours to tell. */
static int open_pv(struct domain *d, struct error *e)
{
    int err = xenstore_open(d->loop, NULL, &d->xs, e);

    if (err == 0)
        err = pv_xen_open(d->loop, d->config->domid, &d->pv, e);
    if (err == 0)
        err = vkbd_open(d->xs, d->config->domid, &d->vkbd, e);
    if (err == 0)
        err = pv_consoles_open(d->loop, d->config, NULL, &d->consoles, e);
    if (err == 0)
        err = pv_consoles_serve(d->consoles, d->xs, d->pv, NULL, e);
    if (err == 0)
        err = refused_open(d->xs, d->config->domid, &d->refused, e);
    if (err == 0)
        vkbd_set_pv(d->vkbd, d->pv);
    return err;
}

static int start_fresh(struct domain *d, struct error *e)
{
    int err = make_server(d, e);

    if (err == 0)
        err = domain_open_host(d, e);
    if (err == 0)
        err = domain_build(d, e);
    if (err == 0)
        err = domain_open_control(d, e);
    if (err == 0 && !d->s)
        err = open_pv(d, e);
    if (err < 0)
        return err;
    connect_machine(d);
    domain_fill_record(d);
    domain_set_status(d, d->config->start_paused ? VM_PRELAUNCH : VM_RUNNING);
    machine_set_running(d->m, !d->config->start_paused);
    err = domain_hold(d, "arena", d->arena.fd, e);
    if (err == 0)
        err = confine(d, e);
    if (err == 0)
        recorder_start(d->recorder, &d->pc);
    if (err == 0)
        err = hv_xen_start(d->hv, e);
    if (err == 0)
        err = domain_serve_twins(d, e);
    if (err == 0)
        err = d->s ? tell_ready(d, e) : xenstore_say_running(d->xs, d->config->domid, e);
    return err;
}

/* --- A successor. */

static bool own_fault(uint32_t death)
{
    return death == SIGSEGV || death == SIGBUS || death == SIGILL || death == SIGFPE ||
           death == SIGABRT || death == SIGSYS || death == SUPERVISED_WATCHDOG;
}

/* All that needs privileges. Nothing is looked at that the guest could have written. */
static int open_for_adoption(struct domain *d, struct error *e)
{
    bool upgrade = supervised_death(d->s) == SUPERVISED_UPGRADE;
    int err = hv_xen_attach(d->loop, d->config->domid, &d->hv, e);

    if (err == 0)
        err = domain_open_host(d, e);
    if (err == 0)
        err = domain_open_control(d, e);
    if (err == 0 && upgrade)
        err = arena_create(&d->spare, DOMAIN_ARENA_BYTES, e);
    return err;
}

static int adopt(struct domain *d, struct error *e)
{
    int fd = supervised_take(d->s, "arena");
    int err = fd < 0 ? error_set(e, -EBADF, "the supervisor does not have the state arena")
                     : arena_adopt(&d->arena, fd, e);

    if (err == 0)
        err = domain_take_state(d, own_fault(supervised_death(d->s)), hv_xen_adopt, e);
    if (err == 0)
        err = domain_check_disks(d, e);
    if (err == 0)
        err = hv_xen_settle(d->hv, e);
    if (err < 0)
        return err;
    if (d->hv->ops->set_log_dirty)
        d->hv->ops->set_log_dirty(d->hv, d->record->log_dirty);
    supervised_vitals(d->s)->server = hv_xen_server(d->hv) + 1;
    /* Our own copy counts from now on; the supervisor goes back to the other one if we do not get
     * ready. */
    if (d->spare.adopted) { /* it is the predecessor's arena now */
        hv_xen_keep(d->hv, d->kept);
        err = domain_hold(d, "arena", d->arena.fd, e);
    }
    return err;
}

/* With READY the guest is ours, and a predecessor that is still there ends; only then is anything
 * executed, since that could not be taken back. */
static int start_successor(struct domain *d, struct error *e)
{
    int err = open_for_adoption(d, e);

    if (err == 0)
        err = confine(d, e);
    if (err == 0)
        err = adopt(d, e);
    if (err < 0)
        return err;
    connect_machine(d);
    err = hv_xen_start(d->hv, e);
    if (err == 0)
        err = tell_ready(d, e);
    if (err < 0)
        return err;
    d->leave = false;
    err = domain_serve_twins(d, e);
    if (err < 0)
        return err;
    arena_destroy(&d->spare);
    if (!supervised_vitals(d->s)->quiet)
        log_info("generation %u serves the guest now", (unsigned)supervised_generation(d->s));
    if (supervised_death(d->s) == SUPERVISED_UPGRADE)
        machine_trust_again(d->m);
    domain_drop_unplugged(d);
    recorder_start(d->recorder, &d->pc);
    hv_xen_scan(d->hv, machine_ring_next(d->m));
    return 0;
}

int domain_start(struct domain *d, struct error *e)
{
    int err;

    d->successor = d->s && supervised_generation(d->s) > 0;
    d->leave = d->successor;
    err = sandbox_for_worker(&d->box, d->config, d->s, e);
    if (err < 0)
        return err;
    err = d->successor ? start_successor(d, e) : start_fresh(d, e);
    if (err == 0 && supervised_want_pv(d->s) < 0)
        log_warn("the supervisor does not start the PV back ends");
    return err;
}
