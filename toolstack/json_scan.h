/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_scan - finds JSON objects in a byte stream that comes in pieces of any size.
 *
 * Objects may be separated by white space or nothing. Single-quoted strings, which QMP clients may
 * send, are turned into double-quoted ones. What is wrong is reported once and skipped: after a bad
 * object the stream goes on behind its closing brace or the next line end.
 */
#ifndef TOOLSTACK_JSON_SCAN_H
#define TOOLSTACK_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_SCAN_SIZE = 1 << 20, /* bytes of one object */
    JSON_SCAN_DEPTH = 64,     /* braces and brackets inside each other; bits of `brackets` */
};

enum json_scan_result {
    JSON_SCAN_MORE,   /* all bytes used, nothing complete */
    JSON_SCAN_OBJECT, /* an object is in text[0..len) */
    JSON_SCAN_BAD,    /* no JSON, too long or too deep; `reason` says so */
};

struct json_scan {
    char *text; /* NULL while nothing is collected */
    size_t len, cap;
    uint64_t depth;
    uint64_t brackets; /* which kind each level is, innermost in bit 0; 1: square */
    char quote;        /* the string's, or 0 outside of one */
    bool escape;       /* the byte before was a backslash */
    bool skip_object;  /* reported already: count brackets only */
    bool skip_line;    /* reported already: up to a line end or an opening brace */
    const char *reason;
};

/* Looks at bytes from *bytes on, advances *bytes and *n. The object found before is forgotten. */
enum json_scan_result json_scan(struct json_scan *s, const char **bytes, size_t *n);
void json_scan_free(struct json_scan *s); /* ready for use again */

#endif
