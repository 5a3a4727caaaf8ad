# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 1500
#
# Emulated network cards: Linux' own driver finds each, pings dom0, sends and receives a file by TCP
# whose sums are compared, while its device model is killed at random moments and upgraded; the interface
# goes down and up and (in a soak) the driver is loaded again. At the end the drivers have no complaints. (That cards
# and taps go when a guest unplugs is in pv-switch.)

ctl=/usr/libexec/hvmdm-ctl
mib=4 count=4 turns=2
[ "$LAB_SOAK" != 1 ] || { mib=256; count=500; turns=100; }
nics=${LAB_NICS:-e1000 rtl8139}

driver_of_nic()
{
    case $1 in
    rtl8139) echo 8139cp ;;
    *) echo "$1" ;;
    esac
}

sum_of()
{
    sha256sum "$@" | cut -d ' ' -f 1
}

# Both ways at once. transfer NET KILLS: how often the device model dies meanwhile
transfer()
{
    local net=$1 kill=$2 fetched
    guest_expect nic 30 "a download begins" "net_fetch_begin http://$net.1/file"
    wget -q -O $guests/fetched "http://$net.2/file" &
    fetched=$!
    kills=0
    [ "$kill" = 0 ] || kill_workers nic model "$kill" ""
    wait $fetched || fail "dom0 could not fetch the guest's file"
    expect "dom0 has what the guest sent" [ "$(sum_of $guests/fetched)" = "$sum" ]
    guest_expect nic 600 "the guest has what dom0 sent" "net_fetch_end $sum"
    rm -f $guests/fetched
}

# card NUMBER MODEL
card()
{
    local net=10.9.$1 model=$2 interface=eth$1 driver server
    driver=$(driver_of_nic "$model")
    expect "a tap" [ -e "/sys/class/net/vif$(domid_of nic).$1-emu" ]
    guest_expect nic 60 "an interface by $driver" "net_up $interface $driver $net.2/24"
    httpd -f -p "$net.1:80" -h $scenario_disks/www &
    server=$!
    guest_expect nic 60 "ping" "ping -c 1 -W 5 $net.1"
    expect "ping from dom0" ping -q -c 1 -W 5 "$net.2"
    if [ "$LAB_SOAK" = 1 ] || ! is_hvmdm; then
        transfer "$net" 0
        say "$model: $mib MiB each way"
    fi
    if is_hvmdm; then
        transfer "$net" $count
        say "$model: $mib MiB each way, $kills deaths"
        $ctl nic upgrade >upgrade.out 2>&1 || fail "upgrade: $(cat upgrade.out)"
        guest_expect nic 60 "ping after an upgrade" "ping -c 1 -W 5 $net.1"
        say "$model: $($ctl nic status | grep 'frames received' | sed -n $(($1 + 1))p)"
    fi
    guest_expect nic 300 "down and up" "net_turns $interface $turns $net.1"
    if [ "$LAB_SOAK" = 1 ]; then
        guest_expect nic 120 "the driver again" "net_down $interface $driver && net_up $interface $driver $net.2/24"
        guest_expect nic 60 "ping again" "within 20 ping -c 1 -W 2 $net.1"
    fi
    kill $server
}

mkdir -p $scenario_disks/www
truncate -s ${mib}M $scenario_disks/www/file
pattern write $scenario_disks/www/file 0 $((mib * 1048576)) 7 >/dev/null || fail "no file"
sum=$(sum_of $scenario_disks/www/file)

vifs=
for model in $nics; do
    vifs="$vifs'type=ioemu,model=$model,script=/lab/dom0/vif-lab',"
done
guest_create nic memory=$((256 + mib * 2)) boot=d vif="[$vifs]" \
    disk="format=raw,vdev=hdc,access=r,devtype=cdrom,target=$(media nic cd "quiet xen_emul_unplug=never lab=serve")"
wait_serial nic 600 "lab-guest: serving"
guest_expect nic 300 "a file to send" "net_serve $mib 7"
number=0
for model in $nics; do
    card $number "$model"
    number=$((number + 1))
done
guest_expect nic 30 "the guest's kernel has no complaints" quiet_kernel
guest_tell nic end
wait_gone nic 120
expect_quiet_kernel nic
expect "no tap any more" eval '! ls /sys/class/net | grep -q emu'
expect_clean
