/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain - see domain.h. Here: the frame around it, and how everything ends. */
#include "toolstack/domain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "hw/xen/refused.h"
#include "hw/xen/vkbd.h"
#include "ioreq/pv.h"
#include "ioreq/quick.h"
#include "ioreq/xen.h"
#include "toolstack/crash.h"
#include "toolstack/ctl.h"
#include "toolstack/domain_private.h"
#include "toolstack/pv_consoles.h"
#include "toolstack/record/recorder.h"
#include "toolstack/xenstore.h"

/* --- Signals: libxl sends SIGHUP and does not wait. */

static int asked_to_end =
    -1; /* a pipe: unlike a signalfd it can wake a loop that sleeps in a read */

static void ask_to_end(int sig)
{
    int before = errno;
    ssize_t n = write(asked_to_end, "", 1); /* full: it has been asked already */

    (void)sig;
    (void)n;
    errno = before;
}

static void signal_ready(void *opaque, uint32_t events)
{
    struct domain *d = opaque;

    (void)events;
    loop_stop(d->loop);
}

static int catch_signals(struct domain *d, struct error *e)
{
    static const int signals[] = { SIGHUP, SIGTERM, SIGINT };
    int ends[2], err = 0;

    signal(SIGPIPE, SIG_IGN);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return error_set(e, -errno, "cannot receive signals: %s", strerror(errno));
    asked_to_end = ends[1];
    d->signals = (struct loop_source){ .fd = ends[0], .ready = signal_ready, .opaque = d };
    for (size_t i = 0; i < ARRAY_SIZE(signals) && err == 0; i++)
        err = quick_catch(signals[i], ask_to_end);
    if (err < 0)
        return error_set(e, err, "cannot receive signals: %s", strerror(-err));
    return loop_add(d->loop, &d->signals, EPOLLIN);
}

/* --- The supervisor. Without it we end: nobody could look after what we leave. */

static void end(void *opaque)
{
    loop_stop(((struct domain *)opaque)->loop);
}

/* The server goes with the supervisor, even if it has been handed over. */
static void gone(void *opaque)
{
    struct domain *d = opaque;

    if (d->hv)
        hv_xen_forsake(d->hv);
    loop_stop(d->loop);
}

static void hand_over(void *opaque)
{
    struct domain *d = opaque;

    domain_hand_over(d);
    if (supervised_handed_over(d->s) < 0)
        loop_stop(d->loop);
}

static void resume(void *opaque)
{
    struct domain *d = opaque;
    struct error e = { "" };

    d->result = domain_take_back(d, &e);
    if (d->result == 0)
        return;
    log_error("%s", e.text);
    loop_stop(d->loop);
}

static int meet_supervisor(struct domain *d, struct error *e)
{
    const struct supervised_calls calls = {
        .quit = end, .hand_over = hand_over, .resume = resume, .gone = gone, .opaque = d
    };
    int err;

    if (!d->s)
        return 0;
    err = supervised_bind_life(d->s);
    if (err == 0)
        err = supervised_listen(d->s, d->loop, &calls);
    if (err < 0)
        return error_set(e, err, "the supervisor is gone: %s", strerror(-err));
    return crash_install(supervised_vitals(d->s), e);
}

/* --- The end. The order matters: nothing may reach a device, or use a mapping, that is gone
 * already. */
static void stop(struct domain *d)
{
    if (d->leave && d->hv)
        hv_xen_release(d->hv);
    if (d->leave && d->ctl)
        ctl_rest(d->ctl, true);
    ctl_close(d->ctl);
    refused_close(d->refused);
    pv_consoles_close(d->consoles);
    vkbd_close(d->vkbd);
    if (d->pv)
        d->pv->ops->destroy(d->pv);
    if (d->qmp)
        qmp_free(d->qmp);
    if (d->m && !d->leave) {
        machine_drain(d->m);
        recorder_finish(d->recorder);
    }
    crash_watch_machine(NULL);
    machine_free(d->m);
    if (d->hv)
        d->hv->ops->destroy(d->hv);
    domain_close_host(d);
    domain_close_twins(d);
    recorder_free(d->recorder);
    arena_destroy(&d->arena);
    arena_destroy(&d->spare);
    xenstore_close(d->xs);
    if (d->signals.active) {
        loop_remove(d->loop, &d->signals);
        close(d->signals.fd);
        close(asked_to_end);
        asked_to_end = -1;
    }
    supervised_close(d->s);
    loop_free(d->loop);
}

int domain_live(struct domain *d, struct error *e)
{
    int err = 0;

    d->arena.fd = d->spare.fd = d->wake.fd = d->wake_pv = -1;
    d->loop = loop_new();
    if (!d->loop) {
        err = error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
        supervised_close(d->s);
        return err;
    }
    loop_use_quick(d->loop);
    err = catch_signals(d, e);
    if (err == 0)
        err = meet_supervisor(d, e);
    if (err == 0)
        err = domain_start(d, e);
    if (err == 0)
        loop_run(d->loop);
    else
        supervised_say(d->s, e->text);
    if (err < 0 && d->hv && supervised_bind_life(d->s) == -ESRCH)
        hv_xen_forsake(d->hv); /* it died before we had the guest */
    stop(d);
    return err < 0 ? err : d->result;
}

int domain_run(const struct config *c, struct supervised *s, struct error *e)
{
    struct domain d = { .config = c, .directory = CTL_DIRECTORY, .s = s };

    log_set_domain(c->domid);
    return domain_live(&d, e);
}

/* --- The probe of newer toolstacks. */

static int listen_qmp(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    int err = 0;

    d->qmp = qmp_new(d->loop, &domain_probe_ops, d);
    if (!d->qmp)
        return error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < c->nqmp && err == 0; i++)
        err = c->qmp[i].path ? qmp_listen_path(d->qmp, c->qmp[i].path, e)
                             : qmp_listen_fd(d->qmp, c->qmp[i].fd, e);
    return err;
}

int domain_probe(const struct config *c, struct error *e)
{
    struct domain d = { .config = c,
                        .arena.fd = -1,
                        .spare.fd = -1,
                        .wake.fd = -1,
                        .wake_pv = -1,
                        .status = VM_PRELAUNCH };
    int err;

    d.loop = loop_new();
    if (!d.loop)
        return error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
    err = catch_signals(&d, e);
    if (err == 0)
        err = listen_qmp(&d, e);
    if (err == 0)
        loop_run(d.loop);
    stop(&d);
    return err;
}
