/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net - the host side of a network card: tap, user-mode network, sockets, a capture of all frames.
 *
 * Sending never blocks and never queues: what the host does not take now is refused and the card
 * keeps it in the guest's ring. Receiving is asked for: nothing is taken from the host before the
 * card has room. So no queue of ours grows, whoever stops. A peer that is not there (a tap that is
 * down, a socket nobody connected to) takes and drops everything, as an unplugged cable would.
 *
 * Frames are Ethernet frames without preamble and FCS. struct net_offload says what is left to do:
 * a card that lets the other side finish checksums and segmentation may pass on up to NET_FRAME_MAX
 * bytes as one frame. A kind of peer that cannot take that does it in software (net/offload.c), so
 * a card need not know. The struct has the layout of Linux' virtio_net_hdr, in host order.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct net;
struct loop;

enum {
    NET_FRAME_MAX = 65536 + 14 + 4, /* bytes of the longest frame, one that is to be segmented */
    NET_MTU_FRAME = 1514,           /* without VLAN tag */
};

enum net_gso { NET_GSO_NONE = 0, NET_GSO_TCP4 = 1, NET_GSO_UDP = 3, NET_GSO_TCP6 = 4 };
enum {
    NET_NEEDS_CSUM = 1, /* the sum at csum_start + csum_offset has yet to be made (the field holds
                           that of the pseudo header) */
    NET_DATA_VALID = 2, /* received: the host has verified the sums */
};

struct net_offload {
    uint8_t flags;     /* NET_NEEDS_CSUM, NET_DATA_VALID */
    uint8_t gso;       /* enum net_gso */
    uint16_t hdr_len;  /* Ethernet to TCP header, bytes; with gso */
    uint16_t gso_size; /* payload bytes of a segment; with gso, not 0 */
    uint16_t csum_start, csum_offset;
};
static_assert(sizeof(struct net_offload) == 10, "as the kernel's virtio_net_hdr");

/* What a card can take in received frames. */
enum {
    NET_CAN_CSUM = 1, /* NET_NEEDS_CSUM (a frame from another guest of this host): it tells its
                         guest that the sum is right, or makes it */
    NET_CAN_TSO4 = 2,
    NET_CAN_TSO6 = 4,
};

/* The card. */
struct net_user {
    /* True: a frame would be taken now. False stops reading from the host, until net_kick(). */
    bool (*ready)(void *opaque);
    /* One frame, only after ready() said yes; the card drops what it does not like. `frame` is
     * valid during the call. */
    void (*receive)(void *opaque, const struct net_offload *o, const uint8_t *frame, size_t n);
    void (*writable)(void *opaque); /* the host takes frames again after net_send() was false */
    /* The cable was plugged in or out (QMP set_link, a tap that went away). */
    void (*link)(void *opaque, bool up);
    void *opaque;
};

/* What a kind of peer does. Each embeds struct net as its first member; tests plug in a peer in
 * memory (tests/wire.h) the same way. */
struct net_ops {
    /* As net_send(); checked already. What it drops, it counts in tx_dropped. */
    bool (*send)(struct net *n, const struct net_offload *o, const struct iovec *iov, int niov,
                 size_t bytes);
    void (*kick)(struct net *n); /* as net_kick(); may be NULL */
    void (*can)(struct net *n,
                unsigned what);           /* the card's NET_CAN_*; NULL: it gets plain frames */
    void (*close)(struct net *n);         /* releases everything, n included */
    void (*rest)(struct net *n, bool on); /* as net_rest(); NULL: nothing to do */
};

struct net {
    const struct net_ops *ops;
    const struct net_user *user; /* attached card or NULL; use at each call, it may change */
    char label[24];              /* the -netdev's id */
    char what[128];              /* for messages: "tap vif1.0-emu" */
    int keep;                    /* the descriptor that a successor needs to go on; -1: none */
    bool up;                     /* the cable */
    bool resting;
    const struct net_user *rested;
    unsigned can; /* what the card said last */
    struct {
        uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, rx_dropped, tx_dropped;
    } stats;
};

/* How a network is to be opened: the keys of a -netdev argument. */
struct net_options {
    const char *kind;   /* "tap", "user", "socket", "none" */
    const char *label;  /* id= */
    const char *ifname; /* tap: its name, created if it is not there; it goes with its last close */
    int fd;             /* tap, socket: an open descriptor (ownership passes), or -1 */
    const char *spec;   /* user, socket: the rest of the argument, "key=value,..."; or NULL */
    const char *dump;   /* capture to this file (pcap); NULL: none */
    uint32_t dump_bytes; /* of a frame at most; 0: 65536 */
};

/* Opens it. *out is valid until net_close(). -errno with a sentence that names cause and cure. */
MUST_CHECK int net_open(struct loop *l, const struct net_options *o, struct net **out,
                        struct error *e);
void net_close(struct net *n); /* NULL is nothing */

/* Leave frames where they are, because another process takes them now; or (false) go on. */
void net_rest(struct net *n, bool on);

/* The card attaches itself, with what it can take; NULL detaches. */
void net_attach(struct net *n, const struct net_user *user, unsigned can);

/* One frame of `niov` pieces. True: sent, or dropped for good (no bytes, too
 * long, offload that does not fit the frame, the cable is out). False: the host takes none now;
 * user->writable comes. */
MUST_CHECK bool net_send(struct net *n, const struct net_offload *o, const struct iovec *iov,
                         int niov);

/* What is left to do lies within a frame of so many bytes. */
bool net_offload_fits(const struct net_offload *o, size_t bytes);

/* The card is ready again after ready() returned false. */
void net_kick(struct net *n);

/* Plug the cable in or out. */
void net_set_link(struct net *n, bool up);

#endif
