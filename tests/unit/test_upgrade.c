/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_upgrade - another build takes over from a device model, and from the supervisor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/brood.h"

/* ---- upgrade -------------------------------------------------------------------------------- */

static void upgrade_takes_over(void **state)
{
    struct brood b;
    char said[2048];
    pid_t old, new;

    (void)state;
    old = brood_start(&b, "server want");
    brood_put("model.1", "arena");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "/hvmdm-model now (pid "));
    assert_non_null(strstr(said, "generation 1)"));
    assert_non_null(strstr(said, "supervisor: unchanged"));
    brood_await(&b, "check arena (state of 0)");
    brood_await(&b, "model 0 hand over");
    new = brood_await_worker(&b, "model 1", "death 257 arena (state of 0) leaks 0");
    brood_await_too(&b, "model 1 ready");
    brood_await(&b, "model 0 quit");
    brood_await_worker(&b, "pv 1", "death 257 arena (state of 0) leaks 0");
    assert_false(brood_alive(old));
    assert_false(brood_happened(&b, "xen"));
    kill(new, SIGKILL);
    brood_await_worker(&b, "model 2", "death 9 arena (state of 1) leaks 0");
    brood_await(&b, "model 2 ready");
    brood_end(&b);
}

/* Each way in which a new one does not come up; what it wanted to be held is forgotten. */
static void upgrade_falls_back(void **state)
{
    static const struct {
        const char *words, *sentence;
    } cases[] = {
        { "arena die", "was killed by signal 11 (SIGSEGV) before it was ready" },
        { "arena fail say", "ended with status 3 before it was ready: because of" },
        { "arena silent", "was not ready within 1500 ms" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct brood b;
        char said[2048];
        pid_t pid = brood_start(&b, "");

        brood_put("model.1", cases[i].words);
        assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
        if (!strstr(said, cases[i].sentence))
            fail_msg("%s", said);
        brood_await(&b, "model 0 hand over");
        brood_await(&b, "model 1 pid");
        brood_await(&b, "model 0 resume");
        assert_true(brood_alive(pid));
        /* Another try may do better. */
        assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
        brood_await_worker(&b, "model 2", "death 257 arena (state of 0) leaks 0");
        brood_end(&b);
    }
}

/* The old one does not want to end: it is not asked twice. */
static void upgrade_is_not_held_up(void **state)
{
    struct brood b;
    char said[2048];
    pid_t old;

    (void)state;
    old = brood_start(&b, "deaf server");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    brood_await(&b, "model 0 quit");
    assert_false(brood_alive(old));
    assert_false(brood_happened(&b, "xen"));
    brood_end(&b);
}

/* The old one dies while the new one fails: somebody comes all the same. */
static void upgrade_survives_both(void **state)
{
    struct brood b;
    char said[2048];

    (void)state;
    brood_start(&b, "expire");
    brood_put("model.1", "arena die");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    brood_await_worker(&b, "model 2", "death 11 arena (state of 0) leaks 0");
    brood_await(&b, "model 2 ready");
    brood_put("model.2", "");
    brood_end(&b);
}

static void upgrade_is_refused(void **state)
{
    struct brood b;
    char said[2048];
    pid_t pid;

    (void)state;
    pid = brood_start(&b, "stuck");
    assert_int_equal(brood_ctl(&b, "upgrade", "no/such/file", said, sizeof said), 1);
    assert_non_null(strstr(said, "no/such/file: No such file"));
    assert_non_null(strstr(said, "cannot open /")); /* made absolute */
    assert_int_equal(brood_ctl(&b, "upgrade", "/tmp", said, sizeof said), 1);
    assert_non_null(strstr(said, "/tmp is no program"));
    brood_put("check-fails", "");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "ended with status 1: that arena is from the future"));
    brood_put("check-hangs", "");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "without a result"));
    assert_false(brood_happened(&b, "hand over"));
    brood_remove("check-fails");
    brood_remove("check-hangs");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "did not let go of the guest within 1500 ms"));
    brood_await(&b, "model 0 hand over");
    brood_await(&b, "model 0 resume");
    assert_true(brood_alive(pid));
    brood_end(&b);
}

/* The end comes while the old one lets go: it has, and leaves its server to us. */
static void end_meets_hand_over(void **state)
{
    struct brood b;
    char said[512];
    pid_t pid;

    (void)state;
    brood_start(&b, "server stuck late");
    pid = fork();
    if (pid == 0) {
        brood_ctl(&b, "upgrade", NULL, said, sizeof said);
        _exit(0);
    }
    brood_await(&b, "model 0 hand over");
    kill(b.pid, SIGHUP);
    assert_int_equal(brood_status(&b, BROOD_END_MS), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    brood_await(&b, "xen destroys 5 of 7");
    brood_end(&b);
}

static void copy_self(const char *name)
{
    char path[128];
    int from = open("/proc/self/exe", O_RDONLY), to;
    struct stat st = { 0 };
    off_t at = 0;

    brood_path(path, sizeof path, name);
    to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    while (at < st.st_size)
        assert_true(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0);
    close(from);
    close(to);
}

/* The PV worker is asked to let go, and not for long. */
static void pv_lets_go(void **state)
{
    static const char *const words[] = { "", "stuck" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct brood b;
        char said[2048];

        brood_prepare(&b);
        brood_put("model.0", "want");
        brood_put("pv.0", words[i]);
        brood_launch(&b);
        brood_await_too(&b, "model 0 ready");
        brood_await_too(&b, "pv 0 ready");
        assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
        brood_await_too(&b, "pv 0 hand over");
        brood_await_worker(&b, "pv 1", "death 257");
        brood_await(&b, "pv 1 ready");
        brood_end(&b);
    }
}

/* It is all there is: the new one has to be ready before the old one goes. */
static void pv_guest_is_upgraded(void **state)
{
    struct brood b;
    char said[2048];
    pid_t pid;

    (void)state;
    brood_prepare(&b);
    brood_put("pv-only", "");
    brood_launch(&b);
    pid = brood_await_worker(&b, "pv 0", "death 0");
    brood_await(&b, "pv 0 ready");
    brood_put("pv.1", "arena fail say");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "ended with status 3 before it was ready: because of"));
    brood_await(&b, "pv 0 hand over");
    brood_await(&b, "pv 0 resume");
    assert_true(brood_alive(pid));
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "generation 2)"));
    brood_await_worker(&b, "pv 2", "death 257 arena (state of 0) leaks 0");
    brood_await_too(&b, "pv 2 ready");
    assert_false(brood_alive(pid));
    copy_self("hvmdm");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "supervisor: replaced"));
    pid = brood_await_worker(&b, "pv 3", "death 257");
    brood_await_too(&b, "pv 3 ready");
    kill(pid, SIGKILL);
    brood_await_worker(&b, "pv 4", "death 9");
    brood_await(&b, "pv 4 ready");
    assert_false(brood_happened(&b, "check arena"));
    assert_false(brood_happened(&b, "xen"));
    brood_remove("hvmdm");
    brood_end(&b);
}

static void supervisor_replaces_itself(void **state)
{
    char said[2048], wanted[64], exe[128] = "", link[64];
    struct brood b;
    pid_t pid;

    (void)state;
    brood_start(&b, geteuid() ? "want" : "want user");
    brood_await(&b, "pv 0 ready");
    copy_self("hvmdm");
    brood_put("self-fails", "");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "ended with status 1: do not understand that"));
    brood_remove("self-fails");
    brood_await(&b, "pv 1 ready");
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "supervisor: replaced"));
    snprintf(link, sizeof link, "/proc/%d/exe", (int)b.pid);
    assert_true(readlink(link, exe, sizeof exe - 1) > 0);
    assert_non_null(strstr(exe, b.dir));
    pid = brood_await_worker(&b, "model 2", "death 257 arena (state of 0) leaks 0");
    brood_await_worker(&b, "pv 2", "death 257 arena (state of 0) leaks 0");
    brood_await(&b, "pv 2 ready");
    assert_int_equal(brood_ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    snprintf(wanted, sizeof wanted, ", pid %d\n", (int)b.pid); /* still */
    assert_non_null(strstr(said, wanted));
    kill(pid, SIGKILL);
    brood_await_worker(&b, "model 3", "death 9 arena (state of 0) leaks 0");
    brood_await(&b, "model 3 ready");
    assert_true(geteuid() || brood_happened(&b, "model 3 is to be 4711:4712"));
    assert_int_equal(brood_ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "supervisor: unchanged"));
    brood_remove("hvmdm");
    brood_end(&b);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upgrade_takes_over),         cmocka_unit_test(upgrade_falls_back),
        cmocka_unit_test(upgrade_survives_both),      cmocka_unit_test(upgrade_is_not_held_up),
        cmocka_unit_test(upgrade_is_refused),         cmocka_unit_test(end_meets_hand_over),
        cmocka_unit_test(supervisor_replaces_itself), cmocka_unit_test(pv_lets_go),
        cmocka_unit_test(pv_guest_is_upgraded),
    };
    int other = brood_main(argc, argv);

    return other < 0 ? cmocka_run_group_tests(tests, NULL, NULL) : other;
}
