/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state - walking field tables; see state.h. */
#include "hw/core/state.h"

#include <errno.h>
#include <inttypes.h>

uint64_t state_get(const void *record, const struct state_field *f, uint32_t i)
{
    return load_le((const char *)record + f->offset + (size_t)i * f->size, f->size);
}

void state_set(void *record, const struct state_field *f, uint32_t i, uint64_t value)
{
    store_le((char *)record + f->offset + (size_t)i * f->size, f->size, value);
}

int state_check(const char *who, const struct state_desc *d, const void *record, struct error *e)
{
    for (uint32_t n = 0; n < d->nfields; n++) {
        const struct state_field *f = &d->fields[n];

        if (f->max == ANY)
            continue;
        for (uint32_t i = 0; i < f->count; i++) {
            uint64_t v = state_get(record, f, i);

            if (v > f->max)
                return error_set(e, -EINVAL,
                                 "state of %s: field %s[%" PRIu32 "] is %" PRIu64
                                 ", the highest valid value is %" PRIu64,
                                 who, f->name, i, v, f->max);
        }
    }
    return 0;
}

static const struct state_field *find_field(const struct state_field *fields, uint32_t n,
                                            const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strncmp(fields[i].name, name, sizeof fields[i].name) == 0)
            return &fields[i];
    return NULL;
}

/* A foreign table is input: sizes known, elements inside the record, names terminated. */
static int check_foreign(const char *who, const struct state_field *f, uint32_t from_size,
                         struct error *e)
{
    if (!memchr(f->name, 0, sizeof f->name))
        return error_set(e, -EINVAL, "state of %s: a field name is not terminated", who);
    if (f->size != 1 && f->size != 2 && f->size != 4 && f->size != 8)
        return error_set(e, -EINVAL, "state of %s: field %s has elements of %u bytes", who, f->name,
                         (unsigned)f->size);
    if (f->count == 0 || (uint64_t)f->offset + (uint64_t)f->count * f->size > from_size)
        return error_set(e, -EINVAL, "state of %s: field %s lies outside the record", who, f->name);
    return 0;
}

int state_convert(const char *who, const struct state_desc *d, void *to,
                  const struct state_field *fields, uint32_t nfields, const void *from,
                  uint32_t from_size, struct error *e)
{
    for (uint32_t n = 0; n < nfields; n++) {
        struct state_field src = fields[n]; /* one fetch */
        const struct state_field *dst;
        int err = check_foreign(who, &src, from_size, e);

        if (err < 0)
            return err;
        dst = find_field(d->fields, d->nfields, src.name);
        if (!dst)
            return error_set(e, -EINVAL,
                             "state of %s: field %s is not known to this version; use the version "
                             "that wrote it, or a newer one",
                             who, src.name);
        if (src.count > dst->count)
            return error_set(e, -EINVAL,
                             "state of %s: field %s has %" PRIu32
                             " elements, this version has room for %" PRIu32,
                             who, src.name, src.count, dst->count);
        for (uint32_t i = 0; i < src.count; i++) {
            uint64_t v = state_get(from, &src, i);

            if (v > ones(dst->size))
                return error_set(e, -EINVAL,
                                 "state of %s: field %s[%" PRIu32 "] does not fit into %u bytes",
                                 who, src.name, i, (unsigned)dst->size);
            state_set(to, dst, i, v);
        }
    }
    return state_check(who, d, to, e);
}
