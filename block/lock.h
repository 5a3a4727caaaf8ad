/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock - opening a disk image, and one lock per image, so that two guests cannot write the same
 * one. Needs libc only: the supervisor uses it too.
 */
#ifndef BLOCK_LOCK_H
#define BLOCK_LOCK_H

#include <stdbool.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

/* A regular file or block device, close-on-exec; or -errno with a sentence. */
MUST_CHECK int image_open_file(const char *path, bool read_only, struct error *e);

/* Locks the image behind fd: shared if read_only, else exclusive. Retries for wait_ms, telling the
 * log after one second. 0, or -EBUSY with a sentence that names path and, if it can be found, the
 * holder. The lock belongs to the open file, not to the process: it survives fork, and ends with
 * image_unlock() or the last close. A file system without locks is a warning, not an error. */
MUST_CHECK int image_lock(int fd, bool read_only, const char *path, unsigned wait_ms,
                          struct error *e);
/* The same without a word and without waiting: 0, or -EAGAIN while somebody else has it. */
MUST_CHECK int image_try_lock(int fd, bool read_only, const char *path);
void image_unlock(int fd);

#endif
