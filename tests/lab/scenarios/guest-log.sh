# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# A guest with the emulated devices in use and all its drivers loaded; its whole kernel log goes
# to /results/guest-log.txt for kernel-log-diff.

iso=$(media log cd "lab=log lab_modules=ata_generic,psmouse,isofs xen_emul_unplug=never lab_disk=sda")
guest_create log memory=512 vcpus=2 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(blank log.img 16)" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial log 400 "lab-guest: up"
wait_serial log 200 "lab-guest: log ends"
tr -d '\r' <"$guests/log.serial" | sed -n '/lab-guest: log begins/,/lab-guest: log ends/p' |
    grep -v '^lab-guest:' >/results/guest-log.txt
expect "the log has the guest's first line" grep -q 'Linux version' /results/guest-log.txt
wait_gone log 120
expect_clean
