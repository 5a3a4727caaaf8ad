# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# A write is in flight on a slow block device when the device model dies; then the guest writes the same
# sector again. The newer one wins, always. (The device reads slowly: a write to a part of a page that
# is not in memory waits for that.)

is_hvmdm || skip "only hvmdm survives this"
rounds=12
[ "$LAB_SOAK" != 1 ] || rounds=200
modprobe dm-delay || fail "no dm-delay"
image=$(blank slow.img 16)
loop=$(/sbin/losetup -f --show "$image" 2>&1) || fail "no loop device: $loop"
trap 'dmsetup remove --noudevsync lab-slow 2>/dev/null; losetup -d "$loop" 2>/dev/null' EXIT
# Reads take 600 ms, writes 20.
dmsetup create lab-slow --noudevrules --noudevsync --table "0 32768 delay $loop 0 600 $loop 0 20" || fail "no slow device"
slow=/dev/dm-$(dmsetup info -c --noheadings -o minor lab-slow | tr -d ' ')

guest_create rewrite memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload rewrite r$(printf %03d $rounds))" \
    disk="format=raw,vdev=hdb,access=w,backendtype=qdisk,target=$slow"
kills=0
number=0
while [ $number -lt $rounds ]; do
    wait_serial rewrite 60 "rewrite: $(printf %03d $number)" "rewrite: FAILED" >/dev/null
    doze 500
    pid=$(worker_pid rewrite model)
    if [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; then
        kills=$((kills + 1))
        wait_until 60 "a successor of $pid" another_worker rewrite model "$pid"
    fi
    number=$((number + 1))
done
wait_serial rewrite 120 "rewrite: done" "rewrite: FAILED"
expect "the guest got no error" serial_has rewrite "rewrite: done"
wait_gone rewrite 60
number=0
while [ $number -lt $rounds ]; do
    found=$(dd if=$slow bs=512 skip=$((number * 8)) count=1 2>/dev/null | head -c 16)
    expect "sector $number holds the newer write, not '$found'" \
        [ "$found" = "$(printf '%03der...newer...' $number)" ]
    number=$((number + 1))
done
expect "a death for most writes, not $kills" [ $kills -ge $((rounds / 2)) ]
say "the newer write won $rounds times, $kills deaths"
expect_clean
