/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_start - how the program starts and ends as a client of the test port knows it. */
#include "tests/qtest/guest.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Everything that comes until the end, as text. */
static void read_all(int fd, char *to, size_t size)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t n = 0;
    ssize_t k;

    do {
        assert_int_equal(poll(&p, 1, 20000), 1);
        k = n < size - 1 ? read(fd, to + n, size - 1 - n) : 0;
        n += k > 0 ? (size_t)k : 0;
    } while (k > 0);
    to[n] = '\0';
    close(fd);
}

GUEST_TEST(ends_with_status_0_when_asked, "")
{
    EXPECT_EQ(guest_inb(g, 0x64) & 1, 0);
}

GUEST_TEST(needs_no_board, "-machine none")
{
    assert_string_equal(guest_ask(g, "read 0 4"), "OK 0x00000000");
    EXPECT_EQ(guest_inl(g, 0xcfc), 0xffffffff);
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-version'}"), "hvmdm"));
}

static void ends_with_the_port(void **state)
{
    struct guest *g = guest_start("");

    (void)state;
    close(g->port);
    g->port = -1;
    EXPECT_EQ(guest_wait(g), 0);
    guest_free(g);
}

static void outlives_the_monitor(void **state)
{
    struct guest *g = guest_start("");

    (void)state;
    close(g->monitor);
    g->monitor = -1;
    EXPECT_EQ(guest_inb(g, 0x80), 0);
    guest_stop(g);
}

static void ends_by_quit(void **state)
{
    struct guest *g = guest_start("");

    (void)state;
    assert_non_null(strstr(guest_qmp(g, "{'execute':'quit'}"), "return"));
    EXPECT_EQ(guest_wait(g), 0);
    guest_free(g);
}

static void refuses_by_name(void **state)
{
    static const struct {
        const char *arguments, *names;
    } wrong[] = {
        { "-accel qtest -frobnicate", "frobnicate" },
        { "-accel qtest -device warp-drive", "warp-drive" },
        { "-accel qtest -machine q35", "q35" },
        { "-accel qtest -machine pc,colour=red", "colour" },
        { "-accel qtest -m", "-m" },
        { "-accel qtest -m 12X", "12X" },
        { "-accel qtest -m 99999999G", "99999999G" },
        { "-accel qtest -boot order=xyz", "xyz" },
        { "-accel qtest -drive file=/nowhere/at/all,format=raw", "/nowhere/at/all" },
        { "-accel qtest -drive file=/dev/null,format=qcow2", "qcow2" },
        { "-accel qtest -drive if=none", "id=" },
        { "-accel qtest -drive if=scsi", "scsi" },
        { "-accel qtest -device ide-hd,drive=none", "none" },
        { "-accel qtest -device ide-cd,bus=ide.7", "ide.7" },
        { "-accel qtest -device ide-cd -device ide-cd -device ide-cd -device ide-cd "
          "-device ide-cd",
          "no free place" },
        { "-accel qtest -chardev socket,id=a", "path=" },
        { "-accel qtest -mon chardev=b", "b" },
        { "-qtest unix:/nowhere/at/all", "/nowhere/at/all" },
        { "-qtest tcp:1", "tcp:1" },
        { "-qtest unix:/tmp/x,frob=1", "frob" },
        { "-accel qtest -uuid 12", "12" },
        { "-accel qtest -netdev vde,id=n", "vde" },
        { "-accel qtest -netdev none", "id=" },
        { "-accel qtest -netdev socket,id=n,fd=x", "fd=x" },
        { "-accel qtest -device e1000,netdev=nowhere", "nowhere" },
        { "-accel qtest -device e1000,addr=1", "\"1\"" },
        { "-accel qtest -device e1000,addr=4.1", "4.1" },
        { "-accel qtest -device e1000,mac=1", "\"1\"" },
        { "-accel qtest -device e1000,colour=red", "colour" },
        { "-accel qtest -device VGA -device e1000,addr=2", "slot" },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[2048];
        int err;
        pid_t pid = guest_spawn("hvmdm-model", wrong[i].arguments, NULL, NULL, &err);

        read_all(err, text, sizeof text);
        if (guest_status(pid) != 1 || !strstr(text, wrong[i].names))
            fail_msg("%s: %s", wrong[i].arguments, text);
    }
}

static void speaks_on_standard_streams(void **state)
{
    static const char requests[] = "endianness\ninb 0x80\nfrob\nclock_step 7\nread 0 4";
    char text[1024];
    int in, out;
    /* hvmdm itself, as well: it has nothing to supervise then. */
    pid_t pid = guest_spawn("hvmdm", "-qtest stdio -qtest-log none -machine pc -accel qtest", &in,
                            &out, NULL);

    (void)state;
    EXPECT_EQ(write(in, requests, strlen(requests)), (ssize_t)strlen(requests));
    close(in);
    read_all(out, text, sizeof text);
    assert_string_equal(text, "OK little\nOK 0x0000\nFAIL Unknown command 'frob'\nOK 7\n");
    EXPECT_EQ(guest_status(pid), 0);
}

static void logs_on_standard_error(void **state)
{
    char text[1024];
    int in, out, err;
    pid_t pid = guest_spawn("hvmdm-model", "-qtest stdio", &in, &out, &err);

    (void)state;
    EXPECT_EQ(write(in, "inb 0x80\n", 9), 9);
    close(in);
    read_all(err, text, sizeof text);
    close(out);
    EXPECT_EQ(guest_status(pid), 0);
    EXPECT_TRUE(strncmp(text, "[R +0.0", 7) == 0);
    assert_non_null(strstr(text, "] inb 0x80\n[S +"));
    assert_non_null(strstr(text, "] OK 0x0000\n"));
}

static void listens_if_told_so(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/qtest.XXXXXX", arguments[256], answer[64];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), tries = 0;
    pid_t pid;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(a.sun_path, sizeof a.sun_path, "%s/listen", dir);
    snprintf(arguments, sizeof arguments, "-qtest unix:path=%s,server=on,wait=off -qtest-log none",
             a.sun_path);
    pid = guest_spawn("hvmdm-model", arguments, NULL, NULL, NULL);
    while (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        EXPECT_TRUE(tries++ < 2000);
        usleep(5000);
    }
    EXPECT_EQ(send(fd, "endianness\n", 11, 0), 11);
    EXPECT_EQ(recv(fd, answer, 10, MSG_WAITALL), 10);
    EXPECT_TRUE(memcmp(answer, "OK little\n", 10) == 0);
    close(fd);
    EXPECT_EQ(guest_status(pid), 0);
    unlink(a.sun_path);
    rmdir(dir);
}

/* Many requests before the first answer is read, and answers of a megabyte. */
GUEST_TEST(takes_requests_ahead_and_long_lines, "-m 16")
{
    static uint8_t bytes[1 << 20], back[1 << 20];

    /* More than both sockets hold. */
    for (unsigned i = 0; i < 20000; i++)
        guest_send(g, "outb 0x80 0x12\ninb 0x80\n", 24);
    for (unsigned i = 0; i < 20000; i++) {
        assert_string_equal(guest_answer(g), "OK");
        assert_string_equal(guest_answer(g), "OK 0x0012");
    }
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    guest_write(g, 0x100000, bytes, sizeof bytes);
    guest_read(g, 0x100000, back, sizeof back);
    EXPECT_TRUE(memcmp(bytes, back, sizeof bytes) == 0);
    for (unsigned i = 0; i < 8; i++)
        guest_send(g, "read 0x100000 0x100000\n", 23);
    for (unsigned i = 0; i < 8; i++)
        EXPECT_EQ(strlen(guest_answer(g)), 5 + 2 * sizeof bytes);
}

GUEST_TEST(survives_nonsense, "")
{
    uint32_t seed = 12345;
    char line[300];
    unsigned lines = 0;

    for (unsigned i = 0; i < 2000; i++) {
        size_t n = seed % sizeof line;

        for (size_t k = 0; k < n; k++) {
            seed = seed * 1664525 + 1013904223;
            line[k] = (char)(seed >> 24);
            lines += line[k] == '\n';
        }
        guest_send(g, line, n);
    }
    guest_send(g, "\nendianness\n", 12);
    for (unsigned i = 0; i <= lines; i++) {
        const char *answer = guest_answer(g);

        EXPECT_TRUE(!strncmp(answer, "FAIL ", 5) || !strncmp(answer, "ERR ", 4));
    }
    assert_string_equal(guest_answer(g), "OK little");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ends_with_status_0_when_asked),
        T(needs_no_board),
        T(ends_with_the_port),
        T(outlives_the_monitor),
        T(ends_by_quit),
        T(refuses_by_name),
        T(speaks_on_standard_streams),
        T(logs_on_standard_error),
        T(listens_if_told_so),
        T(takes_requests_ahead_and_long_lines),
        T(survives_nonsense),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
