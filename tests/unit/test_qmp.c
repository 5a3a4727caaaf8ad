/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_qmp - the QMP server as a server: greeting, framing, ids, clients that come, go, flood and
 * never read. Its commands are tested in test_qmp_commands.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/monitor.h"

static void greets_at_once(void **state)
{
    struct monitor m;
    char text[512];

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    client_receive(m.fd, text, sizeof text);
    assert_string_equal(text,
                        "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":0},"
                        "\"package\":\"\"},\"capabilities\":[]}}\r\n");
    monitor_end(&m);
}

static void commands_wait_for_negotiation(void **state)
{
    struct monitor m;
    char text[512];

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    client_receive(m.fd, text, sizeof text);
    monitor_wrong(&m, "cont", NULL, "CommandNotFound");
    assert_int_equal(m.vm.conts, 0);
    monitor_ok(&m, "qmp_capabilities", NULL);
    monitor_ok(&m, "cont", NULL);
    assert_int_equal(m.vm.conts, 1);
    monitor_end(&m);
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
        struct monitor m;

        monitor_start(&m, &fake_vm_ops);
        client_receive(m.fd, answer, sizeof answer);
        if (at)
            client_say(m.fd, text, at);
        client_settle(m.loop);
        client_say(m.fd, text + at, sizeof text - 1 - at);
        client_settle(m.loop);
        client_receive(m.fd, answer, sizeof answer);
        assert_string_equal(answer, want);
        monitor_end(&m);
    }
}

static void one_byte_at_a_time(void **state)
{
    static const char text[] = "{'execute':'qmp_capabilities'}{'execute':'query-vnc'}";
    struct monitor m;
    char answer[512];

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    client_receive(m.fd, answer, sizeof answer);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        client_say(m.fd, text + i, 1);
        client_settle(m.loop);
    }
    client_receive(m.fd, answer, sizeof answer);
    assert_string_equal(answer, "{\"return\":{}}\r\n{\"return\":{\"enabled\":false}}\r\n");
    monitor_end(&m);
}

static void ids_of_any_type(void **state)
{
    static const char *const ids[] = { "1",    "2020372736", "-5",         "\"x\"", "null",
                                       "true", "[1,2]",      "{\"k\":{}}", "1.5" };
    char text[256], want[256];
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        snprintf(text, sizeof text, "{\"execute\":\"stop\",\"id\":%s}", ids[i]);
        snprintf(want, sizeof want, "{\"return\":{},\"id\":%s}\r\n", ids[i]);
        assert_string_equal(monitor_ask(&m, text), want);
        snprintf(text, sizeof text, "{\"execute\":\"no-such\",\"id\":%s}", ids[i]);
        snprintf(want, sizeof want, "\"id\":%s}\r\n", ids[i]);
        assert_non_null(strstr(monitor_ask(&m, text), want));
    }
    monitor_end(&m);
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
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *answer = monitor_ask(&m, rows[i]);

        if (!strstr(answer, "{\"error\":{\"class\":\"GenericError\",\"desc\":\""))
            fail_msg("row %zu: \"%s\"", i, answer);
        monitor_ask(&m, "\n"); /* end of a line that is being skipped */
        answer = monitor_ask(&m, "{\"execute\":\"query-vnc\",\"id\":3}");
        assert_string_equal(answer, "{\"return\":{\"enabled\":false},\"id\":3}\r\n");
    }
    assert_int_equal(m.vm.stops, 0);
    monitor_end(&m);
}

static void too_deep_and_too_long(void **state)
{
    enum { LONG = (1 << 20) + 4096 };
    char deep[200], *much = malloc(LONG);
    struct monitor m;
    const char *answer;

    (void)state;
    assert_non_null(much);
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    memset(deep, '[', 99);
    memset(deep + 99, ']', 99);
    deep[0] = '{';
    deep[197] = '}';
    deep[198] = '\0';
    answer = monitor_ask(&m, deep);
    assert_non_null(strstr(answer, "nested too deeply"));
    monitor_ok(&m, "query-vnc", NULL);
    memset(much, 'a', LONG);
    memcpy(much, "{\"x\":\"", 6);
    for (size_t at = 0; at < LONG; at += 4096) {
        client_say(m.fd, much + at, 4096);
        client_settle(m.loop);
    }
    answer = monitor_ask(&m, "{{{\"}");
    assert_non_null(strstr(answer, "too long"));
    assert_null(strchr(strchr(answer, '\n') + 1, '\n')); /* reported once */
    monitor_ok(&m, "query-vnc", NULL);
    free(much);
    monitor_end(&m);
}

static void xentop_reads_without_line_ends(void **state)
{
    struct monitor m;
    json_t *j, *list;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_ask(&m, "{\"execute\":\"qmp_capabilities\"}");
    j = json_loads(monitor_ask(&m, "{ \"execute\" : \"query-blockstats\" }"), 0, NULL);
    list = json_object_get(j, "return");
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "device")),
                        "ide0-hd0");
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json_array_get(list, 0), "stats"), "wr_operations")),
                     2);
    json_decref(j);
    j = json_loads(monitor_ask(&m, "{ \"execute\" : \"query-block\" }"), 0, NULL);
    list = json_object_get(j, "return");
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_array_get(list, 0), "inserted"), "file")),
                        "/srv/?.img");
    assert_null(json_object_get(json_array_get(list, 1), "inserted"));
    json_decref(j);
    monitor_end(&m);
}

static void leaving_at_every_byte(void **state)
{
    static const char text[] = "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-block\"}";
    int before = monitor_open_fds();

    (void)state;
    for (size_t at = 0; at <= sizeof text - 1; at++) {
        struct monitor m;

        monitor_start(&m, &fake_vm_ops);
        if (at)
            client_say(m.fd, text, at);
        close(m.fd); /* the answers find nobody */
        m.fd = -1;
        client_settle(m.loop);
        m.fd = monitor_join(&m);
        monitor_negotiate(&m);
        monitor_end(&m);
        monitor_start(&m, &fake_vm_ops);
        if (at)
            client_say(m.fd, text, at);
        monitor_end(&m); /* we leave first */
    }
    assert_int_equal(monitor_open_fds(), before);
}

static void answers_after_half_close(void **state)
{
    char answer[1024];
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    client_say(m.fd, "{\"execute\":\"qmp_capabilities\"}", 30);
    assert_int_equal(shutdown(m.fd, SHUT_WR), 0);
    client_settle(m.loop);
    client_receive(m.fd, answer, sizeof answer);
    assert_non_null(strstr(answer, "{\"return\":{}}\r\n"));
    assert_int_equal(recv(m.fd, answer, 1, MSG_DONTWAIT), 0); /* closed */
    monitor_end(&m);
}

static void who_never_reads_is_dropped(void **state)
{
    static const char text[] = "{\"execute\":\"query-commands\"}";
    struct monitor m;
    int before, i;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    before = monitor_open_fds();
    for (i = 0; i < 10000; i++) {
        if (send(m.fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        client_settle(m.loop);
    }
    assert_in_range(i, 100, 9999);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(monitor_open_fds(), before - 1);
    close(m.fd);
    m.fd = monitor_join(&m);
    monitor_negotiate(&m);
    monitor_end(&m);
}

static void slow_reader_gets_everything(void **state)
{
    static const char text[] = "{\"execute\":\"query-commands\"}";
    char piece[257];
    struct monitor m;
    size_t lines = 0, n;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (int i = 0; i < 600; i++) {
        client_say(m.fd, text, sizeof text - 1);
        client_settle(m.loop);
    }
    while ((n = client_receive(m.fd, piece, sizeof piece))) {
        for (size_t i = 0; i < n; i++)
            lines += piece[i] == '\n';
        client_settle(m.loop);
    }
    assert_int_equal(lines, 600);
    monitor_end(&m);
}

static void connections_overlap(void **state)
{
    int fds[40], before = monitor_open_fds();
    struct monitor m;
    char text[512];

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = monitor_join(&m);
        monitor_ok(&m, "query-vnc", NULL); /* whoever talks is not the one that goes */
    }
    assert_true(monitor_open_fds() <= before + 2 + 2 + (int)ARRAY_SIZE(fds) + 15);
    /* The oldest silent ones were closed, the newest serve. */
    client_receive(fds[0], text, sizeof text);
    assert_int_equal(recv(fds[0], text, 1, MSG_DONTWAIT), 0);
    close(m.fd);
    m.fd = fds[39];
    monitor_negotiate(&m);
    for (size_t i = 0; i < 39; i++)
        close(fds[i]);
    monitor_end(&m);
    assert_int_equal(monitor_open_fds(), before);
}

static void listens_and_replaces_stale_sockets(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/test_qmp.XXXXXX", path[64];
    struct error e = { "" };
    struct stat st;
    struct monitor m;
    int stale, other;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/qmp-libxl-7", dir);
    memcpy(a.sun_path, path, sizeof path);
    stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(stale, (struct sockaddr *)&a, sizeof a), 0);
    monitor_start(&m, &fake_vm_ops);
    assert_int_equal(qmp_listen_path(m.q, path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(m.fd);
    /* Clients that come before we look, as libxl does: none is refused. */
    m.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(m.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(connect(other, (struct sockaddr *)&a, sizeof a), 0);
    client_settle(m.loop);
    monitor_negotiate(&m);
    close(other);
    /* What is no socket is not removed. */
    snprintf(path, sizeof path, "%s/file", dir);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(qmp_listen_path(m.q, path, &e), -EEXIST);
    assert_non_null(strstr(e.text, path));
    unlink(path);
    unlink(a.sun_path);
    assert_int_equal(rmdir(dir), 0);
    close(stale);
    monitor_end(&m);
}

static void inherited_socket(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(sa_family_t);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];
    struct error e = { "" };
    struct monitor m;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, size), 0); /* an abstract name */
    size = sizeof a;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    assert_int_equal(listen(listener, 1), 0);
    monitor_start(&m, &fake_vm_ops);
    assert_int_equal(qmp_listen_fd(m.q, listener, &e), 0);
    assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    close(m.fd);
    m.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(m.fd, (struct sockaddr *)&a, size), 0);
    client_settle(m.loop);
    monitor_negotiate(&m);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(qmp_listen_fd(m.q, pair[0], &e), -EINVAL);
    assert_non_null(strstr(e.text, "no listening socket"));
    close(pair[0]);
    close(pair[1]);
    monitor_end(&m);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
