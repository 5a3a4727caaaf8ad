# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# The plainest xl.cfg, 4 vCPUs and 2 GiB: the firmware boots from the emulated disk, then Linux
# unplugs it and the kernel's blkback serves the same image.

image=$(media smp disk "quiet lab=boot lab_disk=xvda")
guest_create smp memory=2048 vcpus=4 disk="file:$image,hda,w"
wait_serial smp 300 "GRUB: loading"
wait_serial smp 400 "lab-guest: up"
expect "four processors" serial_has smp "Processors: 4"
expect "about 2 GiB" serial_has smp "Memory: \(19\|20\)[0-9]* kB"
expect "the paravirtual disk" serial_has smp "Disk xvda: .*paravirtual"
expect "the emulated disk is gone" eval '! serial_has smp "Disk [sh]d"'
wait_serial smp 60 "lab-guest: read xvda"
expect_linux_end smp 60 boot
expect_clean
