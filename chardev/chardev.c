/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev - which kind of stream a specification names, and what all kinds share.
 *
 * Absent: telnet, udp, pipes as a pair of fifos, virtual consoles ("vc"), multiplexed monitors
 *         ("mon:"), reading from "file:".
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "chardev/internal.h"

enum { RECEIVE_CHUNK = 1024 }; /* bytes read from the host at a time */

struct chardev *chardev_new(size_t size, const struct chardev_ops *ops, const char *label,
                            const char *filename)
{
    struct chardev *c = calloc(1, size);

    if (!c)
        return NULL;
    c->ops = ops;
    c->keep = -1;
    snprintf(c->label, sizeof c->label, "%s", label);
    snprintf(c->filename, sizeof c->filename, "%s", filename);
    return c;
}

ssize_t chardev_receive(struct chardev *c, int fd)
{
    uint8_t bytes[RECEIVE_CHUNK];
    const struct chardev_user *user = c->user;
    size_t room = user ? user->room(user->opaque) : 0;
    ssize_t n;

    if (!room)
        return 0;
    n = read(fd, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (n > 0)
        user->receive(user->opaque, bytes, (size_t)n);
    else
        n = n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : -EPIPE;
    return n;
}

void chardev_write_failed(struct chardev *c, struct guest_log_limit *limit, bool *failing, int err)
{
    if (!*failing)
        guest_log_line(limit, c->label, "output to %s is lost: %s", c->filename, strerror(-err));
    *failing = true;
}

/* ---- null ---- */

static size_t null_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    (void)c;
    (void)bytes;
    return n;
}

static void null_close(struct chardev *c)
{
    free(c);
}

static const struct chardev_ops null_ops = { .write = null_write, .close = null_close };

int chardev_null_open(struct loop *l, const char *label, const char *what,
                      const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    (void)l;
    (void)what;
    (void)kept;
    *out = chardev_new(sizeof **out, &null_ops, label, "null");
    return *out ? 0 : error_set(e, -ENOMEM, "%s: out of memory", label);
}

/* ---- Dispatch ---- */

static const struct kind {
    const char *prefix; /* with ':' or '/': something follows; else the whole specification */
    chardev_opener *open;
} kinds[] = {
    { "null", chardev_null_open },  { "/dev/null", chardev_null_open },
    { "pty", chardev_pty_open },    { "stdio", chardev_stdio_open },
    { "file:", chardev_file_open }, { "tcp:", chardev_tcp_open },
    { "unix:", chardev_unix_open }, { "/dev/", chardev_tty_open },
};

static const struct kind *find_kind(const char *spec, const char **what)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        char last = kinds[i].prefix[n - 1];

        *what = last == ':' ? spec + n : last == '/' ? spec : "";
        if (last == ':' || last == '/' ? strncmp(spec, kinds[i].prefix, n) == 0
                                       : strcmp(spec, kinds[i].prefix) == 0)
            return &kinds[i];
    }
    return NULL;
}

int chardev_open(struct loop *l, const char *label, const char *spec, struct chardev **out,
                 struct error *e)
{
    return chardev_open_kept(l, label, spec, NULL, out, e);
}

int chardev_open_kept(struct loop *l, const char *label, const char *spec,
                      const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    static const struct chardev_kept nothing = { .fd = -1, .client = -1 };
    const struct kind *kind;
    const char *what;

    *out = NULL;
    if (strcmp(spec, "none") == 0)
        return 0;
    kind = find_kind(spec, &what);
    if (kind)
        return kind->open(l, label, what, kept ? kept : &nothing, out, e);
    return error_set(e, -EINVAL,
                     "%s: '%s' is not supported; there are pty, stdio, null, none, file:PATH, "
                     "tcp:HOST:PORT, unix:PATH and /dev/DEVICE",
                     label, spec);
}

void chardev_close(struct chardev *c)
{
    if (!c)
        return;
    c->user = NULL;
    c->ops->close(c);
}

void chardev_rest(struct chardev *c, bool on)
{
    if (c->resting == on)
        return;
    c->resting = on;
    if (on)
        c->rested = c->user;
    c->user = on ? NULL : c->rested;
    if (c->ops->rest)
        c->ops->rest(c, on);
    chardev_kick(c);
}

void chardev_attach(struct chardev *c, const struct chardev_user *user)
{
    c->user = user;
    chardev_kick(c);
}

size_t chardev_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    return c->ops->write(c, bytes, n);
}

void chardev_kick(struct chardev *c)
{
    if (c->ops->kick)
        c->ops->kick(c);
}

const char *chardev_label(const struct chardev *c)
{
    return c->label;
}

const char *chardev_filename(const struct chardev *c)
{
    return c->filename;
}
