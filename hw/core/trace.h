/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace - what happens inside, line by line, on request: --trace PATTERNS, or while the guest runs.
 *
 * Each point is one line of text in a fixed form (see trace.c), so that it can serve as golden
 * output. While nobody looks at a device, a point costs one test of a byte of its struct; the same
 * byte tells whether accesses are counted (meter.h).
 */
#ifndef HW_CORE_TRACE_H
#define HW_CORE_TRACE_H

#include "hw/core/device.h"

/* Bits of device.look. */
enum look {
    LOOK_TRACE = 1,
    LOOK_TRACE_ALL = 2, /* by the command line: no line is left out */
    LOOK_METER = 4,
};

/* For machines that are made from now on: comma-separated patterns of device ids ("ide*,piix3");
 * "*" is all. `sink` NULL is stderr; it serves machine_trace(), too. */
void trace_enable(const char *patterns, void (*sink)(const char *line));
/* The look of a new device of this id. */
uint8_t trace_wanted(const char *id);

/* Switch the devices of these patterns on or off; how many there are. So that a guest cannot fill
 * the disk, of lines that were asked for in this way at most TRACE_BURST at once and TRACE_RATE a
 * second are written; a line says how many were left out. Off means those of the command line, too.
 */
enum { TRACE_BURST = 1000, TRACE_RATE = 100 };
unsigned machine_trace(struct machine *m, const char *patterns, bool on);

/* Behind the macros below. `reg` NULL: a register without a name. */
void look_access(struct device *d, const char *region, const char *reg, uint32_t offset,
                 unsigned width, bool read, uint64_t value, uint32_t count);
void trace_irq_line(struct device *d, unsigned line, bool level);
void trace_dma_line(struct device *d, uint64_t gpa, uint64_t len, bool to_guest, int result);
void trace_text_line(struct device *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define trace_access(d, ...)                                                                       \
    do {                                                                                           \
        if ((d)->look)                                                                             \
            look_access(d, __VA_ARGS__);                                                           \
    } while (0)
#define trace_irq(d, ...)                                                                          \
    do {                                                                                           \
        if ((d)->look & LOOK_TRACE)                                                                \
            trace_irq_line(d, __VA_ARGS__);                                                        \
    } while (0)
#define trace_dma(d, ...)                                                                          \
    do {                                                                                           \
        if ((d)->look & LOOK_TRACE)                                                                \
            trace_dma_line(d, __VA_ARGS__);                                                        \
    } while (0)
#define trace_text(d, ...)                                                                         \
    do {                                                                                           \
        if ((d)->look & LOOK_TRACE)                                                                \
            trace_text_line(d, __VA_ARGS__);                                                       \
    } while (0)

#endif
