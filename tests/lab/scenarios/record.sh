# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# Guests that are recorded replay in dom0 without a difference: one that dies of nothing, one whose
# device model is killed again and again, and (in a soak) one with a bounded recording, and Linux from
# power on to power off, bounded and without the contents of its disks.

is_hvmdm || skip "only hvmdm records"

# replays NAME FILE: no difference; what it said is in $answer.
replays()
{
    answer=$(hvmdm-replay "$2" 2>&1) || {
        hvmdm-replay --list "$2" | tail -n 40
        fail "guest $1: $answer"
    }
    say "guest $1: $(stat -c %s "$2") bytes: $(echo "$answer" | tr '\n' ' ')"
}

# recorded NAME [,OPTIONS]: the argument that has the guest recorded; a file for each.
recorded()
{
    echo "device_model_args_hvm=[\"--record\",\"$scenario_disks/$1.rec$2\"]"
}

rm -f "$scenario_disks"/*.rec
guest_create plain memory=64 "$(recorded plain)" \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload hello)"
wait_gone plain 120
replays plain "$scenario_disks/plain.rec"
case $answer in *"not recorded"*) fail "something happened that was not recorded" ;; esac

expect "the line status register was read" [ "$(hvmdm-replay --list "$scenario_disks/plain.rec" |
    grep -c 'port read 0x3fd')" -gt 0 ]

guest_create killed memory=64 "$(recorded killed ,nodata)" \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload chatter c001)"
wait_serial killed 120 "00000000 abcde"
kills=0
kill_workers killed model 5 "payload: power off"
wait_serial killed 300 "payload: power off"
wait_gone killed 60
expect "at least one death, not $kills" [ "$kills" -ge 1 ]
replays killed "$scenario_disks/killed.rec"
case $answer in *"not recorded"*) ;; *) fail "the successors do not show" ;; esac

if [ "$LAB_SOAK" = 1 ]; then
    guest_create ring memory=64 "$(recorded ring ,limit=8M)" \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload draw p010)"
    wait_serial ring 300 "draw: end"
    guest_destroy ring
    replays ring "$scenario_disks/ring.rec"
    expect "it is bounded" [ "$(stat -c %s "$scenario_disks/ring.rec")" -le 8388608 ]

    for kind in whole:nodata bounded:limit=64M; do
        name=${kind%%:*}
        image=$(media "$name" disk "quiet xen_emul_unplug=never lab=boot lab_disk=sda")
        guest_create "$name" memory=512 "$(recorded "$name" ",${kind#*:}")" \
            disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image"
        expect_linux_end "$name" 300 boot
        replays "$name" "$scenario_disks/$name.rec"
    done
fi
rm -f "$scenario_disks"/*.rec
expect_clean
