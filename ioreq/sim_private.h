/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim_private - shared by sim.c (requests, interrupts, clock) and sim_memory.c (frames).
 */
#ifndef IOREQ_SIM_PRIVATE_H
#define IOREQ_SIM_PRIVATE_H

#include "ioreq/hv.h"
#include "ioreq/ranges.h"
#include "ioreq/sim.h"

/* Frame numbers up to 2^24 (64 GiB of guest addresses) in a two-level table. */
#define SIM_LEAF_BITS 12
#define SIM_LEAVES    (1u << SIM_LEAF_BITS)
#define SIM_LEAF_SIZE (1u << SIM_LEAF_BITS)
#define SIM_GFN_LIMIT ((uint64_t)SIM_LEAVES * SIM_LEAF_SIZE)
#define SIM_MSI_KEPT  64u
#define SIM_PINS      64u /* Xen's limit */
#define SIM_FLIP_LOG  4096u

/* What is at a guest frame. */
struct sim_frame {
    uint32_t backing; /* page of the memory file + 1; 0: absent */
    uint8_t type;     /* enum hv_mem_type */
    bool dirty;
};

struct sim_memory {
    int fd;
    uint8_t *base; /* the whole file */
    uint32_t pages, next_page;
    uint32_t *free_pages; /* queue of pages given up, reused last */
    uint32_t free_head, free_count;
    struct sim_frame *leaf[SIM_LEAVES];
    struct range pin[SIM_PINS];
    unsigned pins;
    unsigned fail_map, fail_copy;
    uint64_t copies;
    uint8_t *flip; /* one bit per byte of the file; NULL: off */
    uint64_t flip_hits;
    uint32_t flip_marks; /* used entries of flip_log; past its size: all of it is marked */
    struct {
        uint32_t page, offset, len;
    } flip_log[SIM_FLIP_LOG];
};

struct sim {
    struct hv hv;
    struct sim_memory mem;
    struct ranges ranges;
    bool promiscuous;
    uint64_t now;
    struct sim_line isa[16], intx[32][4];
    uint8_t link[4];
    void (*on_line)(void *opaque);
    void *on_line_opaque;
    uint64_t msi_count;
    struct sim_msi msi[SIM_MSI_KEPT];
    int shutdown;
    unsigned sleep_state;
    uint32_t cf8;
    struct slots slots;
    uint64_t notifications;
    bool pending[SLOTS_MAX_VCPUS]; /* request outstanding */
    uint8_t *pages;                /* the two shared pages */
};

int sim_memory_init(struct sim_memory *m, const struct sim_options *o);
void sim_memory_free(struct sim_memory *m);
struct sim_frame *sim_frame(struct sim_memory *m, uint64_t gfn); /* NULL: nothing there */

void *sim_map_frames(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present);
void sim_unmap_frames(struct hv *hv, void *host, unsigned nr);
int sim_mark_dirty(struct hv *hv, uint64_t gfn, uint64_t nr);
int sim_populate(struct hv *hv, uint64_t gfn, uint64_t nr);
int sim_relocate(struct hv *hv, uint64_t from, uint64_t to, uint64_t nr);
int sim_pin_cacheattr(struct hv *hv, uint64_t first, uint64_t last, bool write_back);
int sim_set_mem_type(struct hv *hv, uint64_t gfn, uint64_t nr, enum hv_mem_type type);
int sim_read_filter(struct hv *hv, uint64_t gpa, void *buf, size_t len);
int sim_write_filter(struct hv *hv, uint64_t gpa, size_t len);

#endif
