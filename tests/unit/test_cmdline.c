/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cmdline - argument vectors as libxl 4.17 to 4.21 builds them, and what becomes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "toolstack/config.h"
#include "toolstack/version.h"

#define MAX_ARGS 128

/* What every HVM guest gets first, and last. */
#define HEAD                                                                                       \
    "-xen-domid", "7", "-no-shutdown", "-chardev",                                                 \
        "socket,id=libxl-cmd,path=/var/run/xen/qmp-libxl-7,server=on,wait=off", "-mon",            \
        "chardev=libxl-cmd,mode=control", "-chardev",                                              \
        "socket,id=libxenstat-cmd,path=/var/run/xen/qmp-libxenstat-7,server=on,wait=off", "-mon",  \
        "chardev=libxenstat-cmd,mode=control", "-nodefaults", "-no-user-config", "-name", "web"
#define NIC  "-device", "e1000,netdev=n,mac=00:16:3e:01:02:03"
#define TAIL "-machine", "xenfv,suppress-vmdesc=on", "-m", "1008"

static const char *const plain[] = {
    HEAD,
    "-vnc",
    "none",
    "-display",
    "none",
    "-serial",
    "pty",
    "-device",
    "VGA,vgamem_mb=16",
    "-boot",
    "order=cda",
    "-smp",
    "2,maxcpus=4",
    "-net",
    "none",
    TAIL,
    "-drive",
    "file=/srv/web.img,if=ide,index=0,media=disk,format=raw,cache=writeback",
    "-drive",
    "if=none,readonly=on,id=ide-5632,file=/srv/debian.iso,format=raw",
    "-device",
    "ide-cd,id=ide-5632,drive=ide-5632,bus=ide.1,unit=0",
    NULL
};

static int parse(struct config *c, const char *const *args, struct error *e)
{
    char *argv[MAX_ARGS] = { (char *)(uintptr_t) "hvmdm" };
    int argc = 1;

    for (; args[argc - 1]; argc++) {
        assert_true(argc < MAX_ARGS - 1);
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    }
    e->text[0] = '\0';
    return config_parse(c, argc, argv, e);
}

static void accept_args(struct config *c, const char *const *args)
{
    struct error e;

    if (parse(c, args, &e) < 0)
        fail_msg("refused: %s", e.text);
}

/* The sentence must contain `part`. */
static void expect_error(const char *const *args, const char *part)
{
    struct config c;
    struct error e;

    assert_true(parse(&c, args, &e) < 0);
    if (!strstr(e.text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, e.text);
    config_free(&c);
}

/* Parsed, but refused, and all of reason and cure are named. */
static void expect_refusal(const char *const *args, const char *reason, const char *cure)
{
    struct error e = { "" };
    struct config c;

    accept_args(&c, args);
    assert_int_equal(config_refuse(&c, &e), -ENOTSUP);
    if (!strstr(e.text, reason) || !strstr(e.text, cure))
        fail_msg("\"%s\" or \"%s\" is not in \"%s\"", reason, cure, e.text);
    config_free(&c);
}

static void plain_hvm(void **state)
{
    struct error e = { "" };
    struct config c;
    const struct config_disk *d;

    (void)state;
    accept_args(&c, plain);
    assert_int_equal(config_refuse(&c, &e), 0);
    assert_string_equal(e.text, "");
    assert_int_equal(c.action, CONFIG_RUN);
    assert_int_equal(c.machine, CONFIG_MACHINE_XENFV);
    assert_true(c.have_domid && c.domid == 7 && c.no_shutdown && !c.start_paused && !c.xen_attach);
    assert_string_equal(c.name, "web");
    assert_int_equal(c.ram_mib, 1008);
    assert_true(c.vcpus == 2 && c.max_vcpus == 4);
    assert_int_equal(c.vga, CONFIG_VGA_STD);
    assert_int_equal(c.vgamem_mib, 16);
    assert_string_equal(c.boot, "cda");
    assert_null(c.vnc);
    assert_int_equal(c.nserials, 1);
    assert_string_equal(c.serials[0], "pty");
    assert_int_equal(c.nqmp, 2);
    assert_string_equal(c.qmp[0].path, "/var/run/xen/qmp-libxl-7");
    assert_string_equal(c.qmp[1].path, "/var/run/xen/qmp-libxenstat-7");
    assert_true(c.qmp[0].fd < 0 && c.qmp[1].fd < 0);
    assert_int_equal(c.ndisks, 2);
    d = config_ide(&c, 0);
    assert_non_null(d);
    assert_string_equal(d->path, "/srv/web.img");
    assert_string_equal(d->format, "raw");
    assert_string_equal(d->id, "ide0-hd0");
    assert_true(!d->cdrom && !d->read_only && !d->direct);
    d = config_ide(&c, 2);
    assert_non_null(d);
    assert_string_equal(d->path, "/srv/debian.iso");
    assert_string_equal(d->id, "ide-5632");
    assert_true(d->cdrom && d->read_only);
    assert_null(config_ide(&c, 1));
    assert_null(config_ide(&c, 3));
    config_free(&c);
}

static void no_platform_device_hole_empty_cd(void **state)
{
    static const char *const args[] = {
        HEAD,
        "--vnc",
        "127.0.0.1:0,to=99",
        "-display",
        "none",
        "-k",
        "de",
        "-no-acpi",
        "-smp",
        "1",
        "-boot",
        "order=dc",
        "-machine",
        "pc,accel=xen,suppress-vmdesc=on,max-ram-below-4g=2147483648",
        "-m",
        "4080",
        "-drive",
        "if=none,readonly=on,id=ide-832",
        "-device",
        "ide-cd,id=ide-832,drive=ide-832,bus=ide.0,unit=1",
        "-log-level",
        "debug",
        "--trace",
        "ide*,piix3",
        NULL
    };
    struct error e = { "" };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(config_refuse(&c, &e), 0);
    assert_int_equal(c.machine, CONFIG_MACHINE_PC);
    assert_true(c.max_ram_below_4g == UINT64_C(2147483648));
    assert_true(c.no_acpi && c.vcpus == 1 && c.max_vcpus == 1);
    assert_string_equal(c.vnc, "127.0.0.1:0,to=99");
    assert_string_equal(c.keymap, "de");
    assert_string_equal(c.boot, "dc");
    assert_string_equal(c.log_level, "debug");
    assert_string_equal(c.trace, "ide*,piix3");
    assert_non_null(config_ide(&c, 1));
    assert_null(config_ide(&c, 1)->path);
    config_free(&c);
}

static unsigned recorded_warnings;

static void say_recorded(const char *line)
{
    assert_non_null(strstr(line, "nothing is recorded"));
    recorded_warnings++;
}

static void recordings(void **state)
{
    static const struct {
        const char *value, *path;
        uint64_t limit;
        bool nodata;
    } good[] = {
        { "/r", "/r", 0, false },
        { "/r,limit=64M", "/r", UINT64_C(64) << 20, false },
        { "/r,nodata,limit=2G", "/r", UINT64_C(2) << 30, true },
        { "/r,limit=9000K,nodata", "/r", 9000 << 10, true },
        { "/a,b=c,limit=8388608", "/a,b=c", 8 << 20, false },
        { "/r,nodata,nodata", "/r,nodata", 0, true },
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        const char *args[] = { HEAD, TAIL, "--record", good[i].value, NULL };
        struct config c;

        accept_args(&c, args);
        assert_string_equal(c.record, good[i].path);
        assert_true(c.record_limit == good[i].limit);
        assert_int_equal(c.record_nodata, good[i].nodata);
        config_warn(&c, say_recorded);
        assert_int_equal(recorded_warnings, 0);
        c.machine = CONFIG_MACHINE_XENPV;
        config_warn(&c, say_recorded);
        assert_int_equal(recorded_warnings, 1);
        recorded_warnings = 0;
        config_free(&c);
    }
}

static unsigned warnings;

static void count_warning(const char *line)
{
    assert_non_null(strstr(line, "VNC"));
    warnings++;
}

static void vnc_gives_one_warning(void **state)
{
    static const char *const args[] = { HEAD, "-vnc", "127.0.0.1:0,to=99", TAIL, NULL };
    struct config c;

    (void)state;
    warnings = 0;
    accept_args(&c, args);
    config_warn(&c, count_warning);
    assert_int_equal(warnings, 1);
    config_free(&c);
    accept_args(&c, plain);
    config_warn(&c, count_warning);
    assert_int_equal(warnings, 1);
    config_free(&c);
}

static void paths_with_commas(void **state)
{
    static const struct {
        const char *drive, *device, *path;
    } rows[] = {
        { "file=/a,b,if=ide,index=0,media=disk,format=raw,cache=writeback", NULL, "/a,b" },
        { "file=/a,format=qcow2,if=ide,index=0,media=disk,format=raw,cache=writeback", NULL,
          "/a,format=qcow2" },
        { "file=/a,file=/b,if=ide,index=0,media=disk,format=raw,cache=writeback", NULL,
          "/a,file=/b" },
        { "file=/a,,b.img,if=ide,index=0,media=disk,format=raw,cache=writeback", NULL,
          "/a,,b.img" },
        { "file=/a=b,cache=,if=ide,index=0,media=disk,format=raw,cache=writeback", NULL,
          "/a=b,cache=" },
        { "if=none,readonly=on,id=ide-768,file=/a,b.iso,format=raw",
          "ide-cd,id=ide-768,drive=ide-768,bus=ide.0,unit=0", "/a,b.iso" },
        { "if=none,readonly=on,id=ide-768,file=/a,readonly=off,cache=none,format=raw",
          "ide-cd,id=ide-768,drive=ide-768,bus=ide.0,unit=0", "/a,readonly=off,cache=none" },
        { "if=none,readonly=on,id=ide-768,file=/a,format=x,format=raw",
          "ide-cd,id=ide-768,drive=ide-768,bus=ide.0,unit=0", "/a,format=x" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const args[] = {
            HEAD,           TAIL, "-drive", rows[i].drive, rows[i].device ? "-device" : NULL,
            rows[i].device, NULL
        };
        struct error e = { "" };
        struct config c;

        accept_args(&c, args);
        assert_string_equal(config_ide(&c, 0)->path, rows[i].path);
        assert_string_equal(config_ide(&c, 0)->format, "raw");
        assert_int_equal(config_ide(&c, 0)->read_only, rows[i].device != NULL);
        assert_false(config_ide(&c, 0)->direct);
        assert_int_equal(config_refuse(&c, &e), 0);
        config_free(&c);
    }
}

static void socket_path_with_comma(void **state)
{
    static const char *const args[] = {
        "-xen-domid", "3",
        "-chardev",   "socket,id=q,path=/tmp/a,server=b,server=on,wait=off",
        "-mon",       "chardev=q,mode=control",
        TAIL,         NULL
    };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_string_equal(c.qmp[0].path, "/tmp/a,server=b");
    config_free(&c);
}

static void probe_run(void **state)
{
    static const char *const args[] = {
        "-S",          "-no-user-config",
        "-nodefaults", "-nographic",
        "-machine",    "none,accel=xen",
        "-chardev",    "socket,id=libxl-cmd,fd=19,server=on,wait=off",
        "-mon",        "chardev=libxl-cmd,mode=control",
        NULL
    };
    struct error e = { "" };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(config_refuse(&c, &e), 0);
    assert_int_equal(c.machine, CONFIG_MACHINE_NONE);
    assert_true(c.start_paused && !c.have_domid);
    assert_int_equal(c.nqmp, 1);
    assert_null(c.qmp[0].path);
    assert_int_equal(c.qmp[0].fd, 19);
    config_free(&c);
}

static void restricted(void **state)
{
    static const char *const args[] = { "-xen-domid",
                                        "7",
                                        "-no-shutdown",
                                        "-chardev",
                                        "socket,id=libxl-cmd,fd=21,server=on,wait=off",
                                        "-S",
                                        "-mon",
                                        "chardev=libxl-cmd,mode=control",
                                        "-nodefaults",
                                        "-no-user-config",
                                        "-name",
                                        "web",
                                        "-vnc",
                                        "none",
                                        "-display",
                                        "none",
                                        "-xen-domid-restrict",
                                        "-chroot",
                                        "/var/run/xen/qemu-root-7",
                                        "-runas",
                                        "65543:65543",
                                        TAIL,
                                        NULL };
    static const char *const newer[] = { HEAD,        "-xen-domid-restrict",
                                         "-run-with", "chroot=/r,user=1:2",
                                         TAIL,        NULL };
    static const char *const apart[] = {
        HEAD, "-xen-domid-restrict", "-run-with", "chroot=/r", "-run-with", "user=1:2", TAIL, NULL
    };
    static const char *const only_user[] = { HEAD, "-runas", "xen-dm", TAIL, NULL };
    static const char *const nonsense[] = { HEAD, "-run-with", "async-teardown=on", TAIL, NULL };
    static const char *const no_value[] = { HEAD, "-run-with", "user", TAIL, NULL };
    struct error e = { "" };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_true(c.domid_restrict && c.start_paused);
    assert_string_equal(c.chroot, "/var/run/xen/qemu-root-7");
    assert_string_equal(c.runas, "65543:65543");
    assert_int_equal(c.qmp[0].fd, 21);
    assert_int_equal(config_refuse(&c, &e), 0);
    config_free(&c);
    for (size_t i = 0; i < 2; i++) {
        accept_args(&c, i ? apart : newer);
        assert_true(c.domid_restrict);
        assert_string_equal(c.chroot, "/r");
        assert_string_equal(c.runas, "1:2");
        assert_int_equal(config_refuse(&c, &e), 0);
        config_free(&c);
    }
    accept_args(&c, only_user);
    assert_false(c.domid_restrict);
    assert_null(c.chroot);
    assert_string_equal(c.runas, "xen-dm");
    assert_int_equal(config_refuse(&c, &e), 0);
    config_free(&c);
    expect_error(nonsense, "async-teardown");
    expect_error(no_value, "user");
}

static void pv_attach(void **state)
{
    static const char *const created[] = { HEAD,       "-xen-attach", "-vnc",       "none",
                                           "-display", "none",        "-nographic", "-machine",
                                           "xenpv",    "-m",          "513",        NULL };
    static const char *const devd[] = { "-xen-domid", "4",          "-xen-attach", "-name",
                                        "domain-4",   "-nographic", "-M",          "xenpv",
                                        "-monitor",   "/dev/null",  "-serial",     "/dev/null",
                                        "-parallel",  "/dev/null",  NULL };
    static const char *const restricted[] = { HEAD,       "-xen-attach", "-xen-domid-restrict",
                                              "-machine", "xenpv",       NULL };
    static const char *const misplaced[] = { HEAD, "-xen-attach", TAIL, NULL };
    struct error e = { "" };
    struct config c;

    (void)state;
    accept_args(&c, created);
    assert_true(c.xen_attach && c.machine == CONFIG_MACHINE_XENPV);
    assert_int_equal(config_refuse(&c, &e), 0);
    config_free(&c);
    accept_args(&c, devd);
    assert_true(c.xen_attach && c.machine == CONFIG_MACHINE_XENPV && c.domid == 4 && !c.nqmp);
    assert_int_equal(config_refuse(&c, &e), 0);
    config_free(&c);
    expect_refusal(restricted, "PV or PVH", "dm_restrict=");
    expect_error(misplaced, "-machine xenpv");
}

static void migrate_in(void **state)
{
    static const char *const args[] = {
        HEAD,
        "-vnc",
        "none",
        "-smp",
        "2,maxcpus=4",
        "-device",
        "VGA,vgamem_mb=16",
        "-incoming",
        "fd:13",
        TAIL,
        "-drive",
        "file=/dev/vg/web,if=ide,index=0,media=disk,format=raw,cache=writeback",
        NULL
    };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(c.incoming_fd, 13);
    config_free(&c);
    expect_refusal(args, "not yet able to restore", "xl create");
}

static void emulated_network(void **state)
{
    static const char *const libxl[] = {
        HEAD,
        "-device",
        "rtl8139,id=nic0,netdev=net0,mac=00:16:3e:01:02:03",
        "-netdev",
        "type=tap,id=net0,ifname=vif7.0-emu,br=xenbr0,script=no,downscript=no",
        TAIL,
        NULL
    };
    static const char *const brief[] = {
        HEAD,
        "-device",
        "rtl8139,id=nic0,netdev=net0,mac=00:16:3e:01:02:03",
        "-netdev",
        "tap,id=net0,ifname=vif7.0-emu,br=xenbr0,script=no,downscript=no",
        TAIL,
        NULL
    };
    static const uint8_t mac[6] = { 0x00, 0x16, 0x3e, 0x01, 0x02, 0x03 };
    struct error e = { "" };
    struct config c;

    (void)state;
    for (int i = 0; i < 2; i++) {
        accept_args(&c, i ? brief : libxl);
        assert_int_equal(c.nnics, 1);
        assert_string_equal(c.nics[0].model, "rtl8139");
        assert_memory_equal(c.nics[0].mac, mac, sizeof mac);
        assert_string_equal(c.nics[0].kind, "tap");
        assert_string_equal(c.nics[0].ifname, "vif7.0-emu");
        assert_string_equal(c.nics[0].bridge, "xenbr0");
        assert_int_equal(c.nics[0].fd, -1);
        assert_null(c.nics[0].spec);
        assert_int_equal(config_refuse(&c, &e), 0);
        config_free(&c);
    }
}

/* What xl does not write, but an administrator may: device_model_args_hvm=. */
static void other_networks(void **state)
{
    static const char *const args[] = {
        HEAD,      TAIL,
        "-device", "e1000,netdev=a,mac=02:00:00:00:00:0A,bootindex=1",
        "-netdev", "user,restrict=on,id=a,hostfwd=tcp::2222-:22",
        "-device", "e1000,netdev=b,mac=02:00:00:00:00:0b",
        "-netdev", "socket,id=b,fd=9",
        "-device", "rtl8139,netdev=c,mac=02:00:00:00:00:0c",
        "-netdev", "none,id=c",
        "-device", "e1000,netdev=d,mac=02:00:00:00:00:0d",
        "-netdev", "tap,fd=7,id=d",
        "-object", "filter-dump,id=f,netdev=b,file=/tmp/b.pcap,maxlen=96",
        NULL
    };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(c.nnics, 4);
    assert_string_equal(c.nics[0].kind, "user");
    assert_string_equal(c.nics[0].spec, "restrict=on,hostfwd=tcp::2222-:22");
    assert_int_equal(c.nics[0].mac[5], 0x0a);
    assert_null(c.nics[0].dump);
    assert_int_equal(c.nics[1].fd, 9);
    assert_string_equal(c.nics[1].spec, "");
    assert_string_equal(c.nics[1].dump, "/tmp/b.pcap");
    assert_int_equal(c.nics[1].dump_bytes, 96);
    assert_string_equal(c.nics[2].spec, "");
    assert_int_equal(c.nics[3].fd, 7);
    assert_int_equal(c.features, 0);
    config_free(&c);
}

static void unknown_card(void **state)
{
    static const char *const args[] = {
        HEAD,
        "-device",
        "i82559er,id=nic0,netdev=net0,mac=00:16:3e:01:02:03",
        "-netdev",
        "type=tap,id=net0,ifname=vif7.0-emu,br=xenbr0,script=no,downscript=no",
        TAIL,
        NULL
    };

    (void)state;
    expect_refusal(args, "i82559er", "model=e1000");
    expect_refusal(args, "i82559er", "type=vif");
}

static void pvdevice(void **state)
{
    static const char *const args[] = { HEAD, TAIL, "-device", "xen-pvdevice,device-id=0xc000",
                                        NULL };
    static const char *const other[] = { HEAD, TAIL, "-device", "xen-pvdevice,device-id=0xc200",
                                         NULL };
    static const char *const none[] = { HEAD, TAIL, "-device", "xen-pvdevice", NULL };
    struct error e = { "" };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(c.pvdevice_id, 0xc000);
    assert_int_equal(config_refuse(&c, &e), 0);
    config_free(&c);
    expect_error(other, "device-id");
    expect_error(none, "device-id=0xc000 is missing");
}

/* Each feature that we lack, by the argument libxl makes of it, and the cure it names. */
static void refusals(void **state)
{
    static const struct {
        const char *args[6], *reason, *cure;
    } rows[] = {
        { { "-device", "cirrus-vga,vgamem_mb=8" }, "Cirrus", "vga=\"stdvga\"" },
        { { "-device", "qxl-vga,vram_size_mb=64,ram_size_mb=64" }, "QXL", "vga=\"stdvga\"" },
        { { "-device", "lsi53c895a" }, "SCSI", "hda to hdd" },
        { { "-drive", "file=/a,b,id=scsi0-hd0,format=raw,if=none,readonly=off,cache=writeback",
            "-device", "scsi-hd,drive=scsi0-hd0,scsi-id=0" },
          "SCSI",
          "hda to hdd" },
        { { "-device", "ahci,id=ahci0" }, "AHCI", "hdtype=" },
        { { "-drive", "file=/a,if=none,id=ahcidisk-0,format=raw,cache=writeback", "-device",
            "ide-hd,bus=ahci0.0,unit=0,drive=ahcidisk-0" },
          "AHCI",
          "hdtype=" },
        { { "-usb" }, "USB", "usb=" },
        { { "-usb", "-usbdevice", "tablet" }, "USB", "usbdevice=" },
        { { "-device", "piix3-usb-uhci,id=usb" }, "USB", "usbversion=" },
        { { "-device", "nec-usb-xhci,id=usb" }, "USB", "usbversion=" },
        { { "-device",
            "ich9-usb-uhci1,masterbus=usb.0,firstport=0,addr=0x1d.0x0,multifunction=on" },
          "USB",
          "usbversion=" },
        { { "-device", "intel-hda", "-device", "hda-duplex" }, "intel-hda", "soundhw=" },
        { { "-device", "sb16" }, "sb16", "soundhw=" },
        { { "-spice", "port=6000,addr=0.0.0.0,disable-ticketing=on" }, "SPICE", "spice=0" },
        { { "-chardev", "spicevmc,id=vdagent,name=vdagent" }, "SPICE", "spice=0" },
        { { "-display", "sdl" }, "SDL", "sdl=0" },
        { { "-kernel", "/boot/vmlinuz", "-append", "root=/dev/xvda ro" },
          "/boot/vmlinuz",
          "kernel=" },
        { { "-initrd", "/boot/initrd.img" }, "/boot/initrd.img", "ramdisk=" },
        { { "-append", "console=ttyS0" }, "direct kernel boot", "extra=" },
        { { "-object", "filter-mirror,id=m0,netdev=net0,queue=tx" }, "COLO", "COLO" },
        { { "-vnc", "127.0.0.1:0,password=on,to=99" }, "password", "vncpasswd=" },
        { { "-drive", "file=/a,if=ide,index=1,media=disk,format=qcow2,cache=writeback" },
          "qcow2",
          "format=raw" },
        { { "-drive", "file=/a,if=ide,index=1,media=disk,format=vpc,cache=writeback" },
          "vpc",
          "format=raw" },
        { { "-drive",
            "file=nbd+unix:///?socket=/run/b,if=ide,index=1,media=disk,format=raw,cache=writeback" },
          "NBD",
          "raw file" },
        { { "-machine", "xenfv,suppress-vmdesc=on,igd-passthru=on" },
          "pass-through",
          "gfx_passthru=" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *args[64] = { HEAD, TAIL };
        size_t n = 0;

        while (args[n])
            n++;
        for (size_t k = 0; k < ARRAY_SIZE(rows[i].args) && rows[i].args[k]; k++)
            args[n++] = rows[i].args[k];
        expect_refusal(args, rows[i].reason, rows[i].cure);
    }
}

static void refusals_come_together(void **state)
{
    static const char *const args[] = {
        HEAD,
        "-device",
        "cirrus-vga,vgamem_mb=8",
        "-device",
        "ne2k_pci,id=nic0,netdev=net0,mac=00:16:3e:01:02:03",
        "-netdev",
        "tap,id=net0,ifname=vif7.0-emu,br=b,script=no,downscript=no",
        TAIL,
        NULL
    };

    (void)state;
    expect_refusal(args, "vga=\"stdvga\"", "type=vif");
}

static void disk_values(void **state)
{
    static const char *const args[] = {
        HEAD,      TAIL,
        "-drive",  "file=/a,b,id=scsi0-hd3,format=raw,if=none,readonly=on,cache=none",
        "-device", "scsi-hd,drive=scsi0-hd3,scsi-id=3",
        NULL
    };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(c.disks[0].bus, CONFIG_BUS_SCSI);
    assert_int_equal(c.disks[0].unit, 3);
    assert_string_equal(c.disks[0].path, "/a,b");
    assert_true(c.disks[0].read_only && c.disks[0].direct && !c.disks[0].cdrom);
    assert_null(config_ide(&c, 3));
    config_free(&c);
}

/* videoram= can be any number; a BAR cannot. */
static void video_memory_is_a_power_of_two(void **state)
{
    static const struct {
        const char *args[10];
        uint32_t mib;
    } cases[] = {
        { { "-xen-domid", "7", "-machine", "xenfv", "-m", "64", "-device", "VGA,vgamem_mb=24" },
          16 },
        { { "-xen-domid", "7", "-machine", "xenfv", "-m", "64", "-device", "VGA,vgamem_mb=32" },
          32 },
        { { "-xen-domid", "7", "-machine", "xenfv", "-m", "64", "-device", "VGA,vgamem_mb=255" },
          128 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config c;

        accept_args(&c, cases[i].args);
        assert_int_equal(c.vgamem_mib, cases[i].mib);
        config_free(&c);
    }
}

static void mistakes(void **state)
{
    static const struct {
        const char *args[6], *part;
    } rows[] = {
        { { "-frobnicate" }, "\"-frobnicate\"" },
        { { "--sandbox", "on" }, "device_model_args" },
        { { "stray" }, "\"stray\"" },
        { { "-smp" }, "needs a value" },
        { { "-smp", "0" }, "-smp" },
        { { "-smp", "129" }, "1 to 128" },
        { { "-smp", "4,maxcpus=2" }, "maxvcpus=" },
        { { "-smp", "2x" }, "\"2x\"" },
        { { "-m", "0" }, "-m" },
        { { "-m", "12.5" }, "\"12.5\"" },
        { { "-m", "99999999999999999999999" }, "-m" },
        { { "-xen-domid", "32752" }, "domain id" },
        { { "-xen-domid", "-1" }, "domain id" },
        { { "-machine", "q35" }, "\"q35\"" },
        { { "-machine", "xenfv,kernel-irqchip=on" }, "kernel-irqchip" },
        { { "-boot", "order=cx" }, "\"cx\"" },
        { { "-device", "e2000" }, "\"e2000\"" },
        { { "-device", "VGA,vgamem_mb=0" }, "videoram" },
        { { "-device", "VGA,vgamem_mb=4096" }, "videoram" },
        { { "-device", "VGA,edid=on" }, "edid=on" },
        { { "-device", "ide-cd,drive=nothing,bus=ide.0,unit=0" }, "drive=nothing" },
        { { "-drive", "if=none,readonly=on,id=ide-8", "-device",
            "ide-cd,drive=ide-8,bus=ide.2,unit=0" },
          "hda to hdd" },
        { { "-drive", "if=none,readonly=on,id=ide-8", "-device",
            "ide-cd,drive=ide-8,bus=ide.0,unit=2" },
          "unit" },
        { { "-drive", "if=none,readonly=on,id=ide-8" }, "ide-8" },
        { { "-drive", "file=/a,if=ide,media=disk,format=raw" }, "index" },
        { { "-drive", "file=/a,if=ide,index=4,media=disk,format=raw" }, "index" },
        { { "-drive", "file=,if=ide,index=0,media=disk,format=raw" }, "path" },
        { { "-drive", "if=ide,index=0,media=disk" }, "no file" },
        { { "-drive", "werror=stop,file=/a" }, "werror" },
        { { "-drive", "file=/a,if=ide,index=0,media=disk,format=raw", "-drive",
            "file=/b,if=ide,index=0,media=disk,format=raw" },
          "hda" },
        { { "-serial", "pty", "-serial", "pty", "-serial" }, "needs a value" },
        { { "-netdev", "vde,id=n" }, "\"vde\"" },
        { { "-netdev", "tap,id=n,ifname=x" }, "\"n\"" },
        { { "-netdev", "tap,ifname=x" }, "id= is missing" },
        { { NIC, "-netdev", "tap,id=n,fd=x" }, "fd=x" },
        { { NIC, "-netdev", "tap,id=n" }, "ifname=" },
        { { NIC, "-netdev", "tap,id=n,ifname=x,queues=4" }, "queues=4" },
        { { NIC, "-netdev", "none,id=n", "-netdev", "none,id=n" }, "two \"n\"" },
        { { NIC, "-netdev", "none,id=n", NIC }, "has a card" },
        { { NIC }, "no -netdev \"n\"" },
        { { "-device", "e1000,mac=00:16:3e:01:02:03,netdev=n,speed=1" }, "speed=1" },
        { { "-device", "e1000,id=x,netdev=n" }, "mac=" },
        { { "-device", "e1000,id=x,netdev=n,mac=00:16:3e:01:02" }, "00:16:3e:01:02\"" },
        { { "-device", "e1000,id=x,netdev=n,mac=00:16:3e:01:02:03:04" }, "03:04" },
        { { "-device", "e1000,id=x,netdev=n,mac=00:16:3e:01:02:0g" }, "0g" },
        { { "-device", "e1000,id=x,netdev=n,mac=01:16:3e:01:02:03" }, "first byte even" },
        { { "-object", "filter-dump,id=f,netdev=n,file=/x" }, "named before" },
        { { NIC, "-netdev", "none,id=n", "-object", "filter-dump,id=f,netdev=n" }, "file=" },
        { { "-chardev", "udp,id=x" }, "\"udp\"" },
        { { "-chardev", "socket,id=x,path=/a,server=on" }, "\"x\"" },
        { { "-mon", "chardev=none,mode=control" }, "\"none\"" },
        { { "-mon", "chardev=libxl-cmd,mode=readline" }, "mode=readline" },
        { { "-incoming", "tcp:0:4444" }, "tcp:0:4444" },
        { { "-net", "user" }, "\"user\"" },
        { { "-display", "gtk" }, "\"gtk\"" },
        { { "-log-level", "loud" }, "\"loud\"" },
        { { "-record", "" }, "the name of a file" },
        { { "-record", "/r,limit=1M" }, "8M at least" },
        { { "-record", "/r,limit=many" }, "not a number" },
        { { "-record", "/r,limit=8T" }, "not a number" },
    };
    static const char *const no_machine[] = { "-xen-domid", "3", "-m", "100", NULL };
    static const char *const no_domid[] = { TAIL, NULL };
    static const char *const no_memory[] = { "-xen-domid", "3", "-machine", "xenfv", NULL };
    static const char *const five[] = { HEAD,      TAIL,      "-serial", "pty",     "-serial",
                                        "pty",     "-serial", "pty",     "-serial", "pty",
                                        "-serial", "pty",     NULL };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *args[64] = { HEAD, TAIL };
        size_t n = 0;

        while (args[n])
            n++;
        for (size_t k = 0; k < ARRAY_SIZE(rows[i].args) && rows[i].args[k]; k++)
            args[n++] = rows[i].args[k];
        expect_error(args, rows[i].part);
    }
    expect_error(no_machine, "-machine is missing");
    expect_error(no_domid, "-xen-domid is missing");
    expect_error(no_memory, "-m is missing");
    expect_error(five, "serial ports");
}

/* xl.cfg channel=, as libxl passes it. */
static void channels(void **state)
{
    static const char *const wrong[][2] = {
        { "socket,id=libxl-channel1,path=/a,b,server=on,wait=off", "no comma" },
        { "socket,id=libxl-channel1,fd=3,server=on,wait=off", "cannot be a socket" },
        { "socket,id=libxl-channel1,path=/0123456789012345678901234567890123456789012345678901234"
          "56789012345678901234567890123456789012345678901234567,server=on,wait=off",
          "107 bytes" },
        { "pty,id=libxl-channel0", "two \"libxl-channel0\"" },
    };
    const char *args[MAX_ARGS] = {
        "-xen-domid", "5",
        "-machine",   "xenfv",
        "-m",         "100",
        "-chardev",   "pty,id=libxl-channel0",
        "-chardev",   "socket,id=libxl-channel1,path=/run/a=b,server=on,wait=off"
    };
    struct config c;

    (void)state;
    accept_args(&c, args);
    assert_int_equal(c.nchannels, 2);
    assert_string_equal(c.channels[0].id, "libxl-channel0");
    assert_null(c.channels[0].path);
    assert_string_equal(c.channels[1].id, "libxl-channel1");
    assert_string_equal(c.channels[1].path, "/run/a=b");
    config_free(&c);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        args[9] = wrong[i][0];
        expect_error(args, wrong[i][1]);
    }
}

static void limits_hold(void **state)
{
    static const char *const names[] = {
        "pty,id=libxl-channel0", "pty,id=libxl-channel1", "pty,id=libxl-channel2",
        "pty,id=libxl-channel3", "pty,id=libxl-channel4", "pty,id=libxl-channel5",
        "pty,id=libxl-channel6", "pty,id=libxl-channel7", "pty,id=libxl-channel8",
    };
    static const char *const complete[] = { "-xen-domid", "5", "-machine", "xenfv", "-m", "100" };
    const char *args[MAX_ARGS];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < CONFIG_DISKS + 1; i++) {
        args[n++] = "-drive";
        args[n++] = "if=none,id=x";
    }
    args[n] = NULL;
    expect_error(args, "more than 32");
    n = 0;
    for (int i = 0; i < CONFIG_CHARDEVS + 1; i++) {
        args[n++] = "-chardev";
        args[n++] = "pty,id=libxl-channel0";
    }
    args[n] = NULL;
    expect_error(args, "more than 24");
    for (int i = 0; i < CONFIG_CHANNELS + 1; i++)
        args[2 * i + 1] = names[i];
    n = 2 * (CONFIG_CHANNELS + 1);
    for (size_t i = 0; i < ARRAY_SIZE(complete); i++)
        args[n++] = complete[i];
    args[n] = NULL;
    expect_error(args, "more than 8 channels");
}

static void actions(void **state)
{
    static const struct {
        const char *arg;
        enum config_action action;
    } rows[] = {
        { "--help", CONFIG_SHOW_HELP },      { "-h", CONFIG_SHOW_HELP },
        { "-help", CONFIG_SHOW_HELP },       { "--version", CONFIG_SHOW_VERSION },
        { "-version", CONFIG_SHOW_VERSION },
    };
    struct error e;
    struct config c;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const args[] = { "-unknown", rows[i].arg, NULL };

        assert_int_equal(parse(&c, args, &e), 0);
        assert_int_equal(c.action, rows[i].action);
        config_free(&c);
    }
}

static char *printed(int (*print)(FILE *to), const struct config *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);

    assert_non_null(to);
    assert_int_equal(c ? config_print(c, to) : print(to), 0);
    fclose(to);
    return text;
}

static void shows_itself(void **state)
{
    static const char *const show[] = { "--print-config", HEAD,       "-device", "cirrus-vga", TAIL,
                                        "-name",          "\xff\xfe", NULL };
    struct config c;
    json_error_t why;
    json_t *j;
    char *text;

    (void)state;
    text = printed(config_print_help, NULL);
    assert_non_null(strstr(text, "device_model_override"));
    assert_non_null(strstr(text, "--print-config"));
    free(text);
    text = printed(config_print_version, NULL);
    assert_memory_equal(text, "hvmdm " HVMDM_VERSION "\n", strlen("hvmdm " HVMDM_VERSION "\n"));
#ifdef HVMDM_TEST_FAULTS
    assert_non_null(strstr(text, "build for tests"));
#else
    assert_null(strstr(text, "test"));
#endif
    free(text);
    accept_args(&c, show);
    assert_int_equal(c.action, CONFIG_SHOW_CONFIG);
    text = printed(NULL, &c);
    j = json_loads(text, 0, &why);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "domid")), 7);
    assert_string_equal(json_string_value(json_object_get(j, "vga")), "cirrus");
    assert_string_equal(json_string_value(json_object_get(j, "name")), "??");
    assert_non_null(strstr(json_string_value(json_object_get(j, "refused")), "stdvga"));
    json_decref(j);
    free(text);
    config_free(&c);
    accept_args(&c, plain);
    text = printed(NULL, &c);
    j = json_loads(text, 0, &why);
    assert_non_null(j);
    assert_null(json_object_get(j, "refused"));
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(j, "disks"), 0), "path")),
        "/srv/web.img");
    json_decref(j);
    free(text);
    config_free(&c);
}

static void supervisor_s_own(void **state)
{
    static char *const check[] = { "hvmdm-model", "--check-arena", "5" };
    static char *const wrong[] = { "hvmdm-model", "--check-arena", "x" };
    static char *const open_box[] = { "hvmdm",    "--no-sandbox", "-xen-domid", "7",
                                      "-machine", "xenfv",        "-m",         "64" };
    struct error e = { "" };
    struct config c;

    (void)state;
    assert_int_equal(config_parse(&c, 3, check, &e), 0);
    assert_int_equal(c.action, CONFIG_CHECK_ARENA);
    assert_int_equal(c.arena_fd, 5);
    config_free(&c);
    assert_int_equal(config_parse(&c, 3, wrong, &e), -EINVAL);
    config_free(&c);
    e.text[0] = '\0';
    assert_int_equal(config_parse(&c, 8, open_box, &e), 0);
    assert_true(c.no_sandbox);
    assert_int_equal(c.action, CONFIG_RUN);
    assert_int_equal(c.arena_fd, -1);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_hvm),
        cmocka_unit_test(no_platform_device_hole_empty_cd),
        cmocka_unit_test(vnc_gives_one_warning),
        cmocka_unit_test(paths_with_commas),
        cmocka_unit_test(socket_path_with_comma),
        cmocka_unit_test(recordings),
        cmocka_unit_test(probe_run),
        cmocka_unit_test(restricted),
        cmocka_unit_test(pv_attach),
        cmocka_unit_test(migrate_in),
        cmocka_unit_test(emulated_network),
        cmocka_unit_test(other_networks),
        cmocka_unit_test(unknown_card),
        cmocka_unit_test(pvdevice),
        cmocka_unit_test(refusals),
        cmocka_unit_test(refusals_come_together),
        cmocka_unit_test(disk_values),
        cmocka_unit_test(video_memory_is_a_power_of_two),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(channels),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(actions),
        cmocka_unit_test(shows_itself),
        cmocka_unit_test(supervisor_s_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
