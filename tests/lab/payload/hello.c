/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload hello: proves that the BIOS read the disk and that COM1 works, lists the PCI
 * functions, powers off.
 */
#include "payload.h"

void payload_main(void)
{
    serial_text("payload: hello\r\n");
    for (uint32_t slot = 0; slot < 32; slot++) {
        for (uint32_t function = 0; function < 8; function++) {
            uint32_t id = pci_read(slot, function, 0);

            if (id != 0xffffffff) {
                serial_text("pci ");
                serial_hex(slot << 8 | function);
                serial_text(" ");
                serial_hex(id);
                serial_text("\r\n");
            }
        }
    }
}
