# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 180
#
# The smallest guest: a boot sector of our own that finds its PCI functions and powers off.

guest_create hello memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload hello)"
wait_serial hello 120 "payload: hello"
wait_serial hello 30 "payload: power off"
expect "a host bridge at slot 0" serial_has hello "pci 00000000 12378086"
expect "an IDE function in slot 1" serial_has hello "pci 00000101 70108086"
wait_gone hello 30
expect_clean
