# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 300
#
# An image that has grown: after block_resize by QMP the guest, which goes on writing meanwhile, sees and
# uses all of it. Its other disk keeps its size.

grown=$(blank grown.img 8)
same=$(blank same.img 8)
guest_create resize type=pvh memory=256 extra="console=hvc0 quiet lab=serve lab_disk=xvda" \
    disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$same" \
    disk="format=raw,vdev=xvdb,access=w,backendtype=qdisk,target=$grown"
wait_serial resize 120 "lab-guest: serving"
expect_pv_disk resize xvdb "$grown"
socket=/var/run/xen/qmp-libxenstat-$(domid_of resize)

# resize_to NODE MIB: all images are looked at, whatever the name; QEMU calls this one VDEV-raw
resize_to()
{
    qmp "$socket" "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"$1\",\"size\":$(($2 * 1048576))}}" 2>&1
}

guest_expect resize 20 "8 MiB" "disk_is xvdb 8"
guest_expect resize 20 "a load on it" "load_begin xvdb 0 4 100"
for size in 12 20; do
    truncate -s ${size}M "$grown"
    told=$(resize_to xvdb-raw $size) || fail "block_resize: $told"
    guest_expect resize 30 "$size MiB" "within 20 disk_is xvdb $size"
    guest_expect resize 60 "its end can be used" \
        "write_disk xvdb $((size - 4)) 4 $size && check_disk xvdb $((size - 4)) 4 $size"
done
guest_expect resize 20 "the other disk has not grown" "disk_is xvda 8"
guest_expect resize 60 "the load went on" "load_end xvdb"
rounds=${answer#*rounds } rounds=${rounds%% *}
guest_expect resize 20 "the guest's kernel has no complaints" quiet_kernel
guest_tell resize end
wait_gone resize 60
expect_image "$grown" 0 4 $((100 + rounds - 1)) 8 4 12 16 4 20
expect_clean
