/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nsclock - monotonic time in ns, for measuring start-up.
 *
 *     nsclock                       prints it
 *     nsclock FILE PROGRAM ARGS...  writes it to FILE, then becomes PROGRAM
 */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    FILE *f = stdout;

    if (argc > 2) {
        f = fopen(argv[1], "w");
        if (!f) {
            perror(argv[1]);
            return 1;
        }
    }
    fprintf(f, "%lld\n", now());
    fflush(f);
    if (argc > 2) {
        execv(argv[2], argv + 2);
        perror(argv[2]);
        return 1;
    }
    return 0;
}
