/* SPDX-License-Identifier: GPL-2.0-or-later */
/* player - see player.h. */
#include "toolstack/record/player.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "display/display.h"
#include "hw/core/journal.h"
#include "ioreq/sim.h"
#include "toolstack/record/reader.h"
#include "toolstack/record/tap.h"

enum { SCRATCH = 16 * HV_PAGE_SIZE, RAM = 1 << 16, WORDS = 400, NESTED = 8 };

/* A medium that was taken out: the machine may still have a pointer to it. */
struct removed {
    struct tap_disk *disk;
    struct removed *next;
};

struct player {
    struct tap tap; /* first */
    struct player_result *out;
    struct reader reader;
    struct tap_record peeked; /* type TAP_NONE: none */
    struct tap_record entry;  /* the outermost one that runs */
    bool in_entry, over;
    size_t room[PC_SERIALS]; /* what the port said last */
    bool ready[PC_NICS];     /* what the card said last, until it got a frame */
    uint8_t bytes[RECORDING_BYTES];
    struct arena arena;
    struct hv *sim;
    struct pc_host pc;
    struct display display;
    struct removed *removed;
    uint8_t scratch[SCRATCH];
};

static struct player *player_of(struct tap *t)
{
    return (struct player *)(void *)t;
}

/* --- What is wrong. */

__attribute__((format(printf, 3, 4))) static void stop(struct player *p,
                                                       enum player_outcome outcome,
                                                       const char *format, ...)
{
    struct player_result *o = p->out;
    char name[80] = "", words[WORDS];
    va_list args;
    size_t n = 0;

    p->tap.on = false;
    if (p->over)
        return;
    p->over = true;
    o->outcome = outcome;
    if (p->in_entry) {
        tap_describe(&p->entry, words, sizeof words);
        if (p->entry.type == TAP_REQUEST) {
            struct request r = tap_request_of(&p->entry);

            machine_name_target(p->tap.m, &r, name, sizeof name);
        }
        n = (size_t)snprintf(o->text, sizeof o->text,
                             "event %" PRIu64 " at %" PRIu64 ".%06" PRIu64 " s: %s%s%s\n",
                             o->events, o->guest_ns / 1000000000, o->guest_ns / 1000 % 1000000,
                             name, name[0] ? ": " : "", words);
    }
    va_start(args, format);
    if (n < sizeof o->text)
        vsnprintf(o->text + n, sizeof o->text - n, format, args);
    va_end(args);
}

static void differ(struct player *p, const struct tap_record *recorded,
                   const struct tap_record *replayed)
{
    const struct device *d = machine_inside(p->tap.m);
    char was[WORDS], is[WORDS];

    tap_describe(recorded, was, sizeof was);
    tap_describe(replayed, is, sizeof is);
    stop(p, PLAYER_DIFFERENT, "  recorded: %s\n  replayed: %s%s%s", was, is,
         d ? "\n  inside device: " : "", d ? d->id : "");
}

static void damaged(struct player *p, const char *what)
{
    stop(p, PLAYER_REFUSED, "the recording is damaged: %s", what);
}

/* --- Records. */

/* The next one; false: the segment has ended. */
static bool next(struct player *p, struct tap_record *r)
{
    if (p->peeked.type == TAP_NONE)
        return reader_next(&p->reader, r) != 0;
    *r = p->peeked;
    p->peeked.type = TAP_NONE;
    return true;
}

/* What the recording has here is what the machine says, and what the host said is passed on. */
static void note(struct tap *t, struct tap_record *r)
{
    struct player *p = player_of(t);
    const struct tap_shape *shape = &tap_shapes[r->type];
    struct tap_record got;
    bool same;

    if (!next(p, &got)) { /* it ends inside an event */
        t->on = false;
        return;
    }
    same = got.type == r->type;
    for (unsigned i = 0; same && i < shape->outs; i++)
        same = got.out[i] == r->out[i] || (got.left_out && i + 1u == shape->outs);
    if (!same) {
        differ(p, &got, r);
        return;
    }
    memcpy(r->in, got.in, sizeof r->in);
    r->bytes = got.bytes;
    r->len = got.len;
    r->left_out = got.left_out;
    if (r->type == TAP_NOW)
        p->out->guest_ns += got.in[0];
}

/* --- Entries. */

static void play_request(struct player *p, const struct tap_record *r)
{
    struct request q = tap_request_of(r);
    struct tap *t = &p->tap;

    if (!request_sane(&q) || q.type > REQ_PCI_CONFIG ||
        (q.vcpu >= JOURNAL_VCPUS && q.vcpu != REQUEST_BUFFERED)) {
        damaged(p, "no guest can ask for this");
        t->depth--;
        return;
    }
    p->out->requests++;
    if (q.vcpu != REQUEST_BUFFERED)
        t->sink.taken(t->sink.opaque, q.vcpu);
    (void)tap_run(t, &q);
}

static void play_complete(struct player *p, const struct tap_record *r)
{
    uint64_t place = r->in[0] >> 8, slot = r->in[0] & 0xff;
    struct tap_disk *d = place < PC_DISKS ? p->tap.disk[place] : NULL;

    if (d && slot < TAP_SLOTS && d->slot[slot].outer) {
        tap_complete(&d->slot[slot], r, tap_errno(r->in[1]));
        return;
    }
    damaged(p, "the end of a disk request that nobody made");
    p->tap.depth--;
}

static void play_serial(struct player *p, const struct tap_record *r)
{
    struct tap_serial *s = r->in[0] < PC_SERIALS ? p->tap.serial[r->in[0]] : NULL;

    if (!s || (r->type == TAP_RECEIVE && (!r->bytes || r->len > p->room[r->in[0]]))) {
        damaged(p, "characters for which there is no room");
        p->tap.depth--;
    } else if (r->type == TAP_ROOM) {
        tap_room(s, &p->room[r->in[0]]);
    } else if (r->type == TAP_RECEIVE) {
        memcpy(p->bytes, r->bytes, r->len); /* the next record takes their place */
        p->room[r->in[0]] = 0;
        tap_receive(s, p->bytes, r->len);
    } else {
        tap_writable(s);
    }
}

static void play_net(struct player *p, const struct tap_record *r)
{
    struct tap_net *s = r->in[0] < PC_NICS ? p->tap.net[r->in[0]] : NULL;
    struct net_offload o = tap_offload(&r->in[1]);

    if (!s || (r->type == TAP_NET_RECEIVE &&
               (!p->ready[r->in[0]] || !r->bytes || r->len >= NET_FRAME_MAX ||
                !net_offload_fits(&o, r->len)))) {
        damaged(p, "a frame for which there is no room");
        p->tap.depth--;
    } else if (r->type == TAP_NET_READY) {
        tap_net_ready(s, &p->ready[r->in[0]]);
    } else if (r->type == TAP_NET_RECEIVE) {
        memcpy(p->bytes, r->bytes, r->len); /* the next record takes their place */
        p->ready[r->in[0]] = false;
        tap_net_receive(s, &o, p->bytes, r->len);
    } else if (r->type == TAP_NET_WRITABLE) {
        tap_net_writable(s);
    } else {
        tap_net_link(s, r->in[1] != 0);
    }
}

/* Another medium: the old wrapper stays, in case that the machine has not let it go. */
static struct block *new_medium(struct player *p, uint64_t place, uint64_t size)
{
    struct tap_disk *d =
        place < PC_DISKS ? tap_new_disk(&p->tap, (unsigned)place, size, true) : NULL;
    struct removed *old = d ? calloc(1, sizeof *old) : NULL;

    if (!old) {
        free(d);
        return NULL;
    }
    *old = (struct removed){ p->tap.disk[place], p->removed };
    p->removed = old;
    p->tap.disk[place] = d;
    return &d->block;
}

static void play_control(struct player *p, const struct tap_record *r)
{
    struct block *medium = NULL;

    if (r->in[0] >= TAP_CONTROLS || r->in[1] > UINT16_MAX) {
        damaged(p, "an unknown order");
        p->tap.depth--;
        return;
    }
    if (r->in[0] == TAP_INSERT)
        medium = new_medium(p, r->in[1], r->in[2] & ~UINT64_C(511));
    if (tap_perform(&p->tap, p->tap.m, (enum tap_control)r->in[0], r->in[1], r->in[2], medium,
                    NULL) < 0)
        return; /* as it was then, or it would have been a difference */
}

static void play(struct player *p, const struct tap_record *r)
{
    struct tap *t = &p->tap;

    t->depth++;
    switch (r->type) {
    case TAP_REQUEST:
        play_request(p, r);
        break;
    case TAP_INVALIDATE:
        tap_invalidate(t);
        break;
    case TAP_TIMERS:
        tap_timers(t, t->m);
        break;
    case TAP_COMPLETE:
        play_complete(p, r);
        break;
    case TAP_ROOM:
    case TAP_RECEIVE:
    case TAP_WRITABLE:
        play_serial(p, r);
        break;
    case TAP_CONTROL:
        play_control(p, r);
        break;
    case TAP_NET_READY:
    case TAP_NET_RECEIVE:
    case TAP_NET_WRITABLE:
    case TAP_NET_LINK:
        play_net(p, r);
        break;
    default:
        damaged(p, "a call outside of any event");
        t->depth--;
        break;
    }
}

static void nested(struct tap *t)
{
    struct player *p = player_of(t);
    struct tap_record r;

    while (t->on) {
        if (!next(p, &r)) {
            t->on = false;
        } else if (r.type == TAP_BACK) {
            p->peeked = r;
            return;
        } else if (tap_may_nest(r.type) && t->depth < NESTED) {
            play(p, &r);
        } else {
            differ(p, &r, &(struct tap_record){ .type = TAP_BACK });
        }
    }
}

static void nothing(struct tap *t)
{
    (void)t;
}

static void never(struct tap *t, bool safe)
{
    (void)t, (void)safe;
}

static const struct tap_side side = {
    .begin = never, .end = nothing, .note = note, .nested = nested
};

/* --- The machine. */

static void take_down(struct player *p)
{
    struct tap *t = &p->tap;

    t->on = false;
    machine_free(t->m);
    for (unsigned i = 0; i < PC_SERIALS; i++)
        free(t->serial[i]);
    for (unsigned i = 0; i < PC_NICS; i++)
        free(t->net[i]);
    for (unsigned i = 0; i < PC_DISKS; i++)
        free(t->disk[i]);
    while (p->removed) {
        struct removed *old = p->removed;

        p->removed = old->next;
        free(old->disk);
        free(old);
    }
    if (p->sim)
        p->sim->ops->destroy(p->sim);
    p->sim = NULL;
    arena_destroy(&p->arena);
    *t = (struct tap){ .side = &side, .scratch = p->scratch };
    p->pc = (struct pc_host){ .vcpus = 0 };
    p->peeked.type = TAP_NONE;
    memset(p->room, 0, sizeof p->room);
    memset(p->ready, 0, sizeof p->ready);
}

static int put_arena(struct player *p, struct error *e)
{
    const struct recording_segment *s = &p->reader.segment;
    int fd = memfd_create("hvmdm-replay", MFD_CLOEXEC), err;

    if (fd < 0 || ftruncate(fd, (off_t)s->arena) < 0 ||
        pwrite(fd, p->reader.arena, s->used, 0) != (ssize_t)s->used)
        err = error_set(e, -ENOMEM, "no memory for the state");
    else
        err = arena_adopt(&p->arena, fd, e);
    if (err < 0 && fd >= 0)
        close(fd);
    return err;
}

/* Which models they are, the state says. */
static int put_nics(struct player *p, struct error *e)
{
    const struct recording_segment *s = &p->reader.segment;
    struct tap *t = &p->tap;

    pc_nics_from(&p->pc, &p->arena);
    for (unsigned i = 0; i < PC_NICS && p->pc.nic[i].ops; i++) {
        struct pc_nic *nic = &p->pc.nic[i];

        memcpy(nic->mac, s->board.mac[i], sizeof nic->mac);
        nic->rom = p->reader.nic_rom[i];
        nic->rom_size = s->nic_rom[i];
        for (unsigned k = 0; k < i && !nic->rom; k++)
            if (p->pc.nic[k].ops == nic->ops) {
                nic->rom = p->pc.nic[k].rom;
                nic->rom_size = p->pc.nic[k].rom_size;
            }
        if (!(s->board.nets >> i & 1))
            continue;
        if (!tap_new_net(t, i, s->board.cables >> i & 1))
            return error_set(e, -ENOMEM, "out of memory");
        t->net[i]->blocked = s->held >> i & 1;
        nic->net = &t->net[i]->net;
    }
    return 0;
}

static int put_board(struct player *p, struct error *e)
{
    const struct recording_board *b = &p->reader.segment.board;
    struct tap *t = &p->tap;

    p->pc = (struct pc_host){ .no_acpi = b->no_acpi,
                              .xen_platform = b->xen_platform,
                              .xen_pvdevice = b->xen_pvdevice,
                              .vcpus = b->vcpus,
                              .vram_bytes = b->vram_bytes,
                              .vram_gfn = b->vram_gfn,
                              .vga_rom = p->reader.rom,
                              .vga_rom_size = p->reader.segment.rom,
                              .display = &p->display,
                              .boot = "cda" };
    for (unsigned i = 0; i < PC_SERIALS; i++) {
        p->pc.have_serial[i] = b->serials >> i & 1;
        if (!p->pc.have_serial[i])
            continue;
        if (!tap_new_serial(t, i))
            return error_set(e, -ENOMEM, "out of memory");
        t->serial[i]->blocked = p->reader.segment.blocked >> i & 1;
        p->pc.serial[i] = &t->serial[i]->chr;
    }
    for (unsigned i = 0; i < PC_DISKS; i++) {
        p->pc.cdrom[i] = b->cdroms >> i & 1;
        if (!(b->media >> i & 1))
            continue;
        t->disk[i] = tap_new_disk(t, i, b->disk_bytes[i] & ~UINT64_C(511), b->read_only >> i & 1);
        if (!t->disk[i])
            return error_set(e, -ENOMEM, "out of memory");
        p->pc.disk[i] = &t->disk[i]->block;
    }
    return put_nics(p, e);
}

/* Adoption changes the state a little, because it is made for successors. Here it is to be exactly
 * what it was; what is kept beside it has been rebuilt from it. */
static void restore(struct player *p)
{
    for (uint32_t i = 0; i < p->arena.h->nrecords; i++) {
        const struct arena_record *r = &p->arena.h->record[i];

        memcpy(arena_at(&p->arena, r->state), p->reader.arena + r->state, r->size);
        if (r->bulk_size)
            memcpy(arena_at(&p->arena, r->bulk), p->reader.arena + r->bulk, r->bulk_size);
    }
    for (unsigned i = 0; i < PC_SERIALS; i++) {
        struct tap_serial *s = p->tap.serial[i];

        if (!s)
            continue;
        s->blocked = p->reader.segment.blocked >> i & 1;
        if (p->reader.segment.starved >> i & 1 && s->chr.user)
            (void)s->chr.user->room(s->chr.user->opaque);
    }
}

static int build(struct player *p, struct error *e)
{
    const struct sim_options options = { .ram_size = RAM, .promiscuous = true };
    struct tap *t = &p->tap;
    struct machine *m = NULL;
    struct request_sink sink;
    int err = put_arena(p, e);

    if (err == 0 && p->arena.h->in_transaction)
        err = error_set(e, -EINVAL, "its state was taken in the middle of an event");
    if (err < 0)
        return err;
    p->sim = hv_sim_new(&options);
    if (!p->sim)
        return error_set(e, -errno, "no simulator: %s", strerror(errno));
    t->last_now = p->reader.segment.now;
    err = put_board(p, e);
    if (err == 0)
        err = machine_new(tap_hv(t, p->sim), &p->arena, &m, e);
    if (err < 0)
        return err;
    tap_machine(t, m, NULL, NULL);
    err = pc_build(m, &p->pc, e);
    if (err == 0)
        err = machine_adopted(m, false, e);
    if (err < 0)
        return err;
    machine_sink(m, &sink);
    tap_sink(t, &sink);
    restore(p);
    return 0;
}

static void start(struct player *p)
{
    struct error e = { "" };
    bool stale;
    int err;

    take_down(p);
    err = build(p, &e);
    stale = p->arena.h && p->arena.stale;
    if (err < 0)
        stop(p, PLAYER_REFUSED, "segment %u: %s%s%s", p->reader.segment.number, e.text,
             stale ? "; it was recorded by version " : "", stale ? p->reader.header.writer : "");
    else
        p->tap.on = !p->over;
}

/* --- At the end of a segment: is the state what it was? */

/* Of a record that no device has asked for, the table is not known to be good. */
static bool inside(const struct arena_record *r, const struct state_field *f)
{
    return f->size <= 8 && f->offset + (uint64_t)f->count * f->size <= r->size &&
           memchr(f->name, 0, sizeof f->name);
}

static bool compare_record(struct player *p, const struct arena_record *ours,
                           const struct arena_record *theirs)
{
    const struct state_field *f = arena_at(&p->arena, ours->fields);

    for (uint32_t i = 0; i < ours->nfields; i++, f++)
        for (uint32_t k = 0; inside(ours, f) && k < f->count; k++) {
            uint64_t was = state_get(p->reader.arena + theirs->state, f, k);
            uint64_t is = state_get(arena_at(&p->arena, ours->state), f, k);

            if (was == is)
                continue;
            stop(p, PLAYER_DIFFERENT,
                 "state after event %" PRIu64 ": %s %u, field %s[%u]\n  recorded: 0x%" PRIx64
                 "\n  replayed: 0x%" PRIx64,
                 p->out->events, ours->name, ours->instance, f->name, k, was, is);
            return false;
        }
    return true;
}

static void compare_state(struct player *p)
{
    struct arena_header *h = (struct arena_header *)(void *)p->reader.arena;
    const struct arena theirs = { .h = h, .fd = -1 };
    struct error e = { "" };

    if (arena_check(h, p->reader.segment.arena, &e) < 0) {
        damaged(p, e.text);
        return;
    }
    for (uint32_t i = 0; i < p->arena.h->nrecords; i++) {
        const struct arena_record *r = &p->arena.h->record[i], *o;

        /* How the process got on, and what the domain around the machine keeps. */
        if (strcmp(r->name, "journal") == 0 || strcmp(r->name, "domain") == 0)
            continue;
        o = arena_find(&theirs, r->name, r->instance);
        if (!o || o->size != r->size) {
            damaged(p, "a segment that continues another board");
            return;
        }
        if (!compare_record(p, r, o))
            return;
    }
}

/* As the domain does it. */
static void drop_unplugged(struct player *p)
{
    for (unsigned i = 0; i < PC_NICS && p->pc.nic[i].ops; i++) {
        struct device *card = pc_nic_device(p->tap.m, &p->pc, i);

        if (card && card->unplugged)
            card->host.net = NULL;
    }
}

static void play_segment(struct player *p)
{
    struct tap_record r;

    while (p->tap.on && reader_next(&p->reader, &r)) {
        p->entry = r;
        p->in_entry = true;
        p->out->events++;
        p->tap.private = false;
        play(p, &r);
        drop_unplugged(p);
        p->in_entry = p->over;
    }
    p->in_entry = false;
    p->peeked.type = TAP_NONE;
}

void player_run(const char *path, struct player_result *out)
{
    struct player *p = calloc(1, sizeof *p);
    struct error e = { "" };
    bool whole = false;
    int got;

    *out = (struct player_result){ .outcome = PLAYER_REFUSED, .text = "out of memory" };
    if (!p)
        return;
    out->outcome = PLAYER_SAME;
    out->text[0] = 0;
    p->out = out;
    p->arena.fd = -1;
    got = reader_open(&p->reader, path, &e);
    out->nodata = got == 0 && p->reader.header.flags & RECORDING_NODATA;
    while (!p->over && got >= 0 && (got = reader_segment(&p->reader, &e)) > 0) {
        out->segments++;
        if (whole && p->reader.segment.flags & RECORDING_CONTINUES) {
            compare_state(p);
        } else {
            out->unseen += out->segments > 1;
            start(p);
        }
        play_segment(p);
        /* What is on now has been played to the end. */
        whole = p->tap.on && !p->reader.torn;
    }
    if (got < 0)
        stop(p, PLAYER_REFUSED, "%s", e.text);
    else if (!out->segments)
        stop(p, PLAYER_REFUSED, "%s: nothing was recorded", path);
    take_down(p);
    reader_close(&p->reader);
    free(p);
}

int player_list(const char *path, FILE *to, struct error *e)
{
    struct reader *r = calloc(1, sizeof *r);
    struct tap_record rec;
    char words[WORDS];
    unsigned depth;
    int err;

    if (!r)
        return error_set(e, -ENOMEM, "out of memory");
    err = reader_open(r, path, e);
    while (err >= 0 && (err = reader_segment(r, e)) > 0) {
        fprintf(to, "segment %u%s\n", r->segment.number,
                r->segment.flags & RECORDING_CONTINUES ? ", continues" : "");
        for (depth = 0; reader_next(r, &rec);) {
            depth -= depth && (rec.type == TAP_END || rec.type == TAP_BACK);
            tap_describe(&rec, words, sizeof words);
            fprintf(to, "%*s%s\n", (int)(2 + 2 * depth), "", words);
            depth += depth < 16 && tap_has_end(rec.type);
        }
        if (r->torn)
            fprintf(to, "  cut short\n");
    }
    reader_close(r);
    free(r);
    return err < 0 ? err : 0;
}
