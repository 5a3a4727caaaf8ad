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
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "display/display.h"
#include "hw/input/ps2.h"
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
    TEXT = 0x50000, /* 160 bytes, which are nobody's secret */
    RAM = 4 << 20,
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

static void open_recorder(struct world *w, uint64_t limit, bool nodata, int fd)
{
    const struct recorder_options o = {
        .path = w->path, .limit = limit, .nodata = nodata, .fd = fd
    };
    struct error e = { "" };

    if (recorder_open(&o, &w->recorder, &e) < 0)
        fail_msg("%s", e.text);
}

/* On the arena that is there, if it has been adopted. */
static void build_machine(struct world *w)
{
    struct tap *t = recorder_tap(w->recorder);
    struct request_sink sink;
    struct error e = { "" };

    w->cable = (struct cable){ { .ops = &cable_ops, .keep = -1 }, SIZE_MAX };
    w->pc = (struct pc_host){ .disk = { tap_disk(t, 0, &w->disk.block), NULL,
                                        tap_disk(t, 2, &w->cd.block) },
                              .cdrom = { [2] = true },
                              .serial = { tap_serial(t, 0, &w->cable.chr) },
                              .have_serial = { true },
                              .display = &w->display,
                              .vga_rom = w->rom,
                              .vga_rom_size = sizeof w->rom,
                              .vram_bytes = VRAM,
                              .vram_gfn = pc_vram_gfn(RAM, 0),
                              .xen_platform = true,
                              .boot = "cd",
                              .vcpus = 1 };
    if (machine_new(tap_hv(t, w->hv), &w->arena, &w->m, &e) < 0 || pc_build(w->m, &w->pc, &e) < 0 ||
        (w->arena.adopted && machine_adopted(w->m, false, &e) < 0))
        fail_msg("%s", e.text);
    tap_machine(t, w->m, NULL, NULL);
    machine_sink(w->m, &sink);
    tap_sink(t, &sink);
    sim_set_sink(w->hv, &sink);
    machine_set_running(w->m, true);
    recorder_start(w->recorder, &w->pc);
}

static void build(struct world *w, uint64_t limit, bool nodata)
{
    const struct sim_options options = { .ram_size = RAM };
    struct error e = { "" };
    char text[160];

    w->hv = hv_sim_new(&options);
    assert_non_null(w->hv);
    sim_clock_set(w->hv, 1000000);
    assert_int_equal(w->hv->ops->populate(w->hv, pc_vram_gfn(RAM, 0), VRAM / HV_PAGE_SIZE), 0);
    memset(text, 'x', sizeof text);
    sim_ram_write(w->hv, TEXT, text, sizeof text);
    assert_int_equal(arena_create(&w->arena, ARENA, &e), 0);
    image_init(&w->disk, false, 1);
    image_init(&w->cd, true, 2);
    image_init(&w->other, true, 3);
    for (unsigned i = 0; i < sizeof w->rom; i++)
        w->rom[i] = (uint8_t)(i * 3);
    open_recorder(w, limit, nodata, -1);
    build_machine(w);
}

static void take_down(struct world *w)
{
    machine_free(w->m);
    for (unsigned i = 0; i < PC_DISKS; i++)
        block_close(w->pc.disk[i]);
    chardev_close(w->pc.serial[0]);
    recorder_free(w->recorder);
}

static void end(struct world *w)
{
    machine_drain(w->m);
    recorder_finish(w->recorder);
    take_down(w);
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

/* Regions of `piece` bytes; very small ones go through the channel's buffer. */
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
    struct request lines = {
        .type = REQ_COPY, .addr = 0xb8000, .data = TEXT, .size = 4, .count = 40, .data_is_ptr = true
    };
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
        dma(w, 0xc8, 5, 3, 10);
        dma(w, 0xca, 20, 16, 4096);
        dma(w, 0xca, 20, 3, 10);
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

/* --- The file, as the test looks at it. */

static size_t load_file(const struct world *w, uint8_t **bytes)
{
    int fd = open(w->path, O_RDONLY);
    struct stat st;

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    *bytes = malloc((size_t)st.st_size);
    assert_int_equal(read(fd, *bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    return (size_t)st.st_size;
}

static void store_file(const struct world *w, const uint8_t *bytes, size_t n)
{
    int fd = open(w->path, O_WRONLY | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

/* Where the last byte of the `out` values of the first record is that `wanted` likes, in the first
 * segment; `before` is the entry that it belongs to. 0: there is none. */
static size_t find(const uint8_t *bytes,
                   bool (*wanted)(const struct tap_record *r, const struct tap_record *before))
{
    const struct recording_segment *s = (const void *)(bytes + RECORDING_PAGE);
    const uint8_t *at = (const uint8_t *)s + sizeof *s + s->used + s->rom, *end;
    struct tap_record r, entry = { .type = TAP_NONE };
    uint64_t len;

    for (;; at++) {
        if (!tap_read_varint(&at, at + 10, &len) || !len)
            return 0;
        for (end = at + len; at < end;) {
            const uint8_t *start = at;
            uint8_t again[256];

            assert_int_equal(tap_decode(&at, end, &r), 0);
            if (wanted(&r, &entry)) {
                struct tap_record outs = r;

                memset(outs.in, 0, sizeof outs.in);
                outs.bytes = NULL;
                return (size_t)(start - bytes) + tap_encode(again, &outs) - tap_shapes[r.type].ins -
                       tap_shapes[r.type].bytes - 1;
            }
            if (r.type >= TAP_REQUEST && r.type <= TAP_CONTROL)
                entry = r;
        }
    }
}

/* Replay with that byte's lowest bit turned around: the difference, in which these words are. */
static void flip(const struct world *w,
                 bool (*wanted)(const struct tap_record *r, const struct tap_record *before),
                 const char *const words[])
{
    struct player_result r;
    uint8_t *bytes;
    size_t n = load_file(w, &bytes), at = find(bytes, wanted);

    if (!at)
        fail_msg("no record for \"%s\"", words[0]);
    bytes[at] ^= 1;
    store_file(w, bytes, n);
    r = replay(w);
    assert_int_equal(r.outcome, PLAYER_DIFFERENT);
    for (unsigned i = 0; words[i]; i++)
        if (!strstr(r.text, words[i]))
            fail_msg("no \"%s\" in:\n%s", words[i], r.text);
    bytes[at] ^= 1;
    store_file(w, bytes, n);
    free(bytes);
}

static bool is_lsr(const struct tap_record *r, const struct tap_record *before)
{
    return r->type == TAP_END && before->type == TAP_REQUEST && before->in[1] == COM1 + 5;
}

static bool is_config(const struct tap_record *r, const struct tap_record *before)
{
    return r->type == TAP_END && before->type == TAP_REQUEST && (before->in[0] & 0x1f) == 0x12;
}

static bool is_line(const struct tap_record *r, const struct tap_record *before)
{
    (void)before;
    return r->type == TAP_ISA_IRQ && r->out[0] == 14;
}

static bool is_write(const struct tap_record *r, const struct tap_record *before)
{
    (void)before;
    return r->type == TAP_WRITE && r->out[1] == 10;
}

static bool is_map(const struct tap_record *r, const struct tap_record *before)
{
    (void)before;
    return r->type == TAP_MAP;
}

static bool is_stored(const struct tap_record *r, const struct tap_record *before)
{
    (void)before;
    return r->type == TAP_SUBMIT && r->out[1] == BLOCK_WRITE && r->out[4] != 0;
}

static bool is_put(const struct tap_record *r, const struct tap_record *before)
{
    (void)before;
    return r->type == TAP_PUT;
}

static void a_difference_is_named(void **state)
{
    struct world *w = *state;

    build(w, 0, false);
    everything(w);
    end(w);
    flip(w, is_lsr,
         (const char *[]){ "uart16550 uart.LSR", "port read 0x3fd", "recorded: answer",
                           "replayed: answer", NULL });
    flip(w, is_config,
         (const char *[]){ "piix3_ide config.VENDOR_ID", "PCI configuration read", NULL });
    flip(w, is_line, (const char *[]){ "ISA interrupt 0xe 0x0", "ISA interrupt 0xe 0x1", NULL });
    flip(w, is_write,
         (const char *[]){ "write to guest memory", "inside device: piix3_ide", NULL });
    flip(w, is_map, (const char *[]){ "DMA to or from guest memory", NULL });
    flip(w, is_stored, (const char *[]){ "disk request 0x0 0x1", NULL });
    flip(w, is_put, (const char *[]){ "characters sent", "uart16550 uart.RBR_THR_DLL", NULL });
    same(w);
}

static void so_is_a_difference_of_state(void **state)
{
    struct world *w = *state;
    const struct recording_segment *s = NULL;
    struct arena_header *h;
    struct player_result r;
    uint8_t *bytes;
    size_t n;

    build(w, 0, false);
    everything(w);
    end(w);
    n = load_file(w, &bytes);
    for (size_t at = 2 * RECORDING_PAGE; at + sizeof *s < n; at += RECORDING_PAGE)
        if (!memcmp(bytes + at, RECORDING_SEGMENT, 8))
            s = (const void *)(bytes + at);
    assert_non_null(s);
    h = (struct arena_header *)(uintptr_t)(s + 1);
    for (uint32_t i = 0; i < h->nrecords; i++)
        if (!strcmp(h->record[i].name, "cmos"))
            ((uint8_t *)h)[h->record[i].state + 5] ^= 4;
    store_file(w, bytes, n);
    free(bytes);
    r = replay(w);
    assert_int_equal(r.outcome, PLAYER_DIFFERENT);
    assert_non_null(strstr(r.text, "cmos 0, field "));
}

/* --- Without the contents of disks. */

static bool holds(const uint8_t *bytes, size_t n, const struct image *d)
{
    for (unsigned at = 0; at < DISK; at += SECTOR)
        if (memmem(bytes, n, d->bytes + at, 16))
            return true;
    return false;
}

static void disks_can_be_left_out(void **state)
{
    struct world *w = *state;
    struct player_result r;
    uint8_t *bytes;
    size_t n;

    build(w, 0, false);
    everything(w);
    end(w);
    n = load_file(w, &bytes);
    assert_true(holds(bytes, n, &w->disk)); /* so there is something to leave out */
    free(bytes);
    build(w, 0, true);
    everything(w);
    end(w);
    n = load_file(w, &bytes);
    assert_false(holds(bytes, n, &w->disk));
    assert_false(holds(bytes, n, &w->cd));
    assert_false(holds(bytes, n, &w->other));
    free(bytes);
    same(w);
    r = replay(w);
    assert_true(r.nodata);
    flip(w, is_lsr, (const char *[]){ "uart16550 uart.LSR", NULL });
}

/* --- A ring, a successor, and what was not seen. */

static void a_bounded_recording_keeps_the_end(void **state)
{
    struct world *w = *state;
    struct player_result r;
    struct stat st;

    build(w, RECORDER_LIMIT_MIN, false);
    for (unsigned i = 0; i < 1200; i++) {
        w->disk.slow = i & 1;
        pio(w);
        dma(w, 0xc8, 5, 16, 4096);
        serial(w);
        if (i % 7 == 0) /* never a moment without a request in flight for long */
            w->disk.slow = true, command(w, CMD, 0x20, i % 50, 1);
    }
    end(w);
    assert_int_equal(stat(w->path, &st), 0);
    assert_true((uint64_t)st.st_size <= RECORDER_LIMIT_MIN);
    same(w);
    r = replay(w);
    assert_int_equal(r.unseen, 0);
    assert_true(r.segments == RECORDING_AREAS);
}

static void a_successor_goes_on(void **state)
{
    struct world *w = *state;
    struct player_result r;
    struct error e = { "" };
    int fd, arena;

    build(w, 0, false);
    pio(w);
    serial(w);
    w->disk.slow = true; /* it dies with a request in flight */
    command(w, CMD, 0x20, 7, 1);
    fd = dup(recorder_fd(w->recorder));
    arena = dup(w->arena.fd);
    w->disk.waiting = NULL;
    w->disk.slow = false;
    recorder_tap(w->recorder)->on = false;
    take_down(w);
    arena_destroy(&w->arena);
    sim_new_process(w->hv);
    assert_int_equal(arena_adopt(&w->arena, arena, &e), 0);
    open_recorder(w, 0, false, fd);
    build_machine(w);
    expire(w, 10);
    ins(w, CMD, BUFFER, 256);
    dma(w, 0xc8, 5, 3, 10);
    serial(w);
    end(w);
    same(w);
    r = replay(w);
    assert_int_equal(r.segments, 3);
    assert_int_equal(r.unseen, 1);
}

/* Not in the state: that the host owes a call. */
static void a_stalled_stream_stays_stalled(void **state)
{
    struct world *w = *state;
    struct player_result r;

    build(w, 0, false);
    serial(w);
    receive(w, "more than there is room for in the FIFO");
    w->cable.takes = 0;
    sim_out(w->hv, COM1, 1, 'a');
    sim_out(w->hv, COM1, 1, 'b');
    recorder_start(w->recorder, &w->pc);
    sim_in(w->hv, COM1 + 5, 1);
    sim_in(w->hv, COM1, 1);
    w->cable.takes = SIZE_MAX;
    w->cable.chr.user->writable(w->cable.chr.user->opaque);
    sim_in(w->hv, COM1 + 5, 1);
    end(w);
    same(w);
    r = replay(w);
    assert_int_equal(r.segments, 3);
}

static void what_is_not_seen_begins_a_segment(void **state)
{
    struct world *w = *state;
    struct player_result r;

    build(w, 0, false);
    serial(w);
    w->disk.slow = true;
    command(w, CMD, 0x20, 7, 1); /* a snapshot waits for this one */
    i8042_key(machine_find(w->m, "i8042", 0), 30, true);
    sim_in(w->hv, 0x64, 1);
    sim_in(w->hv, 0x60, 1);
    ins(w, CMD, BUFFER, 256);
    end(w);
    same(w);
    r = replay(w);
    assert_int_equal(r.unseen, 1);
}

/* --- Nothing that is in a file harms. */

static void hostile_files_are_refused(void **state)
{
    struct world *w = *state;
    uint32_t seed = 1;
    uint8_t *bytes;
    size_t n;

    build(w, 0, false);
    everything(w);
    end(w);
    n = load_file(w, &bytes);
    for (unsigned i = 0; i < 60; i++) { /* cut short */
        store_file(w, bytes, i < 20 ? i * 300 : n - 1 - i * 997);
        assert_int_not_equal(replay(w).outcome, PLAYER_DIFFERENT);
    }
    for (unsigned i = 0; i < 400; i++) {
        size_t at[4];
        uint8_t was[4];

        for (unsigned k = 0; k < ARRAY_SIZE(at); k++) {
            seed = seed * 1664525 + 1013904223;
            at[k] = (seed >> 8) % (i & 1 ? n : 2 * RECORDING_PAGE);
            was[k] = bytes[at[k]];
            bytes[at[k]] ^= (uint8_t)(1u << (seed >> 29));
        }
        store_file(w, bytes, n);
        (void)replay(w);
        for (unsigned k = ARRAY_SIZE(at); k-- > 0;)
            bytes[at[k]] = was[k];
    }
    free(bytes);
}

static void another_layout_is_refused(void **state)
{
    struct world *w = *state;
    struct arena_header *h;
    struct player_result r;
    uint8_t *bytes;
    size_t n;

    build(w, 0, false);
    serial(w);
    end(w);
    n = load_file(w, &bytes);
    h = (void *)(bytes + RECORDING_PAGE + sizeof(struct recording_segment));
    for (uint32_t i = 0; i < h->nrecords; i++)
        if (!strcmp(h->record[i].name, "piix3_ide"))
            h->record[i].version++;
    store_file(w, bytes, n);
    free(bytes);
    r = replay(w);
    assert_int_equal(r.outcome, PLAYER_REFUSED);
    assert_non_null(strstr(r.text, "has no record piix3_ide 0 of this layout; it was recorded by"));
}

static void other_files_are_not_touched(void **state)
{
    struct world *w = *state;
    const struct recorder_options o = { .path = w->path, .fd = -1 };
    struct error e = { "" };
    struct player_result r;
    uint8_t *bytes;

    close(open(w->path, O_CREAT | O_WRONLY, 0600));
    store_file(w, (const uint8_t *)"a disk", 6);
    assert_int_equal(recorder_open(&o, &w->recorder, &e), -EEXIST);
    assert_int_equal(load_file(w, &bytes), 6);
    free(bytes);
    r = replay(w);
    assert_int_equal(r.outcome, PLAYER_REFUSED);
    assert_non_null(strstr(r.text, "is no recording"));
}

/* The file cannot grow: the recording ends, the guest does not notice. */
static void a_full_host_ends_it(void **state)
{
    struct world *w = *state;
    struct rlimit old, small = { 60000, 0 };

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    build(w, 0, false);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_set_level(LOG_ERROR);
    everything(w);
    log_set_level(LOG_INFO);
    assert_false(recorder_tap(w->recorder)->on);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    end(w);
    same(w);
}

static void nothing_is_in_the_way_when_it_is_off(void **state)
{
    struct request_sink sink = { .run = NULL }, before = sink;
    struct hv hv = { NULL };
    struct block block = { 0 };
    struct chardev chr = { 0 };

    (void)state;
    assert_ptr_equal(tap_hv(NULL, &hv), &hv);
    assert_ptr_equal(tap_disk(NULL, 0, &block), &block);
    assert_ptr_equal(tap_serial(NULL, 0, &chr), &chr);
    tap_sink(NULL, &sink);
    assert_memory_equal(&sink, &before, sizeof sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_replays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_difference_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(so_is_a_difference_of_state, setup, teardown),
        cmocka_unit_test_setup_teardown(disks_can_be_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bounded_recording_keeps_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_successor_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stalled_stream_stays_stalled, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_seen_begins_a_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(another_layout_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_are_not_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_host_ends_it, setup, teardown),
        cmocka_unit_test(nothing_is_in_the_way_when_it_is_off),
    };

    return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
