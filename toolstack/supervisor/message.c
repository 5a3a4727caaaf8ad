/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * message - what workers say to the supervisor.
 *
 * They are not trusted: everything is bounded, and what a role has no business to ask is not heard.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/supervisor/private.h"

/* One message. `fd` is -1 or a descriptor; who keeps it sets it to -1. */
struct message {
    struct worker *w;
    const struct supervised_message *m;
    struct ucred who; /* the kernel's word */
    int fd;
};

/* What we have made ourselves, and use: a captured worker must not put something else there. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = { "vitals", SUPERVISED_HANDOVER, SUPERVISED_WAKE_MODEL,
                                        SUPERVISED_WAKE_PV };

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (!strcmp(name, ours[i]))
            return true;
    return false;
}

static void hold(struct message *c)
{
    struct worker *w = c->w;
    int ret = -EINVAL;

    if (!is_ours(c->m->name)) {
        ret = held_put(&w->held, c->m->name, c->fd);
        c->fd = -1;
    }
    if (ret == 0 && worker_is_main(w) && !strcmp(c->m->name, "ctl"))
        control_note_model(w->s);
    if (ret < 0)
        snprintf(w->said, sizeof w->said, "(what it wanted to be held was refused: %s)",
                 strerror(-ret));
}

static void drop(struct message *c)
{
    int ret = is_ours(c->m->name) ? -EINVAL : held_drop(&c->w->held, c->m->name);

    worker_tell(c->w, SUPERVISED_ACK, (uint32_t)-ret, c->m->name, -1);
}

static void ready(struct message *c)
{
    worker_ready(c->w, c->who.uid, c->who.gid);
}

static void sleep_state(struct message *c)
{
    const struct supervisor_options *o = c->w->s->o;
    uint32_t state = c->m->value;
    int ret = state == 0 || state == 3 ? o->xen->sleep_state(o->domid, state) : -EINVAL;

    if (ret < 0)
        guest_log_line(&c->w->log, worker_name(c->w),
                       "cannot set the sleep state of the domain to %u: %s", state, strerror(-ret));
}

static void want_pv(struct message *c)
{
    struct worker *pv = c->w->s->pv;

    if (pv->pid || pv->start_at != NEVER || pv->given_up || c->w->s->ending)
        return;
    worker_restart(pv, 0);
}

static void handed_over(struct message *c)
{
    upgrade_handed_over(c->w, c->m->value);
}

static void say(struct message *c)
{
    memcpy(c->w->said, c->m->text, sizeof c->w->said);
    text_clean(c->w->said, sizeof c->w->said);
}

static void open_disk(struct message *c)
{
    disks_open(c->w, c->m->value, c->m->more);
}

/* One door per worker; whoever asks again gets a new one. */
static void give_xenstore(struct message *c)
{
    struct worker *w = c->w;
    struct error e = { "" };
    int fd = -1, ret;

    broker_free(w->broker);
    w->broker = NULL;
    ret = broker_new(w->s->loop, w->s->o->domid, NULL, &w->broker, &fd, &e);
    if (ret < 0)
        guest_log_line(&w->log, worker_name(w), "%s", e.text);
    else
        broker_share_limit(w->broker, &w->log);
    worker_tell(w, SUPERVISED_XENSTORE_FD, (uint32_t)-ret, NULL, fd);
    if (fd >= 0)
        close(fd);
}

/* ---- */

enum { MODEL = 1u << SUPERVISED_MODEL, PV = 1u << SUPERVISED_PV };

static const struct {
    unsigned roles; /* that may say it */
    void (*run)(struct message *c);
} handlers[] = {
    [SUPERVISED_HOLD] = { MODEL | PV, hold },
    [SUPERVISED_DROP] = { MODEL | PV, drop },
    [SUPERVISED_READY] = { MODEL | PV, ready },
    [SUPERVISED_SLEEP_STATE] = { MODEL, sleep_state },
    [SUPERVISED_XENSTORE] = { PV, give_xenstore },
    [SUPERVISED_WANT_PV] = { MODEL, want_pv },
    [SUPERVISED_HANDED_OVER] = { MODEL | PV, handed_over },
    [SUPERVISED_SAY] = { MODEL | PV, say },
    [SUPERVISED_OPEN_DISK] = { PV, open_disk },
};

bool message_receive(struct worker *w)
{
    struct supervised_message m;
    struct message c = { .w = w, .m = &m };
    int ret;

    if (w->socket.fd < 0)
        return false;
    ret = supervised_receive(w->socket.fd, &m, &c.fd, &c.who, MSG_DONTWAIT);
    if (ret == 1 && m.type < ARRAY_SIZE(handlers) && (handlers[m.type].roles & (1u << w->role)))
        handlers[m.type].run(&c);
    if (c.fd >= 0)
        close(c.fd);
    if (ret == 1 || ret == -EBADMSG)
        return true;
    if (ret != -EAGAIN) {
        /* It ends, or it is out of reach and has to. */
        loop_remove(w->s->loop, &w->socket);
        if (w->kill_at == NEVER)
            w->kill_at = loop_now() + MS(QUIT_MS);
    }
    return false;
}
