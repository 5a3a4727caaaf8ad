# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 400
#
# xl block-attach, use, xl block-detach, again and again, on a guest that runs; then by force under load:
# the image is free at once, and the guest's other disk goes on. At last xl destroy under load.

count=5
[ "$LAB_SOAK" != 1 ] || count=50
first=$(blank first.img 8)
image=$(blank plugged.img 4)
guest_create attach type=pvh memory=256 vcpus=2 extra="console=hvc0 quiet lab=serve lab_disk=xvda" \
    disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$first"
wait_serial attach 120 "lab-guest: serving"
expect_pv_disk attach xvda "$first"
pid=$(dm_pid attach)
backend=$(backend_of attach xvdb)

plug()
{
    xl block-attach attach "format=raw,vdev=xvdb,access=w,backendtype=qdisk,target=$image" \
        >>"$xl_log" 2>&1 || fail "xl block-attach: $(tail -n 3 "$xl_log")"
}

image_free()
{
    ! image_locked "$image"
}

back_end_gone()
{
    ! xenstore-exists "$backend"
}

number=1
while [ $number -le $count ]; do
    plug
    guest_expect attach 60 "disk number $number" \
        "within 30 disk_there xvdb && write_disk xvdb 1 1 $number && check_disk xvdb 1 1 $number"
    expect_pv_disk attach xvdb "$image"
    xl block-detach attach xvdb >>"$xl_log" 2>&1 || fail "xl block-detach: $(tail -n 3 "$xl_log")"
    guest_expect attach 30 "disk number $number gone" "within 20 disk_gone xvdb"
    wait_until 5 "image free after detaching number $number" image_free
    expect_image "$image" 1 1 $number
    number=$((number + 1))
done
say "attached and detached $count times"
guest_expect attach 20 "the guest's kernel has no complaints" quiet_kernel

plug
guest_expect attach 60 "the disk once more" "within 30 disk_there xvdb"
guest_expect attach 20 "a load on it" "load_begin xvdb 0 4 100"
guest_expect attach 20 "a load on the other one" "load_begin xvda 0 4 200"
if is_hvmdm; then
    worker=$(worker_pid attach pv)
    before=$(written_by "$worker")
    wait_until 60 "load" eval '[ "$(written_by "$worker")" -gt $((before + 4194304)) ]'
fi
xl block-detach -f attach xvdb >>"$xl_log" 2>&1 || fail "xl block-detach -f: $(tail -n 3 "$xl_log")"
wait_until 10 "back end gone" back_end_gone
wait_until 10 "image free after detaching by force" image_free
if is_hvmdm; then
    expect "the same PV worker" [ "$(worker_pid attach pv)" = "$worker" ]
    expect "which has closed the image" eval '! holds_image "$worker" "$image"'
    before=$(written_by "$worker")
    wait_until 60 "the other load goes on" eval '[ "$(written_by "$worker")" -gt $((before + 4194304)) ]'
fi
expect "the device model lives" [ "$(dm_pid attach)" = "$pid" ]
guest_expect attach 60 "the other disk was right all the time" "load_end xvda"

# What the back end has mapped must not keep the domain from ending.
guest_expect attach 20 "a load once more" "load_begin xvda 0 4 300"
if is_hvmdm; then
    before=$(written_by "$worker")
    wait_until 60 "load" eval '[ "$(written_by "$worker")" -gt $((before + 4194304)) ]'
fi
xl destroy attach >>"$xl_log" 2>&1 || fail "xl destroy"
wait_until 10 "no zombie domain" eval '[ -z "$(other_domains)" ]'
wait_until 10 "device model $pid gone" process_gone "$pid"
expect "no lock left" eval '! image_locked "$first"'
expect_clean
