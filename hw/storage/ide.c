/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide - one IDE channel: task file, selection, data port, reset, and the host request in flight.
 *
 * Datasheet: ATA/ATAPI-6 (T13/1410D rev 3b): register delivered interface (clause 7), single device
 *            configurations (9.16), software reset and diagnostics (9.2, 9.10), protocols
 * (9.5-9.8). Present:   two drives per channel, 28 and 48 bit register writes with HOB read-back,
 * 16 and 32 bit data port with string transfers, nIEN, SRST, device 0 answering for an absent
 *            device 1 (status 00h), an empty channel (all registers 00h).
 * Absent:    8 bit data port (reads ones, writes vanish), overlapped and queued commands, DASP- and
 *            PDIAG- timing (a reset is over when SRST falls), a separate INTRQ for each drive.
 */
#include "hw/storage/ide.h"

#include <errno.h>

#include "hw/core/trace.h"

struct chan ide_chan(struct device *d, unsigned c)
{
    struct ide *ide = (struct ide *)d;
    unsigned i = c < IDE_CHANNELS ? c : 0;
    struct ide_state *s = (struct ide_state *)d->state + i;

    return (struct chan){ .ide = ide,
                          .s = s,
                          .h = &ide->host[i],
                          .buf = (uint8_t *)d->bulk + i * IDE_BUFFER,
                          .c = i,
                          .u = s->device & DEVICE_DEV ? 1 : 0 };
}

static unsigned ide_place(const struct chan *ch, unsigned u)
{
    return ch->c * IDE_UNITS + (u < IDE_UNITS ? u : 0);
}

bool ide_is_cd(const struct chan *ch, unsigned u)
{
    return ch->ide->dev.host.cdrom[ide_place(ch, u)];
}

bool ide_present(const struct chan *ch, unsigned u)
{
    return (ide_is_cd(ch, u) || ch->ide->medium[ide_place(ch, u)]) && !ch->s->unplugged[u];
}

bool ide_is_packet(const struct chan *ch)
{
    return ch->s->command == COMMAND_PACKET && ide_is_cd(ch, ch->u);
}

struct block *ide_block(const struct chan *ch, unsigned u)
{
    if (ide_is_cd(ch, u) && (!ch->s->medium[u] || ch->s->tray_open[u]))
        return NULL;
    return ch->ide->medium[ide_place(ch, u)];
}

/* --- interrupts and the end of commands --- */

void ide_interrupt(struct chan *ch)
{
    ch->s->intrq = 1;
}

void ide_update_channel(struct device *d, unsigned c)
{
    struct chan ch = ide_chan(d, c);
    bool level = ch.s->intrq && !(ch.s->devctl & DEVCTL_NIEN);

    if (level && !ch.s->line)
        SET(ch.s, BMISX, IDEINTS); /* on the rising edge only, as the datasheet insists */
    ch.s->line = level;
    device_irq(d, c, level);
}

/* No phase, no data, nothing to go on with. */
static void ide_disarm(struct chan *ch)
{
    struct ide_state *s = ch->s;

    s->phase = PHASE_IDLE;
    s->out = s->dma = s->raw = s->careful = 0;
    s->xfer_left = 0;
    s->buf_pos = s->buf_len = s->drq_end = 0;
}

void ide_end(struct chan *ch, uint8_t status, uint8_t error, bool interrupt)
{
    ide_disarm(ch);
    ch->s->status[ch->u] = status;
    ch->s->error[ch->u] = error;
    if (interrupt)
        ide_interrupt(ch);
    trace_text(&ch->ide->dev, "ch%u.%u command %02x ends: status %02x error %02x", ch->c, ch->u,
               ch->s->command, status, error);
}

/* --- requests to the image --- */

static void ide_done(struct chan *ch, int result);

static void ide_completed(struct device *d, void *arg)
{
    struct ide_host *h = arg;
    struct chan ch = ide_chan(d, h->channel);

    ide_done(&ch, h->result);
    ide_run(&ch);
}

static void ide_host_done(struct block_req *r, int result)
{
    struct ide_host *h = r->opaque;

    h->pending = false;
    h->result = result;
    if (h->ide->collect)
        h->ready = true;
    else
        device_event(&h->ide->dev, ide_completed, h);
}

bool ide_submit(struct chan *ch, enum block_op op, uint64_t at, uint64_t len, int niov, int *result)
{
    struct ide_host *h = ch->h;

    h->block = ide_block(ch, ch->u);
    if (!h->block) {
        *result = -ENODEV;
        return true;
    }
    h->req = (struct block_req){ .op = op,
                                 .offset = at,
                                 .length = len,
                                 .iov = niov ? h->iov : NULL,
                                 .niov = niov,
                                 .done = ide_host_done,
                                 .opaque = h };
    h->pending = true;
    if (!block_submit(h->block, &h->req))
        return false;
    h->pending = false;
    *result = h->req.result;
    return true;
}

bool ide_collect(struct chan *ch)
{
    struct ide_host *h = ch->h;

    if (!h->pending)
        return false;
    ch->ide->collect = true;
    block_drain(h->block);
    ch->ide->collect = false;
    h->ready = false;
    for (unsigned c = 0; c < IDE_CHANNELS; c++) { /* a drain may bring in others' completions */
        struct chan other = ide_chan(&ch->ide->dev, c);

        if (!other.h->ready)
            continue;
        other.h->ready = false;
        ide_done(&other, other.h->result);
        ide_run(&other);
    }
    return !h->pending;
}

void ide_settle(struct chan *ch)
{
    if (ide_collect(ch))
        ide_done(ch, ch->h->result);
}

void ide_cancel(struct chan *ch)
{
    (void)ide_collect(ch);
    bmide_unmap(ch);
    ide_disarm(ch);
}

/* Bytes of the next read into the buffer; the same answer when it completes. */
static uint32_t ide_fetch_size(const struct chan *ch)
{
    const struct ide_state *s = ch->s;
    uint32_t n = IDE_BUFFER;

    if (ide_is_cd(ch, ch->u))
        n = s->raw || s->careful ? IDE_CD_SECTOR : IDE_BUFFER;
    else if (s->careful)
        n = s->dma || !s->block || s->block > IDE_BUFFER ? IDE_SECTOR : s->block;
    return s->xfer_left < n ? (uint32_t)s->xfer_left : n;
}

static bool ide_fetch(struct chan *ch, int *result)
{
    uint32_t n = ide_fetch_size(ch);

    ch->h->iov[0] = (struct iovec){ ch->buf + (ch->s->raw ? 16 : 0), n };
    return ide_submit(ch, BLOCK_READ, ch->s->xfer_at, n, 1, result);
}

static void ide_fetched(struct chan *ch, int result)
{
    struct ide_state *s = ch->s;
    uint32_t n = ide_fetch_size(ch);

    if (result < 0 && result != -EBUSY && !s->careful && n > IDE_SECTOR) {
        s->careful = 1; /* find the block that is bad; those before it are good */
        return;
    }
    if (result < 0) {
        ata_fail(ch, result);
        return;
    }
    if (s->raw)
        atapi_wrap_raw(ch);
    s->xfer_at += n;
    s->xfer_left -= n;
    s->buf_pos = 0;
    s->buf_len = s->raw ? IDE_CD_RAW : n;
    if (s->dma)
        s->phase = PHASE_DMA;
    else
        ide_pio_in(ch);
}

static void ide_stored(struct chan *ch, int result)
{
    struct ide_state *s = ch->s;

    if (result < 0) {
        ata_fail(ch, result);
        return;
    }
    s->xfer_at += s->buf_len;
    s->xfer_left -= s->buf_len < s->xfer_left ? s->buf_len : s->xfer_left;
    s->buf_pos = s->buf_len = s->drq_end = 0;
    if (s->dma)
        s->phase = PHASE_DMA;
    else if (s->xfer_left)
        ide_pio_out(ch, true);
    else
        ata_finish(ch);
}

/* DATA SET MANAGEMENT: the next range of the list, 48 bits LBA and 16 bits count. */
static bool ide_discard(struct chan *ch, int *result)
{
    struct ide_state *s = ch->s;
    struct block *b = ide_block(ch, ch->u);
    uint64_t entry, lba, count;

    *result = 0;
    for (;; s->buf_pos += 8) { /* empty ranges are padding */
        if (s->buf_pos + 8 > s->buf_len || s->buf_len > IDE_BUFFER || !b)
            return true;
        entry = le64(ch->buf + s->buf_pos);
        count = entry >> 48;
        if (count)
            break;
    }
    lba = entry & 0xffffffffffff;
    if (lba >= b->size / IDE_SECTOR || count > b->size / IDE_SECTOR - lba) {
        *result = -ERANGE;
        return true;
    }
    return ide_submit(ch, BLOCK_DISCARD, lba * IDE_SECTOR, count * IDE_SECTOR, 0, result);
}

static void ide_discarded(struct chan *ch, int result)
{
    struct ide_state *s = ch->s;

    if (result < 0 && result != -EOPNOTSUPP) { /* it is a hint: a host that cannot is no error */
        ata_fail(ch, result);
        return;
    }
    if (s->buf_pos + 16 <= s->buf_len)
        s->buf_pos += 8;
    else
        ata_finish(ch);
}

/* A request of the current phase is over. */
static void ide_done(struct chan *ch, int result)
{
    switch (ch->s->phase) {
    case PHASE_FETCH:
        ide_fetched(ch, result);
        break;
    case PHASE_STORE:
        ide_stored(ch, result);
        break;
    case PHASE_FLUSH:
        if (result < 0)
            ata_fail(ch, result);
        else
            ata_finish(ch);
        break;
    case PHASE_DISCARD:
        ide_discarded(ch, result);
        break;
    case PHASE_DMA:
        bmide_done(ch, result);
        break;
    default:
        break;
    }
}

/* One step of a phase that needs no guest: false when a request is pending. */
static bool ide_step(struct chan *ch)
{
    struct ide_state *s = ch->s;
    bool finished;
    int result = 0;

    switch (s->phase) {
    case PHASE_FETCH:
        finished = ide_fetch(ch, &result);
        break;
    case PHASE_STORE:
        ch->h->iov[0] = (struct iovec){ ch->buf, s->buf_len };
        finished = ide_submit(ch, BLOCK_WRITE, s->xfer_at, s->buf_len, 1, &result);
        break;
    case PHASE_FLUSH:
        finished = ide_submit(ch, BLOCK_FLUSH, 0, 0, 0, &result);
        break;
    case PHASE_DISCARD:
        finished = ide_discard(ch, &result);
        break;
    default:
        return bmide_step(ch);
    }
    if (finished)
        ide_done(ch, result);
    return finished;
}

void ide_run(struct chan *ch)
{
    struct device *d = &ch->ide->dev;

    for (unsigned step = 0; !ch->h->pending && ch->s->phase >= PHASE_FETCH; step++) {
        if (step == IDE_STEPS) { /* others want to be served too */
            timer_arm(d, &ch->s->resume, clock_now(d) + 1);
            return;
        }
        if (!ide_step(ch))
            return;
    }
}

void ide_resume(struct device *d)
{
    for (unsigned c = 0; c < IDE_CHANNELS; c++) {
        struct chan ch = ide_chan(d, c);

        ide_run(&ch);
    }
}

/* --- the data port --- */

void ide_send(struct chan *ch, uint32_t len)
{
    struct ide_state *s = ch->s;

    s->buf_pos = 0;
    s->buf_len = len <= IDE_BUFFER ? len : IDE_BUFFER;
    s->xfer_left = 0;
    s->out = 0;
    if (s->dma)
        bmide_begin(ch);
    else
        ide_pio_in(ch);
}

void ide_pio_in(struct chan *ch)
{
    struct ide_state *s = ch->s;
    uint32_t n = s->buf_len - s->buf_pos;

    if (n > s->block)
        n = s->block;
    s->drq_end = s->buf_pos + n;
    s->phase = PHASE_PIO_IN;
    if (ide_is_packet(ch)) {
        s->count[ch->u] = REASON_IO;
        s->lba1[ch->u] = (uint8_t)n;
        s->lba2[ch->u] = (uint8_t)(n >> 8);
    }
    ide_interrupt(ch);
}

void ide_pio_out(struct chan *ch, bool interrupt)
{
    struct ide_state *s = ch->s;

    s->buf_pos = 0;
    s->buf_len = s->xfer_left < s->block ? (uint32_t)s->xfer_left : s->block;
    s->drq_end = s->buf_len;
    s->phase = PHASE_PIO_OUT;
    if (interrupt)
        ide_interrupt(ch);
}

/* The guest has read a whole DRQ block. */
static void ide_block_taken(struct chan *ch)
{
    struct ide_state *s = ch->s;

    if (s->buf_pos < s->buf_len) {
        ide_pio_in(ch);
    } else if (s->xfer_left) {
        s->phase = PHASE_FETCH;
        ide_run(ch);
    } else if (ide_is_packet(ch)) {
        atapi_good(ch);
    } else {
        ide_end(ch, s->status[ch->u], 0, false);
    }
}

uint32_t ide_data_in(struct device *d, unsigned c, void *to, unsigned width, uint32_t count)
{
    struct chan ch = ide_chan(d, c);
    struct ide_state *s = ch.s;
    uint8_t *p = to;
    size_t left = (size_t)count * width;

    while (left) {
        size_t n, whole;

        if (s->phase != PHASE_PIO_IN || s->drq_end > IDE_BUFFER || s->buf_pos >= s->drq_end) {
            memset(p, 0, left); /* nothing to read: the bus answers, no drive does */
            d->stats.refused++;
            break;
        }
        n = s->drq_end - s->buf_pos;
        if (n > left)
            n = left;
        memcpy(p, ch.buf + s->buf_pos, n);
        whole = (n + width - 1) / width * width; /* an odd tail is padded */
        memset(p + n, 0, whole - n);
        p += whole;
        left -= whole;
        s->buf_pos += (uint32_t)n;
        if (s->buf_pos >= s->drq_end)
            ide_block_taken(&ch);
    }
    return count;
}

/* Where written data go now, and how much of it fits; NULL when nobody takes it. */
static uint8_t *ide_data_sink(struct chan *ch, size_t *room)
{
    struct ide_state *s = ch->s;

    if (s->phase == PHASE_PACKET && s->buf_pos < IDE_PACKET) {
        *room = IDE_PACKET - s->buf_pos;
        return s->packet + s->buf_pos;
    }
    if (s->phase == PHASE_PIO_OUT && s->drq_end <= IDE_BUFFER && s->buf_pos < s->drq_end) {
        *room = s->drq_end - s->buf_pos;
        return ch->buf + s->buf_pos;
    }
    return NULL;
}

uint32_t ide_data_out(struct device *d, unsigned c, const void *from, unsigned width,
                      uint32_t count)
{
    struct chan ch = ide_chan(d, c);
    struct ide_state *s = ch.s;
    const uint8_t *p = from;
    size_t left = (size_t)count * width;

    while (left) {
        size_t room = 0, n, whole;
        uint8_t *sink = ide_data_sink(&ch, &room);

        if (!sink) {
            d->stats.refused++;
            break;
        }
        n = room < left ? room : left;
        memcpy(sink, p, n);
        whole = (n + width - 1) / width * width;
        p += whole;
        left -= whole;
        s->buf_pos += (uint32_t)n;
        if (n < room)
            continue;
        if (s->phase == PHASE_PACKET) {
            atapi_packet(&ch);
        } else {
            s->phase = PHASE_STORE;
            ide_run(&ch);
        }
    }
    return count;
}

/* --- task file --- */

/* Which drive answers a read of the command block; false when nobody does. */
static bool ide_responder(const struct chan *ch, unsigned *u)
{
    *u = ch->u;
    if (ide_present(ch, *u))
        return true;
    *u = 0; /* device 0 answers for an absent device 1 */
    return ch->u == 1 && ide_present(ch, 0);
}

static uint8_t ide_status(const struct chan *ch)
{
    const struct ide_state *s = ch->s;
    uint8_t status = s->status[ch->u];

    if (!ide_present(ch, ch->u))
        return 0;
    if (s->devctl & DEVCTL_SRST)
        return STATUS_BSY;
    if (s->phase == PHASE_IDLE)
        return status;
    return (uint8_t)(status | (s->phase >= PHASE_FETCH ? STATUS_BSY : STATUS_DRQ));
}

static uint8_t ide_reg_read(struct chan *ch, uint32_t reg)
{
    struct ide_state *s = ch->s;
    bool hob = s->devctl & DEVCTL_HOB;
    unsigned u;

    if (!ide_responder(ch, &u))
        return 0;
    switch (reg) {
    case IDE_DATA:
        return 0xff;
    case IDE_ERROR:
        return s->error[u];
    case IDE_COUNT:
        return hob ? s->hob_count[u] : s->count[u];
    case IDE_LBA0:
        return hob ? s->hob_lba0[u] : s->lba0[u];
    case IDE_LBA1:
        return hob ? s->hob_lba1[u] : s->lba1[u];
    case IDE_LBA2:
        return hob ? s->hob_lba2[u] : s->lba2[u];
    case IDE_DEVICE:
        return s->device;
    default:
        if (ide_present(ch, ch->u))
            s->intrq = 0;
        return ide_status(ch);
    }
}

/* Both drives hear every write. */
static void ide_reg_set(struct ide_state *s, uint8_t *now, uint8_t *before, uint8_t value)
{
    for (unsigned u = 0; u < IDE_UNITS; u++) {
        before[u] = now[u];
        now[u] = value;
    }
    s->devctl = (uint8_t)(s->devctl & ~DEVCTL_HOB);
}

static void ide_command_write(struct chan *ch, uint8_t command)
{
    struct ide_state *s = ch->s;
    bool diagnostic = command == COMMAND_DIAGNOSTIC && (ide_present(ch, 0) || ide_present(ch, 1));
    bool reset = command == COMMAND_DEVICE_RESET && ide_present(ch, ch->u) && ide_is_cd(ch, ch->u);

    if (!ide_present(ch, ch->u) && !diagnostic)
        return; /* nobody there: no drive, no mistake */
    if ((s->devctl & DEVCTL_SRST) || (s->phase != PHASE_IDLE && !reset)) {
        ch->ide->dev.stats.refused++;
        return;
    }
    s->devctl = (uint8_t)(s->devctl & ~DEVCTL_HOB);
    s->intrq = 0;
    /* Seen outside even if the command ends at once: an edge-triggered input needs a new edge. */
    ide_update_channel(&ch->ide->dev, ch->c);
    ata_command(ch, command);
}

static void ide_reg_write(struct chan *ch, uint32_t reg, uint8_t value)
{
    struct ide_state *s = ch->s;

    if (reg == IDE_STATUS) {
        ide_command_write(ch, value);
        return;
    }
    if (reg == IDE_DATA)
        return;
    if (s->phase != PHASE_IDLE || (s->devctl & DEVCTL_SRST)) {
        ch->ide->dev.stats.refused++; /* BSY or DRQ: the drives do not listen */
        return;
    }
    switch (reg) {
    case IDE_ERROR:
        ide_reg_set(s, s->features, s->hob_features, value);
        break;
    case IDE_COUNT:
        ide_reg_set(s, s->count, s->hob_count, value);
        break;
    case IDE_LBA0:
        ide_reg_set(s, s->lba0, s->hob_lba0, value);
        break;
    case IDE_LBA1:
        ide_reg_set(s, s->lba1, s->hob_lba1, value);
        break;
    case IDE_LBA2:
        ide_reg_set(s, s->lba2, s->hob_lba2, value);
        break;
    default:
        s->device = value | DEVICE_ONES;
        s->devctl = (uint8_t)(s->devctl & ~DEVCTL_HOB);
        ch->u = s->device & DEVICE_DEV ? 1 : 0;
        break;
    }
}

bool ide_cmd_settled(const struct device *d, unsigned c, uint32_t offset)
{
    const struct ide_state *s = (const struct ide_state *)d->state + c;

    return offset != IDE_DATA && (offset != IDE_STATUS || !s->intrq);
}

uint64_t ide_cmd_read(struct device *d, unsigned c, uint32_t offset, unsigned width)
{
    struct chan ch = ide_chan(d, c);
    uint64_t value = 0;

    if (offset == IDE_DATA && width > 1) {
        uint8_t bytes[8] = { 0 };

        ide_data_in(d, c, bytes, width <= 4 ? width : 4, 1);
        return load_le(bytes, width);
    }
    for (unsigned i = 0; i < width && offset + i <= IDE_STATUS; i++)
        value |= (uint64_t)ide_reg_read(&ch, offset + i) << (8 * i);
    return value;
}

void ide_cmd_write(struct device *d, unsigned c, uint32_t offset, unsigned width, uint64_t value)
{
    struct chan ch = ide_chan(d, c);

    if (offset == IDE_DATA && width > 1) {
        uint8_t bytes[8];

        store_le(bytes, 8, value);
        ide_data_out(d, c, bytes, width <= 4 ? width : 4, 1);
        return;
    }
    for (unsigned i = 0; i < width && offset + i <= IDE_STATUS; i++)
        ide_reg_write(&ch, offset + i, (uint8_t)(value >> (8 * i)));
}

uint8_t ide_alt_status(struct device *d, unsigned c)
{
    struct chan ch = ide_chan(d, c);

    return ide_status(&ch);
}

/* --- reset --- */

void ide_signature(struct chan *ch, unsigned u)
{
    struct ide_state *s = ch->s;
    bool cd = ide_is_cd(ch, u);

    s->count[u] = s->lba0[u] = 1;
    s->lba1[u] = cd ? 0x14 : 0;
    s->lba2[u] = cd ? 0xeb : 0;
    s->hob_count[u] = s->hob_lba0[u] = s->hob_lba1[u] = s->hob_lba2[u] = 0;
}

void ide_reset_channel(struct chan *ch)
{
    struct ide_state *s = ch->s;

    ide_cancel(ch);
    s->device = DEVICE_ONES;
    s->intrq = 0;
    ch->u = 0;
    for (unsigned u = 0; u < IDE_UNITS; u++) {
        ide_signature(ch, u);
        s->features[u] = s->hob_features[u] = 0;
        s->error[u] = ERROR_DIAG_OK;
        s->status[u] = ide_is_cd(ch, u) ? 0 : STATUS_DRDY | STATUS_DSC;
        s->power[u] = 0xff;
    }
}

void ide_devctl_write(struct device *d, unsigned c, uint8_t value)
{
    struct chan ch = ide_chan(d, c);
    uint8_t old = ch.s->devctl;

    ch.s->devctl = value;
    if (!(old & DEVCTL_SRST) && (value & DEVCTL_SRST)) {
        ide_cancel(&ch);
        ch.s->intrq = 0;
    } else if ((old & DEVCTL_SRST) && !(value & DEVCTL_SRST)) {
        ide_reset_channel(&ch);
    }
}
