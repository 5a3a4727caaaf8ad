/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback - see blkback.h: PV disks as xenstore shows them.
 *
 * Protocol: xen/io/blkif.h. Keys (S21): backend/qdisk/N/D is the toolstack's and ours: mode,
 * device-type, removable, discard-enable, params. The front end's are numbers and one word that is
 * compared; each is bounded here.
 * Present:  1 to 16 ring pages, 1 to 4 queues, both layouts, persistent grants, indirect segments,
 *           flush, barrier, discard, another size, another medium, drives without one.
 * Absent:   num-ring-pages and max-ring-pages, other names of what is there; sectors of other sizes
 *           than 512 bytes, which every front end knows, so that feature-large-sector-size makes no
 *           difference; secure discard.
 */
#include "hw/xen/blkback.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/xen/blkback_private.h"
#include "hw/xen/xenbus.h"

enum { INFO_CDROM = 1, INFO_REMOVABLE = 2, INFO_READ_ONLY = 4 };
enum { DISCARD_BYTES = 4096, PARAMS = XENSTORE_VALUE + 1 };

/* The memory that a successor finds. A disk keeps its place by its number, since the order in which
 * disks are found is not always the same. */
struct journals {
    uint32_t owner[BLKBACK_DISKS]; /* devid + 1; 0: free */
    uint32_t told[BLKBACK_DISKS];  /* the medium() that the guest knows of; 0: by an older build */
    struct blk_journal disk[BLKBACK_DISKS];
};

/* What has the image, the journal and the connection. It outlives its device until nothing is in
 * flight any more: nobody waits for that. */
struct disk {
    struct blkback *b; /* NULL: unused */
    uint32_t devid;
    struct xenbus_device *dev; /* NULL: the device is gone */
    struct block *block;       /* NULL: no medium, or not opened yet */
    struct blk_conn *conn;     /* NULL: none */
    bool closing;              /* the connection, as soon as nothing is in flight */
    bool opened;
    bool asked, claimed; /* the disk, of the emulated side; it has let go */
    bool changing;       /* the medium: nothing is started until that is done */
    bool stale;          /* and the old one is still in */
    bool discard;
    struct loop_work announce; /* another medium */
};

struct vbd {
    struct xenbus_device dev; /* first member */
    struct disk *disk;        /* NULL: none yet */
    bool waits;               /* for a disk that is closing */
    char params[PARAMS];      /* of the medium that is in; may be cut */
};

/* A disk and its journal have the same place. */
struct blkback {
    struct xenbus bus;
    struct loop *loop;
    const struct blkback_host *host;
    struct journals *journals;
    bool own_journals; /* die with us */
    unsigned grants_left;
    struct guest_log_limit log_limit;
    struct vbd vbds[BLKBACK_DISKS];
    struct disk disks[BLKBACK_DISKS];
};

static struct vbd *vbd_of(struct xenbus_device *dev)
{
    return (struct vbd *)(void *)dev;
}

static struct disk *disk_of(struct xenbus_device *dev)
{
    return vbd_of(dev)->disk;
}

static void say(struct disk *d, const char *what)
{
    char who[24];

    snprintf(who, sizeof who, "qdisk %u", d->devid);
    guest_log_line(&d->b->log_limit, who, "%s", what);
}

/* ---- the journal ---------------------------------------------------------------------------- */

static int find_journals(struct blkback *b)
{
    const struct blkback_host *h = b->host;

    if (b->journals)
        return 0;
    if (h->journal)
        b->journals = h->journal(h->opaque, 0, sizeof *b->journals);
    b->own_journals = !b->journals;
    if (!b->journals)
        b->journals = calloc(1, sizeof *b->journals);
    return b->journals ? 0 : -ENOMEM;
}

static struct blk_journal *journal_of(const struct disk *d)
{
    return &d->b->journals->disk[d - d->b->disks];
}

static uint32_t *owner_of(const struct disk *d)
{
    return &d->b->journals->owner[d - d->b->disks];
}

static uint32_t *told_of(const struct disk *d)
{
    return &d->b->journals->told[d - d->b->disks];
}

/* How well does an unused place suit? Best is the one that a predecessor had for this disk; if need
 * be, that of one which was removed while nobody was here. All devices are known before the first
 * one begins. */
static unsigned suits(struct blkback *b, uint32_t owner, uint32_t me)
{
    if (owner == me)
        return 3;
    return !owner ? 2 : !xenbus_find(&b->bus, owner - 1);
}

static void announce(void *opaque);

/* -EINPROGRESS: until another disk has closed. There are as many places as devices. */
static int find_disk(struct vbd *v)
{
    struct blkback *b = v->dev.bus->opaque;
    uint32_t me = v->dev.devid + 1;
    unsigned best = 0;
    struct disk *d = NULL;
    int err = find_journals(b);

    if (err < 0)
        return err;
    v->waits = true;
    for (unsigned i = 0; i < BLKBACK_DISKS; i++) {
        unsigned suit = suits(b, b->journals->owner[i], me);

        if (b->disks[i].b && b->disks[i].devid == v->dev.devid)
            return -EINPROGRESS;
        if (!b->disks[i].b && suit > best) {
            best = suit;
            d = &b->disks[i];
        }
    }
    if (!d)
        return -EINPROGRESS;
    v->waits = false;
    *d = (struct disk){
        .b = b, .devid = v->dev.devid, .dev = &v->dev, .announce = { .run = announce, .opaque = d }
    };
    if (*owner_of(d) != me)
        journal_of(d)->valid = *told_of(d) = 0;
    *owner_of(d) = me;
    v->disk = d;
    return 0;
}

/* ---- the image ------------------------------------------------------------------------------ */

static bool text_is(struct disk *d, const char *key, const char *text)
{
    char value[32];

    return xenbus_read(d->dev, key, value, sizeof value) > 0 && strcmp(value, text) == 0;
}

static int open_image(struct disk *d)
{
    const struct blkback_host *h = d->b->host;
    bool read_only = !text_is(d, "mode", "w");
    char *params = vbd_of(d->dev)->params;
    int err;

    if (d->opened)
        return 0;
    if (xenbus_read(d->dev, "params", params, PARAMS) < 0)
        params[0] = '\0'; /* the host will know what to say */
    err = h->open(h->opaque, d->devid, read_only, &d->block, &d->dev->why);
    d->opened = err == 0;
    if (err < 0)
        d->block = NULL;
    return err;
}

/* What the guest was told is done is on the disk: that was the connection's last flush. */
static void close_image(struct disk *d)
{
    block_close(d->block);
    d->block = NULL;
    d->opened = false;
}

static void publish_info(struct disk *d)
{
    uint32_t info = 0;
    char sectors[24];

    if (text_is(d, "device-type", "cdrom"))
        info |= INFO_CDROM;
    if (xenbus_number(d->dev, "removable", 0) == 1)
        info |= INFO_REMOVABLE;
    if (!text_is(d, "mode", "w"))
        info |= INFO_READ_ONLY;
    xenbus_publish_number(d->dev, "info", info);
    xenbus_publish_number(d->dev, "sector-size", BLKIF_SECTOR);
    snprintf(sectors, sizeof sectors, "%" PRIu64, d->block ? d->block->size / BLKIF_SECTOR : 0);
    xenbus_publish(d->dev, "sectors", sectors);
}

/* The medium that is in: its name and its size (FNV-1a). Never 0. */
static uint32_t medium(const struct disk *d)
{
    uint64_t size = d->block ? d->block->size : 0;
    uint32_t hash = 2166136261u;

    for (const char *c = vbd_of(d->dev)->params; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    for (unsigned i = 0; i < 64; i += 8)
        hash = (hash ^ (uint8_t)(size >> i)) * 16777619u;
    return hash ? hash : 1;
}

static void announce(void *opaque)
{
    struct disk *d = opaque;

    xenbus_announce(d->dev);
    *told_of(d) = medium(d);
}

/* Publishes it, and announces it if it is another one than the guest knows of. Only then is that
 * noted, so that a successor does the same. */
static void tell(struct disk *d)
{
    publish_info(d);
    if (*told_of(d) != medium(d))
        loop_defer(d->b->loop, &d->announce);
}

static void publish_features(struct disk *d)
{
    struct xenbus_device *dev = d->dev;

    d->discard = xenbus_number(dev, "discard-enable", 0) == 1 && text_is(d, "mode", "w");
    xenbus_publish_number(dev, "feature-flush-cache", 1);
    xenbus_publish_number(dev, "feature-barrier", 1);
    xenbus_publish_number(dev, "feature-persistent", !d->b->host->no_persistent);
    xenbus_publish_number(dev, "feature-max-indirect-segments", BLKIF_INDIRECT_MAX);
    xenbus_publish_number(dev, "max-ring-page-order", BLKIF_ORDER_MAX);
    xenbus_publish_number(dev, "multi-queue-max-queues", BLK_QUEUES);
    xenbus_publish_number(dev, "feature-discard", d->discard);
    if (!d->discard)
        return;
    xenbus_publish_number(dev, "discard-granularity", DISCARD_BYTES);
    xenbus_publish_number(dev, "discard-alignment", 0);
    xenbus_publish_number(dev, "discard-secure", 0);
}

static int disk_init(struct xenbus_device *dev)
{
    int err = disk_of(dev) ? 0 : find_disk(vbd_of(dev));

    if (!err)
        err = open_image(disk_of(dev));
    if (!err)
        publish_features(disk_of(dev));
    return err;
}

/* Its device is gone, and it has no connection: who waited for its place or its image goes on. */
static void forget(struct disk *d)
{
    struct blkback *b = d->b;

    close_image(d);
    journal_of(d)->valid = 0;
    *owner_of(d) = 0;
    d->b = NULL;
    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        if (xenbus_at(&b->bus, i) && b->vbds[i].waits)
            xenbus_kick(&b->vbds[i].dev);
}

static void disk_fini(struct xenbus_device *dev)
{
    struct disk *d = disk_of(dev);

    vbd_of(dev)->disk = NULL;
    vbd_of(dev)->waits = false;
    if (!d)
        return;
    d->dev = NULL;
    if (d->conn)
        return; /* it is closing */
    if (!dev->bus->leaving) {
        forget(d);
        return;
    }
    block_leave(d->block);
    d->b = NULL;
}

/* ---- the connection ------------------------------------------------------------------------- */

/* A number of the front end, from the directory of its queue. */
static uint32_t queue_number(struct disk *d, const struct blk_setup *s, unsigned queue,
                             const char *key)
{
    char path[48];

    if (s->queues == 1)
        return xenbus_front_number(d->dev, key, 0);
    snprintf(path, sizeof path, "queue-%u/%s", queue, key);
    return xenbus_front_number(d->dev, path, 0);
}

static int read_queue(struct disk *d, struct blk_setup *s, unsigned queue, bool numbered)
{
    s->queue[queue].port = queue_number(d, s, queue, "event-channel");
    if (!s->queue[queue].port)
        return -EAGAIN;
    for (unsigned i = 0; i < 1u << s->order; i++) {
        char key[24];
        uint32_t ref;

        snprintf(key, sizeof key, "ring-ref%u", i);
        ref = numbered ? queue_number(d, s, queue, key) : 0;
        if (!ref && s->order == 0)
            ref = queue_number(d, s, queue, "ring-ref");
        if (!ref)
            return -EAGAIN;
        s->queue[queue].ref[i] = ref;
    }
    return 0;
}

static int read_abi(struct disk *d, enum blkif_abi *abi)
{
    char name[16];
    int n = xenbus_front_read(d->dev, "protocol", name, sizeof name);

    *abi = BLKIF_ABI_64;
    if (n == -ENOENT)
        return 0;
    if (n > 0 && strcmp(name, "x86_32-abi") == 0)
        *abi = BLKIF_ABI_32;
    else if (n <= 0 || strcmp(name, "x86_64-abi") != 0)
        return -EPROTONOSUPPORT;
    return 0;
}

/* What the front end asks for. -EAGAIN: it has not said all of it. */
static int read_setup(struct disk *d, struct blk_setup *s)
{
    uint32_t order = xenbus_front_number(d->dev, "ring-page-order", UINT32_MAX);
    uint32_t queues = xenbus_front_number(d->dev, "multi-queue-num-queues", 1);
    bool numbered = order != UINT32_MAX;
    int err = read_abi(d, &s->abi);

    if (err < 0)
        return err;
    if ((numbered && order > BLKIF_ORDER_MAX) || queues < 1 || queues > BLK_QUEUES)
        return -EINVAL;
    s->order = numbered ? order : 0;
    s->queues = queues;
    s->persistent =
        !d->b->host->no_persistent && xenbus_front_number(d->dev, "feature-persistent", 0) == 1;
    for (unsigned i = 0; i < queues && !err; i++)
        err = read_queue(d, s, i, numbered);
    return err;
}

static int claim(struct disk *d)
{
    const struct blkback_host *h = d->b->host;
    int err = d->claimed || !h->claim ? 0 : h->claim(h->opaque, d->devid);

    d->asked = true;
    d->claimed = err == 0;
    return err;
}

static void release(struct disk *d)
{
    const struct blkback_host *h = d->b->host;

    if (d->asked && h->release)
        h->release(h->opaque, d->devid);
    d->asked = d->claimed = false;
}

static void quiet(void *opaque);

static int disk_connect(struct xenbus_device *dev)
{
    struct disk *d = disk_of(dev);
    struct blk_setup s = { 0 };
    const struct blk_conn_options o = { .pv = dev->bus->pv,
                                        .loop = d->b->loop,
                                        .block = d->block,
                                        .journal = journal_of(d),
                                        .events = dev->bus->events,
                                        .grants_left = &d->b->grants_left,
                                        .quiet = quiet,
                                        .opaque = d,
                                        .discard = d->discard,
                                        .adopting = dev->adopting };
    int err = read_setup(d, &s);

    if (!err && (d->conn || d->changing))
        err = -EINPROGRESS; /* the one before is still closing, or the medium is not there */
    if (!err)
        err = claim(d);
    if (err < 0)
        return err;
    block_resized(d->block);
    err = blk_conn_open(&o, &s, &d->conn);
    if (err < 0)
        return err;
    if (!dev->adopting || !*told_of(d))
        *told_of(d) = medium(d); /* it will read it now */
    tell(d);
    return 0;
}

static void change_medium(struct disk *d);

static void end_connection(struct disk *d)
{
    if (d->conn)
        blk_conn_close(d->conn, false);
    d->conn = NULL;
    d->closing = false;
    release(d);
    if (d->changing && d->dev && xenbus_number(d->dev, "online", 0) == 1)
        change_medium(d);
}

static void disk_disconnect(struct xenbus_device *dev)
{
    struct disk *d = disk_of(dev);

    if (!d || d->closing)
        return;
    loop_cancel(d->b->loop, &d->announce);
    if (dev->bus->leaving) {
        if (d->conn)
            blk_conn_close(d->conn, true);
        d->conn = NULL;
        return;
    }
    d->closing = d->conn && !blk_conn_stop(d->conn);
    if (!d->closing)
        end_connection(d);
}

static bool disk_idle(struct xenbus_device *dev)
{
    struct disk *d = disk_of(dev);

    return !d->conn || blk_conn_stop(d->conn);
}

/* The connection has nothing in flight any more, and somebody waits for that. (Where a change of
 * the medium waits for the host, it is not the guest's notifications that bring it forward.) */
static void quiet(void *opaque)
{
    struct disk *d = opaque;
    struct xenbus_device *dev = d->dev;

    if (d->closing) {
        end_connection(d);
        if (dev)
            xenbus_kick(dev);
        else
            forget(d);
    } else if (d->conn->broken) {
        if (blk_conn_stop(d->conn))
            xenbus_refuse(dev, -EPROTO);
    } else if (d->stale || !d->changing) {
        if (d->stale)
            change_medium(d);
        xenbus_kick(dev);
    }
}

/* ---- another medium ------------------------------------------------------------------------- */

/* Goes on as far as that is possible now: nothing is in flight; the old one goes; the new one
 * comes, if there is one, and is ours to use. */
static void change_medium(struct disk *d)
{
    int err;

    if (d->closing || (d->conn && !blk_conn_stop(d->conn)))
        return; /* quiet() will come */
    if (d->stale) {
        close_image(d);
        release(d);
    }
    d->stale = false;
    error_set(&d->dev->why, 0, "its medium cannot be opened");
    err = open_image(d);
    if (d->conn)
        d->conn->block = d->block;
    if (err == -EINPROGRESS)
        return;
    if (err < 0)
        say(d, d->dev->why.text);
    d->opened = true; /* empty, if it cannot be opened */
    if (d->conn && claim(d) < 0)
        return;
    d->changing = false;
    if (!d->conn) {
        xenbus_kick(d->dev); /* it may wait for that */
        return;
    }
    blk_conn_start(d->conn);
    tell(d);
}

static void disk_changed(struct xenbus_device *dev, const char *key)
{
    struct disk *d = disk_of(dev);
    char params[PARAMS];

    if (key && strcmp(key, "params") != 0)
        return;
    /* Not there: the toolstack is removing the device, and what we publish would be in its way. */
    if (xenbus_read(dev, "params", params, sizeof params) < 0 ||
        strcmp(params, vbd_of(dev)->params) == 0)
        return;
    if (!dev->ready) { /* another image may do better */
        xenbus_kick(dev);
        return;
    }
    d->changing = d->stale = true;
    change_medium(d);
}

/* ---- life ----------------------------------------------------------------------------------- */

static const struct xenbus_ops blkback_ops = {
    .type = "qdisk",
    .size = sizeof(struct vbd),
    .max = BLKBACK_DISKS,
    .init = disk_init,
    .connect = disk_connect,
    .disconnect = disk_disconnect,
    .idle = disk_idle,
    .changed = disk_changed,
    .fini = disk_fini,
};

int blkback_open(struct xenstore *x, unsigned domid, struct loop *l, struct pv *pv,
                 const struct blkback_host *host, struct blkback **out, struct error *e)
{
    struct blkback *b = calloc(1, sizeof *b);
    int err;

    if (!b)
        return error_set(e, -ENOMEM, "no memory for PV disks");
    err = xenbus_open(&b->bus, &blkback_ops, b->vbds, x, domid, e);
    if (err < 0) {
        free(b);
        return err;
    }
    b->bus.pv = pv;
    b->bus.opaque = b;
    b->loop = l;
    b->host = host;
    b->grants_left = BLK_GRANTS_ALL;
    *out = b;
    return 0;
}

void blkback_count(struct blkback *b, volatile uint64_t *events)
{
    b->bus.events = events;
}

void blkback_resume(struct blkback *b)
{
    xenbus_resume(&b->bus);
}

void blkback_pause(struct blkback *b)
{
    xenbus_pause(&b->bus);
    for (struct disk *d = b->disks; d < b->disks + BLKBACK_DISKS; d++) {
        if (!d->b)
            continue;
        end_connection(d); /* it was closing, and this waits for it */
        forget(d);
    }
}

void blkback_close(struct blkback *b)
{
    if (!b)
        return;
    blkback_pause(b);
    xenbus_close(&b->bus);
    if (b->own_journals)
        free(b->journals);
    free(b);
}

void blkback_granted(struct blkback *b, uint32_t devid)
{
    struct xenbus_device *dev = xenbus_find(&b->bus, devid);

    if (!dev)
        return;
    if (dev->ready && disk_of(dev)->changing)
        change_medium(disk_of(dev));
    xenbus_kick(dev);
}

void blkback_resized(struct blkback *b)
{
    for (unsigned i = 0; i < BLKBACK_DISKS; i++) {
        struct xenbus_device *dev = xenbus_at(&b->bus, i);
        struct disk *d = dev ? disk_of(dev) : NULL;

        if (d && block_resized(d->block) && d->conn && !d->closing && !d->changing)
            tell(d);
    }
}
