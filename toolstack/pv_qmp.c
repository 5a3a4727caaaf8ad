/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_qmp - see pv_qmp.h.
 *
 * libxl asks query-chardev, and query-vnc if there is a screen; xentop query-block and
 * query-blockstats; `xl qemu-monitor-command` what its user likes. Absent: stop, which libxl asks
 * of HVM guests only, and everything about hardware: CommandNotFound or a sentence.
 */
#include "toolstack/pv_qmp.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "toolstack/config.h"
#include "toolstack/pv_disks.h"
#include "toolstack/qmp.h"
#include "toolstack/stream.h"
#include "toolstack/supervised.h"

struct pv_qmp {
    struct loop *loop;
    struct pv_disks *disks;
    struct qmp *qmp;
};

static enum vm_status status(void *vm)
{
    (void)vm;
    return VM_RUNNING; /* the guest may be paused: that is Xen's business */
}

static int cont(void *vm, struct error *e)
{
    (void)vm, (void)e;
    return 0;
}

/* There are no serial ports. */
static bool chardev(void *vm, unsigned i, struct vm_chardev *out)
{
    (void)vm, (void)i, (void)out;
    return false;
}

static bool block(void *vm, unsigned i, struct vm_block *out)
{
    return pv_disks_list(((struct pv_qmp *)vm)->disks, i, out);
}

static int resized(void *vm, struct error *e)
{
    (void)e;
    pv_disks_resized(((struct pv_qmp *)vm)->disks);
    return 0;
}

static void quit(void *vm)
{
    loop_stop(((struct pv_qmp *)vm)->loop);
}

static const struct vm_ops ops = {
    .status = status,
    .cont = cont,
    .chardev = chardev,
    .block = block,
    .resized = resized,
    .quit = quit,
};

static int listen_at(struct pv_qmp *q, const struct config_qmp *c, unsigned i, struct supervised *s,
                     struct error *e)
{
    char name[SUPERVISED_NAME];
    bool successor = supervised_generation(s) > 0;
    int fd, err;

    snprintf(name, sizeof name, "qmp%u", i);
    if (successor)
        fd = supervised_take(s, name);
    else
        fd = c->path ? stream_listen(c->path, 0600, e) : c->fd;
    if (fd < 0)
        return e->text[0]
                   ? fd
                   : error_set(e, -EBADF, "the supervisor does not have the QMP socket %u", i);
    err = qmp_listen_fd(q->qmp, fd, e);
    if (err < 0) {
        close(fd);
        return err;
    }
    err = successor ? 0 : supervised_hold(s, name, fd);
    return err < 0 ? error_set(e, err, "cannot give %s to the supervisor: %s", name, strerror(-err))
                   : 0;
}

int pv_qmp_open(struct loop *l, const struct config *c, struct supervised *s,
                struct pv_disks *disks, struct pv_qmp **out, struct error *e)
{
    struct pv_qmp *q = calloc(1, sizeof *q);
    int err = 0;

    if (!q)
        return error_set(e, -ENOMEM, "out of memory");
    q->loop = l;
    q->disks = disks;
    q->qmp = qmp_new(l, &ops, q);
    if (!q->qmp)
        err = error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < c->nqmp && err == 0; i++)
        err = listen_at(q, &c->qmp[i], i, s, e);
    if (err < 0)
        pv_qmp_close(q);
    else
        *out = q;
    return err;
}

void pv_qmp_rest(struct pv_qmp *q, bool on)
{
    if (q)
        qmp_rest(q->qmp, on);
}

void pv_qmp_close(struct pv_qmp *q)
{
    if (!q)
        return;
    if (q->qmp)
        qmp_free(q->qmp);
    free(q);
}
