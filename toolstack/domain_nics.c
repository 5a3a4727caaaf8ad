/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_nics - network cards: their networks, and the option ROMs that boot from them.
 *
 * A tap is a descriptor that the supervisor holds as net0 to net7 (the card's place); a successor
 * goes on with it. Other kinds are made anew by each process. When the guest unplugs its cards, the
 * tap must be gone before the guest hears of it: from then on the frames are its PV card's. It does
 * not come back before the domain has been built anew.
 */
#include <errno.h>

#include "toolstack/domain_private.h"
#include "toolstack/record/recorder.h"

static void net_name(char name[SUPERVISED_NAME], unsigned n)
{
    snprintf(name, SUPERVISED_NAME, "net%u", n);
}

/* What a successor must have been given, and cannot have otherwise. */
static bool is_held(const struct config_nic *c)
{
    return strcmp(c->kind, "tap") == 0;
}

/* Its sockets and files are made at the guest's wish. */
static int check_kind(const struct domain *d, const struct config_nic *c, struct error *e)
{
    if (d->box.enabled && strcmp(c->kind, "user") == 0)
        return error_set(e, -ENOTSUP,
                         "-netdev user,id=%s: a confined device model has no user-mode network: "
                         "use a bridge (vif= in xl.cfg), or add \"--no-sandbox\"",
                         c->id);
    return 0;
}

static int open_net(struct domain *d, unsigned n, struct error *e)
{
    const struct config_nic *c = &d->config->nics[n];
    struct net_options o = { .kind = c->kind,
                             .label = c->id,
                             .ifname = c->ifname,
                             .fd = c->fd,
                             .spec = c->spec,
                             .dump = c->dump,
                             .dump_bytes = c->dump_bytes };
    char name[SUPERVISED_NAME];
    struct net **net = &d->pc.nic[n].net;
    int err = check_kind(d, c, e);

    if (err < 0)
        return err;
    net_name(name, n);
    if (d->successor && is_held(c)) {
        o.fd = supervised_take(d->s, name);
        if (o.fd < 0)
            return 0; /* the guest has unplugged it */
    } else if (d->successor && c->fd >= 0) {
        o.kind = "none"; /* the connection was the first one's */
        o.fd = -1;
    }
    err = net_open(d->loop, &o, net, e);
    if (err < 0)
        return err;
    *net = tap_net(recorder_tap(d->recorder), n, *net);
    if (!*net)
        return error_set(e, -ENOMEM, "out of memory");
    if (!d->successor && (*net)->keep >= 0)
        err = domain_hold(d, name, (*net)->keep, e);
    return err;
}

/* A guest can do without: it does not boot from the network then. */
static void load_rom(struct domain *d, unsigned n)
{
    struct pc_nic *nic = &d->pc.nic[n];
    struct error e = { "" };
    char name[40];

    snprintf(name, sizeof name, "pxe-%s.rom", nic->ops->name);
    if (rom_load(name, NULL, nic->ops->pci->vendor, nic->ops->pci->device, &d->nic_rom[n], &e) <
        0) {
        for (unsigned i = 0; i < n; i++)
            if (d->pc.nic[i].ops == nic->ops)
                return; /* said */
        log_warn("the guest cannot boot from its network card: %s", e.text);
        return;
    }
    nic->rom = d->nic_rom[n].bytes;
    nic->rom_size = d->nic_rom[n].size;
}

int domain_open_nics(struct domain *d, struct error *e)
{
    const struct config *c = d->config;
    int err = 0;

    for (unsigned i = 0; i < c->nnics && i < PC_NICS && err == 0; i++) {
        struct pc_nic *nic = &d->pc.nic[i];

        nic->ops = pc_nic_model(c->nics[i].model);
        if (!nic->ops)
            return error_set(e, -ENOTSUP, "there is no network card %s", c->nics[i].model);
        nic->slot = c->nics[i].slot;
        memcpy(nic->mac, c->nics[i].mac, sizeof nic->mac);
        load_rom(d, i);
        err = open_net(d, i, e);
    }
    return err;
}

void domain_drop_unplugged_nics(struct domain *d)
{
    for (unsigned i = 0; i < PC_NICS; i++) {
        struct device *card = pc_nic_device(d->m, &d->pc, i);
        struct net *net = d->pc.nic[i].net;
        char name[SUPERVISED_NAME];
        int err;

        if (!net || !card || !card->unplugged)
            continue;
        card->host.net = NULL;
        d->pc.nic[i].net = NULL;
        net_close(net);
        net_name(name, i);
        err = supervised_drop(d->s, name);
        if (err < 0 && err != -ENOENT)
            log_error("the supervisor does not let %s go: %s", name, strerror(-err));
    }
}

int domain_check_nics(struct domain *d, struct error *e)
{
    for (unsigned i = 0; i < PC_NICS && d->pc.nic[i].ops; i++) {
        const struct device *card = pc_nic_device(d->m, &d->pc, i);

        if (!d->pc.nic[i].net && !(card && card->unplugged))
            return error_set(e, -ENOENT, "the supervisor does not have the network %s",
                             d->config->nics[i].id);
    }
    return 0;
}

void domain_rest_nics(struct domain *d, bool on)
{
    for (unsigned i = 0; i < PC_NICS; i++)
        if (d->pc.nic[i].net)
            net_rest(d->pc.nic[i].net, on);
}

void domain_close_nics(struct domain *d)
{
    for (unsigned i = 0; i < PC_NICS; i++) {
        net_close(d->pc.nic[i].net);
        rom_unload(&d->nic_rom[i]);
    }
}
