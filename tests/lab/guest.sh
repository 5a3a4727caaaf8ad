#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds what runs in guests and the small programs that scenarios use, when their inputs
# changed:
#
#   build/lab/tools/             programs for dom0 (tools/*.c)
#   build/lab/guest/NAME.img     bare-metal payloads (payload/NAME.c), bootable hard disks
#   build/lab/guest/cd.iso       Debian's kernel and a busybox initramfs on a GRUB CD
#   build/lab/guest/disk.img     the same on a hard disk with GRUB in its MBR
#   build/lab/guest/vmlinuz, initrd-pv, root.img
#                                the same for PV and PVH guests: kernel, initramfs, file system of a disk
#   build/lab/guest/*.offset     where the kernel's command line stands in each image
#
# usage: guest.sh [BUILD_DIR]      after image.sh, which supplies the kernel
#
# Absent: UEFI boot.

set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
lab=$(cd "${1:-$here/../../build}/lab" && pwd)
PATH=$PATH:/usr/sbin:/sbin
cc=${CC:-gcc}
grub_files=/usr/lib/grub/i386-pc
guest_modules="ata_piix ata_generic sd_mod sr_mod xen-blkfront xen-kbdfront isofs psmouse e1000 8139cp"
guest_tools="pattern steady next-step"
pv_modules="xen-blkfront crc32c_generic ext4"
pv_tools="pattern next-step disk-bench"
arguments_length=200 # bytes of kernel command line that an image has room for

key=$({
    cat "$0" "$here"/guest/* "$here"/payload/* "$here"/tools/*
    cat "$lab/kernel.key"
    dpkg-query -W -f '${Package} ${Version}\n' grub-pc-bin busybox-static libxen-dev
} | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$lab/guest.key" 2>/dev/null)" = "$key" ]; then
    exit 0
fi
echo "Building the guests"
rm -rf "$lab/guest.key" "$lab/guest" "$lab/tools"
mkdir -p "$lab/guest" "$lab/tools"
work=$(mktemp -d "$lab/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
release=$(ls "$lab/modules/lib/modules")
warnings="-std=c17 -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
-Wvla -Wundef -Wformat=2"

# shellcheck disable=SC2086 # lists of options
build_tools()
{
    $cc $warnings -D_GNU_SOURCE -O2 -static -o "$lab/tools/waitfor" "$here/tools/waitfor.c"
    $cc $warnings -D_GNU_SOURCE -O2 -static -o "$lab/tools/killer" "$here/tools/killer.c"
    $cc $warnings -O2 -static -o "$lab/tools/pattern" "$here/tools/pattern.c"
    $cc $warnings -O2 -static -o "$lab/tools/steady" "$here/tools/steady.c"
    $cc $warnings -O2 -static -o "$lab/tools/stream-diff" "$here/tools/stream-diff.c"
    $cc $warnings -O2 -static -o "$lab/tools/next-step" "$here/tools/next-step.c"
    $cc $warnings -O2 -static -o "$lab/tools/disk-bench" "$here/tools/disk-bench.c"
    $cc $warnings -O2 -static -o "$lab/tools/qmp" "$here/tools/qmp.c"
    $cc $warnings -O2 -o "$lab/tools/ioreq-probe" "$here/tools/ioreq-probe.c" -lxendevicemodel
    $cc $warnings -D_GNU_SOURCE -O2 -o "$lab/tools/startclock" "$here/tools/startclock.c" -lxenstore
    $cc $warnings -O2 -o "$lab/tools/png-info" "$here/tools/png-info.c" -lpng
}

# shellcheck disable=SC2086
build_payloads()
{
    local flags="-m32 -march=i686 -O2 -ffreestanding -fno-pic -fno-pie -fno-stack-protector
        -fcf-protection=none -fno-asynchronous-unwind-tables -mno-sse -mno-mmx"
    local source name shared

    $cc -m32 -c -o "$work/boot.o" "$here/payload/boot.S"
    ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$work/boot.bin" "$work/boot.o"
    for source in "$here"/payload/*.c; do
        name=$(basename "$source" .c)
        case $name in payload | xen) continue ;; esac
        shared=$here/payload/payload.c
        ! grep -q '"xen.h"' "$source" || shared="$shared $here/payload/xen.c"
        $cc $flags $warnings -o "$work/$name.elf" -nostdlib -static \
            -Wl,-T,"$here/payload/payload.ld" -Wl,--build-id=none,--no-warn-rwx-segments $shared "$source"
        objcopy -O binary "$work/$name.elf" "$work/$name.bin"
        [ "$(stat -c %s "$work/$name.bin")" -le 65536 ]
        cat "$work/boot.bin" "$work/$name.bin" >"$lab/guest/$name.img"
        truncate -s 1M "$lab/guest/$name.img"
        { grep -abo '@LAB_WORK@' "$lab/guest/$name.img" || true; } | cut -d : -f 1 >"$lab/guest/$name.offset"
    done
}

# build_initramfs NAME "TOOLS" MODULE...: its tree and its archive, $work/NAME.tree and $work/NAME
build_initramfs()
{
    local root=$work/$1.tree archive=$work/$1 tools=$2 tool module path
    shift 2

    mkdir -p "$root/bin" "$root/sbin" "$root/dev" "$root/lib/modules/$release"
    install -m 755 "$(command -v busybox)" "$root/bin/busybox"
    ln -s busybox "$root/bin/sh"
    for tool in $tools; do
        install -m 755 "$lab/tools/$tool" "$root/bin/"
        strip "$root/bin/$tool"
    done
    install -m 755 "$here/guest/init" "$root/init"
    # What the kernel runs when the toolstack asks for an end.
    for way in poweroff reboot; do
        printf '#!/bin/sh\nexec /bin/%s -f\n' "$way" >"$root/sbin/$way"
        chmod 755 "$root/sbin/$way"
    done
    install -m 644 "$here/guest/steps" "$root/steps"
    for module; do
        modprobe -d "$lab/modules" -S "$release" --show-depends "$module" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r path; do
        install -m 644 "$path" "$root/lib/modules/$release/"
        strip -g "$root/lib/modules/$release/$(basename "$path")"
    done
    cp "$lab/modules/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/"
    depmod -b "$root" "$release"
    (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -9n >"$archive"
}

# What a PV guest starts from, and a disk with the same files that it can go on from.
build_pv()
{
    cp "$lab/vmlinuz" "$work/initrd-pv" "$lab/guest/"
    touch "$work/initrd-pv.tree/on-disk"
    truncate -s 16M "$lab/guest/root.img"
    mke2fs -q -t ext2 -b 4096 -E root_owner=0:0 -m 0 -N 1024 -d "$work/initrd-pv.tree" "$lab/guest/root.img"
}

# note_offset IMAGE: where its command line is, for lib.sh
note_offset()
{
    local at
    at=$(grep -abo '@LAB_ARGUMENTS@\.*' "$1" | head -n 1)
    [ "$((${#at} - 5))" -ge "$arguments_length" ]
    echo "${at%%:*}" >"${1%.*}.offset"
}

build_cd()
{
    mkdir -p "$work/cd/boot/grub"
    cp "$lab/vmlinuz" "$work/initrd" "$work/cd/boot/"
    sed 's/ @SCREEN@//' "$here/guest/grub.cfg" >"$work/cd/boot/grub/grub.cfg"
    grub-mkrescue -d "$grub_files" -o "$lab/guest/cd.iso" --locales= --fonts= --themes= \
        --install-modules="normal linux serial terminal echo iso9660 biosdisk" \
        --modules="iso9660 biosdisk" "$work/cd" >"$work/mkrescue.log" 2>&1 ||
        { cat "$work/mkrescue.log"; exit 1; }
    note_offset "$lab/guest/cd.iso"
}

build_disk()
{
    local image=$lab/guest/disk.img start=2048 sectors=61440

    mkdir -p "$work/disk/boot/grub"
    cp "$lab/vmlinuz" "$work/initrd" "$work/disk/boot/"
    sed 's/ @SCREEN@//' "$here/guest/grub.cfg" >"$work/disk/boot/grub/grub.cfg"
    truncate -s $(((start + sectors) * 512)) "$image"
    mke2fs -q -t ext2 -b 4096 -E "root_owner=0:0,offset=$((start * 512))" -m 0 -N 64 \
        -d "$work/disk" "$image" "$((sectors / 2))k"
    grub-mkimage -d "$grub_files" -O i386-pc -o "$work/core.img" -p '(hd0,msdos1)/boot/grub' \
        biosdisk part_msdos ext2 normal configfile linux serial terminal echo
    [ "$(stat -c %s "$work/core.img")" -lt $(((start - 1) * 512)) ]
    # Boot code in the first 446 bytes, one active Linux partition, GRUB's core behind it.
    dd if="$grub_files/boot.img" of="$image" bs=440 count=1 conv=notrunc status=none
    {
        printf '\x80\xff\xff\xff\x83\xff\xff\xff'
        printf "\\x$(printf %02x $((start & 255)))\\x$(printf %02x $((start >> 8)))\\x00\\x00"
        printf "\\x$(printf %02x $((sectors & 255)))\\x$(printf %02x $((sectors >> 8)))\\x00\\x00"
    } | dd of="$image" bs=1 seek=446 conv=notrunc status=none
    printf '\x55\xaa' | dd of="$image" bs=1 seek=510 conv=notrunc status=none
    dd if="$work/core.img" of="$image" bs=512 seek=1 conv=notrunc status=none
    note_offset "$image"
}

build_tools
build_payloads
# shellcheck disable=SC2086
build_initramfs initrd "$guest_tools" $guest_modules
# shellcheck disable=SC2086
build_initramfs initrd-pv "$pv_tools" $pv_modules
build_cd
build_disk
build_pv
echo "$key" >"$lab/guest.key"
