#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# layers - who may include what; see docs/architecture.md, "Folders". Silent when all is well.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

complain() { # complain RULE < offending lines
    lines=$(cat)
    [ -n "$lines" ] || return 0
    printf '%s:\n%s\n' "$1" "$lines"
    bad=1
}

devices=$(git ls-files --cached --others --exclude-standard 'hw/*.c' 'hw/*.h' | grep -v -e '^hw/core/' -e '^hw/xen/' -e '^hw/test/')
# shellcheck disable=SC2086
grep -nE '#include [<"](xen|libxen|ioreq/)' $devices | grep -v '^hw/pc\.' |
    complain 'a device includes Xen or the hypervisor port'
# shellcheck disable=SC2086
grep -nE '#include <(time|sys/time|fcntl|unistd|pthread|signal|poll|sys/socket|stdio)\.h>' $devices |
    complain 'a device includes time, files, threads or printing'
# shellcheck disable=SC2086
grep -nE '\b(exit|abort|printf|fprintf|sleep|usleep) *\(' $devices |
    complain 'a device calls what it must not'
git ls-files --cached --others --exclude-standard '*.c' '*.h' |
    grep -v -e '^ioreq/' -e '^hw/xen/' -e '^toolstack/' -e '^hvmdm' -e '^tests/' |
    xargs grep -nE '#include <(xen|xenevtchn|xendevicemodel|xengnttab|xenstore)' |
    complain 'a Xen header outside ioreq/, hw/xen/, toolstack/'
git ls-files --cached --others --exclude-standard 'hw/*' 'ioreq/*' 'block/*' 'chardev/*' 'net/*' |
    xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b' | complain 'a mark that does not enter the tree'
for d in $(sed -n 's/^DEVICE(\(.*\))$/\1/p' hw/devices.def hw/sim/devices.def); do
    [ -f "tests/hw/$d.c" ] || echo "$d"
done | complain 'a device without tests/hw/<device>.c'
# What stands for Xen itself is in no machine that Xen serves.
git ls-files --cached --others --exclude-standard 'hw/*' 'ioreq/*' 'toolstack/*' |
    grep -v -e '^hw/sim/' -e '^toolstack/qtest/' | xargs grep -n 'hw/sim/' |
    complain 'a chip of the simulator outside the test port'
# The supervisor is static and small: libc and what is listed here.
git ls-files --cached --others --exclude-standard hvmdm.c 'toolstack/supervisor/*' |
    xargs grep -nE '#include "' |
    grep -vE '"(block/lock|hw/xen/handover|hw/core/(arena|bits|error|journal|log|state)|ioreq/loop|toolstack/(supervis[^"]*|sandbox|version|xenstore(_wire)?))\.h"' |
    complain 'the supervisor uses more than it may'
git ls-files --cached --others --exclude-standard 'toolstack/supervisor/*' |
    grep -v '/hypercall\.c$' | xargs grep -nE '#include <xen' |
    complain 'a Xen header in the supervisor outside hypercall.c'
exit $bad
