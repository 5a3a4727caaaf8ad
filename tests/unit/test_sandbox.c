/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sandbox - what is left to a confined process, as the kernel's /proc sees it from outside;
 * who may enter; our own disk and terminal code inside; the supervisor. What single system calls
 * come to is in test_sandbox_calls.c.
 */
#include "tests/confined.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "tests/image.h"
#include "toolstack/config.h"
#include "toolstack/supervised.h"

/* ---- From outside --------------------------------------------------------------------------- */

/* A child that has entered and waits. */
struct confined {
    pid_t pid;
    int wake;
};

static struct confined start_confined(const struct sandbox *s)
{
    int ready[2], wake[2];
    struct confined c;
    const gid_t group = 27; /* something to lose */
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(wake, O_CLOEXEC), 0);
    c.pid = confined_fork();
    if (c.pid == 0) {
        close(wake[1]);
        CHECK(setgroups(1, &group) == 0);
        confined_enter(s);
        CHECK(write(ready[1], "x", 1) == 1);
        CHECK(read(wake[0], &byte, 1) == 0);
        _exit(0);
    }
    close(ready[1]);
    close(wake[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    c.wake = wake[1];
    return c;
}

static void end_confined(struct confined *c)
{
    int status;

    close(c->wake);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_int_equal(status, 0);
}

static const char *proc(const struct confined *c, const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", c->pid, name);
    return path;
}

/* The rest of the line of /proc/PID/status that begins with `key`. */
static void status_is(const struct confined *c, const char *key, const char *want)
{
    FILE *f = fopen(proc(c, "status"), "r");
    char line[256] = "";

    assert_non_null(f);
    while (fgets(line, sizeof line, f) && strncmp(line, key, strlen(key)) != 0)
        ;
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    assert_memory_equal(line, key, strlen(key));
    assert_string_equal(line + strlen(key), want);
}

static void identity(void **state)
{
    struct confined c;
    char ids[64];
    struct stat st;

    (void)state;
    confined_possible();
    c = start_confined(&confined_model);
    snprintf(ids, sizeof ids, "\t%u\t%u\t%u\t%u", CONFINED_USER, CONFINED_USER, CONFINED_USER,
             CONFINED_USER);
    status_is(&c, "Uid:", ids);
    status_is(&c, "Gid:", ids);
    status_is(&c, "Groups:", "\t ");
    status_is(&c, "CapInh:", "\t0000000000000000");
    status_is(&c, "CapPrm:", "\t0000000000000000");
    status_is(&c, "CapEff:", "\t0000000000000000");
    status_is(&c, "CapBnd:", "\t0000000000000000");
    status_is(&c, "CapAmb:", "\t0000000000000000");
    status_is(&c, "NoNewPrivs:", "\t1");
    status_is(&c, "Seccomp:", "\t2");
    assert_int_equal(stat(proc(&c, "fd"), &st), 0);
    assert_int_equal(st.st_uid, 0); /* root's, not the process's: it is not dumpable */
    end_confined(&c);
}

static void namespaces(void **state)
{
    static const char *const names[] = { "ns/mnt", "ns/ipc", "ns/net", "ns/uts" };
    struct confined c;
    struct stat ours, theirs;
    char path[64];

    (void)state;
    confined_possible();
    c = start_confined(&confined_pv);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "/proc/self/%s", names[i]);
        assert_int_equal(stat(path, &ours), 0);
        assert_int_equal(stat(proc(&c, names[i]), &theirs), 0);
        assert_int_not_equal(ours.st_ino, theirs.st_ino);
    }
    end_confined(&c);
}

static void root_is_empty(const struct confined *c, bool alone)
{
    unsigned entries = 0, mounts = 0;
    DIR *dir = opendir(proc(c, "root"));
    char line[512];
    FILE *f;

    assert_non_null(dir);
    while (readdir(dir))
        entries++;
    closedir(dir);
    assert_int_equal(entries, 2); /* . and .. */
    assert_int_equal(mkdir(proc(c, "root/x"), 0700), -1);
    assert_int_equal(errno, EROFS);
    f = fopen(proc(c, "mountinfo"), "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strstr(line, " / ro,nosuid,nodev,noexec"))
            mounts++;
        else
            assert_false(alone); /* we keep nothing of the host busy */
    fclose(f);
    assert_int_equal(mounts, 1);
}

static void empty_root(void **state)
{
    struct confined c;

    (void)state;
    confined_possible();
    c = start_confined(&confined_model);
    root_is_empty(&c, true);
    end_confined(&c);
}

/* A root that cannot be exchanged: what an initramfs is, here a directory that is no mount. */
static void fixed_root(void **state)
{
    char dir[] = "/tmp/sandbox-XXXXXX", path[64];
    struct confined c;
    int saved = open("/", O_PATH | O_CLOEXEC);

    (void)state;
    confined_possible();
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/dev", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/proc", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(mount("/proc", path, NULL, MS_BIND, NULL), 0);
    assert_int_equal(chroot(dir), 0);
    c = start_confined(&confined_model);
    assert_int_equal(fchdir(saved), 0);
    assert_int_equal(chroot("."), 0);
    root_is_empty(&c, false);
    end_confined(&c);
    assert_int_equal(umount2(path, MNT_DETACH), 0);
    rmdir(path);
    snprintf(path, sizeof path, "%s/dev", dir);
    rmdir(path);
    rmdir(dir);
    close(saved);
}

/* The hard limit; UINT64_MAX: unlimited. (prlimit() of another user takes CAP_SYS_RESOURCE.) */
static uint64_t hard_limit(const char *path, const char *name)
{
    FILE *f = fopen(path, "r");
    unsigned long long hard = UINT64_MAX;
    char line[256];
    bool found = false;

    assert_non_null(f);
    while (!found && fgets(line, sizeof line, f))
        found = strncmp(line, name, strlen(name)) == 0;
    fclose(f);
    assert_true(found);
    if (sscanf(line + strlen(name), "%*s %llu", &hard) != 1)
        hard = UINT64_MAX;
    return hard;
}

static void limits(void **state)
{
    struct confined c;

    (void)state;
    confined_possible();
    c = start_confined(&confined_model);
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max core file size"), 0);
    assert_in_range(hard_limit(proc(&c, "limits"), "Max processes"), 17, 400);
    assert_in_range(hard_limit(proc(&c, "limits"), "Max open files"), 100, 600);
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max file size"),
                     hard_limit("/proc/self/limits", "Max file size"));
    end_confined(&c);
}

/* A user of several guests: what one has must not be missing to the others. */
static void shared_user(void **state)
{
    const struct sandbox s = { true, CONFINED_USER, CONFINED_USER, SANDBOX_MODEL, true, false };
    struct confined c;

    (void)state;
    confined_possible();
    c = start_confined(&s);
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max processes"),
                     hard_limit("/proc/self/limits", "Max processes"));
    assert_int_equal(hard_limit(proc(&c, "limits"), "Max core file size"), 0);
    end_confined(&c);
}

static uint64_t capabilities(const char *key);

/* As under dm_restrict=1, where it is the hard limit that is low (not in every container may that
 * be raised). */
static void big_files_inside(void *opaque)
{
    const bool hard = capabilities("CapEff:") >> CAP_SYS_RESOURCE & 1;
    const struct rlimit small = { 256 << 10, hard ? 256 << 10 : RLIM_INFINITY };
    int fd = memfd_create("big", MFD_CLOEXEC);

    (void)opaque;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    signal(SIGXFSZ, SIG_IGN);
    CHECK(ftruncate(fd, 1 << 20) < 0 && errno == EFBIG); /* a memfd, too */
    CHECK(sandbox_raise_limits() == 0);
    CHECK(ftruncate(fd, 1 << 20) == 0);
    CHECK(sandbox_supervisor() == 0); /* what is left is enough */
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK(sandbox_raise_limits() == 0);
    CHECK(ftruncate(fd, 2 << 20) == 0);
}

static void big_files(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(confined_run(big_files_inside, NULL), 0);
}

/* ---- The network of a worker and its successors ---------------------------------------------- */

struct successor {
    int network; /* what the supervisor holds; -1: nothing yet */
    int sock[2]; /* [0] is the supervisor's end */
    ino_t *is;   /* shared: where it is then */
};

static ino_t network_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void leave_network(void *opaque)
{
    const struct successor *n = opaque;
    struct supervised *s = NULL;
    struct sandbox box = confined_model;
    struct error e = { "" };
    char env[128], more[32] = "";

    if (n->network >= 0)
        snprintf(more, sizeof more, " fds=network:%d", n->network);
    snprintf(env, sizeof env, "role=model gen=1 sock=%d%s", n->sock[1], more);
    setenv(SUPERVISED_ENV, env, 1);
    CHECK(supervised_open(&s, &e) == 0 && s);
    sandbox_leave_network(&box, s);
    CHECK(box.off_network);
    *n->is = network_of("/proc/self/ns/net");
    confined_enter(&box);
}

/* Returns what it gave the supervisor to hold, or -1. */
static int held_network(int network, ino_t *is)
{
    struct successor n = { .network = network, .is = is };
    struct supervised_message m;
    int fd = -1;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, n.sock), 0);
    assert_int_equal(confined_run(leave_network, &n), 0);
    if (supervised_receive(n.sock[0], &m, &fd, NULL, MSG_DONTWAIT) == 1) {
        assert_int_equal(m.type, SUPERVISED_HOLD);
        assert_string_equal(m.name, "network");
    }
    close(n.sock[0]);
    close(n.sock[1]);
    return fd;
}

static void network_of_successors(void **state)
{
    ino_t *is = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const ino_t ours = network_of("/proc/self/ns/net");
    int held, other, fd;
    struct stat st;

    (void)state;
    confined_possible();
    assert_true(is != MAP_FAILED);
    held = held_network(-1, is); /* the first one */
    assert_true(held >= 0);
    assert_int_equal(fstat(held, &st), 0);
    assert_int_equal(st.st_ino, *is);
    assert_int_not_equal(*is, ours);
    assert_int_equal(held_network(held, is), -1); /* a successor */
    assert_int_equal(*is, st.st_ino);
    /* Not what a captured one could wish for: the host's, another kind of thing. */
    for (unsigned i = 0; i < 2; i++) {
        fd = open(i ? "/dev/null" : "/proc/self/ns/net", O_RDONLY);
        other = held_network(fd, is);
        assert_true(other >= 0);
        assert_int_not_equal(*is, ours);
        close(other);
        close(fd);
    }
    close(held);
    munmap(is, 4096);
}

/* ---- As whom --------------------------------------------------------------------------------- */

/* A worker's supervised_open() with this environment. */
static struct supervised *supervised_by(const char *format)
{
    struct supervised *s = NULL;
    struct error e = { "" };
    char env[128];
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    close(pair[0]);
    snprintf(env, sizeof env, "%s sock=%d", format, pair[1]);
    setenv(SUPERVISED_ENV, env, 1);
    assert_int_equal(supervised_open(&s, &e), 0);
    assert_non_null(s);
    return s;
}

static void chooses_a_user(void **state)
{
    static const struct {
        const char *worker, *runas;
        uint32_t uid, gid; /* 0: refused */
        const char *words;
        bool shared;
    } rows[] = {
        { "role=model gen=0", NULL, CONFINED_USER, CONFINED_USER, NULL, false },
        { "role=model gen=0", "131079:65534", 131079, 65534, NULL, false },
        { "role=pv gen=0", "4294967294:1", 4294967294, 1, NULL, false },
        { "role=model gen=0", "nobody", 65534, 65534, NULL, true },
        /* who comes later does as the first one, and looks up nothing */
        { "role=model gen=3 user=4711:4712", "no-such-user", 4711, 4712, NULL, true },
        { "role=pv gen=0 user=4711:4712", "1:2", 4711, 4712, NULL, false },
        { "role=model gen=0", "no-such-user", 0, 0, "no user \"no-such-user\"", false },
        { "role=model gen=0", "", 0, 0, "no user \"\"", false },
        { "role=model gen=0", "4294967295:1", 0, 0, "no user", false },
        { "role=model gen=0", "12:", 0, 0, "no user", false },
        { "role=model gen=0", ":12", 0, 0, "no user", false },
        { "role=model gen=0", "12", 0, 0, "no user", false },
        { "role=model gen=0", "1:2:3", 0, 0, "no user", false },
        { "role=model gen=0", "-1:2", 0, 0, "no user", false },
        { "role=model gen=0", "root", 0, 0, "is root", false },
        { "role=model gen=0", "0:5", 0, 0, "is root", false },
        { "role=model gen=0", "5:0", 0, 0, "root's group", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct supervised *s = supervised_by(rows[i].worker);
        const struct config c = { .domid = 7, .runas = rows[i].runas };
        struct error e = { "" };
        struct sandbox box;
        int err = sandbox_for_worker(&box, &c, s, &e);

        if (rows[i].words) {
            assert_true(err < 0);
            assert_non_null(strstr(e.text, rows[i].words));
            assert_non_null(strstr(e.text, "device_model_user="));
        } else {
            assert_int_equal(err, 0);
            assert_true(box.enabled);
            assert_int_equal(box.uid, rows[i].uid);
            assert_int_equal(box.gid, rows[i].gid);
            assert_int_equal(box.shared_user, rows[i].shared);
            assert_int_equal(box.profile == SANDBOX_PV, strstr(rows[i].worker, "pv") != NULL);
        }
        supervised_close(s);
    }
}

static void looks_at_its_root(void **state)
{
    static const struct {
        const char *worker, *chroot;
        int err;
    } rows[] = {
        { "role=model gen=0", "/tmp", 0 },
        { "role=model gen=0", "/no/such/place", -ENOENT },
        { "role=model gen=0", "/proc/self/exe", -ENOTDIR },
        { "role=model gen=1", "/no/such/place", 0 }, /* it has been there */
        { "role=pv gen=0", "/no/such/place", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct supervised *s = supervised_by(rows[i].worker);
        const struct config c = { .domid = 7, .chroot = rows[i].chroot };
        struct error e = { "" };
        struct sandbox box;

        assert_int_equal(sandbox_for_worker(&box, &c, s, &e), rows[i].err);
        if (rows[i].err)
            assert_non_null(strstr(e.text, "dm_restrict"));
        supervised_close(s);
    }
}

static void not_without_supervisor(void **state)
{
    static const struct config wishes[] = {
        { .domid = 7 }, { .runas = "nobody" }, { .chroot = "/tmp" }, { .domid_restrict = true }
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
        struct error e = { "" };
        struct sandbox box;

        assert_int_equal(sandbox_for_worker(&box, &wishes[i], NULL, &e), i ? -ENOTSUP : 0);
        assert_int_equal(strstr(e.text, "device_model_override=") != NULL, i != 0);
    }
}

/* ---- Who may enter -------------------------------------------------------------------------- */

static void not_enabled(void **state)
{
    const struct sandbox off = { false, 0, 0, SANDBOX_MODEL, false, false };
    struct error e = { "" };

    (void)state;
    assert_int_equal(sandbox_enter(&off, &e), 0);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void not_as_root(void **state)
{
    const struct sandbox root = { true, 0, CONFINED_USER, SANDBOX_MODEL, false, false };
    struct error e = { "" };

    (void)state;
    assert_int_equal(sandbox_enter(&root, &e), -EINVAL);
    assert_non_null(strstr(e.text, "root"));
}

static void *wait_for_ever(void *opaque)
{
    pause();
    return opaque;
}

static void enter_with_two(void *opaque)
{
    struct error e = { "" };
    pthread_t id;

    (void)opaque;
    CHECK(pthread_create(&id, NULL, wait_for_ever, NULL) == 0);
    CHECK(sandbox_enter(&confined_model, &e) == -EBUSY);
    CHECK(strstr(e.text, "2 threads"));
}

static void not_with_threads(void **state)
{
    (void)state;
    assert_int_equal(confined_run(enter_with_two, NULL), 0);
}

static void enter_as_nobody(void *opaque)
{
    struct error e = { "" };

    (void)opaque;
    CHECK(setresgid(CONFINED_USER, CONFINED_USER, CONFINED_USER) == 0 &&
          setresuid(CONFINED_USER, CONFINED_USER, CONFINED_USER) == 0);
    CHECK(sandbox_enter(&confined_model, &e) == -EPERM);
    CHECK(strstr(e.text, "--no-sandbox"));
}

static void not_without_rights(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(confined_run(enter_as_nobody, NULL), 0);
}

/* ---- Our own code inside -------------------------------------------------------------------- */

static void nothing(struct block_req *r, int result)
{
    (void)r;
    (void)result;
}

static void disk_op(struct block *b, enum block_op op, void *bytes, size_t n)
{
    struct iovec v = { bytes, n };
    struct block_req r = { .op = op, .iov = &v, .niov = 1, .done = nothing };

    if (op != BLOCK_FLUSH) {
        r.offset = 4096;
        r.length = n;
    }
    if (!block_submit(b, &r))
        block_drain(b);
    CHECK(r.result == 0 || (op == BLOCK_DISCARD && r.result == -EOPNOTSUPP));
}

static void use_disk(struct block *b)
{
    static uint8_t bytes[65536];

    memset(bytes, 0x5a, sizeof bytes);
    disk_op(b, BLOCK_WRITE, bytes, sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    disk_op(b, BLOCK_READ, bytes, sizeof bytes);
    CHECK(bytes[0] == 0x5a && bytes[sizeof bytes - 1] == 0x5a);
    disk_op(b, BLOCK_FLUSH, NULL, 0);
    disk_op(b, BLOCK_DISCARD, NULL, sizeof bytes);
}

/* Each way that a request can take, opened before; then another image that comes as a descriptor,
 * as a CD does that is inserted. */
static void disks_inside(void *opaque)
{
    const struct image *f = opaque;
    struct block *b[IMAGE_WAYS];
    struct loop *l = loop_new();
    struct error e = { "" };
    int later = open(f->path, O_RDWR | O_CLOEXEC);

    for (unsigned i = 0; i < IMAGE_WAYS; i++) {
        const struct block_options o = { .path = f->path,
                                         .fd = -1,
                                         .format = "raw",
                                         .direct = image_ways[i].direct,
                                         .no_lock = true };

        CHECK(raw_open(l, &o, &image_ways[i].tuning, &b[i], &e) == 0);
    }
    confined_enter(&confined_model);
    for (unsigned i = 0; i < IMAGE_WAYS; i++) {
        struct raw_activity a;

        use_disk(b[i]);
        raw_activity(b[i], &a);
        CHECK(!a.ring);
        block_close(b[i]);
    }
    for (unsigned direct = 0; direct < 2; direct++) {
        struct block_options o = { .fd = fcntl(later, F_DUPFD_CLOEXEC, 3),
                                   .format = "raw",
                                   .direct = direct };

        CHECK(block_open(l, &o, &b[0], &e) == 0);
        use_disk(b[0]);
        block_close(b[0]);
    }
    loop_free(l);
}

static void disks(void **state)
{
    confined_possible();
    assert_int_equal(confined_run(disks_inside, *state), 0);
}

static size_t no_room(void *opaque)
{
    (void)opaque;
    return 0;
}

static void no_matter(void *opaque)
{
    (void)opaque;
}

static void no_bytes(void *opaque, const uint8_t *bytes, size_t n)
{
    (void)opaque;
    (void)bytes;
    (void)n;
}

static void *const workers[] = { (void *)(uintptr_t)&confined_model,
                                 (void *)(uintptr_t)&confined_pv };

/* Nobody reads: the terminal fills up, is found deserted, and its other end is opened again. */
static void pty_inside(void *opaque)
{
    static const uint8_t bytes[1024];
    const struct chardev_user user = { .room = no_room,
                                       .receive = no_bytes,
                                       .writable = no_matter };
    struct loop *l = loop_new();
    struct error e = { "" };
    struct chardev *c;

    CHECK(chardev_open(l, "serial0", "pty", &c, &e) == 0);
    chardev_attach(c, &user);
    confined_enter(opaque);
    for (unsigned i = 0; i < 256; i++)
        CHECK(chardev_write(c, bytes, sizeof bytes) == sizeof bytes);
    chardev_close(c);
    loop_free(l);
}

static void pty(void **state)
{
    (void)state;
    confined_possible();
    for (unsigned i = 0; i < ARRAY_SIZE(workers); i++)
        assert_int_equal(confined_run(pty_inside, workers[i]), 0);
}

static void socket_inside(void *opaque)
{
    const struct chardev_user user = { .room = no_room,
                                       .receive = no_bytes,
                                       .writable = no_matter };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct loop *l = loop_new();
    struct error e = { "" };
    struct chardev *c;
    char spec[160], hello[5];
    int client = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/confined.%d", (int)getpid());
    snprintf(spec, sizeof spec, "unix:%s,server=on,wait=off", a.sun_path);
    CHECK(chardev_open(l, "channel0", spec, &c, &e) == 0);
    CHECK(connect(client, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(unlink(a.sun_path) == 0);
    chardev_attach(c, &user);
    confined_enter(opaque);
    CHECK(loop_turn(l, true));
    CHECK(chardev_write(c, (const uint8_t *)"hello", 5) == 5);
    CHECK(recv(client, hello, 5, 0) == 5);
    chardev_close(c);
    CHECK(recv(client, hello, 5, 0) == 0);
    loop_free(l);
}

/* Who connects later is accepted inside. */
static void a_socket(void **state)
{
    (void)state;
    confined_possible();
    for (unsigned i = 0; i < ARRAY_SIZE(workers); i++)
        assert_int_equal(confined_run(socket_inside, workers[i]), 0);
}

/* ---- The supervisor ------------------------------------------------------------------------- */

static uint64_t capabilities(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    unsigned long long v = UINT64_MAX;
    char line[256];

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            v = strtoull(line + strlen(key), NULL, 16);
    if (f)
        fclose(f);
    return v;
}

static void supervisor_inside(void *opaque)
{
    static const int gone[] = { CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT,     CAP_SYS_TIME,
                                CAP_NET_RAW,    CAP_MKNOD,     CAP_SETFCAP,      CAP_BPF,
                                CAP_PERFMON,    CAP_MAC_ADMIN, CAP_AUDIT_CONTROL };
    static const int kept[] = { CAP_NET_ADMIN, CAP_KILL, CAP_SETUID, CAP_DAC_OVERRIDE,
                                CAP_SYS_ADMIN };
    const struct sandbox s = { true, 0, 0, SANDBOX_SUPERVISOR, false, false };
    struct error e = { "" };

    (void)opaque;
    CHECK(sandbox_enter(&s, &e) == 0);
    for (unsigned i = 0; i < ARRAY_SIZE(gone); i++) {
        CHECK(!(capabilities("CapBnd:") >> gone[i] & 1));
        CHECK(!(capabilities("CapPrm:") >> gone[i] & 1));
        CHECK(!(capabilities("CapEff:") >> gone[i] & 1));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++)
        CHECK(capabilities("CapEff:") >> kept[i] & 1);
    CHECK(capabilities("CapInh:") == 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
    CHECK(sandbox_supervisor() == 0); /* after execve() it comes again */
    confined_enter(&confined_model);  /* what is left is enough for a worker to confine itself */
}

static void supervisor(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(confined_run(supervisor_inside, NULL), 0);
}

/* Root gets its capabilities back when it executes something, as far as the bounding set goes. */
static void exec_inside(void *opaque)
{
    char want[32];

    (void)opaque;
    CHECK(sandbox_supervisor() == 0);
    snprintf(want, sizeof want, "^CapEff:.%016llx$", (unsigned long long)capabilities("CapEff:"));
    execl("/bin/grep", "grep", "-q", want, "/proc/self/status", NULL);
}

static void supervisor_executes(void **state)
{
    (void)state;
    confined_possible();
    assert_int_equal(confined_run(exec_inside, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),
        cmocka_unit_test(namespaces),
        cmocka_unit_test(empty_root),
        cmocka_unit_test(fixed_root),
        cmocka_unit_test(limits),
        cmocka_unit_test(shared_user),
        cmocka_unit_test(big_files),
        cmocka_unit_test(network_of_successors),
        cmocka_unit_test(chooses_a_user),
        cmocka_unit_test(looks_at_its_root),
        cmocka_unit_test(not_without_supervisor),
        cmocka_unit_test(not_enabled),
        cmocka_unit_test(not_as_root),
        cmocka_unit_test(not_with_threads),
        cmocka_unit_test(not_without_rights),
        cmocka_unit_test_setup_teardown(disks, image_setup, image_teardown),
        cmocka_unit_test(pty),
        cmocka_unit_test(a_socket),
        cmocka_unit_test(supervisor),
        cmocka_unit_test(supervisor_executes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
