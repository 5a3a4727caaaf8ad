/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quick - see quick.h.
 *
 * A signal that comes between the look at the flag and the system call would be lost: the handler
 * therefore looks where it has interrupted us, and leads us around the call. All other handlers of
 * the process that return (quick_catch(), the watchdog) restart a read that they interrupt, and
 * block SIGIO meanwhile, so that ours still comes after them, at the call.
 *
 * Sources: fcntl(2) (O_ASYNC, F_SETOWN), signal(7); Linux fs/fcntl.c: descriptors of a kind without
 * signals accept O_ASYNC silently, but do not show it afterwards.
 */
#include "ioreq/quick.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__

static volatile int poked;

/* In: edi fd, rsi buffer, rdx bytes, rcx the flag. Out: rax bytes or -errno; rcx and r11 are the
 * call's. -4 is -EINTR. */
extern const char quick_begin[], quick_end[], quick_around[];
long quick_call(int fd, void *buf, size_t n, const volatile int *flag);
__asm__(".text\n"
        ".globl quick_begin, quick_end\n" /* for the test */
        ".hidden quick_begin, quick_end\n"
        ".type quick_call, @function\n"
        "quick_call:\n"
        "    xorl %eax, %eax\n"
        "quick_begin:\n"
        "    cmpl $0, (%rcx)\n"
        "    jne quick_around\n"
        "    syscall\n"
        "quick_end:\n"
        "    ret\n"
        "quick_around:\n"
        "    movq $-4, %rax\n"
        "    ret\n"
        ".size quick_call, . - quick_call\n"
        ".section .note.GNU-stack, \"\", @progbits\n"
        ".text\n");

static void poke(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    uintptr_t at = (uintptr_t)c->uc_mcontext.gregs[REG_RIP];

    (void)sig;
    (void)info;
    poked = 1;
    if (at >= (uintptr_t)quick_begin && at < (uintptr_t)quick_end)
        c->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)quick_around;
}

bool quick_available(void)
{
    const struct sigaction act = { .sa_sigaction = poke, .sa_flags = SA_SIGINFO };

    return sigaction(SIGIO, &act, NULL) == 0;
}

ssize_t quick_read(int fd, void *buf, size_t n)
{
    return quick_call(fd, buf, n, &poked);
}

#else

static int poked;

bool quick_available(void)
{
    return false;
}

ssize_t quick_read(int fd, void *buf, size_t n)
{
    ssize_t got = poked ? -1 : read(fd, buf, n);

    return got >= 0 ? got : poked ? -EINTR : -errno;
}

#endif

bool quick_announce(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETOWN, getpid()) == 0 &&
           fcntl(fd, F_SETFL, flags | O_ASYNC) == 0 && fcntl(fd, F_GETFL) & O_ASYNC;
}

int quick_catch(int sig, void (*handler)(int))
{
    struct sigaction act = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigaddset(&act.sa_mask, SIGIO);
    return sigaction(sig, &act, NULL) < 0 ? -errno : 0;
}

void quick_forget(void)
{
    poked = 0;
}

bool quick_poked(void)
{
    return poked;
}
