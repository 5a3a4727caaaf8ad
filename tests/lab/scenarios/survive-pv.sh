# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# kill -9 of the PV worker and of the device model at random moments, and live upgrades, while Linux
# boots, and writes and verifies two PV disks at once: every read is right, the image too, and the
# guest's log has no error. Then the same, with the PV worker alone, for a guest without emulated hardware.

is_hvmdm || skip "only hvmdm survives this"
count=15 batch=3 upgrades=2 mib=4 booting=1 # deaths of each process, in batches
[ "$LAB_SOAK" != 1 ] || { count=1000; batch=10; upgrades=100; mib=32; booting=3; }
first=2 # MiB
image=$(blank survive.img $((first + mib + 4)))
data=$(blank survive-data.img $((mib + 4)))
guest_create survive memory=256 vcpus=2 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdb,access=w,backendtype=qdisk,target=$data" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media survive cd "quiet lab=serve lab_disk=xvda")"
supervisor=$(dm_pid survive)
wait_serial survive 300 "GRUB: loading"
kills=0
# Not more: a worker that dies again and again and completes nothing in between is given up.
while [ $kills -lt $booting ] && ! serial_has survive "lab-guest: serving"; do
    doze 8000
    kill_workers survive pv 1 "lab-guest: serving"
done
say "$kills deaths of the PV worker while it booted"
wait_serial survive 400 "lab-guest: serving"
expect_pv_disk survive hda "$image"
expect_pv_disk survive hdb "$data"

guest_expect survive 20 "a load on the first disk" "load_begin xvda $first $mib 1000"
guest_expect survive 20 "a load on the second disk" "load_begin xvdb 2 $mib 500000"
guest_expect survive 20 "work for the device model" chatter_begin
kills=0 deaths=0 upgraded=0
while [ $deaths -lt $count ]; do
    kill_workers survive pv $batch ""
    kill_workers survive model $batch ""
    deaths=$((deaths + batch))
    if [ $((deaths * upgrades / count)) -gt $upgraded ]; then
        pv=$(worker_pid survive pv)
        hvmdm-ctl survive upgrade >upgrade.out 2>&1 || fail "upgrade $upgraded: $(cat upgrade.out)"
        wait_until 60 "another PV worker after the upgrade" another_worker survive pv "$pv"
        upgraded=$((upgraded + 1))
    fi
    [ $((deaths % 100)) != 0 ] || say "$kills deaths"
done
expect "$((2 * count)) deaths, not $kills" [ $kills = $((2 * count)) ]
expect "the supervisor is the same" [ "$(dm_pid survive)" = "$supervisor" ]
say "$kills deaths, $upgraded upgrades: $(cat upgrade.out)"

guest_expect survive 20 "no more work for the device model" chatter_end
guest_expect survive $((120 + mib * 4)) "all reads of the first disk were right" "load_end xvda"
one=${answer#*rounds } one=${one%% *}
guest_expect survive $((120 + mib * 4)) "all reads of the second disk were right" "load_end xvdb"
two=${answer#*rounds } two=${two%% *}
expect "rounds on both disks: $one, $two" [ $((one > 0 && two > 0)) = 1 ]
expect_pv_disk survive hda "$image"
guest_expect survive 20 "the guest's kernel has no complaints" quiet_kernel
guest_tell survive end
wait_gone survive 120
expect_quiet_kernel survive
expect "power off through ACPI" shut_down_with survive 0
expect_image "$image" $first $mib $((1000 + one - 1))
expect_image "$data" 2 $mib $((500000 + two - 1))
say "images are right after $kills deaths and $one and $two rounds"

data=$(blank pvh-data.img $((mib + 4)))
guest_create pvh type=pvh vcpus=2 extra="console=hvc0 quiet lab=serve lab_disk=xvda" \
    disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$data"
wait_serial pvh 120 "lab-guest: serving"
guest_expect pvh 20 "a load on the disk" "load_begin xvda 2 $mib 2000"
kills=0
kill_workers pvh pv $((count / 2)) ""
guest_expect pvh $((120 + mib * 4)) "all reads were right" "load_end xvda"
one=${answer#*rounds } one=${one%% *}
expect "$((count / 2)) deaths, not $kills" [ $kills = $((count / 2)) ]
guest_expect pvh 20 "the guest's kernel has no complaints" quiet_kernel
guest_tell pvh end
wait_gone pvh 60
expect_image "$data" 2 $mib $((2000 + one - 1))
say "PVH guest: the image is right after $kills deaths and $one rounds"
expect_clean
