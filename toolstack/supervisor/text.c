/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text - see text.h.
 *
 * Absent: JSON numbers, lists, nested objects and \u escapes in requests (no command takes any).
 */
#include "toolstack/supervisor/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *t, const char *format, ...)
{
    size_t room = t->size - t->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->bytes + t->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        t->cut = true;
        n = (int)room - 1;
    }
    t->len += (size_t)n;
}

static bool printable(char c)
{
    return c >= ' ' && c <= '~';
}

void text_add_quoted(struct text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++)
        text_add(t, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", printable(*s) ? *s : '?');
    text_add(t, "\"");
}

void text_clean(char *bytes, size_t size)
{
    bytes[size - 1] = '\0';
    for (; *bytes; bytes++)
        if (!printable(*bytes))
            *bytes = '?';
}

static const char *skip_blank(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* Reads a string at p; returns what follows it, or NULL. */
static const char *read_string(const char *p, char *to, size_t size)
{
    size_t n = 0;

    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if (*p == '\\' && p[1] && strchr("\"\\/", p[1]))
            p++;
        else if (*p == '\\' || (unsigned char)*p < ' ')
            return NULL; /* the end of the text as well */
        if (n + 1 >= size)
            return NULL;
        to[n++] = *p;
    }
    to[n] = '\0';
    return p + 1;
}

int text_member(const char *json, const char *name, char *to, size_t size)
{
    const char *p = skip_blank(json);
    char key[32], other[1024];
    int found = 0;

    if (*p != '{')
        return -EINVAL;
    do {
        bool wanted;

        p = read_string(skip_blank(p + 1), key, sizeof key);
        if (!p || *(p = skip_blank(p)) != ':')
            return -EINVAL;
        wanted = !strcmp(key, name);
        p = read_string(skip_blank(p + 1), wanted ? to : other, wanted ? size : sizeof other);
        if (!p)
            return -EINVAL;
        found |= wanted;
        p = skip_blank(p);
    } while (*p == ',');
    return *p == '}' && !*skip_blank(p + 1) ? found : -EINVAL;
}
