/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_worker - see pv_worker.h.
 *
 * It holds nothing that must survive: what a successor needs is in xenstore, in the pages that the
 * guest has granted, and (channels) in descriptors that the supervisor has too. So a hand-over is
 * to let go, and taking back is to adopt like anybody else. Order at start: everything that has to
 * be opened, then the sandbox, then the first look at what the guest has written.
 *
 * When the connection to xenstore is lost, what was missed cannot be known. The guest's connections
 * are served on, until xenstore answers again (it may not for a while, or never, and a successor
 * could not start); then this process ends, with an error, and a successor takes them over.
 */
#include "toolstack/pv_worker.h"

#include <errno.h>
#include <signal.h>

#include "hw/core/log.h"
#include "hw/xen/blkback.h"
#include "hw/xen/refused.h"
#include "hw/xen/vkbd.h"
#include "toolstack/crash.h"
#include "toolstack/pv_consoles.h"
#include "toolstack/pv_disks.h"
#include "toolstack/pv_qmp.h"
#include "toolstack/sandbox.h"
#include "toolstack/xenstore.h"

enum { AGAIN_MS = 1000 };
#define NEVER UINT64_MAX

struct pv_worker {
    struct supervised *s;
    struct loop *loop;
    struct loop_hooks hooks; /* the loop borrows them */
    struct xenstore *x;
    uint64_t again_at; /* ask for another connection to xenstore; NEVER: it is not lost */
    struct error why;  /* it was */
    struct pv *pv;
    struct vkbd *vkbd;
    struct pv_consoles *consoles;
    struct refused *refused;
    struct pv_disks *disks;
    struct blkback *blkback;
    struct pv_qmp *qmp; /* NULL: the device model has that */
    struct sandbox box;
    int result; /* of the loop: 0, or -errno when going on was impossible */
};

static void hand_over(void *opaque)
{
    struct pv_worker *w = opaque;

    vkbd_pause(w->vkbd);
    pv_consoles_pause(w->consoles);
    refused_pause(w->refused);
    blkback_pause(w->blkback);
    pv_disks_pause(w->disks);
    pv_qmp_rest(w->qmp, true);
    if (supervised_handed_over(w->s) < 0)
        log_warn("the supervisor does not hear that the PV worker has handed over");
}

/* A predecessor's connections go on. */
static int serve(struct pv_worker *w, struct error *e)
{
    vkbd_resume(w->vkbd);
    pv_consoles_resume(w->consoles);
    refused_resume(w->refused);
    blkback_resume(w->blkback);
    pv_qmp_rest(w->qmp, false);
    if (xenstore_why_lost(w->x))
        return error_set(e, -ENOTCONN, "xenstore cannot be asked: %s", xenstore_why_lost(w->x));
    return pv_disks_resume(w->disks, w->blkback, e);
}

static void resume(void *opaque)
{
    struct pv_worker *w = opaque;
    struct error e = { "" };

    w->result = serve(w, &e);
    if (w->result == 0)
        return;
    log_error("%s", e.text);
    loop_stop(w->loop);
}

static void xenstore_lost(void *opaque)
{
    struct pv_worker *w = opaque;

    if (!w->why.text[0])
        error_set(&w->why, 0, "the connection to xenstore was lost: %s", xenstore_why_lost(w->x));
    w->again_at = loop_now() + AGAIN_MS * UINT64_C(1000000);
}

static void xenstore_back(void *opaque)
{
    struct pv_worker *w = opaque;

    supervised_say(w->s, w->why.text);
    w->result = -ENOTCONN;
    loop_stop(w->loop);
}

static void ask_again(struct pv_worker *w)
{
    int fd = supervised_xenstore(w->s);

    w->again_at = NEVER;
    if (fd < 0 || xenstore_reconnect(w->x, fd) < 0)
        xenstore_lost(w);
}

/* Asked at each turn of the loop. */
static uint64_t deadline(void *opaque)
{
    const struct pv_worker *w = opaque;
    uint64_t disks = pv_disks_deadline(w->disks);

    crash_alive();
    return disks < w->again_at ? disks : w->again_at;
}

static void expired(void *opaque)
{
    struct pv_worker *w = opaque;

    pv_disks_expired(w->disks);
    if (w->again_at <= loop_now())
        ask_again(w);
}

static int bind_life(struct pv_worker *w, struct error *e)
{
    int err = supervised_bind_life(w->s);

    return err < 0 ? error_set(e, err, "the supervisor is gone: %s", strerror(-err)) : 0;
}

static int open_xenstore(struct pv_worker *w, struct error *e)
{
    const struct xenstore_calls calls = { .lost = xenstore_lost,
                                          .back = xenstore_back,
                                          .opaque = w };
    int fd = supervised_xenstore(w->s), err;

    if (fd < 0)
        return error_set(e, fd, "the supervisor gives no connection to xenstore: %s",
                         strerror(-fd));
    err = xenstore_open_fd(w->loop, fd, &w->x, e);
    if (err == 0)
        xenstore_tell(w->x, &calls);
    return err;
}

static int confine(struct pv_worker *w, struct error *e)
{
    int err;

    sandbox_leave_network(&w->box, w->s);
    err = sandbox_enter(&w->box, e);
    return err < 0 ? err : bind_life(w, e); /* a change of ids unties it */
}

static int open_back_ends(struct pv_worker *w, unsigned domid, struct error *e)
{
    volatile uint64_t *events = &supervised_vitals(w->s)->events;
    int err = vkbd_open(w->x, domid, &w->vkbd, e);

    if (err < 0)
        return err;
    vkbd_set_pv(w->vkbd, w->pv);
    vkbd_count(w->vkbd, events);
    err = pv_consoles_serve(w->consoles, w->x, w->pv, events, e);
    if (err == 0)
        err = refused_open(w->x, domid, &w->refused, e);
    if (err == 0)
        err = blkback_open(w->x, domid, w->loop, w->pv, pv_disks_host(w->disks), &w->blkback, e);
    if (err == 0)
        blkback_count(w->blkback, events);
    return err;
}

static int start(struct pv_worker *w, const struct config *c, pv_open_fn *open, struct error *e)
{
    const struct supervised_calls calls = { .hand_over = hand_over, .resume = resume, .opaque = w };
    int err = bind_life(w, e);

    if (err == 0)
        err = crash_install(supervised_vitals(w->s), e);
    if (err == 0)
        err = sandbox_for_worker(&w->box, c, w->s, e);
    if (err == 0)
        err = open_xenstore(w, e);
    if (err == 0)
        err = open(w->loop, c->domid, &w->pv, e);
    if (err == 0)
        err = pv_consoles_open(w->loop, c, w->s, &w->consoles, e);
    if (err == 0)
        err = pv_disks_open(w->loop, w->s, &w->disks, e);
    if (err == 0 && c->machine == CONFIG_MACHINE_XENPV)
        err = pv_qmp_open(w->loop, c, w->s, w->disks, &w->qmp, e);
    if (err == 0)
        err = confine(w, e);
    if (err == 0)
        err = open_back_ends(w, c->domid, e);
    if (err == 0)
        err = serve(w, e); /* before we are ready */
    if (err < 0)
        return err;
    w->hooks = (struct loop_hooks){ .deadline = deadline, .expired = expired, .opaque = w };
    loop_set_hooks(w->loop, &w->hooks);
    err = supervised_listen(w->s, w->loop, &calls);
    if (err == 0)
        err = supervised_ready(w->s);
    return err < 0 ? error_set(e, err, "the supervisor is gone: %s", strerror(-err)) : 0;
}

static void stop(struct pv_worker *w)
{
    pv_qmp_close(w->qmp);
    blkback_close(w->blkback);
    pv_disks_close(w->disks);
    refused_close(w->refused);
    pv_consoles_close(w->consoles);
    vkbd_close(w->vkbd);
    if (w->pv)
        w->pv->ops->destroy(w->pv);
    xenstore_close(w->x);
    supervised_close(w->s);
    loop_free(w->loop);
}

int pv_worker_serve(struct supervised *s, const struct config *c, pv_open_fn *open, struct error *e)
{
    struct pv_worker w = { .s = s, .again_at = NEVER };
    int err;

    log_set_domain(c->domid);
    signal(SIGIO, SIG_IGN); /* a captured device model of this user might send it */
    w.loop = loop_new();
    if (!w.loop) {
        err = error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
        supervised_close(s);
        return err;
    }
    err = start(&w, c, open, e);
    if (err == 0) {
        loop_run(w.loop);
        err = w.result;
    }
    if (err < 0 && !e->text[0])
        error_set(e, err, "%s", w.why.text);
    stop(&w);
    return err;
}

#ifdef CONFIG_XEN
int pv_worker_run(struct supervised *s, const struct config *c, struct error *e)
{
    return pv_worker_serve(s, c, pv_xen_open_confined, e);
}
#endif
