/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record_private - what record.c and record_text.c share. */
#ifndef TOOLSTACK_SUPERVISOR_RECORD_PRIVATE_H
#define TOOLSTACK_SUPERVISOR_RECORD_PRIVATE_H

#include <time.h>

#include "toolstack/supervisor/record.h"

enum {
    RECORD_STAMP = 19, /* "20261124T231022123", UTC with milliseconds, and the NUL */
    RECORD_TEXT = 24 << 10,
};

struct record {
    unsigned domid;
    enum supervised_role role;
    uint32_t generation, death, phase;
    uint64_t events;
    struct timespec when;
    char sentence[256], version[64], program[256];
    char doing[sizeof((struct supervised_vitals *)NULL)->doing + 1];
    char last_words[sizeof((struct supervised_vitals *)NULL)->last_words + 1];
    char registers[sizeof((struct supervised_vitals *)NULL)->registers + 1];
    char *arena;          /* private copy, or NULL */
    size_t arena_size;    /* mapped, and to be written */
    size_t arena_valid;   /* of these could be read */
    uint64_t arena_whole; /* what it was */
};

void record_stamp(const struct record *r, char stamp[RECORD_STAMP]);

#endif
