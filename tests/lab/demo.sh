#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make demo: boots the real Xen and a dom0 in a software-emulated PC, has its xl start a Linux
# guest on hvmdm, shows what the guest says and what it has cost. Ends by itself.
#
# usage: demo.sh [BUILD_DIR]      (variable DM=path in dom0: another device model)
#
# Absent: anything interactive; that is `make lab`.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
results=$build/lab/log/results

cat <<'END'
hvmdm demo: in a PC that is emulated in software runs Xen 4.17 with a small Debian dom0; there, xl
starts an unmodified Linux guest whose own PC is hvmdm. Nothing of this machine is touched. The
first time, the images are built, which takes a minute more.

END
if ! "$here/lab" --build "$build" run demo; then
    echo "The demo did not get to its end; see above and $build/lab/log." >&2
    exit 1
fi
echo
echo "Times are those of the emulated PC, where a second lasts longer than here."
echo
cat "$results/demo.txt"
echo
if [ -s "$results/demo.png" ]; then
    cp "$results/demo.png" "$build/demo.png"
    echo "The guest's screen: $build/demo.png"
fi
echo "To look around yourself (a shell in dom0, the guest's console): make lab"
