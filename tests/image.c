/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image - see image.h. */
#define _GNU_SOURCE 1
#include "tests/image.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ended;

static void op_done(struct block_req *r, int result)
{
    struct image_op *o = r->opaque;

    assert_int_equal(result, r->result);
    assert_false(r->pending);
    o->done++;
    o->order = ++ended;
}

struct image_op *image_op_new(enum block_op op, uint64_t offset, uint64_t length,
                              const struct iovec *iov, int niov)
{
    struct image_op *o = calloc(1, sizeof *o);

    o->r = (struct block_req){ .op = op,
                               .offset = offset,
                               .length = length,
                               .iov = iov,
                               .niov = niov,
                               .done = op_done,
                               .opaque = o };
    return o;
}

void image_wait(struct image *f, const struct image_op *o)
{
    uint64_t limit = loop_now() + UINT64_C(20000000000);

    while (!o->done && loop_now() < limit)
        loop_turn(f->l, true);
    assert_int_equal(o->done, 1);
}

int image_run_iov(struct image *f, struct block *b, enum block_op op, uint64_t offset,
                  uint64_t length, const struct iovec *iov, int niov)
{
    struct image_op *o = image_op_new(op, offset, length, iov, niov);
    int result;

    if (block_submit(b, &o->r))
        assert_int_equal(o->done, 0);
    else
        image_wait(f, o);
    result = o->r.result;
    free(o);
    return result;
}

int image_run(struct image *f, struct block *b, enum block_op op, uint64_t offset, void *bytes,
              size_t n)
{
    struct iovec iov = { bytes, n };

    return image_run_iov(f, b, op, offset, n, &iov, 1);
}

void image_fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / 251 + seed * 31);
}

int image_setup(void **state)
{
    struct image *f = calloc(1, sizeof *f);
    static uint8_t bytes[SIZE];
    int fd;

    f->l = loop_new();
    snprintf(f->dir, sizeof f->dir, "/tmp/hvmdm-test-block-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/disk.img", f->dir);
    fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    image_fill(bytes, sizeof bytes, 1);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    ended = 0;
    *state = f;
    return 0;
}

int image_teardown(void **state)
{
    struct image *f = *state;

    unlink(f->path);
    rmdir(f->dir);
    loop_free(f->l);
    free(f);
    return 0;
}

struct block *image_open_tuned(struct image *f, bool read_only, bool direct,
                               const struct raw_tuning *t)
{
    struct block_options o = {
        .path = f->path, .fd = -1, .format = "raw", .read_only = read_only, .direct = direct
    };
    struct block *b;

    if (raw_open(f->l, &o, t, &b, &f->e) < 0)
        fail_msg("%s", f->e.text);
    return b;
}

struct block *image_open(struct image *f, bool read_only)
{
    return image_open_tuned(f, read_only, false, &raw_default_tuning);
}

int image_flags(const char *path)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;
    int flags = -1;

    while ((d = readdir(dir))) {
        char target[256] = "";

        if (readlinkat(dirfd(dir), d->d_name, target, sizeof target - 1) > 0 &&
            strcmp(target, path) == 0)
            flags = fcntl(atoi(d->d_name), F_GETFL);
    }
    closedir(dir);
    return flags;
}

const struct image_way image_ways[IMAGE_WAYS] = {
    { "as in production", { .lock_wait_ms = 0, .depth = 32, .threads = 4, .idle_ms = 50 }, false },
    { "ring", { .depth = 4, .threads = 4, .idle_ms = 50, .no_inline = true }, false },
    { "threads",
      { .depth = 4, .threads = 4, .idle_ms = 50, .no_inline = true, .no_ring = true },
      false },
    { "direct, ring", { .depth = 32, .threads = 4, .idle_ms = 50 }, true },
    { "direct, threads", { .depth = 32, .threads = 4, .idle_ms = 50, .no_ring = true }, true },
    { "no thread to be had", { .depth = 2, .no_inline = true, .no_ring = true }, false },
};
