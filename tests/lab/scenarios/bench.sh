# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 3000
# bench
#
# hvmdm and QEMU in one boot of dom0: costs per access, start-up, memory of an idle Linux guest.
# Lines "MODEL NAME VALUE" go to /results/bench.txt; tests/bench/run.sh makes the table.

peer=/usr/libexec/xen-qemu-system-i386
out=/results/bench.txt
: >$out

# The device model under measurement, started through a wrapper that notes the time and leaves no trace.
wrapper()
{
    cp /usr/bin/startclock $guests/dm-wrapper
    export START_FILE=$guests/start START_PROGRAM="$1"
}

note_start()
{
    wait_until 60 "time of readiness" [ -s $guests/ready ]
    echo "$1 exec_to_running $(($(cat $guests/ready) - $(cat $guests/start)))" >>$out
}

# Sum over all processes of the device model.
note_memory()
{
    local pid
    sync # pages of programs that are not written back yet count as dirty
    for pid in $(dm_family "$2"); do
        cat "/proc/$pid/smaps_rollup"
        sed -n 's/^Threads:/Threads: /p' "/proc/$pid/status"
        echo "Process: $(awk -v pid="$pid" '/^Pss_Dirty:/ { print pid, $2 }' "/proc/$pid/smaps_rollup")" \
            "$(cat "/proc/$pid/comm")" >&2
    done | awk -v model="$1" '{ sum[$1] += $2 } END {
        printf "%s pss_dirty_kib %d\n%s pss_kib %d\n", model, sum["Pss_Dirty:"], model, sum["Pss:"]
        printf "%s threads %d\n", model, sum["Threads:"]
    }' >>$out
}

switches()
{
    local pid
    for pid in $(dm_family "$1"); do
        cat "/proc/$pid/status"
    done | awk '/^voluntary/ { sum += $2 } END { print sum }'
}

# Context switches of an idle guest's device model in ten seconds: each is a wake-up.
note_wakeups()
{
    local before
    before=$(switches "$2")
    sleep 10
    echo "$1 wakeups_10s $(($(switches "$2") - before))" >>$out
}

accesses()
{
    DM=$guests/dm-wrapper
    rm -f $guests/ready
    startclock watch $guests/ready &
    guest_create "b$1" memory=64 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload bench-port)"
    note_start "$1"
    wait_serial "b$1" 400 "bench: begin"
    wait_serial "b$1" 900 "bench: end" "bench: FAILED"
    tr -d '\r' <"$guests/b$1.serial" | sed -n '/bench: begin/,/bench: end/p' |
        awk -v model="$1" '/^[a-z_0-9]+ [0-9]+$/ { print model, $0 }' >>$out
    wait_gone "b$1" 60
}

# Without unplug, so that the emulated disk stays; the test "wait" sits at its prompt.
idle()
{
    guest_create "i$1" memory=256 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(media "i$1" disk "quiet xen_emul_unplug=never lab=wait lab_modules=xen-kbdfront")"
    wait_serial "i$1" 900 "lab-guest: up"
    sleep 5
    note_memory "$1" "i$1"
    note_wakeups "$1" "i$1"
    guest_destroy "i$1"
}

# An ioreq server that answers at once: what any device model costs at least.
floor()
{
    [ -e /build/tests/null_dm ] || return
    cp /build/tests/null_dm /usr/bin/
    guest_create port memory=64 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload port)"
    wait_serial port 120 "port: ready"
    null_dm "$(domid_of port)" >$guests/null_dm.out 2>&1 &
    wait_serial port 400 "port: passed"
    tr -d '\r' <$guests/port.serial | sed -n 's/^null_\([a-z_]* [0-9]*\)$/null \1/p' >>$out
    wait_gone port 60
}

hvmdm=$DM
floor
# Neither is read from the disk for the first time when its start is measured.
for path in "$hvmdm" "$peer"; do
    "$path" --version >/dev/null 2>&1
done
for model in hvmdm qemu; do
    [ $model = hvmdm ] && path=$hvmdm || path=$peer
    wrapper "$path"
    accesses $model
    [ -n "$LAB_BENCH_SHORT" ] || idle $model
done
sed 's/^/  /' $out
expect_clean
