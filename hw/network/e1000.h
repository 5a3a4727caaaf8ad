/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000 - what the files of the 82540EM share; nobody else includes it.
 *
 * All that the guest can see is in `struct e1000_state`. What leaves an event open is there, too: a
 * frame that waits to be sent is still in the guest's ring, at TDH.
 */
#ifndef HW_NETWORK_E1000_H
#define HW_NETWORK_E1000_H

#include "hw/core/device.h"
#include "net/net.h"

enum {
    E1000_MMIO = 0x20000,
    E1000_IO = 0x40,
    E1000_DESC = 16,
    E1000_TX_DESCS = 96,  /* of one frame, context descriptors before it included */
    E1000_RX_DESCS = 64,  /* 16384 bytes in the smallest buffers */
    E1000_TX_MAX = 16288, /* bytes of a frame that is not segmented, without FCS */
    E1000_RX_MAX = 16384, /* bytes of a received frame, with FCS */
    E1000_FCS = 4,
    E1000_MIN = 60, /* bytes of the shortest frame on the wire, without FCS */
    E1000_TAG = 4,  /* of 802.1Q */
    E1000_EEPROM = 64,
    E1000_PHY_REGS = 32,
    E1000_BURST = 64, /* frames sent before other things get their turn */
};

enum {
    CTRL_FD = 1u << 0,
    CTRL_SLU = 1u << 6,
    CTRL_SPEED_1000 = 2u << 8,
    CTRL_RST = 1u << 26,
    CTRL_VME = 1u << 30,
    CTRL_PHY_RST = 1u << 31,
};
enum { STATUS_FD = 1, STATUS_LU = 2, STATUS_SPEED_1000 = 0x80, STATUS_ASDV_1000 = 0x200 };
enum {
    EECD_SK = 0x01,
    EECD_CS = 0x02,
    EECD_DI = 0x04,
    EECD_DO = 0x08,
    EECD_FWE = 0x30,
    EECD_REQ = 0x40,
    EECD_GNT = 0x80,
    EECD_PRES = 0x100,
};
enum { EERD_START = 0x01, EERD_DONE = 0x10 };
enum {
    MDIC_WRITE = 1u << 26,
    MDIC_READ = 2u << 26,
    MDIC_OP = 3u << 26,
    MDIC_R = 1u << 28,
    MDIC_I = 1u << 29,
    MDIC_E = 1u << 30,
};
enum {
    ICR_TXDW = 1u << 0,
    ICR_TXQE = 1u << 1,
    ICR_LSC = 1u << 2,
    ICR_RXDMT0 = 1u << 4,
    ICR_RXO = 1u << 6,
    ICR_RXT0 = 1u << 7,
    ICR_MDAC = 1u << 9,
    ICR_SRPD = 1u << 16,
    ICR_ALL = 0x1ffff,
};
enum {
    RCTL_EN = 1u << 1,
    RCTL_SBP = 1u << 2,
    RCTL_UPE = 1u << 3,
    RCTL_MPE = 1u << 4,
    RCTL_LPE = 1u << 5,
    RCTL_LBM = 3u << 6,
    RCTL_BAM = 1u << 15,
    RCTL_VFE = 1u << 18,
    RCTL_CFIEN = 1u << 19,
    RCTL_CFI = 1u << 20,
    RCTL_BSEX = 1u << 25,
    RCTL_SECRC = 1u << 26,
};
#define RCTL_RDMTS_OF(v) ((v) >> 8 & 3)
#define RCTL_MO_OF(v)    ((v) >> 12 & 3)
#define RCTL_BSIZE_OF(v) ((v) >> 16 & 3)
enum { TCTL_EN = 1u << 1, TCTL_PSP = 1u << 3 };
enum { RXCSUM_IPOFL = 1u << 8, RXCSUM_TUOFL = 1u << 9 };
enum { RDTR_FPD = 1u << 31, TIDV_FPD = 1u << 31 };
enum { RAH_AV = 1u << 31 };
enum { BMCR_RESET = 0x8000, BMCR_LOOPBACK = 0x4000, BMCR_RESTART = 0x0200 };

/* Statistics: name and offset from 4000h. Those that nobody counts are what a perfect cable shows.
 */
#define E1000_STATS(X)                                                                             \
    X(CRCERRS, 0x00)                                                                               \
    X(ALGNERRC, 0x04)                                                                              \
    X(SYMERRS, 0x08)                                                                               \
    X(RXERRC, 0x0c)                                                                                \
    X(MPC, 0x10)                                                                                   \
    X(SCC, 0x14)                                                                                   \
    X(ECOL, 0x18)                                                                                  \
    X(MCC, 0x1c)                                                                                   \
    X(LATECOL, 0x20)                                                                               \
    X(COLC, 0x28)                                                                                  \
    X(DC, 0x30)                                                                                    \
    X(TNCRS, 0x34)                                                                                 \
    X(SEC, 0x38)                                                                                   \
    X(CEXTERR, 0x3c)                                                                               \
    X(RLEC, 0x40)                                                                                  \
    X(XONRXC, 0x48)                                                                                \
    X(XONTXC, 0x4c)                                                                                \
    X(XOFFRXC, 0x50)                                                                               \
    X(XOFFTXC, 0x54)                                                                               \
    X(FCRUC, 0x58)                                                                                 \
    X(PRC64, 0x5c)                                                                                 \
    X(PRC127, 0x60)                                                                                \
    X(PRC255, 0x64)                                                                                \
    X(PRC511, 0x68)                                                                                \
    X(PRC1023, 0x6c)                                                                               \
    X(PRC1522, 0x70)                                                                               \
    X(GPRC, 0x74)                                                                                  \
    X(BPRC, 0x78)                                                                                  \
    X(MPRC, 0x7c)                                                                                  \
    X(GPTC, 0x80)                                                                                  \
    X(RNBC, 0xa0)                                                                                  \
    X(RUC, 0xa4)                                                                                   \
    X(RFC, 0xa8)                                                                                   \
    X(ROC, 0xac)                                                                                   \
    X(RJC, 0xb0)                                                                                   \
    X(MGTPRC, 0xb4)                                                                                \
    X(MGTPDC, 0xb8)                                                                                \
    X(MGTPTC, 0xbc)                                                                                \
    X(TPR, 0xd0)                                                                                   \
    X(TPT, 0xd4)                                                                                   \
    X(PTC64, 0xd8)                                                                                 \
    X(PTC127, 0xdc)                                                                                \
    X(PTC255, 0xe0)                                                                                \
    X(PTC511, 0xe4)                                                                                \
    X(PTC1023, 0xe8)                                                                               \
    X(PTC1522, 0xec)                                                                               \
    X(MPTC, 0xf0)                                                                                  \
    X(BPTC, 0xf4)                                                                                  \
    X(TSCTC, 0xf8)                                                                                 \
    X(TSCTFC, 0xfc)
#define E1000_STAT_INDEX(name, at) STAT_##name = (at) / 4,
enum e1000_stat {
    E1000_STATS(E1000_STAT_INDEX)
    /* of two words: low, high */
    STAT_GORC = 0x88 / 4,
    STAT_GOTC = 0x90 / 4,
    STAT_TOR = 0xc0 / 4,
    STAT_TOT = 0xc8 / 4,
    E1000_NSTATS = 64
};

/* What a context descriptor says (3.3.6); [0] for checksums, [1] for segmentation. */
enum { CONTEXT_CSUM, CONTEXT_TSE, CONTEXTS };

/* clang-format off */
#define E1000_STATE(F, A, S)                                                                       \
    F(S, uint32_t, CTRL, ANY, 1)                                                                   \
    F(S, uint32_t, EECD, ANY, 1)                                                                   \
    F(S, uint32_t, EERD, ANY, 1)                                                                   \
    F(S, uint32_t, CTRL_EXT, ANY, 1)                                                               \
    F(S, uint32_t, MDIC, ANY, 1)                                                                   \
    F(S, uint32_t, FCAL, ANY, 1)                                                                   \
    F(S, uint32_t, FCAH, ANY, 1)                                                                   \
    F(S, uint32_t, FCT, ANY, 1)                                                                    \
    F(S, uint32_t, VET, 0xffff, 1)                                                                 \
    F(S, uint32_t, ICR, ICR_ALL, 1)                                                                \
    F(S, uint32_t, ITR, 0xffff, 1)                                                                 \
    F(S, uint32_t, IMS, ICR_ALL, 1)                                                                \
    F(S, uint32_t, RCTL, ANY, 1)                                                                   \
    F(S, uint32_t, FCTTV, ANY, 1)                                                                  \
    F(S, uint32_t, TXCW, ANY, 1)                                                                   \
    F(S, uint32_t, TCTL, ANY, 1)                                                                   \
    F(S, uint32_t, TIPG, ANY, 1)                                                                   \
    F(S, uint32_t, AIT, ANY, 1)                                                                    \
    F(S, uint32_t, LEDCTL, ANY, 1)                                                                 \
    F(S, uint32_t, PBA, 0x7f, 1)                                                                   \
    F(S, uint32_t, FCRTL, ANY, 1)                                                                  \
    F(S, uint32_t, FCRTH, ANY, 1)                                                                  \
    F(S, uint32_t, RDBAL, 0xfffffff0, 1)                                                           \
    F(S, uint32_t, RDBAH, ANY, 1)                                                                  \
    F(S, uint32_t, RDLEN, 0xfff80, 1)                                                              \
    F(S, uint32_t, RDH, 0xffff, 1)                                                                 \
    F(S, uint32_t, RDT, 0xffff, 1)                                                                 \
    F(S, uint32_t, RDTR, 0xffff, 1)                                                                \
    F(S, uint32_t, RXDCTL, ANY, 1)                                                                 \
    F(S, uint32_t, RADV, 0xffff, 1)                                                                \
    F(S, uint32_t, RSRPD, 0xfff, 1)                                                                \
    F(S, uint32_t, TXDMAC, ANY, 1)                                                                 \
    F(S, uint32_t, TDBAL, 0xfffffff0, 1)                                                           \
    F(S, uint32_t, TDBAH, ANY, 1)                                                                  \
    F(S, uint32_t, TDLEN, 0xfff80, 1)                                                              \
    F(S, uint32_t, TDH, 0xffff, 1)                                                                 \
    F(S, uint32_t, TDT, 0xffff, 1)                                                                 \
    F(S, uint32_t, TIDV, 0xffff, 1)                                                                \
    F(S, uint32_t, TXDCTL, ANY, 1)                                                                 \
    F(S, uint32_t, TADV, 0xffff, 1)                                                                \
    F(S, uint32_t, TSPMT, ANY, 1)                                                                  \
    A(S, uint32_t, STAT, E1000_NSTATS, ANY, 1)                                                     \
    F(S, uint32_t, RXCSUM, 0x7ff, 1)                                                               \
    A(S, uint32_t, MTA, 128, ANY, 1)                                                               \
    A(S, uint32_t, RA, 32, ANY, 1) /* RAL0, RAH0, RAL1, ... */                                     \
    A(S, uint32_t, VFTA, 128, ANY, 1)                                                              \
    F(S, uint32_t, WUC, ANY, 1)                                                                    \
    F(S, uint32_t, WUFC, ANY, 1)                                                                   \
    F(S, uint32_t, WUS, ANY, 1)                                                                    \
    F(S, uint32_t, MANC, ANY, 1)                                                                   \
    F(S, uint32_t, IOADDR, ANY, 1)                                                                 \
    A(S, uint16_t, phy, E1000_PHY_REGS, ANY, 1)                                                    \
    F(S, uint8_t, link_fell, 1, 1) /* the link was down since BMSR was read */                     \
    /* EEPROM: bits that came in since chip select (start bit, opcode, address), and went out */   \
    F(S, uint8_t, ee_in, 9, 1)                                                                     \
    F(S, uint16_t, ee_shift, 0x1ff, 1)                                                             \
    F(S, uint16_t, ee_out, E1000_EEPROM * 16, 1)                                                   \
    /* interrupts */                                                                               \
    F(S, uint8_t, raised, 1, 1)        /* the line */                                              \
    F(S, uint64_t, irq_after, ANY, 1)  /* the line rises no earlier (ITR) */                       \
    F(S, uint64_t, throttled, ANY, 1)  /* timer: it waits for that */                              \
    F(S, uint64_t, rx_irq, ANY, 1)     /* timer: RDTR, or RADV if that comes first */              \
    F(S, uint64_t, rx_latest, ANY, 1)  /* RADV's end; 0: no frame waits */                         \
    F(S, uint64_t, tx_irq, ANY, 1)     /* the same of TIDV and TADV */                             \
    F(S, uint64_t, tx_latest, ANY, 1)                                                              \
    /* transmitter */                                                                              \
    F(S, uint64_t, tx_due, ANY, 1)     /* timer: send a frame */                                   \
    F(S, uint64_t, tx_moment, ANY, 1)  /* when the burst began */                                  \
    F(S, uint8_t, tx_burst, E1000_BURST, 1)                                                        \
    F(S, uint8_t, tx_wait, 1, 1)  /* the ring ends inside of a frame, or cannot be read */         \
    F(S, uint8_t, tx_skip, 1, 1)  /* the rest of a frame of too many descriptors is dropped */     \
    A(S, uint8_t, IPCSS, CONTEXTS, ANY, 1)                                                         \
    A(S, uint8_t, IPCSO, CONTEXTS, ANY, 1)                                                         \
    A(S, uint16_t, IPCSE, CONTEXTS, ANY, 1)                                                        \
    A(S, uint8_t, TUCSS, CONTEXTS, ANY, 1)                                                         \
    A(S, uint8_t, TUCSO, CONTEXTS, ANY, 1)                                                         \
    A(S, uint16_t, TUCSE, CONTEXTS, ANY, 1)                                                        \
    A(S, uint8_t, TUCMD, CONTEXTS, ANY, 1)                                                         \
    A(S, uint8_t, HDRLEN, CONTEXTS, ANY, 1)                                                        \
    A(S, uint16_t, MSS, CONTEXTS, ANY, 1)
/* clang-format on */
STATE_DEFINE(e1000, E1000_STATE);

/* A descriptor that is to be handed back: where it is, and its second half as it was read. */
struct e1000_desc {
    uint64_t at, old;
};

struct e1000 {
    struct device dev;
    struct net_user user;
    bool host_full; /* net_send() said so; user.writable tells when to go on */
    bool starved;   /* ready() said no: the host waits for a kick */
    uint16_t eeprom[E1000_EEPROM];
    struct e1000_desc tx_desc[E1000_TX_DESCS];
    uint8_t tx[E1000_TAG + NET_FRAME_MAX]; /* of one event, no longer */
    uint8_t rx[E1000_RX_MAX];
};

static inline void e1000_count(struct e1000_state *s, enum e1000_stat at, uint32_t by)
{
    uint32_t *n = &s->STAT[at % E1000_NSTATS];

    *n = *n > UINT32_MAX - by ? UINT32_MAX : *n + by; /* they stick at the highest value */
}

/* A descriptor ring as the registers stand; false: there is none, or head or tail are outside. */
struct e1000_ring {
    uint64_t base;
    uint32_t n, head, tail; /* descriptors */
};
MUST_CHECK static inline bool e1000_ring(struct e1000_ring *r, uint32_t low, uint32_t high,
                                         uint32_t bytes, uint32_t head, uint32_t tail)
{
    *r = (struct e1000_ring){ (uint64_t)high << 32 | low, bytes / E1000_DESC, head, tail };
    return head < r->n && tail < r->n;
}
static inline uint32_t e1000_ring_filled(const struct e1000_ring *r)
{
    return r->tail >= r->head ? r->tail - r->head : r->n - r->head + r->tail;
}

/* e1000.c */
bool e1000_link(const struct device *d);
bool e1000_loopback(const struct e1000_state *s);
void e1000_cause(struct device *d, uint32_t icr);
/* The frame of `bytes` (without FCS) counts in the classes of lengths from `first` on, and as
 * broadcast or multicast. */
void e1000_count_length(struct e1000_state *s, enum e1000_stat first, uint32_t bytes);
void e1000_count_octets(struct e1000_state *s, enum e1000_stat low, uint64_t bytes);
static inline bool e1000_is_multicast(const uint8_t *address)
{
    return address[0] & 1;
}
bool e1000_is_broadcast(const uint8_t *address);
/* A cause that waits: `delay` and `latest` in units of 1.024 us, from the first frame on. */
void e1000_delay(struct device *d, uint64_t *timer, uint64_t *end, uint32_t delay, uint32_t latest);

/* e1000_phy.c: what is behind serial lines, EEPROM and PHY. */
void e1000_eeprom_fill(struct e1000 *e);
void e1000_eecd_written(struct device *d, uint32_t old);
void e1000_eerd_written(struct device *d, uint32_t old);
void e1000_mdic_written(struct device *d, uint32_t old);
void e1000_phy_reset(struct e1000_state *s);

/* e1000_tx.c */
void e1000_tx_expired(struct device *d);  /* the timer tx_due */
void e1000_tx_schedule(struct device *d); /* arm it if there is something to send */

/* e1000_rx.c */
bool e1000_rx_ready(const struct device *d); /* there is room for a frame */
struct e1000_frame {
    const struct net_offload *o;
    const uint8_t *bytes;
    size_t n;
};
void e1000_rx(struct device *d, void *frame); /* struct e1000_frame; within an event */

#endif
