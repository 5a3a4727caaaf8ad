/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hvmdm - what libxl starts for a Xen HVM guest: main() of the supervisor.
 *
 * The guest's hardware is played by hvmdm-model, a process that this one starts, and starts again.
 */
#include "toolstack/sandbox.h"
#include "toolstack/supervisor/record.h"
#include "toolstack/supervisor/supervisor.h"

int main(int argc, char *argv[])
{
    struct supervisor_options o = { .xen = &supervisor_xen,
                                    .confine = sandbox_supervisor,
                                    .records = RECORD_DIRECTORY };

    supervisor_scan(&o, argc, argv);
    return supervisor_main(&o);
}
