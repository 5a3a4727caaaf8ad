/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_net - the host side of network cards: software completion, streams of frames, back-pressure
 * both ways, peers that go away, captures.
 */
#include "tests/unit/net_card.h"

#include <errno.h>
#include <sys/resource.h>

#include "net/frames.h"

/* ---- Completion ---- */

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

static void check_segments(bool v6, bool vlan, const uint16_t *sums)
{
    static uint8_t out[NET_FRAME_MAX];
    static const uint8_t flags[] = { 0x90, 0x10, 0x19 };
    uint8_t frame[128], sequence[4];
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
        put32(sequence, 0xfffffffe + 4 * i);
        assert_memory_equal(tcp + 4, sequence, 4);
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
#define WITH(change) (o = good, change, assert_unfinishable(&o, frame, bytes))
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
    assert_true(before == FRAMES || sent - before <= 3 + NET_FRAME_MAX / sizeof frame + 2);
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
    put_frame(fd[1], "lost", 4); /* not there when the cable is in again */
    settle(f);
    assert_int_equal(f->a.n->stats.rx_dropped, 0);
    net_set_link(f->a.n, false);
    assert_int_equal(f->a.links, 1);
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
    unsigned port = 10000 + (unsigned)getpid() % 10000 * 2;

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
    unsigned port = 10000 + (unsigned)getpid() % 10000 * 2;
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
    struct net_options o = {
        .kind = "socket", .label = "net0", .dump = f->path, .dump_bytes = snap
    };

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
    };

    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
