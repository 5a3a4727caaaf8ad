/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore - the one place that talks to xenstored.
 *
 * Speaks the socket protocol itself (docs/misc/xenstore.txt in Xen): the shared libxenstore starts
 * a thread at the first watch, and the static one has no descriptor to wait on for watches.
 * Requests are synchronous (a round trip to a local daemon, limited to 5 s); watches fire from the
 * event loop, never inside a request.
 *
 * Who may write what (S21): everything below device-model/N and backend/TYPE/N belongs to the
 * toolstack and us, the guest can read it at most. Everything below /local/domain/N/device/TYPE is
 * written by the guest: any bytes, at any time, gone at any time. Read such keys with
 * xenstore_read_u32() and bounded buffers, and never take a path from them.
 */
#ifndef TOOLSTACK_XENSTORE_H
#define TOOLSTACK_XENSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct loop;
struct xenstore;

enum { XENSTORE_VALUE = 4096 }; /* longest value and longest list, bytes */

/* Owned by the caller, alive from xenstore_watch() to xenstore_unwatch(). */
struct xenstore_watch {
    const char *path; /* fires for this node and all below; relative ones are ours */
    /* `path` changed, or anything below the watched path may have (when path is that path). Also
     * called once after registration. */
    void (*changed)(void *opaque, const char *path);
    void *opaque;
    uint32_t token; /* private, as is the rest */
    struct xenstore_watch *next;
    bool overflow;
};

/* Connects to the daemon. `socket` NULL: $XENSTORED_PATH, /run/xenstored/socket, /dev/xen/xenbus.
 * 0 or -errno with a sentence. */
MUST_CHECK int xenstore_open(struct loop *loop, const char *socket, struct xenstore **out,
                             struct error *e);
/* The same on a connection that is there already: the supervisor's broker. `fd` is taken, also when
 * this fails. */
MUST_CHECK int xenstore_open_fd(struct loop *loop, int fd, struct xenstore **out, struct error *e);
void xenstore_close(struct xenstore *x); /* NULL is nothing; watches end */

/* A connection is lost when the daemon closes it, breaks the protocol or does not answer in time.
 * Requests fail with -ENOTCONN then, watches are silent. */
struct xenstore_calls {
    void (*lost)(void *opaque); /* from the loop; may reconnect */
    void (*back)(void *opaque); /* after that the daemon has said something; from the loop */
    void *opaque;
};
void xenstore_tell(struct xenstore *x, const struct xenstore_calls *calls); /* copied */
const char *xenstore_why_lost(const struct xenstore *x);                    /* NULL: it is not */
/* Count it as lost: the daemon's answers are of no use. */
void xenstore_give_up(struct xenstore *x, const char *why);
/* One that is lost goes on with another connection. `fd` is taken, also when this fails. Each watch
 * is asked for anew, without waiting, and fires when the daemon has done it. 0 or -errno, of which
 * -ENOTCONN means lost again. */
MUST_CHECK int xenstore_reconnect(struct xenstore *x, int fd);

/* Value as text. Returns its length, -ENOENT, -E2BIG (does not fit with its NUL), -EINVAL (contains
 * a NUL), or another -errno. buf is always terminated. */
MUST_CHECK int xenstore_read(struct xenstore *x, const char *path, char *buf, size_t size);
/* A decimal number, nothing around it. -EINVAL otherwise. */
MUST_CHECK int xenstore_read_u32(struct xenstore *x, const char *path, uint32_t *out);
MUST_CHECK int xenstore_write(struct xenstore *x, const char *path, const char *value);
/* The same, unless the node `witness` is not there (-ENOENT). Both in one transaction: a directory
 * that somebody removes with its witness is not made anew by this. */
MUST_CHECK int xenstore_write_if(struct xenstore *x, const char *witness, const char *path,
                                 const char *value);
MUST_CHECK int xenstore_write_u32(struct xenstore *x, const char *path, uint32_t value);
MUST_CHECK int xenstore_remove(struct xenstore *x, const char *path);
/* Names in a directory, each with its NUL, one behind the other. Returns the bytes used, or -errno.
 */
MUST_CHECK int xenstore_list(struct xenstore *x, const char *path, char *buf, size_t size);

MUST_CHECK int xenstore_watch(struct xenstore *x, struct xenstore_watch *w);
void xenstore_unwatch(struct xenstore *x, struct xenstore_watch *w);

/* Tell libxl that everything is ready: device-model/N/state = "running". A dm_restrict toolstack
 * asks by QMP instead. */
MUST_CHECK int xenstore_say_running(struct xenstore *x, unsigned domid, struct error *e);

#endif
