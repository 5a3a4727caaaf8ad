/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload hostile: front ends that do all they can to harm their back ends. Rounds of random keys
 * and states in xenstore, wild rings and requests, requests that change while they are read, grants
 * that are taken back, connections that come and go. After each round the back end must close, hold
 * no grant, and be ready for the next one; in between, a disk that is used properly must work.
 *
 * Disks: xvde can be written, xvdf not; both of 2 MiB. The keyboard is attacked by its keys and
 * states. How many rounds, in hundreds, is patched in; begins when dom0 writes a number, the seed,
 * to data/lab. Prints "hostile: ready", then "hostile: passed", or "hostile: FAILED" and what
 * failed.
 */
#include "xen.h"

#define RINGS         0x500000u /* RING_PAGES for each queue */
#define DATA          0x520000u
#define RING_PAGES    4u
#define QUEUES        2u
#define DATA_PAGES    32u
#define RING_REF      16u
#define DATA_REF      32u
#define LOCKED_REF    (DATA_REF + DATA_PAGES) /* read-only */
#define FOREIGN_REF   (LOCKED_REF + 1)        /* for another domain */
#define EMPTY_REF     (FOREIGN_REF + 1)       /* a frame that does not exist */
#define DISK_SECTORS  4096u
#define PAGE_SECTORS  8u
#define RING_HEADER   64u
#define WAITS         20000u /* looks at xenstore, each of which takes domain 0 a while */
#define INITIALISING  1u
#define INIT_WAIT     2u
#define INITIALISED   3u
#define CONNECTED     4u
#define CLOSING       5u
#define CLOSED        6u
#define OP_READ       0u
#define OP_WRITE      1u
#define OP_FLUSH      3u
#define OP_INDIRECT   6u
#define MOST_SEGMENTS 11u

static const volatile char work[] = "@LAB_WORK@h003"; /* as in draw.c */
enum { DIGITS = 11, DIGITS_END = 14 };

struct device {
    const char *path;
    bool block, writable;
    uint32_t dirty; /* keys that were written, as bits of keys[] */
    char backend[96];
    uint32_t most_order, most_queues;
};

static struct device devices[] = {
    { .path = "device/vbd/51776", .block = true, .writable = true },
    { .path = "device/vbd/51792", .block = true },
    { .path = "device/vkbd/0" },
};
enum { DISKS = 2, DEVICES = 3 };

enum key {
    RING_REF_KEY,
    EVENT_CHANNEL,
    PROTOCOL,
    RING_PAGE_ORDER,
    RING_REF_0, /* and the next three */
    QUEUE_COUNT = RING_REF_0 + 4,
    QUEUE_0_REF,
    QUEUE_0_EVENT,
    QUEUE_1_REF,
    QUEUE_1_EVENT,
    PERSISTENT,
    LARGE_SECTORS,
    RING_PAGES_OLD,
    PAGE_GREF,
    PAGE_REF,
    ABSOLUTE,
    RAW,
    KEYS
};
static const char *const keys[KEYS] = {
    "ring-ref",
    "event-channel",
    "protocol",
    "ring-page-order",
    "ring-ref0",
    "ring-ref1",
    "ring-ref2",
    "ring-ref3",
    "multi-queue-num-queues",
    "queue-0/ring-ref",
    "queue-0/event-channel",
    "queue-1/ring-ref",
    "queue-1/event-channel",
    "feature-persistent",
    "feature-large-sector-size",
    "num-ring-pages",
    "page-gref",
    "page-ref",
    "request-abs-pointer",
    "request-raw-pointer",
};

/* One queue of a connection. */
struct queue {
    uint8_t *ring;
    uint32_t port, slots, slot_size, prod, cons;
    bool wide; /* 64-bit layout */
};
static struct queue queues[QUEUES];
static uint32_t queue_count;

struct request {
    uint8_t op, count;
    uint64_t id, sector;
    struct {
        uint32_t ref;
        uint8_t first, last;
    } segment[MOST_SEGMENTS];
};

static uint32_t seed, round_number, connections, transfers;
static const char *doing;

static uint32_t any(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

static uint32_t below(uint32_t limit)
{
    return any() % limit;
}

static void *page_at(uint32_t base, uint32_t number)
{
    return (void *)(base + number * PAGE);
}

static _Noreturn void fail(const struct device *d, const char *what, uint32_t value)
{
    serial_text("hostile: ");
    serial_text(d->path);
    report(" round", round_number);
    report(doing, value);
    serial_text("hostile: FAILED ");
    serial_text(what);
    serial_text("\r\n");
    idle();
}

/* ---- xenstore */

static const char *path_of(const struct device *d, const char *name)
{
    static char path[128];

    text_add(text_add(text_add(path, d->path), "/"), name);
    return path;
}

static void put_text(struct device *d, enum key key, const char *value)
{
    xs_write(path_of(d, keys[key]), value);
    d->dirty |= 1u << key;
}

static void put_number(struct device *d, enum key key, uint32_t value)
{
    char text[12];

    text_add_decimal(text, value);
    put_text(d, key, text);
}

static void put_state(const struct device *d, uint32_t state)
{
    char text[12];

    text_add_decimal(text, state);
    xs_write(path_of(d, "state"), text);
}

static uint32_t number_in(const char *text)
{
    uint32_t n = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        n = n * 10 + (uint32_t)(*text - '0');
    }
    return n;
}

/* A number that the back end has published; 0: none. */
static uint32_t published(const struct device *d, const char *name)
{
    char path[128], value[16];

    text_add(text_add(text_add(path, d->backend), "/"), name);
    return xs_read(path, value, sizeof value) ? number_in(value) : 0;
}

/* Until its state is this one, or Closed where that will do. */
static bool backend_reaches(const struct device *d, uint32_t state, bool or_closed, uint32_t waits)
{
    for (;;) {
        uint32_t is = published(d, "state");

        if (is == state || (or_closed && is == CLOSED)) {
            return true;
        }
        if (!waits--) {
            return false;
        }
        xen_yield();
    }
}

static bool backend_becomes(const struct device *d, uint32_t state, uint32_t waits)
{
    return backend_reaches(d, state, false, waits);
}

static void pause(uint32_t yields)
{
    while (yields--) {
        xen_yield();
    }
}

/* ---- grants and connections */

static void grant(uint32_t ref, const void *page, uint16_t flags)
{
    grants[ref].domid = 0;
    grants[ref].frame = (uint32_t)page / PAGE;
    __asm__ volatile("" : : : "memory");
    grants[ref].flags = flags;
}

static void grant_all(void)
{
    for (uint32_t i = 0; i < QUEUES * RING_PAGES; i++) {
        grant(RING_REF + i, page_at(RINGS, i), GRANT_PERMIT);
    }
    for (uint32_t i = 0; i < DATA_PAGES; i++) {
        grant(DATA_REF + i, page_at(DATA, i), GRANT_PERMIT);
    }
    grant(LOCKED_REF, page_at(DATA, 0), GRANT_PERMIT | GRANT_READ_ONLY);
    grant(FOREIGN_REF, page_at(DATA, 0), 0);
    grants[FOREIGN_REF].domid = 1;
    grants[FOREIGN_REF].flags = GRANT_PERMIT;
    grant(EMPTY_REF, (void *)0xf8000000u, GRANT_PERMIT);
}

/* None may be in use once the back end has closed; then they are nobody's. */
static void revoke_all(const struct device *d)
{
    for (uint32_t ref = GRANTS_RESERVED; ref < GRANTS; ref++) {
        if (grants[ref].flags & GRANT_IN_USE) {
            fail(d, "a grant is in use after the end", ref);
        }
        grants[ref].flags = 0;
    }
}

static void prepare_queue(uint32_t number, uint32_t order, bool wide)
{
    struct queue *q = &queues[number];
    uint32_t size = wide ? 112 : 108, fit = ((PAGE << order) - RING_HEADER) / size;

    memset(q, 0, sizeof *q);
    q->ring = page_at(RINGS, number * RING_PAGES);
    q->wide = wide;
    q->slot_size = size;
    q->slots = 1;
    while (q->slots * 2 <= fit) {
        q->slots *= 2;
    }
    memset(q->ring, 0, RING_PAGES * PAGE);
    ((volatile uint32_t *)q->ring)[1] = 1; /* req_event, rsp_event */
    ((volatile uint32_t *)q->ring)[3] = 1;
    q->port = event_alloc();
}

/* All keys of a proper connection in one of its shapes, up to the state. */
static void offer_disk(struct device *d)
{
    uint32_t order = below(d->most_order + 1);
    bool wide = below(2);

    queue_count = d->most_queues > 1 ? 1 + below(2) : 1;
    for (uint32_t i = 0; i < queue_count; i++) {
        prepare_queue(i, queue_count > 1 ? 0 : order, wide);
    }
    put_text(d, PROTOCOL, wide ? "x86_64-abi" : "x86_32-abi");
    if (below(2)) {
        put_number(d, PERSISTENT, 1);
    }
    if (queue_count > 1) {
        put_number(d, QUEUE_COUNT, 2);
        put_number(d, QUEUE_0_REF, RING_REF);
        put_number(d, QUEUE_0_EVENT, queues[0].port);
        put_number(d, QUEUE_1_REF, RING_REF + RING_PAGES);
        put_number(d, QUEUE_1_EVENT, queues[1].port);
        return;
    }
    put_number(d, EVENT_CHANNEL, queues[0].port);
    if (!order) {
        put_number(d, RING_REF_KEY, RING_REF);
        return;
    }
    put_number(d, RING_PAGE_ORDER, order);
    for (uint32_t i = 0; i < 1u << order; i++) {
        put_number(d, (enum key)(RING_REF_0 + i), RING_REF + i);
    }
}

static void offer(struct device *d)
{
    grant_all();
    if (d->block) {
        offer_disk(d);
        return;
    }
    queue_count = 1;
    prepare_queue(0, 0, false);
    put_number(d, PAGE_GREF, RING_REF);
    put_number(d, EVENT_CHANNEL, queues[0].port);
}

static void connect(struct device *d)
{
    offer(d);
    put_state(d, d->block ? INITIALISED : CONNECTED);
    if (!backend_becomes(d, CONNECTED, WAITS)) {
        fail(d, "the back end does not connect, but is in state", published(d, "state"));
    }
    connections++;
}

/* Whatever there was, ends, and the next round can begin. */
static void reset(struct device *d)
{
    put_state(d, CLOSING);
    if (!backend_reaches(d, CLOSING, true, WAITS)) {
        fail(d, "the back end does not begin to close, but is in state", published(d, "state"));
    }
    put_state(d, CLOSED);
    if (!backend_becomes(d, CLOSED, WAITS)) {
        fail(d, "the back end does not close, but is in state", published(d, "state"));
    }
    revoke_all(d);
    for (uint32_t i = 0; i < queue_count; i++) {
        event_close(queues[i].port);
    }
    queue_count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        if (d->dirty & 1u << key) {
            xs_remove(path_of(d, keys[key]));
        }
    }
    d->dirty = 0;
    put_state(d, INITIALISING);
    if (!backend_becomes(d, INIT_WAIT, WAITS)) {
        fail(d, "the back end is not ready again, but in state", published(d, "state"));
    }
}

/* ---- requests */

static uint8_t *slot_of(const struct queue *q, uint32_t number)
{
    return q->ring + RING_HEADER + number % q->slots * q->slot_size;
}

static void put_request(struct queue *q, const struct request *r)
{
    uint8_t *slot = slot_of(q, q->prod++);
    uint8_t *at = slot + (q->wide ? 8 : 4);

    slot[0] = r->op;
    slot[1] = r->count;
    slot[2] = slot[3] = 0;
    memcpy(at, &r->id, 8);
    memcpy(at + 8, &r->sector, 8);
    for (uint32_t i = 0; i < MOST_SEGMENTS; i++) {
        memcpy(at + 16 + 8 * i, &r->segment[i].ref, 4);
        at[20 + 8 * i] = r->segment[i].first;
        at[21 + 8 * i] = r->segment[i].last;
    }
}

static void push(const struct queue *q, uint32_t prod)
{
    __asm__ volatile("" : : : "memory");
    *(volatile uint32_t *)q->ring = prod;
    event_send(q->port);
}

/* One proper request; the status it is answered with. */
static int16_t perform(const struct device *d, struct queue *q, uint8_t op, uint32_t page,
                       uint32_t sector)
{
    struct request r = { .op = op, .count = op != OP_FLUSH, .id = any(), .sector = sector };
    volatile uint32_t *answers = (volatile uint32_t *)q->ring + 2;
    const uint8_t *slot;
    uint64_t id;
    int16_t status;

    r.segment[0].ref = DATA_REF + page;
    r.segment[0].last = PAGE_SECTORS - 1;
    put_request(q, &r);
    push(q, q->prod);
    for (uint32_t waits = 0; *answers == q->cons; waits++) {
        if (waits == WAITS) {
            fail(d, "no answer to a proper request", op);
        }
        pause(below(64)); /* and not always the same time */
        published(d, "state");
    }
    slot = slot_of(q, q->cons++);
    memcpy(&id, slot, 8);
    memcpy(&status, slot + 10, 2);
    if (id != r.id || slot[8] != op || *answers != q->cons) {
        fail(d, "an answer that fits no request", slot[8]);
    }
    ((volatile uint32_t *)q->ring)[3] = q->cons + 1; /* rsp_event */
    transfers++;
    return status;
}

static void round_proper(struct device *d)
{
    uint32_t sector = below(DISK_SECTORS / PAGE_SECTORS) * PAGE_SECTORS;
    uint32_t *wrote = page_at(DATA, 0), *got = page_at(DATA, 1), bad = 0;
    struct queue *q;

    connect(d);
    if (!d->block) {
        return;
    }
    q = &queues[below(queue_count)];
    for (uint32_t i = 0; i < PAGE / 4; i++) {
        wrote[i] = any();
    }
    memset(got, 0, PAGE);
    if ((perform(d, q, OP_WRITE, 0, sector) == 0) != d->writable) {
        fail(d, "wrong status of a write", sector);
    }
    if (d->writable && perform(d, q, OP_FLUSH, 0, 0) != 0) {
        fail(d, "wrong status of a flush", 0);
    }
    if (perform(d, q, OP_READ, 1, sector) != 0) {
        fail(d, "wrong status of a read", sector);
    }
    for (uint32_t i = 0; i < PAGE / 4; i++) {
        bad += wrote[i] != got[i];
    }
    if ((bad == 0) != d->writable) {
        fail(d, "the data is not what it must be", bad);
    }
}

/* ---- what is hostile */

static void wild_text(char *text)
{
    static const char *const odd[] = { "",
                                       "-1",
                                       "4294967295",
                                       "4294967296",
                                       "99999999999999999999999",
                                       " 16",
                                       "16 ",
                                       "0x10",
                                       "1e3",
                                       "x86_16-abi",
                                       "%s%s%n",
                                       "../../../../0/backend",
                                       "/local/domain/0" };

    switch (below(4)) {
    case 0:
        text_add(text, odd[below(sizeof odd / sizeof odd[0])]);
        break;
    case 1:
        text_add_decimal(text, any());
        break;
    case 2:
        text_add_decimal(text, below(EMPTY_REF + 2)); /* all kinds of references, port numbers */
        break;
    default:
        memset(text, 'A' + (int)below(26), 1900);
        text[1900] = 0;
    }
}

static void round_keys(struct device *d)
{
    static char text[2048];
    uint32_t turns = 1 + below(3);

    offer(d);
    for (uint32_t i = 0; i < turns; i++) {
        wild_text(text);
        put_text(d, (enum key)below(KEYS), text);
    }
    if (below(4) == 0) {
        xs_remove(path_of(d, keys[below(KEYS)]));
    }
    put_state(d, d->block ? INITIALISED : CONNECTED);
    backend_becomes(d, CONNECTED, below(20));
    if (below(2)) { /* one more, which may be too late */
        wild_text(text);
        put_text(d, (enum key)below(KEYS), text);
    }
}

static void round_states(struct device *d)
{
    static char text[2048];
    uint32_t turns = 2 + below(8);

    if (below(2)) {
        offer(d);
    }
    for (uint32_t i = 0; i < turns; i++) {
        switch (below(8)) {
        case 0:
            wild_text(text);
            xs_write(path_of(d, "state"), text);
            break;
        case 1:
            xs_remove(path_of(d, "state"));
            break;
        case 2:
            xs_remove(path_of(d, keys[below(KEYS)]));
            break;
        default:
            put_state(d, below(9));
        }
        pause(below(50));
    }
}

static uint32_t wild_ref(void)
{
    switch (below(8)) {
    case 0:
        return any();
    case 1:
        return below(GRANTS);
    case 2:
        return LOCKED_REF + below(3);
    case 3:
        return RING_REF + below(QUEUES * RING_PAGES); /* the ring itself as data */
    default:
        return DATA_REF + below(DATA_PAGES);
    }
}

static uint64_t wild_sector(void)
{
    static const uint64_t odd[] = { DISK_SECTORS - 1,    DISK_SECTORS, 0x7fffffffffffffffu,
                                    0xffffffffffffffffu, 0x80000000u,  0xfffffffffffffff8u };

    return below(2) ? odd[below(sizeof odd / sizeof odd[0])] : below(DISK_SECTORS);
}

/* Something that has the form of a request. */
static void wild_request(struct queue *q)
{
    static const uint8_t counts[] = { 0, 1, 2, MOST_SEGMENTS, MOST_SEGMENTS + 1, 255 };
    struct request r = { .op = (uint8_t)below(8), .id = any(), .sector = wild_sector() };

    r.count = counts[below(sizeof counts)];
    for (uint32_t i = 0; i < MOST_SEGMENTS; i++) {
        r.segment[i].ref = wild_ref();
        r.segment[i].first = (uint8_t)(below(4) ? below(8) : any());
        r.segment[i].last = (uint8_t)(below(4) ? below(8) : any());
    }
    if (r.op == OP_INDIRECT) { /* a page of segments, which are as wild */
        uint32_t *page = page_at(DATA, below(DATA_PAGES));

        for (uint32_t i = 0; i < PAGE / 4; i++) {
            page[i] = i % 2 ? any() : wild_ref();
        }
        r.count = (uint8_t)below(3);
    }
    put_request(q, &r);
}

/* The requests change while the back end reads them. */
static void change_under_way(struct queue *q)
{
    for (uint32_t i = 0; i < q->slots; i++) {
        wild_request(q);
    }
    push(q, q->prod);
    for (uint32_t i = 0; i < 2000; i++) {
        slot_of(q, any())[below(q->slot_size)] = (uint8_t)any();
        if (i % 100 == 0) {
            push(q, q->prod);
            xen_yield();
        }
    }
}

static void round_ring(struct device *d)
{
    uint32_t turns = 1 + below(6);

    connect(d);
    for (uint32_t turn = 0; turn < turns; turn++) {
        struct queue *q = &queues[below(queue_count)];
        volatile uint32_t *header = (volatile uint32_t *)q->ring;

        switch (d->block ? below(6) : 3) {
        case 0:
            for (uint32_t left = below(64); left; left--) {
                wild_request(q);
            }
            push(q, q->prod);
            break;
        case 1:
            change_under_way(q);
            break;
        case 2: /* grants go while they may be in use */
            wild_request(q);
            push(q, q->prod);
            grants[wild_ref() % (GRANTS - DATA_REF) + DATA_REF].flags = 0;
            break;
        case 3: /* everything, the indices too */
            for (uint32_t i = 0; i < (PAGE << below(2)) / 4; i++) {
                header[i] = any();
            }
            event_send(q->port);
            break;
        case 4:
            header[below(4)] = below(2) ? any() : q->prod + below(2 * q->slots);
            event_send(q->port);
            break;
        default:
            push(q, any());
        }
        pause(below(40));
    }
}

/* Connects and goes again, now and then before the back end is there. */
static void round_churn(struct device *d)
{
    for (uint32_t turns = below(4); turns; turns--) {
        connect(d);
        reset(d);
    }
    offer(d);
    put_state(d, d->block ? INITIALISED : CONNECTED);
    pause(below(60));
}

static void begin(void)
{
    char text[16];

    if (!xen_begin()) {
        serial_text("hostile: FAILED no Xen\r\n");
        idle();
    }
    for (uint32_t i = 0; i < DEVICES; i++) {
        struct device *d = &devices[i];

        doing = "looking for it";
        if (!xs_read(path_of(d, "backend"), d->backend, sizeof d->backend) ||
            !backend_becomes(d, INIT_WAIT, WAITS)) {
            fail(d, "no back end", i);
        }
        d->most_order = published(d, "max-ring-page-order");
        d->most_order = d->most_order > 2 ? 2 : d->most_order;
        d->most_queues = published(d, "multi-queue-max-queues");
        report("hostile: largest ring order", d->most_order);
        report("hostile: most queues", d->most_queues);
    }
    serial_text("hostile: ready\r\n");
    while (!seed) {
        pause(1000);
        seed = xs_read("data/lab", text, sizeof text) ? number_in(text) : 0;
    }
}

void payload_main(void)
{
    static const struct {
        const char *name;
        void (*run)(struct device *d);
    } kinds[] = { { "proper use", round_proper }, { "keys", round_keys },
                  { "states", round_states },     { "ring", round_ring },
                  { "ring", round_ring },         { "coming and going", round_churn } };
    uint32_t rounds = 0;

    for (uint32_t i = DIGITS; i < DIGITS_END; i++) {
        rounds = rounds * 10 + (uint32_t)(work[i] - '0');
    }
    rounds *= 100;
    begin();
    for (round_number = 0; round_number < rounds; round_number++) {
        /* All of them at first and in the end, used properly. */
        bool proper = round_number < DEVICES || round_number >= rounds - DEVICES;
        struct device *d = &devices[proper ? round_number % DEVICES : below(DEVICES)];
        uint32_t kind = proper ? 0 : below(sizeof kinds / sizeof kinds[0]);

        doing = kinds[kind].name;
        kinds[kind].run(d);
        reset(d);
    }
    report("hostile: rounds", rounds);
    report("hostile: connections", connections);
    report("hostile: requests answered", transfers);
    serial_text("hostile: passed\r\n");
    idle();
}
