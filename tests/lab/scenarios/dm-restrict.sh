# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# dm_restrict=1 and device_model_user=: both workers run as the user that libxl names, deaths are
# recovered from, and xl destroy, which kills by user id then and not by process id, leaves nothing.

is_hvmdm || skip "only hvmdm has workers"

# add_user NAME UID
add_user()
{
    grep -q "^$1:" /etc/passwd || echo "$1:x:$2:$2::/:/bin/false" >>/etc/passwd
    grep -q "^$1:" /etc/group || echo "$1:x:$2:" >>/etc/group
}

# worker_ids NAME model|pv: real, effective, saved and file system user and group, "U U U U G G G G"
worker_ids()
{
    local pid
    pid=$(worker_pid "$1" "$2")
    [ -n "$pid" ] && sed -n 's/^[UG]id:\t//p' "/proc/$pid/status" | tr '\t\n' '  ' | sed 's/ *$//'
}

# A successor is root until it has confined itself.
workers_are()
{
    [ "$(worker_ids "$1" model)" = "$2 $2 $2 $2 $3 $3 $3 $3" ] &&
        [ "$(worker_ids "$1" pv)" = "$2 $2 $2 $2 $3 $3 $3 $3" ]
}

# expect_workers NAME UID GID
expect_workers()
{
    wait_until 60 "both workers of $1 as $2:$3, not \"$(worker_ids "$1" model)\" and \"$(worker_ids "$1" pv)\"" \
        workers_are "$1" "$2" "$3"
    say "$1: both workers are $2:$3"
}

# lives_and_dies NAME UID GID DISK [KEY=VALUE...]: and is killed, and destroyed.
lives_and_dies()
{
    local name=$1 uid=$2 gid=$3 disk=$4 supervisor domid
    shift 4
    guest_create "$name" memory=64 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$disk" "$@"
    wait_serial "$name" 120 "payload: idle"
    domid=$(domid_of "$name")
    supervisor=$(dm_pid "$name")
    [ "$uid" -lt 131072 ] || uid=$((uid + domid))
    expect "libxl is to kill by user id $uid" \
        [ "$(xenstore-read "/local/domain/$domid/image/device-model-kill-uid")" = "$uid" ]
    expect_workers "$name" "$uid" "$gid"
    expect "device model with big files allowed" \
        grep -q '^Max file size  *unlimited  *unlimited' "/proc/$(worker_pid "$name" model)/limits"
    kills=0
    kill_workers "$name" model 3 ""
    kill_workers "$name" pv 2 ""
    expect_workers "$name" "$uid" "$gid"
    expect "five deaths, not $kills" [ "$kills" = 5 ]
    expect "an answer after $kills deaths" eval "hvmdm-ctl $name status | grep -q running"
    expect "the same supervisor" [ "$(dm_pid "$name")" = "$supervisor" ]
    guest_destroy "$name"
    wait_until 5 "supervisor $supervisor gone" process_gone "$supervisor"
    expect_clean
    expect "the image is not locked" eval "! image_locked $disk"
}

add_user xen-qemuuser-range-base 131072
add_user lab-dm 2000
disk=$(payload idle)

lives_and_dies restrict 131072 131072 "$disk" dm_restrict=1
lives_and_dies user 2000 2000 "$disk" device_model_user=lab-dm

# Two guests of one user: libxl kills all processes of that user; the other guest goes on.
other=$scenario_disks/other.img
cp "$disk" "$other"
guest_create one memory=64 device_model_user=lab-dm \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$disk"
guest_create two memory=64 device_model_user=lab-dm \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$other"
wait_serial one 120 "payload: idle"
wait_serial two 120 "payload: idle"
expect_workers two 2000 2000
model=$(worker_pid two model)
guest_destroy one
wait_until 60 "another device model of guest two" another_worker two model "$model"
expect_workers two 2000 2000
expect "guest two has its device model" eval "hvmdm-ctl two status | grep -q running"
guest_destroy two
expect_clean

# A user that libxl knows and that is root is refused by libxl; an argument of one's own is not.
guest_config nobody memory=64 'device_model_args_hvm=["-runas","no-such-user"]' \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$disk"
if guest_start nobody; then
    fail "a user that does not exist is accepted"
fi
expect "a sentence about the user" eval 'dm_log nobody | grep -q "no user .no-such-user. to run as"'
expect_clean
