/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_block_locks - raw images: locks between processes.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/image.h"

/* A process that opens the image, or locks single bytes of it, until told to end. */
struct rival {
    pid_t pid;
    int stop; /* write end; closing it ends the rival */
};

static struct rival rival_start(struct image *f, bool read_only, const off_t *bytes,
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

static int try_open(struct image *f, bool read_only, unsigned wait_ms)
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
    struct image *f = *state;
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
    struct image *f = *state;
    struct rival r = rival_start(f, true, NULL, 0, 0);

    assert_int_equal(try_open(f, true, 0), 0);
    assert_int_equal(try_open(f, false, 0), -EBUSY);
    rival_end(&r, 0);
    assert_int_equal(try_open(f, false, 0), 0);
}

static void test_lock_is_retried(void **state)
{
    struct image *f = *state;
    struct rival r = rival_start(f, false, NULL, 0, 200); /* the guest that just reboots */

    assert_int_equal(try_open(f, false, 10000), 0);
    rival_end(&r, 0);
}

static void test_lock_within_one_process(void **state)
{
    struct image *f = *state;
    struct block_options o = { .path = f->path, .fd = -1, .format = "raw", .no_lock = true };
    struct block *b = image_open(f, false), *twin;
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

/* The lock goes with the open file from one owner to the next, and nobody gets in between. */
static void test_lock_is_handed_over(void **state)
{
    struct image *f = *state;
    struct block *b = image_open(f, false), *next;
    struct block_options o = { .fd = dup(b->fd), .format = "raw", .locked = true, .no_ring = true };
    struct rival r;

    assert_int_equal(block_open(f->l, &o, &next, &f->e), 0);
    block_leave(b);
    assert_int_equal(try_open(f, false, 0), -EBUSY);
    o.fd = dup(next->fd);
    block_leave(next);
    assert_int_equal(try_open(f, false, 0), -EBUSY);
    assert_int_equal(block_open(f->l, &o, &next, &f->e), 0);
    block_close(next); /* the last owner gives it up */
    r = rival_start(f, false, NULL, 0, 0);
    rival_end(&r, 0);
    block_leave(NULL);
}

/* The bytes by which QEMU processes exclude each other. */
static void test_foreign_lock_bytes(void **state)
{
    static const off_t writer[] = { 100, 101, 103, 201, 203 }, reader[] = { 100, 201, 203 };
    struct image *f = *state;
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
    b = image_open(f, false);
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
#define T(name) cmocka_unit_test_setup_teardown(name, image_setup, image_teardown)
    const struct CMUnitTest tests[] = {
        T(test_writer_excludes_others),  T(test_readers_share),      T(test_lock_is_retried),
        T(test_lock_within_one_process), T(test_foreign_lock_bytes), T(test_lock_is_handed_over),
    };

    return cmocka_run_group_tests_name("block_locks", tests, NULL, NULL);
}
