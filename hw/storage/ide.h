/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide - what the files of the IDE function share; nobody else includes it.
 *
 * One channel is one `struct ide_state` in the arena (all that the guest can see) and one
 * `struct ide_host` (the host request in flight, rebuilt from the state). A channel runs one
 * command at a time, on the selected drive; `phase` says what it waits for. BSY and DRQ are not
 * stored: they follow from the phase, so no path can leave one of them behind.
 */
#ifndef HW_STORAGE_IDE_H
#define HW_STORAGE_IDE_H

#include "block/block.h"
#include "hw/core/device.h"
#include "hw/core/pci.h"

enum {
    IDE_CHANNELS = 2,
    IDE_UNITS = 2,
    IDE_MULTIPLE = 16, /* sectors: the largest DRQ block of READ/WRITE MULTIPLE */
    IDE_SECTOR = 512,
    IDE_BUFFER = IDE_MULTIPLE * IDE_SECTOR, /* bytes of PIO payload per channel */
    IDE_CD_SECTOR = 2048,
    IDE_CD_RAW = 2352, /* sync 12, header 4, data 2048, EDC and ECC 288 */
    IDE_PACKET = 12,
    IDE_PIECES = 32,    /* runs of guest memory in one direct transfer */
    IDE_IOVS = 64,      /* runs of host memory in one direct transfer */
    IDE_STEPS = 64,     /* host requests finished inline, or copies, in one event (S4) */
    IDE_PRD_SEEN = 64,  /* entries of the table that a transfer may look ahead */
    IDE_PRD_MAX = 8192, /* entries: the table is at most 64 KiB (SFF-8038i 1.2) */
};

/* Command block registers, as offsets from 1f0h/170h (ATA/ATAPI-6, clause 7). */
enum {
    IDE_DATA = 0,
    IDE_ERROR = 1, /* read; features when written */
    IDE_COUNT = 2, /* sector count; interrupt reason for packets */
    IDE_LBA0 = 3,  /* sector number */
    IDE_LBA1 = 4,  /* cylinder low; byte count low for packets */
    IDE_LBA2 = 5,  /* cylinder high; byte count high for packets */
    IDE_DEVICE = 6,
    IDE_STATUS = 7, /* read; command when written */
};

enum {
    STATUS_BSY = 0x80,
    STATUS_DRDY = 0x40,
    STATUS_DF = 0x20,
    STATUS_DSC = 0x10,
    STATUS_DRQ = 0x08,
    STATUS_ERR = 0x01, /* CHK for packet commands */
};
enum { ERROR_UNC = 0x40, ERROR_IDNF = 0x10, ERROR_ABRT = 0x04, ERROR_DIAG_OK = 0x01 };
enum { DEVICE_LBA = 0x40, DEVICE_DEV = 0x10, DEVICE_ONES = 0xa0 };
enum { DEVCTL_HOB = 0x80, DEVCTL_SRST = 0x04, DEVCTL_NIEN = 0x02 };
enum {
    COMMAND_DEVICE_RESET = 0x08,
    COMMAND_DIAGNOSTIC = 0x90,
    COMMAND_PACKET = 0xa0,
    COMMAND_TRIM = 0x06
};
enum { REASON_IO = 2, REASON_COD = 1 };

/* Bus master registers (82371SB, "Bus Master IDE"). */
enum { BMICX_SSBM = 0x01, BMICX_RWCON = 0x08 };
enum { BMISX_BMIDEA = 0x01, BMISX_DMAERR = 0x02, BMISX_IDEINTS = 0x04, BMISX_DMACAP = 0x60 };

/* What a channel is doing. */
enum ide_phase {
    PHASE_IDLE,
    PHASE_PIO_IN,   /* DRQ: the host reads [buf_pos, drq_end) */
    PHASE_PIO_OUT,  /* DRQ: the host writes up to drq_end */
    PHASE_PACKET,   /* DRQ: the host writes the command packet */
    PHASE_DMA_WAIT, /* DRQ: a DMA command, bus master not started */
    PHASE_FETCH,    /* BSY: image to buffer; restartable, as all that follow */
    PHASE_STORE,    /* BSY: buffer to image */
    PHASE_FLUSH,    /* BSY */
    PHASE_DISCARD,  /* BSY: range number buf_pos / 8 of the list in the buffer */
    PHASE_DMA,      /* BSY: between image or buffer and guest memory */
    PHASE_LAST = PHASE_DMA,
};

/* clang-format off */
#define IDE_STATE(F, A, S)                                                                         \
    /* task file; the two drives hear every write, each answers with its own */                   \
    F(S, uint8_t, device, 0xff, 1)                                                                 \
    F(S, uint8_t, devctl, 0xff, 1)                                                                 \
    A(S, uint8_t, features, IDE_UNITS, 0xff, 1)                                                    \
    A(S, uint8_t, count, IDE_UNITS, 0xff, 1)                                                       \
    A(S, uint8_t, lba0, IDE_UNITS, 0xff, 1)                                                        \
    A(S, uint8_t, lba1, IDE_UNITS, 0xff, 1)                                                        \
    A(S, uint8_t, lba2, IDE_UNITS, 0xff, 1)                                                        \
    A(S, uint8_t, hob_features, IDE_UNITS, 0xff, 1) /* the write before the last: 48-bit */        \
    A(S, uint8_t, hob_count, IDE_UNITS, 0xff, 1)                                                   \
    A(S, uint8_t, hob_lba0, IDE_UNITS, 0xff, 1)                                                    \
    A(S, uint8_t, hob_lba1, IDE_UNITS, 0xff, 1)                                                    \
    A(S, uint8_t, hob_lba2, IDE_UNITS, 0xff, 1)                                                    \
    A(S, uint8_t, status, IDE_UNITS, 0x71, 1) /* without BSY and DRQ */                            \
    A(S, uint8_t, error, IDE_UNITS, 0xff, 1)                                                       \
    F(S, uint8_t, intrq, 1, 1)                                                                     \
    F(S, uint8_t, line, 1, 1) /* INTRQ pin as the bus master saw it last */                        \
    /* drive settings */                                                                           \
    A(S, uint8_t, unplugged, IDE_UNITS, 1, 1)                                                      \
    A(S, uint8_t, heads, IDE_UNITS, 16, 1)                                                         \
    A(S, uint8_t, sectors, IDE_UNITS, 255, 1)                                                      \
    A(S, uint8_t, multiple, IDE_UNITS, IDE_MULTIPLE, 1) /* 0 off */                                \
    A(S, uint8_t, dma_mode, IDE_UNITS, 0x45, 1) /* SET FEATURES 03h: 20h | MWDMA, 40h | UDMA, 0 */ \
    A(S, uint8_t, write_cache, IDE_UNITS, 1, 1)                                                    \
    A(S, uint8_t, look_ahead, IDE_UNITS, 1, 1)                                                     \
    A(S, uint8_t, power, IDE_UNITS, 0xff, 1) /* as CHECK POWER MODE answers */                     \
    /* command in progress */                                                                      \
    F(S, uint8_t, phase, PHASE_LAST, 1)                                                            \
    F(S, uint8_t, command, 0xff, 1)                                                                \
    F(S, uint8_t, out, 1, 1)    /* data go to the drive */                                         \
    F(S, uint8_t, dma, 1, 1)    /* data go by bus master */                                        \
    F(S, uint8_t, raw, 1, 1)    /* READ CD with all 2352 bytes */                                  \
    F(S, uint8_t, careful, 1, 1) /* a larger read failed: one block at a time */                   \
    F(S, uint64_t, xfer_at, ANY, 1)   /* image offset of the next byte to move */                  \
    F(S, uint64_t, xfer_left, ANY, 1) /* bytes of the image still to move */                       \
    F(S, uint32_t, block, 0x10000, 1) /* bytes of a DRQ block */                                   \
    F(S, uint32_t, buf_pos, IDE_BUFFER, 1)                                                         \
    F(S, uint32_t, buf_len, IDE_BUFFER, 1)                                                         \
    F(S, uint32_t, drq_end, IDE_BUFFER, 1)                                                         \
    /* packet drives */                                                                            \
    A(S, uint8_t, packet, IDE_PACKET, 0xff, 1)                                                     \
    A(S, uint8_t, sense, IDE_UNITS, 15, 1)                                                         \
    A(S, uint8_t, asc, IDE_UNITS, 0xff, 1)                                                         \
    A(S, uint8_t, ascq, IDE_UNITS, 0xff, 1)                                                        \
    A(S, uint8_t, attention, IDE_UNITS, 1, 1) /* medium changed, not yet reported */               \
    A(S, uint8_t, event, IDE_UNITS, 3, 1)     /* media event: 1 eject wish, 2 new, 3 gone */       \
    A(S, uint8_t, medium, IDE_UNITS, 1, 1)                                                         \
    A(S, uint8_t, tray_open, IDE_UNITS, 1, 1)                                                      \
    A(S, uint8_t, locked, IDE_UNITS, 1, 1)                                                         \
    /* bus master; the walk through the PRD table counts from the last finished transfer */        \
    F(S, uint8_t, BMICX, 0x09, 1)                                                                  \
    F(S, uint8_t, BMISX, 0x67, 1)                                                                  \
    F(S, uint32_t, BMIDTPX, 0xfffffffc, 1)                                                         \
    F(S, uint32_t, prd_next, 0xfffffffc, 1) /* address of the entry to fetch */                    \
    F(S, uint32_t, prd_at, ANY, 1)          /* rest of the current entry's region */               \
    F(S, uint32_t, prd_left, 0x10000, 1)                                                           \
    F(S, uint32_t, prd_count, IDE_PRD_MAX, 1)                                                      \
    F(S, uint8_t, prd_last, 1, 1)                                                                  \
    F(S, uint64_t, resume, ANY, 1) /* timer: go on with a long transfer */
/* clang-format on */
STATE_DEFINE(ide, IDE_STATE);

/* Where a walk through the PRD table stands. */
struct prd_walk {
    uint32_t next, at, left, count;
    uint8_t last;
};

/* A run of guest memory in a direct transfer, and where the walk stood before it. */
struct ide_piece {
    uint32_t at, len;
    struct prd_walk before;
    struct gmem_map map;
};

/* A copy of a PRD entry that was fetched; number counts from 1, 0 is none. */
struct ide_prd {
    uint32_t number;
    uint8_t bytes[8];
};

struct ide;

/* Host side of a channel: the one request that may be in flight. */
struct ide_host {
    struct ide *ide;
    unsigned channel;
    struct block_req req;
    struct block *block; /* that req was submitted to */
    int result;
    bool pending; /* between block_submit and its completion */
    bool ready;   /* completed while a handler was waiting: result not looked at yet */
    struct iovec iov[IDE_IOVS];
    struct ide_piece piece[IDE_PIECES];
    unsigned npieces;                  /* mapped */
    struct ide_prd seen[IDE_PRD_SEEN]; /* by entry number, modulo */
    struct prd_walk after;             /* when the direct transfer in flight is done */
};

struct ide {
    struct device dev; /* first member */
    struct ide_host host[IDE_CHANNELS];
    struct block *medium[IDE_CHANNELS * IDE_UNITS]; /* disk, or what lies in the CD tray */
    bool collect; /* a handler waits for completions: they are no events of their own */
};

/* One channel, as handlers pass it around. */
struct chan {
    struct ide *ide;
    struct ide_state *s;
    struct ide_host *h;
    uint8_t *buf; /* IDE_BUFFER bytes */
    unsigned c;   /* 0 primary, 1 secondary */
    unsigned u;   /* selected drive */
};

/* --- ide.c: channel, task file, data port, host requests --- */
struct chan ide_chan(struct device *d, unsigned c);
bool ide_present(const struct chan *ch, unsigned u);
bool ide_is_cd(const struct chan *ch, unsigned u);
bool ide_is_packet(const struct chan *ch); /* the command in progress is PACKET */
/* The image that commands work on; NULL when a CD drive has no accessible medium. */
struct block *ide_block(const struct chan *ch, unsigned u);
void ide_signature(struct chan *ch, unsigned u);
/* The one way a command ends: nothing armed stays behind. */
void ide_end(struct chan *ch, uint8_t status, uint8_t error, bool interrupt);
/* Offer `len` bytes of the buffer (all of it: nothing else follows) to the guest. */
void ide_send(struct chan *ch, uint32_t len);
/* Make the next DRQ block of the buffer available. */
void ide_pio_in(struct chan *ch);
/* Accept the next DRQ block of a write. */
void ide_pio_out(struct chan *ch, bool interrupt);
void ide_interrupt(struct chan *ch);
/* Go on until the guest or the host has to act. */
void ide_run(struct chan *ch);
/* Start a request on the selected drive, with the first niov of h->iov: true when finished, with
 * *result; false when the completion will come as an event. */
MUST_CHECK bool ide_submit(struct chan *ch, enum block_op op, uint64_t at, uint64_t len, int niov,
                           int *result);
/* Wait for everything in flight on an image, inside a handler; false if nothing was. The result of
 * this channel's request is in h->result, those of the other channel have been dealt with. */
bool ide_collect(struct chan *ch);
/* Wait for the request in flight and take its result into account; may block on the host's disk. */
void ide_settle(struct chan *ch);
/* Wait for the request in flight and forget the command it belonged to. */
void ide_cancel(struct chan *ch);
/* Cancel and go to the state after a software reset. */
void ide_reset_channel(struct chan *ch);

/* Reading one byte of the command block changes nothing now: no data, no interrupt to take back. */
bool ide_cmd_settled(const struct device *d, unsigned c, uint32_t offset);
uint64_t ide_cmd_read(struct device *d, unsigned c, uint32_t offset, unsigned width);
void ide_cmd_write(struct device *d, unsigned c, uint32_t offset, unsigned width, uint64_t value);
uint32_t ide_data_in(struct device *d, unsigned c, void *to, unsigned width, uint32_t count);
uint32_t ide_data_out(struct device *d, unsigned c, const void *from, unsigned width,
                      uint32_t count);
uint8_t ide_alt_status(struct device *d, unsigned c);
void ide_devctl_write(struct device *d, unsigned c, uint8_t value);
void ide_update_channel(struct device *d, unsigned c);
/* The timer `resume`: re-issue what was in flight when the state was saved. */
void ide_resume(struct device *d);

/* --- ata.c: hard disk commands, and those that both kinds have --- */
void ata_command(struct chan *ch, uint8_t command);
void ata_reset_drive(struct chan *ch, unsigned u); /* settings as at power-on */
void ata_finish(struct chan *ch);                  /* all data moved: good end */
void ata_fail(struct chan *ch, int result);        /* a host request failed */
void ata_abort(struct chan *ch);

/* --- atapi.c: packet commands --- */
void atapi_packet(struct chan *ch);
void atapi_identify(struct chan *ch);
void atapi_good(struct chan *ch);
void atapi_check(struct chan *ch, uint8_t key, uint8_t asc, uint8_t ascq);
void atapi_wrap_raw(struct chan *ch); /* a fetched sector becomes 2352 bytes */
bool atapi_ready(const struct chan *ch, unsigned u);

/* --- bmide.c: bus master --- */
uint64_t bmide_read(struct device *d, uint32_t offset, unsigned width);
void bmide_write(struct device *d, uint32_t offset, unsigned width, uint64_t value);
void bmide_begin(struct chan *ch); /* a DMA command was accepted */
bool bmide_step(struct chan *ch);  /* PHASE_DMA: false when a host request is pending */
void bmide_done(struct chan *ch, int result);
void bmide_unmap(struct chan *ch);
void bmide_end(struct chan *ch); /* the drive has moved all its data */

#endif
