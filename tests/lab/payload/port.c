/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload port: the guest's side of tests/bench/null_dm.c, which attaches to this domain while it
 * waits. Checks every form of access that an ioreq server can meet, on one vCPU and on all of them,
 * the replacement of a mapped frame, and measures a read.
 *
 * Prints "port: ready", one line per check that failed, lines "name value", then "port: passed" or
 * "port: FAILED".
 */
#include "payload.h"

#define THERE       0x560
#define END         0x561
#define COUNT       0x564
#define STRING      0x568
#define SUM         0x56c
#define BUFFERED    0x570
#define HELD        0x578
#define MEMORY      0xe0000000u
#define VGA         0xa0000u
#define RAM         0x300000u
#define ICR_LOW     0xfee00300u
#define OTHERS_INIT 0x000c4500u
#define OTHERS_SIPI 0x000c4608u /* start at 0x8000 */
#define AP_CODE     0x8000u
#define AP_STARTED  0x9000u
#define AP_DONE     0x9002u
#define AP_BAD      0x9004u
#define AP_READS    2000u
#define HYPERCALLS  0x310000u /* page of Xen's entry stubs */
#define BALLOON     0x380000u /* frame that is given up and taken back */
#define MEMORY_OP   12u
#define DECREASE    1u
#define POPULATE    6u
#define DOMID_SELF  0x7ff0u
#define ROUNDS      200u
#define WARM_UP     3000u

/* Other vCPUs: read the counting port AP_READS times; each value must be above the one before. */
__asm__("        .pushsection .rodata\n"
        "        .code16\n"
        "ap_begin:\n"
        "        cli\n"
        "        xorw %ax, %ax\n"
        "        movw %ax, %ds\n"
        "        lock incw 0x9000\n"
        "        movw $2000, %cx\n"
        "        xorl %ebx, %ebx\n"
        "        movw $0x564, %dx\n"
        "1:      inl %dx, %eax\n"
        "        cmpl %ebx, %eax\n"
        "        jbe 3f\n"
        "        movl %eax, %ebx\n"
        "        loop 1b\n"
        "        lock incw 0x9002\n"
        "2:      hlt\n"
        "        jmp 2b\n"
        "3:      lock incw 0x9004\n"
        "        jmp 2b\n"
        "ap_end:\n"
        "        .code32\n"
        "        .popsection\n");
extern const uint8_t ap_begin[], ap_end[];

static uint32_t failures;

static void check(bool good, const char *what)
{
    if (good) {
        return;
    }
    failures++;
    serial_text("port: FAILED ");
    serial_text(what);
    serial_text("\r\n");
}

static void string_in(bool down, uint32_t size, uint32_t to, uint32_t count)
{
    if (down) {
        __asm__ volatile("std");
    }
    if (size == 1) {
        __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(STRING) : "memory");
    } else if (size == 2) {
        __asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(STRING) : "memory");
    } else {
        __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(STRING) : "memory");
    }
    __asm__ volatile("cld");
}

static uint32_t element_at(uint32_t at, uint32_t size)
{
    uint32_t value = 0;

    for (uint32_t i = 0; i < size; i++) {
        value |= (uint32_t)((volatile uint8_t *)at)[i] << (8 * i);
    }
    return value;
}

static uint32_t mask(uint32_t size)
{
    return size == 4 ? 0xffffffffu : (1u << (8 * size)) - 1;
}

/* Starts that are odd make elements straddle pages; 3000 elements cross several. */
static void check_string_in(void)
{
    for (uint32_t size = 1; size <= 4; size *= 2) {
        for (uint32_t down = 0; down < 2; down++) {
            uint32_t first = down ? RAM + 0x5001 : RAM + 0xffd, bad = 0;

            outl(SUM, 0);
            string_in(down, size, first, 3000);
            for (uint32_t i = 0; i < 3000; i++) {
                uint32_t at = down ? first - i * size : first + i * size;

                bad += element_at(at, size) != (i & mask(size));
            }
            check(!bad, down ? "string input downward" : "string input");
        }
    }
}

static void check_string_out(void)
{
    volatile uint16_t *words = (volatile uint16_t *)(RAM + 0xfff);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 3000; i++) {
        words[i] = (uint16_t)(i * 7 + 1);
        sum += (uint16_t)(i * 7 + 1);
    }
    outl(SUM, 0);
    rep_outsw(STRING, (const void *)words, 3000);
    check(inl(SUM) == sum, "string output");
}

static void check_ports(void)
{
    uint32_t first = inl(COUNT);

    check(inl(COUNT) == first + 1, "dword read");
    check(inw(COUNT) == ((first + 2) & 0xffff), "word read");
    check(inb(COUNT) == ((first + 3) & 0xff), "byte read");
    check(inb(HELD) == 0x77, "held read");
    check(inb(0x57f) == 0xff, "read of nothing");
    check(inl(0x57e) == 0xffffffff, "read that leaves the range");
}

static void check_memory(void)
{
    volatile uint32_t *device = (volatile uint32_t *)MEMORY;
    uint32_t bad = 0, to, from, count;

    device[0] = 0x11223344;
    check(device[0] == 0x11223344, "dword in memory");
    check(((volatile uint8_t *)MEMORY)[2] == 0x22, "byte in memory");
    *(volatile uint16_t *)(MEMORY + 1) = 0xaabb;
    check(device[0] == 0x11aabb44, "unaligned word");
    *(volatile uint32_t *)(MEMORY + 0xffe) = 0x55667788;
    check(*(volatile uint32_t *)(MEMORY + 0xffe) == 0x55667788, "dword across pages");
    __asm__ volatile("xchgl %0, %1" : "+r"(bad), "+m"(device[0]));
    check(bad == 0x11aabb44 && device[0] == 0, "exchange");
    bad = 0;
    for (uint32_t i = 0; i < 0x3000; i += 4) {
        *(volatile uint32_t *)(RAM + i) = i ^ 0x5a5a0000;
    }
    to = MEMORY + 0x0ffc, from = RAM, count = 0xc00;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    to = RAM + 0x8000, from = MEMORY + 0x0ffc, count = 0xc00;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    for (uint32_t i = 0; i < 0x3000; i += 4) {
        bad += *(volatile uint32_t *)(RAM + 0x8000 + i) != (i ^ 0x5a5a0000);
    }
    check(!bad, "string copy to memory and back");
    to = MEMORY + 0x4000, count = 0x800;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0x01020304) : "memory");
    check(device[0x1000] == 0x01020304 && device[0x17ff] == 0x01020304 && device[0x1800] == 0,
          "string store");
    from = MEMORY + 0x4004, to = MEMORY + 0x6004, count = 2;
    __asm__ volatile("std; rep movsl; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    check(device[0x1801] == 0x01020304 && device[0x1800] == 0x01020304, "copy inside, downward");
}

static void check_buffered(void)
{
    volatile uint8_t *window = (volatile uint8_t *)VGA;
    uint32_t before = inl(BUFFERED), bad = 0;

    for (uint32_t i = 0; i < 4000; i++) {
        window[i] = (uint8_t)(i * 3 + 1);
    }
    for (uint32_t i = 0; i < 4000; i++) {
        bad += window[i] != (uint8_t)(i * 3 + 1);
    }
    check(!bad, "writes to the VGA window");
    *(volatile uint32_t *)(VGA + 0x1fffc) = 0xcafe1234;
    check(*(volatile uint32_t *)(VGA + 0x1fffc) == 0xcafe1234, "dword at the window's end");
    check(inl(BUFFERED) - before > 3000, "buffering of these writes");
    report("buffered_entries", inl(BUFFERED) - before);
}

/* struct xen_memory_reservation as a 32-bit guest lays it out. */
struct reservation {
    uint32_t frames, nr, order, flags;
    uint16_t domid;
};

static int32_t memory_op(uint32_t op, struct reservation *r)
{
    int32_t result;
    uint32_t arg = (uint32_t)r;

    __asm__ volatile("call *%4"
                     : "=a"(result), "+b"(op), "+c"(arg)
                     : "0"(0), "r"(HYPERCALLS + 32 * MEMORY_OP)
                     : "edx", "esi", "edi", "memory");
    return result;
}

/* A frame whose mapping the device model holds is replaced by another: Xen tells it to drop what it
 * has mapped, or its data would land in the old one. */
static void check_balloon(void)
{
    uint32_t frame = BALLOON >> 12, bad = 0;
    struct reservation r = { (uint32_t)&frame, 1, 0, 0, DOMID_SELF };

    __asm__ volatile("wrmsr" : : "c"(0x40000000), "a"(HYPERCALLS), "d"(0) : "memory");
    outl(SUM, 0);
    rep_insw(STRING, (void *)BALLOON, 256);
    check(memory_op(DECREASE, &r) == 1, "giving up a frame");
    check(memory_op(POPULATE, &r) == 1, "taking a frame");
    outl(SUM, 0);
    rep_insw(STRING, (void *)BALLOON, 256);
    for (uint32_t i = 0; i < 256; i++) {
        bad += ((volatile uint16_t *)BALLOON)[i] != i;
    }
    check(!bad, "string input to a new frame");
}

/* All vCPUs read one port together; no read may be lost, doubled or answered twice. */
static void check_vcpus(void)
{
    volatile uint16_t *started = (volatile uint16_t *)AP_STARTED;
    volatile uint16_t *done = (volatile uint16_t *)AP_DONE;
    uint32_t first, last, mine = 0, value = 0;

    for (uint32_t i = 0; ap_begin + i < ap_end; i++) {
        ((volatile uint8_t *)AP_CODE)[i] = ap_begin[i];
    }
    started[0] = started[1] = started[2] = 0;
    first = inl(COUNT);
    *(volatile uint32_t *)ICR_LOW = OTHERS_INIT;
    for (uint32_t i = 0; i < 100; i++) {
        inb(0x80);
    }
    *(volatile uint32_t *)ICR_LOW = OTHERS_SIPI;
    do {
        last = value ? value : first;
        value = inl(COUNT);
        check(value > last, "order of reads");
        mine++;
    } while ((mine < AP_READS || done[0] < started[0]) && !started[2] && mine < 1000000);
    check(done[0] == started[0] && !started[2], "reads on other vCPUs");
    check(inl(COUNT) - first == mine + started[0] * AP_READS + 1, "number of reads");
    report("other_vcpus", started[0]);
}

static uint32_t took[ROUNDS];

static void measure(void)
{
    uint64_t begin;

    for (uint32_t i = 0; i < WARM_UP; i++) {
        inl(COUNT);
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        begin = rdtsc();
        inl(COUNT);
        took[i] = (uint32_t)(rdtsc() - begin);
    }
    report("null_port_read", median(took, ROUNDS));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        begin = rdtsc();
        rep_insw(STRING, (void *)RAM, 256);
        took[i] = (uint32_t)(rdtsc() - begin);
    }
    report("null_insw_sector", median(took, ROUNDS));
}

void payload_main(void)
{
    serial_text("port: ready\r\n");
    while (inb(THERE) != 0x5a) {
    }
    check_ports();
    check_string_in();
    check_string_out();
    check_memory();
    check_buffered();
    check_balloon();
    measure();
    check_vcpus();
    outb(END, 0);
    serial_text(failures ? "port: FAILED\r\n" : "port: passed\r\n");
    power_off();
}
