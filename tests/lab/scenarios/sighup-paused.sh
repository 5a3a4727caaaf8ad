# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 180
#
# SIGHUP to the device model of a paused, living domain: it takes its ioreq server with it. (A
# stale one would hang the guest's next access for good.)

guest_create idle memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial idle 120 "payload: idle"
domid=$(domid_of idle)
pid=$(dm_pid idle)
expect "xl pause" xl pause idle
servers=$(ioreq-probe "$domid") || fail "cannot ask about ioreq servers"
say "ioreq servers of the paused domain: $servers"
expect "an ioreq server while the device model lives" [ -n "$servers" ]
kill -HUP "$pid"
wait_until 5 "device model $pid gone" process_gone "$pid"
servers=$(ioreq-probe "$domid") || fail "cannot ask about ioreq servers"
expect "no ioreq server left, found: $servers" [ -z "$servers" ]
expect "the domain lives on" [ "$(domid_of idle)" = "$domid" ]
guest_destroy idle
expect_clean
