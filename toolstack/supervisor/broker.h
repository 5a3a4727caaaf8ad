/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broker - the only way of a PV worker to xenstore: a proxy in the supervisor that lets a few
 * requests pass and answers EACCES to all others itself.
 *
 * The worker counts as captured: it may send anything, in any pieces, or read nothing. What it can
 * reach is in broker_allows() and nowhere else. It speaks xenstored's own protocol, so the worker
 * uses the usual client (xenstore_open_fd()); request numbers and watch tokens pass unchanged.
 */
#ifndef TOOLSTACK_SUPERVISOR_BROKER_H
#define TOOLSTACK_SUPERVISOR_BROKER_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

enum {
    BROKER_WATCHES = 128,    /* one per kind of back end and one per device */
    BROKER_TRANSACTIONS = 4, /* open at once */
};

struct broker;
struct guest_log_limit;
struct loop;
struct xs_header;

/* One broker per worker, with a connection to the daemon of its own: nothing of a worker (watches,
 * transactions) outlives it. `socket` as for xenstore_open(). *client_fd is the worker's end, the
 * caller's, close-on-exec and non-blocking. 0 or -errno with a sentence.
 * When either side closes or breaks the protocol, the broker closes both, says so and stays idle
 * until broker_free(). It never calls back. */
MUST_CHECK int broker_new(struct loop *loop, unsigned domid, const char *socket,
                          struct broker **out, int *client_fd, struct error *e);
void broker_free(struct broker *b); /* NULL is nothing */
/* What it logs counts against this limit, which outlives it: a worker may ask for a new broker as
 * often as it likes. */
void broker_share_limit(struct broker *b, struct guest_log_limit *limit);

/* May the worker of this domain ask this? `body` has h->length (at most XS_BODY) bytes and a NUL
 * behind them. A write of a device's key needs, besides, a transaction in which the worker has read
 * that device's backend/TYPE/N/D/frontend. */
bool broker_allows(unsigned domid, const struct xs_header *h, const char *body);

/* The device, as a number of our own, whose key `path` is; 0: it is no such path. *witness: its
 * `frontend` in the back end's directory, which is there as long as the device is. */
uint64_t broker_device(unsigned domid, const char *path, bool *witness);

/* The path that a body begins with, if it is one that can be logged. */
const char *broker_path(const struct xs_header *h, const char *body);

#endif
