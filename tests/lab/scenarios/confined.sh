# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 300
#
# What serves a guest is confined: a user of its own for each domain, no capabilities, an empty root, no
# memory that can be written and executed, a filter of system calls. Then each restriction is tried from
# inside, in this kernel, and loudly nothing of it with --no-sandbox.

is_hvmdm || skip "only hvmdm confines itself by default"

# status_of PID KEY
status_of()
{
    sed -n "s/^$2:[ \t]*//p" "/proc/$1/status"
}

# expect_confined NAME ROLE
expect_confined()
{
    local pid uid
    wait_until 30 "a $2 process" another_worker "$1" "$2" 0
    pid=$(worker_pid "$1" "$2")
    uid=$((1879048192 + $(domid_of "$1")))
    wait_until 30 "$2 with a user id of its own" eval '[ "$(status_of '"$pid"' Uid | cut -f 1)" = '"$uid"' ]'
    wait_until 10 "a filter of system calls" eval '[ "$(status_of '"$pid"' Seccomp)" = 2 ]'
    expect "$2: no new privileges" [ "$(status_of "$pid" NoNewPrivs)" = 1 ]
    for set in CapInh CapPrm CapEff CapBnd CapAmb; do
        expect "$2: no capabilities in $set" [ "$(status_of "$pid" $set)" = 0000000000000000 ]
    done
    expect "$2: groups" [ -z "$(status_of "$pid" Groups | tr -d ' ')" ]
    # shellcheck disable=SC2012 # a count
    expect "$2: an empty root" [ "$(ls -A "/proc/$pid/root/" | wc -l)" = 0 ]
    expect "$2: no memory is writable and executable" eval '! grep -q " rwx" /proc/'"$pid"'/maps'
    say "$2 $pid: user $uid, confined"
}

guest_create idle memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial idle 120 "payload: idle"
expect_confined idle model
expect_confined idle pv
kill_workers idle model 1 ""
expect_confined idle model
guest_destroy idle

for profile in model pv; do
    /usr/libexec/hvmdm-model --sandbox-test $profile all >trial.out 2>&1 ||
        fail "confinement as $profile: $(tail -n 5 trial.out)"
    say "$profile: $(wc -l <trial.out) lines, the last: $(tail -n 1 trial.out)"
    expect "$profile: handles of this dom0 were tried" grep -q "^ok  *other-event-channel:" trial.out
done

guest_create open memory=64 'device_model_args_hvm=["--no-sandbox"]' \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
wait_serial open 120 "payload: idle"
expect "a loud warning" eval 'dm_log open | grep -q -i -E "warning.*(sandbox|confine)"'
say "$(dm_log open | grep -i -E 'sandbox|confine' | head -n 1)"
guest_destroy open
expect_clean
