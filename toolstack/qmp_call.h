/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_call - private to the QMP server: one command being answered.
 */
#ifndef TOOLSTACK_QMP_CALL_H
#define TOOLSTACK_QMP_CALL_H

#include <jansson.h>

#include "toolstack/qmp.h"

enum { QMP_PASSED_FDS = 32 }; /* descriptors in all sets together */

struct qmp_connection;

/* A descriptor that came by add-fd; it goes when the connection that brought it goes. */
struct qmp_passed {
    int fd; /* -1: free place */
    uint32_t set;
    char *opaque; /* the client's note, "raw:/path"; may be NULL */
    const struct qmp_connection *owner;
};

struct qmp_call {
    const struct vm_ops *ops;
    void *vm;
    struct qmp_passed *passed; /* QMP_PASSED_FDS of them */
    struct qmp_connection *connection;
    json_t *args;            /* an object; borrowed */
    const char *error_class; /* NULL: GenericError */
    struct error error;
    bool quit; /* leave after this answer */
};

struct qmp_command {
    const char *name;
    json_t *(*run)(struct qmp_call *c); /* the answer, or NULL with c->error set */
    const char *arguments;              /* for `help`: names, optional ones in brackets */
};

/* qmp_discovery.c */
json_t *qmp_system_reset(struct qmp_call *c);
json_t *qmp_query_name(struct qmp_call *c);
json_t *qmp_query_machines(struct qmp_call *c);
json_t *qmp_qom_list_types(struct qmp_call *c);

const struct qmp_command *qmp_command(unsigned i); /* NULL past the last */

/* Oldest descriptor that this connection received and nobody claimed; -1: none. */
int qmp_call_take_fd(struct qmp_call *c);

#endif
