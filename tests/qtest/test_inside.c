/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_inside - hvmdm-ctl looks into a machine that a client drives. */
#include "tests/qtest/guest.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Run hvmdm-ctl; while it runs, the guest asks its serial port for its state. How often. */
static unsigned look(struct guest *g, const char *what, char *said, size_t size)
{
    int in, out, err;
    char arguments[256];
    unsigned asked = 0;
    size_t n = 0;
    ssize_t k = 1;
    pid_t pid;

    snprintf(arguments, sizeof arguments, "-d %s 0 %s", g->dir, what);
    pid = guest_spawn("hvmdm-ctl", arguments, &in, &out, &err);
    while (k > 0) {
        struct pollfd p = { .fd = out, .events = POLLIN };

        if (poll(&p, 1, 0) == 1) {
            k = read(out, said + n, size - 1 - n);
            n += k > 0 ? (size_t)k : 0;
        } else {
            guest_inb(g, 0x3fd);
            asked++;
        }
    }
    said[n] = '\0';
    close(in);
    close(out);
    close(err);
    EXPECT_EQ(guest_status(pid), 0);
    return asked;
}

GUEST_TEST(top_shows_what_is_asked, "-control %s")
{
    char said[4096], *at;
    unsigned asked = look(g, "top --once", said, sizeof said);
    double rate, writes, us, busy;

    at = strstr(said, "uart16550        uart.LSR\n");
    assert_non_null(at);
    while (at > said && at[-1] != '\n')
        at--;
    EXPECT_EQ(sscanf(at, "%lf %lf %lf %lf", &rate, &writes, &us, &busy), 4);
    EXPECT_TRUE(rate > 0 && rate <= asked);
    EXPECT_TRUE(writes < 1 && us > 0 && busy > 0 && busy < 100);
    EXPECT_TRUE(at == strchr(strstr(said, "READS/S"), '\n') + 1); /* the first: nothing else runs */
}

GUEST_TEST(state_has_the_line_control_register, "-control %s")
{
    char said[8192];

    guest_outb(g, 0x3fb, 0x1b);
    look(g, "state uart16550", said, sizeof said);
    assert_non_null(strstr(said, "  LCR              0x1b\n"));
}

GUEST_TEST(trace_goes_on_and_off, "-control %s")
{
    char said[1024];

    look(g, "trace i8042,piix3_i* on", said, sizeof said);
    assert_string_equal(said, "traced: i8042 piix3_ide\n");
    look(g, "trace piix3* off", said, sizeof said);
    assert_string_equal(said, "traced: i8042\n");
}

GUEST_TEST(without_a_machine_it_says_so, "-machine none -control %s")
{
    char said[1024];

    look(g, "version", said, sizeof said);
    assert_non_null(strstr(said, "hvmdm "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(top_shows_what_is_asked),
        T(state_has_the_line_control_register),
        T(trace_goes_on_and_off),
        T(without_a_machine_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
