/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vkbd - back end of the Xen PV keyboard and pointer: the hand-shake.
 *
 * Protocol: xen/io/kbdif.h; states: xenbus.h. A guest whose driver finds a back end that never
 * answers waits up to 30 s at boot, hence this.
 * Present:  connection with the shared page mapped and the event channel bound (where a PV port was
 *           given), taking over a predecessor's connection.
 *           Positions: relative, absolute, raw, as the front end asks.
 * Absent:   input events: there is no source of input yet. Multi-touch. Events of the front end
 *           (the protocol defines none) are taken off the ring and ignored.
 *
 * Of the front end's keys (S21) only page, channel and wishes are looked at, as numbers; a page or
 * channel that cannot be had ends the attempt.
 */
#include "hw/xen/vkbd.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/xen/xenbus.h"
#include "ioreq/pv.h"

enum { VKBD_DEVICES = 4 };

/* The shared page begins with this; rings follow, which nothing uses yet (xen/io/kbdif.h). */
struct vkbd_page {
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
};

struct vkbd_device {
    struct xenbus_device dev; /* first member */
    struct vkbd_page *page;   /* NULL: not mapped */
    bool granted;             /* by grant; else by frame number */
    enum vkbd_pointer pointer;
    struct pv_channel channel;
};

struct vkbd {
    struct xenbus bus;
    struct vkbd_device devices[VKBD_DEVICES];
};

static struct vkbd_device *vkbd_device(struct xenbus_device *d)
{
    return (struct vkbd_device *)d;
}

/* The guest signals us: there is nothing that it could say. Its index is copied once. */
static void front_event(void *opaque)
{
    struct vkbd_device *d = opaque;
    uint32_t prod = __atomic_load_n(&d->page->out_prod, __ATOMIC_ACQUIRE);

    if (prod == __atomic_load_n(&d->page->out_cons, __ATOMIC_RELAXED))
        return; /* a channel is pending once when it was bound */
    __atomic_store_n(&d->page->out_cons, prod, __ATOMIC_RELEASE);
    xenbus_progress(d->dev.bus);
}

static int vkbd_init(struct xenbus_device *dev)
{
    xenbus_publish_number(dev, "feature-abs-pointer", 1);
    xenbus_publish_number(dev, "feature-raw-pointer", 1);
    return 0;
}

static void vkbd_disconnect(struct xenbus_device *dev)
{
    struct vkbd_device *d = vkbd_device(dev);
    struct pv *pv = dev->bus->pv;

    d->pointer = VKBD_NONE;
    if (!d->page)
        return;
    pv->ops->unbind(pv, &d->channel);
    if (d->granted)
        pv->ops->unmap_grants(pv, d->page, 1);
    else
        pv->ops->unmap_frame(pv, d->page);
    d->page = NULL;
}

static int vkbd_connect(struct xenbus_device *dev)
{
    struct vkbd_device *d = vkbd_device(dev);
    uint32_t port = xenbus_front_number(dev, "event-channel", 0);
    uint32_t grant = xenbus_front_number(dev, "page-gref", 0);
    uint32_t frame = xenbus_front_number(dev, "page-ref", 0);
    struct pv *pv = dev->bus->pv;
    void *page;
    int ret;

    if (!port || (!grant && !frame))
        return -EAGAIN;
    d->pointer = xenbus_front_number(dev, "request-abs-pointer", 0) != 1   ? VKBD_RELATIVE
                 : xenbus_front_number(dev, "request-raw-pointer", 0) != 1 ? VKBD_ABSOLUTE
                                                                           : VKBD_RAW;
    if (!pv)
        return 0;
    d->granted = grant != 0;
    ret = grant ? pv->ops->map_grants(pv, &grant, 1, &page) : pv->ops->map_frame(pv, frame, &page);
    if (ret < 0)
        return ret;
    d->page = page;
    d->channel = (struct pv_channel){ .event = front_event, .opaque = d };
    return pv->ops->bind(pv, port, &d->channel);
}

static const struct xenbus_ops vkbd_ops = {
    .type = "vkbd",
    .size = sizeof(struct vkbd_device),
    .max = VKBD_DEVICES,
    .init = vkbd_init,
    .connect = vkbd_connect,
    .disconnect = vkbd_disconnect,
};

int vkbd_open(struct xenstore *x, unsigned domid, struct vkbd **out, struct error *e)
{
    struct vkbd *v = calloc(1, sizeof *v);
    int ret;

    if (!v)
        return error_set(e, -ENOMEM, "no memory for the PV keyboard");
    ret = xenbus_open(&v->bus, &vkbd_ops, v->devices, x, domid, e);
    if (ret < 0)
        free(v);
    else
        *out = v;
    return ret;
}

void vkbd_set_pv(struct vkbd *v, struct pv *pv)
{
    v->bus.pv = pv;
}

void vkbd_count(struct vkbd *v, volatile uint64_t *events)
{
    v->bus.events = events;
}

enum vkbd_pointer vkbd_pointer(struct vkbd *v)
{
    struct xenbus_device *d = xenbus_find(&v->bus, 0);

    return d ? vkbd_device(d)->pointer : VKBD_NONE;
}

void vkbd_resume(struct vkbd *v)
{
    xenbus_resume(&v->bus);
}

void vkbd_pause(struct vkbd *v)
{
    xenbus_pause(&v->bus);
}

void vkbd_close(struct vkbd *v)
{
    if (!v)
        return;
    xenbus_close(&v->bus);
    free(v);
}
