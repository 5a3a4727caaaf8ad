/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protocol - see protocol.h.
 *
 * Present: all requests of the port; interception of the interrupt controllers' inputs ("ioapic",
 *          "i8259") and of the 8259's output ("i8259").
 * Absent:  interception of a single device's lines.
 */
#include "toolstack/qtest/protocol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "hw/core/bits.h"

enum {
    WORDS = 6,
    DATA_MAX = PROTOCOL_LINE_MAX / 2 - 64, /* bytes in one line, as digits */
};
#define FILL_MAX (UINT64_C(1) << 30)

enum capture { CAPTURE_NONE, CAPTURE_IOAPIC, CAPTURE_I8259, CAPTURE_INT };

struct protocol {
    struct board *b;
    void (*say)(void *opaque, const char *bytes, size_t n);
    void *opaque;
    enum capture capture;
};

struct call {
    struct protocol *p;
    char *word[WORDS]; /* the last one has all that is left */
    unsigned n;
    unsigned width; /* of the command's table row */
};

/* --- Answers. */

__attribute__((format(printf, 2, 3))) static void answer(struct protocol *p, const char *format,
                                                         ...)
{
    char text[256];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    if ((size_t)n > sizeof text - 2)
        n = sizeof text - 2;
    text[n] = '\n';
    p->say(p->opaque, text, (size_t)n + 1);
}

static void ok(struct protocol *p)
{
    p->say(p->opaque, "OK\n", 3);
}

static void refuse(struct protocol *p, const char *reason)
{
    answer(p, "ERR %s", reason);
}

/* --- Words. */

/* A number as C writes it, all of the word. */
static bool number(const char *word, uint64_t *out)
{
    char *end;

    if (*word < '0' || *word > '9')
        return false;
    errno = 0;
    *out = strtoull(word, &end, 0);
    return !*end && !errno;
}

static bool signed_number(const char *word, int64_t *out)
{
    const char *digits = word + (*word == '-');
    char *end;

    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    *out = strtoll(word, &end, 0);
    return !*end && !errno;
}

/* The number in word i, or an answer why not. */
static bool take(struct call *c, unsigned i, uint64_t max, uint64_t *out)
{
    if (number(c->word[i], out) && *out <= max)
        return true;
    answer(c->p, "ERR \"%.40s\" is not a number that fits here", c->word[i]);
    return false;
}

/* Address and length of a transfer. */
static bool take_span(struct call *c, uint64_t min, uint64_t max, uint64_t *addr, uint64_t *n)
{
    if (!take(c, 1, UINT64_MAX, addr) || !take(c, 2, UINT64_MAX, n))
        return false;
    if (*n >= min && *n <= max && (!*n || *addr <= UINT64_MAX - (*n - 1)))
        return true;
    refuse(c->p, "invalid length");
    return false;
}

/* --- Ports and registers in memory. */

static void do_endianness(struct call *c)
{
    answer(c->p, "OK little");
}

static void do_in(struct call *c)
{
    uint64_t port;

    if (take(c, 1, UINT16_MAX, &port))
        answer(c->p, "OK 0x%04x", board_in(c->p->b, (uint16_t)port, c->width));
}

static void do_out(struct call *c)
{
    uint64_t port, value;

    if (!take(c, 1, UINT16_MAX, &port) || !take(c, 2, UINT64_MAX, &value))
        return;
    board_out(c->p->b, (uint16_t)port, c->width, (uint32_t)value);
    ok(c->p);
}

/* The whole access is one, aligned or not, so that it takes the way of board_read(). */
static bool take_place(struct call *c, uint64_t *addr)
{
    if (!take(c, 1, UINT64_MAX, addr))
        return false;
    if (*addr <= UINT64_MAX - (c->width - 1))
        return true;
    refuse(c->p, "address out of range");
    return false;
}

static void do_read_width(struct call *c)
{
    uint8_t bytes[8] = { 0 };
    uint64_t addr;

    if (!take_place(c, &addr))
        return;
    board_read(c->p->b, addr, bytes, c->width);
    answer(c->p, "OK 0x%016llx", (unsigned long long)le64(bytes));
}

static void do_write_width(struct call *c)
{
    uint8_t bytes[8];
    uint64_t addr, value;

    if (!take_place(c, &addr) || !take(c, 2, UINT64_MAX, &value))
        return;
    store_le(bytes, sizeof bytes, value);
    board_write(c->p->b, addr, bytes, c->width);
    ok(c->p);
}

/* --- Transfers: memory is got before anything happens, so that they can be refused. */

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static size_t put_hex(char *to, const uint8_t *bytes, size_t n)
{
    to[0] = '0';
    to[1] = 'x';
    for (size_t i = 0; i < n; i++) {
        to[2 + 2 * i] = hex_digits[bytes[i] >> 4];
        to[3 + 2 * i] = hex_digits[bytes[i] & 15];
    }
    return 2 + 2 * n;
}

static size_t put_base64(char *to, const uint8_t *bytes, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i += 3, out += 4) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)bytes[i] << 16;

        v |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        v |= left > 2 ? bytes[i + 2] : 0;
        for (size_t k = 0; k < 4; k++)
            to[out + k] = base64_digits[v >> (18 - 6 * k) & 63];
        for (size_t k = left + 1; k < 4; k++)
            to[out + k] = '=';
    }
    return out;
}

static void read_as(struct call *c, size_t (*put)(char *to, const uint8_t *bytes, size_t n))
{
    uint64_t addr, n;
    uint8_t *bytes;
    char *text;
    size_t used = 3;

    if (!take_span(c, 1, DATA_MAX, &addr, &n))
        return;
    bytes = malloc(n);
    text = malloc(2 * n + 16);
    if (bytes && text) {
        board_read(c->p->b, addr, bytes, n);
        memcpy(text, "OK ", used);
        used += put(text + used, bytes, n);
        text[used++] = '\n';
        c->p->say(c->p->opaque, text, used);
    } else {
        refuse(c->p, "out of memory");
    }
    free(bytes);
    free(text);
}

static void do_read(struct call *c)
{
    read_as(c, put_hex);
}

static void do_b64read(struct call *c)
{
    read_as(c, put_base64);
}

static bool get_hex(const char *digits, uint8_t *to, size_t n)
{
    for (; n && digits[0] && digits[1]; n--, digits += 2) {
        int high = hex_value(digits[0]), low = hex_value(digits[1]);

        if (high < 0 || low < 0)
            return false;
        *to++ = (uint8_t)(high << 4 | low);
    }
    return !n || !digits[0] || hex_value(digits[0]) >= 0;
}

static void do_write(struct call *c)
{
    const char *data = c->word[3];
    uint64_t addr, n;
    uint8_t *bytes;

    if (!take_span(c, 1, DATA_MAX, &addr, &n))
        return;
    if (strlen(data) < 3) {
        refuse(c->p, "invalid argument size");
        return;
    }
    bytes = calloc(1, n);
    if (!bytes) {
        refuse(c->p, "out of memory");
    } else if (data[0] != '0' || (data[1] | 0x20) != 'x' || !get_hex(data + 2, bytes, n)) {
        refuse(c->p, "data is not in hexadecimal digits");
    } else {
        board_write(c->p->b, addr, bytes, n);
        ok(c->p);
    }
    free(bytes);
}

/* Decodes in place; the number of bytes, or -1. */
static int64_t get_base64(char *text)
{
    size_t len = strlen(text), out = 0;
    uint8_t *to = (uint8_t *)text;
    uint32_t v = 0;
    unsigned bits = 0;

    if (len % 4)
        return -1;
    for (unsigned i = 0; i < 2 && len && text[len - 1] == '='; i++)
        len--;
    for (size_t i = 0; i < len; i++) {
        const char *at = strchr(base64_digits, text[i]);

        if (!at)
            return -1;
        v = v << 6 | (uint32_t)(at - base64_digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[out++] = (uint8_t)(v >> bits);
        }
    }
    return (int64_t)out;
}

static void do_b64write(struct call *c)
{
    uint64_t addr, n;
    int64_t have;

    if (!take_span(c, 1, DATA_MAX, &addr, &n))
        return;
    have = get_base64(c->word[3]);
    if (have < 0) {
        refuse(c->p, "data is not in base 64");
        return;
    }
    board_write(c->p->b, addr, (const uint8_t *)c->word[3],
                n < (uint64_t)have ? n : (uint64_t)have);
    ok(c->p);
}

static void do_memset(struct call *c)
{
    uint64_t addr, n, byte;

    if (!take_span(c, 0, FILL_MAX, &addr, &n) || !take(c, 3, UINT64_MAX, &byte))
        return;
    board_fill(c->p->b, addr, (uint8_t)byte, n);
    ok(c->p);
}

/* --- Time. */

static void advance(struct call *c, uint64_t target)
{
    board_advance(c->p->b, target <= INT64_MAX ? target : INT64_MAX);
    answer(c->p, "OK %llu", (unsigned long long)board_now(c->p->b));
}

static void do_clock_step(struct call *c)
{
    uint64_t now = board_now(c->p->b), next = board_deadline(c->p->b);
    int64_t ns = 0;

    if (c->n < 2)
        advance(c, next == UINT64_MAX || next < now ? now : next);
    else if (!signed_number(c->word[1], &ns))
        refuse(c->p, "invalid number of nanoseconds");
    else
        advance(c, ns < 0 ? now : now + (uint64_t)ns);
}

static void do_clock_set(struct call *c)
{
    int64_t ns;

    if (!signed_number(c->word[1], &ns))
        refuse(c->p, "invalid number of nanoseconds");
    else
        advance(c, ns < 0 ? 0 : (uint64_t)ns);
}

/* --- Interrupt lines. */

static void capture(struct call *c, enum capture what)
{
    struct protocol *p = c->p;

    if (what == CAPTURE_NONE) {
        answer(p, "FAIL Unknown device");
    } else if (p->capture != CAPTURE_NONE && p->capture != what) {
        answer(p, "FAIL IRQ intercept already enabled");
    } else {
        p->capture = what;
        ok(p);
    }
}

static enum capture inputs_of(const char *path)
{
    if (!strcmp(path, "ioapic"))
        return CAPTURE_IOAPIC;
    return strcmp(path, "i8259") ? CAPTURE_NONE : CAPTURE_I8259;
}

static void do_intercept_in(struct call *c)
{
    capture(c, inputs_of(c->word[1]));
}

static void do_intercept_out(struct call *c)
{
    capture(c, strcmp(c->word[1], "i8259") ? CAPTURE_NONE : CAPTURE_INT);
}

static void do_set_irq_in(struct call *c)
{
    enum capture chip = inputs_of(c->word[1]);
    uint64_t n, level;

    if (chip == CAPTURE_NONE) {
        answer(c->p, "FAIL Unknown device");
        return;
    }
    if (strcmp(c->word[2], "unnamed-gpio-in")) {
        refuse(c->p, "no lines of that name");
        return;
    }
    if (!take(c, 3, chip == CAPTURE_I8259 ? 15 : BOARD_IRQS - 1, &n) ||
        !take(c, 4, INT32_MAX, &level))
        return;
    board_drive(c->p->b, (unsigned)n, level != 0);
    ok(c->p);
}

void protocol_irq(struct protocol *p, enum board_tap tap, unsigned n, bool level)
{
    bool wanted = tap == BOARD_INT
                      ? p->capture == CAPTURE_INT
                      : p->capture == CAPTURE_IOAPIC || (p->capture == CAPTURE_I8259 && n < 16);

    if (wanted)
        answer(p, "IRQ %s %u", level ? "raise" : "lower", n);
}

/* --- Requests. */

static const struct command {
    char name[20];
    uint8_t words; /* at least, the name included */
    uint8_t width;
    void (*run)(struct call *c);
} commands[] = {
    { "inb", 2, 1, do_in },
    { "inw", 2, 2, do_in },
    { "inl", 2, 4, do_in },
    { "outb", 3, 1, do_out },
    { "outw", 3, 2, do_out },
    { "outl", 3, 4, do_out },
    { "readb", 2, 1, do_read_width },
    { "readw", 2, 2, do_read_width },
    { "readl", 2, 4, do_read_width },
    { "readq", 2, 8, do_read_width },
    { "writeb", 3, 1, do_write_width },
    { "writew", 3, 2, do_write_width },
    { "writel", 3, 4, do_write_width },
    { "writeq", 3, 8, do_write_width },
    { "read", 3, 0, do_read },
    { "write", 4, 0, do_write },
    { "b64read", 3, 0, do_b64read },
    { "b64write", 4, 0, do_b64write },
    { "memset", 4, 0, do_memset },
    { "clock_step", 1, 0, do_clock_step },
    { "clock_set", 2, 0, do_clock_set },
    { "irq_intercept_in", 2, 0, do_intercept_in },
    { "irq_intercept_out", 2, 0, do_intercept_out },
    { "set_irq_in", 5, 0, do_set_irq_in },
    { "endianness", 1, 0, do_endianness },
};

static void split(struct call *c, char *line)
{
    for (char *at = line; at && c->n < WORDS; c->n++) {
        c->word[c->n] = at;
        at = strchr(at, ' ');
        if (at)
            *at++ = '\0';
    }
}

static void unknown(struct protocol *p, char *word)
{
    for (char *at = word; *at; at++)
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
    answer(p, "FAIL Unknown command '%.100s'", word);
}

void protocol_line(struct protocol *p, char *line, size_t n)
{
    struct call c = { .p = p };

    if (memchr(line, 0, n)) {
        refuse(p, "a zero byte in the line");
        return;
    }
    split(&c, line);
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, c.word[0]) != 0)
            continue;
        c.width = commands[i].width;
        if (c.n < commands[i].words)
            refuse(p, "too few words");
        else
            commands[i].run(&c);
        return;
    }
    unknown(p, c.word[0]);
}

struct protocol *protocol_new(struct board *b,
                              void (*say)(void *opaque, const char *bytes, size_t n), void *opaque)
{
    struct protocol *p = calloc(1, sizeof *p);

    if (p)
        *p = (struct protocol){ .b = b, .say = say, .opaque = opaque };
    return p;
}

void protocol_free(struct protocol *p)
{
    free(p);
}
