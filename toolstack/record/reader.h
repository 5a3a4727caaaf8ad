/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reader - takes a recording apart. The file is not trusted: all that comes out is inside the
 * bounds of format.h, and nothing is believed to be there before it has been read.
 */
#ifndef TOOLSTACK_RECORD_READER_H
#define TOOLSTACK_RECORD_READER_H

#include "toolstack/record/format.h"

struct reader {
    int fd;
    uint64_t size;
    struct recording_header header;
    struct recording_segment segment; /* the current one; number 0: none yet */
    uint8_t *arena, *rom;             /* its snapshot, `segment.arena` bytes, and ROM images */
    uint8_t *nic_rom[PC_NICS];        /* in `rom` */
    uint64_t at, end;                 /* next frame; where the segment must have ended */
    const uint8_t *next, *frame_end;  /* in the frame, which is in the window */
    bool torn;                        /* the segment did not end as it should */
    uint64_t window_at;               /* what of the file is in `window` */
    size_t window_len;
    uint8_t window[2 * RECORDING_FRAME];
};

/* 0, or -errno with a sentence. reader_close() is due in both cases. */
MUST_CHECK int reader_open(struct reader *r, const char *path, struct error *e);
void reader_close(struct reader *r);

/* The next segment, oldest first: 1, or 0: there is none, or -errno with a sentence. */
MUST_CHECK int reader_segment(struct reader *r, struct error *e);
/* The next record, whose bytes are good until the next call: 1, or 0: the segment ends. `torn` says
 * then whether it ends in the middle. */
MUST_CHECK int reader_next(struct reader *r, struct tap_record *out);

#endif
