/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arguments - see arguments.h.
 *
 * Present: machine (pc, none), memory, CPUs, boot order, IDE disks and CD-ROM drives, VGA, network
 *          cards, serial ports, QMP sockets, the port itself.
 * Absent:  whatever else clients can name is an error that says so: boards, devices, networks and
 *          block drivers that are not there, JSON after -device, -blockdev, -global.
 */
#include "toolstack/qtest/arguments.h"

#include "hw/pc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    CHARDEVS = 8,
    DEFAULT_MIB = 128,
    MAX_MIB = 16384, /* what the simulator can hold */
    NAMES = 64,      /* bytes for a name or path that we make up */
};
#define NULL_SIZE (UINT64_C(1) << 30)

struct socket_chardev {
    const char *id;
    struct arguments_monitor m;
};

struct parser {
    struct arguments *a;
    struct error *e;
    const char *option; /* with its dashes */
    char *free;         /* next unused byte of config.text */
    struct socket_chardev chardev[CHARDEVS];
    unsigned nchardevs;
    struct config_netdev netdev[CONFIG_NICS];
    unsigned nnetdevs;
};

static int bad(struct parser *p, const char *what)
{
    return error_set(p->e, -EINVAL, "argument %s: do not know \"%.200s\"", p->option, what);
}

/* --- Values. */

/* Cut "key=value" or a bare word off *rest; doubled commas become one. NULL: nothing is left. */
static char *next_key(char **rest, char **value)
{
    char *key = *rest, *from = key, *to = key;

    if (!key || !*key)
        return NULL;
    for (; *from && (*from != ',' || from[1] == ','); from++) {
        if (*from == ',')
            from++;
        *to++ = *from;
    }
    *rest = *from ? from + 1 : NULL;
    *to = '\0';
    *value = strchr(key, '=');
    if (*value)
        *(*value)++ = '\0';
    return key;
}

/* All of `text`, with a suffix K, M or G if `unit` (what a bare number counts) is not 0. */
static bool size_of(const char *text, uint64_t unit, uint64_t max, uint64_t *out)
{
    char *end;

    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (unit && *end) {
        switch (*end++ | 0x20) {
        case 'k':
            unit = 1 << 10;
            break;
        case 'm':
            unit = 1 << 20;
            break;
        case 'g':
            unit = 1 << 30;
            break;
        default:
            return false;
        }
    }
    if (errno || *end || *out > max / (unit ? unit : 1))
        return false;
    *out *= unit ? unit : 1;
    return true;
}

static int number(struct parser *p, const char *text, uint64_t max, uint64_t *out)
{
    return size_of(text, 0, max, out) ? 0 : bad(p, text ? text : "(no value)");
}

static bool is_on(const char *value)
{
    return !value || !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true");
}

static bool listed(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(word, *list))
            return true;
    return false;
}

/* --- The machine. */

static int opt_nothing(struct parser *p, char *value)
{
    (void)p;
    (void)value;
    return 0;
}

/* The first one that can be used wins, and ours always can. */
static int opt_accel(struct parser *p, char *value)
{
    (void)p;
    (void)value;
    return 0;
}

static int machine_type(struct parser *p, const char *type)
{
    struct config *c = &p->a->config;

    if (!strcmp(type, "none"))
        c->machine = CONFIG_MACHINE_NONE;
    else if (!strcmp(type, "pc") || !strncmp(type, "pc-i440fx-", 10))
        c->machine = CONFIG_MACHINE_PC;
    else
        return error_set(p->e, -EINVAL, "argument %s: there is no machine \"%.100s\" (pc, none)",
                         p->option, type);
    return 0;
}

static int opt_machine(struct parser *p, char *value)
{
    static const char *const ignored[] = {
        "accel", "graphics", "vmport", "hpet", "smm", "pit", NULL
    };
    char *key, *v;
    bool first = true;
    int err = 0;

    for (; err == 0 && (key = next_key(&value, &v)); first = false) {
        if (!v && first)
            err = machine_type(p, key);
        else if (v && !strcmp(key, "type"))
            err = machine_type(p, v);
        else if (v && !strcmp(key, "acpi"))
            p->a->config.no_acpi = !is_on(v);
        else if (!listed(key, ignored) && (strcmp(key, "usb") || is_on(v)))
            err = bad(p, key);
    }
    return err;
}

static int opt_memory(struct parser *p, char *value)
{
    char *key, *v;
    uint64_t bytes;

    while ((key = next_key(&value, &v))) {
        if (v && strcmp(key, "size"))
            return bad(p, key);
        if (!size_of(v ? v : key, 1 << 20, (uint64_t)MAX_MIB << 20, &bytes) || bytes < 1 << 20)
            return bad(p, v ? v : key);
        p->a->config.ram_mib = (uint32_t)(bytes >> 20);
    }
    return 0;
}

static int opt_smp(struct parser *p, char *value)
{
    struct config *c = &p->a->config;
    uint64_t n = 0, most = 0;
    char *key, *v;
    int err = 0;

    while (err == 0 && (key = next_key(&value, &v))) {
        if (!v || !strcmp(key, "cpus"))
            err = number(p, v ? v : key, CONFIG_VCPUS, &n);
        else if (!strcmp(key, "maxcpus"))
            err = number(p, v, CONFIG_VCPUS, &most);
        else if (strcmp(key, "sockets") && strcmp(key, "cores") && strcmp(key, "threads"))
            err = bad(p, key);
    }
    c->vcpus = (uint32_t)(n ? n : 1);
    c->max_vcpus = (uint32_t)(most > c->vcpus ? most : c->vcpus);
    return err;
}

static int boot_order(struct parser *p, const char *letters)
{
    if (letters[strspn(letters, "abcdn")] || strlen(letters) > 3)
        return bad(p, letters);
    return 0;
}

static int opt_boot(struct parser *p, char *value)
{
    static const char *const ignored[] = { "menu", "strict", "splash-time", "reboot-timeout",
                                           NULL };
    char *key, *v;
    int err = 0;

    while (err == 0 && (key = next_key(&value, &v))) {
        if (!v || !strcmp(key, "order")) {
            p->a->config.boot = v ? v : key;
            err = boot_order(p, p->a->config.boot);
        } else if (!strcmp(key, "once")) {
            p->a->once = v;
            err = boot_order(p, v);
        } else if (!listed(key, ignored)) {
            err = bad(p, key);
        }
    }
    return err;
}

static int opt_uuid(struct parser *p, char *value)
{
    unsigned n = 0;

    for (const char *at = value; *at; at += 2) {
        char digits[3] = { at[0], at[1], 0 };

        if (*at == '-') {
            at--;
            continue;
        }
        if (n == sizeof p->a->uuid || strspn(digits, "0123456789abcdefABCDEF") != 2)
            return bad(p, value);
        p->a->uuid[n++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return n == sizeof p->a->uuid ? 0 : bad(p, value);
}

/* --- Disks. */

/* Room for NAMES bytes, beside the arguments' own. */
static char *make_text(struct parser *p)
{
    char *text = p->free;

    p->free += NAMES;
    return text;
}

/* No medium at all: as many zeroes as wanted, in memory. What is written stays, though. */
static int null_medium(struct parser *p, struct config_disk *d, uint64_t size)
{
    int fd = memfd_create("null-co", MFD_CLOEXEC);
    char *text;

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return error_set(p->e, -errno, "argument %s: no memory for null-co", p->option);
    text = make_text(p);
    snprintf(text, NAMES, "/proc/self/fd/%d", fd);
    d->path = text;
    return 0;
}

struct drive {
    struct config_disk d;
    bool none; /* if=none */
    bool null; /* nothing behind it */
    int index; /* -1: the first free place */
    uint64_t size;
};

static int drive_format(struct parser *p, struct drive *r, const char *format)
{
    if (!strcmp(format, "null-co"))
        r->null = true;
    else if (strcmp(format, "raw"))
        return error_set(p->e, -ENOTSUP, "argument %s: only raw images can be read yet, not %.60s",
                         p->option, format);
    return 0;
}

static int drive_interface(struct parser *p, struct drive *r, const char *name)
{
    r->none = !strcmp(name, "none");
    return r->none || !strcmp(name, "ide") ? 0 : bad(p, name);
}

static int drive_file(struct parser *p, struct drive *r, const char *path)
{
    if (!strncmp(path, "null-co:", 8))
        r->null = true;
    else if (!strncmp(path, "blkdebug:", 9))
        return error_set(p->e, -ENOTSUP, "argument %s: there is no blkdebug", p->option);
    else
        r->d.path = path;
    return 0;
}

/* What has no effect on what a guest can see. */
static bool drive_ignored(const char *key)
{
    static const char *const ignored[] = { "cache",         "aio",
                                           "discard",       "auto-read-only",
                                           "detect-zeroes", "file.read-zeroes",
                                           "read-zeroes",   "file.align",
                                           "rerror",        NULL };

    return listed(key, ignored) || !strncmp(key, "throttling.", 11);
}

static int drive_key(struct parser *p, struct drive *r, const char *key, char *v)
{
    uint64_t n = 0;
    int err = 0;

    if (drive_ignored(key))
        return 0;
    if (!v)
        return bad(p, key);
    if (!strcmp(key, "file")) {
        err = drive_file(p, r, v);
    } else if (!strcmp(key, "if")) {
        err = drive_interface(p, r, v);
    } else if (!strcmp(key, "format") || !strcmp(key, "driver") || !strcmp(key, "file.driver")) {
        err = drive_format(p, r, v);
    } else if (!strcmp(key, "index")) {
        err = number(p, v, CONFIG_IDE_PLACES - 1, &n);
        r->index = (int)n;
    } else if (!strcmp(key, "media") && (!strcmp(v, "disk") || !strcmp(v, "cdrom"))) {
        r->d.cdrom = *v == 'c';
    } else if (!strcmp(key, "id")) {
        r->d.id = v;
    } else if (!strcmp(key, "readonly") || !strcmp(key, "read-only")) {
        r->d.read_only = is_on(v);
    } else if (!strcmp(key, "size") || !strcmp(key, "file.size")) {
        err = size_of(v, 1, INT64_MAX, &r->size) ? 0 : bad(p, v);
    } else if (strcmp(key, "snapshot") || is_on(v)) {
        err = bad(p, key);
    }
    return err;
}

static int place_disk(struct parser *p, struct config_disk *d, int place)
{
    const struct config *c = &p->a->config;
    char *text;

    for (int i = 0; place < 0 && i < CONFIG_IDE_PLACES; i++)
        if (!config_ide(c, (unsigned)i))
            place = i;
    if (place < 0 || config_ide(c, (unsigned)place))
        return error_set(p->e, -EEXIST, "argument %s: no free place on the IDE buses for \"%.60s\"",
                         p->option, d->id ? d->id : "");
    d->channel = (uint8_t)(place / 2);
    d->unit = (uint8_t)(place % 2);
    d->bus = CONFIG_BUS_IDE;
    if (!d->id) {
        text = make_text(p);
        snprintf(text, NAMES, "ide%u-%s%u", d->channel, d->cdrom ? "cd" : "hd", d->unit);
        d->id = text;
    }
    return 0;
}

static int opt_drive(struct parser *p, char *value)
{
    struct config *c = &p->a->config;
    struct drive r = { .d.format = "raw", .index = -1, .size = NULL_SIZE };
    char *key, *v;
    int err = 0;

    if (c->ndisks == CONFIG_DISKS)
        return error_set(p->e, -ENOSPC, "argument %s: too many drives", p->option);
    while (err == 0 && (key = next_key(&value, &v)))
        err = drive_key(p, &r, key, v);
    if (err == 0 && r.null)
        err = null_medium(p, &r.d, r.size);
    if (err == 0 && r.none && !r.d.id)
        err = error_set(p->e, -EINVAL, "argument %s: if=none needs an id=", p->option);
    if (err == 0 && !r.none)
        err = place_disk(p, &r.d, r.index);
    if (err == 0)
        c->disks[c->ndisks++] = r.d;
    return err;
}

static struct config_disk *find_drive(struct parser *p, const char *id)
{
    struct config *c = &p->a->config;

    for (unsigned i = 0; i < c->ndisks; i++)
        if (c->disks[i].id && !strcmp(c->disks[i].id, id))
            return &c->disks[i];
    return NULL;
}

/* A CD-ROM drive may be without a drive, and is then empty. */
static int drive_for(struct parser *p, bool cdrom, const char *drive, struct config_disk **out)
{
    struct config *c = &p->a->config;

    *out = drive ? find_drive(p, drive) : NULL;
    if (*out && (*out)->bus == CONFIG_BUS_NONE)
        return 0;
    if (drive || !cdrom || c->ndisks == CONFIG_DISKS)
        return error_set(p->e, -EINVAL, "argument %s: there is no free drive \"%.100s\"", p->option,
                         drive ? drive : "");
    *out = &c->disks[c->ndisks++];
    **out = (struct config_disk){ .format = "raw" };
    return 0;
}

static int device_ide(struct parser *p, bool cdrom, char *rest)
{
    const char *drive = NULL, *id = NULL, *bus = NULL;
    struct config_disk *d = NULL;
    uint64_t unit = 0;
    char *key, *v;
    int err = 0, place = -1;

    while (err == 0 && (key = next_key(&rest, &v))) {
        if (v && !strcmp(key, "drive"))
            drive = v;
        else if (v && !strcmp(key, "id"))
            id = v;
        else if (v && !strcmp(key, "bus"))
            bus = v;
        else if (v && !strcmp(key, "unit"))
            err = number(p, v, 1, &unit);
        else if (strcmp(key, "bootindex") && strcmp(key, "write-cache"))
            err = bad(p, key);
    }
    if (err == 0 && bus && strcmp(bus, "ide.0") && strcmp(bus, "ide.1"))
        err = bad(p, bus);
    if (err == 0 && bus)
        place = (bus[4] - '0') * 2 + (int)unit;
    if (err == 0)
        err = drive_for(p, cdrom, drive, &d);
    if (err < 0 || !d)
        return err;
    d->cdrom = cdrom;
    if (!d->id)
        d->id = id;
    if (!cdrom && !d->path)
        return error_set(p->e, -EINVAL, "argument %s: the drive \"%.60s\" is empty", p->option,
                         d->id);
    return place_disk(p, d, place);
}

static int device_vga(struct parser *p, char *rest)
{
    static const char *const second_slot[] = { "2", "0x2", "02", "2.0", "02.0", "0x02", NULL };
    uint64_t mib = 16;
    char *key, *v;
    int err = 0;

    while (err == 0 && (key = next_key(&rest, &v))) {
        if (!strcmp(key, "vgamem_mb"))
            err = number(p, v, 256, &mib);
        else if (strcmp(key, "id") && strcmp(key, "bus") &&
                 (strcmp(key, "addr") || !v || !listed(v, second_slot)))
            err = bad(p, key);
    }
    p->a->config.vga = CONFIG_VGA_STD;
    p->a->config.vgamem_mib = (uint32_t)mib;
    return err;
}

/* --- Network cards, and then, or before, their networks. */

static int nic_slot(struct parser *p, const char *addr, uint8_t *slot)
{
    char *end;
    unsigned long n = addr ? strtoul(addr, &end, 16) : 0;

    if (n < 2 || n > 31 || (*end && strcmp(end, ".0")))
        return bad(p, addr ? addr : "addr");
    *slot = (uint8_t)n;
    return 0;
}

static int device_nic(struct parser *p, const char *model, char *rest)
{
    struct config *c = &p->a->config;
    struct config_nic n = { .model = model, .fd = -1, .kind = "none", .spec = "" };
    char *key, *v;
    int err = 0;

    if (c->nnics == CONFIG_NICS)
        return error_set(p->e, -ENOSPC, "argument %s: too many network cards", p->option);
    memcpy(n.mac, (const uint8_t[]){ 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, sizeof n.mac);
    n.mac[5] = (uint8_t)(n.mac[5] + c->nnics);
    while (err == 0 && (key = next_key(&rest, &v))) {
        if (v && !strcmp(key, "netdev"))
            n.id = v;
        else if (v && !strcmp(key, "mac"))
            err = config_mac(v, n.mac) ? 0 : bad(p, v);
        else if (!strcmp(key, "addr"))
            err = nic_slot(p, v, &n.slot);
        else if (strcmp(key, "id") && strcmp(key, "bus") && strcmp(key, "bootindex"))
            err = bad(p, key);
    }
    if (err == 0)
        c->nics[c->nnics++] = n;
    return err;
}

static int opt_netdev(struct parser *p, char *value)
{
    struct config_netdev *n = &p->netdev[p->nnetdevs];
    int err;

    if (p->nnetdevs == CONFIG_NICS)
        return error_set(p->e, -ENOSPC, "argument %s: too many networks", p->option);
    if (!strncmp(value, "hubport,", 8)) { /* a hub with one port */
        value += strlen("hub");
        memcpy(value, "none", 4);
    }
    err = config_netdev(value, n, p->e);
    if (err == 0 && !strcmp(n->kind, "none"))
        n->rest += strlen(n->rest); /* hubid= */
    p->nnetdevs += err == 0;
    return err;
}

static const char *tap_name(char *rest)
{
    char *key, *v;

    while ((key = next_key(&rest, &v)))
        if (v && !strcmp(key, "ifname"))
            return v;
    return NULL;
}

static int join_nets(struct parser *p)
{
    for (unsigned i = 0; i < p->a->config.nnics; i++) {
        struct config_nic *n = &p->a->config.nics[i];
        const struct config_netdev *net = NULL;

        for (unsigned k = 0; n->id && k < p->nnetdevs; k++)
            if (!strcmp(p->netdev[k].id, n->id))
                net = &p->netdev[k];
        if (n->id && !net)
            return error_set(p->e, -EINVAL, "argument -device %s: there is no -netdev \"%.60s\"",
                             n->model, n->id);
        if (!net)
            continue;
        n->kind = net->kind;
        n->fd = net->fd;
        n->spec = net->rest;
        if (!strcmp(n->kind, "tap"))
            n->ifname = tap_name(net->rest);
    }
    return 0;
}

static int opt_device(struct parser *p, char *value)
{
    char *v, *name = next_key(&value, &v);

    if (!name || v)
        return bad(p, name ? name : "");
    if (!strcmp(name, "ide-hd") || !strcmp(name, "ide-cd"))
        return device_ide(p, name[4] == 'c', value);
    if (!strcmp(name, "VGA"))
        return device_vga(p, value);
    if (pc_nic_model(name))
        return device_nic(p, name, value);
    return error_set(p->e, -ENOTSUP, "argument %s: there is no device \"%.100s\"", p->option, name);
}

static int opt_vga(struct parser *p, char *value)
{
    if (!strcmp(value, "std"))
        return device_vga(p, NULL);
    return strcmp(value, "none") ? bad(p, value) : 0;
}

/* --- Streams. */

static int opt_serial(struct parser *p, char *value)
{
    struct config *c = &p->a->config;

    if (c->nserials == CONFIG_SERIALS)
        return error_set(p->e, -ENOSPC, "argument %s: a PC has four serial ports", p->option);
    c->serials[c->nserials++] = value;
    return 0;
}

static int opt_none(struct parser *p, char *value)
{
    return strcmp(value, "none") ? bad(p, value) : 0;
}

static int opt_chardev(struct parser *p, char *value)
{
    struct socket_chardev ch = { .m.fd = -1 };
    char *v, *key = next_key(&value, &v);
    uint64_t fd = 0;
    int err = 0;

    if (!key || v || strcmp(key, "socket") || p->nchardevs == CHARDEVS)
        return bad(p, key ? key : "");
    while (err == 0 && (key = next_key(&value, &v))) {
        if (v && !strcmp(key, "id")) {
            ch.id = v;
        } else if (v && !strcmp(key, "path")) {
            ch.m.path = v;
        } else if (v && !strcmp(key, "fd")) {
            err = number(p, v, INT32_MAX, &fd);
            ch.m.fd = err == 0 ? (int)fd : -1;
        } else if (!strcmp(key, "server")) {
            ch.m.listen = is_on(v);
        } else if (strcmp(key, "wait") && strcmp(key, "nowait")) {
            err = bad(p, key);
        }
    }
    if (err == 0 && (!ch.id || (!ch.m.path && ch.m.fd < 0)))
        err = error_set(p->e, -EINVAL, "argument %s: id= and path= are needed", p->option);
    if (err == 0)
        p->chardev[p->nchardevs++] = ch;
    return err;
}

static int opt_mon(struct parser *p, char *value)
{
    const char *id = "";
    char *key, *v;

    while ((key = next_key(&value, &v))) {
        if (v && !strcmp(key, "chardev"))
            id = v;
        else if ((!v || strcmp(key, "mode") || strcmp(v, "control")) && strcmp(key, "pretty"))
            return bad(p, key);
    }
    for (unsigned i = 0; i < p->nchardevs; i++)
        if (!strcmp(p->chardev[i].id, id) && p->a->nmonitors < CONFIG_QMP) {
            p->a->monitor[p->a->nmonitors++] = p->chardev[i].m;
            return 0;
        }
    return bad(p, id);
}

static int opt_port(struct parser *p, char *value)
{
    p->a->port = value;
    return 0;
}

static int opt_log(struct parser *p, char *value)
{
    p->a->log = strcmp(value, "none") && strcmp(value, "/dev/null") ? value : "";
    return 0;
}

static int opt_control(struct parser *p, char *value)
{
    p->a->control = value;
    return 0;
}

/* --- All of it. */

static int opt_nodefaults(struct parser *p, char *value)
{
    (void)value;
    p->a->nodefaults = true;
    return 0;
}

static int opt_no_reboot(struct parser *p, char *value)
{
    (void)value;
    p->a->no_reboot = true;
    return 0;
}

static int opt_fast_boot(struct parser *p, char *value)
{
    (void)value;
    p->a->fast_boot = true;
    return 0;
}

static int opt_paused(struct parser *p, char *value)
{
    (void)value;
    p->a->config.start_paused = true;
    return 0;
}

static int opt_nographic(struct parser *p, char *value)
{
    (void)value;
    p->a->config.nographic = true;
    return 0;
}

static int opt_no_acpi(struct parser *p, char *value)
{
    (void)value;
    p->a->config.no_acpi = true;
    return 0;
}

static int opt_name(struct parser *p, char *value)
{
    p->a->config.name = value;
    return 0;
}

static const struct option {
    const char *name;
    bool argument;
    int (*parse)(struct parser *p, char *value);
} options[] = {
    { "qtest", true, opt_port },
    { "qtest-log", true, opt_log },
    { "control", true, opt_control },
    { "accel", true, opt_accel },
    { "machine", true, opt_machine },
    { "M", true, opt_machine },
    { "m", true, opt_memory },
    { "smp", true, opt_smp },
    { "cpu", true, opt_nothing },
    { "boot", true, opt_boot },
    { "uuid", true, opt_uuid },
    { "name", true, opt_name },
    { "rtc", true, opt_nothing },
    { "trace", true, opt_nothing },
    { "drive", true, opt_drive },
    { "device", true, opt_device },
    { "vga", true, opt_vga },
    { "serial", true, opt_serial },
    { "chardev", true, opt_chardev },
    { "mon", true, opt_mon },
    { "netdev", true, opt_netdev },
    { "net", true, opt_none },
    { "nic", true, opt_none },
    { "parallel", true, opt_none },
    { "monitor", true, opt_none },
    { "display", true, opt_none },
    { "S", false, opt_paused },
    { "nographic", false, opt_nographic },
    { "no-acpi", false, opt_no_acpi },
    { "no-reboot", false, opt_no_reboot },
    { "no-fd-bootchk", false, opt_fast_boot },
    { "no-shutdown", false, opt_nothing },
    { "no-user-config", false, opt_nothing },
    { "nodefaults", false, opt_nodefaults },
};

static const char *bare(const char *arg)
{
    return arg[0] == '-' ? arg + 1 + (arg[1] == '-') : "";
}

/* Returns how many arguments it used, or -errno. */
static int parse_one(struct parser *p, const char *arg, const char *next)
{
    char *value = p->free;
    int err;

    p->option = arg;
    for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
        if (strcmp(options[i].name, bare(arg)) != 0)
            continue;
        if (options[i].argument && !next)
            return error_set(p->e, -EINVAL, "argument %s needs a value", arg);
        if (options[i].argument) {
            memcpy(value, next, strlen(next) + 1);
            p->free += strlen(next) + 1;
        }
        err = options[i].parse(p, value);
        return err < 0 ? err : 1 + options[i].argument;
    }
    return error_set(p->e, -EINVAL, "do not know the argument \"%.200s\"", arg);
}

static void add_defaults(struct parser *p)
{
    struct config *c = &p->a->config;

    if (p->a->nodefaults)
        return;
    if (!c->nserials)
        c->serials[c->nserials++] = "null";
    if (!config_ide(c, 2) && c->ndisks < CONFIG_DISKS)
        c->disks[c->ndisks++] = (struct config_disk){
            .bus = CONFIG_BUS_IDE, .channel = 1, .cdrom = true, .id = "ide1-cd0", .format = "raw"
        };
}

bool arguments_ask_for_port(int argc, char *const argv[])
{
    for (int i = 1; i < argc; i++) {
        const char *option = bare(argv[i]);

        if (!strcmp(option, "qtest"))
            return true;
        if (!strcmp(option, "accel") && i + 1 < argc && !strncmp(argv[i + 1], "qtest", 5))
            return true;
    }
    return false;
}

int arguments_parse(struct arguments *a, int argc, char *const argv[], struct error *e)
{
    struct parser p = { .a = a, .e = e };
    size_t room = 1;
    int used;

    *a = (struct arguments){ .config = { .machine = CONFIG_MACHINE_PC,
                                         .incoming_fd = -1,
                                         .arena_fd = -1,
                                         .ram_mib = DEFAULT_MIB,
                                         .vcpus = 1,
                                         .max_vcpus = 1,
                                         .boot = "cad" } };
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]) + 1 + 2 * NAMES;
    a->config.text = p.free = malloc(room);
    if (!p.free)
        return error_set(e, -ENOMEM, "out of memory");
    for (int i = 1; i < argc; i += used) {
        used = parse_one(&p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (used < 0)
            return used;
    }
    add_defaults(&p);
    return join_nets(&p);
}

void arguments_free(struct arguments *a)
{
    config_free(&a->config);
}
