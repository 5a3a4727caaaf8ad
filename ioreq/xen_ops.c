/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen_ops - the hypercalls behind struct hv_ops: ranges, interrupts, guest memory, shutdown.
 *
 * Sources: Xen public/hvm/dm_op.h, public/memory.h, public/hvm/
 *          hvm_op.h and params.h. libxenctrl is not used (its interface changes with each release):
 *          populate_physmap and set_param go through libxencall.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ioreq/xen_private.h"

#define SUPERPAGE_ORDER  9u
#define SUPERPAGE_FRAMES (UINT64_C(1) << SUPERPAGE_ORDER)
#define EXTENTS          512u       /* in one hypercall: one page of numbers */
#define NR_MAX           UINT32_MAX /* frames that a device model operation can name */

static int result(int rc)
{
    return rc < 0 ? -errno : 0;
}

/* --- Who gets an access. */

int xen_apply(void *opaque, const struct range_change *c)
{
    struct xen *x = opaque;
    uint64_t last = c->base + c->len - 1;
    uint8_t slot = (uint8_t)(c->base >> 3), fn = c->base & 7;
    int mmio = c->space == HV_MMIO;

    switch (c->op) {
    case RANGE_MAP:
        return result(xendevicemodel_map_io_range_to_ioreq_server(x->dmod, x->domid, x->id, mmio,
                                                                  c->base, last));
    case RANGE_UNMAP:
        return result(xendevicemodel_unmap_io_range_from_ioreq_server(x->dmod, x->domid, x->id,
                                                                      mmio, c->base, last));
    case RANGE_MAP_PCI:
        return result(
            xendevicemodel_map_pcidev_to_ioreq_server(x->dmod, x->domid, x->id, 0, 0, slot, fn));
    case RANGE_UNMAP_PCI:
        return result(xendevicemodel_unmap_pcidev_from_ioreq_server(x->dmod, x->domid, x->id, 0, 0,
                                                                    slot, fn));
    default:
        return -EINVAL;
    }
}

/* Between two owners the server is left alone: what is claimed is only noted. */
static int change(struct hv *hv, enum range_op op, unsigned space, uint64_t base, uint64_t len)
{
    const struct range_change c = { op, space, base, len };
    struct xen *x = xen_of(hv);

    if (x->claiming)
        return ranges_change(&x->claimed, &c);
    return kept_change(x->kept, &c, xen_apply, x);
}

static int xen_map_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    return change(hv, RANGE_MAP, space, base, len);
}

static int xen_unmap_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    return change(hv, RANGE_UNMAP, space, base, len);
}

static int xen_map_pci(struct hv *hv, unsigned devfn)
{
    return change(hv, RANGE_MAP_PCI, 0, devfn, 1);
}

static int xen_unmap_pci(struct hv *hv, unsigned devfn)
{
    return change(hv, RANGE_UNMAP_PCI, 0, devfn, 1);
}

/* --- Interrupts. */

static int xen_isa_irq(struct hv *hv, unsigned irq, bool level)
{
    struct xen *x = xen_of(hv);

    if (irq > 15)
        return -EINVAL;
    return result(xendevicemodel_set_isa_irq_level(x->dmod, x->domid, (uint8_t)irq, level));
}

static int xen_intx(struct hv *hv, unsigned slot, unsigned pin, bool level)
{
    struct xen *x = xen_of(hv);

    if (slot > 31 || pin > 3)
        return -EINVAL;
    return result(xendevicemodel_set_pci_intx_level(x->dmod, x->domid, 0, 0, (uint8_t)slot,
                                                    (uint8_t)pin, level));
}

static int xen_link_route(struct hv *hv, unsigned link, unsigned irq)
{
    struct xen *x = xen_of(hv);

    if (link > 3 || irq > 15)
        return -EINVAL;
    return result(
        xendevicemodel_set_pci_link_route(x->dmod, x->domid, (uint8_t)link, (uint8_t)irq));
}

static int xen_inject_msi(struct hv *hv, uint64_t address, uint32_t data)
{
    struct xen *x = xen_of(hv);

    return result(xendevicemodel_inject_msi(x->dmod, x->domid, address, data));
}

/* --- Guest memory. */

static void *xen_map_frames(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present)
{
    struct xen *x = xen_of(hv);
    xen_pfn_t frames[16];
    int err[16] = { 0 };
    void *host;

    *present = 0;
    if (nr < 1 || nr > 16)
        return NULL;
    for (unsigned i = 0; i < nr; i++)
        frames[i] = gfn + i;
    host = xenforeignmemory_map(x->fmem, x->domid, PROT_READ | PROT_WRITE, nr, frames, err);
    if (!host)
        return NULL;
    for (unsigned i = 0; i < nr; i++)
        *present |= err[i] ? 0 : 1u << i;
    if (*present)
        return host;
    xenforeignmemory_unmap(x->fmem, host, nr);
    return NULL;
}

static void xen_unmap_frames(struct hv *hv, void *host, unsigned nr)
{
    xenforeignmemory_unmap(xen_of(hv)->fmem, host, nr);
}

static int xen_mark_dirty(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    struct xen *x = xen_of(hv);
    struct xen_dm_op_modified_memory_extent extent = { .nr = (uint32_t)nr, .first_pfn = gfn };

    if (!x->log_dirty || !nr)
        return 0;
    if (nr > NR_MAX)
        return -EINVAL;
    return result(xendevicemodel_modified_memory_bulk(x->dmod, x->domid, &extent, 1));
}

static void xen_set_log_dirty(struct hv *hv, bool on)
{
    xen_of(hv)->log_dirty = on;
}

/* Adds `nr` extents of 2^order frames, of which the first is at gfn; *done of them succeeded. */
static int populate_extents(struct xen *x, uint64_t gfn, unsigned nr, unsigned order,
                            unsigned *done)
{
    struct xen_memory_reservation *r;
    xen_pfn_t *frames;
    int rc;

    *done = 0;
    r = xencall_alloc_buffer(x->call, sizeof *r);
    frames = xencall_alloc_buffer(x->call, nr * sizeof *frames);
    if (!r || !frames) {
        rc = -ENOMEM;
        goto out;
    }
    for (unsigned i = 0; i < nr; i++)
        frames[i] = gfn + ((uint64_t)i << order);
    memset(r, 0, sizeof *r);
    set_xen_guest_handle(r->extent_start, frames);
    r->nr_extents = nr;
    r->extent_order = order;
    r->domid = x->domid;
    rc = xencall2(x->call, __HYPERVISOR_memory_op, XENMEM_populate_physmap, (uintptr_t)r);
    if (rc < 0) {
        rc = -errno;
    } else {
        *done = (unsigned)rc;
        rc = *done == nr ? 0 : -ENOMEM;
    }
out:
    xencall_free_buffer(x->call, frames);
    xencall_free_buffer(x->call, r);
    return rc;
}

/* Superpages where alignment allows (16 MiB of VRAM is then one hypercall of 8 extents), single
 * frames elsewhere and where the host's memory is too scattered. */
static int xen_populate(struct hv *hv, uint64_t gfn, uint64_t nr)
{
    struct xen *x = xen_of(hv);
    uint64_t fallback_end = 0;
    int err = 0;

    while (nr && !err) {
        uint64_t to_aligned = -gfn & (SUPERPAGE_FRAMES - 1), n;
        unsigned order = 0, done;

        if (!to_aligned && nr >= SUPERPAGE_FRAMES && gfn >= fallback_end) {
            order = SUPERPAGE_ORDER;
            n = nr >> SUPERPAGE_ORDER;
        } else if (to_aligned && to_aligned < nr) {
            n = to_aligned;
        } else {
            n = nr < SUPERPAGE_FRAMES ? nr : SUPERPAGE_FRAMES;
        }
        if (n > EXTENTS)
            n = EXTENTS;
        err = populate_extents(x, gfn, (unsigned)n, order, &done);
        if (err && order) {
            fallback_end = gfn + ((uint64_t)(done + 1) << order);
            err = 0;
        }
        gfn += (uint64_t)done << order;
        nr -= (uint64_t)done << order;
    }
    return err;
}

static int xen_relocate(struct hv *hv, uint64_t from, uint64_t to, uint64_t nr)
{
    struct xen *x = xen_of(hv);

    if (!nr || nr > NR_MAX)
        return -EINVAL;
    return result(xendevicemodel_relocate_memory(x->dmod, x->domid, (uint32_t)nr, from, to));
}

static int xen_pin_cacheattr(struct hv *hv, uint64_t first, uint64_t last, bool write_back)
{
    struct xen *x = xen_of(hv);

    if (first > last)
        return -EINVAL;
    return result(xendevicemodel_pin_memory_cacheattr(x->dmod, x->domid, first, last,
                                                      write_back ? XEN_DMOP_MEM_CACHEATTR_WB
                                                                 : XEN_DMOP_DELETE_MEM_CACHEATTR));
}

static int xen_set_mem_type(struct hv *hv, uint64_t gfn, uint64_t nr, enum hv_mem_type type)
{
    static const hvmmem_type_t types[] = { HVMMEM_ram_rw, HVMMEM_ram_ro, HVMMEM_mmio_dm };
    struct xen *x = xen_of(hv);

    if (!nr || nr > NR_MAX || (unsigned)type > HV_MMIO_DM)
        return -EINVAL;
    return result(xendevicemodel_set_mem_type(x->dmod, x->domid, types[type], gfn, (uint32_t)nr));
}

/* --- The rest. */

static int xen_shutdown(struct hv *hv, enum hv_shutdown reason)
{
    struct xen *x = xen_of(hv);

    return result(xendevicemodel_shutdown(x->dmod, x->domid, (unsigned)reason));
}

static int xen_set_sleep_state(struct hv *hv, unsigned state)
{
    struct xen *x = xen_of(hv);
    struct xen_hvm_param *p = xencall_alloc_buffer(x->call, sizeof *p);
    int err;

    if (!p)
        return -ENOMEM;
    memset(p, 0, sizeof *p);
    p->domid = x->domid;
    p->index = HVM_PARAM_ACPI_S_STATE;
    p->value = state;
    err = result(xencall2(x->call, __HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)p));
    xencall_free_buffer(x->call, p);
    return err;
}

static uint64_t xen_now(struct hv *hv)
{
    (void)hv;
    return loop_now();
}

static void xen_drain(struct hv *hv)
{
    slots_drain_buffered(&xen_of(hv)->slots);
}

static void xen_destroy(struct hv *hv)
{
    xen_close(xen_of(hv));
}

const struct hv_ops xen_ops = {
    .name = "xen",
    .map_range = xen_map_range,
    .unmap_range = xen_unmap_range,
    .map_pci = xen_map_pci,
    .unmap_pci = xen_unmap_pci,
    .isa_irq = xen_isa_irq,
    .intx = xen_intx,
    .link_route = xen_link_route,
    .inject_msi = xen_inject_msi,
    .map_frames = xen_map_frames,
    .unmap_frames = xen_unmap_frames,
    .mark_dirty = xen_mark_dirty,
    .set_log_dirty = xen_set_log_dirty,
    .populate = xen_populate,
    .relocate = xen_relocate,
    .pin_cacheattr = xen_pin_cacheattr,
    .set_mem_type = xen_set_mem_type,
    .shutdown = xen_shutdown,
    .set_sleep_state = xen_set_sleep_state,
    .now = xen_now,
    .poll = xen_poll,
    .drain = xen_drain,
    .destroy = xen_destroy,
};
