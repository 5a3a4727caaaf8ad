/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern: a byte pattern in which every eight bytes say where they belong.
 *
 *   pattern write FILE OFFSET LENGTH SEED    write it (in bytes, multiples of 4096) and sync
 *   pattern check FILE OFFSET LENGTH SEED    compare; names the first byte that differs
 *   pattern fill FILE                        write without end until an error, which it names
 *
 * The same program runs in the guest (write) and outside (check). Writing goes past the page
 * cache (O_DIRECT) where the file allows it, so that an error reaches this program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (64 * 1024)
#define UNIT  4096

static uint64_t buffer[CHUNK / 8] __attribute__((aligned(UNIT)));

/* Word at byte offset, by a multiply and shift mix: no two offsets of a disk look alike. */
static uint64_t word(uint64_t offset, uint64_t seed)
{
    uint64_t x = (offset + seed) * 0x9e3779b97f4a7c15u;

    return x ^ (x >> 29);
}

static void make(uint64_t offset, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length / 8; i++) {
        buffer[i] = word(offset + 8 * i, seed);
    }
}

static int transfer(int fd, uint64_t offset, size_t length, bool writing)
{
    size_t done = 0;

    while (done < length) {
        char *at = (char *)buffer + done;
        ssize_t n = writing ? pwrite(fd, at, length - done, (off_t)(offset + done))
                            : pread(fd, at, length - done, (off_t)(offset + done));

        if (n == 0) {
            errno = ENOSPC;
        }
        if (n <= 0) {
            return -1;
        }
        done += (size_t)n;
    }
    return 0;
}

static int check_chunk(uint64_t offset, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length / 8; i++) {
        uint64_t want = word(offset + 8 * i, seed);

        if (buffer[i] != want) {
            printf("pattern: differs at byte %llu: %016llx instead of %016llx\n",
                   (unsigned long long)(offset + 8 * i), (unsigned long long)buffer[i],
                   (unsigned long long)want);
            return -1;
        }
    }
    return 0;
}

static int fail(const char *what, const char *path, uint64_t offset)
{
    printf("pattern: %s %s at byte %llu: %s\n", what, path, (unsigned long long)offset,
           strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t offset = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
    uint64_t length = argc > 4 ? strtoull(argv[4], NULL, 0) : UINT64_MAX;
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 0) : 0;
    uint64_t end = length == UINT64_MAX ? length : offset + length;
    bool writing;
    int fd;

    if (argc < 3 || (argc != 6 && strcmp(argv[1], "fill") != 0)) {
        fprintf(stderr, "usage: pattern write|check FILE OFFSET LENGTH SEED, pattern fill FILE\n");
        return 2;
    }
    writing = strcmp(argv[1], "check") != 0;
    fd = open(argv[2], (writing ? O_WRONLY : O_RDONLY) | O_DIRECT);
    if (fd < 0) {
        fd = open(argv[2], writing ? O_WRONLY : O_RDONLY);
    }
    if (fd < 0) {
        return fail("cannot open", argv[2], 0);
    }
    while (offset < end) {
        size_t size = end - offset < CHUNK ? (size_t)(end - offset) : CHUNK;

        if (writing) {
            make(offset, size, seed);
        }
        if (transfer(fd, offset, size, writing) < 0) {
            return fail(writing ? "cannot write" : "cannot read", argv[2], offset);
        }
        if (!writing && check_chunk(offset, size, seed) < 0) {
            return 1;
        }
        offset += size;
    }
    if (writing && fsync(fd) < 0) {
        return fail("cannot sync", argv[2], offset);
    }
    printf("pattern: %s done\n", argv[1]);
    return 0;
}
