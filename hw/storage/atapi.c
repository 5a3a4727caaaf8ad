/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atapi - packet commands of a CD/DVD-ROM drive with one data session of one track.
 *
 * Datasheet: ATA/ATAPI-6, 8.23 (PACKET) and 9.7-9.8 (protocols); MMC-5 (T10/1675D); SPC-3 for
 *            sense data; INF-8090i for READ DVD STRUCTURE; ECMA-130 for the layout of raw sectors.
 * Present:   what the tables below list; PIO with byte count limits, and DMA; tray, lock, medium
 *            change with UNIT ATTENTION and media events.
 * Absent:    audio, writing, sub-channels, MODE SELECT, changeable and default mode pages, EDC and
 *            ECC of raw sectors (zeros), unit attention after reset, multi-session.
 */
#include "hw/storage/ide.h"

#include "hw/core/trace.h"
#include "hw/storage/ide_media.h"

#include <errno.h>

enum {
    SENSE_NOT_READY = 2,
    SENSE_ILLEGAL = 5,
    SENSE_ATTENTION = 6,
};
enum { EVENT_NONE, EVENT_EJECT_WISH, EVENT_NEW_MEDIUM, EVENT_MEDIUM_GONE };
enum { PROFILE_NONE = 0, PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };
enum { CD_MAX_SECTORS = 80 * 60 * 75, MSF_OFFSET = 150, LEAD_OUT = 0xaa };

enum {
    NEEDS_MEDIUM = 1, /* NOT READY without one */
    IN_ATTENTION = 2, /* runs, and leaves a unit attention pending (SPC-3, 5.8.6) */
    HAS_DATA = 4,     /* a data phase: PIO needs a byte count limit */
};

struct atapi_command {
    void (*run)(struct chan *ch, const uint8_t *cdb);
    uint8_t flags;
};

static void put_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v & 0xffff);
}

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

/* Sectors of the medium; 0 without one. */
static uint32_t atapi_total(const struct chan *ch)
{
    const struct block *b = ide_block(ch, ch->u);
    uint64_t n = b ? b->size / IDE_CD_SECTOR : 0;

    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

bool atapi_ready(const struct chan *ch, unsigned u)
{
    return ide_block(ch, u) != NULL;
}

/* --- ends --- */

void atapi_good(struct chan *ch)
{
    ch->s->count[ch->u] = REASON_IO | REASON_COD;
    ide_end(ch, STATUS_DRDY, 0, true);
}

void atapi_check(struct chan *ch, uint8_t key, uint8_t asc, uint8_t ascq)
{
    struct ide_state *s = ch->s;

    s->sense[ch->u] = key & 0x0f;
    s->asc[ch->u] = asc;
    s->ascq[ch->u] = ascq;
    s->count[ch->u] = REASON_IO | REASON_COD;
    ide_end(ch, STATUS_DRDY | STATUS_ERR,
            (uint8_t)(key << 4 | (key == SENSE_ILLEGAL ? ERROR_ABRT : 0)), true);
}

static void atapi_not_ready(struct chan *ch)
{
    atapi_check(ch, SENSE_NOT_READY, 0x3a, ch->s->tray_open[ch->u] ? 2 : 1);
}

static void atapi_bad_field(struct chan *ch)
{
    atapi_check(ch, SENSE_ILLEGAL, 0x24, 0);
}

/* Answer with the first `len` bytes of the buffer, of which the guest wants at most `wanted`. */
static void atapi_reply(struct chan *ch, uint32_t len, uint32_t wanted)
{
    if (len > wanted)
        len = wanted;
    if (len)
        ide_send(ch, len);
    else
        atapi_good(ch);
}

/* A zeroed buffer to build an answer in. */
static uint8_t *atapi_buffer(struct chan *ch)
{
    memset(ch->buf, 0, IDE_SECTOR);
    return ch->buf;
}

/* --- state of the drive --- */

static void atapi_test_unit_ready(struct chan *ch, const uint8_t *cdb)
{
    (void)cdb;
    atapi_good(ch);
}

static void atapi_request_sense(struct chan *ch, const uint8_t *cdb)
{
    struct ide_state *s = ch->s;
    uint8_t *p = atapi_buffer(ch);
    unsigned u = ch->u;

    if (!s->sense[u] && s->attention[u]) { /* reported here instead of by the next command */
        s->attention[u] = 0;
        s->sense[u] = SENSE_ATTENTION;
        s->asc[u] = 0x28;
        s->ascq[u] = 0;
    }
    p[0] = 0x70;
    p[2] = s->sense[u];
    p[7] = 10;
    p[12] = s->asc[u];
    p[13] = s->ascq[u];
    s->sense[u] = s->asc[u] = s->ascq[u] = 0;
    atapi_reply(ch, 18, cdb[4]);
}

static void atapi_text(uint8_t *p, size_t n, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < n; i++)
        p[i] = i < len ? (uint8_t)text[i] : ' ';
}

static void atapi_inquiry(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);

    if (cdb[1] & 3 || cdb[2]) { /* no vital product data */
        atapi_bad_field(ch);
        return;
    }
    p[0] = 0x05; /* CD-ROM */
    p[1] = 0x80; /* removable */
    p[3] = 0x21; /* ATAPI, response format 1 (SFF-8020i) */
    p[4] = 31;
    atapi_text(p + 8, 8, "HVMDM");
    atapi_text(p + 16, 16, "CD-ROM");
    atapi_text(p + 32, 4, "1.0");
    atapi_reply(ch, 36, be16(cdb + 3));
}

static void atapi_start_stop(struct chan *ch, const uint8_t *cdb)
{
    struct ide_state *s = ch->s;
    unsigned u = ch->u;
    bool start = cdb[4] & 1, load_eject = cdb[4] & 2;

    if (cdb[4] & 0xf0 || !load_eject) { /* power conditions, spin up and down */
        atapi_good(ch);
        return;
    }
    if (!start && !s->tray_open[u] && s->locked[u]) {
        atapi_check(ch, atapi_ready(ch, u) ? SENSE_ILLEGAL : SENSE_NOT_READY, 0x53, 2);
        return;
    }
    if (start && s->tray_open[u] && s->medium[u]) {
        s->event[u] = EVENT_NEW_MEDIUM;
        s->attention[u] = 1;
    } else if (!start && !s->tray_open[u] && s->medium[u]) {
        s->event[u] = EVENT_MEDIUM_GONE;
    }
    s->tray_open[u] = !start;
    atapi_good(ch);
}

static void atapi_prevent_allow(struct chan *ch, const uint8_t *cdb)
{
    ch->s->locked[ch->u] = cdb[4] & 1;
    atapi_good(ch);
}

static void atapi_mechanism_status(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);

    p[1] = ch->s->tray_open[ch->u] ? 0x10 : 0; /* door open */
    p[5] = 1;                                  /* slots */
    atapi_reply(ch, 8, be16(cdb + 8));
}

static void atapi_event_status(struct chan *ch, const uint8_t *cdb)
{
    struct ide_state *s = ch->s;
    uint8_t *p = atapi_buffer(ch);
    uint32_t wanted = be16(cdb + 7);
    unsigned u = ch->u;

    if (!(cdb[1] & 1)) { /* only polling */
        atapi_bad_field(ch);
        return;
    }
    p[3] = 1u << 4; /* supported classes: media */
    if (!(cdb[4] & (1u << 4))) {
        put_be16(p, 2);
        p[2] = 0x80; /* none of those asked for */
        atapi_reply(ch, 4, wanted);
        return;
    }
    put_be16(p, 6);
    p[2] = 4; /* media class */
    p[4] = s->event[u];
    p[5] = (uint8_t)(s->tray_open[u] | (atapi_ready(ch, u) ? 2 : 0));
    if (wanted > 4)
        s->event[u] = EVENT_NONE;
    atapi_reply(ch, 8, wanted);
}

/* --- what kind of drive and medium --- */

static unsigned atapi_profile(const struct chan *ch)
{
    uint32_t total = atapi_total(ch);

    return !total ? PROFILE_NONE : total > CD_MAX_SECTORS ? PROFILE_DVD : PROFILE_CD;
}

/* Append a feature descriptor; `flags`: version << 2 | persistent << 1 | current. */
static uint32_t put_feature(uint8_t *p, uint32_t at, uint16_t code, uint8_t flags,
                            const uint8_t *data, uint8_t len)
{
    put_be16(p + at, code);
    p[at + 2] = flags;
    p[at + 3] = len;
    memcpy(p + at + 4, data, len);
    return at + 4 + len;
}

static void atapi_get_configuration(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);
    unsigned profile = atapi_profile(ch), from = be16(cdb + 2), rt = cdb[1] & 3;
    uint8_t present = profile != PROFILE_NONE, cd = profile == PROFILE_CD;
    uint8_t dvd = profile == PROFILE_DVD;
    uint32_t at = 8;
    const struct {
        uint16_t code;
        uint8_t flags, len, data[8];
    } features[] = {
        { 0x0000, 0x03, 8, { 0, PROFILE_DVD, dvd, 0, 0, PROFILE_CD, cd, 0 } },
        { 0x0001, 0x07, 8, { 0, 0, 0, 2 /* ATAPI */, 0, 0, 0, 0 } },
        { 0x0002, 0x07, 4, { 0 } },                            /* morphing: events by polling */
        { 0x0003, 0x03, 4, { 0x29 } },                         /* removable: tray, eject, lock */
        { 0x0010, present, 8, { 0, 0, 0x08, 0, 0, 1, 0, 0 } }, /* random readable */
        { 0x001e, (uint8_t)(0x08 | cd), 4, { 0 } },            /* CD read */
        { 0x001f, dvd, 4, { 0 } },                             /* DVD read */
        { 0x0100, 0x03, 0, { 0 } },                            /* power management */
    };

    if (rt == 3) {
        atapi_bad_field(ch);
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
        if (rt == 2 ? features[i].code != from : features[i].code < from)
            continue;
        if (rt == 1 && !(features[i].flags & 1))
            continue;
        at = put_feature(p, at, features[i].code, features[i].flags, features[i].data,
                         features[i].len);
    }
    put_be32(p, at - 4);
    put_be16(p + 6, profile);
    atapi_reply(ch, at, be16(cdb + 7));
}

static uint32_t put_mode_page(uint8_t *p, uint32_t at, uint8_t code)
{
    p += at;
    p[0] = code;
    switch (code) {
    case 0x01: /* read error recovery */
        p[1] = 6;
        p[3] = 5; /* retries */
        return at + 8;
    case 0x0d: /* CD device parameters */
        p[1] = 6;
        p[3] = 0x0d; /* inactivity timer */
        put_be16(p + 4, 60);
        put_be16(p + 6, 75);
        return at + 8;
    default: /* 2a: capabilities and mechanical status */
        p[1] = 18;
        p[2] = 0x3b;           /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
        p[4] = 0x70;           /* mode 2 form 1 and 2, multi-session */
        p[6] = 0x29;           /* tray, eject, lock */
        put_be16(p + 8, 706);  /* highest speed, kB/s: 4x */
        put_be16(p + 10, 2);   /* volume levels: mute or not */
        put_be16(p + 12, 512); /* buffer, KiB */
        put_be16(p + 14, 706); /* speed now */
        return at + 20;
    }
}

static void atapi_mode_sense(struct chan *ch, const uint8_t *cdb)
{
    static const uint8_t pages[] = { 0x01, 0x0d, 0x2a };
    struct ide_state *s = ch->s;
    uint8_t *p = atapi_buffer(ch);
    uint8_t want = cdb[2] & 0x3f, control = cdb[2] >> 6;
    uint32_t at = 8;

    if (control == 3) {
        atapi_check(ch, SENSE_ILLEGAL, 0x39, 0); /* saving is not supported */
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(pages) && !control; i++) {
        if (want != pages[i] && want != 0x3f)
            continue;
        at = put_mode_page(p, at, pages[i]);
        if (pages[i] == 0x2a && s->locked[ch->u])
            p[at - 20 + 6] |= 2;
    }
    if (at == 8) {
        atapi_bad_field(ch);
        return;
    }
    put_be16(p, at - 2);
    p[2] = s->tray_open[ch->u] ? 0x71 : atapi_ready(ch, ch->u) ? 0x01 : 0x70; /* SFF-8020i */
    atapi_reply(ch, at, be16(cdb + 7));
}

static void atapi_read_capacity(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);
    uint32_t total = atapi_total(ch);

    (void)cdb;
    put_be32(p, total ? total - 1 : 0);
    put_be32(p + 4, IDE_CD_SECTOR);
    atapi_reply(ch, 8, 8);
}

static void put_address(uint8_t *p, bool msf, uint32_t lba)
{
    if (msf) {
        lba += MSF_OFFSET;
        p[1] = (uint8_t)(lba / 75 / 60);
        p[2] = (uint8_t)(lba / 75 % 60);
        p[3] = (uint8_t)(lba % 75);
    } else {
        put_be32(p, lba);
    }
}

static void atapi_toc_tracks(struct chan *ch, const uint8_t *cdb, bool msf)
{
    uint8_t *p = atapi_buffer(ch);
    uint32_t at = 4;

    if (cdb[6] > 1 && cdb[6] != LEAD_OUT) {
        atapi_bad_field(ch);
        return;
    }
    p[2] = p[3] = 1; /* first and last track */
    if (cdb[6] <= 1) {
        p[at + 1] = 0x14; /* Q sub-channel: position; data track */
        p[at + 2] = 1;
        put_address(p + at + 4, msf, 0);
        at += 8;
    }
    p[at + 1] = 0x16;
    p[at + 2] = LEAD_OUT;
    put_address(p + at + 4, msf, atapi_total(ch));
    at += 8;
    put_be16(p, at - 2);
    atapi_reply(ch, at, be16(cdb + 7));
}

static void atapi_toc_raw(struct chan *ch, const uint8_t *cdb)
{
    static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };
    uint8_t *p = atapi_buffer(ch);
    uint32_t at = 4;

    p[2] = p[3] = 1; /* first and last session */
    for (unsigned i = 0; i < ARRAY_SIZE(points); i++, at += 11) {
        p[at] = 1; /* session */
        p[at + 1] = 0x14;
        p[at + 3] = points[i];
        if (points[i] == 0xa2)
            put_address(p + at + 7, true, atapi_total(ch));
        else if (points[i] == 1)
            put_address(p + at + 7, true, 0);
        else
            p[at + 8] = 1; /* first, last track */
    }
    put_be16(p, at - 2);
    atapi_reply(ch, at, be16(cdb + 7));
}

static void atapi_read_toc(struct chan *ch, const uint8_t *cdb)
{
    unsigned format = cdb[2] & 0x0f;
    bool msf = cdb[1] & 2;
    uint8_t *p;

    if (!format)
        format = cdb[9] >> 6; /* where SFF-8020i has it */
    switch (format) {
    case 0:
        atapi_toc_tracks(ch, cdb, msf);
        break;
    case 1: /* session information: the first track of the last session */
        p = atapi_buffer(ch);
        put_be16(p, 10);
        p[2] = p[3] = 1;
        p[5] = 0x14;
        p[6] = 1;
        put_address(p + 8, msf, 0);
        atapi_reply(ch, 12, be16(cdb + 7));
        break;
    case 2:
        atapi_toc_raw(ch, cdb);
        break;
    default:
        atapi_bad_field(ch);
        break;
    }
}

static void atapi_disc_information(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);

    if (cdb[1] & 7) {
        atapi_bad_field(ch);
        return;
    }
    put_be16(p, 32);
    p[2] = 0x0e; /* last session complete, disc finalized, not erasable */
    p[3] = p[4] = p[5] = p[6] = 1;
    p[7] = 0x20;             /* unrestricted use */
    memset(p + 16, 0xff, 8); /* lead-in and lead-out of a further session: none */
    atapi_reply(ch, 34, be16(cdb + 7));
}

static void atapi_track_information(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);
    uint32_t number = be32(cdb + 2), total = atapi_total(ch);
    unsigned type = cdb[1] & 3;

    if (type == 3 || (type && number != 1) || (!type && number >= total)) {
        atapi_bad_field(ch);
        return;
    }
    put_be16(p, 34);
    p[2] = p[3] = 1; /* track, session */
    p[5] = 4;        /* data, written at once */
    p[6] = 1;        /* mode 1 */
    put_be32(p + 24, total);
    atapi_reply(ch, 36, be16(cdb + 7));
}

static void atapi_dvd_structure(struct chan *ch, const uint8_t *cdb)
{
    uint8_t *p = atapi_buffer(ch);
    uint32_t total = atapi_total(ch), len = 0;

    if (cdb[1] & 0x0f || cdb[6]) { /* DVD only; one layer */
        atapi_bad_field(ch);
        return;
    }
    if (total <= CD_MAX_SECTORS) {
        atapi_check(ch, SENSE_ILLEGAL, 0x30, 2); /* the medium is no DVD */
        return;
    }
    switch (cdb[7]) {
    case 0x00:       /* physical format */
        p[4] = 0x01; /* DVD-ROM, version 1 */
        p[5] = 0x0f; /* 120 mm, no limit on rate */
        p[6] = 0x01; /* one layer, read only */
        put_be32(p + 8, 0x30000);
        put_be32(p + 12, 0x30000 + total - 1);
        len = 2048;
        break;
    case 0x01: /* copyright: none */
        len = 4;
        break;
    case 0x04: /* manufacturer's: nothing in it */
        len = 2048;
        break;
    default:
        atapi_bad_field(ch);
        return;
    }
    memset(p + IDE_SECTOR, 0, IDE_CD_SECTOR + 4 - IDE_SECTOR);
    put_be16(p, len + 2);
    atapi_reply(ch, len + 4, be16(cdb + 8));
}

/* --- reading --- */

static void atapi_read_sectors(struct chan *ch, uint32_t lba, uint32_t count, bool raw)
{
    struct ide_state *s = ch->s;
    uint32_t total = atapi_total(ch);

    if (lba > total || count > total - lba) {
        atapi_check(ch, SENSE_ILLEGAL, 0x21, 0); /* address out of range */
        return;
    }
    if (!count) {
        atapi_good(ch);
        return;
    }
    s->xfer_at = (uint64_t)lba * IDE_CD_SECTOR;
    s->xfer_left = (uint64_t)count * IDE_CD_SECTOR;
    s->raw = raw;
    if (s->dma) {
        bmide_begin(ch);
    } else {
        s->phase = PHASE_FETCH;
        ide_run(ch);
    }
}

static void atapi_read10(struct chan *ch, const uint8_t *cdb)
{
    atapi_read_sectors(ch, be32(cdb + 2), be16(cdb + 7), false);
}

static void atapi_read12(struct chan *ch, const uint8_t *cdb)
{
    atapi_read_sectors(ch, be32(cdb + 2), be32(cdb + 6), false);
}

static void atapi_read_cd(struct chan *ch, const uint8_t *cdb)
{
    uint32_t count = (uint32_t)cdb[6] << 16 | be16(cdb + 7);

    switch (cdb[9] & 0xf8) {
    case 0x00: /* no field of the sector wanted */
        atapi_good(ch);
        break;
    case 0x10:
        atapi_read_sectors(ch, be32(cdb + 2), count, false);
        break;
    case 0xf8:
        atapi_read_sectors(ch, be32(cdb + 2), count, true);
        break;
    default:
        atapi_bad_field(ch);
        break;
    }
}

void atapi_wrap_raw(struct chan *ch)
{
    uint32_t lba = (uint32_t)(ch->s->xfer_at / IDE_CD_SECTOR);
    uint8_t *p = ch->buf, msf[4] = { 0 };

    memset(p, 0xff, 12);
    p[0] = p[11] = 0;
    put_address(msf, true, lba);
    for (unsigned i = 0; i < 3; i++)
        p[12 + i] = (uint8_t)(msf[i + 1] / 10 << 4 | msf[i + 1] % 10);
    p[15] = 1; /* mode 1 */
    memset(p + 16 + IDE_CD_SECTOR, 0, IDE_CD_RAW - 16 - IDE_CD_SECTOR);
}

static void atapi_seek(struct chan *ch, const uint8_t *cdb)
{
    if (be32(cdb + 2) > atapi_total(ch))
        atapi_check(ch, SENSE_ILLEGAL, 0x21, 0);
    else
        atapi_good(ch);
}

/* --- dispatch --- */

static const struct atapi_command atapi_commands[256] = {
    [0x00] = { atapi_test_unit_ready, NEEDS_MEDIUM },
    [0x03] = { atapi_request_sense, IN_ATTENTION | HAS_DATA },
    [0x12] = { atapi_inquiry, IN_ATTENTION | HAS_DATA },
    [0x1b] = { atapi_start_stop, 0 },
    [0x1e] = { atapi_prevent_allow, 0 },
    [0x25] = { atapi_read_capacity, NEEDS_MEDIUM | HAS_DATA },
    [0x28] = { atapi_read10, NEEDS_MEDIUM | HAS_DATA },
    [0x2b] = { atapi_seek, NEEDS_MEDIUM },
    [0x43] = { atapi_read_toc, NEEDS_MEDIUM | HAS_DATA },
    [0x46] = { atapi_get_configuration, IN_ATTENTION | HAS_DATA },
    [0x4a] = { atapi_event_status, IN_ATTENTION | HAS_DATA },
    [0x51] = { atapi_disc_information, NEEDS_MEDIUM | HAS_DATA },
    [0x52] = { atapi_track_information, NEEDS_MEDIUM | HAS_DATA },
    [0x5a] = { atapi_mode_sense, HAS_DATA },
    [0xa8] = { atapi_read12, NEEDS_MEDIUM | HAS_DATA },
    [0xad] = { atapi_dvd_structure, NEEDS_MEDIUM | HAS_DATA },
    [0xbb] = { atapi_test_unit_ready, 0 }, /* SET CD SPEED: there is one speed */
    [0xbd] = { atapi_mechanism_status, HAS_DATA },
    [0xbe] = { atapi_read_cd, NEEDS_MEDIUM | HAS_DATA },
};

void atapi_packet(struct chan *ch)
{
    struct ide_state *s = ch->s;
    unsigned u = ch->u;
    const uint8_t *cdb = s->packet;
    const struct atapi_command *row = &atapi_commands[cdb[0]];
    uint32_t limit = s->lba1[u] | (uint32_t)s->lba2[u] << 8;

    trace_text(&ch->ide->dev, "ch%u.%u packet %02x", ch->c, u, cdb[0]);
    s->buf_pos = s->buf_len = s->drq_end = 0;
    s->block = limit & ~1u; /* FFFFh means FFFEh */
    if (cdb[0] != 0x03)
        s->sense[u] = s->asc[u] = s->ascq[u] = 0;
    if (s->attention[u] && !(row->flags & IN_ATTENTION)) {
        s->attention[u] = 0;
        atapi_check(ch, SENSE_ATTENTION, 0x28, 0);
    } else if (!row->run) {
        guest_note(&ch->ide->dev, NOTE_PACKET, cdb[0],
                   "the guest gave packet command %02xh, which is not implemented; it was refused",
                   cdb[0]);
        atapi_check(ch, SENSE_ILLEGAL, 0x20, 0);
    } else if ((row->flags & HAS_DATA) && !s->dma && !s->block) {
        ata_abort(ch); /* ATA/ATAPI-6, 8.23.5: a limit of zero */
    } else if ((row->flags & NEEDS_MEDIUM) && !atapi_ready(ch, u)) {
        atapi_not_ready(ch);
    } else {
        row->run(ch, cdb);
    }
}

/* --- the control side --- */

struct media_order {
    unsigned c, u;
    bool force;
    struct block *medium;
    int result;
};

static int media_place(struct device *d, unsigned disk, struct media_order *o, struct error *e)
{
    if (disk >= IDE_CHANNELS * IDE_UNITS || !d->host.cdrom[disk])
        return error_set(e, -ENODEV, "%s: place %u is not a CD-ROM drive", d->id, disk);
    *o = (struct media_order){ .c = disk / IDE_UNITS, .u = disk % IDE_UNITS };
    return 0;
}

static void media_eject(struct device *d, void *arg)
{
    struct media_order *o = arg;
    struct chan ch = ide_chan(d, o->c);
    struct ide_state *s = ch.s;
    unsigned u = o->u;

    if (s->locked[u] && !s->tray_open[u] && !o->force) {
        s->event[u] = EVENT_EJECT_WISH;
        o->result = -EBUSY;
        return;
    }
    if (ch.u == u && s->phase >= PHASE_DMA_WAIT) { /* the command loses its medium half way */
        bool packet = ide_is_packet(&ch);

        ide_cancel(&ch);
        if (packet)
            atapi_check(&ch, SENSE_NOT_READY, 0x3a, 2);
        else
            ata_abort(&ch);
    }
    if (s->medium[u])
        s->event[u] = EVENT_MEDIUM_GONE;
    s->medium[u] = 0;
    s->attention[u] = 0;
    s->tray_open[u] = 1;
    ch.ide->medium[o->c * IDE_UNITS + u] = NULL;
}

int ide_eject(struct device *d, unsigned disk, bool force, struct error *e)
{
    struct media_order o = { 0 };
    int err = media_place(d, disk, &o, e);

    if (err < 0)
        return err;
    o.force = force;
    device_event(d, media_eject, &o);
    if (o.result < 0)
        return error_set(e, o.result, "%s: the guest has locked the tray of CD-ROM drive %u", d->id,
                         disk);
    return 0;
}

static void media_insert(struct device *d, void *arg)
{
    struct media_order *o = arg;
    struct chan ch = ide_chan(d, o->c);

    ch.ide->medium[o->c * IDE_UNITS + o->u] = o->medium;
    ch.s->medium[o->u] = 1;
    ch.s->tray_open[o->u] = 0;
    ch.s->attention[o->u] = 1;
    ch.s->event[o->u] = EVENT_NEW_MEDIUM;
}

int ide_insert(struct device *d, unsigned disk, struct block *medium, struct error *e)
{
    struct media_order o = { 0 };
    int err = media_place(d, disk, &o, e);

    if (err < 0)
        return err;
    if (!medium)
        return error_set(e, -EINVAL, "%s: no medium given for CD-ROM drive %u", d->id, disk);
    if (((struct ide *)d)->medium[disk])
        return error_set(e, -EBUSY, "%s: there is a medium in CD-ROM drive %u", d->id, disk);
    o.medium = medium;
    device_event(d, media_insert, &o);
    return 0;
}

int ide_tray(struct device *d, unsigned disk, struct ide_tray *out, struct error *e)
{
    struct media_order o = { 0 };
    int err = media_place(d, disk, &o, e);
    struct chan ch;

    if (err < 0)
        return err;
    ch = ide_chan(d, o.c);
    *out = (struct ide_tray){ .open = ch.s->tray_open[o.u],
                              .locked = ch.s->locked[o.u],
                              .medium = ((struct ide *)d)->medium[disk] };
    return 0;
}
