/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - the QMP server: what libxl and xentop ask, answered as QEMU 7.2 would.
 *
 * Several listening sockets, concurrent connections, one command at a time in the order received.
 * Each answer ends with CR LF and echoes the id. Commands are in qmp_commands.c.
 */
#ifndef TOOLSTACK_QMP_H
#define TOOLSTACK_QMP_H

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "toolstack/vm.h"

struct loop;
struct qmp;

/* `ops` and `vm` are borrowed. NULL without memory. */
struct qmp *qmp_new(struct loop *loop, const struct vm_ops *ops, void *vm);

/* Listen at a path (a stale socket is replaced), or on an inherited listening descriptor, which is
 * then ours. 0, or -errno with a sentence. Clients may connect from this moment on. */
MUST_CHECK int qmp_listen_path(struct qmp *q, const char *path, struct error *e);
MUST_CHECK int qmp_listen_fd(struct qmp *q, int fd, struct error *e);

/* Serve a connected socket, which is then ours: the greeting is sent at once. */
MUST_CHECK int qmp_connection(struct qmp *q, int fd);

/* Tell all who have negotiated; reason NULL: the event has no data. The toolstack asks for none, so
 * only the test port sends any. */
void qmp_event(struct qmp *q, const char *name, bool guest, const char *reason);

/* Close all connections and accept none until (false) further notice: another process has the same
 * listening sockets. */
void qmp_rest(struct qmp *q, bool on);

/* Close everything. Socket files stay: the toolstack removes them. */
void qmp_free(struct qmp *q);

#endif
