/* SPDX-License-Identifier: GPL-2.0-or-later */
/* open - which kind of peer a -netdev argument names, and what all kinds share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/internal.h"

struct net *net_new(size_t size, const struct net_ops *ops, const struct net_options *o,
                    const char *what)
{
    struct net *n = calloc(1, size);

    if (!n)
        return NULL;
    n->ops = ops;
    n->keep = -1;
    n->up = true;
    snprintf(n->label, sizeof n->label, "%s", o->label ? o->label : "");
    snprintf(n->what, sizeof n->what, "%s", what);
    return n;
}

bool net_wants(const struct net *n)
{
    return n->user && (!n->up || n->user->ready(n->user->opaque));
}

void net_deliver(struct net *n, const struct net_offload *o, const uint8_t *frame, size_t bytes)
{
    static const struct net_offload nothing;

    if (!n->up || !n->user) {
        n->stats.rx_dropped++;
        return;
    }
    n->stats.rx_frames++;
    n->stats.rx_bytes += bytes;
    n->user->receive(n->user->opaque, o ? o : &nothing, frame, bytes);
}

void net_writable(struct net *n)
{
    if (n->user && n->user->writable)
        n->user->writable(n->user->opaque);
}

void net_gather(uint8_t *to, const struct iovec *iov, int niov)
{
    for (int i = 0; i < niov; i++) {
        if (iov[i].iov_len)
            memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
}

void net_watch_init(struct net_watch *w, struct loop *l, int fd,
                    void (*ready)(void *opaque, uint32_t events), void *opaque)
{
    *w = (struct net_watch){ .loop = l, .source = { .fd = fd, .ready = ready, .opaque = opaque } };
}

void net_watch(struct net_watch *w, uint32_t events)
{
    int err = 0;

    if (w->source.active && w->events == events)
        return;
    if (!events)
        loop_remove(w->loop, &w->source);
    else if (w->source.active)
        err = loop_modify(w->loop, &w->source, events);
    else
        err = loop_add(w->loop, &w->source, events);
    w->events = events;
    if (err < 0 && !w->failing) {
        w->failing = true;
        log_warn("network: cannot wait for a descriptor: %s", strerror(-err));
    }
}

char *net_next_key(char **spec, char **value)
{
    char *key = *spec, *from = key, *to = key;

    *value = NULL;
    if (!key || !*key)
        return NULL;
    for (; *from; from++) {
        if (*from == ',' && *++from != ',')
            break; /* also at the text's end */
        if (*from == '=' && !*value) {
            *to++ = '\0';
            *value = to;
            continue;
        }
        *to++ = *from;
    }
    *spec = from;
    *to = '\0';
    return key;
}

/* ---- none: a cable that ends nowhere ---- */

static bool none_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    (void)o, (void)iov, (void)niov, (void)bytes;
    n->stats.tx_dropped++;
    return true;
}

static void none_close(struct net *n)
{
    free(n);
}

static const struct net_ops none_ops = { .send = none_send, .close = none_close };

static int none_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    (void)l;
    *out = net_new(sizeof **out, &none_ops, o, "none");
    if (!*out)
        return error_set(e, -ENOMEM, "network %s: out of memory", o->label);
    if (o->fd >= 0)
        close(o->fd);
    return 0;
}

/* ---- Dispatch ---- */

static const struct {
    char name[8];
    net_opener *open;
} kinds[] = {
    { "tap", net_tap_open },
    { "socket", net_socket_open },
    { "user", net_user_open },
    { "none", none_open },
};

static net_opener *find_kind(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].open;
    return NULL;
}

static int open_inner(struct loop *l, const struct net_options *o, struct net **out,
                      struct error *e)
{
    net_opener *open = find_kind(o->kind);
    int err;

    if (open)
        err = open(l, o, out, e);
    else
        err = error_set(e, -EINVAL,
                        "network %s: there is no kind '%s'; there are tap, user, socket and none",
                        o->label, o->kind ? o->kind : "");
    if (err < 0 && o->fd >= 0)
        close(o->fd);
    return err;
}

int net_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    struct net *inner = NULL;
    int err;

    *out = NULL;
    err = open_inner(l, o, &inner, e);
    if (err < 0)
        return err;
    *out = inner;
    if (!o->dump)
        return 0;
    err = net_dump_open(inner, o, out, e);
    if (err < 0) {
        *out = NULL;
        net_close(inner);
    }
    return err;
}
