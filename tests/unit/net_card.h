/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_card - a card that counts, and frames for it: for tests of the host side of network cards. */
#ifndef TESTS_UNIT_NET_CARD_H
#define TESTS_UNIT_NET_CARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "net/internal.h"
#include "net/offload.h"

#define MS UINT64_C(1000000)

enum { FRAMES = 256 };

/* A card. */
struct card {
    struct net *n;
    struct net_user user;
    unsigned room; /* frames that it takes before it is full */
    unsigned got, writable, links;
    bool up;
    struct net_offload offload[FRAMES];
    size_t bytes[FRAMES];
    uint8_t *frame[FRAMES];
};

struct fixture {
    struct loop *l;
    struct card a, b;
    char dir[64], path[96];
    struct error e;
    int space; /* the network namespace that we came from; -1: still there */
};

static inline bool card_ready(void *opaque)
{
    return ((struct card *)opaque)->room > 0;
}

static inline void card_receive(void *opaque, const struct net_offload *o, const uint8_t *frame,
                                size_t n)
{
    struct card *c = opaque;

    assert_true(c->room > 0 && c->got < FRAMES && n > 0 && n <= NET_FRAME_MAX);
    c->room--;
    c->offload[c->got] = *o;
    c->bytes[c->got] = n;
    c->frame[c->got] = malloc(n);
    memcpy(c->frame[c->got++], frame, n);
}

static inline void card_writable(void *opaque)
{
    ((struct card *)opaque)->writable++;
}

static inline void card_link(void *opaque, bool up)
{
    struct card *c = opaque;

    c->links++;
    c->up = up;
}

static inline void card_init(struct card *c)
{
    c->user = (struct net_user){ card_ready, card_receive, card_writable, card_link, c };
    c->room = FRAMES;
    c->up = true;
}

static inline void card_forget(struct card *c)
{
    for (unsigned i = 0; i < c->got; i++)
        free(c->frame[i]);
    c->got = 0;
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->l = loop_new();
    f->space = -1;
    card_init(&f->a);
    card_init(&f->b);
    snprintf(f->dir, sizeof f->dir, "/tmp/hvmdm-test-net-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/x", f->dir);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    net_close(f->a.n);
    net_close(f->b.n);
    assert_false(loop_turn(f->l, false)); /* nothing of them is left in the loop */
    card_forget(&f->a);
    card_forget(&f->b);
    if (f->space >= 0) {
        assert_int_equal(setns(f->space, CLONE_NEWNET), 0);
        close(f->space);
    }
    unlink(f->path);
    rmdir(f->dir);
    loop_free(f->l);
    free(f);
    return 0;
}

static inline int open_kind(struct fixture *f, struct card *c, const char *kind, const char *spec,
                            int fd)
{
    const struct net_options o = {
        .kind = kind, .label = "net0", .ifname = spec, .fd = fd, .spec = spec
    };
    int err = net_open(f->l, &o, &c->n, &f->e);

    if (!err)
        net_attach(c->n, &c->user, 0);
    return err;
}

static inline void open_good(struct fixture *f, struct card *c, const char *kind, const char *spec,
                             int fd)
{
    if (open_kind(f, c, kind, spec, fd) < 0)
        fail_msg("%s", f->e.text);
}

/* The sentence names the network, and what is wrong with it. */
static inline void assert_refused(struct fixture *f, const char *kind, const char *spec, int fd,
                                  const char *word)
{
    f->e.text[0] = '\0';
    assert_true(open_kind(f, &f->a, kind, spec, fd) < 0);
    assert_null(f->a.n);
    if (!strstr(f->e.text, "network net0: ") || !strstr(f->e.text, word))
        fail_msg("no '%s' in: %s", word, f->e.text);
}

static inline bool send_bytes(struct net *n, const void *bytes, size_t size)
{
    static const struct net_offload nothing;
    const struct iovec v = { (void *)(uintptr_t)bytes, size };

    return net_send(n, &nothing, &v, 1);
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)(v >> 16));
    put16(p + 2, (uint16_t)v);
}

static inline void run_until(struct fixture *f, const unsigned *value, unsigned least)
{
    uint64_t limit = loop_now() + 10000 * MS;

    while (*value < least && loop_now() < limit)
        if (!loop_turn(f->l, false))
            usleep(200);
    assert_true(*value >= least);
}

/* Until nothing moves. A loop that never comes to rest is a failure. */
static inline void settle(struct fixture *f)
{
    unsigned turns = 0;

    for (int quiet = 0; quiet < 3; turns++)
        quiet = loop_turn(f->l, false) ? 0 : (usleep(500), quiet + 1);
    assert_true(turns < 10000);
}

static const uint8_t udp4[] = {
    0x52, 0x54, 0,   0x12, 0x34, 0x56, 0x52, 0x54, 0,  0x12, 0xff, 0xff, 8,  0, /* Ethernet */
    0x45, 0,    0,   33,   0,    0,    0,    0,    64, 17,   0,    0,    10, 0,
    2,    15,   10,  0,    2,    2,                /* IP */
    3,    0xe8, 0,   53,   0,    13,   0x18, 0x2f, /* UDP, pseudo sum */
    'h',  'e',  'l', 'l',  'o',
};
static const struct net_offload udp4_sum = { .flags = NET_NEEDS_CSUM,
                                             .csum_start = 34,
                                             .csum_offset = 6 };

/* Ten bytes of payload; sequence fffffffe, identification ffff: both wrap. FIN, PSH, ACK, CWR. */
static inline size_t make_tcp(uint8_t *to, bool v6, bool vlan, struct net_offload *o)
{
    static const uint8_t ip4[] = { 0x45, 0, 0,  0, 0xff, 0xff, 0x40, 0, 64, 6,
                                   0,    0, 10, 0, 2,    15,   10,   0, 2,  2 };
    static const uint8_t ip6[] = { 0x60, 0, 0, 0, 0, 0, 6, 64, 0xfe, 0xc0, 0,    0,    0, 0,
                                   0,    0, 0, 0, 0, 0, 0, 0,  0,    0x15, 0xfe, 0xc0, 0, 0,
                                   0,    0, 0, 0, 0, 0, 0, 0,  0,    0,    0,    2 };
    static const uint8_t tcp[] = { 3, 0xe8, 0,    80,   0xff, 0xff, 0xff, 0xfe, 1, 2,
                                   3, 4,    0x50, 0x99, 0x20, 0,    0xab, 0xcd, 0, 0 };
    uint8_t *p = to + 12;

    memcpy(to, udp4, 12);
    if (vlan) {
        memcpy(p, (const uint8_t[]){ 0x81, 0, 0, 5 }, 4);
        p += 4;
    }
    *p++ = v6 ? 0x86 : 8;
    *p++ = v6 ? 0xdd : 0;
    memcpy(p, v6 ? ip6 : ip4, v6 ? sizeof ip6 : sizeof ip4);
    p += v6 ? sizeof ip6 : sizeof ip4;
    *o = (struct net_offload){ .flags = NET_NEEDS_CSUM,
                               .gso = v6 ? NET_GSO_TCP6 : NET_GSO_TCP4,
                               .hdr_len = (uint16_t)(p - to + 20),
                               .gso_size = 4,
                               .csum_start = (uint16_t)(p - to),
                               .csum_offset = 16 };
    memcpy(p, tcp, sizeof tcp);
    p += sizeof tcp;
    for (uint8_t i = 0; i < 10; i++)
        *p++ = i;
    return (size_t)(p - to);
}

static inline void put(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

#endif
