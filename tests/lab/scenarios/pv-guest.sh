# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 300
#
# A PV and a PVH guest without any emulated hardware: root file system, data disk and CD (which Linux takes
# in PV guests only; a read-only disk in the other) served by hvmdm from images, and a channel (a second PV
# console) through a pty.

mib=4
[ "$LAB_SOAK" != 1 ] || mib=128
mounted=/run/root-check
mkdir -p $mounted
trap 'umount $mounted 2>/dev/null; /sbin/losetup -d "$loop" 2>/dev/null' EXIT

# A line through the channel in each direction. It is the second one: libxl 4.17 gives the first one the
# number of the primary console and then refuses it, whatever the device model.
check_channel()
{
    local tty reader domid
    domid=$(domid_of "$1")
    wait_until 20 "a terminal for the channel" \
        xenstore-exists "/local/domain/$domid/device/console/1/tty"
    tty=$(xenstore-read "/local/domain/$domid/device/console/1/tty")
    expect "a terminal for the channel, not \"$tty\"" [ -c "$tty" ]
    cat "$tty" >"$guests/$1.channel" &
    reader=$!
    guest_expect "$1" 30 "a line to the channel" \
        'echo "from the guest" | timeout 20 tee /dev/hvc1'
    waitfor 20 "$guests/$1.channel" "from the guest" >/dev/null ||
        fail "nothing came through the channel of guest $1"
    guest_tell "$1" "timeout 20 head -n 1 /dev/hvc1"
    echo "from outside" >"$tty"
    wait_serial "$1" 30 "lab-guest: step $step status"
    expect "a line came through the channel" serial_has "$1" "step $step status 0: from outside"
    kill $reader 2>/dev/null
}

for type in pv pvh; do
    kind=disk
    [ $type != pv ] || kind=cdrom
    root=$scenario_disks/root-$type.img
    cp /guest/root.img "$root"
    data=$(blank $type-data.img $((mib * 2)))
    cd=$(blank $type-cd.iso 4)
    pattern write "$cd" 0 4194304 77 >/dev/null || fail "cannot make a CD"
    guest_create $type type=$type memory=256 extra="console=hvc0 quiet lab=serve lab_root=xvda lab_disk=xvdb" \
        'channel=["connection=pty,name=unused","connection=pty,name=lab"]' \
        disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$root" \
        disk="format=raw,vdev=xvdb,access=w,backendtype=qdisk,target=$data" \
        disk="format=raw,vdev=xvdc,access=r,devtype=$kind,backendtype=qdisk,target=$cd"
    wait_serial $type 120 "lab-guest: serving" "lab-guest: cannot"
    expect "its type" serial_has $type "guest type $(echo $type | tr pvh PVH)"
    expect "no emulated hardware" eval '! serial_has $type "   PCI "'
    expect_pv_disk $type xvda "$root"
    expect_pv_disk $type xvdb "$data"
    guest_expect $type 20 "the root file system is on the PV disk" 'grep "^/dev/xvda / ext" /proc/mounts'
    guest_expect $type 60 "a file on the root file system" "truncate -s 2M /file && pattern write /file 0 2097152 5 && \
        sync && echo 3 >/proc/sys/vm/drop_caches && pattern check /file 0 2097152 5"
    guest_expect $type 20 "the third disk cannot be written" "disk_read_only xvdc"
    guest_expect $type 60 "the third disk's data" "check_disk xvdc 0 4 77"
    guest_expect $type $((60 + mib * 2)) "writing $mib MiB" "write_disk xvdb 1 $mib 6"
    guest_expect $type $((60 + mib * 2)) "reading them" "check_disk xvdb 1 $mib 6"
    check_channel $type
    guest_expect $type 20 "a clean root file system" "mount -o remount,ro /"
    guest_expect $type 20 "the guest's kernel has no complaints" quiet_kernel
    guest_tell $type end
    wait_gone $type 60
    expect_quiet_kernel $type
    expect "a power off" shut_down_with $type 0
    expect_image "$data" 1 $mib 6
    loop=$(/sbin/losetup -r -f --show "$root" 2>&1) || fail "no loop device: $loop"
    mount -t ext4 -o ro "$loop" $mounted || fail "the root file system cannot be mounted outside"
    pattern check $mounted/file 0 2097152 5 || fail "the file is not as written"
    umount $mounted
    /sbin/losetup -d "$loop"
    for image in "$root" "$data" "$cd"; do
        expect "no lock left on $image" eval '! image_locked "$image"'
    done
    say "$type: images are right"
done
expect_clean
