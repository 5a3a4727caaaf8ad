/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private - the supervisor's one struct, and what its files do for each other.
 *
 *     supervisor.c  start, signals, time, the end
 *     worker.c      a worker's process: start, messages to it, death, the next one
 *     message.c     what workers say
 *     disks.c       images for the PV worker, and what both workers share to agree on a disk
 *     upgrade.c     another build takes over, step by step
 *     replace.c     the supervisor becomes another build of itself
 *     control.c     /run/hvmdm/DOMID.supervisor
 *     held, spawn, text, hypercall: what these stand on
 *
 * Everything runs from one event loop, and nothing here waits: a child's end comes as a signal, an
 * answer as a message, and what must not take forever has a deadline (supervisor_expired()).
 */
#ifndef TOOLSTACK_SUPERVISOR_PRIVATE_H
#define TOOLSTACK_SUPERVISOR_PRIVATE_H

#include <sys/types.h>

#include "hw/core/log.h"
#include "ioreq/loop.h"
#include "toolstack/supervised.h"
#include "toolstack/supervisor/held.h"
#include "toolstack/supervisor/spawn.h"
#include "toolstack/supervisor/supervisor.h"
#include "toolstack/supervisor/text.h"
#include "toolstack/xenstore.h"

#define NEVER  UINT64_MAX
#define MS(ms) ((uint64_t)(ms)*1000000u)

enum {
    QUIT_MS = 700, /* for a worker to end by itself */
    END_MS = 900,  /* then we go, whatever is left */
    PATIENCE_MS = 10000,
    START_AGAIN_MS = 1000, /* after a start that the host refused (no memory, no processes) */
    CRASH_LOOP = 5,        /* deaths in a row without an event completed in between */
    LIVED_MS = 10000,    /* whoever served that long is in no loop, even if nobody wanted a thing */
    BREATH_MS = 500,     /* before the third start in a row; twice that before the next */
    OFTEN_MS = 1000,     /* before each start of one that the guest makes die often */
    SEATS = 3,           /* device model, PV worker, successor of the first */
    RECORDS_AT_ONCE = 8, /* crash records of a worker; then one each */
    RECORD_EVERY_MS = 60000,
    INHERITED = 16, /* descriptors that libxl may give the first device model */
    CONTROL_CLIENTS = 2,
    CONTROL_LINE = PROGRAM_PATH + 256,
};

struct supervisor;
struct broker;
struct record;

/* A place for a worker. Processes come and go; what is held for them stays. */
struct worker {
    struct supervisor *s;
    enum supervised_role role;
    pid_t pid;                 /* 0: none runs */
    struct loop_source socket; /* fd -1: closed */
    int vitals;                /* memfd with struct supervised_vitals; -1: nothing ever ran here */
    struct held held;
    struct broker *broker; /* PV worker: its door to xenstore */
    struct record *record; /* of the last death, until there is time to write it */
    uint32_t generation;   /* of the one that runs, or ran last */
    bool ready;
    bool handed_over;           /* the guest is somebody else's now */
    bool clean;                 /* the last one ended by itself, with status 0 */
    bool given_up;              /* a crash loop: no more starts */
    uint64_t kill_at, start_at; /* NEVER, or when that is due */
    uint64_t ready_at;          /* while `ready` */
    uint32_t deaths, row;       /* in all; without progress */
    uint64_t events;            /* at the last death */
    uint32_t last_death;        /* enum supervised_death */
    struct guest_log_limit log; /* whoever makes it die often must not fill the disk */
    uint32_t records;           /* crash records so far */
    uint64_t recorded_at;
    char said[SUPERVISED_TEXT]; /* its last words so far */
};

enum upgrade_state {
    UPGRADE_NONE,
    UPGRADE_CHECK,     /* the new build looks at the arena; the guest is served */
    UPGRADE_HAND_OVER, /* the old one lets go */
    UPGRADE_START,     /* the new one comes up, the old one waits */
    UPGRADE_BACK,      /* the new one is being ended; then the old one goes on */
    UPGRADE_SWAP,      /* the new one serves, the old one ends */
    UPGRADE_SELF,      /* a new supervisor is being tried */
    UPGRADE_PV,        /* the old PV worker lets go and ends */
};

struct upgrade {
    enum upgrade_state state;
    struct program model; /* the new one, until it is ours */
    struct program self;
    pid_t checker; /* a trial run, 0: none */
    int words;     /* what it says, or -1 */
    int memfd;     /* state for the new supervisor, or -1 */
    uint32_t attempt;
    uint32_t death; /* how the new one ended, if it did not come up */
    uint64_t deadline;
    char why[512]; /* it failed, or the supervisor stays what it is */
};

struct control_client {
    struct supervisor *s;
    struct loop_source source; /* fd -1: free */
    bool waits;                /* for the end of an upgrade */
    uint64_t heard;
    size_t len;
    char line[CONTROL_LINE];
};

/* The name of a socket. */
struct control_file {
    char path[108];
    uint64_t dev, ino; /* to know it again; 0: none */
};

struct control {
    struct loop_source source; /* listens; fd -1: not open */
    struct control_file own;
    struct control_file model; /* a device model that is confined cannot remove it itself */
    uint64_t clock;
    struct control_client clients[CONTROL_CLIENTS];
};

struct supervisor {
    const struct supervisor_options *o;
    struct loop *loop;
    struct loop_hooks hooks;
    struct loop_source signals;
    struct xenstore *xs;
    struct xenstore_watch watch;
    uint64_t xenstore_at;   /* it was lost: connect again */
    char node[64];          /* of the domain, in xenstore; libxl removes it first */
    bool noted;             /* the node has been there */
    struct program program; /* the device model that runs */
    struct worker seats[SEATS];
    /* Which seat is whose. The last is free most times. Where there is no device model, the PV
     * worker has its seat, and the second one is free. */
    struct worker *model, *pv, *successor;
    struct upgrade upgrade;
    struct control control;
    int inherited[INHERITED];
    unsigned ninherited;
    uint32_t started[SUPERVISED_ROLES]; /* processes so far */
    bool served;                        /* the first device model has said that it is ready */
    uint32_t uid, gid;                  /* as it was then; 0: root, or not yet known */
    bool forsaken;                      /* the toolstack has given the domain up */
    bool ending;
    uint64_t end_at;
    int status; /* our exit status */
};

/* supervisor.c */
/* The first device model is confined, has seen nothing of the guest yet, and is this user. */
void supervisor_served(struct supervisor *s, uint32_t uid, uint32_t gid);
void supervisor_end(struct supervisor *s, int status); /* twice is once */
/* A worker died this way (enum supervised_death): is there a domain that needs another one? */
bool supervisor_domain_gone(struct supervisor *s, uint32_t death);

/* worker.c */
void worker_init(struct worker *w, struct supervisor *s, enum supervised_role role);
/* `death`: how the predecessor ended. 0 or -errno, said in the log already. */
MUST_CHECK int worker_start(struct worker *w, const struct program *program, uint32_t death);
void worker_restart(struct worker *w, uint32_t death); /* a failure is tried again after a while */
MUST_CHECK int worker_adopt(struct worker *w, int socket); /* its process runs already */
void worker_tell(struct worker *w, enum supervised_type type, uint32_t value, const char *name,
                 int fd); /* a worker that does not read is killed */
/* Make `to`, which is free, the place of a successor: what is held, and a copy of the vitals. */
MUST_CHECK int worker_copy(struct worker *to, const struct worker *from);
void worker_quit(struct worker *w); /* and kill it if it does not */
void worker_kill(struct worker *w);
void worker_ready(struct worker *w, uint32_t uid, uint32_t gid);
void worker_ended(struct worker *w, int wait_status);
/* It died: count, record, start the next one if there may be one. */
void worker_died(struct worker *w, int wait_status);
void worker_vitals(const struct worker *w, struct supervised_vitals *v); /* a checked copy */
void worker_record(struct worker *w, int wait_status); /* if it died by its own fault */
void worker_move_counts(struct worker *to, const struct worker *from);
void worker_free(struct worker *w);
const char *worker_name(const struct worker *w);
bool worker_is_main(const struct worker *w); /* the domain cannot be without it */
uint32_t worker_death(int wait_status);      /* enum supervised_death; 0: ended with status 0 */
void worker_tell_death(uint32_t death, int wait_status, char *to, size_t size);

/* The same with all that a message has. */
void worker_send(struct worker *w, const struct supervised_message *m, int fd);

/* disks.c */
/* Page and eventfds, held for device model and PV worker. 0 or -errno. */
MUST_CHECK int disks_prepare(struct supervisor *s);
/* The PV worker is not started again. */
void disks_give_up(struct supervisor *s);
/* Answers what the PV worker asked: OPEN_DISK for `devid`. */
void disks_open(struct worker *w, uint32_t devid, uint32_t flags);

/* message.c. Reads one message from the worker. False: nothing more to read. */
bool message_receive(struct worker *w);

/* control.c */
MUST_CHECK int control_open(struct supervisor *s, struct error *e);
MUST_CHECK int control_adopt(struct supervisor *s, int fd, int waiting_client);
void control_close(struct supervisor *s);
/* The device model has its own socket there, DOMID.ctl: its name goes with ours. */
void control_note_model(struct supervisor *s);
/* Answer whoever waits for the upgrade: what went wrong, or NULL and what became of ourselves. */
void control_upgraded(struct supervisor *s, const char *wrong, const char *self);

/* upgrade.c */
MUST_CHECK int upgrade_begin(struct supervisor *s, const char *path, struct error *e);
void upgrade_handed_over(struct worker *w, uint32_t attempt);
void upgrade_ready(struct worker *w);
/* A child ended. True: that is all, it was the upgrade's business. */
bool upgrade_worker_ended(struct worker *w, int wait_status);
bool upgrade_checker_ended(struct supervisor *s, pid_t pid, int wait_status);
void upgrade_expired(struct supervisor *s);
void upgrade_abort(struct supervisor *s); /* without a word */

/* replace.c */
#define REPLACE_ENV "HVMDM_SUPERVISOR_STATE" /* descriptor of the state, for the new one */
MUST_CHECK int replace_write(struct supervisor *s, int memfd);
MUST_CHECK int replace_self(struct supervisor *s); /* returns only if it fails */
MUST_CHECK int replace_read(struct supervisor *s, int memfd, struct error *e);
MUST_CHECK int replace_check(int memfd, struct error *e);

#endif
