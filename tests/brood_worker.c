/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brood_worker - what a test program is when a supervisor starts it, or when it is one. See
 * brood.h.
 */
#include "tests/brood.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "toolstack/supervised.h"
#include "toolstack/supervisor/supervisor.h"

/* ---- a worker ------------------------------------------------------------------------------- */

struct fake {
    struct supervised *s;
    struct loop *loop;
    const char *role;
    unsigned gen;
    char words[128];
};

static bool told(const struct fake *f, const char *word)
{
    return strstr(f->words, word) != NULL;
}

static void on_quit(void *opaque)
{
    struct fake *f = opaque;

    brood_note("%s %u quit", f->role, f->gen);
    if (told(f, "late"))
        assert_int_equal(supervised_handed_over(f->s), 0);
    if (!told(f, "deaf"))
        loop_stop(f->loop);
}

static void on_hand_over(void *opaque)
{
    struct fake *f = opaque;

    brood_note("%s %u hand over", f->role, f->gen);
    if (!told(f, "stuck"))
        assert_int_equal(supervised_handed_over(f->s), 0);
    if (told(f, "expire"))
        kill(getpid(), SIGKILL);
}

static void on_resume(void *opaque)
{
    struct fake *f = opaque;

    brood_note("%s %u resume", f->role, f->gen);
}

static void on_gone(void *opaque)
{
    struct fake *f = opaque;

    brood_note("%s %u gone", f->role, f->gen);
    loop_stop(f->loop);
}

/* Descriptors that nobody told us of. */
static int count_leaks(void)
{
    const char *env = getenv(SUPERVISED_ENV);
    DIR *d = opendir("/proc/self/fd");
    struct dirent *one;
    int n = 0;

    while ((one = readdir(d))) {
        int fd = atoi(one->d_name);
        char sock[16], held[16];

        snprintf(sock, sizeof sock, "sock=%d ", fd);
        snprintf(held, sizeof held, ":%d,", fd);
        if (fd > 2 && fd != dirfd(d) && !strstr(env, sock) && !strstr(env, held)) {
            const char *last = strrchr(env, ':');

            n += !last || atoi(last + 1) != fd;
        }
    }
    closedir(d);
    return n;
}

static void new_arena(struct fake *f)
{
    char text[32];
    int fd = memfd_create("arena", MFD_CLOEXEC);

    snprintf(text, sizeof text, "state of %u", f->gen);
    if (write(fd, text, strlen(text)) < 0 || supervised_hold(f->s, "arena", fd) < 0)
        _exit(91);
    close(fd);
}

static void listen_ctl(const struct fake *f)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    brood_path(a.sun_path, sizeof a.sun_path, "7.ctl");
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || supervised_hold(f->s, "ctl", fd) < 0)
        _exit(98);
}

static void come_up(struct fake *f, int leaks)
{
    volatile struct supervised_vitals *v = supervised_vitals(f->s);
    int arena = supervised_take(f->s, "arena"), fd;
    uint32_t uid, gid;
    char text[32] = "";

    if (arena >= 0 && pread(arena, text, sizeof text - 1, 0) < 0)
        _exit(92);
    brood_note("%s %u pid %d death %u arena (%s) leaks %d", f->role, f->gen, (int)getpid(),
               supervised_death(f->s), text, leaks);
    if (v->quiet)
        brood_note("%s %u quiet", f->role, f->gen);
    if (told(f, "ctl"))
        listen_ctl(f);
    if (told(f, "server"))
        v->server = 6;
    if (!told(f, "idle"))
        v->events++;
    snprintf((char *)(uintptr_t)v->doing, sizeof v->doing, "test %u\n", f->gen);
    if (arena < 0 || told(f, "arena"))
        new_arena(f);
    for (int i = 0; told(f, "hoard") && i < SUPERVISED_HELD + 5; i++) {
        snprintf(text, sizeof text, "h%d", i);
        assert_int_equal(supervised_hold(f->s, text, 0), 0);
    }
    if (told(f, "hoard"))
        brood_note("drops %d", supervised_drop(f->s, "h0"));
    if (told(f, "hoard"))
        brood_note("drops %d", supervised_drop(f->s, "h0"));
    if (told(f, "say"))
        supervised_say(f->s, "because of \"this\"\n");
    if (told(f, "die"))
        kill(getpid(), SIGSEGV);
    if (told(f, "fail"))
        _exit(3);
    while (told(f, "silent"))
        pause();
    if (told(f, "user") && (setresgid(4712, 0, 0) || setresuid(4711, 0, 0)))
        _exit(97);
    if (supervised_user(f->s, &uid, &gid))
        brood_note("%s %u is to be %u:%u", f->role, f->gen, uid, gid);
    assert_int_equal(supervised_ready(f->s), 0);
    brood_note("%s %u ready", f->role, f->gen);
    if (told(f, "sleep") && supervised_sleep_state(f->s, 3) + supervised_sleep_state(f->s, 77))
        _exit(93);
    if (told(f, "want") && supervised_want_pv(f->s))
        _exit(94);
    if (told(f, "store")) {
        fd = supervised_xenstore(f->s);
        brood_note("%s %u store %s", f->role, f->gen, fd < 0 ? strerror(-fd) : "open");
    }
    if (told(f, "leave"))
        _exit(0);
    if (told(f, "give up"))
        _exit(4);
}

/* Asks and never listens. */
static void flood(void)
{
    struct supervised_message m = { .type = SUPERVISED_DROP, .name = "nothing" };
    const char *env = getenv(SUPERVISED_ENV);
    int sock = atoi(strstr(env, "sock=") + 5);

    brood_note("model floods");
    while (supervised_send(sock, &m, -1, 0) == 0)
        ;
    pause();
}

static int fake_worker(void)
{
    int leaks = count_leaks();
    struct error e = { "" };
    struct fake f = { .loop = loop_new() };
    const struct supervised_calls calls = { on_quit, on_hand_over, on_resume, on_gone, &f };
    char name[32];

    signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit status of it */
    if (brood_exists("flood"))
        flood();
    if (supervised_open(&f.s, &e) < 0 || supervised_bind_life(f.s) < 0) {
        brood_note("worker: %s", e.text);
        return 95;
    }
    f.role = supervised_role(f.s) == SUPERVISED_PV ? "pv" : "model";
    f.gen = supervised_generation(f.s);
    snprintf(name, sizeof name, "%s.%u", f.role, f.gen);
    if (!brood_slurp(name, f.words, sizeof f.words))
        brood_slurp(f.role, f.words, sizeof f.words);
    come_up(&f, leaks);
    if (supervised_listen(f.s, f.loop, &calls) < 0)
        return 96;
    loop_run(f.loop);
    _exit(0);
}

static int fake_check(const char *fd)
{
    char text[32] = "";

    if (pread(atoi(fd), text, sizeof text - 1, 0) < 0)
        return 97;
    brood_note("check arena (%s)", text);
    while (brood_exists("check-hangs"))
        pause();
    if (brood_exists("check-fails")) {
        fprintf(stderr, "a line before\nhvmdm[0]: error: that arena is from the future\n");
        return 1;
    }
    return 0;
}

/* ---- the supervisor ------------------------------------------------------------------------- */

static int xen_destroy_server(unsigned domid, unsigned id)
{
    brood_note("xen destroys %u of %u", id, domid);
    return 0;
}

static int xen_crash(unsigned domid)
{
    brood_note("xen crashes %u", domid);
    return 0;
}

static int xen_sleep_state(unsigned domid, unsigned state)
{
    brood_note("xen sleeps %u %u", domid, state);
    return 0;
}

static int xen_look(unsigned domid)
{
    (void)domid;
    return brood_exists("domain-gone") ? -ESRCH : 0;
}

static int fake_supervisor(int argc, char *argv[])
{
    static const struct supervisor_xen xen = { xen_destroy_server, xen_crash, xen_sleep_state,
                                               xen_look };
    struct supervisor_options o = { .xen = &xen,
                                    .directory = getenv("TEST_DIR"),
                                    .records = brood_exists("records") ? getenv("TEST_DIR") : NULL,
                                    .patience_ms = BROOD_PATIENCE_MS };

    supervisor_scan(&o, argc, argv);
    if (o.job == SUPERVISOR_CHECK_STATE && brood_exists("self-fails")) {
        fprintf(stderr, "hvmdm[7]: error: do not understand that\n");
        return 1;
    }
    return supervisor_main(&o);
}

int brood_main(int argc, char *argv[])
{
    if (getenv(SUPERVISED_ENV))
        return fake_worker();
    if (argc == 3 && !strcmp(argv[1], "--check-arena"))
        return fake_check(argv[2]);
    return getenv("TEST_SUPERVISOR") ? fake_supervisor(argc, argv) : -1;
}
