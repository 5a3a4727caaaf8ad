/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace - forms of the lines:
 *
 *     DEVICE REGION[+OFFSET|.REGISTER] r|w WIDTH VALUE [xCOUNT]
 *     DEVICE irq LINE 0|1
 *     DEVICE dma r|w GPA LENGTH [failed]
 *     DEVICE free text
 */
#include "hw/core/trace.h"

#include <fnmatch.h>
#include <inttypes.h>

bool trace_on;
static char wanted[256];
static void (*put)(const char *line);

static void to_stderr(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

void trace_enable(const char *patterns, void (*sink)(const char *line))
{
    snprintf(wanted, sizeof wanted, "%s", patterns ? patterns : "");
    put = sink ? sink : to_stderr;
    trace_on = wanted[0] != 0;
}

static bool is_wanted(const struct device *d)
{
    char copy[sizeof wanted], *rest = copy, *pattern;

    memcpy(copy, wanted, sizeof copy);
    while ((pattern = strsep(&rest, ",")))
        if (fnmatch(pattern, d->id, 0) == 0)
            return true;
    return false;
}

void trace_access_line(struct device *d, const char *region, const char *reg, uint32_t offset,
                       unsigned width, bool read, uint64_t value, uint32_t count)
{
    char line[160], where[48], times[16] = "";

    if (!is_wanted(d))
        return;
    if (reg)
        snprintf(where, sizeof where, "%s.%s", region, reg);
    else
        snprintf(where, sizeof where, "%s+%" PRIx32, region, offset);
    if (count > 1)
        snprintf(times, sizeof times, " x%" PRIu32, count);
    snprintf(line, sizeof line, "%s %s %c %u %" PRIx64 "%s", d->id, where, read ? 'r' : 'w', width,
             value, times);
    put(line);
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

    if (!is_wanted(d))
        return;
    n = snprintf(line, sizeof line, "%s ", d->id);
    va_start(args, format);
    vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    put(line);
}
