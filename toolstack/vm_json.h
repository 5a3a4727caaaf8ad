/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm_json - what the running machine tells about itself, as JSON. All return new references, or
 * NULL when memory is short.
 */
#ifndef TOOLSTACK_VM_JSON_H
#define TOOLSTACK_VM_JSON_H

#include <jansson.h>

#include "toolstack/vm.h"

/* A string, or null for NULL. Bytes that are no UTF-8 (a path may have any) become '?'. */
json_t *json_text(const char *s);

/* [{"name":..., "reads":..., ...}, ...]; ops->counters is not NULL. */
json_t *vm_counters_json(const struct vm_ops *ops, void *vm);

/* {"ns":..., "registers":[{"device":..., "register":"uart.LSR", "reads":..., "writes":...,
 * "ns":...},
 * ...]}; ops->meter is on. */
json_t *vm_meter_json(const struct vm_ops *ops, void *vm);

/* ["uart16550", ...]: devices that are traced; ops->traced is not NULL. */
json_t *vm_traced_json(const struct vm_ops *ops, void *vm);

/* [{"name":..., "instance":..., "state":{"IER":1, "rx":"00ff...", ...}}, ...]: numbers, arrays of
 * numbers, and arrays of bytes as hexadecimal text. NULL with a sentence on error. */
json_t *vm_dump_json(const struct vm_ops *ops, void *vm, const char *name, struct error *e);

#endif
