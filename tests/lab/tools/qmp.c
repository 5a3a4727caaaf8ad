/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp: one command to a device model by QMP.
 *
 *   qmp SOCKET '{"execute": ...}'
 *
 * Prints the answer. Status 0: "return"; 1: "error", or no answer within ten seconds.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* The next line that is no event. */
static bool answer(FILE *f, char **line, size_t *size)
{
    while (getline(line, size, f) > 0) {
        if (!strstr(*line, "\"event\":")) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    const struct timeval limit = { .tv_sec = 10 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char *line = NULL;
    size_t size = 0;
    FILE *f;

    if (argc != 3 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: qmp SOCKET COMMAND\n");
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 || !(f = fdopen(fd, "r"))) {
        perror(argv[1]);
        return 1;
    }
    if (!answer(f, &line, &size)) { /* the greeting */
        fprintf(stderr, "qmp: no greeting\n");
        return 1;
    }
    dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n");
    if (!answer(f, &line, &size)) {
        fprintf(stderr, "qmp: no answer to qmp_capabilities\n");
        return 1;
    }
    dprintf(fd, "%s\n", argv[2]);
    if (!answer(f, &line, &size)) {
        fprintf(stderr, "qmp: no answer\n");
        return 1;
    }
    fputs(line, stdout);
    return strstr(line, "\"return\"") ? 0 : 1;
}
