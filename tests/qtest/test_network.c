/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_network - network cards of a machine that a client drives, and the sockets behind them. */
#include "tests/qtest/guest.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CARD = 5 << 3, IO = 0xc000, TX = 0x10000, RING = 0x20000, RING_BYTES = 8192 + 16, N = 100 };
/* Registers of an RTL8139. */
enum { MAC0 = 0x00, TSD0 = 0x10, TSAD0 = 0x20, RBSTART = 0x30, CR = 0x37, CAPR = 0x38, RCR = 0x44 };
enum { CR_ON = 0x0c, CR_EMPTY = 0x01, TSD_TOK = 1 << 15, RCR_ALL = 0x0f };

/* A machine with a card in slot 5 whose cable is a socket, our end of which is *cable. */
static struct guest *start(int *cable)
{
    char arguments[160];
    struct guest *g;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(
        arguments, sizeof arguments,
        "-netdev socket,fd=%d,id=n -device rtl8139,id=x,netdev=n,mac=02:00:00:00:00:42,addr=05",
        pair[1]);
    g = guest_start(arguments);
    close(pair[1]);
    *cable = pair[0];
    guest_set_config(g, CARD, 0x10, IO);
    guest_set_config(g, CARD, 0x04, 5); /* ports, bus master */
    return g;
}

static void hear(int cable, void *to, size_t n)
{
    for (size_t have = 0; have < n;) {
        struct pollfd p = { .fd = cable, .events = POLLIN };
        ssize_t more;

        assert_int_equal(poll(&p, 1, 10000), 1);
        more = read(cable, (uint8_t *)to + have, n - have);
        assert_true(more > 0);
        have += (size_t)more;
    }
}

static void frames_go_both_ways(void **state)
{
    uint8_t frame[4 + N] = { 0, 0, 0, N }, got[4 + N], head[4];
    struct guest *g;
    int cable;

    (void)state;
    for (unsigned i = 0; i < N; i++)
        frame[4 + i] = (uint8_t)i;
    memset(frame + 4, 0xff, 6); /* to all */
    g = start(&cable);
    EXPECT_EQ(guest_inl(g, IO + MAC0), 2);
    EXPECT_EQ(guest_inw(g, IO + MAC0 + 4), 0x4200);
    guest_outb(g, IO + CR, CR_ON);
    guest_write(g, TX, frame + 4, N);
    guest_outl(g, IO + TSAD0, TX);
    guest_outl(g, IO + TSD0, N);
    hear(cable, got, sizeof got);
    assert_memory_equal(got, frame, sizeof got);
    EXPECT_EQ(guest_inl(g, IO + TSD0) & TSD_TOK, TSD_TOK);

    /* There is no room for it yet: it waits. */
    guest_outb(g, IO + CR, 0);
    EXPECT_EQ(write(cable, frame, sizeof frame), (ssize_t)sizeof frame);
    guest_outl(g, IO + RBSTART, RING);
    guest_outl(g, IO + RCR, RCR_ALL);
    guest_outb(g, IO + CR, CR_ON);
    for (unsigned i = 0; guest_inb(g, IO + CR) & CR_EMPTY; i++) {
        assert_in_range(i, 0, 1000);
        usleep(1000);
    }
    guest_read(g, RING, head, sizeof head);
    EXPECT_EQ(head[0] & 1, 1);
    EXPECT_EQ(head[2] | head[3] << 8, N + 4); /* and the FCS */
    guest_read(g, RING + 4, got, N);
    assert_memory_equal(got, frame + 4, N);
    close(cable);
    guest_stop(g);
}

GUEST_TEST(cards_are_in_the_order_of_the_command_line,
           "-device e1000 -device rtl8139,netdev=h,addr=0x6 -device rtl8139 -device VGA "
           "-netdev hubport,hubid=0,id=h")
{
    EXPECT_EQ(guest_config(g, 2 << 3, 0), 0x11111234); /* the VGA is always first */
    EXPECT_EQ(guest_config(g, 3 << 3, 0), 0x100e8086);
    EXPECT_EQ(guest_config(g, 6 << 3, 0), 0x813910ec);
    EXPECT_EQ(guest_config(g, 4 << 3, 0), 0x813910ec);
    EXPECT_EQ(guest_config(g, 5 << 3, 0), 0xffffffff);
    assert_non_null(strstr(guest_qmp(g, "{'execute':'qom-list-types'}"), "\"e1000\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(frames_go_both_ways),
        T(cards_are_in_the_order_of_the_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
