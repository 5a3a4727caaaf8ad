/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text - texts in buffers of fixed size: made piece by piece, and the little JSON that the control
 * socket speaks.
 */
#ifndef TOOLSTACK_SUPERVISOR_TEXT_H
#define TOOLSTACK_SUPERVISOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "hw/core/bits.h"

struct text {
    char *bytes; /* always terminated */
    size_t size, len;
    bool cut; /* something did not fit */
};

#define TEXT(buffer)                                                                               \
    {                                                                                              \
        (buffer), sizeof(buffer), 0, false                                                         \
    }

__attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *format, ...);
/* A JSON string with its quotes. What is not printable ASCII becomes a question mark. */
void text_add_quoted(struct text *t, const char *s);

/* Make bytes that somebody else has written fit for a log line, in place: terminated, printable. */
void text_clean(char *bytes, size_t size);

/* The string member `name` of a JSON object all of whose members are strings. 1: found; 0: it has
 * none; -EINVAL: that is no such object, or the value does not fit. */
MUST_CHECK int text_member(const char *json, const char *name, char *to, size_t size);

#endif
