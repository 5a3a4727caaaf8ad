/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream-diff FILE LINES: compares what came through a character stream with what payload chatter
 * has sent, and counts what was lost and what came twice.
 *
 * Prints "lost N repeated N places N" (bytes, and places where that happened). Status 0: counted;
 * 1: something else differs, which is named. FILE may end with what the firmware or another program
 * wrote: the comparison ends after LINES lines. It may begin with it too.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes; SURE alike in a row are the same place. Deaths may come so fast that there are not as many
 * between what two of them did: then up to DEEP places of a host call each are taken together. */
enum { LINE = 16, SURE = 24, FAR = 4096, CALL = 16, DEEP = 4 };

struct stream {
    const char *bytes;
    size_t n, at;
};

struct damage {
    unsigned long lost, repeated, places;
};

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

/* How many bytes of both are alike from here on, at most SURE; the end of both counts as all. */
static size_t alike(struct stream sent, struct stream got)
{
    size_t n = 0;

    while (n < SURE && sent.at + n < sent.n && got.at + n < got.n &&
           sent.bytes[sent.at + n] == got.bytes[got.at + n]) {
        n++;
    }
    return sent.at + n == sent.n ? SURE : n;
}

/* Both go on where they are the same again, after at most `deep` places of at most `far` bytes;
 * false: there is no such place. */
static bool go_on(struct stream *sent, struct stream *got, int deep, size_t far,
                  struct damage *damage)
{
    for (size_t i = 1; i <= far; i++) {
        for (int repeated = 0; repeated < 2; repeated++) {
            struct stream s = *sent, g = *got;
            struct damage more = *damage;
            size_t n;

            if (repeated ? i > s.at || i > g.n - g.at : i > s.n - s.at) {
                continue;
            }
            *(repeated ? &g.at : &s.at) += i;
            *(repeated ? &more.repeated : &more.lost) += i;
            more.places++;
            n = alike(s, g);
            if (n < SURE) {
                s.at += n;
                g.at += n;
                if (n == 0 || deep == 1 || !go_on(&s, &g, deep - 1, far, &more)) {
                    continue;
                }
            }
            *sent = s;
            *got = g;
            *damage = more;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    size_t lines = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
    char *text = malloc(lines * LINE + LINE + 1);
    struct stream sent = { text, lines * LINE, 0 }, got = { 0 };
    struct damage damage = { 0 };

    if (argc != 3 || !text) {
        fprintf(stderr, "usage: stream-diff FILE LINES\n");
        return 2;
    }
    for (size_t i = 0; i < lines; i++) {
        char line[40];

        snprintf(line, sizeof line, "%08zu abcde\r\n", i);
        memcpy(text + i * LINE, line, LINE);
    }
    got.bytes = whole(argv[1], &got.n);
    while (got.at < got.n && alike(sent, got) < SURE) {
        got.at++; /* the firmware's greeting */
    }
    while (sent.at < sent.n) {
        bool found;

        if (got.at < got.n && sent.bytes[sent.at] == got.bytes[got.at]) {
            sent.at++;
            got.at++;
            continue;
        }
        found = false;
        for (int deep = 1; deep <= DEEP && !found; deep++) {
            found = go_on(&sent, &got, deep, CALL, &damage);
        }
        found = found || go_on(&sent, &got, 1, FAR, &damage);
        if (!found) {
            printf("byte %zu of the file is no continuation of byte %zu of what was sent\n", got.at,
                   sent.at);
            return 1;
        }
    }
    printf("lost %lu repeated %lu places %lu\n", damage.lost, damage.repeated, damage.places);
    return 0;
}
