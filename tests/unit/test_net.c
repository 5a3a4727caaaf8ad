/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_net - the host side of network cards: software completion, streams of frames, back-pressure
 * both ways, peers that go away, captures, a tap interface, the user-mode network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "net/frames.h"
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

static bool card_ready(void *opaque)
{
    return ((struct card *)opaque)->room > 0;
}

static void card_receive(void *opaque, const struct net_offload *o, const uint8_t *frame, size_t n)
{
    struct card *c = opaque;

    assert_true(c->room > 0 && c->got < FRAMES && n > 0 && n <= NET_FRAME_MAX);
    c->room--;
    c->offload[c->got] = *o;
    c->bytes[c->got] = n;
    c->frame[c->got] = malloc(n);
    memcpy(c->frame[c->got++], frame, n);
}

static void card_writable(void *opaque)
{
    ((struct card *)opaque)->writable++;
}

static void card_link(void *opaque, bool up)
{
    struct card *c = opaque;

    c->links++;
    c->up = up;
}

static void card_init(struct card *c)
{
    c->user = (struct net_user){ card_ready, card_receive, card_writable, card_link, c };
    c->room = FRAMES;
    c->up = true;
}

static void card_forget(struct card *c)
{
    for (unsigned i = 0; i < c->got; i++)
        free(c->frame[i]);
    c->got = 0;
}

static int setup(void **state)
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

static int teardown(void **state)
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

static int open_kind(struct fixture *f, struct card *c, const char *kind, const char *spec, int fd)
{
    const struct net_options o = {
        .kind = kind, .label = "net0", .ifname = spec, .fd = fd, .spec = spec
    };
    int err = net_open(f->l, &o, &c->n, &f->e);

    if (!err)
        net_attach(c->n, &c->user, 0);
    return err;
}

static void open_good(struct fixture *f, struct card *c, const char *kind, const char *spec, int fd)
{
    if (open_kind(f, c, kind, spec, fd) < 0)
        fail_msg("%s", f->e.text);
}

/* The sentence names the network, and what is wrong with it. */
static void assert_refused(struct fixture *f, const char *kind, const char *spec, int fd,
                           const char *word)
{
    f->e.text[0] = '\0';
    assert_true(open_kind(f, &f->a, kind, spec, fd) < 0);
    assert_null(f->a.n);
    if (!strstr(f->e.text, "network net0: ") || !strstr(f->e.text, word))
        fail_msg("no '%s' in: %s", word, f->e.text);
}

static bool send_bytes(struct net *n, const void *bytes, size_t size)
{
    static const struct net_offload nothing;
    const struct iovec v = { (void *)(uintptr_t)bytes, size };

    return net_send(n, &nothing, &v, 1);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void run_until(struct fixture *f, const unsigned *value, unsigned least)
{
    uint64_t limit = loop_now() + 10000 * MS;

    while (*value < least && loop_now() < limit)
        if (!loop_turn(f->l, false))
            usleep(200);
    assert_true(*value >= least);
}

/* Until nothing moves. A loop that never comes to rest is a failure. */
static void settle(struct fixture *f)
{
    unsigned turns = 0;

    for (int quiet = 0; quiet < 3; turns++)
        quiet = loop_turn(f->l, false) ? 0 : (usleep(500), quiet + 1);
    assert_true(turns < 10000);
}

/* ---- Completion ---- */

static const uint8_t udp4[] = {
    0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x52, 0x54, 0, 0x12, 0xff, 0xff, 8, 0, /* Ethernet */
    0x45, 0, 0, 33, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,    /* IP */
    3, 0xe8, 0, 53, 0, 13, 0x18, 0x2f,                                      /* UDP, pseudo sum */
    'h', 'e', 'l', 'l', 'o',
};
static const struct net_offload udp4_sum = { .flags = NET_NEEDS_CSUM,
                                             .csum_start = 34,
                                             .csum_offset = 6 };

static void test_checksum(void **state)
{
    struct net_finish f;
    uint8_t frame[sizeof udp4];
    const uint8_t *p;
    size_t n;

    (void)state;
    memcpy(frame, udp4, sizeof frame);
    assert_true(net_finish_begin(&f, &udp4_sum, frame, sizeof frame, NULL));
    assert_ptr_equal(p = net_finish_next(&f, &n), frame);
    assert_int_equal(n, sizeof frame);
    assert_int_equal(p[40] << 8 | p[41], 0x9fd4);
    assert_null(net_finish_next(&f, &n));
    /* RFC 1071, section 3. */
    assert_int_equal(net_sum(0, (const uint8_t[]){ 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 }, 8),
                     0xddf2);
}

/* RFC 768: a sum of zero would mean that there is none. */
static void test_checksum_of_zero(void **state)
{
    uint8_t frame[sizeof udp4];
    struct net_finish f;

    (void)state;
    memcpy(frame, udp4, sizeof frame);
    frame[40] = 0xb8; /* 182f + 9fd4 */
    frame[41] = 0x03;
    assert_true(net_finish_begin(&f, &udp4_sum, frame, sizeof frame, NULL));
    assert_int_equal(frame[40] << 8 | frame[41], 0xffff);
}

/* Ten bytes of payload; sequence fffffffe, identification ffff: both wrap. FIN, PSH, ACK, CWR. */
static size_t make_tcp(uint8_t *to, bool v6, bool vlan, struct net_offload *o)
{
    static const uint8_t ip4[] = { 0x45, 0, 0, 0, 0xff, 0xff, 0x40, 0, 64, 6,
                                   0,    0, 10, 0, 2,    15,   10,   0, 2,  2 };
    static const uint8_t ip6[] = { 0x60, 0, 0, 0, 0, 0, 6, 64, 0xfe, 0xc0, 0, 0, 0, 0,
                                   0,    0, 0, 0, 0, 0, 0, 0,  0,    0x15, 0xfe, 0xc0, 0, 0,
                                   0,    0, 0, 0, 0, 0, 0, 0,  0,    0,    0,    2 };
    static const uint8_t tcp[] = { 3, 0xe8, 0, 80, 0xff, 0xff, 0xff, 0xfe, 1,  2,
                                   3, 4,    0x50, 0x99, 0x20, 0, 0xab, 0xcd, 0, 0 };
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

static void check_segments(bool v6, bool vlan, const uint16_t *sums)
{
    static uint8_t out[NET_FRAME_MAX];
    static const uint8_t flags[] = { 0x90, 0x10, 0x19 };
    uint8_t frame[128];
    struct net_offload o;
    struct net_finish f;
    size_t bytes = make_tcp(frame, v6, vlan, &o), l3 = vlan ? 18 : 14, n;

    assert_true(net_finish_begin(&f, &o, frame, bytes, out));
    for (unsigned i = 0; i < 3; i++) {
        size_t payload = i < 2 ? 4 : 2;
        const uint8_t *p = net_finish_next(&f, &n), *tcp = p + o.csum_start, *ip = p + l3;

        assert_non_null(p);
        assert_int_equal(n, o.hdr_len + payload);
        assert_memory_equal(p, frame, l3);
        if (v6) {
            assert_int_equal(ip[4] << 8 | ip[5], 20 + payload);
        } else {
            assert_int_equal(ip[2] << 8 | ip[3], 40 + payload);
            assert_int_equal(ip[4] << 8 | ip[5], (0xffff + i) & 0xffff);
            assert_int_equal(net_sum(0, ip, 20), 0xffff);
            assert_int_equal(ip[10] << 8 | ip[11], i < 2 ? 0x22bc : 0x22bd);
        }
        assert_int_equal((uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7],
                         0xfffffffe + 4 * i);
        assert_int_equal(tcp[13], flags[i]);
        assert_int_equal(tcp[16] << 8 | tcp[17], sums[i]);
        assert_int_equal(tcp[20], 4 * i);
        assert_int_equal(tcp[19 + payload], 4 * i + payload - 1);
    }
    assert_null(net_finish_next(&f, &n));
}

static void test_segments(void **state)
{
    static const uint16_t sums4[] = { 0x6cff, 0x6574, 0x676c };
    static const uint16_t sums6[] = { 0x8777, 0x7fec, 0x81e4 };

    (void)state;
    check_segments(false, false, sums4);
    check_segments(false, true, sums4);
    check_segments(true, false, sums6);
    check_segments(true, true, sums6);
}

static void assert_unfinishable(const struct net_offload *o, const uint8_t *frame, size_t bytes)
{
    uint8_t *copy = malloc(bytes), *out = malloc(NET_FRAME_MAX); /* exact, for the sanitizer */
    struct net_finish f;

    memcpy(copy, frame, bytes);
    assert_false(net_finish_begin(&f, o, copy, bytes, out));
    free(copy);
    free(out);
}

static void test_what_cannot_be_finished(void **state)
{
    static uint8_t large[NET_FRAME_MAX];
    uint8_t frame[128];
    struct net_offload good, o;
    size_t bytes = make_tcp(frame, false, false, &good);

    (void)state;
#define WITH(change)                                                                               \
    (o = good, change, assert_unfinishable(&o, frame, bytes))
    WITH(o.csum_start = 65535);
    WITH(o.csum_start = 10);
    WITH(o.csum_start = 33);
    WITH(o.csum_offset = 6);
    WITH(o.gso_size = 0);
    WITH(o.gso = NET_GSO_UDP);
    WITH(o.gso = 0x81);
    WITH(o.gso = NET_GSO_TCP6);
    for (size_t n = 1; n <= bytes - 10; n++) /* cut anywhere, or without payload */
        assert_unfinishable(&good, frame, n);
    frame[14] = 0x46; /* options that the frame does not have */
    assert_unfinishable(&good, frame, bytes);
    frame[14] = 0x45;
    frame[46] = 0xf0; /* 60 bytes of TCP header */
    assert_unfinishable(&good, frame, bytes);
    frame[46] = 0x40; /* 16 */
    assert_unfinishable(&good, frame, bytes);
    /* More work than is right, and more bytes than IP can say. */
    make_tcp(large, false, false, &o);
    o.gso_size = 1;
    assert_unfinishable(&o, large, sizeof large);
    o.gso_size = 65535;
    assert_unfinishable(&o, large, sizeof large);
    o = udp4_sum;
    o.csum_offset = sizeof udp4 - 34 - 1;
    assert_unfinishable(&o, udp4, sizeof udp4);
}

/* ---- Streams ---- */

static void stream_pair(struct fixture *f, int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    open_good(f, &f->a, "socket", "", fd[0]);
}

static void put(int fd, const void *bytes, size_t n)
{
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void put_frame(int fd, const void *bytes, uint32_t n)
{
    uint32_t prefix = htonl(n);

    put(fd, &prefix, sizeof prefix);
    put(fd, bytes, n);
}

/* Reads a frame from the other end of the stream. */
static size_t take_frame(int fd, uint8_t *to, size_t size)
{
    uint32_t n;

    assert_int_equal(recv(fd, &n, sizeof n, MSG_WAITALL), sizeof n);
    n = ntohl(n);
    assert_true(n <= size);
    assert_int_equal(recv(fd, to, n, MSG_WAITALL), n);
    return n;
}

static void test_stream_both_ways(void **state)
{
    struct fixture *f = *state;
    uint8_t got[64];
    int fd[2];

    stream_pair(f, fd);
    put_frame(fd[1], "abcde", 5); /* as test clients do */
    put_frame(fd[1], "", 0);
    put_frame(fd[1], udp4, sizeof udp4);
    run_until(f, &f->a.got, 2);
    assert_int_equal(f->a.bytes[0], 5);
    assert_memory_equal(f->a.frame[0], "abcde", 5);
    assert_int_equal(f->a.bytes[1], sizeof udp4);
    assert_int_equal(f->a.n->stats.rx_frames, 2);
    assert_true(send_bytes(f->a.n, "xyz", 3));
    assert_int_equal(take_frame(fd[1], got, sizeof got), 3);
    assert_memory_equal(got, "xyz", 3);
    settle(f);
    close(fd[1]);
}

static void test_stream_in_bits(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[16] = { 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 5, 1, 2, 3, 4, 5 };
    int fd[2];

    stream_pair(f, fd);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        assert_int_equal(f->a.got, i < 7 ? 0 : 1);
        put(fd[1], bytes + i, 1);
        settle(f);
    }
    assert_int_equal(f->a.got, 2);
    assert_int_equal(f->a.bytes[1], 5);
    close(fd[1]);
}

/* The largest frame fits; a longer one is nonsense, and the end. */
static void test_stream_limits(void **state)
{
    static uint8_t large[NET_FRAME_MAX];
    struct fixture *f = *state;
    const uint32_t bad = htonl(NET_FRAME_MAX + 1);
    int fd[2];

    stream_pair(f, fd);
    large[NET_FRAME_MAX - 1] = 77;
    put_frame(fd[1], large, NET_FRAME_MAX);
    run_until(f, &f->a.got, 1);
    assert_int_equal(f->a.bytes[0], NET_FRAME_MAX);
    assert_int_equal(f->a.frame[0][NET_FRAME_MAX - 1], 77);
    put(fd[1], &bad, sizeof bad);
    settle(f);
    assert_int_equal(recv(fd[1], large, 1, 0), 0);
    assert_true(send_bytes(f->a.n, "xyz", 3)); /* into an unplugged cable */
    assert_int_equal(f->a.n->stats.tx_dropped, 1);
    close(fd[1]);
}

static void test_a_card_without_room_stops_the_sender(void **state)
{
    static uint8_t frame[1514];
    struct fixture *f = *state;
    unsigned sent = 0, before;
    const uint32_t prefix = htonl(sizeof frame);
    int fd[2];

    stream_pair(f, fd);
    f->a.room = 0;
    settle(f);
    while (send(fd[1], &prefix, 4, MSG_DONTWAIT) == 4) {
        if (send(fd[1], frame, sizeof frame, MSG_DONTWAIT) != sizeof frame)
            break;
        sent++;
        if (sent == FRAMES)
            break;
        settle(f);
    }
    assert_int_equal(f->a.got, 0);
    assert_true(sent > 10);
    before = sent; /* the buffer of ours can take one longest frame, and no more */
    f->a.room = 3;
    net_kick(f->a.n);
    assert_int_equal(f->a.got, 0); /* never inside of the card's own call */
    settle(f);
    assert_int_equal(f->a.got, 3);
    for (; sent < FRAMES && send(fd[1], &prefix, 4, MSG_DONTWAIT) == 4; sent++)
        if (send(fd[1], frame, sizeof frame, MSG_DONTWAIT) != sizeof frame)
            break;
    assert_true(before == FRAMES ||
                sent - before <= 3 + NET_FRAME_MAX / sizeof frame + 2);
    f->a.room = FRAMES - 3;
    net_kick(f->a.n);
    run_until(f, &f->a.got, sent);
    settle(f);
    close(fd[1]);
}

/* What is in our buffer already comes as well, though the socket has nothing more. */
static void test_kick_finds_what_is_buffered(void **state)
{
    struct fixture *f = *state;
    int fd[2];

    stream_pair(f, fd);
    f->a.room = 1;
    for (int i = 0; i < 5; i++)
        put_frame(fd[1], "frame", 5);
    settle(f);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(f->a.got, i);
        f->a.room = 1;
        net_kick(f->a.n);
        settle(f);
    }
    close(fd[1]);
}

static void test_a_peer_that_does_not_read(void **state)
{
    static uint8_t frame[1514], got[2048];
    struct fixture *f = *state;
    unsigned sent = 0;
    int fd[2];

    stream_pair(f, fd);
    for (; sent < 10000; sent++) {
        frame[0] = (uint8_t)sent;
        frame[1] = (uint8_t)(sent >> 8);
        if (!send_bytes(f->a.n, frame, sizeof frame))
            break;
    }
    assert_in_range(sent, 2, 9999);
    settle(f);
    assert_int_equal(f->a.writable, 0);
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(take_frame(fd[1], got, sizeof got), sizeof frame);
        assert_int_equal(got[0] | got[1] << 8, i);
        settle(f);
    }
    assert_int_equal(f->a.writable, 1);
    assert_int_equal(f->a.n->stats.tx_frames, sent);
    assert_int_equal(f->a.n->stats.tx_dropped, 0);
    assert_true(send_bytes(f->a.n, frame, 60));
    assert_int_equal(take_frame(fd[1], got, sizeof got), 60);
    close(fd[1]);
}

/* A card that waits is told when nobody is there any more. */
static void test_a_peer_that_ends(void **state)
{
    static uint8_t frame[1514];
    struct fixture *f = *state;
    int fd[2];

    stream_pair(f, fd);
    put_frame(fd[1], "last", 4);
    while (send_bytes(f->a.n, frame, sizeof frame))
        ;
    close(fd[1]);
    run_until(f, &f->a.writable, 1);
    assert_int_equal(f->a.got, 1);
    assert_true(send_bytes(f->a.n, frame, sizeof frame));
    assert_int_equal(f->a.n->stats.tx_dropped, 1);
    settle(f);
}

static void test_stream_gets_finished_frames(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[128], got[128];
    struct net_offload o;
    size_t n = make_tcp(frame, false, false, &o);
    const struct iovec v[] = { { frame, 30 }, { frame + 30, n - 30 } };
    int fd[2];

    stream_pair(f, fd);
    assert_true(net_send(f->a.n, &o, v, 2));
    assert_int_equal(take_frame(fd[1], got, sizeof got), 58);
    assert_int_equal(take_frame(fd[1], got, sizeof got), 58);
    assert_int_equal(take_frame(fd[1], got, sizeof got), 56);
    assert_int_equal(got[50] << 8 | got[51], 0x676c);
    o.csum_start = 33; /* nothing that could be finished */
    assert_true(net_send(f->a.n, &o, v, 2));
    assert_int_equal(f->a.n->stats.tx_dropped, 1);
    close(fd[1]);
}

static void test_link_and_rest(void **state)
{
    struct fixture *f = *state;
    uint8_t got[16];
    int fd[2];

    stream_pair(f, fd);
    f->a.room = 0;
    net_set_link(f->a.n, false);
    assert_int_equal(f->a.links, 1);
    put_frame(fd[1], "lost", 4); /* not there when the cable is in again */
    settle(f);
    assert_int_equal(f->a.n->stats.rx_dropped, 1);
    assert_true(send_bytes(f->a.n, "lost", 4));
    net_set_link(f->a.n, true);
    f->a.room = FRAMES;
    net_kick(f->a.n);
    settle(f);
    assert_int_equal(f->a.got, 0);
    net_rest(f->a.n, true);
    put_frame(fd[1], "kept", 4);
    settle(f);
    assert_int_equal(f->a.got, 0);
    net_rest(f->a.n, false);
    run_until(f, &f->a.got, 1);
    assert_true(send_bytes(f->a.n, "here", 4));
    assert_int_equal(take_frame(fd[1], got, sizeof got), 4);
    assert_memory_equal(got, "here", 4);
    net_attach(f->a.n, NULL, 0);
    put_frame(fd[1], "nobody", 6);
    settle(f);
    close(fd[1]);
}

static void check_two(struct fixture *f)
{
    uint64_t limit = loop_now() + 5000 * MS;

    while (!f->a.got && loop_now() < limit) { /* until the connection is accepted */
        assert_true(send_bytes(f->b.n, "from b", 6));
        settle(f);
    }
    assert_int_equal(f->a.bytes[0], 6);
    assert_true(send_bytes(f->a.n, "from a", 6));
    run_until(f, &f->b.got, 1);
    assert_memory_equal(f->b.frame[0], "from a", 6);
}

static void test_listen_and_connect(void **state)
{
    struct fixture *f = *state;
    char spec[160];
    unsigned port = 20000 + (unsigned)getpid() % 20000;

    snprintf(spec, sizeof spec, "listen=unix:%s", f->path);
    open_good(f, &f->a, "socket", spec, -1);
    snprintf(spec, sizeof spec, "connect=unix:%s", f->path);
    open_good(f, &f->b, "socket", spec, -1);
    check_two(f);
    net_close(f->b.n); /* the next one is taken as well */
    settle(f);
    open_good(f, &f->b, "socket", spec, -1);
    card_forget(&f->a);
    card_forget(&f->b);
    check_two(f);
    net_close(f->a.n);
    net_close(f->b.n);
    f->a.n = f->b.n = NULL;
    card_forget(&f->a);
    card_forget(&f->b);
    assert_int_equal(access(f->path, F_OK), -1);
    snprintf(spec, sizeof spec, "listen=127.0.0.1:%u", port);
    open_good(f, &f->a, "socket", spec, -1);
    snprintf(spec, sizeof spec, "connect=127.0.0.1:%u", port);
    open_good(f, &f->b, "socket", spec, -1);
    check_two(f);
}

static void test_udp(void **state)
{
    struct fixture *f = *state;
    unsigned port = 20000 + (unsigned)getpid() % 20000;
    char spec[160];

    snprintf(spec, sizeof spec, "udp=127.0.0.1:%u,localaddr=127.0.0.1:%u", port, port + 1);
    open_good(f, &f->a, "socket", spec, -1);
    assert_true(send_bytes(f->a.n, "nobody", 6));
    settle(f);
    snprintf(spec, sizeof spec, "udp=127.0.0.1:%u,localaddr=127.0.0.1:%u", port + 1, port);
    open_good(f, &f->b, "socket", spec, -1);
    check_two(f);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    char spec[160];

    assert_refused(f, "bridge", NULL, -1, "no kind 'bridge'");
    assert_refused(f, "tap", "vif1234567890-em", -1, "longer than the 15");
    assert_refused(f, "tap", NULL, -1, "ifname=");
    assert_refused(f, "tap", "x", open("/dev/null", O_RDWR), "not a tap");
    assert_refused(f, "socket", "", open("/dev/null", O_RDWR), "not a socket");
    assert_refused(f, "socket", "", -1, "needs one of");
    assert_refused(f, "socket", "listen=:80,connect=:80", -1, "needs one of");
    assert_refused(f, "socket", "udp=1.2.3.4:5", -1, "localaddr=");
    assert_refused(f, "socket", "mcast=1.2.3.4:5", -1, "'mcast'");
    assert_refused(f, "socket", "connect=localhost:80", -1, "'localhost:80' is no address");
    assert_refused(f, "socket", "connect=1.2.3.4:70000", -1, "is no address");
    snprintf(spec, sizeof spec, "connect=unix:%s", f->path);
    assert_refused(f, "socket", spec, -1, "No such file");
    snprintf(spec, sizeof spec, "listen=unix:%s/x", f->path);
    assert_refused(f, "socket", spec, -1, "cannot listen on");
    open_good(f, &f->a, "none", NULL, -1);
    assert_true(send_bytes(f->a.n, "lost", 4));
    assert_int_equal(f->a.n->stats.tx_dropped, 1);
}

static void test_keys(void **state)
{
    char text[] = "a=1,b,c=x=y,d=one,,two,e=";
    char *spec = text, *v;

    (void)state;
    assert_string_equal(net_next_key(&spec, &v), "a");
    assert_string_equal(v, "1");
    assert_string_equal(net_next_key(&spec, &v), "b");
    assert_null(v);
    assert_string_equal(net_next_key(&spec, &v), "c");
    assert_string_equal(v, "x=y");
    assert_string_equal(net_next_key(&spec, &v), "d");
    assert_string_equal(v, "one,two");
    assert_string_equal(net_next_key(&spec, &v), "e");
    assert_string_equal(v, "");
    assert_null(net_next_key(&spec, &v));
}

/* ---- Captures ---- */

static void open_dump(struct fixture *f, int fd[2], uint32_t snap)
{
    struct net_options o = { .kind = "socket", .label = "net0", .dump = f->path, .dump_bytes = snap };

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    o.fd = fd[0];
    if (net_open(f->l, &o, &f->a.n, &f->e) < 0)
        fail_msg("%s", f->e.text);
    net_attach(f->a.n, &f->a.user, 0);
}

static size_t read_file(const struct fixture *f, uint8_t *to, size_t size)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, to, size);

    close(fd);
    assert_true(n >= 0);
    return (size_t)n;
}

static void test_capture(void **state)
{
    static const uint8_t head[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
                                      0,    0,    0,    0,    8, 0, 0, 0, 1, 0, 0, 0 };
    struct fixture *f = *state;
    uint8_t got[256], frame[128];
    struct net_offload o;
    size_t n = make_tcp(frame, false, false, &o);
    struct iovec v = { frame, n };
    int fd[2];

    open_dump(f, fd, 8);
    assert_true(send_bytes(f->a.n, "to the peer", 11));
    put_frame(fd[1], "reply", 5);
    run_until(f, &f->a.got, 1);
    assert_true(net_send(f->a.n, &o, &v, 1));
    assert_int_equal(read_file(f, got, sizeof got), 24 + 24 + 21 + 3 * 24);
    assert_memory_equal(got, head, 24);
    assert_true(le32(got + 24) > 1600000000 && le32(got + 28) < 1000000);
    assert_int_equal(le32(got + 32), 8);
    assert_int_equal(le32(got + 36), 11);
    assert_memory_equal(got + 40, "to the p", 8);
    assert_int_equal(le32(got + 56), 5);
    assert_int_equal(le32(got + 60), 5);
    assert_memory_equal(got + 64, "reply", 5);
    assert_int_equal(le32(got + 69 + 12), 58); /* segments, as they are on the cable */
    assert_int_equal(le32(got + 69 + 48 + 12), 56);
    assert_int_equal(f->a.n->stats.tx_frames, 2);
    assert_int_equal(f->a.n->stats.rx_frames, 1);
    close(fd[1]);
}

/* A frame that was refused is captured once. The link's news and back-pressure pass through. */
static void test_capture_is_transparent(void **state)
{
    static uint8_t frame[1514], all[4 << 20];
    struct fixture *f = *state;
    unsigned sent = 0;
    int fd[2];

    open_dump(f, fd, 0);
    while (send_bytes(f->a.n, frame, sizeof frame))
        sent++;
    assert_int_equal(read_file(f, all, sizeof all), 24 + sent * (16 + sizeof frame));
    for (unsigned i = 0; i < sent; i++)
        take_frame(fd[1], all, sizeof all), settle(f);
    assert_int_equal(f->a.writable, 1);
    f->a.room = 0;
    settle(f);
    put_frame(fd[1], "wait", 4);
    settle(f);
    assert_int_equal(f->a.got, 0);
    f->a.room = 1;
    net_kick(f->a.n);
    run_until(f, &f->a.got, 1);
    net_rest(f->a.n, true);
    f->a.room = 1;
    put_frame(fd[1], "wait", 4);
    settle(f);
    assert_int_equal(f->a.got, 1);
    net_rest(f->a.n, false);
    run_until(f, &f->a.got, 2);
    close(fd[1]);
}

static void test_capture_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, limit;
    uint8_t got[256];
    int fd[2];

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    open_dump(f, fd, 0);
    limit = before;
    limit.rlim_cur = 24 + 21 + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(send_bytes(f->a.n, "frame", 5));
        assert_int_equal(take_frame(fd[1], got, sizeof got), 5);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(read_file(f, got, sizeof got), 24 + 21);
    close(fd[1]);
}

/* ---- tap ---- */

#define TAP "hvmdm-test0"

enum { LOCAL = 0x88b5 }; /* the type for experiments: nobody else sends it */

/* In a network of our own. False: not allowed here. */
static bool enter_space(struct fixture *f)
{
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (here < 0 || access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0) {
        close(here);
        return false;
    }
    f->space = here;
    return true;
}

static void interface_up(bool up)
{
    struct ifreq r = { .ifr_name = TAP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &r), 0);
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static void interface_delete(void)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg i;
    } m = { .h = { .nlmsg_len = sizeof m,
                   .nlmsg_type = RTM_DELLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
            .i = { .ifi_index = (int)if_nametoindex(TAP) } };
    char answer[512];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    assert_int_equal(send(fd, &m, sizeof m, 0), sizeof m);
    assert_true(recv(fd, answer, sizeof answer, 0) > 0);
    assert_int_equal(if_nametoindex(TAP), 0);
    close(fd);
}

/* The host's end of the interface, for one type of frame. */
static int host_end(uint16_t type)
{
    const struct timeval limit = { .tv_sec = 5 };
    struct sockaddr_ll a = { .sll_family = AF_PACKET,
                             .sll_protocol = htons(type),
                             .sll_ifindex = (int)if_nametoindex(TAP) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(type));

    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&a, sizeof a), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static const uint8_t local[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
                                   0x54, 0,    0x12, 0x34, 0x56, 0x88, 0xb5 };

/* Receives until a frame of `local`'s kind has come: the host has things to say of its own. */
static void run_until_local(struct fixture *f, struct card *c)
{
    uint64_t limit = loop_now() + 5000 * MS;
    bool found = false;

    while (!found && loop_now() < limit) {
        if (!loop_turn(f->l, false))
            usleep(200);
        for (unsigned i = 0; i < c->got; i++)
            found |= c->bytes[i] == sizeof local && memcmp(c->frame[i], local, sizeof local) == 0;
    }
    assert_true(found);
    card_forget(c);
    c->room = FRAMES;
}

static void test_tap(void **state)
{
    struct fixture *f = *state;
    struct iovec pieces[sizeof local];
    static const struct net_offload nothing;
    uint8_t got[128];
    int host;

    if (!enter_space(f))
        skip();
    open_good(f, &f->a, "tap", TAP, -1);
    assert_string_equal(f->a.n->what, "tap " TAP);
    assert_true(f->a.n->keep >= 0 && fcntl(f->a.n->keep, F_GETFD) & FD_CLOEXEC);
    assert_true(send_bytes(f->a.n, local, sizeof local)); /* down: dropped */
    assert_int_equal(f->a.n->stats.tx_dropped, 1);
    interface_up(true);
    host = host_end(LOCAL);
    assert_true(send_bytes(f->a.n, local, sizeof local));
    assert_int_equal(recv(host, got, sizeof got, 0), sizeof local);
    assert_memory_equal(got, local, sizeof local);
    for (unsigned i = 0; i < sizeof local; i++)
        pieces[i] = (struct iovec){ (void *)(uintptr_t)(local + i), 1 };
    assert_true(net_send(f->a.n, &nothing, pieces, sizeof local));
    assert_int_equal(recv(host, got, sizeof got, 0), sizeof local);
    assert_memory_equal(got, local, sizeof local);
    put(host, local, sizeof local);
    run_until_local(f, &f->a);
    f->a.room = 0; /* stays in the kernel */
    settle(f);
    put(host, local, sizeof local);
    settle(f);
    assert_int_equal(f->a.got, 0);
    f->a.room = FRAMES;
    net_kick(f->a.n);
    run_until_local(f, &f->a);
    interface_up(false);
    assert_true(send_bytes(f->a.n, local, sizeof local));
    settle(f);
    interface_up(true);
    close(host);
    host = host_end(LOCAL);
    put(host, local, sizeof local);
    run_until_local(f, &f->a);
    assert_int_equal(f->a.n->stats.tx_dropped, 2);
    assert_int_equal(f->a.links, 0);
    close(host);
}

/* The predecessor's descriptor is enough; what neither of them wanted to miss has waited. */
static void test_tap_successor(void **state)
{
    struct fixture *f = *state;
    int host;

    if (!enter_space(f))
        skip();
    open_good(f, &f->a, "tap", TAP, -1);
    interface_up(true);
    host = host_end(LOCAL);
    net_rest(f->a.n, true);
    put(host, local, sizeof local);
    settle(f);
    open_good(f, &f->b, "tap", TAP, dup(f->a.n->keep));
    assert_string_equal(f->b.n->what, "tap " TAP);
    run_until_local(f, &f->b);
    net_close(f->a.n);
    f->a.n = NULL;
    put(host, local, sizeof local);
    run_until_local(f, &f->b);
    close(host);
}

static void test_tap_deleted(void **state)
{
    struct fixture *f = *state;

    if (!enter_space(f))
        skip();
    open_good(f, &f->a, "tap", TAP, -1);
    interface_up(true);
    settle(f);
    interface_delete();
    run_until(f, &f->a.links, 1);
    assert_false(f->a.up);
    assert_true(send_bytes(f->a.n, local, sizeof local));
    net_set_link(f->a.n, true); /* somebody believes that it is there */
    assert_true(send_bytes(f->a.n, local, sizeof local));
    settle(f);
    assert_int_equal(f->a.links, 3);
    assert_false(f->a.up);
    /* A successor starts all the same. */
    open_good(f, &f->b, "tap", TAP, dup(f->a.n->keep));
    run_until(f, &f->b.links, 1);
    assert_true(send_bytes(f->b.n, local, sizeof local));
    assert_int_equal(f->b.n->stats.tx_dropped, 1);
    settle(f);
}

/* A TCP frame that somebody else left undone, as from another guest of this host. */
static void put_undone(int host, size_t bytes, const uint8_t *frame, const struct net_offload *o)
{
    uint8_t both[sizeof *o + 128];

    memcpy(both, o, sizeof *o);
    memcpy(both + sizeof *o, frame, bytes);
    put(host, both, sizeof *o + bytes);
}

static unsigned count_tcp(const struct card *c, unsigned *last)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->got; i++)
        if (c->bytes[i] >= 54 && c->frame[i][23] == 6 && c->frame[i][12] == 8) {
            *last = i;
            n++;
        }
    return n;
}

static void run_until_tcp(struct fixture *f, unsigned frames, unsigned *last)
{
    uint64_t limit = loop_now() + 5000 * MS;

    while (count_tcp(&f->a, last) < frames && loop_now() < limit)
        if (!loop_turn(f->l, false))
            usleep(200);
    settle(f);
    assert_int_equal(count_tcp(&f->a, last), frames);
}

/* Who can take a frame as a whole gets it so; else the kernel finishes it, or, when it is under way
 * already, we do. */
static void test_tap_offload(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[128];
    struct net_offload o;
    const int yes = 1;
    unsigned last = 0;
    size_t n = make_tcp(frame, false, false, &o);
    int host;

    if (!enter_space(f))
        skip();
    put16(frame + 16, (uint16_t)(n - 14));
    put16(frame + 24, net_sum_end(net_sum(0, frame + 14, 20)));
    put16(frame + 50, (uint16_t)net_sum(6 + 30, frame + 26, 8)); /* the kernel goes by it */
    open_good(f, &f->a, "tap", TAP, -1);
    net_attach(f->a.n, &f->a.user, NET_CAN_CSUM | NET_CAN_TSO4 | NET_CAN_TSO6);
    interface_up(true);
    host = host_end(ETHERTYPE_IP);
    assert_int_equal(setsockopt(host, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes), 0);
    put_undone(host, n, frame, &o);
    run_until_tcp(f, 1, &last);
    assert_int_equal(f->a.bytes[last], n);
    assert_int_equal(f->a.offload[last].gso, NET_GSO_TCP4);
    assert_int_equal(f->a.offload[last].gso_size, 4);
    assert_int_equal(f->a.offload[last].hdr_len, 54);
    assert_int_equal(f->a.offload[last].flags, NET_NEEDS_CSUM);
    card_forget(&f->a);
    f->a.room = 0;
    settle(f);
    put_undone(host, n, frame, &o);
    net_attach(f->a.n, &f->a.user, 0);
    f->a.room = 100;
    net_kick(f->a.n);
    run_until_tcp(f, 3, &last);
    assert_int_equal(f->a.bytes[last], 56);
    assert_int_equal(f->a.frame[last][50] << 8 | f->a.frame[last][51], 0x676c);
    assert_int_equal(f->a.offload[last].flags, 0);
    card_forget(&f->a);
    put_undone(host, n, frame, &o);
    run_until_tcp(f, 3, &last);
    assert_int_equal(f->a.frame[last][50] << 8 | f->a.frame[last][51], 0x676c);
    close(host);
}

/* ---- user ---- */

#ifdef CONFIG_SLIRP
static const uint8_t arp_for_router[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6, 0, 1, 8, 0, 6, 4, 0,
    1,    0x52, 0x54, 0,    0x12, 0x34, 0x56, 10,   0, 2,    15,   0,    0, 0, 0, 0, 0, 10, 0, 2, 2
};

static bool open_user(struct fixture *f, const char *spec)
{
    if (open_kind(f, &f->a, "user", spec, -1) == 0)
        return true;
    if (!strstr(f->e.text, "install libslirp0"))
        fail_msg("%s", f->e.text);
    return false;
}

static void test_user(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    uint8_t frame[sizeof udp4], got[16];
    const struct iovec v = { frame, sizeof frame };
    struct timeval limit = { .tv_sec = 5 };
    int host = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(host, (struct sockaddr *)(void *)&a, size), 0);
    assert_int_equal(getsockname(host, (struct sockaddr *)(void *)&a, &size), 0);
    setsockopt(host, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!open_user(f, "hostname=guest,restrict=off"))
        skip();
    assert_true(send_bytes(f->a.n, arp_for_router, sizeof arp_for_router));
    assert_int_equal(f->a.got, 0); /* never inside of the card's own call */
    run_until(f, &f->a.got, 1);
    assert_memory_equal(f->a.frame[0] + 28, arp_for_router + 38, 4);
    /* A datagram, of which we are to make the sum, to the host and back. */
    memcpy(frame, udp4, sizeof frame);
    memcpy(frame + 6, arp_for_router + 6, 6);
    memcpy(frame, f->a.frame[0] + 6, 6);
    memcpy(frame + 36, &a.sin_port, 2);
    put16(frame + 24, net_sum_end(net_sum(0, frame + 14, 20)));
    put16(frame + 40, (uint16_t)net_sum(17 + 13, frame + 26, 8));
    assert_true(net_send(f->a.n, &udp4_sum, &v, 1));
    size = sizeof a;
    assert_int_equal(recvfrom(host, got, sizeof got, 0, (struct sockaddr *)(void *)&a, &size), 5);
    assert_memory_equal(got, "hello", 5);
    card_forget(&f->a);
    f->a.room = 0;
    assert_int_equal(sendto(host, "answer", 6, 0, (struct sockaddr *)(void *)&a, size), 6);
    settle(f);
    assert_int_equal(f->a.got, 0);
    f->a.room = FRAMES;
    net_kick(f->a.n);
    run_until(f, &f->a.got, 1);
    assert_int_equal(f->a.bytes[0], 48);
    assert_memory_equal(f->a.frame[0] + 42, "answer", 6);
    close(host);
}

/* More answers than the queue has places: some are lost, the rest arrives. */
static void test_user_queue_is_bounded(void **state)
{
    struct fixture *f = *state;

    if (!open_user(f, ""))
        skip();
    f->a.room = 0;
    for (int i = 0; i < 200; i++)
        assert_true(send_bytes(f->a.n, arp_for_router, sizeof arp_for_router));
    settle(f);
    f->a.room = FRAMES;
    net_kick(f->a.n);
    run_until(f, &f->a.got, 1);
    settle(f);
    assert_int_equal(f->a.got + f->a.n->stats.rx_dropped, 200);
    assert_in_range(f->a.got, 1, 199);
}

static void test_user_forwards(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    unsigned port = 20000 + (unsigned)getpid() % 20000;
    int host = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    char spec[160];

    snprintf(spec, sizeof spec,
             "net=10.9.0.0/16,dhcpstart=10.9.1.1,hostfwd=tcp:127.0.0.1:%u-:22,"
             "hostfwd=udp:127.0.0.1:%u-10.9.1.1:23",
             port, port);
    if (!open_user(f, spec))
        skip();
    a.sin_port = htons((uint16_t)port);
    (void)connect(host, (struct sockaddr *)(void *)&a, sizeof a);
    run_until(f, &f->a.got, 1); /* "who has 10.9.1.1?" */
    assert_memory_equal(f->a.frame[0] + 38, "\12\11\1\1", 4);
    close(host);
    f->e.text[0] = '\0';
    assert_true(open_kind(f, &f->b, "user", spec, -1) < 0);
    assert_non_null(strstr(f->e.text, "cannot forward tcp port"));
}

static void test_user_refusals(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "user", "smb=/tmp", -1, "'smb'");
    assert_refused(f, "user", "net=10.0.2.0/33", -1, "'net'");
    assert_refused(f, "user", "host=10.0.3.1", -1, "must be in the network");
    assert_refused(f, "user", "restrict=maybe", -1, "'restrict'");
    assert_refused(f, "user", "hostfwd=sctp::1-:2", -1, "'hostfwd'");
    assert_refused(f, "user", "hostfwd=tcp::1", -1, "'hostfwd'");
    assert_refused(f, "user", "hostfwd=tcp:name:1-:2", -1, "'hostfwd'");
}
#else
static void test_user_refusals(void **state)
{
    assert_refused(*state, "user", "", -1, "install libslirp-dev");
}
#endif

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_checksum),
        T(test_checksum_of_zero),
        T(test_segments),
        T(test_what_cannot_be_finished),
        T(test_stream_both_ways),
        T(test_stream_in_bits),
        T(test_stream_limits),
        T(test_a_card_without_room_stops_the_sender),
        T(test_kick_finds_what_is_buffered),
        T(test_a_peer_that_does_not_read),
        T(test_a_peer_that_ends),
        T(test_stream_gets_finished_frames),
        T(test_link_and_rest),
        T(test_listen_and_connect),
        T(test_udp),
        T(test_refusals),
        T(test_keys),
        T(test_capture),
        T(test_capture_is_transparent),
        T(test_capture_on_a_full_disk),
        T(test_tap),
        T(test_tap_successor),
        T(test_tap_deleted),
        T(test_tap_offload),
#ifdef CONFIG_SLIRP
        T(test_user),
        T(test_user_queue_is_bounded),
        T(test_user_forwards),
#endif
        T(test_user_refusals),
    };

    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
