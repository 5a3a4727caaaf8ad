/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim_memory - guest frames of the simulator: a memory file, a frame table, failures, flip memory.
 *
 * Frame numbers and pages of the file are apart, so that frames can be added, moved and given up
 * while old mappings of them live on, as with foreign mappings under Xen. A run of frames that is
 * contiguous in the file is mapped by a pointer into the one mapping of the whole file; anything
 * else gets a mapping of its own with inaccessible pages where frames are absent.
 *
 * Absent: write protection of HV_RAM_RO frames (the device model may write them under Xen, too).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/bits.h"
#include "ioreq/sim_private.h"

#define HOLE_FIRST 0xa0u /* VGA window */
#define HOLE_LAST  0xbfu
#define LOW_LIMIT  (UINT64_C(0xf0000000) >> HV_PAGE_SHIFT)
#define HIGH_BASE  (UINT64_C(1) << (32 - HV_PAGE_SHIFT))

static struct sim *sim_of(struct hv *hv)
{
    return (struct sim *)(void *)hv;
}

static struct sim_frame *frame_slot(struct sim_memory *m, uint64_t gfn)
{
    struct sim_frame **leaf;

    if (gfn >= SIM_GFN_LIMIT)
        return NULL;
    leaf = &m->leaf[gfn >> SIM_LEAF_BITS];
    if (!*leaf)
        *leaf = calloc(SIM_LEAF_SIZE, sizeof **leaf);
    return *leaf ? *leaf + (gfn & (SIM_LEAF_SIZE - 1)) : NULL;
}

struct sim_frame *sim_frame(struct sim_memory *m, uint64_t gfn)
{
    struct sim_frame *leaf = gfn < SIM_GFN_LIMIT ? m->leaf[gfn >> SIM_LEAF_BITS] : NULL;

    if (!leaf || !leaf[gfn & (SIM_LEAF_SIZE - 1)].backing)
        return NULL;
    return leaf + (gfn & (SIM_LEAF_SIZE - 1));
}

static uint8_t *host_of(struct sim_memory *m, const struct sim_frame *f)
{
    return m->base + (size_t)(f->backing - 1) * HV_PAGE_SIZE;
}

/* A page of zeroes, +1; 0 when there is none. */
static uint32_t page_new(struct sim_memory *m)
{
    uint32_t page;

    if (m->next_page < m->pages)
        return ++m->next_page;
    if (!m->free_count)
        return 0;
    page = m->free_pages[m->free_head];
    m->free_head = (m->free_head + 1) % m->pages;
    m->free_count--;
    memset(m->base + (size_t)(page - 1) * HV_PAGE_SIZE, 0, HV_PAGE_SIZE);
    return page;
}

static void page_free(struct sim_memory *m, uint32_t page)
{
    m->free_pages[(m->free_head + m->free_count) % m->pages] = page;
    m->free_count++;
}

static int ram_fill(struct sim_memory *m, uint64_t frames)
{
    for (uint64_t i = 0; i < frames; i++) {
        uint64_t gfn = i < LOW_LIMIT ? i : i - LOW_LIMIT + HIGH_BASE;
        struct sim_frame *f;

        m->next_page++; /* page number follows frame number: runs stay contiguous */
        if (gfn >= HOLE_FIRST && gfn <= HOLE_LAST)
            continue;
        f = frame_slot(m, gfn);
        if (!f)
            return -ENOMEM;
        f->backing = m->next_page;
    }
    return 0;
}

int sim_memory_init(struct sim_memory *m, const struct sim_options *o)
{
    uint64_t ram = (o->ram_size ? o->ram_size : 16u << 20) >> HV_PAGE_SHIFT;
    uint64_t spare = (o->spare_size ? o->spare_size : 64u << 20) >> HV_PAGE_SHIFT;

    m->fd = -1;
    if (ram + spare > SIM_GFN_LIMIT / 2)
        return -EINVAL;
    m->pages = (uint32_t)(ram + spare);
    m->fd = memfd_create("guest-ram", MFD_CLOEXEC);
    if (m->fd < 0 || ftruncate(m->fd, (off_t)m->pages * HV_PAGE_SIZE) < 0)
        return -errno;
    m->base =
        mmap(NULL, (size_t)m->pages * HV_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (m->base == MAP_FAILED) {
        m->base = NULL;
        return -errno;
    }
    m->free_pages = calloc(m->pages, sizeof *m->free_pages);
    if (!m->free_pages)
        return -ENOMEM;
    return ram_fill(m, ram);
}

void sim_memory_free(struct sim_memory *m)
{
    for (unsigned i = 0; i < SIM_LEAVES; i++)
        free(m->leaf[i]);
    if (m->base)
        munmap(m->base, (size_t)m->pages * HV_PAGE_SIZE);
    if (m->fd >= 0)
        close(m->fd);
    free(m->free_pages);
    free(m->flip);
}

/* --- Port operations. */

static bool mappable(const struct sim_frame *f)
{
    return f && f->type != HV_MMIO_DM;
}

static void *map_scattered(struct sim_memory *m, uint64_t gfn, unsigned nr)
{
    uint8_t *at =
        mmap(NULL, (size_t)nr * HV_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    for (unsigned i = 0; i < nr; i++) {
        const struct sim_frame *f = sim_frame(m, gfn + i);

        if (mappable(f) && mmap(at + (size_t)i * HV_PAGE_SIZE, HV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_FIXED, m->fd,
                                (off_t)(f->backing - 1) * HV_PAGE_SIZE) == MAP_FAILED) {
            munmap(at, (size_t)nr * HV_PAGE_SIZE);
            return NULL;
        }
    }
    return at;
}

void *sim_map_frames(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    const struct sim_frame *first = sim_frame(m, gfn);
    uint32_t bits = 0;
    bool contiguous = true;

    *present = 0;
    if (nr < 1 || nr > 16 || (m->fail_map && --m->fail_map == 0))
        return NULL;
    for (unsigned i = 0; i < nr; i++) {
        const struct sim_frame *f = sim_frame(m, gfn + i);

        if (mappable(f))
            bits |= 1u << i;
        contiguous = contiguous && mappable(f) && f->backing == first->backing + i;
    }
    if (!bits)
        return NULL;
    *present = bits;
    return contiguous ? host_of(m, first) : map_scattered(m, gfn, nr);
}

void sim_unmap_frames(struct hv *hv, void *host, unsigned nr)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    uintptr_t at = (uintptr_t)host, base = (uintptr_t)m->base;

    if (at < base || at >= base + (size_t)m->pages * HV_PAGE_SIZE)
        munmap(host, (size_t)nr * HV_PAGE_SIZE);
}

int sim_mark_dirty(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    for (uint64_t i = 0; i < nr && gfn + i < SIM_GFN_LIMIT; i++) {
        struct sim_frame *f = sim_frame(&sim_of(hv)->mem, gfn + i);

        if (f)
            f->dirty = true;
    }
    return 0;
}

int sim_populate(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    if (nr > SIM_GFN_LIMIT || gfn > SIM_GFN_LIMIT - nr)
        return -EINVAL;
    for (uint64_t i = 0; i < nr; i++) {
        struct sim_frame *f = frame_slot(m, gfn + i);
        uint32_t page;

        if (!f)
            return -ENOMEM;
        if (f->backing)
            return -EEXIST;
        page = page_new(m);
        if (!page)
            return -ENOMEM;
        *f = (struct sim_frame){ .backing = page };
    }
    return 0;
}

int sim_relocate(struct hv *hv, uint64_t from, uint64_t to, uint64_t nr)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    if (nr > SIM_GFN_LIMIT || from > SIM_GFN_LIMIT - nr || to > SIM_GFN_LIMIT - nr)
        return -EINVAL;
    if (from == to)
        return 0;
    for (uint64_t n = 0; n < nr; n++) {
        uint64_t i = to > from ? nr - 1 - n : n; /* as memmove */
        struct sim_frame *src = sim_frame(m, from + i), *dst = frame_slot(m, to + i);

        if (!dst)
            return -ENOMEM;
        if (!src)
            return -EINVAL;
        if (dst->backing)
            page_free(m, dst->backing);
        *dst = *src;
        *src = (struct sim_frame){ 0 };
    }
    return 0;
}

int sim_pin_cacheattr(struct hv *hv, uint64_t first, uint64_t last, bool write_back)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    if (first > last)
        return -EINVAL;
    for (unsigned i = 0; i < m->pins; i++) {
        if (m->pin[i].first == first && m->pin[i].last == last) {
            if (!write_back)
                m->pin[i] = m->pin[--m->pins];
            return 0;
        }
        if (write_back && m->pin[i].first <= last && first <= m->pin[i].last)
            return -EBUSY;
    }
    if (!write_back)
        return -ENOENT;
    if (m->pins == SIM_PINS)
        return -ENOSPC;
    m->pin[m->pins++] = (struct range){ first, last };
    return 0;
}

int sim_set_mem_type(struct hv *hv, uint64_t gfn, uint64_t nr, enum hv_mem_type type)
{
    for (uint64_t i = 0; i < nr; i++) {
        struct sim_frame *f = sim_frame(&sim_of(hv)->mem, gfn + i);

        if (f)
            f->type = (uint8_t)type;
        else if (type != HV_MMIO_DM)
            return -EINVAL;
    }
    return 0;
}

/* --- Filters of the guest-memory door. */

static int count_copy(struct sim_memory *m)
{
    m->copies++;
    return m->fail_copy && --m->fail_copy == 0 ? -EFAULT : 0;
}

static void flip_mark(struct sim_memory *m, size_t at, bool on)
{
    if (on)
        m->flip[at / 8] = (uint8_t)(m->flip[at / 8] | 1u << (at % 8));
    else
        m->flip[at / 8] = (uint8_t)(m->flip[at / 8] & ~(1u << (at % 8)));
}

/* One page's part of a read: complement what was read before, note all of it. */
static void flip_piece(struct sim_memory *m, uint32_t page, uint32_t offset, uint8_t *buf,
                       uint32_t len)
{
    size_t at = (size_t)page * HV_PAGE_SIZE + offset;

    for (uint32_t i = 0; i < len; i++) {
        if (m->flip[(at + i) / 8] >> ((at + i) % 8) & 1) {
            buf[i] = (uint8_t)~buf[i];
            m->flip_hits++;
        }
        flip_mark(m, at + i, true);
    }
    if (m->flip_marks < SIM_FLIP_LOG) {
        m->flip_log[m->flip_marks].page = page;
        m->flip_log[m->flip_marks].offset = offset;
        m->flip_log[m->flip_marks].len = len;
    }
    m->flip_marks++;
}

int sim_read_filter(struct hv *hv, uint64_t gpa, void *buf, size_t len)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    int err = count_copy(m);

    for (size_t done = 0, n; m->flip && done < len; done += n) {
        uint32_t offset = (uint32_t)(gpa + done) & (HV_PAGE_SIZE - 1);
        const struct sim_frame *f = sim_frame(m, (gpa + done) >> HV_PAGE_SHIFT);

        n = HV_PAGE_SIZE - offset < len - done ? HV_PAGE_SIZE - offset : len - done;
        if (f)
            flip_piece(m, f->backing - 1, offset, (uint8_t *)buf + done, (uint32_t)n);
    }
    return err;
}

int sim_write_filter(struct hv *hv, uint64_t gpa, size_t len)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    int err = count_copy(m);

    /* What the device wrote itself it may read back. */
    for (size_t i = 0; m->flip && i < len; i++) {
        const struct sim_frame *f = sim_frame(m, (gpa + i) >> HV_PAGE_SHIFT);

        if (f)
            flip_mark(m, (size_t)(f->backing - 1) * HV_PAGE_SIZE + ((gpa + i) & 0xfff), false);
    }
    return err;
}

void sim_flip_reset(struct hv *hv)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    if (!m->flip)
        return;
    if (m->flip_marks > SIM_FLIP_LOG)
        memset(m->flip, 0, (size_t)m->pages * HV_PAGE_SIZE / 8);
    for (uint32_t i = 0; i < m->flip_marks && m->flip_marks <= SIM_FLIP_LOG; i++) {
        for (uint32_t n = 0; n < m->flip_log[i].len; n++)
            flip_mark(m, (size_t)m->flip_log[i].page * HV_PAGE_SIZE + m->flip_log[i].offset + n,
                      false);
    }
    m->flip_marks = 0;
}

int sim_flip_enable(struct hv *hv, bool on)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    free(m->flip);
    m->flip = NULL;
    m->flip_marks = 0;
    m->flip_hits = 0;
    if (!on)
        return 0;
    m->flip = calloc((size_t)m->pages * HV_PAGE_SIZE / 8, 1);
    return m->flip ? 0 : -ENOMEM;
}

uint64_t sim_flip_hits(struct hv *hv)
{
    return sim_of(hv)->mem.flip_hits;
}

void sim_fail_map(struct hv *hv, unsigned n)
{
    sim_of(hv)->mem.fail_map = n;
}

void sim_fail_copy(struct hv *hv, unsigned n)
{
    sim_of(hv)->mem.fail_copy = n;
}

uint64_t sim_copies(struct hv *hv)
{
    return sim_of(hv)->mem.copies;
}

/* --- The test's own access. */

static bool ram_copy(struct hv *hv, uint64_t gpa, uint8_t *out, const uint8_t *in, size_t len)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    for (size_t done = 0, n; done < len; done += n) {
        size_t offset = (gpa + done) & (HV_PAGE_SIZE - 1);
        const struct sim_frame *f = sim_frame(m, (gpa + done) >> HV_PAGE_SHIFT);

        n = HV_PAGE_SIZE - offset < len - done ? HV_PAGE_SIZE - offset : len - done;
        if (!f)
            return false;
        if (out)
            memcpy(out + done, host_of(m, f) + offset, n);
        else
            memcpy(host_of(m, f) + offset, in + done, n);
    }
    return true;
}

bool sim_ram_read(struct hv *hv, uint64_t gpa, void *buf, size_t len)
{
    return ram_copy(hv, gpa, buf, NULL, len);
}

bool sim_ram_write(struct hv *hv, uint64_t gpa, const void *buf, size_t len)
{
    return ram_copy(hv, gpa, NULL, buf, len);
}

void *sim_ram_ptr(struct hv *hv, uint64_t gpa, size_t len)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    const struct sim_frame *first = sim_frame(m, gpa >> HV_PAGE_SHIFT);
    uint64_t pages = ((gpa & (HV_PAGE_SIZE - 1)) + len + HV_PAGE_SIZE - 1) >> HV_PAGE_SHIFT;

    if (!first || !len)
        return NULL;
    for (uint64_t i = 1; i < pages; i++) {
        const struct sim_frame *f = sim_frame(m, (gpa >> HV_PAGE_SHIFT) + i);

        if (!f || f->backing != first->backing + i)
            return NULL;
    }
    return host_of(m, first) + (gpa & (HV_PAGE_SIZE - 1));
}

bool sim_balloon_out(struct hv *hv, uint64_t gfn)
{
    struct sim_memory *m = &sim_of(hv)->mem;
    struct sim_frame *f = sim_frame(m, gfn);

    if (!f)
        return false;
    page_free(m, f->backing);
    *f = (struct sim_frame){ 0 };
    return true;
}

bool sim_frame_present(struct hv *hv, uint64_t gfn)
{
    return sim_frame(&sim_of(hv)->mem, gfn) != NULL;
}

enum hv_mem_type sim_mem_type(struct hv *hv, uint64_t gfn)
{
    const struct sim_frame *f = sim_frame(&sim_of(hv)->mem, gfn);

    return f ? (enum hv_mem_type)f->type : HV_MMIO_DM;
}

bool sim_pinned(struct hv *hv, uint64_t gfn)
{
    const struct sim_memory *m = &sim_of(hv)->mem;

    for (unsigned i = 0; i < m->pins; i++) {
        if (m->pin[i].first <= gfn && gfn <= m->pin[i].last)
            return true;
    }
    return false;
}

bool sim_dirty(struct hv *hv, uint64_t gfn)
{
    const struct sim_frame *f = sim_frame(&sim_of(hv)->mem, gfn);

    return f && f->dirty;
}

void sim_dirty_clear(struct hv *hv)
{
    struct sim_memory *m = &sim_of(hv)->mem;

    for (unsigned i = 0; i < SIM_LEAVES; i++) {
        for (unsigned n = 0; m->leaf[i] && n < SIM_LEAF_SIZE; n++)
            m->leaf[i][n].dirty = false;
    }
}
