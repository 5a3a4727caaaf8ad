/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refused - the PV framebuffer (until there is a screen that shows it) and the shared folder.
 */
#include "hw/xen/refused.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/xen/xenbus.h"

enum { REFUSED_DEVICES = 8 };

struct refused {
    struct xenbus bus[2];
    struct xenbus_device devices[2][REFUSED_DEVICES];
};

static int refuse_vfb(struct xenbus_device *d)
{
    return error_set(&d->why, -ENOTSUP,
                     "there is no PV framebuffer yet: remove vfb= from xl.cfg (and write vnc=0 and "
                     "sdl=0 there if the guest is PV or PVH)");
}

static int refuse_9pfs(struct xenbus_device *d)
{
    return error_set(&d->why, -ENOTSUP,
                     "there are no shared folders (9pfs): remove p9= from xl.cfg");
}

static const struct xenbus_ops refused_ops[2] = {
    {
        .type = "vfb",
        .size = sizeof(struct xenbus_device),
        .max = REFUSED_DEVICES,
        .init = refuse_vfb,
    },
    {
        .type = "9pfs",
        .size = sizeof(struct xenbus_device),
        .max = REFUSED_DEVICES,
        .init = refuse_9pfs,
    },
};

int refused_open(struct xenstore *x, unsigned domid, struct refused **out, struct error *e)
{
    struct refused *r = calloc(1, sizeof *r);
    int ret;

    if (!r)
        return error_set(e, -ENOMEM, "no memory for the PV devices");
    ret = xenbus_open(&r->bus[0], &refused_ops[0], r->devices[0], x, domid, e);
    if (ret == 0) {
        ret = xenbus_open(&r->bus[1], &refused_ops[1], r->devices[1], x, domid, e);
        if (ret < 0)
            xenbus_close(&r->bus[0]);
    }
    if (ret < 0)
        free(r);
    else
        *out = r;
    return ret;
}

void refused_resume(struct refused *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(r->bus); i++)
        xenbus_resume(&r->bus[i]);
}

void refused_pause(struct refused *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(r->bus); i++)
        xenbus_pause(&r->bus[i]);
}

void refused_close(struct refused *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(r->bus); i++)
        xenbus_close(&r->bus[i]);
    free(r);
}
