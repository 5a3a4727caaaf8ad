/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkback_private - one connection of a PV disk, apart from xenstore: what the back end's files and
 * their tests share.
 *
 * A connection has queues, a queue has a ring, a channel, memory and, for each slot of the ring,
 * one request. Nothing is allocated while it serves.
 */
#ifndef HW_XEN_BLKBACK_PRIVATE_H
#define HW_XEN_BLKBACK_PRIVATE_H

#include "block/block.h"
#include "hw/xen/blkif.h"
#include "ioreq/loop.h"
#include "ioreq/pv.h"

enum {
    BLK_QUEUES = 4,
    BLK_GRANTS = 1024, /* persistent ones, of a queue */
    /* Of all queues: each is a mapping of its own, of which Linux gives a process 65,530
     * (vm.max_map_count). The other half is for everything else. */
    BLK_GRANTS_ALL = 32768,
    BLK_BOUNCE = 1024, /* pages of ours for what is copied, of a queue */
};

/* ---- memory: blkback_memory.c */

struct blk_grant {
    void *page;
    uint32_t ref;
    uint32_t users; /* segments in flight: of all requests it may be the same page */
    uint16_t next;  /* in its bucket: place + 1 */
    uint64_t used;  /* the clock at its last use */
};

/* How a queue gets at the guest's pages: mapped once and kept, where the front end grants them for
 * good, else by copy. Pages are numbered: bounce pages first, then grants. */
struct blk_memory {
    struct pv *pv;
    bool persistent;
    unsigned *left; /* grants that all queues together may map yet */
    uint64_t clock;
    unsigned grants, spare; /* grants mapped; bounce pages free */
    uint8_t *bounce;
    struct blk_grant grant[BLK_GRANTS];
    uint16_t bucket[BLK_GRANTS]; /* place + 1 */
    uint16_t free[BLK_BOUNCE];
};

MUST_CHECK int blk_memory_open(struct blk_memory *m, struct pv *pv, bool persistent,
                               unsigned *left);
void blk_memory_close(struct blk_memory *m);
/* A page for this reference; at least one bounce page must be spare. */
uint16_t blk_memory_get(struct blk_memory *m, uint32_t ref);
void blk_memory_put(struct blk_memory *m, uint16_t page);
uint8_t *blk_memory_at(const struct blk_memory *m, uint16_t page);
/* Has it to be copied to and from the guest? */
static inline bool blk_memory_copies(uint16_t page)
{
    return page < BLK_BOUNCE;
}

/* ---- journal: what a successor needs. In memory that outlives the process. */

enum blk_slot_state { BLK_FREE, BLK_TAKEN, BLK_ANSWERING };

struct blk_journal_slot {
    uint32_t state;
    uint32_t seq; /* the request's place on the ring; not below req_cons: not taken after all */
    uint32_t rsp; /* answering: the response's place */
    uint32_t unused;
    uint8_t raw[BLKIF_SLOT_BYTES];
};

struct blk_journal_queue {
    uint32_t req_cons; /* requests before this are in the slots below, or answered */
    uint32_t rsp_prod; /* responses before this have been published */
    uint32_t rsp_next; /* the same, as soon as the ring's own rsp_prod says so */
    uint32_t unused;
    struct blk_journal_slot slot[BLKIF_SLOTS_MAX];
};

struct blk_journal {
    uint32_t valid; /* BLK_JOURNAL: a connection is described */
    uint32_t abi, order, queues;
    struct blk_journal_queue queue[BLK_QUEUES];
};
/* A successor may be another build: another layout gets another number here, and then the guests
 * that are running have to connect their disks anew, which they do not survive. */
#define BLK_JOURNAL 0x6b6c6201u
static_assert(sizeof(struct blk_journal_slot) == 128, "layout of the journal");
static_assert(sizeof(struct blk_journal) == 16 + 4 * (16 + 512 * 128), "layout of the journal");

/* ---- requests and queues: blkback_queue.c */

struct blk_segment {
    uint32_t ref;
    uint16_t page;
    uint8_t first, sectors;
};

struct blk_request {
    struct blk_queue *q;
    struct blk_request *next;    /* in the list that it is in */
    struct blk_request *members; /* requests that follow on this one and are done with it */
    struct blkif_request req;
    enum blkif_status status;
    uint8_t steps; /* still to be done */
    unsigned segments;
    int niov;
    uint64_t bytes;
    uint16_t table; /* the page with the segments, while it is needed */
    bool has_table;
    struct block_req io;
    struct blk_segment segment[BLKIF_INDIRECT_MAX];
    struct iovec iov[BLKIF_INDIRECT_MAX];
};

struct blk_list {
    struct blk_request *first, *last;
};

struct blk_queue {
    struct blk_conn *conn;
    void *shared; /* the ring's pages; NULL: not mapped */
    struct blkif_ring ring;
    struct pv_channel channel;
    struct loop_work again;
    struct blk_journal_queue *journal;
    struct blk_request *request; /* one for each slot */
    struct blk_memory memory;
    uint32_t req_cons, rsp_prod;
    unsigned busy;                  /* requests that the image has, or will have at once */
    struct blk_request *barrier;    /* nothing starts while there is one */
    struct blk_list todo, finished; /* taken and not started; ended and not answered */
    unsigned unused;
    uint16_t slot[BLKIF_SLOTS_MAX]; /* unused slots */
};

void blk_queue_run(void *opaque); /* struct blk_queue: do all that can be done now */
void blk_queue_answer(struct blk_queue *q);
/* Begin with what is in the journal, or anew. 0, or -EBADMSG: the journal is none. */
MUST_CHECK int blk_queue_begin(struct blk_queue *q, bool adopting);

/* ---- connections: blkback_conn.c */

/* What a front end asks for. */
struct blk_setup {
    enum blkif_abi abi;
    unsigned queues, order;
    bool persistent;
    struct {
        uint32_t port;
        uint32_t ref[1 << BLKIF_ORDER_MAX];
    } queue[BLK_QUEUES];
};

enum blk_stop { BLK_RUNS, BLK_DRAINS, BLK_FLUSHES, BLK_STOPPED };

/* Pieces of the next grant copy, each with the request that it belongs to. */
struct blk_copies {
    unsigned nr;
    struct pv_copy piece[512];
    struct blk_request *whose[512];
};

struct blk_conn {
    struct pv *pv;
    struct loop *loop;
    struct block *block; /* NULL: no medium */
    bool discard;        /* is offered */
    bool broken;         /* a ring made no sense; nothing is done any more */
    enum blk_stop stop;
    struct blk_journal *journal;
    volatile uint64_t *events;
    /* Broken or stopping, and now nothing is in flight any more. From the loop; may close. */
    void (*quiet)(void *opaque);
    void *opaque;
    struct loop_work settle;
    struct block_req flush;
    unsigned order;
    unsigned queues;
    struct blk_copies copies;
    struct blk_queue queue[]; /* `queues` of them */
};

struct blk_conn_options {
    struct pv *pv;
    struct loop *loop;
    struct block *block;
    struct blk_journal *journal;
    volatile uint64_t *events; /* each answer counts; may be NULL */
    unsigned *grants_left;     /* of BLK_GRANTS_ALL; shared by all connections */
    void (*quiet)(void *opaque);
    void *opaque;
    bool discard;
    bool adopting; /* go on where the journal ends */
};

/* Maps, binds and serves. 0 or -errno: -EBADMSG where the journal is not this connection's. */
MUST_CHECK int blk_conn_open(const struct blk_conn_options *o, const struct blk_setup *s,
                             struct blk_conn **out);
bool blk_conn_quiet(const struct blk_conn *c); /* nothing is in flight */
/* Take and start no more requests, and flush the image when those in flight have ended. true: all
 * is done; false: c->quiet will be called. */
bool blk_conn_stop(struct blk_conn *c);
/* Go on; only when blk_conn_stop() has said true. Meanwhile c->block may have been replaced. */
void blk_conn_start(struct blk_conn *c);
/* Give everything back. Where blk_conn_stop() has not said true, this waits for the disk. `leave`:
 * the journal is a successor's. */
void blk_conn_close(struct blk_conn *c, bool leave);
/* For queues: look whether c->quiet is due. */
void blk_conn_settle(struct blk_conn *c);
/* A grant copy: add pieces, which may already execute some; then execute the rest. What fails makes
 * its request an error. */
void blk_copies_add(struct blk_conn *c, struct blk_request *r, struct pv_copy piece);
void blk_copies_run(struct blk_conn *c);

#endif
