/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_block - raw images: ranges, errors of the host, both asynchronous engines, ordering,
 * draining, and locks between processes.
 */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/raw_internal.h"
#include "ioreq/loop.h"

enum { SECTOR = 512, SECTORS = 512, SIZE = SECTOR * SECTORS };

struct fixture {
    struct loop *l;
    char dir[64], path[96];
    struct error e;
};

/* One request with what became of it. */
struct op {
    struct block_req r;
    unsigned done; /* calls */
    int order;     /* 1: the first that ended */
};

static int ended;

static void op_done(struct block_req *r, int result)
{
    struct op *o = r->opaque;

    assert_int_equal(result, r->result);
    assert_false(r->pending);
    o->done++;
    o->order = ++ended;
}

static struct op *op_new(enum block_op op, uint64_t offset, uint64_t length,
                         const struct iovec *iov, int niov)
{
    struct op *o = calloc(1, sizeof *o);

    o->r = (struct block_req){ .op = op,
                               .offset = offset,
                               .length = length,
                               .iov = iov,
                               .niov = niov,
                               .done = op_done,
                               .opaque = o };
    return o;
}

static void run_until_done(struct fixture *f, const struct op *o)
{
    uint64_t limit = loop_now() + UINT64_C(20000000000);

    while (!o->done && loop_now() < limit)
        loop_turn(f->l, true);
    assert_int_equal(o->done, 1);
}

/* Executes one operation to its end. */
static int run_iov(struct fixture *f, struct block *b, enum block_op op, uint64_t offset,
                   uint64_t length, const struct iovec *iov, int niov)
{
    struct op *o = op_new(op, offset, length, iov, niov);
    int result;

    if (block_submit(b, &o->r))
        assert_int_equal(o->done, 0);
    else
        run_until_done(f, o);
    result = o->r.result;
    free(o);
    return result;
}

static int run(struct fixture *f, struct block *b, enum block_op op, uint64_t offset, void *bytes,
               size_t n)
{
    struct iovec iov = { bytes, n };

    return run_iov(f, b, op, offset, n, &iov, 1);
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7 + i / 251 + seed * 31);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    static uint8_t bytes[SIZE];
    int fd;

    f->l = loop_new();
    snprintf(f->dir, sizeof f->dir, "/tmp/hvmdm-test-block-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/disk.img", f->dir);
    fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fill(bytes, sizeof bytes, 1);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    ended = 0;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->path);
    rmdir(f->dir);
    loop_free(f->l);
    free(f);
    return 0;
}

static struct block *open_tuned(struct fixture *f, bool read_only, bool direct,
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

static struct block *open_plain(struct fixture *f, bool read_only)
{
    return open_tuned(f, read_only, false, &raw_default_tuning);
}

static int open_fails(struct fixture *f, const char *path, const char *format, const char *word)
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

/* ---- Opening ---- */

static void test_open_refusals(void **state)
{
    struct fixture *f = *state;
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
static void test_format_is_not_probed(void **state)
{
    struct fixture *f = *state;
    uint8_t sector[SECTOR] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 }, back[SECTOR];
    struct block *b = open_plain(f, false);

    assert_int_equal(run(f, b, BLOCK_WRITE, 0, sector, SECTOR), 0);
    block_close(b);
    b = open_plain(f, false);
    assert_int_equal(b->size, SIZE);
    assert_int_equal(run(f, b, BLOCK_READ, 0, back, SECTOR), 0);
    assert_memory_equal(sector, back, SECTOR);
    block_close(b);
}

static void test_size_is_whole_sectors(void **state)
{
    struct fixture *f = *state;
    uint8_t sector[SECTOR];
    struct block *b;

    assert_int_equal(truncate(f->path, SIZE - 1), 0);
    b = open_plain(f, false);
    assert_int_equal(b->size, SIZE - SECTOR);
    assert_int_equal(run(f, b, BLOCK_READ, SIZE - SECTOR, sector, SECTOR), -EINVAL);
    block_close(b);
}

/* How the descriptor of the image was opened, as the kernel says. */
static int image_flags(const char *path)
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

static void test_read_only(void **state)
{
    struct fixture *f = *state;
    struct block *b = open_plain(f, true);
    uint8_t sector[SECTOR] = { 0 };

    assert_int_equal(image_flags(f->path) & O_ACCMODE, O_RDONLY);
    assert_int_equal(run(f, b, BLOCK_WRITE, 0, sector, SECTOR), -EROFS);
    assert_int_equal(run_iov(f, b, BLOCK_DISCARD, 0, SECTOR, NULL, 0), -EROFS);
    assert_int_equal(run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(run(f, b, BLOCK_READ, 0, sector, SECTOR), 0);
    /* The layer below refuses as well, should a device forget. */
    b->read_only = false;
    assert_int_equal(run(f, b, BLOCK_WRITE, 0, sector, SECTOR), -EBADF);
    b->read_only = true;
    block_close(b);
}

static void test_adopted_descriptor(void **state)
{
    struct fixture *f = *state;
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
    assert_int_equal(run(f, b, BLOCK_READ, SECTOR, sector, SECTOR), 0);
    block_close(b);

    o.fd = open(f->path, O_RDWR | O_NONBLOCK);
    o.read_only = false;
    assert_int_equal(block_open(f->l, &o, &b, &f->e), 0);
    assert_int_equal(image_flags(f->path) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
    assert_int_equal(run(f, b, BLOCK_WRITE, SECTOR, sector, SECTOR), 0);
    block_close(b);
}

/* ---- Ranges ---- */

static void test_range_borders(void **state)
{
    struct fixture *f = *state;
    struct block *b = open_plain(f, false);
    uint8_t two[2 * SECTOR];
    struct iovec iov = { two, SECTOR };

    assert_int_equal(run(f, b, BLOCK_READ, SIZE - SECTOR, two, SECTOR), 0);
    assert_int_equal(run(f, b, BLOCK_WRITE, SIZE - SECTOR, two, SECTOR), 0);
    for (int op = BLOCK_READ; op <= BLOCK_DISCARD; op++) {
        if (op == BLOCK_FLUSH)
            continue;
        assert_int_equal(run(f, b, (enum block_op)op, SIZE, two, SECTOR), -EINVAL);
        assert_int_equal(run(f, b, (enum block_op)op, SIZE - SECTOR, two, sizeof two), -EINVAL);
        assert_int_equal(run(f, b, (enum block_op)op, SIZE - SECTOR + 1, two, SECTOR), -EINVAL);
        assert_int_equal(run(f, b, (enum block_op)op, UINT64_MAX - SECTOR + 1, two, SECTOR),
                         -EINVAL); /* offset + length is 0 */
        assert_int_equal(run(f, b, (enum block_op)op, UINT64_MAX, two, SECTOR), -EINVAL);
        assert_int_equal(run(f, b, (enum block_op)op, SIZE, two, 0), 0);
        assert_int_equal(run(f, b, (enum block_op)op, 0, two, 0), 0);
        assert_int_equal(run_iov(f, b, (enum block_op)op, SECTOR, UINT64_MAX, &iov, 1), -EINVAL);
    }
    /* An iov that does not add up must not carry a transfer out of the range. */
    assert_int_equal(run_iov(f, b, BLOCK_READ, 0, 2 * SECTOR, &iov, 1), -EINVAL);
    iov.iov_len = 2 * SECTOR;
    assert_int_equal(run_iov(f, b, BLOCK_READ, SIZE - SECTOR, SECTOR, &iov, 1), -EINVAL);
    iov.iov_len = SIZE_MAX;
    assert_int_equal(run_iov(f, b, BLOCK_READ, 0, SECTOR, &iov, 1), -EINVAL);
    assert_int_equal(b->in_flight, 0);
    block_close(b);
}

static void test_counters(void **state)
{
    struct fixture *f = *state;
    struct block *b = open_plain(f, false);
    uint8_t bytes[4 * SECTOR];

    assert_int_equal(run(f, b, BLOCK_READ, 0, bytes, sizeof bytes), 0);
    assert_int_equal(run(f, b, BLOCK_WRITE, 0, bytes, SECTOR), 0);
    assert_int_equal(run(f, b, BLOCK_WRITE, SECTOR, bytes, SECTOR), 0);
    assert_int_equal(run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(run(f, b, BLOCK_READ, SIZE, bytes, SECTOR), -EINVAL);
    assert_int_equal(b->stats.rd_operations, 1);
    assert_int_equal(b->stats.rd_bytes, sizeof bytes);
    assert_int_equal(b->stats.wr_operations, 2);
    assert_int_equal(b->stats.wr_bytes, 2 * SECTOR);
    assert_int_equal(b->stats.flush_operations, 1);
    assert_int_equal(b->stats.errors, 1);
    block_close(b);
}

/* ---- The ways a request can take ---- */

static const struct way {
    const char *name;
    struct raw_tuning tuning;
    bool direct;
} ways[] = {
    { "as in production", { .lock_wait_ms = 0, .depth = 32, .threads = 4, .idle_ms = 50 }, false },
    { "ring", { .depth = 4, .threads = 4, .idle_ms = 50, .no_inline = true }, false },
    { "threads",
      { .depth = 4, .threads = 4, .idle_ms = 50, .no_inline = true, .no_ring = true },
      false },
    { "direct, ring", { .depth = 32, .threads = 4, .idle_ms = 50 }, true },
    { "direct, threads", { .depth = 32, .threads = 4, .idle_ms = 50, .no_ring = true }, true },
    { "no thread to be had", { .depth = 2, .no_inline = true, .no_ring = true }, false },
};
#define EACH_WAY(w) for (const struct way *w = ways; w < ways + ARRAY_SIZE(ways); w++)

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
    struct fixture *f = *state;
    static uint8_t out[SIZE], in[SIZE];
    static struct iovec iov[2000];
    unsigned seed = 2;

    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);
        int n;

        fill(out, sizeof out, ++seed);
        n = scatter(out, sizeof out, iov, 40);
        assert_int_equal(run_iov(f, b, BLOCK_WRITE, 0, sizeof out, iov, n), 0);
        assert_int_equal(run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
        memset(in, 0, sizeof in);
        n = scatter(in, sizeof in, iov, 40);
        assert_int_equal(run_iov(f, b, BLOCK_READ, 0, sizeof in, iov, n), 0);
        assert_memory_equal(in, out, sizeof in);
        /* One sector in the middle; neighbours stay. */
        fill(out + 7 * SECTOR, SECTOR, 77);
        assert_int_equal(run(f, b, BLOCK_WRITE, 7 * SECTOR, out + 7 * SECTOR, SECTOR), 0);
        /* More elements than one system call takes. */
        memset(in, 0, sizeof in);
        for (n = 0; n < 1999; n++)
            iov[n] = (struct iovec){ in + n, 1 };
        iov[n] = (struct iovec){ in + n, (size_t)(SIZE - n) };
        assert_int_equal(run_iov(f, b, BLOCK_READ, 0, SIZE, iov, n + 1), 0);
        assert_memory_equal(in, out, sizeof in);
        assert_int_equal(b->in_flight, 0);
        block_close(b);
    }
}

static void test_discard_reads_zero(void **state)
{
    struct fixture *f = *state;
    uint8_t in[8192], zero[4096] = { 0 };

    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);
        int err;

        memset(in, 0xaa, sizeof in);
        assert_int_equal(run(f, b, BLOCK_WRITE, 0, in, sizeof in), 0);
        err = run_iov(f, b, BLOCK_DISCARD, 4096, 4096, NULL, 0);
        if (err != -EOPNOTSUPP) { /* the file system has no holes */
            assert_int_equal(err, 0);
            assert_int_equal(run(f, b, BLOCK_READ, 0, in, sizeof in), 0);
            assert_int_equal(in[4095], 0xaa);
            assert_memory_equal(in + 4096, zero, 4096);
        }
        block_close(b);
    }
}

/* Somebody cuts the file while we have it: an error, never old memory taken for data. */
static void test_file_that_became_short(void **state)
{
    struct fixture *f = *state;
    static uint8_t in[4 * SECTOR];

    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);

        assert_int_equal(truncate(f->path, SIZE - 2 * SECTOR), 0);
        assert_int_equal(run(f, b, BLOCK_READ, SIZE - SECTOR, in, SECTOR), -EIO);
        assert_int_equal(run(f, b, BLOCK_READ, SIZE - 4 * SECTOR, in, sizeof in), -EIO);
        assert_int_equal(run(f, b, BLOCK_READ, SIZE - 4 * SECTOR, in, 2 * SECTOR), 0);
        assert_int_equal(b->stats.errors, 2);
        assert_int_equal(truncate(f->path, SIZE), 0);
        block_close(b);
    }
}

/* Memory of the guest that is gone by the time of the transfer. */
static void test_vanished_memory(void **state)
{
    struct fixture *f = *state;
    uint8_t *gone = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov[2] = { { gone, 4096 }, { gone + 4096, 4096 } };

    memset(gone, 1, 8192);
    mprotect(gone + 4096, 4096, PROT_NONE); /* unmapped, its place would soon be taken */
    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);

        assert_int_equal(run_iov(f, b, BLOCK_READ, 0, 8192, iov, 2), -EFAULT);
        assert_int_equal(run_iov(f, b, BLOCK_WRITE, 0, 8192, iov, 2), -EFAULT);
        assert_int_equal(run_iov(f, b, BLOCK_READ, 0, 4096, iov, 1), 0);
        assert_int_equal(b->in_flight, 0);
        block_close(b);
    }
    munmap(gone, 8192);
}

static void test_file_size_limit(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, limit;
    static uint8_t out[4096];

    getrlimit(RLIMIT_FSIZE, &before);
    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);

        limit = before;
        limit.rlim_cur = SIZE / 2;
        setrlimit(RLIMIT_FSIZE, &limit);
        assert_int_equal(run(f, b, BLOCK_WRITE, SIZE / 2, out, sizeof out), -EFBIG);
        assert_int_equal(run(f, b, BLOCK_WRITE, SIZE / 2 - 4096, out, sizeof out), 0);
        setrlimit(RLIMIT_FSIZE, &before);
        block_close(b);
    }
}

/* A sparse image on a small tmpfs, in a mount namespace of its own. */
static void test_full_host_disk(void **state)
{
    struct fixture *f = *state;
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
            struct block *b = open_tuned(f, false, w->direct, &w->tuning);

            run(f, b, BLOCK_WRITE, 0, out, sizeof out);
            if (run(f, b, BLOCK_WRITE, sizeof out, out, sizeof out) != -ENOSPC)
                failed = 2;
            if (run(f, b, BLOCK_READ, 0, out, sizeof out) != 0)
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

/* ---- Threads and the ring exist only while they are needed ---- */

static void test_nothing_runs_when_idle(void **state)
{
    struct fixture *f = *state;
    struct raw_tuning t = raw_default_tuning;
    struct block *b;
    struct raw_activity a;
    uint8_t sector[SECTOR];
    uint64_t limit;

    t.idle_ms = 20;
    t.no_ring = true;
    b = open_tuned(f, false, false, &t);
    raw_activity(b, &a);
    assert_false(a.ring);
    assert_int_equal(a.threads, 0);
    assert_int_equal(run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    limit = loop_now() + UINT64_C(10000000000);
    do {
        raw_activity(b, &a);
        usleep(1000);
    } while (a.threads && loop_now() < limit);
    assert_int_equal(a.threads, 0);
    /* And they come back. */
    assert_int_equal(run_iov(f, b, BLOCK_FLUSH, 0, 0, NULL, 0), 0);
    assert_int_equal(run(f, b, BLOCK_READ, 0, sector, SECTOR), 0);
    block_close(b);
}

static void test_cold_read_uses_the_ring(void **state)
{
    struct fixture *f = *state;
    struct raw_tuning t = raw_default_tuning;
    struct raw_activity a;
    uint8_t sector[SECTOR], expected[SIZE];
    struct block *b;

    t.no_inline = true;
    b = open_tuned(f, true, false, &t);
    assert_int_equal(run(f, b, BLOCK_READ, 3 * SECTOR, sector, SECTOR), 0);
    raw_activity(b, &a);
    if (!a.ring) {
        block_close(b);
        skip(); /* no io_uring on this host */
    }
    assert_int_equal(a.threads, 0);
    fill(expected, sizeof expected, 1);
    assert_memory_equal(sector, expected + 3 * SECTOR, SECTOR);
    block_close(b);
}

/* ---- Order, bounds, drain ---- */

/* Stops threads before they execute. */
struct gate {
    sem_t entered, pass;
    int started[64]; /* operations in the order of execution */
    unsigned n;
    enum block_op holds;
};

static void gate_executing(void *opaque, const struct block_req *r)
{
    struct gate *g = opaque;

    if (r->op != g->holds)
        return;
    sem_post(&g->entered);
    while (sem_wait(&g->pass) < 0 && errno == EINTR)
        ;
}

static struct block *open_gated(struct fixture *f, struct gate *g, unsigned depth)
{
    struct raw_tuning t = { .depth = depth,
                            .threads = 4,
                            .idle_ms = 50,
                            .no_inline = true,
                            .no_ring = true,
                            .executing = gate_executing,
                            .opaque = g };

    memset(g, 0, sizeof *g);
    sem_init(&g->entered, 0, 0);
    sem_init(&g->pass, 0, 0);
    g->holds = BLOCK_WRITE;
    return open_tuned(f, false, false, &t);
}

static void test_flush_waits_for_earlier_writes(void **state)
{
    struct fixture *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 8);
    static uint8_t bytes[3][SECTOR];
    struct iovec iov[3] = { { bytes[0], SECTOR }, { bytes[1], SECTOR }, { bytes[2], SECTOR } };
    struct op *w1 = op_new(BLOCK_WRITE, 0, SECTOR, &iov[0], 1);
    struct op *w2 = op_new(BLOCK_WRITE, SECTOR, SECTOR, &iov[1], 1);
    struct op *flush = op_new(BLOCK_FLUSH, 0, 0, NULL, 0);
    struct op *w3 = op_new(BLOCK_WRITE, 4 * SECTOR, SECTOR, &iov[2], 1);
    struct raw_activity a;

    assert_false(block_submit(b, &w1->r));
    assert_false(block_submit(b, &w2->r));
    assert_false(block_submit(b, &flush->r));
    assert_false(block_submit(b, &w3->r));
    sem_wait(&g.entered);
    sem_wait(&g.entered); /* both writes are with threads now, and stand still */
    raw_activity(b, &a);
    assert_int_equal(a.issued, 2);
    assert_int_equal(b->in_flight, 4);
    sem_post(&g.pass);
    while (!w1->done && !w2->done)
        loop_turn(f->l, true);
    raw_activity(b, &a);
    assert_int_equal(a.issued, 1); /* one write done: still no flush */
    assert_int_equal(flush->done, 0);
    sem_post(&g.pass);
    run_until_done(f, flush);
    assert_int_equal(w1->done + w2->done, 2);
    assert_true(flush->order > w1->order && flush->order > w2->order);
    sem_post(&g.pass);
    run_until_done(f, w3);
    assert_int_equal(b->in_flight, 0);
    block_close(b);
    free(w1);
    free(w2);
    free(w3);
    free(flush);
}

static void test_excess_is_queued(void **state)
{
    enum { N = 64 };
    struct fixture *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 3);
    static uint8_t bytes[N][SECTOR], in[N * SECTOR];
    struct iovec iov[N];
    struct op *o[N];
    struct raw_activity a;

    for (int i = 0; i < N; i++) {
        fill(bytes[i], SECTOR, (unsigned)i);
        iov[i] = (struct iovec){ bytes[i], SECTOR };
        o[i] = op_new(BLOCK_WRITE, (uint64_t)i * SECTOR, SECTOR, &iov[i], 1);
        assert_false(block_submit(b, &o[i]->r));
    }
    raw_activity(b, &a);
    assert_int_equal(a.issued, 3);
    assert_in_range(a.threads, 1, 3);
    assert_int_equal(b->in_flight, N);
    for (int i = 0; i < N; i++)
        sem_post(&g.pass);
    block_drain(b);
    assert_int_equal(b->in_flight, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(o[i]->done, 1);
        assert_int_equal(o[i]->r.result, 0);
        free(o[i]);
    }
    assert_int_equal(run(f, b, BLOCK_READ, 0, in, sizeof in), 0);
    assert_memory_equal(in, bytes, sizeof in);
    block_close(b);
}

static void *open_gate_later(void *opaque)
{
    struct gate *g = opaque;

    usleep(30000);
    sem_post(&g->pass);
    sem_post(&g->pass);
    return NULL;
}

/* Draining waits for the image's own requests, and leaves another image's completions alone. */
static void test_drain(void **state)
{
    struct fixture *f = *state;
    struct gate g;
    struct block *b = open_gated(f, &g, 8), *other;
    struct block_options options = { .path = f->path, .fd = -1, .format = "raw", .no_lock = true };
    static uint8_t bytes[2][SECTOR];
    struct iovec iov[2] = { { bytes[0], SECTOR }, { bytes[1], SECTOR } };
    struct op *w1 = op_new(BLOCK_WRITE, 0, SECTOR, &iov[0], 1);
    struct op *w2 = op_new(BLOCK_WRITE, SECTOR, SECTOR, &iov[1], 1);
    struct op *flush = op_new(BLOCK_FLUSH, 0, 0, NULL, 0);
    pthread_t thread;

    assert_int_equal(block_open(f->l, &options, &other, &f->e), 0);
    assert_false(block_submit(other, &flush->r));
    assert_false(block_submit(b, &w1->r));
    assert_false(block_submit(b, &w2->r));
    assert_int_equal(pthread_create(&thread, NULL, open_gate_later, &g), 0);
    block_drain(b);
    assert_int_equal(w1->done, 1);
    assert_int_equal(w2->done, 1);
    assert_int_equal(b->in_flight, 0);
    assert_int_equal(flush->done, 0);
    assert_int_equal(other->in_flight, 1);
    run_until_done(f, flush);
    pthread_join(thread, NULL);
    block_drain(b); /* nothing to wait for */
    block_close(b);
    block_close(other);
    free(w1);
    free(w2);
    free(flush);
}

static void resubmit_done(struct block_req *r, int result)
{
    struct op *o = r->opaque;

    assert_int_equal(result, 0);
    if (++o->done < 5)
        assert_false(block_submit(r->block, r));
}

static void test_drain_covers_what_done_submits(void **state)
{
    struct fixture *f = *state;

    EACH_WAY(w)
    {
        struct block *b = open_tuned(f, false, w->direct, &w->tuning);
        struct op *o = op_new(BLOCK_FLUSH, 0, 0, NULL, 0);

        o->r.done = resubmit_done;
        assert_false(block_submit(b, &o->r));
        block_drain(b);
        assert_int_equal(o->done, 5);
        block_close(b);
        free(o);
    }
}

static void drain_done(struct block_req *r, int result)
{
    struct op *o = r->opaque;

    assert_int_equal(result, 0);
    o->done++;
    block_drain(r->block); /* what else is in flight ends in here */
}

static void test_drain_inside_done(void **state)
{
    enum { N = 8 };
    struct fixture *f = *state;
    static uint8_t bytes[N][SECTOR];
    struct iovec iov[N];
    struct op *o[N];

    for (size_t w = 1; w <= 2; w++) { /* ring, threads */
        struct block *b = open_tuned(f, false, false, &ways[w].tuning);

        for (int i = 0; i < N; i++) {
            iov[i] = (struct iovec){ bytes[i], SECTOR };
            o[i] = op_new(BLOCK_READ, (uint64_t)i * SECTOR, SECTOR, &iov[i], 1);
            o[i]->r.done = drain_done;
            assert_false(block_submit(b, &o[i]->r));
        }
        while (b->in_flight)
            loop_turn(f->l, true);
        for (int i = 0; i < N; i++) {
            assert_int_equal(o[i]->done, 1);
            free(o[i]);
        }
        block_close(b);
    }
}

static void close_done(struct block_req *r, int result)
{
    struct op *o = r->opaque;

    assert_int_equal(result, 0);
    o->done++;
    block_close(r->block);
}

static void test_close_inside_done(void **state)
{
    struct fixture *f = *state;
    static uint8_t bytes[2][SECTOR];
    struct iovec iov[2] = { { bytes[0], SECTOR }, { bytes[1], SECTOR } };

    for (unsigned round = 0; round < 6; round++) {
        struct block *b = open_tuned(f, false, false, &ways[1 + round % 2].tuning);
        struct op *first = op_new(BLOCK_READ, 0, SECTOR, &iov[0], 1);
        struct op *second = op_new(BLOCK_READ, SECTOR, SECTOR, &iov[1], 1);

        /* Whichever ends first closes, and the other one ends inside that. */
        first->r.done = close_done;
        assert_false(block_submit(b, &first->r));
        if (round >= 2)
            assert_false(block_submit(b, &second->r));
        if (round >= 4)
            block_drain(b);
        else
            run_until_done(f, first);
        assert_int_equal(first->done, 1);
        assert_int_equal(second->done, round >= 2);
        assert_int_equal(image_flags(f->path), -1);
        free(first);
        free(second);
    }
}

/* ---- Locks ---- */

/* A process that opens the image, or locks single bytes of it, until told to end. */
struct rival {
    pid_t pid;
    int stop; /* write end; closing it ends the rival */
};

static struct rival rival_start(struct fixture *f, bool read_only, const off_t *bytes,
                                unsigned nbytes, unsigned ends_after_ms)
{
    int ready[2], stop[2];
    struct rival r;
    char c;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    r.pid = fork();
    assert_true(r.pid >= 0);
    if (r.pid == 0) {
        close(stop[1]);
        if (nbytes) {
            int fd = open(f->path, O_RDWR);

            for (unsigned i = 0; i < nbytes; i++) {
                struct flock l = { .l_type = F_RDLCK, .l_start = bytes[i], .l_len = 1 };

                if (fcntl(fd, F_OFD_SETLK, &l) < 0)
                    _exit(1);
            }
        } else {
            struct block_options o = {
                .path = f->path, .fd = -1, .format = "raw", .read_only = read_only
            };
            struct block *b;

            if (block_open(loop_new(), &o, &b, NULL) < 0)
                _exit(1);
        }
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        if (ends_after_ms)
            usleep(ends_after_ms * 1000);
        else if (read(stop[0], &c, 1) != 0)
            _exit(1);
        _exit(0);
    }
    close(ready[1]);
    close(stop[0]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    r.stop = stop[1];
    return r;
}

static void rival_end(struct rival *r, int signal)
{
    int status;

    if (signal)
        kill(r->pid, signal);
    close(r->stop);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(signal ? WTERMSIG(status) : WEXITSTATUS(status), signal);
}

static int try_open(struct fixture *f, bool read_only, unsigned wait_ms)
{
    struct raw_tuning t = raw_default_tuning;
    struct block_options o = { .path = f->path, .fd = -1, .format = "raw", .read_only = read_only };
    struct block *b;
    int err;

    t.lock_wait_ms = wait_ms;
    f->e.text[0] = '\0';
    err = raw_open(f->l, &o, &t, &b, &f->e);
    if (!err)
        block_close(b);
    return err;
}

static void test_writer_excludes_others(void **state)
{
    struct fixture *f = *state;
    struct rival r = rival_start(f, false, NULL, 0, 0);
    char pid[24];

    assert_int_equal(try_open(f, false, 0), -EBUSY);
    snprintf(pid, sizeof pid, "process %d ", (int)r.pid);
    assert_non_null(strstr(f->e.text, f->path));
    if (!strstr(f->e.text, pid))
        fail_msg("'%s' is not in: %s", pid, f->e.text);
    assert_int_equal(try_open(f, true, 0), -EBUSY);
    rival_end(&r, SIGKILL); /* however it ends, its lock ends with it */
    assert_int_equal(try_open(f, false, 0), 0);
}

static void test_readers_share(void **state)
{
    struct fixture *f = *state;
    struct rival r = rival_start(f, true, NULL, 0, 0);

    assert_int_equal(try_open(f, true, 0), 0);
    assert_int_equal(try_open(f, false, 0), -EBUSY);
    rival_end(&r, 0);
    assert_int_equal(try_open(f, false, 0), 0);
}

static void test_lock_is_retried(void **state)
{
    struct fixture *f = *state;
    struct rival r = rival_start(f, false, NULL, 0, 200); /* the guest that just reboots */

    assert_int_equal(try_open(f, false, 10000), 0);
    rival_end(&r, 0);
}

static void test_lock_within_one_process(void **state)
{
    struct fixture *f = *state;
    struct block_options o = { .path = f->path, .fd = -1, .format = "raw", .no_lock = true };
    struct block *b = open_plain(f, false), *twin;
    char pid[24];

    assert_int_equal(try_open(f, false, 0), -EBUSY); /* the image is given twice */
    snprintf(pid, sizeof pid, "process %d ", (int)getpid());
    assert_non_null(strstr(f->e.text, pid));
    assert_int_equal(block_open(f->l, &o, &twin, &f->e), 0); /* the PV twin of the same disk */
    block_close(twin);
    assert_int_equal(try_open(f, false, 0), -EBUSY); /* which does not release our lock */
    block_close(b);
    assert_int_equal(try_open(f, false, 0), 0);
}

/* The bytes by which QEMU processes exclude each other. */
static void test_foreign_lock_bytes(void **state)
{
    static const off_t writer[] = { 100, 101, 103, 201, 203 }, reader[] = { 100, 201, 203 };
    struct fixture *f = *state;
    struct rival r = rival_start(f, false, writer, ARRAY_SIZE(writer), 0);
    struct flock l = { .l_type = F_WRLCK, .l_start = 101, .l_len = 1 };
    struct block *b;
    int fd;

    assert_int_equal(try_open(f, false, 0), -EBUSY);
    assert_int_equal(try_open(f, true, 0), -EBUSY);
    rival_end(&r, 0);
    r = rival_start(f, false, reader, ARRAY_SIZE(reader), 0);
    assert_int_equal(try_open(f, false, 0), -EBUSY);
    assert_int_equal(try_open(f, true, 0), 0);
    rival_end(&r, 0);
    /* And ours, as such a process would test them. */
    b = open_plain(f, false);
    fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &l), 0);
    assert_int_equal(l.l_type, F_RDLCK);
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 201, .l_len = 1 };
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &l), 0);
    assert_int_equal(l.l_type, F_RDLCK);
    block_close(b);
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 0, .l_len = 0 };
    assert_int_equal(fcntl(fd, F_OFD_GETLK, &l), 0);
    assert_int_equal(l.l_type, F_UNLCK); /* nothing is left behind */
    close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_open_refusals),
        T(test_format_is_not_probed),
        T(test_size_is_whole_sectors),
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
        T(test_nothing_runs_when_idle),
        T(test_cold_read_uses_the_ring),
        T(test_flush_waits_for_earlier_writes),
        T(test_excess_is_queued),
        T(test_drain),
        T(test_drain_covers_what_done_submits),
        T(test_drain_inside_done),
        T(test_close_inside_done),
        T(test_writer_excludes_others),
        T(test_readers_share),
        T(test_lock_is_retried),
        T(test_lock_within_one_process),
        T(test_foreign_lock_bytes),
    };

    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
