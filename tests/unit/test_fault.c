/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device that breaks on request, and with it the whole of crash recovery on the simulator: one
 * process after the other serves a guest, dies, and is succeeded. At last the crash record that one
 * leaves is replayed by the program that developers use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hw/core/core.h"
#include "display/display.h"
#include "hw/pc.h"
#include "ioreq/sim_private.h"
#include "tests/bench.h"
#include "toolstack/crash.h"
#include "toolstack/supervisor/record.h"

extern const struct device_ops test_fault_ops, legacy_ops;

enum { PORT = 0xe0, OTHER = 0xf0, PAGE_REGISTER = 0x81, MS = 1000000 };
enum { NULL_POINTER = 1, LOOP, ABORT, SYSTEM_CALL, TIMER, ONCE };

static struct bench *b;
static struct supervised_vitals *vitals;

static int start(void **state)
{
    static const struct device_row rows[] = {
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
        { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } },
        { .ops = &test_fault_ops, .instance = 1, .base = { OTHER, OTHER + 4 } },
    };

    (void)state;
    b = bench_new(rows, ARRAY_SIZE(rows));
    vitals = mmap(NULL, sizeof *vitals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return vitals == MAP_FAILED ? -1 : 0;
}

static int stop(void **state)
{
    (void)state;
    bench_free(b);
    return munmap(vitals, sizeof *vitals);
}

/* ---- the device ----------------------------------------------------------------------------- */

static void counts_reads(void **state)
{
    (void)state;
    assert_int_equal(bench_inb(b, PORT), 1);
    assert_int_equal(bench_inb(b, PORT), 2);
    bench_save_and_load(b);
    assert_int_equal(bench_inb(b, PORT), 3);
    machine_reset(b->m);
    assert_int_equal(bench_inb(b, PORT), 1);
}

static void is_quiet_when_not_asked(void **state)
{
    (void)state;
    bench_outb(b, PORT, 0);
    for (unsigned v = ONCE + 1; v < 0x100; v++)
        bench_outb(b, PORT, v);
    bench_outb(b, PORT + 1, NULL_POINTER);
    bench_outb(b, PORT + 2, NULL_POINTER);
    bench_outb(b, PORT + 3, 0x5a);
    bench_step(b, 10 * MS);
    assert_int_equal(bench_inb(b, PORT + 1), 0);
    assert_int_equal(bench_inb(b, PORT + 2), 0);
    assert_int_equal(bench_inb(b, PORT + 3), 0x5a);
}

static void is_not_on_the_board_of_other_builds(void **state)
{
    struct pc_host host = { .vcpus = 1, .boot = "c" };
    struct hv *hv = hv_sim_new(NULL);
    struct error e = { "" };
    struct arena arena = { .fd = -1 };
    struct machine *m;

    (void)state;
    assert_int_equal(arena_create(&arena, 1 << 20, &e), 0);
    assert_int_equal(machine_new(hv, &arena, &m, &e), 0);
    assert_int_equal(pc_build(m, &host, &e), 0);
#ifdef HVMDM_TEST_FAULTS
    assert_non_null(machine_find(m, "test_fault", 0));
#else
    assert_null(machine_find(m, "test_fault", 0));
#endif
    machine_free(m);
    hv->ops->destroy(hv);
    arena_destroy(&arena);
}

/* ---- generations ---------------------------------------------------------------------------- */

/* The guest's request, waiting in the slot of vCPU 1. */
static void guest_asks(unsigned port, bool read, unsigned value)
{
    uint8_t *slot = ((struct sim *)(void *)b->hv)->pages + HV_PAGE_SIZE + 32;

    memset(slot, 0, 24);
    store_le(slot, 8, port);
    store_le(slot + 8, 8, value);
    store_le(slot + 16, 4, 1);
    store_le(slot + 20, 4, 1);
    slot[31] = REQ_PIO;
    slot[30] = (uint8_t)(SLOT_READY | (read ? 0x20 : 0));
}

static unsigned slot_state(void)
{
    return ((struct sim *)(void *)b->hv)->pages[HV_PAGE_SIZE + 32 + 30] & 0xf;
}

static uint8_t slot_answer(void)
{
    return ((struct sim *)(void *)b->hv)->pages[HV_PAGE_SIZE + 32 + 8];
}

static void serve(unsigned generation, bool own_fault, uint64_t later)
{
    const struct rlimit none = { 0, 0 };
    struct error e = { "" };
    int quiet = open("/dev/null", O_WRONLY);

    setrlimit(RLIMIT_CORE, &none);
    dup2(quiet, STDERR_FILENO);
    if (crash_install(vitals, &e) < 0)
        _exit(3);
    if (generation)
        bench_take_over(b, own_fault);
    machine_watch(b->m, &vitals->events);
    crash_watch_machine(b->m);
    slots_scan(sim_slots(b->hv), machine_ring_next(b->m));
    bench_step(b, later);
    _exit(0);
}

/* One process serves what waits, and `later` ns of guest time. Returns the signal it died of, 0 if
 * it lives; gone it is in both cases. */
static int generation(unsigned n, int predecessor, uint64_t later)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        serve(n, predecessor && predecessor != SIGKILL, later);
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static uint8_t guest_reads(unsigned port)
{
    guest_asks(port, true, 0);
    assert_int_equal(generation(1, 0, 0), 0);
    assert_int_equal(slot_state(), SLOT_RESP_READY);
    return slot_answer();
}

/* The guest lives on, and the device is dead to it. */
static void assert_fenced(void)
{
    assert_int_equal(slot_state(), SLOT_RESP_READY);
    assert_int_equal(guest_reads(PORT), 0xff);
    guest_asks(PAGE_REGISTER, false, 0x77);
    assert_int_equal(generation(1, 0, 0), 0);
    assert_int_equal(guest_reads(PAGE_REGISTER), 0x77);
    guest_asks(PORT, false, NULL_POINTER);
    assert_int_equal(generation(1, 0, 0), 0);
}

static void fenced_by(unsigned fault, int signal_number)
{
    uint64_t events;

    guest_asks(PORT, false, fault);
    assert_int_equal(generation(0, 0, 0), signal_number);
    assert_int_equal(slot_state(), SLOT_INPROCESS);
    events = vitals->events;
    assert_int_equal(generation(1, signal_number, 0), signal_number);
    assert_int_equal(generation(2, signal_number, 0), 0);
    assert_int_equal(vitals->events, events); /* nothing went on until now: three such are a loop */
    assert_fenced();
    assert_true(vitals->events > events);
}

static void null_pointer_is_fenced_after_two_deaths(void **state)
{
    (void)state;
    fenced_by(NULL_POINTER, SIGSEGV);
}

static void abort_is_fenced_after_two_deaths(void **state)
{
    (void)state;
    fenced_by(ABORT, SIGABRT);
}

static void endless_loop_is_fenced_after_two_deaths(void **state)
{
    (void)state;
    fenced_by(LOOP, SIGXCPU);
}

/* A read for which no state is kept in case of a death is charged to its device all the same. */
static void a_constant_read_is_fenced_after_two_deaths(void **state)
{
    (void)state;
    guest_asks(PORT + 3, false, 0xfa);
    assert_int_equal(generation(0, 0, 0), 0);
    guest_asks(PORT + 4, true, 0);
    assert_int_equal(generation(1, 0, 0), SIGSEGV);
    assert_string_equal(vitals->doing, "test_fault: port read 0xe4 size 1");
    assert_int_equal(generation(2, SIGSEGV, 0), SIGSEGV);
    assert_int_equal(generation(3, SIGSEGV, 0), 0);
    assert_int_equal(slot_answer(), 0xff);
    assert_int_equal(guest_reads(PORT + 4), 0xff);
    assert_fenced();
}

static void a_kill_from_outside_fences_nothing(void **state)
{
    (void)state;
    guest_asks(PORT, false, NULL_POINTER);
    assert_int_equal(generation(0, 0, 0), SIGSEGV);
    assert_int_equal(generation(1, SIGKILL, 0), SIGSEGV);
    assert_int_equal(generation(2, SIGKILL, 0), SIGSEGV);
    assert_int_equal(generation(3, SIGSEGV, 0), SIGSEGV);
    assert_int_equal(generation(4, SIGSEGV, 0), 0);
    assert_fenced();
}

static void a_timer_is_switched_off_after_two_deaths(void **state)
{
    (void)state;
    guest_asks(PORT, false, TIMER);
    assert_int_equal(generation(0, 0, 10 * MS), SIGSEGV);
    assert_string_equal(vitals->doing, "test_fault: timer 0");
    assert_int_equal(generation(1, SIGSEGV, 10 * MS), SIGSEGV);
    assert_int_equal(generation(2, SIGSEGV, 10 * MS), 0);
    assert_int_equal(guest_reads(PORT), 1); /* the device still answers */
}

/* A guest that lets them break in turn gains nothing. */
static void two_that_take_turns_are_fenced(void **state)
{
    (void)state;
    guest_asks(PORT, false, NULL_POINTER);
    assert_int_equal(generation(0, 0, 0), SIGSEGV);
    guest_asks(OTHER, false, NULL_POINTER);
    assert_int_equal(generation(1, SIGSEGV, 0), SIGSEGV);
    guest_asks(PORT, false, NULL_POINTER);
    assert_int_equal(generation(2, SIGSEGV, 0), SIGSEGV);
    assert_int_equal(generation(3, SIGSEGV, 0), 0);
    assert_fenced();
    assert_int_equal(guest_reads(OTHER), 1);
    guest_asks(OTHER, false, NULL_POINTER);
    assert_int_equal(generation(4, 0, 0), SIGSEGV);
    assert_int_equal(generation(5, SIGSEGV, 0), 0);
    assert_int_equal(guest_reads(OTHER), 0xff);
}

static void another_build_lifts_the_fence(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    fenced_by(NULL_POINTER, SIGSEGV);
    pid = fork();
    if (pid == 0) {
        bench_take_over(b, false);
        machine_trust_again(b->m);
        _exit(bench_inb(b, PORT));
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(guest_reads(PORT), 2);
    /* It has two lives again. */
    guest_asks(PORT, false, NULL_POINTER);
    assert_int_equal(generation(1, 0, 0), SIGSEGV);
    assert_int_equal(generation(2, SIGSEGV, 0), SIGSEGV);
    assert_int_equal(generation(3, SIGSEGV, 0), 0);
    assert_fenced();
}

static void what_kills_once_is_done_the_second_time(void **state)
{
    (void)state;
    guest_asks(PORT, false, ONCE);
    assert_int_equal(generation(0, 0, 0), SIGSEGV);
    assert_int_equal(generation(1, SIGSEGV, 0), 0);
    assert_int_equal(slot_state(), SLOT_RESP_READY);
    assert_int_equal(guest_reads(PORT + 2), 1);
    assert_int_equal(guest_reads(PORT), 1);
    assert_int_equal(guest_reads(PORT), 2);
}

static void a_system_call_that_is_allowed_gives_its_error(void **state)
{
    (void)state;
    guest_asks(PORT, false, SYSTEM_CALL);
    assert_int_equal(generation(0, 0, 0), 0);
    assert_int_equal(guest_reads(PORT + 1), ESRCH);
}

/* ---- replay --------------------------------------------------------------------------------- */

static char directory[64];

/* A PC with a disk, a serial port and a screen, whose model dies of `fault`. */
static void pc_dies(unsigned fault, uint64_t later)
{
    static struct display screen;
    const struct device_row row = { .ops = &test_fault_ops, .base = { PORT, PORT + 4 } };
    struct pc_host host = { .vcpus = 1,
                            .boot = "c",
                            .xen_platform = true,
                            .have_serial = { true },
                            .disk = { bench_disk_new(1 << 20, false) },
                            .cdrom = { false, false, true },
                            .display = &screen,
                            .vram_bytes = 16 << 20,
                            .vram_gfn = 0x1000 };
    struct bench pc = { .hv = hv_sim_new(NULL) };
    struct error e = { "" };
    struct request_sink sink;

    host.disk[2] = bench_disk_new(1 << 20, true);
    pc.hv->ops->populate(pc.hv, host.vram_gfn, host.vram_bytes / HV_PAGE_SIZE);
    pc.arena = b->arena; /* the record is taken of it */
    if (machine_new(pc.hv, &pc.arena, &pc.m, &e) < 0 || pc_build(pc.m, &host, &e) < 0 ||
        (!machine_find(pc.m, "test_fault", 0) && machine_add(pc.m, &row, &e) < 0)) {
        fprintf(stderr, "%s\n", e.text);
        _exit(3);
    }
    machine_sink(pc.m, &sink);
    sim_set_sink(pc.hv, &sink);
    machine_set_running(pc.m, true);
    crash_watch_machine(pc.m);
    bench_inb(&pc, 0x3f8);
    bench_outl(&pc, 0xcf8, 0x80000800);
    bench_inb(&pc, 0x1f7);
    bench_outb(&pc, PORT, fault);
    bench_step(&pc, later);
}

static void leave_record(unsigned fault, uint64_t later, char *path, size_t size)
{
    struct record_facts facts = { .domid = 7, .generation = 1, .vitals = vitals };
    struct error e = { "" };
    struct dirent *entry;
    int status;
    DIR *d;
    pid_t pid;

    arena_destroy(&b->arena);
    assert_int_equal(arena_create(&b->arena, 2 << 20, &e), 0);
    pid = fork();
    if (pid == 0) {
        const struct rlimit none = { 0, 0 };

        setrlimit(RLIMIT_CORE, &none);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        if (crash_install(vitals, &e) < 0)
            _exit(3);
        pc_dies(fault, later);
        _exit(raise(SIGKILL));
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    facts.death = (uint32_t)WTERMSIG(status);
    facts.arena = b->arena.fd;
    strcpy(directory, "/tmp/hvmdm-replay-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(record_write(record_take(&facts), directory), 0);
    d = opendir(directory);
    assert_non_null(d);
    while ((entry = readdir(d)))
        if (strstr(entry->d_name, ".arena"))
            snprintf(path, size, "%s/%s", directory, entry->d_name);
    closedir(d);
}

/* Exit status of the replayer, whose output ends up in `said`. */
static int replay(const char *options, const char *path, char *said, size_t size)
{
    char self[512] = "", command[1024];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t got;
    FILE *p;
    int status;

    assert_true(n > 0);
    snprintf(command, sizeof command, "ASAN_OPTIONS=detect_leaks=0 %s/replay %s %s 2>&1",
             dirname(self), options, path);
    p = popen(command, "r");
    assert_non_null(p);
    got = fread(said, 1, size - 1, p);
    said[got] = '\0';
    status = pclose(p);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void remove_records(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

static void assert_said(const char *said, const char *what)
{
    if (!strstr(said, what))
        fail_msg("no \"%s\" in:\n%s", what, said);
}

static void the_record_crashes_again(void **state)
{
    static char said[65536];
    char path[400] = "";

    (void)state;
    leave_record(NULL_POINTER, 0, path, sizeof path);
    assert_int_equal(replay("", path, said, sizeof said), 10);
    assert_said(said, "uart16550 uart.RBR_THR_DLL       port   read  0x3f8");
    assert_said(said, "pciconf pciconf.CONFADD          port   write 0xcf8");
    assert_said(said, "piix3_ide cmd0.STATUS_COMMAND    port   read  0x1f7");
    assert_said(said, "died inside a request, in device test_fault.");
    assert_said(said, "test_fault 0\n    counter          0\n");
    assert_said(said, "killed by SIGSEGV");
    assert_said(said, "doing: test_fault: port write 0xe0 size 1 value 0x1\n");
    assert_said(said, "  #2 replay+0x");
    assert_said(said, "It crashes again: Segmentation fault.");
    assert_int_equal(replay("--all --dump", path, said, sizeof said), 10);
    assert_said(said, "stdvga 0\n");
    assert_said(said, "journal 0\n");
    remove_records();
}

static void a_timer_crashes_again(void **state)
{
    static char said[65536];
    char path[400] = "";

    (void)state;
    leave_record(TIMER, 10 * MS, path, sizeof path);
    assert_int_equal(replay("", path, said, sizeof said), 10);
    assert_said(said, "died inside a timer, in device test_fault.");
    assert_said(said, "doing: test_fault: timer 0\n");
    remove_records();
}

static void what_killed_once_is_seen_not_to_crash(void **state)
{
    static char said[65536];
    char path[400] = "";

    (void)state;
    leave_record(ONCE, 0, path, sizeof path);
    assert_int_equal(replay("", path, said, sizeof said), 0);
    assert_said(said, "It does not crash here.");
    remove_records();
}

static void a_kill_between_events_is_said(void **state)
{
    static char said[65536];
    char path[400] = "";

    (void)state;
    leave_record(0, 0, path, sizeof path);
    assert_int_equal(replay("", path, said, sizeof said), 1);
    assert_said(said, "died between two events");
    assert_int_equal(replay("--all", path, said, sizeof said), 0);
    assert_said(said, "answer 0x");
    remove_records();
}

static void refuses_what_is_no_record(void **state)
{
    static char said[65536];

    (void)state;
    assert_int_equal(replay("", "/dev/null", said, sizeof said), 1);
    assert_said(said, "no hvmdm state arena");
    assert_int_equal(replay("", "/nonexistent", said, sizeof said), 1);
    assert_said(said, "No such file");
    assert_int_equal(replay("--vram 7x", "", said, sizeof said), 2);
    assert_int_equal(replay("--help", "", said, sizeof said), 0);
}

#define UNIT(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(counts_reads),
        UNIT(is_quiet_when_not_asked),
        UNIT(is_not_on_the_board_of_other_builds),
        UNIT(null_pointer_is_fenced_after_two_deaths),
        UNIT(abort_is_fenced_after_two_deaths),
        UNIT(endless_loop_is_fenced_after_two_deaths),
        UNIT(a_constant_read_is_fenced_after_two_deaths),
        UNIT(a_kill_from_outside_fences_nothing),
        UNIT(a_timer_is_switched_off_after_two_deaths),
        UNIT(two_that_take_turns_are_fenced),
        UNIT(another_build_lifts_the_fence),
        UNIT(what_kills_once_is_done_the_second_time),
        UNIT(a_system_call_that_is_allowed_gives_its_error),
        UNIT(the_record_crashes_again),
        UNIT(a_timer_crashes_again),
        UNIT(what_killed_once_is_seen_not_to_crash),
        UNIT(a_kill_between_events_is_said),
        UNIT(refuses_what_is_no_record),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
