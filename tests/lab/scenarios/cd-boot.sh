# SPDX-License-Identifier: GPL-2.0-or-later
# soak-only
# time-limit: 600
#
# GRUB on a CD loads Debian's kernel; the guest's init sees its devices and powers off by ACPI.

iso=$(media cd cd "quiet lab=boot")
guest_create cd memory=512 boot=d \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
wait_serial cd 300 "GRUB: loading"
wait_serial cd 300 "lab-guest: up"
wait_serial cd 60 "lab-guest: read sr0"
expect_linux_end cd 60 boot
expect_clean
