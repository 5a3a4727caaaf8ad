/* SPDX-License-Identifier: GPL-2.0-or-later */
/* recorder - see recorder.h. */
#include "toolstack/record/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "toolstack/version.h"

enum { PREFIX = 5, FLUSH = 32 << 10 }; /* room for a frame's length; when a frame is long enough */

struct recorder {
    struct tap tap; /* first */
    int fd;
    char path[256];
    uint64_t area;         /* bytes; 0: no limit */
    uint32_t number;       /* of the segment */
    uint64_t at, end;      /* where the next frame goes, and where the segment has to end */
    bool lost;             /* from here to the next segment nothing is written */
    uint64_t transactions; /* of the arena, when the last entry ended */
    const struct pc_host *pc;
    uint8_t *snapshot; /* the arena's used bytes, for a segment */
    size_t used;       /* of buf, from PREFIX on */
    uint8_t buf[PREFIX + RECORDING_FRAME];
};

static struct recorder *recorder_of(struct tap *t)
{
    return (struct recorder *)(void *)t;
}

/* --- The file. */

static int write_at(struct recorder *r, const void *bytes, size_t n, uint64_t at)
{
    for (const uint8_t *p = bytes; n;) {
        ssize_t done = pwrite(r->fd, p, n, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -ENOSPC;
        p += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return 0;
}

static void give_up(struct recorder *r, int err)
{
    log_warn("the recording in %s ends here: %s", r->path, strerror(-err));
    r->tap.on = false;
}

static void flush(struct recorder *r)
{
    size_t len = r->used - PREFIX, n;
    uint8_t prefix[10];
    int err;

    if (!len || r->lost)
        return;
    n = tap_varint(prefix, len);
    memcpy(r->buf + PREFIX - n, prefix, n);
    r->buf[r->used] = (uint8_t)(RECORDING_END_MARK | (r->number & 0xf));
    r->buf[r->used + 1] = 0; /* the end, unless another one follows */
    r->used = PREFIX;
    if (n + len + 2 > r->end - r->at) {
        r->lost = true;
        return;
    }
    err = write_at(r, r->buf + PREFIX - n, n + len + 2, r->at);
    if (err < 0)
        give_up(r, err);
    r->at += n + len + 1;
}

/* --- Segments. */

static void describe(const struct recorder *r, struct recording_board *b)
{
    const struct pc_host *pc = r->pc;

    *b = (struct recording_board){ .no_acpi = pc->no_acpi,
                                   .xen_platform = pc->xen_platform,
                                   .xen_pvdevice = pc->xen_pvdevice,
                                   .vcpus = pc->vcpus,
                                   .vram_bytes = pc->vram_bytes,
                                   .vram_gfn = pc->vram_gfn };
    for (unsigned i = 0; i < PC_SERIALS; i++)
        b->serials |= (uint8_t)(pc->have_serial[i] << i);
    for (unsigned i = 0; i < PC_DISKS; i++) {
        b->cdroms |= (uint8_t)(pc->cdrom[i] << i);
        if (!pc->disk[i])
            continue;
        b->media |= (uint8_t)(1u << i);
        b->read_only |= (uint8_t)(pc->disk[i]->read_only << i);
        b->disk_bytes[i] = pc->disk[i]->size;
    }
}

static void describe_nics(const struct recorder *r, struct recording_segment *s)
{
    for (unsigned i = 0; i < PC_NICS && r->pc->nic[i].ops; i++) {
        const struct pc_nic *nic = &r->pc->nic[i];
        const struct tap_net *net = r->tap.net[i];
        bool first = true;

        memcpy(s->board.mac[i], nic->mac, sizeof nic->mac);
        for (unsigned k = 0; k < i; k++)
            first = first && r->pc->nic[k].ops != nic->ops;
        s->nic_rom[i] = first ? nic->rom_size : 0;
        if (!net)
            continue;
        s->board.nets |= (uint8_t)(1u << i);
        s->board.cables |= (uint8_t)(net->net.up << i);
        s->held |= (uint8_t)(net->blocked << i);
    }
}

static void take_snapshot(const struct recorder *r)
{
    const struct arena *a = machine_arena(r->tap.m);
    struct arena_header *h = (struct arena_header *)(void *)r->snapshot;

    memcpy(r->snapshot, a->h, a->h->used);
    for (uint32_t i = 0; r->tap.nodata && i < h->nrecords; i++)
        if (strcmp(h->record[i].name, "domain") != 0)
            memset(r->snapshot + h->record[i].bulk, 0,
                   h->record[i].bulk ? h->record[i].bulk_size : 0);
}

/* Where the next segment goes; claims its number. */
static int find_place(struct recorder *r, uint64_t *at)
{
    struct recording_header h;
    struct stat st;

    if (pread(r->fd, &h, sizeof h, 0) != sizeof h || fstat(r->fd, &st) < 0)
        return -EIO;
    r->number = ++h.last;
    *at = ((uint64_t)st.st_size + RECORDING_PAGE - 1) & ~(uint64_t)(RECORDING_PAGE - 1);
    r->end = UINT64_MAX;
    if (r->area) {
        *at = RECORDING_PAGE + (r->number - 1) % RECORDING_AREAS * r->area;
        r->end = *at + r->area;
    }
    return write_at(r, &h, sizeof h, 0);
}

/* The head comes last: a segment without one is none. */
static int write_segment(struct recorder *r, struct recording_segment *s)
{
    static const uint8_t nothing[sizeof *s];
    uint64_t at = 0;
    int err = find_place(r, &at);
    uint64_t roms = s->rom;

    s->number = r->number;
    for (unsigned i = 0; i < PC_NICS; i++)
        roms += s->nic_rom[i];
    if (err == 0 && sizeof *s + s->used + roms + 1 > r->end - at)
        err = -ENOSPC;
    if (err == 0)
        err = write_at(r, nothing, sizeof nothing, at);
    r->at = at + sizeof *s;
    if (err == 0)
        err = write_at(r, r->snapshot, s->used, r->at);
    r->at += s->used;
    if (err == 0 && s->rom)
        err = write_at(r, r->pc->vga_rom, s->rom, r->at);
    r->at += s->rom;
    for (unsigned i = 0; i < PC_NICS && err == 0; i++) {
        if (s->nic_rom[i])
            err = write_at(r, r->pc->nic[i].rom, s->nic_rom[i], r->at);
        r->at += s->nic_rom[i];
    }
    if (err == 0)
        err = write_at(r, nothing, 1, r->at);
    return err < 0 ? err : write_at(r, s, sizeof *s, at);
}

static void new_segment(struct recorder *r, bool continues)
{
    const struct arena *a = machine_arena(r->tap.m);
    struct recording_segment s = { .flags = continues ? RECORDING_CONTINUES : 0,
                                   .now = r->tap.last_now,
                                   .arena = a->h->size,
                                   .used = a->h->used,
                                   .rom = r->pc->vga_rom_size };
    struct timespec wall;
    int err;

    memcpy(s.magic, RECORDING_SEGMENT, sizeof s.magic);
    clock_gettime(CLOCK_REALTIME, &wall);
    s.wall = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
    describe(r, &s.board);
    describe_nics(r, &s);
    for (unsigned i = 0; i < PC_SERIALS; i++) {
        s.blocked |= (uint8_t)((r->tap.serial[i] && r->tap.serial[i]->blocked) << i);
        s.starved |= (uint8_t)((r->tap.serial[i] && r->tap.serial[i]->starved) << i);
    }
    take_snapshot(r);
    r->used = PREFIX;
    r->lost = false;
    err = write_segment(r, &s);
    if (err < 0)
        give_up(r, err);
    r->transactions = a->h->transactions;
}

/* --- What the tap brings. */

/* Make a new segment where one is due. A snapshot is a state without host I/O in flight: wait for a
 * moment without, or, when it gets late, for the host. */
static void begin(struct tap *t, bool safe)
{
    struct recorder *r = recorder_of(t);
    uint64_t left = r->end - r->at;
    bool idle = tap_in_flight(t) == 0, late = left < r->area / 8;

    r->lost |= machine_arena(t->m)->h->transactions != r->transactions;
    if (!safe)
        return;
    if (r->lost) {
        t->on = false;
        machine_drain(t->m);
        t->on = true;
        new_segment(r, false);
    } else if (late || (idle && left < r->area / 4)) {
        machine_drain(t->m); /* what ends is in the old segment yet */
        if (t->on)
            new_segment(r, !r->lost);
    }
}

static void end(struct tap *t)
{
    struct recorder *r = recorder_of(t);

    flush(r);
    if (!r->lost)
        r->transactions = machine_arena(t->m)->h->transactions;
}

static void note(struct tap *t, struct tap_record *rec)
{
    struct recorder *r = recorder_of(t);

    r->lost |= rec->bytes && rec->len > RECORDING_BYTES;
    if (r->lost)
        return;
    r->used += tap_encode(r->buf + r->used, rec);
    if (r->used > FLUSH)
        flush(r);
}

static const struct tap_side side = { .live = true, .begin = begin, .end = end, .note = note };

/* --- Life. */

static int make_file(struct recorder *r, struct error *e)
{
    struct recording_header h = { .version = RECORDING_VERSION,
                                  .flags = r->tap.nodata ? RECORDING_NODATA : 0,
                                  .area = r->area };
    struct stat st;
    int err;

    /* What it was before is overwritten, but only if it was a recording or empty: not a disk. */
    r->fd = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return error_set(e, -errno, "cannot record to %s: %s", r->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, -EINVAL, "cannot record to %s: it is no file", r->path);
    if (st.st_size && (pread(r->fd, &h.magic, sizeof h.magic, 0) != sizeof h.magic ||
                       memcmp(h.magic, RECORDING_MAGIC, sizeof h.magic) != 0))
        return error_set(e, -EEXIST,
                         "cannot record to %s: there is a file that is no recording; remove it",
                         r->path);
    memcpy(h.magic, RECORDING_MAGIC, sizeof h.magic);
    snprintf(h.writer, sizeof h.writer, "%s", HVMDM_VERSION);
    err = ftruncate(r->fd, 0) < 0 ? -errno : write_at(r, &h, sizeof h, 0);
    return err < 0 ? error_set(e, err, "cannot record to %s: %s", r->path, strerror(-err)) : 0;
}

int recorder_open(const struct recorder_options *o, struct recorder **out, struct error *e)
{
    struct recorder *r = calloc(1, sizeof *r);
    int err = 0;

    if (!r) {
        if (o->fd >= 0)
            close(o->fd);
        return error_set(e, -ENOMEM, "out of memory");
    }
    r->tap.side = &side;
    r->tap.nodata = o->nodata;
    r->fd = o->fd;
    r->used = PREFIX;
    snprintf(r->path, sizeof r->path, "%s", o->path);
    if (o->limit)
        r->area = (o->limit - RECORDING_PAGE) / RECORDING_AREAS & ~(uint64_t)(RECORDING_PAGE - 1);
    if (r->fd < 0)
        err = make_file(r, e);
    if (err < 0) {
        recorder_free(r);
        return err;
    }
    *out = r;
    return 0;
}

struct tap *recorder_tap(struct recorder *r)
{
    return r ? &r->tap : NULL;
}

int recorder_fd(const struct recorder *r)
{
    return r ? r->fd : -1;
}

void recorder_start(struct recorder *r, const struct pc_host *pc)
{
    if (!r)
        return;
    r->pc = pc;
    if (!r->snapshot)
        r->snapshot = malloc(machine_arena(r->tap.m)->h->used);
    if (!r->snapshot) {
        give_up(r, -ENOMEM);
        return;
    }
    r->tap.on = true;
    r->tap.last_now = r->tap.hv.inner->ops->now(r->tap.hv.inner);
    new_segment(r, false);
}

void recorder_finish(struct recorder *r)
{
    if (!r || !r->tap.on)
        return;
    begin(&r->tap, false);
    if (!r->lost && tap_in_flight(&r->tap) == 0)
        new_segment(r, true);
    r->tap.on = false;
}

void recorder_free(struct recorder *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->snapshot);
    free(r);
}
