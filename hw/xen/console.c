/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console - back end of the Xen PV console.
 *
 * Protocol: xen/io/console.h; states: xenbus.h; keys: docs/misc/console.txt, channel.txt.
 * Present:  output and input through the ring, streams of all kinds, the name of a pty for
 *           xl console, taking over a predecessor's connection.
 * Absent:   console 0, which is xenconsoled's, and `limit`, which libxl writes for that one. Window
 *           sizes.
 *
 * Output. A front end that finds its ring full waits for us with a CPU, in Linux even with the
 * console's lock held. So the ring is emptied whatever the host does: what the stream does not take
 * waits in the backlog, up to the host's limit, and beyond that the oldest bytes are dropped, with
 * a line in the log. A slow reader on the host costs its own output, never the guest's time.
 * Input. The stream is read only as far as the ring has room, so nothing is lost; whoever writes on
 * the host waits.
 *
 * A death. Between ring and backlog each byte is moved exactly once: `in` counts and tells the
 * ring's index in one store. To and from the host bytes that one system call has moved, but whose
 * count was not stored yet, come twice (output, up to CONSOLE_CHUNK) or are lost (input, up to a
 * ring).
 *
 * The page is the guest's (S21): of its indices each side's own one is kept here and only stored
 * there, the other one is copied once and checked. Ring offsets are taken modulo the ring's size.
 */
#include "hw/xen/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev.h"
#include "hw/xen/xenbus.h"
#include "ioreq/pv.h"

enum { CONSOLE_IN = 1024, CONSOLE_OUT = 2048, CONSOLE_CHUNK = 2048 };

struct console_ring {
    uint8_t in[CONSOLE_IN], out[CONSOLE_OUT];
    uint32_t in_cons, in_prod;
    uint32_t out_cons, out_prod;
};

struct console_device {
    struct xenbus_device dev;  /* first member */
    struct console_ring *ring; /* NULL: not mapped */
    struct pv_channel channel;
    bool bound;
    uint32_t in_prod; /* ours; the one of the page is for the guest */
    struct chardev *stream;
    struct chardev_user user;
    struct console_backlog *backlog;
    bool kept;    /* the backlog is the host's */
    bool blocked; /* the stream will say when it takes more */
    bool starved; /* the stream waits for room in the ring */
};

struct console {
    struct xenbus bus;
    const struct console_host *host;
    uint32_t limit;
    struct console_device devices[CONSOLE_CHANNELS + 1]; /* with a place for console 0 */
};

static struct console_device *console_device(struct xenbus_device *d)
{
    return (struct console_device *)d;
}

static struct console *console_of(const struct console_device *d)
{
    return d->dev.bus->opaque;
}

static void notify(struct console_device *d)
{
    struct pv *pv = d->dev.bus->pv;

    pv->ops->notify(pv, &d->channel);
    xenbus_progress(d->dev.bus);
}

/* ---- output --------------------------------------------------------------------------------- */

/* From the backlog to the host, as far as that takes it. */
static void flush(struct console_device *d)
{
    struct console_backlog *b = d->backlog;

    while (!d->blocked && b->out != b->in) {
        uint32_t at = (uint32_t)((b->out - b->start) % CONSOLE_BACKLOG);
        uint64_t n = b->in - b->out;
        size_t taken;

        n = n < CONSOLE_CHUNK ? n : CONSOLE_CHUNK;
        n = n < CONSOLE_BACKLOG - at ? n : CONSOLE_BACKLOG - at;
        taken = chardev_write(d->stream, b->bytes + at, n);
        b->out += taken;
        d->blocked = taken < n;
    }
    if (b->out == b->in)
        b->start = b->in;
}

static void writable(void *opaque)
{
    struct console_device *d = opaque;

    d->blocked = false;
    flush(d);
}

/* Room for n more bytes: the oldest ones go. */
static void make_room(struct console_device *d, uint32_t n)
{
    struct console_backlog *b = d->backlog;
    uint64_t waiting = b->in - b->out, limit = console_of(d)->limit;

    if (waiting + n <= limit)
        return;
    guest_log_line(&d->dev.bus->log_limit, chardev_label(d->stream),
                   "nobody reads %s: the oldest %u bytes of output are dropped",
                   chardev_filename(d->stream), (unsigned)(waiting + n - limit));
    b->out += waiting + n - limit;
}

static uint32_t out_cons(const struct console_device *d)
{
    return d->backlog->base + (uint32_t)d->backlog->in;
}

/* From the ring to the backlog, and on. */
static void take_output(struct console_device *d)
{
    struct console_backlog *b = d->backlog;
    uint32_t cons = out_cons(d);
    uint32_t n = __atomic_load_n(&d->ring->out_prod, __ATOMIC_ACQUIRE) - cons;

    if (n > CONSOLE_OUT) {
        xenbus_refuse(&d->dev, -EPROTO);
        return;
    }
    if (!n)
        return;
    make_room(d, n);
    for (uint32_t i = 0; i < n; i++)
        b->bytes[(b->in + i - b->start) % CONSOLE_BACKLOG] = d->ring->out[(cons + i) % CONSOLE_OUT];
    __atomic_store_n(&b->in, b->in + n, __ATOMIC_RELEASE);
    __atomic_store_n(&d->ring->out_cons, cons + n, __ATOMIC_RELEASE);
    notify(d); /* it may wait for room */
    flush(d);
}

/* ---- input ---------------------------------------------------------------------------------- */

static size_t room(void *opaque)
{
    struct console_device *d = opaque;
    uint32_t used = CONSOLE_IN;

    if (d->ring)
        used = d->in_prod - __atomic_load_n(&d->ring->in_cons, __ATOMIC_ACQUIRE);
    d->starved = used >= CONSOLE_IN;
    if (used <= CONSOLE_IN)
        return CONSOLE_IN - used;
    xenbus_refuse(&d->dev, -EPROTO);
    return 0;
}

static void receive(void *opaque, const uint8_t *bytes, size_t n)
{
    struct console_device *d = opaque;

    for (size_t i = 0; i < n; i++)
        d->ring->in[(d->in_prod + i) % CONSOLE_IN] = bytes[i];
    d->in_prod += (uint32_t)n;
    __atomic_store_n(&d->ring->in_prod, d->in_prod, __ATOMIC_RELEASE);
    notify(d);
}

/* The guest has written, or has read and so made room. */
static void front_event(void *opaque)
{
    struct console_device *d = opaque;

    take_output(d);
    if (d->ring && d->starved)
        chardev_kick(d->stream);
}

/* ---- connection ----------------------------------------------------------------------------- */

static bool console_ours(struct xenbus_device *dev)
{
    char type[16];

    return dev->devid && xenbus_front_read(dev, "type", type, sizeof type) > 0 &&
           !strcmp(type, "ioemu");
}

/* One stream each, whatever the front end's directory says. */
static bool is_taken(const struct console_device *d)
{
    const struct console *c = console_of(d);

    for (unsigned i = 0; i < ARRAY_SIZE(c->devices); i++)
        if (&c->devices[i] != d && c->devices[i].stream == d->stream)
            return true;
    return false;
}

static int open_backlog(struct console_device *d)
{
    const struct console_host *host = console_of(d)->host;
    struct console_backlog *b = host->backlog ? host->backlog(host->opaque, d->stream) : NULL;

    d->kept = b != NULL;
    d->backlog = b ? b : calloc(1, sizeof *b);
    b = d->backlog;
    if (!b)
        return -ENOMEM;
    if (b->in - b->out > CONSOLE_BACKLOG || b->out < b->start) /* no predecessor wrote that */
        b->in = b->out = b->start = 0;
    return 0;
}

static int console_init(struct xenbus_device *dev)
{
    struct console_device *d = console_device(dev);
    const struct console_host *host = console_of(d)->host;
    const char *name;
    char output[64];
    int ret;

    if (xenbus_front_read(dev, "output", output, sizeof output) <= 0)
        return error_set(&dev->why, -EINVAL, "its output is not named");
    ret = host->open(host->opaque, dev->devid, output, &d->stream, &dev->why);
    if (ret == 0 && is_taken(d))
        ret = error_set(&dev->why, -EBUSY, "%s is another channel's", chardev_label(d->stream));
    if (ret == 0)
        ret = open_backlog(d);
    if (ret < 0)
        return ret;
    d->user = (struct chardev_user){ .room = room,
                                     .receive = receive,
                                     .writable = writable,
                                     .opaque = d,
                                     .filed = &d->backlog->filed };
    chardev_attach(d->stream, &d->user);
    name = chardev_filename(d->stream);
    if (!strncmp(name, "pty:", 4))
        xenbus_front_publish(dev, "tty", name + 4);
    d->blocked = false;
    flush(d);
    return 0;
}

static void console_fini(struct xenbus_device *dev)
{
    struct console_device *d = console_device(dev);

    if (d->stream && d->user.opaque)
        chardev_attach(d->stream, NULL);
    if (!d->kept)
        free(d->backlog);
    d->stream = NULL;
    d->backlog = NULL;
    d->user.opaque = NULL;
}

static void console_disconnect(struct xenbus_device *dev)
{
    struct console_device *d = console_device(dev);
    struct pv *pv = dev->bus->pv;

    if (!d->ring)
        return;
    if (d->bound) /* what the guest wrote last of all */
        take_output(d);
    d->bound = false;
    pv->ops->unbind(pv, &d->channel);
    pv->ops->unmap_grants(pv, d->ring, 1);
    d->ring = NULL;
}

/* Where our indices stand. The page may be one step behind what a predecessor had taken. */
static void take_indices(struct console_device *d)
{
    uint32_t cons = __atomic_load_n(&d->ring->out_cons, __ATOMIC_RELAXED);

    d->in_prod = __atomic_load_n(&d->ring->in_prod, __ATOMIC_RELAXED);
    if (!d->dev.adopting || !d->kept || out_cons(d) - cons > CONSOLE_OUT)
        d->backlog->base = cons - (uint32_t)d->backlog->in;
    if (out_cons(d) != cons)
        __atomic_store_n(&d->ring->out_cons, out_cons(d), __ATOMIC_RELEASE);
}

static int console_connect(struct xenbus_device *dev)
{
    struct console_device *d = console_device(dev);
    uint32_t ref = xenbus_front_number(dev, "ring-ref", 0);
    uint32_t port = xenbus_front_number(dev, "port", 0);
    struct pv *pv = dev->bus->pv;
    void *page;
    int ret;

    if (!port)
        port = xenbus_front_number(dev, "event-channel", 0);
    if (!ref || !port)
        return -EAGAIN;
    ret = pv->ops->map_grants(pv, &ref, 1, &page);
    if (ret < 0)
        return ret;
    d->ring = page;
    take_indices(d);
    d->channel = (struct pv_channel){ .event = front_event, .opaque = d };
    ret = pv->ops->bind(pv, port, &d->channel); /* pending then: all else follows from that */
    d->bound = ret == 0;
    return ret;
}

static const struct xenbus_ops console_ops = {
    .type = "console",
    .size = sizeof(struct console_device),
    .max = CONSOLE_CHANNELS + 1,
    .ours = console_ours,
    .init = console_init,
    .connect = console_connect,
    .disconnect = console_disconnect,
    .fini = console_fini,
};

/* ---- life ----------------------------------------------------------------------------------- */

int console_open(struct xenstore *x, unsigned domid, struct pv *pv, const struct console_host *host,
                 struct console **out, struct error *e)
{
    struct console *c = calloc(1, sizeof *c);
    int ret;

    if (!c)
        return error_set(e, -ENOMEM, "no memory for the PV consoles");
    ret = xenbus_open(&c->bus, &console_ops, c->devices, x, domid, e);
    if (ret < 0) {
        free(c);
        return ret;
    }
    c->bus.pv = pv;
    c->bus.opaque = c;
    c->host = host;
    c->limit = host->limit && host->limit < CONSOLE_BACKLOG ? host->limit : CONSOLE_BACKLOG;
    if (c->limit < CONSOLE_OUT)
        c->limit = CONSOLE_OUT;
    *out = c;
    return 0;
}

void console_count(struct console *c, volatile uint64_t *events)
{
    c->bus.events = events;
}

void console_resume(struct console *c)
{
    xenbus_resume(&c->bus);
}

void console_pause(struct console *c)
{
    xenbus_pause(&c->bus);
}

void console_close(struct console *c)
{
    if (!c)
        return;
    xenbus_close(&c->bus);
    free(c);
}
