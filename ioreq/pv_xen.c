/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_xen - see pv.h, on real Xen.
 *
 * Sources: xengnttab.h, xenevtchn.h, xenforeignmemory.h of Xen 4.17. The handles are apart from
 * those of xen.c, so that PV back ends can move to a process of their own.
 */
#include "ioreq/pv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xengnttab.h>
#include <xentoollog.h>

#define GRANTS_MAX 16u
#define PORTS      32u  /* taken from the device at once */
#define COPIES     128u /* grant copies by one system call */

struct pv_xen {
    struct pv pv; /* first member */
    struct loop *loop;
    uint32_t domid;
    bool confined; /* nothing more can be opened */
    xengnttab_handle *grants;
    xenevtchn_handle *evtchn;
    xenforeignmemory_handle *fmem;
    struct loop_source source;
    struct pv_channel *channels;
};

static struct pv_xen *pv_of(struct pv *p)
{
    return (struct pv_xen *)(void *)p;
}

/* What the libraries say about a reference that cannot be mapped, a guest could cause without end.
 */
static void say_nothing(xentoollog_logger *l, xentoollog_level level, int err, const char *context,
                        const char *format, va_list args)
{
    (void)l;
    (void)level;
    (void)err;
    (void)context;
    (void)format;
    (void)args;
}

static xentoollog_logger quiet = { .vmessage = say_nothing };

static int open_grants(struct pv_xen *x)
{
    if (!x->grants)
        x->grants = xengnttab_open(&quiet, 0);
    return x->grants ? 0 : -errno;
}

static int pv_map_grants(struct pv *p, const uint32_t *refs, unsigned nr, void **host)
{
    struct pv_xen *x = pv_of(p);
    uint32_t copy[GRANTS_MAX];
    int err;

    if (nr < 1 || nr > GRANTS_MAX)
        return -EINVAL;
    err = open_grants(x);
    if (err)
        return err;
    memcpy(copy, refs, nr * sizeof copy[0]);
    *host = xengnttab_map_domain_grant_refs(x->grants, nr, x->domid, copy, PROT_READ | PROT_WRITE);
    return *host ? 0 : -errno;
}

static void pv_unmap_grants(struct pv *p, void *host, unsigned nr)
{
    xengnttab_unmap(pv_of(p)->grants, host, nr);
}

static void copy_some(struct pv_xen *x, struct pv_copy *c, unsigned nr)
{
    xengnttab_grant_copy_segment_t s[COPIES];
    bool done;

    memset(s, 0, nr * sizeof s[0]);
    for (unsigned i = 0; i < nr; i++) {
        union xengnttab_copy_ptr *ours = c[i].to_guest ? &s[i].source : &s[i].dest;
        union xengnttab_copy_ptr *theirs = c[i].to_guest ? &s[i].dest : &s[i].source;

        ours->virt = c[i].local;
        theirs->foreign.ref = c[i].ref;
        theirs->foreign.offset = c[i].offset;
        theirs->foreign.domid = (uint16_t)x->domid;
        s[i].len = c[i].length;
        s[i].flags = c[i].to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
        s[i].status = GNTST_general_error;
    }
    done = xengnttab_grant_copy(x->grants, nr, s) == 0;
    for (unsigned i = 0; i < nr; i++)
        c[i].failed = !done || s[i].status != GNTST_okay;
}

static void pv_copy_grants(struct pv *p, struct pv_copy *pieces, unsigned nr)
{
    struct pv_xen *x = pv_of(p);
    int err = open_grants(x);

    for (unsigned at = 0, n; at < nr; at += n) {
        n = nr - at < COPIES ? nr - at : COPIES;
        for (unsigned i = 0; i < n; i++)
            pieces[at + i].failed = true;
        if (!err)
            copy_some(x, pieces + at, n);
    }
}

static int pv_map_frame(struct pv *p, uint64_t gfn, void **host)
{
    struct pv_xen *x = pv_of(p);
    xen_pfn_t frame = gfn;

    if (x->confined)
        return -ENOTSUP;
    if (!x->fmem)
        x->fmem = xenforeignmemory_open(&quiet, 0);
    if (!x->fmem)
        return -errno;
    *host = xenforeignmemory_map(x->fmem, x->domid, PROT_READ | PROT_WRITE, 1, &frame, NULL);
    return *host ? 0 : -errno;
}

static void pv_unmap_frame(struct pv *p, void *host)
{
    xenforeignmemory_unmap(pv_of(p)->fmem, host, 1);
}

static struct pv_channel *channel_of(struct pv_xen *x, evtchn_port_t port)
{
    struct pv_channel *c = x->channels;

    while (c && c->port != port)
        c = c->next;
    return c;
}

static void source_ready(void *opaque, uint32_t events)
{
    struct pv_xen *x = opaque;
    evtchn_port_t ports[PORTS];
    ssize_t n = read(x->source.fd, ports, sizeof ports), done;

    (void)events;
    if (n <= 0)
        return;
    /* Unmask before looking, or what comes in between is not seen. A failure means that a port of
     * these is bound no more. */
    done = write(x->source.fd, ports, (size_t)n);
    (void)done;
    for (ssize_t i = 0; i < n / (ssize_t)sizeof ports[0]; i++) {
        struct pv_channel *c = channel_of(x, ports[i]); /* an earlier one may have unbound it */

        if (c)
            c->event(c->opaque);
    }
}

static int open_events(struct pv_xen *x)
{
    int err;

    if (x->evtchn)
        return 0;
    x->evtchn = xenevtchn_open(&quiet, 0);
    if (!x->evtchn)
        return -errno;
    x->source.fd = xenevtchn_fd(x->evtchn);
    x->source.ready = source_ready;
    x->source.opaque = x;
    err = fcntl(x->source.fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ? -errno : 0;
    if (!err)
        err = loop_add(x->loop, &x->source, EPOLLIN);
    if (err) {
        xenevtchn_close(x->evtchn);
        x->evtchn = NULL;
    }
    return err;
}

static int pv_bind(struct pv *p, uint32_t remote_port, struct pv_channel *c)
{
    struct pv_xen *x = pv_of(p);
    int port, err = open_events(x);

    if (err)
        return err;
    port = xenevtchn_bind_interdomain(x->evtchn, x->domid, remote_port);
    if (port < 0)
        return -errno;
    c->port = (uint32_t)port;
    c->bound = true;
    c->next = x->channels;
    x->channels = c;
    return 0;
}

static void pv_unbind(struct pv *p, struct pv_channel *c)
{
    struct pv_xen *x = pv_of(p);
    struct pv_channel **at = &x->channels;

    if (!c->bound)
        return;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->bound = false;
    xenevtchn_unbind(x->evtchn, c->port);
}

static void pv_notify(struct pv *p, struct pv_channel *c)
{
    if (c->bound)
        xenevtchn_notify(pv_of(p)->evtchn, c->port);
}

static void pv_destroy(struct pv *p)
{
    struct pv_xen *x = pv_of(p);

    if (x->evtchn) {
        loop_remove(x->loop, &x->source);
        xenevtchn_close(x->evtchn);
    }
    if (x->grants)
        xengnttab_close(x->grants);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    free(x);
}

static const struct pv_ops pv_xen_ops = {
    .map_grants = pv_map_grants,
    .unmap_grants = pv_unmap_grants,
    .copy_grants = pv_copy_grants,
    .map_frame = pv_map_frame,
    .unmap_frame = pv_unmap_frame,
    .bind = pv_bind,
    .unbind = pv_unbind,
    .notify = pv_notify,
    .destroy = pv_destroy,
};

int pv_xen_open(struct loop *l, unsigned domid, struct pv **out, struct error *e)
{
    struct pv_xen *x = calloc(1, sizeof *x);

    if (!x)
        return error_set(e, -ENOMEM, "out of memory");
    x->pv.ops = &pv_xen_ops;
    x->loop = l;
    x->domid = domid;
    *out = &x->pv;
    return 0;
}

int pv_xen_open_confined(struct loop *l, unsigned domid, struct pv **out, struct error *e)
{
    struct pv *p = NULL;
    int err = pv_xen_open(l, domid, &p, e);
    struct pv_xen *x;

    if (err < 0)
        return err;
    x = pv_of(p);
    x->confined = true;
    err = open_grants(x);
    if (err < 0) {
        error_set(e, err, "cannot open /dev/xen/gntdev: %s", strerror(-err));
        goto out;
    }
    err = open_events(x);
    if (err < 0) {
        error_set(e, err, "cannot open /dev/xen/evtchn: %s", strerror(-err));
        goto out;
    }
    if (xenevtchn_restrict(x->evtchn, (domid_t)domid) < 0) {
        err = error_set(e, -errno, "cannot restrict event channels to the domain: %s",
                        strerror(errno));
        goto out;
    }
    *out = p;
    return 0;
out:
    pv_destroy(p);
    return err;
}
