/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bmide - bus master registers of the IDE function and the walk through the PRD table.
 *
 * Datasheet: Intel 290550, "82371FB (PIIX) and 82371SB (PIIX3)", bus master IDE registers and
 *            "PCI local bus IDE - bus master function"; PRD format: SFF-8038i rev 1.0.
 * Present:   BMICX, BMISX, BMIDTPX in any width; direct transfers between the image and guest
 *            memory; regions that no whole sector fits go through the channel's buffer; the three
 *            ends of SFF-8038i (all used: active 0; data ended first: active 1; table ended first:
 *            active 0 and no interrupt, the drive goes on waiting for a new start).
 * Absent:    comparison of RWCON with the drive's direction (the drive's counts), regions that wrap
 *            at 64 KiB (they go on linearly up to 4 GiB), simplex mode.
 * Choice:    after a memory error (DMAERR) the drive aborts its command and interrupts, where a
 * real one would keep the guest waiting for its own time limit.
 */
#include "hw/storage/ide.h"

#include <errno.h>

#include "hw/core/trace.h"

enum { PRD_EOT = 0x80, PRD_REGION = 0x10000 };
struct prd {
    uint8_t base[4], count[2], reserved, flags;
};
static_assert(sizeof(struct prd) == 8, "PRD entry as the guest lays it out");

static const uint32_t direct_max = 4u << 20; /* bytes in one direct transfer */
static const uint32_t map_max = 1u << 20;    /* bytes in one mapping (gmem.h) */

/* --- the walk --- */

static struct prd_walk walk_get(const struct ide_state *s)
{
    return (struct prd_walk){ .next = s->prd_next,
                              .at = s->prd_at,
                              .left = s->prd_left,
                              .count = s->prd_count,
                              .last = s->prd_last };
}

static void walk_put(struct ide_state *s, const struct prd_walk *w)
{
    s->prd_next = w->next;
    s->prd_at = w->at;
    s->prd_left = w->left;
    s->prd_count = w->count;
    s->prd_last = w->last;
}

/* The entry at the walk's place. A walk that was taken back sees the copy that it saw before, not
 * what the guest has made of it since (S3). */
static int prd_fetch(struct chan *ch, const struct prd_walk *w, struct prd *e)
{
    struct ide_prd *seen = &ch->h->seen[w->count % IDE_PRD_SEEN];

    static_assert(sizeof seen->bytes == sizeof *e, "a copy of an entry");
    if (seen->number != w->count + 1) {
        if (dma_fetch(&ch->ide->dev, GPA(w->next), e) < 0)
            return -EFAULT;
        memcpy(seen->bytes, e, sizeof *e);
        seen->number = w->count + 1;
    }
    memcpy(e, seen->bytes, sizeof *e);
    return 0;
}

/* Make sure that the walk stands in a region with bytes left. -ENODATA: the table has ended;
 * -EFAULT: it cannot be read, or has no end within 64 KiB. */
static int walk_region(struct chan *ch, struct prd_walk *w)
{
    struct prd e;

    if (w->left)
        return 0;
    if (w->last)
        return -ENODATA;
    if (w->count >= IDE_PRD_MAX || prd_fetch(ch, w, &e) < 0)
        return -EFAULT;
    w->count++;
    w->next = (w->next & 0xffff0000) | ((w->next + 8) & 0xffff);
    w->at = le32(e.base) & ~1u;
    w->left = le16(e.count) & ~1u;
    if (!w->left)
        w->left = PRD_REGION;
    w->last = e.flags & PRD_EOT ? 1 : 0;
    return 0;
}

/* Take up to `max` bytes off the current region. */
static uint32_t walk_take(struct prd_walk *w, uint32_t max)
{
    uint64_t to_end = UINT64_C(0x100000000) - w->at;
    uint32_t n = w->left < max ? w->left : max;

    if (n > to_end)
        n = (uint32_t)to_end;
    w->at += n;
    w->left -= n;
    return n;
}

/* Copy n bytes between the buffer at `pos` and the regions; how many were copied, and in *error
 * why it stopped early: -ENODATA or -EFAULT. */
static uint32_t prd_copy(struct chan *ch, uint32_t pos, uint32_t n, bool to_guest, int *error)
{
    struct device *d = &ch->ide->dev;
    struct prd_walk w = walk_get(ch->s);
    uint32_t done = 0;

    *error = 0;
    if (pos > IDE_BUFFER || n > IDE_BUFFER - pos)
        n = 0;
    while (done < n) {
        struct prd_walk before = w;
        uint32_t at, len;

        *error = walk_region(ch, &w);
        if (*error < 0) {
            w = before;
            break;
        }
        at = w.at;
        len = walk_take(&w, n - done);
        if (to_guest)
            *error = dma_write(d, GPA(at), ch->buf + pos + done, len);
        else
            *error = dma_read(d, GPA(at), ch->buf + pos + done, len);
        if (*error < 0) {
            *error = -EFAULT;
            break;
        }
        done += len;
    }
    walk_put(ch->s, &w);
    return done;
}

/* --- direct transfers --- */

void bmide_unmap(struct chan *ch)
{
    struct ide_host *h = ch->h;

    for (unsigned i = 0; i < h->npieces && i < IDE_PIECES; i++)
        gmem_unmap(&h->piece[i].map);
    h->npieces = 0;
}

/* Cut the first n pieces, `total` bytes, down to whole sectors; the walk goes back as far. Returns
 * the bytes that stay and leaves their number of pieces in *n. */
static uint32_t pieces_trim(struct ide_host *h, unsigned *n, uint32_t total, struct prd_walk *w)
{
    uint32_t excess = total % IDE_SECTOR;

    total -= excess;
    while (excess && *n) {
        struct ide_piece *p = &h->piece[*n - 1];
        uint32_t cut = excess < p->len ? excess : p->len;

        excess -= cut;
        if (cut < p->len) {
            /* Inside a piece the regions are contiguous, but may be several: walk to the cut. */
            p->len -= cut;
            w->at -= cut;
            w->left += cut;
        } else {
            *w = p->before;
            --*n;
        }
    }
    return total;
}

/* Collect regions for the next direct transfer without mapping them. */
static uint32_t pieces_collect(struct chan *ch, unsigned *n, struct prd_walk *w)
{
    struct ide_host *h = ch->h;
    uint64_t left = ch->s->xfer_left;
    uint32_t want = left < direct_max ? (uint32_t)left : direct_max;
    uint32_t total = 0, first = w->count;

    *n = 0;
    while (total < want && w->count - first < IDE_PRD_SEEN) {
        struct prd_walk before = *w;
        uint32_t at, len;

        if (walk_region(ch, w) < 0) {
            *w = before;
            break;
        }
        at = w->at;
        len = walk_take(w, want - total);
        if (*n && len % IDE_SECTOR == 0 && h->piece[*n - 1].len % IDE_SECTOR == 0 &&
            h->piece[*n - 1].at + h->piece[*n - 1].len == at &&
            h->piece[*n - 1].len + len <= map_max) {
            h->piece[*n - 1].len += len;
        } else if (*n < IDE_PIECES) {
            h->piece[*n].at = at;
            h->piece[*n].len = len;
            h->piece[*n].before = before;
            ++*n;
        } else {
            *w = before;
            break;
        }
        total += len;
    }
    return pieces_trim(h, n, total, w);
}

/* Map the pieces as far as that goes. Returns the bytes ready in h->iov (whole sectors, maybe 0).
 */
static uint32_t pieces_map(struct chan *ch, unsigned n, uint32_t total, struct prd_walk *w,
                           int *niov)
{
    struct ide_host *h = ch->h;
    enum gmem_dir dir = ch->s->out ? GMEM_TO_DEVICE : GMEM_TO_GUEST;
    uint32_t ready = 0;

    *niov = 0;
    for (unsigned i = 0; i < n; i++) {
        struct ide_piece *p = &h->piece[i];

        if (dma_map(&ch->ide->dev, GPA(p->at), p->len, dir, &p->map) < 0)
            break;
        if (*niov + p->map.n > IDE_IOVS) {
            gmem_unmap(&p->map);
            break;
        }
        memcpy(&h->iov[*niov], p->map.iov, (size_t)p->map.n * sizeof h->iov[0]);
        *niov += p->map.n;
        ready += p->len;
        h->npieces = i + 1;
    }
    if (ready == total)
        return ready;
    /* Stop before the piece that failed if what precedes it is whole sectors; else give up: the
     * buffer path finds out exactly what is wrong. */
    if (ready % IDE_SECTOR || !ready) {
        bmide_unmap(ch);
        return 0;
    }
    *w = h->piece[h->npieces].before;
    return ready;
}

/* --- the phase PHASE_DMA --- */

/* Nothing more comes from the table until the guest starts the bus master again. */
static void bmide_stopped(struct chan *ch, int error)
{
    struct ide_state *s = ch->s;

    CLR(s, BMISX, BMIDEA);
    if (error == -ENODATA) {
        s->phase = PHASE_DMA_WAIT;
        return;
    }
    SET(s, BMISX, DMAERR);
    guest_log(&ch->ide->dev, "channel %u: DMA failed near PRD %08x", ch->c, s->prd_next);
    ata_fail(ch, -EFAULT);
}

void bmide_end(struct chan *ch)
{
    if (!ch->s->prd_left && ch->s->prd_last)
        CLR(ch->s, BMISX, BMIDEA);
}

static void bmide_finish(struct chan *ch)
{
    bmide_end(ch);
    if (ide_is_packet(ch))
        atapi_good(ch);
    else
        ata_finish(ch);
}

/* Buffer to guest. */
static void bmide_scatter(struct chan *ch)
{
    struct ide_state *s = ch->s;
    int error;

    s->buf_pos += prd_copy(ch, s->buf_pos, s->buf_len - s->buf_pos, true, &error);
    if (error < 0)
        bmide_stopped(ch, error);
    else
        s->buf_pos = s->buf_len = 0;
}

/* Guest to buffer, one sector; then it is stored, or, for a list of ranges, worked through. */
static void bmide_gather(struct chan *ch)
{
    struct ide_state *s = ch->s;
    int error = 0;

    if (s->buf_len < IDE_SECTOR)
        s->buf_len += prd_copy(ch, s->buf_len, IDE_SECTOR - s->buf_len, false, &error);
    s->buf_pos = 0;
    if (error < 0) {
        bmide_stopped(ch, error);
    } else if (s->command == COMMAND_TRIM) {
        bmide_end(ch);
        s->xfer_left = 0;
        s->phase = PHASE_DISCARD;
    } else {
        s->phase = PHASE_STORE;
    }
}

/* Start a direct transfer; false when none is possible here. */
static bool bmide_direct(struct chan *ch, bool *pending)
{
    struct ide_host *h = ch->h;
    struct ide_state *s = ch->s;
    struct prd_walk w = walk_get(s);
    unsigned n;
    int niov = 0, result = 0;
    uint32_t len = pieces_collect(ch, &n, &w);

    if (len)
        len = pieces_map(ch, n, len, &w, &niov);
    if (!len)
        return false;
    h->after = w;
    *pending = !ide_submit(ch, s->out ? BLOCK_WRITE : BLOCK_READ, s->xfer_at, len, niov, &result);
    if (!*pending)
        bmide_done(ch, result);
    return true;
}

bool bmide_step(struct chan *ch)
{
    struct ide_state *s = ch->s;
    bool pending = false;

    if (!HAS(s, BMISX, BMIDEA)) {
        s->phase = PHASE_DMA_WAIT; /* stopped by the guest meanwhile */
        return true;
    }
    if (!s->out && s->buf_pos < s->buf_len) {
        bmide_scatter(ch);
    } else if (!s->xfer_left) {
        bmide_finish(ch);
    } else if (s->raw || s->command == COMMAND_TRIM || s->buf_len || !bmide_direct(ch, &pending)) {
        if (s->out)
            bmide_gather(ch);
        else
            s->phase = PHASE_FETCH;
    }
    return !pending;
}

void bmide_done(struct chan *ch, int result)
{
    struct ide_host *h = ch->h;
    struct ide_state *s = ch->s;
    uint64_t len = h->req.length;

    bmide_unmap(ch); /* marks the pages dirty even after an error: some may have been written */
    if (result < 0) {
        ata_fail(ch, result);
        return;
    }
    walk_put(s, &h->after);
    s->xfer_at += len;
    s->xfer_left -= len < s->xfer_left ? len : s->xfer_left;
}

void bmide_begin(struct chan *ch)
{
    ch->s->phase = HAS(ch->s, BMISX, BMIDEA) ? PHASE_DMA : PHASE_DMA_WAIT;
    ide_run(ch);
}

/* --- registers --- */

static void bmicx_write(struct chan *ch, uint8_t value)
{
    struct ide_state *s = ch->s;
    uint8_t old = s->BMICX;

    s->BMICX = value & BMICX_SSBM;
    /* The direction must not change under a running transfer. */
    s->BMICX |= (HAS(s, BMISX, BMIDEA) ? old : value) & BMICX_RWCON;
    if (!(old & BMICX_SSBM) && (value & BMICX_SSBM)) {
        walk_put(s, &(struct prd_walk){ .next = s->BMIDTPX });
        memset(ch->h->seen, 0, sizeof ch->h->seen);
        SET(s, BMISX, BMIDEA);
        if (s->phase == PHASE_DMA_WAIT) {
            s->phase = PHASE_DMA;
            ide_run(ch);
        }
    } else if ((old & BMICX_SSBM) && !(value & BMICX_SSBM)) {
        CLR(s, BMISX, BMIDEA);
        if (s->phase == PHASE_DMA) { /* nothing may reach guest memory after this access */
            ide_settle(ch);
            ide_run(ch);
        }
    }
}

static uint8_t bmide_byte(const struct ide_state *s, unsigned reg)
{
    switch (reg) {
    case 0:
        return s->BMICX;
    case 2:
        return s->BMISX;
    case 4:
    case 5:
    case 6:
    case 7:
        return (uint8_t)(s->BMIDTPX >> (8 * (reg - 4)));
    default:
        return 0;
    }
}

static void bmide_byte_write(struct chan *ch, unsigned reg, uint8_t value)
{
    struct ide_state *s = ch->s;
    unsigned shift = 8 * (reg & 3);

    switch (reg) {
    case 0:
        bmicx_write(ch, value);
        break;
    case 2:
        s->BMISX = (uint8_t)((s->BMISX & BMISX_BMIDEA) | (value & BMISX_DMACAP) |
                             (s->BMISX & ~value & (BMISX_DMAERR | BMISX_IDEINTS)));
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        s->BMIDTPX = (s->BMIDTPX & ~(0xffu << shift)) | (uint32_t)value << shift;
        s->BMIDTPX &= ~3u;
        break;
    default:
        break;
    }
}

uint64_t bmide_read(struct device *d, uint32_t offset, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width && offset + i < 16; i++) {
        struct chan ch = ide_chan(d, (offset + i) / 8);

        value |= (uint64_t)bmide_byte(ch.s, (offset + i) % 8) << (8 * i);
    }
    return value;
}

void bmide_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    /* High bytes first: a wide write that clears status bits and starts does so in this order. */
    for (unsigned i = width; i-- > 0;) {
        struct chan ch = ide_chan(d, (offset + i) / 8 % IDE_CHANNELS);

        bmide_byte_write(&ch, (offset + i) % 8, (uint8_t)(value >> (8 * i)));
    }
}
