/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenstore_wire - see xenstore_wire.h. */
#include "toolstack/xenstore_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Header and body lie one behind the other. */
static char *bytes_of(struct xs_message *m)
{
    static_assert(offsetof(struct xs_message, body) ==
                      offsetof(struct xs_message, header) + sizeof m->header,
                  "one run of bytes");
    return (char *)m + offsetof(struct xs_message, header);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

int xs_receive(int fd, struct xs_message *m)
{
    const uint32_t head = sizeof m->header;

    for (;;) {
        uint32_t want = m->done < head ? head : head + m->header.length;
        ssize_t n;

        if (m->done >= head && m->header.length > XS_BODY)
            return -EMSGSIZE;
        if (m->done >= head && m->done == want) {
            m->body[m->header.length] = '\0';
            m->done = 0;
            return 1;
        }
        n = read(fd, bytes_of(m) + m->done, want - m->done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -ECONNRESET : would_block() ? 0 : -errno;
        m->done += (uint32_t)n;
    }
}

int xs_send(int fd, struct xs_message *m)
{
    const uint32_t all = (uint32_t)sizeof m->header + m->header.length;

    while (m->done < all) {
        const char *from = bytes_of(m) + m->done;
        ssize_t n = send(fd, from, all - m->done, MSG_NOSIGNAL);

        if (n < 0 && errno == ENOTSOCK)
            n = write(fd, from, all - m->done); /* /dev/xen/xenbus */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return would_block() ? 0 : -errno;
        m->done += (uint32_t)n;
    }
    m->done = 0;
    return 1;
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, ret;

    if (!strncmp(path, "/dev/", 5)) {
        fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        return fd < 0 ? -errno : fd;
    }
    if (strlen(path) >= sizeof a.sun_path)
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        ret = -errno;
        close(fd);
        return ret;
    }
    return fd;
}

int xs_connect(const char *socket, struct error *e)
{
    const char *const usual[] = { "/run/xenstored/socket", "/var/run/xenstored/socket",
                                  "/dev/xen/xenbus", NULL };
    int fd = -ENOENT;

    if (!socket)
        socket = getenv("XENSTORED_PATH");
    if (socket)
        fd = connect_to(socket);
    for (unsigned i = 0; !socket && fd < 0 && usual[i]; i++)
        fd = connect_to(usual[i]);
    if (fd < 0)
        error_set(e, fd, "cannot reach xenstore (%s): %s; is this a running Xen dom0?",
                  socket ? socket : usual[0], strerror(-fd));
    return fd;
}
