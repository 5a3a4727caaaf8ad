/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * broker - see broker.h; the rules are in broker_rules.c.
 *
 * There is one message in each direction and no queue. While the worker does not take the message
 * towards it, nothing more is read from the daemon; while a request of the worker is not answered,
 * nothing more is read from the worker. So a worker that does not read its events cannot make the
 * daemon pile up more of them by its own writes either.
 * Absent: a limit on the rate of requests (a captured worker can keep one processor busy, no more);
 *         a time limit for a worker that does not read: what watches a worker is its supervisor.
 */
#include "toolstack/supervisor/broker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/xenstore_wire.h"

enum { BROKER_TURNS = 16 }; /* steps in one call from the loop: others want to be served too */

enum phase {
    ASKING,     /* the worker's next request is awaited */
    REFUSED,    /* `up` is not allowed; our answer waits until `down` is free */
    FORWARDING, /* `up` is on its way to the daemon */
    WAITING,    /* for the daemon's answer to `up` */
};

struct transaction {
    uint32_t id;     /* 0: free */
    uint64_t device; /* is there (broker_device()); 0: none has been looked for */
};

struct broker {
    struct loop *loop;
    unsigned domid;
    struct loop_source worker, daemon; /* fd -1: over */
    uint32_t worker_wants, daemon_wants;
    enum phase phase;
    const char *refusal; /* errno by name */
    bool sending;        /* `down` is complete and goes to the worker */
    uint32_t watches;
    struct transaction transactions[BROKER_TRANSACTIONS]; /* open ones */
    struct guest_log_limit own_limit, *log_limit;
    struct xs_message up, down;
};

static void drop_side(struct broker *b, struct loop_source *s)
{
    loop_remove(b->loop, s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void finish(struct broker *b, const char *why)
{
    if (b->worker.fd < 0)
        return;
    if (why)
        guest_log_line(b->log_limit, "xenstore broker",
                       "the PV worker's way to xenstore is closed: %s", why);
    drop_side(b, &b->worker);
    drop_side(b, &b->daemon);
}

/* ---- requests of the worker ----------------------------------------------------------------- */

/* The place of transaction `id`, with 0 a free one; NULL: there is none. */
static struct transaction *transaction(struct broker *b, uint32_t id)
{
    for (unsigned i = 0; i < BROKER_TRANSACTIONS; i++)
        if (b->transactions[i].id == id)
            return &b->transactions[i];
    return NULL;
}

/* A write is to a device that is there, and is not carried out if that goes before the transaction
 * ends. */
static bool is_there(struct broker *b)
{
    const struct xs_header *h = &b->up.header;
    const struct transaction *t = h->transaction ? transaction(b, h->transaction) : NULL;
    bool witness;

    return t && t->device && t->device == broker_device(b->domid, b->up.body, &witness);
}

/* The daemon has answered a read in transaction `t`. */
static void note_device(struct broker *b, struct transaction *t)
{
    bool witness;
    uint64_t device = broker_device(b->domid, b->up.body, &witness);

    if (witness)
        t->device = device;
}

/* What to answer instead of asking the daemon; NULL: nothing. */
static const char *refusal(struct broker *b)
{
    const struct xs_header *h = &b->up.header;

    if (!broker_allows(b->domid, h, b->up.body) || (h->type == XS_WRITE && !is_there(b))) {
        guest_log_line(b->log_limit, "xenstore broker",
                       "refused a request of the PV worker (type %u, %s)", h->type,
                       broker_path(h, b->up.body));
        return "EACCES";
    }
    if (h->transaction && !transaction(b, h->transaction))
        return "ENOENT";
    if (h->type == XS_WATCH && b->watches >= BROKER_WATCHES)
        return "E2BIG";
    if (h->type == XS_TRANSACTION_START && !transaction(b, 0))
        return "ENOSPC";
    return NULL;
}

/* One step upwards. True if something moved. */
static bool step_up(struct broker *b)
{
    int ret;

    if (b->phase == ASKING) {
        ret = xs_receive(b->worker.fd, &b->up);
        if (ret == 1) {
            b->refusal = refusal(b);
            b->phase = b->refusal ? REFUSED : FORWARDING;
        } else if (ret < 0) {
            finish(b, ret == -ECONNRESET ? NULL
                      : ret == -EMSGSIZE ? "it sent a request that is too long"
                                         : strerror(-ret));
        }
        return ret == 1;
    }
    if (b->phase != FORWARDING)
        return false;
    ret = xs_send(b->daemon.fd, &b->up);
    if (ret == 1)
        b->phase = WAITING;
    else if (ret < 0)
        finish(b, strerror(-ret));
    return ret == 1;
}

/* ---- answers and events --------------------------------------------------------------------- */

/* Keeps count of what the daemon granted. False: it is no answer to what was asked. */
static bool answered(struct broker *b)
{
    const struct xs_header *asked = &b->up.header, *h = &b->down.header;
    bool ok = h->type == asked->type;
    struct transaction *t;
    char *end;

    if (b->phase != WAITING || h->request != asked->request || (!ok && h->type != XS_ERROR))
        return false;
    b->phase = ASKING;
    if (asked->type == XS_TRANSACTION_END) {
        t = transaction(b, asked->transaction); /* gone, also when it failed with EAGAIN */
        if (t)
            t->id = 0;
    }
    if (!ok)
        return true;
    if (asked->type == XS_WATCH)
        b->watches++;
    if (asked->type == XS_UNWATCH && b->watches)
        b->watches--;
    if (asked->type == XS_TRANSACTION_START) {
        unsigned long id = strtoul(b->down.body, &end, 10);

        t = transaction(b, 0);
        if (*end || !id || id > UINT32_MAX || !t)
            return false;
        *t = (struct transaction){ .id = (uint32_t)id };
    }
    if (asked->type == XS_READ && asked->transaction) {
        t = transaction(b, asked->transaction);
        if (t)
            note_device(b, t);
    }
    return true;
}

static void answer_refusal(struct broker *b)
{
    struct xs_header *h = &b->down.header;

    *h = b->up.header;
    h->type = XS_ERROR;
    h->length = (uint32_t)strlen(b->refusal) + 1;
    memcpy(b->down.body, b->refusal, h->length);
    b->sending = true;
    b->phase = ASKING;
}

/* One step downwards. True if something moved. */
static bool step_down(struct broker *b)
{
    int ret;

    if (!b->sending && !b->down.done && b->phase == REFUSED)
        answer_refusal(b);
    if (b->sending) {
        ret = xs_send(b->worker.fd, &b->down);
        if (ret < 0)
            finish(b, ret == -EPIPE || ret == -ECONNRESET ? NULL : strerror(-ret));
        b->sending = ret != 1;
        return ret == 1;
    }
    ret = xs_receive(b->daemon.fd, &b->down);
    if (ret == 1 && b->down.header.type != XS_WATCH_EVENT && !answered(b))
        ret = -EPROTO;
    if (ret < 0)
        finish(b, ret == -ECONNRESET ? "xenstored has closed it"
                  : ret == -EMSGSIZE ? "xenstored sent a message that is too long"
                  : ret == -EPROTO   ? "xenstored sent an answer to nothing"
                                     : strerror(-ret));
    b->sending = ret == 1;
    return ret == 1;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void want(struct broker *b, struct loop_source *s, uint32_t *has, uint32_t wants)
{
    if (*has != wants && loop_modify(b->loop, s, wants) < 0)
        return; /* a descriptor that is registered: cannot fail */
    *has = wants;
}

static void pump(struct broker *b)
{
    bool answer_due;

    for (unsigned i = 0; i < BROKER_TURNS && b->worker.fd >= 0; i++) {
        bool moved = step_down(b);

        if (b->worker.fd >= 0)
            moved |= step_up(b);
        if (!moved)
            break;
    }
    if (b->worker.fd < 0)
        return;
    /* What the turns did not suffice for is seen again as readable or writable. */
    answer_due = b->phase == REFUSED && !b->down.done;
    want(b, &b->worker, &b->worker_wants,
         (b->phase == ASKING ? EPOLLIN : 0u) | (b->sending || answer_due ? EPOLLOUT : 0u));
    want(b, &b->daemon, &b->daemon_wants,
         (b->sending ? 0u : EPOLLIN) | (b->phase == FORWARDING ? EPOLLOUT : 0u));
}

/* A worker that hangs up has nothing to say any more, even if there are bytes: it died. */
static void worker_ready(void *opaque, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR))
        finish(opaque, NULL);
    else
        pump(opaque);
}

static void daemon_ready(void *opaque, uint32_t events)
{
    if (events & (EPOLLHUP | EPOLLERR))
        finish(opaque, "xenstored has closed it");
    else
        pump(opaque);
}

int broker_new(struct loop *loop, unsigned domid, const char *socket, struct broker **out,
               int *client_fd, struct error *e)
{
    struct broker *b = calloc(1, sizeof *b);
    int pair[2], ret;

    if (!b)
        return error_set(e, -ENOMEM, "no memory for a xenstore broker");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        ret = error_set(e, -errno, "cannot make a socket for the PV worker: %s", strerror(errno));
        free(b);
        return ret;
    }
    b->loop = loop;
    b->log_limit = &b->own_limit;
    b->domid = domid;
    b->worker_wants = b->daemon_wants = EPOLLIN;
    b->worker = (struct loop_source){ .fd = pair[0], .ready = worker_ready, .opaque = b };
    b->daemon = (struct loop_source){ .ready = daemon_ready, .opaque = b };
    ret = b->daemon.fd = xs_connect(socket, e);
    if (ret >= 0)
        ret = loop_add(loop, &b->worker, b->worker_wants);
    if (ret >= 0)
        ret = loop_add(loop, &b->daemon, b->daemon_wants);
    if (ret < 0) {
        close(pair[1]);
        broker_free(b);
        return error_set(e, ret, "cannot serve the PV worker's socket: %s", strerror(-ret));
    }
    *client_fd = pair[1];
    *out = b;
    return 0;
}

void broker_share_limit(struct broker *b, struct guest_log_limit *limit)
{
    b->log_limit = limit;
}

void broker_free(struct broker *b)
{
    if (!b)
        return;
    finish(b, NULL);
    free(b);
}
