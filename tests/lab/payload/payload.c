/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Common part of the bare-metal payloads, see payload.h.
 */
#include "payload.h"

__attribute__((section(".entry"), used, noreturn)) void payload_entry(void);

void payload_entry(void)
{
    payload_main();
    power_off();
}

void serial_text(const char *text)
{
    for (; *text; text++) {
        while (!(inb(COM1 + 5) & 0x20)) {
        }
        outb(COM1, (uint8_t)*text);
    }
}

void serial_decimal(uint32_t value)
{
    char text[11];
    char *at = &text[10];

    *at = 0;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    serial_text(at);
}

void serial_hex(uint32_t value)
{
    static const char digits[] = "0123456789abcdef";
    char text[9];

    for (int i = 0; i < 8; i++) {
        text[i] = digits[(value >> (28 - 4 * i)) & 15];
    }
    text[8] = 0;
    serial_text(text);
}

void report(const char *name, uint32_t value)
{
    serial_text(name);
    serial_text(" ");
    serial_decimal(value);
    serial_text("\r\n");
}

uint32_t median(uint32_t *values, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint32_t value = values[i], at = i;

        for (; at && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
    return values[n / 2];
}

static uint32_t pci_address(uint32_t slot, uint32_t function, uint32_t offset)
{
    return 0x80000000u | slot << 11 | function << 8 | (offset & 0xfc);
}

uint32_t pci_read(uint32_t slot, uint32_t function, uint32_t offset)
{
    outl(PCI_ADDRESS, pci_address(slot, function, offset));
    return inl(PCI_DATA);
}

void pci_write(uint32_t slot, uint32_t function, uint32_t offset, uint32_t value)
{
    outl(PCI_ADDRESS, pci_address(slot, function, offset));
    outl(PCI_DATA, value);
}

bool pci_find_class(uint16_t class_code, uint32_t *slot, uint32_t *function)
{
    for (uint32_t s = 0; s < 32; s++) {
        for (uint32_t f = 0; f < 8; f++) {
            if (pci_read(s, f, 0) != 0xffffffff && pci_read(s, f, 8) >> 16 == class_code) {
                *slot = s;
                *function = f;
                return true;
            }
        }
    }
    return false;
}

void idle(void)
{
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
    for (;;) {
        /* With interrupts off, Xen takes a halted guest for one that has powered off. */
        __asm__ volatile("sti; hlt");
    }
}

void power_off(void)
{
    serial_text("payload: power off\r\n");
    outw(PM1A_CONTROL, PM1A_SLEEP_ENABLE);
    idle();
}
