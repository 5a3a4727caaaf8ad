/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata - hard disk commands, and the few that packet drives have as well.
 *
 * Datasheet: ATA/ATAPI-6 (T13/1410D rev 3b), clause 8; DATA SET MANAGEMENT: ACS-2 (T13/2015-D).
 * Present:   CHS, 28 and 48 bit addresses; PIO, multiple and DMA transfers; verify; flush; power
 *            modes as far as they show in CHECK POWER MODE; trim of one block of ranges.
 * Absent:    SMART, security, host protected area (READ NATIVE MAX alone is answered), device
 *            configuration overlay, microcode, media card commands, FUA writes, read and write
 * long, READ and WRITE BUFFER: their IDENTIFY bits are clear and they are aborted. SLEEP is
 *            standby: any command wakes the drive.
 * Results:   host read errors end with UNC, write errors with ABRT, addresses beyond the end with
 *            IDNF; the address registers then hold the first sector not transferred. While a PV
 *            driver has the disk, whatever would touch the image ends with ABRT.
 */
#include "hw/storage/ide.h"

#include <errno.h>

#include "hw/core/trace.h"

enum { KIND_ATA = 1, KIND_CD = 2, KIND_BOTH = 3 };
enum {
    RW_OUT = 1,
    RW_EXT = 2,
    RW_MULTIPLE = 4,
    RW_DMA = 8,
    RW_VERIFY = 16,
};
enum { DEFAULT_HEADS = 16, DEFAULT_SECTORS = 63, DEFAULT_CYLINDERS = 16383 };
enum { POWER_STANDBY = 0x00, POWER_IDLE = 0x80, POWER_ACTIVE = 0xff };
enum { MODE_MWDMA = 0x20, MODE_UDMA = 0x40, MODE_UDMA_BEST = 5, MODE_MWDMA_BEST = 2 };

struct ata_command {
    void (*run)(struct chan *ch);
    uint8_t kinds;
    uint8_t flags; /* of reads and writes */
};
static const struct ata_command ata_commands[256];

static uint64_t ata_total(const struct chan *ch)
{
    const struct block *b = ide_block(ch, ch->u);

    return b ? b->size / IDE_SECTOR : 0;
}

/* --- ends --- */

static uint8_t ata_status_good(const struct chan *ch)
{
    return ide_is_cd(ch, ch->u) ? STATUS_DRDY : STATUS_DRDY | STATUS_DSC;
}

static void ata_good(struct chan *ch)
{
    ide_end(ch, ata_status_good(ch), 0, true);
}

static void ata_error(struct chan *ch, uint8_t error)
{
    ide_end(ch, ata_status_good(ch) | STATUS_ERR, error, true);
}

void ata_abort(struct chan *ch)
{
    ata_error(ch, ERROR_ABRT);
}

void ata_finish(struct chan *ch)
{
    struct ide_state *s = ch->s;

    if (s->out && !s->write_cache[ch->u] && s->phase != PHASE_FLUSH)
        s->phase = PHASE_FLUSH; /* without a cache a write is over when it is on the medium */
    else
        ata_good(ch);
}

/* Put a sector number where the command had its own: 48 bits, 28 bits or CHS. */
static void ata_set_address(struct chan *ch, uint64_t lba)
{
    struct ide_state *s = ch->s;
    unsigned u = ch->u;

    if (ata_commands[s->command].flags & RW_EXT) {
        s->hob_lba0[u] = (uint8_t)(lba >> 24);
        s->hob_lba1[u] = (uint8_t)(lba >> 32);
        s->hob_lba2[u] = (uint8_t)(lba >> 40);
    } else if (s->device & DEVICE_LBA) {
        s->device = (uint8_t)((s->device & 0xf0) | ((lba >> 24) & 0x0f));
    } else {
        uint32_t track = s->sectors[u] ? s->sectors[u] : 1;
        uint32_t heads = s->heads[u] ? s->heads[u] : 1;
        uint64_t cylinder = lba / track / heads;

        s->device = (uint8_t)((s->device & 0xf0) | (lba / track % heads));
        lba = (lba % track + 1) | (cylinder & 0xffff) << 8;
    }
    s->lba0[u] = (uint8_t)lba;
    s->lba1[u] = (uint8_t)(lba >> 8);
    s->lba2[u] = (uint8_t)(lba >> 16);
}

void ata_fail(struct chan *ch, int result)
{
    struct ide_state *s = ch->s;
    bool transfer = s->phase == PHASE_FETCH || s->phase == PHASE_STORE || s->phase == PHASE_DMA;

    if (ide_is_packet(ch)) {
        if (result == -EFAULT)
            atapi_check(ch, 0x0b, 0x4b, 0x00); /* aborted command, data phase error */
        else if (result == -ENODEV)
            atapi_check(ch, 0x02, 0x3a, 0x00);
        else
            atapi_check(ch, 0x03, 0x11, 0x00); /* unrecovered read error */
        return;
    }
    if (result == -EFAULT || result == -EBUSY) { /* EBUSY: its PV twin has the image */
        ata_abort(ch);
        return;
    }
    if (transfer)
        ata_set_address(ch, s->xfer_at / IDE_SECTOR);
    if (result == -ERANGE)
        ata_error(ch, ERROR_IDNF);
    else if (transfer && !s->out)
        ata_error(ch, ERROR_UNC);
    else
        ata_abort(ch);
}

/* --- reads and writes --- */

/* The first sector of the command; false when there is no such address. */
static bool ata_address(const struct chan *ch, bool ext, uint64_t *lba)
{
    const struct ide_state *s = ch->s;
    unsigned u = ch->u;
    uint32_t low = s->lba0[u] | (uint32_t)s->lba1[u] << 8 | (uint32_t)s->lba2[u] << 16;
    uint32_t head = s->device & 0x0f;

    if (ext) {
        *lba = low | (uint64_t)s->hob_lba0[u] << 24 | (uint64_t)s->hob_lba1[u] << 32 |
               (uint64_t)s->hob_lba2[u] << 40;
        return true;
    }
    if (s->device & DEVICE_LBA) {
        *lba = low | head << 24;
        return true;
    }
    if (!s->lba0[u] || s->lba0[u] > s->sectors[u] || head >= s->heads[u])
        return false;
    *lba = ((uint64_t)(low >> 8) * s->heads[u] + head) * s->sectors[u] + s->lba0[u] - 1;
    return true;
}

static uint32_t ata_count(const struct chan *ch, bool ext)
{
    const struct ide_state *s = ch->s;
    uint32_t n = s->count[ch->u];

    if (ext) {
        n |= (uint32_t)s->hob_count[ch->u] << 8;
        return n ? n : 65536;
    }
    return n ? n : 256;
}

static void ata_rw(struct chan *ch)
{
    struct ide_state *s = ch->s;
    unsigned flags = ata_commands[s->command].flags;
    uint64_t lba, total = ata_total(ch);
    uint32_t count = ata_count(ch, flags & RW_EXT);
    const struct block *b = ide_block(ch, ch->u);

    if (((flags & RW_MULTIPLE) && !s->multiple[ch->u]) ||
        ((flags & RW_OUT) && (!b || b->read_only))) {
        ata_abort(ch);
        return;
    }
    if (!ata_address(ch, flags & RW_EXT, &lba) || lba >= total || count > total - lba) {
        ata_error(ch, ERROR_IDNF);
        return;
    }
    s->power[ch->u] = POWER_ACTIVE;
    s->xfer_at = lba * IDE_SECTOR;
    s->xfer_left = (uint64_t)count * IDE_SECTOR;
    s->block = flags & RW_MULTIPLE ? s->multiple[ch->u] * (uint32_t)IDE_SECTOR : IDE_SECTOR;
    s->out = flags & RW_OUT ? 1 : 0;
    s->dma = flags & RW_DMA ? 1 : 0;
    if (flags & RW_VERIFY) {
        ata_good(ch);
    } else if (s->dma) {
        bmide_begin(ch);
    } else if (s->out) {
        ide_pio_out(ch, false);
    } else {
        s->phase = PHASE_FETCH;
        ide_run(ch);
    }
}

static void ata_flush(struct chan *ch)
{
    ch->s->phase = PHASE_FLUSH;
    ide_run(ch);
}

static void ata_trim(struct chan *ch)
{
    struct ide_state *s = ch->s;
    const struct block *b = ide_block(ch, ch->u);

    if (!(s->features[ch->u] & 1) || s->count[ch->u] != 1 || s->hob_count[ch->u] || !b ||
        b->read_only) {
        ata_abort(ch);
        return;
    }
    s->xfer_at = 0;
    s->xfer_left = IDE_SECTOR; /* of the list, not of the image */
    s->out = s->dma = 1;
    bmide_begin(ch);
}

static void ata_set_multiple(struct chan *ch)
{
    uint8_t n = ch->s->count[ch->u];

    if (n > IDE_MULTIPLE || (n & (n - 1))) {
        ata_abort(ch);
        return;
    }
    ch->s->multiple[ch->u] = n;
    ata_good(ch);
}

/* SEEK, and RECALIBRATE, which goes to sector 0. */
static void ata_seek(struct chan *ch)
{
    uint64_t lba = 0;

    if ((ch->s->command & 0xf0) == 0x70 && (!ata_address(ch, false, &lba) || lba >= ata_total(ch)))
        ata_error(ch, ERROR_IDNF);
    else
        ata_good(ch);
}

static void ata_native_max(struct chan *ch)
{
    bool ext = ata_commands[ch->s->command].flags & RW_EXT;
    uint64_t total = ata_total(ch);

    if (!total || (!ext && !(ch->s->device & DEVICE_LBA))) {
        ata_abort(ch);
        return;
    }
    if (!ext && total > 0x10000000)
        total = 0x10000000;
    ata_set_address(ch, total - 1);
    ata_good(ch);
}

static void ata_init_parameters(struct chan *ch)
{
    struct ide_state *s = ch->s;

    if (!s->count[ch->u]) {
        ata_abort(ch);
        return;
    }
    s->sectors[ch->u] = s->count[ch->u];
    s->heads[ch->u] = (uint8_t)((s->device & 0x0f) + 1);
    ata_good(ch);
}

/* --- settings --- */

static void ata_set_transfer_mode(struct chan *ch)
{
    struct ide_state *s = ch->s;
    uint8_t value = s->count[ch->u], mode = value & 0x07;

    switch (value & 0xf8) {
    case 0x00: /* PIO default, with or without IORDY */
        if (mode > 1)
            goto abort;
        break;
    case 0x08: /* PIO with flow control */
        if (mode > 4)
            goto abort;
        break;
    case MODE_MWDMA:
        if (mode > MODE_MWDMA_BEST)
            goto abort;
        s->dma_mode[ch->u] = value;
        break;
    case MODE_UDMA:
        if (mode > MODE_UDMA_BEST)
            goto abort;
        s->dma_mode[ch->u] = value;
        break;
    default:
        goto abort;
    }
    ata_good(ch);
    return;
abort:
    ata_abort(ch);
}

static void ata_set_features(struct chan *ch)
{
    struct ide_state *s = ch->s;
    bool cd = ide_is_cd(ch, ch->u);

    switch (s->features[ch->u]) {
    case 0x03:
        ata_set_transfer_mode(ch);
        return;
    case 0x02:
    case 0x82: /* write cache on, off: what it holds is written before it goes */
        if (cd)
            break;
        s->write_cache[ch->u] = s->features[ch->u] == 0x02;
        if (s->write_cache[ch->u])
            ata_good(ch);
        else
            ata_flush(ch);
        return;
    case 0xaa:
    case 0x55: /* look-ahead on, off */
        if (cd)
            break;
        s->look_ahead[ch->u] = s->features[ch->u] == 0xaa;
        ata_good(ch);
        return;
    case 0x66:
    case 0xcc: /* software reset keeps settings, or not: ours keeps them */
        ata_good(ch);
        return;
    default:
        guest_note(
            &ch->ide->dev, NOTE_FEATURE, s->features[ch->u],
            "the guest gave SET FEATURES with subcommand %02xh, which is not implemented; it "
            "was aborted",
            s->features[ch->u]);
        break;
    }
    ata_abort(ch);
}

static void ata_power(struct chan *ch)
{
    struct ide_state *s = ch->s;

    switch (s->command) {
    case 0xe1:
    case 0x95:
    case 0xe3:
    case 0x97:
        s->power[ch->u] = POWER_IDLE;
        break;
    default:
        s->power[ch->u] = POWER_STANDBY;
        break;
    }
    ata_good(ch);
}

static void ata_check_power(struct chan *ch)
{
    ch->s->count[ch->u] = ch->s->power[ch->u];
    ata_good(ch);
}

void ata_reset_drive(struct chan *ch, unsigned u)
{
    struct ide_state *s = ch->s;

    s->heads[u] = DEFAULT_HEADS;
    s->sectors[u] = DEFAULT_SECTORS;
    s->multiple[u] = IDE_MULTIPLE;
    s->dma_mode[u] = MODE_UDMA | MODE_UDMA_BEST;
    s->write_cache[u] = s->look_ahead[u] = 1;
    s->power[u] = POWER_ACTIVE;
}

/* --- reset and identification --- */

static void ata_device_reset(struct chan *ch)
{
    ide_cancel(ch);
    ide_signature(ch, ch->u);
    ch->s->device = (uint8_t)((ch->s->device & DEVICE_DEV) | DEVICE_ONES);
    ide_end(ch, 0, ERROR_DIAG_OK, false);
}

/* Both drives run it, whichever is selected; drive 0 reports for both and interrupts. */
static void ata_diagnostic(struct chan *ch)
{
    ide_reset_channel(ch);
    ide_interrupt(ch);
}

/* ATA strings: padded with blanks, bytes of each word swapped. */
static void identify_string(uint8_t *page, unsigned word, unsigned words, const char *text)
{
    size_t n = strlen(text);

    for (unsigned i = 0; i < words * 2; i++)
        page[(word * 2 + i) ^ 1] = i < n ? (uint8_t)text[i] : ' ';
}

/* Words that both kinds of drives have. `page` is zero. */
static void identify_common(const struct chan *ch, uint8_t *page, const char *model)
{
    char serial[] = "HM00001";
    uint8_t mode = ch->s->dma_mode[ch->u];
    uint16_t bit = (uint16_t)(1u << (mode & 7) << 8);

    serial[6] = (char)('1' + ch->c * IDE_UNITS + ch->u);
    identify_string(page, 10, 10, serial);
    identify_string(page, 23, 4, "1.0");
    identify_string(page, 27, 20, model);
    put_le16(page + 2 * 48, 1);      /* 32 bit data port accesses work */
    put_le16(page + 2 * 49, 0x0b00); /* IORDY, LBA, DMA */
    put_le16(page + 2 * 53, 0x0007); /* words 54-58, 64-70, 88 are valid */
    put_le16(page + 2 * 63, (uint16_t)(0x07 | ((mode & 0xf8) == MODE_MWDMA ? bit : 0)));
    put_le16(page + 2 * 64, 0x0003); /* PIO 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        put_le16(page + 2 * word, 120); /* cycle times, ns */
    put_le16(page + 2 * 88, (uint16_t)(0x3f | ((mode & 0xf8) == MODE_UDMA ? bit : 0)));
    /* Result of the hardware reset: an 80 wire cable; jumpers found by CSEL. */
    put_le16(page + 2 * 93, ch->u ? 0x6100 : 0x6001);
}

static void ata_identify(struct chan *ch)
{
    const struct ide_state *s = ch->s;
    uint8_t *page = ch->buf;
    unsigned u = ch->u;
    uint64_t total = ata_total(ch);
    uint64_t cylinders = total / (DEFAULT_HEADS * DEFAULT_SECTORS);
    uint32_t track = s->sectors[u] ? s->sectors[u] : DEFAULT_SECTORS;
    uint32_t heads = s->heads[u] ? s->heads[u] : DEFAULT_HEADS;
    uint64_t now = total / (track * heads);
    uint32_t lba28 = total < 0x0fffffff ? (uint32_t)total : 0x0fffffff;
    const struct block *b = ide_block(ch, u);

    cylinders = !cylinders ? 1 : cylinders > DEFAULT_CYLINDERS ? DEFAULT_CYLINDERS : cylinders;
    now = !now ? 1 : now > 65535 ? 65535 : now;
    if (track == DEFAULT_SECTORS && heads == DEFAULT_HEADS)
        now = cylinders;
    memset(page, 0, IDE_SECTOR);
    identify_common(ch, page, "HVMDM HARDDISK");
    put_le16(page + 2 * 0, 0x0040); /* fixed disk */
    put_le16(page + 2 * 1, (uint16_t)cylinders);
    put_le16(page + 2 * 3, DEFAULT_HEADS);
    put_le16(page + 2 * 6, DEFAULT_SECTORS);
    put_le16(page + 2 * 47, 0x8000 | IDE_MULTIPLE);
    put_le16(page + 2 * 50, 0x4000);
    put_le16(page + 2 * 51, 0x0200); /* PIO timing mode 2: retired, BIOSes look */
    put_le16(page + 2 * 54, (uint16_t)now);
    put_le16(page + 2 * 55, (uint16_t)heads);
    put_le16(page + 2 * 56, (uint16_t)track);
    put_le32(page + 2 * 57, (uint32_t)now * heads * track);
    put_le16(page + 2 * 59, (uint16_t)(0x0100 | s->multiple[u]));
    put_le32(page + 2 * 60, lba28);
    put_le16(page + 2 * 80, 0x00f0); /* ATA-4 to ATA/ATAPI-7 */
    put_le16(page + 2 * 82, 0x4068); /* NOP, look-ahead, write cache, power management */
    put_le16(page + 2 * 83, 0x7400); /* FLUSH CACHE (EXT), 48 bits */
    put_le16(page + 2 * 84, 0x4000);
    put_le16(page + 2 * 85, (uint16_t)(0x4008 | s->look_ahead[u] << 6 | s->write_cache[u] << 5));
    put_le16(page + 2 * 86, 0x3400);
    put_le16(page + 2 * 87, 0x4000);
    put_le32(page + 2 * 100, (uint32_t)total);
    put_le32(page + 2 * 102, (uint32_t)(total >> 32));
    if (b && !b->read_only) {
        put_le16(page + 2 * 105, 1); /* blocks of ranges in one DATA SET MANAGEMENT */
        put_le16(page + 2 * 169, 1); /* trim */
    }
    ch->s->block = IDE_SECTOR;
    ide_send(ch, IDE_SECTOR);
}

void atapi_identify(struct chan *ch)
{
    uint8_t *page = ch->buf;

    memset(page, 0, IDE_SECTOR);
    identify_common(ch, page, "HVMDM CD-ROM");
    put_le16(page + 2 * 0, 0x85c0);  /* packet, CD-ROM, removable, DRQ within 50 us, 12 bytes */
    put_le16(page + 2 * 80, 0x001e); /* ATA-1 to ATA/ATAPI-4 */
    put_le16(page + 2 * 82, 0x4210); /* NOP, DEVICE RESET, PACKET */
    put_le16(page + 2 * 83, 0x4000);
    put_le16(page + 2 * 84, 0x4000);
    put_le16(page + 2 * 85, 0x4210);
    put_le16(page + 2 * 87, 0x4000);
    ch->s->block = IDE_SECTOR;
    ide_send(ch, IDE_SECTOR);
}

/* IDENTIFY DEVICE of a packet drive: aborted, with the signature that says what it is. */
static void ata_wrong_identify(struct chan *ch)
{
    ide_signature(ch, ch->u);
    ata_abort(ch);
}

static void ata_identify_either(struct chan *ch)
{
    if (ide_is_cd(ch, ch->u))
        ata_wrong_identify(ch);
    else
        ata_identify(ch);
}

static void ata_packet(struct chan *ch)
{
    struct ide_state *s = ch->s;
    unsigned u = ch->u;

    if (s->features[u] & ~1u) { /* overlap, reserved */
        ata_abort(ch);
        return;
    }
    s->dma = s->features[u] & 1;
    s->count[u] = REASON_COD;
    s->buf_pos = 0;
    s->phase = PHASE_PACKET; /* no interrupt: word 0 of IDENTIFY promises DRQ within 50 us */
}

/* --- dispatch --- */

#define RW(f)                                                                                      \
    {                                                                                              \
        ata_rw, KIND_ATA, (f)                                                                      \
    }
#define DISK(fn)                                                                                   \
    {                                                                                              \
        fn, KIND_ATA, 0                                                                            \
    }
#define BOTH(fn)                                                                                   \
    {                                                                                              \
        fn, KIND_BOTH, 0                                                                           \
    }
#define EIGHT(fn) DISK(fn), DISK(fn), DISK(fn), DISK(fn), DISK(fn), DISK(fn), DISK(fn), DISK(fn)

static const struct ata_command ata_commands[256] = {
    [0x06] = DISK(ata_trim),
    [0x08] = { ata_device_reset, KIND_CD, 0 },
    [0x10] = DISK(ata_seek), /* RECALIBRATE; 11h-1Fh are not used by anyone we know */
    [0x20] = RW(0),
    [0x21] = RW(0),
    [0x24] = RW(RW_EXT),
    [0x25] = RW(RW_EXT | RW_DMA),
    [0x27] = { ata_native_max, KIND_ATA, RW_EXT },
    [0x29] = RW(RW_EXT | RW_MULTIPLE),
    [0x30] = RW(RW_OUT),
    [0x31] = RW(RW_OUT),
    [0x34] = RW(RW_OUT | RW_EXT),
    [0x35] = RW(RW_OUT | RW_EXT | RW_DMA),
    [0x39] = RW(RW_OUT | RW_EXT | RW_MULTIPLE),
    [0x40] = RW(RW_VERIFY),
    [0x41] = RW(RW_VERIFY),
    [0x42] = RW(RW_VERIFY | RW_EXT),
    [0x70] = EIGHT(ata_seek),
    [0x78] = EIGHT(ata_seek),
    [0x90] = BOTH(ata_diagnostic),
    [0x91] = DISK(ata_init_parameters),
    [0x94] = BOTH(ata_power), /* 94h-99h: the numbers of ATA-1 to -3 */
    [0x95] = BOTH(ata_power),
    [0x96] = BOTH(ata_power),
    [0x97] = BOTH(ata_power),
    [0x98] = BOTH(ata_check_power),
    [0x99] = BOTH(ata_power),
    [0xa0] = { ata_packet, KIND_CD, 0 },
    [0xa1] = { atapi_identify, KIND_CD, 0 },
    [0xc4] = RW(RW_MULTIPLE),
    [0xc5] = RW(RW_OUT | RW_MULTIPLE),
    [0xc6] = DISK(ata_set_multiple),
    [0xc8] = RW(RW_DMA),
    [0xc9] = RW(RW_DMA),
    [0xca] = RW(RW_OUT | RW_DMA),
    [0xcb] = RW(RW_OUT | RW_DMA),
    [0xe0] = BOTH(ata_power),
    [0xe1] = BOTH(ata_power),
    [0xe2] = BOTH(ata_power),
    [0xe3] = BOTH(ata_power),
    [0xe5] = BOTH(ata_check_power),
    [0xe6] = BOTH(ata_power),
    [0xe7] = DISK(ata_flush),
    [0xea] = { ata_flush, KIND_ATA, RW_EXT },
    [0xec] = BOTH(ata_identify_either),
    [0xef] = BOTH(ata_set_features),
    [0xf8] = DISK(ata_native_max),
};

void ata_command(struct chan *ch, uint8_t command)
{
    struct ide_state *s = ch->s;
    const struct ata_command *row = &ata_commands[command];
    unsigned kind = ide_is_cd(ch, ch->u) ? KIND_CD : KIND_ATA;

    trace_text(&ch->ide->dev, "ch%u.%u command %02x", ch->c, ch->u, command);
    s->command = command;
    s->status[ch->u] = ata_status_good(ch);
    s->error[ch->u] = 0;
    if (row->run && (row->kinds & kind))
        row->run(ch);
    else
        ata_abort(ch);
    if (!row->run)
        guest_note(&ch->ide->dev, NOTE_COMMAND, command,
                   "the guest gave ATA command %02xh, which is not implemented; it was aborted",
                   command);
}
