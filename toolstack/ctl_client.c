/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl_client - hvmdm-ctl: finds the control socket of a domain, asks, and shows the answer.
 *
 * Absent: several domains in one call.
 */
#include "toolstack/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "display/png.h"
#include "toolstack/ctl_top.h"
#include "toolstack/version.h"

enum {
    CLIENT_TIMEOUT_S = 60, /* an upgrade has several steps of up to 10 s */
    CLIENT_LINE = 4 << 20, /* longest answer */
    CLIENT_PATH = 1024,    /* of a program */
    CLIENT_ARGUMENTS = 2,  /* of a command, at most */
};

struct client {
    const char *directory;
    const char *whose; /* socket: the device model's "ctl", or the "supervisor"'s */
    FILE *out;
    struct error error;
    int fd;    /* connected socket, or -1 */
    char *buf; /* received, not yet used: [at, len) */
    size_t at, len, cap;
};

static const char usage[] =
    "usage: hvmdm-ctl [OPTION]... DOMID|NAME COMMAND [ARGUMENT]...\n"
    "       hvmdm-ctl [OPTION]... list\n"
    "\n"
    "Asks the hvmdm that serves a domain.\n"
    "\n"
    "  status [--json]           what it is doing, serial ports, disks\n"
    "  counters [--json]         accesses, bytes, DMA and interrupts of each device\n"
    "  top [--json|--once]       which registers are asked, how often, and what that costs; on a\n"
    "                            terminal again each second, else, or with --once, one table\n"
    "  state [--json] [DEVICE]   the registers of all devices or of one, between two requests\n"
    "                            (dump is the same)\n"
    "  trace [DEVICES on|off]    each access, interrupt and DMA of these devices goes to the log;\n"
    "                            patterns: \"ide*,uart16550-1\", \"*\"; alone: which are on\n"
    "  screenshot FILE.png       what the guest's screen shows now; - is standard output\n"
    "  version                   of hvmdm-ctl and of the running hvmdm\n"
    "  quit                      end the device model (the guest will not survive it)\n"
    "  supervisor [--json]       the processes that serve the domain, and how often they died\n"
    "  upgrade [PATH]            let the device model be replaced by the program PATH, or by what\n"
    "                            lies now where the running one came from; the guest goes on\n"
    "\n"
    "  -d, --directory DIR       where the control sockets are (" CTL_DIRECTORY ")\n"
    "  -h, --help                this text\n"
    "  -V, --version             version of hvmdm-ctl\n";

/* ---- connection ----------------------------------------------------------------------------- */

static void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->buf);
    c->fd = -1;
    c->buf = NULL;
    c->at = c->len = c->cap = 0;
}

static int client_connect(struct client *c, const char *domid)
{
    const struct timeval patience = { .tv_sec = CLIENT_TIMEOUT_S };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int ret;

    if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s/%s.%s", c->directory, domid,
                         c->whose) >= sizeof a.sun_path)
        return error_set(&c->error, -ENAMETOOLONG, "%s is too long a path", c->directory);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return error_set(&c->error, -errno, "cannot make a socket: %s", strerror(errno));
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0)
        return 0;
    ret = -errno;
    client_close(c);
    if (ret == -ENOENT)
        return error_set(&c->error, ret,
                         "no device model is running for domain %s: there is no %s (hvmdm-ctl list "
                         "shows who is there)",
                         domid, a.sun_path);
    if (ret == -ECONNREFUSED)
        return error_set(&c->error, ret,
                         "no device model is running for domain %s: it has left %s behind, but "
                         "nobody answers there",
                         domid, a.sun_path);
    if (ret == -EACCES)
        return error_set(&c->error, ret, "may not open %s: only root may", a.sun_path);
    return error_set(&c->error, ret, "cannot connect to %s: %s", a.sun_path, strerror(-ret));
}

static int client_error(struct client *c, ssize_t n)
{
    if (n == 0)
        return error_set(&c->error, -EPIPE, "the device model closed the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return error_set(&c->error, -ETIMEDOUT, "the device model gave no answer within %d s",
                         CLIENT_TIMEOUT_S);
    return error_set(&c->error, -errno, "cannot talk to the device model: %s", strerror(errno));
}

/* Makes room and reads once. */
static int client_fill(struct client *c)
{
    ssize_t n;

    if (c->len == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 4096;
        char *grown = cap <= 2 * (size_t)CLIENT_LINE ? realloc(c->buf, cap) : NULL;

        if (!grown)
            return error_set(&c->error, -E2BIG, "the device model's answer is too long");
        c->buf = grown;
        c->cap = cap;
    }
    do
        n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return client_error(c, n);
    c->len += (size_t)n;
    return 0;
}

static int client_receive(struct client *c, json_t **answer)
{
    json_error_t why;
    char *end;
    int ret;

    while (!(end = c->len ? memchr(c->buf, '\n', c->len) : NULL)) {
        ret = client_fill(c);
        if (ret < 0)
            return ret;
    }
    *answer = json_loadb(c->buf, (size_t)(end - c->buf), 0, &why);
    c->at = (size_t)(end - c->buf) + 1;
    if (!*answer)
        return error_set(&c->error, -EPROTO, "cannot understand the device model's answer: %s",
                         why.text);
    return 0;
}

/* One request, which is given away; *result is the answer's "return" (new reference). */
static int client_call(struct client *c, json_t *request, json_t **result)
{
    json_t *answer = NULL, *value;
    char *text;
    size_t len;
    ssize_t n;
    int ret;

    c->at = c->len = 0; /* what an earlier one was answered */
    text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text)
        return error_set(&c->error, -EINVAL, "the argument is no UTF-8 text");
    len = strlen(text);
    text[len] = '\n'; /* instead of the NUL */
    n = send(c->fd, text, len + 1, MSG_NOSIGNAL);
    ret = n < 0 ? client_error(c, n) : client_receive(c, &answer);
    free(text);
    if (ret < 0)
        return ret;
    value = json_object_get(answer, "return");
    if (value) {
        *result = json_incref(value);
    } else {
        const char *why = json_string_value(json_object_get(answer, "error"));

        ret = error_set(&c->error, -EREMOTEIO, "%s", why ? why : "the answer makes no sense");
    }
    json_decref(answer);
    return ret;
}

/* `argument` may be NULL. */
static int client_ask(struct client *c, const char *command, const char *argument, json_t **result)
{
    json_t *request = json_pack("{s:s}", "command", command);

    if (argument && json_object_set_new(request, strcmp(command, "upgrade") ? "device" : "path",
                                        json_string(argument)) < 0)
        return error_set(&c->error, -EINVAL, "\"%s\" is no UTF-8 text", argument);
    return client_call(c, request, result);
}

/* ---- which domain --------------------------------------------------------------------------- */

/* Calls `visit` with each running device model's status until it returns nonzero. */
static int each_domain(struct client *c,
                       int (*visit)(struct client *c, const char *domid, const json_t *status,
                                    void *opaque),
                       void *opaque)
{
    DIR *dir = opendir(c->directory);
    struct dirent *d;
    int ret = 0;

    if (!dir && errno == ENOENT)
        return 0; /* nothing has run here yet */
    if (!dir)
        return error_set(&c->error, -errno, "cannot read %s: %s", c->directory, strerror(errno));
    while (ret == 0 && (d = readdir(dir))) {
        struct client one = { .directory = c->directory, .whose = c->whose, .fd = -1 };
        size_t digits = strspn(d->d_name, "0123456789");
        json_t *status = NULL;
        char domid[16];

        if (!digits || digits >= sizeof domid || d->d_name[digits] != '.' ||
            strcmp(d->d_name + digits + 1, c->whose))
            continue;
        memcpy(domid, d->d_name, digits);
        domid[digits] = '\0';
        if (client_connect(&one, domid) == 0 && client_ask(&one, "status", NULL, &status) == 0)
            ret = visit(c, domid, status, opaque);
        json_decref(status);
        client_close(&one);
    }
    closedir(dir);
    return ret;
}

static const char *member(const json_t *j, const char *name)
{
    const char *text = json_string_value(json_object_get(j, name));

    return text ? text : "-";
}

struct wanted {
    const char *name;
    char domid[16];
};

static int visit_name(struct client *c, const char *domid, const json_t *status, void *opaque)
{
    struct wanted *w = opaque;

    (void)c;
    if (strcmp(member(status, "name"), w->name))
        return 0;
    memcpy(w->domid, domid, strlen(domid) + 1);
    return 1;
}

static int visit_list(struct client *c, const char *domid, const json_t *status, void *opaque)
{
    unsigned *count = opaque;

    if (!(*count)++)
        fprintf(c->out, "%5s  %-10s  %8s  %s\n", "DOMID", "STATUS", "PID", "NAME");
    fprintf(c->out, "%5s  %-10s  %8" JSON_INTEGER_FORMAT "  %s\n", domid, member(status, "status"),
            json_integer_value(json_object_get(status, "pid")), member(status, "name"));
    return 0;
}

static int client_list(struct client *c)
{
    unsigned count = 0;
    int ret = each_domain(c, visit_list, &count);

    if (ret == 0 && !count)
        fprintf(c->out, "no device model is running\n");
    return ret;
}

static int client_find(struct client *c, const char *who)
{
    struct wanted w = { .name = who };
    int ret;

    if (*who && !who[strspn(who, "0123456789")])
        return client_connect(c, who);
    ret = each_domain(c, visit_name, &w);
    if (ret == 0)
        return error_set(&c->error, -ENOENT,
                         "no device model is running for a domain named \"%s\" (hvmdm-ctl list "
                         "shows who is there)",
                         who);
    return ret < 0 ? ret : client_connect(c, w.domid);
}

/* ---- showing -------------------------------------------------------------------------------- */

static void show_json(struct client *c, const json_t *j)
{
    json_dumpf(j, c->out, JSON_INDENT(2));
    fputc('\n', c->out);
}

static json_int_t number_of(const json_t *j, const char *name)
{
    return json_integer_value(json_object_get(j, name));
}

static void show_nics(struct client *c, const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_is_null(json_object_get(one, "network"))) {
            fprintf(c->out, "  %-10s %s %s, unplugged\n", member(one, "id"), member(one, "model"),
                    member(one, "mac"));
            continue;
        }
        fprintf(c->out,
                "  %-10s %s %s on %s%s: %" JSON_INTEGER_FORMAT " frames received, "
                "%" JSON_INTEGER_FORMAT " sent, %" JSON_INTEGER_FORMAT " dropped\n",
                member(one, "id"), member(one, "model"), member(one, "mac"), member(one, "network"),
                json_is_true(json_object_get(one, "link")) ? "" : " (cable out)",
                number_of(one, "rx-frames"), number_of(one, "tx-frames"),
                number_of(one, "rx-dropped") + number_of(one, "tx-dropped"));
    }
}

static void show_status(struct client *c, const json_t *j)
{
    const json_t *list = json_object_get(j, "serials"), *one;
    size_t i;

    fprintf(c->out, "domain %" JSON_INTEGER_FORMAT " (%s): %s\n",
            json_integer_value(json_object_get(j, "domid")), member(j, "name"),
            member(j, "status"));
    fprintf(c->out, "  served by hvmdm %s, pid %" JSON_INTEGER_FORMAT ", machine %s, %zu vCPUs\n",
            member(j, "version"), json_integer_value(json_object_get(j, "pid")),
            member(j, "machine"), json_array_size(json_object_get(j, "vcpus")));
    json_array_foreach(list, i, one)
        fprintf(c->out, "  %-10s %s\n", member(one, "label"), member(one, "filename"));
    list = json_object_get(j, "disks");
    json_array_foreach(list, i, one)
        fprintf(c->out, "  %-10s %s%s\n", member(one, "id"), member(one, "file"),
                json_is_true(json_object_get(one, "read-only")) ? " (read-only)" : "");
    show_nics(c, json_object_get(j, "nics"));
}

static void show_counters(struct client *c, const json_t *j)
{
    static const struct {
        const char *name, *title;
    } columns[] = {
        { "reads", "READS" },          { "writes", "WRITES" },    { "read-bytes", "RD BYTES" },
        { "write-bytes", "WR BYTES" }, { "dma-reads", "DMA RD" }, { "dma-writes", "DMA WR" },
        { "dma-bytes", "DMA BYTES" },  { "irqs", "IRQS" },        { "events", "EVENTS" },
        { "refused", "REFUSED" },
    };
    const json_t *list = json_object_get(j, "devices"), *one;
    size_t i;

    fprintf(c->out, "%-20s", "DEVICE");
    for (size_t k = 0; k < ARRAY_SIZE(columns); k++)
        fprintf(c->out, " %10s", columns[k].title);
    fputc('\n', c->out);
    json_array_foreach(list, i, one)
    {
        fprintf(c->out, "%-20s", member(one, "name"));
        for (size_t k = 0; k < ARRAY_SIZE(columns); k++)
            fprintf(c->out, " %10" JSON_INTEGER_FORMAT,
                    json_integer_value(json_object_get(one, columns[k].name)));
        fputc('\n', c->out);
    }
}

static void show_value(struct client *c, const json_t *value)
{
    const json_t *one;
    size_t i;

    if (json_is_string(value)) {
        const char *hex = json_string_value(value);

        for (i = 0; hex[i] && hex[i + 1]; i += 2)
            fprintf(c->out, "%s%.2s", i % 64 || !i ? (i ? " " : "") : "\n      ", hex + i);
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, one)
            fprintf(c->out, "%s%#" PRIx64, i ? " " : "", (uint64_t)json_integer_value(one));
    } else {
        fprintf(c->out, "%#" PRIx64, (uint64_t)json_integer_value(value));
    }
}

static void show_dump(struct client *c, const json_t *j)
{
    const json_t *list = json_object_get(j, "devices"), *one;
    json_t *value;
    const char *key;
    size_t i;

    json_array_foreach(list, i, one)
    {
        fprintf(c->out, "%s %" JSON_INTEGER_FORMAT "\n", member(one, "name"),
                json_integer_value(json_object_get(one, "instance")));
        json_object_foreach(json_object_get(one, "state"), key, value)
        {
            fprintf(c->out, "  %-16s ", key);
            show_value(c, value);
            fputc('\n', c->out);
        }
    }
}

static void show_worker(struct client *c, const json_t *j)
{
    json_int_t pid = json_integer_value(json_object_get(j, "pid")),
               deaths = json_integer_value(json_object_get(j, "deaths"));
    const char *doing = json_string_value(json_object_get(j, "doing")),
               *said = json_string_value(json_object_get(j, "said"));

    fprintf(c->out, "  %-6s ", member(j, "role"));
    if (pid)
        fprintf(c->out, "pid %" JSON_INTEGER_FORMAT, pid);
    else
        fputs("does not run", c->out);
    fprintf(c->out, ", generation %" JSON_INTEGER_FORMAT "%s%s, %" JSON_INTEGER_FORMAT " events",
            json_integer_value(json_object_get(j, "generation")),
            pid && !json_is_true(json_object_get(j, "ready")) ? ", not ready yet" : "",
            json_is_true(json_object_get(j, "given-up")) ? ", given up" : "",
            json_integer_value(json_object_get(j, "events")));
    if (deaths)
        fprintf(c->out, ", %" JSON_INTEGER_FORMAT " deaths (the last: %" JSON_INTEGER_FORMAT ")",
                deaths, json_integer_value(json_object_get(j, "last-death")));
    if (doing && *doing)
        fprintf(c->out, ", doing: %s", doing);
    if (said && *said)
        fprintf(c->out, ", said: %s", said);
    fputc('\n', c->out);
}

static void show_supervisor(struct client *c, const json_t *j)
{
    const json_t *list = json_object_get(j, "workers"), *one;
    size_t i;

    fprintf(c->out,
            "domain %" JSON_INTEGER_FORMAT " (%s): supervisor %s, pid %" JSON_INTEGER_FORMAT
            "%s\n  runs   %s\n",
            json_integer_value(json_object_get(j, "domid")), member(j, "name"),
            member(j, "version"), json_integer_value(json_object_get(j, "pid")),
            json_is_true(json_object_get(j, "upgrading")) ? ", upgrading" : "", member(j, "model"));
    json_array_foreach(list, i, one) show_worker(c, one);
}

static void show_upgrade(struct client *c, const json_t *j)
{
    fprintf(c->out,
            "the domain is served by %s now (pid %" JSON_INTEGER_FORMAT
            ", generation %" JSON_INTEGER_FORMAT ")\nsupervisor: %s\n",
            member(j, "model"), json_integer_value(json_object_get(j, "pid")),
            json_integer_value(json_object_get(j, "generation")), member(j, "supervisor"));
}

/* ---- screenshot ----------------------------------------------------------------------------- */

static int receive_pixels(struct client *c, struct surface *s)
{
    size_t want = surface_bytes(s), have = c->len - c->at;
    char *to = (char *)s->pixels;
    ssize_t n = 0;

    have = have < want ? have : want;
    memcpy(to, c->buf + c->at, have);
    while (have < want) {
        n = recv(c->fd, to + have, want - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return client_error(c, n);
        have += (size_t)n;
    }
    return 0;
}

static int write_png(struct client *c, const struct surface *s, const char *file)
{
    bool to_stdout = !strcmp(file, "-");
    int fd =
        to_stdout ? fileno(c->out) : open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int ret;

    if (fd < 0)
        return error_set(&c->error, -errno, "cannot write %s: %s", file, strerror(errno));
    ret = png_encode(s, fd, &c->error);
    if (!to_stdout && close(fd) < 0 && ret == 0)
        ret = error_set(&c->error, -errno, "cannot write %s: %s", file, strerror(errno));
    return ret;
}

static int client_screenshot(struct client *c, const char *file)
{
    struct surface s = { 0 };
    json_t *j = NULL;
    json_int_t width, height;
    int ret;

    if (!file)
        return error_set(&c->error, -EINVAL,
                         "screenshot needs the name of a file, or - for standard "
                         "output");
    if (!strcmp(file, "-") && isatty(fileno(c->out)))
        return error_set(&c->error, -EINVAL, "will not write a picture to a terminal; name a file");
    ret = client_ask(c, "screenshot", NULL, &j);
    if (ret < 0)
        return ret;
    width = json_integer_value(json_object_get(j, "width"));
    height = json_integer_value(json_object_get(j, "height"));
    json_decref(j);
    if (width < 0 || width > SURFACE_MAX || height < 0 || height > SURFACE_MAX)
        width = 0; /* surface_init() says what is wrong */
    ret = surface_init(&s, (uint32_t)width, (uint32_t)height, &c->error);
    if (ret == 0)
        ret = receive_pixels(c, &s);
    if (ret == 0)
        ret = write_png(c, &s, file);
    surface_free(&s);
    return ret;
}

/* ---- top, trace ----------------------------------------------------------------------------- */

static int ask_top(void *opaque, json_t **answer)
{
    struct client *c = opaque;

    return client_ask(c, "top", NULL, answer);
}

static int client_trace(struct client *c, const char *devices, const char *on)
{
    json_t *request = json_pack("{s:s}", "command", "trace"), *j = NULL;
    const json_t *list, *one;
    size_t i;
    int ret;

    if (devices && (json_object_set_new(request, "device", json_string(devices)) < 0 ||
                    json_object_set_new(request, "on", json_boolean(!strcmp(on, "on"))) < 0)) {
        json_decref(request);
        return error_set(&c->error, -EINVAL, "\"%s\" is no UTF-8 text", devices);
    }
    ret = client_call(c, request, &j);
    if (ret < 0)
        return ret;
    list = json_object_get(j, "devices");
    fputs("traced:", c->out);
    json_array_foreach(list, i, one) fprintf(c->out, " %s", json_string_value(one));
    fputs(json_array_size(list) ? "\n" : " nothing\n", c->out);
    json_decref(j);
    return 0;
}

/* ---- command line --------------------------------------------------------------------------- */

static int client_show(struct client *c, const char *command, const char *argument, bool as_json)
{
    json_t *j = NULL;
    int ret = client_ask(c, strcmp(command, "supervisor") ? command : "status", argument, &j);

    if (ret < 0)
        return ret;
    if (as_json)
        show_json(c, j);
    else if (!strcmp(command, "status"))
        show_status(c, j);
    else if (!strcmp(command, "counters"))
        show_counters(c, j);
    else if (!strcmp(command, "dump"))
        show_dump(c, j);
    else if (!strcmp(command, "version"))
        fprintf(c->out, "hvmdm-ctl %s, hvmdm %s\n", HVMDM_VERSION, member(j, "version"));
    else if (!strcmp(command, "supervisor"))
        show_supervisor(c, j);
    else if (!strcmp(command, "upgrade"))
        show_upgrade(c, j);
    json_decref(j);
    return 0;
}

/* A path as the supervisor, which is elsewhere, understands it. */
static int absolute(struct client *c, const char *path, char *to, size_t size)
{
    char here[CLIENT_PATH] = "";

    if (path[0] != '/' && !getcwd(here, sizeof here))
        return error_set(&c->error, -errno, "cannot tell where %s is: %s", path, strerror(errno));
    if ((size_t)snprintf(to, size, "%s%s%s", here, here[0] ? "/" : "", path) >= size)
        return error_set(&c->error, -ENAMETOOLONG, "%s is too long a path", path);
    return 0;
}

static const struct command {
    const char *name;
    unsigned arguments; /* it takes, at most */
    const char *whose;  /* socket */
} known[] = {
    { "status", 0, "ctl" },
    { "counters", 0, "ctl" },
    { "dump", 1, "ctl" },
    { "state", 1, "ctl" },
    { "top", 0, "ctl" },
    { "trace", 2, "ctl" },
    { "version", 0, "ctl" },
    { "quit", 0, "ctl" },
    { "screenshot", 1, "ctl" },
    { "upgrade", 1, "supervisor" },
    { "supervisor", 0, "supervisor" },
};

struct manner {
    bool as_json, once;
};

/* The arguments of a command that is known to take so many. */
static int check_arguments(struct client *c, const struct command *k, char *const words[])
{
    for (unsigned i = k->arguments; i < CLIENT_ARGUMENTS; i++)
        if (words[i])
            return error_set(&c->error, -EINVAL, "%s takes %s", k->name,
                             k->arguments ? "not so many arguments" : "no argument");
    if (!strcmp(k->name, "trace") && words[0] &&
        (!words[1] || (strcmp(words[1], "on") && strcmp(words[1], "off"))))
        return error_set(&c->error, -EINVAL, "trace %s: on or off?", words[0]);
    return 0;
}

/* `words`: CLIENT_ARGUMENTS of them, NULL where there is none. */
static int client_command(struct client *c, const char *who, const char *command,
                          char *const words[], const struct manner *how)
{
    const struct command *k = NULL;
    const char *argument = words[0];
    char path[CLIENT_PATH];
    int ret;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (!strcmp(command, known[i].name))
            k = &known[i];
    if (!k)
        return error_set(&c->error, -EINVAL,
                         "do not know the command \"%s\" (see hvmdm-ctl --help)", command);
    ret = check_arguments(c, k, words);
    c->whose = k->whose;
    if (ret == 0)
        ret = client_find(c, who);
    if (ret < 0)
        return ret;
    if (!strcmp(command, "top"))
        return ctl_top(c->out,
                       how->as_json ? CTL_TOP_JSON
                       : how->once  ? CTL_TOP_ONCE
                                    : CTL_TOP_WATCH,
                       ask_top, c);
    if (!strcmp(command, "trace"))
        return client_trace(c, words[0], words[1]);
    if (!strcmp(command, "state"))
        command = "dump";
    if (!strcmp(command, "screenshot"))
        return client_screenshot(c, argument);
    if (argument && !strcmp(command, "upgrade")) {
        ret = absolute(c, argument, path, sizeof path);
        if (ret < 0)
            return ret;
        argument = path;
    }
    return client_show(c, command, argument, how->as_json);
}

int ctl_client(int argc, char *const argv[], FILE *out, FILE *err)
{
    struct client c = { .directory = CTL_DIRECTORY, .whose = "ctl", .out = out, .fd = -1 };
    char *words[2 + CLIENT_ARGUMENTS] = { NULL };
    struct manner how = { false, false };
    unsigned n = 0;
    int ret = 0;

    for (int i = 1; i < argc && ret == 0; i++) {
        char *a = argv[i];

        if (!strcmp(a, "-h") || !strcmp(a, "--help")) {
            fputs(usage, out);
            return 0;
        } else if (!strcmp(a, "-V") || !strcmp(a, "--version")) {
            fprintf(out, "hvmdm-ctl %s\n", HVMDM_VERSION);
            return 0;
        } else if (!strcmp(a, "--json")) {
            how.as_json = true;
        } else if (!strcmp(a, "--once")) {
            how.once = true;
        } else if ((!strcmp(a, "-d") || !strcmp(a, "--directory")) && i + 1 < argc) {
            c.directory = argv[++i];
        } else if (a[0] == '-' && a[1]) {
            ret = error_set(&c.error, -EINVAL, "do not know the option \"%s\"", a);
        } else if (n == ARRAY_SIZE(words)) {
            ret = error_set(&c.error, -EINVAL, "\"%s\" is one argument too many", a);
        } else {
            words[n++] = a;
        }
    }
    if (ret == 0 && n == 1 && !strcmp(words[0], "list")) {
        ret = client_list(&c);
    } else if (ret == 0 && n >= 2) {
        ret = client_command(&c, words[0], words[1], words + 2, &how);
    } else if (ret == 0) {
        fputs(usage, err);
        return 2;
    }
    client_close(&c);
    if (ret == 0 && (fflush(out) || ferror(out)))
        ret = error_set(&c.error, -EIO, "cannot write the answer");
    if (ret < 0)
        fprintf(err, "hvmdm-ctl: %s\n", c.error.text);
    return ret < 0 ? 1 : 0;
}
