# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# Linux writes a pattern to the emulated disk, first by DMA, then by PIO, and powers off by ACPI;
# the image is compared outside, byte for byte.

mib=8
[ "$LAB_SOAK" != 1 ] || mib=64
emulated_writer write write $mib $((2 * mib + 4)) lab_seed=11
wait_serial write 400 "lab-guest: up"
expect "the disk is the emulated one" serial_has write "Disk sda: .*emulated IDE"
wait_serial write $((60 + mib * 5)) "lab-guest: DMA write status"
expect "the DMA write worked" serial_has write "DMA write status 0"
expect "it was DMA" serial_has write 'sda is in mode .*DMA'
wait_serial write $((60 + mib * 20)) "lab-guest: PIO write status"
expect "the PIO write worked" serial_has write "PIO write status 0"
expect "it was PIO" serial_has write 'sda is in mode .*PIO'
wait_serial write $((60 + mib * 5)) "lab-guest: PIO read status"
expect "PIO reads what DMA wrote" serial_has write "PIO read status 0"
wait_gone write 120
expect "power off through ACPI" shut_down_with write 0
expect_quiet_kernel write
expect_image "$image" 1 $mib 11 $((1 + mib)) $mib 12
say "image is right: $((2 * mib)) MiB written, the rest untouched"
expect_clean
