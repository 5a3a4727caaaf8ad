# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1800
#
# Everything at once on four vCPUs: Linux writes and reads its emulated disk, prints to its serial port
# and gives memory back and forth, while its device model is killed at random moments, and upgraded.

is_hvmdm || skip "only hvmdm survives this"
count=15 mib=1 turns=2 # upgrades after each batch of deaths
[ "$LAB_SOAK" != 1 ] || { count=1000; mib=16; turns=10; }
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
supervisor=$(dm_pid smp)
upgrade_once()
{
    local model
    wait_until 60 "an answer of the device model" eval "hvmdm-ctl smp status | grep -q running"
    model=$(worker_pid smp model)
    hvmdm-ctl smp upgrade >upgrade.out 2>&1 || fail "upgrade $upgraded: $(cat upgrade.out)"
    expect "another device model than $model" another_worker smp model "$model"
    upgraded=$((upgraded + 1))
    doze 500
}
kills=0 upgraded=0 batches=0
while [ $kills -lt $count ]; do
    kill_workers smp model $((count < 100 ? count : 100)) ""
    batches=$((batches + 1))
    while [ $upgraded -lt $((batches * turns)) ]; do
        upgrade_once
    done
    say "$kills deaths, $upgraded upgrades"
done
expect "the same supervisor" [ "$(dm_pid smp)" = "$supervisor" ]
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
