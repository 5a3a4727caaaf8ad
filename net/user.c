/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user - user-mode network: libslirp as router, DHCP, DNS and TFTP server, the host's sockets
 * behind it.
 *
 * For the test port and for use without confinement: its sockets and files are in no rule of the
 * sandbox, and its connections end with the process. The library brings glib along, so it is loaded
 * when a machine has such a network, and linked into nothing.
 *
 * libslirp wants to be asked before each sleep what to wait for. The answer goes into an epoll of
 * its own, which is one source of the loop, and a timerfd. It answers in the middle of a send, when
 * the card cannot be entered: frames for the card pass a queue of fixed size. While that holds
 * anything, or the card has no room, nothing is read from the host's sockets; what the router
 * itself has to say beyond the queue is dropped, as on any Ethernet.
 *
 * Source:  libslirp.h of libslirp 4.7.
 * Absent:  IPv6 (its timers too), guestfwd, SMB, DHCP options beyond these, changing rules later.
 */
#include <errno.h>

#include "net/internal.h"

#ifndef CONFIG_SLIRP

int net_user_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    (void)l;
    (void)out;
    return error_set(e, -ENOSYS,
                     "network %s: this build has no user-mode network: install libslirp-dev, run "
                     "./configure and make again",
                     o->label);
}

#else

#include <dlfcn.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "net/address.h"
#include "net/offload.h"

enum {
    QUEUE = 64,         /* frames for the card */
    QUEUE_FRAME = 2048, /* the library's MTU is 1500 */
    POLLED = 1024,      /* sockets waited for; further ones wait for these */
    SPEC_BYTES = 1024,
    FORWARDS = 16,
};

#define FUNCTIONS(F)                                                                               \
    F(slirp_new)                                                                                   \
    F(slirp_cleanup)                                                                               \
    F(slirp_pollfds_fill)                                                                          \
    F(slirp_pollfds_poll)                                                                          \
    F(slirp_input)                                                                                 \
    F(slirp_add_hostfwd)
#define POINTER(name) __typeof__(name) *name;
static struct {
    FUNCTIONS(POINTER)
} lib; /* the library's, filled by load() */

struct user {
    struct net net; /* first member */
    Slirp *slirp;
    struct net_watch sockets, alarm; /* an epoll of what the library waits for; a timerfd */
    struct loop_work refresh, pass_on;
    struct {
        int fd;
        uint32_t came; /* EPOLL*, since the last look */
    } polled[POLLED];
    unsigned npolled;
    unsigned first, n; /* of the queue */
    struct {
        size_t bytes;
        uint8_t frame[QUEUE_FRAME];
    } queue[QUEUE];
    uint8_t frame[NET_FRAME_MAX], segment[NET_FRAME_MAX]; /* from the card */
    struct guest_log_limit log_limit;
};

static struct user *user_of(struct net *n)
{
    return (struct user *)(void *)n;
}

/* ---- What the library asks of us ---- */

static ssize_t cb_send_packet(const void *frame, size_t bytes, void *opaque)
{
    struct user *u = opaque;

    if (u->n == QUEUE || bytes > QUEUE_FRAME || bytes == 0) {
        u->net.stats.rx_dropped++;
    } else {
        unsigned i = (u->first + u->n++) % QUEUE;

        u->queue[i].bytes = bytes;
        memcpy(u->queue[i].frame, frame, bytes);
    }
    loop_defer(u->alarm.loop, &u->pass_on);
    return (ssize_t)bytes;
}

static void cb_guest_error(const char *text, void *opaque)
{
    struct user *u = opaque;

    (void)text; /* may have the guest's bytes in it */
    guest_log_line(&u->log_limit, u->net.label, "user-mode network: the guest sent nonsense");
}

static int64_t cb_clock(void *opaque)
{
    (void)opaque;
    return (int64_t)loop_now();
}

static void cb_descriptor(int fd, void *opaque)
{
    (void)fd;
    (void)opaque; /* asked for by slirp_pollfds_fill() */
}

static void cb_notify(void *opaque)
{
    struct user *u = opaque;

    loop_defer(u->alarm.loop, &u->refresh);
}

/* Timers are for IPv6 alone. */
static const SlirpCb callbacks = { .send_packet = cb_send_packet,
                                   .guest_error = cb_guest_error,
                                   .clock_get_ns = cb_clock,
                                   .register_poll_fd = cb_descriptor,
                                   .unregister_poll_fd = cb_descriptor,
                                   .notify = cb_notify };

/* ---- Waiting ---- */

static const struct {
    int slirp;
    uint32_t epoll;
} bits[] = {
    { SLIRP_POLL_IN, EPOLLIN },   { SLIRP_POLL_OUT, EPOLLOUT }, { SLIRP_POLL_PRI, EPOLLPRI },
    { SLIRP_POLL_ERR, EPOLLERR }, { SLIRP_POLL_HUP, EPOLLHUP },
};

static int add_poll(int fd, int events, void *opaque)
{
    struct user *u = opaque;
    struct epoll_event v = { .data.u32 = u->npolled };

    for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
        if (events & bits[i].slirp)
            v.events |= bits[i].epoll;
    if (u->npolled == POLLED || epoll_ctl(u->sockets.source.fd, EPOLL_CTL_ADD, fd, &v) < 0)
        return -1;
    u->polled[u->npolled].fd = fd;
    u->polled[u->npolled].came = 0;
    return (int)u->npolled++;
}

static int came(int i, void *opaque)
{
    const struct user *u = opaque;
    int events = 0;

    for (size_t k = 0; i >= 0 && (unsigned)i < u->npolled && k < ARRAY_SIZE(bits); k++)
        if (u->polled[i].came & bits[k].epoll)
            events |= bits[k].slirp;
    return events;
}

static void set_alarm(struct user *u, uint32_t ms)
{
    struct itimerspec t = { .it_value = { 0, 0 } };

    if (ms != UINT32_MAX) {
        t.it_value.tv_sec = ms / 1000;
        t.it_value.tv_nsec = (long)(ms % 1000) * 1000000 + 1; /* 0 would be never */
    }
    timerfd_settime(u->alarm.source.fd, 0, &t, NULL);
}

/* Asks the library what to wait for, if anything may come. Sockets that it has closed are out of
 * the epoll already. */
static void user_refresh(void *opaque)
{
    struct user *u = opaque;
    bool wants = u->n == 0 && net_wants(&u->net);
    uint32_t ms = UINT32_MAX;

    for (unsigned i = 0; i < u->npolled; i++)
        epoll_ctl(u->sockets.source.fd, EPOLL_CTL_DEL, u->polled[i].fd, NULL);
    u->npolled = 0;
    if (wants) {
        lib.slirp_pollfds_fill(u->slirp, &ms, add_poll, u);
        set_alarm(u, ms);
    }
    net_watch(&u->sockets, wants ? EPOLLIN : 0);
    net_watch(&u->alarm, wants ? EPOLLIN : 0);
}

static void user_event(void *opaque, uint32_t events)
{
    struct user *u = opaque;
    struct epoll_event e[64];
    uint64_t expired;
    int n = epoll_wait(u->sockets.source.fd, e, ARRAY_SIZE(e), 0);

    (void)events;
    if (read(u->alarm.source.fd, &expired, sizeof expired) < 0)
        expired = 0;
    for (int i = 0; i < n; i++)
        if (e[i].data.u32 < u->npolled)
            u->polled[e[i].data.u32].came = e[i].events;
    lib.slirp_pollfds_poll(u->slirp, 0, came, u);
    for (unsigned i = 0; i < u->npolled; i++)
        u->polled[i].came = 0;
    loop_defer(u->alarm.loop, &u->refresh);
}

/* ---- The card ---- */

static void user_pass_on(void *opaque)
{
    struct user *u = opaque;

    for (int i = 0; i < NET_TURN_FRAMES && u->n > 0 && net_wants(&u->net); i++) {
        unsigned first = u->first;

        net_deliver(&u->net, NULL, u->queue[first].frame, u->queue[first].bytes);
        u->first = (first + 1) % QUEUE;
        u->n--;
    }
    if (u->n > 0 && net_wants(&u->net))
        loop_defer(u->alarm.loop, &u->pass_on);
    loop_defer(u->alarm.loop, &u->refresh);
}

static bool user_send(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                      size_t bytes)
{
    struct user *u = user_of(n);
    struct net_finish f;
    const uint8_t *piece;

    net_gather(u->frame, iov, niov);
    if (!net_finish_begin(&f, o, u->frame, bytes, u->segment)) {
        n->stats.tx_dropped++;
        return true;
    }
    while ((piece = net_finish_next(&f, &bytes)))
        lib.slirp_input(u->slirp, piece, (int)bytes);
    loop_defer(u->alarm.loop, &u->refresh);
    return true;
}

static void user_kick(struct net *n)
{
    loop_defer(user_of(n)->alarm.loop, &user_of(n)->pass_on);
}

static void user_rest(struct net *n, bool on)
{
    (void)on;
    user_kick(n);
}

static void user_close(struct net *n)
{
    struct user *u = user_of(n);

    if (u->slirp)
        lib.slirp_cleanup(u->slirp);
    loop_cancel(u->alarm.loop, &u->refresh);
    loop_cancel(u->alarm.loop, &u->pass_on);
    net_watch(&u->sockets, 0);
    net_watch(&u->alarm, 0);
    close(u->sockets.source.fd);
    close(u->alarm.source.fd);
    free(u);
}

static const struct net_ops user_ops = {
    .send = user_send, .kick = user_kick, .close = user_close, .rest = user_rest
};

/* ---- Options ---- */

struct forward {
    bool udp;
    struct in_addr host, guest; /* 0: all addresses; the first one that DHCP gives */
    uint16_t host_port, guest_port;
};

struct wish {
    SlirpConfig config;
    unsigned n;
    struct forward forward[FORWARDS];
};

/* "[addr]:port"; cuts the text. */
static bool parse_end(char *text, struct in_addr *a, uint16_t *port)
{
    char *colon = strrchr(text, ':');

    if (!colon)
        return false;
    *colon = '\0';
    *port = net_port(colon + 1);
    return *port && (!*text || net_ip4(text, a));
}

/* tcp|udp:[addr]:port-[addr]:port */
static bool parse_forward(struct wish *w, char *text)
{
    struct forward f = { .udp = strncmp(text, "udp:", 4) == 0 };
    char *guest = strchr(text, '-');

    if ((!f.udp && strncmp(text, "tcp:", 4) != 0) || !guest || w->n == FORWARDS)
        return false;
    *guest++ = '\0';
    if (!parse_end(text + 4, &f.host, &f.host_port) || !parse_end(guest, &f.guest, &f.guest_port))
        return false;
    w->forward[w->n++] = f;
    return true;
}

/* "10.0.2.0/24", "10.0.2.0/255.255.255.0"; without a mask that of the address' class. */
static bool parse_net(SlirpConfig *c, char *text)
{
    char *slash = strchr(text, '/');
    unsigned bits_set = 0;

    if (slash)
        *slash++ = '\0';
    if (!net_ip4(text, &c->vnetwork))
        return false;
    if (!slash) {
        unsigned first = ntohl(c->vnetwork.s_addr) >> 24;

        bits_set = first < 128 ? 8 : first < 192 ? 16 : 24;
    } else if (!net_ip4(slash, &c->vnetmask)) {
        bits_set = net_port(slash);
    }
    if (bits_set > 30)
        return false;
    if (bits_set)
        c->vnetmask.s_addr = htonl(UINT32_MAX << (32 - bits_set));
    c->vnetwork.s_addr &= c->vnetmask.s_addr;
    return c->vnetmask.s_addr != 0;
}

static bool parse_on(const char *v, int *on)
{
    *on = strcmp(v, "on") == 0 || strcmp(v, "yes") == 0;
    return *on || strcmp(v, "off") == 0 || strcmp(v, "no") == 0;
}

static bool parse_key(struct wish *w, const char *key, char *v)
{
    SlirpConfig *c = &w->config;

    if (strcmp(key, "net") == 0)
        return parse_net(c, v);
    if (strcmp(key, "host") == 0)
        return net_ip4(v, &c->vhost);
    if (strcmp(key, "dhcpstart") == 0)
        return net_ip4(v, &c->vdhcp_start);
    if (strcmp(key, "dns") == 0)
        return net_ip4(v, &c->vnameserver);
    if (strcmp(key, "restrict") == 0)
        return parse_on(v, &c->restricted);
    if (strcmp(key, "hostfwd") == 0)
        return parse_forward(w, v);
    if (strcmp(key, "hostname") == 0)
        c->vhostname = v;
    else if (strcmp(key, "tftp") == 0)
        c->tftp_path = v;
    else if (strcmp(key, "bootfile") == 0)
        c->bootfile = v;
    else
        return false;
    return true;
}

/* The addresses that were not given, and whether all are within the network. */
static bool settle_addresses(SlirpConfig *c)
{
    struct {
        struct in_addr *a;
        uint32_t usual;
    } all[] = { { &c->vhost, 2 }, { &c->vnameserver, 3 }, { &c->vdhcp_start, 15 } };
    uint32_t mask;

    if (!c->vnetwork.s_addr) {
        c->vnetwork.s_addr = htonl(0x0a000200); /* 10.0.2.0/24 */
        c->vnetmask.s_addr = htonl(0xffffff00);
    }
    mask = c->vnetmask.s_addr;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (!all[i].a->s_addr)
            all[i].a->s_addr = c->vnetwork.s_addr | (htonl(all[i].usual) & ~mask);
        if ((all[i].a->s_addr & mask) != c->vnetwork.s_addr)
            return false;
    }
    return c->vhost.s_addr != c->vnameserver.s_addr;
}

static int parse(const char *label, char *spec, struct wish *w, struct error *e)
{
    char *key, *v;

    w->config = (SlirpConfig){ .version = 1, .in_enabled = true };
    while ((key = net_next_key(&spec, &v)))
        if (!v || !parse_key(w, key, v))
            return error_set(
                e, -EINVAL,
                "network %s: user does not know what to do with '%s'; there are "
                "net=ADDRESS/BITS, host=, dhcpstart=, dns=, hostname=, restrict=on|off, "
                "tftp=FOLDER, bootfile=, hostfwd=tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT "
                "(up to %d)",
                label, key, FORWARDS);
    if (!settle_addresses(&w->config))
        return error_set(e, -EINVAL,
                         "network %s: host=, dns= and dhcpstart= must be in the network of net=, "
                         "host= and dns= not the same address",
                         label);
    return 0;
}

/* ---- Opening ---- */

static int load(const char *label, struct error *e)
{
    static void *handle;

    if (!handle)
        handle = dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return error_set(e, -ENOENT,
                         "network %s: user-mode network needs libslirp: %s; install libslirp0",
                         label, dlerror());
#define FIND(name)                                                                                 \
    if (!(*(void **)(void *)&lib.name = dlsym(handle, #name)))                                     \
        return error_set(e, -ENOENT, "network %s: libslirp.so.0 has no %s", label, #name);
    FUNCTIONS(FIND)
    return 0;
}

static int start(struct user *u, const struct wish *w, struct error *e)
{
    u->slirp = lib.slirp_new(&w->config, &callbacks, u);
    if (!u->slirp)
        return error_set(e, -EINVAL, "network %s: libslirp does not take these options",
                         u->net.label);
    for (unsigned i = 0; i < w->n; i++) {
        const struct forward *f = &w->forward[i];

        if (lib.slirp_add_hostfwd(u->slirp, f->udp, f->host, f->host_port, f->guest,
                                  f->guest_port) < 0)
            return error_set(e, -errno, "network %s: cannot forward %s port %u: %s", u->net.label,
                             f->udp ? "udp" : "tcp", f->host_port, strerror(errno));
    }
    return 0;
}

int net_user_open(struct loop *l, const struct net_options *o, struct net **out, struct error *e)
{
    struct wish w = { .n = 0 };
    char spec[SPEC_BYTES];
    struct user *u;
    int err;

    if ((size_t)snprintf(spec, sizeof spec, "%s", o->spec ? o->spec : "") >= sizeof spec)
        return error_set(e, -EINVAL, "network %s: options of more than %d characters", o->label,
                         SPEC_BYTES);
    if ((err = parse(o->label, spec, &w, e)) || (err = load(o->label, e)))
        return err;
    u = user_of(net_new(sizeof *u, &user_ops, o, "user"));
    if (!u)
        return error_set(e, -ENOMEM, "network %s: out of memory", o->label);
    u->refresh = (struct loop_work){ .run = user_refresh, .opaque = u };
    u->pass_on = (struct loop_work){ .run = user_pass_on, .opaque = u };
    net_watch_init(&u->sockets, l, epoll_create1(EPOLL_CLOEXEC), user_event, u);
    net_watch_init(&u->alarm, l, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
                   user_event, u);
    if (u->sockets.source.fd < 0 || u->alarm.source.fd < 0)
        err = error_set(e, -errno, "network %s: %s", o->label, strerror(errno));
    else
        err = start(u, &w, e);
    if (err) {
        user_close(&u->net);
        return err;
    }
    if (o->fd >= 0)
        close(o->fd);
    *out = &u->net;
    return 0;
}

#endif
