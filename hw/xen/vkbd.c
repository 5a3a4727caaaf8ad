/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vkbd - back end of the Xen PV keyboard and pointer: the hand-shake.
 *
 * Protocol: xen/io/kbdif.h, xen/io/xenbus.h; the order of states as libxl's users expect it. A
 * guest whose driver finds a back end that never answers waits up to 30 s at boot, hence this.
 * Present:  detection, connection with the shared page mapped and the event channel bound (where a
 *           PV port was given), disconnection, reconnection (kexec), removal by the toolstack,
 *           taking over a predecessor's connection.
 * Absent:   input events: there is no source of input yet. Multi-touch; raw pointers. Events of the
 *           front end (the protocol defines none) are taken off the ring and ignored.
 *
 * Keys (S21): backend/vkbd/N/D is the toolstack's and ours. The front end's directory is the
 * guest's: only its state, page and channel are looked at, as numbers; a page or channel that
 * cannot be had ends the attempt.
 */
#include "hw/xen/vkbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/core/log.h"
#include "ioreq/pv.h"
#include "toolstack/xenstore.h"

enum {
    VKBD_DEVICES = 4, /* more than that are left alone */
    VKBD_PATH = 128,
};

enum xenbus_state {
    XENBUS_UNKNOWN, /* no such node, or not a number */
    XENBUS_INITIALISING,
    XENBUS_INIT_WAIT,
    XENBUS_INITIALISED,
    XENBUS_CONNECTED,
    XENBUS_CLOSING,
    XENBUS_CLOSED,
};

/* The shared page begins with this; rings follow, which nothing uses yet (xen/io/kbdif.h). */
struct vkbd_page {
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
};

struct vkbd_device {
    struct vkbd *v;
    bool used;
    uint32_t devid;
    char back[VKBD_PATH];      /* backend/vkbd/N/D */
    char front[VKBD_PATH + 8]; /* the front end's state node */
    struct xenstore_watch watch;
    struct vkbd_page *page; /* the connection: NULL when there is none */
    bool granted;           /* by grant; else by frame number */
    struct pv_channel channel;
};

struct vkbd {
    struct xenstore *x;
    struct pv *pv;
    char root[VKBD_PATH / 2]; /* backend/vkbd/N */
    struct xenstore_watch watch;
    bool paused;
    volatile uint64_t *events; /* NULL: nobody counts */
    struct guest_log_limit log_limit;
    struct vkbd_device devices[VKBD_DEVICES];
};

static void progress(struct vkbd *v)
{
    if (v->events)
        *v->events = *v->events + 1;
}

/* A number below `dir`, `otherwise` if it is not there or is none. */
static uint32_t key(struct vkbd *v, const char *dir, const char *name, uint32_t otherwise)
{
    char path[VKBD_PATH + 32];
    uint32_t value;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return xenstore_read_u32(v->x, path, &value) < 0 ? otherwise : value;
}

static void publish(struct vkbd_device *d, const char *name, uint32_t value)
{
    char path[VKBD_PATH + 32];

    snprintf(path, sizeof path, "%s/%s", d->back, name);
    /* If xenstore refuses, the toolstack is removing the device: nothing is left to do. */
    if (xenstore_write_u32(d->v->x, path, value) < 0)
        return;
    progress(d->v);
}

/* The guest signals us: there is nothing that it could say. Its index is copied once. */
static void front_event(void *opaque)
{
    struct vkbd_device *d = opaque;
    uint32_t prod;

    if (!d->page)
        return;
    prod = __atomic_load_n(&d->page->out_prod, __ATOMIC_ACQUIRE);
    if (prod == __atomic_load_n(&d->page->out_cons, __ATOMIC_RELAXED))
        return; /* a channel is pending once when it was bound */
    __atomic_store_n(&d->page->out_cons, prod, __ATOMIC_RELEASE);
    progress(d->v);
}

/* Gives back what the connection holds; twice is once. */
static void disconnect(struct vkbd_device *d)
{
    struct pv *pv = d->v->pv;

    if (!d->page)
        return;
    pv->ops->unbind(pv, &d->channel);
    if (d->granted)
        pv->ops->unmap_grants(pv, d->page, 1);
    else
        pv->ops->unmap_frame(pv, d->page);
    d->page = NULL;
}

/* 0, -EAGAIN if the front end has not said yet where its page and its event channel are, or why
 * these cannot be had. */
static int connect(struct vkbd_device *d)
{
    char dir[sizeof d->front];
    uint32_t port, grant, frame;
    struct pv *pv = d->v->pv;
    void *page;
    int ret;

    snprintf(dir, sizeof dir, "%s", d->front);
    *strrchr(dir, '/') = '\0';
    port = key(d->v, dir, "event-channel", 0);
    grant = key(d->v, dir, "page-gref", 0);
    frame = key(d->v, dir, "page-ref", 0);
    if (!port || (!grant && !frame))
        return -EAGAIN;
    if (!pv || d->page)
        return 0;
    d->granted = grant != 0;
    ret = grant ? pv->ops->map_grants(pv, &grant, 1, &page) : pv->ops->map_frame(pv, frame, &page);
    if (ret < 0)
        return ret;
    d->page = page;
    d->channel = (struct pv_channel){ .event = front_event, .opaque = d };
    ret = pv->ops->bind(pv, port, &d->channel);
    if (ret < 0)
        disconnect(d);
    return ret;
}

static void close_down(struct vkbd_device *d)
{
    disconnect(d);
    publish(d, "state", XENBUS_CLOSED);
}

static void refuse(struct vkbd_device *d, int err)
{
    char who[24];

    snprintf(who, sizeof who, "vkbd %u", d->devid);
    guest_log_line(&d->v->log_limit, who, "the front end cannot be served: %s",
                   err == -ENOTSUP  ? "it gives its page by frame number, not by grant"
                   : err == -EAGAIN ? "it does not say where its page and its channel are"
                                    : strerror(-err));
    publish(d, "state", XENBUS_CLOSING);
}

/* From InitWait: a front end that names what we cannot map or bind is told to close. */
static void try_connect(struct vkbd_device *d)
{
    int ret = connect(d);

    if (ret == 0)
        publish(d, "state", XENBUS_CONNECTED);
    else if (ret != -EAGAIN)
        refuse(d, ret);
}

/* From Connected without a connection of ours: a predecessor had it. Its indices are in the page,
 * and a channel that was just bound is pending, so nothing is lost. No state is written: the guest
 * would take any write as news. If it cannot go on, the guest has to connect anew. */
static void adopt(struct vkbd_device *d)
{
    int ret = connect(d);

    if (ret < 0)
        refuse(d, ret);
}

/* One look at both sides, at most one step of ours. Our own writes fire the watch again. */
static void step(struct vkbd_device *d)
{
    uint32_t state, online, front = XENBUS_UNKNOWN;
    bool gone;

    if (d->v->paused)
        return;
    state = key(d->v, d->back, "state", XENBUS_UNKNOWN);
    online = key(d->v, d->back, "online", 0);
    if (xenstore_read_u32(d->v->x, d->front, &front) < 0 || front > XENBUS_CLOSED)
        front = XENBUS_UNKNOWN;
    gone = front == XENBUS_UNKNOWN || front == XENBUS_CLOSED;
    switch (state) {
    case XENBUS_INITIALISING:
        if (!online)
            return;
        publish(d, "feature-abs-pointer", 1);
        publish(d, "state", XENBUS_INIT_WAIT);
        return;
    case XENBUS_INIT_WAIT:
        if (!online)
            close_down(d);
        else if (front == XENBUS_INITIALISED || front == XENBUS_CONNECTED)
            try_connect(d);
        else if (front == XENBUS_CLOSING)
            publish(d, "state", XENBUS_CLOSING);
        return;
    case XENBUS_CONNECTED:
        if (gone)
            close_down(d);
        else if (!online || front == XENBUS_CLOSING)
            publish(d, "state", XENBUS_CLOSING);
        else if (front == XENBUS_INITIALISING || front == XENBUS_INIT_WAIT)
            publish(d, "state", XENBUS_CLOSING); /* it began anew while nobody was looking */
        else if (!d->page)
            adopt(d);
        return;
    case XENBUS_CLOSING:
        /* From the toolstack or from us. A front end that never connected has nothing to close. */
        if (gone || front == XENBUS_INITIALISING || front == XENBUS_INIT_WAIT)
            close_down(d);
        return;
    case XENBUS_CLOSED: /* by us, or by a toolstack that did not wait */
        disconnect(d);
        if (online && front == XENBUS_INITIALISING)
            publish(d, "state", XENBUS_INIT_WAIT);
        return;
    default:
        return;
    }
}

static void front_changed(void *opaque, const char *path)
{
    (void)path;
    step(opaque);
}

static void drop(struct vkbd_device *d)
{
    disconnect(d);
    xenstore_unwatch(d->v->x, &d->watch);
    d->used = false;
}

static struct vkbd_device *find(struct vkbd *v, uint32_t devid)
{
    for (unsigned i = 0; i < VKBD_DEVICES; i++)
        if (v->devices[i].used && v->devices[i].devid == devid)
            return &v->devices[i];
    return NULL;
}

static void add(struct vkbd *v, uint32_t devid)
{
    char path[VKBD_PATH], front[VKBD_PATH];
    struct vkbd_device *d = NULL;
    int n;

    for (unsigned i = 0; i < VKBD_DEVICES && !d; i++)
        if (!v->devices[i].used)
            d = &v->devices[i];
    if (!d)
        return;
    *d = (struct vkbd_device){ .v = v, .devid = devid };
    snprintf(path, sizeof path, "%s/%u", v->root, devid);
    memcpy(d->back, path, sizeof d->back);
    n = snprintf(path, sizeof path, "%s/frontend", d->back);
    if (n >= (int)sizeof path || xenstore_read(v->x, path, front, sizeof front) <= 0)
        return; /* half-made or half-removed: its next change brings us back */
    snprintf(d->front, sizeof d->front, "%s/state", front);
    d->watch = (struct xenstore_watch){ .path = d->front, .changed = front_changed, .opaque = d };
    d->used = xenstore_watch(v->x, &d->watch) == 0;
}

/* Something below backend/vkbd/N changed: see which devices there are, and what they want. */
static void back_changed(void *opaque, const char *path)
{
    struct vkbd *v = opaque;
    char names[256];
    bool there[VKBD_DEVICES] = { false };
    int n;

    (void)path;
    if (v->paused)
        return;
    n = xenstore_list(v->x, v->root, names, sizeof names);
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1) {
        const char *name = names + at;
        uint32_t devid = (uint32_t)strtoul(name, NULL, 10);
        struct vkbd_device *d;

        if (!*name || name[strspn(name, "0123456789")])
            continue;
        if (!find(v, devid))
            add(v, devid);
        d = find(v, devid);
        if (!d)
            continue;
        there[d - v->devices] = true;
        step(d);
    }
    for (unsigned i = 0; i < VKBD_DEVICES; i++)
        if (v->devices[i].used && !there[i])
            drop(&v->devices[i]);
}

int vkbd_open(struct xenstore *x, unsigned domid, struct vkbd **out, struct error *e)
{
    struct vkbd *v = calloc(1, sizeof *v);
    int ret;

    if (!v)
        return error_set(e, -ENOMEM, "no memory for the PV keyboard");
    v->x = x;
    snprintf(v->root, sizeof v->root, "backend/vkbd/%u", domid);
    v->watch = (struct xenstore_watch){ .path = v->root, .changed = back_changed, .opaque = v };
    ret = xenstore_watch(x, &v->watch);
    if (ret < 0) {
        free(v);
        return error_set(e, ret, "cannot watch backend/vkbd/%u in xenstore: %s", domid,
                         strerror(-ret));
    }
    *out = v;
    return 0;
}

void vkbd_set_pv(struct vkbd *v, struct pv *pv)
{
    v->pv = pv;
}

void vkbd_count(struct vkbd *v, volatile uint64_t *events)
{
    v->events = events;
}

void vkbd_resume(struct vkbd *v)
{
    v->paused = false;
    back_changed(v, v->root);
}

void vkbd_pause(struct vkbd *v)
{
    v->paused = true;
    for (unsigned i = 0; i < VKBD_DEVICES; i++)
        if (v->devices[i].used)
            disconnect(&v->devices[i]);
}

void vkbd_close(struct vkbd *v)
{
    if (!v)
        return;
    for (unsigned i = 0; i < VKBD_DEVICES; i++)
        if (v->devices[i].used)
            drop(&v->devices[i]);
    xenstore_unwatch(v->x, &v->watch);
    free(v);
}
