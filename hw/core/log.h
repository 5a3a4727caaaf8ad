/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - lines for the administrator, and trace points for the developer.
 *
 * Host-caused lines: log_error, log_warn, log_info. Guest-caused lines go through guest_log()
 * alone, which prints at most a few per device and minute and counts the rest (S15); they carry no
 * raw guest bytes. Trace points are typed and off unless --trace names them. No newline in the
 * format.
 */
#ifndef HW_CORE_LOG_H
#define HW_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)

void log_set_level(enum log_level level);
void log_set_domain(unsigned domid); /* shown in front of every line */

/* A token bucket: `burst` lines at once, then one each `period` ns of host time; what is left out
 * is counted. The limit of guest_log() is one with both 0, which stand for 8 lines and 10 s. */
struct guest_log_limit {
    uint64_t tokens_at; /* ns of host time of the last refill */
    uint32_t tokens;
    uint32_t used; /* 0 until first use */
    uint64_t dropped;
    uint64_t period;
    uint32_t burst;
};
/* Take a token; false: none left, one more line is dropped. */
bool guest_log_may(struct guest_log_limit *limit);

/* Warn about something the guest, or its traffic with the host, caused. `who` is a device id.
 * False: the limit, or the level, left it out. */
bool guest_log_line(struct guest_log_limit *limit, const char *who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define guest_log(d, ...) guest_log_line(&(d)->log_limit, (d)->id, __VA_ARGS__)

#endif
