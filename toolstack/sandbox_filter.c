/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_filter - loads the system call filter that the build has made of sandbox_rules.c. Only
 * the process id, for signals to ourselves, is put in here.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sandbox_filter.inc> /* made by sandbox_rules.c */

#include "toolstack/sandbox.h"
#include "toolstack/sandbox_pid.h"

static int load(const struct sock_filter *made, unsigned short n, unsigned pid_at, struct error *e)
{
    struct sock_filter code[ARRAY_SIZE(model_filter) + ARRAY_SIZE(pv_filter)];
    const struct sock_fprog program = { n, code };
    int err;

    memcpy(code, made, n * sizeof *code);
    if (code[pid_at].code != (BPF_JMP | BPF_JEQ | BPF_K) || code[pid_at].k != SANDBOX_ANY_PID)
        return error_set(e, -EINVAL,
                         "the system call filter has no place for the process id: it was not built "
                         "together with this program");
    code[pid_at].k = (uint32_t)getpid();
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
        return 0;
    err = -errno;
    return error_set(e, err, "cannot load the system call filter: %s", strerror(-err));
}

int sandbox_filter(enum sandbox_profile profile, struct error *e)
{
    switch (profile) {
    case SANDBOX_MODEL:
        return load(model_filter, ARRAY_SIZE(model_filter), model_pid_at, e);
    case SANDBOX_PV:
        return load(pv_filter, ARRAY_SIZE(pv_filter), pv_pid_at, e);
    case SANDBOX_SUPERVISOR:
        break;
    }
    return error_set(e, -EINVAL, "there is no system call filter for this process");
}
