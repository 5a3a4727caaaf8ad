/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * waitfor: wait until a file holds a marker.
 *
 *   waitfor [-o OFFSET] [-p PID] LIMIT FILE MARKER [MARKER...]
 *
 * Looks from byte OFFSET on, for at most LIMIT seconds, ten times a second. Prints the first
 * line with a marker. Exit status: 0 found, 1 time is up, 3 process PID ended without it.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads what the file has gained; complete lines with a marker end the wait. */
static bool scan(const char *path, long offset, char **markers)
{
    bool found = false;
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");

    if (!file) {
        return false;
    }
    if (fseek(file, offset, SEEK_SET) == 0) {
        /* The last line may still be growing: not before its end. */
        while (!found && getline(&line, &size, file) > 0 && strchr(line, '\n')) {
            for (char **marker = markers; *marker && !found; marker++) {
                found = strstr(line, *marker) != NULL;
            }
        }
    }
    if (found) {
        line[strcspn(line, "\r\n")] = 0;
        puts(line);
    }
    free(line);
    fclose(file);
    return found;
}

int main(int argc, char **argv)
{
    const struct timespec pause = { .tv_nsec = 100000000 };
    long offset = 0;
    pid_t pid = 0;
    double end;
    int option;

    while ((option = getopt(argc, argv, "o:p:")) != -1) {
        switch (option) {
        case 'o':
            offset = atol(optarg);
            break;
        case 'p':
            pid = (pid_t)atol(optarg);
            break;
        default:
            return 2;
        }
    }
    if (argc - optind < 3) {
        fprintf(stderr, "usage: waitfor [-o OFFSET] [-p PID] LIMIT FILE MARKER...\n");
        return 2;
    }
    end = now() + atof(argv[optind]);
    for (;;) {
        bool gone = pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;

        if (scan(argv[optind + 1], offset, &argv[optind + 2])) {
            return 0;
        }
        if (gone) {
            return 3;
        }
        if (now() > end) {
            return 1;
        }
        nanosleep(&pause, NULL);
    }
}
