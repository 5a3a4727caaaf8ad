# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# The hypervisor port alone: a payload checks every form of access against a program that is
# nothing but an ioreq server beside the guest's device model. Figures go to
# /results/hypervisor-port.txt.

[ -e /build/tests/null_dm ] || skip "build/tests/null_dm is not built"
cp /build/tests/null_dm /usr/bin/
guest_create port memory=64 vcpus=4 \
    disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload port)"
wait_serial port 120 "port: ready"
domid=$(domid_of port)
null_dm "$domid" >$guests/null_dm.out 2>&1 &
server=$!
wait_serial port 400 "port: passed" "port: FAILED"
grep port: $guests/port.serial
wait $server || fail "null_dm: $(cat $guests/null_dm.out)"
{
    cat $guests/null_dm.out
    tr -d '\r' <$guests/port.serial | grep -v port: | grep '^[a-z_]* [0-9]*$'
} >/results/hypervisor-port.txt
sed 's/^/  /' /results/hypervisor-port.txt
expect "all checks of the payload" serial_has port "port: passed"
expect "no request refused" grep -qx "insane 0" /results/hypervisor-port.txt
expect "word of the frame that was given up" sh -c \
    "! grep -qx 'invalidates 0' /results/hypervisor-port.txt"
expect "no answer without a request" grep -qx "misuse 0" /results/hypervisor-port.txt
expect "guest memory always mapped" grep -qx "faults 0" /results/hypervisor-port.txt
wait_gone port 30
expect_clean
