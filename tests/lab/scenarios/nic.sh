# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# Emulated network cards: Linux' own driver finds each, pings dom0, sends and receives a file by TCP
# whose sums are compared, while its device model is killed at random moments and upgraded; the interface
# goes down and up and the driver is loaded again. At the end the driver has no complaints. Then a guest
# that unplugs: the card and its tap are gone.

ctl=/usr/libexec/hvmdm-ctl
mib=4 count=4 turns=5
[ "$LAB_SOAK" != 1 ] || { mib=256; count=500; turns=100; }
nics=${LAB_NICS:-e1000 rtl8139}

driver_of_nic()
{
    case $1 in
    rtl8139) echo 8139cp ;;
    *) echo "$1" ;;
    esac
}

# nic_guest NAME MODEL ARGUMENTS
nic_guest()
{
    guest_create "$1" memory=256 boot=d \
        vif="['type=ioemu,model=$2,mac=00:16:3e:5a:00:01,script=/lab/dom0/vif-lab']" \
        disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media "$1" cd "quiet lab=serve $3")"
    tap=vif$(domid_of "$1").0-emu
    expect "a tap $tap" [ -e "/sys/class/net/$tap" ]
    wait_serial "$1" 600 "lab-guest: serving"
}

sum_of()
{
    sha256sum "$@" | cut -d ' ' -f 1
}

# Both ways at once. kills: how often the device model dies meanwhile.
transfer()
{
    local name=$1 kill=$2 fetched
    guest_expect "$name" 30 "a download begins" "net_fetch_begin http://10.9.0.1/file"
    wget -q -O $guests/fetched http://10.9.0.2/file &
    fetched=$!
    kills=0
    [ "$kill" = 0 ] || kill_workers "$name" model "$kill" ""
    wait $fetched || fail "dom0 could not fetch the guest's file"
    expect "dom0 has what the guest sent" [ "$(sum_of $guests/fetched)" = "$sum" ]
    guest_expect "$name" 600 "the guest has what dom0 sent" "net_fetch_end $sum"
    rm -f $guests/fetched
}

mkdir -p $scenario_disks/www
pattern write $scenario_disks/www/file 0 $((mib * 1048576)) 7 >/dev/null || fail "no file"
sum=$(sum_of $scenario_disks/www/file)

for model in $nics; do
    driver=$(driver_of_nic "$model")
    name=n$model
    nic_guest "$name" "$model" xen_emul_unplug=never
    guest_expect "$name" 60 "an interface by $driver" "net_up $driver 10.9.0.2/24"
    httpd -f -p 10.9.0.1:80 -h $scenario_disks/www &
    server=$!
    guest_expect "$name" 60 "ping" "ping -c 3 -W 5 10.9.0.1"
    expect "ping from dom0" ping -c 3 -W 5 10.9.0.2
    guest_expect "$name" 300 "a file to send" "net_serve $mib 7"
    transfer "$name" 0
    say "$model: $mib MiB each way"
    if is_hvmdm; then
        transfer "$name" $count
        say "$model: $mib MiB each way, $kills deaths"
        $ctl "$name" upgrade >upgrade.out 2>&1 || fail "upgrade: $(cat upgrade.out)"
        guest_expect "$name" 60 "ping after an upgrade" "ping -c 3 -W 5 10.9.0.1"
    fi
    guest_expect "$name" 300 "down and up" "net_turns eth0 $turns 10.9.0.1"
    guest_expect "$name" 120 "the driver again" "net_down $driver && net_up $driver 10.9.0.2/24"
    guest_expect "$name" 60 "ping again" "within 20 ping -c 1 -W 2 10.9.0.1"
    guest_expect "$name" 30 "the guest's kernel has no complaints" quiet_kernel
    guest_do "$name" 30 "dmesg | grep -i -e eth0 -e $driver" || true
    echo "$answer"
    kill $server
    guest_tell "$name" end
    wait_gone "$name" 120
    expect "no tap any more" [ ! -e "/sys/class/net/$tap" ]
done

set -- $nics
nic_guest gone "$1" ""
guest_expect gone 30 "no card" "! grep -l 0x020000 /sys/bus/pci/devices/*/class"
expect "the tap is gone" [ ! -e "/sys/class/net/$tap" ]
guest_tell gone end
wait_gone gone 120
expect_clean
