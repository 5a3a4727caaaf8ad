/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_net_host - network cards and the real host: a tap interface that goes down, away, and to a
 * successor; the user-mode network.
 *
 * Interfaces are made in a network namespace of our own; without the right to that, and without
 * libslirp, such tests are skipped.
 */
#include "tests/unit/net_card.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "ioreq/quick.h"

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
    /* Another process has had the interface, and went: what was said counts again. */
    net_attach(f->a.n, &f->a.user, NET_CAN_CSUM | NET_CAN_TSO4);
    net_rest(f->a.n, true);
    assert_int_equal(ioctl(f->a.n->keep, TUNSETOFFLOAD, 0), 0);
    net_rest(f->a.n, false);
    card_forget(&f->a);
    put_undone(host, n, frame, &o);
    run_until_tcp(f, 1, &last);
    assert_int_equal(f->a.bytes[last], n);
    close(host);
}

/* A loop that sleeps in a read is woken by a frame. */
static void test_tap_sends_signals(void **state)
{
    struct fixture *f = *state;
    int host;

    if (!enter_space(f) || !loop_use_quick(f->l))
        skip();
    open_good(f, &f->a, "tap", TAP, -1);
    interface_up(true);
    host = host_end(LOCAL);
    settle(f);
    assert_true(fcntl(f->a.n->keep, F_GETFL) & O_ASYNC);
    quick_forget();
    put(host, local, sizeof local);
    assert_true(quick_poked());
    run_until_local(f, &f->a);
    loop_give_up_quick(f->l);
    close(host);
}

/* ---- user ---- */

#ifdef CONFIG_SLIRP
static const uint8_t arp_for_router[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 6, 0, 1, 8, 0,  6, 4, 0,
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
    for (int i = 0; i < 100; i++) { /* more than the queue holds: they wait in the host's socket */
        assert_int_equal(sendto(host, "answer", 6, 0, (struct sockaddr *)(void *)&a, size), 6);
        loop_turn(f->l, false);
    }
    settle(f);
    assert_int_equal(f->a.got, 0);
    f->a.room = FRAMES;
    net_kick(f->a.n);
    run_until(f, &f->a.got, 100);
    assert_int_equal(f->a.n->stats.rx_dropped, 0);
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
    unsigned port = 10000 + (unsigned)getpid() % 10000 * 2;
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
        T(test_tap),           T(test_tap_successor),         T(test_tap_deleted),
        T(test_tap_offload),   T(test_tap_sends_signals),
#ifdef CONFIG_SLIRP
        T(test_user),          T(test_user_queue_is_bounded), T(test_user_forwards),
#endif
        T(test_user_refusals),
    };

    return cmocka_run_group_tests_name("net_host", tests, NULL, NULL);
}
