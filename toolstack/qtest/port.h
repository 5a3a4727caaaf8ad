/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port - the test port's stream: a socket or standard input and output, framed into lines.
 *
 * One client, served one line at a time, with a turn of the event loop between two lines. A client
 * that does not read is not read from.
 */
#ifndef TOOLSTACK_QTEST_PORT_H
#define TOOLSTACK_QTEST_PORT_H

#include <stdio.h>

#include "ioreq/loop.h"
#include "toolstack/qtest/protocol.h"

struct port;

struct port_options {
    int in, out;   /* taken over; the same one for a socket */
    bool listener; /* `in` is a listening socket, of which the first connection counts */
    FILE *log;     /* borrowed; NULL: none */
    void (*closed)(void *opaque); /* the client has gone and all its lines were done */
    void *opaque;
};

/* Serves nothing before port_serve(). */
MUST_CHECK int port_new(struct loop *loop, const struct port_options *o, struct port **out,
                        struct error *e);
MUST_CHECK int port_serve(struct port *p, struct board *b, struct error *e);
void port_free(struct port *p);

struct protocol *port_protocol(struct port *p); /* after port_serve() */

/* "unix:PATH", "unix:path=PATH", each with ",server=on" and ",wait=off": the descriptor of the
 * connected (or listening) socket, or -errno. `value` is written to. */
MUST_CHECK int port_open_socket(char *value, bool *listener, struct error *e);
MUST_CHECK int port_connect(const char *path, struct error *e);

#endif
