/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmdm-model - the device model of one Xen HVM guest: main().
 *
 * Parses the arguments that libxl gives a device model, refuses what it does not have, and hands
 * over to toolstack/domain.c; or, for a client of the test port, to toolstack/qtest/.
 */
#include <errno.h>
#include <stdlib.h>

#include "hw/core/log.h"
#include "hw/core/trace.h"
#include "toolstack/domain.h"
#include "toolstack/pv_worker.h"
#include "toolstack/qtest/qtest.h"
#include "toolstack/sandbox.h"

static void set_log_level(const char *name)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };

    for (unsigned i = 0; name && i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            log_set_level((enum log_level)i);
}

#ifdef CONFIG_XEN
static void warn(const char *line)
{
    log_warn("%s", line);
}

static int run(const struct config *c, struct error *e)
{
    struct supervised *s;
    int err = 0;

    set_log_level(c->log_level);
    if (c->trace)
        trace_enable(c->trace, NULL);
    if (c->machine == CONFIG_MACHINE_NONE)
        return domain_probe(c, e);
    log_set_domain(c->domid);
    err = config_refuse(c, e);
    if (err < 0)
        return err;
    err = supervised_open(&s, e);
    if (err < 0)
        return err;
    if (!s && c->machine == CONFIG_MACHINE_XENPV)
        return error_set(
            e, -ENOTSUP,
            "a PV guest is served with a supervisor only: start hvmdm, not hvmdm-model");
    if ((supervised_role(s) == SUPERVISED_MODEL || c->machine == CONFIG_MACHINE_XENPV) &&
        supervised_generation(s) == 0)
        config_warn(c, warn); /* once, not with each successor */
    return supervised_role(s) == SUPERVISED_PV ? pv_worker_run(s, c, e) : domain_run(c, s, e);
}
#else
static int run(const struct config *c, struct error *e)
{
    set_log_level(c->log_level);
    return error_set(e, -ENOTSUP,
                     "this hvmdm-model was built without Xen: configure again without "
                     "--disable-xen, with libxen-dev");
}
#endif

int main(int argc, char **argv)
{
    struct config *c;
    struct error e = { "" };
    int err = sandbox_raise_limits();

    if (err < 0)
        log_warn("cannot raise the limit on the size of files: %s", strerror(-err));
    err = sandbox_test_main(argc, argv);
    if (err >= 0)
        return err; /* a test of the confinement, and nothing else */
    if (qtest_wanted(argc, argv))
        return qtest_main(argc, argv);
    c = malloc(sizeof *c);
    if (!c)
        return 1;
    err = config_parse(c, argc, argv, &e);
    if (err == 0) {
        switch (c->action) {
        case CONFIG_SHOW_HELP:
            err = config_print_help(stdout);
            break;
        case CONFIG_SHOW_VERSION:
            err = config_print_version(stdout);
            break;
        case CONFIG_SHOW_CONFIG:
            err = config_print(c, stdout);
            break;
        case CONFIG_CHECK_ARENA:
            err = domain_check_arena_confined(c->arena_fd, c->no_sandbox, &e);
            break;
        default:
            err = run(c, &e);
            break;
        }
    }
    if (err < 0)
        log_error("%s", e.text[0] ? e.text : strerror(-err));
    config_free(c);
    free(c);
    return err < 0 ? 1 : 0;
}
