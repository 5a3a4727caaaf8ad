# SPDX-License-Identifier: GPL-2.0-or-later
# time-limit: 600
#
# A device that kills its device model, in all ways, on a build for the lab: after the second death it is
# fenced off, the guest reads ones from it, goes on and powers off cleanly. What kills only once is no
# reason to fence. A developer finds a record of each death.

is_hvmdm || skip "only hvmdm survives this"
DM=/usr/libexec/faults/hvmdm
[ -x "$DM-model" ] || fail "no build with faults: make lab-variants"
records=/var/lib/hvmdm/crash
rm -rf $records

# broken WORK VALUES WORDS: what the guest reads at last, and what the log says
broken()
{
    rm -f $guests/break.serial
    guest_create break memory=64 \
        disk="format=raw,vdev=hda,access=w,backendtype=qdisk,target=$(payload break "$1")"
    wait_serial break 120 "break: before"
    wait_serial break 200 "payload: power off"
    wait_gone break 60
    expect "power off through ACPI" shut_down_with break 0
    expect "the device answers $2 in the end: $(grep -a 'in the end' $guests/break.serial)" \
        grep -q -E "break: in the end $2" $guests/break.serial
    dm_log break | grep -E "$3" >found.out || fail "nothing in the log about \"$3\""
    say "$1: $(grep -a 'in the end' $guests/break.serial | tr -d '\r'); $(tail -n 1 found.out)"
}

broken b001 255 'SIGSEGV'
broken b001 255 'switched off'
broken b002 255 'SIGXCPU|CPU'
broken b003 255 'SIGABRT'
broken b004 255 'SIGSYS'
broken b005 '[0-9]+' 'timer.*switched off'
broken b006 '([0-9]|[0-9][0-9]|1[0-9][0-9])' 'SIGSEGV'
expect "what kills once is not fenced" eval '! dm_log break | grep -q "switched off"'
# shellcheck disable=SC2012 # file names of our own
say "records: $(ls $records | wc -l): $(ls $records | head -n 4 | tr '\n' ' ')"
expect "a record with the name of the device" eval 'cat $records/*.txt | grep -q test_fault'
expect "and a state to replay" eval 'ls $records/*.arena >/dev/null'
cp "$(ls $records/*.txt | head -n 1)" /results/crash-record.txt
expect_clean
