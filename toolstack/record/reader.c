/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reader - see reader.h. */
#include "toolstack/record/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* All n bytes, which must lie before `end`. */
static bool get(const struct reader *r, void *to, uint64_t n, uint64_t at, uint64_t end)
{
    if (end > r->size)
        end = r->size;
    if (at > end || n > end - at)
        return false;
    return pread(r->fd, to, (size_t)n, (off_t)at) == (ssize_t)n;
}

int reader_open(struct reader *r, const char *path, struct error *e)
{
    struct recording_header *h = &r->header;
    struct stat st;

    memset(r, 0, offsetof(struct reader, window));
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0 || fstat(r->fd, &st) < 0)
        return error_set(e, -errno, "%s: %s", path, strerror(errno));
    r->size = (uint64_t)st.st_size;
    if (!S_ISREG(st.st_mode) || !get(r, h, sizeof *h, 0, r->size) ||
        memcmp(h->magic, RECORDING_MAGIC, sizeof h->magic) != 0)
        return error_set(e, -EINVAL, "%s is no recording", path);
    if (h->version != RECORDING_VERSION)
        return error_set(e, -EINVAL, "%s: recording of format %u, this version reads %d", path,
                         h->version, RECORDING_VERSION);
    if (h->area % RECORDING_PAGE || h->area > (UINT64_C(1) << 56) ||
        !memchr(h->writer, 0, sizeof h->writer))
        return error_set(e, -EINVAL, "%s: damaged head", path);
    r->at = RECORDING_PAGE;
    return 0;
}

void reader_close(struct reader *r)
{
    free(r->arena);
    free(r->rom);
    if (r->fd >= 0)
        close(r->fd);
    r->arena = r->rom = NULL;
    r->fd = -1;
}

static bool head_at(const struct reader *r, uint64_t at, struct recording_segment *s)
{
    return get(r, s, sizeof *s, at, r->size) &&
           memcmp(s->magic, RECORDING_SEGMENT, sizeof s->magic) == 0 &&
           s->number > r->segment.number;
}

/* The place of the oldest segment that is newer than the current one. */
static bool find(struct reader *r, struct recording_segment *s, uint64_t *at, uint64_t *end)
{
    struct recording_segment other;
    bool found = false;

    *end = r->size;
    for (unsigned i = 0; r->header.area && i < RECORDING_AREAS; i++) {
        uint64_t place = RECORDING_PAGE + i * r->header.area;

        if (!head_at(r, place, &other) || (found && other.number > s->number))
            continue;
        *s = other;
        *at = place;
        *end = place + r->header.area;
        found = true;
    }
    if (r->header.area)
        return found;
    *at = (r->at + RECORDING_PAGE - 1) & ~(uint64_t)(RECORDING_PAGE - 1);
    for (; *at < r->size; *at += RECORDING_PAGE)
        if (head_at(r, *at, s))
            return true;
    return false;
}

/* Bytes of all ROM images; false: one cannot have so many. */
static bool roms_of(const struct recording_segment *s, uint64_t *bytes)
{
    bool ok = s->rom <= RECORDING_ROM;

    *bytes = s->rom;
    for (unsigned i = 0; i < PC_NICS; i++) {
        ok = ok && s->nic_rom[i] <= RECORDING_ROM;
        *bytes += s->nic_rom[i];
    }
    return ok;
}

static int load(struct reader *r, struct error *e)
{
    const struct recording_segment *s = &r->segment;
    uint64_t roms, at = s->rom;

    free(r->arena);
    free(r->rom);
    r->arena = r->rom = NULL;
    if (s->arena > RECORDING_ARENA || s->used > s->arena || s->used > r->size ||
        !roms_of(s, &roms) || roms > r->size)
        return error_set(e, -EINVAL, "segment %u: damaged head", s->number);
    r->arena = calloc(1, s->arena ? s->arena : 1);
    r->rom = calloc(1, roms ? roms : 1);
    if (!r->arena || !r->rom)
        return error_set(e, -ENOMEM, "out of memory");
    if (!get(r, r->arena, s->used, r->at, r->end) || !get(r, r->rom, roms, r->at + s->used, r->end))
        return error_set(e, -EINVAL, "segment %u: its state is cut short", s->number);
    for (unsigned i = 0; i < PC_NICS; i++) {
        r->nic_rom[i] = s->nic_rom[i] ? r->rom + at : NULL;
        at += s->nic_rom[i];
    }
    r->at += s->used + roms;
    return 0;
}

int reader_segment(struct reader *r, struct error *e)
{
    struct recording_segment s;
    uint64_t at = 0, end = 0;
    int err;

    r->next = r->frame_end = NULL;
    r->torn = false;
    if (!find(r, &s, &at, &end))
        return 0;
    r->segment = s;
    r->at = at + sizeof r->segment;
    r->end = end;
    err = load(r, e);
    return err < 0 ? err : 1;
}

/* The n bytes at r->at, good until the next call; NULL: they are not in the segment. */
static const uint8_t *look(struct reader *r, uint64_t n)
{
    uint64_t end = r->end < r->size ? r->end : r->size;

    if (r->at > end || n > end - r->at || n > sizeof r->window)
        return NULL;
    if (r->at < r->window_at || r->at + n > r->window_at + r->window_len) {
        uint64_t left = end - r->at;
        ssize_t got = pread(r->fd, r->window, left < sizeof r->window ? left : sizeof r->window,
                            (off_t)r->at);

        r->window_at = r->at;
        r->window_len = got > 0 ? (size_t)got : 0;
    }
    return r->window_len >= r->at - r->window_at + n ? r->window + (r->at - r->window_at) : NULL;
}

/* The next frame: false at the end. */
static bool next_frame(struct reader *r)
{
    uint8_t prefix[10] = { 0 };
    const uint8_t *p, *byte;
    uint64_t len = 0;
    size_t n = 0;

    while (n < sizeof prefix && (byte = look(r, n + 1))) {
        prefix[n] = byte[n];
        if (!(prefix[n++] & 0x80))
            break;
    }
    if (!prefix[0])
        return false;
    r->torn = true;
    p = prefix;
    if (!tap_read_varint(&p, prefix + n, &len) || len >= RECORDING_FRAME ||
        !(p = look(r, n + len + 1)) ||
        p[n + len] != (RECORDING_END_MARK | (r->segment.number & 0xf)))
        return false;
    r->torn = false;
    r->at += n + len + 1;
    r->next = p + n;
    r->frame_end = r->next + len;
    return true;
}

int reader_next(struct reader *r, struct tap_record *out)
{
    if (r->torn || (r->next == r->frame_end && !next_frame(r)))
        return 0;
    r->torn = tap_decode(&r->next, r->frame_end, out) < 0;
    return !r->torn;
}
