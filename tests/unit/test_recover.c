/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device model that dies between any two stores to shared memory, and the successor that goes on.
 *
 * For each event a child executes it instruction by instruction; wherever memory has changed,
 * another child is stopped there for good, and a successor takes over what it left. State, answer,
 * guest memory, disk and interrupt lines must then be the same as without the death.
 */
#include <setjmp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "display/display.h"
#include "hw/storage/ide_media.h"
#include "hw/core/core.h"
#include "ioreq/sim_private.h"
#include "tests/bench.h"
#include "tests/generic.h"
#include "tests/wire.h"

extern const struct device_ops pciconf_ops, i8042_ops, uart16550_ops, piix3_ide_ops, piix4_pm_ops;
extern const struct device_ops stdvga_ops, legacy_ops, xen_platform_ops, e1000_ops, rtl8139_ops;

enum { IDE_DEVFN = 1 << 3 | 1, PM_DEVFN = 1 << 3 | 3, BM = 0xc000, PM = 0xb000 };
enum { NIC_DEVFN = 5 << 3, NIC = 0xf0100000 };
enum { RTL_DEVFN = 6 << 3, RTL = 0xc100 };
enum { VRAM_GFN = 0x2000, VRAM_BYTES = 1 << 20, DISK_BYTES = 64 * 512 };
enum { WINDOW = 0x10000, WINDOW_BYTES = 0x4000, ARENA_MOST_BYTES = 512 * 1024, POINTS = 4096 };

/* --- A card with a ring of descriptors: a write to its port says that they are done. */

enum { CARD = 0x310, CARD_IRQ = 5, RING = WINDOW + 0x800, RING_STEP = 32, RING_SIZE = 4 };

#define CARD_STATE(F, A, S)                                                                        \
    F(S, uint8_t, head, ANY, 1)                                                                    \
    F(S, uint8_t, irq, 1, 1)
STATE_DEFINE(card, CARD_STATE);

/* Sizes of 4, 8, 16 and 16 bytes; the last byte says 0xdd. */
static size_t descriptor_size(unsigned i)
{
    return i < 2 ? 4u << i : 16;
}

static void card_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct card_state *s = d->state;

    (void)offset;
    (void)width;
    s->irq = value != 0;
    for (uint64_t n = 0; n < value; n++, s->head = (uint8_t)((s->head + 1) % RING_SIZE)) {
        gpa_t at = GPA(RING + (uint64_t)s->head * RING_STEP);
        size_t len = descriptor_size(s->head);
        uint8_t old[PUBLISH_BYTES], value_is[PUBLISH_BYTES];

        if (dma_read(d, at, old, len) < 0)
            return;
        memset(value_is, 0xa0 + s->head, len - 1);
        value_is[len - 1] = 0xdd;
        assert_true(device_publish(d, at, old, value_is, len));
    }
}

static void card_update(struct device *d)
{
    device_irq(d, 0, ((struct card_state *)d->state)->irq);
}

static const struct region card_regions[] = {
    { .name = "card", .space = BUS_PIO, .size = 1, .write = card_write },
};

static const struct device_ops card_ops = {
    .name = "card",
    .size = sizeof(struct device),
    .state = &card_desc,
    .regions = card_regions,
    .nregions = 1,
    .update = card_update,
};

/* What the outside can see after the event. */
struct outcome {
    uint64_t answer;
    uint8_t slot_state;
    bool isa[16];
    uint32_t ring_left;
    uint8_t ram[WINDOW_BYTES], vram[WINDOW_BYTES], disk[DISK_BYTES];
    uint8_t arena[ARENA_MOST_BYTES];
};

/* Everything that outlives a process. */
struct memory {
    size_t arena_used;
    uint8_t arena[ARENA_MOST_BYTES], pages[2 * HV_PAGE_SIZE], ram[WINDOW_BYTES], vram[WINDOW_BYTES];
    uint8_t disk[DISK_BYTES];
    bool medium_held;
};

struct event {
    const char *name;
    void (*prepare)(struct bench *b);
    struct request request;         /* size 0: none */
    bool buffered;                  /* goes through the ring */
    uint64_t later;                 /* ns: then timers run */
    void (*host)(struct bench *b);  /* instead of a request: what the host side does */
    bool once;                      /* nobody repeats it: done, or not done, but nothing between */
    void (* or)(struct bench *b);   /* then also allowed: what the host side does instead */
    uint64_t time;                  /* instead of a request: ns in which timers run */
    void (*guest)(struct bench *b); /* what another vCPU does until, and after, a death */
    unsigned
        near_end; /* with twice: the first one dies so many stores before the end; 0: half way */
    bool twice;   /* the successor dies everywhere, too (takes seconds) */
};

static struct display screen;
static bool *medium_held; /* the supervisor has the CD's image: what a successor is given */

static struct bench *board(void)
{
    struct device_row row[] = {
        { .ops = &pciconf_ops, .base = { 0xcf8 } },
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
        { .ops = &i8042_ops, .base = { 0x60, 0x64 }, .isa_irq = { 1, 12 } },
        { .ops = &piix3_ide_ops,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .devfn = IDE_DEVFN },
        { .ops = &stdvga_ops,
          .base = { 0x3b4, 0x3c0, 0x1ce, 0xa0000 },
          .devfn = ANY_PCI,
          .host = { .display = &screen, .vram_gfn = VRAM_GFN, .vram_bytes = VRAM_BYTES } },
        { .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 } },
        { .ops = &xen_platform_ops, .devfn = ANY_PCI, .base = { 0x10 } },
        { .ops = &card_ops, .base = { CARD }, .isa_irq = { CARD_IRQ } },
        { .ops = &e1000_ops, .devfn = NIC_DEVFN },
        { .ops = &rtl8139_ops, .devfn = RTL_DEVFN },
        { .ops = &piix4_pm_ops,
          .base = { PM, 0xb2, 0xafe0, 0xaf00, 0xae00 },
          .isa_irq = { 9 },
          .devfn = PM_DEVFN,
          .host = { .vcpus = 2 } },
    };

    *medium_held = true;
    row[3].host.disk[0] = bench_disk_new(DISK_BYTES, false);
    row[3].host.disk[2] = bench_disk_new(DISK_BYTES, true);
    row[3].host.cdrom[2] = true;
    row[5].host.chr = bench_chardev_new(64);
    row[8].host.net = wire_new();
    row[9].host.net = wire_new();
    return bench_new(row, ARRAY_SIZE(row));
}

/* --- The events. */

static void nothing(struct bench *b)
{
    (void)b;
}

static void mouse_on(struct bench *b)
{
    bench_outb(b, 0x64, 0x60); /* write the command byte: both interrupts on */
    bench_outb(b, 0x60, 0x03);
}

static void keyboard_answer_waits(struct bench *b)
{
    mouse_on(b);
    bench_outb(b, 0x60, 0xf2); /* identify: three bytes to come */
    bench_step(b, 1000000);
}

static void uart_on(struct bench *b)
{
    bench_outb(b, 0x3fa, 0x07);
    bench_outb(b, 0x3f9, 0x0f);
    bench_outb(b, 0x3fc, 0x08);
}

static void uart_received(struct bench *b)
{
    uart_on(b);
    bench_chardev_give(b->rows[5].host.chr, (const uint8_t *)"xyz", 3);
}

static void ide_select(struct bench *b)
{
    bench_cfg_write(b, IDE_DEVFN, 0x20, 4, BM);
    bench_cfg_write(b, IDE_DEVFN, 0x04, 2, 5);
    bench_outb(b, 0x1f2, 2);
    bench_outb(b, 0x1f3, 5);
    bench_outb(b, 0x1f4, 0);
    bench_outb(b, 0x1f5, 0);
    bench_outb(b, 0x1f6, 0xe0);
}

static void ide_reading(struct bench *b)
{
    ide_select(b);
    bench_outb(b, 0x1f7, 0x20);
    bench_step(b, 1000000);
}

static void ide_writing(struct bench *b)
{
    uint8_t bytes[512];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 3);
    bench_ram_put(b, WINDOW, bytes, sizeof bytes);
    ide_select(b);
    bench_outb(b, 0x1f7, 0x30);
    bench_step(b, 1000000);
}

static void dma_ready(struct bench *b, unsigned command)
{
    uint8_t prd[8] = { 0, 0x10, 0x01, 0, 0, 4, 0, 0x80 }; /* 1024 bytes at 0x11000, the last */

    bench_ram_put(b, WINDOW, prd, sizeof prd);
    ide_select(b);
    bench_outl(b, BM + 4, WINDOW);
    bench_outb(b, BM, command == 0xc8 ? 8 : 0);
    bench_outb(b, 0x1f7, command);
}

static void dma_read_ready(struct bench *b)
{
    dma_ready(b, 0xc8);
}

static void dma_write_ready(struct bench *b)
{
    dma_ready(b, 0xca);
}

/* Guest RAM ends in the middle of what the transfer is to fill. */
static void dma_read_past_end(struct bench *b)
{
    uint8_t prd[8] = { 0, 0xfe, 0xff, 0, 0, 4, 0, 0x80 }; /* 1024 bytes at 16 MiB - 512 */

    dma_ready(b, 0xc8);
    bench_ram_put(b, WINDOW, prd, sizeof prd);
}

/* The disk has the request, and will be done with it when the test says. */
static void dma_read_in_flight(struct bench *b)
{
    dma_ready(b, 0xc8);
    bench_disk(b->rows[3].host.disk[0])->hold = true;
    bench_outb(b, BM, 9);
}

static void dma_write_in_flight(struct bench *b)
{
    dma_ready(b, 0xca);
    bench_disk(b->rows[3].host.disk[0])->hold = true;
    bench_outb(b, BM, 1);
}

static void sector_out_in_flight(struct bench *b)
{
    ide_writing(b);
    bench_disk(b->rows[3].host.disk[0])->hold = true;
    bench_rep(b, 0x1f0, false, 2, WINDOW, 256, false);
}

static void disk_is_done(struct bench *b)
{
    bench_disk(b->rows[3].host.disk[0])->hold = false;
    bench_disk_release(b->rows[3].host.disk[0], UINT_MAX);
}

/* All of a READ(10) of two blocks but its last word. */
static void packet_nearly_there(struct bench *b)
{
    static const uint16_t words[] = { 0x0028, 0, 0x0100, 0, 2 };

    bench_outb(b, 0x176, 0xa0);
    bench_outb(b, 0x174, 0x00); /* 2048 bytes at a time */
    bench_outb(b, 0x175, 0x08);
    bench_outb(b, 0x177, 0xa0);
    bench_step(b, 1000000);
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        bench_outw(b, 0x170, words[i]);
}

/* Too few characters for an interrupt: there will be one when no more come. */
static void uart_waits(struct bench *b)
{
    uart_on(b);
    bench_outb(b, 0x3fa, 0xc7);
    bench_chardev_give(b->rows[5].host.chr, (const uint8_t *)"xyz", 3);
}

static void host_types(struct bench *b)
{
    bench_chardev_give(b->rows[5].host.chr, (const uint8_t *)"xyz", 3);
}

/* What domain_vm.c does, a supervisor included. The medium is given up after it has been taken out,
 * and given before it is put in. */
static void eject(struct bench *b)
{
    struct error e = { "" };

    if (ide_eject(machine_find(b->m, "piix3_ide", 0), 2, false, &e) == 0)
        *medium_held = false;
}

static void insert(struct bench *b)
{
    struct error e = { "" };

    *medium_held = true;
    if (ide_insert(machine_find(b->m, "piix3_ide", 0), 2, b->rows[3].host.disk[2], &e) < 0)
        *medium_held = false;
}

/* The successor was still given the medium that had been taken out. */
static void eject_and_insert(struct bench *b)
{
    eject(b);
    insert(b);
}

static void packet(struct bench *b, const uint16_t words[6])
{
    bench_outb(b, 0x176, 0xa0);
    bench_outb(b, 0x174, 0x00);
    bench_outb(b, 0x175, 0x08);
    bench_outb(b, 0x177, 0xa0);
    bench_step(b, 1000000);
    for (unsigned i = 0; i < 6; i++)
        bench_outw(b, 0x170, words[i]);
    bench_step(b, 1000000);
}

static void tray_locked(struct bench *b)
{
    packet(b, (const uint16_t[6]){ 0x001e, 0, 0x0001, 0, 0, 0 }); /* PREVENT MEDIUM REMOVAL */
}

static void packet_in_flight(struct bench *b)
{
    bench_disk(b->rows[3].host.disk[2])->hold = true;
    packet(b, (const uint16_t[6]){ 0x0028, 0, 0x0100, 0, 2, 0 }); /* READ(10) */
}

static void planar(struct bench *b)
{
    bench_cfg_write(b, 2 << 3, 0x04, 2, 3);
    bench_outb(b, 0x3c2, 0x63);
    bench_outw(b, 0x3c4, 0x0f02); /* all planes */
    bench_outw(b, 0x3c4, 0x0604); /* no chain 4 */
    bench_outw(b, 0x3ce, 0x0506); /* graphics, window at A0000 */
    bench_outw(b, 0x3ce, 0x1803); /* exclusive or with the latches */
    bench_write(b, 0xa0000, 1, 0x55);
    (void)bench_read(b, 0xa0000, 1);
}

/* A driver that gives each descriptor that is done to the card again, with another address, and
 * counts behind it how often that was. */
static void driver(struct bench *b)
{
    for (unsigned i = 0; i < RING_SIZE; i++) {
        uint8_t *p = sim_ram_ptr(b->hv, RING + (uint64_t)i * RING_STEP, RING_STEP);
        size_t len = descriptor_size(i);

        if (p[len - 1] != 0xdd)
            continue;
        for (size_t k = 0; k < len - 1; k++)
            assert_int_equal(p[k], 0xa0 + i);
        p[RING_STEP - 1]++;
        memset(p, 0x50 + p[RING_STEP - 1], len);
    }
}

/* Rings of eight descriptors, and every frame is taken. */
static void nic_on(struct bench *b)
{
    uint8_t desc[16] = { 0, 0x50, 0x01 }; /* 15000h: a buffer counts only with its descriptor */

    bench_cfg_write(b, NIC_DEVFN, 0x10, 4, NIC);
    bench_cfg_write(b, NIC_DEVFN, 0x04, 2, 6);
    bench_ram_put(b, WINDOW + 0x100, desc, sizeof desc);
    bench_write(b, NIC + 0x2800, 4, WINDOW + 0x100); /* RDBAL, RDLEN, RDT, RCTL */
    bench_write(b, NIC + 0x2808, 4, 128);
    bench_write(b, NIC + 0x2818, 4, 1);
    bench_write(b, NIC + 0x0100, 4, 0x801a);
    bench_write(b, NIC + 0x3800, 4, WINDOW); /* TDBAL, TDLEN, TCTL */
    bench_write(b, NIC + 0x3808, 4, 128);
    bench_write(b, NIC + 0x0400, 4, 2);
    bench_write(b, NIC + 0x00c4, 4, 100); /* ITR, IMS */
    bench_write(b, NIC + 0x00d0, 4, 0x1ffff);
}

/* A frame of two descriptors, which are to be handed back. */
static void nic_sending(struct bench *b)
{
    uint8_t desc[2][16] = { { 0, 8, 1, 0, 0, 0, 0, 0, 40, 0, 0, 0x08 },
                            { 0, 9, 1, 0, 0, 0, 0, 0, 60, 0, 0, 0x09 } };

    nic_on(b);
    bench_ram_put(b, WINDOW, desc, sizeof desc);
    bench_write(b, NIC + 0x3818, 4, 2); /* TDT */
}

static void frame_arrives(struct bench *b)
{
    uint8_t frame[64];

    memset(frame, 0xff, sizeof frame);
    assert_true(wire_give(b->rows[8].host.net, NULL, frame, sizeof frame));
}

/* --- An RTL8139C+ with rings of four; buffers for frames that come, and 800h on, that are sent. */

enum {
    RTL_RX = WINDOW + 0x1000,
    RTL_TX = WINDOW + 0x1100,
    RTL_BUFFERS = WINDOW + 0x1800,
    FRAME = 700
};

static void rtl_descriptor(struct bench *b, uint64_t ring, unsigned i, uint32_t opts1)
{
    uint8_t d[16] = { 0 };

    put_le32(d, opts1 | (i == 3 ? 0x40000000 : 0));
    put_le32(d + 8, (uint32_t)RTL_BUFFERS + i * 0x200 + (ring == RTL_TX ? 0x800 : 0));
    bench_ram_put(b, ring + i * sizeof d, d, sizeof d);
}

/* The buffers hold already what will come into them: that of a frame which is lost does not count.
 */
static void rtl_on(struct bench *b)
{
    uint8_t frame[FRAME + 4] = { 0 };

    memset(frame, 0xff, FRAME);
    bench_ram_put(b, RTL_BUFFERS, frame, sizeof frame);
    bench_cfg_write(b, RTL_DEVFN, 0x10, 4, RTL);
    bench_cfg_write(b, RTL_DEVFN, 0x04, 2, 5);
    bench_outw(b, RTL + 0xe0, 3);
    for (unsigned i = 0; i < 4; i++) {
        rtl_descriptor(b, RTL_RX, i, 0x80000200);
        rtl_descriptor(b, RTL_TX, i, 0);
    }
    bench_outl(b, RTL + 0xe4, RTL_RX);
    bench_outl(b, RTL + 0x20, RTL_TX);
    bench_outb(b, RTL + 0x37, 0x0c);
    bench_outl(b, RTL + 0x44, 0x0f);
    bench_outw(b, RTL + 0x3c, 0xffff);
}

/* Two frames to send, one of them in two pieces. */
static void rtl_frames_wait(struct bench *b)
{
    rtl_on(b);
    rtl_descriptor(b, RTL_TX, 0, 0xa0000040);
    rtl_descriptor(b, RTL_TX, 1, 0x90000040);
    rtl_descriptor(b, RTL_TX, 2, 0xb0000040);
}

static void rtl_sends(struct bench *b)
{
    rtl_frames_wait(b);
    bench_outb(b, RTL + 0xd9, 0x40);
}

/* A frame that takes two descriptors. */
static void rtl_frame_comes(struct bench *b)
{
    uint8_t frame[FRAME];

    memset(frame, 0xff, sizeof frame);
    assert_true(wire_give(b->rows[9].host.net, NULL, frame, sizeof frame));
}

#define PIO(a, n, rd, v)                                                                           \
    {                                                                                              \
        .type = REQ_PIO, .addr = (a), .size = (n), .count = 1, .read = (rd), .data = (v)           \
    }
#define REP(a, n, rd, c)                                                                           \
    {                                                                                              \
        .type = REQ_PIO, .addr = (a), .size = (n), .count = (c), .read = (rd),                     \
        .data_is_ptr = true, .data = WINDOW                                                        \
    }
#define MEM(a, n, rd, v)                                                                           \
    {                                                                                              \
        .type = REQ_COPY, .addr = (a), .size = (n), .count = 1, .read = (rd), .data = (v)          \
    }
#define CONFIG(devfn, reg, n, rd, v)                                                               \
    {                                                                                              \
        .type = REQ_PCI_CONFIG, .addr = (uint64_t)(devfn) << 32 | (reg), .size = (n), .count = 1,  \
        .read = (rd), .data = (v)                                                                  \
    }

static const struct event events[] = {
    { "nobody's port", nothing, PIO(0x3e8, 1, true, 0), .later = 0 },
    { "configuration address", nothing, PIO(0xcf8, 4, false, 0x80000800), .later = 0 },
    { "configuration read", dma_read_ready, CONFIG(IDE_DEVFN, 0x20, 4, true, 0), .later = 0 },
    { "I/O window moves", dma_read_ready, CONFIG(IDE_DEVFN, 0x20, 4, false, 0xc101), .later = 0 },
    { "I/O window is switched off", dma_read_ready, CONFIG(IDE_DEVFN, 0x04, 2, false, 0),
      .later = 0 },
    { "keyboard command", mouse_on, PIO(0x60, 1, false, 0xf2), .later = 1000000 },
    { "keyboard data read", keyboard_answer_waits, PIO(0x60, 1, true, 0), .later = 1000000 },
    { "serial received byte", uart_received, PIO(0x3f8, 1, true, 0), .later = 0 },
    { "serial interrupt identification", uart_received, PIO(0x3fa, 1, true, 0), .later = 0 },
    { "serial sends", uart_on, PIO(0x3f8, 1, false, 'a'), .later = 1000000 },
    { "IDE read command", ide_select, PIO(0x1f7, 1, false, 0x20), .later = 1000 },
    { "IDE flush command", ide_select, PIO(0x1f7, 1, false, 0xe7), .later = 1000 },
    { "IDE software reset", ide_reading, PIO(0x3f6, 1, false, 4), .later = 1000 },
    { "IDE status read", ide_reading, PIO(0x1f7, 1, true, 0), .later = 0 },
    { "IDE data word", ide_reading, PIO(0x1f0, 2, true, 0), .later = 0 },
    { "IDE sector in", ide_reading, REP(0x1f0, 2, true, 256), .later = 1000 },
    { "IDE sector out", ide_writing, REP(0x1f0, 2, false, 256), .later = 1000 },
    { "IDE DMA read", dma_read_ready, PIO(BM, 1, false, 9), .later = 1000 },
    { "IDE DMA write", dma_write_ready, PIO(BM, 1, false, 1), .later = 1000 },
    { "VGA latch load", planar, MEM(0xa0001, 1, true, 0), .later = 0 },
    { "VGA write", planar, MEM(0xa0000, 2, false, 0x1234), .later = 0 },
    { "VGA buffered write", planar, MEM(0xa0000, 1, false, 0x0f), .buffered = true },
    /* Done twice it would show, unlike what Xen buffers today. */
    { "DMA controller buffered write", nothing, PIO(0x00, 1, false, 0x5a), .buffered = true,
      .twice = true },
    { "invalidate", planar, { .type = REQ_INVALIDATE, .size = 4, .data = UINT64_MAX }, .later = 0 },
    { "unplug", dma_read_ready, PIO(0x10, 2, false, 1), .later = 1000, .twice = true },
    { "power off", nothing, PIO(PM + 4, 2, false, 0x2000), .later = 1000 },
    { "IDE DMA read past the end of memory", dma_read_past_end, PIO(BM, 1, false, 9), .later = 1 },
    { "CD packet", packet_nearly_there, PIO(0x170, 2, false, 0), .later = 1000 },
    { "IDE DMA read is done", dma_read_in_flight, .host = disk_is_done, .later = 1000 },
    { "IDE DMA write is done", dma_write_in_flight, .host = disk_is_done, .later = 1000 },
    { "IDE sector out is done", sector_out_in_flight, .host = disk_is_done, .later = 1000 },
    { "serial timer", uart_waits, .time = 100000000, .later = 100000000 },
    { "serial receives", uart_on, .host = host_types, .once = true, .later = 10 },
    { "CD is ejected", nothing, .host = eject, .once = true, .or = eject_and_insert },
    { "CD is ejected while it is read", packet_in_flight, .host = eject, .once = true,
      .or = eject_and_insert },
    { "CD is locked in", tray_locked, .host = eject, .once = true },
    { "descriptors are done", nothing, PIO(CARD, 1, false, 3), .guest = driver, .twice = true,
      .near_end = 16 },
    { "descriptors are done, from half way on", nothing, PIO(CARD, 1, false, 4), .guest = driver,
      .twice = true },
    { "network card sends", nic_sending, .time = 1000, .later = 1000 },
    { "network card receives", nic_on, .host = frame_arrives, .once = true, .later = 10 },
    { "an RTL8139 sends", rtl_sends, .time = 1000, .later = 1000 },
    { "an RTL8139 is told to send", rtl_frames_wait, PIO(RTL + 0xd9, 1, false, 0x40),
      .later = 1000 },
    { "an RTL8139 receives", rtl_on, .host = rtl_frame_comes, .once = true, .later = 1000 },
    { "CD is put in", eject, .host = insert, .once = true, .twice = true },
};

/* --- Memory that processes share. */

static uint8_t *disk_bytes(struct bench *b)
{
    return bench_disk(b->rows[3].host.disk[0])->bytes;
}

static struct sim *sim_of_bench(struct bench *b)
{
    return (struct sim *)(void *)b->hv;
}

static void keep(struct bench *b, struct memory *m)
{
    m->arena_used = b->arena.h->used;
    assert_true(m->arena_used <= sizeof m->arena);
    memcpy(m->arena, b->arena.h, m->arena_used);
    memcpy(m->pages, sim_of_bench(b)->pages, sizeof m->pages);
    memcpy(m->ram, sim_ram_ptr(b->hv, WINDOW, WINDOW_BYTES), WINDOW_BYTES);
    memcpy(m->vram, sim_ram_ptr(b->hv, (uint64_t)VRAM_GFN << 12, WINDOW_BYTES), WINDOW_BYTES);
    memcpy(m->disk, disk_bytes(b), DISK_BYTES);
    m->medium_held = *medium_held;
}

static void restore(struct bench *b, const struct memory *m)
{
    memcpy(b->arena.h, m->arena, m->arena_used);
    memcpy(sim_of_bench(b)->pages, m->pages, sizeof m->pages);
    memcpy(sim_ram_ptr(b->hv, WINDOW, WINDOW_BYTES), m->ram, WINDOW_BYTES);
    memcpy(sim_ram_ptr(b->hv, (uint64_t)VRAM_GFN << 12, WINDOW_BYTES), m->vram, WINDOW_BYTES);
    memcpy(disk_bytes(b), m->disk, DISK_BYTES);
    *medium_held = m->medium_held;
}

static bool changed(struct bench *b, struct memory *m)
{
    const struct memory *was = m;
    bool same = memcmp(was->arena, b->arena.h, was->arena_used) == 0 &&
                memcmp(was->pages, sim_of_bench(b)->pages, sizeof was->pages) == 0 &&
                memcmp(was->ram, sim_ram_ptr(b->hv, WINDOW, WINDOW_BYTES), WINDOW_BYTES) == 0 &&
                memcmp(was->vram, sim_ram_ptr(b->hv, (uint64_t)VRAM_GFN << 12, WINDOW_BYTES),
                       WINDOW_BYTES) == 0 &&
                memcmp(was->disk, disk_bytes(b), DISK_BYTES) == 0 &&
                was->medium_held == *medium_held;

    if (!same)
        keep(b, m);
    return !same;
}

/* --- What the processes do. */

static void run_event(struct bench *b, const struct event *v)
{
    struct slots *s = sim_slots(b->hv);

    if (v->host)
        v->host(b);
    else if (v->time)
        bench_step(b, v->time);
    else if (v->buffered)
        slots_drain_buffered(s);
    else
        slots_run_vcpu(s, 1);
}

static void run_nothing(struct bench *b, const struct event *v)
{
    (void)v;
    bench_disk(b->rows[3].host.disk[2])->hold = false;
    bench_disk_release(b->rows[3].host.disk[2], UINT_MAX);
}

static void run_or(struct bench *b, const struct event *v)
{
    v->or (b);
}

static void run_later(struct bench *b, const struct event *v)
{
    bench_step(b, v->later + 1000);
    if (v->guest)
        v->guest(b);
}

static void observe(struct bench *b, struct outcome *o)
{
    const struct arena_header *h = b->arena.h;
    const uint8_t *slot = sim_of_bench(b)->pages + HV_PAGE_SIZE + 32;

    o->answer = load_le(slot + 8, 8);
    o->slot_state = slot[30] & 0xf;
    o->ring_left = slots_buffered_waiting(sim_slots(b->hv));
    for (unsigned i = 0; i < 16; i++)
        o->isa[i] = bench_isa_level(b, i);
    memcpy(o->ram, sim_ram_ptr(b->hv, WINDOW, WINDOW_BYTES), WINDOW_BYTES);
    memcpy(o->vram, sim_ram_ptr(b->hv, (uint64_t)VRAM_GFN << 12, WINDOW_BYTES), WINDOW_BYTES);
    memcpy(o->disk, disk_bytes(b), DISK_BYTES);
    for (uint32_t i = 0; i < h->nrecords; i++) {
        const struct arena_record *r = &h->record[i];

        if (generic_is_state(r))
            memcpy(o->arena + r->state, (const char *)h + r->state, r->size);
    }
}

/* In a child: the machine of the dead one is forgotten, a new one built on what it left. */
static void take_over(struct bench *b)
{
    bench_take_over(b, false);
    slots_scan(sim_slots(b->hv), machine_ring_next(b->m));
}

/* Lets `n` stores to shared memory happen (all: UINT_MAX), then kills. Returns how many happened.
 */
static unsigned run_killed(struct bench *b, const struct event *v, unsigned n, struct memory *m)
{
    pid_t pid = fork();
    unsigned stores = 0;
    int status;

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        run_event(b, v);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    keep(b, m);
    while (WIFSTOPPED(status) && stores < n) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        stores += changed(b, m);
    }
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    } else {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return stores;
}

/* A child does `what` and leaves what can be seen in *o. */
static void in_child(struct bench *b, const struct event *v,
                     void (*what)(struct bench *, const struct event *), struct outcome *o)
{
    int status;
    pid_t pid;

    memset(o, 0, sizeof *o);
    pid = fork();
    if (pid == 0) {
        what(b, v);
        run_later(b, v);
        observe(b, o);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The clock of the simulator starts where the dead one's had started. */
static void succeed(struct bench *b, const struct event *v)
{
    bench_disk(b->rows[3].host.disk[0])->hold = false;
    bench_disk(b->rows[3].host.disk[2])->hold = false;
    if (!*medium_held)
        b->rows[3].host.disk[2] = NULL;
    if (v->guest)
        v->guest(b);
    take_over(b);
    bench_step(b, v->time);
}

static void *die_here(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present)
{
    (void)hv;
    (void)gfn;
    (void)nr;
    (void)present;
    raise(SIGKILL);
    return NULL;
}

/* A successor that dies too, in the middle of its recovery: when it looks for pages which the event
 * moved. These are where they belong. */
static void succeed_in_vain(struct bench *b)
{
    const struct arena_record *r = arena_find(&b->arena, "journal", 0);
    struct journal_state *j = arena_at(&b->arena, r->state);
    int status;
    pid_t pid;

    j->move_from = j->move_to = VRAM_GFN;
    j->move_nr = 1;
    pid = fork();
    if (pid == 0) {
        struct hv_ops ops = *b->hv->ops;

        ops.map_frames = die_here;
        b->hv->ops = &ops;
        bench_take_over(b, false);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static const char *difference(struct bench *b, const struct outcome *x, const struct outcome *y)
{
    static char text[128];

    if (x->slot_state != y->slot_state || x->ring_left != y->ring_left) {
        snprintf(text, sizeof text, "slot state %u and ring %u, not %u and %u", y->slot_state,
                 y->ring_left, x->slot_state, x->ring_left);
        return text;
    }
    if (x->answer != y->answer)
        return "the answer differs";
    if (memcmp(x->isa, y->isa, sizeof x->isa) != 0)
        return "interrupt lines differ";
    if (memcmp(x->ram, y->ram, sizeof x->ram) != 0 || memcmp(x->vram, y->vram, sizeof x->vram) != 0)
        return "guest memory differs";
    if (memcmp(x->disk, y->disk, sizeof x->disk) != 0)
        return "the disk differs";
    for (uint32_t i = 0; i < b->arena.h->nrecords; i++) {
        const struct arena_record *r = &b->arena.h->record[i];

        for (uint32_t k = 0; k < r->nfields; k++) {
            const struct state_field *f =
                (const struct state_field *)arena_at(&b->arena, r->fields) + k;

            for (uint32_t n = 0; n < f->count; n++)
                if (state_get(x->arena + r->state, f, n) != state_get(y->arena + r->state, f, n)) {
                    snprintf(text, sizeof text, "state differs: %s %u %s[%u] %llx, not %llx",
                             r->name, r->instance, f->name, n,
                             (unsigned long long)state_get(y->arena + r->state, f, n),
                             (unsigned long long)state_get(x->arena + r->state, f, n));
                    return text;
                }
        }
    }
    return NULL;
}

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

/* What happened before must not be taken for what happens now: a finished request of the same vCPU,
 * and a buffered entry that was executed. */
static void place_request(struct bench *b, const struct event *v)
{
    uint8_t *slot = sim_of_bench(b)->pages + HV_PAGE_SIZE + 32; /* vCPU 1 */
    struct request earlier = PIO(0x3e9, 1, true, 0), again = v->request;
    const struct request *r = &v->request;

    earlier.vcpu = 1;
    assert_int_equal(sim_request(b->hv, &earlier), 0);
    if (v->host || v->time)
        return;
    if (v->buffered) {
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(sim_buffered(b->hv, &again), 0);
            if (i == 0)
                slots_drain_buffered(sim_slots(b->hv));
            again.data ^= 0x33;
        }
        return;
    }
    store_le(slot, 8, r->addr);
    store_le(slot + 8, 8, r->data);
    store_le(slot + 16, 4, r->count);
    store_le(slot + 20, 4, r->size);
    slot[31] = r->type;
    slot[30] = (uint8_t)(SLOT_READY | (r->data_is_ptr ? 0x10 : 0) | (r->read ? 0x20 : 0));
}

/* How the outcome is none that is allowed. */
static const char *amiss(struct bench *b, const struct event *v, const struct outcome *want,
                         const struct outcome *undone, const struct outcome *other,
                         const struct outcome *got)
{
    if (v->once && (!difference(b, undone, got) || !difference(b, other, got)))
        return NULL;
    return difference(b, want, got);
}

static void dies_anywhere(void **state)
{
    const struct event *v = *state;
    struct memory *before = shared(sizeof *before), *now = shared(sizeof *now);
    struct outcome *want = shared(sizeof *want), *got = shared(sizeof *got);
    struct outcome *undone = shared(sizeof *undone), *other = shared(sizeof *other);
    struct bench *b = board();
    unsigned points;

    *medium_held = true;
    v->prepare(b);
    place_request(b, v);
    keep(b, before);
    in_child(b, v, run_event, want);
    restore(b, before);
    in_child(b, v, run_nothing, undone);
    restore(b, before);
    in_child(b, v, v->or ? run_or : run_nothing, other);
    restore(b, before);
    points = run_killed(b, v, UINT_MAX, now);
    assert_in_range(points, 2, POINTS);
    for (unsigned n = 0; n <= points; n++) {
        const char *what;

        restore(b, before);
        assert_int_equal(run_killed(b, v, n, now), n);
        in_child(b, v, succeed, got);
        what = amiss(b, v, want, undone, other, got);
        if (what)
            fail_msg("%s: death after store %u of %u: %s", v->name, n, points, what);
        restore(b, now);
        if (!b->arena.h->in_transaction)
            continue;
        succeed_in_vain(b);
        in_child(b, v, succeed, got);
        what = amiss(b, v, want, undone, other, got);
        if (what)
            fail_msg("%s: death after store %u of %u, and of the first successor: %s", v->name, n,
                     points, what);
    }
    bench_free(b);
    munmap(before, sizeof *before);
    munmap(now, sizeof *now);
    munmap(want, sizeof *want);
    munmap(got, sizeof *got);
    munmap(undone, sizeof *undone);
    munmap(other, sizeof *other);
}

/* A successor that dies at any instruction of its recovery, after a death in the middle of the
 * event: it is executed step by step, and at each store another one goes on from there. */
static void successor_dies_anywhere(void **state)
{
    const struct event *v = *state;
    struct memory *before = shared(sizeof *before), *now = shared(sizeof *now);
    struct outcome *want = shared(sizeof *want), *got = shared(sizeof *got);
    struct bench *b = board();
    unsigned points = 0;
    const char *what;
    int status;
    pid_t pid;

    *medium_held = true;
    v->prepare(b);
    place_request(b, v);
    keep(b, before);
    in_child(b, v, run_event, want);
    restore(b, before);
    points = run_killed(b, v, UINT_MAX, now);
    restore(b, before);
    run_killed(b, v, v->near_end ? points - v->near_end : points / 2, now);
    points = 0;
    pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        take_over(b);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    keep(b, now);
    while (WIFSTOPPED(status)) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status) || !changed(b, now))
            continue;
        points++;
        in_child(b, v, succeed, got);
        restore(b, now); /* the one that is being executed has not noticed */
        what = difference(b, want, got);
        if (what)
            fail_msg("%s: death of the successor after store %u: %s", v->name, points, what);
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(points >= 2);
    bench_free(b);
    munmap(before, sizeof *before);
    munmap(now, sizeof *now);
    munmap(want, sizeof *want);
    munmap(got, sizeof *got);
}

int main(void)
{
    static struct CMUnitTest group[2 * ARRAY_SIZE(events)];
    size_t n = ARRAY_SIZE(events);

    log_set_level(LOG_ERROR);
    medium_held = shared(sizeof *medium_held);
    for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
        group[i] = (struct CMUnitTest){ events[i].name, dies_anywhere, NULL, NULL,
                                        (void *)(uintptr_t)&events[i] };
    for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
        if (events[i].twice || (getenv("LAB_SOAK") && !events[i].once))
            group[n++] = (struct CMUnitTest){ events[i].name, successor_dies_anywhere, NULL, NULL,
                                              (void *)(uintptr_t)&events[i] };
    return _cmocka_run_group_tests("recover", group, n, NULL, NULL);
}
