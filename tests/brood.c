/* SPDX-License-Identifier: GPL-2.0-or-later */
/* brood - the test's side: see brood.h. */
#include "tests/brood.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "toolstack/ctl.h"

void brood_path(char *to, size_t size, const char *name)
{
    snprintf(to, size, "%s/%s", getenv("TEST_DIR"), name);
}

void brood_note(const char *format, ...)
{
    char path[128], line[512];
    va_list args;
    size_t n;
    int fd;

    brood_path(path, sizeof path, "log");
    va_start(args, format);
    n = (size_t)vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    n = n < sizeof line - 1 ? n : sizeof line - 2;
    line[n++] = '\n';
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, n) != (ssize_t)n)
        _exit(90);
    close(fd);
}

bool brood_exists(const char *name)
{
    char path[128];

    brood_path(path, sizeof path, name);
    return access(path, F_OK) == 0;
}

bool brood_slurp(const char *name, char *to, size_t size)
{
    char path[128];
    ssize_t n;
    int fd;

    brood_path(path, sizeof path, name);
    to[0] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, to, size - 1);
    close(fd);
    to[n > 0 ? n : 0] = '\0';
    return true;
}

void brood_put(const char *name, const char *text)
{
    char path[128];
    int fd;

    brood_path(path, sizeof path, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}
void brood_remove(const char *name)
{
    char path[128];

    brood_path(path, sizeof path, name);
    assert_int_equal(unlink(path), 0);
}

void brood_nap(unsigned ms)
{
    usleep(ms * 1000);
}

static void read_log(struct brood *b)
{
    brood_slurp("log", b->log, sizeof b->log);
}

/* It runs; a dead one that its parent, or whoever inherited it, has not looked after does not. */
bool brood_alive(pid_t pid)
{
    char path[32], line[256] = "";
    const char *state;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    state = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    fclose(f);
    return state && state[2] != 'Z';
}

/* Waits for this text in the log, behind the last one waited for. */
const char *brood_await(struct brood *b, const char *text)
{
    const char *found;

    for (unsigned ms = 0; ms < BROOD_WAIT_MS; ms += 5) {
        read_log(b);
        found = strstr(b->log + b->at, text);
        if (found) {
            b->at = (size_t)(found - b->log) + strlen(text);
            return found + strlen(text);
        }
        brood_nap(5);
    }
    fail_msg("\"%s\" did not happen; the log is\n%s\nand now comes\n%s", text, b->log,
             b->log + b->at);
    return NULL;
}

bool brood_happened(struct brood *b, const char *text)
{
    read_log(b);
    return strstr(b->log, text) != NULL;
}

/* The same, wherever in the log: for what two processes do at the same time. */
void brood_await_too(struct brood *b, const char *text)
{
    size_t at = b->at;

    b->at = 0;
    brood_await(b, text);
    b->at = at;
}

pid_t brood_await_worker(struct brood *b, const char *who, const char *rest)
{
    char text[64];
    pid_t pid;
    const char *p;

    snprintf(text, sizeof text, "%s pid ", who);
    p = brood_await(b, text);
    pid = atoi(p);
    p = brood_await(b, " "); /* behind the number */
    if (strncmp(p, rest, strlen(rest)))
        fail_msg("%s: wanted \"%s\", is \"%.60s\"", who, rest, p);
    snprintf(text, sizeof text, "%s ready", who);
    return pid;
}

void brood_prepare(struct brood *b)
{
    char self[256], path[128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    *b = (struct brood){ .dir = "/tmp/test_supervisor.XXXXXX" };
    assert_true(n > 0);
    self[n] = '\0';
    assert_non_null(mkdtemp(b->dir));
    setenv("TEST_DIR", b->dir, 1);
    brood_path(path, sizeof path, "hvmdm-model");
    assert_int_equal(symlink(self, path), 0);
    xenstored_start(&b->x);
    xenstored_put(&b->x, BROOD_NODE, "");
}

void brood_launch(struct brood *b)
{
    char model[128], restricted[] = "-xen-domid-restrict", machine[] = "-M", xenpv[] = "xenpv";
    char *argv[] = { (char[]){ "hvmdm" },
                     (char[]){ "-xen-domid" },
                     (char[]){ "7" },
                     (char[]){ "-name" },
                     (char[]){ "web" },
                     (char[]){ "-model" },
                     model,
                     NULL,
                     NULL,
                     NULL };

    brood_path(model, sizeof model, "hvmdm-model");
    if (brood_exists("dm-restrict"))
        argv[ARRAY_SIZE(argv) - 3] = restricted;
    if (brood_exists("pv-only")) {
        argv[ARRAY_SIZE(argv) - 3] = machine;
        argv[ARRAY_SIZE(argv) - 2] = xenpv;
    }
    b->pid = fork();
    assert_true(b->pid >= 0);
    if (b->pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TEST_SUPERVISOR", "1", 1);
    setenv("XENSTORED_PATH", b->x.path, 1);
    /* What libxl leaves open is for the first device model, and for nobody else. */
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0 || dup(0) < 0)
        _exit(98);
    if (!brood_exists("loud"))
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    execv("/proc/self/exe", argv);
    _exit(98);
}

/* With these words for the first model; up and serving. */
pid_t brood_start(struct brood *b, const char *words)
{
    pid_t pid;

    brood_prepare(b);
    brood_put("model.0", words);
    brood_launch(b);
    pid = brood_await_worker(b, "model 0", "death 0 arena () leaks 1");
    brood_await(b, "model 0 ready");
    return pid;
}

/* The supervisor's exit status, at most this late; -1 if it is not that. */
int brood_status(struct brood *b, unsigned ms)
{
    int status;

    for (unsigned i = 0; i < ms; i += 5) {
        if (waitpid(b->pid, &status, WNOHANG) == b->pid) {
            b->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        brood_nap(5);
    }
    return -1;
}

void brood_await_running(struct brood *b)
{
    char text[16] = "";

    for (unsigned ms = 0; ms < BROOD_WAIT_MS && strcmp(text, "running"); ms += 5) {
        if (xenstore_read(b->x.them, BROOD_NODE "/state", text, sizeof text) < 0)
            brood_nap(5);
    }
    assert_string_equal(text, "running");
}

void brood_end(struct brood *b)
{
    char command[64];

    if (b->pid) {
        kill(b->pid, SIGHUP);
        assert_int_equal(brood_status(b, BROOD_END_MS), 0);
    }
    assert_false(brood_exists("7.supervisor"));
    xenstored_stop(&b->x);
    snprintf(command, sizeof command, "rm -r %s", b->dir);
    assert_int_equal(system(command), 0);
}

/* What hvmdm-ctl says, and its exit status. */
int brood_ctl(struct brood *b, const char *command, const char *argument, char *said, size_t size)
{
    char *const argv[] = {
        (char[]){ "hvmdm-ctl" }, (char[]){ "-d" },           b->dir,
        (char[]){ "web" },       (char *)(uintptr_t)command, (char *)(uintptr_t)argument
    };
    FILE *out = fmemopen(said, size, "w");
    int status;

    assert_non_null(out);
    status = ctl_client(argument ? 6 : 5, argv, out, out);
    fclose(out);
    return status;
}
