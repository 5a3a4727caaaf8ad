/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn - programs known by an open descriptor, and processes that run them.
 *
 * A program that was opened stays what it is, whatever a package manager does to its file. A
 * process that we start inherits standard input, output and error, and the descriptors named here.
 */
#ifndef TOOLSTACK_SUPERVISOR_SPAWN_H
#define TOOLSTACK_SUPERVISOR_SPAWN_H

#include <sys/types.h>

#include "hw/core/bits.h"
#include "hw/core/error.h"

enum { PROGRAM_PATH = 1024 };

struct program {
    int fd;                  /* -1: none */
    char path[PROGRAM_PATH]; /* absolute, as it was opened */
};

/* 0 or -errno with a sentence; *p is untouched then. */
MUST_CHECK int program_open(struct program *p, const char *path, struct error *e);
void program_close(struct program *p);
/* The device model: `path` if given, else beside our own binary, else where it is installed. */
MUST_CHECK int program_find_model(struct program *p, const char *path, struct error *e);
/* The supervisor that belongs to a device model: beside it, or where it is installed. -ENOENT:
 * none; -EALREADY: it is the one that runs. */
MUST_CHECK int program_find_supervisor(struct program *p, const struct program *model,
                                       struct error *e);
/* Become this program; returns -errno only. */
int program_exec(const struct program *p, char *const argv[]);

struct spawn {
    const struct program *program;
    char *const *argv;
    const char *env_name, *env_value; /* one variable set in the child; the name NULL: none */
    const int *keep;                  /* descriptors it inherits */
    unsigned nkeep;
    int words; /* becomes its standard error; -1: it gets ours */
};

/* The child's pid, or -errno. It is killed when we die, until it says otherwise. */
MUST_CHECK pid_t spawn(const struct spawn *p);

#endif
