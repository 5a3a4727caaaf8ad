/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain - see domain.h. */
#include "toolstack/domain.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/xen/vkbd.h"
#include "ioreq/pv.h"
#include "ioreq/xen.h"
#include "toolstack/ctl.h"
#include "toolstack/domain_private.h"
#include "toolstack/xenstore.h"

#define ARENA_BYTES (1u << 20) /* address space; memory is used as far as it is written */

/* --- Host resources: everything struct pc_host wants. */

static int open_disk(struct domain *d, unsigned place, struct error *e)
{
    const struct config_disk *c = config_ide(d->config, place);
    struct block_options o = { .fd = -1 };

    if (!c)
        return 0;
    d->pc.cdrom[place] = c->cdrom;
    if (!c->path)
        return 0; /* a drive without a medium */
    o.path = c->path;
    o.format = c->format ? c->format : "raw";
    o.read_only = c->read_only || c->cdrom;
    o.direct = c->direct;
    return block_open(d->loop, &o, &d->pc.disk[place], e);
}

static int open_serial(struct domain *d, unsigned n, struct error *e)
{
    char label[16];

    if (strcmp(d->config->serials[n], "none") == 0)
        return 0;
    snprintf(label, sizeof label, "serial%u", n);
    d->pc.have_serial[n] = true;
    return chardev_open(d->loop, label, d->config->serials[n], &d->pc.serial[n], e);
}

static int open_vga(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    uint64_t ram = (uint64_t)c->ram_mib << 20;
    int err;

    if (c->vga != CONFIG_VGA_STD)
        return 0;
    err = rom_load(ROM_VGA_STD, NULL, 0x1234, 0x1111, &d->vga_rom, e);
    if (err < 0)
        return err;
    d->pc.vga_rom = d->vga_rom.bytes;
    d->pc.vga_rom_size = d->vga_rom.size;
    d->pc.display = &d->display;
    d->pc.vram_bytes = (c->vgamem_mib ? c->vgamem_mib : 16) << 20;
    d->pc.vram_gfn = pc_vram_gfn(ram, c->max_ram_below_4g);
    err = d->hv->ops->populate(d->hv, d->pc.vram_gfn, d->pc.vram_bytes / HV_PAGE_SIZE);
    if (err < 0)
        return error_set(e, err,
                         "cannot give the guest %u MiB of video memory: %s (is videoram= "
                         "in its configuration the same as when it was built?)",
                         d->pc.vram_bytes >> 20, strerror(-err));
    return 0;
}

static int open_host(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    int err = 0;

    d->pc.no_acpi = c->no_acpi;
    d->pc.xen_platform = c->machine == CONFIG_MACHINE_XENFV;
    d->pc.vcpus = c->vcpus ? c->vcpus : 1;
    snprintf(d->pc.boot, sizeof d->pc.boot, "%s", c->boot ? c->boot : "cda");
    for (unsigned i = 0; i < PC_DISKS && err == 0; i++)
        err = open_disk(d, i, e);
    for (unsigned i = 0; i < c->nserials && i < PC_SERIALS && err == 0; i++)
        err = open_serial(d, i, e);
    if (err == 0)
        err = open_vga(d, e);
    return err;
}

static void close_host(struct domain *d)
{
    for (unsigned i = 0; i < PC_DISKS; i++)
        block_close(d->pc.disk[i]);
    for (unsigned i = 0; i < PC_SERIALS; i++)
        if (d->pc.serial[i])
            chardev_close(d->pc.serial[i]);
    rom_unload(&d->vga_rom);
}

/* --- The guest's own wishes. */

static void guest_request(void *opaque, enum machine_request what)
{
    struct domain *d = opaque;
    int err;

    switch (what) {
    case MACHINE_RESET:
        log_info("the guest resets itself");
        err = d->hv->ops->shutdown(d->hv, HV_REBOOT);
        break;
    case MACHINE_POWEROFF:
        log_info("the guest powers off");
        err = d->hv->ops->shutdown(d->hv, HV_POWEROFF);
        break;
    default:
        err = d->hv->ops->set_sleep_state(d->hv, 3);
        d->status = err < 0 ? d->status : VM_SUSPENDED;
        break;
    }
    if (what != MACHINE_SLEEP && err == 0)
        d->status = VM_SHUTDOWN;
    if (err < 0)
        log_error("the hypervisor refused what the guest asked for: %s", strerror(-err));
}

/* --- Signals: libxl sends SIGHUP and does not wait. */

static void signal_ready(void *opaque, uint32_t events)
{
    struct domain *d = opaque;
    struct signalfd_siginfo info;

    (void)events;
    if (read(d->signals.fd, &info, sizeof info) == sizeof info)
        loop_stop(d->loop);
}

static int catch_signals(struct domain *d, struct error *e)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    d->signals = (struct loop_source){ .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                       .ready = signal_ready,
                                       .opaque = d };
    if (d->signals.fd < 0)
        return error_set(e, -errno, "cannot receive signals: %s", strerror(errno));
    return loop_add(d->loop, &d->signals, EPOLLIN);
}

/* --- The loop's questions. */

static uint64_t next_deadline(void *opaque)
{
    return machine_host_deadline(((struct domain *)opaque)->m);
}

static void deadline_expired(void *opaque)
{
    machine_expired(((struct domain *)opaque)->m);
}

static bool poll_guest(void *opaque)
{
    struct domain *d = opaque;

    return d->hv->ops->poll && d->hv->ops->poll(d->hv);
}

/* --- Putting it together. */

static int listen_control(struct domain *d, const struct vm_ops *ops, struct error *e)
{
    const struct config *c = d->config;
    int err = 0;

    d->qmp = qmp_new(d->loop, ops, d);
    if (!d->qmp)
        return error_set(e, -ENOMEM, "out of memory");
    for (unsigned i = 0; i < c->nqmp && err == 0; i++)
        err = c->qmp[i].path ? qmp_listen_path(d->qmp, c->qmp[i].path, e)
                             : qmp_listen_fd(d->qmp, c->qmp[i].fd, e);
    return err;
}

static int build_machine(struct domain *d, struct error *e)
{
    struct request_sink sink;
    int err = arena_create(&d->arena, ARENA_BYTES, e);

    if (err == 0)
        err = hv_xen_open(d->loop, d->config->domid, NULL, &d->hv, e);
    if (err == 0)
        err = open_host(d, e);
    if (err == 0)
        err = machine_new(d->hv, &d->arena, &d->m, e);
    if (err < 0)
        return err;
    machine_on_request(d->m, guest_request, d);
    machine_sink(d->m, &sink);
    hv_xen_set_sink(d->hv, &sink);
    return pc_build(d->m, &d->pc, e);
}

static int start(struct domain *d, struct error *e)
{
    const struct ctl_info info = { d->config->domid, d->config->name,
                                   config_machine_name(d->config->machine) };
    int err = catch_signals(d, e);

    if (err == 0)
        err = build_machine(d, e);
    if (err == 0)
        err = listen_control(d, &domain_vm_ops, e);
    if (err == 0)
        err = ctl_open(d->loop, CTL_DIRECTORY, &info, &domain_vm_ops, d, &d->ctl, e);
    if (err == 0)
        err = xenstore_open(d->loop, NULL, &d->xs, e);
    if (err == 0)
        err = pv_xen_open(d->loop, d->config->domid, &d->pv, e);
    if (err == 0)
        err = vkbd_open(d->xs, d->config->domid, &d->vkbd, e);
    if (err == 0)
        vkbd_set_pv(d->vkbd, d->pv);
    if (err == 0)
        err = hv_xen_start(d->hv, e);
    if (err < 0)
        return err;
    d->hooks = (struct loop_hooks){ next_deadline, deadline_expired, poll_guest, d };
    loop_set_hooks(d->loop, &d->hooks);
    d->status = d->config->start_paused ? VM_PRELAUNCH : VM_RUNNING;
    machine_set_running(d->m, !d->config->start_paused);
    return xenstore_say_running(d->xs, d->config->domid, e);
}

/* The order matters: nothing may reach a device, or use a mapping, that is gone already. */
static void stop(struct domain *d)
{
    ctl_close(d->ctl);
    vkbd_close(d->vkbd);
    if (d->pv)
        d->pv->ops->destroy(d->pv);
    if (d->qmp)
        qmp_free(d->qmp);
    if (d->m)
        machine_drain(d->m);
    machine_free(d->m);
    if (d->hv)
        d->hv->ops->destroy(d->hv);
    close_host(d);
    arena_destroy(&d->arena);
    xenstore_close(d->xs);
    if (d->signals.active) {
        loop_remove(d->loop, &d->signals);
        close(d->signals.fd);
    }
    loop_free(d->loop);
}

int domain_run(const struct config *c, struct error *e)
{
    struct domain d = { .config = c, .arena = { .fd = -1 } };
    int err;

    log_set_domain(c->domid);
    d.loop = loop_new();
    if (!d.loop)
        return error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
    err = start(&d, e);
    if (err == 0)
        loop_run(d.loop);
    stop(&d);
    return err;
}

int domain_probe(const struct config *c, struct error *e)
{
    struct domain d = { .config = c, .arena = { .fd = -1 }, .status = VM_PRELAUNCH };
    int err;

    d.loop = loop_new();
    if (!d.loop)
        return error_set(e, -errno, "cannot make an event loop: %s", strerror(errno));
    err = catch_signals(&d, e);
    if (err == 0)
        err = listen_control(&d, &domain_probe_ops, e);
    if (err == 0)
        loop_run(d.loop);
    stop(&d);
    return err;
}
