/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * oracle - what must be true of each request and of each state, whoever the guest is.
 *
 * Looks at every request that bench_request() makes. Used by the generic checks and, so that a
 * fuzzer finds more than what a sanitizer sees, by the fuzz driver.
 */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include "tests/bench.h"

/* DMA of one request: a table of 64 KiB with entries of 8 bytes is read once, and a string may do
 * so for each of a few elements (S4). */
#define ORACLE_DMA 20000u
/* Timer events of one moment: a device that asks to be called again at once is one that spins. */
#define ORACLE_EVENTS 64u

struct oracle {
    struct bench_watch watch; /* first member */
    bool flip;                /* reading guest memory twice in a request is an offence (S3) */
    char what[200];           /* the first offence, or empty */
    uint64_t allocations, dma, flips;
};

/* From now on all requests of the bench are looked at; `o` is zeroed or has `flip` set. */
void oracle_watch(struct oracle *o, struct bench *b);
/* NULL, or a sentence about a state that could not be loaded (S16). */
const char *oracle_states(struct bench *b);
/* DMA transfers of all devices so far. */
uint64_t oracle_dma(struct bench *b);

/* Calls of malloc and the like by our code since the start (tests/allocations.c). */
uint64_t allocations(void);

#endif
