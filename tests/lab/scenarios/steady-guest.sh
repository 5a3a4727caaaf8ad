# SPDX-License-Identifier: GPL-2.0-or-later
# soak-only
# time-limit: 900
#
# The lab itself: a guest's processes keep their registers and memory on two processors.

iso=$(media steady cd "quiet xen_emul_unplug=never lab=steady lab_seconds=60")
guest_create steady memory=512 vcpus=2 boot=d \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial steady 400 "lab-guest: up"
steady 20 || fail "dom0 is not steady"
wait_serial steady 300 "lab-guest: steady status"
wait_serial steady 100 "lab-guest: steady done"
grep -A20 "steady status" "$guests/steady.serial" | readable
expect "the guest is steady" serial_has steady "steady status 0"
