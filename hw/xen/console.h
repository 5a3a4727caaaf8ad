/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console - back end of the Xen PV console: the channels of xl.cfg (channel=), each with a
 * character stream of the host behind it. The guest's first console is xenconsoled's.
 */
#ifndef HW_XEN_CONSOLE_H
#define HW_XEN_CONSOLE_H

#include "hw/core/bits.h"
#include "hw/core/error.h"

struct chardev;
struct console;
struct pv;
struct xenstore;

enum { CONSOLE_CHANNELS = 8, CONSOLE_BACKLOG = 1 << 20 };

/* Output that the guest is rid of and the host has not taken yet. It outlives the process, so that
 * nothing of it is lost or comes twice on its way from the ring. Byte n of all output, while it is
 * in here, is at (n - start) % CONSOLE_BACKLOG. Zeroed is empty. */
struct console_backlog {
    uint64_t in, out; /* bytes ever taken from rings, and of those: gone */
    uint64_t start;   /* <= out; moved up when all is gone, so that little memory is used */
    uint64_t filed;   /* of a file: how long it is; struct chardev_user */
    uint32_t base;    /* of the connection: ring index = base + in */
    uint8_t bytes[CONSOLE_BACKLOG];
};

/* What the process around gives. */
struct console_host {
    /* The stream that the device's `output` names, "pty" or "chardev:ID". It stays the host's, and
     * one device has it at a time. 0 or -errno with a sentence. */
    int (*open)(void *opaque, uint32_t devid, const char *output, struct chardev **out,
                struct error *e);
    /* Memory that survives this process, the same for the same stream. NULL: there is none, and the
     * console uses its own. */
    struct console_backlog *(*backlog)(void *opaque, const struct chardev *stream);
    void *opaque;
    uint32_t limit; /* bytes of output that may wait for the host; 0: CONSOLE_BACKLOG */
};

/* Serve all consoles of this domain that are ours, now or later. All are borrowed and outlive it.
 * 0 or -errno with a sentence. Then as in vkbd.h. */
MUST_CHECK int console_open(struct xenstore *x, unsigned domid, struct pv *pv,
                            const struct console_host *host, struct console **out, struct error *e);
void console_count(struct console *c, volatile uint64_t *events);
void console_resume(struct console *c);
void console_pause(struct console *c);
void console_close(struct console *c);

#endif
