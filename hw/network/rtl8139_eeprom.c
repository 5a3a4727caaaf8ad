/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139_eeprom - the serial EEPROM behind 9346CR, 64 words.
 *
 * Datasheet: Microchip 93C46B (DS21794), organisation 64 x 16; contents: RTL8139C+, section "EEPROM
 *            (93C46 or 93C56) Contents".
 * Present:   all seven commands, sequential read, auto-load.
 * Absent:    the time that writing takes; what is written lasts until the machine is reset.
 */
#include "hw/network/rtl8139.h"

enum { OP_EXTENDED, OP_WRITE, OP_READ, OP_ERASE };
enum { EXTENDED_EWDS, EXTENDED_WRAL, EXTENDED_ERAL, EXTENDED_EWEN };
enum { WORD_ID = 0, WORD_MAC = 7, WORD_CONFIG1 = 10, EE_ID = 0x8129 };
enum { CONFIG1_DEFAULT = 0x0c, CONFIG3_DEFAULT = 0x01 }; /* both BARs; fast back-to-back */

void rtl8139_eeprom_reset(struct device *d)
{
    struct rtl8139_state *s = d->state;
    const struct pci_desc *pci = d->ops->pci;
    const uint8_t *mac = d->host.mac;

    s->ee_word[WORD_ID] = EE_ID;
    s->ee_word[1] = pci->vendor;
    s->ee_word[2] = pci->device;
    s->ee_word[3] = pci->subsystem_vendor;
    s->ee_word[4] = pci->subsystem;
    s->ee_word[5] = 0x4020; /* MXLAT, MNGNT */
    s->ee_word[6] = CONFIG3_DEFAULT << 8;
    for (unsigned i = 0; i < 3; i++)
        s->ee_word[WORD_MAC + i] = le16(mac + (size_t)2 * i);
    s->ee_word[WORD_CONFIG1] = CONFIG1_DEFAULT << 8;
    s->ee_do = 1;
}

void rtl8139_eeprom_load(struct rtl8139_state *s)
{
    s->IDR0 = s->ee_word[WORD_MAC] | (uint32_t)s->ee_word[WORD_MAC + 1] << 16;
    s->IDR4 = s->ee_word[WORD_MAC + 2];
    s->CONFIG1 = (uint8_t)(s->ee_word[WORD_CONFIG1] >> 8);
    s->CONFIG3 = (uint8_t)(s->ee_word[6] >> 8);
    s->CONFIG4 = 0;
    s->CONFIG5 = 0;
}

/* All eight bits behind the start bit are there. */
static void decode(struct rtl8139_state *s)
{
    unsigned extended = s->ee_shift >> 4 & 3;

    s->ee_op = (uint8_t)(s->ee_shift >> 6 & 3);
    s->ee_at = s->ee_shift & (EE_WORDS - 1);
    s->ee_bits = 0;
    s->ee_state = EE_DONE;
    if (s->ee_op == OP_READ) {
        s->ee_state = EE_READ;
        s->ee_do = 0; /* in front of the first bit */
    } else if (s->ee_op == OP_WRITE || (s->ee_op == OP_EXTENDED && extended == EXTENDED_WRAL)) {
        s->ee_state = EE_DATA;
    } else if (s->ee_op == OP_EXTENDED && extended == EXTENDED_EWEN) {
        s->ee_enabled = 1;
    } else if (s->ee_op == OP_EXTENDED && extended == EXTENDED_EWDS) {
        s->ee_enabled = 0;
    }
}

/* The clock rises. */
static void clock_in(struct rtl8139_state *s, bool bit)
{
    switch (s->ee_state) {
    case EE_IDLE:
        if (bit)
            s->ee_state = EE_COMMAND;
        s->ee_bits = 0;
        s->ee_shift = 0;
        break;
    case EE_COMMAND:
        s->ee_shift = (uint16_t)(s->ee_shift << 1 | bit);
        s->ee_bits = (s->ee_bits + 1) & 15;
        if (s->ee_bits == 8)
            decode(s);
        break;
    case EE_READ:
        s->ee_do = s->ee_word[s->ee_at % EE_WORDS] >> (15 - s->ee_bits) & 1;
        s->ee_bits = (s->ee_bits + 1) & 15;
        if (s->ee_bits == 0)
            s->ee_at = (uint8_t)((s->ee_at + 1) % EE_WORDS);
        break;
    case EE_DATA:
        s->ee_shift = (uint16_t)(s->ee_shift << 1 | bit);
        s->ee_bits = (s->ee_bits + 1) & 15;
        if (s->ee_bits == 0)
            s->ee_state = EE_DONE;
        break;
    default:
        break;
    }
}

/* Chip select falls: what was commanded is done now. */
static void deselect(struct rtl8139_state *s)
{
    bool store = s->ee_state == EE_DONE && s->ee_enabled;
    unsigned extended = s->ee_at >> 4;

    if (store && s->ee_op == OP_WRITE) {
        s->ee_word[s->ee_at % EE_WORDS] = s->ee_shift;
    } else if (store && s->ee_op == OP_ERASE) {
        s->ee_word[s->ee_at % EE_WORDS] = 0xffff;
    } else if (store && s->ee_op == OP_EXTENDED &&
               (extended == EXTENDED_ERAL || extended == EXTENDED_WRAL)) {
        for (unsigned i = 0; i < EE_WORDS; i++)
            s->ee_word[i] = extended == EXTENDED_ERAL ? 0xffff : s->ee_shift;
    }
    s->ee_state = EE_IDLE;
    s->ee_do = 1; /* ready */
}

void rtl8139_eeprom_pins(struct device *d, uint32_t old)
{
    struct rtl8139_state *s = d->state;

    if ((s->EECR & EECR_EEM) == EECR_AUTOLOAD) {
        rtl8139_eeprom_load(s);
        s->EECR = 0;
    }
    if ((s->EECR & EECR_EEM) != EECR_PROGRAM || !(s->EECR & EECR_EECS))
        deselect(s);
    else if ((s->EECR & EECR_EESK) && !(old & EECR_EESK))
        clock_in(s, s->EECR & EECR_EEDI);
}
