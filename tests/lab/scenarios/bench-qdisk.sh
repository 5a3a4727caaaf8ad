# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 3000
# bench
#
# The PV disk beside QEMU's and the kernel's blkback on a loop device, in one boot of dom0: random reads
# of 4 KiB by one and by eight readers, sequential reads of 64 KiB, and the device model's CPU time. Lines
# "MODEL NAME VALUE" go to /results/bench-qdisk.txt; tests/bench/run.sh makes the table.

peer=/usr/libexec/xen-qemu-system-i386
out=/results/bench-qdisk.txt
: >$out
reads=8000 long_reads=2000
[ "$LAB_SOAK" != 1 ] || { reads=40000; long_reads=10000; }
mib=64
image=$scenario_disks/bench.img
dd if=/dev/zero of="$image" bs=1M count=$mib 2>/dev/null || fail "no room for the image"
sync

# CPU time of all processes of a guest's device model so far, in ns.
cpu_of()
{
    local pid
    for pid in $(dm_family "$1"); do
        sed 's/.*) //' "/proc/$pid/stat"
    done 2>/dev/null | awk -v tick=10000000 '{ sum += $12 + $13 } END { printf "%.0f\n", sum * tick }'
}

# note MODEL NAME "ARGUMENTS of disk-bench behind the disk": time and CPU time for a read
note()
{
    local model=$1 name=$2 before
    before=$(cpu_of "q$model")
    guest_expect "q$model" 900 "$name" "disk-bench /dev/xvda $3"
    before=$(($(cpu_of "q$model") - before))
    # shellcheck disable=SC2086 # "reads N ns N"
    set -- $answer
    { [ "$1" = reads ] && [ "$2" -gt 0 ]; } || fail "disk-bench says: $answer"
    echo "$model ${name}_ns $(($4 / $2))" >>$out
    [ "$model" = blkback ] || echo "$model ${name}_cpu_ns $((before / $2))" >>$out
}

# measure MODEL DISK
measure()
{
    cat "$image" >/dev/null # all of it in memory
    guest_create "q$1" type=pvh memory=256 extra="console=hvc0 quiet lab=serve lab_disk=xvda" disk="$2"
    wait_serial "q$1" 600 "lab-guest: serving"
    guest_expect "q$1" 300 "warming up" "disk-bench /dev/xvda random 4096 1000 1"
    note "$1" random_4k "random 4096 $reads 1"
    note "$1" random_4k_x8 "random 4096 $reads 8"
    note "$1" sequential_64k "sequential 65536 $long_reads 1"
    guest_destroy "q$1"
    wait_until 30 "no domain left" eval '[ -z "$(other_domains)" ]'
}

qdisk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$image"
measure hvmdm "$qdisk"
DM=$peer
measure qemu "$qdisk"
measure blkback "file:$image,xvda,w"
sed 's/^/  /' $out
expect_clean
