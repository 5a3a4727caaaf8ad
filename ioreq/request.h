/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request - one access of the guest, copied out of the shared page and checked.
 *
 * Slot layout and rules: Xen's public/hvm/ioreq.h.
 */
#ifndef IOREQ_REQUEST_H
#define IOREQ_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

enum request_type {
    REQ_PIO = 0,
    REQ_COPY = 1, /* memory-mapped I/O */
    REQ_PCI_CONFIG = 2,
    REQ_TIMEOFFSET = 7,
    REQ_INVALIDATE = 8,
};

struct request {
    uint64_t addr;  /* port, guest physical address, or PCI form (see request_pci_*) */
    uint64_t data;  /* value, or guest physical address of the data when data_is_ptr */
    uint32_t count; /* elements, >= 1 */
    uint32_t size;  /* bytes of one element: 1, 2, 4, 8 (ports: 1, 2, 4) */
    uint8_t type;   /* enum request_type */
    bool read;      /* device to guest */
    bool df;        /* addresses step downward */
    bool data_is_ptr;
    uint16_t vcpu;      /* REQUEST_BUFFERED when it came through the ring */
    uint16_t ring_next; /* then: index in the ring of the entry behind it */
};

#define REQUEST_BUFFERED UINT16_MAX

/* PCI_CONFIG: device and function, and the register's byte offset in configuration space. */
static inline unsigned request_pci_devfn(const struct request *r)
{
    return (unsigned)(r->addr >> 32) & 0xff;
}

static inline unsigned request_pci_bus(const struct request *r)
{
    return (unsigned)(r->addr >> 40) & 0xffffff; /* segment and bus: 0 for everything we have */
}

static inline unsigned request_pci_reg(const struct request *r)
{
    return (unsigned)r->addr & 0xfff;
}

/* True if the request may reach the machine. On false the caller answers all ones (reads) or drops
 * it (writes). Guards S7: type, size, count, and address + size * count without wrap. */
bool request_sane(const struct request *r);

/* What a successor does with a request that it finds begun. */
enum request_recovery {
    REQUEST_RERUN,   /* its effects were rolled back: execute it */
    REQUEST_PUBLISH, /* it was complete: r->data is the recorded answer */
    REQUEST_FENCE,   /* give it up: reads give all ones */
};

/* What receives requests. Only sane ones arrive; TIMEOFFSET and INVALIDATE never reach `run`.
 *
 * `run` executes all of the request and leaves the answer of a read in r->data (bits above the size
 * are cut off by the caller). It returns false when the answer is ready, which is the normal case,
 * or true ("held") when the answer comes later through slots_complete(); the vCPU waits until then.
 * A buffered request (vcpu == REQUEST_BUFFERED) has no answer and cannot be held.
 *
 * `invalidate` drops every cached mapping of guest memory. */
struct request_sink {
    bool (*run)(void *opaque, struct request *r);
    void (*invalidate)(void *opaque);
    /* Both may be NULL. A request of this vCPU is about to be executed: its slot does not yet say
     * so. */
    void (*taken)(void *opaque, unsigned vcpu);
    /* What to do with a request that a predecessor had begun; NULL means REQUEST_FENCE for all. */
    enum request_recovery (*recover)(void *opaque, struct request *r);
    void *opaque;
};

#endif
