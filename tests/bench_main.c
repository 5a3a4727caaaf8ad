/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main program of a device test; fuzz targets bring their own. */
#include "tests/bench.h"

int main(int argc, char **argv)
{
    return bench_main(argc, argv);
}
