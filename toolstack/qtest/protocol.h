/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protocol - the lines of the test port: one request, one answer, and what interrupt lines do.
 *
 * Knows nothing of sockets: lines come in, bytes go out. The peer may send anything.
 */
#ifndef TOOLSTACK_QTEST_PROTOCOL_H
#define TOOLSTACK_QTEST_PROTOCOL_H

#include <stddef.h>

#include "toolstack/qtest/board.h"

struct protocol;

enum { PROTOCOL_LINE_MAX = 64 << 20 }; /* a longer line is not taken */

/* `say` gets whole lines, newline included: answers, and notifications at any time. NULL: no
 * memory. `b` is borrowed and must be free of calls for lines. */
struct protocol *protocol_new(struct board *b,
                              void (*say)(void *opaque, const char *bytes, size_t n), void *opaque);
void protocol_free(struct protocol *p);

/* Execute one request: `n` bytes without newline, with a NUL behind them; they are written to.
 * Exactly one answer has been said when it returns. */
void protocol_line(struct protocol *p, char *line, size_t n);

/* For whoever owns the board's calls: a line has changed. */
void protocol_irq(struct protocol *p, enum board_tap tap, unsigned n, bool level);

#endif
