# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
#
# A guest whose front ends are hostile (payload/hostile.c has in what ways): after each round its back
# ends close, hold nothing and serve again. In the end no grant is mapped and no descriptor is left over,
# its PV worker is the same, the read-only image is untouched, and another guest has noticed nothing.

is_hvmdm || skip "only hvmdm is attacked"
hundreds=001 limit=500
[ "$LAB_SOAK" != 1 ] || { hundreds=140; limit=3000; } # ten thousand connections
seed=${LAB_SEED:-1} # of all that is random

# active_grants DOMID: those that somebody has mapped, without the toolstack's own.
active_grants()
{
    xl dmesg -c >/dev/null
    xl debug-keys g
    wait_until 10 "Xen's list of grants" eval 'xl dmesg | grep -q "gnttab_usage_print_all ] done"'
    xl dmesg | awk -v id="$1" '
        /grant-table for remote d/ { mine = $0 ~ ("remote d(omain: *)?" id "[^0-9]"); seen += mine }
        mine && /\[0x[0-9a-f]+\]/ && !/\[0x00[0-7]\]/ { n++ }
        END { print (seen ? n + 0 : "unknown") }'
}

descriptors_of()
{
    # shellcheck disable=SC2012 # a count
    ls "/proc/$1/fd" | wc -l
}

victim=$(blank victim.img 8)
guest_create victim type=pvh memory=192 extra="console=hvc0 quiet lab=serve lab_disk=xvda" \
    disk="format=raw,vdev=xvda,access=w,backendtype=qdisk,target=$victim"
writable=$(blank writable.img 2)
locked=$(blank locked.img 2)
pattern write "$locked" 0 2097152 66 >/dev/null || fail "cannot make the read-only image"
guest_create hostile memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload hostile h$hundreds)" \
    disk="format=raw,vdev=xvde,access=w,backendtype=qdisk,target=$writable" \
    disk="format=raw,vdev=xvdf,access=r,backendtype=qdisk,target=$locked"
wait_serial victim 120 "lab-guest: serving"
victims_worker=$(worker_pid victim pv)
guest_expect victim 20 "a load" "load_begin xvda 0 2 100"

wait_serial hostile 120 "hostile: ready" "hostile: FAILED"
expect "the payload is ready" serial_has hostile "hostile: ready"
domid=$(domid_of hostile)
worker=$(worker_pid hostile pv)
expect "a PV worker" [ -n "$worker" ]
descriptors=$(descriptors_of "$worker")
mappings=$(wc -l <"/proc/$worker/maps")
xenstore-write "/local/domain/$domid/data/lab" "$seed"
wait_serial hostile $limit "hostile: passed" "hostile: FAILED"
grep hostile: "$guests/hostile.serial" | readable | tail -n 6
expect "all rounds passed (seed $seed)" serial_has hostile "hostile: passed"
expect "the same PV worker" [ "$(worker_pid hostile pv)" = "$worker" ]
found=$(active_grants "$domid")
expect "no grant is mapped, but $found" [ "$found" = 0 ]
found=$(descriptors_of "$worker")
expect "as many descriptors as before ($descriptors), not $found" [ "$found" -le "$descriptors" ]
found=$(wc -l <"/proc/$worker/maps")
expect "hardly more mappings than before ($mappings), not $found" [ "$found" -le $((mappings + 8)) ]
expect "the image has kept its size" [ "$(stat -c %s "$writable")" = 2097152 ]
expect_image "$locked" 0 2 66

guest_expect victim 60 "the other guest's data was right all the time" "load_end xvda"
guest_expect victim 20 "the other guest's kernel has no complaints" quiet_kernel
expect "the other guest's PV worker is the same" [ "$(worker_pid victim pv)" = "$victims_worker" ]
guest_destroy hostile
guest_tell victim end
wait_gone victim 60
wait_until 10 "no zombie domain" eval '[ -z "$(other_domains)" ]'
for image in "$victim" "$writable" "$locked"; do
    expect "no lock left on $image" eval '! image_locked "$image"'
done
expect_clean
