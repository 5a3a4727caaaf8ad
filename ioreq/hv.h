/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hv - the hypervisor port: everything a machine asks of what is below it.
 *
 * Two implementations: xen.c (libxendevicemodel and friends) and sim.c (in memory, deterministic,
 * no Xen needed). A machine holds one `struct hv` and knows nothing else about its host.
 * Functions return 0 or -errno unless stated otherwise. None of them calls back into a machine,
 * `poll` and `drain` excepted.
 */
#ifndef IOREQ_HV_H
#define IOREQ_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_PAGE_SHIFT 12
#define HV_PAGE_SIZE  4096u

enum hv_space { HV_PIO, HV_MMIO };

/* Reasons as the hypervisor numbers them (sched.h: SHUTDOWN_*). */
enum hv_shutdown { HV_POWEROFF = 0, HV_REBOOT = 1, HV_SUSPEND = 2, HV_CRASH = 3 };

/* Types for set_mem_type. */
enum hv_mem_type { HV_RAM_RW = 0, HV_RAM_RO = 1, HV_MMIO_DM = 2 };

/* Ways through the door to guest memory (hw/core/gmem.h). */
enum hv_access { HV_ACCESS_READ, HV_ACCESS_WRITE, HV_ACCESS_MAP_IN, HV_ACCESS_MAP_OUT };

struct hv;

struct hv_ops {
    const char *name; /* "xen" or "sim" */

    /* Accesses to [base, base+len) are delivered to us from now on. len > 0. -EEXIST if any byte
     * is ours already, -ENOSPC past 256 disjoint ranges. */
    int (*map_range)(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len);
    int (*unmap_range)(struct hv *hv, enum hv_space space, uint64_t base, uint64_t len);
    /* Configuration accesses to a function on bus 0; devfn = slot << 3 | function. */
    int (*map_pci)(struct hv *hv, unsigned devfn);
    int (*unmap_pci)(struct hv *hv, unsigned devfn);

    /* Interrupt outputs; absolute levels, idempotent. irq 0-15, slot 0-31, pin 0-3, link 0-3. */
    int (*isa_irq)(struct hv *hv, unsigned irq, bool level);
    int (*intx)(struct hv *hv, unsigned slot, unsigned pin, bool level);
    int (*link_route)(struct hv *hv, unsigned link, unsigned irq); /* irq 0 = not routed */
    int (*inject_msi)(struct hv *hv, uint64_t address, uint32_t data);

    /* Guest frames as host memory. Maps `nr` frames (1-16) from gfn on, contiguously, and sets bit
     * i of *present if frame i exists; NULL when none does. Absent frames must not be touched. */
    void *(*map_frames)(struct hv *hv, uint64_t gfn, unsigned nr, uint32_t *present);
    void (*unmap_frames)(struct hv *hv, void *host, unsigned nr);
    /* Tell live migration that frames changed. */
    int (*mark_dirty)(struct hv *hv, uint64_t gfn, uint64_t nr);
    /* Live migration has begun or ended: whether mark_dirty() tells. NULL: it always does. */
    void (*set_log_dirty)(struct hv *hv, bool on);

    /* Memory that we add to the guest (VRAM), in domain-wide frame numbers. */
    int (*populate)(struct hv *hv, uint64_t gfn, uint64_t nr);
    int (*relocate)(struct hv *hv, uint64_t from_gfn, uint64_t to_gfn, uint64_t nr);
    /* Pin the cache attribute write-back, or (false) delete the pin of exactly these frames. */
    int (*pin_cacheattr)(struct hv *hv, uint64_t first_gfn, uint64_t last_gfn, bool write_back);
    int (*set_mem_type)(struct hv *hv, uint64_t gfn, uint64_t nr, enum hv_mem_type type);

    /* The guest shuts down for this reason; call before answering the request that caused it. */
    int (*shutdown)(struct hv *hv, enum hv_shutdown reason);
    /* ACPI sleep state as the hypervisor keeps it (HVM_PARAM_ACPI_S_STATE): 3 enters S3. */
    int (*set_sleep_state)(struct hv *hv, unsigned state);

    /* Monotonic nanoseconds: host time for xen, virtual time for sim. */
    uint64_t (*now)(struct hv *hv);

    /* The two below run requests of the guest, and are the exception to "no calls back".
     * poll: for the loop's hook of that name; looks at the shared page, briefly waiting where
     * recent traffic says that this pays; true if it ran something.
     * drain: executes the buffered writes that wait now; before a screenshot or a save. */
    bool (*poll)(struct hv *hv);
    void (*drain)(struct hv *hv);

    /* Test hooks, NULL except in sim; only hw/core/gmem.c calls them, once per copy: after guest
     * memory [gpa, gpa+len) was read into buf (which the filter may change), and before it is
     * written. Nonzero (-EFAULT) makes the copy fail. */
    int (*read_filter)(struct hv *hv, uint64_t gpa, void *buf, size_t len);
    int (*write_filter)(struct hv *hv, uint64_t gpa, size_t len);

    /* For recordings, else NULL. What came of one access through the door, 0 or -EFAULT; the result
     * counts instead, and the bytes of a read may be replaced. `bytes` NULL: a mapping. */
    int (*accessed)(struct hv *hv, enum hv_access what, uint64_t gpa, void *bytes, size_t len,
                    int err);

    void (*destroy)(struct hv *hv); /* gives back everything, the ioreq server included */
};

struct hv {
    const struct hv_ops *ops; /* first member of each implementation */
};

#endif
