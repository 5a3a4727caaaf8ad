# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# A guest with the emulated devices in use and all its drivers loaded; its whole kernel log goes
# to /results/guest-log.txt for kernel-log-diff.

arguments="quiet lab=log lab_modules=ata_generic,psmouse,isofs xen_emul_unplug=never lab_disk=sda"
image=$(blank log.img 16)
iso=$(media log cd "$arguments $LAB_ARGUMENTS")
guest_create log memory=512 vcpus=2 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial log 400 "lab-guest: up"
wait_serial log 200 "lab-guest: log written"
wait_gone log 120
sed -n '/lab-guest: log ends/q;p' "$image" >/results/guest-log.txt
expect "the log has the guest's first line" grep -q 'Linux version' /results/guest-log.txt
expect_clean
