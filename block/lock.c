/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock - opening images, and their locks: open file description locks (fcntl(2), F_OFD_SETLK) on
 * bytes of the image.
 *
 * Ours is one byte at offset 2^62, far outside any data: exclusive for a writer, shared for
 * readers, so the kernel decides between two of us. On top of it come the bytes by which QEMU
 * processes see each other, so that neither starts on an image that the other one writes. There a
 * permission is held by a shared lock on byte 100 + n, and denied to everybody else by a shared
 * lock on byte 200 + n; n is 0 for reading, 1 for writing. Everybody takes its bytes first and then
 * tests whether somebody else holds the opposite ones.
 *
 * Absent: resizing (n = 3), which we never do; leases of network file systems; the kernel's own
 *         users of an image (loop devices, blkback), which take no locks.
 */
#include "block/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hw/core/log.h"

#define LOCK_OWN (INT64_C(1) << 62)

enum {
    LOCK_READS = 100,
    LOCK_WRITES = 101,
    LOCK_DENIES_WRITES = 201,
    LOCK_RETRY_MS = 50,
    LOCK_TELL_MS = 1000,
    LOCK_HOLDER_MAX = 64, /* bytes of a holder's description */
};

/* cmd is F_OFD_SETLK or F_OFD_GETLK; type F_RDLCK, F_WRLCK or F_UNLCK. 0, -EAGAIN when somebody
 * else's lock is in the way, or another -errno. */
static int lock_byte(int fd, int cmd, short type, off_t byte)
{
    struct flock f = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

    if (fcntl(fd, cmd, &f) < 0)
        return errno == EACCES ? -EAGAIN : -errno;
    if (cmd == F_OFD_GETLK && f.l_type != F_UNLCK)
        return -EAGAIN;
    return 0;
}

void image_unlock(int fd)
{
    lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_OWN);
    lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_READS);
    lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_WRITES);
    lock_byte(fd, F_OFD_SETLK, F_UNLCK, LOCK_DENIES_WRITES);
}

int image_open_file(const char *path, bool read_only, struct error *e)
{
    struct stat st;
    int fd;

    /* Looked at first: opening a fifo or a tape would already have an effect. */
    if (stat(path, &st) < 0)
        return error_set(e, -errno, "cannot open disk image '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return error_set(e, -EINVAL, "disk image '%s' is neither a file nor a block device", path);
    fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(e, -errno, "cannot open disk image '%s' for %s: %s%s", path,
                         read_only ? "reading" : "writing", strerror(errno),
                         !read_only && (errno == EROFS || errno == EACCES)
                             ? "; access mode 'r' in the disk line would be enough to read it"
                             : "");
    return fd;
}

static int lock_try(int fd, bool read_only)
{
    int err = lock_byte(fd, F_OFD_SETLK, read_only ? F_RDLCK : F_WRLCK, LOCK_OWN);

    if (!err)
        err = lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_READS);
    if (!err && !read_only)
        err = lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_WRITES);
    if (!err)
        err = lock_byte(fd, F_OFD_SETLK, F_RDLCK, LOCK_DENIES_WRITES);
    if (!err)
        err = lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_WRITES);
    if (!err && !read_only)
        err = lock_byte(fd, F_OFD_GETLK, F_WRLCK, LOCK_DENIES_WRITES);
    if (err)
        image_unlock(fd);
    return err;
}

/* Has the open file behind /proc/PID/fd/FD such a lock? The kernel keeps no pid for them, so
 * fdinfo is the only place that tells. */
static bool descriptor_has_lock(int dir, const char *number)
{
    char name[64], line[256];
    bool found = false;
    FILE *f;
    int fd;

    snprintf(name, sizeof name, "../fdinfo/%.20s", number);
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    f = fdopen(fd, "r");
    if (!f) {
        close(fd);
        return false;
    }
    while (!found && fgets(line, sizeof line, f))
        found = strncmp(line, "lock:", 5) == 0 && strstr(line, "OFDLCK");
    fclose(f);
    return found;
}

static bool process_has_lock(const char *pid, const struct stat *image, int own_fd)
{
    bool self = atoi(pid) == (int)getpid(), found = false;
    char name[64];
    struct dirent *d;
    struct stat st;
    DIR *dir;

    snprintf(name, sizeof name, "/proc/%.20s/fd", pid);
    dir = opendir(name);
    if (!dir)
        return false;
    while (!found && (d = readdir(dir))) {
        if (d->d_name[0] == '.' || (self && atoi(d->d_name) == own_fd))
            continue;
        found = fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && st.st_dev == image->st_dev &&
                st.st_ino == image->st_ino && descriptor_has_lock(dirfd(dir), d->d_name);
    }
    closedir(dir);
    return found;
}

/* Fills `text` with " by process 123 (name)", or with nothing when the holder cannot be found. */
static void lock_holder(int fd, char text[LOCK_HOLDER_MAX])
{
    char path[64], name[20] = "";
    struct dirent *d = NULL;
    struct stat image;
    FILE *f;
    DIR *proc;

    text[0] = '\0';
    if (fstat(fd, &image) < 0 || !(proc = opendir("/proc")))
        return;
    while ((d = readdir(proc)))
        if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && process_has_lock(d->d_name, &image, fd))
            break;
    if (d) {
        snprintf(path, sizeof path, "/proc/%.20s/comm", d->d_name);
        f = fopen(path, "re");
        if (f && fgets(name, sizeof name, f))
            name[strcspn(name, "\n")] = '\0';
        if (f)
            fclose(f);
        snprintf(text, LOCK_HOLDER_MAX, " by process %.20s (%s)", d->d_name,
                 name[0] ? name : "ended meanwhile");
    }
    closedir(proc);
}

int image_try_lock(int fd, bool read_only, const char *path)
{
    int err = lock_try(fd, read_only);

    if (err == -EAGAIN || !err)
        return err;
    log_warn("disk image '%s' cannot be locked (%s): nothing keeps two guests from writing it",
             path, strerror(-err));
    return 0;
}

int image_lock(int fd, bool read_only, const char *path, unsigned wait_ms, struct error *e)
{
    const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };
    char holder[LOCK_HOLDER_MAX];
    unsigned waited = 0;
    bool told = false;
    int err;

    while ((err = image_try_lock(fd, read_only, path)) == -EAGAIN && waited < wait_ms) {
        if (waited >= LOCK_TELL_MS && !told) {
            lock_holder(fd, holder);
            log_info("disk image '%s' is in use%s; waiting up to %u s for it", path, holder,
                     wait_ms / 1000);
            told = true;
        }
        nanosleep(&pause, NULL);
        waited += LOCK_RETRY_MS;
    }
    if (!err)
        return 0;
    lock_holder(fd, holder);
    return error_set(e, -EBUSY, "disk image '%s' is in use%s%s", path, holder,
                     read_only ? ", which writes it"
                               : "; two guests that write one image would destroy it");
}
