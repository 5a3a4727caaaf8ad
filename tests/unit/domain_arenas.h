/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_arenas - tests of test_domain.c: arenas that are not what they should be. */
#ifndef TESTS_UNIT_DOMAIN_ARENAS_H
#define TESTS_UNIT_DOMAIN_ARENAS_H

#include "tests/unit/domain_world.h"

static struct arena_record *record_in(struct arena_header *h, const char *name)
{
    for (uint32_t i = 0; i < h->nrecords; i++)
        if (strcmp(h->record[i].name, name) == 0)
            return &h->record[i];
    fail_msg("no record %s", name);
    return NULL;
}

/* As a version would have left it that had not yet the last field of this record. */
static void older(struct arena_header *h)
{
    record_in(h, "pciconf")->nfields--;
}

/* As one that published nothing after its events. */
static void no_publication(struct arena_header *h)
{
    struct arena_record *r = record_in(h, "publish");

    memmove(r, r + 1, (size_t)(&h->record[--h->nrecords] - r) * sizeof *r);
}

static void newer(struct arena_header *h)
{
    const struct arena_record *r = record_in(h, "pciconf");
    struct state_field *f = (struct state_field *)(void *)((char *)h + r->fields);

    strcpy(f[r->nfields - 1].name, "later");
}

static void more(struct arena_header *h)
{
    struct arena_record *r = &h->record[h->nrecords++];

    *r = *record_in(h, "pciconf");
    strcpy(r->name, "floppy");
}

static void no_magic(struct arena_header *h)
{
    h->magic++;
}

static void outside(struct arena_header *h)
{
    h->record[2].state = 0xfffff000;
}

static void no_server(struct arena_header *h)
{
    memset((char *)h + record_in(h, "domain")->bulk, 0xff, 64);
}

static void wild_value(struct arena_header *h)
{
    memset((char *)h + record_in(h, "uart16550")->state, 0xff, record_in(h, "uart16550")->size);
}

/* A copy of the arena with one thing changed. */
static int changed_arena(int from, void (*change)(struct arena_header *h))
{
    int fd = memfd_create("changed", 0);
    char *was = mmap(NULL, DOMAIN_ARENA_BYTES, PROT_READ, MAP_SHARED, from, 0), *now;

    assert_int_equal(ftruncate(fd, DOMAIN_ARENA_BYTES), 0);
    now = mmap(NULL, DOMAIN_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(was != MAP_FAILED && now != MAP_FAILED);
    memcpy(now, was, DOMAIN_ARENA_BYTES);
    change((struct arena_header *)(void *)now);
    munmap(was, DOMAIN_ARENA_BYTES);
    munmap(now, DOMAIN_ARENA_BYTES);
    return fd;
}

static const struct {
    void (*change)(struct arena_header *h);
    const char *why; /* NULL: an upgrade can take it */
} arenas[] = {
    { older, NULL },
    { no_publication, NULL },
    { newer, "later is not known to this version" },
    { more, "has a floppy 0, the configured one has not" },
    { no_magic, "no hvmdm state arena" },
    { outside, "lies outside" },
    { no_server, "ioreq server" },
    { wild_value, "uart16550" },
};

/* What the guest may have written is not looked at by root. */
static void check_confined(int fd)
{
    struct error e = { "" };
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    pid = fork();
    if (pid == 0) {
        if (domain_check_arena_confined(fd, false, &e) < 0)
            _exit(1);
        _exit(getuid() == 0 || open("/etc/passwd", O_RDONLY) >= 0 ? 2 : 0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In the supervisor's place; `end` stays open for as long as the trial's process lives. */
static void try_for_ever(int fd, int end)
{
    struct error e = { "" };
    pid_t pid = fork();

    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || domain_check_arena_confined(fd, false, &e) < 0)
            _exit(1);
        while (write(end, "x", 1) == 1)
            nanosleep(&(struct timespec){ .tv_sec = 20 }, NULL);
        _exit(1);
    }
    waitpid(pid, NULL, 0);
    _exit(1);
}

/* Who dies with it though it is somebody else by then. */
static void trial_ends_with_its_supervisor(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    struct pollfd end = { .events = POLLIN };
    int pipes[2];
    pid_t pid;
    char byte;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0)
        try_for_ever(find_held(f, "arena")->fd, pipes[1]);
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    end.fd = pipes[0];
    assert_int_equal(poll(&end, 1, 1000), 1);
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
    quit(f, &w);
}

/* The guest runs while this is tried, and notices nothing. */
static void trial_adoption(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0);
    int fd = find_held(f, "arena")->fd;
    struct error e = { "" };

    out(f, &w, SCRATCH, 0x42);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(domain_check_arena(fd, &e), 0);
        assert_int_equal(in(f, &w, SCRATCH), 0x42);
    }
    check_confined(fd);
    for (size_t i = 0; i < ARRAY_SIZE(arenas); i++) {
        int changed = changed_arena(fd, arenas[i].change);

        e.text[0] = '\0';
        assert_int_equal(domain_check_arena(changed, &e) == 0, !arenas[i].why);
        if (arenas[i].why && !strstr(e.text, arenas[i].why))
            fail_msg("case %zu: %s", i, e.text);
        close(changed);
    }
    e.text[0] = '\0';
    assert_true(domain_check_arena(f->vitals, &e) < 0);
    assert_true(domain_check_arena(-1, &e) < 0);
    quit(f, &w);
}

/* A successor that does not get ready leaves everything as it is. */
static void successor_refuses(void **state)
{
    struct fixture *f = *state;
    struct worker w = up(f, 0), failed;
    struct held *h, arena;

    out(f, &w, SCRATCH, 0x11);
    tell(&w, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    h = find_held(f, "arena");
    arena = *h;
    for (size_t i = 0; i < ARRAY_SIZE(arenas); i++) {
        /* Those are fine for an upgrade, but not after a death. */
        uint32_t death = arenas[i].why ? SUPERVISED_UPGRADE : SIGSEGV;

        h->fd = changed_arena(arena.fd, arenas[i].change);
        failed = start(f, death);
        serve_until(f, &failed, SUPERVISED_SAY);
        if (!strstr(f->last.text, arenas[i].why ? arenas[i].why : "upgrade"))
            fail_msg("case %zu: %s", i, f->last.text);
        assert_int_equal(WEXITSTATUS(reap(f, &failed)), 1);
        close(h->fd);
    }
    *h = arena;
    assert_int_equal(port.world->destroyed, 0);
    assert_true(image_is_locked(f));
    tell(&w, SUPERVISED_RESUME, 1);
    assert_int_equal(in(f, &w, SCRATCH), 0x11);
    assert_true(drop(f, "ctl"));
    tell(&w, SUPERVISED_HAND_OVER, 2);
    serve_until(f, &w, SUPERVISED_HANDED_OVER);
    failed = start(f, SUPERVISED_UPGRADE);
    serve_until(f, &failed, SUPERVISED_SAY);
    assert_non_null(strstr(f->last.text, "control socket"));
    assert_int_equal(WEXITSTATUS(reap(f, &failed)), 1);
    tell(&w, SUPERVISED_RESUME, 2);
    assert_int_equal(in(f, &w, SCRATCH), 0x11);
    quit(f, &w);
}

/* --- Arenas of former builds. `arena.layout1` is what one left when it handed over, SCRATCH 0x33,
 * up to the last byte that is not 0; `arena.layout2` of one configured with --test-layout=2. A
 * version that no longer understands the first cannot be upgraded to. To store what this build
 * leaves: HVMDM_STORE_ARENA=FILE build/tests/unit-domain. */

static int stored_arena(const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), fd = memfd_create("stored", MFD_CLOEXEC);

    if (from < 0)
        fail_msg("%s: %s (tests are run in the top directory)", path, strerror(errno));
    assert_int_equal(ftruncate(fd, DOMAIN_ARENA_BYTES), 0);
    assert_true(sendfile(fd, from, NULL, DOMAIN_ARENA_BYTES) > 0);
    close(from);
    return fd;
}

static void store_arena(int from, const char *path)
{
    const char *bytes = mmap(NULL, DOMAIN_ARENA_BYTES, PROT_READ, MAP_SHARED, from, 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t n = DOMAIN_ARENA_BYTES;

    assert_true(bytes != MAP_FAILED);
    while (n && !bytes[n - 1])
        n--;
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    munmap((void *)(uintptr_t)bytes, DOMAIN_ARENA_BYTES);
}

static void upgrade_from_a_stored_arena(void **state)
{
    const char *path = getenv("HVMDM_STORE_ARENA");
    struct fixture *f = *state;
    struct worker old = up(f, 0), w;
    struct held *h = find_held(f, "arena");

    out(f, &old, SCRATCH, path ? 0x33 : 0x77);
    tell(&old, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &old, SUPERVISED_HANDED_OVER);
    if (path)
        store_arena(h->fd, path);
    close(h->fd);
    h->fd = stored_arena(path ? path : "tests/unit/arena.layout1");
    w = start(f, SUPERVISED_UPGRADE);
    serve_until(f, &w, SUPERVISED_READY);
    tell(&old, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, &old), 0);
    assert_int_equal(in(f, &w, SCRATCH), 0x33);
    quit(f, &w);
}

#ifndef HVMDM_TEST_LAYOUT
static void downgrade_from_a_stored_arena(void **state)
{
    int fd = stored_arena("tests/unit/arena.layout2");
    struct error e = { "" };

    (void)state;
    assert_true(domain_check_arena(fd, &e) < 0);
    assert_non_null(strstr(e.text, "test_layout is not known to this version"));
    close(fd);
}
#endif

/* --- */

/* The copy is the supervisor's before the old arena is given up, and good for what comes then. */
static void upgrade_to_another_layout(void **state)
{
    struct fixture *f = *state;
    struct worker old = up(f, 0), w;
    struct held *h = find_held(f, "arena");
    char text[16];

    out(f, &old, SCRATCH, 0x33);
    out(f, &old, UART, 'a');
    tell(&old, SUPERVISED_HAND_OVER, 1);
    serve_until(f, &old, SUPERVISED_HANDED_OVER);
    h->fd = changed_arena(h->fd, older);
    w = start(f, SUPERVISED_UPGRADE);
    assert_int_equal(serve(f, &w), SUPERVISED_HOLD);
    assert_string_equal(f->last.name, "arena");
    serve_until(f, &w, SUPERVISED_READY);
    tell(&old, SUPERVISED_QUIT, 0);
    assert_int_equal(reap(f, &old), 0);
    assert_int_equal(in(f, &w, SCRATCH), 0x33);
    out(f, &w, UART, 'b');
    murder(f, &w);
    w = up(f, SIGSEGV);
    assert_int_equal(in(f, &w, SCRATCH), 0x33);
    out(f, &w, UART, 'c');
    assert_int_equal(file_text(f->serial, text, sizeof text), 3);
    assert_string_equal(text, "abc");
    quit(f, &w);
}

#endif
