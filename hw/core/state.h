/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state - what the guest can see of a device, described once.
 *
 * A device lists its fields in one macro; that list makes the struct, the table by which state is
 * saved, loaded, checked, dumped and compared, and the limits that a loaded value must respect.
 *
 *     #define UART_STATE(F, A, S)                            \
 *         F(S, uint8_t, IER, 0x0f, 1)     (scalar: type, datasheet name, highest value, version) \
 *         A(S, uint8_t, rx, 16, ANY, 1)   (array: type, name, count, highest value, version)
 *     STATE_DEFINE(uart, UART_STATE);     (makes struct uart_state and uart_desc)
 *
 * Types are uint8_t, uint16_t, uint32_t, uint64_t. Fields are only ever appended, with the number
 * of the format version that brought them; nothing is renumbered or reused.
 */
#ifndef HW_CORE_STATE_H
#define HW_CORE_STATE_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

#define ANY UINT64_MAX /* no limit beyond the type's own */

struct state_field {
    char name[24];   /* inline: the table is copied into the arena, which has no pointers */
    uint32_t offset; /* bytes from the start of the record */
    uint32_t count;  /* elements: 1 for a scalar */
    uint16_t size;   /* bytes of one element: 1, 2, 4, 8 */
    uint16_t since;  /* first format version that has it */
    uint32_t zero;
    uint64_t max; /* highest value an element may have */
};

struct state_desc {
    const struct state_field *fields;
    uint32_t nfields;
    uint32_t size;    /* bytes of the struct */
    uint32_t version; /* of the whole record: raised when fields are appended; 0 counts as 1 */
};

#define STATE_MEMBER(S, type, name, max, since)       type name;
#define STATE_ARRAY(S, type, name, count, max, since) type name[count];
#define STATE_FIELD1(S, type, name, max, since)                                                    \
    { #name, offsetof(struct S, name), 1, sizeof(type), since, 0, max },
#define STATE_FIELDN(S, type, name, count, max, since)                                             \
    { #name, offsetof(struct S, name), count, sizeof(type), since, 0, max },

#define STATE_DEFINE(tag, LIST)                                                                    \
    struct tag##_state {                                                                           \
        LIST(STATE_MEMBER, STATE_ARRAY, _)                                                         \
    };                                                                                             \
    static const struct state_field tag##_fields[] = { LIST(STATE_FIELD1, STATE_FIELDN,            \
                                                            tag##_state) };                        \
    static const struct state_desc tag##_desc = { tag##_fields, ARRAY_SIZE(tag##_fields),          \
                                                  sizeof(struct tag##_state), 1 }

/* Element `i` of a field in a record, and its replacement. The caller keeps i < f->count. */
uint64_t state_get(const void *record, const struct state_field *f, uint32_t i);
void state_set(void *record, const struct state_field *f, uint32_t i, uint64_t value);

/* 0, or -EINVAL with a sentence naming `who`, the field, the value and the limit. */
MUST_CHECK int state_check(const char *who, const struct state_desc *d, const void *record,
                           struct error *e);

/* Fill `to` (described by d) from a foreign record described by its own field table, by name.
 * Fields that the source lacks stay as they are in `to` (the reset value). Refuses with -EINVAL a
 * source whose field is larger than ours can hold, or that has a field newer than we know. */
MUST_CHECK int state_convert(const char *who, const struct state_desc *d, void *to,
                             const struct state_field *fields, uint32_t nfields, const void *from,
                             uint32_t from_size, struct error *e);

#endif
