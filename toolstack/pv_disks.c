/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_disks - see pv_disks.h.
 *
 * An image that is locked by somebody else (the device model of a domain that is just rebooting) is
 * asked for again, for up to 10 s; other disks are served meanwhile. The supervisor holds an image
 * for as long as its block device lives here: closing it is our business, which is why block
 * devices get our own close().
 * Present: raw images. Absent: disks without a supervisor.
 */
#include "toolstack/pv_disks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"
#include "hw/core/log.h"
#include "hw/xen/blkback.h"
#include "hw/xen/handover.h"
#include "ioreq/loop.h"
#include "toolstack/supervised.h"
#include "toolstack/vm.h"

enum { LOCK_WAIT_MS = 10000, LOCK_RETRY_MS = 100, JOURNALS = 4 };
#define NEVER  UINT64_MAX
#define MS(ms) ((uint64_t)(ms)*1000000u)

/* One device that has an image, waits for one, or has claimed its disk. */
struct pv_disk {
    bool used;
    uint32_t devid;
    struct block *block;
    char id[24];                   /* for QMP */
    int twin;                      /* place of the emulated disk with the same image; -1: none */
    bool claimed, waits;           /* the twin's disk; for the device model to let go */
    uint64_t retry_at, give_up_at; /* NEVER: nobody has it locked */
};

struct pv_disks {
    struct blkback_host host;
    struct loop *loop;
    struct supervised *s;
    struct blkback *b;          /* while we listen */
    struct handover_page *page; /* NULL: there are no emulated disks */
    struct loop_source wake;
    int wake_model;
    uint32_t resized;
    struct block_ops ops; /* those of images, with our close and leave */
    const struct block_ops *real;
    struct pv_disk disks[BLKBACK_DISKS];
    struct {
        void *at;
        size_t bytes;
    } journals[JOURNALS];
};

/* ---- the table ------------------------------------------------------------------------------ */

static struct pv_disk *find(struct pv_disks *p, uint32_t devid)
{
    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        if (p->disks[i].used && p->disks[i].devid == devid)
            return &p->disks[i];
    return NULL;
}

static struct pv_disk *find_or_add(struct pv_disks *p, uint32_t devid)
{
    struct pv_disk *d = find(p, devid);

    for (unsigned i = 0; i < BLKBACK_DISKS && !d; i++) {
        if (p->disks[i].used)
            continue;
        d = &p->disks[i];
        *d = (struct pv_disk){
            .used = true, .devid = devid, .twin = -1, .retry_at = NEVER, .give_up_at = NEVER
        };
        snprintf(d->id, sizeof d->id, "qdisk-%" PRIu32, devid);
    }
    return d;
}

static void forget_idle(struct pv_disk *d)
{
    d->used = d->block || d->claimed || d->give_up_at != NEVER;
}

/* ---- images --------------------------------------------------------------------------------- */

static struct pv_disks *disks_of(struct block *b)
{
    return (struct pv_disks *)(void *)((char *)(uintptr_t)b->ops - offsetof(struct pv_disks, ops));
}

/* The block device is about to go. The device that had it, or NULL. */
static struct pv_disk *take_back(struct pv_disks *p, struct block *b)
{
    b->ops = p->real;
    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        if (p->disks[i].block == b) {
            p->disks[i].block = NULL;
            return &p->disks[i];
        }
    return NULL;
}

static void drop(struct pv_disks *p, const char *name)
{
    int err = supervised_drop(p->s, name);

    if (err < 0 && err != -ENOENT)
        log_warn("the supervisor does not let %s go: %s", name, strerror(-err));
}

static void close_image(struct block *b)
{
    struct pv_disks *p = disks_of(b);
    struct pv_disk *d = take_back(p, b);
    char name[SUPERVISED_NAME];

    block_close(b);
    if (!d)
        return;
    supervised_disk_name(name, d->devid);
    drop(p, name);
    forget_idle(d);
}

/* A predecessor's images: those that are still needed have been asked for anew, and the others
 * belong to devices that went while nobody was here. */
static void drop_leftovers(struct pv_disks *p)
{
    char name[SUPERVISED_NAME], own[SUPERVISED_NAME];

    while (supervised_next(p->s, "qdisk", name)) {
        bool needed = false;

        close(supervised_take(p->s, name));
        for (unsigned i = 0; i < BLKBACK_DISKS && !needed; i++) {
            supervised_disk_name(own, p->disks[i].devid);
            needed = p->disks[i].used && p->disks[i].block && !strcmp(own, name);
        }
        if (!needed)
            drop(p, name);
    }
}

/* The supervisor holds it for a successor. */
static void leave_image(struct block *b)
{
    struct pv_disk *d = take_back(disks_of(b), b);

    block_leave(b);
    if (d)
        forget_idle(d);
}

static int wrap(struct pv_disks *p, struct pv_disk *d, const struct supervised_disk *image,
                bool read_only, struct block **out, struct error *e)
{
    const struct block_options o = { .path = image->path,
                                     .fd = image->fd,
                                     .format = "raw",
                                     .read_only = read_only,
                                     .direct = image->direct,
                                     .locked = true,
                                     .shared = true,
                                     .no_ring = true };
    int err = block_open(p->loop, &o, out, e);

    if (err < 0)
        return err;
    d->block = *out;
    d->twin = image->twin < HANDOVER_SLOTS && p->page ? image->twin : -1;
    if (!p->real) {
        p->real = d->block->ops;
        p->ops = *p->real;
        p->ops.close = close_image;
        p->ops.leave = leave_image;
    }
    d->block->ops = &p->ops;
    return 0;
}

/* Somebody else has it locked. */
static int wait_for_it(struct pv_disk *d)
{
    const uint64_t now = loop_now();

    if (d->give_up_at == NEVER) {
        log_info("%s: the image is in use; waiting up to %u s for it", d->id, LOCK_WAIT_MS / 1000);
        d->give_up_at = now + MS(LOCK_WAIT_MS);
    }
    d->retry_at = now + MS(LOCK_RETRY_MS);
    return -EINPROGRESS;
}

static int open_image(void *opaque, uint32_t devid, bool read_only, struct block **out,
                      struct error *e)
{
    struct pv_disks *p = opaque;
    struct pv_disk *d = find_or_add(p, devid);
    struct supervised_disk image;
    uint32_t flags = read_only ? SUPERVISED_DISK_READ_ONLY : 0;
    int err;

    *out = NULL;
    if (!d || d->block)
        return error_set(e, -EBUSY, "there are more PV disks than expected");
    if (d->give_up_at <= loop_now())
        flags |= SUPERVISED_DISK_LAST;
    err = supervised_open_disk(p->s, devid, flags, &image);
    if (err == -EAGAIN)
        return wait_for_it(d);
    d->give_up_at = d->retry_at = NEVER;
    if (err < 0)
        error_set(e, err, "%s", image.path[0] ? image.path : strerror(-err));
    else if (image.fd >= 0)
        err = wrap(p, d, &image, read_only, out, e);
    forget_idle(d);
    return err;
}

/* ---- who has the disk ----------------------------------------------------------------------- */

static void wake_model(const struct pv_disks *p)
{
    if (write(p->wake_model, "", 1) < 0)
        return; /* the pipe is full of wake-ups that it has yet to see */
}

static int claim(void *opaque, uint32_t devid)
{
    struct pv_disks *p = opaque;
    struct pv_disk *d = find(p, devid);

    if (!d || d->twin < 0)
        return 0;
    d->claimed = true;
    d->waits = !handover_claim(&p->page->slot[d->twin]);
    if (!d->waits)
        return 0;
    wake_model(p);
    return -EINPROGRESS;
}

static bool is_claimed(const struct pv_disks *p, int twin)
{
    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        if (p->disks[i].used && p->disks[i].claimed && p->disks[i].twin == twin)
            return true;
    return false;
}

static void release(void *opaque, uint32_t devid)
{
    struct pv_disks *p = opaque;
    struct pv_disk *d = find(p, devid);

    if (!d || !d->claimed)
        return;
    d->claimed = d->waits = false;
    if (!is_claimed(p, d->twin)) {
        handover_release(&p->page->slot[d->twin]);
        wake_model(p);
    }
    forget_idle(d);
}

static void look(struct pv_disks *p)
{
    uint32_t resized = __atomic_load_n(&p->page->resized, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; i < BLKBACK_DISKS; i++) {
        struct pv_disk *d = &p->disks[i];

        if (!d->used || !d->waits || !handover_granted(&p->page->slot[d->twin]))
            continue;
        d->waits = false;
        blkback_granted(p->b, d->devid);
    }
    if (resized != p->resized)
        blkback_resized(p->b);
    p->resized = resized;
}

static void woken(void *opaque, uint32_t events)
{
    struct pv_disks *p = opaque;
    eventfd_t n;

    (void)events;
    if (eventfd_read(p->wake.fd, &n) == 0)
        look(p);
}

/* ---- the journal ---------------------------------------------------------------------------- */

static int make_journal(struct pv_disks *p, const char *name, size_t bytes)
{
    int fd = memfd_create("hvmdm-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

    if (fd < 0)
        return -errno;
    err = ftruncate(fd, (off_t)bytes) < 0 ||
                  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0
              ? -errno
              : supervised_hold(p->s, name, fd);
    if (err == 0)
        return fd;
    close(fd);
    return err;
}

/* What a predecessor left, if it is large enough for us, else a new one. */
static int find_journal(struct pv_disks *p, unsigned slot, size_t bytes)
{
    char name[SUPERVISED_NAME];
    struct stat st;
    int fd;

    snprintf(name, sizeof name, "journal%u", slot);
    fd = supervised_take(p->s, name);
    if (fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size >= bytes)
        return fd;
    if (fd >= 0)
        close(fd);
    return make_journal(p, name, bytes);
}

static void *journal(void *opaque, unsigned slot, size_t bytes)
{
    struct pv_disks *p = opaque;
    int fd = slot < JOURNALS && !p->journals[slot].at ? find_journal(p, slot, bytes) : -EINVAL;
    void *at = MAP_FAILED;

    if (fd >= 0) {
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
    }
    if (at == MAP_FAILED) {
        log_error("there is no memory for the journal of PV disks: they would not survive the end "
                  "of the PV worker");
        return NULL;
    }
    p->journals[slot].at = at;
    p->journals[slot].bytes = bytes;
    return at;
}

/* ---- life ----------------------------------------------------------------------------------- */

int pv_disks_open(struct loop *l, struct supervised *s, struct pv_disks **out, struct error *e)
{
    struct pv_disks *p = calloc(1, sizeof *p);
    int page = supervised_take(s, SUPERVISED_HANDOVER), err = 0;
    void *at;

    if (!p) {
        err = error_set(e, -ENOMEM, "no memory for PV disks");
        goto out;
    }
    p->host = (struct blkback_host){
        .open = open_image, .claim = claim, .release = release, .journal = journal, .opaque = p
    };
    p->loop = l;
    p->s = s;
    p->wake = (struct loop_source){ .fd = supervised_take(s, SUPERVISED_WAKE_PV),
                                    .ready = woken,
                                    .opaque = p };
    p->wake_model = supervised_take(s, SUPERVISED_WAKE_MODEL);
    *out = p;
    if (page < 0 || p->wake.fd < 0 || p->wake_model < 0)
        goto out;
    at = mmap(NULL, sizeof *p->page, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
    if (at == MAP_FAILED) {
        err = error_set(e, -errno, "cannot map the page shared with the device model: %s",
                        strerror(errno));
        pv_disks_close(p);
        *out = NULL;
    } else {
        p->page = at;
        p->resized = __atomic_load_n(&p->page->resized, __ATOMIC_ACQUIRE);
    }
out:
    if (page >= 0)
        close(page);
    return err;
}

const struct blkback_host *pv_disks_host(const struct pv_disks *p)
{
    return &p->host;
}

int pv_disks_resume(struct pv_disks *p, struct blkback *b, struct error *e)
{
    int err;

    p->b = b;
    drop_leftovers(p);
    if (!p->page)
        return 0;
    err = loop_add(p->loop, &p->wake, EPOLLIN);
    if (err < 0)
        return error_set(e, err, "cannot listen to the device model: %s", strerror(-err));
    for (int twin = 0; twin < HANDOVER_SLOTS; twin++)
        if (!is_claimed(p, twin))
            handover_release(&p->page->slot[twin]);
    wake_model(p);
    look(p);
    return 0;
}

void pv_disks_pause(struct pv_disks *p)
{
    loop_remove(p->loop, &p->wake);
    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        p->disks[i].used = false; /* of a paused back end nothing is left but what is written */
    p->b = NULL;
}

uint64_t pv_disks_deadline(const struct pv_disks *p)
{
    uint64_t at = NEVER;

    for (unsigned i = 0; i < BLKBACK_DISKS; i++)
        if (p->disks[i].used && p->disks[i].retry_at < at)
            at = p->disks[i].retry_at;
    return at;
}

void pv_disks_expired(struct pv_disks *p)
{
    const uint64_t now = loop_now();

    for (unsigned i = 0; i < BLKBACK_DISKS; i++) {
        struct pv_disk *d = &p->disks[i];

        if (!d->used || d->retry_at > now || !p->b)
            continue;
        d->retry_at = NEVER;
        blkback_granted(p->b, d->devid);
        if (d->retry_at == NEVER) { /* it has its image, or is gone */
            d->give_up_at = NEVER;
            forget_idle(d);
        }
    }
}

void pv_disks_resized(struct pv_disks *p)
{
    if (p->b)
        blkback_resized(p->b);
}

bool pv_disks_list(const struct pv_disks *p, unsigned i, struct vm_block *out)
{
    for (unsigned n = 0; n < BLKBACK_DISKS; n++) {
        const struct pv_disk *d = &p->disks[n];
        const struct block *b = d->used ? d->block : NULL;

        if (!b || i-- > 0)
            continue;
        *out = (struct vm_block){ .id = d->id,
                                  .file = b->path,
                                  .format = "raw",
                                  .read_only = b->read_only,
                                  .rd_bytes = b->stats.rd_bytes,
                                  .wr_bytes = b->stats.wr_bytes,
                                  .rd_operations = b->stats.rd_operations,
                                  .wr_operations = b->stats.wr_operations,
                                  .flush_operations = b->stats.flush_operations };
        return true;
    }
    return false;
}

void pv_disks_close(struct pv_disks *p)
{
    if (!p)
        return;
    loop_remove(p->loop, &p->wake);
    if (p->wake.fd >= 0)
        close(p->wake.fd);
    if (p->wake_model >= 0)
        close(p->wake_model);
    if (p->page)
        munmap(p->page, sizeof *p->page);
    for (unsigned i = 0; i < JOURNALS; i++)
        if (p->journals[i].at)
            munmap(p->journals[i].at, p->journals[i].bytes);
    free(p);
}
