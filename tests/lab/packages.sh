#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs the Debian packages that the build, the checks, the demo and the lab need.
# Quick and silent when everything is there already; otherwise runs apt-get, through sudo
# when the caller is not root.
#
# usage: packages.sh [build|lab|all]      (default: all)
#
# Absent: distributions other than Debian 12.

set -eu

build_packages="pkg-config libxen-dev libjansson-dev liburing-dev libaio-dev libpng-dev zlib1g-dev
libseccomp-dev libslirp-dev libcmocka-dev seabios ipxe-qemu clang clang-format clang-tidy libclang-rt-14-dev libc6-dev python3"

lab_packages="qemu-system-x86 qemu-system-xen qemu-utils xen-hypervisor-4.17-amd64 xen-utils-4.17
xen-utils-common xenstore-utils seabios ipxe-qemu busybox-static cpio kmod xorriso grub-common
grub-pc-bin mtools strace e2fsprogs dmsetup util-linux python3 libxen-dev libpng-dev gzip"

case ${1:-all} in
build) wanted=$build_packages ;;
lab) wanted=$lab_packages ;;
all) wanted="$build_packages $lab_packages" ;;
*)
    echo "usage: packages.sh [build|lab|all]" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "packages.sh: not root and no sudo; please install:$missing" >&2
        exit 1
    }
    as_root=sudo
fi

echo "Installing:$missing"
$as_root apt-get -q update
# Xen's own start-up hooks would edit this machine's boot loader and start daemons; the lab
# only wants the files, so services are kept from starting while packages are configured.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    made_policy=1
fi
status=0
# shellcheck disable=SC2086 # a list of names, split on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
    $missing || status=$?
[ -z "$made_policy" ] || $as_root rm -f "$policy"
exit $status
