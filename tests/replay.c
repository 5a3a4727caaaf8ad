/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay - look into the arena of a crash record, and let happen again what killed the device
 * model, on the simulator. See usage() for how, and for what is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/block.h"
#include "display/display.h"
#include "hw/core/core.h"
#include "hw/pc.h"
#include "ioreq/sim.h"
#include "toolstack/crash.h"

extern const struct device_ops test_fault_ops;

enum { EXIT_HARMLESS = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CRASHED = 10 };
enum { RAM_MIB = 1024, ARRAY_SHOWN = 16 };
#define DISK_BYTES (UINT64_C(1) << 40)

struct replay {
    const char *path;
    bool all, dump;
    unsigned vram_mib;
    const char *disks; /* or NULL: guess */
    struct arena arena;
    struct pc_host pc;
    struct block disk[PC_DISKS];
    struct display display;
    struct hv *hv;
    struct machine *m;
    /* as the arena said it, before anything was rolled back */
    bool inside;
    uint8_t kind, timer;
    uint16_t place;
};

static void usage(FILE *to)
{
    fputs(
        "usage: replay [OPTION]... DOMID-GENERATION-TIME.arena\n"
        "\n"
        "Reads the machine's state out of a crash record, builds the same board on a simulator\n"
        "(no Xen, no guest), undoes the event in which the device model died, and lets it happen\n"
        "again, in a process of its own.\n"
        "\n"
        "  --all          repeat the latest 64 requests, not only the last event\n"
        "  --dump         show the state of all devices, not only of the one that was at work\n"
        "  --vram MIB     video memory of the guest [16]\n"
        "  --disks LIST   what is on hda to hdd: four of disk, cd, none, with commas between.\n"
        "                 Without it, a guess: a CD drive where the state looks like one\n"
        "  --help         this text\n"
        "\n"
        "Shown are the latest requests, each with device and register that it went to, then the state\n"
        "before the fatal event, then what comes of it. A backtrace gives offsets into this\n"
        "program: addr2line -e replay OFFSET.\n"
        "\n"
        "Not in a record, so zeros here: guest memory, video memory, the contents of disks.\n"
        "What came from the host side (a finished disk request, a character) cannot be\n"
        "repeated. With --all, requests meet the state at the end, not that of their time.\n"
        "The layout of the arena must be that of this build.\n"
        "\n"
        "Exit status: 0 no crash, 10 it crashes again, 1 nothing could be repeated, 2 usage.\n",
        to);
}

/* ---- the arena ------------------------------------------------------------------------------ */

static int load(struct replay *r, struct error *e)
{
    int from = open(r->path, O_RDONLY | O_CLOEXEC), to = memfd_create("replay", MFD_CLOEXEC);
    char bytes[65536];
    ssize_t n = from < 0 || to < 0 ? -1 : 0;

    while (n >= 0 && (n = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)n) != n)
            n = -1;
    if (n < 0)
        error_set(e, -errno, "%s: %s", r->path, strerror(errno));
    else
        n = arena_adopt(&r->arena, to, e);
    if (from >= 0)
        close(from);
    return n < 0 ? -1 : 0;
}

/* Element `i` of a field, by the table that the arena brings; 0 if it is not there. */
static uint64_t peek(const struct replay *r, const char *record, uint32_t instance,
                     const char *name, uint32_t i)
{
    const struct arena_record *a = arena_find(&r->arena, record, instance);
    const struct state_field *f = a ? arena_at(&r->arena, a->fields) : NULL;

    for (uint32_t k = 0; a && k < a->nfields; k++, f++)
        if (!strncmp(f->name, name, sizeof f->name) && i < f->count &&
            f->offset + (uint64_t)f->count * f->size <= a->size)
            return state_get(arena_at(&r->arena, a->state), f, i);
    return 0;
}

static bool has(const struct replay *r, const char *record, uint32_t instance)
{
    return arena_find(&r->arena, record, instance) != NULL;
}

/* ---- the board ------------------------------------------------------------------------------ */

static bool disk_submit(struct block *b, struct block_req *q)
{
    (void)b;
    for (int i = 0; q->op == BLOCK_READ && i < q->niov; i++)
        memset(q->iov[i].iov_base, 0, q->iov[i].iov_len);
    q->result = 0;
    return true;
}

static void disk_nothing(struct block *b)
{
    (void)b;
}

static const struct block_ops disk_ops = { .submit = disk_submit,
                                           .drain = disk_nothing,
                                           .close = disk_nothing };

/* Only packet drives have sense data and trays, and this signature in their cylinder registers. */
static bool looks_like_cd(const struct replay *r, unsigned place)
{
    static const char *const names[] = { "medium", "tray_open", "locked", "sense",
                                         "asc",    "attention", "event" };
    bool cd = peek(r, "piix3_ide", place / 2, "lba1", place % 2) == 0x14 &&
              peek(r, "piix3_ide", place / 2, "lba2", place % 2) == 0xeb;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        cd |= peek(r, "piix3_ide", place / 2, names[i], place % 2) != 0;
    return cd;
}

static int put_disks(struct replay *r, struct error *e)
{
    const char *word = r->disks;

    for (unsigned i = 0; i < PC_DISKS; i++) {
        size_t n = word ? strcspn(word, ",") : 0;
        bool none = n == 4 && !memcmp(word, "none", n), cd = n == 2 && !memcmp(word, "cd", n);

        if (word && !none && !cd && !(n == 4 && !memcmp(word, "disk", n)))
            return error_set(e, -EINVAL, "--disks: four of disk, cd, none, not '%s'", r->disks);
        r->pc.cdrom[i] = word ? cd : looks_like_cd(r, i);
        r->disk[i] = (struct block){ .ops = &disk_ops, .size = DISK_BYTES };
        snprintf(r->disk[i].path, sizeof r->disk[i].path, "hd%c", 'a' + (int)i);
        if (!none && (!r->pc.cdrom[i] || peek(r, "piix3_ide", i / 2, "medium", i % 2)))
            r->pc.disk[i] = &r->disk[i];
        word = word ? word + n + (word[n] == ',') : NULL;
    }
    return 0;
}

/* What libxl's command line had said, as far as the arena shows it. */
static int describe_board(struct replay *r, struct error *e)
{
    r->pc.no_acpi = !has(r, "piix4_pm", 0);
    r->pc.xen_platform = has(r, "xen_platform", 0);
    r->pc.xen_pvdevice = has(r, "xen_pvdevice", 0);
    r->pc.vcpus = 1;
    pc_nics_from(&r->pc, &r->arena);
    strcpy(r->pc.boot, "cda");
    for (unsigned i = 0; i < PC_SERIALS; i++)
        r->pc.have_serial[i] = has(r, "uart16550", i);
    if (has(r, "stdvga", 0)) {
        r->pc.display = &r->display;
        r->pc.vram_bytes = r->vram_mib << 20;
        r->pc.vram_gfn = peek(r, "stdvga", 0, "VRAM_GFN", 0);
        /* In a small guest it was parked where the simulator has RAM: that does as well. */
        if (r->hv->ops->populate(r->hv, r->pc.vram_gfn, r->pc.vram_bytes / HV_PAGE_SIZE) < 0 &&
            !sim_frame_present(r->hv, r->pc.vram_gfn))
            return error_set(e, -EINVAL, "no video memory at frame 0x%" PRIx64, r->pc.vram_gfn);
    }
    return put_disks(r, e);
}

static int build(struct replay *r, struct error *e)
{
    const struct device_row fault = { .ops = &test_fault_ops, .base = { 0xe0, 0xe4 } };
    const struct sim_options options = { .ram_size = (uint64_t)RAM_MIB << 20,
                                         .spare_size = r->vram_mib << 20,
                                         .promiscuous = true };
    int err;

    r->hv = hv_sim_new(&options);
    if (!r->hv)
        return error_set(e, -errno, "no simulator: %s", strerror(errno));
    sim_clock_set(r->hv, peek(r, "machine", 0, "host_base", 0));
    err = describe_board(r, e);
    if (err == 0)
        err = machine_new(r->hv, &r->arena, &r->m, e);
    if (err == 0)
        err = pc_build(r->m, &r->pc, e);
    if (err == 0 && has(r, "test_fault", 0) && !machine_find(r->m, "test_fault", 0))
        err = machine_add(r->m, &fault, e); /* a record of a build for the lab */
    return err;
}

static struct device *device_at(const struct replay *r)
{
    struct device *d = machine_devices(r->m);

    while (d && d->place != r->place)
        d = d->next;
    return r->place == JOURNAL_NONE ? NULL : d;
}

/* ---- showing -------------------------------------------------------------------------------- */

static void show_request(const struct machine *m, const struct request *q)
{
    static const char *const type[] = { "port", "memory", "config" };
    char where[80];

    machine_name_target(m, q, where, sizeof where);
    printf("  %-32s %-6s %-5s 0x%-8" PRIx64 " size %u", where,
           q->type < ARRAY_SIZE(type) ? type[q->type] : "?", q->read ? "read" : "write", q->addr,
           q->size);
    if (q->count != 1)
        printf(" times %u%s", q->count, q->df ? " downward" : "");
    if (q->data_is_ptr)
        printf(" memory 0x%" PRIx64, q->data);
    else if (!q->read)
        printf(" value 0x%" PRIx64, q->data);
    if (q->vcpu == REQUEST_BUFFERED)
        printf(" (buffered)\n");
    else
        printf(" (vCPU %u)\n", q->vcpu);
}

/* Number `i` of all requests since the start; i < log_next. */
static struct request logged(const struct journal_state *j, uint64_t i)
{
    unsigned at = (unsigned)(i % JOURNAL_LOG);
    uint64_t how = j->log_how[at];

    return (struct request){ .addr = j->log_addr[at],
                             .data = j->log_data[at],
                             .count = (uint32_t)how,
                             .size = how >> 32 & 0xf,
                             .type = how >> 36 & 0xf,
                             .read = how >> 40 & 1,
                             .df = how >> 41 & 1,
                             .data_is_ptr = how >> 42 & 1,
                             .vcpu = (uint16_t)(how >> 48) };
}

static uint64_t first_logged(const struct journal_state *j)
{
    return j->log_next < JOURNAL_LOG ? 0 : j->log_next - JOURNAL_LOG;
}

static void show_requests(const struct replay *r)
{
    const struct journal_state *j = r->m->j;

    printf("Latest requests, newest last:\n");
    for (uint64_t i = first_logged(j); i < j->log_next; i++) {
        struct request q = logged(j, i);

        show_request(r->m, &q);
    }
}

static void show_event(const struct replay *r)
{
    const struct device *d = device_at(r);

    printf("\nThe device model died %s", r->inside ? "inside " : "between two events.\n");
    if (!r->inside)
        return;
    printf("%s", r->kind == EVENT_REQUEST ? "a request"
                 : r->kind == EVENT_TIMER ? "a timer"
                                          : "an event of the host side");
    printf(", %s%s.\n", d ? "in device " : "outside any device", d ? d->id : "");
}

static void show_record(const struct replay *r, const struct arena_record *a)
{
    const struct state_field *f = arena_at(&r->arena, a->fields);

    printf("%s %" PRIu32 "\n", a->name, a->instance);
    for (uint32_t k = 0; k < a->nfields; k++, f++) {
        printf("    %-16s", f->name);
        for (uint32_t i = 0; i < f->count && i < ARRAY_SHOWN; i++)
            printf(" %" PRIx64, state_get(arena_at(&r->arena, a->state), f, i));
        printf(f->count > ARRAY_SHOWN ? " ...\n" : "\n");
    }
}

static void show_state(const struct replay *r)
{
    const struct device *d = device_at(r);

    if (!r->dump && !(r->inside && d))
        return;
    printf("\nThe state before it:\n");
    for (uint32_t i = 0; r->dump && i < r->arena.h->nrecords; i++)
        show_record(r, &r->arena.h->record[i]);
    for (unsigned i = 0; !r->dump && i < ARRAY_SIZE(d->record) && d->record[i]; i++)
        show_record(r, d->record[i]);
}

/* ---- repeating ------------------------------------------------------------------------------ */

/* Guest time of the record is not known: just before the next timer, or as it expires. */
static void set_clock(struct replay *r, uint64_t guest)
{
    const struct machine_state *s = r->m->s;

    if (guest != UINT64_MAX && guest > s->clock_base)
        sim_clock_set(r->hv, s->host_base + (guest - s->clock_base));
}

static void run_request(struct replay *r, struct request q)
{
    if (!request_sane(&q) || q.type > REQ_PCI_CONFIG) {
        printf("  (is none that could have been executed)\n");
        return;
    }
    machine_run(r->m, &q);
    if (q.read && !q.data_is_ptr)
        printf("  answer 0x%" PRIx64 "\n", q.data & ones(q.size));
}

static void repeat(struct replay *r)
{
    struct journal_state *j = r->m->j;
    struct request logs[JOURNAL_LOG];
    struct device *d = device_at(r);
    unsigned n = 0;

    if (!r->all && r->kind == EVENT_TIMER) {
        set_clock(r, d && r->timer < d->ntimers ? *d->timer[r->timer].deadline : 0);
        machine_expired(r->m);
        return;
    }
    set_clock(r, machine_deadline(r->m) - 1);
    for (uint64_t i = r->all ? first_logged(j) : j->log_next - 1; i < j->log_next; i++)
        logs[n++] = logged(j, i); /* running them writes the log */
    for (unsigned i = 0; i < n; i++) {
        show_request(r->m, &logs[i]);
        fflush(stdout);
        run_request(r, logs[i]);
    }
}

/* In a child, which may die of it. */
static void child(struct replay *r, volatile struct supervised_vitals *v)
{
    const struct rlimit none = { 0, 0 };
    struct error e = { "" };

    setrlimit(RLIMIT_CORE, &none);
    if (crash_install(v, &e) < 0) {
        fprintf(stderr, "replay: %s\n", e.text);
        _exit(EXIT_FAILED);
    }
    machine_watch(r->m, (uint64_t *)(uintptr_t)&v->events);
    crash_watch_machine(r->m);
    repeat(r);
    fflush(stdout);
    _exit(EXIT_HARMLESS);
}

static int outcome(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_FAILED;
    if (WIFSIGNALED(status)) {
        printf("It crashes again: %s.\n", strsignal(WTERMSIG(status)));
        return EXIT_CRASHED;
    }
    if (WEXITSTATUS(status) != EXIT_HARMLESS)
        return EXIT_FAILED;
    printf("It does not crash here.\n");
    return EXIT_HARMLESS;
}

static int try_again(struct replay *r)
{
    struct supervised_vitals *v;
    pid_t pid;

    if (!r->m->j->log_next && (r->all || r->kind != EVENT_TIMER)) {
        printf("\nThere is no request to repeat.\n");
        return EXIT_FAILED;
    }
    if (!r->all && (!r->inside || r->kind == EVENT_HOST || r->kind == EVENT_NONE)) {
        printf("\nThat cannot be repeated; --all repeats the requests before it.\n");
        return EXIT_FAILED;
    }
    v = mmap(NULL, sizeof *v, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (v == MAP_FAILED)
        return EXIT_FAILED;
    printf("\nAgain:\n");
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        child(r, v);
    return pid < 0 ? EXIT_FAILED : outcome(pid);
}

/* ---- all together --------------------------------------------------------------------------- */

static int replay(struct replay *r, struct error *e)
{
    int err = load(r, e);

    if (err < 0)
        return err;
    r->inside = r->arena.h->in_transaction;
    r->kind = (uint8_t)peek(r, "journal", 0, "kind", 0);
    r->timer = (uint8_t)peek(r, "journal", 0, "timer", 0);
    r->place = (uint16_t)peek(r, "journal", 0, "device", 0);
    err = build(r, e);
    if (err == 0)
        err = machine_adopted(r->m, false, e);
    if (err < 0)
        return err;
    show_requests(r);
    show_event(r);
    show_state(r);
    return try_again(r);
}

static int parse(struct replay *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(argv[i], "--all"))
            r->all = true;
        else if (!strcmp(argv[i], "--dump"))
            r->dump = true;
        else if (!strcmp(argv[i], "--vram") && value)
            r->vram_mib = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--disks") && value)
            r->disks = argv[++i];
        else if (argv[i][0] == '-' || r->path)
            return -1;
        else
            r->path = argv[i];
    }
    return r->path && r->vram_mib && r->vram_mib <= 256 ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct replay r = { .vram_mib = 16, .arena = { .fd = -1 } };
    struct error e = { "" };
    int ret;

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        usage(stdout);
        return EXIT_HARMLESS;
    }
    if (parse(&r, argc, argv) < 0) {
        usage(stderr);
        return EXIT_USAGE;
    }
    ret = replay(&r, &e);
    if (ret < 0)
        fprintf(stderr, "replay: %s\n", e.text);
    machine_free(r.m);
    if (r.hv)
        r.hv->ops->destroy(r.hv);
    arena_destroy(&r.arena);
    return ret < 0 ? EXIT_FAILED : ret;
}
