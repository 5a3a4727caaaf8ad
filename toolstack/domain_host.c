/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_host - host resources: everything struct pc_host wants, and the listening sockets.
 *
 * The first device model opens them, by the paths of the command line, and gives each descriptor to
 * the supervisor; a successor gets them from there and opens nothing. Names: disk0 to disk3,
 * serial0 to serial3, serial0c and so on for the connection to a serial port's socket, net0 to net7
 * (domain_nics.c), qmp0 to qmp3, ctl, record.
 */
#include <errno.h>
#include <unistd.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/storage/ide_media.h"
#include "toolstack/ctl.h"
#include "toolstack/domain_private.h"
#include "toolstack/record/recorder.h"
#include "toolstack/stream.h"

int domain_hold(struct domain *d, const char *name, int fd, struct error *e)
{
    int err = supervised_hold(d->s, name, fd);

    if (err < 0)
        error_set(e, err, "cannot give %s to the supervisor: %s", name, strerror(-err));
    return err;
}

/* --- Disks. */

static void disk_name(char name[SUPERVISED_NAME], unsigned place)
{
    snprintf(name, SUPERVISED_NAME, "disk%u", place);
}

int domain_hold_disk(struct domain *d, unsigned place, struct block *b, struct error *e)
{
    char name[SUPERVISED_NAME];
    int err;

    disk_name(name, place);
    if (b) {
        domain_fill_record(d);
        return domain_hold(d, name, b->fd, e);
    }
    err = supervised_drop(d->s, name);
    if (err < 0 && err != -ENOENT)
        return error_set(e, err, "the supervisor does not let %s go: %s", name, strerror(-err));
    domain_fill_record(d);
    return 0;
}

static int open_disk(struct domain *d, unsigned place, struct error *e)
{
    const struct config_disk *c = config_ide(d->config, place);
    struct block_options o = { .fd = -1, .no_ring = d->s != NULL, .shared = d->s != NULL };
    char name[SUPERVISED_NAME];
    int err;

    if (!c)
        return 0;
    d->pc.cdrom[place] = c->cdrom;
    disk_name(name, place);
    if (d->successor) {
        o.fd = supervised_take(d->s, name);
        o.locked = true;
    }
    if (d->successor ? o.fd < 0 : !c->path)
        return 0; /* a drive without a medium, or a disk that the guest has unplugged */
    o.path = c->path;
    o.format = c->format && !d->successor ? c->format : "raw";
    o.read_only = c->read_only || c->cdrom;
    o.direct = c->direct;
    err = block_open(d->loop, &o, &d->pc.disk[place], e);
    if (err == 0 && !d->successor)
        err = domain_hold(d, name, d->pc.disk[place]->fd, e);
    return err;
}

void domain_drop_unplugged(struct domain *d)
{
    struct device *ide = machine_find(d->m, "piix3_ide", 0);
    struct error e = { "" };

    for (unsigned i = 0; ide && i < PC_DISKS; i++) {
        struct block *b = d->pc.disk[i];

        if (!b || !ide_let_go(ide, i))
            continue;
        d->pc.disk[i] = NULL;
        block_close(b);
        if (domain_hold_disk(d, i, NULL, &e) < 0)
            log_error("%s", e.text);
        domain_tell_unplugged(d, i);
    }
    domain_drop_unplugged_nics(d);
}

int domain_check_disks(struct domain *d, struct error *e)
{
    struct device *ide = machine_find(d->m, "piix3_ide", 0);

    for (unsigned i = 0; i < PC_DISKS; i++) {
        const struct config_disk *c = config_ide(d->config, i);

        if (c && !c->cdrom && !d->pc.disk[i] && !(ide && ide_let_go(ide, i)))
            return error_set(e, -ENOENT, "the supervisor does not have the image of disk %s",
                             c->id ? c->id : "without a name");
        if (d->pc.disk[i])
            snprintf(d->pc.disk[i]->path, sizeof d->pc.disk[i]->path, "%s", domain_path(d, i));
    }
    return domain_check_nics(d, e);
}

/* --- Serial ports. */

static void client_changed(void *opaque, int fd)
{
    const struct domain_serial *serial = opaque;
    char name[SUPERVISED_NAME];
    int err;

    snprintf(name, sizeof name, "serial%uc", serial->n);
    err = fd >= 0 ? supervised_hold(serial->d->s, name, fd) : supervised_drop(serial->d->s, name);
    if (err < 0 && err != -ENOENT)
        log_warn("serial%u: the supervisor does not know about its connection: %s", serial->n,
                 strerror(-err));
}

static int open_serial(struct domain *d, unsigned n, struct error *e)
{
    struct chardev_kept kept = { .successor = d->successor, .fd = -1, .client = -1 };
    char label[SUPERVISED_NAME], client[SUPERVISED_NAME];
    int err;

    if (strcmp(d->config->serials[n], "none") == 0)
        return 0;
    snprintf(label, sizeof label, "serial%u", n);
    snprintf(client, sizeof client, "serial%uc", n);
    d->pc.have_serial[n] = true;
    d->serial[n] = (struct domain_serial){ d, n };
    if (d->s) {
        kept.connected = client_changed;
        kept.opaque = &d->serial[n];
        kept.fd = supervised_take(d->s, label);
        kept.client = supervised_take(d->s, client);
    }
    err = chardev_open_kept(d->loop, label, d->config->serials[n], &kept, &d->pc.serial[n], e);
    if (err == 0 && d->pc.serial[n]) {
        d->pc.serial[n] = tap_serial(recorder_tap(d->recorder), n, d->pc.serial[n]);
        if (!d->pc.serial[n])
            return error_set(e, -ENOMEM, "out of memory");
    }
    if (err == 0 && !d->successor && d->pc.serial[n]->keep >= 0)
        err = domain_hold(d, label, d->pc.serial[n]->keep, e);
    return err;
}

/* --- The screen. Its memory is the guest's: only the first device model adds it. */

static int open_vga(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    uint64_t ram = (uint64_t)c->ram_mib << 20;
    int err;

    if (c->vga != CONFIG_VGA_STD)
        return 0;
    err = rom_load(ROM_VGA_STD, NULL, 0x1234, 0x1111, &d->vga_rom, e);
    if (err < 0)
        return err;
    d->pc.vga_rom = d->vga_rom.bytes;
    d->pc.vga_rom_size = d->vga_rom.size;
    d->pc.display = &d->display;
    d->pc.vram_bytes = (c->vgamem_mib ? c->vgamem_mib : 16) << 20;
    d->pc.vram_gfn = pc_vram_gfn(ram, c->max_ram_below_4g);
    if (d->successor)
        return 0;
    err = d->hv->ops->populate(d->hv, d->pc.vram_gfn, d->pc.vram_bytes / HV_PAGE_SIZE);
    if (err < 0)
        return error_set(e, err,
                         "cannot give the guest %u MiB of video memory: %s (is videoram= "
                         "in its configuration the same as when it was built?)",
                         d->pc.vram_bytes >> 20, strerror(-err));
    return 0;
}

/* --- The recording: what is opened later is seen through it. A predecessor that made none, made
 * none. */

static int open_recorder(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    struct recorder_options o = {
        .path = c->record, .limit = c->record_limit, .nodata = c->record_nodata, .fd = -1
    };
    int err;

    if (!c->record)
        return 0;
    if (d->successor) {
        o.fd = supervised_take(d->s, "record");
        if (o.fd < 0)
            return 0;
    }
    err = recorder_open(&o, &d->recorder, e);
    if (err == 0 && !d->successor)
        err = domain_hold(d, "record", recorder_fd(d->recorder), e);
    return err;
}

/* Whether its PV twin has a disk is the host's business: the gate lies behind the tap. */
static int record_disks(struct domain *d, struct error *e)
{
    for (unsigned i = 0; i < PC_DISKS; i++) {
        bool there = d->pc.disk[i] != NULL;

        d->pc.disk[i] = tap_disk(recorder_tap(d->recorder), i, d->pc.disk[i]);
        if (there && !d->pc.disk[i])
            return error_set(e, -ENOMEM, "out of memory");
    }
    return 0;
}

int domain_open_host(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    int err = open_recorder(d, e);

    d->pc.no_acpi = c->no_acpi;
    d->pc.xen_platform = c->machine == CONFIG_MACHINE_XENFV;
    d->pc.xen_pvdevice = c->pvdevice_id != 0;
    d->pc.vcpus = c->vcpus ? c->vcpus : 1;
    snprintf(d->pc.boot, sizeof d->pc.boot, "%s", c->boot ? c->boot : "cda");
    for (unsigned i = 0; i < PC_DISKS && err == 0; i++)
        err = open_disk(d, i, e);
    if (err == 0)
        err = domain_open_twins(d, e);
    if (err == 0)
        err = record_disks(d, e);
    for (unsigned i = 0; i < c->nserials && i < PC_SERIALS && err == 0; i++)
        err = open_serial(d, i, e);
    if (err == 0)
        err = open_vga(d, e);
    if (err == 0)
        err = domain_open_nics(d, e);
    return err;
}

void domain_close_host(struct domain *d)
{
    for (unsigned i = 0; i < PC_DISKS; i++)
        if (d->leave)
            block_leave(d->pc.disk[i]);
        else
            block_close(d->pc.disk[i]);
    for (unsigned i = 0; i < PC_SERIALS; i++)
        if (d->pc.serial[i]) {
            if (d->leave)
                chardev_rest(d->pc.serial[i], true);
            chardev_close(d->pc.serial[i]);
        }
    domain_close_nics(d);
    rom_unload(&d->vga_rom);
}

/* --- Whoever asks us. */

static int open_qmp(struct domain *d, unsigned i, struct error *e)
{
    const struct config_qmp *c = &d->config->qmp[i];
    char name[SUPERVISED_NAME];
    int fd, err;

    snprintf(name, sizeof name, "qmp%u", i);
    if (d->successor)
        fd = supervised_take(d->s, name);
    else
        fd = c->path ? stream_listen(c->path, 0600, e) : c->fd;
    if (fd < 0)
        return error_set(e, -EBADF, "the supervisor does not have the QMP socket %u", i);
    err = qmp_listen_fd(d->qmp, fd, e);
    if (err < 0)
        close(fd);
    else if (!d->successor)
        err = domain_hold(d, name, fd, e);
    return err;
}

static int open_ctl(struct domain *d, struct error *e)
{
    const struct ctl_info info = { d->config->domid, d->config->name,
                                   config_machine_name(d->config->machine) };
    int fd = supervised_take(d->s, "ctl"), err;

    if (fd >= 0)
        return ctl_serve(d->loop, d->directory, fd, &info, &domain_vm_ops, d, &d->ctl, e);
    if (d->successor)
        return error_set(e, -EBADF, "the supervisor does not have the control socket");
    err = ctl_open(d->loop, d->directory, &info, &domain_vm_ops, d, &d->ctl, e);
    return err < 0 ? err : domain_hold(d, "ctl", ctl_listener(d->ctl), e);
}

int domain_open_control(struct domain *d, struct error *e)
{
    int err = 0;

    d->qmp = qmp_new(d->loop, &domain_vm_ops, d);
    if (!d->qmp)
        return error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < d->config->nqmp && err == 0; i++)
        err = open_qmp(d, i, e);
    return err < 0 ? err : open_ctl(d, e);
}
