/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gmem - the one door to guest memory.
 *
 * Every access states an address and a length, is all or nothing as far as the result says, marks
 * written pages dirty for live migration, and can fail: frames may be absent (ballooned out), not
 * RAM, or vanish at any time. Small things are copied; only bulk payload is mapped, from submit to
 * completion. Devices use the dma_* functions, which also obey the bus master bit.
 */
#ifndef HW_CORE_GMEM_H
#define HW_CORE_GMEM_H

#include <sys/uio.h>

#include "hw/core/bits.h"

typedef struct {
    uint64_t v;
} gpa_t; /* guest physical address: cannot be dereferenced, added to, or passed as a size */

#define GPA(x) ((gpa_t){ (x) })

struct device;
struct gmem;
struct hv;

enum gmem_dir { GMEM_TO_DEVICE, GMEM_TO_GUEST };

/* false on wrap past 2^64. */
MUST_CHECK static inline bool gpa_add(gpa_t a, uint64_t n, gpa_t *out)
{
    out->v = a.v + n;
    return out->v >= a.v;
}

struct gmem *gmem_new(struct hv *hv, unsigned buckets); /* NULL with errno */
void gmem_free(struct gmem *m);
void gmem_invalidate(struct gmem *m); /* the guest's memory map changed: forget all mappings */

/* All or -EFAULT. A failed read fills the rest with ones, as an aborted bus cycle would. */
MUST_CHECK int gmem_read(struct gmem *m, gpa_t from, void *to, size_t len);
MUST_CHECK int gmem_write(struct gmem *m, gpa_t to, const void *from, size_t len);

/* Store 4 or 8 bytes, aligned to that, which the guest sees at once and behind all that was written
 * before. 0 or -EFAULT. */
MUST_CHECK int gmem_store(struct gmem *m, gpa_t at, uint64_t value, unsigned len);
/* Tell live migration of what may have been written there; len > 0. */
void gmem_dirty(struct gmem *m, gpa_t at, size_t len);

/* A mapping of guest memory for host I/O: at most GMEM_PIECES runs of host memory. */
#define GMEM_PIECES 18 /* 1 MiB + one unaligned bucket, in buckets of 64 KiB */
struct gmem_map {
    struct gmem *m;
    gpa_t gpa;
    size_t len;
    enum gmem_dir dir;
    int n;
    struct iovec iov[GMEM_PIECES];
    uint32_t ref[GMEM_PIECES]; /* what keeps each piece mapped */
};

/* Map [gpa, gpa+len), len <= 1 MiB. 0 or -EFAULT (nothing mapped then). Valid until gmem_unmap(),
 * which marks the pages dirty if dir is GMEM_TO_GUEST; unmapping an empty map is nothing. */
MUST_CHECK int gmem_map(struct gmem *m, gpa_t gpa, size_t len, enum gmem_dir dir,
                        struct gmem_map *map);
void gmem_unmap(struct gmem_map *map);

/* The same for a device: -EFAULT unless its PCI function may master the bus; counted. */
MUST_CHECK int dma_read(struct device *d, gpa_t from, void *to, size_t len);
MUST_CHECK int dma_write(struct device *d, gpa_t to, const void *from, size_t len);
MUST_CHECK int dma_map(struct device *d, gpa_t gpa, size_t len, enum gmem_dir dir,
                       struct gmem_map *map);
/* Read one object; its size cannot disagree with what is read. */
#define dma_fetch(d, gpa, obj) dma_read(d, gpa, obj, sizeof *(obj))

#endif
