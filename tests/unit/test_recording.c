/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_recording - a guest is recorded, and its recording replayed; what is wrong is named.
 *
 * The guest: PIO and DMA with a disk that is slow or quick, a serial port with input, output and
 * time limits, text on the screen, a CD that is changed, a vCPU that is plugged in, stop and cont.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/display.h"
#include "ioreq/sim.h"
#include "toolstack/record/player.h"
#include "toolstack/record/reader.h"
#include "toolstack/record/recorder.h"

enum {
    SECTOR = 512,
    DISK = 256 * SECTOR,
    ARENA = 1 << 20,
    VRAM = 1 << 20,
    CMD = 0x1f0,
    CMD_CD = 0x170,
    BMIDE = 0xc000,
    COM1 = 0x3f8,
    PRD = 0x10000,
    DATA = 0x20000,
    BUFFER = 0x40000,
};

/* --- A host: a disk that answers when it is told to, and a cable. */

struct image {
    struct block block;
    uint8_t bytes[DISK];
    struct block_req *waiting;
    bool slow;
};

static int execute(struct image *d, const struct block_req *r)
{
    uint64_t at = r->offset;

    for (int i = 0; i < r->niov; at += r->iov[i++].iov_len)
        if (r->op == BLOCK_READ)
            memcpy(r->iov[i].iov_base, d->bytes + at, r->iov[i].iov_len);
        else if (r->op == BLOCK_WRITE)
            memcpy(d->bytes + at, r->iov[i].iov_base, r->iov[i].iov_len);
    return 0;
}

static bool submit(struct block *b, struct block_req *r)
{
    struct image *d = (struct image *)(void *)b;

    if (d->slow) {
        assert_null(d->waiting);
        d->waiting = r;
        return false;
    }
    r->result = execute(d, r);
    return true;
}

static void finish(struct image *d)
{
    struct block_req *r = d->waiting;

    d->waiting = NULL;
    if (r)
        r->done(r, r->result = execute(d, r));
}

static void drain(struct block *b)
{
    finish((struct image *)(void *)b);
}

static void close_nothing(struct block *b)
{
    (void)b;
}

static const struct block_ops image_ops = { .submit = submit,
                                            .drain = drain,
                                            .close = close_nothing };

static void image_init(struct image *d, bool read_only, unsigned seed)
{
    memset(d, 0, sizeof *d);
    d->block = (struct block){ .ops = &image_ops, .size = DISK, .read_only = read_only };
    for (unsigned i = 0; i < DISK; i++)
        d->bytes[i] = (uint8_t)(i * 7 + (i >> 9) * seed + seed);
}

struct cable {
    struct chardev chr;
    size_t takes; /* how many bytes of the next write */
};

static size_t cable_write(struct chardev *c, const uint8_t *bytes, size_t n)
{
    struct cable *k = (struct cable *)(void *)c;

    (void)bytes;
    return n < k->takes ? n : k->takes;
}

static void cable_close(struct chardev *c)
{
    (void)c;
}

static const struct chardev_ops cable_ops = { .write = cable_write, .close = cable_close };

/* --- The world. */

struct world {
    char dir[64], path[96];
    struct hv *hv;
    struct arena arena;
    struct machine *m;
    struct pc_host pc;
    struct display display;
    struct image disk, cd, other;
    struct cable cable;
    uint8_t rom[1024];
    struct recorder *recorder;
};

static void open_recorder(struct world *w, uint64_t limit, bool nodata)
{
    const struct recorder_options o = {
        .path = w->path, .limit = limit, .nodata = nodata, .fd = -1
    };
    struct error e = { "" };

    if (recorder_open(&o, &w->recorder, &e) < 0)
        fail_msg("%s", e.text);
}

static void build(struct world *w, uint64_t limit, bool nodata)
{
    const struct sim_options options = { .ram_size = 4 << 20 };
    struct request_sink sink;
    struct error e = { "" };
    struct tap *t;

    w->hv = hv_sim_new(&options);
    assert_non_null(w->hv);
    sim_clock_set(w->hv, 1000000);
    assert_int_equal(arena_create(&w->arena, ARENA, &e), 0);
    image_init(&w->disk, false, 1);
    image_init(&w->cd, true, 2);
    image_init(&w->other, true, 3);
    w->cable = (struct cable){ { .ops = &cable_ops, .keep = -1 }, SIZE_MAX };
    open_recorder(w, limit, nodata);
    t = recorder_tap(w->recorder);
    for (unsigned i = 0; i < sizeof w->rom; i++)
        w->rom[i] = (uint8_t)(i * 3);
    w->pc = (struct pc_host){ .disk = { tap_disk(t, 0, &w->disk.block), NULL,
                                        tap_disk(t, 2, &w->cd.block) },
                              .cdrom = { [2] = true },
                              .serial = { tap_serial(t, 0, &w->cable.chr) },
                              .have_serial = { true },
                              .display = &w->display,
                              .vga_rom = w->rom,
                              .vga_rom_size = sizeof w->rom,
                              .vram_bytes = VRAM,
                              .vram_gfn = pc_vram_gfn(4 << 20, 0),
                              .xen_platform = true,
                              .boot = "cd",
                              .vcpus = 1 };
    assert_int_equal(w->hv->ops->populate(w->hv, w->pc.vram_gfn, VRAM / HV_PAGE_SIZE), 0);
    if (machine_new(tap_hv(t, w->hv), &w->arena, &w->m, &e) < 0 || pc_build(w->m, &w->pc, &e) < 0)
        fail_msg("%s", e.text);
    tap_machine(t, w->m, NULL, NULL);
    machine_sink(w->m, &sink);
    tap_sink(t, &sink);
    sim_set_sink(w->hv, &sink);
    machine_set_running(w->m, true);
    recorder_start(w->recorder, &w->pc);
}

static void end(struct world *w)
{
    machine_drain(w->m);
    recorder_finish(w->recorder);
    machine_free(w->m);
    for (unsigned i = 0; i < PC_DISKS; i++)
        block_close(w->pc.disk[i]);
    chardev_close(w->pc.serial[0]);
    recorder_free(w->recorder);
    arena_destroy(&w->arena);
    w->hv->ops->destroy(w->hv);
    w->hv = NULL;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    strcpy(w->dir, "/tmp/hvmdm-recording-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/r", w->dir);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    unlink(w->path);
    rmdir(w->dir);
    free(w);
    return 0;
}

/* --- The guest. */

static void command(struct world *w, uint16_t base, uint8_t cmd, unsigned lba, unsigned count)
{
    sim_out(w->hv, base + 6, 1, 0xe0);
    sim_out(w->hv, base + 2, 1, count);
    sim_out(w->hv, base + 3, 1, lba & 0xff);
    sim_out(w->hv, base + 4, 1, lba >> 8);
    sim_out(w->hv, base + 5, 1, 0);
    sim_out(w->hv, base + 7, 1, cmd);
}

static void ins(struct world *w, uint16_t port, uint64_t to, unsigned words)
{
    struct request r = { .type = REQ_PIO,
                         .addr = port,
                         .data = to,
                         .size = 2,
                         .count = words,
                         .read = true,
                         .data_is_ptr = true };

    assert_int_equal(sim_request(w->hv, &r), 0);
}

static void outs(struct world *w, uint16_t port, uint64_t from, unsigned words)
{
    struct request r = {
        .type = REQ_PIO, .addr = port, .data = from, .size = 2, .count = words, .data_is_ptr = true
    };

    assert_int_equal(sim_request(w->hv, &r), 0);
}

static void pio(struct world *w)
{
    command(w, CMD, 0xec, 0, 0); /* IDENTIFY */
    finish(&w->disk);
    ins(w, CMD, BUFFER, 256);
    command(w, CMD, 0x20, 3, 2); /* READ SECTORS */
    finish(&w->disk);
    ins(w, CMD, BUFFER, 256);
    finish(&w->disk);
    for (unsigned i = 0; i < 256; i++)
        sim_in(w->hv, CMD, 2);
    sim_in(w->hv, CMD + 7, 1);
    command(w, CMD, 0x30, 9, 2); /* WRITE SECTORS */
    outs(w, CMD, BUFFER, 256);
    finish(&w->disk);
    for (unsigned i = 0; i < 256; i++)
        sim_out(w->hv, CMD, 2, i * 0x101);
    finish(&w->disk);
    sim_in(w->hv, CMD + 7, 1);
}

/* Regions of `piece` bytes; an odd number of sectors' worth goes through the channel's buffer. */
static void dma(struct world *w, uint8_t cmd, unsigned lba, unsigned sectors, unsigned piece)
{
    uint64_t prd = PRD;

    for (unsigned left = sectors * SECTOR, at = DATA; left; prd += 8) {
        unsigned n = left < piece ? left : piece;
        uint32_t entry[2] = { at, n | (n == left ? 0x80000000u : 0) };

        sim_ram_write(w->hv, prd, entry, sizeof entry);
        at += n + 64;
        left -= n;
    }
    sim_out(w->hv, BMIDE + 4, 4, PRD);
    sim_out(w->hv, BMIDE + 2, 1, 0x06);
    command(w, CMD, cmd, lba, sectors);
    sim_out(w->hv, BMIDE, 1, cmd == 0xc8 ? 9 : 1);
    for (unsigned i = 0; i < 32 && (w->disk.waiting || i == 0); i++) {
        sim_in(w->hv, BMIDE + 2, 1);
        finish(&w->disk);
    }
    sim_in(w->hv, BMIDE + 2, 1);
    sim_out(w->hv, BMIDE, 1, 0);
    sim_in(w->hv, CMD + 7, 1);
}

static void expire(struct world *w, uint64_t ns)
{
    sim_clock_step(w->hv, ns);
    tap_expired(recorder_tap(w->recorder), w->m);
}

static void receive(struct world *w, const char *text)
{
    const struct chardev_user *u = w->cable.chr.user;

    for (size_t n = strlen(text), done = 0, room; done < n; done += room) {
        room = u->room(u->opaque);
        if (!room)
            return;
        room = room < n - done ? room : n - done;
        u->receive(u->opaque, (const uint8_t *)text + done, room);
    }
}

static void serial(struct world *w)
{
    sim_out(w->hv, COM1 + 2, 1, 0xc7); /* FIFOs, trigger at 14 */
    sim_out(w->hv, COM1 + 4, 1, 0x0b);
    sim_out(w->hv, COM1 + 1, 1, 0x03);
    for (const char *c = "login: "; *c; c++)
        sim_out(w->hv, COM1, 1, (uint8_t)*c);
    receive(w, "root");
    expire(w, 100000000); /* the receive time limit */
    sim_in(w->hv, COM1 + 2, 1);
    while (sim_in(w->hv, COM1 + 5, 1) & 1)
        sim_in(w->hv, COM1, 1);
    receive(w, "more than there is room for in the FIFO");
    while (sim_in(w->hv, COM1 + 5, 1) & 1)
        sim_in(w->hv, COM1, 1);
    w->cable.takes = 0; /* the host is full */
    sim_out(w->hv, COM1, 1, 'a');
    sim_out(w->hv, COM1, 1, 'b');
    sim_in(w->hv, COM1 + 5, 1);
    w->cable.takes = SIZE_MAX;
    w->cable.chr.user->writable(w->cable.chr.user->opaque);
    sim_in(w->hv, COM1 + 5, 1);
}

static void screen(struct world *w)
{
    struct request text = {
        .type = REQ_COPY, .addr = 0xb8000, .data = 0x0741, .size = 2, .count = 80
    };
    struct request lines = { .type = REQ_COPY,
                             .addr = 0xb8000,
                             .data = BUFFER,
                             .size = 4,
                             .count = 40,
                             .data_is_ptr = true };
    struct request slow = {
        .type = REQ_COPY, .addr = 0xb8010, .data = 0x42, .size = 1, .count = 1
    };

    sim_request(w->hv, &text);
    sim_request(w->hv, &lines);
    sim_buffered(w->hv, &slow);
    sim_mmio_read(w->hv, 0xb8010, 4);
    sim_in(w->hv, 0x3da, 1);
    sim_clock_step(w->hv, 5000000);
    sim_in(w->hv, 0x3da, 1);
    for (unsigned i = 0; i < 0x12; i++) {
        sim_out(w->hv, 0x1ce, 2, i);
        sim_in(w->hv, 0x1cf, 2);
    }
}

static void packet(struct world *w, const uint8_t cdb[12])
{
    sim_out(w->hv, CMD_CD + 6, 1, 0xa0);
    sim_out(w->hv, CMD_CD + 1, 1, 0);
    sim_out(w->hv, CMD_CD + 4, 1, 0);
    sim_out(w->hv, CMD_CD + 5, 1, 8);
    sim_out(w->hv, CMD_CD + 7, 1, 0xa0);
    for (unsigned i = 0; i < 12; i += 2)
        sim_out(w->hv, CMD_CD, 2, cdb[i] | (unsigned)cdb[i + 1] << 8);
    finish(&w->cd);
    finish(&w->other);
    while (sim_in(w->hv, CMD_CD + 7, 1) & 8)
        ins(w, CMD_CD, BUFFER, 1024);
    sim_in(w->hv, CMD_CD + 7, 1);
}

static void medium(struct world *w)
{
    static const uint8_t read10[12] = { 0x28, 0, 0, 0, 0, 4, 0, 0, 1 };
    static const uint8_t ready[12] = { 0 };
    struct tap *t = recorder_tap(w->recorder);
    struct error e = { "" };

    packet(w, ready);
    packet(w, read10);
    assert_int_equal(tap_control(t, w->m, TAP_EJECT, 2, 0, NULL, &e), 0);
    block_close(w->pc.disk[2]);
    w->pc.disk[2] = NULL;
    packet(w, ready);
    w->pc.disk[2] = tap_disk(t, 2, &w->other.block);
    assert_int_equal(tap_control(t, w->m, TAP_INSERT, 2, DISK, w->pc.disk[2], &e), 0);
    packet(w, ready);
    packet(w, ready);
    packet(w, read10);
}

static void host(struct world *w)
{
    struct tap *t = recorder_tap(w->recorder);
    struct error e = { "" };

    assert_int_equal(tap_control(t, w->m, TAP_PLUG_CPU, 1, 0, NULL, &e), 0);
    sim_in(w->hv, 0xaf00, 1);
    sim_in(w->hv, 0xafe0, 1);
    assert_int_equal(tap_control(t, w->m, TAP_RUN, 0, 0, NULL, &e), 0);
    sim_clock_step(w->hv, 50000000);
    assert_int_equal(tap_control(t, w->m, TAP_RUN, 1, 0, NULL, &e), 0);
    sim_in(w->hv, 0xb008, 4);
    sim_invalidate(w->hv);
}

static void everything(struct world *w)
{
    const unsigned ide = 1 << 3 | 1;

    sim_pci_write(w->hv, ide, 0x20, 4, BMIDE);
    sim_pci_write(w->hv, ide, 4, 2, 5);
    assert_int_equal(sim_pci_read(w->hv, ide, 0, 4), 0x70108086);
    for (unsigned slow = 0; slow < 2; slow++) {
        w->disk.slow = w->cd.slow = slow;
        pio(w);
        dma(w, 0xc8, 5, 16, 4096);
        dma(w, 0xc8, 5, 3, 500);
        dma(w, 0xca, 20, 16, 4096);
        dma(w, 0xca, 20, 3, 500);
        command(w, CMD, 0xe7, 0, 0); /* FLUSH CACHE */
        finish(&w->disk);
        serial(w);
        screen(w);
    }
    medium(w);
    host(w);
}

static struct player_result replay(const struct world *w)
{
    struct player_result r;

    player_run(w->path, &r);
    return r;
}

static void same(const struct world *w)
{
    struct player_result r = replay(w);

    if (r.outcome != PLAYER_SAME)
        fail_msg("%s", r.text);
}

static void a_session_replays(void **state)
{
    struct world *w = *state;
    struct player_result r;

    build(w, 0, false);
    everything(w);
    end(w);
    same(w);
    r = replay(w);
    assert_int_equal(r.segments, 2); /* the second is the state at the end, compared */
    assert_int_equal(r.unseen, 0);
    assert_true(r.requests > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_replays, setup, teardown),
    };

    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
