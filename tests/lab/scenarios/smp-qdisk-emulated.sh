# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# 4 vCPUs and 2 GiB on the emulated disk all the way: nothing is unplugged.

image=$(media smp disk "quiet xen_emul_unplug=never lab=boot lab_disk=sda")
guest_create smp memory=2048 vcpus=4 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image"
wait_serial smp 300 "GRUB: loading"
wait_serial smp 400 "lab-guest: up"
expect "four processors" serial_has smp "Processors: 4"
expect "the emulated disk" serial_has smp "Disk sda: .*emulated IDE"
expect "no paravirtual disk" eval '! serial_has smp "Disk xvd"'
wait_serial smp 60 "lab-guest: read sda"
expect_linux_end smp 60 boot
expect_clean
