/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim - see sim.h. Here: requests and the two shared pages from Xen's side, interrupts, clock.
 *
 * Sources: Xen hvm/ioreq.c (who gets an access), public/hvm/ioreq.h; PCI 2.1 section 3.2.2.3.2
 *          (configuration mechanism 1) for the latch of 0xcf8, which Xen keeps.
 * Absent:  interrupt controllers and vCPUs; what Xen does with a request that is not answered.
 */
#include "ioreq/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hw/core/bits.h"
#include "ioreq/sim_private.h"

enum { CF8 = 0xcf8, CFC = 0xcfc };
#define CF8_ENABLE 0x80000000u

/* A slot, from Xen's side (public/hvm/ioreq.h). */
struct wire_slot {
    uint64_t addr, data;
    uint32_t count, size, vp_eport;
    uint16_t pad;
    uint8_t flags, type;
};
static_assert(sizeof(struct wire_slot) == 32, "slot of the synchronous page");

struct wire_ring {
    uint32_t read_pointer, write_pointer;
    struct {
        uint32_t head, data;
    } entry[SLOTS_RING];
};
static_assert(sizeof(struct wire_ring) == 4096, "buffered page");

enum { EPORT_BASE = 100 }; /* nothing binds them; they must survive untouched */

static struct sim *sim_of(struct hv *hv)
{
    return (struct sim *)(void *)hv;
}

static struct wire_slot *wire_slot(struct sim *s, unsigned vcpu)
{
    return (struct wire_slot *)(void *)(s->pages + HV_PAGE_SIZE) + vcpu;
}

static struct wire_ring *wire_ring(struct sim *s)
{
    return (struct wire_ring *)(void *)s->pages;
}

/* --- Port operations. */

static int sim_map_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    return ranges_add(&sim_of(hv)->ranges.space[space == HV_MMIO], base, len);
}

static int sim_unmap_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    return ranges_remove(&sim_of(hv)->ranges.space[space == HV_MMIO], base, len);
}

static int sim_map_pci(struct hv *hv, unsigned devfn)
{
    return ranges_add_pci(&sim_of(hv)->ranges, devfn);
}

static int sim_unmap_pci(struct hv *hv, unsigned devfn)
{
    return ranges_remove_pci(&sim_of(hv)->ranges, devfn);
}

static void tell_line(const struct sim *s)
{
    if (s->on_line)
        s->on_line(s->on_line_opaque);
}

static int line_set(struct sim *s, struct sim_line *line, bool level)
{
    line->calls++;
    if (line->level == level)
        return 0;
    line->edges++;
    line->level = level;
    tell_line(s);
    return 0;
}

static int sim_isa_irq(struct hv *hv, unsigned irq, bool level)
{
    return irq < 16 ? line_set(sim_of(hv), &sim_of(hv)->isa[irq], level) : -EINVAL;
}

static int sim_intx_set(struct hv *hv, unsigned slot, unsigned pin, bool level)
{
    return slot < 32 && pin < 4 ? line_set(sim_of(hv), &sim_of(hv)->intx[slot][pin], level)
                                : -EINVAL;
}

static int sim_link_route(struct hv *hv, unsigned link, unsigned irq)
{
    if (link > 3 || irq > 15)
        return -EINVAL;
    sim_of(hv)->link[link] = (uint8_t)irq;
    tell_line(sim_of(hv));
    return 0;
}

static int sim_inject_msi(struct hv *hv, uint64_t address, uint32_t data)
{
    struct sim *s = sim_of(hv);

    s->msi[s->msi_count++ % SIM_MSI_KEPT] = (struct sim_msi){ address, data };
    return 0;
}

static int sim_shutdown(struct hv *hv, enum hv_shutdown reason)
{
    if (sim_of(hv)->shutdown < 0)
        sim_of(hv)->shutdown = (int)reason;
    return 0;
}

static int sim_set_sleep_state(struct hv *hv, unsigned state)
{
    sim_of(hv)->sleep_state = state;
    return 0;
}

static uint64_t sim_now(struct hv *hv)
{
    return sim_of(hv)->now;
}

static bool sim_poll(struct hv *hv)
{
    return slots_run_all(&sim_of(hv)->slots) != 0;
}

static void sim_drain(struct hv *hv)
{
    slots_drain_buffered(&sim_of(hv)->slots);
}

static void sim_destroy(struct hv *hv)
{
    struct sim *s = sim_of(hv);

    sim_memory_free(&s->mem);
    if (s->pages)
        munmap(s->pages, 2u * HV_PAGE_SIZE);
    free(s);
}

static const struct hv_ops sim_ops = {
    .name = "sim",
    .map_range = sim_map_range,
    .unmap_range = sim_unmap_range,
    .map_pci = sim_map_pci,
    .unmap_pci = sim_unmap_pci,
    .isa_irq = sim_isa_irq,
    .intx = sim_intx_set,
    .link_route = sim_link_route,
    .inject_msi = sim_inject_msi,
    .map_frames = sim_map_frames,
    .unmap_frames = sim_unmap_frames,
    .mark_dirty = sim_mark_dirty,
    .populate = sim_populate,
    .relocate = sim_relocate,
    .pin_cacheattr = sim_pin_cacheattr,
    .set_mem_type = sim_set_mem_type,
    .shutdown = sim_shutdown,
    .set_sleep_state = sim_set_sleep_state,
    .now = sim_now,
    .poll = sim_poll,
    .drain = sim_drain,
    .read_filter = sim_read_filter,
    .write_filter = sim_write_filter,
    .destroy = sim_destroy,
};

/* --- Life. */

static void notified(void *opaque, unsigned vcpu)
{
    (void)vcpu;
    ((struct sim *)opaque)->notifications++;
}

static bool no_run(void *opaque, struct request *r)
{
    (void)opaque;
    r->data = UINT64_MAX;
    return false;
}

static void no_invalidate(void *opaque)
{
    (void)opaque;
}

struct hv *hv_sim_new(const struct sim_options *options)
{
    static const struct sim_options defaults = { 0 };
    struct sim *s = calloc(1, sizeof *s);
    int err;

    if (!s)
        return NULL;
    if (!options)
        options = &defaults;
    s->hv.ops = &sim_ops;
    s->shutdown = -1;
    s->promiscuous = options->promiscuous;
    err = sim_memory_init(&s->mem, options);
    /* Shared with a child, as guest memory is: tests kill one and let another take over. */
    s->pages =
        mmap(NULL, 2u * HV_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->pages == MAP_FAILED)
        s->pages = NULL;
    if (err || !s->pages) {
        sim_destroy(&s->hv);
        errno = err ? -err : ENOMEM;
        return NULL;
    }
    s->slots = (struct slots){ .page = s->pages + HV_PAGE_SIZE,
                               .ring = s->pages,
                               .nr_vcpus = options->nr_vcpus ? options->nr_vcpus : 4,
                               .sink = { .run = no_run, .invalidate = no_invalidate },
                               .notify = notified,
                               .opaque = s };
    slots_init(&s->slots);
    for (unsigned i = 0; i < s->slots.nr_vcpus; i++)
        wire_slot(s, i)->vp_eport = EPORT_BASE + i;
    return &s->hv;
}

void sim_set_sink(struct hv *hv, const struct request_sink *sink)
{
    sim_of(hv)->slots.sink = *sink;
}

void sim_new_process(struct hv *hv)
{
    struct sim *s = sim_of(hv);

    memset(&s->ranges, 0, sizeof s->ranges);
    slots_init(&s->slots);
    memset(s->pending, 0, sizeof s->pending);
}

struct slots *sim_slots(struct hv *hv)
{
    return &sim_of(hv)->slots;
}

uint64_t sim_notifications(struct hv *hv)
{
    return sim_of(hv)->notifications;
}

/* --- Requests. */

/* First and last byte that a request touches on its own side, as Xen computes them. */
static void extent(const struct request *r, uint64_t *first, uint64_t *last)
{
    uint64_t more = r->type == REQ_COPY && r->count ? (uint64_t)r->size * (r->count - 1u) : 0;

    *first = r->df ? r->addr - more : r->addr;
    *last = (r->df ? r->addr : r->addr + more) + r->size - 1;
}

static bool claimed(const struct sim *s, const struct request *r)
{
    uint64_t first, last;

    extent(r, &first, &last);
    switch (r->type) {
    case REQ_PIO:
        return s->promiscuous || ranges_hold(&s->ranges.space[HV_PIO], first, last);
    case REQ_COPY:
        return s->promiscuous || ranges_hold(&s->ranges.space[HV_MMIO], first, last);
    case REQ_PCI_CONFIG:
        return request_pci_bus(r) == 0 && ranges_hold_pci(&s->ranges, request_pci_devfn(r));
    default:
        return true;
    }
}

/* Xen's latch: PIO at 0xcfc becomes a configuration access if the function is registered. */
static void decode_config(struct sim *s, struct request *r)
{
    if (r->type != REQ_PIO)
        return;
    if (r->addr == CF8 && r->size == 4 && !r->read && !r->data_is_ptr)
        s->cf8 = (uint32_t)r->data;
    if ((r->addr & ~UINT64_C(3)) != CFC || !(s->cf8 & CF8_ENABLE))
        return;
    r->type = REQ_PCI_CONFIG;
    r->addr = (uint64_t)(s->cf8 >> 8 & 0xffff) << 32 | (s->cf8 & 0xfc) | (r->addr & 3);
}

static void slot_fill(struct sim *s, const struct request *r)
{
    struct wire_slot *slot = wire_slot(s, r->vcpu);
    unsigned flags = (r->data_is_ptr ? 0x10u : 0) | (r->read ? 0x20u : 0) | (r->df ? 0x40u : 0);

    slot->addr = r->addr;
    slot->data = r->data;
    slot->count = r->count;
    slot->size = r->size;
    slot->type = r->type;
    __atomic_store_n(&slot->flags, (uint8_t)(flags | SLOT_READY), __ATOMIC_RELEASE);
    s->pending[r->vcpu] = true;
}

int sim_answer(struct hv *hv, unsigned vcpu, uint64_t *data)
{
    struct sim *s = sim_of(hv);
    struct wire_slot *slot;

    if (vcpu >= s->slots.nr_vcpus || !s->pending[vcpu])
        return -ENOENT;
    slot = wire_slot(s, vcpu);
    if ((slot->flags & 0xf) != SLOT_RESP_READY)
        return -EINPROGRESS;
    slot->flags = 0;
    s->pending[vcpu] = false;
    if (data)
        *data = slot->data;
    return 0;
}

int sim_request(struct hv *hv, struct request *r)
{
    struct sim *s = sim_of(hv);
    uint64_t data;
    int err;

    if (r->vcpu >= s->slots.nr_vcpus || s->pending[r->vcpu])
        return -EBUSY;
    sim_flip_reset(hv);
    decode_config(s, r);
    if (!claimed(s, r)) {
        if (r->read && !r->data_is_ptr)
            r->data = ones(r->size);
        return -ENOENT;
    }
    slot_fill(s, r);
    slots_run_vcpu(&s->slots, r->vcpu);
    err = sim_answer(hv, r->vcpu, &data);
    if (!err && r->read && !r->data_is_ptr)
        r->data = data;
    return err;
}

bool sim_request_direct(struct hv *hv, struct request *r)
{
    struct slots *p = &sim_of(hv)->slots;
    bool held = false;

    if (r->type == REQ_INVALIDATE)
        p->sink.invalidate(p->sink.opaque);
    else if (r->type == REQ_TIMEOFFSET)
        return false;
    else if (request_sane(r))
        held = p->sink.run(p->sink.opaque, r);
    else
        r->data = UINT64_MAX;
    if (r->read && !r->data_is_ptr)
        r->data &= ones(r->size);
    return held;
}

static unsigned size_code(uint32_t size)
{
    return size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0;
}

static void ring_push(struct wire_ring *ring, uint32_t head, uint32_t data)
{
    uint32_t i = ring->write_pointer % SLOTS_RING;

    ring->entry[i].head = head;
    ring->entry[i].data = data;
    ring->write_pointer++;
}

int sim_buffered(struct hv *hv, const struct request *r)
{
    struct wire_ring *ring = wire_ring(sim_of(hv));
    uint32_t need = r->size == 8 ? 2 : 1, head;

    if (ring->write_pointer - ring->read_pointer > SLOTS_RING - need)
        return -ENOSPC;
    head = r->type | (r->read ? 1u << 9 : 0) | size_code(r->size) << 10 | (uint32_t)r->addr << 12;
    ring_push(ring, head, (uint32_t)r->data);
    if (need == 2)
        ring_push(ring, head, (uint32_t)(r->data >> 32));
    /* Xen keeps the pointers small while the other side works. */
    while (ring->read_pointer >= SLOTS_RING) {
        ring->read_pointer -= SLOTS_RING;
        ring->write_pointer -= SLOTS_RING;
    }
    return 0;
}

int sim_invalidate(struct hv *hv)
{
    struct request r = { .type = REQ_INVALIDATE, .size = 4, .count = 0, .data = UINT64_MAX };

    return sim_request(hv, &r);
}

uint32_t sim_in(struct hv *hv, uint16_t port, unsigned size)
{
    struct request r = { .type = REQ_PIO, .addr = port, .size = size, .count = 1, .read = true };

    return sim_request(hv, &r) == -EBUSY ? UINT32_MAX : (uint32_t)r.data;
}

void sim_out(struct hv *hv, uint16_t port, unsigned size, uint32_t value)
{
    struct request r = { .type = REQ_PIO, .addr = port, .size = size, .count = 1, .data = value };

    sim_request(hv, &r);
}

uint64_t sim_mmio_read(struct hv *hv, uint64_t gpa, unsigned size)
{
    struct request r = { .type = REQ_COPY, .addr = gpa, .size = size, .count = 1, .read = true };

    return sim_request(hv, &r) == -EBUSY ? UINT64_MAX : r.data;
}

void sim_mmio_write(struct hv *hv, uint64_t gpa, unsigned size, uint64_t value)
{
    struct request r = { .type = REQ_COPY, .addr = gpa, .size = size, .count = 1, .data = value };

    sim_request(hv, &r);
}

uint32_t sim_pci_read(struct hv *hv, unsigned devfn, unsigned reg, unsigned size)
{
    sim_out(hv, CF8, 4, CF8_ENABLE | devfn << 8 | (reg & 0xfc));
    return sim_in(hv, (uint16_t)(CFC + (reg & 3)), size);
}

void sim_pci_write(struct hv *hv, unsigned devfn, unsigned reg, unsigned size, uint32_t value)
{
    sim_out(hv, CF8, 4, CF8_ENABLE | devfn << 8 | (reg & 0xfc));
    sim_out(hv, (uint16_t)(CFC + (reg & 3)), size, value);
}

/* --- What the test sees. */

void sim_clock_set(struct hv *hv, uint64_t now)
{
    if (now > sim_of(hv)->now)
        sim_of(hv)->now = now;
}

void sim_clock_step(struct hv *hv, uint64_t ns)
{
    sim_of(hv)->now += ns;
}

const struct sim_line *sim_isa(struct hv *hv, unsigned irq)
{
    return &sim_of(hv)->isa[irq & 15];
}

const struct sim_line *sim_intx(struct hv *hv, unsigned slot, unsigned pin)
{
    return &sim_of(hv)->intx[slot & 31][pin & 3];
}

unsigned sim_link(struct hv *hv, unsigned link)
{
    return sim_of(hv)->link[link & 3];
}

uint32_t sim_irqs(struct hv *hv)
{
    const struct sim *s = sim_of(hv);
    uint32_t irqs = 0;

    for (unsigned i = 0; i < 16; i++)
        irqs |= (uint32_t)s->isa[i].level << i;
    for (unsigned slot = 0; slot < 32; slot++)
        for (unsigned pin = 0; pin < 4; pin++)
            if (s->intx[slot][pin].level && s->link[(slot + pin) & 3])
                irqs |= 1u << s->link[(slot + pin) & 3];
    return irqs;
}

void sim_on_line(struct hv *hv, void (*fn)(void *opaque), void *opaque)
{
    sim_of(hv)->on_line = fn;
    sim_of(hv)->on_line_opaque = opaque;
}

uint32_t sim_confadd(struct hv *hv)
{
    return sim_of(hv)->cf8;
}

uint64_t sim_msi_count(struct hv *hv)
{
    return sim_of(hv)->msi_count;
}

const struct sim_msi *sim_msi(struct hv *hv, uint64_t i)
{
    const struct sim *s = sim_of(hv);

    if (i >= s->msi_count || s->msi_count - i > SIM_MSI_KEPT)
        return NULL;
    return &s->msi[i % SIM_MSI_KEPT];
}

bool sim_has_range(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len)
{
    return len && ranges_hold(&sim_of(hv)->ranges.space[space == HV_MMIO], base, base + len - 1);
}

bool sim_has_pci(struct hv *hv, unsigned devfn)
{
    return ranges_hold_pci(&sim_of(hv)->ranges, devfn);
}

int sim_shutdown_reason(struct hv *hv)
{
    return sim_of(hv)->shutdown;
}

unsigned sim_sleep_state(struct hv *hv)
{
    return sim_of(hv)->sleep_state;
}
