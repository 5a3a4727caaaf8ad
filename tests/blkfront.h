/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkfront - a PV disk's front end on the simulator, and a disk in memory behind the back end.
 *
 * The front end lays out requests by structs of its own, so that a mistake in hw/xen/blkif.c shows.
 * The disk ends requests at once, or holds them until the test lets one end.
 */
#ifndef TESTS_BLKFRONT_H
#define TESTS_BLKFRONT_H

#include "hw/xen/blkback_private.h"
#include "ioreq/pv_sim.h"

enum {
    FRONT_RING = 100,  /* the first ring page's reference; those of a queue follow each other */
    FRONT_PORT = 10,   /* of the first queue */
    FRONT_DATA = 1000, /* data pages, FRONT_PAGES of them */
    FRONT_PAGES = 640, /* those that are granted from the beginning */
    FRONT_HELD = 1024,
    FRONT_SECTORS = 8192, /* of the disk */
};

/* ---- the disk */

struct test_disk {
    struct block base; /* first member */
    uint8_t *bytes;
    uint64_t size; /* as block_resized() finds it */
    bool hold;
    bool no_discard;    /* the host cannot */
    uint64_t bad_first; /* a transfer that touches this byte fails; UINT64_MAX: none */
    void (*submitting)(void *opaque); /* called for each request, if it is set */
    void *opaque;
    unsigned submitted, flushed, discarded, held_now;
    struct block_req *held[FRONT_HELD];
};

void test_disk_init(struct test_disk *d, uint8_t *bytes, uint64_t size);
void test_disk_end(struct test_disk *d, unsigned n); /* the n-th of those held */
void test_disk_end_all(struct test_disk *d);

/* ---- the front end */

struct front_request {
    uint8_t op; /* as it stands in the slot */
    uint8_t indirect_op;
    uint8_t flag; /* discard */
    uint64_t id, sector, sectors;
    uint16_t segments;
    uint32_t table; /* reference of the page with the segments */
    struct blkif_segment segment[BLKIF_DIRECT_MAX];
};

struct front_response {
    uint64_t id;
    uint8_t op;
    int16_t status;
};

struct front_queue {
    uint8_t *ring;
    uint32_t req_prod, rsp_cons;
};

struct blkfront {
    struct pv_sim *sim;
    struct loop *loop;
    struct pv *pv; /* the back end's process */
    struct blk_setup setup;
    struct blk_journal *journal;
    struct blk_conn *conn;
    struct test_disk disk;
    bool discard;
    unsigned quiet; /* calls of it */
    unsigned grants_left;
    uint64_t events;
    struct front_queue queue[BLK_QUEUES];
};

/* With everything granted and offered, and the disk's bytes zero; abort() where that fails. The
 * journal and the disk's bytes are shared with children. */
void front_new(struct blkfront *f, enum blkif_abi abi, unsigned queues, unsigned order,
               bool persistent);
/* The same with fewer data pages than FRONT_PAGES. */
void front_new_small(struct blkfront *f, enum blkif_abi abi, unsigned queues, unsigned order,
                     bool persistent, unsigned pages);
void front_free(struct blkfront *f);
int front_connect(struct blkfront *f, bool adopting); /* 0 or -errno: blk_conn_open() */
void front_disconnect(struct blkfront *f, bool leave);
/* The back end's process dies, and another one is there, not connected. */
void front_kill(struct blkfront *f);

uint8_t *front_page(struct blkfront *f, unsigned n); /* data page n: reference FRONT_DATA + n */
uint32_t front_slots(const struct blkfront *f);
uint32_t *front_index(struct blkfront *f, unsigned queue, enum blkif_index which);
uint8_t *front_slot(struct blkfront *f, unsigned queue, uint32_t index);
/* The next request onto the ring; the guest does not say so yet. */
void front_put(struct blkfront *f, unsigned queue, const struct front_request *r);
/* `segments` whole pages from data page `page` on. */
struct front_request front_transfer(uint8_t op, uint64_t id, uint64_t sector, unsigned page,
                                    uint16_t segments);
/* The same by way of the page `table`, which is filled in. */
struct front_request front_indirect(struct blkfront *f, uint8_t op, uint64_t id, uint64_t sector,
                                    unsigned page, uint16_t segments, unsigned table);
/* Say so; a notification if the back end wants one. */
void front_push(struct blkfront *f, unsigned queue);
void front_turn(struct blkfront *f); /* until the back end's loop has nothing to do */
bool front_take(struct blkfront *f, unsigned queue, struct front_response *out);
/* Put, push, turn and take: its status. */
int front_run(struct blkfront *f, const struct front_request *r);

#endif
