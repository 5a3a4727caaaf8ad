/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp_commands - the QMP commands that libxl, xentop and `xl qemu-monitor-command` send.
 *
 * A command that we do not know is CommandNotFound (libxl falls back or gives up); one that we know
 * and cannot serve is a GenericError that says what is missing. Arguments that we do not know are
 * ignored. Numbers may come as text: libxl 4.17 and 4.18 send some that way.
 * Absent: COLO, device_add for pass-through and USB, events.
 */
#include "toolstack/qmp_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "toolstack/version.h"
#include "toolstack/vm_json.h"

static const char cpu_driver[] = "xen-vcpu";

/* ---- helpers -------------------------------------------------------------------------------- */

static json_t *done(int result)
{
    return result < 0 ? NULL : json_object();
}

static json_t *missing(struct qmp_call *c, const char *what)
{
    error_set(&c->error, -ENOTSUP, "this device model cannot %s yet", what);
    return NULL;
}

/* The text argument of that name; NULL with the error set if it is needed and not there. */
static const char *text_arg(struct qmp_call *c, const char *name, bool needed)
{
    const char *text = json_string_value(json_object_get(c->args, name));

    if (!text && needed)
        error_set(&c->error, -EINVAL, "Parameter '%s' is missing or is no string", name);
    return text;
}

/* A number from 0 to 2^31-1, or -1. */
static int64_t number(const json_t *j)
{
    const char *text = json_string_value(j);
    char *end;
    long long v;

    if (!text)
        return json_is_integer(j) && json_integer_value(j) >= 0 &&
                       json_integer_value(j) <= INT32_MAX
                   ? json_integer_value(j)
                   : -1;
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    v = strtoll(text, &end, 10);
    return *end || errno || v > INT32_MAX ? -1 : v;
}

/* ---- descriptors (add-fd) ------------------------------------------------------------------- */

static bool set_in_use(const struct qmp_call *c, uint32_t set)
{
    for (unsigned i = 0; i < QMP_PASSED_FDS; i++)
        if (c->passed[i].fd >= 0 && c->passed[i].set == set)
            return true;
    return false;
}

static uint32_t free_set(const struct qmp_call *c)
{
    uint32_t set = 0;

    while (set_in_use(c, set))
        set++;
    return set;
}

static json_t *cmd_add_fd(struct qmp_call *c)
{
    json_t *wanted = json_object_get(c->args, "fdset-id");
    int64_t set = wanted ? number(wanted) : (int64_t)free_set(c);
    const char *opaque = text_arg(c, "opaque", false);
    int fd = qmp_call_take_fd(c);

    if (fd < 0) {
        error_set(&c->error, -EINVAL, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    for (unsigned i = 0; set >= 0 && i < QMP_PASSED_FDS; i++) {
        struct qmp_passed *p = &c->passed[i];

        if (p->fd >= 0)
            continue;
        *p = (struct qmp_passed){ .fd = fd,
                                  .set = (uint32_t)set,
                                  .opaque = opaque ? strdup(opaque) : NULL,
                                  .owner = c->connection };
        return json_pack("{s:I, s:i}", "fdset-id", (json_int_t)set, "fd", fd);
    }
    close(fd);
    error_set(&c->error, -ENOSPC,
              set < 0 ? "fdset-id is no set's number"
                      : "too many file descriptors are waiting to be used");
    return NULL;
}

static json_t *cmd_remove_fd(struct qmp_call *c)
{
    int64_t set = number(json_object_get(c->args, "fdset-id"));
    json_t *wanted = json_object_get(c->args, "fd");
    bool found = false;

    for (unsigned i = 0; i < QMP_PASSED_FDS; i++) {
        struct qmp_passed *p = &c->passed[i];

        if (p->fd < 0 || p->set != set || (wanted && number(wanted) != p->fd))
            continue;
        close(p->fd);
        free(p->opaque);
        *p = (struct qmp_passed){ .fd = -1 };
        found = true;
    }
    if (!found)
        error_set(&c->error, -ENOENT, "there is no such file descriptor set");
    return done(found ? 0 : -ENOENT);
}

static json_t *cmd_query_fdsets(struct qmp_call *c)
{
    json_t *sets = json_array();

    for (unsigned i = 0; i < QMP_PASSED_FDS; i++) {
        json_t *fds = json_array();

        for (unsigned k = 0; k < QMP_PASSED_FDS; k++) {
            const struct qmp_passed *p = &c->passed[k];

            if (p->fd < 0 || p->set != c->passed[i].set)
                continue;
            if (k < i) /* the set was listed already */
                break;
            json_array_append_new(fds, p->opaque ? json_pack("{s:i, s:o}", "fd", p->fd, "opaque",
                                                             json_text(p->opaque))
                                                 : json_pack("{s:i}", "fd", p->fd));
        }
        if (c->passed[i].fd >= 0 && json_array_size(fds))
            json_array_append_new(
                sets, json_pack("{s:i, s:O}", "fdset-id", (int)c->passed[i].set, "fds", fds));
        json_decref(fds);
    }
    return sets;
}

/* A duplicate of the descriptor that "/dev/fdset/N" names, whose access mode allows writing or
 * not as wanted; -1: `filename` is no such name; -2 with the error set: nothing fits. *path gets
 * the path in the client's note, if there is one. */
static int passed_fd(struct qmp_call *c, const char *filename, bool writable, const char **path)
{
    static const char prefix[] = "/dev/fdset/";
    json_t *name;
    int64_t set;

    if (strncmp(filename, prefix, sizeof prefix - 1) != 0)
        return -1;
    name = json_string(filename + sizeof prefix - 1);
    set = number(name);
    json_decref(name);
    for (unsigned i = 0; i < QMP_PASSED_FDS; i++) {
        struct qmp_passed *p = &c->passed[i];
        int mode = p->fd >= 0 && p->set == set ? fcntl(p->fd, F_GETFL) : -1, fd;

        if (mode < 0 || (mode & O_ACCMODE) == (writable ? O_RDONLY : O_WRONLY))
            continue;
        fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            error_set(&c->error, -errno, "cannot duplicate the descriptor of %s: %s", filename,
                      strerror(errno));
            return -2;
        }
        if (p->opaque && strchr(p->opaque, ':'))
            *path = strchr(p->opaque, ':') + 1;
        return fd;
    }
    error_set(&c->error, -ENOENT, "%s has no descriptor that can be %s", filename,
              writable ? "written" : "read");
    return -2;
}

/* ---- the machine ---------------------------------------------------------------------------- */

static json_t *cmd_capabilities(struct qmp_call *c)
{
    (void)c;
    return json_object();
}

static json_t *cmd_query_version(struct qmp_call *c)
{
    (void)c;
    return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", QMP_VERSION_MAJOR, "minor",
                     QMP_VERSION_MINOR, "micro", QMP_VERSION_MICRO, "package",
                     "hvmdm " HVMDM_VERSION);
}

static json_t *cmd_query_status(struct qmp_call *c)
{
    enum vm_status status;

    if (!c->ops->status)
        return missing(c, "tell its status");
    status = c->ops->status(c->vm);
    return json_pack("{s:b, s:b, s:s}", "running", status == VM_RUNNING, "singlestep", false,
                     "status", vm_status_name(status));
}

static json_t *cmd_cont(struct qmp_call *c)
{
    return c->ops->cont ? done(c->ops->cont(c->vm, &c->error)) : missing(c, "continue");
}

static json_t *cmd_stop(struct qmp_call *c)
{
    return c->ops->stop ? done(c->ops->stop(c->vm, &c->error)) : missing(c, "stop");
}

static json_t *cmd_query_chardev(struct qmp_call *c)
{
    json_t *list;
    struct vm_chardev d;

    if (!c->ops->chardev)
        return missing(c, "list its serial ports");
    list = json_array();
    for (unsigned i = 0; c->ops->chardev(c->vm, i, &d); i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:b}", "label", json_text(d.label), "filename",
                                        json_text(d.filename), "frontend-open", true));
    return list;
}

static json_t *cmd_query_vnc(struct qmp_call *c)
{
    (void)c;
    return json_pack("{s:b}", "enabled", false);
}

static json_t *cmd_change_vnc_password(struct qmp_call *c)
{
    error_set(&c->error, -ENOTSUP, "there is no VNC server yet: remove vncpasswd= from xl.cfg");
    return NULL;
}

static json_t *cmd_query_pci(struct qmp_call *c)
{
    json_t *devices;
    struct vm_pci d;

    if (!c->ops->pci)
        return missing(c, "list its PCI devices");
    devices = json_array();
    for (unsigned i = 0; c->ops->pci(c->vm, i, &d); i++)
        json_array_append_new(
            devices, json_pack("{s:i, s:i, s:i, s:o, s:{s:i}, s:{s:i, s:i}, s:[]}", "bus", 0,
                               "slot", (int)d.slot, "function", (int)d.function, "qdev_id",
                               json_text(d.id ? d.id : ""), "class_info", "class", d.class, "id",
                               "vendor", d.vendor, "device", d.device, "regions"));
    return json_pack("[{s:i, s:o}]", "bus", 0, "devices", devices);
}

/* ---- processors ----------------------------------------------------------------------------- */

static json_t *cmd_query_cpus_fast(struct qmp_call *c)
{
    json_t *list;

    if (!c->ops->max_vcpus || !c->ops->vcpu_plugged)
        return missing(c, "list its vCPUs");
    list = json_array();
    for (unsigned i = 0; i < c->ops->max_vcpus(c->vm); i++)
        if (c->ops->vcpu_plugged(c->vm, i))
            json_array_append_new(list,
                                  json_pack("{s:i, s:s}", "cpu-index", (int)i, "target", "x86_64"));
    return list;
}

static json_t *cmd_query_hotpluggable_cpus(struct qmp_call *c)
{
    json_t *list;

    if (!c->ops->max_vcpus)
        return missing(c, "plug vCPUs");
    list = json_array();
    for (unsigned i = 0; i < c->ops->max_vcpus(c->vm); i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:{s:i, s:i, s:i}}", "type", cpu_driver,
                                              "vcpus-count", 1, "props", "socket-id", (int)i,
                                              "core-id", 0, "thread-id", 0));
    return list;
}

static json_t *plug_cpu(struct qmp_call *c)
{
    int64_t socket = number(json_object_get(c->args, "socket-id"));

    if (!c->ops->plug_vcpu || !c->ops->max_vcpus)
        return missing(c, "plug vCPUs");
    if (socket < 0 || socket >= c->ops->max_vcpus(c->vm)) {
        error_set(&c->error, -EINVAL, "socket-id is no vCPU of this guest (0 to %u)",
                  c->ops->max_vcpus(c->vm) - 1);
        return NULL;
    }
    return done(c->ops->plug_vcpu(c->vm, (unsigned)socket, &c->error));
}

static json_t *cmd_device_add(struct qmp_call *c)
{
    const char *driver = text_arg(c, "driver", true);

    if (!driver)
        return NULL;
    if (!strcmp(driver, cpu_driver))
        return plug_cpu(c);
    if (!strcmp(driver, "xen-pci-passthrough"))
        return missing(c, "pass PCI devices through (remove pci= from xl.cfg)");
    if (!strncmp(driver, "usb-", 4) || strstr(driver, "-usb-"))
        return missing(c, "emulate USB (remove usbctrl= and usbdev= from xl.cfg)");
    error_set(&c->error, -EINVAL, "'%.80s' is not a device model that can be added", driver);
    return NULL;
}

static json_t *cmd_device_del(struct qmp_call *c)
{
    const char *id = text_arg(c, "id", true);

    if (id) {
        c->error_class = "DeviceNotFound";
        error_set(&c->error, -ENOENT, "Device '%.80s' not found", id);
    }
    return NULL;
}

/* ---- disks ---------------------------------------------------------------------------------- */

static json_t *cmd_query_blockstats(struct qmp_call *c)
{
    json_t *list;
    struct vm_block b;

    if (!c->ops->block)
        return missing(c, "list its disks");
    list = json_array();
    for (unsigned i = 0; c->ops->block(c->vm, i, &b); i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I}}", "device",
                                              json_text(b.id), "qdev", json_text(b.id), "stats",
                                              "rd_bytes", (json_int_t)b.rd_bytes, "wr_bytes",
                                              (json_int_t)b.wr_bytes, "rd_operations",
                                              (json_int_t)b.rd_operations, "wr_operations",
                                              (json_int_t)b.wr_operations, "flush_operations",
                                              (json_int_t)b.flush_operations));
    return list;
}

static json_t *cmd_query_block(struct qmp_call *c)
{
    json_t *list;
    struct vm_block b;

    if (!c->ops->block)
        return missing(c, "list its disks");
    list = json_array();
    for (unsigned i = 0; c->ops->block(c->vm, i, &b); i++) {
        json_t *j = json_pack("{s:o, s:o, s:b, s:b, s:s}", "device", json_text(b.id), "qdev",
                              json_text(b.id), "removable", b.removable, "locked", b.locked, "type",
                              "unknown");

        if (b.removable)
            json_object_set_new(j, "tray_open", json_boolean(b.tray_open));
        if (b.file)
            json_object_set_new(j, "inserted",
                                json_pack("{s:o, s:b, s:s}", "file", json_text(b.file), "ro",
                                          b.read_only, "drv", b.format ? b.format : "raw"));
        json_array_append_new(list, j);
    }
    return list;
}

/* CD commands name the drive by `id`; before 2.8 it was `device`. */
static const char *drive_arg(struct qmp_call *c)
{
    const char *id = text_arg(c, "id", false);

    return id ? id : text_arg(c, "device", true);
}

static json_t *drive_done(struct qmp_call *c, const char *id, int result)
{
    if (result == -ENOENT || result == -ENODEV) {
        c->error_class = "DeviceNotFound";
        error_set(&c->error, result, "Device '%.80s' not found", id);
    }
    if (result < 0)
        error_set(&c->error, result, "%.80s: %s", id, strerror(-result));
    return done(result);
}

static json_t *cmd_eject(struct qmp_call *c)
{
    const char *id = drive_arg(c);

    if (!id)
        return NULL;
    if (!c->ops->eject)
        return missing(c, "eject a CD");
    return drive_done(
        c, id,
        c->ops->eject(c->vm, id, json_is_true(json_object_get(c->args, "force")), &c->error));
}

static json_t *cmd_change_medium(struct qmp_call *c)
{
    const char *id = drive_arg(c), *filename = id ? text_arg(c, "filename", true) : NULL;
    const char *format = text_arg(c, "format", false), *path = filename;
    int fd;

    if (!id || !filename)
        return NULL;
    if (!c->ops->change_medium)
        return missing(c, "change a CD");
    fd = passed_fd(c, filename, false, &path);
    if (fd == -2)
        return NULL;
    return drive_done(
        c, id, c->ops->change_medium(c->vm, id, fd, path, format ? format : "raw", &c->error));
}

/* The image's own size counts: whoever looks after the host has changed that before. */
static json_t *cmd_block_resize(struct qmp_call *c)
{
    if (!json_is_integer(json_object_get(c->args, "size"))) {
        error_set(&c->error, -EINVAL, "Parameter 'size' is missing or is no number");
        return NULL;
    }
    if (!c->ops->resized)
        return missing(c, "take up another size of a disk");
    return done(c->ops->resized(c->vm, &c->error));
}

/* ---- migration, power ----------------------------------------------------------------------- */

static json_t *cmd_dirty_log(struct qmp_call *c)
{
    json_t *enable = json_object_get(c->args, "enable");

    if (!json_is_boolean(enable)) {
        error_set(&c->error, -EINVAL, "Parameter 'enable' is missing or is not true or false");
        return NULL;
    }
    if (!c->ops->dirty_log)
        return missing(c, "track dirty memory for a live migration");
    return done(c->ops->dirty_log(c->vm, json_is_true(enable), &c->error));
}

static json_t *cmd_save(struct qmp_call *c)
{
    const char *filename = text_arg(c, "filename", true), *path = filename;
    int fd, result;

    if (!filename)
        return NULL;
    if (!c->ops->save)
        return missing(c, "save its state");
    fd = passed_fd(c, filename, true, &path);
    if (fd == -1)
        error_set(&c->error, -EINVAL, "filename must be /dev/fdset/N (see add-fd)");
    if (fd < 0)
        return NULL;
    result = c->ops->save(c->vm, fd, json_is_true(json_object_get(c->args, "live")), &c->error);
    close(fd);
    return done(result);
}

static json_t *cmd_wakeup(struct qmp_call *c)
{
    return c->ops->wakeup ? done(c->ops->wakeup(c->vm, &c->error))
                          : missing(c, "wake the guest from sleep");
}

static json_t *cmd_quit(struct qmp_call *c)
{
    c->quit = true;
    return json_object();
}

/* ---- about ourselves ------------------------------------------------------------------------ */

/* Only what libxl looks for (4.20 on): whether -run-with takes the place of -chroot and -runas. */
static json_t *cmd_query_command_line_options(struct qmp_call *c)
{
    const char *option = text_arg(c, "option", false);

    if (option && strcmp(option, "run-with") != 0)
        return json_array();
    return json_pack("[{s:s, s:[{s:s, s:s}, {s:s, s:s}]}]", "option", "run-with", "parameters",
                     "name", "chroot", "type", "string", "name", "user", "type", "string");
}

static json_t *cmd_query_commands(struct qmp_call *c)
{
    const struct qmp_command *command;
    json_t *list = json_array();

    (void)c;
    for (unsigned i = 0; (command = qmp_command(i)); i++)
        json_array_append_new(list, json_pack("{s:s}", "name", command->name));
    return list;
}

static json_t *cmd_human_monitor_command(struct qmp_call *c);

static const struct qmp_command commands[] = {
    { "qmp_capabilities", cmd_capabilities, "" },
    { "query-status", cmd_query_status, "" },
    { "query-chardev", cmd_query_chardev, "" },
    { "query-vnc", cmd_query_vnc, "" },
    { "change-vnc-password", cmd_change_vnc_password, "password" },
    { "cont", cmd_cont, "" },
    { "stop", cmd_stop, "" },
    { "query-pci", cmd_query_pci, "" },
    { "query-cpus-fast", cmd_query_cpus_fast, "" },
    { "query-hotpluggable-cpus", cmd_query_hotpluggable_cpus, "" },
    { "device_add", cmd_device_add, "driver id [socket-id]" },
    { "device_del", cmd_device_del, "id" },
    { "query-version", cmd_query_version, "" },
    { "eject", cmd_eject, "id [force]" },
    { "add-fd", cmd_add_fd, "[fdset-id] [opaque] (and a descriptor)" },
    { "remove-fd", cmd_remove_fd, "fdset-id [fd]" },
    { "query-fdsets", cmd_query_fdsets, "" },
    { "blockdev-change-medium", cmd_change_medium, "id filename [format]" },
    { "block_resize", cmd_block_resize, "[device] [node-name] size (that of the image counts)" },
    { "query-block", cmd_query_block, "" },
    { "query-blockstats", cmd_query_blockstats, "" },
    { "xen-set-global-dirty-log", cmd_dirty_log, "enable" },
    { "xen-save-devices-state", cmd_save, "filename [live]" },
    { "system_wakeup", cmd_wakeup, "" },
    { "human-monitor-command", cmd_human_monitor_command, "command-line" },
    { "query-command-line-options", cmd_query_command_line_options, "[option]" },
    { "query-commands", cmd_query_commands, "" },
    { "query-name", qmp_query_name, "" },
    { "query-machines", qmp_query_machines, "" },
    { "qom-list-types", qmp_qom_list_types, "[implements] [abstract]" },
    { "system_reset", qmp_system_reset, "" },
    { "quit", cmd_quit, "" },
};

const struct qmp_command *qmp_command(unsigned i)
{
    return i < ARRAY_SIZE(commands) ? &commands[i] : NULL;
}

/* ---- xl qemu-monitor-command ---------------------------------------------------------------- */

struct text {
    char bytes[8192];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->bytes + t->used, sizeof t->bytes - t->used, format, args);
    va_end(args);
    if (n > 0)
        t->used += (size_t)n;
    if (t->used >= sizeof t->bytes)
        t->used = sizeof t->bytes - 1; /* the end is cut */
}

static void info_block(struct qmp_call *c, struct text *t)
{
    struct vm_block b;

    for (unsigned i = 0; c->ops->block && c->ops->block(c->vm, i, &b); i++)
        say(t, "%s: %s%s%s%s%s\r\n", b.id, b.file ? b.file : "[not inserted]",
            b.format ? " format=" : "", b.format ? b.format : "", b.read_only ? " read-only" : "",
            b.locked ? " locked" : "");
}

static void info_chardev(struct qmp_call *c, struct text *t)
{
    struct vm_chardev d;

    for (unsigned i = 0; c->ops->chardev && c->ops->chardev(c->vm, i, &d); i++)
        say(t, "%s: filename=%s\r\n", d.label, d.filename);
}

static void info_pci(struct qmp_call *c, struct text *t)
{
    struct vm_pci d;

    for (unsigned i = 0; c->ops->pci && c->ops->pci(c->vm, i, &d); i++)
        say(t, "00:%02x.%u class %04x: %04x:%04x %s\r\n", d.slot, d.function, d.class, d.vendor,
            d.device, d.id ? d.id : "");
}

static void info_cpus(struct qmp_call *c, struct text *t)
{
    for (unsigned i = 0; c->ops->max_vcpus && i < c->ops->max_vcpus(c->vm); i++)
        if (c->ops->vcpu_plugged && c->ops->vcpu_plugged(c->vm, i))
            say(t, "CPU #%u\r\n", i);
}

static json_t *cmd_human_monitor_command(struct qmp_call *c)
{
    const char *line = text_arg(c, "command-line", true);
    struct text t = { .used = 0 };

    if (!line)
        return NULL;
    t.bytes[0] = '\0';
    if (!strcmp(line, "info status"))
        say(&t, "VM status: %s\r\n",
            c->ops->status ? vm_status_name(c->ops->status(c->vm)) : "none");
    else if (!strcmp(line, "info version"))
        say(&t, "hvmdm %s\r\n", HVMDM_VERSION);
    else if (!strcmp(line, "info block"))
        info_block(c, &t);
    else if (!strcmp(line, "info chardev"))
        info_chardev(c, &t);
    else if (!strcmp(line, "info pci"))
        info_pci(c, &t);
    else if (!strcmp(line, "info cpus"))
        info_cpus(c, &t);
    else if (!strncmp(line, "block_resize ", 13))
        say(&t, "%s",
            !c->ops->resized                        ? "this device model has no disks\r\n"
            : c->ops->resized(c->vm, &c->error) < 0 ? c->error.text
                                                    : "");
    else if (!strcmp(line, "help") || !strcmp(line, "info"))
        say(&t,
            "info status, info version, info block, info chardev, info pci, info cpus, block_resize "
            "DISK SIZE (when its image has another size); for more use hvmdm-ctl(8) or QMP\r\n");
    else
        say(&t, "unknown command: '%.200s' (try: help)\r\n", line);
    return json_text(t.bytes);
}
