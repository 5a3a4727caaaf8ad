# SPDX-License-Identifier: GPL-2.0-or-later
# soak-only
# time-limit: 300
#
# Reboots from inside the guest, by the keyboard controller and by port 0xcf9: each time xl makes a
# new domain with a new device model, which gets the image's lock and finds what the one before has
# written. (In `make check` Linux reboots, in pv-switch and xl-verbs.)

counter=$(blank counter.img 1)
guest_create reboot memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload reboot)" \
    disk="format=raw,vdev=hdb,access=w,backendtype=qdisk,target=$counter"
pids=" $(dm_pid reboot)"
domids=" $(domid_of reboot)"

another_device_model()
{
    local pid
    pid=$(dm_pid reboot)
    [ -n "$pid" ] && case "$pids " in *" $pid "*) return 1 ;; esac
}

# Each device model begins a new file, so each of these lines may be gone soon: what counts in the
# end is the disk.
for boot in 2 3; do
    wait_until 60 "device model number $boot" another_device_model
    pids="$pids $(dm_pid reboot)"
    domids="$domids $(domid_of reboot)"
    say "domain and device model number $boot: $(domid_of reboot), $(dm_pid reboot)"
done
wait_serial reboot 60 "payload: boot 3" "payload: FAILED"
expect "the third boot counts to three" serial_has reboot "boot 3"
expect "three domains: $domids" [ "$(echo $domids | tr ' ' '\n' | sort -u | wc -l)" = 3 ]
wait_gone reboot 30
expect "two reboots" [ "$(grep -c 'has shut down, reason code 1 ' /var/log/xen/xl-reboot.log)" = 2 ]
expect "then a power off" shut_down_with reboot 0
for pid in $pids; do
    wait_until 5 "device model $pid gone" process_gone "$pid"
done
expect "the count on the disk" \
    [ "$(od -A n -t x4 -N 8 "$counter" | tr -d ' ')" = 746f6f6200000003 ]
expect "no lock left" eval '! image_locked "$counter"'
expect_clean
