# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# The switch: Linux boots from the emulated IDE disk, unplugs it and goes on with the same image on the
# PV disk, which hvmdm serves. It writes and verifies, reboots and finds the emulated disk again, as
# often as told. The image is checked outside. Its network card and the tap behind it go at the switch, too.

boots=2 mib=12
[ "$LAB_SOAK" != 1 ] || { boots=3; mib=96; }
first=32 # MiB: behind the boot partition
image=$(media switch disk "quiet lab=serve lab_disk=xvda")
truncate -s $((first + boots * mib))M "$image"

# Accesses of the guest to the emulated IDE controller so far.
ide_accesses()
{
    hvmdm-ctl switch counters | awk '$1 ~ /ide/ { n += $2 + $3 } END { print n + 0 }'
}

another_domain()
{
    local domid
    domid=$(domid_of switch)
    [ -n "$domid" ] && [ "$domid" != "$domid_before" ] && [ -n "$(dm_pid switch)" ]
}

guest_create switch memory=256 vif="['type=ioemu,model=e1000,script=/lab/dom0/vif-lab']" \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$image"
boot=1
while :; do
    wait_serial switch 300 "GRUB: loading"
    wait_serial switch 400 "lab-guest: serving"
    expect "the paravirtual disk" serial_has switch "Disk xvda: .*paravirtual"
    guest_expect switch 20 "the emulated network card is gone" "! grep 0x020000 /sys/bus/pci/devices/*/class"
    expect "its tap is gone" [ ! -e "/sys/class/net/vif$(domid_of switch).0-emu" ]
    expect "the emulated disk is gone" eval '! serial_has switch "Disk [sh]d"'
    expect_pv_disk switch hda "$image"
    if is_hvmdm; then
        expect "the device model has let go of the image" \
            eval '! holds_image "$(worker_pid switch model)" "$image"'
        accesses=$(ide_accesses)
        expect "IDE was used until the switch" [ "$accesses" -gt 1000 ]
        written=$(written_by "$(worker_pid switch pv)")
    fi
    region=1
    while [ $region -lt $boot ]; do
        guest_expect switch $((30 + mib)) "what boot $region wrote is there" \
            "check_disk xvda $((first + (region - 1) * mib)) $mib $region"
        region=$((region + 1))
    done
    at=$((first + (boot - 1) * mib))
    guest_expect switch $((30 + mib * 2)) "writing $mib MiB" "write_disk xvda $at $mib $boot"
    guest_expect switch $((30 + mib * 2)) "reading them" "check_disk xvda $at $mib $boot"
    guest_expect switch 20 "a flush" "disk_flushed xvda"
    if is_hvmdm; then
        expect "nobody used IDE any more" [ "$(ide_accesses)" = "$accesses" ]
        written=$(($(written_by "$(worker_pid switch pv)") - written))
        expect "the PV worker wrote it all, not $written bytes" [ $written -ge $((mib * 1048576)) ]
    fi
    guest_expect switch 20 "the guest's kernel has no complaints" quiet_kernel
    [ $boot -lt $boots ] || break
    boot=$((boot + 1))
    domid_before=$(domid_of switch)
    rm -f "$guests/switch.serial" # so that what comes is the next boot's
    guest_tell switch "reboot -f"
    wait_until 120 "a new domain after the reboot" another_domain
    say "boot $boot: domain $(domid_of switch)"
done
guest_tell switch end
wait_gone switch 120
expect_quiet_kernel switch
expect "power off through ACPI" shut_down_with switch 0
expect "$((boots - 1)) reboots" \
    [ "$(grep -c 'has shut down, reason code 1 ' /var/log/xen/xl-switch.log)" = $((boots - 1)) ]
region=1
while [ $region -le $boots ]; do
    pattern check "$image" $(((first + (region - 1) * mib) * 1048576)) $((mib * 1048576)) $region ||
        fail "what boot $region wrote is not in the image"
    region=$((region + 1))
done
expect "no lock left" eval '! image_locked "$image"'
say "image is right: $((boots * mib)) MiB in $boots boots"
expect_clean
