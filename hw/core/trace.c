/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace - forms of the lines:
 *
 *     DEVICE REGION[+OFFSET|.REGISTER] r|w WIDTH VALUE [xCOUNT]
 *     DEVICE irq LINE 0|1
 *     DEVICE dma r|w GPA LENGTH [failed]
 *     DEVICE free text
 *     trace: N lines were left out
 */
#include "hw/core/trace.h"

#include <fnmatch.h>
#include <inttypes.h>

#include "hw/core/log.h"
#include "hw/core/machine.h"
#include "hw/core/meter.h"

static char wanted[256]; /* by the command line */
static struct guest_log_limit limit = { .period = 1000000000 / TRACE_RATE, .burst = TRACE_BURST };

static void to_stderr(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void (*put)(const char *line) = to_stderr;

void trace_enable(const char *patterns, void (*sink)(const char *line))
{
    snprintf(wanted, sizeof wanted, "%s", patterns ? patterns : "");
    put = sink ? sink : to_stderr;
}

static bool matches(const char *patterns, const char *id)
{
    char copy[sizeof wanted], *rest = copy, *pattern;

    snprintf(copy, sizeof copy, "%s", patterns);
    while ((pattern = strsep(&rest, ",")))
        if (fnmatch(pattern, id, 0) == 0)
            return true;
    return false;
}

uint8_t trace_wanted(const char *id)
{
    return wanted[0] && matches(wanted, id) ? LOOK_TRACE | LOOK_TRACE_ALL : 0;
}

unsigned machine_trace(struct machine *m, const char *patterns, bool on)
{
    unsigned n = 0;

    for (struct device *d = machine_devices(m); d; d = d->next) {
        if (!matches(patterns, d->id) && !matches(patterns, d->ops->name))
            continue;
        if (on)
            d->look |= LOOK_TRACE;
        else
            d->look &= (uint8_t) ~(LOOK_TRACE | LOOK_TRACE_ALL);
        n++;
    }
    return n;
}

static void put_line(const struct device *d, const char *line)
{
    char note[64];

    if (!(d->look & LOOK_TRACE_ALL)) {
        if (!guest_log_may(&limit))
            return;
        if (limit.dropped) {
            snprintf(note, sizeof note, "trace: %" PRIu64 " lines were left out", limit.dropped);
            limit.dropped = 0;
            put(note);
        }
    }
    put(line);
}

static void access_line(struct device *d, const char *region, const char *reg, uint32_t offset,
                        unsigned width, bool read, uint64_t value, uint32_t count)
{
    char line[160], where[48], times[16] = "";

    if (reg)
        snprintf(where, sizeof where, "%s.%s", region, reg);
    else
        snprintf(where, sizeof where, "%s+%" PRIx32, region, offset);
    if (count > 1)
        snprintf(times, sizeof times, " x%" PRIu32, count);
    snprintf(line, sizeof line, "%s %s %c %u %" PRIx64 "%s", d->id, where, read ? 'r' : 'w', width,
             value, times);
    put_line(d, line);
}

void look_access(struct device *d, const char *region, const char *reg, uint32_t offset,
                 unsigned width, bool read, uint64_t value, uint32_t count)
{
    if (d->look & LOOK_METER)
        meter_access(d, region, reg, read);
    if (d->look & LOOK_TRACE)
        access_line(d, region, reg, offset, width, read, value, count);
}

void trace_irq_line(struct device *d, unsigned n, bool level)
{
    trace_text_line(d, "irq %u %d", n, level);
}

void trace_dma_line(struct device *d, uint64_t gpa, uint64_t len, bool to_guest, int result)
{
    trace_text_line(d, "dma %c %" PRIx64 " %" PRIx64 "%s", to_guest ? 'w' : 'r', gpa, len,
                    result < 0 ? " failed" : "");
}

void trace_text_line(struct device *d, const char *format, ...)
{
    char line[256];
    va_list args;
    int n;

    n = snprintf(line, sizeof line, "%s ", d->id);
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    put_line(d, line);
}
