/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenstore_wire - messages of xenstored's protocol, for its client and for the broker.
 *
 * Protocol: xenstore.txt and xs_wire.h of Xen 4.17: a 16-byte header (host byte order), then at
 * most 4096 bytes.
 */
#ifndef TOOLSTACK_XENSTORE_WIRE_H
#define TOOLSTACK_XENSTORE_WIRE_H

#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

enum xs_type {
    XS_DIRECTORY = 1,
    XS_READ = 2,
    XS_WATCH = 4,
    XS_UNWATCH = 5,
    XS_TRANSACTION_START = 6,
    XS_TRANSACTION_END = 7,
    XS_WRITE = 11,
    XS_RM = 13,
    XS_WATCH_EVENT = 15,
    XS_ERROR = 16,
};

enum { XS_BODY = 4096 };

struct xs_header {
    uint32_t type, request, transaction, length;
};
static_assert(sizeof(struct xs_header) == 16, "as on the wire");

/* One message on its way in or out. Bytes beyond header.length are never looked at or written, so
 * short messages touch one page. */
struct xs_message {
    uint32_t done; /* bytes of it received or sent so far */
    struct xs_header header;
    char body[XS_BODY + 1];
};

/* Both go on where they stopped. 1: the message is complete (`done` is 0 again; a received body has
 * a NUL behind it); 0: not yet, the descriptor would block; -errno. -ECONNRESET: the other side has
 * closed. -EMSGSIZE: it announces more than XS_BODY bytes; nothing sensible can follow. */
MUST_CHECK int xs_receive(int fd, struct xs_message *m);
MUST_CHECK int xs_send(int fd, struct xs_message *m);

/* A descriptor that does not block, connected to the daemon, or -errno with a sentence. `socket`
 * as for xenstore_open(). */
MUST_CHECK int xs_connect(const char *socket, struct error *e);

#endif
