/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake_vm - see fake_vm.h. */
#include "tests/fake_vm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ioreq/loop.h"

static enum vm_status status(void *vm)
{
    return ((struct fake_vm *)vm)->status;
}

static int cont(void *vm, struct error *e)
{
    struct fake_vm *f = vm;

    (void)e;
    f->conts++;
    f->status = VM_RUNNING;
    return 0;
}

static int stop(void *vm, struct error *e)
{
    struct fake_vm *f = vm;

    (void)e;
    f->stops++;
    f->status = VM_PAUSED;
    return 0;
}

static bool chardev(void *vm, unsigned i, struct vm_chardev *out)
{
    (void)vm;
    *out = (struct vm_chardev){ "serial0", "pty:/dev/pts/3" };
    return i < 1;
}

static bool block(void *vm, unsigned i, struct vm_block *out)
{
    struct fake_vm *f = vm;

    *out = i ? (struct vm_block){ .id = "ide-5632",
                                  .file = f->cd,
                                  .removable = true,
                                  .read_only = f->cd != NULL }
             : (struct vm_block){ .id = "ide0-hd0",
                                  .file = "/srv/\xff.img",
                                  .format = "raw",
                                  .rd_bytes = 512,
                                  .rd_operations = 1,
                                  .wr_bytes = 1024,
                                  .wr_operations = 2 };
    return i < 2;
}

static bool pci(void *vm, unsigned i, struct vm_pci *out)
{
    (void)vm;
    *out = (struct vm_pci){ .slot = i, .vendor = 0x8086, .device = 0x1237, .class = 0x600 };
    return i < 3;
}

static bool counters(void *vm, unsigned i, struct vm_counters *out)
{
    (void)vm;
    *out = (struct vm_counters){ .name = i ? "piix3_ide" : "uart16550",
                                 .reads = 11,
                                 .writes = 22,
                                 .rd_bytes = 33,
                                 .wr_bytes = 44,
                                 .dma_bytes = 4096,
                                 .irqs = 5 };
    return i < 2;
}

static int eject(void *vm, const char *id, bool force, struct error *e)
{
    struct fake_vm *f = vm;

    f->forced = force;
    if (strcmp(id, "ide-5632"))
        return -ENODEV;
    if (f->tray_locked && !force)
        return error_set(e, -EBUSY, "the guest has locked the tray");
    snprintf(f->ejected, sizeof f->ejected, "%s", id);
    return 0;
}

static int change_medium(void *vm, const char *id, int fd, const char *path, const char *format,
                         struct error *e)
{
    struct fake_vm *f = vm;
    int err = 0;

    (void)e;
    (void)id;
    snprintf(f->medium, sizeof f->medium, "%s", path);
    snprintf(f->format, sizeof f->format, "%s", format);
    if (fd >= 0) {
        if (read(fd, f->medium_bytes, sizeof f->medium_bytes - 1) < 0)
            err = -errno;
        close(fd);
    }
    return err;
}

static int resized(void *vm, struct error *e)
{
    (void)e;
    ((struct fake_vm *)vm)->resized++;
    return 0;
}

static unsigned max_vcpus(void *vm)
{
    (void)vm;
    return 4;
}

static bool vcpu_plugged(void *vm, unsigned vcpu)
{
    return ((struct fake_vm *)vm)->plugged >> vcpu & 1;
}

static int plug_vcpu(void *vm, unsigned vcpu, struct error *e)
{
    (void)e;
    ((struct fake_vm *)vm)->plugged |= 1u << vcpu;
    return 0;
}

uint32_t fake_vm_pixel(uint32_t x, uint32_t y)
{
    return (x * 7 & 0xff) << 16 | (y * 3 & 0xff) << 8 | ((x / 8 ^ y / 8) & 1 ? 0xff : 0);
}

static int screenshot(void *vm, struct surface *out, struct error *e)
{
    struct fake_vm *f = vm;
    int ret = surface_init(out, f->width, f->height, e);

    for (uint32_t y = 0; ret == 0 && y < f->height; y++)
        for (uint32_t x = 0; x < f->width; x++)
            out->pixels[(size_t)y * f->width + x] = fake_vm_pixel(x, y);
    return ret;
}

struct fake_state {
    uint8_t IER;
    uint8_t rx[16];
    uint16_t counter[3];
    uint64_t deadline;
};

static int dump(void *vm, const char *name, struct vm_dump *d, struct error *e)
{
    static const struct state_field fields[] = {
        { "IER", offsetof(struct fake_state, IER), 1, 1, 1, 0, ANY },
        { "rx", offsetof(struct fake_state, rx), 16, 1, 1, 0, ANY },
        { "counter", offsetof(struct fake_state, counter), 3, 2, 1, 0, ANY },
        { "deadline_of_24_letters_x", offsetof(struct fake_state, deadline), 1, 8, 1, 0, ANY },
    };
    static const struct fake_state s = { .IER = 0x0f,
                                         .rx = { 0, 1, 0xab },
                                         .counter = { 1, 0xffff, 3 },
                                         .deadline = UINT64_C(0x123456789abc) };

    (void)vm;
    if (name && strcmp(name, "uart16550"))
        return error_set(e, -ENOENT, "there is no device %s", name);
    for (unsigned instance = 0; instance < 2; instance++) {
        d->device(d, "uart16550", instance);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
            d->field(d, &fields[i], &s);
    }
    return 0;
}

static int meter(void *vm, bool on, struct error *e)
{
    struct fake_vm *f = vm;

    (void)e;
    f->meters += on && !f->metered;
    f->metered = on;
    return 0;
}

/* Each time that it is asked a second has gone by, in which COM1 was asked as often as ever. */
static uint64_t meter_ns(void *vm)
{
    struct fake_vm *f = vm;

    return ++f->seconds * UINT64_C(1000000000);
}

static bool metered(void *vm, unsigned i, struct vm_register *out)
{
    struct fake_vm *f = vm;
    const struct vm_register rows[] = {
        { "-", "other", NULL, 0, 0, 0 },
        { "uart16550", "uart", "LSR", 100 * f->seconds, 0, 200000 * f->seconds },
        { "piix3_ide", "cmd0", "DATA", 3 * f->seconds, 2 * f->seconds, 1000000 * f->seconds },
    };

    if (i >= ARRAY_SIZE(rows))
        return false;
    *out = rows[i];
    return true;
}

static int trace(void *vm, const char *patterns, bool on, struct error *e)
{
    if (strcmp(patterns, "uart*"))
        return error_set(e, -ENOENT, "there is no device %s", patterns);
    ((struct fake_vm *)vm)->traced = on;
    return 0;
}

static bool traced(void *vm, unsigned i, const char **device)
{
    *device = "uart16550";
    return i == 0 && ((struct fake_vm *)vm)->traced;
}

static int dirty_log(void *vm, bool enable, struct error *e)
{
    (void)e;
    ((struct fake_vm *)vm)->dirty_log = enable;
    return 0;
}

static int save(void *vm, int fd, bool live, struct error *e)
{
    (void)e;
    ((struct fake_vm *)vm)->saved_live = live;
    return write(fd, "state", 5) == 5 ? 0 : -errno;
}

static int wakeup(void *vm, struct error *e)
{
    (void)e;
    ((struct fake_vm *)vm)->wakeups++;
    return 0;
}

static void quit(void *vm)
{
    struct fake_vm *f = vm;

    f->quits++;
    if (f->loop)
        loop_stop(f->loop);
}

const struct vm_ops fake_vm_ops = {
    .status = status,
    .cont = cont,
    .stop = stop,
    .chardev = chardev,
    .block = block,
    .pci = pci,
    .counters = counters,
    .eject = eject,
    .change_medium = change_medium,
    .resized = resized,
    .max_vcpus = max_vcpus,
    .vcpu_plugged = vcpu_plugged,
    .plug_vcpu = plug_vcpu,
    .screenshot = screenshot,
    .dump = dump,
    .meter = meter,
    .metered = metered,
    .meter_ns = meter_ns,
    .trace = trace,
    .traced = traced,
    .dirty_log = dirty_log,
    .save = save,
    .wakeup = wakeup,
    .quit = quit,
};
