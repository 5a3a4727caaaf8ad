/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * board - what the test port drives: our PC on the simulator, with the chips that Xen has inside.
 *
 * The chips (hw/sim/) are a machine of their own, on a simulator of their own, so that nothing of
 * them is near the machine that Xen serves. An access goes to them first, as Xen looks into itself
 * before it sends a request; what they do not take becomes a request to our machine. Both run on
 * one clock, and their interrupt lines meet at the interrupt controllers.
 */
#ifndef TOOLSTACK_QTEST_BOARD_H
#define TOOLSTACK_QTEST_BOARD_H

#include "hw/core/machine.h"

struct board;

#define BOARD_IRQS 24u

/* Where a line is looked at: the inputs of the interrupt controllers, or the 8259's output (0). */
enum board_tap { BOARD_INPUTS, BOARD_INT };

struct board_calls {
    /* A line has changed; called at once, in the order of changes. May be NULL. */
    void (*line)(void *opaque, enum board_tap tap, unsigned n, bool level);
    /* The guest asked for it. After the access that asked; a reset is done when this returns true.
     * NULL: always. */
    bool (*asked)(void *opaque, enum machine_request what);
    void *opaque;
};

struct board_options {
    uint64_t rtc_base;     /* seconds since 2000 at guest time 0 */
    const uint8_t *fw_cfg; /* items, see hw/sim/fw_cfg.c; borrowed */
    uint32_t fw_cfg_size;
};

/* `hv` is of hv_sim_new(), `m` is built on it and has its guest clock running, or is NULL: only
 * chips and memory. Both stay the caller's and outlive the board. */
MUST_CHECK int board_new(struct hv *hv, struct machine *m, const struct board_options *o,
                         struct board **out, struct error *e);
void board_free(struct board *b);
void board_call(struct board *b, const struct board_calls *calls); /* copied */

/* All devices as at power-on; RAM and the clock stay. Not from within an access. */
void board_reset(struct board *b);
/* After work of others (disk completions): what the lines' changes mean is done. */
void board_settle(struct board *b);
/* To be called once in each turn of the loop: settles, and before that runs the timers of the
 * machine that are due without the clock being moved: work that a device goes on with behind its
 * handler. True: there was some, and may be more. */
bool board_turn(struct board *b);

/* Ports; width 1, 2, 4. What nobody claims reads ones. */
uint32_t board_in(struct board *b, uint16_t port, unsigned width);
void board_out(struct board *b, uint16_t port, unsigned width, uint32_t value);

/* Memory as a processor sees it: RAM is copied, devices see naturally aligned accesses, as wide as
 * fits. What nobody claims reads zeroes. addr + n must not wrap. */
void board_read(struct board *b, uint64_t addr, uint8_t *to, uint64_t n);
void board_write(struct board *b, uint64_t addr, const uint8_t *from, uint64_t n);
void board_fill(struct board *b, uint64_t addr, uint8_t byte, uint64_t n);

/* The clock, in ns. Timers that become due run one moment after the other. */
uint64_t board_now(const struct board *b);
uint64_t board_deadline(const struct board *b); /* UINT64_MAX: no timer is armed */
void board_advance(struct board *b, uint64_t target);

/* Somebody from outside drives this input of the interrupt controllers, too. */
void board_drive(struct board *b, unsigned irq, bool level);

struct device *board_chip(struct board *b, const char *name); /* one of hw/sim/, or NULL */

#endif
