/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_qtest - whatever lines to the test port, on a board with some of everything.
 *
 * The input is a conversation: lines end at newlines. Each line must get exactly one answer, and
 * nothing but notifications before it. A reset separates two inputs; guest memory stays.
 */
#include <stdlib.h>

#include "hw/core/log.h"
#include "tests/bench.h"
#include "toolstack/qtest/protocol.h"

#define DEVICE(name) extern const struct device_ops name##_ops;
#include "hw/devices.def"
#undef DEVICE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 64 };

static struct world {
    struct hv *hv;
    struct arena arena;
    struct machine *m;
    struct board *b;
    struct protocol *p;
    unsigned answers;
} w;

static void say(void *opaque, const char *bytes, size_t n)
{
    (void)opaque;
    if (!n || bytes[n - 1] != '\n' || memchr(bytes, '\n', n) != bytes + n - 1)
        abort();
    if (strncmp(bytes, "IRQ ", 4) == 0 && w.answers == 0)
        return;
    if (strncmp(bytes, "OK", 2) != 0 && strncmp(bytes, "ERR ", 4) != 0 &&
        strncmp(bytes, "FAIL ", 5) != 0)
        abort();
    w.answers++;
}

static void line(void *opaque, enum board_tap tap, unsigned n, bool level)
{
    (void)opaque;
    protocol_irq(w.p, tap, n, level);
}

static void add_devices(void)
{
    static uint8_t nvram[128];
    const struct device_row rows[] = {
        { .ops = &i440fx_ops, .devfn = 0 },
        { .ops = &pciconf_ops, .base = { 0xcf8 } },
        { .ops = &piix3_ops, .devfn = 8 },
        { .ops = &cmos_ops, .base = { 0x70 }, .host = { .nvram = nvram } },
        { .ops = &legacy_ops, .base = { PORT_ZERO, 0xc0, 0x80, 0x480, 0x92, 0xe9 } },
        { .ops = &i8042_ops, .base = { 0x60, 0x64 }, .isa_irq = { 1, 12 } },
        { .ops = &piix3_ide_ops,
          .devfn = 9,
          .base = { 0x1f0, 0x3f6, 0x170, 0x376 },
          .isa_irq = { 14, 15 },
          .host = { .disk = { bench_disk_new(1 << 20, false) }, .cdrom = { [2] = true } } },
        { .ops = &piix4_pm_ops,
          .devfn = 11,
          .base = { 0xb000, 0xb2, 0xafe0, 0xaf00, 0xae00 },
          .isa_irq = { 9 } },
        { .ops = &uart16550_ops, .base = { 0x3f8 }, .isa_irq = { 4 } },
    };
    struct error e = { "" };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (machine_add(w.m, &rows[i], &e) < 0)
            abort();
}

static void start(void)
{
    const struct board_options o = { 0 };
    const struct board_calls calls = { .line = line };
    struct error e = { "" };

    log_set_level(LOG_ERROR);
    w.hv = hv_sim_new(NULL);
    if (!w.hv || arena_create(&w.arena, 1 << 20, &e) < 0 ||
        machine_new(w.hv, &w.arena, &w.m, &e) < 0)
        abort();
    add_devices();
    machine_set_running(w.m, true);
    if (board_new(w.hv, w.m, &o, &w.b, &e) < 0)
        abort();
    board_call(w.b, &calls);
}

/* Transfers of many megabytes and steps of many years are only slow. */
static bool too_long(const char *text)
{
    unsigned digits = 0;

    for (; *text; text++) {
        digits = *text == ' ' ? 0 : digits + 1;
        if (digits > 10)
            return strncmp(text, "0x", 2) != 0;
    }
    return false;
}

static void one_line(const uint8_t *data, size_t n)
{
    char *copy = malloc(n + 1);

    memcpy(copy, data, n);
    copy[n] = '\0';
    w.answers = 0;
    if ((strncmp(copy, "memset", 6) != 0 && strncmp(copy, "clock_", 6) != 0 &&
         strncmp(copy, "read ", 5) != 0 && strncmp(copy, "b64read", 7) != 0) ||
        !too_long(copy)) {
        protocol_line(w.p, copy, n);
        if (w.answers != 1)
            abort();
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!w.b)
        start();
    w.p = protocol_new(w.b, say, NULL);
    for (unsigned i = 0; i < LINES && size; i++) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) : size;

        one_line(data, n);
        n += end != NULL;
        data += n;
        size -= n;
    }
    w.answers = 0;
    board_reset(w.b);
    protocol_free(w.p);
    w.p = NULL;
    return 0;
}
