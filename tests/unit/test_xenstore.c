/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_xenstore - our xenstore client and the vkbd back end, against a small xenstored in another
 * process. The test itself plays toolstack and guest through a second connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/xen/vkbd.h"
#include "ioreq/loop.h"
#include "toolstack/xenstore.h"

/* ---- a small xenstored ---------------------------------------------------------------------- */

enum { READ = 2, DIRECTORY = 1, WATCH = 4, UNWATCH = 5, WRITE = 11, RM = 13, EVENT = 15, ERR = 16 };
enum { CLIENTS = 4, NODES = 64, WATCHES = 32 };

struct message {
    uint32_t type, request, transaction, length;
    char body[4096];
};

struct node {
    char path[160];
    char value[64];
    uint32_t length;
    bool used;
};

struct watch {
    int fd; /* 0: free */
    char path[160], token[32];
    bool relative;
};

struct daemon {
    int clients[CLIENTS];
    struct node nodes[NODES];
    struct watch watches[WATCHES];
};

static const char home[] = "/local/domain/0/";

static void full_path(char *to, size_t size, const char *path)
{
    snprintf(to, size, "%s%.*s", *path == '/' ? "" : home, (int)(size - sizeof home), path);
}

static bool below(const char *path, const char *root)
{
    size_t n = strlen(root);

    return !strncmp(path, root, n) && (!path[n] || path[n] == '/');
}

static struct node *find_node(struct daemon *d, const char *path)
{
    for (int i = 0; i < NODES; i++)
        if (d->nodes[i].used && !strcmp(d->nodes[i].path, path))
            return &d->nodes[i];
    return NULL;
}

static void send_all(int fd, const void *bytes, size_t n)
{
    if (send(fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
        _exit(3);
}

static void reply(int fd, const struct message *m, uint32_t type, const void *body, uint32_t length)
{
    struct message r = { type, m->request, 0, length, "" };

    if (length)
        memcpy(r.body, body, length);
    send_all(fd, &r, 16 + length);
}

static void send_event(const struct watch *w, const char *path)
{
    struct message r = { EVENT, 0, 0, 0, "" };
    size_t skip = w->relative ? sizeof home - 1 : 0;
    int n = snprintf(r.body, sizeof r.body, "%s", path + skip);

    r.length = (uint32_t)(n + 1);
    n = snprintf(r.body + r.length, sizeof r.body - r.length, "%s", w->token);
    r.length += (uint32_t)(n + 1);
    send_all(w->fd, &r, 16 + r.length);
}

static void changed(struct daemon *d, const char *path)
{
    for (int i = 0; i < WATCHES; i++)
        if (d->watches[i].fd && below(path, d->watches[i].path))
            send_event(&d->watches[i], path);
}

static void do_read(struct daemon *d, int fd, const struct message *m, const char *path)
{
    const struct node *n = find_node(d, path);

    if (strstr(path, "/die"))
        _exit(0);
    if (strstr(path, "/long")) {
        struct message r = { READ, m->request, 0, 5000, "" };

        send_all(fd, &r, 16);
        return;
    }
    if (strstr(path, "/flood"))
        for (int i = 0; i < WATCHES; i++)
            for (int k = 0; d->watches[i].fd == fd && k < 500; k++) {
                char one[160];

                snprintf(one, sizeof one, "%s/%d", d->watches[i].path, k);
                send_event(&d->watches[i], one);
            }
    if (n)
        reply(fd, m, READ, n->value, n->length);
    else
        reply(fd, m, ERR, "ENOENT", 7);
}

static void do_write(struct daemon *d, int fd, const struct message *m, const char *path)
{
    struct node *n = find_node(d, path);
    size_t at = strlen(m->body) + 1;

    for (int i = 0; i < NODES && !n; i++)
        if (!d->nodes[i].used)
            n = &d->nodes[i];
    if (!n || m->length - at > sizeof n->value) {
        reply(fd, m, ERR, "ENOSPC", 7);
        return;
    }
    n->used = true;
    snprintf(n->path, sizeof n->path, "%s", path);
    n->length = m->length - (uint32_t)at;
    memcpy(n->value, m->body + at, n->length);
    reply(fd, m, WRITE, "OK", 3);
    changed(d, path);
}

static void do_rm(struct daemon *d, int fd, const struct message *m, const char *path)
{
    reply(fd, m, RM, "OK", 3);
    for (int i = 0; i < NODES; i++)
        if (d->nodes[i].used && below(d->nodes[i].path, path)) {
            d->nodes[i].used = false;
            changed(d, d->nodes[i].path);
        }
}

static void do_directory(struct daemon *d, int fd, const struct message *m, const char *path)
{
    char names[4096];
    uint32_t n = 0;
    size_t root = strlen(path);

    for (int i = 0; i < NODES; i++) {
        const char *name = d->nodes[i].path + root + 1;
        size_t len = strcspn(name, "/");
        bool known = false;

        if (!d->nodes[i].used || !below(d->nodes[i].path, path) || !d->nodes[i].path[root])
            continue;
        for (uint32_t at = 0; at < n; at += (uint32_t)strlen(names + at) + 1)
            known |= strlen(names + at) == len && !memcmp(names + at, name, len);
        if (known)
            continue;
        memcpy(names + n, name, len);
        names[n + len] = '\0';
        n += (uint32_t)len + 1;
    }
    if (n)
        reply(fd, m, DIRECTORY, names, n);
    else
        reply(fd, m, ERR, "ENOENT", 7);
}

static void do_watch(struct daemon *d, int fd, const struct message *m, const char *path)
{
    for (int i = 0; i < WATCHES; i++) {
        struct watch *w = &d->watches[i];

        if (w->fd)
            continue;
        w->fd = fd;
        w->relative = m->body[0] != '/';
        snprintf(w->path, sizeof w->path, "%s", path);
        snprintf(w->token, sizeof w->token, "%s", m->body + strlen(m->body) + 1);
        reply(fd, m, WATCH, "OK", 3);
        send_event(w, path);
        return;
    }
    reply(fd, m, ERR, "E2BIG", 6);
}

static void do_unwatch(struct daemon *d, int fd, const struct message *m, const char *path)
{
    for (int i = 0; i < WATCHES; i++) {
        struct watch *w = &d->watches[i];

        if (w->fd != fd || strcmp(w->path, path) || strcmp(w->token, m->body + strlen(m->body) + 1))
            continue;
        w->fd = 0;
        reply(fd, m, UNWATCH, "OK", 3);
        return;
    }
    reply(fd, m, ERR, "ENOENT", 7);
}

static bool read_all(int fd, void *to, size_t n)
{
    return !n || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

static bool serve_one(struct daemon *d, int fd)
{
    struct message m;
    char path[160];

    if (!read_all(fd, &m, 16) || m.length > sizeof m.body || !read_all(fd, m.body, m.length))
        return false;
    full_path(path, sizeof path, m.body);
    switch (m.type) {
    case READ:
        do_read(d, fd, &m, path);
        return true;
    case WRITE:
        do_write(d, fd, &m, path);
        return true;
    case RM:
        do_rm(d, fd, &m, path);
        return true;
    case DIRECTORY:
        do_directory(d, fd, &m, path);
        return true;
    case WATCH:
        do_watch(d, fd, &m, path);
        return true;
    case UNWATCH:
        do_unwatch(d, fd, &m, path);
        return true;
    default:
        reply(fd, &m, ERR, "ENOSYS", 7);
        return true;
    }
}

static void drop_client(struct daemon *d, int fd)
{
    for (int i = 0; i < WATCHES; i++)
        if (d->watches[i].fd == fd)
            d->watches[i].fd = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (d->clients[i] == fd)
            d->clients[i] = -1;
    close(fd);
}

static void daemon_run(int listener)
{
    static struct daemon d;

    for (int i = 0; i < CLIENTS; i++)
        d.clients[i] = -1;
    for (;;) {
        struct pollfd p[CLIENTS + 1] = { { listener, POLLIN, 0 } };

        for (int i = 0; i < CLIENTS; i++)
            p[i + 1] = (struct pollfd){ d.clients[i], POLLIN, 0 };
        if (poll(p, CLIENTS + 1, -1) < 0)
            _exit(4);
        for (int i = 0; i < CLIENTS; i++)
            if (p[i + 1].revents && !serve_one(&d, p[i + 1].fd))
                drop_client(&d, p[i + 1].fd);
        for (int i = 0; (p[0].revents & POLLIN) && i < CLIENTS; i++)
            if (d.clients[i] < 0) {
                d.clients[i] = accept(listener, NULL, NULL);
                break;
            }
    }
}

/* ---- bench ---------------------------------------------------------------------------------- */

struct bench {
    char path[40];
    pid_t pid;
    struct loop *loop;
    struct xenstore *x;    /* ours */
    struct xenstore *them; /* toolstack and guest */
};

static void start(struct bench *b)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct error e = { "" };
    int listener;

    *b = (struct bench){ .path = "/tmp/test_xenstore.XXXXXX" };
    listener = mkstemp(b->path);
    assert_true(listener >= 0);
    close(listener);
    unlink(b->path);
    memcpy(a.sun_path, b->path, sizeof b->path);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 4), 0);
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (!b->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        daemon_run(listener);
    }
    close(listener);
    b->loop = loop_new();
    assert_int_equal(xenstore_open(b->loop, b->path, &b->x, &e), 0);
    assert_int_equal(xenstore_open(b->loop, b->path, &b->them, &e), 0);
}

static void end(struct bench *b)
{
    xenstore_close(b->x);
    xenstore_close(b->them);
    loop_free(b->loop);
    kill(b->pid, SIGKILL);
    assert_int_equal(waitpid(b->pid, NULL, 0), b->pid);
    unlink(b->path);
}

/* Until nothing is on its way: the daemon answers in order, so a read of ours comes after whatever
 * it sent before, on either connection. */
static void settle(struct bench *b)
{
    char text[8];

    for (int quiet = 0, i = 0; quiet < 3 && i < 500; i++) {
        assert_true(xenstore_read(b->them, "/nothing", text, sizeof text) == -ENOENT);
        assert_true(xenstore_read(b->x, "/nothing", text, sizeof text) == -ENOENT);
        quiet = loop_turn(b->loop, false) ? 0 : quiet + 1;
    }
}

static void put(struct bench *b, const char *path, const char *value)
{
    assert_int_equal(xenstore_write(b->them, path, value), 0);
}

static uint32_t get(struct bench *b, const char *path)
{
    uint32_t value;

    return xenstore_read_u32(b->them, path, &value) < 0 ? UINT32_MAX : value;
}

/* ---- the client ----------------------------------------------------------------------------- */

static void reads_and_writes(void **state)
{
    struct bench b;
    char text[16];

    (void)state;
    start(&b);
    put(&b, "/a/b", "hello");
    assert_int_equal(xenstore_read(b.x, "/a/b", text, sizeof text), 5);
    assert_string_equal(text, "hello");
    assert_int_equal(xenstore_read(b.x, "/a/b", text, 5), -E2BIG);
    assert_string_equal(text, "");
    assert_int_equal(xenstore_read(b.x, "/a/b", text, 6), 5);
    assert_int_equal(xenstore_read(b.x, "/a/c", text, sizeof text), -ENOENT);
    put(&b, "/a/empty", "");
    assert_int_equal(xenstore_read(b.x, "/a/empty", text, sizeof text), 0);
    put(&b, "relative", "x");
    assert_int_equal(xenstore_read(b.x, "/local/domain/0/relative", text, sizeof text), 1);
    assert_int_equal(xenstore_remove(b.x, "/a"), 0);
    assert_int_equal(xenstore_read(b.x, "/a/b", text, sizeof text), -ENOENT);
    end(&b);
}

/* S21: what a guest may have written. */
static void wild_values(void **state)
{
    static const char *const bad[] = { "",    " 1",         "1 ",
                                       "-1",  "+1",         "0x10",
                                       "1e3", "4294967296", "99999999999999999999999999",
                                       "one", "1\n",        "\xff" };
    char huge[XENSTORE_VALUE + 1];
    uint32_t value = 77;
    struct bench b;

    (void)state;
    start(&b);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put(&b, "/v", bad[i]);
        assert_int_equal(xenstore_read_u32(b.x, "/v", &value), -EINVAL);
    }
    assert_int_equal(value, 77);
    put(&b, "/v", "4294967295");
    assert_int_equal(xenstore_read_u32(b.x, "/v", &value), 0);
    assert_true(value == UINT32_MAX);
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_int_equal(xenstore_write(b.x, "/v", huge), -E2BIG);
    assert_int_equal(xenstore_write(b.x, huge, "1"), -E2BIG);
    end(&b);
}

static void lists(void **state)
{
    struct bench b;
    char names[64];

    (void)state;
    start(&b);
    put(&b, "/d/one", "1");
    put(&b, "/d/two/deep", "2");
    assert_int_equal(xenstore_list(b.x, "/d", names, sizeof names), 8);
    assert_memory_equal(names, "one\0two", 8);
    assert_int_equal(xenstore_list(b.x, "/d", names, 7), -E2BIG);
    assert_int_equal(xenstore_list(b.x, "/e", names, sizeof names), -ENOENT);
    end(&b);
}

static void says_running(void **state)
{
    struct error e = { "" };
    struct bench b;
    char text[16];

    (void)state;
    start(&b);
    assert_int_equal(xenstore_say_running(b.x, 7, &e), 0);
    assert_int_equal(
        xenstore_read(b.them, "/local/domain/0/device-model/7/state", text, sizeof text), 7);
    assert_string_equal(text, "running");
    end(&b);
}

struct heard {
    unsigned calls;
    char path[160];
    struct xenstore *x;
    struct xenstore_watch watch;
    bool unwatch;
};

static void hear(void *opaque, const char *path)
{
    struct heard *h = opaque;

    h->calls++;
    snprintf(h->path, sizeof h->path, "%s", path);
    if (h->unwatch)
        xenstore_unwatch(h->x, &h->watch);
}

static void watch(struct bench *b, struct heard *h, const char *path)
{
    *h = (struct heard){ .x = b->x };
    h->watch = (struct xenstore_watch){ .path = path, .changed = hear, .opaque = h };
    assert_int_equal(xenstore_watch(b->x, &h->watch), 0);
}

static void watches(void **state)
{
    struct heard near, far, once;
    struct bench b;

    (void)state;
    start(&b);
    watch(&b, &near, "/a");
    watch(&b, &far, "backend/x");
    assert_int_equal(near.calls, 0); /* never inside a request */
    settle(&b);
    assert_int_equal(near.calls, 1);
    assert_string_equal(near.path, "/a");
    put(&b, "/a/b/c", "1");
    settle(&b);
    assert_int_equal(near.calls, 2);
    assert_string_equal(near.path, "/a/b/c");
    put(&b, "backend/x/0/state", "1");
    settle(&b);
    assert_int_equal(far.calls, 2);
    assert_string_equal(far.path, "backend/x/0/state");
    watch(&b, &once, "/a");
    once.unwatch = true;
    settle(&b);
    put(&b, "/a/z", "1");
    settle(&b);
    assert_int_equal(once.calls, 1);
    assert_int_equal(near.calls, 3);
    xenstore_unwatch(b.x, &near.watch);
    xenstore_unwatch(b.x, &near.watch); /* twice is once */
    put(&b, "/a/b/c", "2");
    settle(&b);
    assert_int_equal(near.calls, 3);
    end(&b);
}

/* S14, S15: events come faster than they are looked at. */
static void flood_is_bounded(void **state)
{
    struct heard h;
    struct bench b;
    char text[8];

    (void)state;
    start(&b);
    watch(&b, &h, "/w");
    settle(&b);
    h.calls = 0;
    assert_int_equal(xenstore_read(b.x, "/flood", text, sizeof text), -ENOENT);
    settle(&b);
    /* As many as the queue holds, and one that says "anything may have changed". */
    assert_in_range(h.calls, 2, 40);
    assert_string_equal(h.path, "/w");
    end(&b);
}

static void daemon_goes_away(void **state)
{
    static const char *const how[] = { "/die", "/long" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench b;
        char text[16];

        start(&b);
        assert_int_equal(xenstore_read(b.x, how[i], text, sizeof text), -ENOTCONN);
        assert_int_equal(xenstore_read(b.x, "/a", text, sizeof text), -ENOTCONN);
        assert_int_equal(xenstore_write(b.x, "/a", "1"), -ENOTCONN);
        while (loop_turn(b.loop, false))
            ;
        end(&b);
    }
}

static void nobody_there(void **state)
{
    struct loop *loop = loop_new();
    struct xenstore *x = NULL;
    struct error e = { "" };

    (void)state;
    assert_int_equal(xenstore_open(loop, "/no/such/socket", &x, &e), -ENOENT);
    assert_non_null(strstr(e.text, "/no/such/socket"));
    assert_null(x);
    loop_free(loop);
}

/* ---- vkbd ----------------------------------------------------------------------------------- */

#define BACK  "backend/vkbd/5/0"
#define FRONT "/local/domain/5/device/vkbd/0"

static void give_vkbd(struct bench *b)
{
    put(b, FRONT "/state", "1");
    put(b, BACK "/frontend", FRONT);
    put(b, BACK "/frontend-id", "5");
    put(b, BACK "/online", "1");
    put(b, BACK "/state", "1");
}

static void connect_vkbd(struct bench *b)
{
    put(b, FRONT "/page-gref", "8");
    put(b, FRONT "/event-channel", "9");
    put(b, FRONT "/state", "3");
    settle(b);
    assert_int_equal(get(b, BACK "/state"), 4);
    put(b, FRONT "/state", "4");
    settle(b);
    assert_int_equal(get(b, BACK "/state"), 4);
}

static struct vkbd *open_vkbd(struct bench *b)
{
    struct error e = { "" };
    struct vkbd *v = NULL;

    assert_int_equal(vkbd_open(b->x, 5, &v, &e), 0);
    settle(b);
    return v;
}

static void vkbd_connects(void **state)
{
    struct bench b;
    struct vkbd *v;

    (void)state;
    start(&b);
    give_vkbd(&b);
    v = open_vkbd(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    assert_int_equal(get(&b, BACK "/feature-abs-pointer"), 1);
    connect_vkbd(&b);
    /* The guest closes, as on shutdown, and a new kernel (kexec) comes back. */
    put(&b, FRONT "/state", "5");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 5);
    put(&b, FRONT "/state", "6");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 6);
    put(&b, FRONT "/state", "1");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    connect_vkbd(&b);
    vkbd_close(v);
    end(&b);
}

static void vkbd_attached_later_and_removed(void **state)
{
    struct bench b;
    struct vkbd *v;

    (void)state;
    start(&b);
    v = open_vkbd(&b);
    give_vkbd(&b);
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    connect_vkbd(&b);
    put(&b, BACK "/online", "0");
    put(&b, BACK "/state", "5");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 5); /* the front end has its say first */
    put(&b, FRONT "/state", "6");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 6);
    assert_int_equal(xenstore_remove(b.them, BACK), 0);
    assert_int_equal(xenstore_remove(b.them, FRONT), 0);
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), UINT32_MAX); /* not written again */
    give_vkbd(&b);
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    vkbd_close(v);
    end(&b);
}

static void vkbd_removed_without_driver(void **state)
{
    struct bench b;
    struct vkbd *v;

    (void)state;
    start(&b);
    give_vkbd(&b);
    v = open_vkbd(&b);
    put(&b, BACK "/online", "0");
    put(&b, BACK "/state", "5");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 6);
    vkbd_close(v);
    end(&b);
}

/* Wild values in each key of the guest, in each state of the hand-shake. */
static void vkbd_hostile_front_end(void **state)
{
    static const char *const wild[] = {
        "", "-1", "7", "255", "4294967295", "99999999999", "x", "3 ", "/etc/passwd", "%n%s"
    };
    static const char *const keys[] = { "/page-gref", "/event-channel", "/page-ref" };
    struct bench b;
    struct vkbd *v;

    (void)state;
    start(&b);
    give_vkbd(&b);
    v = open_vkbd(&b);
    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        put(&b, FRONT "/state", wild[i]);
        settle(&b);
        assert_int_equal(get(&b, BACK "/state"), 2);
    }
    /* "Ready" without saying where: stays in 2. */
    put(&b, FRONT "/state", "3");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
        char path[96];

        snprintf(path, sizeof path, "%s%s", FRONT, keys[k]);
        put(&b, path, "none");
    }
    put(&b, FRONT "/state", "3");
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 2);
    connect_vkbd(&b);
    put(&b, FRONT "/state", "-3"); /* nonsense in the middle of a connection ends it */
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 6);
    put(&b, FRONT "/state", "1");
    settle(&b);
    connect_vkbd(&b);
    assert_int_equal(xenstore_remove(b.them, FRONT), 0);
    settle(&b);
    assert_int_equal(get(&b, BACK "/state"), 6);
    vkbd_close(v);
    end(&b);
}

static void vkbd_odd_back_ends(void **state)
{
    struct bench b;
    struct vkbd *v;
    char path[96];

    (void)state;
    start(&b);
    put(&b, "backend/vkbd/5/name", "x");              /* no device number */
    put(&b, "backend/vkbd/5/99999999999/state", "1"); /* no front end */
    for (int i = 0; i < 8; i++) {                     /* more than we serve */
        snprintf(path, sizeof path, "backend/vkbd/5/%d/frontend", i);
        put(&b, path, FRONT);
        snprintf(path, sizeof path, "backend/vkbd/5/%d/online", i);
        put(&b, path, "1");
        snprintf(path, sizeof path, "backend/vkbd/5/%d/state", i);
        put(&b, path, "1");
    }
    v = open_vkbd(&b);
    assert_int_equal(get(&b, "backend/vkbd/5/0/state"), 2);
    assert_int_equal(get(&b, "backend/vkbd/5/3/state"), 2);
    assert_int_equal(get(&b, "backend/vkbd/5/7/state"), 1);
    vkbd_close(v);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes),
        cmocka_unit_test(wild_values),
        cmocka_unit_test(lists),
        cmocka_unit_test(says_running),
        cmocka_unit_test(watches),
        cmocka_unit_test(flood_is_bounded),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(vkbd_connects),
        cmocka_unit_test(vkbd_attached_later_and_removed),
        cmocka_unit_test(vkbd_removed_without_driver),
        cmocka_unit_test(vkbd_hostile_front_end),
        cmocka_unit_test(vkbd_odd_back_ends),
        cmocka_unit_test(daemon_goes_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
