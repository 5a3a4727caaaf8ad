# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# kill -9 of the device model at random moments while a guest writes to its serial port. A file is
# equal byte for byte; through a pty at most the bytes of one host call are lost or repeated at each
# death.

is_hvmdm || skip "only hvmdm survives this"
thousands=001 count=25
[ "$LAB_SOAK" != 1 ] || { thousands=012; count=1000; }
lines=$(expr "$thousands" \* 1000)
fifo=16 # bytes that the port hands over at once

guest_create chatter memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload chatter c$thousands)"
wait_serial chatter 120 "00000000 abcde"
kills=0
kill_workers chatter model $count "payload: power off"
wait_serial chatter 600 "payload: power off"
wait_gone chatter 60
found=$(stream-diff $guests/chatter.serial $lines) || fail "the file: $found"
say "to a file, $kills deaths: $found"
expect "the file is as written" [ "$found" = "lost 0 repeated 0 places 0" ]
expect "at least five deaths, not $kills" [ $kills -ge 5 ]
[ "$LAB_SOAK" != 1 ] || expect "$count deaths, not $kills" [ $kills = $count ]

guest_create pty memory=64 serial=pty \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload chatter c$thousands)"
tty=$(xenstore-read "/local/domain/$(domid_of pty)/serial/0/tty")
expect "a terminal for the serial port" [ -c "$tty" ]
cat "$tty" >$guests/pty.serial &
reader=$!
wait_serial pty 120 "00000000 abcde"
kills=0
kill_workers pty model $count "payload: power off"
wait_serial pty 600 "payload: power off"
wait_gone pty 60
kill $reader 2>/dev/null
found=$(stream-diff $guests/pty.serial $lines) || {
    cp $guests/pty.serial /results/
    fail "the terminal: $found"
}
say "to a terminal, $kills deaths: $found"
# shellcheck disable=SC2086 # six words
set -- $found
expect "at most one host call's bytes at each death" [ $(($2 + $4)) -le $((kills * fifo)) ]
expect "at most one place for each death" [ "$6" -le $kills ]
expect "at least five deaths, not $kills" [ $kills -ge 5 ]
[ "$LAB_SOAK" != 1 ] || expect "$count deaths, not $kills" [ $kills = $count ]
expect_clean
