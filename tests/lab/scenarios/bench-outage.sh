# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 900
# bench
#
# How long a guest waits for an answer when its device model dies: from the last answer to the next one.
# Instructions in the deterministic mode. Values go to /results/outage.txt.

is_hvmdm || skip "the peer's guests wait for ever"
count=15
[ "$LAB_SOAK" != 1 ] || count=200
guest_create outage memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload outage o$(printf %03d $count))"
wait_serial outage 120 "outage: begin"
# One program kills and waits: a shell would start others, which are no part of what is measured.
kill_workers outage model $count "" 1000
wait_serial outage 120 "outage: end"
tr -d '\r' <$guests/outage.serial | awk '/^outage [0-9]/ { print $2 }' | sort -n >/results/outage.txt
awk '{ v[NR] = $1 } END { printf "  %d deaths: median %d, shortest %d, longest %d\n", NR, v[int((NR + 1) / 2)], v[1], v[NR] }' \
    /results/outage.txt
expect "no death more or less than the $count that the guest has seen, not $kills" [ "$kills" = $count ]
expect "as many as were asked for" [ "$(wc -l </results/outage.txt)" = $count ]
wait_gone outage 60
expect_clean
