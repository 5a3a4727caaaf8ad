/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk-bench: reads a disk past the page cache and says how long that took.
 *
 *   disk-bench DISK random|sequential SIZE COUNT READERS
 *
 * READERS processes together do COUNT reads of SIZE bytes, each one at a time. Random places are
 * the same in every run. Prints "reads N ns N": time from the first read to the last answer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_READERS 64

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A reader's share, each of them with places of its own; 0: all were read. */
static int reader(const char *path, bool random, size_t size, unsigned long count, unsigned number)
{
    int fd = open(path, O_RDONLY | O_DIRECT);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    uint64_t places = end < 0 ? 0 : (uint64_t)end / size;
    uint64_t state = 0x9e3779b97f4a7c15u * (number + 1);
    void *buffer =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (!places || buffer == MAP_FAILED) {
        return 1;
    }
    for (unsigned long i = 0; i < count; i++) {
        uint64_t place = i;

        if (random) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            place = state >> 33;
        }
        if (pread(fd, buffer, size, (off_t)(place % places * size)) != (ssize_t)size) {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long size = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
    unsigned long count = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
    unsigned long readers = argc > 5 ? strtoul(argv[5], NULL, 0) : 0;
    bool random = argc > 2 && strcmp(argv[2], "random") == 0;
    bool good = true;
    uint64_t begin;
    int start[2];

    if (argc != 6 || !size || size % 512 || !readers || readers > MOST_READERS || pipe(start) < 0) {
        fprintf(stderr, "usage: disk-bench DISK random|sequential SIZE COUNT READERS\n");
        return 2;
    }
    count = count / readers * readers;
    for (unsigned i = 0; i < readers; i++) {
        if (fork() == 0) {
            char byte;

            close(start[1]);
            (void)!read(start[0], &byte, 1); /* its end is the starting shot */
            _exit(reader(argv[1], random, size, count / readers, i));
        }
    }
    close(start[0]);
    usleep(200000);
    begin = now();
    close(start[1]);
    for (unsigned long i = 0; i < readers; i++) {
        int status;

        good = wait(&status) > 0 && status == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "disk-bench: %s cannot be read\n", argv[1]);
        return 1;
    }
    printf("reads %lu ns %llu\n", count, (unsigned long long)(now() - begin));
    return 0;
}
