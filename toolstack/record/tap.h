/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap - the boundary between a machine and its host, made visible.
 *
 * Wraps what a machine is built on (hypervisor port, images, streams) and what calls it (requests,
 * timers, completions, characters, control), so that each crossing passes tap_note(). One side
 * writes it to a file (recorder.c); the other one compares it with a file, and answers for the host
 * that is not there (player.c). Devices take part by construction, and nothing is in their way when
 * nobody looks: all functions here take NULL for that, and give back what they were given.
 */
#ifndef TOOLSTACK_RECORD_TAP_H
#define TOOLSTACK_RECORD_TAP_H

#include "block/block.h"
#include "chardev/chardev.h"
#include "net/net.h"
#include "toolstack/record/format.h"

struct tap;

struct tap_side {
    bool live; /* a host is there: what is wrapped is called, and what it says is noted */
    /* The outermost entry begins, and is over. `safe`: the host can be waited for. */
    void (*begin)(struct tap *t, bool safe);
    void (*end)(struct tap *t);
    /* A crossing. A player fills in r->in and r->bytes, left_out too. */
    void (*note)(struct tap *t, struct tap_record *r);
    /* Player: entries that come before the TAP_BACK of the call that was noted last. */
    void (*nested)(struct tap *t);
};

struct tap_hv {
    struct hv hv; /* first */
    struct tap *t;
    struct hv *inner;
};

enum { TAP_SLOTS = 8 }; /* requests that one image has in flight */

struct tap_slot {
    struct block_req req;
    struct block_req *outer; /* NULL: free */
    struct tap_disk *disk;
};

struct tap_disk {
    struct block block; /* first */
    struct tap *t;
    struct block *inner; /* NULL: there is no host */
    unsigned place;
    struct tap_slot slot[TAP_SLOTS];
};

struct tap_serial {
    struct chardev chr; /* first */
    struct tap *t;
    struct chardev *inner; /* NULL: there is no host */
    struct chardev_user user;
    unsigned port;
    bool blocked, starved;
};

struct tap_net {
    struct net net; /* first */
    struct tap *t;
    struct net *inner; /* NULL: there is no host */
    struct net_user user;
    unsigned place;
    bool blocked;
};

struct tap {
    const struct tap_side *side;
    bool on;        /* notes are taken */
    bool nodata;    /* contents of disks are left out */
    bool private;   /* the running request carries such */
    unsigned depth; /* of entries */
    uint64_t last_now;
    struct machine *m;
    struct request_sink sink; /* the machine's own */
    struct tap_hv hv;
    struct tap_disk *disk[PC_DISKS]; /* the image that is there now, or NULL */
    struct tap_serial *serial[PC_SERIALS];
    struct tap_net *net[PC_NICS];
    void (*asked)(void *opaque, enum machine_request what);
    void *asked_opaque;
    void *scratch; /* player: 16 frames that stand for all guest memory */
};

/* What the machine is built on: the same, seen through the tap. A disk's, stream's or network's
 * wrapper belongs to the caller instead of what it was given, and closes that; both may be NULL and
 * are NULL when out of memory, which then was closed. */
struct hv *tap_hv(struct tap *t, struct hv *inner);
MUST_CHECK struct block *tap_disk(struct tap *t, unsigned place, struct block *inner);
MUST_CHECK struct chardev *tap_serial(struct tap *t, unsigned port, struct chardev *inner);

MUST_CHECK struct net *tap_net(struct tap *t, unsigned place, struct net *inner);

/* The machine is built: what it asks for, and what calls it. */
void tap_machine(struct tap *t, struct machine *m,
                 void (*asked)(void *opaque, enum machine_request what), void *opaque);
void tap_sink(struct tap *t, struct request_sink *sink); /* in place */
void tap_expired(struct tap *t, struct machine *m);      /* machine_expired() */

/* One of the control calls. `medium`: of TAP_INSERT. 0 or -errno with a sentence. */
MUST_CHECK int tap_control(struct tap *t, struct machine *m, enum tap_control what, uint64_t a,
                           uint64_t b, struct block *medium, struct error *e);

/* --- For the two sides. */
/* Host requests in flight. */
unsigned tap_in_flight(const struct tap *t);
/* The second half of each entry, behind its record. */
bool tap_run(struct tap *t, struct request *r);
void tap_invalidate(struct tap *t);
void tap_timers(struct tap *t, struct machine *m);
void tap_complete(struct tap_slot *s, const struct tap_record *r, int result);
/* An image (not yet in t->disk) and a stream with no host behind them; NULL: no memory. */
struct tap_disk *tap_new_disk(struct tap *t, unsigned place, uint64_t size, bool read_only);
struct tap_serial *tap_new_serial(struct tap *t, unsigned port);
void tap_room(struct tap_serial *s, size_t *room);
void tap_receive(struct tap_serial *s, const uint8_t *bytes, size_t n);
void tap_writable(struct tap_serial *s);
struct tap_net *tap_new_net(struct tap *t, unsigned place, bool up);
void tap_net_ready(struct tap_net *s, bool *ready);
void tap_net_receive(struct tap_net *s, const struct net_offload *o, const uint8_t *frame,
                     size_t n);
void tap_net_writable(struct tap_net *s);
void tap_net_link(struct tap_net *s, bool up);
/* What a TAP_NET_RECEIVE has behind the place. */
struct net_offload tap_offload(const uint64_t in[2]);
int tap_perform(struct tap *t, struct machine *m, enum tap_control what, uint64_t a, uint64_t b,
                struct block *medium, struct error *e);
/* Is what it reads or writes in the device's own memory, and not in the guest's? */
bool tap_own_memory(const struct tap *t, const struct block_req *r);

#endif
