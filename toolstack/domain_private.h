/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_private - what domain.c and domain_vm.c share. */
#ifndef TOOLSTACK_DOMAIN_PRIVATE_H
#define TOOLSTACK_DOMAIN_PRIVATE_H

#include "display/display.h"
#include "firmware/rom.h"
#include "hw/pc.h"
#include "ioreq/loop.h"
#include "toolstack/config.h"
#include "toolstack/qmp.h"
#include "toolstack/vm.h"

struct domain {
    const struct config *config;
    struct loop *loop;
    struct loop_hooks hooks; /* the loop borrows them */
    struct loop_source signals;
    struct hv *hv;
    struct arena arena;
    struct machine *m;
    struct pc_host pc;
    struct rom vga_rom;
    struct display display;
    struct qmp *qmp;
    struct ctl *ctl;
    struct xenstore *xs;
    struct vkbd *vkbd;
    struct pv *pv;
    enum vm_status status;
};

extern const struct vm_ops domain_vm_ops;    /* on a struct domain */
extern const struct vm_ops domain_probe_ops; /* the same without a machine */

#endif
