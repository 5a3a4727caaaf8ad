# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# What the guest's kernel says about its devices, with all of them in use and all drivers loaded: what
# it says with the peer, except for what is explained (kernel-log-diff; the log goes to
# /results/guest-log.txt). Then Linux reboots, by its own choice of means.

arguments="quiet lab=log lab_modules=ata_generic,psmouse,isofs xen_emul_unplug=never lab_disk=sda"
image=$(blank log.img 16)
iso=$(media log cd "$arguments lab_end=reboot $LAB_ARGUMENTS")
guest_create log memory=512 vcpus=2 boot=d on_reboot=destroy \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial log 400 "lab-guest: up"
wait_serial log 200 "lab-guest: log written"
wait_gone log 120
expect "Linux's reboot arrived as a reboot" shut_down_with log 1
sed -n '/lab-guest: log ends/q;p' "$image" >/results/guest-log.txt
expect "the log has the guest's first line" grep -q 'Linux version' /results/guest-log.txt
if is_hvmdm; then
    sh /lab/kernel-log-diff check /results/guest-log.txt || fail "the kernel log differs"
    grep -v 'scsi host1: ata_piix' /results/guest-log.txt >$guests/log.less
    sh /lab/kernel-log-diff check $guests/log.less >$guests/log.differs
    expect "a line that the log lacks is noticed" grep -q 'scsi host1: ata_piix' $guests/log.differs
fi
expect_clean
