/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl - our own control socket, /run/hvmdm/DOMID.ctl, for hvmdm-ctl(8).
 *
 * Protocol: the client sends one JSON object, {"command": NAME, ...}; the answer is one line,
 * {"return": ...} or {"error": SENTENCE}. Any number of commands per connection.
 *
 *     status                {"domid", "name", "status", "version", "pid", "machine", "vcpus", ...}
 *     counters              {"devices": [{"name", "reads", "writes", ...}, ...]}
 *     dump [device]         {"devices": [{"name", "instance", "state": {...}}, ...]}
 *     top                   {"ns", "registers": [{"device", "register", "reads", "writes", "ns"},
 * ...]} since the first such request; counting ends with the last connection that has sent one
 *     trace [device on]     {"devices": [NAME, ...]}, those whose doings go to the log now;
 * `device` are patterns, separated by commas, and `on` is true or false screenshot {"width",
 * "height", "bytes"}; then so many bytes follow the line: the pixels, 4 bytes each (blue, green,
 * red, 0), rows from the top version               {"version"} quit                  {}; then the
 * device model ends
 *
 * The picture goes out as it is: packing it into a PNG file would hold up the guest, so the client
 * does that.
 */
#ifndef TOOLSTACK_CTL_H
#define TOOLSTACK_CTL_H

#include "hw/core/bits.h"
#include "hw/core/error.h"
#include "toolstack/vm.h"

#define CTL_DIRECTORY "/run/hvmdm"

struct ctl;
struct loop;

struct ctl_info {
    unsigned domid;
    const char *name;    /* may be NULL */
    const char *machine; /* "xenfv" */
};

/* Make `directory` (0700) if needed and listen at DOMID.ctl (0600). Clients are root, or whoever we
 * run as. ops, vm and the strings of info are borrowed. 0 or -errno with a sentence. */
MUST_CHECK int ctl_open(struct loop *loop, const char *directory, const struct ctl_info *info,
                        const struct vm_ops *ops, void *vm, struct ctl **out, struct error *e);

/* The descriptor of the listening socket, for whoever keeps it for a successor. */
int ctl_listener(const struct ctl *c);
/* ctl_open() in such a successor: `fd` is that socket and becomes ours. */
MUST_CHECK int ctl_serve(struct loop *loop, const char *directory, int fd,
                         const struct ctl_info *info, const struct vm_ops *ops, void *vm,
                         struct ctl **out, struct error *e);
/* Close all connections and accept none until (false) further notice: another process listens at
 * the same socket. What is closed then leaves its socket file. */
void ctl_rest(struct ctl *c, bool on);

/* Serve a connected socket, which is then ours; no check who it is. */
MUST_CHECK int ctl_connection(struct ctl *c, int fd);

void ctl_close(struct ctl *c); /* and remove the socket, if it is still ours; NULL is nothing */

/* What hvmdm-ctl does; returns its exit status. */
int ctl_client(int argc, char *const argv[], FILE *out, FILE *err);

#endif
