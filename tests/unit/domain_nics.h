/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_nics - tests of test_domain.c: a network card on a tap. */
#ifndef TESTS_UNIT_DOMAIN_NICS_H
#define TESTS_UNIT_DOMAIN_NICS_H

#include <net/if.h>
#include <sched.h>

#include "hw/core/core.h"
#include "tests/unit/domain_arenas.h"

/* On this board: behind the platform device, which is in the first free slot. */
enum { NIC_DEVFN = 3 << 3, NIC_PLACE = 9, UNPLUG_PORT = 0x10, UNPLUG_NICS = 2 };

#define TAP "vif7.0-emu"

static int host_net = -1; /* the network of other tests */

/* In an empty network, where taps are nobody's business: that takes root. */
static int setup_card(void **state)
{
    int ret = setup(state);
    struct fixture *f = *state;

    host_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (ret || host_net < 0 || access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0)
        return ret;
    f->config.nnics = 1;
    f->config.nics[0] = (struct config_nic){ .model = pc_nic_name(0),
                                             .id = "n",
                                             .mac = { 2, 0, 0, 0, 0, 1 },
                                             .kind = "tap",
                                             .ifname = TAP,
                                             .fd = -1 };
    return 0;
}

static int teardown_card(void **state)
{
    if (((struct fixture *)*state)->config.nnics)
        assert_int_equal(setns(host_net, CLONE_NEWNET), 0);
    close(host_net);
    return teardown(state);
}

static bool tap_is_there(void)
{
    return if_nametoindex(TAP) != 0;
}

static bool card_is_there(void)
{
    return ranges_hold_pci(&port.world->registered, NIC_DEVFN);
}

static struct worker first_with_card(struct fixture *f)
{
    struct worker w;

    if (!f->config.nnics)
        skip();
    assert_false(tap_is_there());
    w = start(f, 0);
    serve_until(f, &w, SUPERVISED_READY);
    serve_until(f, &w, SUPERVISED_WANT_PV);
    assert_true(tap_is_there() && card_is_there() && find_held(f, "net0"));
    return w;
}

static void card_stays(void **state)
{
    struct fixture *f = *state;
    struct worker w = first_with_card(f), old;

    murder(f, &w);
    assert_true(tap_is_there());
    old = up(f, SIGKILL);
    tell(&old, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &old, SUPERVISED_HANDED_OVER);
    w = start(f, SUPERVISED_UPGRADE);
    serve_until(f, &w, SUPERVISED_READY);
    tell(&old, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, &old), 0);
    assert_true(tap_is_there());
    assert_non_null(find_held(f, "net0"));
    assert_true(card_is_there());
    quit(f, &w);
}

/* Before the guest has its answer, the network is gone, and so is the card, for good. */
static void unplugged_card_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct worker w = first_with_card(f);

    ask_wide(UNPLUG_PORT, 2, false, UNPLUG_NICS);
    while (serve(f, &w) != SUPERVISED_DROP)
        ;
    assert_string_equal(f->last.name, "net0");
    assert_false(tap_is_there());
    answer(f, &w);
    assert_false(card_is_there());
    assert_non_null(find_held(f, "disk0"));
    murder(f, &w);
    w = up(f, SIGSEGV);
    assert_false(card_is_there());
    assert_null(find_held(f, "net0"));
    quit(f, &w);
}

/* Unplugged, but the supervisor was not told any more. */
static void unplugged_card_is_given_up_later(void **state)
{
    struct fixture *f = *state;
    struct worker w = first_with_card(f);
    struct arena_header *h;
    const struct arena_record *r;

    murder(f, &w);
    h = mmap(NULL, DOMAIN_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
             find_held(f, "arena")->fd, 0);
    assert_true(h != MAP_FAILED);
    r = record_in(h, "machine");
    ((struct machine_state *)(void *)((char *)h + r->state))->hidden[NIC_PLACE] = 1;
    munmap(h, DOMAIN_ARENA_BYTES);
    w = start(f, SIGKILL);
    serve_until(f, &w, SUPERVISED_READY);
    serve_until(f, &w, SUPERVISED_DROP);
    assert_string_equal(f->last.name, "net0");
    assert_false(card_is_there());
    assert_int_equal(in(f, &w, SCRATCH), 0);
    assert_false(tap_is_there());
    quit(f, &w);
}

/* A card without its network, of which the guest knows nothing, is no card to go on with. */
static void card_without_network_is_refused(void **state)
{
    struct fixture *f = *state;
    struct worker w = first_with_card(f);

    murder(f, &w);
    assert_true(drop(f, "net0"));
    w = start(f, SIGKILL);
    serve_until(f, &w, SUPERVISED_SAY);
    assert_non_null(strstr(f->last.text, "does not have the network n"));
    assert_int_equal(WEXITSTATUS(reap(f, &w)), 1);
}

/* A build tries a board with cards, of which it has nothing but the arena. */
static void trial_with_card(void **state)
{
    struct fixture *f = *state;
    struct worker w = first_with_card(f);
    struct error e = { "" };

    if (domain_check_arena(find_held(f, "arena")->fd, &e) < 0)
        fail_msg("%s", e.text);
    quit(f, &w);
}

#endif
