/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image - a raw image in a directory of its own and requests to it, for the tests of block/.
 *
 * Functions check with cmocka's assertions.
 */
#ifndef TESTS_IMAGE_H
#define TESTS_IMAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "block/raw_internal.h"
#include "ioreq/loop.h"

enum { SECTOR = 512, SECTORS = 512, SIZE = SECTOR * SECTORS };

struct image {
    struct loop *l;
    char dir[64], path[96];
    struct error e;
};

/* cmocka's fixture: *state is a struct image whose file holds image_fill(.., 1). */
int image_setup(void **state);
int image_teardown(void **state);

/* Open the file; a failure fails the test. */
struct block *image_open_tuned(struct image *f, bool read_only, bool direct,
                               const struct raw_tuning *t);
struct block *image_open(struct image *f, bool read_only); /* as in production */

void image_fill(uint8_t *p, size_t n, unsigned seed);

/* How this process has the file open, as the kernel says: F_GETFL's flags; -1: not at all. */
int image_flags(const char *path);

/* One request with what became of it; to be freed. */
struct image_op {
    struct block_req r;
    unsigned done; /* calls */
    int order;     /* 1: the first that ended */
};

struct image_op *image_op_new(enum block_op op, uint64_t offset, uint64_t length,
                              const struct iovec *iov, int niov);
void image_wait(struct image *f, const struct image_op *o); /* until it is done, once */

/* Execute one operation to its end; its result. */
int image_run_iov(struct image *f, struct block *b, enum block_op op, uint64_t offset,
                  uint64_t length, const struct iovec *iov, int niov);
int image_run(struct image *f, struct block *b, enum block_op op, uint64_t offset, void *bytes,
              size_t n);

/* The ways a request can take. */
enum { IMAGE_WAYS = 6, IMAGE_WAY_RING = 1, IMAGE_WAY_THREADS = 2 };

struct image_way {
    const char *name;
    struct raw_tuning tuning;
    bool direct;
};
extern const struct image_way image_ways[IMAGE_WAYS];
#define EACH_WAY(w) for (const struct image_way *w = image_ways; w < image_ways + IMAGE_WAYS; w++)

#endif
