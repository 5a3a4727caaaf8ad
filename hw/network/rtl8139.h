/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtl8139 - what the files of the RTL8139C+ share. Nobody else includes this.
 *
 * rtl8139.c registers and the device, rtl8139_tx.c and rtl8139_rx.c both ways of frames,
 * rtl8139_frame.c checksums and headers, rtl8139_eeprom.c the 93C46 behind 9346CR.
 */
#ifndef HW_NETWORK_RTL8139_H
#define HW_NETWORK_RTL8139_H

#include "hw/core/device.h"
#include "hw/core/pci.h"
#include "hw/core/publish.h"
#include "net/net.h"

/* --- register bits, by the names of the datasheet --- */

enum { CR_TE = 0x04, CR_RE = 0x08, CR_RST = 0x10, CR_BUFE = 0x01 };
enum {
    ISR_ROK = 1 << 0,
    ISR_RER = 1 << 1,
    ISR_TOK = 1 << 2,
    ISR_TER = 1 << 3,
    ISR_RXOVW = 1 << 4, /* C+ mode: RDU, no descriptor */
    ISR_LINKCHG = 1 << 5,
    ISR_FOVW = 1 << 6,
    ISR_TDU = 1 << 7,
    ISR_SWINT = 1 << 8,
    ISR_TIMEOUT = 1 << 14,
    ISR_SERR = 1 << 15,
    ISR_MASK = 0xe1ff
};
enum {
    TSD_SIZE = 0x1fff,
    TSD_OWN = 1 << 13, /* the host's: the DMA has ended, or never began */
    TSD_TUN = 1 << 14,
    TSD_TOK = 1 << 15,
    TSD_ERTXTH = 0x3f << 16,
    TSD_TABT = 1 << 30
};
enum { DTCCR_CMD = 1 << 3, DTCCR_ADDRESS = ~0x3f };
enum { TCR_LBK = 3 << 17, TCR_RW = 0x030f07f0, TCR_HWVERID = 0x74800000 };
enum {
    RCR_AAP = 1 << 0,
    RCR_APM = 1 << 1,
    RCR_AM = 1 << 2,
    RCR_AB = 1 << 3,
    RCR_WRAP = 1 << 7,
    RCR_RBLEN_SHIFT = 11,
    RCR_RW = 0x0f03ffbf
};
enum {
    EECR_EEDO = 1 << 0,
    EECR_EEDI = 1 << 1,
    EECR_EESK = 1 << 2,
    EECR_EECS = 1 << 3,
    EECR_EEM = 3 << 6,
    EECR_AUTOLOAD = 1 << 6,
    EECR_PROGRAM = 2 << 6,
    EECR_CONFIG = 3 << 6
};
enum { TPPOLL_FSWINT = 1 << 0, TPPOLL_NPQ = 1 << 6, TPPOLL_HPQ = 1 << 7 };
enum { CPCR_CPTX = 1 << 0, CPCR_CPRX = 1 << 1, CPCR_RXCHKSUM = 1 << 5, CPCR_RXVLAN = 1 << 6 };

/* --- C+ descriptors --- */

struct rtl8139_desc {
    uint8_t opts1[4], opts2[4], address[8];
};
static_assert(sizeof(struct rtl8139_desc) == 16, "descriptor as the guest lays it out");

#define DESC_OWN (UINT32_C(1) << 31)
enum { DESC_EOR = 1 << 30, DESC_FS = 1 << 29, DESC_LS = 1 << 28 };
enum {
    DESC_RING = 64,   /* entries of a ring at most */
    RING_TX = 0,      /* TNPDS */
    RING_TX_HIGH = 1, /* THPDS */
    RING_RX = 2,      /* RDSAR */
    RINGS = 3
};

enum { ETHER_HEADER = 14, ETHER_MIN = 60, VLAN_TAG = 4, FCS = 4, ETHERTYPE_VLAN = 0x8100 };
enum { RX_FRAME_MAX = 4096 - FCS }; /* a longer one trips the receive watchdog */

enum { EE_WORDS = 64 };
enum ee_state { EE_IDLE, EE_COMMAND, EE_READ, EE_DATA, EE_DONE };

/* TSD and TSAD are the same registers as DTCCR (10h), TNPDS (20h) and THPDS (28h) of C+ mode. */
#define RTL8139_STATE(F, A, S)                                                                     \
    F(S, uint32_t, IDR0, ANY, 1)                                                                   \
    F(S, uint32_t, IDR4, 0xffff, 1)                                                                \
    F(S, uint32_t, MAR0, ANY, 1)                                                                   \
    F(S, uint32_t, MAR4, ANY, 1)                                                                   \
    A(S, uint32_t, TSD, 4, ANY, 1)                                                                 \
    A(S, uint32_t, TSAD, 4, ANY, 1)                                                                \
    F(S, uint32_t, RBSTART, ANY, 1)                                                                \
    F(S, uint8_t, CR, CR_RE | CR_TE, 1)                                                            \
    F(S, uint16_t, CAPR, ANY, 1)                                                                   \
    F(S, uint16_t, CBR, ANY, 1)                                                                    \
    F(S, uint16_t, IMR, ISR_MASK, 1)                                                               \
    F(S, uint16_t, ISR, ISR_MASK, 1)                                                               \
    F(S, uint32_t, TCR, ANY, 1)                                                                    \
    F(S, uint32_t, RCR, RCR_RW, 1)                                                                 \
    F(S, uint32_t, MPC, 0xffffff, 1)                                                               \
    F(S, uint8_t, EECR, 0xce, 1) /* 9346CR */                                                      \
    F(S, uint8_t, CONFIG1, ANY, 1)                                                                 \
    F(S, uint8_t, CONFIG3, ANY, 1)                                                                 \
    F(S, uint8_t, CONFIG4, ANY, 1)                                                                 \
    F(S, uint8_t, CONFIG5, ANY, 1)                                                                 \
    F(S, uint32_t, TIMERINT, ANY, 1)                                                               \
    F(S, uint8_t, MSR, 0x80, 1)                                                                    \
    F(S, uint8_t, HLTCLK, ANY, 1)                                                                  \
    F(S, uint16_t, MULINT, ANY, 1)                                                                 \
    F(S, uint16_t, BMCR, ANY, 1)                                                                   \
    F(S, uint16_t, ANAR, ANY, 1)                                                                   \
    F(S, uint16_t, ANLPAR, ANY, 1)                                                                 \
    F(S, uint16_t, TDOKLADDR, ANY, 1)                                                              \
    F(S, uint8_t, TPPOLL, TPPOLL_NPQ | TPPOLL_HPQ, 1)                                              \
    F(S, uint16_t, CPCR, ANY, 1)                                                                   \
    A(S, uint32_t, RDSAR, 2, ANY, 1)                                                               \
    F(S, uint8_t, ETTHR, ANY, 1)                                                                   \
    F(S, uint8_t, link, 1, 1)                       /* the cable, as the guest was told */         \
    F(S, uint8_t, tsd_at, 3, 1)                     /* the descriptor of C mode that is next */    \
    A(S, uint8_t, ring_at, RINGS, DESC_RING - 1, 1) /* the same of C+ mode */                      \
    A(S, uint8_t, tx_left, 2, DESC_RING, 1)         /* frames until the next TPPoll */             \
    F(S, uint64_t, tx_deadline, ANY, 1)                                                            \
    F(S, uint64_t, tctr_base, ANY, 1) /* guest ns when TCTR was 0 */                               \
    F(S, uint64_t, timer_deadline, ANY, 1)                                                         \
    F(S, uint64_t, tally_tx_ok, ANY, 1)                                                            \
    F(S, uint64_t, tally_rx_ok, ANY, 1)                                                            \
    F(S, uint64_t, tally_tx_err, ANY, 1)                                                           \
    F(S, uint32_t, tally_rx_err, ANY, 1)                                                           \
    F(S, uint16_t, tally_missed, ANY, 1)                                                           \
    F(S, uint64_t, tally_rx_phy, ANY, 1)                                                           \
    F(S, uint64_t, tally_rx_brd, ANY, 1)                                                           \
    F(S, uint32_t, tally_rx_mul, ANY, 1)                                                           \
    F(S, uint16_t, tally_tx_abt, ANY, 1)                                                           \
    A(S, uint16_t, ee_word, EE_WORDS, ANY, 1)                                                      \
    F(S, uint8_t, ee_state, EE_DONE, 1)                                                            \
    F(S, uint8_t, ee_op, 3, 1)                                                                     \
    F(S, uint8_t, ee_at, EE_WORDS - 1, 1)                                                          \
    F(S, uint8_t, ee_bits, 15, 1)                                                                  \
    F(S, uint16_t, ee_shift, ANY, 1)                                                               \
    F(S, uint8_t, ee_do, 1, 1)                                                                     \
    F(S, uint8_t, ee_enabled, 1, 1) /* writing, by EWEN */
STATE_DEFINE(rtl8139, RTL8139_STATE);

/* The descriptors of one frame, as they were read. */
struct rtl8139_chain {
    unsigned n;
    unsigned next; /* place in the ring behind them */
    gpa_t at[DESC_RING];
    uint32_t opts1[DESC_RING];
    uint64_t address[DESC_RING];
};

struct rtl8139 {
    struct device dev;
    struct net_user user;
    bool host_full; /* net_send() was false; user.writable tells when to go on */
    bool starved;   /* ready() was false: the host waits for a kick */
    /* Contents are of one event; a loop back uses both sides. */
    struct rtl8139_chain tx_chain, rx_chain;
    /* Room in front of a frame for a VLAN tag or C mode's header. */
    uint8_t tx[VLAN_TAG + NET_FRAME_MAX];
    uint8_t rx[4 + RX_FRAME_MAX + FCS];
};

/* --- rtl8139.c --- */

/* A transfer failed on the bus: SERR, and the bit of the PCI status register. */
void rtl8139_bus_error(struct device *d);
/* Read entry `place` of ring `ring`, and its address. 0 or -EFAULT. */
MUST_CHECK int rtl8139_fetch(struct device *d, unsigned ring, unsigned place, gpa_t *at,
                             struct rtl8139_desc *desc);
/* The place behind an entry. */
static inline unsigned rtl8139_next(unsigned place, uint32_t opts1)
{
    return (opts1 & DESC_EOR) || place + 1 >= DESC_RING ? 0 : place + 1;
}

/* --- rtl8139_tx.c --- */

bool rtl8139_tx_pending(const struct rtl8139_state *s);
void rtl8139_tx_expired(struct device *d); /* sends one frame */
void rtl8139_tx_poll(struct device *d);    /* TPPoll was written */

/* --- rtl8139_rx.c --- */

/* A frame from the host, or, looped back, from the transmitter; within an event. */
void rtl8139_rx_frame(struct device *d, const struct net_offload *o, const uint8_t *frame,
                      size_t n);
/* Bytes of the receive buffer of C mode. */
static inline uint32_t rtl8139_rx_size(const struct rtl8139_state *s)
{
    return UINT32_C(8192) << (s->RCR >> RCR_RBLEN_SHIFT & 3);
}
/* Where in it the driver reads. */
static inline uint32_t rtl8139_rx_read_at(const struct rtl8139_state *s)
{
    return (s->CAPR + 16u) % rtl8139_rx_size(s);
}

/* --- rtl8139_frame.c --- */

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

/* Where the parts of an IPv4 packet are, all within the frame. */
struct ipv4 {
    size_t l3, l4, end;
    uint8_t proto;
    bool fragment;
};

/* False: no IPv4 packet that fits the frame. `whole`: it ends with the frame, whatever its length
 * field says. */
bool ipv4_parse(const uint8_t *frame, size_t n, bool whole, struct ipv4 *ip);
bool ipv4_header_good(const uint8_t *frame, const struct ipv4 *ip);
/* The sum of a TCP segment or UDP datagram is right, or UDP's is absent. */
bool ipv4_payload_good(const uint8_t *frame, const struct ipv4 *ip);
/* Finish what `o` leaves to do, in place; nothing where it does not fit the frame. */
void frame_complete(uint8_t *frame, size_t n, const struct net_offload *o);
/* What IPCS, UDPCS and TCPCS ask for: the header's sum is made, the other left to the host in *o.
 * Nothing where the frame is not what they are for. */
void frame_checksums(uint8_t *frame, size_t n, uint32_t opts1, struct net_offload *o);
/* Large send. False: the frame cannot be cut into segments of mss bytes. */
bool frame_large_send(uint8_t *frame, size_t n, unsigned mss, struct net_offload *o);
enum { DESC_TCPCS = 1 << 16, DESC_UDPCS = 1 << 17, DESC_IPCS = 1 << 18 };

/* --- rtl8139_eeprom.c --- */

void rtl8139_eeprom_reset(struct device *d);
void rtl8139_eeprom_load(struct rtl8139_state *s); /* the registers that come from it */
void rtl8139_eeprom_pins(struct device *d, uint32_t old);

#endif
