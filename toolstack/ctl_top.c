/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl_top - see ctl_top.h. */
#include "toolstack/ctl_top.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    TOP_HEAD = 4, /* lines beside the registers' */
    TOP_LINES = 24,
};

struct top_row {
    const char *device, *name;
    double reads, writes; /* per second */
    double ns, busy;      /* of a request; of each second */
};

static double number(const json_t *row, const char *key)
{
    return (double)json_integer_value(json_object_get(row, key));
}

static const char *text(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));

    return s ? s : "";
}

/* The device model appends rows and never changes their order. */
static const json_t *earlier(const json_t *before, size_t i, const json_t *row)
{
    const json_t *was = json_array_get(json_object_get(before, "registers"), i);

    return was && !strcmp(text(was, "device"), text(row, "device")) &&
                   !strcmp(text(was, "register"), text(row, "register"))
               ? was
               : NULL;
}

static int costly_first(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;
    double nx = x->reads + x->writes, ny = y->reads + y->writes;

    if (x->busy != y->busy)
        return x->busy < y->busy ? 1 : -1;
    return nx < ny ? 1 : nx > ny ? -1 : strcmp(x->name, y->name);
}

/* Fills `rows`, which has room for all, with what has been asked meanwhile; how many. */
static size_t top_rows(const json_t *before, const json_t *now, double ns, struct top_row *rows)
{
    const json_t *list = json_object_get(now, "registers"), *one;
    size_t i, n = 0;

    json_array_foreach(list, i, one)
    {
        const json_t *was = earlier(before, i, one);
        double reads = number(one, "reads") - number(was, "reads");
        double writes = number(one, "writes") - number(was, "writes");
        double spent = number(one, "ns") - number(was, "ns");

        if (reads + writes <= 0)
            continue;
        rows[n++] = (struct top_row){ .device = text(one, "device"),
                                      .name = text(one, "register"),
                                      .reads = reads * 1e9 / ns,
                                      .writes = writes * 1e9 / ns,
                                      .ns = spent / (reads + writes),
                                      .busy = spent / ns };
    }
    qsort(rows, n, sizeof *rows, costly_first);
    return n;
}

void ctl_top_show(FILE *out, const json_t *before, const json_t *now, unsigned most)
{
    double ns = number(now, "ns") - number(before, "ns"), requests = 0, busy = 0;
    size_t n = 0, all = json_array_size(json_object_get(now, "registers"));
    struct top_row *rows = calloc(all + 1, sizeof *rows);

    if (rows && ns > 0)
        n = top_rows(before, now, ns, rows);
    for (size_t i = 0; i < n; i++) {
        requests += rows[i].reads + rows[i].writes;
        busy += rows[i].busy;
    }
    fprintf(out, "%.0f requests a second, busy for %.1f %% of %.1f s\n\n", requests, busy * 100,
            ns / 1e9);
    fprintf(out, "%10s %10s %10s %7s  %-16s %s\n", "READS/S", "WRITES/S", "US/REQUEST", "BUSY %",
            "DEVICE", "REGISTER");
    for (size_t i = 0; i < n && (!most || i < most); i++)
        fprintf(out, "%10.0f %10.0f %10.2f %7.2f  %-16s %s\n", rows[i].reads, rows[i].writes,
                rows[i].ns / 1e3, rows[i].busy * 100, rows[i].device, rows[i].name);
    free(rows);
}

static unsigned lines_of(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return TOP_LINES;
    return size.ws_row;
}

int ctl_top(FILE *out, enum ctl_top_how how, int (*ask)(void *opaque, json_t **answer),
            void *opaque)
{
    const struct timespec second = { .tv_sec = 1 };
    bool terminal = how == CTL_TOP_WATCH && isatty(fileno(out));
    json_t *before = NULL, *now = NULL;
    int ret = ask(opaque, &before);

    while (ret == 0) {
        nanosleep(&second, NULL);
        ret = ask(opaque, &now);
        if (ret == 0 && terminal) {
            unsigned lines = lines_of(fileno(out));

            fputs("\033[H\033[J", out); /* home, and clear what follows */
            ctl_top_show(out, before, now, lines > TOP_HEAD ? lines - TOP_HEAD : 1);
        } else if (ret == 0 && how == CTL_TOP_JSON) {
            json_dumpf(now, out, JSON_INDENT(2));
            fputc('\n', out);
        } else if (ret == 0) {
            ctl_top_show(out, before, now, 0);
        }
        json_decref(before);
        before = now;
        now = NULL;
        if (!terminal || fflush(out))
            break;
    }
    json_decref(before);
    return ret;
}
