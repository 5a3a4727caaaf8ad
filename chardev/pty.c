/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pty - a character stream on a pseudoterminal, for xl console.
 *
 * We keep the slave side open ourselves: otherwise the master reports a hang-up without end while
 * nobody has it open, and every wait for input would return at once. The price is that we cannot
 * see whether somebody else has it open. It matters only when the kernel's buffer is full: then we
 * close our end and ask for a hang-up. If there is one, nobody is there: the output is dropped.
 * If not, the device waits, and our end stays closed so that the hang-up tells when the reader goes
 * away. What is in the buffer survives all that, and the slave is opened again through the master
 * (TIOCGPTPEER, Linux 4.13), which needs no /dev in a sandbox.
 *
 * Absent: packet mode, window sizes, passing on a break.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/internal.h"

/* For so long we believe that nobody is there, rather than ask for every byte of a full buffer. */
#define PTY_DESERTED_NS UINT64_C(200000000)

struct pty {
    struct stream stream; /* first member; its descriptor is the master */
    int slave;
    uint64_t deserted_at; /* host ns when nobody was found, 0: never */
};

static void pty_hold_slave(struct pty *p)
{
    if (p->slave < 0)
        p->slave = ioctl(p->stream.fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void pty_let_slave_go(struct pty *p)
{
    if (p->slave >= 0)
        close(p->slave);
    p->slave = -1;
}

static size_t pty_full(struct stream *s, size_t n)
{
    struct pty *p = (struct pty *)s;
    struct pollfd poll_master = { .fd = s->fd };
    uint64_t now = loop_now();

    if (p->deserted_at && now - p->deserted_at < PTY_DESERTED_NS)
        return n;
    pty_let_slave_go(p);
    poll(&poll_master, 1, 0);
    if (!(poll_master.revents & POLLHUP))
        return 0; /* there is a reader, which is slow */
    pty_hold_slave(p);
    p->deserted_at = now;
    return n;
}

static void pty_lost(struct stream *s)
{
    struct pty *p = (struct pty *)s;

    /* The reader that we waited for has gone; or our end was hung up (vhangup(2)). */
    pty_let_slave_go(p);
    pty_hold_slave(p);
    if (p->slave >= 0) {
        stream_unblock(s);
        return;
    }
    log_warn("%s: %s is lost: %s", s->base.label, s->base.filename, strerror(errno));
    stream_hang_up(s);
}

static size_t pty_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct pty *p = (struct pty *)c;
    size_t taken = stream_write(c, bytes, n);

    if (p->slave < 0 && !p->stream.blocked && p->stream.fd >= 0)
        pty_hold_slave(p); /* there is room again */
    return taken;
}

static void pty_close(struct chardev *c)
{
    struct pty *p = (struct pty *)c;

    pty_let_slave_go(p);
    stream_hang_up(&p->stream);
    free(p);
}

static const struct chardev_ops pty_ops = {
    .write = pty_write,
    .kick = stream_kick,
    .close = pty_close,
};

/* A pty that a predecessor has made keeps its settings, and its users. */
static int pty_prepare(struct pty *p, bool fresh)
{
    struct termios t;
    char name[96];
    int fd = p->stream.fd;

    if (fresh && (grantpt(fd) < 0 || unlockpt(fd) < 0))
        return -errno;
    if ((errno = ptsname_r(fd, name, sizeof name)))
        return -errno;
    pty_hold_slave(p);
    if (p->slave < 0 || tcgetattr(p->slave, &t) < 0)
        return -errno;
    cfmakeraw(&t); /* no echo: what the guest prints must not come back as its input */
    if (fresh && tcsetattr(p->slave, TCSANOW, &t) < 0)
        return -errno;
    snprintf(p->stream.base.filename, sizeof p->stream.base.filename, "pty:%s", name);
    return 0;
}

int chardev_pty_open(struct loop *l, const char *label, const char *what,
                     const struct chardev_kept *kept, struct chardev **out, struct error *e)
{
    struct pty *p = (struct pty *)chardev_new(sizeof *p, &pty_ops, label, "pty");
    int err, fd = chardev_kept_fd(kept);
    bool fresh = fd < 0;

    (void)what;
    if (!p) {
        if (!fresh)
            close(fd);
        return error_set(e, -ENOMEM, "%s: out of memory", label);
    }
    p->slave = -1;
    if (fresh)
        fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    stream_init(&p->stream, l, fd);
    p->stream.base.keep = fd;
    p->stream.lost = pty_lost;
    p->stream.full = pty_full;
    err = fd < 0 ? -errno : pty_prepare(p, fresh);
    if (err) {
        pty_close(&p->stream.base);
        return error_set(e, err, "%s: cannot create a pseudoterminal: %s", label, strerror(-err));
    }
    *out = &p->stream.base;
    return 0;
}
