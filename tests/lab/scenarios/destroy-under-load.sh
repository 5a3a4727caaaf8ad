# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# First a disk whose image is on a full file system of the host: the guest gets an I/O error and
# goes on, and the administrator a sentence. Then xl destroy while the guest writes and reads its
# other emulated disk: no process, no lock and no domain stay behind, and the image can be used at
# once.

small=/run/small
umount $small 2>/dev/null
mkdir -p $small
mount -t tmpfs -o size=1m tmpfs $small || fail "cannot make a small file system"
trap 'umount $small 2>/dev/null || umount -l $small' EXIT
truncate -s 64M $small/full.img

fills=1
[ "$LAB_SOAK" != 1 ] || fills=20
image=$(blank load.img 256)
iso=$(media load cd \
    "quiet xen_emul_unplug=never lab=load lab_disk=hda lab_length=268435456 lab_fill=hdb lab_fills=$fills")
guest_create load memory=512 vcpus=2 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdb,access=w,backendtype=qdisk,target=$small/full.img" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial load 400 "lab-guest: up"
wait_serial load 200 "lab-guest: fill status"
expect "the guest got an error, not the end of the disk" serial_has load \
    "fill status 1: pattern: cannot write .*: Input/output error"
at=$(sed -n 's/.*cannot write .* at byte \([0-9]*\):.*/\1/p' "$guests/load.serial")
expect "it came where the room ended, not at byte $at" [ "$at" -ge 786432 ]
expect "it came where the room ended, not at byte $at" [ "$at" -le 1048576 ]
if is_hvmdm; then
    told=$(dm_log load | grep -i "no space left" | head -n 1)
    expect "one sentence for the administrator" [ -n "$told" ]
    say "$told"
    expect "not one for each request" [ "$(dm_log load | grep -c -i 'no space left')" -le 10 ]
fi
wait_serial load $((60 + 200 * (fills - 1))) "lab-guest: load begins"

# 512-byte blocks that the guest has written so far.
written_more_than()
{
    [ "$(stat -c %b "$image")" -gt "$1" ]
}
wait_until 240 "4 MiB written" written_more_than 8192
expect "the image is locked while the guest runs" image_locked "$image"
# Another program that wants to write it; this changes nothing where it succeeds.
if qemu-img resize -f raw "$image" 256M >resize.out 2>&1; then
    fail "qemu-img may write an image in use"
fi
say "$(tail -n 1 resize.out)"
pid=$(dm_pid load)
before=$(stat -c %b "$image")
wait_until 30 "writes still going on" written_more_than "$before"
guest_destroy load
wait_until 10 "device model $pid gone" process_gone "$pid"
wait_until 10 "no zombie domain" eval '[ -z "$(other_domains)" ]'
expect "no lock left" eval '! image_locked "$image"'
qemu-img resize -f raw "$image" 256M >resize.out 2>&1 ||
    fail "another process cannot lock the image: $(cat resize.out)"
expect "no control socket left" [ -z "$(ls /run/hvmdm 2>/dev/null)" ]
if is_hvmdm && dm_log load | grep -i -E 'assert|abort|panic|Sanitizer'; then
    fail "the device model died badly"
fi
expect_clean
