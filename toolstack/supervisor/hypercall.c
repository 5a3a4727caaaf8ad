/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hypercall - the few things that the supervisor asks of Xen, by privcmd's own ioctls.
 *
 * Sources: Xen public/hvm/dm_op.h, public/hvm/hvm_op.h, public/sched.h; Linux xen/sys/privcmd.h.
 * privcmd is opened when it is needed: that is rare, and so there is nothing to steal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/sys/privcmd.h>

#include "toolstack/supervisor/supervisor.h"

enum { TRIES = 8 };

static int privcmd(unsigned long request, void *argument)
{
    int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC), ret;

    if (fd < 0)
        return -errno;
    ret = ioctl(fd, request, argument) < 0 ? -errno : 0;
    close(fd);
    return ret;
}

static int dm_op(unsigned domid, struct xen_dm_op *op)
{
    privcmd_dm_op_buf_t buffer = { .uptr = op, .size = sizeof *op };
    privcmd_dm_op_t call = { .dom = (domid_t)domid, .num = 1, .ubufs = &buffer };

    return privcmd(IOCTL_PRIVCMD_DM_OP, &call);
}

static int destroy_server(unsigned domid, unsigned id)
{
    struct xen_dm_op op = { .op = XEN_DMOP_destroy_ioreq_server };

    if (id > UINT16_MAX)
        return -EINVAL;
    op.u.destroy_ioreq_server.id = (ioservid_t)id;
    return dm_op(domid, &op);
}

static int crash(unsigned domid)
{
    struct xen_dm_op op = { .op = XEN_DMOP_remote_shutdown };

    op.u.remote_shutdown.reason = SHUTDOWN_crash;
    return dm_op(domid, &op);
}

/* The kernel does not pin what this call points to: Xen says EFAULT if the page is just being
 * moved. */
static int hvm_param(unsigned op, struct xen_hvm_param *p)
{
    privcmd_hypercall_t call = { .op = __HYPERVISOR_hvm_op, .arg = { op, (uintptr_t)p } };
    int ret = -EFAULT;

    for (unsigned i = 0; i < TRIES && ret == -EFAULT; i++) {
        *(volatile domid_t *)&p->domid = p->domid; /* it is there, and may be written */
        ret = privcmd(IOCTL_PRIVCMD_HYPERCALL, &call);
    }
    return ret;
}

static int sleep_state(unsigned domid, unsigned state)
{
    struct xen_hvm_param p = { .domid = (domid_t)domid,
                               .index = HVM_PARAM_ACPI_S_STATE,
                               .value = state };

    return hvm_param(HVMOP_set_param, &p);
}

static int look(unsigned domid)
{
    struct xen_hvm_param p = { .domid = (domid_t)domid, .index = HVM_PARAM_ACPI_S_STATE };

    return hvm_param(HVMOP_get_param, &p);
}

const struct supervisor_xen supervisor_xen = {
    .destroy_server = destroy_server,
    .crash = crash,
    .sleep_state = sleep_state,
    .look = look,
};
