/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client - see client.h. */
#include "tests/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "ioreq/loop.h"

int client_pair(int *server)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    *server = pair[0];
    return pair[1];
}

void client_settle(struct loop *l)
{
    for (int i = 0; i < 1000 && loop_turn(l, false); i++)
        ;
}

void client_say(int fd, const char *text, size_t n)
{
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

size_t client_receive(int fd, char *buf, size_t size)
{
    size_t n = 0;
    ssize_t k;

    while (n < size - 1 && (k = recv(fd, buf + n, size - 1 - n, MSG_DONTWAIT)) > 0)
        n += (size_t)k;
    buf[n] = '\0';
    return n;
}

const char *client_ask(struct loop *l, int fd, const char *text)
{
    static char answer[65536];

    client_say(fd, text, strlen(text));
    client_settle(l);
    client_receive(fd, answer, sizeof answer);
    return answer;
}
