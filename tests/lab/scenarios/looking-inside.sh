# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 180
#
# hvmdm-ctl looks into a guest that asks its serial port without end: top, state, trace on and off;
# and the log says once what the guest asked for in vain.

is_hvmdm || skip "hvmdm-ctl talks to hvmdm"
ctl=/usr/libexec/hvmdm-ctl

# Reads of the serial port since the start.
asked()
{
    $ctl asker counters | awk '$1 == "uart16550" { print $2 }'
}

# Lines of the trace in the log.
traced()
{
    dm_log asker | grep -c '^uart16550 uart\.LSR r 1 60$'
}

guest_create asker memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload asker)"
wait_serial asker 120 "payload: asks"

before=$(asked)
$ctl asker top --once >top.out || fail "hvmdm-ctl top"
after=$(asked)
sed 's/^/  /' top.out
rate=$(awk '$5 == "uart16550" && $6 == "uart.LSR" { print $1 }' top.out)
busy=$(awk '$5 == "uart16550" && $6 == "uart.LSR" { print int($4) }' top.out)
expect "the register that is asked" [ -n "$rate" ]
# The second of top lies between the two counts, which are a bit more than a second apart.
expect "many reads, not $rate" [ "$rate" -gt 100 ]
expect "not more than $((after - before)) reads, $rate" [ "$rate" -le $((after - before)) ]
expect "a plausible time: $busy %" [ "$busy" -lt 100 ]
expect "nothing costs more than that" \
    [ "$(awk 'NR == 4 { print $6 }' top.out)" = uart.LSR ]
say "top: $rate reads a second"

$ctl asker state uart16550 >state.out || fail "hvmdm-ctl state"
expect "the line control register" grep -qx '  LCR  *0x1b' state.out

expect "no trace" [ "$(traced)" = 0 ]
expect "trace on" [ "$($ctl asker trace 'uart*' on)" = "traced: uart16550" ]
usleep 500000
expect "trace off" [ "$($ctl asker trace 'uart*' off)" = "traced: nothing" ]
lines=$(traced)
expect "trace lines, not $lines" [ "$lines" -gt 50 ]
expect "not too many trace lines: $lines" [ "$lines" -le 2000 ]
usleep 500000
expect "no line after it went off" [ "$(traced)" = "$lines" ]
say "trace: $lines lines"

expect "one note about the unknown command" \
    [ "$(dm_log asker | grep -c 'i8042: the guest gave the controller command b7h')" = 1 ]
guest_destroy asker
expect_clean
