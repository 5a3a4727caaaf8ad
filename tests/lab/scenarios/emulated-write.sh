# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# Linux writes a pattern to the emulated disk, first by DMA, then by PIO, and powers off by ACPI;
# the image is compared outside, byte for byte.

mib=8
[ "$LAB_SOAK" != 1 ] || mib=64
offset=1048576
length=$((mib * 1048576))
size=$((2 * mib + 4))
image=$(blank write.img $size)
want=$(blank want.img $size)

iso=$(media write cd \
    "quiet xen_emul_unplug=never lab=write lab_disk=sda lab_offset=$offset lab_length=$length lab_seed=11")
guest_create write memory=512 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
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

pattern write "$want" $offset $length 11 >/dev/null || fail "cannot make the expected image"
pattern write "$want" $((offset + length)) $length 12 >/dev/null ||
    fail "cannot make the expected image"
if ! cmp -s "$want" "$image"; then
    cmp -l "$want" "$image" | head -n 4 # place, expected byte, byte found
    pattern check "$image" $offset $length 11
    fail "the image is not as written: $(cmp -l "$want" "$image" | wc -l) bytes differ"
fi
say "image is right: $((2 * mib)) MiB written, the rest untouched"
expect_clean
