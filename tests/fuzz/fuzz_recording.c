/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_recording - whatever recordings to the replayer: the state of a real machine, and behind it
 * records from the input, in frames as they must be.
 *
 * The first byte says how many bytes of the state's head the input replaces, 0 for most: what is
 * left is records.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "display/display.h"
#include "ioreq/sim.h"
#include "tests/bench.h"
#include "toolstack/record/player.h"
#include "toolstack/record/recorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RAM = 1 << 20, VRAM = 256 << 10, ARENA = 256 << 10, FRAMED = 200, HEAD = 64 };

static struct {
    int fd;
    char path[32];
    size_t size;           /* of the recording up to its first frame */
    uint8_t head[1 << 16]; /* its first bytes, to be put back */
} base;

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* A recording in which nothing has happened yet. */
static void start(void)
{
    static struct display display;
    static const uint8_t rom[512];
    const struct sim_options options = { .ram_size = RAM };
    struct recorder_options o = { .path = "fuzz", .fd = memfd_create("recording", 0) };
    struct recording_header h = { .magic = RECORDING_MAGIC, .version = RECORDING_VERSION };
    struct hv *hv = hv_sim_new(&options);
    struct error e = { "" };
    static struct recorder *r;
    struct arena arena;
    struct machine *m;
    struct tap *t;
    static struct pc_host pc;

    log_set_level(LOG_ERROR);
    base.fd = dup(o.fd);
    snprintf(base.path, sizeof base.path, "/proc/self/fd/%d", base.fd);
    check(hv && write(o.fd, &h, sizeof h) == sizeof h);
    check(arena_create(&arena, ARENA, &e) == 0 && recorder_open(&o, &r, &e) == 0);
    t = recorder_tap(r);
    pc = (struct pc_host){
        .disk = { tap_disk(t, 0, bench_disk_new(1 << 20, false)), NULL,
                  tap_disk(t, 2, bench_disk_new(1 << 20, true)) },
        .cdrom = { [2] = true },
        .have_serial = { true },
        .display = &display,
        .vga_rom = rom,
        .vga_rom_size = sizeof rom,
        .vram_bytes = VRAM,
        .vram_gfn = pc_vram_gfn(RAM, 0),
        .xen_platform = true,
        .xen_pvdevice = true,
        .vcpus = 2,
        .boot = "cd",
    };
    check(machine_new(tap_hv(t, hv), &arena, &m, &e) == 0 && pc_build(m, &pc, &e) == 0);
    tap_machine(t, m, NULL, NULL);
    machine_set_running(m, true);
    recorder_start(r, &pc);
    base.size = (size_t)lseek(base.fd, 0, SEEK_END) - 1;
    check(pread(base.fd, base.head, sizeof base.head, 0) > 0);
    machine_free(m);
    hv->ops->destroy(hv);
    arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct player_result result;
    size_t at, replaced = 0;

    if (!base.size)
        start();
    if (!size)
        return 0;
    if (*data >= 0xf0 && size > HEAD) { /* somewhere in head and state */
        replaced = *data % 16 + 1u;
        at = RECORDING_PAGE + (data[1] | (size_t)data[2] << 8) % (base.size - RECORDING_PAGE - 32);
        check(pwrite(base.fd, data + 3, replaced, (off_t)at) == (ssize_t)replaced);
        data += 3 + replaced;
        size -= 3 + replaced;
    } else {
        data++;
        size--;
    }
    at = base.size;
    check(ftruncate(base.fd, (off_t)at) == 0);
    while (size) {
        uint8_t frame[FRAMED + 4];
        size_t len = size < FRAMED ? size : FRAMED, n = tap_varint(frame, len);

        memcpy(frame + n, data, len);
        frame[n + len] = RECORDING_END_MARK | 1;
        check(pwrite(base.fd, frame, n + len + 1, (off_t)at) == (ssize_t)(n + len + 1));
        at += n + len + 1;
        data += len;
        size -= len;
    }
    player_run(base.path, &result);
    if (result.outcome != PLAYER_SAME && !result.text[0])
        abort();
    if (replaced)
        check(pwrite(base.fd, base.head,
                     base.size < sizeof base.head ? base.size : sizeof base.head, 0) > 0);
    return 0;
}
