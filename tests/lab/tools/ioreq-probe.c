/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ioreq-probe: which of a domain's ioreq servers exist.
 *
 *   ioreq-probe DOMID
 *
 * Asks Xen about ids 0 to 7 without the frame numbers, which would set legacy pages up as a side
 * effect. Prints the ids that exist, separated by spaces. Exit status 0: asked, 1: could not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xendevicemodel.h>

#define IOREQ_SERVER_IDS 8

int main(int argc, char **argv)
{
    const char *separator = "";
    xendevicemodel_handle *handle;
    int status = 0;

    if (argc != 2) {
        fprintf(stderr, "usage: ioreq-probe DOMID\n");
        return 2;
    }
    handle = xendevicemodel_open(NULL, 0);
    if (!handle) {
        fprintf(stderr, "ioreq-probe: cannot open privcmd: %s\n", strerror(errno));
        return 1;
    }
    for (ioservid_t id = 0; id < IOREQ_SERVER_IDS; id++) {
        domid_t domid = (domid_t)atoi(argv[1]);

        if (xendevicemodel_get_ioreq_server_info(handle, domid, id, NULL, NULL, NULL) == 0) {
            printf("%s%u", separator, (unsigned)id);
            separator = " ";
        } else if (errno != ENOENT) {
            fprintf(stderr, "ioreq-probe: id %u: %s\n", (unsigned)id, strerror(errno));
            status = 1;
        }
    }
    putchar('\n');
    xendevicemodel_close(handle);
    return status;
}
