/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy - DMA controllers, page registers, POST code port, port 92h, debug ports.
 *
 * Datasheet: Intel 8237A; Intel 290550-002 (PIIX3: DMA, page registers, port 92h).
 * Present:   both 8237 register sets with byte pointer, masks, requests; low and high page
 *            registers; port 80h; fast reset; SeaBIOS debug port 402h if it has a stream.
 * Absent:    DMA transfers: no ISA device here asks for one (a software request stays pending).
 *            What A20 does. Writes to e9h: Xen's own; what it reads is ours.
 */
#include "chardev/chardev.h"
#include "hw/core/device.h"

#define CHANNELS 8u

/* Register numbers of one 8237. */
enum {
    DMA_COMMAND = 8,
    DMA_REQUEST,
    DMA_MASK,
    DMA_MODE,
    DMA_CLEAR_FF,
    DMA_MASTER_CLEAR,
    DMA_CLEAR_MASK,
    DMA_ALL_MASK
};
enum { PORT92_INIT = 1u << 0, PORT92_A20 = 1u << 1 };
enum { DEBUG_PRESENT = 0xe9 }; /* what both debug ports read if they are there */

#define LEGACY_STATE(F, A, S)                                                                      \
    A(S, uint16_t, BASE, CHANNELS, ANY, 1) /* addresses; nothing moves the current ones */         \
    A(S, uint16_t, COUNT, CHANNELS, ANY, 1)                                                        \
    A(S, uint8_t, MODE, CHANNELS, ANY, 1)                                                          \
    A(S, uint8_t, COMMAND, 2, ANY, 1)                                                              \
    A(S, uint8_t, REQUEST, 2, 0xf, 1)                                                              \
    A(S, uint8_t, MASK, 2, 0xf, 1)                                                                 \
    A(S, uint8_t, FF, 2, 1, 1) /* byte pointer: 1 = high byte next */                              \
    A(S, uint8_t, PAGE, 16, ANY, 1)                                                                \
    A(S, uint8_t, HIPAGE, 16, ANY, 1)                                                              \
    F(S, uint8_t, PORT92, PORT92_INIT | PORT92_A20, 1)
STATE_DEFINE(legacy, LEGACY_STATE);

/* --- 8237: controller n has channels 4n to 4n+3 --- */

/* The 16-bit register of an address or count port, 0 to 7. */
static uint16_t *pair(struct legacy_state *s, unsigned n, unsigned reg)
{
    unsigned channel = (n * 4 + (reg >> 1)) % CHANNELS;

    return reg & 1 ? &s->COUNT[channel] : &s->BASE[channel];
}

static uint8_t i8237_read(struct legacy_state *s, unsigned n, unsigned reg)
{
    switch (reg) {
    case DMA_COMMAND: /* status: no terminal count; requests wait for ever */
        return (uint8_t)(s->REQUEST[n] << 4);
    case DMA_ALL_MASK:
        return s->MASK[n];
    case DMA_MASTER_CLEAR: /* temporary register: memory to memory was never built */
        return 0;
    default:
        if (reg >= DMA_COMMAND)
            return 0xff;
        s->FF[n] ^= 1;
        return (uint8_t)(*pair(s, n, reg) >> (s->FF[n] ? 0 : 8));
    }
}

static void pair_write(struct legacy_state *s, unsigned n, unsigned reg, uint8_t value)
{
    uint16_t *r = pair(s, n, reg);

    if (s->FF[n])
        *r = (uint16_t)((*r & 0x00ff) | value << 8);
    else
        *r = (uint16_t)((*r & 0xff00) | value);
    s->FF[n] ^= 1;
}

/* Request and mask ports: bits 1-0 name the channel, bit 2 is its new value. */
static void one_bit(uint8_t *set, uint8_t value)
{
    uint8_t bit = (uint8_t)(1u << (value & 3));

    *set = (uint8_t)(value & 4 ? *set | bit : *set & ~bit);
}

static void master_clear(struct legacy_state *s, unsigned n)
{
    s->COMMAND[n] = 0;
    s->REQUEST[n] = 0;
    s->FF[n] = 0;
    s->MASK[n] = 0xf;
}

static void i8237_write(struct legacy_state *s, unsigned n, unsigned reg, uint8_t value)
{
    switch (reg) {
    case DMA_COMMAND:
        s->COMMAND[n] = value;
        break;
    case DMA_REQUEST:
        one_bit(&s->REQUEST[n], value);
        break;
    case DMA_MASK:
        one_bit(&s->MASK[n], value);
        break;
    case DMA_MODE:
        s->MODE[(n * 4 + (value & 3)) % CHANNELS] = value;
        break;
    case DMA_CLEAR_FF:
        s->FF[n] = 0;
        break;
    case DMA_MASTER_CLEAR:
        master_clear(s, n);
        break;
    case DMA_CLEAR_MASK:
        s->MASK[n] = 0;
        break;
    case DMA_ALL_MASK:
        s->MASK[n] = value & 0xf;
        break;
    default:
        pair_write(s, n, reg, value);
        break;
    }
}

static uint64_t dma1_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width; /* bytes only, here and below */
    return i8237_read(d->state, 0, offset & 0xf);
}

static void dma1_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    i8237_write(d->state, 0, offset & 0xf, (uint8_t)value);
}

/* The second controller sits on even ports only. */
static uint64_t dma2_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)width;
    return offset & 1 ? 0xff : i8237_read(d->state, 1, offset >> 1 & 0xf);
}

static void dma2_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)width;
    if (!(offset & 1))
        i8237_write(d->state, 1, offset >> 1 & 0xf, (uint8_t)value);
}

/* --- page registers; port 80h, the POST code, is one of them --- */

static uint64_t page_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct legacy_state *s = d->state;

    (void)width;
    return offset < sizeof s->PAGE ? s->PAGE[offset] : 0xff;
}

static void page_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct legacy_state *s = d->state;

    (void)width;
    if (offset < sizeof s->PAGE)
        s->PAGE[offset] = (uint8_t)value;
}

static uint64_t hipage_read(struct device *d, uint32_t offset, unsigned width)
{
    const struct legacy_state *s = d->state;

    (void)width;
    return offset < sizeof s->HIPAGE ? s->HIPAGE[offset] : 0xff;
}

static void hipage_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct legacy_state *s = d->state;

    (void)width;
    if (offset < sizeof s->HIPAGE)
        s->HIPAGE[offset] = (uint8_t)value;
}

/* --- port 92h --- */

static void port92_written(struct device *d, uint32_t old)
{
    const struct legacy_state *s = d->state;

    if (HAS(s, PORT92, INIT) && !(old & PORT92_INIT))
        machine_request(d, MACHINE_RESET);
}

static const struct reg port92_regs[] = {
    { "PORT92", 0, 1, offsetof(struct legacy_state, PORT92), .rw = PORT92_INIT | PORT92_A20,
      .written = port92_written },
};

/* --- debug ports --- */

static uint64_t e9_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)d;
    (void)offset;
    (void)width;
    return DEBUG_PRESENT;
}

static uint64_t debug_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return d->host.chr ? DEBUG_PRESENT : 0xff;
}

/* The port has no flow control: what the host does not take now is lost. */
static void debug_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    uint8_t byte = (uint8_t)value;

    (void)offset;
    (void)width;
    if (d->host.chr && chardev_write(d->host.chr, &byte, 1) != 1)
        d->stats.refused++;
}

static void legacy_reset(struct device *d)
{
    struct legacy_state *s = d->state;

    master_clear(s, 0);
    master_clear(s, 1);
}

static const char *const dma1_names[] = {
    "CH0_ADDRESS", "CH0_COUNT",    "CH1_ADDRESS",    "CH1_COUNT", "CH2_ADDRESS", "CH2_COUNT",
    "CH3_ADDRESS", "CH3_COUNT",    "STATUS_COMMAND", "REQUEST",   "MASK",        "MODE",
    "CLEAR_FF",    "MASTER_CLEAR", "CLEAR_MASK",     "ALL_MASK",
};
static const char *const dma2_names[] = {
    "CH4_ADDRESS",    NULL, "CH4_COUNT",    NULL, "CH5_ADDRESS", NULL, "CH5_COUNT", NULL,
    "CH6_ADDRESS",    NULL, "CH6_COUNT",    NULL, "CH7_ADDRESS", NULL, "CH7_COUNT", NULL,
    "STATUS_COMMAND", NULL, "REQUEST",      NULL, "MASK",        NULL, "MODE",      NULL,
    "CLEAR_FF",       NULL, "MASTER_CLEAR", NULL, "CLEAR_MASK",  NULL, "ALL_MASK",  NULL,
};
static const char *const page_names[] = {
    "POST_CODE", "CH2", "CH3", "CH1", NULL, NULL, NULL, "CH0",
    NULL,        "CH6", "CH7", "CH5", NULL, NULL, NULL, "REFRESH",
};

static const struct region legacy_regions[] = {
    { .name = "dma1",
      .space = BUS_PIO,
      .size = 0x10,
      NAMED(dma1_names),
      .read = dma1_read,
      .write = dma1_write },
    { .name = "dma2",
      .space = BUS_PIO,
      .size = 0x20,
      NAMED(dma2_names),
      .read = dma2_read,
      .write = dma2_write },
    { .name = "page",
      .space = BUS_PIO,
      .size = 0x10,
      NAMED(page_names),
      .read = page_read,
      .write = page_write,
      .constant = true },
    { .name = "hipage",
      .space = BUS_PIO,
      .size = 0x10,
      .read = hipage_read,
      .write = hipage_write,
      .constant = true },
    { .name = "port92",
      .space = BUS_PIO,
      .size = 1,
      .regs = port92_regs,
      .nregs = ARRAY_SIZE(port92_regs) },
    { .name = "e9", .space = BUS_PIO, .size = 1, .read = e9_read, .constant = true },
    { .name = "debug",
      .space = BUS_PIO,
      .size = 1,
      .read = debug_read,
      .write = debug_write,
      .constant = true },
};

const struct device_ops legacy_ops = {
    .name = "legacy",
    .size = sizeof(struct device),
    .state = &legacy_desc,
    .regions = legacy_regions,
    .nregions = ARRAY_SIZE(legacy_regions),
    .reset = legacy_reset,
};
