/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_supervisor - the life of workers under the real supervisor, and its small parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/brood.h"
#include "toolstack/supervisor/held.h"
#include "toolstack/supervisor/supervisor.h"
#include "toolstack/supervisor/text.h"

/* ---- the life of a device model ------------------------------------------------------------- */

static void starts_and_quits(void **state)
{
    struct brood b;

    (void)state;
    brood_start(&b, "server");
    brood_await_running(&b);
    assert_true(brood_exists("7.supervisor"));
    kill(b.pid, SIGHUP);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_await(&b, "model 0 quit");
    assert_false(brood_happened(&b, "xen"));
    brood_end(&b);
}

/* libxl asks by QMP then, and falls over a word in xenstore. */
static void says_nothing_in_xenstore_under_dm_restrict(void **state)
{
    char text[16] = "";
    struct brood b;

    (void)state;
    brood_prepare(&b);
    brood_put("dm-restrict", "");
    brood_put("model.0", "server");
    brood_launch(&b);
    brood_await_worker(&b, "model 0", "death 0 arena () leaks 1");
    brood_await(&b, "model 0 ready");
    brood_nap(100);
    assert_int_equal(xenstore_read(b.x.them, BROOD_NODE "/state", text, sizeof text), -ENOENT);
    brood_end(&b);
}

static void starts_again(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "");
    kill(pid, SIGKILL);
    pid = brood_await_worker(&b, "model 1", "death 9 arena (state of 0) leaks 0");
    kill(pid, SIGSEGV);
    pid = brood_await_worker(&b, "model 2", "death 11 arena (state of 0) leaks 0");
    kill(pid, SIGXCPU);
    pid = brood_await_worker(&b, "model 3", "death 256 arena (state of 0) leaks 0");
    brood_put("model.4", "fail");
    kill(pid, SIGTERM);
    brood_await_worker(&b, "model 4", "death 15 arena (state of 0) leaks 0");
    brood_await_worker(&b, "model 5", "death 258 arena (state of 0) leaks 0");
    brood_await(&b, "model 5 ready");
    assert_false(brood_happened(&b, "xen"));
    brood_end(&b);
}

static void crash_loop_ends(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "server");
    brood_put("model", "idle die");
    kill(pid, SIGKILL);
    brood_await_worker(&b, "model 4", "death 11");
    brood_await(&b, "xen crashes 7");
    brood_await(&b, "xen destroys 5 of 7");
    assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 1);
    assert_false(brood_happened(&b, "model 5"));
    brood_end(&b);
}

/* A worker can claim progress, and leave again and again. */
static void exits_are_a_crash_loop(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "");
    brood_put("model", "give up");
    kill(pid, SIGKILL);
    brood_await(&b, "model 4 ready");
    brood_await(&b, "xen crashes 7");
    assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 1);
    assert_false(brood_happened(&b, "model 5"));
    brood_end(&b);
}

/* Ten deaths, with an event in between each. */
static void progress_is_no_crash_loop(void **state)
{
    struct brood b;
    pid_t pid;
    char who[24];

    (void)state;
    pid = brood_start(&b, "");
    for (int i = 1; i <= 10; i++) {
        kill(pid, SIGKILL);
        snprintf(who, sizeof who, "model %d", i);
        pid = brood_await_worker(&b, who, "death 9");
    }
    brood_end(&b);
}

/* Nobody wanted anything of it, but each has been there for a while. */
static void idleness_is_no_crash_loop(void **state)
{
    struct brood b;
    pid_t pid;
    char who[24];

    (void)state;
    pid = brood_start(&b, "idle");
    brood_put("model", "idle");
    for (int i = 1; i <= 6; i++) {
        if (i == 4)
            brood_nap(10200);
        kill(pid, SIGKILL);
        snprintf(who, sizeof who, "model %d", i);
        pid = brood_await_worker(&b, who, "death 9");
        snprintf(who, sizeof who, "model %d ready", i);
        brood_await(&b, who);
    }
    assert_false(brood_happened(&b, "xen"));
    brood_end(&b);
}

/* A guest that makes it die over and over. */
static void log_does_not_grow_with_deaths(void **state)
{
    struct brood b;
    pid_t pid;
    char who[24];

    (void)state;
    pid = brood_start(&b, "");
    for (int i = 1; i <= 8; i++) {
        kill(pid, SIGSEGV);
        snprintf(who, sizeof who, "model %d", i);
        pid = brood_await_worker(&b, who, "death 11");
        snprintf(who, sizeof who, "model %d ready", i);
        if (i < 8)
            brood_await(&b, who);
        assert_true(i == 8 || !brood_happened(&b, "quiet"));
    }
    brood_await(&b, "model 8 quiet");
    brood_end(&b);
}

/* The model's name for its socket, which it could not remove from within its sandbox. */
static void leaves_no_names(void **state)
{
    struct brood b;

    (void)state;
    brood_start(&b, "ctl");
    assert_true(brood_exists("7.ctl"));
    kill(b.pid, SIGHUP);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    assert_false(brood_exists("7.ctl"));
    brood_end(&b);
    /* Somebody else has the name by now. */
    brood_start(&b, "ctl");
    brood_remove("7.ctl");
    brood_put("7.ctl", "");
    kill(b.pid, SIGHUP);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    assert_true(brood_exists("7.ctl"));
    brood_end(&b);
}

static void failed_start_is_passed_on(void **state)
{
    static const struct {
        const char *words;
        int status;
    } cases[] = { { "fail", 3 }, { "die server", 1 }, { "leave", 0 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct brood b;
        char text[16];

        brood_prepare(&b);
        brood_put("model.0", cases[i].words);
        brood_launch(&b);
        assert_int_equal(brood_status(&b, BROOD_WAIT_MS), cases[i].status);
        assert_false(brood_happened(&b, "model 1"));
        assert_int_equal(brood_happened(&b, "xen destroys 5"),
                         strstr(cases[i].words, "server") != NULL);
        /* The last one did come up, and then left as if told to. */
        assert_int_equal(xenstore_read(b.x.them, BROOD_NODE "/state", text, sizeof text) > 0,
                         cases[i].status == 0);
        brood_end(&b);
    }
}

static void hang_at_quit_is_killed(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "deaf server");
    kill(b.pid, SIGTERM);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_await(&b, "xen destroys 5 of 7");
    assert_false(brood_alive(pid));
    assert_false(brood_happened(&b, "model 0 gone")); /* before the supervisor ended */
    brood_end(&b);
}

static void dying_domain_is_left_alone(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    for (int by_xen = 0; by_xen < 2; by_xen++) {
        pid = brood_start(&b, "");
        brood_await_running(&b);
        if (by_xen)
            brood_put("domain-gone", "");
        else
            xenstored_erase(&b.x, BROOD_NODE);
        xenstored_settle(&b.x);
        brood_nap(100); /* the event has a way to go */
        if (by_xen)
            kill(pid, SIGKILL);
        assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 0);
        assert_false(brood_happened(&b, "model 1"));
        brood_end(&b);
    }
}

/* It connects again, but does not believe one that has forgotten everything. */
static void xenstored_that_comes_back(void **state)
{
    struct brood b;

    (void)state;
    brood_start(&b, "");
    brood_await_running(&b);
    xenstored_restart(&b.x);
    assert_int_equal(brood_status(&b, 1500), -1);
    xenstored_put(&b.x, BROOD_NODE, "");
    assert_int_equal(brood_status(&b, 100), -1);
    xenstored_erase(&b.x, BROOD_NODE);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_end(&b);
}

/* libxl's way where it kills by user id: the node goes, then all processes of the workers' user are
 * killed, and nobody tells the supervisor. */
static void killed_by_user_id(void **state)
{
    struct brood b;
    pid_t model, pv;

    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        model = brood_start(&b, "server want");
        pv = brood_await_worker(&b, "pv 0", "death 0");
        brood_await(&b, "pv 0 ready");
        brood_await_running(&b);
        /* Stopped: it finds death and event at the same time, and sees the death first. */
        if (stopped)
            kill(b.pid, SIGSTOP);
        xenstored_erase(&b.x, BROOD_NODE);
        kill(model, SIGKILL);
        kill(pv, SIGKILL);
        if (stopped)
            kill(b.pid, SIGCONT);
        assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
        assert_true(stopped || brood_happened(&b, "xen destroys 5 of 7") ||
                    brood_happened(&b, "model 0 quit"));
        assert_true(!stopped || brood_happened(&b, "xen destroys 5 of 7"));
        assert_false(brood_happened(&b, "model 1"));
        assert_false(brood_happened(&b, "pv 1"));
        assert_false(brood_alive(model) || brood_alive(pv));
        brood_end(&b);
    }
}

/* The same, and none of them was killed: they were root still, or the user is another one. */
static void node_gone_is_the_end(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "server deaf want");
    brood_await(&b, "pv 0 ready");
    brood_await_running(&b);
    xenstored_erase(&b.x, BROOD_NODE);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_await_too(&b, "model 0 quit");
    brood_await_too(&b, "pv 0 quit");
    brood_await_too(&b, "xen destroys 5 of 7");
    assert_false(brood_alive(pid));
    brood_end(&b);
}

/* A start that the toolstack has given up; nothing must be written where the node was. */
static void node_gone_before_it_serves(void **state)
{
    struct brood b;
    char text[16];

    (void)state;
    brood_prepare(&b);
    brood_put("model.0", "silent");
    brood_launch(&b);
    brood_await_worker(&b, "model 0", "death 0");
    xenstored_erase(&b.x, BROOD_NODE);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 1);
    assert_int_equal(xenstore_read(b.x.them, BROOD_NODE "/state", text, sizeof text), -ENOENT);
    assert_false(brood_happened(&b, "model 1"));
    brood_end(&b);
}

/* One user has several guests, and libxl has killed for another one: a death like any other. */
static void killed_by_mistake(void **state)
{
    struct brood b;
    pid_t model, pv;

    (void)state;
    model = brood_start(&b, "want");
    pv = brood_await_worker(&b, "pv 0", "death 0");
    brood_await(&b, "pv 0 ready");
    kill(model, SIGKILL);
    kill(pv, SIGKILL);
    brood_await_too(&b, "model 1 ready");
    brood_await_too(&b, "pv 1 ready");
    brood_end(&b);
}

/* The kernel says who the first model is when it gets ready; nobody can change that later. */
static void user_stays(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    brood_prepare(&b);
    brood_put("model.0", "user want");
    brood_launch(&b);
    pid = brood_await_worker(&b, "model 0", "death 0");
    brood_await_too(&b, "pv 0 is to be 4711:4712");
    brood_await(&b, "model 0 ready");
    assert_false(brood_happened(&b, "model 0 is to be"));
    kill(pid, SIGKILL);
    brood_await(&b, "model 1 is to be 4711:4712");
    brood_await(&b, "model 1 ready");
    brood_end(&b);
}

static void end_of_the_supervisor_ends_all(void **state)
{
    struct brood b;
    pid_t pid;
    unsigned ms;

    (void)state;
    pid = brood_start(&b, "want");
    brood_await(&b, "pv 0 ready");
    brood_nap(100);
    kill(b.pid, SIGKILL);
    assert_int_equal(waitpid(b.pid, NULL, 0), b.pid);
    for (ms = 0; ms < 1000 && brood_alive(pid); ms += 5)
        brood_nap(5);
    assert_true(ms < 1000);
    assert_true(brood_happened(&b, "model 0 gone"));
    brood_await(&b, "pv 0 gone");
    b.pid = 0;
    brood_remove("7.supervisor");
    brood_end(&b);
}

/* For the developer: what an own fault leaves, and nothing for a kill from outside. */
static void records_own_faults(void **state)
{
    struct brood b;
    char command[256];
    pid_t pid;

    (void)state;
    brood_prepare(&b);
    brood_put("records", "");
    brood_launch(&b);
    pid = brood_await_worker(&b, "model 0", "death 0");
    brood_await(&b, "model 0 ready");
    kill(pid, SIGKILL);
    pid = brood_await_worker(&b, "model 1", "death 9");
    brood_await(&b, "model 1 ready");
    kill(pid, SIGABRT);
    brood_await_worker(&b, "model 2", "death 6");
    brood_await(&b, "model 2 ready");
    snprintf(command, sizeof command,
             "cd %s && for i in $(seq 100); do ls 7-1-*.txt >/dev/null 2>&1 || sleep 0.1; done; "
             "grep -q SIGABRT 7-1-*.txt && "
             "grep -q 'test 1' 7-1-*.txt && ! ls 7-0-* 2>/dev/null",
             b.dir);
    assert_int_equal(system(command), 0);
    brood_end(&b);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void pv_worker_comes_and_comes_back(void **state)
{
    struct brood b;
    char said[2048];
    pid_t pid;

    (void)state;
    brood_prepare(&b);
    brood_put("model.0", "want");
    brood_put("pv", "store");
    brood_launch(&b);
    pid = brood_await_worker(&b, "pv 0", "death 0 arena () leaks 0");
    brood_await(&b, "pv 0 store open");
    kill(pid, SIGSEGV);
    brood_await_worker(&b, "pv 1", "death 11 arena (state of 0) leaks 0");
    brood_await(&b, "pv 1 store open"); /* each has a door of its own */
    assert_int_equal(brood_ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "domain 7 (web): supervisor"));
    assert_non_null(strstr(said, "pv "));
    assert_non_null(strstr(said, "1 deaths (the last: 11)"));
    brood_end(&b);
}

static void pv_crash_loop_is_not_the_domains(void **state)
{
    struct brood b;
    char said[2048] = "";

    (void)state;
    brood_prepare(&b);
    brood_put("pv", "idle die");
    brood_put("model.0", "want");
    brood_launch(&b);
    brood_await(&b, "pv 4 pid");
    for (unsigned ms = 0; ms < BROOD_WAIT_MS && !strstr(said, "given up"); ms += 50) {
        assert_int_equal(brood_ctl(&b, "supervisor", NULL, said, sizeof said), 0);
        brood_nap(50);
    }
    assert_non_null(strstr(said, "given up"));
    assert_false(brood_happened(&b, "xen"));
    assert_false(brood_happened(&b, "pv 5"));
    brood_end(&b);
}

static void serves_small_wishes(void **state)
{
    struct brood b;
    char said[2048];

    (void)state;
    brood_start(&b, "sleep hoard say");
    assert_true(brood_happened(&b, "drops 0\ndrops -2"));
    brood_await(&b, "xen sleeps 7 3");
    assert_int_equal(brood_ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "said: because of \"this\"?"));
    assert_non_null(strstr(said, "doing: test 0?"));
    assert_false(brood_happened(&b, "xen sleeps 7 77"));
    brood_end(&b);
}

static void who_does_not_listen_is_killed(void **state)
{
    struct brood b;

    (void)state;
    brood_prepare(&b);
    brood_put("flood", "");
    brood_launch(&b);
    brood_await(&b, "model floods");
    assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 1); /* it was not ready yet */
    brood_end(&b);
}

/* ---- without a device model ----------------------------------------------------------------- */

static pid_t start_pv_only(struct brood *b, const char *words)
{
    brood_prepare(b);
    brood_put("pv-only", "");
    brood_put("pv.0", words);
    brood_launch(b);
    return brood_await_worker(b, "pv 0", "death 0 arena () leaks 1");
}

static void pv_guest_lives(void **state)
{
    struct brood b;
    char said[2048];
    pid_t pid;

    (void)state;
    pid = start_pv_only(&b, "store");
    brood_await(&b, "pv 0 ready");
    brood_await(&b, "pv 0 store open");
    brood_await_running(&b);
    kill(pid, SIGKILL);
    brood_await_worker(&b, "pv 1", "death 9 arena (state of 0) leaks 0");
    brood_await(&b, "pv 1 ready");
    assert_int_equal(brood_ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "pv "));
    assert_null(strstr(said, "model  pid"));
    kill(b.pid, SIGHUP);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_await(&b, "pv 1 quit");
    assert_false(brood_happened(&b, "xen"));
    assert_false(brood_happened(&b, "model 0"));
    brood_end(&b);
}

static void pv_guest_ends(void **state)
{
    struct brood b;

    (void)state;
    start_pv_only(&b, "");
    brood_await_running(&b);
    xenstored_erase(&b.x, BROOD_NODE); /* the domain is destroyed */
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    brood_end(&b);
    start_pv_only(&b, "fail");
    assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 3);
    assert_false(brood_happened(&b, "pv 1"));
    brood_end(&b);
}

/* Its disks are gone for good then. */
static void pv_guest_crash_loop(void **state)
{
    struct brood b;
    pid_t pid;

    (void)state;
    pid = start_pv_only(&b, "");
    brood_await(&b, "pv 0 ready");
    brood_put("pv", "idle die");
    kill(pid, SIGKILL);
    brood_await_worker(&b, "pv 4", "death 11");
    brood_await(&b, "xen crashes 7");
    assert_int_equal(brood_status(&b, BROOD_WAIT_MS), 1);
    brood_end(&b);
}

/* ---- small parts ---------------------------------------------------------------------------- */

static void control_takes_no_nonsense(void **state)
{
    static const char *const bad[] = { "{\"command\":\"dance\"}\n", "hello\n",
                                       "{\"command\":\"upgrade\",\"path\":\"\\u0041\"}\n" };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct brood b;
    char answer[512], many[4096];
    int fd;

    (void)state;
    brood_start(&b, "");
    brood_path(a.sun_path, sizeof a.sun_path, "7.supervisor");
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(send(fd, bad[i], strlen(bad[i]), 0), strlen(bad[i]));
        assert_true(recv(fd, answer, sizeof answer, 0) > 0);
        assert_memory_equal(answer, "{\"error\":", 9);
    }
    memset(many, ' ', sizeof many);
    assert_int_equal(send(fd, many, sizeof many, MSG_NOSIGNAL), sizeof many);
    assert_true(recv(fd, answer, sizeof answer, 0) <= 0); /* too long a line: dropped */
    close(fd);
    brood_end(&b);
}

static void reads_members(void **state)
{
    char value[8];

    (void)state;
    assert_int_equal(text_member("{\"a\":\"1\", \"b\" : \"x\\\"\\\\/\"} ", "b", value, 8), 1);
    assert_string_equal(value, "x\"\\/");
    assert_int_equal(text_member("{\"a\":\"1\"}", "b", value, 8), 0);
    assert_int_equal(text_member("{\"a\":\"12345678\"}", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{\"a\":1}", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{\"a\":\"1\"", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{\"a\":\"1\"} x", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{\"a\":\"1", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{\"a\":\"\\", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("{}", "a", value, 8), -EINVAL);
    assert_int_equal(text_member("", "a", value, 8), -EINVAL);
}

static void holds_by_name(void **state)
{
    struct held h = { 0 }, copy = { 0 };
    char name[16];
    int before = dup(0), after;

    (void)state;
    close(before);
    assert_int_equal(held_put(&h, "a", dup(0)), 0);
    assert_int_equal(held_put(&h, "a", dup(0)), 0);
    assert_int_equal(h.n, 1);
    assert_int_equal(held_put(&h, "A", dup(0)), -EINVAL);
    assert_int_equal(held_put(&h, "b", -1), -EINVAL);
    assert_int_equal(held_drop(&h, "b"), -ENOENT);
    for (int i = 1; i < SUPERVISED_HELD; i++) {
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(held_put(&h, name, dup(0)), 0);
    }
    assert_int_equal(held_put(&h, "more", dup(0)), -ENOSPC);
    assert_int_equal(held_put(&h, "n1", dup(0)), 0);
    assert_int_equal(held_copy(&copy, &h), 0);
    assert_int_equal(copy.n, SUPERVISED_HELD);
    assert_int_not_equal(held_find(&copy, "n1"), held_find(&h, "n1"));
    assert_int_equal(held_drop(&h, "a"), 0);
    assert_int_equal(held_find(&h, "a"), -1);
    assert_true(held_find(&copy, "a") >= 0);
    held_clear(&h);
    held_clear(&copy);
    after = dup(0);
    assert_int_equal(after, before);
    close(after);
}

static enum supervisor_job scan(struct supervisor_options *o, const char *line)
{
    static char copy[256];
    char *argv[16], *place;
    int argc = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *p = strtok_r(copy, " ", &place); p; p = strtok_r(NULL, " ", &place))
        argv[argc++] = p;
    *o = (struct supervisor_options){ .name = NULL };
    supervisor_scan(o, argc, argv);
    return o->job;
}

static void finds_its_arguments(void **state)
{
    struct supervisor_options o;

    (void)state;
    assert_int_equal(scan(&o, "hvmdm -xen-domid 12 -name x --model /m -machine xenfv"),
                     SUPERVISOR_RUN);
    assert_int_equal(o.domid, 12);
    assert_string_equal(o.name, "x");
    assert_string_equal(o.model, "/m");
    assert_int_equal(scan(&o, "hvmdm"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid x"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 65535"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 1 --version"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -h -xen-domid 1"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 1 -machine none"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -M none,accel=xen -xen-domid 1"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm --print-config -xen-domid 1"), SUPERVISOR_PASS_ON);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 1 -machine xenfv,x=y"), SUPERVISOR_RUN);
    assert_false(o.pv_only);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 1 -machine xenpv -m 128"), SUPERVISOR_RUN);
    assert_true(o.pv_only);
    assert_int_equal(scan(&o, "hvmdm -xen-domid 3 -xen-attach -nographic -M xenpv"),
                     SUPERVISOR_RUN);
    assert_true(o.pv_only);
    assert_int_equal(scan(&o, "hvmdm --check-state 5"), SUPERVISOR_CHECK_STATE);
    assert_int_equal(o.state, 5);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_quits),
        cmocka_unit_test(says_nothing_in_xenstore_under_dm_restrict),
        cmocka_unit_test(starts_again),
        cmocka_unit_test(crash_loop_ends),
        cmocka_unit_test(exits_are_a_crash_loop),
        cmocka_unit_test(progress_is_no_crash_loop),
        cmocka_unit_test(idleness_is_no_crash_loop),
        cmocka_unit_test(log_does_not_grow_with_deaths),
        cmocka_unit_test(leaves_no_names),
        cmocka_unit_test(failed_start_is_passed_on),
        cmocka_unit_test(hang_at_quit_is_killed),
        cmocka_unit_test(dying_domain_is_left_alone),
        cmocka_unit_test(xenstored_that_comes_back),
        cmocka_unit_test(killed_by_user_id),
        cmocka_unit_test(node_gone_is_the_end),
        cmocka_unit_test(node_gone_before_it_serves),
        cmocka_unit_test(killed_by_mistake),
        cmocka_unit_test(user_stays),
        cmocka_unit_test(end_of_the_supervisor_ends_all),
        cmocka_unit_test(records_own_faults),
        cmocka_unit_test(pv_worker_comes_and_comes_back),
        cmocka_unit_test(pv_crash_loop_is_not_the_domains),
        cmocka_unit_test(serves_small_wishes),
        cmocka_unit_test(who_does_not_listen_is_killed),
        cmocka_unit_test(pv_guest_lives),
        cmocka_unit_test(pv_guest_ends),
        cmocka_unit_test(pv_guest_crash_loop),
        cmocka_unit_test(control_takes_no_nonsense),
        cmocka_unit_test(reads_members),
        cmocka_unit_test(holds_by_name),
        cmocka_unit_test(finds_its_arguments),
    };
    int other = brood_main(argc, argv);

    return other < 0 ? cmocka_run_group_tests(tests, NULL, NULL) : other;
}
