/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * startclock: how long a device model takes from exec to "running".
 *
 *   startclock watch FILE          waits until one says so in xenstore, writes the time to FILE
 *   dm-wrapper ARGUMENTS...        (the same program under this name) writes the time to
 *                                  $START_FILE and becomes $START_PROGRAM with these arguments
 *
 * Times are nanoseconds of the monotonic clock, so that neither a shell nor the start of another
 * program lies between the two. Exit status 1: could not, said on stderr.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

static void fail(const char *what)
{
    fprintf(stderr, "startclock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct timespec now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

static void note(FILE *file, struct timespec t)
{
    if (fprintf(file, "%lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec) < 0 ||
        fclose(file) != 0) {
        fail("cannot write");
    }
}

static FILE *open_new(const char *path)
{
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file) {
        fail(path ? path : "START_FILE");
    }
    return file;
}

static void become(char **argv)
{
    const char *program = getenv("START_PROGRAM");

    if (!program) {
        errno = ENOENT;
        fail("START_PROGRAM");
    }
    argv[0] = strdup(program);
    note(open_new(getenv("START_FILE")), now());
    execv(program, argv);
    fail(program);
}

static void watch(const char *path)
{
    struct xs_handle *xs = xs_open(0);

    if (!xs || !xs_watch(xs, "/local/domain/0/device-model", "")) {
        fail("xenstore");
    }
    for (;;) {
        struct timespec t;
        unsigned length, n;
        char **event = xs_read_watch(xs, &n), *state;

        t = now();
        if (!event) {
            fail("xenstore");
        }
        state = strstr(event[XS_WATCH_PATH], "/state")
                    ? xs_read(xs, XBT_NULL, event[XS_WATCH_PATH], &length)
                    : NULL;
        if (state && !strcmp(state, "running")) {
            note(open_new(path), t);
            return;
        }
        free(state);
        free(event);
    }
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');

    if (!strcmp(slash ? slash + 1 : argv[0], "dm-wrapper")) {
        become(argv);
    }
    if (argc != 3 || strcmp(argv[1], "watch") != 0) {
        fprintf(stderr, "usage: startclock watch FILE\n");
        return 2;
    }
    watch(argv[2]);
    return 0;
}
