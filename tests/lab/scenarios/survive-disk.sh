# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1200
#
# kill -9 of the device model at random moments while Linux writes a pattern to the emulated disk, by
# DMA and by PIO: the image is right, byte for byte, and the guest's log has no error.

is_hvmdm || skip "only hvmdm survives this"
mib=4 count=60 turns=1
[ "$LAB_SOAK" != 1 ] || { mib=80; count=1000; turns=10; }
emulated_writer write write $mib $((2 * mib + 4)) "lab_seed=11 lab_dma_turns=$turns"
kills=0
kill_workers write model 10 "lab-guest: up"
say "$kills deaths while it booted"
wait_serial write 400 "lab-guest: up"
kill_workers write model $((count / 2)) "lab-guest: DMA write status"
dma=$kills
say "$dma deaths until the DMA write was done"
wait_serial write $((120 + turns * mib * 10)) "lab-guest: DMA write status"
kill_workers write model $((count / 2)) "lab-guest: PIO write status"
wait_serial write $((120 + mib * 40)) "lab-guest: PIO write status"
say "$((kills - dma)) deaths in the PIO write"
wait_serial write $((120 + mib * 10)) "lab-guest: PIO read status"
wait_gone write 200
for what in "DMA write" "PIO write" "PIO read"; do
    expect "$what worked" serial_has write "$what status 0"
done
expect "power off through ACPI" shut_down_with write 0
expect_quiet_kernel write
expect_image "$image" 1 $mib 11 $((1 + mib)) $mib 12
expect "at least ten deaths, not $kills" [ $kills -ge 10 ]
[ "$LAB_SOAK" != 1 ] || expect "$count deaths, not $kills" [ $kills -ge $count ]
say "image is right after $kills deaths"
expect_clean
