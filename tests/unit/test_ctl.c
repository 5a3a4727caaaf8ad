/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ctl - the control socket, hvmdm-ctl against it, and the PNG files it writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <png.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "display/png.h"
#include "ioreq/loop.h"
#include "tests/client.h"
#include "tests/fake_vm.h"
#include "toolstack/ctl.h"
#include "toolstack/version.h"

static const struct vm_ops no_ops;
static const struct fake_vm machine = {
    .status = VM_RUNNING, .plugged = 3, .width = 640, .height = 480, .cd = "/srv/cd.iso"
};
static const struct ctl_info info = { .domid = 7, .name = "web", .machine = "xenfv" };

/* ---- the server in this process ------------------------------------------------------------- */

struct bench {
    char dir[32];
    struct loop *loop;
    struct ctl *ctl;
    struct fake_vm vm;
    int fd;
};

static int join(struct bench *b)
{
    int server, fd = client_pair(&server);

    assert_int_equal(ctl_connection(b->ctl, server), 0);
    return fd;
}

static void start(struct bench *b, const struct vm_ops *ops)
{
    struct error e = { "" };

    *b = (struct bench){ .dir = "/tmp/test_ctl.XXXXXX", .vm = machine };
    assert_non_null(mkdtemp(b->dir));
    b->loop = b->vm.loop = loop_new();
    assert_non_null(b->loop);
    if (ctl_open(b->loop, b->dir, &info, ops, &b->vm, &b->ctl, &e) < 0)
        fail_msg("%s", e.text);
    b->fd = join(b);
}

static void end(struct bench *b)
{
    if (b->fd >= 0)
        close(b->fd);
    ctl_close(b->ctl);
    loop_free(b->loop);
    assert_int_equal(rmdir(b->dir), 0); /* nothing is left behind */
}

static const char *ask(struct bench *b, const char *text)
{
    return client_ask(b->loop, b->fd, text);
}

static void socket_is_private(void **state)
{
    struct ctl *second = NULL;
    struct error e = { "" };
    char path[64];
    struct stat st;
    struct bench b;

    (void)state;
    start(&b, &fake_vm_ops);
    snprintf(path, sizeof path, "%s/7.ctl", b.dir);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(b.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    /* A newer device model takes the name; the older one does not remove it then. */
    assert_int_equal(ctl_open(b.loop, b.dir, &info, &fake_vm_ops, &b.vm, &second, &e), 0);
    ctl_close(b.ctl);
    assert_int_equal(lstat(path, &st), 0);
    ctl_close(second);
    assert_int_equal(lstat(path, &st), -1);
    /* A directory that others can write is refused. */
    assert_int_equal(chmod(b.dir, 0777), 0);
    assert_int_equal(ctl_open(b.loop, b.dir, &info, &fake_vm_ops, &b.vm, &b.ctl, &e), -EPERM);
    assert_non_null(strstr(e.text, b.dir));
    assert_int_equal(chmod(b.dir, 0700), 0);
    assert_int_equal(ctl_open(b.loop, b.dir, &info, &fake_vm_ops, &b.vm, &b.ctl, &e), 0);
    end(&b);
}

static void makes_its_directory(void **state)
{
    struct error e = { "" };
    struct ctl *c = NULL;
    char dir[64];
    struct stat st;
    struct bench b;

    (void)state;
    start(&b, &fake_vm_ops);
    snprintf(dir, sizeof dir, "%s/sub", b.dir);
    assert_int_equal(ctl_open(b.loop, dir, &info, &fake_vm_ops, &b.vm, &c, &e), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    ctl_close(c);
    assert_int_equal(rmdir(dir), 0);
    snprintf(dir, sizeof dir, "%s/no/such", b.dir);
    assert_int_equal(ctl_open(b.loop, dir, &info, &fake_vm_ops, &b.vm, &c, &e), -ENOENT);
    assert_non_null(strstr(e.text, dir));
    end(&b);
}

static void answers_are_lines(void **state)
{
    struct bench b;
    const char *answer;
    json_t *all, *j;

    (void)state;
    start(&b, &fake_vm_ops);
    answer = ask(&b, "{\"command\":\"status\"}\n");
    assert_ptr_equal(strchr(answer, '\n'), answer + strlen(answer) - 1);
    all = json_loads(answer, 0, NULL);
    j = json_object_get(all, "return");
    assert_string_equal(json_string_value(json_object_get(j, "status")), "running");
    assert_int_equal(json_integer_value(json_object_get(j, "domid")), 7);
    assert_int_equal(json_integer_value(json_object_get(j, "pid")), getpid());
    assert_int_equal(json_array_size(json_object_get(j, "vcpus")), 2);
    assert_int_equal(json_array_size(json_object_get(j, "disks")), 2);
    json_decref(all);
    answer = ask(&b, "{\"command\":\"version\"}{\"command\":\"version\"}");
    assert_string_equal(answer, "{\"return\":{\"version\":\"" HVMDM_VERSION "\"}}\n"
                                "{\"return\":{\"version\":\"" HVMDM_VERSION "\"}}\n");
    assert_string_equal(ask(&b, "{\"command\":\"quit\"}"), "{\"return\":{}}\n");
    assert_int_equal(b.vm.quits, 1);
    end(&b);
}

static void bad_requests(void **state)
{
    static const char *const rows[] = {
        "hello\n",
        "{\"command\":\"explode\"}\n",
        "{\"command\":7}\n",
        "{}\n",
        "{]\n",
        "{\"command\":\"dump\",\"device\":\"nothing\"}\n",
        "{\"command\":\"\xff\"}\n",
        "{\"a\nb\":1}\n",
    };
    struct bench b;

    (void)state;
    start(&b, &fake_vm_ops);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *answer = ask(&b, rows[i]);

        if (strncmp(answer, "{\"error\":\"", 10) || strlen(answer) < 15)
            fail_msg("row %zu: %s", i, answer);
        assert_non_null(strstr(ask(&b, "{\"command\":\"version\"}\n"), "return"));
    }
    end(&b);
    start(&b, &no_ops);
    assert_non_null(strstr(ask(&b, "{\"command\":\"counters\"}"), "error"));
    assert_non_null(strstr(ask(&b, "{\"command\":\"dump\"}"), "error"));
    assert_non_null(strstr(ask(&b, "{\"command\":\"screenshot\"}"), "error"));
    assert_non_null(strstr(ask(&b, "{\"command\":\"quit\"}"), "error"));
    assert_non_null(strstr(ask(&b, "{\"command\":\"status\"}"), "unknown"));
    end(&b);
}

static void dump_has_every_field(void **state)
{
    struct bench b;
    json_t *all, *one;

    (void)state;
    start(&b, &fake_vm_ops);
    all = json_loads(ask(&b, "{\"command\":\"dump\",\"device\":\"uart16550\"}"), 0, NULL);
    one = json_object_get(json_object_get(all, "return"), "devices");
    assert_int_equal(json_array_size(one), 2);
    one = json_array_get(one, 1);
    assert_int_equal(json_integer_value(json_object_get(one, "instance")), 1);
    one = json_object_get(one, "state");
    assert_int_equal(json_integer_value(json_object_get(one, "IER")), 0x0f);
    assert_string_equal(json_string_value(json_object_get(one, "rx")),
                        "0001ab00000000000000000000000000");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(one, "counter"), 1)),
                     0xffff);
    assert_int_equal(json_integer_value(json_object_get(one, "deadline_of_24_letters_x")),
                     0x123456789abc);
    json_decref(all);
    end(&b);
}

/* Counting ends with the last of those who look; others do not count. */
static void meter_is_on_while_somebody_looks(void **state)
{
    struct bench b;
    int second;

    (void)state;
    start(&b, &fake_vm_ops);
    second = join(&b);
    assert_non_null(strstr(ask(&b, "{\"command\":\"counters\"}"), "return"));
    assert_false(b.vm.metered);
    assert_non_null(strstr(ask(&b, "{\"command\":\"top\"}"),
                           "{\"device\":\"uart16550\",\"register\":\"uart.LSR\",\"reads\":"));
    assert_true(b.vm.metered);
    assert_non_null(
        strstr(client_ask(b.loop, second, "{\"command\":\"top\"}"), "\"ns\":2000000000"));
    close(b.fd);
    client_settle(b.loop);
    assert_true(b.vm.metered);
    close(second);
    client_settle(b.loop);
    assert_false(b.vm.metered);
    assert_int_equal(b.vm.meters, 1);
    /* A handover closes all connections, too. */
    b.fd = join(&b);
    ask(&b, "{\"command\":\"top\"}");
    assert_true(b.vm.metered);
    ctl_rest(b.ctl, true);
    assert_false(b.vm.metered);
    ctl_rest(b.ctl, false);
    end(&b);
}

static void trace_is_switched(void **state)
{
    struct bench b;

    (void)state;
    start(&b, &fake_vm_ops);
    assert_string_equal(ask(&b, "{\"command\":\"trace\"}"), "{\"return\":{\"devices\":[]}}\n");
    assert_string_equal(ask(&b, "{\"command\":\"trace\",\"device\":\"uart*\",\"on\":true}"),
                        "{\"return\":{\"devices\":[\"uart16550\"]}}\n");
    assert_non_null(strstr(ask(&b, "{\"command\":\"trace\",\"device\":\"uart*\"}"), "on or off"));
    assert_non_null(
        strstr(ask(&b, "{\"command\":\"trace\",\"device\":\"x\",\"on\":true}"), "error"));
    assert_true(b.vm.traced);
    assert_string_equal(ask(&b, "{\"command\":\"trace\",\"device\":\"uart*\",\"on\":false}"),
                        "{\"return\":{\"devices\":[]}}\n");
    end(&b);
    start(&b, &no_ops);
    assert_non_null(strstr(ask(&b, "{\"command\":\"trace\"}"), "error"));
    assert_non_null(strstr(ask(&b, "{\"command\":\"top\"}"), "error"));
    end(&b);
}

static void picture_follows_its_line(void **state)
{
    struct bench b;
    char *answer, *pixels;
    size_t n = 0, all;
    uint32_t pixel;

    (void)state;
    start(&b, &fake_vm_ops);
    all = 640 * 480 * 4 + 4096;
    answer = malloc(all);
    assert_non_null(answer);
    assert_int_equal(send(b.fd, "{\"command\":\"screenshot\"}", 24, 0), 24);
    for (int i = 0; i < 1000; i++) {
        client_settle(b.loop);
        n += client_receive(b.fd, answer + n, all - n);
    }
    pixels = memchr(answer, '\n', n);
    assert_non_null(pixels);
    *pixels++ = '\0';
    assert_string_equal(answer, "{\"return\":{\"width\":640,\"height\":480,\"bytes\":1228800}}");
    assert_int_equal(n - (size_t)(pixels - answer), 1228800);
    memcpy(&pixel, pixels + (479 * 640 + 77) * 4, 4);
    assert_int_equal(pixel, fake_vm_pixel(77, 479));
    assert_non_null(strstr(ask(&b, "{\"command\":\"version\"}"), "return"));
    free(answer);
    end(&b);
}

static void pictures_do_not_pile_up(void **state)
{
    struct bench b;
    char text[256];
    int second;

    (void)state;
    start(&b, &fake_vm_ops);
    b.vm.width = b.vm.height = 2048;
    assert_int_equal(send(b.fd, "{\"command\":\"screenshot\"}", 24, 0), 24);
    client_settle(b.loop);
    second = join(&b);
    assert_int_equal(send(second, "{\"command\":\"screenshot\"}", 24, 0), 24);
    client_settle(b.loop);
    client_receive(second, text, sizeof text);
    assert_non_null(strstr(text, "another screenshot"));
    close(b.fd); /* leaves in the middle of its picture */
    client_settle(b.loop);
    b.fd = second;
    b.vm.width = b.vm.height = 9;
    assert_non_null(strstr(ask(&b, "{\"command\":\"screenshot\"}"), "\"bytes\":324"));
    b.vm.width = 9000;
    assert_non_null(strstr(ask(&b, "{\"command\":\"screenshot\"}"), "error"));
    end(&b);
}

static void leaving_at_every_byte(void **state)
{
    static const char text[] = "{\"command\":\"screenshot\"}{\"command\":\"status\"}";
    struct bench b;

    (void)state;
    start(&b, &fake_vm_ops);
    for (size_t at = 0; at <= sizeof text - 1; at++) {
        int fd = join(&b);

        if (at)
            assert_int_equal(send(fd, text, at, MSG_NOSIGNAL), (ssize_t)at);
        if (at & 1)
            client_settle(b.loop);
        close(fd);
        client_settle(b.loop);
    }
    assert_non_null(strstr(ask(&b, "{\"command\":\"status\"}"), "running"));
    end(&b);
}

static void who_never_reads_is_dropped(void **state)
{
    struct bench b;
    int i;

    (void)state;
    start(&b, &fake_vm_ops);
    for (i = 0; i < 100000; i++) {
        if (send(b.fd, "{\"command\":\"dump\"}", 18, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        client_settle(b.loop);
    }
    assert_in_range(i, 100, 99999);
    assert_int_equal(errno, EPIPE);
    end(&b);
}

/* ---- hvmdm-ctl against a server in another process ------------------------------------------ */

struct server {
    char dir[32];
    pid_t pid;
};

static void serve(struct server *s)
{
    int ready[2];
    char byte;

    *s = (struct server){ .dir = "/tmp/test_ctl.XXXXXX" };
    assert_non_null(mkdtemp(s->dir));
    assert_int_equal(pipe(ready), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (!s->pid) {
        struct fake_vm vm = machine;
        struct error e = { "" };
        struct ctl *c;

        vm.loop = loop_new();
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
        if (ctl_open(vm.loop, s->dir, &info, &fake_vm_ops, &vm, &c, &e) < 0)
            _exit(1);
        close(ready[0]);
        close(ready[1]);
        loop_run(vm.loop);
        ctl_close(c);
        loop_free(vm.loop);
        _exit(vm.quits == 1 ? 0 : 2);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 0); /* closed: it listens, or it died */
    close(ready[0]);
}

/* Runs hvmdm-ctl with up to five words; returns its exit status and both outputs together. */
static int client(const struct server *s, char *text, size_t size, const char *a, const char *b,
                  const char *c, const char *d)
{
    const char *words[] = { "hvmdm-ctl", "-d", s->dir, a, b, c, d, NULL };
    char *argv[8], *out = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&out, &n);
    int argc = 0, ret;

    while (words[argc]) {
        argv[argc] = (char *)(uintptr_t)words[argc];
        argc++;
    }
    argv[argc] = NULL;
    ret = ctl_client(argc, argv, to, to);
    fclose(to);
    snprintf(text, size, "%s", out);
    free(out);
    return ret;
}

static void stop_serving(struct server *s)
{
    char text[256];
    int status;

    assert_int_equal(client(s, text, sizeof text, "7", "quit", NULL, NULL), 0);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_int_equal(status, 0);
    assert_int_equal(rmdir(s->dir), 0);
}

static void client_commands(void **state)
{
    struct server s;
    char text[8192];
    json_t *j;

    (void)state;
    serve(&s);
    assert_int_equal(client(&s, text, sizeof text, "7", "status", NULL, NULL), 0);
    assert_non_null(strstr(text, "domain 7 (web): running"));
    assert_non_null(strstr(text, "pty:/dev/pts/3"));
    assert_non_null(strstr(text, "/srv/cd.iso (read-only)"));
    assert_int_equal(client(&s, text, sizeof text, "web", "status", "--json", NULL), 0);
    j = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "domid")), 7);
    json_decref(j);
    assert_int_equal(client(&s, text, sizeof text, "web", "counters", NULL, NULL), 0);
    assert_non_null(strstr(text, "piix3_ide"));
    assert_non_null(strstr(text, "      4096"));
    assert_non_null(strstr(text, "DMA BYTES"));
    assert_int_equal(client(&s, text, sizeof text, "--json", "7", "counters", NULL), 0);
    j = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(j, "devices")), 2);
    json_decref(j);
    assert_int_equal(client(&s, text, sizeof text, "7", "dump", "uart16550", NULL), 0);
    assert_non_null(strstr(text, "uart16550 1\n"));
    assert_non_null(strstr(text, "00 01 ab 00"));
    assert_non_null(strstr(text, "0x123456789abc"));
    assert_non_null(strstr(text, "0x1 0xffff 0x3"));
    assert_int_equal(client(&s, text, sizeof text, "7", "version", NULL, NULL), 0);
    assert_string_equal(text, "hvmdm-ctl " HVMDM_VERSION ", hvmdm " HVMDM_VERSION "\n");
    assert_int_equal(client(&s, text, sizeof text, "list", NULL, NULL, NULL), 0);
    assert_non_null(strstr(text, "web\n"));
    stop_serving(&s);
}

static void client_looks_inside(void **state)
{
    char text[8192], *line;
    struct server s;
    json_t *j;

    (void)state;
    serve(&s);
    assert_int_equal(client(&s, text, sizeof text, "7", "top", "--once", NULL), 0);
    assert_ptr_equal(strstr(text, "105 requests a second, busy for 0.1 % of 1.0 s\n"), text);
    line = strstr(text, "         3          2     200.00    0.10  piix3_ide        cmd0.DATA\n");
    assert_non_null(line);
    assert_true(line < strstr(text, "       100          0       2.00    0.02  uart16550        "
                                    "uart.LSR\n")); /* what costs most comes first */
    assert_null(strstr(text, "other"));             /* it was not asked */
    assert_int_equal(client(&s, text, sizeof text, "7", "top", "--json", NULL), 0);
    j = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(j, "registers")), 3);
    json_decref(j);
    assert_int_equal(client(&s, text, sizeof text, "7", "state", "uart16550", NULL), 0);
    assert_non_null(strstr(text, "  IER              0xf\n"));
    assert_int_equal(client(&s, text, sizeof text, "7", "trace", "uart*", "on"), 0);
    assert_string_equal(text, "traced: uart16550\n");
    assert_int_equal(client(&s, text, sizeof text, "7", "trace", NULL, NULL), 0);
    assert_string_equal(text, "traced: uart16550\n");
    assert_int_equal(client(&s, text, sizeof text, "7", "trace", "uart*", "off"), 0);
    assert_string_equal(text, "traced: nothing\n");
    assert_int_equal(client(&s, text, sizeof text, "7", "trace", "uart*", "maybe"), 1);
    assert_non_null(strstr(text, "on or off?"));
    assert_int_equal(client(&s, text, sizeof text, "7", "trace", "floppy", "on"), 1);
    assert_non_null(strstr(text, "no device floppy"));
    stop_serving(&s);
}

static void client_mistakes(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct server s;
    char text[8192], path[64];
    int fd;

    (void)state;
    serve(&s);
    assert_int_equal(client(&s, text, sizeof text, "8", "status", NULL, NULL), 1);
    assert_non_null(strstr(text, "no device model is running for domain 8"));
    assert_int_equal(client(&s, text, sizeof text, "db", "status", NULL, NULL), 1);
    assert_non_null(strstr(text, "named \"db\""));
    assert_int_equal(client(&s, text, sizeof text, "7", "explode", NULL, NULL), 1);
    assert_non_null(strstr(text, "\"explode\""));
    assert_int_equal(client(&s, text, sizeof text, "7", "status", "now", NULL), 1);
    assert_non_null(strstr(text, "takes no argument"));
    assert_int_equal(client(&s, text, sizeof text, "7", "dump", "nothing", NULL), 1);
    assert_non_null(strstr(text, "there is no device nothing"));
    assert_int_equal(client(&s, text, sizeof text, "7", "screenshot", NULL, NULL), 1);
    assert_non_null(strstr(text, "name of a file"));
    assert_int_equal(client(&s, text, sizeof text, "7", "screenshot", "/no/such/dir.png", NULL), 1);
    assert_non_null(strstr(text, "/no/such/dir.png"));
    assert_int_equal(client(&s, text, sizeof text, "--what", NULL, NULL, NULL), 1);
    assert_non_null(strstr(text, "--what"));
    assert_int_equal(client(&s, text, sizeof text, "7", NULL, NULL, NULL), 2);
    assert_non_null(strstr(text, "usage:"));
    assert_int_equal(client(&s, text, sizeof text, "--help", NULL, NULL, NULL), 0);
    assert_non_null(strstr(text, "screenshot"));
    /* A socket that a killed device model left behind. */
    snprintf(path, sizeof path, "%s/9.ctl", s.dir);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(a.sun_path, path, sizeof path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    assert_int_equal(client(&s, text, sizeof text, "9", "status", NULL, NULL), 1);
    assert_non_null(strstr(text, "nobody answers"));
    unlink(path);
    stop_serving(&s);
    assert_int_equal(client(&s, text, sizeof text, "list", NULL, NULL, NULL), 0);
    assert_non_null(strstr(text, "no device model is running"));
}

/* ---- PNG ------------------------------------------------------------------------------------ */

/* libpng's reader as the judge of what was written. */
static void check_png(const uint8_t *p, size_t n, const struct surface *want)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    uint8_t *rgb;

    assert_true(png_image_begin_read_from_memory(&image, p, n));
    assert_int_equal(image.width, want->width);
    assert_int_equal(image.height, want->height);
    image.format = PNG_FORMAT_RGB;
    rgb = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(rgb);
    assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    for (size_t i = 0; i < (size_t)want->width * want->height; i++)
        assert_int_equal(rgb[i * 3] << 16 | rgb[i * 3 + 1] << 8 | rgb[i * 3 + 2],
                         want->pixels[i] & 0xffffff);
    free(rgb);
}

static size_t encode(const struct surface *s, uint8_t **bytes)
{
    char path[] = "/tmp/test_ctl.XXXXXX";
    int fd = mkstemp(path);
    struct error e = { "" };
    struct stat st;

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(png_encode(s, fd, &e), 0);
    assert_int_equal(fstat(fd, &st), 0);
    *bytes = malloc((size_t)st.st_size);
    assert_non_null(*bytes);
    assert_int_equal(pread(fd, *bytes, (size_t)st.st_size, 0), st.st_size);
    close(fd);
    return (size_t)st.st_size;
}

static void png_reads_back(void **state)
{
    static const uint32_t sizes[][2] = { { 1, 1 },  { 1, 300 },   { 300, 1 },   { 86, 3 },
                                         { 87, 2 }, { 720, 400 }, { 640, 480 }, { 8192, 2 } };
    uint32_t random = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes) * 3; i++) {
        const uint32_t *size = sizes[i / 3];
        struct surface s;
        uint8_t *bytes;
        size_t n;

        assert_int_equal(surface_init(&s, size[0], size[1], NULL), 0);
        for (size_t k = 0; k < (size_t)size[0] * size[1] && i % 3; k++) {
            random = random * 1103515245 + 12345;
            /* black; noise; long runs that end anywhere */
            if (i % 3 == 1 || (random >> 16) % 100 == 0)
                s.pixels[k] = random >> 8;
        }
        n = encode(&s, &bytes);
        check_png(bytes, n, &s);
        free(bytes);
        surface_free(&s);
    }
}

static void png_errors(void **state)
{
    struct surface s = { 0 };
    struct error e = { "" };
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(png_encode(&s, full, &e), -EINVAL);
    assert_int_equal(surface_init(&s, 0, 1, NULL), -EINVAL);
    assert_int_equal(surface_init(&s, 8193, 1, NULL), -EINVAL);
    assert_int_equal(surface_init(&s, 1, UINT32_MAX, NULL), -EINVAL);
    assert_null(s.pixels);
    assert_int_equal(surface_init(&s, 100, 100, NULL), 0);
    e.text[0] = '\0';
    assert_int_equal(png_encode(&s, full, &e), -ENOSPC);
    assert_non_null(strstr(e.text, "space"));
    surface_free(&s);
    close(full);
}

static void client_screenshot(void **state)
{
    struct surface want;
    struct fake_vm vm = machine;
    char text[1024], path[64];
    struct server s;
    struct stat st;
    uint8_t *bytes;
    int fd;

    (void)state;
    serve(&s);
    snprintf(path, sizeof path, "%s/shot.png", s.dir);
    assert_int_equal(client(&s, text, sizeof text, "web", "screenshot", path, NULL), 0);
    assert_string_equal(text, "");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    bytes = malloc((size_t)st.st_size);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    assert_int_equal(fake_vm_ops.screenshot(&vm, &want, NULL), 0);
    check_png(bytes, (size_t)st.st_size, &want);
    surface_free(&want);
    free(bytes);
    close(fd);
    unlink(path);
    stop_serving(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_is_private),
        cmocka_unit_test(makes_its_directory),
        cmocka_unit_test(answers_are_lines),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(dump_has_every_field),
        cmocka_unit_test(meter_is_on_while_somebody_looks),
        cmocka_unit_test(trace_is_switched),
        cmocka_unit_test(client_looks_inside),
        cmocka_unit_test(picture_follows_its_line),
        cmocka_unit_test(pictures_do_not_pile_up),
        cmocka_unit_test(leaving_at_every_byte),
        cmocka_unit_test(who_never_reads_is_dropped),
        cmocka_unit_test(client_commands),
        cmocka_unit_test(client_mistakes),
        cmocka_unit_test(png_reads_back),
        cmocka_unit_test(png_errors),
        cmocka_unit_test(client_screenshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
