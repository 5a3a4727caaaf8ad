/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmdm-ctl - asks a running device model. Everything is in toolstack/ctl_client.c, so that tests
 * can call it.
 */
#include <stdio.h>

#include "toolstack/ctl.h"

int main(int argc, char *argv[])
{
    return ctl_client(argc, argv, stdout, stderr);
}
