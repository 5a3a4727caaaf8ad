/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Crash records: what is in them, where they go, and what a hostile arena cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/core/core.h"
#include "tests/bench.h"
#include "toolstack/supervisor/record_private.h"

extern const struct device_ops test_fault_ops;

enum { PORT = 0xe0 };

static char root[64], directory[96];
static struct bench *b;
static struct supervised_vitals vitals;

static int start(void **state)
{
    const struct device_row row = { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } };

    (void)state;
    strcpy(root, "/tmp/hvmdm-record-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(directory, sizeof directory, "%s/hvmdm/crash", root);
    b = bench_new(&row, 1);
    memset(&vitals, 0, sizeof vitals);
    return 0;
}

static int stop(void **state)
{
    char command[128];

    (void)state;
    bench_free(b);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static struct record_facts facts(void)
{
    return (struct record_facts){ .domid = 5,
                                  .generation = 3,
                                  .death = SIGSEGV,
                                  .sentence = "the device model died",
                                  .version = "9.9",
                                  .program = "/usr/libexec/hvmdm/hvmdm-model",
                                  .vitals = &vitals,
                                  .arena = b->arena.fd };
}

static struct record *take(void)
{
    struct record_facts f = facts();
    struct record *r = record_take(&f);

    assert_non_null(r);
    return r;
}

static const char *text_of(struct record *r)
{
    static char text[RECORD_TEXT];
    size_t n = record_text(r, text, sizeof text);

    record_drop(r);
    assert_int_equal(n, strlen(text));
    return text;
}

static void assert_says(const char *text, const char *what)
{
    if (!strstr(text, what))
        fail_msg("no \"%s\" in:\n%s", what, text);
}

/* Files with this ending; the last one found is left in `name`. */
static unsigned count(const char *ending, char name[400])
{
    DIR *d = opendir(directory);
    struct dirent *entry;
    unsigned n = 0;

    while (d && (entry = readdir(d)))
        if (strlen(entry->d_name) > strlen(ending) &&
            !strcmp(entry->d_name + strlen(entry->d_name) - strlen(ending), ending)) {
            snprintf(name, 400, "%s/%s", directory, entry->d_name);
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

/* ---- text ----------------------------------------------------------------------------------- */

static void says_what_happened(void **state)
{
    const char *text;

    (void)state;
    bench_inb(b, PORT);
    bench_outb(b, PORT + 3, 0x42);
    vitals.events = 77;
    strcpy(vitals.doing, "test_fault: port write");
    strcpy(vitals.registers, "test_fault fault.GO\nodd\x1b line\n");
    strcpy(vitals.last_words, "hvmdm: killed by SIGSEGV\nrip 0x1234\n");
    b->arena.h->in_transaction = 1;
    text = text_of(take());
    assert_says(text, "what:      the device model died\n");
    assert_says(text, "domain:    5, device model, generation 3\n");
    assert_says(text, "death:     signal 11, SIGSEGV\n");
    assert_says(text, "version:   9.9\nprogram:   /usr/libexec/hvmdm/hvmdm-model\n");
    assert_says(text, "vitals:    77 events");
    assert_says(text, "doing:     test_fault: port write\n");
    assert_says(text, "died inside a request of the guest\n");
    assert_says(text, "  hvmdm: killed by SIGSEGV\n  rip 0x1234\n");
    assert_says(text, "port   read  0xe0       1 byte  odd? line\n");
    assert_says(text, "port   write 0xe3       1 byte value 0x42  test_fault fault.GO\n");
}

static void says_it_without_arena_and_vitals(void **state)
{
    struct record_facts f = facts();

    (void)state;
    f.arena = -1;
    f.vitals = NULL;
    f.death = SUPERVISED_WATCHDOG;
    f.role = SUPERVISED_PV;
    f.sentence = f.version = f.program = NULL;
    assert_says(text_of(record_take(&f)), "death:     watchdog");
    assert_says(text_of(record_take(&f)), "arena:     none\n");
    assert_says(text_of(record_take(&f)), "PV worker");
}

/* Words that would play with the reader's terminal, and have no end. */
static void takes_out_what_is_not_text(void **state)
{
    const char *text;

    (void)state;
    memset(vitals.doing, '\x1b', sizeof vitals.doing);
    memset(vitals.last_words, '\x9b', sizeof vitals.last_words);
    memset(vitals.registers, '\x9b', sizeof vitals.registers);
    vitals.last_words[5] = '\n';
    text = text_of(take());
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    assert_says(text, "  ?????\n  ??????");
}

/* ---- hostile arenas ------------------------------------------------------------------------- */

static void refuses_other_magic(void **state)
{
    (void)state;
    b->arena.h->magic++;
    assert_says(text_of(take()), "journal:   cannot be read: this is no hvmdm state arena\n");
    b->arena.h->magic--;
}

static struct arena_record *journal(void)
{
    struct arena_record *r = arena_find(&b->arena, "journal", 0);

    assert_non_null(r);
    return r;
}

static void refuses_offsets_outside(void **state)
{
    struct arena_record *r = journal(), was = *r;

    (void)state;
    r->fields = UINT32_MAX - 64;
    assert_says(text_of(take()), "cannot be read");
    *r = was;
    r->nfields = UINT32_MAX;
    assert_says(text_of(take()), "cannot be read");
    *r = was;
    r->state = (uint32_t)b->arena.h->size - 8;
    assert_says(text_of(take()), "cannot be read");
    *r = was;
}

static struct state_field *field(const char *name)
{
    struct state_field *f = arena_at(&b->arena, journal()->fields);

    while (strcmp(f->name, name) != 0)
        f++;
    return f;
}

static void ignores_fields_outside(void **state)
{
    struct state_field *f = field("log_addr"), was = *f;

    (void)state;
    bench_inb(b, PORT);
    f->offset = UINT32_MAX - 3;
    assert_says(text_of(take()), "port   read  0x0  ");
    *f = was;
    f->size = 16;
    assert_says(text_of(take()), "port   read  0x0  ");
    *f = was;
    f->count = 0;
    assert_says(text_of(take()), "port   read  0x0  ");
    *f = was;
}

/* Whatever byte of header, table or journal is damaged: a text, and no access outside (which the
 * sanitizers would see). */
static void bears_any_damage(void **state)
{
    struct arena_record *r = journal();
    const struct {
        uint32_t from, bytes;
    } part[] = { { 0, sizeof *b->arena.h },
                 { r->fields, r->nfields * (uint32_t)sizeof(struct state_field) },
                 { r->state, r->size } };
    unsigned char *bytes = (unsigned char *)b->arena.h;

    (void)state;
    bench_inb(b, PORT);
    for (unsigned i = 0; i < ARRAY_SIZE(part); i++)
        for (uint32_t at = part[i].from; at < part[i].from + part[i].bytes; at += 5) {
            unsigned char was = bytes[at];

            bytes[at] = 0xff;
            assert_true(strlen(text_of(take())) > 100);
            bytes[at] = was ^ 1;
            assert_true(strlen(text_of(take())) > 100);
            bytes[at] = was;
        }
}

static void bears_short_and_huge_arenas(void **state)
{
    struct record_facts f = facts();

    (void)state;
    f.arena = memfd_create("arena", MFD_CLOEXEC);
    assert_says(text_of(record_take(&f)), "arena:     none\n");
    assert_int_equal(ftruncate(f.arena, 100), 0);
    assert_says(text_of(record_take(&f)), "arena:     100 bytes\njournal:   cannot be read");
    assert_int_equal(ftruncate(f.arena, INT64_C(1) << 40), 0);
    assert_says(text_of(record_take(&f)), "cannot be read");
    close(f.arena);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void writes_both_files(void **state)
{
    char name[400], *bytes = (char *)b->arena.h, *copy;
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(record_write(take(), directory), 0);
    assert_int_equal(stat(directory, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(count(".txt", name), 1);
    assert_non_null(strstr(name, "/5-3-2"));
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(count(".arena", name), 1);
    fd = open(name, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, b->arena.h->size);
    assert_true(st.st_blocks * 512 < st.st_size / 2); /* holes stay holes */
    copy = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, copy, (size_t)st.st_size), st.st_size);
    assert_memory_equal(copy, bytes, (size_t)st.st_size);
    free(copy);
    close(fd);
}

static void pause_for_the_next_stamp(void)
{
    const struct timespec ms = { 0, 2000000 };

    nanosleep(&ms, NULL);
}

static void keeps_the_newest(void **state)
{
    char name[400], first[400] = "", other[160];

    (void)state;
    for (unsigned i = 0; i < RECORD_KEPT + 3; i++) {
        assert_int_equal(record_write(take(), directory), 0);
        if (i == 0) {
            count(".txt", first);
            snprintf(other, sizeof other, "%s/of-somebody-else.txt", directory);
            close(open(other, O_CREAT | O_WRONLY, 0600));
        }
        pause_for_the_next_stamp();
    }
    assert_int_equal(count(".arena", name), RECORD_KEPT);
    assert_int_equal(count(".txt", name), RECORD_KEPT + 1);
    assert_int_equal(access(other, F_OK), 0);
    assert_int_equal(access(first, F_OK), -1);
}

static void does_not_follow_links(void **state)
{
    char hvmdm[96], name[400];
    struct stat st;

    (void)state;
    snprintf(hvmdm, sizeof hvmdm, "%s/hvmdm", root);
    assert_int_equal(mkdir(hvmdm, 0755), 0);
    assert_int_equal(symlink(root, directory), 0);
    assert_int_equal(record_write(take(), directory), -ENOTDIR);
    assert_int_equal(lstat(directory, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(count(".txt", name), 0);
}

static void full(rlim_t bytes)
{
    const struct rlimit limit = { bytes, bytes };
    char name[400];

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (bytes < 100)
        _exit(record_write(take(), directory) < 0 && count(".txt", name) == 0 &&
                      count(".arena", name) == 0
                  ? 0
                  : 1);
    _exit(record_write(take(), directory) == 0 && count(".txt", name) == 1 &&
                  count(".arena", name) == 0
              ? 0
              : 1);
}

/* No room for the text, then room for the text only. What was begun is removed. */
static void bears_a_full_disk(void **state)
{
    const rlim_t limits[] = { 64, 16384 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            full(limits[i]);
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

#define UNIT(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(says_what_happened),         UNIT(says_it_without_arena_and_vitals),
        UNIT(takes_out_what_is_not_text), UNIT(refuses_other_magic),
        UNIT(refuses_offsets_outside),    UNIT(ignores_fields_outside),
        UNIT(bears_any_damage),           UNIT(bears_short_and_huge_arenas),
        UNIT(writes_both_files),          UNIT(keeps_the_newest),
        UNIT(does_not_follow_links),      UNIT(bears_a_full_disk),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
