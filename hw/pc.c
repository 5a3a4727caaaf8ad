/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc - the rows of the board; see pc.h.
 *
 * PCI layout that hvmloader insists on: host bridge 00.0, PIIX3 01.0, IDE 01.1, PM 01.3; then the
 * Xen platform device and the others in command-line order, each in the first free slot from 2 on
 * (guests remember slots).
 */
#include "hw/pc.h"

#include <errno.h>

#define DEVICE(name) extern const struct device_ops name##_ops;
#include "hw/devices.def"
#undef DEVICE
static const struct device_ops *const devices[] = {
#define DEVICE(name) &name##_ops,
#include "hw/devices.def"
#undef DEVICE
};
#define FUNCTION(slot, fn) ((slot) << 3 | (fn))
#define LOW_RAM_END        UINT64_C(0xf0000000) /* where RAM below 4 GiB ends at most */

static const uint16_t com_port[PC_SERIALS] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
static const uint8_t com_irq[PC_SERIALS] = { 4, 3, 4, 3 };

enum { PCI_CLASS_NETWORK = 0x02 };

/* RTC RAM indexes that SeaBIOS reads when there is no fw_cfg. */
enum { CMOS_BOOT_12 = 0x3d, CMOS_BOOT_3 = 0x38, CMOS_EQUIPMENT = 0x14 };
enum { EQUIPMENT_FPU = 0x02, EQUIPMENT_PS2_MOUSE = 0x04 };

static uint8_t boot_code(char letter)
{
    switch (letter) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

static void fill_nvram(struct pc_host *h)
{
    uint8_t order[3] = { 0 };

    for (unsigned i = 0; i < 3 && h->boot[i]; i++)
        order[i] = boot_code(h->boot[i]);
    memset(h->nvram, 0, sizeof h->nvram);
    h->nvram[CMOS_BOOT_12] = (uint8_t)(order[1] << 4 | order[0]);
    h->nvram[CMOS_BOOT_3] = (uint8_t)(order[2] << 4);
    h->nvram[CMOS_EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_PS2_MOUSE;
}

uint64_t pc_vram_gfn(uint64_t ram_bytes, uint64_t max_ram_below_4g)
{
    uint64_t low = LOW_RAM_END;

    if (max_ram_below_4g && max_ram_below_4g < low)
        low = max_ram_below_4g;
    if (ram_bytes <= low)
        return ram_bytes >> HV_PAGE_SHIFT;
    return ((UINT64_C(1) << 32) + ram_bytes - low) >> HV_PAGE_SHIFT;
}

static int add_chipset(struct machine *m, const struct pc_host *h, struct error *e)
{
    const struct device_row rows[] = {
        { .ops = &i440fx_ops, .devfn = FUNCTION(0, 0) },
        { .ops = &pciconf_ops, .base = { 0xcf8 } },
        { .ops = &piix3_ops, .devfn = FUNCTION(1, 0) },
        { .ops = &cmos_ops, .base = { 0x70 }, .host = { .nvram = h->nvram } },
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
        { .ops = &i8042_ops, .base = { 0x60, 0x64 }, .isa_irq = { 1, 12 } },
    };
    int err = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(rows) && err == 0; i++)
        err = machine_add(m, &rows[i], e);
    return err;
}

static int add_serials(struct machine *m, const struct pc_host *h, struct error *e)
{
    int err = 0;

    for (unsigned i = 0; i < PC_SERIALS && err == 0; i++) {
        const struct device_row row = { .ops = &uart16550_ops,
                                        .instance = i,
                                        .base = { com_port[i] },
                                        .isa_irq = { com_irq[i] },
                                        .host = { .chr = h->serial[i] } };

        if (h->have_serial[i])
            err = machine_add(m, &row, e);
    }
    return err;
}

static int add_ide(struct machine *m, const struct pc_host *h, struct error *e)
{
    struct device_row row = { .ops = &piix3_ide_ops,
                              .devfn = FUNCTION(1, 1),
                              .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
                              .isa_irq = { 14, 15 } };

    for (unsigned i = 0; i < PC_DISKS; i++) {
        row.host.disk[i] = h->disk[i];
        row.host.cdrom[i] = h->cdrom[i];
    }
    return machine_add(m, &row, e);
}

static int add_pm(struct machine *m, const struct pc_host *h, struct error *e)
{
    const struct device_row row = { .ops = &piix4_pm_ops,
                                    .devfn = FUNCTION(1, 3),
                                    .base = { 0xb000, 0xb2, 0xafe0, 0xaf00, 0xae00 },
                                    .isa_irq = { 9 },
                                    .host = { .vcpus = h->vcpus } };

    return h->no_acpi ? 0 : machine_add(m, &row, e);
}

static int add_platform(struct machine *m, const struct pc_host *h, struct error *e)
{
    const struct device_row row = { .ops = &xen_platform_ops, .devfn = ANY_PCI, .base = { 0x10 } };

    return h->xen_platform ? machine_add(m, &row, e) : 0;
}

static int add_pvdevice(struct machine *m, const struct pc_host *h, struct error *e)
{
    const struct device_row row = { .ops = &xen_pvdevice_ops, .devfn = ANY_PCI };

    return h->xen_pvdevice ? machine_add(m, &row, e) : 0;
}

static int add_vga(struct machine *m, const struct pc_host *h, struct error *e)
{
    const struct device_row row = {
        .ops = &stdvga_ops,
        .devfn = ANY_PCI,
        .base = { 0x3b4, 0x3c0, 0x1ce, 0xa0000 },
        .host = { .display = h->display,
                  .rom = h->vga_rom,
                  .rom_size = h->vga_rom_size,
                  .vram_bytes = h->vram_bytes,
                  .vram_gfn = h->vram_gfn },
    };

    return h->vram_bytes ? machine_add(m, &row, e) : 0;
}

/* --- Network cards. */

static bool is_nic(const struct device_ops *ops)
{
    return ops->pci && ops->pci->class_code >> 8 == PCI_CLASS_NETWORK;
}

const struct device_ops *pc_nic_model(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if (is_nic(devices[i]) && strcmp(devices[i]->name, name) == 0)
            return devices[i];
    return NULL;
}

const char *pc_nic_name(unsigned i)
{
    for (size_t k = 0; k < ARRAY_SIZE(devices); k++)
        if (is_nic(devices[k]) && i-- == 0)
            return devices[k]->name;
    return NULL;
}

void pc_nics_from(struct pc_host *h, const struct arena *a)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < a->h->nrecords && n < PC_NICS; i++) {
        const struct arena_record *r = &a->h->record[i];
        const struct device_ops *ops = pc_nic_model(r->name);

        if (ops && r->instance % (ops->state_count ? ops->state_count : 1) == 0)
            h->nic[n++].ops = ops;
        else if (n > 0 && i > 0 && h->nic[n - 1].slot == 0 && strcmp(r->name, "pci") == 0)
            h->nic[n - 1].slot = (uint8_t)(r->instance >> 3 & 31); /* it follows the card's own */
    }
}

/* Instances count the cards of one model. */
static unsigned nic_instance(const struct pc_host *h, unsigned n)
{
    unsigned instance = 0;

    for (unsigned i = 0; i < n; i++)
        instance += h->nic[i].ops == h->nic[n].ops;
    return instance;
}

struct device *pc_nic_device(struct machine *m, const struct pc_host *h, unsigned n)
{
    return h->nic[n].ops ? machine_find(m, h->nic[n].ops->name, nic_instance(h, n)) : NULL;
}

static int add_nics(struct machine *m, const struct pc_host *h, struct error *e)
{
    int err = 0;

    for (unsigned i = 0; i < PC_NICS && h->nic[i].ops && err == 0; i++) {
        const struct pc_nic *nic = &h->nic[i];
        struct device_row row = {
            .ops = nic->ops,
            .instance = nic_instance(h, i),
            .devfn = nic->slot ? FUNCTION(nic->slot, 0) : ANY_PCI,
            .host = { .net = nic->net, .rom = nic->rom, .rom_size = nic->rom_size },
        };

        memcpy(row.host.mac, nic->mac, sizeof row.host.mac);
        err = machine_add(m, &row, e);
    }
    return err;
}

/* The device that breaks on request, in builds for the lab only. */
static int add_test_fault(struct machine *m, struct error *e)
{
#ifdef HVMDM_TEST_FAULTS
    extern const struct device_ops test_fault_ops;
    const struct device_row row = { .ops = &test_fault_ops, .base = { 0xe0, 0xe4 } };

    return machine_add(m, &row, e);
#else
    (void)m;
    (void)e;
    return 0;
#endif
}

int pc_build(struct machine *m, struct pc_host *h, struct error *e)
{
    int err;

    fill_nvram(h);
    err = add_chipset(m, h, e);
    if (err == 0)
        err = add_ide(m, h, e);
    if (err == 0)
        err = add_pm(m, h, e);
    if (err == 0)
        err = add_platform(m, h, e);
    if (err == 0)
        err = add_vga(m, h, e);
    if (err == 0)
        err = add_nics(m, h, e);
    if (err == 0)
        err = add_pvdevice(m, h, e);
    if (err == 0)
        err = add_serials(m, h, e);
    if (err == 0)
        err = add_test_fault(m, e);
    return err;
}
