/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arena - see arena.h. */
#include "hw/core/arena.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGN      64u         /* a record starts a cache line of its own */
#define ARENA_MOST (64l << 20) /* bytes; far more than any board needs */

int arena_create(struct arena *a, size_t size, struct error *e)
{
    int err;

    a->fd = memfd_create("hvmdm-arena", MFD_CLOEXEC);
    if (a->fd < 0)
        return error_set(e, -errno, "cannot create the state arena: %s", strerror(errno));
    if (ftruncate(a->fd, (off_t)size) < 0) {
        err = error_set(e, -errno, "cannot size the state arena: %s", strerror(errno));
        goto close;
    }
    a->h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
    if (a->h == MAP_FAILED) {
        err = error_set(e, -errno, "cannot map the state arena: %s", strerror(errno));
        goto close;
    }
    a->h->magic = ARENA_MAGIC;
    a->h->format = ARENA_FORMAT;
    a->h->size = size;
    a->h->used = (sizeof *a->h + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    return 0;
close:
    close(a->fd);
    a->fd = -1;
    a->h = NULL;
    return err;
}

int arena_adopt(struct arena *a, int fd, struct error *e)
{
    struct stat st;
    int err;

    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "cannot look at the state arena: %s", strerror(errno));
    if (st.st_size < (off_t)sizeof(struct arena_header) || st.st_size > ARENA_MOST)
        return error_set(e, -EINVAL, "this is no hvmdm state arena");
    a->h = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (a->h == MAP_FAILED) {
        a->h = NULL;
        return error_set(e, -errno, "cannot map the state arena: %s", strerror(errno));
    }
    err = arena_check(a->h, (size_t)st.st_size, e);
    if (err == 0 && a->h->size != (uint64_t)st.st_size)
        err = error_set(e, -EINVAL, "state arena: its size is wrong");
    if (err < 0) {
        munmap(a->h, (size_t)st.st_size);
        a->h = NULL;
        return err;
    }
    a->fd = fd;
    a->adopted = true;
    return 0;
}

void arena_destroy(struct arena *a)
{
    if (!a->h)
        return;
    munmap(a->h, a->h->size);
    close(a->fd);
    a->h = NULL;
    a->fd = -1;
}

/* Offset of `bytes` fresh, zeroed bytes; 0 when there are none left. */
static uint32_t take(struct arena *a, uint64_t bytes)
{
    uint64_t at = a->h->used;

    bytes = (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    if (bytes == 0 || bytes > a->h->size - at)
        return 0;
    a->h->used += bytes;
    return (uint32_t)at;
}

/* The records that a predecessor has made by the same call. */
static struct arena_record *find_all(struct arena *a, const char *name, uint32_t instance,
                                     uint32_t count, const struct state_desc *d, struct error *e)
{
    struct arena_record *first = arena_find(a, name, instance);
    size_t table = d->nfields * sizeof d->fields[0];

    for (uint32_t i = 0; first && i < count; i++) {
        const struct arena_record *r = arena_find(a, name, instance + i);

        if (r != first + i || r->size != d->size || r->nfields != d->nfields ||
            r->version != d->version || r->state != first->state + i * d->size ||
            memcmp(arena_at(a, r->fields), d->fields, table) != 0)
            first = NULL;
    }
    a->found += first ? count : 0;
    a->stale |= !first;
    if (!first)
        error_set(e, -ESTALE, "the state arena has no record %s %" PRIu32 " of this layout", name,
                  instance);
    return first;
}

bool arena_complete(const struct arena *a)
{
    return !a->adopted || a->found == a->h->nrecords;
}

struct arena_record *arena_add(struct arena *a, const char *name, uint32_t instance, uint32_t count,
                               const struct state_desc *d, struct error *e)
{
    struct arena_record *first = &a->h->record[a->h->nrecords];
    uint32_t fields, state, shadow;

    if (strlen(name) >= ARENA_NAME) {
        error_set(e, -EINVAL, "the name of state record %s is too long", name);
        return NULL;
    }
    if (a->adopted)
        return find_all(a, name, instance, count, d, e);
    for (uint32_t i = 0; i < count; i++)
        if (arena_find(a, name, instance + i)) {
            error_set(e, -EEXIST, "two devices want the state record %s %" PRIu32, name, instance);
            return NULL;
        }
    fields = take(a, d->nfields * sizeof d->fields[0]);
    state = take(a, (uint64_t)d->size * count);
    shadow = take(a, (uint64_t)d->size * count);
    if (!fields || !state || !shadow || count > ARENA_RECORDS - a->h->nrecords) {
        error_set(e, -ENOSPC, "the state arena of %" PRIu64 " bytes is full at record %s",
                  a->h->size, name);
        return NULL;
    }
    memcpy(arena_at(a, fields), d->fields, d->nfields * sizeof d->fields[0]);
    for (uint32_t i = 0; i < count; i++) {
        first[i] = (struct arena_record){ .instance = instance + i,
                                          .version = d->version,
                                          .nfields = d->nfields,
                                          .fields = fields,
                                          .state = state + i * d->size,
                                          .size = d->size,
                                          .shadow = shadow + i * d->size };
        strcpy(first[i].name, name);
    }
    a->h->nrecords += count;
    return first;
}

void *arena_add_bulk(struct arena *a, struct arena_record *r, uint32_t size, struct error *e)
{
    if (a->adopted) {
        if (r->bulk_size == size)
            return arena_at(a, r->bulk);
        a->stale = true;
        error_set(e, -ESTALE, "the state arena has no payload of %" PRIu32 " bytes for %s", size,
                  r->name);
        return NULL;
    }
    r->bulk = take(a, size);
    if (!r->bulk) {
        error_set(e, -ENOSPC,
                  "the state arena of %" PRIu64 " bytes has no room for the payload of "
                  "%s",
                  a->h->size, r->name);
        return NULL;
    }
    r->bulk_size = size;
    return arena_at(a, r->bulk);
}

static struct arena_record *find_in(struct arena_header *h, const char *name, uint32_t instance)
{
    for (uint32_t i = 0; i < h->nrecords; i++)
        if (h->record[i].instance == instance && strcmp(h->record[i].name, name) == 0)
            return &h->record[i];
    return NULL;
}

struct arena_record *arena_find(const struct arena *a, const char *name, uint32_t instance)
{
    return find_in(a->h, name, instance);
}

static bool inside(const struct arena_header *h, uint32_t offset, uint64_t bytes)
{
    return offset >= sizeof *h && offset <= h->size && bytes <= h->size - offset;
}

int arena_check(const struct arena_header *h, size_t mapped, struct error *e)
{
    if (mapped < sizeof *h || h->magic != ARENA_MAGIC)
        return error_set(e, -EINVAL, "this is no hvmdm state arena");
    if (h->format != ARENA_FORMAT)
        return error_set(e, -EINVAL, "state arena of format %" PRIu32 ", this version reads %u",
                         h->format, ARENA_FORMAT);
    if (h->size > mapped || h->size < sizeof *h || h->nrecords > ARENA_RECORDS)
        return error_set(e, -EINVAL,
                         "state arena: size %" PRIu64 " or %" PRIu32 " records cannot be right",
                         h->size, h->nrecords);
    for (uint32_t i = 0; i < h->nrecords; i++) {
        const struct arena_record *r = &h->record[i];

        if (!memchr(r->name, 0, sizeof r->name))
            return error_set(e, -EINVAL, "state arena: the name of record %" PRIu32 " has no end",
                             i);
        if (!inside(h, r->state, r->size) || !inside(h, r->shadow, r->size) ||
            !inside(h, r->fields, (uint64_t)r->nfields * sizeof(struct state_field)) ||
            (r->bulk_size && !inside(h, r->bulk, r->bulk_size)))
            return error_set(e, -EINVAL, "state arena: record %s lies outside", r->name);
        for (uint32_t k = 0; k < i; k++)
            if (h->record[k].instance == r->instance && strcmp(h->record[k].name, r->name) == 0)
                return error_set(e, -EINVAL, "state arena: record %s is there twice", r->name);
    }
    return 0;
}

void arena_begin(struct arena *a)
{
    arena_store_barrier();
    a->h->transactions++;
    arena_store_barrier(); /* or what the last one touched could be taken for ours */
    a->h->in_transaction = 1;
    arena_store_barrier();
}

void arena_touch(struct arena *a, struct arena_record *r)
{
    if (r->touched_in == a->h->transactions)
        return;
    memcpy(arena_at(a, r->shadow), arena_at(a, r->state), r->size);
    arena_store_barrier();
    r->touched_in = a->h->transactions;
    arena_store_barrier();
}

void arena_commit(struct arena *a)
{
    arena_store_barrier();
    a->h->in_transaction = 0;
    arena_store_barrier();
}

void arena_undo(struct arena *a)
{
    if (!a->h->in_transaction)
        return;
    for (uint32_t i = 0; i < a->h->nrecords; i++) {
        struct arena_record *r = &a->h->record[i];

        if (r->touched_in == a->h->transactions)
            memcpy(arena_at(a, r->state), arena_at(a, r->shadow), r->size);
    }
    arena_store_barrier();
}

void arena_rollback(struct arena *a)
{
    arena_undo(a);
    arena_commit(a);
}

int arena_load(struct arena *to, const struct arena_header *from, struct error *e)
{
    for (uint32_t i = 0; i < from->nrecords; i++) {
        const struct arena_record *src = &from->record[i];
        struct arena_record *dst = arena_find(to, src->name, src->instance);
        struct state_desc d;
        char who[ARENA_NAME + 16];
        int err;

        if (!dst)
            return error_set(e, -EINVAL,
                             "the saved machine has a %s %" PRIu32 ", the configured one has not",
                             src->name, src->instance);
        snprintf(who, sizeof who, "%s %" PRIu32, src->name, src->instance);
        d = (struct state_desc){ arena_at(to, dst->fields), dst->nfields, dst->size, dst->version };
        err = state_convert(who, &d, arena_at(to, dst->state),
                            (const void *)((const char *)from + src->fields), src->nfields,
                            (const char *)from + src->state, src->size, e);
        if (err < 0)
            return err;
        if (src->bulk_size > dst->bulk_size)
            return error_set(e, -EINVAL,
                             "state of %s: its payload of %" PRIu32 " bytes does not fit", who,
                             src->bulk_size);
        if (src->bulk_size)
            memcpy(arena_at(to, dst->bulk), (const char *)from + src->bulk, src->bulk_size);
    }
    return 0;
}
