/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_sim - see pv_sim.h.
 *
 * The guest's pages are one memfd, so that a mapping is a mapping of its own and contiguous for
 * any choice of references.
 */
#include "ioreq/pv_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/bits.h"

enum { SIM_PAGE = 4096, SIM_MAPS = 2048, SIM_GRANTS_MAX = 16 };

struct sim_page {
    uint32_t number; /* 0: free */
    bool frame, protected;
};

struct sim_port {
    uint32_t number; /* the guest's; 0: free */
    struct pv_attached *owner;
    struct pv_channel *channel;
    bool pending;
    unsigned notified;
};

struct pv_sim {
    int fd;
    uint8_t *memory; /* the guest's own view */
    struct sim_page pages[PV_SIM_PAGES];
    struct sim_port ports[PV_SIM_PORTS];
    unsigned mapped, copied;
    bool flip;
};

struct sim_map {
    void *host;
    unsigned nr; /* 0: free */
};

struct pv_attached {
    struct pv pv; /* first member */
    struct pv_sim *sim;
    struct loop *loop;
    struct loop_work deliver;
    bool frames;
    unsigned maps_used; /* in the array below, free ones between included */
    struct sim_map maps[SIM_MAPS];
};

static struct pv_attached *attached(struct pv *p)
{
    return (struct pv_attached *)(void *)p;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static int page_index(const struct pv_sim *sim, uint32_t number, bool frame)
{
    for (int i = 0; number && i < PV_SIM_PAGES; i++)
        if (sim->pages[i].number == number && sim->pages[i].frame == frame)
            return i;
    return -1;
}

static int map_pages(struct pv_attached *a, const int *index, unsigned nr, void **host)
{
    struct sim_map *m = a->maps;
    uint8_t *at;

    while (m < a->maps + a->maps_used && m->nr)
        m++;
    if (m == a->maps + SIM_MAPS)
        return -ENOSPC;
    at = mmap(NULL, (size_t)nr * SIM_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    for (unsigned i = 0; i < nr; i++)
        if (mmap(at + (size_t)i * SIM_PAGE, SIM_PAGE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, a->sim->fd, (off_t)index[i] * SIM_PAGE) == MAP_FAILED) {
            int err = -errno;

            munmap(at, (size_t)nr * SIM_PAGE);
            return err;
        }
    *m = (struct sim_map){ at, nr };
    if (m == a->maps + a->maps_used)
        a->maps_used++;
    a->sim->mapped += nr;
    *host = at;
    return 0;
}

static void unmap(struct pv_attached *a, struct sim_map *m)
{
    munmap(m->host, (size_t)m->nr * SIM_PAGE);
    a->sim->mapped -= m->nr;
    *m = (struct sim_map){ 0 };
    while (a->maps_used && !a->maps[a->maps_used - 1].nr)
        a->maps_used--;
}

static int sim_map_grants(struct pv *p, const uint32_t *refs, unsigned nr, void **host)
{
    struct pv_attached *a = attached(p);
    int index[SIM_GRANTS_MAX];

    if (nr < 1 || nr > SIM_GRANTS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < nr; i++) {
        index[i] = page_index(a->sim, refs[i], false);
        if (index[i] < 0 || a->sim->pages[index[i]].protected)
            return -EINVAL;
    }
    return map_pages(a, index, nr, host);
}

static void sim_unmap_grants(struct pv *p, void *host, unsigned nr)
{
    struct pv_attached *a = attached(p);

    for (unsigned i = 0; i < a->maps_used; i++)
        if (a->maps[i].nr == nr && a->maps[i].host == host) {
            unmap(a, &a->maps[i]);
            return;
        }
    abort(); /* a back end's mistake: not mapped, or not so many */
}

static void copy_one(struct pv_sim *sim, struct pv_copy *c)
{
    int i = page_index(sim, c->ref, false);
    uint8_t *theirs = sim->memory + (size_t)(i < 0 ? 0 : i) * SIM_PAGE + c->offset;

    if ((unsigned)c->offset + c->length > SIM_PAGE)
        abort(); /* a back end's mistake */
    c->failed = i < 0 || (c->to_guest && sim->pages[i].protected);
    if (c->failed)
        return;
    memcpy(c->to_guest ? theirs : c->local, c->to_guest ? c->local : theirs, c->length);
    for (unsigned n = 0; sim->flip && !c->to_guest && n < c->length; n++)
        theirs[n] = (uint8_t)~theirs[n];
    sim->copied++;
}

static void sim_copy_grants(struct pv *p, struct pv_copy *pieces, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        copy_one(attached(p)->sim, &pieces[i]);
}

static int sim_map_frame(struct pv *p, uint64_t gfn, void **host)
{
    struct pv_attached *a = attached(p);
    int index = gfn > UINT32_MAX ? -1 : page_index(a->sim, (uint32_t)gfn, true);

    if (!a->frames)
        return -ENOTSUP;
    return index < 0 ? -EINVAL : map_pages(a, &index, 1, host);
}

static void sim_unmap_frame(struct pv *p, void *host)
{
    sim_unmap_grants(p, host, 1);
}

void *pv_sim_page(struct pv_sim *sim, uint32_t number, bool frame)
{
    int i = page_index(sim, number, frame), unused = 0;

    if (i < 0) {
        while (unused < PV_SIM_PAGES && sim->pages[unused].number)
            unused++;
        if (!number || unused == PV_SIM_PAGES)
            return NULL;
        i = unused;
        sim->pages[i] = (struct sim_page){ number, frame, false };
        memset(sim->memory + (size_t)i * SIM_PAGE, 0, SIM_PAGE);
    }
    return sim->memory + (size_t)i * SIM_PAGE;
}

void pv_sim_revoke(struct pv_sim *sim, uint32_t number, bool frame)
{
    int i = page_index(sim, number, frame);

    if (i >= 0)
        sim->pages[i].number = 0;
}

void pv_sim_protect(struct pv_sim *sim, uint32_t number)
{
    int i = page_index(sim, number, false);

    if (i >= 0)
        sim->pages[i].protected = true;
}

void pv_sim_flip(struct pv_sim *sim, bool on)
{
    sim->flip = on;
}

unsigned pv_sim_copied(const struct pv_sim *sim)
{
    return sim->copied;
}

unsigned pv_sim_mapped(const struct pv_sim *sim)
{
    return sim->mapped;
}

/* ---- channels ------------------------------------------------------------------------------- */

static struct sim_port *port_of(struct pv_sim *sim, uint32_t number)
{
    for (unsigned i = 0; i < PV_SIM_PORTS; i++)
        if (sim->ports[i].number == number)
            return &sim->ports[i];
    return NULL;
}

static void sim_deliver(void *opaque)
{
    struct pv_attached *a = opaque;

    for (unsigned i = 0; i < PV_SIM_PORTS; i++) {
        struct sim_port *o = &a->sim->ports[i];

        if (o->owner != a || !o->pending)
            continue;
        o->pending = false;
        o->channel->event(o->channel->opaque);
    }
}

static void make_pending(struct sim_port *o)
{
    o->pending = true;
    loop_defer(o->owner->loop, &o->owner->deliver);
}

static int sim_bind(struct pv *p, uint32_t remote_port, struct pv_channel *c)
{
    struct pv_attached *a = attached(p);
    struct sim_port *o = remote_port ? port_of(a->sim, remote_port) : NULL;

    if (!o || o->owner)
        return -EINVAL;
    o->owner = a;
    o->channel = c;
    c->port = remote_port;
    c->bound = true;
    make_pending(o);
    return 0;
}

static void release(struct sim_port *o)
{
    o->owner = NULL;
    o->channel = NULL;
    o->pending = false;
}

static void sim_unbind(struct pv *p, struct pv_channel *c)
{
    struct sim_port *o = port_of(attached(p)->sim, c->port);

    if (!c->bound)
        return;
    c->bound = false;
    if (o && o->channel == c)
        release(o);
}

static void sim_notify(struct pv *p, struct pv_channel *c)
{
    struct sim_port *o = port_of(attached(p)->sim, c->port);

    if (c->bound && o)
        o->notified++;
}

bool pv_sim_offer(struct pv_sim *sim, uint32_t port)
{
    struct sim_port *o = port_of(sim, 0);

    if (port_of(sim, port))
        return port != 0;
    if (!o)
        return false;
    *o = (struct sim_port){ .number = port };
    return true;
}

void pv_sim_withdraw(struct pv_sim *sim, uint32_t port)
{
    struct sim_port *o = port ? port_of(sim, port) : NULL;

    if (o)
        *o = (struct sim_port){ 0 };
}

bool pv_sim_signal(struct pv_sim *sim, uint32_t port)
{
    struct sim_port *o = port ? port_of(sim, port) : NULL;

    if (!o || !o->owner)
        return false;
    make_pending(o);
    return true;
}

unsigned pv_sim_bound(const struct pv_sim *sim)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PV_SIM_PORTS; i++)
        n += sim->ports[i].owner != NULL;
    return n;
}

unsigned pv_sim_notified(const struct pv_sim *sim, uint32_t port)
{
    for (unsigned i = 0; i < PV_SIM_PORTS; i++)
        if (sim->ports[i].number == port)
            return sim->ports[i].notified;
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void detach(struct pv_attached *a)
{
    loop_cancel(a->loop, &a->deliver);
    for (unsigned i = 0; i < PV_SIM_PORTS; i++)
        if (a->sim->ports[i].owner == a)
            release(&a->sim->ports[i]);
    for (unsigned i = 0; i < a->maps_used; i++)
        if (a->maps[i].nr)
            unmap(a, &a->maps[i]);
    free(a);
}

void pv_sim_kill(struct pv *p)
{
    detach(attached(p));
}

/* A back end that ends in order has given everything back. */
static void sim_destroy(struct pv *p)
{
    struct pv_attached *a = attached(p);

    for (unsigned i = 0; i < PV_SIM_PORTS; i++)
        if (a->sim->ports[i].owner == a)
            abort();
    for (unsigned i = 0; i < a->maps_used; i++)
        if (a->maps[i].nr)
            abort();
    detach(a);
}

static const struct pv_ops sim_ops = {
    .map_grants = sim_map_grants,
    .unmap_grants = sim_unmap_grants,
    .copy_grants = sim_copy_grants,
    .map_frame = sim_map_frame,
    .unmap_frame = sim_unmap_frame,
    .bind = sim_bind,
    .unbind = sim_unbind,
    .notify = sim_notify,
    .destroy = sim_destroy,
};

struct pv *pv_sim_attach(struct pv_sim *sim, struct loop *loop, bool frames)
{
    struct pv_attached *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->pv.ops = &sim_ops;
    a->sim = sim;
    a->loop = loop;
    a->frames = frames;
    a->deliver = (struct loop_work){ .run = sim_deliver, .opaque = a };
    return &a->pv;
}

struct pv_sim *pv_sim_new(void)
{
    const size_t bytes = (size_t)PV_SIM_PAGES * SIM_PAGE;
    struct pv_sim *sim = calloc(1, sizeof *sim);

    if (!sim)
        return NULL;
    sim->fd = memfd_create("pv_sim", MFD_CLOEXEC);
    if (sim->fd >= 0 && ftruncate(sim->fd, (off_t)bytes) == 0)
        sim->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, sim->fd, 0);
    if (!sim->memory || sim->memory == MAP_FAILED) {
        if (sim->fd >= 0)
            close(sim->fd);
        free(sim);
        return NULL;
    }
    return sim;
}

void pv_sim_free(struct pv_sim *sim)
{
    if (!sim)
        return;
    munmap(sim->memory, (size_t)PV_SIM_PAGES * SIM_PAGE);
    close(sim->fd);
    free(sim);
}
