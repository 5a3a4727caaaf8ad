# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
# soak-only
#
# A reboot by Linux: xl makes a new domain with a new device model on the same image,
# which holds what the first boot wrote.

image=$(media reboot disk "quiet xen_emul_unplug=never lab=reboot lab_disk=hdb")
second=$(blank reboot.img 1)
guest_create reboot memory=256 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image" \
    disk="format=raw,vdev=hdb,access=w,backendtype=qdisk,target=$second"
first_domid=$(domid_of reboot)
first_pid=$(dm_pid reboot)
wait_serial reboot 400 "lab-guest: this is the" "lab-guest: reboot done"
expect "the first boot finds an empty disk" serial_has reboot "this is the first boot"

other_domain()
{
    local domid
    domid=$(domid_of reboot)
    [ -n "$domid" ] && [ "$domid" != "$first_domid" ] && [ -n "$(dm_pid reboot)" ]
}
wait_until 120 "a new domain after the reboot" other_domain
pid=$(dm_pid reboot)
say "new domain $(domid_of reboot), device model $pid instead of $first_pid"
expect "a new device model" [ "$pid" != "$first_pid" ]
wait_until 10 "the first device model gone" process_gone "$first_pid"
expect "a reboot, not a power off" shut_down_with reboot 1
wait_serial reboot 400 "lab-guest: this is the"
expect "the second boot finds what the first wrote" serial_has reboot "this is the second boot"
! is_hvmdm || expect "the new device model holds the image's lock" image_locked "$second"
wait_gone reboot 120
expect_quiet_kernel reboot
expect "no lock left" eval '! image_locked "$second" && ! image_locked "$image"'
expect_clean
