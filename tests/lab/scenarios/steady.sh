# SPDX-License-Identifier: GPL-2.0-or-later
# soak-only
# time-limit: 900
#
# The lab itself: dom0's processes keep their registers and memory beside a busy guest. When other
# scenarios fail in ways that make no sense, run this one first, with both device models.

image=$(blank load.img 256)
iso=$(media load cd \
    "quiet xen_emul_unplug=never lab=load lab_disk=sda lab_length=268435456")
steady 5 || fail "dom0 is not steady before there is a guest"
guest_create load memory=512 vcpus=2 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
steady 60 || fail "dom0 is not steady while the guest boots"
wait_serial load 400 "lab-guest: load begins"
steady 120 || fail "dom0 is not steady while the guest writes and reads"
guest_destroy load
expect_clean
