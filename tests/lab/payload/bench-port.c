/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload bench-port: what one access of each kind costs, in TSC ticks. In the lab's
 * deterministic mode a tick is one instruction of the whole machine.
 *
 * Prints "bench: begin", lines "name value", "bench: end". The disk it booted from is the
 * primary master; the first 64 KiB after its boot sector are read, nothing is written.
 */
#include "ide.h"

#define ROUNDS      64
#define WARM_UP     8000 /* several periods of the buffered ring, which firmware has written to */
#define LONG_ROUNDS 4    /* for what takes millions of instructions */

static uint8_t *const data = (uint8_t *)0x200000;
static volatile uint32_t *const prd = (volatile uint32_t *)0x180000;

#define MEASURE(name, statement) MEASURE_N(name, ROUNDS, statement)

static uint32_t took[ROUNDS];

/* Runs the statement once for warmth, then rounds times, and reports the median. */
#define MEASURE_N(name, rounds, statement)                                                         \
    do {                                                                                           \
        for (uint32_t round = 0; round <= (rounds); round++) {                                     \
            uint64_t begin = rdtsc();                                                              \
            statement;                                                                             \
            took[round ? round - 1 : 0] = (uint32_t)(rdtsc() - begin);                             \
        }                                                                                          \
        report(name, median(took, rounds));                                                        \
    } while (0)

static _Noreturn void fatal(const char *text)
{
    serial_text("bench: FAILED: ");
    serial_text(text);
    serial_text("\r\n");
    power_off();
}

static uint8_t wait_ready(void)
{
    uint8_t status = ide_wait();

    if (status & STATUS_ERROR) {
        fatal("IDE error");
    }
    return status;
}

/* Without a look at the status before it: each access counts here. */
static void issue(uint8_t command, uint8_t sectors)
{
    outb(IDE_DEVICE, MASTER_LBA);
    outb(IDE_COUNT, sectors);
    outb(IDE_LBA0, 1);
    outb(IDE_LBA1, 0);
    outb(IDE_LBA2, 0);
    outb(IDE_COMMAND, command);
}

static void read_pio(uint8_t command, uint32_t sectors, uint32_t block)
{
    uint8_t *to = data;

    issue(command, (uint8_t)sectors);
    for (uint32_t done = 0; done < sectors; done += block) {
        if (!(wait_ready() & STATUS_DRQ)) {
            fatal("no DRQ");
        }
        rep_insw(IDE_DATA, to, block * SECTOR_WORDS);
        to += block * SECTOR_WORDS * 2;
    }
    wait_ready();
}

/* The string transfer alone: one command of many sectors, only the insw is timed. */
static void measure_insw(void)
{

    issue(READ_SECTORS, ROUNDS);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t begin;

        wait_ready();
        begin = rdtsc();
        rep_insw(IDE_DATA, data, SECTOR_WORDS);
        took[round] = (uint32_t)(rdtsc() - begin);
    }
    wait_ready();
    report("insw_sector", median(took, ROUNDS));
}

static void read_dma(uint16_t base, uint32_t sectors)
{
    prd[0] = (uint32_t)data;
    prd[1] = 0x80000000u | (sectors * 512 & 0xffff);
    outb(base, 0);
    outl((uint16_t)(base + 4), (uint32_t)prd);
    outb((uint16_t)(base + 2), 6);
    issue(READ_DMA, (uint8_t)sectors);
    outb(base, 9);
    while (inb((uint16_t)(base + 2)) & 1) { /* active; nIEN keeps the interrupt bit off */
    }
    outb(base, 0);
    wait_ready();
}

static void measure_ide(void)
{
    uint32_t slot, function;
    uint16_t base;

    outb(IDE_CONTROL, 2); /* no interrupts */
    measure_insw();
    MEASURE_N("pio_sector", LONG_ROUNDS, read_pio(READ_SECTORS, 1, 1));
    MEASURE_N("pio_64k", LONG_ROUNDS, read_pio(READ_SECTORS, 128, 1));
    outb(IDE_DEVICE, MASTER_LBA);
    outb(IDE_COUNT, 16);
    outb(IDE_COMMAND, SET_MULTIPLE);
    wait_ready();
    MEASURE_N("pio_multiple_64k", LONG_ROUNDS, read_pio(READ_MULTIPLE, 128, 16));
    if (!pci_find_class(0x0101, &slot, &function)) {
        fatal("no IDE controller");
    }
    base = (uint16_t)(pci_read(slot, function, 0x20) & 0xfffc);
    pci_write(slot, function, 4, pci_read(slot, function, 4) | 5);
    MEASURE_N("dma_4k", LONG_ROUNDS, read_dma(base, 8));
    MEASURE_N("dma_64k", LONG_ROUNDS, read_dma(base, 128));
}

static void vga_write(uint16_t port, uint8_t index, uint8_t value)
{
    outb(port, index);
    outb((uint16_t)(port + 1), value);
}

static void measure_vga(void)
{
    volatile uint8_t *planes = (volatile uint8_t *)0xa0000;
    volatile uint16_t *vbe;
    uint32_t slot, function;

    if (!pci_find_class(0x0300, &slot, &function)) {
        return;
    }
    pci_write(slot, function, 4, pci_read(slot, function, 4) | 2);
    vbe = (volatile uint16_t *)((pci_read(slot, function, 0x18) & ~15u) + 0x500);
    if ((uint32_t)vbe > 0x1000) {
        MEASURE("mmio_read", (void)vbe[0]);
        MEASURE("mmio_write", vbe[5] = 0);
    }
    vga_write(0x3c4, 2, 0x0f); /* all planes */
    vga_write(0x3c4, 4, 0x06); /* planar, 256 KiB */
    vga_write(0x3ce, 5, 0x00); /* write mode 0 */
    vga_write(0x3ce, 6, 0x05); /* graphics at A0000, 64 KiB */
    vga_write(0x3ce, 8, 0xff);
    MEASURE("vga_write", planes[round & 0xff] = (uint8_t)round);
    MEASURE("vga_read", (void)planes[round & 0xff]);
}

void payload_main(void)
{
    serial_text("bench: begin\r\n");
    for (uint32_t i = 0; i < WARM_UP; i++) { /* schedulers and the model's polling settle */
        inb(IDE_COMMAND);
    }
    MEASURE("tsc", (void)0);
    MEASURE("port_read_xen", (void)inb(0x21));
    MEASURE("port_read", (void)inb(IDE_COMMAND));
    MEASURE("port_write", outb(IDE_LBA0, (uint8_t)round));
    MEASURE("serial_read", (void)inb(COM1 + 5));
    MEASURE("pci_config_read", (void)pci_read(1, 0, 0));
    measure_ide();
    measure_vga();
    serial_text("bench: end\r\n");
}
