/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp - the QMP server: connections, framing, ids, errors.
 *
 * Protocol: toolstack-facing rules as libxl 4.17 to 4.21 and xentop need them: objects may arrive
 * in any pieces and without line ends, every message we send ends with CR LF, ids of any type are
 * echoed. Clients are not trusted: see stream.h.
 * Absent: events of a guest on Xen (nobody who connects needs them), out-of-band execution.
 */
#include "toolstack/qmp_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/json_scan.h"
#include "toolstack/stream.h"
#include "toolstack/version.h"
#include "toolstack/vm_json.h"

enum {
    QMP_LISTENERS = 4,
    QMP_CONNECTIONS = 16, /* over all listeners; one more drops the one that was silent longest */
};

struct qmp_listener {
    struct loop_source source;
    struct qmp *q;
};

struct qmp_connection {
    struct stream stream;
    struct json_scan scan;
    struct qmp *q;
    uint64_t last_heard; /* q->clock when it last said something */
    bool negotiated;     /* qmp_capabilities was received */
};

struct qmp {
    struct loop *loop;
    const struct vm_ops *ops;
    void *vm;
    uint64_t clock; /* counts inputs */
    unsigned nlisteners;
    struct qmp_listener listeners[QMP_LISTENERS];
    struct qmp_connection *connections[QMP_CONNECTIONS];
    struct qmp_passed passed[QMP_PASSED_FDS];
};

static void qmp_send(struct qmp_connection *c, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0;
    char *line = text ? realloc(text, n + 2) : NULL;

    if (line) {
        memcpy(line + n, "\r\n", 2);
        stream_send(&c->stream, line, n + 2);
        free(line);
    } else {
        free(text);
        stream_kill(&c->stream); /* out of memory: better no answer than half of one */
    }
}

static void qmp_greet(struct qmp_connection *c)
{
    json_t *j = json_pack("{s:{s:{s:{s:i, s:i, s:i}, s:s}, s:[]}}", "QMP", "version", "qemu",
                          "major", QMP_VERSION_MAJOR, "minor", QMP_VERSION_MINOR, "micro",
                          QMP_VERSION_MICRO, "package", "", "capabilities");

    qmp_send(c, j);
    json_decref(j);
}

void qmp_event(struct qmp *q, const char *name, bool guest, const char *reason)
{
    struct timespec t = { 0 };
    json_t *j, *data = reason ? json_pack("{s:b, s:s}", "guest", guest, "reason", reason) : NULL;

    clock_gettime(CLOCK_REALTIME, &t);
    j = json_pack("{s:s, s:o*, s:{s:I, s:I}}", "event", name, "data", data, "timestamp", "seconds",
                  (json_int_t)t.tv_sec, "microseconds", (json_int_t)(t.tv_nsec / 1000));
    for (unsigned i = 0; i < QMP_CONNECTIONS; i++)
        if (q->connections[i] && q->connections[i]->negotiated)
            qmp_send(q->connections[i], j);
    json_decref(j);
}

/* `id` may be NULL; borrowed. */
static void qmp_send_error(struct qmp_connection *c, json_t *id, const char *class,
                           const char *sentence)
{
    json_t *j = json_pack("{s:{s:s, s:o}}", "error", "class", class, "desc", json_text(sentence));

    if (id)
        json_object_set(j, "id", id);
    qmp_send(c, j);
    json_decref(j);
}

static void qmp_run(struct qmp_connection *c, const struct qmp_command *command, json_t *args,
                    json_t *id)
{
    struct qmp *q = c->q;
    struct qmp_call call = { .ops = q->ops, .vm = q->vm, .passed = q->passed, .connection = c };
    json_t *none = args ? NULL : json_object(), *result, *j;

    call.args = args ? args : none;
    result = command->run(&call);
    if (result) {
        j = json_pack("{s:o}", "return", result);
        if (id)
            json_object_set(j, "id", id);
        qmp_send(c, j);
        json_decref(j);
    } else {
        qmp_send_error(c, id, call.error_class ? call.error_class : "GenericError",
                       call.error.text[0] ? call.error.text : "out of memory");
    }
    json_decref(none);
    if (call.quit && q->ops->quit)
        q->ops->quit(q->vm);
}

static const struct qmp_command *qmp_find(const char *name)
{
    const struct qmp_command *command;

    for (unsigned i = 0; (command = qmp_command(i)); i++)
        if (!strcmp(command->name, name))
            return command;
    return NULL;
}

static void qmp_execute(struct qmp_connection *c, const json_t *request)
{
    json_t *id = json_object_get(request, "id"), *args = json_object_get(request, "arguments");
    const char *name = json_string_value(json_object_get(request, "execute"));
    const struct qmp_command *command;
    char text[128];

    if (!name) {
        qmp_send_error(c, id, "GenericError",
                       "the request has no \"execute\" with a command's name");
        return;
    }
    if (args && !json_is_object(args)) {
        qmp_send_error(c, id, "GenericError", "\"arguments\" is not an object");
        return;
    }
    command = qmp_find(name);
    if (!c->negotiated && strcmp(name, "qmp_capabilities")) {
        qmp_send_error(c, id, "CommandNotFound", "the first command must be qmp_capabilities");
    } else if (!command) {
        snprintf(text, sizeof text, "The command %.80s has not been found", name);
        qmp_send_error(c, id, "CommandNotFound", text);
    } else {
        c->negotiated = true;
        qmp_run(c, command, args, id);
    }
}

static void qmp_input(void *opaque, const char *bytes, size_t n)
{
    struct qmp_connection *c = opaque;
    char text[160];

    c->last_heard = ++c->q->clock;
    while (n && !c->stream.dead) {
        enum json_scan_result r = json_scan(&c->scan, &bytes, &n);
        json_error_t why = { .text = "" };
        json_t *request = NULL;

        if (r == JSON_SCAN_MORE)
            return;
        if (r == JSON_SCAN_OBJECT) {
            request = json_loadb(c->scan.text, c->scan.len, 0, &why);
            json_scan_free(&c->scan);
        }
        if (request) {
            qmp_execute(c, request);
            json_decref(request);
        } else {
            snprintf(text, sizeof text, "Invalid JSON: %.120s",
                     r == JSON_SCAN_OBJECT ? why.text : c->scan.reason);
            qmp_send_error(c, NULL, "GenericError", text);
        }
    }
}

static void qmp_drop_passed(struct qmp_passed *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->opaque);
    *p = (struct qmp_passed){ .fd = -1 };
}

static void qmp_closed(void *opaque)
{
    struct qmp_connection *c = opaque;
    struct qmp *q = c->q;

    for (unsigned i = 0; i < QMP_PASSED_FDS; i++)
        if (q->passed[i].owner == c)
            qmp_drop_passed(&q->passed[i]);
    for (unsigned i = 0; i < QMP_CONNECTIONS; i++)
        if (q->connections[i] == c)
            q->connections[i] = NULL;
    json_scan_free(&c->scan);
    free(c);
}

/* A free place; if there is none, whoever was silent longest has to go. */
static struct qmp_connection **qmp_place(struct qmp *q)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < QMP_CONNECTIONS; i++) {
        if (!q->connections[i])
            return &q->connections[i];
        if (q->connections[i]->last_heard < q->connections[oldest]->last_heard)
            oldest = i;
    }
    stream_kill(&q->connections[oldest]->stream);
    return q->connections[oldest] ? NULL : &q->connections[oldest];
}

int qmp_connection(struct qmp *q, int fd)
{
    static const struct stream_user user = { .input = qmp_input, .closed = qmp_closed };
    struct qmp_connection **place = qmp_place(q), *c = place ? calloc(1, sizeof *c) : NULL;
    int ret;

    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->q = q;
    c->last_heard = ++q->clock;
    ret = stream_open(&c->stream, q->loop, fd, &user, c);
    if (ret < 0) {
        free(c);
        return ret;
    }
    *place = c;
    qmp_greet(c);
    return 0;
}

static void qmp_accept(void *opaque, uint32_t events)
{
    struct qmp_listener *l = opaque;

    (void)events;
    for (unsigned i = 0; i < QMP_CONNECTIONS; i++) {
        int fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 || qmp_connection(l->q, fd) < 0)
            return;
    }
}

int qmp_listen_fd(struct qmp *q, int fd, struct error *e)
{
    struct qmp_listener *l = &q->listeners[q->nlisteners];
    int listening = 0, ret;
    socklen_t size = sizeof listening;

    if (q->nlisteners == QMP_LISTENERS)
        return error_set(e, -ENOSPC, "more than %d QMP sockets", QMP_LISTENERS);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return error_set(e, -EINVAL, "descriptor %d, given for QMP, is no listening socket", fd);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        listen(fd, QMP_CONNECTIONS) < 0) /* libxl made it with a backlog of 1 */
        return error_set(e, -errno, "QMP descriptor %d: %s", fd, strerror(errno));
    l->q = q;
    l->source = (struct loop_source){ .fd = fd, .ready = qmp_accept, .opaque = l };
    ret = loop_add(q->loop, &l->source, EPOLLIN);
    if (ret < 0)
        return error_set(e, ret, "QMP descriptor %d: %s", fd, strerror(-ret));
    q->nlisteners++;
    return 0;
}

int qmp_listen_path(struct qmp *q, const char *path, struct error *e)
{
    int fd = stream_listen(path, 0600, e), ret;

    if (fd < 0)
        return fd;
    ret = qmp_listen_fd(q, fd, e);
    if (ret < 0)
        close(fd);
    return ret;
}

struct qmp *qmp_new(struct loop *loop, const struct vm_ops *ops, void *vm)
{
    struct qmp *q = calloc(1, sizeof *q);

    if (!q)
        return NULL;
    q->loop = loop;
    q->ops = ops;
    q->vm = vm;
    for (unsigned i = 0; i < QMP_PASSED_FDS; i++)
        q->passed[i].fd = -1;
    return q;
}

static void qmp_hang_up(struct qmp *q)
{
    for (unsigned i = 0; i < QMP_CONNECTIONS; i++)
        if (q->connections[i])
            stream_kill(&q->connections[i]->stream);
}

void qmp_rest(struct qmp *q, bool on)
{
    if (on)
        qmp_hang_up(q);
    for (unsigned i = 0; i < q->nlisteners; i++) {
        struct loop_source *s = &q->listeners[i].source;
        int err = 0;

        if (on)
            loop_remove(q->loop, s);
        else if (!s->active)
            err = loop_add(q->loop, s, EPOLLIN);
        if (err < 0)
            log_error("QMP does not listen any more: %s", strerror(-err));
    }
}

void qmp_free(struct qmp *q)
{
    if (!q)
        return;
    qmp_hang_up(q);
    for (unsigned i = 0; i < q->nlisteners; i++) {
        loop_remove(q->loop, &q->listeners[i].source);
        close(q->listeners[i].source.fd);
    }
    free(q);
}

int qmp_call_take_fd(struct qmp_call *c)
{
    return stream_take_fd(&c->connection->stream);
}
