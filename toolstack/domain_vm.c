/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_vm - what QMP and the control socket may ask of a running domain (vm.h). */
#include <errno.h>
#include <unistd.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/chipset/piix4_pm.h"
#include "hw/core/meter.h"
#include "hw/core/pci.h"
#include "hw/core/trace.h"
#include "hw/storage/ide_media.h"
#include "toolstack/domain_private.h"
#include "toolstack/record/recorder.h"

static enum vm_status status(void *vm)
{
    return ((struct domain *)vm)->status;
}

/* What changes the machine is recorded with its arguments. */
static int control(struct domain *d, enum tap_control what, uint64_t a, uint64_t b,
                   struct block *medium, struct error *e)
{
    return tap_control(recorder_tap(d->recorder), d->m, what, a, b, medium, e);
}

static int cont(void *vm, struct error *e)
{
    struct domain *d = vm;

    if (control(d, TAP_RUN, true, 0, NULL, e) < 0)
        return -EIO;
    if (d->status != VM_SHUTDOWN && d->status != VM_SUSPENDED)
        domain_set_status(d, VM_RUNNING);
    return 0;
}

static int stop(void *vm, struct error *e)
{
    struct domain *d = vm;

    if (d->hv->ops->drain)
        d->hv->ops->drain(d->hv);
    machine_drain(d->m);
    if (control(d, TAP_RUN, false, 0, NULL, e) < 0)
        return -EIO;
    if (d->status == VM_RUNNING)
        domain_set_status(d, VM_PAUSED);
    return 0;
}

static bool chardev(void *vm, unsigned i, struct vm_chardev *out)
{
    struct domain *d = vm;

    for (unsigned n = 0; n < PC_SERIALS; n++)
        if (d->pc.serial[n] && i-- == 0) {
            *out = (struct vm_chardev){ chardev_label(d->pc.serial[n]),
                                        chardev_filename(d->pc.serial[n]) };
            return true;
        }
    return false;
}

static struct device *ide(struct domain *d)
{
    return machine_find(d->m, "piix3_ide", 0);
}

/* Place and configuration of the i-th drive. */
static const struct config_disk *nth_drive(struct domain *d, unsigned i, unsigned *place)
{
    for (*place = 0; *place < PC_DISKS; (*place)++) {
        const struct config_disk *c = config_ide(d->config, *place);

        if (c && i-- == 0)
            return c;
    }
    return NULL;
}

static bool block(void *vm, unsigned i, struct vm_block *out)
{
    struct domain *d = vm;
    unsigned place;
    const struct config_disk *c = nth_drive(d, i, &place);
    struct ide_tray tray = { 0 };
    struct block *b;

    if (!c)
        return false;
    b = d->pc.disk[place];
    if (c->cdrom && ide_tray(ide(d), place, &tray, NULL) == 0)
        b = tray.medium;
    *out = (struct vm_block){
        .id = c->id, .removable = c->cdrom, .locked = tray.locked, .tray_open = tray.open
    };
    if (b) {
        out->file = b->path;
        out->format = "raw";
        out->read_only = b->read_only;
        out->rd_bytes = b->stats.rd_bytes;
        out->wr_bytes = b->stats.wr_bytes;
        out->rd_operations = b->stats.rd_operations;
        out->wr_operations = b->stats.wr_operations;
        out->flush_operations = b->stats.flush_operations;
    }
    return true;
}

static bool nic(void *vm, unsigned i, struct vm_nic *out)
{
    struct domain *d = vm;
    const struct pc_nic *n = &d->pc.nic[i];
    const struct net *net;

    if (i >= PC_NICS || !n->ops)
        return false;
    net = n->net;
    *out = (struct vm_nic){ .model = n->ops->name, .id = d->config->nics[i].id };
    memcpy(out->mac, n->mac, sizeof out->mac);
    if (!net)
        return true;
    out->what = net->what;
    out->link = net->up;
    out->rx_frames = net->stats.rx_frames;
    out->rx_bytes = net->stats.rx_bytes;
    out->rx_dropped = net->stats.rx_dropped;
    out->tx_frames = net->stats.tx_frames;
    out->tx_bytes = net->stats.tx_bytes;
    out->tx_dropped = net->stats.tx_dropped;
    return true;
}

static bool pci(void *vm, unsigned i, struct vm_pci *out)
{
    struct domain *d = vm;

    for (unsigned devfn = 0; devfn < 256; devfn++) {
        uint32_t id = machine_config(d->m, devfn, PCI_VENDOR_ID, 4, true, 0);

        if (id == UINT32_MAX || i-- != 0)
            continue;
        *out = (struct vm_pci){ .slot = devfn >> 3,
                                .function = devfn & 7,
                                .vendor = (uint16_t)id,
                                .device = (uint16_t)(id >> 16),
                                .id = "" };
        out->class = (uint16_t)machine_config(d->m, devfn, PCI_CLASS, 2, true, 0);
        return true;
    }
    return false;
}

static bool counters(void *vm, unsigned i, struct vm_counters *out)
{
    struct domain *d = vm;
    struct device *v = machine_devices(d->m);

    while (v && i-- > 0)
        v = v->next;
    if (!v)
        return false;
    *out = (struct vm_counters){
        .name = v->id,
        .reads = v->stats.reads,
        .writes = v->stats.writes,
        .rd_bytes = v->stats.rd_bytes,
        .wr_bytes = v->stats.wr_bytes,
        .dma_reads = v->stats.dma_reads,
        .dma_writes = v->stats.dma_writes,
        .dma_bytes = v->stats.dma_bytes,
        .irqs = v->stats.irqs,
        .events = v->stats.events,
        .refused = v->stats.refused,
    };
    return true;
}

static int find_drive(struct domain *d, const char *id, unsigned *place, struct error *e)
{
    for (unsigned i = 0; i < PC_DISKS; i++) {
        const struct config_disk *c = nth_drive(d, i, place);

        if (c && c->id && strcmp(c->id, id) == 0)
            return c->cdrom ? 0 : error_set(e, -EINVAL, "%s is no CD-ROM drive", id);
    }
    return error_set(e, -ENODEV, "there is no drive %s", id);
}

/* The guest's lock keeps a medium in, so it counts for nothing where none lies: an empty drive is
 * always ejected. `xl cd-insert` relies on that. It sends eject, and only once that has succeeded,
 * blockdev-change-medium; between the two a guest may close the open tray and lock it again, and
 * being refused then would leave its administrator without the old medium and the new one. */
static int eject(void *vm, const char *id, bool force, struct error *e)
{
    struct domain *d = vm;
    struct ide_tray tray;
    unsigned place;
    int err = find_drive(d, id, &place, e);

    if (err == 0)
        err = ide_tray(ide(d), place, &tray, e);
    if (err == 0)
        err = control(d, TAP_EJECT, place, force || !tray.medium, NULL, e);
    if (err == 0 && d->pc.disk[place]) {
        block_close(d->pc.disk[place]);
        d->pc.disk[place] = NULL;
        err = domain_hold_disk(d, place, NULL, e);
    }
    return err;
}

/* A successor finds the medium that the supervisor holds in the tray, and tells the guest of it if
 * the guest knew of none: so the tray must be empty, and known to be, before that changes. */
static int insert(struct domain *d, unsigned place, struct block *b, struct error *e)
{
    struct error dropped = { "" };
    int err;

    d->pc.disk[place] = b;
    err = domain_hold_disk(d, place, b, e);
    if (err == 0)
        err = control(d, TAP_INSERT, place, b->size, b, e);
    if (err == 0)
        return 0;
    d->pc.disk[place] = NULL;
    if (domain_hold_disk(d, place, NULL, &dropped) < 0)
        log_warn("%s", dropped.text);
    return err;
}

/* A locked medium is not taken from the guest, neither here nor by an eject that is not forced: it
 * may have a file system mounted. QEMU refuses both too, and libxl never asks for force. The
 * refused caller's wish is passed on to the guest, which as a rule unlocks and opens the tray: the
 * next try succeeds. The image is opened first, so that one that cannot be opened costs nothing. */
static int change_medium(void *vm, const char *id, int fd, const char *path, const char *format,
                         struct error *e)
{
    struct domain *d = vm;
    struct block_options o = { .path = path,
                               .fd = fd,
                               .format = format ? format : "raw",
                               .read_only = true,
                               .no_ring = d->s != NULL,
                               .shared = d->s != NULL };
    struct block *b = NULL;
    unsigned place;
    int err = find_drive(d, id, &place, e);

    if (err < 0) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    err = block_open(d->loop, &o, &b, e);
    if (err == 0)
        err = eject(d, id, false, e);
    if (err == 0) {
        b = tap_disk(recorder_tap(d->recorder), place, b);
        if (!b)
            return error_set(e, -ENOMEM, "out of memory");
    }
    if (err == 0)
        err = insert(d, place, b, e);
    if (err < 0)
        block_close(b);
    return err;
}

static int resized(void *vm, struct error *e)
{
    int err = domain_tell_resized(vm);

    return err < 0 ? error_set(e, err, "nobody serves PV disks here") : 0;
}

static unsigned max_vcpus(void *vm)
{
    return ((struct domain *)vm)->config->max_vcpus;
}

static bool vcpu_plugged(void *vm, unsigned vcpu)
{
    struct domain *d = vm;
    struct device *pm = machine_find(d->m, "piix4_pm", 0);

    return pm ? piix4_pm_cpu_present(pm, vcpu) : vcpu < d->pc.vcpus;
}

static int plug_vcpu(void *vm, unsigned vcpu, struct error *e)
{
    struct domain *d = vm;
    struct device *pm = machine_find(d->m, "piix4_pm", 0);

    if (!pm)
        return error_set(e, -ENODEV, "this guest has no ACPI (acpi=0): it cannot be given a vCPU");
    return control(d, TAP_PLUG_CPU, vcpu, 0, NULL, e);
}

static int screenshot(void *vm, struct surface *out, struct error *e)
{
    struct domain *d = vm;

    if (!d->display.draw)
        return error_set(e, -ENODEV, "this guest has no display (vga=\"none\")");
    if (d->hv->ops->drain)
        d->hv->ops->drain(d->hv);
    return d->display.draw(d->display.opaque, out, e);
}

/* One record of the arena, with the names of fields that it brings itself. */
static void dump_record(const struct arena *a, const struct arena_record *r, struct vm_dump *out)
{
    const struct state_field *fields = arena_at(a, r->fields);

    out->device(out, r->name, r->instance);
    for (uint32_t i = 0; fields && i < r->nfields; i++)
        out->field(out, &fields[i], arena_at(a, r->state));
}

/* The configuration space of a PCI function, which is a record of the core's; else NULL. */
static const struct arena_record *pci_record(const struct arena *a, struct device *v)
{
    for (uint32_t i = 0; v->pci && i < a->h->nrecords; i++) {
        const struct arena_record *r = &a->h->record[i];

        if (strcmp(r->name, "pci") == 0 && arena_at(a, r->state) == pci_config(v))
            return r;
    }
    return NULL;
}

static int dump(void *vm, const char *name, struct vm_dump *out, struct error *e)
{
    struct domain *d = vm;
    bool found = false;

    for (struct device *v = machine_devices(d->m); v; v = v->next) {
        bool wanted = !name || strcmp(name, v->id) == 0 || strcmp(name, v->ops->name) == 0;
        const struct arena_record *pci = pci_record(&d->arena, v);
        unsigned n = v->ops->state_count ? v->ops->state_count : 1;

        for (unsigned i = 0; wanted && v->ops->state && i < n; i++) {
            const struct arena_record *r = arena_find(&d->arena, v->ops->name, v->instance * n + i);

            if (r)
                dump_record(&d->arena, r, out);
        }
        if (pci && (wanted || strcmp(name, pci->name) == 0))
            dump_record(&d->arena, pci, out);
        found |= wanted || (pci && strcmp(name, pci->name) == 0);
    }
    return found ? 0 : error_set(e, -ENOENT, "there is no device %s", name ? name : "at all");
}

static int meter(void *vm, bool on, struct error *e)
{
    int err = machine_meter(((struct domain *)vm)->m, on);

    return err < 0 ? error_set(e, err, "no memory to count accesses") : 0;
}

static bool metered(void *vm, unsigned i, struct vm_register *out)
{
    struct meter_row r;

    if (!machine_meter_row(((struct domain *)vm)->m, i, &r))
        return false;
    *out = (struct vm_register){ r.device, r.region, r.reg, r.reads, r.writes, r.ns };
    return true;
}

static uint64_t meter_ns(void *vm)
{
    return machine_meter_elapsed(((struct domain *)vm)->m);
}

static int trace(void *vm, const char *patterns, bool on, struct error *e)
{
    if (machine_trace(((struct domain *)vm)->m, patterns, on) == 0)
        return error_set(e, -ENOENT, "there is no device %s", patterns);
    log_info("trace of %s is %s", patterns, on ? "on" : "off");
    return 0;
}

static bool traced(void *vm, unsigned i, const char **device)
{
    for (struct device *v = machine_devices(((struct domain *)vm)->m); v; v = v->next)
        if ((v->look & LOOK_TRACE) && i-- == 0) {
            *device = v->id;
            return true;
        }
    return false;
}

static int dirty_log(void *vm, bool enable, struct error *e)
{
    struct domain *d = vm;

    (void)e;
    if (d->hv->ops->set_log_dirty)
        d->hv->ops->set_log_dirty(d->hv, enable);
    if (d->record)
        d->record->log_dirty = enable;
    return 0;
}

static void quit(void *vm)
{
    loop_stop(((struct domain *)vm)->loop);
}

const struct vm_ops domain_vm_ops = {
    .status = status,
    .cont = cont,
    .stop = stop,
    .chardev = chardev,
    .block = block,
    .nic = nic,
    .pci = pci,
    .counters = counters,
    .eject = eject,
    .change_medium = change_medium,
    .resized = resized,
    .max_vcpus = max_vcpus,
    .vcpu_plugged = vcpu_plugged,
    .plug_vcpu = plug_vcpu,
    .screenshot = screenshot,
    .dump = dump,
    .meter = meter,
    .metered = metered,
    .meter_ns = meter_ns,
    .trace = trace,
    .traced = traced,
    .dirty_log = dirty_log,
    .quit = quit,
};

const struct vm_ops domain_probe_ops = { .status = status, .quit = quit };
