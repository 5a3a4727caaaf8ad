/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bare-metal payloads share: port and memory access, the serial port, PCI configuration,
 * time stamps and power off. Flat 32-bit mode, interrupts off, one CPU.
 *
 * Absent: 64-bit division (results must fit 32 bits), interrupts.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COM1              0x3f8
#define PCI_ADDRESS       0xcf8
#define PCI_DATA          0xcfc
#define PM1A_CONTROL      0xb004 /* where hvmloader puts the PIIX4's power management ports */
#define PM1A_SLEEP_ENABLE 0x2000
#define RESET_CONTROL     0xcf9
#define PIC1_DATA         0x21
#define PIC2_DATA         0xa1

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline void rep_insw(uint16_t port, void *to, uint32_t count)
{
    __asm__ volatile("cld; rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static inline void rep_outsw(uint16_t port, const void *from, uint32_t count)
{
    __asm__ volatile("cld; rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Quotient of 64 by 32 bits; the caller knows that it fits 32 bits. */
static inline uint32_t divide(uint64_t value, uint32_t by)
{
    uint32_t quotient, rest;

    __asm__("divl %4"
            : "=a"(quotient), "=d"(rest)
            : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "r"(by)
            : "cc");
    return quotient;
}

void serial_text(const char *text);
void serial_decimal(uint32_t value);
void serial_hex(uint32_t value);
/* One line "name value". */
void report(const char *name, uint32_t value);

/* The middle one of n values, which it sorts: a tick of somebody's clock that falls into one of
 * many measurements must not count. */
uint32_t median(uint32_t *values, uint32_t n);

uint32_t pci_read(uint32_t slot, uint32_t function, uint32_t offset);
void pci_write(uint32_t slot, uint32_t function, uint32_t offset, uint32_t value);
/* Finds the first function on bus 0 with these upper 16 bits of the class; false: none. */
bool pci_find_class(uint16_t class_code, uint32_t *slot, uint32_t *function);

/* Neither comes back. */
_Noreturn void power_off(void);
_Noreturn void idle(void);

/* What each payload supplies. */
void payload_main(void);

#endif
