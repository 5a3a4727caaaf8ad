# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# Four PV disks, one of them read-only, in a guest that has emulated disks and PV disks of the same
# images side by side (xen_emul_unplug=unnecessary). The image belongs to whoever uses it: to the PV side
# while a front end is connected, to the emulated disk before that and afterwards.

mib=4
[ "$LAB_SOAK" != 1 ] || mib=64
size=$((4 * mib))
both=$(blank both.img $size)
other=$(blank other.img $size)
read_only=$(blank read-only.img 4)
plain=$(blank plain.img $size)
pattern write "$read_only" 0 4194304 44 >/dev/null || fail "cannot make the read-only disk"
iso=$(media disks cd "quiet xen_emul_unplug=unnecessary lab=serve lab_disk=xvda")
guest_create disks memory=256 boot=d \
    disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$both" \
    disk="format=raw,vdev=xvdb,access=w,backendtype=qdisk,target=$other" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso" \
    disk="format=raw,vdev=xvde,access=r,backendtype=qdisk,target=$read_only" \
    disk="format=raw,vdev=xvdf,access=w,backendtype=qdisk,target=$plain"
wait_serial disks 400 "lab-guest: serving"
guest_expect disks 30 "all disks" \
    "(for disk in sda sdb xvda xvdb xvde xvdf; do within 20 disk_there \$disk || { echo no \$disk; exit 1; }; done)"
expect_pv_disk disks xvda "$both"
expect_pv_disk disks xvdb "$other"
expect_pv_disk disks xvde "$read_only"
expect_pv_disk disks xvdf "$plain"

guest_expect disks 60 "the read-only disk's data" "check_disk xvde 0 4 44"
guest_expect disks 20 "it cannot be written" "disk_read_only xvde"
seed=50
for disk in xvda xvdb xvdf; do
    seed=$((seed + 1))
    guest_expect disks $((60 + mib)) "writing $disk" "write_disk $disk 0 $mib $seed"
done
seed=50
for disk in xvda xvdb xvdf; do
    seed=$((seed + 1))
    guest_expect disks $((60 + mib)) "reading $disk" "check_disk $disk 0 $mib $seed"
    guest_expect disks 20 "a flush of $disk" "disk_flushed $disk"
done
guest_expect disks 60 "writing more" "write_disk xvdf $mib $mib 60"
guest_expect disks 60 "a discard" "disk_discard xvdf $mib $mib"
guest_expect disks 20 "the guest's kernel has no complaints" quiet_kernel
expect_image "$plain" 0 $mib 53
expect "discarded means given back to the host" [ "$(stat -c %b "$plain")" -le $((mib * 2048 + 1024)) ]

# The emulated disk must not be used now, which the guest learns at once; afterwards its log has errors.
if is_hvmdm; then
    guest_expect disks 120 "the emulated disk is refused while the PV disk is in use" \
        "! dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct"
    guest_expect disks 60 "the PV disk does not mind" "check_disk xvda 0 $mib 51"
fi
guest_expect disks 20 "the front end lets go" "echo vbd-51712 >/sys/bus/xen/drivers/vbd/unbind"
wait_until 20 "back end of xvda closed" backend_is disks xvda 6
guest_expect disks 120 "the emulated disk reads what was written by PV" "check_disk sda 0 $mib 51"
guest_expect disks 120 "the emulated disk can be written" "write_disk sda $mib $mib 55"
guest_expect disks 60 "the other PV disk has not changed hands" "check_disk xvdb 0 $mib 52"
expect "it is connected" backend_is disks xvdb 4
guest_tell disks end
wait_gone disks 120
expect "power off through ACPI" shut_down_with disks 0
expect_image "$both" 0 $mib 51 $mib $mib 55
expect_image "$other" 0 $mib 52
expect_image "$read_only" 0 4 44
for image in "$both" "$other" "$read_only" "$plain"; do
    expect "no lock left on $image" eval '! image_locked "$image"'
done
expect_clean
