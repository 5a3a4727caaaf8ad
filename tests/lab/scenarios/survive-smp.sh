# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# Everything at once on four vCPUs: Linux writes and reads its emulated disk, prints to its serial port
# and gives memory back and forth, while its device model is killed at random moments.

is_hvmdm || skip "only hvmdm survives this"
count=15 mib=1
[ "$LAB_SOAK" != 1 ] || { count=1000; mib=16; }
emulated_writer smp serve $mib $((mib + 4)) "" vcpus=4
wait_serial smp 600 "lab-guest: serving"
guest_expect smp 30 "an emulated disk" "[ -b /dev/sda ]"
guest_expect smp 30 "a load on the disk" "load_begin sda 1 $mib 5"
guest_expect smp 30 "work for screen and serial port" chatter_begin
: >$guests/balloon
(
    while xl mem-set smp 400m && sleep 2 && xl mem-set smp 500m && sleep 2; do
        echo turn >>$guests/balloon
    done
) >/dev/null 2>&1 &
balloon=$!
kills=0
while [ $kills -lt $count ]; do
    kill_workers smp model $((count < 100 ? count : 100)) ""
    say "$kills deaths"
done
memory_moved()
{
    [ "$(wc -l <$guests/balloon)" -ge 2 ]
}
wait_until 120 "memory back and forth, twice" memory_moved
kill $balloon 2>/dev/null
guest_expect smp 60 "no more work for screen and serial port" chatter_end
guest_expect smp $((300 + mib * 20)) "all reads were right" "load_end sda"
rounds=${answer#*rounds } rounds=${rounds%% *}
expect "rounds: $rounds" [ "$rounds" -gt 0 ]
guest_expect smp 30 "the guest's kernel has no complaints" quiet_kernel
guest_tell smp end
wait_gone smp 200
expect_quiet_kernel smp
expect "$count deaths, not $kills" [ $kills = $count ]
expect_image "$image" 1 $mib $((5 + rounds - 1))
say "image is right after $rounds rounds, $(wc -l <$guests/balloon) turns of the balloon"
expect_clean
