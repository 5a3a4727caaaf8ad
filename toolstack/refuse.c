/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refuse - what a guest may ask for on the command line and we do not have yet.
 *
 * One row per feature: the reason, and the line of xl.cfg that cures it. Whoever adds the feature
 * deletes its row.
 */
#include "hw/pc.h"
#include "toolstack/config.h"

#include <errno.h>
#include <string.h>

struct refusal {
    enum config_feature feature;
    const char *reason; /* what is missing */
    const char *cure;   /* what to write in xl.cfg; NULL: nic_cure() */
};

static const struct refusal refusals[] = {
    { FEATURE_PV_RESTRICT,
      "dm_restrict=1 is for guests with emulated hardware, and this one is PV or PVH",
      "remove dm_restrict= from xl.cfg" },
    { FEATURE_CIRRUS, "there is no Cirrus graphics card (xl's default) yet",
      "write vga=\"stdvga\" in xl.cfg" },
    { FEATURE_QXL, "there is no QXL graphics card", "write vga=\"stdvga\" in xl.cfg" },
    { FEATURE_NIC, "there is no such network card", NULL },
    { FEATURE_SCSI, "there are no emulated SCSI disks (sda, sdb, ...) yet",
      "call them hda to hdd or xvda in the disk line of xl.cfg" },
    { FEATURE_AHCI, "there is no AHCI controller yet", "remove hdtype=\"ahci\" from xl.cfg" },
    { FEATURE_USB, "there is no emulated USB yet",
      "remove usb=, usbdevice= and usbversion= from xl.cfg" },
    { FEATURE_SOUND, "there is no sound card yet", "remove soundhw= from xl.cfg" },
    { FEATURE_SPICE, "SPICE is not supported",
      "write spice=0 in xl.cfg and remove spiceusbredirection=" },
    { FEATURE_SDL, "there is no SDL window", "write sdl=0 in xl.cfg" },
    { FEATURE_KERNEL, "direct kernel boot is not there yet",
      "remove kernel=, ramdisk=, cmdline=, root= and extra= from xl.cfg and boot from a disk or CD" },
    { FEATURE_INCOMING, "not yet able to restore a saved or migrated guest",
      "start it afresh with xl create" },
    { FEATURE_COLO, "COLO replication is not supported", "migrate without -c (COLO)" },
    { FEATURE_IGD, "graphics pass-through is not there yet", "remove gfx_passthru= from xl.cfg" },
    { FEATURE_VNC_PASSWORD, "there is no VNC server yet that could ask for a password",
      "remove vncpasswd= from xl.cfg" },
    { FEATURE_IMAGE_FORMAT, "only raw disk images can be read yet",
      "convert it with qemu-img convert -O raw and write format=raw in the disk line of xl.cfg" },
    { FEATURE_IMAGE_NBD, "disks behind an NBD socket (blktap) are not there yet",
      "name a raw file or a block device in the disk line of xl.cfg" },
};

/* Names the models that there are. */
static const char *nic_cure(char *text, size_t size)
{
    const char *name;
    size_t n = 0;

    for (unsigned i = 0; (name = pc_nic_name(i)) && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%smodel=%s", i ? " or " : "write ", name);
    if (n < size)
        snprintf(text + n, size - n, "%s type=vif (no emulated card) in the vif line of xl.cfg",
                 n ? ", or" : "write");
    return text;
}

int config_refuse(const struct config *c, struct error *e)
{
    char text[sizeof e->text] = "";
    size_t used = 0;

    if (c->machine == CONFIG_MACHINE_NONE)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        const char *detail = c->detail[r->feature];
        char nics[256];
        int n;

        if (!(c->features & UINT64_C(1) << r->feature))
            continue;
        n = snprintf(text + used, sizeof text - used, "%s%s%s%.60s%s: %s", used ? "; " : "",
                     r->reason, detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
                     r->cure ? r->cure : nic_cure(nics, sizeof nics));
        if (n < 0 || (size_t)n >= sizeof text - used) {
            text[used] = '\0'; /* one more would be cut: the next attempt will name it */
            break;
        }
        used += (size_t)n;
    }
    return used ? error_set(e, -ENOTSUP, "%s", text) : 0;
}

void config_warn(const struct config *c, void (*say)(const char *line))
{
    if (c->vnc)
        say("there is no VNC server yet, so nobody can look at this guest's screen that way "
            "(hvmdm-ctl takes screenshots; vnc=0 in xl.cfg silences this line)");
    if (c->record && c->machine == CONFIG_MACHINE_XENPV)
        say("a PV guest has no emulated hardware: nothing is recorded (--record)");
}
