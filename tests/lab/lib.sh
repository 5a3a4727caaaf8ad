# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scenarios are written with. Sourced by busybox sh in dom0.
#
#   DM          device model under test (path in dom0)
#   LAB_SOAK    1: full amounts, empty: quick ones
#
# A scenario is one file in scenarios/; it succeeds when it ends with status 0. `fail` ends it.
# Guests' files are in $guests (/run/guests): NAME.cfg, NAME.serial, NAME.xl.
# Every step that waits has a limit in seconds and says what it waited for.
#
# Absent: several guests with one name.

guests=/run/guests
scenario_disks=/guest/scratch
xl_log=$guests/xl.log
console_logs=/var/log/xen/console # by xenconsoled, one for each PV and PVH guest

say()
{
    echo "  [$(uptime_now)] $*"
}

fail()
{
    echo "  FAILED: $*"
    exit 1
}

# Ends the scenario at once, counted as passed, with the reason shown.
skip()
{
    echo "  SKIPPED: $*"
    exit 0
}

expect()
{
    # expect "what it means" COMMAND...
    local meaning=$1
    shift
    "$@" || fail "$meaning"
}

is_hvmdm()
{
    case $DM in */hvmdm) return 0 ;; *) return 1 ;; esac
}

# Seconds since dom0 started, with hundredths.
uptime_now()
{
    cut -d ' ' -f 1 /proc/uptime
}

domid_of()
{
    xl domid "$1" 2>/dev/null
}

# Process id of a guest's device model, as libxl recorded it.
dm_pid()
{
    xenstore-read "/local/domain/$(domid_of "$1")/image/device-model-pid" 2>/dev/null
}

# media NAME KIND ARGUMENTS: a private copy of cd.iso or disk.img (KIND: cd, disk) whose kernel
# gets these arguments; prints its path.
media()
{
    local to at text
    case $2 in
    cd) to=$scenario_disks/$1.iso from=/guest/cd.iso ;;
    disk) to=$scenario_disks/$1-boot.img from=/guest/disk.img ;;
    esac
    at=$(cat "/guest/$2.offset")
    text=$(printf '%-200s' "$3")
    [ ${#text} -eq 200 ] || fail "kernel arguments longer than 200 bytes: $3"
    cp "$from" "$to"
    printf %s "$text" | dd of="$to" bs=1 seek="$at" conv=notrunc 2>/dev/null
    echo "$to"
}

# payload NAME [WORK]: a private copy of a bare-metal payload's disk; prints its path. (libxl has no
# read-only IDE disks.) WORK: a letter and three digits for those payloads that want to be told how
# much to do.
payload()
{
    cp "/guest/$1.img" "$scenario_disks/$1.img"
    [ -z "$2" ] || printf '@LAB_WORK@%s' "$2" | dd of="$scenario_disks/$1.img" bs=1 \
        seek="$(cat "/guest/$1.offset")" conv=notrunc 2>/dev/null
    echo "$scenario_disks/$1.img"
}

# blank NAME MIB: an empty sparse raw image, prints its path.
blank()
{
    rm -f "$scenario_disks/$1"
    truncate -s "$2M" "$scenario_disks/$1"
    echo "$scenario_disks/$1"
}

# emulated_writer NAME TEST MIB DISK_MIB ARGUMENTS [KEY=VALUE...]: a Linux guest from a CD that does
# TEST with MIB MiB, 1 MiB from the start of an emulated disk of DISK_MIB; the disk is $image.
emulated_writer()
{
    local name=$1 test=$2 mib=$3 size=$4 arguments=$5
    shift 5
    image=$(blank "$name.img" "$size")
    guest_create "$name" memory=512 boot=d \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
        disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media "$name" cd \
            "quiet xen_emul_unplug=never lab=$test lab_disk=sda lab_offset=1048576 lab_length=$((mib * 1048576)) $arguments")" \
        "$@"
}

# expect_image IMAGE [FIRST_MIB MIB SEED]...: the image holds these patterns and is empty elsewhere.
expect_image()
{
    local image=$1 want=$scenario_disks/want.img
    shift
    rm -f "$want"
    truncate -s "$(stat -c %s "$image")" "$want"
    while [ $# -ge 3 ]; do
        pattern write "$want" $(($1 * 1048576)) $(($2 * 1048576)) "$3" >/dev/null ||
            fail "cannot make the expected image"
        shift 3
    done
    if ! cmp -s "$want" "$image"; then
        cmp -l "$want" "$image" | head -n 4 # place, expected byte, byte found
        fail "the image is not as written: $(cmp -l "$want" "$image" | wc -l) bytes differ"
    fi
    rm -f "$want"
}

# guest_config NAME [KEY=VALUE...]: writes NAME.cfg. disk=LINE may be given several times; other
# keys are xl's own, values as xl.cfg writes them after "=", with quotes added to plain words.
# type=pv or type=pvh: the kernel comes from dom0, its arguments are extra=.
guest_config()
{
    local name=$1 disks='' key value more='' memory=256 vcpus=1 boot=c type=hvm
    shift
    for pair; do
        key=${pair%%=*}
        value=${pair#*=}
        case $key in
        disk) disks="$disks'$value'," ;;
        memory) memory=$value ;;
        vcpus) vcpus=$value ;;
        boot) boot=$value ;;
        type) type=$value ;;
        *)
            case $value in
            [0-9\[\"\']*) ;;
            *) value="\"$value\"" ;;
            esac
            more="$more$key=$value
"
            ;;
        esac
    done
    if [ "$type" = hvm ]; then
        more="bios=\"seabios\"
serial=\"file:$guests/$name.serial\"
vga=\"stdvga\"
vnc=0
boot=\"$boot\"
$more"
    else
        more="kernel=\"/guest/vmlinuz\"
ramdisk=\"/guest/initrd-pv\"
$more"
    fi
    cat >"$guests/$name.cfg" <<END
name="$name"
type="$type"
memory=$memory
vcpus=$vcpus
tsc_mode="native"
device_model_version="qemu-xen"
device_model_override="$DM"
disk=[$disks]
$more
END
}

# guest_start NAME [xl options]: xl create from NAME.cfg; its status, output in NAME.xl.
guest_start()
{
    local name=$1 status
    shift
    rm -f "$guests/$name.serial"
    if ! grep -q '^type="hvm"' "$guests/$name.cfg"; then
        rm -f "$console_logs/guest-$name.log"
        ln -s "$console_logs/guest-$name.log" "$guests/$name.serial"
    fi
    echo "$ xl create $name.cfg $*" >>"$xl_log"
    xl create "$@" "$guests/$name.cfg" >"$guests/$name.xl" 2>&1
    status=$?
    cat "$guests/$name.xl" >>"$xl_log"
    return $status
}

# guest_create NAME [KEY=VALUE...]: both; a failure ends the scenario.
guest_create()
{
    guest_config "$@"
    guest_start "$1" || fail "xl create $1: $(tail -n 3 "$guests/$1.xl" | tr '\n' ' ')"
    say "guest $1 created, domain $(domid_of "$1")"
}

escape=$(printf '\033')

# Text from a guest without escape sequences and control characters.
readable()
{
    sed "s/$escape\[[0-9;?]*[A-Za-z]//g" | tr -cd '\011\012\040-\176'
}

# wait_serial NAME LIMIT MARKER...: until the guest says one of them on its serial port (PV and PVH
# guests: on their console). A device model that ends without it ends the wait.
wait_serial()
{
    local name=$1 limit=$2 status found pid
    shift 2
    pid=$(dm_pid "$name")
    # shellcheck disable=SC2086 # an option and its value, or nothing
    found=$(waitfor ${pid:+-p $pid} "$limit" "$guests/$name.serial" "$@")
    status=$?
    [ $status != 3 ] || fail "guest $name's device model ended before it said \"$*\""
    [ $status = 0 ] || fail "guest $name did not say \"$*\" within $limit s"
    say "guest $name: $(echo "$found" | readable)"
}

serial_has()
{
    grep -q -- "$2" "$guests/$1.serial"
}

# guest_tell NAME COMMAND: a line of shell for a guest of lab=serve (guest/steps), which is not waited
# for; "end" ends it.
guest_tell()
{
    step=$((${step:-0} + 1))
    xenstore-write "/local/domain/$(domid_of "$1")/data/lab" "$step $2" ||
        fail "cannot tell guest $1: $2"
}

# guest_do NAME LIMIT COMMAND: the same, waited for; its status, and in $answer what it has printed.
guest_do()
{
    local status
    guest_tell "$1" "$3"
    wait_serial "$1" "$2" "lab-guest: step $step status"
    answer=$(sed -n "s/.*lab-guest: step $step status //p" "$guests/$1.serial" | tail -n 1 | readable)
    status=${answer%%:*}
    answer=${answer#*: }
    return "$status"
}

# guest_expect NAME LIMIT "what it means" COMMAND: it must succeed.
guest_expect()
{
    guest_do "$1" "$2" "$4" || fail "$3: $answer"
}

# wait_until LIMIT "what" COMMAND...: until the command succeeds.
wait_until()
{
    local limit=$1 what=$2 end
    shift 2
    end=$(($(date +%s) + limit))
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || fail "not within $limit s: $what"
        usleep 200000
    done
}

domain_gone()
{
    ! xl list "$1" >/dev/null 2>&1
}

# wait_gone NAME LIMIT: until the domain has ended by itself and xl has removed it.
wait_gone()
{
    wait_until "$2" "guest $1 gone" domain_gone "$1"
    say "guest $1 has ended"
}

process_gone()
{
    [ ! -d "/proc/$1" ]
}

# Somebody holds an open file description lock on this image, as device models do.
image_locked()
{
    grep -q "OFDLCK .*:$(stat -c %i "$1") " /proc/locks
}

# holds_image PID IMAGE: this process has the file open.
holds_image()
{
    local fd file
    file=$(stat -c %d:%i "$2")
    for fd in "/proc/$1/fd"/*; do
        [ "$(stat -L -c %d:%i "$fd" 2>/dev/null)" != "$file" ] || return 0
    done
    return 1
}

# Devices' numbers in xenstore.
devid_of()
{
    case $1 in
    hda) echo 768 ;;
    hdb) echo 832 ;;
    hdc) echo 5632 ;;
    hdd) echo 5696 ;;
    xvd[a-p]) echo $((51712 + 16 * ($(printf %d "'${1#xvd}") - 97))) ;;
    esac
}

# backend_of NAME VDEV: the directory of a disk's qdisk back end.
backend_of()
{
    echo "/local/domain/0/backend/qdisk/$(domid_of "$1")/$(devid_of "$2")"
}

# backend_is NAME VDEV STATE: 4 is connected, 6 closed.
backend_is()
{
    [ "$(xenstore-read "$(backend_of "$1" "$2")/state" 2>/dev/null)" = "$3" ]
}

# expect_pv_disk NAME VDEV IMAGE: the guest is connected to a qdisk back end, and the process that
# serves it has the image.
expect_pv_disk()
{
    expect "guest $1 has a qdisk back end for $2" xenstore-exists "$(backend_of "$1" "$2")"
    wait_until 20 "back end of $2 connected" backend_is "$1" "$2" 4
    is_hvmdm || return 0
    expect "the PV worker has the image of $2" holds_image "$(worker_pid "$1" pv)" "$3"
    expect "the image of $2 is locked" image_locked "$3"
}

# Bytes that a process has written so far, by all its threads.
written_by()
{
    sed -n 's/^wchar: //p' "/proc/$1/io"
}

# What a guest's device model has written to its log since it was started.
dm_log()
{
    cat "/var/log/xen/qemu-dm-$1.log"
}

# shut_down_with NAME CODE: the reason by which the domain ended (0 power off, 1 reboot), as the
# xl that watched over it has logged it.
shut_down_with()
{
    grep -q "has shut down, reason code $2 " "/var/log/xen/xl-$1.log"
}

guest_destroy()
{
    xl destroy "$1" >>"$xl_log" 2>&1 || fail "xl destroy $1"
}

# All processes of a guest's device model: what libxl has started, and its children.
dm_family()
{
    local pid
    pid=$(dm_pid "$1")
    [ -z "$pid" ] || echo "$pid $(cat "/proc/$pid/task/$pid/children" 2>/dev/null)"
}

# worker_pid NAME model|pv: the process that the guest's supervisor has for this role; empty if none.
worker_pid()
{
    local supervisor pid
    supervisor=$(dm_pid "$1")
    [ -n "$supervisor" ] || return
    for pid in $(cat "/proc/$supervisor/task/$supervisor/children" 2>/dev/null); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "hvmdm-$2" ] || echo "$pid"
    done | tail -n 1
}

# Milliseconds to sleep, at random below the given number.
doze()
{
    usleep $((RANDOM % $1 * 1000))
}

another_worker()
{
    local now
    now=$(worker_pid "$1" "$2")
    [ -n "$now" ] && [ "$now" != "$3" ]
}


# kill_workers NAME model|pv COUNT MARKER [DOZE]: kill -9 at random moments, COUNT times or until the
# guest says MARKER on its serial port (empty: or until it is gone); adds to $kills. Each death must
# have a successor. DOZE: milliseconds between two deaths, at most (600; in a soak 400, with the machine
# for itself).
kill_workers()
{
    local supervisor killed status doze=${5:-600}
    [ "$LAB_SOAK" != 1 ] || doze=${5:-400}
    supervisor=$(dm_pid "$1")
    [ -n "$supervisor" ] || fail "guest $1 has no device model"
    if [ -n "$4" ]; then
        killed=$(killer -f "$guests/$1.serial" -m "$4" "$supervisor" "$2" "$3" "$doze")
    else
        killed=$(killer "$supervisor" "$2" "$3" "$doze")
    fi
    status=$?
    kills=$((${kills:-0} + killed))
    [ $status = 0 ] || fail "guest $1: no successor of its $2 process after $kills deaths"
}

# Domains other than dom0, as xl list shows them.
other_domains()
{
    xl list 2>/dev/null | tail -n +3
}

# Device model processes, both kinds.
dm_processes()
{
    ps -o pid,comm,args | grep -E '[h]vmdm|[x]en-qemu-system' | grep -v -e waitfor -e run-scenario
}

nothing_left()
{
    [ -z "$(other_domains)" ] && [ -z "$(dm_processes)" ]
}

# Nothing may remain: no domain, no device model, no loop device.
expect_clean()
{
    wait_until 30 "no domain and no device model left: $(other_domains) $(dm_processes)" \
        nothing_left
}

# A Linux guest that boots from its CD or disk with PV drivers off or on, to its end.
# expect_linux_end NAME LIMIT TEST
expect_linux_end()
{
    wait_serial "$1" "$2" "lab-guest: up"
    wait_serial "$1" "$2" "lab-guest: $3 done"
    wait_gone "$1" 120
    expect_quiet_kernel "$1"
}

# The guest's kernel complained about nothing that a device model can cause.
expect_quiet_kernel()
{
    ! serial_has "$1" 'lab-guest: kernel:' ||
        fail "guest's kernel: $(grep 'lab-guest: kernel:' "$guests/$1.serial" | head -n 3)"
}
