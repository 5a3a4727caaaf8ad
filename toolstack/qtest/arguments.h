/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arguments - the command line of clients of the test port.
 *
 * Another grammar than libxl's (cmdline.c): commas in values are doubled, sockets are connected to
 * unless "server=on" says otherwise, and much is given that means nothing here.
 */
#ifndef TOOLSTACK_QTEST_ARGUMENTS_H
#define TOOLSTACK_QTEST_ARGUMENTS_H

#include "toolstack/config.h"

/* A socket for QMP. */
struct arguments_monitor {
    const char *path; /* NULL: inherited */
    int fd;           /* or -1 */
    bool listen;
};

struct arguments {
    struct config config; /* what the board is like: disks, serial ports, memory, CPUs */
    char *port;           /* "unix:...", "stdio", "null"; NULL: none */
    const char *log;      /* file; NULL: standard error; "": none */
    const char *control;  /* directory for the control socket, as domain 0; NULL: none */
    const char *once;     /* boot order until the first reset; NULL: none */
    bool fast_boot;       /* -no-fd-bootchk */
    bool no_reboot;
    bool nodefaults;
    uint8_t uuid[16];
    unsigned nmonitors;
    struct arguments_monitor monitor[CONFIG_QMP];
};

/* The command line asks for the test port. */
bool arguments_ask_for_port(int argc, char *const argv[]);

/* 0, or -errno with a sentence that names the argument; arguments_free() is due in both cases. */
MUST_CHECK int arguments_parse(struct arguments *a, int argc, char *const argv[], struct error *e);
void arguments_free(struct arguments *a);

#endif
