/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline_net - network cards: -device MODEL,netdev=..., -netdev, -object filter-dump.
 *
 * libxl writes the card first and then its network, so a -netdev is looked for among the cards that
 * are there already. Kinds other than tap are for device_model_args_hvm=; what stands behind their
 * id is passed on as it is (net/).
 */
#include "hw/pc.h"
#include "toolstack/cmdline.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

bool config_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++) {
        int high = hex_digit(*text), low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
        text += 3;
    }
    return !(mac[0] & 1); /* a group has no card */
}

static struct config_nic *find_nic(struct cmdline *p, const char *netdev)
{
    for (unsigned i = 0; netdev && i < p->c->nnics; i++)
        if (!strcmp(p->c->nics[i].id, netdev))
            return &p->c->nics[i];
    return NULL;
}

int cmdline_nic(struct cmdline *p, const char *model, char *rest)
{
    struct config_nic n = { .model = model, .fd = -1 };
    bool have_mac = false;
    uint64_t index;
    char *key, *v;

    if (p->c->nnics == CONFIG_NICS)
        return error_set(p->e, -EINVAL, "argument -device %s: more than %d network cards", model,
                         CONFIG_NICS);
    while ((key = cmdline_next(&rest, &v))) {
        if (v && !strcmp(key, "netdev")) {
            n.id = v;
        } else if (v && !strcmp(key, "mac")) {
            have_mac = config_mac(v, n.mac);
            if (!have_mac)
                return cmdline_bad_value(p, v,
                                         "the address of a network card, as in "
                                         "mac=00:16:3e:01:02:03 (first byte even)");
        } else if (v && !strcmp(key, "bootindex")) { /* the order is -boot's */
            if (cmdline_number(p, "bootindex", v, 0, INT32_MAX, &index) < 0)
                return -EINVAL;
        } else if (!v || strcmp(key, "id")) {
            return cmdline_bad_key(p, key, v);
        }
    }
    if (!n.id || !*n.id || !have_mac)
        return error_set(p->e, -EINVAL, "argument -device %s: netdev= and mac= are needed", model);
    if (find_nic(p, n.id))
        return error_set(p->e, -EINVAL, "argument -device %s: the network \"%s\" has a card", model,
                         n.id);
    p->c->nics[p->c->nnics++] = n;
    if (!pc_nic_model(model))
        cmdline_wants(p, FEATURE_NIC, model);
    return 0;
}

/* ---- -netdev -------------------------------------------------------------------------------- */

/* Take "key=value" out of a list of such, in place; `key` ends with '='. The value is cut to fit.
 * False: it is not in there. */
static bool cut(char *list, const char *key, char *value, size_t size)
{
    size_t n = strlen(key);

    for (char *at = list, *next; at; at = next) {
        char *comma = strchr(at, ',');

        next = comma ? comma + 1 : NULL;
        if (strncmp(at, key, n) != 0)
            continue;
        snprintf(value, size, "%.*s", comma ? (int)(comma - at - (ptrdiff_t)n) : -1, at + n);
        if (next)
            memmove(at, next, strlen(next) + 1);
        else if (at > list)
            at[-1] = '\0';
        else
            *at = '\0';
        return true;
    }
    return false;
}

static int tap_options(struct cmdline *p, struct config_nic *n, char *rest)
{
    char *key, *v;

    while ((key = cmdline_next(&rest, &v))) {
        if (v && !strcmp(key, "ifname"))
            n->ifname = v;
        else if (v && !strcmp(key, "br"))
            n->bridge = v;
        else if (strcmp(key, "script") && strcmp(key, "downscript"))
            return cmdline_bad_key(p, key, v);
    }
    if (!n->ifname && n->fd < 0)
        return error_set(p->e, -EINVAL, "argument -netdev tap: ifname= is missing");
    return 0;
}

static bool known_kind(const char *kind)
{
    static const char *const kinds[] = { "tap", "user", "socket", "none" };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!strcmp(kind, kinds[i]))
            return true;
    return false;
}

int config_netdev(char *value, struct config_netdev *out, struct error *e)
{
    char *comma = strchr(value, ','), *rest = comma ? comma + 1 : value + strlen(value), *end;
    char fd[16];

    *out = (struct config_netdev){ .fd = -1, .rest = rest };
    out->kind = strncmp(value, "type=", 5) ? value : value + 5;
    if (comma)
        *comma = '\0';
    if (!known_kind(out->kind))
        return error_set(e, -EINVAL,
                         "argument -netdev: \"%s\" is not a kind of network (tap, user, socket, "
                         "none)",
                         out->kind);
    if (!cut(rest, "id=", out->id, sizeof out->id) || !out->id[0])
        return error_set(e, -EINVAL, "argument -netdev %s: id= is missing", out->kind);
    if (!cut(rest, "fd=", fd, sizeof fd))
        return 0;
    out->fd = (int)strtol(fd, &end, 10);
    if (fd[0] < '0' || fd[0] > '9' || *end)
        return error_set(e, -EINVAL, "argument -netdev %s: fd=%s is not a descriptor", out->kind,
                         fd);
    return 0;
}

int cmdline_netdev(struct cmdline *p, char *value)
{
    struct config_netdev net;
    struct config_nic *n;
    int err = config_netdev(value, &net, p->e);

    if (err < 0)
        return err;
    n = find_nic(p, net.id);
    if (!n)
        return error_set(p->e, -EINVAL, "argument -netdev: no -device uses the network \"%s\"",
                         net.id);
    if (n->kind)
        return error_set(p->e, -EINVAL, "argument -netdev: there are two \"%s\"", net.id);
    n->kind = net.kind;
    n->fd = net.fd;
    if (!strcmp(net.kind, "tap"))
        return tap_options(p, n, net.rest);
    n->spec = net.rest;
    return 0;
}

/* ---- -object filter-dump -------------------------------------------------------------------- */

int cmdline_dump(struct cmdline *p, char *rest)
{
    const char *netdev = NULL, *file = NULL;
    struct config_nic *n;
    uint64_t bytes = 0;
    char *key, *v;

    while ((key = cmdline_next(&rest, &v))) {
        if (v && !strcmp(key, "netdev"))
            netdev = v;
        else if (v && !strcmp(key, "file"))
            file = v;
        else if (v && !strcmp(key, "maxlen")) {
            if (cmdline_number(p, "maxlen", v, 1, UINT32_MAX, &bytes) < 0)
                return -EINVAL;
        } else if (!v || strcmp(key, "id"))
            return cmdline_bad_key(p, key, v);
    }
    n = find_nic(p, netdev);
    if (!n || !file || !*file)
        return error_set(p->e, -EINVAL,
                         "argument -object filter-dump: it needs file= and the netdev= of a card "
                         "that is named before");
    n->dump = file;
    n->dump_bytes = (uint32_t)bytes;
    return 0;
}

int cmdline_finish_nics(struct cmdline *p)
{
    for (unsigned i = 0; i < p->c->nnics; i++)
        if (!p->c->nics[i].kind)
            return error_set(p->e, -EINVAL, "argument -device %s: there is no -netdev \"%s\"",
                             p->c->nics[i].model, p->c->nics[i].id);
    return 0;
}
