/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_check - a trial adoption, before an upgrade: the guest is still being served by another
 * program, which must not notice.
 *
 * The arena is copied between two events of its owner, the board that its records describe is built
 * on the simulator, with disks of the right sizes and nothing on them, and takes that copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <config.h> /* made by configure: HVMDM_UID_BASE */
#include "block/block.h"
#include "hw/core/bits.h"
#include "ioreq/sim.h"
#include "toolstack/domain.h"
#include "toolstack/domain_private.h"
#include "toolstack/sandbox.h"

enum {
    CHECK_TRIES = 500,
    CHECK_PAUSE_NS = 1000000,
    CHECK_DOMID = 0x7ff0, /* Xen's first reserved one: no worker has its user id */
};

/* --- A copy at rest. */

/* True if no event was running, and none took place meanwhile. */
static bool copy_once(const struct arena_header *from, void *to, size_t size)
{
    const volatile struct arena_header *now = from;
    uint64_t before = now->transactions;

    if (now->in_transaction)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(to, from, size);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !now->in_transaction && now->transactions == before;
}

static int copy_arena(const struct arena_header *from, size_t size, int *out, struct error *e)
{
    const struct timespec pause = { .tv_nsec = CHECK_PAUSE_NS };
    int fd = memfd_create("hvmdm-arena-copy", MFD_CLOEXEC);
    void *to = MAP_FAILED;
    bool done = false;

    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (to == MAP_FAILED) {
        int err = error_set(e, -errno, "no memory for a copy of the state arena");

        if (fd >= 0)
            close(fd);
        return err;
    }
    for (unsigned i = 0; i < CHECK_TRIES && !done; i++) {
        if (i)
            nanosleep(&pause, NULL);
        done = copy_once(from, to, size);
    }
    munmap(to, size);
    if (!done) {
        close(fd);
        return error_set(e, -EBUSY, "the guest is too busy to look at its state; try again later");
    }
    *out = fd;
    return 0;
}

/* The arena in `fd` as a private copy. */
static int read_arena(int fd, struct arena *out, struct error *e)
{
    const struct arena_header *live;
    struct stat st;
    int copy = -1, err;

    if (fstat(fd, &st) < 0)
        return error_set(e, -errno, "descriptor %d, given as state arena: %s", fd, strerror(errno));
    if (st.st_size < (off_t)sizeof *live)
        return error_set(e, -EINVAL, "this is no hvmdm state arena");
    live = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (live == MAP_FAILED)
        return error_set(e, -errno, "cannot map the state arena: %s", strerror(errno));
    err = copy_arena(live, (size_t)st.st_size, &copy, e);
    munmap((void *)(uintptr_t)live, (size_t)st.st_size);
    if (err < 0)
        return err;
    err = arena_adopt(out, copy, e);
    if (err < 0)
        close(copy);
    return err;
}

/* --- A board with nothing behind it. */

static bool nothing_submit(struct block *b, struct block_req *r)
{
    (void)b;
    r->result = -EIO;
    return true;
}

static void nothing(struct block *b)
{
    (void)b;
}

static const struct block_ops nothing_ops = { .submit = nothing_submit,
                                              .drain = nothing,
                                              .close = nothing };

struct trial {
    struct domain d;
    struct domain_state board; /* as the arena describes it */
    struct block disk[PC_DISKS];
    uint8_t rom[1]; /* nobody reads it: only its size counts */
};

static int find_board(struct trial *t, struct domain_state *board, struct error *e)
{
    const struct arena *a = &t->d.arena;
    const struct arena_record *r = arena_find(a, "domain", 0);

    if (!r)
        return error_set(e, -EINVAL, "the state arena does not say what board it belongs to");
    return state_convert(r->name, &domain_desc, board, arena_at(a, r->fields), r->nfields,
                         arena_at(a, r->state), r->size, e);
}

static void dummy_host(struct trial *t, const struct domain_state *board)
{
    struct pc_host *pc = &t->d.pc;

    pc->no_acpi = board->no_acpi;
    pc->xen_platform = board->xen_platform;
    pc->xen_pvdevice = board->xen_pvdevice;
    pc->vcpus = board->vcpus;
    pc->vram_bytes = board->vram_bytes;
    pc->vram_gfn = board->vram_gfn;
    pc->vga_rom = t->rom;
    pc->vga_rom_size = board->rom_bytes;
    pc->display = &t->d.display;
    pc_nics_from(pc, &t->d.arena);
    for (unsigned i = 0; i < PC_SERIALS; i++)
        pc->have_serial[i] = board->serial[i];
    for (unsigned i = 0; i < PC_DISKS; i++) {
        pc->cdrom[i] = board->cdrom[i];
        if (!board->disk_bytes[i])
            continue;
        t->disk[i] = (struct block){ .ops = &nothing_ops,
                                     .size = board->disk_bytes[i],
                                     .read_only = board->cdrom[i] };
        pc->disk[i] = &t->disk[i];
    }
}

/* Ranges are the simulator's business here. */
static int check_kept(struct hv *hv, struct kept *kept, struct error *e)
{
    (void)hv;
    return kept_check(kept, e);
}

static int try(struct trial *t, struct error *e)
{
    struct domain *d = &t->d;
    int err = find_board(t, &t->board, e);

    if (err < 0)
        return err;
    dummy_host(t, &t->board);
    d->hv = hv_sim_new(NULL);
    if (!d->hv)
        return error_set(e, -errno, "cannot make a simulator: %s", strerror(errno));
    err = arena_create(&d->spare, DOMAIN_ARENA_BYTES, e);
    return err < 0 ? err : domain_take_state(d, false, check_kept, e);
}

int domain_check_arena(int fd, struct error *e)
{
    struct trial *t = calloc(1, sizeof *t);
    int err;

    if (!t)
        return error_set(e, -ENOMEM, "out of memory");
    t->d.arena.fd = t->d.spare.fd = -1;
    err = read_arena(fd, &t->d.arena, e);
    if (err == 0)
        err = try(t, e);
    machine_free(t->d.m);
    if (t->d.hv)
        t->d.hv->ops->destroy(t->d.hv);
    arena_destroy(&t->d.arena);
    arena_destroy(&t->d.spare);
    free(t);
    return err;
}

int domain_check_arena_confined(int fd, bool no_sandbox, struct error *e)
{
    const struct sandbox box = { .enabled = !no_sandbox,
                                 .uid = HVMDM_UID_BASE + CHECK_DOMID,
                                 .gid = HVMDM_UID_BASE + CHECK_DOMID,
                                 .profile = SANDBOX_MODEL };
    int err = geteuid() == 0 ? sandbox_enter(&box, e) : 0;

    return err < 0 ? err : domain_check_arena(fd, e);
}
