/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PV disks in xenstore (hw/xen/blkback.c): the hand-shake, what is published, wild keys, another
 * medium and size, removal with work in flight, and that nothing stays mapped or bound (S22).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "hw/xen/blkback.h"
#include "tests/blkfront.h"
#include "tests/xenstored.h"

#define BACK  "backend/qdisk/5/51712"
#define FRONT "/local/domain/5/device/vbd/51712"

/* ---- the toolstack, the guest and the host -------------------------------------------------- */

static struct blkfront f; /* its loop, process and connection are not used here */
static struct xenstored x;
static struct blkback *blkback;
static struct pv *pv;
static uint64_t events;
static struct blkback *dead[512];
static unsigned deaths;

static struct {
    int open_error, claim_error; /* what the host answers */
    bool empty, read_only, no_journal;
    unsigned opened, claims, releases;
    void *journal;
    struct test_disk second; /* the medium after a change */
    bool changed;
} host;

static int host_open(void *opaque, uint32_t devid, bool read_only, struct block **out,
                     struct error *e)
{
    (void)opaque;
    assert_int_equal(devid, 51712);
    *out = NULL;
    if (host.open_error)
        return error_set(e, host.open_error, "no image");
    host.opened++;
    host.read_only = read_only;
    if (!host.empty)
        *out = host.changed ? &host.second.base : &f.disk.base;
    f.disk.base.read_only = read_only;
    return 0;
}

static int host_claim(void *opaque, uint32_t devid)
{
    (void)opaque;
    assert_int_equal(devid, 51712);
    if (!host.claim_error)
        host.claims++;
    return host.claim_error;
}

static void host_release(void *opaque, uint32_t devid)
{
    (void)opaque;
    assert_int_equal(devid, 51712);
    assert_int_equal(f.disk.held_now, 0);
    host.releases++;
}

static void *host_journal(void *opaque, unsigned slot, size_t bytes)
{
    (void)opaque;
    assert_int_equal(slot, 0);
    if (!host.journal && !host.no_journal)
        host.journal = calloc(1, bytes);
    return host.journal;
}

static const struct blkback_host calls = {
    .open = host_open, .claim = host_claim, .release = host_release, .journal = host_journal
};

static void put(const char *key, const char *value)
{
    char path[128];

    snprintf(path, sizeof path, FRONT "/%s", key);
    xenstored_put(&x, path, value);
}

static void put_number(const char *key, uint32_t value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    put(key, text);
}

static uint32_t back(const char *key)
{
    char path[128];

    snprintf(path, sizeof path, BACK "/%s", key);
    return xenstored_get(&x, path);
}

static void expect_state(uint32_t state)
{
    xenstored_settle(&x);
    assert_int_equal(back("state"), state);
}

static void create(void)
{
    put("state", "1");
    xenstored_put(&x, BACK "/frontend", FRONT);
    xenstored_put(&x, BACK "/mode", "w");
    xenstored_put(&x, BACK "/device-type", "disk");
    xenstored_put(&x, BACK "/params", "aio:/disk.img");
    xenstored_put(&x, BACK "/discard-enable", "1");
    xenstored_put(&x, BACK "/online", "1");
    xenstored_put(&x, BACK "/state", "1");
}

static void start_process(void)
{
    struct error e = { "" };

    pv = pv_sim_attach(f.sim, x.loop, false);
    assert_non_null(pv);
    if (blkback_open(x.ours, 5, x.loop, pv, &calls, &blkback, &e) < 0)
        fail_msg("%s", e.text);
    blkback_count(blkback, &events);
}

static int setup_as(enum blkif_abi abi, unsigned queues, unsigned order, bool persistent)
{
    memset(&host, 0, sizeof host);
    front_new(&f, abi, queues, order, persistent);
    xenstored_start(&x);
    start_process();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_as(BLKIF_ABI_64, 1, 0, true);
}

static int setup_wide(void **state)
{
    (void)state;
    return setup_as(BLKIF_ABI_32, 4, 2, false);
}

static unsigned held(void)
{
    return pv_sim_mapped(f.sim) + pv_sim_bound(f.sim);
}

static int teardown(void **state)
{
    bool left;

    (void)state;
    blkback_close(blkback);
    pv->ops->destroy(pv);
    left = held() != 0;
    xenstored_stop(&x);
    front_free(&f);
    free(host.journal);
    return left ? -1 : 0;
}

/* Without a word of its own, while the disk still holds what it has. */
static void process_dies(void)
{
    xenstore_close(x.ours);
    pv_sim_kill(pv);
    f.disk.held_now = 0;
    assert_true(deaths < ARRAY_SIZE(dead));
    dead[deaths++] = blkback; /* nobody gives anything back that it had */
}

static void successor_starts(void)
{
    struct error e = { "" };

    assert_int_equal(xenstore_open(x.loop, x.path, &x.ours, &e), 0);
    start_process();
    blkback_resume(blkback);
}

static void reset_rings(void)
{
    for (unsigned i = 0; i < f.setup.queues; i++) {
        memset(f.queue[i].ring, 0, 64);
        *front_index(&f, i, BLKIF_REQ_EVENT) = *front_index(&f, i, BLKIF_RSP_EVENT) = 1;
        f.queue[i].req_prod = f.queue[i].rsp_cons = 0;
    }
}

static void name_rings(void)
{
    char key[64];

    for (unsigned i = 0; i < f.setup.queues; i++) {
        char where[24] = "";

        if (f.setup.queues > 1)
            snprintf(where, sizeof where, "queue-%u/", i);
        snprintf(key, sizeof key, "%sevent-channel", where);
        put_number(key, FRONT_PORT + i);
        for (unsigned n = 0; n < 1u << f.setup.order; n++) {
            if (f.setup.order)
                snprintf(key, sizeof key, "%sring-ref%u", where, n);
            else
                snprintf(key, sizeof key, "%sring-ref", where);
            put_number(key, FRONT_RING + i * 16 + n);
        }
    }
}

static void guest_connects(void)
{
    reset_rings();
    name_rings();
    if (f.setup.queues > 1)
        put_number("multi-queue-num-queues", f.setup.queues);
    if (f.setup.order)
        put_number("ring-page-order", f.setup.order);
    if (f.setup.abi == BLKIF_ABI_32)
        put("protocol", "x86_32-abi");
    put_number("feature-persistent", f.setup.persistent);
    put("state", "3");
}

/* In order, from wherever it is. */
static void guest_closes(void)
{
    xenstored_settle(&x);
    put("state", "5");
    xenstored_settle(&x);
    put("state", "6");
    expect_state(6);
    assert_int_equal(held(), 0);
}

static void attached(void)
{
    create();
    expect_state(2);
}

static void connected(void)
{
    attached();
    guest_connects();
    expect_state(4);
    put("state", "4");
    expect_state(4);
}

static void submit(unsigned queue, struct front_request r)
{
    front_put(&f, queue, &r);
    front_push(&f, queue);
    xenstored_settle(&x);
}

static int answer(unsigned queue, uint64_t id)
{
    struct front_response a;

    if (!front_take(&f, queue, &a))
        return -100;
    assert_true(a.id == id);
    return a.status;
}

/* What the disk has in flight ends; false: there was nothing. */
static bool ends(void)
{
    bool any = f.disk.held_now;

    test_disk_end_all(&f.disk);
    xenstored_settle(&x);
    return any;
}

static int run(unsigned queue, struct front_request r)
{
    submit(queue, r);
    return answer(queue, r.id);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void handshake(void **state)
{
    (void)state;
    attached();
    assert_int_equal(back("feature-flush-cache"), 1);
    assert_int_equal(back("feature-barrier"), 1);
    assert_int_equal(back("feature-persistent"), 1);
    assert_int_equal(back("feature-max-indirect-segments"), 256);
    assert_int_equal(back("max-ring-page-order"), 4);
    assert_int_equal(back("multi-queue-max-queues"), 4);
    assert_int_equal(back("feature-discard"), 1);
    assert_int_equal(back("discard-secure"), 0);
    assert_int_equal(back("sectors"), UINT32_MAX);
    assert_int_equal(host.claims, 0);
    assert_int_equal(held(), 0);
    guest_connects();
    expect_state(4);
    assert_int_equal(host.claims, 1);
    assert_int_equal(back("sectors"), FRONT_SECTORS);
    assert_int_equal(back("sector-size"), 512);
    assert_int_equal(back("info"), 0);
    assert_int_equal(pv_sim_bound(f.sim), f.setup.queues);
    assert_int_equal(pv_sim_mapped(f.sim), f.setup.queues << f.setup.order);
    for (unsigned i = 0; i < f.setup.queues; i++) {
        front_page(&f, 0)[0] = (uint8_t)(i + 1);
        assert_int_equal(run(i, front_transfer(BLKIF_WRITE, i, 8 * i, 0, 2)), BLKIF_OKAY);
        assert_int_equal(f.disk.bytes[8 * 512 * i], i + 1);
    }
    put("state", "5");
    expect_state(5);
    put("state", "6");
    expect_state(6);
    assert_int_equal(host.releases, 1);
    assert_int_equal(f.disk.flushed, 1); /* before it was released */
    assert_int_equal(held(), 0);
    put("state", "1");
    expect_state(2);
}

static void read_only_cd(void **state)
{
    (void)state;
    create();
    xenstored_put(&x, BACK "/mode", "r");
    xenstored_put(&x, BACK "/device-type", "cdrom");
    xenstored_put(&x, BACK "/removable", "1");
    expect_state(2);
    guest_connects();
    expect_state(4);
    assert_true(host.read_only);
    assert_int_equal(back("info"), 7);
    assert_int_equal(back("feature-discard"), 0);
    assert_int_equal(run(0, front_transfer(BLKIF_WRITE, 1, 0, 0, 1)), BLKIF_ERROR);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
}

/* XSA-71: connect and disconnect without end. */
static void xsa_71_connects_ten_thousand_times(void **state)
{
    (void)state;
    attached();
    for (unsigned i = 0; i < 10000; i++) {
        guest_connects();
        expect_state(4);
        if (i % 100 == 0)
            assert_int_equal(run(0, front_transfer(BLKIF_READ, i, 0, 0, 4)), BLKIF_OKAY);
        if (i % 3)
            put("state", "5"); /* some do not say it */
        put("state", "6");
        expect_state(6);
        assert_int_equal(held(), 0);
        put("state", "1");
        expect_state(2);
    }
    assert_int_equal(host.claims, 10000);
    assert_int_equal(host.releases, 10000);
    assert_int_equal(host.opened, 1);
}

static void every_wrong_order(void **state)
{
    static const char *const states[] = { "1", "2", "3", "4", "5", "6" };

    (void)state;
    attached();
    for (unsigned n = 0; n < 6 * 6 * 6 * 2; n++) {
        if (n & 1)
            guest_connects();
        for (unsigned m = n / 2, i = 0; i < 3; i++, m /= 6) {
            put("state", states[m % 6]);
            xenstored_settle(&x);
        }
        guest_closes();
        assert_int_equal(host.claims, host.releases);
        xenstored_erase(&x, FRONT "/event-channel");
        put("state", "1");
        expect_state(2);
    }
}

static void wild_keys(void **state)
{
    static const char *const wild[] = {
        "", "-1", "0", "5", "99", "4294967295", "99999999999", "x"
    };
    static const char *const keys[] = { "ring-page-order", "multi-queue-num-queues",
                                        "protocol",        "ring-ref",
                                        "event-channel",   "feature-persistent" };

    (void)state;
    attached();
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
        for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
            guest_connects();
            guest_closes();
            put(keys[k], wild[i]);
            put("state", "1");
            expect_state(2);
            put("state", "3");
            xenstored_settle(&x);
            if (back("state") == 4)
                assert_int_equal(pv_sim_bound(f.sim), 1);
            else
                assert_int_equal(held(), 0);
            guest_closes();
            xenstored_erase(&x, FRONT);
            put("state", "1");
            expect_state(2);
        }
    guest_connects();
    expect_state(4);
}

static void ring_that_cannot_be(void **state)
{
    (void)state;
    connected();
    *front_index(&f, 0, BLKIF_REQ_PROD) = 1000;
    assert_true(pv_sim_signal(f.sim, FRONT_PORT));
    expect_state(5);
    assert_int_equal(held(), 0);
    assert_int_equal(host.releases, 1);
    put("state", "6");
    expect_state(6);
    put("state", "1");
    expect_state(2);
    guest_connects();
    expect_state(4);
}

/* What was answered is on the disk before the emulated disk has it back; the loop does not wait. */
static void broken_ring_is_flushed(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    *front_index(&f, 0, BLKIF_REQ_PROD) = 1000;
    assert_true(pv_sim_signal(f.sim, FRONT_PORT));
    expect_state(4);
    assert_int_equal(f.disk.held_now, 1);
    assert_int_equal(host.releases, 0);
    f.disk.hold = false;
    assert_true(ends());
    expect_state(5);
    assert_int_equal(host.releases, 1);
}

static void claim_comes_later(void **state)
{
    (void)state;
    attached();
    host.claim_error = -EINPROGRESS;
    guest_connects();
    expect_state(2);
    assert_int_equal(held(), 0);
    host.claim_error = 0;
    blkback_granted(blkback, 51712);
    blkback_granted(blkback, 99);
    expect_state(4);
    assert_int_equal(host.claims, 1);
    guest_closes();
    assert_int_equal(host.releases, 1);
    put("state", "1");
    expect_state(2);
    host.claim_error = -EINPROGRESS; /* a front end that does not wait for it */
    guest_connects();
    expect_state(2);
    guest_closes();
    assert_int_equal(host.releases, 2);
    blkback_granted(blkback, 51712);
    expect_state(6);
}

static void image_comes_later(void **state)
{
    (void)state;
    host.open_error = -EINPROGRESS;
    create();
    expect_state(1);
    host.open_error = 0;
    blkback_granted(blkback, 51712);
    expect_state(2);
    guest_connects();
    expect_state(4);
}

static void image_cannot_be_opened(void **state)
{
    (void)state;
    host.open_error = -ENOENT;
    create();
    expect_state(6);
    host.open_error = 0;
    xenstored_put(&x, BACK "/params", "aio:/other.img");
    expect_state(2);
}

static void another_size(void **state)
{
    uint64_t before;

    (void)state;
    connected();
    blkback_resized(blkback);
    expect_state(4);
    assert_int_equal(back("sectors"), FRONT_SECTORS);
    f.disk.size = f.disk.base.size / 2;
    before = events;
    blkback_resized(blkback);
    expect_state(4);
    assert_int_equal(back("sectors"), FRONT_SECTORS / 2);
    assert_int_equal(events, before + 2); /* `sectors` and, as it is, `state` */
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, FRONT_SECTORS / 2, 0, 1)), BLKIF_ERROR);
    f.disk.size *= 2;
    blkback_resized(blkback);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, FRONT_SECTORS / 2, 0, 1)), BLKIF_OKAY);
}

static void another_medium(void **state)
{
    (void)state;
    host.empty = true;
    connected();
    assert_int_equal(back("sectors"), 0);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_ERROR);
    host.empty = false;
    xenstored_put(&x, BACK "/params", "aio:/cd1.iso");
    expect_state(4);
    assert_int_equal(back("sectors"), FRONT_SECTORS);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
    f.disk.hold = true;
    submit(0, front_transfer(BLKIF_READ, 2, 0, 0, 1));
    test_disk_init(&host.second, f.disk.bytes, 4096);
    host.changed = true;
    xenstored_put(&x, BACK "/params", "aio:/cd2.iso");
    xenstored_settle(&x);
    submit(0, front_transfer(BLKIF_READ, 3, 8, 0, 1));
    assert_int_equal(f.disk.held_now, 1); /* the old one is still read, the new one waits */
    assert_int_equal(back("sectors"), FRONT_SECTORS);
    assert_true(ends());
    assert_true(ends()); /* the flush */
    assert_int_equal(back("sectors"), 8);
    assert_int_equal(answer(0, 2), BLKIF_OKAY);
    assert_int_equal(answer(0, 3), BLKIF_ERROR); /* beyond its end */
    host.open_error = -EIO;
    xenstored_put(&x, BACK "/params", "aio:/cd3.iso");
    xenstored_settle(&x);
    assert_int_equal(back("sectors"), 0);
    expect_state(4);
    host.open_error = -EINPROGRESS;
    xenstored_put(&x, BACK "/params", "aio:/cd4.iso");
    xenstored_settle(&x);
    submit(0, front_transfer(BLKIF_READ, 4, 0, 0, 1));
    assert_int_equal(answer(0, 4), -100);
    host.open_error = 0;
    blkback_granted(blkback, 51712);
    xenstored_settle(&x);
    assert_int_equal(answer(0, 4), BLKIF_OKAY);
    assert_int_equal(back("sectors"), 8);
}

static void closed_while_the_medium_changes(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    submit(0, front_transfer(BLKIF_READ, 1, 0, 0, 1));
    test_disk_init(&host.second, f.disk.bytes, 4096);
    host.changed = true;
    xenstored_put(&x, BACK "/params", "aio:/cd2.iso");
    put("state", "5");
    expect_state(5);
    put("state", "6");
    expect_state(5);
    assert_int_equal(host.opened, 1);
    f.disk.hold = false;
    assert_true(ends());
    expect_state(6);
    assert_int_equal(host.opened, 2);
    put("state", "1");
    expect_state(2);
    host.open_error = -EINPROGRESS;
    xenstored_put(&x, BACK "/params", "aio:/cd3.iso");
    guest_connects();
    expect_state(2); /* it would read errors */
    host.open_error = 0;
    blkback_granted(blkback, 51712);
    expect_state(4);
    assert_int_equal(back("sectors"), 8);
    host.open_error = -EINPROGRESS; /* and if it comes only after a close */
    xenstored_put(&x, BACK "/params", "aio:/cd4.iso");
    guest_closes();
    host.open_error = 0;
    host.changed = false;
    blkback_granted(blkback, 51712);
    put("state", "1");
    expect_state(2);
    guest_connects();
    expect_state(4);
    assert_int_equal(back("sectors"), FRONT_SECTORS);
}

/* Another medium is another one's twin: it has to be asked for, too. */
static void another_medium_is_claimed(void **state)
{
    (void)state;
    connected();
    host.claim_error = -EINPROGRESS;
    xenstored_put(&x, BACK "/params", "aio:/other.img");
    xenstored_settle(&x);
    assert_int_equal(host.releases, 1);
    submit(0, front_transfer(BLKIF_WRITE, 1, 0, 0, 1));
    assert_int_equal(answer(0, 1), -100);
    assert_int_equal(host.opened, 2);
    for (unsigned i = 0; i < 3; i++) /* the guest cannot hurry it */
        pv_sim_signal(f.sim, FRONT_PORT), xenstored_settle(&x);
    assert_int_equal(host.opened, 2);
    host.claim_error = 0;
    blkback_granted(blkback, 51712);
    xenstored_settle(&x);
    assert_int_equal(answer(0, 1), BLKIF_OKAY);
    assert_int_equal(host.claims, 2);
    host.claim_error = -EINPROGRESS;
    xenstored_put(&x, BACK "/params", "aio:/disk.img");
    xenstored_settle(&x);
    guest_closes();
    assert_int_equal(host.releases, 3); /* what was asked for, too */
    host.claim_error = 0;
    put("state", "1");
    expect_state(2);
    guest_connects();
    expect_state(4);
    assert_int_equal(host.claims, 3);
}

/* ---- removal -------------------------------------------------------------------------------- */

/* The front end closes with requests in flight: these come to their end first. */
static void closes_in_flight(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    for (unsigned i = 0; i < 8; i++)
        submit(0, front_transfer(BLKIF_READ, i, 100 * i, i, 1));
    assert_int_equal(f.disk.held_now, 8);
    put("state", "5");
    expect_state(5);
    put("state", "6");
    expect_state(5);
    while (f.disk.held_now > 1) {
        test_disk_end(&f.disk, 0);
        expect_state(5);
    }
    assert_int_equal(host.releases, 0);
    test_disk_end(&f.disk, 0);
    xenstored_settle(&x);
    assert_int_equal(f.disk.held_now, 1); /* the flush */
    expect_state(5);
    test_disk_end(&f.disk, 0);
    expect_state(6);
    assert_int_equal(held(), 0);
    assert_int_equal(host.releases, 1);
}

/* block-detach of a disk that is mounted: it is served until the front end closes. */
static void removed_while_in_use(void **state)
{
    struct front_request r;

    (void)state;
    connected();
    xenstored_put(&x, BACK "/online", "0");
    xenstored_put(&x, BACK "/state", "5");
    expect_state(5);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
    process_dies();
    r = front_transfer(BLKIF_READ, 2, 0, 0, 1);
    front_put(&f, 0, &r);
    front_push(&f, 0);
    successor_starts();
    xenstored_settle(&x);
    assert_int_equal(answer(0, 2), BLKIF_OKAY);
    expect_state(5);
    put("state", "5");
    put("state", "6");
    expect_state(6);
    assert_int_equal(held(), 0);
    xenstored_erase(&x, BACK);
    xenstored_settle(&x);
}

/* By force: nobody waits for what is in flight. That keeps its pages until it ends, and so long the
 * same disk cannot come back. */
static void forced(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        unsigned opened = host.opened + 1;

        connected();
        f.disk.hold = true;
        for (unsigned k = 0; k < 8; k++)
            submit(0, front_transfer(k & 1, k, 100 * k, k, 3));
        assert_int_equal(f.disk.held_now, 8);
        if (i & 1)
            xenstored_put(&x, BACK "/online", "0"), xenstored_put(&x, BACK "/state", "6");
        xenstored_erase(&x, BACK);
        xenstored_erase(&x, FRONT);
        xenstored_settle(&x);
        assert_int_equal(f.disk.held_now, 8);
        create();
        expect_state(1);
        assert_true(ends());
        assert_int_equal(host.releases, i);
        assert_int_equal(f.disk.held_now, 1); /* the flush */
        assert_int_equal(host.opened, opened);
        f.disk.hold = false;
        assert_true(ends());
        expect_state(2);
        assert_int_equal(held(), 0);
        assert_int_equal(host.releases, i + 1);
        assert_int_equal(host.opened, opened + 1);
        xenstored_erase(&x, BACK);
        xenstored_erase(&x, FRONT);
        xenstored_settle(&x);
    }
}

/* By force, but the device stays: the next connection comes when the one before has ended. */
static void closed_by_force(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    submit(0, front_transfer(BLKIF_WRITE, 1, 0, 0, 1));
    xenstored_put(&x, BACK "/state", "6");
    expect_state(6);
    put("state", "1");
    expect_state(2);
    name_rings();
    put("state", "3");
    expect_state(2);
    f.disk.hold = false;
    assert_true(ends());
    expect_state(4);
    assert_int_equal(host.opened, 1);
    assert_int_equal(host.releases, 1);
    assert_int_equal(host.claims, 2);
}

/* And it may hand over meanwhile. */
static void paused_while_it_closes(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    submit(0, front_transfer(BLKIF_WRITE, 1, 0, 0, 1));
    xenstored_erase(&x, BACK);
    xenstored_settle(&x);
    assert_int_equal(f.disk.held_now, 1);
    blkback_pause(blkback);
    assert_int_equal(f.disk.held_now, 0);
    assert_int_equal(f.disk.flushed, 1);
    assert_int_equal(held(), 0);
    assert_int_equal(host.releases, 1);
    f.disk.hold = false;
    blkback_resume(blkback);
    create();
    expect_state(2);
}

/* What is published at the moment of a removal makes no device of its own. */
static void publishes_while_it_is_removed(void **state)
{
    (void)state;
    connected();
    f.disk.hold = true;
    submit(0, front_transfer(BLKIF_READ, 1, 0, 0, 1));
    xenstored_put(&x, BACK "/params", "aio:/cd2.iso");
    xenstored_settle(&x);
    test_disk_end_all(&f.disk); /* the medium is changed when the loop is there again */
    xenstored_erase(&x, BACK);
    xenstored_settle(&x);
    f.disk.hold = false;
    assert_true(ends());
    assert_int_equal(held(), 0);
    assert_int_equal(back("sectors"), UINT32_MAX);
    /* And if it was just too late for that. */
    connected();
    xenstored_erase(&x, BACK);
    xenstored_put(&x, BACK "/sectors", "5");
    xenstored_settle(&x);
    assert_int_equal(held(), 0);
    assert_int_equal(host.releases, 2);
    create();
    expect_state(2);
}

/* ---- successors ----------------------------------------------------------------------------- */

static void successor_goes_on(void **state)
{
    (void)state;
    connected();
    for (unsigned i = 0; i < 200; i++) {
        unsigned queue = i % f.setup.queues;

        front_page(&f, i % 8)[7] = (uint8_t)i;
        f.disk.hold = true;
        submit(queue, front_transfer(BLKIF_WRITE, i, 8 * i, i % 8, 1));
        assert_int_equal(f.disk.held_now, 1);
        process_dies();
        f.disk.hold = false;
        successor_starts();
        xenstored_settle(&x);
        assert_int_equal(answer(queue, i), BLKIF_OKAY);
        assert_int_equal(f.disk.bytes[8 * 512 * i + 7], (uint8_t)i);
        assert_int_equal(answer(queue, i), -100);
        expect_state(4);
    }
    put("state", "5");
    put("state", "6");
    expect_state(6);
    assert_int_equal(held(), 0);
}

static void paused_and_resumed(void **state)
{
    (void)state;
    connected();
    for (unsigned i = 0; i < 5; i++) {
        f.disk.hold = i & 1;
        submit(0, front_transfer(BLKIF_READ, i, 0, 0, 1));
        blkback_pause(blkback);
        assert_int_equal(held(), 0);
        assert_int_equal(f.disk.held_now, 0);
        blkback_resume(blkback);
        expect_state(4);
        assert_int_equal(answer(0, i), BLKIF_OKAY);
        assert_int_equal(host.releases, 0);
    }
}

static unsigned writes_of_successor(void)
{
    uint64_t before = events;

    successor_starts();
    expect_state(4);
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
    return (unsigned)(events - before) - 1; /* the answer */
}

/* The guest hears of another size or medium, though nobody was there to say so, or its death came
 * between `sectors` and `state`; and of nothing else. */
static void changes_while_nobody_is_there(void **state)
{
    char half[16];

    (void)state;
    connected();
    process_dies();
    assert_int_equal(writes_of_successor(), 0);
    process_dies();
    f.disk.size /= 2;
    assert_int_equal(writes_of_successor(), 2);
    assert_int_equal(back("sectors"), FRONT_SECTORS / 2);
    process_dies();
    assert_int_equal(writes_of_successor(), 0);
    f.disk.size /= 2;
    snprintf(half, sizeof half, "%d", FRONT_SECTORS / 4);
    process_dies();
    xenstored_put(&x, BACK "/sectors", half);
    assert_int_equal(writes_of_successor(), 1);
    process_dies();
    xenstored_put(&x, BACK "/params", "aio:/cd2.iso");
    assert_int_equal(writes_of_successor(), 1);
    process_dies();
    assert_int_equal(writes_of_successor(), 0);
    blkback_pause(blkback);
    f.disk.size *= 4;
    blkback_resume(blkback);
    expect_state(4);
    assert_int_equal(back("sectors"), FRONT_SECTORS);
}

/* What was removed while nobody was there does not keep its place for ever. */
static void places_of_removed_disks(void **state)
{
    (void)state;
    attached();
    process_dies();
    for (uint32_t i = 0; i < BLKBACK_DISKS; i++)
        ((uint32_t *)host.journal)[i] = 1000 + i; /* owners */
    successor_starts();
    guest_connects();
    expect_state(4);
    process_dies();
    successor_starts();
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
}

/* Without memory that outlives the process a successor cannot go on, and says so. */
static void no_journal(void **state)
{
    (void)state;
    host.no_journal = true;
    connected();
    assert_int_equal(run(0, front_transfer(BLKIF_READ, 1, 0, 0, 1)), BLKIF_OKAY);
    process_dies();
    successor_starts();
    expect_state(5);
    assert_int_equal(held(), 0);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define T_WIDE(t)                                                                                  \
    {                                                                                              \
#t " (32-bit, 4 queues of 4 pages, copied)", t, setup_wide, teardown, NULL                 \
    }

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(handshake),
        T_WIDE(handshake),
        T(read_only_cd),
        T(xsa_71_connects_ten_thousand_times),
        T(every_wrong_order),
        T(wild_keys),
        T(ring_that_cannot_be),
        T(broken_ring_is_flushed),
        T(claim_comes_later),
        T(image_comes_later),
        T(image_cannot_be_opened),
        T(another_size),
        T(another_medium),
        T(closed_while_the_medium_changes),
        T(another_medium_is_claimed),
        T(closes_in_flight),
        T(removed_while_in_use),
        T(forced),
        T(closed_by_force),
        T(paused_while_it_closes),
        T(publishes_while_it_is_removed),
        T(successor_goes_on),
        T_WIDE(successor_goes_on),
        T(paused_and_resumed),
        T(changes_while_nobody_is_there),
        T(places_of_removed_disks),
        T(no_journal),
    };

    return cmocka_run_group_tests_name("blkback_bus", tests, NULL, NULL);
}
