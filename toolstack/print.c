/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print - --help, --version and --print-config.
 */
#include "toolstack/config.h"

#include <errno.h>

#include "toolstack/version.h"
#include "toolstack/vm_json.h"

static const char help[] =
    "usage: hvmdm [OPTION]...\n"
    "\n"
    "hvmdm is the device model of one Xen HVM guest. It is not started by hand: put\n"
    "    device_model_override = \"/path/to/hvmdm\"\n"
    "into the guest's xl.cfg, and xl runs it with the options below. More options of your\n"
    "own go into device_model_args = [\"--log-level\", \"debug\"].\n"
    "\n"
    "Options of our own:\n"
    "  --help                 this text\n"
    "  --version              name and version\n"
    "  --print-config         show as JSON what the other options mean, and end\n"
    "  --log-level LEVEL      error, warn, info (default) or debug\n"
    "  --model PATH           the program that plays the hardware (hvmdm-model beside hvmdm)\n"
    "  --trace PATTERNS       show every access to these devices: \"ide*,piix3\", \"*\"\n"
    "  --record FILE[,limit=SIZE][,nodata]\n"
    "                         record what the guest does and gets; hvmdm-replay(8) runs it again\n"
    "  --no-sandbox           do not confine the device model (for debugging only)\n"
    "\n"
    "The guest:\n"
    "  -xen-domid N           the domain to serve\n"
    "  -name NAME             its name\n"
    "  -machine TYPE          xenfv, pc (no Xen platform device), xenpv (with -xen-attach: PV\n"
    "                         back ends only) or none (probe: QMP only);\n"
    "                         with ,accel=xen ,suppress-vmdesc=on ,max-ram-below-4g=BYTES\n"
    "  -m MIB                 memory without video memory\n"
    "  -smp N[,maxcpus=M]     virtual CPUs, at most 128\n"
    "  -boot order=LETTERS    a floppy, c disk, d CD-ROM, n network\n"
    "  -no-acpi               no power management function\n"
    "\n"
    "Disks:\n"
    "  -drive file=PATH,if=ide,index=0..3,media=disk,format=raw,cache=writeback\n"
    "  -drive if=none,readonly=on,id=ID[,file=PATH,format=raw]\n"
    "  -device ide-cd,drive=ID,bus=ide.0..1,unit=0..1\n"
    "\n"
    "Network cards:\n"
    "  -device MODEL,netdev=ID,mac=ADDRESS                    e1000, rtl8139\n"
    "  -netdev tap,id=ID,ifname=NAME                          behind the card that it is for\n"
    "  -netdev user|socket|none,id=ID,...                     for device_model_args_hvm=\n"
    "  -object filter-dump,id=ANY,netdev=ID,file=PATH[,maxlen=BYTES]\n"
    "                         all frames to a file, as tcpdump and Wireshark read it\n"
    "\n"
    "Screen and serial ports:\n"
    "  -device VGA,vgamem_mb=MIB\n"
    "  -serial pty|none|null|stdio|file:PATH|unix:PATH,server,nowait|tcp:...|/dev/...\n"
    "  -chardev pty,id=libxl-channelN                         a PV channel\n"
    "  -chardev socket,id=libxl-channelN,path=PATH,server=on,wait=off\n"
    "  -vnc ADDRESS|none, -display none, -nographic, -k KEYMAP\n"
    "\n"
    "Control:\n"
    "  -chardev socket,id=ID,path=PATH,server=on,wait=off     a QMP socket\n"
    "  -chardev socket,id=ID,fd=N,server=on,wait=off          the same, inherited\n"
    "  -mon chardev=ID,mode=control\n"
    "  -S                     do nothing until QMP says cont\n"
    "  -no-shutdown, -nodefaults, -no-user-config             always given by xl\n"
    "\n"
    "Restriction (dm_restrict=, device_model_user=):\n"
    "  -runas USER|UID:GID    whom the processes that serve the guest become\n"
    "  -xen-domid-restrict    what is done anyway; with this also under --no-sandbox\n"
    "  -chroot DIR            accepted; an empty root takes the place of DIR\n"
    "  -run-with user=USER,chroot=DIR                         the same\n"
    "\n"
    "Without Xen, for clients of the qtest protocol (docs/qtest.md):\n"
    "  -qtest unix:PATH[,server=on]|stdio   the whole PC, driven by a client\n"
    "  -accel qtest           the same, when -qtest is not given: QMP only\n"
    "  -qtest-log FILE|none   where the conversation is written\n"
    "\n"
    "Understood, and refused with the line of xl.cfg that cures it: -incoming, -kernel, -initrd,\n"
    "-append, -usb, -usbdevice, -spice, other -object and -device models.\n"
    "\n"
    "A running device model answers hvmdm-ctl(8). See also hvmdm(8), xl.cfg(5).\n";

static int flushed(FILE *to)
{
    return fflush(to) || ferror(to) ? -EIO : 0;
}

int config_print_help(FILE *to)
{
    fputs(help, to);
    return flushed(to);
}

int config_print_version(FILE *to)
{
    fprintf(to, "hvmdm %s\n", HVMDM_VERSION);
#ifdef HVMDM_TEST_FAULTS
    fputs("A build for tests: its guests can make it crash (--enable-test-faults).\n", to);
#endif
    return flushed(to);
}

const char *config_machine_name(enum config_machine machine)
{
    switch (machine) {
    case CONFIG_MACHINE_XENFV:
        return "xenfv";
    case CONFIG_MACHINE_PC:
        return "pc";
    case CONFIG_MACHINE_XENPV:
        return "xenpv";
    default:
        return "none";
    }
}

const char *config_vga_name(enum config_vga vga)
{
    switch (vga) {
    case CONFIG_VGA_STD:
        return "stdvga";
    case CONFIG_VGA_CIRRUS:
        return "cirrus";
    case CONFIG_VGA_QXL:
        return "qxl";
    default:
        return "none";
    }
}

const struct config_disk *config_ide(const struct config *c, unsigned place)
{
    for (unsigned i = 0; i < c->ndisks; i++) {
        const struct config_disk *d = &c->disks[i];

        if (d->bus == CONFIG_BUS_IDE && d->channel * 2u + d->unit == place)
            return d;
    }
    return NULL;
}

static json_t *disk_json(const struct config_disk *d)
{
    static const char *const bus[] = { "none", "ide", "scsi", "ahci" };

    return json_pack("{s:o, s:s, s:i, s:i, s:s, s:o, s:o, s:b, s:b}", "id", json_text(d->id), "bus",
                     bus[d->bus], "channel", d->channel, "unit", d->unit, "kind",
                     d->cdrom ? "cdrom" : "disk", "path", json_text(d->path), "format",
                     json_text(d->path ? d->format : NULL), "read-only", d->read_only, "direct",
                     d->direct);
}

static json_t *nic_json(const struct config_nic *n)
{
    char mac[18];

    snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
             n->mac[3], n->mac[4], n->mac[5]);
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "model", json_text(n->model), "mac",
                     mac, "network", json_text(n->kind), "tap", json_text(n->ifname), "bridge",
                     json_text(n->bridge), "options", json_text(n->spec), "capture",
                     json_text(n->dump));
}

static json_t *lists_json(const struct config *c)
{
    json_t *disks = json_array(), *serials = json_array(), *qmp = json_array();
    json_t *channels = json_array(), *nics = json_array();

    for (unsigned i = 0; i < c->ndisks; i++)
        json_array_append_new(disks, disk_json(&c->disks[i]));
    for (unsigned i = 0; i < c->nserials; i++)
        json_array_append_new(serials, json_text(c->serials[i]));
    for (unsigned i = 0; i < c->nqmp; i++)
        json_array_append_new(qmp, c->qmp[i].path ? json_text(c->qmp[i].path)
                                                  : json_pack("{s:i}", "fd", c->qmp[i].fd));
    for (unsigned i = 0; i < c->nchannels; i++)
        json_array_append_new(channels, json_pack("{s:o, s:o}", "id", json_text(c->channels[i].id),
                                                  "path", json_text(c->channels[i].path)));
    for (unsigned i = 0; i < c->nnics; i++)
        json_array_append_new(nics, nic_json(&c->nics[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "disks", disks, "serials", serials, "qmp", qmp,
                     "channels", channels, "nics", nics);
}

static json_t *host_json(const struct config *c)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b}",
                     "sandbox", !c->no_sandbox, "start-paused", c->start_paused, "no-shutdown",
                     c->no_shutdown, "xen-attach", c->xen_attach, "restrict", c->domid_restrict,
                     "runas", json_text(c->runas), "chroot", json_text(c->chroot), "incoming-fd",
                     c->incoming_fd < 0 ? json_null() : json_integer(c->incoming_fd), "vnc",
                     json_text(c->vnc), "keymap", json_text(c->keymap), "trace",
                     json_text(c->trace), "record", json_text(c->record), "record-limit",
                     (json_int_t)c->record_limit, "record-disk-contents", !c->record_nodata);
}

static json_t *config_json(const struct config *c)
{
    struct error refused = { "" };
    json_t *j;

    j = json_pack("{s:o, s:o, s:s, s:i, s:i, s:i, s:I, s:s, s:i, s:o, s:b, s:o, s:o, s:o}", "domid",
                  c->have_domid ? json_integer(c->domid) : json_null(), "name", json_text(c->name),
                  "machine", config_machine_name(c->machine), "memory-mib", (int)c->ram_mib,
                  "vcpus", (int)c->vcpus, "max-vcpus", (int)c->max_vcpus, "max-ram-below-4g",
                  (json_int_t)c->max_ram_below_4g, "vga", config_vga_name(c->vga), "vga-memory-mib",
                  (int)c->vgamem_mib, "boot", json_text(c->boot), "acpi", !c->no_acpi, "kernel",
                  json_text(c->kernel), "initrd", json_text(c->initrd), "append",
                  json_text(c->append));
    json_object_update_new(j, lists_json(c));
    json_object_update_new(j, host_json(c));
    if (config_refuse(c, &refused) < 0)
        json_object_set_new(j, "refused", json_text(refused.text));
    return j;
}

int config_print(const struct config *c, FILE *to)
{
    json_t *j = config_json(c);
    int ret = json_dumpf(j, to, JSON_INDENT(2)) < 0 ? -EIO : 0;

    json_decref(j);
    fputc('\n', to);
    return ret < 0 ? ret : flushed(to);
}
