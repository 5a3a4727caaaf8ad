/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_qmp - the QMP server over socket pairs and real sockets, with a machine that only records
 * what is asked of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "toolstack/qmp.h"

/* ---- a machine ------------------------------------------------------------------------------ */

struct fake {
    enum vm_status status;
    unsigned conts, stops, quits, wakeups;
    uint32_t plugged;
    bool dirty_log, tray_locked, forced;
    char ejected[32], medium[64], format[16];
    char medium_bytes[16]; /* first bytes of the descriptor that came */
    bool saved_live;
};

static enum vm_status fake_status(void *vm)
{
    return ((struct fake *)vm)->status;
}

static int fake_cont(void *vm, struct error *e)
{
    struct fake *f = vm;

    (void)e;
    f->conts++;
    f->status = VM_RUNNING;
    return 0;
}

static int fake_stop(void *vm, struct error *e)
{
    struct fake *f = vm;

    (void)e;
    f->stops++;
    f->status = VM_PAUSED;
    return 0;
}

static bool fake_chardev(void *vm, unsigned i, struct vm_chardev *out)
{
    (void)vm;
    *out = (struct vm_chardev){ "serial0", "pty:/dev/pts/3" };
    return i < 1;
}

static bool fake_block(void *vm, unsigned i, struct vm_block *out)
{
    (void)vm;
    *out = i ? (struct vm_block){ .id = "ide-5632", .removable = true }
             : (struct vm_block){ .id = "ide0-hd0",
                                  .file = "/srv/\xff.img",
                                  .format = "raw",
                                  .rd_bytes = 512,
                                  .rd_operations = 1,
                                  .wr_bytes = 1024,
                                  .wr_operations = 2 };
    return i < 2;
}

static bool fake_pci(void *vm, unsigned i, struct vm_pci *out)
{
    (void)vm;
    *out = (struct vm_pci){ .slot = i, .vendor = 0x8086, .device = 0x1237, .class = 0x600 };
    return i < 3;
}

static int fake_eject(void *vm, const char *id, bool force, struct error *e)
{
    struct fake *f = vm;

    f->forced = force;
    if (strcmp(id, "ide-5632"))
        return -ENODEV;
    if (f->tray_locked && !force)
        return error_set(e, -EBUSY, "the guest has locked the tray");
    snprintf(f->ejected, sizeof f->ejected, "%s", id);
    return 0;
}

static int fake_change(void *vm, const char *id, int fd, const char *path, const char *format,
                       struct error *e)
{
    struct fake *f = vm;

    (void)e;
    (void)id;
    snprintf(f->medium, sizeof f->medium, "%s", path);
    snprintf(f->format, sizeof f->format, "%s", format);
    if (fd >= 0) {
        assert_true(read(fd, f->medium_bytes, sizeof f->medium_bytes - 1) >= 0);
        close(fd);
    }
    return 0;
}

static unsigned fake_max_vcpus(void *vm)
{
    (void)vm;
    return 4;
}

static bool fake_vcpu_plugged(void *vm, unsigned vcpu)
{
    return ((struct fake *)vm)->plugged >> vcpu & 1;
}

static int fake_plug(void *vm, unsigned vcpu, struct error *e)
{
    (void)e;
    ((struct fake *)vm)->plugged |= 1u << vcpu;
    return 0;
}

static int fake_dirty_log(void *vm, bool enable, struct error *e)
{
    (void)e;
    ((struct fake *)vm)->dirty_log = enable;
    return 0;
}

static int fake_save(void *vm, int fd, bool live, struct error *e)
{
    (void)e;
    ((struct fake *)vm)->saved_live = live;
    return write(fd, "state", 5) == 5 ? 0 : -errno;
}

static int fake_wakeup(void *vm, struct error *e)
{
    (void)e;
    ((struct fake *)vm)->wakeups++;
    return 0;
}

static void fake_quit(void *vm)
{
    ((struct fake *)vm)->quits++;
}

static const struct vm_ops fake_ops = {
    .status = fake_status,
    .cont = fake_cont,
    .stop = fake_stop,
    .chardev = fake_chardev,
    .block = fake_block,
    .pci = fake_pci,
    .eject = fake_eject,
    .change_medium = fake_change,
    .max_vcpus = fake_max_vcpus,
    .vcpu_plugged = fake_vcpu_plugged,
    .plug_vcpu = fake_plug,
    .dirty_log = fake_dirty_log,
    .save = fake_save,
    .wakeup = fake_wakeup,
    .quit = fake_quit,
};

/* ---- a client ------------------------------------------------------------------------------- */

struct bench {
    struct loop *loop;
    struct qmp *q;
    struct fake vm;
    int fd; /* the client's end */
};

static void settle(struct bench *b)
{
    for (int i = 0; i < 1000 && loop_turn(b->loop, false); i++)
        ;
}

static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int join(struct bench *b)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(qmp_connection(b->q, pair[0]), 0);
    settle(b);
    return pair[1];
}

static void start(struct bench *b, const struct vm_ops *ops)
{
    *b = (struct bench){ .vm = { .status = VM_PRELAUNCH, .plugged = 1 } };
    b->loop = loop_new();
    assert_non_null(b->loop);
    b->q = qmp_new(b->loop, ops, &b->vm);
    assert_non_null(b->q);
    b->fd = join(b);
}

static void end(struct bench *b)
{
    if (b->fd >= 0)
        close(b->fd);
    qmp_free(b->q);
    loop_free(b->loop);
}

/* Everything that was answered, as text. */
static size_t receive(int fd, char *buf, size_t size)
{
    size_t n = 0;
    ssize_t k;

    while (n < size - 1 && (k = recv(fd, buf + n, size - 1 - n, MSG_DONTWAIT)) > 0)
        n += (size_t)k;
    buf[n] = '\0';
    return n;
}

static void say_bytes(int fd, const char *text, size_t n)
{
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Sends and returns the answer; valid until the next call. */
static const char *ask(struct bench *b, const char *text)
{
    static char answer[65536];

    say_bytes(b->fd, text, strlen(text));
    settle(b);
    receive(b->fd, answer, sizeof answer);
    return answer;
}

/* Runs one command and returns its "return", NULL if it was an error (whose class is checked). */
static json_t *run(struct bench *b, const char *command, const char *args, const char *class)
{
    char text[1024];
    const char *answer;
    json_t *j, *result;

    snprintf(text, sizeof text, "{\"execute\":\"%s\",\"id\":7,\"arguments\":%s}\r\n", command,
             args ? args : "{}");
    answer = ask(b, text);
    assert_true(strlen(answer) > 2);
    assert_string_equal(answer + strlen(answer) - 2, "\r\n");
    j = json_loads(answer, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "id")), 7);
    result = json_incref(json_object_get(j, "return"));
    if (class) {
        json_t *error = json_object_get(j, "error");

        assert_null(result);
        assert_string_equal(json_string_value(json_object_get(error, "class")), class);
        assert_true(json_string_length(json_object_get(error, "desc")) > 5);
    } else {
        assert_non_null(result);
    }
    json_decref(j);
    return result;
}

static void ok(struct bench *b, const char *command, const char *args)
{
    json_decref(run(b, command, args, NULL));
}

static void wrong(struct bench *b, const char *command, const char *args, const char *class)
{
    assert_null(run(b, command, args, class));
}

static void negotiate(struct bench *b)
{
    char greeting[512];

    receive(b->fd, greeting, sizeof greeting);
    ok(b, "qmp_capabilities", NULL);
}

static void send_fd(int to, const char *text, const int *fds, size_t nfds)
{
    char space[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct iovec iov = { (void *)(uintptr_t)text, 1 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = space,
                        .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    assert_int_equal(sendmsg(to, &m, 0), 1);
    say_bytes(to, text + 1, strlen(text) - 1);
}

static int scratch_file(const char *content)
{
    char path[] = "/tmp/test_qmp.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* ---- transport ------------------------------------------------------------------------------ */

static void greets_at_once(void **state)
{
    struct bench b;
    char text[512];

    (void)state;
    start(&b, &fake_ops);
    receive(b.fd, text, sizeof text);
    assert_string_equal(text,
                        "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":0},"
                        "\"package\":\"\"},\"capabilities\":[]}}\r\n");
    end(&b);
}

static void commands_wait_for_negotiation(void **state)
{
    struct bench b;
    char text[512];

    (void)state;
    start(&b, &fake_ops);
    receive(b.fd, text, sizeof text);
    wrong(&b, "cont", NULL, "CommandNotFound");
    assert_int_equal(b.vm.conts, 0);
    ok(&b, "qmp_capabilities", NULL);
    ok(&b, "cont", NULL);
    assert_int_equal(b.vm.conts, 1);
    end(&b);
}

static void split_at_every_byte(void **state)
{
    static const char text[] = "{\"execute\":\"qmp_capabilities\",\"id\":1}\r\n"
                               "{ 'execute': \"query-\\u0073tatus\", 'id': 'it\\'s \"x\"' }"
                               "{\"execute\":\"query-vnc\",\"id\":{\"a\":[1,{\"b\":\"}{\"}]}}";
    static const char want[] =
        "{\"return\":{},\"id\":1}\r\n"
        "{\"return\":{\"running\":false,\"singlestep\":false,\"status\":\"prelaunch\"},"
        "\"id\":\"it's \\\"x\\\"\"}\r\n"
        "{\"return\":{\"enabled\":false},\"id\":{\"a\":[1,{\"b\":\"}{\"}]}}\r\n";
    char answer[2048];

    (void)state;
    for (size_t at = 0; at < sizeof text - 1; at++) {
        struct bench b;

        start(&b, &fake_ops);
        receive(b.fd, answer, sizeof answer);
        if (at)
            say_bytes(b.fd, text, at);
        settle(&b);
        say_bytes(b.fd, text + at, sizeof text - 1 - at);
        settle(&b);
        receive(b.fd, answer, sizeof answer);
        assert_string_equal(answer, want);
        end(&b);
    }
}

static void one_byte_at_a_time(void **state)
{
    static const char text[] = "{'execute':'qmp_capabilities'}{'execute':'query-vnc'}";
    struct bench b;
    char answer[512];

    (void)state;
    start(&b, &fake_ops);
    receive(b.fd, answer, sizeof answer);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say_bytes(b.fd, text + i, 1);
        settle(&b);
    }
    receive(b.fd, answer, sizeof answer);
    assert_string_equal(answer, "{\"return\":{}}\r\n{\"return\":{\"enabled\":false}}\r\n");
    end(&b);
}

static void ids_of_any_type(void **state)
{
    static const char *const ids[] = { "1",    "2020372736", "-5",         "\"x\"", "null",
                                       "true", "[1,2]",      "{\"k\":{}}", "1.5" };
    char text[256], want[256];
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        snprintf(text, sizeof text, "{\"execute\":\"stop\",\"id\":%s}", ids[i]);
        snprintf(want, sizeof want, "{\"return\":{},\"id\":%s}\r\n", ids[i]);
        assert_string_equal(ask(&b, text), want);
        snprintf(text, sizeof text, "{\"execute\":\"no-such\",\"id\":%s}", ids[i]);
        snprintf(want, sizeof want, "\"id\":%s}\r\n", ids[i]);
        assert_non_null(strstr(ask(&b, text), want));
    }
    end(&b);
}

static void malformed_input(void **state)
{
    static const char *const rows[] = {
        "hello\n",
        "]\n",
        "\xff\n",
        "{\"a\":]}\n",
        "{\"execute\"}",
        "{\"execute\":\"a\nb\"}",
        "{\"execute\":5}",
        "{}",
        "{\"execute\":\"stop\",\"arguments\":[]}",
        "{'a':'\x01'}\n",
        "{\"a\" \x02}\n",
        "{,}",
        "{\"execute\":\"\\ud800\"}",
        "{\"x\":\"\xc3(\"}",
        "{\"execute\":\"\\u0000\"}",
        "1 2 3\n",
        "{[}",
        "{\"a\":1e999}",
    };
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *answer = ask(&b, rows[i]);

        if (!strstr(answer, "{\"error\":{\"class\":\"GenericError\",\"desc\":\""))
            fail_msg("row %zu: \"%s\"", i, answer);
        ask(&b, "\n"); /* end of a line that is being skipped */
        answer = ask(&b, "{\"execute\":\"query-vnc\",\"id\":3}");
        assert_string_equal(answer, "{\"return\":{\"enabled\":false},\"id\":3}\r\n");
    }
    assert_int_equal(b.vm.stops, 0);
    end(&b);
}

static void too_deep_and_too_long(void **state)
{
    enum { LONG = (1 << 20) + 4096 };
    char deep[200], *much = malloc(LONG);
    struct bench b;
    const char *answer;

    (void)state;
    assert_non_null(much);
    start(&b, &fake_ops);
    negotiate(&b);
    memset(deep, '[', 99);
    memset(deep + 99, ']', 99);
    deep[0] = '{';
    deep[197] = '}';
    deep[198] = '\0';
    answer = ask(&b, deep);
    assert_non_null(strstr(answer, "nested too deeply"));
    ok(&b, "query-vnc", NULL);
    memset(much, 'a', LONG);
    memcpy(much, "{\"x\":\"", 6);
    for (size_t at = 0; at < LONG; at += 4096) {
        say_bytes(b.fd, much + at, 4096);
        settle(&b);
    }
    answer = ask(&b, "{{{\"}");
    assert_non_null(strstr(answer, "too long"));
    assert_null(strchr(strchr(answer, '\n') + 1, '\n')); /* reported once */
    ok(&b, "query-vnc", NULL);
    free(much);
    end(&b);
}

static void xentop_reads_without_line_ends(void **state)
{
    struct bench b;
    json_t *j, *list;

    (void)state;
    start(&b, &fake_ops);
    ask(&b, "{\"execute\":\"qmp_capabilities\"}");
    j = json_loads(ask(&b, "{ \"execute\" : \"query-blockstats\" }"), 0, NULL);
    list = json_object_get(j, "return");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "device")),
                        "ide0-hd0");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json_array_get(list, 0), "stats"), "wr_operations")),
                     2);
    json_decref(j);
    j = json_loads(ask(&b, "{ \"execute\" : \"query-block\" }"), 0, NULL);
    list = json_object_get(j, "return");
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_array_get(list, 0), "inserted"), "file")),
                        "/srv/?.img");
    assert_null(json_object_get(json_array_get(list, 1), "inserted"));
    json_decref(j);
    end(&b);
}

static void leaving_at_every_byte(void **state)
{
    static const char text[] = "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-block\"}";
    int before = open_fds();

    (void)state;
    for (size_t at = 0; at <= sizeof text - 1; at++) {
        struct bench b;

        start(&b, &fake_ops);
        if (at)
            say_bytes(b.fd, text, at);
        close(b.fd); /* the answers find nobody */
        b.fd = -1;
        settle(&b);
        b.fd = join(&b);
        negotiate(&b);
        end(&b);
        start(&b, &fake_ops);
        if (at)
            say_bytes(b.fd, text, at);
        end(&b); /* we leave first */
    }
    assert_int_equal(open_fds(), before);
}

static void answers_after_half_close(void **state)
{
    char answer[1024];
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    say_bytes(b.fd, "{\"execute\":\"qmp_capabilities\"}", 30);
    assert_int_equal(shutdown(b.fd, SHUT_WR), 0);
    settle(&b);
    receive(b.fd, answer, sizeof answer);
    assert_non_null(strstr(answer, "{\"return\":{}}\r\n"));
    assert_int_equal(recv(b.fd, answer, 1, MSG_DONTWAIT), 0); /* closed */
    end(&b);
}

static void who_never_reads_is_dropped(void **state)
{
    static const char text[] = "{\"execute\":\"query-commands\"}";
    struct bench b;
    int before, i;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    before = open_fds();
    for (i = 0; i < 10000; i++) {
        if (send(b.fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        settle(&b);
    }
    assert_in_range(i, 100, 9999);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(open_fds(), before - 1);
    close(b.fd);
    b.fd = join(&b);
    negotiate(&b);
    end(&b);
}

static void slow_reader_gets_everything(void **state)
{
    static const char text[] = "{\"execute\":\"query-commands\"}";
    char piece[257];
    struct bench b;
    size_t lines = 0, n;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (int i = 0; i < 600; i++) {
        say_bytes(b.fd, text, sizeof text - 1);
        settle(&b);
    }
    while ((n = receive(b.fd, piece, sizeof piece))) {
        for (size_t i = 0; i < n; i++)
            lines += piece[i] == '\n';
        settle(&b);
    }
    assert_int_equal(lines, 600);
    end(&b);
}

static void connections_overlap(void **state)
{
    int fds[40], before = open_fds();
    struct bench b;
    char text[512];

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = join(&b);
        ok(&b, "query-vnc", NULL); /* whoever talks is not the one that goes */
    }
    assert_true(open_fds() <= before + 2 + 2 + (int)ARRAY_SIZE(fds) + 15);
    /* The oldest silent ones were closed, the newest serve. */
    receive(fds[0], text, sizeof text);
    assert_int_equal(recv(fds[0], text, 1, MSG_DONTWAIT), 0);
    close(b.fd);
    b.fd = fds[39];
    negotiate(&b);
    for (size_t i = 0; i < 39; i++)
        close(fds[i]);
    end(&b);
    assert_int_equal(open_fds(), before);
}

static void listens_and_replaces_stale_sockets(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/test_qmp.XXXXXX", path[64];
    struct error e = { "" };
    struct stat st;
    struct bench b;
    int stale, other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/qmp-libxl-7", dir);
    memcpy(a.sun_path, path, sizeof path);
    stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&a, sizeof a), 0);
    start(&b, &fake_ops);
    assert_int_equal(qmp_listen_path(b.q, path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(b.fd);
    /* Clients that come before we look, as libxl does: none is refused. */
    b.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(b.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(connect(other, (struct sockaddr *)&a, sizeof a), 0);
    settle(&b);
    negotiate(&b);
    close(other);
    /* What is no socket is not removed. */
    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(qmp_listen_path(b.q, path, &e), -EEXIST);
    assert_non_null(strstr(e.text, path));
    unlink(path);
    unlink(a.sun_path);
    assert_int_equal(rmdir(dir), 0);
    close(stale);
    end(&b);
}

static void inherited_socket(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(sa_family_t);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];
    struct error e = { "" };
    struct bench b;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, size), 0); /* an abstract name */
    size = sizeof a;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    assert_int_equal(listen(listener, 1), 0);
    start(&b, &fake_ops);
    assert_int_equal(qmp_listen_fd(b.q, listener, &e), 0);
    assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    close(b.fd);
    b.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(b.fd, (struct sockaddr *)&a, size), 0);
    settle(&b);
    negotiate(&b);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(qmp_listen_fd(b.q, pair[0], &e), -EINVAL);
    assert_non_null(strstr(e.text, "no listening socket"));
    close(pair[0]);
    close(pair[1]);
    end(&b);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void life_cycle(void **state)
{
    struct bench b;
    json_t *j;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    ok(&b, "cont", NULL);
    ok(&b, "cont", NULL);
    assert_int_equal(b.vm.conts, 2);
    j = run(&b, "query-status", NULL, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "status")), "running");
    assert_true(json_is_true(json_object_get(j, "running")));
    json_decref(j);
    ok(&b, "stop", NULL);
    assert_int_equal(b.vm.stops, 1);
    ok(&b, "system_wakeup", NULL);
    assert_int_equal(b.vm.wakeups, 1);
    ok(&b, "xen-set-global-dirty-log", "{\"enable\":true}");
    assert_true(b.vm.dirty_log);
    ok(&b, "xen-set-global-dirty-log", "{\"enable\":false}");
    assert_false(b.vm.dirty_log);
    wrong(&b, "xen-set-global-dirty-log", "{\"enable\":1}", "GenericError");
    ok(&b, "quit", NULL); /* answered before it happens */
    assert_int_equal(b.vm.quits, 1);
    end(&b);
}

static void what_libxl_reads(void **state)
{
    struct bench b;
    json_t *j, *one;
    const char *type;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    j = run(&b, "query-chardev", NULL, NULL);
    assert_int_equal(json_array_size(j), 1);
    one = json_array_get(j, 0);
    assert_string_equal(json_string_value(json_object_get(one, "label")), "serial0");
    assert_string_equal(json_string_value(json_object_get(one, "filename")), "pty:/dev/pts/3");
    json_decref(j);
    j = run(&b, "query-vnc", NULL, NULL);
    assert_true(json_is_false(json_object_get(j, "enabled")));
    json_decref(j);
    j = run(&b, "query-pci", NULL, NULL);
    one = json_object_get(json_array_get(j, 0), "devices");
    assert_int_equal(json_array_size(one), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(one, i), "qdev_id")),
                            "");
    json_decref(j);
    j = run(&b, "query-hotpluggable-cpus", NULL, NULL);
    type = json_string_value(json_object_get(json_array_get(j, 0), "type"));
    assert_non_null(type);
    assert_string_equal(type, "xen-vcpu");
    json_decref(j);
    j = run(&b, "query-command-line-options", NULL, NULL);
    assert_true(json_is_array(j));
    json_decref(j);
    j = run(&b, "query-version", NULL, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "qemu"), "major")), 7);
    json_decref(j);
    j = run(&b, "query-commands", NULL, NULL);
    assert_true(json_array_size(j) > 20);
    json_decref(j);
    wrong(&b, "change-vnc-password", "{\"password\":\"x\"}", "GenericError");
    end(&b);
}

static void vcpu_hotplug(void **state)
{
    struct bench b;
    json_t *j;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    ok(&b, "device_add",
       "{\"id\":\"cpu-2\",\"driver\":\"xen-vcpu\",\"socket-id\":2,\"core-id\":0,"
       "\"thread-id\":0}");
    ok(&b, "device_add", "{\"id\":\"cpu-3\",\"driver\":\"xen-vcpu\",\"socket-id\":\"3\"}");
    assert_int_equal(b.vm.plugged, 0xd);
    j = run(&b, "query-cpus-fast", NULL, NULL);
    assert_int_equal(json_array_size(j), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 1), "cpu-index")), 2);
    json_decref(j);
    for (int i = 0; i < 6; i++) {
        static const char *const bad[] = { "4", "-1", "\"\"", "\"2x\"", "4294967298", "null" };
        char args[128];

        snprintf(args, sizeof args, "{\"driver\":\"xen-vcpu\",\"socket-id\":%s}", bad[i]);
        wrong(&b, "device_add", args, "GenericError");
    }
    assert_int_equal(b.vm.plugged, 0xd);
    wrong(&b, "device_add", "{\"driver\":\"xen-pci-passthrough\"}", "GenericError");
    wrong(&b, "device_add", "{\"driver\":\"usb-host\"}", "GenericError");
    wrong(&b, "device_add", "{}", "GenericError");
    wrong(&b, "device_del", "{\"id\":\"pci-pt-01_00.0\"}", "DeviceNotFound");
    end(&b);
}

static void cd_change_by_descriptor(void **state)
{
    int before = open_fds(), image = scratch_file("CD001"), other = scratch_file("other");
    struct bench b;
    char text[256];
    json_t *j;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    ok(&b, "eject", "{\"id\":\"ide-5632\"}");
    ok(&b, "eject", "{\"id\":\"ide-5632\"}");
    assert_string_equal(b.vm.ejected, "ide-5632");
    send_fd(b.fd,
            "{\"execute\":\"add-fd\",\"arguments\":{\"opaque\":\"raw:/srv/a:b.iso\"},\"id\":1}",
            &image, 1);
    settle(&b);
    receive(b.fd, text, sizeof text);
    j = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "return"), "fdset-id")),
                     0);
    json_decref(j);
    /* A second one gets a set of its own. */
    send_fd(b.fd, "{\"execute\":\"add-fd\",\"id\":2}", &other, 1);
    settle(&b);
    receive(b.fd, text, sizeof text);
    assert_non_null(strstr(text, "\"fdset-id\":1"));
    j = run(&b, "query-fdsets", NULL, NULL);
    assert_int_equal(json_array_size(j), 2);
    json_decref(j);
    ok(&b, "blockdev-change-medium",
       "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/0\",\"format\":\"raw\"}");
    assert_string_equal(b.vm.medium, "/srv/a:b.iso");
    assert_string_equal(b.vm.format, "raw");
    assert_string_equal(b.vm.medium_bytes, "CD001");
    wrong(&b, "blockdev-change-medium", "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/9\"}",
          "GenericError");
    wrong(&b, "blockdev-change-medium", "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/\"}",
          "GenericError");
    ok(&b, "remove-fd", "{\"fdset-id\":1}");
    wrong(&b, "remove-fd", "{\"fdset-id\":1}", "GenericError");
    end(&b);
    close(image);
    close(other);
    assert_int_equal(open_fds(), before);
}

static void eject_errors(void **state)
{
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    wrong(&b, "eject", "{\"id\":\"ide-768\"}", "DeviceNotFound");
    wrong(&b, "eject", "{}", "GenericError");
    b.vm.tray_locked = true;
    wrong(&b, "eject", "{\"id\":\"ide-5632\"}", "GenericError");
    assert_false(b.vm.forced);
    ok(&b, "eject", "{\"device\":\"ide-5632\",\"force\":true}");
    assert_true(b.vm.forced);
    end(&b);
}

static void descriptors_do_not_leak(void **state)
{
    int before = open_fds(), file = scratch_file("x"), many[12];
    struct bench b;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = file;
    start(&b, &fake_ops);
    negotiate(&b);
    wrong(&b, "add-fd", NULL, "GenericError"); /* none came */
    /* Never claimed, more than are kept, and claimed but never used. */
    for (int i = 0; i < 10; i++) {
        send_fd(b.fd, "{\"execute\":\"query-vnc\"}", many, ARRAY_SIZE(many));
        settle(&b);
    }
    assert_in_range(open_fds(), (uintmax_t)before, (uintmax_t)before + 4 + 8);
    for (int i = 0; i < 60; i++) {
        send_fd(b.fd, "{\"execute\":\"add-fd\"}", &file, 1);
        settle(&b);
    }
    assert_in_range(open_fds(), (uintmax_t)before, (uintmax_t)before + 4 + 8 + 32);
    close(b.fd);
    b.fd = -1;
    settle(&b);
    b.fd = join(&b);
    negotiate(&b);
    assert_int_equal(open_fds(), before + 1 + 3); /* the file, the loop, both ends */
    end(&b);
    close(file);
    assert_int_equal(open_fds(), before);
}

static void save_to_descriptor(void **state)
{
    int file = scratch_file(""), reading;
    char path[64], text[512];
    struct bench b;

    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    reading = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reading >= 0);
    start(&b, &fake_ops);
    negotiate(&b);
    send_fd(b.fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":5}}", &reading, 1);
    settle(&b);
    receive(b.fd, text, sizeof text);
    assert_non_null(strstr(text, "\"fdset-id\":5"));
    wrong(&b, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/5\",\"live\":true}",
          "GenericError");
    send_fd(b.fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":5}}", &file, 1);
    settle(&b);
    receive(b.fd, text, sizeof text);
    ok(&b, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/5\",\"live\":true}");
    assert_true(b.vm.saved_live);
    assert_int_equal(pread(file, text, sizeof text, 0), 5);
    wrong(&b, "xen-save-devices-state", "{\"filename\":\"/etc/passwd\"}", "GenericError");
    end(&b);
    close(file);
    close(reading);
}

static void monitor_answers_text(void **state)
{
    static const char *const lines[] = { "info status", "info block", "info chardev",
                                         "info pci",    "info cpus",  "info version",
                                         "help",        "frobnicate", "" };
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char args[128];
        json_t *j;

        snprintf(args, sizeof args, "{\"command-line\":\"%s\"}", lines[i]);
        j = run(&b, "human-monitor-command", args, NULL);
        assert_true(json_is_string(j));
        assert_true(json_string_length(j) > 0);
        json_decref(j);
    }
    wrong(&b, "human-monitor-command", "{}", "GenericError");
    end(&b);
}

static void unknown_and_colo(void **state)
{
    static const char *const names[] = { "nbd-server-start", "xen-load-devices-state",
                                         "xen-colo-do-checkpoint", "query-cpus", "" };
    struct bench b;

    (void)state;
    start(&b, &fake_ops);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        wrong(&b, names[i], NULL, "CommandNotFound");
    end(&b);
}

/* A probe run has no machine: nothing may be answered as if there were one. */
static void without_a_machine(void **state)
{
    static const struct vm_ops none = { .quit = fake_quit };
    static const char *const names[] = {
        "query-status",
        "query-chardev",
        "cont",
        "stop",
        "query-pci",
        "query-cpus-fast",
        "query-hotpluggable-cpus",
        "query-block",
        "query-blockstats",
        "system_wakeup",
    };
    struct bench b;

    (void)state;
    start(&b, &none);
    negotiate(&b);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        wrong(&b, names[i], NULL, "GenericError");
    wrong(&b, "eject", "{\"id\":\"ide-768\"}", "GenericError");
    wrong(&b, "blockdev-change-medium", "{\"id\":\"a\",\"filename\":\"/x\"}", "GenericError");
    wrong(&b, "device_add", "{\"driver\":\"xen-vcpu\",\"socket-id\":1}", "GenericError");
    wrong(&b, "xen-set-global-dirty-log", "{\"enable\":true}", "GenericError");
    wrong(&b, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/0\"}", "GenericError");
    json_decref(run(&b, "human-monitor-command", "{\"command-line\":\"info status\"}", NULL));
    json_decref(run(&b, "human-monitor-command", "{\"command-line\":\"info block\"}", NULL));
    ok(&b, "query-command-line-options", NULL);
    ok(&b, "quit", NULL);
    assert_int_equal(b.vm.quits, 1);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greets_at_once),
        cmocka_unit_test(commands_wait_for_negotiation),
        cmocka_unit_test(split_at_every_byte),
        cmocka_unit_test(one_byte_at_a_time),
        cmocka_unit_test(ids_of_any_type),
        cmocka_unit_test(malformed_input),
        cmocka_unit_test(too_deep_and_too_long),
        cmocka_unit_test(xentop_reads_without_line_ends),
        cmocka_unit_test(leaving_at_every_byte),
        cmocka_unit_test(answers_after_half_close),
        cmocka_unit_test(who_never_reads_is_dropped),
        cmocka_unit_test(slow_reader_gets_everything),
        cmocka_unit_test(connections_overlap),
        cmocka_unit_test(listens_and_replaces_stale_sockets),
        cmocka_unit_test(inherited_socket),
        cmocka_unit_test(life_cycle),
        cmocka_unit_test(what_libxl_reads),
        cmocka_unit_test(vcpu_hotplug),
        cmocka_unit_test(cd_change_by_descriptor),
        cmocka_unit_test(eject_errors),
        cmocka_unit_test(descriptors_do_not_leak),
        cmocka_unit_test(save_to_descriptor),
        cmocka_unit_test(monitor_answers_text),
        cmocka_unit_test(unknown_and_colo),
        cmocka_unit_test(without_a_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
