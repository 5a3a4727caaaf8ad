/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * piix3_ide - the IDE function of the PIIX3: two legacy channels of two drives, bus master.
 *
 * Datasheet: Intel 290550, "82371FB (PIIX) and 82371SB (PIIX3)", IDE function.
 * Present:   8086:7010, legacy ports and interrupts, BAR4, IDETIM and SIDETIM as storage.
 * Absent:    decode enables (IDETIM bit 15, command bit 0): the legacy ports always answer, as they
 *            do where nobody ran a BIOS; timings have no effect; the 3f7h/377h port.
 * Files:     ide.c channel and task file, ata.c and atapi.c commands, bmide.c bus master.
 */
#include "hw/core/arena.h"
#include "hw/storage/ide.h"
#include "hw/storage/ide_media.h"

#include <errno.h>

enum { REGION_CMD0, REGION_CTL0, REGION_CMD1, REGION_CTL1, REGION_BMIDE };

/* --- regions --- */

static uint64_t cmd0_read(struct device *d, uint32_t offset, unsigned width)
{
    return ide_cmd_read(d, 0, offset, width);
}

static bool cmd0_settled(const struct device *d, uint32_t offset)
{
    return ide_cmd_settled(d, 0, offset);
}

/* Not a command packet. */
static bool cmd_payload(const struct device *d, unsigned c, uint32_t offset)
{
    const struct ide_state *s = (const struct ide_state *)d->state + c;

    return offset == IDE_DATA && (s->phase == PHASE_PIO_IN || s->phase == PHASE_PIO_OUT);
}

static bool cmd0_payload(const struct device *d, uint32_t offset)
{
    return cmd_payload(d, 0, offset);
}

static void cmd0_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    ide_cmd_write(d, 0, offset, width, value);
}

static uint64_t cmd1_read(struct device *d, uint32_t offset, unsigned width)
{
    return ide_cmd_read(d, 1, offset, width);
}

static bool cmd1_settled(const struct device *d, uint32_t offset)
{
    return ide_cmd_settled(d, 1, offset);
}

static bool cmd1_payload(const struct device *d, uint32_t offset)
{
    return cmd_payload(d, 1, offset);
}

static void cmd1_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    ide_cmd_write(d, 1, offset, width, value);
}

static uint32_t cmd_read_string(struct device *d, unsigned c, uint32_t offset, unsigned width,
                                void *buf, uint32_t count)
{
    return offset == IDE_DATA && width > 1 ? ide_data_in(d, c, buf, width, count) : 0;
}

static uint32_t cmd_write_string(struct device *d, unsigned c, uint32_t offset, unsigned width,
                                 const void *buf, uint32_t count)
{
    return offset == IDE_DATA && width > 1 ? ide_data_out(d, c, buf, width, count) : 0;
}

static uint32_t cmd0_read_string(struct device *d, uint32_t offset, unsigned width, void *buf,
                                 uint32_t count)
{
    return cmd_read_string(d, 0, offset, width, buf, count);
}

static uint32_t cmd0_write_string(struct device *d, uint32_t offset, unsigned width,
                                  const void *buf, uint32_t count)
{
    return cmd_write_string(d, 0, offset, width, buf, count);
}

static uint32_t cmd1_read_string(struct device *d, uint32_t offset, unsigned width, void *buf,
                                 uint32_t count)
{
    return cmd_read_string(d, 1, offset, width, buf, count);
}

static uint32_t cmd1_write_string(struct device *d, uint32_t offset, unsigned width,
                                  const void *buf, uint32_t count)
{
    return cmd_write_string(d, 1, offset, width, buf, count);
}

static uint64_t ctl0_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ide_alt_status(d, 0);
}

static void ctl0_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    ide_devctl_write(d, 0, (uint8_t)value);
}

static uint64_t ctl1_read(struct device *d, uint32_t offset, unsigned width)
{
    (void)offset;
    (void)width;
    return ide_alt_status(d, 1);
}

static void ctl1_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    (void)offset;
    (void)width;
    ide_devctl_write(d, 1, (uint8_t)value);
}

static const char *const cmd_names[] = { "DATA",    "ERROR_FEATURES", "COUNT",  "LBA_LOW",
                                         "LBA_MID", "LBA_HIGH",       "DEVICE", "STATUS_COMMAND" };
static const char *const ctl_names[] = { "ALTERNATE_STATUS_CONTROL" };
static const char *const bmide_names[] = {
    "BMICP", NULL, "BMISP", NULL, "BMIDTPP", "BMIDTPP", "BMIDTPP", "BMIDTPP",
    "BMICS", NULL, "BMISS", NULL, "BMIDTPS", "BMIDTPS", "BMIDTPS", "BMIDTPS",
};

static const struct region piix3_ide_regions[] = {
    [REGION_CMD0] = { .name = "cmd0",
                      .space = BUS_PIO,
                      .size = 8,
                      NAMED(cmd_names),
                      .widths = 1 | 2 | 4,
                      .read = cmd0_read,
                      .write = cmd0_write,
                      .read_string = cmd0_read_string,
                      .write_string = cmd0_write_string,
                      .settled = cmd0_settled,
                      .payload = cmd0_payload },
    [REGION_CTL0] = { .name = "ctl0",
                      .space = BUS_PIO,
                      .size = 1,
                      NAMED(ctl_names),
                      .widths = 1,
                      .read = ctl0_read,
                      .write = ctl0_write,
                      .constant = true },
    [REGION_CMD1] = { .name = "cmd1",
                      .space = BUS_PIO,
                      .size = 8,
                      NAMED(cmd_names),
                      .widths = 1 | 2 | 4,
                      .read = cmd1_read,
                      .write = cmd1_write,
                      .read_string = cmd1_read_string,
                      .write_string = cmd1_write_string,
                      .settled = cmd1_settled,
                      .payload = cmd1_payload },
    [REGION_CTL1] = { .name = "ctl1",
                      .space = BUS_PIO,
                      .size = 1,
                      NAMED(ctl_names),
                      .widths = 1,
                      .read = ctl1_read,
                      .write = ctl1_write,
                      .constant = true },
    [REGION_BMIDE] = { .name = "bmide",
                       .space = BUS_PIO,
                       .size = 16,
                       NAMED(bmide_names),
                       .widths = 1 | 2 | 4,
                       .read = bmide_read,
                       .write = bmide_write,
                       .constant = true },
};

/* --- life --- */

static int piix3_ide_realize(struct device *d, struct error *e)
{
    struct ide *ide = (struct ide *)d;
    struct ide_state *s = d->state;

    for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++) {
        const struct block *b = d->host.disk[i];

        if (b && !d->host.cdrom[i] && b->size < IDE_SECTOR)
            return error_set(e, -EINVAL, "%s: %s is smaller than one sector of 512 bytes", d->id,
                             b->path);
        ide->medium[i] = d->host.disk[i];
    }
    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        ide->host[c].ide = ide;
        ide->host[c].channel = c;
        timer_register(d, &s[c].resume, ide_resume);
    }
    return 0;
}

static void piix3_ide_unrealize(struct device *d)
{
    ((struct ide *)d)->collect = true; /* whatever still comes is nobody's */
    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        struct ide_host *h = &((struct ide *)d)->host[c];
        struct chan ch = ide_chan(d, c);

        if (h->pending)
            block_drain(h->block);
        bmide_unmap(&ch);
    }
}

static void piix3_ide_reset(struct device *d)
{
    struct ide *ide = (struct ide *)d;

    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        struct chan ch = ide_chan(d, c);

        for (unsigned u = 0; u < IDE_UNITS; u++) {
            ata_reset_drive(&ch, u);
            ch.s->medium[u] = ide_is_cd(&ch, u) && ide->medium[c * IDE_UNITS + u];
        }
        ide_reset_channel(&ch);
    }
}

static void piix3_ide_update(struct device *d)
{
    for (unsigned c = 0; c < IDE_CHANNELS; c++)
        ide_update_channel(d, c);
}

/* --- state from elsewhere --- */

static int channel_check(struct device *d, const struct chan *ch, struct error *e)
{
    const struct ide_state *s = ch->s;
    const struct block *b = ide_block(ch, ch->u);
    const char *wrong = NULL;

    for (unsigned u = 0; u < IDE_UNITS; u++)
        if (!s->heads[u] || !s->sectors[u] || (s->multiple[u] & (s->multiple[u] - 1)))
            wrong = "geometry";
    for (unsigned u = 0; u < IDE_UNITS; u++)
        if (s->status[u] & ~(STATUS_DRDY | STATUS_DF | STATUS_DSC | STATUS_ERR))
            wrong = "status";
    if (s->BMICX & ~(BMICX_SSBM | BMICX_RWCON) || (s->BMIDTPX | s->prd_next) & 3 ||
        s->BMISX & ~(BMISX_BMIDEA | BMISX_DMAERR | BMISX_IDEINTS | BMISX_DMACAP))
        wrong = "BMICX, BMISX or BMIDTPX";
    if (s->buf_pos > s->buf_len && s->phase != PHASE_PACKET)
        wrong = "buf_pos";
    if ((s->phase == PHASE_PIO_IN || s->phase == PHASE_PIO_OUT) &&
        (s->buf_pos >= s->drq_end || s->drq_end > s->buf_len || !s->block))
        wrong = "drq_end";
    if (s->phase == PHASE_PIO_OUT && s->buf_len > s->xfer_left)
        wrong = "buf_len";
    if (s->phase == PHASE_PACKET && (s->buf_pos >= IDE_PACKET || !ide_is_packet(ch)))
        wrong = "phase";
    if (s->phase != PHASE_IDLE && !ide_present(ch, ch->u))
        wrong = "phase";
    if (s->raw && !ide_is_cd(ch, ch->u))
        wrong = "raw";
    /* A CD may have been taken out, or another one put in, in the middle of a command: its next
     * read then fails. */
    if (s->phase != PHASE_IDLE && s->xfer_left && s->command != COMMAND_TRIM && b &&
        !ide_is_cd(ch, ch->u) && (s->xfer_at > b->size || s->xfer_left > b->size - s->xfer_at))
        wrong = "xfer_left";
    if (s->out && ide_is_cd(ch, ch->u))
        wrong = "out";
    if (s->phase == PHASE_STORE && (!s->buf_len || s->buf_len > s->xfer_left))
        wrong = "buf_len";
    if (s->phase == PHASE_FETCH && !s->xfer_left)
        wrong = "xfer_left";
    if (wrong)
        return error_set(e, -EINVAL, "%s: channel %u: field %s contradicts the rest of the state",
                         d->id, ch->c, wrong);
    return 0;
}

static int piix3_ide_loaded(struct device *d, struct error *e)
{
    struct ide *ide = (struct ide *)d;

    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        struct chan ch = ide_chan(d, c);
        struct ide_state *s = ch.s;
        int err;

        for (unsigned u = 0; u < IDE_UNITS; u++) {
            bool there = ide_is_cd(&ch, u) && ide->medium[c * IDE_UNITS + u];

            if (s->medium[u] == there)
                continue;
            s->attention[u] = there;
            s->event[u] = there ? 2 : 3;
            if (there)
                s->tray_open[u] = 0; /* as ide_insert(), which may have been under way */
            /* The tray holds what this machine was given. Last: if we die before, the next one
             * finds the difference, too. */
            arena_store_barrier();
            s->medium[u] = there;
        }
        memset(ch.h->seen, 0, sizeof ch.h->seen);
        err = channel_check(d, &ch, e);
        if (err < 0)
            return err;
        if (s->phase >= PHASE_FETCH) /* issue it again, once the guest's clock runs */
            timer_arm(d, &s->resume, clock_now(d) + 1);
    }
    return 0;
}

/* --- the machine's announcements --- */

/* Everything written reaches the medium; then the drive is gone. */
static void drive_unplug(struct chan *ch, unsigned u)
{
    struct ide_state *s = ch->s;
    int result;

    if (!ide_present(ch, u) || ide_is_cd(ch, u))
        return;
    if (ch->u == u) {
        ide_cancel(ch);
        s->intrq = 0;
    }
    if (!ch->h->pending) { /* else the other drive is busy: wait for it first */
        unsigned selected = ch->u;

        ch->u = u;
        if (!ide_submit(ch, BLOCK_FLUSH, 0, 0, 0, &result))
            result = ide_collect(ch) ? ch->h->result : -EIO;
        ch->u = selected;
        if (result < 0 && result != -EBUSY) /* its PV twin has the image, which was flushed then */
            log_error("%s: flushing %s before unplug failed: %d", ch->ide->dev.id,
                      ch->ide->medium[ch->c * IDE_UNITS + u]->path, result);
    }
    s->unplugged[u] = 1;
}

static void piix3_ide_unplug(struct device *d, unsigned mask)
{
    for (unsigned i = 0; i < IDE_CHANNELS * IDE_UNITS; i++) {
        struct chan ch = ide_chan(d, i / IDE_UNITS);

        if (!(mask & 1) && (!(mask & 4) || i == 0))
            continue;
        ide_settle(&ch); /* what is in flight, of this drive or the other one, still counts */
        drive_unplug(&ch, i % IDE_UNITS);
        ide_run(&ch);
    }
}

bool ide_let_go(struct device *d, unsigned disk)
{
    struct chan ch = ide_chan(d, disk / IDE_UNITS);

    if (disk >= IDE_CHANNELS * IDE_UNITS || !ch.s->unplugged[disk % IDE_UNITS])
        return false;
    ((struct ide *)d)->medium[disk] = NULL;
    return true;
}

/* Finish what runs: a command in the host's hands goes on to its end, which its length bounds. */
static void piix3_ide_drain(struct device *d)
{
    struct ide *ide = (struct ide *)d;

    for (unsigned c = 0; c < IDE_CHANNELS; c++)
        while (ide->host[c].pending)
            block_drain(ide->host[c].block);
}

/* A list of ranges to discard says nothing of what was in them. */
static bool piix3_ide_payload(const struct device *d, uint32_t offset)
{
    const struct ide_state *s = d->state;

    return s[offset / IDE_BUFFER % IDE_CHANNELS].command != COMMAND_TRIM;
}

static const struct pci_config_reg piix3_ide_config[] = {
    { .reg = 0x40, .width = 2, .rw = 0xf3ff }, /* IDETIM, primary */
    { .reg = 0x42, .width = 2, .rw = 0xf3ff }, /* IDETIM, secondary */
    { .reg = 0x44, .width = 1, .rw = 0xff },   /* SIDETIM */
};

static const struct pci_desc piix3_ide_pci = {
    .vendor = 0x8086,
    .device = 0x7010,
    .subsystem_vendor = 0x1af4, /* as guests that come from QEMU know it */
    .subsystem = 0x1100,
    .class_code = 0x0101,
    .prog_if = 0x80,
    .status = 0x0280, /* fast back-to-back, medium DEVSEL */
    .bar[4] = { .kind = PCI_BAR_IO, .size = 16, .region = REGION_BMIDE },
    .config = piix3_ide_config,
    .nconfig = ARRAY_SIZE(piix3_ide_config),
};

const struct device_ops piix3_ide_ops = {
    .name = "piix3_ide",
    .size = sizeof(struct ide),
    .state = &ide_desc,
    .state_count = IDE_CHANNELS,
    .bulk_size = IDE_CHANNELS * IDE_BUFFER,
    .regions = piix3_ide_regions,
    .nregions = ARRAY_SIZE(piix3_ide_regions),
    .pci = &piix3_ide_pci,
    .realize = piix3_ide_realize,
    .unrealize = piix3_ide_unrealize,
    .reset = piix3_ide_reset,
    .update = piix3_ide_update,
    .loaded = piix3_ide_loaded,
    .unplug = piix3_ide_unplug,
    .drain = piix3_ide_drain,
    .payload = piix3_ide_payload,
};
