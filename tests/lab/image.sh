#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds what the outer machine boots, from installed Debian packages and the kernel package
# that apt names (downloaded and unpacked, never installed):
#
#   build/lab/xen            hypervisor, as the multiboot file that qemu -kernel takes
#   build/lab/vmlinuz        Debian's kernel, for dom0 and for the Linux guests
#   build/lab/modules/       its unpacked tree (kept for the guest's initramfs)
#   build/lab/dom0-initrd    busybox and the modules that reach the root disk
#   build/lab/dom0.ext4      dom0's root file system (a disk, so that memory figures are honest)
#
# Does nothing when the inputs (package versions, this script, dom0/*) are unchanged.
#
# usage: image.sh [BUILD_DIR]
#
# Absent: cross-building; every file comes from the machine this runs on.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
lab=${1:-$here/../../build}/lab
mkdir -p "$lab"
lab=$(cd "$lab" && pwd)
PATH=$PATH:/usr/sbin:/sbin

root_size=6G # sparse; guests' disks live here too

# What dom0 runs, each with the libraries that ldd names for it.
programs="/usr/lib/xen-4.17/bin/xl /usr/lib/xen-4.17/bin/libxl-save-helper
/usr/lib/xen-4.17/bin/xenstored /usr/lib/xen-4.17/bin/xenconsoled
/usr/lib/xen-4.17/bin/xenconsole /usr/lib/xen-4.17/bin/xen-init-dom0
/usr/lib/xen-4.17/bin/xenctx /usr/lib/xen-4.17/bin/xen-hvmctx /usr/lib/xen-4.17/bin/lsevtchn
/usr/lib/xen-4.17/bin/xentop /usr/lib/xen-4.17/bin/xenstore-control
/usr/bin/xenstore-read /usr/bin/xenstore-write /usr/bin/xenstore-list /usr/bin/xenstore-ls
/usr/bin/xenstore-rm /usr/bin/xenstore-exists /usr/bin/xenstore-watch /usr/bin/xenstore-chmod
/usr/libexec/xen-qemu-system-i386 /usr/bin/strace /bin/bash /usr/bin/stat /usr/bin/flock
/sbin/losetup /sbin/dmsetup /usr/bin/expr /usr/bin/qemu-img /usr/bin/script"

# Libraries for programs that are not on the image: the device model under test and lab tools.
libraries="libxendevicemodel.so.1 libxenforeignmemory.so.1 libxenevtchn.so.1 libxencall.so.1
libxentoolcore.so.1 libxentoollog.so.1 libxenstore.so.4 libxengnttab.so.1 libjansson.so.4
liburing.so.2 libaio.so.1 libpng16.so.16 libz.so.1 libm.so.6 libc.so.6 libgcc_s.so.1"

# Data files and directories at the paths the Debian packages use.
files="/usr/lib/xen-4.17/boot/hvmloader /usr/share/seabios /usr/share/qemu /usr/lib/ipxe
/etc/xen/scripts"

modules="xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-blkback xen-netback tun bridge
loop dm-delay crc32c_generic ext4 virtio_pci virtio_blk virtio_console 9p 9pnet_virtio"
early_modules="crc32c_generic ext4 virtio_pci virtio_blk"

kernel_package()
{
    apt-cache depends linux-image-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1
}

inputs()
{
    cat "$0" "$here"/dom0/{early-init,init,agent} # the other files there go by 9p
    echo "$1"
    dpkg-query -W -f '${Package} ${Version}\n' xen-utils-4.17 xen-utils-common \
        xenstore-utils xen-hypervisor-4.17-amd64 qemu-system-xen seabios ipxe-qemu \
        busybox-static libc6 libxen-dev strace bash qemu-utils bsdutils
    for library in $libraries; do
        readlink -f "/lib/x86_64-linux-gnu/$library" || true
    done
}

# copy_with_libraries FILE...: each into $root at its own path, with what it is linked against
copy_with_libraries()
{
    local file
    for file; do
        install -D -m 755 "$file" "$root$file"
    done
    { ldd "$@" || true; } | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' |
        sort -u | while read -r file; do
        [ -e "$root$file" ] || install -D -m 755 "$file" "$root$file"
    done
}

# copy_modules DIRECTORY MODULE...: each with its dependencies
copy_modules()
{
    local to=$1 module path
    shift
    for module; do
        modprobe -d "$lab/modules" -S "$release" --show-depends "$module" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r path; do
        install -D -m 644 "$path" "$to/lib/modules/$release/${path#*"/$release/"}"
    done
    mkdir -p "$to/lib/modules/$release"
    cp "$lab/modules/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} \
        "$to/lib/modules/$release/"
    depmod -b "$to" "$release"
}

package=$(kernel_package)
if [ -z "$package" ]; then
    # Package lists may be absent on a fresh machine.
    $([ "$(id -u)" = 0 ] || echo sudo) apt-get -q update >/dev/null
    package=$(kernel_package)
fi
if [ -z "$package" ]; then
    echo "image.sh: apt does not know what linux-image-amd64 depends on" >&2
    exit 1
fi
version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
kernel_key="$package $version"
key=$(inputs "$kernel_key" | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$lab/image.key" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
rm -f "$lab/image.key"

work=$(mktemp -d "$lab/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The kernel: as a file tree under build/lab/modules.
if [ "$(cat "$lab/kernel.key" 2>/dev/null)" != "$kernel_key" ]; then
    echo "Fetching $kernel_key"
    rm -rf "$lab/modules" "$lab/kernel.key"
    (cd "$work" && apt-get -q download "$package" 2>"$work/apt.log") || {
        cat "$work/apt.log" >&2
        exit 1
    }
    dpkg -x "$work"/"$package"_*.deb "$work/kernel"
    cp "$work"/kernel/boot/vmlinuz-* "$lab/vmlinuz"
    depmod -b "$work/kernel" "$(ls "$work/kernel/lib/modules")"
    mkdir -p "$lab/modules"
    mv "$work/kernel/lib" "$lab/modules/lib"
    echo "$kernel_key" >"$lab/kernel.key"
fi
release=$(ls "$lab/modules/lib/modules")

echo "Building the dom0 image (Xen 4.17, kernel $release)"
zcat /boot/xen-4.17-amd64.gz >"$lab/xen"

root=$work/root
mkdir -p "$root"/{bin,sbin,etc/xen,dev,proc,sys,run,tmp,root,lab,build,results,guest} \
    "$root"/usr/{bin,sbin,libexec} "$root"/var/{log/xen,lib/xen,lib/xenstored,lock}
ln -s ../run "$root/var/run"
install -m 755 "$(command -v busybox)" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list | grep -vx busybox); do
    ln -sf busybox "$root/bin/$applet"
done
# Where both exist, the full program is what Xen's hotplug scripts were written for.
rm "$root"/bin/{stat,flock,losetup,expr,bash} 2>/dev/null || true
# shellcheck disable=SC2086 # lists of names, split on purpose
copy_with_libraries $programs
for library in $libraries; do
    copy_with_libraries "/lib/x86_64-linux-gnu/$library"
done
for program in xl xenstored xenconsoled xenstore-control xentop; do
    ln -s "../lib/xen-4.17/bin/$program" "$root/usr/sbin/$program"
done
for file in $files; do
    if [ -e "$file" ]; then
        mkdir -p "$root$(dirname "$file")"
        cp -rL "$file" "$root$(dirname "$file")/"
    fi
done
# shellcheck disable=SC2086
copy_modules "$root" $modules
cp "$here/dom0/init" "$root/sbin/init"
cp "$here/dom0/agent" "$root/sbin/agent"
chmod 755 "$root"/sbin/{init,agent}
cat >"$root/etc/xen/xl.conf" <<'END'
autoballoon="off"
END
echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
echo lab >"$root/etc/hostname"

rm -f "$lab/dom0.ext4"
truncate -s "$root_size" "$lab/dom0.ext4"
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0,lazy_itable_init=1 -m 0 -d "$root" \
    "$lab/dom0.ext4"

early=$work/early
mkdir -p "$early"/{bin,dev,proc,sys,root}
install -m 755 "$(command -v busybox)" "$early/bin/busybox"
ln -s busybox "$early/bin/sh"
# shellcheck disable=SC2086
copy_modules "$early" $early_modules
install -m 755 "$here/dom0/early-init" "$early/init"
(cd "$early" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$lab/dom0-initrd"

rm -rf "$lab/snapshot"
echo "$key" >"$lab/image.key"
