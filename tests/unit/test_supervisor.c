/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_supervisor - the real supervisor in a process of its own, with this program as its workers.
 *
 * Started with the environment of a worker this program is a small one, with --check-arena it looks
 * at an arena, with $TEST_SUPERVISOR it is the supervisor; else it runs the tests. What happens is
 * written, a line each, to $TEST_DIR/log. What a worker does beyond the usual stands as words in
 * the file $TEST_DIR/model.GENERATION or else $TEST_DIR/model (pv alike).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "tests/xenstored.h"
#include "toolstack/ctl.h"
#include "toolstack/supervised.h"
#include "toolstack/supervisor/held.h"
#include "toolstack/supervisor/supervisor.h"
#include "toolstack/supervisor/text.h"

#define NODE "/local/domain/0/device-model/7"

enum { WAIT_MS = 20000, PATIENCE_MS = 1500 };

/* ---- what all of them do -------------------------------------------------------------------- */

static void path_of(char *to, size_t size, const char *name)
{
    snprintf(to, size, "%s/%s", getenv("TEST_DIR"), name);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char path[128], line[512];
    va_list args;
    size_t n;
    int fd;

    path_of(path, sizeof path, "log");
    va_start(args, format);
    n = (size_t)vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    n = n < sizeof line - 1 ? n : sizeof line - 2;
    line[n++] = '\n';
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, n) != (ssize_t)n)
        _exit(90);
    close(fd);
}

static bool exists(const char *name)
{
    char path[128];

    path_of(path, sizeof path, name);
    return access(path, F_OK) == 0;
}

static bool slurp(const char *name, char *to, size_t size)
{
    char path[128];
    ssize_t n;
    int fd;

    path_of(path, sizeof path, name);
    to[0] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, to, size - 1);
    close(fd);
    to[n > 0 ? n : 0] = '\0';
    return true;
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    int fd;

    path_of(path, sizeof path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

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

    note("%s %u quit", f->role, f->gen);
    if (!told(f, "deaf"))
        loop_stop(f->loop);
}

static void on_hand_over(void *opaque)
{
    struct fake *f = opaque;

    note("%s %u hand over", f->role, f->gen);
    if (!told(f, "stuck"))
        assert_int_equal(supervised_handed_over(f->s), 0);
    if (told(f, "expire"))
        kill(getpid(), SIGKILL);
}

static void on_resume(void *opaque)
{
    struct fake *f = opaque;

    note("%s %u resume", f->role, f->gen);
}

static void on_gone(void *opaque)
{
    struct fake *f = opaque;

    note("%s %u gone", f->role, f->gen);
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

static void come_up(struct fake *f, int leaks)
{
    volatile struct supervised_vitals *v = supervised_vitals(f->s);
    int arena = supervised_take(f->s, "arena"), fd;
    char text[32] = "";

    if (arena >= 0 && pread(arena, text, sizeof text - 1, 0) < 0)
        _exit(92);
    note("%s %u pid %d death %u arena (%s) leaks %d", f->role, f->gen, (int)getpid(),
         supervised_death(f->s), text, leaks);
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
        note("drops %d", supervised_drop(f->s, "h0"));
    if (told(f, "hoard"))
        note("drops %d", supervised_drop(f->s, "h0"));
    if (told(f, "say"))
        supervised_say(f->s, "because of \"this\"\n");
    if (told(f, "die"))
        kill(getpid(), SIGSEGV);
    if (told(f, "fail"))
        _exit(3);
    while (told(f, "silent"))
        pause();
    assert_int_equal(supervised_ready(f->s), 0);
    note("%s %u ready", f->role, f->gen);
    if (told(f, "sleep") && supervised_sleep_state(f->s, 3) + supervised_sleep_state(f->s, 77))
        _exit(93);
    if (told(f, "want") && supervised_want_pv(f->s))
        _exit(94);
    if (told(f, "store")) {
        fd = supervised_xenstore(f->s);
        note("%s %u store %s", f->role, f->gen, fd < 0 ? strerror(-fd) : "open");
    }
    if (told(f, "leave"))
        _exit(0);
}

/* Asks and never listens. */
static void flood(void)
{
    struct supervised_message m = { .type = SUPERVISED_DROP, .name = "nothing" };
    const char *env = getenv(SUPERVISED_ENV);
    int sock = atoi(strstr(env, "sock=") + 5);

    note("model floods");
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
    if (exists("flood"))
        flood();
    if (supervised_open(&f.s, &e) < 0 || supervised_bind_life(f.s) < 0) {
        note("worker: %s", e.text);
        return 95;
    }
    f.role = supervised_role(f.s) == SUPERVISED_PV ? "pv" : "model";
    f.gen = supervised_generation(f.s);
    snprintf(name, sizeof name, "%s.%u", f.role, f.gen);
    if (!slurp(name, f.words, sizeof f.words))
        slurp(f.role, f.words, sizeof f.words);
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
    note("check arena (%s)", text);
    while (exists("check-hangs"))
        pause();
    if (exists("check-fails")) {
        fprintf(stderr, "a line before\nhvmdm[0]: error: that arena is from the future\n");
        return 1;
    }
    return 0;
}

/* ---- the supervisor ------------------------------------------------------------------------- */

static int xen_destroy_server(unsigned domid, unsigned id)
{
    note("xen destroys %u of %u", id, domid);
    return 0;
}

static int xen_crash(unsigned domid)
{
    note("xen crashes %u", domid);
    return 0;
}

static int xen_sleep_state(unsigned domid, unsigned state)
{
    note("xen sleeps %u %u", domid, state);
    return 0;
}

static int xen_look(unsigned domid)
{
    (void)domid;
    return exists("domain-gone") ? -ESRCH : 0;
}

static int fake_supervisor(int argc, char *argv[])
{
    static const struct supervisor_xen xen = { xen_destroy_server, xen_crash, xen_sleep_state,
                                               xen_look };
    struct supervisor_options o = { .xen = &xen,
                                    .directory = getenv("TEST_DIR"),
                                    .records = exists("records") ? getenv("TEST_DIR") : NULL,
                                    .patience_ms = PATIENCE_MS };

    supervisor_scan(&o, argc, argv);
    if (o.job == SUPERVISOR_CHECK_STATE && exists("self-fails")) {
        fprintf(stderr, "hvmdm[7]: error: do not understand that\n");
        return 1;
    }
    return supervisor_main(&o);
}

/* ---- the test's side ------------------------------------------------------------------------ */

struct bench {
    char dir[40];
    struct xenstored x;
    pid_t pid;
    size_t at; /* in the log: what is before was expected already */
    char log[65536];
};

static void nap(unsigned ms)
{
    usleep(ms * 1000);
}

static void read_log(struct bench *b)
{
    slurp("log", b->log, sizeof b->log);
}

/* It runs; a dead one that its parent, or whoever inherited it, has not looked after does not. */
static bool alive(pid_t pid)
{
    char path[32], line[256] = "";
    const char *state;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    state = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    fclose(f);
    return state && state[2] != 'Z';
}

/* Waits for this text in the log, behind the last one waited for. */
static const char *await(struct bench *b, const char *text)
{
    const char *found;

    for (unsigned ms = 0; ms < WAIT_MS; ms += 5) {
        read_log(b);
        found = strstr(b->log + b->at, text);
        if (found) {
            b->at = (size_t)(found - b->log) + strlen(text);
            return found + strlen(text);
        }
        nap(5);
    }
    fail_msg("\"%s\" did not happen; the log is\n%s\nand now comes\n%s", text, b->log,
             b->log + b->at);
    return NULL;
}

static bool happened(struct bench *b, const char *text)
{
    read_log(b);
    return strstr(b->log, text) != NULL;
}

static pid_t await_worker(struct bench *b, const char *who, const char *rest)
{
    char text[64];
    pid_t pid;
    const char *p;

    snprintf(text, sizeof text, "%s pid ", who);
    p = await(b, text);
    pid = atoi(p);
    p = await(b, " "); /* behind the number */
    if (strncmp(p, rest, strlen(rest)))
        fail_msg("%s: wanted \"%s\", is \"%.60s\"", who, rest, p);
    snprintf(text, sizeof text, "%s ready", who);
    return pid;
}

static void prepare(struct bench *b)
{
    char self[256], path[128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    *b = (struct bench){ .dir = "/tmp/test_supervisor.XXXXXX" };
    assert_true(n > 0);
    self[n] = '\0';
    assert_non_null(mkdtemp(b->dir));
    setenv("TEST_DIR", b->dir, 1);
    path_of(path, sizeof path, "hvmdm-model");
    assert_int_equal(symlink(self, path), 0);
    xenstored_start(&b->x);
    xenstored_put(&b->x, NODE, "");
}

static void launch(struct bench *b)
{
    char model[128];
    char *const argv[] = {
        (char[]){ "hvmdm" }, (char[]){ "-xen-domid" }, (char[]){ "7" }, (char[]){ "-name" },
        (char[]){ "web" },   (char[]){ "-model" },     model,           NULL
    };

    path_of(model, sizeof model, "hvmdm-model");
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (b->pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TEST_SUPERVISOR", "1", 1);
    setenv("XENSTORED_PATH", b->x.path, 1);
    /* What libxl leaves open is for the first device model, and for nobody else. */
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0 || dup(0) < 0)
        _exit(98);
    if (!exists("loud"))
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    execv("/proc/self/exe", argv);
    _exit(98);
}

/* With these words for the first model; up and serving. */
static pid_t start(struct bench *b, const char *words)
{
    pid_t pid;

    prepare(b);
    put_file("model.0", words);
    launch(b);
    pid = await_worker(b, "model 0", "death 0 arena () leaks 1");
    await(b, "model 0 ready");
    return pid;
}

/* The supervisor's exit status, at most this late; -1 if it is not that. */
static int status_within(struct bench *b, unsigned ms)
{
    int status;

    for (unsigned i = 0; i < ms; i += 5) {
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        nap(5);
    }
    return -1;
}

static void await_running(struct bench *b)
{
    char text[16] = "";

    for (unsigned ms = 0; ms < WAIT_MS && strcmp(text, "running"); ms += 5) {
        if (xenstore_read(b->x.them, NODE "/state", text, sizeof text) < 0)
            nap(5);
    }
    assert_string_equal(text, "running");
}

static void end(struct bench *b)
{
    char command[64];

    if (b->pid) {
        kill(b->pid, SIGHUP);
        assert_int_equal(status_within(b, 1000), 0);
    }
    assert_false(exists("7.supervisor"));
    xenstored_stop(&b->x);
    snprintf(command, sizeof command, "rm -r %s", b->dir);
    assert_int_equal(system(command), 0);
}

/* What hvmdm-ctl says, and its exit status. */
static int ctl(struct bench *b, const char *command, const char *argument, char *said, size_t size)
{
    char *const argv[] = {
        (char[]){ "hvmdm-ctl" }, (char[]){ "-d" },           b->dir,
        (char[]){ "web" },       (char *)(uintptr_t)command, (char *)(uintptr_t)argument
    };
    FILE *out = fmemopen(said, size, "w");
    int status;

    assert_non_null(out);
    status = ctl_client(argument ? 6 : 5, argv, out, out);
    fclose(out);
    return status;
}

/* ---- the life of a device model ------------------------------------------------------------- */

static void starts_and_quits(void **state)
{
    struct bench b;

    (void)state;
    start(&b, "server");
    await_running(&b);
    assert_true(exists("7.supervisor"));
    kill(b.pid, SIGHUP);
    assert_int_equal(status_within(&b, 1000), 0);
    await(&b, "model 0 quit");
    assert_false(happened(&b, "xen"));
    end(&b);
}

static void starts_again(void **state)
{
    struct bench b;
    pid_t pid;

    (void)state;
    pid = start(&b, "");
    kill(pid, SIGKILL);
    pid = await_worker(&b, "model 1", "death 9 arena (state of 0) leaks 0");
    kill(pid, SIGSEGV);
    pid = await_worker(&b, "model 2", "death 11 arena (state of 0) leaks 0");
    kill(pid, SIGXCPU);
    pid = await_worker(&b, "model 3", "death 256 arena (state of 0) leaks 0");
    put_file("model.4", "fail");
    kill(pid, SIGTERM);
    await_worker(&b, "model 4", "death 15 arena (state of 0) leaks 0");
    await_worker(&b, "model 5", "death 258 arena (state of 0) leaks 0");
    await(&b, "model 5 ready");
    assert_false(happened(&b, "xen"));
    end(&b);
}

static void crash_loop_ends(void **state)
{
    struct bench b;
    pid_t pid;

    (void)state;
    pid = start(&b, "server");
    put_file("model", "idle die");
    kill(pid, SIGKILL);
    await_worker(&b, "model 4", "death 11");
    await(&b, "xen crashes 7");
    await(&b, "xen destroys 5 of 7");
    assert_int_equal(status_within(&b, WAIT_MS), 1);
    assert_false(happened(&b, "model 5"));
    end(&b);
}

/* Ten deaths, with an event in between each. */
static void progress_is_no_crash_loop(void **state)
{
    struct bench b;
    pid_t pid;
    char who[24];

    (void)state;
    pid = start(&b, "");
    for (int i = 1; i <= 10; i++) {
        kill(pid, SIGKILL);
        snprintf(who, sizeof who, "model %d", i);
        pid = await_worker(&b, who, "death 9");
    }
    end(&b);
}

static void failed_start_is_passed_on(void **state)
{
    static const struct {
        const char *words;
        int status;
    } cases[] = { { "fail", 3 }, { "die server", 1 }, { "leave", 0 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        char text[16];

        prepare(&b);
        put_file("model.0", cases[i].words);
        launch(&b);
        assert_int_equal(status_within(&b, WAIT_MS), cases[i].status);
        assert_false(happened(&b, "model 1"));
        assert_int_equal(happened(&b, "xen destroys 5"), strstr(cases[i].words, "server") != NULL);
        /* The last one did come up, and then left as if told to. */
        assert_int_equal(xenstore_read(b.x.them, NODE "/state", text, sizeof text) > 0,
                         cases[i].status == 0);
        end(&b);
    }
}

static void hang_at_quit_is_killed(void **state)
{
    struct bench b;
    pid_t pid;

    (void)state;
    pid = start(&b, "deaf server");
    kill(b.pid, SIGTERM);
    assert_int_equal(status_within(&b, 1000), 0);
    await(&b, "xen destroys 5 of 7");
    assert_false(alive(pid));
    end(&b);
}

static void dying_domain_is_left_alone(void **state)
{
    struct bench b;
    pid_t pid;

    (void)state;
    for (int by_xen = 0; by_xen < 2; by_xen++) {
        pid = start(&b, "");
        await_running(&b);
        if (by_xen)
            put_file("domain-gone", "");
        else
            xenstored_erase(&b.x, NODE);
        xenstored_settle(&b.x);
        nap(100); /* the event has a way to go */
        kill(pid, SIGKILL);
        assert_int_equal(status_within(&b, WAIT_MS), 0);
        assert_false(happened(&b, "model 1"));
        end(&b);
    }
}

static void end_of_the_supervisor_ends_all(void **state)
{
    struct bench b;
    pid_t pid;
    unsigned ms;

    (void)state;
    pid = start(&b, "want");
    await(&b, "pv 0 ready");
    nap(100);
    kill(b.pid, SIGKILL);
    assert_int_equal(waitpid(b.pid, NULL, 0), b.pid);
    for (ms = 0; ms < 1000 && alive(pid); ms += 5)
        nap(5);
    assert_true(ms < 1000);
    assert_true(happened(&b, "model 0 gone"));
    await(&b, "pv 0 gone");
    b.pid = 0;
    assert_int_equal(unlink((path_of(b.log, sizeof b.log, "7.supervisor"), b.log)), 0);
    end(&b);
}

/* For the developer: what an own fault leaves, and nothing for a kill from outside. */
static void records_own_faults(void **state)
{
    struct bench b;
    char command[256];
    pid_t pid;

    (void)state;
    prepare(&b);
    put_file("records", "");
    launch(&b);
    pid = await_worker(&b, "model 0", "death 0");
    await(&b, "model 0 ready");
    kill(pid, SIGKILL);
    pid = await_worker(&b, "model 1", "death 9");
    await(&b, "model 1 ready");
    kill(pid, SIGABRT);
    await_worker(&b, "model 2", "death 6");
    await(&b, "model 2 ready");
    snprintf(command, sizeof command,
             "cd %s && until ls 7-1-*.txt; do sleep 0.1; done && grep -q SIGABRT 7-1-*.txt && "
             "grep -q 'test 1' 7-1-*.txt && ! ls 7-0-*",
             b.dir);
    assert_int_equal(system(command), 0);
    end(&b);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void pv_worker_comes_and_comes_back(void **state)
{
    struct bench b;
    char said[2048];
    pid_t pid;

    (void)state;
    prepare(&b);
    put_file("model.0", "want");
    put_file("pv", "store");
    launch(&b);
    pid = await_worker(&b, "pv 0", "death 0 arena () leaks 0");
    await(&b, "pv 0 store open");
    kill(pid, SIGSEGV);
    await_worker(&b, "pv 1", "death 11 arena (state of 0) leaks 0");
    await(&b, "pv 1 store open"); /* each has a door of its own */
    assert_int_equal(ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "domain 7 (web): supervisor"));
    assert_non_null(strstr(said, "pv "));
    assert_non_null(strstr(said, "1 deaths (the last: 11)"));
    end(&b);
}

static void pv_crash_loop_is_not_the_domains(void **state)
{
    struct bench b;
    char said[2048] = "";

    (void)state;
    prepare(&b);
    put_file("pv", "idle die");
    put_file("model.0", "want");
    launch(&b);
    await(&b, "pv 4 pid");
    for (unsigned ms = 0; ms < WAIT_MS && !strstr(said, "given up"); ms += 50) {
        assert_int_equal(ctl(&b, "supervisor", NULL, said, sizeof said), 0);
        nap(50);
    }
    assert_non_null(strstr(said, "given up"));
    assert_false(happened(&b, "xen"));
    assert_false(happened(&b, "pv 5"));
    end(&b);
}

static void serves_small_wishes(void **state)
{
    struct bench b;
    char said[2048];

    (void)state;
    start(&b, "sleep hoard say");
    assert_true(happened(&b, "drops 0\ndrops -2"));
    await(&b, "xen sleeps 7 3");
    assert_int_equal(ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "said: because of \"this\"?"));
    assert_non_null(strstr(said, "doing: test 0?"));
    assert_false(happened(&b, "xen sleeps 7 77"));
    end(&b);
}

static void who_does_not_listen_is_killed(void **state)
{
    struct bench b;

    (void)state;
    prepare(&b);
    put_file("flood", "");
    launch(&b);
    await(&b, "model floods");
    assert_int_equal(status_within(&b, WAIT_MS), 1); /* it was not ready yet */
    end(&b);
}

/* ---- upgrade -------------------------------------------------------------------------------- */

static void upgrade_takes_over(void **state)
{
    struct bench b;
    char said[2048];
    pid_t old, new;

    (void)state;
    old = start(&b, "server want");
    put_file("model.1", "arena");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "/hvmdm-model now (pid "));
    assert_non_null(strstr(said, "generation 1)"));
    assert_non_null(strstr(said, "supervisor: unchanged"));
    await(&b, "check arena (state of 0)");
    await(&b, "model 0 hand over");
    new = await_worker(&b, "model 1", "death 257 arena (state of 0) leaks 0");
    await(&b, "model 1 ready");
    await(&b, "model 0 quit");
    await_worker(&b, "pv 1", "death 257 arena (state of 0) leaks 0");
    assert_false(alive(old));
    assert_false(happened(&b, "xen"));
    kill(new, SIGKILL);
    await_worker(&b, "model 2", "death 9 arena (state of 1) leaks 0");
    await(&b, "model 2 ready");
    end(&b);
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
        struct bench b;
        char said[2048];
        pid_t pid = start(&b, "");

        put_file("model.1", cases[i].words);
        assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 1);
        if (!strstr(said, cases[i].sentence))
            fail_msg("%s", said);
        await(&b, "model 0 hand over");
        await(&b, "model 1 pid");
        await(&b, "model 0 resume");
        assert_true(alive(pid));
        /* Another try may do better. */
        assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 0);
        await_worker(&b, "model 2", "death 257 arena (state of 0) leaks 0");
        end(&b);
    }
}

/* The old one dies while the new one fails: somebody comes all the same. */
static void upgrade_survives_both(void **state)
{
    struct bench b;
    char said[2048];

    (void)state;
    start(&b, "expire");
    put_file("model.1", "arena die");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    await_worker(&b, "model 2", "death 11 arena (state of 0) leaks 0");
    await(&b, "model 2 ready");
    put_file("model.2", "");
    end(&b);
}

static void upgrade_is_refused(void **state)
{
    struct bench b;
    char said[2048];
    pid_t pid;

    (void)state;
    pid = start(&b, "stuck");
    assert_int_equal(ctl(&b, "upgrade", "no/such/file", said, sizeof said), 1);
    assert_non_null(strstr(said, "no/such/file: No such file"));
    assert_non_null(strstr(said, "cannot open /")); /* made absolute */
    assert_int_equal(ctl(&b, "upgrade", "/tmp", said, sizeof said), 1);
    assert_non_null(strstr(said, "/tmp is no program"));
    put_file("check-fails", "");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "ended with status 1: that arena is from the future"));
    put_file("check-hangs", "");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "without a result"));
    assert_false(happened(&b, "hand over"));
    assert_int_equal(unlink((path_of(b.log, sizeof b.log, "check-fails"), b.log)), 0);
    assert_int_equal(unlink((path_of(b.log, sizeof b.log, "check-hangs"), b.log)), 0);
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 1);
    assert_non_null(strstr(said, "did not let go of the guest within 1500 ms"));
    await(&b, "model 0 hand over");
    await(&b, "model 0 resume");
    assert_true(alive(pid));
    end(&b);
}

static void copy_self(const char *name)
{
    char path[128];
    int from = open("/proc/self/exe", O_RDONLY), to;
    struct stat st;
    off_t at = 0;

    path_of(path, sizeof path, name);
    to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    assert_true(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    while (at < st.st_size)
        assert_true(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0);
    close(from);
    close(to);
}

static void supervisor_replaces_itself(void **state)
{
    char said[2048], wanted[64], exe[128] = "", link[64];
    struct bench b;
    pid_t pid;

    (void)state;
    start(&b, "want");
    await(&b, "pv 0 ready");
    copy_self("hvmdm");
    put_file("self-fails", "");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "ended with status 1: do not understand that"));
    assert_int_equal(unlink((path_of(b.log, sizeof b.log, "self-fails"), b.log)), 0);
    await(&b, "pv 1 ready");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "supervisor: replaced"));
    snprintf(link, sizeof link, "/proc/%d/exe", (int)b.pid);
    assert_true(readlink(link, exe, sizeof exe - 1) > 0);
    assert_non_null(strstr(exe, b.dir));
    pid = await_worker(&b, "model 2", "death 257 arena (state of 0) leaks 0");
    await_worker(&b, "pv 2", "death 257 arena (state of 0) leaks 0");
    await(&b, "pv 2 ready");
    assert_int_equal(ctl(&b, "supervisor", NULL, said, sizeof said), 0);
    snprintf(wanted, sizeof wanted, ", pid %d\n", (int)b.pid); /* still */
    assert_non_null(strstr(said, wanted));
    kill(pid, SIGKILL);
    await_worker(&b, "model 3", "death 9 arena (state of 0) leaks 0");
    await(&b, "model 3 ready");
    assert_int_equal(ctl(&b, "upgrade", NULL, said, sizeof said), 0);
    assert_non_null(strstr(said, "supervisor: unchanged"));
    assert_int_equal(unlink((path_of(b.log, sizeof b.log, "hvmdm"), b.log)), 0);
    end(&b);
}

/* ---- small parts ---------------------------------------------------------------------------- */

static void control_takes_no_nonsense(void **state)
{
    static const char *const bad[] = { "{\"command\":\"dance\"}\n", "hello\n",
                                       "{\"command\":\"upgrade\",\"path\":\"\\u0041\"}\n" };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct bench b;
    char answer[512], many[4096];
    int fd;

    (void)state;
    start(&b, "");
    path_of(a.sun_path, sizeof a.sun_path, "7.supervisor");
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
    end(&b);
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
    assert_int_equal(scan(&o, "hvmdm --check-state 5"), SUPERVISOR_CHECK_STATE);
    assert_int_equal(o.state, 5);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members),
        cmocka_unit_test(holds_by_name),
        cmocka_unit_test(finds_its_arguments),
        cmocka_unit_test(starts_and_quits),
        cmocka_unit_test(starts_again),
        cmocka_unit_test(crash_loop_ends),
        cmocka_unit_test(progress_is_no_crash_loop),
        cmocka_unit_test(failed_start_is_passed_on),
        cmocka_unit_test(hang_at_quit_is_killed),
        cmocka_unit_test(dying_domain_is_left_alone),
        cmocka_unit_test(end_of_the_supervisor_ends_all),
        cmocka_unit_test(records_own_faults),
        cmocka_unit_test(pv_worker_comes_and_comes_back),
        cmocka_unit_test(pv_crash_loop_is_not_the_domains),
        cmocka_unit_test(serves_small_wishes),
        cmocka_unit_test(who_does_not_listen_is_killed),
        cmocka_unit_test(control_takes_no_nonsense),
        cmocka_unit_test(upgrade_takes_over),
        cmocka_unit_test(upgrade_falls_back),
        cmocka_unit_test(upgrade_survives_both),
        cmocka_unit_test(upgrade_is_refused),
        cmocka_unit_test(supervisor_replaces_itself),
    };

    if (getenv(SUPERVISED_ENV))
        return fake_worker();
    if (argc == 3 && !strcmp(argv[1], "--check-arena"))
        return fake_check(argv[2]);
    if (getenv("TEST_SUPERVISOR"))
        return fake_supervisor(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
