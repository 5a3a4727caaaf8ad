/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl - the server side of our own control socket. See ctl.h.
 *
 * Absent: following what changes; one asks again.
 */
#include "toolstack/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/json_scan.h"
#include "toolstack/stream.h"
#include "toolstack/version.h"
#include "toolstack/vm_json.h"

enum {
    CTL_CONNECTIONS = 4, /* one more drops the one that was silent longest */
    CTL_PATH = 108,      /* of a UNIX socket */
};

struct ctl_connection {
    struct stream stream;
    struct json_scan scan;
    struct ctl *ctl;
    uint64_t last_heard;
    bool meters; /* it has asked for `top` */
};

struct ctl {
    struct loop *loop;
    const struct vm_ops *ops;
    void *vm;
    struct ctl_info info;
    struct loop_source source; /* the listening socket */
    char path[CTL_PATH];
    bool resting;
    dev_t dev; /* of the socket file, to know it again */
    ino_t ino;
    uint64_t clock;
    struct ctl_connection *connections[CTL_CONNECTIONS];
};

/* A command being answered. */
struct ctl_call {
    struct ctl *ctl;
    struct ctl_connection *connection;
    const json_t *request;
    struct error error;
    struct surface picture; /* follows the answer if it has pixels */
    bool quit;
};

static json_t *missing(struct ctl_call *c, const char *what)
{
    error_set(&c->error, -ENOTSUP, "this device model cannot %s yet", what);
    return NULL;
}

static json_t *status_vcpus(const struct ctl *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; s->ops->max_vcpus && i < s->ops->max_vcpus(s->vm); i++)
        if (s->ops->vcpu_plugged && s->ops->vcpu_plugged(s->vm, i))
            json_array_append_new(list, json_integer(i));
    return list;
}

static json_t *status_serials(const struct ctl *s)
{
    json_t *list = json_array();
    struct vm_chardev d;

    for (unsigned i = 0; s->ops->chardev && s->ops->chardev(s->vm, i, &d); i++)
        json_array_append_new(list, json_pack("{s:o, s:o}", "label", json_text(d.label), "filename",
                                              json_text(d.filename)));
    return list;
}

static json_t *status_disks(const struct ctl *s)
{
    json_t *list = json_array();
    struct vm_block b;

    for (unsigned i = 0; s->ops->block && s->ops->block(s->vm, i, &b); i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:I, s:I}", "id", json_text(b.id),
                                              "file", json_text(b.file), "read-only", b.read_only,
                                              "read-bytes", (json_int_t)b.rd_bytes, "write-bytes",
                                              (json_int_t)b.wr_bytes));
    return list;
}

static json_t *status_nics(const struct ctl *s)
{
    json_t *list = json_array();
    struct vm_nic n;
    char mac[18];

    for (unsigned i = 0; s->ops->nic && s->ops->nic(s->vm, i, &n); i++) {
        snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", n.mac[0], n.mac[1], n.mac[2],
                 n.mac[3], n.mac[4], n.mac[5]);
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:o, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "id",
                      json_text(n.id), "model", json_text(n.model), "network", json_text(n.what),
                      "mac", mac, "link", n.link, "rx-frames", (json_int_t)n.rx_frames, "rx-bytes",
                      (json_int_t)n.rx_bytes, "rx-dropped", (json_int_t)n.rx_dropped, "tx-frames",
                      (json_int_t)n.tx_frames, "tx-bytes", (json_int_t)n.tx_bytes, "tx-dropped",
                      (json_int_t)n.tx_dropped));
    }
    return list;
}

static json_t *ctl_status(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;

    return json_pack("{s:i, s:o, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "domid",
                     (int)s->info.domid, "name", json_text(s->info.name), "status",
                     s->ops->status ? vm_status_name(s->ops->status(s->vm)) : "unknown", "version",
                     HVMDM_VERSION, "pid", (int)getpid(), "machine", json_text(s->info.machine),
                     "vcpus", status_vcpus(s), "serials", status_serials(s), "disks",
                     status_disks(s), "nics", status_nics(s));
}

static json_t *ctl_counters(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;

    if (!s->ops->counters)
        return missing(c, "count");
    return json_pack("{s:o}", "devices", vm_counters_json(s->ops, s->vm));
}

static json_t *ctl_dump(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;
    const char *device = json_string_value(json_object_get(c->request, "device"));
    json_t *devices;

    if (!s->ops->dump)
        return missing(c, "show the state of its devices");
    devices = vm_dump_json(s->ops, s->vm, device, &c->error);
    return devices ? json_pack("{s:o}", "devices", devices) : NULL;
}

static json_t *ctl_top(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;
    int ret;

    if (!s->ops->meter)
        return missing(c, "count accesses of registers");
    ret = s->ops->meter(s->vm, true, &c->error);
    if (ret < 0)
        return NULL;
    c->connection->meters = true;
    return vm_meter_json(s->ops, s->vm);
}

/* Nobody looks any more? */
static void ctl_unmeter(const struct ctl *s)
{
    struct error ignored = { "" };

    for (unsigned i = 0; i < CTL_CONNECTIONS; i++)
        if (s->connections[i] && s->connections[i]->meters)
            return;
    if (s->ops->meter(s->vm, false, &ignored) < 0)
        log_warn("%s", ignored.text);
}

static json_t *ctl_trace(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;
    const char *device = json_string_value(json_object_get(c->request, "device"));
    const json_t *on = json_object_get(c->request, "on");

    if (!s->ops->trace || !s->ops->traced)
        return missing(c, "trace");
    if (device && !json_is_boolean(on)) {
        error_set(&c->error, -EINVAL, "on or off?");
        return NULL;
    }
    if (device && s->ops->trace(s->vm, device, json_is_true(on), &c->error) < 0)
        return NULL;
    return json_pack("{s:o}", "devices", vm_traced_json(s->ops, s->vm));
}

static json_t *ctl_screenshot(struct ctl_call *c)
{
    const struct ctl *s = c->ctl;
    int ret;

    if (!s->ops->screenshot)
        return missing(c, "take a screenshot (no graphics card)");
    /* Pictures are large: one on its way is enough for all clients together. */
    for (unsigned i = 0; i < CTL_CONNECTIONS; i++)
        if (s->connections[i] && s->connections[i]->stream.payload) {
            error_set(&c->error, -EBUSY, "another screenshot is being read; try again");
            return NULL;
        }
    ret = s->ops->screenshot(s->vm, &c->picture, &c->error);
    if (ret < 0) {
        error_set(&c->error, ret, "cannot take a screenshot: %s", strerror(-ret));
        return NULL;
    }
    return json_pack("{s:i, s:i, s:I}", "width", (int)c->picture.width, "height",
                     (int)c->picture.height, "bytes", (json_int_t)surface_bytes(&c->picture));
}

static json_t *ctl_version(struct ctl_call *c)
{
    (void)c;
    return json_pack("{s:s}", "version", HVMDM_VERSION);
}

static json_t *ctl_quit(struct ctl_call *c)
{
    if (!c->ctl->ops->quit)
        return missing(c, "end on request");
    c->quit = true;
    return json_object();
}

static const struct {
    const char *name;
    json_t *(*run)(struct ctl_call *c);
} commands[] = {
    { "status", ctl_status },   { "counters", ctl_counters }, { "dump", ctl_dump },
    { "top", ctl_top },         { "trace", ctl_trace },       { "screenshot", ctl_screenshot },
    { "version", ctl_version }, { "quit", ctl_quit },
};

static json_t *ctl_run(struct ctl_call *c)
{
    const char *name = json_string_value(json_object_get(c->request, "command"));

    for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].run(c);
    error_set(&c->error, -EINVAL, "do not know the command \"%.80s\"", name ? name : "");
    return NULL;
}

static void ctl_send(struct ctl_connection *c, json_t *answer)
{
    char *text = json_dumps(answer, JSON_COMPACT);
    size_t n = text ? strlen(text) : 0;

    json_decref(answer);
    if (text) {
        text[n] = '\n'; /* instead of the NUL, which is not sent */
        stream_send(&c->stream, text, n + 1);
    } else {
        stream_kill(&c->stream);
    }
    free(text);
}

static void ctl_answer(struct ctl_connection *c, const json_t *request, const char *wrong)
{
    struct ctl_call call = { .ctl = c->ctl, .connection = c, .request = request };
    json_t *result = NULL;

    if (request)
        result = ctl_run(&call);
    else
        error_set(&call.error, -EINVAL, "that is no request: %s", wrong);
    if (result)
        ctl_send(c, json_pack("{s:o}", "return", result));
    else
        ctl_send(c, json_pack("{s:o}", "error", json_text(call.error.text)));
    if (call.picture.pixels)
        stream_give(&c->stream, call.picture.pixels, surface_bytes(&call.picture));
    if (call.quit)
        c->ctl->ops->quit(c->ctl->vm);
}

static void ctl_input(void *opaque, const char *bytes, size_t n)
{
    struct ctl_connection *c = opaque;

    c->last_heard = ++c->ctl->clock;
    while (n && !c->stream.dead) {
        enum json_scan_result r = json_scan(&c->scan, &bytes, &n);
        json_error_t why = { .text = "" };
        json_t *request = NULL;

        if (r == JSON_SCAN_MORE)
            return;
        if (c->stream.payload) {
            stream_kill(&c->stream); /* asks on without reading its picture */
            return;
        }
        if (r == JSON_SCAN_OBJECT) {
            request = json_loadb(c->scan.text, c->scan.len, 0, &why);
            json_scan_free(&c->scan);
        }
        ctl_answer(c, request, r == JSON_SCAN_OBJECT ? why.text : c->scan.reason);
        json_decref(request);
    }
}

static void ctl_closed(void *opaque)
{
    struct ctl_connection *c = opaque;

    for (unsigned i = 0; i < CTL_CONNECTIONS; i++)
        if (c->ctl->connections[i] == c)
            c->ctl->connections[i] = NULL;
    if (c->meters)
        ctl_unmeter(c->ctl);
    json_scan_free(&c->scan);
    free(c);
}

static struct ctl_connection **ctl_place(struct ctl *s)
{
    unsigned oldest = 0;

    for (unsigned i = 0; i < CTL_CONNECTIONS; i++) {
        if (!s->connections[i])
            return &s->connections[i];
        if (s->connections[i]->last_heard < s->connections[oldest]->last_heard)
            oldest = i;
    }
    stream_kill(&s->connections[oldest]->stream);
    return s->connections[oldest] ? NULL : &s->connections[oldest];
}

int ctl_connection(struct ctl *s, int fd)
{
    static const struct stream_user user = { .input = ctl_input, .closed = ctl_closed };
    struct ctl_connection **place = ctl_place(s), *c = place ? calloc(1, sizeof *c) : NULL;
    int ret;

    if (!c) {
        close(fd);
        return -ENOMEM;
    }
    c->ctl = s;
    c->last_heard = ++s->clock;
    ret = stream_open(&c->stream, s->loop, fd, &user, c);
    if (ret < 0) {
        free(c);
        return ret;
    }
    *place = c;
    return 0;
}

static void ctl_accept(void *opaque, uint32_t events)
{
    struct ctl *s = opaque;
    int fd = accept4(s->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t size = sizeof peer;

    (void)events;
    if (fd < 0)
        return;
    /* The permissions of directory and socket say so already; a second lock costs nothing. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        (peer.uid != 0 && peer.uid != geteuid())) {
        close(fd);
        return;
    }
    if (ctl_connection(s, fd) < 0)
        return; /* out of memory; the client sees a closed connection */
}

static int ctl_directory(const char *directory, struct error *e)
{
    struct stat st;

    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot make %s: %s", directory, strerror(errno));
    if (lstat(directory, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
        (st.st_mode & 022))
        return error_set(e, -EPERM, "%s must be a directory of our own that nobody else can write",
                         directory);
    return 0;
}

static struct ctl *ctl_new(struct loop *loop, const char *directory, const struct ctl_info *info,
                           const struct vm_ops *ops, void *vm, struct error *e)
{
    struct ctl *s = calloc(1, sizeof *s);

    if (!s) {
        error_set(e, -ENOMEM, "no memory for the control socket");
        return NULL;
    }
    *s = (struct ctl){ .loop = loop, .ops = ops, .vm = vm, .info = *info };
    if ((size_t)snprintf(s->path, sizeof s->path, "%s/%u.ctl", directory, info->domid) >=
        sizeof s->path) {
        error_set(e, -ENAMETOOLONG, "cannot make the control socket in %s: %s", directory,
                  strerror(ENAMETOOLONG));
        free(s);
        return NULL;
    }
    return s;
}

/* Takes over s and fd in every case. */
static int ctl_listen(struct ctl *s, int fd, struct ctl **out, struct error *e)
{
    struct stat st;
    int ret;

    if (lstat(s->path, &st) == 0) {
        s->dev = st.st_dev;
        s->ino = st.st_ino;
    }
    s->source = (struct loop_source){ .fd = fd, .ready = ctl_accept, .opaque = s };
    ret = loop_add(s->loop, &s->source, EPOLLIN);
    if (ret < 0) {
        error_set(e, ret, "cannot listen at %s: %s", s->path, strerror(-ret));
        close(fd);
        free(s);
        return ret;
    }
    *out = s;
    return 0;
}

int ctl_open(struct loop *loop, const char *directory, const struct ctl_info *info,
             const struct vm_ops *ops, void *vm, struct ctl **out, struct error *e)
{
    struct ctl *s;
    int fd, ret = ctl_directory(directory, e);

    if (ret < 0)
        return ret;
    s = ctl_new(loop, directory, info, ops, vm, e);
    if (!s)
        return -ENOMEM;
    fd = stream_listen(s->path, 0600, e);
    if (fd < 0) {
        free(s);
        return fd;
    }
    return ctl_listen(s, fd, out, e);
}

int ctl_serve(struct loop *loop, const char *directory, int fd, const struct ctl_info *info,
              const struct vm_ops *ops, void *vm, struct ctl **out, struct error *e)
{
    struct ctl *s = ctl_new(loop, directory, info, ops, vm, e);

    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    return ctl_listen(s, fd, out, e);
}

int ctl_listener(const struct ctl *s)
{
    return s->source.fd;
}

static void ctl_hang_up(struct ctl *s)
{
    for (unsigned i = 0; i < CTL_CONNECTIONS; i++)
        if (s->connections[i])
            stream_kill(&s->connections[i]->stream);
}

void ctl_rest(struct ctl *s, bool on)
{
    int err = 0;

    s->resting = on;
    if (on) {
        ctl_hang_up(s);
        loop_remove(s->loop, &s->source);
    } else if (!s->source.active) {
        err = loop_add(s->loop, &s->source, EPOLLIN);
    }
    if (err < 0)
        log_error("%s is not listened at any more: %s", s->path, strerror(-err));
}

void ctl_close(struct ctl *s)
{
    struct stat st;

    if (!s)
        return;
    ctl_hang_up(s);
    loop_remove(s->loop, &s->source);
    close(s->source.fd);
    /* After a soft reset a newer device model may have the name. */
    if (!s->resting && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        unlink(s->path);
    free(s);
}
