/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_blkback - a hostile front end, a slow disk and a process that dies, on one PV disk.
 *
 * The first byte says how the ring is laid out, and whether the connection is made by xenstore or
 * is there at once (which is faster, and goes deeper into the ring). The rest is a list of steps,
 * the first byte of each says what (enum step). What must hold: a read-only disk is not written, no
 * more is answered than was asked, and after the end nothing is mapped or bound.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hw/core/log.h"
#include "hw/xen/blkback.h"
#include "tests/blkfront.h"
#include "tests/xenstored.h"

#define BACK  "backend/qdisk/5/768"
#define FRONT "/local/domain/5/device/vbd/768"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 40, TABLE = 39 };

enum step {
    REQUEST, /* op, queue, sector, page, segments: one that could be honest */
    WILD,    /* queue, 16 bytes: into the next slot as they are */
    PUSH,    /* queue */
    TURN,
    INDEX,    /* queue, which, 4 bytes: set it */
    SCRIBBLE, /* page, where, 8 bytes: into a ring or a page that is in use */
    SEGMENT,  /* n, 8 bytes: of the table of indirect requests */
    END,      /* n: the disk is done with the n-th that it holds */
    DISK,     /* bits: it holds, fails, cannot discard */
    PAGE,     /* n: one reference is revoked, protected, or granted again */
    DIE,      /* and a successor; what the journal says may be changed before: where, 4 bytes */
    STOP,     /* hold, go on, stop */
    KEY,      /* which, value: of the front end */
    STATE,    /* of the front end, or of ours */
    MEDIUM,
    STEPS
};

struct input {
    const uint8_t *data;
    size_t left;
};

static struct {
    struct blkfront f;
    bool bus; /* by xenstore */
    struct blkback *blkback;
    struct pv *pv;
    struct blkback_host host;
    bool empty, pending;
    int claims;
} t;

static struct xenstored x; /* for all runs */

static uint8_t next(struct input *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->data++;
}

static uint32_t next32(struct input *in)
{
    uint32_t a = next(in), b = next(in), c = next(in);

    return a | b << 8 | c << 16 | (uint32_t)next(in) << 24;
}

/* ---- the host ------------------------------------------------------------------------------- */

static int host_open(void *opaque, uint32_t devid, bool read_only, struct block **out,
                     struct error *e)
{
    (void)opaque;
    (void)devid;
    (void)read_only;
    *out = t.empty ? NULL : &t.f.disk.base;
    return t.pending ? error_set(e, -EINPROGRESS, "later") : 0;
}

static int host_claim(void *opaque, uint32_t devid)
{
    (void)opaque;
    (void)devid;
    if (t.pending)
        return -EINPROGRESS;
    if (t.claims++)
        abort();
    return 0;
}

static void host_release(void *opaque, uint32_t devid)
{
    (void)opaque;
    (void)devid;
    if (t.f.disk.held_now)
        abort();
    t.claims = 0; /* or it was still waited for */
}

/* One for all runs: a device that is gone leaves it free. */
static void *host_journal(void *opaque, unsigned slot, size_t bytes)
{
    static void *journal;

    (void)opaque;
    (void)slot;
    if (!journal)
        journal = calloc(1, bytes);
    return journal;
}

/* ---- processes ------------------------------------------------------------------------------ */

static void start_bus(void)
{
    struct error e = { "" };

    t.host = (struct blkback_host){
        .open = host_open, .claim = host_claim, .release = host_release, .journal = host_journal
    };
    t.pv = pv_sim_attach(t.f.sim, x.loop, false);
    if (!t.pv || blkback_open(x.ours, 5, x.loop, t.pv, &t.host, &t.blkback, &e) < 0)
        abort();
}

/* A hand-over: as a death, but in order. */
static void replace_bus(void)
{
    blkback_close(t.blkback);
    t.pv->ops->destroy(t.pv);
    t.claims = 0; /* they go with the journal */
    start_bus();
    blkback_resume(t.blkback);
}

static void replace(struct input *in)
{
    uint8_t where = next(in);
    uint32_t *word = (uint32_t *)(void *)&t.f.journal->queue[0], value = next32(in);

    if (t.bus) {
        replace_bus();
        return;
    }
    if (!t.f.conn)
        return;
    front_kill(&t.f);
    if (where)
        word[where % 160] = value;
    if (front_connect(&t.f, true) < 0 && front_connect(&t.f, false) < 0)
        t.f.conn = NULL;
}

static void settle(void)
{
    if (t.bus)
        xenstored_settle(&x);
    else
        for (unsigned i = 0; i < 64 && loop_turn(t.f.loop, false); i++)
            ;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static unsigned queue_of(uint8_t n)
{
    return n % t.f.setup.queues;
}

static void put_request(struct input *in)
{
    uint8_t op = next(in), n = next(in), sector = next(in), page = next(in), segments = next(in);
    struct front_request r = front_transfer(op % 7, n, sector * 8u, page % PAGES, segments % 12);

    if (r.op == BLKIF_INDIRECT) {
        r.indirect_op = op & 0x80 ? op : op >> 4 & 1;
        r.segments = segments;
        r.table = FRONT_DATA + TABLE;
    } else if (r.op == BLKIF_DISCARD) {
        r.flag = op >> 7;
        r.sectors = segments;
    } else if (segments & 0x80) {
        r.segment[segments % 11].last = page >> 4;
        r.segment[segments % 11].first = page & 15;
    }
    front_put(&t.f, queue_of(n), &r);
}

static void put_wild(struct input *in)
{
    unsigned queue = queue_of(next(in));
    uint8_t *slot = front_slot(&t.f, queue, t.f.queue[queue].req_prod++);

    for (unsigned i = 0; i < 16; i++)
        slot[i % 8 + (i & 8) * 3] = next(in);
}

static void scribble(struct input *in)
{
    uint8_t page = next(in);
    uint8_t *to =
        page & 1 ? t.f.queue[queue_of(page >> 1)].ring + 64 : front_page(&t.f, (page >> 1) % PAGES);

    to += next(in) * 8;
    for (unsigned i = 0; i < 8; i++)
        to[i] = next(in);
}

static void set_segment(struct input *in)
{
    uint8_t n = next(in);
    uint8_t *to = front_page(&t.f, TABLE) + n * 8u;

    put_le32(to, FRONT_DATA + next(in) % (PAGES + 2));
    to[4] = next(in) % 10;
    to[5] = next(in) % 10;
}

static void change_page(struct input *in)
{
    uint8_t n = next(in);
    uint32_t ref = FRONT_DATA + n % PAGES;

    /* The front end's own pages stay where it knows them. */
    if (n & 0x80)
        pv_sim_protect(t.f.sim, ref);
    else
        pv_sim_flip(t.f.sim, n & 0x40);
}

static void set_disk(uint8_t bits)
{
    t.f.disk.hold = bits & 1;
    t.f.disk.no_discard = bits & 2;
    t.f.disk.bad_first = bits & 4 ? (uint64_t)(bits & 0xf0) * 512 : UINT64_MAX;
    if (!t.f.disk.hold)
        test_disk_end_all(&t.f.disk);
}

static void stop(uint8_t how)
{
    if (!t.f.conn)
        return;
    if (how & 4) {
        blk_conn_stop(t.f.conn);
    } else if (how & 2) {
        front_disconnect(&t.f, false);
        if (front_connect(&t.f, false) < 0)
            t.f.conn = NULL;
    } else {
        if (blk_conn_stop(t.f.conn) && how & 1)
            blk_conn_start(t.f.conn);
    }
}

static void put_front(const char *key, const char *value)
{
    char path[160];

    snprintf(path, sizeof path, FRONT "/%s", key);
    xenstored_put(&x, path, value);
}

static void set_key(struct input *in)
{
    static const char *const keys[] = {
        "ring-ref",         "event-channel",         "ring-page-order",  "multi-queue-num-queues",
        "protocol",         "feature-persistent",    "ring-ref0",        "ring-ref1",
        "queue-0/ring-ref", "queue-0/event-channel", "queue-1/ring-ref", "queue-1/event-channel",
    };
    static const char *const odd[] = { "", "-1", "x86_32-abi", "x86_64-abi", "99999999999", "x" };
    uint8_t key = next(in) % ARRAY_SIZE(keys), value = next(in);
    char text[16];

    if (value < 64) /* small, or what may be right */
        snprintf(text, sizeof text, "%d", value < 16 ? value : FRONT_RING + value - 16);
    else
        snprintf(text, sizeof text, "%s", odd[value % ARRAY_SIZE(odd)]);
    put_front(keys[key], text);
}

static void set_state(uint8_t value)
{
    char text[2] = { (char)('0' + value % 8), '\0' };

    if ((value & 0xc0) == 0xc0) {
        xenstored_put(&x, BACK "/online", value & 0x20 ? "1" : "0");
        xenstored_put(&x, BACK "/state", text);
    } else {
        put_front("state", text);
    }
}

static void medium(uint8_t value)
{
    t.empty = value & 1;
    t.pending = value & 2;
    xenstored_put(&x, BACK "/params", value & 4 ? "aio:/a" : "aio:/b");
    if (value & 8)
        blkback_granted(t.blkback, 768);
    if (value & 16)
        blkback_resized(t.blkback);
    t.f.disk.size = (uint64_t)FRONT_SECTORS * (value & 32 ? 256 : 512);
}

static void do_step(struct input *in)
{
    uint8_t step = next(in) % STEPS, a;

    if (step == REQUEST)
        put_request(in);
    else if (step == WILD)
        put_wild(in);
    else if (step == PUSH)
        front_push(&t.f, queue_of(next(in)));
    else if (step == TURN)
        settle();
    else if (step == INDEX) {
        a = next(in);
        *front_index(&t.f, queue_of(a), a >> 6) = a & 0x20 ? next32(in) : next(in);
    } else if (step == SCRIBBLE)
        scribble(in);
    else if (step == SEGMENT)
        set_segment(in);
    else if (step == END && t.f.disk.held_now)
        test_disk_end(&t.f.disk, next(in) % t.f.disk.held_now);
    else if (step == DISK)
        set_disk(next(in));
    else if (step == PAGE)
        change_page(in);
    else if (step == DIE)
        replace(in);
    else if (step == STOP && !t.bus)
        stop(next(in));
    else if (step == KEY && t.bus)
        set_key(in);
    else if (step == STATE && t.bus)
        set_state(next(in));
    else if (step == MEDIUM && t.bus)
        medium(next(in));
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void create(void)
{
    char text[16];

    put_front("state", "1");
    snprintf(text, sizeof text, "%d", FRONT_RING);
    put_front("ring-ref", text);
    snprintf(text, sizeof text, "%d", FRONT_PORT);
    put_front("event-channel", text);
    put_front("feature-persistent", t.f.setup.persistent ? "1" : "0");
    xenstored_put(&x, BACK "/frontend", FRONT);
    xenstored_put(&x, BACK "/mode", t.f.disk.base.read_only ? "r" : "w");
    xenstored_put(&x, BACK "/discard-enable", "1");
    xenstored_put(&x, BACK "/params", "aio:/a");
    xenstored_put(&x, BACK "/online", "1");
    xenstored_put(&x, BACK "/state", "1");
    settle();
    put_front("state", "3");
    settle();
}

static void end_bus(void)
{
    test_disk_end_all(&t.f.disk);
    xenstored_erase(&x, BACK);
    xenstored_erase(&x, FRONT);
    settle();
    if (pv_sim_mapped(t.f.sim) || pv_sim_bound(t.f.sim) || t.claims)
        abort();
    blkback_close(t.blkback);
    t.pv->ops->destroy(t.pv);
}

static void begin(uint8_t how)
{
    memset(&t, 0, sizeof t);
    t.bus = (how & 0xc0) == 0xc0;
    front_new_small(&t.f, how & 1 ? BLKIF_ABI_32 : BLKIF_ABI_64, t.bus ? 1 : 1 + (how >> 1 & 1),
                    t.bus ? 0 : how >> 2 & 1, how & 8, PAGES);
    t.f.disk.base.read_only = how & 16;
    memset(t.f.disk.bytes, 0x55, 4096);
    if (t.bus) {
        start_bus();
        create();
    } else if (front_connect(&t.f, false) < 0) {
        abort();
    }
}

static void end(void)
{
    t.f.disk.hold = false;
    settle();
    if (t.bus)
        end_bus();
    front_disconnect(&t.f, false);
    if (pv_sim_mapped(t.f.sim) || pv_sim_bound(t.f.sim))
        abort();
    for (unsigned i = 0; t.f.disk.base.read_only && i < 4096; i++)
        if (t.f.disk.bytes[i] != 0x55)
            abort();
    front_free(&t.f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };

    if (!x.pid) {
        log_set_level(LOG_ERROR);
        xenstored_start(&x);
    }
    begin(next(&in));
    while (in.left)
        do_step(&in);
    end();
    return 0;
}
