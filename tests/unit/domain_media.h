/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_media - tests of test_domain.c: what the guest unplugs, and what lies in the CD drive. */
#ifndef TESTS_UNIT_DOMAIN_MEDIA_H
#define TESTS_UNIT_DOMAIN_MEDIA_H

#include "tests/unit/domain_arenas.h"

static void unplugged_disk_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    ask_wide(0x10, 2, false, 1); /* the unplug port: all disks */
    while (serve(f, &w) != SUPERVISED_DROP)
        ;
    assert_string_equal(f->last.name, "disk0");
    answer(f, &w);
    assert_null(find_held(f, "disk0"));
    assert_false(image_is_locked(f));
    assert_non_null(find_held(f, "disk2"));
    murder(f, &w);
    w = up(f, SIGKILL);
    assert_int_equal(in(f, &w, 0x1f7), 0); /* no disk */
    quit(f, &w);
}

/* In a dead device model's arena: a field of the first channel and, where there are two, drive. */
static void set_ide(int arena, const char *field, uint64_t value)
{
    struct arena_header *h =
        mmap(NULL, DOMAIN_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, arena, 0);
    const struct arena_record *r = record_in(h, "piix3_ide");
    const struct state_field *f = (const struct state_field *)(void *)((char *)h + r->fields);

    while (strcmp(f->name, field) != 0)
        f++;
    state_set((char *)h + r->state, f, 0, value);
    munmap(h, DOMAIN_ARENA_BYTES);
}

static void mark_unplugged(int arena)
{
    set_ide(arena, "unplugged", 1);
}

/* Unplugged, but the supervisor was not told any more: the successor makes up for it. */
static void unplugged_disk_is_given_up_later(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);

    murder(f, &w);
    mark_unplugged(find_held(f, "arena")->fd);
    w = start(f, SIGKILL);
    serve_until(f, &w, SUPERVISED_READY);
    serve_until(f, &w, SUPERVISED_DROP);
    assert_string_equal(f->last.name, "disk0");
    assert_int_equal(in(f, &w, 0x1f7), 0);
    quit(f, &w);
}

static void say(int qmp, const char *text)
{
    assert_int_equal(write(qmp, text, strlen(text)), strlen(text));
}

/* With a descriptor, as libxl passes a medium. */
static void say_with(int qmp, const char *text, int fd)
{
    struct iovec part = { (void *)(uintptr_t)text, strlen(text) };
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = { .head = { CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS } };
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };

    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    assert_int_equal(sendmsg(qmp, &h, 0), strlen(text));
}

/* Until the answer to the latest command is there. */
static void heard(struct fixture *f, struct worker *w, int qmp)
{
    struct pollfd p[2] = { { .fd = qmp, .events = POLLIN }, { .fd = w->sock, .events = POLLIN } };
    char text[1024] = "";
    size_t n = 0;

    while (!strstr(text, "\"return\"")) {
        assert_true(poll(p, 2, PATIENCE_MS) > 0);
        if (p[1].revents)
            assert_true(serve(f, w) != 0);
        if (p[0].revents) {
            ssize_t got = read(qmp, text + n, sizeof text - 1 - n);

            assert_true(got > 0);
            n += (size_t)got;
        }
        if (strstr(text, "\"error\""))
            fail_msg("%s", text);
    }
}

static int qmp_open(struct fixture *f, struct worker *w)
{
    int qmp = connect_to(f->qmp);

    say(qmp, "{\"execute\":\"qmp_capabilities\"}");
    heard(f, w, qmp);
    return qmp;
}

static void medium_follows(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    char text[4096];
    int qmp = qmp_open(f, &w), fd;

    say(qmp, "{\"execute\":\"eject\",\"arguments\":{\"id\":\"ide-5632\",\"force\":true}}");
    heard(f, &w, qmp);
    assert_null(find_held(f, "disk2"));
    murder(f, &w);
    close(qmp);
    w = up(f, SIGKILL);
    qmp = qmp_open(f, &w);
    fd = open(f->cd, O_RDONLY | O_CLOEXEC);
    say_with(qmp, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}", fd);
    heard(f, &w, qmp);
    close(fd);
    say(qmp, "{\"execute\":\"blockdev-change-medium\",\"arguments\":"
             "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/1\",\"format\":\"raw\"}}");
    heard(f, &w, qmp);
    assert_non_null(find_held(f, "disk2"));
    murder(f, &w);
    close(qmp);
    w = up(f, SIGKILL);
    qmp = qmp_open(f, &w);
    say(qmp, "{\"execute\":\"query-block\"}");
    memset(text, 0, sizeof text);
    assert_true(read(qmp, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "/dev/fdset/1")); /* by the name that it was given */
    close(qmp);
    quit(f, &w);
}

#endif
