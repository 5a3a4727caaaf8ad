/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * player - runs a recording again on the simulator, and finds the first difference.
 *
 * The recording is not trusted: whatever is in the file, the result is one of the three below.
 */
#ifndef TOOLSTACK_RECORD_PLAYER_H
#define TOOLSTACK_RECORD_PLAYER_H

#include "toolstack/record/format.h"

enum player_outcome {
    PLAYER_SAME,
    PLAYER_DIFFERENT,
    PLAYER_REFUSED, /* it is no recording, or damaged, or of a build with another layout */
};

struct player_result {
    enum player_outcome outcome;
    uint64_t events;   /* outermost entries that were repeated */
    uint64_t requests; /* of them */
    uint32_t segments;
    uint32_t unseen;   /* segments that began after something that was not recorded */
    uint64_t guest_ns; /* time that the recording covers */
    bool nodata;       /* contents of disks, and answers that carry them, were not compared */
    char text[2048];   /* of a difference, or a refusal: lines; without the last newline */
};

void player_run(const char *path, struct player_result *out);

/* Each record as a line. 0 or -errno with a sentence. */
MUST_CHECK int player_list(const char *path, FILE *to, struct error *e);

#endif
