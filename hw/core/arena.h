/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena - all guest-visible state of a machine in one pointer-free block of shared memory.
 *
 * Layout: header, then records, each with its name, instance, version and field table, so that
 * the block can be read without the program that wrote it. Records are allocated while a machine
 * is built and never freed; the same build maps an arena as it is, another build copies by name.
 *
 * A record has up to three parts: the state (described by fields, shadowed by transactions), the
 * shadow (same size), and bulk payload (sector buffers and the like; neither described nor
 * shadowed: it counts only as far as an index in the state says).
 */
#ifndef HW_CORE_ARENA_H
#define HW_CORE_ARENA_H

#include <stdatomic.h>

#include "hw/core/state.h"

#define ARENA_MAGIC   UINT64_C(0x616e6572614d5648) /* "HVMarena" */
#define ARENA_FORMAT  1u
#define ARENA_RECORDS 96u
#define ARENA_NAME    24u

struct arena_record {
    char name[ARENA_NAME];
    uint32_t instance;
    uint32_t version;
    uint32_t nfields;
    uint32_t fields; /* offset of struct state_field[nfields] from the arena's start, or 0 */
    uint32_t state;  /* offset */
    uint32_t size;   /* bytes of state */
    uint32_t shadow; /* offset; see touched_in */
    uint32_t bulk;   /* offset or 0 */
    uint32_t bulk_size;
    uint32_t zero;
    uint64_t touched_in; /* transaction whose old state the shadow holds */
};

struct arena_header {
    uint64_t magic;
    uint32_t format;
    uint32_t nrecords;
    uint64_t size;         /* bytes of the whole block */
    uint64_t used;         /* bytes allocated so far */
    uint64_t transactions; /* number of the running, or else the last, transaction; 0 = none yet */
    uint32_t in_transaction; /* 1 between begin and commit: roll back if found so by a successor */
    uint32_t zero;
    struct arena_record record[ARENA_RECORDS];
};

struct arena {
    struct arena_header *h; /* shared mapping */
    int fd;                 /* memfd that backs it */
    bool adopted;           /* records are there already: arena_add() finds them */
    bool stale;             /* one of them was missing or laid out differently */
    uint32_t found;         /* how many of them were asked for */
};

/* A fresh arena of `size` bytes (page multiple) in a new memfd. */
MUST_CHECK int arena_create(struct arena *a, size_t size, struct error *e);
/* The arena that a predecessor of the same build has left in `fd`, which is taken over in case of
 * success: arena_add() then gives the records that are there, with what they hold, and refuses
 * (-ESTALE) one that is missing or laid out differently. The bytes are hostile: arena_check() has
 * been done, the values are for state_check(). */
MUST_CHECK int arena_adopt(struct arena *a, int fd, struct error *e);
void arena_destroy(struct arena *a); /* unmaps and closes */
/* True unless an adopted arena holds records that nobody asked for: devices that this program, or
 * this board, does not have. */
bool arena_complete(const struct arena *a);

/* Allocate `count` records of one name, with instances from `instance` on and their states side by
 * side (an array). Name and instances must be unused. NULL with a sentence when full (or, in an
 * adopted arena, when not there). Returns the first; the others follow it. */
struct arena_record *arena_add(struct arena *a, const char *name, uint32_t instance, uint32_t count,
                               const struct state_desc *d, struct error *e);
/* Give a record `size` bytes of payload, zeroed. NULL with a sentence when full. */
void *arena_add_bulk(struct arena *a, struct arena_record *r, uint32_t size, struct error *e);
struct arena_record *arena_find(const struct arena *a, const char *name, uint32_t instance);

static inline void *arena_at(const struct arena *a, uint32_t offset)
{
    return offset ? (char *)a->h + offset : NULL;
}

/* Check an arena that came from elsewhere (S16): magic, format, every offset and size inside it,
 * names terminated and unique. Does not look at field values. */
MUST_CHECK int arena_check(const struct arena_header *h, size_t mapped, struct error *e);

/* The compiler must not move stores to shared memory across these marks: a successor may look at
 * any moment. x86 keeps the order of stores. */
static inline void arena_store_barrier(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

/* Transactions. begin: nothing is touched. touch: keep the old state of a record, once. commit:
 * the new state counts. rollback: every touched record gets its old state back. undo: the same, but
 * the transaction stays open, and it can be undone once more: for a successor, which finds
 * in_transaction set, has more to put right than records, and may die over that. */
void arena_begin(struct arena *a);
void arena_touch(struct arena *a, struct arena_record *r);
void arena_commit(struct arena *a);
void arena_undo(struct arena *a);
void arena_rollback(struct arena *a);

/* Copy all records of `from` into the same-named ones of `to`, by field name, bulk included.
 * -EINVAL names what does not fit; `to` is then half-filled and must be thrown away. */
MUST_CHECK int arena_load(struct arena *to, const struct arena_header *from, struct error *e);

#endif
