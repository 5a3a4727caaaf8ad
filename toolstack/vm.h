/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm - what the control side (QMP, control socket) may ask of the running machine.
 *
 * main() fills one table; every entry may be NULL, and whoever asks then says what is missing. All
 * calls come from the event loop, outside any device's event, and return before the next request.
 * Functions that can fail return 0 or -errno with a sentence.
 */
#ifndef TOOLSTACK_VM_H
#define TOOLSTACK_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "display/surface.h"
#include "hw/core/error.h"
#include "hw/core/state.h"

enum vm_status {
    VM_PRELAUNCH, /* started with -S, no cont yet */
    VM_RUNNING,
    VM_PAUSED,      /* after stop, or loaded and not yet continued */
    VM_SUSPENDED,   /* S3 */
    VM_SHUTDOWN,    /* the guest powered off; we stay */
    VM_POSTMIGRATE, /* saved */
};

struct vm_chardev {
    const char *label;    /* "serial0" */
    const char *filename; /* "pty:/dev/pts/3" */
};

struct vm_block {
    const char *id;     /* "ide-5632", "ide0-hd0": as in struct config_disk */
    const char *file;   /* path of the image; NULL: no medium */
    const char *format; /* "raw"; NULL with no medium */
    bool removable, read_only, locked, tray_open;
    uint64_t rd_bytes, wr_bytes, rd_operations, wr_operations, flush_operations;
};

struct vm_nic {
    const char *model; /* "e1000" */
    const char *id;    /* of its network */
    const char *what;  /* "tap vif1.0-emu"; NULL: unplugged */
    uint8_t mac[6];
    bool link; /* the cable is in */
    uint64_t rx_frames, rx_bytes, rx_dropped, tx_frames, tx_bytes,
        tx_dropped; /* as the guest sees */
};

struct vm_pci {
    unsigned slot, function;
    uint16_t vendor, device, class; /* as in configuration space: 00h, 02h, 0ah */
    const char *id;                 /* host side's name of a passed-through device, else "" */
};

/* A kind of device that can be asked for, or an abstract one that others are of. */
struct vm_device_type {
    const char *name, *parent;
    bool abstract;
};

/* What one device did so far; see struct device_stats. */
struct vm_counters {
    const char *name;
    uint64_t reads, writes, rd_bytes, wr_bytes;
    uint64_t dma_reads, dma_writes, dma_bytes, irqs, events, refused;
};

/* A register, or what else is counted in its place, while the meter is on; see hw/core/meter.h. */
struct vm_register {
    const char *device, *region, *name; /* name may be NULL */
    uint64_t reads, writes, ns;
};

/* Receives a state dump: device, then its fields. The pointers are good during the call. */
struct vm_dump {
    void (*device)(struct vm_dump *d, const char *name, unsigned instance);
    void (*field)(struct vm_dump *d, const struct state_field *f, const void *record);
};

struct vm_ops {
    enum vm_status (*status)(void *vm);
    int (*cont)(void *vm, struct error *e); /* idempotent, as is stop */
    int (*stop)(void *vm, struct error *e); /* no DMA and no host I/O after it returned */

    /* Lists: fill *out with entry i, false past the last. Strings live until the next call. */
    bool (*chardev)(void *vm, unsigned i, struct vm_chardev *out);
    bool (*block)(void *vm, unsigned i, struct vm_block *out);
    bool (*nic)(void *vm, unsigned i, struct vm_nic *out);
    bool (*pci)(void *vm, unsigned i, struct vm_pci *out);
    bool (*counters)(void *vm, unsigned i, struct vm_counters *out);

    /* CD-ROM drives; -ENODEV if there is none of that name. Ejecting an empty drive succeeds; force
     * overrules the guest's lock. */
    int (*eject)(void *vm, const char *id, bool force, struct error *e);
    /* fd >= 0: the open medium, and ownership passes in every case; else open `path`. */
    int (*change_medium)(void *vm, const char *id, int fd, const char *path, const char *format,
                         struct error *e);

    /* An image has been given another size: PV disks take that up, emulated ones do not. */
    int (*resized)(void *vm, struct error *e);

    unsigned (*max_vcpus)(void *vm);
    bool (*vcpu_plugged)(void *vm, unsigned vcpu);
    int (*plug_vcpu)(void *vm, unsigned vcpu, struct error *e); /* vcpu < max_vcpus */

    int (*screenshot)(void *vm, struct surface *out, struct error *e); /* surface_free() after */
    /* All devices, or the one of that name; -ENOENT if there is none. */
    int (*dump)(void *vm, const char *name, struct vm_dump *d, struct error *e);

    /* Count accesses by register. Off when nobody looks any more: it costs memory and time. The
     * rows, a list as above, and the time since it was switched on, in ns. */
    int (*meter)(void *vm, bool on, struct error *e);
    bool (*metered)(void *vm, unsigned i, struct vm_register *out);
    uint64_t (*meter_ns)(void *vm);
    /* What devices do goes to the log, line by line: comma-separated patterns of their names;
     * -ENOENT if there is none. And a list of those that are traced. */
    int (*trace)(void *vm, const char *patterns, bool on, struct error *e);
    bool (*traced)(void *vm, unsigned i, const char **device);

    int (*dirty_log)(void *vm, bool enable, struct error *e);
    int (*save)(void *vm, int fd, bool live, struct error *e); /* fd stays the caller's */
    int (*wakeup)(void *vm, struct error *e);

    /* Only behind the test port: Xen resets its guests itself. */
    int (*reset)(void *vm, struct error *e);
    /* Lists, as above: what this program could be started with. */
    bool (*machine_type)(void *vm, unsigned i, const char **name);
    bool (*device_type)(void *vm, unsigned i, struct vm_device_type *out);
    const char *(*name)(void *vm); /* may give NULL */

    void (*quit)(void *vm); /* leave the event loop soon; the call itself returns */
};

/* QMP's name: "running", "prelaunch", ... */
const char *vm_status_name(enum vm_status status);

#endif
