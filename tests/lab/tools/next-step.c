/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * next-step: waits for the next command that dom0 has for this guest.
 *
 *   next-step LAST
 *
 * dom0 writes "NUMBER COMMAND" to data/lab in the guest's part of xenstore; prints that as soon as
 * the number is not LAST. Asks again and again, without a watch: those are delivered by a thread of
 * the kernel which a front end that waits for its back end can hold up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#define NODE "data/lab"

static bool transfer(int fd, void *bytes, size_t size, bool writing)
{
    char *at = bytes;

    while (size) {
        ssize_t n = writing ? write(fd, at, size) : read(fd, at, size);

        if (n <= 0) {
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* The node's value as a string, empty if there is none; false: xenstore does not answer. */
static bool ask(int fd, char *value, size_t size)
{
    struct {
        struct xsd_sockmsg head;
        char path[sizeof NODE];
    } request = { { XS_READ, 1, 0, sizeof NODE }, NODE };
    struct xsd_sockmsg answer;

    /* In one write: the kernel takes whole messages. */
    if (!transfer(fd, &request, sizeof request.head + sizeof NODE, true) ||
        !transfer(fd, &answer, sizeof answer, false) || answer.len >= size ||
        !transfer(fd, value, answer.len, false)) {
        return false;
    }
    value[answer.type == XS_READ ? answer.len : 0] = 0;
    return true;
}

int main(int argc, char **argv)
{
    const struct timespec pause = { .tv_nsec = 100000000 };
    static char value[XENSTORE_PAYLOAD_MAX + 1];
    int fd = open("/dev/xen/xenbus", O_RDWR);

    if (argc != 2) {
        fprintf(stderr, "usage: next-step LAST\n");
        return 2;
    }
    while (fd >= 0 && ask(fd, value, sizeof value)) {
        size_t number = strspn(value, "0123456789");

        if (number && (strlen(argv[1]) != number || memcmp(value, argv[1], number) != 0)) {
            puts(value);
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    perror("next-step: xenstore");
    return 1;
}
