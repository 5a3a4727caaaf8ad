# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# Linux with an emulated network card (e1000; in a soak rtl8139 too) on a tap that is in no bridge: ping and
# TCP both ways, across the death of the device model in the middle; the counters of hvmdm-ctl.

mib=4
[ "$LAB_SOAK" != 1 ] || mib=32

# What libxl runs for the vif and for the tap, instead of its own script.
cat >"$guests/vif-up" <<'END'
#!/bin/sh
if [ "$2" = type_if=tap ]; then
    [ "$1" != add ] || { ip link set "$INTERFACE" up && ip addr add 10.9.0.1/24 dev "$INTERFACE"; }
elif [ "$1" = online ]; then
    ip link set "$vif" up
    xenstore-write "$XENBUS_PATH/hotplug-status" connected
fi
END
chmod 755 "$guests/vif-up"

# A listening nc must not see the end of its input: it would end the connection.
mkfifo "$guests/hold"
exec 9<>"$guests/hold"

sum_of()
{
    sha256sum "$1" | cut -d ' ' -f 1
}

port_is_open()
{
    netstat -ltn | grep -q "[:.]$1 "
}

# send_from NAME PORT: a file of the guest's own, to dom0
send_from()
{
    nc -l -p "$2" <&9 >"$scenario_disks/received" &
    wait_until 10 "dom0 listens" port_is_open "$2"
    guest_expect "$1" 300 "the guest sends" \
        "dd if=/dev/urandom of=/tmp/sent bs=1048576 count=$mib 2>/dev/null && nc 10.9.0.1 $2 </tmp/sent && sha256sum /tmp/sent"
    wait $!
    expect "what the guest sent has come ($answer)" [ "${answer%% *}" = "$(sum_of "$scenario_disks/received")" ]
}

# send_to NAME PORT: from dom0
send_to()
{
    dd if=/dev/urandom of="$scenario_disks/sent" bs=1048576 count=$mib 2>/dev/null
    guest_expect "$1" 30 "the guest listens" "nc -l -p $2 <&9 >/tmp/received & within 10 eval 'netstat -ltn | grep -q :$2'"
    timeout 300 nc 10.9.0.2 "$2" <"$scenario_disks/sent" || fail "dom0 cannot send"
    guest_expect "$1" 60 "the guest sums up" "wait; sha256sum /tmp/received"
    expect "what dom0 sent has come ($answer)" [ "${answer%% *}" = "$(sum_of "$scenario_disks/sent")" ]
}

# nic_status NAME: the line that hvmdm-ctl has for its card
nic_status()
{
    hvmdm-ctl "$(domid_of "$1")" status | grep 'frames received'
}

# one_card MODEL DRIVER
one_card()
{
    local name=nic-$1 tap
    guest_create "$name" memory=512 boot=d \
        vif="['type=ioemu,model=$1,mac=00:16:3e:00:00:42,script=$guests/vif-up']" \
        disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media "$name" cd \
            "quiet xen_emul_unplug=never lab=serve lab_modules=$2")"
    tap=vif$(domid_of "$name").0-emu
    expect "there is a tap" [ -e "/sys/class/net/$tap" ]
    wait_serial "$name" 300 "lab-guest: up"
    guest_expect "$name" 60 "the card has its address" \
        "ifconfig eth0 10.9.0.2 netmask 255.255.255.0 up && grep -i 00:16:3e:00:00:42 /sys/class/net/eth0/address"
    guest_expect "$name" 30 "a pipe" "mkfifo /tmp/hold && exec 9<>/tmp/hold"
    guest_expect "$name" 60 "the cable is in" "within 30 grep -q 1 /sys/class/net/eth0/carrier"
    guest_expect "$name" 60 "dom0 answers" "ping -c 3 10.9.0.1"
    ping -c 3 10.9.0.2 >ping.out || fail "the guest does not answer: $(tail -n 2 ping.out | tr '\n' ' ')"
    send_from "$name" 5001
    send_to "$name" 5002
    if is_hvmdm; then
        say "$(nic_status "$name")"
        kill_workers "$name" model 1 ""
        expect "the tap is still there" [ -e "/sys/class/net/$tap" ]
        guest_expect "$name" 60 "dom0 answers after a death" "ping -c 3 10.9.0.1"
        send_from "$name" 5003
        send_to "$name" 5004
        say "$(nic_status "$name")"
    fi
    guest_tell "$name" end
    expect_linux_end "$name" 60 serve
    expect "the tap has gone" [ ! -e "/sys/class/net/$tap" ]
}

one_card e1000 e1000
[ "$LAB_SOAK" != 1 ] || one_card rtl8139 8139cp
expect_clean
