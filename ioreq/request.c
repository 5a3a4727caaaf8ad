/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request - which accesses may reach the machine.
 *
 * Source: Xen public/hvm/ioreq.h for the forms; what Xen 4.17 generates in them (sizes, one page of
 *         elements per request) is the limit here, so that a device never meets anything else.
 * Absent: nothing.
 */
#include "ioreq/request.h"

#include "ioreq/hv.h"

#define PORTS       0x10000u
#define PCI_REG_MAX 0xfffu

static bool size_ok(uint32_t size, uint32_t largest)
{
    return size && size <= largest && (size & (size - 1)) == 0;
}

/* All elements of [addr, +size * count), or downward with df, exist without wrapping. */
static bool span_ok(uint64_t addr, uint32_t size, uint32_t count, bool df)
{
    uint64_t more = (uint64_t)size * (count - 1u);

    if (addr > UINT64_MAX - (size - 1u))
        return false;
    if (df)
        return addr >= more;
    return addr <= UINT64_MAX - (size - 1u) - more;
}

/* Xen clips a repeated access to one page of memory; one element may straddle two. */
static bool count_ok(const struct request *r)
{
    return r->count == 1 || (r->count > 1 && (uint64_t)r->count * r->size <= HV_PAGE_SIZE);
}

bool request_sane(const struct request *r)
{
    switch (r->type) {
    case REQ_PIO:
        if (!size_ok(r->size, 4) || r->addr > PORTS - r->size)
            return false;
        break;
    case REQ_COPY:
        if (!size_ok(r->size, 8) || !count_ok(r) || !span_ok(r->addr, r->size, r->count, r->df))
            return false;
        break;
    case REQ_PCI_CONFIG:
        /* An access at 0xcfd-0xcff that leaves the window is no configuration cycle. */
        if (!size_ok(r->size, 4) || (uint32_t)r->addr > PCI_REG_MAX || (r->addr & 3) + r->size > 4)
            return false;
        break;
    case REQ_TIMEOFFSET:
        return r->size == 8;
    case REQ_INVALIDATE:
        return true;
    default:
        return false;
    }
    if (!count_ok(r))
        return false;
    return !r->data_is_ptr || span_ok(r->data, r->size, r->count, r->df);
}
