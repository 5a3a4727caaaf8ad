/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file - a character stream that is written to a file, emptied at the start.
 *
 * A regular file is written at a position that the device keeps with its state: output of an event
 * that was undone, and happens again in a successor, lands on itself.
 * Regular files go through the host's page cache in the loop: bytes of a console, not worth a
 * thread. What a full disk does not take is lost, with one line in the log. Fifos and devices are
 * written without blocking.
 * Absent: input; appending to what was there. Somebody else who truncates the file meanwhile leaves
 *         a hole. What goes to a fifo or device twice, after such an undo, is seen twice.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* A successor finds the file as its predecessor left it. */
static int file_fd(const char *label, const char *what, const struct chardev_kept *kept,
                   struct error *e)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = chardev_kept_fd(kept);

    if (fd < 0)
        fd = open(what, flags, 0644);
    if (fd < 0)
        return error_set(e, -errno, "%s: cannot open '%s' for writing: %s%s", label, what,
                         strerror(errno), errno == ENXIO ? " (a fifo that nobody reads)" : "");
    return fd;
}

int chardev_file_open(struct loop *l, const char *label, const char *what,
                      const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    int fd = file_fd(label, what, kept, e);
    struct stream *s;
    struct stat st;
    char name[128];

    if (fd < 0)
        return fd;
    snprintf(name, sizeof name, "file:%.100s", what);
    s = (struct stream *)chardev_new(sizeof *s, &file_ops, label, name);
    if (!s) {
        close(fd);
        return error_set(e, -ENOMEM, "%s: out of memory", label);
    }
    stream_init(s, l, fd);
    s->base.keep = fd;
    s->output_only = true;
    s->positional = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    s->lost = file_lost;
    /* A limit on file sizes, or a reader that went away: errors, not our death. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    *out = &s->base;
    return 0;
}
