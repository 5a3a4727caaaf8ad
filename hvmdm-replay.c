/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmdm-replay - runs a recording of a guest again, without the guest: main(). See
 * docs/recording.md; the work is done in toolstack/record/player.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "hw/core/log.h"
#include "toolstack/record/player.h"
#include "toolstack/version.h"

enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_REFUSED = 2 };

static const char help[] =
    "usage: hvmdm-replay [--list] FILE\n"
    "\n"
    "Builds the machine that FILE describes, a recording made by hvmdm --record FILE, on a\n"
    "simulator (no Xen, no guest), lets happen again what happened then, and compares every\n"
    "answer, interrupt, DMA transfer and disk request. It stops at the first difference and\n"
    "shows both sides.\n"
    "\n"
    "  --list     do not replay; show what was recorded, a line for each record\n"
    "  --help     this text\n"
    "  --version  name and version\n"
    "\n"
    "Exit status: 0 no difference, 1 a difference, 2 FILE is no recording, is damaged, or cannot\n"
    "be replayed by this version.\n"
    "\n"
    "See also hvmdm-replay(8).\n";

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int replay(const char *path)
{
    struct player_result *r = calloc(1, sizeof *r);
    double before = seconds(), took;
    int status;

    if (!r)
        return EXIT_REFUSED;
    player_run(path, r);
    took = seconds() - before;
    printf("%" PRIu64 " events (%" PRIu64 " requests) in %u segments, %.3f s of the guest's time, "
           "replayed in %.3f s\n",
           r->events, r->requests, r->segments, (double)r->guest_ns / 1e9, took);
    if (r->unseen)
        printf("%u times something happened that was not recorded; what follows was compared from "
               "there on\n",
               r->unseen);
    if (r->nodata)
        printf("contents of disks were left out of the recording, and are not compared\n");
    status = r->outcome == PLAYER_SAME        ? EXIT_SAME
             : r->outcome == PLAYER_DIFFERENT ? EXIT_DIFFERENT
                                              : EXIT_REFUSED;
    if (status == EXIT_SAME)
        printf("no difference\n");
    else if (status == EXIT_DIFFERENT)
        printf("the first difference:\n%s\n", r->text);
    else
        fprintf(stderr, "hvmdm-replay: %s\n", r->text);
    free(r);
    return status;
}

static int list(const char *path)
{
    struct error e = { "" };
    int err = player_list(path, stdout, &e);

    if (err < 0)
        fprintf(stderr, "hvmdm-replay: %s\n", e.text);
    return err < 0 || fflush(stdout) ? EXIT_REFUSED : EXIT_SAME;
}

int main(int argc, char **argv)
{
    bool listing = argc == 3 && strcmp(argv[1], "--list") == 0;

    log_set_level(LOG_ERROR);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return EXIT_SAME;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("hvmdm-replay %s\n", HVMDM_VERSION);
        return EXIT_SAME;
    }
    if ((argc != 2 && !listing) || argv[argc - 1][0] == '-') {
        fputs(help, stderr);
        return EXIT_REFUSED;
    }
    return listing ? list(argv[2]) : replay(argv[1]);
}
