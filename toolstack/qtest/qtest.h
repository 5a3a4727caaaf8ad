/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtest - the program as clients of the test port start it: the whole PC on the simulator.
 *
 * No Xen, no privileges, one process: see docs/qtest.md.
 */
#ifndef TOOLSTACK_QTEST_QTEST_H
#define TOOLSTACK_QTEST_QTEST_H

#include <stdbool.h>

/* The command line asks for the test port. */
bool qtest_wanted(int argc, char *const argv[]);
/* main() from then on: the exit status. */
int qtest_main(int argc, char *const argv[]);

#endif
