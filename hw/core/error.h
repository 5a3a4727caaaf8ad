/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error - one sentence for the administrator.
 *
 * A function that can fail at start-up takes a `struct error *`, returns -errno and fills the
 * sentence once: it names the device or option, the path, the cause and, where there is one, the
 * cure. Nothing is printed on the way up; main() prints it.
 */
#ifndef HW_CORE_ERROR_H
#define HW_CORE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

struct error {
    char text[512]; /* NUL-terminated, no newline; empty when nothing was set */
};

/* Fill *e (which may be NULL) and return `err`, a negative errno, so that callers can write
 * `return error_set(e, -EINVAL, "...")`. The first sentence set wins. */
__attribute__((format(printf, 3, 4))) static inline int error_set(struct error *e, int err,
                                                                  const char *format, ...)
{
    va_list args;

    if (!e || e->text[0])
        return err;
    va_start(args, format);
    vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    return err;
}

#endif
