/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest - see guest.h. */
#include "tests/qtest/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, ARGUMENTS = 64, GUESTS = 4 };

static struct guest *running[GUESTS]; /* to be ended after a failure */
static pid_t spawned;                 /* the same, without sockets; 0: none */

/* --- Processes. */

/* The directory of this program's own parent: build/tests/qtest-x and build/hvmdm-model. */
static void program_path(char *to, size_t size, const char *program)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 2; i++)
        *strrchr(self, '/') = '\0';
    assert_true(snprintf(to, size, "%.400s/%s", self, program) < (int)size);
}

static unsigned split(char *text, char **words, unsigned n)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert_true(n < ARGUMENTS - 1);
        words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

/* fds: what becomes standard input, output and error; -1: as ours. */
static pid_t run(const char *program, const char *arguments, const int fds[3])
{
    char path[512], *text = strdup(arguments), *words[ARGUMENTS];
    pid_t pid;

    program_path(path, sizeof path, program);
    words[0] = path;
    split(text, words, 1);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody is left behind */
        for (int i = 0; i < 3; i++)
            if (fds[i] >= 0 && dup2(fds[i], i) < 0)
                _exit(126);
        execv(path, words);
        _exit(127);
    }
    free(text);
    assert_true(pid > 0);
    return pid;
}

pid_t guest_spawn(const char *program, const char *arguments, int *in, int *out, int *err)
{
    int *ends[3] = { in, out, err }, fds[3] = { -1, -1, -1 };
    pid_t pid;

    for (int i = 0; i < 3; i++) {
        int pair[2];

        if (!ends[i])
            continue;
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        *ends[i] = pair[i == 0];
        fds[i] = pair[i != 0];
    }
    pid = run(program, arguments, fds);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    spawned = pid;
    return pid;
}

int guest_status(pid_t pid)
{
    int status = 0;

    for (int waited = 0; waitpid(pid, &status, WNOHANG) == 0; waited += 5) {
        assert_true(waited < PATIENCE_MS);
        poll(NULL, 0, 5);
    }
    if (pid == spawned)
        spawned = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* --- Sockets. */

static int listen_at(const struct guest *g, const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", g->dir, name);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void wait_for(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static int accept_at(int listener)
{
    int fd;

    wait_for(listener);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    close(listener);
    return fd;
}

struct guest *guest_start(const char *arguments)
{
    static const int as_ours[3] = { -1, -1, -1 };
    struct guest *g = calloc(1, sizeof *g);
    char text[2048], more[1024];
    int port, monitor;
    unsigned i = 0;

    while (i < GUESTS && running[i])
        i++;
    assert_true(i < GUESTS);
    running[i] = g;
    g->port = g->monitor = -1;
    snprintf(g->dir, sizeof g->dir, "/tmp/qtest.XXXXXX");
    assert_non_null(mkdtemp(g->dir));
    port = listen_at(g, "port");
    monitor = listen_at(g, "monitor");
    snprintf(more, sizeof more, "%s", arguments);
    for (char *at; (at = strstr(more, "%s"));) {
        char rest[1024];

        snprintf(rest, sizeof rest, "%s", at + 2);
        snprintf(at, sizeof more - (size_t)(at - more), "%s%s", g->dir, rest);
    }
    snprintf(text, sizeof text,
             "-qtest unix:%s/port -qtest-log /dev/null -chardev socket,path=%s/monitor,id=char0 "
             "-mon chardev=char0,mode=control -display none %s -accel qtest",
             g->dir, g->dir, more);
    g->pid = run("hvmdm-model", text, as_ours);
    g->port = accept_at(port);
    g->monitor = accept_at(monitor);
    assert_string_equal(guest_ask(g, "endianness"), "OK little");
    assert_non_null(strstr(guest_qmp(g, NULL), "\"QMP\""));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'qmp_capabilities'}"), "return"));
    return g;
}

static void remove_dir(const char *dir)
{
    static const char *const names[] = { "port", "monitor", "disk", "serial", "listen", "0.ctl" };
    char path[128];

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

void guest_free(struct guest *g)
{
    for (unsigned i = 0; i < GUESTS; i++)
        if (running[i] == g)
            running[i] = NULL;
    if (g->port >= 0)
        close(g->port);
    if (g->monitor >= 0)
        close(g->monitor);
    remove_dir(g->dir);
    free(g->in);
    free(g);
}

int guest_wait(struct guest *g)
{
    int status = guest_status(g->pid);

    g->pid = 0;
    return status;
}

void guest_stop(struct guest *g)
{
    kill(g->pid, SIGTERM);
    assert_int_equal(guest_wait(g), 0);
    guest_free(g);
}

void guest_end_all(void)
{
    if (spawned > 0) {
        kill(spawned, SIGKILL);
        waitpid(spawned, NULL, 0);
        spawned = 0;
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        if (!running[i])
            continue;
        if (running[i]->pid > 0) {
            kill(running[i]->pid, SIGKILL);
            waitpid(running[i]->pid, NULL, 0);
        }
        guest_free(running[i]);
    }
}

int guest_teardown(void **state)
{
    (void)state;
    guest_end_all();
    return 0;
}

/* --- The port. */

void guest_send(struct guest *g, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = send(g->port, (const char *)bytes + done, n - done, MSG_NOSIGNAL);

        assert_true(k > 0);
        done += (size_t)k;
    }
}

/* The next line, in a buffer that the next call writes over. */
static char *next_line(struct guest *g)
{
    static char *line;
    static size_t line_room;
    char *end;
    size_t n;

    while (!(end = g->have ? memchr(g->in, '\n', g->have) : NULL)) {
        ssize_t k;

        if (g->have + 65536 > g->room)
            g->in = realloc(g->in, g->room = 2 * g->room + 131072);
        wait_for(g->port);
        k = recv(g->port, g->in + g->have, 65536, 0);
        assert_true(k > 0);
        g->have += (size_t)k;
    }
    n = (size_t)(end - g->in);
    if (n + 1 > line_room)
        line = realloc(line, line_room = n + 1);
    memcpy(line, g->in, n);
    line[n] = '\0';
    g->have -= n + 1;
    memmove(g->in, end + 1, g->have);
    return line;
}

static void notification(struct guest *g, const char *line)
{
    char what[8];
    unsigned n;

    assert_int_equal(sscanf(line, "IRQ %7s %u", what, &n), 2);
    assert_true(n < 24);
    assert_true(g->level[n] == (strcmp(what, "raise") != 0)); /* changes only */
    g->level[n] = !g->level[n];
    g->edges[n]++;
}

const char *guest_answer(struct guest *g)
{
    char *line = next_line(g);

    while (strncmp(line, "IRQ ", 4) == 0) {
        notification(g, line);
        line = next_line(g);
    }
    return line;
}

const char *guest_ask(struct guest *g, const char *format, ...)
{
    char text[4096];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof text - 1);
    text[n++] = '\n';
    guest_send(g, text, (size_t)n);
    return guest_answer(g);
}

static uint64_t value_of(const char *answer)
{
    assert_int_equal(strncmp(answer, "OK 0x", 5), 0);
    return strtoull(answer + 3, NULL, 16);
}

static void expect_ok(const char *answer)
{
    assert_string_equal(answer, "OK");
}

uint8_t guest_inb(struct guest *g, unsigned port)
{
    return (uint8_t)value_of(guest_ask(g, "inb 0x%x", port));
}

uint16_t guest_inw(struct guest *g, unsigned port)
{
    return (uint16_t)value_of(guest_ask(g, "inw 0x%x", port));
}

uint32_t guest_inl(struct guest *g, unsigned port)
{
    return (uint32_t)value_of(guest_ask(g, "inl 0x%x", port));
}

void guest_outb(struct guest *g, unsigned port, unsigned v)
{
    expect_ok(guest_ask(g, "outb 0x%x 0x%x", port, v));
}

void guest_outw(struct guest *g, unsigned port, unsigned v)
{
    expect_ok(guest_ask(g, "outw 0x%x 0x%x", port, v));
}

void guest_outl(struct guest *g, unsigned port, uint32_t v)
{
    expect_ok(guest_ask(g, "outl 0x%x 0x%x", port, v));
}

uint32_t guest_config(struct guest *g, unsigned devfn, unsigned reg)
{
    guest_outl(g, 0xcf8, 0x80000000u | devfn << 8 | reg);
    return guest_inl(g, 0xcfc);
}

void guest_set_config(struct guest *g, unsigned devfn, unsigned reg, uint32_t v)
{
    guest_outl(g, 0xcf8, 0x80000000u | devfn << 8 | reg);
    guest_outl(g, 0xcfc, v);
}

void guest_read(struct guest *g, uint64_t addr, void *to, size_t n)
{
    const char *answer = guest_ask(g, "read 0x%llx 0x%zx", (unsigned long long)addr, n);

    assert_int_equal(strlen(answer), 5 + 2 * n);
    for (size_t i = 0; i < n; i++) {
        char digits[3] = { answer[5 + 2 * i], answer[6 + 2 * i], 0 };

        ((uint8_t *)to)[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

void guest_write(struct guest *g, uint64_t addr, const void *from, size_t n)
{
    char *text = malloc(64 + 2 * n);
    int used = sprintf(text, "write 0x%llx 0x%zx 0x", (unsigned long long)addr, n);

    for (size_t i = 0; i < n; i++)
        used += sprintf(text + used, "%02x", ((const uint8_t *)from)[i]);
    text[used++] = '\n';
    guest_send(g, text, (size_t)used);
    free(text);
    expect_ok(guest_answer(g));
}

uint64_t guest_step(struct guest *g, int64_t ns)
{
    const char *answer = guest_ask(g, "clock_step %lld", (long long)ns);

    assert_int_equal(strncmp(answer, "OK ", 3), 0);
    return strtoull(answer + 3, NULL, 10);
}

void guest_intercept(struct guest *g)
{
    expect_ok(guest_ask(g, "irq_intercept_in ioapic"));
}

/* --- The monitor. */

static const char *next_message(struct guest *g)
{
    static char message[65536];
    size_t n = 0;

    do {
        wait_for(g->monitor);
        assert_true(n < sizeof message - 1);
        assert_int_equal(recv(g->monitor, message + n, 1, 0), 1);
    } while (message[n++] != '\n');
    message[n] = '\0';
    return message;
}

const char *guest_qmp(struct guest *g, const char *command)
{
    const char *answer;

    if (command)
        assert_int_equal(send(g->monitor, command, strlen(command), MSG_NOSIGNAL),
                         (ssize_t)strlen(command));
    do
        answer = next_message(g);
    while (strstr(answer, "\"event\""));
    return answer;
}

const char *guest_event(struct guest *g, const char *name)
{
    const char *message;
    char want[64];

    snprintf(want, sizeof want, "\"event\":\"%s\"", name);
    do
        message = next_message(g);
    while (!strstr(message, want));
    return message;
}
