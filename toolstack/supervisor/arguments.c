/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arguments - what the supervisor needs from the device model's command line.
 *
 * The command line is the device model's: it reads all of it and says what is wrong. Here only the
 * options are looked for that decide whether there is something to supervise, by the same rules
 * (one dash or two; --help and its like may stand anywhere).
 */
#include <stdlib.h>

#include "toolstack/supervisor/supervisor.h"

#define DOMID_LIMIT 0x7ff0u /* where Xen's reserved domain numbers begin */

static bool read_number(const char *text, unsigned long limit, unsigned long *out)
{
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")])
        return false;
    *out = strtoul(text, NULL, 10);
    return *out < limit;
}

static bool answers_at_once(const char *option)
{
    static const char *const those[] = { "help", "h", "version", "print-config", "check-arena" };

    for (unsigned i = 0; i < ARRAY_SIZE(those); i++)
        if (!strcmp(option, those[i]))
            return true;
    return false;
}

static bool is_machine(const char *machine, const char *type)
{
    size_t n = strlen(type);

    return !strncmp(machine, type, n) && (!machine[n] || machine[n] == ',');
}

/* A client of the test port: no Xen, and nothing to supervise. */
static bool asks_for_port(const char *option, const char *value)
{
    return !strcmp(option, "qtest") || (!strcmp(option, "accel") && !strncmp(value, "qtest", 5));
}

void supervisor_scan(struct supervisor_options *o, int argc, char *argv[])
{
    bool have_domid = false, pass_on = false;

    o->argv = argv;
    o->name = "";
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i][0] == '-' ? argv[i] + 1 + (argv[i][1] == '-') : "";
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        unsigned long n;

        pass_on |= answers_at_once(option) || asks_for_port(option, value);
        o->no_sandbox |= !strcmp(option, "no-sandbox");
        o->asked_by_qmp |= !strcmp(option, "xen-domid-restrict");
        if (!strcmp(option, "xen-domid")) {
            have_domid = read_number(value, DOMID_LIMIT, &n);
            o->domid = have_domid ? (unsigned)n : 0;
        } else if (!strcmp(option, "name")) {
            o->name = value;
        } else if (!strcmp(option, "model")) {
            o->model = *value ? value : NULL;
        } else if (!strcmp(option, "machine") || !strcmp(option, "M")) {
            pass_on |= is_machine(value, "none");
            o->pv_only = is_machine(value, "xenpv");
        } else if (!strcmp(option, "check-state") && read_number(value, INT32_MAX, &n)) {
            o->job = SUPERVISOR_CHECK_STATE;
            o->state = (int)n;
            return;
        }
    }
    o->job = have_domid && !pass_on ? SUPERVISOR_RUN : SUPERVISOR_PASS_ON;
}
