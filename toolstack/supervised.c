/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervised - the worker's side of the contract with the supervisor. See supervised.h.
 *
 * Messages that come while an answer is awaited are noted and told from the loop later, so that a
 * caller of supervised_drop() is never re-entered.
 * Absent: more than one request in flight (each waits for its answer).
 */
#include "toolstack/supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ioreq/loop.h"
#include "ioreq/quick.h"

enum {
    SUPERVISED_ACK_MS = 1000,
    SUPERVISED_XENSTORE_MS = 5000,
    SUPERVISED_LIFE_MS = 700, /* for a clean end after the supervisor died */
    SUPERVISED_CONTROL = 128, /* bytes of control data: credentials and some descriptors */
};

/* What the loop has still to tell. */
enum { TELL_QUIT = 1, TELL_HAND_OVER = 2, TELL_RESUME = 4, TELL_GONE = 8 };

struct supervised_fd {
    char name[SUPERVISED_NAME];
    int fd; /* -1: taken */
};

struct supervised {
    enum supervised_role role;
    uint32_t generation, death;
    uint32_t uid, gid; /* 0: not known yet */
    uint32_t attempt;  /* number of the last HAND_OVER */
    pid_t supervisor;
    struct loop *loop;
    struct loop_source source; /* the socket; fd -1: gone */
    struct loop_work tell;
    unsigned telling;
    struct supervised_calls calls;
    volatile struct supervised_vitals *vitals;
    struct supervised_fd fds[SUPERVISED_HELD + 1];
    unsigned nfds;
};

/* ---- messages ------------------------------------------------------------------------------- */

bool supervised_name_ok(const char *name)
{
    size_t n = strnlen(name, SUPERVISED_NAME);

    return n && n < SUPERVISED_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}

int supervised_send(int sock, const struct supervised_message *m, int fd, int flags)
{
    struct iovec part = { (void *)(uintptr_t)m, sizeof *m };
    struct msghdr h = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control;

    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        h.msg_control = control.bytes;
        h.msg_controllen = sizeof control.bytes;
        control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    while (sendmsg(sock, &h, flags | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Takes the first descriptor, closes what else came. */
static void open_control(struct msghdr *h, int *fd, struct ucred *who)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS && bytes >= sizeof *who)
            memcpy(who, CMSG_DATA(c), sizeof *who);
        for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i + sizeof(int) <= bytes;
             i += sizeof(int)) {
            int one;

            memcpy(&one, CMSG_DATA(c) + i, sizeof one);
            if (*fd < 0)
                *fd = one;
            else
                close(one);
        }
    }
}

int supervised_receive(int sock, struct supervised_message *m, int *fd, struct ucred *who,
                       int flags)
{
    struct iovec part = { m, sizeof *m };
    union {
        struct cmsghdr head;
        char bytes[SUPERVISED_CONTROL];
    } control;
    struct msghdr h = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };
    struct ucred nobody;
    ssize_t n;

    *fd = -1;
    who = who ? who : &nobody;
    *who = (struct ucred){ 0 };
    do
        n = recvmsg(sock, &h, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    open_control(&h, fd, who);
    if (n == sizeof *m && !(h.msg_flags & MSG_TRUNC)) {
        m->name[sizeof m->name - 1] = '\0';
        m->text[sizeof m->text - 1] = '\0';
        return 1;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return n ? -EBADMSG : 0;
}

/* ---- starting ------------------------------------------------------------------------------- */

static int wrong(struct error *e, const char *what)
{
    return error_set(e, -EINVAL, "$" SUPERVISED_ENV " is not what a supervisor writes: %s", what);
}

static bool to_number(const char *text, uint32_t max, uint32_t *out)
{
    unsigned long v;

    if (!*text || text[strspn(text, "0123456789")] || strlen(text) > 9)
        return false;
    v = strtoul(text, NULL, 10);
    *out = (uint32_t)v;
    return v <= max;
}

static bool read_id(const char *text, char end, uint32_t *out)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long long v;

    if (!digits || digits > 10 || text[digits] != end)
        return false;
    v = strtoull(text, NULL, 10);
    *out = (uint32_t)v;
    return v < UINT32_MAX;
}

bool supervised_read_ids(const char *text, uint32_t *uid, uint32_t *gid)
{
    const char *colon = strchr(text, ':');

    return colon && read_id(text, ':', uid) && read_id(colon + 1, '\0', gid);
}

static int parse_fds(struct supervised *s, char *list, struct error *e)
{
    char *place, *one;

    for (one = strtok_r(list, ",", &place); one; one = strtok_r(NULL, ",", &place)) {
        char *colon = strchr(one, ':');
        struct supervised_fd *f = &s->fds[s->nfds];
        uint32_t fd;

        if (!colon || s->nfds == ARRAY_SIZE(s->fds))
            return wrong(e, "its list of descriptors");
        *colon = '\0';
        if (!supervised_name_ok(one) || !to_number(colon + 1, INT32_MAX, &fd) ||
            fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
            return wrong(e, "a descriptor that it names");
        memcpy(f->name, one, strlen(one) + 1);
        f->fd = (int)fd;
        s->nfds++;
    }
    return 0;
}

static int parse_word(struct supervised *s, char *key, struct error *e)
{
    char *value = strchr(key, '=');
    uint32_t n;

    if (!value)
        return wrong(e, "a word without a value");
    *value++ = '\0';
    if (!strcmp(key, "role")) {
        if (strcmp(value, "model") && strcmp(value, "pv"))
            return wrong(e, "its role");
        s->role = strcmp(value, "pv") ? SUPERVISED_MODEL : SUPERVISED_PV;
    } else if (!strcmp(key, "gen")) {
        return to_number(value, UINT32_MAX, &s->generation) ? 0 : wrong(e, "its generation");
    } else if (!strcmp(key, "death")) {
        return to_number(value, SUPERVISED_EXIT, &s->death) ? 0 : wrong(e, "its death");
    } else if (!strcmp(key, "sock")) {
        if (!to_number(value, INT32_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
            return wrong(e, "its socket");
        s->source.fd = (int)n;
    } else if (!strcmp(key, "user")) {
        return supervised_read_ids(value, &s->uid, &s->gid) && s->uid && s->gid
                   ? 0
                   : wrong(e, "its user");
    } else if (!strcmp(key, "fds")) {
        return parse_fds(s, value, e);
    } else {
        return wrong(e, "a word that we do not know");
    }
    return 0;
}

static int map_vitals(struct supervised *s)
{
    int fd = supervised_take(s, "vitals");
    void *at = mmap(NULL, SUPERVISED_VITALS_BYTES, PROT_READ | PROT_WRITE,
                    fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    int err = -errno;

    if (fd >= 0)
        close(fd);
    if (at == MAP_FAILED)
        return err;
    s->vitals = at;
    return 0;
}

int supervised_open(struct supervised **out, struct error *e)
{
    const char *env = getenv(SUPERVISED_ENV);
    char *text, *place, *word;
    struct supervised *s;
    int ret = 0;

    *out = NULL;
    if (!env)
        return 0;
    text = strdup(env);
    s = calloc(1, sizeof *s);
    if (!text || !s) {
        ret = -ENOMEM;
        error_set(e, ret, "out of memory");
        goto out;
    }
    s->source.fd = -1;
    unsetenv(SUPERVISED_ENV);
    for (word = strtok_r(text, " ", &place); word && ret == 0; word = strtok_r(NULL, " ", &place))
        ret = parse_word(s, word, e);
    if (ret == 0 && s->source.fd < 0)
        ret = wrong(e, "it names no socket");
    if (ret < 0)
        goto out;
    s->supervisor = getppid();
    ret = map_vitals(s);
    if (ret < 0) {
        error_set(e, ret, "cannot map the page shared with the supervisor: %s", strerror(-ret));
        goto out;
    }
    /* Started by descriptor: the kernel has no name for us but its number. */
    prctl(PR_SET_NAME, s->role == SUPERVISED_PV ? "hvmdm-pv" : "hvmdm-model");
    *out = s;
out:
    free(text);
    if (ret < 0)
        free(s); /* nothing of it is ours: the descriptors may be anybody's */
    return ret;
}

static void close_socket(struct supervised *s)
{
    if (s->source.fd < 0)
        return;
    if (s->loop)
        loop_remove(s->loop, &s->source);
    close(s->source.fd);
    s->source.fd = -1;
}

void supervised_close(struct supervised *s)
{
    if (!s)
        return;
    if (s->loop)
        loop_cancel(s->loop, &s->tell);
    close_socket(s);
    for (unsigned i = 0; i < s->nfds; i++)
        if (s->fds[i].fd >= 0)
            close(s->fds[i].fd);
    if (s->vitals)
        munmap((void *)(uintptr_t)s->vitals, SUPERVISED_VITALS_BYTES);
    free(s);
}

enum supervised_role supervised_role(const struct supervised *s)
{
    return s ? s->role : SUPERVISED_MODEL;
}

uint32_t supervised_generation(const struct supervised *s)
{
    return s ? s->generation : 0;
}

uint32_t supervised_death(const struct supervised *s)
{
    return s ? s->death : 0;
}

bool supervised_user(const struct supervised *s, uint32_t *uid, uint32_t *gid)
{
    if (!s || !s->uid)
        return false;
    *uid = s->uid;
    *gid = s->gid;
    return true;
}

volatile struct supervised_vitals *supervised_vitals(struct supervised *s)
{
    static struct supervised_vitals nobody_looks;

    return s ? s->vitals : &nobody_looks;
}

int supervised_take(struct supervised *s, const char *name)
{
    for (unsigned i = 0; s && i < s->nfds; i++)
        if (s->fds[i].fd >= 0 && !strcmp(s->fds[i].name, name)) {
            int fd = s->fds[i].fd;

            s->fds[i].fd = -1;
            return fd;
        }
    return -1;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void tell(void *opaque)
{
    struct supervised *s = opaque;
    unsigned what = s->telling;
    const struct supervised_calls *c = &s->calls;

    s->telling = 0;
    if ((what & TELL_HAND_OVER) && c->hand_over)
        c->hand_over(c->opaque);
    if ((what & TELL_RESUME) && c->resume)
        c->resume(c->opaque);
    if ((what & TELL_QUIT) && c->quit)
        c->quit(c->opaque);
    else if (what & TELL_QUIT)
        loop_stop(s->loop);
    if ((what & TELL_GONE) && c->gone)
        c->gone(c->opaque);
    else if (what & TELL_GONE)
        loop_stop(s->loop);
}

static void note(struct supervised *s, unsigned what)
{
    s->telling |= what;
    if (s->loop)
        loop_defer(s->loop, &s->tell);
}

static void note_message(struct supervised *s, const struct supervised_message *m)
{
    if (m->type == SUPERVISED_QUIT)
        note(s, TELL_QUIT);
    if (m->type != SUPERVISED_HAND_OVER && m->type != SUPERVISED_RESUME)
        return;
    /* What was not told yet is outdated by what came now. */
    s->telling &= ~(unsigned)(TELL_HAND_OVER | TELL_RESUME);
    if (m->type == SUPERVISED_HAND_OVER)
        s->attempt = m->value;
    note(s, m->type == SUPERVISED_HAND_OVER ? TELL_HAND_OVER : TELL_RESUME);
}

static void socket_ready(void *opaque, uint32_t events)
{
    struct supervised *s = opaque;
    struct supervised_message m;
    int fd, ret;

    (void)events;
    while (s->source.fd >= 0) {
        ret = supervised_receive(s->source.fd, &m, &fd, NULL, MSG_DONTWAIT);
        if (ret == -EAGAIN)
            return;
        if (ret == 1) {
            note_message(s, &m);
            if (fd >= 0)
                close(fd); /* a late answer to a request given up */
        } else if (ret != -EBADMSG) {
            close_socket(s);
            note(s, TELL_GONE);
        }
    }
}

int supervised_listen(struct supervised *s, struct loop *loop, const struct supervised_calls *calls)
{
    if (!s)
        return 0;
    s->loop = loop;
    s->calls = *calls;
    s->tell = (struct loop_work){ .run = tell, .opaque = s };
    s->source = (struct loop_source){ .fd = s->source.fd, .ready = socket_ready, .opaque = s };
    if (s->telling)
        loop_defer(loop, &s->tell);
    return loop_add(loop, &s->source, EPOLLIN);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int request(struct supervised *s, enum supervised_type type, uint32_t value,
                   const char *name, const char *text, int fd)
{
    struct supervised_message m = { .type = type, .value = value };

    if (!s)
        return 0;
    if (s->source.fd < 0)
        return -ENOTCONN;
    if (name && !supervised_name_ok(name))
        return -EINVAL;
    if (name)
        memcpy(m.name, name, strlen(name));
    if (text)
        snprintf(m.text, sizeof m.text, "%s", text);
    return supervised_send(s->source.fd, &m, fd, 0);
}

/* Waits for one message of this type (and name). */
static int await(struct supervised *s, enum supervised_type type, const char *name, int ms, int *fd)
{
    uint64_t end = loop_now() + (uint64_t)ms * 1000000u;

    for (;;) {
        struct pollfd p = { .fd = s->source.fd, .events = POLLIN };
        uint64_t now = loop_now();
        struct supervised_message m;
        int ret;

        if (now >= end)
            return -ETIMEDOUT;
        ret = poll(&p, 1, (int)((end - now) / 1000000u) + 1);
        if (ret < 0 && errno != EINTR)
            return -errno;
        if (ret <= 0)
            continue;
        ret = supervised_receive(s->source.fd, &m, fd, NULL, MSG_DONTWAIT);
        if (ret == 1 && m.type == (uint32_t)type && (!name || !strcmp(name, m.name)))
            return -(int)(m.value > 4095 ? EIO : m.value);
        if (ret == 1)
            note_message(s, &m);
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        if (ret == 0 || (ret < 0 && ret != -EAGAIN && ret != -EBADMSG))
            return -ENOTCONN; /* the loop sees it as well */
    }
}

int supervised_hold(struct supervised *s, const char *name, int fd)
{
    return request(s, SUPERVISED_HOLD, 0, name, NULL, fd);
}

int supervised_drop(struct supervised *s, const char *name)
{
    int fd = -1, ret = request(s, SUPERVISED_DROP, 0, name, NULL, -1);

    if (!s || ret < 0)
        return ret;
    ret = await(s, SUPERVISED_ACK, name, SUPERVISED_ACK_MS, &fd);
    if (fd >= 0)
        close(fd);
    return ret;
}

int supervised_ready(struct supervised *s)
{
    return request(s, SUPERVISED_READY, 0, NULL, NULL, -1);
}

int supervised_sleep_state(struct supervised *s, uint32_t state)
{
    return request(s, SUPERVISED_SLEEP_STATE, state, NULL, NULL, -1);
}

int supervised_want_pv(struct supervised *s)
{
    return request(s, SUPERVISED_WANT_PV, 0, NULL, NULL, -1);
}

int supervised_handed_over(struct supervised *s)
{
    return request(s, SUPERVISED_HANDED_OVER, s ? s->attempt : 0, NULL, NULL, -1);
}

void supervised_say(struct supervised *s, const char *text)
{
    if (request(s, SUPERVISED_SAY, 0, NULL, text, -1) < 0)
        return; /* the supervisor is gone: nobody to tell */
}

int supervised_xenstore(struct supervised *s)
{
    int fd = -1, ret = request(s, SUPERVISED_XENSTORE, 0, NULL, NULL, -1);

    if (!s)
        return -ENOTCONN;
    if (ret == 0)
        ret = await(s, SUPERVISED_XENSTORE_FD, NULL, SUPERVISED_XENSTORE_MS, &fd);
    return ret < 0 ? ret : fd < 0 ? -EIO : fd;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The loop should see the end of the socket at once. If it is stuck, SIGALRM ends the process. One
 * system call, nothing else: this interrupts anything. */
static void supervisor_died(int sig)
{
    const struct itimerval limit = { .it_value.tv_usec = SUPERVISED_LIFE_MS * 1000 };

    (void)sig;
    setitimer(ITIMER_REAL, &limit, NULL);
}

int supervised_bind_life(struct supervised *s)
{
    sigset_t set;
    int err;

    if (!s)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SUPERVISED_LIFE_SIGNAL);
    sigaddset(&set, SIGALRM);
    err = quick_catch(SUPERVISED_LIFE_SIGNAL, supervisor_died);
    if (err < 0)
        return err;
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) < 0 ||
        prctl(PR_SET_PDEATHSIG, SUPERVISED_LIFE_SIGNAL) < 0)
        return -errno;
    return getppid() == s->supervisor ? 0 : -ESRCH;
}

static void drop_fds(struct supervised *s)
{
    for (unsigned i = 0; i < s->nfds; i++)
        if (s->fds[i].fd >= 0)
            close(s->fds[i].fd);
    s->nfds = 0;
}

/* In the spare. Ends the process unless there is something to take over. */
static void spare_wait(struct supervised *s)
{
    struct supervised_message m = { .type = SUPERVISED_HELLO };
    int fd, ret;

    drop_fds(s);
    if (supervised_send(s->source.fd, &m, -1, 0) < 0)
        _exit(0);
    for (;;) {
        ret = supervised_receive(s->source.fd, &m, &fd, NULL, 0);
        if (ret == 1 && m.type == SUPERVISED_TAKE_OVER)
            break;
        if (ret == 1 && m.type == SUPERVISED_GIVE && fd >= 0 && s->nfds < ARRAY_SIZE(s->fds)) {
            memcpy(s->fds[s->nfds].name, m.name, sizeof m.name);
            s->fds[s->nfds++].fd = fd;
            continue;
        }
        if (fd >= 0)
            close(fd);
        if (ret != 1 || m.type == SUPERVISED_QUIT)
            _exit(0); /* the end: of the supervisor, or of the need */
    }
    s->generation = m.value;
    s->death = m.more;
    fd = supervised_take(s, "vitals"); /* mapped already */
    if (fd >= 0)
        close(fd);
}

int supervised_make_spare(struct supervised *s)
{
    struct supervised_message m = { .type = SUPERVISED_SPARE };
    int pair[2], ret = 0, on = 1;
    pid_t pid;

    if (!s)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    /* So that the supervisor learns from the kernel who says hello; before anything is said. */
    pid = setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ? -1 : fork();
    if (pid < 0) {
        ret = -errno;
        goto out;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, 0); /* it is this process's death that the spare waits for */
        close(pair[0]);
        close(s->source.fd);
        s->loop = NULL;
        s->telling = 0;
        s->source = (struct loop_source){ .fd = pair[1] };
        spare_wait(s);
        return 1;
    }
    ret = supervised_send(s->source.fd, &m, pair[0], 0);
out:
    close(pair[0]);
    close(pair[1]);
    return ret;
}
