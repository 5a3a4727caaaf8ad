/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * killer: kill -9 of a guest's device model or PV worker at random moments.
 *
 *   killer [-f FILE -m MARKER] SUPERVISOR ROLE COUNT DOZE
 *
 * Kills the process of this role (model, pv) under the supervisor with this process id, COUNT
 * times or until FILE has the marker or the supervisor has ended. Before each death it dozes up to
 * DOZE milliseconds. Five deaths without anything done in between are a crash loop, by design:
 * after two processes that have hardly done anything it lets the third one serve. Each death must
 * have a successor within a minute. Prints the number of deaths. Exit status: 0, 1 no successor
 * came (said on stderr), 2 usage.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STEP_MS = 5,
    PATIENCE_MS = 60000,
    IDLE_ROW = 2,
    SERVED = 40,      /* sleeps, some of which are of its start */
    LIVED_MS = 11000, /* longer than the supervisor asks for */
};

static void pause_ms(long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static bool first_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "r");
    bool read = file && fgets(line, (int)size, file);

    if (file) {
        fclose(file);
    }
    return read;
}

/* The supervisor's youngest child with this name, which ends in a new line; 0: none. */
static pid_t worker(pid_t supervisor, const char *name)
{
    char path[64], children[512], comm[32], *at = children;
    pid_t found = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", supervisor, supervisor);
    if (!first_line(path, children, sizeof children)) {
        return 0;
    }
    for (long pid = strtol(at, &at, 10); pid > 0; pid = strtol(at, &at, 10)) {
        snprintf(path, sizeof path, "/proc/%ld/comm", pid);
        if (first_line(path, comm, sizeof comm) && !strcmp(comm, name)) {
            found = (pid_t)pid;
        }
    }
    return found;
}

static bool gone(pid_t supervisor)
{
    return kill(supervisor, 0) < 0 && errno == ESRCH;
}

/* Reads on where the last call ended; the last bytes are kept for a marker that is cut in two. */
static bool said(const char *path, const char *marker)
{
    static char text[65536 + 1];
    static size_t kept;
    static long offset;
    FILE *file = path ? fopen(path, "r") : NULL;
    bool found = false;
    size_t n;

    if (!file) {
        return false;
    }
    if (fseek(file, offset, SEEK_SET) == 0) {
        while (!found && (n = fread(text + kept, 1, sizeof text - 1 - kept, file)) > 0) {
            size_t total = kept + n, keep = strlen(marker) - 1;

            offset += (long)n;
            found = memmem(text, total, marker, strlen(marker)) != NULL;
            kept = total < keep ? total : keep;
            memmove(text, text + total - kept, kept);
        }
    }
    fclose(file);
    return found;
}

/* The process that is there instead of `old`; 0: none came, -1: the supervisor has ended. */
static pid_t another(pid_t supervisor, const char *name, pid_t old)
{
    for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
        pid_t now = worker(supervisor, name);

        if (now && now != old) {
            return now;
        }
        if (gone(supervisor)) {
            return -1;
        }
        pause_ms(STEP_MS);
    }
    return 0;
}

/* How often a process has slept since it began, as each request makes it do. -1: it is no more. */
static long slept(pid_t pid)
{
    static const char key[] = "voluntary_ctxt_switches:";
    char path[64], line[256];
    long times = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "r");
    while (file && times < 0 && fgets(line, sizeof line, file)) {
        if (!strncmp(line, key, sizeof key - 1)) {
            times = strtol(line + sizeof key - 1, NULL, 10);
        }
    }
    if (file) {
        fclose(file);
    }
    return times;
}

/* The third one that is about to die idle lives on, until it has served something or lived so long
 * that it counts as much. */
static void spare_idle(pid_t pid)
{
    static int idle;
    long times = slept(pid);

    if (times >= SERVED) {
        idle = 0;
        return;
    }
    if (++idle <= IDLE_ROW) {
        return;
    }
    for (int ms = 0; ms < LIVED_MS && times >= 0 && times < SERVED; ms += STEP_MS) {
        pause_ms(STEP_MS);
        times = slept(pid);
    }
    idle = 0;
}

int main(int argc, char **argv)
{
    const char *file = NULL, *marker = NULL;
    long killed = 0, count, doze;
    pid_t supervisor, pid = 0;
    char name[32];
    int option;

    while ((option = getopt(argc, argv, "f:m:")) != -1) {
        if (option == 'f') {
            file = optarg;
        } else if (option == 'm') {
            marker = optarg;
        } else {
            return 2;
        }
    }
    if (argc - optind != 4 || !file != !marker || (marker && !*marker)) {
        fprintf(stderr, "usage: killer [-f FILE -m MARKER] SUPERVISOR ROLE COUNT DOZE\n");
        return 2;
    }
    supervisor = (pid_t)atol(argv[optind]);
    snprintf(name, sizeof name, "hvmdm-%s\n", argv[optind + 1]);
    count = atol(argv[optind + 2]);
    doze = atol(argv[optind + 3]);
    srandom((unsigned)time(NULL) ^ (unsigned)getpid());
    pause_ms(3 * doze); /* what has started us is over then, and no part of what is measured */
    while (killed < count) {
        pause_ms(doze > 0 ? random() % doze : 0);
        pid = another(supervisor, name, 0);
        if (pid > 0) {
            spare_idle(pid);
        }
        if (said(file, marker)) {
            break;
        }
        if (pid > 0 && kill(pid, SIGKILL) == 0) {
            killed++;
            pid = another(supervisor, name, pid);
        }
        if (pid == 0) {
            fprintf(stderr, "killer: no %s process after %ld deaths\n", argv[optind + 1], killed);
            printf("%ld\n", killed);
            return 1;
        }
        if (pid < 0) {
            break;
        }
    }
    printf("%ld\n", killed);
    return 0;
}
