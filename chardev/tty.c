/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tty - a character stream on a device of the host, usually one of its serial ports.
 *
 * Absent: passing the guest's line settings, modem signals and breaks to a real port: it keeps the
 *         speed that stty(1) gave it; coming back after the device went away.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/internal.h"

static void tty_lost(struct stream *s)
{
    log_warn("%s: %s has gone away", s->base.label, s->base.filename);
    stream_hang_up(s);
}

static void tty_close(struct chardev *c)
{
    stream_hang_up((struct stream *)c);
    free(c);
}

static const struct chardev_ops tty_ops = {
    .write = stream_write,
    .kick = stream_kick,
    .close = tty_close,
};

int chardev_tty_open(struct loop *l, const char *label, const char *what,
                     const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    struct stream *s = NULL;
    struct termios t;
    struct stat st;
    int err = 0, fd = chardev_kept_fd(kept);

    if (fd < 0)
        fd = open(what, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        err = error_set(e, -errno, "%s: cannot open '%s': %s", label, what, strerror(errno));
    else if (!S_ISCHR(st.st_mode))
        err = error_set(e, -ENOTTY, "%s: '%s' is not a character device", label, what);
    if (err)
        goto out;
    if (tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL; /* no modem that could hang up */
        tcsetattr(fd, TCSANOW, &t);
    }
    s = (struct stream *)chardev_new(sizeof *s, &tty_ops, label, what);
    if (!s) {
        err = error_set(e, -ENOMEM, "%s: out of memory", label);
        goto out;
    }
    stream_init(s, l, fd);
    s->base.keep = fd;
    s->lost = tty_lost;
    signal(SIGPIPE, SIG_IGN);
    *out = &s->base;
out:
    if (err && fd >= 0)
        close(fd);
    return err;
}
