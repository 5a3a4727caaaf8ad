/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal - what the kinds of character streams share; not for devices.
 */
#ifndef CHARDEV_INTERNAL_H
#define CHARDEV_INTERNAL_H

#include <sys/types.h>

#include "chardev/chardev.h"
#include "hw/core/log.h"
#include "ioreq/loop.h"

/* A stream over one descriptor that can be polled. Embed as first member of a kind's struct.
 *
 * It waits for input only while a device is attached and has room, and for output only after a
 * short write; with neither it leaves the loop, since EPOLLHUP cannot be masked. */
struct stream {
    struct chardev base; /* first member */
    struct loop *loop;
    struct loop_source source;
    int fd; /* non-blocking; -1: nobody is there, output is dropped */
    bool is_socket;
    bool output_only;
    bool positional; /* a regular file: written at a position that is counted in *filed */
    uint64_t filed;  /* the same for a device that does not count */
    bool paused;     /* the device had no room: no reading before kick */
    bool blocked;    /* after a short write: user->writable is owed */
    /* The other side is gone (end of file, hang-up, error). Either gets another descriptor, or
     * calls stream_hang_up(). */
    void (*lost)(struct stream *s);
    /* Output is full. How many of the n bytes that did not fit are dropped: 0, or n. NULL: 0. */
    size_t (*full)(struct stream *s, size_t n);
    struct guest_log_limit log_limit;
    bool failing; /* the last write failed, and the log knows */
};

void stream_init(struct stream *s, struct loop *l, int fd);
void stream_update(struct stream *s); /* after any change of the above: waits for what is needed */
size_t stream_write(struct chardev *c, const uint8_t *bytes, size_t n);
void stream_kick(struct chardev *c);
/* Closes the descriptor; output is dropped from now on, and a device that waits is released. */
void stream_hang_up(struct stream *s);
/* Releases a device that waits for room. */
void stream_unblock(struct stream *s);

/* Reads from fd what the device has room for. Bytes delivered, 0 when it has no room, -EAGAIN,
 * -EPIPE at end of file, or another -errno. */
ssize_t chardev_receive(struct chardev *c, int fd);
/* Says once that output is lost, until chardev_write_worked(). */
void chardev_write_failed(struct chardev *c, struct guest_log_limit *limit, bool *failing, int err);

struct chardev *chardev_new(size_t size, const struct chardev_ops *ops, const char *label,
                            const char *filename); /* zeroed; NULL: no memory */

/* The kinds. `what` is the specification behind the colon (the path for devices). */
typedef int chardev_opener(struct loop *l, const char *label, const char *what,
                           const struct chardev_kept *kept, struct chardev **out, struct error *e);
/* The predecessor's descriptor, the caller's from now on; -1: there is none, make one. */
static inline int chardev_kept_fd(const struct chardev_kept *kept)
{
    return kept->successor ? kept->fd : -1;
}
chardev_opener chardev_null_open, chardev_file_open, chardev_pty_open, chardev_stdio_open,
    chardev_tty_open, chardev_tcp_open, chardev_unix_open;

#endif
