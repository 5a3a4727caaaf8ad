/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_console - a hostile guest, a slow host and a process that dies, on one PV console.
 *
 * The input is a list of steps, the first byte of each says what (enum step). After each the loop
 * runs until nothing moves. What must hold: nothing outside the ring's struct is written, no index
 * of the guest's is, room is never more than a ring, and after the end nothing is mapped or bound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev.h"
#include "hw/core/log.h"
#include "hw/xen/console.h"
#include "ioreq/loop.h"
#include "ioreq/pv_sim.h"
#include "tests/xenstored.h"

#define BACK  "backend/console/5/1"
#define FRONT "/local/domain/5/device/console/1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GREF = 9, PORT = 33 };

enum step {
    OUTPUT, /* n: that many bytes more, times 16 */
    INDEX,  /* which, 4 bytes: set it */
    TYPE,   /* n: the host types at most so much, times 8 */
    TAKE,   /* n: the host takes so much more, times 32 */
    STATE,  /* the front end's */
    KEYS,   /* ring-ref, port */
    DIE,
    PAUSE,
    STEPS
};

struct ring {
    uint8_t in[1024], out[2048];
    uint32_t in_cons, in_prod, out_cons, out_prod;
    uint8_t rest[4096 - 3088];
};

static struct {
    struct xenstored x;
    struct pv_sim *guest;
    struct ring *ring;
    struct pv *pv;
    struct console *console;
    struct chardev stream;
    size_t takes;
    struct console_backlog *backlog;
    struct console_host host;
} t;

struct input {
    const uint8_t *data;
    size_t left;
};

static uint8_t next(struct input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->data++;
}

/* --- The host. */

static size_t host_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    volatile uint8_t last;

    (void)c;
    if (n)
        last = bytes[n - 1]; /* readable */
    (void)last;
    n = n < t.takes ? n : t.takes;
    t.takes -= n;
    return n;
}

static void host_close(struct chardev *c)
{
    (void)c;
}

static const struct chardev_ops host_ops = { .write = host_write, .close = host_close };

static int open_stream(void *opaque, uint32_t devid, const char *output, struct chardev **out,
                       struct error *e)
{
    (void)opaque, (void)devid, (void)output, (void)e;
    *out = &t.stream;
    return 0;
}

static struct console_backlog *backlog_of(void *opaque, const struct chardev *stream)
{
    (void)opaque, (void)stream;
    return t.backlog;
}

static void type(size_t n)
{
    static const uint8_t bytes[2048];
    const struct chardev_user *u = t.stream.user;
    size_t room = u ? u->room(u->opaque) : 0;

    if (room > sizeof t.ring->in)
        abort();
    if (room)
        u->receive(u->opaque, bytes, n < room ? n : room);
}

/* --- Processes. */

static void start(void)
{
    struct error e = { "" };

    t.pv = pv_sim_attach(t.guest, t.x.loop, false);
    if (!t.pv || console_open(t.x.ours, 5, t.pv, &t.host, &t.console, &e) < 0)
        abort();
    console_resume(t.console);
}

static void die(void)
{
    struct error e = { "" };

    xenstore_close(t.x.ours);
    pv_sim_kill(t.pv);
    free(t.console);
    t.stream.user = NULL;
    if (xenstore_open(t.x.loop, t.x.path, &t.x.ours, &e) < 0)
        abort();
    start();
}

static void set(const char *path, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    xenstored_put(&t.x, path, text);
}

static void settle(void)
{
    static const struct ring zero;
    uint32_t in_cons = t.ring->in_cons, out_prod = t.ring->out_prod;

    xenstored_settle(&t.x);
    if (t.ring->in_cons != in_cons || t.ring->out_prod != out_prod ||
        memcmp(t.ring->rest, zero.rest, sizeof zero.rest) != 0)
        abort();
}

static void step(struct input *in)
{
    uint32_t *const index[] = { &t.ring->in_cons, &t.ring->in_prod, &t.ring->out_cons,
                                &t.ring->out_prod };
    uint32_t value, which;

    switch (next(in) % STEPS) {
    case OUTPUT:
        t.ring->out_prod += next(in) * 16u;
        break;
    case INDEX:
        which = next(in) % 4u;
        value = next(in);
        for (int i = 0; i < 3; i++)
            value = value << 8 | next(in);
        *index[which] = value;
        break;
    case TYPE:
        type(next(in) * 8u);
        break;
    case TAKE:
        t.takes = next(in) * 32u;
        if (t.stream.user)
            t.stream.user->writable(t.stream.user->opaque);
        break;
    case STATE:
        set(FRONT "/state", next(in) % 9u);
        break;
    case KEYS:
        set(FRONT "/ring-ref", next(in) % 4u + GREF);
        set(FRONT "/port", next(in) % 4u + PORT);
        break;
    case DIE:
        die();
        break;
    default:
        console_pause(t.console);
        console_resume(t.console);
        break;
    }
    pv_sim_signal(t.guest, PORT);
    settle();
}

static void prepare(void)
{
    log_set_level(LOG_ERROR);
    t.guest = pv_sim_new();
    t.ring = pv_sim_page(t.guest, GREF, false);
    if (!t.ring || !pv_sim_offer(t.guest, PORT))
        abort();
    t.stream = (struct chardev){ .ops = &host_ops, .label = "fuzz", .keep = -1 };
    t.backlog = calloc(1, sizeof *t.backlog);
    t.host = (struct console_host){ .open = open_stream, .backlog = backlog_of, .limit = 4096 };
    xenstored_start(&t.x);
    xenstored_put(&t.x, FRONT "/type", "ioemu");
    xenstored_put(&t.x, FRONT "/output", "pty");
    xenstored_put(&t.x, BACK "/frontend", FRONT);
    xenstored_put(&t.x, BACK "/online", "1");
    set(FRONT "/state", 1);
    set(BACK "/state", 1);
    start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };

    if (!t.guest)
        prepare();
    memset(t.ring, 0, sizeof *t.ring);
    t.takes = 100;
    set(FRONT "/state", 6);
    settle();
    set(FRONT "/ring-ref", GREF);
    set(FRONT "/port", PORT);
    set(FRONT "/state", 1);
    settle();
    set(FRONT "/state", 4);
    settle();
    if (xenstored_get(&t.x, BACK "/state") != 4)
        abort();
    while (in.left)
        step(&in);
    set(FRONT "/state", 6);
    settle();
    if (xenstored_get(&t.x, BACK "/state") == 4 || pv_sim_mapped(t.guest) + pv_sim_bound(t.guest))
        abort();
    return 0;
}
