/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash_trace - who called whom, found out in a signal handler.
 *
 * Our own code is built with frame pointers. Where the process died in a library, which is not,
 * the first of our frames is looked for on the stack; the line before it is then a guess and ends
 * in a question mark.
 */
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "hw/core/bits.h"
#include "toolstack/crash_private.h"

enum {
    TRACE_MODULES = 24, /* a worker has about 12 */
    TRACE_NAME = 24,
    TRACE_ID = 20,
    TRACE_FRAMES = 24,
    TRACE_PAGE = 4096,
    TRACE_SCAN = 1024, /* words of the stack */
};
#define TRACE_MAIN_STACK (UINT64_C(64) << 20) /* the main thread's is never larger here */

/* It reads what no variable names. */
#define TRACE_READS_STACK __attribute__((no_sanitize("address", "undefined"), noinline))

struct module {
    char name[TRACE_NAME];
    uintptr_t base, text, end; /* text: executable part */
};

static struct {
    struct module module[TRACE_MODULES]; /* the first is the program */
    unsigned n;
    uint8_t id[TRACE_ID];
    unsigned id_bytes;
    uintptr_t stack_end;
} noted;

/* ---- in peace ------------------------------------------------------------------------------- */

static void note_build_id(const struct dl_phdr_info *info, const ElfW(Phdr) * p)
{
    const char *at = (const char *)info->dlpi_addr + p->p_vaddr, *end = at + p->p_memsz;

    while ((size_t)(end - at) > sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const void *)at;
        const char *name = at + sizeof *note, *id = name + ((note->n_namesz + 3) & ~3u);

        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
            noted.id_bytes = note->n_descsz < TRACE_ID ? note->n_descsz : TRACE_ID;
            memcpy(noted.id, id, noted.id_bytes);
        }
        at = id + ((note->n_descsz + 3) & ~3u);
    }
}

static int note_module(struct dl_phdr_info *info, size_t size, void *opaque)
{
    const char *slash = strrchr(info->dlpi_name, '/');
    struct module *m = &noted.module[noted.n];

    (void)size;
    (void)opaque;
    if (noted.n == TRACE_MODULES)
        return 1;
    *m = (struct module){ .base = info->dlpi_addr };
    strncpy(m->name, slash ? slash + 1 : info->dlpi_name, sizeof m->name - 1);
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + p->p_vaddr;

        if (p->p_type == PT_NOTE && noted.n == 0)
            note_build_id(info, p);
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        m->text = m->text ? m->text : from;
        m->end = from + p->p_memsz;
    }
    noted.n++;
    return 0;
}

/* The program was started by descriptor, under whatever name libxl gave. */
static void note_program(void)
{
    char path[256];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *slash;

    path[n < 0 ? 0 : n] = '\0';
    slash = strrchr(path, '/');
    if (slash && noted.n)
        strncpy(noted.module[0].name, slash + 1, sizeof noted.module[0].name - 1);
}

/* The kernel puts the program's name at the end of the stack that it starts a program with. To ask
 * the C library would have it read /proc/self/maps, while a guest waits. */
void crash_trace_prepare(void)
{
    memset(&noted, 0, sizeof noted);
    dl_iterate_phdr(note_module, NULL);
    note_program();
    noted.stack_end = getauxval(AT_EXECFN) & ~(uintptr_t)7;
}

/* ---- in the handler ------------------------------------------------------------------------- */

static bool ours(uintptr_t pc)
{
    return noted.n && pc >= noted.module[0].text && pc < noted.module[0].end;
}

static const struct module *module_of(uintptr_t pc)
{
    for (unsigned i = 0; i < noted.n; i++)
        if (pc >= noted.module[i].text && pc < noted.module[i].end)
            return &noted.module[i];
    return NULL;
}

static void put_frame(unsigned n, uintptr_t pc, bool sure)
{
    const struct module *m = module_of(pc);

    crash_put("  #");
    crash_put_number(n);
    crash_put(" ");
    crash_put(m ? m->name : "");
    crash_put(m ? "+0x" : "0x");
    crash_put_hex(m ? pc - m->base : pc);
    crash_put(sure ? "\n" : " ?\n");
    crash_flush();
}

/* A saved frame pointer that leads upward, behind it a return address. */
TRACE_READS_STACK static bool is_frame(uintptr_t at, uintptr_t low, uintptr_t end)
{
    const uintptr_t *word = (const uintptr_t *)at;

    return at >= low && at % sizeof at == 0 && at < end && end - at >= 2 * sizeof at &&
           module_of(word[1]);
}

/* First place in [at, end) that looks like the frame of one of our functions, and leads to another
 * frame. 0: none. */
TRACE_READS_STACK static uintptr_t find_frame(uintptr_t at, uintptr_t end)
{
    for (unsigned i = 0; i < TRACE_SCAN && end - at >= 2 * sizeof at; i++, at += sizeof at) {
        const uintptr_t *word = (const uintptr_t *)at;

        if (ours(word[1]) && is_frame(word[0], at + 2 * sizeof at, end))
            return at;
    }
    return 0;
}

/* First word in [at, end) that could be a return address into our text. */
TRACE_READS_STACK static uintptr_t find_return(uintptr_t at, uintptr_t end)
{
    for (; at + sizeof at <= end; at += sizeof at)
        if (ours(*(const uintptr_t *)at))
            return *(const uintptr_t *)at;
    return 0;
}

/* A return address is one behind its call: less one, addr2line finds the line of the call. */
TRACE_READS_STACK static void put_frames(unsigned n, uintptr_t fp, uintptr_t low, uintptr_t end)
{
    for (; n < TRACE_FRAMES && is_frame(fp, low, end); n++) {
        const uintptr_t *word = (const uintptr_t *)fp;

        put_frame(n, word[1] - 1, true);
        low = fp + 2 * sizeof fp;
        fp = word[0];
    }
}

static void put_program(void)
{
    static const char digit[] = "0123456789abcdef";

    crash_put(noted.n ? noted.module[0].name : "?");
    crash_put(", build id ");
    for (unsigned i = 0; i < noted.id_bytes; i++) {
        const char two[3] = { digit[noted.id[i] >> 4], digit[noted.id[i] & 15], '\0' };

        crash_put(two);
    }
    crash_put(noted.id_bytes ? "\n" : "unknown\n");
}

void crash_put_trace(uintptr_t pc, uintptr_t sp, uintptr_t fp, uintptr_t fault)
{
    uintptr_t low = (sp + 7) & ~(uintptr_t)7, end = noted.stack_end;
    uintptr_t guess;
    unsigned n = 1;

    put_program();
    put_frame(0, pc, true);
    if (!(low < end && end - low < TRACE_MAIN_STACK)) /* not the stack that we know */
        end = (low | (TRACE_PAGE - 1)) + 1;
    /* A stack that ran over: its lowest page is not there. */
    if (fault && fault + TRACE_PAGE > low && fault < low + TRACE_PAGE)
        low = (fault | (TRACE_PAGE - 1)) + 1;
    if (low >= end)
        return;
    if (!ours(pc)) {
        fp = find_frame(low, end);
        guess = find_return(low, fp ? fp : low);
        if (guess)
            put_frame(n++, guess - 1, false);
    }
    put_frames(n, fp, low, end);
}
