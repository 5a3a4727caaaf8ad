/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_domain_vm - what QMP and the control socket get from a machine: state dumps, and CD-ROM
 * drives that the guest locks.
 *
 * The board: host bridge, IDE function with a hard disk and an empty CD-ROM drive, serial port.
 */
#include "tests/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/storage/ide_media.h"
#include "tests/image.h"
#include "toolstack/domain_private.h"

extern const struct device_ops i440fx_ops, piix3_ide_ops, uart16550_ops;

enum { IDE_DEVFN = 1 << 3 | 1, CD = 2 }; /* the CD's place: secondary master */

static const char cd_id[] = "ide-5632";

struct fixture {
    struct image *image;
    struct bench *b;
    struct config config;
    struct domain d;
    struct error e;
};

static bool dirty_log;

static void set_log_dirty(struct hv *hv, bool on)
{
    (void)hv;
    dirty_log = on;
}

static int setup(void **state)
{
    struct device_row rows[] = {
        { .ops = &i440fx_ops, .devfn = 0 },
        { .ops = &piix3_ide_ops,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .devfn = IDE_DEVFN },
        { .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 } },
    };
    struct fixture *f = calloc(1, sizeof *f);
    void *image;

    image_setup(&image);
    f->image = image;
    rows[1].host.disk[0] = bench_disk_new(1 << 20, false);
    rows[1].host.cdrom[CD] = true;
    f->b = bench_new(rows, ARRAY_SIZE(rows));
    f->config.ndisks = 2;
    f->config.disks[0] = (struct config_disk){ .bus = CONFIG_BUS_IDE, .id = "ide-768" };
    f->config.disks[1] =
        (struct config_disk){ .bus = CONFIG_BUS_IDE, .channel = 1, .cdrom = true, .id = cd_id };
    f->d = (struct domain){ .config = &f->config,
                            .loop = f->image->l,
                            .hv = f->b->hv,
                            .arena = f->b->arena,
                            .m = f->b->m };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *image = f->image;

    bench_free(f->b);
    block_close(f->d.pc.disk[CD]);
    free(f);
    return image_teardown(&image);
}

/* ---- meter, trace ---- */

static void accesses_are_counted_and_traced(void **state)
{
    struct fixture *f = *state;
    struct vm_register r;
    const char *device;
    unsigned i = 0;

    assert_false(domain_vm_ops.metered(&f->d, 0, &r));
    assert_int_equal(domain_vm_ops.meter(&f->d, true, &f->e), 0);
    bench_outb(f->b, 0x3fb, 3);
    while (domain_vm_ops.metered(&f->d, i++, &r) && strcmp(r.device, "uart16550"))
        ;
    assert_string_equal(r.region, "uart");
    assert_string_equal(r.name, "LCR");
    assert_int_equal(r.writes, 1);
    assert_true(domain_vm_ops.meter_ns(&f->d) > 0);
    assert_int_equal(domain_vm_ops.meter(&f->d, false, &f->e), 0);

    assert_int_equal(domain_vm_ops.trace(&f->d, "tape", true, &f->e), -ENOENT);
    assert_false(domain_vm_ops.traced(&f->d, 0, &device));
    assert_int_equal(domain_vm_ops.trace(&f->d, "uart*,tape", true, &f->e), 0);
    assert_true(domain_vm_ops.traced(&f->d, 0, &device));
    assert_string_equal(device, "uart16550");
    assert_false(domain_vm_ops.traced(&f->d, 1, &device));
    assert_int_equal(domain_vm_ops.trace(&f->d, "*", false, &f->e), 0);
}

/* ---- dump ---- */

/* Writes what comes as "name.instance", each before the fields it announces. */
struct listing {
    struct vm_dump sink; /* first member */
    char text[512];
    unsigned fields; /* of the last device */
    uint8_t config[256];
};

static void list_device(struct vm_dump *sink, const char *name, unsigned instance)
{
    struct listing *l = (struct listing *)sink;
    size_t n = strlen(l->text);

    snprintf(l->text + n, sizeof l->text - n, "%s.%u ", name, instance);
    l->fields = 0;
}

static void list_field(struct vm_dump *sink, const struct state_field *field, const void *record)
{
    struct listing *l = (struct listing *)sink;

    l->fields++;
    if (strcmp(field->name, "config") == 0) {
        assert_int_equal(field->count, sizeof l->config);
        for (uint32_t i = 0; i < sizeof l->config; i++)
            l->config[i] = (uint8_t)state_get(record, field, i);
    }
}

static void list(struct fixture *f, struct listing *l, const char *name)
{
    *l = (struct listing){ .sink = { list_device, list_field } };
    assert_int_equal(domain_vm_ops.dump(&f->d, name, &l->sink, &f->e), 0);
    assert_true(l->fields > 0);
}

static void every_device_and_its_configuration_space(void **state)
{
    struct fixture *f = *state;
    struct listing l;

    list(f, &l, NULL);
    assert_string_equal(l.text, "pci.0 piix3_ide.0 piix3_ide.1 pci.9 uart16550.0 ");
}

static void one_device(void **state)
{
    static const struct {
        const char *name, *want;
        uint32_t id; /* vendor and device in the last configuration space; 0: there is none */
    } rows[] = {
        { "i440fx", "pci.0 ", 0x12378086 }, /* has no other state */
        { "piix3_ide", "piix3_ide.0 piix3_ide.1 pci.9 ", 0x70108086 },
        { "pci", "pci.0 pci.9 ", 0x70108086 },
        { "uart16550", "uart16550.0 ", 0 },
    };
    struct fixture *f = *state;
    struct listing l;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        list(f, &l, rows[i].name);
        assert_string_equal(l.text, rows[i].want);
        assert_int_equal(le32(l.config), rows[i].id);
    }
    assert_int_equal(domain_vm_ops.dump(&f->d, "stdvga", &l.sink, &f->e), -ENOENT);
    assert_non_null(strstr(f->e.text, "stdvga"));
}

static void configuration_space_is_the_present_one(void **state)
{
    struct fixture *f = *state;
    struct listing l;

    bench_cfg_write(f->b, IDE_DEVFN, 0x20, 4, 0xc001);
    list(f, &l, "piix3_ide");
    assert_int_equal(le32(l.config + 0x20), 0xc001);
}

static void dirty_log_reaches_the_port(void **state)
{
    const struct hv_ops ops = { .set_log_dirty = set_log_dirty };
    struct hv hv = { &ops };
    struct fixture *f = *state;

    f->d.hv = &hv;
    assert_int_equal(domain_vm_ops.dirty_log(&f->d, true, &f->e), 0);
    assert_true(dirty_log);
    assert_int_equal(domain_vm_ops.dirty_log(&f->d, false, &f->e), 0);
    assert_false(dirty_log);
}

/* ---- CD-ROM drives ---- */

static struct ide_tray tray(struct fixture *f)
{
    struct ide_tray t;

    assert_int_equal(ide_tray(machine_find(f->d.m, "piix3_ide", 0), CD, &t, &f->e), 0);
    return t;
}

/* A packet command without data, by the guest. */
static void guest_packet(struct fixture *f, unsigned opcode, unsigned byte4)
{
    bench_outb(f->b, 0x176, 0xa0);
    bench_outb(f->b, 0x171, 0);
    bench_outb(f->b, 0x177, 0xa0);
    for (unsigned i = 0; i < 6; i++)
        bench_outw(f->b, 0x170, i == 0 ? opcode : i == 2 ? byte4 : 0);
}

static void guest_locks(struct fixture *f)
{
    guest_packet(f, 0x00, 0); /* takes a unit attention */
    guest_packet(f, 0x1e, 1);
    assert_true(tray(f).locked);
}

static int insert(struct fixture *f)
{
    int fd = open(f->image->path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return domain_vm_ops.change_medium(&f->d, cd_id, fd, f->image->path, "raw", &f->e);
}

static int eject(struct fixture *f, bool force)
{
    return domain_vm_ops.eject(&f->d, cd_id, force, &f->e);
}

static void cd_comes_and_goes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(insert(f), 0);
    assert_ptr_equal(tray(f).medium, f->d.pc.disk[CD]);
    assert_false(tray(f).open);
    assert_int_equal(insert(f), 0); /* one for another */
    assert_ptr_equal(tray(f).medium, f->d.pc.disk[CD]);
    assert_int_equal(eject(f, false), 0);
    assert_null(tray(f).medium);
    assert_int_equal(image_flags(f->image->path), -1); /* closed, both times */
    assert_int_equal(eject(f, false), 0);
    assert_int_equal(domain_vm_ops.eject(&f->d, "ide-768", false, &f->e), -EINVAL);
    assert_int_equal(domain_vm_ops.eject(&f->d, "ide-832", false, &f->e), -ENODEV);
}

static void locked_medium_stays(void **state)
{
    struct fixture *f = *state;
    struct block *medium;

    assert_int_equal(insert(f), 0);
    medium = f->d.pc.disk[CD];
    guest_locks(f);
    assert_int_equal(eject(f, false), -EBUSY);
    assert_non_null(strstr(f->e.text, "locked"));
    assert_int_equal(insert(f), -EBUSY);
    assert_ptr_equal(tray(f).medium, medium);
    assert_ptr_equal(f->d.pc.disk[CD], medium);
    guest_packet(f, 0x1e, 0); /* what the guest does when it hears of the wish */
    guest_packet(f, 0x1b, 2);
    assert_int_equal(eject(f, false), 0);
    assert_int_equal(insert(f), 0);
    guest_locks(f);
    assert_int_equal(eject(f, true), 0);
    assert_null(tray(f).medium);
}

/* xl cd-insert is eject, then change; the guest is quicker. */
static void guest_locks_the_empty_drive(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(insert(f), 0);
    assert_int_equal(eject(f, false), 0);
    guest_packet(f, 0x1b, 3); /* closes the tray */
    guest_locks(f);
    assert_false(tray(f).open);
    assert_int_equal(eject(f, false), 0);
    guest_packet(f, 0x1b, 3);
    assert_false(tray(f).open);
    assert_int_equal(insert(f), 0);
    assert_non_null(tray(f).medium);
    assert_false(tray(f).open);
}

static void bad_image_costs_nothing(void **state)
{
    struct fixture *f = *state;
    struct block *medium;
    int fd;

    assert_int_equal(insert(f), 0);
    medium = f->d.pc.disk[CD];
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(domain_vm_ops.change_medium(&f->d, cd_id, fd, "/x", "raw", &f->e) < 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(domain_vm_ops.change_medium(&f->d, "ide-1", fd, "/x", "raw", &f->e), -ENODEV);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_ptr_equal(tray(f).medium, medium);
}

/* XSA-258: a change without a format means raw, whatever the medium's first sector says; one that
 * names another format is refused. Guards change_medium(). */
static void xsa258_medium_without_a_format_is_raw(void **state)
{
    static const uint8_t qcow2[512] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
    struct fixture *f = *state;
    int fd = open(f->image->path, O_RDWR | O_CLOEXEC);
    uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);

    assert_int_equal(pwrite(fd, qcow2, sizeof qcow2, 0), sizeof qcow2);
    assert_int_equal(domain_vm_ops.change_medium(&f->d, cd_id, fd, f->image->path, NULL, &f->e), 0);
    assert_int_equal(tray(f).medium->size, size);
    fd = open(f->image->path, O_RDONLY | O_CLOEXEC);
    assert_true(domain_vm_ops.change_medium(&f->d, cd_id, fd, f->image->path, "qcow2", &f->e) < 0);
    assert_non_null(strstr(f->e.text, "qcow2"));
    assert_int_equal(tray(f).medium->size, size);
}

/* XSA-266 (CVE-2018-12892), XSA-142: a medium that comes by QMP with a descriptor that could write
 * is read-only all the same, below the device. Guards change_medium() and the block layer. */
static void xsa266_medium_by_qmp_is_read_only(void **state)
{
    struct fixture *f = *state;
    struct block *medium;

    for (unsigned writable = 0; writable < 2; writable++) {
        uint8_t sector[512] = { 1 };
        struct iovec iov = { sector, sizeof sector };
        struct block_req r = { .op = BLOCK_WRITE, .length = 512, .iov = &iov, .niov = 1 };
        int fd = open(f->image->path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);

        assert_int_equal(
            domain_vm_ops.change_medium(&f->d, cd_id, fd, f->image->path, "raw", &f->e), 0);
        medium = tray(f).medium;
        assert_true(medium->read_only);
        assert_true(block_submit(medium, &r));
        assert_true(r.result < 0);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(accesses_are_counted_and_traced),
        T(every_device_and_its_configuration_space),
        T(one_device),
        T(configuration_space_is_the_present_one),
        T(dirty_log_reaches_the_port),
        T(cd_comes_and_goes),
        T(locked_medium_stays),
        T(guest_locks_the_empty_drive),
        T(bad_image_costs_nothing),
        T(xsa258_medium_without_a_format_is_raw),
        T(xsa266_medium_by_qmp_is_read_only),
    };

    return cmocka_run_group_tests_name("domain_vm", tests, NULL, NULL);
}
