/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rom - see rom.h.
 *
 * Absent: images of several parts (only the first, for the PC-AT BIOS, is looked at); checksums
 *         (firmware checks them, and some files carry none).
 */
#include "firmware/rom.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const rom_dirs[] = {
    "/usr/share/seabios",       "/usr/share/qemu",
    "/usr/share/vgabios",       "/usr/share/seavgabios",
    "/usr/share/qemu-kvm",      "/usr/lib/ipxe/qemu",
    "/usr/share/ipxe",          "/usr/share/ipxe/qemu",
    "/usr/share/qemu-xen/qemu", "/usr/local/share/qemu-xen/qemu",
    "/usr/lib/xen/boot",        "/usr/local/lib/xen/boot",
    "/usr/local/share/qemu",
};

enum { ROM_MIN = 512, ROM_MAX = 16 << 20 };
enum { PCIR_POINTER = 0x18, PCIR_VENDOR = 4, PCIR_DEVICE = 6, PCIR_SIZE = 24 };

int rom_check(const char *who, const uint8_t *bytes, uint32_t size, uint16_t vendor,
              uint16_t device, struct error *e)
{
    const uint8_t *pcir;
    uint32_t at;

    if (size < ROM_MIN || size > ROM_MAX)
        return error_set(e, -EINVAL, "%s: %u bytes is no size for an option ROM", who, size);
    if (bytes[0] != 0x55 || bytes[1] != 0xaa)
        return error_set(e, -EINVAL, "%s is not an option ROM: it does not begin with 55 aa", who);
    if (bytes[2] == 0 || bytes[2] * 512u > size)
        return error_set(e, -EINVAL, "%s is cut off: its header says %u bytes, the file has %u",
                         who, bytes[2] * 512u, size);
    at = le16(bytes + PCIR_POINTER);
    if (at > size - PCIR_SIZE || memcmp(bytes + at, "PCIR", 4) != 0)
        return error_set(e, -EINVAL,
                         "%s is an option ROM without PCI data: no PCI firmware would "
                         "run it",
                         who);
    pcir = bytes + at;
    if (le16(pcir + PCIR_VENDOR) != vendor || le16(pcir + PCIR_DEVICE) != device)
        return error_set(e, -EINVAL, "%s is for the PCI device %04x:%04x, not for %04x:%04x", who,
                         le16(pcir + PCIR_VENDOR), le16(pcir + PCIR_DEVICE), vendor, device);
    return 0;
}

static int rom_map(struct rom *rom, uint16_t vendor, uint16_t device, struct error *e)
{
    struct stat st;
    void *p;
    int err = 0;
    int fd = open(rom->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        err = error_set(e, -errno, "%s: %s", rom->path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < ROM_MIN || st.st_size > ROM_MAX) {
        err = error_set(e, -EINVAL, "%s: not a file of an option ROM's size", rom->path);
        goto out;
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        err = error_set(e, -errno, "%s: cannot be mapped: %s", rom->path, strerror(errno));
        goto out;
    }
    err = rom_check(rom->path, p, (uint32_t)st.st_size, vendor, device, e);
    if (err < 0) {
        munmap(p, (size_t)st.st_size);
        goto out;
    }
    rom->bytes = p;
    rom->size = (uint32_t)st.st_size;
out:
    close(fd);
    return err;
}

static int try_path(struct rom *rom, const char *dir, const char *name, uint16_t vendor,
                    uint16_t device, struct error *e)
{
    int n = snprintf(rom->path, sizeof rom->path, "%s%s%s", dir, dir[0] ? "/" : "", name);

    if (n < 0 || (size_t)n >= sizeof rom->path)
        return -ENAMETOOLONG;
    return rom_map(rom, vendor, device, e);
}

int rom_load(const char *name, const char *dir, uint16_t vendor, uint16_t device, struct rom *rom,
             struct error *e)
{
    int err = -ENOENT;

    *rom = (struct rom){ 0 };
    if (strchr(name, '/'))
        err = try_path(rom, "", name, vendor, device, e);
    else if (dir)
        err = try_path(rom, dir, name, vendor, device, e);
    else
        for (size_t i = 0; i < ARRAY_SIZE(rom_dirs) && err == -ENOENT; i++)
            err = try_path(rom, rom_dirs[i], name, vendor, device, e);
    if (err == 0)
        return 0;
    if (err == -ENOENT && !dir && !strchr(name, '/'))
        error_set(e, err,
                  "the option ROM %s is in none of the usual places, such as %s (Debian: "
                  "packages seabios, ipxe-qemu)",
                  name, rom_dirs[0]);
    else
        error_set(e, err, "the option ROM %s%s%s cannot be used: %s", dir ? dir : "",
                  dir ? "/" : "", name, strerror(-err));
    *rom = (struct rom){ 0 };
    return err;
}

void rom_unload(struct rom *rom)
{
    if (rom->bytes)
        munmap((void *)(uintptr_t)rom->bytes, rom->size);
    *rom = (struct rom){ 0 };
}
