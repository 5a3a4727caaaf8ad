/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gmem - see gmem.h. */
#include "hw/core/gmem.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/core/core.h"
#include "hw/core/trace.h"
#include "ioreq/mapcache.h"

#define MAP_MAX (1u << 20)

struct gmem {
    struct hv *hv;
    struct mapcache *cache;
};

struct gmem *gmem_new(struct hv *hv, unsigned buckets)
{
    struct gmem *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->hv = hv;
    m->cache = mapcache_new(hv, buckets);
    if (!m->cache) {
        free(m);
        return NULL;
    }
    return m;
}

void gmem_free(struct gmem *m)
{
    if (!m)
        return;
    mapcache_free(m->cache);
    free(m);
}

void gmem_invalidate(struct gmem *m)
{
    mapcache_invalidate(m->cache);
}

static void mark_dirty(struct gmem *m, uint64_t gpa, size_t len)
{
    uint64_t first = gpa >> HV_PAGE_SHIFT, last = (gpa + len - 1) >> HV_PAGE_SHIFT;

    m->hv->ops->mark_dirty(m->hv, first, last - first + 1);
}

static bool wraps(gpa_t a, size_t len)
{
    gpa_t end;

    return !gpa_add(a, len, &end);
}

/* Somebody may want to know, and to have another result. */
static int tell(struct gmem *m, enum hv_access what, gpa_t gpa, void *bytes, size_t len, int err)
{
    return m->hv->ops->accessed ? m->hv->ops->accessed(m->hv, what, gpa.v, bytes, len, err) : err;
}

static int copy_in(struct gmem *m, gpa_t from, void *to, size_t len)
{
    uint8_t *out = to;
    size_t n;

    if (wraps(from, len)) {
        memset(to, 0xff, len);
        return -EFAULT;
    }
    for (size_t at = 0; at < len; at += n) {
        const void *p;

        n = mapcache_run(from.v + at, len - at);
        p = mapcache_peek(m->cache, from.v + at, n);
        if (p)
            memcpy(out + at, p, n);
        if (!p || (m->hv->ops->read_filter &&
                   m->hv->ops->read_filter(m->hv, from.v + at, out + at, n) != 0)) {
            memset(out + at, 0xff, len - at);
            return -EFAULT;
        }
    }
    return 0;
}

int gmem_read(struct gmem *m, gpa_t from, void *to, size_t len)
{
    return tell(m, HV_ACCESS_READ, from, to, len, copy_in(m, from, to, len));
}

static int copy_out(struct gmem *m, gpa_t to, const void *from, size_t len)
{
    const uint8_t *in = from;
    size_t n;

    if (wraps(to, len))
        return -EFAULT;
    for (size_t at = 0; at < len; at += n) {
        void *p;

        n = mapcache_run(to.v + at, len - at);
        p = mapcache_peek(m->cache, to.v + at, n);
        if (!p || (m->hv->ops->write_filter && m->hv->ops->write_filter(m->hv, to.v + at, n) != 0))
            return -EFAULT;
        memcpy(p, in + at, n);
        mark_dirty(m, to.v + at, n);
    }
    return 0;
}

int gmem_write(struct gmem *m, gpa_t to, const void *from, size_t len)
{
    return tell(m, HV_ACCESS_WRITE, to, (void *)(uintptr_t)from, len, copy_out(m, to, from, len));
}

static int store_out(struct gmem *m, gpa_t at, uint64_t value, unsigned len)
{
    void *p;

    if ((len != 4 && len != 8) || at.v % len)
        return -EFAULT;
    p = mapcache_peek(m->cache, at.v, len);
    if (!p || (m->hv->ops->write_filter && m->hv->ops->write_filter(m->hv, at.v, len) != 0))
        return -EFAULT;
    if (len == 8)
        __atomic_store_n((uint64_t *)p, value, __ATOMIC_RELEASE);
    else
        __atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELEASE);
    mark_dirty(m, at.v, len);
    return 0;
}

int gmem_store(struct gmem *m, gpa_t at, uint64_t value, unsigned len)
{
    return tell(m, HV_ACCESS_WRITE, at, &value, len, store_out(m, at, value, len));
}

void gmem_dirty(struct gmem *m, gpa_t at, size_t len)
{
    if (!wraps(at, len))
        mark_dirty(m, at.v, len);
}

static int map_pieces(struct gmem *m, gpa_t gpa, size_t len, enum gmem_dir dir,
                      struct gmem_map *map)
{
    size_t n;

    *map = (struct gmem_map){ .m = m, .gpa = gpa, .len = len, .dir = dir };
    if (len == 0 || len > MAP_MAX || wraps(gpa, len))
        return -EFAULT;
    for (size_t at = 0; at < len; at += n) {
        struct mapcache_ref ref;
        void *p;

        n = mapcache_run(gpa.v + at, len - at);
        p = mapcache_get(m->cache, gpa.v + at, n, &ref);
        if (!p) {
            map->dir = GMEM_TO_DEVICE; /* nothing was written */
            gmem_unmap(map);
            return -EFAULT;
        }
        map->ref[map->n] = ref.entry;
        map->iov[map->n++] = (struct iovec){ p, n };
    }
    return 0;
}

int gmem_map(struct gmem *m, gpa_t gpa, size_t len, enum gmem_dir dir, struct gmem_map *map)
{
    enum hv_access what = dir == GMEM_TO_GUEST ? HV_ACCESS_MAP_OUT : HV_ACCESS_MAP_IN;
    int err = map_pieces(m, gpa, len, dir, map), told = tell(m, what, gpa, NULL, len, err);

    if (err == 0 && told < 0) {
        map->dir = GMEM_TO_DEVICE;
        gmem_unmap(map);
    }
    return err < 0 ? err : told;
}

void gmem_unmap(struct gmem_map *map)
{
    if (map->n && map->dir == GMEM_TO_GUEST)
        mark_dirty(map->m, map->gpa.v, map->len);
    for (int i = 0; i < map->n; i++) {
        struct mapcache_ref ref = { map->ref[i] };

        mapcache_put(map->m->cache, &ref);
    }
    map->n = 0;
}

bool dma_allowed(struct device *d)
{
    return !d->pci || pci_may_master(d);
}

int dma_read(struct device *d, gpa_t from, void *to, size_t len)
{
    int err = -EFAULT;

    d->stats.dma_reads++;
    d->stats.dma_bytes += len;
    if (dma_allowed(d))
        err = gmem_read(d->mem, from, to, len);
    else
        memset(to, 0xff, len);
    trace_dma(d, from.v, len, false, err);
    return err;
}

int dma_write(struct device *d, gpa_t to, const void *from, size_t len)
{
    int err = dma_allowed(d) ? gmem_write(d->mem, to, from, len) : -EFAULT;

    d->stats.dma_writes++;
    d->stats.dma_bytes += len;
    trace_dma(d, to.v, len, true, err);
    return err;
}

int dma_map(struct device *d, gpa_t gpa, size_t len, enum gmem_dir dir, struct gmem_map *map)
{
    int err;

    *map = (struct gmem_map){ 0 };
    err = dma_allowed(d) ? gmem_map(d->mem, gpa, len, dir, map) : -EFAULT;
    if (dir == GMEM_TO_GUEST)
        d->stats.dma_writes++;
    else
        d->stats.dma_reads++;
    d->stats.dma_bytes += len;
    trace_dma(d, gpa.v, len, dir == GMEM_TO_GUEST, err);
    return err;
}
