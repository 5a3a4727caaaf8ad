/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record_text - a crash record as text.
 *
 * The journal is found in the copied arena by name, and its fields by the table that the arena
 * brings along, since the program that died may be another version than this one. Every offset is
 * checked against the record where it is used.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "hw/core/journal.h"
#include "toolstack/supervisor/record_private.h"

struct text {
    char *to;
    size_t n, size;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->to + t->n, t->size - t->n, format, args);
    va_end(args);
    if (n > 0)
        t->n += (size_t)n < t->size - t->n ? (size_t)n : t->size - t->n - 1;
}

/* Bytes from a dead process: lines of printable ASCII, each behind `indent`. */
static void put_foreign(struct text *t, const char *indent, const char *bytes, size_t size)
{
    bool fresh = true;

    for (size_t i = 0; i < size && bytes[i]; i++) {
        char c = bytes[i];

        if (fresh)
            put(t, "%s", indent);
        fresh = c == '\n';
        put(t, "%c", fresh || (c >= ' ' && c <= '~') ? c : '?');
    }
    if (!fresh)
        put(t, "\n");
}

void record_stamp(const struct record *r, char stamp[RECORD_STAMP])
{
    struct tm tm;

    gmtime_r(&r->when.tv_sec, &tm);
    strftime(stamp, RECORD_STAMP, "%Y%m%dT%H%M%S", &tm);
    snprintf(stamp + strlen(stamp), RECORD_STAMP - strlen(stamp), "%03u",
             (unsigned)(r->when.tv_nsec / 1000000) % 1000u);
}

/* ---- the journal ---------------------------------------------------------------------------- */

enum { JOURNAL_FIELDS = 64 }; /* most that any version may have */

struct journal_view {
    const char *arena;
    struct arena_record record;
};

/* Element `i` of a field of that name; `missing` if there is no such element. */
static uint64_t get(const struct journal_view *v, const char *name, uint64_t i, uint64_t missing)
{
    for (uint32_t k = 0; k < v->record.nfields; k++) {
        struct state_field f;

        memcpy(&f, v->arena + v->record.fields + k * sizeof f, sizeof f);
        if (strncmp(f.name, name, sizeof f.name) != 0)
            continue;
        if ((f.size != 1 && f.size != 2 && f.size != 4 && f.size != 8) || i >= f.count ||
            (uint64_t)f.offset + (i + 1) * f.size > v->record.size)
            return missing;
        return state_get(v->arena + v->record.state, &f, (uint32_t)i);
    }
    return missing;
}

/* False: the arena is not what a device model makes, or not all of it is there. */
static bool find_journal(const struct record *r, struct journal_view *v, struct error *e)
{
    const struct arena_header *h = (const void *)r->arena;

    if (arena_check(h, r->arena_valid, e) < 0)
        return false;
    for (uint32_t i = 0; i < h->nrecords; i++)
        if (!strcmp(h->record[i].name, "journal") && h->record[i].nfields <= JOURNAL_FIELDS) {
            *v = (struct journal_view){ r->arena, h->record[i] };
            return true;
        }
    error_set(e, -1, "it has no journal");
    return false;
}

/* Line `i` of what the process has said about registers; bytes from a dead process. */
static void put_register(struct text *t, const struct record *r, uint64_t i)
{
    const char *line = r->registers;
    size_t n;

    while (line && i-- > 0) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    n = line ? strcspn(line, "\n") : 0;
    if (n)
        put(t, "  ");
    for (size_t k = 0; k < n; k++)
        put(t, "%c", line[k] >= ' ' && line[k] <= '~' ? line[k] : '?');
}

static void put_request(struct text *t, const struct journal_view *v, uint64_t at)
{
    static const char *const type[] = { "port", "memory", "config" };
    uint64_t how = get(v, "log_how", at, 0), kind = how >> 36 & 0xf, vcpu = how >> 48;
    uint32_t count = (uint32_t)how;
    bool read = how >> 40 & 1;

    if (vcpu == REQUEST_BUFFERED)
        put(t, "  ring    ");
    else
        put(t, "  vcpu %-3u", (unsigned)vcpu);
    put(t, " %-6s %-5s 0x%-8" PRIx64 " %u byte%s", kind < ARRAY_SIZE(type) ? type[kind] : "?",
        read ? "read" : "write", get(v, "log_addr", at, 0), (unsigned)(how >> 32 & 0xf),
        (how >> 32 & 0xf) == 1 ? "" : "s");
    if (count != 1)
        put(t, " x %" PRIu32 "%s", count, how >> 41 & 1 ? " downward" : "");
    if (how >> 42 & 1)
        put(t, " %s memory at 0x%" PRIx64, read ? "to" : "from", get(v, "log_data", at, 0));
    else if (!read)
        put(t, " value 0x%" PRIx64, get(v, "log_data", at, 0));
}

static void put_requests(struct text *t, const struct record *r, const struct journal_view *v)
{
    uint64_t next = get(v, "log_next", 0, 0), n = next < JOURNAL_LOG ? next : JOURNAL_LOG;

    put(t, "\nLatest requests, newest last (%" PRIu64 " since the start):\n", next);
    for (uint64_t i = next - n; i < next; i++) {
        put_request(t, v, i % JOURNAL_LOG);
        put_register(t, r, next - 1 - i);
        put(t, "\n");
    }
}

static void put_event(struct text *t, const struct journal_view *v, bool inside)
{
    static const char *const kind[] = { "none", "a request of the guest", "a timer",
                                        "an event of the host side" };
    uint64_t k = get(v, "kind", 0, UINT64_MAX), device = get(v, "device", 0, JOURNAL_NONE);

    put(t, "completed: %" PRIu64 " events by its journal\n", get(v, "events", 0, 0));
    put(t, "event:     %s%s", inside ? "died inside " : "between two events; the last was ",
        k < ARRAY_SIZE(kind) ? kind[k] : "unknown");
    if (inside && device != JOURNAL_NONE)
        put(t, ", in device number %" PRIu64 " of the board", device);
    if (inside && k == EVENT_TIMER)
        put(t, ", its timer %" PRIu64, get(v, "timer", 0, 0));
    put(t, "\n");
    if (get(v, "fatal_count", 0, 0))
        put(t,
            "earlier:   an event in device number %" PRIu64 " killed a predecessor, %" PRIu64
            " times\n",
            get(v, "fatal_device", 0, 0), get(v, "fatal_count", 0, 0));
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void put_death(struct text *t, uint32_t death)
{
    if (death == SUPERVISED_WATCHDOG)
        put(t, "watchdog (CPU time without progress)\n");
    else if (death == SUPERVISED_EXIT)
        put(t, "exit with an error\n");
    else if (death && death <= 64)
        put(t, "signal %" PRIu32 ", SIG%s\n", death,
            sigabbrev_np((int)death) ? sigabbrev_np((int)death) : "?");
    else
        put(t, "%" PRIu32 "\n", death);
}

static void put_head(struct text *t, const struct record *r)
{
    char when[32];
    struct tm tm;

    gmtime_r(&r->when.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    put(t, "hvmdm crash record\n\n");
    put_foreign(t, "what:      ", r->sentence, sizeof r->sentence);
    put(t, "when:      %s UTC\n", when);
    put(t, "domain:    %u, %s, generation %" PRIu32 "\n", r->domid,
        r->role == SUPERVISED_PV ? "PV worker" : "device model", r->generation);
    put(t, "death:     ");
    put_death(t, r->death);
    put(t, "version:   %s\nprogram:   %s\n", r->version, r->program);
    put(t, "vitals:    %" PRIu64 " events, phase %" PRIu32 "\n", r->events, r->phase);
    put_foreign(t, "doing:     ", r->doing, sizeof r->doing);
}

static void put_arena(struct text *t, const struct record *r)
{
    if (!r->arena) {
        put(t, "arena:     none\n");
        return;
    }
    put(t, "arena:     %" PRIu64 " bytes", r->arena_whole);
    if (r->arena_valid < r->arena_whole)
        put(t, ", of which %zu are kept", r->arena_valid);
    put(t, "\n");
}

static void put_words(struct text *t, const struct record *r)
{
    if (!r->last_words[0])
        return;
    put(t, "\nLast words of the process (addr2line -e PROGRAM OFFSET reads the trace):\n");
    put_foreign(t, "  ", r->last_words, sizeof r->last_words);
}

size_t record_text(const struct record *r, char *to, size_t size)
{
    struct text t = { to, 0, size };
    struct error e = { "" };
    struct journal_view v;
    bool readable = r->arena && find_journal(r, &v, &e);

    put_head(&t, r);
    put_arena(&t, r);
    if (readable)
        put_event(&t, &v, ((const struct arena_header *)(void *)r->arena)->in_transaction != 0);
    else if (r->arena)
        put_foreign(&t, "journal:   cannot be read: ", e.text, sizeof e.text);
    put_words(&t, r);
    if (readable)
        put_requests(&t, r, &v);
    return t.n;
}
