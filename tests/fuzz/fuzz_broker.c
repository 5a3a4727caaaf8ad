/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_broker - a captured PV worker against the xenstore broker.
 *
 * First byte: which end is fuzzed (0: the worker, 1: the daemon's answers too) and the size of the
 * pieces. The daemon behind answers each request that reaches it with the worker's next bytes or
 * with "OK", after a check that such a request may pass: a path outside the rules ends the run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/supervisor/broker.h"
#include "toolstack/xenstore_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left, piece;
    bool wild_daemon;
};

/* The path is checked again, in another way than by the broker. */
static void must_be_allowed(const struct xs_message *m)
{
    const char *path = m->body;

    if (m->header.type == XS_WRITE && !m->header.transaction)
        abort();
    if (m->header.type == XS_TRANSACTION_START || m->header.type == XS_TRANSACTION_END)
        return;
    if (strnlen(path, m->header.length) == m->header.length || strchr(path, '.') ||
        strstr(path, "//"))
        abort();
    if (!strncmp(path, "/local/domain/0/", 16))
        path += 16;
    else if (m->header.type != XS_WRITE && !strncmp(path, "/local/domain/5/device/", 23))
        return;
    else if (!strncmp(path, "/local/domain/5/device/console/", 31))
        return;
    if (strncmp(path, "backend/", 8) || !strstr(path, "/5") || m->header.type == XS_RM)
        abort();
}

static void answer(int fd, struct xs_message *m, struct input *in)
{
    if (in->wild_daemon && in->left) {
        size_t n = in->left < 40 ? in->left : 40;

        if (send(fd, in->data, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
            return;
        in->data += n;
        in->left -= n;
        return;
    }
    m->header.length = 3;
    memcpy(m->body, m->header.type == XS_TRANSACTION_START ? "17" : "OK", 3);
    if (xs_send(fd, m) < 0)
        m->done = 0;
}

static void settle(struct loop *loop, int worker, int daemon, struct xs_message *m,
                   struct input *in)
{
    char drain[4096];

    for (int i = 0; i < 64; i++) {
        bool moved = loop_turn(loop, false);

        while (recv(worker, drain, sizeof drain, MSG_DONTWAIT) > 0)
            moved = true;
        if (xs_receive(daemon, m) == 1) {
            must_be_allowed(m);
            answer(daemon, m, in);
            moved = true;
        }
        if (!moved)
            return;
    }
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unlink(path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xs_message m;
    static char path[64];
    static int listener = -1;
    struct loop *loop = loop_new();
    struct input in = { data + 1, size ? size - 1 : 0, 0, false };
    struct error e = { "" };
    struct broker *b;
    int worker, daemon;

    if (listener < 0) {
        snprintf(path, sizeof path, "/tmp/fuzz_broker.%d", (int)getpid());
        listener = listen_at(path);
        log_set_level(LOG_ERROR);
    }
    if (!size || !loop || broker_new(loop, 5, path, &b, &worker, &e) < 0) {
        loop_free(loop);
        return 0;
    }
    in.wild_daemon = data[0] & 1;
    in.piece = 1u + (data[0] >> 1);
    m.done = 0;
    daemon = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    while (in.left) {
        size_t n = in.left < in.piece ? in.left : in.piece;
        ssize_t k = send(worker, in.data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k <= 0)
            break; /* hung up, or it waits for an answer that never comes */
        in.data += k;
        in.left -= (size_t)k;
        settle(loop, worker, daemon, &m, &in);
    }
    broker_free(b);
    close(worker);
    close(daemon);
    loop_free(loop);
    return 0;
}
