/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus - see xenbus.h.
 *
 * Protocol: xen/io/xenbus.h; the order of states as libxl's users expect it.
 * Present:  detection, connection, disconnection, reconnection (kexec), removal by the toolstack,
 *           taking over a predecessor's connection, waiting for our own side.
 * Absent:   Reconfiguring and Reconfigured (7, 8), which are PCI pass-through's; hotplug-status,
 *           which libxl does not wait for with back ends in a process.
 */
#include "hw/xen/xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void xenbus_progress(struct xenbus *bus)
{
    if (bus->events)
        *bus->events = *bus->events + 1;
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct key {
    char path[XENBUS_PATH + 40];
};

static const char *join(struct key *k, const char *dir, const char *name)
{
    int n = snprintf(k->path, sizeof k->path, "%s/%s", dir, name);

    return n < (int)sizeof k->path ? k->path : "";
}

/* What xenstore shows is not known, so nothing can follow from it. This process does nothing more:
 * whoever comes after it finds all connections as if it had died. */
static void lose(struct xenbus *bus, const char *why)
{
    bus->paused = bus->leaving = true;
    xenstore_give_up(bus->x, why);
}

/* Of a question: that there is no such node, or cannot be, or one that makes no sense, is an
 * answer. */
static int checked(struct xenbus *bus, int ret)
{
    if (ret < 0 && ret != -ENOENT && ret != -EINVAL && ret != -EACCES && ret != -E2BIG)
        lose(bus, strerror(-ret));
    return ret;
}

static int read_text(struct xenbus_device *d, const char *dir, const char *name, char *buf,
                     size_t size)
{
    struct key k;

    return checked(d->bus, xenstore_read(d->bus->x, join(&k, dir, name), buf, size));
}

static uint32_t read_number(struct xenbus_device *d, const char *dir, const char *name,
                            uint32_t otherwise)
{
    struct key k;
    uint32_t value;
    int ret = checked(d->bus, xenstore_read_u32(d->bus->x, join(&k, dir, name), &value));

    return ret < 0 ? otherwise : value;
}

int xenbus_read(struct xenbus_device *d, const char *key, char *buf, size_t size)
{
    return read_text(d, d->back, key, buf, size);
}

uint32_t xenbus_number(struct xenbus_device *d, const char *key, uint32_t otherwise)
{
    return read_number(d, d->back, key, otherwise);
}

int xenbus_front_read(struct xenbus_device *d, const char *key, char *buf, size_t size)
{
    return read_text(d, d->front, key, buf, size);
}

uint32_t xenbus_front_number(struct xenbus_device *d, const char *key, uint32_t otherwise)
{
    return read_number(d, d->front, key, otherwise);
}

/* Unless the toolstack has removed the device: writing would make its directory anew. */
static void write_key(struct xenbus_device *d, const char *dir, const char *key, const char *value)
{
    struct key witness, k;
    int ret = xenstore_write_if(d->bus->x, join(&witness, d->back, "frontend"), join(&k, dir, key),
                                value);

    if (ret == 0)
        xenbus_progress(d->bus);
    else if (ret == -EAGAIN || ret == -ENOTCONN)
        lose(d->bus, "no transaction comes to its end");
}

/* The toolstack has removed it, and what there is of it has come after that. */
static bool is_gone(struct xenbus_device *d)
{
    char front[XENBUS_PATH];

    return xenbus_read(d, "frontend", front, sizeof front) == -ENOENT;
}

static void publish(struct xenbus_device *d, const char *dir, const char *key, const char *value)
{
    char there[64];

    if (read_text(d, dir, key, there, sizeof there) < 0 || strcmp(there, value) != 0)
        write_key(d, dir, key, value);
}

void xenbus_publish(struct xenbus_device *d, const char *key, const char *value)
{
    publish(d, d->back, key, value);
}

void xenbus_front_publish(struct xenbus_device *d, const char *key, const char *value)
{
    publish(d, d->front, key, value);
}

void xenbus_publish_number(struct xenbus_device *d, const char *key, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    xenbus_publish(d, key, text);
}

/* The guest takes any write of it as news. */
static void set_state(struct xenbus_device *d, enum xenbus_state state)
{
    char text[16];

    snprintf(text, sizeof text, "%d", (int)state);
    write_key(d, d->back, "state", text);
}

void xenbus_announce(struct xenbus_device *d)
{
    if (d->connected && xenbus_number(d, "state", XENBUS_UNKNOWN) == XENBUS_CONNECTED)
        set_state(d, XENBUS_CONNECTED);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void disconnect(struct xenbus_device *d)
{
    bool begun = d->connecting;

    d->connecting = d->connected = d->closing = d->heir = false;
    if (begun && d->bus->ops->disconnect)
        d->bus->ops->disconnect(d);
}

static void finish(struct xenbus_device *d)
{
    bool begun = d->opening;

    disconnect(d);
    d->opening = d->ready = false;
    if (begun && d->bus->ops->fini)
        d->bus->ops->fini(d);
}

/* What a device held that is gone for good, the toolstack may want at once. What is in flight comes
 * to its end before: then this is tried again, whatever the front end does meanwhile. */
static void close_down(struct xenbus_device *d, bool online)
{
    d->closing = d->connected && d->bus->ops->idle && !d->bus->ops->idle(d);
    if (d->closing)
        return;
    disconnect(d);
    if (!online)
        finish(d);
    set_state(d, XENBUS_CLOSED);
}

static void complain(struct xenbus_device *d, int err)
{
    char who[24];

    snprintf(who, sizeof who, "%.12s %u", d->bus->ops->type, d->devid);
    guest_log_line(&d->bus->log_limit, who, "the front end cannot be served: %s",
                   d->why.text[0]    ? d->why.text
                   : err == -ENOTSUP ? "it gives its page by frame number, not by grant"
                   : err == -EAGAIN  ? "it does not say where its pages and its channel are"
                   : err == -EPROTO  ? "what is on its ring makes no sense"
                                     : strerror(-err));
    d->why.text[0] = '\0';
}

static void refuse(struct xenbus_device *d, int err)
{
    disconnect(d);
    complain(d, err);
    set_state(d, XENBUS_CLOSING);
}

void xenbus_refuse(struct xenbus_device *d, int err)
{
    if (d->connected)
        refuse(d, err);
}

static int prepare(struct xenbus_device *d)
{
    const struct xenbus_ops *ops = d->bus->ops;
    int ret;

    if (d->ready)
        return 0;
    d->opening = true;
    d->why.text[0] = '\0';
    ret = ops->init ? ops->init(d) : 0;
    if (d->bus->paused)
        return -EINPROGRESS;
    d->ready = ret == 0;
    if (ret < 0 && ret != -EINPROGRESS)
        finish(d);
    return ret;
}

/* To InitWait. A device that we cannot open is closed, and is tried again when somebody does
 * something about it: its front end closes and comes back, or the toolstack changes its keys. */
static void offer(struct xenbus_device *d, uint32_t online)
{
    int ret = d->failed ? -EINPROGRESS : prepare(d);

    if (ret == 0)
        set_state(d, XENBUS_INIT_WAIT);
    else if (ret != -EINPROGRESS) {
        complain(d, ret);
        d->failed = true;
        close_down(d, online != 0);
    }
}

static int connect(struct xenbus_device *d)
{
    int ret = prepare(d);

    if (ret < 0)
        return ret;
    d->connecting = true;
    d->why.text[0] = '\0';
    ret = d->bus->ops->connect ? d->bus->ops->connect(d) : -EAGAIN;
    if (d->bus->paused)
        return -EINPROGRESS;
    d->connected = ret == 0;
    if (ret < 0 && ret != -EINPROGRESS)
        disconnect(d);
    return ret;
}

/* From InitWait: a front end that names what we cannot map or bind is told to close. */
static void try_connect(struct xenbus_device *d)
{
    int ret = connect(d);

    if (ret == 0)
        set_state(d, XENBUS_CONNECTED);
    else if (ret != -EAGAIN && ret != -EINPROGRESS)
        refuse(d, ret);
}

/* A successor tries again. */
static void put_off(struct xenbus_device *d, int err)
{
    char why[160];

    snprintf(why, sizeof why, "%.12s %u cannot be taken over just now: %.100s", d->bus->ops->type,
             d->devid, d->why.text[0] ? d->why.text : strerror(-err));
    lose(d->bus, why);
}

/* It is the host's trouble, not the connection's, and may be over in a moment. */
static bool may_pass(int err)
{
    return err == -ETIMEDOUT || err == -ENOTCONN || err == -ENOMEM;
}

/* Without a connection of ours, where xenstore shows one: a predecessor had it. Its indices are in
 * the page, and a channel that was just bound is pending, so nothing is lost. No state is written.
 * If it cannot go on, the guest has to connect anew. */
static void adopt(struct xenbus_device *d)
{
    int ret;

    if (d->connected || !d->heir)
        return;
    d->adopting = true;
    ret = connect(d);
    d->adopting = false;
    if (may_pass(ret))
        put_off(d, ret);
    else if (ret < 0 && ret != -EINPROGRESS)
        refuse(d, ret);
}

static void in_init_wait(struct xenbus_device *d, uint32_t online, uint32_t front)
{
    int ret;

    if (!online) {
        close_down(d, false);
        return;
    }
    if (front == XENBUS_CLOSING) {
        set_state(d, XENBUS_CLOSING);
        return;
    }
    /* A predecessor has offered it: what is behind it has to be there as soon as we are. */
    ret = prepare(d);
    if (ret < 0 && ret != -EINPROGRESS)
        refuse(d, ret);
    else if (ret == 0 && (front == XENBUS_INITIALISED || front == XENBUS_CONNECTED))
        try_connect(d);
    else
        disconnect(d); /* it has thought better of it, while our side was not so far */
}

static void in_connected(struct xenbus_device *d, uint32_t online, uint32_t front)
{
    if (front == XENBUS_UNKNOWN || front == XENBUS_CLOSED)
        close_down(d, online != 0);
    else if (!online || front == XENBUS_CLOSING)
        set_state(d, XENBUS_CLOSING);
    else if (front == XENBUS_INITIALISING || front == XENBUS_INIT_WAIT)
        set_state(d, XENBUS_CLOSING); /* it began anew while nobody was looking */
    else
        adopt(d);
}

/* From the toolstack or from us. A front end that never connected has nothing to close. One that is
 * in use goes on for as long as its users like, Connected or (older Linux, a mounted disk) Closing.
 */
static void in_closing(struct xenbus_device *d, uint32_t online, uint32_t front)
{
    if (front <= XENBUS_INIT_WAIT || front == XENBUS_CLOSED)
        close_down(d, online != 0);
    else if (front == XENBUS_CONNECTED || front == XENBUS_CLOSING)
        adopt(d);
}

/* By us, or by a toolstack that did not wait. */
static void in_closed(struct xenbus_device *d, uint32_t online, uint32_t front)
{
    disconnect(d);
    if (!online)
        finish(d);
    else if (front == XENBUS_INITIALISING)
        offer(d, online);
}

/* One look at both sides, at most one step of ours. Our own writes fire the watch again. */
static void step(struct xenbus_device *d)
{
    uint32_t state, online, front;

    state = xenbus_number(d, "state", XENBUS_UNKNOWN);
    online = xenbus_number(d, "online", 0);
    front = xenbus_front_number(d, "state", XENBUS_UNKNOWN);
    if (d->bus->paused)
        return;
    if (front > XENBUS_CLOSED)
        front = XENBUS_UNKNOWN;
    if (front != XENBUS_INITIALISING)
        d->failed = false;
    if (state != XENBUS_CONNECTED && state != XENBUS_CLOSING)
        d->heir = false;
    else if (d->closing)
        front = XENBUS_CLOSED;
    switch (state) {
    case XENBUS_INITIALISING:
        if (d->ready)
            finish(d); /* removed and made anew, while nobody was looking */
        if (online)
            offer(d, online);
        return;
    case XENBUS_INIT_WAIT:
        in_init_wait(d, online, front);
        return;
    case XENBUS_CONNECTED:
        in_connected(d, online, front);
        return;
    case XENBUS_CLOSING:
        in_closing(d, online, front);
        return;
    case XENBUS_CLOSED:
        in_closed(d, online, front);
        return;
    default:
        return;
    }
}

/* Steps do not nest: what a back end's function causes comes behind it. */
static void look(struct xenbus_device *d)
{
    if (d->bus->paused)
        return;
    d->again = true;
    if (d->busy)
        return;
    d->busy = true;
    while (d->again && !d->bus->paused) {
        d->again = false;
        step(d);
    }
    d->busy = false;
}

void xenbus_kick(struct xenbus_device *d)
{
    d->failed = false;
    look(d);
}

/* ---- devices -------------------------------------------------------------------------------- */

static struct xenbus_device *place(struct xenbus *bus, unsigned i)
{
    return (struct xenbus_device *)(void *)((char *)bus->devices + i * bus->ops->size);
}

struct xenbus_device *xenbus_at(struct xenbus *bus, unsigned i)
{
    return place(bus, i)->used ? place(bus, i) : NULL;
}

struct xenbus_device *xenbus_find(struct xenbus *bus, uint32_t devid)
{
    for (unsigned i = 0; i < bus->ops->max; i++)
        if (place(bus, i)->used && place(bus, i)->devid == devid)
            return place(bus, i);
    return NULL;
}

static void front_changed(void *opaque, const char *path)
{
    (void)path;
    look(opaque);
}

static void drop(struct xenbus_device *d)
{
    finish(d);
    xenstore_unwatch(d->bus->x, &d->watch);
    d->used = false;
}

static struct xenbus_device *unused(struct xenbus *bus)
{
    for (unsigned i = 0; i < bus->ops->max; i++)
        if (!place(bus, i)->used)
            return place(bus, i);
    if (!bus->overfull)
        log_warn("%s has more than %u devices: the others are left alone", bus->root,
                 bus->ops->max);
    bus->overfull = true;
    return NULL;
}

/* The new device, or NULL if it cannot be served. */
static struct xenbus_device *add(struct xenbus *bus, uint32_t devid)
{
    struct xenbus_device *d = unused(bus);

    if (!d)
        return NULL;
    memset(d, 0, bus->ops->size);
    d->bus = bus;
    d->devid = devid;
    d->heir = true;
    snprintf(d->back, sizeof d->back, "%s/%u", bus->root, devid);
    if (xenbus_read(d, "frontend", d->front, sizeof d->front) <= 0)
        return NULL; /* half-made or half-removed: its next change brings us back */
    if (bus->ops->ours && !bus->ops->ours(d))
        return NULL;
    snprintf(d->state, sizeof d->state, "%s/state", d->front);
    d->watch = (struct xenstore_watch){ .path = d->state, .changed = front_changed, .opaque = d };
    d->used = xenstore_watch(bus->x, &d->watch) == 0;
    return d->used ? d : NULL;
}

/* Devices that are new, and those that are gone. */
static void enumerate(struct xenbus *bus)
{
    char names[XENSTORE_VALUE];
    int n = checked(bus, xenstore_list(bus->x, bus->root, names, sizeof names));

    if (n < 0 && n != -ENOENT)
        return; /* nothing is known */
    for (unsigned i = 0; i < bus->ops->max; i++)
        place(bus, i)->seen = false;
    for (int at = 0; at < n; at += (int)strlen(names + at) + 1) {
        uint32_t devid = (uint32_t)strtoul(names + at, NULL, 10);
        struct xenbus_device *d = xenbus_find(bus, devid);
        char text[16];

        snprintf(text, sizeof text, "%u", devid);
        if (strcmp(text, names + at) != 0)
            continue; /* not a device */
        if (!d)
            d = add(bus, devid);
        if (d)
            d->seen = !is_gone(d);
    }
    for (unsigned i = 0; i < bus->ops->max; i++)
        if (place(bus, i)->used && !place(bus, i)->seen)
            drop(place(bus, i));
}

static void tell(struct xenbus_device *d, const char *key)
{
    if ((d->ready || d->failed) && d->bus->ops->changed)
        d->bus->ops->changed(d, key);
}

/* May it be about devices that come and go, or about a step? */
static bool is_ours(const char *key)
{
    return !key || !strcmp(key, "state") || !strcmp(key, "online") || !strcmp(key, "frontend");
}

/* Something below backend/TYPE/N changed. */
static void back_changed(void *opaque, const char *path)
{
    struct xenbus *bus = opaque;
    size_t root = strlen(bus->root);
    const char *rest = strncmp(path, bus->root, root) == 0 && path[root] ? path + root + 1 : NULL;
    const char *key = rest ? strchr(rest, '/') : NULL;
    uint32_t devid = rest ? (uint32_t)strtoul(rest, NULL, 10) : 0;
    struct xenbus_device *only = rest ? xenbus_find(bus, devid) : NULL;

    if (bus->paused)
        return;
    key = key ? key + 1 : NULL;
    if (only && !is_ours(key)) { /* what we publish comes back to us: no more than this */
        tell(only, key);
        return;
    }
    enumerate(bus);
    for (unsigned i = 0; i < bus->ops->max; i++) {
        struct xenbus_device *d = xenbus_at(bus, i);

        if (!d || (rest && d->devid != devid))
            continue;
        tell(d, key);
        look(d);
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

int xenbus_open(struct xenbus *bus, const struct xenbus_ops *ops, void *devices, struct xenstore *x,
                unsigned domid, struct error *e)
{
    int ret;

    *bus = (struct xenbus){ .ops = ops, .x = x, .devices = devices };
    memset(devices, 0, ops->size * ops->max);
    snprintf(bus->root, sizeof bus->root, "backend/%s/%u", ops->type, domid);
    bus->watch =
        (struct xenstore_watch){ .path = bus->root, .changed = back_changed, .opaque = bus };
    ret = xenstore_watch(x, &bus->watch);
    if (ret < 0)
        return error_set(e, ret, "cannot watch %s in xenstore: %s", bus->root, strerror(-ret));
    return 0;
}

void xenbus_resume(struct xenbus *bus)
{
    bus->paused = bus->leaving = false;
    back_changed(bus, bus->root);
}

void xenbus_pause(struct xenbus *bus)
{
    bus->paused = bus->leaving = true;
    for (unsigned i = 0; i < bus->ops->max; i++)
        if (place(bus, i)->used) {
            finish(place(bus, i));
            place(bus, i)->heir = true; /* of ourselves */
        }
}

void xenbus_close(struct xenbus *bus)
{
    xenbus_pause(bus);
    for (unsigned i = 0; i < bus->ops->max; i++)
        if (place(bus, i)->used)
            drop(place(bus, i));
    xenstore_unwatch(bus->x, &bus->watch);
}
