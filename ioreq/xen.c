/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen - see xen.h. Here: life of the ioreq server, its event channels, the buffered ring's timer.
 *
 * Sources: Xen public/hvm/dm_op.h; Linux xen/evtchn.h for what
 *          reading and writing the event channel device does (a port read is masked until written).
 */
#include "ioreq/xen_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <xentoolcore.h>

#include "ioreq/quick.h"

/* While the guest writes to the buffered ring its event is not wanted: the ring is emptied at this
 * pace and before every synchronous request. */
#define BUFFERED_TICK_NS 100000000

static void notify(void *opaque, unsigned vcpu)
{
    struct xen *x = opaque;

    xenevtchn_notify(x->evtchn, x->port[vcpu]);
}

/* The device takes any number of ports in one write. A failure means that a port is not bound any
 * more, that is, the domain is gone. */
static void write_back(struct xen *x, const evtchn_port_t *ports, unsigned n)
{
    ssize_t done = write(x->events.fd, ports, n * sizeof ports[0]);

    (void)done;
}

void xen_unmask(struct xen *x)
{
    if (x->nr_masked)
        write_back(x, x->masked, x->nr_masked);
    x->nr_masked = 0;
}

static void timer_arm(struct xen *x)
{
    struct itimerspec t = { .it_value = { .tv_nsec = BUFFERED_TICK_NS } };

    timerfd_settime(x->timer.fd, 0, &t, NULL);
    if (!x->timer_armed)
        loop_expect(x->loop, 1);
    x->timer_armed = true;
}

static void timer_over(struct xen *x)
{
    if (x->timer_armed)
        loop_expect(x->loop, -1);
    x->timer_armed = false;
}

/* The ring's event: leave its port masked and look by timer as long as entries come. */
static void buffered_event(struct xen *x)
{
    uint64_t before = x->slots.counters.buffered;

    slots_drain_buffered(&x->slots);
    if (x->slots.counters.buffered == before) {
        write_back(x, &x->buffered_port, 1);
        return;
    }
    x->buffered_busy = true;
    x->buffered_seen = x->slots.counters.buffered;
    timer_arm(x);
}

static void timer_ready(void *opaque, uint32_t events)
{
    struct xen *x = opaque;
    uint64_t ticks;

    (void)events;
    if (read(x->timer.fd, &ticks, sizeof ticks) < 0)
        return;
    timer_over(x);
    if (!x->buffered_busy)
        return;
    slots_drain_buffered(&x->slots);
    if (x->slots.counters.buffered != x->buffered_seen) {
        x->buffered_seen = x->slots.counters.buffered;
        timer_arm(x);
        return;
    }
    x->buffered_busy = false;
    write_back(x, &x->buffered_port, 1); /* whatever came meanwhile is repeated */
}

static int vcpu_of(const struct xen *x, evtchn_port_t port)
{
    for (unsigned i = 0; i < x->slots.nr_vcpus; i++) {
        if (x->port[i] == port)
            return (int)i;
    }
    return -1;
}

/* Notes what was read: ports of vCPUs as masked. True if one of them was there. */
static bool take_ports(struct xen *x, const evtchn_port_t *ports, size_t n, bool *buffered)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (ports[i] == x->buffered_port) {
            *buffered = true;
        } else if (x->nr_masked < SLOTS_MAX_VCPUS) {
            x->masked[x->nr_masked++] = ports[i];
            any = true;
        }
    }
    return any;
}

static void serve(struct xen *x, const evtchn_port_t *read, size_t n)
{
    unsigned first = x->nr_masked, last, ran = 0;
    evtchn_port_t ports[SLOTS_MAX_VCPUS];
    uint64_t seen = __rdtsc();
    bool buffered = false;

    if (take_ports(x, read, n, &buffered)) {
        last = x->nr_masked;
        memcpy(ports, x->masked, last * sizeof ports[0]);
        /* Unmask before looking, or a request that comes in between is not seen; while polling,
         * the hook looks again and unmasks before the loop sleeps. */
        if (!xen_poll_active(x))
            xen_unmask(x);
        for (unsigned i = first; i < last; i++) {
            int vcpu = vcpu_of(x, ports[i]);

            if (vcpu >= 0 && slots_run_vcpu(&x->slots, (unsigned)vcpu))
                ran++;
            else
                x->counters.spurious++;
        }
        if (ran) {
            x->counters.events += ran;
            xen_poll_request(x, seen);
            xen_poll_answered(x);
        }
    }
    if (buffered)
        buffered_event(x);
}

/* One read takes all that was there when it began. What arrives while it runs does not wake us, as
 * the device wakes its reader only when it was empty, and it stays "not empty" until the read ends:
 * so epoll must watch the level, an edge would be missed; and a read that begins later finds it. */
static void events_ready(void *opaque, uint32_t events)
{
    evtchn_port_t ports[SLOTS_MAX_VCPUS + 1];
    struct xen *x = opaque;
    ssize_t n;

    if (!(events & EPOLLIN))
        return;
    do {
        n = read(x->events.fd, ports, sizeof ports);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        serve(x, ports, (size_t)n / sizeof ports[0]);
}

/* The same where the loop has nothing else to do: it sleeps in the read. */
static bool events_wait(void *opaque)
{
    evtchn_port_t ports[SLOTS_MAX_VCPUS + 1];
    struct xen *x = opaque;
    ssize_t n = quick_read(x->events.fd, ports, sizeof ports);

    if (n <= 0)
        return false;
    serve(x, ports, (size_t)n / sizeof ports[0]);
    return true;
}

/* --- Life. */

static int open_handles(struct xen *x, struct error *e)
{
    x->dmod = xendevicemodel_open(NULL, 0);
    if (!x->dmod)
        return error_set(e, -errno,
                         "cannot open Xen's device model interface: %s (is this dom0, "
                         "and is the module xen-privcmd loaded?)",
                         strerror(errno));
    x->fmem = xenforeignmemory_open(NULL, 0);
    if (!x->fmem)
        return error_set(e, -errno, "cannot open Xen's foreign memory interface: %s",
                         strerror(errno));
    x->evtchn = xenevtchn_open(NULL, 0);
    if (!x->evtchn)
        return error_set(e, -errno,
                         "cannot open Xen's event channel device: %s (is the module "
                         "xen-evtchn loaded?)",
                         strerror(errno));
    x->call = xencall_open(NULL, XENCALL_OPENFLAG_NON_REENTRANT);
    if (!x->call)
        return error_set(e, -errno, "cannot open Xen's hypercall interface: %s", strerror(errno));
    x->events.fd = xenevtchn_fd(x->evtchn);
    loop_set_quick(x->loop, &x->events, events_wait);
    x->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (x->timer.fd < 0)
        return error_set(e, -errno, "timerfd: %s", strerror(errno));
    return 0;
}

static int count_vcpus(struct xen *x, struct error *e)
{
    unsigned vcpus;

    if (xendevicemodel_nr_vcpus(x->dmod, x->domid, &vcpus) < 0)
        return error_set(e, -errno, "domain %u: cannot ask for its vCPUs: %s (no such HVM domain?)",
                         x->domid, strerror(errno));
    if (vcpus > SLOTS_MAX_VCPUS)
        return error_set(e, -E2BIG,
                         "domain %u has %u vCPUs, more than the %u that an ioreq server "
                         "can serve: lower maxvcpus",
                         x->domid, vcpus, SLOTS_MAX_VCPUS);
    x->slots.nr_vcpus = vcpus;
    return 0;
}

/* The same pages for whoever asks. Frame numbers are not asked for: that would be another way of
 * mapping them, which does not survive its process. */
static int map_server(struct xen *x, struct error *e)
{
    void *pages = NULL;

    x->pages = xenforeignmemory_map_resource(x->fmem, x->domid, XENMEM_resource_ioreq_server, x->id,
                                             XENMEM_resource_ioreq_server_frame_bufioreq, 2, &pages,
                                             PROT_READ | PROT_WRITE, 0);
    if (!x->pages)
        return error_set(e, -errno, "domain %u: cannot map the pages of ioreq server %u: %s",
                         x->domid, x->id, strerror(errno));
    if (xendevicemodel_get_ioreq_server_info(x->dmod, x->domid, x->id, NULL, NULL,
                                             &x->buffered_remote) < 0)
        return error_set(e, -errno, "domain %u: no information on ioreq server %u: %s", x->domid,
                         x->id, strerror(errno));
    x->slots.ring = pages;
    x->slots.page = (uint8_t *)pages + HV_PAGE_SIZE;
    return 0;
}

int hv_xen_attach(struct loop *l, unsigned domid, struct hv **out, struct error *e)
{
    struct xen *x = calloc(1, sizeof *x);
    int err;

    if (!x)
        return error_set(e, -ENOMEM, "out of memory");
    x->hv.ops = &xen_ops;
    x->loop = l;
    x->domid = (domid_t)domid;
    x->timer =
        (struct loop_source){ .fd = -1, .promised = true, .ready = timer_ready, .opaque = x };
    x->events = (struct loop_source){ .fd = -1, .ready = events_ready, .opaque = x };
    x->slots.notify = notify;
    x->slots.opaque = x;
    x->kept = &x->own;
    x->claiming = true;
    err = open_handles(x, e);
    if (!err)
        err = count_vcpus(x, e);
    if (err) {
        xen_close(x);
        return err;
    }
    slots_init(&x->slots);
    xen_poll_init(x);
    *out = &x->hv;
    return 0;
}

int hv_xen_create(struct hv *hv, struct kept *kept, struct error *e)
{
    struct xen *x = xen_of(hv);

    if (xendevicemodel_create_ioreq_server(x->dmod, x->domid, HVM_IOREQSRV_BUFIOREQ_ATOMIC,
                                           &x->id) < 0)
        return error_set(e, -errno, "domain %u: cannot create an ioreq server: %s", x->domid,
                         strerror(errno));
    x->have_id = true;
    x->claiming = false;
    x->kept = kept ? kept : &x->own;
    kept_init(x->kept, x->id);
    return map_server(x, e);
}

int hv_xen_adopt(struct hv *hv, struct kept *kept, struct error *e)
{
    struct xen *x = xen_of(hv);
    int err = kept_check(kept, e);

    if (err)
        return err;
    x->kept = kept;
    x->id = (ioservid_t)(kept->server - 1);
    x->have_id = true;
    return map_server(x, e);
}

int hv_xen_settle(struct hv *hv, struct error *e)
{
    struct xen *x = xen_of(hv);
    int err = kept_settle(x->kept, &x->claimed, xen_apply, x);

    if (err)
        return error_set(e, err, "domain %u: cannot register what ioreq server %u serves: %s",
                         x->domid, x->id, strerror(-err));
    x->claiming = false;
    return 0;
}

void hv_xen_keep(struct hv *hv, struct kept *kept)
{
    struct xen *x = xen_of(hv);

    *kept = *x->kept;
    x->kept = kept;
}

unsigned hv_xen_server(struct hv *hv)
{
    return xen_of(hv)->id;
}

int hv_xen_open(struct loop *l, unsigned domid, const struct request_sink *sink, struct hv **out,
                struct error *e)
{
    int err = hv_xen_attach(l, domid, out, e);

    if (err)
        return err;
    if (sink)
        hv_xen_set_sink(*out, sink);
    err = hv_xen_create(*out, NULL, e);
    if (err)
        xen_close(xen_of(*out));
    return err;
}

static int bind_port(struct xen *x, evtchn_port_t remote, evtchn_port_t *local)
{
    int port = xenevtchn_bind_interdomain(x->evtchn, x->domid, remote);

    if (port < 0)
        return -errno;
    *local = (evtchn_port_t)port;
    return 0;
}

static void unbind(struct xen *x, evtchn_port_t *port)
{
    if (*port)
        xenevtchn_unbind(x->evtchn, *port);
    *port = 0;
}

static void unbind_all(struct xen *x)
{
    unbind(x, &x->buffered_port);
    for (unsigned i = 0; i < x->slots.nr_vcpus; i++)
        unbind(x, &x->port[i]);
    x->nr_masked = 0;
    x->buffered_busy = false;
}

/* The server's own ports appear in the slots when it is enabled. */
static int bind_all(struct xen *x)
{
    const volatile struct ioreq *slot = x->slots.page;
    int err = bind_port(x, x->buffered_remote, &x->buffered_port);

    for (unsigned i = 0; !err && i < x->slots.nr_vcpus; i++)
        err = bind_port(x, slot[i].vp_eport, &x->port[i]);
    return err;
}

static int listen_events(struct xen *x)
{
    int err = loop_add(x->loop, &x->timer, EPOLLIN);

    return err ? err : loop_add(x->loop, &x->events, EPOLLIN); /* level: see take_ports() */
}

static void stop_listening(struct xen *x)
{
    const struct itimerspec off = { 0 };

    x->serving = false;
    loop_remove(x->loop, &x->events);
    loop_remove(x->loop, &x->timer);
    timerfd_settime(x->timer.fd, 0, &off, NULL);
    timer_over(x);
}

/* Enabling an enabled server is no change. Each port is pending once when it has been bound: what
 * was signalled while nobody was bound is not lost. */
int hv_xen_start(struct hv *hv, struct error *e)
{
    struct xen *x = xen_of(hv);
    int err;

    if (xendevicemodel_set_ioreq_server_state(x->dmod, x->domid, x->id, 1) < 0)
        return error_set(e, -errno, "domain %u: cannot enable ioreq server %u: %s", x->domid, x->id,
                         strerror(errno));
    x->enabled = true;
    err = bind_all(x);
    if (err)
        return error_set(e, err, "domain %u: cannot bind the event channels of ioreq server %u: %s",
                         x->domid, x->id, strerror(-err));
    err = listen_events(x);
    if (err)
        return error_set(e, err, "domain %u: cannot wait for events: %s", x->domid, strerror(-err));
    x->serving = true;
    return 0;
}

void hv_xen_scan(struct hv *hv, uint16_t ring_next)
{
    slots_scan(&xen_of(hv)->slots, ring_next);
}

void hv_xen_release(struct hv *hv)
{
    struct xen *x = xen_of(hv);

    stop_listening(x);
    unbind_all(x);
    if (!x->claiming)
        x->claimed = *kept_table(x->kept);
    x->claiming = true;
}

void hv_xen_forsake(struct hv *hv)
{
    xen_of(hv)->forsaken = true;
}

/* One order: no new requests, no request left unanswered (its vCPU would stand still until another
 * channel wakes it), our references to channels and pages gone, and the server last. A server that
 * was handed over, or not yet taken over, stays. */
void xen_close(struct xen *x)
{
    bool ours = x->have_id && (!x->claiming || x->forsaken);

    stop_listening(x);
    if (x->timer.fd >= 0)
        close(x->timer.fd);
    if (ours && x->pages && (x->enabled || x->forsaken)) {
        xendevicemodel_set_ioreq_server_state(x->dmod, x->domid, x->id, 0);
        slots_abandon(&x->slots);
    }
    if (x->evtchn)
        xenevtchn_close(x->evtchn);
    if (x->pages)
        xenforeignmemory_unmap_resource(x->fmem, x->pages);
    if (ours)
        xendevicemodel_destroy_ioreq_server(x->dmod, x->domid, x->id);
    if (x->call)
        xencall_close(x->call);
    if (x->fmem)
        xenforeignmemory_close(x->fmem);
    if (x->dmod)
        xendevicemodel_close(x->dmod);
    free(x);
}

void hv_xen_set_sink(struct hv *hv, const struct request_sink *sink)
{
    xen_of(hv)->slots.sink = *sink;
}

int hv_xen_restrict(struct hv *hv, struct error *e)
{
    if (xentoolcore_restrict_all(xen_of(hv)->domid) < 0)
        return error_set(e, -errno, "cannot restrict the Xen handles to domain %u: %s",
                         xen_of(hv)->domid, strerror(errno));
    return 0;
}

struct slots *hv_xen_slots(struct hv *hv)
{
    return &xen_of(hv)->slots;
}

const struct xen_counters *hv_xen_counters(struct hv *hv)
{
    return &xen_of(hv)->counters;
}
