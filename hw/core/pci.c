/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci - see pci.h. */
#include "hw/core/core.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/core/trace.h"

#define NOWHERE            UINT64_MAX

#define PCI_STATE(F, A, S) A(S, uint8_t, config, 256, ANY, 1)
STATE_DEFINE(pci, PCI_STATE);

static unsigned bar_reg(unsigned n)
{
    return n == 6 ? PCI_ROM : PCI_BAR0 + 4 * n;
}

static uint32_t rom_bar_size(const struct pci_function *f)
{
    uint32_t size = 0x800; /* the smallest ROM BAR there can be */

    if (f->dev->host.rom_size == 0)
        return 0;
    while (size < f->dev->host.rom_size && size < f->desc->bar[6].size)
        size *= 2;
    return size;
}

static uint32_t bar_size(const struct pci_function *f, unsigned n)
{
    uint32_t size = 0;

    if (f->desc->bar[n].kind == PCI_BAR_NONE)
        return 0;
    if (f->desc->bar[n].kind == PCI_BAR_ROM)
        return rom_bar_size(f);
    if (f->desc->bar_size)
        size = f->desc->bar_size(f->dev, n);
    return size ? size : f->desc->bar[n].size;
}

static uint32_t bar_flags(enum pci_bar_kind kind)
{
    return kind == PCI_BAR_IO ? 1u : kind == PCI_BAR_MEM_PREFETCH ? 8u : 0u;
}

static void allow(struct pci_function *f, unsigned reg, unsigned width, uint32_t rw, uint32_t w1c)
{
    for (unsigned i = 0; i < width && reg + i < 256; i++) {
        f->writable[reg + i] = (uint8_t)(rw >> (i * 8));
        f->w1c[reg + i] = (uint8_t)(w1c >> (i * 8));
    }
}

static void make_masks(struct pci_function *f)
{
    const struct pci_desc *p = f->desc;
    /* I/O and memory decode are writable even without such a BAR: a VGA has legacy ports, and
     * firmware looks for both bits. 0x0540: parity, SERR#, INTx disable. */
    uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | 0x0540;

    for (unsigned n = 0; n < PCI_BARS; n++) {
        uint32_t size = bar_size(f, n);

        if (!size)
            continue;
        allow(f, bar_reg(n), 4, (0u - size) | (n == 6 ? 1u : 0u), 0);
    }
    allow(f, PCI_COMMAND, 2, command, 0);
    allow(f, PCI_STATUS, 2, 0, 0xf900); /* error bits are write-one-to-clear */
    allow(f, PCI_CACHE_LINE, 2, 0xffff, 0);
    allow(f, PCI_INT_LINE, 1, 0xff, 0);
    for (unsigned i = 0; i < p->nconfig; i++)
        allow(f, p->config[i].reg, p->config[i].width, p->config[i].rw, p->config[i].w1c);
}

static void identity(const struct pci_function *f, uint8_t c[256])
{
    const struct pci_desc *p = f->desc;

    memset(c, 0, 256);
    put_le16(c + PCI_VENDOR_ID, p->vendor);
    put_le16(c + PCI_DEVICE_ID, p->device);
    put_le16(c + PCI_COMMAND, p->command);
    put_le16(c + PCI_STATUS, p->status);
    c[PCI_REVISION] = p->revision;
    c[PCI_PROG_IF] = p->prog_if;
    put_le16(c + PCI_CLASS, p->class_code);
    c[PCI_HEADER_TYPE] = p->multifunction ? 0x80 : 0;
    put_le16(c + PCI_SUBSYSTEM_VENDOR, p->subsystem_vendor);
    put_le16(c + PCI_SUBSYSTEM, p->subsystem);
    c[PCI_INT_LINE] = p->int_line;
    c[PCI_INT_PIN] = p->int_pin;
    for (unsigned n = 0; n < PCI_BARS; n++)
        if (bar_size(f, n))
            put_le32(c + bar_reg(n), bar_flags(p->bar[n].kind));
    for (unsigned i = 0; i < p->nconfig; i++)
        store_le(c + p->config[i].reg, p->config[i].width, p->config[i].reset);
}

/* Where BAR n should answer, as the registers stand; derived each time, never kept (S6). */
static uint64_t wanted(const struct pci_function *f, unsigned n)
{
    enum pci_bar_kind kind = f->desc->bar[n].kind;
    uint32_t size = bar_size(f, n);
    uint16_t command = le16(f->config + PCI_COMMAND);
    uint32_t v = le32(f->config + bar_reg(n)), base = v & (0u - size);

    if (!size || f->dev->unplugged)
        return NOWHERE;
    if (!(command & (kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY)))
        return NOWHERE;
    if (kind == PCI_BAR_ROM && !(v & 1))
        return NOWHERE;
    if (base == 0 || (uint64_t)base + size > (kind == PCI_BAR_IO ? 0x10000u : UINT64_C(1) << 32))
        return NOWHERE;
    return base;
}

static const struct region *bar_region(const struct pci_function *f, unsigned n)
{
    int region = f->desc->bar[n].region;

    return region >= 0 && (unsigned)region < f->dev->ops->nregions ? &f->dev->ops->regions[region]
                                                                   : NULL;
}

static void bar_off(struct pci_function *f, unsigned n)
{
    const struct region *g = bar_region(f, n);

    if (g)
        bus_unmap(f->dev->m, g->space, f->decoded[n]);
}

static int bar_on(struct pci_function *f, unsigned n, uint64_t base)
{
    const struct region *g = bar_region(f, n);

    return g ? bus_map(f->dev->m, g->space, base, bar_size(f, n), f->dev, g) : 0;
}

/* Two passes, so that BARs may swap places. */
static void update_bars(struct pci_function *f)
{
    bool moved[PCI_BARS] = { false };

    for (unsigned n = 0; n < PCI_BARS; n++) {
        uint64_t base = f->desc->bar[n].kind ? wanted(f, n) : NOWHERE;

        if (base == f->decoded[n])
            continue;
        if (f->decoded[n] != NOWHERE)
            bar_off(f, n);
        f->decoded[n] = NOWHERE;
        moved[n] = true;
    }
    for (unsigned n = 0; n < PCI_BARS; n++) {
        uint64_t base;
        int err;

        if (!moved[n])
            continue;
        base = wanted(f, n);
        err = base == NOWHERE ? 0 : bar_on(f, n, base);
        if (err < 0) {
            guest_log(f->dev, "BAR %u cannot answer at 0x%llx: %s", n, (unsigned long long)base,
                      strerror(-err));
            base = NOWHERE;
        }
        f->decoded[n] = base;
        if (!bar_region(f, n) && f->desc->bar_moved)
            f->desc->bar_moved(f->dev, n, base);
    }
}

static void config_write(struct pci_function *f, unsigned reg, unsigned width, uint32_t value)
{
    arena_touch(f->dev->m->arena, f->record);
    for (unsigned i = 0; i < width; i++) {
        uint8_t byte = (uint8_t)(value >> (i * 8)), *c = &f->config[reg + i];

        *c = (uint8_t)((*c & ~f->writable[reg + i]) | (byte & f->writable[reg + i]));
        *c &= (uint8_t) ~(byte & f->w1c[reg + i]);
    }
    if (reg < PCI_ROM + 4)
        update_bars(f);
    if (f->dev->ops->config_written)
        f->dev->ops->config_written(f->dev, reg, width);
}

const char *pci_register(unsigned reg)
{
    static const char *const names[] = {
        "VENDOR_ID",  "VENDOR_ID", "DEVICE_ID",   "DEVICE_ID", "COMMAND", "COMMAND",
        "STATUS",     "STATUS",    "REVISION",    "PROG_IF",   "CLASS",   "CLASS",
        "CACHE_LINE", "LATENCY",   "HEADER_TYPE", "BIST",
    };
    static const char *const dwords[] = { "BAR0", "BAR1",    "BAR2",    "BAR3",
                                          "BAR4", "BAR5",    "CARDBUS", "SUBSYSTEM",
                                          "ROM",  "CAP_PTR", NULL,      "INTERRUPT" };

    if (reg < ARRAY_SIZE(names))
        return names[reg];
    return reg < 0x40 ? dwords[reg / 4 - 4] : NULL;
}

uint32_t pci_access(struct machine *m, unsigned devfn, unsigned reg, unsigned width, bool read,
                    uint32_t value)
{
    struct pci_function *f = devfn < 256 ? m->function[devfn] : NULL;
    uint32_t result = (uint32_t)ones(width);

    if (!f || f->dev->unplugged || f->dev->fenced || reg >= 256 || reg + width > 256)
        return result;
    if (read) {
        f->dev->stats.reads++;
        f->dev->stats.rd_bytes += width;
        result = (uint32_t)load_le(f->config + reg, width);
        trace_access(f->dev, "config", pci_register(reg), reg, width, true, result, 1);
    } else if (event_begin(f->dev)) {
        f->dev->stats.writes++;
        f->dev->stats.wr_bytes += width;
        trace_access(f->dev, "config", pci_register(reg), reg, width, false, value, 1);
        config_write(f, reg, width, value);
        event_end(f->dev);
    }
    return result;
}

void pci_run(struct machine *m, struct request *r)
{
    unsigned devfn = request_pci_devfn(r), reg = request_pci_reg(r);
    uint32_t v;

    if (request_pci_bus(r) != 0 || r->size > 4 || r->data_is_ptr) {
        r->data = ones(r->size);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++) { /* count is bounded by request_sane() */
        v = pci_access(m, devfn, reg, r->size, r->read, (uint32_t)r->data);
        if (r->read)
            r->data = v;
    }
}

uint8_t *pci_config(struct device *d)
{
    if (d->m->depth)
        arena_touch(d->m->arena, d->pci->record);
    return d->pci->config;
}

bool pci_may_master(struct device *d)
{
    return (le16(d->pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER) && !d->unplugged;
}

uint32_t pci_rom_read_block(struct device *d, uint32_t offset, void *buf, uint32_t len)
{
    uint32_t n = offset < d->host.rom_size ? d->host.rom_size - offset : 0;

    if (n > len)
        n = len;
    if (n)
        memcpy(buf, d->host.rom + offset, n);
    memset((uint8_t *)buf + n, 0xff, len - n);
    return len;
}

uint64_t pci_rom_read(struct device *d, uint32_t offset, unsigned width)
{
    uint8_t bytes[8];

    pci_rom_read_block(d, offset, bytes, width);
    return load_le(bytes, width);
}

void pci_rom_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset, (void)width, (void)value;
    d->stats.refused++;
}

/* The lowest free slot from 2 on: slots must follow the order of rows, since guests remember them.
 */
static int free_devfn(const struct machine *m)
{
    for (int slot = 2; slot < PCI_SLOTS; slot++)
        if (!m->function[slot << 3])
            return slot << 3;
    return -1;
}

int pci_add(struct machine *m, struct device *d, int devfn, struct error *e)
{
    struct pci_function *f;
    int err;

    if (devfn == ANY_PCI)
        devfn = free_devfn(m);
    if (devfn < 0 || devfn > 255 || m->function[devfn])
        return error_set(e, -EBUSY, "no free PCI slot for %s", d->id);
    f = calloc(1, sizeof *f);
    if (!f)
        return error_set(e, -ENOMEM, "out of memory for %s", d->id);
    f->dev = d;
    f->devfn = (uint8_t)devfn;
    f->desc = d->ops->pci;
    f->record = arena_add(m->arena, "pci", (uint32_t)devfn, 1, &pci_desc, e);
    if (!f->record) {
        err = -ENOSPC;
        goto free;
    }
    f->config = arena_at(m->arena, f->record->state);
    for (unsigned n = 0; n < PCI_BARS; n++)
        f->decoded[n] = NOWHERE;
    err = m->hv->ops->map_pci(m->hv, (unsigned)devfn);
    if (err < 0) {
        error_set(e, err, "cannot claim PCI function %02x.%x for %s: %s", devfn >> 3, devfn & 7,
                  d->id, strerror(-err));
        goto free;
    }
    d->pci = f;
    m->function[devfn] = f;
    if (f->desc->int_pin && d->irq[0].kind == IRQ_NONE)
        d->irq[0] = (struct irq_line){ d, IRQ_INTX, (uint8_t)(f->desc->int_pin - 1), 0 };
    make_masks(f);
    if (!m->arena->adopted)
        identity(f, f->config);
    return 0;
free:
    free(f);
    return err;
}

void pci_hide(struct device *d)
{
    struct pci_function *f = d->pci;

    if (!f || d->unplugged)
        return;
    d->unplugged = true;
    arena_touch(d->m->arena, d->m->record);
    d->m->s->hidden[d->place] = 1;
    arena_touch(d->m->arena, f->record);
    update_bars(f);
    d->m->hv->ops->unmap_pci(d->m->hv, f->devfn);
}

void pci_remove(struct device *d)
{
    struct pci_function *f = d->pci;

    if (!f)
        return;
    /* BAR ranges went with the device's other ranges; the arena stays as it is for a successor. */
    if (!d->unplugged)
        d->m->hv->ops->unmap_pci(d->m->hv, f->devfn);
    d->m->function[f->devfn] = NULL;
    d->pci = NULL;
    free(f);
}

void pci_reset(struct device *d)
{
    arena_touch(d->m->arena, d->pci->record);
    identity(d->pci, d->pci->config);
    update_bars(d->pci);
}

/* After a load: identity and read-only bits are ours whatever the stream says. The registers are
 * never anything else in between: this is no transaction, and a successor may die here. */
void pci_loaded(struct device *d)
{
    struct pci_function *f = d->pci;
    uint8_t ours[256];

    identity(f, ours);
    for (unsigned i = 0; i < sizeof ours; i++) {
        uint8_t keep = f->writable[i] | f->w1c[i];

        f->config[i] = (uint8_t)((ours[i] & ~keep) | (f->config[i] & keep));
    }
    update_bars(f);
}
