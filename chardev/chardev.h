/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev - the host side of a character stream: file, pty, stdio, socket, null.
 *
 * Writing never blocks and never grows memory: what the host does not take now is refused and the
 * device keeps it (its transmitter stays busy). A stream without a reader (a pty nobody opened, a
 * socket nobody connected to) takes and drops everything, as an unconnected cable would.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct chardev;
struct loop;

/* The device that uses the stream. */
struct chardev_user {
    size_t (*room)(void *opaque); /* bytes it could take now; 0 stops reading from the host */
    void (*receive)(void *opaque, const uint8_t *bytes, size_t n); /* n <= room() */
    void (*writable)(void *opaque); /* the host takes bytes again after a short write */
    void *opaque;
    /* How many bytes are in the file, kept by the device beside its state: what a file writes goes
     * behind them, and is added. So an output that is undone and repeated overwrites itself. NULL:
     * the stream counts for itself. */
    uint64_t *filed;
};

/* What a kind of stream does. Each kind embeds struct chardev as its first member; tests plug in a
 * stream in memory the same way. */
struct chardev_ops {
    size_t (*write)(struct chardev *c, const uint8_t *bytes, size_t n); /* as chardev_write() */
    void (*kick)(struct chardev *c);          /* as chardev_kick(); may be NULL */
    void (*close)(struct chardev *c);         /* releases everything, c included */
    void (*rest)(struct chardev *c, bool on); /* as chardev_rest(); NULL: nothing to do */
};

struct chardev {
    const struct chardev_ops *ops;
    const struct chardev_user *user; /* attached device or NULL; use at each call, it may change */
    char label[24];
    char filename[128];
    int keep; /* the descriptor that a successor needs to go on; -1: it needs none */
    bool resting;
    const struct chardev_user *rested; /* who was attached before */
};

/* What outlives the process that opened a stream. */
struct chardev_kept {
    bool successor; /* the two below come from a predecessor and are taken over in every case */
    int fd;         /* struct chardev's `keep`; -1: none */
    int client;     /* of a socket: the connection; -1: nobody is there */
    /* A socket's connection came, or (fd -1) went. May be NULL. */
    void (*connected)(void *opaque, int fd);
    void *opaque;
};

/* Opens the stream that a `-serial X` argument names: "pty", "none", "null", "stdio", "file:P",
 * "tcp:HOST:PORT[,server][,nowait]", "unix:P[,server][,nowait]" (also ",server=on", ",wait=off"),
 * or a host device "/dev/...". label is "serial0" and the like. "none" gives *out = NULL. */
MUST_CHECK int chardev_open(struct loop *l, const char *label, const char *spec,
                            struct chardev **out, struct error *e);
/* The same for a process that may have a successor, or is one. `kept` may be NULL. */
MUST_CHECK int chardev_open_kept(struct loop *l, const char *label, const char *spec,
                                 const struct chardev_kept *kept, struct chardev **out,
                                 struct error *e);
void chardev_close(struct chardev *c);

/* Take nothing from the host and accept nobody, because another process does so now, or (false) go
 * on. The device is detached meanwhile. A stream that is closed then leaves its socket file. */
void chardev_rest(struct chardev *c, bool on);

/* The device attaches itself; NULL detaches. */
void chardev_attach(struct chardev *c, const struct chardev_user *user);

/* Offers n bytes, returns how many were taken (0..n). After a short write user->writable comes. */
MUST_CHECK size_t chardev_write(struct chardev *c, const uint8_t *bytes, size_t n);

/* The device has room again after room() returned 0. */
void chardev_kick(struct chardev *c);

const char *chardev_label(const struct chardev *c);
/* What QMP query-chardev calls "filename": "pty:/dev/pts/3", "file:/path", "null",
 * "unix:/path,server=on", "tcp:host:port", "stdio", "/dev/ttyS0". */
const char *chardev_filename(const struct chardev *c);

#endif
