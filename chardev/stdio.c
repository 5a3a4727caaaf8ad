/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdio - a character stream on our own standard input and output, for starting by hand.
 *
 * A terminal passes bytes as they are typed; its signal keys keep working. Both ends are opened
 * again where possible, because non-blocking mode would otherwise hit everybody who shares the
 * terminal, the shell that started us included.
 * Absent: input from regular files; putting the terminal back after we were killed.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/internal.h"

struct stdio {
    struct stream output; /* first member */
    struct loop_source input;
    bool input_ended;
    bool raw;
    struct termios before; /* valid if raw */
};

static void stdio_input_update(struct stdio *s)
{
    bool wanted = s->output.base.user && !s->output.paused && !s->input_ended;

    if (wanted == s->input.active)
        return;
    if (!wanted)
        loop_remove(s->output.loop, &s->input);
    else if (loop_add(s->output.loop, &s->input, EPOLLIN) < 0)
        s->input_ended = true; /* /dev/null or a file */
}

static void stdio_input_ready(void *opaque, uint32_t events)
{
    struct stdio *s = opaque;
    ssize_t n = chardev_receive(&s->output.base, s->input.fd);

    (void)events;
    if (n == 0)
        s->output.paused = true;
    else if (n < 0 && n != -EAGAIN)
        s->input_ended = true;
    stdio_input_update(s);
}

static void stdio_lost(struct stream *s)
{
    stream_hang_up(s);
}

static void stdio_kick(struct chardev *c)
{
    stream_kick(c);
    stdio_input_update((struct stdio *)c);
}

static void stdio_close(struct chardev *c)
{
    struct stdio *s = (struct stdio *)c;

    loop_remove(s->output.loop, &s->input);
    if (s->raw)
        tcsetattr(s->input.fd, TCSADRAIN, &s->before);
    if (s->input.fd >= 0)
        close(s->input.fd);
    stream_hang_up(&s->output);
    free(s);
}

static const struct chardev_ops stdio_ops = {
    .write = stream_write,
    .kick = stdio_kick,
    .close = stdio_close,
};

/* A non-blocking descriptor for the same thing as fd. */
static int stdio_reopen(int fd, int flags)
{
    char name[32];
    int copy;

    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    copy = open(name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_APPEND);
    if (copy >= 0)
        return copy;
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* a socket: it cannot be opened again */
    if (copy >= 0)
        fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
    return copy;
}

int chardev_stdio_open(struct loop *l, const char *label, const char *what,
                       const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    struct stdio *s = (struct stdio *)chardev_new(sizeof *s, &stdio_ops, label, "stdio");
    struct termios t;

    (void)what;
    (void)kept; /* every process has them */
    if (!s)
        return error_set(e, -ENOMEM, "%s: out of memory", label);
    s->input.fd = stdio_reopen(STDIN_FILENO, O_RDONLY);
    s->input.ready = stdio_input_ready;
    s->input.opaque = s;
    s->input_ended = s->input.fd < 0; /* closed: output alone will do */
    stream_init(&s->output, l, stdio_reopen(STDOUT_FILENO, O_WRONLY));
    s->output.output_only = true;
    s->output.lost = stdio_lost;
    if (s->output.fd < 0) {
        int err = -errno;

        stdio_close(&s->output.base);
        return error_set(e, err, "%s: standard output cannot be used: %s", label, strerror(-err));
    }
    if (s->input.fd >= 0 && tcgetattr(s->input.fd, &s->before) == 0) {
        t = s->before;
        t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN);
        t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
        s->raw = tcsetattr(s->input.fd, TCSANOW, &t) == 0;
    }
    signal(SIGPIPE, SIG_IGN);
    *out = &s->output.base;
    return 0;
}
