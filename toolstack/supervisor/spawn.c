/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spawn - see spawn.h. */
#include "toolstack/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/core/log.h"
#include "toolstack/version.h"

#define MODEL_NAME  "hvmdm-model"
#define MODEL_PLACE "/libexec/hvmdm" /* below the prefix; the supervisor is in /sbin then */
#define EXEC_FAILED 127              /* exit status, as of a shell */

int program_open(struct program *p, const char *path, struct error *e)
{
    struct program new = { .fd = -1 };
    struct stat st;
    size_t n = 0;
    int err;

    if (path[0] != '/') {
        if (!getcwd(new.path, sizeof new.path))
            return error_set(e, -errno, "cannot tell where %s is: %s", path, strerror(errno));
        n = strlen(new.path);
        new.path[n++] = '/';
    }
    if (n + strlen(path) >= sizeof new.path)
        return error_set(e, -ENAMETOOLONG, "the path of a program is too long: %.200s", path);
    memcpy(new.path + n, path, strlen(path) + 1);
    new.fd = open(new.path, O_RDONLY | O_CLOEXEC);
    if (new.fd < 0)
        return error_set(e, -errno, "cannot open %s: %s", new.path, strerror(errno));
    err = fstat(new.fd, &st) < 0 ? -errno : 0;
    if (err == 0 && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111)))
        err = -EACCES;
    if (err < 0) {
        close(new.fd);
        return error_set(e, err, "%s is no program", new.path);
    }
    *p = new;
    return 0;
}

void program_close(struct program *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* Open `name` in the directory in which `path` lies. */
static int open_beside(struct program *p, const char *path, const char *name, struct error *e)
{
    const char *slash = strrchr(path, '/');
    char beside[PROGRAM_PATH + 32];

    snprintf(beside, sizeof beside, "%.*s/%s", slash ? (int)(slash - path) : 0, path, name);
    return program_open(p, beside, e);
}

int program_find_model(struct program *p, const char *path, struct error *e)
{
    char self[PROGRAM_PATH];
    ssize_t n;

    if (path)
        return program_open(p, path, e);
    n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        if (open_beside(p, self, MODEL_NAME, NULL) == 0)
            return 0;
    }
    return program_open(p, HVMDM_PREFIX MODEL_PLACE "/" MODEL_NAME, e);
}

static bool is_running(const struct program *p)
{
    struct stat ours, theirs;

    return stat("/proc/self/exe", &ours) == 0 && fstat(p->fd, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int program_find_supervisor(struct program *p, const struct program *model, struct error *e)
{
    const char *slash = strrchr(model->path, '/');
    size_t n = slash ? (size_t)(slash - model->path) : 0, place = strlen(MODEL_PLACE);
    int ret = open_beside(p, model->path, "hvmdm", e);

    if (ret == -ENOENT && n >= place && !memcmp(slash - place, MODEL_PLACE, place)) {
        char installed[PROGRAM_PATH + 32];

        snprintf(installed, sizeof installed, "%.*s/sbin/hvmdm", (int)(n - place), model->path);
        ret = program_open(p, installed, NULL);
    }
    if (ret == 0 && is_running(p)) {
        program_close(p);
        ret = -EALREADY;
    }
    return ret;
}

static int exec_with(const struct program *p, char *const argv[], char *const envp[])
{
    execveat(p->fd, "", argv, envp, AT_EMPTY_PATH);
    return -errno;
}

int program_exec(const struct program *p, char *const argv[])
{
    return exec_with(p, argv, environ);
}

/* In the child, which has descriptors and signals of its own, but our memory. */
static _Noreturn void become(const struct spawn *p, char *const envp[], pid_t parent)
{
    sigset_t none;
    int err;

    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXEC_FAILED);
    for (unsigned i = 0; i < p->nkeep; i++)
        fcntl(p->keep[i], F_SETFD, 0);
    if (p->words >= 0)
        dup2(p->words, STDERR_FILENO);
    err = exec_with(p->program, p->argv, envp);
    log_error("cannot run %s: %s", p->program->path, strerror(-err));
    _exit(EXEC_FAILED);
}

/* Our environment with one variable in front; NULL: no memory. Free both it and its first entry. */
static char **environment(const char *name, const char *value)
{
    size_t n = 0, len = strlen(name), used = 1;
    char **envp, *first;

    while (environ[n])
        n++;
    envp = calloc(n + 2, sizeof *envp);
    if (!envp || asprintf(&first, "%s=%s", name, value) < 0) {
        free(envp);
        return NULL;
    }
    envp[0] = first;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], name, len) != 0 || environ[i][len] != '=')
            envp[used++] = environ[i];
    return envp;
}

/* vfork, because the guest waits for this: no address space is copied. A frame of its own, which
 * the child cannot spoil. Until the program runs we stand still: it belongs on a local disk. */
static __attribute__((noinline)) pid_t start(const struct spawn *p, char *const envp[],
                                             pid_t parent)
{
    pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)

    if (pid == 0)
        become(p, envp, parent); // NOLINT(clang-analyzer-unix.Vfork): it ends in exec or _exit
    return pid < 0 ? -errno : pid;
}

pid_t spawn(const struct spawn *p)
{
    char **envp;
    pid_t pid;

    if (!p->env_name)
        return start(p, environ, getpid());
    envp = environment(p->env_name, p->env_value);
    if (!envp)
        return -ENOMEM;
    pid = start(p, envp, getpid());
    free(envp[0]);
    free(envp);
    return pid;
}
