/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disks - images for the PV worker, and what it shares with the device model to agree on a disk.
 *
 * The PV worker names a device by its number, and nothing else that it says counts: path, format
 * and access mode are the toolstack's words, in backend/qdisk/N/DEVID, which neither it nor the
 * guest can write. What is opened is held as "qdiskDEVID".
 *
 * An image that the device model has open too, for the emulated disk, is the same open file in both
 * workers, and so is locked once. Its lock goes with the last close.
 * Present: raw images, files and block devices, read-only and not; CD drives without a medium.
 * Absent:  other formats. A limit on how long the host takes to open a file: one on a network that
 *          is gone holds everything up (stat, open, fstat and locks all wait for the server).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/lock.h"
#include "hw/xen/handover.h"
#include "toolstack/supervisor/private.h"

enum { EMULATED = 4, HANDOVER_BYTES = 4096, INITIALISING = 1 };

/* One device, as xenstore has it. */
struct disk {
    struct supervisor *s;
    uint32_t devid;
    char held[SUPERVISED_NAME];
    char vdev[32]; /* "xvda", for messages */
    bool read_only, cdrom, direct;
    uint32_t state;
    const char *path; /* in params; "": no medium */
    char params[XENSTORE_VALUE];
};

/* ---- what the workers share ----------------------------------------------------------------- */

static int make_page(void)
{
    int fd = memfd_create("hvmdm-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING), err;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, HANDOVER_BYTES) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    err = -errno;
    close(fd);
    return err;
}

/* For both; `fd` is taken, and may be an error. */
static int hold_for_both(struct supervisor *s, const char *name, int fd)
{
    int copy, ret;

    if (fd < 0)
        return fd;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    ret = copy < 0 ? -errno : held_put(&s->pv->held, name, copy);
    if (ret == 0)
        return held_put(&s->model->held, name, fd);
    close(fd);
    return ret;
}

static int make_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

/* One end for each. */
static int hold_pipe(struct supervisor *s)
{
    int end[2], ret;

    if (pipe2(end, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    ret = held_put(&s->model->held, SUPERVISED_WAKE_MODEL, end[0]);
    if (ret == 0)
        return held_put(&s->pv->held, SUPERVISED_WAKE_MODEL, end[1]);
    close(end[1]);
    return ret;
}

int disks_prepare(struct supervisor *s)
{
    int ret = hold_for_both(s, SUPERVISED_HANDOVER, make_page());

    if (ret == 0)
        ret = hold_pipe(s);
    if (ret == 0)
        ret = hold_for_both(s, SUPERVISED_WAKE_PV, make_eventfd());
    return ret;
}

/* Nobody serves PV disks any more: what the dead one wanted goes back to the emulated disks. */
void disks_give_up(struct supervisor *s)
{
    int fd = held_find(&s->pv->held, SUPERVISED_HANDOVER);
    struct handover_page *page =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return;
    for (unsigned i = 0; i < HANDOVER_SLOTS; i++)
        handover_release(&page->slot[i]);
    munmap(page, sizeof *page);
    if (write(held_find(&s->pv->held, SUPERVISED_WAKE_MODEL), "", 1) < 0)
        return; /* it looks at the page at its guest's next access, too */
}

/* ---- the same image ------------------------------------------------------------------------- */

static bool same_image(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
        return a->st_rdev == b->st_rdev; /* a device may have several names */
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_image(int fd, const struct stat *st)
{
    struct stat other;

    return fd >= 0 && fstat(fd, &other) == 0 && same_image(&other, st);
}

/* The place of the emulated disk with this image, *fd its descriptor; or -1. */
static int find_twin(const struct supervisor *s, const struct stat *st, int *fd)
{
    for (int place = 0; place < EMULATED; place++) {
        char name[SUPERVISED_NAME];

        snprintf(name, sizeof name, "disk%d", place);
        *fd = held_find(&s->model->held, name);
        if (is_image(*fd, st))
            return place;
    }
    return -1;
}

/* Another PV disk of the same guest. With a twin there is one lock only, which both would have. */
static bool is_taken(const struct worker *w, const struct disk *d, const struct stat *st)
{
    for (unsigned i = 0; i < w->held.n; i++) {
        const struct held_fd *f = &w->held.fd[i];

        if (!strncmp(f->name, "qdisk", 5) && strcmp(f->name, d->held) && is_image(f->fd, st))
            return true;
    }
    return false;
}

static int access_mode(int fd)
{
    return fcntl(fd, F_GETFL) & O_ACCMODE;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A key of the device, "" if it is not there. */
static int read_key(const struct disk *d, const char *key, char *to, size_t size)
{
    char path[96];
    int ret;

    snprintf(path, sizeof path, "backend/qdisk/%u/%u/%s", d->s->o->domid, (unsigned)d->devid, key);
    ret = xenstore_read(d->s->xs, path, to, size);
    return ret < 0 ? ret : 0;
}

static bool key_is(const struct disk *d, const char *key, const char *value)
{
    char text[16];

    return read_key(d, key, text, sizeof text) == 0 && !strcmp(text, value);
}

/* -ENOENT: there is no such device, or not any more. */
static int read_disk(struct disk *d, struct error *e)
{
    char state[16], *colon;
    int ret = read_key(d, "params", d->params, sizeof d->params);

    if (ret == 0)
        ret = read_key(d, "state", state, sizeof state);
    if (ret < 0)
        return ret == -ENOENT
                   ? ret
                   : error_set(e, ret, "xenstore does not tell what it is: %s", strerror(-ret));
    if (read_key(d, "dev", d->vdev, sizeof d->vdev) < 0)
        snprintf(d->vdev, sizeof d->vdev, "%u", (unsigned)d->devid);
    text_clean(d->vdev, sizeof d->vdev);
    d->state = (uint32_t)strtoul(state, NULL, 10);
    d->read_only |= !key_is(d, "mode", "w");
    d->cdrom = key_is(d, "device-type", "cdrom");
    d->direct = key_is(d, "direct-io-safe", "1");
    d->path = d->params;
    if (!*d->params)
        return 0;
    colon = strchr(d->params, ':');
    d->path = colon ? colon + 1 : d->params + strlen(d->params);
    if (colon)
        *colon = '\0';
    if (strcmp(d->params, "aio") && strcmp(d->params, "raw"))
        return error_set(e, -ENOTSUP,
                         "format '%.20s' is not supported, only raw is; 'qemu-img convert -O raw' "
                         "makes a raw image of it",
                         d->params);
    return 0;
}

/* What is held for this device is what it has been served with, unless the device is another one by
 * now: the file's name may have gone to another file. But a CD drive gets another medium. */
static bool held_is_right(const struct worker *w, const struct disk *d)
{
    int fd = held_find(&w->held, d->held);
    struct stat st;

    if (fd < 0 || (access_mode(fd) == O_RDONLY) != d->read_only)
        return false;
    if (!d->cdrom && d->state != INITIALISING)
        return true;
    return stat(d->path, &st) == 0 && is_image(fd, &st);
}

/* A descriptor of our own for the twin's image, which is open as `fd`. */
static int share(const struct worker *w, const struct disk *d, int fd, const struct stat *st,
                 struct error *e)
{
    int mode = access_mode(fd), copy;

    if (held_find(&w->held, SUPERVISED_HANDOVER) < 0)
        return error_set(e, -ENOTSUP,
                         "the device model was started by an older version, which does not share "
                         "its disks; restart the guest");
    if (d->read_only && mode != O_RDONLY)
        return image_open_file(d->path, true, e); /* its lock is ours */
    if (!d->read_only && mode == O_RDONLY)
        return error_set(e, -EACCES,
                         "image '%s' is in the guest's CD drive as well, and so cannot be written",
                         d->path);
    if (!d->read_only && is_taken(w, d, st))
        return error_set(e, -EBUSY, "image '%s' is another disk of this guest already", d->path);
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy < 0 ? error_set(e, -errno, "no descriptor is left: %s", strerror(errno)) : copy;
}

static int open_image(const struct worker *w, const struct disk *d, uint32_t flags, struct error *e)
{
    struct stat st;
    int fd, ret;

    if (stat(d->path, &st) == 0 && find_twin(d->s, &st, &fd) >= 0)
        return share(w, d, fd, &st, e);
    fd = image_open_file(d->path, d->read_only, e);
    if (fd < 0)
        return fd;
    ret = flags & SUPERVISED_DISK_LAST ? image_lock(fd, d->read_only, d->path, 0, e)
                                       : image_try_lock(fd, d->read_only, d->path);
    if (ret == 0)
        return fd;
    close(fd);
    return ret;
}

static void forget(struct worker *w, const struct disk *d)
{
    if (held_drop(&w->held, d->held) < 0)
        return; /* nothing was held */
}

/* Opened or found, it is held. The descriptor, -ENODATA for a drive without a medium, or -errno. */
static int find_image(struct worker *w, struct disk *d, uint32_t flags, struct error *e)
{
    int ret = read_disk(d, e);

    if (ret == 0 && *d->path && held_is_right(w, d))
        return held_find(&w->held, d->held);
    forget(w, d);
    if (ret == 0)
        ret = *d->path ? open_image(w, d, flags, e) : -ENODATA;
    if (ret < 0)
        return ret;
    ret = held_put(&w->held, d->held, ret);
    return ret < 0 ? error_set(e, ret, "too many disks") : held_find(&w->held, d->held);
}

void disks_open(struct worker *w, uint32_t devid, uint32_t flags)
{
    struct supervised_message m = { .type = SUPERVISED_ACK };
    struct disk *d = calloc(1, sizeof *d);
    struct error e = { "" };
    struct stat st;
    int fd = -ENOMEM, other;

    supervised_disk_name(m.name, devid);
    if (d) {
        d->s = w->s;
        d->devid = devid;
        d->read_only = flags & SUPERVISED_DISK_READ_ONLY;
        memcpy(d->held, m.name, sizeof d->held);
        fd = find_image(w, d, flags, &e);
    }
    if (fd >= 0 && fstat(fd, &st) == 0)
        m.more = (uint32_t)(find_twin(w->s, &st, &other) + 1);
    if (fd >= 0 && d->direct && !m.more)
        m.more = SUPERVISED_DISK_DIRECT;
    if (fd >= 0)
        snprintf(m.text, sizeof m.text, "%.*s", SUPERVISED_TEXT - 1, d->path);
    else if (e.text[0]) /* for the worker's line in the log */
        snprintf(m.text, sizeof m.text, "%s: %.*s", d->vdev, SUPERVISED_TEXT - 40, e.text);
    m.value = fd >= 0 || fd == -ENODATA ? 0 : (uint32_t)-fd;
    worker_send(w, &m, fd);
    free(d);
}
