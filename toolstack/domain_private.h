/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_private - what the files of the domain (domain*.c) share. */
#ifndef TOOLSTACK_DOMAIN_PRIVATE_H
#define TOOLSTACK_DOMAIN_PRIVATE_H

#include "display/display.h"
#include "block/block.h"
#include "firmware/rom.h"
#include "hw/pc.h"
#include "hw/xen/handover.h"
#include "ioreq/kept.h"
#include "ioreq/loop.h"
#include "net/net.h"
#include "toolstack/config.h"
#include "toolstack/qmp.h"
#include "toolstack/sandbox.h"
#include "toolstack/supervised.h"
#include "toolstack/vm.h"

enum { DOMAIN_PATH = 256 };           /* of a medium; may be cut, as in struct block */
#define DOMAIN_ARENA_BYTES (1u << 20) /* address space; memory is used as far as it is written */

/* What a successor must know beside the devices. A record of the arena that is not shadowed: it is
 * written outside events. Its payload is a struct kept. */
/* clang-format off */
#define DOMAIN_STATE(F, A, S)                                                                      \
    F(S, uint8_t, status, VM_POSTMIGRATE, 1) /* enum vm_status */                                  \
    F(S, uint8_t, log_dirty, 1, 1)                                                                 \
    A(S, uint8_t, paths, PC_DISKS * DOMAIN_PATH, ANY, 1) /* of the media, NUL-terminated */        \
    /* the board, for a trial run without the guest's command line */                              \
    F(S, uint8_t, no_acpi, 1, 1)                                                                   \
    F(S, uint8_t, xen_platform, 1, 1)                                                              \
    A(S, uint8_t, serial, PC_SERIALS, 1, 1)                                                        \
    A(S, uint8_t, cdrom, PC_DISKS, 1, 1)                                                           \
    A(S, uint64_t, disk_bytes, PC_DISKS, ANY, 1) /* 0: no medium */                                \
    F(S, uint32_t, vcpus, 0xffff, 1)                                                               \
    F(S, uint32_t, vram_bytes, ANY, 1)                                                             \
    F(S, uint64_t, vram_gfn, ANY, 1)                                                               \
    F(S, uint32_t, rom_bytes, ANY, 1)                                                              \
    F(S, uint8_t, xen_pvdevice, 1, 2)
/* clang-format on */
STATE_DEFINE(domain, DOMAIN_STATE);

struct domain;
struct recorder;

struct domain_serial {
    struct domain *d;
    unsigned n;
};

/* One emulated hard disk, and who may use its image (domain_twins.c). */
struct domain_twin {
    struct domain *d;
    struct block *block; /* NULL: none, or not any more */
    struct handover_side side;
    struct block_req flush;
};

struct domain {
    const struct config *config;
    const char *directory; /* of the control socket */
    struct loop *loop;
    struct loop_hooks hooks; /* the loop borrows them */
    struct loop_source signals;
    struct supervised *s; /* NULL: not supervised */
    struct sandbox box;
    struct hv *hv;
    struct arena arena;
    struct arena spare; /* of a successor: for a state of another layout; and then what it was */
    struct domain_state *record; /* in the arena; NULL: not yet there */
    struct kept *kept;           /* the same */
    struct machine *m;
    struct recorder *recorder; /* NULL: nothing is recorded */
    struct pc_host pc;
    struct rom vga_rom, nic_rom[PC_NICS];
    struct display display;
    struct domain_serial serial[PC_SERIALS];
    struct handover_page *handover; /* NULL: disks have no PV twins */
    struct loop_source wake;        /* by the PV worker; fd -1: none */
    int wake_pv;
    struct domain_twin twins[PC_DISKS];
    bool twins_served; /* false: only what a predecessor had begun is executed */
    struct qmp *qmp;
    struct ctl *ctl;
    struct xenstore *xs;
    struct vkbd *vkbd;
    struct pv_consoles *consoles;
    struct refused *refused;
    struct pv *pv;
    enum vm_status status;
    bool successor; /* of a device model that died or handed over */
    bool leave;     /* the guest is another process's, now: end without a trace */
    int result;     /* of the loop: 0, or -errno when going on was impossible */
};

/* All of it, in *d with its config, directory and s filled in; see domain_run(). */
MUST_CHECK int domain_live(struct domain *d, struct error *e);

extern const struct vm_ops domain_vm_ops;    /* on a struct domain */
extern const struct vm_ops domain_probe_ops; /* the same without a machine */

/* --- domain_host.c: what struct pc_host and the control side want, opened here or taken from a
 * predecessor, and given to the supervisor for a successor. */
MUST_CHECK int domain_open_host(struct domain *d, struct error *e);
void domain_close_host(struct domain *d);
MUST_CHECK int domain_open_control(struct domain *d, struct error *e);
MUST_CHECK int domain_hold(struct domain *d, const char *name, int fd, struct error *e);
/* The image of this place; `b` NULL: none any more. Before the guest or the toolstack hears of it.
 */
MUST_CHECK int domain_hold_disk(struct domain *d, unsigned place, struct block *b, struct error *e);
/* Close what the guest has unplugged: images, networks. */
void domain_drop_unplugged(struct domain *d);
/* A hard disk or a network may be missing only if the guest has unplugged it. */
MUST_CHECK int domain_check_disks(struct domain *d, struct error *e);

/* --- domain_nics.c: the same for network cards. */
MUST_CHECK int domain_open_nics(struct domain *d, struct error *e);
void domain_drop_unplugged_nics(struct domain *d);
MUST_CHECK int domain_check_nics(struct domain *d, struct error *e);
void domain_rest_nics(struct domain *d, bool on);
void domain_close_nics(struct domain *d);

/* --- domain_twins.c: disks that the PV worker may want to have. */
/* Takes what the supervisor holds for that, puts a gate before each hard disk. To be called when
 * the images are open. */
MUST_CHECK int domain_open_twins(struct domain *d, struct error *e);
/* The guest is ours: execute what a predecessor had begun, then tell which disks are not there and
 * listen to the PV worker. */
MUST_CHECK int domain_serve_twins(struct domain *d, struct error *e);
/* Finish what runs; nothing is said any more from now on. */
void domain_rest_twins(struct domain *d);
/* The image of this place has been closed, for good. */
void domain_tell_unplugged(struct domain *d, unsigned place);
/* An image has another size: whoever serves PV disks looks again. -ENOTSUP: nobody does. */
MUST_CHECK int domain_tell_resized(struct domain *d);
void domain_close_twins(struct domain *d);

/* --- domain_record.c: the arena, what is in it and what is built on it. */
/* The record in d->arena, found or (in a fresh arena) made. */
MUST_CHECK int domain_add_record(struct domain *d, struct error *e);
void domain_fill_record(struct domain *d); /* with what is known of host and board */
void domain_set_status(struct domain *d, enum vm_status status);
const char *domain_path(const struct domain *d, unsigned place);
/* The machine on d->hv and d->arena. */
MUST_CHECK int domain_build(struct domain *d, struct error *e);
/* The predecessor's state, in d->arena: build the machine on it, or, if it has another layout, on
 * d->spare with a copy. d->arena is the one that counts then, d->spare the other one. `adopt` gets
 * the predecessor's struct kept before anything is built. */
MUST_CHECK int domain_take_state(struct domain *d, bool own_fault,
                                 int (*adopt)(struct hv *hv, struct kept *kept, struct error *e),
                                 struct error *e);

/* --- domain_start.c */
MUST_CHECK int domain_start(struct domain *d, struct error *e);

/* --- domain_handover.c: let a successor have the guest, and take it back. */
void domain_hand_over(struct domain *d);
MUST_CHECK int domain_take_back(struct domain *d, struct error *e);

#endif
