# SPDX-License-Identifier: GPL-2.0-or-later
# soak-only
# time-limit: 600
#
# GRUB in the MBR of a hard disk loads Debian's kernel, which reads the emulated disk.

image=$(media disk disk "quiet xen_emul_unplug=never lab=boot lab_disk=sda")
guest_create disk memory=512 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image"
wait_serial disk 300 "GRUB: loading"
wait_serial disk 300 "lab-guest: up"
wait_serial disk 60 "lab-guest: read sda"
expect "the disk is the emulated one" serial_has disk "Disk sda: .*emulated IDE"
expect_linux_end disk 60 boot
expect_clean
