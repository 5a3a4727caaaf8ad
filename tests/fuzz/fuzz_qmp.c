/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_qmp - whatever bytes to the QMP server and the control socket, in pieces of whatever size.
 *
 * First byte: which of the two, and how long the pieces are. The machine behind answers everything
 * with constants.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "toolstack/ctl.h"
#include "toolstack/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum vm_status fuzz_status(void *vm)
{
    (void)vm;
    return VM_RUNNING;
}

static int fuzz_do(void *vm, struct error *e)
{
    (void)vm;
    (void)e;
    return 0;
}

static bool fuzz_block(void *vm, unsigned i, struct vm_block *out)
{
    (void)vm;
    *out = (struct vm_block){ .id = "ide-5632", .file = "/a\xff", .removable = true };
    return i < 2;
}

static int fuzz_eject(void *vm, const char *id, bool force, struct error *e)
{
    (void)vm;
    (void)force;
    return error_set(e, -1, "%s", id);
}

static int fuzz_change(void *vm, const char *id, int fd, const char *path, const char *format,
                       struct error *e)
{
    (void)vm;
    if (fd >= 0)
        close(fd);
    return error_set(e, -1, "%s %s %s", id, path, format);
}

static unsigned fuzz_max_vcpus(void *vm)
{
    (void)vm;
    return 3;
}

static bool fuzz_plugged(void *vm, unsigned vcpu)
{
    (void)vm;
    return vcpu < 2;
}

static int fuzz_plug(void *vm, unsigned vcpu, struct error *e)
{
    (void)vm;
    (void)e;
    if (vcpu >= 3)
        abort();
    return 0;
}

static int fuzz_screenshot(void *vm, struct surface *out, struct error *e)
{
    (void)vm;
    return surface_init(out, 300, 200, e);
}

static const struct vm_ops fuzz_ops = {
    .status = fuzz_status,
    .cont = fuzz_do,
    .stop = fuzz_do,
    .block = fuzz_block,
    .eject = fuzz_eject,
    .change_medium = fuzz_change,
    .max_vcpus = fuzz_max_vcpus,
    .vcpu_plugged = fuzz_plugged,
    .plug_vcpu = fuzz_plug,
    .screenshot = fuzz_screenshot,
    .wakeup = fuzz_do,
};

static void settle(struct loop *loop, int fd)
{
    char answers[4096];

    for (int i = 0; i < 64 && loop_turn(loop, false); i++)
        while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0)
            ;
}

static void feed(struct loop *loop, int fd, const uint8_t *data, size_t size, size_t piece)
{
    while (size) {
        size_t n = size < piece ? size : piece;
        ssize_t k = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (k <= 0)
            return;
        data += k;
        size -= (size_t)k;
        settle(loop, fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ctl_info info = { .domid = 1, .name = "f", .machine = "xenfv" };
    static const char hello[] = "{'execute':'qmp_capabilities'}";
    struct loop *loop = loop_new();
    struct qmp *q = qmp_new(loop, &fuzz_ops, NULL);
    struct error e = { "" };
    struct ctl *c = NULL;
    char dir[] = "/tmp/fuzz_qmp.XXXXXX";
    int pair[2];
    bool use_ctl = size && (data[0] & 1), ok;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    if (use_ctl) {
        ok = mkdtemp(dir) && ctl_open(loop, dir, &info, &fuzz_ops, NULL, &c, &e) == 0 &&
             ctl_connection(c, pair[0]) == 0;
    } else {
        ok = qmp_connection(q, pair[0]) == 0;
        if (ok)
            feed(loop, pair[1], (const uint8_t *)hello, sizeof hello - 1, sizeof hello);
    }
    if (!ok)
        abort();
    if (size)
        feed(loop, pair[1], data + 1, size - 1, 1 + (data[0] >> 1));
    close(pair[1]);
    while (loop_turn(loop, false))
        ;
    ctl_close(c);
    if (use_ctl && rmdir(dir) < 0)
        abort();
    qmp_free(q);
    loop_free(loop);
    return 0;
}
