/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_devices - our own devices on the whole board, with interrupts, DMA and a disk that takes
 * host time. */
#include "tests/qtest/guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BRIDGE = 0, ISA_BRIDGE = 8, IDE = 9, PM = 11 };
enum { IRQ_KEYBOARD = 1, IRQ_SERIAL = 4, IRQ_IDE = 14 };
enum { SECTORS = 2048, BM = 0xc000, TABLE = 0x10000, BUFFER = 0x20000 };

static uint8_t cmos(struct guest *g, unsigned index)
{
    guest_outb(g, 0x70, index);
    return guest_inb(g, 0x71);
}

/* --- The bridges. */

GUEST_TEST(functions_are_where_firmware_looks, "")
{
    static const struct {
        unsigned devfn;
        uint32_t id;
    } there[] = { { HOST_BRIDGE, 0x12378086 }, { ISA_BRIDGE, 0x70008086 }, { IDE, 0x70108086 },
                  { PM, 0x71138086 },          { 2 << 3, 0xffffffff },     { 10, 0xffffffff } };

    for (unsigned i = 0; i < sizeof there / sizeof there[0]; i++)
        EXPECT_EQ(guest_config(g, there[i].devfn, 0), there[i].id);
    for (unsigned reg = 0x60; reg < 0x64; reg++)
        EXPECT_EQ(guest_config(g, ISA_BRIDGE, 0x60) >> (8 * (reg - 0x60)) & 0xff, 0x80);
    EXPECT_EQ(guest_config(g, IDE, 4) & 0xffff, 0);
}

GUEST_TEST(pam_and_smram_are_storage, "")
{
    for (unsigned reg = 0x59; reg < 0x60; reg++) {
        guest_outl(g, 0xcf8, 0x80000000 | reg);
        EXPECT_EQ(guest_inb(g, 0xcfc), 0);
        guest_outb(g, 0xcfc, 0x33);
        EXPECT_EQ(guest_inb(g, 0xcfc), reg == 0x59 ? 0x30 : 0x33);
    }
    guest_outl(g, 0xcf8, 0x80000072);
    EXPECT_EQ(guest_inb(g, 0xcfc), 0x02);
    guest_outb(g, 0xcfc, 0x4a);
    EXPECT_EQ(guest_inb(g, 0xcfc), 0x4a);
    guest_outb(g, 0xcf9, 6); /* reset */
    guest_outl(g, 0xcf8, 0x8000005a);
    EXPECT_EQ(guest_inb(g, 0xcfc), 0);
}

GUEST_TEST(memory_keeps_its_bytes_in_a_reset, "-m 2048")
{
    uint8_t bytes[4] = { 1, 2, 3, 4 }, back[4];

    guest_write(g, (2047ull << 20) + 0xffffc, bytes, 4);
    guest_outb(g, 0x92, 1);
    guest_read(g, (2047ull << 20) + 0xffffc, back, 4);
    EXPECT_TRUE(memcmp(bytes, back, 4) == 0);
    guest_read(g, 2048ull << 20, back, 4);
    EXPECT_EQ(back[0] | back[1] | back[2] | back[3], 0);
}

/* --- CMOS. */

GUEST_TEST(cmos_tells_memory_and_boot_order, "-m 64 -boot order=dca,once=n")
{
    EXPECT_EQ(cmos(g, 0x15) | cmos(g, 0x16) << 8, 640);
    EXPECT_EQ(cmos(g, 0x17) | cmos(g, 0x18) << 8, 63 * 1024);
    EXPECT_EQ(cmos(g, 0x34) | cmos(g, 0x35) << 8, 48 * 16);
    EXPECT_EQ(cmos(g, 0x3d), 0x04);
    EXPECT_EQ(cmos(g, 0x38), 0x00);
    guest_outb(g, 0xcf9, 6);
    EXPECT_EQ(cmos(g, 0x3d), 0x23);
    EXPECT_EQ(cmos(g, 0x38), 0x10);
    EXPECT_EQ(cmos(g, 0x12), 0);
}

/* --- Keyboard and serial port. */

GUEST_TEST(keyboard_controller_tests_itself, "")
{
    guest_intercept(g);
    guest_outb(g, 0x64, 0xaa);
    EXPECT_EQ(guest_inb(g, 0x64) & 1, 1);
    EXPECT_EQ(guest_inb(g, 0x60), 0x55);
    guest_outb(g, 0x64, 0x60); /* command byte: keyboard on, interrupt */
    guest_outb(g, 0x60, 0x41);
    guest_outb(g, 0x60, 0xff); /* reset */
    for (unsigned i = 0; i < 100 && !g->level[IRQ_KEYBOARD]; i++)
        guest_step(g, 1000000);
    EXPECT_TRUE(g->level[IRQ_KEYBOARD]);
    EXPECT_EQ(guest_inb(g, 0x60), 0xfa);
    for (unsigned i = 0; i < 1000 && !(guest_inb(g, 0x64) & 1); i++)
        guest_step(g, 1000000);
    EXPECT_EQ(guest_inb(g, 0x60), 0xaa);
}

GUEST_TEST(serial_port_hears_itself, "")
{
    guest_intercept(g);
    guest_outb(g, 0x3fb, 0x03);
    guest_outb(g, 0x3fc, 0x1a); /* loop, OUT2, RTS */
    guest_outb(g, 0x3f9, 0x01);
    guest_outb(g, 0x3f8, 'x');
    guest_step(g, 100000000);
    EXPECT_EQ(guest_inb(g, 0x3fd) & 1, 1);
    EXPECT_EQ(guest_inb(g, 0x3f8), 'x');
    EXPECT_EQ(guest_inb(g, 0x3fd) & 1, 0);
}

GUEST_TEST(serial_port_writes_a_file, "-serial file:%s/serial")
{
    char path[128], text[16] = "";
    int fd;

    guest_intercept(g);
    guest_outb(g, 0x3fc, 0x08);
    guest_outb(g, 0x3f9, 0x02);
    EXPECT_TRUE(g->level[IRQ_SERIAL]);
    for (const char *at = "hello"; *at; at++) {
        for (unsigned i = 0; i < 1000 && !(guest_inb(g, 0x3fd) & 0x20); i++)
            guest_step(g, 1000000);
        guest_outb(g, 0x3f8, (unsigned)*at);
    }
    guest_step(g, 1000000000);
    snprintf(path, sizeof path, "%s/serial", g->dir);
    fd = open(path, O_RDONLY);
    EXPECT_EQ(read(fd, text, sizeof text - 1), 5);
    close(fd);
    assert_string_equal(text, "hello");
}

/* --- IDE. */

/* A disk whose sectors begin with their number. The program opens it with the guest's start. */
static char disk_path[64], disk_arguments[128];

static int disk_setup(void **state)
{
    uint8_t sector[512] = { 0 };
    int fd;

    (void)state;
    snprintf(disk_path, sizeof disk_path, "/tmp/qtest-disk.XXXXXX");
    fd = mkstemp(disk_path);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < SECTORS; i++) {
        memcpy(sector, &i, sizeof i);
        memset(sector + 4, (int)(i & 0xff), 508);
        assert_int_equal(write(fd, sector, sizeof sector), 512);
    }
    close(fd);
    snprintf(disk_arguments, sizeof disk_arguments, "-drive file=%s,if=ide,format=raw", disk_path);
    return 0;
}

static int disk_teardown(void **state)
{
    unlink(disk_path);
    return guest_teardown(state);
}

#define DISK_TEST(name)                                                                            \
    static void name##_with(struct guest *g);                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct guest *g = guest_start(disk_arguments);                                             \
                                                                                                   \
        (void)state;                                                                               \
        name##_with(g);                                                                            \
        guest_stop(g);                                                                             \
    }                                                                                              \
    static void name##_with(struct guest *g)
#define D(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

static void wait_not_busy(struct guest *g)
{
    for (unsigned i = 0; guest_inb(g, 0x3f6) & 0x80; i++)
        EXPECT_TRUE(i < 100000);
}

static void command(struct guest *g, unsigned lba, unsigned count, unsigned what)
{
    guest_outb(g, 0x1f6, 0xe0 | lba >> 24);
    guest_outb(g, 0x1f2, count);
    guest_outb(g, 0x1f3, lba & 0xff);
    guest_outb(g, 0x1f4, lba >> 8 & 0xff);
    guest_outb(g, 0x1f5, lba >> 16 & 0xff);
    guest_outb(g, 0x1f7, what);
}

DISK_TEST(ide_identifies_a_disk)
{
    uint16_t word[256];

    guest_intercept(g);
    command(g, 0, 0, 0xec);
    wait_not_busy(g);
    EXPECT_TRUE(g->level[IRQ_IDE]);
    EXPECT_EQ(guest_inb(g, 0x1f7) & 0xc9, 0x48);
    EXPECT_TRUE(!g->level[IRQ_IDE]);
    for (unsigned i = 0; i < 256; i++)
        word[i] = guest_inw(g, 0x1f0);
    EXPECT_EQ(guest_inb(g, 0x1f7) & 0x08, 0);
    EXPECT_EQ(word[60] | word[61] << 16, SECTORS);
    EXPECT_EQ(word[49] & 0x300, 0x300); /* LBA and DMA */
    EXPECT_EQ(cmos(g, 0x12), 0xf0);
    EXPECT_EQ(cmos(g, 0x19), 47);
    EXPECT_EQ(cmos(g, 0x1b), 2); /* cylinders */
    EXPECT_EQ(cmos(g, 0x1d), 16);
    EXPECT_EQ(cmos(g, 0x23), 63);
}

DISK_TEST(ide_reads_by_programmed_io)
{
    guest_intercept(g);
    command(g, 77, 1, 0x20);
    wait_not_busy(g);
    EXPECT_EQ(guest_inb(g, 0x1f7) & 0x08, 0x08);
    EXPECT_EQ(guest_inl(g, 0x1f0), 77);
    EXPECT_EQ(guest_inl(g, 0x1f0), 77 * 0x01010101);
}

static void enable_dma(struct guest *g)
{
    guest_set_config(g, IDE, 0x20, BM);
    guest_set_config(g, IDE, 0x04, 5);
    EXPECT_EQ(guest_config(g, IDE, 0x20), BM | 1);
    /* 8259: vectors as a PC has them, the IDE's line and the cascade open. */
    guest_outb(g, 0x20, 0x11);
    guest_outb(g, 0x21, 0x08);
    guest_outb(g, 0x21, 0x04);
    guest_outb(g, 0x21, 0x01);
    guest_outb(g, 0xa0, 0x11);
    guest_outb(g, 0xa1, 0x70);
    guest_outb(g, 0xa1, 0x02);
    guest_outb(g, 0xa1, 0x01);
    guest_outb(g, 0x21, 0xfb);
    guest_outb(g, 0xa1, 0xbf);
}

/* One table of two pieces, the second one odd in place. Returns when the drive has interrupted. */
static void transfer(struct guest *g, unsigned lba, bool to_disk)
{
    static const uint32_t table[4] = { BUFFER, 512, BUFFER + 0x3000, 0x80000000 | 1536 };

    guest_write(g, TABLE, table, sizeof table);
    guest_outl(g, BM + 4, TABLE);
    guest_outb(g, BM + 2, 0x06); /* clear interrupt and error */
    guest_outb(g, BM, to_disk ? 0x00 : 0x08);
    command(g, lba, 4, to_disk ? 0xca : 0xc8);
    guest_outb(g, BM, to_disk ? 0x01 : 0x09);
    for (unsigned i = 0; !(guest_inb(g, BM + 2) & 0x04); i++)
        EXPECT_TRUE(i < 100000);
    EXPECT_EQ(guest_inb(g, BM + 2) & 0x07, 0x04);
}

DISK_TEST(ide_reads_by_bus_master)
{
    uint8_t bytes[1536];

    enable_dma(g);
    assert_string_equal(guest_ask(g, "irq_intercept_in i8259"), "OK");
    transfer(g, 300, false);
    EXPECT_TRUE(g->level[IRQ_IDE]);
    EXPECT_EQ(guest_inb(g, 0x20), 0x04); /* waiting in both controllers */
    EXPECT_EQ(guest_inb(g, 0xa0), 0x40);
    guest_outb(g, BM, 0);
    EXPECT_EQ(guest_inb(g, 0x1f7) & 0x89, 0);
    EXPECT_TRUE(!g->level[IRQ_IDE]);
    EXPECT_EQ(guest_inb(g, 0xa0), 0);
    guest_read(g, BUFFER, bytes, 512);
    EXPECT_EQ(bytes[0] | bytes[1] << 8, 300);
    EXPECT_EQ(bytes[511], 300 & 0xff);
    guest_read(g, BUFFER + 0x3000, bytes, 1536);
    EXPECT_EQ(bytes[1024] | bytes[1025] << 8, 303);
}

DISK_TEST(ide_writes_by_bus_master)
{
    uint8_t bytes[2048], back[2048];
    int fd;

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 13 + i / 512);
    enable_dma(g);
    guest_write(g, BUFFER, bytes, 512);
    guest_write(g, BUFFER + 0x3000, bytes + 512, 1536);
    transfer(g, 1000, true);
    guest_outb(g, BM, 0);
    command(g, 0, 0, 0xe7);
    wait_not_busy(g);
    fd = open(disk_path, O_RDONLY);
    EXPECT_EQ(pread(fd, back, sizeof back, 1000 * 512), sizeof back);
    close(fd);
    EXPECT_TRUE(memcmp(bytes, back, sizeof bytes) == 0);
}

DISK_TEST(ide_does_not_master_the_bus_unless_allowed)
{
    uint8_t bytes[512], zeroes[512] = { 0 };

    enable_dma(g);
    guest_set_config(g, IDE, 0x04, 1);
    guest_outl(g, BM + 4, TABLE);
    guest_outb(g, BM, 0x08);
    command(g, 300, 4, 0xc8);
    guest_outb(g, BM, 0x09);
    for (unsigned i = 0; i < 50; i++)
        guest_inb(g, BM + 2);
    guest_read(g, BUFFER, bytes, sizeof bytes);
    EXPECT_TRUE(memcmp(bytes, zeroes, sizeof bytes) == 0);
    guest_set_config(g, IDE, 0x04, 0);
    EXPECT_EQ(guest_inb(g, BM + 2), 0xff); /* decodes no ports any more */
}

GUEST_TEST(ide_has_a_disk_of_zeroes, "-drive file=null-co://,if=none,id=d,format=raw,"
                                     "file.read-zeroes=on -device ide-hd,drive=d,bus=ide.0,unit=1")
{
    uint16_t word[62];

    guest_outb(g, 0x1f6, 0xf0);
    guest_outb(g, 0x1f7, 0xec);
    wait_not_busy(g);
    for (unsigned i = 0; i < 62; i++)
        word[i] = guest_inw(g, 0x1f0);
    EXPECT_EQ(word[60] | word[61] << 16, 2 << 20);
}

GUEST_TEST(monitor_lists_what_there_is, "-S")
{
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-status'}"), "prelaunch"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'cont'}"), "return"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-status'}"), "running"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-block'}"), "ide1-cd0"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'nonsense'}"), "CommandNotFound"));
}

GUEST_TEST(monitor_resets, "")
{
    guest_step(g, 1000);
    guest_outb(g, 0x3ff, 0x5a);
    guest_outb(g, 0x21, 0x5a);
    assert_non_null(strstr(guest_qmp(g, "{'execute':'system_reset'}"), "return"));
    assert_non_null(strstr(guest_event(g, "RESET"), "\"guest\":false"));
    EXPECT_EQ(guest_inb(g, 0x3ff), 0);
    EXPECT_EQ(guest_inb(g, 0x21), 0);
    EXPECT_EQ(guest_step(g, 0), 1000);
    guest_outb(g, 0xcf9, 6);
    assert_non_null(strstr(guest_event(g, "RESET"), "\"guest\":true"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-status'}"), "running"));
}

GUEST_TEST(machine_stays_off_without_reboot, "-no-reboot")
{
    guest_outb(g, 0x80, 0x12);
    guest_outb(g, 0xcf9, 6);
    guest_event(g, "SHUTDOWN");
    EXPECT_EQ(guest_inb(g, 0x80), 0x12);
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-status'}"), "\"shutdown\""));
}

GUEST_TEST(guest_powers_off, "")
{
    guest_outw(g, 0xb004, 0x2000); /* SUS_EN, type 0: S5 */
    assert_non_null(strstr(guest_event(g, "SHUTDOWN"), "guest-shutdown"));
    EXPECT_EQ(guest_inb(g, 0x80), 0);
}

GUEST_TEST(monitor_tells_what_can_be_started, "-machine none -name me")
{
    const char *answer = guest_qmp(g, "{'execute':'query-machines'}");

    assert_non_null(strstr(answer, "\"name\":\"pc\""));
    assert_non_null(strstr(answer, "\"is-default\":true"));
    assert_non_null(strstr(guest_qmp(g, "{'execute':'query-name'}"), "\"me\""));
    answer = guest_qmp(g, "{'execute':'qom-list-types','arguments':{'implements':'ide-device'}}");
    assert_non_null(strstr(answer, "ide-hd"));
    assert_null(strstr(answer, "VGA"));
    assert_null(strstr(answer, "abstract"));
    answer = guest_qmp(g, "{'execute':'qom-list-types','arguments':{'abstract':true}}");
    assert_non_null(strstr(answer, "VGA"));
    assert_non_null(strstr(answer, "abstract"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(functions_are_where_firmware_looks),
        T(pam_and_smram_are_storage),
        T(memory_keeps_its_bytes_in_a_reset),
        T(cmos_tells_memory_and_boot_order),
        T(keyboard_controller_tests_itself),
        T(serial_port_hears_itself),
        T(serial_port_writes_a_file),
        D(ide_identifies_a_disk),
        D(ide_reads_by_programmed_io),
        D(ide_reads_by_bus_master),
        D(ide_writes_by_bus_master),
        D(ide_does_not_master_the_bus_unless_allowed),
        T(ide_has_a_disk_of_zeroes),
        T(monitor_lists_what_there_is),
        T(monitor_resets),
        T(machine_stays_off_without_reboot),
        T(guest_powers_off),
        T(monitor_tells_what_can_be_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
