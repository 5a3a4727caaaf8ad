/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_json - what the running machine tells about itself, as JSON.
 */
#include "toolstack/vm_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *vm_status_name(enum vm_status status)
{
    switch (status) {
    case VM_PRELAUNCH:
        return "prelaunch";
    case VM_RUNNING:
        return "running";
    case VM_PAUSED:
        return "paused";
    case VM_SUSPENDED:
        return "suspended";
    case VM_SHUTDOWN:
        return "shutdown";
    default:
        return "postmigrate";
    }
}

json_t *json_text(const char *s)
{
    json_t *j = s ? json_string(s) : json_null();
    char *safe;

    if (j || !s)
        return j;
    safe = strdup(s);
    if (!safe)
        return NULL;
    for (char *p = safe; *p; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    j = json_string(safe);
    free(safe);
    return j;
}

json_t *vm_counters_json(const struct vm_ops *ops, void *vm)
{
    json_t *list = json_array();
    struct vm_counters c;

    for (unsigned i = 0; ops->counters(vm, i, &c); i++)
        json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
                            json_text(c.name), "reads", (json_int_t)c.reads, "writes",
                            (json_int_t)c.writes, "read-bytes", (json_int_t)c.rd_bytes,
                            "write-bytes", (json_int_t)c.wr_bytes, "dma-reads",
                            (json_int_t)c.dma_reads, "dma-writes", (json_int_t)c.dma_writes,
                            "dma-bytes", (json_int_t)c.dma_bytes, "irqs", (json_int_t)c.irqs,
                            "events", (json_int_t)c.events, "refused", (json_int_t)c.refused));
    return list;
}

json_t *vm_meter_json(const struct vm_ops *ops, void *vm)
{
    json_t *list = json_array();
    struct vm_register r;
    char name[64];

    for (unsigned i = 0; ops->metered(vm, i, &r); i++) {
        snprintf(name, sizeof name, "%s%s%s", r.region, r.name ? "." : "", r.name ? r.name : "");
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:I, s:I}", "device", r.device, "register",
                                        name, "reads", (json_int_t)r.reads, "writes",
                                        (json_int_t)r.writes, "ns", (json_int_t)r.ns));
    }
    return json_pack("{s:I, s:o}", "ns", (json_int_t)ops->meter_ns(vm), "registers", list);
}

json_t *vm_traced_json(const struct vm_ops *ops, void *vm)
{
    json_t *list = json_array();
    const char *device;

    for (unsigned i = 0; ops->traced(vm, i, &device); i++)
        json_array_append_new(list, json_string(device));
    return list;
}

struct json_dump {
    struct vm_dump sink; /* first member */
    json_t *devices;
    json_t *state; /* of the device being dumped; borrowed */
};

static void dump_device(struct vm_dump *sink, const char *name, unsigned instance)
{
    struct json_dump *d = (struct json_dump *)sink;

    d->state = json_object();
    json_array_append_new(d->devices, json_pack("{s:o, s:i, s:o}", "name", json_text(name),
                                                "instance", (int)instance, "state", d->state));
}

/* The fields are the core's own description of the record, so the reading is trusted. */
static uint64_t element(const struct state_field *f, const void *record, uint32_t i)
{
    return load_le((const char *)record + f->offset + (size_t)i * f->size, f->size);
}

static json_t *bytes_json(const struct state_field *f, const void *record)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = malloc((size_t)f->count * 2 + 1);
    json_t *j;

    if (!hex)
        return NULL;
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t v = element(f, record, i);

        hex[i * 2] = digits[v >> 4 & 15];
        hex[i * 2 + 1] = digits[v & 15];
    }
    hex[(size_t)f->count * 2] = '\0';
    j = json_string(hex);
    free(hex);
    return j;
}

static void dump_field(struct vm_dump *sink, const struct state_field *f, const void *record)
{
    struct json_dump *d = (struct json_dump *)sink;
    char name[sizeof f->name + 1];
    json_t *value;

    if (!d->state)
        return;
    memcpy(name, f->name, sizeof f->name);
    name[sizeof f->name] = '\0';
    if (f->count == 1) {
        value = json_integer((json_int_t)element(f, record, 0));
    } else if (f->size == 1) {
        value = bytes_json(f, record);
    } else {
        value = json_array();
        for (uint32_t i = 0; i < f->count; i++)
            json_array_append_new(value, json_integer((json_int_t)element(f, record, i)));
    }
    json_object_set_new(d->state, name, value);
}

json_t *vm_dump_json(const struct vm_ops *ops, void *vm, const char *name, struct error *e)
{
    struct json_dump d = { .sink = { dump_device, dump_field }, .devices = json_array() };
    int ret = ops->dump(vm, name, &d.sink, e);

    if (ret < 0) {
        error_set(e, ret, "cannot dump the state: %s", strerror(-ret));
        json_decref(d.devices);
        return NULL;
    }
    return d.devices;
}
