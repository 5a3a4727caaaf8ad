/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor - a QMP server on a fake machine, and a client of it.
 *
 * Functions check with cmocka's assertions.
 */
#ifndef TESTS_MONITOR_H
#define TESTS_MONITOR_H

#include <jansson.h>

#include "tests/client.h"
#include "tests/fake_vm.h"
#include "toolstack/qmp.h"

struct monitor {
    struct loop *loop;
    struct qmp *q;
    struct fake_vm vm;
    int fd; /* the client's end; -1: none */
};

/* With one client, whose greeting has not been read yet. */
void monitor_start(struct monitor *m, const struct vm_ops *ops);
void monitor_end(struct monitor *m);

int monitor_join(struct monitor *m);       /* one more client; its end */
void monitor_negotiate(struct monitor *m); /* take the greeting, leave negotiation mode */

const char *monitor_ask(struct monitor *m, const char *text); /* see client_ask() */

/* Run one command, with arguments in JSON or NULL. Returns its "return"; `class`: it must fail with
 * an error of that class, and NULL is returned. */
json_t *monitor_run(struct monitor *m, const char *command, const char *args, const char *class);
/* The same for those where only that counts. */
void monitor_ok(struct monitor *m, const char *command, const char *args);
void monitor_wrong(struct monitor *m, const char *command, const char *args, const char *class);

int monitor_open_fds(void); /* of this process */

#endif
