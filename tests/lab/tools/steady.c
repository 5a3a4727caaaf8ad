/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steady: finds out whether this machine keeps a process's state while others run.
 *
 *   steady SECONDS
 *
 * Several processes each hold known values in their vector registers, in private memory that is
 * shared copy-on-write with their parent, in memory freshly given by the kernel, and at their
 * thread pointer, and look whether they stay. A line for each kind of loss; status 1 if any.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES 64

static struct counts {
    unsigned long rounds[5];
    unsigned long lost[5];
    unsigned long signals;
} * counts;

static const char *const names[] = { "registers (spinning)", "registers (yielding)",
                                     "copy on write", "fresh memory", "fork and exec" };
static _Thread_local uint64_t own_tls;
static uint64_t cow[PAGES][512];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void lost(int kind, const char *what, uint64_t want, uint64_t got)
{
    if (__atomic_fetch_add(&counts->lost[kind], 1, __ATOMIC_RELAXED) < 5) {
        fprintf(stderr, "steady: %s, %s: %016llx, not %016llx\n", names[kind], what,
                (unsigned long long)got, (unsigned long long)want);
    }
}

/* 8 registers of 16 bytes loaded, something done, stored again. */
static void registers(int kind, uint64_t seed)
{
    uint64_t in[8][2] __attribute__((aligned(16)));
    uint64_t out[8][2] __attribute__((aligned(16)));
    unsigned long spins = kind == 0 ? 200000 : 0;
    long result;

    for (int i = 0; i < 16; i++) {
        in[i / 2][i % 2] = seed * 0x9e3779b97f4a7c15u + (uint64_t)i;
    }
    own_tls = seed;
    __asm__ volatile("movdqa 0(%[in]), %%xmm0\n movdqa 16(%[in]), %%xmm1\n"
                     "movdqa 32(%[in]), %%xmm2\n movdqa 48(%[in]), %%xmm3\n"
                     "movdqa 64(%[in]), %%xmm4\n movdqa 80(%[in]), %%xmm5\n"
                     "movdqa 96(%[in]), %%xmm6\n movdqa 112(%[in]), %%xmm7\n"
                     "test %[spins], %[spins]\n jz 2f\n"
                     "1: dec %[spins]\n jnz 1b\n jmp 3f\n"
                     "2: mov $24, %%eax\n syscall\n" /* sched_yield */
                     "3:\n"
                     "movdqa %%xmm0, 0(%[out])\n movdqa %%xmm1, 16(%[out])\n"
                     "movdqa %%xmm2, 32(%[out])\n movdqa %%xmm3, 48(%[out])\n"
                     "movdqa %%xmm4, 64(%[out])\n movdqa %%xmm5, 80(%[out])\n"
                     "movdqa %%xmm6, 96(%[out])\n movdqa %%xmm7, 112(%[out])\n"
                     : [spins] "+r"(spins), "=a"(result)
                     : [in] "r"(in), [out] "r"(out)
                     : "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7");
    for (int i = 0; i < 16; i++) {
        if (in[i / 2][i % 2] != out[i / 2][i % 2]) {
            lost(kind, "register", in[i / 2][i % 2], out[i / 2][i % 2]);
            break;
        }
    }
    if (own_tls != seed) {
        lost(kind, "thread pointer", seed, own_tls);
    }
    counts->rounds[kind]++;
}

static void copy_on_write(uint64_t seed)
{
    pid_t child;

    for (int i = 0; i < PAGES; i++) {
        for (int j = 0; j < 512; j++) {
            cow[i][j] = seed + (uint64_t)(i * 512 + j);
        }
    }
    child = fork();
    if (child == 0) {
        for (int i = 0; i < PAGES; i++) {
            for (int j = 0; j < 512; j++) {
                if (cow[i][j] != seed + (uint64_t)(i * 512 + j)) {
                    lost(2, "child", seed + (uint64_t)(i * 512 + j), cow[i][j]);
                    _exit(0);
                }
            }
            cow[i][i] = 0;
        }
        for (int i = 0; i < PAGES; i++) {
            if (cow[i][i] != 0 || cow[i][i + 1] != seed + (uint64_t)(i * 512 + i + 1)) {
                lost(2, "child's copy", 0, cow[i][i]);
            }
        }
        _exit(0);
    }
    for (int i = 0; i < PAGES; i++) {
        cow[i][511] = ~seed;
    }
    while (waitpid(child, NULL, 0) < 0) {
    }
    for (int i = 0; i < PAGES; i++) {
        if (cow[i][i] != seed + (uint64_t)(i * 512 + i) || cow[i][511] != ~seed) {
            lost(2, "parent", seed + (uint64_t)(i * 512 + i), cow[i][i]);
            break;
        }
    }
    counts->rounds[2]++;
}

static void fresh_memory(uint64_t seed)
{
    uint64_t *page =
        mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; i < PAGES * 512; i++) {
        if (page[i] != 0) {
            lost(3, "zero page", 0, page[i]);
            break;
        }
        page[i] = seed + (uint64_t)i;
    }
    sched_yield();
    for (int i = 0; i < PAGES * 512; i++) {
        if (page[i] != seed + (uint64_t)i) {
            lost(3, "written page", seed + (uint64_t)i, page[i]);
            break;
        }
    }
    munmap(page, PAGES * 4096);
    counts->rounds[3]++;
}

static void fork_exec(void)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        execl("/bin/busybox", "true", (char *)NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    if (status != 0) {
        lost(4, "status", 0, (uint64_t)status);
    }
    counts->rounds[4]++;
}

int main(int argc, char **argv)
{
    double end = now() + (argc > 1 ? atof(argv[1]) : 10);
    bool failed = false;

    counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int kind = 0; kind < 5; kind++) {
        if (fork() == 0) {
            for (uint64_t seed = (uint64_t)getpid() << 32; now() < end; seed++) {
                switch (kind) {
                case 0:
                case 1:
                    registers(kind, seed);
                    break;
                case 2:
                    copy_on_write(seed);
                    break;
                case 3:
                    fresh_memory(seed);
                    break;
                default:
                    fork_exec();
                    break;
                }
                if (seed % 4 == 0) {
                    usleep(1000);
                }
            }
            _exit(0);
        }
    }
    for (int status; wait(&status) > 0;) {
        if (status != 0) {
            counts->signals++;
        }
    }
    for (int kind = 0; kind < 5; kind++) {
        printf("%s: %lu rounds, %lu lost\n", names[kind], counts->rounds[kind], counts->lost[kind]);
        failed = failed || counts->lost[kind] != 0;
    }
    printf("crashed: %lu\n", counts->signals);
    return failed || counts->signals != 0;
}
