/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace - what happens inside, line by line, on request (--trace PATTERN).
 *
 * Each point is one line of text in a fixed form (see trace.c), so that it can serve as golden
 * output. With tracing off a point costs one test of a global that only main() sets.
 */
#ifndef HW_CORE_TRACE_H
#define HW_CORE_TRACE_H

#include "hw/core/device.h"

extern bool trace_on;

/* Comma-separated patterns of device ids ("ide*,piix3"); "*" is all. `sink` NULL is stderr. */
void trace_enable(const char *patterns, void (*sink)(const char *line));

void trace_access_line(struct device *d, const char *region, const char *reg, uint32_t offset,
                       unsigned width, bool read, uint64_t value, uint32_t count);
void trace_irq_line(struct device *d, unsigned line, bool level);
void trace_dma_line(struct device *d, uint64_t gpa, uint64_t len, bool to_guest, int result);
void trace_text_line(struct device *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define trace_access(...)                                                                          \
    do {                                                                                           \
        if (trace_on)                                                                              \
            trace_access_line(__VA_ARGS__);                                                        \
    } while (0)
#define trace_irq(...)                                                                             \
    do {                                                                                           \
        if (trace_on)                                                                              \
            trace_irq_line(__VA_ARGS__);                                                           \
    } while (0)
#define trace_dma(...)                                                                             \
    do {                                                                                           \
        if (trace_on)                                                                              \
            trace_dma_line(__VA_ARGS__);                                                           \
    } while (0)
#define trace_text(...)                                                                            \
    do {                                                                                           \
        if (trace_on)                                                                              \
            trace_text_line(__VA_ARGS__);                                                          \
    } while (0)

#endif
