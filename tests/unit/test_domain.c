/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_domain - device models that come and go while their guest stays.
 */
#include "tests/unit/domain_arenas.h"
#include "tests/unit/domain_media.h"
#include "tests/unit/domain_nics.h"
#include "tests/unit/domain_recording.h"
#include "tests/unit/domain_twins.h"
#include "tests/unit/domain_world.h"
#include "toolstack/stream.h"

static void first_gives_all_away(void **state)
{
    static const char *const names[] = { "arena",   "disk0",   "disk2", "serial0",
                                         "serial1", "serial2", "qmp0",  "ctl" };
    struct fixture *f = *state;
    struct worker w = start(f, 0);

    serve_until(f, &w, SUPERVISED_READY);
    assert_int_equal(f->nheld, ARRAY_SIZE(names) + !f->config.no_sandbox); /* the empty network */
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(find_held(f, names[i]));
    serve_until(f, &w, SUPERVISED_WANT_PV);
    assert_int_equal(f->page->server, SERVER + 1);
    assert_true(image_is_locked(f));
    out(f, &w, SCRATCH, 0x5a);
    assert_int_equal(in(f, &w, SCRATCH), 0x5a);
    assert_true(f->page->events >= 2);
    quit(f, &w);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(port.world->registered.space[i].nr, 0);
}

static void first_that_cannot_start_cleans_up(void **state)
{
    struct fixture *f = *state;
    struct worker w;

    f->config.disks[0].path = "/nonexistent/image";
    w = start(f, 0);
    serve_until(f, &w, SUPERVISED_SAY);
    assert_non_null(strstr(f->last.text, "/nonexistent/image"));
    assert_int_equal(WEXITSTATUS(reap(f, &w)), 1);
    assert_int_equal(port.world->destroyed, 1);
}

static void successor_goes_on(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    struct ranges registered = port.world->registered;
    char text[16];

    out(f, &w, SCRATCH, 0x5a);
    out(f, &w, UART, 'a');
    out(f, &w, UART, 'b');
    for (unsigned n = 0; n < 5; n++) {
        murder(f, &w);
        ask(SCRATCH, true, 0); /* nobody is there */
        w = up(f, SIGKILL);
        assert_int_equal(answer(f, &w), 0x5a);
        out(f, &w, UART, (uint8_t)('c' + n));
        assert_true(image_is_locked(f));
    }
    assert_int_equal(file_text(f->serial, text, sizeof text), 7);
    assert_string_equal(text, "abcdefg");
    assert_memory_equal(&registered, &port.world->registered, sizeof registered);
    assert_int_equal(port.world->created, 1);
    assert_int_equal(port.world->destroyed, 0);
    quit(f, &w);
    assert_true(image_is_locked(f));
    drop(f, "disk0"); /* the supervisor ends too */
    assert_false(image_is_locked(f));
}

/* The pty keeps its name, what is written to it, and whoever has it open. */
static void pty_stays(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    char name[64];
    int fd;

    assert_int_equal(ptsname_r(find_held(f, "serial1")->fd, name, sizeof name), 0);
    fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(fd >= 0);
    out(f, &w, 0x2f8, 'x');
    murder(f, &w);
    assert_int_equal(write(fd, "k", 1), 1); /* typed meanwhile */
    w = up(f, SIGKILL);
    out(f, &w, 0x2f8, 'y');
    expect_from(fd, "xy");
    while (!(in(f, &w, 0x2fd) & 1))
        ;
    assert_int_equal(in(f, &w, 0x2f8), 'k');
    close(fd);
    quit(f, &w);
}

static void socket_and_connection_stay(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    int fd = connect_to(f->unix_path), other;

    serve_until(f, &w, SUPERVISED_HOLD);
    assert_string_equal(f->last.name, "serial2c");
    out(f, &w, 0x3e8, 'x');
    murder(f, &w);
    w = up(f, SIGKILL);
    out(f, &w, 0x3e8, 'y');
    expect_from(fd, "xy");
    shutdown(fd, SHUT_RDWR); /* the child has it open too */
    close(fd);
    serve_until(f, &w, SUPERVISED_DROP);
    assert_string_equal(f->last.name, "serial2c");
    other = connect_to(f->unix_path);
    serve_until(f, &w, SUPERVISED_HOLD);
    out(f, &w, 0x3e8, 'z');
    expect_from(other, "z");
    close(other);
    quit(f, &w);
}

static void control_sockets_stay(void **state)
{
    static const char greeting[] = "{\"QMP\"";
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    char path[160], text[1024];
    int qmp, ctl;

    murder(f, &w);
    qmp = connect_to(f->qmp); /* nobody is there */
    w = up(f, SIGKILL);
    snprintf(path, sizeof path, "%s/7.ctl", f->image->dir);
    ctl = connect_to(path);
    assert_int_equal(recv(qmp, text, strlen(greeting), MSG_WAITALL), strlen(greeting));
    assert_memory_equal(text, greeting, strlen(greeting));
    assert_int_equal(write(ctl, "{\"command\":\"status\"}", 20), 20);
    memset(text, 0, sizeof text);
    assert_true(read(ctl, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, "\"status\":\"running\""));
    assert_non_null(strstr(text, f->image->path));
    close(qmp);
    close(ctl);
    quit(f, &w);
}

/* Send a line, and take lines until one has this text. */
static void converse(int fd, const char *line, const char *want)
{
    char got[4096] = "";

    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    for (size_t n = 0; !strstr(got, want); n += strlen(got + n)) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        if (poll(&p, 1, PATIENCE_MS) != 1 || read(fd, got + n, sizeof got - 1 - n) <= 0)
            fail_msg("\"%s\" did not come: %s", want, got);
    }
}

/* dm_restrict=1: libxl listens, and has connected before there is a device model; `prelaunch` is
 * how it knows that it may go on. Successors stay what their predecessor was. */
static void restricted_start(void **state)
{
    static const char negotiate[] = "{\"execute\":\"qmp_capabilities\"}\r\n",
                      ask_status[] = "{\"execute\":\"query-status\"}\r\n",
                      go[] = "{\"execute\":\"cont\",\"id\":7}\r\n";
    struct fixture *f = *state;
    struct error e = { "" };
    int listener = stream_listen(f->qmp, 0600, &e), qmp;
    struct worker w;

    assert_true(listener >= 0);
    f->config.qmp[0] = (struct config_qmp){ .fd = listener };
    f->config.start_paused = f->config.domid_restrict = true;
    f->config.chroot = f->image->dir;
    qmp = connect_to(f->qmp);
    w = up(f, 0);
    assert_int_equal(port.world->restricted, 1); /* with or without the sandbox */
    assert_non_null(find_held(f, "qmp0"));
    close(listener);
    f->config.chroot = "/gone/meanwhile";
    converse(qmp, negotiate, "return");
    converse(qmp, ask_status, "\"prelaunch\"");
    close(qmp);
    murder(f, &w);
    w = up(f, SIGKILL);
    qmp = connect_to(f->qmp);
    converse(qmp, negotiate, "return");
    converse(qmp, ask_status, "\"prelaunch\"");
    converse(qmp, go, "\"id\":7");
    converse(qmp, ask_status, "\"running\":true");
    out(f, &w, SCRATCH, 0x5a);
    close(qmp);
    murder(f, &w);
    w = up(f, SIGKILL);
    assert_int_equal(in(f, &w, SCRATCH), 0x5a);
    qmp = connect_to(f->qmp);
    converse(qmp, negotiate, "return");
    converse(qmp, ask_status, "\"running\":true");
    close(qmp);
    assert_int_equal(port.world->restricted, 3);
    quit(f, &w);
}

static void no_root_no_start(void **state)
{
    struct fixture *f = *state;
    struct worker w;

    f->config.chroot = "/nonexistent/root";
    w = start(f, 0);
    serve_until(f, &w, SUPERVISED_SAY);
    assert_non_null(strstr(f->last.text, "-chroot /nonexistent/root"));
    assert_int_equal(WEXITSTATUS(reap(f, &w)), 1);
    assert_int_equal(port.world->created, 0);
}

/* A live exchange: the old one is quiet, and ends without a trace. */
static void handover(void **state)
{
    struct fixture *f = *state;
    struct worker old = up(f, 0), w;

    out(f, &old, SCRATCH, 0x77);
    tell(&old, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &old, SUPERVISED_HANDED_OVER);
    assert_int_equal(f->last.value, 1);
    assert_int_equal(port.world->bound, 0);
    ask(SCRATCH, true, 0);
    usleep(50000);
    assert_false(answered());
    w = start(f, SUPERVISED_UPGRADE);
    serve_until(f, &w, SUPERVISED_READY);
    tell(&old, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, &old), 0);
    assert_int_equal(answer(f, &w), 0x77);
    assert_int_equal(port.world->destroyed, 0);
    assert_true(image_is_locked(f));
    assert_true(port.world->registered.space[HV_PIO].nr > 0);
    quit(f, &w);
}

/* True if the worker got ready before it was killed. */
static bool kill_starting(struct fixture *f, struct worker *w, unsigned us)
{
    bool ready = false;
    uint32_t got;

    usleep(us);
    kill(w->pid, SIGKILL);
    while ((got = serve(f, w)))
        ready |= got == SUPERVISED_READY;
    reap(f, w);
    port.world->bound = 0;
    return ready;
}

/* The successor dies somewhere on its way; until it has said READY nothing is lost. */
static void handover_comes_to_nothing(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0), failed;
    bool ready = false;

    out(f, &w, SCRATCH, 0x78);
    for (unsigned n = 0; n < 12 && !ready; n++) {
        tell(&w, SUPERVISED_HAND_OVER, 2 * n);
        serve_until(f, &w, SUPERVISED_HANDED_OVER);
        tell(&w, SUPERVISED_HAND_OVER, 2 * n + 1); /* it may come again */
        serve_until(f, &w, SUPERVISED_HANDED_OVER);
        assert_int_equal(f->last.value, 2 * n + 1);
        ask(SCRATCH, true, 0);
        failed = start(f, SUPERVISED_UPGRADE);
        ready = kill_starting(f, &failed, n * 3000);
        if (ready)
            break;
        tell(&w, SUPERVISED_RESUME, 2 * n + 1);
        assert_int_equal(answer(f, &w), 0x78);
        out(f, &w, UART, 'r');
    }
    if (ready) {
        tell(&w, SUPERVISED_QUIT, 0);
        reap(f, &w);
        w = up(f, SIGKILL);
        assert_int_equal(answer(f, &w), 0x78);
    }
    quit(f, &w);
}

/* Without its supervisor a device model ends, and takes the ioreq server with it. */
static void ends_with_its_supervisor(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    int status;

    close(w.sock);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    assert_int_equal(status, 0);
    assert_int_equal(port.world->destroyed, 1);
}

/* Likewise in the middle of an upgrade, when the server is nobody's. */
static void ends_with_its_supervisor_though_it_let_go(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    int status;

    tell(&w, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    close(w.sock);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    assert_int_equal(status, 0);
    assert_int_equal(port.world->destroyed, 1);
}

/* --- Listening sockets of a process, from outside. */

static bool process_has_socket(pid_t pid, unsigned long inode)
{
    char want[64], target[64], path[64];
    bool found = false;

    snprintf(want, sizeof want, "socket:[%lu]", inode);
    for (int fd = 0; fd < 256 && !found; fd++) {
        ssize_t n;

        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        n = readlink(path, target, sizeof target - 1);
        if (n > 0) {
            target[n] = 0;
            found = strcmp(target, want) == 0;
        }
    }
    return found;
}

/* Sockets of the process in a table of /proc/net: by path, or all of them. */
static unsigned sockets_in(pid_t pid, const char *table, bool listening_unix, char *paths,
                           size_t size)
{
    FILE *t = fopen(table, "re");
    char line[512], path[256];
    unsigned n = 0;

    for (unsigned row = 0; t && fgets(line, sizeof line, t); row++) {
        unsigned long inode = 0, flags = 0;

        path[0] = 0;
        if (row == 0)
            continue;
        if (listening_unix)
            sscanf(line, "%*s %*s %*s %lx %*s %*s %lu %255s", &flags, &inode, path);
        else
            sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %lu", &inode);
        if (!inode || (listening_unix && !(flags & 0x10000)) || !process_has_socket(pid, inode))
            continue;
        n++;
        snprintf(paths + strlen(paths), size - strlen(paths), "%s ", path);
    }
    if (t)
        fclose(t);
    return n;
}

/* XSA-119: nothing listens that the configuration did not ask for; no display is configured here.
 * This guards against a default that opens a socket. */
static void xsa119_nothing_listens_unasked(void **state)
{
    static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp",
                                          "/proc/net/udp6", "/proc/net/raw" };
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    char paths[2048] = "";

    out(f, &w, SCRATCH, 1); /* it serves */
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        if (sockets_in(w.pid, tables[i], false, paths, sizeof paths))
            fail_msg("a socket in %s", tables[i]);
    if (sockets_in(w.pid, "/proc/net/unix", true, paths, sizeof paths) != 3)
        fail_msg("not three listening sockets: %s", paths);
    assert_non_null(strstr(paths, f->qmp));
    assert_non_null(strstr(paths, f->unix_path));
    assert_non_null(strstr(paths, ".ctl "));
    quit(f, &w);
}

#define LIFE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TWIN(name) cmocka_unit_test_setup_teardown(name, setup_twins, teardown_twins)
#define CARD(name) cmocka_unit_test_setup_teardown(name, setup_card, teardown_card)
#define RECORDED(name)                                                                             \
    {                                                                                              \
        "recorded_" #name, name, setup_recorded, teardown_recorded, NULL                           \
    }
#define RECORDED_CARD(name)                                                                        \
    {                                                                                              \
        "recorded_" #name, name, setup_recorded_card, teardown_recorded_card, NULL                 \
    }
#define RECORDED_TWIN(name)                                                                        \
    {                                                                                              \
        "recorded_" #name, name, setup_recorded_twins, teardown_recorded_twins, NULL               \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE(first_gives_all_away),
        LIFE(first_that_cannot_start_cleans_up),
        LIFE(successor_goes_on),
        LIFE(pty_stays),
        LIFE(socket_and_connection_stay),
        LIFE(control_sockets_stay),
        LIFE(restricted_start),
        LIFE(no_root_no_start),
        LIFE(handover),
        LIFE(handover_comes_to_nothing),
        LIFE(trial_adoption),
        LIFE(successor_refuses),
        LIFE(upgrade_to_another_layout),
        LIFE(unplugged_disk_is_given_up),
        LIFE(unplugged_disk_is_given_up_later),
        LIFE(medium_follows),
        CARD(card_stays),
        CARD(unplugged_card_is_given_up),
        CARD(unplugged_card_is_given_up_later),
        CARD(card_without_network_is_refused),
        CARD(trial_with_card),
        LIFE(xsa119_nothing_listens_unasked),
        LIFE(ends_with_its_supervisor),
        LIFE(ends_with_its_supervisor_though_it_let_go),
        LIFE(recorded_lives_replay),
        RECORDED(successor_goes_on),
        RECORDED(pty_stays),
        RECORDED(handover),
        RECORDED(handover_comes_to_nothing),
        RECORDED(upgrade_to_another_layout),
        RECORDED(unplugged_disk_is_given_up),
        RECORDED(unplugged_disk_is_given_up_later),
        RECORDED(medium_follows),
        TWIN(goes_there_and_back),
        TWIN(no_disk_no_question),
        TWIN(successor_keeps_its_hands_off),
        TWIN(successor_wakes),
        TWIN(write_is_cut_off),
        TWIN(what_had_begun_goes_on),
        TWIN(unplug_is_for_good),
        TWIN(unplug_while_pv_has_it),
        TWIN(successor_says_that_it_is_unplugged),
        TWIN(handed_over),
        TWIN(size_is_passed_on),
        RECORDED_CARD(card_stays),
        RECORDED_CARD(unplugged_card_is_given_up),
        RECORDED_CARD(unplugged_card_is_given_up_later),
        RECORDED_TWIN(goes_there_and_back),
        RECORDED_TWIN(successor_wakes),
        RECORDED_TWIN(write_is_cut_off),
        RECORDED_TWIN(unplug_while_pv_has_it),
        RECORDED_TWIN(handed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
