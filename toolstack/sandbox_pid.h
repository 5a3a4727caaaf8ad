/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_pid - what stands in a filter that the build has made for the process id that nobody
 * knows by then. Larger than any process id, no argument of any other rule.
 */
#ifndef TOOLSTACK_SANDBOX_PID_H
#define TOOLSTACK_SANDBOX_PID_H

#define SANDBOX_ANY_PID 0x7ee7ee77u

#endif
