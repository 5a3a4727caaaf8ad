/* SPDX-License-Identifier: GPL-2.0-or-later */
/* record - see record.h. What goes into a record is in record_text.c. */
#include "toolstack/supervisor/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/supervisor/record_private.h"

enum {
    RECORD_PRUNED = 64, /* records removed at a time */
    RECORD_STEM = 64,
    RECORD_CHUNK = 4096, /* runs of zeros of this size become holes */
};

/* ---- taking --------------------------------------------------------------------------------- */

/* Data extents only: a hole of the memory file stays untouched memory here. */
static size_t copy_arena(int fd, char *to, size_t size)
{
    off_t at = 0;

    while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (size_t)at < size) {
        off_t hole = lseek(fd, at, SEEK_HOLE);
        size_t n = hole < 0 || (size_t)hole > size ? size - (size_t)at : (size_t)(hole - at);
        ssize_t got = pread(fd, to + at, n, at);

        if (got <= 0)
            return (size_t)at; /* it got shorter */
        at += got;
    }
    return size;
}

static void take_arena(struct record *r, int fd)
{
    struct stat st;
    void *at;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
        return;
    r->arena_whole = (uint64_t)st.st_size;
    r->arena_size = r->arena_whole < RECORD_ARENA_MOST ? (size_t)st.st_size : RECORD_ARENA_MOST;
    at = mmap(NULL, r->arena_size, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        r->arena_size = 0;
        return;
    }
    r->arena = at;
    r->arena_valid = copy_arena(fd, at, r->arena_size);
}

static void keep_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "unknown");
}

struct record *record_take(const struct record_facts *f)
{
    struct record *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->domid = f->domid;
    r->role = f->role;
    r->generation = f->generation;
    r->death = f->death;
    clock_gettime(CLOCK_REALTIME, &r->when);
    keep_text(r->sentence, sizeof r->sentence, f->sentence);
    keep_text(r->version, sizeof r->version, f->version);
    keep_text(r->program, sizeof r->program, f->program);
    if (f->vitals) {
        r->events = f->vitals->events;
        r->phase = f->vitals->phase;
        for (size_t i = 0; i < sizeof r->doing - 1; i++)
            r->doing[i] = f->vitals->doing[i];
        for (size_t i = 0; i < sizeof r->last_words - 1; i++)
            r->last_words[i] = f->vitals->last_words[i];
        for (size_t i = 0; i < sizeof r->registers - 1; i++)
            r->registers[i] = f->vitals->registers[i];
    }
    take_arena(r, f->arena);
    return r;
}

void record_drop(struct record *r)
{
    if (!r)
        return;
    if (r->arena)
        munmap(r->arena, r->arena_size);
    free(r);
}

/* ---- the directory -------------------------------------------------------------------------- */

/* Its parent may be reached through links that the administrator made; it itself is a directory of
 * our own that nobody else can change. */
static int open_directory(const char *path)
{
    char parent[256];
    const char *slash = strrchr(path, '/');
    struct stat st;
    int fd;

    if (!slash || slash == path || (size_t)(slash - path) >= sizeof parent)
        return -EINVAL;
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    if ((mkdir(parent, 0755) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || fchmod(fd, 0700) < 0) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

/* Length of "DOMID-GENERATION-" in the name of a file of ours, or 0. */
static size_t prefix(const char *name)
{
    size_t domid = strspn(name, "0123456789"), generation, stamp;

    if (!domid || name[domid] != '-')
        return 0;
    generation = strspn(name + domid + 1, "0123456789");
    if (!generation || name[domid + 1 + generation] != '-')
        return 0;
    stamp = strspn(name + domid + generation + 2, "0123456789T");
    if (stamp != RECORD_STAMP - 1)
        return 0;
    name += domid + generation + 2 + stamp;
    return strcmp(name, ".txt") && strcmp(name, ".arena") ? 0 : domid + generation + 2;
}

static bool older(const char *a, const char *b)
{
    return memcmp(a + prefix(a), b + prefix(b), RECORD_STAMP - 1) < 0;
}

/* Of all records, the one with the oldest stamp: its name without ending. Returns how many records
 * there are (each by its text, or by an arena that lost it). */
static unsigned find_oldest(DIR *d, char stem[RECORD_STEM])
{
    const struct dirent *entry;
    char best[RECORD_STEM] = "";
    unsigned n = 0;

    rewinddir(d);
    while ((entry = readdir(d))) {
        size_t length = strlen(entry->d_name);

        if (!prefix(entry->d_name) || length >= sizeof best)
            continue;
        if (entry->d_name[length - 1] == 'a') {
            char text[RECORD_STEM];

            memcpy(text, entry->d_name, length + 1);
            strcpy(strrchr(text, '.'), ".txt");
            if (faccessat(dirfd(d), text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                continue;
        }
        n++;
        if (!best[0] || older(entry->d_name, best))
            memcpy(best, entry->d_name, length + 1);
    }
    if (best[0])
        *strrchr(best, '.') = '\0';
    memcpy(stem, best, sizeof best);
    return n;
}

static void remove_record(int dir, const char *stem)
{
    char name[RECORD_STEM + 8];

    snprintf(name, sizeof name, "%s.txt", stem);
    unlinkat(dir, name, 0);
    snprintf(name, sizeof name, "%s.arena", stem);
    unlinkat(dir, name, 0);
}

static void prune(int dir)
{
    char stem[RECORD_STEM];
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);

    if (!d && copy >= 0)
        close(copy);
    for (unsigned i = 0; d && i < RECORD_PRUNED && find_oldest(d, stem) >= RECORD_KEPT; i++)
        remove_record(dir, stem);
    if (d)
        closedir(d);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int create(int dir, const char *stem, const char *ending)
{
    char name[RECORD_STEM + 8];
    int fd;

    snprintf(name, sizeof name, "%s%s", stem, ending);
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *from, size_t n, off_t at)
{
    while (n) {
        ssize_t done = pwrite(fd, from, n, at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -ENOSPC;
        from += done;
        n -= (size_t)done;
        at += done;
    }
    return 0;
}

static int finish(int fd, int err)
{
    return close(fd) < 0 && err == 0 ? -errno : err;
}

static int write_text(const struct record *r, int dir, const char *stem)
{
    char *text = malloc(RECORD_TEXT);
    int fd, err = -ENOMEM;

    if (!text)
        return err;
    fd = err = create(dir, stem, ".txt");
    if (fd >= 0)
        err = finish(fd, write_all(fd, text, record_text(r, text, RECORD_TEXT), 0));
    free(text);
    return err;
}

static bool zeros(const char *at, size_t n)
{
    return !at[0] && !memcmp(at, at + 1, n - 1);
}

static int write_arena(const struct record *r, int dir, const char *stem)
{
    int fd, err;

    if (!r->arena_size)
        return 0;
    fd = create(dir, stem, ".arena");
    if (fd < 0)
        return fd;
    err = ftruncate(fd, (off_t)r->arena_size) < 0 ? -errno : 0;
    for (size_t at = 0; err == 0 && at < r->arena_valid; at += RECORD_CHUNK) {
        size_t n = r->arena_valid - at < RECORD_CHUNK ? r->arena_valid - at : RECORD_CHUNK;

        if (!zeros(r->arena + at, n))
            err = write_all(fd, r->arena + at, n, (off_t)at);
    }
    return finish(fd, err);
}

static int write_files(const struct record *r, int dir, const char *directory)
{
    char stem[RECORD_STEM], stamp[RECORD_STAMP], name[RECORD_STEM + 8];
    int err;

    record_stamp(r, stamp);
    snprintf(stem, sizeof stem, "%u-%" PRIu32 "-%s", r->domid, r->generation, stamp);
    err = write_text(r, dir, stem);
    if (err < 0) {
        if (err != -EEXIST)
            remove_record(dir, stem);
        return err;
    }
    err = write_arena(r, dir, stem);
    if (err < 0 && err != -EEXIST) {
        snprintf(name, sizeof name, "%s.arena", stem);
        unlinkat(dir, name, 0);
    }
    if (err < 0)
        log_warn("crash record %s/%s.txt is without its state: %s", directory, stem,
                 strerror(-err));
    else
        log_info("crash record: %s/%s.txt", directory, stem);
    return 0;
}

int record_write(struct record *r, const char *directory)
{
    int dir, err;

    if (!r)
        return 0;
    dir = err = open_directory(directory);
    if (dir >= 0) {
        prune(dir);
        err = write_files(r, dir, directory);
        close(dir);
    }
    if (err < 0)
        log_warn("no crash record in %s: %s", directory, strerror(-err));
    record_drop(r);
    return err;
}
