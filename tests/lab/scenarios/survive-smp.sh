# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# Everything at once on four vCPUs: Linux writes and reads its emulated disk, prints to its serial port
# and gives memory back and forth, while its device model is killed at random moments.

is_hvmdm || skip "only hvmdm survives this"
count=15 mib=1 rounds=6
[ "$LAB_SOAK" != 1 ] || { count=1000; mib=64; rounds=8; }
emulated_writer smp busy $mib $((mib + 4)) "lab_rounds=$rounds lab_seed=5" vcpus=4
wait_serial smp 600 "lab-guest: up"
(
    while xl mem-set smp 400m && sleep 2 && xl mem-set smp 500m && sleep 2; do
        echo turn >>$guests/balloon
    done
) >/dev/null 2>&1 &
balloon=$!
kills=0
kill_workers smp model $count "lab-guest: busy status"
say "$kills deaths"
wait_serial smp 900 "lab-guest: busy status"
kill $balloon 2>/dev/null
expect "the writes and checks worked" serial_has smp "busy status 0"
wait_gone smp 200
expect_quiet_kernel smp
expect "memory went back and forth" [ "$(wc -l <$guests/balloon)" -ge 2 ]
expect "at least ten deaths, not $kills" [ $kills -ge 10 ]
expect_image "$image" 1 $mib 5
say "image is right, $(wc -l <$guests/balloon) turns of the balloon"
expect_clean
