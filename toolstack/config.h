/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config - everything the command line can say, in one structure.
 *
 * cmdline.c fills it, refuse.c says what of it we cannot do yet, print.c shows it. The rest of the
 * program reads it and never sees an argument. Strings live as long as the structure.
 */
#ifndef TOOLSTACK_CONFIG_H
#define TOOLSTACK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

enum {
    CONFIG_DISKS = 32,
    CONFIG_SERIALS = 4, /* COM1 to COM4 */
    CONFIG_CHARDEVS = 24,
    CONFIG_CHANNELS = 8,
    CONFIG_SOCKET_PATH = 107, /* bytes, the kernel's limit */
    CONFIG_NICS = 8,
    CONFIG_QMP = 4,
    CONFIG_VCPUS = 128, /* ioreq slots in the one page that can be mapped */
    CONFIG_IDE_PLACES = 4,
};

enum config_machine {
    CONFIG_MACHINE_XENFV, /* PC with the Xen platform device */
    CONFIG_MACHINE_PC,    /* PC without it */
    CONFIG_MACHINE_XENPV, /* back ends only */
    CONFIG_MACHINE_NONE,  /* probe: QMP only */
};

enum config_vga { CONFIG_VGA_NONE, CONFIG_VGA_STD, CONFIG_VGA_CIRRUS, CONFIG_VGA_QXL };

enum config_bus { CONFIG_BUS_NONE, CONFIG_BUS_IDE, CONFIG_BUS_SCSI, CONFIG_BUS_AHCI };

/* One emulated disk: a -drive with the -device that belongs to it. */
struct config_disk {
    enum config_bus bus;
    uint8_t channel, unit; /* IDE: 0-1 and 0-1; SCSI, AHCI: 0 and the id or port */
    bool cdrom;
    bool read_only;
    bool direct;        /* cache=none or directsync: past the host's page cache */
    const char *id;     /* name in QMP: "ide-5632", "ide0-hd0", ... */
    const char *path;   /* NULL: a drive without a medium */
    const char *format; /* "raw", "qcow2", ... */
};

struct config_qmp {
    const char *path; /* NULL: inherited */
    int fd;           /* an inherited listening socket, or -1 */
};

/* A PV console channel (xl.cfg channel=). */
struct config_channel {
    const char *id;   /* "libxl-channel0" */
    const char *path; /* socket to listen on; NULL: a pty */
};

struct config_nic {
    const char *model;
    const char *id; /* of the -netdev */
    uint8_t mac[6];
    uint8_t slot;       /* of PCI bus 0; 0: the next free one */
    const char *kind;   /* of the network: "tap", "user", "socket", "none" */
    const char *ifname; /* tap to create; NULL: it is inherited */
    const char *bridge;
    int fd;              /* inherited, or -1 */
    const char *spec;    /* the -netdev's other keys; NULL for a tap */
    const char *dump;    /* capture to this file; NULL: none */
    uint32_t dump_bytes; /* of a frame at most; 0: all */
};

/* What an argument asked for and we cannot do yet; refuse.c has a sentence for each. */
enum config_feature {
    FEATURE_PV_RESTRICT,
    FEATURE_CIRRUS,
    FEATURE_QXL,
    FEATURE_NIC,
    FEATURE_SCSI,
    FEATURE_AHCI,
    FEATURE_USB,
    FEATURE_SOUND,
    FEATURE_SPICE,
    FEATURE_SDL,
    FEATURE_KERNEL,
    FEATURE_INCOMING,
    FEATURE_COLO,
    FEATURE_IGD,
    FEATURE_VNC_PASSWORD,
    FEATURE_IMAGE_FORMAT,
    FEATURE_IMAGE_NBD,
    FEATURE_COUNT
};

enum config_action {
    CONFIG_RUN,
    CONFIG_SHOW_HELP,
    CONFIG_SHOW_VERSION,
    CONFIG_SHOW_CONFIG,
    CONFIG_CHECK_ARENA
};

struct config {
    enum config_action action;
    enum config_machine machine;
    bool have_machine;
    bool have_domid;
    uint16_t domid;
    bool xen_attach;   /* PV and PVH guests */
    bool start_paused; /* -S: "prelaunch" until cont */
    bool no_shutdown;
    bool domid_restrict;
    bool no_acpi;
    bool usb;
    bool nographic;
    bool no_sandbox;
    const char *name;   /* may be NULL */
    const char *runas;  /* a user's name, or UID:GID; NULL: one of our own */
    const char *chroot; /* libxl's empty directory; NULL: none */
    const char *keymap;
    const char *vnc;  /* as given; NULL: none */
    const char *boot; /* letters a, c, d, n; default "cda" */
    const char *kernel, *initrd, *append;
    const char *log_level; /* error, warn, info, debug; NULL: default */
    const char *trace;     /* patterns; NULL: off */
    const char *record;    /* file; NULL: none */
    uint64_t record_limit; /* bytes; 0: none */
    bool record_nodata;    /* without the contents of disks */
    int incoming_fd;       /* -1: none */
    int arena_fd;          /* for CONFIG_CHECK_ARENA */
    uint32_t ram_mib;      /* without video memory */
    uint32_t vcpus, max_vcpus;
    uint64_t max_ram_below_4g; /* bytes; 0: not given */
    enum config_vga vga;
    uint32_t vgamem_mib;
    uint32_t pvdevice_id;              /* 0xc000, XenServer's; 0: none */
    uint64_t features;                 /* bits of enum config_feature */
    const char *detail[FEATURE_COUNT]; /* what to name in the sentence, or NULL */

    unsigned ndisks, nserials, nqmp, nchannels, nnics;
    struct config_disk disks[CONFIG_DISKS];
    const char *serials[CONFIG_SERIALS]; /* as chardev_open() takes them */
    struct config_qmp qmp[CONFIG_QMP];
    struct config_channel channels[CONFIG_CHANNELS];
    struct config_nic nics[CONFIG_NICS];

    char *text; /* private: all strings */
};

/* Parse the arguments of main(). 0, or -errno with a sentence that names the argument.
 * config_free() is due in both cases. With --help, --version the rest is not looked at. */
MUST_CHECK int config_parse(struct config *c, int argc, char *const argv[], struct error *e);
void config_free(struct config *c);

/* -ENOTSUP with a sentence (reason and cure) if the guest wants something we do not have. */
MUST_CHECK int config_refuse(const struct config *c, struct error *e);

/* What is accepted but not done, one call per line. */
void config_warn(const struct config *c, void (*say)(const char *line));

/* The disk in this IDE place (channel * 2 + unit), or NULL. */
const struct config_disk *config_ide(const struct config *c, unsigned place);

/* "00:16:3e:01:02:03"; false: it is no address, or a group's. */
bool config_mac(const char *text, uint8_t mac[6]);
/* A -netdev argument: "KIND,id=ID[,fd=N],..." in any order. `value` is changed, and used. */
struct config_netdev {
    const char *kind;
    char id[64];
    int fd;     /* -1: none */
    char *rest; /* all other keys */
};
MUST_CHECK int config_netdev(char *value, struct config_netdev *out, struct error *e);

/* "xenfv", "stdvga" and so on. */
const char *config_machine_name(enum config_machine machine);
const char *config_vga_name(enum config_vga vga);

/* For --help, --version and --print-config. 0 or -errno (output failed). */
MUST_CHECK int config_print_help(FILE *to);
MUST_CHECK int config_print_version(FILE *to);
MUST_CHECK int config_print(const struct config *c, FILE *to);

#endif
