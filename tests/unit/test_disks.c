/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_disks - how the supervisor gives images to the PV worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/lock.h"
#include "hw/xen/handover.h"
#include "tests/xenstored.h"
#include "toolstack/supervisor/private.h"

#define BACK(devid) "backend/qdisk/5/" devid

enum { XVDA = 51712, XVDB = 51728, HDC = 5632 };

static struct xenstored x;
static struct supervisor_options options = { .domid = 5 };
static struct supervisor s;
static int theirs; /* the PV worker's end */
static char dir[] = "/tmp/test_disks.XXXXXX";

struct answer {
    int error, fd, twin;
    bool direct;
    char text[SUPERVISED_TEXT]; /* path, or what is wrong */
};

/* --- Files. */

static const char *in_dir(const char *name)
{
    static char path[4][96];
    static unsigned n;
    char *p = path[n++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void make_file(const char *name, const char *text)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(ftruncate(fd, 4096), 0);
    close(fd);
}

static void expect_content(int fd, const char *text)
{
    char got[16] = "";

    assert_int_equal(pread(fd, got, strlen(text), 0), strlen(text));
    assert_string_equal(got, text);
}

/* Both descriptors are of one open file. */
static bool one_file(int a, int b)
{
    off_t mark = 1000 + lseek(b, 0, SEEK_CUR);

    return lseek(a, mark, SEEK_SET) == mark && lseek(b, 0, SEEK_CUR) == mark;
}

static bool is_locked(const char *name, bool read_only)
{
    int fd = open(in_dir(name), O_RDWR | O_CLOEXEC), ret = image_try_lock(fd, read_only, name);

    close(fd);
    assert_true(ret == 0 || ret == -EAGAIN);
    return ret == -EAGAIN;
}

/* --- Toolstack and PV worker. */

static void put(unsigned devid, const char *key, const char *value)
{
    char path[64];

    snprintf(path, sizeof path, BACK("%u") "/%s", devid, key);
    xenstored_put(&x, path, value);
}

static void attach(unsigned devid, const char *params, const char *mode)
{
    put(devid, "params", params);
    put(devid, "mode", mode);
    put(devid, "dev", devid == XVDA ? "xvda" : devid == XVDB ? "xvdb" : "hdc");
    put(devid, "device-type", devid == HDC ? "cdrom" : "disk");
    put(devid, "state", "1");
}

static void attach_file(unsigned devid, const char *name, const char *mode)
{
    char params[128];

    snprintf(params, sizeof params, "aio:%s", in_dir(name));
    attach(devid, params, mode);
}

static struct answer ask(unsigned devid, uint32_t flags)
{
    struct supervised_message m;
    char name[SUPERVISED_NAME];
    struct answer a;

    disks_open(s.pv, devid, flags);
    assert_int_equal(supervised_receive(theirs, &m, &a.fd, NULL, MSG_DONTWAIT), 1);
    assert_int_equal(m.type, SUPERVISED_ACK);
    supervised_disk_name(name, devid);
    assert_string_equal(m.name, name);
    assert_true(a.fd < 0 || m.value == 0);
    assert_int_equal(held_find(&s.pv->held, name) >= 0, a.fd >= 0);
    a.error = (int)m.value;
    a.direct = m.more & SUPERVISED_DISK_DIRECT;
    memcpy(a.text, m.text, sizeof a.text);
    a.twin = (int)(m.more & SUPERVISED_DISK_TWIN) - 1;
    return a;
}

static void expect_error(unsigned devid, uint32_t flags, int error, const char *text)
{
    struct answer a = ask(devid, flags);

    assert_int_equal(a.error, error);
    if (*text ? !strstr(a.text, text) : *a.text)
        fail_msg("wanted \"%s\", is \"%s\"", text, a.text);
}

/* As the device model does it with the disk in `place`. */
static int emulate(unsigned place, const char *name, int mode)
{
    char held[SUPERVISED_NAME];
    int fd = open(in_dir(name), mode | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(image_try_lock(fd, mode == O_RDONLY, name), 0);
    snprintf(held, sizeof held, "disk%u", place);
    assert_int_equal(held_put(&s.model->held, held, fd), 0);
    return fd;
}

static void expect_free(unsigned devid, const char *name)
{
    char held[SUPERVISED_NAME];

    supervised_disk_name(held, devid);
    assert_int_equal(held_drop(&s.pv->held, held), 0);
    assert_false(is_locked(name, false));
}

static int setup(void **state)
{
    int pair[2];

    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    make_file("a", "first");
    make_file("b", "second");
    xenstored_start(&x);
    memset(&s, 0, sizeof s);
    s.o = &options;
    s.xs = x.ours;
    s.model = &s.seats[0];
    s.pv = &s.seats[1];
    worker_init(s.model, &s, SUPERVISED_MODEL);
    worker_init(s.pv, &s, SUPERVISED_PV);
    assert_int_equal(disks_prepare(&s), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    s.pv->socket.fd = pair[0];
    theirs = pair[1];
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    close(s.pv->socket.fd);
    close(theirs);
    held_clear(&s.pv->held);
    held_clear(&s.model->held);
    xenstored_stop(&x);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

/* --- The tests. */

static void both_share_page_and_wake_each_other(void **state)
{
    int a = held_find(&s.model->held, SUPERVISED_HANDOVER);
    int b = held_find(&s.pv->held, SUPERVISED_HANDOVER);
    eventfd_t n = 0;
    char bytes[4];

    (void)state;
    assert_int_equal(pwrite(a, "x", 1, 7), 1);
    expect_content(b, "");
    assert_int_equal(lseek(b, 0, SEEK_END), 4096);
    assert_true(one_file(a, b));
    assert_int_equal(ftruncate(b, 0), -1);
    a = held_find(&s.model->held, SUPERVISED_WAKE_PV);
    b = held_find(&s.pv->held, SUPERVISED_WAKE_PV);
    assert_int_equal(eventfd_write(a, 3), 0);
    assert_int_equal(eventfd_read(b, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(eventfd_read(a, &n), -1);
    a = held_find(&s.model->held, SUPERVISED_WAKE_MODEL);
    b = held_find(&s.pv->held, SUPERVISED_WAKE_MODEL);
    assert_int_equal(read(a, bytes, sizeof bytes), -1);
    assert_int_equal(write(b, "ww", 2), 2);
    assert_int_equal(read(a, bytes, sizeof bytes), 2);
    assert_int_equal(write(a, "", 1), -1); /* one way */
}

/* A captured worker could have us write to a page that is not there, or to a pipe that is full. */
static void keeps_what_is_ours(void **state)
{
    static const char *const names[] = { SUPERVISED_HANDOVER, SUPERVISED_WAKE_MODEL,
                                         SUPERVISED_WAKE_PV };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        struct supervised_message m = { .type = SUPERVISED_HOLD };
        int other = memfd_create("other", MFD_CLOEXEC), fd = held_find(&s.pv->held, names[i]);

        snprintf(m.name, sizeof m.name, "%s", names[i]);
        assert_int_equal(supervised_send(theirs, &m, other, 0), 0);
        assert_true(message_receive(s.pv));
        assert_int_equal(held_find(&s.pv->held, names[i]), fd);
        m.type = SUPERVISED_DROP;
        assert_int_equal(supervised_send(theirs, &m, -1, 0), 0);
        assert_true(message_receive(s.pv));
        assert_int_equal(held_find(&s.pv->held, names[i]), fd);
        assert_false(one_file(fd, other));
        assert_int_equal(supervised_receive(theirs, &m, &fd, NULL, MSG_DONTWAIT), 1);
        assert_int_equal(m.type, SUPERVISED_ACK);
        assert_int_equal(m.value, EINVAL);
        close(other);
    }
}

/* A PV worker that is not started again has no disk any more. */
static void gives_disks_back(void **state)
{
    int fd = held_find(&s.pv->held, SUPERVISED_HANDOVER);
    struct handover_page *page =
        mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct handover_side model = { .slot = &page->slot[2] };
    char byte;

    (void)state;
    assert_true(page != MAP_FAILED);
    assert_false(handover_claim(&page->slot[2]));
    assert_true(handover_drain_due(&model) && handover_drained(&model));
    assert_true(handover_granted(&page->slot[2]));
    disks_give_up(&s);
    assert_false(handover_granted(&page->slot[2]));
    assert_true(handover_may_use(&model));
    assert_int_equal(read(held_find(&s.model->held, SUPERVISED_WAKE_MODEL), &byte, 1), 1);
    munmap(page, sizeof *page);
    assert_int_equal(held_drop(&s.pv->held, SUPERVISED_HANDOVER), 0);
    disks_give_up(&s); /* of an older version's device model */
}

static void opens_and_locks(void **state)
{
    struct answer a;

    (void)state;
    attach_file(XVDA, "a", "w");
    a = ask(XVDA, 0);
    assert_int_equal(a.error, 0);
    assert_int_equal(fcntl(a.fd, F_GETFL) & O_ACCMODE, O_RDWR);
    assert_true(a.twin == -1 && !a.direct);
    expect_content(a.fd, "first");
    assert_string_equal(a.text, in_dir("a"));
    assert_true(is_locked("a", true));
    close(a.fd);
    assert_true(is_locked("a", true));
    expect_free(XVDA, "a");
    put(XVDA, "direct-io-safe", "1");
    a = ask(XVDA, 0);
    assert_true(a.direct);
    close(a.fd);
}

static void reads_only(void **state)
{
    struct answer a, b;

    (void)state;
    attach_file(XVDA, "a", "r");
    a = ask(XVDA, 0);
    assert_int_equal(fcntl(a.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_false(is_locked("a", true)); /* readers share it */
    assert_true(is_locked("a", false));
    attach_file(XVDB, "a", "w");
    b = ask(XVDB, SUPERVISED_DISK_READ_ONLY);
    assert_int_equal(b.error, 0);
    assert_int_equal(fcntl(b.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(a.fd);
    close(b.fd);
}

static void says_what_is_wrong(void **state)
{
    static const struct {
        const char *params;
        int error;
        const char *sentence;
    } cases[] = {
        { "aio:/nowhere/image", ENOENT,
          "xvda: cannot open disk image '/nowhere/image': No such file" },
        { "qcow2:/x", ENOTSUP, "format 'qcow2' is not supported, only raw is; 'qemu-img convert" },
        { "vhd:/x", ENOTSUP, "'vhd'" },
        { "/x", ENOTSUP, "format '/x' is not supported" },
        { "aio:/dev/null", EINVAL, "neither a file nor a block device" },
        { "aio:/tmp", EINVAL, "neither a file nor a block device" },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        attach(XVDA, cases[i].params, "w");
        expect_error(XVDA, 0, cases[i].error, cases[i].sentence);
    }
    expect_error(77, 0, ENOENT, ""); /* on its way out: nothing to tell */
}

static void empty_drives(void **state)
{
    struct answer a;

    (void)state;
    attach(HDC, "aio:", "r");
    a = ask(HDC, 0);
    assert_true(a.error == 0 && a.fd == -1);
    attach(HDC, "", "r");
    a = ask(HDC, 0);
    assert_true(a.error == 0 && a.fd == -1);
}

static void somebody_else_has_it(void **state)
{
    int other = open(in_dir("a"), O_RDWR | O_CLOEXEC);
    struct answer a;

    (void)state;
    assert_int_equal(image_try_lock(other, false, "a"), 0);
    attach_file(XVDA, "a", "w");
    expect_error(XVDA, 0, EAGAIN, "");
    expect_error(XVDA, SUPERVISED_DISK_LAST, EBUSY, "xvda: disk image");
    close(other);
    a = ask(XVDA, 0);
    assert_int_equal(a.error, 0);
    close(a.fd);
}

/* The emulated disk's open file, and so its lock; until the guest has unplugged it. */
static void shares_with_its_twin(void **state)
{
    int twin = emulate(2, "a", O_RDWR);
    struct answer a;

    (void)state;
    attach_file(XVDA, "a", "w");
    put(XVDA, "direct-io-safe", "1");
    a = ask(XVDA, 0);
    assert_true(a.error == 0 && a.twin == 2 && !a.direct);
    assert_true(one_file(a.fd, twin));
    close(a.fd);
    assert_int_equal(held_drop(&s.model->held, "disk2"), 0);
    assert_true(is_locked("a", true));
    put(XVDA, "state", "4");
    a = ask(XVDA, 0); /* a successor */
    assert_true(a.error == 0 && a.twin == -1);
    close(a.fd);
    expect_free(XVDA, "a");
}

static void twin_read_only(void **state)
{
    int cd = emulate(2, "a", O_RDONLY), disk = emulate(0, "b", O_RDWR);
    struct answer a;

    (void)state;
    attach_file(HDC, "a", "r");
    a = ask(HDC, 0);
    assert_true(a.error == 0 && a.twin == 2);
    assert_true(one_file(a.fd, cd));
    close(a.fd);
    attach_file(XVDA, "b", "r"); /* the twin's lock is ours */
    a = ask(XVDA, 0);
    assert_true(a.error == 0 && a.twin == 0);
    assert_false(one_file(a.fd, disk));
    assert_int_equal(fcntl(a.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(a.fd);
    attach_file(XVDB, "a", "w");
    expect_error(XVDB, 0, EACCES, "is in the guest's CD drive as well");
}

static void twice_in_one_guest(void **state)
{
    struct answer a;

    (void)state;
    emulate(0, "a", O_RDWR);
    attach_file(XVDA, "a", "w");
    attach_file(XVDB, "a", "w");
    a = ask(XVDA, 0);
    close(a.fd);
    expect_error(XVDB, SUPERVISED_DISK_LAST, EBUSY, "is another disk of this guest already");
}

static void no_twin_with_an_older_device_model(void **state)
{
    (void)state;
    emulate(0, "a", O_RDWR);
    attach_file(XVDA, "a", "w");
    assert_int_equal(held_drop(&s.pv->held, SUPERVISED_HANDOVER), 0);
    expect_error(XVDA, 0, ENOTSUP, "restart the guest");
}

/* A disk that is in use stays what it is, whatever has its name by now. */
static void names_change(void **state)
{
    struct answer a;

    (void)state;
    attach_file(XVDA, "a", "w");
    a = ask(XVDA, 0);
    close(a.fd);
    put(XVDA, "state", "4");
    assert_int_equal(rename(in_dir("b"), in_dir("a")), 0);
    a = ask(XVDA, 0);
    expect_content(a.fd, "first");
    close(a.fd);
    assert_int_equal(unlink(in_dir("a")), 0);
    a = ask(XVDA, 0);
    expect_content(a.fd, "first");
    close(a.fd);
    make_file("a", "third");
    put(XVDA, "state", "1"); /* detached and attached again */
    a = ask(XVDA, 0);
    expect_content(a.fd, "third");
    close(a.fd);
}

static void medium_changes(void **state)
{
    struct answer a;

    (void)state;
    attach_file(HDC, "a", "r");
    a = ask(HDC, 0);
    close(a.fd);
    put(HDC, "state", "4");
    a = ask(HDC, 0);
    expect_content(a.fd, "first");
    close(a.fd);
    attach_file(HDC, "b", "r");
    put(HDC, "state", "4");
    a = ask(HDC, 0);
    expect_content(a.fd, "second");
    close(a.fd);
    assert_false(is_locked("a", false));
    put(HDC, "params", "aio:");
    a = ask(HDC, 0);
    assert_true(a.error == 0 && a.fd == -1);
    assert_false(is_locked("b", false));
}

/* The device was removed and another one came, while nobody was there to let go. */
static void writable_is_not_served_read_only(void **state)
{
    struct answer a;

    (void)state;
    attach_file(XVDA, "a", "r");
    a = ask(XVDA, 0);
    close(a.fd);
    attach_file(XVDA, "a", "w");
    put(XVDA, "state", "4");
    a = ask(XVDA, 0);
    assert_int_equal(fcntl(a.fd, F_GETFL) & O_ACCMODE, O_RDWR);
    close(a.fd);
    xenstored_erase(&x, BACK("51712"));
    assert_int_equal(ask(XVDA, 0).error, ENOENT);
    assert_false(is_locked("a", false));
}

static void as_many_as_can_be_held(void **state)
{
    char name[SUPERVISED_NAME];
    int ret = 0;

    (void)state;
    for (unsigned i = 0; ret == 0; i++) {
        snprintf(name, sizeof name, "h%u", i);
        ret = held_put(&s.pv->held, name, dup(0));
    }
    attach_file(XVDA, "a", "w");
    expect_error(XVDA, 0, ENOSPC, "too many disks");
    assert_false(is_locked("a", false));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(both_share_page_and_wake_each_other),
        T(keeps_what_is_ours),
        T(gives_disks_back),
        T(opens_and_locks),
        T(reads_only),
        T(says_what_is_wrong),
        T(empty_drives),
        T(somebody_else_has_it),
        T(shares_with_its_twin),
        T(twin_read_only),
        T(twice_in_one_guest),
        T(no_twin_with_an_older_device_model),
        T(names_change),
        T(medium_changes),
        T(writable_is_not_served_read_only),
        T(as_many_as_can_be_held),
    };

    return cmocka_run_group_tests_name("disks", tests, NULL, NULL);
}
