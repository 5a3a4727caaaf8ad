/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervised - the contract between the supervisor and the processes it starts, and the side of
 * those processes (the workers).
 *
 * A worker inherits $HVMDM_SUPERVISED, for example
 *     role=model gen=3 death=11 sock=3 user=100:100 fds=vitals:4,arena:5,disk0:6
 * gen counts starts from 0, death says how the predecessor ended (enum supervised_death), sock is a
 * SOCK_SEQPACKET socket that carries struct supervised_message and, with some, one descriptor; user
 * is who the first device model was when it got ready (its uid and gid, not there if it was root);
 * fds are what the supervisor holds for this role, names of 1 to 31 characters [a-z0-9_.-].
 *
 * The end of the socket means that the supervisor is gone: the worker ends within a second and
 * destroys what must not outlive it.
 *
 * All functions take NULL for "not supervised" and then do nothing, with success.
 */
#ifndef TOOLSTACK_SUPERVISED_H
#define TOOLSTACK_SUPERVISED_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

#define SUPERVISED_ENV "HVMDM_SUPERVISED"

enum {
    SUPERVISED_NAME = 32,  /* with the NUL */
    SUPERVISED_HELD = 128, /* descriptors per role */
    SUPERVISED_TEXT = 212,
    SUPERVISED_VITALS_BYTES = 4096,
};

enum supervised_role { SUPERVISED_MODEL, SUPERVISED_PV, SUPERVISED_ROLES };

/* How the predecessor ended: 0 there was none, 1 to 64 the signal, or one of these. */
enum supervised_death {
    SUPERVISED_WATCHDOG = 256, /* CPU time without progress: SIGXCPU, SIGVTALRM or SIGPROF */
    SUPERVISED_UPGRADE = 257,  /* it handed over; it may still be asked back */
    SUPERVISED_EXIT = 258,     /* exit status other than 0 */
};

/* What a worker whose supervisor died gets; see supervised_bind_life(). */
#define SUPERVISED_LIFE_SIGNAL SIGUSR2

enum supervised_type {
    /* worker to supervisor */
    SUPERVISED_HOLD = 1,    /* name, 1 descriptor: keep it; the same name replaces */
    SUPERVISED_DROP,        /* name; answered by ACK */
    SUPERVISED_READY,       /* the guest is being served */
    SUPERVISED_SLEEP_STATE, /* value: set the domain's ACPI sleep state */
    SUPERVISED_XENSTORE,    /* answered by XENSTORE_FD; PV worker only */
    SUPERVISED_WANT_PV,     /* start the PV worker if it does not run; model only */
    SUPERVISED_HANDED_OVER, /* value as in HAND_OVER: quiescent, nothing is written any more */
    SUPERVISED_SAY,         /* text: why it is about to end, for log and status */
    SUPERVISED_OPEN_DISK,   /* value: devid, more: flags; answered by ACK; PV worker only */
    /* supervisor to worker */
    SUPERVISED_ACK = 64,    /* name; value 0 or an errno; of OPEN_DISK: more, text, 1 descriptor */
    SUPERVISED_QUIT,        /* end cleanly, within 700 ms */
    SUPERVISED_HAND_OVER,   /* let go of the server, answer HANDED_OVER; value: attempt */
    SUPERVISED_RESUME,      /* the successor did not come up: take it back */
    SUPERVISED_XENSTORE_FD, /* 1 descriptor, or value: an errno */
};

/* `more` of OPEN_DISK, and of its answer. */
enum {
    SUPERVISED_DISK_READ_ONLY = 1u << 0, /* asked: it need not be written */
    SUPERVISED_DISK_LAST = 1u << 1,      /* asked: if it is in use now, by whom? */
    SUPERVISED_DISK_DIRECT = 1u << 8,    /* answer: past the host's cache */
    SUPERVISED_DISK_TWIN = 0xff,         /* answer: 1 + place of the emulated disk of this image */
};

/* What is held for both workers, to agree on who has a disk (hw/xen/handover.h). */
#define SUPERVISED_HANDOVER   "handover"   /* the page */
#define SUPERVISED_WAKE_MODEL "wake_model" /* a pipe: it wakes a loop that sleeps in a read */
#define SUPERVISED_WAKE_PV    "wake_pv"    /* an eventfd */

struct supervised_message {
    uint32_t type, value, more;
    char name[SUPERVISED_NAME];
    char text[SUPERVISED_TEXT];
};
static_assert(sizeof(struct supervised_message) == 256, "as on the socket");

/* Shared page, written by the worker; to the supervisor it is untrusted numbers and bytes. */
struct supervised_vitals {
    uint64_t events; /* completed since ever; deaths without one in between are a crash loop */
    uint32_t phase;  /* the worker's own meaning */
    uint32_t server; /* id of the ioreq server + 1, 0: none */
    char doing[64];  /* for the log line of a death; empty: idle */
    char last_words[2048]; /* written by the crash handler: text with NUL */
    uint32_t quiet; /* written by the supervisor: the log has had enough of starts and crashes */
    /* written by the crash handler: device and register of the latest requests, a line each, the
     * latest first, as many as there is room for */
    char registers[1900];
};
static_assert(sizeof(struct supervised_vitals) <= SUPERVISED_VITALS_BYTES, "one page");

struct loop;
struct supervised;
struct ucred; /* sys/socket.h */

/* Called from the event loop. NULL members are skipped; without `quit` or `gone` the loop stops.
 * hand_over may come again when it was followed already, resume when nothing was handed over. */
struct supervised_calls {
    void (*quit)(void *opaque);
    void (*hand_over)(void *opaque);
    void (*resume)(void *opaque);
    void (*gone)(void *opaque); /* end within a second */
    void *opaque;
};

/* Read the environment (and remove it from there). *out NULL and 0: not supervised. -errno with a
 * sentence: there is something, but it is not what a supervisor writes. */
MUST_CHECK int supervised_open(struct supervised **out, struct error *e);
void supervised_close(struct supervised *s); /* and what was not taken */

enum supervised_role supervised_role(const struct supervised *s); /* model if not supervised */
uint32_t supervised_generation(const struct supervised *s);
uint32_t supervised_death(const struct supervised *s);
/* Whom to become: who the first device model was, neither number 0. False: it has yet to be found
 * out. */
bool supervised_user(const struct supervised *s, uint32_t *uid, uint32_t *gid);
volatile struct supervised_vitals *supervised_vitals(struct supervised *s); /* never NULL */

/* The descriptor that the supervisor holds under this name, the caller's from now on (close-on-exec
 * set), or -1. Each can be taken once; the supervisor keeps its own. */
int supervised_take(struct supervised *s, const char *name);
/* The name of the next one of these that begins with this and has not been taken. */
bool supervised_next(const struct supervised *s, const char *prefix, char name[SUPERVISED_NAME]);
MUST_CHECK int supervised_hold(struct supervised *s, const char *name, int fd);
MUST_CHECK int supervised_drop(struct supervised *s, const char *name); /* waits, up to 1 s */

MUST_CHECK int supervised_ready(struct supervised *s);
MUST_CHECK int supervised_sleep_state(struct supervised *s, uint32_t state);
MUST_CHECK int supervised_want_pv(struct supervised *s);
MUST_CHECK int supervised_handed_over(struct supervised *s);
void supervised_say(struct supervised *s, const char *text);

/* A filtered connection to xenstore that speaks its wire protocol, or -errno. Waits, up to 5 s. */
MUST_CHECK int supervised_xenstore(struct supervised *s);

struct supervised_disk {
    int fd;                     /* -1: a drive without a medium */
    bool direct;                /* past the host's cache */
    int twin;                   /* place of the emulated disk that has the same image, or -1 */
    char path[SUPERVISED_TEXT]; /* for messages and QMP; may be cut. Of an error: a sentence */
};
/* The image of backend/qdisk/N/DEVID as xenstore names it now, locked; the supervisor holds it as
 * "qdiskDEVID" until supervised_drop(). -EAGAIN: somebody else has it locked; with the flag
 * SUPERVISED_DISK_LAST that is -EBUSY. Waits, up to 5 s. */
MUST_CHECK int supervised_open_disk(struct supervised *s, uint32_t devid, uint32_t flags,
                                    struct supervised_disk *out);
void supervised_disk_name(char name[SUPERVISED_NAME], uint32_t devid);

/* Serve the socket from this loop. `calls` is copied. */
MUST_CHECK int supervised_listen(struct supervised *s, struct loop *loop,
                                 const struct supervised_calls *calls);

/* Tie our life to the supervisor's. To be called once early and again after each change of ids,
 * which unties it: when the supervisor dies, a signal handler gives the loop 700 ms to see the
 * end of the socket, then the kernel ends us. -ESRCH: it is gone already. */
MUST_CHECK int supervised_bind_life(struct supervised *s);

/* One message, both sides. `fd` -1: none. 0 or -errno. */
MUST_CHECK int supervised_send(int sock, const struct supervised_message *m, int fd, int flags);
/* 1: a message (text and name are terminated; *fd the descriptor or -1; *who the sender, verified
 * by the kernel, where SO_PASSCRED is on, else all 0); 0: the end; -errno. -EBADMSG: not a message
 * of ours. `who` may be NULL. */
MUST_CHECK int supervised_receive(int sock, struct supervised_message *m, int *fd,
                                  struct ucred *who, int flags);
bool supervised_name_ok(const char *name);
/* "UID:GID", decimal, and nothing else; (uid_t)-1 is nobody's number. */
bool supervised_read_ids(const char *text, uint32_t *uid, uint32_t *gid);

#endif
