/* SPDX-License-Identifier: GPL-2.0-or-later */
/* held - see held.h. */
#include "toolstack/supervisor/held.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct held_fd *find(struct held *h, const char *name)
{
    for (unsigned i = 0; i < h->n; i++)
        if (!strcmp(h->fd[i].name, name))
            return &h->fd[i];
    return NULL;
}

int held_put(struct held *h, const char *name, int fd)
{
    struct held_fd *f = find(h, name);
    int ret = fd < 0 || !supervised_name_ok(name) ? -EINVAL : 0;

    if (ret == 0 && !f && h->n == ARRAY_SIZE(h->fd))
        ret = -ENOSPC;
    if (ret < 0) {
        if (fd >= 0)
            close(fd);
        return ret;
    }
    if (f) {
        close(f->fd);
    } else {
        f = &h->fd[h->n++];
        memcpy(f->name, name, strlen(name) + 1);
    }
    f->fd = fd;
    return 0;
}

int held_drop(struct held *h, const char *name)
{
    struct held_fd *f = find(h, name);

    if (!f)
        return -ENOENT;
    close(f->fd);
    *f = h->fd[--h->n];
    return 0;
}

int held_find(const struct held *h, const char *name)
{
    const struct held_fd *f = find((struct held *)(uintptr_t)h, name);

    return f ? f->fd : -1;
}

int held_copy(struct held *to, const struct held *from)
{
    for (unsigned i = 0; i < from->n; i++) {
        to->fd[i] = from->fd[i];
        to->fd[i].fd = fcntl(from->fd[i].fd, F_DUPFD_CLOEXEC, 3);
        if (to->fd[i].fd < 0) {
            int err = -errno;

            held_clear(to);
            return err;
        }
        to->n++;
    }
    return 0;
}

void held_clear(struct held *h)
{
    while (h->n)
        close(h->fd[--h->n].fd);
}
