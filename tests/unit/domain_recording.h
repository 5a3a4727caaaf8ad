/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_recording - tests of test_domain.c: --record, through deaths and handovers. */
#ifndef TESTS_UNIT_DOMAIN_RECORDING_H
#define TESTS_UNIT_DOMAIN_RECORDING_H

#include <sys/stat.h>

#include "tests/unit/domain_nics.h"
#include "tests/unit/domain_twins.h"
#include "toolstack/record/player.h"

/* A sector of the disk by the data port, and a character. */
static void work(struct fixture *f, struct worker *w)
{
    out(f, w, 0x1f6, 0xe0);
    out(f, w, 0x1f2, 1);
    out(f, w, 0x1f3, 3);
    out(f, w, 0x1f7, 0x20);
    while (in(f, w, 0x1f7) & 0x80)
        ;
    for (unsigned i = 0; i < SECTOR / 2; i++) {
        ask_wide(0x1f0, 2, true, 0);
        answer(f, w);
    }
    out(f, w, UART, 'a');
    out(f, w, 0x2f8, 'b');
}

static struct player_result replay(const char *path)
{
    struct player_result r;

    player_run(path, &r);
    if (r.outcome != PLAYER_SAME)
        fail_msg("%s", r.text);
    return r;
}

/* Any other test under record. */

static char recording[160];

static void record(struct fixture *f)
{
    snprintf(recording, sizeof recording, "%s/recording", f->image->dir);
    f->config.record = recording;
}

static int setup_recorded(void **state)
{
    int ret = setup(state);

    record(*state);
    return ret;
}

static int setup_recorded_twins(void **state)
{
    int ret = setup_twins(state);

    record(*state);
    return ret;
}

static int setup_recorded_card(void **state)
{
    int ret = setup_card(state);

    record(*state);
    return ret;
}

static void replay_and_remove(void)
{
    replay(recording);
    unlink(recording);
}

static int teardown_recorded(void **state)
{
    replay_and_remove();
    return teardown(state);
}

static int teardown_recorded_card(void **state)
{
    if (((struct fixture *)*state)->config.nnics)
        replay_and_remove();
    return teardown_card(state);
}

static int teardown_recorded_twins(void **state)
{
    replay_and_remove();
    return teardown_twins(state);
}

static void recorded_lives_replay(void **state)
{
    struct fixture *f = *state;
    char path[160];
    struct worker w;
    struct player_result r;
    struct stat st;

    snprintf(path, sizeof path, "%s/recording", f->image->dir);
    f->config.record = path;
    w = up(f, 0);
    assert_non_null(find_held(f, "record"));
    work(f, &w);
    assert_int_equal(stat(path, &st), 0); /* others may be curious */
    assert_int_equal(st.st_mode & 0777, 0600);
    r = replay(path); /* while it grows */
    assert_int_equal(r.segments, 1);
    assert_true(r.requests > SECTOR / 2);
    murder(f, &w);
    ask(SCRATCH, true, 0);
    w = up(f, SIGKILL);
    answer(f, &w);
    work(f, &w);
    tell(&w, SUPERVISED_HAND_OVER, 1); /* which comes to nothing */
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    tell(&w, SUPERVISED_RESUME, 0);
    work(f, &w);
    quit(f, &w);
    r = replay(path);
    assert_int_equal(r.segments, 4); /* the last one is the state at the end */
    assert_int_equal(r.unseen, 2);
    unlink(path);
}

#endif
