# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
# bench
#
# Costs of one access of each kind, written to /results/bench-port.txt as "name value" lines.
# Instructions in the deterministic mode, TSC ticks otherwise.

guest_create bench memory=64 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload bench-port)"
wait_serial bench 120 "bench: begin"
wait_serial bench 550 "bench: end" "bench: FAILED"
tr -d '\r' <"$guests/bench.serial" | sed -n '/bench: begin/,/bench: end/p' |
    grep -v bench: >/results/bench-port.txt
sed 's/^/  /' /results/bench-port.txt
expect "the payload reached its end" serial_has bench "bench: end"
wait_gone bench 30
expect_clean
