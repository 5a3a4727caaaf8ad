/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream-diff FILE LINES: compares what came through a character stream with what payload chatter
 * has sent, and counts what was lost and what came twice.
 *
 * Prints "lost N repeated N places N" (bytes, and places where that happened). Status 0: counted;
 * 1: something else differs, which is named. FILE may end with what the firmware or another program
 * wrote: the comparison ends after LINES lines. It may begin with it too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 16, SURE = 24, FAR = 4096 }; /* bytes; SURE alike in a row are the same place */

static char *whole(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;

    *size = 0;
    for (size_t got = 1; f && got;) {
        bytes = realloc(bytes, *size + 65536);
        if (!bytes) {
            exit(2);
        }
        got = fread(bytes + *size, 1, 65536, f);
        *size += got;
    }
    if (f) {
        fclose(f);
    }
    return bytes;
}

/* Bytes of `a` and `b` that are alike, at most SURE. */
static int alike(const char *a, size_t na, const char *b, size_t nb)
{
    size_t n = SURE;

    n = na < n ? na : n;
    n = nb < n ? nb : n;
    return memcmp(a, b, n) == 0;
}

int main(int argc, char **argv)
{
    size_t size, want = argc > 2 ? strtoul(argv[2], NULL, 0) * LINE : 0, at = 0, is = 0;
    unsigned long lost = 0, repeated = 0, places = 0;
    char *sent = malloc(want + LINE + 1), *got;

    if (argc != 3 || !sent) {
        fprintf(stderr, "usage: stream-diff FILE LINES\n");
        return 2;
    }
    for (size_t i = 0; i < want / LINE; i++) {
        char line[40];

        snprintf(line, sizeof line, "%08zu abcde\r\n", i);
        memcpy(sent + i * LINE, line, LINE);
    }
    got = whole(argv[1], &size);
    while (is < size && !alike(got + is, size - is, sent, want)) {
        is++; /* the firmware's greeting */
    }
    while (at < want) {
        size_t far = 1;

        if (is < size && sent[at] == got[is]) {
            at++;
            is++;
            continue;
        }
        for (; far < FAR; far++) {
            if (at + far <= want && alike(sent + at + far, want - at - far, got + is, size - is)) {
                lost += far;
                at += far;
                break;
            }
            if (is + far <= size && far <= at &&
                alike(sent + at, want - at, got + is + far, size - is - far)) {
                repeated += far;
                is += far;
                break;
            }
        }
        if (far == FAR) {
            printf("byte %zu of the file is no continuation of byte %zu of what was sent\n", is,
                   at);
            return 1;
        }
        places++;
    }
    printf("lost %lu repeated %lu places %lu\n", lost, repeated, places);
    return 0;
}
