/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus - what all PV back ends have in common: finding the devices that the toolstack gives to a
 * guest, and walking each of them through the states of a connection.
 *
 * A back end fills in struct xenbus_ops and embeds struct xenbus; its devices are an array of its
 * own struct, each of which begins with a struct xenbus_device. States, order and what is allowed
 * when: xen/io/xenbus.h.
 *
 * Keys (S21): backend/TYPE/N/D is the toolstack's and ours. The front end's directory is the
 * guest's: any bytes, at any time, gone at any time. Nothing that is read there is a path.
 *
 * Where xenstore gives no answer, or what a predecessor's connection needs cannot be had just now,
 * the connection to xenstore is given up (xenstore_give_up()) and nothing more is done. Connections
 * are served on; whoever has opened the bus ends the process, and a successor takes them over.
 */
#ifndef HW_XEN_XENBUS_H
#define HW_XEN_XENBUS_H

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "hw/core/log.h"
#include "toolstack/xenstore.h"

struct pv;
struct xenbus;

enum { XENBUS_PATH = 128 };

enum xenbus_state {
    XENBUS_UNKNOWN, /* no such node, or not a number of the protocol */
    XENBUS_INITIALISING,
    XENBUS_INIT_WAIT,
    XENBUS_INITIALISED,
    XENBUS_CONNECTED,
    XENBUS_CLOSING,
    XENBUS_CLOSED,
};

/* First member of a back end's device, which is zeroed when a device appears. */
struct xenbus_device {
    struct xenbus *bus;
    uint32_t devid;
    /* The connection that xenstore shows was a predecessor's, and goes on: nothing about it may
     * start anew. Publishing what is there already writes nothing in any case. */
    bool adopting;
    bool ready;     /* init() was successful */
    bool connected; /* connect() was successful */
    /* For init() and connect(), before they return an error: the line of the log. Empty: what the
     * errno says. */
    struct error why;
    /* private */
    bool used, seen, opening, connecting, failed, busy, again;
    bool heir;                   /* what xenstore shows of a connection is a predecessor's */
    bool closing;                /* it was begun, and what is in flight is waited for */
    char back[XENBUS_PATH];      /* backend/TYPE/N/D */
    char front[XENBUS_PATH];     /* the front end's directory */
    char state[XENBUS_PATH + 8]; /* its state node */
    struct xenstore_watch watch;
};

/* What a kind of back end does. init() and connect() return 0, -errno (the front end is told to
 * close, the log says why), or -EINPROGRESS: our own side is not so far, xenbus_kick() will come.
 * They may be called again before that, and have to bear it. fini() and disconnect() come also
 * after they have failed or have not come to an end. NULL: nothing to do, and nothing connects. */
struct xenbus_ops {
    const char *type; /* "vkbd": backend/vkbd/N */
    size_t size;      /* of one device, in bytes */
    unsigned max;     /* devices; what is beyond is left alone, with a line in the log */

    /* Another program serves those for which this is false; NULL: all are ours. */
    bool (*ours)(struct xenbus_device *d);

    /* Open resources, publish features: before the guest is told that we are here, and by a
     * successor in whatever state the device is. */
    int (*init)(struct xenbus_device *d);
    /* Map and bind what the front end names, publish sizes. -EAGAIN: it has not said yet where
     * these are. */
    int (*connect)(struct xenbus_device *d);
    void (*disconnect)(struct xenbus_device *d); /* give back what connect() got */
    /* May it be disconnected now? false: work is in flight, and xenbus_kick() will come. Not asked
     * where nobody waits: forced removal, xenbus_refuse(), xenbus_pause(). */
    bool (*idle)(struct xenbus_device *d);
    /* `key` of our directory was written, perhaps by ourselves; NULL: any may have been. Between
     * init() and fini(), and after an init() that has failed: xenbus_kick() tries it again. */
    void (*changed)(struct xenbus_device *d, const char *key);
    /* Give back what init() got. With bus->leaving another process goes on with the
     * device, as if this one had died; without, the device is gone. */
    void (*fini)(struct xenbus_device *d);
};

/* Embed one per kind of back end. */
struct xenbus {
    const struct xenbus_ops *ops;
    struct xenstore *x;
    struct pv *pv;             /* where pages are mapped from; set it after xenbus_open() */
    volatile uint64_t *events; /* where completed work is counted; NULL: nowhere */
    void *opaque;              /* the back end's */
    bool leaving;
    /* private */
    void *devices;
    bool paused, overfull;
    char root[64]; /* backend/TYPE/N */
    struct xenstore_watch watch;
    struct guest_log_limit log_limit;
};

/* Serve all devices of this kind that the toolstack gives to this domain, now or later; `devices`
 * has room for ops->max of them. The xenstore connection is borrowed and must outlive it. *bus is
 * filled in as a whole. 0 or -errno with a sentence. */
MUST_CHECK int xenbus_open(struct xenbus *bus, const struct xenbus_ops *ops, void *devices,
                           struct xenstore *x, unsigned domid, struct error *e);
/* Look at all devices now. A connection that xenstore shows and we do not have is a predecessor's:
 * it goes on, unseen by the guest. */
void xenbus_resume(struct xenbus *bus);
/* Let go of everything, leave xenstore as it is and do nothing more until xenbus_resume(). */
void xenbus_pause(struct xenbus *bus);
void xenbus_close(struct xenbus *bus); /* the same for good */

/* The device with this number, or NULL. */
struct xenbus_device *xenbus_find(struct xenbus *bus, uint32_t devid);
/* The i-th place of the array, or NULL when no device is there; i < ops->max. */
struct xenbus_device *xenbus_at(struct xenbus *bus, unsigned i);
/* What init() or connect() waited for has come: take another step. */
void xenbus_kick(struct xenbus_device *d);
/* A piece of the guest's work is done. */
void xenbus_progress(struct xenbus *bus);
/* The front end cannot be served any more (its ring makes no sense, say): disconnect, tell it to
 * close, and say why. Not from init() and connect(), which return an error. */
void xenbus_refuse(struct xenbus_device *d, int err);

/* Keys of our directory. Reading: as xenstore_read() and xenstore_read_u32(), with `otherwise` for
 * what is not there or not a number. Publishing: only what is not there already is written. If
 * xenstore refuses, the toolstack is removing the device: nothing is left to do. */
int xenbus_read(struct xenbus_device *d, const char *key, char *buf, size_t size);
uint32_t xenbus_number(struct xenbus_device *d, const char *key, uint32_t otherwise);
void xenbus_publish(struct xenbus_device *d, const char *key, const char *value);
void xenbus_publish_number(struct xenbus_device *d, const char *key, uint32_t value);
/* Write our state again as it is: the front end reads sizes anew. Only while connected. */
void xenbus_announce(struct xenbus_device *d);

/* Keys of the front end's directory. A console's `tty` alone is ours to write. */
int xenbus_front_read(struct xenbus_device *d, const char *key, char *buf, size_t size);
uint32_t xenbus_front_number(struct xenbus_device *d, const char *key, uint32_t otherwise);
void xenbus_front_publish(struct xenbus_device *d, const char *key, const char *value);

#endif
