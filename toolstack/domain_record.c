/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domain_record - the arena of a domain: what is in it beside the devices, and the machine on it.
 */
#include <errno.h>

#include "block/block.h"
#include "toolstack/domain_private.h"
#include "toolstack/record/recorder.h"

static const char record_name[] = "domain";

int domain_add_record(struct domain *d, struct error *e)
{
    struct arena_record *r = arena_add(&d->arena, record_name, 0, 1, &domain_desc, e);

    if (!r)
        return -ESTALE;
    d->record = arena_at(&d->arena, r->state);
    d->kept = arena_add_bulk(&d->arena, r, sizeof(struct kept), e);
    return d->kept ? 0 : -ESTALE;
}

/* The same of an arena whose layout is not known yet. */
static struct kept *find_kept(const struct arena *a, struct error *e)
{
    const struct arena_record *r = arena_find(a, record_name, 0);

    if (r && r->bulk_size == sizeof(struct kept))
        return arena_at(a, r->bulk);
    error_set(e, -EINVAL, "the state arena does not say which ioreq server it belongs to");
    return NULL;
}

static void note_path(struct domain *d, unsigned place, const char *path)
{
    char *to = (char *)&d->record->paths[place * DOMAIN_PATH];

    snprintf(to, DOMAIN_PATH, "%s", path);
}

const char *domain_path(const struct domain *d, unsigned place)
{
    const char *path = (const char *)&d->record->paths[place * DOMAIN_PATH];

    return memchr(path, 0, DOMAIN_PATH) ? path : "";
}

void domain_fill_record(struct domain *d)
{
    const struct pc_host *pc = &d->pc;
    struct domain_state *r = d->record;

    if (!r)
        return;
    r->no_acpi = pc->no_acpi;
    r->xen_platform = pc->xen_platform;
    r->xen_pvdevice = pc->xen_pvdevice;
    r->vcpus = pc->vcpus;
    r->vram_bytes = pc->vram_bytes;
    r->vram_gfn = pc->vram_gfn;
    r->rom_bytes = pc->vga_rom_size;
    for (unsigned i = 0; i < PC_SERIALS; i++)
        r->serial[i] = pc->have_serial[i];
    for (unsigned i = 0; i < PC_DISKS; i++) {
        r->cdrom[i] = pc->cdrom[i];
        r->disk_bytes[i] = pc->disk[i] ? pc->disk[i]->size : 0;
        note_path(d, i, pc->disk[i] ? pc->disk[i]->path : "");
    }
}

void domain_set_status(struct domain *d, enum vm_status status)
{
    d->status = status;
    if (d->record)
        d->record->status = (uint8_t)status;
}

/* --- The machine. */

int domain_build(struct domain *d, struct error *e)
{
    int err = machine_new(tap_hv(recorder_tap(d->recorder), d->hv), &d->arena, &d->m, e);

    return err < 0 ? err : pc_build(d->m, &d->pc, e);
}

static int build_same_layout(struct domain *d, struct error *e)
{
    int err = domain_add_record(d, e);

    if (err == 0)
        err = domain_build(d, e);
    if (err == 0 && !arena_complete(&d->arena)) {
        d->arena.stale = true;
        err = error_set(e, -ESTALE, "the state arena has records that are not on this board");
    }
    return err;
}

/* A copy by name in a fresh arena. The other one is left as it is: its owner may be asked back. */
static int build_other_layout(struct domain *d, struct error *e)
{
    const struct arena old = d->arena;
    int err;

    if (!d->spare.h) {
        error_set(
            e, -ESTALE,
            "the state arena was laid out by another version of hvmdm, and only an upgrade can "
            "take that over");
        return -ESTALE;
    }
    if (old.h->in_transaction) {
        error_set(e, -EBUSY, "the state arena was left in the middle of an event");
        return -EBUSY;
    }
    d->arena = d->spare;
    d->spare = old;
    err = domain_add_record(d, e);
    if (err == 0)
        err = domain_build(d, e);
    if (err == 0)
        err = arena_load(&d->arena, old.h, e);
    if (err == 0)
        err = state_check(record_name, &domain_desc, d->record, e);
    d->arena.adopted = err == 0;
    return err;
}

int domain_take_state(struct domain *d, bool own_fault,
                      int (*adopt)(struct hv *hv, struct kept *kept, struct error *e),
                      struct error *e)
{
    struct error stale = { "" };
    struct kept *kept = find_kept(&d->arena, e);
    int err = kept ? adopt(d->hv, kept, e) : -EINVAL;

    if (err < 0)
        return err;
    err = build_same_layout(d, &stale);
    if (err < 0 && d->arena.stale) {
        machine_free(d->m);
        d->m = NULL;
        d->record = NULL;
        d->kept = NULL;
        err = build_other_layout(d, e);
    } else if (err < 0) {
        return error_set(e, err, "%s", stale.text);
    } else {
        err = state_check(record_name, &domain_desc, d->record, e);
    }
    if (err == 0)
        err = machine_adopted(d->m, own_fault, e);
    if (err == 0)
        d->status = (enum vm_status)d->record->status;
    return err;
}
