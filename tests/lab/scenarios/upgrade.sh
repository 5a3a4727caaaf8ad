# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# Live upgrade while Linux writes to its emulated disk: by the same build, again and again, by a build
# with another layout of its state, and back, which is refused without harm. A build that does not come
# up is refused too, and the old one goes on.

is_hvmdm || skip "only hvmdm can be upgraded"
ctl=/usr/libexec/hvmdm-ctl
count=10 mib=3
[ "$LAB_SOAK" != 1 ] || { count=100; mib=48; }
emulated_writer up busy $mib $((mib + 4)) lab_seed=9 vcpus=2
supervisor=$(dm_pid up)
wait_serial up 600 "lab-guest: up"

upgraded=0
while [ $upgraded -lt $count ] && ! serial_has up "lab-guest: busy status"; do
    model=$(worker_pid up model)
    $ctl up upgrade >upgrade.out 2>&1 || fail "upgrade $upgraded: $(cat upgrade.out)"
    expect "another device model" another_worker up model "$model"
    upgraded=$((upgraded + 1))
    doze 500
done
expect "$count upgrades while it wrote, not $upgraded" [ $upgraded = $count ]
say "$upgraded upgrades: $(cat upgrade.out)"
expect "the supervisor has kept its pid" [ "$(dm_pid up)" = "$supervisor" ]
expect "and lives" [ -d "/proc/$supervisor" ]

if $ctl up upgrade /bin/false >upgrade.out 2>&1; then
    fail "/bin/false is taken for a device model"
fi
say "refused: $(cat upgrade.out)"
[ -x /usr/libexec/layout2/hvmdm-model ] || fail "no build with another layout: make lab-variants"
$ctl up upgrade /usr/libexec/layout2/hvmdm-model >upgrade.out 2>&1 ||
    fail "upgrade to another layout: $(cat upgrade.out)"
say "to another layout: $(cat upgrade.out)"
if $ctl up upgrade /usr/libexec/hvmdm-model >upgrade.out 2>&1; then
    fail "the downgrade is not refused"
fi
grep -q "not known to this version" upgrade.out || fail "refused for another reason: $(cat upgrade.out)"
say "downgrade refused: $(cat upgrade.out)"
wait_serial up 900 "lab-guest: busy status"
expect "the writes and checks worked" serial_has up "busy status 0"
wait_gone up 200
expect_quiet_kernel up
expect_image "$image" 1 $mib 9
expect_clean
