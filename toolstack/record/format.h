/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format - what is in a recording; docs/recording.md has it in words. Little endian, x86 only.
 *
 * A record is a crossing of the boundary between a machine and its host, in one direction: an
 * *entry* (the host calls the machine) ends with TAP_END; a *call* (the machine calls the host) is
 * one record, or, where the host may call back meanwhile, ends with TAP_BACK. `out` is what the
 * machine said, which a replay has to say again; `in` is what the host said, which a replay is
 * told.
 */
#ifndef TOOLSTACK_RECORD_FORMAT_H
#define TOOLSTACK_RECORD_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "hw/pc.h"

#define RECORDING_MAGIC   "hvmdm\nr\1"
#define RECORDING_SEGMENT "hvmdm\ns\1"

enum {
    RECORDING_VERSION = 2,
    RECORDING_PAGE = 4096,         /* where segments begin */
    RECORDING_AREAS = 4,           /* of a bounded recording */
    RECORDING_FRAME = 128 << 10,   /* the longest, in bytes */
    RECORDING_BYTES = 80 << 10,    /* in one record */
    RECORDING_ARENA = 64 << 20,    /* the largest snapshot that is believed */
    RECORDING_ROM = 16 << 20,      /* the largest ROM image */
    RECORDING_NODATA = 1u << 0,    /* header.flags: contents of disks are left out */
    RECORDING_CONTINUES = 1u << 0, /* segment.flags: nothing happened since the one before */
    RECORDING_END_MARK = 0xa0, /* behind each frame, with the low bits of the segment's number */
};

/* The first page of the file. */
struct recording_header {
    char magic[8];
    uint32_t version;
    uint32_t flags;
    uint64_t area; /* bytes of each of RECORDING_AREAS areas behind this page; 0: no limit */
    uint32_t last; /* number of the segment that was begun last */
    uint32_t zero;
    char writer[64]; /* version of the program, NUL-terminated */
};

/* The board, as far as pc_build() has to know it. Bit n of the masks is place or port n. */
struct recording_board {
    uint8_t no_acpi, xen_platform, xen_pvdevice, zero;
    uint8_t serials, cdroms, media, read_only; /* masks */
    uint32_t vcpus, vram_bytes;
    uint64_t vram_gfn;
    uint64_t disk_bytes[PC_DISKS];
    uint8_t nets, cables; /* masks of network cards: has a network; which is connected */
    uint8_t mac[PC_NICS][6];
    uint8_t zeroes[6];
};

/* The head of a segment; the arena's first `used` bytes and the ROM images follow, then frames:
 * length (varint, > 0), records, one end mark. A length of 0 ends the segment. */
struct recording_segment {
    char magic[8];
    uint32_t number; /* counts from 1 */
    uint32_t flags;
    uint64_t now;  /* ns of the hypervisor port's clock; the first TAP_NOW counts from here */
    uint64_t wall; /* ns since 1970 */
    uint64_t arena, used;     /* bytes of the state arena, and of its part that is here */
    uint32_t rom;             /* bytes */
    uint8_t blocked, starved; /* masks of streams: a short write; had no room */
    uint8_t held;             /* mask of networks: a frame that was not taken */
    uint8_t zero;
    uint32_t nic_rom[PC_NICS]; /* bytes; 0: that of the first card of this model, or none */
    struct recording_board board;
};

enum tap_type {
    TAP_NONE,
    TAP_END,  /* of an entry; out: answer or result */
    TAP_BACK, /* of a call; in: result, and what else is new */
    /* Entries. */
    TAP_REQUEST,    /* in: how (tap_how), address, data, vCPU or place in the ring */
    TAP_INVALIDATE, /* the guest's memory map changed */
    TAP_TIMERS,     /* a deadline has passed */
    TAP_COMPLETE,   /* in: place << 8 | slot, result, hash of what was read; bytes */
    TAP_ROOM,       /* in: port. How many bytes could it take? */
    TAP_RECEIVE,    /* in: port; bytes */
    TAP_WRITABLE,   /* in: port. The host takes bytes again */
    TAP_CONTROL,    /* in: enum tap_control, two arguments */
    /* Calls. */
    TAP_NOW,       /* in: ns since the last time that it was asked */
    TAP_MAP_RANGE, /* out: space, base, length; in: result, as in all below */
    TAP_UNMAP_RANGE,
    TAP_MAP_PCI, /* out: devfn */
    TAP_UNMAP_PCI,
    TAP_ISA_IRQ,    /* out: line, level */
    TAP_INTX,       /* out: slot, pin, level */
    TAP_LINK_ROUTE, /* out: link, line */
    TAP_MSI,        /* out: address, data */
    TAP_RELOCATE,   /* out: from, to, number of frames */
    TAP_MEM_TYPE,   /* out: frame, number, type */
    TAP_ASKS,       /* out: enum machine_request */
    TAP_READ,       /* guest memory. out: address, length; bytes */
    TAP_WRITE,      /* out: address, length, the bytes (up to 8) or their hash */
    TAP_MAP,        /* out: address, length, 1: to be written to */
    TAP_SUBMIT,     /* out: place, enum block_op, offset, length, hash of what is written;
                     * in: 0 finished or 1 + slot, result, hash of what was read; bytes */
    TAP_DRAIN,      /* out: place; completions, then TAP_BACK */
    TAP_PUT,        /* out: port, length, hash of the bytes; ..., TAP_BACK: taken, filed */
    TAP_KICK,       /* out: port; ..., TAP_BACK */
    /* Networks. Entries: */
    TAP_NET_READY,    /* in: card. Would it take a frame? */
    TAP_NET_RECEIVE,  /* in: card, tap_offload()'s two; bytes */
    TAP_NET_WRITABLE, /* in: card. The host takes frames again */
    TAP_NET_LINK,     /* in: card, 1: the cable is in */
    /* Calls: */
    TAP_NET_SEND,   /* out: card, bytes, hash of struct net_offload and frame; ..., TAP_BACK: 1 if
                     * it was taken */
    TAP_NET_KICK,   /* out: card; ..., TAP_BACK */
    TAP_NET_ATTACH, /* out: card, 1: it is there, NET_CAN_*; ..., TAP_BACK */
    TAP_TYPES
};

/* May it come during another call of the machine? */
static inline bool tap_may_nest(unsigned type)
{
    return (type >= TAP_COMPLETE && type <= TAP_WRITABLE) ||
           (type >= TAP_NET_READY && type <= TAP_NET_LINK);
}

/* Does an END or a BACK belong to it? */
static inline bool tap_has_end(unsigned type)
{
    return (type >= TAP_REQUEST && type <= TAP_CONTROL) ||
           (type >= TAP_DRAIN && type <= TAP_NET_ATTACH);
}

/* What the administrator, or a tool, does to a machine. */
enum tap_control {
    TAP_RUN,      /* 1: the guest's clock runs, 0: it stops */
    TAP_EJECT,    /* place, 1: by force */
    TAP_INSERT,   /* place, bytes of the medium */
    TAP_PLUG_CPU, /* vCPU */
    TAP_CONTROLS
};

enum { TAP_OUT = 5, TAP_IN = 4 };

struct tap_shape {
    const char *name;
    uint8_t outs, ins;
    bool bytes;
};
extern const struct tap_shape tap_shapes[TAP_TYPES];

struct tap_record {
    uint8_t type;
    bool left_out; /* contents of a disk: neither bytes nor hash nor value are there */
    uint64_t out[TAP_OUT];
    uint64_t in[TAP_IN];
    const void *bytes; /* of a record with bytes; NULL: none */
    uint32_t len;
};

/* Result codes as small numbers. */
static inline uint64_t tap_result(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int tap_errno(uint64_t v)
{
    return (int)(int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* The first part of TAP_REQUEST. */
uint64_t tap_how(const struct request *r);
struct request tap_request_of(const struct tap_record *r);

/* Not for secrets: FNV-1a over 8-byte words, then bytes. */
uint64_t tap_hash(uint64_t start, const void *bytes, size_t n);
#define TAP_HASH_START UINT64_C(0xcbf29ce484222325)

/* Bytes that tap_encode() needs at most, without those of the record. */
#define TAP_ENCODED (2u + 10u * (TAP_OUT + TAP_IN + 1))
size_t tap_encode(uint8_t *to, const struct tap_record *r);
size_t tap_varint(uint8_t *to, uint64_t v);
/* The value at *at, which moves on; false: it does not end before `end`. */
MUST_CHECK bool tap_read_varint(const uint8_t **at, const uint8_t *end, uint64_t *v);
/* One record at *at, which moves on; `bytes` then points into it. -EBADMSG: it is none. */
MUST_CHECK int tap_decode(const uint8_t **at, const uint8_t *end, struct tap_record *r);

/* The record in words, for people. */
void tap_describe(const struct tap_record *r, char *to, size_t size);

#endif
