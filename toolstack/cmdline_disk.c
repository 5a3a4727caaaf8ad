/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline_disk - the -drive, -device, -chardev and -mon arguments, and how they fit.
 *
 * Paths with commas: libxl writes a disk in one of two forms,
 *     file=PATH,if=...,...      options only after the path
 *     if=none,...,file=PATH[,format=WORD]     at most the format after the path
 * so the path ends where, read from the right, something follows that is no option of the form or
 * is one for the second time. Each form has its options exactly once, hence
 * "file=/a,format=x,if=ide, index=0,media=disk,format=raw,cache=writeback" is the file
 * "/a,format=x". Sockets likewise.
 */
#include "toolstack/cmdline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum drive_key { D_IF, D_INDEX, D_MEDIA, D_ID, D_READONLY, D_CACHE, D_FORMAT, D_KEYS };
static const char *const drive_keys[D_KEYS] = {
    [D_IF] = "if",       [D_INDEX] = "index",       [D_MEDIA] = "media",   [D_ID] = "id",
    [D_CACHE] = "cache", [D_READONLY] = "readonly", [D_FORMAT] = "format",
};

/* A -drive before it is known where it is plugged in. */
struct drive {
    struct config_disk d;
    bool ide;
    bool have_index;
    uint64_t index;
};

static int drive_option(struct cmdline *p, struct drive *r, int key, char *value)
{
    if (!value || !*value)
        return cmdline_bad_key(p, drive_keys[key], value);
    switch (key) {
    case D_IF:
        r->ide = !strcmp(value, "ide");
        if (!r->ide && strcmp(value, "none"))
            return cmdline_bad_value(p, value, "ide or none (if=)");
        return 0;
    case D_INDEX:
        r->have_index = true;
        return cmdline_number(p, "index", value, 0, CONFIG_IDE_PLACES - 1, &r->index);
    case D_MEDIA:
        r->d.cdrom = !strcmp(value, "cdrom");
        if (!r->d.cdrom && strcmp(value, "disk"))
            return cmdline_bad_value(p, value, "disk or cdrom (media=)");
        return 0;
    case D_ID:
        r->d.id = value;
        return 0;
    case D_READONLY:
        return cmdline_onoff(p, "readonly", value, &r->d.read_only);
    case D_CACHE:
        r->d.direct = !strcmp(value, "none") || !strcmp(value, "directsync");
        if (!r->d.direct && strcmp(value, "writeback") && strcmp(value, "writethrough") &&
            strcmp(value, "unsafe"))
            return cmdline_bad_value(p, value, "a kind of cache");
        return 0;
    default:
        r->d.format = value;
        return 0;
    }
}

static int drive_place(struct cmdline *p, struct drive *r)
{
    if (!r->ide) {
        if (!r->d.id)
            return error_set(p->e, -EINVAL, "argument -drive: if=none needs an id=");
        return 0;
    }
    if (!r->have_index)
        return error_set(p->e, -EINVAL, "argument -drive: if=ide needs an index=");
    r->d.bus = CONFIG_BUS_IDE;
    r->d.channel = (uint8_t)(r->index / 2);
    r->d.unit = (uint8_t)(r->index % 2);
    if (!r->d.id) {
        int n = sprintf(p->free, "ide%u-%s%u", r->d.channel, r->d.cdrom ? "cd" : "hd", r->d.unit);

        r->d.id = p->free;
        p->free += n + 1;
    }
    return 0;
}

/* Takes the path out of "PATH,key=value,..."; `allowed` are the keys that may follow it. */
static int drive_path(struct cmdline *p, struct drive *r, char *path, uint32_t seen)
{
    char *value;
    int key;

    while ((key = cmdline_peel(path, drive_keys, D_KEYS, &seen, &value)) >= 0) {
        int ret = drive_option(p, r, key, value);

        if (ret < 0)
            return ret;
    }
    if (!*path)
        return error_set(p->e, -EINVAL, "argument -drive: file= has no path");
    r->d.path = path;
    if (!strncmp(path, "nbd+unix:", 9) || !strncmp(path, "nbd:", 4))
        cmdline_wants(p, FEATURE_IMAGE_NBD, path);
    return 0;
}

int cmdline_drive(struct cmdline *p, char *value)
{
    struct drive r = { .d.format = "raw" };
    bool first = true;
    int ret = 0;

    if (p->c->ndisks == CONFIG_DISKS)
        return error_set(p->e, -EINVAL, "argument -drive: more than %d emulated disks",
                         CONFIG_DISKS);
    for (; ret == 0 && value && *value; first = false) {
        char *key, *v;
        unsigned i;

        if (!strncmp(value, "file=", 5)) {
            /* What stood before the path cannot follow it, and if anything did, only the format. */
            uint32_t seen = first ? 0 : ((1u << D_KEYS) - 1) & ~(1u << D_FORMAT);

            ret = drive_path(p, &r, value + 5, seen);
            break;
        }
        key = cmdline_next(&value, &v);
        for (i = 0; i < D_KEYS && strcmp(key, drive_keys[i]); i++)
            ;
        ret = i < D_KEYS ? drive_option(p, &r, (int)i, v) : cmdline_bad_key(p, key, v);
    }
    if (ret == 0)
        ret = drive_place(p, &r);
    if (ret < 0)
        return ret;
    if (strcmp(r.d.format, "raw"))
        cmdline_wants(p, FEATURE_IMAGE_FORMAT, r.d.format);
    p->c->disks[p->c->ndisks++] = r.d;
    return 0;
}

/* ---- -device ------------------------------------------------------------------------------- */

static struct config_disk *find_disk(struct cmdline *p, const char *id)
{
    for (unsigned i = 0; id && i < p->c->ndisks; i++)
        if (p->c->disks[i].id && !strcmp(p->c->disks[i].id, id))
            return &p->c->disks[i];
    error_set(p->e, -EINVAL, "argument -device: drive=%s names no -drive", id ? id : "");
    return NULL;
}

static int plug_ide(struct cmdline *p, struct config_disk *d, const char *bus, const char *unit,
                    bool cdrom)
{
    uint64_t channel, place;

    if (!bus || strncmp(bus, "ide.", 4) != 0)
        return cmdline_bad_value(p, bus, "an IDE bus (bus=ide.0)");
    if (cmdline_number(p, "the IDE channel", bus + 4, 0, 255, &channel) < 0)
        return -EINVAL;
    if (channel > 1)
        return error_set(
            p->e, -EINVAL,
            "disk %s: a PC has two IDE channels, not %u: use hda to hdd for CD-ROMs in "
            "the disk line of xl.cfg",
            d->id, (unsigned)channel + 1);
    if (cmdline_number(p, "the IDE unit", unit, 0, 1, &place) < 0)
        return -EINVAL;
    d->bus = CONFIG_BUS_IDE;
    d->channel = (uint8_t)channel;
    d->unit = (uint8_t)place;
    d->cdrom = cdrom;
    return 0;
}

/* ide-cd, ide-hd, scsi-hd: options drive, bus, unit, scsi-id, id. */
static int device_disk(struct cmdline *p, const char *driver, char *rest)
{
    const char *drive = NULL, *bus = NULL, *unit = "0", *scsi_id = NULL;
    struct config_disk *d;
    uint64_t place;
    char *key, *v;

    while ((key = cmdline_next(&rest, &v))) {
        if (v && !strcmp(key, "drive"))
            drive = v;
        else if (v && !strcmp(key, "bus"))
            bus = v;
        else if (v && !strcmp(key, "unit"))
            unit = v;
        else if (v && !strcmp(key, "scsi-id"))
            scsi_id = v;
        else if (!v || strcmp(key, "id"))
            return cmdline_bad_key(p, key, v);
    }
    d = find_disk(p, drive);
    if (!d)
        return -EINVAL;
    if (!strcmp(driver, "scsi-hd")) {
        cmdline_wants(p, FEATURE_SCSI, NULL);
        d->bus = CONFIG_BUS_SCSI;
        if (cmdline_number(p, "scsi-id", scsi_id, 0, 255, &place) < 0)
            return -EINVAL;
        d->unit = (uint8_t)place;
        return 0;
    }
    if (bus && !strncmp(bus, "ahci0.", 6)) {
        cmdline_wants(p, FEATURE_AHCI, NULL);
        d->bus = CONFIG_BUS_AHCI;
        if (cmdline_number(p, "the AHCI port", bus + 6, 0, 5, &place) < 0)
            return -EINVAL;
        d->unit = (uint8_t)place;
        return 0;
    }
    return plug_ide(p, d, bus, unit, !strcmp(driver, "ide-cd"));
}

static int device_vga(struct cmdline *p, enum config_vga vga, char *rest)
{
    uint64_t mib = 0;
    char *key, *v;
    int ret = 0;

    while (ret == 0 && (key = cmdline_next(&rest, &v))) {
        if (!strcmp(key, "vgamem_mb"))
            ret = cmdline_number(p, "videoram= (vgamem_mb)", v, 1, 256, &mib);
        else if (vga != CONFIG_VGA_QXL)
            ret = cmdline_bad_key(p, key, v);
    }
    p->c->vga = vga;
    while (mib & (mib - 1)) /* its BAR is a power of two; more than that, xl has not left over */
        mib &= mib - 1;
    p->c->vgamem_mib = (uint32_t)(mib ? mib : vga == CONFIG_VGA_CIRRUS ? 8 : 16);
    if (vga == CONFIG_VGA_CIRRUS)
        cmdline_wants(p, FEATURE_CIRRUS, NULL);
    if (vga == CONFIG_VGA_QXL)
        cmdline_wants(p, FEATURE_QXL, NULL);
    return ret;
}

enum { PVDEVICE_XENSERVER = 0xc000 }; /* the one that libxl asks for */

static int device_pvdevice(struct cmdline *p, char *rest)
{
    uint64_t id = 0;
    char *key, *v;
    int ret = 0;

    while (ret == 0 && (key = cmdline_next(&rest, &v))) {
        if (!strcmp(key, "device-id"))
            ret = cmdline_number(p, "device-id", v, PVDEVICE_XENSERVER, PVDEVICE_XENSERVER, &id);
        else
            ret = cmdline_bad_key(p, key, v);
    }
    if (ret == 0 && !id)
        ret =
            error_set(p->e, -EINVAL, "argument -device xen-pvdevice: device-id=0xc000 is missing");
    p->c->pvdevice_id = (uint32_t)id;
    return ret;
}

/* Devices of which it is enough to know that they are wanted. */
static const struct {
    char name[20];
    enum config_feature feature;
} wanted_devices[] = {
    { "lsi53c895a", FEATURE_SCSI },     { "ahci", FEATURE_AHCI },
    { "intel-hda", FEATURE_SOUND },     { "hda-duplex", FEATURE_SOUND },
    { "ac97", FEATURE_SOUND },          { "AC97", FEATURE_SOUND },
    { "adlib", FEATURE_SOUND },         { "cs4231a", FEATURE_SOUND },
    { "es1370", FEATURE_SOUND },        { "ES1370", FEATURE_SOUND },
    { "gus", FEATURE_SOUND },           { "sb16", FEATURE_SOUND },
    { "piix3-usb-uhci", FEATURE_USB },  { "ich9-usb-ehci1", FEATURE_USB },
    { "ich9-usb-uhci1", FEATURE_USB },  { "ich9-usb-uhci2", FEATURE_USB },
    { "ich9-usb-uhci3", FEATURE_USB },  { "nec-usb-xhci", FEATURE_USB },
    { "usb-tablet", FEATURE_USB },      { "usb-redir", FEATURE_SPICE },
    { "virtio-serial", FEATURE_SPICE }, { "virtserialport", FEATURE_SPICE },
};

static const struct {
    char name[12];
    enum config_vga vga;
} vga_devices[] = {
    { "VGA", CONFIG_VGA_STD },
    { "cirrus-vga", CONFIG_VGA_CIRRUS },
    { "qxl-vga", CONFIG_VGA_QXL },
};

/* A network card is whatever has a netdev=: the model is free text in xl.cfg. */
int cmdline_device(struct cmdline *p, char *value)
{
    bool nic = strstr(value, ",netdev=") != NULL;
    char *v, *driver = cmdline_next(&value, &v);

    if (!driver || v)
        return cmdline_bad_value(p, driver, "the name of a device");
    if (!strcmp(driver, "ide-cd") || !strcmp(driver, "ide-hd") || !strcmp(driver, "scsi-hd"))
        return device_disk(p, driver, value);
    if (!strcmp(driver, "xen-pvdevice"))
        return device_pvdevice(p, value);
    for (size_t i = 0; i < ARRAY_SIZE(vga_devices); i++)
        if (!strcmp(driver, vga_devices[i].name))
            return device_vga(p, vga_devices[i].vga, value);
    for (size_t i = 0; i < ARRAY_SIZE(wanted_devices); i++)
        if (!strcmp(driver, wanted_devices[i].name)) {
            cmdline_wants(p, wanted_devices[i].feature, driver);
            return 0;
        }
    if (nic)
        return cmdline_nic(p, driver, value);
    return error_set(p->e, -EINVAL, "argument -device: do not know the device \"%s\"", driver);
}

/* ---- -chardev and -mon --------------------------------------------------------------------- */

static const char *const socket_keys[] = { "server", "wait" };

static int socket_path(struct cmdline *p, struct cmdline_chardev *ch, char *path)
{
    uint32_t seen = 0;
    char *value;

    while (cmdline_peel(path, socket_keys, ARRAY_SIZE(socket_keys), &seen, &value) >= 0)
        ;
    if (!*path)
        return error_set(p->e, -EINVAL, "argument -chardev: path= has no path");
    ch->path = path;
    return 0;
}

int cmdline_chardev(struct cmdline *p, char *value)
{
    struct cmdline_chardev ch = { .fd = -1 };
    char *v, *key, *kind = cmdline_next(&value, &v);
    uint64_t fd;
    int ret = 0;

    if (p->nchardevs == CONFIG_CHARDEVS)
        return error_set(p->e, -EINVAL, "argument -chardev: more than %d of them", CONFIG_CHARDEVS);
    if (kind && !strcmp(kind, "spicevmc")) {
        cmdline_wants(p, FEATURE_SPICE, NULL);
        return 0;
    }
    ch.pty = kind && !strcmp(kind, "pty");
    if (!kind || v || (!ch.pty && strcmp(kind, "socket")))
        return cmdline_bad_value(p, kind, "pty or socket");
    while (ret == 0 && value && *value) {
        if (!ch.pty && !strncmp(value, "path=", 5)) {
            ret = socket_path(p, &ch, value + 5);
            break;
        }
        key = cmdline_next(&value, &v);
        if (v && !strcmp(key, "id")) {
            ch.id = v;
        } else if (v && !ch.pty && !strcmp(key, "fd")) {
            ret = cmdline_number(p, "the descriptor", v, 0, INT32_MAX, &fd);
            ch.fd = ret == 0 ? (int)fd : -1;
        } else if (v && !ch.pty && (!strcmp(key, "host") || !strcmp(key, "port"))) {
            cmdline_wants(p, FEATURE_COLO, "a chardev on the network");
        } else if (ch.pty || (strcmp(key, "server") && strcmp(key, "wait") &&
                              strcmp(key, "nowait") && strcmp(key, "reconnect"))) {
            ret = cmdline_bad_key(p, key, v);
        }
    }
    if (ret == 0 && !ch.id)
        ret = error_set(p->e, -EINVAL, "argument -chardev: id= is missing");
    if (ret == 0)
        p->chardevs[p->nchardevs++] = ch;
    return ret;
}

int cmdline_mon(struct cmdline *p, char *value)
{
    const char *id = NULL;
    char *key, *v;

    while ((key = cmdline_next(&value, &v))) {
        if (v && !strcmp(key, "chardev"))
            id = v;
        else if (!v || strcmp(key, "mode") || strcmp(v, "control"))
            return cmdline_bad_key(p, key, v);
    }
    for (unsigned i = 0; id && i < p->nchardevs; i++) {
        struct cmdline_chardev *ch = &p->chardevs[i];

        if (strcmp(ch->id, id))
            continue;
        if (p->c->nqmp == CONFIG_QMP)
            return error_set(p->e, -EINVAL, "argument -mon: more than %d of them", CONFIG_QMP);
        if (!ch->path && ch->fd < 0)
            return error_set(p->e, -EINVAL, "argument -mon: chardev \"%s\" is no socket", id);
        ch->used = true;
        p->c->qmp[p->c->nqmp++] = (struct config_qmp){ .path = ch->path, .fd = ch->fd };
        return 0;
    }
    return error_set(p->e, -EINVAL, "argument -mon: there is no chardev \"%s\"", id ? id : "");
}

/* ---- does it fit together? ----------------------------------------------------------------- */

static int add_channel(struct cmdline *p, const struct cmdline_chardev *ch)
{
    if (!ch->pty && (!ch->path || strchr(ch->path, ',') || strlen(ch->path) > CONFIG_SOCKET_PATH))
        return error_set(p->e, -EINVAL,
                         "argument -chardev: %s cannot be a socket at \"%s\": a path has at most "
                         "%d bytes and no comma (xl.cfg: channel=)",
                         ch->id, ch->path ? ch->path : "", CONFIG_SOCKET_PATH);
    if (p->c->nchannels == CONFIG_CHANNELS)
        return error_set(p->e, -EINVAL, "argument -chardev: more than %d channels",
                         CONFIG_CHANNELS);
    for (unsigned i = 0; i < p->c->nchannels; i++)
        if (!strcmp(p->c->channels[i].id, ch->id))
            return error_set(p->e, -EINVAL, "argument -chardev: there are two \"%s\"", ch->id);
    p->c->channels[p->c->nchannels++] = (struct config_channel){ .id = ch->id, .path = ch->path };
    return 0;
}

static int finish_chardevs(struct cmdline *p)
{
    static const char prefix[] = "libxl-channel";
    const uint64_t strangers = UINT64_C(1) << FEATURE_COLO | UINT64_C(1) << FEATURE_SPICE;

    for (unsigned i = 0; i < p->nchardevs; i++) {
        struct cmdline_chardev *ch = &p->chardevs[i];

        if (ch->used)
            continue;
        if (!strncmp(ch->id, prefix, sizeof prefix - 1)) {
            int ret = add_channel(p, ch);

            if (ret < 0)
                return ret;
        } else if (!(p->c->features & strangers)) {
            return error_set(p->e, -EINVAL, "argument -chardev: nothing uses \"%s\"", ch->id);
        }
    }
    return 0;
}

static int finish_disks(struct cmdline *p)
{
    const struct config_disk *place[CONFIG_IDE_PLACES] = { 0 };

    for (unsigned i = 0; i < p->c->ndisks; i++) {
        const struct config_disk *d = &p->c->disks[i];
        unsigned at = d->channel * 2u + d->unit;

        if (d->bus == CONFIG_BUS_NONE)
            return error_set(p->e, -EINVAL, "argument -drive: no -device uses the drive \"%s\"",
                             d->id);
        if (d->bus != CONFIG_BUS_IDE)
            continue;
        if (place[at])
            return error_set(p->e, -EINVAL,
                             "disks %s and %s are both hd%c: give each its own name in the disk "
                             "line of xl.cfg",
                             place[at]->id, d->id, 'a' + (int)at);
        if (!d->cdrom && !d->path)
            return error_set(p->e, -EINVAL, "disk %s has no file", d->id);
        place[at] = d;
    }
    return 0;
}

int cmdline_finish(struct cmdline *p)
{
    const struct config *c = p->c;
    int ret;

    if (!c->have_machine)
        return error_set(p->e, -EINVAL, "argument -machine is missing (see hvmdm --help)");
    if (c->machine == CONFIG_MACHINE_NONE)
        return 0;
    if (!c->have_domid)
        return error_set(p->e, -EINVAL, "argument -xen-domid is missing (see hvmdm --help)");
    if (c->xen_attach && c->machine != CONFIG_MACHINE_XENPV)
        return error_set(p->e, -EINVAL, "argument -xen-attach needs -machine xenpv");
    if (c->machine == CONFIG_MACHINE_XENPV && c->domid_restrict)
        cmdline_wants(p, FEATURE_PV_RESTRICT, NULL);
    if (c->machine != CONFIG_MACHINE_XENPV && !c->ram_mib)
        return error_set(p->e, -EINVAL, "argument -m is missing: how much memory has the guest?");
    ret = finish_chardevs(p);
    if (ret == 0)
        ret = finish_disks(p);
    return ret < 0 ? ret : cmdline_finish_nics(p);
}
