/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_consoles - see pv_consoles.h.
 *
 * libxl names a channel's stream in `output`: "chardev:libxl-channelN", or just "pty" for the pty
 * of console N + 1. Names at the supervisor: channel0 to channel7, channel0c and so on for the
 * connection to a socket, backlogs for the memory of them all.
 */
#define _GNU_SOURCE 1
#include "toolstack/pv_consoles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/core/log.h"
#include "hw/xen/console.h"
#include "toolstack/config.h"
#include "toolstack/supervised.h"

static_assert((int)CONFIG_CHANNELS <= (int)CONSOLE_CHANNELS, "a console for each");

struct channel {
    struct pv_consoles *p;
    const struct config_channel *config;
    unsigned n;
    struct chardev *stream; /* NULL: it could not be opened */
};

struct pv_consoles {
    const struct config *config;
    struct supervised *s;
    struct console_host host;
    struct console *console;
    struct console_backlog *backlogs; /* NULL: nobody would have a use for them later */
    struct channel channels[CONSOLE_CHANNELS];
};

/* ---- streams -------------------------------------------------------------------------------- */

static void client_changed(void *opaque, int fd)
{
    const struct channel *ch = opaque;
    char name[SUPERVISED_NAME];
    int err;

    snprintf(name, sizeof name, "channel%uc", ch->n);
    err = fd >= 0 ? supervised_hold(ch->p->s, name, fd) : supervised_drop(ch->p->s, name);
    if (err < 0 && err != -ENOENT)
        log_warn("%s: the supervisor does not know about its connection: %s", ch->config->id,
                 strerror(-err));
}

static int open_stream(struct pv_consoles *p, struct loop *l, unsigned n, struct error *e)
{
    struct channel *ch = &p->channels[n];
    struct chardev_kept kept = { .fd = -1, .client = -1 };
    char name[SUPERVISED_NAME], client[SUPERVISED_NAME], spec[160] = "pty";
    struct error why = { "" };
    int err = 0;

    *ch = (struct channel){ p, &p->config->channels[n], n, NULL };
    snprintf(name, sizeof name, "channel%u", n);
    snprintf(client, sizeof client, "channel%uc", n);
    if (p->s) {
        kept.connected = client_changed;
        kept.opaque = ch;
        kept.fd = supervised_take(p->s, name);
        kept.client = supervised_take(p->s, client);
        kept.successor = kept.fd >= 0;
    }
    if (ch->config->path)
        snprintf(spec, sizeof spec, "unix:%s,server=on,wait=off", ch->config->path);
    if (chardev_open_kept(l, ch->config->id, spec, &kept, &ch->stream, &why) < 0)
        log_error("there is no channel for the guest (channel= in xl.cfg): %s", why.text);
    else if (p->s && !kept.successor)
        err = supervised_hold(p->s, name, ch->stream->keep);
    return err < 0 ? error_set(e, err, "cannot give %s to the supervisor: %s", name, strerror(-err))
                   : 0;
}

/* Memory of a predecessor, if it was laid out like ours. */
static int open_backlogs(struct pv_consoles *p, struct error *e)
{
    const size_t bytes = sizeof *p->backlogs * p->config->nchannels;
    int fd = supervised_take(p->s, "backlogs"), err = 0;
    struct stat st;
    void *at;

    if (fd >= 0 && (fstat(fd, &st) < 0 || (size_t)st.st_size != bytes)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        fd = memfd_create("backlogs", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
            err = -errno;
        else
            err = supervised_hold(p->s, "backlogs", fd);
    }
    at = err < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (err == 0 && at == MAP_FAILED)
        err = -errno;
    if (fd >= 0)
        close(fd);
    if (err < 0)
        return error_set(e, err, "no memory for the output of channels: %s", strerror(-err));
    p->backlogs = at;
    return 0;
}

/* ---- what the console asks for -------------------------------------------------------------- */

static int find_stream(void *opaque, uint32_t devid, const char *output, struct chardev **out,
                       struct error *e)
{
    struct pv_consoles *p = opaque;
    char id[40];

    if (strcmp(output, "pty") == 0)
        snprintf(id, sizeof id, "libxl-channel%u", devid - 1);
    else if (strncmp(output, "chardev:", 8) == 0)
        snprintf(id, sizeof id, "%.39s", output + 8);
    else
        return error_set(e, -EINVAL, "its output is neither pty nor a chardev");
    for (unsigned i = 0; i < p->config->nchannels; i++)
        if (p->channels[i].stream && strcmp(p->channels[i].config->id, id) == 0) {
            *out = p->channels[i].stream;
            return 0;
        }
    return error_set(e, -ENOENT, "there is no stream for it");
}

static struct console_backlog *backlog_of(void *opaque, const struct chardev *stream)
{
    struct pv_consoles *p = opaque;

    for (unsigned i = 0; p->backlogs && i < p->config->nchannels; i++)
        if (p->channels[i].stream == stream)
            return &p->backlogs[i];
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* How much libxl lets a guest leave behind with us; no word of it in newer ones. */
static uint32_t limit(void)
{
    const char *text = getenv("XEN_QEMU_CONSOLE_LIMIT");
    unsigned long bytes = text ? strtoul(text, NULL, 10) : 0;

    return bytes < CONSOLE_BACKLOG ? (uint32_t)bytes : CONSOLE_BACKLOG;
}

int pv_consoles_open(struct loop *l, const struct config *c, struct supervised *s,
                     struct pv_consoles **out, struct error *e)
{
    struct pv_consoles *p = calloc(1, sizeof *p);
    int err = 0;

    if (!p)
        return error_set(e, -ENOMEM, "no memory for the channels");
    p->config = c;
    p->s = s;
    p->host = (struct console_host){
        .open = find_stream, .backlog = backlog_of, .opaque = p, .limit = limit()
    };
    if (s && c->nchannels)
        err = open_backlogs(p, e);
    for (unsigned i = 0; i < c->nchannels && err == 0; i++)
        err = open_stream(p, l, i, e);
    if (err < 0)
        pv_consoles_close(p);
    else
        *out = p;
    return err;
}

int pv_consoles_serve(struct pv_consoles *p, struct xenstore *x, struct pv *pv,
                      volatile uint64_t *events, struct error *e)
{
    int err = console_open(x, p->config->domid, pv, &p->host, &p->console, e);

    if (err == 0)
        console_count(p->console, events);
    return err;
}

static void rest(struct pv_consoles *p, bool on)
{
    for (unsigned i = 0; i < p->config->nchannels; i++)
        if (p->channels[i].stream)
            chardev_rest(p->channels[i].stream, on);
}

void pv_consoles_resume(struct pv_consoles *p)
{
    rest(p, false);
    console_resume(p->console);
}

void pv_consoles_pause(struct pv_consoles *p)
{
    console_pause(p->console);
    rest(p, true);
}

void pv_consoles_close(struct pv_consoles *p)
{
    if (!p)
        return;
    console_close(p->console);
    if (p->s)
        rest(p, true); /* a successor finds the sockets where they are */
    for (unsigned i = 0; i < p->config->nchannels; i++)
        chardev_close(p->channels[i].stream);
    if (p->backlogs)
        munmap(p->backlogs, sizeof *p->backlogs * p->config->nchannels);
    free(p);
}
