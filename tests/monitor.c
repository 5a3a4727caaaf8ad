/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor - see monitor.h. */
#include "tests/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ioreq/loop.h"

int monitor_join(struct monitor *m)
{
    int server, fd = client_pair(&server);

    assert_int_equal(qmp_connection(m->q, server), 0);
    client_settle(m->loop);
    return fd;
}

void monitor_start(struct monitor *m, const struct vm_ops *ops)
{
    *m = (struct monitor){ .vm = { .status = VM_PRELAUNCH, .plugged = 1 } };
    m->loop = loop_new();
    assert_non_null(m->loop);
    m->q = qmp_new(m->loop, ops, &m->vm);
    assert_non_null(m->q);
    m->fd = monitor_join(m);
}

void monitor_end(struct monitor *m)
{
    if (m->fd >= 0)
        close(m->fd);
    qmp_free(m->q);
    loop_free(m->loop);
}

const char *monitor_ask(struct monitor *m, const char *text)
{
    return client_ask(m->loop, m->fd, text);
}

json_t *monitor_run(struct monitor *m, const char *command, const char *args, const char *class)
{
    char text[1024];
    const char *answer;
    json_t *j, *result;

    snprintf(text, sizeof text, "{\"execute\":\"%s\",\"id\":7,\"arguments\":%s}\r\n", command,
             args ? args : "{}");
    answer = monitor_ask(m, text);
    assert_true(strlen(answer) > 2);
    assert_string_equal(answer + strlen(answer) - 2, "\r\n");
    j = json_loads(answer, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "id")), 7);
    result = json_incref(json_object_get(j, "return"));
    if (class) {
        json_t *error = json_object_get(j, "error");

        assert_null(result);
        assert_string_equal(json_string_value(json_object_get(error, "class")), class);
        assert_true(json_string_length(json_object_get(error, "desc")) > 5);
    } else {
        assert_non_null(result);
    }
    json_decref(j);
    return result;
}

void monitor_ok(struct monitor *m, const char *command, const char *args)
{
    json_decref(monitor_run(m, command, args, NULL));
}

void monitor_wrong(struct monitor *m, const char *command, const char *args, const char *class)
{
    assert_null(monitor_run(m, command, args, class));
}

void monitor_negotiate(struct monitor *m)
{
    char greeting[512];

    client_receive(m->fd, greeting, sizeof greeting);
    monitor_ok(m, "qmp_capabilities", NULL);
}

int monitor_open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}
