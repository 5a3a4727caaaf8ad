# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 180
#
# hvmdm-ctl: the firmware's text screen as a PNG file that is not blank, status, counters by device
# and the state dump.

is_hvmdm || skip "only hvmdm has a control socket"
ctl=/usr/libexec/hvmdm-ctl

guest_create idle memory=64 vcpus=2 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial idle 120 "payload: idle"
domid=$(domid_of idle)

$ctl "$domid" screenshot /results/screenshot.png || fail "hvmdm-ctl screenshot"
# shellcheck disable=SC2046 # four numbers
set -- $(png-info /results/screenshot.png)
say "screenshot: $1x$2, $3 colours, $4 pixels are not background"
expect "80 columns of 9 pixels by 400 lines" [ "$1x$2" = 720x400 ]
expect "text in more than one colour" [ "$3" -ge 2 ]
# The firmware's greeting: some hundred characters of about 20 pixels; but no full screen.
expect "a few lines of text, not $4 pixels" [ "$4" -ge 1000 ]
expect "a few lines of text, not $4 pixels" [ "$4" -le 100000 ]

$ctl idle status >status.out || fail "hvmdm-ctl status, by name"
cat status.out
expect "the domain in the status" grep -qw "$domid" status.out
expect "it is running" grep -qi running status.out
$ctl "$domid" counters >counters.out || fail "hvmdm-ctl counters"
cat counters.out
expect "the serial port has been written" grep -E -q '^uart16550.*[1-9]' counters.out
expect "the disk controller has been used" grep -E -q '^piix3[-_]ide.*[1-9]' counters.out
$ctl "$domid" dump >dump.out || fail "hvmdm-ctl dump"
for device in cmos i8042 piix3_ide piix4_pm stdvga uart16550; do
    expect "device $device in the dump" grep -q "$device" dump.out
done
say "dump: $(wc -l <dump.out) lines"
for options in counters status dump; do
    expect "$options as JSON" eval '$ctl "$domid" '"$options"' --json | grep -q "^{"'
done
if $ctl "$domid" frobnicate 2>error.out; then
    fail "an unknown command is taken"
fi
expect "the unknown command is named" grep -q frobnicate error.out
guest_destroy idle
expect "the control socket is gone" eval '! $ctl "$domid" status 2>error.out'
say "after the end: $(cat error.out)"
expect_clean
