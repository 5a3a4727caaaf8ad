/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log - see log.h. Lines go to standard error, which libxl appends to the domain's log file. */
#include "hw/core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST     8u
#define REFILL_NS UINT64_C(10000000000)

static enum log_level highest = LOG_INFO;
static unsigned domain;

void log_set_level(enum log_level level)
{
    highest = level;
}

void log_set_domain(unsigned domid)
{
    domain = domid;
}

/* One write() per line, so that lines of several processes do not mix. */
__attribute__((format(printf, 3, 0))) static void put_line(enum log_level level, const char *who,
                                                           const char *format, va_list args)
{
    static const char *const names[] = { "error: ", "warning: ", "", "debug: " };
    char line[640];
    size_t n = 0;

    n += (size_t)snprintf(line, sizeof line, "hvmdm[%u]: %s%s%s", domain, names[level],
                          who ? who : "", who ? ": " : "");
    if (n < sizeof line)
        n += (size_t)vsnprintf(line + n, sizeof line - n, format, args);
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nowhere to say so */
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list args;

    if (level > highest)
        return;
    va_start(args, format);
    put_line(level, NULL, format, args);
    va_end(args);
}

/* Some ms are nothing here, and a flood of lines that are left out must be cheap: this clock is one
 * load from memory. */
static uint64_t host_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool guest_log_may(struct guest_log_limit *limit)
{
    uint64_t now, due, period = limit->period ? limit->period : REFILL_NS;
    uint32_t burst = limit->burst ? limit->burst : BURST;

    now = host_now();
    if (!limit->used) {
        limit->used = 1;
        limit->tokens = burst;
        limit->tokens_at = now;
    }
    due = (now - limit->tokens_at) / period;
    if (due) {
        limit->tokens = limit->tokens + due > burst ? burst : limit->tokens + (uint32_t)due;
        limit->tokens_at += due * period;
    }
    if (limit->tokens == 0)
        return limit->dropped++, false;
    limit->tokens--;
    return true;
}

bool guest_log_line(struct guest_log_limit *limit, const char *who, const char *format, ...)
{
    va_list args;

    if (highest < LOG_WARN || !guest_log_may(limit))
        return false;
    if (limit->dropped) {
        log_line(LOG_WARN, "%s: %llu more lines like the last were left out", who,
                 (unsigned long long)limit->dropped);
        limit->dropped = 0;
    }
    va_start(args, format);
    put_line(LOG_WARN, who, format, args);
    va_end(args);
    return true;
}
