/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_discovery - what clients of the test port ask before they start: boards and devices; and the
 * reset that Xen does itself otherwise.
 *
 * Strict clients refuse an answer with members that they do not know, so there are no others.
 */
#include "toolstack/qmp_call.h"

#include <errno.h>
#include <string.h>

#include "toolstack/vm_json.h"

static json_t *missing(struct qmp_call *c, const char *what)
{
    error_set(&c->error, -ENOTSUP, "this device model cannot %s", what);
    return NULL;
}

json_t *qmp_system_reset(struct qmp_call *c)
{
    if (!c->ops->reset)
        return missing(c, "reset its guest: the toolstack does (xl reboot)");
    return c->ops->reset(c->vm, &c->error) < 0 ? NULL : json_object();
}

json_t *qmp_query_name(struct qmp_call *c)
{
    const char *name = c->ops->name ? c->ops->name(c->vm) : NULL;

    return name ? json_pack("{s:o}", "name", json_text(name)) : json_object();
}

json_t *qmp_query_machines(struct qmp_call *c)
{
    json_t *list;
    const char *name;

    if (!c->ops->machine_type)
        return missing(c, "list boards");
    list = json_array();
    for (unsigned i = 0; c->ops->machine_type(c->vm, i, &name); i++) {
        json_t *j =
            json_pack("{s:s, s:i, s:b, s:b, s:b}", "name", name, "cpu-max", 128,
                      "hotpluggable-cpus", false, "numa-mem-supported", false, "deprecated", false);

        if (i == 0)
            json_object_set_new(j, "is-default", json_true());
        json_array_append_new(list, j);
    }
    return list;
}

/* All kinds of devices are devices, and nothing else. */
static bool is_of(const struct qmp_call *c, const struct vm_device_type *t, const char *kind)
{
    struct vm_device_type parent;

    if (!kind || !strcmp(kind, t->name) || !strcmp(kind, t->parent) || !strcmp(kind, "device"))
        return true;
    for (unsigned i = 0; c->ops->device_type(c->vm, i, &parent); i++)
        if (!strcmp(parent.name, t->parent) && strcmp(parent.name, t->name))
            return !strcmp(kind, parent.parent);
    return false;
}

json_t *qmp_qom_list_types(struct qmp_call *c)
{
    const char *kind = json_string_value(json_object_get(c->args, "implements"));
    bool abstract = json_is_true(json_object_get(c->args, "abstract"));
    struct vm_device_type t;
    json_t *list;

    if (!c->ops->device_type)
        return missing(c, "list devices");
    list = json_array();
    for (unsigned i = 0; c->ops->device_type(c->vm, i, &t); i++) {
        json_t *j;

        if ((t.abstract && !abstract) || !is_of(c, &t, kind))
            continue;
        j = json_pack("{s:s, s:s}", "name", t.name, "parent", t.parent);
        if (t.abstract)
            json_object_set_new(j, "abstract", json_true());
        json_array_append_new(list, j);
    }
    return list;
}
