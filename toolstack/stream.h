/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - one connection of a control socket: bounded input, bounded output, passed descriptors.
 *
 * The peer is not trusted (S20): it may send anything, read nothing, and leave at any byte. Memory
 * per connection is bounded by STREAM_OUT_MAX plus at most one payload. Used by QMP and by the
 * control socket.
 */
#ifndef TOOLSTACK_STREAM_H
#define TOOLSTACK_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "ioreq/loop.h"

enum {
    STREAM_OUT_MAX = 1 << 20, /* bytes waiting for the peer to read; beyond, it is dropped */
    STREAM_FDS = 8,           /* received descriptors nobody claimed yet; more are closed */
};

struct stream_user {
    /* n bytes came. May send, finish and kill. */
    void (*input)(void *opaque, const char *bytes, size_t n);
    /* The connection is gone, all descriptors are closed. The last call: the owner frees. */
    void (*closed)(void *opaque);
};

struct stream {
    struct loop *loop;
    struct loop_source source; /* fd -1: closed */
    const struct stream_user *user;
    void *opaque;
    char *out; /* waiting to be written: [out_done, out_len) */
    size_t out_len, out_done;
    void *payload; /* written after `out`; malloc()ed */
    size_t payload_len, payload_done;
    int fds[STREAM_FDS];
    unsigned nfds;
    uint32_t interest; /* epoll events asked for */
    bool busy;         /* inside input() */
    bool dead;         /* to be closed as soon as not busy */
    bool finish;       /* no more input; close when all is written */
};

/* Takes over a connected, stream-type socket. On failure *s is closed and closed() is not called.
 */
MUST_CHECK int stream_open(struct stream *s, struct loop *loop, int fd,
                           const struct stream_user *user, void *opaque);

/* Queue bytes and write what fits. False: the peer does not read and was dropped. */
bool stream_send(struct stream *s, const void *bytes, size_t n);

/* Queue malloc()ed memory, which is freed in every case. At most one at a time (stream_idle()). */
bool stream_give(struct stream *s, void *payload, size_t n);

bool stream_idle(const struct stream *s); /* nothing waits to be written */
int stream_take_fd(struct stream *s);     /* oldest received descriptor, or -1; ownership passes */
void stream_finish(struct stream *s);     /* close after everything was written */
void stream_kill(struct stream *s);       /* close now (from input(): when it returns) */

/* A listening UNIX socket: a stale one is removed, backlog 16, non-blocking, close-on-exec.
 * Returns the descriptor or -errno with a sentence. `mode` are the file's permission bits. */
MUST_CHECK int stream_listen(const char *path, unsigned mode, struct error *e);

#endif
