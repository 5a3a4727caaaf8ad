/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vkbd - back end of the Xen PV keyboard and pointer: the hand-shake.
 *
 * Protocol: xen/io/kbdif.h, xen/io/xenbus.h; the order of states as libxl's users expect it. A guest
 *           whose driver finds a back end that never answers waits up to 30 s at boot, hence this.
 * Present:  detection, connection, disconnection, reconnection (kexec), removal by the toolstack.
 * Absent:   events. There is no source of input yet, so the shared page is neither mapped nor
 *           written and the event channel is not bound. Multi-touch; raw pointers.
 *
 * Keys (S21): backend/vkbd/N/D is the toolstack's and ours. The front end's directory is the guest's:
 * only its state and the presence of its page and channel are looked at, as numbers.
 */
#include "hw/xen/vkbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct vkbd_device {
    struct vkbd *v;
    bool used;
    uint32_t devid;
    char back[VKBD_PATH];      /* backend/vkbd/N/D */
    char front[VKBD_PATH + 8]; /* the front end's state node */
    struct xenstore_watch watch;
};

struct vkbd {
    struct xenstore *x;
    char root[VKBD_PATH / 2]; /* backend/vkbd/N */
    struct xenstore_watch watch;
    struct vkbd_device devices[VKBD_DEVICES];
};

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
}

/* Did the front end say where its page and its event channel are? */
static bool front_ready(struct vkbd_device *d)
{
    char dir[sizeof d->front];

    snprintf(dir, sizeof dir, "%s", d->front);
    *strrchr(dir, '/') = '\0';
    return key(d->v, dir, "event-channel", 0) &&
           (key(d->v, dir, "page-gref", 0) || key(d->v, dir, "page-ref", 0));
}

/* One look at both sides, at most one step of ours. Our own writes fire the watch again. */
static void step(struct vkbd_device *d)
{
    uint32_t state = key(d->v, d->back, "state", XENBUS_UNKNOWN);
    uint32_t online = key(d->v, d->back, "online", 0), front = XENBUS_UNKNOWN;
    bool gone;

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
            publish(d, "state", XENBUS_CLOSED);
        else if ((front == XENBUS_INITIALISED || front == XENBUS_CONNECTED) && front_ready(d))
            publish(d, "state", XENBUS_CONNECTED);
        else if (front == XENBUS_CLOSING)
            publish(d, "state", XENBUS_CLOSING);
        return;
    case XENBUS_CONNECTED:
        if (gone)
            publish(d, "state", XENBUS_CLOSED);
        else if (!online || front == XENBUS_CLOSING)
            publish(d, "state", XENBUS_CLOSING);
        return;
    case XENBUS_CLOSING:
        /* From the toolstack or from us. A front end that never connected has nothing to close. */
        if (gone || front == XENBUS_INITIALISING || front == XENBUS_INIT_WAIT)
            publish(d, "state", XENBUS_CLOSED);
        return;
    case XENBUS_CLOSED:
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
    snprintf(d->back, sizeof d->back, "%s/%u", v->root, devid);
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
    int n = xenstore_list(v->x, v->root, names, sizeof names);
    bool there[VKBD_DEVICES] = { false };

    (void)path;
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
