/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recorder - writes a recording (docs/recording.md) of a live guest.
 *
 * Each entry is in the file before its answer is visible, so the death of the process loses nothing
 * but the event that it died of. Where something happened that was not seen, or the process is
 * another one, a new segment begins with the state as it is then. A file that cannot be written to
 * ends the recording, with one line in the log, and nothing else.
 */
#ifndef TOOLSTACK_RECORD_RECORDER_H
#define TOOLSTACK_RECORD_RECORDER_H

#include "toolstack/record/tap.h"

struct recorder;

struct recorder_options {
    const char *path;
    uint64_t limit; /* bytes of the file; 0: none */
    bool nodata;    /* leave contents of disks out */
    int fd;         /* the predecessor's, taken over in every case; -1: make the file anew */
};

/* The least that `limit` can be. */
#define RECORDER_LIMIT_MIN (UINT64_C(8) << 20)

MUST_CHECK int recorder_open(const struct recorder_options *o, struct recorder **out,
                             struct error *e);
/* NULL is nothing here and below: no recording. */
struct tap *recorder_tap(struct recorder *r);
int recorder_fd(const struct recorder *r); /* for a successor; -1 */
/* Begin, or begin anew: the machine's state now, then what happens. No host I/O is in flight. `pc`
 * and its ROM image are borrowed. */
void recorder_start(struct recorder *r, const struct pc_host *pc);
/* The last state; nothing is written any more. To be called while the machine is there. */
void recorder_finish(struct recorder *r);
void recorder_free(struct recorder *r); /* after machine, images and streams */

#endif
