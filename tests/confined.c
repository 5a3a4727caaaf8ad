/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confined - see confined.h. */
#include "tests/confined.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 60 };

const struct sandbox confined_model = { true,          CONFINED_USER, CONFINED_USER,
                                        SANDBOX_MODEL, false,         false };
const struct sandbox confined_pv = { true, CONFINED_USER, CONFINED_USER, SANDBOX_PV, false, false };

void confined_give_up(const char *what, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
    _exit(1);
}

void confined_enter(const struct sandbox *s)
{
    struct error e = { "" };

    alarm(CHILD_SECONDS);
    if (sandbox_enter(s, &e) < 0)
        confined_give_up(e.text, __FILE__, __LINE__);
}

pid_t confined_fork(void)
{
    static const int caught[] = { SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    pid_t pid = fork();

    for (unsigned i = 0; i < ARRAY_SIZE(caught) && pid == 0; i++)
        signal(caught[i], SIG_DFL);
    return pid;
}

int confined_run(void (*f)(void *opaque), void *opaque)
{
    int status;
    pid_t pid = confined_fork();

    if (pid == 0) {
        f(opaque);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void try_namespaces(void *opaque)
{
    (void)opaque;
    CHECK(unshare(CLONE_NEWNS) == 0);
}

void confined_possible(void)
{
    static int possible = -1;

    if (possible < 0) {
        possible = geteuid() == 0 && confined_run(try_namespaces, NULL) == 0;
        if (!possible)
            print_message("skipped: the sandbox needs root, and namespaces from the kernel (and "
                          "from the container, if this is one)\n");
    }
    if (!possible)
        skip();
}
