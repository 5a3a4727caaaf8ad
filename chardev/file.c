/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file - a character stream that is written to a file, emptied at the start.
 *
 * Regular files go through the host's page cache in the loop: bytes of a console, not worth a
 * thread. What a full disk does not take is lost, with one line in the log. Fifos and devices are
 * written without blocking.
 * Absent: input; appending to what was there.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "chardev/internal.h"

static void file_lost(struct stream *s)
{
    log_warn("%s: %s: nobody reads it any more, further output is lost", s->base.label,
             s->base.filename);
    stream_hang_up(s);
}

static void file_close(struct chardev *c)
{
    stream_hang_up((struct stream *)c);
    free(c);
}

static const struct chardev_ops file_ops = {
    .write = stream_write,
    .kick = stream_kick,
    .close = file_close,
};

int chardev_file_open(struct loop *l, const char *label, const char *what, struct chardev **out,
                      struct error *e)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stream *s;
    char name[128];
    int fd = open(what, flags, 0644);

    if (fd < 0)
        return error_set(e, -errno, "%s: cannot open '%s' for writing: %s%s", label, what,
                         strerror(errno), errno == ENXIO ? " (a fifo that nobody reads)" : "");
    snprintf(name, sizeof name, "file:%.100s", what);
    s = (struct stream *)chardev_new(sizeof *s, &file_ops, label, name);
    if (!s) {
        close(fd);
        return error_set(e, -ENOMEM, "%s: out of memory", label);
    }
    stream_init(s, l, fd);
    s->output_only = true;
    s->lost = file_lost;
    /* A limit on file sizes, or a reader that went away: errors, not our death. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    *out = &s->base;
    return 0;
}
