/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Payload idle: says that it is up, then stays, doing nothing.
 */
#include "payload.h"

void payload_main(void)
{
    serial_text("payload: idle\r\n");
    idle();
}
