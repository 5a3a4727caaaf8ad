/* SPDX-License-Identifier: GPL-2.0-or-later */
/* format - see format.h. */
#include "toolstack/record/format.h"

#include <errno.h>
#include <inttypes.h>

enum { LEFT_OUT = 0x80, SIZE_SHIFT = 7, BUFFERED = 1 << 9, COUNT_SHIFT = 10 };

const struct tap_shape tap_shapes[TAP_TYPES] = {
    [TAP_END] = { "answer", 1, 0, false },
    [TAP_BACK] = { "return", 0, 2, false },
    [TAP_REQUEST] = { "request", 0, 4, false },
    [TAP_INVALIDATE] = { "invalidate", 0, 0, false },
    [TAP_TIMERS] = { "timers", 0, 0, false },
    [TAP_COMPLETE] = { "disk request completed", 0, 3, true },
    [TAP_ROOM] = { "room", 0, 1, false },
    [TAP_RECEIVE] = { "characters received", 0, 1, true },
    [TAP_WRITABLE] = { "stream writable", 0, 1, false },
    [TAP_CONTROL] = { "control", 0, 3, false },
    [TAP_NOW] = { "clock", 0, 1, false },
    [TAP_MAP_RANGE] = { "claim range", 3, 1, false },
    [TAP_UNMAP_RANGE] = { "release range", 3, 1, false },
    [TAP_MAP_PCI] = { "claim PCI function", 1, 1, false },
    [TAP_UNMAP_PCI] = { "release PCI function", 1, 1, false },
    [TAP_ISA_IRQ] = { "ISA interrupt", 2, 1, false },
    [TAP_INTX] = { "PCI interrupt", 3, 1, false },
    [TAP_LINK_ROUTE] = { "interrupt route", 2, 1, false },
    [TAP_MSI] = { "MSI", 2, 1, false },
    [TAP_RELOCATE] = { "move frames", 3, 1, false },
    [TAP_MEM_TYPE] = { "type of frames", 3, 1, false },
    [TAP_ASKS] = { "reset, power off or sleep", 1, 0, false },
    [TAP_READ] = { "read of guest memory", 2, 1, true },
    [TAP_WRITE] = { "write to guest memory", 3, 1, false },
    [TAP_MAP] = { "DMA to or from guest memory", 3, 1, false },
    [TAP_SUBMIT] = { "disk request", 5, 3, true },
    [TAP_DRAIN] = { "wait for the disk", 1, 0, false },
    [TAP_PUT] = { "characters sent", 3, 0, false },
    [TAP_KICK] = { "room for characters", 1, 0, false },
    [TAP_NET_READY] = { "room for a frame", 0, 1, false },
    [TAP_NET_RECEIVE] = { "frame received", 0, 3, true },
    [TAP_NET_WRITABLE] = { "network writable", 0, 1, false },
    [TAP_NET_LINK] = { "cable", 0, 2, false },
    [TAP_NET_SEND] = { "frame sent", 3, 0, false },
    [TAP_NET_KICK] = { "card has room", 1, 0, false },
    [TAP_NET_ATTACH] = { "card attaches itself", 3, 0, false },
};

uint64_t tap_how(const struct request *r)
{
    unsigned size = r->size >= 8 ? 3 : r->size / 2;

    return (uint64_t)r->count << COUNT_SHIFT |
           (r->vcpu == REQUEST_BUFFERED ? (unsigned)BUFFERED : 0u) | size << SIZE_SHIFT |
           (unsigned)r->data_is_ptr << 6 | (unsigned)r->df << 5 | (unsigned)r->read << 4 |
           (r->type & 0xfu);
}

struct request tap_request_of(const struct tap_record *r)
{
    uint64_t how = r->in[0];
    bool buffered = how & BUFFERED;

    return (struct request){ .addr = r->in[1],
                             .data = r->in[2],
                             .count = (uint32_t)(how >> COUNT_SHIFT),
                             .size = 1u << (how >> SIZE_SHIFT & 3),
                             .type = how & 0xf,
                             .read = how >> 4 & 1,
                             .df = how >> 5 & 1,
                             .data_is_ptr = how >> 6 & 1,
                             .vcpu = buffered ? REQUEST_BUFFERED : (uint16_t)r->in[3],
                             .ring_next = buffered ? (uint16_t)r->in[3] : 0 };
}

uint64_t tap_hash(uint64_t h, const void *bytes, size_t n)
{
    const uint64_t prime = UINT64_C(0x100000001b3);
    const uint8_t *p = bytes;

    for (; n >= 8; n -= 8, p += 8)
        h = (h ^ le64(p)) * prime;
    for (; n; n--, p++)
        h = (h ^ *p) * prime;
    return h;
}

size_t tap_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (uint8_t)(v | 0x80);
    to[n++] = (uint8_t)v;
    return n;
}

bool tap_read_varint(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t b = *(*at)++;

        if (shift == 63 && b > 1)
            return false;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return true;
    }
    return false;
}

size_t tap_encode(uint8_t *to, const struct tap_record *r)
{
    const struct tap_shape *shape = &tap_shapes[r->type];
    size_t n = 0;

    to[n++] = (uint8_t)(r->type | (r->left_out ? LEFT_OUT : 0));
    for (unsigned i = 0; i < shape->outs; i++)
        n += tap_varint(to + n, r->out[i]);
    for (unsigned i = 0; i < shape->ins; i++)
        n += tap_varint(to + n, r->in[i]);
    if (shape->bytes) {
        uint32_t len = r->bytes && !r->left_out ? r->len : 0;

        n += tap_varint(to + n, len);
        if (len)
            memcpy(to + n, r->bytes, len);
        n += len;
    }
    return n;
}

int tap_decode(const uint8_t **at, const uint8_t *end, struct tap_record *r)
{
    const struct tap_shape *shape;
    uint64_t len = 0;
    bool ok = true;

    if (*at == end)
        return -EBADMSG;
    *r = (struct tap_record){ .type = **at & ~LEFT_OUT & 0xff, .left_out = **at & LEFT_OUT };
    ++*at;
    if (r->type == TAP_NONE || r->type >= TAP_TYPES)
        return -EBADMSG;
    shape = &tap_shapes[r->type];
    for (unsigned i = 0; i < shape->outs && ok; i++)
        ok = tap_read_varint(at, end, &r->out[i]);
    for (unsigned i = 0; i < shape->ins && ok; i++)
        ok = tap_read_varint(at, end, &r->in[i]);
    if (ok && shape->bytes)
        ok = tap_read_varint(at, end, &len) && len <= RECORDING_BYTES &&
             len <= (uint64_t)(end - *at);
    if (!ok)
        return -EBADMSG;
    r->bytes = len ? *at : NULL;
    r->len = (uint32_t)len;
    *at += len;
    return 0;
}

/* --- For people. */

static void describe_request(const struct tap_record *r, char *to, size_t size)
{
    static const char *const types[] = { "port", "memory", "PCI configuration" };
    struct request q = tap_request_of(r);
    int n = snprintf(to, size, "%s %s 0x%" PRIx64 ", %u bytes",
                     q.type < ARRAY_SIZE(types) ? types[q.type] : "unknown",
                     q.read ? "read" : "write", q.addr, q.size);
    size_t at = n > 0 && (size_t)n < size ? (size_t)n : 0;

    if (q.count != 1)
        at += (size_t)snprintf(to + at, size - at, " %u times", q.count);
    if (q.data_is_ptr && at < size)
        at += (size_t)snprintf(to + at, size - at, ", memory 0x%" PRIx64, q.data);
    else if (!q.read && !r->left_out && at < size)
        at += (size_t)snprintf(to + at, size - at, ", value 0x%" PRIx64, q.data);
    if (at < size)
        snprintf(to + at, size - at, q.vcpu == REQUEST_BUFFERED ? " (buffered)" : " (vCPU %u)",
                 q.vcpu);
}

void tap_describe(const struct tap_record *r, char *to, size_t size)
{
    const struct tap_shape *shape = &tap_shapes[r->type < TAP_TYPES ? r->type : 0];
    size_t at;

    if (r->type == TAP_REQUEST) {
        describe_request(r, to, size);
        return;
    }
    at = (size_t)snprintf(to, size, "%s", shape->name ? shape->name : "nothing");
    for (unsigned i = 0; i < shape->outs && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, " 0x%" PRIx64, r->out[i]);
    for (unsigned i = 0; i < shape->ins && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s0x%" PRIx64, i ? " " : " : ", r->in[i]);
    if (shape->bytes && at < size)
        at += (size_t)snprintf(to + at, size - at, " (%u bytes)", r->len);
    if (r->left_out && at < size)
        snprintf(to + at, size - at, " (left out)");
}
