# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
# demo
#
# For people to watch: a Linux guest from GRUB to its init with everything it says, a screenshot
# of its VGA (/results/demo.png), and what all that has cost. Called by demo.sh.

# Prints what a file gains, line by line, until it is killed. $1: file, $2: put before each line.
follow()
{
    until [ -e "$1" ]; do
        usleep 100000
    done
    tail -n +1 -f "$1" | tr_lines "$2"
}

# Line by line (no filter that buffers its output would do), each with $1 in front.
tr_lines()
{
    local line
    while IFS= read -r line; do
        case $line in
        *[![:print:]]*) line=$(echo "$line" | readable) ;;
        esac
        printf '%s%s\n' "$1" "$line"
    done
}

# The firmware's lines come to Xen's own log. The first one stops the first clock.
follow_firmware()
{
    local shown=0 n
    while :; do
        xl dmesg | grep "^(d$domid)" | sed 's/^(d[0-9]*) //' >firmware.new
        n=$(wc -l <firmware.new)
        if [ "$n" -gt "$shown" ]; then
            [ "$shown" != 0 ] || uptime_now >firmware.time
            tail -n +$((shown + 1)) firmware.new | tr_lines 'firmware | '
            shown=$n
        fi
        [ ! -e "$guests/demo.serial" ] || ! serial_has demo 'GRUB: loading' || return
        usleep 200000
    done
}

seconds()
{
    awk "BEGIN { printf \"%.1f s\", $2 - $1 }"
}

# Sum of one line of smaps_rollup over all processes of the device model, in kB.
memory_of()
{
    local pid sum=0
    for pid in $(dm_processes | awk '{ print $1 }'); do
        sum=$((sum + $(awk "/^$1:/ { print \$2 }" "/proc/$pid/smaps_rollup")))
    done
    echo "$sum"
}

# Nothing is unplugged: the emulated disk is what the counters below are about. The kernel's messages go
# to the serial port only: they scroll slowly on an emulated VGA.
iso=$(media demo cd "lab=wait lab_screen=yes xen_emul_unplug=never")
guest_config demo memory=512 boot=d \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(blank demo.img 64)" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$iso"
echo "--- xl create, with $DM as device model:"
grep -E '^(device_model_override|memory|disk)' demo.cfg | sed 's/^/    /'
begin=$(uptime_now)
guest_start demo || fail "xl create: $(cat demo.xl)"
domid=$(domid_of demo)
echo "--- domain $domid is built and runs after $(seconds "$begin" "$(uptime_now)"); this is what" \
    "it says:"
follow "$guests/demo.serial" 'guest    | ' &
follower=$!
follow_firmware
found=$(waitfor -p "$(dm_pid demo)" 400 "$guests/demo.serial" "lab-guest: waiting") ||
    fail "the guest did not come up"
up=$(uptime_now)
expect "the guest is up" [ -n "$found" ]
usleep 500000
kill "$follower" 2>/dev/null
echo
echo "--- the guest's screen and its registers, by hvmdm-ctl:"
if is_hvmdm; then
    /usr/libexec/hvmdm-ctl demo screenshot /results/demo.png || fail "no screenshot"
    /usr/libexec/hvmdm-ctl demo status
    /usr/libexec/hvmdm-ctl demo counters >counters.out || fail "no counters"
fi
{
    echo "xl create to the first line of the firmware     $(seconds "$begin" \
        "$(cat firmware.time)")"
    echo "xl create to the guest's init                   $(seconds "$begin" "$up")"
    echo "memory of the device model, private             $(($(memory_of Private_Dirty) + $(
        memory_of Private_Clean))) kB, of it written $(memory_of Private_Dirty) kB"
    echo "memory of the device model, proportional        $(memory_of Pss) kB, of it written" \
        "$(memory_of Pss_Dirty) kB"
    if is_hvmdm; then
        echo "requests served, by device:"
        printf '    %-14s %10s %10s %12s %10s\n' "" reads writes "DMA bytes" interrupts
        awk 'NR > 1 && $2 + $3 + $8 + $9 > 0 {
            printf "    %-14s %10d %10d %12d %10d\n", $1, $2, $3, $8, $9
            reads += $2; writes += $3; bytes += $8; irqs += $9
        }
        END { printf "    %-14s %10d %10d %12d %10d\n", "together", reads, writes, bytes, irqs }
        ' counters.out
    fi
} >/results/demo.txt
guest_destroy demo
expect_clean
