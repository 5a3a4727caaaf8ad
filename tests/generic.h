/* SPDX-License-Identifier: GPL-2.0-or-later */
/* generic - what the files of generic checks share: random guests. */
#ifndef TESTS_GENERIC_H
#define TESTS_GENERIC_H

#include "tests/bench.h"

struct op {
    uint8_t kind; /* 0 read, 1 write, 2 step, 3 config read, 4 config write */
    uint8_t width;
    uint64_t addr; /* bit 63: memory */
    uint64_t value;
};

uint32_t generic_random(uint32_t *seed);
struct op generic_op(struct bench *b, uint32_t *seed);
uint64_t generic_apply(struct bench *b, const struct op *op);
/* An address that some device claims now; false if none does. */
bool generic_pick(struct bench *b, uint32_t *seed, struct op *op);

/* Part of what the guest has set, which transactions keep; not what they are kept by. */
bool generic_is_state(const struct arena_record *r);

extern const struct generic_check generic_rules[];
extern const unsigned generic_nrules;

#endif
