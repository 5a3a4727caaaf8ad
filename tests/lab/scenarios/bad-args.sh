# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 400
#
# What hvmdm can't do is refused before the guest starts: xl create fails promptly, and one
# sentence tells the administrator why and what to do.

is_hvmdm || skip "these are hvmdm's own sentences"

# refused NAME "words of the sentence" [KEY=VALUE...]
refused()
{
    local name=$1 words=$2 begin text
    shift 2
    begin=$(date +%s)
    guest_config "$name" memory=64 "$@"
    if guest_start "$name"; then
        fail "xl create $name should have failed"
    fi
    [ $(($(date +%s) - begin)) -le 40 ] || fail "$name: refused only after 40 s"
    text=$({ cat "$name.xl"; dm_log "$name"; } 2>/dev/null | grep -i -- "$words")
    [ -n "$text" ] ||
        fail "$name: no word of \"$words\": $(dm_log "$name" | tail -n 3) $(tail -n 3 "$name.xl")"
    [ "$(echo "$text" | wc -l)" = 1 ] || fail "$name: more than one sentence: $text"
    say "$name: $text"
    expect_clean
}

disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload idle)"
refused wrong-option "frobnicate" disk="$disk" 'device_model_args_hvm=["-frobnicate"]'
refused wrong-value "not a number" disk="$disk" 'device_model_args_hvm=["-smp","4,maxcpus=many"]'
refused no-image "/no/such.img" \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=/no/such.img"
refused cirrus 'vga="stdvga"' disk="$disk" vga=cirrus
refused nic "type=vif" disk="$disk" 'vif=["model=ne2k_pci,mac=00:16:3e:00:00:01"]'
refused wrong-format 'qemu-img convert' \
    disk="format=qcow2,vdev=hda,access=w,backendtype=qdisk,target=$scenario_disks/idle.img"

# An image that another guest writes.
guest_create owner memory=64 disk="$disk"
wait_serial owner 120 "payload: idle"
guest_config thief memory=64 disk="$disk"
begin=$(date +%s)
if guest_start thief; then
    fail "two guests write one image"
fi
say "thief: refused after $(($(date +%s) - begin)) s: $(dm_log thief | grep 'in use' | tail -n 1)"
expect "refused within 60 s" [ $(($(date +%s) - begin)) -le 60 ]
expect "a sentence about the image in use" eval 'dm_log thief | grep -q "idle.img.* is in use"'
expect "which names the holder" eval 'dm_log thief | grep -q -E "process ($(dm_family owner | sed "s/ *$//; s/ /|/g"))"'
expect "the owner is still there" [ -n "$(domid_of owner)" ]
expect "and its device model too" [ -d "/proc/$(dm_pid owner)" ]
guest_destroy owner
expect_clean
