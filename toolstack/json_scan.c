/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_scan - finds JSON objects in a byte stream. See json_scan.h.
 *
 * Only strings and brackets are understood here; whether the object is correct JSON is the business
 * of the parser that gets it.
 */
#include "toolstack/json_scan.h"

#include <stdlib.h>

static bool append(struct json_scan *s, char c)
{
    if (s->skip_object)
        return true;
    if (!s->text || s->len == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        char *text = s->len < JSON_SCAN_SIZE ? realloc(s->text, cap) : NULL;

        if (!text)
            return false;
        s->text = text;
        s->cap = cap;
    }
    s->text[s->len++] = c;
    return true;
}

static void forget(struct json_scan *s)
{
    free(s->text);
    s->text = NULL;
    s->len = s->cap = 0;
}

/* The rest of this object is of no interest. */
static enum json_scan_result bad_object(struct json_scan *s, const char *reason)
{
    forget(s);
    s->skip_object = true;
    s->reason = reason;
    return JSON_SCAN_BAD;
}

static enum json_scan_result bad_line(struct json_scan *s, const char *reason, bool at_line_end)
{
    bool reported = s->skip_object;

    json_scan_free(s);
    s->skip_line = !at_line_end;
    s->reason = reason;
    return reported ? JSON_SCAN_MORE : JSON_SCAN_BAD;
}

static enum json_scan_result in_string(struct json_scan *s, char c)
{
    bool ok = true;

    if ((unsigned char)c < 0x20)
        return bad_line(s, "a control character in a string", c == '\n');
    if (s->escape) {
        s->escape = false;
        /* \' is no JSON, and needs no escape once the quotes are double ones */
        ok = c == '\'' ? append(s, c) : append(s, '\\') && append(s, c);
    } else if (c == '\\') {
        s->escape = true;
    } else if (c == s->quote) {
        s->quote = 0;
        ok = append(s, '"');
    } else if (c == '"') {
        ok = append(s, '\\') && append(s, c);
    } else {
        ok = append(s, c);
    }
    return ok ? JSON_SCAN_MORE : bad_object(s, "the object is too long");
}

static enum json_scan_result in_object(struct json_scan *s, char c)
{
    if ((unsigned char)c < 0x20 && c != '\n' && c != '\r' && c != '\t')
        return bad_line(s, "a control character", false);
    if (c == '"' || c == '\'') {
        s->quote = c;
        c = '"';
    }
    if (!append(s, c))
        return bad_object(s, "the object is too long");
    if (c == '{' || c == '[') {
        if (s->depth < JSON_SCAN_DEPTH)
            s->brackets = s->brackets << 1 | (c == '[');
        if (++s->depth > JSON_SCAN_DEPTH && !s->skip_object)
            return bad_object(s, "the object is nested too deeply");
    }
    if (c == '}' || c == ']') {
        if (s->depth-- <= JSON_SCAN_DEPTH) {
            if ((s->brackets & 1) != (c == ']'))
                return bad_line(s, "a bracket closes a brace or a brace a bracket", false);
            s->brackets >>= 1;
        }
    }
    if (s->depth)
        return JSON_SCAN_MORE;
    if (!s->skip_object)
        return JSON_SCAN_OBJECT;
    json_scan_free(s);
    return JSON_SCAN_MORE;
}

static enum json_scan_result between(struct json_scan *s, char c)
{
    if (c == '\n')
        s->skip_line = false;
    if (c == '\n' || c == '\r' || c == '\t' || c == ' ')
        return JSON_SCAN_MORE;
    if (c == '{') {
        s->skip_line = false;
        return in_object(s, c);
    }
    if (s->skip_line)
        return JSON_SCAN_MORE;
    return bad_line(s, "that is no JSON object", false);
}

enum json_scan_result json_scan(struct json_scan *s, const char **bytes, size_t *n)
{
    enum json_scan_result r = JSON_SCAN_MORE;

    if (!s->depth && s->text)
        forget(s);
    while (*n && r == JSON_SCAN_MORE) {
        char c = *(*bytes)++;

        (*n)--;
        if (s->quote)
            r = in_string(s, c);
        else if (s->depth)
            r = in_object(s, c);
        else
            r = between(s, c);
    }
    return r;
}

void json_scan_free(struct json_scan *s)
{
    forget(s);
    *s = (struct json_scan){ 0 };
}
