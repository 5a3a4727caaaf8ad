/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_block - raw images: what may be opened, ranges, errors of the host, each by every way a
 * request can take.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/image.h"

static int open_fails(struct image *f, const char *path, const char *format, const char *word)
{
    struct block_options o = { .path = path, .fd = -1, .format = format };
    struct block *b = (struct block *)f;
    struct error e = { "" };
    int err = block_open(f->l, &o, &b, &e);

    assert_true(err < 0);
    assert_null(b);
    assert_non_null(strstr(e.text, path));
    if (!strstr(e.text, word))
        fail_msg("'%s' is not in: %s", word, e.text);
    return err;
}

static unsigned syncs;

/* In place of libc's: what the image driver waits for on the loop, and its threads. */
int fdatasync(int fd)
{
    __atomic_add_fetch(&syncs, 1, __ATOMIC_RELAXED);
    return fsync(fd);
}

/* ---- Opening ---- */

static void test_open_refusals(void **state)
{
    struct image *f = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/missing", f->dir);
    assert_int_equal(open_fails(f, path, "raw", "No such file"), -ENOENT);
    open_fails(f, f->dir, "raw", "neither a file nor a block device");
    open_fails(f, "/dev/null", "raw", "neither a file nor a block device");
    assert_int_equal(open_fails(f, f->path, "qcow2", "qcow2"), -ENOTSUP);
    assert_int_equal(open_fails(f, f->path, "", "never guessed"), -EINVAL);
    snprintf(path, sizeof path, "%s/fifo", f->dir);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it would wait for ever */
    open_fails(f, path, "raw", "neither");
    unlink(path);
    assert_int_equal(truncate(f->path, 100), 0);
    open_fails(f, f->path, "raw", "empty");
}

/* A raw disk whose first sector looks like another format is a raw disk. */
static void cve_2008_1945_format_is_not_probed(void **state)
{
    struct image *f = *state;
    uint8_t sector[SECTOR] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 }, back[SECTOR];
    struct block *b = image_open(f, false);

    assert_int_equal(image_run(f, b, BLOCK_WRITE, 0, sector, SECTOR), 0);
    block_close(b);
    b = image_open(f, false);
    assert_int_equal(b->size, SIZE);
    assert_int_equal(image_run(f, b, BLOCK_READ, 0, back, SECTOR), 0);
    assert_memory_equal(sector, back, SECTOR);
    block_close(b);
}

static void test_size_is_whole_sectors(void **state)
{
    struct image *f = *state;
    uint8_t sector[SECTOR];
    struct block *b;

    assert_int_equal(truncate(f->path, SIZE - 1), 0);
    b = image_open(f, false);
    assert_int_equal(b->size, SIZE - SECTOR);
    assert_int_equal(image_run(f, b, BLOCK_READ, SIZE - SECTOR, sector, SECTOR), -EINVAL);
    block_close(b);
}

static void test_another_size(void **state)
{
    struct image *f = *state;
    struct block *b = image_open(f, false);
    uint8_t sector[SECTOR] = { 1, 2 }, back[SECTOR];

    assert_false(block_resized(b));
    assert_false(block_resized(NULL));
    assert_int_equal(truncate(f->path, 2 * SIZE + 1), 0);
    assert_int_equal(image_run(f, b, BLOCK_READ, SIZE, back, SECTOR), -EINVAL); /* not noticed */
    assert_true(block_resized(b));
    assert_false(block_resized(b));
    assert_int_equal(b->size, 2 * SIZE);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, 2 * SIZE - SECTOR, sector, SECTOR), 0);
    assert_int_equal(image_run(f, b, BLOCK_READ, 2 * SIZE - SECTOR, back, SECTOR), 0);
    assert_memory_equal(sector, back, SECTOR);
    assert_int_equal(truncate(f->path, 0), 0);
    assert_true(block_resized(b));
    assert_int_equal(image_run(f, b, BLOCK_READ, 0, back, SECTOR), -EINVAL);
    block_close(b);
}

static void test_read_only(void **state)
{
    struct image *f = *state;
    struct block *b = image_open(f, true);
    uint8_t sector[SECTOR] = { 0 };

    assert_int_equal(image_flags(f->path) & O_ACCMODE, O_RDONLY);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, 0, sector, SECTOR), -EROFS);
    assert_int_equal(image_run_iov(f, b, BLOCK_DISCARD, 0, SECTOR, NULL, 0), -EROFS);
    assert_int_equal(image_run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(image_run(f, b, BLOCK_READ, 0, sector, SECTOR), 0);
    /* The layer below refuses as well, should a device forget. */
    b->read_only = false;
    assert_int_equal(image_run(f, b, BLOCK_WRITE, 0, sector, SECTOR), -EBADF);
    b->read_only = true;
    block_close(b);
}

static void test_adopted_descriptor(void **state)
{
    struct image *f = *state;
    struct block_options o = { .path = f->path, .format = "raw", .no_lock = true };
    uint8_t sector[SECTOR];
    struct block *b;

    o.fd = open(f->path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(block_open(f->l, &o, &b, &f->e), -EACCES); /* to be written, opened to read */
    assert_non_null(strstr(f->e.text, f->path));
    assert_int_equal(image_flags(f->path), -1); /* and closed */

    o.fd = open(f->path, O_RDWR | O_NONBLOCK);
    o.read_only = true; /* the descriptor must not stay writable */
    assert_int_equal(block_open(f->l, &o, &b, &f->e), 0);
    assert_int_equal(image_flags(f->path) & O_ACCMODE, O_RDONLY);
    assert_int_equal(image_run(f, b, BLOCK_READ, SECTOR, sector, SECTOR), 0);
    block_close(b);

    o.fd = open(f->path, O_RDWR | O_NONBLOCK);
    o.read_only = false;
    assert_int_equal(block_open(f->l, &o, &b, &f->e), 0);
    assert_int_equal(image_flags(f->path) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, SECTOR, sector, SECTOR), 0);
    block_close(b);
}

/* ---- Ranges ---- */

static void test_range_borders(void **state)
{
    struct image *f = *state;
    struct block *b = image_open(f, false);
    uint8_t two[2 * SECTOR];
    struct iovec iov = { two, SECTOR };

    assert_int_equal(image_run(f, b, BLOCK_READ, SIZE - SECTOR, two, SECTOR), 0);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, SIZE - SECTOR, two, SECTOR), 0);
    for (int op = BLOCK_READ; op <= BLOCK_DISCARD; op++) {
        if (op == BLOCK_FLUSH)
            continue;
        assert_int_equal(image_run(f, b, (enum block_op)op, SIZE, two, SECTOR), -EINVAL);
        assert_int_equal(image_run(f, b, (enum block_op)op, SIZE - SECTOR, two, sizeof two),
                         -EINVAL);
        assert_int_equal(image_run(f, b, (enum block_op)op, SIZE - SECTOR + 1, two, SECTOR),
                         -EINVAL);
        assert_int_equal(image_run(f, b, (enum block_op)op, UINT64_MAX - SECTOR + 1, two, SECTOR),
                         -EINVAL); /* offset + length is 0 */
        assert_int_equal(image_run(f, b, (enum block_op)op, UINT64_MAX, two, SECTOR), -EINVAL);
        assert_int_equal(image_run(f, b, (enum block_op)op, SIZE, two, 0), 0);
        assert_int_equal(image_run(f, b, (enum block_op)op, 0, two, 0), 0);
        assert_int_equal(image_run_iov(f, b, (enum block_op)op, SECTOR, UINT64_MAX, &iov, 1),
                         -EINVAL);
    }
    /* An iov that does not add up must not carry a transfer out of the range. */
    assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, 2 * SECTOR, &iov, 1), -EINVAL);
    iov.iov_len = 2 * SECTOR;
    assert_int_equal(image_run_iov(f, b, BLOCK_READ, SIZE - SECTOR, SECTOR, &iov, 1), -EINVAL);
    iov.iov_len = SIZE_MAX;
    assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, SECTOR, &iov, 1), -EINVAL);
    assert_int_equal(b->in_flight, 0);
    block_close(b);
}

static void test_counters(void **state)
{
    struct image *f = *state;
    struct block *b = image_open(f, false);
    uint8_t bytes[4 * SECTOR];

    assert_int_equal(image_run(f, b, BLOCK_READ, 0, bytes, sizeof bytes), 0);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, 0, bytes, SECTOR), 0);
    assert_int_equal(image_run(f, b, BLOCK_WRITE, SECTOR, bytes, SECTOR), 0);
    assert_int_equal(image_run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(image_run(f, b, BLOCK_READ, SIZE, bytes, SECTOR), -EINVAL);
    assert_int_equal(b->stats.rd_operations, 1);
    assert_int_equal(b->stats.rd_bytes, sizeof bytes);
    assert_int_equal(b->stats.wr_operations, 2);
    assert_int_equal(b->stats.wr_bytes, 2 * SECTOR);
    assert_int_equal(b->stats.flush_operations, 1);
    assert_int_equal(b->stats.errors, 1);
    block_close(b);
}

/* ---- The image_ways a request can take ---- */

/* Splits n bytes into odd pieces, the way guest memory is scattered. */
static int scatter(uint8_t *p, size_t n, struct iovec *iov, int max)
{
    static const size_t pieces[] = { 1, 511, 4096, 3, 1000, 65000, 7 };
    int i = 0;

    for (; n && i < max - 1; i++) {
        size_t len = pieces[(size_t)i % ARRAY_SIZE(pieces)];

        len = len < n ? len : n;
        iov[i] = (struct iovec){ p, len };
        p += len;
        n -= len;
    }
    if (n)
        iov[i++] = (struct iovec){ p, n };
    return i;
}

static void test_data_by_every_way(void **state)
{
    struct image *f = *state;
    static uint8_t out[SIZE], in[SIZE];
    static struct iovec iov[2000];
    unsigned seed = 2;

    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);
        int n;

        image_fill(out, sizeof out, ++seed);
        n = scatter(out, sizeof out, iov, 40);
        assert_int_equal(image_run_iov(f, b, BLOCK_WRITE, 0, sizeof out, iov, n), 0);
        assert_int_equal(image_run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
        memset(in, 0, sizeof in);
        n = scatter(in, sizeof in, iov, 40);
        assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, sizeof in, iov, n), 0);
        assert_memory_equal(in, out, sizeof in);
        /* One sector in the middle; neighbours stay. */
        image_fill(out + 7 * SECTOR, SECTOR, 77);
        assert_int_equal(image_run(f, b, BLOCK_WRITE, 7 * SECTOR, out + 7 * SECTOR, SECTOR), 0);
        /* More elements than one system call takes. */
        memset(in, 0, sizeof in);
        for (n = 0; n < 1999; n++)
            iov[n] = (struct iovec){ in + n, 1 };
        iov[n] = (struct iovec){ in + n, (size_t)(SIZE - n) };
        assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, SIZE, iov, n + 1), 0);
        assert_memory_equal(in, out, sizeof in);
        assert_int_equal(b->in_flight, 0);
        block_close(b);
    }
}

static void test_discard_reads_zero(void **state)
{
    struct image *f = *state;
    uint8_t in[8192], zero[4096] = { 0 };

    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);
        int err;

        memset(in, 0xaa, sizeof in);
        assert_int_equal(image_run(f, b, BLOCK_WRITE, 0, in, sizeof in), 0);
        err = image_run_iov(f, b, BLOCK_DISCARD, 4096, 4096, NULL, 0);
        if (err != -EOPNOTSUPP) { /* the file system has no holes */
            assert_int_equal(err, 0);
            assert_int_equal(image_run(f, b, BLOCK_READ, 0, in, sizeof in), 0);
            assert_int_equal(in[4095], 0xaa);
            assert_memory_equal(in + 4096, zero, 4096);
        }
        block_close(b);
    }
}

/* Somebody cuts the file while we have it: an error, never old memory taken for data. */
static void test_file_that_became_short(void **state)
{
    struct image *f = *state;
    static uint8_t in[4 * SECTOR];

    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);

        assert_int_equal(truncate(f->path, SIZE - 2 * SECTOR), 0);
        assert_int_equal(image_run(f, b, BLOCK_READ, SIZE - SECTOR, in, SECTOR), -EIO);
        assert_int_equal(image_run(f, b, BLOCK_READ, SIZE - 4 * SECTOR, in, sizeof in), -EIO);
        assert_int_equal(image_run(f, b, BLOCK_READ, SIZE - 4 * SECTOR, in, 2 * SECTOR), 0);
        assert_int_equal(b->stats.errors, 2);
        assert_int_equal(truncate(f->path, SIZE), 0);
        block_close(b);
    }
}

/* Memory of the guest that is gone by the time of the transfer. */
static void test_vanished_memory(void **state)
{
    struct image *f = *state;
    uint8_t *gone = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov[2] = { { gone, 4096 }, { gone + 4096, 4096 } };

    memset(gone, 1, 8192);
    mprotect(gone + 4096, 4096, PROT_NONE); /* unmapped, its place would soon be taken */
    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);

        assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, 8192, iov, 2), -EFAULT);
        assert_int_equal(image_run_iov(f, b, BLOCK_WRITE, 0, 8192, iov, 2), -EFAULT);
        assert_int_equal(image_run_iov(f, b, BLOCK_READ, 0, 4096, iov, 1), 0);
        assert_int_equal(b->in_flight, 0);
        block_close(b);
    }
    munmap(gone, 8192);
}

static void test_file_size_limit(void **state)
{
    struct image *f = *state;
    struct rlimit before, limit;
    static uint8_t out[4096];

    getrlimit(RLIMIT_FSIZE, &before);
    EACH_WAY(w)
    {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);

        limit = before;
        limit.rlim_cur = SIZE / 2;
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(image_run(f, b, BLOCK_WRITE, SIZE / 2, out, sizeof out), -EFBIG);
        assert_int_equal(image_run(f, b, BLOCK_WRITE, SIZE / 2 - 4096, out, sizeof out), 0);
        setrlimit(RLIMIT_FSIZE, &before);
        block_close(b);
    }
}

/* A sparse image on a small tmpfs, in a mount namespace of its own. */
static void test_full_host_disk(void **state)
{
    struct image *f = *state;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        static uint8_t out[65536];
        char path[96];
        int fd, failed = 0;

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("full", f->dir, "tmpfs", 0, "size=64k") < 0)
            _exit(77);
        snprintf(path, sizeof path, "%s", f->path);
        fd = open(path, O_RDWR | O_CREAT, 0600);
        if (ftruncate(fd, SIZE) < 0)
            _exit(1);
        EACH_WAY(w)
        {
            struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);

            image_run(f, b, BLOCK_WRITE, 0, out, sizeof out);
            if (image_run(f, b, BLOCK_WRITE, sizeof out, out, sizeof out) != -ENOSPC)
                failed = 2;
            if (image_run(f, b, BLOCK_READ, 0, out, sizeof out) != 0)
                failed = 3;
            block_close(b);
            if (ftruncate(fd, 0) < 0 || ftruncate(fd, SIZE) < 0)
                failed = 4;
        }
        _exit(failed);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* not root */
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- Closing ---- */

/* Closing waits for the disk where something would be lost, and nowhere else. */
static void test_close_flushes_what_was_written(void **state)
{
    static const struct {
        enum block_op ops[3];
        unsigned syncs;
    } cases[] = {
        { { BLOCK_READ, BLOCK_READ, BLOCK_READ }, 0 },
        { { BLOCK_READ, BLOCK_WRITE, BLOCK_READ }, 1 },
        { { BLOCK_WRITE, BLOCK_FLUSH, BLOCK_READ }, 1 },
        { { BLOCK_FLUSH, BLOCK_READ, BLOCK_WRITE }, 2 },
        { { BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD }, 2 },
    };
    struct image *f = *state;
    uint8_t sector[SECTOR] = { 0 };

    EACH_WAY(w)
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct block *b = image_open_tuned(f, false, w->direct, &w->tuning);

        syncs = 0;
        for (unsigned n = 0; n < 3; n++) {
            enum block_op op = cases[i].ops[n];
            bool data = op == BLOCK_READ || op == BLOCK_WRITE;

            if (data)
                assert_int_equal(image_run(f, b, op, 0, sector, SECTOR), 0);
            else
                assert_int_equal(
                    image_run_iov(f, b, op, 0, op == BLOCK_FLUSH ? 0 : SECTOR, NULL, 0), 0);
        }
        block_close(b);
        assert_int_equal(syncs, cases[i].syncs);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, image_setup, image_teardown)
    const struct CMUnitTest tests[] = {
        T(test_open_refusals),
        T(cve_2008_1945_format_is_not_probed),
        T(test_size_is_whole_sectors),
        T(test_another_size),
        T(test_read_only),
        T(test_adopted_descriptor),
        T(test_range_borders),
        T(test_counters),
        T(test_data_by_every_way),
        T(test_discard_reads_zero),
        T(test_file_that_became_short),
        T(test_vanished_memory),
        T(test_file_size_limit),
        T(test_full_host_disk),
        T(test_close_flushes_what_was_written),
    };

    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
