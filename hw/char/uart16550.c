/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart16550 - serial port.
 *
 * Datasheet: National Semiconductor PC16550D (June 1995).
 * Present:   both FIFOs, interrupt priorities and receive timeout, loopback with modem lines,
 *            overrun, break in loopback. OUT2 gates the interrupt line, as on every PC.
 * Absent:    the transmitter's pace: a byte leaves as soon as the host takes it; while the host
 *            does not, it waits and THRE stays 0. Break, parity and frame length towards the host,
 *            host's modem lines (carrier, ready and clear to send are always there). Errors are
 *            kept in LSR, not per byte of the FIFO.
 */
#include "chardev/chardev.h"

#include <errno.h>

#include "hw/core/device.h"

/* Offsets; the first two are the divisor latch while LCR.DLAB is set. */
enum { RBR_THR_DLL, IER_DLM, IIR_FCR, LCR_AT, MCR_AT, LSR_AT, MSR_AT, SCR_AT, PORTS };

enum { IER_ERBFI = 1, IER_ETBEI = 2, IER_ELSI = 4, IER_EDSSI = 8, IER_MASK = 0xf };
enum {
    IIR_MODEM = 0x00,
    IIR_NONE = 0x01,
    IIR_THRE = 0x02,
    IIR_DATA = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0
};
enum { FCR_ENABLE = 1, FCR_RESET_RX = 2, FCR_RESET_TX = 4, FCR_DMA = 8, FCR_TRIGGER = 0xc0 };
enum { LCR_WLS = 3, LCR_STB = 4, LCR_PEN = 8, LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10, MCR_MASK = 0x1f };
enum {
    LSR_DR = 1,
    LSR_OE = 2,
    LSR_BI = 0x10,
    LSR_ERRORS = 0x1e,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80
};
enum {
    MSR_DCTS = 1,
    MSR_DDSR = 2,
    MSR_TERI = 4,
    MSR_DDCD = 8,
    MSR_DELTA = 0xf,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80
};

#define FIFO          16u
#define CLOCK         UINT64_C(115200) /* baud rate of divisor 1 */
#define TIMEOUT_CHARS 4u

/* LSR holds the error bits only, MSR all of it: the rest is derived from the FIFOs. */
#define UART16550_STATE(F, A, S)                                                                   \
    F(S, uint8_t, IER, IER_MASK, 1)                                                                \
    F(S, uint8_t, FCR, FCR_ENABLE | FCR_DMA | FCR_TRIGGER, 1)                                      \
    F(S, uint8_t, LCR, ANY, 1)                                                                     \
    F(S, uint8_t, MCR, MCR_MASK, 1)                                                                \
    F(S, uint8_t, LSR, LSR_ERRORS, 1)                                                              \
    F(S, uint8_t, MSR, ANY, 1)                                                                     \
    F(S, uint8_t, SCR, ANY, 1)                                                                     \
    F(S, uint16_t, divisor, ANY, 1)                                                                \
    F(S, uint8_t, thre, 1, 1)    /* transmitter-empty interrupt is pending */                      \
    F(S, uint8_t, timeout, 1, 1) /* receive-timeout interrupt is pending */                        \
    F(S, uint64_t, deadline, ANY, 1)                                                               \
    F(S, uint8_t, rx_at, FIFO - 1, 1)                                                              \
    F(S, uint8_t, rx_n, FIFO, 1)                                                                   \
    A(S, uint8_t, rx, FIFO, ANY, 1)                                                                \
    F(S, uint8_t, tx_at, FIFO - 1, 1)                                                              \
    F(S, uint8_t, tx_n, FIFO, 1)                                                                   \
    A(S, uint8_t, tx, FIFO, ANY, 1)                                                                \
    F(S, uint64_t, filed, ANY, 1) /* bytes of output in the host's file: see chardev_user */
STATE_DEFINE(uart16550, UART16550_STATE);

struct uart16550 {
    struct device dev;
    struct chardev_user user;
    bool host_full; /* the host took less than offered; user.writable tells when to go on */
    bool starved;   /* room() said 0: the host waits for a kick */
    uint64_t filed; /* as in the state, for the time that a reset has zeroed it */
};

static bool fifos(const struct uart16550_state *s)
{
    return HAS(s, FCR, ENABLE);
}

static unsigned depth(const struct uart16550_state *s)
{
    return fifos(s) ? FIFO : 1;
}

static unsigned trigger(const struct uart16550_state *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return fifos(s) ? levels[s->FCR >> 6] : 1;
}

/* Nanoseconds of one character on the wire: start, data, parity, stop. Divisor 0 counts as 1
 * (CVE-2016-8669). */
static uint64_t char_time(const struct uart16550_state *s)
{
    unsigned bits =
        6u + (s->LCR & LCR_WLS) + (HAS(s, LCR, PEN) ? 1u : 0u) + (HAS(s, LCR, STB) ? 2u : 1u);

    return bits * (s->divisor ? s->divisor : UINT64_C(1)) * 1000000000 / CLOCK;
}

/* --- receiver --- */

static void rx_changed(struct device *d)
{
    struct uart16550_state *s = d->state;

    s->timeout = 0;
    timer_cancel(d, &s->deadline); /* update() starts it anew if bytes are left */
}

static void rx_put(struct device *d, uint8_t byte)
{
    struct uart16550_state *s = d->state;

    if (s->rx_n < depth(s)) {
        s->rx[(s->rx_at + s->rx_n) % FIFO] = byte;
        s->rx_n++;
    } else {
        SET(s, LSR, OE);
        if (!fifos(s)) /* the holding register is overwritten, a FIFO is not */
            s->rx[s->rx_at % FIFO] = byte;
    }
    rx_changed(d);
}

static uint8_t rx_get(struct device *d)
{
    struct uart16550_state *s = d->state;
    uint8_t byte = s->rx[s->rx_at % FIFO];

    if (s->rx_n == 0)
        return byte; /* the last one again */
    s->rx_n--;
    if (s->rx_n)
        s->rx_at = (uint8_t)((s->rx_at + 1) % FIFO);
    rx_changed(d);
    return byte;
}

static void rx_clear(struct device *d)
{
    struct uart16550_state *s = d->state;

    s->rx_n = 0;
    rx_changed(d);
}

static void timeout_expired(struct device *d)
{
    struct uart16550_state *s = d->state;

    s->timeout = s->rx_n > 0;
}

/* --- transmitter --- */

/* How many of n bytes the host takes. Nobody there takes all. */
static size_t offer(struct device *d, const uint8_t *bytes, size_t n)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;
    size_t done = d->host.chr ? chardev_write(d->host.chr, bytes, n) : n;

    u->filed = s->filed;
    return done < n ? done : n;
}

/* Push out what is waiting, as far as the host takes it. */
static void tx_run(struct device *d)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;

    while (s->tx_n) {
        unsigned at = s->tx_at % FIFO, n = s->tx_n < FIFO - at ? s->tx_n : FIFO - at;
        size_t done = offer(d, s->tx + at, n);

        s->tx_at = (uint8_t)((at + done) % FIFO);
        s->tx_n = (uint8_t)(s->tx_n - done);
        if (done < n) {
            u->host_full = true;
            return;
        }
    }
    s->thre = 1;
}

static void thr_write(struct device *d, uint8_t byte)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;

    s->thre = 0;
    if (HAS(s, MCR, LOOP)) {
        rx_put(d, byte);
        s->thre = s->tx_n == 0;
        return;
    }
    if (s->tx_n == depth(s)) /* the guest did not wait for THRE: the newest byte is replaced */
        s->tx_n--;
    s->tx[(s->tx_at + s->tx_n) % FIFO] = byte;
    s->tx_n++;
    if (!u->host_full)
        tx_run(d);
}

/* rep outsb: straight to the host; what it refuses goes the usual way. */
static uint32_t uart16550_write_string(struct device *d, uint32_t offset, unsigned width,
                                       const void *buf, uint32_t count)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;
    uint32_t done;

    if (offset != RBR_THR_DLL || width != 1 || HAS(s, LCR, DLAB) || HAS(s, MCR, LOOP) || s->tx_n ||
        u->host_full)
        return 0;
    done = (uint32_t)offer(d, buf, count);
    if (done < count)
        u->host_full = true;
    s->thre = 1;
    return done;
}

/* --- modem lines --- */

static uint8_t lines(const struct uart16550_state *s)
{
    if (!HAS(s, MCR, LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((HAS(s, MCR, RTS) ? MSR_CTS : 0) | (HAS(s, MCR, DTR) ? MSR_DSR : 0) |
                     (HAS(s, MCR, OUT1) ? MSR_RI : 0) | (HAS(s, MCR, OUT2) ? MSR_DCD : 0));
}

static void mcr_write(struct device *d, uint8_t value)
{
    struct uart16550_state *s = d->state;
    uint8_t now, changed;

    s->MCR = value & MCR_MASK;
    now = lines(s);
    changed = (uint8_t)((now ^ s->MSR) & (MSR_CTS | MSR_DSR | MSR_DCD));
    if ((s->MSR & MSR_RI) && !(now & MSR_RI))
        SET(s, MSR, TERI);
    s->MSR = (uint8_t)((s->MSR & MSR_DELTA) | changed >> 4 | now);
}

/* --- interrupts --- */

static uint8_t identify(const struct uart16550_state *s)
{
    if (HAS(s, IER, ELSI) && s->LSR)
        return IIR_LINE;
    if (HAS(s, IER, ERBFI) && s->rx_n >= trigger(s))
        return IIR_DATA;
    if (HAS(s, IER, ERBFI) && s->timeout)
        return IIR_TIMEOUT;
    if (HAS(s, IER, ETBEI) && s->thre)
        return IIR_THRE;
    if (HAS(s, IER, EDSSI) && (s->MSR & MSR_DELTA))
        return IIR_MODEM;
    return IIR_NONE;
}

static void uart16550_update(struct device *d)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;

    if (s->tx_n && !u->host_full) /* bytes that came with a loaded state */
        tx_run(d);
    if (fifos(s) && HAS(s, IER, ERBFI) && s->rx_n && s->rx_n < trigger(s) && !s->timeout) {
        if (!s->deadline)
            timer_arm(d, &s->deadline, clock_now(d) + TIMEOUT_CHARS * char_time(s));
    } else {
        timer_cancel(d, &s->deadline);
    }
    device_irq(d, 0, HAS(s, MCR, OUT2) && identify(s) != IIR_NONE);
    if (u->starved && d->host.chr && s->rx_n < depth(s) && !HAS(s, MCR, LOOP)) {
        u->starved = false;
        chardev_kick(d->host.chr);
    }
}

/* --- registers --- */

static uint8_t lsr_read(struct uart16550_state *s)
{
    uint8_t v = (uint8_t)(s->LSR | (s->rx_n ? LSR_DR : 0) | (s->tx_n ? 0 : LSR_THRE | LSR_TEMT));

    if (fifos(s) && HAS(s, LSR, BI))
        v |= LSR_FIFO_ERROR;
    s->LSR = 0;
    return v;
}

static uint8_t iir_read(struct uart16550_state *s)
{
    uint8_t id = identify(s);

    if (id == IIR_THRE)
        s->thre = 0;
    return (uint8_t)(id | (fifos(s) ? IIR_FIFOS : 0));
}

static uint8_t msr_read(struct uart16550_state *s)
{
    uint8_t v = s->MSR;

    s->MSR &= (uint8_t)~MSR_DELTA;
    return v;
}

static uint64_t uart16550_read(struct device *d, uint32_t offset, unsigned width)
{
    struct uart16550_state *s = d->state;

    (void)width; /* bytes only */
    switch (offset) {
    case RBR_THR_DLL:
        return HAS(s, LCR, DLAB) ? s->divisor & 0xff : rx_get(d);
    case IER_DLM:
        return HAS(s, LCR, DLAB) ? s->divisor >> 8 : s->IER;
    case IIR_FCR:
        return iir_read(s);
    case LCR_AT:
        return s->LCR;
    case MCR_AT:
        return s->MCR;
    case LSR_AT:
        return lsr_read(s);
    case MSR_AT:
        return msr_read(s);
    default:
        return s->SCR;
    }
}

/* Enabling the transmitter interrupt while the transmitter is empty raises it: drivers test it. */
static void ier_write(struct uart16550_state *s, uint8_t value)
{
    bool rising = !HAS(s, IER, ETBEI) && (value & IER_ETBEI);

    s->IER = value & IER_MASK;
    if (rising && s->tx_n == 0)
        s->thre = 1;
}

static void tx_clear(struct uart16550_state *s)
{
    if (s->tx_n)
        s->thre = 1;
    s->tx_n = 0;
}

static void fcr_write(struct device *d, uint8_t value)
{
    struct uart16550_state *s = d->state;
    bool toggled = (value & FCR_ENABLE) != (s->FCR & FCR_ENABLE);

    if (toggled || (value & FCR_RESET_RX))
        rx_clear(d);
    if (toggled || (value & FCR_RESET_TX))
        tx_clear(s);
    /* The other bits are only programmed together with FCR_ENABLE. */
    s->FCR = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_DMA | FCR_TRIGGER) : 0;
}

static void lcr_write(struct device *d, uint8_t value)
{
    struct uart16550_state *s = d->state;
    bool begins = !HAS(s, LCR, BREAK) && (value & LCR_BREAK);

    s->LCR = value;
    if (begins && HAS(s, MCR, LOOP)) { /* the receiver sees a long zero */
        rx_put(d, 0);
        SET(s, LSR, BI);
    }
}

static void low_write(struct device *d, uint32_t offset, uint8_t value)
{
    struct uart16550_state *s = d->state;

    if (HAS(s, LCR, DLAB) && offset == RBR_THR_DLL)
        s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
    else if (HAS(s, LCR, DLAB))
        s->divisor = (uint16_t)((s->divisor & 0x00ff) | value << 8);
    else if (offset == RBR_THR_DLL)
        thr_write(d, value);
    else
        ier_write(s, value);
}

static void uart16550_write(struct device *d, uint32_t offset, unsigned width, uint64_t value)
{
    struct uart16550_state *s = d->state;
    uint8_t byte = (uint8_t)value;

    (void)width;
    switch (offset) {
    case RBR_THR_DLL:
    case IER_DLM:
        low_write(d, offset, byte);
        break;
    case IIR_FCR:
        fcr_write(d, byte);
        break;
    case LCR_AT:
        lcr_write(d, byte);
        break;
    case MCR_AT:
        mcr_write(d, byte);
        break;
    case SCR_AT:
        s->SCR = byte;
        break;
    default: /* LSR and MSR: factory test only */
        break;
    }
}

/* --- host side --- */

static size_t host_room(void *opaque)
{
    struct uart16550 *u = opaque;
    const struct uart16550_state *s = u->dev.state;
    size_t room = HAS(s, MCR, LOOP) ? 0 : depth(s) - (s->rx_n < depth(s) ? s->rx_n : depth(s));

    if (room == 0)
        u->starved = true;
    return room;
}

struct received {
    const uint8_t *bytes;
    size_t n;
};

static void take(struct device *d, void *arg)
{
    const struct received *r = arg;

    for (size_t i = 0; i < r->n; i++)
        rx_put(d, r->bytes[i]);
}

static void host_receive(void *opaque, const uint8_t *bytes, size_t n)
{
    struct uart16550 *u = opaque;
    struct received r = { bytes, n };

    if (u->dev.busy) /* a stream that answers a kick at once: part of the event that runs */
        take(&u->dev, &r);
    else
        device_event(&u->dev, take, &r);
}

static void go_on(struct device *d, void *arg)
{
    (void)arg;
    tx_run(d);
}

static void host_writable(void *opaque)
{
    struct uart16550 *u = opaque;
    const struct uart16550_state *s = u->dev.state;

    u->host_full = false;
    if (s->tx_n && !u->dev.busy)
        device_event(&u->dev, go_on, NULL);
}

static int uart16550_realize(struct device *d, struct error *e)
{
    struct uart16550 *u = (struct uart16550 *)d;
    struct uart16550_state *s = d->state;

    (void)e;
    timer_register(d, &s->deadline, timeout_expired);
    u->user = (struct chardev_user){ host_room, host_receive, host_writable, u, &s->filed };
    if (d->host.chr)
        chardev_attach(d->host.chr, &u->user);
    return 0;
}

static void uart16550_unrealize(struct device *d)
{
    if (d->host.chr)
        chardev_attach(d->host.chr, NULL);
}

static void uart16550_reset(struct device *d)
{
    struct uart16550_state *s = d->state;

    s->filed = ((struct uart16550 *)d)->filed; /* a reset does not rewind the file */
    s->MSR = lines(s);
    s->divisor = 12; /* 9600 baud; the chip leaves it undefined */
}

static int uart16550_loaded(struct device *d, struct error *e)
{
    struct uart16550 *u = (struct uart16550 *)d;
    const struct uart16550_state *s = d->state;

    u->filed = s->filed;
    u->host_full = u->starved = false; /* whoever loads has attached the stream anew */
    if (s->rx_n > depth(s) || s->tx_n > depth(s))
        return error_set(e, -EINVAL, "%s: %u and %u bytes wait in FIFOs of %u", d->id, s->rx_n,
                         s->tx_n, depth(s));
    return 0;
}

static const char *const uart16550_names[] = { "RBR_THR_DLL", "IER_DLM", "IIR_FCR", "LCR",
                                               "MCR",         "LSR",     "MSR",     "SCR" };

static const struct region uart16550_regions[] = {
    { .name = "uart",
      .space = BUS_PIO,
      .size = PORTS,
      NAMED(uart16550_names),
      .read = uart16550_read,
      .write = uart16550_write,
      .write_string = uart16550_write_string },
};

const struct device_ops uart16550_ops = {
    .name = "uart16550",
    .size = sizeof(struct uart16550),
    .state = &uart16550_desc,
    .regions = uart16550_regions,
    .nregions = ARRAY_SIZE(uart16550_regions),
    .realize = uart16550_realize,
    .unrealize = uart16550_unrealize,
    .reset = uart16550_reset,
    .update = uart16550_update,
    .loaded = uart16550_loaded,
};
