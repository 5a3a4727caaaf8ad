/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record - what is kept of a worker that died, for the developer.
 *
 * Two files in RECORD_DIRECTORY: DOMID-GENERATION-TIME.txt, to be read, and .arena, a copy of the
 * machine's state as the dead process left it, to be replayed (tests/replay.c). The newest
 * RECORD_KEPT records stay. Whatever the dead process wrote (vitals, arena) is hostile: it is
 * copied first, checked, and shown with other than printable characters taken out.
 *
 * In two steps, so that the guest does not wait for files: record_take() before the successor
 * starts and changes the arena, record_write() when it is at work.
 *
 * Needs libc, hw/core/arena.c, state.c, log.c. Absent: syncing to disk.
 */
#ifndef TOOLSTACK_SUPERVISOR_RECORD_H
#define TOOLSTACK_SUPERVISOR_RECORD_H

#include "toolstack/supervised.h"

#define RECORD_DIRECTORY "/var/lib/hvmdm/crash"

enum {
    RECORD_KEPT = 16,
    RECORD_ARENA_MOST = 4 << 20, /* bytes; what an arena has beyond them is left out */
};

struct record_facts {
    unsigned domid;
    enum supervised_role role;
    uint32_t generation;
    uint32_t death;       /* as the successor is told: a signal, or enum supervised_death */
    const char *sentence; /* of the log, or NULL */
    const char *version, *program;                   /* of the one that died; NULL: unknown */
    const volatile struct supervised_vitals *vitals; /* NULL: none */
    int arena;                                       /* descriptor, stays the caller's; -1: none */
};

struct record;

/* Copies what the facts point to. NULL if there is no memory; then there is no record. */
struct record *record_take(const struct record_facts *f);

/* Writes it below `directory`, which is made if it is missing, and frees it. 0 or -errno, which has
 * been logged in one line; a record without its arena counts as written. NULL is nothing. */
int record_write(struct record *r, const char *directory);
void record_drop(struct record *r);

/* The readable part: at most `size` bytes with the NUL. Returns its length. For tests and logs. */
size_t record_text(const struct record *r, char *to, size_t size);

#endif
