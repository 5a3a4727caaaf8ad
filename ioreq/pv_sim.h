/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_sim - the PV port in memory: a guest that grants pages and offers event channels, without Xen.
 *
 * The guest outlives the processes that serve it: each pv_sim_attach() is one such process, and
 * what it leaves behind at its death a successor finds. Errors are those of real Xen. Mapping is
 * real, so a back end that touches a page after unmapping it dies.
 */
#ifndef IOREQ_PV_SIM_H
#define IOREQ_PV_SIM_H

#include "ioreq/pv.h"

enum {
    PV_SIM_PAGES = 1024,
    PV_SIM_PORTS = 16,
};

struct pv_sim;

struct pv_sim *pv_sim_new(void);      /* NULL with errno */
void pv_sim_free(struct pv_sim *sim); /* after all that were attached are gone */

/* A back end's process. `frames`: it may map by frame number. NULL with errno. */
struct pv *pv_sim_attach(struct pv_sim *sim, struct loop *loop, bool frames);
/* It dies as it is: the kernel takes its mappings and bindings. Instead of destroy(). */
void pv_sim_kill(struct pv *p);

/* --- The guest's side. References, frame numbers and ports are any numbers but 0. */
/* The page granted by this reference, zeroed when new; by frame number with `frame`. NULL: full. */
void *pv_sim_page(struct pv_sim *sim, uint32_t number, bool frame);
void pv_sim_revoke(struct pv_sim *sim, uint32_t number, bool frame); /* what is mapped stays so */
/* It may only be read through this grant from now on: mapping it fails, as does copying to it. */
void pv_sim_protect(struct pv_sim *sim, uint32_t number);
/* What has been copied from the guest is complemented at once: a second look would see that. */
void pv_sim_flip(struct pv_sim *sim, bool on);
bool pv_sim_offer(struct pv_sim *sim, uint32_t port); /* false: full */
void pv_sim_withdraw(struct pv_sim *sim, uint32_t port);
bool pv_sim_signal(struct pv_sim *sim, uint32_t port); /* false: nobody is bound to it */

/* --- What is held now, by all together. */
unsigned pv_sim_mapped(const struct pv_sim *sim); /* pages */
unsigned pv_sim_bound(const struct pv_sim *sim);
/* --- What was done since ever. */
unsigned pv_sim_copied(const struct pv_sim *sim);                  /* pieces */
unsigned pv_sim_notified(const struct pv_sim *sim, uint32_t port); /* notify() since ever */

#endif
