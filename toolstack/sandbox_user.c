/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_user - see sandbox.h. As whom a worker runs, and with which sandbox.
 *
 * Without -runas: HVMDM_UID_BASE + domid, which is this guest's alone. With it: whom libxl names, a
 * user of this host or UID:GID, by whose number libxl then kills. Only the first device model looks
 * that up; who comes later is told by the supervisor, so that no recovery waits for a directory
 * service, or fails with it.
 * Absent: the files below -chroot's directory; an empty root takes its place.
 */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>

#include <config.h> /* made by configure: HVMDM_UID_BASE */

#include "toolstack/config.h"
#include "toolstack/sandbox.h"
#include "toolstack/supervised.h"

#define WHO_SAYS_SO "device_model_user= or dm_restrict=1 in xl.cfg"

static int look_up(struct sandbox *box, const char *name, struct error *e)
{
    const struct passwd *user;

    errno = 0;
    user = getpwnam(name);
    if (user) {
        box->uid = user->pw_uid;
        box->gid = user->pw_gid;
        box->shared_user = true;
        return 0;
    }
    if (supervised_read_ids(name, &box->uid, &box->gid))
        return 0;
    if (errno && errno != ENOENT && errno != ESRCH)
        return error_set(e, -errno, "cannot look up user \"%.60s\" (" WHO_SAYS_SO "): %s", name,
                         strerror(errno));
    return error_set(e, -ENOENT,
                     "there is no user \"%.60s\" to run as (" WHO_SAYS_SO
                     "): add it to /etc/passwd, or name another one",
                     name);
}

static int choose_user(struct sandbox *box, const struct config *c, struct error *e)
{
    int err;

    box->uid = box->gid = HVMDM_UID_BASE + c->domid;
    if (!c->runas)
        return 0;
    err = look_up(box, c->runas, e);
    if (err < 0)
        return err;
    if (!box->uid || !box->gid)
        return error_set(e, -EPERM,
                         "user \"%.60s\" to run as (" WHO_SAYS_SO
                         ") is root, or in root's group: name another one, or change its entry in "
                         "/etc/passwd",
                         c->runas);
    return 0;
}

static int check_root(const char *path, struct error *e)
{
    struct stat st;
    int err = stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;

    if (err == 0)
        return 0;
    return error_set(e, err,
                     "argument -chroot %.160s: %s (libxl makes this directory for dm_restrict=1 in "
                     "xl.cfg)",
                     path, strerror(-err));
}

int sandbox_for_worker(struct sandbox *box, const struct config *c, const struct supervised *s,
                       struct error *e)
{
    int err = 0;

    *box = (struct sandbox){ .enabled = !c->no_sandbox,
                             .profile =
                                 supervised_role(s) == SUPERVISED_PV ? SANDBOX_PV : SANDBOX_MODEL };
    if (!s && (c->runas || c->chroot || c->domid_restrict))
        return error_set(e, -ENOTSUP,
                         "without its supervisor a device model cannot run restricted: name hvmdm, "
                         "not hvmdm-model, in device_model_override= in xl.cfg");
    /* libxl removes the directory when it likes: it is looked for once. */
    if (c->chroot && supervised_generation(s) == 0 && box->profile == SANDBOX_MODEL)
        err = check_root(c->chroot, e);
    if (err < 0)
        return err;
    if (!supervised_user(s, &box->uid, &box->gid))
        return choose_user(box, c, e);
    box->shared_user = c->runas && !strchr(c->runas, ':');
    return 0;
}
