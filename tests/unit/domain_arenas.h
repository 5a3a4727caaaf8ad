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
