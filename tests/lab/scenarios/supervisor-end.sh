# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 300
#
# kill -9 of the supervisor ends everything within a second, the ioreq server included. A device model
# that hangs in the middle of its end is no reason to wait: xl destroy leaves nothing either.

is_hvmdm || skip "only hvmdm has a supervisor"

# One check of a few milliseconds; a wait of whole seconds would say nothing here.
gone_within_a_second()
{
    local end pid
    end=$(($(cut -d ' ' -f 1 /proc/uptime | tr -d .) + 100))
    while :; do
        for pid; do
            [ -d "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status" && break
            pid=
        done
        [ -n "$pid" ] || return 0
        [ "$(cut -d ' ' -f 1 /proc/uptime | tr -d .)" -lt $end ] || return 1
        usleep 20000
    done
}

guest_create idle memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial idle 120 "payload: idle"
domid=$(domid_of idle)
supervisor=$(dm_pid idle)
model=$(worker_pid idle model)
pv=$(worker_pid idle pv)
say "supervisor $supervisor, device model $model, PV worker $pv"
expect "a device model under the supervisor" [ -n "$model" ]
kill -9 "$supervisor"
# shellcheck disable=SC2086 # there may be no PV worker
expect "all processes gone within a second" gone_within_a_second $supervisor $model $pv
servers=$(ioreq-probe "$domid") || fail "cannot ask about ioreq servers"
expect "no ioreq server left, found: $servers" [ -z "$servers" ]
guest_destroy idle

guest_create idle memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial idle 120 "payload: idle"
supervisor=$(dm_pid idle)
model=$(worker_pid idle model)
kill -STOP "$model"
guest_destroy idle
wait_until 10 "supervisor $supervisor and device model $model gone" \
    eval 'process_gone $supervisor && process_gone $model'
expect_clean
